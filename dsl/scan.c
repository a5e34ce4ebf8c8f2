#include "dsl/doc_p.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "dsl/report_p.h"
#include "json/json_p.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Eight bytes, all of them 1. */
#define EACH_BYTE UINT64_C(0x0101010101010101)

/*
 * One pass, no recursion: the way back out of a container is its node's
 * parent. `last` remembers the latest key or item of the open container, so
 * that siblings can be linked; when a container closes, it is itself the
 * latest of its own.
 */
struct scan {
	struct flo__doc *doc;
	struct flo__report *report;
	uint32_t at;
	uint32_t open; /* the innermost open container, or NONE */
	uint32_t last; /* its latest key or item, or NONE */
	unsigned depth;
	bool wide; /* a character of more than a byte was there */
};

static flo_status fail(struct scan *s, uint32_t begin, uint32_t end,
		       const char *message, const char *hint)
{
	struct flo__span span = {begin, end > begin ? end : begin + 1};

	flo__report_error(s->report, FLO__CODE_SYNTAX, span, s->open, hint,
			  "%s", message);
	return FLO_INVALID;
}

/* Another thing than @want is at s->at: say what was probably meant. */
static flo_status fail_want(struct scan *s, enum flo__json_want want)
{
	const struct flo__doc_node *nodes = s->doc->nodes;
	struct flo__json_spot spot = {.text = s->doc->text,
				      .len = s->doc->len,
				      .at = s->at,
				      .want = want};
	struct flo__json_slip slip;

	if (s->open != FLO__DOC_NONE)
		spot.in = nodes[s->open].type == FLO__DOC_OBJECT ? '{' : '[';
	slip = flo__json_slip_at(&spot);
	return fail(s, (uint32_t)slip.begin, (uint32_t)slip.end, slip.message,
		    slip.hint);
}

/* The text ends inside what is open. */
static flo_status ends_early(struct scan *s)
{
	struct flo__span span = {s->at, s->at + 1};
	bool object;

	if (s->open == FLO__DOC_NONE)
		return fail(s, s->at, s->at, "the file is empty", NULL);
	object = s->doc->nodes[s->open].type == FLO__DOC_OBJECT;
	flo__report_error(s->report, FLO__CODE_SYNTAX, span, s->open, NULL,
			  "the file ends before the %s of line %u is closed",
			  object ? "object" : "array",
			  flo__doc_line(s->doc, s->doc->nodes[s->open].begin));
	return FLO_INVALID;
}

static bool add_line(struct flo__doc *doc, uint32_t offset)
{
	if (doc->lines_len == doc->lines_cap) {
		uint32_t cap = doc->lines_cap != 0 ? doc->lines_cap * 2 : 64;
		uint32_t *lines;

		lines = flo__reallocarray(doc->lines, cap, sizeof(*lines));
		if (lines == NULL) {
			doc->nomem = true;
			return false;
		}
		doc->lines = lines;
		doc->lines_cap = cap;
	}
	doc->lines[doc->lines_len++] = offset;
	return true;
}

/* Append a node as the next item or key of the open container. */
static flo_status add(struct scan *s, enum flo__doc_type type, uint32_t begin,
		      uint32_t end, uint32_t *ret)
{
	struct flo__doc *doc = s->doc;
	struct flo__doc_node *node;

	if (doc->nodes_len == doc->nodes_cap) {
		uint32_t cap = doc->nodes_cap != 0 ? doc->nodes_cap * 2 : 256;
		struct flo__doc_node *nodes;

		nodes = flo__reallocarray(doc->nodes, cap, sizeof(*nodes));
		if (nodes == NULL) {
			doc->nomem = true;
			return FLO_NOMEM;
		}
		doc->nodes = nodes;
		doc->nodes_cap = cap;
	}
	node = &doc->nodes[doc->nodes_len];
	*node = (struct flo__doc_node){
		.begin = begin,
		.end = end,
		.parent = s->open,
		.next = FLO__DOC_NONE,
		.type = (uint8_t)type,
	};
	*ret = doc->nodes_len++;
	return FLO_OK;
}

