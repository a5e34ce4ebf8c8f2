/*
 * Note: whom a query may disturb.
 *
 * As long as a statement is open on a file that is not in WAL mode, nobody can
 * write to it. So rows are not staged while they come, as staging may wait for
 * the CMDB: they go to a file first, and the query ends. That file is read
 * when the CMDB is open. The CMDB's own file may be queried, too: by then the
 * query's snapshot is gone.
 *
 * The file is never opened but by SQLite: closing another descriptor of it
 * would drop the locks of all connections that this process has on it.
 *
 * Note: the thread.
 *
 * SQLite compiles subqueries, views, compounds and expressions by recursion,
 * some kilobytes a level. It has bounds (100 levels of brackets, 1000 of
 * expressions, 500 of compounds), but those need up to a megabyte, four times
 * what a coroutine has. Lower bounds were refused: views nest, too, and
 * somebody's views are what they are.
 */
#include "steps/cmdb/query.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "base/utf8.h"
#include "json/json_p.h"
#include "steps/args.h"
#include "steps/cmdb/record.h"
#include "steps/cmdb/split.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (8u << 20)

/* How long whoever writes to the file may take. */
#define LOCK_WAIT_MAX_NS (60 * FLO__NS_PER_S)

/* Virtual machine steps between two looks at the context. */
#define PROGRESS_STEPS 20000

/* Rows are written when they have this many bytes. */
#define FLUSH_BYTES (1u << 20)

/* A column of the result. */
struct column {
	struct flo__strbuf key; /* its name as JSON, and a colon */
	bool json;		/* its text is */
};

struct rows {
	const struct flo__query *query; /* borrowed */
	sqlite3 *sql;
	sqlite3_stmt *stmt;
	struct column *columns; /* owned */
	int columns_len;
	struct flo__strbuf text; /* rows not yet written */
	unsigned long long row;	 /* from 1 */
	uint64_t busy_since_ns;
	bool denied; /* the query wanted what it may not */
	flo_error *err;
	flo_status st; /* of the thread */
};

/* Errors */

static flo_status fail(struct rows *rows, int rc)
{
	static const struct {
		int rc;
		flo_status st;
		const char *hint;
	} known[] = {
		{SQLITE_NOMEM, FLO_NOMEM, ""},
		{SQLITE_CORRUPT, FLO_CORRUPT, ""},
		{SQLITE_NOTADB, FLO_INVALID, ""},
		{SQLITE_IOERR, FLO_IO, ""},
		{SQLITE_CANTOPEN, FLO_SYSTEM,
		 "; may it be read? A file in WAL mode needs a directory that "
		 "may be written to"},
		{SQLITE_READONLY, FLO_READONLY,
		 "; who wrote it last has left it in the middle: open it once "
		 "with a program that may write to it"},
		{SQLITE_BUSY, FLO_BUSY,
		 "; another program has been writing to it for a minute"},
		{SQLITE_TOOBIG, FLO_LIMIT, "; a record has 16 MiB at most"},
	};
	flo_status st = FLO_STORE;
	const char *hint = "";

	if (flo__args_ended(rows->query->call, NULL) != FLO_OK)
		return flo__args_ended(rows->query->call, rows->err);
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (known[i].rc == (rc & 0xff)) {
			st = known[i].st;
			hint = known[i].hint;
		}
	}
	return flo_error_set(rows->err, st, "%s: %s%s", rows->query->path,
			     rows->sql != NULL ? sqlite3_errmsg(rows->sql)
					       : sqlite3_errstr(rc),
			     hint);
}

/* What SQLite says of a query quotes words of it, which may be of a secret. */
static bool has_secret(const struct flo__query *query)
{
	const struct flo__mask *mask =
		flo__args_mask(flo_step_context(query->call));

	return mask != NULL &&
	       flo__mask_find(mask, query->sql, strlen(query->sql)) >=
		       FLO__MASK_PART_MIN;
}

