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

/* How many rows the source has, and whether they are digested under @spec. */
static flo_status look_at(struct flo__cdb *db, int64_t source, const char *spec,
			  flo_error *err, size_t *ret_max, bool *ret_is)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT rows, spec IS ?2 FROM source WHERE id = ?1",
			  "it", source, spec);
	if (st == FLO_OK) {
		*ret_max = (size_t)sqlite3_column_int64(stmt, 0);
		*ret_is = sqlite3_column_int(stmt, 1) != 0;
	}
	sqlite3_finalize(stmt);
	return st;
}

static flo_status reserve(struct flo__digest **digests,
			  struct flo__index *index, size_t max, flo_error *err)
{
	*digests = flo__reallocarray(NULL, max, sizeof(**digests));
	if (*digests == NULL ||
	    flo__index_init(index, *digests, sizeof(**digests), max) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

/* One that is broken is left out: the diff will say so. */
static void read_row(struct flo__held *held, sqlite3_stmt *stmt)
{
	struct flo__digest key, body;

	if (!flo__cdb_digest(stmt, 0, &held->raw[held->len]))
		return;
	if (held->what != NULL) {
		if (!flo__cdb_digest(stmt, 1, &key) ||
		    !flo__cdb_digest(stmt, 2, &body))
			return;
		held->what[held->len] = flo__held_what(&key, &body);
	}
	held->len++;
}

static flo_status read_rows(struct flo__held *held, struct flo__cdb *db,
			    int64_t source, size_t max, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(
		db,
		held->what != NULL
			? "SELECT raw, key, digest FROM state WHERE source = ?1"
			: "SELECT raw FROM state WHERE source = ?1",
		err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "i", source));
	for (;;) {
		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row || held->len == max)
			break;
		read_row(held, stmt);
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo__held_load(struct flo__held *held, struct flo__cdb *db,
			  int64_t source, flo_error *err)
{
	bool is = false;
	size_t max = 0;
	flo_status st;

	TRY(flo__cdb_read(db, err));
	TRY(look_at(db, source, NULL, err, &max, &is));
	TRY(reserve(&held->raw, &held->by_raw, max, err));
	TRY(read_rows(held, db, source, max, err));
	flo__index_fill(&held->by_raw, (uint32_t)held->len);
out:
	flo__cdb_rollback(db);
	return st;
}

/* The spec is read with the state: in a transaction before, it may be another. */
flo_status flo__held_load_what(struct flo__held *held, struct flo__cdb *db,
			       int64_t source, const char *spec, flo_error *err,
			       bool *ret_loaded)
{
	bool is = false;
	size_t max = 0;
	flo_status st;

	TRY(flo__cdb_read(db, err));
	TRY(look_at(db, source, spec, err, &max, &is));
	if (!is)
		goto told;
	TRY(reserve(&held->raw, &held->by_raw, max, err));
	TRY(reserve(&held->what, &held->by_what, max, err));
	TRY(read_rows(held, db, source, max, err));
	flo__index_fill(&held->by_raw, (uint32_t)held->len);
	flo__index_fill(&held->by_what, (uint32_t)held->len);
told:
	*ret_loaded = is;
out:
	flo__cdb_rollback(db);
	return st;
}

void flo__held_fini(struct flo__held *held)
{
	flo__index_fini(&held->by_raw);
	flo__index_fini(&held->by_what);
	flo__free(held->raw);
	flo__free(held->what);
	held->raw = NULL;
	held->what = NULL;
}
