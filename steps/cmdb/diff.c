/* cmdb.diff: make a plan of how a pull differs from the state. */
#include "steps/cmdb/cmdb.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "base/utf8.h"
#include "steps/args.h"
#include "steps/cmdb/decide.h"
#include "steps/cmdb/guard.h"
#include "steps/cmdb/same.h"
#include "steps/cmdb/stage.h"
#include "steps/cmdb/steps_p.h"

#include <flo/runtime.h>

#include <stdio.h>
#include <string.h>

struct diff {
	const char *pull_id;	  /* borrowed; NULL: records are given */
	const flo_value *records; /* borrowed; NULL: a pull is given */
	const char *source;	  /* of the records; borrowed */
	struct flo__spec *spec;	  /* owned */
	struct flo__guard guard;
	bool null_allowed;
	bool plan_only;
	char own_pull[FLO__DIGEST_TEXT_SIZE]; /* made of the records */
	struct flo__cmdb_plan plan;
	struct flo__strbuf volatile_fields;
	bool approved; /* an earlier plan of this step was, and waits */
	/* Hides in what errors quote of records; borrowed; NULL: nothing. */
	const struct flo__mask *mask;
	bool again; /* the plan was there: applied by this step, or approved */
};

/* Arguments */

static flo_status read_input(struct diff *diff, const flo_value *with,
			     flo_error *err)
{
	flo_status st;

	diff->records = flo__args_get(with, "records");
	if ((diff->records != NULL) == (flo__args_get(with, "pull") != NULL))
		return flo_error_set(err, FLO_INVALID,
				     "a diff is of a \"pull\" or of "
				     "\"records\": give exactly one");
	if (diff->records == NULL)
		return flo__cmdb_handle(with, "pull", err, &diff->pull_id);
	if (flo_value_typeof(diff->records) != FLO_VALUE_LIST)
		return flo_error_set(err, FLO_TYPE,
				     "\"records\" must be an array of objects");
	TRY(flo__args_string(with, "source", true, err, &diff->source));
	st = flo__source_check(diff->source, err);
out:
	return st;
}

static flo_status read_null_key(struct diff *diff, const flo_value *with,
				flo_error *err)
{
	const char *text = "fail";
	flo_status st = flo__args_string(with, "null_key", false, err, &text);

	if (st != FLO_OK)
		return st;
	diff->null_allowed = strcmp(text, "allow") == 0;
	if (!diff->null_allowed && strcmp(text, "fail") != 0)
		return flo_error_set(err, FLO_INVALID,
				     "\"null_key\" is \"%.40s\"; it may be "
				     "\"allow\" or \"fail\"",
				     text);
	return FLO_OK;
}

static flo_status read_args(struct diff *diff, const flo_value *with,
			    flo_error *err)
{
	const flo_value *key = flo__args_get(with, "key");
	flo_status st;

	if (key == NULL)
		return flo_error_set(err, FLO_INVALID,
				     "\"key\" is missing: name the fields that "
				     "tell records apart, like [\"/id\"]");
	TRY(read_input(diff, with, err));
	TRY(flo__spec_new(key, flo__args_get(with, "ignore"),
			  flo__args_get(with, "unordered"), err, &diff->spec));
	TRY(read_null_key(diff, with, err));
	TRY(flo__args_bool(with, "plan_only", err, &diff->plan_only));
	st = flo__guard_read(with, err, &diff->guard);
out:
	return st;
}

/* Records that came as an argument are staged like those of a pull. */

static flo_status stage_value(struct flo__stage *stage, const flo_value *value,
			      size_t i, flo_error *err)
{
	const struct flo__place place = {
		.unit = "records: item",
		.number = i,
		.byte = FLO__PLACE_NO_BYTE,
	};
	char *text = flo_value_to_json(value);
	flo_status st;

	if (text == NULL)
		return FLO_NOMEM;
	st = flo__stage_add(stage, text, strlen(text), &place, err);
	flo_free(text);
	return st;
}

static flo_status stage_records(struct diff *diff, struct flo__cdb *db,
				flo_error *err)
{
	size_t len = flo_value_len(diff->records);
	struct flo__stage *stage = NULL;
	struct flo__pull pull;
	flo_status st;

	TRY(flo__stage_open(db, diff->source, err, &stage));
	flo__stage_begin_loop(stage);
	for (size_t i = 0; i < len && st == FLO_OK; i++)
		st = stage_value(stage, flo_value_list_at(diff->records, i), i,
				 err);
	flo__stage_end_loop(stage);
	TRY(st);
	TRY(flo__stage_finish(stage, 0, err, &pull));
	memcpy(diff->own_pull, pull.id, sizeof(diff->own_pull));
	diff->pull_id = diff->own_pull;
out:
	flo__stage_close(stage);
	return st;
}

