/*
 * The life of a run: begin, body, finally, end; and what all of it shares,
 * the record of events and the two contexts.
 *
 * Note: two contexts. `ctx` is what the body runs under; a cancel and the time
 * limit of the run end it. `base` is its parent, which the finally blocks run
 * under; only a kill, an interrupt or a store that failed ends it.
 *
 * Note: interrupts. A run that is interrupted ends as one whose store failed:
 * shared.store is set, so that nothing is recorded any more, and both contexts
 * end. What runs is asked to stop, though, and not killed, and one kind of
 * event is still taken: that a leaf has succeeded, since it need not run again.
 * All else that is cancelled or fails now, does so because of the interrupt, or
 * may have, and is run again by whoever resumes: in the record its attempt has
 * no end. Each part of that is monotonic, so who sees the contexts ended, or an
 * append refused, sees `leaving` in all that it does afterwards.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "base/utf8.h"
#include "base/value_p.h"
#include "engine/sched/sched_p.h"

#include <flo/fault.h>

#include <errno.h>
#include <ftw.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void lock(struct flo__run *run)
{
	while (__atomic_exchange_n(&run->shared.lock, 1, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void unlock(struct flo__run *run)
{
	__atomic_store_n(&run->shared.lock, 0, __ATOMIC_RELEASE);
}

/* ---- made and freed ---- */

static char *copy(const char *text)
{
	return flo__strdup(text != NULL ? text : "");
}

flo_status flo__run_new(const struct flo__run_deps *deps,
			const struct flo__plan *plan,
			const struct flo__run_record *record,
			const flo_value *params, flo_error *err,
			struct flo__run **ret_run)
{
	struct flo__run *run = flo__calloc(1, sizeof(*run));

