/*
 * The members of a crew: how they are admitted, run, and end.
 */
#include "engine/run/crew_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/value_p.h"

#include <string.h>

/* Members on their way at once: see the note in crew.c. */
#define HELD_MAX 256

struct member {
	struct flo__crew *crew;
	uint64_t index;
	char *path;
	uint64_t need_seq;
	struct flo__admission admission;
	bool failing; /* by crew->lock: counted in crew->failing */
	struct flo__frame item;
};

static void member_failing(struct flo__admission *admission);
static void member_working(struct flo__admission *admission, bool yes);

uint32_t flo__crew_node(const struct flo__crew *crew, uint64_t index)
{
	if (crew->node->kind == FLO__NODE_FOREACH)
		index = 0;
	return crew->run->plan->children[crew->node->first_child + index];
}

char *flo__crew_path(const struct flo__crew *crew, uint64_t index)
{
	if (crew->node->kind == FLO__NODE_FOREACH)
		return flo__path_item(crew->path, index);
	return flo__path_child(
		crew->path,
		crew->run->plan->nodes[flo__crew_node(crew, index)].name);
}

/* ---- how members end (all under crew->lock) ---- */

static __attribute__((noinline)) void cancel_with(struct flo__crew *crew,
						  const flo_value *error)
{
	const flo_value *path = flo_value_map_get(error, "path");
	const flo_value *message = flo_value_map_get(error, "message");
	flo_error cause = FLO_ERROR_INIT;

	if (flo__tree_is_limit(error) && crew->ret->state != FLO__STATE_FAILED)
		flo_error_set(&cause, FLO_CANCELED, "%s",
			      flo_value_get_string(message, NULL));
	else if (path != NULL && flo_value_typeof(path) == FLO_VALUE_STRING)
		flo_error_set(&cause, FLO_CANCELED, "%s failed",
			      flo_value_get_string(path, NULL));
	else
		flo_error_set(&cause, FLO_CANCELED, "a sibling failed");
	flo_context_cancel(flo_group_context(crew->group), &cause);
}

void flo__crew_stop(struct flo__crew *crew, enum flo__on_error mode,
		    const flo_value *error)
{
	if (mode == FLO__ON_ERROR_CONTINUE)
		return;
	if (mode == FLO__ON_ERROR_DRAIN && crew->stop == FLO__CREW_STOP_NONE)
		crew->stop = FLO__CREW_STOP_DRAIN;
	if (mode == FLO__ON_ERROR_CANCEL &&
	    crew->stop != FLO__CREW_STOP_CANCEL) {
		crew->stop = FLO__CREW_STOP_CANCEL;
		cancel_with(crew, error);
	}
}

/* A member that failed, or will never run, keeps those that need it from
 * running too. Bounded: each member is blocked at most once. */
static void block_successors(struct flo__crew *crew, uint64_t index)
{
	const struct flo__plan *plan = crew->run->plan;
	uint32_t *todo = crew->ready + crew->ready_tail; /* spare queue room */
	uint64_t n = 0;

	todo[n++] = (uint32_t)index;
	while (n > 0) {
		uint32_t id = flo__crew_node(crew, todo[--n]);
		const struct flo__node *node = &plan->nodes[id];

		for (uint32_t i = 0; i < node->succs_len; i++) {
			uint32_t succ = plan->edges[node->first_succ + i];
			uint32_t pos = plan->nodes[succ].pos;

			if (crew->states[pos] != FLO__STATE_NONE)
				continue;
			crew->states[pos] = FLO__STATE_BLOCKED;
			crew->results[pos].state = FLO__STATE_BLOCKED;
			todo[n++] = pos;
		}
	}
}

static void release_successors(struct flo__crew *crew, uint64_t index)
{
	const struct flo__plan *plan = crew->run->plan;
	const struct flo__node *node =
		&plan->nodes[flo__crew_node(crew, index)];

	for (uint32_t i = 0; i < node->succs_len; i++) {
		uint32_t succ = plan->edges[node->first_succ + i];
		uint32_t pos = plan->nodes[succ].pos;

		INSIST(crew->pending[pos] > 0);
		if (--crew->pending[pos] == 0 &&
		    crew->states[pos] == FLO__STATE_NONE)
			crew->ready[crew->ready_tail++] = pos;
	}
}

