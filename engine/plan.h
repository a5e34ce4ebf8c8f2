/*
 * The plan: a compiled pipeline as flat arrays, read-only and shared.
 *
 * dsl makes it, the runner walks it. Nodes are indices; node 0 is the root
 * sequence. What has to be computed at run time is an opaque flo__expr that
 * only the plan's language can evaluate, against a scope that the runner
 * provides: engine knows no syntax, dsl knows no runs.
 *
 * All memory belongs to the plan. Threads: immutable once made, any thread.
 */
#ifndef FLO_ENGINE_PLAN_H
#define FLO_ENGINE_PLAN_H

#include <flo/error.h>
#include <flo/step.h>
#include <flo/value.h>

#include <stdbool.h>
#include <stdint.h>

#define FLO__NODE_NONE UINT32_MAX

/* Blocks nest at most this deep, so that recursion over a plan is bounded. */
#define FLO__PLAN_DEPTH_MAX 64

enum flo__node_kind {
	FLO__NODE_EXEC,
	FLO__NODE_SH,
	FLO__NODE_USE,
	FLO__NODE_SEQUENCE, /* the first block kind: see flo__node_is_block() */
	FLO__NODE_GROUP,
	FLO__NODE_FOREACH, /* its one child is the body of every instance */
};

enum flo__on_error {
	FLO__ON_ERROR_CANCEL,
	FLO__ON_ERROR_DRAIN,
	FLO__ON_ERROR_CONTINUE,
};

enum flo__output_mode {
	FLO__OUTPUT_NONE,
	FLO__OUTPUT_TEXT,
	FLO__OUTPUT_LINES,
	FLO__OUTPUT_JSON,
	FLO__OUTPUT_NDJSON,
};

/* Something computed at run time: an expression, a template, a JSON value
 * with templates in it, or a constant. Opaque outside dsl. */
struct flo__expr;

/* What an expression may refer to, resolved when it was compiled. */
enum flo__var {
	FLO__VAR_PARAMS,  /* the bound params, a map */
	FLO__VAR_ENV,	  /* the pipeline's env, a map of strings */
	FLO__VAR_SECRETS, /* those of set `node`: a map of strings; never
			     without .secret */
	FLO__VAR_RUN,	  /* run.*, a map */
	FLO__VAR_STEP, /* one field of steps.NAME; .node and .field say which */
	FLO__VAR_ITEM, /* the item of the foreach .node */
	FLO__VAR_INDEX,	  /* the index of the foreach .node */
	FLO__VAR_ATTEMPT, /* `step` in retry.when, a map */
	FLO__VAR_NAMED,	  /* .name, in `flowctl eval` only */
};

enum flo__step_field {
	FLO__FIELD_ALL, /* the whole map */
	FLO__FIELD_OUTPUT,
	FLO__FIELD_STATUS,
	FLO__FIELD_EXIT_CODE,
	FLO__FIELD_ATTEMPTS,
	FLO__FIELD_ERROR,
	FLO__FIELD_DURATION,
};

struct flo__ref {
	enum flo__var var;
	enum flo__step_field field;
	uint32_t node;
	bool secret; /* it may yield a secret's value */
	const char *name;
};

/* Where an expression gets its variables; embedded in the provider. */
struct flo__scope {
	/* *@ret_value gets a reference that the caller owns. */
	flo_status (*get)(const struct flo__scope *scope,
			  const struct flo__ref *ref, flo_error *err,
			  flo_value **ret_value);
};

/* The params that a pipeline declares; opaque outside dsl. */
struct flo__params;

struct flo__language {
	/*
	 * Compute @expr. Templates yield strings (or, being the whole of a
	 * string, the value itself). Errors are FLO_FAILED, FLO_TYPE, FLO_RANGE
	 * ... with a text that names the expression, and no value where a
	 * reference is .secret; FLO_NOMEM.
	 */
	flo_status (*eval)(const struct flo__expr *expr,
			   const struct flo__scope *scope, flo_error *err,
			   flo_value **ret_value);
	/* Check the params given against what is declared: flo__dsl_bind(). */
	flo_status (*bind)(const struct flo__params *params,
			   const flo_value *given, flo_error *err,
			   flo_value **ret_params);
	/* Check @with, which @expr (or NULL) computed, against what @type
	 * declares: FLO_TYPE, FLO_INVALID and a text that names the argument,
	 * and no value of it where a reference is .secret; FLO_NOMEM. */
	flo_status (*check)(const flo_step_type *type,
			    const struct flo__expr *expr, const flo_value *with,
			    flo_error *err);
};

