/*
 * What expressions cost: dsl_bench ROW 1. Variables are ready-made values, as
 * they are in a run. docs/benchmarks.md says what each row is.
 */
#include "measure.h"

#include "dsl/dsl.h"
#include "dsl/expr_p.h"

#include <string.h>

#define ITEMS 1000 /* of the list that macros go over */
#define TIMES 1000 /* an expression in a piece */

static flo_value *params;
static flo_value *output;

static flo_status get(const struct flo__scope *scope,
		      const struct flo__ref *ref, flo_error *err,
		      flo_value **ret_value)
{
	(void)scope;
	(void)err;
	*ret_value =
		flo_value_ref(ref->var == FLO__VAR_PARAMS ? params : output);
	return FLO_OK;
}

static flo_status var(struct flo__names *names, const char *name, size_t len,
		      struct flo__ref *ret_ref,
		      struct flo__expr_problem *problem)
{
	(void)names;
	(void)problem;
	ret_ref->var = len == 5 && memcmp(name, "steps", 5) == 0
			       ? FLO__VAR_STEP
			       : FLO__VAR_PARAMS;
	return FLO_OK;
}

static flo_status member(struct flo__names *names, const char *name, size_t len,
			 struct flo__ref *ref, unsigned *types,
			 struct flo__expr_problem *problem)
{
	(void)names;
	(void)name;
	(void)len;
	(void)types;
	(void)problem;
	ref->node = 1;
	return FLO_OK;
}

static void told(const struct flo__expr_problem *problem, void *arg)
{
	(void)arg;
	bench_fail(problem->message);
}

static void emit(struct flo__code *code, const char *text)
{
	struct flo__names names = {.var = var, .member = member};
	struct flo__expr_problem problem;
	uint32_t first = code->ins_len;
	unsigned types, items;

	if (flo__expr_parse(text, strlen(text), 0, code, &problem) != FLO_OK)
		bench_fail(problem.message);
	if (flo__expr_check(code, first, &names, told, NULL, &types, &items) !=
	    FLO_OK)
		bench_fail("check");
}

static void emit_text(struct flo__code *code, const char *text)
{
	flo__code_emit(code, FLO__OP_CONST,
		       flo__code_const(code, flo_value_string(text)), 0, 0);
}

static struct flo__expr *finish(struct flo__code *code,
				struct flo__arena *arena)
{
	struct flo__expr *expr = flo__code_finish(code, arena);

	if (expr == NULL)
		bench_fail("out of memory");
	return expr;
}

/* How long @expr takes, @times; what it gives must be @want as JSON. */
static uint64_t evaluate(const struct flo__expr *expr, int times,
			 const char *want)
{
	struct flo__scope scope = {get};
	flo_value *value = NULL;
	uint64_t begin = bench_now();
	uint64_t ns;
	char *json;

	for (int i = 0; i < times; i++) {
		flo_value_unref(value);
		if (flo__expr_eval(expr, &scope, NULL, &value) != FLO_OK)
			bench_fail("the expression has no value");
	}
	ns = bench_now() - begin;
	json = flo_value_to_json(value);
	if (want != NULL && strcmp(json, want) != 0)
		bench_fail(json);
	flo_free(json);
	flo_value_unref(value);
	return ns;
}

static uint64_t expression(const char *text, int times, const char *want)
{
	struct flo__code code;
	struct flo__arena arena;
	struct flo__expr *expr;
	uint64_t ns;

	flo__code_init(&code);
	flo__arena_init(&arena);
	emit(&code, text);
	expr = finish(&code, &arena);
	ns = evaluate(expr, times, want);
	flo__expr_release(expr);
	flo__code_fini(&code);
	flo__arena_fini(&arena);
	return ns;
}

static uint64_t field_path(void)
{
	return expression("steps.a.output.x.y", TIMES, "\"deep\"");
}

static uint64_t comparison(void)
{
	return expression("params.n > 3 && params.s == \"x\"", TIMES, "true");
}

