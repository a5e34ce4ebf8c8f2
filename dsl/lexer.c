#include "dsl/expr_p.h"

#include "base/utf8.h"
#include "base/strbuf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void flo__problem_set(struct flo__expr_problem *problem,
		      enum flo__problem_code code, size_t at, size_t len,
		      const char *hint, const char *format, ...)
{
	va_list args;

	problem->code = code;
	problem->at = (uint32_t)at;
	problem->len = (uint32_t)len;
	problem->follows = false;
	problem->warning = false;
	snprintf(problem->hint, sizeof(problem->hint), "%s",
		 hint != NULL ? hint : "");
	va_start(args, format);
	vsnprintf(problem->message, sizeof(problem->message), format, args);
	va_end(args);
	flo__utf8_tidy(problem->message);
	flo__utf8_tidy(problem->hint);
}

static bool fail(struct flo__lexer *lx, size_t at, size_t len,
		 const char *message)
{
	flo__problem_set(lx->problem, FLO__CODE_EXPRESSION, at, len, NULL, "%s",
			 message);
	return false;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static size_t word_end(const char *text, size_t len, size_t at)
{
	while (at < len && (is_letter(text[at]) || is_digit(text[at])))
		at++;
	return at;
}

static int hex_digit(char c)
{
	if (is_digit(c))
		return c - '0';
	c |= 32;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char peek(const struct flo__lexer *lx, size_t ahead)
{
	return lx->at + ahead < lx->len ? lx->text[lx->at + ahead] : '\0';
}

const char *const flo__reserved_words[] = {
	"as",	"break",     "const", "continue", "else",   "false",
	"for",	"function",  "if",    "import",	  "in",	    "let",
	"loop", "namespace", "null",  "package",  "return", "true",
	"var",	"void",	     "while", NULL,
};

bool flo__word_is_reserved(const char *text, size_t len)
{
	const char *const *words = flo__reserved_words;

	for (size_t i = 0; words[i] != NULL && len != 0; i++) {
		if (words[i][0] == text[0] && strlen(words[i]) == len &&
		    memcmp(words[i], text, len) == 0)
			return true;
	}
	return false;
}

static void skip_space(struct flo__lexer *lx)
{
	while (lx->at < lx->len) {
		char c = lx->text[lx->at];

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r' ||
		    c == '\f') {
			lx->at++;
		} else if (c == '/' && peek(lx, 1) == '/') {
			while (lx->at < lx->len && lx->text[lx->at] != '\n')
				lx->at++;
		} else {
			return;
		}
	}
}

static bool lex_hex(struct flo__lexer *lx, struct flo__token *tok)
{
	lx->at += 2;
	if (hex_digit(peek(lx, 0)) < 0)
		return fail(lx, tok->at, lx->at - tok->at, "not a number");
	for (; hex_digit(peek(lx, 0)) >= 0; lx->at++) {
		if (tok->number >> 60 != 0)
			return fail(lx, tok->at, lx->at + 1 - tok->at,
				    "number beyond 64 bits");
		tok->number =
			tok->number << 4 | (unsigned)hex_digit(peek(lx, 0));
	}
	return true;
}

/* The decimal integer or real number of the digits at lx->at. */
static bool lex_decimal(struct flo__lexer *lx, struct flo__token *tok)
{
	char buf[128];
	size_t begin = lx->at;
	size_t len;
	char *end;

	while (is_digit(peek(lx, 0)))
		lx->at++;
	if (peek(lx, 0) == '.' && is_digit(peek(lx, 1))) {
		tok->type = FLO__TOKEN_DOUBLE;
		lx->at++;
		while (is_digit(peek(lx, 0)))
			lx->at++;
	}
	if ((peek(lx, 0) | 32) == 'e') {
		size_t sign = peek(lx, 1) == '+' || peek(lx, 1) == '-';

		if (!is_digit(peek(lx, 1 + sign)))
			return fail(lx, begin, lx->at + 1 - begin,
				    "not a number");
		tok->type = FLO__TOKEN_DOUBLE;
		lx->at += 1 + sign;
		while (is_digit(peek(lx, 0)))
			lx->at++;
	}
	len = lx->at - begin;
	if (len >= sizeof(buf))
		return fail(lx, begin, len, "number with too many digits");
	memcpy(buf, lx->text + begin, len);
	buf[len] = '\0';
	if (tok->type == FLO__TOKEN_DOUBLE) {
		flo_value *value = NULL;
		/* JSON's reader knows no locale; ".5" is CEL's alone. */
		char json[sizeof(buf) + 1];
		flo_status st;

		snprintf(json, sizeof(json), "%s%s", buf[0] == '.' ? "0" : "",
			 buf);
		st = flo_value_from_json(json, strlen(json), FLO_JSON_ANY, NULL,
					 &value);
		if (st == FLO_NOMEM) {
			lx->nomem = true;
			return false;
		}
		if (st != FLO_OK)
			return fail(lx, begin, len, "number too large");
		tok->real = flo_value_typeof(value) == FLO_VALUE_DOUBLE
				    ? flo_value_get_double(value)
				    : (double)flo_value_get_int(value);
		flo_value_unref(value);
		return true;
	}
	errno = 0;
	tok->number = strtoull(buf, &end, 10);
	if (errno != 0)
		return fail(lx, begin, len, "number beyond 64 bits");
	return true;
}

static bool lex_number(struct flo__lexer *lx, struct flo__token *tok)
{
	bool ok;

	tok->type = FLO__TOKEN_INT;
	if (peek(lx, 0) == '0' && peek(lx, 1) == 'x')
		ok = lex_hex(lx, tok);
	else
		ok = lex_decimal(lx, tok);
	if (!ok)
		return false;
	if (tok->type == FLO__TOKEN_INT && (peek(lx, 0) | 32) == 'u') {
		tok->type = FLO__TOKEN_UINT;
		lx->at++;
	}
	if (is_letter(peek(lx, 0)) || is_digit(peek(lx, 0)))
		return fail(lx, tok->at, lx->at + 1 - tok->at, "not a number");
	if (tok->type == FLO__TOKEN_INT &&
	    tok->number > (uint64_t)INT64_MAX + 1)
		return fail(lx, tok->at, lx->at - tok->at,
			    "int beyond 64 bits");
	return true;
}

static void put_code_point(struct flo__strbuf *sb, unsigned c)
{
	if (c < 0x80) {
		flo__strbuf_addc(sb, (char)c);
		return;
	}
	if (c < 0x800) {
		flo__strbuf_addc(sb, (char)(0xc0 | c >> 6));
	} else {
		if (c < 0x10000) {
			flo__strbuf_addc(sb, (char)(0xe0 | c >> 12));
		} else {
			flo__strbuf_addc(sb, (char)(0xf0 | c >> 18));
			flo__strbuf_addc(sb, (char)(0x80 | (c >> 12 & 63)));
		}
		flo__strbuf_addc(sb, (char)(0x80 | (c >> 6 & 63)));
	}
	flo__strbuf_addc(sb, (char)(0x80 | (c & 63)));
}

/* An escape that gives a number: \xHH \uHHHH \UHHHHHHHH \OOO. */
static bool lex_code_escape(struct flo__lexer *lx, bool bytes, int digits,
			    unsigned base, struct flo__strbuf *sb)
{
	size_t begin = lx->at;
	bool octet = digits <= 3;
	unsigned c = 0;

	lx->at += base == 8 ? 1 : 2;
	for (int i = 0; i < digits; i++, lx->at++) {
		int d = hex_digit(peek(lx, 0));

		if (d < 0 || (unsigned)d >= base)
			return fail(lx, begin, lx->at - begin,
				    "escape with too few digits");
		c = c * base + (unsigned)d;
	}
	if (bytes && octet && c <= 0xff) {
		flo__strbuf_addc(sb, (char)c);
		return true;
	}
	if ((bytes && octet) || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return fail(lx, begin, lx->at - begin,
			    "escape of no valid character");
	put_code_point(sb, c);
	return true;
}

static bool lex_escape(struct flo__lexer *lx, bool bytes,
		       struct flo__strbuf *sb)
{
	static const char plain[] = "abfnrtv\\?\"'`";
	static const char meant[] = "\a\b\f\n\r\t\v\\?\"'`";
	char c = peek(lx, 1);
	const char *found = c != '\0' ? strchr(plain, c) : NULL;

	if (found != NULL) {
		flo__strbuf_addc(sb, meant[found - plain]);
		lx->at += 2;
		return true;
	}
	if ((c | 32) == 'x')
		return lex_code_escape(lx, bytes, 2, 16, sb);
	if (c == 'u' && !bytes)
		return lex_code_escape(lx, bytes, 4, 16, sb);
	if (c == 'U' && !bytes)
		return lex_code_escape(lx, bytes, 8, 16, sb);
	if (c >= '0' && c <= '3')
		return lex_code_escape(lx, bytes, 3, 8, sb);
	return fail(lx, lx->at, 2, "unknown escape");
}

/* How long the quote at @at is: 3 for a triple one, else 1. */
static size_t quote_len(const char *text, size_t len, size_t at)
{
	return at + 2 < len && text[at + 1] == text[at] &&
			       text[at + 2] == text[at]
		       ? 3
		       : 1;
}

static bool at_quote(const char *text, size_t len, size_t at, char quote,
		     size_t n)
{
	if (at + n > len)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (text[at + i] != quote)
			return false;
	}
	return true;
}

static bool lex_string_into(struct flo__lexer *lx, struct flo__token *tok,
			    bool raw, struct flo__strbuf *sb)
{
	char quote = peek(lx, 0);
	size_t n = quote_len(lx->text, lx->len, lx->at);

	lx->at += n;
	while (!at_quote(lx->text, lx->len, lx->at, quote, n)) {
		char c = peek(lx, 0);

		if (lx->at >= lx->len || (n == 1 && (c == '\n' || c == '\r')))
			return fail(lx, tok->at, lx->at - tok->at,
				    "string is not closed");
		if (c == '\\' && !raw) {
			if (!lex_escape(lx, tok->type == FLO__TOKEN_BYTES, sb))
				return false;
			continue;
		}
		flo__strbuf_addc(sb, c);
		lx->at++;
	}
	lx->at += n;
	return true;
}

/* The letters before a string's quote, of r R b B; -1 if no string is here. */
static int string_prefix(const char *text, size_t len, size_t at)
{
	int n = 0;

	/* Most characters are none of them. */
	if (at < len && text[at] != '"' && text[at] != '\'' &&
	    (text[at] | 32) != 'r' && (text[at] | 32) != 'b')
		return -1;
	while (n < 2 && at + (size_t)n < len &&
	       ((text[at + (size_t)n] | 32) == 'r' ||
		(text[at + (size_t)n] | 32) == 'b'))
		n++;
	if (n == 2 && (text[at] | 32) == (text[at + 1] | 32))
		return -1;
	if (at + (size_t)n < len &&
	    (text[at + (size_t)n] == '"' || text[at + (size_t)n] == '\''))
		return n;
	return -1;
}

static bool lex_string(struct flo__lexer *lx, struct flo__token *tok,
		       int prefix)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	bool raw = false;
	bool ok;

	tok->type = FLO__TOKEN_STRING;
	for (; prefix > 0; prefix--, lx->at++) {
		raw |= (peek(lx, 0) | 32) == 'r';
		if ((peek(lx, 0) | 32) == 'b')
			tok->type = FLO__TOKEN_BYTES;
	}
	ok = lex_string_into(lx, tok, raw, &sb);
	if (ok) {
		if (!sb.failed && tok->type == FLO__TOKEN_BYTES)
			tok->value = flo_value_bytes(sb.data, sb.len);
		else if (!sb.failed)
			tok->value = flo_value_stringn(sb.data, sb.len);
		lx->nomem |= tok->value == NULL;
	}
	flo__strbuf_fini(&sb);
	return ok;
}

