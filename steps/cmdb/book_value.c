/* flo/cmdb.h: a value in a record's text, and times as people write them. */
#include <flo/cmdb.h>

#include "base/contract.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "json/json_p.h"
#include "steps/cmdb/member.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fields */

struct slice {
	const char *text;
	size_t len;
};

/* One token of a pointer, from behind its '/', decoded. */
static size_t read_token(const char *pointer, struct flo__strbuf *sb)
{
	size_t len = strcspn(pointer, "/");

	flo__strbuf_reset(sb);
	for (size_t i = 0; i < len; i++) {
		bool escape = pointer[i] == '~' && i + 1 < len;

		i += escape;
		flo__strbuf_addc(sb, !escape		 ? pointer[i]
				     : pointer[i] == '1' ? '/'
							 : '~');
	}
	return len;
}

static bool find_member(struct slice *in, const struct flo__strbuf *name)
{
	struct flo__members members = {in->text, in->len, 0, FLO__STRBUF_INIT};
	struct flo__member member;
	bool more = true, found = false;

	while (!found &&
	       flo__members_next(&members, NULL, &member, &more) == FLO_OK &&
	       more)
		found = member.name_len == name->len &&
			memcmp(member.name, name->data, name->len) == 0;
	if (found)
		*in = (struct slice){member.text, member.text_len};
	flo__strbuf_fini(&members.key);
	return found;
}

/* The tokens of one value, from *@at on, up to the bracket that closes it. */
static bool read_item(const struct slice *in, size_t *at, struct slice *ret)
{
	size_t begin, first = 0;
	int depth = 0;

	do {
		if (!flo__json_next_token(in->text, in->len, at, &begin))
			return false;
		if (first == 0)
			first = begin;
		depth += in->text[begin] == '{' || in->text[begin] == '[';
		depth -= in->text[begin] == '}' || in->text[begin] == ']';
	} while (depth > 0);
	*ret = (struct slice){in->text + first, *at - first};
	return depth == 0;
}

static bool find_item(struct slice *in, const struct flo__strbuf *index)
{
	size_t at = 0, begin;
	struct slice item;
	char *end;
	unsigned long n = strtoul(index->data, &end, 10);

	if (*end != '\0' || end == index->data)
		return false;
	/* The bracket or comma before the item. */
	while (flo__json_next_token(in->text, in->len, &at, &begin) &&
	       in->text[begin] != ']' && read_item(in, &at, &item))
		if (n-- == 0) {
			*in = item;
			return true;
		}
	return false;
}

const char *flo_cmdb_field(const char *record, const char *pointer,
			   size_t *ret_len)
{
	struct flo__strbuf token = FLO__STRBUF_INIT;
	struct slice at = {record, strlen(record)};
	bool found = true;

	while (found && *pointer == '/') {
		pointer += 1 + read_token(pointer + 1, &token);
		found = !token.failed &&
			(at.text[0] == '{'   ? find_member(&at, &token)
			 : at.text[0] == '[' ? find_item(&at, &token)
					     : false);
	}
	flo__strbuf_fini(&token);
	if (!found || *pointer != '\0')
		return NULL;
	*ret_len = at.len;
	return at.text;
}

/* Times */

/* "2h", "2h ago", "-2h": so much before now. */
static bool read_ago(const char *text, int64_t *ret_us)
{
	size_t len = strlen(text);
	uint64_t ns;

	if (len > 4 && strcmp(text + len - 4, " ago") == 0)
		len -= 4;
	else if (text[0] == '-')
		text++, len--;
	if (flo__duration_parse(text, len, &ns) != FLO_OK)
		return false;
	*ret_us = flo__time_now_us() - (int64_t)(ns / 1000);
	return true;
}

/* "2 days ago", "5 minutes ago", "an hour" is not. */
static bool read_words_ago(const char *text, int64_t *ret_us)
{
	static const struct {
		const char *name;
		int64_t s;
	} units[] = {
		{"second", 1},	{"sec", 1},	{"minute", 60},	  {"min", 60},
		{"hour", 3600}, {"day", 86400}, {"week", 604800},
	};
	size_t digits = strspn(text, "0123456789");
	int64_t n = 0;

	if (digits == 0 || digits > 9 || text[digits] != ' ')
		return false;
	for (size_t i = 0; i < digits; i++)
		n = n * 10 + (text[i] - '0');
	text += digits + 1;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(text, units[i].name, len) != 0)
			continue;
		len += text[len] == 's';
		if (strcmp(text + len, " ago") != 0)
			continue;
		*ret_us = flo__time_now_us() - n * units[i].s * 1000000;
		return true;
	}
	return false;
}

