/*
 * A graph of nodes that do nothing. Who ends a node counts down its
 * successors; of those that it made ready it goes on with the first and starts
 * a coroutine for each of the others.
 */
#include "graph.h"
#include "sched_bench.h"

#include <stdatomic.h>
#include <stdlib.h>

static const struct bench_graph *graph;

/* Predecessors yet to end: acq_rel, so a node sees what they all did. */
static _Atomic uint32_t *pending;

static flo_waitgroup wg;

static void run_node(void *arg)
{
	const uint32_t none = UINT32_MAX;
	uint32_t node = (uint32_t)(uintptr_t)arg, next;

	for (; node != none; node = next) {
		next = none;
		if (node == graph->nodes - 1)
			flo_waitgroup_done(&wg);
		for (uint32_t i = graph->first[node];
		     i < graph->first[node + 1]; i++) {
			uint32_t to = graph->successors[i];

			if (atomic_fetch_sub_explicit(&pending[to], 1,
						      memory_order_acq_rel) > 1)
				continue;
			if (next == none)
				next = to;
			else
				sched_go(run_node, (void *)(uintptr_t)to);
		}
	}
}

static uint64_t walk(void)
{
	uint64_t begin;

	for (uint32_t i = 0; i < graph->nodes; i++)
		atomic_store_explicit(&pending[i], graph->pending[i],
				      memory_order_relaxed);
	begin = bench_now();
	flo_waitgroup_add(&wg, 1);
	sched_go(run_node, NULL);
	flo_waitgroup_wait(&wg, NULL);
	return bench_now() - begin;
}

static double dag(const char *shape, unsigned procs)
{
	double ns;

	graph = bench_graph_build(shape);
	pending = calloc(graph->nodes, sizeof(*pending));
	if (pending == NULL)
		bench_fail("no memory for the graph");
	ns = (double)sched_repeat(procs, walk) / graph->nodes;
	free(pending);
	return ns;
}

double sched_dag_random(unsigned procs)
{
	return dag("random", procs);
}

double sched_dag_layered(unsigned procs)
{
	return dag("layered", procs);
}

double sched_dag_chain(unsigned procs)
{
	return dag("chain", procs);
}

double sched_dag_fan(unsigned procs)
{
	return dag("fan", procs);
}
