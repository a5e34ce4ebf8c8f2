#include "dsl/expr_p.h"

#include "base/utf8.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static flo_value *no_conversion(const char *to, const flo_value *v,
				struct flo__failure *failure)
{
	const char *name = flo__value_type_name(flo_value_typeof(v));

	return flo__fail(failure, FLO_TYPE, "%s() does not take %s %s", to,
			 strcmp(name, "int") == 0 ? "an" : "a", name);
}

static flo_value *bad_text(const char *to, const flo_value *v,
			   struct flo__failure *failure)
{
	return flo__fail(failure, FLO_RANGE, "%s() cannot read \"%.64s\"", to,
			 flo_value_get_string(v, NULL));
}

static flo_value *fn_size(const flo_value *const *args, size_t n,
			  struct flo__failure *failure)
{
	const flo_value *v = args[0];
	const char *text;
	size_t len;

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_STRING:
		text = flo_value_get_string(v, &len);
		return flo_value_int((int64_t)flo__utf8_count(text, len));
	case FLO_VALUE_BYTES:
	case FLO_VALUE_LIST:
	case FLO_VALUE_MAP:
		return flo_value_int((int64_t)flo_value_len(v));
	default:
		return no_conversion("size", v, failure);
	}
}

/* A double as CEL writes it: the shortest that reads back, "1" for 1.0. */
static flo_value *double_text(double d)
{
	char text[40];

	if (isnan(d))
		return flo_value_string("NaN");
	if (isinf(d))
		return flo_value_string(d > 0 ? "+Inf" : "-Inf");
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, d);
		if (strtod(text, NULL) == d)
			break;
	}
	return flo_value_string(text);
}

static flo_value *fn_string(const flo_value *const *args, size_t n,
			    struct flo__failure *failure)
{
	const flo_value *v = args[0];
	char text[32];
	const char *bytes;
	size_t len;

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_STRING:
		return flo_value_ref(v);
	case FLO_VALUE_BOOL:
		return flo_value_string(flo_value_get_bool(v) ? "true"
							      : "false");
	case FLO_VALUE_INT:
		snprintf(text, sizeof(text), "%" PRId64, flo_value_get_int(v));
		return flo_value_string(text);
	case FLO_VALUE_UINT:
		snprintf(text, sizeof(text), "%" PRIu64, flo_value_get_uint(v));
		return flo_value_string(text);
	case FLO_VALUE_DOUBLE:
		return double_text(flo_value_get_double(v));
	case FLO_VALUE_BYTES:
		bytes = flo_value_get_string(v, &len);
		if (!flo__utf8_valid(bytes, len))
			return flo__fail(failure, FLO_RANGE,
					 "the bytes are not UTF-8");
		return flo_value_stringn(bytes, len);
	case FLO_VALUE_LIST:
	case FLO_VALUE_MAP:
		return flo__fail(failure, FLO_TYPE,
				 "string() does not take a %s; toJson() does",
				 flo__value_type_name(flo_value_typeof(v)));
	default:
		return no_conversion("string", v, failure);
	}
}

static flo_value *fn_int(const flo_value *const *args, size_t n,
			 struct flo__failure *failure)
{
	const flo_value *v = args[0];
	const char *text;
	char *end;
	size_t len;
	double d;
	long long i;

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_INT:
		return flo_value_ref(v);
	case FLO_VALUE_UINT:
		if (flo_value_get_uint(v) > INT64_MAX)
			return flo__fail(failure, FLO_RANGE, "int overflow");
		return flo_value_int((int64_t)flo_value_get_uint(v));
	case FLO_VALUE_DOUBLE:
		d = flo_value_get_double(v);
		if (!(d > -9223372036854775808.0 && d < 9223372036854775808.0))
			return flo__fail(failure, FLO_RANGE, "int overflow");
		return flo_value_int((int64_t)d);
	case FLO_VALUE_STRING:
		text = flo_value_get_string(v, &len);
		errno = 0;
		i = strtoll(text, &end, 10);
		if (len == 0 || strchr("-0123456789", *text) == NULL ||
		    end != text + len || errno != 0)
			return bad_text("int", v, failure);
		return flo_value_int(i);
	default:
		return no_conversion("int", v, failure);
	}
}

