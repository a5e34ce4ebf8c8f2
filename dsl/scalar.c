/*
 * Operators on null, bools and numbers, which are most of what is computed.
 *
 * Numbers of two types are one line of points (cel-spec, "Numeric types").
 * Equality is exact. Order is as in all implementations of CEL, which their
 * common tests require: an int or uint is taken as the nearest double, so that
 * far beyond 2^53 two near numbers may be neither less nor more.
 */
#include "dsl/eval_p.h"

#include <math.h>

static bool overload(struct flo__failure *failure, enum flo__op op,
		     const struct flo__slot *a, const struct flo__slot *b)
{
	flo__ops_no_overload(failure, op, flo__slot_type(a), flo__slot_type(b));
	return false;
}

bool flo__scalar_unary(enum flo__op op, struct flo__slot *a,
		       struct flo__failure *failure)
{
	if (op == FLO__OP_NOT && a->kind == FLO__SLOT_BOOL) {
		a->of.b = !a->of.b;
		return true;
	}
	if (op == FLO__OP_NEG && a->kind == FLO__SLOT_DOUBLE) {
		a->of.d = -a->of.d;
		return true;
	}
	if (op != FLO__OP_NEG || a->kind != FLO__SLOT_INT) {
		flo__ops_no_unary(failure, op, flo__slot_type(a));
		return false;
	}
	if (a->of.i == INT64_MIN) {
		flo__fail(failure, FLO_RANGE, "int overflow");
		return false;
	}
	a->of.i = -a->of.i;
	return true;
}

static bool by_zero(enum flo__op op, struct flo__failure *failure)
{
	flo__fail(failure, FLO_RANGE,
		  op == FLO__OP_DIV ? "division by zero" : "modulus by zero");
	return false;
}

static bool int_op(enum flo__op op, int64_t *a, int64_t b,
		   struct flo__failure *failure)
{
	bool over = false;

	switch (op) {
	case FLO__OP_ADD:
		over = __builtin_add_overflow(*a, b, a);
		break;
	case FLO__OP_SUB:
		over = __builtin_sub_overflow(*a, b, a);
		break;
	case FLO__OP_MUL:
		over = __builtin_mul_overflow(*a, b, a);
		break;
	default:
		if (b == 0)
			return by_zero(op, failure);
		over = *a == INT64_MIN && b == -1;
		if (!over)
			*a = op == FLO__OP_DIV ? *a / b : *a % b;
	}
	if (over)
		flo__fail(failure, FLO_RANGE, "int overflow");
	return !over;
}

static bool uint_op(enum flo__op op, uint64_t *a, uint64_t b,
		    struct flo__failure *failure)
{
	bool over = false;

	switch (op) {
	case FLO__OP_ADD:
		over = __builtin_add_overflow(*a, b, a);
		break;
	case FLO__OP_SUB:
		over = __builtin_sub_overflow(*a, b, a);
		break;
	case FLO__OP_MUL:
		over = __builtin_mul_overflow(*a, b, a);
		break;
	default:
		if (b == 0)
			return by_zero(op, failure);
		*a = op == FLO__OP_DIV ? *a / b : *a % b;
	}
	if (over)
		flo__fail(failure, FLO_RANGE, "uint overflow");
	return !over;
}

static double double_op(enum flo__op op, double a, double b)
{
	switch (op) {
	case FLO__OP_ADD:
		return a + b;
	case FLO__OP_SUB:
		return a - b;
	case FLO__OP_MUL:
		return a * b;
	default:
		return a / b;
	}
}

static bool arithmetic(enum flo__op op, struct flo__slot *a,
		       const struct flo__slot *b, struct flo__failure *failure)
{
	if (a->kind == b->kind) {
		if (a->kind == FLO__SLOT_INT)
			return int_op(op, &a->of.i, b->of.i, failure);
		if (a->kind == FLO__SLOT_UINT)
			return uint_op(op, &a->of.u, b->of.u, failure);
		if (a->kind == FLO__SLOT_DOUBLE && op != FLO__OP_MOD) {
			a->of.d = double_op(op, a->of.d, b->of.d);
			return true;
		}
	}
	return overload(failure, op, a, b);
}

