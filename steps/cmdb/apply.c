/*
 * cmdb.apply: carry a plan out, in one transaction.
 *
 * The plan is applied to exactly the state that it was computed against: its
 * base is the source's version, which every apply that changes something
 * raises; where the plan depends on more than the state, no other pull may have
 * been applied at all. So applying is to go over the plan's changes, and there is
 * nothing to decide here.
 */
#include "steps/cmdb/apply_p.h"
#include "steps/cmdb/cmdb.h"

#include "base/contract.h"
#include "base/time.h"
#include "steps/args.h"
#include "steps/cmdb/decide.h"
#include "steps/cmdb/rebase.h"
#include "steps/cmdb/stage.h"
#include "steps/cmdb/staged.h"
#include "steps/cmdb/steps_p.h"

#include <string.h>

struct apply {
	const char *plan_id; /* borrowed */
	const char *run_id;  /* borrowed; NULL: no run does it */
	struct flo__cmdb_plan plan;
	bool applied; /* by this call */
};

/* Whether it may be applied; *@ret_do is false if it is done or held. */
static flo_status check_plan(const struct apply *apply, struct flo__cdb *db,
			     flo_error *err, bool *ret_do)
{
	const struct flo__cmdb_plan *plan = &apply->plan;
	flo_status st;

	*ret_do = false;
	if (plan->state == FLO__PLAN_APPLIED)
		return FLO_OK;
	TRY(flo__plan_not_rejected(plan, err));
	if (plan->state == FLO__PLAN_BLOCKED)
		return flo_error_set(err, FLO_BLOCKED,
				     "plan %s is blocked by guard %s: %s",
				     plan->id, plan->guards, plan->reason);
	if (plan->held && apply->run_id != NULL &&
	    strcmp(plan->run_id, apply->run_id) == 0)
		return FLO_OK;
	TRY(flo__plan_current(db, plan, err));
	*ret_do = true;
out:
	return st;
}

flo_status flo__apply_unfit(const struct flo__cdb *db,
			    const struct flo__cmdb_plan *plan, int64_t rows,
			    int64_t want, flo_error *err)
{
	return flo_error_set(err, FLO_CORRUPT,
			     "%s: plan %s does not fit the state: %lld rows "
			     "where %lld should be; nothing was applied",
			     db->path, plan->id, (long long)rows,
			     (long long)want);
}

/*
 * Whether the plan's pull read its records in another way than the last, and
 * whether all that there is was identified under the plan's spec.
 */
static flo_status compare_pulls(struct flo__cdb *db,
				const struct flo__cmdb_plan *plan,
				flo_error *err, bool *ret_reshaped,
				bool *ret_identified)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT p.shape IS NOT q.shape, p.spec IS n.spec"
			  " AND p.kind = 'full'"
			  " FROM plan n JOIN pull p ON p.no = n.pull"
			  " JOIN source s ON s.id = n.source"
			  " JOIN pull q ON q.no = s.pull WHERE n.no = ?1",
			  "i", plan->no);
	*ret_reshaped = st == FLO_OK && sqlite3_column_int(stmt, 0) != 0;
	*ret_identified = st == FLO_OK && sqlite3_column_int(stmt, 1) != 0;
	sqlite3_finalize(stmt);
	return st == FLO_NOTFOUND ? FLO_OK : st;
}

/*
 * A raw digest stands for what is stored under any spec that may come. So where
 * this one leaves something out, or takes arrays for sets, what was pulled must
 * be what is stored to the letter.
 */
static const char take_sql[] =
	"UPDATE state SET raw = ?2 WHERE source = ?1 AND key = ?3"
	" AND digest = ?4 AND ("
	"  (SELECT json_array_length(spec, '$.ignore')"
	"    + json_array_length(spec, '$.unordered') FROM plan"
	"   WHERE no = ?5) = 0"
	"  OR (SELECT body FROM body WHERE id = ?6)"
	"   = (SELECT body FROM body WHERE id = state.body))";

