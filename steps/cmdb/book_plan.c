/* flo/cmdb.h: plans and their changes. */
#include "steps/cmdb/book_p.h"

#include "base/contract.h"
#include "base/strbuf.h"
#include "steps/cmdb/steps_p.h"

#include <stdio.h>
#include <string.h>

/* Columns of a plan, in the order of COLUMNS. */
enum {
	AT_ID,
	AT_SOURCE,
	AT_STATE,
	AT_MOVED,
	AT_GUARDS,
	AT_REASON,
	AT_ADDED,
	AT_CHANGED,
	AT_REMOVED,
	AT_SAME,
	AT_ROWS,
	AT_FIELDS,
	AT_REJECTED,
	AT_RAW_HITS,
	AT_HELD,
	AT_REBASE,
	AT_PULL,
	AT_RUN,
	AT_TRACE,
	AT_TS,
	AT_APPLIED,
	AT_DECISION,
	AT_DECIDED,
	AT_BY,
	AT_NOTE,
};

#define COLUMNS                                                                \
	"SELECT p.id, s.name, p.state,"                                        \
	" %s, p.guards, p.reason,"                                             \
	" p.added, p.changed, p.removed, p.same, p.rows, p.fields,"            \
	" p.rejected, p.raw_hits, p.held, p.rebase, p.pull_id, p.run_id,"      \
	" p.trace_id, p.ts, p.applied_us,"

/* Whether the state of its source is not what the plan was computed against. */
static const char *moved_column(const flo_cmdb *cmdb)
{
	return cmdb->db->format < 2
		       ? "(s.version <> p.base OR s.pull > p.pull)"
		       : "(s.version <> p.base OR s.pull > p.pull"
			 " OR (p.since <> -1 AND p.since <> s.pull))";
}

/* Files of format 1 know of no decisions. */
static const char *decision_columns(const flo_cmdb *cmdb)
{
	return cmdb->db->format < 2
		       ? " NULL, NULL, NULL, NULL"
		       : " p.decision, p.decided_us, p.decided_by, p.note";
}

static const char *status_of(sqlite3_stmt *row)
{
	const char *decision = flo__cdb_text(row, AT_DECISION);
	const char *state = flo__cdb_text(row, AT_STATE);

	if (strcmp(state, "applied") == 0)
		return "applied";
	if (strcmp(decision, "rejected") == 0)
		return "rejected";
	if (sqlite3_column_int64(row, AT_MOVED) != 0)
		return "outdated";
	if (strcmp(state, "blocked") == 0)
		return "blocked";
	return strcmp(decision, "approved") == 0 ? "approved" : "ready";
}

/* Names that are separated by commas, as a list. */
static flo_value *names_of(const char *text)
{
	flo_value *list = flo_value_list(2);
	flo_status st = list != NULL ? FLO_OK : FLO_NOMEM;

	while (st == FLO_OK && *text != '\0') {
		size_t len = strcspn(text, ",");

		st = flo_value_list_add(list, flo_value_stringn(text, len));
		text += len + (text[len] == ',');
	}
	if (st == FLO_OK)
		return list;
	flo_value_unref(list);
	return NULL;
}

static void put_counts(flo_value *map, sqlite3_stmt *row, flo_status *st)
{
	static const struct {
		const char *name;
		int at;
	} counts[] = {
		{"added", AT_ADDED},	   {"changed", AT_CHANGED},
		{"removed", AT_REMOVED},   {"same", AT_SAME},
		{"rows", AT_ROWS},	   {"fields", AT_FIELDS},
		{"rejected", AT_REJECTED}, {"raw_hits", AT_RAW_HITS},
	};

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
		flo__cmdb_put(map, counts[i].name,
			      flo_value_int(
				      sqlite3_column_int64(row, counts[i].at)),
			      st);
	flo__cmdb_put(map, "plan_only",
		      flo_value_bool(sqlite3_column_int64(row, AT_HELD) != 0),
		      st);
	flo__cmdb_put(map, "rebase",
		      flo_value_bool(sqlite3_column_int64(row, AT_REBASE) != 0),
		      st);
}

