#include "dsl_outcome.h"

static void literals_have_their_values(void **state)
{
	(void)state;
	is("null", "null");
	is("true", "true");
	is("42", "42");
	is("0x1F", "31");
	is("7u", "7");
	is("18446744073709551615u", "18446744073709551615");
	is("-9223372036854775808", "-9223372036854775808");
	is("9223372036854775807", "9223372036854775807");
	is("1.5", "1.5");
	is(".5", "0.5");
	is("1e3", "1000.0");
	is("-2.5e-1", "-0.25");
	is("'a'", "\"a\"");
	is("\"a'b\"", "\"a'b\"");
	is("'\\n\\x41\\u00e9\\101\\''", "\"\\nA\xc3\xa9"
					"A'\"");
	is("r'\\n'", "\"\\\\n\"");
	is("'''a'b''c'''", "\"a'b''c\"");
	is("\"\"\"a\nb\"\"\"", "\"a\\nb\"");
	is("b'abc'", "\"YWJj\"");
	is("b'\\xff'", "\"/w==\"");
	is("[1, 'a', [true],]", "[1,\"a\",[true]]");
	is("{'a': 1, 'b': {}}", "{\"a\":1,\"b\":{}}");
	is("{1: 2, true: 3}", "{\"1\":2,\"true\":3}");
	is("1 // one\n + 1", "2");
}

static void operators_bind_as_cel_says(void **state)
{
	(void)state;
	is("1 + 2 * 3 - 4 / 2 % 3", "5");
	is("(1 + 2) * 3", "9");
	is("-n * -1", "7");
	is("!t || t", "true");
	is("!!t", "true");
	is("1 < 2 == true", "true");
	is("t ? 1 : t ? 2 : 3", "1");
	is("!t ? 1 : t ? 2 : 3", "2");
	is("false && false || true", "true");
	is("7 / -2", "-3");
	is("-7 % 3", "-1");
	is("2.0 * 1.5", "3.0");
	is("'a' + 'b'", "\"ab\"");
	is("[1] + [2]", "[1,2]");
	is("b'a' + b'b'", "\"YWI=\"");
	is("5u - 2u", "3");
}

static void numbers_compare_across_types(void **state)
{
	(void)state;
	is("1 == 1.0 && 1 == 1u && 1u == 1.0", "true");
	is("1 < 1.5 && 2u > 1.5 && -1 < 1u", "true");
	is("9223372036854774000 < 9223372036854775808.0", "true");
	is("18446744073709551615u > 9223372036854775807", "true");
	is("-0.0 == 0.0", "true");
	is("double('NaN') == double('NaN')", "false");
	is("double('NaN') < 1.0 || double('NaN') >= 1.0", "false");
	is("'a' < 'b' && b'a' < b'b' && false < true", "true");
	is("[1, 2.0] == [1.0, 2]", "true");
	is("{'a': 1} == {'a': 1u}", "true");
	is("2 in [1, 2.0]", "true");
	is("'a' in m && !('b' in m)", "true");
	is("m != null", "true");
}

static void selection_and_index(void **state)
{
	(void)state;
	is("m.a", "1");
	is("m['a']", "1");
	is("m.`a-b`.c", "2");
	is("l[0] + l[2u] + l[1.0]", "6");
	is("has(m.a) && !has(m.b)", "true");
	is("[1, 2][1]", "2");
	is("{1: 'x'}[1u]", "\"x\"");
	fails("m.b", 3, "no such key \"b\"");
	fails("l[3]", 2, "index 3 is out of range: the list has 3 items");
	fails("l[-1]", 2, "out of range");
	fails("l[1.5]", 2, "index 1.5 is no whole number from 0 on");
	fails("[1][1]", 4, "the list has 1 item");
	fails("z.a", 3, "cannot select \"a\" from null");
	fails("n.a", 3, "cannot select \"a\" from int");
	fails("m[z]", 2, "no such key null");
}

