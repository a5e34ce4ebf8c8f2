/*
 * Reruns: what is taken over, and that a crash anywhere in a rerun ends alike.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/run_fake.h"

#include <flo/runtime.h>

#include <stdlib.h>
#include <string.h>

static struct fake fake;
static struct fake_result result;
static size_t before; /* executions before the rerun */

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

static void run(const char *text, const char *status)
{
	result = fake_run(&fake, text, 0, NULL);
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), status);
	fake_result_fini(&result);
	before = fake.executed_len;
}

static void rerun(const char *text, const char *from, bool failed)
{
	const struct flo__rerun what = {.of = "r0",
					.from = from,
					.failed = failed};

	result = fake_rerun(&fake, text, &what);
	assert_int_equal(result.st, FLO_OK);
}

static unsigned executions(const char *path)
{
	unsigned n = 0;

	for (size_t i = before; i < fake.executed_len; i++)
		n += strcmp(fake.executed[i], path) == 0;
	return n;
}

static void assert_executed(const char *const *paths)
{
	size_t n = 0;

	for (; paths[n] != NULL; n++)
		assert_int_equal(executions(paths[n]), 1);
	assert_int_equal(fake.executed_len - before, n);
}

#define EXECUTED(...) assert_executed((const char *const[]){__VA_ARGS__, NULL})

/* "flaky 1" fails the first time that it runs in this fake. */
static const char *const mixed =
	"{'name':'p','steps':["
	"{'name':'a','exec':['say','[1,2,3]'],'output':'json'},"
	"{'name':'no','when':'size(steps.a.output) == 0','exec':['ok']},"
	"{'name':'f','foreach':'steps.a.output','limit':2,"
	"'on_error':'continue','steps':["
	"{'name':'x','exec':['say','${{ string(item) }}'],'output':'text'},"
	"{'name':'y','when':'item != 3','exec':['flaky',"
	"'${{ string(item == 2 ? 1 : 0) }}']},"
	"{'name':'w','exec':['ok']}],"
	"'finally':[{'name':'ff','exec':['ok']}]},"
	"{'name':'g','group':[{'name':'p','exec':['ok']},"
	"{'name':'q','needs':['p'],'exec':['exit','1'],'allow_failure':true},"
	"{'name':'r','needs':['q'],'steps':[{'name':'s','exec':['ok']}]}]}],"
	"'finally':[{'name':'z','exec':['ok']}],"
	"'output':'${{ steps.f.output.map(o, o.x) }}'}";

static void plain_reruns_run_everything(void **state)
{
	(void)state;
	run("{'name':'p','steps':[{'name':'a','exec':['ok']},"
	    "{'name':'b','exec':['ok']}]}",
	    "succeeded");
	rerun("{'name':'p','steps':[{'name':'a','exec':['ok']},"
	      "{'name':'b','exec':['ok']}]}",
	      NULL, false);
	assert_string_equal(fake_status(&result), "succeeded");
	EXECUTED("a", "b");
	assert_false(fake_has(&fake, FLO__EVENT_STEP_REUSED, NULL));
}

static void what_succeeded_is_not_executed(void **state)
{
	char *output;

	(void)state;
	run(mixed, "failed");
	rerun(mixed, NULL, true);
	assert_string_equal(fake_status(&result), "succeeded");
	EXECUTED("f[1].y", "f[1].w", "f.finally.ff", "g.p", "g.q", "g.r.s",
		 "finally.z");
	assert_true(fake_has(&fake, FLO__EVENT_STEP_REUSED, "no"));
	assert_true(fake_has(&fake, FLO__EVENT_STEP_REUSED, "f[2].y"));
	assert_int_equal(fake_count(&result, "succeeded"), 13);
	assert_int_equal(fake_count(&result, "skipped"), 2);
	assert_int_equal(fake_count(&result, "failed"), 1);
	output = flo_value_to_json(flo_value_map_get(result.result, "output"));
	assert_string_equal(output, "[\"1\",\"2\",\"3\"]");
	flo_free(output);
}

static void from_a_step_on_what_is_before_it_is_taken_over(void **state)
{
	(void)state;
	run(mixed, "failed");
	rerun(mixed, NULL, true);
	assert_string_equal(fake_status(&result), "succeeded");
	fake_result_fini(&result);
	before = fake.executed_len;
	rerun(mixed, "g.r", false);
	assert_string_equal(fake_status(&result), "succeeded");
	EXECUTED("g.r.s", "finally.z");
	assert_int_equal(fake_count(&result, "failed"), 1);
	assert_true(fake_has(&fake, FLO__EVENT_STEP_REUSED, "g.q"));
}

