/*
 * Who runs what: how G's are found, and how M's park and are woken.
 *
 * Note: parking and waking
 *
 * Enough M's must run to use the P's while there is work, and no more, and a
 * thread that parks for a moment costs more than the work it missed. Refused:
 *
 *  - One queue for all: its lock is the program's speed limit.
 *  - Handing each readied G to an idle M: the G leaves a warm cache, and the
 *    M parks again at once; twenty times the cost of the G.
 *  - Waking an M at each push: the storm that this causes is the same.
 *
 * As in Go, an M without work spins for a while (looks into every queue), at
 * most half as many as there are busy P's, and who pushes work wakes an M only
 * if there is an idle P and nobody spins: the spinner will find it. What keeps
 * that from losing work is an order on both sides:
 *
 *	who pushes			who stops looking
 *	1. put G into a queue		1. give the P up (nidle++) and
 *	2. full fence			   stop spinning (spinning--)
 *	3. if spinning == 0 and		2. full fence
 *	   nidle > 0: wake		3. look into every queue again
 *
 * Whatever the interleaving, one of the two sees the other. Three rules more:
 *
 *  R1 An M that stops spinning because it found work looks whether there is
 *     more and wakes another for it: pushes that came while it was spinning
 *     woke nobody. (Matters when G's block: else it would see the rest itself.)
 *  R2 Every M that gives its P up makes the second look, not only spinners as
 *     in older versions of Go: a push sees nidle == 0 before the P is given up
 *     and wakes nobody.
 *  R3 Who wanted to wake and found no P takes its spinning count back under
 *     the lock under which P's become idle.
 *
 * An M parks on a futex with one permit, so a wake before the park is kept. It
 * is on the idle list, under the lock, before it looks at the permit. A woken
 * M comes with the P that its waker took for it.
 *
 * tests/model/park.pml is this note in Promela. It is sequentially consistent;
 * that the fences suffice on real machines is argued here: in both columns
 * step 2 is a seq_cst fence between the write of 1 and the reads of 3.
 *
 * Note: who waits for the outside
 *
 * An M that gave its P up becomes the poller's driver if nobody is, and blocks
 * there instead of on its futex (poll.c). When events come it takes an idle P
 * and what became ready, or leaves that to the others.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"

#include <limits.h>
#include <sched.h>

uint32_t flo__sched_random(struct flo__p *p)
{
	uint32_t x = p->rng;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return p->rng = x;
}

/* The idle list of P's. The lock is held. */
struct flo__p *flo__sched_idle_get(flo_runtime *rt)
{
	struct flo__p *p = rt->idle_p;

	if (p == NULL)
		return NULL;
	INSIST(atomic_load_explicit(&p->status, memory_order_relaxed) ==
	       FLO__P_IDLE);
	INSIST(flo__runq_empty(p));
	rt->idle_p = p->link;
	p->link = NULL;
	if (atomic_load(&rt->mon_sleep) == FLO__MON_DEEP)
		flo__monitor_wake(rt);
	atomic_fetch_sub(&rt->nidle, 1);
	atomic_store_explicit(&p->status, FLO__P_RUNNING, memory_order_release);
	return p;
}

void flo__sched_idle_put(flo_runtime *rt, struct flo__p *p)
{
	INSIST(flo__runq_empty(p));
	atomic_store_explicit(&p->status, FLO__P_IDLE, memory_order_release);
	p->link = rt->idle_p;
	rt->idle_p = p;
	/* seq_cst: step 1 of who stops looking */
	atomic_fetch_add(&rt->nidle, 1);
	INSIST(atomic_load_explicit(&rt->nidle, memory_order_relaxed) <=
	       atomic_load_explicit(&rt->nactive, memory_order_relaxed));
}

