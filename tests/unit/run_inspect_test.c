/*
 * Inspections: a run shown from its events is what its engine saw.
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

/* Whether what is shown is what the events say, where they say it. */
static void check_shown(const struct fake_shown *shown, size_t keep)
{
	for (size_t i = 0; i < shown->len; i++) {
		enum flo__state said = FLO__STATE_NONE;

		for (size_t e = 0; e < keep && shown->steps[i].leaf; e++) {
			const struct fake_event *event = &fake.events[e];

			if (strcmp(event->path, shown->steps[i].path) != 0)
				continue;
			if (event->kind == FLO__EVENT_STEP_SKIPPED)
				said = FLO__STATE_SKIPPED;
			if (event->kind == FLO__EVENT_STEP_FINISHED)
				said = event->status;
		}
		if (said != FLO__STATE_NONE)
			assert_int_equal(shown->steps[i].state, said);
	}
}

static void check_counts(const struct fake_shown *shown)
{
	static const enum flo__state ends[] = {FLO__STATE_SUCCEEDED,
					       FLO__STATE_FAILED,
					       FLO__STATE_SKIPPED,
					       FLO__STATE_CANCELLED,
					       FLO__STATE_BLOCKED};

	for (size_t i = 0; i < 5; i++)
		assert_int_equal(shown->summary.counts[ends[i]],
				 fake_count(&result, flo__state_text(ends[i])));
	assert_int_equal(shown->summary.counts[FLO__STATE_PENDING], 0);
	assert_int_equal(shown->summary.counts[FLO__STATE_RUNNING], 0);
	assert_int_equal(shown->summary.counts[FLO__STATE_RETRYING], 0);
}

/* Run @text, then look at it from after every event. @shown: the last look. */
static void look_everywhere(const char *text, void (*hook)(struct flo__run *),
			    struct fake_shown *shown)
{
	result = fake_run(&fake, text, 0, hook);
	assert_int_equal(result.st, FLO_OK);
	for (size_t keep = 0; keep < fake.events_len; keep++) {
		fake_inspect(&fake, text, keep, false, shown);
		check_shown(shown, keep);
	}
	fake_inspect(&fake, text, fake.events_len, true, shown);
	check_shown(shown, fake.events_len);
	check_counts(shown);
}