/* Whether a member's end lets those that need it run. */
static bool ended_well(struct flo__crew *crew, uint32_t id,
		       const struct flo__result *result)
{
	if (result->state == FLO__STATE_SUCCEEDED ||
	    result->state == FLO__STATE_SKIPPED)
		return true;
	if (result->state != FLO__STATE_FAILED)
		return false;
	if (!flo__tree_fails(crew->run, id, result))
		return true;
	if (!flo__tally_add(&crew->tally, result, crew->ret))
		return true;
	flo__crew_stop(crew, crew->block->on_error, result->error);
	return false;
}

/* A member did not come to an end of its own. Where the record says that a
 * time limit ended it, which is not this engine's, nothing new starts. */
static void member_unended(struct flo__crew *crew,
			   const struct flo__result *result)
{
	flo__result_unended(crew->ret, result);
	flo__tally_beside(&crew->tally, result);
	if (result->state == FLO__STATE_CANCELLED && crew->recorded != NULL &&
	    flo__tree_is_limit(result->error))
		flo__crew_stop(crew, FLO__ON_ERROR_CANCEL, result->error);
}

void flo__crew_settle(struct flo__crew *crew, uint64_t index, bool well)
{
	if (well)
		release_successors(crew, index);
	else if (crew->block->on_error == FLO__ON_ERROR_CONTINUE &&
		 crew->states[index] == FLO__STATE_FAILED)
		block_successors(crew, index);
}

/* Take in the end of member @index; @result is moved from. */
static void member_ended(struct flo__crew *crew, uint64_t index,
			 struct flo__result *result)
{
	uint32_t id = flo__crew_node(crew, index);
	bool counts = result->state == FLO__STATE_FAILED &&
		      flo__tree_fails(crew->run, id, result);
	bool well = ended_well(crew, id, result);

	crew->states[index] = (uint8_t)result->state;
	switch (result->state) {
	case FLO__STATE_CANCELLED:
	case FLO__STATE_PENDING:
	case FLO__STATE_RUNNING:
	case FLO__STATE_RETRYING:
		member_unended(crew, result);
		break;
	default:
		break;
	}
	if (crew->end_seq < result->end_seq)
		crew->end_seq = result->end_seq;
	if (crew->node->kind == FLO__NODE_FOREACH) {
		if (result->output != NULL)
			flo_value_list_set(crew->outputs, index,
					   flo_value_ref(result->output));
		flo__result_fini(result);
	} else {
		crew->results[index] = *result;
	}
	if (crew->pending == NULL)
		return;
	if (crew->replaying && counts && crew->tally.tolerance > 0)
		crew->unjudged[crew->unjudged_len++] = (uint32_t)index;
	else
		flo__crew_settle(crew, index, well);
}

/* ---- members ---- */

static void member_free(struct member *member)
{
	if (member == NULL)
		return;
	flo_value_unref(member->item.item);
	flo__free(member->path);
	flo__free(member);
}

static struct member *member_new(struct flo__crew *crew, uint64_t index)
{
	struct member *member = flo__calloc(1, sizeof(*member));

	if (member == NULL)
		return NULL;
	member->crew = crew;
	member->index = index;
	member->need_seq = crew->need_seq;
	member->admission.failing = member_failing;
	member->admission.working = member_working;
	member->path = flo__crew_path(crew, index);
	if (member->path == NULL) {
		member_free(member);
		return NULL;
	}
	if (crew->node->kind == FLO__NODE_FOREACH) {
		member->item = (struct flo__frame){
			.kind = FLO__FRAME_ITEM,
			.run = crew->run,
			.parent = crew->frame,
			.node = (uint32_t)(crew->node - crew->run->plan->nodes),
			.recorded = crew->recorded != NULL
					    ? &crew->recorded[index]
					    : NULL,
			.item = flo__items_at(&crew->items, index),
			.index = index};
		if (member->item.item == NULL) {
			member_free(member);
			return NULL;
		}
	}
	return member;
}

