/* Words for people: see words.c. */
#ifndef FLO_JSON_WORDS_H
#define FLO_JSON_WORDS_H

#include <stddef.h>

/*
 * Say in @ret, of @size bytes, what is wrong with a text of which jansson says
 * @says, without what that cites of it.
 */
void flo__json_words(const char *says, char *ret, size_t size);

#endif
