/* The canonical form, digests under a spec, and what two records differ in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "cmdb_ways.h"
#include "steps/cmdb/record.h"

#include <stdio.h>
#include <string.h>

static int set_up(void **state)
{
	(void)state;
	flo__json_guard_install();
	return 0;
}

static struct flo__spec *spec_of(const char *key, const char *ignore,
				 const char *unordered)
{
	const char *const text[] = {key, ignore, unordered};
	flo_value *value[3] = {NULL, NULL, NULL};
	struct flo__spec *spec = NULL;
	flo_error err = FLO_ERROR_INIT;

	for (size_t i = 0; i < 3; i++)
		if (text[i] != NULL)
			assert_int_equal(flo_value_from_json(text[i],
							     strlen(text[i]), 0,
							     &err, &value[i]),
					 FLO_OK);
	if (flo__spec_new(value[0], value[1], value[2], &err, &spec) != FLO_OK)
		fail_msg("%s", err.text);
	for (size_t i = 0; i < 3; i++)
		flo_value_unref(value[i]);
	return spec;
}

static json_t *load(const char *text)
{
	flo_error err = FLO_ERROR_INIT;
	json_t *json = NULL;

	if (flo__record_load(text, strlen(text), &err, &json) != FLO_OK)
		fail_msg("%s: %s", text, err.text);
	return json;
}

static struct flo__identity identify(const struct flo__spec *spec,
				     const char *text)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__identity id;
	json_t *json = load(text);

	assert_int_equal(ways_identify_tree(json, spec, &sb, &id), FLO_OK);
	json_decref(json);
	flo__strbuf_fini(&sb);
	return id;
}

static bool equal(const struct flo__spec *spec, const char *a, const char *b)
{
	struct flo__identity x = identify(spec, a);
	struct flo__identity y = identify(spec, b);

	return memcmp(&x.body, &y.body, sizeof(x.body)) == 0;
}

/* Records with a field v of each value, compared with nothing special. */
static bool values_equal(const char *a, const char *b)
{
	struct flo__spec *spec = spec_of("[\"/id\"]", NULL, NULL);
	char x[256], y[256];
	bool same;

	snprintf(x, sizeof(x), "{\"id\":1,\"v\":%s}", a);
	snprintf(y, sizeof(y), "{\"id\":1,\"v\":%s}", b);
	same = equal(spec, x, y);
	flo__spec_free(spec);
	return same;
}

static void types_differ(void **state)
{
	static const char *const values[] = {
		"1",	"\"1\"", "true",  "null",      "false", "\"\"", "[]",
		"{}",	"[1]",	 "[[1]]", "{\"1\":1}", "1.5",	"-1",	"0",
		"[[]]", "\"n\"", "[1,2]", "[12]",      "[2,1]",
	};
	size_t len = sizeof(values) / sizeof(values[0]);

	(void)state;
	for (size_t i = 0; i < len; i++)
		for (size_t j = 0; j < len; j++)
			assert_int_equal(values_equal(values[i], values[j]),
					 i == j);
}

static void a_number_is_its_value(void **state)
{
	(void)state;
	assert_true(values_equal("1", "1.0"));
	assert_true(values_equal("1", "1e0"));
	assert_true(values_equal("0", "-0.0"));
	assert_true(values_equal("1.50", "15e-1"));
	assert_false(values_equal("0.1", "0.10000000000000002"));
}

static void integers_are_exact(void **state)
{
	(void)state;
	assert_false(values_equal("9007199254740993", "9007199254740992"));
	assert_false(
		values_equal("9223372036854775807", "9223372036854775806"));
	assert_false(
		values_equal("18446744073709551615", "18446744073709551614"));
	assert_true(
		values_equal("18446744073709551615", "18446744073709551615"));
	assert_false(values_equal("18446744073709551615",
				  "\"18446744073709551615\""));
	assert_false(
		values_equal("-9223372036854775809", "-9223372036854775810"));
	assert_false(
		values_equal("9223372036854775807", "9223372036854775808"));
}

