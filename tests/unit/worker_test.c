/* Native steps in worker processes: what they see, and how they end. */
#include "worker_fixture.h"

#include "base/alloc.h"
#include "proc_util.h"

/* ---- what a step sees ---- */

static void a_step_sees_its_attempt(void **state)
{
	char key[128];

	(void)state;
	RUN_STEP("test.facts", "{}");
	snprintf(key, sizeof(key), "%s/s", outcome.run_id);
	assert_string_equal(output_text("dir"), dir);
	assert_string_equal(output_text("cwd"), dir);
	assert_string_equal(output_text("run"), outcome.run_id);
	assert_int_equal(strlen(output_text("trace")), 32);
	assert_string_equal(output_text("path"), "s");
	assert_string_equal(output_text("env"), "s");
	assert_string_equal(output_text("key"), key);
	assert_string_equal(output_text("user"), user_text);
	assert_string_equal(output_text("stdin"), "empty");
	assert_int_equal(flo_value_get_int(
				 flo_value_map_get(output(), "attempt")),
			 1);
	assert_int_not_equal(flo_value_get_int(
				     flo_value_map_get(output(), "pid")),
			     getpid());
}

static void values_arrive_as_they_were(void **state)
{
	static const char text[] =
		"{'a':[1,-9223372036854775808,2.5,true,null,''],"
		"'b':{'c':'line\\nquote\\\" \\u20ac'}}";
	char *got, want[sizeof(text)], with[256];
	flo_value *value = NULL;

	(void)state;
	snprintf(with, sizeof(with), "{'value':%s}", text);
	RUN_STEP("test.echo", with);
	for (size_t i = 0; i < sizeof(text); i++)
		want[i] = text[i] == '\'' ? '"' : text[i];
	assert_int_equal(flo_value_from_json(want, strlen(want), 0, NULL,
					     &value),
			 FLO_OK);
	got = flo_value_to_json(output());
	if (!flo_value_equal(output(), value))
		fail_msg("%s", got);
	flo_free(got);
	flo_value_unref(value);
	RUN_STEP("test.echo", "{'value':null}");
	assert_int_equal(flo_value_typeof(output()), FLO_VALUE_NULL);
}

static void a_megabyte_comes_back(void **state)
{
	(void)state;
	RUN_STEP("test.big", "{'bytes':1048576}");
	assert_int_equal(flo_value_len(output()), 1048576);
}

static void what_it_says_is_in_its_log(void **state)
{
	(void)state;
	RUN_STEP("test.say", "{}");
	assert_string_equal(status(), "succeeded");
	assert_non_null(strstr(log_text(), "O printed\n"));
	assert_non_null(strstr(log_text(), "E logged 1\n"));
}

static void commands_run_under_it(void **state)
{
	(void)state;
	RUN_STEP("test.command", "{'sh':'echo out; echo err >&2'}");
	assert_string_equal(status(), "succeeded");
	assert_non_null(strstr(log_text(), "O out\n"));
	assert_non_null(strstr(log_text(), "E err\n"));
	RUN_STEP("test.command", "{'sh':'echo why >&2; exit 3'}");
	expect_failure("exit", "sh: exit code 3: why");
}

static void commands_may_have_more_in_their_environment(void **state)
{
	(void)state;
	RUN_STEP("test.command", "{'sh':'echo $MORE | cut -c1-5',"
				 "'env':'MORE=is=more'}");
	assert_string_equal(status(), "succeeded");
	assert_non_null(strstr(log_text(), "O is=mo\n"));
}

/* A program sees one of a name. */
static void more_goes_before_the_environment_of_the_step(void **state)
{
	(void)state;
	RUN_STEP("test.command",
		 "{'sh':'echo $FLOW_RUN_ID $(env | grep -c ^FLOW_RUN_ID=)',"
		 "'env':'FLOW_RUN_ID=mine'}");
	assert_string_equal(status(), "succeeded");
	assert_non_null(strstr(log_text(), "O mine 1\n"));
}

static void what_it_leaves_behind_is_ended(void **state)
{
	char with[256];

	(void)state;
	snprintf(with, sizeof(with),
		 "{'sh':'setsid sleep %s >/dev/null 2>&1 & "
		 "(setsid env -i sleep %s &) & :'}",
		 worker_mark, worker_mark);
	RUN_STEP("test.command", with);
	assert_string_equal(status(), "succeeded");
	assert_int_equal(alive_with(worker_mark), 0);
}

/* ---- how it ends ---- */

static void errors_come_back(void **state)
{
	(void)state;
	RUN_STEP("test.fail", "{'text':'no \\u20ac today'}");
	expect_failure("native", "no \xe2\x82\xac today");
	assert_non_null(strstr(error("stderr_tail"), "about to fail"));
	/* of which the end is cut off in the middle of a character */
	run_pipeline("{'name':'p','steps':[{'name':'s','use':'test.fail',"
		     "'with':{'text':'%0400d"
		     "%0400d%0222d\xe2\x82\xac and more'}}]}",
		     0, 0, 0);
	expect_failure("native", "0000000");
}

static void a_panic_comes_back(void **state)
{
	(void)state;
	RUN_STEP("test.fail", "{'text':'panic on purpose'}");
	expect_failure("panic", "panic on purpose");
}

