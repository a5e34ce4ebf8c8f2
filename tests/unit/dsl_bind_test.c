#include "dsl_fixture.h"

#define Q(...) #__VA_ARGS__

static const char text[] = Q({
	"name" : "p",
	"params" : {
		"name" :
			{"type" : "string", "required" : true, "minLength" : 2},
		"count" : {
			"type" : "integer",
			"default" : 3,
			"minimum" : 1,
			"maximum" : 10
		},
		"ratio" : {"type" : "number"},
		"dry" : {"type" : "boolean", "default" : false},
		"tags" : {"type" : "array", "items" : {"type" : "string"}},
		"sizes" : {
			"type" : "array",
			"items" : {"type" : "number"},
			"default" : [ 1, 2.5 ]
		},
		"grid" : {
			"type" : "array",
			"items" : {
				"type" : "array",
				"items" : {"type" : "integer"}
			},
			"default" : [[1.0]]
		},
		"extra" : {"type" : "object"},
		"mode" : {"enum" : [ "fast", "safe" ], "default" : "safe"}
	},
	"steps" : [ {
		"name" : "a",
		"use" : "core.set",
		"with" : {"all" : "${{ params }}"}
	} ]
});

static struct flo__plan *plan;

static int open_plan(void **state)
{
	(void)state;
	plan = plan_of(text);
	return 0;
}

static int close_plan(void **state)
{
	(void)state;
	plan->free(plan);
	return 0;
}

static void assert_binds(const char *given, const char *want)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *map = given != NULL ? json_value(given) : NULL;
	flo_value *params = NULL;
	flo_status st = flo__dsl_bind(plan, map, &err, &params);

	if (st == FLO_OK) {
		char *json = flo_value_to_json(params);

		assert_string_equal(json, want);
		flo_free(json);
	} else {
		assert_int_equal(st, FLO_INVALID);
		assert_string_equal(err.text, want);
	}
	flo_value_unref(map);
	flo_value_unref(params);
}

static void defaults_fill_what_is_not_given(void **state)
{
	(void)state;
	assert_binds("{\"name\": \"xy\"}",
		     "{\"name\":\"xy\",\"count\":3,\"ratio\":null,"
		     "\"dry\":false,\"tags\":null,\"sizes\":[1.0,2.5],"
		     "\"grid\":[[1]],\"extra\":null,"
		     "\"mode\":\"safe\"}");
}

static void what_is_given_wins_and_keeps_its_type(void **state)
{
	(void)state;
	assert_binds("{\"name\": \"xy\", \"count\": 5.0, \"ratio\": 1, "
		     "\"dry\": true, \"tags\": [\"a\"], \"extra\": {\"k\": 1},"
		     "\"mode\": \"fast\"}",
		     "{\"name\":\"xy\",\"count\":5,\"ratio\":1.0,\"dry\":true,"
		     "\"tags\":[\"a\"],\"sizes\":[1.0,2.5],"
		     "\"grid\":[[1]],\"extra\":{\"k\":1},"
		     "\"mode\":\"fast\"}");
}

static void every_problem_is_a_line(void **state)
{
	(void)state;
	assert_binds(NULL, "param \"name\" is required");
	assert_binds("{\"nmae\": \"x\", \"count\": 11, \"ratio\": \"1\", "
		     "\"tags\": [\"a\", 2], \"mode\": \"slow\", \"name\": "
		     "\"x\", \"extra\": null}",
		     "there is no param \"nmae\"; did you mean \"name\"?\n"
		     "param \"name\" must have at least 2 characters\n"
		     "param \"count\" must be at most 10\n"
		     "param \"ratio\" must be of type number, not a string\n"
		     "param \"tags\" must be of type string, not an integer "
		     "(item 1)\n"
		     "param \"extra\" must be of type object, not null\n"
		     "param \"mode\" must be one of [\"fast\",\"safe\"]");
}

static void assert_param(const char *name, const char *given, const char *want)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	flo_status st = flo__dsl_param(plan, name, given, &err, &value);

	if (st == FLO_OK) {
		char *json = flo_value_to_json(value);

		assert_string_equal(json, want);
		flo_free(json);
	} else {
		assert_string_equal(err.text, want);
	}
	flo_value_unref(value);
}

