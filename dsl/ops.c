#include "dsl/functions_p.h"

#include "base/strbuf.h"

#include <math.h>
#include <string.h>

const char *flo__value_type_name(flo_value_type type)
{
	static const char *const names[] = {
		"null",	 "bool", "int", "uint",	     "double",	 "string",
		"bytes", "list", "map", "timestamp", "duration", "type",
	};

	return names[type];
}

static flo_value *no_overload(struct flo__failure *failure, const char *what,
			      const flo_value *a, const flo_value *b)
{
	const char *a_name = flo__value_type_name(flo_value_typeof(a));

	if (b == NULL)
		return flo__fail(failure, FLO_TYPE, "%s does not work on %s",
				 what, a_name);
	return flo__fail(failure, FLO_TYPE, "%s does not work on %s and %s",
			 what, a_name,
			 flo__value_type_name(flo_value_typeof(b)));
}

flo_value *flo__ops_unary(enum flo__op op, const flo_value *a,
			  struct flo__failure *failure)
{
	int64_t n;

	switch (flo_value_typeof(a)) {
	case FLO_VALUE_BOOL:
		if (op == FLO__OP_NOT)
			return flo_value_bool(!flo_value_get_bool(a));
		break;
	case FLO_VALUE_INT:
		if (op != FLO__OP_NEG)
			break;
		n = flo_value_get_int(a);
		if (n == INT64_MIN)
			return flo__fail(failure, FLO_RANGE, "int overflow");
		return flo_value_int(-n);
	case FLO_VALUE_DOUBLE:
		if (op == FLO__OP_NEG)
			return flo_value_double(-flo_value_get_double(a));
		break;
	default:
		break;
	}
	return no_overload(failure, op == FLO__OP_NOT ? "!" : "-", a, NULL);
}

static flo_value *int_op(enum flo__op op, int64_t a, int64_t b,
			 struct flo__failure *failure)
{
	int64_t n = 0;
	bool over = false;

	if ((op == FLO__OP_DIV || op == FLO__OP_MOD) && b == 0)
		return flo__fail(failure, FLO_RANGE,
				 op == FLO__OP_DIV ? "division by zero"
						   : "modulus by zero");
	switch (op) {
	case FLO__OP_ADD:
		over = __builtin_add_overflow(a, b, &n);
		break;
	case FLO__OP_SUB:
		over = __builtin_sub_overflow(a, b, &n);
		break;
	case FLO__OP_MUL:
		over = __builtin_mul_overflow(a, b, &n);
		break;
	default:
		over = a == INT64_MIN && b == -1;
		if (!over)
			n = op == FLO__OP_DIV ? a / b : a % b;
	}
	if (over)
		return flo__fail(failure, FLO_RANGE, "int overflow");
	return flo_value_int(n);
}

static flo_value *uint_op(enum flo__op op, uint64_t a, uint64_t b,
			  struct flo__failure *failure)
{
	uint64_t n = 0;
	bool over = false;

	if ((op == FLO__OP_DIV || op == FLO__OP_MOD) && b == 0)
		return flo__fail(failure, FLO_RANGE,
				 op == FLO__OP_DIV ? "division by zero"
						   : "modulus by zero");
	switch (op) {
	case FLO__OP_ADD:
		over = __builtin_add_overflow(a, b, &n);
		break;
	case FLO__OP_SUB:
		over = __builtin_sub_overflow(a, b, &n);
		break;
	case FLO__OP_MUL:
		over = __builtin_mul_overflow(a, b, &n);
		break;
	default:
		n = op == FLO__OP_DIV ? a / b : a % b;
	}
	if (over)
		return flo__fail(failure, FLO_RANGE, "uint overflow");
	return flo_value_uint(n);
}

static flo_value *double_op(enum flo__op op, double a, double b)
{
	switch (op) {
	case FLO__OP_ADD:
		return flo_value_double(a + b);
	case FLO__OP_SUB:
		return flo_value_double(a - b);
	case FLO__OP_MUL:
		return flo_value_double(a * b);
	default:
		return flo_value_double(a / b);
	}
}