/* A number that the file gives, or computes from params. */
struct flo__number {
	uint64_t fixed; /* the value if expr is NULL; 0: not given */
	const struct flo__expr *expr; /* an int; a duration or a size as text */
};

/* What such a number is, and so which values it may have. */
enum flo__number_kind {
	FLO__NUMBER_COUNT,   /* from 0 */
	FLO__NUMBER_LIMIT,   /* from 1: 0 would let nothing run */
	FLO__NUMBER_TIMEOUT, /* a duration of more than 0, in ns */
};

/*
 * Read @value, which an expression gave for a number, as @kind: the engine when
 * it needs it, a plan that is told beforehand where it is known by then.
 *
 * Returns FLO_OK and *@ret; FLO_TYPE or FLO_RANGE and a text that has the value.
 */
flo_status flo__number_read(const flo_value *value, enum flo__number_kind kind,
			    flo_error *err, uint64_t *ret);

struct flo__env_entry {
	const char *name;
	const struct flo__expr *value;
	bool secret; /* a secret may be in it */
};

/* Where the value of a secret comes from. */
enum flo__secret_kind {
	FLO__SECRET_ENV,
	FLO__SECRET_FILE,
	FLO__SECRET_EXEC,
};

struct flo__secret {
	const char *name;
	enum flo__secret_kind kind;
	const char *from; /* the variable; the file, relative to the dir */
	const char *dir; /* of the pipeline that declares it; NULL: the run's */
	uint32_t set;	 /* which pipeline that is: ref->node */
	const char *const *argv; /* the program, NULL-terminated */
};

struct flo__retry {
	struct flo__number limit; /* extra attempts */
	uint64_t backoff_ns;
	double factor;		      /* default 2 */
	uint64_t max_ns;	      /* 0: none */
	double jitter;		      /* 0..1 */
	const struct flo__expr *when; /* or NULL */
};

/* Keys that any node may carry; one record is shared by nodes without any. */
struct flo__attrs {
	const struct flo__expr *when; /* or NULL */
	const struct flo__expr *dir;  /* or NULL: inherited */
	const struct flo__env_entry *env;
	uint32_t env_len;
	struct flo__number timeout; /* ns */
	uint64_t grace_ns; /* UINT64_MAX: inherited (10 s at the root) */
};

/* What exec, sh and use have beyond a node. */
struct flo__leaf {
	const struct flo__expr *const *argv; /* exec; sh: its shell and script,
						constants */
	uint32_t argv_len;
	const flo_step_type *type;	/* use */
	const struct flo__expr *with;	/* use; NULL: an empty map */
	const struct flo__expr *stdin_; /* or NULL */
	enum flo__output_mode output;
	uint64_t output_limit;	/* bytes */
	const uint8_t *exit_ok; /* NULL: 0 only */
	uint32_t exit_ok_len;
	int stop_signal;
	const struct flo__retry *retry; /* or NULL */
};

/* One key of a matrix, with its values. */
struct flo__axis {
	const char *name;
	const struct flo__expr *values; /* a list */
};

/* A foreach may have so many items if they are a product, which is easily
 * larger than whoever wrote it had thought. */
#define FLO__MATRIX_ITEMS_MAX 1000000

/*
 * The items of a foreach as a cross product: maps with a value of each axis,
 * the last axis fastest, without those that some map of @exclude matches in
 * all that it names; then the maps of @include.
 */
struct flo__matrix {
	const struct flo__axis *axes;
	uint32_t axes_len;		 /* 0: nothing but @include */
	const struct flo__expr *exclude; /* a list of maps, or NULL */
	const struct flo__expr *include; /* likewise */
};

