/*
 * What CEL's definition says and its common tests ask, rule by rule: the
 * language of pipelines is to be no dialect. Type tests compare types, since
 * JSON does not show them: 1, 1u and 1.0 look alike there.
 */
#include "dsl_outcome.h"

static void numbers_are_read_as_written(void **state)
{
	static const struct expectation table[] = {
		{"type(0) == int && type(0u) == uint && type(0.0) == double",
		 "true"},
		{"[0x10, 0xff, -0x10]", "[16,255,-16]"},
		{"[0xFFu, 7U]", "[255,7]"},
		{"-0x8000000000000000", "-9223372036854775808"},
		{"- 9223372036854775808", "-9223372036854775808"},
		{"0xffffffffffffffffu", "18446744073709551615"},
		{"[1e3, 1.5E-1, .25, 6.02e+2]", "[1000.0,0.15,0.25,602.0]"},
		{"type(1e0)", "\"double\""},
		{NULL, NULL},
	};
	static const struct mistake mistakes[] = {
		{"0X10", 1, "not a number"},
		{"0x", 1, "not a number"},
		{"1 + 12x", 5, "not a number"},
		{"1e", 1, "not a number"},
		{"18446744073709551616u", 1, "beyond 64 bits"},
		{"0x10000000000000000", 1, "beyond 64 bits"},
		{"--9223372036854775808", 3, "int beyond 64 bits"},
		{"-(9223372036854775808)", 3, "int beyond 64 bits"},
		{NULL, 0, NULL},
	};

	(void)state;
	are(table);
	all_fail(mistakes);
}

static void strings_have_all_escapes(void **state)
{
	static const struct expectation table[] = {
		{"'\\a\\b\\f\\n\\r\\t\\v' == '\\x07\\x08\\x0c\\x0a\\x0D\\x09"
		 "\\X0b'",
		 "true"},
		{"'\\\\\\?\\\"\\'\\`'", "\"\\\\?\\\"'`\""},
		{"'\\101\\141\\060'", "\"Aa0\""},
		{"'\\u00e9' == '\xc3\xa9' && '\\U0001F600'.size() == 1",
		 "true"},
		{"'\\x41' == 'A' && '\\xe9' == '\\u00e9'", "true"},
		{"\"it's\" + 'a \"b\"'", "\"it'sa \\\"b\\\"\""},
		{"r'\\n' + R\"\\d\"", "\"\\\\n\\\\d\""},
		{"'''a\n'b' ''c'''", "\"a\\n'b' ''c\""},
		{"\"\"\"x\"y\\\"\"\"\"", "\"x\\\"y\\\"\""},
		{"r\"\"\"\\\"\"\"", "\"\\\\\""},
		{"''", "\"\""},
		{NULL, NULL},
	};
	static const struct mistake mistakes[] = {
		{"'a\nb'", 1, "string is not closed"},
		{"'a\rb'", 1, "string is not closed"},
		{"1 + 'abc", 5, "string is not closed"},
		{"'''a''", 1, "string is not closed"},
		{"'ab\\q'", 4, "unknown escape"},
		{"'ab\\x4'", 4, "escape with too few digits"},
		{"'\\u12'", 2, "escape with too few digits"},
		{"'\\08'", 2, "escape with too few digits"},
		{"'\\400'", 2, "unknown escape"},
		{"'\\ud800'", 2, "escape of no valid character"},
		{"'\\U00110000'", 2, "escape of no valid character"},
		{"'\xc3\xa9\\q'", 3, "unknown escape"},
		{"'a' 'b'", 5, "an operator or the end is expected"},
		{NULL, 0, NULL},
	};

	(void)state;
	are(table);
	all_fail(mistakes);
}

static void bytes_have_octets_not_code_points(void **state)
{
	static const struct expectation table[] = {
		{"type(b'') == bytes && size(b'\\xff\\377') == 2", "true"},
		{"b'\xc3\xa9' == b'\\xc3\\xa9'", "true"},
		{"size(b'\xc3\xa9') == 2 && size('\xc3\xa9') == 1", "true"},
		{"rb'\\x' == b'\\\\x' && Br'a' == bR\"a\"", "true"},
		{"b'''a\nb''' == b'a\\nb'", "true"},
		{"b'a' + b'\\000' == b'a\\x00'", "true"},
		{"b'a' < b'b' && b'' < b'a' && b'\\xff' > b'a'", "true"},
		{NULL, NULL},
	};

	(void)state;
	are(table);
	fails("b'\\u00e9'", 3, "unknown escape");
	fails("bb'a'", 3, "unexpected");
}