/* Append @list to the global queue. The lock is held. */
void flo__sched_append(flo_runtime *rt, struct flo__glist *list)
{
	if (list->len == 0)
		return;
	if (rt->global.tail != NULL)
		rt->global.tail->next = list->head;
	else
		rt->global.head = list->head;
	rt->global.tail = list->tail;
	rt->global.len += list->len;
	*list = (struct flo__glist){0};
}

/* Let others see how long the global queue is. The lock is held. */
void flo__sched_show_global(flo_runtime *rt)
{
	atomic_store(&rt->global_len, rt->global.len + rt->spilled.len);
	if (rt->global.len == 0)
		atomic_store(&rt->global_urgent, false);
}

/* Work that nobody has at hand: to be followed by flo__sched_wake(). */
void flo__sched_push_global(flo_runtime *rt, struct flo__glist *list)
{
	if (list->len == 0)
		return;
	flo__tlock_take(&rt->lock);
	flo__sched_append(rt, list);
	flo__sched_show_global(rt);
	atomic_store(&rt->global_urgent, true);
	flo__tlock_give(&rt->lock);
}

/* What a ring had no room for. Without memory it goes by the list. */
static __attribute__((noinline)) void
push_spill(flo_runtime *rt, const struct flo__gbatch *spill)
{
	struct flo__glist list = {0};

	flo__tlock_take(&rt->lock);
	if (!flo__gdeque_put(&rt->spilled, spill))
		for (uint32_t i = 0; i < spill->len; i++)
			flo__glist_push(&list, spill->at[i]);
	flo__sched_append(rt, &list);
	flo__sched_show_global(rt);
	flo__tlock_give(&rt->lock);
}

static void push_tail(struct flo__p *p, struct flo__g *g)
{
	struct flo__gbatch spill;

	if (!flo__runq_put(p, g, &spill))
		push_spill(p->rt, &spill);
}

/* Have @g run next; returns whom it displaces. Only the owner fills the slot,
 * so if it is empty nobody else writes it. */
static inline struct flo__g *swap_next(struct flo__p *p, struct flo__g *g)
{
	if (atomic_load_explicit(&p->runnext, memory_order_relaxed) != NULL)
		return atomic_exchange_explicit(&p->runnext, g,
						memory_order_acq_rel);
	atomic_store_explicit(&p->runnext, g, memory_order_release);
	return NULL;
}

/* Queue @g on the caller's P; @front: it runs next. Wakes nobody. */
void flo__sched_push(struct flo__m *m, struct flo__g *g, bool front)
{
	struct flo__p *p = m->p;

	if (__builtin_expect(m->rt->drive != FLO_DRIVE_NORMAL, 0)) {
		if (m->rt->sim != NULL) {
			flo__sim_push(m->rt, g, front);
			return;
		}
		front = flo__sched_random(p) & 1;
	}
	if (front)
		g = swap_next(p, g);
	if (g != NULL)
		push_tail(p, g);
}

/* The first to run, and what makes @n with it to the ring, which has room. */
static struct flo__g *to_ring(struct flo__p *p, struct flo__glist *list,
			      uint32_t n)
{
	struct flo__g *first = flo__glist_pop(list), *g;
	struct flo__gbatch spill;

	while (first != NULL && --n > 0 && (g = flo__glist_pop(list)) != NULL)
		if (!flo__runq_put(p, g, &spill))
			INSIST(!"a share of the global queue did not fit");
	return first;
}

static struct flo__g *spilled_to_ring(struct flo__p *p, uint32_t n)
{
	struct flo__gdeque *spilled = &p->rt->spilled;
	struct flo__g *first = flo__gdeque_get(spilled), *g;
	struct flo__gbatch spill;

	while (first != NULL && --n > 0 &&
	       (g = flo__gdeque_get(spilled)) != NULL)
		if (!flo__runq_put(p, g, &spill))
			INSIST(!"a share of the global queue did not fit");
	return first;
}

/*
 * Take a share of the global queue. What others brought comes first, but every
 * other time, lest what rings had no room for waits for ever.
 */
