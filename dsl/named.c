/* Expressions over names that the caller gives: flo/expr.h. */
#include "dsl/alone_p.h"
#include "dsl/compile_p.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/contract.h"

#include <stdio.h>
#include <string.h>

struct flo_expr {
	struct flo__arena arena;
	struct flo__expr *made; /* owned */
	const char *text;	/* in arena */
	size_t len;
	size_t names_len;
	unsigned types;
	uint64_t cost_max;
};

/* Names */

/* "`a` and `b` can be used here", as far as there is room. */
static void list_names(const flo_expr_options *options, char *ret, size_t size)
{
	size_t n = options->names_len;
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < n && len < size; i++)
		len += (size_t)snprintf(ret + len, size - len, "%s`%s`",
					i == 0	     ? ""
					: i == n - 1 ? " and "
						     : ", ",
					options->names[i].name);
	if (n != 0 && len < size)
		snprintf(ret + len, size - len, " can be used here");
}

static flo_status named_var(struct flo__names *names, const char *name,
			    size_t len, struct flo__ref *ret_ref,
			    struct flo__expr_problem *problem)
{
	const flo_expr_options *options = ((struct flo__named *)names)->options;
	struct flo__nearest near;
	char hint[160];

	flo__nearest_init(&near, name, len);
	for (size_t i = 0; i < options->names_len; i++) {
		const char *known = options->names[i].name;

		if (strlen(known) == len && memcmp(known, name, len) == 0) {
			ret_ref->var = FLO__VAR_ITEM;
			ret_ref->node = (uint32_t)i;
			return FLO_OK;
		}
		flo__nearest_offer(&near, known, strlen(known));
	}
	if (flo__nearest_hint(&near, hint, sizeof(hint)) == NULL)
		list_names(options, hint, sizeof(hint));
	flo__problem_set(problem, FLO__CODE_UNKNOWN_NAME, 0, 0, hint,
			 "there is no variable \"%.*s\"",
			 (int)(len < 64 ? len : 64), name);
	return FLO_NOTFOUND;
}

/* Of members nothing is known; of a whole variable, its types. */
static flo_status named_member(struct flo__names *names, const char *name,
			       size_t len, struct flo__ref *ref,
			       unsigned *types,
			       struct flo__expr_problem *problem)
{
	const flo_expr_options *options = ((struct flo__named *)names)->options;

	(void)len;
	(void)problem;
	if (name == NULL && options->names[ref->node].types != 0)
		*types = options->names[ref->node].types;
	return FLO_OK;
}

struct flo__named flo__named_of(const flo_expr_options *options)
{
	return (struct flo__named){
		.names = {.var = named_var, .member = named_member},
		.options = options,
	};
}

bool flo__named_fits(const flo_expr_options *options, unsigned got,
		     struct flo__expr_problem *problem)
{
	unsigned want = options->types;
	const char *hint = NULL;

	if (want == 0 || (got & want) != 0)
		return true;
	if (want == FLO_TYPES(BOOL))
		hint = "compare it: x == 1, x != '', size(x) > 0";
	flo__problem_set(problem, FLO__CODE_TYPE_MISMATCH, 0, 0, hint,
			 "must be %s, but this is %s",
			 want == FLO_TYPES(BOOL) ? "true or false"
						 : flo__types_text(want),
			 flo__types_text(got));
	return false;
}

/* Compile */

static flo_status compile(struct flo_expr *expr, const char *text,
			  const flo_expr_options *options, flo_error *err)
{
	struct flo__named named = flo__named_of(options);
	struct flo__expr_problem problem;
	unsigned got = FLO__TYPES_ANY;
	flo_status st;

	expr->text = flo__arena_strndup(&expr->arena, text, expr->len);
	if (expr->text == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = flo__alone_compile(expr->text, expr->len, &named.names, false,
				&expr->arena, err, &got, &expr->made);
	if (st != FLO_OK || flo__named_fits(options, got, &problem))
		return st;
	flo_error_set(err, FLO_TYPE, "%s%s%s", problem.message,
		      problem.hint[0] != '\0' ? "; " : "", problem.hint);
	flo_error_place(err, 1, 1);
	return FLO_TYPE;
}

flo_status flo__dsl_expr_compile(const char *text, size_t len,
				 const flo_expr_options *options,
				 flo_error *err, flo_expr **ret_expr)
{
	struct flo_expr *expr = flo__calloc(1, sizeof(*expr));
	flo_status st;

	if (expr == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__arena_init(&expr->arena);
	expr->len = len;
	expr->names_len = options->names_len;
	expr->types = options->types;
	expr->cost_max = options->cost_max;
	if (expr->cost_max == 0 || expr->cost_max > FLO__EXPR_COST_MAX)
		expr->cost_max = FLO__EXPR_COST_MAX;
	st = compile(expr, text, options, err);
	if (st == FLO_OK)
		*ret_expr = expr;
	else
		flo__dsl_expr_free(expr);
	return st;
}

void flo__dsl_expr_free(flo_expr *expr)
{
	if (expr == NULL)
		return;
	if (expr->made != NULL)
		flo__expr_release(expr->made);
	flo__arena_fini(&expr->arena);
	flo__free(expr);
}

/* Evaluate */

struct values {
	struct flo__scope scope; /* first */
	const flo_value *const *values;
};

static flo_status get_value(const struct flo__scope *scope,
			    const struct flo__ref *ref, flo_error *err,
			    flo_value **ret_value)
{
	const flo_value *value =
		((const struct values *)(const void *)scope)->values[ref->node];

	if (value == NULL)
		return flo_error_set(err, FLO_NOTFOUND,
				     "the variable has no value");
	*ret_value = flo_value_ref(value);
	return FLO_OK;
}

static flo_status check_result(const struct flo_expr *expr,
			       const flo_value *value, flo_error *err)
{
	unsigned got = 1u << flo_value_typeof(value);

	if (expr->types == 0 || (expr->types & got) != 0)
		return FLO_OK;
	flo_error_set(err, FLO_TYPE, "`%.*s%s`: must be %s, but is %s",
		      (int)(expr->len < 60 ? expr->len : 60), expr->text,
		      expr->len < 60 ? "" : "...",
		      expr->types == FLO_TYPES(BOOL)
			      ? "true or false"
			      : flo__types_text(expr->types),
		      flo__types_text(got));
	flo_error_place(err, 1, 1);
	return FLO_TYPE;
}

flo_status flo__dsl_expr_eval(const flo_expr *expr,
			      const flo_value *const *values, flo_error *err,
			      flo_value **ret_value)
{
	struct values given = {.scope = {.get = get_value}, .values = values};
	flo_value *value = NULL;
	uint32_t at = 0;
	flo_status st;

	st = flo__expr_eval_at(expr->made, &given.scope, expr->cost_max, err,
			       &at, &value);
	if (st != FLO_OK) {
		if (st != FLO_NOMEM)
			flo__alone_place(err, expr->text, expr->len, at);
		return st;
	}
	st = check_result(expr, value, err);
	if (st == FLO_OK)
		*ret_value = value;
	else
		flo_value_unref(value);
	return st;
}
