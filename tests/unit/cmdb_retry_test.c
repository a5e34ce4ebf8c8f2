/*
 * Attempts of a pipeline around pull and diff: each pulls anew, and what a
 * person has said of an earlier one's plan is said of that plan only.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include <flo/cmdb.h>

#include <stdio.h>
#include <string.h>

#define THREE "[{\"id\":1},{\"id\":2},{\"id\":3}]"

/* The last plan's id. */
static void last_plan(const char *db, char ret_id[64])
{
	snprintf(ret_id, 64, "%s",
		 query_text(db,
			    "SELECT id FROM plan ORDER BY no DESC LIMIT 1"));
}

static void decide(const char *db, const char *plan, flo_cmdb_word word)
{
	flo_error err = FLO_ERROR_INIT;
	flo_cmdb *cmdb = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fs.dir, db);
	if (flo_cmdb_open(path, FLO_CMDB_WRITE, &err, &cmdb) != FLO_OK ||
	    flo_cmdb_decide(cmdb, plan, word, "Ann", "she said so", &err, NULL,
			    NULL) != FLO_OK)
		fail_msg("%s", err.text);
	flo_cmdb_close(cmdb);
}

/* Three rows, and a first attempt, blocked, to remove them all. */
static void block(const char *db, char ret_plan[64])
{
	sync_text(db, "0", THREE);
	assert_int_equal(diff_text(db, "a", "[]", "", NULL), FLO_BLOCKED);
	last_plan(db, ret_plan);
}

static void expect_plan(const char *db, const char *plan, const char *want)
{
	char sql[256];

	snprintf(sql, sizeof(sql),
		 "SELECT state || ' ' || coalesce(decision, '-') || ' -' ||"
		 " removed || ' ' || coalesce(note, '-') FROM plan"
		 " WHERE id = '%s'",
		 plan);
	assert_string_equal(query_text(db, sql), want);
}

static void the_next_attempt_is_not_what_was_rejected(void **state)
{
	flo_value *diff = NULL;
	char plan[64];

	(void)state;
	block("re.db", plan);
	decide("re.db", plan, FLO_CMDB_REJECT);
	fake_ok(&fs, diff_text("re.db", "a", THREE, "", &diff));
	assert_string_not_equal(out_text(diff, "plan"), plan);
	assert_int_equal(out_int(diff, "same"), 3);
	flo_value_unref(diff);
	expect_plan("re.db", plan, "blocked rejected -3 she said so");
}

static void an_approval_outlives_the_next_attempt(void **state)
{
	flo_value *diff = NULL;
	char plan[64];

	(void)state;
	block("ap.db", plan);
	decide("ap.db", plan, FLO_CMDB_APPROVE);
	fake_ok(&fs, diff_text("ap.db", "a", THREE, "", &diff));
	assert_string_not_equal(out_text(diff, "plan"), plan);
	assert_int_equal(out_int(diff, "removed"), 0);
	flo_value_unref(diff);
	expect_plan("ap.db", plan, "ready approved -3 she said so");
}

/* Whoever has looked at a plan decides about what he has seen. */
static void a_plan_is_not_another_one_under_its_id(void **state)
{
	flo_value *diff = NULL, *done;
	char plan[64];

	(void)state;
	block("lo.db", plan);
	fake_ok(&fs, diff_text("lo.db", "a", "[{\"id\":4}]", ",\"guard\":false",
			       &diff));
	assert_string_not_equal(out_text(diff, "plan"), plan);
	expect_plan("lo.db", plan, "blocked - -3 -");
	done = apply_plan("lo.db", diff);
	assert_true(out_bool(done, "applied"));
	flo_value_unref(done);
	flo_value_unref(diff);
}

static flo_status diff_records(const char *records, flo_value **ret_diff)
{
	return fake_step(&fs, &flo__cmdb_diff, "a", ret_diff,
			 "{\"db\":\"rc.db\",\"source\":\"vm\",\"records\":%s,"
			 "\"key\":[\"/id\"]}",
			 records);
}

