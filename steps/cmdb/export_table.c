/*
 * cmdb.export in columns: Parquet and CSV.
 *
 * The columns must be known before the first row is written, and only the last
 * row tells which there are and of what types. But records of one source are
 * alike: so what is stored of the source and the first rows make a guess, which
 * is nearly always right, and where a row shows that it is wrong, all rows are
 * read to see, and the file begins anew. A plan's changes are never changed, so
 * that then both find the same.
 */
#include "steps/cmdb/export_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/export_cut.h"

#include <string.h>

/* What stands before the fields. */
static const struct flo__parquet_column change_head[] = {
	{"_op", FLO__PARQUET_STRING},	    {"_key", FLO__PARQUET_JSON},
	{"_pull_id", FLO__PARQUET_STRING},  {"_run_id", FLO__PARQUET_STRING},
	{"_trace_id", FLO__PARQUET_STRING}, {"_ts", FLO__PARQUET_TIME},
	{"_fields", FLO__PARQUET_JSON},
};
static const struct flo__parquet_column snapshot_head[] = {
	{"_key", FLO__PARQUET_JSON},	  {"_pull_id", FLO__PARQUET_STRING},
	{"_run_id", FLO__PARQUET_STRING}, {"_trace_id", FLO__PARQUET_STRING},
	{"_ts", FLO__PARQUET_TIME},	  {"_valid_from", FLO__PARQUET_TIME},
};
#define CHANGE_HEAD   (sizeof(change_head) / sizeof(change_head[0]))
#define SNAPSHOT_HEAD (sizeof(snapshot_head) / sizeof(snapshot_head[0]))

/* Rows that are read for the guess. */
#define GUESS_ROWS 1000

struct table {
	const struct flo__export *ex;
	struct flo__cutter *cutter; /* owned; the tasks' to read meanwhile */
	struct flo__strbuf names;   /* of columns, each with its NUL */
	struct flo__parquet_column *columns; /* owned */
	size_t len;
};

static flo_status table_init(struct table *t, const struct flo__export *ex,
			     flo_error *err)
{
	memset(t, 0, sizeof(*t));
	t->ex = ex;
	flo__strbuf_init(&t->names);
	t->cutter = flo__calloc(1, sizeof(*t->cutter));
	if (t->cutter == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	t->cutter->snapshot = flo__export_is_snapshot(ex);
	return FLO_OK;
}

static void table_fini(struct table *t)
{
	if (t->cutter != NULL) {
		flo__fields_fini(&t->cutter->fields);
		flo__free(t->cutter->old);
		flo__free(t->cutter->new);
	}
	flo__free(t->cutter);
	flo__strbuf_fini(&t->names);
	flo__free(t->columns);
}

/* Fields */

static flo_status see_body(struct table *t, sqlite3_stmt *row, int column,
			   flo_error *err)
{
	if (sqlite3_column_type(row, column) == SQLITE_NULL)
		return FLO_OK;
	return flo__fields_see(&t->cutter->fields, flo__cdb_text(row, column),
			       (size_t)sqlite3_column_bytes(row, column), err);
}

/* See at most @max rows: *@ret_all says whether these are all. */
static flo_status see_rows(struct table *t, struct flo__cdb *db, int64_t max,
			   flo_error *err, bool *ret_all)
{
	bool snapshot = flo__export_is_snapshot(t->ex);
	sqlite3_stmt *rows = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__export_open_rows(t->ex, db, err, &rows));
	for (; max > 0; max--) {
		TRY(flo__cdb_step(db, rows, err, &row));
		if (!row)
			break;
		TRY(see_body(t, rows, snapshot ? 2 : 3, err));
		if (!snapshot)
			TRY(see_body(t, rows, 4, err));
	}
	*ret_all = !row;
out:
	sqlite3_finalize(rows);
	return st;
}

/* Columns */

