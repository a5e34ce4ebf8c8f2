/*
 * Note: the readers-writer mutex
 *
 * One word says who is inside: the number of readers, or WRITER. While nobody
 * waits each operation is one CAS on it. QUEUE says that somebody may wait;
 * then all go through the lock of `writers`, which guards the decisions:
 *
 *  - a reader goes in unless a writer is inside or waits, so that readers who
 *    keep coming cannot keep a writer out;
 *  - a writer that leaves lets all waiting readers in before the next writer,
 *    so that writers cannot keep readers out either;
 *  - the last reader that leaves lets the first waiting writer in.
 *
 * QUEUE is set and cleared under that lock. While it or WRITER is set nobody
 * changes the word without the lock, except that a writer leaves by a CAS from
 * WRITER alone. Otherwise it may change under the lock's holder, who therefore
 * uses CAS too.
 *
 * The readers wait in a queue of their own, whose lock nests inside that of
 * the writers' (writers -> readers): a waiter's context takes it off its queue
 * by that queue's lock alone. So QUEUE may outlive the last waiter; who finds
 * both queues empty clears it. A writer that gives up may have been all that
 * kept waiting readers out: it lets them in itself (settle()).
 *
 * Invariant, whenever the lock is free: a writer waits only if somebody is
 * inside; a reader waits only if a writer is inside, or waits, or has just
 * given up and is on its way to settle().
 */
#include <flo/sync.h>

#include "base/contract.h"
#include "engine/sync/waitq_p.h"

#define READERS_MAX ((UINT32_C(1) << 30) - 1)
#define WRITER	    (UINT32_C(1) << 30)
#define QUEUE	    (UINT32_C(1) << 31)

static uint32_t look(const flo_rwmutex *rw)
{
	/* relaxed: what follows is a cas() */
	return __atomic_load_n(&rw->state, __ATOMIC_RELAXED);
}

static bool cas(flo_rwmutex *rw, uint32_t *from, uint32_t to)
{
	/* acq_rel: who comes in acquires what those who left released */
	return __atomic_compare_exchange_n(&rw->state, from, to, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_RELAXED);
}

static uint32_t readers_in(uint32_t state)
{
	return state & READERS_MAX;
}

/* --- without waiting ------------------------------------------------------- */

/* Go in while nobody waits. */
static bool enter_reading(flo_rwmutex *rw)
{
	uint32_t s = look(rw);

	while (!(s & (WRITER | QUEUE))) {
		INSIST(readers_in(s) < READERS_MAX);
		if (cas(rw, &s, s + 1))
			return true;
	}
	return false;
}

static bool enter_writing(flo_rwmutex *rw)
{
	uint32_t s = 0;

	return cas(rw, &s, WRITER);
}

/* --- under the writers' lock ----------------------------------------------- */

/* Go in as a reader (true), or have QUEUE set (false). */
static bool read_or_announce(flo_rwmutex *rw, bool announce)
{
	uint32_t s = look(rw), to;
	bool enters;

	do {
		enters = !(s & WRITER) && rw->writers.head == NULL;
		if (!enters && !announce)
			return false;
		to = enters ? s + 1 : s | QUEUE;
	} while (!cas(rw, &s, to));
	return enters;
}

static bool write_or_announce(flo_rwmutex *rw, bool announce)
{
	uint32_t s = look(rw), to;
	bool enters;

	do {
		enters = (s & ~QUEUE) == 0 && rw->writers.head == NULL;
		if (!enters && !announce)
			return false;
		to = enters ? s | WRITER : s | QUEUE;
	} while (!cas(rw, &s, to));
	return enters;
}

/* Whom to ready once the locks are free. */
struct admitted {
	struct flo__waiter *readers, *writer;
};

/* Let all waiting readers in. The word is ours. */
static void admit_readers(flo_rwmutex *rw, uint32_t *s, struct admitted *in)
{
	flo__spin_lock(&rw->readers.lock);
	*s += rw->readers.len;
	in->readers = flo__waitq_grant_all(&rw->readers);
	flo__spin_unlock(&rw->readers.lock);
}

static bool readers_wait(flo_rwmutex *rw)
{
	bool wait;

	flo__spin_lock(&rw->readers.lock);
	wait = rw->readers.head != NULL;
	flo__spin_unlock(&rw->readers.lock);
	return wait;
}

/*
 * Bring the invariant about after somebody left (@s is the word without them)
 * or gave up. The word is ours: QUEUE or WRITER is set. @readers_first: a
 * writer left.
 */
static struct admitted settle(flo_rwmutex *rw, uint32_t s, bool readers_first)
{
	struct admitted in = {NULL, NULL};

	INSIST((s & QUEUE) || rw->writers.head == NULL);
	if (!(s & WRITER) && (readers_first || rw->writers.head == NULL))
		admit_readers(rw, &s, &in);
	if ((s & ~QUEUE) == 0) {
		in.writer = flo__waitq_grant(&rw->writers);
		if (in.writer != NULL)
			s |= WRITER;
	}
	if (rw->writers.head == NULL && !readers_wait(rw))
		s &= ~QUEUE;
	/* release: pairs with the acquire in cas() */
	__atomic_store_n(&rw->state, s, __ATOMIC_RELEASE);
	return in;
}

