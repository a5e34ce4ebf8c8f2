#include <flo/sync.h>

#include "base/contract.h"
#include "engine/sync/waitq_p.h"

/*
 * The mutex is released while the queue's lock is held, so no signal can fall
 * between the release and the queueing. Lock order: condition -> mutex.
 */
flo_status flo_cond_wait(flo_cond *cond, flo_mutex *mutex, flo_context *context)
{
	struct flo__waiter w;
	flo_status status;

	flo__sched_point();
	/* Not left to flo_mutex_unlock(), which runs under our lock. */
	REQUIRE_RULE(flo__mutex_is_held(mutex), "the mutex is not locked");
	status = flo__waiter_begin(&w, &cond->q, context, __func__);
	if (status != FLO_OK)
		return status;
	flo__sched_point();
	flo__spin_lock(&cond->q.lock);
	if (w.state == FLO__WAITER_CANCELED) {
		/* The mutex was not released: nothing to lock again. */
		flo__spin_unlock(&cond->q.lock);
		return flo__waiter_end(&w);
	}
	flo_mutex_unlock(mutex);
	flo__waiter_park(&w, false, "condition");
	status = flo__waiter_end(&w);
	flo_mutex_lock(mutex);
	return status;
}

void flo_cond_signal(flo_cond *cond)
{
	struct flo__waiter *w;

	flo__spin_lock(&cond->q.lock);
	w = flo__waitq_grant(&cond->q);
	flo__spin_unlock(&cond->q.lock);
	if (w != NULL)
		flo__ready(w->g);
}

void flo_cond_broadcast(flo_cond *cond)
{
	struct flo__waiter *woken;

	flo__spin_lock(&cond->q.lock);
	woken = flo__waitq_grant_all(&cond->q);
	flo__spin_unlock(&cond->q.lock);
	flo__waitq_ready_all(woken);
}
