/**
 * Expressions on their own: CEL as pipelines have it (docs/language.md), over
 * names and values of yours.
 *
 *	static const flo_expr_name names[] = {{"record", FLO_TYPES(MAP)}};
 *	static const flo_expr_options options = {
 *		.names = names,
 *		.names_len = 1,
 *		.types = FLO_TYPES(BOOL),
 *	};
 *
 *	flo_expr_compile(text, strlen(text), &options, &err, &expr);
 *	flo_expr_eval(expr, (const flo_value *[]){record}, &err, &value);
 *
 * An expression sees the values that it is given and nothing else: no params,
 * environment or secrets, no files. It ends, as every evaluation has a limit of
 * operations. There is no global state.
 *
 * Threads: an expression does not change once it is compiled, so any number of
 * threads may evaluate it at once. Nothing here parks.
 */
#ifndef FLO_EXPR_H
#define FLO_EXPR_H

#include <flo/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A compiled expression. */
typedef struct flo_expr flo_expr;

/** A variable that an expression may use. */
typedef struct flo_expr_name {
	const char *name; /* letters, digits and _, no digit first */
	unsigned types;	  /* of FLO_TYPES(), or-ed; 0: any. What it can never
			   * be used for is found at compile time */
} flo_expr_name;

/**
 * What an expression may use, and what it has to give. A member that is left
 * out (0, NULL) asks for nothing. Write it with designated initializers:
 * members may be added.
 */
typedef struct flo_expr_options {
	const flo_expr_name *names; /* the variables */
	size_t names_len;	    /* of `names` */
	unsigned types;	   /* of the result, FLO_TYPES() or-ed; 0: any */
	uint64_t cost_max; /* operations of an evaluation; 0, and more
				     * than that: 20 million */
} flo_expr_options;

/**
 * Compile the expression @text. @text and @options are not kept.
 *
 * Requires: @options is not NULL; its names are there.
 * Returns FLO_OK and an expression for flo_expr_free(); with line and column in
 * @err, counted within @text: FLO_SYNTAX, if it is none, or uses a name or a
 * function that there is not, or operands that can never fit; FLO_TYPE, if it
 * can never give what @options ask for; FLO_LIMIT: too long; FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_expr_compile(const char *text, size_t len,
				       const flo_expr_options *options,
				       flo_error *err, flo_expr **ret_expr);

/**
 * Evaluate @expr. @values are borrowed, one for each name that it was compiled
 * with, in that order; using one that is NULL is an error of the expression.
 *
 * Requires: @expr is not NULL; @values is neither, unless there are no names.
 * Returns FLO_OK and a value the caller owns; with line and column in @err, and
 * the expression in its text: FLO_NOTFOUND (no such key), FLO_TYPE, FLO_RANGE
 * and others, if it has no value; FLO_TYPE, if it is not what was asked for;
 * FLO_LIMIT: too many operations, or too large a value; FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_expr_eval(const flo_expr *expr,
				    const flo_value *const *values,
				    flo_error *err, flo_value **ret_value);

/** Free @expr. NULL is allowed. */
FLO_EXTERN void flo_expr_free(flo_expr *expr);

#ifdef __cplusplus
}
#endif
#endif
