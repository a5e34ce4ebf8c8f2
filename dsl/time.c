/*
 * Timestamps and durations, as CEL's language definition has them.
 *
 * A timestamp is a moment from 0001-01-01T00:00:00Z to the last nanosecond of
 * 9999, a duration at most 315,576,000,000 s long either way; what would leave
 * these ranges is an error. Both are seconds and nanoseconds, the latter never
 * negative, so -1.5 s is (-2, 500000000). Where sums are made they are one
 * number of nanoseconds, which takes more than 64 bits.
 *
 * One limit is narrower: the difference of two timestamps must fit 64 bits of
 * nanoseconds (some 292 years), as in the other implementations of CEL; its
 * conformance tests ask for it.
 */
#include "dsl/functions_p.h"

#include "base/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define NS	       INT64_C(1000000000)
#define TIMESTAMP_MIN  INT64_C(-62135596800)
#define TIMESTAMP_MAX  INT64_C(253402300799)
#define DURATION_MAX_S INT64_C(315576000000)

__extension__ typedef __int128 wide; /* nanoseconds */

/* ---- values ---- */

static wide ns_of(const flo_value *v)
{
	return (wide)flo_value_get_seconds(v) * NS + flo_value_get_nanos(v);
}

/* Seconds and nanoseconds that are not negative. */
static int64_t split(wide ns, int32_t *ret_ns)
{
	int64_t s = (int64_t)(ns / NS);
	int32_t rest = (int32_t)(ns % NS);

	if (rest < 0) {
		rest += (int32_t)NS;
		s--;
	}
	*ret_ns = rest;
	return s;
}

static flo_value *new_timestamp(wide ns, struct flo__failure *failure)
{
	int32_t rest;
	int64_t s;

	if (ns < (wide)TIMESTAMP_MIN * NS ||
	    ns >= ((wide)TIMESTAMP_MAX + 1) * NS)
		return flo__fail(failure, FLO_RANGE,
				 "the timestamp is out of range: it must be in "
				 "the years 0001 to 9999");
	s = split(ns, &rest);
	return flo_value_timestamp(s, rest);
}

static flo_value *new_duration(wide ns, struct flo__failure *failure)
{
	int32_t rest;
	int64_t s;

	if (ns < (wide)-DURATION_MAX_S * NS || ns > (wide)DURATION_MAX_S * NS)
		return flo__fail(failure, FLO_RANGE,
				 "the duration is out of range: it can be at "
				 "most 315576000000 s (10,000 years) long");
	s = split(ns, &rest);
	return flo_value_duration(s, rest);
}

/* ---- writing ---- */

/* ".5", with no more digits than it takes; nothing for a whole second. */
static void add_fraction(char *text, size_t size, int32_t ns)
{
	size_t len = strlen(text);

	if (ns == 0)
		return;
	snprintf(text + len, size - len, ".%09" PRId32, ns);
	for (len = strlen(text); text[len - 1] == '0'; len--)
		text[len - 1] = '\0';
}

flo_value *flo__time_string(const flo_value *v)
{
	int64_t s = flo_value_get_seconds(v);
	int32_t ns = flo_value_get_nanos(v);
	struct flo__civil at;
	char text[64];

	if (flo_value_typeof(v) == FLO_VALUE_TIMESTAMP) {
		flo__time_civil(s, &at);
		snprintf(text, sizeof(text),
			 "%04" PRId64 "-%02d-%02dT%02d:%02d:%02d", at.year,
			 at.month, at.day, at.hour, at.minute, at.second);
		add_fraction(text, sizeof(text), ns);
		strcat(text, "Z");
		return flo_value_string(text);
	}
	if (s < 0 && ns != 0) {
		s++;
		ns = (int32_t)NS - ns;
	}
	snprintf(text, sizeof(text), "%s%" PRId64,
		 flo_value_get_seconds(v) < 0 && s == 0 ? "-" : "", s);
	add_fraction(text, sizeof(text), ns);
	strcat(text, "s");
	return flo_value_string(text);
}

/* ---- reading timestamps ---- */

/* A text that is read from left to right. */
struct reader {
	const char *text;
	size_t len;
	size_t at;
	const char *why; /* the first thing that is wrong */
};

static bool peek(const struct reader *r, const char *any)
{
	return r->at < r->len && r->text[r->at] != '\0' &&
	       strchr(any, r->text[r->at]) != NULL;
}

static void wrong(struct reader *r, const char *why)
{
	if (r->why == NULL)
		r->why = why;
}

#define SHAPE "write it as RFC 3339, like \"2009-02-13T23:31:30Z\""

