/*
 * Blocking regions: the thread may sleep in the kernel, its P must not.
 *
 * Note: who owns the P of a blocked M
 *
 * If work waits, the M hands its P on before it blocks. Else it leaves the P
 * in state BLOCKED, where whoever swaps the state to RUNNING owns it: the M
 * itself when it comes back, which then has paid two atomics and no lock; the
 * monitor, if that takes longer than 20 us; or any other M that comes back
 * from a region and once had this P, which is as good.
 *
 * `nblocked` counts the regions whose P went away, for deadlock detection: it
 * rises before the P can be taken and falls once the coroutine has a P again
 * or is queued.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"

static void count(flo_runtime *rt, int by)
{
	flo__tlock_take(&rt->lock);
	INSIST(by > 0 || rt->nblocked > 0);
	rt->nblocked += (uint32_t)by;
	flo__tlock_give(&rt->lock);
}

static bool swap(struct flo__p *p)
{
	uint32_t blocked = FLO__P_BLOCKED;

	/* acquire: pairs with the release in flo_blocking_begin() */
	return atomic_compare_exchange_strong_explicit(&p->status, &blocked,
						       FLO__P_RUNNING,
						       memory_order_acq_rel,
						       memory_order_relaxed);
}

/* Take @p from a blocked M and hand it on. The monitor, or that M itself. */
bool flo__blocking_retake(flo_runtime *rt, struct flo__p *p)
{
	count(rt, 1);
	if (!swap(p)) {
		count(rt, -1);
		return false;
	}
	flo__sched_handoff(rt, p);
	return true;
}

void flo_blocking_begin(void)
{
	struct flo__m *m = flo__m();
	struct flo__p *p;

	if (m == NULL || m->g == NULL || m->block_depth++ > 0)
		return;
	if (m->rt->sim != NULL)
		return;
	p = m->p;
	INSIST(p != NULL && !m->spinning);
	m->p = NULL;
	m->block_p = p;
	/* release: the queue and caches of @p, for whoever swaps */
	atomic_store_explicit(&p->status, FLO__P_BLOCKED, memory_order_release);
	atomic_thread_fence(memory_order_seq_cst);
	if (flo__sched_work_waits(m->rt, p))
		flo__blocking_retake(m->rt, p);
	else if (atomic_load(&m->rt->mon_sleep) != FLO__MON_AWAKE)
		flo__monitor_wake(m->rt);
}

/* The P is gone: another one, or none. */
static bool regain(struct flo__m *m)
{
	flo_runtime *rt = m->rt;

	flo__tlock_take(&rt->lock);
	m->p = flo__sched_take_p(m);
	if (m->p != NULL) {
		INSIST(rt->nblocked > 0);
		rt->nblocked--;
	}
	flo__tlock_give(&rt->lock);
	if (m->p != NULL)
		flo__sched_stop_spinning(m); /* was the napper's count */
	return m->p != NULL;
}

void flo_blocking_end(void)
{
	struct flo__m *m = flo__m();

	if (m == NULL || m->g == NULL)
		return;
	REQUIRE_RULE(m->block_depth > 0, "no flo_blocking_begin() is open");
	if (--m->block_depth > 0 || m->rt->sim != NULL)
		return;
	if (swap(m->block_p))
		m->p = m->block_p;
	else if (!regain(m))
		flo__g_leave(m, FLO__OP_UNBLOCK);
}

unsigned flo__blocking_depth(void)
{
	struct flo__m *m = flo__m();

	return m != NULL && m->g != NULL ? m->block_depth : 0;
}

/* On the M's own stack: @g has no P to go on with. */
void flo__blocking_return(struct flo__m *m, struct flo__g *g)
{
	struct flo__glist list = {0};

	if (regain(m)) {
		m->picked = g;
		return;
	}
	/* Since regain() found none, a P may have been dropped and its M have
	 * looked at the global queue in vain. */
	flo__glist_push(&list, g);
	flo__sched_push_global(m->rt, &list);
	flo__sched_wake(m->rt);
	count(m->rt, -1);
}