static struct flo__g *get_global_locked(flo_runtime *rt, struct flo__p *p,
					uint32_t max)
{
	uint32_t len = rt->global.len + rt->spilled.len;
	uint32_t n = len / rt->nprocs + 1;
	struct flo__g *g = NULL;

	if (n > max)
		n = max;
	if (p->tick & 1)
		g = spilled_to_ring(p, n);
	if (g == NULL)
		g = to_ring(p, &rt->global, n);
	if (g == NULL)
		g = spilled_to_ring(p, n);
	flo__sched_show_global(rt);
	return g;
}

struct flo__g *flo__sched_get_global(flo_runtime *rt, struct flo__p *p,
				     uint32_t max)
{
	struct flo__g *g;

	if (atomic_load_explicit(&rt->global_len, memory_order_relaxed) == 0)
		return NULL;
	flo__tlock_take(&rt->lock);
	g = get_global_locked(rt, p, max);
	flo__tlock_give(&rt->lock);
	return g;
}

struct flo__g *flo__sched_get_local(struct flo__p *p)
{
	struct flo__g *g;

	if (atomic_load_explicit(&p->runnext, memory_order_relaxed) != NULL &&
	    p->next_streak < FLO__NEXT_MAX) {
		g = atomic_exchange_explicit(&p->runnext, NULL,
					     memory_order_acquire);
		if (g != NULL) {
			p->next_streak++;
			return g;
		}
	}
	p->next_streak = 0;
	g = flo__runq_get(p);
	if (g != NULL)
		return g;
	return atomic_exchange_explicit(&p->runnext, NULL,
					memory_order_acquire);
}

/* A poll costs as much as a hundred switches: not more often than pays. */
static void poll_at_times(struct flo__m *m)
{
	uint64_t now = flo__clock();

	if (now - m->p->polled_ns < FLO__POLL_NS)
		return;
	m->p->polled_ns = now;
	flo__poller_try(m->rt);
}

/* What is looked at only every so often while the ring is never empty. */
static struct flo__g *get_by_tick(struct flo__m *m)
{
	struct flo__p *p = m->p;

	if (atomic_load_explicit(&p->timer_next, memory_order_relaxed) !=
	    FLO__NEVER)
		flo__timers_run(p, flo__clock());
	if (p->tick % FLO__GLOBAL_TICK != 0 &&
	    (m->rt->drive == FLO_DRIVE_NORMAL || (flo__sched_random(p) & 1)))
		return NULL;
	if (atomic_load_explicit(&m->rt->externals, memory_order_relaxed) > 0)
		poll_at_times(m);
	return flo__sched_get_global(m->rt, p, 1);
}

/* Is it time to look further than at the own queue? */
static inline bool look_further(const struct flo__p *p, uint32_t tick)
{
	return p->detour || tick % FLO__GLOBAL_TICK == 0 ||
	       (tick % FLO__TIMER_TICK == 0 &&
		atomic_load_explicit(&p->timer_next, memory_order_relaxed) !=
			FLO__NEVER);
}

static inline void set_tick(struct flo__p *p, uint32_t tick)
{
	p->tick = tick;
	atomic_store_explicit(&p->shown_tick, tick, memory_order_relaxed);
}

/* The next G of the M's own P, or of the global queue. */
static struct flo__g *get_near(struct flo__m *m)
{
	struct flo__p *p = m->p;
	struct flo__g *g;

	set_tick(p, p->tick + 1);
	if (p->tick % FLO__TIMER_TICK == 0 || p->tick % FLO__GLOBAL_TICK == 0) {
		g = get_by_tick(m);
		if (g != NULL)
			return g;
	}
	return flo__sched_get_local(p);
}

/*
 * The next G of the M's own P, if nothing else is due: the caller holds a lock
 * or stands on the stack of a G, so no timer may run here and nothing block.
 */
struct flo__g *flo__sched_next(struct flo__m *m)
{
	struct flo__p *p = m->p;
	uint32_t tick = p->tick + 1;
	struct flo__g *g;