static void ready(struct admitted in)
{
	flo__waitq_ready_all(in.readers);
	if (in.writer != NULL)
		flo__ready(in.writer->g);
}

/* --- waiting --------------------------------------------------------------- */

static flo_status read_slow(flo_rwmutex *rw, flo_context *context,
			    const char *function)
{
	struct flo__waiter w;
	flo_status st;

	flo__sched_point();
	st = flo__waiter_begin(&w, &rw->readers, context, function);
	if (st != FLO_OK)
		return st;
	flo__sched_point();
	flo__spin_lock(&rw->writers.lock);
	flo__spin_lock(&rw->readers.lock);
	if (w.state == FLO__WAITER_IDLE && read_or_announce(rw, true)) {
		w.state = FLO__WAITER_GRANTED;
		flo__spin_unlock(&rw->readers.lock);
		flo__spin_unlock(&rw->writers.lock);
	} else {
		/* Who admits us needs the readers' lock, until we are queued. */
		flo__spin_unlock(&rw->writers.lock);
		flo__waiter_park(&w, false, "rwmutex read");
	}
	return flo__waiter_end(&w);
}

/* A waiting writer has gone: readers that it kept out may go in. */
static void gave_up(flo_rwmutex *rw)
{
	struct admitted in = {NULL, NULL};
	uint32_t s;

	flo__spin_lock(&rw->writers.lock);
	s = look(rw);
	if (s & QUEUE)
		in = settle(rw, s, false);
	flo__spin_unlock(&rw->writers.lock);
	ready(in);
}

static flo_status write_slow(flo_rwmutex *rw, flo_context *context,
			     const char *function)
{
	struct flo__waiter w;
	flo_status st;

	flo__sched_point();
	st = flo__waiter_begin(&w, &rw->writers, context, function);
	if (st != FLO_OK)
		return st;
	flo__sched_point();
	flo__spin_lock(&rw->writers.lock);
	if (w.state == FLO__WAITER_IDLE && write_or_announce(rw, true)) {
		w.state = FLO__WAITER_GRANTED;
		flo__spin_unlock(&rw->writers.lock);
	} else {
		flo__waiter_park(&w, false, "rwmutex write");
	}
	st = flo__waiter_end(&w);
	if (st != FLO_OK)
		gave_up(rw);
	return st;
}

static flo_status status_of(const flo_context *context)
{
	return context != NULL ? flo_context_status(context) : FLO_OK;
}

/* --- public ---------------------------------------------------------------- */

void flo_rwmutex_rlock(flo_rwmutex *rw)
{
	if (!enter_reading(rw))
		read_slow(rw, NULL, __func__);
}

flo_status flo_rwmutex_rlock_ctx(flo_rwmutex *rw, flo_context *context)
{
	flo_status st = status_of(context);

	if (st != FLO_OK || enter_reading(rw))
		return st;
	return read_slow(rw, context, __func__);
}

bool flo_rwmutex_tryrlock(flo_rwmutex *rw)
{
	bool entered = enter_reading(rw);

	if (!entered && !(look(rw) & WRITER)) {
		flo__spin_lock(&rw->writers.lock);
		entered = read_or_announce(rw, false);
		flo__spin_unlock(&rw->writers.lock);
	}
	return entered;
}

void flo_rwmutex_runlock(flo_rwmutex *rw)
{
	struct admitted in = {NULL, NULL};
	uint32_t s = look(rw);
	bool held;

	while (!(s & QUEUE) && readers_in(s) > 0)
		if (cas(rw, &s, s - 1))
			return;
	flo__spin_lock(&rw->writers.lock);
	do {
		s = look(rw);
		held = readers_in(s) > 0;
	} while (held && !(s & QUEUE) && !cas(rw, &s, s - 1));
	if (held && (s & QUEUE))
		in = settle(rw, s - 1, false);
	flo__spin_unlock(&rw->writers.lock);
	REQUIRE_RULE(held, "the mutex is not locked for reading");
	ready(in);
}

void flo_rwmutex_lock(flo_rwmutex *rw)
{
	if (!enter_writing(rw))
		write_slow(rw, NULL, __func__);
}

flo_status flo_rwmutex_lock_ctx(flo_rwmutex *rw, flo_context *context)
{
	flo_status st = status_of(context);

	if (st != FLO_OK || enter_writing(rw))
		return st;
	return write_slow(rw, context, __func__);
}

bool flo_rwmutex_trylock(flo_rwmutex *rw)
{
	bool entered = enter_writing(rw);

	if (!entered && (look(rw) & QUEUE)) {
		flo__spin_lock(&rw->writers.lock);
		entered = write_or_announce(rw, false);
		flo__spin_unlock(&rw->writers.lock);
	}
	return entered;
}

void flo_rwmutex_unlock(flo_rwmutex *rw)
{
	struct admitted in = {NULL, NULL};
	uint32_t s = WRITER;

	if (cas(rw, &s, 0))
		return;
	REQUIRE_RULE(s & WRITER, "the mutex is not locked for writing");
	flo__spin_lock(&rw->writers.lock);
	/* With WRITER set the word changes under the lock only. */
	in = settle(rw, look(rw) & ~WRITER, true);
	flo__spin_unlock(&rw->writers.lock);
	ready(in);
}