static void errors_are_absorbed_by_logic(void **state)
{
	(void)state;
	is("1 / 0 > 1 || true", "true");
	is("true || 1 / 0 > 1", "true");
	is("1 / 0 > 1 && false", "false");
	is("false && 1 / 0 > 1", "false");
	is("n == 7 ? 1 : 1 / 0", "1");
	is("dyn('x') && false", "false");
	is("true || dyn(1)", "true");
	fails("1 / 0 > 1 || false", 3, "division by zero");
	fails("true && 1 / 0 > 1", 11, "division by zero");
	fails("1 / 0 > 1 ? 1 : 2", 3, "division by zero");
	fails("dyn(1) && true", 8, "not a bool");
	fails("dyn(1) ? 1 : 2", 8, "not a bool");
}

static void overflow_is_an_error(void **state)
{
	(void)state;
	fails("big + 1", 5, "int overflow");
	fails("-big - 2", 6, "int overflow");
	fails("big * 2", 5, "int overflow");
	fails("-(-big - 1)", 1, "int overflow");
	fails("(-big - 1) / -1", 12, "int overflow");
	fails("1u - 2u", 4, "uint overflow");
	fails("n % 0", 3, "modulus by zero");
	fails("9223372036854775808", 1, "int beyond 64 bits");
	is("1.0 / 0.0", "\"Infinity\"");
}

static void macros_go_over_lists_and_maps(void **state)
{
	(void)state;
	is("l.map(x, x * 2)", "[2,4,6]");
	is("l.map(x, x > 1, x * 2)", "[4,6]");
	is("l.filter(x, x != 2)", "[1,3]");
	is("l.all(x, x > 0)", "true");
	is("l.exists(x, x == 3)", "true");
	is("l.exists_one(x, x > 2)", "true");
	is("m.map(k, k)", "[\"a\",\"a-b\"]");
	is("m.all(k, k.startsWith('a'))", "true");
	is("[].all(x, 1 / 0 > x)", "true");
	is("[].exists(x, x)", "false");
	is("[].map(x, x)", "[]");
	is("l.map(x, l.map(y, x * y))", "[[1,2,3],[2,4,6],[3,6,9]]");
	is("l.map(n, n) + [n]", "[1,2,3,7]");
	is("l.all(x, l.exists(y, y == x))", "true");
	is("[1, 0, 2].exists(x, 2 / x == 1)", "true");
	is("[0, 1].all(x, 2 / x == 1)", "false");
	fails("[1, 0].map(x, 2 / x)", 17, "division by zero");
	fails("[0].all(x, 2 / x == 2)", 14, "division by zero");
	fails("n.map(x, x)", 3, "a macro goes over a list or a map");
	fails("l.filter(x, dyn(1))", 3, "not a bool");
}

static void functions_convert(void **state)
{
	(void)state;
	is("size(s) + size(l) + size(m) + s.size()", "13");
	is("string(1) + string(2u) + string(1.5) + string(true)",
	   "\"121.5true\"");
	is("string(1.0)", "\"1\"");
	is("string(b'abc')", "\"abc\"");
	is("int('-12') + int(3.9) + int(4u)", "-5");
	is("uint(3) + uint('4')", "7");
	is("double(1) + double('.5')", "1.5");
	is("bool('true') && !bool('0')", "true");
	is("type(1) == int && type('') == string && type(null) == null_type",
	   "true");
	is("type(type(1)) == type", "true");
	is("type([])", "\"list\"");
	is("'hello'.contains('ell') && 'hello'.startsWith('he') && "
	   "'hello'.endsWith('lo') && ''.contains('')",
	   "true");
	is("toJson({'a': [1, null]})", "\"{\\\"a\\\":[1,null]}\"");
	is("fromJson('{\"a\": [1, 2.5]}').a[1]", "2.5");
	fails("int('x')", 1, "int() cannot read \"x\"");
	fails("int(' 1')", 1, "cannot read");
	fails("int(1e30)", 1, "int overflow");
	fails("uint(-1)", 1, "uint overflow");
	fails("string(m)", 1, "toJson() does");
	fails("string(b'\\xff')", 1, "not UTF-8");
	fails("fromJson('{')", 1, "fromJson()");
	fails("size(n)", 1, "size() does not take an int");
}

