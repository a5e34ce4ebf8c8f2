/*
 * Threads: created when a P needs one, parked when there is nothing to do.
 */
#include "engine/sched/gmp_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/prompt.h"
#include "base/thread.h"
#include "engine/sched/sys_p.h"

#include <limits.h>
#include <signal.h>

/* initial-exec: one load, no call, in the shared library too */
static _Thread_local struct flo__m *current
	__attribute__((tls_model("initial-exec")));

/*
 * Never inlined and never assumed pure: a coroutine may be on another thread
 * after any switch, and the address of a thread-local must not be kept over it.
 */
__attribute__((noinline)) struct flo__m *flo__m(void)
{
	__asm__ volatile("" ::: "memory");
	return current;
}

static void *thread_main(void *arg)
{
	struct flo__m *m = arg;
	struct flo__sigstack sigstack;

	current = m;
	flo__sigstack_enter(m, &sigstack);
	flo__thread_known(1);
	flo__thread_prompt();
#ifdef FLO__TSAN
	m->fiber = __tsan_get_current_fiber();
#endif
	FLO__TSAN_RELEASE(&m->fiber); /* see start_thread() */
	FLO__TSAN_ACQUIRE(m);
	m->p = m->nextp;
	m->nextp = NULL;
	if (m->rt->sim != NULL)
		flo__sim_loop(m);
	else
		flo__sched_loop(m);
	INSIST(m->g == NULL && m->p == NULL);
	flo__sigstack_leave(&sigstack);
	flo__thread_known(-1);
	current = NULL;
	return NULL;
}

/*
 * ThreadSanitizer takes the start of a thread for a write to all of its
 * thread-locals. A coroutine that looks at errno there has to come after that,
 * where switches order nothing, but not after all that was done by whoever
 * happened to need a thread. So in strict builds threads are started in the
 * name of a fiber that does nothing else, and coroutines acquire just that
 * (has_entered() in g.c). The runtime's lock is held.
 */
static int start_thread(struct flo__m *m)
{
	int rc;
#ifdef FLO__TSAN_STRICT
	void *self = __tsan_get_current_fiber();

	FLO__TSAN_RELEASE(m);
	__tsan_switch_to_fiber(m->rt->starter, FLO__TSAN_SWITCH);
#endif
	rc = flo__sys.thread(&m->thread, thread_main, m);
#ifdef FLO__TSAN_STRICT
	__tsan_switch_to_fiber(self, FLO__TSAN_SWITCH);
#endif
	return rc;
}

/* The host's handlers run on the host's threads; faults are our own. */
static int create(struct flo__m *m)
{
	sigset_t all, old;
	int rc;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGTRAP);
	sigdelset(&all, SIGABRT);
	sigdelset(&all, SIGSYS);
	sigdelset(&all, SIGPROF);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = start_thread(m);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return rc;
}

/* Make a new M for @p, with the lock held. NULL: no memory or no thread. */
static struct flo__m *m_new(flo_runtime *rt, struct flo__p *p, bool spinning)
{
	struct flo__m *m;

	if (rt->nm >= FLO__M_MAX)
		return NULL;
	m = flo__calloc(1, sizeof(*m));
	if (m == NULL)
		return NULL;
	m->rt = rt;
	m->nextp = p;
	m->spinning = spinning;
	if (create(m) != 0) {
		flo__free(m);
		return NULL;
	}
	m->all = rt->all_m;
	rt->all_m = m;
	rt->nm++;
	return m;
}

/*
 * Have an M run @p, which the caller owns; @spinning is counted already. If
 * there is none to be had, @p becomes idle and its queue global: work waits
 * for the M's there are. Returns false then.
 */
bool flo__m_start(flo_runtime *rt, struct flo__p *p, bool spinning)
{
	struct flo__m *m;

	flo__tlock_take(&rt->lock);
	/* Only the monitor can come here while the runtime stops. */
	if (atomic_load_explicit(&rt->stopping, memory_order_relaxed)) {
		flo__sched_abandon(rt, p, spinning);
		flo__tlock_give(&rt->lock);
		return false;
	}
	m = rt->idle_m;
	if (m != NULL) {
		rt->idle_m = m->link;
		m->link = NULL;
		INSIST(m->nextp == NULL && !m->spinning);
		m->nextp = p;
		m->spinning = spinning;
		flo__tlock_give(&rt->lock);
		flo__m_unpark(m);
		return true;
	}
	m = m_new(rt, p, spinning);
	if (m == NULL)
		flo__sched_abandon(rt, p, spinning);
	flo__tlock_give(&rt->lock);
	if (m == NULL) {
		/* The only other M may be the driver, or about to park: that
		 * one the monitor wakes. */
		flo__poller_interrupt(rt);
		flo__monitor_wake(rt);
	}
	return m != NULL;
}

/* Give the permit. Its M may take it before it parks. */
void flo__m_unpark(struct flo__m *m)
{
	uint32_t was;

	/* release: pairs with the acquire in flo__m_stop() */
	was = atomic_exchange_explicit(&m->park, 1, memory_order_release);
	INSIST(was == 0);
	flo__futex_wake(&m->park, 1);
}

/*
 * Park until somebody gives us a P. Returns false when the runtime ends.
 * Requires: the M has no P and does not spin.
 */
bool flo__m_stop(struct flo__m *m)
{
	flo_runtime *rt = m->rt;

	INSIST(m->p == NULL && !m->spinning && m->batch.len == 0);
	flo__tlock_take(&rt->lock);
	if (atomic_load_explicit(&rt->stopping, memory_order_relaxed)) {
		flo__tlock_give(&rt->lock);
		return false;
	}
	m->link = rt->idle_m;
	rt->idle_m = m;
	flo__deadlock_check(rt);
	flo__tlock_give(&rt->lock);

	while (atomic_exchange_explicit(&m->park, 0, memory_order_acquire) == 0)
		flo__futex_wait(&m->park, 0, UINT64_MAX);
	m->p = m->nextp;
	m->nextp = NULL;
	return m->p != NULL;
}
