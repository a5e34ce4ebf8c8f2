/*
 * The compiler's state, shared by the files of dsl/ that fill a plan.
 *
 * compile.c   the passes in order, the top level
 * grammar.c   the table of keys, and what their values may be
 * keys.c      the keys of an object against the table
 * schedule.c  when a pipeline is run
 * tree.c      steps become nodes: names, kinds, nesting
 * names.c     a step by its name in a scope
 * needs.c     edges and cycles
 * reach.c     which step needs which, directly or through others
 * params.c    declarations of params, and values checked against them
 * secrets.c   declarations of secrets, and where they may go
 * scope.c     what names in an expression mean at some place
 * never.c     comparisons that cannot hold
 * template.c  strings with templates and JSON values become expressions
 * number.c    counts, durations, sizes
 * include.c   the files that `pipeline` names, and which one is looked at
 * call.c      a `pipeline` step: the inside of another file as a block
 * arguments.c what a step type takes
 * attrs.c, leaf.c, use.c, block.c, matrix.c   what the keys of a step mean
 * warn.c      what is allowed and probably not meant
 *
 * A problem is reported and compilation goes on, so that all of a file's
 * problems come out at once; when there was an error the plan is thrown away.
 * Running out of memory sets `nomem`, which whoever calls looks at in the end.
 */
#ifndef FLO_DSL_COMPILE_P_H
#define FLO_DSL_COMPILE_P_H

#include "dsl/doc_p.h"
#include "dsl/dsl.h"
#include "dsl/expr_p.h"
#include "dsl/grammar_p.h"
#include "dsl/params_p.h"
#include "dsl/report_p.h"

enum flo__key {
#define FLO__KEY_X(key, text, where, shape, about) FLO__KEY_##key,
	FLO__KEY_MAP(FLO__KEY_X)
#undef FLO__KEY_X
	FLO__KEYS
};

/* The values of a step's keys in the document; FLO__DOC_NONE: not given. */
struct flo__keys {
	uint32_t at[FLO__KEYS];
	unsigned where; /* what kind of step they make, FOREACH beside it */
	bool misspelt;	/* an unknown key is nearly one that makes a step */
};

/* Keys of the top level. */
enum flo__top {
#define FLO__TOP_X(key, text, where, shape, about) TOP_##key,
	FLO__TOP_MAP(FLO__TOP_X)
#undef FLO__TOP_X
	TOPS
};

/*
 * A file of the pipeline: the one that was given, or one that a `pipeline`
 * step names. What it declares is shared by all who include it.
 */
struct flo__file {
	struct flo__file *next; /* in the order in which they were named */
	const char *key;	/* the directory and path it was named by */
	const char *id;		/* the same with links resolved: for cycles */
	const char *name;	/* in diagnostics */
	const char *dir;	/* absolute */
	char *text;		/* owned; NULL: of the one that was given */
	size_t len;
	size_t settled; /* problems of @report that are in order */
	bool looked;	/* at its top level; once is enough */
	bool valid;	/* it is JSON, and an object */
	/* While another file is looked at; else they are the compiler's. */
	struct flo__doc doc;
	struct flo__report report;
	struct flo__params params;
	uint32_t top[TOPS];
	uint32_t secrets_first, secrets_len; /* among the plan's */
};

/* One use of a file: what it is that a node belongs to. */
struct flo__unit {
	struct flo__file *file;
	uint32_t outer; /* the unit that includes it; 0 of the first itself */
	uint32_t node;	/* the block that it is */
	uint32_t place; /* of the path, in the file of @outer */
	/* While another unit is looked at; else they are the compiler's. */
	uint32_t env;
	struct flo__number default_timeout;
	const struct flo__retry *default_retry;
};

/* A plan with what belongs to it beyond what the runner sees. */
struct flo__dsl_plan {
	struct flo__plan plan; /* first: the one is cast to the other */
	struct flo__arena arena;
	struct flo__expr *exprs; /* all, by next */
	struct flo__params params;
	struct flo__file *files; /* the one that was given, then the others */
};

/* What only the compiler wants to know of a secret. */
struct flo__secret_mark {
	struct flo__file *file; /* that declares it */
	uint32_t place;		/* its key there */
	bool used;
};

#define FLO__COMPILE_CONSTANTS 64

/* A slot of the table of names: FLO__NODE_NONE where it is free. */
struct flo__name {
	uint32_t hash;
	uint32_t node;
};