static flo_status make_plan(sqlite3_stmt *row, flo_error *err, flo_value **ret)
{
	flo_value *map = flo_value_map(24);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	(void)err;
	if (map == NULL)
		return st;
	flo__cmdb_put(map, "plan", flo__book_text(row, AT_ID), &st);
	flo__cmdb_put(map, "source", flo__book_text(row, AT_SOURCE), &st);
	flo__cmdb_put(map, "status", flo_value_string(status_of(row)), &st);
	flo__cmdb_put(map, "guards", names_of(flo__cdb_text(row, AT_GUARDS)),
		      &st);
	flo__cmdb_put(map, "reason", flo__book_text(row, AT_REASON), &st);
	put_counts(map, row, &st);
	flo__cmdb_put(map, "pull", flo__book_text(row, AT_PULL), &st);
	flo__cmdb_put(map, "run", flo__book_text(row, AT_RUN), &st);
	flo__cmdb_put(map, "trace_id", flo__book_text(row, AT_TRACE), &st);
	flo__cmdb_put(map, "created_at", flo__book_time(row, AT_TS), &st);
	flo__cmdb_put(map, "decision", flo__book_text(row, AT_DECISION), &st);
	flo__cmdb_put(map, "decided_at", flo__book_time(row, AT_DECIDED), &st);
	flo__cmdb_put(map, "decided_by", flo__book_text(row, AT_BY), &st);
	flo__cmdb_put(map, "note", flo__book_text(row, AT_NOTE), &st);
	flo__cmdb_put(map, "applied_at", flo__book_time(row, AT_APPLIED), &st);
	if (st == FLO_OK)
		*ret = map;
	else
		flo_value_unref(map);
	return st;
}

void flo__book_add_waiting(const flo_cmdb *cmdb, struct flo__strbuf *sql)
{
	flo__strbuf_addf(sql, " p.state = 'blocked' AND NOT %s",
			 moved_column(cmdb));
	if (cmdb->db->format >= 2)
		flo__strbuf_adds(sql, " AND p.decision IS NULL");
}

flo_status flo_cmdb_plans(flo_cmdb *cmdb,
			  const struct flo_cmdb_plans_options *options,
			  flo_error *err, flo_value **ret_plans)
{
	static const struct flo_cmdb_plans_options all = {.source = NULL};
	const struct flo_cmdb_plans_options *o =
		options != NULL ? options : &all;
	struct flo__strbuf sql = FLO__STRBUF_INIT;
	sqlite3_stmt *stmt = NULL;
	int64_t source = 0;
	flo_status st = FLO_OK;

	REQUIRE_RULE(cmdb != NULL, "there is no CMDB");
	if (o->source != NULL)
		TRY(flo__book_source(cmdb, o->source, err, &source));
	flo__strbuf_addf(&sql,
			 COLUMNS "%s FROM plan p JOIN source s"
				 " ON s.id = p.source WHERE ?1 IN (0, s.id)",
			 moved_column(cmdb), decision_columns(cmdb));
	if (o->blocked) {
		flo__strbuf_adds(&sql, " AND");
		flo__book_add_waiting(cmdb, &sql);
	}
	flo__strbuf_adds(&sql, " ORDER BY p.no DESC LIMIT ?2");
	TRY(flo__strbuf_status(&sql));
	TRY(flo__cdb_prepare(cmdb->db, sql.data, err, &stmt));
	TRY(flo__cdb_bind(cmdb->db, stmt, err, "ii", source,
			  o->max != 0 && o->max < INT64_MAX ? (int64_t)o->max
							    : INT64_C(-1)));
	st = flo__book_list(cmdb, stmt, make_plan, err, ret_plans);
out:
	sqlite3_finalize(stmt);
	flo__strbuf_fini(&sql);
	return flo__cmdb_told(st, err);
}

/* One plan */

