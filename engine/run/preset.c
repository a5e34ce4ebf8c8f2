/*
 * What an earlier engine recorded of a run, for resume and for looking on.
 *
 * Events come in order. Of each leaf its last word is kept; of each block
 * whether anything in it has begun, and whether a recorded failure has
 * cancelled or drained it. The latter is worked out here, from the lowest
 * sequence number up and from the leaf outwards, because after a crash nothing
 * new may start in a block that had failed, not even while its other members
 * are still being replayed.
 *
 * Note: pipelines that are tried again
 *
 * What has ended in an attempt of a pipeline runs in the next one again, under
 * the same path. The event between the two, step.retrying of the pipeline's
 * step, takes back what was kept of all that is within: ends, failures, and
 * that it had begun. What stays is the number of attempts, which count on. A
 * failure within does not spread beyond such a step either, since it may be
 * tried again; when it is not, a step.finished of the step itself says so.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* The pointer under @key, or NULL. */
static void *lookup(const struct flo__map *map, const char *key)
{
	union flo__map_slot *slot = flo__map_get(map, key);

	return slot != NULL ? slot->ptr : NULL;
}

/* Add @key, which is not there. */
static flo_status insert(struct flo__map *map, const char *key, void *ptr)
{
	union flo__map_slot *slot;
	flo_status st = flo__map_put(map, key, &slot);

	if (st == FLO_OK)
		slot->ptr = ptr;
	return st;
}

/* Whether what happens in @frame is new, whatever the record says. */
static bool is_anew(struct flo__frame *frame)
{
	const struct flo__nested *nested = flo__nested_of(frame);

	return nested != NULL && nested->anew;
}

const struct flo__preset *flo__preset_find(struct flo__frame *frame,
					   const char *path)
{
	const struct flo__preset *preset;

	if (frame->run->presets.len == 0 || is_anew(frame))
		return NULL;
	preset = lookup(&frame->run->presets, path);
	return preset != NULL && preset->result.state != FLO__STATE_NONE
		       ? preset
		       : NULL;
}

const struct flo__poison *flo__preset_poison(struct flo__frame *frame,
					     const char *path)
{
	if (frame->run->poisons.len == 0 || is_anew(frame))
		return NULL;
	return lookup(&frame->run->poisons, path);
}

uint32_t flo__preset_attempts(const struct flo__run *run, const char *path)
{
	const struct flo__preset *preset = lookup(&run->presets, path);

	return preset != NULL ? preset->result.attempts : 0;
}

void flo__past_show(const struct flo__run *run, const char *path,
		    struct flo__result *ret)
{
	const struct flo__preset *preset = lookup(&run->presets, path);

	if (preset == NULL || preset->result.state != FLO__STATE_NONE)
		return;
	ret->attempts = preset->result.attempts;
	ret->log_seq = preset->result.log_seq;
	ret->started_us = preset->result.started_us;
}

static bool has_begun(const struct flo__run *run, const char *path)
{
	return flo__map_get(&run->begun, path) != NULL;
}

/* In a slot of `begun`, above the number of items: something of it was taken
 * over from the run that this one repeats. */
#define BEGUN_THERE (UINT64_C(1) << 63)

static bool is_taken_over(const struct flo__run *run, const char *path)
{
	const union flo__map_slot *slot = flo__map_get(&run->begun, path);

	return slot != NULL && (slot->n & BEGUN_THERE) != 0;
}

uint64_t flo__preset_items(const struct flo__run *run, const char *path)
{
	const union flo__map_slot *slot = flo__map_get(&run->begun, path);

	return slot != NULL ? slot->n & ~BEGUN_THERE : 0;
}

/* ---- taking events in ---- */

bool flo__path_cut(char *path)
{
	char *dot = strrchr(path, '.');
	char *bracket = strrchr(path, '[');
	char *end = dot > bracket ? dot : bracket;

	if (path[0] == '\0')
		return false;
	if (dot == NULL && bracket == NULL)
		end = path;
	*end = '\0';
	return true;
}

/* Of an instance "a[2]" of a foreach its number from 1; else 0. */
static uint64_t item_number(const char *path)
{
	const char *bracket = strrchr(path, '[');

	if (bracket == NULL || path[strlen(path) - 1] != ']')
		return 0;
	return strtoull(bracket + 1, NULL, 10) + 1;
}

