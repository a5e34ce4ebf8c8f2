/*
 * The writer: one thread a store, the only one that writes.
 *
 * It sleeps until a run has events queued or a caller has work for it. Then it
 * lingers up to 5 ms, so that events share a commit, unless somebody waits for
 * one (notify(), a call, a queue half full): then it commits at once. What
 * arrives while a commit runs makes the next batch; so the batch grows with
 * the load by itself.
 *
 * A commit, in this order: take the queues of all dirty runs; one transaction;
 * tell observers, event by event; tell those who wait. A notification thus
 * says that observers have seen the event too.
 *
 * When a commit fails nothing of the batch is in the file, and the failure is
 * final: an fsync that failed may have dropped pages that a second one would
 * report as written, so there is nothing honest to try again. The one
 * exception is a full disk, where the ballast pays for one more attempt.
 */
#include "storage/store_p.h"

#include "base/contract.h"
#include "base/prompt.h"
#include "base/thread.h"
#include "base/time.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>

/* --- a batch --- */

/* Swap the queue that callers fill with the one that was written. */
static void take(struct flo__run_journal *run)
{
	struct flo__event_queue empty = run->drain;

	INSIST(empty.count == 0);
	pthread_mutex_lock(&run->lock);
	INSIST(run->queued);
	run->drain = run->fill;
	run->fill = empty;
	run->taken = run->seq;
	run->queued = false;
	INSIST(run->drain.last == run->taken);
	pthread_mutex_unlock(&run->lock);
}

void flo__writer_show(const struct flo__run_journal *run)
{
	struct flo__queued_event event;
	size_t at = 0;

	if (run->observer == NULL)
		return;
	while (flo__queue_next(&run->drain, &at, &event))
		run->observer(run->observer_arg, event.body, event.body_len);
}

static void publish(struct flo__run_journal *run)
{
	flo_error lost = FLO_ERROR_INIT;

	if (run->fenced) {
		flo_error_set(&lost, FLO_BUSY,
			      "run %s was taken over by another engine",
			      run->record.id);
		flo__waiters_tell(flo__store_run_fail(run, &lost), lost.status);
	} else {
		flo__writer_show(run);
		flo__waiters_tell(flo__store_run_advance(run, run->drain.last),
				  FLO_OK);
	}
}

/*
 * End the store: nothing is accepted any more, and all who wait are told.
 * Runs cannot leave the list meanwhile, because that takes the lock; the
 * waiters are nobody's but ours once they are off their runs.
 */
static void fail(struct flo__store *store, const flo_error *error)
{
	struct flo__waiter *all = NULL, **end = &all;

	pthread_mutex_lock(&store->lock);
	if (store->failure.status == FLO_OK)
		store->failure = *error;
	for (struct flo__run_journal *run = store->runs; run != NULL;
	     run = run->next) {
		*end = flo__store_run_fail(run, error);
		while (*end != NULL)
			end = &(*end)->next;
	}
	pthread_mutex_unlock(&store->lock);
	flo__waiters_tell(all, error->status);
}

/* Only this thread sets it, so that it may look without the lock. */
static bool has_failed(const struct flo__store *store)
{
	return store->failure.status != FLO_OK;
}

/* Take the queues of all dirty runs and chain these runs as a batch. */
static struct flo__run_journal *take_all(struct flo__run_journal *dirty)
{
	struct flo__run_journal *batch = NULL, **end = &batch, *next;

	for (; dirty != NULL; dirty = next) {
		next = dirty->dirty_next; /* the next append may change it */
		take(dirty);
		*end = dirty;
		end = &dirty->batch_next;
	}
	*end = NULL;
	return batch;
}

static void commit(struct flo__store *store, struct flo__run_journal *dirty)
{
	struct flo__run_journal *batch = take_all(dirty), *run;
	flo_error err = FLO_ERROR_INIT;
	flo_status st = FLO_CLOSED;

	/* what came between a failed commit and fail() would leave a hole */
	if (!has_failed(store))
		st = flo__batch_write(store, batch, &err);
	if (st == FLO_FULL && flo__ballast_give_up(store))
		st = flo__batch_write(store, batch, NULL);
	for (run = batch; run != NULL; run = run->batch_next) {
		if (st == FLO_OK)
			publish(run);
		flo__queue_reset(&run->drain);
	}
	if (err.status != FLO_OK)
		fail(store, &err);
}

