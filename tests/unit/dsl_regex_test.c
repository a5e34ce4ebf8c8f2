#include "dsl_eval.h"

#include "dsl/regex_p.h"

#include <flo/runtime.h>

static void patterns_match_anywhere(void **state)
{
	static const struct row rows[] = {
		{"'release-1.2'.matches('[0-9]+\\\\.[0-9]+')", "true"},
		{"matches('release-1.2', r'\\d\\.\\d')", "true"},
		{"'abc'.matches('^b')", "false"},
		{"'abc'.matches('^abc$')", "true"},
		{"'abc\\n'.matches('^abc$')", "false"},
		{"'a\\nb'.matches('a.b')", "false"},
		{"'a\\nb'.matches('(?s)a.b')", "true"},
		{"'x\\nab'.matches('(?m)^ab$')", "true"},
		{"'a\\rb'.matches('a.b')", "true"},
		{"'\xc3\xa4'.matches('^.$')", "true"},
		{"'\xc3\x84'.matches('(?i)\xc3\xa4')", "true"},
		{"'\xc3\xa4'.matches(r'^\\w$')", "false"},
		{"'\xc3\xa4'.matches(r'^\\pL$')", "true"},
		{"'\\u0661'.matches(r'\\d')", "false"},
		{"'a\\u0000b'.matches('a\\u0000b')", "true"},
		{"'abc'.matches('a(?P<x>b)c')", "true"},
		{"'abc'.matches(r'\\Aabc\\z')", "true"},
		{"''.matches('')", "true"},
		{"['a1', 'b'].filter(x, x.matches('[0-9]'))", "[\"a1\"]"},
		{"['^a', 'b$', 'x'].map(p, 'ab'.matches(p))",
		 "[true,true,false]"},
	};

	(void)state;
	are(rows, ROWS(rows));
}

static void a_literal_pattern_is_judged_before_it_runs(void **state)
{
	static const struct wrong rows[] = {
		{"'a'.matches('(')", 13,
		 "\"(\" is no regular expression: missing closing parenthesis, "
		 "at character 2"},
		{"'\xc3\xa4'.matches('\xc3\xa4[')", 13, "at character 3 of it"},
		{"true || 'a'.matches('*')", 21, "no regular expression"},
		{"'a'.matches(1)", 5,
		 "an argument of matches() must be string, no"},
		{"matches(1, 'a')", 1,
		 "an argument of matches() must be string, no"},
	};

	(void)state;
	all_fail(rows, ROWS(rows));
}

static void what_only_pcre_knows_is_refused(void **state)
{
	static const struct {
		const char *pattern;
		const char *why;
		size_t at;
	} rows[] = {
		{"a(?=b)", "looking ahead", 1},
		{"(?!b)", "looking ahead", 0},
		{"(?<=a)b", "looking behind", 0},
		{"(?<!a)b", "looking behind", 0},
		{"(?>a*)b", "an atomic group", 0},
		{"a*+", "a possessive quantifier", 2},
		{"a++", "a possessive quantifier", 2},
		{"a?+", "a possessive quantifier", 2},
		{"a{2,3}+", "a possessive quantifier", 6},
		{"(a)\\1", "a reference back to a group", 3},
		{"(?P=n)", "this kind of group or flag", 0},
		{"(?R)", "this kind of group or flag", 0},
		{"(?x)a", "this kind of group or flag", 0},
		{"(?#c)a", "this kind of group or flag", 0},
		{"(?|a|b)", "this kind of group or flag", 0},
		{"(*UCP)a", "a verb such as (*UCP)", 0},
		{"a(*COMMIT)", "a verb such as (*UCP)", 1},
		{"\\Ka", "this letter behind a backslash", 0},
		{"[\\h]", "this letter behind a backslash", 1},
		{"\\C", "this letter behind a backslash", 0},
		{"[]a]++", "a possessive quantifier", 5},
	};
	static const char *const fine[] = {
		"a+?",		"a{2}?",   "[*+]+",	 "\\++",
		"[[:alpha:]]+", "a}+",	   "a{,x}+",	 "(?i:a)(?-s)b",
		"(?P<n>a)",	"(?<n>a)", "\\Q(?=\\E+", "[^]]+",
		"[\\]]+",	"(a)+",	   "\\x{e4}+",	 "(?im-s)a",
	};
	size_t at = 0;

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		const char *why =
			flo__regex_foreign(rows[i].pattern,
					   strlen(rows[i].pattern), &at);

		if (why == NULL || strcmp(why, rows[i].why) != 0 ||
		    at != rows[i].at)
			fail_msg("%s: %s at %zu", rows[i].pattern,
				 why != NULL ? why : "fine", at);
	}
	for (size_t i = 0; i < ROWS(fine); i++) {
		struct flo__regex *regex = NULL;
		char why[FLO__REGEX_WHY];

		if (flo__regex_new(fine[i], strlen(fine[i]), why, &regex))
			fail_msg("%s: %s", fine[i], why);
		flo__regex_free(regex);
	}
}