static uint64_t arithmetic(void)
{
	return expression("(params.n * 3 - 1) / 2", TIMES, "10");
}

static uint64_t template(void)
{
	struct flo__code code;
	struct flo__arena arena;
	struct flo__expr *expr;
	uint64_t ns;

	flo__code_init(&code);
	flo__arena_init(&arena);
	emit_text(&code, "out/");
	emit(&code, "params.s");
	emit_text(&code, "-");
	emit(&code, "steps.a.output.x.y");
	emit_text(&code, ".json");
	flo__code_emit(&code, FLO__OP_TEXT, 5, 0, 0);
	expr = finish(&code, &arena);
	ns = evaluate(expr, TIMES, "\"out/x-deep.json\"");
	flo__expr_release(expr);
	flo__code_fini(&code);
	flo__arena_fini(&arena);
	return ns;
}

static uint64_t macro_map(void)
{
	return expression("size(params.items.map(i, i.n * 2))", 10, "1000");
}

static uint64_t macro_filter(void)
{
	return expression("size(params.items.filter(i, i.n >= 500))", 10,
			  "500");
}

static uint64_t macro_all(void)
{
	return expression("params.items.all(i, i.n < 5000)", 10, "true");
}

static uint64_t compile(void)
{
	static const char text[] = "params.n > 3 && params.s == \"x\"";
	uint64_t begin = bench_now();

	for (int i = 0; i < TIMES; i++) {
		struct flo__code code;
		struct flo__arena arena;

		flo__code_init(&code);
		flo__arena_init(&arena);
		emit(&code, text);
		flo__expr_release(finish(&code, &arena));
		flo__code_fini(&code);
		flo__arena_fini(&arena);
	}
	return bench_now() - begin;
}

static const struct bench_row rows[] = {
	{"field-path", "ns", ONE_PROC, field_path, TIMES, NULL},
	{"comparison", "ns", ONE_PROC, comparison, TIMES, NULL},
	{"arithmetic", "ns", ONE_PROC, arithmetic, TIMES, NULL},
	{"template", "ns", ONE_PROC, template, TIMES, NULL},
	{"map-1k", "ns", ONE_PROC, macro_map, 10 * ITEMS, NULL},
	{"filter-1k", "ns", ONE_PROC, macro_filter, 10 * ITEMS, NULL},
	{"all-1k", "ns", ONE_PROC, macro_all, 10 * ITEMS, NULL},
	{"compile", "ns", ONE_PROC, compile, TIMES, NULL},
};

/* The least of some repetitions: what nobody disturbed. */
static uint64_t best(unsigned procs, bench_piece piece)
{
	uint64_t least = UINT64_MAX;

	(void)procs;
	bench_repeat(piece);
	for (int i = 0; i < 200; i++) {
		uint64_t ns = piece();

		if (ns < least)
			least = ns;
	}
	return least;
}

static flo_value *json(const char *text)
{
	flo_value *value = NULL;

	if (flo_value_from_json(text, strlen(text), FLO_JSON_ANY, NULL,
				&value) != FLO_OK)
		bench_fail("json");
	return value;
}

static flo_value *items(void)
{
	flo_value *list = flo_value_list(ITEMS);

	for (int i = 0; i < ITEMS; i++) {
		flo_value *item = flo_value_map(2);

		flo_value_map_set(item, "id", flo_value_int(i));
		flo_value_map_set(item, "n", flo_value_int(i));
		flo_value_list_add(list, item);
	}
	return list;
}

int main(int argc, char **argv)
{
	int code;

	params = json("{\"n\": 7, \"s\": \"x\"}");
	flo_value_map_set(params, "items", items());
	output = json("{\"id\": 1, \"x\": {\"z\": 1, \"y\": \"deep\"}}");
	code = bench_main(argc, argv, rows, sizeof(rows) / sizeof(rows[0]),
			  best);
	flo_value_unref(params);
	flo_value_unref(output);
	return code;
}