	if (look_further(p, tick))
		return NULL;
	g = flo__sched_get_local(p);
	if (g != NULL)
		set_tick(p, tick);
	return g;
}

/* Is there nobody to yield to? Counts as a turn of the running G. */
bool flo__sched_alone(struct flo__m *m)
{
	struct flo__p *p = m->p;
	uint32_t tick = p->tick + 1;

	if (look_further(p, tick) || flo__sched_work_waits(m->rt, p))
		return false;
	set_tick(p, tick);
	return true;
}

/* Run the due timers of every P. True if there were any. */
bool flo__sched_run_timers(flo_runtime *rt)
{
	uint64_t now;
	bool any = false;

	if (atomic_load(&rt->timers) == 0)
		return false;
	now = flo__clock();
	for (uint32_t i = 0; i < rt->np; i++)
		any = flo__timers_run(&rt->ps[i], now) || any;
	return any;
}

/* May the M spin: it does already, or few enough do. */
static bool may_spin(struct flo__m *m)
{
	flo_runtime *rt = m->rt;
	uint32_t busy;

	if (atomic_load_explicit(&rt->nactive, memory_order_relaxed) == 1)
		return false;
	if (m->spinning)
		return true;
	busy = atomic_load(&rt->nactive) - atomic_load(&rt->nidle);
	if (2 * atomic_load(&rt->spinning) >= busy)
		return false;
	m->spinning = true;
	atomic_fetch_add(&rt->spinning, 1);
	return true;
}

/* Everything but parking. The M may have lost its P if it found nothing. */
static struct flo__g *look(struct flo__m *m)
{
	flo_runtime *rt = m->rt;
	struct flo__g *g;

	g = get_near(m);
	if (g != NULL)
		return g;
	flo__sched_run_timers(rt);
	/* Before spinning, but not if we shall drive in a moment anyway. */
	if (atomic_load_explicit(&rt->externals, memory_order_relaxed) > 0 &&
	    atomic_load_explicit(&rt->nactive, memory_order_relaxed) > 1)
		flo__poller_try(rt);
	g = flo__sched_get_local(m->p);
	if (g == NULL)
		g = flo__sched_get_global(rt, m->p, FLO__RING_LEN / 2);
	if (g == NULL && may_spin(m))
		g = flo__idle_find(m);
	return g;
}

/* Is anything runnable anywhere? Step 3 of who stops looking, and R1. */
bool flo__sched_work_anywhere(flo_runtime *rt)
{
	if (atomic_load(&rt->global_len) > 0)
		return true;
	for (uint32_t i = 0; i < rt->np; i++)
		if (!flo__runq_empty(&rt->ps[i]))
			return true;
	return atomic_load(&rt->timers) > 0 &&
	       flo__timers_next(rt) <= flo__clock();
}

/* Is there work that a P handed on would find near? */
bool flo__sched_work_waits(flo_runtime *rt, const struct flo__p *p)
{
	return !flo__runq_empty(p) || atomic_load(&rt->global_len) > 0;
}

/* Steps 2 and 3 of who pushes; the fence was. */
static void wake_if_nobody_spins(flo_runtime *rt)
{
	struct flo__p *p;
	uint32_t none = 0;

	if (atomic_load_explicit(&rt->spinning, memory_order_relaxed) != 0)
		return;
	if (atomic_load_explicit(&rt->nidle, memory_order_relaxed) == 0)
		return;
	if (rt->sim != NULL) {
		flo__poller_interrupt(rt);
		return;
	}
	if (!atomic_compare_exchange_strong(&rt->spinning, &none, 1))
		return;
	flo__tlock_take(&rt->lock);
	p = flo__sched_idle_get(rt);
	if (p == NULL)
		atomic_fetch_sub(&rt->spinning, 1); /* R3 */
	flo__tlock_give(&rt->lock);
	if (p != NULL)
		flo__m_start(rt, p, true);
}

