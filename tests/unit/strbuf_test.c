/* flo__strbuf: a failed append changes nothing; JSON text is exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void appends_end_with_a_nul(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	assert_string_equal(sb.data, "");
	flo__strbuf_adds(&sb, "one");
	flo__strbuf_addc(&sb, ' ');
	flo__strbuf_addf(&sb, "%d %s", 2, "three");
	flo__strbuf_add(&sb, "", 0);
	assert_string_equal(sb.data, "one 2 three");
	assert_int_equal(sb.len, 11);
	flo__strbuf_cut(&sb, 3);
	assert_string_equal(sb.data, "one");
	flo__strbuf_reset(&sb);
	assert_string_equal(sb.data, "");
	flo__strbuf_fini(&sb);
	flo__strbuf_fini(&sb);
}

static void formats_longer_than_the_room_are_whole(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	size_t want = 0;

	(void)state;
	for (int i = 0; i < 300; i++) {
		flo__strbuf_addf(&sb, "%*s", i, "x");
		want += i < 1 ? 1 : (size_t)i;
		assert_int_equal(sb.len, want);
		assert_int_equal(strlen(sb.data), want);
		assert_int_equal(sb.data[want - 1], 'x');
	}
	flo__strbuf_fini(&sb);
}

static void taking_leaves_it_empty(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *text;

	(void)state;
	text = flo__strbuf_take(&sb);
	assert_string_equal(text, "");
	flo__free(text);
	flo__strbuf_adds(&sb, "abc");
	text = flo__strbuf_take(&sb);
	assert_string_equal(text, "abc");
	assert_int_equal(sb.len, 0);
	flo__free(text);
}

static void a_failed_append_is_remembered(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__strbuf_adds(&sb, "kept");
	flo__alloc_fail_at(1, 1);
	flo__strbuf_addf(&sb, "%0200d", 1);
	flo__alloc_fail_at(0, 0);
	assert_string_equal(sb.data, "kept");
	assert_int_equal(flo__strbuf_status(&sb), FLO_NOMEM);
	flo__strbuf_adds(&sb, " too");
	assert_int_equal(flo__strbuf_status(&sb), FLO_NOMEM);
	assert_null(flo__strbuf_take(&sb));
	assert_int_equal(sb.cap, 0);
	assert_int_equal(flo__strbuf_status(&sb), FLO_NOMEM);
	flo__strbuf_reset(&sb);
	assert_int_equal(flo__strbuf_status(&sb), FLO_OK);
	flo__strbuf_fini(&sb);
}

static void impossible_sizes_fail(void **state)
{
	static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 1, SIZE_MAX - 5,
				       SIZE_MAX / 2 + 1};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;

		flo__strbuf_adds(&sb, "abcd");
		assert_false(flo__strbuf_reserve(&sb, sizes[i]));
		assert_true(sb.failed);
		assert_string_equal(sb.data, "abcd");
		flo__strbuf_fini(&sb);
	}
}

static void json_strings_are_escaped(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__strbuf_add_json(&sb, "a\"\\/\b\n\r\t\0\x1f\x7f\xc3\xa9", 13);
	assert_string_equal(sb.data, "\"a\\\"\\\\/\\u0008\\n\\r\\t\\u0000"
				     "\\u001f\\u007f\xc3\xa9\"");
	flo__strbuf_fini(&sb);
}

static void json_is_utf8_whatever_the_text_is(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = {
		{"a\xff", "\"a\xef\xbf\xbd\""},
		{"\xc3\xa9\xc3", "\"\xc3\xa9\xef\xbf\xbd\""},
		{"\xe2\x82\"", "\"\xef\xbf\xbd\xef\xbf\xbd\\\"\""},
		{"\xf0\x9f\x98\x80\xc0\x80",
		 "\"\xf0\x9f\x98\x80\xef\xbf\xbd\xef\xbf\xbd\""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;

		flo__strbuf_add_json(&sb, cases[i].text, strlen(cases[i].text));
		assert_string_equal(sb.data, cases[i].want);
		flo__strbuf_fini(&sb);
	}
}

static void assert_int_text(int64_t n, const char *want)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_add_int(&sb, n);
	assert_string_equal(sb.data, want);
	flo__strbuf_fini(&sb);
}

static void integers_print_to_their_ends(void **state)
{
	(void)state;
	assert_int_text(0, "0");
	assert_int_text(-1, "-1");
	assert_int_text(INT64_MAX, "9223372036854775807");
	assert_int_text(INT64_MIN, "-9223372036854775808");
}

static void assert_double_text(double d, const char *want)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_add_double(&sb, d);
	assert_string_equal(sb.data, want);
	flo__strbuf_fini(&sb);
}

/* The decimal that read back as @d, as printf() writes it. */
static void assert_like_printf(double d)
{
	char want[40];

	for (int digits = 15; digits <= 17; digits++) {
		snprintf(want, sizeof(want), "%.*g", digits, d);
		if (strtod(want, NULL) == d)
			break;
	}
	if (strpbrk(want, ".e") == NULL)
		strcat(want, ".0");
	assert_double_text(d, want);
}