/* What must be durable before member @index starts: its needs' ends. */
static uint64_t needs_seq(const struct flo__crew *crew, uint64_t index)
{
	const struct flo__plan *plan = crew->run->plan;
	const struct flo__node *node =
		&plan->nodes[flo__crew_node(crew, index)];
	uint64_t seq = crew->need_seq;

	for (uint32_t i = 0; crew->pending != NULL && i < node->deps_len; i++) {
		uint32_t pos =
			plan->nodes[plan->edges[node->first_dep + i]].pos;

		if (seq < crew->results[pos].end_seq)
			seq = crew->results[pos].end_seq;
	}
	return seq;
}

/* The scope that a member is evaluated in. */
static struct flo__frame *member_frame(struct member *member)
{
	return member->crew->node->kind == FLO__NODE_FOREACH
		       ? &member->item
		       : member->crew->frame;
}

/*
 * A leaf is about to record that it has failed. From then on nothing new
 * starts, until member_ended() has judged what the failure means: else a
 * start could follow it in the record.
 */
static void member_failing(struct flo__admission *admission)
{
	struct member *member =
		(struct member *)((char *)admission -
				  offsetof(struct member, admission));
	struct flo__crew *crew = member->crew;

	flo_mutex_lock(&crew->lock);
	member->failing = true;
	crew->failing++;
	flo_mutex_unlock(&crew->lock);
}

/* One member fewer is on its way. */
static void let_go(struct flo__crew *crew)
{
	if (atomic_fetch_sub(&crew->held, 1) - 1 > HELD_MAX / 2 ||
	    !atomic_load(&crew->paced))
		return;
	flo_mutex_lock(&crew->lock);
	flo_cond_broadcast(&crew->room);
	flo_mutex_unlock(&crew->lock);
}

static void works(struct flo__crew *crew, bool yes)
{
	if (yes)
		let_go(crew);
	else
		atomic_fetch_add(&crew->held, 1);
}

static void member_working(struct flo__admission *admission, bool yes)
{
	struct member *member =
		(struct member *)((char *)admission -
				  offsetof(struct member, admission));

	works(member->crew, yes);
}

void flo__crew_pace(struct flo__crew *crew)
{
	if (atomic_load(&crew->held) < HELD_MAX)
		return;
	atomic_store(&crew->paced, true);
	while (atomic_load(&crew->held) > HELD_MAX / 2)
		flo_cond_wait(&crew->room, &crew->lock, NULL);
	atomic_store(&crew->paced, false);
}

/* Run a member in the calling coroutine; it is on its way meanwhile. */
static void member_run(struct member *member)
{
	struct flo__crew *crew = member->crew;
	bool block = flo__node_is_block(
		&crew->run->plan->nodes[flo__crew_node(crew, member->index)]);
	struct flo__result result;

	if (block)
		works(crew, true);
	flo__tree_run(member_frame(member), flo__crew_node(crew, member->index),
		      member->path, flo_group_context(crew->group),
		      member->need_seq, &member->admission, &result);
	if (block)
		works(crew, false);
	flo_mutex_lock(&crew->lock);
	member_ended(crew, member->index, &result);
	if (member->failing) {
		crew->failing--;
		flo_cond_broadcast(&crew->change);
	}
	flo_mutex_unlock(&crew->lock);
}

static flo_status member_main(flo_context *context, void *arg, flo_error *err)
{
	struct member *member = arg;
	struct flo__crew *crew = member->crew;

	(void)context;
	(void)err;
	member_run(member);
	member_free(member);
	flo_mutex_lock(&crew->lock);
	INSIST(crew->running > 0);
	crew->running--;
	flo_cond_broadcast(&crew->change);
	if (atomic_fetch_sub(&crew->held, 1) - 1 <= HELD_MAX / 2 &&
	    atomic_load(&crew->paced))
		flo_cond_broadcast(&crew->room);
	flo_mutex_unlock(&crew->lock);
	return FLO_OK;
}

static void out_of_memory(struct flo__crew *crew)
{
	flo_value *error =
		flo__failure("native", crew->path, "out of memory", NULL, NULL);

	flo_mutex_lock(&crew->lock);
	flo__result_fail(crew->ret, error, flo__run_seq(crew->run));
	flo__crew_stop(crew, FLO__ON_ERROR_CANCEL, error);
	flo_mutex_unlock(&crew->lock);
	flo_value_unref(error);
}

