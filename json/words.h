/* Words for people: see words.c. */
#ifndef FLO_JSON_WORDS_H
#define FLO_JSON_WORDS_H

#include <stddef.h>

/*
 * Say in @ret, of @size bytes, what is wrong with @text, of which jansson says
 * @says. A token that it names is named at the end, as " near '...'": who hides
 * secrets cuts that off, as it may be a piece of one.
 */
void flo__json_words(const char *says, const char *text, size_t len, char *ret,
		     size_t size);

#endif
