/*
 * Resume: from wherever the record breaks off, a run ends as it would have.
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
static struct fake_shown shown;

/* The runtime of fakes that are made from now on; NULL: the usual one. */
static const struct flo_runtime_options *made_with;

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	made_with = NULL;
	fake_result_fini(&result);
	fake_fini(&fake);
	return 0;
}

static void start_over(void)
{
	fake_result_fini(&result);
	fake_fini(&fake);
	if (made_with != NULL)
		fake_init_with(&fake, made_with);
	else
		fake_init(&fake);
}

/* Time limits end nothing that could still go on, however busy the machine. */
static void take_virtual_clock(void)
{
	static const struct flo_runtime_options virtual = {
		.drive = FLO_DRIVE_DETERMINISTIC, .seed = 1};

	made_with = &virtual;
	start_over();
}

static void run(const char *text)
{
	result = fake_run(&fake, text, 0, NULL);
	assert_int_equal(result.st, FLO_OK);
}

static void cancel_stop(struct flo__run *r)
{
	while (fake_executions(&fake, "a") == 0)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

static void cancel_hang(struct flo__run *r)
{
	while (fake_executions(&fake, "g.t.h") == 0 ||
	       fake_state(&fake, "g.s.o") == FLO__STATE_NONE)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

static const char *const whole =
	"{'name':'p','limit':3,'steps':["
	"{'name':'a','exec':['say','[1,2,3]'],'output':'json'},"
	"{'name':'f','foreach':'steps.a.output','limit':2,'steps':["
	"{'name':'x','exec':['say','${{ string(item) }}'],'output':'text'},"
	"{'name':'y','when':'item != 2','exec':['ok']}]},"
	"{'name':'g','group':[{'name':'p','exec':['ok']},"
	"{'name':'q','needs':['p'],'exec':['exit','1'],'allow_failure':true},"
	"{'name':'r','exec':['ok']}]}],"
	"'finally':[{'name':'z','exec':['ok']}],"
	"'output':'${{ steps.f.output }}'}";

/* How often each path was recorded succeeded among the first @n events. */
static bool succeeded_before(const struct fake_event *events, size_t n,
			     const char *path)
{
	for (size_t i = 0; i < n; i++) {
		if (events[i].kind == FLO__EVENT_STEP_FINISHED &&
		    events[i].status == FLO__STATE_SUCCEEDED &&
		    strcmp(events[i].path, path) == 0)
			return true;
	}
	return false;
}

/* Run @text, then again from every prefix of its record. */
static void resume_everywhere(const char *text, const char *status)
{
	size_t total;
	char *output_json, *error_path, *error_kind;

	run(text);
	assert_string_equal(fake_status(&result), status);
	output_json =
		flo_value_to_json(flo_value_map_get(result.result, "output"));
	total = fake.events_len;
	error_path = strdup(fake_error(&result, "path"));
	error_kind = strdup(fake_error(&result, "kind"));
	for (size_t keep = 1; keep < total; keep++) {
		char *again;

		start_over();
		run(text);
		fake_result_fini(&result);
		if (keep >= fake.events_len)
			continue;
		fake.executed_len = 0;
		result = fake_run(&fake, text, keep, NULL);
		assert_int_equal(result.st, FLO_OK);
		assert_string_equal(fake_status(&result), status);
		again = flo_value_to_json(
			flo_value_map_get(result.result, "output"));
		assert_string_equal(again, output_json);
		assert_string_equal(fake_error(&result, "path"), error_path);
		assert_string_equal(fake_error(&result, "kind"), error_kind);
		flo_free(again);
		for (size_t i = 0; i < fake.executed_len; i++)
			assert_false(succeeded_before(fake.events, keep,
						      fake.executed[i]));
	}
	flo_free(output_json);
	free(error_path);
	free(error_kind);
}

static void resume_ends_alike_from_every_prefix(void **state)
{
	(void)state;
	resume_everywhere(whole, "succeeded");
}

/* Also after a record in which the step is ended but not the block. */
static void a_time_limit_within_a_failure_that_is_allowed_counts(void **state)
{
	static const char *const text =
		"{'name':'p','steps':[{'name':'b','timeout':'20ms','steps':["
		"{'name':'g','allow_failure':true,'on_error':'continue','group':["
		"{'name':'x','exec':['exit','1']},"
		"{'name':'y','exec':['hang']}]}]},"
		"{'name':'c','exec':['ok']}]}";

	(void)state;
	take_virtual_clock();
	resume_everywhere(text, "failed");
	assert_int_equal(fake_order(&fake, "c"), -1);
	start_over();
	run(text);
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_string_equal(fake_error(&result, "path"), "b");
	fake_inspect(&fake, text, fake.events_len, true, &shown);
	assert_int_equal(fake_shown_state(&shown, "b"), FLO__STATE_FAILED);
	assert_int_equal(fake_shown_state(&shown, "c"), FLO__STATE_CANCELLED);
}

/* Virtual time, and which of those that wait for a slot comes first drawn. */
static void draw(uint64_t seed)
{
	static struct flo_runtime_options drawn;

	drawn = (struct flo_runtime_options){.drive = FLO_DRIVE_DETERMINISTIC,
					     .seed = seed};
	made_with = &drawn;
	start_over();
}

/* The run's one slot is taken when "y" is to start, and for longer than "b" has
 * time. Whether "x" has had it before is drawn. */
static const char *const kept =
	"{'name':'p','limit':1,'steps':[{'name':'o','on_error':'continue',"
	"'group':[{'name':'b','timeout':'20ms','steps':["
	"{'name':'g','allow_failure':true,'on_error':'continue','limit':1,"
	"'group':[{'name':'x','exec':['exit','1']},"
	"{'name':'y','exec':['hang']}]}]},"
	"{'name':'s','timeout':'60ms','allow_failure':true,'exec':['hang']}"
	"]},{'name':'c','exec':['ok']}],"
	"'finally':[{'name':'z','exec':['ok']}]}";

/* A step that it did not let start was not done, as one that it stopped. */
static void a_time_limit_counts_that_keeps_a_step_from_starting(void **state)
{
	unsigned behind_a_failure = 0, alone = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		draw(seed);
		run(kept);
		assert_string_equal(fake_status(&result), "failed");
		assert_string_equal(fake_error(&result, "kind"), "timeout");
		assert_string_equal(fake_error(&result, "path"), "o.b");
		assert_int_equal(fake_order(&fake, "c"), -1);
		assert_int_equal(fake_order(&fake, "o.b.g.y"), -1);
		behind_a_failure += fake_order(&fake, "o.b.g.x") >= 0;
		alone += fake_order(&fake, "o.b.g.x") < 0;
		fake_inspect(&fake, kept, fake.events_len, true, &shown);
		assert_int_equal(fake_shown_state(&shown, "o.b"),
				 FLO__STATE_FAILED);
		assert_int_equal(fake_shown_state(&shown, "o.b.g.y"),
				 FLO__STATE_CANCELLED);
		assert_int_equal(fake_shown_state(&shown, "c"),
				 FLO__STATE_CANCELLED);
	}
	assert_true(behind_a_failure > 0 && alone > 0);
}

/* Whatever had been recorded of that; and once the block has failed nothing in
 * it starts any more. */
static void resume_knows_what_a_time_limit_kept_from_starting(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		size_t failed = 0, total;

		draw(seed);
		resume_everywhere(kept, "failed");
		start_over();
		run(kept);
		total = fake.events_len;
		while (failed < total &&
		       (fake.events[failed].kind != FLO__EVENT_STEP_FINISHED ||
			strcmp(fake.events[failed].path, "o.b") != 0))
			failed++;
		assert_true(failed < total);
		for (size_t keep = failed + 1; keep < total; keep++) {
			start_over();
			run(kept);
			fake_result_fini(&result);
			fake.executed_len = 0;
			result = fake_run(&fake, kept, keep, NULL);
			assert_string_equal(fake_status(&result), "failed");
			assert_int_equal(fake_executions(&fake, "o.b.g.x"), 0);
			assert_int_equal(fake_executions(&fake, "o.b.g.y"), 0);
		}
	}
}

