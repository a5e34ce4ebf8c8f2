/*
 * The versions that a plan begins, as rows of the history.
 *
 * They are written in the order of their ids, which are the places of their
 * bodies in the pull, while a plan's changes are in the order of the keys. They
 * are sorted here: SQLite takes twice as long for it.
 */
#include "steps/cmdb/apply_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"

#include <stdlib.h>

/* A version that begins: its place in the pull, and its key's text. */
struct version {
	uint32_t place;
	uint32_t len;
	size_t at; /* in versions->texts */
};

/* A place in the pull, in the higher half, and one in versions->version. */
typedef uint64_t ordered;

struct versions {
	struct version *version; /* owned */
	ordered *order;		 /* owned */
	size_t len;
	struct flo__strbuf texts;
};

static flo_status add_version(struct versions *versions, int64_t pull,
			      size_t max, sqlite3_stmt *row)
{
	int64_t id = sqlite3_column_int64(row, 0);
	uint32_t place = (uint32_t)id;
	size_t len = (size_t)sqlite3_column_bytes(row, 1);
	size_t at = versions->len++;

	if (at == max || id - place != flo__cdb_first(pull))
		return FLO_CORRUPT;
	versions->order[at] = (ordered)place << 32 | at;
	versions->version[at] = (struct version){
		.place = place,
		.len = (uint32_t)len,
		.at = versions->texts.len,
	};
	flo__strbuf_add(&versions->texts, flo__cdb_text(row, 1), len);
	return flo__strbuf_status(&versions->texts);
}

static flo_status read_versions(struct versions *versions, struct flo__cdb *db,
				const struct flo__cmdb_plan *plan, size_t max,
				flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	versions->version =
		flo__reallocarray(NULL, max, sizeof(*versions->version));
	versions->order =
		flo__reallocarray(NULL, max, sizeof(*versions->order));
	if (versions->version == NULL || versions->order == NULL)
		return FLO_NOMEM;
	TRY(flo__cdb_prepare(db,
			     "SELECT after, key_text FROM change"
			     " WHERE id BETWEEN ?1 AND ?2 AND op <> 'd'",
			     err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "ii", flo__cdb_first(plan->no),
			  flo__cdb_last(plan->no)));
	for (;;) {
		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row)
			break;
		TRY(add_version(versions, plan->pull, max, stmt));
	}
	if (versions->len != max)
		st = FLO_CORRUPT;
out:
	sqlite3_finalize(stmt);
	return st == FLO_CORRUPT
		       ? flo__apply_unfit(db, plan, (int64_t)versions->len,
					  (int64_t)max, err)
		       : st;
}

static int compare_versions(const void *a, const void *b)
{
	ordered x = *(const ordered *)a;
	ordered y = *(const ordered *)b;

	return (x > y) - (x < y);
}

static const struct version *nth(const struct versions *versions, size_t i)
{
	return &versions->version[(uint32_t)versions->order[i]];
}

/* They and their texts lie anywhere: some are asked for ahead. */
#define VERSIONS_AHEAD 8

static void hint_version(const struct versions *versions, size_t i)
{
	if (i + 2 * VERSIONS_AHEAD < versions->len)
		__builtin_prefetch(nth(versions, i + 2 * VERSIONS_AHEAD));
	if (i + VERSIONS_AHEAD < versions->len)
		__builtin_prefetch(versions->texts.data +
				   nth(versions, i + VERSIONS_AHEAD)->at);
}

static flo_status insert_versions(const struct versions *versions,
				  struct flo__cdb *db,
				  const struct flo__cmdb_plan *plan, int64_t ts,
				  flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__cdb_prepare(db,
			     "INSERT OR FAIL INTO history"
			     " VALUES(?4, ?1, ?5, ?2, ?3)",
			     err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "iii", plan->source, ts, plan->no));
	for (size_t i = 0; i < versions->len; i++) {
		const struct version *version = nth(versions, i);

		hint_version(versions, i);
		sqlite3_bind_int64(stmt, 4,
				   flo__cdb_first(plan->pull) + version->place);
		sqlite3_bind_text64(stmt, 5, versions->texts.data + version->at,
				    version->len, SQLITE_STATIC, SQLITE_UTF8);
		TRY(flo__cdb_done(db, stmt, err));
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo__apply_versions(struct flo__cdb *db,
			       const struct flo__cmdb_plan *plan, int64_t ts,
			       flo_error *err)
{
	size_t max = (size_t)(plan->counts.added + plan->counts.changed);
	struct versions versions = {.version = NULL};
	flo_status st = FLO_OK;

	if (max == 0)
		return FLO_OK;
	flo__strbuf_init(&versions.texts);
	TRY(read_versions(&versions, db, plan, max, err));
	qsort(versions.order, versions.len, sizeof(*versions.order),
	      compare_versions);
	st = insert_versions(&versions, db, plan, ts, err);
out:
	flo__free(versions.version);
	flo__free(versions.order);
	flo__strbuf_fini(&versions.texts);
	return st;
}
