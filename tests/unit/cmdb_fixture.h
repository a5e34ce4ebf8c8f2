/* What the tests of cmdb.* share: a pull of a text, a look into the tables. */
#ifndef FLO_TESTS_CMDB_FIXTURE_H
#define FLO_TESTS_CMDB_FIXTURE_H

#include "base/strbuf.h"
#include "fake_step.h"
#include "steps/cmdb/cmdb.h"

#include <sqlite3.h>

extern struct fake_steps fs;

int set_up(void **state);
int tear_down(void **state);

/* Run what follows on another runtime. */
void use_runtime(const struct flo_runtime_options *options);

/* Pull @text, as source vm, in the step @key. */
flo_value *pull_text(const char *db, const char *key, const char *text);

/*
 * Pull and diff: @more is further arguments of the diff, beginning with a
 * comma, or "". *@ret_output may be untouched.
 */
flo_status diff_text(const char *db, const char *key, const char *text,
		     const char *more, flo_value **ret_output);

/* Apply the plan of a diff's output; the output is the caller's. */
flo_value *apply_plan(const char *db, const flo_value *diff);

/* Pull, diff (by /id, without guards) and apply. */
void sync_text(const char *db, const char *key, const char *text);

/* The counters of a diff's output. */
void expect_counters(const flo_value *diff, int64_t added, int64_t changed,
		     int64_t removed, int64_t same, int64_t raw_hits);

/* Run SQL on a database of the directory: the first column of its first row. */
int64_t query(const char *db, const char *sql);
/* The same as a text, which lives until the next call. */
const char *query_text(const char *db, const char *sql);
/* Append all rows, a line each, columns separated by '|'. */
void add_rows(const char *db, const char *sql, struct flo__strbuf *sb);

#endif
