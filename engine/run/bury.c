/*
 * The end of a run that stands still: every coroutine of its runtime waits,
 * and nothing can end that.
 *
 * Note: two tries
 *
 * First the run is cancelled (flo__run_deadlock()). What waits under a context
 * then ends, in order, and the run's coroutine records it as failed. What waits
 * for a lock that is never given up does not end, nor does anything that waits
 * for it. So if all stands still again, a fresh coroutine buries the run: it
 * records the ends that are owed, of the attempts that the record says are open
 * and of the run. The coroutines that are stuck are never woken, since nothing
 * can; their memory, the run's too, stays until the process ends.
 *
 * Refused: waking them with a panic. They may hold a place in somebody's queue,
 * on their stack, which only the code that waits there can give up.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"

#include <string.h>

struct open {
	struct open *next;
	char *path; /* owned */
	uint32_t attempt;
	uint64_t span_id;
};

static void forget(struct open **list, const char *path)
{
	struct open *open;

	while (*list != NULL && strcmp((*list)->path, path) != 0)
		list = &(*list)->next;
	open = *list;
	if (open == NULL)
		return;
	*list = open->next;
	flo__free(open->path);
	flo__free(open);
}

static flo_status keep(struct open **list, const struct flo__event *event)
{
	struct open *open = flo__calloc(1, sizeof(*open));

	if (open == NULL)
		return FLO_NOMEM;
	open->path = flo__strdup(event->path);
	if (open->path == NULL) {
		flo__free(open);
		return FLO_NOMEM;
	}
	open->attempt = event->attempt;
	open->span_id = event->span_id;
	open->next = *list;
	*list = open;
	return FLO_OK;
}

/* Follow the record: which attempts have begun and not ended. */
static flo_status follow(void *arg, const char *json, size_t len,
			 flo_error *err)
{
	struct open **list = arg;
	struct flo__event event;
	flo_value *doc = NULL;
	flo_status st = flo__event_parse(json, len, err, &doc, &event);

	if (st == FLO_OK && event.path != NULL) {
		forget(list, event.path);
		if (event.kind == FLO__EVENT_STEP_STARTED)
			st = keep(list, &event);
	}
	flo_value_unref(doc);
	return st;
}

static flo_status end_attempt(struct flo__run *run, const struct open *open,
			      const char *why)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_FINISHED);
	flo_value *error =
		flo__failure("deadlock", open->path, why, NULL, NULL);
	flo_status st;

	event.path = open->path;
	event.attempt = open->attempt;
	event.span_id = open->span_id;
	event.status = FLO__STATE_FAILED;
	event.error = error;
	st = error != NULL ? flo__run_append(run, &event) : FLO_NOMEM;
	if (st == FLO_OK)
		atomic_fetch_add_explicit(&run->counts[FLO__STATE_FAILED], 1,
					  memory_order_relaxed);
	flo_value_unref(error);
	return st;
}

flo_status flo__run_bury(struct flo__run *run, const char *why, flo_error *err,
			 flo_value **ret_result)
{
	struct open *list = NULL;
	flo_status st;

	flo_blocking_begin();
	st = run->journal->ops->replay(run->run_journal, follow, &list, err);
	flo_blocking_end();
	for (struct open *open = list; st == FLO_OK && open != NULL;
	     open = open->next)
		st = end_attempt(run, open, why);
	while (list != NULL)
		forget(&list, list->path);
	if (st == FLO_OK)
		st = flo__run_fail(run, "deadlock", why, err, ret_result);
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	return st;
}