static void names_are_selected_as_cel_says(void **state)
{
	static const struct expectation table[] = {
		{"{'if': 1}.if + {'package': 2}.package", "3"},
		{"m.`a-b`.c", "2"},
		{"{'a b/c.d': 5}.`a b/c.d`", "5"},
		{"has(m.`a-b`) && !has(m.`b-a`)", "true"},
		{"has({'z': null}.z)", "true"},
		{".n + .m.a", "8"},
		{"has(.m.a)", "true"},
		{"[1].map(n, .n + n)", "[8]"},
		{".size([1])", "1"},
		{"  n\t+\n1\f\r ", "8"},
		{"n // seven\n+ // and\n1 // one", "8"},
		{"m . a", "1"},
		{NULL, NULL},
	};
	static const struct mistake mistakes[] = {
		{"as", 1, "reserved"},
		{"n + while", 5, "reserved"},
		{"m.in", 3, "unexpected 'in'"},
		{"m.true", 3, "unexpected 'true'"},
		{"m.'a'", 3, "the name of a field"},
		{"m.", 3, "ends where the name of a field is expected"},
		{". 1", 3, "a name is expected"},
		{"`n`", 1, "unexpected"},
		{"m.`", 3, "` is not closed"},
		{"has(m)", 1, "write it as has(x.field)"},
		{"has(m['a'])", 1, "has() takes the selection"},
		{"n ; 1", 3, "unexpected ';'"},
		{"n = 7", 3, "unexpected '='"},
		{"t & t", 3, "unexpected '&'"},
		{NULL, 0, NULL},
	};

	(void)state;
	are(table);
	all_fail(mistakes);
}

static void literals_may_end_with_a_comma(void **state)
{
	(void)state;
	is("[1, 2,] + [,] == [1, 2]", "true");
	is("{'a': 1,} != {,}", "true");
	fails("[,1]", 3, "']' is expected");
	fails("{,'a': 1}", 3, "'}' is expected");
	fails("[1,,2]", 4, "a value is expected");
	fails("size([1],)", 10, "an argument is expected");
}

static void arithmetic_never_wraps(void **state)
{
	static const struct expectation table[] = {
		{"-7 / 2 == -3 && -7 % 2 == -1 && 7 % -2 == 1", "true"},
		{"18446744073709551615u - 18446744073709551615u", "0"},
		{"9223372036854775807 - 1 + 1", "9223372036854775807"},
		{"type(1.0 / 0.0) == double && 1.0 / 0.0 > 1e308", "true"},
		{"-(0.0) == 0.0 && 1.0 / -(0.0) < 0.0", "true"},
		{"1e308 * 10.0 == 1.0 / 0.0", "true"},
		{NULL, NULL},
	};
	static const struct mistake mistakes[] = {
		{"9223372036854775807 + 1", 21, "int overflow"},
		{"-9223372036854775808 - 1", 22, "int overflow"},
		{"-9223372036854775808 * -1", 22, "int overflow"},
		{"-9223372036854775808 / -1", 22, "int overflow"},
		{"-9223372036854775808 % -1", 22, "int overflow"},
		{"-(-9223372036854775808)", 1, "int overflow"},
		{"18446744073709551615u + 1u", 23, "uint overflow"},
		{"18446744073709551615u * 2u", 23, "uint overflow"},
		{"0u - 1u", 4, "uint overflow"},
		{"5u / 0u", 4, "division by zero"},
		{"5u % 0u", 4, "modulus by zero"},
		{"n / 0", 3, "division by zero"},
		{"1 + 1.0", 3, "+ does not work on int and double"},
		{"1 + 1u", 3, "+ does not work on int and uint"},
		{"5.0 % 2.0", 5, "% does not work on double and double"},
		{"-1u", 1, "- does not work on uint"},
		{"!n", 1, "! does not work on int"},
		{"'a' - 'b'", 5, "- does not work on string and string"},
		{"[1] * 2", 5, "* does not work on list and int"},
		{"null + null", 6, "+ does not work on null and null"},
		{NULL, 0, NULL},
	};

	(void)state;
	are(table);
	all_fail(mistakes);
}

