/* What a plan tells of a pipeline before it runs. */
#include "dsl_fixture.h"

#include "base/value_p.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Each part as a line of JSON. */
static void tell(flo_plan_part part, const flo_value *value, void *arg)
{
	struct flo__strbuf *sb = arg;

	(void)part;
	flo__value_json(value, sb);
	flo__strbuf_addc(sb, '\n');
}

struct told {
	struct flo__strbuf lines;
	flo_error err;
	flo_status st;
};

static struct told outline_of(const char *text, const char *params,
			      uint64_t limit)
{
	struct told told = {.lines = FLO__STRBUF_INIT, .err = FLO_ERROR_INIT};
	struct flo__plan *plan = NULL;
	flo_value *given = NULL;
	struct flo__dsl_outline options = {
		.text = text,
		.len = strlen(text),
		.limit = limit,
		.limit_default = 16,
		.fn = tell,
		.arg = &told.lines,
	};

	assert_int_equal(compile_n(text, strlen(text), NULL, &plan), FLO_OK);
	if (params != NULL)
		assert_int_equal(flo_value_from_json(params, strlen(params), 0,
						     NULL, &given),
				 FLO_OK);
	options.params = given;
	told.st = flo__dsl_outline(plan, &options, &told.err);
	plan->free(plan);
	flo_value_unref(given);
	return told;
}

static void told_fini(struct told *told)
{
	flo__strbuf_fini(&told->lines);
}

/* Assert that the line about the step @path has @want in it. */
static void assert_tells(const struct told *told, const char *path,
			 const char *want)
{
	char key[128];
	const char *line;
	const char *end;
	const char *found;

	snprintf(key, sizeof(key), "{\"path\":\"%s\",", path);
	line = strstr(told->lines.data, key);
	if (line == NULL)
		fail_msg("there is no step %s in\n%s", path, told->lines.data);
	end = strchr(line, '\n');
	found = strstr(line, want);
	if (found == NULL || found > end)
		fail_msg("no %s in\n%.*s", want, (int)(end - line), line);
}

static void assert_silent(const struct told *told, const char *text)
{
	if (strstr(told->lines.data, text) != NULL)
		fail_msg("%s is in\n%s", text, told->lines.data);
}

/* Assert what the outline of @text tells about @path. */
static void assert_step(const char *text, const char *path, const char *want)
{
	struct told told = outline_of(text, NULL, 0);

	assert_int_equal(told.st, FLO_OK);
	assert_tells(&told, path, want);
	told_fini(&told);
}

static void assert_summary(const char *text, const char *want)
{
	struct told told = outline_of(text, NULL, 0);

	if (strstr(told.lines.data, want) == NULL)
		fail_msg("no %s in\n%s", want, told.lines.data);
	told_fini(&told);
}

static void a_step_has_its_path_parent_and_place(void **state)
{
	(void)state;
	assert_step("{\"name\": \"p\", \"steps\": [\n"
		    "{\"name\": \"a\", \"foreach\": [1], \"steps\": [\n"
		    "  {\"name\": \"b\", \"exec\": [\"x\"]},\n"
		    "  {\"name\": \"c\", \"exec\": [\"y\"]}]}]}",
		    "a[*].c",
		    "\"name\":\"c\",\"kind\":\"exec\",\"parent\":\"a\","
		    "\"depth\":1,\"in\":\"sequence\",\"position\":2,"
		    "\"line\":4,\"needs\":[\"b\"]");
}

static void a_step_of_a_group_needs_what_it_says(void **state)
{
	(void)state;
	assert_step("{\"name\": \"p\", \"steps\": [{\"name\": \"g\", "
		    "\"group\": [{\"name\": \"a\", \"exec\": [\"x\"]}, "
		    "{\"name\": \"b\", \"exec\": [\"x\"]}, {\"name\": \"c\", "
		    "\"exec\": [\"x\"], \"needs\": [\"b\", \"a\"]}]}]}",
		    "g.c", "\"needs\":[\"b\",\"a\"]");
}

