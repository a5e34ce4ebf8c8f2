/*
 * The strings extension of CEL. Positions and lengths are in code points, from
 * 0; a position may be that after the last one, and beyond it is an error.
 * Strings are valid UTF-8, so that a match of bytes is a match of code points.
 */
#include "dsl/functions_p.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <string.h>

#define ITEMS_MAX ((size_t)16 << 20) /* of split() */

struct text {
	const char *at;
	size_t len;
};

/* Argument @i of @name(), which must be a string. */
static bool get_text(const char *name, const flo_value *const *args, size_t i,
		     struct text *ret, struct flo__failure *failure)
{
	if (flo_value_typeof(args[i]) != FLO_VALUE_STRING) {
		flo__fn_refuse(name, args[i], failure);
		return false;
	}
	ret->at = flo_value_get_string(args[i], &ret->len);
	return true;
}

static bool get_int(const char *name, const flo_value *const *args, size_t i,
		    int64_t *ret, struct flo__failure *failure)
{
	if (flo_value_typeof(args[i]) != FLO_VALUE_INT) {
		flo__fn_refuse(name, args[i], failure);
		return false;
	}
	*ret = flo_value_get_int(args[i]);
	return true;
}

static bool is_tail(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Where the code point at @at ends. */
static size_t next(const struct text *text, size_t at)
{
	at++;
	while (at < text->len && is_tail(text->at[at]))
		at++;
	return at;
}

static flo_value *out_of_range(const char *name, int64_t i,
			       const struct text *text,
			       struct flo__failure *failure)
{
	size_t size = flo__utf8_count(text->at, text->len);

	return flo__fail(failure, FLO_RANGE,
			 "%s(): index %" PRId64 " is out of range: the string "
			 "has %zu character%s",
			 name, i, size, size == 1 ? "" : "s");
}

/* The byte at which code point @i of @text begins; false past the end. */
static bool byte_of(const struct text *text, int64_t i, size_t *ret)
{
	size_t at = 0;

	if (i < 0)
		return false;
	for (; i > 0 && at < text->len; i--)
		at = next(text, at);
	*ret = at;
	return i == 0;
}

/* Argument @i of @name(), a position in @text, as that of a byte. */
static bool get_position(const char *name, const flo_value *const *args,
			 size_t i, const struct text *text, size_t *ret,
			 struct flo__failure *failure)
{
	int64_t position;

	if (!get_int(name, args, i, &position, failure))
		return false;
	if (byte_of(text, position, ret))
		return true;
	out_of_range(name, position, text, failure);
	return false;
}

static flo_value *too_long(const char *name, struct flo__failure *failure)
{
	return flo__fail(failure, FLO_LIMIT,
			 "%s(): the result would have more than %zu MiB", name,
			 FLO__TEXT_LEN_MAX >> 20);
}

/* The string in @sb, which is emptied. */
static flo_value *finish(struct flo__strbuf *sb)
{
	flo_value *value = NULL;

	if (!sb->failed)
		value = flo_value_stringn(sb->data, sb->len);
	flo__strbuf_fini(sb);
	return value;
}

FLO__FUNCTION(char_at)
{
	struct text text;
	size_t at;

	(void)n;
	if (!get_text("charAt", args, 0, &text, failure) ||
	    !get_position("charAt", args, 1, &text, &at, failure))
		return NULL;
	if (at == text.len)
		return flo_value_stringn("", 0);
	return flo_value_stringn(text.at + at, next(&text, at) - at);
}

FLO__FUNCTION(substring)
{
	struct text text;
	size_t from;
	size_t to;

	if (!get_text("substring", args, 0, &text, failure) ||
	    !get_position("substring", args, 1, &text, &from, failure))
		return NULL;
	to = text.len;
	if (n > 2 && !get_position("substring", args, 2, &text, &to, failure))
		return NULL;
	if (from > to)
		return flo__fail(failure, FLO_RANGE,
				 "substring(): it would start at %" PRId64
				 " and end before that, at %" PRId64,
				 flo_value_get_int(args[1]),
				 flo_value_get_int(args[2]));
	return flo_value_stringn(text.at + from, to - from);
}

/* The position, in code points, of byte @at. */
static flo_value *position_of(const struct text *text, size_t at)
{
	return flo_value_int((int64_t)flo__utf8_count(text->at, at));
}

FLO__FUNCTION(index_of)
{
	struct text text;
	struct text part;
	const char *found;
	size_t from = 0;

	if (!get_text("indexOf", args, 0, &text, failure) ||
	    !get_text("indexOf", args, 1, &part, failure) ||
	    (n > 2 && !get_position("indexOf", args, 2, &text, &from, failure)))
		return NULL;
	if (part.len == 0)
		return position_of(&text, from);
	found = memmem(text.at + from, text.len - from, part.at, part.len);
	if (found == NULL)
		return flo_value_int(-1);
	return position_of(&text, (size_t)(found - text.at));
}

static char *reversed(const char *text, size_t len)
{
	char *copy = flo__malloc(len + 1);

	for (size_t i = 0; copy != NULL && i < len; i++)
		copy[i] = text[len - 1 - i];
	return copy;
}

/*
 * The last place of @part in @text that begins at @from or before, as the first
 * one in both reversed: memmem() takes linear time, a loop of comparisons does
 * not. FLO_NOTFOUND, FLO_NOMEM.
 */
static flo_status find_last(const struct text *text, const struct text *part,
			    size_t from, size_t *ret)
{
	size_t len = text->len;
	char *a;
	char *b;
	const char *found = NULL;
	flo_status st = FLO_NOTFOUND;

	if (part->len > len)
		return st;
	if (from < len - part->len)
		len = from + part->len;
	a = reversed(text->at, len);
	b = reversed(part->at, part->len);
	if (a != NULL && b != NULL)
		found = memmem(a, len, b, part->len);
	else
		st = FLO_NOMEM;
	if (found != NULL) {
		*ret = len - (size_t)(found - a) - part->len;
		st = FLO_OK;
	}
	flo__free(a);
	flo__free(b);
	return st;
}

FLO__FUNCTION(last_index_of)
{
	struct text text;
	struct text part;
	size_t from;
	size_t at;

	if (!get_text("lastIndexOf", args, 0, &text, failure) ||
	    !get_text("lastIndexOf", args, 1, &part, failure))
		return NULL;
	from = text.len;
	if (n > 2 &&
	    !get_position("lastIndexOf", args, 2, &text, &from, failure))
		return NULL;
	switch (find_last(&text, &part, from, &at)) {
	case FLO_OK:
		return position_of(&text, at);
	case FLO_NOTFOUND:
		return flo_value_int(-1);
	default:
		return NULL;
	}
}

/* args[0] with the ASCII letters from @first on for 26 in the other case. */
static flo_value *change_case(const char *name, const flo_value *const *args,
			      char first, struct flo__failure *failure)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct text text;

	if (!get_text(name, args, 0, &text, failure))
		return NULL;
	flo__strbuf_add(&sb, text.at, text.len);
	for (size_t i = 0; i < sb.len; i++) {
		if (sb.data[i] >= first && sb.data[i] <= first + 25)
			sb.data[i] ^= 0x20;
	}
	return finish(&sb);
}