static void a_computed_pattern_is_judged_when_it_runs(void **state)
{
	static const struct wrong rows[] = {
		{"'a'.matches('(' + '')", 5, "no regular expression"},
		{"'a'.matches(dyn(1))", 5, "matches() does not take an int"},
		{"dyn(1).matches('a')", 8, "matches() does not take an int"},
	};
	static const struct row absorbed[] = {
		{"'a'.matches('(' + '') || true", "true"},
	};

	(void)state;
	all_fail(rows, ROWS(rows));
	are(absorbed, ROWS(absorbed));
}

/* Patterns for which the number of tries explodes. */
static void endless_matching_is_stopped(void **state)
{
	static const char *const patterns[] = {
		"^(a+)+$",	  "(a|aa)+$",	"(a*)*[bc]",	  "(.*)*[xy]",
		"(a?){60}a{60}$", "^(?:a|a)*$", "([a-z]+)*\\\\d",
	};
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < ROWS(patterns); i++) {
		char *got;

		flo__strbuf_reset(&sb);
		flo__strbuf_addf(&sb,
				 "'%060d!'.replace('0', 'a')"
				 ".matches('%s')",
				 0, patterns[i]);
		got = outcome(sb.data, NULL);
		if (strstr(got, "takes too many steps on this text") == NULL)
			fail_msg("%s: %s", patterns[i], got);
		flo__free(got);
	}
	flo__strbuf_fini(&sb);
}

static char *text_of(const char *unit, size_t n, size_t *ret_len)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	for (size_t i = 0; i < n; i++)
		flo__strbuf_adds(&sb, unit);
	*ret_len = sb.len;
	return flo__strbuf_take(&sb);
}

static flo_status find_in(const char *pattern, const char *unit, size_t n,
			  bool *ret_found)
{
	struct flo__regex *regex = NULL;
	char why[FLO__REGEX_WHY] = "";
	uint64_t steps = FLO__REGEX_STEPS_ANY;
	size_t len;
	char *text = text_of(unit, n, &len);
	flo_status st;

	assert_int_equal(flo__regex_new(pattern, strlen(pattern), why, &regex),
			 FLO_OK);
	*ret_found = false;
	st = flo__regex_find(regex, text, len, &steps, why, ret_found);
	assert_true(st == FLO_OK || why[0] != '\0');
	flo__regex_free(regex);
	flo__free(text);
	return st;
}

/* What is fine on a long text, even where one place takes many steps. */
static void long_texts_are_searched(void **state)
{
	bool found;

	(void)state;
	assert_int_equal(find_in("needle", "haystack", 500000, &found), FLO_OK);
	assert_false(found);
	assert_int_equal(find_in("^[a-z]*$", "abc", 1000000, &found), FLO_OK);
	assert_true(found);
	assert_int_equal(find_in("^(a|b)*$", "ab", 50000, &found), FLO_OK);
	assert_true(found);
	assert_int_equal(find_in("[a-y]+z", "abc\n", 200000, &found), FLO_OK);
	assert_false(found);
	assert_int_equal(find_in("^(?:[a-z]+ ?)+$", "word ", 50000, &found),
			 FLO_OK);
	assert_true(found);
}

/* Quadratic, and so much that it must not be waited for. */
static void steps_are_counted_over_all_places(void **state)
{
	bool found;

	(void)state;
	assert_int_equal(find_in("[a-z]+[@#]", "abcdefgh", 100000, &found),
			 FLO_LIMIT);
	assert_int_equal(find_in("(?:a|b|c|d)+[xy]", "abcd", 250000, &found),
			 FLO_LIMIT);
}

/* A hostile search in each item must not cost more than one alone. */
static void the_searches_of_a_macro_are_counted_together(void **state)
{
	static const char *const patterns[] = {
		"(a+)+$",
		"^(a|aa)+$",
		"(?i)(a+)+$",
		/* Without room for being counted: estimated. */
		"(aaa|aa|a){1,1000}$",
	};
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < ROWS(patterns); i++) {
		uint64_t start = flo_now();
		char *got;

		flo__strbuf_reset(&sb);
		flo__strbuf_addf(
			&sb,
			"'%010000d'.split('').map(x, "
			"'aaaaaaaaaaaaaaaa!').exists(x, x.matches('%s'))",
			0, patterns[i]);
		got = outcome(sb.data, NULL);
		if (strstr(got, "too many operations, most of them in "
				"matches()") == NULL)
			fail_msg("%s: %s", patterns[i], got);
		flo__free(got);
		/* A second or so; without the limit, twenty minutes. */
		assert_true(flo_now() - start < UINT64_C(30000000000));
	}
	flo__strbuf_fini(&sb);
}