static flo_value *fn_uint(const flo_value *const *args, size_t n,
			  struct flo__failure *failure)
{
	const flo_value *v = args[0];
	const char *text;
	char *end;
	size_t len;
	double d;
	unsigned long long u;

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_UINT:
		return flo_value_ref(v);
	case FLO_VALUE_INT:
		if (flo_value_get_int(v) < 0)
			return flo__fail(failure, FLO_RANGE, "uint overflow");
		return flo_value_uint((uint64_t)flo_value_get_int(v));
	case FLO_VALUE_DOUBLE:
		d = flo_value_get_double(v);
		if (!(d > -1 && d < 18446744073709551616.0))
			return flo__fail(failure, FLO_RANGE, "uint overflow");
		return flo_value_uint((uint64_t)d);
	case FLO_VALUE_STRING:
		text = flo_value_get_string(v, &len);
		errno = 0;
		u = strtoull(text, &end, 10);
		if (len == 0 || strchr("0123456789", *text) == NULL ||
		    end != text + len || errno != 0)
			return bad_text("uint", v, failure);
		return flo_value_uint(u);
	default:
		return no_conversion("uint", v, failure);
	}
}

static flo_value *fn_double(const flo_value *const *args, size_t n,
			    struct flo__failure *failure)
{
	const flo_value *v = args[0];
	const char *text;
	char *end;
	size_t len;
	double d;

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_DOUBLE:
		return flo_value_ref(v);
	case FLO_VALUE_INT:
		return flo_value_double((double)flo_value_get_int(v));
	case FLO_VALUE_UINT:
		return flo_value_double((double)flo_value_get_uint(v));
	case FLO_VALUE_STRING:
		text = flo_value_get_string(v, &len);
		d = strtod(text, &end);
		if (len == 0 || strchr("+-.0123456789NI", *text) == NULL ||
		    end != text + len)
			return bad_text("double", v, failure);
		return flo_value_double(d);
	default:
		return no_conversion("double", v, failure);
	}
}

static flo_value *fn_bool(const flo_value *const *args, size_t n,
			  struct flo__failure *failure)
{
	static const char *const words[] = {"1",     "t",    "true", "True",
					    "TRUE",  "0",    "f",    "false",
					    "False", "FALSE"};
	const flo_value *v = args[0];

	(void)n;
	if (flo_value_typeof(v) == FLO_VALUE_BOOL)
		return flo_value_ref(v);
	if (flo_value_typeof(v) != FLO_VALUE_STRING)
		return no_conversion("bool", v, failure);
	for (int i = 0; i < 10; i++) {
		if (strcmp(flo_value_get_string(v, NULL), words[i]) == 0)
			return flo_value_bool(i < 5);
	}
	return bad_text("bool", v, failure);
}

static flo_value *fn_bytes(const flo_value *const *args, size_t n,
			   struct flo__failure *failure)
{
	const flo_value *v = args[0];
	const char *text;
	size_t len;

	(void)n;
	if (flo_value_typeof(v) == FLO_VALUE_BYTES)
		return flo_value_ref(v);
	if (flo_value_typeof(v) != FLO_VALUE_STRING)
		return no_conversion("bytes", v, failure);
	text = flo_value_get_string(v, &len);
	return flo_value_bytes(text, len);
}

static flo_value *fn_type(const flo_value *const *args, size_t n,
			  struct flo__failure *failure)
{
	(void)n;
	(void)failure;
	switch (flo_value_typeof(args[0])) {
	case FLO_VALUE_NULL:
		return flo_value_typename("null_type");
	case FLO_VALUE_TIMESTAMP:
		return flo_value_typename("google.protobuf.Timestamp");
	case FLO_VALUE_DURATION:
		return flo_value_typename("google.protobuf.Duration");
	default:
		return flo_value_typename(
			flo__value_type_name(flo_value_typeof(args[0])));
	}
}

static flo_value *fn_dyn(const flo_value *const *args, size_t n,
			 struct flo__failure *failure)
{
	(void)n;
	(void)failure;
	return flo_value_ref(args[0]);
}

/* Both arguments as text; false and a failure if one is no string. */
static bool two_strings(const char *name, const flo_value *const *args,
			const char **a, size_t *a_len, const char **b,
			size_t *b_len, struct flo__failure *failure)
{
	for (int i = 0; i < 2; i++) {
		if (flo_value_typeof(args[i]) != FLO_VALUE_STRING) {
			no_conversion(name, args[i], failure);
			return false;
		}
	}
	*a = flo_value_get_string(args[0], a_len);
	*b = flo_value_get_string(args[1], b_len);
	return true;
}

static flo_value *fn_contains(const flo_value *const *args, size_t n,
			      struct flo__failure *failure)
{
	const char *a;
	const char *b;
	size_t a_len;
	size_t b_len;

	(void)n;
	if (!two_strings("contains", args, &a, &a_len, &b, &b_len, failure))
		return NULL;
	return flo_value_bool(b_len == 0 || memmem(a, a_len, b, b_len) != NULL);
}

