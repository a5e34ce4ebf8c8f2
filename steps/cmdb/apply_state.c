/*
 * The state, as a plan makes it.
 *
 * Changes are in the order of their keys' digests, and so is the state: all is
 * written in one pass from one end to the other, whatever is done to each
 * record, so that a page is read once and written once, and few are kept.
 */
#include "steps/cmdb/apply_p.h"

#include "base/contract.h"

enum {
	ADD,
	CHANGE,
	REMOVE,
	OPS
};

/* Their arguments are columns of the change, and the source at last. */
static const struct op {
	const char *sql;
	const char *columns; /* of changes_sql: for ?1 and on */
} ops[OPS] = {
	[ADD] = {"INSERT OR FAIL INTO state VALUES(?6, ?1, ?2, ?3, ?4, ?5)",
		 "12346"},
	/* A changed record keeps its place. */
	[CHANGE] = {"UPDATE OR FAIL state SET raw = ?2, digest = ?3,"
		    " present = ?4, body = ?6"
		    " WHERE source = ?7 AND key = ?1 AND body = ?5",
		    "123456"},
	[REMOVE] = {"DELETE FROM state WHERE source = ?2 AND key = ?1", "1"},
};

static const char changes_sql[] =
	"SELECT op, key, raw, digest, present, before, after FROM change"
	" WHERE id BETWEEN ?1 AND ?2 ORDER BY id";

struct writer {
	struct flo__cdb *db; /* borrowed */
	sqlite3_stmt *change[OPS];
	int64_t rows[OPS]; /* that were written */
};

static flo_status prepare(struct writer *w, const struct flo__cmdb_plan *plan,
			  flo_error *err)
{
	flo_status st = FLO_OK;

	for (size_t i = 0; i < OPS && st == FLO_OK; i++) {
		st = flo__cdb_prepare(w->db, ops[i].sql, err, &w->change[i]);
		if (st == FLO_OK)
			sqlite3_bind_int64(w->change[i],
					   sqlite3_bind_parameter_count(
						   w->change[i]),
					   plan->source);
	}
	return st;
}

static flo_status write_row(struct writer *w, sqlite3_stmt *row, flo_error *err)
{
	char letter = flo__cdb_text(row, 0)[0];
	size_t op = letter == 'c' ? ADD : letter == 'u' ? CHANGE : REMOVE;
	sqlite3_stmt *stmt = w->change[op];
	flo_status st;

	for (int i = 0; ops[op].columns[i] != '\0'; i++)
		if (sqlite3_bind_value(stmt, i + 1,
				       sqlite3_column_value(row,
							    ops[op].columns[i] -
								    '0')) !=
		    SQLITE_OK)
			return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = flo__cdb_done(w->db, stmt, err);
	if (st == FLO_OK)
		w->rows[op] += sqlite3_changes64(w->db->sql);
	return st;
}

static flo_status write_rows(struct writer *w,
			     const struct flo__cmdb_plan *plan, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(w->db, changes_sql, err, &stmt));
	TRY(flo__cdb_bind(w->db, stmt, err, "ii", flo__cdb_first(plan->no),
			  flo__cdb_last(plan->no)));
	for (;;) {
		TRY(flo__cdb_step(w->db, stmt, err, &row));
		if (!row)
			break;
		TRY(write_row(w, stmt, err));
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

/* Where nothing but records is added SQLite does it by itself in less time. */
static flo_status add_all(struct flo__cdb *db,
			  const struct flo__cmdb_plan *plan, flo_error *err)
{
	int64_t rows;
	flo_status st;

	TRY(flo__cdb_run(db, err,
			 "INSERT OR FAIL INTO state"
			 " SELECT ?3, key, raw, digest, present, after"
			 " FROM change WHERE id BETWEEN ?1 AND ?2"
			 "  AND op = 'c' ORDER BY id",
			 "iii", flo__cdb_first(plan->no),
			 flo__cdb_last(plan->no), plan->source));
	rows = sqlite3_changes64(db->sql);
	if (rows != plan->counts.added)
		st = flo__apply_unfit(db, plan, rows, plan->counts.added, err);
out:
	return st;
}

flo_status flo__apply_state(struct flo__cdb *db,
			    const struct flo__cmdb_plan *plan, flo_error *err)
{
	const int64_t want[OPS] = {
		[ADD] = plan->counts.added,
		[CHANGE] = plan->counts.changed,
		[REMOVE] = plan->counts.removed,
	};
	struct writer w = {.db = db};
	flo_status st;

	if (plan->counts.changed == 0 && plan->counts.removed == 0)
		return plan->counts.added != 0 ? add_all(db, plan, err)
					       : FLO_OK;
	TRY(prepare(&w, plan, err));
	TRY(write_rows(&w, plan, err));
	for (size_t i = 0; i < OPS; i++)
		if (w.rows[i] != want[i])
			st = flo__apply_unfit(db, plan, w.rows[i], want[i],
					      err);
out:
	for (size_t i = 0; i < OPS; i++)
		sqlite3_finalize(w.change[i]);
	return st;
}
