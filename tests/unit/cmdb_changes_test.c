/* Pulls of changes, and pulls to which the answer was that nothing changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"
#include "cmdb_stage_step.h"

#include <stdio.h>
#include <string.h>

#define CHANGES "\"kind\":\"changes\",\"origin\":\"o\",\"gone\":\"/gone\""

static void expect_state(const char *db, const char *want)
{
	assert_string_equal(query_text(db, "SELECT group_concat(body, ' ') FROM"
					   " (SELECT body FROM cmdb_current"
					   "  ORDER BY key)"),
			    want);
}

static void expect_since(const char *db, const char *want)
{
	assert_string_equal(query_text(db, "SELECT origin, cursor, etag,"
					   " modified FROM source"),
			    want);
}

/* Changes */

static void changes_never_remove_by_absence(void **state)
{
	(void)state;
	sync_as("a.db", "\"origin\":\"o\",\"cursor\":\"1\"",
		"[{\"id\":1,\"n\":1},{\"id\":2,\"n\":1}]", "",
		"2 rows +2 ~0 -0 =0");
	sync_as("a.db", CHANGES ",\"cursor\":\"2\"",
		"[{\"id\":2,\"n\":2},{\"id\":3,\"n\":1}]", "",
		"2 rows +1 ~1 -0 =0");
	expect_state("a.db", "{\"id\":1,\"n\":1} {\"id\":2,\"n\":2}"
			     " {\"id\":3,\"n\":1}");
	/* None at all is what is usual. */
	sync_as("a.db", CHANGES ",\"cursor\":\"2\"", "[]", "",
		"0 rows +0 ~0 -0 =0");
	assert_int_equal(query("a.db", "SELECT rows FROM source"), 3);
	assert_int_equal(query("a.db", "SELECT version FROM source"), 2);
	/* A pull of everything removes again. */
	sync_as("a.db", "\"origin\":\"o\"", "[{\"id\":2,\"n\":2}]",
		",\"guard\":false", "1 rows +0 ~0 -2 =1");
}

static void what_is_gone_is_removed(void **state)
{
	(void)state;
	sync_as("g.db", "\"origin\":\"o\"",
		"[{\"id\":1,\"n\":1},{\"id\":2,\"n\":1}]", "",
		"2 rows +2 ~0 -0 =0");
	/* The key is enough; what was never there is no change. */
	sync_as("g.db", CHANGES,
		"[{\"id\":1,\"gone\":true},{\"id\":9,\"gone\":true}]", "",
		"2 rows +0 ~0 -1 =1");
	expect_state("g.db", "{\"id\":2,\"n\":1}");
	assert_string_equal(query_text("g.db", "SELECT op, key, after FROM"
					       " cmdb_change WHERE op = 'd'"),
			    "d|[1]|null");
	assert_int_equal(query("g.db", "SELECT valid_to IS NOT NULL FROM"
				       " cmdb_history WHERE key = '[1]'"),
			 1);
	/* False, null and nothing are not gone. */
	sync_as("g.db", CHANGES,
		"[{\"id\":1,\"gone\":false},{\"id\":2,\"n\":1},"
		"{\"id\":3,\"gone\":null}]",
		"", "3 rows +2 ~0 -0 =1");
	assert_int_equal(fake_step(&fs, &cmdb_stage_step, "bad", NULL,
				   "{\"db\":\"g.db\",\"source\":\"vm\"," CHANGES
				   ",\"records\":[{\"id\":1,\"gone\":1}]}"),
			 FLO_TYPE);
	assert_non_null(strstr(fs.err.text, "/gone"));
}

