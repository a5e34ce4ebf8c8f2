/*
 * What people and other tools write where JSON has something else: comments,
 * one comma too many, single quotes, True, 1h. Whoever finds that a text is no
 * JSON asks here what was probably meant.
 *
 * No message cites the text: it may hold a secret.
 */
#include "json/json_p.h"

#include <string.h>
#include <strings.h>

#define MISSING_VALUE "a JSON value is missing here"

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* A byte of UTF-8 beyond ASCII, a letter, a digit or an underscore. */
static bool is_wordy(char c)
{
	return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z') ||
	       c == '_' || ((unsigned char)c & 0x80) != 0;
}

static bool is_delimiter(char c)
{
	return is_space(c) || c == ',' || c == '"' || c == '[' || c == ']' ||
	       c == '{' || c == '}';
}

static size_t run_end(const struct flo__json_spot *spot)
{
	size_t end = spot->at;

	while (end < spot->len && !is_delimiter(spot->text[end]))
		end++;
	return end;
}

static bool begins(const struct flo__json_spot *spot, const char *with)
{
	size_t n = strlen(with);

	return spot->len - spot->at >= n &&
	       memcmp(spot->text + spot->at, with, n) == 0;
}

static bool is_run(const struct flo__json_spot *spot, const char *word)
{
	size_t n = run_end(spot) - spot->at;

	return n == strlen(word) &&
	       strncasecmp(spot->text + spot->at, word, n) == 0;
}

/* The offset of the last byte of the token before; len if there is none. */
static size_t before(const struct flo__json_spot *spot)
{
	size_t at = spot->at;

	while (at > 0 && is_space(spot->text[at - 1]))
		at--;
	return at != 0 ? at - 1 : spot->len;
}

static bool comes_after(const struct flo__json_spot *spot, char c)
{
	size_t at = before(spot);

	return at < spot->len && spot->text[at] == c;
}

static struct flo__json_slip slip(size_t begin, size_t end, const char *message,
				  const char *hint)
{
	return (struct flo__json_slip){begin, end > begin ? end : begin + 1,
				       message, hint};
}

/* The byte at the spot and nothing else. */
static struct flo__json_slip slip_here(const struct flo__json_spot *spot,
				       const char *message, const char *hint)
{
	return slip(spot->at, spot->at + 1, message, hint);
}

static struct flo__json_slip comment(const struct flo__json_spot *spot)
{
	const char *text = spot->text;
	size_t at = spot->at;
	bool block = begins(spot, "/*");

	while (at < spot->len && text[at] != '\n' &&
	       !(block && at > spot->at + 2 && text[at - 1] == '/' &&
		 text[at - 2] == '*'))
		at++;
	return slip(spot->at, at, "JSON has no comments",
		    "leave it out; where a \"description\" may stand, it "
		    "takes such words");
}

static bool is_quote(const struct flo__json_spot *spot)
{
	static const char *const quotes[] = {"'",
					     "`",
					     "\xe2\x80\x98",
					     "\xe2\x80\x99",
					     "\xe2\x80\x9c",
					     "\xe2\x80\x9d"};

	for (size_t i = 0; i < sizeof(quotes) / sizeof(quotes[0]); i++) {
		if (begins(spot, quotes[i]))
			return true;
	}
	return false;
}

bool flo__json_is_utf16(const char *text, size_t len)
{
	if (len >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 ||
			 memcmp(text, "\xfe\xff", 2) == 0))
		return true;
	return len >= 4 && ((text[0] == '\0' && text[2] == '\0') ||
			    (text[1] == '\0' && text[3] == '\0'));
}

/* What may be meant wherever it stands; false if it is nothing of that. */
static bool slip_anywhere(const struct flo__json_spot *spot,
			  struct flo__json_slip *ret)
{
	if (flo__json_is_utf16(spot->text, spot->len))
		*ret = slip(0, 1, "the text is not UTF-8, but UTF-16 or UTF-32",
			    "save it as UTF-8");
	else if (spot->at == 0 && begins(spot, "\xef\xbb\xbf"))
		*ret = slip(0, 1, "the text begins with a byte order mark",
			    "save it as UTF-8 without one");
	else if (begins(spot, "//") || begins(spot, "/*") || begins(spot, "#"))
		*ret = comment(spot);
	else if (is_quote(spot))
		*ret = slip_here(spot, "only double quotes are quotes in JSON",
				 "\"...\"");
	else
		return false;
	return true;
}

/* A number of another language, or text that begins with one. */
static const char *number_hint(const struct flo__json_spot *spot)
{
	const char *run = spot->text + spot->at;
	size_t len = run_end(spot) - spot->at;
	size_t sign = *run == '-' || *run == '+';
	size_t digits = sign;

	while (digits < len && run[digits] >= '0' && run[digits] <= '9')
		digits++;
	if (*run == '.' || (sign != 0 && len > 1 && run[1] == '.'))
		return "a digit must stand before the point";
	if (*run == '+')
		return "numbers have no plus sign";
	if (len > sign + 1 && run[sign] == '0' && (run[sign + 1] | 32) == 'x')
		return "numbers are decimal";
	if (digits == len && len > sign + 1 && run[sign] == '0')
		return "numbers have no leading zeros";
	if (digits == len || run[len - 1] == '.' || (run[len - 1] | 32) == 'e')
		return "a digit must follow";
	return "put it in double quotes";
}

