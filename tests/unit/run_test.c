/*
 * The errgroup rules of the language, on a faked world: what starts, what is
 * cancelled, what a run says in the end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/run_fake.h"

#include "base/contract.h"
#include "base/strbuf.h"
#include "engine/sched/gmp_p.h"

#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

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

static void run(const char *text)
{
	result = fake_run(&fake, text, 0, NULL);
	assert_int_equal(result.st, FLO_OK);
}

static const flo_value *output(void)
{
	return flo_value_map_get(result.result, "output");
}

static void sequence_runs_in_order_and_passes_outputs(void **state)
{
	(void)state;
	run("{'name':'p','steps':["
	    "{'name':'a','exec':['say','one'],'output':'text'},"
	    "{'name':'b','exec':['say','${{ steps.a.output }} two'],"
	    "'output':'text'},{'name':'c','exec':['ok']}],"
	    "'output':{'b':'${{ steps.b.output }}'}}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_order(&fake, "a"), 0);
	assert_int_equal(fake_order(&fake, "b"), 1);
	assert_int_equal(fake_order(&fake, "c"), 2);
	assert_string_equal(
		flo_value_get_string(flo_value_map_get(output(), "b"), NULL),
		"one two");
	assert_int_equal(fake_count(&result, "succeeded"), 3);
}

static void failed_step_stops_its_sequence(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['err','boom\\n','3']},"
	    "{'name':'b','exec':['ok']}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "path"), "a");
	assert_string_equal(fake_error(&result, "kind"), "exit");
	assert_string_equal(fake_error(&result, "message"), "exit code 3");
	assert_string_equal(fake_error(&result, "stderr_tail"), "boom");
	assert_int_equal(fake_order(&fake, "b"), -1);
	assert_int_equal(fake_count(&result, "cancelled"), 1);
	assert_false(fake_has(&fake, FLO__EVENT_STEP_FINISHED, "b"));
}

static void signal_is_not_an_exit_code(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['sig','11']}]}");
	assert_string_equal(fake_error(&result, "kind"), "signal");
	assert_string_equal(fake_error(&result, "message"), "ended by SIGSEGV");
}

static void missing_program_is_a_spawn_error(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['missing']}]}");
	assert_string_equal(fake_error(&result, "kind"), "spawn");
}

static void first_failure_cancels_siblings(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'g','group':["
	    "{'name':'slow','exec':['hang']},"
	    "{'name':'bad','exec':['exit','1']},"
	    "{'name':'later','needs':['slow'],'exec':['ok']}]}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "path"), "g.bad");
	assert_int_equal(fake_state(&fake, "g.slow"), FLO__STATE_CANCELLED);
	assert_int_equal(fake_order(&fake, "g.later"), -1);
	assert_int_equal(fake_count(&result, "cancelled"), 2);
	assert_int_equal(fake_count(&result, "failed"), 1);
}

static void limit_bounds_those_running(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'f','limit':2,"
	    "'foreach':[1,2,3,4,5,6,7,8],'exec':['ok']}]}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_true(fake.running_max <= 2);
	assert_int_equal(fake_count(&result, "succeeded"), 8);
}

/* A foreach without a limit: @n - 1 items that are @word, and one @last. */
static void run_foreach(unsigned n, const char *word, const char *last,
			const char *body)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_adds(&sb, "{'name':'p','limit':100000,'steps':["
			      "{'name':'f','foreach':[");
	for (unsigned i = 1; i < n; i++)
		flo__strbuf_addf(&sb, "'%s',", word);
	flo__strbuf_addf(&sb, "'%s'],%s}]}", last, body);
	run(sb.data);
	flo__strbuf_fini(&sb);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_count(&result, "succeeded"), n);
}

/* More than may be on their way at once: those that work are not counted, or
 * the last one would never open the gate for the others. */
static void without_a_limit_all_leaves_work_at_once(void **state)
{
	(void)state;
	run_foreach(560, "wait", "post", "'exec':['${{ item }}','a']");
	/* 256 may not have begun yet when the gate was opened. */
	assert_true(fake.running_max >= 560 - 256);
}

static void without_a_limit_all_blocks_work_at_once(void **state)
{
	(void)state;
	run_foreach(560, "wait", "post",
		    "'steps':[{'name':'s','exec':['${{ item }}','b']}]");
	assert_true(fake.running_max >= 560 - 256);
}

/* Each kept a stack while it queued for what it did not get: 20 kB each. */
static void members_on_their_way_are_few(void **state)
{
	struct rusage usage;

	(void)state;
	run_foreach(10000, "ok", "ok", "'exec':['${{ item }}']");
	getrusage(RUSAGE_SELF, &usage);
/* Sanitizers keep memory of their own. */
#if !defined(FLO__ASAN) && !defined(FLO__TSAN)
	assert_true(usage.ru_maxrss < 100 * 1024);
#endif
}

