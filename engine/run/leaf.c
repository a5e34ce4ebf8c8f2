/*
 * One leaf: its condition, its slots, its attempts and its retries.
 *
 * A leaf's end is recorded once, by its last attempt's step.finished; earlier
 * attempts end with step.retrying. What never started has no event.
 */
#include "engine/run/run_p.h"

#include "engine/group_p.h"

#include "base/contract.h"
#include "base/time.h"

#include <stdio.h>
#include <string.h>

/* A step that crashes the engine so often has failed. */
#define FAULTS_MAX 3

struct leaf_run {
	struct flo__frame *frame;
	struct flo__run *run;
	uint32_t id;
	const struct flo__node *node;
	const struct flo__leaf *leaf;
	const char *path;
	flo_context *ctx;
	uint64_t need_seq;
	struct flo__admission *admission; /* NULL in a sequence */
	flo_group *group;		  /* whose slot we hold, or NULL */
	bool slot;			  /* we hold those of our frame */
	bool announced;	  /* our first start is recorded, and not yet used */
	uint32_t base;	  /* attempts in earlier attempts of what is around */
	uint32_t number;  /* of the last attempt */
	uint32_t tries;	  /* attempts that count against retry.limit */
	uint32_t faults;  /* attempts that a contained fault ended */
	uint64_t wait_ns; /* what is left of a back-off of an earlier engine */
	struct flo__result *ret;
};

bool flo__leaf_needs_slot(const struct flo__run *run, uint32_t id)
{
	const struct flo__node *node = &run->plan->nodes[id];

	if (node->kind != FLO__NODE_USE ||
	    run->plan->leaves[node->spec].type->isolation ==
		    FLO_ISOLATION_PROCESS)
		return run->slots_programs;
	return run->slots_native;
}

/* ---- recording ---- */

static flo_status append(struct leaf_run *l, struct flo__event *event)
{
	event->path = l->path;
	return flo__run_append(l->run, event);
}

/* The engine is ending: it goes on from its record in another one. */
static void hold_back(struct leaf_run *l)
{
	flo__run_hold(l->run);
	l->ret->state = FLO__STATE_CANCELLED;
	l->ret->end_seq = l->need_seq;
}

static void record_end(struct leaf_run *l, const struct flo__attempt *attempt,
		       enum flo__state state)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_FINISHED);

	if (state != FLO__STATE_SUCCEEDED && flo__run_leaving(l->run)) {
		hold_back(l);
		return;
	}
	event.status = state;
	event.attempt = l->number;
	event.error = l->ret->error;
	event.output = l->ret->output;
	event.duration_ns = l->ret->duration_ns;
	if (attempt != NULL) {
		event.span_id = attempt->span_id;
		event.pid = attempt->pid;
		event.exit_code = attempt->exit_code;
		event.signal = attempt->signal;
	}
	if (state == FLO__STATE_FAILED && l->admission != NULL)
		l->admission->failing(l->admission);
	append(l, &event);
	l->ret->state = state;
	l->ret->end_seq = event.seq;
	l->ret->error_seq = event.seq;
	if (state == FLO__STATE_CANCELLED)
		flo__tree_cut(l->frame, l->ret);
	flo__run_count(l->frame, state, 1);
}

static void fail(struct leaf_run *l, const char *kind, const flo_error *err)
{
	flo_value_unref(l->ret->error);
	l->ret->error = flo__failure(kind, l->path, err->text, NULL, NULL);
	record_end(l, NULL, FLO__STATE_FAILED);
}

/* Cancelled without an attempt of its own to end: no event. */
static void never_started(struct leaf_run *l)
{
	flo__tree_kept(l->frame, l->ctx);
	l->ret->state = FLO__STATE_CANCELLED;
	l->ret->end_seq = l->need_seq;
	flo__run_count(l->frame, FLO__STATE_CANCELLED, 1);
}

/* ---- what is known already ---- */

/* The arguments of a program, evaluated anew for people; NULL if that cannot
 * be done. */
static flo_value *command_of(const struct leaf_run *l)
{
	flo_value *list = flo_value_list(l->leaf->argv_len);

	for (uint32_t i = 0; list != NULL && i < l->leaf->argv_len; i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		flo_status st =
			flo__scope_text(l->frame, l->leaf->argv[i], NULL, &sb);

		if (st == FLO_OK)
			st = flo_value_list_add(list,
						flo_value_stringn(sb.data,
								  sb.len));
		flo__strbuf_fini(&sb);
		if (st != FLO_OK) {
			flo_value_unref(list);
			list = NULL;
		}
	}
	return list;
}

