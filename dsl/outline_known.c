#include "dsl/outline_p.h"

#include "base/time.h"

#include <string.h>

static flo_status not_yet(struct flo__known *known, flo_error *err)
{
	known->asked = true;
	return flo_error_set(err, FLO_NOTFOUND, "not known before the run");
}

static flo_status known_get(const struct flo__scope *scope,
			    const struct flo__ref *ref, flo_error *err,
			    flo_value **ret_value)
{
	/* The scope is the first field of what is being asked. */
	struct flo__known *known = (struct flo__known *)(uintptr_t)scope;

	switch (ref->var) {
	case FLO__VAR_PARAMS:
		known->asked |= !known->complete;
		*ret_value = flo_value_ref(known->params);
		return FLO_OK;
	case FLO__VAR_ENV:
		known->asked |= !known->env_complete;
		*ret_value = flo_value_ref(known->env);
		return FLO_OK;
	default:
		return not_yet(known, err);
	}
}

/* Whether all params of the declaration are in the map. */
static bool is_complete(const struct flo__plan *plan, const flo_value *params)
{
	return flo_value_len(params) ==
	       ((const struct flo__dsl_plan *)plan)->params.len;
}

static flo_status read_env(struct flo__known *known)
{
	const struct flo__plan *plan = known->plan;
	flo_status st = FLO_OK;

	for (uint32_t i = 0; i < plan->env_len && st == FLO_OK; i++) {
		enum flo__known_state state;
		flo_value *value = NULL;

		st = flo__known_eval(known, plan->env[i].value, NULL, &state,
				     &value);
		if (st == FLO_OK && state == FLO__KNOWN_YES)
			st = flo_value_map_set(known->env, plan->env[i].name,
					       value);
	}
	known->env_complete = flo_value_len(known->env) == plan->env_len;
	return st;
}

flo_status flo__known_init(struct flo__known *known,
			   const struct flo__plan *plan, const flo_value *given,
			   flo_error *err)
{
	flo_status st;

	*known = (struct flo__known){.scope = {.get = known_get}, .plan = plan};
	st = flo__dsl_bind_partly(plan, given, err, &known->params);
	if (st != FLO_OK)
		return st;
	known->complete = is_complete(plan, known->params);
	known->env = flo_value_map(plan->env_len);
	st = known->env != NULL ? read_env(known) : FLO_NOMEM;
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "out of memory");
	return st;
}

void flo__known_fini(struct flo__known *known)
{
	flo_value_unref(known->params);
	flo_value_unref(known->env);
	known->params = NULL;
	known->env = NULL;
}

/*
 * A variable that is not known is an error to the evaluator, and CEL's && and
 * || get over an error on one side where the other one decides. So
 * `params.fast && steps.a.output > 1` is false, for certain, without `fast`.
 */
flo_status flo__known_eval(struct flo__known *known,
			   const struct flo__expr *expr, flo_error *err,
			   enum flo__known_state *ret_state,
			   flo_value **ret_value)
{
	flo_status st;

	known->asked = false;
	st = flo__expr_eval(expr, &known->scope, err, ret_value);
	if (st == FLO_NOMEM)
		return st;
	if (st == FLO_OK)
		*ret_state = FLO__KNOWN_YES;
	else
		*ret_state = known->asked ? FLO__KNOWN_NO : FLO__KNOWN_ERROR;
	return FLO_OK;
}

/* What a template for a number gave; what suits nothing fails in the run. */
static uint64_t number_of(const flo_value *value, bool duration)
{
	uint64_t ns = FLO__OUTLINE_MANY;
	const char *text;
	size_t len;

	if (!duration)
		return flo_value_typeof(value) == FLO_VALUE_INT &&
				       flo_value_get_int(value) >= 0
			       ? (uint64_t)flo_value_get_int(value)
			       : FLO__OUTLINE_MANY;
	if (flo_value_typeof(value) != FLO_VALUE_STRING)
		return FLO__OUTLINE_MANY;
	text = flo_value_get_string(value, &len);
	return flo__duration_parse(text, len, &ns) == FLO_OK
		       ? ns
		       : FLO__OUTLINE_MANY;
}

flo_status flo__known_number(struct flo__known *known,
			     const struct flo__number *number, bool duration,
			     uint64_t *ret)
{
	enum flo__known_state state;
	flo_value *value = NULL;
	flo_status st;

	*ret = number->fixed;
	if (number->expr == NULL)
		return FLO_OK;
	*ret = FLO__OUTLINE_MANY;
	st = flo__known_eval(known, number->expr, NULL, &state, &value);
	if (st == FLO_OK && state == FLO__KNOWN_YES)
		*ret = number_of(value, duration);
	flo_value_unref(value);
	return st;
}
