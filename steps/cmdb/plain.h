/*
 * Read a record's text without a tree: see the note in plain.c.
 *
 * Only what is plain is read, which nearly all records are; what is not may be
 * JSON or not, and jansson is to say so.
 */
#ifndef FLO_CMDB_PLAIN_H
#define FLO_CMDB_PLAIN_H

#include "base/strbuf.h"
#include "steps/cmdb/spec.h"
#include "steps/cmdb/tape.h"

/* What a record has at most to be plain. */
#define FLO__PLAIN_BYTES_MAX   (64u << 10)
#define FLO__PLAIN_TOKENS_MAX  1024
#define FLO__PLAIN_MEMBERS_MAX 128 /* of objects that are in one another */

/*
 * Memory that is used again from record to record. Starts as zeros.
 *
 * Threads: one at a time.
 */
struct flo__plain {
	struct flo__tape tape;	    /* owned */
	struct flo__ranked *member; /* owned */
	char *decoded;		    /* owned: strings that had escapes */
	size_t decoded_cap;
	size_t depth; /* how deep the last record nests */
	bool spaced;  /* there is space between its tokens */
};

/*
 * Read the record @text. True: it is plain, and an object of JSON that
 * flo__record_read() reads too; then plain->tape is the same as of its tree,
 * until the next read, and borrows from @text. False: nothing is known of it;
 * also without memory.
 */
bool flo__plain_read(struct flo__plain *plain, const char *text, size_t len);
void flo__plain_fini(struct flo__plain *plain);

/*
 * As flo__record_compare() of two records that were read, whose texts are still
 * there; @scratch is lent. False, and nothing was done: a container differs.
 */
bool flo__plain_compare(const struct flo__plain *before,
			const struct flo__plain *after,
			const struct flo__spec *spec,
			void (*field)(void *arg, const char *name), void *arg,
			struct flo__strbuf *scratch, struct flo__strbuf *sb);

#endif