/* What the query says is wrong, and not the file. */
static flo_status fail_query(struct rows *rows, int rc)
{
	int at = sqlite3_error_offset(rows->sql);

	if (rows->denied)
		return flo_error_set(rows->err, FLO_INVALID,
				     "\"query\" may only read: one SELECT, "
				     "without ATTACH, PRAGMA or extensions");
	if ((rc & 0xff) != SQLITE_ERROR)
		return fail(rows, rc);
	if (has_secret(rows->query))
		return flo_error_set(
			rows->err, FLO_SYNTAX,
			"\"query\" cannot be run (why is not shown: "
			"it has a secret in it; give that in "
			"\"params\")");
	if (at < 0)
		return flo_error_set(rows->err, FLO_SYNTAX, "\"query\": %s",
				     sqlite3_errmsg(rows->sql));
	return flo_error_set(rows->err, FLO_SYNTAX,
			     "\"query\": %s (at byte %d, near \"%.30s\")",
			     sqlite3_errmsg(rows->sql), at + 1,
			     rows->query->sql + at);
}

static const char *column_name(const struct rows *rows, int i)
{
	const char *name = sqlite3_column_name(rows->stmt, i);

	return name != NULL ? name : "?";
}

static flo_status refuse(struct rows *rows, int column, const char *why)
{
	return flo_error_set(rows->err, FLO_TYPE,
			     "row %llu, column \"%.80s\": %s", rows->row,
			     column_name(rows, column), why);
}

/* What SQLite asks */

static int on_busy(void *arg, int tries)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	struct rows *rows = arg;
	uint64_t now = flo__time_mono_ns();

	if (tries == 0)
		rows->busy_since_ns = now;
	if (flo__args_ended(rows->query->call, NULL) != FLO_OK ||
	    now - rows->busy_since_ns > LOCK_WAIT_MAX_NS)
		return 0;
	nanosleep(&pause, NULL);
	return 1;
}

static int on_progress(void *arg)
{
	const struct rows *rows = arg;

	return flo__args_ended(rows->query->call, NULL) != FLO_OK;
}

static int on_access(void *arg, int action, const char *what, const char *name,
		     const char *schema, const char *trigger)
{
	struct rows *rows = arg;

	(void)what;
	(void)schema;
	(void)trigger;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		if (strcasecmp(name, "load_extension") != 0)
			return SQLITE_OK;
		break;
	default:
		break;
	}
	rows->denied = true;
	return SQLITE_DENY;
}

/* Prepare */