static bool lex_quoted(struct flo__lexer *lx, struct flo__token *tok)
{
	tok->type = FLO__TOKEN_QUOTED;
	do {
		lx->at++;
		if (lx->at >= lx->len)
			return fail(lx, tok->at, 1, "` is not closed");
	} while (peek(lx, 0) != '`');
	lx->at++;
	if (lx->at - tok->at <= 2)
		return fail(lx, tok->at, 2, "empty name");
	return true;
}

static bool lex_op(struct flo__lexer *lx, struct flo__token *tok)
{
	static const char *const pairs[] = {"&&", "||", "==", "!=", "<=", ">="};
	char c = peek(lx, 0);

	tok->type = FLO__TOKEN_OP;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		if (c == pairs[i][0] && peek(lx, 1) == pairs[i][1]) {
			memcpy(tok->op, pairs[i], 3);
			lx->at += 2;
			return true;
		}
	}
	if (c == '\0' || strchr("+-*/%!<>?:.,()[]{}", c) == NULL) {
		size_t n = 1;

		while (lx->at + n < lx->len &&
		       (lx->text[lx->at + n] & 0xc0) == 0x80)
			n++;
		flo__problem_set(lx->problem, FLO__CODE_EXPRESSION, lx->at, n,
				 c == '='   ? "equality is =="
				 : c == '&' ? "and is &&"
				 : c == '|' ? "or is ||"
					    : NULL,
				 "unexpected '%.*s'", (int)n,
				 lx->text + lx->at);
		return false;
	}
	tok->op[0] = c;
	lx->at++;
	return true;
}

