/* cmdb.apply: once, all or nothing, against the state it was planned for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include <stdio.h>
#include <string.h>

static void a_plan_is_applied_once(void **state)
{
	flo_value *diff = NULL, *output;

	(void)state;
	fake_ok(&fs,
		diff_text("o.db", "1", "[{\"id\":1},{\"id\":2}]", "", &diff));
	output = apply_plan("o.db", diff);
	assert_true(out_bool(output, "applied"));
	assert_false(out_bool(output, "already"));
	assert_int_equal(out_int(output, "added"), 2);
	flo_value_unref(output);
	output = apply_plan("o.db", diff);
	assert_false(out_bool(output, "applied"));
	assert_true(out_bool(output, "already"));
	assert_int_equal(out_int(output, "added"), 0);
	flo_value_unref(output);
	flo_value_unref(diff);
	assert_int_equal(query("o.db", "SELECT count(*) FROM history"), 2);
	assert_int_equal(query("o.db", "SELECT rows FROM source"), 2);
}

static void the_same_pull_again_changes_nothing(void **state)
{
	flo_value *pull, *diff = NULL, *output;

	(void)state;
	pull = pull_text("s.db", "1", "[{\"id\":1},{\"id\":2}]");
	for (int i = 0; i < 3; i++) {
		char key[8];

		snprintf(key, sizeof(key), "%d", i);
		fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, key, &diff,
				       "{\"db\":\"s.db\",\"pull\":\"%s\","
				       "\"key\":[\"/id\"]}",
				       out_text(pull, "pull")));
		assert_int_equal(out_int(diff, "added"), i == 0 ? 2 : 0);
		assert_int_equal(out_int(diff, "same"), i == 0 ? 0 : 2);
		output = apply_plan("s.db", diff);
		assert_true(out_bool(output, "applied"));
		flo_value_unref(output);
		flo_value_unref(diff);
	}
	flo_value_unref(pull);
	assert_int_equal(query("s.db", "SELECT version FROM source"), 1);
	assert_int_equal(query("s.db", "SELECT count(*) FROM history"), 2);
}

static void a_plan_whose_base_moved_is_refused(void **state)
{
	flo_value *first = NULL, *second = NULL;

	(void)state;
	sync_text("m.db", "0", "[{\"id\":1}]");
	fake_ok(&fs,
		diff_text("m.db", "1", "[{\"id\":1},{\"id\":2}]", "", &first));
	fake_ok(&fs,
		diff_text("m.db", "2", "[{\"id\":1},{\"id\":3}]", "", &second));
	flo_value_unref(apply_plan("m.db", second));
	assert_int_equal(fake_step(&fs, &flo__cmdb_apply, "a", NULL,
				   "{\"db\":\"m.db\",\"plan\":\"%s\"}",
				   out_text(first, "plan")),
			 FLO_FAILED);
	assert_non_null(strstr(fs.err.text, "out of date"));
	assert_int_equal(query("m.db", "SELECT count(*) FROM cmdb_current"
				       " WHERE key = '[2]'"),
			 0);
	flo_value_unref(first);
	flo_value_unref(second);
}

/* Two syncs at once: the later one's pull is applied before. */
static void a_plan_that_was_overtaken_says_by_what(void **state)
{
	flo_value *first = NULL, *second = NULL;

	(void)state;
	sync_text("t.db", "0", "[{\"id\":1}]");
	fake_ok(&fs, diff_text("t.db", "1", "[{\"id\":1}]", "", &first));
	fake_ok(&fs, diff_text("t.db", "2", "[{\"id\":1}]", "", &second));
	flo_value_unref(apply_plan("t.db", second));
	assert_int_equal(fake_step(&fs, &flo__cmdb_apply, "a", NULL,
				   "{\"db\":\"t.db\",\"plan\":\"%s\"}",
				   out_text(first, "plan")),
			 FLO_FAILED);
	assert_non_null(strstr(fs.err.text, "another pull of vm was applied "
					    "since the diff, and found no "
					    "changes"));
	flo_value_unref(first);
	flo_value_unref(second);
}