/*
 * A sequence that is another pipeline. What is inside has the params, the
 * `env` and the directory of that one, and sees none of the steps and items
 * outside. Its `on_error`, `max_failures` and `finally` are the block's.
 */
struct flo__call {
	const char *file; /* as it is named in diagnostics */
	const char *dir;  /* absolute: where its relative paths start */
	const struct flo__params *params;
	const struct flo__env_entry
		*with; /* the params given, of the outside */
	uint32_t with_len;
	const struct flo__env_entry *env;
	uint32_t env_len;
	uint32_t attrs;		  /* into plan->attrs: its `defaults` */
	struct flo__number limit; /* of its leaves; 0: none */
	struct flo__number timeout;
	const struct flo__expr *output; /* or NULL */
	const struct flo__retry *retry; /* of the outside; or NULL */
};

/* What a block has beyond a node. */
struct flo__block {
	struct flo__number limit; /* 0: none */
	enum flo__on_error on_error;
	struct flo__number max_failures;  /* a count */
	double max_failures_percent;	  /* of a foreach; 0: not given */
	const struct flo__expr *items;	  /* foreach: a list, or NULL: */
	const struct flo__matrix *matrix; /* instead of items, or NULL */
	const char *as;			  /* foreach: for people */
	unsigned item_types; /* foreach: FLO_TYPES() of its items, 0: not
				known; while compiling */
	const struct flo__call *call; /* a sequence: what it is, or NULL */
	uint32_t finally;	      /* a sequence node, or FLO__NODE_NONE */
	uint64_t finally_timeout_ns;  /* 5 min by default */
};

struct flo__node {
	const char *name;  /* "" for the root, a finally's is "finally", a
			      foreach's body has its foreach's */
	const char *title; /* or NULL */
	uint32_t
		parent; /* FLO__NODE_NONE at the root; a finally's is its block */
	uint32_t pos;	/* among the parent's children */
	uint32_t first_child; /* into plan->children */
	uint32_t children_len;
	uint32_t first_dep; /* into plan->edges: nodes this one needs */
	uint32_t deps_len;
	uint32_t first_succ; /* into plan->edges: nodes that need this one */
	uint32_t succs_len;
	uint32_t spec;	/* into plan->leaves or plan->blocks, by kind */
	uint32_t attrs; /* into plan->attrs */
	uint8_t kind;	/* enum flo__node_kind */
	bool allow_failure : 1;
	bool not_idempotent : 1; /* "idempotent": false, here or around */
	bool is_body : 1;	 /* the body of a foreach: path NAME[i] */
	bool is_finally : 1;	 /* the sequence of some block's finally */
	uint32_t line;		 /* of its place in the file, from 1 */
};

struct flo__plan {
	const char *name;
	const char *description; /* or NULL */
	const char *file;	 /* as it was given */
	const char *dir;	 /* absolute directory of the file */
	const struct flo__node *nodes;
	uint32_t nodes_len;
	const uint32_t *children;
	const uint32_t *edges; /* sequences have none: order is enough */
	const struct flo__leaf *leaves;
	const struct flo__block *blocks;
	const struct flo__attrs *attrs;
	struct flo__number limit;   /* of leaves in the whole run; 0: default */
	struct flo__number timeout; /* of the run */
	const struct flo__env_entry *env; /* the pipeline's */
	uint32_t env_len;
	const struct flo__secret *secrets;
	uint32_t secrets_len;
	uint32_t secrets_sets;		/* pipelines that have some */
	const struct flo__expr *output; /* or NULL */
	const struct flo__language *language;
	void (*free)(struct flo__plan *plan);
};

static inline bool flo__node_is_block(const struct flo__node *node)
{
	return node->kind >= FLO__NODE_SEQUENCE;
}

/* The step types a compiler may resolve `use` against. */
struct flo__registry {
	/* The type named @name (not NUL-terminated), or NULL. */
	const flo_step_type *(*find)(const struct flo__registry *registry,
				     const char *name, size_t len);
	/* Type @i for "did you mean", NULL past the last. */
	const flo_step_type *(*at)(const struct flo__registry *registry,
				   size_t i);
};

#endif
