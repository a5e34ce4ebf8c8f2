/* The switch and its stacks: guards hold, unwinding works, stacks return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>

#include "engine/sched/switch_p.h"

#include <execinfo.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
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

static void unwind(void *arg)
{
	void *frames[64];

	flo_yield();
	*(int *)arg = backtrace(frames, 64);
}

static void a_coroutine_can_be_unwound_to_its_start(void **state)
{
	flo_runtime *rt = runtime(1);
	int frames = 0;

	(void)state;
	flo_runtime_run(rt, unwind, &frames);
	flo_runtime_free(rt);
	if (strcmp(flo__switch_name, "ucontext") != 0)
		assert_in_range(frames, 3, 8);
}

#ifdef __x86_64__
#define ROUNDING 0x6000u
/* libm's fesetround() without libm */
static unsigned rounding(void)
{
	return __builtin_ia32_stmxcsr() & ROUNDING;
}

static void set_rounding(unsigned mode)
{
	__builtin_ia32_ldmxcsr((__builtin_ia32_stmxcsr() & ~ROUNDING) | mode);
}
#else
static unsigned rounding(void)
{
	return 0;
}

static void set_rounding(unsigned mode)
{
	(void)mode;
}
#endif

struct rounding {
	unsigned mode;
	atomic_int *wrong;
};

static void keep_rounding(void *arg)
{
	struct rounding *r = arg;

	set_rounding(r->mode);
	for (int i = 0; i < 20; i++) {
		flo_yield();
		if (rounding() != r->mode)
			atomic_fetch_add(r->wrong, 1);
	}
}

static void each_coroutine_keeps_its_rounding_mode(void **state)
{
	flo_runtime *rt;
	atomic_int wrong = 0;
	struct rounding r[2] = {{0x4000, &wrong}, {0x6000, &wrong}};

	(void)state;
	if (rounding() != 0 || strcmp(flo__switch_name, "x86_64") != 0) {
		print_message("skipped: the switch here is %s\n",
			      flo__switch_name);
		skip();
	}
	rt = runtime(1);
	flo_go(rt, keep_rounding, &r[0]);
	flo_go(rt, keep_rounding, &r[1]);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&wrong), 0);
	assert_int_equal(rounding(), 0);
}

/* Use @arg KiB of stack, a page at a time. */
__attribute__((noinline)) static int use_stack(int kib)
{
	volatile char frame[1024];

	frame[0] = (char)kib;
	frame[1023] = frame[0];
	return kib > 0 ? use_stack(kib - 1) + frame[1023] : frame[0];
}

static void use_most(void *arg)
{
	*(volatile int *)arg = use_stack(170);
}

static void large_stacks_are_large(void **state)
{
	flo_runtime *rt = runtime(1);
	int result = 0;

	(void)state;
	assert_int_equal(flo_go_with(rt, use_most, &result, 256 * 1024, "big"),
			 FLO_OK);
	assert_int_equal(flo_go_with(rt, use_most, &result, 1 << 20, "huge"),
			 FLO_INVALID);
	flo_runtime_free(rt);
}

static void overflow(void *arg)
{
	*(volatile int *)arg = use_stack(100000);
}

/* In a child: what it does must end it by a signal. */
static int signal_of(void (*fn)(void))
{
	struct rlimit none = {0, 0};
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		if (freopen("/dev/null", "w", stderr) == NULL)
			_exit(3);
		signal(SIGSEGV, SIG_DFL);
		signal(SIGABRT, SIG_DFL);
		alarm(20);
		fn();
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void run_overflow(void)
{
	flo_runtime *rt = NULL;
	int result = 0;

	flo_runtime_new(NULL, NULL, &rt);
	flo_runtime_run(rt, overflow, &result);
}

static void an_overflow_hits_the_guard(void **state)
{
	int sig = signal_of(run_overflow);

	(void)state;
	/* Sanitizers report it and exit. */
	assert_true(sig == SIGSEGV || sig == SIGABRT || sig < 0);
}

struct crowd {
	atomic_int in, out;
};

static void stand_in_crowd(void *arg)
{
	struct crowd *crowd = arg;

	atomic_fetch_add(&crowd->in, 1);
	while (atomic_load(&crowd->in) < 3000)
		flo_yield();
	atomic_fetch_add(&crowd->out, 1);
}

static void make_crowd(void *arg)
{
	for (int i = 0; i < 3000; i++)
		flo_go(NULL, stand_in_crowd, arg);
}

/* More stacks at once than are kept warm, twice. */
static void stacks_are_reused_after_a_crowd(void **state)
{
	flo_runtime *rt = runtime(2);

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct crowd crowd = {0};

		flo_runtime_run(rt, make_crowd, &crowd);
		while (atomic_load(&crowd.out) < 3000)
			usleep(100);
	}
	flo_runtime_free(rt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_coroutine_can_be_unwound_to_its_start),
		cmocka_unit_test(each_coroutine_keeps_its_rounding_mode),
		cmocka_unit_test(large_stacks_are_large),
		cmocka_unit_test(an_overflow_hits_the_guard),
		cmocka_unit_test(stacks_are_reused_after_a_crowd),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
