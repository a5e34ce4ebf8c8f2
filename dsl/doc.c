#include "dsl/doc_p.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void flo__doc_init(struct flo__doc *doc, const char *text, size_t len)
{
	*doc = (struct flo__doc){.text = text, .len = len};
	flo__arena_init(&doc->decoded);
}

void flo__doc_fini(struct flo__doc *doc)
{
	flo__free(doc->nodes);
	flo__free(doc->lines);
	flo__arena_fini(&doc->decoded);
	flo__doc_init(doc, NULL, 0);
}

uint32_t flo__doc_line(const struct flo__doc *doc, uint32_t offset)
{
	uint32_t low = 0;
	uint32_t high = doc->lines_len;

	while (high - low > 1) {
		uint32_t mid = low + (high - low) / 2;

		if (doc->lines[mid] <= offset)
			low = mid;
		else
			high = mid;
	}
	return low + 1;
}

void flo__doc_place(const struct flo__doc *doc, uint32_t offset, int *ret_line,
		    int *ret_column)
{
	uint32_t line = flo__doc_line(doc, offset);
	int column = 1;

	*ret_line = (int)line;
	for (uint32_t at = doc->lines_len != 0 ? doc->lines[line - 1] : 0;
	     at < offset && at < doc->len; at++)
		column += (doc->text[at] & 0xc0) != 0x80;
	*ret_column = column;
}

uint32_t flo__doc_first(const struct flo__doc *doc, uint32_t node)
{
	return doc->nodes[node].len != 0 ? node + 1 : FLO__DOC_NONE;
}

bool flo__doc_take(struct flo__doc *doc, uint32_t key, const char *meant)
{
	if (doc->taken_len == FLO__DOC_TAKEN_MAX)
		return false;
	doc->taken[doc->taken_len].key = key;
	doc->taken[doc->taken_len++].meant = meant;
	doc->nodes[key].taken = true;
	return true;
}

static const char *meant(const struct flo__doc *doc, uint32_t key)
{
	uint32_t i = 0;

	while (doc->taken[i].key != key)
		i++;
	return doc->taken[i].meant;
}

static bool is(struct flo__doc *doc, uint32_t node, const char *text,
	       size_t want)
{
	const struct flo__doc_node *n = &doc->nodes[node];
	size_t len;
	const char *have;

	if (n->taken) {
		have = meant(doc, node);
		return strlen(have) == want && memcmp(have, text, want) == 0;
	}
	/* A byte takes six at most when it is escaped. */
	if (n->escaped ? n->end - n->begin - 2 > want * 6
		       : n->end - n->begin != want + 2)
		return false;
	have = flo__doc_string(doc, node, &len);
	return len == want && memcmp(have, text, len) == 0;
}

bool flo__doc_is(struct flo__doc *doc, uint32_t node, const char *text)
{
	return is(doc, node, text, strlen(text));
}

uint32_t flo__doc_get(struct flo__doc *doc, uint32_t node, const char *name)
{
	return flo__doc_getn(doc, node, name, strlen(name));
}

uint32_t flo__doc_getn(struct flo__doc *doc, uint32_t node, const char *name,
		       size_t len)
{
	if (doc->nodes[node].type != FLO__DOC_OBJECT)
		return FLO__DOC_NONE;
	for (uint32_t key = flo__doc_first(doc, node); key != FLO__DOC_NONE;
	     key = doc->nodes[key].next) {
		if (is(doc, key, name, len))
			return flo__doc_value(key);
	}
	return FLO__DOC_NONE;
}