bool flo__lexer_next(struct flo__lexer *lx, struct flo__token *ret_token)
{
	struct flo__token *tok = ret_token;
	int prefix;
	bool ok = true;
	char c;

	skip_space(lx);
	*tok = (struct flo__token){.at = (uint32_t)lx->at};
	if (lx->at >= lx->len)
		return true;
	c = peek(lx, 0);
	prefix = string_prefix(lx->text, lx->len, lx->at);
	if (prefix >= 0) {
		ok = lex_string(lx, tok, prefix);
	} else if (is_letter(c)) {
		tok->type = FLO__TOKEN_IDENT;
		lx->at = word_end(lx->text, lx->len, lx->at);
	} else if (is_digit(c) || (c == '.' && is_digit(peek(lx, 1)))) {
		ok = lex_number(lx, tok);
	} else if (c == '`') {
		ok = lex_quoted(lx, tok);
	} else {
		ok = lex_op(lx, tok);
	}
	tok->len = (uint32_t)(lx->at - tok->at);
	return ok && !lx->nomem;
}

/* Past the string literal at @at; @len if it is not closed. */
static size_t skip_literal(const char *text, size_t len, size_t at, int prefix)
{
	bool raw = false;
	size_t n;
	char quote;

	for (; prefix > 0; prefix--, at++)
		raw |= (text[at] | 32) == 'r';
	quote = text[at];
	n = quote_len(text, len, at);
	at += n;
	while (at < len && !at_quote(text, len, at, quote, n))
		at += text[at] == '\\' && !raw ? 2 : 1;
	return at < len ? at + n : len;
}

size_t flo__lexer_template_end(const char *text, size_t len, size_t at)
{
	size_t depth = 0;

	while (at < len) {
		char c = text[at];
		int prefix = string_prefix(text, len, at);

		if (prefix >= 0) {
			at = skip_literal(text, len, at, prefix);
			continue;
		}
		if (depth == 0 && c == '}' && at + 1 < len &&
		    text[at + 1] == '}')
			return at;
		if (c == '(' || c == '[' || c == '{')
			depth++;
		else if ((c == ')' || c == ']' || c == '}') && depth > 0)
			depth--;
		at++;
		/* "xr'...'" is the identifier xr, not a raw string. */
		if (is_letter(c))
			at = word_end(text, len, at);
	}
	return SIZE_MAX;
}
