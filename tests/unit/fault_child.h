/*
 * For tests in which a process may die: a function run in a child, with what
 * became of it and what it said on stderr.
 */
#ifndef FLO_TESTS_UNIT_FAULT_CHILD_H
#define FLO_TESTS_UNIT_FAULT_CHILD_H

#include "coro.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* Long enough for a loaded machine under a sanitizer. */
#define CHILD_SECONDS 100

struct child_end {
	int signal; /* that ended it, SIGALRM if it hung; 0: none */
	int code;   /* else what it exited with */
	char said[8192];
};

static inline void child_begin(int fd)
{
	struct rlimit none = {0, 0};
	static const int faults[] = {SIGSEGV, SIGBUS,  SIGFPE,
				     SIGILL,  SIGABRT, SIGSYS};

	/* cmocka has handlers of its own in the test program. */
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		signal(faults[i], SIG_DFL);
	setrlimit(RLIMIT_CORE, &none);
	dup2(fd, STDERR_FILENO);
	atomic_store(&coro_failures, 0);
	alarm(CHILD_SECONDS);
}

/*
 * Run @fn(@arg) in a child, whose exit code is what it returns, or 99 after a
 * failed EXPECT().
 */
static inline struct child_end child_run(int (*fn)(const void *arg),
					 const void *arg)
{
	struct child_end end = {.code = -1};
	int fd = memfd_create("stderr", 0), status = 0, code;
	ssize_t n;
	pid_t pid = fork();

	if (pid == 0) {
		child_begin(fd);
		code = fn(arg);
		_exit(atomic_load(&coro_failures) > 0 ? 99 : code);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	n = pread(fd, end.said, sizeof(end.said) - 1, 0);
	close(fd);
	assert_true(n >= 0);
	if (WIFSIGNALED(status))
		end.signal = WTERMSIG(status);
	else
		end.code = WEXITSTATUS(status);
	return end;
}

/* Judge it, and show what it said if it went wrong. */
static inline void child_check(const struct child_end *end, const char *what,
			       int signal, int code)
{
	if (end->signal == signal && (signal != 0 || end->code == code))
		return;
	/* cmocka cuts long messages */
	fprintf(stderr, "%s\n", end->said);
	fail_msg("%s: signal %d (wanted %d), exit %d (wanted %d)", what,
		 end->signal, signal, end->code, code);
}

/* In a child: run @fn as a coroutine to its end. */
static inline void child_coro(unsigned procs, flo_fn fn, void *arg)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt;

	if (flo_runtime_new(&options, NULL, &rt) != FLO_OK)
		_exit(98);
	if (flo_runtime_run(rt, fn, arg) != FLO_OK)
		_exit(97);
	flo_runtime_free(rt);
}

#endif