static void an_older_pull_is_not_diffed(void **state)
{
	flo_value *old = pull_text("p.db", "1", "[{\"id\":1}]");

	(void)state;
	sync_text("p.db", "2", "[{\"id\":2}]");
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "d", NULL,
				   "{\"db\":\"p.db\",\"pull\":\"%s\","
				   "\"key\":[\"/id\"]}",
				   out_text(old, "pull")),
			 FLO_FAILED);
	assert_non_null(strstr(fs.err.text, "older than the state"));
	flo_value_unref(old);
}

static void a_blocked_plan_is_refused(void **state)
{
	flo_value *diff = NULL;
	char plan[64], says[128];

	(void)state;
	sync_text("b.db", "1", "[{\"id\":1}]");
	assert_int_equal(diff_text("b.db", "2", "[]", "", &diff), FLO_BLOCKED);
	snprintf(plan, sizeof(plan), "%s",
		 query_text("b.db", "SELECT id FROM plan"
				    " WHERE state = 'blocked'"));
	snprintf(says, sizeof(says), ": flowctl cmdb show %.12s --db ", plan);
	assert_non_null(strstr(fs.err.text, says));
	assert_int_equal(fake_step(&fs, &flo__cmdb_apply, "a", NULL,
				   "{\"db\":\"b.db\",\"plan\":\"%s\"}", plan),
			 FLO_BLOCKED);
	assert_non_null(strstr(fs.err.text, "empty_pull"));
	assert_int_equal(query("b.db", "SELECT count(*) FROM state"), 1);
	/* What an approval will do: the same state, and it may be applied. */
	query("b.db", "UPDATE plan SET state = 'ready'");
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_apply, "a", NULL,
			       "{\"db\":\"b.db\",\"plan\":\"%s\"}", plan));
	assert_int_equal(query("b.db", "SELECT count(*) FROM state"), 0);
}

static void a_plan_only_plan_waits_for_another_run(void **state)
{
	flo_value *diff = NULL, *output;

	(void)state;
	fake_ok(&fs, diff_text("w.db", "1", "[{\"id\":1}]",
			       ",\"plan_only\":true", &diff));
	output = apply_plan("w.db", diff);
	assert_false(out_bool(output, "applied"));
	assert_false(out_bool(output, "already"));
	assert_non_null(strstr(fs.log, "plan_only"));
	flo_value_unref(output);
	assert_int_equal(query("w.db", "SELECT count(*) FROM state"), 0);
	fs.run_id = "run-2";
	output = apply_plan("w.db", diff);
	fs.run_id = "run-1";
	assert_true(out_bool(output, "applied"));
	flo_value_unref(output);
	flo_value_unref(diff);
	assert_int_equal(query("w.db", "SELECT count(*) FROM state"), 1);
}

static void history_tells_what_was_when(void **state)
{
	(void)state;
	sync_text("h.db", "1", "[{\"id\":1,\"n\":1},{\"id\":2}]");
	sync_text("h.db", "2", "[{\"id\":1,\"n\":2}]");
	sync_text("h.db", "3", "[{\"id\":1,\"n\":2},{\"id\":2}]");
	assert_string_equal(query_text("h.db",
				       "SELECT group_concat(key || body ||"
				       " (valid_to IS NULL), ' ') FROM"
				       " (SELECT * FROM cmdb_history"
				       "  ORDER BY key, valid_from)"),
			    "[1]{\"id\":1,\"n\":1}0 [1]{\"id\":1,\"n\":2}1"
			    " [2]{\"id\":2}0 [2]{\"id\":2}1");
	/* One version follows the other without a gap or an overlap. */
	assert_int_equal(
		query("h.db",
		      "SELECT count(*) FROM cmdb_history a JOIN cmdb_history b"
		      " ON a.key = b.key AND b.valid_from >"
		      " a.valid_from AND a.valid_to > b.valid_from"),
		0);
	assert_int_equal(query("h.db",
			       "SELECT count(*) FROM cmdb_history WHERE"
			       " key = '[1]'"
			       " AND valid_from <= (SELECT min(valid_from)"
			       " FROM history) AND (valid_to IS NULL OR"
			       " valid_to > (SELECT min(valid_from)"
			       " FROM history))"),
			 1);
}

