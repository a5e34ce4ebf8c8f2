/*
 * Timers: a 4-ary heap a P, under a lock of its own, so that a thief, the
 * poller's driver or the monitor can run what a stuck P is late with.
 *
 * Note: what flo__timer_stop() promises
 *
 * After it the timer's memory is the caller's. One function of a heap runs at
 * a time, and the heap names it (`firing`) until it has returned; nobody
 * touches the timer after its function began. So stop either takes the timer
 * out of the heap, or waits until the heap names another. The function may
 * therefore free what it is part of only if nobody will stop the timer.
 */
#include "engine/sched/gmp_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <sched.h>

#define ARITY	 FLO__TIMER_ARITY
#define HEAP_MIN 16u

enum timer_state {
	TIMER_IDLE,
	TIMER_ARMED
};

static void place(struct flo__p *p, uint32_t i, struct flo__timer *timer)
{
	p->heap[i] = timer;
	timer->index = i;
}

static void up(struct flo__p *p, uint32_t i)
{
	struct flo__timer *timer = p->heap[i];

	while (i > 0) {
		uint32_t parent = (i - 1) / ARITY;

		if (p->heap[parent]->when_ns <= timer->when_ns)
			break;
		place(p, i, p->heap[parent]);
		i = parent;
	}
	place(p, i, timer);
}

static uint32_t least_child(const struct flo__p *p, uint32_t i)
{
	uint32_t first = i * ARITY + 1, least = first;

	for (uint32_t c = first + 1; c < first + ARITY && c < p->heap_len; c++)
		if (p->heap[c]->when_ns < p->heap[least]->when_ns)
			least = c;
	return least;
}

static void down(struct flo__p *p, uint32_t i)
{
	struct flo__timer *timer = p->heap[i];

	while (i * ARITY + 1 < p->heap_len) {
		uint32_t c = least_child(p, i);

		if (timer->when_ns <= p->heap[c]->when_ns)
			break;
		place(p, i, p->heap[c]);
		i = c;
	}
	place(p, i, timer);
}

/* Let others see the earliest deadline. seq_cst: flo__poller_drive(). */
static void show_next(struct flo__p *p)
{
	atomic_store(&p->timer_next,
		     p->heap_len > 0 ? p->heap[0]->when_ns : FLO__NEVER);
}

static void take_out(struct flo__p *p, struct flo__timer *timer)
{
	uint32_t i = timer->index;
	struct flo__timer *last;

	INSIST(timer->state == TIMER_ARMED && timer->owner == p);
	INSIST(i < p->heap_len && p->heap[i] == timer);
	timer->state = TIMER_IDLE;
	last = p->heap[--p->heap_len];
	if (last != timer) {
		place(p, i, last);
		up(p, i);
		down(p, last->index);
	}
	show_next(p);
}

static bool reserve(struct flo__p *p)
{
	uint32_t cap = p->heap_cap > 0 ? 2 * p->heap_cap : HEAP_MIN;
	struct flo__timer **heap;

	if (p->heap_len < p->heap_cap)
		return true;
	heap = flo__reallocarray(p->heap, cap, sizeof(struct flo__timer *));
	if (heap == NULL)
		return false;
	p->heap = heap;
	p->heap_cap = cap;
	return true;
}

static bool put_in(struct flo__p *p, struct flo__timer *timer)
{
	bool ok;

	flo__tlock_take(&p->timer_lock);
	ok = reserve(p);
	if (ok) {
		INSIST(timer->state == TIMER_IDLE);
		timer->state = TIMER_ARMED;
		timer->owner = p;
		p->heap[p->heap_len] = timer;
		up(p, p->heap_len++);
		show_next(p);
	}
	flo__tlock_give(&p->timer_lock);
	return ok;
}

flo_status flo__timer_start(flo_runtime *rt, struct flo__timer *timer,
			    uint64_t when_ns, void (*fn)(struct flo__timer *))
{
	struct flo__m *m = flo__m();
	bool ours = m != NULL && m->rt == rt && m->p != NULL;

	REQUIRE(fn != NULL);
	FLO__TSAN_RELEASE(timer);
	timer->when_ns = when_ns;
	timer->fn = fn;
	timer->state = TIMER_IDLE;
	/* An ordinary thread must not be the last to touch the runtime: the
	 * timer may end its last coroutine. */
	if (!ours)
		atomic_fetch_add(&rt->foreign, 1);
	atomic_fetch_add(&rt->timers, 1);
	if (!put_in(ours ? m->p : &rt->ps[0], timer)) {
		atomic_fetch_sub(&rt->timers, 1);
		if (!ours)
			atomic_fetch_sub(&rt->foreign, 1);
		return FLO_NOMEM;
	}
	flo__poller_earlier(rt, when_ns);
	if (!ours) {
		/* Somebody has to wait for it. */
		if (!flo__poller_driven(rt))
			flo__sched_wake(rt);
		atomic_fetch_sub(&rt->foreign, 1);
	}
	return FLO_OK;
}

bool flo__timer_stop(flo_runtime *rt, struct flo__timer *timer)
{
	struct flo__p *p = timer->owner;
	bool armed;

	INSIST(p != NULL && p->rt == rt);
	flo__tlock_take(&p->timer_lock);
	armed = timer->state == TIMER_ARMED;
	if (armed)
		take_out(p, timer);
	while (p->firing == timer) {
		flo__tlock_give(&p->timer_lock);
		sched_yield();
		flo__tlock_take(&p->timer_lock);
	}
	flo__tlock_give(&p->timer_lock);
	FLO__TSAN_ACQUIRE(timer);
	if (armed)
		atomic_fetch_sub(&rt->timers, 1);
	return armed;
}

/* Run what is due of @p's timers, unless somebody does. True if any ran. */
bool flo__timers_run(struct flo__p *p, uint64_t now_ns)
{
	struct flo__timer *timer;
	bool any = false;

	if (atomic_load(&p->timer_next) > now_ns)
		return false;
	flo__tlock_take(&p->timer_lock);
	if (p->timers_busy) {
		flo__tlock_give(&p->timer_lock);
		return false;
	}
	p->timers_busy = true;
	while (p->heap_len > 0 && p->heap[0]->when_ns <= now_ns) {
		timer = p->heap[0];
		if (__builtin_expect(p->rt->drive != FLO_DRIVE_NORMAL, 0))
			timer = p->heap[flo__drive_timer(p, now_ns)];
		take_out(p, timer);
		p->firing = timer;
		flo__tlock_give(&p->timer_lock);
		FLO__TSAN_ACQUIRE(timer);
		timer->fn(timer);
		FLO__TSAN_RELEASE(timer); /* the address only */
		any = true;
		/* after what it readied is in a queue: deadlock.c */
		atomic_fetch_sub(&p->rt->timers, 1);
		flo__tlock_take(&p->timer_lock);
		p->firing = NULL;
	}
	p->timers_busy = false;
	flo__tlock_give(&p->timer_lock);
	return any;
}

/* The earliest deadline of all P's, FLO__NEVER if there is none. */
uint64_t flo__timers_next(flo_runtime *rt)
{
	uint64_t next = FLO__NEVER, when;

	for (uint32_t i = 0; i < rt->np; i++) {
		when = atomic_load(&rt->ps[i].timer_next);
		if (when < next)
			next = when;
	}
	return next;
}
