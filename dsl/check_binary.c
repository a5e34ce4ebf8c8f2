/*
 * Operators of two operands: whether their types go together, and what to do
 * where they do not.
 */
#include "dsl/check_p.h"

#include <stdio.h>

/*
 * Numbers compare with each other. Everything may be asked whether it is null;
 * but that one side could be null does not make the other side its equal.
 */
static unsigned comparable(unsigned types)
{
	if ((types & NUMBERS) != 0)
		types |= NUMBERS;
	return types;
}

/* What to do about operands of the types @a and @b that do not fit. */
static const char *pair_hint(unsigned op, unsigned a, unsigned b)
{
	unsigned both = (a | b) & ~BIT(NULL);
	unsigned time = both & ~(NUMBERS | BIT(STRING));
	bool sum = op == FLO__OP_ADD || op == FLO__OP_SUB;

	if (op == FLO__OP_MOD && (both & ~NUMBERS) == 0)
		return "% is of whole numbers: int(x) cuts off the fraction";
	if ((a & b & ~BIT(NULL)) != 0)
		return NULL;
	if (time == 0)
		return "convert one side: string(), int(), double()";
	if (op == FLO__OP_MUL || op == FLO__OP_DIV || op == FLO__OP_MOD)
		return NULL;
	if (time == BIT(DURATION) || (time == BIT(TIMESTAMP) && sum))
		return "a duration is written duration(\"90s\")";
	if (time == BIT(TIMESTAMP))
		return "a time is written timestamp(\"2000-12-31T23:59:59Z\")";
	return NULL;
}

/* Whether the operand whose code ends before instruction @i is a param. */
static bool is_param(const struct flo__check *c, uint32_t i)
{
	const struct flo__ins *ins = &c->code->ins[i];

	return i >= 2 && ins[-1].op == FLO__OP_FIELD &&
	       ins[-2].op == FLO__OP_REF &&
	       c->code->refs[ins[-2].a].var == FLO__VAR_PARAMS;
}

/* The int that the operand whose code ends before instruction @i is. */
static bool is_int(const struct flo__check *c, uint32_t i, int64_t *ret)
{
	const flo_value *v;

	if (i == 0 || c->code->ins[i - 1].op != FLO__OP_CONST)
		return false;
	v = c->code->consts[c->code->ins[i - 1].a];
	if (flo_value_typeof(v) != FLO_VALUE_INT)
		return false;
	*ret = flo_value_get_int(v);
	return true;
}

/*
 * Between an int and a double: if one is written out in the expression, how it
 * is written as the other's type. NULL: nothing is known of them.
 */
static const char *literal_hint(const struct flo__check *c,
				const struct flo__ins *ins, unsigned a,
				unsigned b, char *buf, size_t size)
{
	uint32_t i = (uint32_t)(ins - c->code->ins);
	bool right_is_param = is_param(c, i);
	bool left_is_param = i > 0 && is_param(c, i - 1);
	int64_t n;

	if (((a | b) & ~BIT(NULL)) != (BIT(INT) | BIT(DOUBLE)))
		return NULL;
	if (is_int(c, i, &n))
		right_is_param = false;
	else if (right_is_param && is_int(c, i - 2, &n))
		left_is_param = false;
	else
		return NULL;
	snprintf(buf, size, "write %lld.0%s", (long long)n,
		 right_is_param || left_is_param
			 ? ", or declare the param as an `integer`"
			 : "");
	return buf;
}

static void check_pair(struct flo__check *c, const struct flo__ins *ins,
		       unsigned a, unsigned b, const char *what)
{
	struct flo__expr_problem problem;
	char literal[80];
	const char *hint = literal_hint(c, ins, a, b, literal, sizeof(literal));
	const char *a_name = flo__check_name_of(a);
	const char *b_name = flo__check_name_of(b);

	if (c->code->dynamic)
		return;
	flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0,
			 hint != NULL ? hint : pair_hint(ins->op, a, b),
			 "%s does not go between %s and %s", what,
			 a_name != NULL ? a_name : "these",
			 b_name != NULL ? b_name : "that");
	flo__check_tell(c, &problem, ins);
}

static unsigned check_arithmetic(struct flo__check *c,
				 const struct flo__ins *ins, unsigned a,
				 unsigned b)
{
	static const char *const signs[] = {"+", "-", "*", "/", "%"};
	unsigned time = BIT(TIMESTAMP) | BIT(DURATION);
	unsigned fit = NUMBERS;
	unsigned both;

	if (ins->op == FLO__OP_MOD)
		fit = BIT(INT) | BIT(UINT);
	if (ins->op == FLO__OP_ADD)
		fit |= BIT(STRING) | BIT(BYTES) | BIT(LIST);
	both = a & b & fit;
	if ((ins->op == FLO__OP_ADD || ins->op == FLO__OP_SUB) &&
	    (a & time) != 0 && (b & time) != 0)
		both |= time;
	if (both != 0)
		return both;
	check_pair(c, ins, a, b, signs[ins->op - FLO__OP_ADD]);
	return ANY;
}

/* Of operands that fit: whether one can ever be the other. */
static void check_never(struct flo__check *c, const struct flo__ins *ins)
{
	flo__never_check(c->code, (uint32_t)(ins - c->code->ins), c->names,
			 c->fn, c->arg);
}

void flo__check_binary(struct flo__check *c, const struct flo__ins *ins)
{
	static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};
	struct flo__known right = flo__check_pop_known(c);
	struct flo__known left = flo__check_pop_known(c);
	unsigned b = right.types;
	unsigned a = left.types;

	switch ((enum flo__op)ins->op) {
	case FLO__OP_EQ:
	case FLO__OP_NE:
		if ((comparable(a) & comparable(b)) == 0 && a != BIT(NULL) &&
		    b != BIT(NULL))
			check_pair(c, ins, a, b, signs[ins->op - FLO__OP_EQ]);
		else
			check_never(c, ins);
		flo__check_push(c, BIT(BOOL));
		return;
	case FLO__OP_LT:
	case FLO__OP_LE:
	case FLO__OP_GT:
	case FLO__OP_GE:
		if ((comparable(a) & comparable(b) & ORDERED) == 0)
			check_pair(c, ins, a, b, signs[ins->op - FLO__OP_EQ]);
		flo__check_push(c, BIT(BOOL));
		return;
	case FLO__OP_IN:
		flo__check_want(c, ins, b, BIT(LIST) | BIT(MAP),
				"what `in` looks into");
		check_never(c, ins);
		flo__check_push(c, BIT(BOOL));
		return;
	default:
		flo__check_push_known(
			c,
			(struct flo__known){.types = check_arithmetic(c, ins, a,
								      b),
					    .items = left.items | right.items});
	}
}
