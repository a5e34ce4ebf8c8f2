/*
 * Characters as a terminal shows them.
 */
#ifndef CLI_UTF8_H
#define CLI_UTF8_H

#include <stddef.h>
#include <stdint.h>

#define CLI_UTF8_BAD UINT32_MAX

/*
 * The code point at @text (@len bytes, at least one). *@ret_used gets the
 * bytes it takes; for bytes that are not UTF-8: CLI_UTF8_BAD and 1.
 */
uint32_t cli_utf8_next(const char *text, size_t len, size_t *ret_used);

/* Columns of a code point: 0, 1 or 2; -1 if it must not reach a terminal. */
int cli_utf8_width(uint32_t point);

#endif
