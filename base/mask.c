/*
 * Note: how values are found
 *
 * The automaton of Aho and Corasick (1975): a tree of all values, a node for
 * each beginning of one, and for each node the link to the longest proper end
 * of it that is a node, too. Reading a byte goes down the tree, or over links
 * until that is possible; so text of n bytes takes O(n) steps, whatever the
 * values are. (Refused: a search for each value, which a value such as "aaaa"
 * makes quadratic; a table of 256 children a node, which is a kilobyte for
 * each byte of a key.)
 *
 * The depth of the node one is at is the length of the longest end of the text
 * that begins a value. What stands before that can belong to no occurrence
 * that is still to come: it is certain, and goes out. That is all that a
 * stream holds back, and a line that begins no value is never held.
 *
 * An occurrence ends where it is found and may begin anywhere in what is held,
 * over other hidden stretches: those are swallowed, from the last one on.
 */
#include "base/mask.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <stdatomic.h>
#include <string.h>

#define NONE 0 /* the root is nobody's child */

struct node {
	uint32_t child; /* the first; NONE */
	uint32_t next;	/* sibling; NONE */
	uint32_t link;	/* see the note */
	uint32_t depth;
	uint32_t match; /* the longest value that ends here; 0: none */
	uint8_t byte;	/* by which one comes here from its parent */
};

struct flo__mask {
	atomic_uint refs; /* acq_rel where one is given back: the last frees */
	struct node *nodes; /* nodes[0] is the root; overwritten when freed */
	uint32_t len, cap;
	uint32_t first[256]; /* children of the root, or NONE */
	bool ready;
};

const char flo__mask_key = 0;

struct flo__mask *flo__mask_new(void)
{
	struct flo__mask *mask = flo__calloc(1, sizeof(*mask));

	if (mask == NULL)
		return NULL;
	atomic_init(&mask->refs, 1);
	mask->cap = 64;
	mask->len = 1;
	mask->nodes = flo__calloc(mask->cap, sizeof(*mask->nodes));
	if (mask->nodes == NULL) {
		flo__free(mask);
		return NULL;
	}
	return mask;
}

struct flo__mask *flo__mask_ref(const struct flo__mask *mask)
{
	/* What is counted is not what makes it immutable. */
	struct flo__mask *ref = (struct flo__mask *)(uintptr_t)mask;

	if (ref != NULL)
		atomic_fetch_add_explicit(&ref->refs, 1, memory_order_relaxed);
	return ref;
}

void flo__mask_free(struct flo__mask *mask)
{
	if (mask == NULL ||
	    atomic_fetch_sub_explicit(&mask->refs, 1, memory_order_acq_rel) > 1)
		return;
	explicit_bzero(mask->nodes, mask->cap * sizeof(*mask->nodes));
	flo__free(mask->nodes);
	flo__free(mask);
}

/* Not by realloc(), which may leave a copy behind. */
static flo_status grow(struct flo__mask *mask)
{
	struct node *nodes;

	if (mask->len < mask->cap)
		return FLO_OK;
	if (mask->cap > UINT32_MAX / 4)
		return FLO_LIMIT;
	nodes = flo__calloc(2 * (size_t)mask->cap, sizeof(*nodes));
	if (nodes == NULL)
		return FLO_NOMEM;
	memcpy(nodes, mask->nodes, mask->len * sizeof(*nodes));
	explicit_bzero(mask->nodes, mask->len * sizeof(*nodes));
	flo__free(mask->nodes);
	mask->nodes = nodes;
	mask->cap *= 2;
	return FLO_OK;
}

/* The child of @node by @byte, or NONE. */
static uint32_t child_of(const struct flo__mask *mask, uint32_t node,
			 uint8_t byte)
{
	uint32_t child;

	if (node == 0)
		return mask->first[byte];
	child = mask->nodes[node].child;
	while (child != NONE && mask->nodes[child].byte != byte)
		child = mask->nodes[child].next;
	return child;
}

