/* Stacks and threads where the system refuses: guards, and what comes then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>
#include <flo/sync.h>

#include "engine/sched/gmp_p.h"
#include "engine/sched/sys_p.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* ---- a system that refuses ---- */

static struct flo__sys real;
/* atomic, relaxed: calls so far, and how many of them are granted */
static atomic_long maps, maps_max, protects, protects_max, threads, threads_max;
/* atomic, relaxed: this many refused maps, and memory is back; 0: never */
static atomic_long maps_back;
static atomic_bool no_guards;

static void *map(size_t size)
{
	long n = atomic_fetch_add(&maps, 1) + 1;
	long max = atomic_load(&maps_max), back = atomic_load(&maps_back);

	if (n > max && (back == 0 || n <= max + back))
		return NULL;
	return real.map(size);
}

static int advise(void *base, size_t size, int advice)
{
	if (advice == MADV_GUARD_INSTALL && atomic_load(&no_guards)) {
		errno = EINVAL;
		return -1;
	}
	return real.advise(base, size, advice);
}

static int protect(void *base, size_t size, int protection)
{
	if (atomic_fetch_add(&protects, 1) >= atomic_load(&protects_max)) {
		errno = ENOMEM;
		return -1;
	}
	return real.protect(base, size, protection);
}

static int thread(pthread_t *ret, void *(*fn)(void *arg), void *arg)
{
	if (atomic_fetch_add(&threads, 1) >= atomic_load(&threads_max))
		return EAGAIN;
	return real.thread(ret, fn, arg);
}

static int setup(void **state)
{
	(void)state;
	real = flo__sys;
	atomic_store(&maps, 0);
	atomic_store(&protects, 0);
	atomic_store(&threads, 0);
	atomic_store(&maps_max, LONG_MAX / 2);
	atomic_store(&protects_max, LONG_MAX);
	atomic_store(&threads_max, LONG_MAX);
	atomic_store(&maps_back, 0);
	atomic_store(&no_guards, false);
	flo__sys = (struct flo__sys){map, advise, protect, thread};
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	flo__sys = real;
	return 0;
}

static flo_runtime *runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

/* Does the kernel know the first kind of guard? */
static bool kernel_installs(void)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	void *mem = mmap(NULL, page, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool yes;

	if (mem == MAP_FAILED)
		return false;
	yes = madvise(mem, page, MADV_GUARD_INSTALL) == 0;
	munmap(mem, page);
	return yes;
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
		signal(SIGSEGV, SIG_DFL);
		alarm(60);
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

/* ---- what catches an overflow ---- */

/*
 * A frame that reaches down to @end, written to at both ends. Not watched: what
 * sanitizers call would lie below it.
 */
static __attribute__((noinline, no_sanitize("address"),
		      no_sanitize("thread"))) void
reach(const char *end)
{
	char here;
	size_t size = (size_t)(&here - end);
	volatile char *frame = __builtin_alloca(size);

	frame[size - 1] = 1;
	frame[0] = 1;
}

/* Into the lowest 64 bytes of the stack, and no further. */
static void overflow(void *arg)
{
	(void)arg;
	reach(flo__g_current()->stack->base + 40);
	flo_sleep(NULL, 1);
	dprintf(STDERR_FILENO, "it went on\n");
}

static void overflow_one(void)
{
	flo_runtime *rt = NULL;

	if (flo_runtime_new(&(struct flo_runtime_options){.procs = 1}, NULL,
			    &rt) == FLO_OK)
		flo_runtime_run(rt, overflow, NULL);
}

/* Sanitizers turn the signal into a report and an exit. */
static bool faulted(int end, const char *text)
{
	return end == SIGSEGV ||
	       (end < 0 && (strstr(text, "stack-overflow") != NULL ||
			    strstr(text, "SEGV") != NULL));
}

static void an_installed_guard_catches_an_overflow(void **state)
{
	static char text[16384];

	(void)state;
	if (!kernel_installs()) {
		print_message("skipped: no MADV_GUARD_INSTALL here\n");
		skip();
	}
	atomic_store(&protects_max, 0);
	assert_true(faulted(end_of(overflow_one, text, sizeof(text)), text));
	assert_null(strstr(text, "it went on"));
}

static void a_protected_page_catches_an_overflow(void **state)
{
	static char text[16384];

	(void)state;
	atomic_store(&no_guards, true);
	assert_true(faulted(end_of(overflow_one, text, sizeof(text)), text));
	assert_null(strstr(text, "it went on"));
}

static void a_canary_finds_an_overflow_at_the_next_park(void **state)
{
	static char text[16384];

	(void)state;
	atomic_store(&no_guards, true);
	atomic_store(&protects_max, 0);
	assert_int_equal(end_of(overflow_one, text, sizeof(text)), SIGABRT);
	assert_non_null(strstr(text, "overflowed its stack of"));
	assert_null(strstr(text, "it went on"));
}

/* ---- many ---- */

struct crowd {
	flo_waitgroup gate, done;
	atomic_int here;
	int n;
	int lines; /* of /proc/self/maps, while all wait */
};

static void wait_at_gate(void *arg)
{
	struct crowd *crowd = arg;

	atomic_fetch_add(&crowd->here, 1);
	flo_waitgroup_wait(&crowd->gate, NULL);
	flo_waitgroup_done(&crowd->done);
}

static int count_mappings(void)
{
	FILE *file = fopen("/proc/self/maps", "r");
	int c, lines = 0;

	while (file != NULL && (c = getc(file)) != EOF)
		lines += c == '\n';
	if (file != NULL)
		fclose(file);
	return lines;
}

static void gather(void *arg)
{
	struct crowd *crowd = arg;

	flo_waitgroup_add(&crowd->gate, 1);
	for (int i = 0; i < crowd->n; i++) {
		flo_waitgroup_add(&crowd->done, 1);
		if (flo_go(NULL, wait_at_gate, crowd) != FLO_OK)
			flo_waitgroup_done(&crowd->done);
	}
	while (atomic_load(&crowd->here) < crowd->n)
		flo_yield();
	crowd->lines = count_mappings();
	flo_waitgroup_done(&crowd->gate);
	flo_waitgroup_wait(&crowd->done, NULL);
}

static void protecting_stops_at_its_budget(void **state)
{
	struct crowd crowd = {.n = 8300};
	flo_runtime *rt = runtime(1);

	(void)state;
	atomic_store(&no_guards, true);
	flo_runtime_run(rt, gather, &crowd);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&crowd.here), crowd.n);
	assert_int_equal(atomic_load(&protects), 8192);
}

