/*
 * Time zones: how far local time is ahead of UTC.
 *
 * Names are those of tzdata, whose files (TZif, RFC 8536) are read here: the C
 * library keeps one zone for a whole process and lets nobody ask for another.
 * A file has the moments at which the offset changes and, for what comes after
 * the last of them, a rule as in the environment variable TZ (POSIX).
 *
 * Each thread keeps the file of the zone that it was asked for last, as it is
 * on the disk. So the questions of a macro cost one reading, there is nothing
 * to lock or free, and a damaged file can only give a wrong number: every
 * access is within its bytes. The thread-local is not kept over a call that
 * parks; there is none here. Files are small and local, so reading one counts
 * as computing.
 */
#include "dsl/functions_p.h"

#include "base/time.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_LEN 64
#define FILE_MAX     (16 * 1024) /* those of tzdata have less than 4 KiB */
#define HEAD	     44

struct zone {
	char name[NAME_MAX_LEN + 1]; /* "": none */
	size_t len;
	unsigned char data[FILE_MAX];
};

static _Thread_local struct zone last;

/* ---- a file's parts ---- */

/* The part of a file with 64-bit times. */
struct part {
	const unsigned char *times; /* times_len of 8 bytes */
	const unsigned char *kinds; /* and one byte for each: its type */
	const unsigned char *types; /* types_len of 6 bytes */
	uint32_t times_len;
	uint32_t types_len;
	const char *rule; /* what follows, rule_len bytes */
	size_t rule_len;
};

static uint32_t get32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

static int64_t get64(const unsigned char *at)
{
	return (int64_t)((uint64_t)get32(at) << 32 | get32(at + 4));
}

/* Bytes of the block after the header at @head, with times of @width bytes. */
static uint64_t block_len(const unsigned char *head, unsigned width)
{
	uint64_t ut = get32(head + 20);
	uint64_t std = get32(head + 24);
	uint64_t leaps = get32(head + 28);
	uint64_t times = get32(head + 32);
	uint64_t types = get32(head + 36);
	uint64_t chars = get32(head + 40);

	return times * (width + 1) + types * 6 + chars + leaps * (width + 4) +
	       std + ut;
}

static bool is_head(const unsigned char *data, size_t len)
{
	return len >= HEAD && memcmp(data, "TZif", 4) == 0 && data[4] >= '2';
}

/* Find the parts of @zone; false if it is no such file. */
static bool read_parts(const struct zone *zone, struct part *ret)
{
	const unsigned char *at = zone->data;
	size_t len = zone->len;
	uint64_t skip;

	if (!is_head(at, len))
		return false;
	skip = HEAD + block_len(at, 4);
	if (skip > len || !is_head(at + skip, len - skip))
		return false;
	at += skip;
	len -= skip;
	skip = HEAD + block_len(at, 8);
	if (skip > len || get32(at + 36) == 0)
		return false;
	ret->times_len = get32(at + 32);
	ret->types_len = get32(at + 36);
	ret->times = at + HEAD;
	ret->kinds = ret->times + 8 * (size_t)ret->times_len;
	ret->types = ret->kinds + ret->times_len;
	ret->rule = (const char *)at + skip;
	ret->rule_len = len - skip;
	return true;
}

static int32_t offset_of_type(const struct part *part, uint32_t type)
{
	if (type >= part->types_len)
		type = 0;
	return (int32_t)get32(part->types + 6 * (size_t)type);
}

/* ---- the rule for what is after the last change ---- */

struct rule {
	const char *at;
	const char *end;
	bool bad;
};

static bool take(struct rule *r, char c)
{
	if (r->at == r->end || *r->at != c)
		return false;
	r->at++;
	return true;
}

static int take_number(struct rule *r)
{
	int n = 0;

	if (r->at == r->end || *r->at < '0' || *r->at > '9')
		r->bad = true;
	for (; r->at < r->end && *r->at >= '0' && *r->at <= '9'; r->at++)
		n = n < 10000 ? n * 10 + (*r->at - '0') : n;
	return n;
}

/* The abbreviation of a zone: letters, or anything in <>. */
static void skip_name(struct rule *r)
{
	if (take(r, '<')) {
		while (r->at < r->end && *r->at != '>')
			r->at++;
		r->bad |= !take(r, '>');
		return;
	}
	while (r->at < r->end && (*r->at | 32) >= 'a' && (*r->at | 32) <= 'z')
		r->at++;
}

/* "-1:30:15" in seconds. */
static int32_t take_time(struct rule *r)
{
	int sign = take(r, '-') ? -1 : 1;
	int32_t s;

	if (sign > 0)
		take(r, '+');
	s = take_number(r) * 3600;
	if (take(r, ':'))
		s += take_number(r) * 60;
	if (take(r, ':'))
		s += take_number(r);
	return sign * s;
}

static int64_t day_of(int64_t year, int month, int day)
{
	struct flo__civil civil = {year, month, day, 0, 0, 0};

	return flo__time_of_civil(&civil) / 86400;
}

/* "M3.5.0": the day, since the epoch, of the last Sunday in March. */
static int64_t take_weekday(struct rule *r, int64_t year)
{
	int month = take_number(r);
	int week = take(r, '.') ? take_number(r) : 0;
	int weekday = take(r, '.') ? take_number(r) : 0;
	int64_t first;
	int64_t day;

	if (month < 1 || month > 12 || week < 1 || week > 5 || weekday > 6) {
		r->bad = true;
		return 0;
	}
	first = day_of(year, month, 1);
	day = (weekday - (first + 4) % 7 + 14) % 7 + 7 * (week - 1);
	if (day >= flo__time_month_days(year, month))
		day -= 7;
	return first + day;
}

