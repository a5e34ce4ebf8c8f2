#include "dsl_eval.h"

static void positions_are_code_points(void **state)
{
	static const struct row rows[] = {
		{"'z\xc3\xbcrich'.charAt(1)", "\"\xc3\xbc\""},
		{"'z\xc3\xbcrich'.charAt(6)", "\"\""},
		{"''.charAt(0)", "\"\""},
		{"'a\xf0\x9f\x90\xb1z'.substring(1, 2)",
		 "\"\xf0\x9f\x90\xb1\""},
		{"'z\xc3\xbcrich'.substring(2)", "\"rich\""},
		{"'z\xc3\xbcrich'.substring(0, 0)", "\"\""},
		{"'z\xc3\xbcrich'.substring(6, 6)", "\"\""},
		{"'\xc3\xbc\xc3\xbc'.indexOf('\xc3\xbc', 1)", "1"},
		{"'\xc3\xbc\xc3\xbcx'.indexOf('x')", "2"},
		{"'a.b.c'.indexOf('.', 2)", "3"},
		{"'abc'.indexOf('c', 3)", "-1"},
		{"'abc'.indexOf('', 3)", "3"},
		{"''.indexOf('')", "0"},
		{"'abc'.indexOf('abcd')", "-1"},
		{"'a.b.c'.lastIndexOf('.')", "3"},
		{"'a.b.c'.lastIndexOf('.', 2)", "1"},
		{"'a.b.c'.lastIndexOf('.', 0)", "-1"},
		{"'aaaa'.lastIndexOf('aa', 1)", "1"},
		{"'\xc3\xbc-\xc3\xbc'.lastIndexOf('\xc3\xbc')", "2"},
		{"'\xc3\xbc-\xc3\xbc'.lastIndexOf('\xc3\xbc', 1)", "0"},
		{"'abc'.lastIndexOf('')", "3"},
		{"'abc'.lastIndexOf('', 1)", "1"},
		{"'a'.lastIndexOf('ab')", "-1"},
		{"size('a\\u0000b')", "3"},
		{"'a\\u0000b'.indexOf('b')", "2"},
	};
	static const struct wrong bad[] = {
		{"'abc'.charAt(4)", 7,
		 "index 4 is out of range: the string ha"},
		{"'a'.charAt(-1)", 5, "the string has 1 character"},
		{"'abc'.substring(4)", 7, "index 4 is out of range"},
		{"'abc'.substring(2, 1)", 7,
		 "start at 2 and end before that, "},
		{"'abc'.substring(0, 9)", 7, "index 9 is out of range"},
		{"'abc'.substring(-9223372036854775808)", 7, "out of range"},
		{"'abc'.indexOf('a', 4)", 7, "index 4 is out of range"},
		{"'abc'.indexOf('a', -1)", 7, "index -1 is out of range"},
		{"'abc'.lastIndexOf('a', 4)", 7, "index 4 is out of range"},
		{"'abc'.substring(1u)", 7,
		 "argument 1 of substring() must be i"},
		{"'abc'.substring(dyn(1.0))", 7, "does not take a double"},
		{"1.substring(1)", 3, "substring() takes string, not int"},
		{"'a'.indexOf('a', 'b')", 5,
		 "argument 2 of indexOf() must be int, not string"},
	};

	(void)state;
	are(rows, ROWS(rows));
	all_fail(bad, ROWS(bad));
}

static void only_ascii_changes_case(void **state)
{
	static const struct row rows[] = {
		{"'MiXed \xc3\x84 @[`{'.lowerAscii()",
		 "\"mixed \xc3\x84 @[`{\""},
		{"'MiXed \xc3\xa4 @[`{'.upperAscii()",
		 "\"MIXED \xc3\xa4 @[`{\""},
		{"''.upperAscii()", "\"\""},
	};

	(void)state;
	are(rows, ROWS(rows));
}

static void white_space_is_what_unicode_says(void **state)
{
	static const struct row rows[] = {
		{"'  a b\\t\\n'.trim()", "\"a b\""},
		{"'\\u00a0\\u2003\\u3000x\\u0085'.trim()", "\"x\""},
		{"'\\u200bx'.trim() == '\\u200bx'", "true"},
		{"' \\t '.trim()", "\"\""},
		{"''.trim()", "\"\""},
		{"'\xc3\xbc '.trim()", "\"\xc3\xbc\""},
	};

	(void)state;
	are(rows, ROWS(rows));
}

