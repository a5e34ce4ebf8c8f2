/*
 * How a run comes to be owned, and how it is given up.
 *
 * Order of things, so that no reader ever sees a run that lives as one that
 * nobody owns: the run's byte is locked before the row with its number is
 * committed, and given back after the end was. A crash in between leaves
 * either nothing or a run that can be resumed.
 */
#include "storage/store_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

/* --- the object --- */

static struct flo__run_journal *
new_run(struct flo__store *store, flo__journal_observer observer, void *arg)
{
	struct flo__run_journal *run = flo__calloc(1, sizeof(*run));

	if (run == NULL)
		return NULL;
	pthread_mutex_init(&run->lock, NULL);
	run->store = store;
	run->observer = observer;
	run->observer_arg = arg;
	run->waiters_end = &run->waiters;
	flo__strbuf_init(&run->fill.bytes);
	flo__strbuf_init(&run->drain.bytes);
	return run;
}

static void free_run(struct flo__run_journal *run)
{
	if (run == NULL)
		return;
	INSIST(run->waiters == NULL);
	flo__reader_close(run->reader);
	flo__strbuf_fini(&run->fill.bytes);
	flo__strbuf_fini(&run->drain.bytes);
	flo__free(run->record_mem);
	pthread_mutex_destroy(&run->lock);
	flo__free(run);
}

/*
 * Enter the list of the store's runs. FLO_BUSY if this handle has the run
 * already: its kernel lock cannot tell. Row 0 is not known yet.
 */
static flo_status enlist(struct flo__run_journal *run, flo_error *err)
{
	struct flo__store *store = run->store;
	flo_status st = FLO_OK;

	pthread_mutex_lock(&store->lock);
	for (struct flo__run_journal *r = store->runs; r != NULL; r = r->next) {
		if (run->row != 0 && r->row == run->row)
			st = FLO_BUSY;
	}
	if (st == FLO_OK && store->failure.status != FLO_OK)
		st = flo_error_set(err, store->failure.status, "%s",
				   store->failure.text);
	if (st == FLO_OK) {
		run->next = store->runs;
		store->runs = run;
	}
	pthread_mutex_unlock(&store->lock);
	return st;
}

static void delist(struct flo__run_journal *run)
{
	struct flo__run_journal **at = &run->store->runs;

	pthread_mutex_lock(&run->store->lock);
	while (*at != run) {
		INSIST(*at != NULL);
		at = &(*at)->next;
	}
	*at = run->next;
	pthread_mutex_unlock(&run->store->lock);
}

/* Writer only, in a transaction: write our name and the next epoch. */
static flo_status take_lease(struct flo__store *store,
			     struct flo__run_journal *run, flo_error *err)
{
	const struct flo__owner *owner = &store->owner;
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__conn_get(&store->db, FLO__SQL_LEASE_TAKE, err, &stmt));
	sqlite3_bind_int64(stmt, 1, run->row);
	sqlite3_bind_text(stmt, 2, owner->id, -1, SQLITE_STATIC);
	sqlite3_bind_text(stmt, 3, owner->boot_id, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 4, owner->pid);
	sqlite3_bind_int64(stmt, 5, owner->starttime);
	TRY(flo__conn_step(&store->db, stmt, err, &row));
	INSIST(row);
	run->epoch = sqlite3_column_int64(stmt, 0);
	/* the row is written at the latest by the step that ends */
	TRY(flo__conn_step(&store->db, stmt, err, &row));
	INSIST(!row);
out:
	flo__conn_done(stmt);
	return st;
}

/* --- create --- */

static char *keep(char **at, const char *text, size_t len)
{
	char *copy = *at;

	memcpy(copy, text, len);
	copy[len] = '\0';
	*at += len + 1;
	return copy;
}

/* Copy @record into one block that the run owns. */
static flo_status keep_record(struct flo__run_journal *run,
			      const struct flo__run_record *record)
{
	struct flo__run_record *to = &run->record;
	const char **slots[] = {&to->id,       &to->trace_id, &to->parent_span,
				&to->pipeline, &to->file,     &to->dir,
				&to->params};
	size_t size = record->text_len + 1;
	char *at;

	*to = *record;
	to->rerun = (struct flo__rerun){0};
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		size += strlen(*slots[i]) + 1;
	run->record_mem = at = flo__malloc(size);
	if (at == NULL)
		return FLO_NOMEM;
	for (size_t i = 0; i < sizeof(slots) / sizeof(slots[0]); i++)
		*slots[i] = keep(&at, *slots[i], strlen(*slots[i]));
	to->text = keep(&at, record->text, record->text_len);
	INSIST(at == (char *)run->record_mem + size);
	return FLO_OK;
}