/* Link @node behind the latest sibling. */
static void link_sibling(struct scan *s, uint32_t node)
{
	if (s->last != FLO__DOC_NONE)
		s->doc->nodes[s->last].next = node;
	s->last = node;
	if (s->open != FLO__DOC_NONE)
		s->doc->nodes[s->open].len++;
}

static flo_status skip_space(struct scan *s)
{
	const struct flo__doc *doc = s->doc;

	for (; s->at < doc->len; s->at++) {
		char c = doc->text[s->at];

		if (c == '\n' && !add_line(s->doc, s->at + 1))
			return FLO_NOMEM;
		if (c != ' ' && c != '\t' && c != '\n' && c != '\r')
			break;
	}
	return FLO_OK;
}

static int hex4(const char *text, size_t left)
{
	int n = 0;

	if (left < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char c = text[i];
		int d = c >= '0' && c <= '9'   ? c - '0'
			: c >= 'a' && c <= 'f' ? c - 'a' + 10
			: c >= 'A' && c <= 'F' ? c - 'A' + 10
					       : -1;

		if (d < 0)
			return -1;
		n = n * 16 + d;
	}
	return n;
}

/* Step over the escape at s->at. */
static flo_status skip_escape(struct scan *s)
{
	const char *text = s->doc->text;
	uint32_t begin = s->at;
	size_t left = s->doc->len - s->at;
	int unit;

	if (left < 2)
		return fail(s, begin, begin + 1, "string is not closed", NULL);
	s->at += 2;
	if (text[begin + 1] != 'u') {
		if (memchr("\"\\/bfnrt", text[begin + 1], 8) != NULL)
			return FLO_OK;
		return fail(s, begin, s->at, "unknown escape in string",
			    "the escapes of JSON are \\\" \\\\ \\/ \\b \\f "
			    "\\n \\r \\t \\uXXXX");
	}
	unit = hex4(text + s->at, left - 2);
	if (unit < 0)
		return fail(s, begin, s->at,
			    "\\u needs four hexadecimal digits", NULL);
	s->at += 4;
	if (unit == 0)
		return fail(s, begin, s->at, "\\u0000 is not allowed", NULL);
	if (unit < 0xd800 || unit > 0xdfff)
		return FLO_OK;
	if (unit < 0xdc00 && left >= 12 && text[s->at] == '\\' &&
	    text[s->at + 1] == 'u') {
		int low = hex4(text + s->at + 2, left - 8);

		if (low >= 0xdc00 && low <= 0xdfff) {
			s->at += 6;
			return FLO_OK;
		}
	}
	return fail(s, begin, s->at, "half of a surrogate pair",
		    "characters above U+FFFF take two \\u escapes");
}

/* Bits of @word's bytes that are @byte, and perhaps of some above the first. */
static uint64_t bytes_that_are(uint64_t word, unsigned char byte)
{
	word ^= EACH_BYTE * byte;
	return (word - EACH_BYTE) & ~word;
}

/* Step over characters that are nothing but themselves, eight at once. */
static void skip_plain(struct scan *s)
{
	const struct flo__doc *doc = s->doc;

	while (doc->len - s->at >= sizeof(uint64_t)) {
		uint64_t word;
		uint64_t special;

		memcpy(&word, doc->text + s->at, sizeof(word));
		special = bytes_that_are(word, '"') |
			  bytes_that_are(word, '\\') |
			  (word - EACH_BYTE * 0x20) | word;
		if ((special & EACH_BYTE * 0x80) != 0)
			break;
		s->at += sizeof(word);
	}
}