static void an_approval_of_records_outlives_other_records(void **state)
{
	flo_value *diff = NULL;
	char plan[64];

	(void)state;
	sync_text("rc.db", "0", THREE);
	assert_int_equal(diff_records("[]", NULL), FLO_BLOCKED);
	last_plan("rc.db", plan);
	decide("rc.db", plan, FLO_CMDB_APPROVE);
	fake_ok(&fs, diff_records(THREE, &diff));
	assert_string_not_equal(out_text(diff, "plan"), plan);
	flo_value_unref(diff);
	expect_plan("rc.db", plan, "ready approved -3 she said so");
	/* The same ones again are what was approved. */
	fake_ok(&fs, diff_records("[]", &diff));
	assert_string_equal(out_text(diff, "plan"), plan);
	flo_value_unref(diff);
}

static flo_status diff_pull(const char *db, const flo_value *pull,
			    const char *more, flo_value **ret_diff)
{
	return fake_step(&fs, &flo__cmdb_diff, "a", ret_diff,
			 "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":[\"/id\"]%s}",
			 db, out_text(pull, "pull"), more);
}

static void a_diff_of_the_same_pull_finds_its_plan(void **state)
{
	flo_value *pull, *diff = NULL;
	char plan[64];

	(void)state;
	sync_text("sa.db", "0", THREE);
	pull = pull_text("sa.db", "1", "[{\"id\":1},{\"id\":2},{\"id\":4}]");
	for (int i = 0; i < 4; i++) {
		fake_ok(&fs,
			diff_pull("sa.db", pull, ",\"plan_only\":true", &diff));
		if (i == 0)
			snprintf(plan, sizeof(plan), "%s",
				 out_text(diff, "plan"));
		assert_string_equal(out_text(diff, "plan"), plan);
		if (i == 1)
			decide("sa.db", plan, FLO_CMDB_APPROVE);
		fs.run_id = "run-2";
		if (i == 2)
			flo_value_unref(apply_plan("sa.db", diff));
		fs.run_id = "run-1";
		flo_value_unref(diff);
	}
	assert_int_equal(query("sa.db", "SELECT count(*) FROM plan"), 2);
	expect_plan("sa.db", plan, "applied approved -1 she said so");
	flo_value_unref(pull);
}

/* Under other arguments it comes to something else: that is another plan. */
static void an_approved_plan_is_never_replaced(void **state)
{
	flo_value *pull, *diff = NULL;
	char plan[64];

	(void)state;
	sync_text("ot.db", "0", THREE);
	pull = pull_text("ot.db", "1", "[]");
	assert_int_equal(diff_pull("ot.db", pull, "", NULL), FLO_BLOCKED);
	last_plan("ot.db", plan);
	decide("ot.db", plan, FLO_CMDB_APPROVE);
	assert_int_equal(diff_pull("ot.db", pull, ",\"ignore\":[\"/n\"]", NULL),
			 FLO_BLOCKED);
	expect_plan("ot.db", plan, "ready approved -3 she said so");
	fake_ok(&fs, diff_pull("ot.db", pull, "", &diff));
	assert_string_equal(out_text(diff, "plan"), plan);
	flo_value_unref(diff);
	flo_value_unref(pull);
}

static void a_plan_that_cannot_be_looked_for_is_told(void **state)
{
	flo_value *pull;

	(void)state;
	pull = pull_text("br.db", "1", THREE);
	query("br.db", "ALTER TABLE plan RENAME COLUMN decided_by TO nobody");
	assert_int_equal(diff_pull("br.db", pull, "", NULL), FLO_STORE);
	if (strstr(fs.err.text, "decided_by") == NULL)
		fail_msg("%s", fs.err.text);
	flo_value_unref(pull);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_next_attempt_is_not_what_was_rejected),
		cmocka_unit_test(an_approval_outlives_the_next_attempt),
		cmocka_unit_test(a_plan_is_not_another_one_under_its_id),
		cmocka_unit_test(an_approval_of_records_outlives_other_records),
		cmocka_unit_test(a_diff_of_the_same_pull_finds_its_plan),
		cmocka_unit_test(an_approved_plan_is_never_replaced),
		cmocka_unit_test(a_plan_that_cannot_be_looked_for_is_told),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
