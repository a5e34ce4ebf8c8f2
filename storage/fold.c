/*
 * The state columns of a run's row, written in the transaction of the event
 * that they repeat.
 */
#include "storage/store_p.h"

#include "base/contract.h"

static flo_status fold_started(struct flo__store *store,
			       const struct flo__run_journal *run,
			       const struct flo__queued_event *event,
			       flo_error *err)
{
	sqlite3_stmt *stmt;
	flo_status st;

	TRY(flo__conn_get(&store->db, FLO__SQL_RUN_STARTED, err, &stmt));
	sqlite3_bind_int64(stmt, 1, run->row);
	sqlite3_bind_int(stmt, 2, (int)event->state);
	sqlite3_bind_int64(stmt, 3, event->ts_us);
	TRY(flo__conn_run(&store->db, stmt, err));
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

	TRY(flo__conn_get(&store->db, FLO__SQL_RUN_FINISHED, err, &stmt));
	sqlite3_bind_int64(stmt, 1, run->row);
	sqlite3_bind_int(stmt, 2, (int)event->state);
	sqlite3_bind_int64(stmt, 3, event->ts_us);
	sqlite3_bind_text(stmt, 4, event->body, (int)event->body_len,
			  SQLITE_STATIC);
	TRY(flo__conn_run(&store->db, stmt, err));
	flo__conn_done(stmt);
	/* what has ended belongs to nobody */
	TRY(flo__conn_get(&store->db, FLO__SQL_LEASE_DROP, err, &stmt));
	sqlite3_bind_int64(stmt, 1, run->row);
	TRY(flo__conn_run(&store->db, stmt, err));
	TRY(flo__requests_drop(store, run->row, err));
out:
	flo__conn_done(stmt);
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