static void expect(struct reader *r, const char *any)
{
	if (peek(r, any))
		r->at++;
	else
		wrong(r, SHAPE);
}

/* Exactly @digits digits, from @min to @max. */
static int number(struct reader *r, int digits, int min, int max,
		  const char *why)
{
	int n = 0;

	for (int i = 0; i < digits; i++, r->at++) {
		if (!peek(r, "0123456789")) {
			wrong(r, SHAPE);
			return min;
		}
		n = n * 10 + (r->text[r->at] - '0');
	}
	if (n < min || n > max) {
		wrong(r, why);
		return min;
	}
	return n;
}

static int32_t fraction(struct reader *r)
{
	int32_t ns = 0;
	int digits = 0;

	if (!peek(r, "."))
		return 0;
	r->at++;
	for (; peek(r, "0123456789"); r->at++, digits++) {
		if (digits == 9)
			wrong(r, "a fraction has at most 9 digits");
		else if (digits < 9)
			ns = ns * 10 + (r->text[r->at] - '0');
	}
	if (digits == 0)
		wrong(r, SHAPE);
	for (; digits < 9; digits++)
		ns *= 10;
	return ns;
}

/* "Z" or "+01:00": seconds ahead of UTC. */
static int offset(struct reader *r)
{
	bool minus = peek(r, "-");
	int hours;
	int minutes;

	if (peek(r, "Zz")) {
		r->at++;
		return 0;
	}
	if (!peek(r, "+-")) {
		wrong(r, "it needs a Z or an offset such as \"+01:00\" at its "
			 "end");
		return 0;
	}
	r->at++;
	hours = number(r, 2, 0, 23, "the hours of an offset are 00 to 23");
	expect(r, ":");
	minutes = number(r, 2, 0, 59, "the minutes of an offset are 00 to 59");
	return (minus ? -60 : 60) * (hours * 60 + minutes);
}

/* Before the rest, which then looks wrong: a year of other than 4 digits. */
static void check_year(struct reader *r)
{
	size_t digits = 0;

	while (digits < r->len && r->text[digits] >= '0' &&
	       r->text[digits] <= '9')
		digits++;
	if (digits > 4 && digits < r->len && r->text[digits] == '-')
		wrong(r, "it is out of range: years are 0001 to 9999");
}

static wide read_moment(struct reader *r)
{
	struct flo__civil at;
	int32_t ns;
	int ahead;

	check_year(r);
	at.year = number(r, 4, 1, 9999,
			 "it is out of range: years are 0001 to 9999");
	expect(r, "-");
	at.month = number(r, 2, 1, 12, "months are 01 to 12");
	expect(r, "-");
	at.day = number(r, 2, 1, 31, "days are 01 to 31");
	expect(r, "Tt");
	at.hour = number(r, 2, 0, 23, "hours are 00 to 23");
	expect(r, ":");
	at.minute = number(r, 2, 0, 59, "minutes are 00 to 59");
	expect(r, ":");
	at.second = number(r, 2, 0, 59,
			   "seconds are 00 to 59: a timestamp "
			   "cannot be in a leap second");
	ns = fraction(r);
	ahead = offset(r);
	if (r->at < r->len)
		wrong(r, SHAPE);
	if (at.day > flo__time_month_days(at.year, at.month))
		wrong(r, "that month has fewer days");
	return (wide)(flo__time_of_civil(&at) - ahead) * NS + ns;
}

FLO__FUNCTION(timestamp)
{
	const flo_value *v = args[0];
	struct reader r = {0};
	wide ns;

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_TIMESTAMP:
		return flo_value_ref(v);
	case FLO_VALUE_INT:
		return new_timestamp((wide)flo_value_get_int(v) * NS, failure);
	case FLO_VALUE_STRING:
		r.text = flo_value_get_string(v, &r.len);
		ns = read_moment(&r);
		if (r.why == NULL)
			return new_timestamp(ns, failure);
		return flo__fail(failure, FLO_RANGE,
				 "timestamp() cannot read \"%.64s\": %s",
				 r.text, r.why);
	default:
		return flo__fn_refuse("timestamp", v, failure);
	}
}

/* ---- reading durations ---- */

#define TOO_LONG                                                               \
	"it is out of range: a duration can be at most 315576000000 s "        \
	"(10,000 years) long"