static void a_time_limit_of_finally_counts_as_well(void **state)
{
	(void)state;
	take_virtual_clock();
	resume_everywhere(
		"{'name':'p','steps':[{'name':'a','exec':['ok']}],"
		"'finally':{'timeout':'20ms','steps':["
		"{'name':'g','allow_failure':true,'on_error':'continue','group':["
		"{'name':'x','exec':['exit','1']},"
		"{'name':'y','exec':['hang']}]}]}}",
		"failed");
	assert_string_equal(fake_error(&result, "kind"), "timeout");
}

static void resume_of_a_failed_group_starts_nothing_new(void **state)
{
	(void)state;
	resume_everywhere("{'name':'p','steps':[{'name':'g','limit':1,"
			  "'group':[{'name':'a','exec':['ok']},"
			  "{'name':'b','exec':['exit','1']},"
			  "{'name':'c','exec':['ok']}]},"
			  "{'name':'d','exec':['ok']}],"
			  "'finally':[{'name':'z','exec':['ok']}]}",
			  "failed");
	assert_int_equal(fake_order(&fake, "g.c"), -1);
	assert_int_equal(fake_order(&fake, "d"), -1);
}

static void resume_counts_lost_attempts_apart(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['ok']}]}");
	fake_result_fini(&result);
	/* queued, started, step.started: the crash came here */
	result = fake_run(&fake,
			  "{'name':'p','steps':[{'name':'a','exec':['exit',"
			  "'1'],'retry':{'limit':1,'backoff':'1ms'}}]}",
			  3, NULL);
	assert_true(fake_has(&fake, FLO__EVENT_STEP_LOST, "a"));
	/* once before, and twice since: limit 1 means two tries */
	assert_int_equal(fake_executions(&fake, "a"), 3);
	assert_string_equal(fake_status(&result), "failed");
}

