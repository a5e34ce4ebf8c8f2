#include "steps/cmdb/db.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "steps/args.h"
#include "steps/cmdb/schema.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* How long another writer may take: it may be loading a million records. */
#define LOCK_WAIT_MAX_NS   (600 * FLO__NS_PER_S)
#define LOCK_WAIT_HASTY_NS FLO__NS_PER_S

/* Pages that a commit may leave in the WAL: 16 MB. */
#define WAL_PAGES 4096

/* Virtual machine steps of SQLite between two looks at the context. */
#define PROGRESS_STEPS 20000

/*
 * SQLite says the same of a file that may not be written and of one beside
 * which nothing may be: the WAL is a file of its own.
 */
static flo_status fail_readonly(const struct flo__cdb *db, flo_error *err)
{
	const char *dir;
	int len = flo__cdb_dir(db->path, &dir);
	char text[1024];

	snprintf(text, sizeof(text), "%.*s", len, dir);
	if (access(db->path, W_OK) != 0 || access(text, W_OK | X_OK) == 0)
		return flo_error_set(err, FLO_READONLY,
				     "%s: attempt to write a readonly "
				     "database; make it writable",
				     db->path);
	return flo_error_set(err, FLO_READONLY,
			     "%s: its directory %s may not be written, and "
			     "SQLite makes files beside it (%s-wal); make the "
			     "directory writable",
			     db->path, text, db->path);
}

static flo_status fail(struct flo__cdb *db, int rc, flo_error *err)
{
	static const struct {
		int rc;
		flo_status st;
		const char *hint;
	} known[] = {
		{SQLITE_NOMEM, FLO_NOMEM, ""},
		{SQLITE_FULL, FLO_FULL, "; make room on its disk"},
		{SQLITE_CORRUPT, FLO_CORRUPT, "; restore it from a backup"},
		{SQLITE_NOTADB, FLO_VERSION, "; choose another \"db\""},
		{SQLITE_IOERR, FLO_IO, ""},
		{SQLITE_CANTOPEN, FLO_SYSTEM,
		 "; does its directory exist, and may it be written?"},
		{SQLITE_BUSY, FLO_BUSY,
		 "; another process has been writing for ten minutes"},
	};
	flo_status st = FLO_STORE;
	const char *hint = "";

	if (!db->deaf && flo__args_ended(db->call, NULL) != FLO_OK)
		return flo__args_ended(db->call, err);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].rc == (rc & 0xff)) {
			st = known[i].st;
			hint = known[i].hint;
		}
	}
	if (err != NULL && err->status == FLO_OK)
		err->code = rc;
	if ((rc & 0xff) == SQLITE_READONLY)
		return fail_readonly(db, err);
	return flo_error_set(err, st, "%s: %s%s", db->path,
			     db->sql != NULL ? sqlite3_errmsg(db->sql)
					     : sqlite3_errstr(rc),
			     hint);
}

flo_status flo__cdb_alive(struct flo__cdb *db, flo_error *err)
{
	return db->deaf ? FLO_OK : flo__args_ended(db->call, err);
}

/* SQLite asks whether to try again for the lock. */
static int on_busy(void *arg, int tries)
{
	struct flo__cdb *db = arg;
	uint64_t now = flo__time_mono_ns();
	uint64_t max = db->hasty ? LOCK_WAIT_HASTY_NS : LOCK_WAIT_MAX_NS;
	struct timespec pause = {.tv_nsec = 1000000};

	if (tries == 0)
		db->busy_since_ns = now;
	if (db->at_once || flo__cdb_alive(db, NULL) != FLO_OK ||
	    now - db->busy_since_ns > max)
		return 0;
	if (tries > 10)
		pause.tv_nsec = 5000000;
	nanosleep(&pause, NULL);
	return 1;
}

static int on_progress(void *arg)
{
	return flo__cdb_alive(arg, NULL) != FLO_OK;
}

/* Open and make */

static flo_status read_number(struct flo__cdb *db, const char *sql,
			      flo_error *err, int64_t *ret_n)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st = flo__cdb_row(db, err, &stmt, sql, "");

	if (st == FLO_OK)
		*ret_n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return st;
}