static void take_preset(struct leaf_run *l, const struct flo__preset *preset)
{
	struct flo__result *ret = l->ret;

	*ret = preset->result;
	if (ret->output != NULL)
		flo_value_ref(ret->output);
	if (ret->error != NULL)
		flo_value_ref(ret->error);
	if (l->run->frozen && ret->state == FLO__STATE_FAILED &&
	    l->leaf->argv_len > 0)
		ret->command = command_of(l);
	if (ret->state == FLO__STATE_CANCELLED)
		flo__tree_cut(l->frame, ret);
	flo__run_count(l->frame, ret->state, 1);
}

/* Returns whether the record of an interrupted run settles the matter. */
static bool settled(struct leaf_run *l)
{
	const struct flo__preset *preset = flo__preset_find(l->frame, l->path);

	if (preset != NULL &&
	    (l->run->frozen || (preset->result.state != FLO__STATE_RUNNING &&
				preset->result.state != FLO__STATE_RETRYING))) {
		take_preset(l, preset);
		return true;
	}
	if (l->run->frozen) {
		l->ret->state =
			l->run->frozen_ended ||
					flo_context_status(l->ctx) != FLO_OK
				? FLO__STATE_CANCELLED
				: FLO__STATE_PENDING;
		flo__past_show(l->run, l->path, l->ret);
		flo__run_count(l->frame, l->ret->state, 1);
		return true;
	}
	if (preset != NULL) {
		l->base = preset->base;
		l->number = preset->result.attempts;
		l->faults = preset->faults;
		l->tries = preset->result.attempts - preset->base -
			   preset->lost - preset->faults;
		l->wait_ns = flo__retry_left_ns(l->run, preset);
	}
	return false;
}

/* ---- before the first attempt ---- */

/* Evaluate `when`. Returns whether the leaf shall run. */
static __attribute__((noinline)) bool wanted(struct leaf_run *l)
{
	const struct flo__attrs *attrs = &l->run->plan->attrs[l->node->attrs];
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_SKIPPED);
	flo_error err = FLO_ERROR_INIT;
	bool yes = true;

	if (attrs->when == NULL || l->number > l->base)
		return true;
	if (flo__scope_bool(l->frame, attrs->when, NULL, &err, &yes) !=
	    FLO_OK) {
		flo_error_prefix(&err, "when");
		fail(l, "expression", &err);
		return false;
	}
	if (yes)
		return true;
	append(l, &event);
	l->ret->state = FLO__STATE_SKIPPED;
	l->ret->end_seq = event.seq;
	flo__run_count(l->frame, FLO__STATE_SKIPPED, 1);
	return false;
}

/* Take the slots that it is to have, if any; a retry comes first. */
static bool take_run_slot(struct leaf_run *l, bool again)
{
	if (l->slot || !flo__slots_needed(l->frame, l->id))
		return true;
	if (flo__slots_take(l->frame, l->id, l->ctx, again) != FLO_OK)
		return false;
	l->slot = true;
	return true;
}

static void give_run_slot(struct leaf_run *l)
{
	if (l->slot)
		flo__slots_give(l->frame, l->id);
	l->slot = false;
}

/* ---- attempts ---- */

/* The attempt's context: its own time limit under the block's. */
static __attribute__((noinline)) flo_context *
attempt_context(struct leaf_run *l, flo_error *err)
{
	const struct flo__attrs *attrs = &l->run->plan->attrs[l->node->attrs];
	uint64_t timeout_ns = 0;
	char why[128], text[32];
	flo_context *ctx;

	if (flo__scope_number(l->frame, &attrs->timeout, FLO__NUMBER_TIMEOUT,
			      err, &timeout_ns) != FLO_OK) {
		flo_error_prefix(err, "timeout");
		return NULL;
	}
	flo__duration_text(timeout_ns, text, sizeof(text));
	snprintf(why, sizeof(why), "time limit of %s of the step exceeded",
		 text);
	ctx = timeout_ns == 0 ? flo_context_child(l->ctx)
			      : flo_context_timeout(l->ctx, timeout_ns, why);
	if (ctx == NULL)
		flo_error_set(err, FLO_NOMEM, "out of memory");
	return ctx;
}

static flo_status append_start(struct leaf_run *l, uint64_t span_id,
			       uint64_t *ret_seq)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_STARTED);
	flo_status st;

	event.attempt = l->number;
	event.span_id = span_id;
	st = append(l, &event);
	*ret_seq = event.seq;
	return st;
}

/* Count an attempt and record its start, unless its crew has done that. */
static flo_status begin_attempt(struct leaf_run *l,
				struct flo__attempt *attempt)
{
	flo_status st;

	l->number++;
	l->tries++;
	attempt->number = l->number;
	st = flo__past_note(l->frame, l->path, l->number);
	if (l->announced) {
		attempt->span_id = l->admission->span_id;
		attempt->start_seq = l->admission->start_seq;
	} else if (st == FLO_OK) {
		attempt->span_id = flo__run_random_id();
		st = append_start(l, attempt->span_id, &attempt->start_seq);
	}
	l->announced = false;
	l->ret->attempts = l->number;
	l->ret->log_seq = attempt->start_seq;
	return st;
}

