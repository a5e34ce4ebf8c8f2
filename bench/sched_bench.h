/*
 * The rows of sched_bench, by the file they are in. A piece runs in a
 * coroutine and measures itself; docs/benchmarks.md says what each row is.
 */
#ifndef FLO_BENCH_SCHED_BENCH_H
#define FLO_BENCH_SCHED_BENCH_H

#include "measure.h"

#include <flo/runtime.h>
#include <flo/sync.h>

/* Run @fn(@arg) in a new runtime of @procs. */
void sched_in_runtime(unsigned procs, flo_fn fn, void *arg);

/* Start @fn(@arg) in the caller's runtime, or end the program. */
static inline void sched_go(flo_fn fn, void *arg)
{
	if (flo_go(NULL, fn, arg) != FLO_OK)
		bench_fail("flo_go failed");
}

/* Start @fn(@arg) @n times and wait until @wg is told of the end of each. */
static inline void sched_go_all(flo_waitgroup *wg, long n, flo_fn fn, void *arg)
{
	flo_waitgroup_add(wg, n);
	for (long i = 0; i < n; i++)
		sched_go(fn, arg);
	flo_waitgroup_wait(wg, NULL);
}

/* sched_spawn.c */
uint64_t sched_group_limit(void);
uint64_t sched_group_batch(void);
uint64_t sched_group_million(void);
uint64_t sched_spawn(void);
uint64_t sched_yield_pair(void);
double sched_switch(unsigned procs);

/* sched_sync.c */
uint64_t sched_pingpong(void);
uint64_t sched_chan_1x1(void);
uint64_t sched_chan_4x4(void);
uint64_t sched_mutex(void);
uint64_t sched_mutex_yield(void);
uint64_t sched_echo(void);

/* sched_dag.c */
double sched_dag_random(unsigned procs);
double sched_dag_layered(unsigned procs);
double sched_dag_chain(unsigned procs);
double sched_dag_fan(unsigned procs);

/* sched_load.c */
double sched_speedup(unsigned procs);
double sched_two_tasks(unsigned procs);
double sched_hog_burst(unsigned procs);

/* sched_memory.c */
double sched_mem_pending(unsigned procs);
double sched_mem_parked(unsigned procs);

/* Repeat @piece in a coroutine of a new runtime: the program's bench_host. */
uint64_t sched_repeat(unsigned procs, bench_piece piece);

#endif