/* When in @year the rule at @r has a change, in seconds of local time. */
static int64_t take_change(struct rule *r, int64_t year)
{
	bool leap = flo__time_month_days(year, 2) == 29;
	int64_t day = day_of(year, 1, 1);
	int n;

	if (take(r, 'M')) {
		day = take_weekday(r, year);
	} else if (take(r, 'J')) { /* 1 to 365, without leap days */
		n = take_number(r);
		day += n - 1 + (leap && n >= 60);
	} else {
		day += take_number(r);
	}
	return day * 86400 + (take(r, '/') ? take_time(r) : 7200);
}

/* The offset at @s by a rule such as "CET-1CEST,M3.5.0,M10.5.0/3". */
static bool by_rule(const struct part *part, int64_t s, int32_t *ret)
{
	struct rule r = {part->rule, part->rule + part->rule_len, false};
	struct flo__civil at;
	int32_t std;
	int32_t dst;
	int64_t begin;
	int64_t end;
	bool summer;

	if (!take(&r, '\n') || r.at == r.end || *r.at == '\n')
		return false;
	skip_name(&r);
	std = -take_time(&r);
	*ret = std;
	if (r.at == r.end || *r.at == '\n')
		return !r.bad;
	skip_name(&r);
	dst = r.at < r.end && *r.at != ',' ? -take_time(&r) : std + 3600;
	r.bad |= !take(&r, ',');
	flo__time_civil(s + std, &at);
	begin = take_change(&r, at.year) - std;
	r.bad |= !take(&r, ',');
	end = take_change(&r, at.year) - dst;
	summer = begin < end ? s >= begin && s < end : s >= begin || s < end;
	*ret = summer ? dst : std;
	return !r.bad;
}

static int32_t offset_at(const struct part *part, int64_t s)
{
	uint32_t low = 0; /* changes before it are at or before @s */
	uint32_t high = part->times_len;
	int32_t offset;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (get64(part->times + 8 * (size_t)mid) <= s)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == part->times_len && by_rule(part, s, &offset))
		return offset;
	return offset_of_type(part, low == 0 ? 0 : part->kinds[low - 1]);
}

/* ---- finding zones ---- */

/* Read "[+-]H[H]:MM". */
static bool read_offset(const char *name, size_t len, int32_t *ret)
{
	struct rule r = {name, name + len, false};
	bool minus = take(&r, '-');
	const char *begin;
	int hours;
	int minutes;

	if (!minus)
		take(&r, '+');
	begin = r.at;
	hours = take_number(&r);
	r.bad |= r.at - begin > 2 || !take(&r, ':');
	begin = r.at;
	minutes = take_number(&r);
	r.bad |= r.at - begin != 2 || r.at != r.end;
	if (r.bad || hours > 23 || minutes > 59)
		return false;
	*ret = (minus ? -60 : 60) * (hours * 60 + minutes);
	return true;
}

/* Names are paths below one directory, and must stay there. */
static bool is_name(const char *name, size_t len)
{
	if (len == 0 || len > NAME_MAX_LEN || name[0] == '/')
		return false;
	for (size_t i = 0; i < len; i++) {
		bool letter = (name[i] | 32) >= 'a' && (name[i] | 32) <= 'z';

		if (!letter && (name[i] == '\0' ||
				strchr("0123456789_+-/", name[i]) == NULL))
			return false;
	}
	return true;
}

static const char *directory(void)
{
	const char *dir = getenv("TZDIR");

	return dir != NULL && dir[0] == '/' ? dir : "/usr/share/zoneinfo";
}

/* 0, or an errno. */
static int load(const char *name, size_t len)
{
	char path[512];
	ssize_t n = 0;
	int fd;

	last.name[0] = '\0';
	last.len = 0;
	if (snprintf(path, sizeof(path), "%s/%.*s", directory(), (int)len,
		     name) >= (int)sizeof(path))
		return ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno;
	do {
		last.len += (size_t)n;
		n = read(fd, last.data + last.len, FILE_MAX - last.len);
	} while (n > 0 || (n < 0 && errno == EINTR && (n = 0) == 0));
	close(fd);
	memcpy(last.name, name, len);
	last.name[len] = '\0';
	return 0;
}

static void unknown(const char *name, size_t len, int code,
		    struct flo__failure *failure)
{
	bool empty = access(directory(), R_OK | X_OK) != 0;

	if (empty)
		flo__fail(failure, FLO_NOTFOUND,
			  "time zone \"%.*s\": there are none in %s; install "
			  "tzdata, or write an offset such as \"+01:00\"",
			  (int)(len < 64 ? len : 64), name, directory());
	else if (code != 0 && code != ENOENT && code != ENOTDIR)
		flo__fail(failure, FLO_SYSTEM, "time zone \"%.*s\": %s",
			  (int)(len < 64 ? len : 64), name, strerror(code));
	else
		flo__fail(failure, FLO_NOTFOUND,
			  "there is no time zone \"%.*s\": write a name such "
			  "as \"Europe/Berlin\", or an offset such as "
			  "\"+01:00\"",
			  (int)(len < 64 ? len : 64), name);
}

bool flo__zone_offset(const char *name, size_t len, int64_t s, int32_t *ret,
		      struct flo__failure *failure)
{
	struct part part;
	int code = 0;

	if (read_offset(name, len, ret))
		return true;
	if (len == 3 && memcmp(name, "UTC", 3) == 0) {
		*ret = 0;
		return true;
	}
	if (!is_name(name, len)) {
		unknown(name, len, 0, failure);
		return false;
	}
	if (strlen(last.name) != len || memcmp(last.name, name, len) != 0)
		code = load(name, len);
	if (code == 0 && read_parts(&last, &part)) {
		*ret = offset_at(&part, s);
		return true;
	}
	last.name[0] = '\0';
	unknown(name, len, code, failure);
	return false;
}