static flo_value *concat(const flo_value *a, const flo_value *b)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *value = NULL;
	const char *text;
	size_t len;

	text = flo_value_get_string(a, &len);
	flo__strbuf_add(&sb, text, len);
	text = flo_value_get_string(b, &len);
	flo__strbuf_add(&sb, text, len);
	if (!sb.failed)
		value = flo_value_typeof(a) == FLO_VALUE_BYTES
				? flo_value_bytes(sb.data, sb.len)
				: flo_value_stringn(sb.data, sb.len);
	flo__strbuf_fini(&sb);
	return value;
}

static flo_value *concat_lists(const flo_value *a, const flo_value *b)
{
	size_t a_len = flo_value_len(a);
	size_t len = a_len + flo_value_len(b);
	flo_value *list = flo_value_list(len);

	for (size_t i = 0; list != NULL && i < len; i++) {
		const flo_value *item =
			i < a_len ? flo_value_list_at(a, i)
				  : flo_value_list_at(b, i - a_len);

		if (flo_value_list_add(list, flo_value_ref(item)) != FLO_OK) {
			flo_value_unref(list);
			return NULL;
		}
	}
	return list;
}

static flo_value *arithmetic(enum flo__op op, const flo_value *a,
			     const flo_value *b, struct flo__failure *failure)
{
	static const char *const signs[] = {"+", "-", "*", "/", "%"};
	flo_value_type type = flo_value_typeof(a);
	flo_value *sum;
	bool fits;

	if (type == FLO_VALUE_TIMESTAMP || type == FLO_VALUE_DURATION) {
		sum = flo__time_arithmetic(op, a, b, failure, &fits);
		if (fits)
			return sum;
	} else if (type == flo_value_typeof(b)) {
		switch (type) {
		case FLO_VALUE_INT:
			return int_op(op, flo_value_get_int(a),
				      flo_value_get_int(b), failure);
		case FLO_VALUE_UINT:
			return uint_op(op, flo_value_get_uint(a),
				       flo_value_get_uint(b), failure);
		case FLO_VALUE_DOUBLE:
			if (op != FLO__OP_MOD)
				return double_op(op, flo_value_get_double(a),
						 flo_value_get_double(b));
			break;
		case FLO_VALUE_STRING:
		case FLO_VALUE_BYTES:
			if (op == FLO__OP_ADD)
				return concat(a, b);
			break;
		case FLO_VALUE_LIST:
			if (op == FLO__OP_ADD)
				return concat_lists(a, b);
			break;
		default:
			break;
		}
	}
	return no_overload(failure, signs[op - FLO__OP_ADD], a, b);
}

static bool is_number(const flo_value *v)
{
	flo_value_type type = flo_value_typeof(v);

	return type == FLO_VALUE_INT || type == FLO_VALUE_UINT ||
	       type == FLO_VALUE_DOUBLE;
}

static int order(bool less, bool more)
{
	return less ? -1 : more;
}

/* Compare an int with a double exactly; 2 if the double is NaN. */
static int compare_int_double(int64_t a, double b)
{
	if (isnan(b))
		return 2;
	if (b >= 9223372036854775808.0)
		return -1;
	if (b < -9223372036854775808.0)
		return 1;
	if (a != (int64_t)b)
		return order(a < (int64_t)b, true);
	return order(trunc(b) < b, trunc(b) > b);
}

static int compare_uint_double(uint64_t a, double b)
{
	if (isnan(b))
		return 2;
	if (b >= 18446744073709551616.0)
		return -1;
	if (b < 0)
		return 1;
	if (a != (uint64_t)b)
		return order(a < (uint64_t)b, true);
	return order(trunc(b) < b, false);
}

