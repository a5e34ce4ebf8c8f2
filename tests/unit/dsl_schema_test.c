/* What is said of the schema without a validator; tests/schema has one. */
#include "dsl_fixture.h"

#include "dsl/compile_p.h"

static flo_value *schema(const struct flo__registry *from)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	char *text = NULL;
	size_t len = 0;

	assert_int_equal(flo__dsl_schema(from, &len, &text), FLO_OK);
	assert_int_equal(len, strlen(text));
	assert_int_equal(text[len - 1], '\n');
	flo_value_from_json(text, len, FLO_JSON_ANY, &err, &value);
	assert_string_equal(err.text, "");
	flo__free(text);
	return value;
}

static const flo_value *get(const flo_value *map, const char *key)
{
	const flo_value *value = flo_value_map_get(map, key);

	if (value == NULL)
		fail_msg("there is no \"%s\"", key);
	return value;
}

static void assert_text(const flo_value *value, const char *want)
{
	size_t len;

	assert_string_equal(flo_value_get_string(value, &len), want);
}

/* Every "$ref" in @value leads to a definition. */
static size_t check_refs(const flo_value *value, const flo_value *defs)
{
	size_t n = 0;
	size_t len;

	if (flo_value_typeof(value) == FLO_VALUE_LIST) {
		for (size_t i = 0; i < flo_value_len(value); i++)
			n += check_refs(flo_value_list_at(value, i), defs);
	}
	if (flo_value_typeof(value) != FLO_VALUE_MAP)
		return n;
	for (size_t i = 0; i < flo_value_len(value); i++) {
		const flo_value *key;
		const flo_value *inner = flo_value_map_at(value, i, &key);

		n += check_refs(inner, defs);
		if (strcmp(flo_value_get_string(key, &len), "$ref") != 0)
			continue;
		get(defs,
		    flo_value_get_string(inner, &len) + strlen("#/$defs/"));
		n++;
	}
	return n;
}

static void every_reference_leads_somewhere(void **state)
{
	flo_value *all = schema(&registry);

	(void)state;
	assert_text(get(all, "$id"), "urn:flowctl:pipeline:1");
	assert_true(check_refs(all, get(all, "$defs")) > 50);
	flo_value_unref(all);
}

static void every_key_of_the_table_has_its_line(void **state)
{
	flo_value *all = schema(&registry);
	const flo_value *step =
		get(get(get(all, "$defs"), "step"), "properties");
	size_t len;

	(void)state;
	for (int i = 0; i < FLO__KEYS; i++) {
		const flo_value *key =
			get(step, flo__key_text((enum flo__key)i));

		flo_value_get_string(get(key, "description"), &len);
		assert_true(len > 5);
	}
	assert_int_equal(flo_value_len(step), FLO__KEYS);
	assert_int_equal(flo_value_len(get(all, "properties")),
			 flo__grammar_pipeline.len);
	flo_value_unref(all);
}

static const flo_step_param own_params[] = {
	{.name = "count",
	 .types = FLO_TYPES(INT),
	 .required = true,
	 .description = "How many."},
	{.name = "any"},
};

static const flo_step_type own_type = {
	.name = "own.type",
	.description = "Do it.",
	.params = own_params,
	.params_len = 2,
};

static const flo_step_type *own_at(const struct flo__registry *from, size_t i)
{
	(void)from;
	return i == 0 ? &own_type : NULL;
}

static void a_registered_type_brings_its_arguments(void **state)
{
	static const struct flo__registry own = {NULL, own_at};
	flo_value *all = schema(&own);
	const flo_value *with = get(get(all, "$defs"), "with.own.type");
	const flo_value *count = get(get(with, "properties"), "count");
	char *types_text = flo_value_to_json(get(count, "type"));

	(void)state;
	assert_text(get(count, "description"), "How many.");
	assert_string_equal(types_text, "[\"string\",\"integer\"]");
	assert_int_equal(flo_value_len(get(with, "required")), 1);
	assert_null(flo_value_map_get(get(all, "$defs"), "with.core.sleep"));
	flo_free(types_text);
	flo_value_unref(all);
}

static void it_is_the_same_each_time(void **state)
{
	char *a = NULL;
	char *b = NULL;
	size_t len;

	(void)state;
	assert_int_equal(flo__dsl_schema(&registry, &len, &a), FLO_OK);
	assert_int_equal(flo__dsl_schema(&registry, &len, &b), FLO_OK);
	assert_string_equal(a, b);
	flo__free(a);
	flo__free(b);
}

static void out_of_memory_anywhere_is_an_error(void **state)
{
	flo_status st = FLO_NOMEM;

	(void)state;
	for (long n = 1; st == FLO_NOMEM; n++) {
		char *text = NULL;
		size_t len = 0;

		flo__alloc_fail_at(n, 0);
		st = flo__dsl_schema(&registry, &len, &text);
		flo__alloc_fail_at(0, 0);
		assert_int_equal(st == FLO_OK, text != NULL);
		flo__free(text);
		assert_in_range(n, 1, 10000);
	}
	assert_int_equal(st, FLO_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reference_leads_somewhere),
		cmocka_unit_test(every_key_of_the_table_has_its_line),
		cmocka_unit_test(a_registered_type_brings_its_arguments),
		cmocka_unit_test(it_is_the_same_each_time),
		cmocka_unit_test(out_of_memory_anywhere_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
