#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include <stdio.h>
#include <stdlib.h>

struct fake_steps fs;

int set_up(void **state)
{
	(void)state;
	fake_steps_init(&fs);
	return 0;
}

int tear_down(void **state)
{
	(void)state;
	fake_steps_fini(&fs);
	return 0;
}

void use_runtime(const struct flo_runtime_options *options)
{
	flo_context_unref(fs.context);
	flo_runtime_free(fs.rt);
	assert_int_equal(flo_runtime_new(options, NULL, &fs.rt), FLO_OK);
	fs.context = flo_context_new(fs.rt);
	assert_non_null(fs.context);
}

flo_value *pull_text(const char *db, const char *key, const char *text)
{
	flo_value *pull = NULL;

	fake_text(&fs, "pull.json", text);
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_pull, key, &pull,
			       "{\"db\":\"%s\",\"source\":\"vm\",\"file\":"
			       "\"pull.json\"}",
			       db));
	return pull;
}

flo_status diff_text(const char *db, const char *key, const char *text,
		     const char *more, flo_value **ret_output)
{
	flo_value *pull = pull_text(db, key, text);
	flo_status st;

	st = fake_step(&fs, &flo__cmdb_diff, key, ret_output,
		       "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":[\"/id\"]%s}",
		       db, out_text(pull, "pull"), more);
	flo_value_unref(pull);
	return st;
}

flo_value *apply_plan(const char *db, const flo_value *diff)
{
	flo_value *output = NULL;

	fake_ok(&fs, fake_step(&fs, &flo__cmdb_apply, "apply", &output,
			       "{\"db\":\"%s\",\"plan\":\"%s\"}", db,
			       out_text(diff, "plan")));
	return output;
}

void sync_text(const char *db, const char *key, const char *text)
{
	flo_value *diff = NULL;

	fake_ok(&fs, diff_text(db, key, text, ",\"guard\":false", &diff));
	flo_value_unref(apply_plan(db, diff));
	flo_value_unref(diff);
}

void expect_counters(const flo_value *diff, int64_t added, int64_t changed,
		     int64_t removed, int64_t same, int64_t raw_hits)
{
	assert_int_equal(out_int(diff, "added"), added);
	assert_int_equal(out_int(diff, "changed"), changed);
	assert_int_equal(out_int(diff, "removed"), removed);
	assert_int_equal(out_int(diff, "same"), same);
	assert_int_equal(out_int(diff, "raw_hits"), raw_hits);
}

void add_rows(const char *db, const char *sql, struct flo__strbuf *sb)
{
	sqlite3_stmt *stmt = NULL;
	sqlite3 *file = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fs.dir, db);
	assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
	sqlite3_busy_timeout(file, 10000);
	if (sqlite3_prepare_v2(file, sql, -1, &stmt, NULL) != SQLITE_OK)
		fail_msg("%s: %s", sql, sqlite3_errmsg(file));
	while (sqlite3_step(stmt) == SQLITE_ROW) {
		for (int i = 0; i < sqlite3_column_count(stmt); i++) {
			const void *text = sqlite3_column_text(stmt, i);

			flo__strbuf_adds(sb, i != 0 ? "|" : "");
			flo__strbuf_adds(sb, text != NULL ? text : "null");
		}
		flo__strbuf_addc(sb, '\n');
	}
	assert_int_equal(sqlite3_finalize(stmt), SQLITE_OK);
	sqlite3_close(file);
}

const char *query_text(const char *db, const char *sql)
{
	static char text[4096];
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	add_rows(db, sql, &sb);
	if (sb.len != 0)
		flo__strbuf_cut(&sb, sb.len - 1);
	snprintf(text, sizeof(text), "%s", sb.data);
	flo__strbuf_fini(&sb);
	return text;
}

int64_t query(const char *db, const char *sql)
{
	return strtoll(query_text(db, sql), NULL, 10);
}
