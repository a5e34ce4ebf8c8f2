/*
 * What jansson says of a text, in words that are no parser's own.
 *
 * Where tokens are wrong fault.c tells it, in the words of slip.c: what is left
 * for here is what stands within a string or a number, how deep the text nests,
 * and that it is neither an array nor an object where it has to be one.
 *
 * No message cites the text: it may hold a secret.
 */
#include "json/json_p.h"
#include "json/words.h"

#include <stdio.h>
#include <string.h>

struct saying {
	const char *jansson; /* how what it says begins */
	const char *words;
};

/* As of jansson 2.14; what is none of these is told as it is. */
static const struct saying sayings[] = {
	{"'[' or '{' expected", "this is no array and no object"},
	{"control character",
	 "a control character in a string; write it as an escape: \\t, \\u00XX"},
	{"invalid escape",
	 "an unknown escape in a string; those of JSON are \\\" \\\\ \\/ \\b \\f "
	 "\\n \\r \\t \\uXXXX"},
	{"invalid Unicode",
	 "half of a surrogate pair; characters above U+FFFF take two \\u "
	 "escapes"},
	{"\\u0000", "\\u0000 is not allowed: no text here can hold it"},
	{"NUL byte in object key", "\\u0000 is not allowed in a key"},
	{"real number overflow", "a number is too large"},
	{"too big", "a number is too large"},
	{"maximum parsing depth", "it nests too deep"},
};

void flo__json_words(const char *says, char *ret, size_t size)
{
	const char *near = strstr(says, " near ");
	unsigned byte;

	if (sscanf(says, "unable to decode byte %x", &byte) == 1) {
		snprintf(ret, size, "byte 0x%02x is not valid UTF-8 there",
			 byte);
		return;
	}
	for (size_t i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++) {
		const struct saying *s = &sayings[i];

		if (strncmp(says, s->jansson, strlen(s->jansson)) != 0)
			continue;
		snprintf(ret, size, "%s", s->words);
		return;
	}
	snprintf(ret, size, "%.*s",
		 (int)(near != NULL ? (size_t)(near - says) : strlen(says)),
		 says);
}
