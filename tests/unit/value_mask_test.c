/* flo__value_mask(): nothing that is hidden is left in a value's JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/mask.h"
#include "base/value_p.h"

static struct flo__mask *mask_of(const char *secret)
{
	struct flo__mask *mask = flo__mask_new();

	assert_non_null(mask);
	assert_int_equal(flo__mask_add_secret(mask, secret, strlen(secret)),
			 FLO_OK);
	assert_int_equal(flo__mask_ready(mask), FLO_OK);
	return mask;
}

static flo_value *parse(const char *json)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;

	if (flo_value_from_json(json, strlen(json), FLO_JSON_ANY, &err,
				&value) != FLO_OK)
		fail_msg("%s: %s", json, err.text);
	return value;
}

static void assert_masked_value(const char *secret, flo_value *value,
				const char *want)
{
	struct flo__mask *mask = mask_of(secret);
	flo_value *masked = flo__value_mask(value, mask);
	char *json;

	assert_non_null(masked);
	json = flo_value_to_json(masked);
	assert_string_equal(json, want);
	flo_free(json);
	flo_value_unref(masked);
	flo_value_unref(value);
	flo__mask_free(mask);
}

static void assert_masked(const char *secret, const char *json,
			  const char *want)
{
	assert_masked_value(secret, parse(json), want);
}

static void strings_and_keys_are_masked_at_every_depth(void **state)
{
	(void)state;
	assert_masked("hunter2", "\"a hunter2 b\"", "\"a *** b\"");
	assert_masked("hunter2",
		      "{\"a\":[1,{\"x hunter2\":null}],\"b\":\"hunter2\"}",
		      "{\"a\":[1,{\"x ***\":null}],\"b\":\"***\"}");
}

static void what_holds_nothing_stays_as_it_is(void **state)
{
	static const char json[] =
		"{\"a\":[1,2.5,true,null,[],{}],\"b\":\"hunter\"}";

	(void)state;
	assert_masked("hunter2", json, json);
	assert_masked_value("hunter2", flo_value_timestamp(0, 0),
			    "\"1970-01-01T00:00:00Z\"");
}

static void of_keys_that_look_the_same_the_first_stays(void **state)
{
	(void)state;
	assert_masked("hunter2",
		      "{\"hunter2\":1,\"***\":[2],\"c\":{\"hunter2\":3}}",
		      "{\"***\":1,\"c\":{\"***\":3}}");
}

static void numbers_that_spell_a_value_become_text(void **state)
{
	(void)state;
	assert_masked("4711", "[4711,147110,0.4711,471,-4711]",
		      "[\"***\",\"***\",\"***\",471,\"***\"]");
	assert_masked_value("4711", flo_value_uint(4711), "\"***\"");
}

static void short_values_do_not_take_numbers_away(void **state)
{
	(void)state;
	assert_masked("1", "[1,11,\"1\"]", "[1,11,\"***\"]");
}

static void a_value_made_of_structure_takes_it_all(void **state)
{
	(void)state;
	assert_masked("{\"user\":\"me\"}", "[1,{\"user\":\"me\"}]", "\"***\"");
	assert_masked("me\",\"you", "[\"me\",\"you\"]", "\"***\"");
}

static void bytes_are_masked_as_bytes(void **state)
{
	(void)state;
	/* "x***" in base64 */
	assert_masked_value("hunter2", flo_value_bytes("xhunter2", 8),
			    "\"eCoqKg==\"");
}

static void escapes_do_not_hide_a_value_from_us(void **state)
{
	(void)state;
	assert_masked("tab\tquote\"\x7f\x01",
		      "\"a tab\\tquote\\\"\\u007f\\u0001\"", "\"a ***\"");
}

static void depth_costs_no_stack(void **state)
{
	struct flo__mask *mask = mask_of("hunter2");
	flo_value *value = flo_value_string("hunter2");
	const flo_value *at;
	flo_value *masked;

	(void)state;
	for (int i = 0; i < 50000; i++) {
		flo_value *list = flo_value_list(1);

		assert_int_equal(flo_value_list_add(list, value), FLO_OK);
		value = list;
	}
	masked = flo__value_mask(value, mask);
	assert_non_null(masked);
	for (at = masked; flo_value_typeof(at) == FLO_VALUE_LIST;)
		at = flo_value_list_at(at, 0);
	assert_string_equal(flo_value_get_string(at, NULL), "***");
	flo_value_unref(masked);
	flo_value_unref(value);
	flo__mask_free(mask);
}

static void without_memory_there_is_no_value(void **state)
{
	struct flo__mask *mask = mask_of("hunter2");
	flo_value *value =
		parse("{\"a hunter2\":[\"hunter2\",\"b\",[[[{}]]]]}");
	flo_value *masked = NULL;
	long nth = 0;

	(void)state;
	while (masked == NULL) {
		flo__alloc_fail_at(++nth, 0);
		masked = flo__value_mask(value, mask);
		assert_true((masked == NULL) == (flo__alloc_count() >= nth));
		if (masked == NULL)
			assert_int_equal(flo__alloc_live(), 0);
		flo__alloc_fail_at(0, 0);
	}
	assert_true(nth > 8);
	flo_value_unref(masked);
	flo_value_unref(value);
	flo__mask_free(mask);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strings_and_keys_are_masked_at_every_depth),
		cmocka_unit_test(what_holds_nothing_stays_as_it_is),
		cmocka_unit_test(of_keys_that_look_the_same_the_first_stays),
		cmocka_unit_test(numbers_that_spell_a_value_become_text),
		cmocka_unit_test(short_values_do_not_take_numbers_away),
		cmocka_unit_test(a_value_made_of_structure_takes_it_all),
		cmocka_unit_test(bytes_are_masked_as_bytes),
		cmocka_unit_test(escapes_do_not_hide_a_value_from_us),
		cmocka_unit_test(depth_costs_no_stack),
		cmocka_unit_test(without_memory_there_is_no_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
