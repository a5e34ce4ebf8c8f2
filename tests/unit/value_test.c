/* flo_value: numbers are one line, maps keep order, depth costs no stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/value_p.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static void assert_json(flo_value *value, const char *want)
{
	char *text = flo_value_to_json(value);

	assert_non_null(text);
	assert_string_equal(text, want);
	flo_free(text);
	flo_value_unref(value);
}

static flo_value *list_of(flo_value *a, flo_value *b)
{
	flo_value *list = flo_value_list(0);

	assert_int_equal(flo_value_list_add(list, a), FLO_OK);
	if (b != NULL)
		assert_int_equal(flo_value_list_add(list, b), FLO_OK);
	return list;
}

/* Compare, in both directions, and give both back. */
static void assert_equality(flo_value *a, flo_value *b, bool want)
{
	assert_int_equal(flo_value_equal(a, b), want);
	assert_int_equal(flo_value_equal(b, a), want);
	flo_value_unref(a);
	flo_value_unref(b);
}

static void what_goes_in_comes_out(void **state)
{
	flo_value *text = flo_value_stringn("a\0b", 3);
	flo_value *number = flo_value_uint(UINT64_MAX);
	size_t len;

	(void)state;
	assert_memory_equal(flo_value_get_string(text, &len), "a\0b", 4);
	assert_int_equal(len, 3);
	assert_int_equal(flo_value_len(text), 3);
	assert_int_equal(flo_value_typeof(text), FLO_VALUE_STRING);
	assert_true(flo_value_get_uint(number) == UINT64_MAX);
	assert_int_equal(flo_value_len(number), 0);
	assert_true(flo_value_get_bool(flo_value_bool(true)));
	assert_false(flo_value_get_bool(flo_value_bool(false)));
	flo_value_unref(text);
	flo_value_unref(number);
	flo_value_unref(NULL);
}

static void null_and_bools_are_immortal(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		flo_value_unref(flo_value_null());
		flo_value_unref(flo_value_ref(flo_value_bool(i % 2 == 0)));
	}
	assert_int_equal(flo_value_typeof(flo_value_null()), FLO_VALUE_NULL);
}

static void durations_keep_positive_nanoseconds(void **state)
{
	flo_value *d = flo_value_duration(-1, -500000000);

	(void)state;
	assert_int_equal(flo_value_get_seconds(d), -2);
	assert_int_equal(flo_value_get_nanos(d), 500000000);
	flo_value_unref(d);
}

static void numbers_equal_across_types_by_value(void **state)
{
	const int64_t big = INT64_C(1) << 53;

	(void)state;
	assert_equality(flo_value_int(1), flo_value_uint(1), true);
	assert_equality(flo_value_int(1), flo_value_double(1), true);
	assert_equality(flo_value_uint(1), flo_value_double(1.5), false);
	assert_equality(flo_value_int(-1), flo_value_uint(UINT64_MAX), false);
	assert_equality(flo_value_int(big + 1), flo_value_double((double)big),
			false);
	assert_equality(flo_value_int(INT64_MAX), flo_value_double(0x1p63),
			false);
	assert_equality(flo_value_int(INT64_MIN), flo_value_double(-0x1p63),
			true);
	assert_equality(flo_value_uint(UINT64_MAX), flo_value_double(0x1p64),
			false);
	assert_equality(flo_value_double(0.0), flo_value_double(-0.0), true);
	assert_equality(flo_value_double(INFINITY), flo_value_int(1), false);
	assert_equality(flo_value_bool(true), flo_value_int(1), false);
}

static void nan_equals_nothing(void **state)
{
	flo_value *list = list_of(flo_value_double(NAN), NULL);

	(void)state;
	assert_equality(flo_value_double(NAN), flo_value_double(NAN), false);
	assert_equality(flo_value_double(NAN), flo_value_int(0), false);
	assert_false(flo_value_equal(list, list));
	flo_value_unref(list);
}