static void cancel_hang(struct flo__run *r)
{
	while (fake_executions(&fake, "g.h") == 0)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

static void shows_all_kinds_of_steps(void **state)
{
	struct fake_shown shown;

	(void)state;
	look_everywhere(
		"{'name':'p','steps':["
		"{'name':'a','exec':['say','[1,2,3]'],'output':'json'},"
		"{'name':'f','foreach':'steps.a.output','limit':2,'steps':["
		"{'name':'x','exec':['ok']},"
		"{'name':'y','when':'item != 2','exec':['ok']}]},"
		"{'name':'w','when':'false','group':["
		"{'name':'x','exec':['ok']},{'name':'y','exec':['ok']}]},"
		"{'name':'e','steps':[]},{'name':'e2','group':[]},"
		"{'name':'g','group':[{'name':'p','exec':['ok']},"
		"{'name':'q','needs':['p'],'exec':['exit','1'],"
		"'allow_failure':true,'retry':{'limit':1}},"
		"{'name':'r','exec':['ok']}]}],"
		"'finally':[{'name':'z','exec':['ok']}]}",
		NULL, &shown);
	assert_int_equal(fake_shown_state(&shown, "w"), FLO__STATE_SKIPPED);
	assert_int_equal(fake_shown_state(&shown, "w.x"), FLO__STATE_SKIPPED);
	assert_int_equal(fake_shown_state(&shown, "e2"), FLO__STATE_SUCCEEDED);
	assert_int_equal(fake_shown_state(&shown, "finally"),
			 FLO__STATE_SUCCEEDED);
}

static void shows_failures_cancelled_and_blocked(void **state)
{
	struct fake_shown shown;

	(void)state;
	look_everywhere(
		"{'name':'p','steps':[{'name':'c','on_error':'continue',"
		"'allow_failure':true,'group':["
		"{'name':'bad','exec':['exit','1']},"
		"{'name':'dep','needs':['bad'],'steps':["
		"{'name':'x','exec':['ok']},{'name':'y','exec':['ok']}]},"
		"{'name':'free','exec':['ok']}]},"
		"{'name':'q','on_error':'continue','allow_failure':true,"
		"'steps':[{'name':'x','exec':['exit','1']},"
		"{'name':'y','exec':['ok']}]},"
		"{'name':'g','limit':1,'group':[{'name':'a','exec':['exit','1']},"
		"{'name':'l','foreach':[1,2],'exec':['ok']},"
		"{'name':'b','exec':['ok']}]},"
		"{'name':'later','foreach':[1,2,3],'exec':['ok']}],"
		"'finally':[{'name':'t','when':'run.status == \\\"failed\\\"',"
		"'steps':[{'name':'z','exec':['ok']}]}]}",
		NULL, &shown);
	assert_int_equal(fake_shown_state(&shown, "c"), FLO__STATE_FAILED);
	assert_int_equal(fake_shown_state(&shown, "c.dep.y"),
			 FLO__STATE_BLOCKED);
	assert_int_equal(fake_shown_state(&shown, "q.y"), FLO__STATE_BLOCKED);
	assert_int_equal(fake_shown_state(&shown, "g.l"), FLO__STATE_CANCELLED);
	assert_int_equal(fake_shown_state(&shown, "finally.t.z"),
			 FLO__STATE_SUCCEEDED);
}

/* Nothing in them has an event, and nobody needs them. */
static void shows_empty_blocks_of_a_failed_group(void **state)
{
	struct fake_shown shown;

	(void)state;
	look_everywhere("{'name':'p','steps':[{'name':'g','limit':1,'group':["
			"{'name':'e','foreach':[],'exec':['ok']},"
			"{'name':'s','exec':['ok']},"
			"{'name':'f','needs':['s'],'exec':['exit','1']},"
			"{'name':'l','steps':[{'name':'x','foreach':[],"
			"'exec':['ok']}]},"
			"{'name':'n','needs':['f'],'exec':['ok']}]}]}",
			NULL, &shown);
	assert_int_equal(fake_shown_state(&shown, "g"), FLO__STATE_FAILED);
	assert_int_equal(fake_shown_state(&shown, "g.e"), FLO__STATE_SUCCEEDED);
	assert_int_equal(fake_shown_state(&shown, "g.l"), FLO__STATE_SUCCEEDED);
	assert_int_equal(fake_shown_state(&shown, "g.l.x"),
			 FLO__STATE_SUCCEEDED);
	assert_int_equal(fake_shown_state(&shown, "g.n"), FLO__STATE_CANCELLED);
}

static void shows_a_time_limit_that_was_tolerated(void **state)
{
	struct fake_shown shown;

	(void)state;
	look_everywhere(
		"{'name':'p','steps':[{'name':'s','timeout':'10ms',"
		"'allow_failure':true,'group':[{'name':'a','exec':['hang']},"
		"{'name':'n','needs':['a'],'exec':['ok']}],"
		"'finally':[{'name':'y','exec':['ok']}]},"
		"{'name':'b','exec':['ok']}]}",
		NULL, &shown);
	assert_int_equal(fake_shown_state(&shown, "s"), FLO__STATE_FAILED);
	assert_int_equal(fake_shown_state(&shown, "b"), FLO__STATE_SUCCEEDED);
}

static void shows_the_runs_time_limit(void **state)
{
	struct fake_shown shown;

	(void)state;
	look_everywhere(
		"{'name':'p','timeout':'20ms','steps':[{'name':'g','limit':1,"
		"'group':[{'name':'a','exec':['hang']},"
		"{'name':'f','foreach':[1,2],'exec':['ok']}]}],"
		"'finally':[{'name':'t','when':'run.status == \\\"failed\\\"',"
		"'steps':[{'name':'z','exec':['ok']}]}]}",
		NULL, &shown);
	assert_int_equal(fake_shown_state(&shown, "finally.t.z"),
			 FLO__STATE_SUCCEEDED);
}

static void shows_a_cancelled_run(void **state)
{
	struct fake_shown shown;

	(void)state;
	look_everywhere(
		"{'name':'p','steps':[{'name':'w','when':'false','steps':["
		"{'name':'x','exec':['ok']}]},"
		"{'name':'e','foreach':[],'exec':['ok']},"
		"{'name':'g','group':[{'name':'v','when':'false','steps':["
		"{'name':'x','exec':['ok']}]},{'name':'h','exec':['hang']}]},"
		"{'name':'n','exec':['ok']}],"
		"'finally':[{'name':'z','exec':['ok']}]}",
		cancel_hang, &shown);
	assert_int_equal(fake_shown_state(&shown, "w"), FLO__STATE_SKIPPED);
	assert_int_equal(fake_shown_state(&shown, "g.v"), FLO__STATE_SKIPPED);
	assert_int_equal(fake_shown_state(&shown, "g"), FLO__STATE_CANCELLED);
	assert_int_equal(fake_shown_state(&shown, "n"), FLO__STATE_CANCELLED);
}

static void shows_a_run_whose_numbers_are_none(void **state)
{
	struct fake_shown shown;

	(void)state;
	look_everywhere("{'name':'p','params':{'t':{'type':'string',"
			"'default':'x'}},'timeout':'${{ params.t }}','steps':["
			"{'name':'a','exec':['ok']}],'finally':["
			"{'name':'z','exec':['ok']}]}",
			NULL, &shown);
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "kind"), "expression");
	assert_int_equal(shown.summary.counts[FLO__STATE_CANCELLED], 2);
}

