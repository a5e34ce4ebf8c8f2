/* flo/expr.h: expressions over names that the caller gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"

#include <flo/expr.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const flo_expr_name names[] = {
	{"record", FLO_TYPES(MAP)},
	{"n", FLO_TYPES(INT)},
};

static const flo_expr_options any = {.names = names, .names_len = 2};
static const flo_expr_options yes_or_no = {
	.names = names,
	.names_len = 2,
	.types = FLO_TYPES(BOOL),
};

static flo_error err;

static flo_status compile(const char *text, const flo_expr_options *options,
			  flo_expr **ret_expr)
{
	flo_error_clear(&err);
	return flo_expr_compile(text, strlen(text), options, &err, ret_expr);
}

static flo_value *json(const char *text)
{
	flo_value *value = NULL;

	if (flo_value_from_json(text, strlen(text), FLO_JSON_ANY, NULL,
				&value) != FLO_OK)
		fail_msg("not JSON: %s", text);
	return value;
}

static flo_status eval(const flo_expr *expr, const char *record,
		       flo_value **ret_value)
{
	flo_value *map = json(record);
	flo_value *n = flo_value_int(7);
	const flo_value *const values[] = {map, n};
	flo_status st;

	flo_error_clear(&err);
	st = flo_expr_eval(expr, values, &err, ret_value);
	flo_value_unref(map);
	flo_value_unref(n);
	return st;
}

static void gives(const char *text, const char *record, const char *want)
{
	flo_expr *expr = NULL;
	flo_value *value = NULL;
	char *got;

	if (compile(text, &any, &expr) != FLO_OK ||
	    eval(expr, record, &value) != FLO_OK)
		fail_msg("%s: %s", text, err.text);
	got = flo_value_to_json(value);
	assert_string_equal(got, want);
	flo_free(got);
	flo_value_unref(value);
	flo_expr_free(expr);
}

static void an_expression_sees_the_values_it_is_given(void **state)
{
	(void)state;
	gives("record.a + n", "{\"a\":1}", "8");
	gives("has(record.b) ? record.b : 'none'", "{\"a\":1}", "\"none\"");
	gives("record.tags.map(t, t.upperAscii())", "{\"tags\":[\"a\"]}",
	      "[\"A\"]");
	gives("type(record) == map", "{}", "true");
}

static void refuses(const char *text, const flo_expr_options *options,
		    flo_status st, int column, const char *says)
{
	flo_expr *expr = NULL;
	flo_status got = compile(text, options, &expr);

	assert_null(expr);
	if (got != st || err.column != column || strstr(err.text, says) == NULL)
		fail_msg("%s: %s, column %d: %s", text, flo_status_name(got),
			 err.column, err.text);
}

static void what_is_wrong_is_said_with_its_column(void **state)
{
	(void)state;
	refuses("record.a +", &any, FLO_SYNTAX, 11, "ends where a value");
	refuses("1 + recrd.a", &any, FLO_SYNTAX, 5,
		"there is no variable \"recrd\"; did you mean \"record\"?");
	refuses("params.a", &any, FLO_SYNTAX, 1,
		"`record` and `n` can be used here");
	refuses("env.HOME", &any, FLO_SYNTAX, 1, "no variable \"env\"");
	refuses("secrets.x", &any, FLO_SYNTAX, 1, "no variable \"secrets\"");
	refuses("'\xc3\xa9' + n", &any, FLO_SYNTAX, 5, "string and int");
	refuses("record && true", &any, FLO_SYNTAX, 8, "cannot be map");
	refuses("'a\xff'", &any, FLO_SYNTAX, 3, "not valid UTF-8");
	refuses("size(record)", &yes_or_no, FLO_TYPE, 1,
		"must be true or false, but this is a whole number; compare "
		"it");
	refuses("x", &(flo_expr_options){.types = 0}, FLO_SYNTAX, 1,
		"there is no variable \"x\"");
}

static void fails(const char *text, const flo_expr_options *options,
		  const char *record, flo_status st, int column,
		  const char *says)
{
	flo_expr *expr = NULL;
	flo_value *value = NULL;
	flo_status got;

	if (compile(text, options, &expr) != FLO_OK)
		fail_msg("%s: %s", text, err.text);
	got = eval(expr, record, &value);
	assert_null(value);
	if (got != st || err.column != column || strstr(err.text, says) == NULL)
		fail_msg("%s: %s, column %d: %s", text, flo_status_name(got),
			 err.column, err.text);
	flo_expr_free(expr);
}

static void an_evaluation_that_fails_names_the_expression(void **state)
{
	(void)state;
	fails("1 + record.b", &any, "{\"a\":1}", FLO_NOTFOUND, 12,
	      "`1 + record.b`: no such key \"b\"");
	fails("record.a * n", &any, "{\"a\":9223372036854775807}", FLO_RANGE,
	      10, "`record.a * n`: ");
	fails("record.a", &yes_or_no, "{\"a\":1}", FLO_TYPE, 1,
	      "`record.a`: must be true or false, but is a whole number");
	fails("record.a", &yes_or_no, "{\"a\":null}", FLO_TYPE, 1,
	      "must be true or false, but is null");
}

static void a_name_may_be_without_a_value(void **state)
{
	const flo_value *const values[] = {NULL, NULL};
	flo_expr *expr = NULL;
	flo_value *value = NULL;

	(void)state;
	assert_int_equal(compile("n == 1", &any, &expr), FLO_OK);
	assert_int_equal(flo_expr_eval(expr, values, &err, &value),
			 FLO_NOTFOUND);
	flo_expr_free(expr);
	flo_error_clear(&err);
	assert_int_equal(compile("n == 1 || true", &any, &expr), FLO_OK);
	assert_int_equal(flo_expr_eval(expr, values, &err, &value), FLO_OK);
	flo_value_unref(value);
	flo_expr_free(expr);
	flo_expr_free(NULL);
}

static void the_cost_of_an_evaluation_has_a_limit(void **state)
{
	const char *text = "record.l.map(x, record.l.map(y, x + y)).size()";
	flo_expr_options cheap = any;

	(void)state;
	cheap.cost_max = 200;
	gives(text, "{\"l\":[1,2,3,4,5,6,7,8,9,10]}", "10");
	fails(text, &cheap, "{\"l\":[1,2,3,4,5,6,7,8,9,10]}", FLO_LIMIT, 35,
	      "takes too many operations");
}

static void *evaluate_often(void *arg)
{
	flo_value *map = json("{\"name\":\"web-12\"}");
	const flo_value *const values[] = {map, NULL};
	bool ok = map != NULL;

	for (int i = 0; i < 2000 && ok; i++) {
		flo_value *value = NULL;

		ok = flo_expr_eval(arg, values, NULL, &value) == FLO_OK &&
		     flo_value_get_bool(value);
		flo_value_unref(value);
	}
	flo_value_unref(map);
	return ok ? NULL : arg;
}

static void any_number_of_threads_may_evaluate(void **state)
{
	pthread_t thread[4];
	flo_expr *expr = NULL;
	void *failed;

	(void)state;
	assert_int_equal(compile("record.name.matches('^web-[0-9]+$')",
				 &yes_or_no, &expr),
			 FLO_OK);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&thread[i], NULL,
						evaluate_often, expr),
				 0);
	for (size_t i = 0; i < 4; i++) {
		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	flo_expr_free(expr);
}

/* Compile and evaluate; what comes out of it, with allocation @nth failing. */
static flo_status try_all(long nth, const flo_value *record, bool *ret_value)
{
	const flo_value *const values[] = {record, NULL};
	flo_expr *expr = NULL;
	flo_value *value = NULL;
	flo_status st;

	flo_error_clear(&err);
	flo__alloc_fail_at(nth, 0);
	st = compile("record.tags.exists(t, t.matches('^' + t)) && "
		     "record.x.split(',').map(i, [i, i])[0][0] == 'a'",
		     &yes_or_no, &expr);
	if (st == FLO_OK)
		st = flo_expr_eval(expr, values, &err, &value);
	flo_expr_free(expr);
	flo__alloc_fail_at(0, 0);
	*ret_value = value != NULL && flo_value_get_bool(value);
	flo_value_unref(value);
	return st;
}

static void every_allocation_may_fail(void **state)
{
	flo_value *record = json("{\"tags\":[\"a\",\"b\"],\"x\":\"a,b\"}");
	flo_status st = FLO_NOMEM;
	bool is = false;
	long n = 0;

	(void)state;
	while (st != FLO_OK) {
		st = try_all(++n, record, &is);
		if (st != FLO_OK && st != FLO_NOMEM)
			fail_msg("allocation %ld: %s: %s", n,
				 flo_status_name(st), err.text);
	}
	assert_true(is);
	assert_true(n > 10);
	flo_value_unref(record);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_expression_sees_the_values_it_is_given),
		cmocka_unit_test(what_is_wrong_is_said_with_its_column),
		cmocka_unit_test(an_evaluation_that_fails_names_the_expression),
		cmocka_unit_test(a_name_may_be_without_a_value),
		cmocka_unit_test(the_cost_of_an_evaluation_has_a_limit),
		cmocka_unit_test(any_number_of_threads_may_evaluate),
		cmocka_unit_test(every_allocation_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
