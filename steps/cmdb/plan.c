#include "steps/cmdb/plan.h"

#include "base/contract.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

#define COUNTS                                                                 \
	"rows, dup_keys, added, changed, removed, same, fields,"               \
	" rejected, raw_hits"

static void copy(char *to, size_t size, sqlite3_stmt *stmt, int column)
{
	flo__utf8_copy(to, size, flo__cdb_text(stmt, column));
}

static enum flo__plan_state state_of(const char *name)
{
	if (strcmp(name, "applied") == 0)
		return FLO__PLAN_APPLIED;
	return strcmp(name, "ready") == 0 ? FLO__PLAN_READY : FLO__PLAN_BLOCKED;
}

static enum flo__plan_decision decision_of(const char *name)
{
	if (strcmp(name, "rejected") == 0)
		return FLO__PLAN_REJECTED;
	return strcmp(name, "approved") == 0 ? FLO__PLAN_APPROVED
					     : FLO__PLAN_UNDECIDED;
}

static void read_counts(sqlite3_stmt *stmt, int from,
			struct flo__counts *counts)
{
	int64_t *const to[] = {
		&counts->rows,	  &counts->dup_keys, &counts->added,
		&counts->changed, &counts->removed,  &counts->same,
		&counts->fields,  &counts->rejected, &counts->raw_hits,
	};

	for (int i = 0; i < 9; i++)
		*to[i] = sqlite3_column_int64(stmt, from + i);
}

static void read_row(sqlite3_stmt *stmt, struct flo__cmdb_plan *plan)
{
	plan->no = sqlite3_column_int64(stmt, 0);
	copy(plan->id, sizeof(plan->id), stmt, 1);
	plan->source = sqlite3_column_int64(stmt, 2);
	copy(plan->source_name, sizeof(plan->source_name), stmt, 3);
	plan->pull = sqlite3_column_int64(stmt, 4);
	copy(plan->pull_id, sizeof(plan->pull_id), stmt, 5);
	copy(plan->run_id, sizeof(plan->run_id), stmt, 6);
	copy(plan->trace_id, sizeof(plan->trace_id), stmt, 7);
	plan->ts = sqlite3_column_int64(stmt, 8);
	plan->rebase = sqlite3_column_int64(stmt, 9) != 0;
	plan->held = sqlite3_column_int64(stmt, 10) != 0;
	plan->base = sqlite3_column_int64(stmt, 11);
	plan->state = state_of(flo__cdb_text(stmt, 12));
	copy(plan->guards, sizeof(plan->guards), stmt, 13);
	copy(plan->reason, sizeof(plan->reason), stmt, 14);
	plan->applied_us = sqlite3_column_int64(stmt, 15);
	read_counts(stmt, 16, &plan->counts);
	plan->since = sqlite3_column_int64(stmt, 25);
	plan->missing = sqlite3_column_int64(stmt, 26);
	plan->decision = decision_of(flo__cdb_text(stmt, 27));
	copy(plan->decided_by, sizeof(plan->decided_by), stmt, 28);
}

flo_status flo__plan_read(struct flo__cdb *db, const char *id, flo_error *err,
			  struct flo__cmdb_plan *ret_plan)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT p.no, p.id, p.source, s.name, p.pull,"
			  " p.pull_id, p.run_id, p.trace_id, p.ts, p.rebase,"
			  " p.held, p.base, p.state, p.guards, p.reason,"
			  " p.applied_us, p.rows, p.dup_keys, p.added,"
			  " p.changed, p.removed, p.same, p.fields, p.rejected,"
			  " p.raw_hits, p.since, (SELECT count(*)"
			  "  FROM plan_miss m WHERE m.id BETWEEN p.no << 32"
			  "  AND p.no << 32 | 4294967295),"
			  " p.decision, p.decided_by"
			  " FROM plan p JOIN source s ON s.id = p.source"
			  " WHERE p.id = ?1",
			  "t", id);
	if (st == FLO_NOTFOUND)
		return flo_error_set(err, FLO_NOTFOUND,
				     "%s has no plan %.64s: give the output of "
				     "a cmdb.diff on the same \"db\", or the "
				     "whole id, of %d digits",
				     db->path, id, FLO__DIGEST_TEXT_SIZE - 1);
	if (st != FLO_OK)
		return st;
	memset(ret_plan, 0, sizeof(*ret_plan));
	read_row(stmt, ret_plan);
	sqlite3_finalize(stmt);
	return FLO_OK;
}

/* The plan of this id, unless something has come of it. */
#define EARLIER                                                                \
	"(SELECT no FROM plan WHERE id = ?1 AND state <> 'applied'"            \
	" AND decision IS NULL)"

static flo_status remove_earlier(struct flo__cdb *db, const char *id,
				 flo_error *err)
{
	static const char *const sql[] = {
		"DELETE FROM plan_miss WHERE id BETWEEN " EARLIER " << 32"
		" AND " EARLIER " << 32 | 4294967295",
		"DELETE FROM change WHERE id BETWEEN " EARLIER " << 32"
		" AND " EARLIER " << 32 | 4294967295",
		"DELETE FROM plan WHERE no = " EARLIER,
	};
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && i < 3; i++)
		st = flo__cdb_run(db, err, sql[i], "t", id);
	return st;
}

/* A person may have decided while the plan was made again. */
static flo_status check_free(struct flo__cdb *db,
			     const struct flo__cmdb_plan *plan, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt, "SELECT 1 FROM plan WHERE id = ?1",
			  "t", plan->id);
	sqlite3_finalize(stmt);
	if (st == FLO_NOTFOUND)
		return FLO_OK;
	if (st != FLO_OK)
		return st;
	return flo_error_set(err, FLO_FAILED,
			     "plan %s was decided about, or applied, while it "
			     "was made again; diff again: " FLO__CDB_ANEW,
			     plan->id);
}

