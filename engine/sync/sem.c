#include <flo/sync.h>

#include "base/contract.h"
#include "engine/sync/waitq_p.h"

/* Free units imply an empty queue, so taking one overtakes nobody. */
static bool take(struct flo__waitq *q)
{
	flo_sem *sem = (flo_sem *)q;

	INSIST(sem->free >= 0 && (sem->free == 0 || q->head == NULL));
	if (sem->free == 0)
		return false;
	sem->free--;
	return true;
}

void flo_sem_init(flo_sem *sem, int64_t free)
{
	REQUIRE_RULE(free >= 0, "a semaphore has no negative units");
	*sem = (flo_sem){.free = free};
}

flo_status flo_sem_take(flo_sem *sem, flo_context *context)
{
	return flo__waitq_wait(&sem->q, take, context, false, __func__,
			       "semaphore");
}

flo_status flo_sem_take_front(flo_sem *sem, flo_context *context)
{
	return flo__waitq_wait(&sem->q, take, context, true, __func__,
			       "semaphore");
}

bool flo_sem_trytake(flo_sem *sem)
{
	bool taken;

	flo__spin_lock(&sem->q.lock);
	taken = take(&sem->q);
	flo__spin_unlock(&sem->q.lock);
	return taken;
}

void flo_sem_give(flo_sem *sem)
{
	struct flo__waiter *w;
	bool overflow;

	flo__spin_lock(&sem->q.lock);
	w = flo__waitq_grant(&sem->q);
	overflow = w == NULL && sem->free == INT64_MAX;
	if (w == NULL && !overflow)
		sem->free++;
	flo__spin_unlock(&sem->q.lock);
	REQUIRE_RULE(!overflow, "more units than can be counted");
	if (w != NULL)
		flo__ready(w->g);
}
