/* flo__number_read(): what expressions may give for limits and time limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/plan.h"

#include <flo/error.h>

/* Read @value, which is taken, as @kind. */
static flo_status read_as(flo_value *value, enum flo__number_kind kind,
			  flo_error *err, uint64_t *ret)
{
	flo_status st;

	flo_error_clear(err);
	assert_non_null(value);
	st = flo__number_read(value, kind, err, ret);
	flo_value_unref(value);
	return st;
}

static void assert_refused(flo_value *value, enum flo__number_kind kind,
			   flo_status status, const char *text)
{
	flo_error err = FLO_ERROR_INIT;
	uint64_t n = 4711;

	assert_int_equal(read_as(value, kind, &err, &n), status);
	assert_string_equal(err.text, text);
	assert_int_equal(n, 4711);
}

static void assert_read(flo_value *value, enum flo__number_kind kind,
			uint64_t want)
{
	flo_error err = FLO_ERROR_INIT;
	uint64_t n = 4711;

	assert_int_equal(read_as(value, kind, &err, &n), FLO_OK);
	assert_true(n == want);
}

static void a_count_is_from_0(void **state)
{
	(void)state;
	assert_read(flo_value_int(0), FLO__NUMBER_COUNT, 0);
	assert_read(flo_value_int(INT64_MAX), FLO__NUMBER_COUNT, INT64_MAX);
	assert_refused(flo_value_int(-1), FLO__NUMBER_COUNT, FLO_TYPE,
		       "-1 is not a whole number from 0");
	assert_refused(flo_value_string("2"), FLO__NUMBER_COUNT, FLO_TYPE,
		       "\"2\" is not a whole number from 0");
	assert_refused(flo_value_double(2), FLO__NUMBER_COUNT, FLO_TYPE,
		       "not a whole number from 0");
}

static void a_limit_is_from_1(void **state)
{
	(void)state;
	assert_read(flo_value_int(1), FLO__NUMBER_LIMIT, 1);
	assert_refused(flo_value_int(0), FLO__NUMBER_LIMIT, FLO_RANGE,
		       "0 would let nothing run: a limit is at least 1");
	assert_refused(flo_value_int(-1), FLO__NUMBER_LIMIT, FLO_TYPE,
		       "-1 is not a whole number from 1");
}

static void a_time_limit_is_more_than_0(void **state)
{
	(void)state;
	assert_read(flo_value_string("250ms"), FLO__NUMBER_TIMEOUT, 250000000);
	assert_refused(flo_value_string("0s"), FLO__NUMBER_TIMEOUT, FLO_RANGE,
		       "must be more than 0, not \"0s\"");
	assert_refused(flo_value_string("-5s"), FLO__NUMBER_TIMEOUT, FLO_TYPE,
		       "\"-5s\" is not a duration such as \"10s\"");
	assert_refused(flo_value_int(10), FLO__NUMBER_TIMEOUT, FLO_TYPE,
		       "not a duration such as \"10s\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_count_is_from_0),
		cmocka_unit_test(a_limit_is_from_1),
		cmocka_unit_test(a_time_limit_is_more_than_0),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