static void text_is_typed_by_the_declaration(void **state)
{
	(void)state;
	assert_param("name", "12", "\"12\"");
	assert_param("count", "7", "7");
	assert_param("ratio", "2.5", "2.5");
	assert_param("ratio", "5", "5.0");
	assert_param("sizes", "[1, 2.5]", "[1.0,2.5]");
	assert_param("grid", "[[1.0, 2], []]", "[[1,2],[]]");
	assert_param("dry", "true", "true");
	assert_param("tags", "[\"a\"]", "[\"a\"]");
	assert_param("extra", "{\"a\": [1]}", "{\"a\":[1]}");
	assert_param("count", "many",
		     "param \"count\" must be of type integer, "
		     "not \"many\"");
	assert_param("count", "1.5",
		     "param \"count\" must be of type integer, "
		     "not a number");
	assert_param("count", "0", "param \"count\" must be at least 1");
	assert_param("cuont", "1",
		     "there is no param \"cuont\"; did you mean \"count\"?");
	assert_param("zzzzzz", "1",
		     "there is no param \"zzzzzz\"; there are: name, count, "
		     "ratio, dry, tags, sizes, grid, extra, mode");
}

static void out_of_memory_is_an_error(void **state)
{
	flo_value *given = json_value("{\"name\": \"xy\", \"zz\": 1}");
	flo_status st = FLO_NOMEM;

	(void)state;
	for (long n = 1; st == FLO_NOMEM; n++) {
		flo_value *params = NULL;

		flo__alloc_fail_at(n, 0);
		st = flo__dsl_bind(plan, given, NULL, &params);
		flo__alloc_fail_at(0, 0);
		assert_null(params);
	}
	assert_int_equal(st, FLO_INVALID);
	flo_value_unref(given);
}

static void patterns_are_searched_in_strings_and_items(void **state)
{
	static const char json[] =
		"{\"name\":\"p\",\"params\":{"
		"\"tag\":{\"pattern\":\"^v[0-9]+$\",\"default\":\"v1\"},"
		"\"part\":{\"pattern\":\"b\"},"
		"\"slow\":{\"pattern\":\"^(a+)+$\"},"
		"\"hosts\":{\"type\":\"array\",\"items\":{\"type\":"
		"\"string\",\"pattern\":\"^[a-z\u00e4]+$\"}}},"
		"\"steps\":[{\"name\":\"a\",\"use\":\"core.set\",\"with\":"
		"{\"all\":\"${{ params }}\"}}]}";

	close_plan(state);
	plan = plan_of(json);
	assert_binds("{\"tag\":\"v22\",\"part\":\"abc\",\"hosts\":[\"z\"]}",
		     "{\"tag\":\"v22\",\"part\":\"abc\",\"slow\":null,"
		     "\"hosts\":[\"z\"]}");
	assert_binds("{\"tag\":\"v22\\n\"}",
		     "param \"tag\" must match the pattern \"^v[0-9]+$\"");
	assert_binds("{\"part\":\"\",\"hosts\":[\"a\",\"B\"]}",
		     "param \"part\" must match the pattern \"b\"\n"
		     "param \"hosts\" must match the pattern "
		     "\"^[a-z\u00e4]+$\" (item 1)");
	assert_binds("{\"slow\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!\"}",
		     "param \"slow\" cannot be compared with the pattern "
		     "\"^(a+)+$\": the pattern takes too many steps on this "
		     "text: a repetition in a repetition, such as (a+)+, and "
		     "one at the beginning do that");
	close_plan(state);
	open_plan(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(defaults_fill_what_is_not_given),
		cmocka_unit_test(what_is_given_wins_and_keeps_its_type),
		cmocka_unit_test(every_problem_is_a_line),
		cmocka_unit_test(text_is_typed_by_the_declaration),
		cmocka_unit_test(out_of_memory_is_an_error),
		cmocka_unit_test(patterns_are_searched_in_strings_and_items),
	};

	return cmocka_run_group_tests(tests, open_plan, close_plan);
}
