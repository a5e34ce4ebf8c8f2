/* Guards: each rule at its bounds, for each kind of pull, and off. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/utf8.h"
#include "cmdb_fixture.h"
#include "cmdb_stage_step.h"

#include <stdio.h>
#include <string.h>

#define FULL	"\"origin\":\"o\""
#define CHANGES "\"kind\":\"changes\",\"origin\":\"o\",\"gone\":\"/gone\""

/* A list of records with the ids from @first on, each with @more members. */
static const char *many(int first, int count, const char *more)
{
	static char text[2][16384];
	static int turn;
	char *to = text[turn = !turn];
	size_t len = 0;

	to[len++] = '[';
	for (int i = first; i < first + count; i++)
		len += (size_t)snprintf(to + len, sizeof(text[0]) - len,
					"%s{\"id\":%d%s}",
					i != first ? "," : "", i, more);
	assert_true(len < sizeof(text[0]) - 2);
	memcpy(to + len, "]", 2);
	return to;
}

static void load(const char *db, const char *records)
{
	flo_value *pull = stage_as(db, FULL, records), *out = NULL;

	fake_ok(&fs, diff_staged(db, pull, ",\"guard\":false", &out));
	flo_value_unref(apply_plan(db, out));
	flo_value_unref(out);
	flo_value_unref(pull);
}

/* Stage and diff: the guards that block must be @want; "" is none. */
static void expect(const char *db, const char *how, const char *records,
		   const char *more, const char *want)
{
	flo_value *pull = stage_as(db, how, records), *out = NULL;
	flo_status st = diff_staged(db, pull, more, &out);

	if (st != FLO_BLOCKED)
		fake_ok(&fs, st);
	assert_int_equal(st, *want != '\0' ? FLO_BLOCKED : FLO_OK);
	assert_string_equal(query_text(db, "SELECT guards FROM plan"
					   " ORDER BY no DESC LIMIT 1"),
			    want);
	flo_value_unref(out);
	flo_value_unref(pull);
}

static void removed_is_blocked_above_its_percent_from_its_rows_on(void **state)
{
	(void)state;
	load("fifty.db", many(0, 50, ""));
	expect("fifty.db", FULL, many(10, 40, ""), "", ""); /* 10: 20% */
	expect("fifty.db", FULL, many(11, 39, ""), "", "removed");
	load("more.db", many(0, 51, ""));
	expect("more.db", FULL, many(10, 41, ""), "", ""); /* 10: 19.6% */
	load("less.db", many(0, 49, ""));
	expect("less.db", FULL, many(9, 40, ""), "", "");	  /* 9: 18.4% */
	expect("less.db", FULL, many(10, 39, ""), "", "removed"); /* 20.4% */
	load("few.db", many(0, 10, ""));
	expect("few.db", FULL, many(9, 1, ""), "", "");		/* 9: 90% */
	expect("few.db", FULL, many(10, 1, ""), "", "removed"); /* 10: all */
}

static void both_bounds_of_removed_can_be_set(void **state)
{
	(void)state;
	load("set.db", many(0, 10, ""));
	expect("set.db", FULL, many(1, 9, ""),
	       ",\"guard\":{\"removed_rows\":1,\"removed_percent\":9.9}",
	       "removed");
	expect("set.db", FULL, many(1, 9, ""),
	       ",\"guard\":{\"removed_rows\":1,\"removed_percent\":10}", "");
	expect("set.db", FULL, many(1, 9, ""),
	       ",\"guard\":{\"removed_rows\":2,\"removed_percent\":0}", "");
	expect("set.db", FULL, many(2, 8, ""),
	       ",\"guard\":{\"removed_rows\":2,\"removed_percent\":0}",
	       "removed");
	/* Nothing removed is never too much. */
	expect("set.db", FULL, many(0, 10, ""),
	       ",\"guard\":{\"removed_rows\":0,\"removed_percent\":0}", "");
}

