/*
 * What the record and a block's error say: all that failed, and what a block
 * does of itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/run_fake.h"

#include <flo/runtime.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake fake;
static struct fake_result result;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_result_fini(&result);
	fake_fini(&fake);
	return 0;
}

static void run_until(const char *text, void (*hook)(struct flo__run *))
{
	result = fake_run(&fake, text, 0, hook);
	assert_int_equal(result.st, FLO_OK);
}

static const flo_value *errors(void)
{
	return flo_value_map_get(flo_value_map_get(result.result, "error"),
				 "errors");
}

static size_t errors_len(void)
{
	return errors() != NULL ? flo_value_len(errors()) : 0;
}

/* A string of error @i of the list. */
static const char *listed(size_t i, const char *key)
{
	return flo_value_get_string(
		flo_value_map_get(flo_value_list_at(errors(), i), key), NULL);
}

static void cancel_a(struct flo__run *r)
{
	while (fake_executions(&fake, "g.a") == 0)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

/* ---- the list of errors ---- */

static void continue_lists_every_error_in_the_order_of_the_record(void **state)
{
	(void)state;
	run_until("{'name':'p','steps':[{'name':'g','on_error':'continue',"
		  "'limit':1,'group':[{'name':'a','exec':['exit','1']},"
		  "{'name':'b','exec':['ok']},{'name':'c','steps':["
		  "{'name':'d','exec':['sig','9']}]},"
		  "{'name':'e','exec':['exit','2'],'allow_failure':true},"
		  "{'name':'f','exec':['missing']}]}]}",
		  NULL);
	assert_string_equal(fake_error(&result, "path"), "g.a");
	assert_int_equal(errors_len(), 3);
	assert_string_equal(listed(0, "path"), "g.a");
	assert_string_equal(listed(0, "message"), "exit code 1");
	assert_string_equal(listed(1, "path"), "g.c.d");
	assert_string_equal(listed(1, "kind"), "signal");
	assert_string_equal(listed(2, "path"), "g.f");
	assert_string_equal(listed(2, "kind"), "spawn");
}

static void one_error_alone_makes_no_list(void **state)
{
	(void)state;
	run_until("{'name':'p','steps':[{'name':'g','on_error':'continue',"
		  "'group':[{'name':'a','exec':['exit','1']},"
		  "{'name':'b','needs':['a'],'exec':['ok']}]}]}",
		  NULL);
	assert_string_equal(fake_error(&result, "path"), "g.a");
	assert_null(errors());
}

static void
errors_within_the_tolerance_are_listed_once_it_is_exceeded(void **state)
{
	(void)state;
	run_until("{'name':'p','steps':[{'name':'f','max_failures':1,"
		  "'limit':1,'foreach':[1,0,2,0],"
		  "'exec':['exit','${{ item }}']}]}",
		  NULL);
	assert_string_equal(fake_error(&result, "path"), "f[2]");
	assert_int_equal(errors_len(), 2);
	assert_string_equal(listed(0, "path"), "f[0]");
	assert_string_equal(listed(1, "path"), "f[2]");
}

static void long_lists_are_cut_and_say_how_many_there_are(void **state)
{
	const flo_value *error;

	(void)state;
	run_until("{'name':'p','steps':[{'name':'a','exec':['say',"
		  "'[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,"
		  "23,24,25,26,27,28,29,30,31,32,33,34]'],'output':'json'},"
		  "{'name':'f','on_error':'continue',"
		  "'foreach':'steps.a.output',"
		  "'steps':[{'name':'g','on_error':'continue',"
		  "'foreach':'steps.a.output','exec':['exit','1']}]}]}",
		  NULL);
	error = flo_value_map_get(result.result, "error");
	assert_int_equal(errors_len(), 1000);
	assert_int_equal(flo_value_get_int(
				 flo_value_map_get(error, "errors_total")),
			 34 * 34);
}

/* ---- finally ---- */

static void finallys_error_stands_beside_the_bodys(void **state)
{
	(void)state;
	run_until("{'name':'p','steps':[{'name':'g','group':["
		  "{'name':'a','exec':['exit','3']}],"
		  "'finally':[{'name':'u','exec':['exit','4']}]}],"
		  "'finally':[{'name':'v','exec':['exit','5']}]}",
		  NULL);
	assert_string_equal(fake_error(&result, "path"), "g.a");
	assert_int_equal(errors_len(), 3);
	assert_string_equal(listed(0, "path"), "g.a");
	assert_string_equal(listed(1, "path"), "g.finally.u");
	assert_string_equal(listed(2, "path"), "finally.v");
}

static void finallys_error_of_a_cancelled_block_is_told(void **state)
{
	(void)state;
	run_until("{'name':'p','steps':[{'name':'g','steps':["
		  "{'name':'a','exec':['hang']}],"
		  "'finally':[{'name':'u','exec':['exit','4']}]}]}",
		  cancel_a);
	assert_string_equal(fake_status(&result), "cancelled");
	assert_string_equal(fake_error(&result, "kind"), "cancelled");
	assert_int_equal(errors_len(), 2);
	assert_string_equal(listed(0, "kind"), "cancelled");
	assert_string_equal(listed(1, "path"), "g.finally.u");
	assert_string_equal(listed(1, "message"), "exit code 4");
}

static void finallys_error_after_a_time_limit_is_told(void **state)
{
	(void)state;
	run_until("{'name':'p','steps':[{'name':'g','timeout':'20ms','steps':["
		  "{'name':'a','exec':['hang']}],"
		  "'finally':[{'name':'u','exec':['exit','4']}]}],"
		  "'finally':[{'name':'v','exec':['ok']}]}",
		  NULL);
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_string_equal(fake_error(&result, "path"), "g");
	assert_int_equal(errors_len(), 2);
	assert_string_equal(listed(0, "path"), "g");
	assert_string_equal(listed(1, "path"), "g.finally.u");
}

static void finally_sees_all_errors_of_the_body(void **state)
{
	(void)state;
	run_until("{'name':'p','steps':[{'name':'g','on_error':'continue',"
		  "'group':[{'name':'a','exec':['exit','1']},"
		  "{'name':'b','exec':['exit','1']}]}],'finally':["
		  "{'name':'v','when':'run.error.errors.size() == 2',"
		  "'exec':['ok']}]}",
		  NULL);
	assert_int_equal(fake_state(&fake, "finally.v"), FLO__STATE_SUCCEEDED);
}

/* ---- retry.when ---- */

static void a_failing_retry_when_is_no_retry_and_says_so(void **state)
{
	(void)state;
	run_until("{'name':'p','steps':[{'name':'a','exec':['err','x','7'],"
		  "'retry':{'limit':3,'when':'step.signal.size() > 0'}}]}",
		  NULL);
	assert_int_equal(fake_executions(&fake, "a"), 1);
	assert_string_equal(fake_error(&result, "kind"), "exit");
	assert_non_null(strstr(fake_error(&result, "message"),
			       "exit code 7; not retried: retry.when: "));
	assert_string_equal(fake_error(&result, "stderr_tail"), "x");
}

static void a_failing_retry_limit_is_no_retry_and_says_so(void **state)
{
	(void)state;
	run_until("{'name':'p','params':{'n':{'type':'integer','default':-1}},"
		  "'steps':[{'name':'a','exec':['exit','7'],"
		  "'retry':{'limit':'${{ params.n }}'}}]}",
		  NULL);
	assert_int_equal(fake_executions(&fake, "a"), 1);
	assert_non_null(strstr(fake_error(&result, "message"),
			       "exit code 7; not retried: retry.limit: "));
}

/* ---- what blocks do of themselves ---- */

static const char *const skips =
	"{'name':'p','steps':[{'name':'g','group':["
	"{'name':'a','exec':['hang']},"
	"{'name':'b','when':'false','group':[{'name':'c','exec':['ok']}]},"
	"{'name':'d','when':'false','foreach':[1],'exec':['ok']},"
	"{'name':'e','needs':['b','d'],'exec':['post','a']}]}]}";

static void cancel_after_e(struct flo__run *r)
{
	while (fake_state(&fake, "g.e") == FLO__STATE_NONE)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

static void a_block_that_is_skipped_says_so_once(void **state)
{
	(void)state;
	run_until(skips, cancel_after_e);
	assert_int_equal(fake_state(&fake, "g.b"), FLO__STATE_SKIPPED);
	assert_int_equal(fake_state(&fake, "g.d"), FLO__STATE_SKIPPED);
	assert_false(fake_has(&fake, FLO__EVENT_STEP_SKIPPED, "g.b.c"));
}

static void a_skipped_block_stays_skipped_in_a_cancelled_run(void **state)
{
	struct fake_shown shown;

	(void)state;
	run_until(skips, cancel_after_e);
	fake_inspect(&fake, skips, fake.events_len, true, &shown);
	assert_int_equal(fake_shown_state(&shown, "g.b"), FLO__STATE_SKIPPED);
	assert_int_equal(fake_shown_state(&shown, "g.b.c"), FLO__STATE_SKIPPED);
	assert_int_equal(fake_shown_state(&shown, "g.d"), FLO__STATE_SKIPPED);
}

static unsigned times(enum flo__event_kind kind, const char *path)
{
	unsigned n = 0;

	for (size_t i = 0; i < fake.events_len; i++)
		n += fake.events[i].kind == kind &&
		     strcmp(fake.events[i].path, path) == 0;
	return n;
}

static void resume_does_not_skip_again(void **state)
{
	static const char *const text =
		"{'name':'p','steps':[{'name':'b','when':'false','group':["
		"{'name':'c','exec':['ok']}]},{'name':'a','exec':['ok']}]}";
	size_t keep = 0;

	(void)state;
	run_until(text, NULL);
	while (fake.events[keep].kind != FLO__EVENT_STEP_STARTED)
		keep++;
	fake_result_fini(&result);
	result = fake_run(&fake, text, keep, NULL);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(times(FLO__EVENT_STEP_SKIPPED, "b"), 1);
	assert_int_equal(fake_count(&result, "skipped"), 1);
}

/* Of each kind that a block may fail by itself; the crash comes at once. */
static void a_block_that_fails_of_itself_is_recorded(void **state)
{
	static const char *const keys[] = {
		"'when':'params.n / 0 == 1','group':[",
		"'timeout':'${{ string(params.n) }}','group':[",
		"'limit':'${{ params.n - 1 }}','group':[",
		"'foreach':'params.m.list','steps':["};

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char text[1024];

		snprintf(text, sizeof(text),
			 "{'name':'p','params':{'n':{'type':'integer',"
			 "'default':1},'m':{'type':'object','default':{}}},"
			 "'steps':[{'name':'b',%s{'name':'c','exec':['ok']}]"
			 "}]}",
			 keys[i]);
		fake_reset(&fake);
		fake_result_fini(&result);
		run_until(text, NULL);
		assert_string_equal(fake_error(&result, "path"), "b");
		assert_string_equal(fake_error(&result, "kind"), "expression");
		assert_int_equal(fake_state(&fake, "b"), FLO__STATE_FAILED);
		assert_int_equal(fake_executions(&fake, "b.c"), 0);
	}
}

/* Its failure came first, however late it is met again. */
static void resume_names_the_block_that_failed_first(void **state)
{
	static const char *const text =
		"{'name':'p','params':{'m':{'type':'object','default':{}}},"
		"'steps':[{'name':'g','on_error':'drain','limit':2,'group':["
		"{'name':'a','exec':['wait','a']},"
		"{'name':'b','foreach':'params.m.list','exec':['ok']}]}]}";
	size_t total;

	(void)state;
	fake.gates_open = 1;
	run_until(text, NULL);
	assert_string_equal(fake_error(&result, "path"), "g.b");
	total = fake.events_len;
	for (size_t keep = 3; keep < total; keep++) {
		bool failed = false;

		fake_result_fini(&result);
		fake_reset(&fake);
		fake.gates_open = 1;
		run_until(text, NULL);
		for (size_t i = 0; i < keep && i < fake.events_len; i++)
			failed |= strcmp(fake.events[i].path, "g.b") == 0;
		if (!failed || keep >= fake.events_len)
			continue;
		fake_result_fini(&result);
		result = fake_run(&fake, text, keep, NULL);
		assert_string_equal(fake_error(&result, "path"), "g.b");
		assert_int_equal(times(FLO__EVENT_STEP_FINISHED, "g.b"), 1);
	}
}

static void a_finally_runs_after_a_body_that_could_not_begin(void **state)
{
	static const char *const text =
		"{'name':'p','params':{'m':{'type':'object','default':{}}},"
		"'steps':[{'name':'g','group':["
		"{'name':'b','foreach':'params.m.list','exec':['ok'],"
		"'finally':[{'name':'z','exec':['ok']}]}]}]}";
	size_t keep = 0;

	(void)state;
	run_until(text, NULL);
	assert_int_equal(fake_executions(&fake, "g.b.finally.z"), 1);
	while (strcmp(fake.events[keep].path, "g.b") != 0)
		keep++;
	fake_result_fini(&result);
	result = fake_run(&fake, text, keep + 1, NULL);
	assert_string_equal(fake_error(&result, "path"), "g.b");
	assert_int_equal(fake_executions(&fake, "g.b.finally.z"), 2);
	assert_int_equal(times(FLO__EVENT_STEP_FINISHED, "g.b.finally.z"), 1);
}

int main(void)
{
#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(continue_lists_every_error_in_the_order_of_the_record),
		CASE(one_error_alone_makes_no_list),
		CASE(errors_within_the_tolerance_are_listed_once_it_is_exceeded),
		CASE(long_lists_are_cut_and_say_how_many_there_are),
		CASE(finallys_error_stands_beside_the_bodys),
		CASE(finallys_error_of_a_cancelled_block_is_told),
		CASE(finallys_error_after_a_time_limit_is_told),
		CASE(finally_sees_all_errors_of_the_body),
		CASE(a_failing_retry_when_is_no_retry_and_says_so),
		CASE(a_failing_retry_limit_is_no_retry_and_says_so),
		CASE(a_block_that_is_skipped_says_so_once),
		CASE(a_skipped_block_stays_skipped_in_a_cancelled_run),
		CASE(resume_does_not_skip_again),
		CASE(a_block_that_fails_of_itself_is_recorded),
		CASE(resume_names_the_block_that_failed_first),
		CASE(a_finally_runs_after_a_body_that_could_not_begin),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