#define LIMITS                                                                 \
	"{\"name\": \"p\", \"timeout\": \"20m\", \"steps\": ["                 \
	"{\"name\": \"free\", \"exec\": [\"x\"]},"                             \
	"{\"name\": \"own\", \"exec\": [\"x\"], \"timeout\": \"90s\"},"        \
	"{\"name\": \"b\", \"timeout\": \"10m\", \"steps\": ["                 \
	"  {\"name\": \"more\", \"exec\": [\"x\"], \"timeout\": \"15m\"},"     \
	"  {\"name\": \"less\", \"exec\": [\"x\"], \"timeout\": \"10m\"}],"    \
	"  \"finally\": [{\"name\": \"f\", \"exec\": [\"x\"]}]},"              \
	"{\"name\": \"e\", \"foreach\": [1], \"timeout\": \"1m\","             \
	"  \"steps\": [{\"name\": \"s\", \"exec\": [\"x\"]}]}],"               \
	"\"finally\": {\"timeout\": \"7s\","                                   \
	"  \"steps\": [{\"name\": \"l\", \"exec\": [\"x\"]}]}}"

static void the_time_limit_that_binds_is_told_with_its_origin(void **state)
{
	struct told told = outline_of(LIMITS, NULL, 0);

	(void)state;
	assert_tells(&told, "free",
		     "\"timeout\":{\"text\":\"20m\",\"seconds\":1200.0,"
		     "\"origin\":\"run\"}");
	assert_tells(&told, "own",
		     "\"timeout\":{\"text\":\"90s\",\"seconds\":90.0,"
		     "\"origin\":\"own\"}");
	assert_tells(&told, "b.more", "\"origin\":\"block\",\"of\":\"b\"}");
	assert_tells(&told, "b.less", "\"origin\":\"own\"}");
	assert_tells(&told, "e[*].s", "\"origin\":\"block\",\"of\":\"e[*]\"}");
	told_fini(&told);
}

static void a_finally_is_bound_by_its_own_limit_alone(void **state)
{
	struct told told = outline_of(LIMITS, NULL, 0);

	(void)state;
	assert_tells(&told, "b.finally.f",
		     "\"timeout\":{\"text\":\"5m\",\"seconds\":300.0,"
		     "\"origin\":\"finally\",\"of\":\"b.finally\"}");
	assert_tells(&told, "finally.l",
		     "\"timeout\":{\"text\":\"7s\",\"seconds\":7.0,"
		     "\"origin\":\"finally\",\"of\":\"finally\"}");
	told_fini(&told);
}

static void what_is_not_known_is_told_beside_what_is(void **state)
{
	(void)state;
	assert_step("{\"name\": \"p\", \"timeout\": \"1m\", \"steps\": ["
		    "{\"name\": \"f\", \"foreach\": [\"1s\"], \"exec\": "
		    "[\"x\"], \"timeout\": \"${{ item }}\"}]}",
		    "f",
		    "\"timeout\":{\"text\":\"${{ item }}\",\"origin\":\"own\","
		    "\"at_most\":{\"text\":\"1m\",\"seconds\":60.0,"
		    "\"origin\":\"run\"}}");
}

#define PARAMS                                                                 \
	"{\"name\": \"p\", \"params\": {"                                      \
	"\"n\": {\"type\": \"integer\", \"required\": true},"                  \
	"\"l\": {\"type\": \"array\", \"default\": [1, 2]},"                   \
	"\"t\": {\"default\": \"3s\"}}, \"steps\": ["                          \
	"{\"name\": \"w\", \"exec\": [\"x\"], \"when\": \"params.n > 1\"},"    \
	"{\"name\": \"m\", \"exec\": [\"x\"],"                                 \
	"  \"when\": \"params.n > 1 && steps.w.status == 'failed'\"},"         \
	"{\"name\": \"f\", \"foreach\": \"params.l\", \"exec\": [\"x\"],"      \
	"  \"timeout\": \"${{ params.t }}\", \"limit\": 5},"                   \
	"{\"name\": \"d\", \"exec\": [\"x\"], \"when\": \"1 / params.n > 0\"}" \
	"]}"

static void what_follows_from_params_is_computed(void **state)
{
	struct told told = outline_of(PARAMS, "{\"n\": 1}", 0);

	(void)state;
	assert_tells(&told, "w",
		     "\"when\":{\"expr\":\"params.n > 1\",\"value\":false},"
		     "\"skipped\":true");
	assert_tells(&told, "f",
		     "\"foreach\":{\"expr\":\"params.l\",\"count\":2}");
	assert_tells(&told, "f", "\"text\":\"3s\",\"seconds\":3.0");
	told_fini(&told);
}