/* By that text it is asked for. */
static void a_version_ends_under_the_key_it_began_with(void **state)
{
	(void)state;
	sync_text("ek.db", "1", "[{\"id\":{\"a\":1}}]");
	sync_text("ek.db", "2", "[{\"id\":{\"a\":1.0},\"n\":2}]");
	assert_string_equal(query_text("ek.db", "SELECT key FROM ended"),
			    "[{\"a\":1}]");
	sync_text("ek.db", "3", "[]");
	assert_string_equal(query_text("ek.db", "SELECT key FROM ended"
						" ORDER BY id DESC LIMIT 1"),
			    "[{\"a\":1.0}]");
}

static void what_was_staged_is_gone_afterwards(void **state)
{
	(void)state;
	sync_text("g.db", "1", "[{\"id\":1,\"n\":1},{\"id\":2}]");
	flo_value_unref(pull_text("g.db", "left", "[{\"id\":7}]"));
	/* One the same but written differently, one changed, one removed. */
	sync_text("g.db", "2", "[{ \"id\":2},{\"id\":1,\"n\":2}]");
	assert_int_equal(query("g.db", "SELECT count(*) FROM staged"), 0);
	assert_int_equal(query("g.db", "SELECT count(*) FROM unseen"), 0);
	assert_int_equal(query("g.db", "SELECT count(*) FROM same"), 0);
	assert_int_equal(query("g.db", "SELECT count(*) FROM body"), 3);
	assert_int_equal(query("g.db", "SELECT count(*) FROM body WHERE id"
				       " NOT IN (SELECT id FROM history)"),
			 0);
	assert_string_equal(query_text("g.db", "PRAGMA integrity_check"), "ok");
}

/* What befalls a plan that adds record 2, changes 1 and removes 3. */
static const char *const misfits[] = {
	"DELETE FROM change WHERE op = 'c'",
	"DELETE FROM change WHERE op = 'u'",
	"DELETE FROM change WHERE op = 'd'",
	"DELETE FROM change",
	"UPDATE change SET before = before + 1 WHERE op = 'u'",
	"UPDATE change SET key = x'00112233445566778899aabbccddeeff'"
	" WHERE op = 'd'",
	"UPDATE plan SET changed = -1",
	"UPDATE state SET body = body + 9",
	"INSERT INTO ended SELECT before, 1, 'k', 1, 1 FROM change"
	" WHERE op = 'u'",
};

static void a_plan_that_does_not_fit_changes_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(misfits) / sizeof(misfits[0]); i++) {
		flo_value *diff = NULL;
		char db[16];

		snprintf(db, sizeof(db), "f%zu.db", i);
		sync_text(db, "1", "[{\"id\":1,\"n\":1},{\"id\":3}]");
		fake_ok(&fs,
			diff_text(db, "2", "[{\"id\":1,\"n\":2},{\"id\":2}]",
				  ",\"guard\":false", &diff));
		query(db, misfits[i]);
		if (fake_step(&fs, &flo__cmdb_apply, "a", NULL,
			      "{\"db\":\"%s\",\"plan\":\"%s\"}", db,
			      out_text(diff, "plan")) != FLO_CORRUPT)
			fail_msg("applied after %s", misfits[i]);
		assert_non_null(strstr(fs.err.text, "does not fit the state"));
		flo_value_unref(diff);
		assert_int_equal(query(db, "SELECT version FROM source"), 1);
		assert_int_equal(query(db, "SELECT count(*) FROM history"), 2);
	}
}

static void an_unknown_plan_is_named(void **state)
{
	(void)state;
	assert_int_equal(fake_step(&fs, &flo__cmdb_apply, "a", NULL,
				   "{\"db\":\"u.db\",\"plan\":\"nope\"}"),
			 FLO_NOTFOUND);
	assert_non_null(strstr(fs.err.text, "nope"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_is_applied_once),
		cmocka_unit_test(the_same_pull_again_changes_nothing),
		cmocka_unit_test(a_plan_whose_base_moved_is_refused),
		cmocka_unit_test(a_plan_that_was_overtaken_says_by_what),
		cmocka_unit_test(an_older_pull_is_not_diffed),
		cmocka_unit_test(a_blocked_plan_is_refused),
		cmocka_unit_test(a_plan_only_plan_waits_for_another_run),
		cmocka_unit_test(history_tells_what_was_when),
		cmocka_unit_test(a_version_ends_under_the_key_it_began_with),
		cmocka_unit_test(what_was_staged_is_gone_afterwards),
		cmocka_unit_test(a_plan_that_does_not_fit_changes_nothing),
		cmocka_unit_test(an_unknown_plan_is_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