/* doubt.c: what a mistake that was reported leaves unknown. */
enum flo__doubt {
	FLO__DOUBT_NAMES, /* steps of the block: one has no good name */
	FLO__DOUBT_NEEDS, /* what steps of the group need */
	FLO__DOUBT_AS,	  /* what the item of the foreach is called */
};

#define FLO__DOUBTS_MAX 64

struct flo__compiler {
	const struct flo__dsl_options *options;
	struct flo__doc doc;
	struct flo__report report;
	struct flo__dsl_plan *out; /* owned until the end */
	struct flo__arena *arena;  /* of out */
	struct flo__code code;	   /* of the expression being compiled */
	/* Constants made lately, by their values: template.c. */
	const struct flo__expr *constants[FLO__COMPILE_CONSTANTS];
	struct flo__doc_cursor cursor; /* where that is */
	struct flo__nearest near_key;  /* keys.c: of the last unknown one */

	/* Arrays of the plan, owned until they are handed over. */
	struct flo__node *nodes;
	uint32_t nodes_len, nodes_cap;
	uint32_t *places; /* of each node: its object in the document */
	uint32_t places_cap;
	uint32_t *unit_of; /* of each node: the unit it is written in */
	uint32_t unit_of_cap;
	struct flo__unit *units;
	uint32_t units_len, units_cap;
	uint32_t unit;	   /* the one that is looked at: its document is @doc */
	flo_value *pinned; /* owned: see include.c; NULL: files are read */
	uint32_t *children;
	uint32_t children_len, children_cap;
	uint32_t *edges;
	uint32_t edges_len, edges_cap;
	struct flo__leaf *leaves;
	uint32_t leaves_len, leaves_cap;
	struct flo__block *blocks;
	uint32_t blocks_len, blocks_cap;
	struct flo__attrs *attrs;
	uint32_t attrs_len, attrs_cap;

	struct flo__name *table; /* names.c */
	uint32_t table_mask;
	uint32_t table_len;
	uint32_t depth; /* of blocks, while the tree is built */

	struct flo__reach *reach; /* owned; NULL: nobody has asked yet */

	struct flo__number default_timeout;
	const struct flo__retry *default_retry;
	const struct flo__expr *const *default_shell;
	uint32_t env;		   /* the pipeline's, in the document */
	struct flo__map env_names; /* its keys, once they were asked for */
	struct flo__secret_mark *secrets; /* beside plan->secrets */
	uint32_t secret_uses; /* expressions that named one, so far */
	struct {
		enum flo__doubt doubt;
		uint32_t node;
	} doubts[FLO__DOUBTS_MAX];
	uint32_t doubts_len;
	bool nomem;
};

/* Make room for one more item in the array at *@items. */
bool flo__compile_grow(struct flo__compiler *c, void *items, uint32_t len,
		       uint32_t *cap, size_t size);
/* Zeroed memory of the plan, or NULL and c->nomem. */
void *flo__compile_alloc(struct flo__compiler *c, size_t count, size_t size);
/* The string @node as memory of the plan. */
const char *flo__compile_string(struct flo__compiler *c, uint32_t node);

/* Report an error at a value of the document. */
#define flo__compile_error(c, code, node, hint, ...)                           \
	flo__report_error(&(c)->report, FLO__CODE_##code,                      \
			  flo__doc_span(&(c)->doc, node), node, hint,          \
			  __VA_ARGS__)

/* Check that @node has @type; report it if not. @what: "`exec`". */
bool flo__compile_is(struct flo__compiler *c, uint32_t node,
		     enum flo__doc_type type, const char *what);
/* A boolean. *@ret keeps its value if @node is none. */
void flo__compile_bool(struct flo__compiler *c, uint32_t node, const char *what,
		       bool *ret);
/* A string without templates in it, as memory of the plan, or NULL. */
const char *flo__compile_plain(struct flo__compiler *c, uint32_t node,
			       const char *what);
/* Where in the strings @node a template begins; false if none does. */
bool flo__compile_has_template(struct flo__compiler *c, uint32_t node,
			       size_t *ret_at);
/* The same from *@at on, which becomes the place. */
bool flo__compile_template_at(struct flo__compiler *c, uint32_t node,
			      size_t *at);

void flo__doubt(struct flo__compiler *c, enum flo__doubt doubt, uint32_t node);
bool flo__doubted(const struct flo__compiler *c, enum flo__doubt doubt,
		  uint32_t node);
/* The same of @node or a block around it. */
bool flo__doubted_around(const struct flo__compiler *c, enum flo__doubt doubt,
			 uint32_t node);
