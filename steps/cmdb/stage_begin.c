/* The beginning of a pull: its source, its id, its row. */
#include "steps/cmdb/stage_p.h"

#include "base/contract.h"
#include "base/time.h"

#include <stdio.h>

/* The source's row, made if it is new; and its spec. In a transaction. */
static flo_status find_source(struct flo__stage *stage, const char *name,
			      flo_error *err)
{
	struct flo__cdb *db = stage->db;
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__cdb_run(db, err,
			 "INSERT INTO source(name) VALUES(?1)"
			 " ON CONFLICT DO NOTHING",
			 "t", name));
	TRY(flo__cdb_row(db, err, &stmt,
			 "SELECT s.id, s.spec, p.shape FROM source s"
			 " LEFT JOIN pull p ON p.no = s.pull WHERE s.name = ?1",
			 "t", name));
	stage->source = sqlite3_column_int64(stmt, 0);
	snprintf(stage->applied, sizeof(stage->applied), "%s",
		 flo__cdb_text(stmt, 2));
	/* A spec of another algorithm is as good as none. */
	if (sqlite3_column_type(stmt, 1) == SQLITE_TEXT &&
	    flo__spec_read(flo__cdb_text(stmt, 1), NULL, &stage->spec) ==
		    FLO_NOMEM)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
out:
	sqlite3_finalize(stmt);
	return st;
}

/*
 * The pull of this id, 0 if there is none, and whether something came of it: a
 * plan that was applied, or that a person has decided about.
 */
static flo_status find_earlier(struct flo__stage *stage, flo_error *err,
			       int64_t *ret_no, bool *ret_used)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	*ret_no = 0;
	*ret_used = false;
	st = flo__cdb_row(stage->db, err, &stmt,
			  "SELECT no, EXISTS (SELECT 1 FROM plan"
			  "  WHERE pull = pull.no AND (state = 'applied'"
			  "   OR decision IS NOT NULL))"
			  " FROM pull WHERE id = ?1",
			  "t", stage->pull.id);
	if (st == FLO_NOTFOUND)
		return FLO_OK;
	if (st != FLO_OK)
		return st;
	*ret_no = sqlite3_column_int64(stmt, 0);
	*ret_used = sqlite3_column_int(stmt, 1) != 0;
	sqlite3_finalize(stmt);
	return FLO_OK;
}

/*
 * Choose the pull's id, and take out what an execution of this step has left
 * that was cut off.
 */
static flo_status name_pull(struct flo__stage *stage, flo_error *err)
{
	struct flo__cdb *db = stage->db;
	bool used = true;
	int64_t no = 0;
	flo_status st = FLO_OK;

	for (unsigned n = 0; used; n++) {
		st = flo__stage_id(db->call, "pull", n, stage->pull.id);
		if (st != FLO_OK)
			return flo_error_set(err, st, "out of memory");
		TRY(find_earlier(stage, err, &no, &used));
	}
	if (no == 0)
		return FLO_OK;
	TRY(flo__stage_release(db, no, err));
	st = flo__cdb_run(db, err, "DELETE FROM pull WHERE no = ?1", "i", no);
out:
	return st;
}

static flo_status insert_pull(struct flo__stage *stage, flo_error *err)
{
	const flo_step_call *call = stage->db->call;
	flo_status st;

	st = flo__cdb_run(stage->db, err,
			  "INSERT INTO pull(id, source, run_id, trace_id, step,"
			  " attempt, started_us, spec)"
			  " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
			  "titttiit", stage->pull.id, stage->source,
			  flo_step_run_id(call), flo_step_trace_id(call),
			  flo_step_path(call), (int64_t)flo_step_attempt(call),
			  flo__time_now_us(),
			  stage->spec != NULL ? stage->spec->text : NULL);
	stage->pull.no = sqlite3_last_insert_rowid(stage->db->sql);
	return st;
}

flo_status flo__stage_begin(struct flo__stage *stage, const char *source,
			    flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_write(stage->db, false, err));
	TRY(find_source(stage, source, err));
	TRY(name_pull(stage, err));
	TRY(insert_pull(stage, err));
	TRY(flo__cdb_commit(stage->db, err));
	stage->open = true;
out:
	if (st != FLO_OK)
		flo__cdb_rollback(stage->db);
	return st;
}
