/* Ids: their form, and that they differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/id.h"

#include <string.h>

static void a_run_id_is_time_and_chance(void **state)
{
	char id[FLO__ID_RUN_SIZE];

	(void)state;
	flo__id_run_of(INT64_C(1795317164999999), 0xff9f3c2a, id);
	assert_string_equal(id, "20261122-031244-9f3c2a");
	flo__id_run(id);
	assert_int_equal(strlen(id), FLO__ID_RUN_SIZE - 1);
	assert_int_equal(strspn(id, "0123456789abcdef-"), strlen(id));
}

static void trace_ids_are_hex_and_differ(void **state)
{
	char trace[2][FLO__ID_TRACE_SIZE];
	char span[2][FLO__ID_SPAN_SIZE];

	(void)state;
	for (int i = 0; i < 2; i++) {
		flo__id_trace(trace[i]);
		flo__id_span(span[i]);
		assert_int_equal(strspn(trace[i], "0123456789abcdef"), 32);
		assert_int_equal(strlen(trace[i]), 32);
		assert_int_equal(strspn(span[i], "0123456789abcdef"), 16);
		assert_int_equal(strlen(span[i]), 16);
	}
	assert_string_not_equal(trace[0], trace[1]);
	assert_string_not_equal(span[0], span[1]);
}

static void random_bytes_fill_all_of_it(void **state)
{
	unsigned char bytes[1000] = {0};
	int zeros = 0;

	(void)state;
	flo__random_bytes(bytes, sizeof(bytes));
	for (size_t i = 0; i < sizeof(bytes); i++)
		zeros += bytes[i] == 0;
	assert_true(zeros < 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_id_is_time_and_chance),
		cmocka_unit_test(trace_ids_are_hex_and_differ),
		cmocka_unit_test(random_bytes_fill_all_of_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
