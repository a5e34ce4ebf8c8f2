/* One group commit: the events of many runs in one transaction. */
#include "storage/store_p.h"

#include "base/contract.h"

flo_status flo__store_begin(struct flo__store *store, flo_error *err)
{
	sqlite3_stmt *stmt;
	flo_status st;

	REQUIRE(!store->writing);
	TRY(flo__conn_get(&store->db, FLO__SQL_BEGIN, err, &stmt));
	TRY(flo__lock_write(store->lock_fd, store->path, err));
	store->writing = true;
	TRY(flo__conn_run(&store->db, stmt, err));
out:
	if (st != FLO_OK)
		flo__store_rollback(store);
	return st;
}

flo_status flo__store_commit(struct flo__store *store, flo_error *err)
{
	sqlite3_stmt *stmt;
	flo_status st;

	REQUIRE(store->writing);
	TRY(flo__conn_get(&store->db, FLO__SQL_COMMIT, err, &stmt));
	TRY(flo__conn_run(&store->db, stmt, err));
	flo__unlock_write(store->lock_fd);
	store->writing = false;
out:
	return st;
}

void flo__store_rollback(struct flo__store *store)
{
	sqlite3_stmt *stmt;

	if (!store->writing)
		return;
	/* many failures of SQLite have rolled back already */
	if (!sqlite3_get_autocommit(store->db.sqlite) &&
	    flo__conn_get(&store->db, FLO__SQL_ROLLBACK, NULL, &stmt) == FLO_OK)
		flo__conn_run(&store->db, stmt, NULL);
	flo__unlock_write(store->lock_fd);
	store->writing = false;
}

/* Whether the lease row still names us: the fence in front of each write. */
static flo_status check_lease(struct flo__store *store,
			      struct flo__run_journal *run, flo_error *err)
{
	sqlite3_stmt *stmt;
	bool ours = false;
	flo_status st;

	TRY(flo__conn_get(&store->db, FLO__SQL_LEASE_CHECK, err, &stmt));
	sqlite3_bind_int64(stmt, 1, run->row);
	sqlite3_bind_text(stmt, 2, store->owner.id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 3, run->epoch);
	st = flo__conn_step(&store->db, stmt, err, &ours);
	sqlite3_reset(stmt);
	run->fenced = st == FLO_OK && !ours;
out:
	return st;
}

static flo_status insert_event(struct flo__store *store, sqlite3_stmt *stmt,
			       int64_t row,
			       const struct flo__queued_event *event,
			       flo_error *err)
{
	sqlite3_bind_int64(stmt, 1, FLO__EVENT_ID(row, event->seq));
	sqlite3_bind_int(stmt, 2, (int)event->kind);
	if (event->path != NULL)
		sqlite3_bind_text(stmt, 3, event->path, (int)event->path_len,
				  SQLITE_STATIC);
	else
		sqlite3_bind_null(stmt, 3);
	sqlite3_bind_int64(stmt, 4, event->attempt);
	sqlite3_bind_int64(stmt, 5, event->ts_us);
	sqlite3_bind_int(stmt, 6, (int)event->state);
	sqlite3_bind_text(stmt, 7, event->body, (int)event->body_len,
			  SQLITE_STATIC);
	sqlite3_bind_blob(stmt, 8, event->hash, FLO__HASH_SIZE, SQLITE_STATIC);
	return flo__conn_run(&store->db, stmt, err);
}

flo_status flo__batch_write_run(struct flo__store *store,
				struct flo__run_journal *run, flo_error *err)
{
	struct flo__queued_event event;
	sqlite3_stmt *stmt = NULL;
	size_t at = 0;
	flo_status st;

	if (!run->fenced)
		TRY(check_lease(store, run, err));
	if (run->fenced)
		return FLO_OK;
	TRY(flo__conn_get(&store->db, FLO__SQL_EVENT_INSERT, err, &stmt));
	while (flo__queue_next(&run->drain, &at, &event)) {
		TRY(insert_event(store, stmt, run->row, &event, err));
		TRY(flo__fold_event(store, run, &event, err));
	}
out:
	flo__conn_done(stmt);
	return st;
}

flo_status flo__batch_write(struct flo__store *store,
			    struct flo__run_journal *runs, flo_error *err)
{
	flo_status st;

	TRY(flo__store_begin(store, err));
	for (struct flo__run_journal *run = runs; run != NULL;
	     run = run->batch_next)
		TRY(flo__batch_write_run(store, run, err));
	TRY(flo__store_commit(store, err));
out:
	if (st != FLO_OK)
		flo__store_rollback(store);
	return st;
}