static void each_guard_can_be_off(void **state)
{
	const char *key = ",\"key\":[\"/id\",\"/zone\"],"
			  "\"null_key\":\"allow\"";
	flo_value *pull, *out = NULL;

	(void)state;
	load("off.db", many(0, 20, ""));
	expect("off.db", FULL, "[]", "", "empty_pull,removed");
	expect("off.db", FULL, "[]", ",\"guard\":{\"empty_pull\":false}",
	       "removed");
	expect("off.db", FULL, "[]", ",\"guard\":{\"removed_percent\":false}",
	       "empty_pull");
	expect("off.db", FULL, "[]",
	       ",\"guard\":{\"empty_pull\":false,\"removed_percent\":false}",
	       "");
	expect("off.db", FULL, "[]", ",\"guard\":false", "");
	pull = stage_as("off.db", FULL, many(0, 20, ",\"zone\":1"));
	for (int i = 0; i < 2; i++) {
		flo_status st = fake_step(
			&fs, &flo__cmdb_diff, i == 0 ? "on" : "off", &out,
			"{\"db\":\"off.db\",\"pull\":\"%s\"%s,\"guard\":"
			"{\"removed_percent\":100,\"key_field\":%s}}",
			out_text(pull, "pull"), key, i == 0 ? "true" : "false");

		assert_int_equal(st, i == 0 ? FLO_BLOCKED : FLO_OK);
	}
	flo_value_unref(out);
	flo_value_unref(pull);
}

static bool warned(const char *db, const char *how, const char *records,
		   const char *more)
{
	expect(db, how, records, more, "");
	return strstr(fs.log, "volatile field? n:") != NULL;
}

/* @differ of @count records differ in n. */
static bool warned_of(const char *db, int count, int differ, const char *more)
{
	static char text[32768];
	const char *some = many(0, differ, ",\"n\":2");
	const char *rest = many(differ, count - differ, ",\"n\":1");

	snprintf(text, sizeof(text), "%.*s%s%s", (int)strlen(some) - 1, some,
		 differ != 0 && differ != count ? "," : "", rest + 1);
	return warned(db, FULL, text, more);
}

static void a_field_is_volatile_from_its_percent_on(void **state)
{
	(void)state;
	load("v.db", many(0, 10, ",\"n\":1"));
	assert_true(warned_of("v.db", 10, 10, ""));
	assert_true(warned_of("v.db", 10, 9, ""));
	assert_false(warned_of("v.db", 10, 8, ""));
	assert_true(warned_of("v.db", 10, 8,
			      ",\"guard\":{\"volatile_percent\":80}"));
	assert_false(warned_of("v.db", 10, 10,
			       ",\"guard\":{\"volatile_percent\":false}"));
	/* Nine records say nothing about a field. */
	load("nine.db", many(0, 9, ",\"n\":1"));
	assert_false(warned_of("nine.db", 9, 9, ""));
}

static void no_changes_are_not_an_empty_pull(void **state)
{
	(void)state;
	load("none.db", many(0, 20, ""));
	expect("none.db", CHANGES, "[]", "", "");
	expect("none.db", "\"kind\":\"same\"", "[]", "", "");
}

static void too_much_that_is_gone_is_blocked(void **state)
{
	(void)state;
	load("gone.db", many(0, 50, ""));
	expect("gone.db", CHANGES, many(0, 10, ",\"gone\":true"), "", "");
	expect("gone.db", CHANGES, many(0, 11, ",\"gone\":true"), "",
	       "removed");
	/* So it is where a pull of everything says that all of it is gone. */
	expect("gone.db", FULL ",\"gone\":\"/gone\"",
	       many(0, 50, ",\"gone\":true"), "", "removed");
	/* What was never there cannot be removed. */
	expect("gone.db", CHANGES, many(50, 50, ",\"gone\":true"), "", "");
}

