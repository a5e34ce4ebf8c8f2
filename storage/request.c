/*
 * What other processes want of a run's owner: cancel it.
 *
 * A request is a row, so it is durable when the one who asks is told, whoever
 * owns the run by then: an engine that dies before it has heard of it leaves it
 * to the one that resumes. Refused: a socket or a signal to the owner, which
 * would need a second way for runs that nobody owns, and an owner that is alive.
 *
 * The writer looks every 200 ms, while it has runs. A look that finds that
 * nobody has written to the file costs a read of the shared index of the WAL.
 *
 * A run's heed function is set and cleared under the store's lock. Who clears it
 * then has the writer do something (close() in own.c), and frees the run after
 * that: so a run that the writer has seen with a function is there until the
 * writer has called it.
 */
#include "storage/store_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define WHY_MAX 200 /* bytes of a reason */

/* --- asking --- */

struct asked {
	const char *id;
	enum flo__request kind;
	const char *why;
	int64_t row;
};

static flo_status put(struct flo__store *store, const struct asked *asked,
		      flo_error *err)
{
	char why[WHY_MAX + 1];
	sqlite3_stmt *stmt;
	flo_status st;

	TRY(flo__conn_get(&store->db, FLO__SQL_REQUEST_PUT, err, &stmt));
	sqlite3_bind_int64(stmt, 1, asked->row);
	sqlite3_bind_int(stmt, 2, (int)asked->kind);
	flo__utf8_copy(why, sizeof(why), asked->why);
	sqlite3_bind_text(stmt, 3, why, -1, SQLITE_TRANSIENT);
	sqlite3_bind_int64(stmt, 4, flo__time_now_us());
	TRY(flo__conn_run(&store->db, stmt, err));
out:
	return st;
}

/* It may have ended, or have been deleted, since it was looked at. */
static flo_status check_open(struct flo__store *store,
			     const struct asked *asked, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool found = false;
	flo_status st;

	TRY(flo__conn_get(&store->db, FLO__SQL_RUN_ENDED, err, &stmt));
	sqlite3_bind_int64(stmt, 1, asked->row);
	TRY(flo__conn_step(&store->db, stmt, err, &found));
	if (!found)
		st = flo_error_set(err, FLO_NOTFOUND, "run %s was deleted",
				   asked->id);
	else if (sqlite3_column_int64(stmt, 0) != 0)
		st = flo_error_set(err, FLO_CLOSED, "run %s has ended",
				   asked->id);
out:
	flo__conn_done(stmt);
	return st;
}

static flo_status do_request(struct flo__store *store, void *arg,
			     flo_error *err)
{
	const struct asked *asked = arg;
	flo_status st;

	TRY(flo__store_begin(store, err));
	TRY(check_open(store, asked, err));
	TRY(put(store, asked, err));
	TRY(flo__store_commit(store, err));
	/* data_version tells of others only */
	pthread_mutex_lock(&store->lock);
	store->look_now = true;
	pthread_mutex_unlock(&store->lock);
out:
	if (st != FLO_OK)
		flo__store_rollback(store);
	return st;
}

flo_status flo__store_request(struct flo__journal *journal, const char *id,
			      enum flo__request kind, const char *why,
			      flo_error *err)
{
	struct flo__store *store = (struct flo__store *)journal;
	struct asked asked = {.id = id, .kind = kind, .why = why};
	struct flo__reader *reader = NULL;
	struct flo__run_row row;
	void *mem = NULL;
	flo_status st;

	REQUIRE(kind == FLO__REQUEST_STOP || kind == FLO__REQUEST_KILL);
	TRY(flo__reader_open(store->path, err, &reader));
	TRY(flo__reader_row(reader, id, err, &asked.row, &row, &mem));
	TRY(flo__writer_call(store, do_request, &asked, err));
out:
	flo__free(mem);
	flo__reader_close(reader);
	return st;
}

/* --- hearing --- */

void flo__store_run_heed(struct flo__run_journal *run, flo__journal_heed_fn fn,
			 void *arg)
{
	struct flo__store *store = run->store;

	REQUIRE(fn != NULL);
	pthread_mutex_lock(&store->lock);
	INSIST(run->heed == NULL);
	run->heed = fn;
	run->heed_arg = arg;
	store->heeding++;
	store->look_now = true;
	pthread_cond_signal(&store->work);
	pthread_mutex_unlock(&store->lock);
}

