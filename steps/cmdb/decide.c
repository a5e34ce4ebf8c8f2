#include "steps/cmdb/decide.h"

#include "base/contract.h"
#include "base/time.h"

#include <flo/step.h>

#include <string.h>

flo_status flo__plan_not_rejected(const struct flo__cmdb_plan *plan,
				  flo_error *err)
{
	if (plan->decision != FLO__PLAN_REJECTED)
		return FLO_OK;
	return flo_error_set(err, FLO_BLOCKED,
			     "plan %s of %s was rejected by %s and is never "
			     "applied; pull and diff again",
			     plan->id, plan->source_name, plan->decided_by);
}

flo_status flo__plan_current(struct flo__cdb *db,
			     const struct flo__cmdb_plan *plan, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool moved;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT version, pull FROM source WHERE id = ?1", "i",
			  plan->source);
	if (st != FLO_OK)
		return st;
	moved = sqlite3_column_int64(stmt, 0) != plan->base ||
		sqlite3_column_int64(stmt, 1) > plan->pull ||
		(plan->since != FLO__SINCE_ANY &&
		 sqlite3_column_int64(stmt, 1) != plan->since);
	sqlite3_finalize(stmt);
	if (!moved)
		return FLO_OK;
	return flo_error_set(err, FLO_FAILED,
			     "plan %s is out of date: %s has changed since the "
			     "diff, by another apply; pull and diff again",
			     plan->id, plan->source_name);
}

/* Finding */

/*
 * A pull, a base and a spec have one difference, so the counts only tell apart
 * what arguments beside them made of it.
 */
static flo_status find_waiting(struct flo__cdb *db,
			       const struct flo__cmdb_plan *plan,
			       const char *spec, flo_error *err,
			       sqlite3_stmt **ret)
{
	const struct flo__counts *n = &plan->counts;

	return flo__cdb_row(db, err, ret,
			    "SELECT id FROM plan WHERE pull = ?1"
			    " AND spec = ?2 AND base = ?3 AND rows = ?4"
			    " AND added = ?5 AND changed = ?6 AND removed = ?7"
			    " AND rejected = ?8 AND rebase = ?9 AND since = ?10"
			    " AND decision = 'approved' AND state = 'ready'"
			    " ORDER BY no DESC LIMIT 1",
			    "itiiiiiiii", plan->pull, spec, plan->base, n->rows,
			    n->added, n->changed, n->removed, n->rejected,
			    (int64_t)plan->rebase, plan->since);
}

static flo_status find_applied(struct flo__cdb *db,
			       const struct flo__cmdb_plan *plan,
			       const char *spec, flo_error *err,
			       sqlite3_stmt **ret)
{
	return flo__cdb_row(db, err, ret,
			    "SELECT p.id FROM plan p JOIN source s"
			    " ON s.id = p.source WHERE p.pull = ?1"
			    " AND p.spec = ?2 AND p.decision = 'approved'"
			    " AND p.state = 'applied' AND s.pull = p.pull"
			    " AND s.applied_us = p.applied_us",
			    "it", plan->pull, spec);
}

/* Its lines are from now on of the run that goes on with it. */
static flo_status take_over(struct flo__cdb *db, const char *id,
			    const struct flo__cmdb_plan *from, flo_error *err,
			    struct flo__cmdb_plan *ret_plan)
{
	flo_status st;

	TRY(flo__cdb_write(db, true, err));
	TRY(flo__cdb_run(db, err,
			 "UPDATE plan SET run_id = ?2, trace_id = ?3,"
			 " held = ?4 WHERE id = ?1 AND state = 'ready'",
			 "ttti", id, from->run_id, from->trace_id,
			 (int64_t)from->held));
	TRY(flo__plan_read(db, id, err, ret_plan));
	st = flo__cdb_commit(db, err);
out:
	flo__cdb_rollback(db);
	return st;
}

flo_status flo__plan_find_approved(struct flo__cdb *db,
				   struct flo__cmdb_plan *plan,
				   const char *spec, bool applied,
				   flo_error *err, bool *ret_found)
{
	char id[FLO__DIGEST_TEXT_SIZE];
	struct flo__cmdb_plan found;
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	*ret_found = false;
	st = applied ? find_applied(db, plan, spec, err, &stmt)
		     : find_waiting(db, plan, spec, err, &stmt);
	if (st == FLO_NOTFOUND)
		return FLO_OK;
	if (st != FLO_OK)
		return st;
	strncpy(id, flo__cdb_text(stmt, 0), sizeof(id) - 1);
	id[sizeof(id) - 1] = '\0';
	sqlite3_finalize(stmt);
	st = applied ? flo__plan_read(db, id, err, &found)
		     : take_over(db, id, plan, err, &found);
	if (st != FLO_OK)
		return st;
	*plan = found;
	*ret_found = true;
	return FLO_OK;
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
		return flo_error_set(err, FLO_CLOSED,
				     "plan %s of %s was rejected by %s and "
				     "stays so; pull and diff again",
				     plan->id, plan->source_name,
				     plan->decided_by);
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
