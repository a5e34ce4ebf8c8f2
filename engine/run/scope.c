/*
 * What expressions see of a run: params, env, run, steps, items.
 *
 * Names were resolved to nodes when the pipeline was compiled; here a node is
 * found by walking outwards over the frames, so its value is that of the
 * nearest enclosing instance.
 */
#include "engine/run/run_p.h"

#include "base/contract.h"
#include "base/time.h"
#include "base/value_p.h"

struct scope {
	struct flo__scope head; /* first: get() is given its address */
	struct flo__frame *frame;
	const flo_value *attempt;
};

/* The frame of @kind for @node at or outside @frame. */
static struct flo__frame *find(struct flo__frame *frame,
			       enum flo__frame_kind kind, uint32_t node)
{
	for (; frame != NULL; frame = frame->parent) {
		if (frame->kind == kind && frame->node == node)
			return frame;
	}
	return NULL;
}

static flo_value *ref_or_null(const flo_value *value)
{
	return value != NULL ? flo_value_ref(value) : flo_value_null();
}

static flo_value *exit_code_of(const struct flo__result *result)
{
	return result->exit_code == FLO__EVENT_NO_CODE
		       ? flo_value_null()
		       : flo_value_int(result->exit_code);
}

static flo_value *duration_of(const struct flo__result *result)
{
	int64_t ns = result->duration_ns < 0 ? 0 : result->duration_ns;

	return flo_value_duration(ns / (int64_t)FLO__NS_PER_S,
				  (int32_t)(ns % (int64_t)FLO__NS_PER_S));
}

static enum flo__state state_of(const struct flo__result *result)
{
	return result->state == FLO__STATE_NONE ? FLO__STATE_PENDING
						: result->state;
}

