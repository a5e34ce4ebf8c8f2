#include "steps/cmdb/member.h"

#include "base/contract.h"
#include "json/json_p.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Integers of fewer digits are doubles too, each its own; so is this one. */
#define EXACT_DIGITS 15
#define EXACT_MAX    (INT64_C(1) << 53)

/* Numbers */

/* A token and no more digits than 64 bits may have. */
static bool read_int(const char *text, size_t len, int64_t *ret_n)
{
	char digits[24];

	if (len >= sizeof(digits))
		return false;
	memcpy(digits, text, len);
	digits[len] = '\0';
	errno = 0;
	*ret_n = strtoll(digits, NULL, 10);
	return errno == 0;
}

int64_t flo__member_int(const char *text, size_t len)
{
	bool minus = text[0] == '-';
	int64_t n = 0;

	if (len > EXACT_DIGITS) {
		INSIST(read_int(text, len, &n));
		return n;
	}
	for (size_t i = minus; i < len; i++)
		n = n * 10 + (text[i] - '0');
	return minus ? -n : n;
}

static enum flo__kind number_kind(const char *text, size_t len)
{
	int64_t n;

	for (size_t i = 0; i < len; i++)
		if (text[i] == '.' || text[i] == 'e' || text[i] == 'E')
			return FLO__KIND_DOUBLE;
	if (len <= EXACT_DIGITS)
		return FLO__KIND_INT53;
	if (!read_int(text, len, &n))
		return FLO__KIND_JSON;
	return n >= -EXACT_MAX && n <= EXACT_MAX ? FLO__KIND_INT53
						 : FLO__KIND_INT;
}

/*
 * A number of few digits without an exponent: both the digits and the power of
 * ten are exact as doubles, so one division rounds as it must (Clinger 1990).
 */
static bool read_short_double(const char *text, size_t len, double *ret_d)
{
	static const double tens[] = {1e0,  1e1,  1e2,	1e3,  1e4,  1e5,
				      1e6,  1e7,  1e8,	1e9,  1e10, 1e11,
				      1e12, 1e13, 1e14, 1e15, 1e16};
	bool minus = text[0] == '-';
	int64_t digits = 0;
	size_t point = len;

	if (len > EXACT_DIGITS)
		return false;
	for (size_t i = minus; i < len; i++) {
		if (text[i] == '.')
			point = i + 1;
		else if (text[i] >= '0' && text[i] <= '9')
			digits = digits * 10 + (text[i] - '0');
		else
			return false;
	}
	*ret_d = (double)digits / tens[len - point];
	/* An integer has no -0. */
	if (minus && (point != len || digits != 0))
		*ret_d = -*ret_d;
	return true;
}

static flo_status load(const char *text, size_t len, flo_error *err,
		       json_t **ret_json)
{
	return flo__json_load(text, len, JSON_DECODE_ANY, err, ret_json);
}

flo_status flo__member_double(const char *text, size_t len, flo_error *err,
			      double *ret_d)
{
	json_t *json = NULL;
	flo_status st;

	if (read_short_double(text, len, ret_d))
		return FLO_OK;
	st = load(text, len, err, &json);
	if (st != FLO_OK)
		return st;
	*ret_d = json_number_value(json);
	flo__json_free(json);
	return FLO_OK;
}

/* Strings */

/* The character after a backslash; 0 if it takes more to say it. */
static char short_escape(char c)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at = c != '\0' ? strchr(from, c) : NULL;

	return at != NULL ? to[at - from] : '\0';
}

/* Append a text whose escapes are all short; false: some are not. */
static bool add_short(const char *text, size_t len, struct flo__strbuf *sb)
{
	size_t before = sb->len;

	for (const char *at = text, *end = text + len; at < end;) {
		const char *slash = memchr(at, '\\', (size_t)(end - at));
		char c;

		if (slash == NULL)
			slash = end;
		flo__strbuf_add(sb, at, (size_t)(slash - at));
		at = slash;
		if (at == end)
			break;
		c = end - at > 1 ? short_escape(at[1]) : '\0';
		if (c == '\0') {
			flo__strbuf_cut(sb, before);
			return false;
		}
		flo__strbuf_addc(sb, c);
		at += 2;
	}
	return true;
}

flo_status flo__member_unescape(const char *text, size_t len, flo_error *err,
				struct flo__strbuf *sb)
{
	json_t *json = NULL;
	flo_status st;

	if (!flo__strbuf_reserve(sb, len))
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (add_short(text + 1, len - 2, sb))
		return FLO_OK;
	st = load(text, len, err, &json);
	if (st != FLO_OK)
		return st;
	flo__strbuf_add(sb, json_string_value(json), json_string_length(json));
	flo__json_free(json);
	st = flo__strbuf_status(sb);
	return st == FLO_OK ? st : flo_error_set(err, st, "out of memory");
}

/* Where things end; the length of the text if they do not */

#define BYTES(c) ((uint64_t)(c)*UINT64_C(0x0101010101010101))