static flo_status take_raw(struct flo__cdb *db, sqlite3_stmt *stmt,
			   const struct flo__cmdb_plan *plan,
			   const struct flo__staged_row *row, flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_bind(db, stmt, err, "idddii", plan->source, &row->raw,
			  &row->identity.key, &row->identity.body, plan->no,
			  row->id));
	st = flo__cdb_done(db, stmt, err);
out:
	return st;
}

/* Who comes to the state in another order than its own meets pages again. */
static flo_status keep_pages(struct flo__cdb *db, flo_error *err)
{
	return flo__cdb_run(db, err, "PRAGMA cache_size=-65536", "");
}

static flo_status take_raws(struct flo__cdb *db,
			    const struct flo__cmdb_plan *plan, flo_error *err)
{
	struct flo__staged staged = {.db = NULL};
	struct flo__staged_row row;
	sqlite3_stmt *stmt = NULL;
	bool more = true;
	flo_status st;

	TRY(keep_pages(db, err));
	TRY(flo__cdb_prepare(db, take_sql, err, &stmt));
	TRY(flo__staged_open(&staged, db, plan->pull, false, err));
	for (;;) {
		TRY(flo__staged_next(&staged, err, &row, &more));
		if (!more)
			break;
		if (row.identified && !row.gone)
			TRY(take_raw(db, stmt, plan, &row, err));
	}
out:
	flo__staged_close(&staged);
	sqlite3_finalize(stmt);
	return st;
}

/*
 * Records that came out the same under another `map`, `where` or `gone` have
 * other raw digests: take these, or no later pull would know their bytes. Not
 * so where only the bytes differ: a field that is another one in every pull
 * would have the whole state written each time, and never be known.
 *
 * Where the spec has changed at the same time, they are not known under it yet,
 * and a pull of changes does not have them: then the pull passes for one that
 * was read as the last was, and the next one of everything brings it in order.
 */
static flo_status take_shape(struct flo__cdb *db,
			     const struct flo__cmdb_plan *plan, flo_error *err)
{
	bool reshaped = false, identified = false;
	flo_status st = compare_pulls(db, plan, err, &reshaped, &identified);

	if (st != FLO_OK || !reshaped)
		return st;
	if (identified)
		return take_raws(db, plan, err);
	return flo__cdb_run(db, err,
			    "UPDATE pull SET shape = (SELECT q.shape"
			    "  FROM source s JOIN pull q ON q.no = s.pull"
			    "  WHERE s.id = ?2) WHERE no = ?1",
			    "ii", plan->pull, plan->source);
}

/* A time after the last apply's, whatever the clock says. */
static flo_status apply_time(struct flo__cdb *db,
			     const struct flo__cmdb_plan *plan, flo_error *err,
			     int64_t *ret_us)
{
	int64_t now = flo__time_now_us();
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT max(?2, applied_us + 1) FROM source"
			  " WHERE id = ?1",
			  "ii", plan->source, now);
	if (st == FLO_OK)
		*ret_us = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return st;
}

static flo_status mark_applied(struct flo__cdb *db,
			       const struct flo__cmdb_plan *plan, int64_t ts,
			       flo_error *err)
{
	const struct flo__counts *n = &plan->counts;
	bool changed = n->added + n->changed + n->removed != 0 || plan->rebase;
	flo_status st;

	TRY(flo__cdb_run(db, err,
			 "UPDATE source SET version = version + ?2,"
			 " rows = rows + ?3, pull = ?4, applied_us = ?5,"
			 " spec = (SELECT spec FROM plan WHERE no = ?6)"
			 " WHERE id = ?1",
			 "iiiiii", plan->source, (int64_t)changed,
			 n->added - n->removed, plan->pull, ts, plan->no));
	st = flo__cdb_run(db, err,
			  "UPDATE plan SET state = 'applied', applied_us = ?2"
			  " WHERE no = ?1",
			  "ii", plan->no, ts);
out:
	return st;
}