static void expect_key_field(const char *db, const char *records,
			     const char *says)
{
	flo_value *pull = stage_as(db, CHANGES, records), *out = NULL;
	flo_status st;

	st = fake_step(&fs, &flo__cmdb_diff, "key", &out,
		       "{\"db\":\"%s\",\"pull\":\"%s\",\"null_key\":\"allow\","
		       "\"key\":[\"/id\",\"/zone\"]}",
		       db, out_text(pull, "pull"));
	if (says == NULL)
		fake_ok(&fs, st);
	else
		assert_int_equal(st, FLO_BLOCKED);
	if (says != NULL && strstr(fs.err.text, says) == NULL)
		fail_msg("%s", fs.err.text);
	flo_value_unref(out);
	flo_value_unref(pull);
}

static void a_key_field_of_changes_may_be_missing_by_chance(void **state)
{
	(void)state;
	load("all.db", many(0, 3, ",\"zone\":1"));
	expect_key_field("all.db", many(5, 1, ",\"zone\":1"), NULL);
	expect_key_field("all.db", many(5, 1, ""), "/zone has vanished");
	/* Nothing but what is gone has no such field, and need not. */
	expect_key_field("all.db", many(0, 1, ",\"zone\":1,\"gone\":true"),
			 NULL);
	load("some.db", "[{\"id\":1},{\"id\":2,\"zone\":1}]");
	expect_key_field("some.db", many(5, 1, ""), NULL);
	load("no.db", many(0, 3, ""));
	expect_key_field("no.db", many(5, 1, ""), NULL);
	expect_key_field("no.db", many(5, 1, ",\"zone\":1"),
			 "/zone has appeared");
}

/* A pointer of 1 + 2n bytes is cut at 127, in the middle of a character. */
static void a_long_key_field_is_cut_between_characters(void **state)
{
	char pointer[256] = "/a", records[512];
	const char *reason;
	flo_value *pull, *out = NULL;

	(void)state;
	for (int i = 0; i < 100; i++)
		strcat(pointer, "\xc3\xa9");
	load("long.db", many(0, 3, ""));
	snprintf(records, sizeof(records), "[{\"id\":1,\"%s\":1}]",
		 pointer + 1);
	pull = stage_as("long.db", FULL, records);
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "long", &out,
				   "{\"db\":\"long.db\",\"pull\":\"%s\","
				   "\"null_key\":\"allow\","
				   "\"key\":[\"/id\",\"%s\"]}",
				   out_text(pull, "pull"), pointer),
			 FLO_BLOCKED);
	reason = query_text("long.db", "SELECT reason FROM plan"
				       " ORDER BY no DESC LIMIT 1");
	assert_non_null(strstr(reason, "\xc3\xa9\xc3\xa9 has appeared"));
	assert_true(flo__utf8_valid(reason, strlen(reason)));
	assert_true(flo__utf8_valid(fs.err.text, strlen(fs.err.text)));
	flo_value_unref(out);
	flo_value_unref(pull);
}

static void changes_are_volatile_only_against_the_state(void **state)
{
	(void)state;
	load("w.db", many(0, 40, ",\"n\":1"));
	assert_false(warned("w.db", CHANGES, many(0, 12, ",\"n\":2"), ""));
	assert_true(warned("w.db", CHANGES, many(0, 36, ",\"n\":2"), ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			removed_is_blocked_above_its_percent_from_its_rows_on),
		cmocka_unit_test(both_bounds_of_removed_can_be_set),
		cmocka_unit_test(each_guard_can_be_off),
		cmocka_unit_test(a_field_is_volatile_from_its_percent_on),
		cmocka_unit_test(no_changes_are_not_an_empty_pull),
		cmocka_unit_test(too_much_that_is_gone_is_blocked),
		cmocka_unit_test(
			a_key_field_of_changes_may_be_missing_by_chance),
		cmocka_unit_test(a_long_key_field_is_cut_between_characters),
		cmocka_unit_test(changes_are_volatile_only_against_the_state),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