/* Its start is recorded; what it depends on is made durable before it runs. */
static flo_status record_start(struct leaf_run *l, struct flo__attempt *attempt)
{
	flo_status st = begin_attempt(l, attempt);

	if (st == FLO_OK)
		st = flo__run_durable(l->run, l->node->not_idempotent
						      ? attempt->start_seq
						      : l->need_seq);
	l->need_seq = 0;
	return st;
}

void flo__leaf_announce(struct flo__frame *frame, uint32_t id, const char *path,
			flo_context *ctx, struct flo__admission *admission)
{
	struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];
	const struct flo__attrs *attrs = &run->plan->attrs[node->attrs];
	struct leaf_run l = {.run = run, .path = path};
	uint64_t seq;
	bool yes = true;

	if (run->frozen || flo_context_status(ctx) != FLO_OK ||
	    flo__run_ending(run) || flo__preset_find(frame, path) != NULL)
		return;
	if (attrs->when != NULL &&
	    flo__scope_bool(frame, attrs->when, NULL, NULL, &yes) != FLO_OK)
		return;
	if (!yes)
		return;
	l.number = flo__past_attempts(frame, path) + 1;
	admission->span_id = flo__run_random_id();
	if (append_start(&l, admission->span_id, &seq) == FLO_OK)
		admission->start_seq = seq;
}

static __attribute__((noinline)) void
take_cause(struct leaf_run *l, flo_context *ctx, const char *kind)
{
	flo_error cause = FLO_ERROR_INIT;

	flo_context_cause(ctx, &cause);
	flo_value_unref(l->ret->error);
	l->ret->error =
		flo__failure(kind, l->path,
			     cause.text[0] != '\0' ? cause.text : "cancelled",
			     NULL, NULL);
}

/* How the attempt ended: SUCCEEDED, FAILED or CANCELLED; fills output or
 * error of the result. */
static enum flo__state judge(struct leaf_run *l, struct flo__attempt *attempt,
			     flo_status st)
{
	flo_value_unref(l->ret->error);
	l->ret->error = NULL;
	if (st == FLO_OK) {
		l->ret->output = attempt->output;
		attempt->output = NULL;
		return FLO__STATE_SUCCEEDED;
	}
	if (st == FLO_CANCELED || st == FLO_TIMEOUT) {
		if (flo_context_status(l->ctx) != FLO_OK) {
			take_cause(l, l->ctx, "cancelled");
			return FLO__STATE_CANCELLED;
		}
		if (flo_context_status(attempt->ctx) == FLO_TIMEOUT) {
			take_cause(l, attempt->ctx, "timeout");
			return FLO__STATE_FAILED;
		}
	}
	l->ret->error = attempt->error;
	attempt->error = NULL;
	return FLO__STATE_FAILED;
}

/* Tell the crew, if there is one. */
static void works(struct leaf_run *l, bool yes)
{
	if (l->admission != NULL)
		l->admission->working(l->admission, yes);
}

static __attribute__((noinline)) enum flo__state
attempt_once(struct leaf_run *l, struct flo__attempt *attempt)
{
	flo_error err = FLO_ERROR_INIT;
	enum flo__state state;
	uint64_t begin_ns;
	flo_status st;

	*attempt = (struct flo__attempt){.frame = l->frame,
					 .node = l->id,
					 .path = l->path,
					 .exit_code = FLO__EVENT_NO_CODE};
	/* The store is gone, and who found out is about to cancel everything:
	 * nothing of this is recorded any more. */
	if (record_start(l, attempt) != FLO_OK)
		return FLO__STATE_CANCELLED;
	begin_ns = flo_now();
	attempt->ctx = attempt_context(l, &err);
	if (attempt->ctx == NULL)
		attempt->error = flo__failure("expression", l->path, err.text,
					      NULL, NULL);
	works(l, true);
	st = attempt->ctx == NULL ? FLO_FAILED : flo__attempt_run(attempt);
	works(l, false);
	l->ret->duration_ns = (int64_t)(flo_now() - begin_ns);
	l->ret->exit_code = attempt->exit_code;
	l->ret->signal = attempt->signal;
	state = judge(l, attempt, st);
	flo_value_unref(attempt->output);
	flo_value_unref(attempt->error);
	flo_context_unref(attempt->ctx);
	attempt->ctx = NULL;
	attempt->output = attempt->error = NULL;
	return state;
}

/* ---- retries ---- */

/* Whether a failed attempt is tried again. */
static bool may_retry(struct leaf_run *l)
{
	const struct flo__tries tries = {.frame = l->frame,
					 .retry = l->leaf->retry,
					 .ctx = l->ctx,
					 .number = l->number,
					 .counted = l->tries};

	return flo__retry_wanted(&tries, l->ret);
}