/* What people ask of large lists. */
static void ordinary_searches_in_large_lists_are_affordable(void **state)
{
	static const char *const patterns[] = {
		"^[a-z]+-[0-9]+$",
		"prod|staging|dev",
		"(?i)\\\\.EXAMPLE\\\\.com$",
		"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\\\.[a-z0-9]([-a-z0-9]*"
		"[a-z0-9])?)*$",
		"[a-z]+@[a-z]+",
	};
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < ROWS(patterns); i++) {
		char *got;

		flo__strbuf_reset(&sb);
		flo__strbuf_addf(&sb,
				 "'%0100000d'.split('').map(x, "
				 "'host-1234.rack-12.example.org')"
				 ".filter(x, x.matches('%s')).size() >= 0",
				 0, patterns[i]);
		got = outcome(sb.data, NULL);
		if (strcmp(got, "true") != 0)
			fail_msg("%s: %s", patterns[i], got);
		flo__free(got);
	}
	flo__strbuf_fini(&sb);
}

/* PCRE2 would look for each case to the end of the text at each place. */
static void a_long_text_is_searched_in_either_case(void **state)
{
	bool found;

	(void)state;
	assert_int_equal(find_in("(?i)error", "the fox ", 500000, &found),
			 FLO_OK);
	assert_false(found);
}

static void a_search_takes_off_its_steps(void **state)
{
	struct flo__regex *regex = NULL;
	char why[FLO__REGEX_WHY] = "";
	uint64_t steps = 1000;
	bool found = false;

	(void)state;
	assert_int_equal(flo__regex_new("a+b", 3, why, &regex), FLO_OK);
	assert_int_equal(flo__regex_find(regex, "aab", 3, &steps, why, &found),
			 FLO_OK);
	assert_true(found);
	assert_in_range(steps, 990, 998);
	steps = 2;
	assert_int_equal(flo__regex_find(regex, "aab", 3, &steps, why, &found),
			 FLO_LIMIT);
	assert_int_equal(steps, 0);
	flo__regex_free(regex);
}

static void memory_is_bounded(void **state)
{
	bool found;

	(void)state;
	assert_int_equal(find_in("^(a|b)*$", "ab", 3000000, &found), FLO_LIMIT);
}

static void patterns_have_a_length(void **state)
{
	struct flo__regex *regex = NULL;
	char why[FLO__REGEX_WHY] = "";
	size_t len;
	char *text = text_of("a", FLO__REGEX_LEN_MAX + 1, &len);

	(void)state;
	assert_int_equal(flo__regex_new(text, len, why, &regex), FLO_INVALID);
	assert_non_null(strstr(why, "longer than 4096 bytes"));
	flo__free(text);
	text = text_of("(", 200, &len);
	assert_int_equal(flo__regex_new(text, len, why, &regex), FLO_INVALID);
	flo__free(text);
	assert_int_equal(flo__regex_new("((a{1000}){1000}){1000}", 23, why,
					&regex),
			 FLO_INVALID);
	assert_null(regex);
}

static void what_is_not_utf_8_is_refused(void **state)
{
	struct flo__regex *regex = NULL;
	char why[FLO__REGEX_WHY] = "";
	uint64_t steps = 100;
	bool found = true;

	(void)state;
	assert_int_equal(flo__regex_new("a", 1, why, &regex), FLO_OK);
	assert_int_equal(flo__regex_find(regex, "a\xff", 2, &steps, why,
					 &found),
			 FLO_INVALID);
	assert_string_equal(why, "the text is not UTF-8");
	flo__regex_free(regex);
	regex = NULL;
	assert_int_equal(flo__regex_new("\xff", 1, why, &regex), FLO_INVALID);
	assert_null(regex);
}

static void lack_of_memory_is_an_error(void **state)
{
	(void)state;
	survives_lack_of_memory("'aab'.matches('^(a+)b$') && "
				"['a', 'b'].all(p, 'ab'.matches('x?' + p))");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_match_anywhere),
		cmocka_unit_test(a_literal_pattern_is_judged_before_it_runs),
		cmocka_unit_test(what_only_pcre_knows_is_refused),
		cmocka_unit_test(a_computed_pattern_is_judged_when_it_runs),
		cmocka_unit_test(endless_matching_is_stopped),
		cmocka_unit_test(long_texts_are_searched),
		cmocka_unit_test(steps_are_counted_over_all_places),
		cmocka_unit_test(the_searches_of_a_macro_are_counted_together),
		cmocka_unit_test(
			ordinary_searches_in_large_lists_are_affordable),
		cmocka_unit_test(a_long_text_is_searched_in_either_case),
		cmocka_unit_test(a_search_takes_off_its_steps),
		cmocka_unit_test(memory_is_bounded),
		cmocka_unit_test(patterns_have_a_length),
		cmocka_unit_test(what_is_not_utf_8_is_refused),
		cmocka_unit_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