/* The unit at @r in nanoseconds; 0 if there is none. */
static int64_t unit(struct reader *r)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{"ns", 1},	     {"us", 1000},     {"\xc2\xb5s", 1000},
		{"\xce\xbcs", 1000}, {"ms", 1000000},  {"s", NS},
		{"m", 60 * NS},	     {"h", 3600 * NS},
	};
	size_t len = 0;

	while (r->at + len < r->len &&
	       !strchr("+-.0123456789", r->text[r->at + len]))
		len++;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strlen(units[i].name) == len &&
		    memcmp(units[i].name, r->text + r->at, len) == 0) {
			r->at += len;
			return units[i].ns;
		}
	}
	if (len == 0)
		wrong(r, "a number lacks its unit: ns, us, ms, s, m or h");
	else if (len == 1 && r->text[r->at] == 'd')
		wrong(r, "there is no unit for days: \"24h\" is one");
	else
		wrong(r, "the units are ns, us, ms, s, m and h");
	return 0;
}

/* "1.5h" in nanoseconds; what is less than one is cut off. */
static wide read_part(struct reader *r)
{
	const int64_t huge = INT64_C(1000000000000000000);
	wide whole = 0;
	int64_t part = 0;
	int64_t scale = 1;
	int64_t ns;
	size_t begin = r->at;
	size_t point;

	for (; peek(r, "0123456789"); r->at++) {
		if (whole > (wide)huge * 1000000)
			wrong(r, TOO_LONG);
		else
			whole = whole * 10 + (r->text[r->at] - '0');
	}
	point = r->at;
	r->at += peek(r, ".");
	for (; peek(r, "0123456789"); r->at++) {
		if (scale == huge)
			continue;
		part = part * 10 + (r->text[r->at] - '0');
		scale *= 10;
	}
	if (r->at == begin || (r->at == begin + 1 && point == begin))
		wrong(r, "write numbers with units, like \"1h30m\" or "
			 "\"1.5s\"");
	ns = unit(r);
	return whole * ns + (wide)part * ns / scale;
}

static wide read_duration(struct reader *r)
{
	bool minus = peek(r, "-");
	wide sum = 0;

	r->at += peek(r, "+-");
	if (r->len - r->at == 1 && peek(r, "0"))
		return 0;
	if (r->at == r->len)
		wrong(r, "write numbers with units, like \"1h30m\" or "
			 "\"1.5s\"");
	while (r->why == NULL && r->at < r->len) {
		sum += read_part(r);
		if (sum > (wide)DURATION_MAX_S * NS)
			wrong(r, TOO_LONG);
	}
	return minus ? -sum : sum;
}

FLO__FUNCTION(duration)
{
	const flo_value *v = args[0];
	struct reader r = {0};
	wide ns;

	(void)n;
	switch (flo_value_typeof(v)) {
	case FLO_VALUE_DURATION:
		return flo_value_ref(v);
	case FLO_VALUE_STRING:
		r.text = flo_value_get_string(v, &r.len);
		ns = read_duration(&r);
		if (r.why == NULL)
			return new_duration(ns, failure);
		return flo__fail(failure, FLO_RANGE,
				 "duration() cannot read \"%.64s\": %s", r.text,
				 r.why);
	case FLO_VALUE_INT:
		return flo__fail(failure, FLO_TYPE,
				 "duration() does not take an int: say which "
				 "unit, as in duration(string(n) + \"s\")");
	default:
		return flo__fn_refuse("duration", v, failure);
	}
}

/* ---- arithmetic ---- */

static flo_value *difference(wide ns, struct flo__failure *failure)
{
	if (ns < INT64_MIN || ns > INT64_MAX)
		return flo__fail(failure, FLO_RANGE,
				 "the duration is out of range: two timestamps "
				 "whose difference is taken may be at most 292 "
				 "years apart");
	return new_duration(ns, failure);
}

flo_value *flo__time_arithmetic(enum flo__op op, const flo_value *a,
				const flo_value *b,
				struct flo__failure *failure, bool *ret_fits)
{
	bool a_moment = flo_value_typeof(a) == FLO_VALUE_TIMESTAMP;
	bool b_moment = flo_value_typeof(b) == FLO_VALUE_TIMESTAMP;
	bool minus = op == FLO__OP_SUB;
	wide ns;

	*ret_fits = (op == FLO__OP_ADD || minus) &&
		    (a_moment || flo_value_typeof(a) == FLO_VALUE_DURATION) &&
		    (b_moment || flo_value_typeof(b) == FLO_VALUE_DURATION) &&
		    (minus ? a_moment || !b_moment : !a_moment || !b_moment);
	if (!*ret_fits)
		return NULL;
	ns = minus ? ns_of(a) - ns_of(b) : ns_of(a) + ns_of(b);
	if (a_moment && b_moment)
		return difference(ns, failure);
	return a_moment || b_moment ? new_timestamp(ns, failure)
				    : new_duration(ns, failure);
}

