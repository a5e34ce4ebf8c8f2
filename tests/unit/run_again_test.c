/*
 * Pipelines within the pipeline that are tried again: what an attempt is, what
 * it leaves behind, and that from wherever the record breaks off, a run ends as
 * it would have.
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
#include <unistd.h>

static struct fake fake;
static struct fake_result result;
static struct fake_shown shown;

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

static char dir[] = "/tmp/flo-again-XXXXXX";

/* Paths of included files start from here. */
static int enter_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) != NULL && chdir(dir) == 0 ? 0 : -1;
}

static int leave_dir(void **state)
{
	(void)state;
	unlink("in.json");
	unlink("deep.json");
	return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

/* Write a pipeline, with ' for ". */
static void put_file(const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	for (; *text != '\0'; text++)
		fputc(*text == '\'' ? '"' : *text, file);
	assert_int_equal(fclose(file), 0);
}

static void run(const char *text)
{
	result = fake_run(&fake, text, 0, NULL);
	assert_int_equal(result.st, FLO_OK);
}

static void start_over(void)
{
	fake_result_fini(&result);
	fake_fini(&fake);
	fake_init(&fake);
}

/* ---- what holds in every record ---- */

struct step {
	char path[128];
	uint32_t started; /* the number of its last step.started */
	uint32_t ended;	  /* of a pipeline: of its last attempt that ended */
	bool done; /* it has succeeded in this attempt of what is around */
};

static struct step steps[64];
static size_t steps_len;

static struct step *step_at(const char *path)
{
	for (size_t i = 0; i < steps_len; i++) {
		if (strcmp(steps[i].path, path) == 0)
			return &steps[i];
	}
	assert_true(steps_len < 64);
	snprintf(steps[steps_len].path, sizeof(steps[0].path), "%s", path);
	return &steps[steps_len++];
}

static bool is_within(const char *path, const char *block)
{
	size_t len = strlen(block);

	return strncmp(path, block, len) == 0 && path[len] == '.';
}

static void step_retries(struct step *step, uint32_t attempt)
{
	if (step->started == 0) /* a pipeline */
		assert_int_equal(attempt, ++step->ended);
	else
		assert_int_equal(attempt, step->started);
	for (size_t i = 0; i < steps_len; i++) {
		if (is_within(steps[i].path, step->path))
			steps[i].done = false;
	}
}

static void check_step(const struct flo__event *event)
{
	struct step *step = step_at(event->path);

	assert_false(step->done);
	if (event->kind == FLO__EVENT_STEP_STARTED)
		assert_int_equal(event->attempt, ++step->started);
	if (event->kind == FLO__EVENT_STEP_RETRYING)
		step_retries(step, event->attempt);
	/* One that was cancelled between two attempts has no new one. */
	if (event->kind == FLO__EVENT_STEP_FINISHED && step->started == 0 &&
	    event->attempt != 0 &&
	    (event->status != FLO__STATE_CANCELLED ||
	     event->attempt != step->ended))
		assert_int_equal(event->attempt, ++step->ended);
	step->done = event->kind == FLO__EVENT_STEP_FINISHED ||
		     event->kind == FLO__EVENT_STEP_SKIPPED;
}

/* Nothing has two ends in one attempt; attempts are counted without gaps. */
static void check_record(void)
{
	steps_len = 0;
	memset(steps, 0, sizeof(steps));
	for (size_t i = 0; i < fake.events_len; i++) {
		struct flo__event event;
		flo_value *doc = NULL;

		assert_int_equal(flo__event_parse(fake.events[i].json,
						  fake.events[i].len, NULL,
						  &doc, &event),
				 FLO_OK);
		if (event.path != NULL)
			check_step(&event);
		flo_value_unref(doc);
	}
}

/* What was counted while it ran is what the record tells. */
static void check_counts(void)
{
	static const enum flo__state states[] = {FLO__STATE_SUCCEEDED,
						 FLO__STATE_FAILED,
						 FLO__STATE_SKIPPED,
						 FLO__STATE_CANCELLED,
						 FLO__STATE_BLOCKED};

	for (size_t i = 0; i < 5; i++)
		assert_int_equal(fake_count(&result,
					    flo__state_text(states[i])),
				 shown.summary.counts[states[i]]);
}

static void check_all(const char *text)
{
	check_record();
	fake_inspect(&fake, text, fake.events_len, true, &shown);
	check_counts();
}

static void same_states(const struct fake_shown *expected)
{
	assert_int_equal(shown.len, expected->len);
	for (size_t i = 0; i < shown.len; i++)
		assert_int_equal(fake_shown_state(&shown,
						  expected->steps[i].path),
				 expected->steps[i].state);
}

static char *output_json(void)
{
	return flo_value_to_json(flo_value_map_get(result.result, "output"));
}

/* Run @text, and again from every prefix of its record. */
static void resume_everywhere(const char *text, const char *status)
{
	static struct fake_shown expected;
	char path[128], kind[32];
	char *output, *again;
	size_t total;

	run(text);
	assert_string_equal(fake_status(&result), status);
	check_all(text);
	expected = shown;
	output = output_json();
	snprintf(path, sizeof(path), "%s", fake_error(&result, "path"));
	snprintf(kind, sizeof(kind), "%s", fake_error(&result, "kind"));
	total = fake.events_len;
	for (size_t keep = 1; keep < total; keep++) {
		start_over();
		run(text);
		fake_result_fini(&result);
		if (keep >= fake.events_len)
			continue;
		fake_inspect(&fake, text, keep, false, &shown);
		result = fake_run(&fake, text, keep, NULL);
		assert_int_equal(result.st, FLO_OK);
		assert_string_equal(fake_status(&result), status);
		assert_string_equal(fake_error(&result, "path"), path);
		assert_string_equal(fake_error(&result, "kind"), kind);
		again = output_json();
		assert_string_equal(again, output);
		flo_free(again);
		check_all(text);
		same_states(&expected);
	}
	flo_free(output);
}

/* How often attempts of @path were over and not the last ones. */
static unsigned retries_of(const char *path)
{
	unsigned n = 0;

	for (size_t i = 0; i < fake.events_len; i++)
		n += fake.events[i].kind == FLO__EVENT_STEP_RETRYING &&
		     strcmp(fake.events[i].path, path) == 0;
	return n;
}

/* ---- what an attempt is ---- */

#define SECOND_TIME                                                            \
	"{'name':'sub','steps':[{'name':'a','exec':['ok']},"                   \
	"{'name':'b','exec':['flaky','1']},"                                   \
	"{'name':'c','exec':['say','made'],'output':'text'}],"                 \
	"'finally':[{'name':'z','exec':['ok']}],"                              \
	"'output':'${{ steps.c.output }}'}"

static void every_attempt_is_the_whole_pipeline(void **state)
{
	const char *text = "{'name':'p','steps':[{'name':'x','pipeline':"
			   "'in.json','retry':{'limit':3}}],'output':"
			   "['${{ steps.x.output }}','${{ steps.x.attempts }}']"
			   "}";
	char *output;

	(void)state;
	put_file("in.json", SECOND_TIME);
	run(text);
	output = output_json();
	assert_string_equal(output, "[\"made\",2]");
	flo_free(output);
	assert_int_equal(fake_executions(&fake, "x.a"), 2);
	assert_int_equal(fake_executions(&fake, "x.b"), 2);
	assert_int_equal(fake_executions(&fake, "x.c"), 1);
	assert_int_equal(fake_executions(&fake, "x.finally.z"), 2);
	assert_int_equal(fake_count(&result, "succeeded"), 4);
	assert_int_equal(fake_count(&result, "failed"), 0);
	check_all(text);
}

static void the_last_attempts_error_counts(void **state)
{
	const char *text =
		"{'name':'p','steps':[{'name':'x','pipeline':'in.json',"
		"'retry':{'limit':2}},{'name':'y','exec':['ok']}]}";

	(void)state;
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'a','exec':['flaky','2']},"
		 "{'name':'b','exec':['sig','9']}]}");
	run(text);
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "path"), "x.b");
	assert_string_equal(fake_error(&result, "kind"), "signal");
	assert_int_equal(retries_of("x"), 2);
	assert_int_equal(fake_executions(&fake, "x.a"), 3);
	assert_int_equal(fake_executions(&fake, "y"), 0);
	check_all(text);
}

