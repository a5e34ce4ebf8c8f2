/*
 * No memory in what goes on with a run: a rerun, a resume with a person's word,
 * a resume in back-off. Each allocation fails once, and then it and all after
 * it; either way it is said, and another try comes to the right end.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/run_fake.h"

#include <flo/runtime.h>

#include "base/alloc.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static struct fake fake;
static struct fake_result result;

/* What was recorded before the failures, to be there again for each. */
static struct {
	char *json[128];
	size_t len;
} kept;

static int setup(void **state)
{
	(void)state;
	/* Deterministic: the Nth allocation is the same in each try. */
	fake_init_with(&fake,
		       &(struct flo_runtime_options){
			       .drive = FLO_DRIVE_DETERMINISTIC, .seed = 1});
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (size_t i = 0; i < kept.len; i++)
		free(kept.json[i]);
	kept.len = 0;
	fake_result_fini(&result);
	fake_fini(&fake);
	return 0;
}

static void keep_events(void)
{
	assert_in_range(fake.events_len, 1, 128);
	for (; kept.len < fake.events_len; kept.len++)
		kept.json[kept.len] = strdup(fake.events[kept.len].json);
}

/* The record is what was kept: nothing has changed it. */
static void assert_kept(void)
{
	assert_int_equal(fake.events_len, kept.len);
	for (size_t i = 0; i < kept.len; i++)
		assert_string_equal(fake.events[i].json, kept.json[i]);
}

/* Let the record be as it was kept, and nothing executed since. */
static void put_back(void)
{
	fake_result_fini(&result);
	result = (struct fake_result){0};
	fake.alloc_fail = 0;
	for (size_t i = 0; i < fake.events_len; i++)
		flo__free(fake.events[i].json);
	fake.events_len = 0;
	for (size_t i = 0; i < kept.len; i++)
		fake_put(&fake, kept.json[i]);
}

/* How one of them goes on, and what it must come to. */
struct way {
	const char *text;
	const struct flo__rerun *rerun; /* NULL: it is resumed */
	const char *word; /* the step that fake.accept_as is about, or NULL */
	const char *status, *output;
	const char *reused[4]; /* never executed again */
};

static void go_on(const struct way *way)
{
	if (way->rerun != NULL)
		result = fake_rerun(&fake, way->text, way->rerun);
	else
		result = fake_run(&fake, way->text, fake.events_len, NULL);
}

static bool has_output(const char *expected)
{
	char *output =
		flo_value_to_json(flo_value_map_get(result.result, "output"));
	bool same = strcmp(output, expected) == 0;

	flo_free(output);
	return same;
}

static void assert_right(const struct way *way)
{
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), way->status);
	if (way->output != NULL)
		assert_true(has_output(way->output));
}

static void assert_not_repeated(const struct way *way, size_t before)
{
	for (size_t k = 0; k < 4 && way->reused[k] != NULL; k++)
		for (size_t i = before; i < fake.executed_len; i++)
			assert_string_not_equal(fake.executed[i],
						way->reused[k]);
}

/* It has no memory, and says so: in the result, or as a step's failure. */
static void assert_told(void)
{
	if (result.st != FLO_OK) {
		assert_int_equal(result.st, FLO_NOMEM);
		assert_non_null(strstr(result.err.text, "memory"));
		assert_null(result.result);
		return;
	}
	assert_string_equal(fake_status(&result), "failed");
	assert_non_null(strstr(fake_error(&result, "message"), "memory"));
}

static bool is_right(const struct way *way)
{
	return result.st == FLO_OK &&
	       strcmp(fake_status(&result), way->status) == 0 &&
	       (way->output == NULL || has_output(way->output));
}

/* Without failures: what was left behind goes on, or it begins once more. */
static void try_again(const struct way *way)
{
	bool rerun = way->rerun != NULL;
	bool begun = fake_has(&fake, FLO__EVENT_STEP_REUSED, NULL) &&
		     fake_has(&fake, FLO__EVENT_RUN_STARTED, NULL);
	const struct way rest = {.text = way->text,
				 .status = way->status,
				 .output = way->output};

	/* Had it ended, it is done once more. */
	if (result.st == FLO_OK || (rerun && !begun))
		put_back();
	else
		rerun = false;
	if (fake.accept != NULL &&
	    fake_has(&fake, FLO__EVENT_STEP_FINISHED, fake.accept))
		fake.accept = NULL; /* its word has been taken */
	fake.alloc_fail = 0;
	fake_result_fini(&result);
	result = (struct fake_result){0};
	go_on(rerun ? way : &rest);
	assert_right(way);
}

static void fail_at(const struct way *way, long nth, bool ever)
{
	size_t before = fake.executed_len;

	put_back();
	fake.accept = way->word;
	fake.alloc_fail = nth;
	fake.alloc_ever = ever;
	go_on(way);
	assert_int_equal(fake.running, 0);
	assert_not_repeated(way, before);
	if (is_right(way))
		return;
	assert_told();
	if (fake.allocs_before >= nth && ever)
		assert_kept();
	try_again(way);
	assert_not_repeated(way, before);
}

