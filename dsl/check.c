/*
 * Going over the code of an expression: what each instruction needs, and what
 * is known of what it leaves on the stack.
 */
#include "dsl/check_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <stdio.h>
#include <string.h>

void flo__check_push_known(struct flo__check *c, struct flo__known known)
{
	if (c->len == c->cap) {
		uint32_t cap = c->cap != 0 ? c->cap * 2 : 32;
		struct flo__known *grown;

		grown = flo__reallocarray(c->known, cap, sizeof(*grown));
		if (grown == NULL) {
			c->nomem = true;
			return;
		}
		c->known = grown;
		c->cap = cap;
	}
	c->known[c->len++] = known;
}

void flo__check_push(struct flo__check *c, unsigned types)
{
	flo__check_push_known(c, (struct flo__known){.types = types,
						     .items = ANY});
}

static void push_list(struct flo__check *c, unsigned items)
{
	flo__check_push_known(c, (struct flo__known){.types = BIT(LIST),
						     .items = items});
}

struct flo__known flo__check_pop_known(struct flo__check *c)
{
	INSIST(c->len > 0);
	return c->known[--c->len];
}

static unsigned pop(struct flo__check *c)
{
	return flo__check_pop_known(c).types;
}

unsigned flo__types_of_items(const flo_value *list)
{
	unsigned types = 0;

	if (flo_value_typeof(list) != FLO_VALUE_LIST)
		return ANY;
	for (size_t i = 0; i < flo_value_len(list); i++)
		types |= 1u << flo_value_typeof(flo_value_list_at(list, i));
	return types != 0 ? types : ANY;
}

/* Whether it is a list, if it is not null. */
static bool is_list(const struct flo__known *known)
{
	return (known->types & ~BIT(NULL)) == BIT(LIST);
}

void flo__check_tell(struct flo__check *c, struct flo__expr_problem *problem,
		     const struct flo__ins *ins)
{
	problem->at = ins->at;
	problem->len = ins->len;
	c->failed = true;
	c->fn(problem, c->arg);
}

const char *flo__check_name_of(unsigned types)
{
	if (types != BIT(NULL))
		types &= ~BIT(NULL);
	for (int t = FLO_VALUE_NULL; t <= FLO_VALUE_TYPE; t++) {
		if (types == 1u << t)
			return flo__value_type_name((flo_value_type)t);
	}
	return types != 0 && (types & ~NUMBERS) == 0 ? "number" : NULL;
}

static void mismatch(struct flo__check *c, const struct flo__ins *ins,
		     const char *what, unsigned types)
{
	struct flo__expr_problem problem;
	const char *name = flo__check_name_of(types);

	flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0, NULL,
			 "%s cannot be %s", what,
			 name != NULL ? name : "of this type");
	flo__check_tell(c, &problem, ins);
}

void flo__check_want(struct flo__check *c, const struct flo__ins *ins,
		     unsigned types, unsigned fit, const char *what)
{
	if ((types & fit) == 0 && !c->code->dynamic)
		mismatch(c, ins, what, types);
}

/*
 * Try a literal argument of the call at @i now: what cannot be read then never
 * can. The pattern of matches() is kept compiled.
 */
static void try_literal(struct flo__check *c, uint32_t i,
			const struct flo__function *f)
{
	struct flo__ins *ins = &c->code->ins[i];
	const struct flo__ins *arg = ins - 1; /* the last one's code */
	struct flo__failure failure = {0};
	struct flo__expr_problem problem;
	struct flo__regex *regex = NULL;
	const flo_value *v;

	if (!f->literal || i == 0 || arg->op != FLO__OP_CONST)
		return;
	v = c->code->consts[arg->a];
	if (flo_value_typeof(v) != FLO_VALUE_STRING)
		return;
	if (f->fn == flo__fn_matches)
		regex = flo__fn_pattern(v, &failure);
	else
		flo_value_unref(f->fn(&v, 1, &failure));
	c->nomem |= failure.status == FLO_NOMEM;
	if (failure.status == FLO_OK && f->fn == flo__fn_matches)
		ins->b = flo__code_pattern(c->code, regex) + 1;
	if (failure.text != NULL) {
		flo__problem_set(&problem, FLO__CODE_EXPRESSION, 0, 0, NULL,
				 "%s", failure.text);
		flo__check_tell(c, &problem, arg);
	}
	flo__free(failure.text);
}

/* The types that argument @n of @f, from 1, may have. */
static unsigned types_of_argument(const struct flo__function *f, unsigned n)
{
	if (n == 1)
		return f->receiver;
	return n == f->max && f->last != 0 ? f->last : f->others;
}

