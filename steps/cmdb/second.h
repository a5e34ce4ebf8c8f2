/*
 * A second connection that sees a source as the first one does, so that two
 * threads read it beside each other: what one reads alone, the other cores wait
 * for.
 */
#ifndef FLO_CMDB_SECOND_H
#define FLO_CMDB_SECOND_H

#include "steps/cmdb/db.h"
#include "steps/cmdb/task.h"

/* Of fewer rows than that, one after the other or each looked up, opening it
 * takes longer than it saves. */
#define FLO__SECOND_ROWS    4096
#define FLO__SECOND_LOOKUPS 1024

/*
 * Open one for a thread of its own, in a transaction that reads: what it sees of
 * @source is what @db does, and what @db has committed. None is no fault,
 * *@ret_second is NULL then; what fails on it later is none either, but to be
 * read with @db, which says why.
 *
 * Requires: a transaction is open in @db, and has written nothing.
 */
void flo__second_open(struct flo__cdb *db, int64_t source,
		      struct flo__cdb **ret_second);

/* One of two halves of what is to be read. Embedded; starts as zeros. */
struct flo__half {
	struct flo__task task;
	/* With half->db; what fails is told in half->err. Maybe once more. */
	flo_status (*read)(struct flo__half *half);
	struct flo__cdb *db; /* borrowed */
	flo_status st;
	flo_error err;
};

/*
 * Have both halves read: @one by the caller, @other beside it over a second
 * connection if @beside and there is one, else after it. What fails on that
 * connection is read again with @db. Returns the first half's error, or the
 * other's.
 *
 * Requires: in the step's blocking region; the halves are on the heap; as
 * flo__second_open().
 */
flo_status flo__half_both(struct flo__half *one, struct flo__half *other,
			  struct flo__cdb *db, int64_t source, bool beside,
			  flo_error *err);

#endif
