/*
 * jansson behind its guard.
 *
 * jansson 2.14 does not look at every allocation: when one fails while it
 * reads, it may drop a byte of a string and report success, or break an
 * assertion. So its allocator is wrapped, and inside flo__json_load() the
 * first allocation that fails ends the load: see the note in guard.c.
 *
 * Only json/ includes <jansson.h>; whoever needs json_t includes this header.
 */
#ifndef FLO_JSON_JSON_P_H
#define FLO_JSON_JSON_P_H

#include "base/arena.h"

#include <flo/value.h>

#include <jansson.h>

#include <stdbool.h>

/* How deep arrays and objects may nest: jansson's own limit. */
#define FLO__JSON_DEPTH_MAX 2048

/*
 * Wrap jansson's allocator for the whole process. What was installed before
 * stays below it, and memory that jansson allocated earlier can still be
 * freed. Until it is called loads work, but running out of memory in one is
 * not caught.
 *
 * Threads: any, any number of times, but not beside a thread that is inside
 * jansson already.
 */
void flo__json_guard_install(void);

/*
 * Read one JSON document (RFC 8259, UTF-8) of @len bytes. @flags are
 * jansson's; duplicate keys are always refused, as are NUL bytes. An integer
 * beyond 64 bits becomes a real number.
 *
 * Stack: 32 KiB at most; documents that nest deeper than 256 are read on a
 * thread of their own, so this can be called from coroutines. Never parks.
 *
 * Returns FLO_SYNTAX with line and column (code points, from 1) of the token
 * at fault in @err, FLO_NOMEM. *@ret is owned: flo__json_free().
 */
flo_status flo__json_load(const char *text, size_t len, size_t flags,
			  flo_error *err, json_t **ret);

/*
 * Arrays and objects of a text that are small and not in one another, in the
 * order of the text. @next gives the bytes of one after the other, from its
 * bracket to past its last, at least 4; false after the last.
 */
struct flo__json_pieces {
	bool (*next)(struct flo__json_pieces *pieces, size_t *ret_begin,
		     size_t *ret_end);
};

/*
 * Only say whether flo__json_load() would read @text: cheaper, as nothing is
 * kept. @depth: how deep it nests, at the least; too little of it overruns the
 * stack. @pieces are judged on their own, so that memory is not needed for all
 * of the text at once; they depend on nothing but @text. NULL: there are none.
 *
 * Returns what flo__json_load() returns.
 */
flo_status flo__json_check(const char *text, size_t len, size_t flags,
			   size_t depth, struct flo__json_pieces *pieces,
			   flo_error *err);

/*
 * Reads one document after the other into memory that is used again: cheaper
 * than flo__json_load() where each is done with before the next is read.
 *
 * Threads: one at a time. Starts as zeros.
 */
struct flo__json_reader {
	struct flo__arena arena;
	json_t *own; /* owned: a tree that is not in the arena */
};

/*
 * Read as flo__json_load() does. *@ret lives until the next read or the
 * reader's end; nobody else frees it. @depth: how deep @text nests, at the
 * least; too little of it overruns the stack.
 *
 * Returns what flo__json_load() returns.
 */
flo_status flo__json_read(struct flo__json_reader *reader, const char *text,
			  size_t len, size_t flags, size_t depth,
			  flo_error *err, const json_t **ret);
void flo__json_reader_fini(struct flo__json_reader *reader);

/* json_decref() on little stack however deep @json is. NULL is allowed. */
void flo__json_free(json_t *json);

/* Make a value of @json, which is borrowed. FLO_NOMEM. */
flo_status flo__json_to_value(const json_t *json, flo_value **ret_value);

/* Where in a text something is: bytes from 0, line and code points from 1. */
struct flo__json_place {
	size_t offset;
	int line;
	int column;
};

/* The place of byte @offset of @text. */
struct flo__json_place flo__json_place_of(const char *text, size_t offset);

/*
 * Read tokens of JSON, valid or not, without their meaning: strings, brackets,
 * commas and colons, and runs of anything else. Start with *@at = 0.
 * False at the end. [*ret_begin, *at) is the token; a string that is not
 * closed ends with the text.
 */
bool flo__json_next_token(const char *text, size_t len, size_t *at,
			  size_t *ret_begin);

/* What has to come next in a text. */
enum flo__json_want {
	FLO__JSON_WANT_VALUE,
	FLO__JSON_WANT_KEY,
	FLO__JSON_WANT_COLON,
	FLO__JSON_WANT_COMMA, /* or the bracket that closes */
	FLO__JSON_WANT_END,
};

/* Where a text stops being JSON. */
struct flo__json_spot {
	const char *text;
	size_t len;
	size_t at; /* the token at fault, or len where one is missing */
	enum flo__json_want want;
	char in; /* '{' or '[' that is open, or 0 */
};

/* What is wrong there. [begin, end) need not be where it was found. */
struct flo__json_slip {
	size_t begin;
	size_t end;
	const char *message; /* static; cites nothing of the text */
	const char *hint;    /* static, or NULL */
};

/* Say what was probably meant at @spot, where the text is no JSON. */
struct flo__json_slip flo__json_slip_at(const struct flo__json_spot *spot);

/* Whether @text begins as UTF-16 or UTF-32 do. */
bool flo__json_is_utf16(const char *text, size_t len);

/* Whether @c right behind a number makes it none. */
bool flo__json_is_glued(char c);

/*
 * Find the first place where @text is no JSON by its tokens: brackets, commas,
 * colons, words, numbers, and strings that do not end on their line. False if
 * these are right. *@ret_at is where the token at fault begins.
 *
 * Stack: a kilobyte; never recurses.
 */
bool flo__json_fault_find(const char *text, size_t len, size_t *ret_at,
			  struct flo__json_slip *ret);

#endif