static unsigned hex4(const char *text)
{
	unsigned n = 0;

	for (int i = 0; i < 4; i++) {
		char c = text[i];

		n = n * 16 +
		    (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
	}
	return n;
}

static size_t put_utf8(char *out, unsigned c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

size_t flo__doc_decode(const char *raw, char *out, size_t *ret_len)
{
	static const char plain[] = "\"\\/bfnrt";
	static const char meant[] = "\"\\/\b\f\n\r\t";
	unsigned c;

	if (raw[0] != '\\') {
		out[0] = raw[0];
		*ret_len = 1;
		return 1;
	}
	if (raw[1] != 'u') {
		out[0] = meant[strchr(plain, raw[1]) - plain];
		*ret_len = 2;
		return 1;
	}
	c = hex4(raw + 2);
	*ret_len = 6;
	if (c >= 0xd800 && c <= 0xdbff) {
		c = 0x10000 + ((c - 0xd800) << 10) + (hex4(raw + 8) - 0xdc00);
		*ret_len = 12;
	}
	return put_utf8(out, c);
}

const char *flo__doc_string(struct flo__doc *doc, uint32_t node,
			    size_t *ret_len)
{
	const struct flo__doc_node *n = &doc->nodes[node];
	const char *raw = doc->text + n->begin + 1;
	const char *end = doc->text + n->end - 1;
	size_t len = 0;
	char *out;

	*ret_len = (size_t)(end - raw);
	if (!n->escaped)
		return raw;
	out = flo__arena_alloc(&doc->decoded, (size_t)(end - raw) + 1);
	if (out == NULL) {
		doc->nomem = true;
		*ret_len = 0;
		return "";
	}
	while (raw < end) {
		size_t used;

		len += flo__doc_decode(raw, out + len, &used);
		raw += used;
	}
	*ret_len = len;
	return out;
}

uint32_t flo__doc_raw(const struct flo__doc *doc, uint32_t node, size_t at,
		      struct flo__doc_cursor *cursor)
{
	const struct flo__doc_node *n = &doc->nodes[node];
	char buf[4];

	if (!n->escaped)
		return n->begin + 1 + (uint32_t)at;
	if (cursor->raw == 0 || cursor->node != node || cursor->decoded > at) {
		cursor->node = node;
		cursor->raw = n->begin + 1;
		cursor->decoded = 0;
	}
	while (cursor->decoded < at && cursor->raw < n->end - 1) {
		size_t used;

		cursor->decoded +=
			flo__doc_decode(doc->text + cursor->raw, buf, &used);
		cursor->raw += (uint32_t)used;
	}
	return cursor->raw;
}

static bool is_on_line(const struct flo__doc *doc, uint32_t offset,
		       uint32_t line)
{
	return line != 0 && line <= doc->lines_len &&
	       doc->lines[line - 1] <= offset &&
	       (line == doc->lines_len || offset < doc->lines[line]);
}

void flo__doc_move(const struct flo__doc *doc, uint32_t offset,
		   struct flo__doc_cursor *cursor)
{
	uint32_t line = cursor->line;

	if (!is_on_line(doc, offset, line) && !is_on_line(doc, offset, ++line))
		line = flo__doc_line(doc, offset);
	if (cursor->line != line) {
		cursor->line = line;
		cursor->column = 1;
		cursor->offset = doc->lines_len != 0 ? doc->lines[line - 1] : 0;
	}
	if (doc->ascii) {
		cursor->column += offset - cursor->offset;
		cursor->offset = offset;
	}
	while (cursor->offset < offset)
		cursor->column += (doc->text[cursor->offset++] & 0xc0) != 0x80;
	while (cursor->offset > offset)
		cursor->column -= (doc->text[--cursor->offset] & 0xc0) != 0x80;
}

struct flo__span flo__doc_inside(const struct flo__doc *doc, uint32_t node,
				 size_t at, size_t len)
{
	const struct flo__doc_node *n = &doc->nodes[node];
	uint32_t raw = n->begin + 1;
	struct flo__span span = {n->end, n->end};
	size_t decoded = 0;
	char buf[4];

	while (raw < n->end) {
		size_t used;

		if (decoded >= at && span.begin == n->end)
			span.begin = raw;
		if (decoded >= at + len) {
			span.end = raw;
			break;
		}
		if (raw == n->end - 1)
			break;
		decoded += flo__doc_decode(doc->text + raw, buf, &used);
		raw += (uint32_t)used;
	}
	if (span.begin == n->end)
		span.begin = n->end - 1;
	if (span.end <= span.begin)
		span.end = span.begin + 1;
	return span;
}

struct flo__span flo__doc_span(const struct flo__doc *doc, uint32_t node)
{
	struct flo__span span = {0, 1};

	if (node < doc->nodes_len) {
		span.begin = doc->nodes[node].begin;
		span.end = doc->nodes[node].end;
	}
	return span;
}

static flo_value *number(const struct flo__doc *doc,
			 const struct flo__doc_node *n)
{
	size_t len = n->end - n->begin;
	flo_value *value = NULL;
	char buf[32];
	char *end;
	long long i;

	if (!n->real && len < sizeof(buf)) {
		memcpy(buf, doc->text + n->begin, len);
		buf[len] = '\0';
		errno = 0;
		i = strtoll(buf, &end, 10);
		if (errno == 0)
			return flo_value_int(i);
	}
	flo_value_from_json(doc->text + n->begin, len, FLO_JSON_ANY, NULL,
			    &value);
	return value;
}

flo_value *flo__doc_scalar(struct flo__doc *doc, uint32_t node)
{
	const struct flo__doc_node *n = &doc->nodes[node];
	const char *text;
	size_t len;

	switch ((enum flo__doc_type)n->type) {
	case FLO__DOC_FALSE:
	case FLO__DOC_TRUE:
		return flo_value_bool(n->type == FLO__DOC_TRUE);
	case FLO__DOC_NUMBER:
		return number(doc, n);
	case FLO__DOC_STRING:
		text = flo__doc_string(doc, node, &len);
		return doc->nomem ? NULL : flo_value_stringn(text, len);
	default:
		return flo_value_null();
	}
}

const char *flo__doc_type_text(enum flo__doc_type type)
{
	static const char *const texts[] = {"null",	 "a boolean",
					    "a boolean", "a number",
					    "a string",	 "an array",
					    "an object"};

	return texts[type];
}

/* The number of the item @node in its array. */
static uint32_t item_pos(const struct flo__doc *doc, uint32_t node)
{
	uint32_t pos = 0;

	for (uint32_t item = doc->nodes[node].parent + 1; item != node;
	     item = doc->nodes[item].next)
		pos++;
	return pos;
}

static void add_reference(struct flo__strbuf *sb, const char *text, size_t len)
{
	flo__strbuf_addc(sb, '/');
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '~')
			flo__strbuf_adds(sb, "~0");
		else if (text[i] == '/')
			flo__strbuf_adds(sb, "~1");
		else
			flo__strbuf_addc(sb, text[i]);
	}
}

void flo__doc_pointer(struct flo__doc *doc, uint32_t node,
		      struct flo__strbuf *sb)
{
	uint32_t way[2 * FLO__DOC_DEPTH_MAX + 2];
	size_t len = 0;

	for (;
	     node != FLO__DOC_NONE && doc->nodes[node].parent != FLO__DOC_NONE;
	     node = doc->nodes[node].parent) {
		const struct flo__doc_node *up;

		up = &doc->nodes[doc->nodes[node].parent];
		if (doc->nodes[node].is_key || up->type == FLO__DOC_ARRAY)
			way[len++] = node;
	}
	while (len > 0) {
		node = way[--len];
		if (doc->nodes[node].is_key) {
			size_t text_len;
			const char *text;

			text = flo__doc_string(doc, node, &text_len);
			add_reference(sb, text, text_len);
		} else {
			flo__strbuf_addf(sb, "/%u", item_pos(doc, node));
		}
	}
}
