/*
 * The rows of sched_bench that oneTBB has an answer to, with its task_group:
 * tbb --list, or tbb ROW PROCS. Its tasks have no stacks of their own and
 * cannot wait for each other, so there are no channels here.
 */
#include "../graph.h"
#include "../measure.h"

#include <tbb/global_control.h>
#include <tbb/task_arena.h>
#include <tbb/task_group.h>

#include <atomic>
#include <memory>

namespace
{

template <typename F> void in_arena(unsigned procs, F fn)
{
	tbb::global_control control(
		tbb::global_control::max_allowed_parallelism, procs);
	tbb::task_arena arena((int)procs);

	arena.execute(fn);
}

uint64_t host(unsigned procs, bench_piece piece)
{
	uint64_t ns = 0;

	in_arena(procs, [&] { ns = bench_repeat(piece); });
	return ns;
}

template <typename F> void go_all(long n, F fn)
{
	tbb::task_group group;

	for (long i = 0; i < n; i++)
		group.run(fn);
	group.wait();
}

uint64_t group(long n)
{
	uint64_t begin = bench_now();

	go_all(n, [] {});
	return bench_now() - begin;
}

uint64_t group_batch()
{
	return group(BATCH);
}

uint64_t group_million()
{
	return group(MILLION);
}

const struct bench_graph *graph;
std::unique_ptr<std::atomic<uint32_t>[]> pending;

void run_node(tbb::task_group &tasks, uint32_t node)
{
	const uint32_t none = UINT32_MAX;

	while (node != none) {
		uint32_t next = none;

		for (uint32_t i = graph->first[node];
		     i < graph->first[node + 1]; i++) {
			uint32_t to = graph->successors[i];

			if (pending[to].fetch_sub(1,
						  std::memory_order_acq_rel) >
			    1)
				continue;
			if (next == none)
				next = to;
			else
				tasks.run(
					[&tasks, to] { run_node(tasks, to); });
		}
		node = next;
	}
}

uint64_t walk()
{
	tbb::task_group tasks;
	uint64_t begin;

	for (uint32_t i = 0; i < graph->nodes; i++)
		pending[i].store(graph->pending[i], std::memory_order_relaxed);
	begin = bench_now();
	tasks.run([&tasks] { run_node(tasks, 0); });
	tasks.wait();
	return bench_now() - begin;
}

double dag(const char *shape, unsigned procs)
{
	graph = bench_graph_build(shape);
	pending.reset(new std::atomic<uint32_t>[graph->nodes]);
	return (double)host(procs, walk) / graph->nodes;
}

double dag_random(unsigned procs)
{
	return dag("random", procs);
}

double dag_layered(unsigned procs)
{
	return dag("layered", procs);
}

double dag_chain(unsigned procs)
{
	return dag("chain", procs);
}

double dag_fan(unsigned procs)
{
	return dag("fan", procs);
}

uint64_t many_tasks(uint64_t loops)
{
	auto task = [loops] { bench_burn(loops); };
	uint64_t begin;

	go_all(TASKS / 50, task);
	begin = bench_now();
	go_all(TASKS, task);
	return bench_now() - begin;
}

uint64_t pairs_of_tasks(uint64_t loops)
{
	auto task = [loops] { bench_burn(loops); };
	uint64_t begin;

	for (int i = 0; i < PAIRS / 10; i++)
		go_all(2, task);
	begin = bench_now();
	for (int i = 0; i < PAIRS; i++)
		go_all(2, task);
	return bench_now() - begin;
}

/* How many times faster @fn is on @procs than on one. */
double speedup(unsigned procs, uint64_t (*fn)(uint64_t loops), uint64_t ns)
{
	uint64_t loops = bench_loops(ns), one = 0, many = 0;

	in_arena(1, [&] { one = fn(loops); });
	in_arena(procs, [&] { many = fn(loops); });
	return (double)one / (double)many;
}

double speedup_10us(unsigned procs)
{
	return speedup(procs, many_tasks, WORK_NS);
}

double two_tasks(unsigned procs)
{
	return speedup(procs, pairs_of_tasks, LONG_NS);
}

const struct bench_row rows[] = {
	{"group-1k", "ns", ANY_PROCS, group_batch, BATCH, nullptr},
	{"group-1m", "ns", ANY_PROCS, group_million, MILLION, nullptr},
	{"dag-random", "ns", ANY_PROCS, nullptr, 0, dag_random},
	{"dag-layered", "ns", ANY_PROCS, nullptr, 0, dag_layered},
	{"dag-chain", "ns", ANY_PROCS, nullptr, 0, dag_chain},
	{"dag-fan", "ns", ANY_PROCS, nullptr, 0, dag_fan},
	{"speedup-10us", "x", MANY_PROCS, nullptr, 0, speedup_10us},
	{"two-tasks-200us", "x", MANY_PROCS, nullptr, 0, two_tasks},
};

} // namespace

int main(int argc, char **argv)
{
	return bench_main(argc, argv, rows, sizeof(rows) / sizeof(rows[0]),
			  host);
}
