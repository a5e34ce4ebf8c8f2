/*
 * How long a run, and each block of it, was worked on before it was resumed.
 *
 * A time limit is about work, so the time in which no engine had the run does
 * not count. Nothing records that time; it follows from the dates of events. An
 * engine worked on a run from its run.started or run.resumed to the last event
 * before the next run.resumed; after that it may have worked on for a while,
 * which nobody knows, and which is not counted. That sum is the run's own clock,
 * and what a block has spent is the time on it from the first event within to
 * the last one, or, where something within had not ended, to the last of all.
 *
 * A block that had all ended is gone over when the run is resumed, and must not
 * run out of time by that: so at least LEFT_MIN_NS are left of any limit.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"
#include "base/time.h"

#define LEFT_MIN_NS (1000 * FLO__NS_PER_MS)

/* On the run's own clock. */
struct span {
	int64_t begin_us, last_us;
};

static bool is_given(const struct flo__number *number)
{
	return number->fixed != 0 || number->expr != NULL;
}

/* Whether any block has a limit, that of a file too. */
static bool has_limits(const struct flo__plan *plan)
{
	for (uint32_t i = 1; i < plan->nodes_len; i++) {
		const struct flo__node *node = &plan->nodes[i];
		const struct flo__call *call;

		if (!flo__node_is_block(node))
			continue;
		call = plan->blocks[node->spec].call;
		if (is_given(&plan->attrs[node->attrs].timeout) ||
		    (call != NULL && is_given(&call->timeout)))
			return true;
	}
	return false;
}

static struct span *span_of(struct flo__run *run, const char *path)
{
	union flo__map_slot *slot;
	struct span *span;

	slot = flo__map_get(&run->spans, path);
	if (slot != NULL)
		return slot->ptr;
	span = flo__calloc(1, sizeof(*span));
	if (span == NULL || flo__map_put(&run->spans, path, &slot) != FLO_OK) {
		flo__free(span);
		return NULL;
	}
	span->begin_us = run->spent_us;
	slot->ptr = span;
	return span;
}

/* The blocks around @path were worked on until now. */
static flo_status touch(struct flo__run *run, const char *path)
{
	char *p = flo__strdup(path);
	flo_status st = p != NULL ? FLO_OK : FLO_NOMEM;

	while (st == FLO_OK && flo__path_cut(p) && p[0] != '\0') {
		struct span *span = span_of(run, p);

		if (span != NULL)
			span->last_us = run->spent_us;
		else
			st = FLO_NOMEM;
	}
	flo__free(p);
	return st;
}

flo_status flo__spent_note(struct flo__run *run, const struct flo__event *event)
{
	/* The first event: now is the time to look. */
	if (run->last_us == 0)
		run->spans_wanted = has_limits(run->plan);
	/* A clock that was set back is not worked against. */
	if (run->last_us != 0 && event->kind != FLO__EVENT_RUN_RESUMED &&
	    event->kind != FLO__EVENT_RUN_STARTED &&
	    event->ts_us > run->last_us)
		run->spent_us += event->ts_us - run->last_us;
	run->last_us = event->ts_us;
	if (event->path == NULL || !run->spans_wanted)
		return FLO_OK;
	return touch(run, event->path);
}

flo_status flo__spent_done(struct flo__run *run)
{
	flo_status st = FLO_OK;

	for (uint32_t i = 0;
	     run->spans_wanted && st == FLO_OK && i < run->presets.len; i++) {
		const struct flo__preset *preset =
			run->presets.entries[i].slot.ptr;

		if (preset->result.state == FLO__STATE_RUNNING ||
		    preset->result.state == FLO__STATE_RETRYING)
			st = touch(run, run->presets.entries[i].key);
	}
	return st;
}

void flo__spent_forget(struct flo__run *run, const char *path)
{
	union flo__map_slot *slot = flo__map_get(&run->spans, path);

	if (slot == NULL)
		return;
	flo__free(slot->ptr);
	flo__map_del(&run->spans, path);
}

static uint64_t left_of(uint64_t limit_ns, int64_t spent_us)
{
	uint64_t spent_ns = (uint64_t)spent_us * 1000;
	uint64_t left = spent_ns < limit_ns ? limit_ns - spent_ns : 0;

	if (left < LEFT_MIN_NS)
		left = limit_ns < LEFT_MIN_NS ? limit_ns : LEFT_MIN_NS;
	return left;
}

uint64_t flo__spent_left_of_run(const struct flo__run *run, uint64_t limit_ns)
{
	return run->resumed ? left_of(limit_ns, run->spent_us) : limit_ns;
}

uint64_t flo__spent_left(struct flo__frame *frame, const char *path,
			 uint64_t limit_ns)
{
	const struct flo__run *run = frame->run;
	const struct flo__nested *nested = flo__nested_of(frame);
	const union flo__map_slot *slot;
	const struct span *span;

	if (!run->resumed || run->spans.len == 0 ||
	    (nested != NULL && nested->anew))
		return limit_ns;
	slot = flo__map_get(&run->spans, path);
	if (slot == NULL)
		return limit_ns;
	span = slot->ptr;
	return left_of(limit_ns, span->last_us - span->begin_us);
}

void flo__spent_fini(struct flo__run *run)
{
	for (uint32_t i = 0; i < run->spans.len; i++)
		flo__free(run->spans.entries[i].slot.ptr);
	flo__map_fini(&run->spans);
}

uint64_t flo__retry_left_ns(const struct flo__run *run,
			    const struct flo__preset *preset)
{
	int64_t now_us = flo__run_now_us(run);
	int64_t left_us = preset->retrying_us - now_us;

	if (preset->result.state != FLO__STATE_RETRYING ||
	    preset->delay_ns <= 0)
		return 0;
	/* A clock that was set back makes nobody wait longer. */
	left_us = left_us > 0 ? 0 : left_us;
	left_us += preset->delay_ns / 1000;
	return left_us > 0 ? (uint64_t)left_us * 1000 : 0;
}
