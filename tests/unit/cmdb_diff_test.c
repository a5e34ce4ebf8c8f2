/* cmdb.diff: counters, identity, guards, changed specs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Counters of a diff: added, changed, removed, same, fields, raw_hits. */
static void expect_counts(const flo_value *diff, const char *want)
{
	char text[128];

	snprintf(text, sizeof(text), "%lld %lld %lld %lld %lld %lld",
		 (long long)out_int(diff, "added"),
		 (long long)out_int(diff, "changed"),
		 (long long)out_int(diff, "removed"),
		 (long long)out_int(diff, "same"),
		 (long long)out_int(diff, "fields"),
		 (long long)out_int(diff, "raw_hits"));
	assert_string_equal(text, want);
}

static void expect_diff(const char *db, const char *text, const char *more,
			const char *want)
{
	flo_value *diff = NULL;

	fake_ok(&fs, diff_text(db, "expect", text, more, &diff));
	expect_counts(diff, want);
	flo_value_unref(diff);
}

/* @count records with ids from @first, each with a field n of @n. */
static char *many(int first, int count, const char *n)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	for (int i = first; i < first + count; i++)
		flo__strbuf_addf(&sb, "{\"id\":%d,\"n\":%s}\n", i, n);
	return flo__strbuf_take(&sb);
}

static void the_output_is_exact(void **state)
{
	static const char *const names[] = {
		"plan",	  "source",   "rows",	  "dup_keys",
		"added",  "changed",  "removed",  "same",
		"fields", "rejected", "raw_hits",
	};
	flo_value *diff = NULL;
	const flo_value *key;

	(void)state;
	fake_ok(&fs, diff_text("o.db", "1", "[{\"id\":1}]", "", &diff));
	assert_int_equal(flo_value_len(diff), 11);
	for (size_t i = 0; i < 11; i++) {
		flo_value_map_at(diff, i, &key);
		assert_string_equal(flo_value_get_string(key, NULL), names[i]);
	}
	assert_int_equal(out_int(diff, "rows"), 1);
	assert_int_equal(out_int(diff, "dup_keys"), 0);
	assert_int_equal(out_int(diff, "rejected"), 0);
	flo_value_unref(diff);
}

static void every_kind_of_change_is_counted(void **state)
{
	(void)state;
	sync_text("k.db", "1",
		  "[{\"id\":1,\"a\":1},{\"id\":2,\"a\":1,\"b\":{\"c\":1}},"
		  "{\"id\":3}]");
	expect_diff("k.db",
		    "[{\"id\":1,\"a\":1},{\"id\":2,\"a\":2,\"b\":{\"c\":2}},"
		    "{\"id\":4}]",
		    ",\"guard\":false", "1 1 1 1 2 1");
	assert_string_equal(
		query_text("k.db",
			   "SELECT group_concat(op || key || fields"
			   " || ifnull(before,'-')"
			   " || ifnull(after,'-'), ' ')"
			   " FROM (SELECT * FROM cmdb_change"
			   "  WHERE plan = (SELECT id FROM plan"
			   "   ORDER BY no DESC LIMIT 1) ORDER BY key)"),
		"u[2][\"/a\",\"/b/c\"]{\"id\":2,\"a\":1,\"b\":{\"c\":1}}"
		"{\"id\":2,\"a\":2,\"b\":{\"c\":2}}"
		" d[3][]{\"id\":3}- c[4][]-{\"id\":4}");
	/* Another way to write the same thing is no change, and no hit. */
	expect_diff("k.db",
		    "[{ \"id\":1.0,\"a\":1},{\"b\":{\"c\":1},\"id\":2,\"a\":1},"
		    "{\"id\":3}]",
		    "", "0 0 0 3 0 1");
}

static void ignored_and_unordered_do_not_change(void **state)
{
	const char *more = ",\"ignore\":[\"/seen\"],\"unordered\":[\"/t\"]";
	flo_value *diff = NULL;

	(void)state;
	fake_ok(&fs,
		diff_text("s.db", "1", "[{\"id\":1,\"seen\":1,\"t\":[1,2]}]",
			  more, &diff));
	flo_value_unref(apply_plan("s.db", diff));
	flo_value_unref(diff);
	expect_diff("s.db", "[{\"id\":1,\"seen\":2,\"t\":[2,1]}]", more,
		    "0 0 0 1 0 0");
	expect_diff("s.db", "[{\"id\":1,\"seen\":3,\"t\":[3,1]}]", more,
		    "0 1 0 0 1 0");
}