static void texts_are_split_and_joined(void **state)
{
	static const struct row rows[] = {
		{"'a,b,,c'.split(',')", "[\"a\",\"b\",\"\",\"c\"]"},
		{"'a,b,c'.split(',', 2)", "[\"a\",\"b,c\"]"},
		{"'a,b,c'.split(',', 9)", "[\"a\",\"b\",\"c\"]"},
		{"'a,b'.split(',', 0)", "[]"},
		{"'a,b'.split(',', 1)", "[\"a,b\"]"},
		{"'a,b'.split(',', -1)", "[\"a\",\"b\"]"},
		{"''.split(',')", "[\"\"]"},
		{"','.split(',')", "[\"\",\"\"]"},
		{"'a\xc3\xbc\xf0\x9f\x90\xb1'.split('')",
		 "[\"a\",\"\xc3\xbc\",\"\xf0\x9f\x90\xb1\"]"},
		{"'abc'.split('', 2)", "[\"a\",\"bc\"]"},
		{"''.split('')", "[]"},
		{"['a', 'b'].join(', ')", "\"a, b\""},
		{"['a'].join('-')", "\"a\""},
		{"[].join('-')", "\"\""},
		{"['a', '\xc3\xbc'].join()", "\"a\xc3\xbc\""},
		{"'x\\ny\\n'.split('\\n').filter(l, l != '').join(' ')",
		 "\"x y\""},
	};
	static const struct wrong bad[] = {
		{"['a', 1].join()", 10, "item 1 is of type int: map(x, string"},
		{"'a'.join()", 5, "join() takes list, not string"},
		{"['a'].join(1)", 7,
		 "argument 1 of join() must be string, not"},
		{"'a'.split(1)", 5,
		 "argument 1 of split() must be string, not"},
		{"dyn(1).split(',')", 8, "split() does not take an int"},
	};

	(void)state;
	are(rows, ROWS(rows));
	all_fail(bad, ROWS(bad));
}

static void texts_are_replaced(void **state)
{
	static const struct row rows[] = {
		{"'a-b-c'.replace('-', '+')", "\"a+b+c\""},
		{"'a-b-c'.replace('-', '')", "\"abc\""},
		{"'a-b-c'.replace('-', '--', 1)", "\"a--b-c\""},
		{"'a-b-c'.replace('-', '+', 0)", "\"a-b-c\""},
		{"'a-b-c'.replace('-', '+', -5)", "\"a+b+c\""},
		{"'aaa'.replace('aa', 'b')", "\"ba\""},
		{"'a\xc3\xbc'.replace('', '.')", "\".a.\xc3\xbc.\""},
		{"'ab'.replace('', '.', 2)", "\".a.b\""},
		{"''.replace('', '.')", "\".\""},
		{"'abc'.replace('x', 'y')", "\"abc\""},
	};

	(void)state;
	are(rows, ROWS(rows));
}

/* Doubling in a macro must end in an error, not in the OOM killer. */
static void results_have_a_limit(void **state)
{
	static const struct wrong rows[] = {
		{"['0123456789abcdef'].map(a, a.replace('', a)).map(b, "
		 "b.replace('', b)).map(c, c.replace('', c))",
		 81, "more than 64 MiB"},
		{"['0123456789abcdef'].map(a, a.replace('', a)).map(b, "
		 "b.replace('', b)).map(c, c.split('').join(c))",
		 91, "more than 64 MiB"},
	};

	(void)state;
	all_fail(rows, ROWS(rows));
}

static void lack_of_memory_is_an_error(void **state)
{
	(void)state;
	survives_lack_of_memory(
		"[' A,b '.trim().lowerAscii().split(',').join('--')"
		".replace('-', '='), string('abc'.lastIndexOf('b')), "
		"'abc'.charAt(1) + 'abc'.substring(1)]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(positions_are_code_points),
		cmocka_unit_test(only_ascii_changes_case),
		cmocka_unit_test(white_space_is_what_unicode_says),
		cmocka_unit_test(texts_are_split_and_joined),
		cmocka_unit_test(texts_are_replaced),
		cmocka_unit_test(results_have_a_limit),
		cmocka_unit_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