/* Mark @path and all that encloses it as begun (@there: it is taken over); of a
 * foreach, how many instances may have. */
static flo_status mark_begun(struct flo__run *run, const char *path, bool there)
{
	uint64_t flag = there ? BEGUN_THERE : 0;
	char *p = flo__strdup(path);
	flo_status st = FLO_NOMEM;
	uint64_t items = 0;
	bool new;

	if (p == NULL)
		return st;
	do {
		union flo__map_slot *slot;

		st = flo__map_put(&run->begun, p, &slot);
		if (st == FLO_NOMEM)
			break;
		new = st == FLO_OK || (slot->n & flag) != flag;
		slot->n |= flag;
		if ((slot->n & ~BEGUN_THERE) < items)
			slot->n = items | (slot->n & BEGUN_THERE);
		items = item_number(p);
	} while (new &&flo__path_cut(p));
	flo__free(p);
	return st == FLO_EXISTS ? FLO_OK : st;
}

static struct flo__preset *preset_of(struct flo__run *run, const char *path)
{
	struct flo__preset *preset = lookup(&run->presets, path);

	if (preset != NULL)
		return preset;
	preset = flo__calloc(1, sizeof(*preset));
	if (preset == NULL)
		return NULL;
	preset->result = (struct flo__result)FLO__RESULT_INIT;
	if (insert(&run->presets, path, preset) != FLO_OK) {
		flo__free(preset);
		return NULL;
	}
	return preset;
}

static void take_error(struct flo__result *result, const flo_value *error)
{
	flo_value_unref(result->error);
	result->error = error != NULL ? flo_value_ref(error) : NULL;
}

static void take_started(struct flo__preset *preset,
			 const struct flo__event *event)
{
	struct flo__result *r = &preset->result;

	r->state = FLO__STATE_RUNNING;
	r->attempts = event->attempt;
	r->log_seq = event->seq;
	if (r->started_us == 0)
		r->started_us = event->ts_us;
	preset->open = true;
	preset->span_id = event->span_id;
}

void flo__preset_ended(struct flo__preset *preset,
		       const struct flo__event *event)
{
	struct flo__result *r = &preset->result;

	r->state = event->kind == FLO__EVENT_STEP_SKIPPED ? FLO__STATE_SKIPPED
							  : event->status;
	/* Pipelines that are tried again have no step.started. */
	if (r->attempts < event->attempt)
		r->attempts = event->attempt;
	r->exit_code = event->exit_code;
	r->signal = event->signal;
	r->duration_ns = event->duration_ns;
	r->finished_us = event->ts_us;
	r->end_seq = r->error_seq = event->seq;
	take_error(r, event->error);
	if (event->output != NULL)
		r->output = flo_value_ref(event->output);
	r->reused = event->kind == FLO__EVENT_STEP_REUSED;
	preset->open = false;
}

/* Other panics have no signal, other signals are of programs. */
static bool is_fault(const struct flo__event *event)
{
	const flo_value *kind =
		event->error != NULL ? flo_value_map_get(event->error, "kind")
				     : NULL;

	return event->signal != 0 && kind != NULL &&
	       flo_value_typeof(kind) == FLO_VALUE_STRING &&
	       strcmp(flo_value_get_string(kind, NULL), "panic") == 0;
}