static flo_value *whole_step(const struct flo__result *result)
{
	flo_value *map = flo_value_map(6);

	if (map == NULL)
		return NULL;
	if (flo_value_map_set(map, "output", ref_or_null(result->output)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "status",
			      flo_value_string(flo__state_text(
				      state_of(result)))) == FLO_OK &&
	    flo_value_map_set(map, "exit_code", exit_code_of(result)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "attempts",
			      flo_value_int(result->attempts)) == FLO_OK &&
	    flo_value_map_set(map, "error", ref_or_null(result->error)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "duration", duration_of(result)) == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

static flo_value *get_step(const struct scope *scope,
			   const struct flo__ref *ref)
{
	const struct flo__run *run = scope->frame->run;
	const struct flo__node *node = &run->plan->nodes[ref->node];
	struct flo__frame *frame =
		find(scope->frame, FLO__FRAME_BLOCK, node->parent);
	const struct flo__result *result;

	INSIST(frame != NULL);
	result = &frame->results[node->pos];
	switch (ref->field) {
	case FLO__FIELD_OUTPUT:
		return ref_or_null(result->output);
	case FLO__FIELD_STATUS:
		return flo_value_string(flo__state_text(state_of(result)));
	case FLO__FIELD_EXIT_CODE:
		return exit_code_of(result);
	case FLO__FIELD_ATTEMPTS:
		return flo_value_int(result->attempts);
	case FLO__FIELD_ERROR:
		return ref_or_null(result->error);
	case FLO__FIELD_DURATION:
		return duration_of(result);
	case FLO__FIELD_ALL:
		break;
	}
	return whole_step(result);
}

/* run.{id,name,trace_id,status,error,started_at,scheduled_at} */
static flo_value *get_run(const struct scope *scope)
{
	const struct flo__run *run = scope->frame->run;
	const struct flo__frame *f = scope->frame;
	const char *status = "running";
	const flo_value *error = NULL;
	flo_value *map = flo_value_map(7);

	if (map == NULL)
		return NULL;
	while (f != NULL && f->kind != FLO__FRAME_FINALLY)
		f = f->parent;
	if (f != NULL) {
		status = flo__state_text(f->body_state);
		error = f->body_error;
	}
	if (flo_value_map_set(map, "id", flo_value_string(run->record.id)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "name", flo_value_string(run->plan->name)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "trace_id",
			      flo_value_string(run->record.trace_id)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "status", flo_value_string(status)) ==
		    FLO_OK &&
	    flo_value_map_set(map, "error", ref_or_null(error)) == FLO_OK &&
	    flo_value_map_set(map, "started_at",
			      flo_value_timestamp(run->started_us / 1000000,
						  (int32_t)(run->started_us %
							    1000000) *
							  1000)) == FLO_OK &&
	    flo_value_map_set(map, "scheduled_at", flo_value_null()) == FLO_OK)
		return map;
	flo_value_unref(map);
	return NULL;
}

/* The `env` of the pipeline around. */
static flo_value *env_of(const struct scope *scope)
{
	const struct flo__nested *nested = flo__nested_of(scope->frame);
	const flo_value *env =
		nested != NULL ? nested->env : scope->frame->run->env;

	return env != NULL ? flo_value_ref(env) : flo_value_map(0);
}

static flo_status get(const struct flo__scope *head, const struct flo__ref *ref,
		      flo_error *err, flo_value **ret_value)
{
	const struct scope *scope = (const struct scope *)head;
	const struct flo__run *run = scope->frame->run;
	struct flo__frame *frame;
	flo_value *value = NULL;

	const struct flo__nested *nested;

	switch (ref->var) {
	case FLO__VAR_PARAMS:
		nested = flo__nested_of(scope->frame);
		value = flo_value_ref(nested != NULL ? nested->params
						     : run->params);
		break;
	case FLO__VAR_ENV:
		value = env_of(scope);
		break;
	case FLO__VAR_SECRETS:
		INSIST(run->secrets != NULL);
		value = flo_value_ref(
			flo_value_list_at(run->secrets, ref->node));
		break;
	case FLO__VAR_RUN:
		value = get_run(scope);
		break;
	case FLO__VAR_STEP:
		value = get_step(scope, ref);
		break;
	case FLO__VAR_ITEM:
	case FLO__VAR_INDEX:
		frame = find(scope->frame, FLO__FRAME_ITEM, ref->node);
		INSIST(frame != NULL);
		value = ref->var == FLO__VAR_ITEM
				? ref_or_null(frame->item)
				: flo_value_int((int64_t)frame->index);
		break;
	case FLO__VAR_ATTEMPT:
		value = ref_or_null(scope->attempt);
		break;
	case FLO__VAR_NAMED:
		return flo_error_set(err, FLO_NOTFOUND,
				     "unknown variable \"%s\"", ref->name);
	}
	if (value == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	*ret_value = value;
	return FLO_OK;
}

flo_status flo__scope_eval(struct flo__frame *frame,
			   const struct flo__expr *expr,
			   const flo_value *attempt, flo_error *err,
			   flo_value **ret_value)
{
	struct scope scope = {{get}, frame, attempt};

	return frame->run->plan->language->eval(expr, &scope.head, err,
						ret_value);
}

flo_status flo__scope_bool(struct flo__frame *frame,
			   const struct flo__expr *expr,
			   const flo_value *attempt, flo_error *err,
			   bool *ret_bool)
{
	flo_value *value = NULL;
	flo_status st = flo__scope_eval(frame, expr, attempt, err, &value);

	if (st != FLO_OK)
		return st;
	if (flo_value_typeof(value) == FLO_VALUE_BOOL)
		*ret_bool = flo_value_get_bool(value);
	else
		st = flo_error_set(err, FLO_TYPE,
				   "the condition is not true or false");
	flo_value_unref(value);
	return st;
}

flo_status flo__scope_text(struct flo__frame *frame,
			   const struct flo__expr *expr, flo_error *err,
			   struct flo__strbuf *sb)
{
	flo_value *value = NULL;
	flo_status st = flo__scope_eval(frame, expr, NULL, err, &value);

	if (st != FLO_OK)
		return st;
	flo__value_text(value, sb);
	flo_value_unref(value);
	if (flo__strbuf_status(sb) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

flo_status flo__scope_env(struct flo__frame *frame,
			  const struct flo__env_entry *entries, uint32_t n,
			  flo_error *err, flo_value **ret_env)
{
	flo_value *env = flo_value_map(n);
	flo_status st = env != NULL ? FLO_OK : FLO_NOMEM;

	for (uint32_t i = 0; st == FLO_OK && i < n; i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;

		if (frame->run->frozen && entries[i].secret)
			flo__strbuf_adds(&sb, FLO__MASK_TEXT);
		else
			st = flo__scope_text(frame, entries[i].value, err, &sb);
		if (st == FLO_OK)
			st = flo_value_map_set(env, entries[i].name,
					       flo_value_stringn(sb.data,
								 sb.len));
		flo__strbuf_fini(&sb);
	}
	if (st != FLO_OK) {
		flo_value_unref(env);
		return flo_error_set(err, st, "out of memory");
	}
	*ret_env = env;
	return FLO_OK;
}

/* What a computed number has to be. */
enum number_kind {
	NUMBER_COUNT,
	NUMBER_LIMIT,
	NUMBER_DURATION
};

static flo_status number_of(const flo_value *value, enum number_kind kind,
			    flo_error *err, uint64_t *ret)
{
	static const char *const wanted[] = {
		[NUMBER_COUNT] = "a whole number of at least 0",
		[NUMBER_LIMIT] = "a whole number of at least 1",
		[NUMBER_DURATION] = "a duration such as \"10s\"",
	};
	size_t len;
	const char *text;

	if (flo_value_typeof(value) == FLO_VALUE_INT &&
	    kind != NUMBER_DURATION) {
		*ret = (uint64_t)flo_value_get_int(value);
		if (flo_value_get_int(value) >= 0)
			return FLO_OK;
		return flo_error_set(err, FLO_TYPE, "%lld is not %s",
				     (long long)flo_value_get_int(value),
				     wanted[kind]);
	}
	if (flo_value_typeof(value) != FLO_VALUE_STRING)
		return flo_error_set(err, FLO_TYPE, "not %s", wanted[kind]);
	text = flo_value_get_string(value, &len);
	if (kind == NUMBER_DURATION &&
	    flo__duration_parse(text, len, ret) == FLO_OK)
		return FLO_OK;
	return flo_error_set(err, FLO_TYPE, "\"%s\" is not %s", text,
			     wanted[kind]);
}

static flo_status eval_number(struct flo__frame *frame,
			      const struct flo__number *number,
			      enum number_kind kind, flo_error *err,
			      uint64_t *ret)
{
	flo_value *value = NULL;
	flo_status st;

	if (number->expr == NULL) {
		*ret = number->fixed;
		return FLO_OK;
	}
	st = flo__scope_eval(frame, number->expr, NULL, err, &value);
	if (st != FLO_OK)
		return st;
	st = number_of(value, kind, err, ret);
	flo_value_unref(value);
	return st;
}

flo_status flo__scope_number(struct flo__frame *frame,
			     const struct flo__number *number, bool duration,
			     flo_error *err, uint64_t *ret)
{
	return eval_number(frame, number,
			   duration ? NUMBER_DURATION : NUMBER_COUNT, err, ret);
}

flo_status flo__scope_limit(struct flo__frame *frame,
			    const struct flo__number *number, flo_error *err,
			    uint64_t *ret)
{
	uint64_t limit = 0;
	flo_status st = eval_number(frame, number, NUMBER_LIMIT, err, &limit);

	if (st == FLO_OK && limit == 0 && number->expr != NULL)
		st = flo_error_set(err, FLO_RANGE,
				   "0 would let nothing run: a limit is at "
				   "least 1");
	if (st != FLO_OK)
		flo_error_prefix(err, "limit");
	else
		*ret = limit;
	return st;
}
