/*
 * Secrets of a run: read before its first step, recorded nowhere.
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

#define VALUE "hunter2-rabbit"

static struct fake fake;
static struct fake_result result;

static const char *const with_token[] = {"TOKEN=" VALUE, NULL};

/* On the virtual clock. */
static int setup(void **state)
{
	(void)state;
	fake_init_with(&fake, &(struct flo_runtime_options){
				      .drive = FLO_DRIVE_DETERMINISTIC});
	fake.environ_ = with_token;
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
	teardown(NULL);
	setup(NULL);
}

static void run(const char *text)
{
	result = fake_run(&fake, text, 0, NULL);
	assert_int_equal(result.st, FLO_OK);
}

/* Whether @text is anywhere in a file below the fake's directory. */
static bool in_files(const char *text)
{
	char command[256];

	snprintf(command, sizeof(command), "grep -rq -e '%s' '%s'", text,
		 fake.files);
	return system(command) == 0;
}

static bool in_events(const char *text)
{
	for (size_t i = 0; i < fake.events_len; i++) {
		if (strstr(fake.events[i].json, text) != NULL)
			return true;
	}
	return false;
}

static void assert_nowhere(void)
{
	assert_false(in_events("hunter2"));
	assert_false(in_events("rabbit"));
	assert_false(in_files("hunter2\\|rabbit"));
}

/* A pipeline of one secret from the fake's environment. */
#define SECRET(rest)	   "{'name':'p','secrets':{'t':{'env':'TOKEN'}}," rest "}"
#define FROM(source, rest) "{'name':'p','secrets':{'t':" source "}," rest "}"
#define ENV		   "'env':{'T':'x ${{ secrets.t }} y'}"
#define ONE		   "'steps':[{'name':'a','exec':['ok']," ENV "}]"

static const char *const every_way = SECRET(
	"'env':{'E':'${{ secrets.t }}'},'steps':["
	"{'name':'a','exec':['show','T','0']," ENV ",'output':'text'},"
	"{'name':'b','exec':['show','E','3'],'allow_failure':true,"
	"'retry':{'limit':1}},"
	"{'name':'c','exec':['echo'],'stdin':{'k':'${{ secrets.t }}'},"
	"'output':'json'},"
	"{'name':'d','use':'core.set','with':{'v':['${{ secrets.t }}']}},"
	"{'name':'e','use':'core.fail','with':{'message':'no ${{ secrets.t "
	"}}'},'allow_failure':true},"
	"{'name':'f','foreach':'[steps.a.output, steps.d.output.v[0]]',"
	"'exec':['say','${{ item }}'],'output':'lines'}],"
	"'output':['${{ steps.a.output }}','${{ steps.c.output }}',"
	"'${{ steps.d.output }}','${{ steps.e.error.message }}',"
	"'${{ steps.b.error.stderr_tail }}','${{ steps.f.output }}']");

static const char every_output[] =
	"[\"x *** y\",{\"k\":\"***\"},{\"v\":[\"***\"]},\"no ***\",\"***\","
	"[[\"x *** y\"],[\"***\"]]]";

static void assert_output(const char *want)
{
	char *json =
		flo_value_to_json(flo_value_map_get(result.result, "output"));

	assert_string_equal(json, want);
	flo_free(json);
}

static void a_value_is_recorded_nowhere(void **state)
{
	(void)state;
	run(every_way);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_output(every_output);
	assert_nowhere();
	/* It was there to be found. */
	assert_true(in_files("[*][*][*]"));
}

static void a_resumed_run_computes_with_the_same(void **state)
{
	size_t total;

	(void)state;
	run(every_way);
	total = fake.events_len;
	for (size_t keep = 1; keep < total; keep++) {
		start_over();
		run(every_way);
		fake_result_fini(&result);
		result = fake_run(&fake, every_way, keep, NULL);
		assert_int_equal(result.st, FLO_OK);
		assert_string_equal(fake_status(&result), "succeeded");
		assert_output(every_output);
		assert_nowhere();
	}
}

static void without_memory_nothing_of_it_is_recorded(void **state)
{
	long ended = 0;

	(void)state;
	for (long at = 1; at <= 1200; at++) {
		start_over();
		fake.alloc_fail = at;
		result = fake_run(&fake, every_way, 0, NULL);
		assert_int_equal(fake.running, 0);
		assert_false(in_events("hunter2"));
		assert_false(in_events("rabbit"));
		/* A process each, and the rest is fast. */
		if (at % 50 == 0)
			assert_nowhere();
		ended += strcmp(fake_status(&result), "succeeded") == 0;
	}
	assert_true(ended > 0);
}

