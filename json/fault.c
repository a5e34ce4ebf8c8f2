/*
 * Where a text stops being JSON, for whom jansson's word is not enough. A
 * token is right or wrong by what has to come next and by the bracket that is
 * open, so a bit for each level is all there is to remember.
 */
#include "json/json_p.h"

#include "base/contract.h"

#include <limits.h>
#include <string.h>

struct walk {
	struct flo__json_spot spot;
	size_t end; /* of the token at spot.at */
	size_t depth;
	bool fresh; /* the bracket was opened by the token before */
	unsigned char objects[FLO__JSON_DEPTH_MAX / CHAR_BIT + 1];
};

static void look_around(struct walk *w)
{
	size_t up = w->depth - 1;

	w->spot.in = w->depth == 0 ? '\0'
		     : (w->objects[up / CHAR_BIT] >> up % CHAR_BIT & 1) != 0
			     ? '{'
			     : '[';
}

static void after_value(struct walk *w)
{
	w->fresh = false;
	w->spot.want =
		w->depth != 0 ? FLO__JSON_WANT_COMMA : FLO__JSON_WANT_END;
}

static void open_bracket(struct walk *w, char c)
{
	unsigned char bit = (unsigned char)(1u << w->depth % CHAR_BIT);
	unsigned char *byte = &w->objects[w->depth / CHAR_BIT];

	INSIST(w->depth < FLO__JSON_DEPTH_MAX);
	*byte = (unsigned char)(c == '{' ? *byte | bit : *byte & ~bit);
	w->depth++;
	w->fresh = true;
	w->spot.want = c == '{' ? FLO__JSON_WANT_KEY : FLO__JSON_WANT_VALUE;
	look_around(w);
}

static bool close_bracket(struct walk *w, char c)
{
	if (w->spot.in != (c == '}' ? '{' : '[') ||
	    (w->spot.want != FLO__JSON_WANT_COMMA && !w->fresh))
		return false;
	w->depth--;
	look_around(w);
	after_value(w);
	return true;
}

static size_t skip_digits(const char *text, size_t len, size_t at)
{
	while (at < len && text[at] >= '0' && text[at] <= '9')
		at++;
	return at;
}

static bool is_number(const char *text, size_t len)
{
	size_t at = len != 0 && text[0] == '-';
	size_t end = skip_digits(text, len, at);

	if (end == at || (text[at] == '0' && end > at + 1))
		return false;
	if (end < len && text[end] == '.') {
		at = end + 1;
		end = skip_digits(text, len, at);
	}
	if (end > at && end < len && (text[end] | 32) == 'e') {
		at = end + 1;
		at += at < len && (text[at] == '+' || text[at] == '-');
		end = skip_digits(text, len, at);
	}
	return end == len && end > at;
}

static bool is_word(const char *text, size_t len)
{
	return (len == 4 && memcmp(text, "null", 4) == 0) ||
	       (len == 4 && memcmp(text, "true", 4) == 0) ||
	       (len == 5 && memcmp(text, "false", 5) == 0);
}

/* Whether the string that the token is ends, and on its line. */
static bool is_closed(const char *text, size_t len)
{
	size_t slashes = 0;

	if (len < 2 || text[len - 1] != '"' || memchr(text, '\n', len) != NULL)
		return false;
	while (text[len - 2 - slashes] == '\\')
		slashes++;
	return slashes % 2 == 0;
}

/* Whether the token is a bracket that jansson does not open any more. */
static bool nests_too_deep(const struct walk *w)
{
	char c = w->spot.text[w->spot.at];

	return w->depth == FLO__JSON_DEPTH_MAX && (c == '[' || c == '{') &&
	       w->spot.want == FLO__JSON_WANT_VALUE;
}

/* Step over the token; false if it may not stand there. */
static bool step(struct walk *w)
{
	const char *token = w->spot.text + w->spot.at;
	size_t len = w->end - w->spot.at;

	switch (*token) {
	case '{':
	case '[':
		if (w->spot.want != FLO__JSON_WANT_VALUE)
			return false;
		open_bracket(w, *token);
		return true;
	case '}':
	case ']':
		return close_bracket(w, *token);
	case ',':
		if (w->spot.want != FLO__JSON_WANT_COMMA)
			return false;
		w->spot.want = w->spot.in == '{' ? FLO__JSON_WANT_KEY
						 : FLO__JSON_WANT_VALUE;
		return true;
	case ':':
		if (w->spot.want != FLO__JSON_WANT_COLON)
			return false;
		w->spot.want = FLO__JSON_WANT_VALUE;
		return true;
	case '"':
		if (w->spot.want == FLO__JSON_WANT_KEY) {
			w->fresh = false;
			w->spot.want = FLO__JSON_WANT_COLON;
			return true;
		}
		break;
	default:
		if (!is_word(token, len) && !is_number(token, len))
			return false;
		/* 10:30 */
		if (!is_word(token, len) && w->end < w->spot.len &&
		    flo__json_is_glued(token[len]))
			return false;
		break;
	}
	if (w->spot.want != FLO__JSON_WANT_VALUE)
		return false;
	after_value(w);
	return true;
}

static struct flo__json_slip open_string(const struct walk *w)
{
	return (struct flo__json_slip){
		w->spot.at, w->spot.at + 1, "string is not closed",
		memchr(w->spot.text + w->spot.at, '\n',
		       w->spot.len - w->spot.at) != NULL
			? "a line break inside a string is \\n"
			: NULL};
}

bool flo__json_fault_find(const char *text, size_t len, size_t *ret_at,
			  struct flo__json_slip *ret)
{
	struct walk w = {.spot = {.text = text, .len = len}};

	while (flo__json_next_token(text, len, &w.end, &w.spot.at)) {
		*ret_at = w.spot.at;
		if (nests_too_deep(&w))
			return false;
		if (text[w.spot.at] == '"' &&
		    !is_closed(text + w.spot.at, w.end - w.spot.at)) {
			*ret = open_string(&w);
			return true;
		}
		if (!step(&w)) {
			*ret = flo__json_slip_at(&w.spot);
			return true;
		}
	}
	if (w.spot.want == FLO__JSON_WANT_END)
		return false;
	*ret_at = len;
	w.spot.at = len;
	*ret = flo__json_slip_at(&w.spot);
	return true;
}