/* What was missing, and stays, is what the plan says and nothing else. */
static flo_status write_misses(struct flo__cdb *db,
			       const struct flo__cmdb_plan *plan,
			       flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_run(db, err, "DELETE FROM miss WHERE source = ?1", "i",
			 plan->source));
	st = flo__cdb_run(db, err,
			  "INSERT INTO miss SELECT ?3, key, times"
			  " FROM plan_miss WHERE id BETWEEN ?1 AND ?2"
			  " ORDER BY key",
			  "iii", flo__cdb_first(plan->no),
			  flo__cdb_last(plan->no), plan->source);
out:
	return st;
}

/*
 * With another `ignore` the state may differ from what the product has in more
 * than this pull could tell of, if it was not of everything: the next one is.
 */
static flo_status forget_since(struct flo__cdb *db,
			       const struct flo__cmdb_plan *plan,
			       flo_error *err)
{
	if (!plan->rebase)
		return FLO_OK;
	return flo__cdb_run(
		db, err,
		"UPDATE source SET cursor = NULL, etag = NULL, modified = NULL"
		" WHERE id = ?1 AND EXISTS"
		"  (SELECT 1 FROM pull WHERE no = ?2 AND kind <> 'full')",
		"ii", plan->source, plan->pull);
}

/*
 * What the next pull goes on from: with the changes, or not at all. Where the
 * pull is not there any more there is nothing to go on from.
 */
static flo_status write_since(struct flo__cdb *db,
			      const struct flo__cmdb_plan *plan, flo_error *err)
{
	flo_status st;

	st = flo__cdb_run(
		db, err,
		"UPDATE source SET (origin, cursor, etag, modified) ="
		" (SELECT p.origin,"
		"   CASE p.kind WHEN 'changes'"
		"    THEN ifnull(p.cursor, source.cursor) ELSE p.cursor END,"
		"   p.etag, p.modified FROM pull p WHERE p.no = ?2)"
		" WHERE id = ?1 AND NOT EXISTS"
		"  (SELECT 1 FROM pull WHERE no = ?2 AND kind = 'same')",
		"ii", plan->source, plan->pull);
	return st == FLO_OK ? forget_since(db, plan, err) : st;
}

/* Pulls of the source that no diff will want any more: this and older ones. */
static flo_status release_pulls(struct flo__cdb *db,
				const struct flo__cmdb_plan *plan,
				flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__cdb_prepare(db,
			     "SELECT no FROM pull WHERE source = ?1"
			     " AND no <= ?2 AND staged = 1",
			     err, &stmt));
	for (;;) {
		int64_t no;

		TRY(flo__cdb_bind(db, stmt, err, "ii", plan->source,
				  plan->pull));
		TRY(flo__cdb_step(db, stmt, err, &row));
		if (!row)
			break;
		no = sqlite3_column_int64(stmt, 0);
		/* The release changes the row that was just read. */
		sqlite3_reset(stmt);
		TRY(flo__stage_release(db, no, err));
	}
out:
	sqlite3_finalize(stmt);
	return st;
}

static flo_status write_all(struct apply *apply, struct flo__cdb *db,
			    flo_error *err)
{
	const struct flo__cmdb_plan *plan = &apply->plan;
	struct flo__ended *ended = NULL;
	int64_t ts = 0;
	flo_status st;

	flo__ended_begin(db, plan, &ended);
	TRY(apply_time(db, plan, err, &ts));
	if (plan->rebase) {
		TRY(keep_pages(db, err));
		TRY(flo__rebase(db, plan, err));
	}
	TRY(flo__apply_versions(db, plan, ts, err));
	TRY(flo__apply_state(db, plan, err));
	TRY(flo__ended_write(ended, db, plan, ts, err));
	TRY(take_shape(db, plan, err));
	TRY(write_misses(db, plan, err));
	TRY(write_since(db, plan, err));
	TRY(mark_applied(db, plan, ts, err));
	st = release_pulls(db, plan, err);
out:
	flo__ended_free(ended);
	return st;
}

