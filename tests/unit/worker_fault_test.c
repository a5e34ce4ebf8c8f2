/*
 * Native steps in worker processes: whatever goes wrong there, the engine
 * lives on and says what it was.
 */
#include "worker_fixture.h"

#include "base/alloc.h"
#include "fault_kinds.h"
#include "proc_util.h"

#include <signal.h>

/* ---- faults ---- */

/* A thread that has ended itself may be noticed, or be waited for for ever. */
static bool may_hang(const struct fault_kind *kind)
{
	return kind->contained == FAULT_ENDLESS ||
	       strcmp(kind->name, "call_pthread_exit") == 0;
}

static const char *time_limit(const struct fault_kind *kind)
{
	return may_hang(kind) ? "1s" : "100s";
}

static void expect_break(const struct fault_kind *kind)
{
	char text[64];

	if (kind->contained == FAULT_UNSEEN) {
		assert_string_equal(status(), "succeeded");
		return;
	}
	if (may_hang(kind) && (kind->contained == FAULT_ENDLESS ||
			       strcmp(error("kind"), "timeout") == 0)) {
		expect_failure("timeout", "time limit of 1.0s");
		return;
	}
	if (kind->contained == FAULT_PANICS)
		snprintf(text, sizeof(text), "%s", kind->text);
	else if (kind->exit_code >= 0)
		snprintf(text, sizeof(text), "\"test.break\" called exit(%d)",
			 kind->exit_code);
	else
		snprintf(text, sizeof(text), "\"test.break\" was ended by %s",
			 kind->signal == SIGSEGV  ? "SIGSEGV"
			 : kind->signal == SIGFPE ? "SIGFPE"
			 : kind->signal == SIGILL ? "SIGILL"
						  : "SIGABRT");
	expect_failure("panic", text);
}

/* Each break, beside 200 coroutines that are well. */
static void whatever_breaks_the_engine_lives(void **state)
{
	char *ones = items(200);
	int fds = open_fds();

	(void)state;
	for (size_t i = 0; i < fault_kinds_len; i++) {
		const struct fault_kind *kind = &fault_kinds[i];
		bool fine = kind->contained == FAULT_UNSEEN;

		if (!fault_kind_works(kind))
			continue;
		print_message("%s\n", kind->name);
		run_pipeline(
			"{'name':'p','steps':[{'name':'g','on_error':"
			"'continue','group':[{'name':'s','use':'test.break',"
			"'with':{'kind':'%s'},'timeout':'%s','grace':'100ms'},"
			"{'name':'f','foreach':[%s],'use':'test.healthy'}]}]}",
			kind->name, time_limit(kind), ones);
		expect_break(kind);
		assert_int_equal(count("succeeded"), fine ? 201 : 200);
		assert_int_equal(count("failed"), fine ? 0 : 1);
		assert_int_equal(alive_with(worker_mark), 0);
	}
	free(ones);
	/* and no run has left anything open but its idle minders' sockets */
	RUN_STEP("test.echo", "{'value':1}");
	assert_string_equal(status(), "succeeded");
	assert_true(open_fds() <= fds + 4);
}

static void who_kills_it_is_named(void **state)
{
	(void)state;
	reopen(self, "--pretend", "{\"protocol\":1,\"took\":\"x\"}\n", "kill");
	RUN_STEP("test.echo", "{'value':1}");
	expect_failure("signal", "\"test.echo\" was ended by SIGKILL");
}

/* ---- programs that are no workers ---- */

static void a_missing_program_is_told(void **state)
{
	(void)state;
	reopen("/no/such/worker", NULL, NULL, NULL);
	RUN_STEP("test.echo", "{'value':1}");
	expect_failure("spawn", "worker of \"test.echo\": cannot run "
				"\"/no/such/worker\"");
}

