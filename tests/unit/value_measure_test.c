/* flo__value_measure(): how much text, how deep, and never a long walk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/value_p.h"

#include <string.h>

static uint64_t bytes_of(const flo_value *value)
{
	uint64_t bytes = 0;
	uint32_t depth;

	assert_int_equal(flo__value_measure(value, &bytes, &depth), FLO_OK);
	return bytes;
}

static uint32_t depth_of(const flo_value *value)
{
	uint64_t bytes;
	uint32_t depth = 99;

	assert_int_equal(flo__value_measure(value, &bytes, &depth), FLO_OK);
	return depth;
}

/* [value, value], of which it takes the reference. */
static flo_value *twice(flo_value *value)
{
	flo_value *list = flo_value_list(2);

	assert_int_equal(flo_value_list_add(list, flo_value_ref(value)),
			 FLO_OK);
	assert_int_equal(flo_value_list_add(list, value), FLO_OK);
	return list;
}

static void bytes_are_about_those_of_the_text(void **state)
{
	flo_value *map = flo_value_map(0);
	char *json;

	(void)state;
	assert_int_equal(flo_value_map_set(map, "some key",
					   flo_value_string("a text")),
			 FLO_OK);
	assert_int_equal(flo_value_map_set(map, "list",
					   twice(flo_value_int(12345678))),
			 FLO_OK);
	json = flo_value_to_json(map);
	assert_true(bytes_of(map) >= strlen(json));
	assert_true(bytes_of(map) <= 2 * strlen(json));
	flo_free(json);
	flo_value_unref(map);
}

static void depth_counts_containers(void **state)
{
	flo_value *value = flo_value_int(1);

	(void)state;
	assert_int_equal(depth_of(value), 0);
	for (uint32_t i = 1; i <= 100; i++) {
		flo_value *list = flo_value_list(1);

		assert_int_equal(flo_value_list_add(list, value), FLO_OK);
		value = list;
		assert_int_equal(depth_of(value), i);
	}
	flo_value_unref(value);
}

static void shared_parts_count_each_time_but_are_walked_once(void **state)
{
	flo_value *value = flo_value_string("x");

	(void)state;
	for (int i = 0; i < 40; i++)
		value = twice(value);
	assert_true(bytes_of(value) > UINT64_C(1) << 40);
	for (int i = 0; i < 1000; i++)
		value = twice(value);
	assert_true(bytes_of(value) > UINT64_C(1) << 40);
	assert_int_equal(depth_of(value), 1040);
	flo_value_unref(value);
}

static void deep_values_cost_no_stack(void **state)
{
	flo_value *value = flo_value_null();

	(void)state;
	for (int i = 0; i < 100000; i++) {
		flo_value *list = flo_value_list(1);

		assert_int_equal(flo_value_list_add(list, value), FLO_OK);
		value = list;
	}
	assert_true(depth_of(value) > 60000);
	flo_value_unref(value);
}

static void what_is_added_later_counts(void **state)
{
	flo_value *list = flo_value_list(0);
	flo_value *map = flo_value_map(0);

	(void)state;
	assert_int_equal(bytes_of(list), 2);
	assert_int_equal(flo_value_list_add(list, flo_value_string("abc")),
			 FLO_OK);
	assert_int_equal(bytes_of(list), 8);
	flo_value_list_set(list, 0, flo_value_list(0));
	assert_int_equal(bytes_of(list), 5);
	assert_int_equal(depth_of(list), 2);
	assert_int_equal(bytes_of(map), 2);
	assert_int_equal(flo_value_map_set(map, "k", flo_value_null()), FLO_OK);
	assert_int_equal(bytes_of(map), 12);
	flo_value_unref(list);
	flo_value_unref(map);
}

static void without_memory_it_says_so(void **state)
{
	flo_value *value = flo_value_null();
	uint64_t bytes = 1;
	uint32_t depth = 1;

	(void)state;
	for (int i = 0; i < 1000; i++)
		value = twice(value);
	flo__alloc_fail_at(1, 1);
	assert_int_equal(flo__value_measure(value, &bytes, &depth), FLO_NOMEM);
	flo__alloc_fail_at(0, 0);
	assert_int_equal(bytes, 1);
	assert_int_equal(depth_of(value), 1000);
	flo_value_unref(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_about_those_of_the_text),
		cmocka_unit_test(depth_counts_containers),
		cmocka_unit_test(
			shared_parts_count_each_time_but_are_walked_once),
		cmocka_unit_test(deep_values_cost_no_stack),
		cmocka_unit_test(what_is_added_later_counts),
		cmocka_unit_test(without_memory_it_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