static void limit_starts_in_item_order(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'f','limit':1,"
	    "'foreach':[5,6,7],'exec':['ok']}]}");
	assert_int_equal(fake_order(&fake, "f[0]"), 0);
	assert_int_equal(fake_order(&fake, "f[1]"), 1);
	assert_int_equal(fake_order(&fake, "f[2]"), 2);
}

/* The number in "f[12]". */
static long item_of(const char *path)
{
	return strtol(path + 2, NULL, 10);
}

static void starts_are_recorded_in_written_order(void **state)
{
	long next = 0;

	(void)state;
	run("{'name':'p','limit':40,'steps':[{'name':'f','foreach':[0,1,2,3,4,"
	    "5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,"
	    "28,29],'exec':['ok']}]}");
	for (size_t i = 0; i < fake.events_len; i++) {
		if (fake.events[i].kind == FLO__EVENT_STEP_STARTED)
			assert_int_equal(item_of(fake.events[i].path), next++);
	}
	assert_int_equal(next, 30);
}

static void a_limit_computed_to_be_none_is_an_error(void **state)
{
	(void)state;
	run("{'name':'p','params':{'n':{'type':'integer','default':0}},"
	    "'steps':[{'name':'f','foreach':[0,1],'limit':'${{ params.n }}',"
	    "'exec':['ok']}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "path"), "f");
	assert_non_null(strstr(fake_error(&result, "message"), "limit: 0"));
}

static void retry_without_back_off_comes_first(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'f','foreach':[0,1],'limit':1,"
	    "'on_error':'drain','retry':{'limit':1},'exec':['exit','1']}]}");
	assert_int_equal(fake_executions(&fake, "f[0]"), 2);
	assert_int_equal(fake_executions(&fake, "f[1]"), 0);
}

static void run_limit_counts_leaves(void **state)
{
	(void)state;
	run("{'name':'p','limit':1,'steps':[{'name':'g','group':["
	    "{'name':'a','steps':[{'name':'x','exec':['ok']},"
	    "{'name':'y','exec':['ok']}]},"
	    "{'name':'b','exec':['ok']},{'name':'c','exec':['ok']}]}]}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake.running_max, 1);
}

static void needs_make_a_dag(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'g','group':["
	    "{'name':'d','needs':['b','c'],'exec':['ok']},"
	    "{'name':'b','needs':['a'],'exec':['ok']},"
	    "{'name':'c','needs':['a'],'exec':['ok']},"
	    "{'name':'a','exec':['ok']}]}]}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_order(&fake, "g.a"), 0);
	assert_int_equal(fake_order(&fake, "g.d"), 3);
}

static void foreach_yields_outputs_in_item_order(void **state)
{
	const flo_value *list;

	(void)state;
	run("{'name':'p','steps':[{'name':'f','foreach':['x','y'],'as':'i',"
	    "'exec':['say','${{ i }}${{ string(index) }}'],'output':'text'}],"
	    "'output':'${{ steps.f.output }}'}");
	list = output();
	assert_int_equal(flo_value_len(list), 2);
	assert_string_equal(flo_value_get_string(flo_value_list_at(list, 0),
						 NULL),
			    "x0");
	assert_string_equal(flo_value_get_string(flo_value_list_at(list, 1),
						 NULL),
			    "y1");
}

static void foreach_of_blocks_has_item_paths(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'l','exec':['say','[1,2]'],"
	    "'output':'json'},{'name':'f','foreach':'steps.l.output','steps':["
	    "{'name':'a','exec':['ok']},{'name':'b','exec':['ok']}]}]}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_state(&fake, "f[1].b"), FLO__STATE_SUCCEEDED);
	assert_int_equal(fake_count(&result, "succeeded"), 5);
}

static void empty_foreach_succeeds(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'f','foreach':[],'exec':['ok']}],"
	    "'output':'${{ steps.f.output }}'}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(flo_value_len(output()), 0);
}

static void allowed_failure_is_no_error(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['exit','1'],"
	    "'allow_failure':true},{'name':'b','exec':['ok']}]}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_state(&fake, "a"), FLO__STATE_FAILED);
	assert_int_equal(fake_state(&fake, "b"), FLO__STATE_SUCCEEDED);
}

static void drain_lets_the_running_finish(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'g','on_error':'drain','limit':2,"
	    "'group':[{'name':'slow','exec':['wait','a']},"
	    "{'name':'bad','steps':[{'name':'x','exec':['post','a']},"
	    "{'name':'y','exec':['exit','1']}]},"
	    "{'name':'late','needs':['slow','bad'],'exec':['ok']}]}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_int_equal(fake_state(&fake, "g.slow"), FLO__STATE_SUCCEEDED);
	assert_int_equal(fake_order(&fake, "g.late"), -1);
}

