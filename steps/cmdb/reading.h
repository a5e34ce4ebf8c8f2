/*
 * A record that is read for its digests and its key: without a tree, if it is
 * plain (see plain.c), else by jansson. Nobody needs to know which it was.
 */
#ifndef FLO_CMDB_READING_H
#define FLO_CMDB_READING_H

#include "steps/cmdb/plain.h"
#include "steps/cmdb/record.h"

/*
 * Memory that is used again from record to record. Starts as zeros.
 *
 * Threads: one at a time.
 */
struct flo__reading {
	const struct flo__tape *tape; /* of the last record; borrows its text */
	struct flo__shape shape;
	struct flo__plain plain;
	struct flo__tape of_tree; /* owned */
	struct flo__json_reader reader;
	const json_t *tree; /* in reader; NULL: there is none */
	const char *text;   /* borrowed */
	size_t len;
};

/*
 * Read the record @text, which is borrowed until the next one is read. Returns
 * what flo__record_read() returns; on failure there is no tape.
 */
flo_status flo__reading_read(struct flo__reading *reading, const char *text,
			     size_t len, flo_error *err);

/*
 * Append the key as people see it: as flo__record_key_text(). FLO_NOMEM.
 *
 * Requires: a record was read, and its text is still there.
 */
flo_status flo__reading_key_text(struct flo__reading *reading,
				 const struct flo__spec *spec,
				 struct flo__strbuf *sb, flo_error *err);

/*
 * As flo__record_compare() of the records of two readings; @scratch is lent.
 *
 * Requires: as flo__reading_key_text(), of both.
 */
flo_status flo__reading_compare(struct flo__reading *before,
				struct flo__reading *after,
				const struct flo__spec *spec,
				void (*field)(void *arg, const char *name),
				void *arg, struct flo__strbuf *scratch,
				struct flo__strbuf *sb, flo_error *err);

void flo__reading_fini(struct flo__reading *reading);

#endif