/* -1, 0, 1, or 2 if there is no order (NaN). Both are numbers. */
static int compare_numbers(const flo_value *a, const flo_value *b)
{
	flo_value_type ta = flo_value_typeof(a);
	flo_value_type tb = flo_value_typeof(b);
	int c;

	if (ta > tb) {
		c = compare_numbers(b, a);
		return c == 2 ? 2 : -c;
	}
	if (ta == FLO_VALUE_DOUBLE) {
		double x = flo_value_get_double(a);
		double y = flo_value_get_double(b);

		return isnan(x) || isnan(y) ? 2 : order(x<y, x> y);
	}
	if (tb == FLO_VALUE_DOUBLE)
		return ta == FLO_VALUE_INT
			       ? compare_int_double(flo_value_get_int(a),
						    flo_value_get_double(b))
			       : compare_uint_double(flo_value_get_uint(a),
						     flo_value_get_double(b));
	if (ta == FLO_VALUE_UINT) {
		uint64_t x = flo_value_get_uint(a);

		return order(x<flo_value_get_uint(b), x> flo_value_get_uint(b));
	}
	if (tb == FLO_VALUE_UINT) {
		int64_t x = flo_value_get_int(a);
		uint64_t y = flo_value_get_uint(b);

		return x < 0 ? -1 : order((uint64_t)x<y, (uint64_t)x> y);
	}
	return order(flo_value_get_int(a) < flo_value_get_int(b),
		     flo_value_get_int(a) > flo_value_get_int(b));
}

/* Bytewise, which for UTF-8 is the order of code points. */
static int compare_texts(const flo_value *a, const flo_value *b)
{
	size_t a_len;
	size_t b_len;
	const char *a_text = flo_value_get_string(a, &a_len);
	const char *b_text = flo_value_get_string(b, &b_len);
	int c = memcmp(a_text, b_text, a_len < b_len ? a_len : b_len);

	return c != 0 ? order(c<0, c> 0) : order(a_len<b_len, a_len> b_len);
}

static int compare_times(const flo_value *a, const flo_value *b)
{
	int64_t x = flo_value_get_seconds(a);
	int64_t y = flo_value_get_seconds(b);

	if (x != y)
		return order(x<y, x> y);
	return order(flo_value_get_nanos(a) < flo_value_get_nanos(b),
		     flo_value_get_nanos(a) > flo_value_get_nanos(b));
}

/* -1, 0, 1, 2 without an order, 3 if the types have none between them. */
static int compare(const flo_value *a, const flo_value *b)
{
	flo_value_type type = flo_value_typeof(a);

	if (is_number(a) && is_number(b))
		return compare_numbers(a, b);
	if (type != flo_value_typeof(b))
		return 3;
	switch (type) {
	case FLO_VALUE_BOOL:
		return (int)flo_value_get_bool(a) - (int)flo_value_get_bool(b);
	case FLO_VALUE_STRING:
	case FLO_VALUE_BYTES:
		return compare_texts(a, b);
	case FLO_VALUE_TIMESTAMP:
	case FLO_VALUE_DURATION:
		return compare_times(a, b);
	default:
		return 3;
	}
}

static flo_value *ordering(enum flo__op op, const flo_value *a,
			   const flo_value *b, struct flo__failure *failure)
{
	static const char *const signs[] = {"<", "<=", ">", ">="};
	int c = compare(a, b);

	if (c == 3)
		return no_overload(failure, signs[op - FLO__OP_LT], a, b);
	if (c == 2)
		return flo_value_bool(false);
	switch (op) {
	case FLO__OP_LT:
		return flo_value_bool(c < 0);
	case FLO__OP_LE:
		return flo_value_bool(c <= 0);
	case FLO__OP_GT:
		return flo_value_bool(c > 0);
	default:
		return flo_value_bool(c >= 0);
	}
}

static flo_value *in(const flo_value *a, const flo_value *b,
		     struct flo__failure *failure)
{
	if (flo_value_typeof(b) == FLO_VALUE_MAP)
		return flo_value_bool(flo_value_map_find(b, a) != NULL);
	if (flo_value_typeof(b) != FLO_VALUE_LIST)
		return no_overload(failure, "in", a, b);
	for (size_t i = 0; i < flo_value_len(b); i++) {
		if (flo_value_equal(a, flo_value_list_at(b, i)))
			return flo_value_bool(true);
	}
	return flo_value_bool(false);
}

