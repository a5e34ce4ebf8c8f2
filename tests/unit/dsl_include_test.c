/*
 * Files that a pipeline includes, from texts that are kept as a run keeps them:
 * so no file is needed here, and none may be read.
 */
#include "dsl_fixture.h"

#define RS "\x1e"

static const char outside[] =
	"{\"name\": \"p\", \"params\": {\"who\": {\"default\": \"me\"}},"
	" \"steps\": ["
	"{\"name\": \"a\", \"pipeline\": \"sub/in.json\","
	" \"with\": {\"n\": 1, \"who\": \"${{ params.who }}\"}},"
	"{\"name\": \"b\", \"foreach\": [1, 2], \"pipeline\": \"sub/in.json\","
	" \"with\": {\"n\": \"${{ item }}\"}}]}";

static const char kept[] =
	"{\"/top/sub/in.json\": {\"file\": \"sub/in.json\", \"dir\": "
	"\"/top/sub\", \"text\": \"{\\\"name\\\": \\\"inside\\\", "
	"\\\"params\\\": {\\\"n\\\": {\\\"type\\\": \\\"integer\\\", "
	"\\\"required\\\": true}, \\\"who\\\": {}}, \\\"env\\\": "
	"{\\\"E\\\": \\\"${{ params.who }}\\\"}, \\\"defaults\\\": "
	"{\\\"timeout\\\": \\\"1s\\\"}, \\\"steps\\\": [{\\\"name\\\": "
	"\\\"x\\\", \\\"exec\\\": [\\\"${{ env.E }}\\\"]}, {\\\"name\\\": "
	"\\\"y\\\", \\\"pipeline\\\": \\\"last.json\\\"}], \\\"output\\\": "
	"\\\"${{ params.n }}\\\"}\"}, "
	"\"/top/sub/last.json\": {\"file\": \"sub/last.json\", \"dir\": "
	"\"/top/sub\", \"text\": \"{\\\"name\\\": \\\"last\\\", "
	"\\\"steps\\\": [{\\\"name\\\": \\\"z\\\", \\\"sh\\\": "
	"\\\"true\\\"}]}\"}}";

static flo_status compile_kept(const char *text, struct flo__strbuf *said,
			       struct flo__plan **ret_plan)
{
	struct flo__dsl_options options = {
		.file = "pipeline.json",
		.dir = "/top",
		.pinned = true,
		.registry = &registry,
		.fn = collect,
		.arg = said,
	};

	return flo__dsl_compile(text, strlen(text), &options, NULL, ret_plan);
}

/* @outside with what is kept beside it; for flo__free(). */
static char *with_kept(const char *pins)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_addf(&sb, "%s" RS "%s", outside, pins);
	return flo__strbuf_take(&sb);
}

static const struct flo__block *block_of(const struct flo__plan *plan,
					 uint32_t node)
{
	return &plan->blocks[plan->nodes[node].spec];
}

/* The child of @node at @pos. */
static uint32_t child(const struct flo__plan *plan, uint32_t node, uint32_t pos)
{
	return plan->children[plan->nodes[node].first_child + pos];
}

static void a_kept_text_needs_no_file(void **state)
{
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__strbuf again = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;
	char *text = with_kept(kept);
	uint32_t a, body, y;

	(void)state;
	assert_int_equal(compile_kept(text, &said, &plan), FLO_OK);
	assert_string_equal(said.data, "");
	assert_string_equal(plan->name, "p");
	assert_string_equal(plan->dir, "/top");
	a = child(plan, 0, 0);
	body = child(plan, child(plan, 0, 1), 0);
	y = child(plan, a, 1);
	assert_string_equal(block_of(plan, a)->call->dir, "/top/sub");
	assert_string_equal(block_of(plan, y)->call->file, "sub/last.json");
	assert_true(plan->nodes[body].is_body);
	assert_non_null(block_of(plan, body)->call);
	/* Each use has nodes of its own, under its own parent. */
	assert_int_equal(plan->nodes[child(plan, body, 0)].parent, body);
	assert_int_equal(plan->nodes[child(plan, a, 0)].parent, a);
	/* Its defaults are those of its own leaves only. */
	assert_int_equal(
		plan->attrs[plan->nodes[child(plan, a, 0)].attrs].timeout.fixed,
		UINT64_C(1000000000));
	assert_int_equal(
		plan->attrs[plan->nodes[child(plan, y, 0)].attrs].timeout.fixed,
		0);
	/* What was kept is kept again as it was. */
	flo__dsl_pin(plan, outside, strlen(outside), &again);
	plan->free(plan);
	plan = NULL;
	assert_int_equal(compile_kept(again.data, &said, &plan), FLO_OK);
	plan->free(plan);
	flo__strbuf_fini(&again);
	flo__strbuf_fini(&said);
	flo__free(text);
}