static void other_types_equal_by_content_and_type(void **state)
{
	(void)state;
	assert_equality(flo_value_string("a"), flo_value_bytes("a", 1), false);
	assert_equality(flo_value_string("a"), flo_value_string("a"), true);
	assert_equality(flo_value_stringn("a\0b", 3), flo_value_string("a"),
			false);
	assert_equality(flo_value_timestamp(1, 2), flo_value_timestamp(1, 2),
			true);
	assert_equality(flo_value_timestamp(1, 2), flo_value_duration(1, 2),
			false);
	assert_equality(flo_value_typename("int"), flo_value_typename("int"),
			true);
	assert_equality(flo_value_null(), flo_value_null(), true);
	assert_equality(flo_value_null(), flo_value_bool(false), false);
}

static void containers_equal_deeply(void **state)
{
	flo_value *a = flo_value_map(0);
	flo_value *b = flo_value_map(20);

	(void)state;
	flo_value_map_set(a, "x", list_of(flo_value_int(1), flo_value_null()));
	flo_value_map_set(a, "y", flo_value_string("z"));
	flo_value_map_set(b, "y", flo_value_string("z"));
	assert_false(flo_value_equal(a, b));
	flo_value_map_set(b, "x",
			  list_of(flo_value_double(1), flo_value_null()));
	assert_equality(a, b, true);
	assert_equality(list_of(flo_value_int(1), NULL),
			list_of(flo_value_int(1), flo_value_int(2)), false);
	assert_equality(flo_value_list(0), flo_value_map(0), false);
	assert_equality(flo_value_list(0), flo_value_list(9), true);
}

static void maps_keep_the_order_of_insertion(void **state)
{
	flo_value *map = flo_value_map(0);
	char key[16];

	(void)state;
	for (int i = 0; i < 5000; i++) {
		snprintf(key, sizeof(key), "k%d", i * 7919 % 5000);
		assert_int_equal(flo_value_map_set(map, key, flo_value_int(i)),
				 FLO_OK);
	}
	assert_int_equal(flo_value_len(map), 5000);
	for (int i = 0; i < 5000; i++) {
		const flo_value *k;
		const flo_value *v = flo_value_map_at(map, (size_t)i, &k);

		snprintf(key, sizeof(key), "k%d", i * 7919 % 5000);
		assert_string_equal(flo_value_get_string(k, NULL), key);
		assert_ptr_equal(flo_value_map_get(map, key), v);
		assert_int_equal(flo_value_get_int(v), i);
	}
	assert_null(flo_value_map_get(map, "k5000"));
	flo_value_unref(map);
}

static void a_key_is_added_once(void **state)
{
	(void)state;
	for (int size = 1; size < 40; size++) {
		flo_value *map = flo_value_map(0);

		for (int i = 0; i < size; i++)
			flo_value_map_add(map, flo_value_int(i),
					  flo_value_null());
		assert_int_equal(flo_value_map_add(map, flo_value_uint(0),
						   flo_value_int(1)),
				 FLO_EXISTS);
		assert_int_equal(flo_value_len(map), size);
		flo_value_unref(map);
	}
}

static void assert_finds(const flo_value *map, flo_value *key, int64_t want)
{
	const flo_value *found = flo_value_map_find(map, key);

	if (want < 0)
		assert_null(found);
	else
		assert_int_equal(flo_value_get_int(found), want);
	flo_value_unref(key);
}

