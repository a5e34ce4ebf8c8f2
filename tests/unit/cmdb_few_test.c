/*
 * Pulls that find nearly all of the state: their diff looks up the rest, and
 * must come to what it would come to if it had read all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include <stdio.h>
#include <string.h>

#define MANY 64

/* Records 0 to MANY - 1, but for @without, and then @more; NULL: no more. */
static const char *records(int without, const char *more)
{
	static char text[8192];
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	for (int i = 0; i < MANY; i++)
		if (i != without)
			flo__strbuf_addf(&sb, "{\"id\":%d}\n", i);
	flo__strbuf_adds(&sb, more != NULL ? more : "");
	assert_int_equal(flo__strbuf_status(&sb), FLO_OK);
	snprintf(text, sizeof(text), "%s", sb.data);
	flo__strbuf_fini(&sb);
	return text;
}

static flo_status diff_of(const char *db, const char *key,
			  const flo_value *pull, flo_value **ret_diff)
{
	return fake_step(&fs, &flo__cmdb_diff, key, ret_diff,
			 "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":[\"/id\"],"
			 "\"guard\":false}",
			 db, out_text(pull, "pull"));
}

static void what_differs_is_found(void **state)
{
	flo_value *diff = NULL;

	(void)state;
	sync_text("d.db", "1", records(-1, NULL));
	assert_int_equal(diff_text("d.db", "2",
				   records(7,
					   "{\"id\":70}\n{\"id\":9,\"n\":1}"),
				   "", NULL),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "1 duplicate key: [9]"));
	fake_ok(&fs,
		diff_text("d.db", "3", records(7, "{\"id\":70}"), "", &diff));
	expect_counters(diff, 1, 0, 1, MANY - 1, MANY - 1);
	assert_int_equal(out_int(diff, "rows"), MANY);
	assert_string_equal(
		query_text("d.db", "SELECT group_concat(op || key, ' ') FROM"
				   " (SELECT op, key FROM cmdb_change"
				   "  WHERE ts = (SELECT max(ts) FROM plan)"
				   "  ORDER BY op)"),
		"c[70] d[7]");
	flo_value_unref(apply_plan("d.db", diff));
	flo_value_unref(diff);
	sync_text("d.db", "4", records(8, "{\"id\":70,\"n\":1}"));
	/* 7 came back, 8 went, 70 is another. */
	assert_string_equal(
		query_text("d.db", "SELECT added || changed || removed || same"
				   " FROM plan ORDER BY no DESC LIMIT 1"),
		"11162");
	assert_int_equal(query("d.db", "SELECT count(*) FROM cmdb_current"),
			 MANY);
	assert_string_equal(query_text("d.db", "SELECT body FROM cmdb_current"
					       " WHERE key = '[70]'"),
			    "{\"id\":70,\"n\":1}");
}

static void what_is_found_twice_is_a_duplicate(void **state)
{
	(void)state;
	sync_text("t.db", "1", records(-1, NULL));
	assert_int_equal(diff_text("t.db", "2",
				   records(-1, "{\"id\":5}\n{\"id\":6}"), "",
				   NULL),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "2 duplicate keys: "));
	assert_non_null(strstr(fs.err.text, "[5]"));
	assert_non_null(strstr(fs.err.text, "[6]"));
}

static void a_key_that_was_allowed_to_be_null_is_found_out(void **state)
{
	flo_value *diff = NULL;

	(void)state;
	fake_ok(&fs, diff_text("n.db", "1", records(-1, "{\"no\":1}"),
			       ",\"null_key\":\"allow\"", &diff));
	flo_value_unref(apply_plan("n.db", diff));
	flo_value_unref(diff);
	assert_int_equal(diff_text("n.db", "2", records(3, "{\"no\":1}"), "",
				   NULL),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "null or missing key"));
	diff = NULL;
	fake_ok(&fs, diff_text("n.db", "3", records(3, "{\"no\":1}"),
			       ",\"null_key\":\"allow\"", &diff));
	expect_counters(diff, 0, 0, 1, MANY, MANY);
	flo_value_unref(diff);
}