static void retry_when_sees_the_error_within(void **state)
{
	const char *text =
		"{'name':'p','steps':[{'name':'x','pipeline':'in.json',"
		"'retry':{'limit':9,'when':'step.kind == \\\"exit\\\" && "
		"step.exit_code == null && step.attempt < 3'}}]}";

	(void)state;
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'a','exec':['exit','3']}]}");
	run(text);
	assert_int_equal(retries_of("x"), 2);
	assert_string_equal(fake_error(&result, "path"), "x.a");
	check_all(text);
}

static void what_a_file_computes_is_tried_again(void **state)
{
	const char *text =
		"{'name':'p','steps':[{'name':'x','pipeline':'in.json',"
		"'allow_failure':true,'retry':{'limit':1}}]}";

	(void)state;
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'a','exec':['ok']}],"
		 "'output':'${{ steps.a.output.none }}'}");
	run(text);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_executions(&fake, "x.a"), 2);
	check_all(text);
	assert_int_equal(fake_shown_state(&shown, "x"), FLO__STATE_FAILED);
	start_over();
	resume_everywhere(text, "succeeded");
}

static void cancel_in_back_off(struct flo__run *r)
{
	while (!fake_has(&fake, FLO__EVENT_STEP_RETRYING, "x"))
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

static void a_cancel_ends_the_back_off(void **state)
{
	const char *text =
		"{'name':'p','steps':[{'name':'x','pipeline':'in.json',"
		"'retry':{'limit':1,'backoff':'1h'}}]}";
	size_t total;

	(void)state;
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'a','exec':['exit','1']}]}");
	for (size_t cut = 0; cut < 4; cut++) {
		start_over();
		result = fake_run(&fake, text, 0, cancel_in_back_off);
		total = fake.events_len;
		assert_string_equal(fake_status(&result), "cancelled");
		if (cut > 0) {
			fake_result_fini(&result);
			fake_inspect(&fake, text, total - cut, false, &shown);
			assert_int_equal(fake_shown_state(&shown, "x"),
					 cut == 1 ? FLO__STATE_CANCELLED
						  : FLO__STATE_RETRYING);
			if (cut > 2)
				continue;
			result = fake_run(&fake, text, total - cut, NULL);
			assert_string_equal(fake_status(&result), "cancelled");
		}
		assert_int_equal(fake_executions(&fake, "x.a"), 1);
		assert_int_equal(fake_state(&fake, "x"), FLO__STATE_CANCELLED);
		check_all(text);
	}
}