static void a_run_without_its_secret_has_failed(void **state)
{
	(void)state;
	fake.environ_ = NULL;
	run(SECRET(ONE ",'finally':[{'name':'z','exec':['ok']}]"));
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "kind"), "expression");
	assert_string_equal(fake_error(&result, "message"),
			    "secret \"t\": the environment variable TOKEN is "
			    "not set");
	assert_int_equal(fake.executed_len, 0);
	assert_int_equal(fake_count(&result, "cancelled"), 2);
}

static void a_resumed_run_without_its_secret_waits(void **state)
{
	static const char *const text =
		SECRET("'steps':[{'name':'a','exec':['ok']},{'name':'b',"
		       "'exec':['ok']," ENV "}]");
	size_t keep;

	(void)state;
	run(text);
	fake_result_fini(&result);
	keep = fake.events_len - 2;
	fake.environ_ = NULL;
	fake.executed_len = 0;
	result = fake_run(&fake, text, keep, NULL);
	assert_int_equal(result.st, FLO_INTERRUPTED);
	assert_non_null(strstr(result.err.text, "TOKEN is not set"));
	assert_int_equal(fake.executed_len, 0);
	assert_false(fake_has(&fake, FLO__EVENT_RUN_FINISHED, NULL));
	fake.environ_ = with_token;
	result.err = (flo_error)FLO_ERROR_INIT;
	result = fake_run(&fake, text, fake.events_len, NULL);
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_executions(&fake, "a"), 0);
	assert_int_equal(fake_executions(&fake, "b"), 1);
}

static void a_program_gives_what_it_prints(void **state)
{
	(void)state;
	run(FROM("{'exec':['say','" VALUE "\\n']}",
		 "'steps':[{'name':'a','exec':['show','T','0']," ENV
		 ",'output':'text'}],'output':'${{ steps.a.output }}'"));
	assert_string_equal(fake_status(&result), "succeeded");
	assert_output("\"x *** y\"");
	assert_nowhere();
}

static void a_program_that_fails_shows_its_complaint_only(void **state)
{
	(void)state;
	run(FROM("{'exec':['show','TOKEN','4']}", ONE));
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "message"),
			    "secret \"t\": show: exit code 4: ***");
	assert_nowhere();
}

static void a_program_that_hangs_is_ended(void **state)
{
	(void)state;
	run(FROM("{'exec':['hang']}", ONE));
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "message"),
			    "secret \"t\": hang has not ended within 30 s");
	assert_int_equal(fake_executions(&fake, "a"), 0);
}

static void the_limit_of_the_run_counts_while_secrets_are_read(void **state)
{
	(void)state;
	run(FROM("{'exec':['hang']}", "'timeout':'5s'," ONE));
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "kind"), "timeout");
	assert_string_equal(fake_error(&result, "message"),
			    "time limit of 5.0s of the run exceeded");
}

static void cancel_early(struct flo__run *r)
{
	while (fake_executions(&fake, NULL) == 0)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

static void a_cancel_ends_the_reading_of_secrets(void **state)
{
	(void)state;
	result = fake_run(&fake,
			  FROM("{'exec':['hang']}",
			       ONE ",'finally':[{'name':'z','exec':['ok']}]"),
			  0, cancel_early);
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), "cancelled");
	assert_string_equal(fake_error(&result, "message"),
			    "cancelled by a test");
	assert_int_equal(fake.executed_len, 1);
	assert_int_equal(fake_count(&result, "cancelled"), 2);
}

static void cancel_a(struct flo__run *r)
{
	while (fake_executions(&fake, "a") == 0)
		flo_yield();
	flo__run_cancel(r, false, "cancelled by a test");
}

/* What it has to clean up may need them. */
static void a_run_resumed_to_be_cancelled_has_its_secrets(void **state)
{
	static const char *const text =
		FROM("{'exec':['say','" VALUE "']}",
		     "'steps':[{'name':'a','exec':['hang']}],"
		     "'finally':[{'name':'z','exec':['show','T','0']," ENV
		     ",'output':'text'}]");
	size_t keep = 0;

	(void)state;
	result = fake_run(&fake, text, 0, cancel_a);
	assert_string_equal(fake_status(&result), "cancelled");
	fake_result_fini(&result);
	while (fake.events[keep++].kind != FLO__EVENT_RUN_CANCELLING)
		assert_true(keep < fake.events_len);
	fake.executed_len = 0;
	result = fake_run(&fake, text, keep, NULL);
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), "cancelled");
	assert_int_equal(fake_executions(&fake, "a"), 0);
	assert_int_equal(fake_executions(&fake, "finally.z"), 1);
	assert_nowhere();
}