static void a_step_that_is_not_there_is_told(void **state)
{
	const struct flo__rerun what = {.of = "r0", .from = "f[7].x"};

	(void)state;
	run(mixed, "failed");
	result = fake_rerun(&fake, mixed, &what);
	assert_int_equal(result.st, FLO_NOTFOUND);
	assert_non_null(strstr(result.err.text, "f[7].x"));
	assert_int_equal(fake.executed_len, before);
}

static bool has_started(size_t keep)
{
	for (size_t i = 0; i < keep; i++) {
		if (fake.events[i].kind == FLO__EVENT_RUN_STARTED)
			return true;
	}
	return false;
}

/*
 * Run @text, which ends as @status, rerun what failed in it, break that off
 * after each of its events and resume it from there: it succeeds each time, and
 * @check looks at the result. A rerun has more than @least events.
 */
static void break_off_everywhere(const char *text, const char *status,
				 size_t least, void (*check)(void))
{
	size_t total = SIZE_MAX;

	for (size_t keep = 1; keep < total; keep++) {
		fake_result_fini(&result);
		fake_fini(&fake);
		fake_init(&fake);
		result = (struct fake_result){0};
		run(text, status);
		rerun(text, NULL, true);
		assert_string_equal(fake_status(&result), "succeeded");
		total = fake.events_len;
		/* Before its start it asks for the old run: api/ has that. */
		if (keep >= total || !has_started(keep))
			continue;
		fake_result_fini(&result);
		result = fake_run(&fake, text, keep, NULL);
		assert_int_equal(result.st, FLO_OK);
		assert_string_equal(fake_status(&result), "succeeded");
		check();
	}
	assert_true(total > least);
}

static void check_mixed(void)
{
	assert_int_equal(fake_count(&result, "succeeded"), 13);
	assert_int_equal(fake_count(&result, "failed"), 1);
	assert_int_equal(fake_count(&result, "skipped"), 2);
	assert_int_equal(executions("a"), 0);
	assert_int_equal(executions("f[0].y"), 0);
}

static void a_crash_in_a_rerun_changes_nothing(void **state)
{
	(void)state;
	break_off_everywhere(mixed, "failed", 20, check_mixed);
}

/* A failure of a member does not let one that had not begun run its finally,
 * though a member written after it was taken over. */
static void what_is_reused_says_nothing_of_those_before_it(void **state)
{
	static const char *const text =
		"{'name':'p','steps':[{'name':'g','limit':1,'group':["
		"{'name':'a','exec':['exit','1']},"
		"{'name':'b','steps':[{'name':'c','exec':['ok']}],"
		"'finally':[{'name':'d','exec':['ok']}]},"
		"{'name':'e','exec':['ok']}],'on_error':'continue'}]}";
	static const char *const cancels =
		"{'name':'p','steps':[{'name':'g','limit':1,'group':["
		"{'name':'a','exec':['exit','1']},"
		"{'name':'b','steps':[{'name':'c','exec':['ok']}],"
		"'finally':[{'name':'d','exec':['ok']}]},"
		"{'name':'e','exec':['ok']}]}]}";

	(void)state;
	run(text, "failed");
	rerun(cancels, "g.b", false);
	assert_string_equal(fake_status(&result), "failed");
	EXECUTED("g.a");
	assert_true(fake_has(&fake, FLO__EVENT_STEP_REUSED, "g.e"));
}

static void check_half_reused(void)
{
	assert_true(fake_has(&fake, FLO__EVENT_STEP_REUSED, "g.b.c"));
	assert_int_equal(executions("g.a[0]"), 0);
	assert_int_equal(executions("g.a.finally.d"), 0);
}

/* A member of which something was taken over comes before those written before
 * it: that it ran does not tell that they did, so what it cancels stays so. */
static void what_is_half_reused_does_not_either(void **state)
{
	static const char *const text =
		"{'name':'p','steps':[{'name':'g','limit':1,"
		"'allow_failure':true,'group':["
		"{'name':'a','foreach':[0],'exec':['exit','1'],"
		"'allow_failure':true,'finally':[{'name':'d','exec':['ok']}]},"
		"{'name':'b','steps':[{'name':'c','exec':['ok']},"
		"{'name':'e','exec':['exit','1']}]}]},"
		"{'name':'h','exec':['ok']},{'name':'i','exec':['ok']}]}";

	(void)state;
	break_off_everywhere(text, "succeeded", 8, check_half_reused);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(plain_reruns_run_everything),
		CASE(what_succeeded_is_not_executed),
		CASE(from_a_step_on_what_is_before_it_is_taken_over),
		CASE(a_step_that_is_not_there_is_told),
		CASE(a_crash_in_a_rerun_changes_nothing),
		CASE(what_is_reused_says_nothing_of_those_before_it),
		CASE(what_is_half_reused_does_not_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
