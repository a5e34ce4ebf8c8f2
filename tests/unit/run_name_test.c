/*
 * The ids that runs get: chance may give one twice, and nobody is to see that.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/engine.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* How often what an id is made of comes out the same from now on. */
static int alike;

/* In place of the C library's: what differs otherwise counts up. */
ssize_t getrandom(void *buf, size_t len, unsigned flags)
{
	static uint64_t next = 1000;
	uint64_t value = len == sizeof(uint32_t) && alike-- > 0 ? 7 : next++;

	(void)flags;
	memset(buf, 0, len);
	memcpy(buf, &value, len < sizeof(value) ? len : sizeof(value));
	return (ssize_t)len;
}

static char dir[] = "/tmp/flo-name-XXXXXX";
static flo_engine *engine;
static flo_pipeline *pipeline;

static int setup(void **state)
{
	static const char text[] = "{\"name\":\"p\",\"steps\":[{\"name\":\"a\","
				   "\"use\":\"core.noop\"}]}";
	static char path[64];
	struct flo_engine_options options = {.store = path};

	(void)state;
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/flow.db", dir);
	if (flo_engine_open(&options, NULL, &engine) != FLO_OK)
		return -1;
	return flo_pipeline_load(engine, text, strlen(text), "p.json", NULL,
				 NULL, NULL, &pipeline) == FLO_OK
		       ? 0
		       : -1;
}

static int teardown(void **state)
{
	char command[64];

	(void)state;
	flo_pipeline_free(pipeline);
	flo_engine_close(engine);
	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command);
}

/* Wait for @run, if it was started: @st. */
static flo_status finish(flo_status st, flo_run *run, flo_error *err,
			 char ret_id[64])
{
	if (st != FLO_OK)
		return st;
	snprintf(ret_id, 64, "%s", flo_run_id(run));
	st = flo_run_wait(run, err, NULL);
	flo_run_free(run);
	return st;
}

static flo_status start(const char *id, flo_error *err, char ret_id[64])
{
	struct flo_run_options options = {.run_id = id};
	flo_run *run = NULL;
	flo_status st = flo_run_start(engine, pipeline, &options, err, &run);

	return finish(st, run, err, ret_id);
}

/* (Where a second ends between the two there is nothing to see.) */
static void an_id_that_is_taken_is_not_given(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	char first[64], second[64];

	(void)state;
	alike = 3;
	assert_int_equal(start(NULL, &err, first), FLO_OK);
	assert_int_equal(start(NULL, &err, second), FLO_OK);
	assert_string_not_equal(first, second);
	assert_string_equal(err.text, "");
}

/* The rerun of run @of ends like this; its id. */
static flo_status rerun(const char *of, const struct flo_run_options *options,
			flo_error *err, char ret_id[64])
{
	flo_run *run = NULL;
	flo_status st = flo_run_rerun(engine, of, options, err, &run);

	return finish(st, run, err, ret_id);
}

static void a_rerun_is_not_given_an_id_that_is_taken(void **state)
{
	const struct flo_run_options all = {0}, failed = {.rerun_failed = true};
	flo_error err = FLO_ERROR_INIT;
	char first[64], second[64], third[64];

	(void)state;
	alike = 4;
	assert_int_equal(start(NULL, &err, first), FLO_OK);
	assert_int_equal(rerun(first, &all, &err, second), FLO_OK);
	assert_string_not_equal(first, second);
	alike = 2;
	assert_int_equal(rerun(first, &failed, &err, third), FLO_OK);
	assert_string_not_equal(first, third);
	assert_string_equal(err.text, "");
}

static void a_rerun_with_an_id_of_the_callers_has_no_other(void **state)
{
	const struct flo_run_options options = {.run_id = "mine2"};
	flo_error err = FLO_ERROR_INIT;
	char id[64];

	(void)state;
	assert_int_equal(start("mine2", &err, id), FLO_OK);
	assert_int_equal(rerun("mine2", &options, &err, id), FLO_EXISTS);
	assert_non_null(strstr(err.text, "mine2 is taken"));
}

static void an_id_that_the_caller_gives_is_not_another(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	char id[64];

	(void)state;
	assert_int_equal(start("mine", &err, id), FLO_OK);
	assert_int_equal(start("mine", &err, id), FLO_EXISTS);
	assert_non_null(strstr(err.text, "mine is taken"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_id_that_is_taken_is_not_given),
		cmocka_unit_test(a_rerun_is_not_given_an_id_that_is_taken),
		cmocka_unit_test(
			a_rerun_with_an_id_of_the_callers_has_no_other),
		cmocka_unit_test(an_id_that_the_caller_gives_is_not_another),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
