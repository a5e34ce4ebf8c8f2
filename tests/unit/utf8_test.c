/* UTF-8: what RFC 3629 allows, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

static bool valid(const char *text)
{
	return flo__utf8_valid(text, strlen(text));
}

static void text_is_valid(void **state)
{
	(void)state;
	assert_true(valid(""));
	assert_true(valid("plain, and longer than eight bytes"));
	assert_true(
		valid("eight by\xc3\xa9 then \xe2\x82\xac\xf0\x9f\x98\x80"));
	assert_true(valid("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf"));
	assert_true(flo__utf8_valid("a\0b", 3));
}

static void other_bytes_are_not(void **state)
{
	static const char *const wrong[] = {
		"\x80",
		"\xc3",
		"\xc0\x80",
		"\xc1\xbf",
		"\xe0\x9f\xbf",
		"\xe2\x82",
		"\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80",
		"\xf5\x80\x80\x80",
		"\xff",
		"\xe2\x28\xa1",
	};
	char long_one[64];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(valid(wrong[i]));
		/* At every distance from the eight-byte steps. */
		for (size_t at = 0; at < 20; at++) {
			memset(long_one, 'a', sizeof(long_one));
			memcpy(long_one + at, wrong[i], strlen(wrong[i]));
			assert_false(flo__utf8_valid(long_one, 40));
		}
	}
}

static void code_points_are_counted(void **state)
{
	uint32_t code;

	(void)state;
	assert_int_equal(flo__utf8_count("a\xc3\xa9\xe2\x82\xac", 6), 3);
	assert_int_equal(flo__utf8_next("\xe2\x82\xac", 3, &code), 3);
	assert_int_equal(code, 0x20ac);
}

static void characters_that_were_cut_are_taken_out(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"\xc3\xa9", "\xc3\xa9"},
		{"cut \xe2\x82", "cut "},
		{"\"cut \xc3\" and on", "\"cut \" and on"},
		{"\xa9 tail first", " tail first"},
		{"\xf0\x9f\xff", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[64];

		snprintf(text, sizeof(text), "%s", cases[i].text);
		flo__utf8_tidy(text);
		assert_string_equal(text, cases[i].want);
	}
}

static void a_copy_is_cut_between_characters(void **state)
{
	static const struct {
		size_t size;
		const char *want;
	} cases[] = {{1, ""},
		     {2, "a"},
		     {3, "a"},
		     {4, "a"},
		     {5, "a\xe2\x82\xac"},
		     {6, "a\xe2\x82\xac"},
		     {16, "a\xe2\x82\xac\xc3\xa9"}};
	char to[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flo__utf8_copy(to, cases[i].size, "a\xe2\x82\xac\xc3\xa9");
		assert_string_equal(to, cases[i].want);
	}
	flo__utf8_copy(to, sizeof(to), "no \xe9 at all");
	assert_string_equal(to, "no  at all");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_valid),
		cmocka_unit_test(other_bytes_are_not),
		cmocka_unit_test(code_points_are_counted),
		cmocka_unit_test(characters_that_were_cut_are_taken_out),
		cmocka_unit_test(a_copy_is_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