/* Take the unknown @key of @object for @meant, a literal, if there is none and
 * more would follow from that. */
bool flo__doubt_key(struct flo__compiler *c, uint32_t object, uint32_t key,
		    const char *meant);

struct flo__view;

/* Warn of text between the decoded bytes @from and @to of the string @node that
 * was probably meant as a template. @view: NULL in a script. */
void flo__lookalike_check(struct flo__compiler *c, struct flo__view *view,
			  uint32_t node, size_t from, size_t to);
/* Whether the string @node, where a list is computed, is a word that was
 * probably meant as its only item: "linux". Reports it. */
bool flo__lone_word(struct flo__view *view, uint32_t node);

/* What a word of another tool is called here: foreign.c. */
struct flo__foreign {
	const char *word; /* small letters without _ and - */
	const char *key;  /* the key that is meant, or NULL */
	unsigned types;	  /* of JSON values that it may be taken for the key
			   * with; 0: with none, whatever its value is */
	const char *hint; /* NULL: that @key may be meant */
};

/* The word that the unknown @key of an object of @grammar is, or NULL. */
const struct flo__foreign *flo__foreign_find(struct flo__doc *doc,
					     const struct flo__grammar *grammar,
					     uint32_t key);

/* keys.c */
const char *flo__key_text(enum flo__key key);
void flo__keys_read(struct flo__compiler *c, uint32_t object, bool report,
		    struct flo__keys *ret_keys);
/* Report keys that do not belong to the kind of step they are in. */
void flo__keys_check(struct flo__compiler *c, const struct flo__keys *keys);
/* Report the keys of @object that are not among those of @grammar. */
void flo__keys_only(struct flo__compiler *c, uint32_t object,
		    const struct flo__grammar *grammar);
/*
 * Read the string at @node, which must be one of the shape's words: its index
 * to *@ret, untouched after an error. @what: "`output`".
 */
void flo__compile_word(struct flo__compiler *c, uint32_t node, const char *what,
		       const struct flo__shape *shape, unsigned *ret);

/* names.c */
bool flo__name_check(struct flo__compiler *c, uint32_t node, const char *what);
/* Add @node under its parent; the node that has the name already, or NONE. */
uint32_t flo__names_add(struct flo__compiler *c, uint32_t node);
uint32_t flo__names_find(const struct flo__compiler *c, uint32_t parent,
			 const char *name, size_t len);
/* "did you mean" among the children of @parent. */
const char *flo__names_hint(const struct flo__compiler *c, uint32_t parent,
			    const char *name, size_t len, char *buf,
			    size_t size);

/* tree.c: the root sequence and everything below it. */
/* The steps of a file, and its finally, in the block @node. */
void flo__tree_inside(struct flo__compiler *c, uint32_t node, uint32_t steps,
		      uint32_t finally);
void flo__tree_build(struct flo__compiler *c, uint32_t steps, uint32_t finally);
/* The array of steps in a `finally`, and its timeout (NONE: not given). */
uint32_t flo__tree_finally(struct flo__compiler *c, uint32_t node,
			   uint32_t *ret_timeout);

/* needs.c */
void flo__needs_link(struct flo__compiler *c);
/*
 * Put the nodes into @order so that each comes after all that it needs. How
 * many there are in it: those of a cycle, and what needs them, are not. @left
 * gets how many needs of a node are missing then. Both have room for all.
 */
uint32_t flo__needs_order(const struct flo__compiler *c, uint32_t *left,
			  uint32_t *order);

/* reach.c */
enum flo__reached {
	FLO__REACHED_NO,
	FLO__REACHED_YES,
	FLO__REACHED_LATER, /* not known yet: hand in a question */
};

/* A reference that is right if @node needs @target, and where it stands. */
struct flo__question {
	uint32_t node;
	uint32_t target;
	uint32_t unit;
	uint32_t place; /* the string in the unit's document */
	uint32_t at;	/* the token in it, decoded */
	uint32_t len;
};

/*
 * Whether @node, a member of a group, needs its sibling @target, directly or
 * through others. After or in a cycle, which is an error anyway: YES.
 */
enum flo__reached flo__reach(struct flo__compiler *c, uint32_t node,
			     uint32_t target);
/* Keep @question until flo__reach_answer(). Of nodes that were LATER. */
void flo__reach_ask(struct flo__compiler *c,
		    const struct flo__question *question);
