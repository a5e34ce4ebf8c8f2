/* What was staged of a pull goes, once nothing will ask for it. */
#include "steps/cmdb/stage.h"
#include "steps/cmdb/staged.h"

#include "base/contract.h"

/* Bodies of a pull that nobody will ask for, if there are any. */
static flo_status release_bodies(struct flo__cdb *db, int64_t no,
				 flo_error *err)
{
	int64_t first = flo__cdb_first(no);
	int64_t last = flo__cdb_last(no);
	sqlite3_stmt *stmt = NULL;
	bool some = false;
	flo_status st;

	/* Counting is cheap; after a first load all of them are history. */
	st = flo__cdb_row(db, err, &stmt,
			  "SELECT (SELECT sum(length(records)) / ?3 FROM staged"
			  "   WHERE id BETWEEN ?1 AND ?2)"
			  " > (SELECT count(*) FROM history"
			  "   WHERE id BETWEEN ?1 AND ?2)",
			  "iii", first, last, (int64_t)FLO__STAGED_BYTES);
	if (st != FLO_OK)
		return st;
	some = sqlite3_column_int(stmt, 0) != 0;
	sqlite3_finalize(stmt);
	if (!some)
		return FLO_OK;
	return flo__cdb_run(db, err,
			    "DELETE FROM body WHERE id IN (SELECT id FROM body"
			    "  WHERE id BETWEEN ?1 AND ?2"
			    " EXCEPT SELECT id FROM history"
			    "  WHERE id BETWEEN ?1 AND ?2"
			    " EXCEPT SELECT c.after FROM plan p JOIN change c"
			    "  ON c.id BETWEEN p.no << 32"
			    "   AND p.no << 32 | 4294967295"
			    "  WHERE p.pull = ?3 AND c.after IS NOT NULL)",
			    "iii", first, last, no);
}

flo_status flo__stage_release(struct flo__cdb *db, int64_t no, flo_error *err)
{
	int64_t first = flo__cdb_first(no);
	int64_t last = flo__cdb_last(no);
	flo_status st;

	TRY(release_bodies(db, no, err));
	TRY(flo__cdb_run(db, err,
			 "DELETE FROM staged WHERE id BETWEEN ?1 AND ?2", "ii",
			 first, last));
	TRY(flo__cdb_run(db, err,
			 "DELETE FROM unseen WHERE id BETWEEN ?1 AND ?2", "ii",
			 first, last));
	TRY(flo__cdb_run(db, err,
			 "DELETE FROM twice WHERE id BETWEEN ?1 AND ?2", "ii",
			 first, last));
	TRY(flo__cdb_run(db, err, "DELETE FROM same WHERE id BETWEEN ?1 AND ?2",
			 "ii", first, last));
	st = flo__cdb_run(db, err, "UPDATE pull SET staged = 0 WHERE no = ?1",
			  "i", no);
out:
	return st;
}
