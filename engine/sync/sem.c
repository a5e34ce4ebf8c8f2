/*
 * The semaphore: units, and a FIFO of those who want some.
 *
 * Nobody overtakes: the first in line is served as soon as there are as many
 * units as it wants, and until then all behind it wait, however few they want;
 * or who wants many would wait for ever among many who want one. So units may
 * be free while somebody waits. When the first in line gives up, those may be
 * enough for the ones behind it, which it serves itself.
 */
#include <flo/sync.h>

#include "base/contract.h"
#include "engine/sync/waitq_p.h"

struct sem_waiter {
	struct flo__waiter w; /* first */
	int64_t n;	      /* constant: wanted */
};

static int64_t wanted(const struct flo__waiter *w)
{
	return ((const struct sem_waiter *)w)->n;
}

/* Under the lock: take @n units unless that overtakes or exceeds. */
static bool take(flo_sem *sem, int64_t n, bool front)
{
	INSIST(sem->free >= 0);
	if (sem->free < n || (!front && sem->q.head != NULL))
		return false;
	sem->free -= n;
	return true;
}

/* Under the lock: serve from the front; the caller readies the list. */
static struct flo__waiter *serve(flo_sem *sem)
{
	struct flo__waiter *list = NULL, **tail = &list, *w;

	while ((w = sem->q.head) != NULL && wanted(w) <= sem->free) {
		sem->free -= wanted(w);
		w = flo__waitq_grant(&sem->q);
		w->next = NULL;
		*tail = w;
		tail = &w->next;
	}
	return list;
}

void flo_sem_init(flo_sem *sem, int64_t units)
{
	REQUIRE_RULE(units >= 0, "a semaphore has no negative units");
	*sem = (flo_sem){.free = units, .size = units};
}

static void gave_up(flo_sem *sem)
{
	struct flo__waiter *served;

	flo__spin_lock(&sem->q.lock);
	served = serve(sem);
	flo__spin_unlock(&sem->q.lock);
	flo__waitq_ready_all(served);
}

static flo_status take_slow(flo_sem *sem, int64_t n, flo_context *context,
			    bool front, const char *function)
{
	struct sem_waiter sw = {.n = n};
	flo_status st;

	st = flo__waiter_begin(&sw.w, &sem->q, context, function);
	if (st != FLO_OK)
		return st;
	flo__spin_lock(&sem->q.lock);
	if (sw.w.state == FLO__WAITER_IDLE && take(sem, n, front)) {
		sw.w.state = FLO__WAITER_GRANTED;
		flo__spin_unlock(&sem->q.lock);
	} else {
		flo__waiter_park(&sw.w, front, "semaphore");
	}
	st = flo__waiter_end(&sw.w);
	if (st != FLO_OK)
		gave_up(sem);
	return st;
}

/* Wait for what never comes, in a line of its own: only @context ends it. */
static flo_status wait_in_vain(flo_context *context, const char *function)
{
	struct flo__waitq nobody = {0};
	struct flo__waiter w;
	flo_status st;

	st = flo__waiter_begin(&w, &nobody, context, function);
	if (st != FLO_OK)
		return st;
	flo__spin_lock(&nobody.lock);
	flo__waiter_park(&w, false, "semaphore (more units than it has)");
	return flo__waiter_end(&w);
}

static flo_status take_units(flo_sem *sem, int64_t n, flo_context *context,
			     bool front, const char *function)
{
	flo_status st = context != NULL ? flo_context_status(context) : FLO_OK;
	bool taken;

	REQUIRE_OF(function, n >= 0, "a negative number of units");
	if (st != FLO_OK)
		return st;
	if (sem->size > 0 && n > sem->size)
		return wait_in_vain(context, function);
	flo__spin_lock(&sem->q.lock);
	taken = take(sem, n, front);
	flo__spin_unlock(&sem->q.lock);
	return taken ? FLO_OK : take_slow(sem, n, context, front, function);
}

flo_status flo_sem_take(flo_sem *sem, flo_context *context)
{
	return take_units(sem, 1, context, false, __func__);
}

flo_status flo_sem_take_n(flo_sem *sem, int64_t n, flo_context *context)
{
	return take_units(sem, n, context, false, __func__);
}

flo_status flo_sem_take_front(flo_sem *sem, flo_context *context)
{
	return take_units(sem, 1, context, true, __func__);
}

static bool trytake(flo_sem *sem, int64_t n, const char *function)
{
	bool taken;

	REQUIRE_OF(function, n >= 0, "a negative number of units");
	flo__spin_lock(&sem->q.lock);
	taken = take(sem, n, false);
	flo__spin_unlock(&sem->q.lock);
	return taken;
}

bool flo_sem_trytake(flo_sem *sem)
{
	return trytake(sem, 1, __func__);
}

bool flo_sem_trytake_n(flo_sem *sem, int64_t n)
{
	return trytake(sem, n, __func__);
}

/* Under the lock. */
static bool is_too_many(const flo_sem *sem, int64_t n)
{
	int64_t most = sem->size > 0 ? sem->size : INT64_MAX;

	return n > most - sem->free;
}

static void give(flo_sem *sem, int64_t n, const char *function)
{
	struct flo__waiter *served = NULL;
	bool too_many;

	REQUIRE_OF(function, n >= 0, "a negative number of units");
	flo__spin_lock(&sem->q.lock);
	too_many = is_too_many(sem, n);
	if (!too_many) {
		sem->free += n;
		served = serve(sem);
	}
	flo__spin_unlock(&sem->q.lock);
	REQUIRE_OF(function, !too_many, "more units than were taken");
	flo__waitq_ready_all(served);
}

void flo_sem_give(flo_sem *sem)
{
	give(sem, 1, __func__);
}

void flo_sem_give_n(flo_sem *sem, int64_t n)
{
	give(sem, n, __func__);
}
