/*
 * Every mistake of tests/invalid, and the arguments of step types, with each
 * allocation failing in turn: what is said then is that memory ran out, or what
 * is always said, and nothing is lost. FLO_TESTS_DIR is the folder above
 * tests/invalid.
 */
#include "dsl_fixture.h"

#include "dsl/arguments_p.h"

#include <dirent.h>
#include <limits.h>

/* Allocations of a case that fail, at most; of more, as many evenly spread. */
#define FAILURES_MAX 1500

/* Files of megabytes that are about their size are left out. */
#define TEXT_MAX 20000

/* What was said, in memory that does not fail. */
struct heard {
	unsigned n;
	uint64_t hash;
};

static void hear(const flo_diagnostic *d, void *arg)
{
	struct heard *heard = arg;
	char line[1024];

	snprintf(line, sizeof(line), "%d:%d %s %s %s", d->line, d->column,
		 d->code, d->message, d->hint);
	heard->n++;
	for (const char *p = line; *p != '\0'; p++)
		heard->hash = (heard->hash ^ (unsigned char)*p) *
			      UINT64_C(1099511628211);
}

static flo_status compile_heard(const char *dir, const char *text, size_t len,
				struct heard *ret)
{
	struct flo__dsl_options options = {
		.file = "pipeline.json",
		.dir = dir,
		.registry = &registry,
		.fn = hear,
		.arg = ret,
	};
	struct flo__plan *plan = NULL;
	flo_status st;

	*ret = (struct heard){0};
	st = flo__dsl_compile(text, len, &options, NULL, &plan);
	if ((st == FLO_OK) != (plan != NULL))
		st = FLO_CORRUPT;
	if (plan != NULL)
		plan->free(plan);
	return st;
}

static size_t read_text(const char *dir, char text[TEXT_MAX])
{
	char path[5000];
	FILE *file;
	size_t len;

	snprintf(path, sizeof(path), "%s/pipeline.json", dir);
	file = fopen(path, "rb");
	assert_non_null(file);
	len = fread(text, 1, TEXT_MAX, file);
	fclose(file);
	return len;
}

/* Whether the case comes to its end or tells of memory, whatever fails. */
static bool survives(const char *dir)
{
	static char text[TEXT_MAX];
	size_t len = read_text(dir, text);
	struct heard always, heard;
	flo_status end, st;
	long total, step;

	if (len == TEXT_MAX)
		return true;
	end = compile_heard(dir, text, len, &always);
	flo__alloc_fail_at(LONG_MAX, 0);
	compile_heard(dir, text, len, &heard);
	total = (long)flo__alloc_count();
	flo__alloc_fail_at(0, 0);
	assert_true(total > 0);
	step = total / FAILURES_MAX + 1;
	for (long n = 1; n <= total; n += step) {
		flo__alloc_fail_at(n, 0);
		st = compile_heard(dir, text, len, &heard);
		flo__alloc_fail_at(0, 0);
		if (st == FLO_NOMEM || (st == end && heard.n == always.n &&
					heard.hash == always.hash))
			continue;
		print_error("%s: allocation %ld of %ld fails: status %d, %u "
			    "said\n",
			    dir, n, total, (int)st, heard.n);
		return false;
	}
	return true;
}

static int is_case(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void every_mistake_survives_a_lack_of_memory(void **state)
{
	const char *tests = getenv("FLO_TESTS_DIR");
	struct dirent **cases = NULL;
	char path[4096];
	int failed = 0;
	int n;

	(void)state;
	assert_non_null(tests);
	snprintf(path, sizeof(path), "%s/zoneinfo", tests);
	assert_int_equal(setenv("TZDIR", path, 1), 0);
	flo__json_guard_install();
	snprintf(path, sizeof(path), "%s/invalid", tests);
	n = scandir(path, &cases, is_case, alphasort);
	assert_true(n >= 40);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/invalid/%s", tests,
			 cases[i]->d_name);
		failed += !survives(path);
		free(cases[i]);
	}
	free(cases);
	assert_int_equal(failed, 0);
}

/* Check arguments with each allocation failing; without, it ends in @end. */
static void check_of(const char *type, const char *json, flo_status end,
		     const char *text)
{
	flo_value *with = json_value(json);
	flo_status st = FLO_NOMEM;
	flo_error err;

	for (long n = 1; st == FLO_NOMEM; n++) {
		err = (flo_error)FLO_ERROR_INIT;
		flo__alloc_fail_at(n, 0);
		st = flo__arguments_check(registry_find(&registry, type, 11),
					  NULL, with, &err);
		flo__alloc_fail_at(0, 0);
		assert_true(n < 1000);
		if (st == FLO_NOMEM)
			assert_string_equal(err.text, "out of memory");
	}
	assert_int_equal(st, end);
	if (strstr(err.text, text) == NULL)
		fail_msg("%s: %s", json, err.text);
	flo_value_unref(with);
}