static void equality_is_of_values_not_of_types(void **state)
{
	static const struct expectation table[] = {
		{"1 == 1u && 1 == 1.0 && 1u == 1.0 && 1 != 1.5", "true"},
		{"-1 != 18446744073709551615u", "true"},
		{"9007199254740993 != 9007199254740992.0", "true"},
		{"1 == 'a' || null == 0 || true == 1 || 'a' == b'a'", "false"},
		{"null == null && null != m && [] != {}", "true"},
		{"[1, 2] == [1u, 2.0] && [1] != [1, 1] && [1] != ['1']",
		 "true"},
		{"{'a': 1, 'b': 2} == {'b': 2.0, 'a': 1u}", "true"},
		{"{'a': 1} != {'a': 2} && {'a': 1} != {'b': 1}", "true"},
		{"{1: 'x'} == {1u: 'x'}", "true"},
		{"[[1, {'k': [null]}]] == [[1.0, {'k': [null]}]]", "true"},
		{"0.0 / 0.0 != 0.0 / 0.0 && [0.0 / 0.0] != [0.0 / 0.0]",
		 "true"},
		{"'\\u00e9' != 'e\\u0301'", "true"},
		{"type(1) == type(2) && type(1) != type(1u)", "true"},
		{"type([]) == list && type({}) == map && type('') == string",
		 "true"},
		{"type(b'') == bytes && type(true) == bool", "true"},
		{"type(null) == null_type && type(int) == type", "true"},
		{"type(type(1)) == type && type(type) == type", "true"},
		{NULL, NULL},
	};

	(void)state;
	are(table);
}

static void order_is_of_one_number_line(void **state)
{
	static const struct expectation table[] = {
		{"-1 < 0u && 0u < 0.5 && 1 < 1.5 && 2u > 1.5", "true"},
		{"1u <= 1 && 1.0 >= 1 && !(1.0 > 1u)", "true"},
		{"-9223372036854775808 < 0u", "true"},
		{"9223372036854775807 < 9223372036854775808u", "true"},
		{"1 < 1e300 && 18446744073709551615u < 1e300", "true"},
		{"-1e300 < -9223372036854775808 && -1.0 < 0u", "true"},
		/* An int is compared with a double as a double. */
		{"9223372036854775807 < 9223372036854775808.0", "false"},
		{"9223372036854775807 >= 9223372036854775808.0", "true"},
		{"9223372036854775807 < 9223372036854777857.0", "true"},
		{"[1, 1u, 1.0].exists(x, x < double('NaN') || "
		 "x >= double('NaN'))",
		 "false"},
		{"'a' < 'aa' && 'Z' < 'a' && '\\uffff' < '\\U00010000'",
		 "true"},
		{"false < true && !(true < true)", "true"},
		{NULL, NULL},
	};
	static const struct mistake mistakes[] = {
		{"1 < 'a'", 3, "< does not work on int and string"},
		{"null <= null", 6, "<= does not work on null and null"},
		{"l > l", 3, "> does not work on list and list"},
		{"m >= m", 3, ">= does not work on map and map"},
		{"'a' < b'a'", 5, "< does not work on string and bytes"},
		{"1 < 2 < 3", 7, "< does not work on bool and int"},
		{"int < uint", 5, "< does not work on type and type"},
		{NULL, 0, NULL},
	};

	(void)state;
	are(table);
	all_fail(mistakes);
}

