#include "dsl/outline_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"

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
	const struct flo__known_unit *unit = &known->units[known->at];

	switch (ref->var) {
	case FLO__VAR_PARAMS:
		known->asked |= !unit->complete;
		*ret_value = flo_value_ref(unit->params);
		return FLO_OK;
	case FLO__VAR_ENV:
		known->asked |= !unit->env_complete;
		*ret_value = flo_value_ref(unit->env);
		return FLO_OK;
	default:
		return not_yet(known, err);
	}
}

flo_status flo__known_env(struct flo__known *known,
			  const struct flo__env_entry *env, uint32_t len)
{
	struct flo__known_unit *unit = &known->units[known->at];
	flo_status st = FLO_OK;

	unit->env = flo_value_map(len);
	if (unit->env == NULL)
		return FLO_NOMEM;
	for (uint32_t i = 0; i < len && st == FLO_OK; i++) {
		enum flo__known_state state;
		flo_value *value = NULL;

		st = flo__known_eval(known, env[i].value, NULL, &state, &value);
		if (st == FLO_OK && state == FLO__KNOWN_YES)
			st = flo_value_map_set(unit->env, env[i].name, value);
	}
	unit->env_complete = flo_value_len(unit->env) == len;
	return st;
}

static flo_status bind_first(struct flo__known *known, const flo_value *given,
			     flo_error *err)
{
	const struct flo__plan *plan = known->plan;
	struct flo__known_unit *unit = &known->units[0];
	flo_status st = flo__dsl_bind_partly(plan, given, err, &unit->params);

	if (st == FLO_OK)
		unit->complete =
			flo_value_len(unit->params) ==
			((const struct flo__dsl_plan *)plan)->params.len;
	return st;
}

flo_status flo__known_init(struct flo__known *known,
			   const struct flo__plan *plan, const flo_value *given,
			   flo_error *err)
{
	flo_status st = FLO_NOMEM;

	*known = (struct flo__known){.scope = {.get = known_get}, .plan = plan};
	known->units = flo__calloc(1, sizeof(*known->units));
	if (known->units == NULL)
		goto out;
	known->units_len = 1;
	TRY(bind_first(known, given, err));
	TRY(flo__known_env(known, plan->env, plan->env_len));
	TRY(flo__known_add_calls(known));
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "out of memory");
	return st;
}

void flo__known_fini(struct flo__known *known)
{
	for (uint32_t i = 0; i < known->units_len; i++) {
		flo_value_unref(known->units[i].params);
		flo_value_unref(known->units[i].env);
		flo_value_unref(known->units[i].error);
	}
	flo__free(known->units);
	flo__free(known->unit_of);
	known->units = NULL;
	known->unit_of = NULL;
	known->units_len = 0;
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

flo_status flo__known_number(struct flo__known *known,
			     const struct flo__number *number,
			     enum flo__number_kind kind, uint64_t *ret)
{
	enum flo__known_state state;
	flo_value *value = NULL;
	flo_status st;

	flo_error_clear(&known->why);
	*ret = number->fixed;
	if (number->expr == NULL)
		return FLO_OK;
	*ret = FLO__OUTLINE_MANY;
	st = flo__known_eval(known, number->expr, &known->why, &state, &value);
	if (st == FLO_OK && state == FLO__KNOWN_YES)
		flo__number_read(value, kind, &known->why, ret);
	else if (st == FLO_OK && state == FLO__KNOWN_NO)
		flo_error_clear(&known->why);
	flo_value_unref(value);
	return st;
}