/* What is to be matched */

static enum flo__pull_is kind_of(sqlite3_stmt *stmt, int column)
{
	const char *name = flo__cdb_text(stmt, column);

	if (strcmp(name, "changes") == 0)
		return FLO__PULL_CHANGES;
	return strcmp(name, "same") == 0 ? FLO__PULL_SAME : FLO__PULL_FULL;
}

static flo_status check_pull(const struct diff *diff, sqlite3_stmt *stmt,
			     flo_error *err)
{
	int64_t no = sqlite3_column_int64(stmt, 0);
	int64_t applied = sqlite3_column_int64(stmt, 9);
	int64_t since = sqlite3_column_int64(stmt, 12);
	bool full = kind_of(stmt, 11) == FLO__PULL_FULL;
	bool staged = sqlite3_column_int64(stmt, 3) != 0;

	if (sqlite3_column_int64(stmt, 2) == 0)
		return flo_error_set(
			err, FLO_FAILED,
			"pull %s is incomplete: it failed, was "
			"cancelled or still runs; pull again: " FLO__CDB_ANEW,
			diff->pull_id);
	if (no < applied || (no > applied && !staged))
		return flo_error_set(err, FLO_FAILED,
				     "pull %s is older than the state, as a "
				     "newer pull of its source has been "
				     "applied; pull again: " FLO__CDB_ANEW,
				     diff->pull_id);
	if (!full && no != applied && since != applied)
		return flo_error_set(err, FLO_FAILED,
				     "pull %s goes on from a state that is no "
				     "longer there, as another pull of its "
				     "source has been applied since; pull "
				     "again: " FLO__CDB_ANEW,
				     diff->pull_id);
	return FLO_OK;
}

/* Whether two specs, as text, are there and the same. */
static bool same_spec(sqlite3_stmt *stmt, int column, const char *spec)
{
	return sqlite3_column_type(stmt, column) == SQLITE_TEXT &&
	       strcmp(flo__cdb_text(stmt, column), spec) == 0;
}

static flo_status read_pull(struct diff *diff, struct flo__cdb *db,
			    flo_error *err, struct flo__match_input *ret_in)
{
	struct flo__cmdb_plan *plan = &diff->plan;
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(db, err, &stmt,
			  "SELECT p.no, p.source, p.complete, p.staged, p.rows,"
			  " p.hits, p.spec, s.name, s.version, s.pull, s.spec,"
			  " p.kind, p.since, p.rejected, p.base, p.partial"
			  " FROM pull p JOIN source s ON s.id = p.source"
			  " WHERE p.id = ?1",
			  "t", diff->pull_id);
	if (st == FLO_NOTFOUND)
		return flo_error_set(err, FLO_NOTFOUND,
				     "%s has no pull %.64s: give the output of "
				     "a cmdb.pull on the same \"db\"",
				     db->path, diff->pull_id);
	if (st != FLO_OK)
		return st;
	TRY(check_pull(diff, stmt, err));
	*ret_in = (struct flo__match_input){
		.pull = sqlite3_column_int64(stmt, 0),
		.source = sqlite3_column_int64(stmt, 1),
		.staged = sqlite3_column_int64(stmt, 3) != 0,
		.pull_rows = sqlite3_column_int64(stmt, 4),
		.pull_hits = sqlite3_column_int64(stmt, 5),
		.pull_rejected = sqlite3_column_int64(stmt, 13),
		.base = sqlite3_column_int64(stmt, 14),
		.partial = sqlite3_column_int64(stmt, 15) != 0,
		.identified = same_spec(stmt, 6, diff->spec->text),
		.rebase = sqlite3_column_type(stmt, 10) == SQLITE_TEXT &&
			  !same_spec(stmt, 10, diff->spec->text),
		.null_allowed = diff->null_allowed,
		.is = kind_of(stmt, 11),
		.remove_after = (uint32_t)diff->guard.remove_after,
		.spec = diff->spec,
		.mask = diff->mask,
	};
	plan->source = ret_in->source;
	plan->pull = ret_in->pull;
	plan->rebase = ret_in->rebase;
	plan->base = sqlite3_column_int64(stmt, 8);
	plan->since = ret_in->is != FLO__PULL_FULL || ret_in->remove_after > 1
			      ? sqlite3_column_int64(stmt, 9)
			      : FLO__SINCE_ANY;
	snprintf(plan->pull_id, sizeof(plan->pull_id), "%s", diff->pull_id);
	snprintf(plan->source_name, sizeof(plan->source_name), "%s",
		 flo__cdb_text(stmt, 7));
out:
	sqlite3_finalize(stmt);
	return st;
}