static void refuse_keys(const char *db, const char *text, const char *more,
			const char *says)
{
	flo_value *diff = NULL;

	assert_int_equal(diff_text(db, "bad", text, more, &diff), FLO_INVALID);
	assert_null(diff);
	if (strstr(fs.err.text, says) == NULL)
		fail_msg("%s", fs.err.text);
}

static void duplicate_keys_fail_and_are_named(void **state)
{
	char *twice = many(1, 12, "1");
	char both[2048];

	(void)state;
	refuse_keys("d.db", "[{\"id\":1},{\"id\":\"x\"},{\"id\":1.0}]", "",
		    "1 duplicate key: [1];");
	/* The same bytes twice are no better than two versions. */
	refuse_keys("d.db", "[{\"id\":\"x\"},{\"id\":\"x\"}]", "",
		    "1 duplicate key: [\"x\"];");
	snprintf(both, sizeof(both), "%s%s", twice, twice);
	refuse_keys("d.db", both, "", "12 duplicate keys: [1], [2]");
	assert_non_null(strstr(fs.err.text, "[10] ..."));
	assert_null(strstr(fs.err.text, "[11]"));
	/* Against a state: among records that are found by their bytes. */
	sync_text("d.db", "1", twice);
	refuse_keys("d.db", both, "", "12 duplicate keys");
	refuse_keys("d.db", "[{\"id\":1,\"n\":1},{\"id\":1,\"n\":2}]", "",
		    "1 duplicate key: [1];");
	assert_int_equal(query("d.db", "SELECT count(*) FROM state"), 12);
	flo_free(twice);
}

static void null_keys_fail_unless_allowed(void **state)
{
	const char *text = "[{\"id\":null,\"n\":1},{\"id\":1},{\"id\":2}]";
	flo_value *diff = NULL;

	(void)state;
	refuse_keys("n.db", text, "",
		    "1 record with a null or missing key field: [null]; the "
		    "first is {\"id\":null,\"n\":1}; choose");
	refuse_keys("n.db", "[{\"id\":null}]", "", "1 record with a null");
	refuse_keys("n.db", "[{\"n\":1},{\"id\":1}]", "",
		    "1 record with a null or missing key field: [null]; the "
		    "first is {\"n\":1}; choose");
	refuse_keys("n.db", "[{\"n\":1},{\"id\":null}]",
		    ",\"null_key\":\"allow\"", "1 duplicate key: [null];");
	fake_ok(&fs,
		diff_text("n.db", "1", text, ",\"null_key\":\"allow\"", &diff));
	flo_value_unref(apply_plan("n.db", diff));
	flo_value_unref(diff);
	expect_diff("n.db", text, ",\"null_key\":\"allow\"", "0 0 0 3 0 3");
	refuse_keys("n.db", text, "", "null or missing key");
}

/* The pull is to be told apart from its key. */
static void a_key_that_nobody_has_is_told(void **state)
{
	const char *many_fields = "[{\"a/b\":1,\"b\":1,\"c\":1,\"d\":1,"
				  "\"e\":1,\"f\":1,\"g\":1,\"h\":1,"
				  "\"i\":1},{\"b\":1}]";
	flo_value *pull, *diff = NULL;

	(void)state;
	refuse_keys("nobody.db", "[{\"n\":1}]", "",
		    "no record has /id (it has /n); choose another \"key\"");
	refuse_keys("nobody.db", many_fields, "",
		    "no record has /id (records have /a~1b, /b, /c, /d, /e, "
		    "/f, /g, /h, ...); choose");
	refuse_keys("nobody.db", "[{},{}]", ",\"null_key\":\"allow\"",
		    "no record has /id (records have no field); choose");
	/* A wrong key of what the database holds. */
	sync_text("nobody.db", "1", "[{\"id\":1,\"n\":1},{\"id\":2,\"n\":1}]");
	pull = pull_text("nobody.db", "2", "[{\"id\":1,\"x\":1}]");
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "k", &diff,
				   "{\"db\":\"nobody.db\",\"pull\":\"%s\","
				   "\"key\":[\"/x\"]}",
				   out_text(pull, "pull")),
			 FLO_INVALID);
	if (strstr(fs.err.text, "records that the database holds: no record "
				"has /x (records have /id, /n)") == NULL)
		fail_msg("%s", fs.err.text);
	flo_value_unref(pull);
}

