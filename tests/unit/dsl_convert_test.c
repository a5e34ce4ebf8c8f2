#include "dsl_eval.h"

#include <locale.h>

static void a_conversion_to_its_own_type_changes_nothing(void **state)
{
	static const struct row rows[] = {
		{"int(-7)", "-7"},
		{"uint(7u)", "7"},
		{"double(0.1)", "0.1"},
		{"string('\\u0000x')", "\"\\u0000x\""},
		{"bytes(b'\\x00')", "\"AA==\""},
		{"bool(false)", "false"},
		{"dyn([1])", "[1]"},
	};

	(void)state;
	are(rows, ROWS(rows));
}

static void texts_are_read_whole(void **state)
{
	static const struct row rows[] = {
		{"int('-9223372036854775808')", "-9223372036854775808"},
		{"int('+7')", "7"},
		{"int('007')", "7"},
		{"uint('18446744073709551615')", "18446744073709551615"},
		{"double('1e3')", "1000.0"},
		{"double('+.5')", "0.5"},
		{"double('1.')", "1.0"},
		{"double('-0')", "-0.0"},
		{"double('1E-2')", "0.01"},
		{"double('NaN')", "\"NaN\""},
		{"double('Infinity')", "\"Infinity\""},
		{"double('-inf')", "\"-Infinity\""},
		{"double('5e-324') > 0.0", "true"},
		{"bool('t') && bool('TRUE') && !bool('F'.lowerAscii())",
		 "true"},
	};
	static const struct wrong bad[] = {
		{"int('')", 1, "it takes digits"},
		{"int('-')", 1, "it takes digits"},
		{"int('12 ')", 1, "it takes digits"},
		{"int(' 12')", 1, "it takes digits"},
		{"int('0x10')", 1, "it takes digits"},
		{"int('1.0')", 1, "it takes digits"},
		{"int('1\\u00002')", 1, "it takes digits"},
		{"int('9223372036854775808')", 1, "beyond 64 bits"},
		{"int('-9223372036854775809')", 1, "beyond 64 bits"},
		{"int('99999999999999999999999999')", 1, "beyond 64 bits"},
		{"uint('-1')", 1, "it takes digits only"},
		{"uint('+1')", 1, "it takes digits only"},
		{"uint('18446744073709551616')", 1, "beyond 64 bits"},
		{"double('')", 1, "it takes a number such as"},
		{"double('.')", 1, "it takes a number such as"},
		{"double('1e')", 1, "it takes a number such as"},
		{"double('0x10')", 1, "it takes a number such as"},
		{"double('nan(1)')", 1, "it takes a number such as"},
		{"double('1,5')", 1, "it takes a number such as"},
		{"double('1e999')", 1, "beyond the range of a double"},
		{"bool('yes')", 1, "it takes true, t or 1, false, f or 0"},
		{"bool('true\\u0000')", 1, "it takes true"},
	};

	(void)state;
	are(rows, ROWS(rows));
	all_fail(bad, ROWS(bad));
}

static void numbers_out_of_range_are_refused(void **state)
{
	static const struct row rows[] = {
		{"int(9223372036854774784.0)", "9223372036854774784"},
		{"int(-9223372036854774784.0)", "-9223372036854774784"},
		{"uint(18446744073709549568.0)", "18446744073709549568"},
		{"int(-0.9)", "0"},
		{"uint(0.9)", "0"},
		{"uint(-0.0)", "0"},
	};
	static const struct wrong bad[] = {
		{"int(9223372036854775808u)", 1, "beyond the range of an int"},
		{"int(1e19)", 1, "1e+19 is beyond the range of an int"},
		{"int(double('NaN'))", 1, "beyond the range of an int"},
		{"int(-1.0 / 0.0)", 1, "beyond the range of an int"},
		{"uint(-0.5)", 1, "beyond the range of a uint"},
		{"uint(-1)", 1, "-1 is negative"},
		{"uint(18446744073709551616.0)", 1, "the range of a uint"},
	};

	(void)state;
	are(rows, ROWS(rows));
	all_fail(bad, ROWS(bad));
}

static void doubles_become_their_shortest_text(void **state)
{
	static const struct row rows[] = {
		{"string(0.1 + 0.2)", "\"0.30000000000000004\""},
		{"string(100.0)", "\"100\""},
		{"string(-0.0)", "\"-0\""},
		{"string(1e300)", "\"1e+300\""},
		{"string(5e-324)", "\"5e-324\""},
		{"string(1.0 / 0.0)", "\"+Inf\""},
		{"string(-1.0 / 0.0)", "\"-Inf\""},
		{"string(double('NaN'))", "\"NaN\""},
		{"5e-324", "5e-324"},
		{"1.0", "1.0"},
		{"1e21", "1e+21"},
		{"0.1", "0.1"},
		{"2.2250738585072014e-308", "2.2250738585072014e-308"},
	};

	(void)state;
	are(rows, ROWS(rows));
}

static void what_cannot_fit_is_told_before_it_runs(void **state)
{
	static const struct wrong rows[] = {
		{"int(null)", 1,
		 "int() takes int, uint, double, string or tim"},
		{"int(true)", 1, "or timestamp, not bool"},
		{"uint([])", 1,
		 "uint() takes int, uint, double or string, not"},
		{"bool(1)", 1, "bool() takes bool or string, not int"},
		{"bytes(1)", 1, "bytes() takes string or bytes, not int"},
		{"double(b'')", 1, "not bytes"},
		{"string(null)", 1, "string() takes"},
		{"string(dyn(null))", 1, "string() does not take a null"},
		{"string(dyn([]))", 1, "toJson() does"},
		{"string(dyn(int))", 1, "string() does not take a type"},
		{"size(1)", 1,
		 "size() takes string, bytes, list or map, not in"},
	};

	(void)state;
	all_fail(rows, ROWS(rows));
}

static void the_locale_changes_nothing(void **state)
{
	static const struct row rows[] = {
		{"double('1.5') == 1.5", "true"},
		{"string(1.5)", "\"1.5\""},
	};

	(void)state;
	if (setlocale(LC_NUMERIC, "de_DE.UTF-8") == NULL &&
	    setlocale(LC_NUMERIC, "fr_FR.UTF-8") == NULL) {
		print_message("skipped: no locale with a decimal comma\n");
		skip();
	}
	are(rows, ROWS(rows));
	setlocale(LC_NUMERIC, "C");
}

static void lack_of_memory_is_an_error(void **state)
{
	(void)state;
	survives_lack_of_memory("[string(double('1.5')), string(int('3')), "
				"string(double('2.5')), string(b'x'), "
				"string(bytes('y')), string(uint('4'))]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_conversion_to_its_own_type_changes_nothing),
		cmocka_unit_test(texts_are_read_whole),
		cmocka_unit_test(numbers_out_of_range_are_refused),
		cmocka_unit_test(doubles_become_their_shortest_text),
		cmocka_unit_test(what_cannot_fit_is_told_before_it_runs),
		cmocka_unit_test(the_locale_changes_nothing),
		cmocka_unit_test(lack_of_memory_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
