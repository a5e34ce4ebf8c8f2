#include "steps/cmdb/same.h"

#include "base/contract.h"
#include "steps/cmdb/staged.h"

#include <string.h>

flo_status flo__same_write(struct flo__cdb *db, int64_t id,
			   const struct flo__batch *batch, flo_error *err)
{
	struct flo__strbuf keys = FLO__STRBUF_INIT;
	flo_status st;

	for (size_t i = 0; i < batch->len; i++)
		if (batch->row[i].is == FLO__BATCH_SAME)
			flo__strbuf_add(&keys, &batch->row[i].id.key,
					sizeof(batch->row[i].id.key));
	TRY(flo__strbuf_status(&keys));
	st = flo__cdb_run(db, err, "INSERT INTO same VALUES(?1, ?2, ?3, ?4)",
			  "ibib", id, keys.data, keys.len,
			  (int64_t)batch->same.len, batch->packed.data,
			  batch->packed.len);
out:
	flo__strbuf_fini(&keys);
	return st;
}

static flo_status stage_line(struct flo__cdb *db, sqlite3_stmt *body,
			     int64_t id, const char *text, size_t len,
			     const struct flo__digest *raw,
			     struct flo__strbuf *run, flo_error *err)
{
	const struct flo__staged_row row = {.raw = *raw};
	flo_status st;

	flo__staged_add(run, &row);
	TRY(flo__cdb_bind(db, body, err, "is", id, text, len));
	st = flo__cdb_done(db, body, err);
out:
	return st;
}

/* The digest that the line at *@at begins with, which is passed over. */
static bool take_raw(const struct flo__strbuf *lines, size_t *at,
		     struct flo__digest *ret_raw)
{
	if (lines->data[*at] != FLO__SAME_RAW ||
	    lines->len - *at <= sizeof(*ret_raw) + 1)
		return false;
	memcpy(ret_raw, lines->data + *at + 1, sizeof(*ret_raw));
	*at += 1 + sizeof(*ret_raw);
	return true;
}

static flo_status stage_lines(struct flo__cdb *db, int64_t id,
			      const struct flo__strbuf *lines, flo_error *err)
{
	struct flo__strbuf run = FLO__STRBUF_INIT;
	sqlite3_stmt *body = NULL;
	int64_t next = id;
	size_t at = 0;
	flo_status st;

	TRY(flo__cdb_prepare(db, "INSERT INTO body VALUES(?1, ?2)", err,
			     &body));
	while (at < lines->len) {
		struct flo__digest raw;
		bool found = take_raw(lines, &at, &raw);
		const char *line = lines->data + at;
		const char *end = memchr(line, '\n', lines->len - at);
		size_t len;

		INSIST(end != NULL);
		len = (size_t)(end - line);
		if (!found)
			raw = flo__digest_of(line, len);
		TRY(stage_line(db, body, next++, line, len, &raw, &run, err));
		at += len + 1;
	}
	st = flo__staged_write(db, id, &run, err);
out:
	flo__strbuf_fini(&run);
	sqlite3_finalize(body);
	return st;
}

static flo_status unpack(struct flo__cdb *db, sqlite3_stmt *stmt,
			 struct flo__strbuf *lines, flo_error *err)
{
	flo_status st;

	st = flo__unpack(sqlite3_column_blob(stmt, 2),
			 (size_t)sqlite3_column_bytes(stmt, 2),
			 (size_t)sqlite3_column_int64(stmt, 1), lines);
	if (st == FLO_OK &&
	    (lines->len == 0 || lines->data[lines->len - 1] != '\n'))
		st = FLO_CORRUPT;
	if (st == FLO_CORRUPT)
		flo_error_set(
			err, st,
			"%s: records of the pull are broken; pull again: " FLO__CDB_ANEW,
			db->path);
	if (st == FLO_VERSION)
		flo_error_set(
			err, st,
			"%s: records of the pull are compressed, and this "
			"program was built without zstd; pull again: " FLO__CDB_ANEW,
			db->path);
	return st;
}

/* All of them; their number becomes the number of rows that are no hits. */
static flo_status stage_all(struct flo__cdb *db, int64_t no, flo_error *err)
{
	struct flo__strbuf lines = FLO__STRBUF_INIT;
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(db,
			     "SELECT id, size, bodies FROM same"
			     " WHERE id BETWEEN ?1 AND ?2",
			     err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "ii", flo__cdb_first(no),
			  flo__cdb_last(no)));
	for (;;) {
		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row)
			break;
		TRY(unpack(db, stmt, &lines, err));
		TRY(stage_lines(db, sqlite3_column_int64(stmt, 0), &lines,
				err));
	}
out:
	flo__strbuf_fini(&lines);
	sqlite3_finalize(stmt);
	return st;
}

static flo_status forget_all(struct flo__cdb *db, int64_t no, flo_error *err)
{
	flo_status st;

	/* What was read under the old spec is to be read anew, too. */
	TRY(flo__cdb_run(db, err,
			 "UPDATE pull SET spec = NULL, hits = hits -"
			 " (SELECT coalesce(sum(length(keys)) / 16, 0)"
			 "  FROM same WHERE id BETWEEN ?2 AND ?3)"
			 " WHERE no = ?1",
			 "iii", no, flo__cdb_first(no), flo__cdb_last(no)));
	/* Each is looked for among what was staged, and not found before. */
	TRY(flo__cdb_run(db, err,
			 "INSERT INTO unseen"
			 " SELECT ifnull((SELECT max(id) FROM unseen"
			 "   WHERE id BETWEEN ?1 AND ?2), ?1)"
			 "  + row_number() OVER (ORDER BY id), keys"
			 " FROM same WHERE id BETWEEN ?1 AND ?2",
			 "ii", flo__cdb_first(no), flo__cdb_last(no)));
	st = flo__cdb_run(db, err,
			  "DELETE FROM same WHERE id BETWEEN ?1 AND ?2", "ii",
			  flo__cdb_first(no), flo__cdb_last(no));
out:
	return st;
}

flo_status flo__same_stage(struct flo__cdb *db, int64_t no, flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_write(db, false, err));
	TRY(stage_all(db, no, err));
	TRY(forget_all(db, no, err));
	st = flo__cdb_commit(db, err);
out:
	if (st != FLO_OK)
		flo__cdb_rollback(db);
	return st;
}
