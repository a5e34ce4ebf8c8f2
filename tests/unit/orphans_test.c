/* What a killed engine and its minders left, as the next engine finds it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>

#include "engine/proc/local.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 300
#define AGAIN  "exec sh -c \"$0\" \"$0\""

static const char *const env[] = {"PATH=/usr/local/bin:/usr/bin:/bin",
				  "FLOW_RUN_ID=orphans_test",
				  "FLOW_WORKDIR=/orphans_test", NULL};

static struct flo__executor *executor;
static pid_t left;
static int missed;

/* A program that does nothing but become a program. */
static pid_t restless(void)
{
	int began[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe2(began, O_CLOEXEC), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		execle("/bin/sh", "sh", "-c", AGAIN, AGAIN, NULL, env);
		_exit(127);
	}
	close(began[1]);
	assert_int_equal(read(began[0], &byte, 1), 0); /* not ours any more */
	close(began[0]);
	return pid;
}

static void end_left(void *arg)
{
	(void)arg;
	executor->ops->end_left(executor, env);
}

/*
 * Between two programs a process has no environment for a moment. The sweep
 * meets that moment in some of the rounds.
 */
static void who_becomes_another_program_is_found(void **state)
{
	flo_runtime *rt;
	int status;

	(void)state;
	assert_int_equal(flo_runtime_new(NULL, NULL, &rt), FLO_OK);
	assert_int_equal(flo__local_new(FLO__TEST_MINDER, NULL, &executor),
			 FLO_OK);
	for (int i = 0; i < ROUNDS; i++) {
		left = restless();
		assert_int_equal(flo_runtime_run(rt, end_left, NULL), FLO_OK);
		if (waitpid(left, &status, WNOHANG) == 0) {
			missed++;
			kill(left, SIGKILL);
			waitpid(left, &status, 0);
		}
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	}
	assert_int_equal(missed, 0);
	executor->ops->free(executor);
	flo_runtime_free(rt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_becomes_another_program_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
