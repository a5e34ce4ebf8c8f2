/*
 * Deleting runs that have ended.
 *
 * Order of things, so that nobody ever sees half a run and a crash at any point
 * leaves nothing but what the next prune finds and removes:
 *
 *   1. the rows of runs, some at a time, each batch durably committed. From
 *      then on the run does not exist for anybody;
 *   2. events without a run, a thousand a transaction, so that engines that
 *      share the store wait for one batch at most;
 *   3. directories without a run (sweep.c).
 *
 * 2 and 3 do not know what 1 did. They look for what belongs to nobody, which
 * is the same whether this process or one that was killed has left it.
 *
 * A run's byte is locked while its row is deleted: an engine that has recorded
 * the end still removes the work directory, and has the byte until then.
 */
#include "storage/store_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

#define BATCH_RUNS   32
#define BATCH_EVENTS 1000

/* --- choosing --- */

struct pick {
	char *id; /* owned, like pipeline */
	char *pipeline;
	enum flo__state status;
	int64_t finished_us;
	bool owned;  /* an engine has it still: left alone */
	int64_t row; /* once it was deleted */
	bool deleted;
};

struct picks {
	struct flo__prune *prune;
	struct pick *at;
	size_t len, cap;
	uint64_t seen; /* ended runs with such a status, newest first */
};

static void free_picks(struct picks *picks)
{
	for (size_t i = 0; i < picks->len; i++) {
		flo__free(picks->at[i].id);
		flo__free(picks->at[i].pipeline);
	}
	flo__free(picks->at);
}

static flo_status add_pick(struct picks *picks, const struct flo__run_row *row)
{
	struct pick *pick;

	if (picks->len == picks->cap) {
		size_t cap = picks->cap != 0 ? picks->cap * 2 : 64;
		void *at = flo__realloc(picks->at, cap * sizeof(*picks->at));

		if (at == NULL)
			return FLO_NOMEM;
		picks->at = at;
		picks->cap = cap;
	}
	pick = &picks->at[picks->len++];
	*pick = (struct pick){
		.id = flo__strdup(row->record.id),
		.pipeline = flo__strdup(row->record.pipeline),
		.status = row->status,
		.finished_us = row->finished_us,
	};
	return pick->id != NULL && pick->pipeline != NULL ? FLO_OK : FLO_NOMEM;
}

static flo_status consider(void *arg, const struct flo__run_row *row)
{
	struct picks *picks = arg;
	const struct flo__prune *prune = picks->prune;

	if (row->finished_us == 0 || (prune->states & 1u << row->status) == 0)
		return FLO_OK;
	if (picks->seen++ < prune->keep || row->finished_us >= prune->before_us)
		return FLO_OK;
	return add_pick(picks, row);
}

/* --- on a full disk --- */

/*
 * Note: deleting takes room
 *
 * Every change goes to the WAL first, and a full disk is when people prune.
 * So the ballast pays here too, once: for the rows, which are small. If it does
 * not reach for the events, files are removed before them and not after; what
 * they give back, the second attempt has.
 */
struct attempt {
	flo_status (*fn)(struct flo__store *store, void *arg, flo_error *err);
	void *arg;
};

static flo_status do_attempt(struct flo__store *store, void *arg,
			     flo_error *err)
{
	const struct attempt *attempt = arg;
	flo_error first = FLO_ERROR_INIT;
	flo_status st = attempt->fn(store, attempt->arg, &first);

	if (st == FLO_FULL && flo__ballast_give_up(store))
		return attempt->fn(store, attempt->arg, err);
	if (st != FLO_OK && err != NULL)
		*err = first;
	return st;
}

static flo_status call(struct flo__store *store,
		       flo_status (*fn)(struct flo__store *store, void *arg,
					flo_error *err),
		       void *arg, flo_error *err)
{
	struct attempt attempt = {fn, arg};

	return flo__writer_call(store, do_attempt, &attempt, err);
}

/* --- rows --- */

struct batch {
	struct pick *at;
	size_t len;
};

