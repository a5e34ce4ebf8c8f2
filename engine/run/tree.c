/*
 * One node of the tree: its condition, its time limit, its body, its finally.
 *
 * The errgroup rules of the language live here and in crew.c. A function that
 * recurses over the tree is bounded by FLO__PLAN_DEPTH_MAX and keeps flo_error
 * (1.3 KiB) out of its own stack frame.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void flo__result_fini(struct flo__result *result)
{
	flo_value_unref(result->output);
	flo_value_unref(result->error);
	result->output = NULL;
	result->error = NULL;
}

void flo__result_fail(struct flo__result *ret, const flo_value *error,
		      uint64_t seq)
{
	if (ret->state == FLO__STATE_FAILED && ret->error_seq <= seq)
		return;
	flo_value_unref(ret->error);
	ret->state = FLO__STATE_FAILED;
	ret->error = error != NULL ? flo_value_ref(error) : NULL;
	ret->error_seq = seq;
}

char *flo__path_child(const char *parent, const char *name)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_adds(&sb, parent);
	if (parent[0] != '\0')
		flo__strbuf_addc(&sb, '.');
	flo__strbuf_adds(&sb, name);
	return flo__strbuf_take(&sb);
}

char *flo__path_item(const char *path, uint64_t index)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_adds(&sb, path);
	flo__strbuf_addf(&sb, "[%" PRIu64 "]", index);
	return flo__strbuf_take(&sb);
}

bool flo__tree_fails(const struct flo__run *run, uint32_t id,
		     const struct flo__result *result)
{
	return result->state == FLO__STATE_FAILED &&
	       !run->plan->nodes[id].allow_failure;
}

flo_status flo__tree_tolerance(struct flo__frame *frame, uint32_t id,
			       uint64_t n, flo_error *err, uint64_t *ret)
{
	const struct flo__plan *plan = frame->run->plan;
	const struct flo__block *block = &plan->blocks[plan->nodes[id].spec];

	if (block->max_failures_percent > 0) {
		*ret = (uint64_t)((double)n * block->max_failures_percent /
				  100.0);
		return FLO_OK;
	}
	return flo__scope_number(frame, &block->max_failures, false, err, ret);
}

/* A failure of ours, not of a child: an expression, a limit, memory. */
static void fail_here(struct flo__run *run, const char *path, const char *kind,
		      const char *message, struct flo__result *ret)
{
	flo_value *error = flo__failure(kind, path, message, NULL, NULL);

	flo__result_fail(ret, error,
			 atomic_load_explicit(&run->last_seq,
					      memory_order_relaxed));
	flo_value_unref(error);
}

/* ---- nodes that never ran ---- */

void flo__tree_settle_children(struct flo__run *run, uint32_t id,
			       const char *path, enum flo__state state)
{
	const struct flo__node *node = &run->plan->nodes[id];
	const struct flo__block *block = &run->plan->blocks[node->spec];

	for (uint32_t i = 0; i < node->children_len; i++) {
		uint32_t child = run->plan->children[node->first_child + i];
		char *child_path =
			flo__path_child(path, run->plan->nodes[child].name);

		if (child_path != NULL)
			flo__tree_settle(run, child, child_path, state);
		flo__free(child_path);
	}
	if (block->finally != FLO__NODE_NONE) {
		char *finally_path = flo__path_child(path, "finally");

		if (finally_path != NULL)
			flo__tree_settle(run, block->finally, finally_path,
					 state);
		flo__free(finally_path);
	}
}

void flo__tree_settle(struct flo__run *run, uint32_t id, const char *path,
		      enum flo__state state)
{
	const struct flo__node *node = &run->plan->nodes[id];
	struct flo__result result = FLO__RESULT_INIT;

	result.state = state;
	if (!flo__node_is_block(node))
		flo__run_count(run, state, 1);
	else if (node->kind != FLO__NODE_FOREACH)
		flo__tree_settle_children(run, id, path, state);
	/* A foreach that never began has no instances to speak of. */
	flo__run_visit(run, path, id, &result);
}

/* ---- sequences ---- */

