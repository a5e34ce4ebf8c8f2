#include "steps/cmdb/unseen.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"

#include <string.h>

/* Bytes of a row: SQLite has a limit, and so has what reads one at once. */
#define RUN_BYTES (1u << 20)

#define KEY_BYTES sizeof(struct flo__digest)

flo_status flo__unseen_write(struct flo__cdb *db, const char *insert,
			     int64_t no, const struct flo__strbuf *keys,
			     flo_error *err)
{
	int64_t id = flo__cdb_first(no);
	flo_status st = flo__strbuf_status(keys);

	if (st != FLO_OK)
		return flo_error_set(err, st, "out of memory");
	for (size_t at = 0; st == FLO_OK && at < keys->len; at += RUN_BYTES) {
		size_t left = keys->len - at;

		st = flo__cdb_run(db, err, insert, "ib", id++, keys->data + at,
				  left < RUN_BYTES ? left : RUN_BYTES);
	}
	return st;
}

flo_status flo__unseen_read(struct flo__cdb *db, const char *select, int64_t no,
			    struct flo__strbuf *keys, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(db, select, err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "ii", flo__cdb_first(no),
			  flo__cdb_last(no)));
	for (;;) {
		size_t len;

		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row)
			break;
		len = (size_t)sqlite3_column_bytes(stmt, 0);
		if (len % KEY_BYTES != 0)
			st = flo_error_set(err, FLO_CORRUPT,
					   "%s: what a pull has not found is "
					   "broken; pull again: " FLO__CDB_ANEW,
					   db->path);
		TRY(st);
		flo__strbuf_add(keys, sqlite3_column_blob(stmt, 0), len);
	}
	st = flo__strbuf_status(keys);
out:
	sqlite3_finalize(stmt);
	return st == FLO_NOMEM ? flo_error_set(err, st, "out of memory") : st;
}

/* The set */

static flo_status fail_moved(flo_error *err)
{
	return flo_error_set(
		err, FLO_FAILED,
		"the state has changed since the pull, so that "
		"records it had are gone; pull again: " FLO__CDB_ANEW);
}

/* Whether the source was applied to since @base, and to how many records. */
static flo_status look_since(struct flo__cdb *db, int64_t source, int64_t base,
			     flo_error *err, size_t *ret_changes)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__cdb_row(db, err, &stmt,
			 "SELECT ifnull(max(rebase), 0),"
			 " ifnull(sum(added + changed + removed), 0) FROM plan"
			 " WHERE source = ?1 AND state = 'applied'"
			 " AND base >= ?2",
			 "ii", source, base));
	*ret_changes = (size_t)sqlite3_column_int64(stmt, 1);
	/* Its keys may be others now. */
	if (sqlite3_column_int64(stmt, 0) != 0)
		st = fail_moved(err);
out:
	sqlite3_finalize(stmt);
	return st;
}

bool flo__unseen_has(const struct flo__unseen *unseen,
		     const struct flo__digest *key)
{
	return flo__index_find(&unseen->by_key, key) != FLO__INDEX_NONE;
}

/*
 * A change of an apply since: what it added the pull could not find; what it
 * changed or removed the pull must not have found.
 */
static flo_status take_change(struct flo__unseen *unseen, sqlite3_stmt *row,
			      size_t max, flo_error *err)
{
	struct flo__digest key;
	bool has;

	if (!flo__cdb_digest(row, 1, &key))
		return fail_moved(err);
	has = flo__unseen_has(unseen, &key);
	if (has)
		return FLO_OK;
	if (flo__cdb_text(row, 0)[0] != 'c' || unseen->len == max)
		return fail_moved(err);
	unseen->key[unseen->len] = key;
	flo__index_put(&unseen->by_key, (uint32_t)unseen->len++);
	return FLO_OK;
}

static flo_status take_changes(struct flo__unseen *unseen, struct flo__cdb *db,
			       int64_t source, int64_t base, size_t max,
			       flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(
		db,
		"SELECT c.op, c.key FROM plan p CROSS JOIN change c"
		" ON c.id BETWEEN p.no << 32 AND p.no << 32 | 4294967295"
		" WHERE p.source = ?1 AND p.state = 'applied' AND p.base >= ?2"
		" ORDER BY p.base, p.no, c.id",
		err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "ii", source, base));
	for (;;) {
		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row)
			break;
		TRY(take_change(unseen, stmt, max, err));
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

static flo_status reserve(struct flo__unseen *unseen,
			  const struct flo__strbuf *keys, size_t more)
{
	size_t max = keys->len / KEY_BYTES + more;

	unseen->key = flo__reallocarray(NULL, max, sizeof(*unseen->key));
	if (unseen->key == NULL)
		return FLO_NOMEM;
	if (keys->len != 0)
		memcpy(unseen->key, keys->data, keys->len);
	unseen->len = keys->len / KEY_BYTES;
	return flo__index_init(&unseen->by_key, unseen->key,
			       sizeof(*unseen->key), max);
}

flo_status flo__unseen_load(struct flo__unseen *unseen, struct flo__cdb *db,
			    int64_t source, int64_t no, int64_t base,
			    flo_error *err)
{
	struct flo__strbuf keys = FLO__STRBUF_INIT;
	size_t changes = 0;
	flo_status st;

	TRY(flo__unseen_read(db, FLO__UNSEEN_SELECT, no, &keys, err));
	TRY(look_since(db, source, base, err, &changes));
	st = reserve(unseen, &keys, changes);
	if (st != FLO_OK)
		flo_error_set(err, st, "out of memory");
	TRY(st);
	flo__index_fill(&unseen->by_key, (uint32_t)unseen->len);
	if (changes != 0)
		st = take_changes(unseen, db, source, base,
				  unseen->len + changes, err);
out:
	flo__strbuf_fini(&keys);
	return st;
}

void flo__unseen_fini(struct flo__unseen *unseen)
{
	flo__index_fini(&unseen->by_key);
	flo__free(unseen->key);
	unseen->key = NULL;
}