static void resume_of_a_cancelled_run_goes_on_cancelling(void **state)
{
	const char *text = "{'name':'p','steps':[{'name':'a','exec':['hang']},"
			   "{'name':'b','exec':['ok']}]}";

	(void)state;
	result = fake_run(&fake, text, 0, cancel_stop);
	fake_result_fini(&result);
	/* without run.finished */
	result = fake_run(&fake, text, fake.events_len - 1, NULL);
	assert_string_equal(fake_status(&result), "cancelled");
	assert_int_equal(fake_order(&fake, "b"), -1);
}

static void resume_with_retries_ends_alike(void **state)
{
	(void)state;
	resume_everywhere("{'name':'p','steps':[{'name':'g','limit':2,"
			  "'group':[{'name':'a','exec':['exit','1'],"
			  "'allow_failure':true,"
			  "'retry':{'limit':2,'backoff':'1ms'}},"
			  "{'name':'b','needs':['a'],'exec':['exit','2'],"
			  "'retry':{'limit':1}},"
			  "{'name':'c','needs':['b'],'exec':['ok']}]}]}",
			  "failed");
}

static void resume_under_continue_ends_alike(void **state)
{
	(void)state;
	resume_everywhere("{'name':'p','steps':[{'name':'g',"
			  "'on_error':'continue','limit':1,'group':["
			  "{'name':'a','exec':['exit','1']},"
			  "{'name':'b','needs':['a'],'exec':['ok']},"
			  "{'name':'s','on_error':'continue','steps':["
			  "{'name':'x','exec':['exit','1']},"
			  "{'name':'y','exec':['ok']}]},"
			  "{'name':'c','exec':['ok']}]}]}",
			  "failed");
	assert_int_equal(fake_count(&result, "blocked"), 2);
}

static void resume_under_drain_ends_alike(void **state)
{
	(void)state;
	resume_everywhere("{'name':'p','steps':[{'name':'g',"
			  "'on_error':'drain','limit':1,'group':["
			  "{'name':'s','steps':[{'name':'x','exec':['ok']}]},"
			  "{'name':'a','exec':['exit','1']},"
			  "{'name':'e','foreach':[],'steps':["
			  "{'name':'x','exec':['ok']}]},"
			  "{'name':'t','steps':[{'name':'x','exec':['ok']}]},"
			  "{'name':'c','exec':['ok']}]}]}",
			  "failed");
	assert_int_equal(fake_order(&fake, "g.c"), -1);
	assert_int_equal(fake_order(&fake, "g.t.x"), -1);
}