struct sequence {
	struct flo__frame *frame; /* the block's own */
	uint32_t id;
	const char *path;
	flo_context *ctx;
	uint64_t need_seq;
	uint64_t failures;
	uint64_t tolerance;
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
	if (s->ret->state == FLO__STATE_FAILED &&
	    block->on_error == FLO__ON_ERROR_CONTINUE &&
	    flo_context_status(s->ctx) == FLO_OK)
		return FLO__STATE_BLOCKED;
	return FLO__STATE_CANCELLED;
}

/* Take in how child @id ended. Returns whether the next one may start. */
static bool sequence_took(struct sequence *s, uint32_t id,
			  const struct flo__result *result)
{
	if (s->need_seq < result->end_seq)
		s->need_seq = result->end_seq;
	if (flo__tree_fails(s->frame->run, id, result)) {
		if (++s->failures <= s->tolerance)
			return true;
		flo__result_fail(s->ret, result->error, result->error_seq);
		return false;
	}
	switch (result->state) {
	case FLO__STATE_SUCCEEDED:
	case FLO__STATE_SKIPPED:
	case FLO__STATE_FAILED: /* allowed to */
		return true;
	default:
		s->ret->state = result->state;
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
			fail_here(run, s->path, "native", "out of memory",
				  s->ret);
			go_on = false;
		} else if (go_on) {
			flo__tree_run(s->frame, child, path, s->ctx,
				      s->need_seq, NULL, false, result);
			go_on = sequence_took(s, child, result);
		} else {
			result->state = rest_state(s);
			flo__tree_settle(run, child, path, result->state);
		}
		flo__free(path);
	}
	if (s->ret->state == FLO__STATE_NONE)
		s->ret->state = FLO__STATE_SUCCEEDED;
	s->ret->end_seq = s->need_seq;
}

/* ---- blocks ---- */

/* {"a": output of a, ...}; NULL when out of memory. */
static flo_value *outputs_of(const struct flo__run *run,
			     const struct flo__node *node,
			     const struct flo__result *results)
{
	flo_value *map = flo_value_map(node->children_len);

	for (uint32_t i = 0; map != NULL && i < node->children_len; i++) {
		uint32_t child = run->plan->children[node->first_child + i];
		flo_value *output = results[i].output != NULL
					    ? flo_value_ref(results[i].output)
					    : flo_value_null();

		if (flo_value_map_set(map, run->plan->nodes[child].name,
				      output) != FLO_OK) {
			flo_value_unref(map);
			return NULL;
		}
	}
	return map;
}

static void body_run(struct flo__frame *frame, uint32_t id, const char *path,
		     flo_context *ctx, uint64_t need_seq,
		     struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];
	struct sequence s = {frame, id, path, ctx, need_seq, 0, 0, ret};

	if (node->kind == FLO__NODE_SEQUENCE) {
		if (flo__tree_tolerance(frame, id, node->children_len, NULL,
					&s.tolerance) != FLO_OK) {
			fail_here(run, path, "expression",
				  "max_failures is not a number", ret);
			return;
		}
		sequence_run(&s);
	} else {
		flo__crew_run(frame, id, path, ctx, need_seq, ret);
	}
	if (ret->state == FLO__STATE_SUCCEEDED && ret->output == NULL &&
	    node->kind != FLO__NODE_FOREACH && node->parent != FLO__NODE_NONE)
		ret->output = outputs_of(run, node, frame->results);
}

/*
 * Tell why a body without a failure of its own did not succeed: the time
 * limit @ctx was made for here is a failure; what came from outside is not.
 */
static __attribute__((noinline)) void
judge_end(struct flo__run *run, const char *path, flo_context *parent,
	  flo_context *ctx, struct flo__result *ret)
{
	flo_error cause = FLO_ERROR_INIT;

	if (ret->state != FLO__STATE_CANCELLED)
		return;
	if (run->frozen) {
		if (flo__preset_ended_by(run, path))
			flo__result_fail(ret, run->final_error, 0);
		return;
	}
	if (flo_context_cause(ctx, &cause) == FLO_TIMEOUT &&
	    flo_context_status(parent) == FLO_OK)
		fail_here(run, path, "timeout", cause.text, ret);
	else if (flo_context_status(ctx) == FLO_OK && run->resumed)
		/* The crash came between a limit and its record. */
		fail_here(run, path, "cancelled",
			  "was being cancelled when the engine stopped", ret);
}