static void many_stacks_are_few_mappings(void **state)
{
	struct crowd crowd = {.n = 70000};
	int before = count_mappings();
	flo_runtime *rt;

	(void)state;
#if defined(FLO__ASAN) || defined(FLO__TSAN)
	print_message("skipped: the sanitizer's own mappings are counted\n");
	skip();
#endif
	if (!kernel_installs()) {
		print_message("skipped: no MADV_GUARD_INSTALL here\n");
		skip();
	}
	rt = runtime(2);
	flo_runtime_run(rt, gather, &crowd);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&crowd.here), crowd.n);
	assert_true(crowd.lines - before < 1000);
}

/* ---- no memory for stacks ---- */

struct starving {
	flo_waitgroup done;
	atomic_int ended;
	int n;
};

static void yield_and_end(void *arg)
{
	struct starving *s = arg;

	for (int i = 0; i < 3; i++)
		flo_yield();
	atomic_fetch_add(&s->ended, 1);
	flo_waitgroup_done(&s->done);
}

static void start_many(void *arg)
{
	struct starving *s = arg;

	for (int i = 0; i < s->n; i++) {
		flo_waitgroup_add(&s->done, 1);
		if (flo_go(NULL, yield_and_end, s) != FLO_OK)
			flo_waitgroup_done(&s->done);
	}
	flo_waitgroup_wait(&s->done, NULL);
}

static void those_without_a_stack_wait_until_others_end(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 4; procs++) {
		struct starving s = {.n = 2000};
		flo_runtime *rt;

		atomic_store(&maps, 0);
		atomic_store(&maps_max, 2); /* one is set aside */
		rt = runtime(procs);
		flo_runtime_run(rt, start_many, &s);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&s.ended), 2000);
		assert_true(atomic_load(&maps) > 2);
	}
}

/* All of them wait for the last, which has no stack until memory is back. */
static void memory_that_comes_back_is_found(void **state)
{
	struct crowd crowd = {.n = 200};
	flo_runtime *rt = runtime(2);

	(void)state;
	atomic_store(&maps_max, 2); /* one is set aside */
	atomic_store(&maps_back, 5);
	flo_runtime_run(rt, gather, &crowd);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&crowd.here), crowd.n);
	assert_true(atomic_load(&maps) > 7);
}

static void wait_in_vain(void *arg)
{
	flo_waitgroup_wait(arg, NULL);
}

/* They use up all stacks, and then wait for who has none. */
static void wait_for_the_last(void *arg)
{
	flo_waitgroup *wg = arg;

	flo_waitgroup_add(wg, 1);
	for (int i = 0; i < 200; i++)
		flo_go_with(NULL, wait_in_vain, wg, 0, "waiter");
	flo_waitgroup_wait(wg, NULL);
}

static void starve_for_ever(void)
{
	flo_runtime *rt = NULL;
	flo_waitgroup wg = {0};

	atomic_store(&maps_max, 2); /* one is set aside */
	if (flo_runtime_new(&(struct flo_runtime_options){.procs = 2}, NULL,
			    &rt) == FLO_OK)
		flo_runtime_run(rt, wait_for_the_last, &wg);
}

