/* What jansson says of a text, in words that are no parser's own. */
#include "json/json_p.h"
#include "json/words.h"

#include <stdio.h>
#include <string.h>

struct saying {
	const char *jansson; /* how what it says begins */
	const char *words;
	bool near; /* the token it names is worth showing */
};

/* As of jansson 2.14; what is none of these is told as it is. */
static const struct saying sayings[] = {
	{"string or '}' expected", "a key in double quotes is missing", true},
	{"':' expected", "a colon is missing", true},
	{"'}' expected", "a comma, or a closing brace, is missing", true},
	{"']' expected", "a comma, or a closing bracket, is missing", true},
	{"'[' or '{' expected", "this is no array and no object", true},
	{"unexpected token", "a JSON value is missing", true},
	{"invalid token", "not a JSON value", true},
	{"end of file expected", "there is more text after the end", true},
	{"duplicate object key", "an object has a key twice", true},
	{"premature end of input", "a string is not closed", false},
	{"unexpected newline",
	 "a string is not closed (a line break inside one is \\n)", false},
	{"control character",
	 "a control character in a string; write it as an escape: \\t, \\u00XX",
	 false},
	{"invalid escape",
	 "an unknown escape in a string; those of JSON are \\\" \\\\ \\/ \\b \\f "
	 "\\n \\r \\t \\uXXXX",
	 false},
	{"invalid Unicode escape", "\\u needs four hexadecimal digits", false},
	{"invalid Unicode",
	 "half of a surrogate pair; characters above U+FFFF take two \\u "
	 "escapes",
	 false},
	{"\\u0000", "\\u0000 is not allowed: no text here can hold it", false},
	{"NUL byte in object key", "\\u0000 is not allowed in a key", false},
	{"real number overflow", "a number is too large", true},
	{"maximum parsing depth", "it nests too deep", false},
};

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (strchr(" \t\r\n", text[i]) == NULL || text[i] == '\0')
			return false;
	return true;
}

/* Where @says names the token: " near '...'"; "" if it does not. */
static const char *token_in(const char *says)
{
	const char *near = strstr(says, " near '");

	return near != NULL ? near : "";
}

void flo__json_words(const char *says, const char *text, size_t len, char *ret,
		     size_t size)
{
	unsigned byte;

	if (is_blank(text, len)) {
		snprintf(ret, size, "it is empty");
		return;
	}
	if (strstr(says, " near end of file") != NULL) {
		snprintf(ret, size, "it ends before all of it is closed");
		return;
	}
	if (sscanf(says, "unable to decode byte %x", &byte) == 1) {
		snprintf(ret, size, "byte 0x%02x is not valid UTF-8 there",
			 byte);
		return;
	}
	for (size_t i = 0; i < sizeof(sayings) / sizeof(sayings[0]); i++) {
		const struct saying *s = &sayings[i];

		if (strncmp(says, s->jansson, strlen(s->jansson)) != 0)
			continue;
		snprintf(ret, size, "%s%s", s->words,
			 s->near ? token_in(says) : "");
		return;
	}
	snprintf(ret, size, "%s", says);
}
