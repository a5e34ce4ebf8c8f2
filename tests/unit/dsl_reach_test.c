/*
 * References to steps that are needed only through others: every answer is
 * right, whatever the graph, and held against a closure that is made naively.
 */
#include "dsl_fixture.h"

#include <stdbool.h>

#define STEPS 160

/* A group of steps, each with needs and one reference to another. */
struct graph {
	uint32_t n;
	bool needs[STEPS][STEPS];   /* as written: needs[a][b], a needs b */
	bool reaches[STEPS][STEPS]; /* the same, or through others */
	uint32_t refers[STEPS];	    /* its own number: none */
	uint32_t written[STEPS];    /* the steps in the order of the file */
	uint64_t seed;
};

/* Numerical Recipes' generator. */
static uint32_t draw(struct graph *g, uint32_t below)
{
	g->seed = g->seed * UINT64_C(6364136223846793005) +
		  UINT64_C(1442695040888963407);
	return (uint32_t)((g->seed >> 33) % below);
}

/* Steps need only those before them, up to @back, each with so many in ten. */
static void make_graph(struct graph *g, uint64_t seed, uint32_t n,
		       uint32_t back, uint32_t tenths)
{
	memset(g, 0, sizeof(*g));
	g->seed = seed;
	g->n = n;
	for (uint32_t a = 0; a < n; a++) {
		for (uint32_t b = a > back ? a - back : 0; b < a; b++)
			g->needs[a][b] = draw(g, 10) < tenths;
		g->refers[a] = draw(g, n);
		g->written[a] = a;
	}
	for (uint32_t i = n; i > 1; i--) {
		uint32_t k = draw(g, i);
		uint32_t other = g->written[k];

		g->written[k] = g->written[i - 1];
		g->written[i - 1] = other;
	}
}

static void close_graph(struct graph *g)
{
	memcpy(g->reaches, g->needs, sizeof(g->needs));
	for (uint32_t k = 0; k < g->n; k++) {
		for (uint32_t a = 0; a < g->n; a++) {
			for (uint32_t b = 0; b < g->n; b++)
				g->reaches[a][b] |=
					g->reaches[a][k] && g->reaches[k][b];
		}
	}
}

static void write_step(const struct graph *g, uint32_t a,
		       struct flo__strbuf *sb)
{
	const char *comma = "";

	flo__strbuf_addf(sb, "{\"name\":\"s%u\",\"use\":\"core.set\"", a);
	flo__strbuf_adds(sb, ",\"needs\":[");
	for (uint32_t b = 0; b < g->n; b++) {
		if (!g->needs[a][b])
			continue;
		flo__strbuf_addf(sb, "%s\"s%u\"", comma, b);
		comma = ",";
	}
	flo__strbuf_adds(sb, "]");
	if (g->refers[a] != a)
		flo__strbuf_addf(sb,
				 ",\"with\":{\"v\":\"${{ steps.s%u.output "
				 "}}\"}",
				 g->refers[a]);
	flo__strbuf_adds(sb, "}");
}

/* A step on each line, from the second on. */
static void write_graph(const struct graph *g, struct flo__strbuf *sb)
{
	flo__strbuf_adds(sb, "{\"name\":\"p\",\"steps\":[{\"name\":\"g\","
			     "\"group\":[");
	for (uint32_t i = 0; i < g->n; i++) {
		flo__strbuf_adds(sb, i != 0 ? ",\n" : "\n");
		write_step(g, g->written[i], sb);
	}
	flo__strbuf_adds(sb, "]}]}");
}

/* What ought to be said: of each wrong reference, up to 50, the line. */
static void expected(const struct graph *g, struct flo__strbuf *sb)
{
	unsigned said = 0;

	for (uint32_t i = 0; i < g->n; i++) {
		uint32_t a = g->written[i];
		uint32_t b = g->refers[a];

		if (a != b && !g->reaches[a][b] && said++ < 50)
			flo__strbuf_addf(sb,
					 "%u: step \"s%u\" may not have ended "
					 "yet: \"s%u\" does not need it\n",
					 i + 2, b, a);
	}
}