static void misses_are_counted(void **state)
{
	const char *after = ",\"guard\":{\"remove_after_misses\":2}";
	static const struct {
		int without;
		int64_t missing, removed;
	} pulls[] = {{4, 1, 0}, {-1, 0, 0}, {4, 1, 0}, {4, 0, 1}};

	(void)state;
	sync_text("m.db", "first", records(-1, NULL));
	for (size_t i = 0; i < sizeof(pulls) / sizeof(pulls[0]); i++) {
		flo_value *diff = NULL;
		char key[8];

		snprintf(key, sizeof(key), "%zu", i);
		fake_ok(&fs,
			diff_text("m.db", key, records(pulls[i].without, NULL),
				  after, &diff));
		assert_int_equal(out_int(diff, "missing"), pulls[i].missing);
		assert_int_equal(out_int(diff, "removed"), pulls[i].removed);
		flo_value_unref(apply_plan("m.db", diff));
		flo_value_unref(diff);
	}
}

/*
 * A pull has looked at the state, a plan of an older pull is applied, and then
 * the pull is compared: what the plan touched must be nothing that it found.
 */
static void a_state_that_moved_meanwhile_is_allowed_for(void **state)
{
	static const struct {
		int plan_without;
		const char *plan_more;
		int pull_without;
		const char *pull_more;
		flo_status st;
		int64_t added, changed, removed, same;
	} cases[] = {
		{-1, "{\"id\":100}", -1, NULL, FLO_OK, 0, 0, 1, MANY},
		{-1, "{\"id\":100}", -1, "{\"id\":100}", FLO_OK, 0, 0, 0,
		 MANY + 1},
		{-1, "{\"id\":100}", -1, "{\"id\":100,\"n\":1}", FLO_OK, 0, 1,
		 0, MANY},
		{5, "{\"id\":5,\"n\":1}", -1, NULL, FLO_FAILED, 0, 0, 0, 0},
		{5, "{\"id\":5,\"n\":1}", 5, NULL, FLO_OK, 0, 0, 1, MANY - 1},
		{5, "{\"id\":5,\"n\":1}", 5, "{\"id\":5,\"n\":1}", FLO_OK, 0, 0,
		 0, MANY},
		{5, "{\"id\":5,\"n\":1}", 5, "{\"id\":5,\"n\":2}", FLO_OK, 0, 1,
		 0, MANY - 1},
		{5, NULL, -1, NULL, FLO_FAILED, 0, 0, 0, 0},
		{5, NULL, 5, NULL, FLO_OK, 0, 0, 0, MANY - 1},
		{5, NULL, 5, "{\"id\":5,\"n\":2}", FLO_OK, 1, 0, 0, MANY - 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flo_value *plan = NULL, *pull, *diff = NULL;
		flo_status st;
		char db[16];

		snprintf(db, sizeof(db), "v%zu.db", i);
		sync_text(db, "1", records(-1, NULL));
		fake_ok(&fs, diff_text(db, "2",
				       records(cases[i].plan_without,
					       cases[i].plan_more),
				       ",\"guard\":false", &plan));
		pull = pull_text(db, "3",
				 records(cases[i].pull_without,
					 cases[i].pull_more));
		flo_value_unref(apply_plan(db, plan));
		flo_value_unref(plan);
		st = diff_of(db, "3", pull, &diff);
		if (st != cases[i].st)
			fail_msg("case %zu: %s", i, fs.err.text);
		if (st == FLO_OK)
			expect_counters(diff, cases[i].added, cases[i].changed,
					cases[i].removed, cases[i].same,
					MANY - (cases[i].pull_without >= 0));
		else
			assert_non_null(
				strstr(fs.err.text, "the state has changed"));
		flo_value_unref(diff);
		flo_value_unref(pull);
	}
}

static void what_is_damaged_is_told(void **state)
{
	static const char *const damage[] = {
		"UPDATE unseen SET keys = x'0102'",
		"DELETE FROM unseen",
		"UPDATE pull SET hits = hits + 1",
	};

	(void)state;
	sync_text("g.db", "1", records(-1, NULL));
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		flo_value *pull = pull_text("g.db", "2", records(7, NULL));

		query("g.db", damage[i]);
		assert_int_equal(diff_of("g.db", "2", pull, NULL), FLO_CORRUPT);
		assert_non_null(strstr(fs.err.text, "pull again"));
		flo_value_unref(pull);
	}
}

