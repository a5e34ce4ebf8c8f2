#include "dsl/eval_p.h"
#include "dsl/regex_p.h"

#include "base/alloc.h"
#include "base/contract.h"

/*
 * Note: errors are values.
 *
 * CEL's && and || are commutative over errors: `1/0 > 1 || true` is true. So
 * a failed operation does not end the evaluation; it leaves a slot with the
 * reason, and every strict operation hands the first such slot of its operands
 * on. Only running out of memory, or of what an evaluation may spend, is
 * final.
 *
 * Note: what an evaluation may spend.
 *
 * Each operation costs 1, and what reads or makes text, a list or a map costs
 * its size besides, 16 bytes of it being 1. A regular expression costs what its
 * search took, 2 steps being 1: an ordinary one takes few, a bad one millions, and
 * in a macro it searches in each item. That bounds the time, and the
 * memory too, since all that an operation makes it pays for. It does not bound
 * how large a value is that shares its parts (see base/value_measure.c), so
 * what is made is measured as well, before anything can be made of it.
 */
/* && (@wins false) and || (@wins true): @wins does, then errors, then its
 * opposite. */
static void join(struct flo__eval *e, bool wins, const char *what)
{
	struct flo__slot *b = e->top - 1;
	struct flo__slot *a = b - 1;

	flo__eval_need_bool(e, a, what);
	flo__eval_need_bool(e, b, what);
	if (!flo__slot_is_bool(a, wins) &&
	    (flo__slot_is_bool(b, wins) || a->kind == FLO__SLOT_BOOL)) {
		struct flo__slot kept = *a;

		*a = *b;
		*b = kept;
	}
	flo__eval_pop(e);
}

/* The variable is not there: once more, to hear why. */
static void __attribute__((noinline))
ref_failed(struct flo__eval *e, const struct flo__ref *ref)
{
	struct flo__failure failure = {0};
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	flo_status st = e->scope->get(e->scope, ref, &err, &value);

	if (st == FLO_OK) { /* only out of memory comes and goes */
		flo_value_unref(value);
		st = FLO_NOMEM;
	}
	flo__fail(&failure, st, "%s",
		  err.text[0] != '\0' ? err.text : flo_status_text(st));
	flo__eval_fail(e, e->top++, &failure);
}

static void eval_ref(struct flo__eval *e, const struct flo__ins *ins)
{
	flo_value **var = &e->vars[ins->a];

	if (*var == NULL) {
		const struct flo__ref *ref = &e->expr->refs[ins->a];

		if (e->scope->get(e->scope, ref, NULL, var) != FLO_OK) {
			*var = NULL;
			ref_failed(e, ref);
			return;
		}
	}
	flo__slot_load(e->top++, *var);
}

static void eval_fail(struct flo__eval *e, const struct flo__ins *ins)
{
	struct flo__failure failure = {0};

	flo__fail(&failure, FLO_NOTFOUND, "%s",
		  flo_value_get_string(e->expr->consts[ins->a], NULL));
	flo__eval_replace(e, ins->b, NULL, &failure);
}

/* The slot's value is replaced by @part of it, which is borrowed. */
static void take_part(struct flo__slot *slot, const flo_value *part)
{
	const flo_value *whole = slot->of.value;

	if (!slot->owned) {
		flo__slot_load(slot, part);
		return;
	}
	flo_value_ref(part);
	flo_value_unref(whole);
	flo__slot_load(slot, part);
	slot->owned = slot->kind == FLO__SLOT_VALUE;
	if (!slot->owned)
		flo_value_unref(part);
}

static bool uses_steps(const struct flo__expr *expr)
{
	for (uint32_t i = 0; i < expr->refs_len; i++) {
		if (expr->refs[i].var == FLO__VAR_STEP)
			return true;
	}
	return false;
}

static void eval_field(struct flo__eval *e, const struct flo__ins *ins)
{
	const flo_value *name = e->expr->consts[ins->a];
	struct flo__failure failure = {0};
	struct flo__slot *slot = e->top - 1;
	const flo_value *part = NULL;

	if (slot->kind == FLO__SLOT_FAILED)
		return;
	if (slot->kind == FLO__SLOT_VALUE)
		part = flo_value_map_find(slot->of.value, name);
	if (ins->op == FLO__OP_HAS && flo__slot_type(slot) == FLO_VALUE_MAP) {
		flo__slot_fini(slot);
		flo__slot_set_bool(slot, part != NULL);
	} else if (part != NULL) {
		take_part(slot, part);
	} else {
		flo__ops_no_field(&failure, flo__slot_type(slot), name,
				  uses_steps(e->expr));
		flo__eval_replace(e, 1, NULL, &failure);
	}
}