static void cancel_second_attempt(struct flo__run *r)
{
	while (fake_executions(&fake, "x.h") == 0)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

static void resume_of_a_cancelled_attempt_ends_alike(void **state)
{
	const char *text =
		"{'name':'p','steps':[{'name':'x','pipeline':'in.json',"
		"'retry':{'limit':5}},{'name':'y','exec':['ok']}]}";
	static struct fake_shown expected;
	size_t total;

	(void)state;
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'a','exec':['flaky','1']},"
		 "{'name':'b','exec':['ok']},{'name':'h','exec':['hang']},"
		 "{'name':'n','exec':['ok']}],"
		 "'finally':[{'name':'z','exec':['ok']}]}");
	/* As far back as to the event that says it is being cancelled. */
	for (size_t cut = 0; cut < 6; cut++) {
		start_over();
		result = fake_run(&fake, text, 0, cancel_second_attempt);
		total = fake.events_len;
		assert_string_equal(fake_status(&result), "cancelled");
		if (cut > 0) {
			fake_result_fini(&result);
			result = fake_run(&fake, text, total - cut, NULL);
		}
		assert_string_equal(fake_status(&result), "cancelled");
		assert_int_equal(fake_state(&fake, "x"), FLO__STATE_CANCELLED);
		assert_int_equal(fake_executions(&fake, "x.n"), 0);
		check_all(text);
		if (cut == 0)
			expected = shown;
		same_states(&expected);
	}
}

static void the_time_limit_is_of_each_attempt(void **state)
{
	const char *text =
		"{'name':'p','steps':[{'name':'x','pipeline':'in.json',"
		"'timeout':'20ms','retry':{'limit':1}}]}";

	(void)state;
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'a','exec':['hang']}]}");
	run(text);
	assert_int_equal(retries_of("x"), 1);
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_string_equal(fake_error(&result, "path"), "x");
	check_all(text);
	start_over();
	resume_everywhere(text, "failed");
}

/* ---- from every prefix ---- */

static void resume_goes_on_in_the_attempt_it_was_in(void **state)
{
	(void)state;
	put_file("in.json", SECOND_TIME);
	resume_everywhere("{'name':'p','steps':[{'name':'x','pipeline':"
			  "'in.json','retry':{'limit':3}},"
			  "{'name':'y','exec':['ok']}],"
			  "'output':'${{ steps.x.output }}'}",
			  "succeeded");
}

