/* What a coroutine costs in memory, before it has begun and while it waits. */
#include "sched_bench.h"

#include <flo/chan.h>

#include <stdatomic.h>

/* Relaxed: read by the coroutine that yields until all have begun. */
static atomic_long begun;

static flo_waitgroup wg;
static flo_chan *never; /* nothing is sent through it */
static double bytes;

static void begin(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&begun, 1, memory_order_relaxed);
	flo_waitgroup_done(&wg);
}

static void wait_for_close(void *arg)
{
	(void)arg;
	atomic_fetch_add_explicit(&begun, 1, memory_order_relaxed);
	flo_chan_recv(never, NULL, NULL);
	flo_waitgroup_done(&wg);
}

static long count(void)
{
	return atomic_load_explicit(&begun, memory_order_relaxed);
}

static void start_all(flo_fn fn)
{
	flo_waitgroup_add(&wg, MILLION);
	for (long i = 0; i < MILLION; i++)
		sched_go(fn, NULL);
}

/* One P, and its coroutine does not let go of it: nobody else begins. */
static void pending(void *arg)
{
	long before = bench_resident();

	(void)arg;
	start_all(begin);
	bytes = (double)(bench_resident() - before) / MILLION;
	if (count() > MILLION / 100)
		bench_fail("coroutines began that should not");
	flo_waitgroup_wait(&wg, NULL);
}

static void parked(void *arg)
{
	long before = bench_resident();

	(void)arg;
	if (flo_chan_new(0, 0, &never) != FLO_OK)
		bench_fail("no channel");
	start_all(wait_for_close);
	while (count() < MILLION)
		flo_yield();
	bytes = (double)(bench_resident() - before) / MILLION;
	flo_chan_close(never);
	flo_waitgroup_wait(&wg, NULL);
	flo_chan_free(never);
}

double sched_mem_pending(unsigned procs)
{
	sched_in_runtime(procs, pending, NULL);
	return bytes;
}

double sched_mem_parked(unsigned procs)
{
	sched_in_runtime(procs, parked, NULL);
	return bytes;
}