/* A record cannot say itself what only integers are kept as. */
static void no_text_passes_for_an_integer(void **state)
{
	static const char *const texts[] = {
		"\"\\u0001integer:18446744073709551615\"",
		"\"integer:18446744073709551615\"",
		"\"\\\\u0000integer:18446744073709551615\"",
	};
	struct flo__spec *spec = spec_of("[\"/id\"]", NULL, NULL);
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	json_t *json = load("{\"id\":\"\\u0001integer:1]}\\n{\",\"n\":"
			    "18446744073709551615}");
	json_t *none = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(values_equal("18446744073709551615", texts[i]));
	flo__record_key_text(json, spec, &sb);
	assert_string_equal(sb.data, "[\"\\u0001integer:1]}\\n{\"]");
	assert_int_equal(flo__record_load("{\"a\":18446744073709551615,\"b\":"
					  "\"\\u0000integer:1\"}",
					  48, NULL, &none),
			 FLO_SYNTAX);
	json_decref(json);
	flo__strbuf_fini(&sb);
	flo__spec_free(spec);
}

static void order_and_space_of_members_mean_nothing(void **state)
{
	struct flo__spec *spec = spec_of("[\"/a\"]", NULL, NULL);

	(void)state;
	assert_true(equal(spec, "{\"a\":1,\"b\":{\"x\":1,\"y\":2}}",
			  "{ \"b\": {\"y\":2, \"x\":1.0},\n\"\\u0061\": 1}"));
	assert_false(equal(spec, "{\"a\":1,\"b\":null}", "{\"a\":1}"));
	flo__spec_free(spec);
}

static void ignored_fields_do_not_count(void **state)
{
	struct flo__spec *spec =
		spec_of("[\"/a\"]", "[\"/seen\",\"/m/t\",\"/l/1\"]", NULL);

	(void)state;
	assert_true(equal(spec, "{\"a\":1,\"seen\":1,\"m\":{\"t\":1,\"u\":2}}",
			  "{\"a\":1,\"m\":{\"u\":2}}"));
	assert_true(equal(spec, "{\"l\":[1,2,3]}", "{\"l\":[1,9,3]}"));
	assert_false(equal(spec, "{\"l\":[1,2,3]}", "{\"l\":[1,2,4]}"));
	assert_false(equal(spec, "{\"a\":1,\"m\":{\"u\":3}}",
			   "{\"a\":1,\"m\":{\"u\":2}}"));
	flo__spec_free(spec);
}

static void unordered_arrays_are_sets(void **state)
{
	struct flo__spec *spec = spec_of("[\"/a\"]", NULL, "[\"/t\"]");

	(void)state;
	assert_true(equal(spec, "{\"t\":[1,\"b\",{\"c\":2}]}",
			  "{\"t\":[{\"c\":2},1.0,\"b\",1]}"));
	assert_false(equal(spec, "{\"t\":[1,2]}", "{\"t\":[1]}"));
	assert_false(equal(spec, "{\"u\":[1,2]}", "{\"u\":[2,1]}"));
	assert_false(equal(spec, "{\"t\":[]}", "{}"));
	flo__spec_free(spec);
}

static void absent_and_null_are_one_key(void **state)
{
	struct flo__spec *spec = spec_of("[\"/a\",\"/b\"]", NULL, NULL);
	struct flo__identity absent = identify(spec, "{\"a\":1}");
	struct flo__identity null = identify(spec, "{\"a\":1,\"b\":null}");
	struct flo__identity other = identify(spec, "{\"b\":1}");

	(void)state;
	assert_memory_equal(&absent.key, &null.key, sizeof(null.key));
	assert_memory_not_equal(&absent.key, &other.key, sizeof(null.key));
	assert_int_equal(absent.present, 1);
	assert_int_equal(other.present, 2);
	flo__spec_free(spec);
}