static void resume_within_a_tolerance_ends_alike(void **state)
{
	(void)state;
	resume_everywhere("{'name':'p','steps':[{'name':'f','max_failures':1,"
			  "'foreach':[0,1,0],'group':["
			  "{'name':'a','exec':['exit','${{ item }}']},"
			  "{'name':'b','exec':['exit','${{ item }}']}],"
			  "'on_error':'continue'},"
			  "{'name':'z','exec':['ok']}]}",
			  "succeeded");
}

/* Two failures of one member are one failure of the block. */
/*
 * "a" fails behind "c", so it is the one too many, though written before. Of
 * the record all is kept up to each event after that.
 */
static void resume_tolerates_those_that_failed_first(void **state)
{
	static const char text[] =
		"{'name':'p','steps':[{'name':'g','max_failures':1,"
		"'on_error':'continue','limit':1,'group':["
		"{'name':'a','exec':['exit','1'],"
		"'retry':{'limit':1,'backoff':'10ms'}},"
		"{'name':'b','needs':['a'],'exec':['ok']},"
		"{'name':'c','exec':['exit','1']},"
		"{'name':'d','needs':['c'],'exec':['ok']}]}],"
		"'finally':[{'name':'y','exec':['ok']},"
		"{'name':'z','exec':['ok']}]}";
	size_t failed = 0, total;

	(void)state;
	run(text);
	total = fake.events_len;
	for (size_t i = 0; i < total; i++) {
		if (fake.events[i].status == FLO__STATE_FAILED &&
		    fake.events[i].path[0] != '\0')
			failed = i + 1;
	}
	assert_string_equal(fake.events[failed - 1].path, "g.a");
	for (size_t keep = failed; keep < total; keep++) {
		start_over();
		run(text);
		fake_result_fini(&result);
		result = fake_run(&fake, text, keep, NULL);
		assert_int_equal(result.st, FLO_OK);
		assert_string_equal(fake_error(&result, "path"), "g.a");
		assert_int_equal(fake_state(&fake, "g.b"), FLO__STATE_NONE);
		assert_int_equal(fake_state(&fake, "g.d"),
				 FLO__STATE_SUCCEEDED);
		assert_int_equal(fake_count(&result, "blocked"), 1);
	}
}

static void resume_counts_a_failed_member_once(void **state)
{
	(void)state;
	resume_everywhere(
		"{'name':'p','steps':[{'name':'g','max_failures':1,"
		"'limit':1,'group':["
		"{'name':'s','on_error':'drain','group':["
		"{'name':'x','group':[{'name':'u','exec':['wait','a'],"
		"'retry':{'limit':0}}]},"
		"{'name':'a','group':["
		"{'name':'m','exec':['post','a']},"
		"{'name':'k','needs':['m'],'exec':['exit','1']}]},"
		"{'name':'b','exec':['exit','1']}]},"
		"{'name':'c','exec':['ok']},"
		"{'name':'d','exec':['ok']}]}]}",
		"succeeded");
	assert_int_equal(fake_state(&fake, "g.d"), FLO__STATE_SUCCEEDED);
}

static void resume_of_a_percentage_ends_alike(void **state)
{
	(void)state;
	resume_everywhere("{'name':'p','steps':[{'name':'f','limit':1,"
			  "'max_failures':'25%','foreach':[0,1,0,1,0,0,1,0],"
			  "'exec':['exit','${{ item }}']}]}",
			  "failed");
	assert_string_equal(fake_error(&result, "path"), "f[6]");
	assert_int_equal(fake_order(&fake, "f[7]"), -1);
}

static void resume_of_nested_foreachs_ends_alike(void **state)
{
	(void)state;
	resume_everywhere(
		"{'name':'p','steps':[{'name':'f','foreach':[[1,2],[],[3]],"
		"'as':'row','limit':2,'steps':[{'name':'h','foreach':'row',"
		"'as':'i','exec':['say','${{ string(i) }}'],'output':'text'},"
		"{'name':'s','when':'size(row) > 1','steps':["
		"{'name':'x','exec':['ok']}]}]}],"
		"'output':'${{ steps.f.output }}'}",
		"succeeded");
}

