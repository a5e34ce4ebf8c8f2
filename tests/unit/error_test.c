/* flo_error: the first error stays, context goes in front, long text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"

#include <flo/error.h>

#include <errno.h>
#include <string.h>

static void first_error_stays(void **state)
{
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	assert_int_equal(flo_error_set(&err, FLO_NOTFOUND, "no %s", "cat"),
			 FLO_NOTFOUND);
	assert_int_equal(flo_error_set(&err, FLO_IO, "later"), FLO_IO);
	assert_int_equal(err.status, FLO_NOTFOUND);
	assert_string_equal(err.text, "no cat");
}

static void context_goes_in_front(void **state)
{
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	flo_error_set(&err, FLO_IO, "connection refused");
	flo_error_prefix(&err, "pull %s", "cmdb");
	assert_string_equal(err.text, "pull cmdb: connection refused");
}

static void long_text_is_cut_with_dots(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	char text[FLO_ERROR_TEXT_MAX * 2];

	(void)state;
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	flo_error_set(&err, FLO_IO, "%s", text);
	assert_int_equal(strlen(err.text), FLO_ERROR_TEXT_MAX - 1);
	assert_string_equal(err.text + FLO_ERROR_TEXT_MAX - 4, "...");
}

static void a_long_text_is_not_cut_inside_a_character(void **state)
{
	char text[FLO_ERROR_TEXT_MAX * 2];

	(void)state;
	/* Characters of 1 to 4 bytes, from every offset. */
	for (size_t shift = 0; shift < 12; shift++) {
		flo_error err = FLO_ERROR_INIT;

		memset(text, 'x', shift);
		for (size_t at = shift; at + 10 < sizeof(text); at += 9)
			memcpy(text + at,
			       "\xc3\xa9\xe2\x82\xac"
			       "\xf0\x9f\x98\x80",
			       10);
		flo_error_set(&err, FLO_IO, "%s", text);
		assert_true(flo__utf8_valid(err.text, strlen(err.text)));
		assert_string_equal(err.text + strlen(err.text) - 3, "...");
	}
}

static void system_errors_keep_their_errno(void **state)
{
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	assert_int_equal(flo_error_sys(&err, ENOSPC, "write log"), FLO_FULL);
	assert_int_equal(err.code, ENOSPC);
	assert_string_equal(err.text, "write log: No space left on device");
}

static void what_is_no_text_is_left_out(void **state)
{
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	flo_error_set(&err, FLO_INVALID, "%.3s", "\xc3\xa9\xc3\xa9");
	assert_string_equal(err.text, "\xc3\xa9");
	flo_error_prefix(&err, "\xffx");
	assert_string_equal(err.text, "x: \xc3\xa9");
}

static void every_status_has_a_text(void **state)
{
	(void)state;
	for (int s = FLO_OK; s <= FLO_INTERRUPTED; s++)
		assert_string_not_equal(flo_status_text(s), "unknown status");
	assert_string_equal(flo_status_text(999), "unknown status");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_error_stays),
		cmocka_unit_test(context_goes_in_front),
		cmocka_unit_test(long_text_is_cut_with_dots),
		cmocka_unit_test(a_long_text_is_not_cut_inside_a_character),
		cmocka_unit_test(system_errors_keep_their_errno),
		cmocka_unit_test(what_is_no_text_is_left_out),
		cmocka_unit_test(every_status_has_a_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