static void run_op(struct flo__store *store, struct flo__store_op *op)
{
	flo_error err = FLO_ERROR_INIT;
	flo_status st;

	if (has_failed(store)) {
		err = store->failure;
		st = err.status;
	} else {
		st = op->fn(store, op->arg, &err);
		/* an I/O error leaves the file in a state nobody knows */
		if (st == FLO_STORE)
			fail(store, &err);
	}
	if (st != FLO_OK && op->err != NULL && op->err->status == FLO_OK)
		*op->err = err;
	pthread_mutex_lock(&store->lock);
	op->status = st;
	op->done = true;
	pthread_cond_broadcast(&store->done);
	pthread_mutex_unlock(&store->lock);
}

/* --- checkpoints --- */

static int on_wal(void *arg, sqlite3 *sqlite, const char *name, int pages)
{
	struct flo__store *store = arg;

	(void)sqlite;
	(void)name;
	if (pages < store->wal_pages)
		store->wal_copied = 0; /* it began anew */
	store->wal_pages = pages;
	store->wal_commits++;
	return SQLITE_OK;
}

static void checkpoint(struct flo__store *store)
{
	flo_error err = FLO_ERROR_INIT;

	if (flo__checkpoint(store, &err) != FLO_OK)
		fail(store, &err);
}

/* --- the thread --- */

/* Wait for a wake-up until @deadline_ns; 0: for ever. Holds the lock. */
static bool wait_work(struct flo__store *store, uint64_t deadline_ns)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_ns / FLO__NS_PER_S),
		.tv_nsec = (long)(deadline_ns % FLO__NS_PER_S),
	};

	if (deadline_ns != 0)
		return pthread_cond_timedwait(&store->work, &store->lock,
					      &until) != ETIMEDOUT;
	pthread_cond_wait(&store->work, &store->lock);
	return true;
}

static bool has_caller(const struct flo__store *store)
{
	return store->ops != NULL || (store->urgent && store->dirty != NULL);
}

/*
 * Stay awake for a moment if callers come one right after the other: a wake-up
 * costs about as much as a commit without a sync. Holds the lock, but not
 * while it spins.
 */
static void spin(struct flo__store *store)
{
	unsigned calls =
		atomic_load_explicit(&store->calls, memory_order_relaxed);
	uint64_t until = flo__time_mono_ns() + FLO__SPIN_NS;

	store->hot = false; /* until somebody came */
	pthread_mutex_unlock(&store->lock);
	while (atomic_load_explicit(&store->calls, memory_order_relaxed) ==
		       calls &&
	       flo__time_mono_ns() < until)
		;
	pthread_mutex_lock(&store->lock);
}

/* With nothing to do: checkpoint if it is worth it and stays quiet. */
static void idle(struct flo__store *store)
{
	uint64_t quiet = flo__time_mono_ns() + FLO__IDLE_NS;

	if (!flo__checkpoint_due(store, true)) {
		wait_work(store, flo__requests_due_ns(store));
	} else if (!wait_work(store, quiet) && store->dirty == NULL) {
		pthread_mutex_unlock(&store->lock);
		checkpoint(store);
		pthread_mutex_lock(&store->lock);
	}
}

/* Holds the lock. */
static bool look_due(const struct flo__store *store)
{
	uint64_t due = flo__requests_due_ns(store);

	return due != 0 && flo__time_mono_ns() >= due;
}

/* Holds the lock. False: stop. */
static bool next_work(struct flo__store *store)
{
	for (;;) {
		uint64_t deadline = store->dirty_since_ns + FLO__LINGER_NS;

		if (has_caller(store)) {
			store->hot =
				flo__time_mono_ns() - store->idle_since_ns <
				FLO__SPIN_SOON_NS;
			return true;
		}
		if (store->hot) {
			spin(store);
		} else if (store->dirty != NULL) {
			if (store->stopping || flo__time_mono_ns() >= deadline)
				return true;
			wait_work(store, deadline);
		} else if (store->stopping) {
			return false;
		} else if (look_due(store)) {
			return true;
		} else {
			idle(store);
		}
	}
}