static flo_status apply_in(struct flo__cdb *db, void *arg, flo_error *err)
{
	struct apply *apply = arg;
	bool go = false;
	flo_status st;

	if (db->call != NULL)
		apply->run_id = flo_step_run_id(db->call);
	TRY(flo__cdb_write(db, true, err));
	TRY(flo__plan_read(db, apply->plan_id, err, &apply->plan));
	TRY(check_plan(apply, db, err, &go));
	if (!go)
		goto out;
	TRY(write_all(apply, db, err));
	TRY(flo__cdb_commit(db, err));
	apply->applied = true;
out:
	flo__cdb_rollback(db);
	if (st != FLO_OK)
		flo_error_prefix(err, "apply");
	return st;
}

flo_status flo__plan_apply(struct flo__cdb *db, const char *id, flo_error *err,
			   struct flo__cmdb_plan *ret_plan, bool *ret_applied)
{
	struct apply apply = {.plan_id = id};
	flo_status st = apply_in(db, &apply, err);

	if (st != FLO_OK)
		return st;
	*ret_plan = apply.plan;
	*ret_applied = apply.applied;
	return FLO_OK;
}

static flo_status make_output(const struct apply *apply, flo_value **ret_output)
{
	const struct flo__cmdb_plan *plan = &apply->plan;
	bool done = apply->applied;
	flo_value *map = flo_value_map(7);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	if (map == NULL)
		return FLO_NOMEM;
	flo__cmdb_put(map, "plan", flo_value_string(plan->id), &st);
	flo__cmdb_put(map, "source", flo_value_string(plan->source_name), &st);
	flo__cmdb_put(map, "applied", flo_value_bool(done), &st);
	flo__cmdb_put(map, "already",
		      flo_value_bool(plan->state == FLO__PLAN_APPLIED), &st);
	flo__cmdb_put(map, "added",
		      flo_value_int(done ? plan->counts.added : 0), &st);
	flo__cmdb_put(map, "changed",
		      flo_value_int(done ? plan->counts.changed : 0), &st);
	flo__cmdb_put(map, "removed",
		      flo_value_int(done ? plan->counts.removed : 0), &st);
	if (st == FLO_OK)
		*ret_output = map;
	else
		flo_value_unref(map);
	return st;
}

static flo_status run(flo_step_call *call, const flo_value *with,
		      flo_error *err, flo_value **ret_output)
{
	struct apply apply = {.plan_id = NULL};
	const char *how;
	flo_status st;

	TRY(flo__cmdb_handle(with, "plan", err, &apply.plan_id));
	TRY(flo__cmdb_with_db(call, with, apply_in, &apply, err));
	how = apply.applied ? "applied"
	      : apply.plan.state == FLO__PLAN_APPLIED
		      ? "was applied before"
		      : "is not applied: its diff said plan_only";
	flo_step_log(call, "%s: plan %s %s", apply.plan.source_name,
		     apply.plan.id, how);
	st = make_output(&apply, ret_output);
out:
	return flo__cmdb_told(st, err);
}

static const flo_step_param params[] = {
	{.name = "db",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "The CMDB's file.",
	 .min_len = 1},
	{.name = "plan",
	 .types = FLO_TYPES(MAP) | FLO_TYPES(STRING),
	 .required = true,
	 .description = "The output of a cmdb.diff, or its id."},
};

const flo_step_type flo__cmdb_apply = {
	.name = "cmdb.apply",
	.description = "Apply a plan to the state of its source.",
	.params = params,
	.params_len = sizeof(params) / sizeof(params[0]),
	.run = run,
};
