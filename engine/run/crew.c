/*
 * Concurrent blocks: groups (with needs between members) and foreach.
 *
 * One coroutine, the block's own, admits members; each member is a coroutine
 * of the block's flo_group. Admission is in written order as members become
 * ready, takes the group's slot first and, for a leaf, the run's slot second,
 * so that nobody who holds the scarcer one waits for the other. A member, its
 * frame and its path exist from its admission to its end, so a foreach costs
 * memory by its limit and its results.
 *
 * Note: the pace of admission
 *
 * Without a limit all members may work at once, and one that works or waits in
 * its work keeps a stack for that. One that is only on its way does not need
 * to: queued for its first run, for crew->lock, for room in the journal. But
 * who admits is faster than all these, so that a foreach of 100,000 steps that
 * do nothing once had nearly all of them on their way at once, in 1.9 GB. So
 * members on their way are counted (held), and admission waits while there are
 * HELD_MAX of them, until half are gone. Each gets on without anybody else
 * being admitted, and admission waits before it takes a slot, so this cannot
 * lock up; and as those that work are not counted, it is no limit on them.
 * Refused: a limit by default, which would keep a foreach of 10,000 sleeping
 * steps from sleeping together.
 *
 * held is counted without the lock. Who takes it down looks at paced after
 * that; who is to wait sets paced and then looks at held. Both are seq_cst, so
 * one of the two sees the other. Of a member that is a block all of its body
 * counts as work: what waits in there does so in blocks of its own.
 *
 * By crew->lock: results, pending, the ready queue, failures, stop. A member's
 * result is written under it before its dependents are queued, which is what
 * lets them read it without the lock.
 *
 * What the record of an interrupted run says had been admitted comes first and
 * is admitted even though the crew has stopped, since its members have ends to
 * record or to be replayed. In a group with needs it too waits for what it
 * needs: a block evaluates its expressions anew, with the outputs of those.
 */
#include "engine/run/run_p.h"

#include "engine/group_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/value_p.h"

#include <string.h>

/* Members on their way at once: see the note. */
#define HELD_MAX 256

/* What a crew does with members that have not started. */
enum stop {
	STOP_NONE,
	STOP_DRAIN,  /* start nothing more, let the others finish */
	STOP_CANCEL, /* and the group's context has ended */
};

struct crew {
	struct flo__frame *frame; /* a group: its own; a foreach: the outer */
	struct flo__run *run;
	const struct flo__block *block;
	const struct flo__node *node;
	const char *path;
	flo_context *ctx; /* the block's; the group's is a child of it */
	flo_group *group;
	uint64_t need_seq;
	uint64_t n;
	struct flo__items items;	  /* of a foreach */
	bool passed;			  /* FLO__RECORDED_PASSED */
	struct flo__admission *admission; /* the block's own, or NULL */
	uint8_t *recorded;		  /* owned; constant; NULL: no record */

	flo_mutex lock;
	flo_cond change;	/* a member ended */
	flo_cond room;		/* fewer are on their way */
	_Atomic(uint32_t) held; /* seq_cst; partner: paced, see the note */
	atomic_bool paced;	/* seq_cst; written by lock; partner: held */
	struct flo__result *results; /* of a group: the frame's */
	flo_value *outputs;	     /* of a foreach: a list */
	uint8_t *states;	     /* enum flo__state of every member */
	uint32_t *pending; /* of a group with needs: dependencies not ended */
	uint32_t *ready;   /* of a group with needs: a queue of n places */
	uint64_t ready_head, ready_tail;
	uint64_t next; /* without needs: the next to admit */
	uint64_t running;
	uint64_t failing; /* members that record a failure just now */
	uint64_t replays; /* of a group with needs: recorded, not started */
	/* Of a group with needs, while it is replayed: failed members of which
	 * it is not known whether they are tolerated. See judge_next(). */
	uint32_t *unjudged; /* owned; room for n */
	uint64_t unjudged_len, judged;
	bool replaying;
	struct flo__tally tally;
	enum stop stop;
	struct flo__result *ret;
	uint64_t end_seq;
};

