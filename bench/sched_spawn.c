/* Starting coroutines and waiting for them, and changing between them. */
#include "sched_bench.h"

#include "engine/sched/switch_p.h"

#include <flo/group.h>

#include <stdlib.h>

static flo_status member(flo_context *context, void *arg, flo_error *err)
{
	(void)context;
	(void)arg;
	(void)err;
	return FLO_OK;
}

static uint64_t group(uint32_t limit, long n)
{
	static flo_context *root;
	uint64_t begin = bench_now();
	flo_group *group;

	if (root == NULL)
		root = flo_context_new(NULL);
	if (root == NULL || flo_group_new(root, &group) != FLO_OK)
		bench_fail("no group");
	flo_group_set_limit(group, limit);
	for (long i = 0; i < n; i++) {
		if (flo_group_go(group, member, NULL) != FLO_OK)
			bench_fail("flo_group_go failed");
	}
	if (flo_group_wait(group, NULL) != FLO_OK)
		bench_fail("flo_group_wait failed");
	flo_group_free(group);
	return bench_now() - begin;
}

uint64_t sched_group_limit(void)
{
	return group(GROUP_LIMIT, GROUP_MEMBERS);
}

uint64_t sched_group_batch(void)
{
	return group(0, BATCH);
}

uint64_t sched_group_million(void)
{
	return group(0, MILLION);
}

static void done(void *arg)
{
	flo_waitgroup_done(arg);
}

uint64_t sched_spawn(void)
{
	static flo_waitgroup wg;
	uint64_t begin = bench_now();

	sched_go_all(&wg, BATCH, done, &wg);
	return bench_now() - begin;
}

static void yielder(void *arg)
{
	for (long i = 0; i < YIELDS; i++)
		flo_yield();
	flo_waitgroup_done(arg);
}

uint64_t sched_yield_pair(void)
{
	static flo_waitgroup wg;
	uint64_t begin = bench_now();

	sched_go_all(&wg, 2, yielder, &wg);
	return bench_now() - begin;
}

/* The two stacks that the bare switch goes between. */
static void *here, *there;

static void other(struct flo__m *m)
{
	for (;;)
		m = flo__switch(&there, here, m);
}

static uint64_t switches(void)
{
	uint64_t begin = bench_now();

	for (long i = 0; i < SWITCHES; i++)
		flo__switch(&here, there, NULL);
	return bench_now() - begin;
}

double sched_switch(unsigned procs)
{
	static _Alignas(16) char stack[65536];

	(void)procs;
	there = flo__switch_prepare(stack + sizeof(stack), other);
	return (double)bench_repeat(switches) / (2 * SWITCHES);
}
