/*
 * A run that this process owns: append, notify, replay, close. How it comes to
 * own it is in own.c.
 */
#include "storage/store_p.h"

#include "base/alloc.h"
#include "base/contract.h"

/* --- append --- */

/* Holds the run's lock. */
static flo_status may_append(const struct flo__run_journal *run)
{
	if (run->failure.status != FLO_OK)
		return run->failure.status;
	if (run->ended)
		return FLO_CLOSED;
	if (run->fill.count >= FLO__QUEUE_EVENTS_MAX ||
	    run->fill.bytes.len >= FLO__QUEUE_BYTES_MAX)
		return FLO_AGAIN;
	if (run->seq >= FLO__EVENT_SEQ_MAX)
		return FLO_LIMIT;
	return FLO_OK;
}

/* Half full: the linger is over, or the next burst finds no room. */
static bool is_filling(const struct flo__event_queue *queue)
{
	return queue->count == FLO__QUEUE_EVENTS_MAX / 2 ||
	       queue->bytes.len >= FLO__QUEUE_BYTES_MAX / 2;
}

static flo_status run_append(struct flo__run_journal *run,
			     struct flo__event *event)
{
	bool dirty = false, urgent = false;
	uint64_t seq = event->seq;
	flo_status st;

	pthread_mutex_lock(&run->lock);
	TRY(may_append(run));
	event->seq = run->seq + 1;
	TRY(flo__queue_put(&run->fill, &run->record, event, run->hash));
	run->seq++;
	run->ended = event->kind == FLO__EVENT_RUN_FINISHED;
	dirty = !run->queued;
	run->queued = true;
	urgent = is_filling(&run->fill);
	INSIST(run->durable <= run->taken && run->taken < run->seq);
out:
	if (st != FLO_OK)
		event->seq = seq;
	pthread_mutex_unlock(&run->lock);
	if (dirty || urgent)
		flo__writer_wake(run->store, dirty ? run : NULL, urgent);
	return st;
}

/* --- notify --- */

void flo__waiters_tell(struct flo__waiter *waiters, flo_status status)
{
	while (waiters != NULL) {
		struct flo__waiter *next = waiters->next;

		waiters->fn(waiters->arg, status);
		flo__free(waiters);
		waiters = next;
	}
}

/* Take off those who wait for an event up to @seq. Holds the run's lock. */
static struct flo__waiter *detach(struct flo__run_journal *run, uint64_t seq)
{
	struct flo__waiter *due = NULL, **due_end = &due;
	struct flo__waiter **at = &run->waiters;

	while (*at != NULL) {
		struct flo__waiter *waiter = *at;

		if (waiter->seq > seq) {
			at = &waiter->next;
			continue;
		}
		*at = waiter->next;
		*due_end = waiter;
		due_end = &waiter->next;
	}
	run->waiters_end = at;
	*due_end = NULL;
	return due;
}

struct flo__waiter *flo__store_run_advance(struct flo__run_journal *run,
					   uint64_t seq)
{
	struct flo__waiter *due;

	pthread_mutex_lock(&run->lock);
	INSIST(run->durable < seq && seq <= run->taken);
	run->durable = seq;
	due = detach(run, seq);
	pthread_mutex_unlock(&run->lock);
	return due;
}

struct flo__waiter *flo__store_run_fail(struct flo__run_journal *run,
					const flo_error *error)
{
	struct flo__waiter *due;

	REQUIRE(error->status != FLO_OK);
	pthread_mutex_lock(&run->lock);
	if (run->failure.status == FLO_OK) {
		run->failure = *error;
		/* here we know the run, so say the whole command */
		if (error->status == FLO_FULL) {
			flo_error_clear(&run->failure);
			flo_error_set(&run->failure, FLO_FULL,
				      "the disk holding %s is full; free some "
				      "space, then `flowctl resume %s`",
				      run->store->path, run->record.id);
		}
	}
	due = detach(run, UINT64_MAX);
	pthread_mutex_unlock(&run->lock);
	return due;
}

static void run_notify(struct flo__run_journal *run, uint64_t seq,
		       flo__journal_notify_fn fn, void *arg)
{
	struct flo__waiter *waiter = flo__malloc(sizeof(*waiter));
	flo_status st = FLO_OK;
	bool wait = false, urgent = false;

	pthread_mutex_lock(&run->lock);
	REQUIRE(seq >= 1 && seq <= run->seq && fn != NULL);
	if (seq > run->durable) {
		if (run->failure.status != FLO_OK) {
			st = run->failure.status;
		} else if (waiter == NULL) {
			st = FLO_NOMEM;
		} else {
			*waiter = (struct flo__waiter){NULL, seq, fn, arg};
			*run->waiters_end = waiter;
			run->waiters_end = &waiter->next;
			wait = true;
			urgent = seq > run->taken;
		}
	}
	pthread_mutex_unlock(&run->lock);
	if (urgent)
		flo__writer_wake(run->store, NULL, true);
	if (!wait) {
		flo__free(waiter);
		fn(arg, st);
	}
}

/* --- the rest --- */

static void run_failure(struct flo__run_journal *run, flo_error *ret_err)
{
	pthread_mutex_lock(&run->lock);
	if (run->failure.status != FLO_OK && ret_err != NULL)
		*ret_err = run->failure;
	pthread_mutex_unlock(&run->lock);
}

static flo_status run_replay(struct flo__run_journal *run,
			     flo_status (*fn)(void *arg, const char *json,
					      size_t len, flo_error *err),
			     void *arg, flo_error *err)
{
	struct flo__walk walk = {.row = run->row, .fn = fn, .arg = arg};
	bool behind;
	flo_status st = FLO_OK;

	pthread_mutex_lock(&run->lock);
	behind = run->durable < run->seq;
	pthread_mutex_unlock(&run->lock);
	if (behind)
		flo__writer_flush(run->store);
	if (run->reader == NULL)
		TRY(flo__reader_open(run->store->path, err, &run->reader));
	TRY(flo__reader_walk(run->reader, &walk, err));
out:
	return st;
}

const struct flo__journal_ops flo__store_journal_ops = {
	.create = flo__store_run_create,
	.open = flo__store_run_open,
	.replay = run_replay,
	.append = run_append,
	.notify = run_notify,
	.request = flo__store_request,
	.heed = flo__store_run_heed,
	.failure = run_failure,
	.close = flo__store_run_close,
};
