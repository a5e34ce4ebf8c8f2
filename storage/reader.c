/*
 * Reading a store: connections of their own, which see what is committed.
 *
 * Whether a run lives is a question to the kernel, not to a row: its byte in
 * PATH.lock is held, or not. The answer and the row are two looks at a moving
 * world, so the order matters: a row that has not ended and whose byte is free
 * is read again; if it still has not ended, nobody was going on with it.
 */
#include "storage/store_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- open and close --- */

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
	char *wal = flo__path_with(path, "-wal");
	struct stat info;
	bool has;

	if (wal == NULL)
		return true;
	has = stat(wal, &info) == 0 ? info.st_size != 0 : errno != ENOENT;
	flo__free(wal);
	return has;
}

static flo_status connect(struct flo__reader *reader, const char *name,
			  int flags, flo_error *err, int *ret_version)
{
	flo_status st;

	TRY(flo__conn_open(&reader->db, name, SQLITE_OPEN_READONLY | flags,
			   err));
	TRY(flo__schema_check(&reader->db, err, ret_version));
out:
	if (st != FLO_OK)
		flo__conn_close(&reader->db);
	return st;
}

/*
 * SQLite's WAL wants to write a little even for readers (PATH-shm). Where it
 * may not, or cannot on a full disk, the database alone is all there is, if no WAL goes with it.
 */
