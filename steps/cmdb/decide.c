#include "steps/cmdb/decide.h"

#include "base/contract.h"
#include "base/time.h"

#include <stdio.h>
#include <string.h>

flo_status flo__plan_not_rejected(const struct flo__cmdb_plan *plan,
				  flo_error *err)
{
	if (plan->decision != FLO__PLAN_REJECTED)
		return FLO_OK;
	return flo_error_set(err, FLO_BLOCKED,
			     "plan %s of %s was rejected by %s and is never "
			     "applied; pull and diff again: " FLO__CDB_ANEW,
			     plan->id, plan->source_name, plan->decided_by);
}

flo_status flo__plan_current(struct flo__cdb *db,
			     const struct flo__cmdb_plan *plan, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool changed, passed;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT version, pull FROM source WHERE id = ?1", "i",
			  plan->source);
	if (st != FLO_OK)
		return st;
	changed = sqlite3_column_int64(stmt, 0) != plan->base;
	passed = sqlite3_column_int64(stmt, 1) > plan->pull ||
		 (plan->since != FLO__SINCE_ANY &&
		  sqlite3_column_int64(stmt, 1) != plan->since);
	sqlite3_finalize(stmt);
	if (!changed && !passed)
		return FLO_OK;
	if (changed)
		return flo_error_set(
			err, FLO_FAILED,
			"plan %s is out of date: %s has changed since the "
			"diff, by another apply; pull and diff again: " FLO__CDB_ANEW,
			plan->id, plan->source_name);
	return flo_error_set(
		err, FLO_FAILED,
		"plan %s is out of date: another pull of %s was applied since "
		"the diff, and found no changes; pull and diff again: " FLO__CDB_ANEW,
		plan->id, plan->source_name);
}

/* Finding */

static void copy_id(sqlite3_stmt *row, char ret_id[FLO__DIGEST_TEXT_SIZE])
{
	snprintf(ret_id, FLO__DIGEST_TEXT_SIZE, "%s", flo__cdb_text(row, 0));
}

flo_status flo__plan_find_applied(struct flo__cdb *db, const char *pull_id,
				  const char *spec, flo_error *err,
				  struct flo__cmdb_plan *ret_plan,
				  bool *ret_found)
{
	char id[FLO__DIGEST_TEXT_SIZE];
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	*ret_found = false;
	st = flo__cdb_row(db, err, &stmt,
			  "SELECT p.id FROM pull l JOIN plan p ON p.pull = l.no"
			  " WHERE l.id = ?1 AND p.spec = ?2"
			  " AND p.decision = 'approved'"
			  " AND p.state = 'applied' ORDER BY p.no DESC LIMIT 1",
			  "tt", pull_id, spec);
	if (st == FLO_NOTFOUND)
		return FLO_OK;
	if (st != FLO_OK)
		return st;
	copy_id(stmt, id);
	sqlite3_finalize(stmt);
	st = flo__plan_read(db, id, err, ret_plan);
	*ret_found = st == FLO_OK;
	return st;
}

/* Whether the row of a change, op, key and raw, is change @i of @match. */
static bool same_change(sqlite3_stmt *row, const struct flo__match *match,
			size_t i)
{
	const struct flo__change *c = &match->change[i];
	const struct flo__entry *e = &match->entry[c->entry];
	struct flo__digest key, raw;

	return flo__cdb_text(row, 0)[0] == c->op &&
	       flo__cdb_digest(row, 1, &key) &&
	       memcmp(&key, &e->key, sizeof(key)) == 0 &&
	       (c->op == 'd' || (flo__cdb_digest(row, 2, &raw) &&
				 memcmp(&raw, &e->raw, sizeof(raw)) == 0));
}

/* Both are in the order of the keys' digests. */
static flo_status same_changes(struct flo__cdb *db, int64_t no,
			       const struct flo__match *match, flo_error *err,
			       bool *ret_same)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true, same = true;
	size_t i = 0;
	flo_status st;

	TRY(flo__cdb_prepare(db,
			     "SELECT op, key, raw FROM change"
			     " WHERE id BETWEEN ?1 AND ?2 ORDER BY id",
			     err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "ii", flo__cdb_first(no),
			  flo__cdb_last(no)));
	for (; same; i++) {
		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row)
			break;
		same = i < match->change_len && same_change(stmt, match, i);
	}
	*ret_same = same && i == match->change_len;
out:
	sqlite3_finalize(stmt);
	return st;
}

/* The next of the candidates that is one, by the one who gave the records. */
static flo_status pick(struct flo__cdb *db, sqlite3_stmt *candidates,
		       const struct flo__match *match, flo_error *err,
		       char ret_id[FLO__DIGEST_TEXT_SIZE], bool *ret_found)
{
	bool found = false;
	flo_status st;

	while (!found) {
		bool row = false;

		TRY(flo__cdb_step(db, candidates, err, &row));
		if (!row)
			break;
		copy_id(candidates, ret_id);
		found = match == NULL;
		if (!found)
			TRY(same_changes(db,
					 sqlite3_column_int64(candidates, 1),
					 match, err, &found));
	}
	*ret_found = found;
out:
	return st;
}

