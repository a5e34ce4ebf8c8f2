/*
 * The monitor: a thread without a P that looks after those who cannot.
 *
 *  - A P that ran the same G for 10 ms loses its queue to all, and gets a relief
 *    P beside it (relief.c).
 *  - A P whose M has been in a blocking region for two looks is retaken.
 *  - While no M is idle, nobody drives the poller: it polls every 10 ms.
 *  - While an M runs one G for long, its timers and the poller are late, even
 *    though P's may be idle: it runs the timers and starts a driver.
 *
 * It looks every 20 us while some P is blocked, every millisecond while a P is
 * idle and nobody drives, every 10 ms otherwise, and not at all while all P's
 * are idle.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"
#include "base/thread.h"
#include "engine/sched/sys_p.h"

#include <signal.h>

#define FAST_NS	   20000ull
#define DRIVE_NS   1000000ull
#define SLOW_NS	   10000000ull
#define FAST_LOOKS 4 /* in vain, before it slows down */

static bool outside_awaited(flo_runtime *rt)
{
	return atomic_load(&rt->externals) > 0 || atomic_load(&rt->timers) > 0;
}

/* Retake P's that were blocked at the last look too. True if some are. */
static bool look_at_blocked(flo_runtime *rt)
{
	bool any = false;

	for (uint32_t i = 0; i < rt->np; i++) {
		struct flo__p *p = &rt->ps[i];
		uint32_t tick = atomic_load_explicit(&p->shown_tick,
						     memory_order_relaxed);

		if (atomic_load(&p->status) != FLO__P_BLOCKED) {
			p->mon_blocked = false;
			continue;
		}
		if (p->mon_blocked && p->mon_tick == tick &&
		    flo__blocking_retake(rt, p)) {
			p->mon_blocked = false;
			continue;
		}
		p->mon_blocked = true;
		p->mon_tick = tick;
		any = true;
	}
	return any;
}

/* Has @p run one G for too long? */
static bool look_at_turn(struct flo__p *p, uint64_t now)
{
	uint32_t tick =
		atomic_load_explicit(&p->shown_tick, memory_order_relaxed);

	if (tick != p->mon_turn || atomic_load(&p->status) != FLO__P_RUNNING) {
		p->mon_turn = tick;
		p->mon_turn_since = now;
	}
	return now - p->mon_turn_since >= FLO__HOG_NS;
}

/* How many has it started since the last look? */
static uint64_t look_at_spawns(struct flo__p *p, uint64_t now)
{
	uint64_t spawned =
		atomic_load_explicit(&p->spawned, memory_order_relaxed);
	uint64_t n = spawned - p->mon_spawned;

	if (n > 0) {
		p->mon_spawned = spawned;
		p->mon_spawned_since = now;
	}
	return n;
}

/*
 * What is queued behind a G that runs for too long goes to those who schedule;
 * where it fills the ring by itself, that runs over to them anyway. How many
 * P's need relief? Starting others is progress.
 */
static uint32_t look_at_hogs(flo_runtime *rt)
{
	uint64_t now = flo__clock();
	uint32_t stuck = 0;

	for (uint32_t i = 0; i < rt->np; i++) {
		struct flo__p *p = &rt->ps[i];
		uint64_t spawned = look_at_spawns(p, now);

		if (!look_at_turn(p, now))
			continue;
		if (spawned < FLO__RING_LEN)
			flo__relief_share(rt, p);
		if (now - p->mon_spawned_since >= FLO__HOG_NS)
			stuck++;
	}
	return stuck < FLO__RELIEF_MAX ? stuck : FLO__RELIEF_MAX;
}

/* An idle P and nobody drives: have an M find that out and drive. */
static void start_driver(flo_runtime *rt)
{
	struct flo__p *p;

	flo__tlock_take(&rt->lock);
	p = flo__sched_idle_get(rt);
	flo__tlock_give(&rt->lock);
	if (p != NULL)
		flo__m_start(rt, p, false);
}