/* In a transaction. Locks the run's byte if it is to be deleted. */
static flo_status delete_row(struct flo__store *store, struct pick *pick,
			     flo_error *err)
{
	static const enum flo__sql deletes[] = {FLO__SQL_RUN_DELETE,
						FLO__SQL_LEASE_DROP,
						FLO__SQL_REQUEST_DROP};
	sqlite3_stmt *stmt = NULL;
	bool found = false;
	int64_t row = 0;
	flo_status st;

	pick->row = 0; /* of an attempt before */
	TRY(flo__conn_get(&store->db, FLO__SQL_RUN_BRIEF, err, &stmt));
	sqlite3_bind_text(stmt, 1, pick->id, -1, SQLITE_STATIC);
	TRY(flo__conn_step(&store->db, stmt, err, &found));
	/* somebody else was first; a new run may even have its name */
	if (!found || sqlite3_column_int64(stmt, 2) != pick->finished_us)
		goto out;
	row = sqlite3_column_int64(stmt, 0);
	flo__conn_done(stmt);
	stmt = NULL;
	st = flo__lock_run(store->lock_fd, row, err);
	pick->owned = st == FLO_BUSY;
	if (st != FLO_OK) {
		st = pick->owned ? FLO_OK : st;
		goto out;
	}
	pick->row = row;
	for (size_t i = 0; i < 3; i++) {
		TRY(flo__conn_get(&store->db, deletes[i], err, &stmt));
		sqlite3_bind_int64(stmt, 1, row);
		TRY(flo__conn_run(&store->db, stmt, err));
	}
out:
	flo__conn_done(stmt);
	return st;
}

static flo_status delete_rows(struct flo__store *store, void *arg,
			      flo_error *err)
{
	struct batch *batch = arg;
	flo_status st;

	TRY(flo__store_begin(store, err));
	for (size_t i = 0; i < batch->len; i++)
		TRY(delete_row(store, &batch->at[i], err));
	TRY(flo__store_commit(store, err));
out:
	if (st != FLO_OK)
		flo__store_rollback(store);
	for (size_t i = 0; i < batch->len; i++) {
		struct pick *pick = &batch->at[i];

		if (pick->row != 0)
			flo__unlock_run(store->lock_fd, pick->row);
		pick->deleted = st == FLO_OK && pick->row != 0;
	}
	return st;
}

static flo_status tell_pick(const struct flo__prune *prune,
			    const struct pick *pick)
{
	struct flo__run_row row = {
		.record = {.id = pick->id, .pipeline = pick->pipeline},
		.status = pick->status,
		.finished_us = pick->finished_us,
	};

	return prune->fn != NULL ? prune->fn(prune->arg, &row) : FLO_OK;
}

static flo_status delete_picks(struct flo__store *store, struct picks *picks,
			       flo_error *err)
{
	struct batch batch;
	flo_status st = FLO_OK;

	for (size_t i = 0; i < picks->len; i += batch.len) {
		size_t left = picks->len - i;

		batch.at = picks->at + i;
		batch.len = left < BATCH_RUNS ? left : BATCH_RUNS;
		if (store != NULL)
			TRY(call(store, delete_rows, &batch, err));
		for (size_t j = i; j < i + batch.len; j++) {
			picks->prune->owned += picks->at[j].owned;
			if (store == NULL || picks->at[j].deleted)
				TRY(tell_pick(picks->prune, &picks->at[j]));
		}
	}
out:
	return st;
}

/* --- what is left of them --- */

struct leftover {
	struct flo__store *store;
	struct flo__prune *prune;
	int64_t first, last; /* row numbers */
	int changes;	     /* of the last batch */
};

static flo_status delete_events(struct flo__store *store, void *arg,
				flo_error *err)
{
	struct leftover *left = arg;
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__store_begin(store, err));
	TRY(flo__conn_get(&store->db, FLO__SQL_EVENT_DELETE, err, &stmt));
	sqlite3_bind_int64(stmt, 1, FLO__EVENT_ID(left->first, 0));
	sqlite3_bind_int64(stmt, 2,
			   FLO__EVENT_ID(left->last, FLO__EVENT_SEQ_MAX));
	sqlite3_bind_int(stmt, 3, BATCH_EVENTS);
	TRY(flo__conn_run(&store->db, stmt, err));
	left->changes = sqlite3_changes(store->db.sqlite);
	TRY(flo__store_commit(store, err));