static void record_retrying(struct leaf_run *l,
			    const struct flo__attempt *attempt,
			    uint64_t wait_ns)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_RETRYING);

	event.attempt = l->number;
	event.span_id = attempt->span_id;
	event.pid = attempt->pid;
	event.exit_code = attempt->exit_code;
	event.signal = attempt->signal;
	event.delay_ns = (int64_t)wait_ns;
	event.duration_ns = l->ret->duration_ns;
	event.error = l->ret->error;
	append(l, &event);
	/* The next attempt depends on it: a crash must not take more than one
	 * execution out of the record. */
	l->need_seq = event.seq;
}

/* Wait out the back-off without any slot. Returns false when cancelled. */
static bool wait_out(struct leaf_run *l, uint64_t wait_ns)
{
	if (wait_ns == 0) /* it comes before those that have not started */
		return flo_context_status(l->ctx) == FLO_OK;
	give_run_slot(l);
	if (l->group != NULL)
		flo__group_slot_give(l->group);
	works(l, true);
	/* Without memory to wait with it goes on at once. */
	flo_sleep(l->ctx, wait_ns);
	works(l, false);
	/* Cancelled or not: the member's end gives it back. */
	if (l->group != NULL)
		flo__group_slot_retake(l->group);
	return flo_context_status(l->ctx) == FLO_OK && take_run_slot(l, true);
}

static bool back_off(struct leaf_run *l, struct flo__attempt *attempt)
{
	uint64_t wait_ns = flo__retry_delay_ns(l->leaf->retry, l->tries);

	record_retrying(l, attempt, wait_ns);
	return wait_out(l, wait_ns);
}

/*
 * After a contained fault the next attempt belongs to the next engine, whatever
 * `retry` says, until there have been too many. Returns whether that is so.
 */
static bool put_off(struct leaf_run *l, struct flo__attempt *attempt)
{
	if (!attempt->fault || !flo__run_ending(l->run) ||
	    flo_context_status(l->ctx) != FLO_OK || ++l->faults >= FAULTS_MAX)
		return false;
	record_retrying(l, attempt, 0);
	hold_back(l);
	return true;
}

static void run_attempts(struct leaf_run *l)
{
	struct flo__attempt attempt = {.exit_code = FLO__EVENT_NO_CODE};
	enum flo__state state;

	/* Whether that was cancelled is seen below. */
	if (l->wait_ns != 0)
		wait_out(l, l->wait_ns);
	for (;;) {
		if (!l->announced && flo__run_ending(l->run) &&
		    flo_context_status(l->ctx) == FLO_OK) {
			hold_back(l);
			return;
		}
		if (!take_run_slot(l, false) ||
		    flo_context_status(l->ctx) != FLO_OK) {
			if (l->announced)
				begin_attempt(l, &attempt);
			if (l->number == l->base) {
				never_started(l);
				return;
			}
			take_cause(l, l->ctx, "cancelled");
			state = FLO__STATE_CANCELLED;
			break;
		}
		state = attempt_once(l, &attempt);
		if (state == FLO__STATE_FAILED && put_off(l, &attempt))
			return;
		if (state != FLO__STATE_FAILED || l->faults >= FAULTS_MAX ||
		    !may_retry(l))
			break;
		if (!back_off(l, &attempt)) {
			take_cause(l, l->ctx, "cancelled");
			state = FLO__STATE_CANCELLED;
			break;
		}
	}
	record_end(l, &attempt, state);
}

void flo__leaf_run(struct flo__frame *frame, uint32_t id, const char *path,
		   flo_context *ctx, uint64_t need_seq,
		   struct flo__admission *admission, struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	struct leaf_run l = {
		.frame = frame,
		.run = run,
		.id = id,
		.node = &run->plan->nodes[id],
		.leaf = &run->plan->leaves[run->plan->nodes[id].spec],
		.path = path,
		.ctx = ctx,
		.need_seq = need_seq,
		.admission = admission,
		.group = admission != NULL ? admission->group : NULL,
		.slot = admission != NULL && admission->slot,
		.announced = admission != NULL && admission->start_seq != 0,
		.ret = ret};

	l.base = l.number = flo__past_attempts(frame, path);
	ret->attempts = l.base;

	if (l.announced) {
		run_attempts(&l);
	} else if (settled(&l)) {
		/* nothing to do */
	} else if (flo_context_status(ctx) != FLO_OK && l.number == l.base) {
		never_started(&l);
	} else if (flo__run_ending(run) && flo_context_status(ctx) == FLO_OK) {
		hold_back(&l);
	} else if (wanted(&l)) {
		run_attempts(&l);
	}
	if (ret->end_seq < need_seq)
		ret->end_seq = need_seq;
	give_run_slot(&l);
}
