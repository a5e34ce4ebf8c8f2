/* Coroutines that compute: the speed-up by more cores, and hogs. */
#include "sched_bench.h"

#include <stdatomic.h>

/* Relaxed: nothing but itself is passed on. */
static atomic_bool stop;

static uint64_t loops;
static flo_waitgroup wg;

static void work(void *arg)
{
	(void)arg;
	bench_burn(loops);
	flo_waitgroup_done(&wg);
}

static void many_tasks(void *arg)
{
	uint64_t *ret_ns = arg, begin;

	sched_go_all(&wg, TASKS / 50, work, NULL);
	begin = bench_now();
	sched_go_all(&wg, TASKS, work, NULL);
	*ret_ns = bench_now() - begin;
}

static void pairs_of_tasks(void *arg)
{
	uint64_t *ret_ns = arg, begin = bench_now();

	for (int i = 0; i < PAIRS + PAIRS / 10; i++) {
		if (i == PAIRS / 10)
			begin = bench_now();
		sched_go_all(&wg, 2, work, NULL);
	}
	*ret_ns = bench_now() - begin;
}

/* How many times faster @fn is on @procs than on one. */
static double speedup(unsigned procs, flo_fn fn, uint64_t ns)
{
	uint64_t one, many;

	loops = bench_loops(ns);
	sched_in_runtime(1, fn, &one);
	sched_in_runtime(procs, fn, &many);
	return (double)one / (double)many;
}

double sched_speedup(unsigned procs)
{
	return speedup(procs, many_tasks, WORK_NS);
}

double sched_two_tasks(unsigned procs)
{
	return speedup(procs, pairs_of_tasks, LONG_NS);
}

static void hog(void *arg)
{
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		bench_burn(loops);
	flo_waitgroup_done(arg);
}

/* In: when it was started. Out: how much later it ran. */
static void task(void *arg)
{
	uint64_t *latency = arg;

	*latency = bench_now() - *latency;
	flo_waitgroup_done(&wg);
}

struct bursts {
	unsigned procs;
	uint64_t latencies[BURSTS * BURST];
};

static void bursts(void *arg)
{
	static flo_waitgroup hogs;
	struct bursts *b = arg;

	flo_waitgroup_add(&hogs, b->procs);
	for (unsigned i = 0; i < b->procs; i++)
		sched_go(hog, &hogs);
	for (long i = 0; i < BURSTS; i++) {
		flo_sleep(NULL, BURST_GAP_NS);
		flo_waitgroup_add(&wg, BURST);
		for (long k = i * BURST; k < (i + 1) * BURST; k++) {
			b->latencies[k] = bench_now();
			sched_go(task, &b->latencies[k]);
		}
		flo_waitgroup_wait(&wg, NULL);
	}
	atomic_store_explicit(&stop, true, memory_order_relaxed);
	flo_waitgroup_wait(&hogs, NULL);
}

double sched_hog_burst(unsigned procs)
{
	static struct bursts b;

	b.procs = procs;
	loops = bench_loops(WORK_NS);
	sched_in_runtime(procs, bursts, &b);
	return (double)bench_percentile(b.latencies, BURSTS * BURST, 99) / 1e3;
}