static flo_status insert_run(struct flo__store *store,
			     const struct flo__run_record *record,
			     flo_error *err)
{
	const char *const columns[] = {record->id,	    record->trace_id,
				       record->parent_span, record->pipeline,
				       record->file,	    record->dir};
	sqlite3_stmt *stmt = NULL;
	flo_status st;
	int rc;

	TRY(flo__conn_get(&store->db, FLO__SQL_RUN_INSERT, err, &stmt));
	for (int i = 0; i < 6; i++)
		sqlite3_bind_text(stmt, i + 1, columns[i], -1, SQLITE_STATIC);
	sqlite3_bind_text64(stmt, 7, record->text, record->text_len,
			    SQLITE_STATIC, SQLITE_UTF8);
	sqlite3_bind_text(stmt, 8, record->params, -1, SQLITE_STATIC);
	sqlite3_bind_int64(stmt, 9, record->limit);
	sqlite3_bind_int64(stmt, 10, record->created_us);
	sqlite3_bind_int(stmt, 11, FLO__STATE_QUEUED);
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_CONSTRAINT_UNIQUE)
		st = flo_error_set(err, FLO_EXISTS,
				   "the run id %s is taken in %s; choose "
				   "another, or leave it out",
				   record->id, store->path);
	else if (rc != SQLITE_DONE)
		st = flo__conn_error(&store->db, rc, err);
out:
	flo__conn_done(stmt);
	return st;
}

/* Queue the run.queued of a rerun, which is written with the run's row. */
static flo_status queue_rerun(struct flo__run_journal *run,
			      const struct flo__rerun *rerun)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_RUN_QUEUED);
	flo_status st;

	if (rerun->of == NULL)
		return FLO_OK;
	event.seq = 1;
	event.ts_us = run->record.created_us;
	event.rerun = *rerun;
	st = flo__queue_put(&run->drain, &run->record, &event, run->hash);
	if (st == FLO_OK)
		run->seq = run->taken = run->durable = event.seq;
	return st;
}

static flo_status do_create(struct flo__store *store, void *arg, flo_error *err)
{
	struct flo__run_journal *run = arg;
	bool locked = false;
	flo_status st;

	TRY(flo__store_begin(store, err));
	TRY(insert_run(store, &run->record, err));
	TRY(flo__sweep_before(store, run->record.id, err));
	pthread_mutex_lock(&store->lock); /* enlist() compares it */
	run->row = sqlite3_last_insert_rowid(store->db.sqlite);
	pthread_mutex_unlock(&store->lock);
	if (run->row < 1 || run->row > FLO__RUN_ROW_MAX) {
		st = flo_error_set(err, FLO_LIMIT,
				   "%s holds as many runs as it can; name "
				   "another file with --store",
				   store->path);
		goto out;
	}
	TRY(flo__lock_run(store->lock_fd, run->row, err));
	locked = true;
	TRY(take_lease(store, run, err));
	if (run->drain.count > 0)
		TRY(flo__batch_write_run(store, run, err));
	TRY(flo__store_commit(store, err));
	flo__writer_show(run);
	flo__queue_reset(&run->drain);
out:
	if (st != FLO_OK) {
		flo__store_rollback(store);
		if (locked)
			flo__unlock_run(store->lock_fd, run->row);
	}
	return st;
}

static bool is_complete(const struct flo__run_record *record)
{
	return record->id != NULL && record->id[0] != '\0' &&
	       record->trace_id != NULL && record->parent_span != NULL &&
	       record->pipeline != NULL && record->file != NULL &&
	       record->dir != NULL && record->text != NULL &&
	       record->params != NULL;
}

flo_status flo__store_run_create(struct flo__journal *journal,
				 const struct flo__run_record *record,
				 flo__journal_observer observer, void *arg,
				 flo_error *err,
				 struct flo__run_journal **ret_run)
{
	struct flo__store *store = (struct flo__store *)journal;
	struct flo__run_journal *run = new_run(store, observer, arg);
	bool listed = false;
	flo_status st = FLO_NOMEM;

	REQUIRE(is_complete(record));
	if (run == NULL)
		goto out;
	TRY(keep_record(run, record));
	TRY(flo__chain_begin(&run->record, run->hash));
	TRY(queue_rerun(run, &record->rerun));
	TRY(enlist(run, err));
	listed = true;
	TRY(flo__writer_call(store, do_create, run, err));
	*ret_run = run;
	run = NULL;
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "%s", flo_status_text(st));
	if (run != NULL && listed)
		delist(run);
	free_run(run);
	return st;
}

