/*
 * Sequences: one child after the other, until one fails or the context ends.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"

struct sequence {
	struct flo__frame *frame; /* the block's own */
	uint32_t id;
	const char *path;
	flo_context *ctx;
	uint64_t need_seq;
	struct flo__admission *admission;
	struct flo__tally tally;
	struct flo__result *ret;
};

/* What the children that come after a failure or the end of @ctx become. */
static enum flo__state rest_state(const struct sequence *s)
{
	const struct flo__run *run = s->frame->run;
	const struct flo__block *block =
		&run->plan->blocks[run->plan->nodes[s->id].spec];

	if (run->frozen && s->ret->state != FLO__STATE_FAILED &&
	    s->ret->state != FLO__STATE_CANCELLED)
		return FLO__STATE_PENDING;
	/* Whether @ctx has ended by now does not matter, or it would depend on
	 * when one looks. */
	if (s->ret->state == FLO__STATE_FAILED &&
	    block->on_error == FLO__ON_ERROR_CONTINUE)
		return FLO__STATE_BLOCKED;
	return FLO__STATE_CANCELLED;
}

/* Take in how child @id ended. Returns whether the next one may start. */
static bool sequence_took(struct sequence *s, uint32_t id,
			  const struct flo__result *result)
{
	if (s->need_seq < result->end_seq)
		s->need_seq = result->end_seq;
	if (flo__tree_fails(s->frame->run, id, result))
		return !flo__tally_add(&s->tally, result, s->ret);
	switch (result->state) {
	case FLO__STATE_SUCCEEDED:
	case FLO__STATE_SKIPPED:
	case FLO__STATE_FAILED: /* allowed to */
		return true;
	default:
		flo__result_unended(s->ret, result);
		flo__tally_beside(&s->tally, result);
		return false;
	}
}

static void sequence_run(struct sequence *s)
{
	struct flo__run *run = s->frame->run;
	const struct flo__node *node = &run->plan->nodes[s->id];
	bool go_on = true;

	for (uint32_t i = 0; i < node->children_len; i++) {
		uint32_t child = run->plan->children[node->first_child + i];
		struct flo__result *result = &s->frame->results[i];
		char *path =
			flo__path_child(s->path, run->plan->nodes[child].name);

		if (path == NULL) {
			flo__tree_fail(run, s->path, "native", "out of memory",
				       s->ret);
			go_on = false;
		} else if (go_on) {
			flo__tree_run(s->frame, child, path, s->ctx,
				      s->need_seq, NULL, result);
			go_on = sequence_took(s, child, result);
		} else {
			result->state = rest_state(s);
			flo__tree_settle(s->frame, child, path, result->state);
		}
		flo__free(path);
	}
	if (s->ret->state == FLO__STATE_NONE)
		s->ret->state = FLO__STATE_SUCCEEDED;
	s->ret->end_seq = s->need_seq;
	flo__tally_finish(&s->tally, s->ret);
	flo__tally_fini(&s->tally);
}

/* Begin a sequence and run it. */
static void sequence_begin(struct sequence *s, bool passed)
{
	struct flo__run *run = s->frame->run;
	uint32_t n = run->plan->nodes[s->id].children_len;
	uint8_t *recorded = NULL;

	if (flo__tree_tolerance(s->frame, s->id, n, NULL,
				&s->tally.tolerance) != FLO_OK) {
		flo__block_fail(s->frame, s->path,
				"max_failures is not a number", s->admission,
				s->ret);
	} else if (flo__preset_recorded(s->frame, s->id, s->path, n, passed,
					&recorded) != FLO_OK) {
		flo__tree_fail(run, s->path, "native", "out of memory", s->ret);
	} else {
		s->frame->recorded = recorded;
		sequence_run(s);
		s->frame->recorded = NULL;
		flo__free(recorded);
		return;
	}
	flo__tree_settle_body(s->frame, s->id, s->path, FLO__STATE_CANCELLED);
}

void flo__sequence_run(struct flo__frame *frame, uint32_t id, const char *path,
		       flo_context *ctx, uint64_t need_seq, bool passed,
		       struct flo__admission *admission,
		       struct flo__result *ret)
{
	struct sequence s = {.frame = frame,
			     .id = id,
			     .path = path,
			     .ctx = ctx,
			     .need_seq = need_seq,
			     .admission = admission,
			     .ret = ret};

	sequence_begin(&s, passed);
}