static void eval_index(struct flo__eval *e)
{
	struct flo__failure failure = {0};
	struct flo__slot *a = e->top - 2;
	const flo_value *part;
	const flo_value *index;
	flo_value *made;

	if (flo__eval_hand_on(e, 2))
		return;
	index = flo__eval_view(e, e->top - 1, &made);
	if (index == NULL)
		return;
	if (a->kind == FLO__SLOT_VALUE) {
		part = flo__ops_index(a->of.value, index, &failure);
	} else {
		part = NULL;
		flo__ops_no_overload(&failure, FLO__OP_INDEX, flo__slot_type(a),
				     flo_value_typeof(index));
	}
	flo_value_unref(made);
	flo__eval_pop(e);
	if (part != NULL)
		take_part(a, part);
	else
		flo__eval_replace(e, 1, NULL, &failure);
}

static bool bytes_of(struct flo__eval *e, const struct flo__slot *slot,
		     uint64_t *ret_bytes)
{
	uint32_t depth;

	*ret_bytes = 0;
	return slot->kind != FLO__SLOT_VALUE ||
	       flo__eval_measure(e, slot->of.value, ret_bytes, &depth);
}

/* Count what an operator does with operands that are no two scalars. */
static bool pay(struct flo__eval *e, enum flo__op op, const struct flo__slot *a,
		const struct flo__slot *b)
{
	uint64_t a_bytes;
	uint64_t b_bytes;
	uint64_t n = 0;

	if (op == FLO__OP_ADD && flo__slot_type(a) == FLO_VALUE_LIST &&
	    flo__slot_type(b) == FLO_VALUE_LIST)
		return flo__eval_spend(e, flo_value_len(a->of.value) +
						  flo_value_len(b->of.value));
	if (!bytes_of(e, a, &a_bytes) || !bytes_of(e, b, &b_bytes))
		return false;
	if (op == FLO__OP_IN && flo__slot_type(b) == FLO_VALUE_LIST)
		n = flo_value_len(b->of.value) + b_bytes / FLO__COST_BYTES;
	else if (op == FLO__OP_IN)
		n = a_bytes / FLO__COST_BYTES; /* it is hashed */
	else if (op == FLO__OP_ADD)
		n = (a_bytes + b_bytes) / FLO__COST_BYTES;
	else
		n = (a_bytes < b_bytes ? a_bytes : b_bytes) / FLO__COST_BYTES;
	return flo__eval_spend(e, n);
}

/* Operands that are no two scalars. */
static void __attribute__((noinline))
eval_values(struct flo__eval *e, enum flo__op op)
{
	struct flo__failure failure = {0};
	flo_value *result;
	const flo_value *a;
	const flo_value *b;
	flo_value *a_made = NULL;
	flo_value *b_made = NULL;

	if (flo__eval_hand_on(e, 2) || !pay(e, op, e->top - 2, e->top - 1))
		return;
	a = flo__eval_view(e, e->top - 2, &a_made);
	b = a != NULL ? flo__eval_view(e, e->top - 1, &b_made) : NULL;
	if (b != NULL) {
		result = flo__ops_binary(op, a, b, &failure);
		if (op != FLO__OP_ADD || flo__eval_admit(e, result))
			flo__eval_replace(e, 2, result, &failure);
	}
	flo_value_unref(a_made);
	flo_value_unref(b_made);
}

static void eval_binary(struct flo__eval *e, enum flo__op op)
{
	struct flo__failure failure = {0};
	struct flo__slot *b = e->top - 1;
	struct flo__slot *a = b - 1;

	if (a->kind >= FLO__SLOT_VALUE || b->kind >= FLO__SLOT_VALUE) {
		eval_values(e, op);
		return;
	}
	e->top = b;
	if (!flo__scalar_binary(op, a, b, &failure))
		flo__eval_fail(e, a, &failure);
}

static void eval_unary(struct flo__eval *e, enum flo__op op)
{
	struct flo__failure failure = {0};
	struct flo__slot *a = e->top - 1;

	if (a->kind == FLO__SLOT_FAILED || flo__scalar_unary(op, a, &failure))
		return;
	flo__eval_replace(e, 1, NULL, &failure);
}