/* What the file is: 0 if it is new, else its version. */
static flo_status read_version(struct flo__cdb *db, flo_error *err,
			       int64_t *ret_version)
{
	int64_t application = 0, version = 0, tables = 0;
	flo_status st;

	TRY(read_number(db, "PRAGMA application_id", err, &application));
	TRY(read_number(db, "PRAGMA user_version", err, &version));
	TRY(read_number(db, "SELECT count(*) FROM sqlite_schema", err,
			&tables));
	if (application != FLO__CDB_APPLICATION &&
	    (application != 0 || version != 0 || tables != 0))
		return flo_error_set(err, FLO_VERSION,
				     "%s is a SQLite file, but not a CMDB; "
				     "choose another \"db\"",
				     db->path);
	if (version < 0)
		return flo_error_set(err, FLO_CORRUPT,
				     "%s says that it has format %lld; restore "
				     "it from a backup",
				     db->path, (long long)version);
	if (version > FLO__CDB_VERSION)
		return flo_error_set(err, FLO_VERSION,
				     "%s was written by a newer version "
				     "(format %lld, this one knows %d); "
				     "upgrade flowctl",
				     db->path, (long long)version,
				     FLO__CDB_VERSION);
	*ret_version = version;
out:
	return st;
}

static flo_status exec(struct flo__cdb *db, const char *sql, flo_error *err)
{
	int rc = sqlite3_exec(db->sql, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? FLO_OK : fail(db, rc, err);
}

/*
 * SQLite gives SQLITE_BUSY at once where two connections change to WAL
 * together, as waiting could be a deadlock; so the wait is here.
 */
static flo_status set_wal(struct flo__cdb *db, flo_error *err)
{
	int tries = 0;
	int rc;

	do
		rc = sqlite3_exec(db->sql, "PRAGMA journal_mode=WAL", NULL,
				  NULL, NULL);
	while ((rc & 0xff) == SQLITE_BUSY && on_busy(db, tries++));
	return rc == SQLITE_OK ? FLO_OK : fail(db, rc, err);
}

/* Make the tables of a new file, or bring an older one's up to date. */
static flo_status migrate(struct flo__cdb *db, flo_error *err)
{
	int64_t version = 0;
	char sql[128];
	flo_status st;

	TRY(set_wal(db, err));
	TRY(flo__cdb_write(db, true, err));
	/* Someone else may have been first. */
	TRY(read_version(db, err, &version));
	for (; version < FLO__CDB_VERSION; version++)
		TRY(exec(db, flo__cdb_migrations[version], err));
	snprintf(sql, sizeof(sql),
		 "PRAGMA application_id=%d; PRAGMA user_version=%d",
		 FLO__CDB_APPLICATION, FLO__CDB_VERSION);
	TRY(exec(db, sql, err));
	st = flo__cdb_commit(db, err);
out:
	if (st != FLO_OK)
		flo__cdb_rollback(db);
	return st;
}

/* @path so that SQLite takes it for no name of its own (":memory:"); NULL: out
 * of memory. */
static char *plain_path(const char *path)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *plain;

	flo__strbuf_addf(&sb, "%s%s", path[0] == ':' ? "./" : "", path);
	plain = flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	return plain;
}

/* Connect to the file @name, which is db->path or an URI of it. */
static flo_status connect(struct flo__cdb *db, const char *name, int flags,
			  flo_error *err)
{
	flo_status st;
	int rc;

	rc = sqlite3_open_v2(name, &db->sql,
			     flags | SQLITE_OPEN_NOMUTEX |
				     SQLITE_OPEN_PRIVATECACHE,
			     NULL);
	if (rc != SQLITE_OK)
		return fail(db, rc, err);
	sqlite3_extended_result_codes(db->sql, 1);
	sqlite3_busy_handler(db->sql, on_busy, db);
	sqlite3_progress_handler(db->sql, PROGRESS_STEPS, on_progress, db);
	TRY(exec(db,
		 "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
		 /* Debian's SQLite writes over each page that is released. */
		 "PRAGMA secure_delete=FAST;"
		 "PRAGMA cache_size=-16384; PRAGMA temp_store=MEMORY",
		 err));
	flo__cdb_keep_wal_short(db);
	st = read_version(db, err, &db->format);
out:
	return st;
}