static flo_status add_child(struct flo__mask *mask, uint32_t node, uint8_t byte,
			    uint32_t *ret_child)
{
	flo_status st = grow(mask);
	uint32_t child = mask->len;

	if (st != FLO_OK)
		return st;
	mask->len++;
	mask->nodes[child] = (struct node){
		.next = mask->nodes[node].child,
		.depth = mask->nodes[node].depth + 1,
		.byte = byte,
	};
	mask->nodes[node].child = child;
	if (node == 0)
		mask->first[byte] = child;
	*ret_child = child;
	return FLO_OK;
}

flo_status flo__mask_add(struct flo__mask *mask, const char *bytes, size_t len)
{
	uint32_t node = 0;

	REQUIRE(!mask->ready);
	for (size_t i = 0; i < len; i++) {
		uint8_t byte = (uint8_t)bytes[i];
		uint32_t child = child_of(mask, node, byte);
		flo_status st = FLO_OK;

		if (child == NONE)
			st = add_child(mask, node, byte, &child);
		if (st != FLO_OK)
			return st;
		node = child;
	}
	mask->nodes[node].match = mask->nodes[node].depth;
	return FLO_OK;
}

/* Where @byte leads from @node. */
static uint32_t go(const struct flo__mask *mask, uint32_t node, uint8_t byte)
{
	uint32_t child;

	while ((child = child_of(mask, node, byte)) == NONE && node != 0)
		node = mask->nodes[node].link;
	return child;
}

/* Links of the children of @node, whose own is known; and append them. */
static void link_children(struct flo__mask *mask, uint32_t node,
			  uint32_t *queue, uint32_t *tail)
{
	struct node *nodes = mask->nodes;

	for (uint32_t child = nodes[node].child; child != NONE;
	     child = nodes[child].next) {
		uint32_t link = node != 0 ? go(mask, nodes[node].link,
					       nodes[child].byte)
					  : 0;

		nodes[child].link = link;
		if (nodes[child].match == 0)
			nodes[child].match = nodes[link].match;
		queue[(*tail)++] = child;
	}
}

flo_status flo__mask_ready(struct flo__mask *mask)
{
	uint32_t *queue = flo__calloc(mask->len, sizeof(*queue));
	uint32_t tail = 1;

	if (queue == NULL)
		return FLO_NOMEM;
	for (uint32_t head = 0; head < tail; head++)
		link_children(mask, queue[head], queue, &tail);
	INSIST(tail == mask->len);
	flo__free(queue);
	mask->ready = true;
	return FLO_OK;
}

size_t flo__mask_find(const struct flo__mask *mask, const char *bytes,
		      size_t len)
{
	uint32_t node = 0;
	size_t longest = 0;

	REQUIRE(mask->ready);
	for (size_t i = 0; i < len; i++) {
		node = go(mask, node, (uint8_t)bytes[i]);
		if (mask->nodes[node].match > longest)
			longest = mask->nodes[node].match;
	}
	return longest;
}

void flo__mask_text(const struct flo__mask *mask, const char *bytes, size_t len,
		    struct flo__strbuf *sb)
{
	struct flo__mask_stream stream;

	if (flo__mask_find(mask, bytes, len) == 0) {
		flo__strbuf_add(sb, bytes, len);
		return;
	}
	flo__mask_stream_init(&stream, mask);
	flo__mask_stream_add(&stream, bytes, len, sb);
	flo__mask_stream_end(&stream, false, sb);
	flo__mask_stream_fini(&stream);
}

/* ---- streams ---- */

void flo__mask_stream_init(struct flo__mask_stream *stream,
			   const struct flo__mask *mask)
{
	REQUIRE(mask->ready);
	*stream = (struct flo__mask_stream){.mask = mask};
	flo__strbuf_init(&stream->held);
}

