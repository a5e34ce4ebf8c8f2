/*
 * A plan told to people: what would run, without running anything.
 *
 * What was written comes from the text, which is scanned once more beside the
 * walk over the plan (a plan keeps no places); what it means comes from the
 * plan. What follows from params and the pipeline's env alone is computed;
 * what depends on steps, items or the run stays an expression.
 *
 * outline.c         the walk, the values of the steps
 * outline_value.c   what is written, and durations, as values
 * outline_leaf.c    what a leaf does
 * outline_limit.c   limits, and the time limit that binds
 * outline_call.c    a pipeline within the pipeline, and its text
 * outline_matrix.c  the axes of a matrix and how much they make
 * outline_run.c     the values of the run, its params and secrets
 * outline_known.c   what can be computed now
 * outline_inside.c  the same inside of other pipelines
 * outline_size.c    how much work there is: leaves, chains, breadth
 */
#ifndef FLO_DSL_OUTLINE_P_H
#define FLO_DSL_OUTLINE_P_H

#include "base/strbuf.h"
#include "dsl/compile_p.h"

/* A number that is not known before the run, or too large to count. */
#define FLO__OUTLINE_MANY UINT64_MAX

/* What came of an expression before the run. */
enum flo__known_state {
	FLO__KNOWN_NO,	  /* it depends on more than params */
	FLO__KNOWN_YES,	  /* it has a value */
	FLO__KNOWN_ERROR, /* it cannot be computed, whatever happens */
};

/* What the expressions of one use of a file see. */
struct flo__known_unit {
	const struct flo__call *call; /* NULL: the pipeline itself */
	uint32_t node;	   /* the block that it is; units are sorted by it */
	flo_value *params; /* owned: bound, without those not known */
	flo_value *env;	   /* owned: entries whose values are known */
	flo_value *error;  /* owned: why `with` fails in each run, or NULL */
	bool complete;	   /* no param is missing */
	bool env_complete; /* no entry is missing */
};

struct flo__known {
	struct flo__scope scope; /* first: found by its address */
	const struct flo__plan *plan;
	struct flo__known_unit *units; /* owned; 0: the pipeline itself */
	uint32_t units_len;
	uint32_t *unit_of; /* owned: of each node; NULL: there is only one */
	uint32_t at;	   /* the unit whose expressions are computed */
	bool asked;	   /* for something that is not known, in this eval */
	flo_error why;	   /* of the last number: no text if it may do */
};

/* Bind @given and compute the pipeline's env. FLO_INVALID with a text. */
flo_status flo__known_init(struct flo__known *known,
			   const struct flo__plan *plan, const flo_value *given,
			   flo_error *err);
void flo__known_fini(struct flo__known *known);

/* The pipeline that @node is the block of, or NULL. */
const struct flo__call *flo__outline_call(const struct flo__plan *plan,
					  uint32_t node);
/* What the step gives for the param @name, or NULL. */
const struct flo__env_entry *flo__call_gives(const struct flo__call *call,
					     const char *name);
/* Compute from now on what is written in the file that @node is written in. */
void flo__known_enter(struct flo__known *known, uint32_t node);
/* The same for the file that the block @node is. */
void flo__known_enter_call(struct flo__known *known, uint32_t node);
/* Find the pipelines within the pipeline; called once. FLO_NOMEM. */
flo_status flo__known_add_calls(struct flo__known *known);
/* Compute the entries of the unit's env. FLO_NOMEM. */
flo_status flo__known_env(struct flo__known *known,
			  const struct flo__env_entry *env, uint32_t len);

/*
 * Compute @expr. FLO_OK and *@ret_state; with FLO__KNOWN_YES *@ret_value is a
 * reference that the caller owns; with FLO__KNOWN_ERROR @err says why.
 * FLO_NOMEM.
 */
flo_status flo__known_eval(struct flo__known *known,
			   const struct flo__expr *expr, flo_error *err,
			   enum flo__known_state *ret_state,
			   flo_value **ret_value);

/* A count, or a duration in ns: 0 if it is not given, FLO__OUTLINE_MANY if it
 * is not known, or is nothing that can be one: then @known->why says why each
 * run would fail. FLO_NOMEM. */
flo_status flo__known_number(struct flo__known *known,
			     const struct flo__number *number,
			     enum flo__number_kind kind, uint64_t *ret);

/*
 * Count the items of @matrix: *@ret_state, and with FLO__KNOWN_YES *@ret_len;
 * with FLO__KNOWN_ERROR @err says why each run would fail. FLO_NOMEM.
 */
flo_status flo__known_matrix(struct flo__known *known,
			     const struct flo__matrix *matrix, flo_error *err,
			     enum flo__known_state *ret_state,
			     uint64_t *ret_len);

/* What is found out about a node before it is told. */
struct flo__size {
	uint64_t items;	  /* of a foreach */
	uint64_t leaves;  /* that run, each as often as it runs */
	uint64_t breadth; /* leaves that may run at one instant */
	uint64_t chain;	  /* leaves that run one after the other at least */
	uint8_t when;	  /* enum flo__known_state */
	uint8_t items_state;
	bool skipped; /* its `when` is false */
};

/* The size of every node: an array for flo__free(). FLO_NOMEM. */
flo_status flo__outline_sizes(struct flo__known *known,
			      struct flo__size **ret_sizes);

struct flo__outline {
	const struct flo__plan *plan;
	const struct flo__dsl_outline *options;
	struct flo__doc *doc; /* of the file that is told; on the stack */
	struct flo__known known;
	struct flo__size *sizes;  /* owned */
	struct flo__strbuf path;  /* of the step being told */
	uint64_t limit;		  /* of the run; FLO__OUTLINE_MANY: unknown */
	const char *limit_origin; /* "own", "default", "option" */
	uint64_t timeout_ns;	  /* of the run, likewise; 0: none */
	uint64_t leaves, skipped; /* as they are written, so far */
	uint64_t blocks, depth_max;
	bool native; /* there is a step that is no program */
	flo_error *err;
	flo_status st; /* the first failure */
};