static void eval_cond(struct flo__eval *e, const struct flo__ins *ins)
{
	struct flo__slot *slot = e->top - 1;

	flo__eval_need_bool(e, slot, "the condition of ?:");
	if (slot->kind == FLO__SLOT_FAILED) {
		e->pc = ins->a;
		return;
	}
	if (flo__slot_is_bool(slot, false))
		e->pc = ins->b;
	flo__eval_pop(e);
}

/* What makes a value, or begins a macro. */
static void eval_large(struct flo__eval *e, const struct flo__ins *ins)
{
	switch ((enum flo__op)ins->op) {
	case FLO__OP_LIST:
		flo__eval_list(e, ins->a);
		return;
	case FLO__OP_MAP:
		flo__eval_map(e, ins->a);
		return;
	case FLO__OP_TEXT:
		flo__eval_text(e, ins->a);
		return;
	case FLO__OP_CALL:
		flo__eval_call(e, ins);
		return;
	case FLO__OP_ITER:
		flo__eval_iter(e, ins);
		return;
	case FLO__OP_KEEP:
		flo__eval_keep(e, ins);
		return;
	case FLO__OP_NEXT:
		flo__eval_next(e, ins);
		return;
	default:
		INSIST(ins->op == FLO__OP_FAIL);
		eval_fail(e, ins);
	}
}

static void step(struct flo__eval *e, const struct flo__ins *ins)
{
	switch ((enum flo__op)ins->op) {
	case FLO__OP_NOP:
	case FLO__OP_COND_END:
		return;
	case FLO__OP_CONST:
		flo__slot_load(e->top++, e->expr->consts[ins->a]);
		return;
	case FLO__OP_REF:
		eval_ref(e, ins);
		return;
	case FLO__OP_LOCAL:
		flo__eval_local(e, ins);
		return;
	case FLO__OP_FIELD:
	case FLO__OP_HAS:
		eval_field(e, ins);
		return;
	case FLO__OP_INDEX:
		eval_index(e);
		return;
	case FLO__OP_AND_TEST:
		if (flo__slot_is_bool(e->top - 1, false))
			e->pc = ins->b;
		return;
	case FLO__OP_OR_TEST:
		if (flo__slot_is_bool(e->top - 1, true))
			e->pc = ins->b;
		return;
	case FLO__OP_AND:
		join(e, false, "an operand of &&");
		return;
	case FLO__OP_OR:
		join(e, true, "an operand of ||");
		return;
	case FLO__OP_COND:
		eval_cond(e, ins);
		return;
	case FLO__OP_JUMP:
		e->pc = ins->b;
		return;
	case FLO__OP_NOT:
	case FLO__OP_NEG:
		eval_unary(e, (enum flo__op)ins->op);
		return;
	default:
		if (ins->op >= FLO__OP_ADD && ins->op <= FLO__OP_IN)
			eval_binary(e, (enum flo__op)ins->op);
		else
			eval_large(e, ins);
	}
}

static void run(struct flo__eval *e)
{
	while (e->pc < e->end) {
		const struct flo__ins *ins = &e->expr->ins[e->pc++];

		if (e->cost++ < FLO__EXPR_COST_MAX)
			step(e, ins);
		else
			flo__eval_spend(e, 1);
	}
}

bool flo__expr_uses_secret(const struct flo__expr *expr)
{
	for (uint32_t i = 0; i < expr->ins_len; i++) {
		if (expr->ins[i].op == FLO__OP_REF &&
		    expr->refs[expr->ins[i].a].secret)
			return true;
	}
	return false;
}

/* Turn a failure into the caller's error. */
static flo_status report(const struct flo__expr *expr,
			 const struct flo__failure *failure, flo_error *err,
			 uint32_t *ret_at)
{
	flo_status st = failure->status;
	uint32_t pc = failure->ins != 0 ? failure->ins : 1;
	uint32_t at = pc <= expr->ins_len ? expr->ins[pc - 1].at : 0;
	uint32_t column = 0;
	const struct flo__source *source =
		flo__expr_source(expr, pc, at, &column);
	const char *text =
		failure->text != NULL ? failure->text : flo_status_text(st);

	*ret_at = at;
	if (st == FLO_NOMEM)
		return flo_error_set(err, st, "out of memory");
	if (flo__expr_uses_secret(
		    expr)) /* it may quote it, cut so that no mask knows */
		text = "cannot be computed (why is not shown: it uses a "
		       "secret)";
	if (source == NULL)
		return flo_error_set(err, st, "%s", text);
	if (source->origin.line == 0)
		return flo_error_set(err, st, "`%s`: %s", source->text, text);
	flo_error_set(err, st, "`%s`: %s (line %u, column %u)", source->text,
		      text, source->origin.line, column);
	flo_error_place(err, (int)source->origin.line, (int)column);
	return st;
}

