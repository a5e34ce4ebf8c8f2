/*
 * What an expression may cost. Whatever it says, it ends soon, in a value or
 * in an error, and takes bounded memory and a bounded stack.
 */
#include "dsl_outcome.h"

#include <sys/resource.h>

/* @before, @n times @part, @after. */
static char *repeated(const char *before, const char *part, int n,
		      const char *after)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_adds(&sb, before);
	for (int i = 0; i < n; i++)
		flo__strbuf_adds(&sb, part);
	flo__strbuf_adds(&sb, after);
	return flo__strbuf_take(&sb);
}

static void repeated_is(const char *before, const char *part, int n,
			const char *after, const char *want)
{
	char *expr = repeated(before, part, n, after);
	char *got = outcome(expr);

	if (strcmp(got, want) != 0)
		fail_msg("%d times %s\n  is   %.200s\n  want %s", n, part, got,
			 want);
	flo__free(got);
	flo__free(expr);
}

static void repeated_fails(const char *before, const char *part, int n,
			   const char *after, const char *want)
{
	char *expr = repeated(before, part, n, after);
	char *got = outcome(expr);

	if (atoi(got) == 0 || strstr(got, want) == NULL)
		fail_msg("%d times %s\n  is   %.200s\n  want %s", n, part, got,
			 want);
	flo__free(got);
	flo__free(expr);
}

/* The process may have taken so many MiB at most so far. AddressSanitizer keeps
 * what was freed, and pads what was not. */
#ifdef __SANITIZE_ADDRESS__
#define PEAK_MAX 4000
#else
#define PEAK_MAX 1000
#endif

static long peak(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss / 1024;
}

static const char tens[] = "[0,1,2,3,4,5,6,7,8,9]";

/* A list of 10 to the power of @n items, in words. */
static void add_many(struct flo__strbuf *sb, int n)
{
	flo__strbuf_adds(sb, tens);
	for (int i = 1; i < n; i++)
		flo__strbuf_addf(sb, ".map(x%d, %s)", i, tens);
}

static void map_over_map_over_a_million_is_stopped(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *got;

	(void)state;
	for (int i = 0; i < 12; i++)
		flo__strbuf_addf(&sb, "%s.map(x%d, ", tens, i);
	flo__strbuf_adds(&sb, "1");
	for (int i = 0; i < 12; i++)
		flo__strbuf_adds(&sb, ")");
	got = outcome(sb.data);
	assert_non_null(strstr(got, "too many operations"));
	assert_true(peak() < PEAK_MAX);
	flo__free(got);
	flo__strbuf_fini(&sb);
}

static void text_that_doubles_is_stopped(void **state)
{
	(void)state;
	repeated_fails("['x']", ".map(s, s + s)", 100, "", "too many");
	repeated_fails("['x']", ".map(s, [s, s])", 100, "", "larger than");
	repeated_fails("['x']", ".map(s, {'a': s, 'b': s})", 100, "",
		       "larger than");
	repeated_fails("[[1]]", ".map(s, s + s)", 100, "", "too many");
	assert_true(peak() < PEAK_MAX);
}

static void what_is_small_in_memory_may_be_too_large_as_text(void **state)
{
	(void)state;
	repeated_is("size([1]", ".map(a, [a, a])", 20, ")", "1");
	repeated_fails("toJson([1]", ".map(a, [a, a])", 30, ")",
		       "larger than 256 MiB");
	repeated_fails("[1]", ".map(a, [a, a])", 60, " == [2]", "larger than");
	repeated_fails("[1]", ".map(a, [a, a])", 60, "", "larger than");
}

static void work_on_large_values_counts(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *got;

	(void)state;
	/* A string of 4 MiB is compared a thousand times. */
	flo__strbuf_adds(&sb, "['0123456789abcdef']");
	for (int i = 0; i < 18; i++)
		flo__strbuf_adds(&sb, ".map(s, s + s)");
	flo__strbuf_adds(&sb, ".map(s, ");
	for (int i = 0; i < 3; i++)
		flo__strbuf_addf(&sb, "%s.all(x%d, ", tens, i);
	flo__strbuf_adds(&sb, "s == s + ''))))");
	got = outcome(sb.data);
	assert_non_null(strstr(got, "too many operations"));
	flo__free(got);
	flo__strbuf_reset(&sb);
	/* Ten thousand items, looked for in a list as long. */
	add_many(&sb, 1);
	flo__strbuf_adds(&sb, ".map(a, ");
	add_many(&sb, 1);
	flo__strbuf_adds(&sb, ")[0]");
	got = outcome(sb.data);
	assert_string_equal(got, "[0,1,2,3,4,5,6,7,8,9]");
	flo__free(got);
	flo__strbuf_fini(&sb);
}

static void no_limit_is_absorbed(void **state)
{
	(void)state;
	repeated_fails("['x']", ".map(s, [s, s])", 100, " == 1 || true",
		       "larger than");
	repeated_fails("['x']", ".map(s, s + s)", 100, " == 1 || true",
		       "too many");
}

static void values_do_not_nest_without_end(void **state)
{
	(void)state;
	repeated_is("size([1]", ".map(a, [a])", 500, ")", "1");
	repeated_fails("[1]", ".map(a, [a])", 5000, "", "nested deeper than");
}

static void long_chains_need_no_stack(void **state)
{
	(void)state;
	repeated_is("1", " + 1", 100000, "", "100001");
	repeated_is("t", " && t", 100000, "", "true");
	repeated_is("t", " || t", 100000, "", "true");
	repeated_is("size('a'", " + 'b'", 1000, ")", "1001");
	repeated_is("t ? 1 : ", "t ? 1 : ", 90, "2", "1");
}

static void brackets_nest_to_a_limit(void **state)
{
	static const char deep[] = "nested deeper than 100 levels";

	(void)state;
	repeated_fails("", "[", 100000, "", deep);
	repeated_fails("", "(", 100000, "", deep);
	repeated_fails("", "{1:", 100000, "", deep);
	repeated_fails("", "size(", 100000, "", deep);
	repeated_fails("", "l[", 100000, "", deep);
	repeated_fails("", "t?1:", 100000, "2", deep);
	repeated_fails("", "l.map(x,", 100000, "", "too many macros");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_over_map_over_a_million_is_stopped),
		cmocka_unit_test(text_that_doubles_is_stopped),
		cmocka_unit_test(
			what_is_small_in_memory_may_be_too_large_as_text),
		cmocka_unit_test(work_on_large_values_counts),
		cmocka_unit_test(no_limit_is_absorbed),
		cmocka_unit_test(values_do_not_nest_without_end),
		cmocka_unit_test(long_chains_need_no_stack),
		cmocka_unit_test(brackets_nest_to_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
