#include "storage/conn_p.h"

#include "base/contract.h"
#include "base/time.h"
#include "storage/lease_p.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>

#define RUN_COLUMNS                                                            \
	"run, id, trace_id, parent_span, pipeline, file, dir, params,"         \
	" step_limit, created_us, status, started_us, finished_us,"            \
	" finished_json"

static const char *const texts[] = {
	[FLO__SQL_BEGIN] = "BEGIN IMMEDIATE",
	[FLO__SQL_COMMIT] = "COMMIT",
	[FLO__SQL_ROLLBACK] = "ROLLBACK",
	[FLO__SQL_RUN_INSERT] =
		"INSERT INTO runs (id, trace_id, parent_span, pipeline, file,"
		" dir, text, params, step_limit, created_us, status)"
		" VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
	[FLO__SQL_RUN_STARTED] = "UPDATE runs SET status = ?2, started_us = ?3"
				 " WHERE run = ?1 AND started_us = 0",
	[FLO__SQL_RUN_FINISHED] =
		"UPDATE runs SET status = ?2, finished_us = ?3,"
		" finished_json = ?4 WHERE run = ?1",
	[FLO__SQL_RUN_BY_ID] =
		"SELECT " RUN_COLUMNS ", text FROM runs WHERE id = ?1",
	[FLO__SQL_RUN_ENDED] = "SELECT finished_us FROM runs WHERE run = ?1",
	[FLO__SQL_RUN_STATE] =
		"SELECT status, started_us, finished_us, finished_json"
		" FROM runs WHERE run = ?1",
	[FLO__SQL_RUN_PREFIX] =
		"SELECT id FROM runs WHERE id >= ?1 ORDER BY id LIMIT ?2",
	[FLO__SQL_RUN_PAGE] = "SELECT " RUN_COLUMNS " FROM runs WHERE run < ?1"
			      " ORDER BY run DESC LIMIT ?2",
	[FLO__SQL_LEASE_TAKE] =
		"INSERT INTO leases (run, owner, boot_id, pid, starttime,"
		" epoch) VALUES (?1, ?2, ?3, ?4, ?5, 1)"
		" ON CONFLICT (run) DO UPDATE SET owner = ?2, boot_id = ?3,"
		" pid = ?4, starttime = ?5, epoch = epoch + 1"
		" RETURNING epoch",
	[FLO__SQL_LEASE_CHECK] =
		"SELECT 1 FROM leases"
		" WHERE run = ?1 AND owner = ?2 AND epoch = ?3",
	[FLO__SQL_LEASE_OWNER] =
		"SELECT boot_id, pid, starttime FROM leases WHERE run = ?1",
	[FLO__SQL_LEASE_DROP] = "DELETE FROM leases WHERE run = ?1",
	[FLO__SQL_REQUEST_PUT] =
		"INSERT INTO requests (run, kind, why, at_us)"
		" VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
	[FLO__SQL_REQUEST_LIST] =
		"SELECT kind, why FROM requests WHERE run = ?1 ORDER BY kind",
	[FLO__SQL_REQUEST_DROP] = "DELETE FROM requests WHERE run = ?1",
	[FLO__SQL_DATA_VERSION] = "PRAGMA data_version",
	[FLO__SQL_EVENT_INSERT] =
		"INSERT INTO events (id, kind, path, attempt, ts_us, state,"
		" body, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
	[FLO__SQL_EVENT_WALK] =
		"SELECT id & 4294967295, kind, body, hash FROM events"
		" WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
	[FLO__SQL_INTEGRITY] = "PRAGMA integrity_check(20)",
	[FLO__SQL_VERSION] = "PRAGMA user_version",
	/* the same twice, from the table and from its index: where one of the
	   two is damaged, the other still has the names */
	[FLO__SQL_RUN_IDS] = "SELECT run, id FROM runs NOT INDEXED",
	[FLO__SQL_RUN_IDS_INDEXED] =
		"SELECT run, id FROM runs INDEXED BY sqlite_autoindex_runs_1",
	[FLO__SQL_RUN_COUNTS] =
		"SELECT (SELECT count(*) FROM runs NOT INDEXED),"
		" (SELECT count(*) FROM runs"
		" INDEXED BY sqlite_autoindex_runs_1)",
	[FLO__SQL_RUN_BRIEF] =
		"SELECT run, status, finished_us FROM runs WHERE id = ?1",
	[FLO__SQL_RUN_DELETE] = "DELETE FROM runs WHERE run = ?1",
	[FLO__SQL_REQUEST_STALE] =
		"SELECT count(*) FROM requests WHERE run NOT IN"
		" (SELECT run FROM runs WHERE finished_us = 0)",
	[FLO__SQL_REQUEST_SWEEP] =
		"DELETE FROM requests WHERE run NOT IN"
		" (SELECT run FROM runs WHERE finished_us = 0)",
	[FLO__SQL_LEASE_SWEEP] = "DELETE FROM leases WHERE run NOT IN"
				 " (SELECT run FROM runs)",
	[FLO__SQL_EVENT_NEXT] = "SELECT id >> 32 FROM events WHERE id >= ?1"
				" ORDER BY id LIMIT 1",
	[FLO__SQL_EVENT_LAST] = "SELECT max(id) >> 32 FROM events WHERE ?1 = 0",
	[FLO__SQL_EVENT_TIME] =
		"SELECT ts_us FROM events WHERE id BETWEEN ?1 AND ?2"
		" ORDER BY id DESC LIMIT 1",
	[FLO__SQL_RUN_FROM] = "SELECT min(run) FROM runs WHERE run >= ?1",
	[FLO__SQL_EVENT_DELETE] =
		"DELETE FROM events WHERE id IN (SELECT id FROM events"
		" WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)",
	[FLO__SQL_FREE_BYTES] = "SELECT freelist_count * page_size"
				" FROM pragma_freelist_count, pragma_page_size",
};