/* Each allocation of @way, once and for ever. */
static void fail_each(const struct way *way)
{
	long total;

	put_back();
	fake.accept = way->word;
	fake.alloc_fail = LONG_MAX / 4;
	go_on(way);
	assert_right(way);
	total = fake.allocs;
	assert_true(total > 50);
	for (int ever = 0; ever <= 1; ever++)
		for (long nth = 1; nth <= total; nth++)
			fail_at(way, nth, ever);
}

/* ---- reruns ---- */

/* Fails the first time; then all of it is well. */
static const char mixed[] =
	"{'name':'p','steps':["
	"{'name':'a','exec':['say','[1,2]'],'output':'json'},"
	"{'name':'g','on_error':'continue','group':["
	"{'name':'f','foreach':'steps.a.output',"
	"'exec':['say','${{ string(item) }}'],'output':'text'},"
	"{'name':'x','exec':['flaky','1']},"
	"{'name':'y','needs':['x'],'exec':['ok']}]}],"
	"'finally':[{'name':'z','exec':['ok']}],"
	"'output':'${{ steps.a.output }}'}";

static void run_mixed(void)
{
	result = fake_run(&fake, mixed, 0, NULL);
	assert_int_equal(result.st, FLO_OK);
	assert_string_equal(fake_status(&result), "failed");
	keep_events();
}

static void no_failed_allocation_spoils_a_rerun_of_what_failed(void **state)
{
	static const struct flo__rerun failed = {.of = "r0", .failed = true};
	static const struct way way = {.text = mixed,
				       .rerun = &failed,
				       .status = "succeeded",
				       .output = "[1,2]",
				       .reused = {"a", "g.f[0]", "g.f[1]"}};

	(void)state;
	run_mixed();
	fail_each(&way);
}

static void no_failed_allocation_spoils_a_rerun_from_a_step(void **state)
{
	static const struct flo__rerun from = {.of = "r0", .from = "g.x"};
	static const struct way way = {.text = mixed,
				       .rerun = &from,
				       .status = "succeeded",
				       .output = "[1,2]",
				       .reused = {"a", "g.f[0]", "g.f[1]"}};

	(void)state;
	run_mixed();
	fail_each(&way);
}

/* ---- resumes ---- */

/* Forget what was recorded after the first event of @kind for @path. */
static void break_off_after(enum flo__event_kind kind, const char *path)
{
	size_t at = 0;

	while (fake.events[at].kind != kind ||
	       strcmp(fake.events[at].path, path) != 0)
		assert_true(++at < fake.events_len);
	while (fake.events_len > at + 1)
		flo__free(fake.events[--fake.events_len].json);
	keep_events();
}

static const char once_only[] =
	"{'name':'p','steps':["
	"{'name':'a','exec':['say','7'],'output':'json'},"
	"{'name':'b','idempotent':false,'exec':['ok']},"
	"{'name':'c','exec':['ok']}],"
	"'finally':[{'name':'z','exec':['ok']}],"
	"'output':'${{ steps.a.output }}'}";

static void resume_with_word(enum flo__accept as, const struct way *way)
{
	result = fake_run(&fake, once_only, 0, NULL);
	break_off_after(FLO__EVENT_STEP_STARTED, "b");
	fake.accept_as = as;
	fail_each(way);
}

static void no_failed_allocation_spoils_a_word_to_rerun(void **state)
{
	static const struct way way = {.text = once_only,
				       .word = "b",
				       .status = "succeeded",
				       .output = "7",
				       .reused = {"a"}};

	(void)state;
	resume_with_word(FLO__ACCEPT_RERUN, &way);
}

static void no_failed_allocation_spoils_a_word_of_success(void **state)
{
	static const struct way way = {.text = once_only,
				       .word = "b",
				       .status = "succeeded",
				       .output = "7",
				       .reused = {"a", "b"}};

	(void)state;
	resume_with_word(FLO__ACCEPT_SUCCEEDED, &way);
}

static void no_failed_allocation_spoils_a_word_of_failure(void **state)
{
	static const struct way way = {.text = once_only,
				       .word = "b",
				       .status = "failed",
				       .reused = {"a", "b", "c"}};

	(void)state;
	resume_with_word(FLO__ACCEPT_FAILED, &way);
}

static void no_failed_allocation_spoils_a_resume_in_back_off(void **state)
{
	static const char text[] =
		"{'name':'p','timeout':'1h','steps':["
		"{'name':'a','exec':['say','7'],'output':'json'},"
		"{'name':'b','exec':['flaky','1'],"
		"'retry':{'limit':1,'backoff':'10s'}}],"
		"'output':'${{ steps.a.output }}'}";
	static const struct way way = {.text = text,
				       .status = "succeeded",
				       .output = "7",
				       .reused = {"a"}};

	(void)state;
	result = fake_run(&fake, text, 0, NULL);
	break_off_after(FLO__EVENT_STEP_RETRYING, "b");
	fail_each(&way);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(no_failed_allocation_spoils_a_rerun_of_what_failed),
		CASE(no_failed_allocation_spoils_a_rerun_from_a_step),
		CASE(no_failed_allocation_spoils_a_word_to_rerun),
		CASE(no_failed_allocation_spoils_a_word_of_success),
		CASE(no_failed_allocation_spoils_a_word_of_failure),
		CASE(no_failed_allocation_spoils_a_resume_in_back_off),
	};
#undef CASE

	return cmocka_run_group_tests(tests, NULL, NULL);
}