static void one_side_that_decides_is_enough(void **state)
{
	struct told told = outline_of(PARAMS, "{\"n\": 1}", 0);

	(void)state;
	assert_tells(&told, "m", "\"value\":false},\"skipped\":true");
	told_fini(&told);
	told = outline_of(PARAMS, "{\"n\": 2}", 0);
	assert_tells(&told, "m",
		     "\"when\":{\"expr\":\"params.n > 1 && steps.w.status == "
		     "'failed'\"}");
	told_fini(&told);
}

static void what_fails_for_certain_is_told(void **state)
{
	struct told told = outline_of(PARAMS, "{\"n\": 0}", 0);

	(void)state;
	assert_tells(&told, "d", "\"error\":\"`1 / params.n > 0`: ");
	told_fini(&told);
}

static void a_missing_param_leaves_expressions_open(void **state)
{
	struct told told = outline_of(PARAMS, NULL, 0);

	(void)state;
	assert_int_equal(told.st, FLO_OK);
	assert_non_null(strstr(told.lines.data,
			       "{\"name\":\"n\",\"type\":\"integer\","
			       "\"origin\":\"missing\"}"));
	assert_tells(&told, "w", "\"when\":{\"expr\":\"params.n > 1\"}");
	assert_silent(&told, "\"error\"");
	told_fini(&told);
}

static void params_that_do_not_fit_are_an_error(void **state)
{
	struct told told = outline_of(PARAMS, "{\"n\": \"one\"}", 0);

	(void)state;
	assert_int_equal(told.st, FLO_INVALID);
	assert_string_equal(told.err.text, "param \"n\" must be of type "
					   "integer, not a string");
	assert_string_equal(told.lines.data, "");
	told_fini(&told);
}

static void the_smaller_limit_counts(void **state)
{
	const char *text = "{\"name\": \"p\", \"limit\": 4, \"steps\": ["
			   "{\"name\": \"f\", \"foreach\": [1,2,3,4,5,6,7,8],"
			   " \"exec\": [\"x\"], \"limit\": 3}]}";
	struct told told = outline_of(text, NULL, 0);

	(void)state;
	assert_tells(&told, "f", "\"limit\":{\"value\":3,\"origin\":\"own\"}");
	told_fini(&told);
	told = outline_of(text, NULL, 2);
	assert_tells(&told, "f", "\"limit\":{\"value\":2,\"origin\":\"run\"}");
	assert_non_null(
		strstr(told.lines.data,
		       "\"limit\":{\"value\":2,\"origin\":\"option\"}"));
	assert_non_null(strstr(told.lines.data, "\"at_once\":2"));
	told_fini(&told);
}

static void a_limit_that_is_not_known_is_an_expression(void **state)
{
	struct told told = outline_of(
		"{\"name\": \"p\", \"params\": {\"n\": {\"type\": \"integer\", "
		"\"required\": true}}, \"limit\": \"${{ params.n }}\", "
		"\"steps\": [{\"name\": \"g\", \"group\": [{\"name\": \"a\", "
		"\"exec\": [\"x\"]}]}]}",
		NULL, 0);

	(void)state;
	assert_tells(&told, "g",
		     "\"limit\":{\"expr\":\"${{ params.n }}\","
		     "\"origin\":\"run\"}");
	assert_silent(&told, "-1");
	told_fini(&told);
}

static void retries_tell_their_waits(void **state)
{
	(void)state;
	assert_step("{\"name\": \"p\", \"steps\": [{\"name\": \"a\", "
		    "\"exec\": [\"x\"], \"retry\": {\"limit\": 4, \"backoff\": "
		    "\"1500ms\", \"factor\": 3, \"max\": \"10s\", \"jitter\": "
		    "0.5, \"when\": \"step.exit_code == 7\"}}]}",
		    "a",
		    "\"retry\":{\"limit\":4,\"delays\":[\"1s500ms\","
		    "\"4s500ms\",\"10s\",\"10s\"],\"jitter\":0.5,"
		    "\"when\":\"step.exit_code == 7\"}");
}