static void note(const flo_diagnostic *d, void *arg)
{
	flo__strbuf_addf(arg, "%d: %s\n", d->line, d->message);
}

static void assert_right(struct graph *g)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	struct flo__strbuf want = FLO__STRBUF_INIT;
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;
	struct flo__dsl_options options = {.file = "pipeline.json",
					   .registry = &registry,
					   .fn = note,
					   .arg = &said};

	close_graph(g);
	write_graph(g, &text);
	expected(g, &want);
	flo__strbuf_adds(&want, "");
	flo__strbuf_adds(&said, "");
	flo__dsl_compile(text.data, text.len, &options, NULL, &plan);
	assert_string_equal(said.data, want.data);
	assert_int_equal(plan != NULL, want.len == 0);
	if (plan != NULL)
		plan->free(plan);
	flo__strbuf_fini(&text);
	flo__strbuf_fini(&want);
	flo__strbuf_fini(&said);
}

static void any_reference_in_any_graph_is_judged_right(void **state)
{
	static const struct {
		uint32_t n, back, tenths;
	} kinds[] = {{12, 12, 2}, {60, 4, 3},	{60, 60, 1},
		     {80, 1, 9},  {160, 20, 1}, {120, 3, 5}};
	struct graph *g = malloc(sizeof(*g));

	(void)state;
	assert_non_null(g);
	for (uint64_t seed = 1; seed <= 120; seed++) {
		size_t kind = seed % (sizeof(kinds) / sizeof(kinds[0]));

		make_graph(g, seed, kinds[kind].n, kinds[kind].back,
			   kinds[kind].tenths);
		assert_right(g);
	}
	free(g);
}

/* From each step a walk over its needs, whose end it refers to. */
static void refer_to_what_is_needed(struct graph *g)
{
	for (uint32_t a = 0; a < g->n; a++) {
		uint32_t at = a;

		for (uint32_t hops = 1 + draw(g, 20); hops > 0; hops--) {
			uint32_t b = draw(g, g->n);

			if (g->needs[at][b])
				at = b;
		}
		g->refers[a] = at;
	}
}

static void what_is_needed_through_others_is_never_refused(void **state)
{
	struct graph *g = malloc(sizeof(*g));

	(void)state;
	assert_non_null(g);
	for (uint64_t seed = 1; seed <= 60; seed++) {
		make_graph(g, seed, 30 + (uint32_t)seed * 2, 25, 2);
		refer_to_what_is_needed(g);
		assert_right(g);
	}
	free(g);
}

/*
 * Two lanes side by side: step a_i needs a_i-1, b_i needs b_i-1 and a_i. Each
 * b refers to an a far away, which it needs only through all the lane.
 */
static void add_lanes(struct flo__strbuf *sb, uint32_t n)
{
	flo__strbuf_adds(sb, "{\"name\":\"p\",\"steps\":[{\"name\":\"g\","
			     "\"group\":[");
	for (uint32_t i = 0; i < n; i++) {
		flo__strbuf_addf(sb,
				 "%s\n{\"name\":\"a%u\",\"use\":\"core.noop\"",
				 i != 0 ? "," : "", i);
		if (i != 0)
			flo__strbuf_addf(sb, ",\"needs\":[\"a%u\"]", i - 1);
		flo__strbuf_addf(sb,
				 "},\n{\"name\":\"b%u\",\"use\":\"core.set\","
				 "\"needs\":[\"a%u\"",
				 i, i);
		if (i != 0)
			flo__strbuf_addf(sb, ",\"b%u\"", i - 1);
		flo__strbuf_addf(sb,
				 "],\"with\":{\"v\":\"${{ "
				 "steps.a%u.output }}\"}}",
				 (uint32_t)(i * UINT64_C(7919) % (i + 1)));
	}
	flo__strbuf_adds(sb, "]}]}");
}