static void resume_runs_a_blocks_finally_once(void **state)
{
	(void)state;
	resume_everywhere(
		"{'name':'p','steps':[{'name':'s','allow_failure':true,"
		"'steps':[{'name':'a','exec':['exit','1']},"
		"{'name':'b','exec':['ok']}],'finally':["
		"{'name':'t','when':'run.status == \\\"failed\\\"','steps':["
		"{'name':'x','exec':['ok']}]},{'name':'y','exec':['ok']}]},"
		"{'name':'z','exec':['ok']}],"
		"'finally':[{'name':'w','exec':['ok']}]}",
		"succeeded");
	assert_int_equal(fake_count(&result, "succeeded"), 4);
}

/* A block evaluates its expressions anew: not before what it needs is back,
 * even where that was written after it. */
static void resume_goes_in_the_order_of_needs(void **state)
{
	(void)state;
	resume_everywhere(
		"{'name':'p','steps':[{'name':'g','group':["
		"{'name':'d','needs':['s'],'foreach':'steps.s.output.b',"
		"'as':'i','exec':['say','${{ string(i) }}'],'output':'text'},"
		"{'name':'s','needs':['e'],'steps':[{'name':'b',"
		"'exec':['say','[1,2,3]'],'output':'json'}]},"
		"{'name':'e','foreach':[],'exec':['ok']}]}],"
		"'output':'${{ steps.g.output.d }}'}",
		"succeeded");
}

/* What left no event and nobody needs was come by all the same. */
static void resume_knows_what_came_before_those_with_needs(void **state)
{
	static const char text[] =
		"{'name':'p','steps':[{'name':'g','limit':1,'group':["
		"{'name':'e','foreach':[],'exec':['ok']},"
		"{'name':'s','exec':['ok']},"
		"{'name':'f','needs':['s'],'exec':['exit','1']},"
		"{'name':'l','foreach':[],'exec':['ok']}],"
		"'finally':[{'name':'y','exec':['ok']},{'name':'z',"
		"'when':'steps.e.status == \\\"succeeded\\\" && "
		"steps.l.status == \\\"succeeded\\\"','exec':['ok']}]}]}";
	size_t total;

	(void)state;
	run(text);
	total = fake.events_len;
	for (size_t keep = 1; keep < total; keep++) {
		start_over();
		run(text);
		fake_result_fini(&result);
		result = fake_run(&fake, text, keep, NULL);
		assert_int_equal(result.st, FLO_OK);
		assert_string_equal(fake_error(&result, "path"), "g.f");
		assert_int_equal(fake_state(&fake, "g.finally.z"),
				 FLO__STATE_SUCCEEDED);
	}
}

static void resume_names_the_time_limit(void **state)
{
	(void)state;
	resume_everywhere(
		"{'name':'p','steps':[{'name':'s','timeout':'20ms','steps':["
		"{'name':'g','group':[{'name':'h','steps':["
		"{'name':'a','exec':['hang']},{'name':'b','exec':['ok']}]},"
		"{'name':'e','when':'false','steps':["
		"{'name':'x','exec':['ok']}]}]}]}],"
		"'finally':[{'name':'t','when':'run.error.kind == "
		"\\\"timeout\\\"','steps':[{'name':'z','exec':['ok']}]}]}",
		"failed");
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_string_equal(fake_error(&result, "path"), "s");
	assert_int_equal(fake_count(&result, "succeeded"), 1);
}

static void resume_names_the_runs_time_limit(void **state)
{
	(void)state;
	resume_everywhere("{'name':'p','timeout':'20ms','steps':["
			  "{'name':'a','exec':['hang']},"
			  "{'name':'b','exec':['ok']}],"
			  "'finally':[{'name':'z','exec':['ok']}]}",
			  "failed");
	assert_string_equal(fake_error(&result, "kind"), "timeout");
}

/* Of a run that is being cancelled the record counts, not the order in which
 * things are found again. */
