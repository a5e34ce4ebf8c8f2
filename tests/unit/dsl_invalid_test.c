/*
 * Every folder of tests/invalid holds a pipeline.json and what compiling it
 * must say, to the letter, in `expect`; and what it includes, if it does. A
 * file `tzdir` has the absolute path of the case's time zone database, which is
 * tests/zoneinfo without one. FLO_TESTS_DIR is the folder above tests/invalid.
 *
 * After a deliberate change run this with FLO_TESTS_ACCEPT=1 to write the
 * files anew, and read the difference.
 */
#include "dsl_fixture.h"

#include "dsl/report_p.h"

#include <dirent.h>

static char *read_all(const char *path, size_t *ret_len)
{
	FILE *file = fopen(path, "rb");
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char buf[4096];
	size_t n;

	if (file == NULL)
		return NULL;
	while ((n = fread(buf, 1, sizeof(buf), file)) > 0)
		flo__strbuf_add(&sb, buf, n);
	fclose(file);
	*ret_len = sb.len;
	return flo__strbuf_take(&sb);
}

static void write_all(const char *path, const char *text)
{
	FILE *file = fopen(path, "wb");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

/* A few zones, so that it does not matter what is installed; or the case's. */
static void set_zones(const char *dir, const char *slug)
{
	char path[4096];
	char *own;
	size_t len = 0;

	snprintf(path, sizeof(path), "%s/%s/tzdir", dir, slug);
	own = read_all(path, &len);
	if (own != NULL)
		own[strcspn(own, "\n")] = '\0';
	/* A path that says the same wherever the tree is. */
	if (own != NULL && own[0] == '/')
		snprintf(path, sizeof(path), "%s", own);
	else
		snprintf(path, sizeof(path), "%s/../zoneinfo", dir);
	assert_int_equal(setenv("TZDIR", path, 1), 0);
	flo__free(own);
}

/* Whether the case says what it must; prints the difference. */
static bool check(const char *dir, const char *slug)
{
	struct flo__strbuf said = FLO__STRBUF_INIT;
	struct flo__plan *plan = NULL;
	char path[4096];
	size_t len = 0;
	char *text;
	char *want;
	bool same;

	snprintf(path, sizeof(path), "%s/%s/pipeline.json", dir, slug);
	text = read_all(path, &len);
	assert_non_null(text);
	set_zones(dir, slug);
	snprintf(path, sizeof(path), "%s/%s", dir, slug);
	compile_in(path, text, len, &said, &plan);
	if (plan != NULL)
		plan->free(plan);
	snprintf(path, sizeof(path), "%s/%s/expect", dir, slug);
	if (getenv("FLO_TESTS_ACCEPT") != NULL)
		write_all(path, said.data);
	want = read_all(path, &len);
	same = want != NULL && strcmp(want, said.data) == 0;
	if (!same)
		print_error("%s\n--- expected\n%s--- said\n%s", slug,
			    want != NULL ? want : "", said.data);
	flo__free(text);
	flo__free(want);
	flo__strbuf_fini(&said);
	return same;
}

static int is_case(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void each_file_says_what_is_wrong_with_it(void **state)
{
	const char *tests = getenv("FLO_TESTS_DIR");
	struct dirent **cases = NULL;
	char dir[3000];
	int failed = 0;
	int n;

	(void)state;
	assert_non_null(tests);
	snprintf(dir, sizeof(dir), "%s/invalid", tests);
	n = scandir(dir, &cases, is_case, alphasort);
	assert_true(n >= 40);
	for (int i = 0; i < n; i++) {
		failed += !check(dir, cases[i]->d_name);
		free(cases[i]);
	}
	free(cases);
	assert_int_equal(failed, 0);
}

/* All that the cases expect, one after the other. */
static char *all_expected(void)
{
	struct flo__strbuf all = FLO__STRBUF_INIT;
	struct dirent **cases = NULL;
	char path[4096];
	char *taken;
	int n;

	snprintf(path, sizeof(path), "%s/invalid", getenv("FLO_TESTS_DIR"));
	n = scandir(path, &cases, is_case, alphasort);
	for (int i = 0; i < n; i++) {
		size_t len = 0;
		char *text;

		snprintf(path, sizeof(path), "%s/invalid/%s/expect",
			 getenv("FLO_TESTS_DIR"), cases[i]->d_name);
		text = read_all(path, &len);
		flo__strbuf_adds(&all, text != NULL ? text : "");
		flo__free(text);
		free(cases[i]);
	}
	free(cases);
	taken = flo__strbuf_take(&all);
	flo__strbuf_fini(&all);
	return taken;
}

static void every_code_has_a_case(void **state)
{
	char *all = all_expected();
	int missing = 0;

	(void)state;
	assert_non_null(all);
	for (int i = 0; i < FLO__CODES; i++) {
		char want[64];

		snprintf(want, sizeof(want), ": [%s] ",
			 flo__code_text((enum flo__problem_code)i));
		if (strstr(all, want) != NULL)
			continue;
		print_error("no case of tests/invalid has%s\n", want + 1);
		missing++;
	}
	flo__free(all);
	assert_int_equal(missing, 0);
}

static void every_code_is_documented(void **state)
{
	char path[3000];
	size_t len;
	char *text;

	(void)state;
	snprintf(path, sizeof(path), "%s/../docs/diagnostics.md",
		 getenv("FLO_TESTS_DIR"));
	text = read_all(path, &len);
	assert_non_null(text);
	for (int i = 0; i < FLO__CODES; i++) {
		char want[64];

		snprintf(want, sizeof(want), "| `%s` |",
			 flo__code_text((enum flo__problem_code)i));
		if (strstr(text, want) == NULL)
			fail_msg("%s is not in docs/diagnostics.md", want);
	}
	flo__free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_file_says_what_is_wrong_with_it),
		cmocka_unit_test(every_code_has_a_case),
		cmocka_unit_test(every_code_is_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