static void one_is_one_key_whatever_its_type(void **state)
{
	(void)state;
	for (int extra = 0; extra < 20; extra += 19) {
		flo_value *map = flo_value_map(0);

		flo_value_map_add(map, flo_value_int(1), flo_value_int(10));
		flo_value_map_add(map, flo_value_bool(true), flo_value_int(11));
		flo_value_map_add(map, flo_value_string("1"),
				  flo_value_int(12));
		flo_value_map_add(map, flo_value_int(-1), flo_value_int(13));
		for (int i = 0; i < extra; i++)
			flo_value_map_add(map, flo_value_int(100 + i),
					  flo_value_null());
		assert_finds(map, flo_value_int(1), 10);
		assert_finds(map, flo_value_uint(1), 10);
		assert_finds(map, flo_value_double(1), 10);
		assert_finds(map, flo_value_double(1.5), -1);
		assert_finds(map, flo_value_double(NAN), -1);
		assert_finds(map, flo_value_double(-1), 13);
		assert_finds(map, flo_value_uint(UINT64_MAX), -1);
		assert_finds(map, flo_value_bool(true), 11);
		assert_finds(map, flo_value_string("1"), 12);
		assert_finds(map, flo_value_null(), -1);
		flo_value_unref(map);
	}
}

static void some_types_are_no_keys(void **state)
{
	flo_value *map = flo_value_map(0);

	(void)state;
	assert_int_equal(flo_value_map_add(map, flo_value_double(1),
					   flo_value_null()),
			 FLO_TYPE);
	assert_int_equal(flo_value_map_add(map, flo_value_list(0),
					   flo_value_int(1)),
			 FLO_TYPE);
	assert_int_equal(flo_value_map_add(map, NULL, flo_value_int(1)),
			 FLO_NOMEM);
	assert_int_equal(flo_value_map_set(map, "a", NULL), FLO_NOMEM);
	assert_int_equal(flo_value_len(map), 0);
	assert_null(flo_value_map_get(flo_value_null(), "a"));
	assert_null(flo_value_map_get(NULL, "a"));
	flo_value_unref(map);
}

static void list_items_can_be_replaced(void **state)
{
	flo_value *list = list_of(flo_value_int(1), flo_value_string("b"));

	(void)state;
	flo_value_list_set(list, 1, flo_value_int(2));
	assert_int_equal(flo_value_list_add(list, NULL), FLO_NOMEM);
	assert_json(list, "[1,2]");
}

static void scalars_print_as_protobuf_json(void **state)
{
	(void)state;
	assert_json(flo_value_null(), "null");
	assert_json(flo_value_bool(true), "true");
	assert_json(flo_value_int(INT64_MIN), "-9223372036854775808");
	assert_json(flo_value_uint(UINT64_MAX), "18446744073709551615");
	assert_json(flo_value_double(1), "1.0");
	assert_json(flo_value_double(0.1), "0.1");
	assert_json(flo_value_double(NAN), "\"NaN\"");
	assert_json(flo_value_double(INFINITY), "\"Infinity\"");
	assert_json(flo_value_double(-INFINITY), "\"-Infinity\"");
	assert_json(flo_value_typename("int"), "\"int\"");
	assert_json(flo_value_bytes("", 0), "\"\"");
	assert_json(flo_value_bytes("f", 1), "\"Zg==\"");
	assert_json(flo_value_bytes("fo", 2), "\"Zm8=\"");
	assert_json(flo_value_bytes("foo\xff\xfe", 5), "\"Zm9v//4=\"");
	assert_json(flo_value_stringn("a\"\\\n\0", 5),
		    "\"a\\\"\\\\\\n\\u0000\"");
}

static void times_print_as_protobuf_json(void **state)
{
	(void)state;
	assert_json(flo_value_timestamp(0, 0), "\"1970-01-01T00:00:00Z\"");
	assert_json(flo_value_timestamp(-1, 500000000),
		    "\"1969-12-31T23:59:59.500Z\"");
	assert_json(flo_value_timestamp(1709210096, 1000),
		    "\"2024-02-29T12:34:56.000001Z\"");
	assert_json(flo_value_timestamp(-62135596800, 1),
		    "\"0001-01-01T00:00:00.000000001Z\"");
	assert_json(flo_value_timestamp(253402300799, 0),
		    "\"9999-12-31T23:59:59Z\"");
	assert_json(flo_value_duration(90, 0), "\"90s\"");
	assert_json(flo_value_duration(0, -1), "\"-0.000000001s\"");
	assert_json(flo_value_duration(-1, -500000000), "\"-1.500s\"");
	assert_json(flo_value_duration(-3, 0), "\"-3s\"");
	assert_json(flo_value_duration(INT64_MIN, 0),
		    "\"-9223372036854775808s\"");
}