/* "now", and the beginning of a day in UTC. */
static bool read_word(const char *text, int64_t *ret_us)
{
	const int64_t day = INT64_C(86400000000);
	int64_t now = flo__time_now_us();

	if (strcmp(text, "now") == 0)
		*ret_us = now;
	else if (strcmp(text, "today") == 0)
		*ret_us = now - now % day;
	else if (strcmp(text, "yesterday") == 0)
		*ret_us = now - now % day - day;
	else
		return false;
	return true;
}

/* "@1795385000": seconds since 1970. */
static bool read_epoch(const char *text, int64_t *ret_us)
{
	size_t digits = strspn(text + (text[0] == '@'), "0123456789");
	int64_t n = 0;

	if (text[0] != '@' || digits == 0 || digits > 11 ||
	    text[1 + digits] != '\0')
		return false;
	for (size_t i = 1; i <= digits; i++)
		n = n * 10 + (text[i] - '0');
	*ret_us = n * 1000000;
	return true;
}

/* @digits of them, at least @min and at most @max. */
static bool take_number(const char **text, int digits, int min, int max,
			int *ret, bool *in_range)
{
	int n = 0;

	for (int i = 0; i < digits; i++) {
		if ((*text)[i] < '0' || (*text)[i] > '9')
			return false;
		n = n * 10 + ((*text)[i] - '0');
	}
	*text += digits;
	*ret = n;
	*in_range = *in_range && n >= min && n <= max;
	return true;
}

static bool take(const char **text, char c)
{
	if (**text != c)
		return false;
	(*text)++;
	return true;
}

/* ".5": microseconds, what is finer is cut off. */
static bool take_fraction(const char **text, int64_t *ret_us)
{
	int64_t unit = 100000;

	if (!take(text, '.'))
		return true;
	if (**text < '0' || **text > '9')
		return false;
	for (; **text >= '0' && **text <= '9'; (*text)++, unit /= 10)
		*ret_us += (**text - '0') * unit;
	return true;
}

/* "Z", "+01:00", or nothing, which is UTC. */
static bool take_zone(const char **text, int64_t *ret_s, bool *in_range)
{
	int hours = 0, minutes = 0;
	bool west = **text == '-';

	if (**text == '\0' || take(text, 'Z') || take(text, 'z'))
		return **text == '\0';
	if (!west && **text != '+')
		return false;
	(*text)++;
	if (!take_number(text, 2, 0, 23, &hours, in_range) ||
	    !take(text, ':') ||
	    !take_number(text, 2, 0, 59, &minutes, in_range))
		return false;
	*ret_s = (hours * 60 + minutes) * (west ? -60 : 60);
	return **text == '\0';
}

/* False if it is written in no way that is known. */
static bool read_date(const char *text, int64_t *ret_us, bool *in_range)
{
	struct flo__civil civil = {0};
	int64_t us = 0, zone = 0;
	int year = 0;

	if (!take_number(&text, 4, 0, 9999, &year, in_range) ||
	    !take(&text, '-') ||
	    !take_number(&text, 2, 1, 12, &civil.month, in_range) ||
	    !take(&text, '-') ||
	    !take_number(&text, 2, 1, 31, &civil.day, in_range))
		return false;
	civil.year = year;
	*in_range = *in_range &&
		    civil.day <= flo__time_month_days(year, civil.month);
	if ((take(&text, 'T') || take(&text, 't') || take(&text, ' ')) &&
	    (!take_number(&text, 2, 0, 23, &civil.hour, in_range) ||
	     !take(&text, ':') ||
	     !take_number(&text, 2, 0, 59, &civil.minute, in_range) ||
	     (take(&text, ':') &&
	      (!take_number(&text, 2, 0, 60, &civil.second, in_range) ||
	       !take_fraction(&text, &us)))))
		return false;
	if (!take_zone(&text, &zone, in_range))
		return false;
	if (*in_range)
		*ret_us = (flo__time_of_civil(&civil) - zone) * 1000000 + us;
	return true;
}

flo_status flo_cmdb_time(const char *text, flo_error *err, int64_t *ret_us)
{
	bool in_range = true;

	REQUIRE_RULE(text != NULL, "there is no text");
	if (read_word(text, ret_us) || read_ago(text, ret_us) ||
	    read_words_ago(text, ret_us) || read_epoch(text, ret_us))
		return FLO_OK;
	if (!read_date(text, ret_us, &in_range))
		return flo_error_set(err, FLO_SYNTAX,
				     "\"%.60s\" is no time: write it like "
				     "2026-11-22, \"2026-11-22 12:00\" (UTC), "
				     "2026-11-22T12:00:00+01:00, \"2h ago\", "
				     "\"2 days ago\", \"yesterday\" or "
				     "\"now\"",
				     text);
	if (!in_range)
		return flo_error_set(err, FLO_RANGE,
				     "there is no time \"%.60s\" in any "
				     "calendar or clock",
				     text);
	return FLO_OK;
}