static void values_of_env_are_not_told(void **state)
{
	struct told told = outline_of(
		"{\"name\": \"p\", \"env\": {\"TOKEN\": \"hush\"}, \"steps\": "
		"[{\"name\": \"a\", \"exec\": [\"x\"], \"env\": {\"KEY\": "
		"\"hush\"}}]}",
		NULL, 0);

	(void)state;
	assert_tells(&told, "a", "\"env\":[\"KEY\"]");
	assert_silent(&told, "hush");
	told_fini(&told);
}

static void chains_and_breadth_are_counted(void **state)
{
	(void)state;
	/* a, then the longer of c -> d and e, three times at once. */
	assert_summary(
		"{\"name\": \"p\", \"steps\": ["
		"{\"name\": \"a\", \"exec\": [\"x\"]},"
		"{\"name\": \"f\", \"foreach\": [1, 2, 3], \"limit\": 2,"
		" \"group\": [{\"name\": \"c\", \"exec\": [\"x\"]},"
		" {\"name\": \"d\", \"exec\": [\"x\"], \"needs\": [\"c\"]},"
		" {\"name\": \"e\", \"exec\": [\"x\"]}]}]}",
		"{\"leaves\":4,\"skipped\":0,\"blocks\":1,\"depth\":1,"
		"\"runs\":10,\"longest_chain\":3,\"at_once\":6}");
}

static void combinations_are_counted_as_they_run(void **state)
{
	(void)state;
	assert_step("{\"name\": \"p\", \"params\": {\"b\": {\"type\": "
		    "\"array\", \"default\": "
		    "[3, 4, 4]}}, \"steps\": [{\"name\": \"m\", \"matrix\": "
		    "{\"a\": [1, 2], \"b\": \"params.b\", \"exclude\": "
		    "[{\"b\": 4, \"a\": 2}, {\"a\": 2, \"b\": 4}], "
		    "\"include\": [{\"a\": 9, \"b\": 9}]}, \"exec\": "
		    "[\"x\"]}]}",
		    "m", "\"include\":[{\"a\":9,\"b\":9}],\"count\":5}");
}

