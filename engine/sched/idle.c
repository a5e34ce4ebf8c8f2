/*
 * What an M without work does before it gives its P up: it spins, then naps.
 *
 * Note: how much work is worth a second core
 *
 * A coroutine that moves to another core finds its data in the wrong cache,
 * and its queue's lines go to and fro. Below some 20 us of work that costs more
 * than it brings, and programs of tiny coroutines would run slower on two cores
 * than on one. So a thief first watches. It takes
 *
 *  - from a P that has not scheduled for 10 us while something is queued there
 *    (the P is busy with a long one),
 *  - from a P whose queue, with what its ring had no room for, lasts for 20 us
 *    or more at the pace it has shown,
 *  - at once what other threads and the poller brought to the global queue.
 *
 * Everything else is left to its P, which will be through with it sooner.
 *
 * Note: naps
 *
 * Waking a parked thread costs the waker 5 us and takes 50. If each push to an
 * idle machine did that, a program of tiny coroutines would do nothing else.
 * While somebody spins, a push wakes nobody; so the last spinner does not park
 * at once but naps for 100 us, looks, naps for 200, and so on up to a
 * millisecond, and parks when all queues are empty. It stays counted as
 * spinning, and it is: it goes on looking. So a push costs a wake at most every
 * two milliseconds, work that turns out long waits a millisecond at most, and
 * the argument in proc.c stands as it is.
 *
 * The napper offers its P in `napping`. Whoever comes back from the kernel and
 * needs one may take it from there with an exchange, and the napper's spinning
 * count with it; the napper finds it gone and parks. Who brings work that must
 * not wait kicks the napper instead.
 *
 * A nap that ends with work in sight was a mistake: that work waited. So the M
 * spins twice as long the next time, up to 400 us, and when naps find nothing
 * half as long again. Pairs of tasks of 200 us take 217 us then, where a fixed
 * 50 us makes it 250 to 290; a program that is woken now and then does not pay
 * for it.
 *
 * If something outside is awaited and nobody drives the poller, there is no
 * time for this: the M gives the P up and drives.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"

#include <sched.h>

#ifndef FLO__SPIN_NS /* tests/interleave looks once */
#define FLO__SPIN_NS 50000
#endif
#ifndef FLO__NAPS /* and naps only where that is the question */
#define FLO__NAPS (FLO__SPIN_NS > 0)
#endif
#define WORTH_NS    20000u
#define SPIN_MAX_NS (8 * spin_ns)
#define NAP_MIN_NS  100000u
#define NAP_MAX_NS  800000u
#define PAUSES	    64 /* between two looks, for the sake of who is looked at */

static const uint64_t spin_ns = FLO__SPIN_NS;
static const uint64_t watch_ns = FLO__SPIN_NS / 5;

/* Somebody must wait in the poller, and nobody does. */
bool flo__idle_must_drive(flo_runtime *rt)
{
	return (atomic_load_explicit(&rt->externals, memory_order_relaxed) >
			0 ||
		atomic_load_explicit(&rt->timers, memory_order_relaxed) > 0) &&
	       !flo__poller_driven(rt);
}

static void note_pace(struct flo__p *victim, uint32_t tick, uint64_t now)
{
	atomic_store_explicit(&victim->seen_tick, tick, memory_order_relaxed);
	atomic_store_explicit(&victim->seen_ns, now, memory_order_relaxed);
}

/*
 * How long @len G's queued at @victim last there, in ns, UINT64_MAX if it does
 * not schedule. 0 until it has been watched for long enough to say.
 */
static uint64_t lasts(struct flo__p *victim, uint32_t len, uint64_t now)
{
	uint32_t tick =
		atomic_load_explicit(&victim->shown_tick, memory_order_relaxed);
	uint32_t ticks = tick - atomic_load_explicit(&victim->seen_tick,
						     memory_order_relaxed);
	uint64_t seen =
		atomic_load_explicit(&victim->seen_ns, memory_order_relaxed);

	if (len == 0 || now < seen) {
		note_pace(victim, tick, now);
		return 0;
	}
	if (ticks == 0)
		return now - seen >= watch_ns ? UINT64_MAX : 0;
	note_pace(victim, tick, now);
	return (now - seen) / ticks * len;
}

/* One that is idle or absent does not tick, and is not stuck for all that. */
static bool has_nothing(const struct flo__p *p)
{
	uint32_t status =
		atomic_load_explicit(&p->status, memory_order_relaxed);

	return status == FLO__P_IDLE || status == FLO__P_ABSENT;
}

static struct flo__g *steal(struct flo__m *m, uint64_t now)
{
	flo_runtime *rt = m->rt;
	uint32_t spilled =
		atomic_load_explicit(&rt->global_len, memory_order_relaxed);
	uint32_t start = flo__sched_random(m->p) % rt->np;
	struct flo__g *g = NULL;

	for (uint32_t i = 0; i < rt->np && g == NULL; i++) {
		struct flo__p *victim = &rt->ps[(start + i) % rt->np];
		uint64_t ns;

		if (victim == m->p || has_nothing(victim))
			continue;
		ns = lasts(victim, spilled + flo__runq_len(victim), now);
		if (rt->drive == FLO_DRIVE_SHUFFLED &&
		    (flo__sched_random(m->p) & 1))
			ns = UINT64_MAX;
		if (ns < WORTH_NS)
			continue;
		g = flo__runq_steal(m->p, victim, ns == UINT64_MAX);
		if (g == NULL)
			g = flo__sched_get_global(rt, m->p, FLO__RING_LEN / 2);
	}
	return g;
}