/* What was forgotten is in the error that people see. */
static void records_that_lie_inside_are_pointed_at(void **state)
{
	(void)state;
	refuse_keys("inside.db", "{\"n\":2,\"i/s\":[{\"id\":1},{\"id\":2}]}",
		    "",
		    "no record has /id: the pull is of one record, which has "
		    "/n, /i~1s; if the records are in its /i~1s, set "
		    "\"records\": \"/i~1s\" of the pull, else choose");
	/* Where it has the key it is a record. */
	expect_diff("inside.db", "{\"id\":2,\"items\":[{\"id\":1}]}", "",
		    "1 0 0 0 0 0");
}

static void blocked(const char *db, const char *text, const char *more,
		    const char *guard)
{
	flo_value *diff = NULL;

	assert_int_equal(diff_text(db, "blocked", text, more, &diff),
			 FLO_BLOCKED);
	assert_null(diff);
	if (strstr(fs.err.text, guard) == NULL)
		fail_msg("%s", fs.err.text);
	assert_int_equal(query(db, "SELECT count(*) FROM plan"
				   " WHERE state = 'blocked'"),
			 1);
	assert_string_equal(query_text(db, "SELECT guards FROM plan"
					   " WHERE state = 'blocked'"),
			    guard);
}

static void an_empty_pull_is_blocked(void **state)
{
	(void)state;
	expect_diff("e.db", "[]", "", "0 0 0 0 0 0");
	sync_text("e.db", "1", "[{\"id\":1}]");
	blocked("e.db", "[]", "", "empty_pull");
	expect_diff("e.db", "[]", ",\"guard\":{\"empty_pull\":false}",
		    "0 0 1 0 0 0");
}

static void many_removed_are_blocked(void **state)
{
	char *all = many(0, 50, "1");
	char *some = many(10, 40, "1");
	char *fewer = many(11, 39, "1");

	(void)state;
	sync_text("r.db", "1", all);
	/* 20% is not more than 20%. */
	expect_diff("r.db", some, "", "0 0 10 40 0 40");
	blocked("r.db", fewer, "", "removed");
	assert_non_null(strstr(fs.err.text, "11 of 50 rows (22.0%)"));
	expect_diff("r.db", fewer, ",\"guard\":{\"removed_percent\":25}",
		    "0 0 11 39 0 39");
	expect_diff("r.db", fewer, ",\"guard\":{\"removed_rows\":12}",
		    "0 0 11 39 0 39");
	flo_free(all);
	flo_free(some);
	flo_free(fewer);
	/* Nine rows are few, whatever their share. */
	all = many(0, 10, "1");
	sync_text("r9.db", "1", all);
	expect_diff("r9.db", "[{\"id\":1,\"n\":1}]", "", "0 0 9 1 0 1");
	flo_free(all);
}

static void a_key_field_that_appears_or_vanishes_is_blocked(void **state)
{
	const char *without = "[{\"id\":1},{\"id\":2}]";
	const char *with = "[{\"id\":1,\"zone\":\"a\"},{\"id\":2}]";
	flo_value *pull, *diff = NULL;

	(void)state;
	for (int turn = 0; turn < 2; turn++) {
		const char *db = turn == 0 ? "a.db" : "v.db";

		for (int i = 0; i < 2; i++) {
			char key[8];
			flo_status st;

			snprintf(key, sizeof(key), "%d", i);
			pull = pull_text(db, key, i == turn ? without : with);
			st = fake_step(&fs, &flo__cmdb_diff, key, &diff,
				       "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":"
				       "[\"/id\",\"/zone\"],\"null_key\":"
				       "\"allow\"}",
				       db, out_text(pull, "pull"));
			flo_value_unref(pull);
			assert_int_equal(st, i == 0 ? FLO_OK : FLO_BLOCKED);
			if (i == 0) {
				flo_value_unref(apply_plan(db, diff));
				flo_value_unref(diff);
			}
		}
		assert_non_null(strstr(fs.err.text, "guard key_field"));
		assert_non_null(
			strstr(fs.err.text, turn == 0 ? "/zone has appeared"
						      : "/zone has vanished"));
	}
}