static void in_looks_for_equals(void **state)
{
	static const struct expectation table[] = {
		{"1 in [3, 1.0] && 1u in [1] && !(1.5 in [1, 2])", "true"},
		{"'a' in ['b', 1, null, 'a'] && !('c' in ['a'])", "true"},
		{"null in [1, null] && [1] in [[1u]] && !([1] in [1])", "true"},
		{"1 in {1u: 'x'} && 1.0 in {1: 'x'} && !(1.5 in {1: 'x'})",
		 "true"},
		{"true in {true: 0} && !('true' in {true: 0})", "true"},
		{"null in {'a': 1} || [1] in {'a': 1}", "false"},
		{"{1: 'x'}[1u] + {1u: 'y'}[1.0] + {'k': 'z'}['k']", "\"xyz\""},
		{"[7, 8][1u] + [7, 8][0.0]", "15"},
		{NULL, NULL},
	};
	static const struct mistake mistakes[] = {
		{"1 in 'a'", 3, "in does not work on int and string"},
		{"1 in 2", 3, "in does not work on int and int"},
		{"{1: 2}[1.5]", 7, "no such key 1.5"},
		{"{'a': 1}[l]", 9, "no such key [1,2,3]"},
		{"l['0']", 2, "[] does not work on list and string"},
		{"'abc'[0]", 6, "[] does not work on string and int"},
		{"l[18446744073709551615u]", 2, "out of range"},
		{"l[double('NaN')]", 2, "no whole number"},
		{"{1: 'a', 1u: 'b'}", 1, "same key twice"},
		{"{null: 1}", 1, "a null cannot be the key"},
		{"{[1]: 1}", 1, "a list cannot be the key"},
		{NULL, 0, NULL},
	};

	(void)state;
	are(table);
	all_fail(mistakes);
}

static void logic_absorbs_what_the_other_side_decides(void **state)
{
	static const struct expectation table[] = {
		{"false && 32", "false"},
		{"'horses' && false", "false"},
		{"true || 32", "true"},
		{"'horses' || true", "true"},
		{"nope || true", "true"},
		{"nope(17) || true", "true"},
		{"m.if() || true", "true"},
		{"1 / 0 == 1 && l[9] == 1 && false", "false"},
		{"t ? 'a' : nope", "\"a\""},
		{"false ? 1 / 0 : 2", "2"},
		{"t ? (t ? 1 : 2) : 3", "1"},
		{"!t ? 1 : !t ? 2 : 3", "3"},
		{"!!!t || --n == n", "true"},
		{NULL, NULL},
	};
	static const struct mistake mistakes[] = {
		{"true && 32", 6, "an operand of && is a int"},
		{"nope || false", 1, "there is no variable \"nope\""},
		{"1 / 0 == 1 || l[9] == 1", 3, "division by zero"},
		{"nope && 1 / 0 == 1", 1, "there is no variable"},
		{"nope(l[9])", 1, "there is no function \"nope\""},
		{"'a' ? 1 : 2", 5, "the condition of ?: is a string"},
		{"nope ? 1 : 2", 1, "there is no variable"},
		{"t ? t ? 1 : 2 : 3", 7, "':' is expected"},
		{"l[9] + nope", 2, "index 9 is out of range"},
		{NULL, 0, NULL},
	};

	(void)state;
	are(table);
	all_fail(mistakes);
}

static void macros_stop_at_errors_only_when_they_must(void **state)
{
	static const struct expectation table[] = {
		{"[1, 'a'].exists(x, x == 'a' && x.size() == 1)", "true"},
		{"['a', 1].exists(x, x > 0)", "true"},
		{"[0, 2].all(x, 4 / x == 3)", "false"},
		{"['a', -1].all(x, x > 0)", "false"},
		{"[1, 2, 2].exists_one(x, x == 2)", "false"},
		{"{'a': 1, 'b': 2}.filter(k, k != 'a')", "[\"b\"]"},
		{"{'a': 1}.map(k, k + '!')", "[\"a!\"]"},
		{"[3, 4].map(x, x > 3, [x, x])", "[[4,4]]"},
		{"[[1, 2], [3]].map(x, x.map(x, x + 1))", "[[2,3],[4]]"},
		{"[1, 2].map(x, [10].map(y, x + y)[0])", "[11,12]"},
		{"[1].all(t, t == 1) && t", "true"},
		{"l.map(x, l.filter(y, y < x).size())", "[0,1,2]"},
		{"[].all(x, nope) && ![].exists(x, nope)", "true"},
		{NULL, NULL},
	};
	static const struct mistake mistakes[] = {
		{"[0, 2].all(x, 4 / x == 2)", 17, "division by zero"},
		{"['a', 0].exists(x, x > 0)", 22, "> does not work on string"},
		{"[0, 1].exists_one(x, 1 / x == 1)", 24, "division by zero"},
		{"[0].filter(x, 1 / x == 1)", 17, "division by zero"},
		{"[0].map(x, 1 / x == 1, x)", 14, "division by zero"},
		{"[1].map(x, x, x)", 5, "what a macro tests is a int"},
		{"'abc'.map(x, x)", 7, "not a string"},
		{"l.map(1, 2)", 7, "the name of a variable is expected"},
		{"l.map(m.a, 2)", 8, "',' is expected"},
		{"l.map(in, 2)", 7, "the name of a variable is expected"},
		{"l.all(x)", 8, "',' is expected"},
		{"l.all(x, t, t, t)", 14, "')' is expected"},
		{"l.map(x, x) + x", 15, "there is no variable \"x\""},
		{"l.nap(x, x)", 3, "did you mean \"map\"?"},
		{NULL, 0, NULL},
	};

	(void)state;
	are(table);
	all_fail(mistakes);
}