static flo_status finish(struct flo__eval *e, flo_error *err, uint32_t *ret_at,
			 flo_value **ret_value)
{
	struct flo__slot *slot = e->top - 1;
	flo_value *value = NULL;

	if (e->end != 0 && slot->kind == FLO__SLOT_FAILED) {
		e->fatal = (struct flo__failure){(flo_status)slot->status,
						 slot->ins, slot->of.text};
		slot->kind = FLO__SLOT_NULL;
	} else if (e->end != 0) {
		value = flo__eval_box(e, slot);
	}
	if (value == NULL)
		return report(e->expr, &e->fatal, err, ret_at);
	*ret_value = value;
	return FLO_OK;
}

static void eval_fini(struct flo__eval *e)
{
	while (e->top > e->slots)
		flo__eval_pop(e);
	for (uint32_t i = 0; i < e->expr->loops_max; i++) {
		if (e->loops[i].live)
			flo__loop_fini(&e->loops[i]);
	}
	for (uint32_t i = 0; i < e->expr->refs_len; i++)
		flo_value_unref(e->vars[i]);
	flo__free(e->fatal.text);
	flo__regex_free(e->regex);
	flo_value_unref(e->pattern);
}

/* What most expressions need, so that they need no memory. */
struct room {
	struct flo__slot slots[16];
	struct flo__loop loops[2];
	flo_value *vars[8];
};

/* Find room for the stack: in @room, or in memory that *@ret_mem owns. */
static bool prepare(struct flo__eval *e, struct room *room, void **ret_mem)
{
	const struct flo__expr *expr = e->expr;
	size_t vars_size = expr->refs_len * sizeof(*e->vars);
	size_t loops_size = expr->loops_max * sizeof(*e->loops);
	char *mem;

	if (expr->stack_max <= 16 && expr->loops_max <= 2 &&
	    expr->refs_len <= 8) {
		e->slots = room->slots;
		e->loops = room->loops;
		e->vars = room->vars;
	} else {
		mem = flo__malloc(vars_size + loops_size +
				  expr->stack_max * sizeof(*e->slots));
		if (mem == NULL)
			return false;
		*ret_mem = mem;
		e->vars = (flo_value **)(void *)mem;
		e->loops = (struct flo__loop *)(void *)(mem + vars_size);
		e->slots = (struct flo__slot *)(void *)(mem + vars_size +
							loops_size);
	}
	for (uint32_t i = 0; i < expr->refs_len; i++)
		e->vars[i] = NULL;
	for (uint32_t i = 0; i < expr->loops_max; i++)
		e->loops[i].live = false;
	e->top = e->slots;
	return true;
}

flo_status flo__expr_eval_at(const struct flo__expr *expr,
			     const struct flo__scope *scope, uint64_t cost_max,
			     flo_error *err, uint32_t *ret_at,
			     flo_value **ret_value)
{
	struct flo__eval e;
	struct room room;
	void *mem = NULL;
	flo_status st;

	*ret_at = 0;
	if (expr->constant != NULL) {
		*ret_value = flo_value_ref(expr->constant);
		return FLO_OK;
	}
	e.expr = expr;
	e.scope = scope;
	e.cost = FLO__EXPR_COST_MAX - cost_max;
	e.pc = 0;
	e.end = expr->ins_len;
	e.fatal = (struct flo__failure){0};
	e.regex = NULL;
	e.pattern = NULL;
	if (!prepare(&e, &room, &mem))
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	run(&e);
	st = finish(&e, err, ret_at, ret_value);
	eval_fini(&e);
	flo__free(mem);
	return st;
}

flo_status flo__expr_eval(const struct flo__expr *expr,
			  const struct flo__scope *scope, flo_error *err,
			  flo_value **ret_value)
{
	uint32_t at;

	return flo__expr_eval_at(expr, scope, FLO__EXPR_COST_MAX, err, &at,
				 ret_value);
}