/* Step over the string at s->at. */
static flo_status skip_string(struct scan *s, bool *ret_escaped)
{
	const struct flo__doc *doc = s->doc;
	uint32_t begin = s->at++;

	*ret_escaped = false;
	skip_plain(s);
	while (s->at < doc->len) {
		unsigned char c = (unsigned char)doc->text[s->at];
		uint32_t code;
		size_t n;

		if (c == '"') {
			s->at++;
			return FLO_OK;
		}
		if (c == '\\') {
			flo_status st = skip_escape(s);

			if (st != FLO_OK)
				return st;
			*ret_escaped = true;
			continue;
		}
		if (c == '\n')
			return fail(s, begin, s->at, "string is not closed",
				    "a line break inside a string is \\n");
		if (c < 0x20)
			return fail(s, s->at, s->at + 1,
				    "control character in string",
				    "write it as an escape: \\t, \\u00XX");
		n = c < 0x80 ? 1
			     : flo__utf8_next(doc->text + s->at,
					      doc->len - s->at, &code);
		if (n == 0)
			return fail(s, s->at, s->at + 1,
				    "string is not valid UTF-8", NULL);
		s->wide |= n > 1;
		s->at += (uint32_t)n;
	}
	return fail(s, begin, s->at, "string is not closed", NULL);
}

static uint32_t skip_digits(const struct flo__doc *doc, uint32_t at)
{
	while (at < doc->len && doc->text[at] >= '0' && doc->text[at] <= '9')
		at++;
	return at;
}

/* Whether the number does not fit a double, as the parser of record asks. */
static bool is_overflow(const struct flo__doc *doc, uint32_t begin,
			uint32_t end, bool real, bool *ret_nomem)
{
	char buf[64];
	char *copy = buf;
	bool overflow;

	*ret_nomem = false;
	if (!real && end - begin < 300)
		return false;
	if (end - begin >= sizeof(buf)) {
		copy = flo__malloc(end - begin + 1);
		if (copy == NULL) {
			*ret_nomem = true;
			return false;
		}
	}
	memcpy(copy, doc->text + begin, end - begin);
	copy[end - begin] = '\0';
	/* Only the size counts here, so a locale's comma does no harm. */
	overflow = isinf(strtod(copy, NULL));
	if (copy != buf)
		flo__free(copy);
	return overflow;
}

static flo_status scan_number(struct scan *s)
{
	const struct flo__doc *doc = s->doc;
	uint32_t begin = s->at;
	uint32_t at = begin + (doc->text[begin] == '-');
	uint32_t digits = at;
	uint32_t node;
	bool real = false;
	bool nomem;
	flo_status st;

	at = skip_digits(doc, at);
	if (at == digits || (doc->text[digits] == '0' && at > digits + 1))
		return fail_want(s, FLO__JSON_WANT_VALUE);
	if (at < doc->len && doc->text[at] == '.') {
		digits = ++at;
		at = skip_digits(doc, at);
		real = true;
	}
	if (at > digits && at < doc->len && (doc->text[at] | 32) == 'e') {
		at++;
		if (at < doc->len &&
		    (doc->text[at] == '+' || doc->text[at] == '-'))
			at++;
		digits = at;
		at = skip_digits(doc, at);
		real = true;
	}
	if (at == digits ||
	    (at < doc->len && flo__json_is_glued(doc->text[at])))
		return fail_want(s, FLO__JSON_WANT_VALUE);
	if (is_overflow(doc, begin, at, real, &nomem))
		return fail(s, begin, at, "number too large", NULL);
	if (nomem)
		return FLO_NOMEM;
	st = add(s, FLO__DOC_NUMBER, begin, at, &node);
	if (st == FLO_OK)
		s->doc->nodes[node].real = real;
	s->at = at;
	return st;
}