/*
 * After pushing to the caller's own P: see that somebody looks at it, who may
 * find it not worth taking (idle.c).
 */
void flo__sched_hint(flo_runtime *rt)
{
	atomic_thread_fence(memory_order_seq_cst);
	wake_if_nobody_spins(rt);
}

/* After pushing work that nobody has at hand: have it run now. Any thread. */
void flo__sched_wake(flo_runtime *rt)
{
	atomic_thread_fence(memory_order_seq_cst);
	flo__idle_kick(rt);
	wake_if_nobody_spins(rt);
}

/* An M that found work no longer spins. */
void flo__sched_stop_spinning(struct flo__m *m)
{
	flo_runtime *rt = m->rt;

	if (!m->spinning)
		return;
	m->spinning = false;
	INSIST(atomic_load_explicit(&rt->spinning, memory_order_relaxed) > 0);
	atomic_fetch_sub(&rt->spinning, 1);
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&rt->nidle, memory_order_relaxed) > 0 &&
	    flo__sched_work_anywhere(rt))
		flo__sched_hint(rt); /* R1 */
}

/* Move the queue of @p, which the caller owns, to the global one. The lock is
 * held. */
void flo__sched_spill(flo_runtime *rt, struct flo__p *p)
{
	struct flo__g *g;

	while ((g = flo__sched_get_local(p)) != NULL)
		flo__glist_push(&rt->global, g);
	flo__sched_show_global(rt);
	atomic_store(&rt->global_urgent, rt->global.len > 0);
}

/* No M for @p, which the caller owns: its work becomes everybody's. */
void flo__sched_abandon(flo_runtime *rt, struct flo__p *p, bool spinning)
{
	flo__sched_spill(rt, p);
	flo__sched_idle_put(rt, p);
	if (spinning)
		atomic_fetch_sub(&rt->spinning, 1);
}

/* Find an M for a P that its own has left, or leave the P idle. */
void flo__sched_handoff(flo_runtime *rt, struct flo__p *p)
{
	bool keep;

	INSIST(atomic_load_explicit(&p->status, memory_order_relaxed) ==
	       FLO__P_RUNNING);
	/* Somebody has to drive the poller while all else waits. */
	keep = !flo__runq_empty(p) ||
	       (!flo__poller_driven(rt) && (atomic_load(&rt->externals) > 0 ||
					    atomic_load(&rt->timers) > 0));
	flo__tlock_take(&rt->lock);
	if (!keep && atomic_load(&rt->global_len) == 0) {
		flo__sched_idle_put(rt, p);
		p = NULL;
	}
	flo__tlock_give(&rt->lock);
	if (p != NULL) {
		flo__m_start(rt, p, false);
		return;
	}
	/* R2 */
	atomic_thread_fence(memory_order_seq_cst);
	if (flo__sched_work_anywhere(rt))
		flo__sched_wake(rt);
}

/* Give the P up. Returns false if the last look under the lock found work. */
bool flo__sched_drop(struct flo__m *m)
{
	flo_runtime *rt = m->rt;

	flo__tlock_take(&rt->lock);
	if (atomic_load(&rt->global_len) > 0) {
		flo__tlock_give(&rt->lock);
		return false;
	}
	if (!flo__relief_drop(rt, m->p))
		flo__sched_idle_put(rt, m->p);
	m->p = NULL;
	if (rt->waiting > 0 && flo__quiet(rt)) {
		atomic_store(&rt->quiet, 1);
		flo__futex_wake(&rt->quiet, INT_MAX);
	}
	if (m->spinning) {
		m->spinning = false;
		INSIST(atomic_load(&rt->spinning) > 0);
		atomic_fetch_sub(&rt->spinning, 1);
	}
	flo__tlock_give(&rt->lock);
	return true;
}

/*
 * A P for @m: an idle one, or a napper's, and then @m counts as spinning in
 * its place. NULL: there is none. The lock is held.
 */
