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
 *  WAITERS   the queue is not empty
 *  WOKEN     a waiter was woken and has not yet taken it or queued again:
 *            no need to wake another
 *  STARVING  the first waiter lost too often: hand over; implies HELD
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

static void lock_slow(flo_mutex *mutex)
{
	struct mutex_waiter mw = {.handed = false};

	flo__waiter_begin(&mw.w, &mutex->q, NULL);
	for (unsigned losses = 0; !mw.handed; losses++) {
		flo__spin_lock(&mutex->q.lock);
		if (take_or_announce(mutex, losses)) {
			flo__spin_unlock(&mutex->q.lock);
			return;
		}
		mw.w.state = FLO__WAITER_IDLE;
		flo__waiter_park(&mw.w, losses > 0, "mutex");
		INSIST(losses <= LOSSES_MAX);
	}
}

void flo_mutex_lock(flo_mutex *mutex)
{
	flo__sched_point();
	/* The usual case is one CAS; a failed guess costs no more. */
	if (!cas(mutex, 0, HELD) && !flo_mutex_trylock(mutex))
		lock_slow(mutex);
}

/* Take the first waiter off; returns what the word becomes without it. */
static struct flo__waiter *pop(flo_mutex *mutex, uint32_t *s)
{
	struct flo__waiter *w = flo__waitq_grant(&mutex->q);

	INSIST(w != NULL);
	if (mutex->q.head == NULL)
		*s &= ~(uint32_t)WAITERS;
	return w;
}

/* Under the queue's lock, by the holder. Returns whom to ready, or NULL. */
static struct flo__waiter *pass_on(flo_mutex *mutex)
{
	struct flo__waiter *w = NULL;
	uint32_t s = look(mutex);

	if (s & STARVING) {
		w = pop(mutex, &s);
		((struct mutex_waiter *)w)->handed = true;
		s &= ~(uint32_t)STARVING;
	} else {
		s &= ~(uint32_t)HELD;
		if ((s & WAITERS) && !(s & WOKEN)) {
			w = pop(mutex, &s);
			s |= WOKEN;
		}
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
	REQUIRE(s & HELD);
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