static flo_status scan_word(struct scan *s)
{
	static const char *const words[] = {"null", "false", "true"};
	const struct flo__doc *doc = s->doc;
	uint32_t begin = s->at;
	uint32_t end = begin;
	uint32_t node;

	while (end < doc->len && end - begin < 64 &&
	       ((doc->text[end] | 32) >= 'a') && ((doc->text[end] | 32) <= 'z'))
		end++;
	for (int i = 0; i < 3; i++) {
		if (end - begin == strlen(words[i]) &&
		    memcmp(doc->text + begin, words[i], end - begin) == 0) {
			s->at = end;
			return add(s, (enum flo__doc_type)i, begin, end, &node);
		}
	}
	return fail_want(s, FLO__JSON_WANT_VALUE);
}

static flo_status scan_key(struct scan *s)
{
	uint32_t begin = s->at;
	uint32_t key;
	bool escaped;
	flo_status st;

	if (s->at >= s->doc->len)
		return ends_early(s);
	if (s->doc->text[s->at] != '"')
		return fail_want(s, FLO__JSON_WANT_KEY);
	st = skip_string(s, &escaped);
	if (st == FLO_OK)
		st = add(s, FLO__DOC_STRING, begin, s->at, &key);
	if (st != FLO_OK)
		return st;
	s->doc->nodes[key].is_key = true;
	s->doc->nodes[key].escaped = escaped;
	link_sibling(s, key);
	st = skip_space(s);
	if (st != FLO_OK)
		return st;
	if (s->at >= s->doc->len)
		return ends_early(s);
	if (s->doc->text[s->at] != ':')
		return fail_want(s, FLO__JSON_WANT_COLON);
	s->at++;
	return FLO_OK;
}

/* A value may begin here, of any type: the parser of record counts scalars as
 * a level too. */
static flo_status check_depth(struct scan *s)
{
	struct flo__span span = {s->at, s->at + 1};

	if (s->depth < FLO__DOC_DEPTH_MAX)
		return FLO_OK;
	flo__report_error(s->report, FLO__CODE_TOO_DEEP, span, s->open, NULL,
			  "JSON nested deeper than %d levels",
			  FLO__DOC_DEPTH_MAX);
	return FLO_INVALID;
}

static flo_status open_container(struct scan *s, enum flo__doc_type type)
{
	uint32_t node;
	flo_status st;

	st = add(s, type, s->at, s->at + 1, &node);
	if (st != FLO_OK)
		return st;
	s->at++;
	s->depth++;
	if (s->depth > s->doc->depth)
		s->doc->depth = s->depth;
	s->open = node;
	s->last = FLO__DOC_NONE;
	return FLO_OK;
}

static bool open_is(const struct scan *s, enum flo__doc_type type)
{
	return s->open != FLO__DOC_NONE &&
	       s->doc->nodes[s->open].type == (uint8_t)type;
}

/* A value was read completely: @node is it. */
static void end_value(struct scan *s, uint32_t node)
{
	if (open_is(s, FLO__DOC_OBJECT)) {
		s->doc->nodes[node].parent = s->last;
		return;
	}
	link_sibling(s, node);
}

/* Leave the innermost container, whose closing bracket is at s->at. */
static flo_status close_container(struct scan *s)
{
	struct flo__doc *doc = s->doc;
	uint32_t node = s->open;
	uint32_t up = doc->nodes[node].parent;
	flo_status st = FLO_OK;

	doc->nodes[node].end = ++s->at;
	if (doc->nodes[node].type == FLO__DOC_OBJECT)
		st = flo__doc_check_keys(doc, node, s->report);
	s->depth--;
	/* The parent was the container that was open when this one began;
	 * doc->nodes[node].next held nothing yet, so it kept `last`. */
	s->open = up;
	s->last = doc->nodes[node].next;
	doc->nodes[node].next = FLO__DOC_NONE;
	end_value(s, node);
	return st;
}