struct flo__p *flo__sched_take_p(struct flo__m *m)
{
	struct flo__p *p = flo__sched_idle_get(m->rt);

	INSIST(m->p == NULL && !m->spinning);
	if (p == NULL) {
		p = flo__idle_take(m->rt);
		m->spinning = p != NULL;
	}
	return p;
}

/* Take a P, as a spinner. */
bool flo__sched_regain(struct flo__m *m)
{
	flo_runtime *rt = m->rt;

	flo__tlock_take(&rt->lock);
	m->p = flo__sched_take_p(m);
	if (m->p != NULL && !m->spinning && atomic_load(&rt->nactive) > 1) {
		m->spinning = true;
		atomic_fetch_add(&rt->spinning, 1);
	}
	flo__tlock_give(&rt->lock);
	return m->p != NULL;
}

/* Make what became ready while we drove the poller runnable. */
void flo__sched_flush(struct flo__m *m)
{
	flo_runtime *rt = m->rt;
	struct flo__g *g;
	uint32_t external = m->batch_external;

	m->batching = false;
	if (m->batch.len == 0)
		return;
	if (m->p != NULL)
		while ((g = flo__glist_pop(&m->batch)) != NULL)
			push_tail(m->p, g);
	else
		flo__sched_push_global(rt, &m->batch);
	m->batch_external = 0;
	if (external > 0)
		atomic_fetch_sub(&rt->externals, external);
}

/*
 * Wait for events, if nobody does and there is something to wait for. Returns
 * true if the M has a P again.
 */
static bool drive(struct flo__m *m)
{
	flo_runtime *rt = m->rt;

	if (atomic_load(&rt->stopping))
		return false;
	if (atomic_load(&rt->externals) == 0 && atomic_load(&rt->timers) == 0)
		return false;
	if (!flo__poller_drive(m))
		return false;
	flo__sched_regain(m);
	if (m->p == NULL && m->batch.len > 0) {
		flo__sched_flush(m);
		flo__sched_wake(rt);
		return flo__sched_regain(m);
	}
	flo__sched_flush(m);
	return m->p != NULL;
}

bool flo__sched_all_idle(flo_runtime *rt)
{
	return atomic_load(&rt->nidle) == atomic_load(&rt->nactive);
}

/* Steps 2 and 3 of who stops looking. Whoever still spins does them later. */
static bool missed_work(flo_runtime *rt)
{
	atomic_thread_fence(memory_order_seq_cst);
	return atomic_load_explicit(&rt->spinning, memory_order_relaxed) == 0 &&
	       flo__sched_work_anywhere(rt);
}

/* The next G to run, waiting for it. NULL: the runtime ends. */
static struct flo__g *find(struct flo__m *m)
{
	flo_runtime *rt = m->rt;
	struct flo__g *g;

	for (;;) {
		INSIST(m->p != NULL);
		g = look(m);
		if (g != NULL)
			return g;
		if (m->p != NULL) {
			if (!flo__sched_drop(m))
				continue;
			/* Who has to drive leaves the looking to another. */
			if (missed_work(rt)) {
				if (flo__idle_must_drive(rt))
					flo__sched_hint(rt);
				else if (flo__sched_regain(m))
					continue;
			}
		}
		if (drive(m))
			continue;
		if (!flo__m_stop(m))
			return NULL;
	}
}

/* What an M does all its life. */
void flo__sched_loop(struct flo__m *m)
{
	struct flo__g *g;

	for (;;) {
		flo__relief_retire(m);
		if (m->picked != NULL) {
			g = m->picked;
			m->picked = NULL;
		} else if (m->p == NULL || m->spinning ||
			   (g = get_near(m)) == NULL) {
			if (m->p == NULL && !flo__m_stop(m))
				return;
			g = find(m);
			if (g == NULL)
				return;
		}
		flo__sched_stop_spinning(m);
		flo__g_run(m, g);
	}
}