static void look_outside(flo_runtime *rt)
{
	uint64_t now;

	if (!outside_awaited(rt) || flo__poller_driven(rt))
		return;
	if (atomic_load(&rt->nidle) > 0) {
		start_driver(rt);
		return;
	}
	flo__poller_try(rt);
	now = flo__clock();
	for (uint32_t i = 0; i < rt->np; i++)
		flo__timers_run(&rt->ps[i], now);
}

/* How long to sleep after a look; @vain counts looks that found no P blocked. */
static uint64_t pause_ns(flo_runtime *rt, unsigned vain)
{
	if (vain < FAST_LOOKS)
		return FAST_NS;
	if (flo__sched_all_idle(rt)) {
		/* Again, in case we were the thread not yet counted. */
		flo__tlock_take(&rt->lock);
		flo__deadlock_check(rt);
		flo__tlock_give(&rt->lock);
		/* Work for which there was no M, or memory for a stack. */
		return atomic_load(&rt->global_len) > 0 ||
				       atomic_load(&rt->nstarved) > 0
			       ? SLOW_NS
			       : FLO__NEVER;
	}
	if (atomic_load(&rt->nidle) > 0 && outside_awaited(rt) &&
	    !flo__poller_driven(rt))
		return DRIVE_NS;
	return SLOW_NS;
}

static void pause_for(flo_runtime *rt, uint64_t ns)
{
	if (ns == FLO__NEVER)
		atomic_store(&rt->mon_sleep, FLO__MON_DEEP);
	else if (ns > FAST_NS)
		atomic_store(&rt->mon_sleep, FLO__MON_LONG);
	/* Who made a P busy or blocked before this store has not seen it. */
	if (ns == FLO__NEVER &&
	    (!flo__sched_all_idle(rt) || atomic_load(&rt->nstarved) > 0))
		ns = SLOW_NS;
	if (ns > FAST_NS)
		for (uint32_t i = 0; i < rt->np; i++)
			if (atomic_load(&rt->ps[i].status) == FLO__P_BLOCKED)
				ns = FAST_NS;
	flo__futex_wait(&rt->mon_wake, 0, ns);
	atomic_store(&rt->mon_sleep, FLO__MON_AWAKE);
	atomic_store(&rt->mon_wake, 0);
}

static void *monitor_main(void *arg)
{
	flo_runtime *rt = arg;
	unsigned vain = FAST_LOOKS;

	flo__thread_known(1);
	for (;;) {
		pause_for(rt, pause_ns(rt, vain));
		if (atomic_load(&rt->stopping))
			break;
		vain = look_at_blocked(rt) ? 0 : vain + (vain < FAST_LOOKS);
		flo__relief_set(rt, look_at_hogs(rt));
		look_outside(rt);
		flo__starve_probe(rt);
		flo__deadlock_tell(rt);
		/* For relief, and where no thread could be had for a P. */
		if (atomic_load(&rt->nidle) > 0 && flo__sched_work_anywhere(rt))
			flo__sched_wake(rt);
	}
	flo__thread_known(-1);
	return NULL;
}

void flo__monitor_wake(flo_runtime *rt)
{
	if (atomic_exchange(&rt->mon_wake, 1) == 0)
		flo__futex_wake(&rt->mon_wake, 1);
}

flo_status flo__monitor_start(flo_runtime *rt, flo_error *err)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = flo__sys.thread(&rt->mon_thread, monitor_main, rt);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc == 0 ? FLO_OK
		       : flo_error_sys(err, rc, "start the monitor thread");
}

/* Requires: rt->stopping is set. */
void flo__monitor_stop(flo_runtime *rt)
{
	atomic_store(&rt->mon_wake, 1);
	flo__futex_wake(&rt->mon_wake, 1);
	pthread_join(rt->mon_thread, NULL);
}