static void map_keys_print_as_strings(void **state)
{
	flo_value *map = flo_value_map(0);

	(void)state;
	flo_value_map_add(map, flo_value_int(-1), flo_value_int(1));
	flo_value_map_add(map, flo_value_bool(true), flo_value_map(0));
	flo_value_map_add(map, flo_value_uint(UINT64_MAX), flo_value_list(0));
	flo_value_map_set(map, "a\"", flo_value_null());
	assert_json(map, "{\"-1\":1,\"true\":{},\"18446744073709551615\":[],"
			 "\"a\\\"\":null}");
}

static void pretty_json_is_indented_by_two(void **state)
{
	flo_value *map = flo_value_map(0);
	char *text;

	(void)state;
	flo_value_map_set(map, "a",
			  list_of(flo_value_int(1), flo_value_map(0)));
	flo_value_map_set(map, "b", flo_value_null());
	text = flo_value_to_json_pretty(map);
	assert_string_equal(text, "{\n  \"a\": [\n    1,\n    {}\n  ],\n"
				  "  \"b\": null\n}");
	flo_free(text);
	flo_value_unref(map);
}

static void templates_render_strings_bare(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *text = flo_value_string("a \"b\"");
	flo_value *list = list_of(flo_value_string("c"), flo_value_int(1));

	(void)state;
	flo__value_text(text, &sb);
	flo__value_text(list, &sb);
	assert_string_equal(sb.data, "a \"b\"[\"c\",1]");
	flo__strbuf_fini(&sb);
	flo_value_unref(text);
	flo_value_unref(list);
}

static void assert_rendered(double d, const char *want)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *value = flo_value_double(d);

	flo__value_text(value, &sb);
	assert_string_equal(sb.data, want);
	flo__strbuf_fini(&sb);
	flo_value_unref(value);
}

static void templates_render_whole_doubles_without_a_point(void **state)
{
	(void)state;
	assert_rendered(5, "5");
	assert_rendered(-20, "-20");
	assert_rendered(0, "0");
	assert_rendered(2.5, "2.5");
	assert_rendered(10.05, "10.05");
	assert_rendered(1e300, "1e+300");
	assert_rendered(1e-7, "1e-07");
}

/* @depth containers, lists and maps in turn, around a null. */
static flo_value *nested(int depth)
{
	flo_value *value = flo_value_null();

	for (int i = 0; i < depth; i++) {
		flo_value *outer;

		if (i % 2 == 0) {
			outer = list_of(value, NULL);
		} else {
			outer = flo_value_map(0);
			flo_value_map_set(outer, "a", value);
		}
		value = outer;
	}
	return value;
}

/* What would overflow a small stack if any of it recursed. */
static void *use_deep_values(void *arg)
{
	flo_value *a = nested(200000);
	flo_value *b = nested(200000);
	char *text;

	(void)arg;
	assert_true(flo_value_equal(a, b));
	text = flo_value_to_json(a);
	assert_non_null(text);
	flo_free(text);
	flo_value_unref(a);
	flo_value_unref(b);
	return NULL;
}

static void depth_costs_no_stack(void **state)
{
	pthread_attr_t attr;
	pthread_t thread;

	(void)state;
	pthread_attr_init(&attr);
	assert_int_equal(pthread_attr_setstacksize(&attr, 256 * 1024), 0);
	assert_int_equal(pthread_create(&thread, &attr, use_deep_values, NULL),
			 0);
	pthread_join(thread, NULL);
	pthread_attr_destroy(&attr);
}

