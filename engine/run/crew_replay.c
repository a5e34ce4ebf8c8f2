/*
 * What the record of an interrupted run says that a crew had admitted.
 */
#include "engine/run/crew_p.h"

#include "base/alloc.h"

/* Whether member @index is recorded and waits; by crew->lock. */
static bool may_replay(const struct flo__crew *crew, uint64_t index)
{
	if (crew->states[index] != FLO__STATE_NONE)
		return false;
	/* Of those without an event it is not known that they had begun, but
	 * where one that began needs them: where nothing new may start, none
	 * of them does. */
	return flo__crew_recorded(crew, index) == FLO__RECORDED_BEGUN ||
	       (flo__crew_recorded(crew, index) != FLO__RECORDED_NOT &&
		(crew->stop != FLO__CREW_STOP_DRAIN ||
		 (crew->pending != NULL &&
		  flo__crew_recorded(crew, index) == FLO__RECORDED_PASSED)));
}

/* The next recorded member of a group with needs; by crew->lock. */
static bool next_recorded_need(struct flo__crew *crew, uint64_t *seen,
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

static bool next_recorded(struct flo__crew *crew, uint64_t *seen,
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
static bool has_ended(const struct flo__crew *crew, uint64_t index)
{
	uint32_t id = flo__crew_node(crew, index);
	char *path = flo__crew_path(crew, index);
	const struct flo__preset *preset =
		path != NULL ? flo__preset_find(crew->frame, path) : NULL;

	flo__free(path);
	return preset != NULL && preset->result.state != FLO__STATE_RUNNING &&
	       preset->result.state != FLO__STATE_RETRYING &&
	       (preset->result.state == FLO__STATE_SKIPPED ||
		!flo__node_is_block(&crew->run->plan->nodes[id]));
}

static void replay(struct flo__crew *crew)
{
	flo_context *ctx = flo_group_context(crew->group);
	uint64_t seen = 0, index;

	while (next_recorded(crew, &seen, &index)) {
		/* In a context that has ended nobody is admitted any more, and
		 * what is under way there does not go on for long. */
		if (crew->run->frozen || has_ended(crew, index) ||
		    flo_context_status(ctx) != FLO_OK ||
		    !flo__crew_admit(crew, index))
			flo__crew_run_inline(crew, index);
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
static bool judge_next(struct flo__crew *crew)
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
		flo__crew_settle(crew, index,
				 crew->judged++ < crew->tally.tolerance);
	}
	crew->replaying = found;
	flo_mutex_unlock(&crew->lock);
	return found;
}

void flo__crew_replay(struct flo__crew *crew)
{
	crew->replaying = true; /* nobody else is there yet */
	do
		replay(crew);
	while (judge_next(crew));
}