static void a_matrix_that_cannot_be_made_says_why(void **state)
{
	static const char text[] =
		"{\"name\": \"p\", \"params\": {\"b\": {\"type\": "
		"\"array\", \"default\": [3]}, \"x\": {\"type\": \"array\", "
		"\"default\": [{}]}}, \"steps\": [{\"name\": \"m\", "
		"\"matrix\": {\"a\": \"[1, 2]\", \"b\": \"params.b\", "
		"\"exclude\": \"params.x\"}, \"exec\": [\"x\"]}]}";
	static const struct {
		const char *params;
		const char *want;
	} cases[] = {
		{NULL, "\"error\":\"exclude: item 0 would exclude all\""},
		{"{\"x\": [1]}", "\"error\":\"exclude: item 0 is not a map\""},
		{"{\"x\": [{\"c\": 1}]}", "has a key that is none of the"},
		{"{\"x\": [{\"a\": 1}]}", "\"count\":1}"},
		{"{\"x\": [{\"a\": 1}], \"b\": []}", "\"count\":0}"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct told told = outline_of(text, cases[i].params, 0);

		assert_int_equal(told.st, FLO_OK);
		assert_tells(&told, "m", cases[i].want);
		told_fini(&told);
	}
}

static void what_is_of_another_type_fails_for_certain(void **state)
{
	struct told told = outline_of(
		"{\"name\": \"p\", \"params\": {\"list\": {\"type\": "
		"\"array\"}, \"map\": {\"type\": \"object\", \"default\": "
		"{\"go\": 1}}}, \"steps\": [{\"name\": \"f\", \"foreach\": "
		"\"params.list\", \"exec\": [\"x\"]}, {\"name\": \"w\", "
		"\"when\": \"params.map.go\", \"exec\": [\"x\"]}]}",
		NULL, 0);

	(void)state;
	assert_int_equal(told.st, FLO_OK);
	assert_tells(&told, "f", "\"error\":\"null is not an array\"");
	assert_tells(&told, "w", "\"error\":\"1 is not a boolean\"");
	told_fini(&told);
}

/* A plan that includes FILE twice, once as each item of a matrix. */
#define OUTER                                                                  \
	"{\"name\": \"p\", \"timeout\": \"1h\", \"steps\": ["                  \
	"{\"name\": \"a\", \"exec\": [\"x\"], \"output\": \"json\"},"          \
	"{\"name\": \"f\", \"pipeline\": \"inner.json\", \"timeout\": \"9m\"," \
	" \"with\": {\"who\": \"you\", \"n\": \"${{ steps.a.output }}\"}},"    \
	"{\"name\": \"m\", \"matrix\": {\"a\": [1, 2], \"b\": [1, 2],"         \
	" \"exclude\": [{\"a\": 1, \"b\": 2}]}, \"pipeline\": \"inner.json\"," \
	" \"with\": {\"who\": \"${{ string(item.a) }}\", \"n\": 2},"           \
	" \"finally\": [{\"name\": \"l\", \"foreach\": [1], \"exec\": "        \
	"[\"x\"]}]}]}"

#define INNER                                                                  \
	"{\"name\": \"i\", \"limit\": 1, \"timeout\": \"7m\","                 \
	" \"params\": {\"who\": {\"required\": true}, \"n\": {\"type\": "      \
	"\"integer\", \"default\": 1}}, \"defaults\": {\"timeout\": \"8m\"},"  \
	" \"env\": {\"WHO\": \"${{ params.who }}\"},"                          \
	" \"secrets\": {\"s\": {\"exec\": [\"pass\"]}},"                       \
	" \"steps\": [{\"name\": \"s\", \"exec\": [\"x\"], \"env\": {\"S\": "  \
	"\"${{ secrets.s }}\"}, \"when\": \"env.WHO == 'me'\"},"               \
	" {\"name\": \"g\", \"foreach\": [1, 2], \"exec\": [\"x\"], "          \
	"\"when\": \"params.n == 1\"}]}"

/* The plan of OUTER, and its text as a run keeps it. */
static struct flo__plan *outer_plan(struct flo__strbuf *pinned)
{
	char dir[] = "/tmp/flo-outline.XXXXXX";
	char path[64];
	struct flo__plan *plan = NULL;
	FILE *file;

	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/inner.json", dir);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(INNER, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(compile_in(dir, OUTER, strlen(OUTER), NULL, &plan),
			 FLO_OK);
	/* What becomes of the file is of no matter from now on. */
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	flo__dsl_pin(plan, OUTER, strlen(OUTER), pinned);
	return plan;
}

static struct told outline_of_outer(void)
{
	struct flo__strbuf pinned = FLO__STRBUF_INIT;
	struct told told = {.lines = FLO__STRBUF_INIT, .err = FLO_ERROR_INIT};
	struct flo__plan *plan = outer_plan(&pinned);
	struct flo__dsl_outline options = {
		.text = pinned.data,
		.len = pinned.len,
		.limit_default = 16,
		.fn = tell,
		.arg = &told.lines,
	};

	told.st = flo__dsl_outline(plan, &options, &told.err);
	plan->free(plan);
	flo__strbuf_fini(&pinned);
	return told;
}

static void what_a_file_is_given_is_known_inside(void **state)
{
	struct told told = outline_of_outer();

	(void)state;
	assert_int_equal(told.st, FLO_OK);
	assert_tells(&told, "f", "\"value\":\"you\",\"origin\":\"with\"}");
	assert_tells(&told, "f",
		     "\"expr\":\"${{ steps.a.output }}\",\"origin\":"
		     "\"with\"}");
	assert_tells(&told, "f.s", "\"value\":false}");
	/* Its default does not count, for it is given something else. */
	assert_tells(&told, "f.g", "{\"expr\":\"params.n == 1\"}");
	assert_tells(&told, "m[*].s", "{\"expr\":\"env.WHO == 'me'\"}");
	assert_tells(&told, "m[*].g",
		     "{\"expr\":\"params.n == 1\",\"value\":false}");
	told_fini(&told);
}