static flo_status scan_value(struct scan *s, bool *ret_opened)
{
	uint32_t last = s->last;
	uint32_t begin = s->at;
	char c = s->at < s->doc->len ? s->doc->text[s->at] : '\0';
	bool escaped;
	uint32_t node;
	flo_status st;

	*ret_opened = c == '{' || c == '[';
	if (s->at >= s->doc->len)
		return ends_early(s);
	st = check_depth(s);
	if (st != FLO_OK)
		return st;
	if (*ret_opened) {
		st = open_container(s, c == '{' ? FLO__DOC_OBJECT
						: FLO__DOC_ARRAY);
		if (st == FLO_OK)
			s->doc->nodes[s->open].next = last;
		return st;
	}
	if (c == '"') {
		st = skip_string(s, &escaped);
		if (st == FLO_OK)
			st = add(s, FLO__DOC_STRING, begin, s->at, &node);
		if (st == FLO_OK)
			s->doc->nodes[node].escaped = escaped;
	} else if (c == '-' || (c >= '0' && c <= '9')) {
		st = scan_number(s);
	} else {
		st = scan_word(s);
	}
	if (st == FLO_OK)
		end_value(s, s->doc->nodes_len - 1);
	return st;
}

/* What stands between two values: a comma and perhaps a key, or a bracket. */
static flo_status scan_between(struct scan *s, bool first, bool *ret_value)
{
	bool object = open_is(s, FLO__DOC_OBJECT);
	char close = object ? '}' : ']';
	char c;

	*ret_value = false;
	if (s->at >= s->doc->len)
		return ends_early(s);
	c = s->doc->text[s->at];
	if (c == close)
		return close_container(s);
	if (!first) {
		flo_status st;

		if (c != ',')
			return fail_want(s, FLO__JSON_WANT_COMMA);
		s->at++;
		st = skip_space(s);
		if (st != FLO_OK)
			return st;
	}
	*ret_value = true;
	return object ? scan_key(s) : FLO_OK;
}

static flo_status scan_all(struct scan *s)
{
	bool opened = false;
	bool value = true;
	flo_status st;

	do {
		st = skip_space(s);
		if (st == FLO_OK && value)
			st = scan_value(s, &opened);
		if (st == FLO_OK)
			st = skip_space(s);
		if (st != FLO_OK)
			return st;
		value = false;
		if (s->open != FLO__DOC_NONE)
			st = scan_between(s, opened, &value);
		opened = false;
		if (st != FLO_OK)
			return st;
	} while (s->open != FLO__DOC_NONE || value);
	st = skip_space(s);
	if (st == FLO_OK && s->at < s->doc->len)
		return fail_want(s, FLO__JSON_WANT_END);
	return st;
}

/* After an error: link what is still open as if it had been closed here. */
static void close_all(struct scan *s)
{
	struct flo__doc *doc = s->doc;

	while (s->open != FLO__DOC_NONE) {
		uint32_t node = s->open;

		doc->nodes[node].end = s->at;
		s->open = doc->nodes[node].parent;
		s->last = doc->nodes[node].next;
		doc->nodes[node].next = FLO__DOC_NONE;
		end_value(s, node);
	}
}

flo_status flo__doc_scan(struct flo__doc *doc, struct flo__report *report)
{
	flo_status st;
	struct scan s = {
		.doc = doc,
		.report = report,
		.open = FLO__DOC_NONE,
		.last = FLO__DOC_NONE,
	};

	if (doc->len > FLO__DOC_LEN_MAX) {
		struct flo__span span = {0, 0};

		doc->len = 0;
		flo__report_error(report, FLO__CODE_TOO_LARGE, span,
				  FLO__DOC_NONE, NULL,
				  "a pipeline's file may have 1 GiB at most");
		return FLO_INVALID;
	}
	if (!add_line(doc, 0))
		return FLO_NOMEM;
	if (doc->len >= 3 && memcmp(doc->text, "\xef\xbb\xbf", 3) == 0)
		return fail(&s, 0, 1, "the file begins with a byte order mark",
			    "save it as UTF-8 without one");
	st = scan_all(&s);
	close_all(&s);
	doc->ascii = st == FLO_OK && !s.wide;
	return st;
}
