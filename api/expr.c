#include <flo/expr.h>

#include "base/contract.h"
#include "dsl/dsl.h"
#include "json/json_p.h"

flo_status flo_expr_compile(const char *text, size_t len,
			    const flo_expr_options *options, flo_error *err,
			    flo_expr **ret_expr)
{
	REQUIRE_RULE(options != NULL && (options->names != NULL ||
					 options->names_len == 0),
		     "options is not NULL, and its names are there");
	flo__json_guard_install();
	return flo__dsl_expr_compile(text, len, options, err, ret_expr);
}

flo_status flo_expr_eval(const flo_expr *expr, const flo_value *const *values,
			 flo_error *err, flo_value **ret_value)
{
	REQUIRE_RULE(expr != NULL, "expr is not NULL");
	flo__json_guard_install();
	return flo__dsl_expr_eval(expr, values, err, ret_value);
}

void flo_expr_free(flo_expr *expr)
{
	flo__dsl_expr_free(expr);
}
