/*
 * Interrupts: a run that is left as it is goes on as if nothing had happened,
 * wherever it was, and nothing that failed because of it is in its record.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/run_fake.h"

#include <flo/runtime.h>

#include <string.h>

static struct fake fake;
static struct fake_result result;
static uint64_t after_ns; /* when the run is interrupted */

static void init(uint64_t seed)
{
	fake_init_with(&fake,
		       &(struct flo_runtime_options){
			       .drive = FLO_DRIVE_DETERMINISTIC, .seed = seed});
	fake.seed = seed;
}

static void fini(void)
{
	fake_result_fini(&result);
	fake_fini(&fake);
}

static void interrupt(struct flo__run *run)
{
	flo_sleep(NULL, after_ns);
	flo__run_interrupt(run, false, "interrupted by a test");
}

static const char *const whole =
	"{'name':'p','limit':3,'steps':["
	"{'name':'a','exec':['say','[1,2,3]'],'output':'json'},"
	"{'name':'f','foreach':'steps.a.output','limit':2,'steps':["
	"{'name':'x','exec':['dice','40','0'],'retry':{'limit':9}},"
	"{'name':'y','when':'item != 2','exec':['dice','40','0']}]},"
	"{'name':'g','group':[{'name':'p','exec':['dice','90','0']},"
	"{'name':'q','needs':['p'],'exec':['flaky','2'],"
	"'retry':{'limit':2,'backoff':'30ms'}},"
	"{'name':'r','exec':['exit','1'],'allow_failure':true}]}],"
	"'finally':[{'name':'z','exec':['dice','40','0']}],"
	"'output':'${{ steps.a.output }}'}";

static void assert_no_end_but_good_ones(size_t from)
{
	for (size_t i = from; i < fake.events_len; i++) {
		const struct fake_event *e = &fake.events[i];

		assert_int_not_equal(e->kind, FLO__EVENT_RUN_FINISHED);
		assert_int_not_equal(e->kind, FLO__EVENT_RUN_CANCELLING);
		if (e->kind == FLO__EVENT_STEP_FINISHED &&
		    strcmp(e->path, "g.r") != 0)
			assert_int_equal(e->status, FLO__STATE_SUCCEEDED);
	}
}

static void go_on_to_the_end(void)
{
	for (int i = 0; i < 20 && result.st == FLO_INTERRUPTED; i++) {
		size_t len = fake.events_len;

		assert_string_equal(result.err.text, "interrupted by a test");
		assert_no_end_but_good_ones(0);
		fake_result_fini(&result);
		result = fake_run(&fake, whole, len, i < 3 ? interrupt : NULL);
	}
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_state(&fake, "finally.z"), FLO__STATE_SUCCEEDED);
	assert_int_equal(fake_state(&fake, "g.r"), FLO__STATE_FAILED);
}

static void a_run_goes_on_wherever_it_was_interrupted(void **state)
{
	unsigned interrupted = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 60; seed++) {
		init(seed);
		after_ns = seed * UINT64_C(3000000);
		result = fake_run(&fake, whole, 0, interrupt);
		interrupted += result.st == FLO_INTERRUPTED;
		go_on_to_the_end();
		fini();
	}
	/* Otherwise it has shown nothing. */
	assert_true(interrupted > 20);
}

static void nothing_starts_after_an_interrupt_and_no_finally(void **state)
{
	static const char text[] = "{'name':'p','steps':[{'name':'g','group':["
				   "{'name':'h','exec':['hang']},"
				   "{'name':'n','needs':['h'],'exec':['ok']}],"
				   "'finally':[{'name':'y','exec':['ok']}]},"
				   "{'name':'b','exec':['ok']}],"
				   "'finally':[{'name':'z','exec':['ok']}]}";

	(void)state;
	init(1);
	after_ns = UINT64_C(1000000000);
	result = fake_run(&fake, text, 0, interrupt);
	assert_int_equal(result.st, FLO_INTERRUPTED);
	assert_int_equal(fake.executed_len, 1);
	assert_int_equal(fake_executions(&fake, "g.h"), 1);
	assert_int_equal(fake_state(&fake, "g.h"), FLO__STATE_NONE);
	fini();
}

static void cancel_then_interrupt(struct flo__run *run)
{
	flo_sleep(NULL, after_ns);
	flo__run_cancel(run, false, "cancelled by a test");
	flo_sleep(NULL, after_ns);
	flo__run_interrupt(run, false, "interrupted by a test");
}

static void a_cancel_that_was_interrupted_goes_on_as_one(void **state)
{
	static const char text[] =
		"{'name':'p','steps':[{'name':'a','exec':['hang']}],"
		"'finally':[{'name':'z','exec':['hang']}]}";

	(void)state;
	init(1);
	after_ns = UINT64_C(1000000000);
	result = fake_run(&fake, text, 0, cancel_then_interrupt);
	assert_int_equal(result.st, FLO_INTERRUPTED);
	assert_int_equal(fake_state(&fake, "a"), FLO__STATE_CANCELLED);
	assert_int_equal(fake_state(&fake, "finally.z"), FLO__STATE_NONE);
	fake_result_fini(&result);
	result = fake_run(&fake, text, fake.events_len, NULL);
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), "cancelled");
	assert_int_equal(fake_executions(&fake, "a"), 1);
	assert_int_equal(fake_executions(&fake, "finally.z"), 2);
	fini();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_run_goes_on_wherever_it_was_interrupted),
		cmocka_unit_test(
			nothing_starts_after_an_interrupt_and_no_finally),
		cmocka_unit_test(a_cancel_that_was_interrupted_goes_on_as_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
