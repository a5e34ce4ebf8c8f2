/* A program with flowctl's exit(): in a step it is a panic, elsewhere not. */
#include "coro.h"

#include <flo/fault.h>
#include <flo/panic.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static int handlers_run;

static void count_handler(void)
{
	handlers_run++;
}

static void call_exit(void *arg)
{
	exit(*(int *)arg);
}

static int cleaned_up;

static void clean_up(void *arg)
{
	cleaned_up += *(int *)arg;
}

static void exit_after_defer(void *arg)
{
	struct flo_defer_node node;

	flo_defer(&node, clean_up, arg);
	call_exit(arg);
}

static void try_exit(void *arg)
{
	flo_error err = FLO_ERROR_INIT;
	int status = 7;

	(void)arg;
	for (int i = 1; i <= 100; i++) {
		err = (flo_error)FLO_ERROR_INIT;
		EXPECT(flo_try(exit_after_defer, &status, &err) == FLO_PANIC);
		EXPECT(strcmp(err.text, "called exit(7)") == 0);
		EXPECT(cleaned_up == 7 * i);
	}
}

static void exit_in_a_step_is_a_panic_and_shuts_nothing_down(void **state)
{
	(void)state;
	assert_int_equal(atexit(count_handler), 0);
	assert_int_equal(flo_fault_contain(NULL, NULL), FLO_OK);
	coro_run(&(struct flo_runtime_options){.procs = 2}, try_exit, NULL);
	assert_int_equal(handlers_run, 0);
	assert_int_equal(flo_fault_tainted(), 0);
	flo_fault_release();
}

/* What a child that does @fn(@arg) ends with; -1: by a signal. */
static int exit_of(void (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		fn(arg);
		_exit(99);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void exit_in_a_run(void *arg)
{
	flo_runtime *rt = NULL;

	if (flo_runtime_new(NULL, NULL, &rt) == FLO_OK)
		flo_runtime_run(rt, call_exit, arg);
}

static void elsewhere_it_ends_the_process(void **state)
{
	int status = 3;

	(void)state;
	/* An ordinary thread; a coroutine outside flo_try(). */
	assert_int_equal(exit_of(call_exit, &status), 3);
	assert_int_equal(exit_of(exit_in_a_run, &status), 3);
	assert_int_equal(flo_fault_contain(NULL, NULL), FLO_OK);
	assert_int_equal(exit_of(call_exit, &status), 3);
	flo_fault_release();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			exit_in_a_step_is_a_panic_and_shuts_nothing_down),
		cmocka_unit_test(elsewhere_it_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