void flo__mask_stream_fini(struct flo__mask_stream *stream)
{
	if (stream->held.cap != 0)
		explicit_bzero(stream->held.data, stream->held.cap);
	flo__strbuf_fini(&stream->held);
	flo__free(stream->spans);
	stream->spans = NULL;
	stream->spans_len = stream->spans_cap = 0;
}

/* Hide @begin to @end of what is held; @end is past all spans there are. */
static bool hide(struct flo__mask_stream *stream, size_t begin, size_t end)
{
	struct flo__mask_span *spans = stream->spans;
	size_t n = stream->spans_len;

	while (n > 0 && spans[n - 1].end >= begin) {
		n--;
		if (spans[n].begin < begin)
			begin = spans[n].begin;
	}
	if (n == stream->spans_cap) {
		size_t cap = n * 2 + 8;

		spans = flo__reallocarray(spans, cap, sizeof(*spans));
		if (spans == NULL)
			return false;
		stream->spans = spans;
		stream->spans_cap = cap;
	}
	spans[n].begin = begin;
	spans[n].end = end;
	stream->spans_len = n + 1;
	return true;
}

/* Put out the first @upto bytes that are held, of which all is known. */
static void put(struct flo__mask_stream *stream, size_t upto,
		struct flo__strbuf *sb)
{
	struct flo__strbuf *held = &stream->held;
	size_t at = 0, gone = 0;

	for (size_t i = 0; i < stream->spans_len && at < upto; i++) {
		struct flo__mask_span span = stream->spans[i];
		size_t begin = span.begin < upto ? span.begin : upto;

		if (begin > at)
			flo__strbuf_add(sb, held->data + at, begin - at);
		stream->inside &= begin == at;
		if (span.begin >= upto) {
			at = upto;
			break;
		}
		if (!stream->inside)
			flo__strbuf_adds(sb, FLO__MASK_TEXT);
		stream->inside = true;
		at = span.end < upto ? span.end : upto;
		gone += span.end <= upto;
	}
	if (at < upto) {
		flo__strbuf_add(sb, held->data + at, upto - at);
		stream->inside = false;
	}
	memmove(held->data, held->data + upto, held->len - upto);
	flo__strbuf_cut(held, held->len - upto);
	stream->spans_len -= gone;
	if (stream->spans_len > 0)
		memmove(stream->spans, stream->spans + gone,
			stream->spans_len * sizeof(*stream->spans));
	for (size_t i = 0; i < stream->spans_len; i++) {
		struct flo__mask_span *span = &stream->spans[i];

		span->begin = span->begin > upto ? span->begin - upto : 0;
		span->end -= upto;
	}
}

/* What is to be hidden in what is held is not known: drop it. */
static void fail(struct flo__mask_stream *stream, struct flo__strbuf *sb)
{
	stream->failed = true;
	stream->spans_len = 0;
	flo__strbuf_cut(&stream->held, 0);
	sb->failed = true;
}

/* Whether a quotation may end where these bytes follow. */
static bool ends_quotation(const char *bytes, size_t len)
{
	static const char ellipsis[] = "\xe2\x80\xa6"; /* U+2026 */

	return len == 0 || strchr("'\"`;", bytes[0]) != NULL ||
	       (len >= 3 && (memcmp(bytes, "...", 3) == 0 ||
			     memcmp(bytes, ellipsis, 3) == 0));
}

/* How many of the bytes up to one of which @node is reached are hidden; @bytes
 * follow it. */
static uint32_t hidden_here(const struct flo__mask_stream *stream,
			    const struct node *node, const char *bytes,
			    size_t len)
{
	if (stream->part_min == 0 || node->depth == node->match)
		return node->match;
	if (node->depth >= stream->part_min ||
	    (node->depth >= FLO__MASK_PART_MIN && ends_quotation(bytes, len)))
		return node->depth;
	return node->match;
}