/*
 * A pull, a base and a spec have one difference, so the counts only tell apart
 * what arguments beside them made of it.
 */
static flo_status
find_waiting(struct flo__cdb *db, const struct flo__cmdb_plan *plan,
	     const char *spec, const struct flo__match *match, flo_error *err,
	     char ret_id[FLO__DIGEST_TEXT_SIZE], bool *ret_found)
{
	const struct flo__counts *n = &plan->counts;
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	TRY(flo__cdb_prepare(db,
			     "SELECT id, no FROM plan WHERE ?1 IN (0, pull)"
			     " AND spec = ?2 AND base = ?3 AND rows = ?4"
			     " AND added = ?5 AND changed = ?6 AND removed = ?7"
			     " AND rejected = ?8 AND rebase = ?9"
			     " AND source = ?10 AND since = ?11"
			     " AND decision = 'approved' AND state = 'ready'"
			     " ORDER BY no DESC",
			     err, &stmt));
	TRY(flo__cdb_bind(db, stmt, err, "itiiiiiiiii",
			  match == NULL ? plan->pull : INT64_C(0), spec,
			  plan->base, n->rows, n->added, n->changed, n->removed,
			  n->rejected, (int64_t)plan->rebase, plan->source,
			  plan->since));
	st = pick(db, stmt, match, err, ret_id, ret_found);
out:
	sqlite3_finalize(stmt);
	return st;
}

/* Its lines are from now on of the run that goes on with it. */
static flo_status take_over(struct flo__cdb *db, const char *id,
			    struct flo__cmdb_plan *plan, flo_error *err)
{
	struct flo__cmdb_plan found;
	flo_status st;

	TRY(flo__cdb_write(db, true, err));
	TRY(flo__cdb_run(db, err,
			 "UPDATE plan SET run_id = ?2, trace_id = ?3,"
			 " held = ?4 WHERE id = ?1 AND state = 'ready'",
			 "ttti", id, plan->run_id, plan->trace_id,
			 (int64_t)plan->held));
	TRY(flo__plan_read(db, id, err, &found));
	TRY(flo__plan_not_rejected(&found, err));
	TRY(flo__cdb_commit(db, err));
	*plan = found;
out:
	flo__cdb_rollback(db);
	return st;
}

flo_status flo__plan_find_waiting(struct flo__cdb *db,
				  struct flo__cmdb_plan *plan, const char *spec,
				  const struct flo__match *match,
				  flo_error *err, bool *ret_found)
{
	char id[FLO__DIGEST_TEXT_SIZE];
	flo_status st = find_waiting(db, plan, spec, match, err, id, ret_found);

	if (st == FLO_OK && *ret_found)
		st = take_over(db, id, plan, err);
	return st;
}

/* Deciding */

static flo_status check(struct flo__cdb *db, const struct flo__cmdb_plan *plan,
			const struct flo__decision *decision, flo_error *err)
{
	if (plan->state == FLO__PLAN_APPLIED)
		return flo_error_set(err, FLO_CLOSED,
				     "plan %s of %s is applied already; there "
				     "is nothing left to decide",
				     plan->id, plan->source_name);
	if (decision->what == FLO__PLAN_REJECTED)
		return FLO_OK;
	if (plan->decision == FLO__PLAN_REJECTED)
		return flo_error_set(
			err, FLO_CLOSED,
			"plan %s of %s was rejected by %s and "
			"stays so; pull and diff again: " FLO__CDB_ANEW,
			plan->id, plan->source_name, plan->decided_by);
	return flo__plan_current(db, plan, err);
}

static flo_status write_decision(struct flo__cdb *db,
				 const struct flo__cmdb_plan *plan,
				 const struct flo__decision *decision,
				 flo_error *err)
{
	bool approved = decision->what == FLO__PLAN_APPROVED;

	return flo__cdb_run(db, err,
			    "UPDATE plan SET decision = ?2, decided_us = ?3,"
			    " decided_by = ?4, note = ?5,"
			    " state = iif(?2 = 'approved', 'ready', state)"
			    " WHERE no = ?1",
			    "ititt", plan->no,
			    approved ? "approved" : "rejected",
			    flo__time_now_us(), decision->by, decision->note);
}

flo_status flo__plan_decide(struct flo__cdb *db, const char *id,
			    const struct flo__decision *decision,
			    flo_error *err, bool *ret_before)
{
	struct flo__cmdb_plan plan;
	flo_status st;

	TRY(flo__cdb_write(db, true, err));
	TRY(flo__plan_read(db, id, err, &plan));
	if (plan.decision == decision->what) {
		*ret_before = true;
		goto out;
	}
	TRY(check(db, &plan, decision, err));
	TRY(write_decision(db, &plan, decision, err));
	TRY(flo__cdb_commit(db, err));
	*ret_before = false;
out:
	flo__cdb_rollback(db);
	return st;
}
