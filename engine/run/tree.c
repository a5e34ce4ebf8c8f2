/*
 * One node of the tree: its condition, its time limit, its body, its finally.
 *
 * The errgroup rules of the language live here, in sequence.c and in the crews.
 * A function that recurses over the tree is bounded by FLO__PLAN_DEPTH_MAX and
 * keeps flo_error (1.3 KiB) out of its own stack frame.
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
	flo_value_unref(result->others);
	flo_value_unref(result->command);
	result->output = NULL;
	result->error = NULL;
	result->others = NULL;
	result->command = NULL;
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

void flo__result_unended(struct flo__result *ret,
			 const struct flo__result *child)
{
	enum flo__state state = child->state;

	/* A block is not what its leaf is: it runs while anything in it does,
	 * and waits for its turn only before anything has begun. */
	if (state == FLO__STATE_RETRYING ||
	    (state == FLO__STATE_PENDING && ret->begun))
		state = FLO__STATE_RUNNING;
	if (ret->state == FLO__STATE_FAILED)
		return;
	if (state == FLO__STATE_CANCELLED && child->error != NULL &&
	    (ret->error == NULL || child->error_seq < ret->error_seq)) {
		flo_value_unref(ret->error);
		ret->error = flo_value_ref(child->error);
		ret->error_seq = child->error_seq;
	}
	if (ret->state == FLO__STATE_NONE ||
	    ret->state == FLO__STATE_SUCCEEDED ||
	    (ret->state == FLO__STATE_PENDING && state == FLO__STATE_RUNNING))
		ret->state = state;
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
	return flo__scope_number(frame, &block->max_failures, FLO__NUMBER_COUNT,
				 err, ret);
}

void flo__tree_fail(struct flo__run *run, const char *path, const char *kind,
		    const char *message, struct flo__result *ret)
{
	flo_value *error = flo__failure(kind, path, message, NULL, NULL);

	flo__result_fail(ret, error, flo__run_seq(run));
	flo_value_unref(error);
}

/* ---- nodes that never ran ---- */

void flo__tree_settle_body(struct flo__frame *frame, uint32_t id,
			   const char *path, enum flo__state state)
{
	const struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];

	/* A foreach that never began has no instances to speak of. */
	if (node->kind == FLO__NODE_FOREACH)
		return;
	for (uint32_t i = 0; i < node->children_len; i++) {
		uint32_t child = run->plan->children[node->first_child + i];
		char *child_path =
			flo__path_child(path, run->plan->nodes[child].name);

		if (child_path != NULL)
			flo__tree_settle(frame, child, child_path, state);
		flo__free(child_path);
	}
}

void flo__tree_settle_children(struct flo__frame *frame, uint32_t id,
			       const char *path, enum flo__state state)
{
	const struct flo__plan *plan = frame->run->plan;
	const struct flo__block *block = &plan->blocks[plan->nodes[id].spec];

	flo__tree_settle_body(frame, id, path, state);
	if (block->finally != FLO__NODE_NONE) {
		char *finally_path = flo__path_child(path, "finally");

		if (finally_path != NULL)
			flo__tree_settle(frame, block->finally, finally_path,
					 state);
		flo__free(finally_path);
	}
}

void flo__tree_settle(struct flo__frame *frame, uint32_t id, const char *path,
		      enum flo__state state)
{
	struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];
	struct flo__result result = FLO__RESULT_INIT;

	if (run->frozen)
		flo__past_show(run, path, &result);
	result.state = state;
	if (!flo__node_is_block(node))
		flo__run_count(frame, state, 1);
	else
		flo__tree_settle_children(frame, id, path, state);
	flo__run_visit(run, path, id, &result);
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
		     flo_context *ctx, uint64_t need_seq, bool passed,
		     struct flo__admission *admission, struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];

	if (node->kind == FLO__NODE_SEQUENCE)
		flo__sequence_run(frame, id, path, ctx, need_seq, passed,
				  admission, ret);
	else
		flo__crew_run(frame, id, path, ctx, need_seq, passed, admission,
			      ret);
	if (ret->state == FLO__STATE_SUCCEEDED && ret->output == NULL &&
	    node->kind != FLO__NODE_FOREACH && node->parent != FLO__NODE_NONE &&
	    run->plan->blocks[node->spec].call == NULL) {
		ret->output = outputs_of(run, node, frame->results);
		if (ret->output == NULL)
			flo__tree_fail(run, path, "native", "out of memory",
				       ret);
	}
}