/* Answer all questions: @wrong is called for each whose answer is no. */
void flo__reach_answer(struct flo__compiler *c,
		       void (*wrong)(struct flo__compiler *c,
				     const struct flo__question *question));
void flo__reach_free(struct flo__reach *reach);

/* scope.c: where an expression stands and what it may name there. */
enum flo__sees {
	SEES_PARAMS = 1,
	SEES_ENV = 2,
	SEES_RUN = 4,
	SEES_STEPS = 8,
	SEES_ITEM = 16,
	SEES_ATTEMPT = 32,
	SEES_SECRETS = 64,
	SEES_STEP = SEES_PARAMS | SEES_ENV | SEES_RUN | SEES_STEPS | SEES_ITEM,
};

struct flo__view {
	struct flo__names names; /* first */
	struct flo__compiler *c;
	uint32_t node;
	unsigned sees;	/* bits of enum flo__sees */
	bool after;	/* everything in @node has ended: `output` */
	bool argv;	/* an argument of a program */
	bool inside;	/* @node is a pipeline, and this stands in its file */
	uint32_t place; /* the string that is compiled, in the document */
	unsigned types; /* of the expression compiled last, and if it is a */
	unsigned items; /* list, of its items; FLO__TYPES_ANY: not known */
	bool whole;	/* the string compiled last was one template */
	/* A value is one template, at @node, @depth levels inside of what is
	 * compiled. NULL: nobody wants to know. */
	void (*typed)(struct flo__view *view, uint32_t node, unsigned depth);
	bool doubtful; /* the step just named may be none that has ended: */
	struct flo__question doubt;
};

struct flo__view flo__view_of(struct flo__compiler *c, uint32_t node,
			      unsigned sees);
/* Report the references that turn out to be of steps that may not have ended,
 * once all were collected. */
void flo__scope_settle(struct flo__compiler *c);

/* outputs.c: struct flo__names's output. */
flo_status flo__view_output(struct flo__names *names, const char *name,
			    size_t len, uint32_t *node, unsigned *types,
			    struct flo__expr_problem *problem);

/* never.c: struct flo__names's never. */
bool flo__view_never(struct flo__names *names, const struct flo__ref *ref,
		     const char *name, size_t len, const flo_value *value,
		     struct flo__expr_problem *problem);

/* hint.c: how a step is reached that lies inside another block; or NULL. */
const char *flo__hint_inside(const struct flo__view *view, const char *name,
			     size_t len, char *buf, size_t size);

/* template.c: check the string @node as an expression that the @argument of a
 * step of @type is; nothing is kept of it. Requires: no code is in the making. */
void flo__compile_named(struct flo__compiler *c, uint32_t node,
			const flo_expr_options *options, const char *argument,
			const char *type);

/* template.c. NULL after an error or without memory. */
const struct flo__expr *flo__compile_expr(struct flo__view *view, uint32_t node,
					  unsigned types, const char *what);
/* "a string"; of several types no word, but for null beside another. */
const char *flo__types_text(unsigned types);
/* A string that is one template, of a count (INT) or a duration. */
const struct flo__expr *flo__compile_template(struct flo__view *view,
					      uint32_t node, unsigned types,
					      const char *what);
/* A string that becomes text. */
const struct flo__expr *flo__compile_text(struct flo__view *view,
					  uint32_t node);
/* Any JSON; strings that are one template keep the value's type. */
const struct flo__expr *flo__compile_value(struct flo__view *view,
					   uint32_t node);
/* The same without templates. */
const struct flo__expr *flo__compile_literal(struct flo__compiler *c,
					     uint32_t node);
/* Text that is known: an expression for it. */
const struct flo__expr *flo__compile_const(struct flo__compiler *c,
					   flo_value *value);

/* number.c */
void flo__compile_count(struct flo__view *view, uint32_t node, const char *what,
			uint64_t min, struct flo__number *ret);
void flo__compile_duration(struct flo__view *view, uint32_t node,
			   const char *what, struct flo__number *ret);
/* The same without templates. */
void flo__compile_time_limit(struct flo__compiler *c, uint32_t node,
			     const char *what, uint64_t *ret_ns);
/* Without templates. */
bool flo__compile_ns(struct flo__compiler *c, uint32_t node, const char *what,
		     uint64_t *ret_ns);
bool flo__compile_size(struct flo__compiler *c, uint32_t node, const char *what,
		       uint64_t *ret_bytes);
bool flo__compile_real(struct flo__compiler *c, uint32_t node, const char *what,
		       const struct flo__shape *shape, double *ret);