static void resume_of_one_that_fails_names_its_error(void **state)
{
	(void)state;
	put_file("in.json",
		 "{'name':'sub','on_error':'continue','steps':["
		 "{'name':'s','steps':[{'name':'a','exec':['exit','1']},"
		 "{'name':'b','exec':['ok']}]}],'finally':["
		 "{'name':'z','exec':['exit','2']}]}");
	resume_everywhere(
		"{'name':'p','steps':[{'name':'g','on_error':'continue',"
		"'group':[{'name':'x','pipeline':'in.json',"
		"'retry':{'limit':1,'backoff':'5ms'}},"
		"{'name':'y','exec':['ok']},"
		"{'name':'w','needs':['x'],'exec':['ok']}]}]}",
		"failed");
	assert_string_equal(fake_error(&result, "path"), "g.x.s.a");
}

static void resume_in_a_foreach_ends_alike(void **state)
{
	(void)state;
	put_file("in.json",
		 "{'name':'sub','params':{'n':{'type':'integer'}},'steps':["
		 "{'name':'f','foreach':[1,2],'as':'i','steps':["
		 "{'name':'a','exec':['ok']},"
		 "{'name':'b','when':'i == params.n','exec':['flaky','1']}]},"
		 "{'name':'e','when':'params.n == 2','steps':["
		 "{'name':'u','exec':['ok']}]},"
		 "{'name':'v','foreach':[],'exec':['ok']}],"
		 "'output':'${{ params.n }}'}");
	resume_everywhere(
		"{'name':'p','steps':[{'name':'x','foreach':[1,2,3],"
		"'limit':2,'pipeline':'in.json','with':{'n':'${{ item }}'},"
		"'retry':{'limit':9}},{'name':'y','exec':['ok']}],"
		"'output':'${{ steps.x.output }}'}",
		"succeeded");
}

static void resume_two_deep_ends_alike(void **state)
{
	(void)state;
	put_file("deep.json",
		 "{'name':'deep','steps':[{'name':'a','exec':['ok']},"
		 "{'name':'b','exec':['exit','1']}]}");
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'m','exec':['ok']},"
		 "{'name':'d','pipeline':'deep.json','retry':{'limit':1}},"
		 "{'name':'n','exec':['ok']}]}");
	resume_everywhere(
		"{'name':'p','steps':[{'name':'x','pipeline':'in.json',"
		"'retry':{'limit':1}}],'finally':[{'name':'z',"
		"'exec':['ok']}]}",
		"failed");
	assert_string_equal(fake_error(&result, "path"), "x.d.b");
	start_over();
	run("{'name':'p','steps':[{'name':'x','pipeline':'in.json',"
	    "'retry':{'limit':1}}]}");
	assert_int_equal(retries_of("x"), 1);
	assert_int_equal(retries_of("x.d"), 2);
	assert_int_equal(fake_executions(&fake, "x.d.b"), 4);
	assert_int_equal(fake_executions(&fake, "x.m"), 2);
}

/* The one that succeeds within has no retry of its own left behind. */
static void resume_around_one_that_succeeds_ends_alike(void **state)
{
	(void)state;
	put_file("deep.json",
		 "{'name':'deep','steps':[{'name':'a','exec':['flaky','1']},"
		 "{'name':'e','foreach':[],'exec':['ok']}]}");
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'d','pipeline':'deep.json',"
		 "'retry':{'limit':5}},{'name':'g','group':["
		 "{'name':'n','exec':['flaky','2']},"
		 "{'name':'o','exec':['ok'],'retry':{'limit':1}}]}]}");
	resume_everywhere(
		"{'name':'p','steps':[{'name':'x','pipeline':'in.json',"
		"'retry':{'limit':5}},{'name':'y','exec':['ok']}]}",
		"succeeded");
}

/* A failure within is none of the group's before the last attempt. */
static void a_failure_within_stops_nothing_around(void **state)
{
	const char *text =
		"{'name':'p','steps':[{'name':'g','limit':1,'group':["
		"{'name':'x','pipeline':'in.json',"
		"'retry':{'limit':5,'backoff':'5ms'}},"
		"{'name':'y','exec':['ok']},{'name':'w','exec':['ok']}]}]}";

	(void)state;
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'a','exec':['flaky','1']}]}");
	run(text);
	/* Its slot is free meanwhile. */
	assert_int_equal(fake_order(&fake, "g.x.a"), 0);
	assert_int_equal(fake_order(&fake, "g.y"), 1);
	assert_string_equal(fake_status(&result), "succeeded");
	start_over();
	resume_everywhere(text, "succeeded");
}