static void retries_are_new_processes(void **state)
{
	(void)state;
	run_pipeline("{'name':'p','steps':[{'name':'s','use':'test.fail',"
		     "'with':{'text':'once more'},'retry':{'limit':2}}]}");
	assert_string_equal(status(), "succeeded");
}

static void an_output_that_is_too_large_is_refused(void **state)
{
	(void)state;
	RUN_STEP("test.big", "{'bytes':17000000}");
	expect_failure("output", "output is larger than 16777216 bytes");
	RUN_STEP("test.big", "{'bytes':8,'bad':1}");
	expect_failure("output", "not UTF-8");
}

static void arguments_that_are_too_large_are_refused(void **state)
{
	(void)state;
	run_pipeline("{'name':'p','steps':["
		     "{'name':'a','exec':['sh','-c','head -c 9000000 /dev/zero "
		     "| tr \\\"\\\\\\\\0\\\" x'],'output':'text'},"
		     "{'name':'s','use':'test.echo','with':{"
		     "'value':'${{ steps.a.output }}',"
		     "'more':'${{ steps.a.output }}'}}]}");
	expect_failure("native", "too much for a worker process");
}

/* ---- stopping ---- */

/* The step tells that it is up; a run that never gets there has failed. */
static void until_up(const char *path)
{
	long end = ms_now() + DEADLINE_MS;

	while (access(path, F_OK) != 0) {
		if (ms_now() > end)
			fail_msg("the step is not up: %s", log_text());
		poll(NULL, 0, 1);
	}
}

/* Cancel a test.stop of that kind once it is up. */
static void cancel_step(const char *how, const char *grace)
{
	char text[512], up[128];
	flo_run *run;

	snprintf(up, sizeof(up), "%s/up", dir);
	snprintf(text, sizeof(text),
		 "{'name':'p','steps':[{'name':'s','use':'test.stop',"
		 "'grace':'%s','with':{'how':'%s','up':'%s'}}]}",
		 grace, how, up);
	run = start_pipeline(text);
	until_up(up);
	flo_run_cancel(run, FLO_CANCEL_STOP, "enough");
	end_pipeline(run);
}

static void a_cancel_is_graceful_first(void **state)
{
	(void)state;
	cancel_step("sleep", "100s");
	assert_string_equal(status(), "cancelled");
	assert_non_null(strstr(log_text(), "stopped in peace"));
}

static void who_computes_hears_of_a_cancel(void **state)
{
	(void)state;
	cancel_step("busy", "100s");
	assert_string_equal(status(), "cancelled");
	assert_non_null(strstr(log_text(), "stopped in peace"));
}

static void who_does_not_listen_is_killed(void **state)
{
	(void)state;
	cancel_step("deaf", "50ms");
	assert_string_equal(status(), "cancelled");
	assert_int_equal(alive_with(worker_mark), 0);
}

static void a_step_that_gets_done_has_succeeded(void **state)
{
	(void)state;
	cancel_step("done", "100s");
	assert_int_equal(count("succeeded"), 1);
}

static void a_time_limit_is_a_timeout(void **state)
{
	(void)state;
	run_pipeline("{'name':'p','steps':[{'name':'s','use':'test.stop',"
		     "'timeout':'50ms','with':{'how':'sleep',"
		     "'up':'/dev/null'}}]}");
	expect_failure("timeout", "time limit of 50ms");
}

/* ---- limits ---- */

/* Native steps take none where the pipeline has no limit; programs do. */
static void attempts_take_slots_as_programs_do(void **state)
{
	char up[128], *ones = items(200), told[401] = "";
	long cores = sysconf(_SC_NPROCESSORS_ONLN), now = 0, most = 0;
	int fd;

	(void)state;
	snprintf(up, sizeof(up), "%s/up", dir);
	run_pipeline("{'name':'p','steps':[{'name':'f','foreach':[%s],"
		     "'use':'test.overlap','with':{'up':'%s'}}]}",
		     ones, up);
	free(ones);
	assert_string_equal(status(), "succeeded");
	fd = open(up, O_RDONLY | O_CLOEXEC);
	assert_int_equal(read(fd, told, sizeof(told) - 1), 400);
	close(fd);
	for (const char *c = told; *c != '\0'; c++) {
		now += *c == '+' ? 1 : -1;
		most = now > most ? now : most;
	}
	assert_true(most > 1 && most <= (cores > 4 ? 4 * cores : 16));
}

static int tests(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(a_step_sees_its_attempt),
		CASE(values_arrive_as_they_were),
		CASE(a_megabyte_comes_back),
		CASE(what_it_says_is_in_its_log),
		CASE(commands_run_under_it),
		CASE(commands_may_have_more_in_their_environment),
		CASE(more_goes_before_the_environment_of_the_step),
		CASE(what_it_leaves_behind_is_ended),
		CASE(errors_come_back),
		CASE(a_panic_comes_back),
		CASE(retries_are_new_processes),
		CASE(an_output_that_is_too_large_is_refused),
		CASE(arguments_that_are_too_large_are_refused),
		CASE(a_cancel_is_graceful_first),
		CASE(who_computes_hears_of_a_cancel),
		CASE(who_does_not_listen_is_killed),
		CASE(a_step_that_gets_done_has_succeeded),
		CASE(a_time_limit_is_a_timeout),
		CASE(attempts_take_slots_as_programs_do),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return run_worker_tests(argc, argv, tests);
}
