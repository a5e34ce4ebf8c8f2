/*
 * Note: the mutex
 *
 * Handing a mutex to the longest waiter at each unlock is fair and slow: under
 * contention every operation then costs a switch. So, as in Go's, an unlock
 * only wakes the first waiter, and whoever runs may take the mutex before it.
 * A waiter that lost LOSSES_MAX times is handed it by the next unlock. (Go
 * hands over after 1 ms; a count does not depend on the machine's speed, nor
 * on a virtual clock that stands still.)
 *
 *  HELD      someone has it
 *  WAITERS   the queue may not be empty
 *  WOKEN     a waiter was woken and has not yet taken it or queued again:
 *            no need to wake another
 *  STARVING  the first waiter lost too often: hand over; implies HELD
 *
 * A waiter whose context ends is taken off the queue and leaves the word
 * alone, so WAITERS and STARVING may outlive whom they were set for: the next
 * unlock finds the queue empty and drops them, or hands over to who is first
 * then. One who was woken holds WOKEN, and does not leave without clearing it.
 *
 * Without HELD anyone may set it by a CAS. With HELD, only its holder and who
 * has the queue's lock change the word, so the holder with the queue's lock
 * may store plainly.
 */
#include <flo/sync.h>

#include "base/contract.h"
#include "engine/sync/waitq_p.h"

enum {
	HELD = 1,
	WAITERS = 2,
	WOKEN = 4,
	STARVING = 8,
};

#define LOSSES_MAX 16

struct mutex_waiter {
	struct flo__waiter w; /* first */
	bool handed;	      /* by the queue's lock, as w.state */
};

static bool cas(flo_mutex *mutex, uint32_t from, uint32_t to)
{
	/* acq_rel: a lock acquires what the last unlock released */
	return __atomic_compare_exchange_n(&mutex->state, &from, to, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

/* relaxed: what follows is a cas() or a store by who may */
static uint32_t look(const flo_mutex *mutex)
{
	return __atomic_load_n(&mutex->state, __ATOMIC_RELAXED);
}

bool flo__mutex_is_held(const flo_mutex *mutex)
{
	return (look(mutex) & HELD) != 0;
}

bool flo_mutex_trylock(flo_mutex *mutex)
{
	uint32_t s = look(mutex);

	while (!(s & HELD)) {
		if (cas(mutex, s, s | HELD))
			return true;
		s = look(mutex);
	}
	return false;
}

/*
 * Under the queue's lock: take the mutex (true) or announce a waiter (false).
 * @losses: how often the caller was woken in vain, 0 at its first try.
 */
static bool take_or_announce(flo_mutex *mutex, unsigned losses)
{
	uint32_t s, to;

	do {
		s = look(mutex);
		INSIST(!(s & STARVING) || (s & HELD));
		to = losses > 0 ? s & ~(uint32_t)WOKEN : s;
		if (s & HELD)
			to |= losses >= LOSSES_MAX ? WAITERS | STARVING
						   : WAITERS;
		else
			to |= HELD;
	} while (!cas(mutex, s, to));
	return !(s & HELD);
}

/*
 * Under the queue's lock, for one who was woken and whose context has ended:
 * take the mutex if it is free, since the unlock that woke us woke nobody
 * else. If it is not, its holder will wake the next, once WOKEN is gone.
 */
static bool take_or_give_up(flo_mutex *mutex)
{
	uint32_t s, to;

	do {
		s = look(mutex);
		to = s & ~(uint32_t)WOKEN;
		if (!(s & HELD))
			to |= HELD;
	} while (!cas(mutex, s, to));
	return !(s & HELD);
}

/* Under the queue's lock. The watch fires once: it may have met us awake. */
static bool has_ended(const struct flo__waiter *w)
{
	return w->state == FLO__WAITER_CANCELED ||
	       (w->context != NULL && flo_context_status(w->context) != FLO_OK);
}

/* Take the mutex or wait once. Returns true when @mw's fate is decided. */
static bool try_or_wait(flo_mutex *mutex, struct mutex_waiter *mw,
			unsigned losses)
{
	struct flo__waiter *w = &mw->w;
	bool taken, ended;

	flo__spin_lock(&mutex->q.lock);
	ended = has_ended(w);
	if (ended)
		taken = losses > 0 && take_or_give_up(mutex);
	else
		taken = take_or_announce(mutex, losses);
	if (taken || ended) {
		w->state = taken ? FLO__WAITER_GRANTED : FLO__WAITER_CANCELED;
		flo__spin_unlock(&mutex->q.lock);
		return true;
	}
	w->state = FLO__WAITER_IDLE;
	flo__waiter_park(w, losses > 0, "mutex");
	return mw->handed || w->state == FLO__WAITER_CANCELED;
}

static flo_status lock_slow(flo_mutex *mutex, flo_context *context,
			    const char *function)
{
	struct mutex_waiter mw = {.handed = false};
	unsigned losses = 0;
	flo_status st;

	st = flo__waiter_begin(&mw.w, &mutex->q, context, function);
	if (st != FLO_OK)
		return st;
	while (!try_or_wait(mutex, &mw, losses)) {
		INSIST(losses <= LOSSES_MAX);
		losses++;
	}
	return flo__waiter_end(&mw.w);
}

void flo_mutex_lock(flo_mutex *mutex)
{
	flo__sched_point();
	/* The usual case is one CAS; a failed guess costs no more. */
	if (!cas(mutex, 0, HELD) && !flo_mutex_trylock(mutex))
		lock_slow(mutex, NULL, __func__);
}

flo_status flo_mutex_lock_ctx(flo_mutex *mutex, flo_context *context)
{
	flo_status st = context != NULL ? flo_context_status(context) : FLO_OK;

	flo__sched_point();
	if (st != FLO_OK || flo_mutex_trylock(mutex))
		return st;
	return lock_slow(mutex, context, __func__);
}

/* Take the first waiter off, and WAITERS from *@s if nobody is left. */
static struct flo__waiter *pop(flo_mutex *mutex, uint32_t *s)
{
	struct flo__waiter *w = flo__waitq_grant(&mutex->q);

	if (mutex->q.head == NULL)
		*s &= ~(uint32_t)WAITERS;
	return w;
}

/* Under the queue's lock, by the holder. Returns whom to ready, or NULL. */
static struct flo__waiter *pass_on(flo_mutex *mutex)
{
	struct flo__waiter *w = NULL;
	uint32_t s = look(mutex);
	bool hand_over = (s & STARVING) != 0;

	if (hand_over || ((s & WAITERS) && !(s & WOKEN)))
		w = pop(mutex, &s);
	s &= ~(uint32_t)STARVING;
	if (hand_over && w != NULL) {
		((struct mutex_waiter *)w)->handed = true;
	} else {
		s &= ~(uint32_t)HELD;
		if (w != NULL)
			s |= WOKEN;
	}
	/* release: pairs with the acquire in cas() */
	__atomic_store_n(&mutex->state, s, __ATOMIC_RELEASE);
	return w;
}

void flo_mutex_unlock(flo_mutex *mutex)
{
	struct flo__waiter *w;
	uint32_t s;

	if (cas(mutex, HELD, 0))
		return;
	s = look(mutex);
	REQUIRE_RULE(s & HELD, "the mutex is not locked");
	/* Somebody is awake already and will look again. */
	if (!(s & STARVING) && (s & WOKEN) &&
	    cas(mutex, s, s & ~(uint32_t)HELD))
		return;
	flo__spin_lock(&mutex->q.lock);
	w = pass_on(mutex);
	flo__spin_unlock(&mutex->q.lock);
	if (w != NULL)
		flo__ready(w->g);
}
