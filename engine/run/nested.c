/*
 * A pipeline within the pipeline: a block whose inside has params, an `env`
 * and a limit of its own.
 *
 * Its params and `env` are computed when it begins, from what is around it,
 * and anew by a resumed run, as all that blocks say of themselves.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

struct flo__nested *flo__nested_of(struct flo__frame *frame)
{
	while (frame != NULL && frame->kind != FLO__FRAME_NESTED)
		frame = frame->parent;
	return (struct flo__nested *)frame;
}

/* ---- beginning ---- */

/* What the step gives, computed outside. */
static flo_status given(struct flo__nested *nested, flo_error *err,
			flo_value **ret)
{
	const struct flo__call *call = nested->call;
	flo_value *map = flo_value_map(call->with_len);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	for (uint32_t i = 0; st == FLO_OK && i < call->with_len; i++) {
		flo_value *value = NULL;

		st = flo__scope_eval(nested->frame.parent, call->with[i].value,
				     NULL, err, &value);
		if (st != FLO_OK)
			flo_error_prefix(err, "%s", call->with[i].name);
		else
			st = flo_value_map_set(map, call->with[i].name, value);
	}
	if (st == FLO_OK)
		*ret = map;
	else
		flo_value_unref(map);
	return st;
}

static flo_status bind(struct flo__nested *nested, flo_error *err)
{
	const struct flo__plan *plan = nested->frame.run->plan;
	flo_value *params = NULL;
	flo_status st = given(nested, err, &params);

	if (st == FLO_OK)
		st = plan->language->bind(nested->call->params, params, err,
					  &nested->params);
	if (st != FLO_OK)
		flo_error_prefix(err, "with");
	flo_value_unref(params);
	return st;
}

static flo_status set_limits(struct flo__nested *nested, uint64_t *timeout_ns,
			     flo_error *err)
{
	const struct flo__call *call = nested->call;
	uint64_t limit = 0, own_ns = 0;
	flo_status st;

	st = flo__scope_limit(&nested->frame, &call->limit, err, &limit);
	if (st != FLO_OK)
		return st;
	st = flo__scope_number(&nested->frame, &call->timeout,
			       FLO__NUMBER_TIMEOUT, err, &own_ns);
	if (st != FLO_OK) {
		flo_error_prefix(err, "timeout");
		return st;
	}
	if (*timeout_ns == 0 || (own_ns != 0 && own_ns < *timeout_ns))
		*timeout_ns = own_ns;
	nested->limited = limit != 0;
	flo_sem_init(&nested->slots,
		     limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
	return FLO_OK;
}

static flo_status begin(struct flo__nested *nested, uint64_t *timeout_ns,
			flo_error *err)
{
	const struct flo__call *call = nested->call;
	flo_status st;

	TRY(bind(nested, err));
	TRY(flo__scope_env(&nested->frame, call->env, call->env_len, err,
			   &nested->env));
	TRY(set_limits(nested, timeout_ns, err));
out:
	return st;
}

__attribute__((noinline)) struct flo__nested *
flo__nested_new(struct flo__frame *outer, uint32_t id, const char *path,
		struct flo__admission *admission, uint64_t *timeout_ns,
		struct flo__tried *tried, struct flo__result *ret)
{
	struct flo__run *run = outer->run;
	const struct flo__nested *around = flo__nested_of(outer);
	struct flo__nested *nested = flo__calloc(1, sizeof(*nested));
	flo_error err = FLO_ERROR_INIT;
	flo_status st = FLO_NOMEM;

	if (nested != NULL) {
		nested->frame = (struct flo__frame){.kind = FLO__FRAME_NESTED,
						    .run = run,
						    .parent = outer,
						    .node = id};
		nested->call =
			run->plan->blocks[run->plan->nodes[id].spec].call;
		nested->tried = tried != NULL	 ? tried
				: around != NULL ? around->tried
						 : NULL;
		nested->anew = (tried != NULL && tried->anew) ||
			       (around != NULL && around->anew);
		st = begin(nested, timeout_ns, &err);
	}
	if (st == FLO_OK)
		return nested;
	flo__block_fail(outer, path,
			err.text[0] != '\0' ? err.text : flo_status_text(st),
			admission, ret);
	flo__nested_free(nested);
	return NULL;
}

void flo__nested_free(struct flo__nested *nested)
{
	if (nested == NULL)
		return;
	flo_value_unref(nested->params);
	/* There may be secrets in it. */
	if (nested->frame.run->mask != NULL)
		flo__run_wipe_map(nested->env);
	else
		flo_value_unref(nested->env);
	flo__free(nested);
}

/* ---- its end ---- */

__attribute__((noinline)) void
flo__nested_output(struct flo__frame *frame, uint32_t id, const char *path,
		   struct flo__admission *admission, struct flo__result *ret)
{
	struct flo__run *run = frame->run;
	const struct flo__call *call =
		run->plan->blocks[run->plan->nodes[id].spec].call;
	flo_error err = FLO_ERROR_INIT;
	flo_status st;

	if (ret->state != FLO__STATE_SUCCEEDED || call->output == NULL)
		return;
	st = flo__scope_eval(frame, call->output, NULL, &err, &ret->output);
	if (st == FLO_OK)
		return;
	flo_error_prefix(&err, "output");
	flo__block_fail(frame, path, err.text, admission, ret);
}

/* ---- slots of leaves ---- */

/* The nearest pipeline around @frame that has a limit. */
static struct flo__nested *limited(struct flo__frame *frame)
{
	struct flo__nested *nested = flo__nested_of(frame);

	while (nested != NULL && !nested->limited)
		nested = flo__nested_of(nested->frame.parent);
	return nested;
}

bool flo__slots_needed(struct flo__frame *frame, uint32_t id)
{
	return limited(frame) != NULL || flo__leaf_needs_slot(frame->run, id);
}

static flo_status take(flo_sem *slots, flo_context *ctx, bool front)
{
	return front ? flo_sem_take_front(slots, ctx)
		     : flo_sem_take(slots, ctx);
}

/* Give those of the pipelines from @frame outwards, but not of @last. */
static void give_up_to(struct flo__frame *frame, const struct flo__nested *last)
{
	for (struct flo__nested *n = limited(frame); n != last;
	     n = limited(n->frame.parent))
		flo_sem_give(&n->slots);
}

flo_status flo__slots_take(struct flo__frame *frame, uint32_t id,
			   flo_context *ctx, bool front)
{
	struct flo__run *run = frame->run;
	struct flo__nested *n = limited(frame);
	flo_status st = FLO_OK;

	for (; n != NULL; n = limited(n->frame.parent)) {
		st = take(&n->slots, ctx, front);
		if (st != FLO_OK)
			break;
	}
	if (st == FLO_OK && flo__leaf_needs_slot(run, id))
		st = take(&run->slots, ctx, front);
	if (st != FLO_OK)
		give_up_to(frame, n);
	return st;
}

void flo__slots_give(struct flo__frame *frame, uint32_t id)
{
	struct flo__run *run = frame->run;

	if (flo__leaf_needs_slot(run, id))
		flo_sem_give(&run->slots);
	give_up_to(frame, NULL);
}
