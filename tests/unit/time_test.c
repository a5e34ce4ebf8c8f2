/* Wall-clock time, durations and sizes as text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/time.h"

#include <string.h>
#include <time.h>

static void assert_rfc3339(int64_t us, const char *want)
{
	char text[FLO__RFC3339_SIZE];

	flo__time_rfc3339(us, text);
	assert_string_equal(text, want);
}

static void moments_print_as_rfc3339(void **state)
{
	(void)state;
	assert_rfc3339(0, "1970-01-01T00:00:00.000000Z");
	assert_rfc3339(-1, "1969-12-31T23:59:59.999999Z");
	assert_rfc3339(1709210096000001, "2024-02-29T12:34:56.000001Z");
	assert_rfc3339(253402300799999999, "9999-12-31T23:59:59.999999Z");
}

static void dates_agree_with_the_c_library(void **state)
{
	(void)state;
	/* Steps that are no multiple of a day, over twenty thousand years. */
	for (int64_t s = -315569520000; s < 315569520000; s += 8640123) {
		time_t clock = (time_t)s;
		struct flo__civil civil;
		struct tm tm;

		gmtime_r(&clock, &tm);
		flo__time_civil(s, &civil);
		assert_int_equal(civil.year, tm.tm_year + 1900);
		assert_int_equal(civil.month, tm.tm_mon + 1);
		assert_int_equal(civil.day, tm.tm_mday);
		assert_int_equal(civil.hour, tm.tm_hour);
		assert_int_equal(civil.minute, tm.tm_min);
		assert_int_equal(civil.second, tm.tm_sec);
	}
}

static void the_ends_of_time_are_no_crash(void **state)
{
	char text[FLO__RFC3339_SIZE];
	struct flo__civil civil;

	(void)state;
	flo__time_civil(INT64_MAX, &civil);
	assert_true(civil.year == 292277026596);
	flo__time_civil(INT64_MIN, &civil);
	assert_true(civil.year == -292277022657);
	flo__time_rfc3339(INT64_MIN, text);
	flo__time_rfc3339(INT64_MAX, text);
}

static void clocks_go_forward(void **state)
{
	uint64_t before = flo__time_mono_ns();

	(void)state;
	assert_true(flo__time_mono_ns() >= before);
	assert_true(flo__time_now_us() > INT64_C(1577836800000000));
}

static void assert_duration(const char *text, flo_status want, uint64_t ns)
{
	uint64_t got = 0;

	assert_int_equal(flo__duration_parse(text, strlen(text), &got), want);
	if (want == FLO_OK)
		assert_true(got == ns);
}

static void durations_are_read(void **state)
{
	(void)state;
	assert_duration("250ms", FLO_OK, 250 * FLO__NS_PER_MS);
	assert_duration("10s", FLO_OK, 10 * FLO__NS_PER_S);
	assert_duration("1m30s", FLO_OK, 90 * FLO__NS_PER_S);
	assert_duration("1d2h3m4s5ms", FLO_OK,
			93784 * FLO__NS_PER_S + 5 * FLO__NS_PER_MS);
	assert_duration("0s", FLO_OK, 0);
	assert_duration("36525d", FLO_OK,
			UINT64_C(36525) * 86400 * FLO__NS_PER_S);
}

static void wrong_durations_are_refused(void **state)
{
	static const char *const wrong[] = {
		"",   "10",   "s",   "1.5s", "-1s", "1s1s",
		"1y", "1s1m", "1 s", "1sec", "1s ", "1M",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_duration(wrong[i], FLO_SYNTAX, 0);
	assert_duration("36526d", FLO_RANGE, 0);
	assert_duration("36525d1ms", FLO_RANGE, 0);
	assert_duration("99999999999999999999999s", FLO_RANGE, 0);
}

static void assert_size(const char *text, flo_status want, uint64_t bytes)
{
	uint64_t got = 0;

	assert_int_equal(flo__size_parse(text, strlen(text), &got), want);
	if (want == FLO_OK)
		assert_true(got == bytes);
}

static void sizes_are_read(void **state)
{
	(void)state;
	assert_size("512B", FLO_OK, 512);
	assert_size("64KiB", FLO_OK, 65536);
	assert_size("16MiB", FLO_OK, 16 << 20);
	assert_size("1TiB", FLO_OK, UINT64_C(1) << 40);
	assert_size("4096", FLO_OK, 4096);
	assert_size("", FLO_SYNTAX, 0);
	assert_size("KiB", FLO_SYNTAX, 0);
	assert_size("1KB", FLO_SYNTAX, 0);
	assert_size("1.5MiB", FLO_SYNTAX, 0);
	assert_size("99999999999999999999", FLO_RANGE, 0);
	assert_size("9999999999TiB", FLO_RANGE, 0);
}

static void assert_duration_text(uint64_t ns, const char *want)
{
	char text[32];

	flo__duration_text(ns, text, sizeof(text));
	assert_string_equal(text, want);
}

static void durations_print_shortly(void **state)
{
	(void)state;
	assert_duration_text(340 * FLO__NS_PER_MS, "340ms");
	assert_duration_text(1290 * FLO__NS_PER_MS, "1.2s");
	assert_duration_text(125 * FLO__NS_PER_S, "2m05s");
	assert_duration_text(11400 * FLO__NS_PER_S, "3h10m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_print_as_rfc3339),
		cmocka_unit_test(dates_agree_with_the_c_library),
		cmocka_unit_test(the_ends_of_time_are_no_crash),
		cmocka_unit_test(clocks_go_forward),
		cmocka_unit_test(durations_are_read),
		cmocka_unit_test(wrong_durations_are_refused),
		cmocka_unit_test(sizes_are_read),
		cmocka_unit_test(durations_print_shortly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
