#include "dsl_fixture.h"

/* Compute @with, JSON, as the argument of a step; params are in scope. */
static void computes(const char *with, const char *want)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__plan *plan;
	struct test_scope scope = {0};

	flo__strbuf_addf(&sb,
			 "{\"name\": \"p\", \"params\": {\"n\": {\"type\": "
			 "\"integer\"}, \"s\": {}, \"l\": {\"type\": "
			 "\"array\"}}, \"labels\": {}, \"env\": {\"X\": "
			 "\"${{ params.n }}${{ params.s }}${{ params.l }}\"}, "
			 "\"steps\": [{\"name\": \"a\", \"use\": \"core.set\", "
			 "\"with\": {\"v\": %s}}]}",
			 with);
	plan = plan_of(sb.data);
	flo__strbuf_reset(&sb);
	flo__strbuf_addf(&sb, "{\"v\":%s}", want);
	scope.plan = plan;
	scope.params = json_value("{\"n\": 7, \"s\": \"a\\\"b\", "
				  "\"l\": [1, {\"k\": null}]}");
	assert_computes(plan->leaves[plan->nodes[1].spec].with, &scope,
			sb.data);
	flo_value_unref(scope.params);
	plan->free(plan);
	flo__strbuf_fini(&sb);
}

static void a_whole_template_keeps_its_type(void **state)
{
	(void)state;
	computes("\"${{ params.n }}\"", "7");
	computes("\"${{params.l}}\"", "[1,{\"k\":null}]");
	computes("\"${{ params.n > 3 }}\"", "true");
	computes("\"${{ null }}\"", "null");
}

static void a_part_becomes_text(void **state)
{
	(void)state;
	computes("\" ${{ params.n }}\"", "\" 7\"");
	computes("\"${{ params.n }}${{ params.n }}\"", "\"77\"");
	computes("\"<${{ params.l }}>\"", "\"<[1,{\\\"k\\\":null}]>\"");
	computes("\"${{ params.s }}!\"", "\"a\\\"b!\"");
	computes("\"x${{ null }}${{ true }}${{ 1.0 }}\"", "\"xnulltrue1\"");
}

static void braces_and_strings_inside_do_not_end_it(void **state)
{
	(void)state;
	computes("\"${{ {'a': {'b': 1}} }}\"", "{\"a\":{\"b\":1}}");
	computes("\"${{ '}}' }}\"", "\"}}\"");
	computes("\"${{ \\\"}}\\\" + r'\\\\' + '''}}''' }}\"", "\"}}\\\\}}\"");
	computes("\"${{ {'a': {}}.a}} }}\"", "\"{} }}\"");
	computes("\"${{ '\\\\'}}' }}\"", "\"'}}\"");
	computes("\"${{ [[1]][0][0] }}}}\"", "\"1}}\"");
}

static void a_double_dollar_is_literal(void **state)
{
	(void)state;
	computes("\"$${{ params.n }}\"", "\"${{ params.n }}\"");
	computes("\"$${{ ${{ params.n }}\"", "\"${{ 7\"");
	computes("\"$$ ${ {{ }} $\"", "\"$$ ${ {{ }} $\"");
	computes("\"$$${{ params.n }}\"", "\"$${{ params.n }}\"");
	computes("\"\"", "\"\"");
}

static void values_nest(void **state)
{
	(void)state;
	computes("{\"a\": [\"${{ params.n }}\", 1, {\"b\": \"x${{ params.n "
		 "}}\"}], \"c\": {\"d\": []}, \"e\": -1.5e2}",
		 "{\"a\":[7,1,{\"b\":\"x7\"}],\"c\":{\"d\":[]},\"e\":-150.0}");
	computes("[true, false, null, \"\\u00e9\", 123456789012345678901]",
		 "[true,false,null,\"\xc3\xa9\",1.2345678901234568e+20]");
}

/* A reference is shorter than its words, so what comes behind it moves: the
 * ends of jumps, macros, names of fields, constants. */