/* ---- parts ---- */

/*
 * What args[0], a timestamp, is on calendars and clocks of the zone in args[1];
 * without that in UTC.
 */
static bool local_time(const char *name, const flo_value *const *args, size_t n,
		       struct flo__civil *ret, struct flo__failure *failure)
{
	const char *zone;
	int64_t s;
	int32_t ahead = 0;
	size_t len;

	if (flo_value_typeof(args[0]) != FLO_VALUE_TIMESTAMP) {
		flo__fn_refuse(name, args[0], failure);
		return false;
	}
	s = flo_value_get_seconds(args[0]);
	if (n > 1) {
		if (flo_value_typeof(args[1]) != FLO_VALUE_STRING) {
			flo__fn_refuse(name, args[1], failure);
			return false;
		}
		zone = flo_value_get_string(args[1], &len);
		if (!flo__zone_offset(zone, len, s, &ahead, failure))
			return false;
	}
	flo__time_civil(s + ahead, ret);
	return true;
}

FLO__FUNCTION(get_full_year)
{
	struct flo__civil at;

	if (!local_time("getFullYear", args, n, &at, failure))
		return NULL;
	return flo_value_int(at.year);
}

FLO__FUNCTION(get_month)
{
	struct flo__civil at;

	if (!local_time("getMonth", args, n, &at, failure))
		return NULL;
	return flo_value_int(at.month - 1);
}

FLO__FUNCTION(get_date)
{
	struct flo__civil at;

	if (!local_time("getDate", args, n, &at, failure))
		return NULL;
	return flo_value_int(at.day);
}

FLO__FUNCTION(get_day_of_month)
{
	struct flo__civil at;

	if (!local_time("getDayOfMonth", args, n, &at, failure))
		return NULL;
	return flo_value_int(at.day - 1);
}

static int64_t day_number(const struct flo__civil *at)
{
	struct flo__civil day = *at;

	day.hour = day.minute = day.second = 0;
	return flo__time_of_civil(&day) / 86400;
}

FLO__FUNCTION(get_day_of_week)
{
	struct flo__civil at;
	int64_t day;

	if (!local_time("getDayOfWeek", args, n, &at, failure))
		return NULL;
	day = (day_number(&at) + 4) % 7; /* the epoch was a Thursday */
	return flo_value_int(day < 0 ? day + 7 : day);
}

FLO__FUNCTION(get_day_of_year)
{
	struct flo__civil at;
	struct flo__civil first = {.month = 1, .day = 1};

	if (!local_time("getDayOfYear", args, n, &at, failure))
		return NULL;
	first.year = at.year;
	return flo_value_int(day_number(&at) - day_number(&first));
}

/* Of a duration: all of it in units of @seconds, the rest cut off. */
static flo_value *whole(const char *name, const flo_value *const *args,
			size_t n, int64_t seconds, struct flo__failure *failure)
{
	if (n > 1)
		return flo__fail(failure, FLO_TYPE,
				 "%s() of a duration takes no time zone", name);
	return flo_value_int((int64_t)(ns_of(args[0]) / NS) / seconds);
}

static bool is_duration(const flo_value *v)
{
	return flo_value_typeof(v) == FLO_VALUE_DURATION;
}

FLO__FUNCTION(get_hours)
{
	struct flo__civil at;

	if (is_duration(args[0]))
		return whole("getHours", args, n, 3600, failure);
	if (!local_time("getHours", args, n, &at, failure))
		return NULL;
	return flo_value_int(at.hour);
}

FLO__FUNCTION(get_minutes)
{
	struct flo__civil at;

	if (is_duration(args[0]))
		return whole("getMinutes", args, n, 60, failure);
	if (!local_time("getMinutes", args, n, &at, failure))
		return NULL;
	return flo_value_int(at.minute);
}

FLO__FUNCTION(get_seconds)
{
	struct flo__civil at;

	if (is_duration(args[0]))
		return whole("getSeconds", args, n, 1, failure);
	if (!local_time("getSeconds", args, n, &at, failure))
		return NULL;
	return flo_value_int(at.second);
}

/* Of both only what is beyond the whole second. */
FLO__FUNCTION(get_milliseconds)
{
	struct flo__civil at;

	if (is_duration(args[0])) {
		if (n > 1)
			return whole("getMilliseconds", args, n, 1, failure);
		return flo_value_int((int64_t)(ns_of(args[0]) % NS) / 1000000);
	}
	if (!local_time("getMilliseconds", args, n, &at, failure))
		return NULL;
	return flo_value_int(flo_value_get_nanos(args[0]) / 1000000);
}
