/*
 * Note: plain records.
 *
 * Of most records only digests are wanted. To make a tree for them, as jansson
 * does, with an allocation and a hash for every value, took most of the time of
 * a pull that parses every record. So the text is read in one pass, which
 * checks it as jansson would and leaves a tape of tokens (see tape.h) in memory
 * that is there already; strings stay where they are in the text.
 *
 * jansson stays the authority. What is read here is a part of what it reads:
 * on anything else, whether it is wrong or just unusual, the pass gives up,
 * nothing is known, and jansson reads the text from its beginning. So there is
 * no second set of error messages, and no rule of JSON that only this file
 * knows could let something in. What is left to jansson:
 *
 *	- what is no JSON, or not an object, or has a key twice
 *	- integers beyond 64 bits, reals beyond a double
 *	- \u0000, and surrogates, which come in pairs
 *	- what nests deeper than FLO__RECORD_DEPTH_MAX, and what has more bytes,
 *	  tokens or members than there is room for
 *
 * Both ways come out at one tape, and record.c makes digests of tapes only:
 * the canonical form has one writer. The unit test and the fuzzer compare the
 * ways.
 *
 * Refused: digests of the text as it is written, without a tape, for members
 * that come in the order of the last record: keys come in another order than
 * that of their bytes, so every value would have to be gone over twice. To
 * remember how the last record's keys were sorted: to compare all keys with
 * the remembered ones costs what it costs to sort ten of them.
 */
#include "steps/cmdb/plain.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "steps/cmdb/scan.h"
#include "steps/cmdb/split.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A real of more bytes is left to jansson. */
#define REAL_BYTES_MAX 63

/* A pass over a record. */
struct pass {
	struct flo__plain *plain;
	struct flo__token
		*token; /* the tape's, with room for all it may have */
	size_t len;
	size_t members; /* in plain->member, of the objects that are open */
	const char *at;
	const char *end;
	const char *text;
	size_t depth;
	size_t deepest;
	size_t decoded_len;
	bool spaced;
};

/* The next byte that is no space; 0, which nothing begins with, at the end. */
static inline char look(struct pass *p)
{
	while (p->at < p->end && (unsigned char)*p->at <= ' ') {
		if (*p->at != ' ' && *p->at != '\n' && *p->at != '\r' &&
		    *p->at != '\t')
			return *p->at;
		p->spaced = true;
		p->at++;
	}
	return p->at < p->end ? *p->at : '\0';
}

/* As look(), and pass it. */
static inline char take(struct pass *p)
{
	char c = look(p);

	p->at += c != '\0';
	return c;
}

static inline bool is_digit(const struct pass *p, const char *at)
{
	return at < p->end && *at >= '0' && *at <= '9';
}

static inline struct flo__token *add_token(struct pass *p,
					   enum flo__token_kind kind)
{
	struct flo__token *token = &p->token[p->len];

	if (p->len == FLO__PLAIN_TOKENS_MAX)
		return NULL;
	token->kind = kind;
	token->next = (uint32_t)++p->len;
	return token;
}

/* Strings */