enum flo__recorded flo__crew_recorded(const struct flo__crew *crew,
				      uint64_t index)
{
	return crew->recorded != NULL ? crew->recorded[index]
				      : FLO__RECORDED_NOT;
}

/*
 * Record that the member starts, which is when a leaf does. By crew->lock, so
 * that it comes before or after a failure in the record as it does here.
 */
static void announce(struct flo__crew *crew, struct member *member)
{
	uint32_t id = flo__crew_node(crew, member->index);

	if (!flo__node_is_block(&crew->run->plan->nodes[id]))
		flo__leaf_announce(member_frame(member), id, member->path,
				   flo_group_context(crew->group),
				   &member->admission);
}

/* Whether the member may still start; then it counts as running. */
static bool admit_locked(struct flo__crew *crew, struct member *member)
{
	while (crew->failing > 0 && crew->stop == FLO__CREW_STOP_NONE)
		flo_cond_wait(&crew->change, &crew->lock, NULL);
	if (crew->stop != FLO__CREW_STOP_NONE &&
	    flo__crew_recorded(crew, member->index) == FLO__RECORDED_NOT)
		return false;
	crew->running++;
	atomic_fetch_add(&crew->held, 1);
	crew->states[member->index] = FLO__STATE_RUNNING;
	announce(crew, member);
	return true;
}

/* It could not be started. What was recorded of it gets its end here. */
static bool start_failed(struct flo__crew *crew, struct member *member)
{
	bool announced = member->admission.start_seq != 0;

	flo_mutex_lock(&crew->lock);
	crew->running--;
	if (!announced)
		crew->states[member->index] = FLO__STATE_NONE;
	flo_mutex_unlock(&crew->lock);
	out_of_memory(crew);
	if (announced) {
		member->admission.group = NULL;
		member_run(member);
		member_free(member);
	}
	atomic_fetch_sub(&crew->held, 1);
	if (!announced)
		return false;
	flo__group_slot_give(crew->group);
	return true;
}

/* Take the run's slot and start the member; the group's slot is held. Returns
 * false if it did not start: its slots are the caller's then. */
static bool admit_slotted(struct flo__crew *crew, struct member *member)
{
	uint32_t id = flo__crew_node(crew, member->index);
	flo_context *ctx = flo_group_context(crew->group);
	bool may;

	if (!flo__node_is_block(&crew->run->plan->nodes[id]) &&
	    flo__slots_needed(member_frame(member), id)) {
		if (flo__slots_take(member_frame(member), id, ctx, false) !=
		    FLO_OK)
			return false;
		member->admission.slot = true;
	}
	flo_mutex_lock(&crew->lock);
	may = admit_locked(crew, member);
	flo_mutex_unlock(&crew->lock);
	if (may && (flo__group_go_taken(crew->group, member_main, member,
					FLO__RUN_STACK, "step") == FLO_OK ||
		    start_failed(crew, member)))
		return true;
	if (member->admission.slot)
		flo__slots_give(member_frame(member), id);
	return false;
}

bool flo__crew_admit(struct flo__crew *crew, uint64_t index)
{
	struct member *member = member_new(crew, index);

	if (member == NULL) {
		out_of_memory(crew);
		return false;
	}
	member->need_seq = needs_seq(crew, index);
	member->admission.group = crew->group;
	if (flo__group_slot_take(crew->group, false) == FLO_OK) {
		if (admit_slotted(crew, member))
			return true;
		flo__group_slot_give(crew->group);
	}
	member_free(member);
	return false;
}

void flo__crew_run_inline(struct flo__crew *crew, uint64_t index)
{
	struct member *member = member_new(crew, index);

	if (member == NULL) {
		out_of_memory(crew);
		return;
	}
	member->need_seq = needs_seq(crew, index);
	flo_mutex_lock(&crew->lock);
	crew->states[index] = FLO__STATE_RUNNING;
	flo_mutex_unlock(&crew->lock);
	atomic_fetch_add(&crew->held, 1);
	member_run(member);
	atomic_fetch_sub(&crew->held, 1);
	member_free(member);
}
