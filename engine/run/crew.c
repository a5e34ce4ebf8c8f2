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
#include "engine/run/crew_p.h"

#include "base/alloc.h"
#include "base/contract.h"

/* ---- admission ---- */

/*
 * The next member that may start, parking until there is one.
 * Returns false when there will be none.
 */
static bool next_ready(struct flo__crew *crew, uint64_t *ret_index)
{
	bool found = false;

	flo_mutex_lock(&crew->lock);
	flo__crew_pace(crew);
	for (;;) {
		if (crew->stop != FLO__CREW_STOP_NONE)
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

static void admit_all(struct flo__crew *crew)
{
	uint64_t index;

	while (next_ready(crew, &index)) {
		if (crew->run->frozen)
			flo__crew_run_inline(crew, index);
		else if (!flo__crew_admit(crew, index))
			break;
	}
}

/* ---- the whole ---- */

/* Members that never started: cancelled, blocked or, looking on, pending. */
static void settle_rest(struct flo__crew *crew)
{
	struct flo__run *run = crew->run;
	enum flo__state rest = FLO__STATE_CANCELLED;

	if (run->frozen && !run->frozen_ended &&
	    crew->stop == FLO__CREW_STOP_NONE &&
	    flo_context_status(crew->ctx) == FLO_OK)
		rest = FLO__STATE_PENDING;
	for (uint64_t i = 0; i < crew->n; i++) {
		struct flo__result result = FLO__RESULT_INIT;
		enum flo__state state = crew->states[i];
		char *path;

		if (state != FLO__STATE_NONE && state != FLO__STATE_BLOCKED)
			continue;
		if (state == FLO__STATE_NONE) {
			if (crew->stop == FLO__CREW_STOP_NONE)
				flo__tree_kept(crew->frame, crew->ctx);
			result.state = state = rest;
			flo__result_unended(crew->ret, &result);
		}
		if (crew->node->kind != FLO__NODE_FOREACH)
			crew->results[i].state = state;
		path = flo__crew_path(crew, i);
		if (path != NULL)
			flo__tree_settle(crew->frame, flo__crew_node(crew, i),
					 path, state);
		flo__free(path);
	}
}

static flo_status prepare(struct flo__crew *crew)
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
		needs |= plan->nodes[flo__crew_node(crew, i)].deps_len > 0;
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
		crew->pending[i] =
			plan->nodes[flo__crew_node(crew, i)].deps_len;
		if (crew->pending[i] == 0)
			crew->ready[crew->ready_tail++] = (uint32_t)i;
		crew->replays +=
			flo__crew_recorded(crew, i) != FLO__RECORDED_NOT;
	}
	return FLO_OK;
}

/* Evaluate what the block itself says: items, limit, tolerance. */
static __attribute__((noinline)) flo_status evaluate(struct flo__crew *crew,
						     uint32_t id,
						     flo_error *err,
						     uint64_t *ret_limit)
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
begin(struct flo__crew *crew, uint32_t id, const char *path, flo_context *ctx)
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
	struct flo__crew crew = {.frame = frame,
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
		flo__crew_stop(&crew, poison->mode, NULL);
	if (crew.recorded != NULL)
		flo__crew_replay(&crew);
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
