#include "dsl/functions_p.h"

#include "base/utf8.h"

#include <string.h>

flo_value *flo__fn_refuse(const char *name, const flo_value *v,
			  struct flo__failure *failure)
{
	const char *type = flo__value_type_name(flo_value_typeof(v));

	return flo__fail(failure, FLO_TYPE, "%s() does not take %s %s", name,
			 strcmp(type, "int") == 0 ? "an" : "a", type);
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
		return flo__fn_refuse("size", v, failure);
	}
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
			flo__fn_refuse(name, args[i], failure);
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
		return flo__fn_refuse("fromJson", args[0], failure);
	text = flo_value_get_string(args[0], &len);
	st = flo_value_from_json(text, len, FLO_JSON_ANY, &err, &value);
	if (st == FLO_OK)
		return value;
	return flo__fail(failure, st, "fromJson(): %s", err.text);
}

#define BOOL   (FLO_TYPES(BOOL))
#define INT    (FLO_TYPES(INT))
#define UINT   (FLO_TYPES(UINT))
#define DOUBLE (FLO_TYPES(DOUBLE))
#define TEXT   (FLO_TYPES(STRING))
#define BYTES  (FLO_TYPES(BYTES))
#define LIST   (FLO_TYPES(LIST))
#define MAP    (FLO_TYPES(MAP))
#define MOMENT (FLO_TYPES(TIMESTAMP))
#define SPAN   (FLO_TYPES(DURATION))
#define TIME   (MOMENT | SPAN)

static const struct flo__function functions[] = {
	{"size", 1, 1, true, true, TEXT | BYTES | LIST | MAP, 0, 0, INT,
	 fn_size, false},
	{"string", 1, 1, true, false,
	 INT | UINT | DOUBLE | BOOL | TEXT | BYTES | TIME, 0, 0, TEXT,
	 flo__fn_string, false},
	{"int", 1, 1, true, false, INT | UINT | DOUBLE | TEXT | MOMENT, 0, 0,
	 INT, flo__fn_int, false},
	{"uint", 1, 1, true, false, INT | UINT | DOUBLE | TEXT, 0, 0, UINT,
	 flo__fn_uint, false},
	{"double", 1, 1, true, false, INT | UINT | DOUBLE | TEXT, 0, 0, DOUBLE,
	 flo__fn_double, false},
	{"bool", 1, 1, true, false, BOOL | TEXT, 0, 0, BOOL, flo__fn_bool,
	 false},
	{"bytes", 1, 1, true, false, TEXT | BYTES, 0, 0, BYTES, flo__fn_bytes,
	 false},
	{"type", 1, 1, true, false, 0, 0, 0, FLO_TYPES(TYPE), fn_type, false},
	{"dyn", 1, 1, true, false, 0, 0, 0, 0, fn_dyn, false},
	{"timestamp", 1, 1, true, false, INT | TEXT | MOMENT, 0, 0, MOMENT,
	 flo__fn_timestamp, true},
	{"duration", 1, 1, true, false, TEXT | SPAN, 0, 0, SPAN,
	 flo__fn_duration, true},
	{"contains", 2, 2, false, true, TEXT, TEXT, 0, BOOL, fn_contains,
	 false},
	{"startsWith", 2, 2, false, true, TEXT, TEXT, 0, BOOL, fn_starts_with,
	 false},
	{"endsWith", 2, 2, false, true, TEXT, TEXT, 0, BOOL, fn_ends_with,
	 false},
	{"matches", 2, 2, true, true, TEXT, TEXT, 0, BOOL, flo__fn_matches,
	 true},
	{"toJson", 1, 1, true, true, 0, 0, 0, TEXT, fn_to_json, false},
	{"fromJson", 1, 1, true, true, TEXT, 0, 0, 0, fn_from_json, false},
	{"getFullYear", 1, 2, false, true, MOMENT, TEXT, 0, INT,
	 flo__fn_get_full_year, false},
	{"getMonth", 1, 2, false, true, MOMENT, TEXT, 0, INT, flo__fn_get_month,
	 false},
	{"getDate", 1, 2, false, true, MOMENT, TEXT, 0, INT, flo__fn_get_date,
	 false},
	{"getDayOfMonth", 1, 2, false, true, MOMENT, TEXT, 0, INT,
	 flo__fn_get_day_of_month, false},
	{"getDayOfWeek", 1, 2, false, true, MOMENT, TEXT, 0, INT,
	 flo__fn_get_day_of_week, false},
	{"getDayOfYear", 1, 2, false, true, MOMENT, TEXT, 0, INT,
	 flo__fn_get_day_of_year, false},
	{"getHours", 1, 2, false, true, TIME, TEXT, 0, INT, flo__fn_get_hours,
	 false},
	{"getMinutes", 1, 2, false, true, TIME, TEXT, 0, INT,
	 flo__fn_get_minutes, false},
	{"getSeconds", 1, 2, false, true, TIME, TEXT, 0, INT,
	 flo__fn_get_seconds, false},
	{"getMilliseconds", 1, 2, false, true, TIME, TEXT, 0, INT,
	 flo__fn_get_milliseconds, false},
	{"charAt", 2, 2, false, true, TEXT, INT, 0, TEXT, flo__fn_char_at,
	 false},
	{"indexOf", 2, 3, false, true, TEXT, TEXT, INT, INT, flo__fn_index_of,
	 false},
	{"join", 1, 2, false, true, LIST, TEXT, 0, TEXT, flo__fn_join, false},
	{"lastIndexOf", 2, 3, false, true, TEXT, TEXT, INT, INT,
	 flo__fn_last_index_of, false},
	{"lowerAscii", 1, 1, false, true, TEXT, 0, 0, TEXT, flo__fn_lower_ascii,
	 false},
	{"replace", 3, 4, false, true, TEXT, TEXT, INT, TEXT, flo__fn_replace,
	 false},
	{"split", 2, 3, false, true, TEXT, TEXT, INT, LIST, flo__fn_split,
	 false},
	{"substring", 2, 3, false, true, TEXT, INT, 0, TEXT, flo__fn_substring,
	 false},
	{"trim", 1, 1, false, true, TEXT, 0, 0, TEXT, flo__fn_trim, false},
	{"upperAscii", 1, 1, false, true, TEXT, 0, 0, TEXT, flo__fn_upper_ascii,
	 false},
};

const struct flo__function *flo__function_at(size_t i)
{
	return i < sizeof(functions) / sizeof(functions[0]) ? &functions[i]
							    : NULL;
}
