/* Runs whose native steps wait for ever: an engine in a closed world ends them
 * as failed, and says what waits for what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/engine.h>
#include <flo/runtime.h>
#include <flo/sync.h>

#include "engine/sched/sys_p.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64], store[96];

static int setup(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/flo-deadlock.XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(store, sizeof(store), "%s/flow.db", dir);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

/* ---- step types ---- */

static flo_mutex mutex;

/* Nothing can end it: the lock is never given back. */
static flo_status lock_twice(flo_step_call *call, const flo_value *with,
			     flo_error *err, flo_value **ret_output)
{
	(void)call, (void)with, (void)err, (void)ret_output;
	flo_mutex_lock(&mutex);
	flo_mutex_lock(&mutex);
	return FLO_OK;
}

/* Its context can end it. */
static flo_status take_none(flo_step_call *call, const flo_value *with,
			    flo_error *err, flo_value **ret_output)
{
	flo_sem sem = {0};

	(void)with, (void)err, (void)ret_output;
	flo_sem_init(&sem, 0);
	return flo_sem_take(&sem, flo_step_context(call));
}

static const flo_step_type lock_type = {.name = "test.lock_twice",
					.run = lock_twice};
static const flo_step_type sem_type = {.name = "test.take_none",
				       .run = take_none};

/* ---- a run, in a process of its own: stuck coroutines stay ---- */

static void print_diagnostic(const flo_diagnostic *diagnostic, void *arg)
{
	(void)arg;
	fprintf(stderr, "%s\n", diagnostic->message);
}

/* Returns an exit code. */
static int run(const char *text)
{
	struct flo_engine_options options = {
		.store = store,
		.durability = FLO_DURABILITY_NONE,
		.minder = FLO__TEST_MINDER,
		.closed_world = true,
	};
	struct flo_run_options run_options = {.run_id = "stuck"};
	flo_error err = FLO_ERROR_INIT;
	flo_pipeline *pipeline = NULL;
	flo_engine *engine = NULL;
	flo_value *result = NULL;
	flo_run *handle = NULL;

	if (flo_engine_open(&options, &err, &engine) != FLO_OK ||
	    flo_engine_register_step(engine, &lock_type, &err) != FLO_OK ||
	    flo_engine_register_step(engine, &sem_type, &err) != FLO_OK ||
	    flo_pipeline_load(engine, text, strlen(text), "p.json",
			      print_diagnostic, NULL, &err,
			      &pipeline) != FLO_OK ||
	    flo_run_start(engine, pipeline, &run_options, &err, &handle) !=
		    FLO_OK ||
	    flo_run_wait(handle, &err, &result) != FLO_OK) {
		fprintf(stderr, "%s\n", err.text);
		return 2;
	}
	flo_value_unref(result);
	flo_run_free(handle);
	flo_pipeline_free(pipeline);
	flo_engine_close(engine);
	return 0;
}

/* With memory again. Returns 0 if it succeeded. */
static int resume(void)
{
	struct flo_engine_options options = {
		.store = store,
		.durability = FLO_DURABILITY_NONE,
		.minder = FLO__TEST_MINDER,
	};
	flo_engine *engine = NULL;
	flo_value *result = NULL;
	flo_run *handle = NULL;
	int failed;

	if (flo_engine_open(&options, NULL, &engine) != FLO_OK ||
	    flo_run_resume(engine, "stuck", NULL, NULL, &handle) != FLO_OK ||
	    flo_run_wait(handle, NULL, &result) != FLO_OK)
		return 2;
	failed =
		strcmp(flo_value_get_string(flo_value_map_get(result, "status"),
					    NULL),
		       "succeeded") != 0;
	flo_value_unref(result);
	flo_run_free(handle);
	flo_engine_close(engine);
	return failed;
}

/* What the store says of it afterwards. */
static flo_value *run_and_show(const char *text)
{
	flo_store *reader = NULL;
	flo_value *shown = NULL;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		alarm(60);
		_exit(run(text));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(flo_store_open(store, NULL, &reader), FLO_OK);
	assert_int_equal(flo_store_run(reader, "stuck", NULL, &shown), FLO_OK);
	flo_store_close(reader);
	return shown;
}

static const char *text_of(const flo_value *map, const char *key)
{
	const flo_value *value = flo_value_map_get(map, key);

	return value != NULL && flo_value_typeof(value) == FLO_VALUE_STRING
		       ? flo_value_get_string(value, NULL)
		       : "";
}

/* The step of @shown at @path. */
static const flo_value *step_of(const flo_value *shown, const char *path)
{
	const flo_value *steps = flo_value_map_get(shown, "steps");

	for (size_t i = 0; i < flo_value_len(steps); i++)
		if (strcmp(text_of(flo_value_list_at(steps, i), "path"),
			   path) == 0)
			return flo_value_list_at(steps, i);
	fail_msg("no step %s", path);
	return NULL;
}