static void check_arguments(const char *json, flo_status end, const char *text)
{
	check_of("test.limits", json, end, text);
}

/* What templates have computed, so that it could not be checked before. */
static void expressions_are_checked_without_memory(void **state)
{
	const char *type = "test.record";

	(void)state;
	check_of(type,
		 "{\"where\":\"record.a == 1\",\"map\":{\"id\":"
		 "\"record.b\"}}",
		 FLO_OK, "");
	check_of(type, "{\"where\":\"recrd.a == 1\"}", FLO_INVALID,
		 "with: \"where\" is no expression that fits: there is no "
		 "variable \"recrd\"; did you mean \"record\"? (line 1, column "
		 "1)");
	check_of(type, "{\"where\":\"size(record)\"}", FLO_INVALID,
		 "must be true or false, but this is a whole number");
	check_of(
		type, "{\"map\":{\"id\":\"record.id\",\"n\":\"1 +\"}}",
		FLO_INVALID,
		"with: \"map\" entry \"n\" is no expression that fits: the "
		"expression ends where a value is expected (line 1, column 4)");
	check_of(type, "{\"map\":{\"id\":7}}", FLO_INVALID,
		 "with: \"map\" entry \"id\" must be a string, an expression, "
		 "not an integer");
}

static void arguments_are_checked_without_memory(void **state)
{
	(void)state;
	check_arguments("{\"format\":\"parquet\",\"prefix\":\"abc\","
			"\"part\":\"1KiB\",\"level\":3,\"columns\":[1]}",
			FLO_OK, "");
	check_arguments("{\"format\":\"parket\"}", FLO_INVALID, "parquet");
	check_arguments("{\"format\":\"ndjson\",\"prefix\":\"A1\"}",
			FLO_INVALID, "must match the pattern");
	check_arguments("{\"format\":\"ndjson\",\"part\":\"big\"}", FLO_INVALID,
			"cannot be");
	check_arguments("{\"format\":\"ndjson\",\"level\":10}", FLO_INVALID,
			"at most 9");
	check_arguments("{\"format\":\"ndjson\",\"columns\":[]}", FLO_INVALID,
			"at least 1 item");
	check_arguments("{\"format\":\"ndjson\",\"rules\":{\"kind\":\"a\","
			"\"most\":false,\"deep\":{\"kind\":\"b\"}}}",
			FLO_OK, "");
	check_arguments("{\"format\":\"ndjson\",\"rules\":{\"most\":6}}",
			FLO_INVALID,
			"\"rules\" has a \"most\" that must be at most 5");
	check_arguments("{\"format\":\"ndjson\",\"rules\":{\"mst\":6}}",
			FLO_INVALID,
			"\"rules\" takes no \"mst\"; did you mean \"most\"");
	check_arguments("{\"format\":\"ndjson\",\"rules\":{\"most\":1}}",
			FLO_INVALID, "\"rules\" lacks \"kind\"");
	check_arguments("{\"format\":\"ndjson\",\"rules\":{\"kind\":\"a\","
			"\"deep\":{\"kind\":\"c\"}}}",
			FLO_INVALID, "has a \"kind\" that must match");
	check_arguments("{\"format\":\"ndjson\",\"rules\":{\"kind\":7}}",
			FLO_INVALID,
			"has a \"kind\" that must be a string, not an integer");
	check_arguments("{}", FLO_INVALID, "is missing");
	check_arguments("{\"format\":1}", FLO_TYPE, "must be a string");
}

static void declarations_are_checked_without_memory(void **state)
{
	static const flo_step_param params[] = {
		{.name = "good", .pattern = "^(a|b)+$"},
		{.name = "bad", .pattern = "(a"},
	};
	flo_step_type type = {.name = "t", .params = params, .params_len = 1};

	(void)state;
	for (size_t len = 1; len <= 2; len++) {
		flo_status st = FLO_NOMEM;

		type.params_len = len;
		for (long n = 1; st == FLO_NOMEM; n++) {
			flo__alloc_fail_at(n, 0);
			st = flo__arguments_declared(&type, NULL);
			flo__alloc_fail_at(0, 0);
			assert_true(n < 1000);
		}
		assert_int_equal(st, len == 1 ? FLO_OK : FLO_INVALID);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_mistake_survives_a_lack_of_memory),
		cmocka_unit_test(arguments_are_checked_without_memory),
		cmocka_unit_test(expressions_are_checked_without_memory),
		cmocka_unit_test(declarations_are_checked_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