static enum flo__parquet_type type_of(enum flo__kind kind)
{
	switch (kind) {
	case FLO__KIND_BOOL:
		return FLO__PARQUET_BOOL;
	case FLO__KIND_INT53:
	case FLO__KIND_INT:
		return FLO__PARQUET_INT;
	case FLO__KIND_DOUBLE:
		return FLO__PARQUET_DOUBLE;
	case FLO__KIND_STRING:
	case FLO__KIND_MIXED:
		return FLO__PARQUET_STRING;
	case FLO__KIND_NULL:
	case FLO__KIND_JSON:
		break;
	}
	return FLO__PARQUET_JSON;
}

/*
 * Name a column for each field. A snapshot's have the fields' own names; one
 * that begins with '_' gets another, so that it is none of ours.
 */
static void add_columns(struct table *t, const char *prefix, size_t *at)
{
	for (size_t i = 0; i < t->cutter->fields.len; i++) {
		const struct flo__typed_field *field =
			&t->cutter->fields.field[i];
		const char *before = prefix;

		at[i] = SIZE_MAX;
		if (field->kind == FLO__KIND_NULL)
			continue;
		if (*prefix == '\0' && field->name[0] == '_')
			before = "_";
		at[i] = t->len++;
		t->columns[at[i]].type = type_of(field->kind);
		flo__strbuf_adds(&t->names, before);
		flo__strbuf_add(&t->names, field->name, field->name_len + 1);
	}
}

static void point_at_names(struct table *t, size_t head)
{
	const char *name = t->names.data;

	for (size_t i = head; i < t->len; i++) {
		t->columns[i].name = name;
		name += strlen(name) + 1;
	}
}