/* What was compared under another spec, when it was pulled, is staged now. */
static flo_status stage_same(struct diff *diff, struct flo__cdb *db,
			     struct flo__match_input *in, flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	if (in->identified || !in->staged)
		return FLO_OK;
	st = flo__cdb_row(db, err, &stmt,
			  "SELECT 1 FROM same WHERE id BETWEEN ?1 AND ?2", "ii",
			  flo__cdb_first(in->pull), flo__cdb_last(in->pull));
	sqlite3_finalize(stmt);
	if (st == FLO_NOTFOUND)
		return FLO_OK;
	if (st != FLO_OK)
		return st;
	flo__cdb_rollback(db);
	TRY(flo__same_stage(db, in->pull, err));
	TRY(flo__cdb_read(db, err));
	st = read_pull(diff, db, err, in);
out:
	return st;
}

/* The plan */

static void fill_plan(struct diff *diff, struct flo__cdb *db,
		      const struct flo__match *match)
{
	struct flo__cmdb_plan *plan = &diff->plan;
	struct flo__strbuf names = FLO__STRBUF_INIT;
	struct flo__strbuf reason = FLO__STRBUF_INIT;

	plan->counts = match->counts;
	plan->missing = match->missing;
	plan->ts = flo__time_now_us();
	plan->held = diff->plan_only;
	snprintf(plan->run_id, sizeof(plan->run_id), "%s",
		 flo_step_run_id(db->call));
	snprintf(plan->trace_id, sizeof(plan->trace_id), "%s",
		 flo_step_trace_id(db->call));
	flo__guard_check(&diff->guard, match, &names, &reason);
	flo__guard_volatile(&diff->guard, match, &diff->volatile_fields);
	snprintf(plan->guards, sizeof(plan->guards), "%s", names.data);
	flo__utf8_copy(plan->reason, sizeof(plan->reason), reason.data);
	/* Without the memory to say why, it is blocked all the same. */
	plan->state = names.len == 0 && !names.failed ? FLO__PLAN_READY
						      : FLO__PLAN_BLOCKED;
	flo__strbuf_fini(&names);
	flo__strbuf_fini(&reason);
}

/* Whether something came of @plan that is not to be forgotten. */
static bool is_used(const struct flo__cmdb_plan *plan)
{
	return plan->state == FLO__PLAN_APPLIED ||
	       plan->decision != FLO__PLAN_UNDECIDED;
}

/*
 * The number of the pull that is given, which is never used twice, while an
 * attempt of a pipeline around this step may pull under the same id again. 0:
 * there is none, which is told later; or records are given, which are staged
 * anew by each execution.
 */
static flo_status find_pull(const struct diff *diff, struct flo__cdb *db,
			    flo_error *err, int64_t *ret_no)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	*ret_no = 0;
	if (diff->pull_id == NULL)
		return FLO_OK;
	st = flo__cdb_row(db, err, &stmt, "SELECT no FROM pull WHERE id = ?1",
			  "t", diff->pull_id);
	if (st == FLO_OK)
		*ret_no = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return st == FLO_NOTFOUND ? FLO_OK : st;
}

/* The plan that has the @n-th id already; FLO_NOTFOUND, which is no error. */
static flo_status read_earlier(struct diff *diff, struct flo__cdb *db,
			       int64_t pull, unsigned n, flo_error *err,
			       struct flo__cmdb_plan *ret_plan)
{
	flo_error fault = FLO_ERROR_INIT;
	char kind[32] = "plan";
	flo_status st;

	if (pull != 0)
		snprintf(kind, sizeof(kind), "plan %lld", (long long)pull);
	st = flo__stage_id(db->call, kind, n, diff->plan.id);
	if (st != FLO_OK)
		return flo_error_set(err, st, "out of memory");
	st = flo__plan_read(db, diff->plan.id, &fault, ret_plan);
	if (st != FLO_OK && st != FLO_NOTFOUND)
		flo_error_set(err, st, "%s", fault.text);
	return st;
}

/*
 * Choose the plan's id: where an earlier execution of this step was cut off,
 * that of its plan, which is made anew, or is what it was if it is applied.
 * Where a person has approved it, it stays, whatever this diff comes to: see
 * flo__plan_find_waiting(). So does, where records are given, one that was
 * applied: that was by another attempt of a pipeline around this step.
 */
