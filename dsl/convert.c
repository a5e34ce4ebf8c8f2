/*
 * Conversions between types. What is read from a string is the whole string,
 * without white space around it, whatever the locale of the program is.
 */
#include "dsl/functions_p.h"

#include "base/strbuf.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static flo_value *bad_text(const char *to, const flo_value *v,
			   const char *advice, struct flo__failure *failure)
{
	return flo__fail(failure, FLO_RANGE, "%s() cannot read \"%.64s\": %s",
			 to, flo_value_get_string(v, NULL), advice);
}

/* The number in @text, which is digits only; *@ret_over if it is above @max. */
static bool read_digits(const char *text, size_t len, uint64_t max,
			uint64_t *ret, bool *ret_over)
{
	uint64_t n = 0;

	*ret_over = false;
	for (size_t i = 0; i < len; i++) {
		uint64_t digit = (uint64_t)(text[i] - '0');

		if (text[i] < '0' || text[i] > '9')
			return false;
		*ret_over |= n > (max - digit) / 10;
		n = n * 10 + digit;
	}
	*ret = n;
	return len > 0;
}

static flo_value *int_of_text(const flo_value *v, struct flo__failure *failure)
{
	size_t len;
	const char *text = flo_value_get_string(v, &len);
	bool minus = len > 0 && text[0] == '-';
	size_t sign = minus || (len > 0 && text[0] == '+');
	uint64_t n;
	bool over;

	if (!read_digits(text + sign, len - sign, (uint64_t)INT64_MAX + minus,
			 &n, &over))
		return bad_text("int", v,
				"it takes digits, with a - before "
				"them or not",
				failure);
	if (over)
		return bad_text("int", v, "it is beyond 64 bits", failure);
	return flo_value_int(minus ? (int64_t)(0 - n) : (int64_t)n);
}

FLO__FUNCTION(int)
{
	const flo_value *v = args[0];
	double d;

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_INT:
		return flo_value_ref(v);
	case FLO_VALUE_UINT:
		if (flo_value_get_uint(v) > INT64_MAX)
			return flo__fail(failure, FLO_RANGE,
					 "int overflow: %" PRIu64 " is beyond "
					 "the range of an int",
					 flo_value_get_uint(v));
		return flo_value_int((int64_t)flo_value_get_uint(v));
	case FLO_VALUE_DOUBLE:
		/* CEL: open at both ends, since -2^63 may be a rounded one. */
		d = flo_value_get_double(v);
		if (!(d > -9223372036854775808.0 && d < 9223372036854775808.0))
			return flo__fail(failure, FLO_RANGE,
					 "int overflow: %g is beyond the "
					 "range of an int",
					 d);
		return flo_value_int((int64_t)d);
	case FLO_VALUE_TIMESTAMP:
		return flo_value_int(flo_value_get_seconds(v));
	case FLO_VALUE_DURATION:
		return flo__fail(failure, FLO_TYPE,
				 "int() does not take a duration: say which "
				 "unit with getHours(), getMinutes(), "
				 "getSeconds() or getMilliseconds()");
	case FLO_VALUE_STRING:
		return int_of_text(v, failure);
	default:
		return flo__fn_refuse("int", v, failure);
	}
}

static flo_value *uint_of_text(const flo_value *v, struct flo__failure *failure)
{
	size_t len;
	const char *text = flo_value_get_string(v, &len);
	uint64_t n;
	bool over;

	if (!read_digits(text, len, UINT64_MAX, &n, &over))
		return bad_text("uint", v, "it takes digits only", failure);
	if (over)
		return bad_text("uint", v, "it is beyond 64 bits", failure);
	return flo_value_uint(n);
}

FLO__FUNCTION(uint)
{
	const flo_value *v = args[0];
	double d;

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_UINT:
		return flo_value_ref(v);
	case FLO_VALUE_INT:
		if (flo_value_get_int(v) < 0)
			return flo__fail(failure, FLO_RANGE,
					 "uint overflow: %" PRId64
					 " is negative",
					 flo_value_get_int(v));
		return flo_value_uint((uint64_t)flo_value_get_int(v));
	case FLO_VALUE_DOUBLE:
		d = flo_value_get_double(v);
		if (!(d >= 0 && d < 18446744073709551616.0))
			return flo__fail(failure, FLO_RANGE,
					 "uint overflow: %g is beyond the "
					 "range of a uint",
					 d);
		return flo_value_uint((uint64_t)d);
	case FLO_VALUE_STRING:
		return uint_of_text(v, failure);
	default:
		return flo__fn_refuse("uint", v, failure);
	}
}

static bool is_word(const char *text, const char *const *words)
{
	while (*words != NULL && strcasecmp(text, *words) != 0)
		words++;
	return *words != NULL;
}

/* Whether all of @text is a decimal number: no hex, no words. */
static bool is_decimal(const char *text, size_t len)
{
	size_t at = len > 0 && strchr("+-", text[0]) != NULL;
	size_t digits = 0;
	size_t exponent = 0;

	for (; at < len && text[at] >= '0' && text[at] <= '9'; at++)
		digits++;
	at += at < len && text[at] == '.';
	for (; at < len && text[at] >= '0' && text[at] <= '9'; at++)
		digits++;
	if (digits == 0)
		return false;
	if (at == len)
		return true;
	if ((text[at] | 32) != 'e')
		return false;
	at++;
	at += at < len && strchr("+-", text[at]) != NULL;
	for (; at < len && text[at] >= '0' && text[at] <= '9'; at++)
		exponent++;
	return exponent > 0 && at == len;
}