static flo_status take_step(struct flo__run *run,
			    const struct flo__event *event, flo_error *err)
{
	struct flo__preset *preset = preset_of(run, event->path);

	if (preset == NULL ||
	    mark_begun(run, event->path,
		       event->kind == FLO__EVENT_STEP_REUSED) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (preset->result.state != FLO__STATE_NONE &&
	    preset->result.state != FLO__STATE_RUNNING &&
	    preset->result.state != FLO__STATE_RETRYING)
		return flo_error_set(err, FLO_CORRUPT,
				     "event %" PRIu64
				     ": step %s had ended before",
				     event->seq, event->path);
	switch (event->kind) {
	case FLO__EVENT_STEP_STARTED:
		take_started(preset, event);
		break;
	case FLO__EVENT_STEP_RETRYING:
		preset->result.state = FLO__STATE_RETRYING;
		preset->result.attempts = event->attempt;
		preset->retrying_us = event->ts_us;
		preset->delay_ns = event->delay_ns;
		preset->open = false;
		preset->faults += is_fault(event);
		take_error(&preset->result, event->error);
		break;
	case FLO__EVENT_STEP_LOST:
		preset->open = false;
		preset->lost++;
		break;
	default:
		flo__preset_ended(preset, event);
	}
	return FLO_OK;
}

static flo_status take_run(struct flo__run *run, const struct flo__event *event,
			   flo_error *err)
{
	if (event->kind == FLO__EVENT_RUN_QUEUED) {
		run->preset_queued = true;
		return flo__run_rerun(run, &event->rerun, err);
	}
	if (event->kind == FLO__EVENT_RUN_STARTED)
		run->started_us = event->ts_us;
	else if (event->kind == FLO__EVENT_RUN_CANCELLING)
		run->preset_cancelling = true;
	else if (event->kind == FLO__EVENT_RUN_FINISHED)
		run->preset_finished = event->status;
	return FLO_OK;
}

/* ---- where paths lead ---- */

/* The child of block @id that the next part of a path names; NONE. */
static uint32_t child_named(const struct flo__plan *plan, uint32_t id,
			    const char *name, size_t len)
{
	const struct flo__node *node = &plan->nodes[id];

	for (uint32_t i = 0; i < node->children_len; i++) {
		uint32_t child = plan->children[node->first_child + i];

		if (strlen(plan->nodes[child].name) == len &&
		    memcmp(plan->nodes[child].name, name, len) == 0)
			return child;
	}
	if (len == 7 && memcmp(name, "finally", 7) == 0)
		return plan->blocks[node->spec].finally;
	return FLO__NODE_NONE;
}

uint32_t flo__preset_resolve(const struct flo__plan *plan, const char *path)
{
	uint32_t id = 0;

	while (*path != '\0') {
		size_t len = strcspn(path, ".[");

		if (!flo__node_is_block(&plan->nodes[id]))
			return FLO__NODE_NONE;
		if (len > 0)
			id = child_named(plan, id, path, len);
		if (id == FLO__NODE_NONE)
			return id;
		path += len;
		if (*path == '[') {
			if (plan->nodes[id].kind != FLO__NODE_FOREACH)
				return FLO__NODE_NONE;
			id = plan->children[plan->nodes[id].first_child];
			path += strcspn(path, "]");
			path += *path == ']';
		}
		path += *path == '.';
	}
	return id;
}

/* ---- another attempt of a pipeline ---- */

static bool is_tried(const struct flo__plan *plan, uint32_t id)
{
	const struct flo__node *node = &plan->nodes[id];
	const struct flo__call *call =
		flo__node_is_block(node) ? plan->blocks[node->spec].call : NULL;

	return call != NULL && call->retry != NULL;
}

static void forget_failures(struct flo__run *run, const char *path)
{
	flo__free(lookup(&run->poisons, path));
	flo__map_del(&run->poisons, path);
	flo__map_del(&run->failures, path);
}

/* Nothing has happened to the step at @path in this attempt. */
static void forget_end(struct flo__run *run, const char *path)
{
	struct flo__preset *preset = lookup(&run->presets, path);
	struct flo__result *r;

	if (preset == NULL)
		return;
	r = &preset->result;
	flo__result_fini(r);
	*r = (struct flo__result){.state = FLO__STATE_NONE,
				  .exit_code = FLO__EVENT_NO_CODE,
				  .duration_ns = -1,
				  .attempts = r->attempts,
				  .started_us = r->started_us,
				  .log_seq = r->log_seq};
	preset->base = r->attempts;
	preset->lost = preset->faults = 0;
	preset->open = false;
}

static flo_status forget_inside(struct flo__run *run, uint32_t id,
				const char *path);

/* Forget node @id at @path (taken; NULL: there was no memory). */
static flo_status forget(struct flo__run *run, uint32_t id, char *path)
{
	flo_status st = path != NULL ? FLO_OK : FLO_NOMEM;

	if (st == FLO_OK && has_begun(run, path)) {
		forget_failures(run, path);
		flo__spent_forget(run, path);
		forget_end(run, path);
		if (flo__node_is_block(&run->plan->nodes[id]))
			st = forget_inside(run, id, path);
		flo__map_del(&run->begun, path);
	}
	flo__free(path);
	return st;
}

/* Forget what is within block @id at @path. Recursion: FLO__PLAN_DEPTH_MAX. */
static flo_status forget_inside(struct flo__run *run, uint32_t id,
				const char *path)
{
	const struct flo__plan *plan = run->plan;
	const struct flo__node *node = &plan->nodes[id];
	const uint32_t *children = &plan->children[node->first_child];
	bool each = node->kind == FLO__NODE_FOREACH;
	uint64_t n = each ? flo__preset_items(run, path) : node->children_len;
	uint32_t finally = plan->blocks[node->spec].finally;
	flo_status st = FLO_OK;

	for (uint64_t i = 0; st == FLO_OK && i < n; i++) {
		uint32_t child = children[each ? 0 : i];
		char *p = each ? flo__path_item(path, i)
			       : flo__path_child(path, plan->nodes[child].name);

		st = forget(run, child, p);
	}
	if (st == FLO_OK && finally != FLO__NODE_NONE)
		st = forget(run, finally, flo__path_child(path, "finally"));
	return st;
}

/* The step at @path is tried again. A leaf has nothing within. */
static flo_status try_again(struct flo__run *run, const char *path)
{
	uint32_t id = flo__preset_resolve(run->plan, path);

	if (id == FLO__NODE_NONE || !is_tried(run->plan, id))
		return FLO_OK;
	forget_failures(run, path);
	flo__spent_forget(run, path);
	return forget_inside(run, id, path);
}

/* ---- what failures have done to the blocks around them ---- */

/* How many failures block instance @path has had, this one included. */
static uint64_t count_failure(struct flo__run *run, const char *path)
{
	union flo__map_slot *slot;

	if (flo__map_put(&run->failures, path, &slot) == FLO_NOMEM)
		return UINT64_MAX;
	return ++slot->n;
}

/* Percentages need the number of items, which is not known here: they are
 * left to the replay, which counts again. */
static bool tolerates(const struct flo__block *block, uint64_t failures)
{
	if (block->max_failures_percent > 0)
		return true;
	return block->max_failures.expr != NULL ||
	       failures <= block->max_failures.fixed;
}

static flo_status poison(struct flo__run *run, const char *path,
			 enum flo__on_error mode)
{
	struct flo__poison *p;

	if (lookup(&run->poisons, path) != NULL)
		return FLO_OK;
	p = flo__calloc(1, sizeof(*p));
	if (p == NULL)
		return FLO_NOMEM;
	p->mode = mode;
	if (insert(&run->poisons, path, p) != FLO_OK) {
		flo__free(p);
		return FLO_NOMEM;
	}
	return FLO_OK;
}

flo_status flo__preset_spread(struct flo__run *run, const char *path)
{
	const struct flo__plan *plan = run->plan;
	uint32_t id = flo__preset_resolve(plan, path);
	char *p = flo__strdup(path);
	flo_status st = FLO_OK;
	bool within = false;

	if (p == NULL)
		return FLO_NOMEM;
	while (st == FLO_OK && id != FLO__NODE_NONE) {
		const struct flo__node *node = &plan->nodes[id];
		const struct flo__block *block;

		if (node->allow_failure || node->is_finally ||
		    node->parent == FLO__NODE_NONE ||
		    (within && is_tried(plan, id)) || !flo__path_cut(p))
			break;
		within = true;
		id = node->parent;
		block = &plan->blocks[plan->nodes[id].spec];
		/* It fails once, however many fail in it. */
		if (lookup(&run->poisons, p) != NULL)
			break;
		if (tolerates(block, count_failure(run, p)) ||
		    block->on_error == FLO__ON_ERROR_CONTINUE)
			break;
		st = poison(run, p, block->on_error);
	}
	flo__free(p);
	return st;
}

flo_status flo__preset_take(struct flo__run *run,
			    const struct flo__event *event, flo_error *err)
{
	bool ends = event->kind == FLO__EVENT_STEP_FINISHED ||
		    event->kind == FLO__EVENT_STEP_REUSED;
	flo_status st;

	if (event->path == NULL)
		return take_run(run, event, err);
	st = take_step(run, event, err);
	if (st == FLO_OK && ends && event->status == FLO__STATE_FAILED &&
	    flo__preset_spread(run, event->path) != FLO_OK)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
	if (st == FLO_OK && event->kind == FLO__EVENT_STEP_RETRYING &&
	    try_again(run, event->path) != FLO_OK)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
	return st;
}

flo_status flo__run_preset(struct flo__run *run, const char *json, size_t len,
			   flo_error *err)
{
	struct flo__event event;
	flo_value *doc = NULL;
	flo_status st = flo__event_parse(json, len, err, &doc, &event);

	if (st != FLO_OK)
		return st;
	if (flo__spent_note(run, &event) != FLO_OK)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
	else
		st = flo__preset_take(run, &event, err);
	if (event.seq > run->last_seq)
		run->last_seq = event.seq;
	flo_value_unref(doc);
	return st;
}

/* ---- what the record says of a block's children ---- */

static char *child_path(const struct flo__run *run, uint32_t id,
			const char *path, uint64_t i)
{
	const struct flo__plan *plan = run->plan;
	const struct flo__node *node = &plan->nodes[id];

	if (node->kind == FLO__NODE_FOREACH)
		return flo__path_item(path, i);
	return flo__path_child(
		path, plan->nodes[plan->children[node->first_child + i]].name);
}

static flo_status mark_those_begun(const struct flo__run *run, uint32_t id,
				   const char *path, uint64_t n, uint8_t *marks)
{
	if (!has_begun(run, path))
		return FLO_OK;
	for (uint64_t i = 0; i < n; i++) {
		char *p = child_path(run, id, path, i);

		if (p == NULL)
			return FLO_NOMEM;
		if (has_begun(run, p))
			marks[i] = FLO__RECORDED_BEGUN;
		flo__free(p);
	}
	return FLO_OK;
}

static void mark_passed(const struct flo__run *run, uint32_t id, uint64_t i,
			enum flo__recorded how, uint8_t *marks)
{
	const struct flo__plan *plan = run->plan;
	const struct flo__node *node = &plan->nodes[id];
	uint64_t pos = node->kind == FLO__NODE_FOREACH ? 0 : i;
	uint32_t child = plan->children[node->first_child + pos];

	/* A leaf that the run came by has an event. */
	if (marks[i] == FLO__RECORDED_NOT &&
	    flo__node_is_block(&plan->nodes[child]))
		marks[i] = (uint8_t)how;
}

/* What a member that began needs has ended. Returns whether there are needs.
 * Bounded: a member is put on the stack once. */
static flo_status mark_needs(const struct flo__run *run, uint32_t id,
			     uint64_t n, uint8_t *marks, bool *ret_needs)
{
	const struct flo__plan *plan = run->plan;
	const uint32_t *children = &plan->children[plan->nodes[id].first_child];
	uint32_t *todo = flo__calloc(n, sizeof(*todo));
	uint64_t len = 0;

	if (todo == NULL)
		return FLO_NOMEM;
	for (uint64_t i = 0; i < n; i++) {
		*ret_needs |= plan->nodes[children[i]].deps_len > 0;
		if (marks[i] == FLO__RECORDED_BEGUN)
			todo[len++] = (uint32_t)i;
	}
	while (len > 0) {
		const struct flo__node *node =
			&plan->nodes[children[todo[--len]]];

		for (uint32_t i = 0; i < node->deps_len; i++) {
			uint32_t dep = plan->edges[node->first_dep + i];
			uint32_t pos = plan->nodes[dep].pos;
			bool new = marks[pos] == FLO__RECORDED_NOT;

			mark_passed(run, id, pos, FLO__RECORDED_PASSED, marks);
			if (new &&marks[pos] != FLO__RECORDED_NOT)
				todo[len++] = pos;
		}
	}
	flo__free(todo);
	return FLO_OK;
}

/*
 * Whether child @i has begun, and so says something of those before it. Members
 * of a concurrent block of which something was taken over do not, whatever else
 * of them has run since: they are admitted first, and those before them, which
 * did not end well perhaps, later or never.
 */
static flo_status is_telling(const struct flo__run *run, uint32_t id,
			     const char *path, uint64_t i, const uint8_t *marks,
			     bool *ret)
{
	char *p;

	*ret = marks[i] == FLO__RECORDED_BEGUN;
	if (!*ret || run->rerun.of == NULL ||
	    run->plan->nodes[id].kind == FLO__NODE_SEQUENCE)
		return FLO_OK;
	p = child_path(run, id, path, i);
	if (p == NULL)
		return FLO_NOMEM;
	*ret = !is_taken_over(run, p);
	flo__free(p);
	return FLO_OK;
}

/*
 * Members without needs are admitted in written order, and before those that
 * have to wait. So those before one that began were come by, and where one
 * with needs began, all of them.
 */
static flo_status mark_free(const struct flo__run *run, uint32_t id,
			    const char *path, uint64_t n, uint8_t *marks)
{
	const struct flo__plan *plan = run->plan;
	const uint32_t *children = &plan->children[plan->nodes[id].first_child];
	uint64_t before = 0;
	bool telling;

	for (uint64_t i = 0; i < n; i++) {
		if (is_telling(run, id, path, i, marks, &telling) != FLO_OK)
			return FLO_NOMEM;
		if (!telling)
			continue;
		if (plan->nodes[children[i]].deps_len > 0)
			before = n;
		else if (before < i)
			before = i;
	}
	for (uint64_t i = 0; i < before; i++) {
		if (plan->nodes[children[i]].deps_len == 0)
			mark_passed(run, id, i, FLO__RECORDED_PASSED_BY, marks);
	}
	return FLO_OK;
}

/* The last child that has begun: those before it were passed. */
static flo_status last_begun(const struct flo__run *run, uint32_t id,
			     const char *path, uint64_t n, const uint8_t *marks,
			     uint64_t *ret)
{
	bool telling;

	for (uint64_t i = 0; i < n; i++) {
		if (is_telling(run, id, path, i, marks, &telling) != FLO_OK)
			return FLO_NOMEM;
		if (telling)
			*ret = i;
	}
	return FLO_OK;
}

flo_status flo__preset_inside(const struct flo__run *run, uint32_t id,
			      const char *path, bool *ret_yes)
{
	const struct flo__node *node = &run->plan->nodes[id];
	bool yes = false;

	for (uint64_t i = 0; !yes && i <= node->children_len; i++) {
		char *p = i < node->children_len
				  ? child_path(run, id, path, i)
				  : flo__path_child(path, "finally");

		if (p == NULL)
			return FLO_NOMEM;
		yes = has_begun(run, p);
		flo__free(p);
	}
	*ret_yes = yes;
	return FLO_OK;
}

flo_status flo__preset_recorded(struct flo__frame *frame, uint32_t id,
				const char *path, uint64_t n, bool passed,
				uint8_t **ret)
{
	const struct flo__run *run = frame->run;
	uint64_t before = 0; /* children that start in order were passed */
	bool needs = false;
	uint8_t *marks;
	flo_status st;

	*ret = NULL;
	if (!flo__run_replays(run) || is_anew(frame))
		return FLO_OK;
	marks = flo__calloc(n, 1);
	if (marks == NULL)
		return FLO_NOMEM;
	TRY(mark_those_begun(run, id, path, n, marks));
	if (run->plan->nodes[id].kind == FLO__NODE_GROUP)
		TRY(mark_needs(run, id, n, marks, &needs));
	if (!needs)
		TRY(last_begun(run, id, path, n, marks, &before));
	for (uint64_t i = 0; i < (passed ? n : before); i++)
		mark_passed(run, id, i, FLO__RECORDED_PASSED, marks);
	if (needs)
		TRY(mark_free(run, id, path, n, marks));
	*ret = marks;
	marks = NULL;
out:
	flo__free(marks);
	return st;
}

void flo__preset_fini(struct flo__run *run)
{
	for (uint32_t i = 0; i < run->presets.len; i++) {
		struct flo__preset *preset = run->presets.entries[i].slot.ptr;

		flo__result_fini(&preset->result);
		flo__free(preset);
	}
	for (uint32_t i = 0; i < run->poisons.len; i++)
		flo__free(run->poisons.entries[i].slot.ptr);
	flo__map_fini(&run->presets);
	flo__map_fini(&run->begun);
	flo__map_fini(&run->poisons);
	flo__map_fini(&run->failures);
	flo__spent_fini(run);
}