/* Something in the text of some file. */
struct flo__place {
	struct flo__doc *doc;
	uint32_t at;
};

/* What a step has from the blocks around it. The path of a block is how the
 * paths of all in it begin, so a length of the path is enough to name it. */
struct flo__around {
	const struct flo__node *parent;
	uint32_t previous; /* the sibling before it, or FLO__NODE_NONE */
	const char *file;  /* that it is written in; NULL: the first */
	size_t parent_len;
	uint64_t depth;
	bool skipped;		   /* something around it is */
	uint64_t timeout_ns;	   /* the smallest that is known; 0: none */
	const char *origin;	   /* of that: "run", "block", ... */
	size_t of_len;		   /* the path of the block that has it */
	struct flo__place written; /* it */
	uint64_t limit;		   /* the smallest of the files around */
	const char *limit_origin;  /* "run", "file" */
	size_t limit_of_len;	   /* the path of the block that is the file */
	struct flo__place limit_written;
};

/* Add an entry (taken; NULL: no memory). The first failure stays in o->st. */
void flo__outline_put(struct flo__outline *o, flo_value *map, const char *key,
		      flo_value *value);
/* Add the value as it stands in the document; nothing for NONE. */
void flo__outline_put_doc(struct flo__outline *o, flo_value *map,
			  const char *key, uint32_t node);
/* The names of the keys of an object, as a list. */
void flo__outline_put_names(struct flo__outline *o, flo_value *map,
			    const char *key, uint32_t object);
/* {"text", "seconds"}; for what is not known: {"text"} as it was written. */
flo_value *flo__outline_duration(struct flo__outline *o, uint64_t ns,
				 uint32_t written);
/* Add an item (taken; NULL: no memory) to a list. */
void flo__outline_add(struct flo__outline *o, flo_value *list, flo_value *item);
/* The first @len bytes of the path that is told. */
void flo__outline_put_path(struct flo__outline *o, flo_value *map,
			   const char *key, size_t len);
/* The value of @name in @object, NONE if there is none. */
uint32_t flo__outline_get(struct flo__outline *o, uint32_t object,
			  const char *name);
/* A text that is written without a template, which is how people know it. */
bool flo__outline_is_plain(struct flo__outline *o, uint32_t node);
/* As pipelines write durations, exact down to milliseconds: "1h30m". */
void flo__outline_duration_text(uint64_t ns, char *ret, size_t size);
/* Why the number that was computed last fails in each run, if it does. */
void flo__outline_put_why(struct flo__outline *o, flo_value *map,
			  const char *key);
/* on_error and max_failures of a block, as far as they were written. */
void flo__outline_put_errors(struct flo__outline *o, flo_value *map,
			     uint32_t object);

/* outline_leaf.c: what the leaf does. */
void flo__outline_put_leaf(struct flo__outline *o, flo_value *map,
			   const struct flo__node *node, uint32_t object);
/* Its retry (NULL: none), as it was written in @object or in `defaults`. */
void flo__outline_put_retry(struct flo__outline *o, flo_value *map,
			    const struct flo__retry *retry, uint32_t object);

/* outline_limit.c */

/* How many of its members a group or foreach runs at once. */
void flo__outline_put_limit(struct flo__outline *o, flo_value *map,
			    const struct flo__node *node, uint32_t object,
			    const struct flo__around *up);
/*
 * The time limit that binds, with its origin: the smallest of the step's own
 * and those around it. One that is not known is told beside the smallest that
 * is. A leaf takes over `defaults` and is bound by what is around it; a block
 * only tells its own, or its file's. *@ret_ns gets its own.
 */
void flo__outline_put_timeout(struct flo__outline *o, flo_value *map,
			      const struct flo__node *node, uint32_t object,
			      const struct flo__around *up, uint64_t *ret_ns);
/* Bind what is around steps by a time limit; 0 and MANY change nothing. */
void flo__around_bind(struct flo__around *around, uint64_t ns,
		      const char *origin, size_t of_len,
		      struct flo__place written);

/* Give @around the limit of leaves back that @up has. */
void flo__around_unlimit(struct flo__around *around,
			 const struct flo__around *up);

/* outline_call.c */

/* The text of a file, scanned anew where it is told. */
struct flo__outline_file {
	const struct flo__file *file;
	struct flo__doc doc;
	struct flo__report report; /* of the scan, which finds nothing */
};

/* Scan the text of @call's file. A failure stays in o->st, and @file is to be
 * closed all the same. */
void flo__outline_open(struct flo__outline *o, const struct flo__call *call,
		       struct flo__outline_file *file);
void flo__outline_close(struct flo__outline_file *file);
/* What the block @id, another pipeline, is and gets. */
void flo__outline_put_call(struct flo__outline *o, flo_value *map, uint32_t id,
			   uint32_t object, struct flo__outline_file *file);
/* Bind @around by the limits of the file that the block @id is. */
void flo__outline_around_call(struct flo__outline *o, uint32_t id,
			      struct flo__outline_file *file,
			      struct flo__around *around);

/* outline_matrix.c: its axes, as they are written, and what they make. */
void flo__outline_put_matrix(struct flo__outline *o, flo_value *map,
			     uint32_t id, uint32_t object);

/* What FLO_PLAN_RUN and FLO_PLAN_SUMMARY carry; NULL and o->st. */
flo_value *flo__outline_run(struct flo__outline *o);
flo_value *flo__outline_summary(struct flo__outline *o);

#endif