/* ---- what fails meanwhile ---- */

static const char *const twice =
	"{'name':'p','steps':[{'name':'f','foreach':[1,2],'pipeline':'in.json',"
	"'retry':{'limit':5,'backoff':'1ms','when':'step.attempt < 9'}},"
	"{'name':'y','exec':['ok']}],'output':'${{ steps.f.output }}'}";

static void any_failed_append_can_be_resumed(void **state)
{
	uint64_t at = 1;

	(void)state;
	put_file("in.json", SECOND_TIME);
	for (; at < 60; at++) {
		start_over();
		fake.fail_at = at;
		result = fake_run(&fake, twice, 0, NULL);
		if (result.st == FLO_OK)
			break;
		assert_int_equal(result.st, FLO_FULL);
		fake_result_fini(&result);
		fake.fail_at = 0;
		result = fake_run(&fake, twice, fake.events_len, NULL);
		assert_string_equal(fake_status(&result), "succeeded");
		check_all(twice);
	}
	assert_true(at < 60 && at > fake.events_len);
}

static void any_failed_allocation_leads_to_an_end(void **state)
{
	unsigned well = 0;

	(void)state;
	put_file("in.json", SECOND_TIME);
	for (long at = 1; at <= 900; at += 3) {
		start_over();
		fake.alloc_fail = at;
		result = fake_run(&fake, twice, 0, NULL);
		check_record();
		if (strcmp(fake_status(&result), "succeeded") == 0) {
			char *output = output_json();

			assert_string_equal(output, "[\"made\",\"made\"]");
			flo_free(output);
			well++;
		}
	}
	assert_true(well > 0);
}

/* ---- idempotent ---- */

static void a_pipeline_that_is_not_idempotent_has_no_step_that_is(void **state)
{
	const char *text = "{'name':'p','steps':[{'name':'x','pipeline':"
			   "'in.json','idempotent':false}]}";
	struct flo__plan *plan = NULL;
	struct flo__dsl_options options = {.file = "p.json",
					   .registry = &fake.registry};
	char json[256];
	unsigned leaves = 0;

	(void)state;
	put_file("in.json",
		 "{'name':'sub','steps':[{'name':'s','steps':[{'name':'a',"
		 "'exec':['ok'],'idempotent':true},{'name':'f',"
		 "'foreach':[1],'exec':['ok']}]}],"
		 "'finally':[{'name':'z','exec':['ok']}]}");
	snprintf(json, sizeof(json), "%s", text);
	for (char *p = json; *p != '\0'; p++)
		*p = *p == '\'' ? '"' : *p;
	assert_int_equal(flo__dsl_compile(json, strlen(json), &options, NULL,
					  &plan),
			 FLO_OK);
	for (uint32_t i = 0; i < plan->nodes_len; i++) {
		if (flo__node_is_block(&plan->nodes[i]))
			continue;
		leaves++;
		assert_true(plan->nodes[i].not_idempotent);
	}
	assert_int_equal(leaves, 3);
	plan->free(plan);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(every_attempt_is_the_whole_pipeline),
		CASE(the_last_attempts_error_counts),
		CASE(retry_when_sees_the_error_within),
		CASE(what_a_file_computes_is_tried_again),
		CASE(a_cancel_ends_the_back_off),
		CASE(resume_of_a_cancelled_attempt_ends_alike),
		CASE(the_time_limit_is_of_each_attempt),
		CASE(resume_goes_on_in_the_attempt_it_was_in),
		CASE(resume_of_one_that_fails_names_its_error),
		CASE(resume_in_a_foreach_ends_alike),
		CASE(resume_two_deep_ends_alike),
		CASE(resume_around_one_that_succeeds_ends_alike),
		CASE(a_failure_within_stops_nothing_around),
		CASE(any_failed_append_can_be_resumed),
		CASE(any_failed_allocation_leads_to_an_end),
		CASE(a_pipeline_that_is_not_idempotent_has_no_step_that_is),
	};
#undef CASE

	return cmocka_run_group_tests(tests, enter_dir, leave_dir);
}