/* Format 3 */

/* What this version has noted of a waiting pull, as format 3 had it. */
static const char back_to_format_3[] =
	"CREATE TABLE hit (id INTEGER PRIMARY KEY, raws BLOB NOT NULL);"
	"INSERT INTO hit SELECT p.no << 32,"
	"  CAST(group_concat(t.raw, '') AS BLOB)"
	" FROM pull p JOIN state t ON t.source = p.source"
	" WHERE p.staged AND t.body & 4294967295 BETWEEN 8 AND 63"
	" GROUP BY p.no;"
	"INSERT INTO hit SELECT (p.no << 32) + 1,"
	"  CAST(group_concat(t.raw, '') AS BLOB)"
	" FROM pull p JOIN state t ON t.source = p.source"
	" WHERE p.staged AND t.body & 4294967295 BETWEEN 2 AND 6"
	" GROUP BY p.no;"
	"DROP TABLE same;"
	"CREATE TABLE same (id INTEGER PRIMARY KEY, raws BLOB NOT NULL,"
	" size INTEGER NOT NULL, bodies BLOB NOT NULL);"
	/* packed by nobody: this spec is not the one that is asked for */
	"INSERT INTO same SELECT (p.no << 32) + 1000,"
	"  CAST(group_concat(t.raw, '') AS BLOB), 0, x'00'"
	" FROM pull p JOIN state t ON t.source = p.source"
	" WHERE p.staged AND t.body & 4294967295 < 2 GROUP BY p.no;"
	"DROP TABLE unseen; DROP TABLE twice;"
	"ALTER TABLE pull DROP COLUMN base;"
	"ALTER TABLE pull DROP COLUMN partial;"
	"PRAGMA user_version = 3;";

static void change(const char *db, const char *sql)
{
	sqlite3 *file = NULL;
	char path[256];
	char *error = NULL;

	snprintf(path, sizeof(path), "%s/%s", fs.dir, db);
	assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
	if (sqlite3_exec(file, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s", error);
	sqlite3_close(file);
}

static void a_pull_that_waits_in_an_older_file_is_told_anew(void **state)
{
	flo_value *pull, *diff = NULL;

	(void)state;
	sync_text("f.db", "1", records(-1, NULL));
	pull = pull_text("f.db", "2", records(7, "{\"id\":70}"));
	change("f.db", back_to_format_3);
	fake_ok(&fs, diff_of("f.db", "2", pull, &diff));
	assert_int_equal(query("f.db", "PRAGMA user_version"), 4);
	expect_counters(diff, 1, 0, 1, MANY - 1, MANY - 3);
	assert_int_equal(query("f.db", "SELECT length(keys) FROM same"), 32);
	flo_value_unref(apply_plan("f.db", diff));
	flo_value_unref(diff);
	flo_value_unref(pull);
	assert_int_equal(query("f.db", "SELECT count(*) FROM cmdb_current"),
			 MANY);
}

static void one_with_a_record_twice_is_pulled_again(void **state)
{
	flo_value *pull;

	(void)state;
	sync_text("h.db", "1", records(-1, NULL));
	pull = pull_text("h.db", "2", records(7, NULL));
	change("h.db", back_to_format_3);
	change("h.db", "UPDATE hit SET raws = CAST(raws || raws AS BLOB)");
	assert_int_equal(diff_of("h.db", "2", pull, NULL), FLO_FAILED);
	assert_non_null(strstr(fs.err.text, "is incomplete"));
	flo_value_unref(pull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_differs_is_found),
		cmocka_unit_test(what_is_found_twice_is_a_duplicate),
		cmocka_unit_test(
			a_key_that_was_allowed_to_be_null_is_found_out),
		cmocka_unit_test(misses_are_counted),
		cmocka_unit_test(a_state_that_moved_meanwhile_is_allowed_for),
		cmocka_unit_test(what_is_damaged_is_told),
		cmocka_unit_test(
			a_pull_that_waits_in_an_older_file_is_told_anew),
		cmocka_unit_test(one_with_a_record_twice_is_pulled_again),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
