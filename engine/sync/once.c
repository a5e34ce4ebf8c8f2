/*
 * Once: the first caller runs, later ones wait for its end.
 *
 * A panic counts as an end, as in Go: what failed half-way must not be run
 * again by somebody who cannot know how far it came. So the end is declared by
 * a clean-up of the caller's flo_try(). Without one a panic ends the process,
 * and there is nobody left to tell.
 */
#include <flo/sync.h>

#include "base/contract.h"
#include "engine/panic_p.h"
#include "engine/sync/waitq_p.h"

enum {
	NEW,	 /* nobody has come */
	RUNNING, /* one runs the function */
	DONE,	 /* it has ended, well or not */
};

static bool is_done(struct flo__waitq *q)
{
	return ((flo_once *)q)->state == DONE;
}

/* The function has returned or panicked. */
static void end(void *arg)
{
	flo_once *once = arg;
	struct flo__waiter *woken;

	flo__spin_lock(&once->q.lock);
	INSIST(once->state == RUNNING);
	/* release: pairs with the acquire in flo_once_do() */
	__atomic_store_n(&once->state, DONE, __ATOMIC_RELEASE);
	woken = flo__waitq_grant_all(&once->q);
	flo__spin_unlock(&once->q.lock);
	flo__waitq_ready_all(woken);
}

static void run(flo_once *once, flo_fn fn, void *arg)
{
	struct flo_defer_node node;

	if (!flo__try_is_open()) {
		fn(arg);
		end(once);
		return;
	}
	flo_defer(&node, end, once);
	fn(arg);
	flo_defer_run(&node);
}

static bool is_first(flo_once *once)
{
	bool first;

	flo__spin_lock(&once->q.lock);
	first = once->state == NEW;
	if (first)
		/* relaxed: readers outside the lock look for DONE only */
		__atomic_store_n(&once->state, RUNNING, __ATOMIC_RELAXED);
	flo__spin_unlock(&once->q.lock);
	return first;
}

flo_status flo_once_do(flo_once *once, flo_fn fn, void *arg,
		       flo_context *context)
{
	flo_status st;

	REQUIRE_RULE(once != NULL && fn != NULL, "there is nothing to do");
	/* acquire: pairs with the release in end() */
	if (__atomic_load_n(&once->state, __ATOMIC_ACQUIRE) == DONE)
		return FLO_OK;
	st = context != NULL ? flo_context_status(context) : FLO_OK;
	if (st != FLO_OK)
		return st;
	if (is_first(once)) {
		run(once, fn, arg);
		return FLO_OK;
	}
	return flo__waitq_wait(&once->q, is_done, context, false, __func__,
			       "once");
}