static struct flo__g *take(struct flo__m *m, uint64_t now)
{
	flo_runtime *rt = m->rt;
	struct flo__g *g = NULL;

	if (atomic_load_explicit(&rt->global_urgent, memory_order_relaxed))
		g = flo__sched_get_global(rt, m->p, FLO__RING_LEN / 2);
	if (g == NULL && flo__sched_run_timers(rt))
		g = flo__sched_get_local(m->p);
	return g != NULL ? g : steal(m, now);
}

/* Watch the others for a while. */
static struct flo__g *spin(struct flo__m *m)
{
	uint64_t start = flo__clock(), now = start;
	struct flo__g *g;

	for (uint32_t i = 0; i < m->rt->np; i++)
		note_pace(&m->rt->ps[i],
			  atomic_load_explicit(&m->rt->ps[i].shown_tick,
					       memory_order_relaxed),
			  now);
	for (;;) {
		g = take(m, now);
		if (g != NULL || now - start >= m->patience_ns ||
		    flo__idle_must_drive(m->rt))
			return g;
		for (int i = 0; i < PAUSES; i++)
			flo__pause();
		sched_yield();
		now = flo__clock();
	}
}

/* Sleep with the P on offer. False: it was taken, and the count with it. */
static bool nap_once(struct flo__m *m, uint64_t ns)
{
	flo_runtime *rt = m->rt;
	struct flo__p *p = m->p;
	uint32_t word = atomic_load(&rt->nap_kicks);

	/* release: the P, for who takes it; seq_cst: partner flo__idle_kick() */
	atomic_store(&rt->napping, p);
	m->p = NULL;
	atomic_thread_fence(memory_order_seq_cst);
	/* Who brought a timer or work before that fence has not kicked us. */
	if (!atomic_load_explicit(&rt->global_urgent, memory_order_relaxed) &&
	    !flo__idle_must_drive(rt))
		flo__futex_wait(&rt->nap_kicks, word, ns);
	if (atomic_exchange(&rt->napping, NULL) == NULL) {
		m->spinning = false;
		return false;
	}
	m->p = p;
	/* It is alive: the monitor must not take it for stuck. */
	p->tick++;
	atomic_store_explicit(&p->shown_tick, p->tick, memory_order_relaxed);
	return true;
}

static bool anything_queued(flo_runtime *rt)
{
	if (atomic_load(&rt->global_len) > 0)
		return true;
	for (uint32_t i = 0; i < rt->np; i++)
		if (!flo__runq_empty(&rt->ps[i]))
			return true;
	return false;
}

/* Spin longer from now on, or shorter: see the note. */
static void learn(struct flo__m *m, bool found)
{
	uint64_t ns = found ? m->patience_ns * 2 : m->patience_ns / 2;

	m->patience_ns = ns < spin_ns	    ? spin_ns
			 : ns > SPIN_MAX_NS ? SPIN_MAX_NS
					    : ns;
}

static struct flo__g *naps(struct flo__m *m)
{
	flo_runtime *rt = m->rt;
	uint64_t ns = NAP_MIN_NS;
	struct flo__g *g;

	while (!flo__idle_must_drive(rt) &&
	       !(m->p->relief && flo__relief_in_excess(rt))) {
		if (atomic_load(&rt->hurry) && !anything_queued(rt))
			return NULL;
		if (!nap_once(m, ns))
			return NULL;
		g = take(m, flo__clock());
		learn(m, g != NULL);
		if (g != NULL)
			return g;
		if (ns < NAP_MAX_NS)
			ns *= 2;
		else if (!anything_queued(rt))
			return NULL;
	}
	return NULL;
}

/*
 * Look for work that is worth having, for a while. NULL: there is none, or the
 * P is gone (m->p is NULL then). Requires: the M is counted as spinning.
 */
struct flo__g *flo__idle_find(struct flo__m *m)
{
	flo_runtime *rt = m->rt;
	uint32_t nobody = 0;
	struct flo__g *g;

	INSIST(m->spinning);
	if (m->patience_ns == 0)
		m->patience_ns = spin_ns;
	g = spin(m);
	if (g != NULL)
		return g;
	if (!FLO__NAPS ||
	    !atomic_compare_exchange_strong(&rt->nappers, &nobody, 1))
		return NULL;
	g = naps(m);
	atomic_store(&rt->nappers, 0);
	return g;
}

/* Take the P of a napper, and its spinning count. NULL if nobody naps. */
struct flo__p *flo__idle_take(flo_runtime *rt)
{
	if (atomic_load_explicit(&rt->napping, memory_order_relaxed) == NULL)
		return NULL;
	/* acquire: pairs with the store in nap_once() */
	return atomic_exchange(&rt->napping, NULL);
}

/* Have the napper, if any, look now. After a fence that follows the push. */
void flo__idle_kick(flo_runtime *rt)
{
	if (atomic_load_explicit(&rt->napping, memory_order_relaxed) == NULL)
		return;
	atomic_fetch_add(&rt->nap_kicks, 1);
	flo__futex_wake(&rt->nap_kicks, 1);
}