static void a_volatile_field_is_warned_of(void **state)
{
	char *before = many(0, 10, "1");
	char *after = many(0, 10, "2");

	(void)state;
	sync_text("w.db", "1", before);
	expect_diff("w.db", after, "", "0 10 0 0 10 0");
	assert_non_null(strstr(fs.log, "warning: volatile field? n:"));
	expect_diff("w.db", before, "", "0 0 0 10 0 10");
	assert_null(strstr(fs.log, "volatile"));
	flo_free(before);
	flo_free(after);
}

static void guard_settings_are_checked(void **state)
{
	static const char *const bad[] = {
		"{\"removd\":1}",
		"{\"removed_percent\":101}",
		"{\"removed_percent\":\"x\"}",
		"{\"removed_rows\":-1}",
		"{\"empty_pull\":1}",
		"true",
		"{\"remove_after_misses\":0}",
		"{\"remove_after_misses\":1000001}",
		"{\"remove_after_misses\":true}",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char more[64];
		flo_value *diff = NULL;
		flo_status st;

		snprintf(more, sizeof(more), ",\"guard\":%s", bad[i]);
		st = diff_text("g.db", "1", "[]", more, &diff);
		flo_value_unref(diff);
		/* true is what no setting means. */
		assert_int_equal(st == FLO_OK, strcmp(bad[i], "true") == 0);
		if (st != FLO_OK)
			assert_non_null(strstr(fs.err.text, "guard"));
	}
}

static void records_can_be_given_as_they_are(void **state)
{
	flo_value *diff = NULL;

	(void)state;
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, "1", &diff,
			       "{\"db\":\"i.db\",\"source\":\"users\","
			       "\"records\":[{\"id\":1},{\"id\":2}],"
			       "\"key\":[\"/id\"]}"));
	expect_counts(diff, "2 0 0 0 0 0");
	assert_string_equal(out_text(diff, "source"), "users");
	flo_value_unref(apply_plan("i.db", diff));
	flo_value_unref(diff);
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "2", NULL,
				   "{\"db\":\"i.db\",\"source\":\"users\","
				   "\"records\":[{\"id\":1},7],"
				   "\"key\":[\"/id\"]}"),
			 FLO_SYNTAX);
	assert_non_null(strstr(fs.err.text, "item 1"));
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "3", NULL,
				   "{\"db\":\"i.db\",\"records\":[],"
				   "\"key\":[\"/id\"]}"),
			 FLO_INVALID);
}

static void a_changed_spec_compares_under_the_new_one(void **state)
{
	const char *text = "[{\"id\":1,\"n\":1,\"seen\":1},"
			   "{\"id\":2,\"n\":1,\"seen\":1}]";
	const char *next = "[{\"id\":1,\"n\":2,\"seen\":9},"
			   "{\"id\":2,\"n\":1,\"seen\":9}]";
	flo_value *diff = NULL;

	(void)state;
	sync_text("b.db", "1", text);
	/* Only the real change is told of. */
	fake_ok(&fs,
		diff_text("b.db", "2", next, ",\"ignore\":[\"/seen\"]", &diff));
	expect_counts(diff, "0 1 0 1 1 0");
	assert_non_null(strstr(fs.log, "has changed"));
	flo_value_unref(apply_plan("b.db", diff));
	flo_value_unref(diff);
	expect_diff("b.db", next, ",\"ignore\":[\"/seen\"]", "0 0 0 2 0 1");
	assert_null(strstr(fs.log, "has changed"));
}

