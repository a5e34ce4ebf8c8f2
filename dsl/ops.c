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

static const char *sign(enum flo__op op)
{
	static const char *const signs[] = {"+",  "-", "*",  "/", "%",	"==",
					    "!=", "<", "<=", ">", ">=", "in"};

	return op == FLO__OP_INDEX ? "[]" : signs[op - FLO__OP_ADD];
}

flo_value *flo__ops_no_overload(struct flo__failure *failure, enum flo__op op,
				flo_value_type a, flo_value_type b)
{
	return flo__fail(failure, FLO_TYPE, "%s does not work on %s and %s",
			 sign(op), flo__value_type_name(a),
			 flo__value_type_name(b));
}

void flo__ops_no_unary(struct flo__failure *failure, enum flo__op op,
		       flo_value_type a)
{
	flo__fail(failure, FLO_TYPE, "%s does not work on %s",
		  op == FLO__OP_NOT ? "!" : "-", flo__value_type_name(a));
}

static flo_value *no_overload(struct flo__failure *failure, enum flo__op op,
			      const flo_value *a, const flo_value *b)
{
	return flo__ops_no_overload(failure, op, flo_value_typeof(a),
				    flo_value_typeof(b));
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
	flo_value_type type = flo_value_typeof(a);
	flo_value *sum;
	bool fits;

	if (type == FLO_VALUE_TIMESTAMP || type == FLO_VALUE_DURATION) {
		sum = flo__time_arithmetic(op, a, b, failure, &fits);
		if (fits)
			return sum;
	} else if (type == flo_value_typeof(b) && op == FLO__OP_ADD) {
		if (type == FLO_VALUE_STRING || type == FLO_VALUE_BYTES)
			return concat(a, b);
		if (type == FLO_VALUE_LIST)
			return concat_lists(a, b);
	}
	return no_overload(failure, op, a, b);
}

static int order(bool less, bool more)
{
	return less ? -1 : more;
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

/* -1, 0, 1, or 2 if the types have no order between them. */
static int compare(const flo_value *a, const flo_value *b)
{
	flo_value_type type = flo_value_typeof(a);

	if (type != flo_value_typeof(b))
		return 2;
	switch (type) {
	case FLO_VALUE_STRING:
	case FLO_VALUE_BYTES:
		return compare_texts(a, b);
	case FLO_VALUE_TIMESTAMP:
	case FLO_VALUE_DURATION:
		return compare_times(a, b);
	default:
		return 2;
	}
}

static flo_value *ordering(enum flo__op op, const flo_value *a,
			   const flo_value *b, struct flo__failure *failure)
{
	int c = compare(a, b);

	if (c == 2)
		return no_overload(failure, op, a, b);
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
		return no_overload(failure, FLO__OP_IN, a, b);
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

static bool is_number(const flo_value *v)
{
	flo_value_type type = flo_value_typeof(v);

	return type == FLO_VALUE_INT || type == FLO_VALUE_UINT ||
	       type == FLO_VALUE_DOUBLE;
}

static const flo_value *at_list(const flo_value *list, const flo_value *index,
				struct flo__failure *failure)
{
	size_t len = flo_value_len(list);
	int64_t i = index_of(index);

	if (i >= 0 && (uint64_t)i < len)
		return flo_value_list_at(list, (size_t)i);
	if (flo_value_typeof(index) == FLO_VALUE_DOUBLE && i < 0)
		flo__fail(failure, FLO_RANGE,
			  "index %g is no whole number from 0 on",
			  flo_value_get_double(index));
	else
		flo__fail(failure, FLO_RANGE,
			  "index %lld is out of range: the list has %zu item%s",
			  (long long)i, len, len == 1 ? "" : "s");
	return NULL;
}

const flo_value *flo__ops_index(const flo_value *a, const flo_value *b,
				struct flo__failure *failure)
{
	const flo_value *item;

	if (flo_value_typeof(a) == FLO_VALUE_MAP) {
		item = flo_value_map_find(a, b);
		return item != NULL ? item : no_key(b, failure);
	}
	if (flo_value_typeof(a) == FLO_VALUE_LIST && is_number(b))
		return at_list(a, b, failure);
	return no_overload(failure, FLO__OP_INDEX, a, b);
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
	default:
		return arithmetic(op, a, b, failure);
	}
}

void flo__ops_no_field(struct flo__failure *failure, flo_value_type type,
		       const flo_value *name, bool of_step)
{
	if (type == FLO_VALUE_MAP)
		no_key(name, failure);
	else
		flo__fail(failure, FLO_TYPE, "cannot select \"%.64s\" from %s",
			  flo_value_get_string(name, NULL),
			  type == FLO_VALUE_NULL && of_step
				  ? "null: the step had no output, or was "
				    "skipped"
				  : flo__value_type_name(type));
}
