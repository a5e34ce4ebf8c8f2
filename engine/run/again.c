/*
 * A pipeline within the pipeline that is tried again.
 *
 * Each attempt is the whole of it: its params are computed anew, all its steps
 * run, its finally too, and its time limits begin again. A step keeps its path
 * in each, so the record has it several times; what tells the attempts apart is
 * the event between them, the step.retrying of the pipeline's own step, which
 * takes back what there was of the steps within (preset.c).
 *
 * Note: what an attempt leaves behind
 *
 * The record of an interrupted run is of the attempt that was under way, or
 * about to begin. An attempt that begins in this engine must not look at it:
 * flo__nested.anew. How often a step was tried counts on over all attempts, so
 * that no two have the same number. What this engine has begun is kept here, by
 * path, until the outermost of such pipelines ends; an earlier one's is in its
 * record. The leaves of an attempt that has failed are not counted: each
 * attempt counts its own, and when it fails, that much is taken off again.
 *
 * The end of the last attempt is recorded, however it ended. Without that
 * nobody could tell from the record alone whether the failure of a step within
 * is one of the blocks around (preset.c, again), nor how often it was tried.
 */
#include "engine/run/run_p.h"

#include "engine/group_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

/* ---- the attempts of others, within ---- */

static struct flo__tried *tried_around(struct flo__frame *frame)
{
	struct flo__nested *nested = flo__nested_of(frame);

	return nested != NULL ? nested->tried : NULL;
}

static struct flo__tried *outermost(struct flo__frame *frame)
{
	struct flo__tried *tried = tried_around(frame);

	while (tried != NULL && tried->outer != NULL)
		tried = tried->outer;
	return tried;
}

uint32_t flo__past_attempts(struct flo__frame *frame, const char *path)
{
	struct flo__tried *tried = outermost(frame);
	union flo__map_slot *slot;
	uint32_t n;

	if (tried == NULL)
		return 0;
	n = flo__preset_attempts(frame->run, path);
	flo_mutex_lock(&tried->lock);
	slot = flo__map_get(&tried->past, path);
	if (slot != NULL && slot->n > n)
		n = (uint32_t)slot->n;
	flo_mutex_unlock(&tried->lock);
	return n;
}

static __attribute__((noinline)) void no_memory(struct flo__run *run)
{
	flo_error err = FLO_ERROR_INIT;

	flo_error_set(&err, FLO_NOMEM, "out of memory");
	flo__run_broken(run, &err);
}

flo_status flo__past_note(struct flo__frame *frame, const char *path,
			  uint32_t number)
{
	struct flo__tried *tried = outermost(frame);
	union flo__map_slot *slot;
	flo_status st;

	if (tried == NULL)
		return FLO_OK;
	flo_mutex_lock(&tried->lock);
	st = flo__map_put(&tried->past, path, &slot);
	if (st != FLO_NOMEM)
		slot->n = number;
	flo_mutex_unlock(&tried->lock);
	if (st != FLO_NOMEM)
		return FLO_OK;
	/* Its next attempt would have a number that is taken. */
	no_memory(frame->run);
	return FLO_NOMEM;
}

void flo__run_count(struct flo__frame *frame, enum flo__state state, uint64_t n)
{
	struct flo__run *run = frame->run;
	struct flo__tried *tried = tried_around(frame);

	/* relaxed: read after every coroutine of the run, or of the attempt,
	 * has been joined */
	atomic_fetch_add_explicit(&run->counts[state], n, memory_order_relaxed);
	if (state == FLO__STATE_CANCELLED && n > 0 &&
	    flo_context_status(run->ctx) != FLO_OK)
		atomic_store_explicit(&run->cut, true, memory_order_relaxed);
	if (tried != NULL)
		atomic_fetch_add_explicit(&tried->counts[state], n,
					  memory_order_relaxed);
}

/* The attempt is not the last one: what it counted did not happen. */
static void take_off(struct flo__run *run, struct flo__tried *tried)
{
	for (size_t i = 0; i < FLO__STATES; i++) {
		uint64_t n = atomic_exchange_explicit(&tried->counts[i], 0,
						      memory_order_relaxed);

		atomic_fetch_sub_explicit(&run->counts[i], n,
					  memory_order_relaxed);
	}
}

/* It was the last one: what it counted is part of the attempt around. */
static void hand_on(struct flo__tried *tried)
{
	for (size_t i = 0; tried->outer != NULL && i < FLO__STATES; i++)
		atomic_fetch_add_explicit(
			&tried->outer->counts[i],
			atomic_load_explicit(&tried->counts[i],
					     memory_order_relaxed),
			memory_order_relaxed);
}