static void starving_for_ever_is_reported_in_the_end(void **state)
{
	static char text[4096];

	(void)state;
	assert_int_equal(end_of(starve_for_ever, text, sizeof(text)), SIGABRT);
	assert_non_null(strstr(text, "deadlock: all 201 coroutines"));
	assert_non_null(strstr(text, "wait: memory for a stack"));
}

static void without_memory_for_stacks_there_is_no_runtime(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_runtime *rt = NULL;

	(void)state;
	atomic_store(&maps_max, 0);
	assert_int_equal(flo_runtime_new(NULL, &err, &rt), FLO_NOMEM);
	assert_null(rt);
	assert_string_equal(err.text, "out of memory");
}

/* What is told of a standstill: it ends the wait that all depends on. */
struct told {
	flo_sem sem;
	flo_context *context;
	flo_waitgroup done;
	int n;
	bool starved; /* written by the monitor, all joined when it is read */
	atomic_int times, ended;
};

static void cancel_it(flo_runtime *rt, const char *report, void *arg)
{
	struct told *told = arg;

	(void)rt;
	atomic_fetch_add(&told->times, 1);
	told->starved |= strstr(report, "memory for a stack") != NULL;
	/* All may have ended before the call returns. */
	flo_context_ref(told->context);
	flo_context_cancel(told->context, NULL);
	flo_context_unref(told->context);
}

static void take_in_vain(void *arg)
{
	struct told *told = arg;

	flo_sem_take(&told->sem, told->context);
	atomic_fetch_add(&told->ended, 1);
	flo_waitgroup_done(&told->done);
}

static void start_takers(void *arg)
{
	struct told *told = arg;

	flo_waitgroup_add(&told->done, told->n);
	for (int i = 0; i < told->n; i++)
		flo_go(NULL, take_in_vain, told);
	flo_waitgroup_wait(&told->done, NULL);
}

/* One starves (a slab has 16 stacks, or 8 in an instrumented build), or many. */
static void what_starves_for_ever_ends_when_a_deadlock_is_told(void **state)
{
	static const int crowds[] = {7, 15, 100};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct told told = {.n = crowds[i]};
		const struct flo_runtime_options options = {
			.procs = 2,
			.stack_size = 256 * 1024,
			.closed_world = true,
			.on_deadlock = cancel_it,
			.on_deadlock_arg = &told};
		flo_runtime *rt = NULL;

		flo_sem_init(&told.sem, 0);
		atomic_store(&maps, 0);
		atomic_store(&maps_max, 1);
		assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
		told.context = flo_context_new(rt);
		flo_runtime_run(rt, start_takers, &told);
		flo_context_unref(told.context);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&told.ended), told.n);
		assert_int_equal(atomic_load(&told.times), 1);
		assert_true(told.starved || told.n < 15);
	}
}

/* ---- no threads ---- */

static void without_threads_there_is_no_runtime(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_runtime *rt = NULL;

	(void)state;
	for (int i = 0; i < 2; i++) {
		flo_error_clear(&err);
		atomic_store(&threads, 0);
		atomic_store(&threads_max, i);
		assert_int_equal(flo_runtime_new(NULL, &err, &rt), FLO_SYSTEM);
		assert_null(rt);
		assert_non_null(strstr(err.text, "thread"));
	}
}

static void block_and_end(void *arg)
{
	struct starving *s = arg;

	flo_blocking_begin();
	usleep(100);
	flo_blocking_end();
	yield_and_end(s);
}

static void start_blockers(void *arg)
{
	struct starving *s = arg;

	for (int i = 0; i < s->n; i++) {
		flo_waitgroup_add(&s->done, 1);
		if (flo_go(NULL, block_and_end, s) != FLO_OK)
			flo_waitgroup_done(&s->done);
	}
	flo_waitgroup_wait(&s->done, NULL);
}

static void the_threads_there_are_do_all_the_work(void **state)
{
	(void)state;
	for (long max = 2; max <= 4; max++) {
		struct starving s = {.n = 200};
		flo_runtime *rt;

		atomic_store(&threads, 0);
		atomic_store(&threads_max, max);
		rt = runtime(4);
		flo_runtime_run(rt, start_blockers, &s);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&s.ended), 200);
		assert_true(atomic_load(&threads) > max);
	}
}

int main(void)
{
#define CASE(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(an_installed_guard_catches_an_overflow),
		CASE(a_protected_page_catches_an_overflow),
		CASE(a_canary_finds_an_overflow_at_the_next_park),
		CASE(protecting_stops_at_its_budget),
		CASE(many_stacks_are_few_mappings),
		CASE(those_without_a_stack_wait_until_others_end),
		CASE(memory_that_comes_back_is_found),
		CASE(starving_for_ever_is_reported_in_the_end),
		CASE(without_memory_for_stacks_there_is_no_runtime),
		CASE(what_starves_for_ever_ends_when_a_deadlock_is_told),
		CASE(without_threads_there_is_no_runtime),
		CASE(the_threads_there_are_do_all_the_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
