/*
 * Macros: ITER takes the range off the stack, LOCAL reads the item, NEXT takes
 * what the body has computed and goes back, or ends with what was found. KEEP
 * is the test in the middle of map(x, test, e).
 */
#include "dsl/eval_p.h"

void flo__loop_fini(struct flo__loop *loop)
{
	flo__slot_fini(&loop->range);
	flo__slot_fini(&loop->failure);
	flo_value_unref(loop->found);
	loop->found = NULL;
	loop->live = false;
}

void flo__eval_local(struct flo__eval *e, const struct flo__ins *ins)
{
	const struct flo__loop *loop = &e->loops[ins->a];
	struct flo__slot *slot = e->top++;

	if (loop->key == NULL && ins->n == FLO__PART_KEY) {
		slot->kind = FLO__SLOT_INT;
		slot->owned = false;
		slot->of.i = (int64_t)(loop->i - 1);
	} else if (loop->key == NULL || ins->n == FLO__PART_VALUE) {
		flo__slot_load(slot, loop->item);
	} else {
		flo__slot_load(slot, loop->key);
	}
}

/* The result of a macro that has come to its end without a failure. */
static flo_value *result(struct flo__loop *loop, enum flo__macro macro)
{
	flo_value *found = loop->found;

	switch (macro) {
	case FLO__MACRO_ALL:
		return flo_value_bool(loop->hits == loop->len);
	case FLO__MACRO_EXISTS:
		return flo_value_bool(loop->hits > 0);
	case FLO__MACRO_EXISTS_ONE:
		return flo_value_bool(loop->hits == 1);
	default:
		loop->found = NULL;
		return found;
	}
}

/* The macro of @next is done: push what it has found and go on behind it. */
static void loop_end(struct flo__eval *e, const struct flo__ins *next)
{
	struct flo__loop *loop = &e->loops[next->n];
	flo_value *value;

	e->pc = (uint32_t)(next - e->expr->ins) + 1;
	if (loop->failure.kind == FLO__SLOT_FAILED) {
		*e->top++ = loop->failure;
		loop->failure.kind = FLO__SLOT_NULL;
		flo__loop_fini(loop);
		return;
	}
	value = result(loop, (enum flo__macro)next->a);
	flo__loop_fini(loop);
	if (flo__eval_admit(e, value))
		flo__eval_set(e, e->top++, value, NULL);
}

/* Take the next item: back to the body, or the end. */
static void loop_next(struct flo__eval *e, const struct flo__ins *next)
{
	struct flo__loop *loop = &e->loops[next->n];
	const flo_value *range = loop->range.of.value;

	if (loop->i == loop->len) {
		loop_end(e, next);
		return;
	}
	if (flo_value_typeof(range) == FLO_VALUE_LIST)
		loop->item = flo_value_list_at(range, loop->i);
	else
		loop->item = flo_value_map_at(range, loop->i, &loop->key);
	loop->i++;
	e->pc = next->b;
}

static bool has_items(const struct flo__slot *slot)
{
	flo_value_type type = flo__slot_type(slot);

	return type == FLO_VALUE_LIST || type == FLO_VALUE_MAP;
}

static void no_range(struct flo__eval *e)
{
	struct flo__failure failure = {0};

	flo__fail(&failure, FLO_TYPE,
		  "a macro goes over a list or a map, not a %s",
		  flo__value_type_name(flo__slot_type(e->top - 1)));
	flo__eval_replace(e, 1, NULL, &failure);
}

/* What the macro collects in; false without memory. */
static bool open_found(struct flo__loop *loop, enum flo__macro macro)
{
	if (macro == FLO__MACRO_MAP || macro == FLO__MACRO_FILTER)
		loop->found = flo_value_list(0);
	else if (macro == FLO__MACRO_MAP_VALUES)
		loop->found = flo_value_map(0);
	else
		return true;
	return loop->found != NULL;
}

void flo__eval_iter(struct flo__eval *e, const struct flo__ins *ins)
{
	struct flo__loop *loop = &e->loops[ins->n];
	struct flo__slot *slot = e->top - 1;

	if (slot->kind == FLO__SLOT_FAILED || !has_items(slot)) {
		if (slot->kind != FLO__SLOT_FAILED)
			no_range(e);
		e->pc = ins->b;
		return;
	}
	*loop = (struct flo__loop){
		.range = *slot,
		.len = flo_value_len(slot->of.value),
		.live = true,
	};
	e->top--;
	if (open_found(loop, (enum flo__macro)ins->a))
		loop_next(e, &e->expr->ins[ins->b - 1]);
	else
		flo__eval_nomem(e);
}

/* The body of a macro failed: all() and exists() go on, the others end. */
static void loop_fail(struct flo__eval *e, const struct flo__ins *next)
{
	struct flo__loop *loop = &e->loops[next->n];
	struct flo__slot *slot = --e->top;

	if (loop->failure.kind == FLO__SLOT_FAILED)
		flo__slot_fini(slot);
	else
		loop->failure = *slot;
	if (next->a == FLO__MACRO_ALL || next->a == FLO__MACRO_EXISTS)
		loop_next(e, next);
	else
		loop_end(e, next);
}

static flo_value *key_of(struct flo__loop *loop)
{
	return loop->key != NULL ? flo_value_ref(loop->key)
				 : flo_value_int((int64_t)(loop->i - 1));
}

static flo_status collect(struct flo__eval *e, struct flo__loop *loop,
			  enum flo__macro macro)
{
	const flo_value *item = loop->key != NULL ? loop->key : loop->item;

	switch (macro) {
	case FLO__MACRO_MAP:
		return flo_value_list_add(loop->found,
					  flo__eval_box(e, e->top - 1));
	case FLO__MACRO_MAP_VALUES:
		return flo_value_map_add(loop->found, key_of(loop),
					 flo__eval_box(e, e->top - 1));
	default:
		return flo_value_list_add(loop->found, flo_value_ref(item));
	}
}

static bool maps(enum flo__macro macro)
{
	return macro == FLO__MACRO_MAP || macro == FLO__MACRO_MAP_VALUES;
}

void flo__eval_next(struct flo__eval *e, const struct flo__ins *ins)
{
	struct flo__loop *loop = &e->loops[ins->n];
	enum flo__macro macro = (enum flo__macro)ins->a;
	bool yes;

	if (!maps(macro))
		flo__eval_need_bool(e, e->top - 1, "what a macro tests");
	if (e->top[-1].kind == FLO__SLOT_FAILED) {
		loop_fail(e, ins);
		return;
	}
	yes = maps(macro) || flo__slot_is_bool(e->top - 1, true);
	loop->hits += yes;
	if (yes && loop->found != NULL && collect(e, loop, macro) != FLO_OK)
		flo__eval_nomem(e);
	flo__eval_pop(e);
	if (e->end == 0)
		return;
	if ((macro == FLO__MACRO_ALL && !yes) ||
	    (macro == FLO__MACRO_EXISTS && yes)) {
		flo__slot_fini(&loop->failure);
		loop_end(e, ins);
		return;
	}
	loop_next(e, ins);
}

void flo__eval_keep(struct flo__eval *e, const struct flo__ins *ins)
{
	const struct flo__ins *next = &e->expr->ins[ins->b];
	bool yes;

	flo__eval_need_bool(e, e->top - 1, "what a macro tests");
	if (e->top[-1].kind == FLO__SLOT_FAILED) {
		loop_fail(e, next);
		return;
	}
	yes = flo__slot_is_bool(e->top - 1, true);
	flo__eval_pop(e);
	if (!yes && e->end != 0)
		loop_next(e, next);
}
