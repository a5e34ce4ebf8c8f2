/*
 * A connection to a CMDB's file: opened, used and closed within one step.
 *
 * Every call blocks: bracket them with flo_blocking_begin/end. Waiting for
 * another writer has no end but the step's context and LOCK_WAIT_MAX, so that
 * no caller meets SQLITE_BUSY. When the context ends, the statement that runs
 * is interrupted and the context's status comes back.
 *
 * Threads: the one that opened it, or the coroutine.
 */
#ifndef FLO_CMDB_DB_H
#define FLO_CMDB_DB_H

#include "steps/cmdb/spec.h"

#include <flo/step.h>

#include <sqlite3.h>

struct flo__cdb {
	sqlite3 *sql;
	char *path;		   /* owned */
	const flo_step_call *call; /* borrowed; NULL: no step has opened it */
	int64_t format;		   /* of the file when it was opened */
	uint64_t busy_since_ns;	   /* when the wait for the lock began */
	bool deaf;    /* no context counts: clean up, or there is none */
	bool hasty;   /* who holds the lock for a second is not waited for */
	bool at_once; /* nor is anybody else */
};

/*
 * Open @path, or make it (0600) with this version's tables. FLO_VERSION: a
 * newer flowctl wrote it, or it is another kind of file. FLO_CORRUPT,
 * FLO_FULL, FLO_READONLY, FLO_SYSTEM, FLO_NOMEM.
 */
flo_status flo__cdb_open(const flo_step_call *call, const char *path,
			 flo_error *err, struct flo__cdb **ret_db);
/*
 * Make an empty file with mode 0600 at @path, if there is none: at once, and in
 * the place of no other. Blocks. FLO_SYSTEM, FLO_FULL and the like, FLO_NOMEM.
 */
flo_status flo__cdb_make_file(const char *path, flo_error *err);
/*
 * The directory of @path, for people: as much of *@ret_dir, which is borrowed
 * or constant, as names it.
 */
int flo__cdb_dir(const char *path, const char **ret_dir);

/*
 * Open the file @path, which is there, without a step: nobody ends a wait
 * early. @writes: as flo__cdb_open(). Else it is only read, as it is, also
 * where nothing may be written: db->format says which columns it has.
 * FLO_NOTFOUND: there is no file, or it is empty.
 */
flo_status flo__cdb_open_file(const char *path, bool writes, flo_error *err,
			      struct flo__cdb **ret_db);
/*
 * Open the file of @db once more, to read it beside @db: for a thread of its
 * own. Waits for nobody. Errors as flo__cdb_open(), FLO_BUSY.
 */
flo_status flo__cdb_open_beside(const struct flo__cdb *db, flo_error *err,
				struct flo__cdb **ret_db);
/* NULL is allowed. A transaction that is open is rolled back. */
void flo__cdb_close(struct flo__cdb *db);

/* At a commit that leaves many pages in the WAL, copy them: as at first. */
void flo__cdb_keep_wal_short(struct flo__cdb *db);

/*
 * Transactions: a snapshot to read, or the only writer; @durable: commit waits
 * for the disk, so that it outlives a power cut, with all before it.
 */
flo_status flo__cdb_read(struct flo__cdb *db, flo_error *err);
flo_status flo__cdb_write(struct flo__cdb *db, bool durable, flo_error *err);
/*
 * The same, not durable, if nobody else writes; else FLO_BUSY, of which @err
 * says nothing.
 */
flo_status flo__cdb_write_now(struct flo__cdb *db, flo_error *err);
flo_status flo__cdb_commit(struct flo__cdb *db, flo_error *err);
/* NULL, and no open transaction, are allowed. */
void flo__cdb_rollback(struct flo__cdb *db);

/* Statements. *@ret is sqlite3_finalize()d by the caller. */
flo_status flo__cdb_prepare(struct flo__cdb *db, const char *sql,
			    flo_error *err, sqlite3_stmt **ret);
/*
 * Bind arguments from ?1 on as @types says, a letter each: i (int64_t), t
 * (const char *, NULL is null), s (const char *, size_t: a text), d (const
 * struct flo__digest *), b (const void *, size_t). What they point at must
 * live until the statement is done.
 */
flo_status flo__cdb_bind(struct flo__cdb *db, sqlite3_stmt *stmt,
			 flo_error *err, const char *types, ...);
/* Go on to the next row: *@ret_row is false after the last. */
flo_status flo__cdb_step(struct flo__cdb *db, sqlite3_stmt *stmt,
			 flo_error *err, bool *ret_row);
/* Run a statement that gives no rows, and reset it. */
flo_status flo__cdb_done(struct flo__cdb *db, sqlite3_stmt *stmt,
			 flo_error *err);

/* Prepare, bind, run and finalise. */
flo_status flo__cdb_run(struct flo__cdb *db, flo_error *err, const char *sql,
			const char *types, ...);
/* Prepare, bind and step to the one row; FLO_NOTFOUND (no error is set). */
flo_status flo__cdb_row(struct flo__cdb *db, flo_error *err, sqlite3_stmt **ret,
			const char *sql, const char *types, ...);

/* "s", unless there is one: "1 row", "2 rows". */
#define FLO__CDB_S(n) ((n) == 1 ? "" : "s")

/*
 * What to do where a pull cannot be used any more, at the end of an error:
 * `rerun --failed` would take the same pull over.
 */
#define FLO__CDB_ANEW "rerun without --failed, or run the pipeline again"

/* FLO_OK while the step's context lives. */
flo_status flo__cdb_alive(struct flo__cdb *db, flo_error *err);

/* A column's text, never NULL. */
const char *flo__cdb_text(sqlite3_stmt *stmt, int column);
/* False unless the column is a blob of a digest's size. */
bool flo__cdb_digest(sqlite3_stmt *stmt, int column, struct flo__digest *ret);

/*
 * Rows of one owner, a pull or a plan, lie together: a row's id is the owner's
 * number in the high 31 bits and the row's place in the low 32.
 */
static inline int64_t flo__cdb_first(int64_t owner)
{
	return (int64_t)((uint64_t)owner << 32);
}

static inline int64_t flo__cdb_last(int64_t owner)
{
	return flo__cdb_first(owner) | INT64_C(0xffffffff);
}

#endif
