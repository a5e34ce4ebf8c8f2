/*
 * What makes values: list and map literals, templates, functions.
 */
#include "dsl/eval_p.h"
#include "dsl/functions_p.h"

#include "base/contract.h"

#include <string.h>

void flo__eval_list(struct flo__eval *e, uint32_t n)
{
	flo_value *list;

	if (flo__eval_hand_on(e, n))
		return;
	list = flo_value_list(n);
	for (struct flo__slot *slot = e->top - n; list != NULL && slot < e->top;
	     slot++) {
		if (flo_value_list_add(list, flo__eval_box(e, slot)) !=
		    FLO_OK) {
			flo_value_unref(list);
			list = NULL;
		}
	}
	if (flo__eval_admit(e, list))
		flo__eval_replace(e, n, list, NULL);
}

static bool can_be_key(const struct flo__slot *slot)
{
	flo_value_type type = flo__slot_type(slot);

	return type == FLO_VALUE_STRING || type == FLO_VALUE_INT ||
	       type == FLO_VALUE_UINT || type == FLO_VALUE_BOOL;
}

/* Add the two slots at @slot to @map. */
static bool add_entry(struct flo__eval *e, flo_value *map,
		      const struct flo__slot *slot,
		      struct flo__failure *failure)
{
	flo_status st;

	if (!can_be_key(slot)) {
		flo__fail(failure, FLO_TYPE, "a %s cannot be the key of a map",
			  flo__value_type_name(flo__slot_type(slot)));
		return false;
	}
	st = flo_value_map_add(map, flo__eval_box(e, slot),
			       flo__eval_box(e, slot + 1));
	if (st == FLO_EXISTS)
		flo__fail(failure, FLO_EXISTS, "a map with the same key twice");
	return st == FLO_OK;
}

void flo__eval_map(struct flo__eval *e, uint32_t n)
{
	struct flo__failure failure = {0};
	flo_value *map;

	if (flo__eval_hand_on(e, 2 * n))
		return;
	map = flo_value_map(n);
	for (const struct flo__slot *slot = e->top - 2 * (size_t)n;
	     map != NULL && slot < e->top; slot += 2) {
		if (!add_entry(e, map, slot, &failure)) {
			flo_value_unref(map);
			map = NULL;
		}
	}
	if (flo__eval_admit(e, map))
		flo__eval_replace(e, 2 * n, map, &failure);
}

static bool add_text(struct flo__eval *e, const struct flo__slot *slot,
		     struct flo__strbuf *sb)
{
	const flo_value *value;
	flo_value *made;

	if (!flo__eval_read(e, slot, false))
		return false;
	value = flo__eval_view(e, slot, &made);
	if (value != NULL)
		flo__value_text(value, sb);
	flo_value_unref(made);
	return value != NULL;
}

void flo__eval_text(struct flo__eval *e, uint32_t n)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *text = NULL;
	bool ok = true;

	if (flo__eval_hand_on(e, n))
		return;
	for (const struct flo__slot *slot = e->top - n; ok && slot < e->top;
	     slot++)
		ok = add_text(e, slot, &sb);
	if (!sb.failed && ok)
		text = flo_value_stringn(sb.data, sb.len);
	flo__strbuf_fini(&sb);
	if (ok && flo__eval_admit(e, text))
		flo__eval_replace(e, n, text, NULL);
}

/* Box the @n slots on top as arguments; how many it came to. */
static uint32_t box_args(struct flo__eval *e, uint32_t n, bool shallow,
			 flo_value **args)
{
	const struct flo__slot *first = e->top - n;

	for (uint32_t i = 0; i < n; i++) {
		if (!flo__eval_read(e, first + i, shallow))
			return i;
		args[i] = flo__eval_box(e, first + i);
		if (args[i] == NULL)
			return i;
	}
	return n;
}

/* Search with @regex in @v, for what may still be spent. */
static flo_value *search(struct flo__eval *e, const struct flo__regex *regex,
			 const flo_value *v, struct flo__failure *failure)
{
	uint64_t max = (FLO__EXPR_COST_MAX - e->cost) * FLO__COST_STEPS;
	uint64_t left = max;
	flo_value *found = flo__fn_matches_with(regex, v, &left, failure);

	e->cost += (max - left) / FLO__COST_STEPS;
	if (left == 0 && found == NULL && failure->status == FLO_LIMIT)
		flo__fail(failure, FLO_LIMIT,
			  "the expression takes too many operations, most of "
			  "them in matches()");
	return found;
}

/* matches(): a literal is compiled already, what was computed is kept. */
static flo_value *matches(struct flo__eval *e, const struct flo__ins *ins,
			  flo_value *const *args, struct flo__failure *failure)
{
	if (ins->b != 0)
		return search(e, e->expr->patterns[ins->b - 1], args[0],
			      failure);
	if (e->pattern == NULL || !flo_value_equal(e->pattern, args[1])) {
		flo__regex_free(e->regex);
		flo_value_unref(e->pattern);
		e->pattern = NULL;
		e->regex = flo__fn_pattern(args[1], failure);
		if (e->regex == NULL)
			return NULL;
		e->pattern = flo_value_ref(args[1]);
	}
	return search(e, e->regex, args[0], failure);
}

/* Whether a call takes no longer the more a list or map has in it. */
static bool is_shallow(const struct flo__function *f)
{
	return strcmp(f->name, "size") == 0 || strcmp(f->name, "type") == 0 ||
	       strcmp(f->name, "dyn") == 0;
}

void flo__eval_call(struct flo__eval *e, const struct flo__ins *ins)
{
	const struct flo__function *f = flo__function_at(ins->a);
	struct flo__failure failure = {0};
	flo_value *args[FLO__EXPR_ARGS_MAX];
	flo_value *value = NULL;
	uint32_t n;

	INSIST(ins->n <= FLO__EXPR_ARGS_MAX);
	if (flo__eval_hand_on(e, ins->n))
		return;
	n = box_args(e, ins->n, is_shallow(f), args);
	if (n == ins->n && f->fn == flo__fn_matches)
		value = matches(e, ins, args, &failure);
	else if (n == ins->n)
		value = f->fn((const flo_value *const *)args, n, &failure);
	for (uint32_t i = 0; i < n; i++)
		flo_value_unref(args[i]);
	if (n == ins->n && flo__eval_admit(e, value))
		flo__eval_replace(e, n, value, &failure);
}
