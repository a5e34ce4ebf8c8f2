/*
 * Expressions that stand in no pipeline: in the argument of a step type, in a
 * program that embeds the library, after `flowctl eval`.
 */
#ifndef FLO_DSL_ALONE_P_H
#define FLO_DSL_ALONE_P_H

#include "dsl/expr_p.h"

#include <flo/expr.h>

struct flo__arena;

/* Names as flo_expr_options has them: reference .node is the name's index. */
struct flo__named {
	struct flo__names names; /* first */
	const flo_expr_options *options;
};

struct flo__named flo__named_of(const flo_expr_options *options);

/*
 * Whether the result, of which @got are possible, may be what @options ask for;
 * if not, the words for it are in @problem, which lacks a place.
 */
bool flo__named_fits(const flo_expr_options *options, unsigned got,
		     struct flo__expr_problem *problem);

/*
 * Compile @text; what the expression owns goes back with flo__expr_release(),
 * the rest is in @arena. @dynamic: see struct flo__code. FLO_SYNTAX with line
 * and column; FLO_LIMIT; FLO_NOMEM. *@ret_types is set whenever names were
 * checked.
 */
flo_status flo__alone_compile(const char *text, size_t len,
			      struct flo__names *names, bool dynamic,
			      struct flo__arena *arena, flo_error *err,
			      unsigned *ret_types, struct flo__expr **ret_expr);

/* Say in @err what line and column offset @at of @text has. */
void flo__alone_place(flo_error *err, const char *text, size_t len, size_t at);

#endif
