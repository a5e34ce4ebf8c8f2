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

/* The place of an offset into the expression's own text. */
static void place(flo_error *err, const char *text, size_t len, size_t at)
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

struct first {
	struct flo__expr_problem problem;
	bool set;
};

static void keep_first(const struct flo__expr_problem *problem, void *arg)
{
	struct first *first = arg;

	if (first->set)
		return;
	first->problem = *problem;
	first->set = true;
}

static flo_status compile(const char *text, size_t len, struct given *given,
			  struct flo__code *code, struct flo__arena *arena,
			  struct first *first)
{
	unsigned types;
	unsigned items;
	flo_status st;

	flo__code_source(code, text, len, NULL, arena);
	st = flo__expr_parse(text, len, 0, code, &first->problem);
	if (st != FLO_OK)
		return st;
	return flo__expr_check(code, 0, &given->names, keep_first, first,
			       &types, &items);
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

flo_status flo__dsl_eval(const char *expr, size_t len, const flo_value *vars,
			 flo_error *err, flo_value **ret_value)
{
	struct given given = {
		.names = {.var = given_var},
		.scope = {.get = given_get},
		.vars = vars,
	};
	struct flo__code code;
	struct flo__arena arena;
	struct first first = {.set = false};
	struct flo__expr *made = NULL;
	uint32_t at = 0;
	flo_status st;

	flo__code_init(&code);
	code.dynamic = true;
	flo__arena_init(&arena);
	if (len > FLO__DOC_LEN_MAX) {
		st = flo_error_set(err, FLO_LIMIT, "expression too long");
		goto out;
	}
	if (valid_len(expr, len) < len) {
		st = flo_error_set(err, FLO_SYNTAX,
				   "the expression is not valid UTF-8");
		place(err, expr, len, valid_len(expr, len));
		goto out;
	}
	st = compile(expr, len, &given, &code, &arena, &first);
	if (st == FLO_INVALID) {
		st = flo_error_set(err, FLO_SYNTAX, "%s%s%s",
				   first.problem.message,
				   first.problem.hint[0] != '\0' ? "; " : "",
				   first.problem.hint);
		place(err, expr, len, first.problem.at);
		goto out;
	}
	TRY(st);
	made = flo__code_finish(&code, &arena);
	TRY(made != NULL ? FLO_OK : FLO_NOMEM);
	st = flo__expr_eval_at(made, &given.scope, err, &at, ret_value);
	if (st != FLO_OK && st != FLO_NOMEM)
		place(err, expr, len, at);
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, FLO_NOMEM, "out of memory");
	if (made != NULL)
		flo__expr_release(made);
	flo__code_fini(&code);
	flo__arena_fini(&arena);
	return st;
}
