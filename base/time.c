#include "base/time.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t flo__time_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

uint64_t flo__time_mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * FLO__NS_PER_S + (uint64_t)ts.tv_nsec;
}

/*
 * The date of a day, counted from 1970-01-01, in the proleptic Gregorian
 * calendar. After Howard Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms": years begin in March, so that the leap day is their last.
 */
static void date_of(int64_t day, struct flo__civil *ret)
{
	int64_t era, year;
	unsigned of_era, of_year, month;

	day += 719468;
	era = (day >= 0 ? day : day - 146096) / 146097;
	of_era = (unsigned)(day - era * 146097);
	year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) /
	       365;
	of_year = of_era - (unsigned)(365 * year + year / 4 - year / 100);
	month = (5 * of_year + 2) / 153;
	ret->day = (int)(of_year - (153 * month + 2) / 5 + 1);
	ret->month = (int)(month < 10 ? month + 3 : month - 9);
	ret->year = year + era * 400 + (ret->month <= 2);
}

void flo__time_civil(int64_t s, struct flo__civil *ret)
{
	int64_t day = s / 86400;
	int of_day = (int)(s % 86400);

	if (of_day < 0) {
		of_day += 86400;
		day--;
	}
	date_of(day, ret);
	ret->hour = of_day / 3600;
	ret->minute = of_day / 60 % 60;
	ret->second = of_day % 60;
}

int64_t flo__time_of_civil(const struct flo__civil *civil)
{
	int64_t year = civil->year - (civil->month <= 2);
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t of_era = year - era * 400;
	int month = civil->month > 2 ? civil->month - 3 : civil->month + 9;
	int64_t day = (153 * month + 2) / 5 + civil->day - 1;

	day += of_era * 365 + of_era / 4 - of_era / 100;
	day += era * 146097 - 719468;
	return day * 86400 + civil->hour * 3600 + civil->minute * 60 +
	       civil->second;
}

int flo__time_month_days(int64_t year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30,
				   31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* Write @n in exactly @digits digits. */
static char *put_digits(char *at, int64_t n, int digits)
{
	for (int i = digits; i-- > 0; n /= 10)
		at[i] = (char)('0' + n % 10);
	return at + digits;
}

/* Write two digits and @after. */
static char *put_two(char *at, int n, char after)
{
	at = put_digits(at, n, 2);
	*at++ = after;
	return at;
}

void flo__time_rfc3339(int64_t us, char ret_text[FLO__RFC3339_SIZE])
{
	int64_t s = us / 1000000;
	int64_t part = us % 1000000;
	struct flo__civil civil;
	char *at;

	if (part < 0) {
		part += 1000000;
		s--;
	}
	flo__time_civil(s, &civil);
	/* RFC 3339 has four digits only; others are never written by us. */
	at = put_digits(ret_text, civil.year < 0 ? 0 : civil.year, 4);
	*at++ = '-';
	at = put_two(at, civil.month, '-');
	at = put_two(at, civil.day, 'T');
	at = put_two(at, civil.hour, ':');
	at = put_two(at, civil.minute, ':');
	at = put_two(at, civil.second, '.');
	at = put_digits(at, part, 6);
	*at++ = 'Z';
	*at = '\0';
}

/* A unit with its factor; a table lists them from large to small. */
struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{"d", 86400 * FLO__NS_PER_S}, {"h", 3600 * FLO__NS_PER_S},
	{"m", 60 * FLO__NS_PER_S},    {"s", FLO__NS_PER_S},
	{"ms", FLO__NS_PER_MS},
};

static const struct unit sizes[] = {
	{"TiB", UINT64_C(1) << 40},
	{"GiB", UINT64_C(1) << 30},
	{"MiB", UINT64_C(1) << 20},
	{"KiB", UINT64_C(1) << 10},
	{"B", 1},
};

/* Find the unit that @text begins with and that no letter follows. */
static const struct unit *find_unit(const struct unit *units, size_t n,
				    const char *text, size_t len)
{
	size_t letters = 0;

	while (letters < len && ((text[letters] | 32) >= 'a') &&
	       ((text[letters] | 32) <= 'z'))
		letters++;
	for (size_t i = 0; i < n; i++) {
		if (strlen(units[i].name) == letters &&
		    memcmp(units[i].name, text, letters) == 0)
			return &units[i];
	}
	return NULL;
}

/* Read "<digits><unit>..." with units that get smaller; sums up to @max. */
static flo_status parse_units(const struct unit *units, size_t n,
			      const char *text, size_t len, uint64_t max,
			      uint64_t *ret)
{
	const struct unit *last = NULL;
	uint64_t sum = 0;
	size_t at = 0;

	if (len == 0)
		return FLO_SYNTAX;
	while (at < len) {
		const struct unit *unit;
		uint64_t number = 0;
		size_t begin = at;

		for (; at < len && text[at] >= '0' && text[at] <= '9'; at++) {
			if (number > max / 10)
				return FLO_RANGE;
			number = number * 10 + (uint64_t)(text[at] - '0');
		}
		if (at == begin)
			return FLO_SYNTAX;
		unit = find_unit(units, n, text + at, len - at);
		if (unit == NULL || (last != NULL && unit <= last))
			return FLO_SYNTAX;
		if (number > max / unit->factor ||
		    number * unit->factor > max - sum)
			return FLO_RANGE;
		sum += number * unit->factor;
		at += strlen(unit->name);
		last = unit;
	}
	*ret = sum;
	return FLO_OK;
}

flo_status flo__duration_parse(const char *text, size_t len, uint64_t *ret_ns)
{
	return parse_units(durations, sizeof(durations) / sizeof(durations[0]),
			   text, len, UINT64_C(36525) * 86400 * FLO__NS_PER_S,
			   ret_ns);
}

flo_status flo__size_parse(const char *text, size_t len, uint64_t *ret_bytes)
{
	bool digits = len > 0;
	uint64_t n = 0;

	for (size_t i = 0; i < len && digits; i++) {
		digits = text[i] >= '0' && text[i] <= '9';
		if (n > (UINT64_C(1) << 58))
			return FLO_RANGE;
		n = n * 10 + (uint64_t)(text[i] - '0');
	}
	if (digits) {
		*ret_bytes = n;
		return FLO_OK;
	}
	return parse_units(sizes, sizeof(sizes) / sizeof(sizes[0]), text, len,
			   UINT64_C(1) << 60, ret_bytes);
}

void flo__duration_text(uint64_t ns, char *ret_text, size_t size)
{
	uint64_t s = ns / FLO__NS_PER_S;

	if (ns < FLO__NS_PER_S)
		snprintf(ret_text, size, "%" PRIu64 "ms", ns / FLO__NS_PER_MS);
	else if (s < 60)
		snprintf(ret_text, size, "%" PRIu64 ".%" PRIu64 "s", s,
			 ns % FLO__NS_PER_S / (FLO__NS_PER_S / 10));
	else if (s < 3600)
		snprintf(ret_text, size, "%" PRIu64 "m%02" PRIu64 "s", s / 60,
			 s % 60);
	else
		snprintf(ret_text, size, "%" PRIu64 "h%02" PRIu64 "m", s / 3600,
			 s / 60 % 60);
}