/* A bit in the first byte of @eight that is zero, and maybe later ones. */
static uint64_t zero_byte(uint64_t eight)
{
	return (eight - BYTES(0x01)) & ~eight & BYTES(0x80);
}

/* The first quote or backslash from @at on, looked for eight at a time. */
static size_t find_quote(const char *text, size_t len, size_t at)
{
	for (; at + 8 <= len; at += 8) {
		uint64_t eight, found;

		/* Little-endian, as every machine that this is built for. */
		memcpy(&eight, text + at, 8);
		found = zero_byte(eight ^ BYTES('"')) |
			zero_byte(eight ^ BYTES('\\'));
		if (found != 0)
			return at + (size_t)__builtin_ctzll(found) / 8;
	}
	while (at < len && text[at] != '"' && text[at] != '\\')
		at++;
	return at;
}

/* After the string that begins at @at. */
static size_t string_end(const char *text, size_t len, size_t at,
			 bool *ret_escaped)
{
	*ret_escaped = false;
	for (at = find_quote(text, len, at + 1); at < len && text[at] != '"';
	     at = find_quote(text, len, at + 2 < len ? at + 2 : len))
		*ret_escaped = true;
	return at < len ? at + 1 : len + 1;
}

/* After the array or object that begins at @at. */
static size_t nested_end(const char *text, size_t len, size_t at)
{
	bool escaped;
	int depth = 0;

	while (at < len) {
		char c = text[at];

		if (c == '"') {
			at = string_end(text, len, at, &escaped);
			continue;
		}
		depth += c == '{' || c == '[';
		depth -= c == '}' || c == ']';
		at++;
		if (depth == 0)
			return at;
	}
	return len + 1;
}

/* After the number or word that begins at @at. */
static size_t word_end(const char *text, size_t len, size_t at)
{
	while (at < len && (unsigned char)text[at] > ' ' && text[at] != ',' &&
	       text[at] != '}' && text[at] != ']')
		at++;
	return at;
}

/* Members */

static void skip_space(struct flo__members *m)
{
	while (m->at < m->len &&
	       (m->text[m->at] == ' ' || m->text[m->at] == '\n' ||
		m->text[m->at] == '\r' || m->text[m->at] == '\t'))
		m->at++;
}

/* The byte at the next token; 0 at the end. */
static char peek(struct flo__members *m)
{
	skip_space(m);
	return m->at < m->len ? m->text[m->at] : '\0';
}

static flo_status broken(const struct flo__members *m, flo_error *err)
{
	return flo_error_set(err, FLO_CORRUPT,
			     "a stored record is no JSON object: %.60s; "
			     "restore the database from a backup",
			     m->text);
}

/* A key, without its quotes and with its escapes resolved. */
static flo_status read_name(struct flo__members *m, flo_error *err,
			    struct flo__member *member)
{
	size_t begin = m->at;
	bool escaped;
	flo_status st;

	m->at = string_end(m->text, m->len, begin, &escaped);
	if (m->at > m->len)
		return broken(m, err);
	member->name = m->text + begin + 1;
	member->name_len = m->at - begin - 2;
	if (!escaped)
		return FLO_OK;
	flo__strbuf_reset(&m->key);
	st = flo__member_unescape(m->text + begin, m->at - begin, err, &m->key);
	member->name = m->key.data;
	member->name_len = m->key.len;
	return st;
}

static flo_status read_value(struct flo__members *m, flo_error *err,
			     struct flo__member *member)
{
	char first = peek(m);
	size_t begin = m->at;

	member->text = m->text + begin;
	member->escaped = false;
	if (first == '"') {
		member->kind = FLO__KIND_STRING;
		m->at = string_end(m->text, m->len, begin, &member->escaped);
	} else if (first == '{' || first == '[') {
		member->kind = FLO__KIND_JSON;
		m->at = nested_end(m->text, m->len, begin);
	} else {
		m->at = word_end(m->text, m->len, begin);
		if (m->at == begin)
			return broken(m, err);
		member->kind =
			first == 'n' ? FLO__KIND_NULL
			: first == 't' || first == 'f'
				? FLO__KIND_BOOL
				: number_kind(member->text, m->at - begin);
	}
	member->text_len = m->at - begin;
	return m->at <= m->len ? FLO_OK : broken(m, err);
}

flo_status flo__members_next(struct flo__members *members, flo_error *err,
			     struct flo__member *ret_member, bool *ret_more)
{
	struct flo__members *m = members;
	struct flo__member member;
	bool first = m->at == 0;
	char c = peek(m);
	flo_status st;

	*ret_more = false;
	if (!first && c == '}')
		return FLO_OK;
	if (c != (first ? '{' : ','))
		return broken(m, err);
	m->at++;
	c = peek(m);
	if (first && c == '}')
		return FLO_OK;
	if (c != '"')
		return broken(m, err);
	TRY(read_name(m, err, &member));
	if (peek(m) != ':')
		return broken(m, err);
	m->at++;
	TRY(read_value(m, err, &member));
	*ret_member = member;
	*ret_more = true;
out:
	return st;
}