static void equality_needs_no_memory(void **state)
{
	flo_value *a = nested(1000);
	flo_value *b = nested(1000);
	flo_value *c = nested(1001);
	bool same, other;

	(void)state;
	flo__alloc_fail_at(1, 1);
	same = flo_value_equal(a, b);
	other = flo_value_equal(a, c);
	flo__alloc_fail_at(0, 0);
	assert_true(same);
	assert_false(other);
	flo_value_unref(a);
	flo_value_unref(b);
	flo_value_unref(c);
}

/* Build, copy out and free; true if no allocation failed. */
static bool build_and_print(void)
{
	flo_value *map = flo_value_map(3);
	char key[8] = "k0";
	flo_status st = FLO_OK;
	char *text = NULL;

	if (map == NULL)
		return false;
	for (int i = 0; i < 12 && st == FLO_OK; i++) {
		flo_value *list = flo_value_list(1);

		key[1] = (char)('a' + i);
		if (list != NULL &&
		    (flo_value_list_add(list, flo_value_int(i)) != FLO_OK ||
		     flo_value_list_add(list, flo_value_string("x")) !=
			     FLO_OK)) {
			flo_value_unref(list);
			list = NULL;
		}
		st = flo_value_map_set(map, key, list);
		assert_true(st == FLO_OK || st == FLO_NOMEM);
	}
	if (st == FLO_OK)
		text = flo_value_to_json(map);
	flo_free(text);
	flo_value_unref(map);
	return text != NULL;
}

static void every_failed_allocation_is_reported(void **state)
{
	bool built = false;

	(void)state;
	for (long nth = 1; !built; nth++) {
		bool failed;

		flo__alloc_fail_at(nth, 0);
		built = build_and_print();
		failed = flo__alloc_count() >= nth;
		flo__alloc_fail_at(0, 0);
		assert_int_equal(built, !failed);
	}
}

static void impossible_sizes_are_refused(void **state)
{
	(void)state;
	assert_null(flo_value_list(SIZE_MAX));
	assert_null(flo_value_list(SIZE_MAX / 8 + 2));
	assert_null(flo_value_map(SIZE_MAX));
	assert_null(flo_value_map((size_t)UINT32_MAX));
	assert_null(flo_value_stringn("", SIZE_MAX));
}

static void *share(void *arg)
{
	for (int i = 0; i < 20000; i++)
		flo_value_unref(flo_value_ref(arg));
	flo_value_unref(arg);
	return NULL;
}

static void references_count_across_threads(void **state)
{
	flo_value *value = nested(10);
	pthread_t threads[4];

	(void)state;
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, share, flo_value_ref(value));
	flo_value_unref(value);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_goes_in_comes_out),
		cmocka_unit_test(null_and_bools_are_immortal),
		cmocka_unit_test(durations_keep_positive_nanoseconds),
		cmocka_unit_test(numbers_equal_across_types_by_value),
		cmocka_unit_test(nan_equals_nothing),
		cmocka_unit_test(other_types_equal_by_content_and_type),
		cmocka_unit_test(containers_equal_deeply),
		cmocka_unit_test(maps_keep_the_order_of_insertion),
		cmocka_unit_test(a_key_is_added_once),
		cmocka_unit_test(one_is_one_key_whatever_its_type),
		cmocka_unit_test(some_types_are_no_keys),
		cmocka_unit_test(list_items_can_be_replaced),
		cmocka_unit_test(scalars_print_as_protobuf_json),
		cmocka_unit_test(times_print_as_protobuf_json),
		cmocka_unit_test(map_keys_print_as_strings),
		cmocka_unit_test(pretty_json_is_indented_by_two),
		cmocka_unit_test(templates_render_strings_bare),
		cmocka_unit_test(
			templates_render_whole_doubles_without_a_point),
		cmocka_unit_test(depth_costs_no_stack),
		cmocka_unit_test(equality_needs_no_memory),
		cmocka_unit_test(every_failed_allocation_is_reported),
		cmocka_unit_test(impossible_sizes_are_refused),
		cmocka_unit_test(references_count_across_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