void flo__store_run_unheed(struct flo__run_journal *run)
{
	struct flo__store *store = run->store;

	pthread_mutex_lock(&store->lock);
	if (run->heed != NULL) {
		run->heed = NULL;
		store->heeding--;
	}
	pthread_mutex_unlock(&store->lock);
}

uint64_t flo__requests_due_ns(const struct flo__store *store)
{
	if (store->heeding == 0 || store->failure.status != FLO_OK)
		return 0;
	return store->look_now ? 1 : store->looked_ns + FLO__LOOK_NS;
}

/* What the look tells one run. */
struct told {
	struct flo__run_journal *run;
	flo__journal_heed_fn fn;
	void *arg;
	struct {
		enum flo__request kind;
		char why[WHY_MAX + 1];
	} what[2];
	size_t len;
};

/* A run that this look has not come by. */
static bool next_run(struct flo__store *store, struct told *told)
{
	struct flo__run_journal *run;

	*told = (struct told){0};
	pthread_mutex_lock(&store->lock);
	for (run = store->runs; run != NULL && told->run == NULL;
	     run = run->next) {
		if (run->heed == NULL || run->looks == store->looks)
			continue;
		run->looks = store->looks;
		told->run = run;
		told->fn = run->heed;
		told->arg = run->heed_arg;
	}
	pthread_mutex_unlock(&store->lock);
	return told->run != NULL;
}

static void note(struct told *told, sqlite3_stmt *stmt)
{
	int kind = sqlite3_column_int(stmt, 0);
	const char *why = (const char *)sqlite3_column_text(stmt, 1);
	unsigned bit;

	/* the file is not trusted, and a later version may know more kinds */
	if (kind < FLO__REQUEST_STOP || kind > FLO__REQUEST_KILL || why == NULL)
		return;
	bit = 1u << kind;
	if ((told->run->heeded & bit) != 0 || told->len == 2)
		return;
	told->run->heeded |= bit;
	told->what[told->len].kind = (enum flo__request)kind;
	flo__utf8_copy(told->what[told->len].why, WHY_MAX + 1, why);
	told->len++;
}

static flo_status read_requests(struct flo__store *store, struct told *told)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__conn_get(&store->db, FLO__SQL_REQUEST_LIST, NULL, &stmt));
	sqlite3_bind_int64(stmt, 1, told->run->row);
	for (;;) {
		TRY(flo__conn_step(&store->db, stmt, NULL, &row));
		if (!row)
			break;
		note(told, stmt);
	}
out:
	flo__conn_done(stmt);
	return st;
}

static flo_status read_version(struct flo__store *store, int64_t *ret)
{
	sqlite3_stmt *stmt = NULL;
	bool row = false;
	flo_status st;

	TRY(flo__conn_get(&store->db, FLO__SQL_DATA_VERSION, NULL, &stmt));
	TRY(flo__conn_step(&store->db, stmt, NULL, &row));
	*ret = row ? sqlite3_column_int64(stmt, 0) : -1;
out:
	flo__conn_done(stmt);
	return st;
}

/* Is there anything to look for? What cannot be read is tried again. */
static bool has_changed(struct flo__store *store)
{
	int64_t version = -1;
	bool now;

	pthread_mutex_lock(&store->lock);
	now = store->look_now;
	store->look_now = false;
	store->looked_ns = flo__time_mono_ns();
	pthread_mutex_unlock(&store->lock);
	if (read_version(store, &version) != FLO_OK)
		version = -1;
	if (version == store->data_version && version >= 0 && !now)
		return false;
	store->data_version = version;
	return true;
}

void flo__requests_look(struct flo__store *store)
{
	struct told told;

	if (!has_changed(store))
		return;
	store->looks++;
	while (next_run(store, &told)) {
		if (read_requests(store, &told) != FLO_OK)
			store->data_version = -1;
		for (size_t i = 0; i < told.len; i++)
			told.fn(told.arg, told.what[i].kind, told.what[i].why);
	}
}

flo_status flo__requests_drop(struct flo__store *store, int64_t row,
			      flo_error *err)
{
	sqlite3_stmt *stmt;
	flo_status st;

	TRY(flo__conn_get(&store->db, FLO__SQL_REQUEST_DROP, err, &stmt));
	sqlite3_bind_int64(stmt, 1, row);
	TRY(flo__conn_run(&store->db, stmt, err));
out:
	return st;
}