/* The quote or backslash from @at on; NULL if something else is met first. */
static const char *pass_text(const struct pass *p, const char *at)
{
	uint32_t code;

	for (;;) {
		size_t left;
		size_t n;

		at += flo__scan_text(at, (size_t)(p->end - at));
		left = (size_t)(p->end - at);
		if (left == 0)
			return NULL;
		if (*at == '"' || *at == '\\')
			return at;
		if ((unsigned char)*at < 0x20)
			return NULL;
		n = flo__utf8_next(at, left, &code);
		if (n == 0)
			return NULL;
		at += n;
	}
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "\uXXXX" as UTF-8, of which it returns the length; 0: see the note. */
static size_t decode_unicode(const char *at, size_t left, char *to)
{
	unsigned code = 0;

	if (left < 6)
		return 0;
	for (size_t i = 2; i < 6; i++) {
		int digit = hex_digit(at[i]);

		if (digit < 0)
			return 0;
		code = code << 4 | (unsigned)digit;
	}
	if (code == 0 || (code >= 0xd800 && code < 0xe000))
		return 0;
	if (code < 0x80) {
		to[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (char)(0xc0 | code >> 6);
		to[1] = (char)(0x80 | (code & 0x3f));
		return 2;
	}
	to[0] = (char)(0xe0 | code >> 12);
	to[1] = (char)(0x80 | (code >> 6 & 0x3f));
	to[2] = (char)(0x80 | (code & 0x3f));
	return 3;
}

/* What follows a backslash and what that stands for, at one place. */
static char unescape(char c)
{
	static const char escapes[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *found = c != '\0' ? strchr(escapes, c) : NULL;

	return found != NULL ? meanings[found - escapes] : '\0';
}

/* Decode the escape at @at to @to. Its length; 0: it is none of ours. */
static size_t decode(const char *at, size_t left, char *to, size_t *ret_len)
{
	if (left < 2)
		return 0;
	if (at[1] == 'u') {
		*ret_len = decode_unicode(at, left, to);
		return *ret_len != 0 ? 6 : 0;
	}
	to[0] = unescape(at[1]);
	*ret_len = 1;
	return to[0] != '\0' ? 2 : 0;
}

/*
 * Room for all strings of the record, as none gets longer. It is made before
 * the first of them, so that none moves.
 */
static bool reserve_decoded(struct pass *p)
{
	struct flo__plain *plain = p->plain;
	size_t len = (size_t)(p->end - p->text);

	if (len <= plain->decoded_cap)
		return true;
	flo__free(plain->decoded);
	plain->decoded = flo__malloc(len);
	plain->decoded_cap = plain->decoded != NULL ? len : 0;
	return plain->decoded != NULL;
}

/* The string that begins at @begin and has its first escape at @stop. */
static bool read_escaped(struct pass *p, const char *begin, const char *stop,
			 struct flo__token *token)
{
	char *to;

	if (!reserve_decoded(p))
		return false;
	to = p->plain->decoded + p->decoded_len;
	token->text = to;
	while (stop != NULL) {
		size_t len = 0;
		size_t n;

		memcpy(to, begin, (size_t)(stop - begin));
		to += stop - begin;
		if (*stop == '"')
			break;
		n = decode(stop, (size_t)(p->end - stop), to, &len);
		if (n == 0)
			return false;
		to += len;
		begin = stop + n;
		stop = pass_text(p, begin);
	}
	if (stop == NULL)
		return false;
	token->len = (size_t)(to - token->text);
	p->decoded_len = (size_t)(to - p->plain->decoded);
	p->at = stop + 1;
	return true;
}

/* The string behind the quote that was passed. */
static bool read_string(struct pass *p)
{
	const char *begin = p->at;
	const char *stop = pass_text(p, begin);
	struct flo__token *token = add_token(p, FLO__TOKEN_STRING);

	if (stop == NULL || token == NULL)
		return false;
	if (*stop == '\\')
		return read_escaped(p, begin, stop, token);
	token->text = begin;
	token->len = (size_t)(stop - begin);
	p->at = stop + 1;
	return true;
}

/* Numbers */

/* The point is the locale's, as jansson has it. */
static bool convert(const char *text, size_t len, double *ret_real)
{
	const char *point = localeconv()->decimal_point;
	char copy[REAL_BYTES_MAX + 1];
	char *found;

	if (len > REAL_BYTES_MAX || strlen(point) != 1)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	found = strchr(copy, '.');
	if (found != NULL)
		*found = *point;
	*ret_real = strtod(copy, NULL);
	return isfinite(*ret_real);
}

/*
 * Few digits and no exponent: a whole number by a power of ten. Both are exact
 * as doubles, so the division is rounded once, as the conversion has to be.
 */
static bool divide(uint64_t digits, size_t places, double *ret_real)
{
	static const double power[] = {1e0, 1e1, 1e2, 1e3, 1e4,	 1e5,
				       1e6, 1e7, 1e8, 1e9, 1e10, 1e11};

	if (FLT_EVAL_METHOD != 0 || digits > UINT64_C(1) << 53 ||
	    places >= sizeof(power) / sizeof(power[0]))
		return false;
	*ret_real = (double)digits / power[places];
	return true;
}

/* A real that begins at p->at, of which @at is the first byte behind the whole
 * part, which is @whole. */
static bool read_real(struct pass *p, const char *at, uint64_t whole)
{
	struct flo__token *token = add_token(p, FLO__TOKEN_REAL);
	const char *point = at;
	size_t places = 0;
	bool exact = false;
	double real = 0;

	if (token == NULL)
		return false;
	if (*at == '.') {
		for (at++; is_digit(p, at); at++)
			whole = whole * 10 + (uint64_t)(*at - '0');
		places = (size_t)(at - point - 1);
		if (places == 0)
			return false;
		/* With more digits it may have wrapped round. */
		exact = at - p->at <= 19 && divide(whole, places, &real);
		real = *p->at == '-' ? -real : real;
	}
	if (at < p->end && (*at == 'e' || *at == 'E')) {
		exact = false;
		at++;
		at += at < p->end && (*at == '+' || *at == '-');
		if (!is_digit(p, at))
			return false;
		while (is_digit(p, at))
			at++;
	}
	if (!exact && !convert(p->at, (size_t)(at - p->at), &real))
		return false;
	token->real = real;
	p->at = at;
	return true;
}

static bool add_integer(struct pass *p, uint64_t n, bool minus)
{
	struct flo__token *token = add_token(p, FLO__TOKEN_INTEGER);

	if (token == NULL || n > (uint64_t)INT64_MAX + minus)
		return false;
	token->integer = (int64_t)(minus ? 0 - n : n);
	return true;
}

static bool read_number(struct pass *p)
{
	bool minus = *p->at == '-';
	const char *digits = p->at + minus;
	const char *at = digits;
	uint64_t n = 0;

	for (; is_digit(p, at); at++)
		n = n * 10 + (uint64_t)(*at - '0');
	if (at == digits || (*digits == '0' && at - digits > 1))
		return false;
	if (at < p->end && (*at == '.' || *at == 'e' || *at == 'E'))
		return read_real(p, at, n);
	/* Nineteen digits are less than 2^64, so that nothing has wrapped. */
	if (at - digits > 19 || !add_integer(p, n, minus))
		return false;
	p->at = at;
	return true;
}

/* Values */

static bool read_word(struct pass *p, const char *word, size_t len,
		      enum flo__token_kind kind)
{
	if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
		return false;
	p->at += len;
	return add_token(p, kind) != NULL;
}

static bool read_value(struct pass *p);

/* Go into what begins with the bracket that was passed. */
static bool open_at(struct pass *p, enum flo__token_kind kind, size_t *ret_at)
{
	*ret_at = p->len;
	if (++p->depth > p->deepest)
		p->deepest = p->depth;
	return p->depth <= FLO__RECORD_DEPTH_MAX && add_token(p, kind) != NULL;
}

static bool close_at(struct pass *p, size_t at)
{
	p->token[at].next = (uint32_t)p->len;
	p->depth--;
	return true;
}

static bool read_array(struct pass *p)
{
	size_t at;
	size_t len = 0;
	char c = ',';

	if (!open_at(p, FLO__TOKEN_ARRAY, &at))
		return false;
	if (look(p) == ']')
		c = take(p);
	while (c == ',') {
		if (!read_value(p))
			return false;
		len++;
		c = take(p);
	}
	p->token[at].len = len;
	return c == ']' && close_at(p, at);
}

static bool read_member(struct pass *p)
{
	size_t key = p->len;

	if (take(p) != '"' || p->members == FLO__PLAIN_MEMBERS_MAX ||
	    !read_string(p) || take(p) != ':')
		return false;
	p->plain->member[p->members++] = flo__ranked_of(&p->plain->tape, key);
	return read_value(p);
}

static bool read_object(struct pass *p)
{
	size_t outer = p->members;
	struct flo__ranked *member = p->plain->member + outer;
	size_t at;
	char c = ',';

	if (!open_at(p, FLO__TOKEN_OBJECT, &at))
		return false;
	if (look(p) == '}')
		c = take(p);
	while (c == ',') {
		if (!read_member(p))
			return false;
		c = take(p);
	}
	if (c != '}' ||
	    !flo__tape_link(&p->plain->tape, at, member, p->members - outer))
		return false;
	p->members = outer;
	return close_at(p, at);
}

/* So deep as flo__record_read() goes. */
static bool read_value(struct pass *p)
{
	switch (look(p)) {
	case '"':
		p->at++;
		return read_string(p);
	case '{':
		p->at++;
		return read_object(p);
	case '[':
		p->at++;
		return read_array(p);
	case 't':
		return read_word(p, "true", 4, FLO__TOKEN_TRUE);
	case 'f':
		return read_word(p, "false", 5, FLO__TOKEN_FALSE);
	case 'n':
		return read_word(p, "null", 4, FLO__TOKEN_NULL);
	case '\0':
		return false;
	default:
		return read_number(p);
	}
}

static bool reserve(struct flo__plain *plain)
{
	if (plain->tape.token == NULL)
		plain->tape.token =
			flo__reallocarray(NULL, FLO__PLAIN_TOKENS_MAX,
					  sizeof(*plain->tape.token));
	if (plain->member == NULL)
		plain->member = flo__reallocarray(NULL, FLO__PLAIN_MEMBERS_MAX,
						  sizeof(*plain->member));
	return plain->tape.token != NULL && plain->member != NULL;
}

bool flo__plain_read(struct flo__plain *plain, const char *text, size_t len)
{
	struct pass p = {.plain = plain,
			 .at = text,
			 .end = text + len,
			 .text = text};

	if (len > FLO__PLAIN_BYTES_MAX || !reserve(plain))
		return false;
	p.token = plain->tape.token;
	if (take(&p) != '{' || !read_object(&p) || look(&p) != '\0' ||
	    p.at != p.end)
		return false;
	plain->tape.len = p.len;
	plain->depth = p.deepest;
	plain->spaced = p.spaced;
	return true;
}

void flo__plain_fini(struct flo__plain *plain)
{
	flo__free(plain->tape.token);
	flo__free(plain->member);
	flo__free(plain->decoded);
	*plain = (struct flo__plain){0};
}