/* strtod() expects the decimal point of the locale, which may be a comma. */
static bool to_double(const char *text, double *ret)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	size_t whole = strcspn(text, ".");
	bool ok;

	flo__strbuf_add(&sb, text, whole);
	if (text[whole] == '.') {
		flo__strbuf_adds(&sb, localeconv()->decimal_point);
		flo__strbuf_adds(&sb, text + whole + 1);
	}
	ok = flo__strbuf_status(&sb) == FLO_OK;
	if (ok)
		*ret = strtod(sb.data, NULL);
	flo__strbuf_fini(&sb);
	return ok;
}

static flo_value *double_of_text(const flo_value *v,
				 struct flo__failure *failure)
{
	static const char *const infinite[] = {"inf", "infinity", NULL};
	static const char *const nan[] = {"nan", NULL};
	size_t len;
	const char *text = flo_value_get_string(v, &len);
	size_t sign = len > 0 && strchr("+-", text[0]) != NULL;
	double d;

	if (strlen(text) == len && is_word(text + sign, infinite))
		return flo_value_double(text[0] == '-' ? -INFINITY : INFINITY);
	if (strlen(text) == len && is_word(text, nan))
		return flo_value_double(NAN);
	if (!is_decimal(text, len))
		return bad_text("double", v,
				"it takes a number such as "
				"\"-1.5e3\"",
				failure);
	if (!to_double(text, &d))
		return NULL;
	if (isinf(d))
		return bad_text("double", v,
				"it is beyond the range of a "
				"double",
				failure);
	return flo_value_double(d);
}

FLO__FUNCTION(double)
{
	const flo_value *v = args[0];

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_DOUBLE:
		return flo_value_ref(v);
	case FLO_VALUE_INT:
		return flo_value_double((double)flo_value_get_int(v));
	case FLO_VALUE_UINT:
		return flo_value_double((double)flo_value_get_uint(v));
	case FLO_VALUE_STRING:
		return double_of_text(v, failure);
	default:
		return flo__fn_refuse("double", v, failure);
	}
}

FLO__FUNCTION(bool)
{
	static const char *const words[] = {"1",     "t",    "true", "True",
					    "TRUE",  "0",    "f",    "false",
					    "False", "FALSE"};
	const flo_value *v = args[0];

	(void)n;
	if (flo_value_typeof(v) == FLO_VALUE_BOOL)
		return flo_value_ref(v);
	if (flo_value_typeof(v) != FLO_VALUE_STRING)
		return flo__fn_refuse("bool", v, failure);
	for (int i = 0; i < 10; i++) {
		if (strlen(words[i]) == flo_value_len(v) &&
		    strcmp(flo_value_get_string(v, NULL), words[i]) == 0)
			return flo_value_bool(i < 5);
	}
	return bad_text("bool", v, "it takes true, t or 1, false, f or 0",
			failure);
}

FLO__FUNCTION(bytes)
{
	const flo_value *v = args[0];
	const char *text;
	size_t len;

	(void)n;
	if (flo_value_typeof(v) == FLO_VALUE_BYTES)
		return flo_value_ref(v);
	if (flo_value_typeof(v) != FLO_VALUE_STRING)
		return flo__fn_refuse("bytes", v, failure);
	text = flo_value_get_string(v, &len);
	return flo_value_bytes(text, len);
}

/*
 * A double as CEL writes it: the shortest that reads back, "1" for 1.0. Unlike
 * in JSON, where a double stays one when it is read again.
 */
static flo_value *double_text(double d)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *value = NULL;

	if (isnan(d))
		return flo_value_string("NaN");
	if (isinf(d))
		return flo_value_string(d > 0 ? "+Inf" : "-Inf");
	flo__strbuf_add_double(&sb, d);
	if (!sb.failed) {
		if (sb.len > 2 && memcmp(sb.data + sb.len - 2, ".0", 2) == 0)
			flo__strbuf_cut(&sb, sb.len - 2);
		value = flo_value_stringn(sb.data, sb.len);
	}
	flo__strbuf_fini(&sb);
	return value;
}

static flo_value *bytes_text(const flo_value *v, struct flo__failure *failure)
{
	size_t len;
	const char *bytes = flo_value_get_string(v, &len);

	if (!flo__utf8_valid(bytes, len))
		return flo__fail(failure, FLO_RANGE,
				 "string(): the bytes are not UTF-8");
	return flo_value_stringn(bytes, len);
}

FLO__FUNCTION(string)
{
	const flo_value *v = args[0];
	char text[32];

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
		return bytes_text(v, failure);
	case FLO_VALUE_TIMESTAMP:
	case FLO_VALUE_DURATION:
		return flo__time_string(v);
	case FLO_VALUE_LIST:
	case FLO_VALUE_MAP:
		return flo__fail(failure, FLO_TYPE,
				 "string() does not take a %s; toJson() does",
				 flo__value_type_name(flo_value_typeof(v)));
	default:
		return flo__fn_refuse("string", v, failure);
	}
}
