/*
 * cmdb.export: write a plan's changes, or the state after it, to a file.
 *
 * Exactly once per pull and place: the file has the pull's name, so doing it
 * again after a crash replaces it by itself; and once it is written it is
 * marked in the database, and then not even that is done.
 */
#include "steps/cmdb/cmdb.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"
#include "steps/args.h"
#include "steps/cmdb/decide.h"
#include "steps/cmdb/export_p.h"
#include "steps/cmdb/outdir.h"
#include "steps/cmdb/stage.h"
#include "steps/cmdb/steps_p.h"

#include <stdio.h>
#include <string.h>

#define WRITE_BYTES (256u << 10)

/* Arguments */

const char *const flo__export_formats[] = {"ndjson", "parquet", "csv", NULL};
static const char *const whats[] = {"changes", "snapshot", NULL};

static bool is_one_of(const char *text, const char *const *words)
{
	while (*words != NULL && strcmp(*words, text) != 0)
		words++;
	return *words != NULL;
}

static flo_status read_args(struct flo__export *ex, const flo_value *with,
			    flo_error *err, const char **ret_root)
{
	flo_status st;

	ex->what = "changes";
	TRY(flo__cmdb_handle(with, "plan", err, &ex->plan_id));
	TRY(flo__args_string(with, "format", true, err, &ex->format));
	TRY(flo__args_string(with, "what", false, err, &ex->what));
	TRY(flo__args_string(with, "root", true, err, ret_root));
	if (!is_one_of(ex->format, flo__export_formats))
		return flo_error_set(err, FLO_INVALID,
				     "there is no format \"%.40s\"; use "
				     "\"ndjson\", \"parquet\" or \"csv\"",
				     ex->format);
	if (!is_one_of(ex->what, whats))
		return flo_error_set(err, FLO_INVALID,
				     "\"what\" is \"%.40s\"; it may be "
				     "\"changes\" or \"snapshot\"",
				     ex->what);
out:
	return st;
}

bool flo__export_is_snapshot(const struct flo__export *ex)
{
	return strcmp(ex->what, "snapshot") == 0;
}

/*
 * What the plan says of itself becomes part of a path. The name was checked
 * when the source was made, and the id is made of hex digits; but who knows
 * who has written the database since.
 */
static flo_status check_names(const struct flo__export *ex, flo_error *err)
{
	const struct flo__cmdb_plan *plan = &ex->plan;
	const size_t id_len = FLO__DIGEST_TEXT_SIZE - 1;

	if (strlen(plan->pull_id) != id_len ||
	    strspn(plan->pull_id, "0123456789abcdef") != id_len)
		return flo_error_set(err, FLO_CORRUPT,
				     "plan %s is of the pull \"%s\", which is "
				     "no pull's id: somebody has changed the "
				     "database",
				     plan->id, plan->pull_id);
	return flo__source_check(plan->source_name, err);
}

