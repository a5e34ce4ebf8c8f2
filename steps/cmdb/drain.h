/*
 * Checkpoints beside the writer: what a pull has written to the WAL is copied
 * into the database by a task, over a connection of its own.
 *
 * Note: when the WAL begins anew.
 *
 * SQLite begins to write the WAL from its start again when all that is in it was
 * copied and nobody reads there. While one copies, the owner appends; so what
 * came in the meantime is copied next, and the last bit, which is small, by the
 * owner, before it appends again. By itself SQLite copies all at a commit, during
 * which tasks run out of work: a tenth of a second each 16 MB.
 */
#ifndef FLO_CMDB_DRAIN_H
#define FLO_CMDB_DRAIN_H

#include "steps/cmdb/db.h"
#include "steps/cmdb/task.h"

struct flo__drain;

/*
 * Begin for @db, which from now on copies nothing at a commit. Without memory or
 * a second connection *@ret_drain is NULL, and @db does as before.
 */
void flo__drain_open(struct flo__cdb *db, struct flo__drain **ret_drain);

/* After each commit of @db. NULL is allowed. Nothing that fails here matters. */
void flo__drain_look(struct flo__drain *drain, enum flo__task_owner owner);

/*
 * Wait for what is under way, and let @db do as before. NULL is allowed.
 *
 * Requires: in the step's blocking region.
 */
void flo__drain_close(struct flo__drain *drain);

#endif
