/* See waitq_p.h for the protocol. */
#include "engine/sync/waitq_p.h"

#include "base/contract.h"

#include <stddef.h>

static void push(struct flo__waitq *q, struct flo__waiter *w, bool front)
{
	w->prev = front ? NULL : q->tail;
	w->next = front ? q->head : NULL;
	*(w->prev != NULL ? &w->prev->next : &q->head) = w;
	*(w->next != NULL ? &w->next->prev : &q->tail) = w;
	q->len++;
	w->state = FLO__WAITER_QUEUED;
}

static void take_off(struct flo__waitq *q, struct flo__waiter *w,
		     enum flo__waiter_state state)
{
	INSIST(w->state == FLO__WAITER_QUEUED && w->q == q && q->len > 0);
	*(w->prev != NULL ? &w->prev->next : &q->head) = w->next;
	*(w->next != NULL ? &w->next->prev : &q->tail) = w->prev;
	q->len--;
	INSIST((q->len == 0) == (q->head == NULL));
	w->state = state;
}

/* The context ended. Runs in the canceller, with no lock held. */
static void watch_fired(struct flo__context_watch *watch)
{
	struct flo__waiter *w =
		(struct flo__waiter *)((char *)watch -
				       offsetof(struct flo__waiter, watch));
	struct flo__waitq *q = w->q;
	bool parked;

	flo__spin_lock(&q->lock);
	parked = w->state == FLO__WAITER_QUEUED;
	if (parked)
		take_off(q, w, FLO__WAITER_CANCELED);
	else if (w->state == FLO__WAITER_IDLE)
		w->state = FLO__WAITER_CANCELED;
	flo__spin_unlock(&q->lock);
	/* @w lives on: its coroutine waits for this function to end. */
	if (parked)
		flo__ready(w->g);
}

flo_status flo__waiter_begin(struct flo__waiter *w, struct flo__waitq *q,
			     flo_context *context, const char *function)
{
	w->q = q;
	w->g = flo__g_current();
	w->context = context;
	w->state = FLO__WAITER_IDLE;
	w->watch.fn = watch_fired;
	REQUIRE_OF(function, w->g != NULL, "only a coroutine can wait");
	if (context != NULL && !flo__context_watch_add(context, &w->watch))
		return flo_context_status(context);
	return FLO_OK;
}

/* On the next one's stack: from the release on, anyone may ready us. */
static bool commit_unlock(struct flo__g *g, void *arg)
{
	(void)g;
	flo__spin_unlock(arg);
	return true;
}

void flo__waiter_park(struct flo__waiter *w, bool front, const char *why)
{
	struct flo__waitq *q = w->q;

	if (w->state == FLO__WAITER_CANCELED) {
		flo__spin_unlock(&q->lock);
		return;
	}
	INSIST(w->state == FLO__WAITER_IDLE);
	push(q, w, front);
	flo__park(commit_unlock, &q->lock, why, false);
}

flo_status flo__waiter_end(struct flo__waiter *w)
{
	if (w->context != NULL)
		flo__context_watch_del(w->context, &w->watch);
	if (w->state == FLO__WAITER_GRANTED)
		return FLO_OK;
	INSIST(w->state == FLO__WAITER_CANCELED && w->context != NULL);
	return flo_context_status(w->context);
}

flo_status flo__waitq_wait(struct flo__waitq *q, flo__waitq_take take,
			   flo_context *context, bool front,
			   const char *function, const char *why)
{
	struct flo__waiter w;
	flo_status status;
	bool taken;

	flo__sched_point();
	if (context != NULL) {
		status = flo_context_status(context);
		if (status != FLO_OK)
			return status;
	}
	flo__spin_lock(&q->lock);
	taken = take(q);
	flo__spin_unlock(&q->lock);
	if (taken)
		return FLO_OK;

	flo__sched_point();
	status = flo__waiter_begin(&w, q, context, function);
	if (status != FLO_OK)
		return status;
	flo__sched_point();
	flo__spin_lock(&q->lock);
	if (w.state == FLO__WAITER_IDLE && take(q)) {
		w.state = FLO__WAITER_GRANTED;
		flo__spin_unlock(&q->lock);
	} else {
		flo__waiter_park(&w, front, why);
	}
	return flo__waiter_end(&w);
}

struct flo__waiter *flo__waitq_grant(struct flo__waitq *q)
{
	struct flo__waiter *w = q->head;

	if (w != NULL)
		take_off(q, w, FLO__WAITER_GRANTED);
	return w;
}

struct flo__waiter *flo__waitq_grant_all(struct flo__waitq *q)
{
	struct flo__waiter *list = q->head;

	for (struct flo__waiter *w = list; w != NULL; w = w->next) {
		INSIST(w->state == FLO__WAITER_QUEUED);
		w->state = FLO__WAITER_GRANTED;
	}
	q->head = NULL;
	q->tail = NULL;
	q->len = 0;
	return list;
}

void flo__waitq_ready_all(struct flo__waiter *list)
{
	struct flo__waiter *next;

	for (; list != NULL; list = next) {
		/* Its memory is its coroutine's again once that is ready. */
		next = list->next;
		flo__ready(list->g);
	}
}