static void key_parts_do_not_run_together(void **state)
{
	struct flo__spec *spec = spec_of("[\"/a\",\"/b\"]", NULL, NULL);
	struct flo__identity x = identify(spec, "{\"a\":\"1\",\"b\":\"23\"}");
	struct flo__identity y = identify(spec, "{\"a\":\"12\",\"b\":\"3\"}");

	(void)state;
	assert_memory_not_equal(&x.key, &y.key, sizeof(x.key));
	flo__spec_free(spec);
}

static void key_text_is_an_array_of_the_parts(void **state)
{
	struct flo__spec *spec =
		spec_of("[\"/a\",\"/b/c\",\"/d\",\"/n\"]", NULL, NULL);
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	json_t *json = load("{\"a\":\"x\\\"\",\"b\":{\"c\":1.5},"
			    "\"n\":18446744073709551615}");

	(void)state;
	flo__record_key_text(json, spec, &sb);
	assert_string_equal(sb.data,
			    "[\"x\\\"\",1.5,null,18446744073709551615]");
	json_decref(json);
	flo__strbuf_fini(&sb);
	flo__spec_free(spec);
}

static void specs_that_mean_the_same_have_one_text(void **state)
{
	struct flo__spec *a = spec_of("[\"/a\"]", "[\"/x\",\"/y\"]", NULL);
	struct flo__spec *b =
		spec_of("[\"/a\"]", "[\"/y\",\"/x\",\"/y\"]", "[]");
	struct flo__spec *c = NULL;

	(void)state;
	assert_string_equal(a->text, b->text);
	assert_int_equal(flo__spec_read(a->text, NULL, &c), FLO_OK);
	assert_string_equal(a->text, c->text);
	flo__spec_free(a);
	flo__spec_free(b);
	flo__spec_free(c);
}

static void spaces_go_when_a_record_is_stored(void **state)
{
	const char *text = "{ \"a\" : [ 1 , \" x \\\" \" ] ,\n\t\"b\":{ } }";
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__record_compact(text, strlen(text), &sb);
	assert_string_equal(sb.data, "{\"a\":[1,\" x \\\" \"],\"b\":{}}");
	flo__strbuf_fini(&sb);
}

static void note_field(void *arg, const char *name)
{
	struct flo__strbuf *sb = arg;

	flo__strbuf_addf(sb, "%s ", name);
}

static void compare(const char *a, const char *b, const char *fields,
		    const char *leaves)
{
	struct flo__spec *spec =
		spec_of("[\"/id\"]", "[\"/seen\",\"/m/t\"]", "[\"/set\"]");
	struct flo__strbuf names = FLO__STRBUF_INIT;
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	json_t *x = load(a);
	json_t *y = load(b);

	assert_int_equal(flo__record_compare(x, y, spec, note_field, &names,
					     &sb),
			 FLO_OK);
	assert_string_equal(names.data, fields);
	assert_string_equal(sb.data, leaves);
	json_decref(x);
	json_decref(y);
	flo__strbuf_fini(&names);
	flo__strbuf_fini(&sb);
	flo__spec_free(spec);
}

static void differences_are_pointers_to_leaves(void **state)
{
	(void)state;
	compare("{\"a\":1,\"tags\":{\"svc\":\"x\",\"env\":\"p\"}}",
		"{\"a\":1.0,\"tags\":{\"svc\":\"y\",\"env\":\"p\"}}", "tags ",
		"[\"/tags/svc\"]");
	compare("{\"a\":1,\"b\":2}", "{\"b\":3,\"c\":{\"x\":[7]}}", "a b c ",
		"[\"/a\",\"/b\",\"/c/x/0\"]");
	compare("{\"l\":[1,2,{\"k\":1}]}", "{\"l\":[1,3,{\"k\":2},4]}", "l ",
		"[\"/l/1\",\"/l/2/k\",\"/l/3\"]");
	compare("{\"a\":{}}", "{\"a\":[]}", "a ", "[\"/a\"]");
	compare("{\"a\":{\"x\":1}}", "{\"a\":5}", "a ", "[\"/a\"]");
	compare("{\"x/y~\":1}", "{\"x/y~\":2}", "x/y~ ", "[\"/x~1y~0\"]");
	compare("{\"set\":[1,2]}", "{\"set\":[2,3]}", "set ", "[\"/set\"]");
	compare("{\"set\":[1,2],\"seen\":1,\"m\":{\"t\":1}}",
		"{\"set\":[2,1],\"seen\":2,\"m\":{\"t\":2}}", "", "[]");
}