static flo_status insert_plan(struct flo__cdb *db, struct flo__cmdb_plan *plan,
			      const char *spec, flo_error *err)
{
	const struct flo__counts *n = &plan->counts;
	flo_status st;

	st = flo__cdb_run(
		db, err,
		"INSERT INTO plan(id, source, pull, pull_id, run_id, trace_id,"
		" ts, spec, rebase, base, held, state, guards, reason, " COUNTS
		", since) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
		" ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,"
		" ?24)",
		"tiitttitiiitttiiiiiiiiii", plan->id, plan->source, plan->pull,
		plan->pull_id, plan->run_id, plan->trace_id, plan->ts, spec,
		(int64_t)plan->rebase, plan->base, (int64_t)plan->held,
		plan->state == FLO__PLAN_READY ? "ready" : "blocked",
		plan->guards, plan->reason, n->rows, n->dup_keys, n->added,
		n->changed, n->removed, n->same, n->fields, n->rejected,
		n->raw_hits, plan->since);
	plan->no = sqlite3_last_insert_rowid(db->sql);
	return st;
}

static flo_status insert_change(struct flo__cdb *db, sqlite3_stmt *stmt,
				int64_t id, const struct flo__match *match,
				size_t i, flo_error *err)
{
	const struct flo__change *c = &match->change[i];
	const struct flo__entry *e = &match->entry[c->entry];
	const char *fields = match->texts.data + c->key_at + c->key_len;
	size_t fields_len = c->fields_len;
	flo_status st;

	if (fields_len == 0) {
		fields = "[]";
		fields_len = 2;
	}
	sqlite3_clear_bindings(stmt);
	TRY(flo__cdb_bind(db, stmt, err, "isdss", id, &c->op, (size_t)1,
			  &e->key, match->texts.data + c->key_at,
			  (size_t)c->key_len, fields, fields_len));
	if (c->op != 'c')
		sqlite3_bind_int64(stmt, 6, e->body);
	if (c->op != 'd') {
		sqlite3_bind_int64(stmt, 7, c->after);
		sqlite3_bind_blob(stmt, 8, &e->raw, sizeof(e->raw),
				  SQLITE_STATIC);
		sqlite3_bind_blob(stmt, 9, &e->digest, sizeof(e->digest),
				  SQLITE_STATIC);
		sqlite3_bind_int64(stmt, 10, e->present);
	}
	st = flo__cdb_done(db, stmt, err);
out:
	return st;
}

/*
 * SQLite makes a table of the letters in CHECK (op IN ...) for each row that is
 * inserted, which takes longer than the rest of it. Ours are those letters.
 */
static flo_status check_rows(struct flo__cdb *db, bool check, flo_error *err)
{
	return flo__cdb_run(db, err,
			    check ? "PRAGMA ignore_check_constraints=OFF"
				  : "PRAGMA ignore_check_constraints=ON",
			    "");
}

/* Changes whose entry and texts, which lie anywhere, are asked for ahead. */
#define CHANGES_AHEAD 8

static void hint_change(const struct flo__match *match, size_t i)
{
	const struct flo__change *c = &match->change[i];

	__builtin_prefetch(&match->entry[c->entry]);
	__builtin_prefetch(match->texts.data + c->key_at);
}

static flo_status insert_changes(struct flo__cdb *db, int64_t no,
				 const struct flo__match *match, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(check_rows(db, false, err));
	TRY(flo__cdb_prepare(db,
			     "INSERT INTO change VALUES(?1, ?2, ?3, ?4, ?5, ?6,"
			     " ?7, ?8, ?9, ?10)",
			     err, &stmt));
	for (size_t i = 0; i < match->change_len; i++) {
		if (i + CHANGES_AHEAD < match->change_len)
			hint_change(match, i + CHANGES_AHEAD);
		TRY(insert_change(db, stmt, flo__cdb_first(no) + (int64_t)i,
				  match, i, err));
	}
	sqlite3_finalize(stmt);
	return check_rows(db, true, err);
out:
	sqlite3_finalize(stmt);
	check_rows(db, true, NULL);
	return st;
}

/* What `miss` is to be for the source. */
static flo_status insert_misses(struct flo__cdb *db, int64_t no,
				const struct flo__match *match, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	int64_t id = flo__cdb_first(no);
	flo_status st;

	TRY(flo__cdb_prepare(db, "INSERT INTO plan_miss VALUES(?1, ?2, ?3)",
			     err, &stmt));
	for (size_t i = 0; i < match->state_len; i++) {
		const struct flo__entry *e = &match->entry[i];

		if (e->times == 0)
			continue;
		TRY(flo__cdb_bind(db, stmt, err, "idi", id++, &e->key,
				  (int64_t)e->times));
		TRY(flo__cdb_done(db, stmt, err));
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo__plan_write(struct flo__cdb *db, struct flo__cmdb_plan *plan,
			   const struct flo__match *match,
			   const struct flo__spec *spec, flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_write(db, true, err));
	TRY(remove_earlier(db, plan->id, err));
	TRY(check_free(db, plan, err));
	TRY(insert_plan(db, plan, spec->text, err));
	TRY(insert_changes(db, plan->no, match, err));
	if (match->missing != 0)
		TRY(insert_misses(db, plan->no, match, err));
	st = flo__cdb_commit(db, err);
out:
	if (st != FLO_OK)
		flo__cdb_rollback(db);
	return st;
}
