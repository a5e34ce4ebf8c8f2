/*
 * The shared core of everything that waits in a queue: a FIFO of parked
 * coroutines under a lock, and waits that end with a context.
 *
 * Note: no wake-up is lost and none is doubled
 *
 * A waiter's fate is decided once, under the queue's lock, by whoever takes it
 * off the queue: a granter (flo__waitq_grant()) or its context's watch. The
 * one who took it off readies it; the other finds it gone. So
 *  - a waiter that was granted what it waits for has it, even if its context
 *    ends before it runs again: the wait returns FLO_OK, nothing is dropped;
 *  - a waiter whose context ended is off the queue before a granter can see
 *    it, so the grant goes to the next.
 * The watch is added before the waiter is queued. If the context ends in
 * between, the watch finds the waiter IDLE and marks it; the waiter sees the
 * mark under the lock and does not queue. The watch is gone before the wait
 * returns (flo__context_watch_del()), so neither waiter nor queue is touched
 * later. tests/model/wait_cancel.pml checks this.
 *
 * The park commits by releasing the queue's lock on another stack (g.c), so
 * whoever can see the waiter may ready it.
 *
 * Contracts of callers are checked with no lock held: inside flo_try() a
 * broken one is a panic and would leave it locked.
 */
#ifndef FLO_ENGINE_SYNC_WAITQ_P_H
#define FLO_ENGINE_SYNC_WAITQ_P_H

#include <flo/sync.h>

#include "engine/context_p.h"
#include "engine/sched/sched_p.h"
#include "engine/sync/spin_p.h"

enum flo__waiter_state {
	FLO__WAITER_IDLE,     /* owner: the waiting coroutine */
	FLO__WAITER_QUEUED,   /* owner: the queue */
	FLO__WAITER_GRANTED,  /* owner: the coroutine, with what it wanted */
	FLO__WAITER_CANCELED, /* owner: the coroutine, without it */
};

/* Lives on the stack of the waiting coroutine. */
struct flo__waiter {
	struct flo__waiter *next, *prev; /* by the queue's lock */
	struct flo__waitq *q;		 /* constant */
	struct flo__g *g;		 /* constant */
	flo_context *context;		 /* constant; NULL: not cancellable */
	/* by the queue's lock; the coroutine reads it freely once resumed */
	enum flo__waiter_state state;
	struct flo__context_watch watch;
};

/*
 * Take from the owner of @q (which embeds it first) what is waited for, if it
 * is there. Called under the lock of @q.
 */
typedef bool (*flo__waitq_take)(struct flo__waitq *q);

/*
 * Take, or wait until someone grants; with @front before all who wait. A
 * context that has ended already wins over what could be taken.
 *
 * @function is who was called, for the contract; @why is for reports.
 *
 * Requires: called in a coroutine if it has to wait.
 * Returns FLO_OK, or the status of @context.
 */
flo_status flo__waitq_wait(struct flo__waitq *q, flo__waitq_take take,
			   flo_context *context, bool front,
			   const char *function, const char *why);

/*
 * The parts of a wait, for who needs more than flo__waitq_wait().
 *
 * begin: set @w up for the calling coroutine; no lock held. Returns the
 * status of @context if it has ended; then there is nothing to end.
 * park: queue and park. The lock of @q is held and is released. Returns at
 * once if the context has ended since.
 * end: no lock held. Returns FLO_OK if granted, else the context's status.
 */
flo_status flo__waiter_begin(struct flo__waiter *w, struct flo__waitq *q,
			     flo_context *context, const char *function);
void flo__waiter_park(struct flo__waiter *w, bool front, const char *why);
flo_status flo__waiter_end(struct flo__waiter *w);

/*
 * Take the first waiter off @q; NULL if there is none. Under the lock of @q;
 * the caller readies it (flo__ready(w->g)) after it has released the lock.
 */
struct flo__waiter *flo__waitq_grant(struct flo__waitq *q);

/*
 * Grant to all: takes the whole queue off as a list. Under the lock of @q; the
 * caller passes the list to flo__waitq_ready_all() with no lock held.
 */
struct flo__waiter *flo__waitq_grant_all(struct flo__waitq *q);
void flo__waitq_ready_all(struct flo__waiter *list);

/* Whether anyone holds @mutex: for contracts. */
bool flo__mutex_is_held(const flo_mutex *mutex);

#endif
