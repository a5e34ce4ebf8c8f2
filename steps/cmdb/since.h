/*
 * What a pull asks for, and what it may go on from: the cursor and validators
 * of the last pull of its source that was applied. What was pulled but not
 * applied is asked for again, so that nothing is lost.
 */
#ifndef FLO_CMDB_SINCE_H
#define FLO_CMDB_SINCE_H

#include "steps/cmdb/db.h"

enum flo__pull_is {
	FLO__PULL_FULL,	   /* all there is */
	FLO__PULL_CHANGES, /* what has changed since the cursor, in order */
	FLO__PULL_SAME,	   /* nothing has: the state is as it was applied */
};

/* {0}: nothing to go on from. Texts are owned, NULL where there is none. */
struct flo__since {
	int64_t pull; /* the last applied pull; 0: none */
	char *cursor;
	char *etag;
	char *modified;
};

/*
 * Read what the next pull of @source may go on from that asks for @origin: a
 * text that tells questions apart (where from, which records, in what shape);
 * NULL: everything is needed. There are no texts if the last applied pull
 * asked for something else, or if records are missing that are kept for now
 * (remove_after_misses): only a pull of everything says whether they are back.
 *
 * Read it before the product is asked, in no transaction; blocks. @ret_since
 * is flo__since_fini()ed by the caller.
 */
flo_status flo__since_read(struct flo__cdb *db, const char *source,
			   const char *origin, flo_error *err,
			   struct flo__since *ret_since);
void flo__since_fini(struct flo__since *since);

#endif