static void relative_programs_are_refused(void **state)
{
	const char *relative[] = {"./worker", NULL}, *empty[] = {NULL};
	char store[128];
	struct flo_engine_options options = {.store = store,
					     .worker_argv = relative};
	flo_engine *other = NULL;
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	snprintf(store, sizeof(store), "%s/other.db", dir);
	assert_int_equal(flo_engine_open(&options, &err, &other), FLO_INVALID);
	assert_non_null(strstr(err.text, "./worker"));
	options.worker_argv = empty;
	assert_int_equal(flo_engine_open(&options, NULL, &other), FLO_INVALID);
}

static void a_program_that_is_no_worker_is_told(void **state)
{
	(void)state;
	reopen("/bin/true", NULL, NULL, NULL);
	RUN_STEP("test.echo", "{'value':1}");
	expect_failure("spawn", "the program \"/bin/true\" ended with exit "
				"code 0 before it took the step");
	reopen(self, "--pretend", "", "segv");
	RUN_STEP("test.echo", "{'value':1}");
	expect_failure("spawn", "was ended by SIGSEGV before it took");
}

static void a_type_it_does_not_know_is_told(void **state)
{
	(void)state;
	RUN_STEP("test.unknown", "{}");
	expect_failure("spawn", "worker of \"test.unknown\": this program does "
				"not know that step type");
}

#define TOOK "{\"protocol\":1,\"took\":\"x\"}\n"

/* Replies, how their writer ends, and what comes of it. */
static const struct {
	const char *reply, *end;
	const char *kind, *text; /* kind NULL: it succeeds */
} replies[] = {
	{TOOK "{\"output\":7}\n", "0", NULL, NULL},
	{TOOK "{\"output\":7}\n", "5", NULL, NULL},
	{TOOK "{\"output\":7}\n", "segv", NULL, NULL},
	{TOOK "{\"output\":7}", "0", "panic", "called exit(0)"},
	{TOOK "{\"outp", "segv", "panic", "was ended by SIGSEGV"},
	{TOOK, "4", "panic", "called exit(4)"},
	{TOOK "garbage\n", "0", "output", "its reply is not valid"},
	{TOOK "garbage\n", "segv", "panic", "SIGSEGV"},
	{TOOK "{}\n", "0", "output", "nothing of an end"},
	{TOOK "[1]\n", "0", "output", "nothing of an end"},
	{TOOK "{\"output\":7,\"error\":1}\n", "0", "output", "no known way"},
	{TOOK "{\"output\":7}\nmore", "0", "output", "text behind"},
	{TOOK "{\"output\":7}\n\n", "0", "output", "text behind"},
	{TOOK "{\"error\":{\"status\":\"OK\",\"text\":\"\"}}\n", "0", "output",
	 "no known way"},
	{TOOK "{\"error\":{\"status\":\"EVIL\",\"text\":\"\"}}\n", "0",
	 "output", "no known way"},
	{TOOK "{\"error\":{\"status\":\"FAILED\",\"text\":\"\"}}\n", "0",
	 "native", "failed"},
	{TOOK "{\"refused\":{\"status\":\"LIMIT\",\"text\":\"much\"}}\n", "0",
	 "output", "much"},
	{"{\"protocol\":2,\"took\":\"x\"}\n{\"output\":7}\n", "0", "spawn",
	 "speaks protocol 2 and not 1"},
	{"{\"took\":\"x\"}\n", "0", "spawn", "does not name its protocol"},
	{"{\"protocol\":1}\n", "0", "spawn", "takes nothing"},
	{"garbage\n", "0", "spawn", "its reply is not valid"},
	{"\xff\xfe\n", "0", "spawn", "its reply is not valid"},
	{"garbage", "0", "spawn", "before it took the step"},
	{"{\"protocol\":1,\"refused\":{\"status\":\"NOTFOUND\",\"text\":"
	 "\"no\"}}\n",
	 "0", "spawn", "worker of \"test.echo\": no"},
};

