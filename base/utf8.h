/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, to U+10FFFF. */
#ifndef FLO_BASE_UTF8_H
#define FLO_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Read the code point at @text, which has @len > 0 bytes. Returns its length
 * in bytes and sets *@ret_code; 0 if the bytes are no UTF-8.
 */
size_t flo__utf8_next(const char *text, size_t len, uint32_t *ret_code);

/* U+FFFD: what stands where something was that is no UTF-8. */
#define FLO__UTF8_REPLACEMENT "\xef\xbf\xbd"

bool flo__utf8_valid(const char *text, size_t len);

/* Code points in valid UTF-8. */
size_t flo__utf8_count(const char *text, size_t len);

/*
 * Take out of the string @text what is no UTF-8: what is left of a character
 * that somebody cut at a number of bytes.
 */
void flo__utf8_tidy(char *text);

/*
 * Copy as much of the string @text to @to as its @size > 0 bytes have room for,
 * in whole characters, without what is no UTF-8; always ends with a NUL.
 */
void flo__utf8_copy(char *to, size_t size, const char *text);

#endif
