/*
 * Relief: P's beyond the ordinary ones, for as long as a G sits on its P.
 *
 * A hog needs no signal and pays nothing: what is queued behind it is taken
 * from there. Thieves would, but they come only when they have nothing to do,
 * and coroutines that wake each other can keep all P's busy for ever; so the
 * monitor moves it to the global queue, which everybody looks at in turn.
 * A relief P lies in the idle list like any other, so work wakes an M for it;
 * when fewer P's are stuck the excess goes, from the idle list at once, or when
 * its M next comes to look for work.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"

/* Are there more relief P's than P's to relieve? */
bool flo__relief_in_excess(flo_runtime *rt)
{
	return atomic_load_explicit(&rt->nactive, memory_order_relaxed) >
	       rt->nprocs +
		       atomic_load_explicit(&rt->nstuck, memory_order_relaxed);
}

/* Give up a relief P that is no longer needed, and leave its work to all. */
void flo__relief_retire(struct flo__m *m)
{
	flo_runtime *rt = m->rt;

	if (m->p == NULL || !m->p->relief || m->spinning ||
	    !flo__relief_in_excess(rt))
		return;
	flo__tlock_take(&rt->lock);
	if (m->picked != NULL)
		flo__glist_push(&rt->global, m->picked);
	m->picked = NULL;
	flo__sched_spill(rt, m->p);
	atomic_store_explicit(&m->p->status, FLO__P_ABSENT,
			      memory_order_release);
	m->p = NULL;
	atomic_fetch_sub(&rt->nactive, 1);
	flo__tlock_give(&rt->lock);
	/* With an idle P we go on as if it had been ours: who gives up the last
	 * P has duties (find() in proc.c). Without one others have them. */
	flo__sched_regain(m);
}

/*
 * An M gives up the P that it has found nothing for. True if that was relief no
 * longer needed, and is gone: in the idle list the M itself might find it
 * again, and spin, as long as there is work not worth taking. The lock is held.
 */
bool flo__relief_drop(flo_runtime *rt, struct flo__p *p)
{
	if (!p->relief || !flo__relief_in_excess(rt))
		return false;
	INSIST(flo__runq_empty(p));
	atomic_store_explicit(&p->status, FLO__P_ABSENT, memory_order_release);
	atomic_fetch_sub(&rt->nactive, 1);
	return true;
}

/* Take an unneeded relief P off the idle list. The lock is held. */
static void dismiss(flo_runtime *rt)
{
	struct flo__p **link = &rt->idle_p, *p;

	while (*link != NULL && !(*link)->relief)
		link = &(*link)->link;
	p = *link;
	if (p == NULL)
		return;
	*link = p->link;
	p->link = NULL;
	atomic_store_explicit(&p->status, FLO__P_ABSENT, memory_order_release);
	atomic_fetch_sub(&rt->nidle, 1);
	atomic_fetch_sub(&rt->nactive, 1);
}

/* Add an absent relief P to the idle list. The lock is held. */
static void engage(flo_runtime *rt)
{
	for (uint32_t i = rt->nprocs; i < rt->np; i++) {
		struct flo__p *p = &rt->ps[i];

		if (atomic_load_explicit(&p->status, memory_order_acquire) !=
		    FLO__P_ABSENT)
			continue;
		atomic_fetch_add(&rt->nactive, 1);
		flo__sched_idle_put(rt, p);
		return;
	}
}

/*
 * Give to all what is queued on @p, whose M runs one G for long. Nobody sees the
 * queues between the one and the other: who gives up the last P would take it
 * for a deadlock. So the lock is held for all of it.
 */
void flo__relief_share(flo_runtime *rt, struct flo__p *p)
{
	struct flo__glist list = {0};
	struct flo__g *g;

	if (flo__runq_empty(p))
		return;
	flo__tlock_take(&rt->lock);
	/* Its M may have gone on and fill the ring again. */
	while (list.len <= FLO__RING_LEN && (g = flo__runq_take(p)) != NULL)
		flo__glist_push(&list, g);
	if (list.len > 0) {
		flo__sched_append(rt, &list);
		flo__sched_show_global(rt);
		atomic_store(&rt->global_urgent, true);
	}
	flo__tlock_give(&rt->lock);
	flo__sched_wake(rt);
}

/* The monitor saw @stuck P's: bring relief, or send it away. */
void flo__relief_set(flo_runtime *rt, uint32_t stuck)
{
	atomic_store_explicit(&rt->nstuck, stuck, memory_order_relaxed);
	flo__tlock_take(&rt->lock);
	if (flo__relief_in_excess(rt))
		dismiss(rt);
	else if (stuck > 0 && atomic_load(&rt->nidle) == 0 &&
		 atomic_load(&rt->nactive) < rt->nprocs + stuck)
		engage(rt);
	flo__tlock_give(&rt->lock);
}