static void an_inspection_needs_no_secrets(void **state)
{
	struct fake_shown shown;
	static const char *const text = SECRET(
		"'env':{'N':'${{ string(size(secrets.t) / (size(secrets.t) - "
		"3)) }}'},'steps':[{'name':'a','exec':['ok']}]");

	(void)state;
	run(text);
	assert_string_equal(fake_status(&result), "succeeded");
	fake.environ_ = NULL;
	fake_inspect(&fake, text, fake.events_len, true, &shown);
	assert_int_equal(fake_shown_state(&shown, "a"), FLO__STATE_SUCCEEDED);
}

static void why_an_expression_on_a_secret_fails_is_not_told(void **state)
{
	(void)state;
	run(SECRET("'steps':[{'name':'a','exec':['ok'],'env':{'T':'${{ "
		   "string(int(secrets.t)) }}'}}]"));
	assert_string_equal(fake_status(&result), "failed");
	assert_non_null(
		strstr(fake_error(&result, "message"), "it uses a secret"));
	assert_nowhere();
}

/* A message has room for 1 KiB; what of a value does not fit is cut off. */
static void a_value_that_a_message_cuts_is_hidden(void **state)
{
	static char env[2000] = "TOKEN=";
	const char *const environ_[] = {env, NULL};

	(void)state;
	for (int i = 0; i < 150; i++)
		strcat(env, i % 2 != 0 ? "rabbit-" : "hunter2-");
	fake.environ_ = environ_;
	run(SECRET("'steps':[{'name':'a','use':'core.fail','with':{'message':"
		   "'no ${{ secrets.t }} today'}}]"));
	assert_string_equal(fake_status(&result), "failed");
	assert_string_equal(fake_error(&result, "message"), "no ***...");
	assert_nowhere();
}

/* As long as QUOTED_MIN it is hidden wherever it stands, and where a quotation
 * ends, whoever has made it, shorter ones, too. */
static void a_value_that_an_error_quotes_in_part_is_hidden(void **state)
{
	static const char *const cases[][2] = {
		{"\\\"a hunter2-\\\" at byte 3", "\"a ***\" at byte 3"},
		{"it is hunt...; that is all", "it is ***...; that is all"},
		{"it is hunter2-rab", "it is ***"},
		{"the hunter2 is away", "the hunter2 is away"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[512];

		start_over();
		snprintf(text, sizeof(text),
			 SECRET("'env':{'E':'${{ secrets.t }}'},'steps':["
				"{'name':'a','use':'core.fail','with':{"
				"'message':'%s'}}]"),
			 cases[i][0]);
		run(text);
		assert_string_equal(fake_error(&result, "message"),
				    cases[i][1]);
	}
}

static void what_a_failed_step_left_in_flow_output_is_removed(void **state)
{
	(void)state;
	run(SECRET("'steps':[{'name':'a','exec':['leave','" VALUE "']," ENV
		   ",'allow_failure':true}]"));
	assert_string_equal(fake_status(&result), "succeeded");
	assert_int_equal(fake_state(&fake, "a"), FLO__STATE_FAILED);
	assert_nowhere();
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(a_value_is_recorded_nowhere),
		CASE(a_resumed_run_computes_with_the_same),
		CASE(without_memory_nothing_of_it_is_recorded),
		CASE(a_run_without_its_secret_has_failed),
		CASE(a_resumed_run_without_its_secret_waits),
		CASE(a_program_gives_what_it_prints),
		CASE(a_program_that_fails_shows_its_complaint_only),
		CASE(a_program_that_hangs_is_ended),
		CASE(the_limit_of_the_run_counts_while_secrets_are_read),
		CASE(a_cancel_ends_the_reading_of_secrets),
		CASE(a_run_resumed_to_be_cancelled_has_its_secrets),
		CASE(an_inspection_needs_no_secrets),
		CASE(why_an_expression_on_a_secret_fails_is_not_told),
		CASE(a_value_that_a_message_cuts_is_hidden),
		CASE(a_value_that_an_error_quotes_in_part_is_hidden),
		CASE(what_a_failed_step_left_in_flow_output_is_removed),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