/* Its place follows from the plan alone, so that it is the same again. */
static flo_status find_place(struct flo__export *ex, flo_error *err)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char time[FLO__RFC3339_SIZE];

	flo__time_rfc3339(ex->plan.ts, time);
	snprintf(ex->date, sizeof(ex->date), "dt=%.10s", time);
	snprintf(ex->name, sizeof(ex->name), "%s.%s", ex->plan.pull_id,
		 ex->format);
	flo__strbuf_addf(&sb, "%s/%s/%s/%s/%s", ex->root, ex->plan.source_name,
			 ex->what, ex->date, ex->name);
	ex->path = flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	if (ex->path == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

static flo_status check_plan(const struct flo__export *ex, struct flo__cdb *db,
			     flo_error *err)
{
	const struct flo__cmdb_plan *plan = &ex->plan;
	flo_status st = flo__plan_not_rejected(plan, err);

	if (st != FLO_OK)
		return st;
	if (plan->state == FLO__PLAN_BLOCKED)
		return flo_error_set(err, FLO_BLOCKED,
				     "plan %s is blocked by guard %s: %s",
				     plan->id, plan->guards, plan->reason);
	if (flo__export_is_snapshot(ex) && plan->state != FLO__PLAN_APPLIED)
		return flo_error_set(err, FLO_INVALID,
				     "plan %s is not applied, and a snapshot "
				     "is of the state after it; apply it "
				     "first",
				     plan->id);
	/* What can never be applied any more are nobody's changes. */
	return plan->state == FLO__PLAN_APPLIED
		       ? FLO_OK
		       : flo__plan_current(db, plan, err);
}

static flo_status fail_other(const char *path, flo_error *err)
{
	return flo_error_set(err, FLO_EXISTS,
			     "%s was exported already, from another plan of "
			     "the same pull; choose another \"root\", or pull "
			     "again: " FLO__CDB_ANEW,
			     path);
}

/* Another plan of the pull may be of another day, and so its file. */
static flo_status find_other(struct flo__export *ex, struct flo__cdb *db,
			     flo_error *err)
{
	sqlite3_stmt *stmt = NULL;
	struct flo__strbuf dir = FLO__STRBUF_INIT;
	flo_status st;

	flo__strbuf_addf(&dir, "%s/%s/%s/", ex->root, ex->plan.source_name,
			 ex->what);
	TRY(flo__strbuf_status(&dir));
	st = flo__cdb_row(db, err, &stmt,
			  "SELECT e.path FROM plan p CROSS JOIN export e"
			  " ON e.plan = p.no WHERE p.pull = ?1 AND p.no <> ?2"
			  " AND substr(e.path, 1, length(?3)) = ?3"
			  " AND substr(e.path, -length(?4)) = ?4",
			  "iitt", ex->plan.pull, ex->plan.no, dir.data,
			  ex->name);
	if (st == FLO_OK)
		st = fail_other(flo__cdb_text(stmt, 0), err);
	else if (st == FLO_NOTFOUND)
		st = FLO_OK;
	sqlite3_finalize(stmt);
out:
	flo__strbuf_fini(&dir);
	return st;
}

/* Whether the file was written before: then its figures are taken over. */
static flo_status find_done(struct flo__export *ex, struct flo__cdb *db,
			    flo_error *err, bool *ret_done)
{
	sqlite3_stmt *stmt = NULL;
	bool other;
	flo_status st;

	*ret_done = false;
	st = flo__cdb_row(
		db, err, &stmt,
		"SELECT plan, rows, bytes FROM export WHERE path = ?1", "t",
		ex->path);
	if (st == FLO_NOTFOUND)
		return find_other(ex, db, err);
	if (st != FLO_OK)
		return st;
	other = sqlite3_column_int64(stmt, 0) != ex->plan.no;
	ex->rows = sqlite3_column_int64(stmt, 1);
	ex->bytes = sqlite3_column_int64(stmt, 2);
	sqlite3_finalize(stmt);
	if (other)
		return fail_other(ex->path, err);
	*ret_done = true;
	return FLO_OK;
}

/* Lines */

static void add_head(const struct flo__export *ex, struct flo__strbuf *sb)
{
	const struct flo__cmdb_plan *plan = &ex->plan;
	const char *const head[][2] = {
		{"source", plan->source_name},
		{"pull_id", plan->pull_id},
		{"run_id", plan->run_id},
		{"trace_id", plan->trace_id},
	};

	for (size_t i = 0; i < sizeof(head) / sizeof(head[0]); i++) {
		flo__strbuf_addf(sb, ",\"%s\":", head[i][0]);
		flo__strbuf_add_json(sb, head[i][1], strlen(head[i][1]));
	}
}

static void add_time(struct flo__strbuf *sb, const char *name, int64_t us)
{
	char time[FLO__RFC3339_SIZE];

	flo__time_rfc3339(us, time);
	flo__strbuf_addf(sb, ",\"%s\":\"%s\"", name, time);
}

/* Stored JSON goes out as it is: it has no line ends in it. */
static void add_stored(struct flo__strbuf *sb, const char *name,
		       sqlite3_stmt *row, int column)
{
	flo__strbuf_addf(sb, ",\"%s\":", name);
	if (sqlite3_column_type(row, column) == SQLITE_NULL)
		flo__strbuf_adds(sb, "null");
	else
		flo__strbuf_add(sb, flo__cdb_text(row, column),
				(size_t)sqlite3_column_bytes(row, column));
}

static void add_change(const struct flo__export *ex, sqlite3_stmt *row,
		       struct flo__strbuf *sb)
{
	flo__strbuf_addf(sb, "{\"op\":\"%s\"", flo__cdb_text(row, 0));
	add_stored(sb, "key", row, 1);
	add_head(ex, sb);
	add_time(sb, "ts", ex->plan.ts);
	add_stored(sb, "fields", row, 2);
	add_stored(sb, "before", row, 3);
	add_stored(sb, "after", row, 4);
	flo__strbuf_adds(sb, "}\n");
}

static void add_snapshot(const struct flo__export *ex, sqlite3_stmt *row,
			 struct flo__strbuf *sb)
{
	flo__strbuf_adds(sb, "{\"key\":");
	flo__strbuf_adds(sb, flo__cdb_text(row, 0));
	add_head(ex, sb);
	add_time(sb, "ts", ex->plan.applied_us);
	add_time(sb, "valid_from", sqlite3_column_int64(row, 1));
	add_stored(sb, "record", row, 2);
	flo__strbuf_adds(sb, "}\n");
}

/*
 * Lines and CSV are in the order of their keys, so that those of two days can
 * be compared by any tool. What reads Parquet sorts by itself, and a table is
 * read fastest in the order in which it was written. The limit keeps SQLite
 * from sorting the bodies with the keys.
 */
#define THEN " FROM history h LEFT JOIN ended e ON e.id = h.id"
#define OF_THEN                                                                \
	" WHERE h.source = ?1 AND h.valid_from <= ?2"                          \
	" AND (e.valid_to IS NULL OR e.valid_to > ?2)"
static const char by_key_sql[] =
	"SELECT o.key, o.valid_from, b.body FROM"
	" (SELECT h.id, h.key, h.valid_from" THEN OF_THEN
	"   ORDER BY h.key LIMIT -1) o"
	" CROSS JOIN body b ON b.id = o.id";
static const char as_written_sql[] =
	"SELECT h.key, h.valid_from, b.body" THEN
	" CROSS JOIN body b ON b.id = h.id" OF_THEN " ORDER BY h.id";

flo_status flo__export_open_rows(const struct flo__export *ex,
				 struct flo__cdb *db, flo_error *err,
				 sqlite3_stmt **ret)
{
	sqlite3_stmt *stmt = NULL;
	flo_status st;

	if (flo__export_is_snapshot(ex)) {
		/* From the history: the state may have moved on. */
		TRY(flo__cdb_prepare(db,
				     strcmp(ex->format, "parquet") == 0
					     ? as_written_sql
					     : by_key_sql,
				     err, &stmt));
		st = flo__cdb_bind(db, stmt, err, "ii", ex->plan.source,
				   ex->plan.applied_us);
	} else if (ex->part != NULL) {
		/* The limit keeps SQLite from taking the order for idle. */
		TRY(flo__cdb_prepare(
			db,
			"SELECT c.op, c.key_text, c.fields, x.body, y.body"
			" FROM (SELECT id FROM change"
			"  WHERE id BETWEEN ?1 AND ?2"
			"  ORDER BY key_text LIMIT -1) o"
			" CROSS JOIN change c ON c.id = o.id"
			" LEFT JOIN body x ON x.id = c.before"
			" LEFT JOIN body y ON y.id = c.after",
			err, &stmt));
		st = flo__cdb_bind(db, stmt, err, "ii",
				   flo__cdb_first(ex->plan.no),
				   flo__cdb_last(ex->plan.no));
	} else {
		TRY(flo__cdb_prepare(
			db,
			"SELECT c.op, c.key_text, c.fields, x.body,"
			" y.body FROM change c"
			" LEFT JOIN body x ON x.id = c.before"
			" LEFT JOIN body y ON y.id = c.after"
			" WHERE c.id BETWEEN ?1 AND ?2"
			" ORDER BY c.id",
			err, &stmt));
		st = flo__cdb_bind(db, stmt, err, "ii",
				   flo__cdb_first(ex->plan.no),
				   flo__cdb_last(ex->plan.no));
	}
out:
	*ret = stmt;
	return st;
}

flo_status flo__export_each(struct flo__export *ex, struct flo__cdb *db,
			    flo_status (*turn)(struct flo__export *ex,
					       struct flo__cdb *db, void *arg,
					       flo_error *err),
			    void *arg, flo_error *err)
{
	flo_status st = FLO_OK;

	if (ex->part == NULL)
		return turn(ex, db, arg, err);
	for (size_t i = 0; i < ex->part_len; i++) {
		const struct flo__export_part *part = &ex->part[i];
		int64_t before = ex->rows;

		TRY(flo__plan_read(db, part->plan, err, &ex->plan));
		TRY(turn(ex, db, arg, err));
		if (ex->rows - before != part->rows)
			return flo_error_set(err, FLO_NOTFOUND,
					     "plan %s had %lld changes when it "
					     "was exported, and %s has %lld; "
					     "its files stay as they are",
					     part->plan, (long long)part->rows,
					     db->path,
					     (long long)(ex->rows - before));
	}
out:
	return st;
}

struct lines {
	struct flo__outfile *file; /* borrowed */
	struct flo__strbuf sb;	   /* not yet written */
};

static flo_status write_rows(struct flo__export *ex, struct flo__cdb *db,
			     struct lines *lines, sqlite3_stmt *rows,
			     flo_error *err)
{
	struct flo__strbuf *sb = &lines->sb;
	bool row = true;
	flo_status st;

	for (;;) {
		size_t before = sb->len;

		TRY(flo__cdb_step(db, rows, err, &row));
		if (!row)
			break;
		if (flo__export_is_snapshot(ex))
			add_snapshot(ex, rows, sb);
		else
			add_change(ex, rows, sb);
		ex->rows++;
		ex->bytes += (int64_t)(sb->len - before);
		if (sb->len >= WRITE_BYTES)
			TRY(flo__outfile_write(lines->file, sb, err));
	}
out:
	return st;
}

static flo_status write_plan(struct flo__export *ex, struct flo__cdb *db,
			     void *arg, flo_error *err)
{
	sqlite3_stmt *rows = NULL;
	flo_status st;

	TRY(flo__export_open_rows(ex, db, err, &rows));
	st = write_rows(ex, db, arg, rows, err);
out:
	sqlite3_finalize(rows);
	return st;
}

flo_status flo__export_write(struct flo__export *ex, struct flo__cdb *db,
			     struct flo__outfile *file, flo_error *err)
{
	struct lines lines = {.file = file, .sb = FLO__STRBUF_INIT};
	flo_status st;

	if (strcmp(ex->format, "ndjson") != 0)
		return flo__export_table(ex, db, file, err);
	TRY(flo__export_each(ex, db, write_plan, &lines, err));
	st = flo__outfile_write(file, &lines.sb, err);
out:
	flo__strbuf_fini(&lines.sb);
	return st;
}

static flo_status write_file(struct flo__export *ex, struct flo__cdb *db,
			     flo_error *err)
{
	const char *dirs[] = {ex->plan.source_name, ex->what, ex->date, NULL};
	struct flo__outfile *file = NULL;
	flo_status st;

	TRY(flo__outfile_open(db, ex->root, dirs, ex->name, err, &file));
	TRY(flo__export_write(ex, db, file, err));
	st = flo__outfile_finish(file, err);
out:
	flo__outfile_close(file);
	return st;
}

static flo_status mark_done(const struct flo__export *ex, struct flo__cdb *db,
			    flo_error *err)
{
	flo_status st;

	TRY(flo__cdb_write(db, true, err));
	TRY(flo__cdb_run(db, err,
			 "INSERT INTO export(path, plan, what, format, rows,"
			 " bytes, exported_us)"
			 " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"
			 " ON CONFLICT DO NOTHING",
			 "tittiii", ex->path, ex->plan.no, ex->what, ex->format,
			 ex->rows, ex->bytes, flo__time_now_us()));
	st = flo__cdb_commit(db, err);
out:
	if (st != FLO_OK)
		flo__cdb_rollback(db);
	return st;
}

struct job {
	struct flo__export ex;
	const char *root; /* borrowed: as it was given */
};

static flo_status export_in(struct flo__cdb *db, void *arg, flo_error *err)
{
	struct job *job = arg;
	struct flo__export *ex = &job->ex;
	bool done = false;
	flo_status st;

	TRY(flo__outdir_root(db, job->root, err, &ex->root));
	TRY(flo__plan_read(db, ex->plan_id, err, &ex->plan));
	TRY(check_plan(ex, db, err));
	TRY(check_names(ex, err));
	TRY(find_place(ex, err));
	TRY(find_done(ex, db, err, &done));
	if (done)
		return FLO_OK;
	TRY(write_file(ex, db, err));
	st = mark_done(ex, db, err);
out:
	if (st != FLO_OK)
		flo_error_prefix(err, "export");
	return st;
}

static flo_status make_output(const struct flo__export *ex,
			      flo_value **ret_output)
{
	flo_value *map = flo_value_map(3);
	flo_status st = map != NULL ? FLO_OK : FLO_NOMEM;

	if (map == NULL)
		return FLO_NOMEM;
	flo__cmdb_put(map, "path", flo_value_string(ex->path), &st);
	flo__cmdb_put(map, "rows", flo_value_int(ex->rows), &st);
	flo__cmdb_put(map, "bytes", flo_value_int(ex->bytes), &st);
	if (st == FLO_OK)
		*ret_output = map;
	else
		flo_value_unref(map);
	return st;
}

static flo_status run(flo_step_call *call, const flo_value *with,
		      flo_error *err, flo_value **ret_output)
{
	struct job job = {.root = NULL};
	struct flo__export *ex = &job.ex;
	flo_status st;

	TRY(read_args(ex, with, err, &job.root));
	TRY(flo__cmdb_with_db(call, with, export_in, &job, err));
	flo_step_log(call, "%s: %lld row%s in %s", ex->plan.source_name,
		     (long long)ex->rows, FLO__CDB_S(ex->rows), ex->path);
	st = make_output(ex, ret_output);
out:
	flo__free(ex->path);
	flo__free(ex->root);
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
	{.name = "format",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "\"ndjson\", \"parquet\" or \"csv\".",
	 .one_of = flo__export_formats},
	{.name = "what",
	 .types = FLO_TYPES(STRING),
	 .description = "\"changes\" (the default) or \"snapshot\".",
	 .one_of = whats},
	{.name = "root",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "The directory to write below.",
	 .min_len = 1},
};

const flo_step_type flo__cmdb_export = {
	.name = "cmdb.export",
	.description = "Write a plan's changes to a file.",
	.params = params,
	.params_len = sizeof(params) / sizeof(params[0]),
	.run = run,
};