out:
	if (st != FLO_OK)
		flo__store_rollback(store);
	return st;
}

static flo_status drop_events(void *arg, int64_t first, int64_t last,
			      flo_error *err)
{
	struct leftover *left = arg;
	flo_status st = FLO_OK;

	if (left->store == NULL)
		return FLO_OK;
	left->first = first;
	left->last = last;
	do {
		TRY(call(left->store, delete_events, left, err));
		left->prune->events += (uint64_t)left->changes;
	} while (left->changes == BATCH_EVENTS);
out:
	return st;
}

/* Requests and leases that were left by whatever: there are few, ever. */
static flo_status drop_stale(struct flo__store *store, void *arg,
			     flo_error *err)
{
	sqlite3_stmt *stmt;
	flo_status st;

	(void)arg;
	TRY(flo__store_begin(store, err));
	TRY(flo__conn_get(&store->db, FLO__SQL_REQUEST_SWEEP, err, &stmt));
	TRY(flo__conn_run(&store->db, stmt, err));
	TRY(flo__conn_get(&store->db, FLO__SQL_LEASE_SWEEP, err, &stmt));
	TRY(flo__conn_run(&store->db, stmt, err));
	TRY(flo__store_commit(store, err));
out:
	if (st != FLO_OK)
		flo__store_rollback(store);
	return st;
}

static flo_status sweep_rows(struct flo__reader *reader,
			     struct flo__store *store, struct flo__prune *prune,
			     flo_error *err)
{
	struct leftover left = {.store = store, .prune = prune};
	flo_status st;

	TRY(flo__sweep_events(reader, drop_events, &left, err));
	if (store != NULL)
		TRY(call(store, drop_stale, NULL, err));
out:
	return st;
}

static flo_status sweep_dirs(struct flo__reader *reader,
			     struct flo__store *store, struct flo__prune *prune,
			     flo_error *err)
{
	struct flo__sweep files = {.reader = reader,
				   .store = store,
				   .why = FLO_ERROR_INIT};
	flo_status st = flo__sweep_files(&files, err);

	prune->dirs = files.dirs;
	prune->left = files.left;
	prune->why = files.why;
	return st;
}

static flo_status sweep(struct flo__reader *reader, struct flo__store *store,
			struct flo__prune *prune, flo_error *err)
{
	flo_error first = FLO_ERROR_INIT;
	flo_status rows = sweep_rows(reader, store, prune, &first);
	flo_status st;

	if (rows != FLO_OK && rows != FLO_FULL) {
		if (err != NULL)
			*err = first;
		return rows;
	}
	TRY(sweep_dirs(reader, store, prune, err));
	if (rows == FLO_FULL)
		st = sweep_rows(reader, store, prune, err);
out:
	return st;
}

static flo_status free_bytes(struct flo__conn *db, flo_error *err, int64_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__conn_get(db, FLO__SQL_FREE_BYTES, err, &stmt));
	TRY(flo__conn_step(db, stmt, err, &row));
	*ret = row ? sqlite3_column_int64(stmt, 0) : 0;
out:
	flo__conn_done(stmt);
	return st;
}

flo_status flo__store_prune(struct flo__reader *reader,
			    struct flo__journal *journal,
			    struct flo__prune *prune, flo_error *err)
{
	struct flo__store *store = (struct flo__store *)journal;
	struct picks picks = {.prune = prune};
	flo_status st = FLO_OK;

	if (prune->runs) {
		TRY(flo__reader_runs(reader, 0, consider, &picks, err));
		TRY(delete_picks(store, &picks, err));
	}
	TRY(sweep(reader, store, prune, err));
	TRY(free_bytes(&reader->db, err, &prune->free));
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, st, "%s", flo_status_text(st));
	free_picks(&picks);
	return st;
}