static void what_follows_a_reference_is_found(void **state)
{
	static const struct {
		const char *text;
		const char *want;
	} cases[] = {
		{"steps.a.output > 3 && steps.a.output < 6", "true"},
		{"steps.a.output > 5 || steps.a.output == 1", "false"},
		{"steps.a.output > 5 || (false || steps.a.output == 5)",
		 "true"},
		{"steps.a.output == 5 ? steps.b.output.x : 'no'", "\"yes\""},
		{"steps.a.output == 4 ? 'no' : steps.b.output.x", "\"yes\""},
		{"(steps.a.output == 5 ? steps.a.output : 0) + "
		 "(steps.b.output.x == '' ? 0 : steps.b.output['y'])",
		 "12"},
		{"[1, 5].map(i, steps.a.output + i)", "[6,10]"},
		{"[1, 5].filter(i, steps.a.output == i)", "[5]"},
		{"[1, 5].map(i, steps.a.output == i, steps.b.output.x)",
		 "[\"yes\"]"},
		{"[[1], [2]].map(l, l.map(i, steps.a.output * i + "
		 "steps.b.output.y))",
		 "[[12],[17]]"},
		{"[steps.a.output, 5].all(i, i == steps.a.output ? has("
		 "steps.b.output.x) : false)",
		 "true"},
		{"{'k': has(steps.a), steps.b.output.x: [steps.a.output]}",
		 "{\"k\":true,\"yes\":[5]}"},
	};
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct test_scope scope = {0};
		struct flo__plan *plan;

		flo__strbuf_addf(&sb,
				 "{\"name\": \"p\", \"steps\": [{\"name\": "
				 "\"a\", \"exec\": [\"x\"]}, {\"name\": "
				 "\"b\", \"exec\": [\"x\"]}, {\"name\": "
				 "\"c\", \"use\": \"core.set\", \"with\": "
				 "{\"v\": \"${{ %s }}\"}}]}",
				 cases[i].text);
		plan = plan_of(sb.data);
		scope.plan = plan;
		scope.outputs = json_value("{\"a\": 5, \"b\": {\"x\": "
					   "\"yes\", \"y\": 7}}");
		flo__strbuf_reset(&sb);
		flo__strbuf_addf(&sb, "{\"v\":%s}", cases[i].want);
		assert_computes(plan->leaves[plan->nodes[3].spec].with, &scope,
				sb.data);
		flo__strbuf_reset(&sb);
		flo_value_unref(scope.outputs);
		plan->free(plan);
	}
	flo__strbuf_fini(&sb);
}

static void an_error_names_the_expression_and_line(void **state)
{
	struct flo__plan *plan =
		plan_of("{\"name\": \"p\",\n\"steps\": [{\"name\": \"a\", "
			"\"exec\": [\"x\"]},\n {\"name\": \"b\", \"exec\": "
			"[\"y\",\n\"- ${{ 1 + 1 }} ${{ steps.a.output.foo "
			"}}\"]}]}");
	struct test_scope scope = {.scope = {test_get}, .plan = plan};
	const struct flo__leaf *leaf = &plan->leaves[plan->nodes[2].spec];
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;

	(void)state;
	assert_int_equal(plan->language->eval(leaf->argv[1], &scope.scope, &err,
					      &value),
			 FLO_TYPE);
	assert_string_equal(err.text,
			    "`steps.a.output.foo`: cannot select \"foo\" from "
			    "null: the step had no output, or was skipped "
			    "(line 4, column 36)");
	assert_int_equal(err.line, 4);
	assert_int_equal(err.column, 36);
	plan->free(plan);
}

/* Assert that the first argument of the step on line 2, after 44 columns of
 * other things, fails at @column. */
static void argument_fails_at(const char *argument, int column)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;
	struct test_scope scope = {.scope = {test_get}};
	const struct flo__leaf *leaf;
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;

	flo__strbuf_addf(&text,
			 "{\"name\": \"p\", \"steps\": [\n"
			 "{\"title\": \"\\u00e9\xc3\xa9\", \"name\": \"a\", "
			 "\"exec\": [\"%s\"]}]}",
			 argument);
	scope.plan = plan_of(text.data);
	leaf = &scope.plan->leaves[scope.plan->nodes[1].spec];
	assert_int_not_equal(scope.plan->language->eval(leaf->argv[0],
							&scope.scope, &err,
							&value),
			     FLO_OK);
	assert_int_equal(err.line, 2);
	if (err.column != column + 44)
		fail_msg("%s\n  is at %d, want %d: %s", argument,
			 err.column - 44, column, err.text);
	((struct flo__plan *)scope.plan)->free((struct flo__plan *)scope.plan);
	flo__strbuf_fini(&text);
}

static void an_error_has_the_column_of_its_token(void **state)
{
	(void)state;
	argument_fails_at("${{ 1 / 0 }}", 7);
	argument_fails_at("${{ [1][2] }}", 8);
	argument_fails_at("a ${{ 1 }} b ${{ {'k': 1}.x }}", 27);
	argument_fails_at("\xc3\xa9 ${{ '\xc3\xa9' + '\xc3\xa9' == '' ? "
			  "'' : string(dyn([])) }}",
			  30);
	argument_fails_at("\\u00e9 ${{ 1 / 0 }}", 14);
	argument_fails_at("${{ \\\"\\\\n\\\" == '' ? 1 : 1 / 0 }}", 27);
	argument_fails_at("${{ '\\ud83d\\ude00'\\n + string(dyn([])) }}", 24);
	argument_fails_at("\\\\ ${{ 1 }} \\\\ ${{ 1 }} \\\\ ${{ 1 / 0 }}", 34);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_template_keeps_its_type),
		cmocka_unit_test(a_part_becomes_text),
		cmocka_unit_test(braces_and_strings_inside_do_not_end_it),
		cmocka_unit_test(a_double_dollar_is_literal),
		cmocka_unit_test(values_nest),
		cmocka_unit_test(what_follows_a_reference_is_found),
		cmocka_unit_test(an_error_names_the_expression_and_line),
		cmocka_unit_test(an_error_has_the_column_of_its_token),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