/* What is empty becomes a CMDB by a step alone. */
static flo_status check_empty(struct flo__cdb *db, flo_error *err)
{
	if (db->format != 0 || db->call != NULL)
		return FLO_OK;
	return flo_error_set(err, FLO_NOTFOUND, "%s has no tables", db->path);
}

/* Open it for writing, and make it what this version writes. */
static flo_status open_to_write(struct flo__cdb *db, flo_error *err)
{
	flo_status st;

	TRY(connect(db, db->path, SQLITE_OPEN_READWRITE, err));
	TRY(check_empty(db, err));
	if (db->format < FLO__CDB_VERSION)
		st = migrate(db, err);
out:
	return st;
}

/* A file: URI that opens @path as it lies on the disk. */
static char *immutable_uri(const char *path)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *uri;

	flo__strbuf_adds(&sb, "file:");
	for (; *path != '\0'; path++) {
		if (strchr("%?#", *path) != NULL)
			flo__strbuf_addf(&sb, "%%%02X", (unsigned char)*path);
		else
			flo__strbuf_addc(&sb, *path);
	}
	flo__strbuf_adds(&sb, "?immutable=1");
	uri = flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	return uri;
}

/* Whether PATH-wal holds anything; true too if that cannot be known. */
static bool has_wal(const char *path)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct stat info;
	bool has = true;

	flo__strbuf_addf(&sb, "%s-wal", path);
	if (!sb.failed)
		has = stat(sb.data, &info) == 0 ? info.st_size != 0
						: errno != ENOENT;
	flo__strbuf_fini(&sb);
	return has;
}

/*
 * SQLite's WAL wants to write a little even for readers (PATH-shm). Where it
 * may not, the database alone is all there is, if no WAL goes with it.
 */
