/* What is left: reports of coroutines that live, and of what was not freed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>
#include <flo/sync.h>

#include "engine/sched/sched_p.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static flo_runtime *runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

/* Run @fn in a child; its stderr to @text. Returns how it ended: a signal, or
 * minus an exit code. */
static int end_of(void (*fn)(void), char *text, size_t len)
{
	struct rlimit none = {0, 0};
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		dup2(fds[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		alarm(20);
		fn();
		_exit(0);
	}
	close(fds[1]);
	memset(text, 0, len);
	for (size_t at = 0; at < len - 1; at += (size_t)n) {
		n = read(fds[0], text + at, len - 1 - at);
		if (n <= 0)
			break;
	}
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

/* ---- flo_runtime_report() ---- */

static void sit(void *arg)
{
	(void)arg;
}

struct look {
	char text[1024];
	flo_mutex mutex;
	flo_waitgroup lockers;
};

static void lock_and_unlock(void *arg)
{
	struct look *look = arg;

	flo_mutex_lock(&look->mutex);
	flo_mutex_unlock(&look->mutex);
	flo_waitgroup_done(&look->lockers);
}

static void report_and_read(struct look *look)
{
	int fds[2];
	ssize_t n;

	if (pipe(fds) != 0)
		return;
	flo_runtime_report(flo_runtime_current(), fds[1]);
	close(fds[1]);
	n = read(fds[0], look->text, sizeof(look->text) - 1);
	look->text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
}

static void look_around(void *arg)
{
	struct look *look = arg;

	flo_mutex_lock(&look->mutex);
	flo_waitgroup_add(&look->lockers, 3);
	for (int i = 0; i < 3; i++)
		flo_go_with(NULL, lock_and_unlock, look, 0, "locker");
	flo_yield();
	flo_go_with(NULL, sit, NULL, 0, "fresh");
	report_and_read(look);
	flo_mutex_unlock(&look->mutex);
	/* They are on it until then, and it may be used again. */
	(void)flo_waitgroup_wait(&look->lockers, NULL);
}

/* One thread, and what it runs is this: nothing changes meanwhile. Or so it is
 * unless the system is busy and a relief P comes: then it is tried again. */
static void a_report_tells_who_runs_waits_and_is_queued(void **state)
{
	flo_runtime *rt = runtime(1);
	struct look look;
	bool right = false;

	(void)state;
	for (int i = 0; i < 100 && !right; i++) {
		memset(&look, 0, sizeof(look));
		flo_runtime_run(rt, look_around, &look);
		right = strstr(look.text, "coroutine main runs\n") != NULL &&
			strstr(look.text,
			       "3 coroutines locker wait: mutex\n") != NULL &&
			strstr(look.text, "coroutine fresh is queued\n") !=
				NULL;
	}
	flo_runtime_free(rt);
	assert_true(right);
}

static atomic_bool over;

static void come_and_go(void *arg)
{
	(void)arg;
	while (!atomic_load(&over)) {
		flo_go_with(NULL, sit, NULL, 0, "short");
		flo_sleep(NULL, 1000);
	}
}

static void a_report_may_be_made_while_all_runs(void **state)
{
	flo_runtime *rt = runtime(4);
	char text[256];
	int fds[2];
	ssize_t n;

	(void)state;
	atomic_store(&over, false);
	for (int i = 0; i < 8; i++)
		flo_go_with(rt, come_and_go, NULL, 0, "comer");
	for (int i = 0; i < 50; i++) {
		assert_int_equal(pipe(fds), 0);
		flo_runtime_report(rt, fds[1]);
		close(fds[1]);
		n = read(fds[0], text, sizeof(text) - 1);
		assert_true(n > 0);
		text[n] = '\0';
		assert_non_null(strstr(text, "comer"));
		while (read(fds[0], text, sizeof(text)) > 0)
			;
		close(fds[0]);
	}
	atomic_store(&over, true);
	flo_runtime_free(rt);
}

/* ---- flo_runtime_free() ---- */

static void wait_for_context(void *arg)
{
	flo_sem none = {0};

	flo_sem_init(&none, 0);
	flo_sem_take(&none, arg);
	flo_context_unref(arg);
}

/* A thread that nobody knows ends the wait, long after the report. */
static void *cancel_after_report(void *arg)
{
	usleep(1500000);
	flo_context_cancel(arg, NULL);
	flo_context_unref(arg);
	return NULL;
}

static void free_in_an_open_world(void)
{
	flo_runtime *rt = NULL;
	flo_context *context;
	pthread_t thread;

	flo_runtime_new(NULL, NULL, &rt);
	context = flo_context_new(rt);
	flo_go_with(rt, wait_for_context, flo_context_ref(context), 0,
		    "patient");
	pthread_create(&thread, NULL, cancel_after_report, context);
	flo_runtime_free(rt);
	pthread_join(thread, NULL);
}

static void freeing_says_whom_it_waits_for(void **state)
{
	char text[1024];

	(void)state;
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
	print_message("skipped: where threads cannot be counted it is a "
		      "deadlock\n");
	skip();
#endif
#endif
	assert_int_equal(end_of(free_in_an_open_world, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "flo_runtime_free() waits for 1 "
				     "coroutines that nothing"));
	assert_non_null(strstr(text, "patient waits: semaphore"));
	/* Once. */
	assert_null(strstr(strstr(text, "patient") + 1, "patient"));
}

static void keep_a_context(void)
{
	flo_runtime *rt = NULL;

	flo_runtime_new(NULL, NULL, &rt);
	if (flo_context_new(rt) != NULL)
		flo_runtime_free(rt);
}

static void a_context_that_outlives_its_runtime_breaks_a_contract(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(end_of(keep_a_context, text, sizeof(text)), SIGABRT);
	assert_non_null(strstr(text, "flo_runtime_free: broken contract: "
				     "a context of the runtime was not given "
				     "back\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_report_tells_who_runs_waits_and_is_queued),
		cmocka_unit_test(a_report_may_be_made_while_all_runs),
		cmocka_unit_test(freeing_says_whom_it_waits_for),
		cmocka_unit_test(
			a_context_that_outlives_its_runtime_breaks_a_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
