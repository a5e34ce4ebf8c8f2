/*
 * What the scheduler's own operations cost: sched_bench ROW PROCS. tools/bench
 * runs it beside its peers, and is the place for comparisons.
 */
#include "sched_bench.h"

#define PIECE(name, piece, ops)                                                \
	{                                                                      \
		name, "ns", ANY_PROCS, piece, ops, NULL                        \
	}
#define WHOLE(name, unit, procs, whole)                                        \
	{                                                                      \
		name, unit, procs, NULL, 0, whole                              \
	}

static const struct bench_row rows[] = {
	PIECE("group-64", sched_group_limit, GROUP_MEMBERS),
	PIECE("group-1k", sched_group_batch, BATCH),
	PIECE("group-1m", sched_group_million, MILLION),
	PIECE("spawn", sched_spawn, BATCH),
	PIECE("yield", sched_yield_pair, 2 * YIELDS),
	WHOLE("switch", "ns", ONE_PROC, sched_switch),
	PIECE("pingpong", sched_pingpong, PINGS),
	PIECE("chan-1x1", sched_chan_1x1, VALUES),
	PIECE("chan-4x4", sched_chan_4x4, VALUES),
	PIECE("mutex-8", sched_mutex, MUTEX_USERS *LOCKS),
	PIECE("mutex-8-yield", sched_mutex_yield, MUTEX_USERS *LOCKS),
	WHOLE("mem-pending", "B", ONE_PROC, sched_mem_pending),
	WHOLE("mem-parked", "B", ONE_PROC, sched_mem_parked),
	WHOLE("dag-random", "ns", ANY_PROCS, sched_dag_random),
	WHOLE("dag-layered", "ns", ANY_PROCS, sched_dag_layered),
	WHOLE("dag-chain", "ns", ANY_PROCS, sched_dag_chain),
	WHOLE("dag-fan", "ns", ANY_PROCS, sched_dag_fan),
	WHOLE("speedup-10us", "x", MANY_PROCS, sched_speedup),
	WHOLE("two-tasks-200us", "x", MANY_PROCS, sched_two_tasks),
	WHOLE("hog-burst", "us", ANY_PROCS, sched_hog_burst),
	PIECE("echo", sched_echo, ECHOES),
};

struct repetition {
	bench_piece piece;
	uint64_t ns;
};

static void repeat(void *arg)
{
	struct repetition *r = arg;

	r->ns = bench_repeat(r->piece);
}

void sched_in_runtime(unsigned procs, flo_fn fn, void *arg)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt;

	if (flo_runtime_new(&options, NULL, &rt) != FLO_OK ||
	    flo_runtime_run(rt, fn, arg) != FLO_OK)
		bench_fail("no runtime");
	flo_runtime_free(rt);
}

uint64_t sched_repeat(unsigned procs, bench_piece piece)
{
	struct repetition r = {.piece = piece};

	sched_in_runtime(procs, repeat, &r);
	return r.ns;
}

int main(int argc, char **argv)
{
	return bench_main(argc, argv, rows, sizeof(rows) / sizeof(rows[0]),
			  sched_repeat);
}
