/* From events to the tables that people and readers look at. */
#include "storage/store_p.h"

#include "base/contract.h"

static flo_status fold_started(struct flo__store *store,
			       const struct flo__run_journal *run,
			       const struct flo__queued_event *event,
			       flo_error *err)
{
	sqlite3_stmt *stmt;
	flo_status st;

	TRY(flo__db_get(&store->db, FLO__SQL_RUN_STARTED, err, &stmt));
	sqlite3_bind_int64(stmt, 1, run->row);
	sqlite3_bind_int(stmt, 2, (int)event->state);
	sqlite3_bind_int64(stmt, 3, event->ts_us);
	TRY(flo__db_run(&store->db, stmt, err));
out:
	return st;
}

static flo_status fold_finished(struct flo__store *store,
				const struct flo__run_journal *run,
				const struct flo__queued_event *event,
				flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__db_get(&store->db, FLO__SQL_RUN_FINISHED, err, &stmt));
	sqlite3_bind_int64(stmt, 1, run->row);
	sqlite3_bind_int(stmt, 2, (int)event->state);
	sqlite3_bind_int64(stmt, 3, event->ts_us);
	sqlite3_bind_text(stmt, 4, event->body, (int)event->body_len,
			  SQLITE_STATIC);
	TRY(flo__db_run(&store->db, stmt, err));
out:
	flo__db_done(stmt);
	return st;
}

flo_status flo__fold_event(struct flo__store *store,
			   const struct flo__run_journal *run,
			   const struct flo__queued_event *event,
			   flo_error *err)
{
	if (event->kind == FLO__EVENT_RUN_STARTED)
		return fold_started(store, run, event, err);
	if (event->kind == FLO__EVENT_RUN_FINISHED)
		return fold_finished(store, run, event, err);
	return FLO_OK;
}

static flo_status fold_steps(struct flo__store *store, int64_t row,
			     flo_error *err)
{
	sqlite3_stmt *stmt;
	flo_status st;

	TRY(flo__db_get(&store->db, FLO__SQL_STEPS_FOLD, err, &stmt));
	sqlite3_bind_int64(stmt, 1, row);
	sqlite3_bind_int64(stmt, 2, FLO__EVENT_ID(row, 1));
	sqlite3_bind_int64(stmt, 3, FLO__EVENT_ID(row, FLO__EVENT_SEQ_MAX));
	sqlite3_bind_int(stmt, 4, FLO__EVENT_STEP_STARTED);
	sqlite3_bind_int(stmt, 5, FLO__EVENT_STEP_FINISHED);
	TRY(flo__db_run(&store->db, stmt, err));
out:
	return st;
}

static flo_status run_by_row(struct flo__store *store, enum flo__sql which,
			     int64_t row, flo_error *err)
{
	sqlite3_stmt *stmt;
	flo_status st;

	TRY(flo__db_get(&store->db, which, err, &stmt));
	sqlite3_bind_int64(stmt, 1, row);
	TRY(flo__db_run(&store->db, stmt, err));
out:
	return st;
}

flo_status flo__fold_run(struct flo__store *store,
			 const struct flo__run_journal *run, flo_error *err)
{
	bool relaxed = store->durability == FLO__STORE_POWER;
	flo_status st;

	/* what can be folded again need not wait for the disk */
	if (relaxed)
		TRY(flo__db_exec(&store->db, "PRAGMA synchronous = NORMAL",
				 err));
	TRY(flo__store_begin(store, err));
	TRY(fold_steps(store, run->row, err));
	TRY(run_by_row(store, FLO__SQL_RUN_FOLDED, run->row, err));
	TRY(run_by_row(store, FLO__SQL_LEASE_DROP, run->row, err));
	TRY(flo__store_commit(store, err));
out:
	if (st != FLO_OK)
		flo__store_rollback(store);
	if (relaxed && flo__db_exec(&store->db, "PRAGMA synchronous = FULL",
				    err) != FLO_OK)
		st = FLO_STORE;
	return st;
}