static void finally_run(struct flo__frame *outer, uint32_t id, const char *path,
			bool passed, struct flo__result *ret)
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
	char limit[FLO__LIMIT_TEXT_SIZE];
	struct flo__frame frame = {.kind = FLO__FRAME_BLOCK,
				   .run = run,
				   .parent = &around,
				   .node = body,
				   .limit = limit};
	flo_context *ctx = NULL;

	if (finally_path == NULL)
		goto nomem;
	flo__limit_text(block->finally_timeout_ns, finally_path, limit);
	ctx = flo__limit_context(&frame, finally_path, run->base,
				 block->finally_timeout_ns,
				 block->finally_timeout_ns, &result);
	results = flo__calloc(run->plan->nodes[body].children_len,
			      sizeof(*results));
	if (results == NULL || ctx == NULL)
		goto nomem;
	for (uint32_t i = 0; i < run->plan->nodes[body].children_len; i++)
		results[i] = (struct flo__result)FLO__RESULT_INIT;
	frame.results = results;
	body_run(&frame, body, finally_path, ctx, ret->end_seq, passed, NULL,
		 &result);
	flo__limit_judge(&frame, finally_path, run->base, ctx,
			 block->finally_timeout_ns, NULL, &result);
	flo__block_errors(&result);
	flo__run_visit(run, finally_path, body, &result);
	if (ret->end_seq < result.end_seq)
		ret->end_seq = result.end_seq;
	if (result.state == FLO__STATE_FAILED)
		flo__block_finally_failed(ret, &result);
	if (ret->state == FLO__STATE_SUCCEEDED &&
	    result.state != FLO__STATE_SUCCEEDED)
		flo__result_unended(ret, &result);
	goto out;
nomem:
	flo__tree_fail(run, path, "native", "out of memory", ret);
out:
	for (uint32_t i = 0;
	     results != NULL && i < run->plan->nodes[body].children_len; i++)
		flo__result_fini(&results[i]);
	flo__free(results);
	flo__result_fini(&result);
	flo_context_unref(ctx);
	flo__free(finally_path);
}

/* What comes after the body of block @id, in its own @frame: why it ended, its
 * finally, its errors. */
static void block_end(struct flo__frame *frame, uint32_t id, const char *path,
		      bool passed, struct flo__result *ret)
{
	struct flo__run *run = frame->run;

	flo__block_errors(ret);
	if (run->plan->blocks[run->plan->nodes[id].spec].finally !=
	    FLO__NODE_NONE) {
		finally_run(frame, id, path, passed, ret);
		flo__block_errors(ret);
	}
}

static void block_run(struct flo__frame *outer, uint32_t id, const char *path,
		      flo_context *parent, uint64_t need_seq,
		      uint64_t timeout_ns, bool passed,
		      struct flo__admission *admission, struct flo__result *ret)
{
	struct flo__run *run = outer->run;
	const struct flo__node *node = &run->plan->nodes[id];
	char limit[FLO__LIMIT_TEXT_SIZE];
	struct flo__frame frame = {.kind = FLO__FRAME_BLOCK,
				   .run = run,
				   .parent = outer,
				   .node = id,
				   .limit = timeout_ns != 0 ? limit : NULL};
	uint64_t begin_ns = flo_now();
	flo_context *ctx;

	if (timeout_ns != 0)
		flo__limit_text(timeout_ns, path, limit);
	ctx = flo__limit_context(&frame, path, parent, timeout_ns,
				 flo__spent_left(outer, path, timeout_ns), ret);
	frame.results = flo__calloc(node->children_len, sizeof(*frame.results));
	if (ctx == NULL || frame.results == NULL) {
		flo__tree_fail(run, path, "native", "out of memory", ret);
		flo__tree_settle_children(outer, id, path,
					  FLO__STATE_CANCELLED);
		goto out;
	}
	for (uint32_t i = 0; i < node->children_len; i++)
		frame.results[i] = (struct flo__result)FLO__RESULT_INIT;
	ret->end_seq = need_seq;
	/* With a finally it has not failed yet when its body has. */
	if (run->plan->blocks[node->spec].finally != FLO__NODE_NONE)
		admission = NULL;
	/* A foreach has no scope of its own: its items are its frames. */
	if (node->kind == FLO__NODE_FOREACH)
		body_run(outer, id, path, ctx, need_seq, passed, admission,
			 ret);
	else
		body_run(&frame, id, path, ctx, need_seq, passed, admission,
			 ret);
	flo__limit_judge(&frame, path, parent, ctx, timeout_ns, admission, ret);
	block_end(node->kind == FLO__NODE_FOREACH ? outer : &frame, id, path,
		  passed, ret);
	if (run->plan->blocks[node->spec].call != NULL)
		flo__nested_output(&frame, id, path, admission, ret);
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
	      struct flo__admission *admission, uint64_t *ret_timeout_ns,
	      struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];
	const struct flo__attrs *attrs = &run->plan->attrs[node->attrs];
	flo_error err = FLO_ERROR_INIT;
	bool yes = !flo__block_skipped(frame, path);

	if (yes && attrs->when != NULL &&
	    flo__scope_bool(frame, attrs->when, NULL, &err, &yes) != FLO_OK) {
		flo_error_prefix(&err, "when");
		flo__block_fail(frame, path, err.text, admission, ret);
		return false;
	}
	if (!yes) {
		flo__block_skip(frame, path, ret);
		return false;
	}
	if (flo__scope_number(frame, &attrs->timeout, FLO__NUMBER_TIMEOUT, &err,
			      ret_timeout_ns) != FLO_OK) {
		flo_error_prefix(&err, "timeout");
		flo__block_fail(frame, path, err.text, admission, ret);
		return false;
	}
	return true;
}