static void mistakes_have_a_place(void **state)
{
	(void)state;
	fails("1 +", 4, "ends where a value is expected");
	fails("nope", 1, "there is no variable \"nope\"");
	fails("1 + bgi", 5, "did you mean \"big\"?");
	fails("'\xc3\xbc' + 1", 5, "+ does not work on string and int");
	fails("sise(l)", 1, "did you mean \"size\"?");
	fails("if", 1, "reserved");
	fails("{'a': 1, 'a': 2}", 1, "same key twice");
	fails("{1.5: 2}", 1, "cannot be the key of a map");
	fails("l.map(x)", 8, "','");
	fails("", 1, "ends where a value is expected");
	fails("\xc3\xbc", 1, "unexpected '\xc3\xbc'");
	fails("`a", 1, "` is not closed");
	fails("[1, 2", 6, "',' or ']'");
}

static void size_is_bounded_not_the_stack(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *got;

	(void)state;
	for (int i = 0; i < 20000; i++)
		flo__strbuf_adds(&sb, "1 + ");
	flo__strbuf_adds(&sb, "1");
	is(sb.data, "20001");
	flo__strbuf_reset(&sb);
	for (int i = 0; i < 90; i++)
		flo__strbuf_adds(&sb, "(");
	flo__strbuf_adds(&sb, "1");
	for (int i = 0; i < 90; i++)
		flo__strbuf_adds(&sb, ")");
	is(sb.data, "1");
	flo__strbuf_reset(&sb);
	for (int i = 0; i < 100000; i++)
		flo__strbuf_adds(&sb, "[");
	got = outcome(sb.data);
	assert_non_null(strstr(got, "nested deeper than 100 levels"));
	flo__free(got);
	flo__strbuf_reset(&sb);
	for (int i = 0; i < 100000; i++)
		flo__strbuf_adds(&sb, "!");
	flo__strbuf_adds(&sb, "true");
	is(sb.data, "true");
	flo__strbuf_fini(&sb);
}

static void endless_work_is_stopped(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__strbuf_adds(&sb, "[");
	for (int i = 0; i < 1000; i++)
		flo__strbuf_adds(&sb, "1,");
	flo__strbuf_adds(&sb, "].map(a, [");
	for (int i = 0; i < 1000; i++)
		flo__strbuf_adds(&sb, "1,");
	flo__strbuf_adds(&sb, "].map(b, l.map(c, l.map(d, a + b))))");
	{
		char *got = outcome(sb.data);

		assert_non_null(strstr(got, "too many operations"));
		flo__free(got);
	}
	flo__strbuf_fini(&sb);
}

static void out_of_memory_is_an_error(void **state)
{
	static const char expr[] =
		"l.filter(x, x > 1).map(x, {'k': string(x) + 'é'}) + "
		"[fromJson('[1]')[0], m[\"a\"], 1 / 0 > 1 || true] + "
		"[m.transformMap(k, v, k + 'x'), [1] == [1.0], 1 in l] + "
		"[1].map(a, [2].map(b, [3].map(c, a + b + c > 5 || nope)))";
	flo_value *vars = json_value(vars_json);
	flo_status st = FLO_NOMEM;

	(void)state;
	flo__json_guard_install();
	for (long n = 1; st == FLO_NOMEM; n++) {
		flo_value *value = NULL;

		flo__alloc_fail_at(n, 0);
		st = flo__dsl_eval(expr, strlen(expr), vars, NULL, &value);
		flo__alloc_fail_at(0, 0);
		if (st != FLO_OK)
			assert_int_equal(st, FLO_NOMEM);
		flo_value_unref(value);
	}
	flo_value_unref(vars);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_have_their_values),
		cmocka_unit_test(operators_bind_as_cel_says),
		cmocka_unit_test(numbers_compare_across_types),
		cmocka_unit_test(selection_and_index),
		cmocka_unit_test(errors_are_absorbed_by_logic),
		cmocka_unit_test(overflow_is_an_error),
		cmocka_unit_test(macros_go_over_lists_and_maps),
		cmocka_unit_test(functions_convert),
		cmocka_unit_test(mistakes_have_a_place),
		cmocka_unit_test(size_is_bounded_not_the_stack),
		cmocka_unit_test(endless_work_is_stopped),
		cmocka_unit_test(out_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