static void decimals_print_as_they_were_written(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		double power = pow(10, i % 9);

		random = random * UINT64_C(6364136223846793005) + 1;
		assert_like_printf((double)(random >> 34) / power);
		assert_like_printf(-(double)(random >> 50) / power);
	}
	assert_like_printf(0.0001);
	assert_like_printf(0.00099999999999);
	assert_like_printf(999999999.999999);
	assert_like_printf(999999999);
	assert_like_printf(1e9);
	assert_like_printf(1.0 / 3);
}

static void doubles_print_shortly(void **state)
{
	(void)state;
	assert_double_text(0, "0.0");
	assert_double_text(-0.0, "-0.0");
	assert_double_text(1e15, "1e+15");
	assert_double_text(123456, "123456.0");
	assert_double_text(0.1 + 0.2, "0.30000000000000004");
	assert_double_text(5e-324, "5e-324");
	assert_double_text(1.7976931348623157e308, "1.7976931348623157e+308");
	assert_double_text(-INFINITY, "\"-Infinity\"");
}

static void doubles_read_back_as_they_were(void **state)
{
	uint64_t seed = 88172645463325252u;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		double d;

		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		memcpy(&d, &seed, sizeof(d));
		if (d - d != 0)
			continue;
		flo__strbuf_add_double(&sb, d);
		assert_true(strtod(sb.data, NULL) == d);
		flo__strbuf_fini(&sb);
	}
}

/* As far as the machine has locales whose decimal point is a comma. */
static void the_locale_does_not_reach_json(void **state)
{
	static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",
					    "fr_FR.UTF-8", "ps_AF.UTF-8"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (setlocale(LC_NUMERIC, names[i]) == NULL)
			continue;
		assert_double_text(1.5, "1.5");
		assert_double_text(2, "2.0");
	}
	setlocale(LC_NUMERIC, "C");
}

static void words_of_a_shell_are_one_word(void **state)
{
	static const char *const cases[][2] = {
		{"/a/b-1.db", "/a/b-1.db"},   {"", "''"},   {"a b", "'a b'"},
		{"it's $x", "'it'\\''s $x'"}, {"~", "'~'"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;

		flo__strbuf_add_shell(&sb, cases[i][0]);
		assert_false(sb.failed);
		assert_string_equal(sb.data, cases[i][1]);
		flo__strbuf_fini(&sb);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(appends_end_with_a_nul),
		cmocka_unit_test(formats_longer_than_the_room_are_whole),
		cmocka_unit_test(taking_leaves_it_empty),
		cmocka_unit_test(a_failed_append_is_remembered),
		cmocka_unit_test(impossible_sizes_fail),
		cmocka_unit_test(json_strings_are_escaped),
		cmocka_unit_test(json_is_utf8_whatever_the_text_is),
		cmocka_unit_test(integers_print_to_their_ends),
		cmocka_unit_test(decimals_print_as_they_were_written),
		cmocka_unit_test(doubles_print_shortly),
		cmocka_unit_test(doubles_read_back_as_they_were),
		cmocka_unit_test(the_locale_does_not_reach_json),
		cmocka_unit_test(words_of_a_shell_are_one_word),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