static struct flo__store_op *pop_op(struct flo__store *store)
{
	struct flo__store_op *op = store->ops;

	if (op == NULL)
		return NULL;
	store->ops = op->next;
	if (store->ops == NULL)
		store->ops_end = &store->ops;
	return op;
}

static void *writer_main(void *arg)
{
	struct flo__store *store = arg;

	flo__thread_known(1); /* it wakes by notes only */
	flo__thread_prompt();
	pthread_mutex_lock(&store->lock);
	while (next_work(store)) {
		struct flo__run_journal *dirty = store->dirty;
		struct flo__store_op *op = pop_op(store);
		bool look = look_due(store);

		store->dirty = NULL;
		store->dirty_end = &store->dirty;
		store->urgent = false;
		pthread_mutex_unlock(&store->lock);
		if (dirty != NULL)
			commit(store, dirty);
		if (op != NULL)
			run_op(store, op);
		if (look && !has_failed(store))
			flo__requests_look(store);
		if (flo__checkpoint_due(store, false))
			checkpoint(store);
		store->idle_since_ns = flo__time_mono_ns();
		pthread_mutex_lock(&store->lock);
	}
	pthread_mutex_unlock(&store->lock);
	flo__thread_known(-1);
	return NULL;
}

void flo__writer_wake(struct flo__store *store, struct flo__run_journal *dirty,
		      bool urgent)
{
	bool wake;

	pthread_mutex_lock(&store->lock);
	wake = urgent && !store->urgent;
	if (dirty != NULL) {
		if (store->dirty == NULL) {
			store->dirty_since_ns = flo__time_mono_ns();
			wake = true;
		}
		dirty->dirty_next = NULL;
		*store->dirty_end = dirty;
		store->dirty_end = &dirty->dirty_next;
	}
	if (urgent) {
		store->urgent = true;
		atomic_fetch_add_explicit(&store->calls, 1,
					  memory_order_relaxed);
	}
	if (wake)
		pthread_cond_signal(&store->work);
	pthread_mutex_unlock(&store->lock);
}

flo_status flo__writer_call(struct flo__store *store,
			    flo_status (*fn)(struct flo__store *store,
					     void *arg, flo_error *err),
			    void *arg, flo_error *err)
{
	struct flo__store_op op = {.fn = fn, .arg = arg, .err = err};

	pthread_mutex_lock(&store->lock);
	REQUIRE(!store->stopping);
	*store->ops_end = &op;
	store->ops_end = &op.next;
	atomic_fetch_add_explicit(&store->calls, 1, memory_order_relaxed);
	pthread_cond_signal(&store->work);
	while (!op.done)
		pthread_cond_wait(&store->done, &store->lock);
	pthread_mutex_unlock(&store->lock);
	return op.status;
}

static flo_status nothing(struct flo__store *store, void *arg, flo_error *err)
{
	(void)store;
	(void)arg;
	(void)err;
	return FLO_OK;
}

void flo__writer_flush(struct flo__store *store)
{
	flo__writer_call(store, nothing, NULL, NULL);
}

flo_status flo__writer_start(struct flo__store *store, flo_error *err)
{
	sigset_t all, before;
	int rc;

	sqlite3_wal_autocheckpoint(store->db.sqlite, 0);
	sqlite3_wal_hook(store->db.sqlite, on_wal, store);
	/* the host's signal handlers are no business of this thread's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&store->thread, NULL, writer_main, store);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (rc != 0)
		return flo_error_sys(err, rc,
				     "cannot start the store's "
				     "writer thread");
	return FLO_OK;
}

void flo__writer_stop(struct flo__store *store)
{
	pthread_mutex_lock(&store->lock);
	REQUIRE(!store->stopping);
	store->stopping = true;
	pthread_cond_signal(&store->work);
	pthread_mutex_unlock(&store->lock);
	pthread_join(store->thread, NULL);
	INSIST(store->dirty == NULL && store->ops == NULL);
}
