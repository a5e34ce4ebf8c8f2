/* flo/cmdb.h: open, close, sources, deciding. */
#include "steps/cmdb/book_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "json/json_p.h"
#include "steps/cmdb/decide.h"
#include "steps/cmdb/steps_p.h"

#include <stdlib.h>
#include <string.h>

/* Names of sources in the error of one that is not there. */
#define NAMES_MAX 8

char *flo_cmdb_default_path(void)
{
	const char *path = getenv("FLOW_CMDB");

	return flo__strdup(path != NULL && path[0] != '\0' ? path : "cmdb.db");
}

flo_status flo_cmdb_open(const char *path, flo_cmdb_mode mode, flo_error *err,
			 flo_cmdb **ret_cmdb)
{
	flo_cmdb *cmdb = flo__calloc(1, sizeof(*cmdb));
	char *own = path == NULL ? flo_cmdb_default_path() : NULL;
	flo_status st;

	flo__json_guard_install();
	if (cmdb == NULL || (path == NULL && own == NULL))
		st = FLO_NOMEM;
	else
		st = flo__cdb_open_file(path != NULL ? path : own,
					mode == FLO_CMDB_WRITE, err, &cmdb->db);
	flo_free(own);
	if (st == FLO_OK) {
		cmdb->writes = mode == FLO_CMDB_WRITE;
		*ret_cmdb = cmdb;
	} else {
		flo__free(cmdb);
	}
	return flo__cmdb_told(st, err);
}

void flo_cmdb_close(flo_cmdb *cmdb)
{
	if (cmdb == NULL)
		return;
	flo__cdb_close(cmdb->db);
	flo__free(cmdb);
}

/* Values of rows */

flo_value *flo__book_time(sqlite3_stmt *row, int column)
{
	int64_t us = sqlite3_column_int64(row, column);
	char text[FLO__RFC3339_SIZE];

	if (us == 0)
		return flo_value_null();
	flo__time_rfc3339(us, text);
	return flo_value_string(text);
}

flo_value *flo__book_text(sqlite3_stmt *row, int column)
{
	if (sqlite3_column_type(row, column) == SQLITE_NULL)
		return flo_value_null();
	return flo_value_string(flo__cdb_text(row, column));
}

flo_status flo__book_list(flo_cmdb *cmdb, sqlite3_stmt *stmt,
			  flo__book_row_fn make, flo_error *err,
			  flo_value **ret_list)
{
	flo_value *list = flo_value_list(16);
	flo_status st = list != NULL ? FLO_OK : FLO_NOMEM;

	while (st == FLO_OK) {
		flo_value *item = NULL;
		bool row = false;

		TRY(flo__cdb_step(cmdb->db, stmt, err, &row));
		if (!row)
			break;
		TRY(make(stmt, err, &item));
		st = flo_value_list_add(list, item);
	}
out:
	if (st == FLO_OK)
		*ret_list = list;
	else
		flo_value_unref(list);
	return st;
}

/* Sources */

/* The pointers of a stored spec's key; null if there is none to read. */
static flo_status key_of(sqlite3_stmt *row, int column, flo_value **ret)
{
	const char *text = flo__cdb_text(row, column);
	const flo_value *key = NULL;
	flo_value *spec = NULL;
	flo_status st;

	st = flo_value_from_json(text, strlen(text), 0, NULL, &spec);
	if (st == FLO_NOMEM)
		return st;
	if (st == FLO_OK)
		key = flo_value_map_get(spec, "key");
	*ret = key != NULL ? flo_value_ref(key) : flo_value_null();
	flo_value_unref(spec);
	return *ret != NULL ? FLO_OK : FLO_NOMEM;
}

static flo_status make_source(sqlite3_stmt *row, flo_error *err,
			      flo_value **ret)
{
	flo_value *map = flo_value_map(6);
	flo_value *key = NULL;
	flo_status st = map != NULL ? key_of(row, 2, &key) : FLO_NOMEM;

	(void)err;
	if (st == FLO_OK) {
		flo__cmdb_put(map, "source", flo__book_text(row, 0), &st);
		flo__cmdb_put(map, "rows",
			      flo_value_int(sqlite3_column_int64(row, 1)), &st);
		flo__cmdb_put(map, "key", key, &st);
		flo__cmdb_put(map, "pulled_at", flo__book_time(row, 3), &st);
		flo__cmdb_put(map, "applied_at", flo__book_time(row, 4), &st);
		flo__cmdb_put(map, "blocked",
			      flo_value_int(sqlite3_column_int64(row, 5)), &st);
	}
	if (st == FLO_OK)
		*ret = map;
	else
		flo_value_unref(map);
	return st;
}

