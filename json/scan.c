#include "json/json_p.h"

static bool is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static bool is_mark(char c)
{
	return c == '[' || c == ']' || c == '{' || c == '}' || c == ',' ||
	       c == ':';
}

/* The end of the string that begins at @at. */
static size_t skip_string(const char *text, size_t len, size_t at)
{
	for (at++; at < len && text[at] != '"'; at++) {
		if (text[at] == '\\')
			at++;
	}
	return at < len ? at + 1 : len;
}

bool flo__json_next_token(const char *text, size_t len, size_t *at,
			  size_t *ret_begin)
{
	size_t i = *at;

	while (i < len && is_space(text[i]))
		i++;
	*ret_begin = i;
	if (i == len) {
		*at = len;
		return false;
	}
	if (text[i] == '"') {
		i = skip_string(text, len, i);
	} else if (is_mark(text[i])) {
		i++;
	} else {
		while (i < len && !is_space(text[i]) && !is_mark(text[i]) &&
		       text[i] != '"')
			i++;
	}
	*at = i;
	return true;
}

struct flo__json_place flo__json_place_of(const char *text, size_t offset)
{
	struct flo__json_place place = {offset, 1, 1};

	for (size_t i = 0; i < offset; i++) {
		if (text[i] == '\n') {
			place.line++;
			place.column = 1;
		} else if (((unsigned char)text[i] & 0xc0) != 0x80) {
			/* A code point begins at each byte but 10xxxxxx. */
			place.column++;
		}
	}
	return place;
}