_Static_assert(sizeof(texts) / sizeof(texts[0]) == FLO__SQL_COUNT,
	       "a text for each statement");

/*
 * Note: what SQLite takes for busy
 *
 * ENOLCK is one of the errors for which SQLite says SQLITE_BUSY, since NFS gives
 * it at random, and of locks in the WAL's index it takes all errors so; which it
 * was is forgotten by then. Where a file system has no locks we would wait a
 * minute, and then tell of another program that holds one. So while we wait we
 * ask for a lock of our own, which nobody else can hold.
 */
static const char *store_of(const struct flo__conn *db)
{
	return db->store != NULL ? db->store : db->path;
}

/* SQLite asks whether to try again for the lock. */
static int on_busy(void *arg, int tries)
{
	static const uint8_t pauses_ms[] = {1, 2, 5, 10, 15, 20, 25, 50, 100};
	const int last = sizeof(pauses_ms) - 1;
	struct flo__conn *db = arg;
	uint64_t now = flo__time_mono_ns();
	struct timespec pause = {
		.tv_nsec = (long)(pauses_ms[tries < last ? tries : last] *
				  FLO__NS_PER_MS)};

	if (tries == 0)
		db->busy_until_ns = now + FLO__BUSY_TIMEOUT_MS * FLO__NS_PER_MS;
	db->no_locks = flo__lock_probe(store_of(db));
	if (db->no_locks != 0 || now >= db->busy_until_ns)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

flo_status flo__conn_open(struct flo__conn *db, const char *path, int flags,
			  flo_error *err)
{
	int rc;

	REQUIRE(db->sqlite == NULL && db->path != NULL);
	rc = sqlite3_open_v2(path, &db->sqlite,
			     flags | SQLITE_OPEN_NOMUTEX |
				     SQLITE_OPEN_EXRESCODE |
				     SQLITE_OPEN_PRIVATECACHE,
			     NULL);
	if (db->sqlite == NULL)
		return flo_error_set(err, FLO_NOMEM, "%s",
				     flo_status_text(FLO_NOMEM));
	if (rc != SQLITE_OK)
		return flo__conn_error(db, rc, err);
	sqlite3_busy_handler(db->sqlite, on_busy, db);
	/* the file is not trusted: no functions or tables of extensions
	   through its schema, no schema written by hand */
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	return FLO_OK;
}

void flo__conn_close(struct flo__conn *db)
{
	int rc;

	for (int i = 0; i < FLO__SQL_COUNT; i++) {
		sqlite3_finalize(db->stmts[i]);
		db->stmts[i] = NULL;
	}
	rc = sqlite3_close(db->sqlite);
	INSIST(rc != SQLITE_BUSY); /* a statement was left behind */
	db->sqlite = NULL;
}

flo_status flo__conn_exec(struct flo__conn *db, const char *sql, flo_error *err)
{
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? FLO_OK : flo__conn_error(db, rc, err);
}

flo_status flo__conn_int(struct flo__conn *db, const char *sql, flo_error *err,
			 int64_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st = FLO_OK;
	int rc;

	rc = sqlite3_prepare_v2(db->sqlite, sql, -1, &stmt, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(stmt, 0);
	else if (rc != SQLITE_DONE)
		st = flo__conn_error(db, rc, err);
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo__conn_get(struct flo__conn *db, enum flo__sql which,
			 flo_error *err, sqlite3_stmt **ret_stmt)
{
	int rc = SQLITE_OK;

	REQUIRE(which < FLO__SQL_COUNT && db->sqlite != NULL);
	if (db->stmts[which] == NULL)
		rc = sqlite3_prepare_v3(db->sqlite, texts[which], -1,
					SQLITE_PREPARE_PERSISTENT,
					&db->stmts[which], NULL);
	if (rc != SQLITE_OK)
		return flo__conn_error(db, rc, err);
	*ret_stmt = db->stmts[which];
	ENSURE(*ret_stmt != NULL);
	return FLO_OK;
}

flo_status flo__conn_step(struct flo__conn *db, sqlite3_stmt *stmt,
			  flo_error *err, bool *ret_row)
{
	int rc = sqlite3_step(stmt);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return flo__conn_error(db, rc, err);
	*ret_row = rc == SQLITE_ROW;
	return FLO_OK;
}

flo_status flo__conn_run(struct flo__conn *db, sqlite3_stmt *stmt,
			 flo_error *err)
{
	bool row = false;
	flo_status st = flo__conn_step(db, stmt, err, &row);

	sqlite3_reset(stmt);
	return st;
}

void flo__conn_done(sqlite3_stmt *stmt)
{
	if (stmt == NULL)
		return;
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
}

/* A full disk can look like an I/O error: of -shm, or over a quota. */
static bool disk_is_full(struct flo__conn *db, int rc)
{
	struct statvfs fs;
	int sys = sqlite3_system_errno(db->sqlite);

	if ((rc & 0xff) == SQLITE_FULL || sys == ENOSPC || sys == EDQUOT)
		return true;
	return rc == SQLITE_IOERR_SHMSIZE && statvfs(db->path, &fs) == 0 &&
	       fs.f_bavail == 0;
}

static flo_status sqlite_status(struct flo__conn *db, int rc)
{
	if (((rc & 0xff) == SQLITE_FULL || (rc & 0xff) == SQLITE_IOERR) &&
	    disk_is_full(db, rc))
		return FLO_FULL;
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return FLO_NOMEM;
	case SQLITE_READONLY:
		return FLO_READONLY;
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		return FLO_CORRUPT;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return FLO_BUSY;
	case SQLITE_TOOBIG:
		return FLO_LIMIT;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return FLO_SYSTEM;
	default:
		return rc == SQLITE_IOERR_NOMEM ? FLO_NOMEM : FLO_STORE;
	}
}

/* The text in two halves around the path, and what helps. */
struct advice {
	const char *before;
	const char *after;
};

static struct advice advice(flo_status status, int rc)
{
	switch (status) {
	case FLO_FULL:
		return (struct advice){"the disk holding ",
				       " is full; free some space and try "
				       "again"};
	case FLO_READONLY:
		return (struct advice){"",
				       " cannot be written: it or its file "
				       "system is read-only; name another file "
				       "with --store"};
	case FLO_CORRUPT:
		if ((rc & 0xff) == SQLITE_NOTADB)
			return (struct advice){"",
					       " is not a flowctl store (no "
					       "SQLite database at all); name "
					       "another file with --store"};
		return (struct advice){"", " is damaged; restore it from a "
					   "copy, or name another file with "
					   "--store"};
	case FLO_BUSY:
		return (struct advice){"another program holds a lock on ",
				       " and does not let go; end it and try "
				       "again"};
	case FLO_NOMEM:
		return (struct advice){"out of memory while using ", ""};
	case FLO_LIMIT:
		return (struct advice){"too large for a record of ", ""};
	case FLO_SYSTEM:
		return (struct advice){"cannot open ",
				       "; check its permissions and those of "
				       "its directory"};
	default:
		return (struct advice){"the store ",
				       " failed; check the disk it lies on"};
	}
}

/* Whether it was for want of locks. Not every wait of SQLite's asks on_busy(). */
static bool has_no_locks(struct flo__conn *db, int rc)
{
	if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_PROTOCOL)
		return false;
	if (db->no_locks == 0)
		db->no_locks = flo__lock_probe(store_of(db));
	return db->no_locks != 0;
}

flo_status flo__conn_error(struct flo__conn *db, int rc, flo_error *err)
{
	flo_status status = sqlite_status(db, rc);
	struct advice text = advice(status, rc);
	int sys = sqlite3_system_errno(db->sqlite);

	if (has_no_locks(db, rc))
		return flo__lock_none(store_of(db), db->no_locks, err);
	if (err == NULL || err->status != FLO_OK)
		return status;
	flo_error_set(err, status, "%s%s%s (%s%s%s)", text.before, db->path,
		      text.after, sqlite3_errstr(rc), sys != 0 ? ": " : "",
		      sys != 0 ? strerror(sys) : "");
	err->code = rc;
	return status;
}