FLO__FUNCTION(lower_ascii)
{
	(void)n;
	return change_case("lowerAscii", args, 'A', failure);
}

FLO__FUNCTION(upper_ascii)
{
	(void)n;
	return change_case("upperAscii", args, 'a', failure);
}

/* White_Space of Unicode. */
static bool is_space(uint32_t c)
{
	return (c >= 0x09 && c <= 0x0d) || c == 0x20 || c == 0x85 ||
	       c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
	       c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f ||
	       c == 0x3000;
}

FLO__FUNCTION(trim)
{
	struct text text;
	size_t from = SIZE_MAX; /* the first that is no space, */
	size_t to = 0;		/* and what is behind the last */
	uint32_t code = 0;

	(void)n;
	if (!get_text("trim", args, 0, &text, failure))
		return NULL;
	for (size_t at = 0; at < text.len;) {
		size_t end = next(&text, at);

		if (flo__utf8_next(text.at + at, end - at, &code) == 0 ||
		    !is_space(code)) {
			if (from == SIZE_MAX)
				from = at;
			to = end;
		}
		at = end;
	}
	if (from == SIZE_MAX)
		return flo_value_stringn("", 0);
	return flo_value_stringn(text.at + from, to - from);
}

/*
 * Where @part is in @text from @at on; past the end if nowhere. An empty one
 * is before each code point but that at @at.
 */
static size_t find(const struct text *text, const struct text *part, size_t at)
{
	const char *found;

	if (part->len == 0)
		return at < text->len ? next(text, at) : SIZE_MAX;
	found = memmem(text->at + at, text->len - at, part->at, part->len);
	return found != NULL ? (size_t)(found - text->at) : SIZE_MAX;
}