/* attrs.c */
void flo__compile_env(struct flo__view *view, uint32_t node,
		      const struct flo__env_entry **ret_env, uint32_t *ret_len);
void flo__compile_attrs(struct flo__compiler *c, uint32_t node,
			const struct flo__keys *keys);
const struct flo__retry *flo__compile_retry(struct flo__view *view,
					    uint32_t node);

/* leaf.c, use.c, block.c */
void flo__compile_leaf(struct flo__compiler *c, uint32_t node,
		       const struct flo__keys *keys);
void flo__compile_use(struct flo__view *view, const struct flo__keys *keys,
		      struct flo__leaf *leaf);
void flo__compile_block(struct flo__compiler *c, uint32_t node,
			const struct flo__keys *keys);
/* on_error and max_failures, also of the top level. */
void flo__compile_errors(struct flo__view *view, uint32_t on_error,
			 uint32_t max_failures, bool foreach,
			 struct flo__block *block);

/* schedule.c. After params.c. */
void flo__schedules_check(struct flo__compiler *c, uint32_t node);

/* warn.c: a `when` at @at that says the same in every run; steps that no run
 * comes to. */
void flo__warn_when(struct flo__compiler *c, uint32_t at,
		    const struct flo__expr *when);
void flo__warn_unreachable(struct flo__compiler *c);

/* matrix.c: the product that a foreach goes over, NULL after an error. */
const struct flo__matrix *flo__compile_matrix(struct flo__compiler *c,
					      uint32_t node, uint32_t at);
/* How many items it has if that is known, else UINT64_MAX. */
uint64_t flo__matrix_known_len(const struct flo__matrix *matrix);
/*
 * What an expression may select from an item of @matrix: @name with its types,
 * or the whole item (@name NULL). FLO_NOTFOUND and @problem if no item has it.
 */
flo_status flo__matrix_member(const struct flo__matrix *matrix,
			      const char *name, size_t len, unsigned *types,
			      struct flo__expr_problem *problem);

/* include.c */

/* Begin with the file that was given. */
bool flo__include_first(struct flo__compiler *c, const char *text, size_t len);
/*
 * The file that the string @at of the current unit names; its document and
 * top level have been looked at. NULL after an error, which was reported.
 */
struct flo__file *flo__include(struct flo__compiler *c, uint32_t at);
/* A new use of @file by the current unit, as the block @node. FLO__NODE_NONE
 * without memory. */
uint32_t flo__unit_add(struct flo__compiler *c, struct flo__file *file,
		       uint32_t node, uint32_t place);
/* Look at another unit: document, report, params and defaults are its then. */
void flo__unit_enter(struct flo__compiler *c, uint32_t unit);
/* The same for the unit that @node is written in. */
void flo__unit_enter_of(struct flo__compiler *c, uint32_t node);
/* Say where files with errors are included, once all was looked at. */
void flo__include_blame(struct flo__compiler *c);
/* Free what was only for compiling; or all there is. */
void flo__files_trim(struct flo__dsl_plan *out);
void flo__files_free(struct flo__dsl_plan *out);

/* call.c */

/* Whether @node is a pipeline within a pipeline. */
bool flo__is_call(const struct flo__compiler *c, uint32_t node);
void flo__call_build(struct flo__compiler *c, uint32_t node, uint32_t at);
void flo__compile_call(struct flo__compiler *c, uint32_t node,
		       const struct flo__keys *keys);

/* compile.c: what of a file does not depend on who includes it. */
void flo__compile_head(struct flo__compiler *c, struct flo__file *file);
void flo__compile_defaults(struct flo__compiler *c, uint32_t node,
			   uint32_t attrs);

/* params.c: the declarations under `params`, NONE if there are none. */
void flo__params_declare(struct flo__compiler *c, uint32_t node);

/* secrets.c: the same for `secrets`. */
void flo__secrets_declare(struct flo__compiler *c, uint32_t node);
void flo__secrets_warn_unused(struct flo__compiler *c);
/* `secrets.NAME` in an expression; see struct flo__names. */
flo_status flo__secrets_member(struct flo__view *view, const char *name,
			       size_t len, struct flo__ref *ref,
			       unsigned *types,
			       struct flo__expr_problem *problem);
/* Whether `env.NAME`, or with @name NULL all of `env`, may be used in @view,
 * given what is a secret in it. */
flo_status flo__secrets_env(struct flo__view *view, const char *name,
			    size_t len, struct flo__ref *ref,
			    struct flo__expr_problem *problem);

#endif
