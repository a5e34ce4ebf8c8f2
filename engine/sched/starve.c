/*
 * Starvation: coroutines for which there is no memory for a stack.
 *
 * They wait in a list. Whoever ends gives the list's first its chance, since a
 * stack came free; so does whoever gets a stack in the end, since then there
 * may be more; and the monitor every 10 ms, since memory may come from outside.
 * Free stacks in the caches of P's are given to all meanwhile.
 *
 * Nobody knows whether memory will come, so a runtime in which all else waits
 * is not at once called deadlocked. But after PROBES_MAX probes in vain the
 * starving no longer count as something that can still happen.
 *
 * Note: the last stack
 *
 * Whom a deadlock is told of may cancel what waits; but what starves would not
 * hear of it, and who waits for it neither. So from then on it is lent a stack
 * that was set aside when the runtime was made, one after the other, until
 * nobody starves. If one waits on it for another that starves, all stands still
 * again, and that is told again, after as many probes.
 *
 * Refused: a stack for each coroutine when it is started, so that flo_go() can
 * say FLO_NOMEM. A million that are queued would be a million stacks.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"

#define PROBE_NS   10000000ull
#define PROBES_MAX 300u

/* Take the first, if there is one. The lock is not held. */
static void feed(flo_runtime *rt, bool probe)
{
	struct flo__glist list = {0};
	struct flo__g *g;

	flo__tlock_take(&rt->lock);
	rt->probes = probe ? rt->probes + 1 : 0;
	g = flo__glist_pop(&rt->starved);
	flo__tlock_give(&rt->lock);
	if (g == NULL)
		return;
	INSIST(atomic_load_explicit(&g->state, memory_order_relaxed) ==
	       FLO__G_PARKED);
	atomic_store_explicit(&g->state, FLO__G_QUEUED, memory_order_release);
	flo__glist_push(&list, g);
	flo__sched_push_global(rt, &list);
	flo__sched_wake(rt);
}

void flo__starve_feed(flo_runtime *rt)
{
	feed(rt, false);
}

void flo__starve_probe(flo_runtime *rt)
{
	uint64_t now;

	if (atomic_load_explicit(&rt->nstarved, memory_order_relaxed) == 0)
		return;
	now = flo__clock();
	if (now - rt->probed_ns < PROBE_NS)
		return;
	rt->probed_ns = now;
	feed(rt, true);
}

/* Idle and absent P's belong to who holds the lock: see enum flo__p_status. */
static bool is_ours(const struct flo__p *p)
{
	uint32_t status =
		atomic_load_explicit(&p->status, memory_order_acquire);

	return status == FLO__P_IDLE || status == FLO__P_ABSENT;
}

/* Count @g, unless it comes back from a try. The lock is held. */
static void enter(flo_runtime *rt, struct flo__g *g)
{
	if (g->marks & FLO__G_STARVES)
		return;
	__atomic_store_n(&g->marks, g->marks | FLO__G_STARVES,
			 __ATOMIC_RELAXED);
	if (atomic_fetch_add(&rt->nstarved, 1) == 0)
		rt->probes = 0;
}

/* @g, which the caller owns, has a stack. */
void flo__starve_sated(flo_runtime *rt, struct flo__g *g)
{
	if (g->marks & FLO__G_STARVES) {
		__atomic_store_n(&g->marks, g->marks & ~FLO__G_STARVES,
				 __ATOMIC_RELAXED);
		flo__tlock_take(&rt->lock);
		if (atomic_fetch_sub(&rt->nstarved, 1) == 1)
			atomic_store_explicit(&rt->relieving, false,
					      memory_order_relaxed);
		flo__tlock_give(&rt->lock);
	}
	feed(rt, false); /* there may be more */
}

void flo__starve_relieve(flo_runtime *rt)
{
	if (atomic_load_explicit(&rt->nstarved, memory_order_relaxed) == 0)
		return;
	atomic_store_explicit(&rt->relieving, true, memory_order_relaxed);
	feed(rt, false);
}

/* @g, which the caller owns, cannot run for want of a stack. */
void flo__starve(flo_runtime *rt, struct flo__g *g)
{
	bool found = false;

	FLO__TSAN_ACQUIRE(g); /* who made it */
	__atomic_store_n(&g->why, "memory for a stack", __ATOMIC_RELAXED);
	atomic_store_explicit(&g->state, FLO__G_PARKED, memory_order_release);
	flo__tlock_take(&rt->lock);
	enter(rt, g);
	flo__glist_push(&rt->starved, g);
	for (uint32_t i = 0; i < rt->np; i++)
		if (is_ours(&rt->ps[i]))
			found = flo__stack_give_up(&rt->ps[i]) || found;
	flo__tlock_give(&rt->lock);
	if (found)
		flo__starve_feed(rt);
	/* It goes to sleep for long, and looks at nstarved after that. */
	if (atomic_load(&rt->mon_sleep) == FLO__MON_DEEP)
		flo__monitor_wake(rt);
}

/* May what starves still be saved by others? The lock is held. */
bool flo__starve_hopes(const flo_runtime *rt)
{
	return rt->starved.len > 0 && rt->probes < PROBES_MAX;
}
