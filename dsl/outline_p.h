/*
 * A plan told to people: what would run, without running anything.
 *
 * What was written comes from the text, which is scanned once more beside the
 * walk over the plan (a plan keeps no places); what it means comes from the
 * plan. What follows from params and the pipeline's env alone is computed;
 * what depends on steps, items or the run stays an expression.
 *
 * outline.c        the walk, the values of the steps
 * outline_run.c    the values of the run and its params
 * outline_known.c  what can be computed now
 * outline_size.c   how much work there is: leaves, chains, breadth
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

struct flo__known {
	struct flo__scope scope; /* first: found by its address */
	const struct flo__plan *plan;
	flo_value *params; /* owned: bound, without those that are missing */
	flo_value *env;	   /* owned: entries whose values are known */
	bool complete;	   /* no param is missing */
	bool env_complete; /* no entry is missing */
	bool asked;	   /* for something that is not known, in this eval */
};

/* Bind @given and compute the pipeline's env. FLO_INVALID with a text. */
flo_status flo__known_init(struct flo__known *known,
			   const struct flo__plan *plan, const flo_value *given,
			   flo_error *err);
void flo__known_fini(struct flo__known *known);

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
 * is not known. FLO_NOMEM. */
flo_status flo__known_number(struct flo__known *known,
			     const struct flo__number *number, bool duration,
			     uint64_t *ret);

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
	struct flo__doc doc;
	struct flo__report report; /* of the scan, which finds nothing */
	struct flo__known known;
	struct flo__size *sizes;  /* owned */
	struct flo__strbuf path;  /* of the step being told */
	uint64_t limit;		  /* of the run; FLO__OUTLINE_MANY: unknown */
	const char *limit_origin; /* "own", "default", "option" */
	uint64_t timeout_ns;	  /* of the run, likewise; 0: none */
	uint64_t leaves, skipped; /* as they are written, so far */
	uint64_t blocks, depth_max;
	bool native;   /* there is a step that is no program */
	flo_status st; /* the first failure */
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
/* on_error and max_failures of a block, as far as they were written. */
void flo__outline_put_errors(struct flo__outline *o, flo_value *map,
			     uint32_t object);

/* What FLO_PLAN_RUN and FLO_PLAN_SUMMARY carry; NULL and o->st. */
flo_value *flo__outline_run(struct flo__outline *o);
flo_value *flo__outline_summary(struct flo__outline *o);

#endif