static void params_are_those_of_the_file(void **state)
{
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;
	char *text = with_kept(kept);
	flo_error err = FLO_ERROR_INIT;
	flo_value *given = json_value("{\"n\": \"x\"}");
	flo_value *params = NULL;
	const struct flo__call *call;

	(void)state;
	assert_int_equal(compile_kept(text, &said, &plan), FLO_OK);
	call = block_of(plan, child(plan, 0, 0))->call;
	assert_int_equal(plan->language->bind(call->params, given, &err,
					      &params),
			 FLO_INVALID);
	assert_string_equal(
		err.text, "param \"n\" must be of type integer, not a string");
	flo_value_unref(given);
	plan->free(plan);
	flo__strbuf_fini(&said);
	flo__free(text);
}

static void what_was_not_kept_is_an_error(void **state)
{
	static const char *const pins[] = {
		"",
		"{}",
		"{\"broken",
		"[]",
		"{\"/top/sub/in.json\": 1}",
		"{\"/top/sub/in.json\": {\"file\": \"f\", \"dir\": \"/\"}}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		struct flo__strbuf said = FLO__STRBUF_INIT;
		struct flo__plan *plan = NULL;
		char *text = with_kept(pins[i]);

		assert_int_equal(compile_kept(text, &said, &plan), FLO_INVALID);
		assert_null(plan);
		assert_non_null(strstr(said.data,
				       "[unreadable-pipeline] cannot read "
				       "sub/in.json: it was not kept with the "
				       "run"));
		flo__strbuf_fini(&said);
		flo__free(text);
	}
}

static void a_text_that_is_not_kept_cannot_hold_others(void **state)
{
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;
	char *text = with_kept(kept);

	(void)state;
	assert_int_equal(compile_n(text, strlen(text), &said, &plan),
			 FLO_INVALID);
	assert_non_null(strstr(said.data, "[syntax]"));
	flo__strbuf_fini(&said);
	flo__free(text);
}

/* Fail each allocation in turn; without a failure it must end in @end. */
static void fail_each(const char *text, flo_status end)
{
	flo_status st = FLO_NOMEM;

	for (long n = 1; st == FLO_NOMEM; n++) {
		struct flo__strbuf said = FLO__STRBUF_INIT;
		struct flo__plan *plan = NULL;

		flo__alloc_fail_at(n, 0);
		st = compile_kept(text, &said, &plan);
		flo__alloc_fail_at(0, 0);
		assert_int_equal(st == FLO_OK, plan != NULL);
		if (plan != NULL)
			plan->free(plan);
		flo__strbuf_fini(&said);
		assert_true(n < 100000);
	}
	assert_int_equal(st, end);
}

static void out_of_memory_anywhere_is_an_error(void **state)
{
	char *good = with_kept(kept);
	char *bad = with_kept(
		"{\"/top/sub/in.json\": {\"file\": \"sub/in.json\", \"dir\": "
		"\"/top/sub\", \"text\": \"{\\\"steps\\\": [{\\\"name\\\": "
		"\\\"x\\\", \\\"pipeline\\\": \\\"in.json\\\"}, 1]}\"}}");

	(void)state;
	fail_each(good, FLO_OK);
	fail_each(bad, FLO_INVALID);
	flo__free(good);
	flo__free(bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_kept_text_needs_no_file),
		cmocka_unit_test(params_are_those_of_the_file),
		cmocka_unit_test(what_was_not_kept_is_an_error),
		cmocka_unit_test(a_text_that_is_not_kept_cannot_hold_others),
		cmocka_unit_test(out_of_memory_anywhere_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
