/*
 * Staged records: what is known of those of a pull, until they are applied.
 *
 * A row of the table `staged` is a run of records whose ids follow one another;
 * `id` is the first one's. There are as many records as in the pull, all are
 * read by a diff and taken out by an apply, and nobody looks for one of them:
 * so they have no rows of their own.
 */
#ifndef FLO_CMDB_STAGED_H
#define FLO_CMDB_STAGED_H

#include "steps/cmdb/db.h"
#include "steps/cmdb/record.h"

/* Of one record in a run: see staged.c. */
#define FLO__STAGED_BYTES 52

struct flo__staged_row {
	int64_t id; /* of its body, too */
	struct flo__digest raw;
	struct flo__identity identity; /* if it is identified */
	bool identified;	       /* the spec was known when it was read */
	bool gone;		       /* the pull says that it is no more */
};

/* Append a record to a run; its id follows from its place. */
void flo__staged_add(struct flo__strbuf *run,
		     const struct flo__staged_row *row);

/*
 * Write a run, if there is anything in it, and empty it. Within a transaction.
 * FLO_NOMEM, and the database's errors.
 */
flo_status flo__staged_write(struct flo__cdb *db, int64_t first,
			     struct flo__strbuf *run, flo_error *err);

/* A walk over the records of a pull. Starts as zeros. */
struct flo__staged {
	struct flo__cdb *db;	  /* borrowed */
	sqlite3_stmt *stmt;	  /* owned */
	const unsigned char *run; /* of the statement's row */
	int64_t first;
	size_t len;
	size_t done;
	bool backwards;
};

/* Begin with those of the pull @no, @backwards: from the last one on. */
flo_status flo__staged_open(struct flo__staged *staged, struct flo__cdb *db,
			    int64_t no, bool backwards, flo_error *err);

/* *@ret_more is false after the last. FLO_CORRUPT: a run is broken. */
flo_status flo__staged_next(struct flo__staged *staged, flo_error *err,
			    struct flo__staged_row *ret_row, bool *ret_more);
void flo__staged_close(struct flo__staged *staged);

#endif