static flo_status name_plan(struct diff *diff, struct flo__cdb *db,
			    flo_error *err)
{
	struct flo__cmdb_plan plan;
	int64_t pull = 0;
	flo_status st;

	TRY(find_pull(diff, db, err, &pull));
	for (unsigned n = 0;; n++) {
		st = read_earlier(diff, db, pull, n, err, &plan);
		if (st == FLO_NOTFOUND || (st == FLO_OK && !is_used(&plan)))
			return FLO_OK;
		TRY(st);
		TRY(flo__plan_not_rejected(&plan, err));
		if (plan.state == FLO__PLAN_APPLIED && diff->pull_id != NULL)
			break;
		diff->approved |= plan.state != FLO__PLAN_APPLIED;
	}
	diff->again = true;
	diff->plan = plan;
out:
	return st;
}

static flo_status make_plan(struct flo__cdb *db, void *arg, flo_error *err)
{
	struct diff *diff = arg;
	struct flo__match_input in;
	struct flo__match match = {.db = NULL};
	flo_status st;

	TRY(name_plan(diff, db, err));
	if (diff->again)
		return FLO_OK;
	if (diff->records != NULL)
		TRY(stage_records(diff, db, err));
	TRY(flo__cdb_read(db, err));
	TRY(flo__plan_find_applied(db, diff->pull_id, diff->spec->text, err,
				   &diff->plan, &diff->again));
	if (diff->again)
		goto out;
	TRY(read_pull(diff, db, err, &in));
	TRY(stage_same(diff, db, &in, err));
	TRY(flo__match_run(&match, db, &in, err));
	flo__cdb_rollback(db);
	fill_plan(diff, db, &match);
	/* What a person has approved is not made anew: see decide.h. */
	if (diff->plan.state == FLO__PLAN_BLOCKED || diff->approved)
		TRY(flo__plan_find_waiting(db, &diff->plan, diff->spec->text,
					   diff->records != NULL ? &match
								 : NULL,
					   err, &diff->again));
	if (!diff->again)
		st = flo__plan_write(db, &diff->plan, &match, diff->spec, err);
out:
	flo__cdb_rollback(db);
	flo__match_fini(&match);
	if (st != FLO_OK)
		flo_error_prefix(err, "diff %s",
				 diff->source != NULL ? diff->source
				 : diff->plan.source_name[0] != '\0'
					 ? diff->plan.source_name
					 : diff->pull_id);
	return st;
}

static flo_status make_output(const struct diff *diff, flo_value **ret_output)
{
	const struct flo__cmdb_plan *plan = &diff->plan;
	const struct {
		const char *name;
		int64_t n;
	} counts[] = {
		{"rows", plan->counts.rows},
		{"dup_keys", plan->counts.dup_keys},
		{"added", plan->counts.added},
		{"changed", plan->counts.changed},
		{"removed", plan->counts.removed},
		{"same", plan->counts.same},
		{"fields", plan->counts.fields},
		{"rejected", plan->counts.rejected},
		{"raw_hits", plan->counts.raw_hits},
	};
	flo_value *map = flo_value_map(12);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	if (map == NULL)
		return FLO_NOMEM;
	flo__cmdb_put(map, "plan", flo_value_string(plan->id), &st);
	flo__cmdb_put(map, "source", flo_value_string(plan->source_name), &st);
	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		flo__cmdb_put(map, counts[i].name, flo_value_int(counts[i].n),
			      &st);
	if (diff->guard.remove_after > 1)
		flo__cmdb_put(map, "missing", flo_value_int(plan->missing),
			      &st);
	if (st == FLO_OK)
		*ret_output = map;
	else
		flo_value_unref(map);
	return st;
}

static void tell(const struct diff *diff, flo_step_call *call)
{
	const struct flo__cmdb_plan *plan = &diff->plan;

	flo_step_log(call,
		     "%s: %lld added, %lld changed, %lld removed, %lld the "
		     "same",
		     plan->source_name, (long long)plan->counts.added,
		     (long long)plan->counts.changed,
		     (long long)plan->counts.removed,
		     (long long)plan->counts.same);
	if (plan->rebase)
		flo_step_log(call,
			     "%s: key, ignore or unordered has changed: the "
			     "state is compared, and will be stored, under "
			     "the new ones",
			     plan->source_name);
	if (plan->missing != 0)
		flo_step_log(call,
			     "%s: %lld missing, kept until %lld pulls in a row "
			     "lack them",
			     plan->source_name, (long long)plan->missing,
			     (long long)diff->guard.remove_after);
	if (diff->volatile_fields.len != 0)
		flo_step_log(call,
			     "warning: volatile field? %s: in nearly every "
			     "record it has changed; name it in \"ignore\" if "
			     "it means nothing",
			     diff->volatile_fields.data);
	if (plan->decision == FLO__PLAN_APPROVED)
		flo_step_log(call, "%s: plan %s was approved by %s",
			     plan->source_name, plan->id, plan->decided_by);
}