static void any_reply_is_understood_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
		print_message("%s", replies[i].reply);
		reopen(self, "--pretend", replies[i].reply, replies[i].end);
		RUN_STEP("test.echo", "{'value':1}");
		if (replies[i].kind != NULL)
			expect_failure(replies[i].kind, replies[i].text);
		else
			assert_int_equal(flo_value_get_int(output()), 7);
	}
}

/* ---- memory ---- */

static void no_failed_allocation_harms_the_worker(void **state)
{
	char nth[16];
	bool enough = false;

	(void)state;
	for (int at = 1; at < 400 && !enough; at++) {
		snprintf(nth, sizeof(nth), "%d", at);
		reopen(self, "--starved", nth, worker_mark);
		RUN_STEP("test.echo", "{'value':[1,{'a':'b'}]}");
		enough = strcmp(status(), "succeeded") == 0;
		if (!enough && strstr(error("message"), "thread") == NULL)
			expect_failure(error("kind"), "out of memory");
	}
	assert_true(enough);
}

/* Others allocate at the same time, so which one fails is not said. */
static void no_failed_allocation_harms_the_engine(void **state)
{
	flo_pipeline *pipeline = NULL;
	const char *text = "{\"name\":\"p\",\"steps\":[{\"name\":\"s\",\"use\":"
			   "\"test.echo\",\"with\":{\"value\":1}}]}";
	int succeeded = 0;

	(void)state;
	assert_int_equal(flo_pipeline_load(engine, text, strlen(text), "p.json",
					   print_diagnostic, NULL, NULL,
					   &pipeline),
			 FLO_OK);
	for (long at = 1; at <= 120; at++) {
		flo_run *run = NULL;
		flo_status st;

		forget();
		flo__alloc_fail_at(at, 0);
		st = flo_run_start(engine, pipeline, NULL, &outcome.err, &run);
		if (st == FLO_OK)
			st = flo_run_wait(run, &outcome.err, &outcome.result);
		flo__alloc_fail_at(0, 0);
		flo_run_free(run);
		if (st == FLO_OK)
			succeeded += strcmp(status(), "succeeded") == 0;
		assert_int_equal(alive_with(worker_mark), 0);
	}
	assert_true(succeeded > 0);
	flo_pipeline_free(pipeline);
}

/* ---- by hand ---- */

static void the_installed_worker_knows_the_built_in_types_only(void **state)
{
	(void)state;
	reopen(FLO__TEST_WORKER, NULL, NULL, NULL);
	RUN_STEP("test.echo", "{'value':1}");
	expect_failure("spawn", "does not know that step type");
}

static void a_worker_without_an_engine_says_so(void **state)
{
	int status_ = system(FLO__TEST_WORKER " </dev/null 2>/dev/null");

	(void)state;
	assert_int_equal(WEXITSTATUS(status_), 2);
}

static void unknown_isolations_are_refused(void **state)
{
	flo_step_type odd = worker_types[0];

	(void)state;
	odd.name = "test.odd";
	odd.isolation = (flo_isolation)7;
	assert_int_equal(flo_engine_register_step(engine, &odd, NULL),
			 FLO_INVALID);
}

static int tests(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		CASE(whatever_breaks_the_engine_lives),
		CASE(who_kills_it_is_named),
		CASE(a_missing_program_is_told),
		CASE(relative_programs_are_refused),
		CASE(a_program_that_is_no_worker_is_told),
		CASE(a_type_it_does_not_know_is_told),
		CASE(any_reply_is_understood_or_refused),
		CASE(no_failed_allocation_harms_the_worker),
		CASE(no_failed_allocation_harms_the_engine),
		CASE(the_installed_worker_knows_the_built_in_types_only),
		CASE(a_worker_without_an_engine_says_so),
		CASE(unknown_isolations_are_refused),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(int argc, char **argv)
{
	return run_worker_tests(argc, argv, tests);
}