static void continue_runs_what_does_not_depend(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'g','on_error':'continue',"
	    "'group':[{'name':'bad','exec':['exit','1']},"
	    "{'name':'dep','needs':['bad'],'exec':['ok']},"
	    "{'name':'dep2','needs':['dep'],'exec':['ok']},"
	    "{'name':'free','exec':['ok']}]}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_int_equal(fake_state(&fake, "g.free"), FLO__STATE_SUCCEEDED);
	assert_int_equal(fake_count(&result, "blocked"), 2);
	assert_int_equal(fake_count(&result, "failed"), 1);
}

static void failures_within_max_failures_are_tolerated(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'f','max_failures':1,'limit':1,"
	    "'foreach':[1,0,0],'exec':['exit','${{ item }}']}]}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_count(&result, "failed"), 1);
	assert_int_equal(fake_count(&result, "succeeded"), 2);
}

static void retry_tries_again(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['flaky','2'],"
	    "'retry':{'limit':3,'backoff':'1ms'}}]}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_executions(&fake, "a"), 3);
	assert_true(fake_has(&fake, FLO__EVENT_STEP_RETRYING, "a"));
}

static void retry_gives_up_at_its_limit(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['exit','1'],"
	    "'retry':{'limit':2,'backoff':'1ms'}}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_int_equal(fake_executions(&fake, "a"), 3);
}

static void retry_frees_its_slot_meanwhile(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'g','limit':1,'group':["
	    "{'name':'a','exec':['flaky','1'],"
	    "'retry':{'limit':1,'backoff':'20ms'}},"
	    "{'name':'b','exec':['ok']}]}]}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_order(&fake, "g.b"), 1);
	assert_int_equal(fake_executions(&fake, "g.a"), 2);
	assert_int_equal(fake.running_max, 1);
}

static void retry_when_decides(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['exit','7'],"
	    "'retry':{'limit':3,'backoff':'1ms','when':'step.exit_code == 1'}}"
	    "]}");
	assert_int_equal(fake_executions(&fake, "a"), 1);
}

static void skipped_counts_as_success(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','when':'1 == 2','exec':['ok']},"
	    "{'name':'b','exec':['ok']},{'name':'c','when':'false','steps':["
	    "{'name':'x','exec':['ok']}]}]}");
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_state(&fake, "a"), FLO__STATE_SKIPPED);
	assert_int_equal(fake_count(&result, "skipped"), 2);
}

static void step_timeout_is_a_failure(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','timeout':'5ms',"
	    "'exec':['hang']}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_string_equal(fake_error(&result, "path"), "a");
}

static void block_timeout_fails_the_block(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'s','timeout':'5ms','steps':["
	    "{'name':'a','exec':['hang']},{'name':'b','exec':['ok']}]}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_string_equal(fake_error(&result, "path"), "s");
	assert_int_equal(fake_state(&fake, "s.a"), FLO__STATE_CANCELLED);
}

static void run_timeout_fails_the_run(void **state)
{
	(void)state;
	run("{'name':'p','timeout':'5ms','steps':["
	    "{'name':'a','exec':['hang']}],"
	    "'finally':[{'name':'f','exec':['ok']}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_int_equal(fake_state(&fake, "finally.f"), FLO__STATE_SUCCEEDED);
}

static void finally_sees_how_the_body_ended(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['exit','1']},"
	    "{'name':'b','exec':['ok']}],'finally':["
	    "{'name':'f','when':'run.status == \\\"failed\\\" && "
	    "run.error.path == \\\"a\\\" && steps.b.status == \\\"cancelled\\\"',"
	    "'exec':['ok']},"
	    "{'name':'g','when':'run.status == \\\"succeeded\\\"',"
	    "'exec':['ok']}]}");
	assert_int_equal(fake_state(&fake, "finally.f"), FLO__STATE_SUCCEEDED);
	assert_int_equal(fake_state(&fake, "finally.g"), FLO__STATE_SKIPPED);
	assert_string_equal(fake_error(&result, "path"), "a");
}

static void failing_finally_fails_a_run_that_succeeded(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['ok']}],"
	    "'finally':[{'name':'f','exec':['exit','1']}]}");
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "path"), "finally.f");
}

static void cancel_stop(struct flo__run *r)
{
	while (fake_executions(&fake, "a") == 0)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

static void cancel_stops_steps_and_runs_finally(void **state)
{
	(void)state;
	result = fake_run(&fake,
			  "{'name':'p','steps':[{'name':'a','exec':['hang']},"
			  "{'name':'b','exec':['ok']}],"
			  "'finally':[{'name':'f','exec':['ok']}]}",
			  0, cancel_stop);
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), "cancelled");
	assert_int_equal(fake_state(&fake, "a"), FLO__STATE_CANCELLED);
	assert_int_equal(fake_order(&fake, "b"), -1);
	assert_int_equal(fake_state(&fake, "finally.f"), FLO__STATE_SUCCEEDED);
	assert_true(fake_has(&fake, FLO__EVENT_RUN_CANCELLING, NULL));
}