	if (run == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	run->deps = *deps;
	run->plan = plan;
	run->params = flo_value_ref(params);
	run->record = *record;
	run->record.text = NULL;
	run->record.rerun = (struct flo__rerun){0};
	run->record.params = NULL;
	run->record.id = copy(record->id);
	run->record.trace_id = copy(record->trace_id);
	run->record.parent_span = copy(record->parent_span);
	run->record.pipeline = copy(record->pipeline);
	run->record.file = copy(record->file);
	run->record.dir = copy(record->dir);
	flo__arena_init(&run->paths);
	flo__map_init(&run->presets, &run->paths);
	flo__map_init(&run->begun, &run->paths);
	flo__map_init(&run->poisons, &run->paths);
	flo__map_init(&run->failures, &run->paths);
	flo__map_init(&run->spans, &run->paths);
	if (run->record.id == NULL || run->record.trace_id == NULL ||
	    run->record.parent_span == NULL || run->record.pipeline == NULL ||
	    run->record.file == NULL || run->record.dir == NULL) {
		flo__run_free(run);
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	*ret_run = run;
	return FLO_OK;
}

void flo__run_free(struct flo__run *run)
{
	if (run == NULL)
		return;
	flo__preset_fini(run);
	flo__rerun_fini(run);
	flo__arena_fini(&run->paths);
	flo_value_unref(run->params);
	flo__run_secrets_fini(run);
	flo_context_unref(run->ctx);
	flo_context_unref(run->base);
	flo__free((char *)run->record.id);
	flo__free((char *)run->record.trace_id);
	flo__free((char *)run->record.parent_span);
	flo__free((char *)run->record.pipeline);
	flo__free((char *)run->record.file);
	flo__free((char *)run->record.dir);
	flo__free(run);
}

/* ---- the record ---- */

int64_t flo__run_now_us(const struct flo__run *run)
{
	struct flo__clock *clock = run->deps.clock;

	return clock != NULL ? clock->now_us(clock) : flo__time_now_us();
}

/* The store failed: end everything, remember why. */
static void store_failed(struct flo__run *run, flo_status st)
{
	flo_error cause = FLO_ERROR_INIT;
	bool first;

	lock(run);
	first = run->shared.store == FLO_OK;
	if (first)
		run->shared.store = st;
	unlock(run);
	if (!first)
		return;
	flo_error_set(&cause, FLO_CANCELED, "the store failed");
	flo_context_cancel(run->base, &cause);
	/* In an inspection the executor is at work for others. */
	if (!run->frozen)
		run->deps.executor->ops->kill_all(run->deps.executor);
}

struct waiter {
	flo_note note;
	flo_status st;
};

static void told(void *arg, flo_status status)
{
	struct waiter *w = arg;

	w->st = status;
	flo_note_wake(&w->note);
}

static flo_status wait_seq(struct flo__run *run, uint64_t seq)
{
	struct waiter w = {.st = FLO_OK};

	flo_note_init(&w.note);
	run->journal->ops->notify(run->run_journal, seq, told, &w);
	flo_note_wait(&w.note);
	return w.st;
}

flo_status flo__run_durable(struct flo__run *run, uint64_t seq)
{
	flo_status st;

	if (seq == 0 || run->frozen)
		return FLO_OK;
	st = wait_seq(run, seq);
	if (st != FLO_OK)
		store_failed(run, st);
	return st;
}

uint64_t flo__run_seq(const struct flo__run *run)
{
	return atomic_load_explicit(&run->last_seq, memory_order_relaxed);
}

static void note_seq(struct flo__run *run, uint64_t seq)
{
	uint64_t last = flo__run_seq(run);

	while (last < seq &&
	       !atomic_compare_exchange_weak_explicit(&run->last_seq, &last,
						      seq, memory_order_relaxed,
						      memory_order_relaxed))
		;
}

void flo__run_broken(struct flo__run *run, const flo_error *err)
{
	lock(run);
	if (run->shared.store == FLO_OK)
		snprintf(run->shared.store_why, sizeof(run->shared.store_why),
			 "%s", err->text);
	unlock(run);
	store_failed(run, err->status);
}

bool flo__run_leaving(const struct flo__run *run)
{
	return atomic_load_explicit(&run->leaving, memory_order_relaxed);
}

bool flo__run_ending(const struct flo__run *run)
{
	return flo__run_leaving(run) ||
	       (run->deps.end_when_tainted && flo_fault_tainted() > 0);
}

void flo__run_hold(struct flo__run *run)
{
	atomic_store_explicit(&run->held, true, memory_order_relaxed);
}

bool flo__run_held(const struct flo__run *run)
{
	return atomic_load_explicit(&run->held, memory_order_relaxed);
}

/* After the tree: what was held back can only be told by ending without an
 * end, as a store that failed would. */
static void interrupt_if_held(struct flo__run *run)
{
	if (!flo__run_held(run))
		return;
	lock(run);
	if (run->shared.store == FLO_OK) {
		run->shared.store = FLO_INTERRUPTED;
		snprintf(run->shared.store_why, sizeof(run->shared.store_why),
			 "interrupted: a native step has crashed in this "
			 "process, which therefore starts nothing new");
	}
	unlock(run);
}

static flo_status store_status(struct flo__run *run)
{
	flo_status st;

	lock(run);
	st = run->shared.store;
	unlock(run);
	return st;
}

/* See the note on interrupts. */
static bool is_success(const struct flo__event *event)
{
	return event->kind == FLO__EVENT_STEP_FINISHED &&
	       event->status == FLO__STATE_SUCCEEDED;
}

static flo_status append(struct flo__run *run, struct flo__event *event)
{
	flo_status st = store_status(run);

	if (st == FLO_INTERRUPTED && flo__run_leaving(run) && is_success(event))
		st = FLO_OK;
	INSIST(!run->frozen);
	/* Not even where the store lives on and only memory was short: what
	 * that cancels must not be recorded as if someone had wanted it. */
	if (st != FLO_OK)
		return st;
	do {
		event->ts_us = flo__run_now_us(run);
		st = run->journal->ops->append(run->run_journal, event);
		/* Its queue is full: wait until the last one is written. */
		if (st == FLO_AGAIN &&
		    wait_seq(run, flo__run_seq(run)) != FLO_OK)
			st = FLO_STORE;
	} while (st == FLO_AGAIN);
	if (st != FLO_OK)
		store_failed(run, st);
	else
		note_seq(run, event->seq);
	return st;
}

flo_status flo__run_append(struct flo__run *run, struct flo__event *event)
{
	const flo_value *error = event->error;
	flo_value *hidden;
	flo_status st;

	if (run->mask == NULL || error == NULL)
		return append(run, event);
	/* Steps have hidden in theirs; this is for those that are nobody's. */
	hidden = flo__value_mask(error, run->mask);
	if (hidden == NULL) {
		store_failed(run, FLO_NOMEM);
		return FLO_NOMEM;
	}
	event->error = hidden;
	st = append(run, event);
	event->error = error;
	flo_value_unref(hidden);
	return st;
}

void flo__run_visit(struct flo__run *run, const char *path, uint32_t id,
		    const struct flo__result *result)
{
	const struct flo__run_step step = {.path = path,
					   .node = &run->plan->nodes[id],
					   .state = result->state,
					   .attempts = result->attempts,
					   .started_us = result->started_us,
					   .finished_us = result->finished_us,
					   .duration_ns = result->duration_ns,
					   .exit_code = result->exit_code,
					   .signal = result->signal,
					   .log_seq = result->log_seq,
					   .reused = result->reused,
					   .error = result->error,
					   .output = result->output,
					   .command = result->command};

	if (run->visit != NULL)
		run->visit(run->visit_arg, &step);
}

/* ---- files of a run ---- */

void flo__run_log_path(const char *files, const char *run_id, uint64_t seq,
		       struct flo__strbuf *sb)
{
	flo__strbuf_addf(sb, "%s/logs/%s/%" PRIu64 ".log", files, run_id, seq);
}

void flo__run_workdir_path(const struct flo__run *run, struct flo__strbuf *sb)
{
	flo__strbuf_addf(sb, "%s/work/%s", run->deps.files, run->record.id);
}

static int make_dir(const char *path)
{
	return mkdir(path, 0700) == 0 || errno == EEXIST ? 0 : errno;
}

flo_status flo__run_workdir(struct flo__run *run, struct flo__strbuf *sb,
			    flo_error *err)
{
	struct flo__strbuf parent = FLO__STRBUF_INIT;
	int errnum = 0;

	flo__run_workdir_path(run, sb);
	/* relaxed: making a directory twice is harmless */
	if (atomic_load_explicit(&run->work_made, memory_order_relaxed))
		return flo__strbuf_status(sb);
	flo__strbuf_addf(&parent, "%s/work", run->deps.files);
	if (flo__strbuf_status(sb) != FLO_OK ||
	    flo__strbuf_status(&parent) != FLO_OK) {
		flo__strbuf_fini(&parent);
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	flo_blocking_begin();
	errnum = make_dir(parent.data);
	if (errnum == 0)
		errnum = make_dir(sb->data);
	flo_blocking_end();
	flo__strbuf_fini(&parent);
	if (errnum != 0)
		return flo_error_sys(err, errnum, "cannot make %s", sb->data);
	atomic_store_explicit(&run->work_made, true, memory_order_relaxed);
	return flo__strbuf_status(sb);
}

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *ftw)
{
	(void)st;
	(void)kind;
	(void)ftw;
	return remove(path);
}

/* The path is made from our own ids only, and no link in it is followed. */
static void remove_workdir(struct flo__run *run)
{
	struct flo__strbuf path = FLO__STRBUF_INIT;

	flo__run_workdir_path(run, &path);
	if (flo__strbuf_status(&path) == FLO_OK) {
		flo_blocking_begin();
		nftw(path.data, remove_one, 16,
		     FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
		flo_blocking_end();
	}
	flo__strbuf_fini(&path);
}

/* ---- cancelling ---- */

/* On any thread: it must not wait, so a full queue drops the event. Nothing
 * but the reason is lost: the steps' own ends tell the rest. */
static void record_cancelling(struct flo__run *run)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_RUN_CANCELLING);

	event.ts_us = flo__run_now_us(run);
	run->journal->ops->append(run->run_journal, &event);
}

static void apply_cancel(struct flo__run *run)
{
	flo_error cause = FLO_ERROR_INIT;
	bool kill, record;

	lock(run);
	kill = run->shared.killed;
	record = !run->shared.recorded && !run->shared.over &&
		 !run->preset_cancelling;
	run->shared.recorded = true;
	flo_error_set(&cause, FLO_CANCELED, "%s", run->shared.why);
	/* Under the lock, so that the run cannot end and its journal be closed
	 * meanwhile; append() does not wait. */
	if (record)
		record_cancelling(run);
	unlock(run);
	flo_context_cancel(run->ctx, &cause);
	if (kill) {
		flo_context_cancel(run->base, &cause);
		run->deps.executor->ops->kill_all(run->deps.executor);
	}
}

void flo__run_cancel(struct flo__run *run, bool kill, const char *why)
{
	bool apply;

	lock(run);
	apply = run->shared.began;
	if (!run->shared.cancelled)
		flo__utf8_copy(run->shared.why, sizeof(run->shared.why), why);
	run->shared.cancelled = true;
	run->shared.killed |= kill;
	unlock(run);
	if (apply)
		apply_cancel(run);
}

static void apply_interrupt(struct flo__run *run)
{
	flo_error cause = FLO_ERROR_INIT;
	bool over, kill;

	lock(run);
	over = run->shared.over;
	kill = run->shared.leave_kill;
	if (!over && run->shared.store == FLO_OK) {
		run->shared.store = FLO_INTERRUPTED;
		snprintf(run->shared.store_why, sizeof(run->shared.store_why),
			 "%s", run->shared.leave_why);
	}
	if (!over)
		atomic_store_explicit(&run->leaving, true,
				      memory_order_relaxed);
	flo_error_set(&cause, FLO_CANCELED, "%s", run->shared.leave_why);
	unlock(run);
	if (over)
		return;
	flo_context_cancel(run->base, &cause);
	if (kill)
		run->deps.executor->ops->kill_all(run->deps.executor);
}

void flo__run_interrupt(struct flo__run *run, bool kill, const char *why)
{
	bool apply;

	lock(run);
	apply = run->shared.began;
	if (!run->shared.leave)
		snprintf(run->shared.leave_why, sizeof(run->shared.leave_why),
			 "%s", why);
	run->shared.leave = true;
	run->shared.leave_kill |= kill;
	unlock(run);
	if (apply)
		apply_interrupt(run);
}

void flo__run_deadlock(struct flo__run *run, const char *why)
{
	lock(run);
	run->shared.deadlock = why;
	unlock(run);
	flo__run_cancel(run, false, "deadlock");
}

void flo__run_starved(struct flo__run *run)
{
	static const char why[] =
		"out of memory: there is none for a coroutine's stack";
	flo_error err = FLO_ERROR_INIT;
	bool began;

	lock(run);
	began = run->shared.began;
	unlock(run);
	flo_error_set(&err, FLO_NOMEM, "%s", why);
	if (began)
		flo__run_broken(run, &err);
	else
		flo__run_interrupt(run, false, why);
}

/* ---- beginning ---- */

static flo_status begin_contexts(struct flo__run *run, struct flo__frame *frame,
				 flo_error *err)
{
	char why[96], text[32];
	uint64_t timeout_ns = 0;
	/* Without a valid limit there are contexts all the same: the run is
	 * recorded, as one that failed. */
	flo_status st =
		flo__scope_number(frame, &run->plan->timeout,
				  FLO__NUMBER_TIMEOUT, err, &timeout_ns);

	if (st != FLO_OK)
		flo_error_prefix(err, "timeout");
	run->timeout_ns = timeout_ns;
	flo__duration_text(timeout_ns, text, sizeof(text));
	snprintf(why, sizeof(why), "time limit of %s of the run exceeded",
		 text);
	run->base = flo_context_new(run->deps.runtime);
	if (run->base != NULL)
		run->ctx =
			timeout_ns == 0 || run->frozen
				? flo_context_child(run->base)
				: flo_context_timeout(run->base,
						      flo__spent_left_of_run(
							      run, timeout_ns),
						      why);
	if (run->ctx == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return st;
}

/* How many leaves may run at once, and which kinds that is about. */
static flo_status begin_slots(struct flo__run *run, struct flo__frame *frame,
			      flo_error *err)
{
	uint64_t limit = 0;
	flo_status st = flo__scope_limit(frame, &run->plan->limit, err, &limit);

	if (st != FLO_OK)
		return st;
	run->slots_programs = true;
	run->slots_native = limit != 0 || run->record.limit != 0;
	if (limit == 0)
		limit = flo__run_limit_default(sysconf(_SC_NPROCESSORS_ONLN));
	if (run->record.limit != 0 && run->record.limit < limit)
		limit = run->record.limit;
	flo_sem_init(&run->slots,
		     limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
	return FLO_OK;
}

static flo_status begin(struct flo__run *run, struct flo__frame *frame,
			flo_error *err)
{
	flo_status st;

	TRY(begin_contexts(run, frame, err));
	TRY(begin_slots(run, frame, err));
out:
	return st;
}

/* What the first step needs and may take a while: the run is recorded then. */
static flo_status prepare(struct flo__run *run, struct flo__frame *frame,
			  flo_error *err)
{
	flo_status st;

	TRY(flo__run_secrets(run, err));
	TRY(flo__scope_env(frame, run->plan->env, run->plan->env_len, err,
			   &run->env));
out:
	return st;
}

/*
 * It could not begin. A run that is new has failed, or was cancelled; one that
 * is resumed waits for another try, since what is missing may come back.
 */
static __attribute__((noinline)) void not_begun(struct flo__frame *root,
						const flo_error *err,
						struct flo__result *result)
{
	struct flo__run *run = root->run;
	flo_status ctx = flo_context_status(run->ctx);

	result->state = FLO__STATE_FAILED;
	if (run->resumed && run->secrets != NULL && run->mask == NULL) {
		lock(run);
		if (run->shared.store == FLO_OK) {
			run->shared.store = FLO_INTERRUPTED;
			snprintf(run->shared.store_why,
				 sizeof(run->shared.store_why), "%s",
				 err->text);
		}
		unlock(run);
	} else if (ctx == FLO_CANCELED) {
		result->state = FLO__STATE_CANCELLED;
	} else {
		struct flo__strbuf sb = FLO__STRBUF_INIT;

		flo__run_hide_text(run, err->text, &sb);
		result->error = flo__failure(ctx == FLO_TIMEOUT ? "timeout"
								: "expression",
					     "", sb.data, NULL, NULL);
		flo__strbuf_fini(&sb);
	}
	flo__tree_settle_children(root, 0, "", FLO__STATE_CANCELLED);
}

static void record_kind(struct flo__run *run, enum flo__event_kind kind)
{
	struct flo__event event = FLO__EVENT_INIT(kind);

	if (kind == FLO__EVENT_RUN_QUEUED)
		event.rerun = run->rerun;
	flo__run_append(run, &event);
	if (kind == FLO__EVENT_RUN_STARTED)
		run->started_us = event.ts_us;
}

static void record_begin(struct flo__run *run)
{
	bool cancelled, leave;

	if (!run->preset_queued && run->started_us == 0)
		record_kind(run, FLO__EVENT_RUN_QUEUED);
	/* Before the start, which says by that that all of them are there. */
	if (run->started_us == 0)
		flo__run_record_reused(run);
	if (run->started_us == 0)
		record_kind(run, FLO__EVENT_RUN_STARTED);
	if (run->resumed) {
		flo__run_end_left(run);
		record_kind(run, FLO__EVENT_RUN_RESUMED);
		flo__run_record_lost(run);
	}
	if (run->preset_cancelling)
		flo__run_cancel(run, false,
				"the run was being cancelled when its engine "
				"stopped");
	lock(run);
	run->shared.began = true;
	cancelled = run->shared.cancelled;
	leave = run->shared.leave;
	unlock(run);
	if (cancelled)
		apply_cancel(run);
	if (leave)
		apply_interrupt(run);
}

/* ---- ending ---- */

static flo_value *counts_value(const struct flo__run *run)
{
	static const enum flo__state counted[] = {FLO__STATE_SUCCEEDED,
						  FLO__STATE_FAILED,
						  FLO__STATE_SKIPPED,
						  FLO__STATE_CANCELLED,
						  FLO__STATE_BLOCKED};
	flo_value *map = flo_value_map(5);

	for (size_t i = 0; map != NULL && i < 5; i++) {
		uint64_t n = atomic_load_explicit(&run->counts[counted[i]],
						  memory_order_relaxed);

		if (flo_value_map_set(map, flo__state_text(counted[i]),
				      flo_value_int((int64_t)n)) != FLO_OK) {
			flo_value_unref(map);
			return NULL;
		}
	}
	return map;
}

static void evaluate_output(struct flo__run *run, struct flo__frame *frame,
			    struct flo__result *result)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *error;

	if (result->state != FLO__STATE_SUCCEEDED || run->plan->output == NULL)
		return;
	if (flo__scope_eval(frame, run->plan->output, NULL, &err,
			    &result->output) == FLO_OK)
		return;
	flo_error_prefix(&err, "output");
	error = flo__failure("expression", "", err.text, NULL, NULL);
	flo__result_fail(result, error, flo__run_seq(run));
	flo_value_unref(error);
}

static enum flo__state end_state(struct flo__run *run,
				 const struct flo__result *result)
{
	bool cancelled;

	lock(run);
	cancelled = run->shared.cancelled;
	unlock(run);
	if (result->state == FLO__STATE_FAILED)
		return FLO__STATE_FAILED;
	if (result->state == FLO__STATE_SUCCEEDED ||
	    result->state == FLO__STATE_SKIPPED)
		return FLO__STATE_SUCCEEDED;
	INSIST(cancelled || flo__run_replays(run) ||
	       run->shared.store != FLO_OK);
	return FLO__STATE_CANCELLED;
}

static flo_value *cancelled_error(struct flo__run *run)
{
	char why[sizeof(run->shared.why)];

	lock(run);
	memcpy(why, run->shared.why, sizeof(why));
	unlock(run);
	return flo__failure("cancelled", "", why, NULL, NULL);
}

static flo_value *ref_or_null(const flo_value *value)
{
	return value != NULL ? flo_value_ref(value) : flo_value_null();
}

static flo_value *final_value(const struct flo__run *run,
			      const struct flo__event *event)
{
	flo_value *map = flo_value_map(7);

	if (map == NULL)
		return NULL;
	if (flo_value_map_set(map, "kind", flo_value_string("run.finished")) ==
		    FLO_OK &&
	    flo_value_map_set(map, "status",
			      flo_value_string(flo__state_text(
				      event->status))) == FLO_OK &&
	    flo_value_map_set(map, "run", flo_value_string(run->record.id)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "output", ref_or_null(event->output)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "error", ref_or_null(event->error)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "counts", ref_or_null(event->counts)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "duration_ms",
			      flo_value_double((double)event->duration_ns /
					       1e6)) == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

/* A run that ended because it stood still was not cancelled: it failed. */
static enum flo__state judge_deadlock(struct flo__run *run,
				      struct flo__result *result)
{
	const char *why;

	lock(run);
	why = run->shared.deadlock;
	unlock(run);
	if (why == NULL)
		return FLO__STATE_CANCELLED;
	flo_value_unref(result->error);
	result->error = flo__failure("deadlock", "", why, NULL, NULL);
	return FLO__STATE_FAILED;
}

static flo_status record_finished(struct flo__run *run,
				  struct flo__result *result, flo_error *err,
				  flo_value **ret_result)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_RUN_FINISHED);
	flo_value *counts = counts_value(run);
	flo_status st;

	if (flo__run_hide(run, &result->output) != FLO_OK ||
	    flo__run_hide(run, &result->error) != FLO_OK) {
		flo_value_unref(counts);
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	event.status = end_state(run, result);
	if (event.status == FLO__STATE_CANCELLED)
		event.status = judge_deadlock(run, result);
	if (event.status == FLO__STATE_CANCELLED && result->error == NULL)
		result->error = cancelled_error(run);
	event.error = result->error;
	event.output = result->output;
	event.counts = counts;
	event.duration_ns =
		(flo__run_now_us(run) - run->started_us) * INT64_C(1000);
	st = flo__run_append(run, &event);
	if (st == FLO_OK)
		st = flo__run_durable(run, event.seq);
	if (st == FLO_OK) {
		*ret_result = final_value(run, &event);
		if (*ret_result == NULL)
			st = flo_error_set(err, FLO_NOMEM, "out of memory");
		else if (event.status == FLO__STATE_SUCCEEDED)
			remove_workdir(run);
	}
	flo_value_unref(counts);
	return st;
}

/* A store that failed: no end is recorded, the run stays resumable. */
static flo_status give_up(struct flo__run *run, flo_error *err)
{
	flo_error why = FLO_ERROR_INIT;

	run->journal->ops->failure(run->run_journal, &why);
	if (why.status != FLO_OK)
		return flo_error_set(err, why.status, "%s", why.text);
	return flo_error_set(err, run->shared.store, "%s",
			     run->shared.store_why[0] != '\0'
				     ? run->shared.store_why
				     : flo_status_text(run->shared.store));
}

flo_status flo__run_fail(struct flo__run *run, const char *kind,
			 const char *why, flo_error *err,
			 flo_value **ret_result)
{
	struct flo__result result = FLO__RESULT_INIT;
	flo_status st;

	lock(run);
	run->shared.over = true;
	unlock(run);
	result.state = FLO__STATE_FAILED;
	result.error = flo__failure(kind, "", why, NULL, NULL);
	st = record_finished(run, &result, err, ret_result);
	flo__result_fini(&result);
	return st;
}

/* ---- the whole ---- */

static flo_status make_root(struct flo__run *run, struct flo__frame *root)
{
	uint32_t n = run->plan->nodes[0].children_len;

	*root = (struct flo__frame){.kind = FLO__FRAME_BLOCK, .run = run};
	root->results = flo__calloc(n, sizeof(*root->results));
	for (uint32_t i = 0; root->results != NULL && i < n; i++)
		root->results[i] = (struct flo__result)FLO__RESULT_INIT;
	return root->results != NULL ? FLO_OK : FLO_NOMEM;
}

static void free_root(struct flo__frame *root)
{
	uint32_t n = root->run->plan->nodes[0].children_len;

	for (uint32_t i = 0; root->results != NULL && i < n; i++)
		flo__result_fini(&root->results[i]);
	flo__free(root->results);
}

flo_status flo__run_main(struct flo__run *run, struct flo__journal *journal,
			 struct flo__run_journal *run_journal, flo_error *err,
			 flo_value **ret_result)
{
	struct flo__frame root;
	struct flo__result result = FLO__RESULT_INIT;
	flo_error begin_err = FLO_ERROR_INIT;
	flo_status st;

	run->journal = journal;
	run->run_journal = run_journal;
	flo__g_trace(run->record.trace_id);
	st = make_root(run, &root);
	if (st == FLO_OK)
		st = begin(run, &root, &begin_err);
	if (run->ctx == NULL) {
		free_root(&root);
		return flo_error_set(err, st, "%s",
				     begin_err.text[0] != '\0'
					     ? begin_err.text
					     : flo_status_text(st));
	}
	record_begin(run);
	if (st == FLO_OK)
		st = prepare(run, &root, &begin_err);
	if (st == FLO_OK) {
		flo__tree_run_root(&root, run->ctx, &result);
		interrupt_if_held(run);
		evaluate_output(run, &root, &result);
	} else {
		not_begun(&root, &begin_err, &result);
	}
	lock(run);
	run->shared.over = true;
	unlock(run);
	st = store_status(run);
	if (st == FLO_OK)
		st = record_finished(run, &result, err, ret_result);
	if (store_status(run) != FLO_OK)
		st = give_up(run, err);
	flo__result_fini(&result);
	free_root(&root);
	return st;
}

flo_status flo__run_inspect(struct flo__run *run, bool ended,
			    void (*fn)(void *arg,
				       const struct flo__run_step *step),
			    void *arg, struct flo__run_summary *ret_summary)
{
	struct flo__frame root;
	struct flo__result result = FLO__RESULT_INIT;
	flo_error cause = FLO_ERROR_INIT;
	long failures = flo__alloc_failures();
	flo_status st;

	run->frozen = true;
	run->frozen_ended = ended;
	run->visit = fn;
	run->visit_arg = arg;
	st = make_root(run, &root);
	if (st == FLO_OK)
		st = begin(run, &root, NULL);
	if (st == FLO_OK)
		st = prepare(run, &root, NULL);
	if (st == FLO_OK) {
		if (run->preset_cancelling) {
			flo_error_set(&cause, FLO_CANCELED, "cancelled");
			flo_context_cancel(run->ctx, &cause);
		}
		flo__tree_run_root(&root, run->ctx, &result);
	} else if (run->ctx != NULL && st != FLO_NOMEM) {
		/* As flo__run_main(): it failed before its first step. */
		flo__tree_settle_children(&root, 0, "", FLO__STATE_CANCELLED);
		st = FLO_OK;
	}
	for (size_t i = 0; i < FLO__STATES; i++)
		ret_summary->counts[i] =
			atomic_load_explicit(&run->counts[i],
					     memory_order_relaxed);
	flo__result_fini(&result);
	free_root(&root);
	/* Where a walk has no memory it says that a step failed. Here that is
	 * not what happened, and nobody may act on it. */
	return flo__alloc_failures() != failures ? FLO_NOMEM : st;
}