static flo_value *fn_starts_with(const flo_value *const *args, size_t n,
				 struct flo__failure *failure)
{
	const char *a;
	const char *b;
	size_t a_len;
	size_t b_len;

	(void)n;
	if (!two_strings("startsWith", args, &a, &a_len, &b, &b_len, failure))
		return NULL;
	return flo_value_bool(a_len >= b_len && memcmp(a, b, b_len) == 0);
}

static flo_value *fn_ends_with(const flo_value *const *args, size_t n,
			       struct flo__failure *failure)
{
	const char *a;
	const char *b;
	size_t a_len;
	size_t b_len;

	(void)n;
	if (!two_strings("endsWith", args, &a, &a_len, &b, &b_len, failure))
		return NULL;
	return flo_value_bool(a_len >= b_len &&
			      memcmp(a + a_len - b_len, b, b_len) == 0);
}

static flo_value *fn_to_json(const flo_value *const *args, size_t n,
			     struct flo__failure *failure)
{
	char *text = flo_value_to_json(args[0]);
	flo_value *value;

	(void)n;
	(void)failure;
	if (text == NULL)
		return NULL;
	value = flo_value_string(text);
	flo_free(text);
	return value;
}

static flo_value *fn_from_json(const flo_value *const *args, size_t n,
			       struct flo__failure *failure)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	const char *text;
	size_t len;
	flo_status st;

	(void)n;
	if (flo_value_typeof(args[0]) != FLO_VALUE_STRING)
		return no_conversion("fromJson", args[0], failure);
	text = flo_value_get_string(args[0], &len);
	st = flo_value_from_json(text, len, FLO_JSON_ANY, &err, &value);
	if (st == FLO_OK)
		return value;
	return flo__fail(failure, st, "fromJson(): %s", err.text);
}

#define TEXT (FLO_TYPES(STRING))

static const struct flo__function functions[] = {
	{"size", 1, 1, true, true,
	 TEXT | FLO_TYPES(BYTES) | FLO_TYPES(LIST) | FLO_TYPES(MAP), 0,
	 FLO_TYPES(INT), fn_size},
	{"string", 1, 1, true, false, 0, 0, TEXT, fn_string},
	{"int", 1, 1, true, false, 0, 0, FLO_TYPES(INT), fn_int},
	{"uint", 1, 1, true, false, 0, 0, FLO_TYPES(UINT), fn_uint},
	{"double", 1, 1, true, false, 0, 0, FLO_TYPES(DOUBLE), fn_double},
	{"bool", 1, 1, true, false, 0, 0, FLO_TYPES(BOOL), fn_bool},
	{"bytes", 1, 1, true, false, 0, 0, FLO_TYPES(BYTES), fn_bytes},
	{"type", 1, 1, true, false, 0, 0, FLO_TYPES(TYPE), fn_type},
	{"dyn", 1, 1, true, false, 0, 0, 0, fn_dyn},
	{"contains", 2, 2, false, true, TEXT, TEXT, FLO_TYPES(BOOL),
	 fn_contains},
	{"startsWith", 2, 2, false, true, TEXT, TEXT, FLO_TYPES(BOOL),
	 fn_starts_with},
	{"endsWith", 2, 2, false, true, TEXT, TEXT, FLO_TYPES(BOOL),
	 fn_ends_with},
	{"toJson", 1, 1, true, true, 0, 0, TEXT, fn_to_json},
	{"fromJson", 1, 1, true, true, TEXT, 0, 0, fn_from_json},
	{"matches", 2, 2, true, true, 0, 0, 0, NULL},
	{"timestamp", 1, 1, true, false, 0, 0, 0, NULL},
	{"duration", 1, 1, true, false, 0, 0, 0, NULL},
	{"lowerAscii", 1, 1, false, true, 0, 0, 0, NULL},
	{"upperAscii", 1, 1, false, true, 0, 0, 0, NULL},
	{"trim", 1, 1, false, true, 0, 0, 0, NULL},
	{"split", 2, 3, false, true, 0, 0, 0, NULL},
	{"join", 1, 2, false, true, 0, 0, 0, NULL},
	{"replace", 3, 4, false, true, 0, 0, 0, NULL},
	{"substring", 2, 3, false, true, 0, 0, 0, NULL},
	{"indexOf", 2, 3, false, true, 0, 0, 0, NULL},
};

const struct flo__function *flo__function_at(size_t i)
{
	return i < sizeof(functions) / sizeof(functions[0]) ? &functions[i]
							    : NULL;
}
