/*
 * A JSON document whose every token knows its place.
 *
 * jansson stays the parser of record (flo__json_load() must accept the text
 * first); but it forgets where things stood. So the text is scanned once more
 * into a flat array of nodes, in the order of the text: a container comes
 * before what is in it, a key right before its value. Nodes are indices, 24
 * bytes each, and nothing is copied: a string is decoded when it is asked for.
 *
 * Threads: one at a time. The text is borrowed as long as the document lives.
 */
#ifndef FLO_DSL_DOC_P_H
#define FLO_DSL_DOC_P_H

#include <flo/status.h>
#include <flo/value.h>

#include "base/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLO__DOC_NONE UINT32_MAX

/* Bytes of a pipeline file: offsets fit 32 bits. */
#define FLO__DOC_LEN_MAX (UINT32_C(1) << 30)

/* Nesting of JSON, as the parser of record has it. */
#define FLO__DOC_DEPTH_MAX 2048

/* Misspelt keys that are taken for what they were meant to be. */
#define FLO__DOC_TAKEN_MAX 32

enum flo__doc_type {
	FLO__DOC_NULL,
	FLO__DOC_FALSE,
	FLO__DOC_TRUE,
	FLO__DOC_NUMBER,
	FLO__DOC_STRING,
	FLO__DOC_ARRAY,
	FLO__DOC_OBJECT,
};

struct flo__doc_node {
	uint32_t begin;	 /* offset of the first byte; strings: of the quote */
	uint32_t end;	 /* past the last byte, quote or bracket */
	uint32_t parent; /* container of an item or key, key of a value */
	uint32_t next;	 /* the next item or key of the container, or NONE */
	uint32_t len;	 /* items of an array, keys of an object */
	uint8_t type;	 /* enum flo__doc_type */
	bool is_key : 1;
	bool escaped : 1; /* a string with backslashes in it */
	bool real : 1;	  /* a number with fraction or exponent */
	bool taken : 1;	  /* a key that flo__doc_take() was called for */
};

/* A piece of the text, by offsets. */
struct flo__span {
	uint32_t begin;
	uint32_t end;
};

struct flo__report;

struct flo__doc {
	const char *text;
	size_t len;
	struct flo__doc_node *nodes;
	uint32_t nodes_len;
	uint32_t nodes_cap;
	uint32_t *lines; /* offset of the first byte of each line */
	uint32_t lines_len;
	uint32_t lines_cap;
	uint32_t depth; /* of the deepest array or object */
	bool ascii;	/* scanned to the end, and a byte is a character */
	struct flo__arena decoded; /* strings that had escapes */
	struct {
		uint32_t key;
		const char *meant;   /* borrowed for ever: a literal */
	} taken[FLO__DOC_TAKEN_MAX]; /* misspelt keys, see flo__doc_take() */
	uint32_t taken_len;
	bool nomem; /* something is missing: give up */
};

void flo__doc_init(struct flo__doc *doc, const char *text, size_t len);
void flo__doc_fini(struct flo__doc *doc);

/*
 * Fill @doc from its text. A syntax error ends the scan, a duplicate key does
 * not; both go to @report. FLO_INVALID after a syntax error, FLO_NOMEM.
 */
flo_status flo__doc_scan(struct flo__doc *doc, struct flo__report *report);

/*
 * The parser of record has the last word on a document that was scanned: what
 * it refuses is no JSON, even where our scan found nothing. FLO_INVALID after
 * such an error, which went to @report, FLO_NOMEM.
 */
flo_status flo__doc_check_record(const struct flo__doc *doc,
				 struct flo__report *report);

/* Report the keys that the object @node has twice (they are decoded first:
 * "a" and "\\u0061" are one key). FLO_NOMEM. */
flo_status flo__doc_check_keys(struct flo__doc *doc, uint32_t node,
			       struct flo__report *report);

/* The line, from 1, of an offset. */
uint32_t flo__doc_line(const struct flo__doc *doc, uint32_t offset);

/* Where an offset is: line and column from 1, the column in code points. */
void flo__doc_place(const struct flo__doc *doc, uint32_t offset, int *ret_line,
		    int *ret_column);

/* The first item of an array or key of an object; NONE if it is empty. */
uint32_t flo__doc_first(const struct flo__doc *doc, uint32_t node);

/* The value that belongs to the key @key. */
static inline uint32_t flo__doc_value(uint32_t key)
{
	return key + 1;
}

/* The value under @name in the object @node, or NONE. */
/*
 * Take the misspelt @key for the key @meant from now on: flo__doc_get() and
 * flo__doc_is() do. Its text stays what it is. @meant is a literal. False if
 * there are too many already.
 */
bool flo__doc_take(struct flo__doc *doc, uint32_t key, const char *meant);

uint32_t flo__doc_get(struct flo__doc *doc, uint32_t node, const char *name);
uint32_t flo__doc_getn(struct flo__doc *doc, uint32_t node, const char *name,
		       size_t len);

/*
 * The text of a string or key, decoded; not NUL-terminated; borrowed as long
 * as the document lives. Without memory: "" and doc->nomem.
 */
const char *flo__doc_string(struct flo__doc *doc, uint32_t node,
			    size_t *ret_len);

bool flo__doc_is(struct flo__doc *doc, uint32_t node, const char *text);

/* Decode the character or escape at @raw, of a string that was scanned: up to
 * 4 bytes go to @out, the length of the escape to *@ret_len. */
size_t flo__doc_decode(const char *raw, char *out, size_t *ret_len);

/*
 * The last place asked for. The next one is mostly near it, and a document may
 * be one line of a hundred megabytes. Begins as zeros.
 */
struct flo__doc_cursor {
	uint32_t offset;
	uint32_t line; /* 0: no place yet */
	uint32_t column;
	uint32_t node; /* the string of the last flo__doc_raw() */
	uint32_t raw;  /* 0: none yet */
	size_t decoded;
};

/* The offset in the document of byte @at of the string @node, decoded. */
uint32_t flo__doc_raw(const struct flo__doc *doc, uint32_t node, size_t at,
		      struct flo__doc_cursor *cursor);

/* Move @cursor to @offset: its line and column are then those of it. */
void flo__doc_move(const struct flo__doc *doc, uint32_t offset,
		   struct flo__doc_cursor *cursor);

/*
 * The span in the file of the bytes @at .. @at + @len of the decoded string
 * @node: where an expression's token stands, escapes counted.
 */
struct flo__span flo__doc_inside(const struct flo__doc *doc, uint32_t node,
				 size_t at, size_t len);

struct flo__span flo__doc_span(const struct flo__doc *doc, uint32_t node);

/* The value of a null, bool, number or string. NULL without memory. */
flo_value *flo__doc_scalar(struct flo__doc *doc, uint32_t node);

/* "a string", "an object" ... */
const char *flo__doc_type_text(enum flo__doc_type type);

/* Append the JSON pointer (RFC 6901) of @node. */
struct flo__strbuf;
void flo__doc_pointer(struct flo__doc *doc, uint32_t node,
		      struct flo__strbuf *sb);

#endif
