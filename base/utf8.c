#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/* The length that a first byte announces, and its bits; 0 for none. */
static size_t announced(unsigned char c, uint32_t *ret_bits)
{
	if (c < 0x80) {
		*ret_bits = c;
		return 1;
	}
	if (c >= 0xc2 && c < 0xe0) {
		*ret_bits = c & 0x1f;
		return 2;
	}
	if (c >= 0xe0 && c < 0xf0) {
		*ret_bits = c & 0x0f;
		return 3;
	}
	if (c >= 0xf0 && c < 0xf5) {
		*ret_bits = c & 0x07;
		return 4;
	}
	return 0;
}

size_t flo__utf8_next(const char *text, size_t len, uint32_t *ret_code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *at = (const unsigned char *)text;
	uint32_t code = 0;
	size_t n = announced(at[0], &code);

	if (n == 0 || n > len)
		return 0;
	for (size_t i = 1; i < n; i++) {
		if (!is_tail(at[i]))
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	if (code < smallest[n] || code > 0x10ffff ||
	    (code >= 0xd800 && code < 0xe000))
		return 0;
	*ret_code = code;
	return n;
}

/* How many of the first bytes are ASCII, found eight at a time. */
static size_t ascii_prefix(const char *text, size_t len)
{
	size_t at = 0;
	uint64_t eight;

	for (; at + 8 <= len; at += 8) {
		memcpy(&eight, text + at, 8);
		if ((eight & UINT64_C(0x8080808080808080)) != 0)
			break;
	}
	while (at < len && (unsigned char)text[at] < 0x80)
		at++;
	return at;
}

bool flo__utf8_valid(const char *text, size_t len)
{
	size_t at = ascii_prefix(text, len);
	uint32_t code;

	while (at < len) {
		size_t n = flo__utf8_next(text + at, len - at, &code);

		if (n == 0)
			return false;
		at += n;
		at += ascii_prefix(text + at, len - at);
	}
	return true;
}

size_t flo__utf8_count(const char *text, size_t len)
{
	size_t count = 0;

	for (size_t i = 0; i < len; i++)
		count += !is_tail((unsigned char)text[i]);
	return count;
}

void flo__utf8_tidy(char *text)
{
	size_t len = strlen(text);
	size_t at = 0;
	size_t to = 0;
	uint32_t code;

	if (flo__utf8_valid(text, len))
		return;
	while (at < len) {
		size_t n = flo__utf8_next(text + at, len - at, &code);

		memmove(text + to, text + at, n);
		to += n;
		at += n != 0 ? n : 1;
	}
	text[to] = '\0';
}

void flo__utf8_copy(char *to, size_t size, const char *text)
{
	snprintf(to, size, "%s", text);
	flo__utf8_tidy(to);
}
