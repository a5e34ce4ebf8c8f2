/*
 * What RE2's syntax has and PCRE2's adds to it. CEL's regular expressions are
 * RE2's, so what only PCRE2 knows is refused by name; the rest is left to PCRE2
 * to judge.
 *
 * It is not only for the sake of CEL. PCRE2 counts the tries it makes, not the
 * characters it passes over, and what only it knows (possessive quantifiers,
 * atomic groups, assertions) passes over many without a try that could be
 * counted, again at each place of the text. Without these each run of characters
 * that is taken is either part of the match or given back one by one, which
 * counts: the limits of regex.c bound the time.
 */
#include "dsl/regex_p.h"

#include <stdio.h>
#include <string.h>

struct scan {
	const char *text;
	size_t len;
	size_t at;
	const char *why; /* what is refused */
};

static char at(const struct scan *s, size_t i)
{
	return i < s->len ? s->text[i] : '\0';
}

static bool is_any(char c, const char *of)
{
	return c != '\0' && strchr(of, c) != NULL;
}

/* Past the "\E" after the "\Q" at s->at. */
static void skip_quoted(struct scan *s)
{
	const char *end = memmem(s->text + s->at, s->len - s->at, "\\E", 2);

	s->at = end != NULL ? (size_t)(end - s->text) + 2 : s->len;
}

/* A backslash and what is behind it. */
static void escape(struct scan *s)
{
	char c = at(s, s->at + 1);
	bool letter = (c | 32) >= 'a' && (c | 32) <= 'z';

	if (c == 'Q') {
		skip_quoted(s);
		return;
	}
	if (c >= '1' && c <= '9')
		s->why = "a reference back to a group";
	else if (letter && !is_any(c, "aAbBdDEfnpPrsStwWxz"))
		s->why = "this letter behind a backslash";
	else
		s->at += 2;
}

/* A bracketed set of characters. */
static void set(struct scan *s)
{
	s->at++;
	s->at += at(s, s->at) == '^';
	s->at += at(s, s->at) == ']';
	while (s->at < s->len && s->why == NULL && s->text[s->at] != ']') {
		const char *end;

		if (s->text[s->at] == '\\') {
			escape(s);
			continue;
		}
		end = s->text[s->at] == '[' && at(s, s->at + 1) == ':'
			      ? memmem(s->text + s->at, s->len - s->at, ":]", 2)
			      : NULL;
		s->at = end != NULL ? (size_t)(end - s->text) + 2 : s->at + 1;
	}
	s->at += s->why == NULL;
}

/* What is behind "(?": flags, a name, or something of PCRE2. */
static void group(struct scan *s)
{
	size_t i = s->at + 2;

	if (at(s, i) == '=' || at(s, i) == '!') {
		s->why = "looking ahead";
	} else if (at(s, i) == '<' && is_any(at(s, i + 1), "=!")) {
		s->why = "looking behind";
	} else if (at(s, i) == '>') {
		s->why = "an atomic group";
	} else if (at(s, i) == '<' ||
		   (at(s, i) == 'P' && at(s, i + 1) == '<')) {
		s->at = i + 1;
	} else {
		while (is_any(at(s, i), "imsU-"))
			i++;
		if (is_any(at(s, i), ":)") || i == s->len)
			s->at = i;
		else
			s->why = "this kind of group or flag";
	}
}

/* How long the "{2,3}" at s->at is; 0 if it is no quantifier. */
static size_t braces(const struct scan *s)
{
	size_t i = s->at + 1;
	bool digits = false;

	for (; at(s, i) >= '0' && at(s, i) <= '9'; i++)
		digits = true;
	if (at(s, i) == ',')
		i++;
	for (; at(s, i) >= '0' && at(s, i) <= '9'; i++)
		digits = true;
	return digits && at(s, i) == '}' ? i + 1 - s->at : 0;
}

/* One item; true after a quantifier, to which a + may not be added. */
static bool item(struct scan *s, bool quantified)
{
	size_t len;

	switch (s->text[s->at]) {
	case '\\':
		escape(s);
		return false;
	case '[':
		set(s);
		return false;
	case '(':
		if (at(s, s->at + 1) == '*')
			s->why = "a verb such as (*UCP)";
		else if (at(s, s->at + 1) == '?')
			group(s);
		else
			s->at++;
		return false;
	case '+':
		if (quantified) {
			s->why = "a possessive quantifier";
			return false;
		}
		s->at++;
		return true;
	case '?':
		s->at++;
		return !quantified;
	case '*':
		s->at++;
		return true;
	case '{':
		len = braces(s);
		s->at += len != 0 ? len : 1;
		return len != 0;
	default:
		s->at++;
		return false;
	}
}

const char *flo__regex_foreign(const char *pattern, size_t len, size_t *ret_at)
{
	struct scan s = {.text = pattern, .len = len};
	bool quantified = false;

	while (s.at < s.len && s.why == NULL)
		quantified = item(&s, quantified);
	*ret_at = s.at;
	return s.why;
}