static flo_status make_columns(struct table *t, flo_error *err)
{
	bool snapshot = flo__export_is_snapshot(t->ex);
	size_t max = CHANGE_HEAD + 2 * t->cutter->fields.len;

	t->columns = flo__calloc(max, sizeof(*t->columns));
	t->cutter->old =
		flo__calloc(t->cutter->fields.len, sizeof(*t->cutter->old));
	t->cutter->new =
		flo__calloc(t->cutter->fields.len, sizeof(*t->cutter->new));
	if (t->columns == NULL || t->cutter->old == NULL ||
	    t->cutter->new == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	t->len = snapshot ? SNAPSHOT_HEAD : CHANGE_HEAD;
	memcpy(t->columns, snapshot ? snapshot_head : change_head,
	       t->len * sizeof(*t->columns));
	if (!snapshot)
		add_columns(t, "old_", t->cutter->old);
	add_columns(t, snapshot ? "" : "new_", t->cutter->new);
	if (t->names.failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	point_at_names(t, snapshot ? SNAPSHOT_HEAD : CHANGE_HEAD);
	return FLO_OK;
}

/* The file */

struct write {
	struct table *table;
	struct flo__sheet *sheet;
	struct flo__relay *relay; /* to the sheet */
};

static void set_text(struct flo__relay_row *to, int text, sqlite3_stmt *row,
		     int column)
{
	to->text[text].at = flo__cdb_text(row, column);
	to->text[text].len = (size_t)sqlite3_column_bytes(row, column);
}

/* Null where the record is new, or was removed. */
static void set_body(struct flo__relay_row *to, int text, sqlite3_stmt *row,
		     int column)
{
	if (sqlite3_column_type(row, column) != SQLITE_NULL)
		set_text(to, text, row, column);
}

static void read_row(const struct table *t, sqlite3_stmt *row,
		     struct flo__relay_row *to)
{
	if (t->cutter->snapshot) {
		to->ts = t->ex->plan.applied_us;
		set_text(to, FLO__CUT_KEY, row, 0);
		to->valid_from = sqlite3_column_int64(row, 1);
		set_body(to, FLO__CUT_AFTER, row, 2);
	} else {
		to->ts = t->ex->plan.ts;
		set_text(to, FLO__CUT_OP, row, 0);
		set_text(to, FLO__CUT_KEY, row, 1);
		set_text(to, FLO__CUT_FIELDS, row, 2);
		set_body(to, FLO__CUT_BEFORE, row, 3);
		set_body(to, FLO__CUT_AFTER, row, 4);
	}
}

/* Tell where the rows of the plan come from. */
static flo_status set_origin(const struct table *t, struct flo__relay *relay,
			     flo_error *err)
{
	const struct flo__cmdb_plan *plan = &t->ex->plan;
	const char *const ids[] = {plan->pull_id, plan->run_id, plan->trace_id,
				   plan->id};
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st;

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
		flo__strbuf_add(&sb, ids[i], strlen(ids[i]) + 1);
	st = sb.failed ? flo_error_set(err, FLO_NOMEM, "out of memory")
		       : flo__relay_origin(relay, sb.data, sb.len, err);
	flo__strbuf_fini(&sb);
	return st;
}

static flo_status write_plan(struct flo__export *ex, struct flo__cdb *db,
			     void *arg, flo_error *err)
{
	struct write *w = arg;
	sqlite3_stmt *rows = NULL;
	bool row = true;
	flo_status st;

	TRY(set_origin(w->table, w->relay, err));
	TRY(flo__export_open_rows(ex, db, err, &rows));
	for (;;) {
		struct flo__relay_row to = {.same = false};

		TRY(flo__cdb_step(db, rows, err, &row));
		if (!row)
			break;
		read_row(w->table, rows, &to);
		TRY(flo__relay_row(w->relay, &to, err));
		ex->rows++;
	}
out:
	sqlite3_finalize(rows);
	return st;
}

static flo_status open_sheet(struct table *t, struct flo__outfile *file,
			     flo_error *err, struct flo__sheet **ret_sheet)
{
	const struct flo__export *ex = t->ex;
	bool day = ex->part != NULL;
	const char *const meta[][2] = {
		{"cmdb.source", ex->plan.source_name},
		{"cmdb.what", ex->what},
		{day ? "cmdb.day" : "cmdb.plan", day ? ex->day : ex->plan.id},
		{day ? NULL : "cmdb.pull_id", ex->plan.pull_id},
		{NULL, NULL},
	};

	return flo__sheet_open(file, strcmp(ex->format, "parquet") == 0,
			       t->columns, t->len, meta, NULL, err, ret_sheet);
}

/* Which fields there are, as far as it is known. */
static flo_status find_fields(struct table *t, struct flo__cdb *db,
			      bool see_all, flo_error *err)
{
	bool all = true;
	flo_status st = FLO_OK;

	/* What is in files already was seen when these were written. */
	if (t->ex->part == NULL)
		TRY(see_rows(t, db, see_all ? INT64_MAX : GUESS_ROWS, err,
			     &all));
	t->cutter->guessed = !all;
	st = flo__fields_store(db, t->ex->plan.source, &t->cutter->fields, err);
out:
	return st;
}

/* Write the table: *@ret_wrong, and FLO_AGAIN, if the guess was wrong. */
static flo_status write_table(struct flo__export *ex, struct flo__cdb *db,
			      struct flo__outfile *file, bool see_all,
			      flo_error *err, bool *ret_wrong)
{
	struct table t;
	struct write w = {.table = &t};
	flo_status st;

	TRY(table_init(&t, ex, err));
	TRY(find_fields(&t, db, see_all, err));
	TRY(make_columns(&t, err));
	TRY(open_sheet(&t, file, err, &w.sheet));
	TRY(flo__relay_new(w.sheet, flo__export_cut, t.cutter, err, &w.relay));
	flo__task_compute_begin();
	st = flo__export_each(ex, db, write_plan, &w, err);
	if (st == FLO_OK)
		st = flo__relay_finish(w.relay, err);
	flo__task_compute_end();
	TRY(st);
	st = flo__sheet_finish(w.sheet, err, &ex->bytes);
out:
	*ret_wrong = st == FLO_AGAIN && w.relay != NULL &&
		     flo__relay_said_again(w.relay);
	/* Who writes to the sheet goes before it. */
	flo__relay_free(w.relay);
	flo__sheet_close(w.sheet);
	table_fini(&t);
	return st;
}

flo_status flo__export_table(struct flo__export *ex, struct flo__cdb *db,
			     struct flo__outfile *file, flo_error *err)
{
	bool wrong = false;
	flo_status st = write_table(ex, db, file, false, err, &wrong);

	if (!wrong)
		return st;
	TRY(flo__outfile_restart(file, err));
	ex->rows = 0;
	st = write_table(ex, db, file, true, err, &wrong);
out:
	return st;
}