/* Whether the result outgrows both the limit and what it is made of. */
static bool outgrows(const struct flo__strbuf *sb, const struct text *text)
{
	return sb->len > FLO__TEXT_LEN_MAX && sb->len > text->len;
}

FLO__FUNCTION(replace)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct text text;
	struct text old;
	struct text new;
	int64_t count = -1;
	size_t at = 0;

	if (!get_text("replace", args, 0, &text, failure) ||
	    !get_text("replace", args, 1, &old, failure) ||
	    !get_text("replace", args, 2, &new, failure) ||
	    (n > 3 && !get_int("replace", args, 3, &count, failure)))
		return NULL;
	if (old.len == 0 && count != 0) {
		flo__strbuf_add(&sb, new.at, new.len);
		count--;
	}
	while (count != 0) {
		size_t found = find(&text, &old, at);

		if (found == SIZE_MAX)
			break;
		flo__strbuf_add(&sb, text.at + at, found - at);
		flo__strbuf_add(&sb, new.at, new.len);
		at = found + old.len;
		count--;
		if (outgrows(&sb, &text)) {
			flo__strbuf_fini(&sb);
			return too_long("replace", failure);
		}
	}
	flo__strbuf_add(&sb, text.at + at, text.len - at);
	return finish(&sb);
}

/* Append @len bytes at @at to @list; false and a failure, or no memory. */
static bool add_piece(flo_value *list, const char *at, size_t len,
		      struct flo__failure *failure)
{
	if (flo_value_len(list) == ITEMS_MAX) {
		flo__fail(failure, FLO_LIMIT,
			  "split(): there would be more than %zu items",
			  ITEMS_MAX);
		return false;
	}
	return flo_value_list_add(list, flo_value_stringn(at, len)) == FLO_OK;
}

/* As Go's strings.SplitN: at most @count pieces, if that is not negative. */
static bool split_into(flo_value *list, const struct text *text,
		       const struct text *by, int64_t count,
		       struct flo__failure *failure)
{
	size_t at = 0;

	if (count == 0 || (text->len == 0 && by->len == 0))
		return true;
	for (; count != 1; count--) {
		size_t found = find(text, by, at);

		if (found == SIZE_MAX || (by->len == 0 && found == text->len))
			break;
		if (!add_piece(list, text->at + at, found - at, failure))
			return false;
		at = found + by->len;
	}
	return add_piece(list, text->at + at, text->len - at, failure);
}

FLO__FUNCTION(split)
{
	struct text text;
	struct text by;
	int64_t count = -1;
	flo_value *list;

	if (!get_text("split", args, 0, &text, failure) ||
	    !get_text("split", args, 1, &by, failure) ||
	    (n > 2 && !get_int("split", args, 2, &count, failure)))
		return NULL;
	list = flo_value_list(0);
	if (list != NULL && !split_into(list, &text, &by, count, failure)) {
		flo_value_unref(list);
		list = NULL;
	}
	return list;
}

static flo_value *not_a_string(const flo_value *item, size_t i,
			       struct flo__failure *failure)
{
	const char *type = flo__value_type_name(flo_value_typeof(item));

	return flo__fail(failure, FLO_TYPE,
			 "join() takes a list of strings, and item %zu is of "
			 "type %s: map(x, string(x)) before it",
			 i, type);
}

FLO__FUNCTION(join)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct text between = {"", 0};
	const flo_value *list = args[0];

	if (flo_value_typeof(list) != FLO_VALUE_LIST)
		return flo__fn_refuse("join", list, failure);
	if (n > 1 && !get_text("join", args, 1, &between, failure))
		return NULL;
	for (size_t i = 0; i < flo_value_len(list); i++) {
		const flo_value *item = flo_value_list_at(list, i);
		size_t len;
		const char *text;

		if (flo_value_typeof(item) != FLO_VALUE_STRING) {
			flo__strbuf_fini(&sb);
			return not_a_string(item, i, failure);
		}
		text = flo_value_get_string(item, &len);
		if (i != 0)
			flo__strbuf_add(&sb, between.at, between.len);
		flo__strbuf_add(&sb, text, len);
		if (sb.len > FLO__TEXT_LEN_MAX) {
			flo__strbuf_fini(&sb);
			return too_long("join", failure);
		}
	}
	return finish(&sb);
}
