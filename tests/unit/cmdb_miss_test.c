/* remove_after_misses: records that a pull lacks, and that stay for a while. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"
#include "cmdb_stage_step.h"

#include <string.h>

#define AFTER(n) ",\"guard\":{\"remove_after_misses\":" #n "}"
#define FULL	 "\"origin\":\"o\",\"etag\":\"e\",\"cursor\":\"c\""
#define BOTH	 "[{\"id\":1},{\"id\":2}]"
#define ONE	 "[{\"id\":1}]"

static void expect_misses(const char *db, const char *want)
{
	assert_string_equal(query_text(db, "SELECT ifnull(group_concat(h.key"
					   " || times, ' '), '') FROM miss m"
					   " JOIN state t USING (source, key)"
					   " JOIN history h ON h.id = t.body"),
			    want);
}

static void start(const char *db, const char *more)
{
	sync_as(db, FULL, BOTH, more, "2 rows +2 ~0 -0 =0");
}

static void a_record_is_removed_after_misses_in_a_row(void **state)
{
	(void)state;
	start("r.db", AFTER(3));
	sync_as("r.db", FULL, ONE, AFTER(3), "1 rows +0 ~0 -0 =1");
	expect_misses("r.db", "[2]1");
	/* A version is of the state, which is what it was. */
	assert_int_equal(query("r.db", "SELECT version FROM source"), 1);
	sync_as("r.db", FULL, ONE, AFTER(3), "1 rows +0 ~0 -0 =1");
	expect_misses("r.db", "[2]2");
	assert_int_equal(query("r.db", "SELECT rows FROM source"), 2);
	sync_as("r.db", FULL, ONE, AFTER(3), "1 rows +0 ~0 -1 =1");
	assert_int_equal(query("r.db", "SELECT count(*) FROM miss"), 0);
	assert_int_equal(query("r.db", "SELECT rows FROM source"), 1);
	sync_as("r.db", FULL, ONE, AFTER(3), "1 rows +0 ~0 -0 =1");
}

static void a_record_that_comes_back_starts_again(void **state)
{
	(void)state;
	start("b.db", AFTER(2));
	sync_as("b.db", FULL, ONE, AFTER(2), "1 rows +0 ~0 -0 =1");
	/* Changed while it was away; it has not been away, that means. */
	sync_as("b.db", FULL, "[{\"id\":1},{\"id\":2,\"n\":1}]", AFTER(2),
		"2 rows +0 ~1 -0 =1");
	expect_misses("b.db", "");
	sync_as("b.db", FULL, ONE, AFTER(2), "1 rows +0 ~0 -0 =1");
	expect_misses("b.db", "[2]1");
	assert_int_equal(query("b.db", "SELECT count(*) FROM cmdb_history"
				       " WHERE key = '[2]'"),
			 2);
}

static void missing_is_told_if_it_is_asked_for(void **state)
{
	flo_value *out;

	(void)state;
	start("m.db", AFTER(2));
	out = plan_as("m.db", FULL, ONE, AFTER(2), "1 rows +0 ~0 -0 =1");
	assert_int_equal(out_int(out, "missing"), 1);
	assert_non_null(strstr(fs.log, "1 missing, kept until 2 pulls"));
	flo_value_unref(out);
	out = plan_as("m.db", FULL, ONE, AFTER(1), "1 rows +0 ~0 -1 =1");
	assert_null(flo_value_map_get(out, "missing"));
	flo_value_unref(out);
}

