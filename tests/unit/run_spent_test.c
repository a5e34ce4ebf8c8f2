/*
 * What is left of time limits and back-off after a resume, on a virtual clock:
 * the time in which the run was worked on counts, the one without an engine
 * does not.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/run_fake.h"

#include <flo/runtime.h>

#include <string.h>

#define S UINT64_C(1000000000)

static struct fake fake;
static struct fake_result result;
static uint64_t began_ns, ended_ns; /* of the last run */
static uint64_t after_ns;	    /* when it is interrupted; 0: never */

static int setup(void **state)
{
	(void)state;
	fake_init_with(&fake,
		       &(struct flo_runtime_options){
			       .drive = FLO_DRIVE_DETERMINISTIC, .seed = 1});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_result_fini(&result);
	fake_fini(&fake);
	return 0;
}

static void note_now(void *arg)
{
	*(uint64_t *)arg = flo_now();
}

static void sleep_for(void *arg)
{
	flo_sleep(NULL, *(uint64_t *)arg);
}

static void interrupt(struct flo__run *run)
{
	flo_sleep(NULL, after_ns);
	flo__run_interrupt(run, false, "interrupted by a test");
}

/* Run, or go on with what is recorded; it is interrupted after @ns. */
static void run_for(const char *text, uint64_t ns)
{
	fake_result_fini(&result);
	after_ns = ns;
	flo_runtime_run(fake.rt, note_now, &began_ns);
	result = fake_run(&fake, text, fake.events_len,
			  ns != 0 ? interrupt : NULL);
	flo_runtime_run(fake.rt, note_now, &ended_ns);
}

static void nobody_for(uint64_t ns)
{
	flo_runtime_run(fake.rt, sleep_for, &ns);
}

/* To the millisecond: the dates of events have no more. */
static void assert_took(uint64_t ns)
{
	uint64_t took = ended_ns - began_ns;

	assert_in_range(took, ns - S / 500, ns + S / 500);
}

static void a_back_off_ends_when_it_would_have(void **state)
{
	static const char text[] =
		"{'name':'p','steps':[{'name':'a','exec':['flaky','1'],"
		"'retry':{'limit':1,'backoff':'10s'}}]}";

	(void)state;
	run_for(text, 3 * S);
	assert_int_equal(result.st, FLO_INTERRUPTED);
	nobody_for(2 * S);
	run_for(text, 0);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_took(5 * S);
}

static void a_back_off_that_is_over_is_not_waited_for(void **state)
{
	static const char text[] =
		"{'name':'p','steps':[{'name':'a','exec':['flaky','1'],"
		"'retry':{'limit':1,'backoff':'10s'}}]}";

	(void)state;
	run_for(text, 3 * S);
	nobody_for(3600 * S);
	run_for(text, 0);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_took(0 + S / 500);
}

static void a_back_off_under_way_holds_no_slot(void **state)
{
	static const char text[] =
		"{'name':'p','steps':[{'name':'g','limit':1,'group':["
		"{'name':'a','exec':['flaky','1'],"
		"'retry':{'limit':1,'backoff':'10s'}},"
		"{'name':'b','use':'core.sleep','with':{'duration':'8s'}}]}]}";

	(void)state;
	run_for(text, 1 * S);
	run_for(text, 0);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_took(9 * S);
}

/* Two steps, so that a record of how long the first one took exists. */
static const char run_limit[] =
	"{'name':'p','timeout':'10s','steps':["
	"{'name':'a','use':'core.sleep','with':{'duration':'6s'}},"
	"{'name':'b','exec':['hang']}]}";

static void the_time_a_run_was_worked_on_counts(void **state)
{
	(void)state;
	run_for(run_limit, 7 * S);
	assert_int_equal(result.st, FLO_INTERRUPTED);
	nobody_for(3600 * S);
	run_for(run_limit, 0);
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_took(4 * S);
}

static const char block_limit[] =
	"{'name':'p','steps':["
	"{'name':'w','use':'core.sleep','with':{'duration':'5s'}},"
	"{'name':'s','timeout':'10s','steps':["
	"{'name':'a','use':'core.sleep','with':{'duration':'6s'}},"
	"{'name':'b','exec':['hang']}]}]}";

static void the_time_a_block_was_worked_on_counts(void **state)
{
	(void)state;
	run_for(block_limit, 12 * S);
	assert_int_equal(result.st, FLO_INTERRUPTED);
	nobody_for(3600 * S);
	run_for(block_limit, 0);
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_string_equal(fake_error(&result, "path"), "s");
	assert_took(4 * S);
}

static void a_block_that_was_done_does_not_run_out_of_time(void **state)
{
	static const char text[] =
		"{'name':'p','steps':["
		"{'name':'s','timeout':'6s','steps':["
		"{'name':'a','use':'core.sleep','with':{'duration':'5s'}},"
		"{'name':'e','foreach':[],'exec':['ok']}]},"
		"{'name':'t','use':'core.sleep','with':{'duration':'60s'}},"
		"{'name':'u','use':'core.sleep','with':{'duration':'60s'}}]}";

	(void)state;
	run_for(text, 90 * S);
	assert_int_equal(result.st, FLO_INTERRUPTED);
	run_for(text, 0);
	assert_string_equal(fake_status(&result), "succeeded");
}

static void the_time_without_an_engine_does_not_count(void **state)
{
	static const char text[] =
		"{'name':'p','timeout':'100s','steps':["
		"{'name':'a','use':'core.sleep','with':{'duration':'30s'}},"
		"{'name':'b','use':'core.sleep','with':{'duration':'30s'}},"
		"{'name':'c','use':'core.sleep','with':{'duration':'30s'}}]}";

	(void)state;
	/* Interrupted in each step: what was lost of one is not counted. */
	run_for(text, 40 * S);
	nobody_for(1000 * S);
	run_for(text, 40 * S);
	nobody_for(1000 * S);
	run_for(text, 0);
	assert_string_equal(fake_status(&result), "succeeded");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_back_off_ends_when_it_would_have),
		CASE(a_back_off_that_is_over_is_not_waited_for),
		CASE(a_back_off_under_way_holds_no_slot),
		CASE(the_time_a_run_was_worked_on_counts),
		CASE(the_time_a_block_was_worked_on_counts),
		CASE(a_block_that_was_done_does_not_run_out_of_time),
		CASE(the_time_without_an_engine_does_not_count),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