static void a_file_bounds_what_is_in_it_alone(void **state)
{
	static const char of_f[] = "\"timeout\":{\"text\":\"7m\",\"seconds\":"
				   "420.0,\"origin\":\"file\",\"of\":\"f\"}";
	struct told told = outline_of_outer();

	(void)state;
	assert_tells(&told, "f", of_f);
	assert_tells(&told, "f.s", of_f);
	assert_tells(&told, "f.g",
		     "\"limit\":{\"value\":1,\"origin\":\"file\","
		     "\"of\":\"f\"}");
	assert_tells(&told, "m", "\"limit\":{\"value\":16,");
	assert_tells(&told, "m.finally.l", "\"limit\":{\"value\":16,");
	assert_tells(&told, "f.s", "\"file\":\"inner.json\"");
	told_fini(&told);
}

static void secrets_say_where_they_come_from(void **state)
{
	struct told told = outline_of_outer();

	(void)state;
	assert_non_null(strstr(told.lines.data,
			       "\"secrets\":[{\"name\":\"s\",\"exec\":"
			       "[\"pass\"],\"pipeline\":\"inner.json\"}]"));
	told_fini(&told);
}

/* Allocates nothing, so that only what tells it can fail. */
static void count_part(flo_plan_part part, const flo_value *value, void *arg)
{
	(void)part;
	(void)value;
	++*(unsigned *)arg;
}

static void assert_survives_no_memory(const struct flo__plan *plan,
				      const char *text, size_t len)
{
	unsigned parts;
	struct flo__dsl_outline options = {
		.text = text,
		.len = len,
		.limit_default = 16,
		.fn = count_part,
		.arg = &parts,
	};
	flo_status st = FLO_NOMEM;
	long n;

	for (n = 1; st == FLO_NOMEM; n++) {
		parts = 0;
		flo__alloc_fail_at(n, 0);
		st = flo__dsl_outline(plan, &options, NULL);
		flo__alloc_fail_at(0, 0);
	}
	assert_int_equal(st, FLO_OK);
	assert_true(n > 100);
	assert_true(parts > 8);
}

static void out_of_memory_anywhere_is_an_error(void **state)
{
	struct flo__plan *plan = plan_of(LIMITS);

	(void)state;
	assert_survives_no_memory(plan, LIMITS, strlen(LIMITS));
	plan->free(plan);
}

static void out_of_memory_in_a_file_is_an_error(void **state)
{
	struct flo__strbuf pinned = FLO__STRBUF_INIT;
	struct flo__plan *plan = outer_plan(&pinned);

	(void)state;
	assert_survives_no_memory(plan, pinned.data, pinned.len);
	plan->free(plan);
	flo__strbuf_fini(&pinned);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_step_has_its_path_parent_and_place),
		cmocka_unit_test(a_step_of_a_group_needs_what_it_says),
		cmocka_unit_test(
			the_time_limit_that_binds_is_told_with_its_origin),
		cmocka_unit_test(a_finally_is_bound_by_its_own_limit_alone),
		cmocka_unit_test(what_is_not_known_is_told_beside_what_is),
		cmocka_unit_test(what_follows_from_params_is_computed),
		cmocka_unit_test(one_side_that_decides_is_enough),
		cmocka_unit_test(what_fails_for_certain_is_told),
		cmocka_unit_test(a_missing_param_leaves_expressions_open),
		cmocka_unit_test(params_that_do_not_fit_are_an_error),
		cmocka_unit_test(the_smaller_limit_counts),
		cmocka_unit_test(a_limit_that_is_not_known_is_an_expression),
		cmocka_unit_test(retries_tell_their_waits),
		cmocka_unit_test(values_of_env_are_not_told),
		cmocka_unit_test(chains_and_breadth_are_counted),
		cmocka_unit_test(what_is_of_another_type_fails_for_certain),
		cmocka_unit_test(combinations_are_counted_as_they_run),
		cmocka_unit_test(a_matrix_that_cannot_be_made_says_why),
		cmocka_unit_test(what_a_file_is_given_is_known_inside),
		cmocka_unit_test(a_file_bounds_what_is_in_it_alone),
		cmocka_unit_test(secrets_say_where_they_come_from),
		cmocka_unit_test(out_of_memory_anywhere_is_an_error),
		cmocka_unit_test(out_of_memory_in_a_file_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