static void only_applied_pulls_count_and_once(void **state)
{
	flo_value *pull, *diff = NULL, *done, *out;

	(void)state;
	start("o.db", AFTER(3));
	/* Not applied. */
	out = plan_as("o.db", FULL, ONE, AFTER(3), "1 rows +0 ~0 -0 =1");
	expect_misses("o.db", "");
	flo_value_unref(out);
	/* Applied, and applied again. */
	pull = stage_as("o.db", FULL, ONE);
	fake_ok(&fs, diff_staged("o.db", pull, AFTER(3), &diff));
	done = apply_plan("o.db", diff);
	assert_true(out_bool(done, "applied"));
	flo_value_unref(done);
	done = apply_plan("o.db", diff);
	assert_true(out_bool(done, "already"));
	assert_false(out_bool(done, "applied"));
	flo_value_unref(done);
	flo_value_unref(diff);
	expect_misses("o.db", "[2]1");
	/* The same pull once more is no other pull. */
	fake_ok(&fs, diff_staged("o.db", pull, AFTER(3), &diff));
	assert_int_equal(out_int(diff, "missing"), 1);
	flo_value_unref(apply_plan("o.db", diff));
	flo_value_unref(diff);
	flo_value_unref(pull);
	expect_misses("o.db", "[2]1");
}

static void what_is_not_removed_yet_is_not_guarded(void **state)
{
	const char *more = ",\"guard\":{\"remove_after_misses\":2,"
			   "\"removed_rows\":1}";
	flo_value *pull, *out = NULL;

	(void)state;
	start("g.db", more);
	sync_as("g.db", FULL, ONE, more, "1 rows +0 ~0 -0 =1");
	pull = stage_as("g.db", FULL, ONE);
	assert_int_equal(diff_staged("g.db", pull, more, &out), FLO_BLOCKED);
	assert_non_null(strstr(fs.err.text, "1 of 2 rows"));
	flo_value_unref(pull);
	/* It was blocked, not applied: it does not count. */
	expect_misses("g.db", "[2]1");
	/* An empty pull is blocked whatever it would remove. */
	pull = stage_as("g.db", FULL, "[]");
	assert_int_equal(diff_staged("g.db", pull, AFTER(9), &out),
			 FLO_BLOCKED);
	assert_non_null(strstr(fs.err.text, "empty_pull"));
	flo_value_unref(pull);
}

/* "Not modified" would be of a list that lacks the record, for ever. */
static void while_something_is_missing_everything_is_needed(void **state)
{
	flo_value *pull;

	(void)state;
	start("e.db", AFTER(2));
	pull = stage_as("e.db", FULL, BOTH);
	assert_string_equal(out_text(pull, "offered_etag"), "e");
	assert_string_equal(out_text(pull, "offered"), "c");
	flo_value_unref(pull);
	sync_as("e.db", FULL, ONE, AFTER(2), "1 rows +0 ~0 -0 =1");
	pull = stage_as("e.db", FULL, BOTH);
	assert_int_equal(flo_value_typeof(
				 flo_value_map_get(pull, "offered_etag")),
			 FLO_VALUE_NULL);
	assert_int_equal(flo_value_typeof(flo_value_map_get(pull, "offered")),
			 FLO_VALUE_NULL);
	flo_value_unref(pull);
	sync_as("e.db", FULL, ONE, AFTER(2), "1 rows +0 ~0 -1 =1");
	pull = stage_as("e.db", FULL, BOTH);
	assert_string_equal(out_text(pull, "offered_etag"), "e");
	flo_value_unref(pull);
}

/*
 * A plan counted from a pull that is no longer the last one: the record was
 * there in between, so it was not missing twice in a row.
 */
static void a_plan_that_counted_from_an_older_pull_is_refused(void **state)
{
	flo_value *there, *gone;

	(void)state;
	start("p.db", AFTER(2));
	sync_as("p.db", FULL, ONE, AFTER(2), "1 rows +0 ~0 -0 =1");
	there = plan_as("p.db", FULL, BOTH, AFTER(2), "2 rows +0 ~0 -0 =2");
	gone = plan_as("p.db", FULL, ONE, AFTER(2), "1 rows +0 ~0 -1 =1");
	flo_value_unref(apply_plan("p.db", there));
	assert_int_equal(fake_step(&fs, &flo__cmdb_apply, "late", NULL,
				   "{\"db\":\"p.db\",\"plan\":\"%s\"}",
				   out_text(gone, "plan")),
			 FLO_FAILED);
	assert_non_null(strstr(fs.err.text, "out of date"));
	flo_value_unref(there);
	flo_value_unref(gone);
	assert_int_equal(query("p.db", "SELECT rows FROM source"), 2);
}