/* Write what @types are called: "string, list or map". */
static void name_all(unsigned types, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (int t = FLO_VALUE_NULL; t <= FLO_VALUE_TYPE; t++) {
		const char *name = flo__value_type_name((flo_value_type)t);
		unsigned bit = 1u << t;

		if ((types & bit) == 0 || len >= size)
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%s",
					(types & (bit - 1)) == 0 ? ""
					: (types & ~(bit | (bit - 1))) == 0
						? " or "
						: ", ",
					name);
	}
}

/* Report that argument @n of @f, one of @types, is none of @fit. */
static void wrong_argument(struct flo__check *c, const struct flo__ins *ins,
			   const struct flo__function *f, unsigned n,
			   unsigned types, unsigned fit)
{
	bool only = n == 1 && (!f->global || ins->n == 1);
	struct flo__expr_problem problem;
	const char *name = flo__check_name_of(types);
	char fits[96];

	name_all(fit, fits, sizeof(fits));
	if (name == NULL)
		name = "this";
	if (only)
		flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0, NULL,
				 "%s() takes %s, not %s", f->name, fits, name);
	else if (f->method && !f->global)
		flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0, NULL,
				 "argument %u of %s() must be %s, not %s",
				 n - 1, f->name, fits, name);
	else
		flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0, NULL,
				 "an argument of %s() must be %s, not %s",
				 f->name, fits, name);
	flo__check_tell(c, &problem, ins);
}

static unsigned check_call(struct flo__check *c, uint32_t i)
{
	const struct flo__ins *ins = &c->code->ins[i];
	const struct flo__function *f = flo__function_at(ins->a);

	for (unsigned n = ins->n; n > 0; n--) {
		unsigned types = pop(c);
		unsigned fit = types_of_argument(f, n);

		if (fit != 0 && (types & fit) == 0)
			wrong_argument(c, ins, f, n, types, fit);
	}
	try_literal(c, i, f);
	return f->result != 0 ? f->result : ANY;
}

/* A macro begins: keep what it goes over for its variables. */
static void check_iter(struct flo__check *c, const struct flo__ins *ins)
{
	struct flo__known range = flo__check_pop_known(c);

	flo__check_want(c, ins, range.types, BIT(LIST) | BIT(MAP),
			"what a macro goes over");
	INSIST(ins->n < FLO__EXPR_LOOPS_MAX);
	c->ranges[ins->n] = range;
}

/* The variable of a macro: of a list the item, or its index. */
static void check_local(struct flo__check *c, const struct flo__ins *ins)
{
	const struct flo__known *range = &c->ranges[ins->a];

	if (c->code->dynamic || !is_list(range))
		flo__check_push(c, ANY);
	else if (ins->n == FLO__PART_KEY)
		flo__check_push(c, BIT(INT));
	else
		flo__check_push(c, range->items);
}

/* Push what a macro results in; on top is what its body has computed. */
static void check_next(struct flo__check *c, const struct flo__ins *ins)
{
	unsigned body = pop(c);

	if (ins->a == FLO__MACRO_MAP) {
		push_list(c, body);
	} else if (ins->a == FLO__MACRO_MAP_VALUES) {
		flo__check_push(c, BIT(MAP));
	} else {
		flo__check_want(c, ins, body, BIT(BOOL),
				"what the macro tests");
		if (ins->a == FLO__MACRO_FILTER && is_list(&c->ranges[ins->n]))
			push_list(c, c->ranges[ins->n].items);
		else
			flo__check_push(c, ins->a == FLO__MACRO_FILTER
						   ? BIT(LIST)
						   : BIT(BOOL));
	}
}

static void check_const(struct flo__check *c, const struct flo__ins *ins)
{
	const flo_value *v = c->code->consts[ins->a];

	flo__check_push_known(
		c, (struct flo__known){.types = 1u << flo_value_typeof(v),
				       .items = flo__types_of_items(v)});
}

/* A list of the @n values on the stack. */
static void check_list(struct flo__check *c, uint32_t n)
{
	unsigned items = n == 0 ? ANY : 0;

	while (n-- > 0)
		items |= pop(c);
	push_list(c, items);
}

static void pop_n(struct flo__check *c, uint32_t n)
{
	while (n-- > 0)
		pop(c);
}

/* Push what a selection by instruction @i can result in. */
static void push_selected(struct flo__check *c, uint32_t i)
{
	if (c->member_ins == i && i != 0)
		flo__check_push_known(c, c->member);
	else
		flo__check_push(c, ANY);
}

