#include "steps/cmdb/member.h"

#include "base/contract.h"
#include "json/json_p.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Integers up to this are doubles too, each its own. */
#define EXACT_MAX (INT64_C(1) << 53)

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
	int64_t n = 0;

	INSIST(read_int(text, len, &n));
	return n;
}

static enum flo__kind number_kind(const char *text, size_t len)
{
	int64_t n;

	for (size_t i = 0; i < len; i++)
		if (text[i] == '.' || text[i] == 'e' || text[i] == 'E')
			return FLO__KIND_DOUBLE;
	if (!read_int(text, len, &n))
		return FLO__KIND_JSON;
	return n >= -EXACT_MAX && n <= EXACT_MAX ? FLO__KIND_INT53
						 : FLO__KIND_INT;
}

static enum flo__kind kind_of(const char *text, size_t len)
{
	switch (text[0]) {
	case 'n':
		return FLO__KIND_NULL;
	case 't':
	case 'f':
		return FLO__KIND_BOOL;
	case '"':
		return FLO__KIND_STRING;
	case '[':
	case '{':
		return FLO__KIND_JSON;
	default:
		return number_kind(text, len);
	}
}

static flo_status load(const char *text, size_t len, flo_error *err,
		       json_t **ret_json)
{
	return flo__json_load(text, len, JSON_DECODE_ANY, err, ret_json);
}

flo_status flo__member_string(const char *text, size_t len, flo_error *err,
			      struct flo__strbuf *sb)
{
	json_t *json = NULL;
	flo_status st;

	if (memchr(text, '\\', len) == NULL) {
		flo__strbuf_add(sb, text + 1, len - 2);
	} else {
		st = load(text, len, err, &json);
		if (st != FLO_OK)
			return st;
		flo__strbuf_add(sb, json_string_value(json),
				json_string_length(json));
		flo__json_free(json);
	}
	st = flo__strbuf_status(sb);
	return st == FLO_OK ? st : flo_error_set(err, st, "out of memory");
}

flo_status flo__member_double(const char *text, size_t len, flo_error *err,
			      double *ret_d)
{
	json_t *json = NULL;
	flo_status st = load(text, len, err, &json);

	if (st != FLO_OK)
		return st;
	*ret_d = json_number_value(json);
	flo__json_free(json);
	return FLO_OK;
}

/* A key's token, without its quotes and with its escapes resolved. */
static flo_status read_name(struct flo__members *members, const char *text,
			    size_t len, flo_error *err,
			    struct flo__member *member)
{
	flo_status st;

	member->name = text + 1;
	member->name_len = len - 2;
	if (memchr(text, '\\', len) == NULL)
		return FLO_OK;
	flo__strbuf_reset(&members->key);
	st = flo__member_string(text, len, err, &members->key);
	member->name = members->key.data;
	member->name_len = members->key.len;
	return st;
}

/* The next token: [*@ret_begin, m->at). */
static flo_status next_token(struct flo__members *m, flo_error *err,
			     size_t *ret_begin)
{
	if (flo__json_next_token(m->text, m->len, &m->at, ret_begin) &&
	    (m->text[*ret_begin] != '"' ||
	     (m->at - *ret_begin >= 2 && m->text[m->at - 1] == '"')))
		return FLO_OK;
	return flo_error_set(err, FLO_CORRUPT,
			     "a stored record is no JSON object: %.60s; "
			     "restore the database from a backup",
			     m->text);
}

/* The tokens of one value, up to the bracket that closes it. */
static flo_status read_value(struct flo__members *m, flo_error *err,
			     struct flo__member *member)
{
	size_t begin, first = 0;
	int depth = 0;
	flo_status st;

	do {
		TRY(next_token(m, err, &begin));
		if (first == 0)
			first = begin;
		depth += m->text[begin] == '{' || m->text[begin] == '[';
		depth -= m->text[begin] == '}' || m->text[begin] == ']';
	} while (depth > 0);
	member->text = m->text + first;
	member->text_len = m->at - first;
	member->kind = kind_of(member->text, member->text_len);
out:
	return st;
}

flo_status flo__members_next(struct flo__members *members, flo_error *err,
			     struct flo__member *ret_member, bool *ret_more)
{
	struct flo__members *m = members;
	struct flo__member member;
	size_t begin, colon;
	flo_status st;

	/* The brace or comma before the key, and the key or the last brace. */
	*ret_more = false;
	TRY(next_token(m, err, &begin));
	if (m->text[begin] == '}')
		return FLO_OK;
	TRY(next_token(m, err, &begin));
	if (m->text[begin] == '}')
		return FLO_OK;
	if (m->text[begin] != '"')
		m->at = m->len; /* what follows is then no token */
	else
		TRY(read_name(m, m->text + begin, m->at - begin, err, &member));
	TRY(next_token(m, err, &colon));
	TRY(read_value(m, err, &member));
	*ret_member = member;
	*ret_more = true;
out:
	return st;
}
