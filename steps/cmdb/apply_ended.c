/*
 * The versions that a plan ends, as rows of `ended`.
 *
 * Each ends under the key's text that it began with: the next one's may be
 * another one of the same key, as {"a":1} and {"a":1.0} are. That text is in
 * the history, a page of which is read for nearly every one of them: a fifth of
 * an apply's time. So where they are many, a task reads them over a connection
 * of its own, while the apply writes the state.
 */
#include "steps/cmdb/apply_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "steps/cmdb/second.h"

/* In the order of their ids, in which `ended` is written. */
#define ENDED                                                                  \
	" FROM change c JOIN history h ON h.id = c.before"                     \
	" WHERE c.id BETWEEN ?1 AND ?2 ORDER BY c.before"

/* A version that ends, and its key's text. */
struct end {
	int64_t id;
	size_t at; /* in ended->texts */
	size_t len;
};

struct flo__ended {
	struct flo__task task;
	struct flo__cdb *db;		   /* owned: the second connection */
	const struct flo__cmdb_plan *plan; /* borrowed */
	struct end *end;		   /* owned */
	size_t len;
	size_t max;
	struct flo__strbuf texts;
	flo_status st;
};

static flo_status add_end(struct flo__ended *ended, sqlite3_stmt *row)
{
	size_t len = (size_t)sqlite3_column_bytes(row, 1);

	if (ended->len == ended->max)
		return FLO_CORRUPT;
	ended->end[ended->len++] = (struct end){
		.id = sqlite3_column_int64(row, 0),
		.at = ended->texts.len,
		.len = len,
	};
	flo__strbuf_add(&ended->texts, flo__cdb_text(row, 1), len);
	return flo__strbuf_status(&ended->texts);
}

static flo_status read_ends(struct flo__ended *ended)
{
	int64_t plan = ended->plan->no;
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(ended->db, "SELECT h.id, h.key" ENDED, NULL,
			     &stmt));
	TRY(flo__cdb_bind(ended->db, stmt, NULL, "ii", flo__cdb_first(plan),
			  flo__cdb_last(plan)));
	for (;;) {
		TRY(flo__cdb_step(ended->db, stmt, NULL, &row));
		if (!row)
			break;
		TRY(add_end(ended, stmt));
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

static void work(struct flo__task *task)
{
	struct flo__ended *ended = (struct flo__ended *)task;

	ended->st = read_ends(ended);
}

static size_t ends_of(const struct flo__cmdb_plan *plan)
{
	return (size_t)(plan->counts.changed + plan->counts.removed);
}

void flo__ended_begin(struct flo__cdb *db, const struct flo__cmdb_plan *plan,
		      struct flo__ended **ret_ended)
{
	struct flo__ended *ended;

	*ret_ended = NULL;
	/* A rebase writes the texts anew, which no other connection sees. */
	if (plan->rebase || ends_of(plan) < FLO__SECOND_LOOKUPS)
		return;
	ended = flo__calloc(1, sizeof(*ended));
	if (ended == NULL)
		return;
	flo__strbuf_init(&ended->texts);
	ended->task.work = work;
	ended->plan = plan;
	ended->max = ends_of(plan);
	ended->end = flo__reallocarray(NULL, ended->max, sizeof(*ended->end));
	if (ended->end != NULL)
		flo__second_open(db, plan->source, &ended->db);
	if (ended->db == NULL) {
		flo__ended_free(ended);
		return;
	}
	flo__task_start(&ended->task);
	*ret_ended = ended;
}

void flo__ended_free(struct flo__ended *ended)
{
	if (ended == NULL)
		return;
	flo__task_drop(&ended->task);
	flo__cdb_close(ended->db);
	flo__free(ended->end);
	flo__strbuf_fini(&ended->texts);
	flo__free(ended);
}

/* Returns how many were written in *@ret_rows: not those that have ended. */
static flo_status insert_ends(const struct flo__ended *ended,
			      struct flo__cdb *db, int64_t ts, flo_error *err,
			      int64_t *ret_rows)
{
	const struct flo__cmdb_plan *plan = ended->plan;
	int64_t before = sqlite3_total_changes64(db->sql);
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__cdb_prepare(db,
			     "INSERT OR IGNORE INTO ended"
			     " VALUES(?4, ?1, ?5, ?2, ?3)",
			     err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "iii", plan->source, ts, plan->no));
	for (size_t i = 0; i < ended->len; i++) {
		const struct end *end = &ended->end[i];

		sqlite3_bind_int64(stmt, 4, end->id);
		sqlite3_bind_text64(stmt, 5, ended->texts.data + end->at,
				    end->len, SQLITE_STATIC, SQLITE_UTF8);
		TRY(flo__cdb_done(db, stmt, err));
	}
	*ret_rows = sqlite3_total_changes64(db->sql) - before;
out:
	sqlite3_finalize(stmt);
	return st;
}

static flo_status insert_selected(struct flo__cdb *db,
				  const struct flo__cmdb_plan *plan, int64_t ts,
				  flo_error *err, int64_t *ret_rows)
{
	flo_status st;

	st = flo__cdb_run(db, err,
			  "INSERT OR IGNORE INTO ended"
			  " SELECT h.id, ?3, h.key, ?4, ?5" ENDED,
			  "iiiii", flo__cdb_first(plan->no),
			  flo__cdb_last(plan->no), plan->source, ts, plan->no);
	*ret_rows = sqlite3_changes64(db->sql);
	return st;
}

flo_status flo__ended_write(struct flo__ended *ended, struct flo__cdb *db,
			    const struct flo__cmdb_plan *plan, int64_t ts,
			    flo_error *err)
{
	int64_t want = (int64_t)ends_of(plan), rows = 0;
	flo_status st;

	if (want == 0)
		return FLO_OK;
	if (ended != NULL)
		flo__task_wait(&ended->task, FLO__TASK_IN_REGION);
	st = ended != NULL && ended->st == FLO_OK
		     ? insert_ends(ended, db, ts, err, &rows)
		     : insert_selected(db, plan, ts, err, &rows);
	if (st == FLO_OK && rows != want)
		st = flo__apply_unfit(db, plan, rows, want, err);
	return st;
}