static void resume_of_a_cancelled_run_keeps_what_had_ended(void **state)
{
	const char *text =
		"{'name':'p','steps':[{'name':'w','when':'false','steps':["
		"{'name':'x','exec':['ok']}]},{'name':'g','group':["
		"{'name':'s','steps':[{'name':'e','foreach':[],"
		"'exec':['ok']},{'name':'k','exec':['ok']},"
		"{'name':'o','exec':['post','a']}]},"
		"{'name':'t','steps':[{'name':'q','exec':['wait','a']},"
		"{'name':'h','exec':['hang']},{'name':'n','exec':['ok']}]}]},"
		"{'name':'a','exec':['ok']}]}";
	size_t total;

	(void)state;
	for (size_t cut = 1; cut <= 2; cut++) {
		fake_result_fini(&result);
		start_over();
		result = fake_run(&fake, text, 0, cancel_hang);
		assert_string_equal(fake_status(&result), "cancelled");
		assert_string_equal(fake_error(&result, "message"),
				    "cancelled by a test");
		total = fake.events_len;
		fake_result_fini(&result);
		result = fake_run(&fake, text, total - cut, NULL);
		assert_string_equal(fake_status(&result), "cancelled");
		assert_int_equal(fake_count(&result, "succeeded"), 3);
		assert_int_equal(fake_count(&result, "skipped"), 1);
		assert_int_equal(fake_state(&fake, "g.t.h"),
				 FLO__STATE_CANCELLED);
	}
}

static void resume_of_a_drained_group_is_one_error(void **state)
{
	(void)state;
	resume_everywhere("{'name':'p','steps':[{'name':'g',"
			  "'on_error':'drain','max_failures':1,'group':["
			  "{'name':'a','exec':['wait','c']},"
			  "{'name':'b','needs':['c'],'exec':['exit','1'],"
			  "'retry':{'limit':1}},"
			  "{'name':'c','exec':['exit','1']},"
			  "{'name':'d','needs':['b'],'exec':['ok']},"
			  "{'name':'e','exec':['post','c']}]}]}",
			  "failed");
	assert_string_equal(fake_error(&result, "path"), "g.b");
}

static void resume_before_the_start_records_it_once(void **state)
{
	const char *text = "{'name':'p','steps':[{'name':'a','exec':['ok']}]}";
	unsigned queued = 0;

	(void)state;
	run(text);
	fake_result_fini(&result);
	result = fake_run(&fake, text, 1, NULL);
	for (size_t i = 0; i < fake.events_len; i++)
		queued += fake.events[i].kind == FLO__EVENT_RUN_QUEUED;
	assert_int_equal(queued, 1);
}

/* Else a crash could take several executions of a step out of the record. */
static void a_retry_waits_until_the_attempt_before_is_durable(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 20; seed++) {
		fake_fini(&fake);
		fake_init_with(&fake, &(struct flo_runtime_options){
					      .drive = FLO_DRIVE_DETERMINISTIC,
					      .seed = seed});
		fake.late_commits = true;
		run("{'name':'p','steps':[{'name':'a','exec':['flaky','3'],"
		    "'retry':{'limit':3}}]}");
		assert_string_equal(fake_status(&result), "succeeded");
		assert_int_equal(fake_executions(&fake, "a"), 4);
		assert_false(fake.ran_ahead);
		fake_result_fini(&result);
	}
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(resume_ends_alike_from_every_prefix),
		CASE(a_time_limit_within_a_failure_that_is_allowed_counts),
		CASE(a_time_limit_counts_that_keeps_a_step_from_starting),
		CASE(resume_knows_what_a_time_limit_kept_from_starting),
		CASE(a_time_limit_of_finally_counts_as_well),
		CASE(resume_of_a_failed_group_starts_nothing_new),
		CASE(resume_counts_lost_attempts_apart),
		CASE(resume_of_a_cancelled_run_goes_on_cancelling),
		CASE(resume_with_retries_ends_alike),
		CASE(resume_under_continue_ends_alike),
		CASE(resume_under_drain_ends_alike),
		CASE(resume_within_a_tolerance_ends_alike),
		CASE(resume_tolerates_those_that_failed_first),
		CASE(resume_counts_a_failed_member_once),
		CASE(resume_of_a_percentage_ends_alike),
		CASE(resume_of_nested_foreachs_ends_alike),
		CASE(resume_runs_a_blocks_finally_once),
		CASE(resume_goes_in_the_order_of_needs),
		CASE(resume_knows_what_came_before_those_with_needs),
		CASE(resume_names_the_time_limit),
		CASE(resume_names_the_runs_time_limit),
		CASE(resume_of_a_cancelled_run_keeps_what_had_ended),
		CASE(resume_of_a_drained_group_is_one_error),
		CASE(resume_before_the_start_records_it_once),
		CASE(a_retry_waits_until_the_attempt_before_is_durable),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