static void a_changed_key_keeps_the_records(void **state)
{
	const char *text = "[{\"id\":1,\"u\":\"a\"},{\"id\":2,\"u\":\"b\"}]";
	flo_value *pull, *diff = NULL;

	(void)state;
	sync_text("c.db", "1", text);
	pull = pull_text("c.db", "2", text);
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, "2", &diff,
			       "{\"db\":\"c.db\",\"pull\":\"%s\","
			       "\"key\":[\"/u\"]}",
			       out_text(pull, "pull")));
	expect_counts(diff, "0 0 0 2 0 2");
	flo_value_unref(apply_plan("c.db", diff));
	flo_value_unref(diff);
	flo_value_unref(pull);
	assert_string_equal(query_text("c.db", "SELECT group_concat(key) FROM"
					       " (SELECT key FROM cmdb_current"
					       "  ORDER BY key)"),
			    "[\"a\"],[\"b\"]");
	/* Records of the database that the new key cannot tell apart. */
	sync_text("c2.db", "1",
		  "[{\"id\":1,\"u\":\"a\"},{\"id\":2,\"u\":\"a\"}]");
	pull = pull_text("c2.db", "2", "[{\"id\":1,\"u\":\"a\"}]");
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "2", NULL,
				   "{\"db\":\"c2.db\",\"pull\":\"%s\","
				   "\"key\":[\"/u\"]}",
				   out_text(pull, "pull")),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "records that the database holds"));
	flo_value_unref(pull);
}

static void bad_arguments_are_named(void **state)
{
	static const struct {
		const char *with;
		const char *says;
	} cases[] = {
		{"\"db\":\"z.db\",\"pull\":\"x\"", "\"key\" is missing"},
		{"\"db\":\"z.db\",\"key\":[\"/a\"]", "exactly one"},
		{"\"db\":\"z.db\",\"pull\":\"x\",\"key\":[]", "empty"},
		{"\"db\":\"z.db\",\"pull\":\"x\",\"key\":[\"a\"]",
		 "not a JSON pointer"},
		{"\"db\":\"z.db\",\"pull\":\"x\",\"key\":[\"\"]",
		 "whole record"},
		{"\"db\":\"z.db\",\"pull\":\"x\",\"key\":[\"/a\",\"/a\"]",
		 "twice"},
		{"\"db\":\"z.db\",\"pull\":\"x\",\"key\":\"/a\"", "list"},
		{"\"db\":\"z.db\",\"pull\":\"x\",\"key\":[\"/a\"],"
		 "\"null_key\":\"maybe\"",
		 "\"maybe\""},
		{"\"db\":\"z.db\",\"pull\":\"x\",\"key\":[\"/a\"]",
		 "has no pull x"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_not_equal(fake_step(&fs, &flo__cmdb_diff, "z", NULL,
					       "{%s}", cases[i].with),
				     FLO_OK);
		if (strstr(fs.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].with, fs.err.text);
	}
}

static void a_state_of_more_rows_than_it_says_is_broken(void **state)
{
	flo_value *diff = NULL;

	(void)state;
	sync_text("b.db", "1", "[{\"id\":1},{\"id\":2},{\"id\":3}]");
	query("b.db", "UPDATE source SET rows = 1");
	assert_int_equal(diff_text("b.db", "2",
				   "[{\"id\":4},{\"id\":5},{\"id\":6}]", "",
				   &diff),
			 FLO_CORRUPT);
	assert_non_null(strstr(fs.err.text, "restore"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_output_is_exact),
		cmocka_unit_test(every_kind_of_change_is_counted),
		cmocka_unit_test(ignored_and_unordered_do_not_change),
		cmocka_unit_test(duplicate_keys_fail_and_are_named),
		cmocka_unit_test(null_keys_fail_unless_allowed),
		cmocka_unit_test(a_key_that_nobody_has_is_told),
		cmocka_unit_test(records_that_lie_inside_are_pointed_at),
		cmocka_unit_test(an_empty_pull_is_blocked),
		cmocka_unit_test(many_removed_are_blocked),
		cmocka_unit_test(
			a_key_field_that_appears_or_vanishes_is_blocked),
		cmocka_unit_test(a_volatile_field_is_warned_of),
		cmocka_unit_test(guard_settings_are_checked),
		cmocka_unit_test(records_can_be_given_as_they_are),
		cmocka_unit_test(a_changed_spec_compares_under_the_new_one),
		cmocka_unit_test(a_changed_key_keeps_the_records),
		cmocka_unit_test(bad_arguments_are_named),
		cmocka_unit_test(a_state_of_more_rows_than_it_says_is_broken),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