static void tried_init(struct flo__tried *tried, struct flo__frame *frame)
{
	memset(tried, 0, sizeof(*tried));
	tried->outer = tried_around(frame);
	flo__arena_init(&tried->keys);
	flo__map_init(&tried->past, &tried->keys);
}

static void tried_fini(struct flo__tried *tried)
{
	flo__map_fini(&tried->past);
	flo__arena_fini(&tried->keys);
}

/* ---- its own attempts ---- */

struct again {
	struct flo__frame *frame; /* around it */
	struct flo__run *run;
	uint32_t id;
	const char *path;
	flo_context *ctx;
	uint64_t need_seq;
	uint64_t timeout_ns;
	bool passed; /* FLO__RECORDED_PASSED */
	struct flo__admission *admission;
	const struct flo__retry *retry;
	const struct flo__preset *preset; /* NULL: no attempt was recorded */
	struct flo__tried tried;
	uint32_t base;	 /* attempts in earlier attempts of what is around */
	uint32_t number; /* of the last attempt */
	struct flo__result *ret;
};

/* Returns whether any of it was run. */
static bool attempt(struct again *a, flo_context *ctx)
{
	bool begun = a->ret->begun;
	bool ran;

	flo__result_fini(a->ret);
	*a->ret = (struct flo__result)FLO__RESULT_INIT;
	a->ret->begun = begun;
	a->ret->tried = true;
	ran = flo__tree_call(a->frame, a->id, a->path, ctx, a->need_seq,
			     a->timeout_ns, a->passed, &a->tried, a->admission,
			     a->ret);
	a->ret->attempts = a->number;
	return ran;
}

static flo_status append(struct again *a, struct flo__event *event)
{
	flo_status st;

	event->path = a->path;
	event->attempt = a->number;
	event->duration_ns = a->ret->duration_ns;
	event->error = a->ret->error;
	st = flo__past_note(a->frame, a->path, a->number);
	return st == FLO_OK ? flo__run_append(a->run, event) : st;
}

/* Its end, unless that is recorded. What was held back has not ended. */
static void record_end(struct again *a)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_FINISHED);
	struct flo__result *ret = a->ret;

	if (a->preset != NULL &&
	    a->preset->result.state == FLO__STATE_SUCCEEDED) {
		if (ret->end_seq < a->preset->result.end_seq)
			ret->end_seq = a->preset->result.end_seq;
		return;
	}
	if (flo__run_leaving(a->run) ||
	    (ret->state == FLO__STATE_CANCELLED && flo__run_held(a->run)))
		return;
	event.status = ret->state;
	if (ret->state == FLO__STATE_FAILED && a->admission != NULL)
		a->admission->failing(a->admission);
	if (append(a, &event) == FLO_OK)
		ret->end_seq = ret->error_seq = event.seq;
	if (ret->state == FLO__STATE_CANCELLED)
		flo__tree_cut(a->frame, ret);
}

static __attribute__((noinline)) void take_cause(struct again *a)
{
	flo_error cause = FLO_ERROR_INIT;
	struct flo__result *ret = a->ret;

	flo_context_cause(a->ctx, &cause);
	flo_value_unref(ret->error);
	flo_value_unref(ret->others);
	ret->others = NULL;
	ret->others_total = 0;
	ret->state = FLO__STATE_CANCELLED;
	ret->attempts = a->number;
	ret->error =
		flo__failure("cancelled", a->path,
			     cause.text[0] != '\0' ? cause.text : "cancelled",
			     NULL, NULL);
}

static bool may_retry(struct again *a)
{
	const struct flo__tries tries = {.frame = a->frame,
					 .retry = a->retry,
					 .ctx = a->ctx,
					 .number = a->number,
					 .counted = a->number - a->base};

	return flo__retry_wanted(&tries, a->ret);
}

/* Wait without the slot in the group around. Returns false when cancelled. */
static bool wait_out(struct again *a, uint64_t wait_ns)
{
	flo_group *group = a->admission != NULL ? a->admission->group : NULL;

	if (wait_ns != 0) {
		if (group != NULL)
			flo__group_slot_give(group);
		/* Without memory to wait with it goes on at once. */
		flo_sleep(a->ctx, wait_ns);
		/* Cancelled or not: the member's end gives it back. */
		if (group != NULL)
			flo__group_slot_retake(group);
	}
	return flo_context_status(a->ctx) == FLO_OK;
}

static bool back_off(struct again *a)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_RETRYING);
	uint64_t wait_ns = flo__retry_delay_ns(a->retry, a->number - a->base);

	event.delay_ns = (int64_t)wait_ns;
	/* The next attempt depends on it. */
	if (append(a, &event) == FLO_OK)
		a->need_seq = event.seq;
	take_off(a->run, &a->tried);
	return wait_out(a, wait_ns);
}

/* ---- what is known already ---- */