static bool is_number(const struct flo__slot *slot)
{
	return slot->kind >= FLO__SLOT_INT && slot->kind <= FLO__SLOT_DOUBLE;
}

static bool same_kind_equal(const struct flo__slot *a,
			    const struct flo__slot *b)
{
	switch (a->kind) {
	case FLO__SLOT_NULL:
		return true;
	case FLO__SLOT_BOOL:
		return a->of.b == b->of.b;
	case FLO__SLOT_DOUBLE:
		return a->of.d == b->of.d;
	default:
		return a->of.u == b->of.u;
	}
}

static bool equal(const struct flo__slot *a, const struct flo__slot *b)
{
	if (a->kind == b->kind)
		return same_kind_equal(a, b);
	if (!is_number(a) || !is_number(b))
		return false;
	if (a->kind > b->kind)
		return equal(b, a);
	if (b->kind == FLO__SLOT_DOUBLE)
		return a->kind == FLO__SLOT_INT
			       ? flo__int_is_double(a->of.i, b->of.d)
			       : flo__uint_is_double(a->of.u, b->of.d);
	return a->of.i >= 0 && a->of.u == b->of.u;
}

static int order(bool less, bool more)
{
	return less ? -1 : more;
}

/* -1, 0, 1, or 2 if one is NaN. */
static int compare_doubles(double a, double b)
{
	if (isnan(a) || isnan(b))
		return 2;
	return order(isless(a, b), isgreater(a, b));
}

static int compare_numbers(const struct flo__slot *a, const struct flo__slot *b)
{
	int c;

	if (a->kind > b->kind) {
		c = compare_numbers(b, a);
		return c == 2 ? 2 : -c;
	}
	if (a->kind == FLO__SLOT_DOUBLE)
		return compare_doubles(a->of.d, b->of.d);
	if (b->kind == FLO__SLOT_DOUBLE)
		return compare_doubles(a->kind == FLO__SLOT_INT
					       ? (double)a->of.i
					       : (double)a->of.u,
				       b->of.d);
	if (a->kind == FLO__SLOT_UINT)
		return order(a->of.u<b->of.u, a->of.u> b->of.u);
	if (b->kind == FLO__SLOT_INT)
		return order(a->of.i<b->of.i, a->of.i> b->of.i);
	return a->of.i < 0 ? -1 : order(a->of.u<b->of.u, a->of.u> b->of.u);
}

static bool holds(enum flo__op op, int c)
{
	switch (op) {
	case FLO__OP_LT:
		return c < 0;
	case FLO__OP_LE:
		return c <= 0;
	case FLO__OP_GT:
		return c == 1;
	default:
		return c == 0 || c == 1;
	}
}

static bool ordering(enum flo__op op, struct flo__slot *a,
		     const struct flo__slot *b, struct flo__failure *failure)
{
	int c;

	if (is_number(a) && is_number(b))
		c = compare_numbers(a, b);
	else if (a->kind == FLO__SLOT_BOOL && b->kind == FLO__SLOT_BOOL)
		c = (int)a->of.b - (int)b->of.b;
	else
		return overload(failure, op, a, b);
	/* NaN, 2, is in no order to anything. */
	flo__slot_set_bool(a, c != 2 && holds(op, c));
	return true;
}

bool flo__scalar_binary(enum flo__op op, struct flo__slot *a,
			const struct flo__slot *b, struct flo__failure *failure)
{
	switch (op) {
	case FLO__OP_EQ:
		flo__slot_set_bool(a, equal(a, b));
		return true;
	case FLO__OP_NE:
		flo__slot_set_bool(a, !equal(a, b));
		return true;
	case FLO__OP_LT:
	case FLO__OP_LE:
	case FLO__OP_GT:
	case FLO__OP_GE:
		return ordering(op, a, b, failure);
	case FLO__OP_ADD:
	case FLO__OP_SUB:
	case FLO__OP_MUL:
	case FLO__OP_DIV:
	case FLO__OP_MOD:
		return arithmetic(op, a, b, failure);
	default: /* in, [] */
		return overload(failure, op, a, b);
	}
}