void flo__mask_stream_add(struct flo__mask_stream *stream, const char *bytes,
			  size_t len, struct flo__strbuf *sb)
{
	const struct flo__mask *mask = stream->mask;
	size_t before = stream->held.len;

	flo__strbuf_add(&stream->held, bytes, len);
	if (stream->failed || stream->held.failed) {
		fail(stream, sb);
		return;
	}
	for (size_t i = before; i < before + len; i++) {
		const char *next = bytes + (i - before) + 1;
		size_t found;

		stream->state = go(mask, stream->state, (uint8_t)next[-1]);
		found = hidden_here(stream, &mask->nodes[stream->state], next,
				    before + len - i - 1);
		if (found != 0 && !hide(stream, i + 1 - found, i + 1)) {
			fail(stream, sb);
			return;
		}
	}
	put(stream, before + len - mask->nodes[stream->state].depth, sb);
}

void flo__mask_stream_end(struct flo__mask_stream *stream, bool torn,
			  struct flo__strbuf *sb)
{
	size_t len = stream->held.len;
	size_t rest = stream->mask->nodes[stream->state].depth;

	/* All that is held is such a beginning: see the note. */
	if (stream->failed || (torn && rest >= FLO__MASK_PART_MIN &&
			       !hide(stream, len - rest, len)))
		fail(stream, sb);
	put(stream, stream->held.len, sb);
	stream->state = 0;
	stream->inside = false;
}

/* ---- texts that quote ---- */

void flo__mask_quoting(const struct flo__mask *mask, const char *bytes,
		       size_t len, uint32_t part_min, struct flo__strbuf *sb)
{
	struct flo__mask_stream stream;

	flo__mask_stream_init(&stream, mask);
	stream.part_min = part_min;
	flo__mask_stream_add(&stream, bytes, len, sb);
	flo__mask_stream_end(&stream, false, sb);
	flo__mask_stream_fini(&stream);
}

/* Find what is hidden in the first @end bytes, or reaches into them. */
static bool find_spans(struct flo__mask_stream *stream, const char *bytes,
		       size_t len, size_t end)
{
	const struct flo__mask *mask = stream->mask;
	uint32_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		const struct node *node;

		stream->state = go(mask, stream->state, (uint8_t)bytes[i]);
		node = &mask->nodes[stream->state];
		depth = node->depth;
		if (node->match != 0 &&
		    !hide(stream, i + 1 - node->match, i + 1))
			return false;
		/* What is under way begins behind what is shown. */
		if (i + 1 - depth >= end)
			return true;
	}
	return depth < FLO__MASK_PART_MIN || hide(stream, len - depth, len);
}

/* Append bytes @at to @end, with the spans that are in them hidden. */
static void show(const struct flo__mask_stream *stream, const char *bytes,
		 size_t at, size_t end, struct flo__strbuf *sb)
{
	for (size_t i = 0; i < stream->spans_len && at < end; i++) {
		struct flo__mask_span span = stream->spans[i];

		if (span.end <= at || span.begin >= end)
			continue;
		if (span.begin > at)
			flo__strbuf_add(sb, bytes + at, span.begin - at);
		flo__strbuf_adds(sb, FLO__MASK_TEXT);
		at = span.end < end ? span.end : end;
	}
	flo__strbuf_add(sb, bytes + at, end - at);
}

void flo__mask_excerpt(const struct flo__mask *mask, const char *bytes,
		       size_t len, size_t at, size_t max,
		       struct flo__strbuf *sb)
{
	struct flo__mask_stream stream;
	size_t end;

	REQUIRE(at <= len);
	end = max < len - at ? at + max : len;
	if (mask == NULL) {
		flo__strbuf_add(sb, bytes + at, end - at);
		return;
	}
	flo__mask_stream_init(&stream, mask);
	if (find_spans(&stream, bytes, len, end))
		show(&stream, bytes, at, end, sb);
	else
		sb->failed = true;
	flo__mask_stream_fini(&stream);
}
