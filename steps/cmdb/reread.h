/*
 * Staged records that were not identified when they were pulled, as the spec
 * was not known or was another one: they are read again, as tasks (see task.h),
 * and come back in the order of their ids.
 */
#ifndef FLO_CMDB_REREAD_H
#define FLO_CMDB_REREAD_H

#include "steps/cmdb/db.h"
#include "steps/cmdb/record.h"
#include "steps/cmdb/task.h"

struct flo__reread;

struct flo__reread_row {
	int64_t id;
	struct flo__digest raw;
	struct flo__identity identity;
	size_t key_at; /* reread.c's own: the key comes by itself */
	size_t key_len;
	bool gone;
	size_t at; /* reread.c's: its text, until it is read */
	size_t len;
};

/*
 * Read those of the pull @no under @spec (borrowed until the close), in @db's
 * read transaction, @backwards from the last to the first. FLO_NOMEM, and the
 * database's errors.
 */
flo_status flo__reread_open(struct flo__cdb *db, int64_t no,
			    const struct flo__spec *spec, bool backwards,
			    flo_error *err, struct flo__reread **ret_reread);

/*
 * The next one, which lives until the next call, as does its key as people see
 * it (not terminated). NULL after the last. FLO_CORRUPT: a record is broken.
 *
 * Requires: between flo__task_compute_begin() and its end: see task.h.
 */
flo_status flo__reread_next(struct flo__reread *reread, flo_error *err,
			    const struct flo__reread_row **ret_row,
			    const char **ret_key);

/* NULL is allowed. */
void flo__reread_close(struct flo__reread *reread);

#endif