static void the_last_change_of_a_key_counts(void **state)
{
	(void)state;
	sync_as("l.db", "\"origin\":\"o\"", "[{\"id\":1,\"n\":1},{\"id\":2}]",
		"", "2 rows +2 ~0 -0 =0");
	sync_as("l.db", CHANGES,
		/* 1 changes and comes back, byte for byte; 2 goes and comes */
		"[{\"id\":1,\"n\":2},{\"id\":1,\"n\":1},"
		"{\"id\":2,\"gone\":true},{\"id\":2,\"n\":5},"
		/* 3 comes and goes; 4 comes, changes */
		"{\"id\":3},{\"id\":3,\"gone\":true},"
		"{\"id\":4,\"n\":1},{\"id\":4,\"n\":2}]",
		"", "8 rows +1 ~1 -0 =6");
	expect_state("l.db", "{\"id\":1,\"n\":1} {\"id\":2,\"n\":5}"
			     " {\"id\":4,\"n\":2}");
	assert_int_equal(query("l.db", "SELECT count(*) FROM body"
				       " WHERE id NOT IN"
				       " (SELECT id FROM history)"),
			 0);
	/* 2 changes and goes: what was is what the state had. */
	sync_as("l.db", CHANGES,
		"[{\"id\":2,\"n\":6},{\"id\":2,\"gone\":true}]", "",
		"2 rows +0 ~0 -1 =1");
	assert_string_equal(query_text("l.db",
				       "SELECT before FROM cmdb_change WHERE"
				       " op = 'd'"),
			    "{\"id\":2,\"n\":5}");
}

static void a_pull_of_everything_may_say_what_is_gone(void **state)
{
	const char *how = "\"gone\":\"/gone\"";
	flo_value *pull, *out = NULL;

	(void)state;
	sync_as("f.db", how,
		"[{\"id\":1},{\"id\":2},{\"id\":3},{\"id\":4,\"gone\":true}]",
		"", "4 rows +3 ~0 -0 =1");
	/* 1 says so, 2 is just not there; both go. */
	sync_as("f.db", how,
		"[{\"id\":1,\"gone\":true},{\"id\":3},{\"id\":4,\"gone\":true}]",
		"", "3 rows +0 ~0 -2 =2");
	expect_state("f.db", "{\"id\":3}");
	/* A list that says both of one key has a wrong key. */
	pull = stage_as("f.db", how, "[{\"id\":3},{\"id\":3,\"gone\":true}]");
	assert_int_equal(diff_staged("f.db", pull, "", &out), FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "1 duplicate key: [3]"));
	flo_value_unref(pull);
}

/* The same bytes were a record before anybody said what is gone. */
static void another_gone_reads_known_bytes_again(void **state)
{
	const char *records = "[{\"id\":1,\"gone\":true},{\"id\":2}]";

	(void)state;
	sync_as("s.db", "\"kind\":\"full\"", records, "", "2 rows +2 ~0 -0 =0");
	sync_as("s.db", "\"gone\":\"/gone\"", records, "",
		"2 rows +0 ~0 -1 =1");
	sync_as("s.db", "\"gone\":\"/other\"", records, "",
		"2 rows +1 ~0 -0 =1");
}

static void null_keys_of_changes_fail(void **state)
{
	flo_value *pull = stage_as("n.db", CHANGES, "[{\"gone\":true}]");
	flo_value *out = NULL;

	(void)state;
	assert_int_equal(diff_staged("n.db", pull, "", &out), FLO_INVALID);
	assert_non_null(
		strstr(fs.err.text, "no record has /id (it has /gone)"));
	flo_value_unref(pull);
}

/* Cursors */

