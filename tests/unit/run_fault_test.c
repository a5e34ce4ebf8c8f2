/*
 * What goes wrong around a run: the store, memory, native code, sheer size.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/run_fake.h"

#include <flo/runtime.h>

#include "base/alloc.h"

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

static void start_over(void)
{
	fake_result_fini(&result);
	fake_fini(&fake);
	fake_init(&fake);
}

/* Whether the run ended, or said why not, with nothing of it alive. */
static void check_end(void)
{
	assert_int_equal(fake.running, 0);
	if (result.st == FLO_OK)
		assert_true(strlen(fake_status(&result)) > 0);
	else
		assert_null(result.result);
}

static const char *const all_kinds =
	"{'name':'p','env':{'E':'1'},'steps':["
	"{'name':'a','exec':['say','[1,2]'],'output':'json'},"
	"{'name':'f','foreach':'steps.a.output','limit':1,'steps':["
	"{'name':'x','exec':['say','${{ string(item) }}'],'output':'text'}]},"
	"{'name':'g','timeout':'10s','group':[{'name':'p','exec':['flaky','1'],"
	"'retry':{'limit':1}},{'name':'q','needs':['p'],'use':'core.set',"
	"'with':{'v':'${{ params.v }}'}},{'name':'r','exec':['ok']}],"
	"'finally':[{'name':'y','exec':['ok']}]}],"
	"'params':{'v':{'type':'integer','default':7}},"
	"'finally':[{'name':'z','exec':['ok']}],"
	"'output':{'f':'${{ steps.f.output }}','q':'${{ steps.g.output.q }}'}}";

static void any_failed_append_ends_the_run(void **state)
{
	(void)state;
	for (uint64_t at = 1; at < 40; at++) {
		start_over();
		fake.fail_at = at;
		result = fake_run(&fake, all_kinds, 0, NULL);
		check_end();
		if (result.st == FLO_OK) {
			assert_true(at > fake.events_len);
			return;
		}
		assert_int_equal(result.st, FLO_FULL);
	}
	fail();
}

static void no_step_runs_whose_start_is_not_recorded(void **state)
{
	(void)state;
	fake.fail_at = 3;
	result = fake_run(&fake,
			  "{'name':'p','steps':[{'name':'a','idempotent':false,"
			  "'exec':['ok']}]}",
			  0, NULL);
	assert_int_equal(result.st, FLO_FULL);
	assert_int_equal(fake.executed_len, 0);
}

static void any_failed_allocation_leads_to_an_end(void **state)
{
	static const char *const expected =
		"{\"f\":[{\"x\":\"1\"},{\"x\":\"2\"}],\"q\":{\"v\":7}}";

	(void)state;
	for (long at = 1; at <= 700; at++) {
		char *output = NULL;

		start_over();
		fake.alloc_fail = at;
		result = fake_run(&fake, all_kinds, 0, NULL);
		check_end();
		if (strcmp(fake_status(&result), "succeeded") == 0) {
			output = flo_value_to_json(
				flo_value_map_get(result.result, "output"));
			assert_string_equal(output, expected);
		}
		flo_free(output);
	}
}

/* Lists of errors, blocks that say something of themselves. */
static const char *const all_errors =
	"{'name':'p','params':{'m':{'type':'object','default':{}}},'steps':["
	"{'name':'w','when':'params.m == null','steps':[]},"
	"{'name':'g','on_error':'continue','limit':1,'group':["
	"{'name':'a','exec':['exit','1'],"
	"'retry':{'limit':1,'when':'params.m.no'}},"
	"{'name':'f','foreach':'params.m.list','exec':['ok']}],"
	"'finally':[{'name':'y','exec':['exit','2']}]}]}";

static void any_failed_allocation_around_errors_leads_to_an_end(void **state)
{
	(void)state;
	for (long at = 1; at <= 500; at++) {
		start_over();
		fake.alloc_fail = at;
		result = fake_run(&fake, all_errors, 0, NULL);
		check_end();
		assert_string_not_equal(fake_status(&result), "succeeded");
	}
}

