#include "steps/cmdb/held.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

struct flo__digest flo__held_what(const struct flo__digest *key,
				  const struct flo__digest *body)
{
	struct flo__digest both[2] = {*key, *body};

	return flo__digest_of(both, sizeof(both));
}

/* How many rows the source has, its version, and whether it is under @spec. */
static flo_status look_at(struct flo__cdb *db, int64_t source, const char *spec,
			  flo_error *err, size_t *ret_max, int64_t *ret_version,
			  bool *ret_is)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT rows, version, spec IS ?2 FROM source"
			  " WHERE id = ?1",
			  "it", source, spec);
	if (st == FLO_OK) {
		*ret_max = (size_t)sqlite3_column_int64(stmt, 0);
		*ret_version = sqlite3_column_int64(stmt, 1);
		*ret_is = sqlite3_column_int(stmt, 2) != 0;
	}
	sqlite3_finalize(stmt);
	return st;
}

static flo_status reserve(struct flo__digest **digests, size_t max,
			  struct flo__index *index, flo_error *err)
{
	*digests = flo__reallocarray(NULL, max, sizeof(**digests));
	if (*digests == NULL ||
	    (index != NULL &&
	     flo__index_init(index, *digests, sizeof(**digests), max) !=
		     FLO_OK))
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

static flo_status begin_rows(struct flo__cdb *db, int64_t source,
			     const char *sql, flo_error *err,
			     sqlite3_stmt **ret_stmt)
{
	flo_status st;

	TRY(flo__cdb_prepare(db, sql, err, ret_stmt));
	st = flo__cdb_bind(db, *ret_stmt, err, "i", source);
out:
	return st;
}

static flo_status read_rows(struct flo__held *held, struct flo__cdb *db,
			    int64_t source, size_t max, size_t parts,
			    flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(begin_rows(db, source,
		       "SELECT raw, key, present FROM state WHERE source = ?1"
		       " ORDER BY key",
		       err, &stmt));
	for (;;) {
		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row || held->len == max)
			break;
		held->partial |= sqlite3_column_int64(stmt, 2) !=
				 (INT64_C(1) << parts) - 1;
		if (flo__cdb_digest(stmt, 0, &held->raw[held->len]) &&
		    flo__cdb_digest(stmt, 1, &held->key[held->len]))
			held->len++;
		else
			held->broken = true;
	}
	held->broken |= row || held->len != max;
out:
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo__held_load(struct flo__held *held, struct flo__cdb *db,
			  int64_t source, size_t parts, flo_error *err)
{
	bool is = false;
	size_t max = 0;
	flo_status st;

	TRY(flo__cdb_read(db, err));
	TRY(look_at(db, source, NULL, err, &max, &held->version, &is));
	TRY(reserve(&held->raw, max, &held->by_raw, err));
	TRY(reserve(&held->key, max, NULL, err));
	TRY(read_rows(held, db, source, max, parts, err));
	flo__index_fill(&held->by_raw, (uint32_t)held->len);
out:
	flo__cdb_rollback(db);
	return st;
}

/* In the order of the keys, as the rows of @held were read. */
static flo_status read_what(const struct flo__held *held,
			    struct flo__held_what *what, struct flo__cdb *db,
			    int64_t source, flo_error *err)
{
	struct flo__digest body;
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(begin_rows(
		db, source,
		"SELECT digest FROM state WHERE source = ?1 ORDER BY key", err,
		&stmt));
	for (size_t i = 0; i < held->len; i++) {
		TRY(flo__cdb_step(db, stmt, err, &row));
		/* Its zeros are those of no record. */
		memset(&what->what[i], 0, sizeof(what->what[i]));
		if (row && flo__cdb_digest(stmt, 0, &body))
			what->what[i] = flo__held_what(&held->key[i], &body);
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo__held_widen(const struct flo__held *held,
			   struct flo__held_what *what, struct flo__cdb *db,
			   int64_t source, const char *spec, flo_error *err,
			   bool *ret_loaded)
{
	int64_t version = 0;
	bool is = false;
	size_t max = 0;
	flo_status st;

	*ret_loaded = false;
	TRY(flo__cdb_read(db, err));
	TRY(look_at(db, source, spec, err, &max, &version, &is));
	if (!is || held->broken || version != held->version)
		goto out;
	TRY(reserve(&what->what, held->len, &what->by_what, err));
	TRY(read_what(held, what, db, source, err));
	flo__index_fill(&what->by_what, (uint32_t)held->len);
	*ret_loaded = true;
out:
	flo__cdb_rollback(db);
	return st;
}

void flo__held_fini(struct flo__held *held)
{
	flo__index_fini(&held->by_raw);
	flo__free(held->raw);
	flo__free(held->key);
	held->raw = NULL;
	held->key = NULL;
}

void flo__held_what_fini(struct flo__held_what *what)
{
	flo__index_fini(&what->by_what);
	flo__free(what->what);
	what->what = NULL;
}