static void a_cursor_moves_with_the_apply_only(void **state)
{
	flo_value *pull, *out = NULL;

	(void)state;
	sync_as("c.db",
		"\"origin\":\"o\",\"cursor\":\"1\",\"etag\":\"e\","
		"\"modified\":\"m\"",
		"[{\"id\":1}]", "", "1 rows +1 ~0 -0 =0");
	expect_since("c.db", "o|1|e|m");
	/* Pulled and diffed, but not applied: asked for again. */
	pull = stage_as("c.db", CHANGES ",\"cursor\":\"2\"", "[{\"id\":2}]");
	assert_string_equal(out_text(pull, "offered"), "1");
	fake_ok(&fs, diff_staged("c.db", pull, "", &out));
	flo_value_unref(out);
	flo_value_unref(pull);
	expect_since("c.db", "o|1|e|m");
	pull = stage_as("c.db", CHANGES ",\"cursor\":\"3\"", "[{\"id\":2}]");
	assert_string_equal(out_text(pull, "offered"), "1");
	fake_ok(&fs, diff_staged("c.db", pull, "", &out));
	flo_value_unref(apply_plan("c.db", out));
	expect_since("c.db", "o|3|null|null");
	flo_value_unref(out);
	flo_value_unref(pull);
	/* Without changes as well, and without a cursor it stays. */
	sync_as("c.db", CHANGES ",\"cursor\":\"4\"", "[]", "",
		"0 rows +0 ~0 -0 =0");
	expect_since("c.db", "o|4|null|null");
	sync_as("c.db", CHANGES, "[]", "", "0 rows +0 ~0 -0 =0");
	expect_since("c.db", "o|4|null|null");
	/* A pull of everything without a cursor leaves none. */
	sync_as("c.db", "\"origin\":\"o\"", "[{\"id\":1},{\"id\":2}]", "",
		"2 rows +0 ~0 -0 =2");
	expect_since("c.db", "o|null|null|null");
}

/*
 * With an `ignore` less than before the state may be behind the product in what
 * was ignored until then, which no cursor and no validator tells.
 */
static void another_ignore_asks_for_everything(void **state)
{
	static const char *const kinds[] = {
		CHANGES ",\"cursor\":\"2\"",
		"\"kind\":\"same\",\"origin\":\"o\"",
	};
	static const char *const dbs[] = {"d.db", "e.db"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		sync_as(dbs[i],
			"\"origin\":\"o\",\"cursor\":\"1\",\"etag\":\"e\"",
			"[{\"id\":1,\"n\":1}]", ",\"ignore\":[\"/n\"]",
			"1 rows +1 ~0 -0 =0");
		sync_as(dbs[i],
			"\"origin\":\"o\",\"cursor\":\"1\",\"etag\":\"f\"",
			"[{\"id\":1,\"n\":2}]", ",\"ignore\":[\"/n\"]",
			"1 rows +0 ~0 -0 =1");
		expect_since(dbs[i], "o|1|f|null");
		sync_as(dbs[i], kinds[i], "[]", "",
			i == 0 ? "0 rows +0 ~0 -0 =0" : "1 rows +0 ~0 -0 =1");
		expect_since(dbs[i], "o|null|null|null");
		sync_as(dbs[i],
			"\"origin\":\"o\",\"cursor\":\"3\",\"etag\":\"f\"",
			"[{\"id\":1,\"n\":2}]", "", "1 rows +0 ~1 -0 =0");
		expect_since(dbs[i], "o|3|f|null");
	}
}

static void another_origin_is_offered_nothing(void **state)
{
	flo_value *pull;

	(void)state;
	sync_as("o.db", "\"origin\":\"o\",\"cursor\":\"1\",\"etag\":\"e\"",
		"[{\"id\":1}]", "", "1 rows +1 ~0 -0 =0");
	pull = stage_as("o.db", "\"origin\":\"p\"", "[{\"id\":1}]");
	assert_int_equal(flo_value_typeof(flo_value_map_get(pull, "offered")),
			 FLO_VALUE_NULL);
	flo_value_unref(pull);
	pull = stage_as("o.db", "\"kind\":\"full\"", "[{\"id\":1}]");
	assert_int_equal(flo_value_typeof(
				 flo_value_map_get(pull, "offered_etag")),
			 FLO_VALUE_NULL);
	flo_value_unref(pull);
	pull = stage_as("o.db", "\"origin\":\"o\"", "[{\"id\":1}]");
	assert_string_equal(out_text(pull, "offered_etag"), "e");
	flo_value_unref(pull);
}

