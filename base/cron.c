#include "base/cron.h"

#include <flo/status.h>

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	MINUTE,
	HOUR,
	DAY,
	MONTH,
	WEEKDAY,
	FIELDS
};

struct field {
	const char *name;
	unsigned min;
	unsigned max;
	const char *words; /* of three letters each, from `first` on; or NULL */
	unsigned first;
	const char *hint; /* what the numbers and words are */
};

static const struct field fields[FIELDS] = {
	{"minute", 0, 59, NULL, 0, "minutes are 0 to 59"},
	{"hour", 0, 23, NULL, 0, "hours are 0 to 23"},
	{"day of the month", 1, 31, NULL, 0, "days of the month are 1 to 31"},
	{"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC", 1,
	 "months are 1 to 12, or JAN to DEC"},
	{"day of the week", 0, 7, "SUNMONTUEWEDTHUFRISAT", 0,
	 "days of the week are 0 (Sunday) to 6, or SUN to SAT"},
};

static const struct {
	const char *name;
	const char *means;
} macros[] = {
	{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
};

#define MACROS	   (sizeof(macros) / sizeof(macros[0]))
#define MACROS_ALL "@hourly, @daily, @weekly, @monthly and @yearly"

struct reader {
	const char *text;
	size_t at;
	size_t end; /* of the field */
	const struct field *field;
	struct flo__cron_problem *problem;
};

/* What an item of a list covers. */
struct span {
	unsigned from;
	unsigned to;
	unsigned step;
	bool star;   /* `*` or `?` */
	bool single; /* one number, so far */
};

FLO_PRINTF(5, 6)
static bool refuse(struct flo__cron_problem *problem, size_t at, size_t len,
		   const char *hint, const char *format, ...)
{
	va_list args;

	problem->at = at;
	problem->len = len;
	snprintf(problem->hint, sizeof(problem->hint), "%s", hint);
	va_start(args, format);
	vsnprintf(problem->message, sizeof(problem->message), format, args);
	va_end(args);
	return false;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Digits; what is larger than any field has comes out as 9999. */
static unsigned digits(struct reader *r)
{
	unsigned n = 0;

	for (; r->at < r->end && is_digit(r->text[r->at]); r->at++)
		n = n < 1000 ? n * 10 + (unsigned)(r->text[r->at] - '0') : 9999;
	return n;
}

/* MON, JAN; the offset of its end is r->at. */
static bool word(struct reader *r, unsigned *ret)
{
	const char *words = r->field->words;
	size_t begin = r->at;
	size_t len;

	while (r->at < r->end && is_letter(r->text[r->at]))
		r->at++;
	len = r->at - begin;
	for (unsigned i = 0; words != NULL && len == 3 && words[i] != '\0';
	     i += 3) {
		bool same = true;

		for (unsigned k = 0; k < 3; k++)
			same &= (r->text[begin + k] & ~32) == words[i + k];
		if (same) {
			*ret = r->field->first + i / 3;
			return true;
		}
	}
	return refuse(r->problem, begin, len, r->field->hint,
		      "there is no %s \"%.*s\"", r->field->name,
		      (int)(len < 40 ? len : 40), r->text + begin);
}

/* A number or a word. */
static bool value(struct reader *r, unsigned *ret)
{
	size_t begin = r->at;
	unsigned n;

	if (r->at < r->end && is_letter(r->text[r->at]))
		return word(r, ret);
	if (r->at == r->end || !is_digit(r->text[r->at]))
		return refuse(r->problem, r->at, r->at < r->end ? 1 : 0,
			      r->field->hint, "a %s is missing here",
			      r->field->name);
	n = digits(r);
	if (n < r->field->min || n > r->field->max)
		return refuse(r->problem, begin, r->at - begin, r->field->hint,
			      "the %s cannot be %.*s", r->field->name,
			      (int)(r->at - begin < 20 ? r->at - begin : 20),
			      r->text + begin);
	*ret = n;
	return true;
}

/* "22-2" in hours is likely to mean "22-23,0-2". */
static bool backwards(struct reader *r, size_t begin, const struct span *span)
{
	char hint[120];

	snprintf(hint, sizeof(hint), "write %u-%u,%u-%u", span->from,
		 r->field->max == 7 ? 6 : r->field->max, r->field->min,
		 span->to);
	return refuse(r->problem, begin, r->at - begin, hint,
		      "the range %.*s runs backwards",
		      (int)(r->at - begin < 20 ? r->at - begin : 20),
		      r->text + begin);
}

/* "*", "5", "1-5". */
static bool range(struct reader *r, struct span *span)
{
	size_t begin = r->at;
	bool last_is_word;

	*span = (struct span){.from = r->field->min, .to = r->field->max};
	if (r->at < r->end &&
	    (r->text[r->at] == '*' || r->text[r->at] == '?')) {
		r->at++;
		span->star = true;
		return true;
	}
	if (!value(r, &span->from))
		return false;
	span->to = span->from;
	span->single = r->at == r->end || r->text[r->at] != '-';
	if (span->single)
		return true;
	r->at++;
	last_is_word = r->at < r->end && is_letter(r->text[r->at]);
	if (!value(r, &span->to))
		return false;
	if (last_is_word && span->to == 0) /* FRI-SUN */
		span->to = 7;
	return span->to >= span->from || backwards(r, begin, span);
}

/* "/15", if there is one. */
static bool step(struct reader *r, struct span *span)
{
	size_t begin = r->at + 1;

	span->step = 1;
	if (r->at == r->end || r->text[r->at] != '/')
		return true;
	r->at++;
	if (r->at == r->end || !is_digit(r->text[r->at]))
		return refuse(r->problem, r->at, r->at < r->end ? 1 : 0,
			      "as in */15", "a step is a number");
	span->step = digits(r);
	if (span->single)
		span->to = r->field->max;
	if (span->step != 0 && span->step <= span->to - span->from)
		return true;
	return refuse(r->problem, begin, r->at - begin, "",
		      span->step == 0 ? "a step is at least 1"
				      : "this step leaves the range %u-%u at "
					"once",
		      span->from, span->to);
}

/* An item of a list, into @bits. */
static bool item(struct reader *r, uint64_t *bits, bool *ret_any)
{
	struct span span;

	if (!range(r, &span) || !step(r, &span))
		return false;
	if (r->at < r->end && r->text[r->at] != ',')
		return refuse(r->problem, r->at, 1, "as in 1-5, */15 or 1,3,5",
			      "\"%c\" cannot stand here", r->text[r->at]);
	for (unsigned n = span.from; n <= span.to; n += span.step)
		*bits |= UINT64_C(1) << n;
	*ret_any |= span.star && span.step == 1;
	return true;
}

static bool list(struct reader *r, uint64_t *bits, bool *ret_any)
{
	*bits = 0;
	*ret_any = false;
	for (;;) {
		if (!item(r, bits, ret_any))
			return false;
		if (r->at == r->end)
			return true;
		r->at++;
	}
}

/* Where the fields begin and end; how many there are, at most FIELDS told. */
static unsigned split(const char *text, size_t len, size_t begins[FIELDS],
		      size_t ends[FIELDS])
{
	unsigned n = 0;
	size_t at = 0;

	for (;;) {
		while (at < len && is_space(text[at]))
			at++;
		if (at == len)
			return n;
		if (n < FIELDS)
			begins[n] = at;
		while (at < len && !is_space(text[at]))
			at++;
		if (n < FIELDS)
			ends[n] = at;
		n++;
	}
}

/* Whether some month has one of the days; else the day never comes. */
static bool day_comes(const struct flo__cron *cron)
{
	static const unsigned lengths[] = {31, 29, 31, 30, 31, 30,
					   31, 31, 30, 31, 30, 31};

	for (unsigned month = 1; month <= 12; month++) {
		uint64_t days = (UINT64_C(2) << lengths[month - 1]) - 1;

		if ((cron->months >> month & 1) != 0 &&
		    (cron->days & days) != 0)
			return true;
	}
	return !cron->any_weekday;
}

static bool parse_macro(const char *text, size_t len,
			struct flo__cron *ret_cron,
			struct flo__cron_problem *problem)
{
	const char *hint = "there are " MACROS_ALL;

	for (size_t i = 0; i < MACROS; i++) {
		if (strlen(macros[i].name) == len &&
		    memcmp(macros[i].name, text, len) == 0)
			return flo__cron_parse(macros[i].means,
					       strlen(macros[i].means),
					       ret_cron, problem);
	}
	if (len >= 6 && memcmp(text, "@every", 6) == 0)
		hint = "say at which times, as in */15 * * * *";
	return refuse(problem, 0, len, hint, "there is no \"%.*s\"",
		      (int)(len < 40 ? len : 40), text);
}

static bool parse_fields(struct reader *r, size_t begins[FIELDS],
			 size_t ends[FIELDS], struct flo__cron *cron)
{
	uint64_t bits[FIELDS];
	bool any[FIELDS];

	for (int i = 0; i < FIELDS; i++) {
		r->field = &fields[i];
		r->at = begins[i];
		r->end = ends[i];
		if (!list(r, &bits[i], &any[i]))
			return false;
	}
	*cron = (struct flo__cron){
		.minutes = bits[MINUTE],
		.hours = (uint32_t)bits[HOUR],
		.days = (uint32_t)bits[DAY],
		.months = (uint32_t)bits[MONTH],
		.weekdays =
			(uint32_t)((bits[WEEKDAY] | bits[WEEKDAY] >> 7) & 0x7f),
		.any_day = any[DAY],
		.any_weekday = any[WEEKDAY],
	};
	if (day_comes(cron))
		return true;
	return refuse(r->problem, begins[DAY], ends[DAY] - begins[DAY], "",
		      "no month that is named here has such a day");
}

bool flo__cron_parse(const char *text, size_t len, struct flo__cron *ret_cron,
		     struct flo__cron_problem *ret_problem)
{
	size_t begins[FIELDS];
	size_t ends[FIELDS];
	struct reader r = {.text = text, .problem = ret_problem};
	const char *hint = "minute, hour, day of the month, month, day of the "
			   "week";
	struct flo__cron cron;
	unsigned n;

	if (len != 0 && text[0] == '@')
		return parse_macro(text, len, ret_cron, ret_problem);
	if (len > 8 &&
	    (memcmp(text, "TZ=", 3) == 0 || memcmp(text, "CRON_TZ=", 8) == 0))
		return refuse(ret_problem, 0, 3, "give it as `timezone`",
			      "the time zone does not belong here");
	n = split(text, len, begins, ends);
	if (n == FIELDS + 1)
		hint = "there are no seconds, and no years";
	if (n != FIELDS)
		return refuse(ret_problem, 0, len, hint,
			      "there are five fields, not %u", n);
	if (!parse_fields(&r, begins, ends, &cron))
		return false;
	*ret_cron = cron;
	return true;
}
