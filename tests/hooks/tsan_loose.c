/*
 * What ThreadSanitizer must see where a switch orders what a thread does: races
 * between two threads of the scheduler.
 */
#include "hooks.h"

#include <flo/sync.h>

#include <stdatomic.h>

static flo_waitgroup done;
static flo_mutex mutex;
static atomic_int arrived;
static long count;

/* Meet on two threads, in a way that orders nothing from then on. */
static void meet(void)
{
	atomic_fetch_add_explicit(&arrived, 1, memory_order_relaxed);
	while (atomic_load_explicit(&arrived, memory_order_relaxed) < 2)
		;
}

static void count_alone(void *arg)
{
	(void)arg;
	meet();
	for (int i = 0; i < 1000; i++)
		count++;
	flo_waitgroup_done(&done);
}

static void count_locked(void *arg)
{
	(void)arg;
	meet();
	for (int i = 0; i < 1000; i++) {
		flo_mutex_lock(&mutex);
		count++;
		flo_mutex_unlock(&mutex);
	}
	flo_waitgroup_done(&done);
}

static void two(flo_fn fn)
{
	flo_waitgroup_add(&done, 2);
	hook_go(fn, NULL);
	hook_go(fn, NULL);
	flo_waitgroup_wait(&done, NULL);
}

static void race(void *arg)
{
	(void)arg;
	two(count_alone);
}

static void no_race(void *arg)
{
	(void)arg;
	two(count_locked);
	hook_need(count == 2000, "count");
}

const struct hook hooks[] = {
	{"two-threads", "WARNING: ThreadSanitizer: data race", race, no_race,
	 2},
	{0},
};