/* A child context of @parent for @timeout_ns (0: none); NULL without memory. */
static __attribute__((noinline)) flo_context *
limit_context(flo_context *parent, uint64_t timeout_ns, const char *path)
{
	char why[256], text[24];

	if (timeout_ns == 0)
		return flo_context_ref(parent);
	flo__duration_text(timeout_ns, text, sizeof(text));
	snprintf(why, sizeof(why), "time limit of %s of %.200s exceeded", text,
		 path[0] != '\0' ? path : "the run");
	return flo_context_timeout(parent, timeout_ns, why);
}

static void finally_run(struct flo__frame *outer, uint32_t id, const char *path,
			struct flo__result *ret)
{
	struct flo__run *run = outer->run;
	const struct flo__block *block =
		&run->plan->blocks[run->plan->nodes[id].spec];
	uint32_t body = block->finally;
	struct flo__frame around = {.kind = FLO__FRAME_FINALLY,
				    .run = run,
				    .parent = outer,
				    .node = id,
				    .body_state = ret->state,
				    .body_error = ret->error};
	struct flo__result result = FLO__RESULT_INIT;
	struct flo__result *results = NULL;
	char *finally_path = flo__path_child(path, "finally");
	flo_context *ctx = NULL;

	if (finally_path == NULL)
		goto nomem;
	ctx = limit_context(run->base, block->finally_timeout_ns, finally_path);
	results = flo__calloc(run->plan->nodes[body].children_len,
			      sizeof(*results));
	if (results == NULL || ctx == NULL)
		goto nomem;
	for (uint32_t i = 0; i < run->plan->nodes[body].children_len; i++)
		results[i] = (struct flo__result)FLO__RESULT_INIT;
	{
		struct flo__frame frame = {.kind = FLO__FRAME_BLOCK,
					   .run = run,
					   .parent = &around,
					   .node = body,
					   .results = results};

		body_run(&frame, body, finally_path, ctx, ret->end_seq,
			 &result);
		judge_end(run, finally_path, run->base, ctx, &result);
		flo__run_visit(run, finally_path, body, &result);
	}
	if (ret->end_seq < result.end_seq)
		ret->end_seq = result.end_seq;
	if (result.state == FLO__STATE_FAILED &&
	    ret->state != FLO__STATE_FAILED &&
	    ret->state != FLO__STATE_CANCELLED)
		flo__result_fail(ret, result.error, result.error_seq);
	if (result.state == FLO__STATE_CANCELLED &&
	    ret->state == FLO__STATE_SUCCEEDED)
		ret->state = FLO__STATE_CANCELLED;
	goto out;
nomem:
	fail_here(run, path, "native", "out of memory", ret);
out:
	for (uint32_t i = 0;
	     results != NULL && i < run->plan->nodes[body].children_len; i++)
		flo__result_fini(&results[i]);
	flo__free(results);
	flo__result_fini(&result);
	flo_context_unref(ctx);
	flo__free(finally_path);
}