static void count_field(void *arg, const char *name)
{
	(void)name;
	++*(int *)arg;
}

static void without_memory_no_field_is_left_out(void **state)
{
	struct flo__spec *spec = spec_of("[\"/id\"]", "[]", "[]");
	json_t *x = load("{\"a\":1,\"b\":2}");
	json_t *y = load("{\"b\":3,\"c\":4,\"d\":5}");
	flo_status st = FLO_NOMEM;

	(void)state;
	for (long n = 1; st != FLO_OK; n++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		int fields = 0;

		flo__alloc_fail_at(n, 0);
		st = flo__record_compare(x, y, spec, count_field, &fields, &sb);
		flo__alloc_fail_at(0, 0);
		if (st == FLO_OK)
			assert_int_equal(fields, 4);
		else
			assert_int_equal(st, FLO_NOMEM);
		flo__strbuf_fini(&sb);
		assert_true(n < 1000);
	}
	json_decref(x);
	json_decref(y);
	flo__spec_free(spec);
}

static void too_many_leaves_become_fields(void **state)
{
	struct flo__strbuf a = FLO__STRBUF_INIT;
	struct flo__strbuf b = FLO__STRBUF_INIT;

	(void)state;
	flo__strbuf_adds(&a, "{\"s\":1,\"big\":[0");
	flo__strbuf_adds(&b, "{\"s\":1,\"big\":[1");
	for (int i = 0; i < 1100; i++) {
		flo__strbuf_adds(&a, ",0");
		flo__strbuf_adds(&b, ",1");
	}
	flo__strbuf_adds(&a, "]}");
	flo__strbuf_adds(&b, "],\"new\":2}");
	compare(a.data, b.data, "big new ", "[\"/big\",\"/new\"]");
	flo__strbuf_fini(&a);
	flo__strbuf_fini(&b);
}

static void broken_records_are_refused(void **state)
{
	static const char *const broken[] = {
		"{\"a\":01}",	     "{\"a\":1,\"a\":2}", "{\"a\":\"\xff\"}",
		"{\"a\":}",	     "{\"a\":[1}",	  "[1]",
		"{\"a\":\"\\u00\"}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		json_t *json = NULL;

		assert_int_equal(flo__record_load(broken[i], strlen(broken[i]),
						  NULL, &json),
				 FLO_SYNTAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types_differ),
		cmocka_unit_test(a_number_is_its_value),
		cmocka_unit_test(integers_are_exact),
		cmocka_unit_test(no_text_passes_for_an_integer),
		cmocka_unit_test(order_and_space_of_members_mean_nothing),
		cmocka_unit_test(ignored_fields_do_not_count),
		cmocka_unit_test(unordered_arrays_are_sets),
		cmocka_unit_test(absent_and_null_are_one_key),
		cmocka_unit_test(key_parts_do_not_run_together),
		cmocka_unit_test(key_text_is_an_array_of_the_parts),
		cmocka_unit_test(specs_that_mean_the_same_have_one_text),
		cmocka_unit_test(spaces_go_when_a_record_is_stored),
		cmocka_unit_test(differences_are_pointers_to_leaves),
		cmocka_unit_test(without_memory_no_field_is_left_out),
		cmocka_unit_test(too_many_leaves_become_fields),
		cmocka_unit_test(broken_records_are_refused),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