/* Refuse to diff @pull, as the source has been synced since. */
static void refuse_diff(const char *db, flo_value *pull)
{
	flo_value *out = NULL;

	assert_int_equal(diff_staged(db, pull, "", &out), FLO_FAILED);
	assert_non_null(strstr(fs.err.text, "pull again"));
	flo_value_unref(pull);
}

static void changes_of_an_old_cursor_are_refused(void **state)
{
	flo_value *early, *late, *out = NULL;

	(void)state;
	sync_as("b.db", "\"origin\":\"o\",\"cursor\":\"1\"", "[{\"id\":1}]", "",
		"1 rows +1 ~0 -0 =0");
	early = stage_as("b.db", CHANGES ",\"cursor\":\"2\"", "[]");
	late = stage_as("b.db", CHANGES ",\"cursor\":\"3\"", "[{\"id\":2}]");
	fake_ok(&fs, diff_staged("b.db", early, "", &out));
	/* It changes nothing but the cursor: that is enough. */
	flo_value_unref(apply_plan("b.db", out));
	flo_value_unref(out);
	flo_value_unref(early);
	refuse_diff("b.db", late);
	expect_since("b.db", "o|2|null|null");
	assert_int_equal(query("b.db", "SELECT rows FROM source"), 1);
}

static void a_plan_of_an_old_cursor_is_refused(void **state)
{
	flo_value *early, *late;

	(void)state;
	sync_as("p.db", "\"origin\":\"o\",\"cursor\":\"1\"", "[{\"id\":1}]", "",
		"1 rows +1 ~0 -0 =0");
	early = plan_as("p.db", CHANGES ",\"cursor\":\"2\"", "[]", "",
			"0 rows +0 ~0 -0 =0");
	late = plan_as("p.db", CHANGES ",\"cursor\":\"3\"", "[{\"id\":2}]", "",
		       "1 rows +1 ~0 -0 =0");
	flo_value_unref(apply_plan("p.db", early));
	assert_int_equal(fake_step(&fs, &flo__cmdb_apply, "late", NULL,
				   "{\"db\":\"p.db\",\"plan\":\"%s\"}",
				   out_text(late, "plan")),
			 FLO_FAILED);
	assert_non_null(strstr(fs.err.text, "pull and diff again"));
	flo_value_unref(early);
	flo_value_unref(late);
}

/* Not modified */

static void the_same_again_compares_nothing(void **state)
{
	(void)state;
	sync_as("m.db", "\"origin\":\"o\",\"etag\":\"e\"",
		"[{\"id\":1},{\"id\":2}]", "", "2 rows +2 ~0 -0 =0");
	sync_as("m.db", "\"kind\":\"same\",\"origin\":\"o\"", "[]", "",
		"2 rows +0 ~0 -0 =2");
	/* What it was validated by is still what it is validated by. */
	expect_since("m.db", "o|null|e|null");
	assert_int_equal(query("m.db", "SELECT version FROM source"), 1);
	assert_int_equal(query("m.db", "SELECT count(*) FROM history"), 2);
}

static void the_same_as_what_is_no_more_is_refused(void **state)
{
	flo_value *pull;

	(void)state;
	sync_as("r.db", "\"origin\":\"o\",\"etag\":\"e\"", "[{\"id\":1}]", "",
		"1 rows +1 ~0 -0 =0");
	pull = stage_as("r.db", "\"kind\":\"same\",\"origin\":\"o\"", "[]");
	/* Not the pull itself: one that began before and ends after it. */
	query("r.db", "UPDATE source SET pull = pull - 1");
	refuse_diff("r.db", pull);
}

/* Changed specs */