struct member {
	struct crew *crew;
	uint64_t index;
	char *path;
	uint64_t need_seq;
	struct flo__admission admission;
	bool failing; /* by crew->lock: counted in crew->failing */
	struct flo__frame item;
};

static void member_failing(struct flo__admission *admission);
static void member_working(struct flo__admission *admission, bool yes);

static uint32_t member_node(const struct crew *crew, uint64_t index)
{
	if (crew->node->kind == FLO__NODE_FOREACH)
		index = 0;
	return crew->run->plan->children[crew->node->first_child + index];
}

static char *member_path(const struct crew *crew, uint64_t index)
{
	if (crew->node->kind == FLO__NODE_FOREACH)
		return flo__path_item(crew->path, index);
	return flo__path_child(
		crew->path,
		crew->run->plan->nodes[member_node(crew, index)].name);
}

/* ---- how members end (all under crew->lock) ---- */

static __attribute__((noinline)) void cancel_with(struct crew *crew,
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

static void stop_by(struct crew *crew, enum flo__on_error mode,
		    const flo_value *error)
{
	if (mode == FLO__ON_ERROR_CONTINUE)
		return;
	if (mode == FLO__ON_ERROR_DRAIN && crew->stop == STOP_NONE)
		crew->stop = STOP_DRAIN;
	if (mode == FLO__ON_ERROR_CANCEL && crew->stop != STOP_CANCEL) {
		crew->stop = STOP_CANCEL;
		cancel_with(crew, error);
	}
}

/* A member that failed, or will never run, keeps those that need it from
 * running too. Bounded: each member is blocked at most once. */
static void block_successors(struct crew *crew, uint64_t index)
{
	const struct flo__plan *plan = crew->run->plan;
	uint32_t *todo = crew->ready + crew->ready_tail; /* spare queue room */
	uint64_t n = 0;

	todo[n++] = (uint32_t)index;
	while (n > 0) {
		uint32_t id = member_node(crew, todo[--n]);
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

static void release_successors(struct crew *crew, uint64_t index)
{
	const struct flo__plan *plan = crew->run->plan;
	const struct flo__node *node = &plan->nodes[member_node(crew, index)];

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
static bool ended_well(struct crew *crew, uint32_t id,
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
	stop_by(crew, crew->block->on_error, result->error);
	return false;
}

/* A member did not come to an end of its own. Where the record says that a
 * time limit ended it, which is not this engine's, nothing new starts. */
static void member_unended(struct crew *crew, const struct flo__result *result)
{
	flo__result_unended(crew->ret, result);
	flo__tally_beside(&crew->tally, result);
	if (result->state == FLO__STATE_CANCELLED && crew->recorded != NULL &&
	    flo__tree_is_limit(result->error))
		stop_by(crew, FLO__ON_ERROR_CANCEL, result->error);
}

/* Let go those that need member @index, or block them. */
static void settle_successors(struct crew *crew, uint64_t index, bool well)
{
	if (well)
		release_successors(crew, index);
	else if (crew->block->on_error == FLO__ON_ERROR_CONTINUE &&
		 crew->states[index] == FLO__STATE_FAILED)
		block_successors(crew, index);
}

/* Take in the end of member @index; @result is moved from. */
static void member_ended(struct crew *crew, uint64_t index,
			 struct flo__result *result)
{
	uint32_t id = member_node(crew, index);
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
		settle_successors(crew, index, well);
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

static struct member *member_new(struct crew *crew, uint64_t index)
{
	struct member *member = flo__calloc(1, sizeof(*member));

	if (member == NULL)
		return NULL;
	member->crew = crew;
	member->index = index;
	member->need_seq = crew->need_seq;
	member->admission.failing = member_failing;
	member->admission.working = member_working;
	member->path = member_path(crew, index);
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
static uint64_t needs_seq(const struct crew *crew, uint64_t index)
{
	const struct flo__plan *plan = crew->run->plan;
	const struct flo__node *node = &plan->nodes[member_node(crew, index)];
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
	struct crew *crew = member->crew;

	flo_mutex_lock(&crew->lock);
	member->failing = true;
	crew->failing++;
	flo_mutex_unlock(&crew->lock);
}

/* One member fewer is on its way. */
static void let_go(struct crew *crew)
{
	if (atomic_fetch_sub(&crew->held, 1) - 1 > HELD_MAX / 2 ||
	    !atomic_load(&crew->paced))
		return;
	flo_mutex_lock(&crew->lock);
	flo_cond_broadcast(&crew->room);
	flo_mutex_unlock(&crew->lock);
}

static void works(struct crew *crew, bool yes)
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

/* Wait, by crew->lock, until few enough are on their way. */
static void pace(struct crew *crew)
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
	struct crew *crew = member->crew;
	bool block = flo__node_is_block(
		&crew->run->plan->nodes[member_node(crew, member->index)]);
	struct flo__result result;

	if (block)
		works(crew, true);
	flo__tree_run(member_frame(member), member_node(crew, member->index),
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
	struct crew *crew = member->crew;

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

static void out_of_memory(struct crew *crew)
{
	flo_value *error =
		flo__failure("native", crew->path, "out of memory", NULL, NULL);

	flo_mutex_lock(&crew->lock);
	flo__result_fail(crew->ret, error, flo__run_seq(crew->run));
	stop_by(crew, FLO__ON_ERROR_CANCEL, error);
	flo_mutex_unlock(&crew->lock);
	flo_value_unref(error);
}

static enum flo__recorded recorded(const struct crew *crew, uint64_t index)
{
	return crew->recorded != NULL ? crew->recorded[index]
				      : FLO__RECORDED_NOT;
}

/*
 * Record that the member starts, which is when a leaf does. By crew->lock, so
 * that it comes before or after a failure in the record as it does here.
 */
static void announce(struct crew *crew, struct member *member)
{
	uint32_t id = member_node(crew, member->index);

	if (!flo__node_is_block(&crew->run->plan->nodes[id]))
		flo__leaf_announce(member_frame(member), id, member->path,
				   flo_group_context(crew->group),
				   &member->admission);
}

/* Whether the member may still start; then it counts as running. */
static bool admit_locked(struct crew *crew, struct member *member)
{
	while (crew->failing > 0 && crew->stop == STOP_NONE)
		flo_cond_wait(&crew->change, &crew->lock, NULL);
	if (crew->stop != STOP_NONE &&
	    recorded(crew, member->index) == FLO__RECORDED_NOT)
		return false;
	crew->running++;
	atomic_fetch_add(&crew->held, 1);
	crew->states[member->index] = FLO__STATE_RUNNING;
	announce(crew, member);
	return true;
}

/* It could not be started. What was recorded of it gets its end here. */
static bool start_failed(struct crew *crew, struct member *member)
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
static bool admit_slotted(struct crew *crew, struct member *member)
{
	uint32_t id = member_node(crew, member->index);
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

/* Admit member @index, parking while there is no slot. Returns false if the
 * crew has stopped meanwhile; then the member never ran. */
static bool admit(struct crew *crew, uint64_t index)
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

/* Run member @index here and now: inspections, and what a resumed run had
 * finished or must not go on with. */
static void run_inline(struct crew *crew, uint64_t index)
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

/* ---- what the record says had been admitted ---- */

/* Whether member @index is recorded and waits; by crew->lock. */
static bool may_replay(const struct crew *crew, uint64_t index)
{
	if (crew->states[index] != FLO__STATE_NONE)
		return false;
	/* Of those without an event it is not known that they had begun, but
	 * where one that began needs them: where nothing new may start, none
	 * of them does. */
	return recorded(crew, index) == FLO__RECORDED_BEGUN ||
	       (recorded(crew, index) != FLO__RECORDED_NOT &&
		(crew->stop != STOP_DRAIN ||
		 (crew->pending != NULL &&
		  recorded(crew, index) == FLO__RECORDED_PASSED)));
}

/* The next recorded member of a group with needs; by crew->lock. */
static bool next_recorded_need(struct crew *crew, uint64_t *seen,
			       uint64_t *ret_index)
{
	for (;;) {
		while (*seen < crew->ready_tail) {
			*ret_index = crew->ready[(*seen)++];
			if (may_replay(crew, *ret_index)) {
				crew->replays--;
				return true;
			}
		}
		if (crew->replays == 0 || crew->running == 0 ||
		    crew->unjudged_len > 0)
			return false;
		/* What ends may release another one. */
		flo_cond_wait(&crew->change, &crew->lock, NULL);
	}
}

static bool next_recorded(struct crew *crew, uint64_t *seen,
			  uint64_t *ret_index)
{
	bool found = false;

	flo_mutex_lock(&crew->lock);
	if (crew->pending != NULL) {
		found = next_recorded_need(crew, seen, ret_index);
	} else {
		while (!found && *seen < crew->n) {
			*ret_index = (*seen)++;
			found = may_replay(crew, *ret_index);
		}
	}
	flo_mutex_unlock(&crew->lock);
	return found;
}

/* Whether member @index has an end in the record. A block that has failed of
 * itself may have a finally still to come. */
static bool has_ended(const struct crew *crew, uint64_t index)
{
	uint32_t id = member_node(crew, index);
	char *path = member_path(crew, index);
	const struct flo__preset *preset =
		path != NULL ? flo__preset_find(crew->frame, path) : NULL;

	flo__free(path);
	return preset != NULL && preset->result.state != FLO__STATE_RUNNING &&
	       preset->result.state != FLO__STATE_RETRYING &&
	       (preset->result.state == FLO__STATE_SKIPPED ||
		!flo__node_is_block(&crew->run->plan->nodes[id]));
}

static void replay(struct crew *crew)
{
	flo_context *ctx = flo_group_context(crew->group);
	uint64_t seen = 0, index;

	while (next_recorded(crew, &seen, &index)) {
		/* In a context that has ended nobody is admitted any more, and
		 * what is under way there does not go on for long. */
		if (crew->run->frozen || has_ended(crew, index) ||
		    flo_context_status(ctx) != FLO_OK || !admit(crew, index))
			run_inline(crew, index);
	}
}

/*
 * Judge the failure that came first of those that the replay has met and not
 * judged. Returns false when there are none.
 *
 * A tolerance is for those that fail first, and members are replayed in written
 * order. So none that needs a failed one is let go or blocked before that one's
 * turn; then the replay goes on, since more of what is recorded may be ready.
 * A block that is replayed in a coroutine of its own may come too late for that.
 */
static bool judge_next(struct crew *crew)
{
	uint64_t first = 0;
	bool found;

	flo_mutex_lock(&crew->lock);
	found = crew->unjudged_len > 0;
	for (uint64_t i = 1; i < crew->unjudged_len; i++) {
		if (crew->results[crew->unjudged[i]].end_seq <
		    crew->results[crew->unjudged[first]].end_seq)
			first = i;
	}
	if (found) {
		uint32_t index = crew->unjudged[first];

		crew->unjudged[first] = crew->unjudged[--crew->unjudged_len];
		settle_successors(crew, index,
				  crew->judged++ < crew->tally.tolerance);
	}
	crew->replaying = found;
	flo_mutex_unlock(&crew->lock);
	return found;
}

static void replay_all(struct crew *crew)
{
	crew->replaying = true; /* nobody else is there yet */
	do
		replay(crew);
	while (judge_next(crew));
}

/* ---- admission ---- */

/*
 * The next member that may start, parking until there is one.
 * Returns false when there will be none.
 */
static bool next_ready(struct crew *crew, uint64_t *ret_index)
{
	bool found = false;

	flo_mutex_lock(&crew->lock);
	pace(crew);
	for (;;) {
		if (crew->stop != STOP_NONE)
			break;
		if (crew->pending == NULL) {
			while (crew->next < crew->n &&
			       crew->states[crew->next] != FLO__STATE_NONE)
				crew->next++;
			found = crew->next < crew->n;
			*ret_index = crew->next;
			crew->next += found;
			break;
		}
		if (crew->ready_head < crew->ready_tail) {
			*ret_index = crew->ready[crew->ready_head++];
			found = crew->states[*ret_index] == FLO__STATE_NONE;
			if (found)
				break;
			continue;
		}
		if (crew->running == 0)
			break;
		flo_cond_wait(&crew->change, &crew->lock, NULL);
	}
	flo_mutex_unlock(&crew->lock);
	return found;
}

static void admit_all(struct crew *crew)
{
	uint64_t index;

	while (next_ready(crew, &index)) {
		if (crew->run->frozen)
			run_inline(crew, index);
		else if (!admit(crew, index))
			break;
	}
}

/* ---- the whole ---- */

/* Members that never started: cancelled, blocked or, looking on, pending. */
static void settle_rest(struct crew *crew)
{
	struct flo__run *run = crew->run;
	enum flo__state rest = FLO__STATE_CANCELLED;

	if (run->frozen && !run->frozen_ended && crew->stop == STOP_NONE &&
	    flo_context_status(crew->ctx) == FLO_OK)
		rest = FLO__STATE_PENDING;
	for (uint64_t i = 0; i < crew->n; i++) {
		struct flo__result result = FLO__RESULT_INIT;
		enum flo__state state = crew->states[i];
		char *path;

		if (state != FLO__STATE_NONE && state != FLO__STATE_BLOCKED)
			continue;
		if (state == FLO__STATE_NONE) {
			result.state = state = rest;
			flo__result_unended(crew->ret, &result);
		}
		if (crew->node->kind != FLO__NODE_FOREACH)
			crew->results[i].state = state;
		path = member_path(crew, i);
		if (path != NULL)
			flo__tree_settle(crew->frame, member_node(crew, i),
					 path, state);
		flo__free(path);
	}
}

static flo_status prepare(struct crew *crew)
{
	const struct flo__plan *plan = crew->run->plan;
	bool needs = false;

	crew->states = flo__calloc(crew->n, 1);
	if (crew->states == NULL)
		return FLO_NOMEM;
	if (crew->node->kind == FLO__NODE_FOREACH) {
		crew->outputs = flo_value_list(crew->n);
		for (uint64_t i = 0; i < crew->n; i++) {
			if (crew->outputs == NULL ||
			    flo_value_list_add(crew->outputs,
					       flo_value_null()) != FLO_OK)
				return FLO_NOMEM;
		}
		return FLO_OK;
	}
	for (uint64_t i = 0; i < crew->n; i++)
		needs |= plan->nodes[member_node(crew, i)].deps_len > 0;
	if (!needs)
		return FLO_OK;
	crew->pending = flo__calloc(crew->n, sizeof(*crew->pending));
	/* Twice n: block_successors() uses the rest as its stack. */
	crew->ready = flo__calloc(2 * crew->n + 1, sizeof(*crew->ready));
	crew->unjudged = flo__calloc(crew->n, sizeof(*crew->unjudged));
	if (crew->pending == NULL || crew->ready == NULL ||
	    crew->unjudged == NULL)
		return FLO_NOMEM;
	for (uint64_t i = 0; i < crew->n; i++) {
		crew->pending[i] = plan->nodes[member_node(crew, i)].deps_len;
		if (crew->pending[i] == 0)
			crew->ready[crew->ready_tail++] = (uint32_t)i;
		crew->replays += recorded(crew, i) != FLO__RECORDED_NOT;
	}
	return FLO_OK;
}

/* Evaluate what the block itself says: items, limit, tolerance. */
static __attribute__((noinline)) flo_status
evaluate(struct crew *crew, uint32_t id, flo_error *err, uint64_t *ret_limit)
{
	flo_status st = FLO_OK;

	crew->n = crew->node->children_len;
	if (crew->node->kind == FLO__NODE_FOREACH) {
		TRY(flo__items_init(&crew->items, crew->frame, crew->block,
				    err));
		crew->n = crew->items.len;
	}
	TRY(flo__scope_limit(crew->frame, &crew->block->limit, err, ret_limit));
	TRY(flo__tree_tolerance(crew->frame, id, crew->n, err,
				&crew->tally.tolerance));
	if (flo__preset_recorded(crew->frame, id, crew->path, crew->n,
				 crew->passed, &crew->recorded) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
out:
	return st;
}

static __attribute__((noinline)) flo_status
begin(struct crew *crew, uint32_t id, const char *path, flo_context *ctx)
{
	flo_error err = FLO_ERROR_INIT;
	uint64_t limit = 0;
	flo_status st;

	TRY(evaluate(crew, id, &err, &limit));
	st = prepare(crew);
	/* Last: a group that exists is waited for. */
	if (st == FLO_OK)
		st = flo_group_new(ctx, &crew->group);
	if (st != FLO_OK)
		flo_error_set(&err, st, "out of memory");
	else if (limit > 0)
		flo_group_set_limit(crew->group, limit > UINT32_MAX
							 ? UINT32_MAX
							 : (uint32_t)limit);
out:
	if (st != FLO_OK)
		flo__block_fail(crew->frame, path, err.text, crew->admission,
				crew->ret);
	return st;
}

void flo__crew_run(struct flo__frame *frame, uint32_t id, const char *path,
		   flo_context *ctx, uint64_t need_seq, bool passed,
		   struct flo__admission *admission, struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];
	const struct flo__poison *poison = flo__preset_poison(frame, path);
	struct crew crew = {.frame = frame,
			    .run = run,
			    .block = &run->plan->blocks[node->spec],
			    .node = node,
			    .path = path,
			    .ctx = ctx,
			    .need_seq = need_seq,
			    .passed = passed,
			    .admission = admission,
			    .results = frame->results,
			    .ret = ret,
			    .end_seq = need_seq};

	if (begin(&crew, id, path, ctx) != FLO_OK) {
		flo__tree_settle_body(frame, id, path, FLO__STATE_CANCELLED);
		goto out;
	}
	if (node->kind != FLO__NODE_FOREACH)
		frame->recorded = crew.recorded;
	if (poison != NULL)
		stop_by(&crew, poison->mode, NULL);
	if (crew.recorded != NULL)
		replay_all(&crew);
	admit_all(&crew);
	flo_group_wait(crew.group, NULL);
	settle_rest(&crew);
	if (ret->state == FLO__STATE_NONE) {
		ret->state = FLO__STATE_SUCCEEDED;
		ret->output = crew.outputs;
		crew.outputs = NULL;
	}
	ret->end_seq = crew.end_seq;
	flo__tally_finish(&crew.tally, ret);
out:
	if (node->kind != FLO__NODE_FOREACH)
		frame->recorded = NULL;
	flo_group_free(crew.group);
	flo__tally_fini(&crew.tally);
	flo_value_unref(crew.outputs);
	flo__free(crew.recorded);
	flo__items_fini(&crew.items);
	flo__free(crew.states);
	flo__free(crew.pending);
	flo__free(crew.ready);
	flo__free(crew.unjudged);
}