flo_status flo__book_plan_id(flo_cmdb *cmdb, const char *prefix, flo_error *err,
			     char ret_id[FLO__DIGEST_TEXT_SIZE])
{
	sqlite3_stmt *stmt = NULL;
	int64_t found = 0;
	flo_status st;

	/* A shell's variable that is not set must not decide. */
	if (prefix[0] == '\0')
		return flo_error_set(
			err, FLO_INVALID,
			"the id of a plan is empty; write more of it: 'flowctl cmdb "
			"plans' lists those there are");
	TRY(flo__cdb_row(cmdb->db, err, &stmt,
			 "SELECT count(*), min(id) FROM plan"
			 " WHERE substr(id, 1, length(?1)) = ?1",
			 "t", prefix));
	found = sqlite3_column_int64(stmt, 0);
	if (found == 1)
		snprintf(ret_id, FLO__DIGEST_TEXT_SIZE, "%s",
			 flo__cdb_text(stmt, 1));
	else if (found == 0)
		st = flo_error_set(err, FLO_NOTFOUND,
				   "%s has no plan %.64s: 'flowctl cmdb plans' "
				   "lists those there are",
				   cmdb->db->path, prefix);
	else
		st = flo_error_set(err, FLO_INVALID,
				   "%lld plans begin with \"%.64s\": write "
				   "more of it",
				   (long long)found, prefix);
out:
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo_cmdb_plan(flo_cmdb *cmdb, const char *plan, flo_error *err,
			 flo_value **ret_plan)
{
	struct flo__strbuf sql = FLO__STRBUF_INIT;
	char id[FLO__DIGEST_TEXT_SIZE];
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	REQUIRE_RULE(cmdb != NULL, "there is no CMDB");
	TRY(flo__book_plan_id(cmdb, plan, err, id));
	flo__strbuf_addf(&sql,
			 COLUMNS "%s FROM plan p JOIN source s"
				 " ON s.id = p.source WHERE p.id = ?1",
			 moved_column(cmdb), decision_columns(cmdb));
	TRY(flo__strbuf_status(&sql));
	/* It may have been replaced since, by a diff that is done again. */
	st = flo__cdb_row(cmdb->db, err, &stmt, sql.data, "t", id);
	if (st == FLO_NOTFOUND)
		flo_error_set(err, st, "plan %s is being made anew; try again",
			      id);
	if (st == FLO_OK)
		st = make_plan(stmt, err, ret_plan);
out:
	sqlite3_finalize(stmt);
	flo__strbuf_fini(&sql);
	return flo__cmdb_told(st, err);
}

/* Changes */

static const char *text_or_null(sqlite3_stmt *row, int column)
{
	return sqlite3_column_type(row, column) == SQLITE_NULL
		       ? NULL
		       : flo__cdb_text(row, column);
}

static flo_status give_changes(flo_cmdb *cmdb, sqlite3_stmt *stmt,
			       flo_cmdb_change_fn fn, void *arg, flo_error *err)
{
	flo_status st;

	for (;;) {
		flo_cmdb_change change;
		bool row = false;

		TRY(flo__cdb_step(cmdb->db, stmt, err, &row));
		if (!row)
			break;
		change = (flo_cmdb_change){
			.op = flo__cdb_text(stmt, 0)[0],
			.key = flo__cdb_text(stmt, 1),
			.fields = flo__cdb_text(stmt, 2),
			.before = text_or_null(stmt, 3),
			.after = text_or_null(stmt, 4),
		};
		TRY(fn(&change, arg));
	}
out:
	return st;
}

flo_status flo_cmdb_changes(flo_cmdb *cmdb, const char *plan, size_t max,
			    flo_cmdb_change_fn fn, void *arg, flo_error *err)
{
	char id[FLO__DIGEST_TEXT_SIZE];
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	REQUIRE_RULE(cmdb != NULL, "there is no CMDB");
	REQUIRE_RULE(fn != NULL, "there is no function to give changes to");
	TRY(flo__book_plan_id(cmdb, plan, err, id));
	/* Sorted are the ids alone, not the bodies: there may be a million. */
	TRY(flo__cdb_prepare(cmdb->db,
			     "SELECT c.op, c.key_text, c.fields, x.body, y.body"
			     " FROM (SELECT c.id FROM plan p JOIN change c"
			     "  ON c.id BETWEEN p.no << 32"
			     "   AND p.no << 32 | 4294967295 WHERE p.id = ?1"
			     "  ORDER BY c.key_text, c.id LIMIT ?2) o"
			     " CROSS JOIN change c ON c.id = o.id"
			     " LEFT JOIN body x ON x.id = c.before"
			     " LEFT JOIN body y ON y.id = c.after",
			     err, &stmt));
	TRY(flo__cdb_bind(cmdb->db, stmt, err, "ti", id,
			  max != 0 && max < INT64_MAX ? (int64_t)max
						      : INT64_C(-1)));
	st = give_changes(cmdb, stmt, fn, arg, err);
out:
	sqlite3_finalize(stmt);
	return flo__cmdb_told(st, err);
}