static void cancel_after_failure(struct flo__run *r)
{
	while (!fake_has(&fake, FLO__EVENT_STEP_FINISHED, "g.a") ||
	       fake_executions(&fake, "g.b") == 0)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

static void a_cancel_within_a_failure_that_is_allowed_counts(void **state)
{
	(void)state;
	result = fake_run(&fake,
			  "{'name':'p','steps':[{'name':'g','group':["
			  "{'name':'a','exec':['exit','1']},"
			  "{'name':'b','exec':['hang']}],"
			  "'on_error':'continue','allow_failure':true}],"
			  "'finally':[{'name':'c','exec':['ok'],"
			  "'when':'run.status == \\\"cancelled\\\"'}],"
			  "'output':1}",
			  0, cancel_after_failure);
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), "cancelled");
	assert_string_equal(fake_error(&result, "kind"), "cancelled");
	assert_string_equal(fake_error(&result, "message"),
			    "cancelled by a test");
	assert_int_equal(fake_state(&fake, "finally.c"), FLO__STATE_SUCCEEDED);
}

static void cancel_kill(struct flo__run *r)
{
	while (fake_executions(&fake, "a") == 0)
		flo_yield();
	flo__run_cancel(r, true, "killed by a test");
}

static void kill_runs_no_finally(void **state)
{
	(void)state;
	result = fake_run(&fake,
			  "{'name':'p','steps':[{'name':'a','exec':['hang']}],"
			  "'finally':[{'name':'f','exec':['ok']}]}",
			  0, cancel_kill);
	assert_string_equal(fake_status(&result), "cancelled");
	assert_int_equal(fake_order(&fake, "finally.f"), -1);
}

static void store_failure_leaves_the_run_without_an_end(void **state)
{
	(void)state;
	fake.fail_at = 4;
	result = fake_run(&fake,
			  "{'name':'p','steps':[{'name':'a','exec':['ok']},"
			  "{'name':'b','exec':['ok']}]}",
			  0, NULL);
	assert_int_equal(result.st, FLO_FULL);
	assert_string_equal(result.err.text, "the disk is full");
	assert_null(result.result);
	assert_int_equal(fake_order(&fake, "b"), -1);
}

static void bad_output_fails_the_step(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['say','{'],"
	    "'output':'json'}]}");
	assert_string_equal(fake_error(&result, "kind"), "output");
}

static void too_much_output_fails_the_step(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['say','12345'],"
	    "'output':'text','output_limit':'4B'}]}");
	assert_string_equal(fake_error(&result, "kind"), "output");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(sequence_runs_in_order_and_passes_outputs),
		CASE(failed_step_stops_its_sequence),
		CASE(signal_is_not_an_exit_code),
		CASE(missing_program_is_a_spawn_error),
		CASE(first_failure_cancels_siblings),
		CASE(limit_bounds_those_running),
		CASE(without_a_limit_all_leaves_work_at_once),
		CASE(without_a_limit_all_blocks_work_at_once),
		CASE(members_on_their_way_are_few),
		CASE(limit_starts_in_item_order),
		CASE(starts_are_recorded_in_written_order),
		CASE(a_limit_computed_to_be_none_is_an_error),
		CASE(retry_without_back_off_comes_first),
		CASE(run_limit_counts_leaves),
		CASE(needs_make_a_dag),
		CASE(foreach_yields_outputs_in_item_order),
		CASE(foreach_of_blocks_has_item_paths),
		CASE(empty_foreach_succeeds),
		CASE(allowed_failure_is_no_error),
		CASE(drain_lets_the_running_finish),
		CASE(continue_runs_what_does_not_depend),
		CASE(failures_within_max_failures_are_tolerated),
		CASE(retry_tries_again),
		CASE(retry_gives_up_at_its_limit),
		CASE(retry_frees_its_slot_meanwhile),
		CASE(retry_when_decides),
		CASE(skipped_counts_as_success),
		CASE(step_timeout_is_a_failure),
		CASE(block_timeout_fails_the_block),
		CASE(run_timeout_fails_the_run),
		CASE(finally_sees_how_the_body_ended),
		CASE(failing_finally_fails_a_run_that_succeeded),
		CASE(cancel_stops_steps_and_runs_finally),
		CASE(a_cancel_within_a_failure_that_is_allowed_counts),
		CASE(kill_runs_no_finally),
		CASE(store_failure_leaves_the_run_without_an_end),
		CASE(bad_output_fails_the_step),
		CASE(too_much_output_fails_the_step),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
