#include "steps/cmdb/body.h"

#include "base/contract.h"

flo_status flo__body_broken(const struct flo__cdb *db, int64_t id,
			    flo_error *err)
{
	flo_error_clear(err);
	return flo_error_set(err, FLO_CORRUPT,
			     "%s: body %lld is missing or broken; restore the "
			     "file from a backup",
			     db->path, (long long)id);
}

flo_status flo__body_read(struct flo__cdb *db, sqlite3_stmt *stmt, int64_t id,
			  struct flo__json_reader *reader, flo_error *err,
			  const json_t **ret)
{
	bool row = false;
	flo_status st;

	TRY(flo__cdb_bind(db, stmt, err, "i", id));
	TRY(flo__cdb_step(db, stmt, err, &row));
	if (row) {
		const char *text = flo__cdb_text(stmt, 0);
		size_t len = (size_t)sqlite3_column_bytes(stmt, 0);

		st = flo__record_read(reader, text, len,
				      flo__record_look(text, len).depth, err,
				      ret);
	}
	if (!row || st == FLO_SYNTAX || st == FLO_LIMIT)
		st = flo__body_broken(db, id, err);
out:
	sqlite3_reset(stmt);
	return st;
}

flo_status flo__body_reading(struct flo__cdb *db, sqlite3_stmt *stmt,
			     int64_t id, struct flo__strbuf *text,
			     struct flo__reading *reading, flo_error *err)
{
	bool row = false;
	flo_status st;

	flo__strbuf_reset(text);
	TRY(flo__cdb_bind(db, stmt, err, "i", id));
	TRY(flo__cdb_step(db, stmt, err, &row));
	if (row) {
		flo__strbuf_add(text, flo__cdb_text(stmt, 0),
				(size_t)sqlite3_column_bytes(stmt, 0));
		TRY(flo__strbuf_status(text));
		st = flo__reading_read(reading, text->data, text->len, err);
	}
	if (!row || st == FLO_SYNTAX || st == FLO_LIMIT)
		st = flo__body_broken(db, id, err);
out:
	sqlite3_reset(stmt);
	return st;
}
