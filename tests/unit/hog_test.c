/* Hogs: a coroutine that never schedules does not stop the others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>
#include <flo/sync.h>

#include "engine/sched/poll_p.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static flo_runtime *runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

static atomic_int ran;
static atomic_int hogs;

/* Spin until @arg others have run, which needs a P that is not ours. */
static void hog(void *arg)
{
	atomic_fetch_add(&hogs, 1);
	while (atomic_load(&ran) < (int)(intptr_t)arg)
		;
}

static void quick(void *arg)
{
	(void)arg;
	flo_yield();
	atomic_fetch_add(&ran, 1);
}

static void hog_with_followers(void *arg)
{
	for (int i = 0; i < 100; i++)
		flo_go(NULL, quick, NULL);
	hog(arg);
}

static void what_is_queued_behind_a_hog_runs(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		flo_runtime *rt = runtime(1);

		atomic_store(&ran, 0);
		flo_runtime_run(rt, hog_with_followers, (void *)100l);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&ran), 100);
	}
}

static void a_hog_on_every_p_stops_nobody(void **state)
{
	flo_runtime *rt = runtime(2);

	(void)state;
	atomic_store(&ran, 0);
	atomic_store(&hogs, 0);
	flo_go(rt, hog, (void *)300l);
	flo_go(rt, hog, (void *)300l);
	while (atomic_load(&hogs) < 2)
		;
	/* Thrice, so that relief has to come back from its rest. */
	for (int round = 1; round <= 3; round++) {
		for (int i = 0; i < 100; i++)
			flo_go(rt, quick, NULL);
		while (atomic_load(&ran) < 100 * round)
			;
	}
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&ran), 300);
}

static void sleeper(void *arg)
{
	int fd = *(int *)arg;
	struct flo__pollfd p = {.fd = fd, .events = FLO__POLL_READ};

	if (flo_sleep(NULL, 1000000) == FLO_OK)
		atomic_fetch_add(&ran, 1);
	if (flo__poll(&p, 1, UINT64_MAX, NULL) == FLO_OK)
		atomic_fetch_add(&ran, 1);
}

static void timers_and_polls_come_in_spite_of_a_hog(void **state)
{
	flo_runtime *rt = runtime(1);
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	atomic_store(&ran, 0);
	flo_go(rt, sleeper, &fds[0]);
	flo_go(rt, hog, (void *)2l);
	while (atomic_load(&ran) < 1)
		;
	assert_int_equal(write(fds[1], "x", 1), 1);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&ran), 2);
	close(fds[0]);
	close(fds[1]);
}

static void spawn_hogs(void *arg)
{
	for (int i = 0; i < 3; i++)
		flo_go(NULL, hog, arg);
	for (int i = 0; i < 50; i++)
		flo_go(NULL, quick, NULL);
}

static void relief_goes_and_comes_again(void **state)
{
	flo_runtime *rt = runtime(1);

	(void)state;
	atomic_store(&ran, 0);
	for (long i = 1; i <= 4; i++) {
		flo_runtime_run(rt, spawn_hogs, (void *)(50 * i));
		while (atomic_load(&ran) < 50 * i)
			;
	}
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&ran), 4 * 50);
}

static void keep_busy(void *arg)
{
	(void)arg;
	while (atomic_load(&ran) == 0)
		flo_yield();
}

static void hog_behind_whom_others_go_on(void *arg)
{
	for (int i = 0; i < 200; i++)
		flo_go(NULL, keep_busy, NULL);
	flo_go(NULL, quick, NULL);
	hog(arg);
}

/* Whoever takes some of what is queued has work for ever, and no need of more:
 * the last one behind the hog has to be brought to them. */
static void what_is_queued_behind_a_hog_runs_though_all_are_busy(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 3; procs++) {
		flo_runtime *rt = runtime(procs);

		atomic_store(&ran, 0);
		flo_runtime_run(rt, hog_behind_whom_others_go_on, (void *)1l);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&ran), 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_queued_behind_a_hog_runs),
		cmocka_unit_test(
			what_is_queued_behind_a_hog_runs_though_all_are_busy),
		cmocka_unit_test(a_hog_on_every_p_stops_nobody),
		cmocka_unit_test(timers_and_polls_come_in_spite_of_a_hog),
		cmocka_unit_test(relief_goes_and_comes_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