static flo_status open_immutable(struct flo__cdb *db, flo_error *err)
{
	char *uri;
	flo_status st;

	INSIST(sqlite3_close(db->sql) == SQLITE_OK);
	db->sql = NULL;
	if (has_wal(db->path))
		return flo_error_set(
			err, FLO_READONLY,
			"%s has changes in %s-wal that cannot be read without "
			"writing beside it; allow that once, or copy both "
			"files elsewhere",
			db->path, db->path);
	uri = immutable_uri(db->path);
	if (uri == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = connect(db, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
	flo__free(uri);
	return st;
}

static flo_status open_to_read(struct flo__cdb *db, flo_error *err)
{
	flo_error why = FLO_ERROR_INIT;
	flo_status st = connect(db, db->path, SQLITE_OPEN_READONLY, &why);

	if (st == FLO_SYSTEM || st == FLO_READONLY || st == FLO_FULL)
		st = open_immutable(db, err);
	else if (st != FLO_OK)
		flo_error_set(err, st, "%s", why.text);
	return st == FLO_OK ? check_empty(db, err) : st;
}

/* What comes first, last and on failure, whoever opens it how. */
static flo_status new_db(const flo_step_call *call, char *path, flo_error *err,
			 struct flo__cdb **ret_db)
{
	struct flo__cdb *db = flo__calloc(1, sizeof(*db));

	if (db == NULL || path == NULL) {
		flo__free(db);
		flo__free(path);
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	db->call = call;
	db->deaf = call == NULL;
	db->path = path;
	*ret_db = db;
	return FLO_OK;
}

flo_status flo__cdb_open(const flo_step_call *call, const char *path,
			 flo_error *err, struct flo__cdb **ret_db)
{
	struct flo__cdb *db = NULL;
	flo_status st = new_db(call, flo__args_path(call, path), err, &db);

	if (st != FLO_OK)
		return st;
	st = flo__cdb_make_file(db->path, err);
	if (st == FLO_OK)
		st = open_to_write(db, err);
	if (st == FLO_OK)
		*ret_db = db;
	else
		flo__cdb_close(db);
	return st;
}

flo_status flo__cdb_open_file(const char *path, bool writes, flo_error *err,
			      struct flo__cdb **ret_db)
{
	struct flo__cdb *db = NULL;
	struct stat info;
	flo_status st = new_db(NULL, plain_path(path), err, &db);

	if (st != FLO_OK)
		return st;
	if (stat(path, &info) != 0 || access(path, R_OK) != 0)
		st = flo_error_sys(err, errno, "%s", path);
	else if (S_ISDIR(info.st_mode))
		st = flo_error_sys(err, EISDIR, "%s", path);
	else if (info.st_size == 0)
		st = flo_error_set(err, FLO_NOTFOUND, "%s is an empty file",
				   path);
	else
		st = writes ? open_to_write(db, err) : open_to_read(db, err);
	if (st == FLO_OK)
		*ret_db = db;
	else
		flo__cdb_close(db);
	return st;
}

flo_status flo__cdb_open_beside(const struct flo__cdb *db, flo_error *err,
				struct flo__cdb **ret_db)
{
	struct flo__cdb *beside = NULL;
	flo_status st;

	st = new_db(db->call, flo__strdup(db->path), err, &beside);
	if (st != FLO_OK)
		return st;
	beside->deaf = db->deaf;
	beside->at_once = true;
	st = connect(beside, beside->path, SQLITE_OPEN_READWRITE, err);
	/* It is to go through pages once, and not to keep them. */
	if (st == FLO_OK)
		st = exec(beside, "PRAGMA cache_size=-1024", err);
	if (st == FLO_OK)
		*ret_db = beside;
	else
		flo__cdb_close(beside);
	return st;
}

void flo__cdb_close(struct flo__cdb *db)
{
	if (db == NULL)
		return;
	flo__cdb_rollback(db);
	/* Every statement is finalised by whoever prepared it. */
	INSIST(sqlite3_close(db->sql) == SQLITE_OK);
	flo__free(db->path);
	flo__free(db);
}

void flo__cdb_keep_wal_short(struct flo__cdb *db)
{
	(void)sqlite3_wal_autocheckpoint(db->sql, WAL_PAGES);
}

/* Transactions */

flo_status flo__cdb_read(struct flo__cdb *db, flo_error *err)
{
	return exec(db, "BEGIN", err);
}

flo_status flo__cdb_write(struct flo__cdb *db, bool durable, flo_error *err)
{
	/* It cannot be changed within a transaction. */
	return exec(db,
		    durable ? "PRAGMA synchronous=FULL; BEGIN IMMEDIATE"
			    : "PRAGMA synchronous=NORMAL; BEGIN IMMEDIATE",
		    err);
}

flo_status flo__cdb_write_now(struct flo__cdb *db, flo_error *err)
{
	flo_error busy = FLO_ERROR_INIT;
	flo_status st;

	db->at_once = true;
	st = flo__cdb_write(db, false, &busy);
	db->at_once = false;
	if (st != FLO_OK && st != FLO_BUSY)
		*err = busy;
	return st;
}

flo_status flo__cdb_commit(struct flo__cdb *db, flo_error *err)
{
	return exec(db, "COMMIT", err);
}

void flo__cdb_rollback(struct flo__cdb *db)
{
	bool deaf;

	if (db == NULL || db->sql == NULL || sqlite3_get_autocommit(db->sql))
		return;
	deaf = db->deaf;
	db->deaf = true;
	(void)exec(db, "ROLLBACK", NULL);
	db->deaf = deaf;
}

/* Statements */

flo_status flo__cdb_prepare(struct flo__cdb *db, const char *sql,
			    flo_error *err, sqlite3_stmt **ret)
{
	int rc = sqlite3_prepare_v2(db->sql, sql, -1, ret, NULL);

	return rc == SQLITE_OK ? FLO_OK : fail(db, rc, err);
}

static int bind_one(sqlite3_stmt *stmt, int i, char type, va_list *args)
{
	const struct flo__digest *digest;
	const void *bytes;

	switch (type) {
	case 'i':
		return sqlite3_bind_int64(stmt, i, va_arg(*args, int64_t));
	case 't':
		return sqlite3_bind_text(stmt, i, va_arg(*args, const char *),
					 -1, SQLITE_STATIC);
	case 'd':
		digest = va_arg(*args, const struct flo__digest *);
		return sqlite3_bind_blob(stmt, i, digest, sizeof(*digest),
					 SQLITE_STATIC);
	default:
		INSIST(type == 'b' || type == 's');
		bytes = va_arg(*args, const void *);
		if (type == 's')
			return sqlite3_bind_text64(stmt, i, bytes,
						   va_arg(*args, size_t),
						   SQLITE_STATIC, SQLITE_UTF8);
		return sqlite3_bind_blob64(stmt, i, bytes,
					   va_arg(*args, size_t),
					   SQLITE_STATIC);
	}
}

static flo_status bind_all(struct flo__cdb *db, sqlite3_stmt *stmt,
			   flo_error *err, const char *types, va_list *args)
{
	for (int i = 1; types[i - 1] != '\0'; i++) {
		int rc = bind_one(stmt, i, types[i - 1], args);

		if (rc != SQLITE_OK)
			return fail(db, rc, err);
	}
	return FLO_OK;
}

flo_status flo__cdb_bind(struct flo__cdb *db, sqlite3_stmt *stmt,
			 flo_error *err, const char *types, ...)
{
	va_list args;
	flo_status st;

	va_start(args, types);
	st = bind_all(db, stmt, err, types, &args);
	va_end(args);
	return st;
}

flo_status flo__cdb_step(struct flo__cdb *db, sqlite3_stmt *stmt,
			 flo_error *err, bool *ret_row)
{
	int rc = sqlite3_step(stmt);

	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		return fail(db, rc, err);
	*ret_row = rc == SQLITE_ROW;
	return FLO_OK;
}

flo_status flo__cdb_done(struct flo__cdb *db, sqlite3_stmt *stmt,
			 flo_error *err)
{
	bool row = false;
	flo_status st = flo__cdb_step(db, stmt, err, &row);

	/* What a reset reports again is the error that step has told. */
	sqlite3_reset(stmt);
	return st;
}

flo_status flo__cdb_run(struct flo__cdb *db, flo_error *err, const char *sql,
			const char *types, ...)
{
	sqlite3_stmt *stmt = NULL;
	va_list args;
	flo_status st;

	st = flo__cdb_prepare(db, sql, err, &stmt);
	if (st != FLO_OK)
		return st;
	va_start(args, types);
	st = bind_all(db, stmt, err, types, &args);
	va_end(args);
	if (st == FLO_OK)
		st = flo__cdb_done(db, stmt, err);
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo__cdb_row(struct flo__cdb *db, flo_error *err, sqlite3_stmt **ret,
			const char *sql, const char *types, ...)
{
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	va_list args;
	flo_status st;

	st = flo__cdb_prepare(db, sql, err, &stmt);
	if (st != FLO_OK)
		return st;
	va_start(args, types);
	st = bind_all(db, stmt, err, types, &args);
	va_end(args);
	if (st == FLO_OK)
		st = flo__cdb_step(db, stmt, err, &row);
	if (st == FLO_OK && !row)
		st = FLO_NOTFOUND;
	if (st == FLO_OK)
		*ret = stmt;
	else
		sqlite3_finalize(stmt);
	return st;
}

const char *flo__cdb_text(sqlite3_stmt *stmt, int column)
{
	const unsigned char *text = sqlite3_column_text(stmt, column);

	return text != NULL ? (const char *)text : "";
}

bool flo__cdb_digest(sqlite3_stmt *stmt, int column, struct flo__digest *ret)
{
	const void *bytes = sqlite3_column_blob(stmt, column);

	if (bytes == NULL ||
	    sqlite3_column_bytes(stmt, column) != (int)sizeof(*ret))
		return false;
	memcpy(ret, bytes, sizeof(*ret));
	return true;
}
