/*
 * Cut a stream of JSON into its records, without ever holding the document.
 *
 * The document is either a stream of lines with one object each (NDJSON), or
 * one JSON value in which arrays of objects lie where pointers say. Everything
 * outside the records is checked against JSON's grammar, but not kept. Of a
 * record only the extent is found, by depth and quotes: its bytes are for the
 * caller to check, who may know that he has seen them before.
 *
 * A document that ends too early, or has anything after its end, is an error:
 * the caller hears of it before he is told that there are no more records.
 *
 * Threads: one at a time. Blocks in read().
 */
#ifndef FLO_CMDB_SPLIT_H
#define FLO_CMDB_SPLIT_H

#include "steps/cmdb/pointer.h"

#include <flo/context.h>

#include <stdint.h>

/* Largest record, and how deep records and documents may nest. */
#define FLO__RECORD_BYTES_MAX (16u << 20)
#define FLO__RECORD_DEPTH_MAX 64

/* Values that are watched, and bytes of one as it is written. */
#define FLO__SPLIT_WATCH_MAX	   4
#define FLO__SPLIT_WATCH_BYTES_MAX 16384

struct flo__mask;
struct flo__split;

/*
 * Read from @fd (borrowed, read from where it stands). @records are pointers
 * to the arrays; none: the document is an array itself, or NDJSON. @window is
 * how much is read at once; 0: the default.
 *
 * FLO_SYNTAX (a pointer is none, or leads into an array that another one
 * names), FLO_NOMEM.
 */
flo_status flo__split_new(int fd, const char *const *records,
			  size_t records_len, size_t window, flo_error *err,
			  struct flo__split **ret_split);
void flo__split_free(struct flo__split *split);

/*
 * End with @context (borrowed until flo__split_free()): flo__split_next() asks
 * it before each read, so once a window, which is some milliseconds of work,
 * and fails with its status. Without this call nothing is asked.
 */
void flo__split_heed(struct flo__split *split, flo_context *context);

/*
 * Hide what @mask hides (borrowed until flo__split_free(); NULL: nothing) in
 * what errors quote, also of a value that reaches over the quotation's ends, as
 * far as it is in the window.
 */
void flo__split_hide(struct flo__split *split, const struct flo__mask *mask);

/*
 * Watch the value at @pointer, which lies outside the records: *@ret_place is
 * its number for flo__split_seen(). In NDJSON, and in a document that is the
 * array, nothing lies outside.
 *
 * Requires: flo__split_next() was not called yet; at most FLO__SPLIT_WATCH_MAX.
 * FLO_SYNTAX: it is no pointer; FLO_INVALID: records are there; FLO_NOMEM.
 */
flo_status flo__split_watch(struct flo__split *split, const char *pointer,
			    flo_error *err, size_t *ret_place);

/*
 * The value as the document writes it; borrowed. NULL if it has not come
 * (yet); "[" or "{" for those. One that is there twice is an error of
 * flo__split_next() (two readers would take two of them), and then the last.
 */
const char *flo__split_seen(const struct flo__split *split, size_t place);

/*
 * Look into @text alone, record @number, which began at byte @place of some
 * document: flo__split_seen() then has what it has at the watched pointers, as
 * it is written there. Does not read.
 *
 * Requires: @look was made without records, has no file (-1), and is used for
 * nothing else. FLO_SYNTAX, FLO_LIMIT (a value of more than
 * FLO__SPLIT_WATCH_BYTES_MAX), FLO_NOMEM.
 */
flo_status flo__split_look(struct flo__split *look, const char *text,
			   size_t len, uint64_t number, uint64_t place,
			   flo_error *err);

/*
 * The next record: *@ret_record is borrowed until the next call, NULL after
 * the last. FLO_SYNTAX names the byte and the record, FLO_LIMIT, FLO_NOMEM,
 * FLO_SYSTEM; the context's status.
 */
flo_status flo__split_next(struct flo__split *split, flo_error *err,
			   const char **ret_record, size_t *ret_len);

/*
 * Of NDJSON, take what stands on a line for a record, without looking for its
 * end: to whom its very bytes are known, they are a record. Of any other who
 * calls this has flo__split_check_line() say so before he reads it.
 *
 * Requires: flo__split_next() was not called yet.
 */
void flo__split_trust_lines(struct flo__split *split);
/* Whether the last record is such a line. */
bool flo__split_trusted(const struct flo__split *split);

/*
 * Check the line @text, a record which began at @place: the errors are those of
 * flo__split_next() without that trust. @mask: see flo__split_hide(). Any
 * thread.
 */
struct flo__place;
flo_status flo__split_check_line(const char *text, size_t len,
				 const struct flo__place *place,
				 const struct flo__mask *mask, flo_error *err);

/* Whether the document is NDJSON, or empty; known once there was a record. */
bool flo__split_is_lines(const struct flo__split *split);

/* Bytes read so far, records found so far, byte at which the last one began. */
uint64_t flo__split_bytes(const struct flo__split *split);
uint64_t flo__split_records(const struct flo__split *split);
uint64_t flo__split_place(const struct flo__split *split);
/* The line of NDJSON on which the last record lies, from 1; else 0. */
uint64_t flo__split_line(const struct flo__split *split);

#endif