static void changes_under_a_new_spec_are_only_changes(void **state)
{
	const char *more = ",\"ignore\":[\"/seen\"]";

	(void)state;
	sync_as("i.db", "\"origin\":\"o\"",
		"[{\"id\":1,\"seen\":1},{\"id\":2,\"seen\":1}]", "",
		"2 rows +2 ~0 -0 =0");
	sync_as("i.db", CHANGES, "[{\"id\":1,\"seen\":2}]", more,
		"1 rows +0 ~0 -0 =1");
	/* The record that no event was of is stored under it as well. */
	sync_as("i.db", CHANGES, "[{\"id\":2,\"seen\":2}]", more,
		"1 rows +0 ~0 -0 =1");
	sync_as("i.db", "\"kind\":\"same\"", "[]", "", "2 rows +0 ~0 -0 =2");
	sync_as("i.db", CHANGES, "[{\"id\":2,\"seen\":2}]", "",
		"1 rows +0 ~1 -0 =0");
}

static void changes_under_a_new_key_find_their_records(void **state)
{
	flo_value *pull, *out = NULL;

	(void)state;
	sync_as("k.db", "\"origin\":\"o\"",
		"[{\"id\":1,\"u\":\"a\"},{\"id\":2,\"u\":\"b\"},{\"id\":3}]",
		"", "3 rows +3 ~0 -0 =0");
	/* Record 3 stays, and has no such key. */
	pull = stage_as("k.db", CHANGES, "[{\"id\":1,\"u\":\"a\",\"n\":1}]");
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "k", &out,
				   "{\"db\":\"k.db\",\"pull\":\"%s\","
				   "\"key\":[\"/u\"]}",
				   out_text(pull, "pull")),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "null or missing key"));
	flo_value_unref(pull);
	/* With it gone the others have. */
	sync_as("k.db", CHANGES, "[{\"id\":3,\"gone\":true}]", "",
		"1 rows +0 ~0 -1 =0");
	pull = stage_as("k.db", CHANGES, "[{\"id\":7,\"u\":\"a\"}]");
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, "k2", &out,
			       "{\"db\":\"k.db\",\"pull\":\"%s\","
			       "\"key\":[\"/u\"]}",
			       out_text(pull, "pull")));
	assert_int_equal(out_int(out, "changed"), 1);
	assert_int_equal(out_int(out, "added") + out_int(out, "removed"), 0);
	flo_value_unref(apply_plan("k.db", out));
	flo_value_unref(out);
	flo_value_unref(pull);
	assert_string_equal(query_text("k.db", "SELECT group_concat(key, ' ')"
					       " FROM (SELECT key FROM"
					       " cmdb_current ORDER BY key)"),
			    "[\"a\"] [\"b\"]");
}

/* What `where` leaves out must not stay in the state as it was. */
/* An empty pull of changes has no bytes of its own to be known by. */
static void changes_do_not_hide_another_map(void **state)
{
	static const char map[] = "\"map\":{\"id\":\"record.id\"}";
	static const char map_2[] = "\"map\":{\"id\":\"record.id + 0\"}";
	static const char ignore[] = ",\"ignore\":[\"/x\"]";
	static const char records[] = "[{\"id\":1},{\"id\":2},{\"id\":3}]";
	static const int hits[] = {0, 3, 3};
	char how[128];

	(void)state;
	sync_as("hm.db", map, records, "", "3 rows +3 ~0 -0 =0");
	sync_as("hm.db", map_2, records, ignore, "3 rows +0 ~0 -0 =3");
	snprintf(how, sizeof(how), "\"kind\":\"changes\",%s", map_2);
	sync_as("hm.db", how, "[]", ignore, "0 rows +0 ~0 -0 =0");
	for (size_t i = 0; i < sizeof(hits) / sizeof(hits[0]); i++) {
		sync_as("hm.db", map_2, records, ignore, "3 rows +0 ~0 -0 =3");
		assert_int_equal(query("hm.db", "SELECT raw_hits FROM plan"
						" ORDER BY no DESC LIMIT 1"),
				 hits[i]);
	}
}