static void check_failed(const flo_value *what, const char *kind,
			 const char *says)
{
	const flo_value *error = flo_value_map_get(what, "error");

	assert_string_equal(text_of(what, "status"), "failed");
	assert_string_equal(text_of(error, "kind"), kind);
	assert_non_null(strstr(text_of(error, "message"), says));
}

static void a_wait_for_a_lock_fails_its_step_and_the_run(void **state)
{
	flo_value *shown = run_and_show(
		"{\"name\":\"p\",\"steps\":[{\"name\":\"g\",\"group\":["
		"{\"name\":\"a\",\"use\":\"test.lock_twice\"},"
		"{\"name\":\"b\",\"use\":\"test.take_none\"},"
		"{\"name\":\"c\",\"use\":\"core.noop\"}]}]}");
	char trace[80];

	(void)state;
	snprintf(trace, sizeof(trace), "waits: mutex, trace %s",
		 text_of(shown, "trace_id"));
	check_failed(shown, "deadlock", "deadlock: all");
	check_failed(shown, "deadlock", trace);
	check_failed(step_of(shown, "g.a"), "deadlock", trace);
	assert_string_equal(text_of(step_of(shown, "g.b"), "status"),
			    "cancelled");
	assert_string_equal(text_of(step_of(shown, "g.c"), "status"),
			    "succeeded");
	flo_value_unref(shown);
}

static void a_wait_that_a_cancel_ends_is_cancelled(void **state)
{
	flo_value *shown = run_and_show(
		"{\"name\":\"p\",\"steps\":["
		"{\"name\":\"a\",\"use\":\"test.take_none\"},"
		"{\"name\":\"b\",\"use\":\"core.noop\"}],"
		"\"finally\":[{\"name\":\"f\",\"use\":\"core.noop\"}]}");

	(void)state;
	check_failed(shown, "deadlock", "waits: semaphore");
	assert_string_equal(text_of(step_of(shown, "a"), "status"),
			    "cancelled");
	assert_string_equal(text_of(step_of(shown, "finally.f"), "status"),
			    "succeeded");
	flo_value_unref(shown);
}

/* ---- no memory for stacks ---- */

static void *(*real_map)(size_t size);
static atomic_int maps; /* relaxed: only counts */

static void *map_once(size_t size)
{
	return atomic_fetch_add_explicit(&maps, 1, memory_order_relaxed) == 0
		       ? real_map(size)
		       : NULL;
}

/* Blocks in blocks: each of them waits for what has no stack. */
static char *many_blocks(void)
{
	static char text[4096] = "{\"name\":\"p\",\"limit\":90,\"steps\":["
				 "{\"name\":\"g\",\"group\":[";
	size_t len = strlen(text);

	for (int i = 0; i < 40; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len,
					"%s{\"name\":\"b%d\",\"group\":["
					"{\"name\":\"x\",\"use\":"
					"\"core.noop\"}]}",
					i > 0 ? "," : "", i);
	snprintf(text + len, sizeof(text) - len, "]}]}");
	return text;
}

/* What the engine says on its way out with 2. */
static void starve(const char *text, char *said, size_t size)
{
	char path[96];
	int status;
	FILE *file;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/said", dir);
	pid = fork();
	if (pid == 0) {
		alarm(60);
		if (freopen(path, "w", stderr) == NULL)
			_exit(9);
		real_map = flo__sys.map;
		flo__sys.map = map_once;
		status = run(text);
		fflush(stderr);
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 2);
	file = fopen(path, "r");
	assert_non_null(file);
	said[fread(said, 1, size - 1, file)] = '\0';
	fclose(file);
}

static void without_memory_for_stacks_a_run_is_left_to_be_resumed(void **state)
{
	flo_store *reader = NULL;
	flo_value *shown = NULL;
	char said[4096];

	(void)state;
	starve(many_blocks(), said, sizeof(said));
	assert_non_null(strstr(said, "out of memory"));
	assert_int_equal(flo_store_open(store, NULL, &reader), FLO_OK);
	assert_int_equal(flo_store_run(reader, "stuck", NULL, &shown), FLO_OK);
	flo_store_close(reader);
	assert_string_equal(text_of(shown, "status"), "interrupted");
	flo_value_unref(shown);
	assert_int_equal(resume(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			a_wait_for_a_lock_fails_its_step_and_the_run, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			a_wait_that_a_cancel_ends_is_cancelled, setup,
			teardown),
		cmocka_unit_test_setup_teardown(
			without_memory_for_stacks_a_run_is_left_to_be_resumed,
			setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