static bool is_numeric(const struct flo__json_spot *spot)
{
	char c = spot->text[spot->at];

	return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.';
}

static const char *word_hint(const struct flo__json_spot *spot)
{
	static const struct {
		const char *word;
		const char *hint;
	} words[] = {
		{"true", "did you mean true?"},
		{"yes", "did you mean true?"},
		{"on", "did you mean true?"},
		{"false", "did you mean false?"},
		{"no", "did you mean false?"},
		{"off", "did you mean false?"},
		{"null", "did you mean null?"},
		{"none", "did you mean null?"},
		{"nil", "did you mean null?"},
		{"undefined", "did you mean null?"},
		{"nan", "JSON has neither NaN nor infinity"},
		{"inf", "JSON has neither NaN nor infinity"},
		{"infinity", "JSON has neither NaN nor infinity"},
		{"-inf", "JSON has neither NaN nor infinity"},
		{"+inf", "JSON has neither NaN nor infinity"},
		{"-infinity", "JSON has neither NaN nor infinity"},
		{"+infinity", "JSON has neither NaN nor infinity"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (is_run(spot, words[i].word))
			return words[i].hint;
	}
	return NULL;
}

/* The comma before or at the spot, where one stands that should not. */
static bool extra_comma(const struct flo__json_spot *spot,
			struct flo__json_slip *ret)
{
	char c = spot->text[spot->at];
	size_t comma = c == ',' ? spot->at : before(spot);

	if (c == ',') {
		if (!comes_after(spot, ',') && !comes_after(spot, '{') &&
		    !comes_after(spot, '['))
			return false;
	} else if ((c != '}' && c != ']') || !comes_after(spot, ',')) {
		return false;
	}
	*ret = slip(comma, comma + 1, "one comma too many",
		    c == ','   ? NULL
		    : c == '}' ? "there is none after the last member"
			       : "there is none after the last item");
	return true;
}

static struct flo__json_slip slip_value(const struct flo__json_spot *spot)
{
	const char *hint = word_hint(spot);
	size_t end = run_end(spot);

	if (hint == NULL && is_numeric(spot))
		return slip(spot->at, end, "not a number", number_hint(spot));
	if (hint == NULL && is_wordy(spot->text[spot->at]))
		hint = "strings stand in double quotes";
	if (hint == NULL)
		return slip_here(spot, MISSING_VALUE, NULL);
	return slip(spot->at, end, "not a JSON value", hint);
}

/* What stands where a key, a colon or a comma should. */
static struct flo__json_slip slip_between(const struct flo__json_spot *spot)
{
	char c = spot->text[spot->at];

	if (spot->want == FLO__JSON_WANT_KEY)
		return slip_here(spot, "a key is missing here",
				 c == '}' ? NULL
					  : "keys stand in double quotes");
	/* The end of one string was the beginning of the next. After a key
	 * with a blank behind it what follows is rather its value. */
	if (comes_after(spot, '"') && (is_wordy(c) || c == '\\' || c == '$') &&
	    (spot->want != FLO__JSON_WANT_COLON ||
	     spot->text[spot->at - 1] == '"'))
		return slip_here(spot, "a string ends before this",
				 "it may not be closed where it should be, or "
				 "a quote in it lacks its backslash: \\\"");
	if (spot->want == FLO__JSON_WANT_COLON)
		return slip_here(spot, "a colon is missing here", NULL);
	if ((c == ']' && spot->in == '{') || (c == '}' && spot->in == '['))
		return slip_here(spot,
				 spot->in == '{'
					 ? "an object is not closed before this"
					 : "an array is not closed before this",
				 spot->in == '{' ? "an object ends with }"
						 : "an array ends with ]");
	return slip_here(spot, "a comma is missing before this",
			 c != ':' ? NULL : "names and values stand in { }");
}

struct flo__json_slip flo__json_slip_at(const struct flo__json_spot *spot)
{
	struct flo__json_slip found;

	if (spot->at >= spot->len)
		return slip(spot->len, spot->len,
			    spot->in == '{'   ? "an object is not closed"
			    : spot->in == '[' ? "an array is not closed"
					      : "the text is empty",
			    NULL);
	if (slip_anywhere(spot, &found))
		return found;
	if ((spot->want == FLO__JSON_WANT_KEY ||
	     spot->want == FLO__JSON_WANT_VALUE) &&
	    extra_comma(spot, &found))
		return found;
	if (spot->want == FLO__JSON_WANT_VALUE)
		return slip_value(spot);
	if (spot->want == FLO__JSON_WANT_END)
		return slip_here(spot,
				 "there is more text after the end of the "
				 "document",
				 NULL);
	return slip_between(spot);
}

bool flo__json_is_glued(char c)
{
	return is_wordy(c) || (c != '\0' && strchr("%.+-:", c) != NULL);
}