/* Under another map, in what is ignored: its bytes are not what is stored. */
static void what_was_ignored_is_a_change_when_it_is_not(void **state)
{
	static const char map[] = "\"map\":{\"id\":\"record.id\",\"a\":"
				  "\"record.a\"}";
	static const char map_2[] = "\"map\":{\"id\":\"record.id + 0\","
				    "\"a\":\"record.a\"}";
	static const char ignore[] = ",\"ignore\":[\"/a\"]";

	(void)state;
	sync_as("ic.db", map, "[{\"id\":1,\"a\":1}]", ignore,
		"1 rows +1 ~0 -0 =0");
	sync_as("ic.db", map_2, "[{\"id\":1,\"a\":2}]", ignore,
		"1 rows +0 ~0 -0 =1");
	sync_as("ic.db", map_2, "[{\"id\":1,\"a\":2}]", "",
		"1 rows +0 ~1 -0 =0");
	expect_state("ic.db", "{\"id\":1,\"a\":2}");
}

static void what_changes_leave_out_is_gone(void **state)
{
	static const char shaped[] =
		",\"where\":\"record.up\",\"map\":{\"id\":\"record.nr\","
		"\"name\":\"record.name\"}";
	char how[256];

	(void)state;
	snprintf(how, sizeof(how), "\"kind\":\"full\",\"origin\":\"o\"%s",
		 shaped);
	sync_as("w.db", how,
		"[{\"nr\":1,\"name\":\"a\",\"up\":true},"
		"{\"nr\":2,\"name\":\"b\",\"up\":true},"
		"{\"nr\":3,\"name\":\"c\",\"up\":true},"
		"{\"nr\":4,\"name\":\"d\",\"up\":false}]",
		"", "3 rows +3 ~0 -0 =0");
	snprintf(how, sizeof(how), CHANGES "%s", shaped);
	/* Of one that is gone the key is enough, even for a map. */
	sync_as("w.db", how,
		"[{\"nr\":1,\"name\":\"a\",\"up\":false},"
		"{\"nr\":2,\"gone\":true},"
		"{\"nr\":4,\"name\":\"d\",\"up\":false},"
		"{\"nr\":5,\"name\":\"e\",\"up\":true}]",
		",\"guard\":false", "4 rows +1 ~0 -2 =1");
	expect_state("w.db", "{\"id\":3,\"name\":\"c\"} "
			     "{\"id\":5,\"name\":\"e\"}");
	assert_int_equal(query("w.db", "SELECT rejected FROM pull ORDER BY no"
				       " DESC LIMIT 1"),
			 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_never_remove_by_absence),
		cmocka_unit_test(what_is_gone_is_removed),
		cmocka_unit_test(the_last_change_of_a_key_counts),
		cmocka_unit_test(a_pull_of_everything_may_say_what_is_gone),
		cmocka_unit_test(another_gone_reads_known_bytes_again),
		cmocka_unit_test(null_keys_of_changes_fail),
		cmocka_unit_test(a_cursor_moves_with_the_apply_only),
		cmocka_unit_test(another_origin_is_offered_nothing),
		cmocka_unit_test(another_ignore_asks_for_everything),
		cmocka_unit_test(changes_of_an_old_cursor_are_refused),
		cmocka_unit_test(a_plan_of_an_old_cursor_is_refused),
		cmocka_unit_test(the_same_again_compares_nothing),
		cmocka_unit_test(the_same_as_what_is_no_more_is_refused),
		cmocka_unit_test(changes_under_a_new_spec_are_only_changes),
		cmocka_unit_test(changes_under_a_new_key_find_their_records),
		cmocka_unit_test(changes_do_not_hide_another_map),
		cmocka_unit_test(what_was_ignored_is_a_change_when_it_is_not),
		cmocka_unit_test(what_changes_leave_out_is_gone),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
