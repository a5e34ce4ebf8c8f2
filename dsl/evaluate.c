#include "dsl/alone_p.h"
#include "dsl/compile_p.h"

#include "base/contract.h"
#include "base/utf8.h"

#include <string.h>

/* `flowctl eval`: names are looked up in one map of variables. */
struct given {
	struct flo__names names; /* first */
	struct flo__scope scope;
	const flo_value *vars; /* borrowed */
};

static flo_status given_var(struct flo__names *names, const char *name,
			    size_t len, struct flo__ref *ret_ref,
			    struct flo__expr_problem *problem)
{
	struct given *given = (struct given *)names;
	struct flo__nearest near;
	char hint[96];
	size_t n = given->vars != NULL ? flo_value_len(given->vars) : 0;

	flo__nearest_init(&near, name, len);
	for (size_t i = 0; i < n; i++) {
		const flo_value *key;
		const char *text;
		size_t text_len;

		flo_value_map_at(given->vars, i, &key);
		if (flo_value_typeof(key) != FLO_VALUE_STRING)
			continue;
		text = flo_value_get_string(key, &text_len);
		if (text_len == len && memcmp(text, name, len) == 0) {
			ret_ref->var = FLO__VAR_NAMED;
			ret_ref->name = text;
			return FLO_OK;
		}
		flo__nearest_offer(&near, text, text_len);
	}
	flo__problem_set(problem, FLO__CODE_UNKNOWN_NAME, 0, 0,
			 flo__nearest_hint(&near, hint, sizeof(hint)),
			 "there is no variable \"%.*s\"",
			 (int)(len < 64 ? len : 64), name);
	return FLO_NOTFOUND;
}

static flo_status given_get(const struct flo__scope *scope,
			    const struct flo__ref *ref, flo_error *err,
			    flo_value **ret_value)
{
	const struct given *given =
		(const void *)((const char *)scope -
			       offsetof(struct given, scope));
	const flo_value *value = flo_value_map_get(given->vars, ref->name);

	if (value == NULL)
		return flo_error_set(err, FLO_NOTFOUND, "no variable \"%s\"",
				     ref->name);
	*ret_value = flo_value_ref(value);
	return FLO_OK;
}

/* Text */

struct first {
	struct flo__expr_problem problem;
	bool set;
};

static void keep_first(const struct flo__expr_problem *problem, void *arg)
{
	struct first *first = arg;

	if (first->set || problem->warning)
		return;
	first->problem = *problem;
	first->set = true;
}

void flo__alone_place(flo_error *err, const char *text, size_t len, size_t at)
{
	int line = 1;
	int column = 1;

	for (size_t i = 0; i < at && i < len; i++) {
		if (text[i] == '\n') {
			line++;
			column = 1;
		} else {
			column += (text[i] & 0xc0) != 0x80;
		}
	}
	flo_error_place(err, line, column);
}

/* How many bytes of @text are UTF-8. */
static size_t valid_len(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len) {
		uint32_t code;
		size_t n = flo__utf8_next(text + at, len - at, &code);

		if (n == 0)
			break;
		at += n;
	}
	return at;
}

static flo_status check_text(const char *text, size_t len, flo_error *err)
{
	size_t valid;
	flo_status st;

	if (len > FLO__DOC_LEN_MAX)
		return flo_error_set(err, FLO_LIMIT, "expression too long");
	valid = valid_len(text, len);
	if (valid == len)
		return FLO_OK;
	st = flo_error_set(err, FLO_SYNTAX,
			   "the expression is not valid UTF-8");
	flo__alone_place(err, text, len, valid);
	return st;
}

static flo_status parse(const char *text, size_t len, struct flo__names *names,
			struct flo__code *code, struct flo__arena *arena,
			struct first *first, unsigned *ret_types)
{
	unsigned items;
	flo_status st;

	flo__code_source(code, text, len, NULL, arena);
	st = flo__expr_parse(text, len, 0, code, &first->problem);
	if (st != FLO_OK)
		return st;
	return flo__expr_check(code, 0, names, keep_first, first, ret_types,
			       &items);
}

static flo_status tell(const struct flo__expr_problem *problem,
		       const char *text, size_t len, flo_error *err)
{
	flo_error_set(err, FLO_SYNTAX, "%s%s%s", problem->message,
		      problem->hint[0] != '\0' ? "; " : "", problem->hint);
	flo__alone_place(err, text, len, problem->at);
	return FLO_SYNTAX;
}

flo_status flo__alone_compile(const char *text, size_t len,
			      struct flo__names *names, bool dynamic,
			      struct flo__arena *arena, flo_error *err,
			      unsigned *ret_types, struct flo__expr **ret_expr)
{
	struct first first = {.set = false};
	struct flo__expr *made = NULL;
	struct flo__code code;
	flo_status st;

	flo__code_init(&code);
	code.dynamic = dynamic;
	TRY(check_text(text, len, err));
	TRY(parse(text, len, names, &code, arena, &first, ret_types));
	made = flo__code_finish(&code, arena);
	if (made != NULL)
		*ret_expr = made;
	else
		st = FLO_NOMEM;
out:
	if (code.nomem) /* what lacks a piece may look like a mistake */
		st = FLO_NOMEM;
	if (st == FLO_INVALID)
		st = tell(&first.problem, text, len, err);
	if (st == FLO_NOMEM)
		flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__code_fini(&code);
	return st;
}

flo_status flo__dsl_eval(const char *expr, size_t len, const flo_value *vars,
			 flo_error *err, flo_value **ret_value)
{
	struct given given = {
		.names = {.var = given_var},
		.scope = {.get = given_get},
		.vars = vars,
	};
	struct flo__arena arena;
	struct flo__expr *made = NULL;
	unsigned types;
	uint32_t at = 0;
	flo_status st;

	flo__arena_init(&arena);
	TRY(flo__alone_compile(expr, len, &given.names, true, &arena, err,
			       &types, &made));
	st = flo__expr_eval_at(made, &given.scope, FLO__EXPR_COST_MAX, err, &at,
			       ret_value);
	if (st != FLO_OK && st != FLO_NOMEM)
		flo__alone_place(err, expr, len, at);
out:
	if (made != NULL)
		flo__expr_release(made);
	flo__arena_fini(&arena);
	return st;
}