flo_status flo_cmdb_sources(flo_cmdb *cmdb, flo_error *err,
			    flo_value **ret_sources)
{
	sqlite3_stmt *stmt = NULL;
	struct flo__strbuf sql = FLO__STRBUF_INIT;
	flo_status st;

	REQUIRE_RULE(cmdb != NULL, "there is no CMDB");
	flo__strbuf_adds(&sql,
			 "SELECT o.name, o.rows, o.spec,"
			 " (SELECT finished_us FROM pull WHERE source = o.id"
			 "  AND complete = 1 ORDER BY no DESC LIMIT 1),"
			 " o.applied_us, ifnull(w.plans, 0) FROM source o"
			 " LEFT JOIN (SELECT p.source, count(*) AS plans"
			 "  FROM plan p JOIN source s ON s.id = p.source"
			 "  WHERE");
	flo__book_add_waiting(cmdb, &sql);
	flo__strbuf_adds(&sql, " GROUP BY p.source) w ON w.source = o.id"
			       " ORDER BY o.name");
	TRY(flo__strbuf_status(&sql));
	TRY(flo__cdb_prepare(cmdb->db, sql.data, err, &stmt));
	st = flo__book_list(cmdb, stmt, make_source, err, ret_sources);
out:
	sqlite3_finalize(stmt);
	flo__strbuf_fini(&sql);
	return flo__cmdb_told(st, err);
}

/* "vm, db and 3 more", or why there is none. */
static flo_status add_names(flo_cmdb *cmdb, struct flo__strbuf *sb,
			    flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	bool row = true;
	int n = 0;
	flo_status st;

	TRY(flo__cdb_prepare(cmdb->db, "SELECT name FROM source ORDER BY name",
			     err, &stmt));
	for (;; n++) {
		TRY(flo__cdb_step(cmdb->db, stmt, err, &row));
		if (!row)
			break;
		if (n < NAMES_MAX)
			flo__strbuf_addf(sb, "%s%s", n == 0 ? "it has " : ", ",
					 flo__cdb_text(stmt, 0));
	}
	if (n == 0)
		flo__strbuf_adds(sb, "it has none yet");
	if (n > NAMES_MAX)
		flo__strbuf_addf(sb, " and %d more", n - NAMES_MAX);
out:
	sqlite3_finalize(stmt);
	return st;
}

flo_status flo__book_source(flo_cmdb *cmdb, const char *name, flo_error *err,
			    int64_t *ret_id)
{
	struct flo__strbuf names = FLO__STRBUF_INIT;
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	st = flo__cdb_row(cmdb->db, err, &stmt,
			  "SELECT id FROM source WHERE name = ?1", "t", name);
	if (st == FLO_OK)
		*ret_id = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	if (st != FLO_NOTFOUND)
		return st;
	st = add_names(cmdb, &names, err);
	if (st == FLO_OK)
		st = flo_error_set(err, FLO_NOTFOUND,
				   "%s has no source \"%.140s\": %s",
				   cmdb->db->path, name, names.data);
	flo__strbuf_fini(&names);
	return st;
}

/* Deciding */

flo_status flo_cmdb_decide(flo_cmdb *cmdb, const char *plan, flo_cmdb_word word,
			   const char *by, const char *note, flo_error *err,
			   flo_value **ret_plan, bool *ret_before)
{
	const struct flo__decision decision = {
		.what = word == FLO_CMDB_APPROVE ? FLO__PLAN_APPROVED
						 : FLO__PLAN_REJECTED,
		.by = by,
		.note = note,
	};
	char id[FLO__DIGEST_TEXT_SIZE];
	bool before = false;
	flo_status st;

	REQUIRE_RULE(cmdb != NULL && cmdb->writes,
		     "the CMDB must be open for writing");
	REQUIRE_RULE(by != NULL, "someone must have decided");
	REQUIRE_RULE(word == FLO_CMDB_APPROVE || word == FLO_CMDB_REJECT,
		     "there is no such word on a plan");
	TRY(flo__book_plan_id(cmdb, plan, err, id));
	TRY(flo__plan_decide(cmdb->db, id, &decision, err, &before));
	if (ret_before != NULL)
		*ret_before = before;
	if (ret_plan != NULL)
		st = flo_cmdb_plan(cmdb, id, err, ret_plan);
out:
	return flo__cmdb_told(st, err);
}

flo_status flo_cmdb_apply(flo_cmdb *cmdb, const char *plan, flo_error *err,
			  bool *ret_applied)
{
	char id[FLO__DIGEST_TEXT_SIZE];
	struct flo__cmdb_plan done;
	bool applied = false;
	flo_status st;

	REQUIRE_RULE(cmdb != NULL && cmdb->writes,
		     "the CMDB must be open for writing");
	TRY(flo__book_plan_id(cmdb, plan, err, id));
	TRY(flo__plan_apply(cmdb->db, id, err, &done, &applied));
	if (ret_applied != NULL)
		*ret_applied = applied;
out:
	return flo__cmdb_told(st, err);
}