/* With the command that shows the plan, to whoever reads this anywhere. */
static flo_status tell_blocked(const struct diff *diff, flo_step_call *call,
			       const flo_value *with, flo_error *err)
{
	const struct flo__cmdb_plan *plan = &diff->plan;
	struct flo__strbuf word = FLO__STRBUF_INIT;
	const char *db = "";
	char *path;

	if (plan->state != FLO__PLAN_BLOCKED)
		return FLO_OK;
	(void)flo__args_string(with, "db", true, NULL, &db);
	path = flo__args_path(call, db);
	flo__strbuf_add_shell(&word, path != NULL ? path : db);
	flo_error_set(err, FLO_BLOCKED,
		      "diff %s: blocked by guard %s: %s; look at it, and "
		      "approve or reject it: flowctl cmdb show %.12s --db %s",
		      plan->source_name, plan->guards, plan->reason, plan->id,
		      word.failed ? db : word.data);
	flo__strbuf_fini(&word);
	flo__free(path);
	return FLO_BLOCKED;
}

static flo_status run(flo_step_call *call, const flo_value *with,
		      flo_error *err, flo_value **ret_output)
{
	struct diff diff = {.mask = flo__args_mask(flo_step_context(call))};
	flo_status st;

	flo__strbuf_init(&diff.volatile_fields);
	TRY(read_args(&diff, with, err));
	TRY(flo__cmdb_with_db(call, with, make_plan, &diff, err));
	tell(&diff, call);
	TRY(tell_blocked(&diff, call, with, err));
	st = make_output(&diff, ret_output);
out:
	flo__strbuf_fini(&diff.volatile_fields);
	flo__spec_free(diff.spec);
	return flo__cmdb_told(st, err);
}

static const char *const null_keys[] = {"allow", "fail", NULL};

static const flo_step_param params[] = {
	{.name = "db",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "The CMDB's file.",
	 .min_len = 1},
	{.name = "pull",
	 .types = FLO_TYPES(MAP) | FLO_TYPES(STRING),
	 .description = "The output of a cmdb.pull, or its id."},
	{.name = "records",
	 .types = FLO_TYPES(LIST),
	 .description = "Records instead of a pull."},
	{.name = "source",
	 .types = FLO_TYPES(STRING),
	 .description = "What the records are of.",
	 .pattern = FLO__SOURCE_PATTERN,
	 .hint = FLO__SOURCE_HINT},
	{.name = "key",
	 .types = FLO_TYPES(LIST),
	 .required = true,
	 .description = "JSON pointers to the fields that tell records apart.",
	 .format = FLO_FORMAT_POINTER,
	 .min_len = 1},
	{.name = "ignore",
	 .types = FLO_TYPES(LIST),
	 .description = "JSON pointers to what does not count as a change.",
	 .format = FLO_FORMAT_POINTER},
	{.name = "unordered",
	 .types = FLO_TYPES(LIST),
	 .description = "JSON pointers to arrays that compare as sets.",
	 .format = FLO_FORMAT_POINTER},
	{.name = "null_key",
	 .types = FLO_TYPES(STRING),
	 .description = "\"allow\": a key field may be null or absent.",
	 .one_of = null_keys},
	{.name = "guard",
	 .types = FLO_TYPES(MAP) | FLO_TYPES(BOOL),
	 .description = "Settings of the guards; false: none.",
	 .members = flo__guard_params,
	 .members_len = FLO__GUARD_PARAMS},
	{.name = "plan_only",
	 .types = FLO_TYPES(BOOL),
	 .description = "Make the plan, but let this run not apply it."},
};

static const char *const inputs[] = {"pull", "records", NULL};

const flo_step_type flo__cmdb_diff = {
	.name = "cmdb.diff",
	.description = "Plan how a pull changes the state of its source.",
	.params = params,
	.params_len = sizeof(params) / sizeof(params[0]),
	.exactly_one = inputs,
	.run = run,
};