static void macros_may_have_two_variables(void **state)
{
	static const struct expectation table[] = {
		{"l.all(i, v, v == i + 1) && m.exists(k, v, v == 1)", "true"},
		{"l.exists_one(i, v, i * v == 2)", "true"},
		{"['a', 'b'].existsOne(i, v, v == 'b' && i == 1)", "true"},
		{"['a', 'b'].transformList(i, v, v + string(i))",
		 "[\"a0\",\"b1\"]"},
		{"l.transformList(i, v, i > 0, v)", "[2,3]"},
		{"{'a': 1, 'b': 2}.transformMap(k, v, v * 10)",
		 "{\"a\":10,\"b\":20}"},
		{"{'a': 1, 'b': 2}.transformMap(k, v, k != 'a', k + k)",
		 "{\"b\":\"bb\"}"},
		{"[5, 6].transformMap(i, v, v) == {0: 5, 1: 6}", "true"},
		{"l.map(x, l.transformList(i, v, i * x))",
		 "[[0,1,2],[0,2,4],[0,3,6]]"},
		{"l.all(x, t)", "true"},
		{NULL, NULL},
	};

	(void)state;
	are(table);
	fails("l.all(i, i, true)", 10, "the same name");
	fails("l.map(i, v, t, t)", 14, "')' is expected");
	fails("l.transformList(v, v)", 21, "',' is expected");
	fails("l.transformMap(i, v, 1 / i)", 24, "division by zero");
}

static void what_is_no_expression_has_a_place(void **state)
{
	static const struct mistake mistakes[] = {
		{"Msg{a: 1}", 4, "unexpected '{'"},
		{"m.?a", 3, "unexpected '?'"},
		{"m[?'a']", 3, "unexpected '?'"},
		{"a := 1", 3, "unexpected ':'"},
		{"1 2", 3, "an operator or the end is expected"},
		{"(1", 3, "ends where ')' is expected"},
		{"[1", 3, "ends where ',' or ']' is expected"},
		{"{'a'}", 5, "':' is expected"},
		{"t ? 1", 6, "ends where ':' is expected"},
		{"", 1, "ends where a value is expected"},
		{"// nothing", 11, "ends where a value is expected"},
		{"1 +\n  )", 3, "a value is expected"},
		{NULL, 0, NULL},
	};

	(void)state;
	all_fail(mistakes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_read_as_written),
		cmocka_unit_test(strings_have_all_escapes),
		cmocka_unit_test(bytes_have_octets_not_code_points),
		cmocka_unit_test(names_are_selected_as_cel_says),
		cmocka_unit_test(literals_may_end_with_a_comma),
		cmocka_unit_test(arithmetic_never_wraps),
		cmocka_unit_test(equality_is_of_values_not_of_types),
		cmocka_unit_test(order_is_of_one_number_line),
		cmocka_unit_test(in_looks_for_equals),
		cmocka_unit_test(logic_absorbs_what_the_other_side_decides),
		cmocka_unit_test(macros_stop_at_errors_only_when_they_must),
		cmocka_unit_test(macros_may_have_two_variables),
		cmocka_unit_test(what_is_no_expression_has_a_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