bool flo__tree_call(struct flo__frame *frame, uint32_t id, const char *path,
		    flo_context *ctx, uint64_t need_seq, uint64_t timeout_ns,
		    bool passed, struct flo__tried *tried,
		    struct flo__admission *admission, struct flo__result *ret)
{
	struct flo__nested *nested = flo__nested_new(frame, id, path, admission,
						     &timeout_ns, tried, ret);

	if (nested == NULL)
		return false;
	block_run(&nested->frame, id, path, ctx, need_seq, timeout_ns, passed,
		  admission, ret);
	flo__nested_free(nested);
	return true;
}

/* Run a block that may run. Returns whether it began. */
static bool block_begin(struct flo__frame *frame, uint32_t id, const char *path,
			flo_context *ctx, uint64_t need_seq,
			uint64_t timeout_ns, bool passed,
			struct flo__admission *admission,
			struct flo__result *ret)
{
	const struct flo__plan *plan = frame->run->plan;
	const struct flo__call *call = plan->blocks[plan->nodes[id].spec].call;

	if (call != NULL && call->retry != NULL)
		return flo__again_run(frame, id, path, ctx, need_seq,
				      timeout_ns, passed, admission, ret);
	if (call != NULL)
		return flo__tree_call(frame, id, path, ctx, need_seq,
				      timeout_ns, passed, NULL, admission, ret);
	block_run(frame, id, path, ctx, need_seq, timeout_ns, passed, admission,
		  ret);
	return true;
}

/* A block that does not begin: all of it takes the state it was given. */
static void block_unrun(struct flo__frame *frame, uint32_t id, const char *path,
			struct flo__result *ret)
{
	enum flo__state below = ret->state;

	if (below == FLO__STATE_FAILED)
		below = FLO__STATE_CANCELLED;
	/* It waits for an attempt to come. */
	if (below == FLO__STATE_RETRYING)
		below = FLO__STATE_PENDING;
	flo__tree_settle_children(frame, id, path, below);
}

void flo__tree_run(struct flo__frame *frame, uint32_t id, const char *path,
		   flo_context *ctx, uint64_t need_seq,
		   struct flo__admission *admission, struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	const struct flo__node *node = &run->plan->nodes[id];
	enum flo__recorded recorded = frame->recorded != NULL
					      ? frame->recorded[node->pos]
					      : FLO__RECORDED_NOT;
	bool began = recorded != FLO__RECORDED_NOT;
	uint64_t timeout_ns = 0;

	*ret = (struct flo__result)FLO__RESULT_INIT;
	if (!flo__node_is_block(node)) {
		flo__leaf_run(frame, id, path, ctx, need_seq, admission, ret);
		flo__run_visit(run, path, id, ret);
		return;
	}
	ret->begun = recorded == FLO__RECORDED_BEGUN;
	if (flo_context_status(ctx) != FLO_OK && !began) {
		flo__tree_kept(frame, ctx);
		ret->state = FLO__STATE_CANCELLED;
	} else if (run->frozen && !run->frozen_ended && !began) {
		ret->state = FLO__STATE_PENDING;
	} else if (block_may_run(frame, id, path, admission, &timeout_ns,
				 ret) &&
		   block_begin(frame, id, path, ctx, need_seq, timeout_ns,
			       recorded == FLO__RECORDED_PASSED ||
				       recorded == FLO__RECORDED_PASSED_BY,
			       admission, ret)) {
		began = true;
	} else {
		began = false;
	}
	if (!began)
		block_unrun(frame, id, path, ret);
	if (ret->end_seq < need_seq)
		ret->end_seq = need_seq;
	flo__run_visit(run, path, id, ret);
}

void flo__tree_run_root(struct flo__frame *root, flo_context *ctx,
			struct flo__result *ret)
{
	struct flo__run *run = root->run;

	body_run(root, 0, "", ctx, 0, false, NULL, ret);
	/* What was stopped may be in a block whose failures are allowed, and
	 * which had failed before: the run was stopped all the same. */
	if (ret->state == FLO__STATE_SUCCEEDED &&
	    atomic_load_explicit(&run->cut, memory_order_relaxed))
		ret->state = FLO__STATE_CANCELLED;
	flo__limit_judge_end(run, "", run->base, ctx, run->timeout_ns, ret);
	block_end(root, 0, "", false, ret);
}
