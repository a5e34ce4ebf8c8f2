/*
 * From JSON text to diagnostics or a plan; and expressions on their own.
 */
#ifndef FLO_DSL_DSL_H
#define FLO_DSL_DSL_H

#include <flo/diagnostic.h>
#include <flo/engine.h>
#include <flo/expr.h>

#include "engine/plan.h"

#define FLO__DSL_DIAGNOSTICS_MAX 50

/* In a pinned text, between the first file and the others. */
#define FLO__PIN_SEPARATOR 0x1e

struct flo__dsl_options {
	const char *file; /* for diagnostics; its directory is the plan's */
	const char *dir;  /* the plan's directory, if not that; else NULL */
	const struct flo__registry *registry;
	/* The text is what flo__dsl_pin() made: no file is read. */
	bool pinned;
	bool any_step; /* unknown step types are let through, type NULL */
	flo_diagnostic_fn fn; /* gets every problem, sorted by place */
	void *arg;
};

/*
 * Compile @text. FLO_OK and a plan that the caller gives to plan->free();
 * FLO_INVALID when errors were reported; FLO_NOMEM. @text is not kept.
 */
flo_status flo__dsl_compile(const char *text, size_t len,
			    const struct flo__dsl_options *options,
			    flo_error *err, struct flo__plan **ret_plan);

/*
 * Append to @sb what @text, of which @plan was made, has to be kept as, so that
 * the plan can be made again whatever becomes of the files that it includes:
 * include.c has the format.
 */
struct flo__strbuf;
void flo__dsl_pin(const struct flo__plan *plan, const char *text, size_t len,
		  struct flo__strbuf *sb);

/*
 * Check the params given (a map, or NULL) against the plan's declarations, add
 * defaults, and return the map that expressions see as `params`. All problems
 * are in the text of @err (FLO_INVALID), one a line.
 */
flo_status flo__dsl_bind(const struct flo__plan *plan, const flo_value *given,
			 flo_error *err, flo_value **ret_params);

/*
 * The same for a look ahead: required params that are not given are left out
 * of the map instead of being a problem.
 */
flo_status flo__dsl_bind_partly(const struct flo__plan *plan,
				const flo_value *given, flo_error *err,
				flo_value **ret_params);

/* What is asked of an outline. */
struct flo__dsl_outline {
	const char *text; /* of which the plan was compiled */
	size_t len;
	const flo_value *params; /* given ones: a map, or NULL */
	uint64_t limit;		 /* of leaves, by the caller; 0: none */
	uint64_t limit_default;	 /* where neither says one */
	flo_plan_fn fn;
	void *arg;
};

/*
 * Tell what a run of @plan would do: see flo_pipeline_plan(). FLO_INVALID:
 * params are unknown or ill-typed; FLO_NOMEM.
 */
flo_status flo__dsl_outline(const struct flo__plan *plan,
			    const struct flo__dsl_outline *options,
			    flo_error *err);

/* The value that `-p NAME=TEXT` means: see flo_pipeline_param(). */
flo_status flo__dsl_param(const struct flo__plan *plan, const char *name,
			  const char *text, flo_error *err,
			  flo_value **ret_value);

/*
 * Write the JSON Schema of pipelines that use the step types of @registry (may
 * be NULL). Memory for the caller to flo__free(), its length to *@ret_len.
 * FLO_NOMEM.
 */
flo_status flo__dsl_schema(const struct flo__registry *registry,
			   size_t *ret_len, char **ret_text);

/*
 * Evaluate an expression on its own: see flo_eval(). Variables are found by
 * name in @vars.
 */
flo_status flo__dsl_eval(const char *expr, size_t len, const flo_value *vars,
			 flo_error *err, flo_value **ret_value);

/* See flo/expr.h. */
flo_status flo__dsl_expr_compile(const char *text, size_t len,
				 const flo_expr_options *options,
				 flo_error *err, flo_expr **ret_expr);
flo_status flo__dsl_expr_eval(const flo_expr *expr,
			      const flo_value *const *values, flo_error *err,
			      flo_value **ret_value);
void flo__dsl_expr_free(flo_expr *expr);

/*
 * Whether what @type declares of its arguments can be asked for: FLO_INVALID
 * if a pattern is none, or if no value can fit; FLO_NOMEM.
 */
flo_status flo__arguments_declared(const flo_step_type *type, flo_error *err);

#endif