/* What a key looks like in a message. */
static flo_value *no_key(const flo_value *key, struct flo__failure *failure)
{
	char *text = flo_value_to_json(key);

	if (text == NULL)
		return NULL;
	flo__fail(failure, FLO_NOTFOUND, "no such key %.64s", text);
	flo_free(text);
	return NULL;
}

/* The number as an index, or -1 if it is none: whole, not negative. */
static int64_t index_of(const flo_value *v)
{
	double d;

	switch (flo_value_typeof(v)) {
	case FLO_VALUE_INT:
		return flo_value_get_int(v);
	case FLO_VALUE_UINT:
		return flo_value_get_uint(v) > INT64_MAX
			       ? INT64_MAX
			       : (int64_t)flo_value_get_uint(v);
	default:
		d = flo_value_get_double(v);
		return d >= 0 && d < 9e15 && trunc(d) == d ? (int64_t)d : -1;
	}
}

static flo_value *at_index(const flo_value *a, const flo_value *b,
			   struct flo__failure *failure)
{
	const flo_value *item;
	size_t len = flo_value_len(a);
	int64_t i;

	if (flo_value_typeof(a) == FLO_VALUE_MAP) {
		item = flo_value_map_find(a, b);
		return item != NULL ? flo_value_ref(item) : no_key(b, failure);
	}
	if (flo_value_typeof(a) != FLO_VALUE_LIST || !is_number(b))
		return no_overload(failure, "[]", a, b);
	i = index_of(b);
	if (flo_value_typeof(b) == FLO_VALUE_DOUBLE && i < 0)
		return flo__fail(failure, FLO_RANGE,
				 "index %g is no whole number from 0 on",
				 flo_value_get_double(b));
	if (i < 0 || (uint64_t)i >= len)
		return flo__fail(failure, FLO_RANGE,
				 "index %lld is out of range: the list has "
				 "%zu item%s",
				 (long long)i, len, len == 1 ? "" : "s");
	return flo_value_ref(flo_value_list_at(a, (size_t)i));
}

flo_value *flo__ops_binary(enum flo__op op, const flo_value *a,
			   const flo_value *b, struct flo__failure *failure)
{
	switch (op) {
	case FLO__OP_EQ:
		return flo_value_bool(flo_value_equal(a, b));
	case FLO__OP_NE:
		return flo_value_bool(!flo_value_equal(a, b));
	case FLO__OP_LT:
	case FLO__OP_LE:
	case FLO__OP_GT:
	case FLO__OP_GE:
		return ordering(op, a, b, failure);
	case FLO__OP_IN:
		return in(a, b, failure);
	case FLO__OP_INDEX:
		return at_index(a, b, failure);
	default:
		return arithmetic(op, a, b, failure);
	}
}

flo_value *flo__ops_field(const flo_value *map, const flo_value *name,
			  struct flo__failure *failure)
{
	const flo_value *value;

	if (flo_value_typeof(map) != FLO_VALUE_MAP)
		return flo__fail(
			failure, FLO_TYPE, "cannot select \"%.64s\" from %s",
			flo_value_get_string(name, NULL),
			flo_value_typeof(map) == FLO_VALUE_NULL
				? "null: the step had no output, or was skipped"
				: flo__value_type_name(flo_value_typeof(map)));
	value = flo_value_map_find(map, name);
	return value != NULL ? flo_value_ref(value) : no_key(name, failure);
}

flo_value *flo__ops_has(const flo_value *map, const flo_value *name,
			struct flo__failure *failure)
{
	if (flo_value_typeof(map) != FLO_VALUE_MAP)
		return flo__ops_field(map, name, failure);
	return flo_value_bool(flo_value_map_find(map, name) != NULL);
}