static void check_index(struct flo__check *c, uint32_t i)
{
	const struct flo__ins *ins = &c->code->ins[i];
	unsigned index = pop(c);
	struct flo__known known = flo__check_pop_known(c);
	unsigned from = known.types;
	unsigned keys = 0;

	flo__check_want(c, ins, from, BIT(LIST) | BIT(MAP), "what is indexed");
	if ((from & BIT(LIST)) != 0)
		keys |= NUMBERS;
	if ((from & BIT(MAP)) != 0)
		keys |= NUMBERS | BIT(BOOL) | BIT(STRING);
	if (keys != 0)
		flo__check_want(c, ins, index, keys,
				(from & BIT(MAP)) == 0 ? "the index of a list"
						       : "the key of a map");
	if (is_list(&known) && !c->code->dynamic)
		flo__check_push(c, known.items);
	else
		push_selected(c, i);
}

static void check_one(struct flo__check *c, uint32_t i)
{
	const struct flo__ins *ins = &c->code->ins[i];
	struct flo__known known;
	unsigned a;

	switch ((enum flo__op)ins->op) {
	case FLO__OP_NOP:
	case FLO__OP_JUMP: /* COND_END takes both branches off */
		return;
	case FLO__OP_CONST:
		check_const(c, ins);
		return;
	case FLO__OP_IDENT:
		flo__check_push(c, flo__check_ident(c, i));
		return;
	case FLO__OP_REF:
		flo__check_push(c, ANY);
		return;
	case FLO__OP_LOCAL:
		check_local(c, ins);
		return;
	case FLO__OP_FIELD:
	case FLO__OP_HAS:
		flo__check_want(c, ins, pop(c), BIT(MAP),
				"what a field is selected from");
		if (ins->op == FLO__OP_HAS)
			flo__check_push(c, BIT(BOOL));
		else
			push_selected(c, i);
		return;
	case FLO__OP_INDEX:
		check_index(c, i);
		return;
	case FLO__OP_NOT:
		flo__check_want(c, ins, pop(c), BIT(BOOL), "the operand of !");
		flo__check_push(c, BIT(BOOL));
		return;
	case FLO__OP_NEG:
		a = pop(c);
		flo__check_want(c, ins, a, BIT(INT) | BIT(DOUBLE),
				"the operand of -");
		flo__check_push(c, a);
		return;
	case FLO__OP_AND_TEST:
	case FLO__OP_OR_TEST:
		flo__check_want(c, ins, c->known[c->len - 1].types, BIT(BOOL),
				ins->op == FLO__OP_AND_TEST
					? "the left side of &&"
					: "the left side of ||");
		return;
	case FLO__OP_AND:
	case FLO__OP_OR:
		flo__check_want(c, ins, pop(c), BIT(BOOL),
				ins->op == FLO__OP_AND
					? "the right side of &&"
					: "the right side of ||");
		pop(c);
		flo__check_push(c, BIT(BOOL));
		return;
	case FLO__OP_COND:
		flo__check_want(c, ins, pop(c), BIT(BOOL),
				"the condition of ?:");
		return;
	case FLO__OP_COND_END:
		known = flo__check_pop_known(c);
		known.types |= c->known[c->len - 1].types;
		known.items |= c->known[c->len - 1].items;
		pop(c);
		flo__check_push_known(c, known);
		return;
	case FLO__OP_LIST:
		check_list(c, ins->a);
		return;
	case FLO__OP_MAP:
		pop_n(c, 2 * ins->a);
		flo__check_push(c, BIT(MAP));
		return;
	case FLO__OP_TEXT:
		pop_n(c, ins->a);
		flo__check_push(c, BIT(STRING));
		return;
	case FLO__OP_CALL:
		flo__check_push(c, check_call(c, i));
		return;
	case FLO__OP_FAIL:
		pop_n(c, ins->b);
		flo__check_push(c, ANY);
		return;
	case FLO__OP_ITER:
		check_iter(c, ins);
		return;
	case FLO__OP_KEEP:
		flo__check_want(c, ins, pop(c), BIT(BOOL),
				"what the macro tests");
		return;
	case FLO__OP_NEXT:
		check_next(c, ins);
		return;
	default:
		flo__check_binary(c, ins);
	}
}

flo_status flo__expr_check(struct flo__code *code, uint32_t first,
			   struct flo__names *names, flo__expr_problem_fn fn,
			   void *arg, unsigned *ret_types, unsigned *ret_items)
{
	struct flo__check c = {.code = code,
			       .names = names,
			       .fn = fn,
			       .arg = arg};

	for (uint32_t i = first; i < code->ins_len; i++) {
		check_one(&c, i);
		if (c.nomem || code->nomem)
			break;
	}
	c.nomem |= code->nomem;
	if (!c.nomem) {
		INSIST(c.len == 1);
		*ret_types = c.known[0].types;
		*ret_items = c.known[0].items;
	}
	flo__free(c.known);
	if (c.nomem)
		return FLO_NOMEM;
	return c.failed ? FLO_INVALID : FLO_OK;
}