static void block_run(struct flo__frame *outer, uint32_t id, const char *path,
		      flo_context *parent, uint64_t need_seq,
		      uint64_t timeout_ns, struct flo__result *ret)
{
	struct flo__run *run = outer->run;
	const struct flo__node *node = &run->plan->nodes[id];
	struct flo__frame frame = {.kind = FLO__FRAME_BLOCK,
				   .run = run,
				   .parent = outer,
				   .node = id};
	flo_context *ctx = limit_context(parent, timeout_ns, path);
	uint64_t begin_ns = flo_now();

	frame.results = flo__calloc(node->children_len, sizeof(*frame.results));
	if (ctx == NULL || frame.results == NULL) {
		fail_here(run, path, "native", "out of memory", ret);
		goto out;
	}
	for (uint32_t i = 0; i < node->children_len; i++)
		frame.results[i] = (struct flo__result)FLO__RESULT_INIT;
	ret->end_seq = need_seq;
	/* A foreach has no scope of its own: its items are its frames. */
	if (node->kind == FLO__NODE_FOREACH)
		body_run(outer, id, path, ctx, need_seq, ret);
	else
		body_run(&frame, id, path, ctx, need_seq, ret);
	judge_end(run, path, parent, ctx, ret);
	if (run->plan->blocks[node->spec].finally != FLO__NODE_NONE)
		finally_run(node->kind == FLO__NODE_FOREACH ? outer : &frame,
			    id, path, ret);
	if (ret->state != FLO__STATE_SUCCEEDED) {
		flo_value_unref(ret->output);
		ret->output = NULL;
	}
	ret->duration_ns = (int64_t)(flo_now() - begin_ns);
out:
	for (uint32_t i = 0; frame.results != NULL && i < node->children_len;
	     i++)
		flo__result_fini(&frame.results[i]);
	flo__free(frame.results);
	flo_context_unref(ctx);
}

/* Evaluate `when` and `timeout` of a block. Returns whether it shall run. */
static __attribute__((noinline)) bool
block_may_run(struct flo__frame *frame, uint32_t id, const char *path,
	      uint64_t *ret_timeout_ns, struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];
	const struct flo__attrs *attrs = &run->plan->attrs[node->attrs];
	flo_error err = FLO_ERROR_INIT;
	bool yes = true;

	if (attrs->when != NULL &&
	    flo__scope_bool(frame, attrs->when, NULL, &err, &yes) != FLO_OK) {
		flo_error_prefix(&err, "when");
		fail_here(run, path, "expression", err.text, ret);
		return false;
	}
	if (!yes) {
		ret->state = FLO__STATE_SKIPPED;
		return false;
	}
	if (flo__scope_number(frame, &attrs->timeout, true, &err,
			      ret_timeout_ns) != FLO_OK) {
		flo_error_prefix(&err, "timeout");
		fail_here(run, path, "expression", err.text, ret);
		return false;
	}
	return true;
}

/* A block that does not begin: all of it takes the state it was given. */
static void block_unrun(struct flo__run *run, uint32_t id, const char *path,
			struct flo__result *ret)
{
	enum flo__state below = ret->state;

	if (below == FLO__STATE_FAILED)
		below = FLO__STATE_CANCELLED;
	if (run->plan->nodes[id].kind != FLO__NODE_FOREACH)
		flo__tree_settle_children(run, id, path, below);
}

void flo__tree_run(struct flo__frame *frame, uint32_t id, const char *path,
		   flo_context *ctx, uint64_t need_seq, flo_group *group,
		   bool slot, struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];
	uint64_t timeout_ns = 0;
	bool began = flo__preset_begun(run, path);

	*ret = (struct flo__result)FLO__RESULT_INIT;
	if (!flo__node_is_block(node)) {
		flo__leaf_run(frame, id, path, ctx, need_seq, group, slot, ret);
		flo__run_visit(run, path, id, ret);
		return;
	}
	if (flo_context_status(ctx) != FLO_OK && !began) {
		ret->state = FLO__STATE_CANCELLED;
	} else if (run->frozen && !run->frozen_ended && !began) {
		ret->state = FLO__STATE_PENDING;
	} else if (block_may_run(frame, id, path, &timeout_ns, ret)) {
		block_run(frame, id, path, ctx, need_seq,
			  run->frozen ? 0 : timeout_ns, ret);
		began = true;
	} else {
		began = false;
	}
	if (!began)
		block_unrun(run, id, path, ret);
	if (ret->end_seq < need_seq)
		ret->end_seq = need_seq;
	flo__run_visit(run, path, id, ret);
}

void flo__tree_run_root(struct flo__frame *root, flo_context *ctx,
			struct flo__result *ret)
{
	struct flo__run *run = root->run;

	body_run(root, 0, "", ctx, 0, ret);
	judge_end(run, "", run->base, ctx, ret);
	if (run->plan->blocks[run->plan->nodes[0].spec].finally !=
	    FLO__NODE_NONE)
		finally_run(root, 0, "", ret);
}
