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
#include "steps/cmdb/fields.h"
#include "steps/cmdb/relay.h"

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
	bool guessed;	   /* rows may show that the fields are others */
	bool wrong;	   /* and one did */
	int64_t last_plan; /* of the row before; 0: there was none */
	struct flo__fields fields;
	struct flo__strbuf names;	     /* of columns, each with its NUL */
	struct flo__parquet_column *columns; /* owned */
	size_t len;
	size_t *old; /* owned: the column of a field before, SIZE_MAX: none */
	size_t *new; /* owned: after, or of a snapshot */
	struct flo__cell *cells;  /* owned */
	struct flo__strbuf texts; /* what cells point to; of one row */
};

static void table_fini(struct table *t)
{
	flo__fields_fini(&t->fields);
	flo__strbuf_fini(&t->names);
	flo__strbuf_fini(&t->texts);
	flo__free(t->columns);
	flo__free(t->old);
	flo__free(t->new);
	flo__free(t->cells);
}

/* Fields */

static flo_status see_body(struct table *t, sqlite3_stmt *row, int column,
			   flo_error *err)
{
	if (sqlite3_column_type(row, column) == SQLITE_NULL)
		return FLO_OK;
	return flo__fields_see(&t->fields, flo__cdb_text(row, column),
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
	for (size_t i = 0; i < t->fields.len; i++) {
		const struct flo__typed_field *field = &t->fields.field[i];
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
	size_t max = CHANGE_HEAD + 2 * t->fields.len;

	t->columns = flo__calloc(max, sizeof(*t->columns));
	t->cells = flo__calloc(max, sizeof(*t->cells));
	t->old = flo__calloc(t->fields.len, sizeof(*t->old));
	t->new = flo__calloc(t->fields.len, sizeof(*t->new));
	if (t->columns == NULL || t->cells == NULL || t->old == NULL ||
	    t->new == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	t->len = snapshot ? SNAPSHOT_HEAD : CHANGE_HEAD;
	memcpy(t->columns, snapshot ? snapshot_head : change_head,
	       t->len * sizeof(*t->columns));
	if (!snapshot)
		add_columns(t, "old_", t->old);
	add_columns(t, snapshot ? "" : "new_", t->new);
	if (t->names.failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	point_at_names(t, snapshot ? SNAPSHOT_HEAD : CHANGE_HEAD);
	return FLO_OK;
}

/* Cells */

static void set_text(struct flo__cell *cell, const char *text, size_t len)
{
	cell->set = true;
	cell->text = text;
	cell->len = len;
}

static void set_number(struct flo__cell *cell, int64_t n)
{
	cell->set = true;
	cell->n = n;
}

/* @t->texts has room for all strings of the row, so that it stays in place. */
static flo_status set_string(struct table *t, const struct flo__member *member,
			     struct flo__cell *cell, flo_error *err)
{
	size_t at = t->texts.len;
	flo_status st;

	if (!member->escaped) {
		set_text(cell, member->text + 1, member->text_len - 2);
		return FLO_OK;
	}
	st = flo__member_unescape(member->text, member->text_len, err,
				  &t->texts);
	if (st == FLO_OK)
		set_text(cell, t->texts.data + at, t->texts.len - at);
	return st;
}

/* A value as its column has it, which may be wider than it needs. */
static flo_status set_member(struct table *t, const struct flo__member *member,
			     enum flo__kind kind, struct flo__cell *cell,
			     flo_error *err)
{
	switch (kind) {
	case FLO__KIND_BOOL:
		set_number(cell, member->text[0] == 't');
		return FLO_OK;
	case FLO__KIND_INT53:
	case FLO__KIND_INT:
		set_number(cell,
			   flo__member_int(member->text, member->text_len));
		return FLO_OK;
	case FLO__KIND_DOUBLE:
		cell->set = true;
		return flo__member_double(member->text, member->text_len, err,
					  &cell->d);
	case FLO__KIND_STRING:
		return set_string(t, member, cell, err);
	case FLO__KIND_NULL:
	case FLO__KIND_JSON:
		break;
	}
	set_text(cell, member->text, member->text_len);
	return FLO_OK;
}

static flo_status set_field(struct table *t, const struct flo__member *member,
			    const size_t *at, flo_error *err)
{
	size_t i = flo__fields_find(&t->fields, member->name, member->name_len);
	enum flo__kind kind;

	if (member->kind == FLO__KIND_NULL)
		return FLO_OK;
	kind = i == SIZE_MAX ? FLO__KIND_NULL : t->fields.field[i].kind;
	t->wrong = flo__kind_join(kind, member->kind) != kind;
	if (t->wrong && t->guessed)
		return FLO_AGAIN;
	if (t->wrong)
		return flo_error_set(err, FLO_BUSY,
				     "the records of plan %s changed while "
				     "they were exported; export again",
				     t->ex->plan.id);
	return set_member(t, member, kind, &t->cells[at[i]], err);
}

static flo_status set_body(struct table *t, sqlite3_stmt *row, int column,
			   const size_t *at, flo_error *err)
{
	struct flo__members members = {
		.text = flo__cdb_text(row, column),
		.len = (size_t)sqlite3_column_bytes(row, column),
		.key = FLO__STRBUF_INIT};
	struct flo__member member;
	bool more = true;
	flo_status st = FLO_OK;

	if (sqlite3_column_type(row, column) == SQLITE_NULL)
		return FLO_OK;
	for (;;) {
		TRY(flo__members_next(&members, err, &member, &more));
		if (!more)
			break;
		TRY(set_field(t, &member, at, err));
	}
out:
	flo__strbuf_fini(&members.key);
	return st;
}

static void set_column(struct flo__cell *cell, sqlite3_stmt *row, int column)
{
	set_text(cell, flo__cdb_text(row, column),
		 (size_t)sqlite3_column_bytes(row, column));
}

/* Where the row comes from, and @ts: the same for all of a plan. */
static void set_origin(struct table *t, struct flo__cell *cells, int64_t ts)
{
	const struct flo__cmdb_plan *plan = &t->ex->plan;

	set_text(&cells[0], plan->pull_id, strlen(plan->pull_id));
	set_text(&cells[1], plan->run_id, strlen(plan->run_id));
	set_text(&cells[2], plan->trace_id, strlen(plan->trace_id));
	set_number(&cells[3], ts);
	for (size_t i = 0; i < 4; i++)
		cells[i].same = t->last_plan == plan->no;
	t->last_plan = plan->no;
}

static flo_status set_change(struct table *t, sqlite3_stmt *row, flo_error *err)
{
	flo_status st;

	set_column(&t->cells[0], row, 0);
	set_column(&t->cells[1], row, 1);
	set_origin(t, &t->cells[2], t->ex->plan.ts);
	set_column(&t->cells[6], row, 2);
	TRY(set_body(t, row, 3, t->old, err));
	st = set_body(t, row, 4, t->new, err);
out:
	return st;
}

static flo_status set_snapshot(struct table *t, sqlite3_stmt *row,
			       flo_error *err)
{
	set_column(&t->cells[0], row, 0);
	set_origin(t, &t->cells[1], t->ex->plan.applied_us);
	set_number(&t->cells[5], sqlite3_column_int64(row, 1));
	return set_body(t, row, 2, t->new, err);
}

static flo_status set_row(struct table *t, sqlite3_stmt *row, flo_error *err)
{
	bool snapshot = flo__export_is_snapshot(t->ex);
	size_t len = 0;

	for (int i = snapshot ? 2 : 3; i < (snapshot ? 3 : 5); i++)
		len += (size_t)sqlite3_column_bytes(row, i);
	memset(t->cells, 0, t->len * sizeof(*t->cells));
	flo__strbuf_reset(&t->texts);
	if (!flo__strbuf_reserve(&t->texts, len))
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return snapshot ? set_snapshot(t, row, err) : set_change(t, row, err);
}

/* The file */

struct write {
	struct table *table;
	struct flo__sheet *sheet;
	struct flo__relay *relay; /* to the sheet */
};

static flo_status write_plan(struct flo__export *ex, struct flo__cdb *db,
			     void *arg, flo_error *err)
{
	struct write *w = arg;
	sqlite3_stmt *rows = NULL;
	bool row = true;
	flo_status st;

	TRY(flo__export_open_rows(ex, db, err, &rows));
	for (;;) {
		TRY(flo__cdb_step(db, rows, err, &row));
		if (!row)
			break;
		TRY(set_row(w->table, rows, err));
		TRY(flo__relay_row(w->relay, w->table->cells, err));
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
			       t->columns, t->len, meta, err, ret_sheet);
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
	t->guessed = !all;
	st = flo__fields_store(db, t->ex->plan.source, &t->fields, err);
out:
	return st;
}

/* Write the table: *@ret_wrong, and FLO_AGAIN, if the guess was wrong. */
static flo_status write_table(struct flo__export *ex, struct flo__cdb *db,
			      struct flo__outfile *file, bool see_all,
			      flo_error *err, bool *ret_wrong)
{
	struct table t = {.ex = ex,
			  .names = FLO__STRBUF_INIT,
			  .texts = FLO__STRBUF_INIT};
	struct write w = {.table = &t};
	flo_status st;

	TRY(find_fields(&t, db, see_all, err));
	TRY(make_columns(&t, err));
	TRY(open_sheet(&t, file, err, &w.sheet));
	TRY(flo__relay_new(w.sheet, t.len, err, &w.relay));
	TRY(flo__export_each(ex, db, write_plan, &w, err));
	TRY(flo__relay_finish(w.relay, err));
	st = flo__sheet_finish(w.sheet, err, &ex->bytes);
out:
	*ret_wrong = st == FLO_AGAIN && t.guessed && t.wrong;
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
