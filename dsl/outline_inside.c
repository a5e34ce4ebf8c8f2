/*
 * What is known inside of pipelines within the pipeline.
 *
 * Each use of a file is a unit: its params are those that the step gives, as
 * far as these are known outside. A node comes before all that is in it, so
 * one pass from the first to the last finds what is outside computed already.
 */
#include "dsl/outline_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

const struct flo__call *flo__outline_call(const struct flo__plan *plan,
					  uint32_t node)
{
	const struct flo__node *n = &plan->nodes[node];

	return n->kind == FLO__NODE_SEQUENCE ? plan->blocks[n->spec].call
					     : NULL;
}

const struct flo__env_entry *flo__call_gives(const struct flo__call *call,
					     const char *name)
{
	for (uint32_t i = 0; i < call->with_len; i++) {
		if (strcmp(call->with[i].name, name) == 0)
			return &call->with[i];
	}
	return NULL;
}

void flo__known_enter(struct flo__known *known, uint32_t node)
{
	known->at = known->unit_of != NULL ? known->unit_of[node] : 0;
}

/* The unit that the block @node is. */
static uint32_t find_unit(const struct flo__known *known, uint32_t node)
{
	uint32_t low = 1;
	uint32_t high = known->units_len;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (known->units[mid].node <= node)
			low = mid;
		else
			high = mid;
	}
	INSIST(low < known->units_len && known->units[low].node == node);
	return low;
}

void flo__known_enter_call(struct flo__known *known, uint32_t node)
{
	known->at = find_unit(known, node);
}

/* ---- params ---- */

/* What the step gives, as far as it is known; @given: a map for it. */
static flo_status eval_with(struct flo__known *known,
			    const struct flo__call *call, flo_value *given,
			    flo_value **ret_error)
{
	flo_status st = FLO_OK;

	for (uint32_t i = 0; i < call->with_len && st == FLO_OK; i++) {
		enum flo__known_state state;
		flo_error err = FLO_ERROR_INIT;
		flo_value *value = NULL;

		st = flo__known_eval(known, call->with[i].value, &err, &state,
				     &value);
		if (st == FLO_OK && state == FLO__KNOWN_YES)
			st = flo_value_map_set(given, call->with[i].name,
					       value);
		if (st != FLO_OK || state != FLO__KNOWN_ERROR ||
		    *ret_error != NULL)
			continue;
		flo_error_prefix(&err, "%s", call->with[i].name);
		*ret_error = flo_value_string(err.text);
		st = *ret_error != NULL ? FLO_OK : FLO_NOMEM;
	}
	return st;
}

/* A param that is given a value not known yet has not its default. */
static flo_status drop_unknown(const struct flo__call *call,
			       const flo_value *given, flo_value *bound,
			       flo_value **ret)
{
	flo_value *map = flo_value_map(flo_value_len(bound));
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	for (uint32_t i = 0; i < call->params->len && st == FLO_OK; i++) {
		const char *name = call->params->list[i].name;
		const flo_value *value = flo_value_map_get(bound, name);
		bool dropped = flo_value_map_get(given, name) == NULL &&
			       flo__call_gives(call, name) != NULL;

		if (value != NULL && !dropped)
			st = flo_value_map_set(map, name, flo_value_ref(value));
	}
	if (st == FLO_OK)
		*ret = map;
	else
		flo_value_unref(map);
	return st;
}

static flo_status bind_known(struct flo__known_unit *unit,
			     const flo_value *given)
{
	const struct flo__call *call = unit->call;
	flo_error err = FLO_ERROR_INIT;
	flo_value *bound = NULL;
	flo_status st;

	st = flo__params_bind_partly(call->params, given, &err, &bound);
	if (st == FLO_INVALID) {
		if (unit->error == NULL)
			unit->error = flo_value_string(err.text);
		unit->params = flo_value_map(0);
		return unit->error != NULL && unit->params != NULL ? FLO_OK
								   : FLO_NOMEM;
	}
	if (st == FLO_OK)
		st = drop_unknown(call, given, bound, &unit->params);
	flo_value_unref(bound);
	return st;
}

static flo_status bind_call(struct flo__known *known, uint32_t unit)
{
	struct flo__known_unit *u = &known->units[unit];
	flo_value *given = flo_value_map(u->call->with_len);
	flo_status st = given != NULL ? FLO_OK : FLO_NOMEM;

	flo__known_enter(known, u->node);
	if (st == FLO_OK)
		st = eval_with(known, u->call, given, &u->error);
	if (st == FLO_OK)
		st = bind_known(u, given);
	if (st == FLO_OK) {
		u->complete = flo_value_len(u->params) == u->call->params->len;
		known->at = unit;
		st = flo__known_env(known, u->call->env, u->call->env_len);
	}
	flo_value_unref(given);
	return st;
}

/* ---- all of them ---- */

static uint32_t count_calls(const struct flo__plan *plan)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < plan->nodes_len; i++)
		n += flo__outline_call(plan, i) != NULL;
	return n;
}

static flo_status make_room(struct flo__known *known, uint32_t calls)
{
	struct flo__known_unit *units =
		flo__calloc((size_t)calls + 1, sizeof(*units));

	known->unit_of =
		flo__calloc(known->plan->nodes_len, sizeof(*known->unit_of));
	if (units == NULL || known->unit_of == NULL) {
		flo__free(units);
		return FLO_NOMEM;
	}
	units[0] = known->units[0];
	flo__free(known->units);
	known->units = units;
	return FLO_OK;
}

/* The unit of what is in the block @parent. */
static uint32_t unit_inside(const struct flo__known *known, uint32_t parent)
{
	if (flo__outline_call(known->plan, parent) != NULL)
		return find_unit(known, parent);
	return known->unit_of[parent];
}

flo_status flo__known_add_calls(struct flo__known *known)
{
	const struct flo__plan *plan = known->plan;
	uint32_t calls = count_calls(plan);
	flo_status st;

	if (calls == 0)
		return FLO_OK;
	st = make_room(known, calls);
	for (uint32_t i = 0; i < plan->nodes_len && st == FLO_OK; i++) {
		const struct flo__call *call = flo__outline_call(plan, i);

		if (plan->nodes[i].parent != FLO__NODE_NONE)
			known->unit_of[i] =
				unit_inside(known, plan->nodes[i].parent);
		if (call == NULL)
			continue;
		known->units[known->units_len++] =
			(struct flo__known_unit){.call = call, .node = i};
		st = bind_call(known, known->units_len - 1);
	}
	known->at = 0;
	return st;
}