static void many_indirect_references_are_all_right(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__plan *plan;

	(void)state;
	add_lanes(&sb, 30000);
	plan = plan_of(sb.data);
	assert_int_equal(plan->nodes_len, 60002);
	plan->free(plan);
	flo__strbuf_fini(&sb);
}

/* Right or wrong, it takes memory to know. */
static void out_of_memory_is_no_answer(void **state)
{
	struct graph *g = malloc(sizeof(*g));
	struct flo__strbuf text = FLO__STRBUF_INIT;
	flo_status st = FLO_NOMEM;

	(void)state;
	assert_non_null(g);
	make_graph(g, 7, 12, 4, 4);
	write_graph(g, &text);
	for (long n = 1; st == FLO_NOMEM; n++) {
		struct flo__plan *plan = NULL;

		flo__alloc_fail_at(n, 0);
		st = compile_n(text.data, text.len, NULL, &plan);
		flo__alloc_fail_at(0, 0);
		assert_null(plan);
		assert_true(n < 100000);
	}
	assert_int_equal(st, FLO_INVALID);
	flo__strbuf_fini(&text);
	free(g);
}

/* Steps on each other's heels, and who comes after them, have a cycle; that is
 * what is said, and no more. */
static void a_cycle_leaves_nothing_to_be_said_of_order(void **state)
{
	(void)state;
	assert_says("{\"name\":\"p\",\"steps\":[{\"name\":\"g\",\"group\":[\n"
		    "{\"name\":\"a\",\"use\":\"core.noop\",\"needs\":[\"b\"]},"
		    "\n{\"name\":\"b\",\"use\":\"core.noop\",\"needs\":[\"a\"]"
		    "},\n{\"name\":\"c\",\"use\":\"core.noop\",\"needs\":"
		    "[\"b\"]},\n{\"name\":\"d\",\"use\":\"core.set\","
		    "\"needs\":[\"c\"],\"with\":{\"v\":\"${{ steps.a.output "
		    "}}\"}}]}]}",
		    "2:40: error: [cycle] steps need each other in a cycle: a "
		    "-> b -> a | one of these needs must go\n");
}

/* Two wrong references in one string, the second behind an escape. */
static void a_wrong_reference_is_reported_at_its_own_place(void **state)
{
	(void)state;
	assert_says(
		"{\"name\":\"p\",\"steps\":[{\"name\":\"g\",\"group\":[\n"
		"{\"name\":\"x\",\"use\":\"core.noop\"},\n"
		"{\"name\":\"y\",\"use\":\"core.noop\"},\n"
		"{\"name\":\"m\",\"use\":\"core.noop\",\"needs\":[\"x\"]},\n"
		"{\"name\":\"u\",\"use\":\"core.noop\",\"needs\":[\"y\"]},\n"
		"{\"name\":\"n\",\"use\":\"core.noop\","
		"\"needs\":[\"m\",\"u\"]},\n"
		"{\"name\":\"o\",\"use\":\"core.noop\",\"needs\":[\"u\"]},\n"
		"{\"name\":\"z\",\"exec\":[\"e\",\"\\u0041${{ "
		"steps.x.status }} \\u0042${{ steps.y.status }}\"],"
		"\"needs\":[\"o\"]},\n"
		"{\"name\":\"w\",\"exec\":[\"e\",\"${{ steps.x.status }}${{ "
		"steps.y.status }}\"],\"needs\":[\"n\"]}]}]}",
		"8:42: error: [step-order] step \"x\" may not have ended yet: "
		"\"z\" does not need it | add \"x\" to the `needs` of "
		"\"z\"\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_reference_in_any_graph_is_judged_right),
		cmocka_unit_test(
			what_is_needed_through_others_is_never_refused),
		cmocka_unit_test(many_indirect_references_are_all_right),
		cmocka_unit_test(out_of_memory_is_no_answer),
		cmocka_unit_test(a_cycle_leaves_nothing_to_be_said_of_order),
		cmocka_unit_test(
			a_wrong_reference_is_reported_at_its_own_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
