/*
 * A connection to SQLite: its prepared statements, and its errors in our words.
 *
 * Every statement of the store stands in conn.c, with bound parameters only.
 *
 * Threads: one at a time (connections are opened with NOMUTEX).
 */
#ifndef FLO_STORAGE_CONN_P_H
#define FLO_STORAGE_CONN_P_H

#include <flo/error.h>

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLO__HASH_SIZE 16

/* Belt to the braces of PATH.lock: what SQLite itself waits for. */
#define FLO__BUSY_TIMEOUT_MS 60000

enum flo__sql {
	FLO__SQL_BEGIN,
	FLO__SQL_COMMIT,
	FLO__SQL_ROLLBACK,
	FLO__SQL_RUN_INSERT,
	FLO__SQL_RUN_STARTED,
	FLO__SQL_RUN_FINISHED,
	FLO__SQL_RUN_BY_ID,
	FLO__SQL_RUN_ENDED,
	FLO__SQL_RUN_STATE,
	FLO__SQL_RUN_PREFIX,
	FLO__SQL_RUN_PAGE,
	FLO__SQL_LEASE_TAKE,
	FLO__SQL_LEASE_CHECK,
	FLO__SQL_LEASE_OWNER,
	FLO__SQL_LEASE_DROP,
	FLO__SQL_REQUEST_PUT,
	FLO__SQL_REQUEST_LIST,
	FLO__SQL_REQUEST_DROP,
	FLO__SQL_DATA_VERSION,
	FLO__SQL_EVENT_INSERT,
	FLO__SQL_EVENT_WALK,
	/* check.c, prune.c */
	FLO__SQL_INTEGRITY,
	FLO__SQL_VERSION,
	FLO__SQL_RUN_IDS,
	FLO__SQL_RUN_IDS_INDEXED,
	FLO__SQL_RUN_COUNTS,
	FLO__SQL_RUN_BRIEF,
	FLO__SQL_RUN_DELETE,
	FLO__SQL_REQUEST_STALE,
	FLO__SQL_REQUEST_SWEEP,
	FLO__SQL_LEASE_SWEEP,
	FLO__SQL_EVENT_NEXT,
	FLO__SQL_EVENT_LAST,
	FLO__SQL_EVENT_TIME,
	FLO__SQL_RUN_FROM,
	FLO__SQL_EVENT_DELETE,
	FLO__SQL_FREE_BYTES,
	FLO__SQL_COUNT,
};

struct flo__conn {
	sqlite3 *sqlite;   /* owned; NULL: closed */
	const char *path;  /* borrowed: for messages */
	const char *store; /* borrowed: whose .lock is asked; NULL: @path */
	uint64_t busy_until_ns; /* of what waits for a lock now */
	int no_locks; /* why there will be none, as an errno; 0: there may be */
	sqlite3_stmt *stmts[FLO__SQL_COUNT]; /* prepared at first use */
};

/*
 * Open @path, which has been resolved, or is a file: URI if SQLite's @flags say
 * so. @db stays where it is until it is closed.
 */
flo_status flo__conn_open(struct flo__conn *db, const char *path, int flags,
			  flo_error *err);
/* Safe on one that was never opened (all zero). */
void flo__conn_close(struct flo__conn *db);

/* Run statements without parameters. */
flo_status flo__conn_exec(struct flo__conn *db, const char *sql,
			  flo_error *err);
/* The value of a pragma or another query that gives one integer. */
flo_status flo__conn_int(struct flo__conn *db, const char *sql, flo_error *err,
			 int64_t *ret);

/* A statement ready to bind: borrowed; give it back with flo__conn_done(). */
flo_status flo__conn_get(struct flo__conn *db, enum flo__sql which,
			 flo_error *err, sqlite3_stmt **ret_stmt);
/* Step: *@ret_row tells whether there is a row. */
flo_status flo__conn_step(struct flo__conn *db, sqlite3_stmt *stmt,
			  flo_error *err, bool *ret_row);
/* Step a statement that gives no rows, then reset it. */
flo_status flo__conn_run(struct flo__conn *db, sqlite3_stmt *stmt,
			 flo_error *err);
/* Reset and forget what was bound. NULL is allowed. */
void flo__conn_done(sqlite3_stmt *stmt);

/*
 * Say what SQLite's @rc means for the store and what a person can do.
 * FLO_FULL, FLO_READONLY, FLO_CORRUPT, FLO_BUSY, FLO_NOMEM, FLO_LIMIT,
 * FLO_SYSTEM, else FLO_STORE.
 */
flo_status flo__conn_error(struct flo__conn *db, int rc, flo_error *err);

/* --- schema.c --- */

/* The id of event @seq of the run in row @row. */
#define FLO__EVENT_ID(row, seq) ((int64_t)(row) << 32 | (int64_t)(seq))
#define FLO__EVENT_SEQ_MAX	UINT32_MAX
#define FLO__RUN_ROW_MAX	INT32_MAX

/* Whether the file is ours and of a version we know. Reads only. */
flo_status flo__schema_check(struct flo__conn *db, flo_error *err,
			     int *ret_version);
/* Bring a file to the version we write. Requires: the right to write. */
flo_status flo__schema_migrate(struct flo__conn *db, flo_error *err);
#define FLO__SCHEMA_VERSION 2

/* --- path.c --- */

/* @path made absolute and free of symbolic links; the file need not exist. */
flo_status flo__path_resolve(const char *path, bool make_dirs, flo_error *err,
			     char **ret_path);
/* @path with @suffix; NULL without memory. */
char *flo__path_with(const char *path, const char *suffix);
/* Make a directory, 0700, if it is not there. */
flo_status flo__path_mkdir(const char *path, flo_error *err);
/* Make the name @path durable: sync the directory it stands in. Blocks. */
flo_status flo__path_sync(const char *path, flo_error *err);

/* --- chain.c --- */

struct flo__run_record;

/* Bytes in front of an event's JSON, so that one call hashes both. */
#define FLO__CHAIN_PREFIX (FLO__HASH_SIZE + 8)

/* The first link: of what is pinned in the run. */
flo_status flo__chain_begin(const struct flo__run_record *record,
			    uint8_t ret_hash[FLO__HASH_SIZE]);
/*
 * The link of event @seq. @mem is FLO__CHAIN_PREFIX bytes, which this call
 * fills, and then @len bytes of JSON.
 */
void flo__chain_next(uint8_t *mem, size_t len, uint64_t seq,
		     uint8_t hash[FLO__HASH_SIZE]);

#endif