static flo_status connect_immutable(struct flo__reader *reader, flo_error *err,
				    int *ret_version)
{
	char *uri;
	flo_status st;

	if (has_wal(reader->path))
		return flo_error_set(
			err, FLO_READONLY,
			"%s has changes in %s-wal that cannot be read without "
			"writing beside it; allow that once, or copy both "
			"files elsewhere",
			reader->path, reader->path);
	uri = immutable_uri(reader->path);
	if (uri == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = connect(reader, uri, SQLITE_OPEN_URI, err, ret_version);
	flo__free(uri);
	return st;
}

static flo_status connect_any(struct flo__reader *reader, flo_error *err)
{
	flo_error why = FLO_ERROR_INIT;
	int version = 0;
	flo_status st;

	st = connect(reader, reader->path, SQLITE_OPEN_NOFOLLOW, &why,
		     &version);
	if (((st == FLO_SYSTEM || st == FLO_READONLY) &&
	     access(reader->path, R_OK) == 0) ||
	    (st == FLO_FULL && !has_wal(reader->path)))
		st = connect_immutable(reader, err, &version);
	else if (st != FLO_OK)
		flo_error_set(err, st, "%s", why.text);
	if (st == FLO_OK && version == 0)
		st = flo_error_set(err, FLO_NOTFOUND,
				   "there is no store at %s (an empty file)",
				   reader->path);
	return st;
}

flo_status flo__reader_open(const char *path, flo_error *err,
			    struct flo__reader **ret_reader)
{
	struct flo__reader *reader = flo__calloc(1, sizeof(*reader));
	struct stat info;
	flo_status st = FLO_NOMEM;

	if (reader == NULL)
		return flo_error_set(err, st, "%s", flo_status_text(st));
	reader->lock_fd = -1;
	TRY(flo__path_resolve(path, false, err, &reader->path));
	reader->db.path = reader->path;
	if (stat(reader->path, &info) != 0 && errno == ENOENT) {
		st = flo_error_set(err, FLO_NOTFOUND, "there is no store at %s",
				   path);
		goto out;
	}
	reader->files = flo__path_with(reader->path, ".d");
	if (reader->files == NULL) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	TRY(connect_any(reader, err));
	*ret_reader = reader;
	reader = NULL;
out:
	flo__reader_close(reader);
	return st;
}

void flo__reader_close(struct flo__reader *reader)
{
	if (reader == NULL)
		return;
	flo__conn_close(&reader->db);
	if (reader->lock_fd >= 0)
		close(reader->lock_fd);
	flo__free(reader->mem);
	flo__free(reader->files);
	flo__free(reader->path);
	flo__free(reader);
}

const char *flo__reader_files(const struct flo__reader *reader)
{
	return reader->files;
}

/* --- rows --- */

/* The columns of RUN_BY_ID and RUN_PAGE; the texts first. */
enum {
	COL_ROW,
	COL_ID,
	COL_LIMIT = 8,
	COL_CREATED,
	COL_STATUS,
	COL_STARTED,
	COL_FINISHED,
	COL_JSON,
	COL_TEXT
};

/* Copy a column to *@at, which moves on. NULL stays NULL. */
static const char *copy_text(sqlite3_stmt *stmt, int column, char **at)
{
	const void *text = sqlite3_column_text(stmt, column);
	size_t len = (size_t)sqlite3_column_bytes(stmt, column);
	char *copy = *at;

	if (text == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	*at += len + 1;
	return copy;
}

/* Whether the row has what every run has, in range. */
static bool is_sound(const struct flo__run_row *row, int status, int64_t limit)
{
	const struct flo__run_record *record = &row->record;

	return record->id != NULL && record->trace_id != NULL &&
	       record->parent_span != NULL && record->pipeline != NULL &&
	       record->file != NULL && record->dir != NULL &&
	       record->params != NULL && status > FLO__STATE_NONE &&
	       status < FLO__STATES && limit >= 0 && limit <= UINT32_MAX &&
	       (row->finished_us == 0) == (row->finished_json == NULL);
}

flo_status flo__reader_copy(struct flo__reader *reader, sqlite3_stmt *stmt,
			    flo_error *err, struct flo__run_row *ret,
			    void **ret_mem)
{
	struct flo__run_row row = {.record = {.text = NULL}};
	struct flo__run_record *record = &row.record;
	const char **slots[] = {&record->id,	      &record->trace_id,
				&record->parent_span, &record->pipeline,
				&record->file,	      &record->dir,
				&record->params};
	int columns = sqlite3_column_count(stmt);
	int status = sqlite3_column_int(stmt, COL_STATUS);
	int64_t limit = sqlite3_column_int64(stmt, COL_LIMIT);
	size_t size = 1;
	char *mem, *at;

	for (int i = 0; i < columns; i++)
		size += (size_t)sqlite3_column_bytes(stmt, i) + 1;
	mem = at = flo__malloc(size);
	if (mem == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (int i = 0; i < 7; i++)
		*slots[i] = copy_text(stmt, COL_ID + i, &at);
	row.finished_json = copy_text(stmt, COL_JSON, &at);
	if (columns > COL_TEXT) {
		record->text_len = (size_t)sqlite3_column_bytes(stmt, COL_TEXT);
		record->text = copy_text(stmt, COL_TEXT, &at);
	}
	INSIST(at <= mem + size);
	record->limit = (uint32_t)limit;
	record->created_us = sqlite3_column_int64(stmt, COL_CREATED);
	row.status = (enum flo__state)status;
	row.started_us = sqlite3_column_int64(stmt, COL_STARTED);
	row.finished_us = sqlite3_column_int64(stmt, COL_FINISHED);
	if (!is_sound(&row, status, limit) ||
	    (columns > COL_TEXT && record->text == NULL)) {
		flo_error_set(err, FLO_CORRUPT,
			      "row %lld of the runs in %s is damaged",
			      (long long)sqlite3_column_int64(stmt, COL_ROW),
			      reader->path);
		flo__free(mem);
		return FLO_CORRUPT;
	}
	*ret = row;
	*ret_mem = mem;
	return FLO_OK;
}

flo_status flo__reader_row(struct flo__reader *reader, const char *id,
			   flo_error *err, int64_t *ret_row,
			   struct flo__run_row *ret, void **ret_mem)
{
	sqlite3_stmt *stmt = NULL;
	bool found = false;
	flo_status st;

	TRY(flo__conn_get(&reader->db, FLO__SQL_RUN_BY_ID, err, &stmt));
	sqlite3_bind_text(stmt, 1, id, -1, SQLITE_STATIC);
	TRY(flo__conn_step(&reader->db, stmt, err, &found));
	if (!found) {
		st = flo_error_set(err, FLO_NOTFOUND,
				   "there is no run %s in %s; `flowctl runs` "
				   "lists those there are",
				   id, reader->path);
		goto out;
	}
	TRY(flo__reader_copy(reader, stmt, err, ret, ret_mem));
	*ret_row = sqlite3_column_int64(stmt, COL_ROW);
out:
	flo__conn_done(stmt);
	return st;
}

bool flo__reader_held(struct flo__reader *reader, int64_t row)
{
	if (reader->lock_fd < 0)
		reader->lock_fd =
			flo__lock_open(reader->path, false, NULL, NULL);
	return flo__lease_is_held(&reader->db, reader->lock_fd, row);
}

/* What is dead has no clock: its time is that of its last event. */
flo_status flo__reader_interrupted(struct flo__reader *reader, int64_t row,
				   flo_error *err, struct flo__run_row *run)
{
	sqlite3_stmt *stmt = NULL;
	bool found = false;
	flo_status st;

	run->status = FLO__STATE_INTERRUPTED;
	run->interrupted_us = run->record.created_us;
	TRY(flo__conn_get(&reader->db, FLO__SQL_EVENT_TIME, err, &stmt));
	sqlite3_bind_int64(stmt, 1, FLO__EVENT_ID(row, 0));
	sqlite3_bind_int64(stmt, 2, FLO__EVENT_ID(row, UINT32_MAX));
	TRY(flo__conn_step(&reader->db, stmt, err, &found));
	if (found)
		run->interrupted_us = sqlite3_column_int64(stmt, 0);
out:
	flo__conn_done(stmt);
	return st;
}

/* --- one run --- */

/* The id that @prefix stands for: copied to *@ret_id, which the caller frees.
 */
static flo_status find_prefix(struct flo__reader *reader, const char *prefix,
			      flo_error *err, char **ret_id)
{
	struct flo__strbuf ids = FLO__STRBUF_INIT;
	size_t len = strlen(prefix), count = 0;
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__conn_get(&reader->db, FLO__SQL_RUN_PREFIX, err, &stmt));
	sqlite3_bind_text(stmt, 1, prefix, (int)len, SQLITE_STATIC);
	sqlite3_bind_int(stmt, 2, 6);
	for (;; count++) {
		const char *id;

		TRY(flo__conn_step(&reader->db, stmt, err, &row));
		id = row ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
		if (id == NULL || strncmp(id, prefix, len) != 0)
			break;
		flo__strbuf_addf(&ids, "%s%s", count > 0 ? ", " : "",
				 count < 5 ? id : "...");
	}
	if (count > 1)
		st = flo_error_set(err, FLO_INVALID,
				   "run id %s is ambiguous: it could be %s",
				   prefix, ids.data);
	if (count == 0 || len == 0)
		st = flo_error_set(err, FLO_NOTFOUND,
				   "there is no run %s in %s; `flowctl runs` "
				   "lists those there are",
				   len == 0 ? "without a name" : prefix,
				   reader->path);
	if (st == FLO_OK) {
		*ret_id = flo__strbuf_take(&ids);
		if (*ret_id == NULL)
			st = flo_error_set(err, FLO_NOMEM, "out of memory");
	}
out:
	flo__conn_done(stmt);
	flo__strbuf_fini(&ids);
	return st;
}

/* Read a run by its exact id until row and kernel agree: at most twice. */
static flo_status read_run(struct flo__reader *reader, const char *id,
			   flo_error *err, struct flo__run_row *ret_row)
{
	bool held = false;
	int64_t row = 0;
	flo_status st;

	for (int look = 0; look < 2 && !held; look++) {
		flo__free(reader->mem);
		reader->mem = NULL;
		TRY(flo__reader_row(reader, id, err, &row, ret_row,
				    &reader->mem));
		if (ret_row->finished_us != 0)
			goto out;
		held = flo__reader_held(reader, row);
	}
	if (!held)
		st = flo__reader_interrupted(reader, row, err, ret_row);
out:
	return st;
}

flo_status flo__reader_run(struct flo__reader *reader, const char *id,
			   flo_error *err, struct flo__run_row *ret_row)
{
	flo_error miss = FLO_ERROR_INIT;
	char *whole = NULL;
	flo_status st;

	st = read_run(reader, id, &miss, ret_row);
	if (st != FLO_NOTFOUND) {
		if (st != FLO_OK)
			flo_error_set(err, st, "%s", miss.text);
		return st;
	}
	TRY(find_prefix(reader, id, err, &whole));
	TRY(read_run(reader, whole, err, ret_row));
out:
	flo__free(whole);
	return st;
}