static flo_status open_file(struct rows *rows)
{
	int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_NOMUTEX;
	int rc;

	rc = sqlite3_open_v2(rows->query->path, &rows->sql, flags, NULL);
	if (rc != SQLITE_OK)
		return fail(rows, rc);
	sqlite3_extended_result_codes(rows->sql, 1);
	sqlite3_busy_handler(rows->sql, on_busy, rows);
	sqlite3_progress_handler(rows->sql, PROGRESS_STEPS, on_progress, rows);
	sqlite3_set_authorizer(rows->sql, on_access, rows);
	sqlite3_db_config(rows->sql, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	sqlite3_db_config(rows->sql, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	sqlite3_limit(rows->sql, SQLITE_LIMIT_LENGTH, FLO__RECORD_BYTES_MAX);
	return FLO_OK;
}

/* Nothing but space and comments may follow the statement. */
static flo_status check_tail(struct rows *rows, const char *tail)
{
	sqlite3_stmt *more = NULL;
	int rc = SQLITE_OK;

	while (rc == SQLITE_OK && more == NULL && *tail != '\0')
		rc = sqlite3_prepare_v2(rows->sql, tail, -1, &more, &tail);
	sqlite3_finalize(more);
	if (rc == SQLITE_OK && more == NULL)
		return FLO_OK;
	return flo_error_set(rows->err, FLO_INVALID,
			     "\"query\" has more than one statement; one "
			     "SELECT is allowed");
}

static flo_status prepare(struct rows *rows)
{
	const char *tail = "";
	int rc;

	rc = sqlite3_prepare_v2(rows->sql, rows->query->sql, -1, &rows->stmt,
				&tail);
	if (rc != SQLITE_OK)
		return fail_query(rows, rc);
	if (rows->stmt == NULL)
		return flo_error_set(rows->err, FLO_INVALID,
				     "\"query\" has no statement in it");
	if (!sqlite3_stmt_readonly(rows->stmt) ||
	    sqlite3_stmt_isexplain(rows->stmt) ||
	    sqlite3_column_count(rows->stmt) == 0)
		return flo_error_set(rows->err, FLO_INVALID,
				     "\"query\" must be a SELECT");
	return check_tail(rows, tail);
}

/* Parameters */

static int bind_value(struct rows *rows, int i, const flo_value *value)
{
	const char *text;
	size_t len;

	switch (flo_value_typeof(value)) {
	case FLO_VALUE_NULL:
		return sqlite3_bind_null(rows->stmt, i);
	case FLO_VALUE_BOOL:
		return sqlite3_bind_int(rows->stmt, i,
					flo_value_get_bool(value));
	case FLO_VALUE_INT:
		return sqlite3_bind_int64(rows->stmt, i,
					  flo_value_get_int(value));
	case FLO_VALUE_DOUBLE:
		return sqlite3_bind_double(rows->stmt, i,
					   flo_value_get_double(value));
	case FLO_VALUE_STRING:
		text = flo_value_get_string(value, &len);
		return sqlite3_bind_text64(rows->stmt, i, text, len,
					   SQLITE_STATIC, SQLITE_UTF8);
	default:
		return SQLITE_MISMATCH;
	}
}

static flo_status bind_one(struct rows *rows, int i)
{
	const char *name = sqlite3_bind_parameter_name(rows->stmt, i);
	const flo_value *value;
	int rc;

	if (name == NULL || name[0] == '?')
		return flo_error_set(rows->err, FLO_INVALID,
				     "\"query\" has a parameter without a "
				     "name; write :name, and give it in "
				     "\"params\"");
	value = flo_value_map_get(rows->query->params, name + 1);
	if (value == NULL)
		return flo_error_set(rows->err, FLO_INVALID,
				     "\"query\" has the parameter %.60s, which "
				     "\"params\" does not give",
				     name);
	rc = bind_value(rows, i, value);
	if (rc == SQLITE_MISMATCH)
		return flo_error_set(rows->err, FLO_TYPE,
				     "parameter %.60s must be null, a boolean, "
				     "a number or a string",
				     name);
	return rc == SQLITE_OK ? FLO_OK : fail(rows, rc);
}

static bool is_param(struct rows *rows, const char *name)
{
	int n = sqlite3_bind_parameter_count(rows->stmt);

	for (int i = 1; i <= n; i++) {
		const char *have = sqlite3_bind_parameter_name(rows->stmt, i);

		if (have != NULL && strcmp(have + 1, name) == 0)
			return true;
	}
	return false;
}

static flo_status bind_all(struct rows *rows)
{
	const flo_value *params = rows->query->params;
	size_t len = params != NULL ? flo_value_len(params) : 0;
	int n = sqlite3_bind_parameter_count(rows->stmt);
	flo_status st = FLO_OK;

	for (int i = 1; st == FLO_OK && i <= n; i++)
		st = bind_one(rows, i);
	for (size_t i = 0; st == FLO_OK && i < len; i++) {
		const flo_value *key;
		const char *name;

		flo_value_map_at(params, i, &key);
		name = flo_value_get_string(key, NULL);
		if (!is_param(rows, name))
			st = flo_error_set(rows->err, FLO_INVALID,
					   "\"params\" gives \"%.60s\", but "
					   "\"query\" has no :%.60s",
					   name, name);
	}
	return st;
}

/* Columns */

static flo_status read_column(struct rows *rows, int i)
{
	struct column *column = &rows->columns[i];
	const char *name = sqlite3_column_name(rows->stmt, i);

	if (name == NULL)
		return flo_error_set(rows->err, FLO_NOMEM, "out of memory");
	for (int k = 0; k < i; k++) {
		if (strcmp(column_name(rows, k), name) == 0)
			return flo_error_set(rows->err, FLO_INVALID,
					     "\"query\" has two columns with "
					     "the name \"%.80s\"; rename one "
					     "with AS",
					     name);
	}
	if (!flo__utf8_valid(name, strlen(name)))
		return flo_error_set(rows->err, FLO_INVALID,
				     "the name of column %d is not UTF-8; "
				     "rename it with AS",
				     i + 1);
	flo__strbuf_adds(&column->key, i == 0 ? "{" : ",");
	flo__strbuf_add_json(&column->key, name, strlen(name));
	flo__strbuf_addc(&column->key, ':');
	return flo__strbuf_status(&column->key);
}

static flo_status mark_json(struct rows *rows, const flo_value *item)
{
	const char *name = flo_value_typeof(item) == FLO_VALUE_STRING
				   ? flo_value_get_string(item, NULL)
				   : "";

	for (int i = 0; i < rows->columns_len; i++) {
		if (strcmp(column_name(rows, i), name) == 0) {
			rows->columns[i].json = true;
			return FLO_OK;
		}
	}
	return flo_error_set(rows->err, FLO_INVALID,
			     "\"json\" names \"%.80s\", but \"query\" has no "
			     "column of that name",
			     name);
}

static flo_status read_columns(struct rows *rows)
{
	const flo_value *json = rows->query->json;
	size_t json_len = json != NULL ? flo_value_len(json) : 0;
	int n = sqlite3_column_count(rows->stmt);
	flo_status st = FLO_OK;

	rows->columns = flo__calloc((size_t)n, sizeof(*rows->columns));
	if (rows->columns == NULL)
		return flo_error_set(rows->err, FLO_NOMEM, "out of memory");
	rows->columns_len = n;
	for (int i = 0; i < n; i++)
		flo__strbuf_init(&rows->columns[i].key);
	for (int i = 0; st == FLO_OK && i < n; i++)
		st = read_column(rows, i);
	for (size_t i = 0; st == FLO_OK && i < json_len; i++)
		st = mark_json(rows, flo_value_list_at(json, i));
	return st;
}

/* Rows */

/* A text that is JSON, without the space between its tokens: one line. */
static flo_status add_json(struct rows *rows, int i, const char *text,
			   size_t len)
{
	flo_error fault = FLO_ERROR_INIT;
	json_t *json = NULL;
	flo_status st;

	st = flo__json_load(text, len, JSON_DECODE_ANY, &fault, &json);
	flo__json_free(json);
	if (st == FLO_NOMEM)
		return flo_error_set(rows->err, st, "out of memory");
	if (st != FLO_OK)
		return flo_error_set(rows->err, FLO_TYPE,
				     "row %llu, column \"%.80s\": not JSON, "
				     "though \"json\" names it: %s",
				     rows->row, column_name(rows, i),
				     fault.text);
	flo__record_compact(text, len, &rows->text);
	return FLO_OK;
}

static flo_status add_text(struct rows *rows, int i)
{
	const char *text = (const char *)sqlite3_column_text(rows->stmt, i);
	size_t len = (size_t)sqlite3_column_bytes(rows->stmt, i);

	if (text == NULL)
		return flo_error_set(rows->err, FLO_NOMEM, "out of memory");
	if (!flo__utf8_valid(text, len))
		return refuse(rows, i,
			      "its text is not UTF-8; select hex() of it, or "
			      "correct it");
	if (memchr(text, '\0', len) != NULL)
		return refuse(rows, i,
			      "its text has a NUL in it; select hex() of it");
	if (rows->columns[i].json)
		return add_json(rows, i, text, len);
	flo__strbuf_add_json(&rows->text, text, len);
	return FLO_OK;
}

static flo_status add_value(struct rows *rows, int i)
{
	double d;

	switch (sqlite3_column_type(rows->stmt, i)) {
	case SQLITE_INTEGER:
		flo__strbuf_addf(&rows->text, "%lld",
				 (long long)sqlite3_column_int64(rows->stmt,
								 i));
		return FLO_OK;
	case SQLITE_FLOAT:
		d = sqlite3_column_double(rows->stmt, i);
		if (!isfinite(d))
			return refuse(rows, i,
				      "it is infinite, which JSON cannot say");
		flo__strbuf_add_double(&rows->text, d);
		return FLO_OK;
	case SQLITE_TEXT:
		return add_text(rows, i);
	case SQLITE_BLOB:
		return refuse(rows, i,
			      "it is a blob; select hex() of it, which is "
			      "text");
	default:
		flo__strbuf_adds(&rows->text, "null");
		return FLO_OK;
	}
}

static flo_status flush(struct rows *rows)
{
	const char *at = rows->text.data;
	size_t left = rows->text.len;

	if (flo__strbuf_status(&rows->text) != FLO_OK)
		return flo_error_set(rows->err, FLO_NOMEM, "out of memory");
	while (left != 0) {
		ssize_t n = write(rows->query->fd, at, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return flo_error_sys(rows->err, errno,
					     "keep what was read in a file "
					     "beside the \"db\"");
		at += n;
		left -= (size_t)n;
	}
	flo__strbuf_reset(&rows->text);
	return FLO_OK;
}

static flo_status add_row(struct rows *rows)
{
	flo_status st;

	for (int i = 0; i < rows->columns_len; i++) {
		flo__strbuf_add(&rows->text, rows->columns[i].key.data,
				rows->columns[i].key.len);
		st = add_value(rows, i);
		if (st != FLO_OK)
			return st;
	}
	flo__strbuf_adds(&rows->text, "}\n");
	return rows->text.len >= FLUSH_BYTES ? flush(rows) : FLO_OK;
}

static flo_status read_rows(struct rows *rows)
{
	int rc = sqlite3_step(rows->stmt);
	flo_status st;

	/* The first step may find other tables than the query was made for. */
	if (rc == SQLITE_ROW || rc == SQLITE_DONE)
		TRY(read_columns(rows));
	while (rc == SQLITE_ROW) {
		rows->row++;
		TRY(add_row(rows));
		rc = sqlite3_step(rows->stmt);
	}
	st = rc == SQLITE_DONE ? flush(rows) : fail_query(rows, rc);
out:
	return st;
}

static void rows_fini(struct rows *rows)
{
	for (int i = 0; i < rows->columns_len; i++)
		flo__strbuf_fini(&rows->columns[i].key);
	flo__free(rows->columns);
	flo__strbuf_fini(&rows->text);
	sqlite3_finalize(rows->stmt);
	sqlite3_close(rows->sql);
}

static void *run(void *arg)
{
	struct rows *rows = arg;
	flo_status st;

	TRY(open_file(rows));
	TRY(prepare(rows));
	TRY(bind_all(rows));
	st = read_rows(rows);
out:
	rows->st = st;
	rows_fini(rows);
	return NULL;
}

/* Signals stay with the threads that are made for them. */
static int run_on_thread(struct rows *rows)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, old;
	int rc;

	rc = pthread_attr_init(&attr);
	if (rc != 0)
		return rc;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&thread, &attr, run, rows);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		INSIST(pthread_join(thread, NULL) == 0);
	return rc;
}

flo_status flo__query_run(const struct flo__query *query, flo_error *err)
{
	flo_error own = FLO_ERROR_INIT;
	struct rows rows = {
		.query = query,
		.text = FLO__STRBUF_INIT,
		.err = err != NULL ? err : &own,
	};
	int rc = run_on_thread(&rows);

	if (rc != 0)
		return flo_error_sys(err, rc, "start a thread for the query");
	return rows.st;
}