static void a_block_that_waits_for_its_next_step_is_running(void **state)
{
	struct fake_shown shown;

	(void)state;
	result = fake_run(&fake,
			  "{'name':'p','steps':[{'name':'s','steps':["
			  "{'name':'a','exec':['flaky','1'],"
			  "'retry':{'limit':1}},{'name':'b','exec':['ok']}]}]}",
			  0, NULL);
	/* queued, started, a started, a retrying */
	fake_inspect(&fake,
		     "{'name':'p','steps':[{'name':'s','steps':["
		     "{'name':'a','exec':['flaky','1'],'retry':{'limit':1}},"
		     "{'name':'b','exec':['ok']}]}]}",
		     4, false, &shown);
	assert_int_equal(fake_shown_state(&shown, "s.a"), FLO__STATE_RETRYING);
	assert_int_equal(fake_shown_state(&shown, "s"), FLO__STATE_RUNNING);
	/* ... a started, a finished */
	fake_inspect(&fake,
		     "{'name':'p','steps':[{'name':'s','steps':["
		     "{'name':'a','exec':['flaky','1'],'retry':{'limit':1}},"
		     "{'name':'b','exec':['ok']}]}]}",
		     6, false, &shown);
	assert_int_equal(fake_shown_state(&shown, "s.b"), FLO__STATE_PENDING);
	assert_int_equal(fake_shown_state(&shown, "s"), FLO__STATE_RUNNING);
}

/* 45 blocks of every kind, one in the other: a foreach and its body are two. */
static void deep_nesting_fits_the_stack(void **state)
{
	static const char *const kinds[] = {"'steps':[", "'group':[",
					    "'foreach':[1],'steps':["};
	static char text[8192];
	struct fake_shown shown;

	(void)state;
	strcpy(text, "{'name':'p','steps':[");
	for (int i = 0; i < 45; i++)
		sprintf(text + strlen(text), "{'name':'b',%s", kinds[i % 3]);
	strcat(text, "{'name':'x','exec':['exit','1']}");
	for (int i = 0; i < 45; i++)
		strcat(text, "]}");
	strcat(text, "]}");
	look_everywhere(text, NULL, &shown);
	assert_string_equal(fake_status(&result), "failed");
	fake_result_fini(&result);
	/* a failure that is known, and an attempt to be cancelled */
	result = fake_run(&fake, text, 3, NULL);
	assert_string_equal(fake_status(&result), "failed");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(shows_all_kinds_of_steps),
		CASE(shows_failures_cancelled_and_blocked),
		CASE(shows_empty_blocks_of_a_failed_group),
		CASE(shows_a_time_limit_that_was_tolerated),
		CASE(shows_the_runs_time_limit),
		CASE(shows_a_cancelled_run),
		CASE(shows_a_run_whose_numbers_are_none),
		CASE(a_block_that_waits_for_its_next_step_is_running),
		CASE(deep_nesting_fits_the_stack),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