/* --- open --- */

static flo_status say_ended(const char *id, flo_error *err)
{
	return flo_error_set(err, FLO_CLOSED,
			     "run %s has ended; end states never change", id);
}

/* Own the row: it may have ended since it was looked at. */
static flo_status do_open(struct flo__store *store, void *arg, flo_error *err)
{
	struct flo__run_journal *run = arg;
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__store_begin(store, err));
	TRY(flo__conn_get(&store->db, FLO__SQL_RUN_ENDED, err, &stmt));
	sqlite3_bind_int64(stmt, 1, run->row);
	TRY(flo__conn_step(&store->db, stmt, err, &row));
	if (!row) {
		st = flo_error_set(err, FLO_NOTFOUND, "run %s was deleted",
				   run->record.id);
		goto out;
	}
	if (sqlite3_column_int64(stmt, 0) != 0) {
		st = say_ended(run->record.id, err);
		goto out;
	}
	flo__conn_done(stmt);
	stmt = NULL;
	TRY(take_lease(store, run, err));
	TRY(flo__store_commit(store, err));
out:
	flo__conn_done(stmt);
	if (st != FLO_OK)
		flo__store_rollback(store);
	return st;
}

static flo_status say_busy(struct flo__run_journal *run, flo_error *err)
{
	return flo_error_set(err, FLO_BUSY,
			     "run %s is owned by a running engine; wait for "
			     "its end, or stop that engine",
			     run->record.id);
}

/* Enter the list and lock the byte. */
static flo_status claim(struct flo__run_journal *run, flo_error *err)
{
	flo_status st;

	st = enlist(run, err);
	if (st != FLO_OK)
		return st == FLO_BUSY ? say_busy(run, err) : st;
	do
		st = flo__lock_run(run->store->lock_fd, run->row, err);
	while (st == FLO_BUSY &&
	       !flo__lease_is_held(&run->reader->db, run->store->lock_fd,
				   run->row));
	if (st == FLO_OK)
		return FLO_OK;
	delist(run);
	return st == FLO_BUSY ? say_busy(run, err) : st;
}

static void unclaim(struct flo__run_journal *run)
{
	/* before the list: another open() of this handle finds the run in the
	   list until its byte is free */
	flo__unlock_run(run->store->lock_fd, run->row);
	delist(run);
}

/* Walk the events: the last number and link, and nothing damaged. */
static flo_status verify(struct flo__run_journal *run, flo_error *err)
{
	struct flo__walk walk = {.row = run->row, .record = &run->record};
	flo_status st;

	st = flo__reader_walk(run->reader, &walk, err);
	if (st != FLO_OK) {
		flo_error_prefix(err, "run %s", run->record.id);
		return st;
	}
	run->seq = run->taken = run->durable = walk.seq;
	memcpy(run->hash, walk.hash, FLO__HASH_SIZE);
	return FLO_OK;
}

flo_status flo__store_run_open(struct flo__journal *journal, const char *id,
			       flo__journal_observer observer, void *arg,
			       flo_error *err,
			       struct flo__run_journal **ret_run,
			       const struct flo__run_record **ret_record)
{
	struct flo__store *store = (struct flo__store *)journal;
	struct flo__run_journal *run = new_run(store, observer, arg);
	struct flo__run_row row;
	bool claimed = false;
	flo_status st = FLO_NOMEM;

	if (run == NULL)
		goto out;
	TRY(flo__reader_open(store->path, err, &run->reader));
	TRY(flo__reader_row(run->reader, id, err, &run->row, &row,
			    &run->record_mem));
	run->record = row.record;
	if (row.finished_us != 0) {
		st = say_ended(id, err);
		goto out;
	}
	TRY(claim(run, err));
	claimed = true;
	TRY(flo__writer_call(store, do_open, run, err));
	TRY(verify(run, err));
	*ret_record = &run->record;
	*ret_run = run;
	run = NULL;
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "%s", flo_status_text(st));
	if (run != NULL && claimed)
		unclaim(run);
	free_run(run);
	return st;
}

/* --- close --- */

flo_status flo__store_run_close(struct flo__run_journal *run, flo_error *err)
{
	flo_status st;

	flo__store_run_unheed(run);
	flo__writer_flush(run->store);
	pthread_mutex_lock(&run->lock);
	st = run->failure.status;
	INSIST(st != FLO_OK || run->durable == run->seq);
	/* a store that failed after the end has cost this run nothing */
	if (run->ended && run->durable == run->seq)
		st = FLO_OK;
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", run->failure.text);
	pthread_mutex_unlock(&run->lock);
	unclaim(run);
	free_run(run);
	return st;
}