static void without_the_setting_nothing_is_kept(void **state)
{
	(void)state;
	start("w.db", AFTER(5));
	sync_as("w.db", FULL, "[{\"id\":1,\"n\":1}]", AFTER(5),
		"1 rows +0 ~1 -0 =0");
	expect_misses("w.db", "[2]1");
	sync_as("w.db", FULL, "[{\"id\":1,\"n\":1}]", "", "1 rows +0 ~0 -1 =1");
	assert_int_equal(query("w.db", "SELECT count(*) FROM miss"), 0);
}

static void what_says_it_is_gone_is_removed_at_once(void **state)
{
	(void)state;
	start("s.db", AFTER(5));
	sync_as("s.db", "\"gone\":\"/gone\"",
		"[{\"id\":1},{\"id\":2,\"gone\":true}]", AFTER(5),
		"2 rows +0 ~0 -1 =1");
	expect_misses("s.db", "");
}

static void changes_do_not_count_as_misses(void **state)
{
	const char *changes = "\"kind\":\"changes\"";

	(void)state;
	start("c.db", AFTER(2));
	sync_as("c.db", FULL, "[]",
		",\"guard\":{\"remove_after_misses\":2,"
		"\"empty_pull\":false}",
		"0 rows +0 ~0 -0 =0");
	expect_misses("c.db", "[1]1 [2]1");
	/* One that is told of is not missing; of the other nothing is said. */
	sync_as("c.db", changes, "[{\"id\":1}]", AFTER(2),
		"1 rows +0 ~0 -0 =1");
	expect_misses("c.db", "[2]1");
	sync_as("c.db", "\"kind\":\"same\"", "[]", AFTER(2),
		"2 rows +0 ~0 -0 =2");
	expect_misses("c.db", "[2]1");
}

static void a_new_key_keeps_what_was_counted(void **state)
{
	const char *both = "[{\"id\":1,\"u\":\"a\"},{\"id\":2,\"u\":\"b\"}]";
	const char *one = "[{\"id\":1,\"u\":\"a\"}]";
	flo_value *pull, *out = NULL;

	(void)state;
	sync_as("k.db", FULL, both, AFTER(3), "2 rows +2 ~0 -0 =0");
	sync_as("k.db", FULL, one, AFTER(3), "1 rows +0 ~0 -0 =1");
	pull = stage_as("k.db", FULL, one);
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, "k", &out,
			       "{\"db\":\"k.db\",\"pull\":\"%s\","
			       "\"key\":[\"/u\"]" AFTER(3) "}",
			       out_text(pull, "pull")));
	assert_int_equal(out_int(out, "removed"), 0);
	flo_value_unref(apply_plan("k.db", out));
	flo_value_unref(out);
	flo_value_unref(pull);
	expect_misses("k.db", "[\"b\"]2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_removed_after_misses_in_a_row),
		cmocka_unit_test(a_record_that_comes_back_starts_again),
		cmocka_unit_test(missing_is_told_if_it_is_asked_for),
		cmocka_unit_test(only_applied_pulls_count_and_once),
		cmocka_unit_test(what_is_not_removed_yet_is_not_guarded),
		cmocka_unit_test(
			while_something_is_missing_everything_is_needed),
		cmocka_unit_test(
			a_plan_that_counted_from_an_older_pull_is_refused),
		cmocka_unit_test(without_the_setting_nothing_is_kept),
		cmocka_unit_test(what_says_it_is_gone_is_removed_at_once),
		cmocka_unit_test(changes_do_not_count_as_misses),
		cmocka_unit_test(a_new_key_keeps_what_was_counted),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