static void take_recorded(struct again *a)
{
	const struct flo__result *known = &a->preset->result;
	struct flo__result *ret = a->ret;

	flo_value_unref(ret->output);
	flo_value_unref(ret->error);
	ret->output = NULL;
	ret->state = known->state;
	ret->attempts = known->attempts;
	ret->error = known->error != NULL ? flo_value_ref(known->error) : NULL;
	ret->end_seq = known->end_seq;
	ret->error_seq = known->error_seq;
	ret->duration_ns = known->duration_ns;
	if (ret->state == FLO__STATE_CANCELLED)
		flo__tree_cut(a->frame, ret);
}

/* A context that has ended; NULL without memory. */
static __attribute__((noinline)) flo_context *ended_context(struct again *a)
{
	flo_context *ctx = flo_context_child(a->ctx);
	flo_error cause = FLO_ERROR_INIT;

	if (ctx == NULL)
		return NULL;
	flo_error_set(&cause, FLO_CANCELED, "%.200s has ended", a->path);
	flo_context_cancel(ctx, &cause);
	return ctx;
}

/* It has ended badly: go over what there is of it in a context that has ended,
 * so that nothing starts. Returns as attempt(). */
static bool go_over(struct again *a)
{
	flo_context *ctx = ended_context(a);
	bool ran = ctx != NULL && attempt(a, ctx);

	flo_context_unref(ctx);
	return ran;
}

/* It waits for its next attempt, of which there is nothing yet. */
static void still_waits(struct again *a)
{
	if (!a->run->frozen) {
		a->ret->duration_ns = a->preset->result.duration_ns;
		take_cause(a);
		record_end(a);
		return;
	}
	take_recorded(a);
	if (a->run->frozen_ended)
		a->ret->state = FLO__STATE_CANCELLED;
}

/* Returns whether the record settles the matter; *@ret_ran as attempt(). */
static bool settled(struct again *a, bool *ret_ran)
{
	enum flo__state state;
	bool inside = false;

	*ret_ran = false;
	if (a->preset == NULL)
		return false;
	state = a->preset->result.state;
	if (flo__preset_inside(a->run, a->id, a->path, &inside) != FLO_OK) {
		no_memory(a->run);
		a->ret->state = FLO__STATE_CANCELLED;
		return true;
	}
	if (state == FLO__STATE_FAILED || state == FLO__STATE_CANCELLED) {
		*ret_ran = inside && go_over(a);
		take_recorded(a);
		return true;
	}
	if (state == FLO__STATE_RETRYING && !inside &&
	    (a->run->frozen ||
	     !wait_out(a, flo__retry_left_ns(a->run, a->preset)))) {
		still_waits(a);
		return true;
	}
	return false;
}

/* An inspection: whether a failure was the end is not known before that is
 * recorded. */
static void look_on(struct again *a)
{
	if (a->run->frozen_ended || a->ret->state != FLO__STATE_FAILED)
		return;
	flo__result_fini(a->ret);
	a->ret->state = FLO__STATE_RUNNING;
}

static bool run_attempts(struct again *a)
{
	bool ran;

	for (;;) {
		a->number++;
		ran = attempt(a, a->ctx);
		if (a->run->frozen) {
			look_on(a);
			return ran;
		}
		if (a->ret->state != FLO__STATE_FAILED || !may_retry(a))
			break;
		if (!back_off(a)) {
			take_cause(a);
			ran = false;
			break;
		}
		a->passed = false;
		a->tried.anew = true;
	}
	record_end(a);
	return ran;
}

bool flo__again_run(struct flo__frame *frame, uint32_t id, const char *path,
		    flo_context *ctx, uint64_t need_seq, uint64_t timeout_ns,
		    bool passed, struct flo__admission *admission,
		    struct flo__result *ret)
{
	const struct flo__plan *plan = frame->run->plan;
	struct again a = {
		.frame = frame,
		.run = frame->run,
		.id = id,
		.path = path,
		.ctx = ctx,
		.need_seq = need_seq,
		.timeout_ns = timeout_ns,
		.passed = passed,
		.admission = admission,
		.retry = plan->blocks[plan->nodes[id].spec].call->retry,
		.preset = flo__preset_find(frame, path),
		.ret = ret};
	bool ran;

	tried_init(&a.tried, frame);
	a.number = a.base = flo__past_attempts(frame, path);
	if (a.preset != NULL) {
		a.base = a.preset->base;
		a.number = a.preset->result.attempts;
		/* Gone over for its output: it has that number again, and
		 * nothing of it is still to come. */
		if (a.preset->result.state == FLO__STATE_SUCCEEDED) {
			a.number--;
			a.passed = true;
		}
	}
	if (!settled(&a, &ran))
		ran = run_attempts(&a);
	hand_on(&a.tried);
	tried_fini(&a.tried);
	return ran;
}