static void no_failed_allocation_hides_a_failure(void **state)
{
	(void)state;
	for (long at = 1; at <= 400; at++) {
		start_over();
		fake.alloc_fail = at;
		result = fake_run(
			&fake,
			"{'name':'p','steps':[{'name':'g','max_failures':1,"
			"'group':[{'name':'a','exec':['err','no','1']},"
			"{'name':'b','exec':['err','no','1'],"
			"'retry':{'limit':1,'when':'step.kind == "
			"\\\"exit\\\"'}},{'name':'c','use':'core.fail',"
			"'with':{'message':'m'}}]}]}",
			0, NULL);
		check_end();
		assert_string_not_equal(fake_status(&result), "succeeded");
	}
}

/* Nor where it comes in the middle of a replay. */
static void no_failed_allocation_spoils_a_resume(void **state)
{
	(void)state;
	for (long at = 1; at <= 250; at++) {
		start_over();
		result = fake_run(&fake, all_kinds, 0, NULL);
		fake_result_fini(&result);
		fake.alloc_fail = at;
		result = fake_run(&fake, all_kinds, 12, NULL);
		check_end();
	}
}

static void a_panic_fails_its_step_only(void **state)
{
	(void)state;
	result = fake_run(&fake,
			  "{'name':'p','steps':[{'name':'g',"
			  "'on_error':'continue','group':["
			  "{'name':'a','use':'test.panic'},"
			  "{'name':'b','use':'test.error'},"
			  "{'name':'c','exec':['ok']}]}]}",
			  0, NULL);
	assert_string_equal(fake_status(&result), "failed");
	assert_int_equal(fake_state(&fake, "g.a"), FLO__STATE_FAILED);
	assert_int_equal(fake_state(&fake, "g.b"), FLO__STATE_FAILED);
	assert_int_equal(fake_state(&fake, "g.c"), FLO__STATE_SUCCEEDED);
}

static void a_panic_says_so(void **state)
{
	(void)state;
	result = fake_run(&fake,
			  "{'name':'p','steps':["
			  "{'name':'a','use':'test.panic'}]}",
			  0, NULL);
	assert_string_equal(fake_error(&result, "kind"), "panic");
	assert_non_null(strstr(fake_error(&result, "message"), "on purpose"));
}

static void a_large_foreach_ends(void **state)
{
	static char text[20000 * 2 + 256];

	(void)state;
	strcpy(text, "{'name':'p','steps':[{'name':'f','limit':8,'foreach':[");
	for (int i = 0; i < 20000; i++)
		strcpy(text +
			       strlen("{'name':'p','steps':[{'name':'f',"
				      "'limit':8,'foreach':[") +
			       2 * i,
		       i < 19999 ? "1," : "1");
	strcat(text, "],'use':'core.noop'}]}");
	result = fake_run(&fake, text, 0, NULL);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_count(&result, "succeeded"), 20000);
}

static void cancel_late(struct flo__run *r)
{
	while (!fake_has(&fake, FLO__EVENT_RUN_STARTED, NULL))
		flo_yield();
	for (int i = 0; i < 50; i++) {
		flo__run_cancel(r, i == 49, "late");
		flo_yield();
	}
}

/* Cancelled again and again while it ends: nothing comes after its end. */
static void run_finished_is_the_last_event(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		start_over();
		result = fake_run(&fake,
				  "{'name':'p','steps':["
				  "{'name':'a','exec':['ok']}]}",
				  0, cancel_late);
		assert_int_equal(result.st, FLO_OK);
		assert_int_equal(fake.events[fake.events_len - 1].kind,
				 FLO__EVENT_RUN_FINISHED);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(any_failed_append_ends_the_run),
		CASE(no_step_runs_whose_start_is_not_recorded),
		CASE(any_failed_allocation_leads_to_an_end),
		CASE(any_failed_allocation_around_errors_leads_to_an_end),
		CASE(no_failed_allocation_hides_a_failure),
		CASE(no_failed_allocation_spoils_a_resume),
		CASE(a_panic_fails_its_step_only),
		CASE(a_panic_says_so),
		CASE(a_large_foreach_ends),
		CASE(run_finished_is_the_last_event),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
