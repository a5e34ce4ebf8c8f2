/* flo/cmdb.h: what is in a CMDB and what was, and a person's word on plans. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "base/time.h"
#include "cmdb_fixture.h"

#include <flo/cmdb.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define THREE "[{\"id\":1,\"n\":1},{\"id\":2,\"n\":2},{\"id\":3}]"

static flo_cmdb *open_db(const char *db, flo_cmdb_mode mode)
{
	flo_error err = FLO_ERROR_INIT;
	flo_cmdb *cmdb = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fs.dir, db);
	if (flo_cmdb_open(path, mode, &err, &cmdb) != FLO_OK)
		fail_msg("%s", err.text);
	return cmdb;
}

/* The id of the plan of the diff @key, in memory that the next call reuses. */
static const char *plan_of(const char *db, const char *status)
{
	static char id[64];
	struct flo_cmdb_plans_options which = {.max = 1};
	flo_cmdb *cmdb = open_db(db, FLO_CMDB_READ);
	flo_error err = FLO_ERROR_INIT;
	flo_value *plans = NULL;
	const flo_value *plan;

	if (flo_cmdb_plans(cmdb, &which, &err, &plans) != FLO_OK)
		fail_msg("%s", err.text);
	plan = flo_value_list_at(plans, 0);
	assert_string_equal(out_text(plan, "status"), status);
	snprintf(id, sizeof(id), "%s", out_text(plan, "plan"));
	flo_value_unref(plans);
	flo_cmdb_close(cmdb);
	return id;
}

/* A database of three rows, and a blocked plan to remove them all. */
static void block(const char *db)
{
	sync_text(db, "1", THREE);
	assert_int_equal(diff_text(db, "2", "[]", "", NULL), FLO_BLOCKED);
}

static flo_status decide(const char *db, flo_cmdb_word word, flo_error *err,
			 bool *ret_before)
{
	flo_cmdb *cmdb = open_db(db, FLO_CMDB_WRITE);
	char id[64];
	flo_status st;

	snprintf(id, sizeof(id), "%s",
		 query_text(db,
			    "SELECT id FROM plan ORDER BY no DESC LIMIT 1"));
	st = flo_cmdb_decide(cmdb, id, word, "Ann", "she said so", err, NULL,
			     ret_before);
	flo_cmdb_close(cmdb);
	return st;
}

static void approve(const char *db)
{
	flo_error err = FLO_ERROR_INIT;

	if (decide(db, FLO_CMDB_APPROVE, &err, NULL) != FLO_OK)
		fail_msg("%s", err.text);
}

/* Another diff of the last pull of @db, in the step @key. */
static flo_status diff_again(const char *db, const char *key, const char *more,
			     flo_value **ret_diff)
{
	char pull[64];

	snprintf(pull, sizeof(pull), "%s",
		 query_text(db,
			    "SELECT id FROM pull ORDER BY no DESC LIMIT 1"));
	return fake_step(&fs, &flo__cmdb_diff, key, ret_diff,
			 "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":[\"/id\"]%s}",
			 db, pull, more);
}

/* Listing */

static void sources_tell_what_waits(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *sources = NULL;
	const flo_value *vm;
	flo_cmdb *cmdb;

	(void)state;
	block("so.db");
	cmdb = open_db("so.db", FLO_CMDB_READ);
	assert_int_equal(flo_cmdb_sources(cmdb, &err, &sources), FLO_OK);
	assert_int_equal(flo_value_len(sources), 1);
	vm = flo_value_list_at(sources, 0);
	assert_string_equal(out_text(vm, "source"), "vm");
	assert_int_equal(out_int(vm, "rows"), 3);
	assert_int_equal(out_int(vm, "blocked"), 1);
	assert_int_equal(flo_value_len(flo_value_map_get(vm, "key")), 1);
	assert_int_equal(strlen(out_text(vm, "pulled_at")), 27);
	assert_int_equal(strlen(out_text(vm, "applied_at")), 27);
	flo_value_unref(sources);
	approve("so.db");
	assert_int_equal(flo_cmdb_sources(cmdb, &err, &sources), FLO_OK);
	assert_int_equal(out_int(flo_value_list_at(sources, 0), "blocked"), 0);
	flo_value_unref(sources);
	flo_cmdb_close(cmdb);
}

static size_t count_plans(flo_cmdb *cmdb, const char *source, bool blocked,
			  size_t max)
{
	struct flo_cmdb_plans_options which = {source, blocked, max};
	flo_error err = FLO_ERROR_INIT;
	flo_value *plans = NULL;
	size_t len;

	if (flo_cmdb_plans(cmdb, &which, &err, &plans) != FLO_OK)
		fail_msg("%s", err.text);
	len = flo_value_len(plans);
	flo_value_unref(plans);
	return len;
}

static void plans_are_listed_as_asked(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	struct flo_cmdb_plans_options which = {.source = "nosuch"};
	flo_value *plans = NULL;
	flo_cmdb *cmdb;

	(void)state;
	block("pl.db");
	cmdb = open_db("pl.db", FLO_CMDB_READ);
	assert_int_equal(count_plans(cmdb, NULL, false, 0), 2);
	assert_int_equal(count_plans(cmdb, "vm", false, 0), 2);
	assert_int_equal(count_plans(cmdb, NULL, false, 1), 1);
	assert_int_equal(count_plans(cmdb, "vm", true, 9), 1);
	assert_int_equal(flo_cmdb_plans(cmdb, NULL, &err, &plans), FLO_OK);
	assert_string_equal(out_text(flo_value_list_at(plans, 0), "status"),
			    "blocked");
	assert_string_equal(out_text(flo_value_list_at(plans, 1), "status"),
			    "applied");
	flo_value_unref(plans);
	assert_int_equal(flo_cmdb_plans(cmdb, &which, &err, &plans),
			 FLO_NOTFOUND);
	assert_non_null(strstr(err.text, "it has vm"));
	flo_cmdb_close(cmdb);
	/* What can no longer be applied waits for nobody. */
	sync_text("pl.db", "3", "[{\"id\":1,\"n\":5}]");
	cmdb = open_db("pl.db", FLO_CMDB_READ);
	assert_int_equal(count_plans(cmdb, NULL, true, 0), 0);
	flo_cmdb_close(cmdb);
}

static void the_beginning_of_an_id_is_enough(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *plan = NULL;
	char id[64];
	flo_cmdb *cmdb;

	(void)state;
	block("id.db");
	snprintf(id, sizeof(id), "%s", plan_of("id.db", "blocked"));
	cmdb = open_db("id.db", FLO_CMDB_READ);
	id[12] = '\0';
	assert_int_equal(flo_cmdb_plan(cmdb, id, &err, &plan), FLO_OK);
	assert_int_equal(memcmp(out_text(plan, "plan"), id, 12), 0);
	assert_int_equal(flo_value_len(flo_value_map_get(plan, "guards")), 1);
	assert_int_equal(out_int(plan, "removed"), 3);
	flo_value_unref(plan);
	assert_int_equal(flo_cmdb_plan(cmdb, "", &err, &plan), FLO_INVALID);
	assert_non_null(strstr(err.text, "is empty"));
	flo_error_clear(&err);
	assert_int_equal(flo_cmdb_plan(cmdb, "%", &err, &plan), FLO_NOTFOUND);
	flo_cmdb_close(cmdb);
}

struct seen {
	struct flo__strbuf sb;
	size_t stop_after; /* 0: never */
	size_t len;
};

static flo_status see_change(const flo_cmdb_change *change, void *arg)
{
	struct seen *seen = arg;

	flo__strbuf_addf(&seen->sb, "%c %s %s %s %s\n", change->op, change->key,
			 change->fields,
			 change->before != NULL ? change->before : "-",
			 change->after != NULL ? change->after : "-");
	if (++seen->len == seen->stop_after)
		return FLO_CANCELED;
	return flo__strbuf_status(&seen->sb);
}

static void changes_come_by_key_and_may_be_ended(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	struct seen seen = {.sb = FLO__STRBUF_INIT};
	char id[64];
	flo_cmdb *cmdb;

	(void)state;
	sync_text("ch.db", "1", THREE);
	sync_text("ch.db", "2",
		  "[{\"id\":4},{\"id\":1,\"n\":{\"a\":1}},{\"id\":3}]");
	snprintf(id, sizeof(id), "%s", plan_of("ch.db", "applied"));
	cmdb = open_db("ch.db", FLO_CMDB_READ);
	assert_int_equal(flo_cmdb_changes(cmdb, id, 0, see_change, &seen, &err),
			 FLO_OK);
	assert_string_equal(
		seen.sb.data,
		"u [1] [\"/n\"] {\"id\":1,\"n\":1} {\"id\":1,\"n\":{\"a\":1}}\n"
		"d [2] [] {\"id\":2,\"n\":2} -\n"
		"c [4] [] - {\"id\":4}\n");
	flo__strbuf_reset(&seen.sb);
	seen = (struct seen){.sb = seen.sb};
	assert_int_equal(flo_cmdb_changes(cmdb, id, 2, see_change, &seen, &err),
			 FLO_OK);
	assert_int_equal(seen.len, 2);
	seen.len = 0;
	seen.stop_after = 1;
	assert_int_equal(flo_cmdb_changes(cmdb, id, 0, see_change, &seen, &err),
			 FLO_CANCELED);
	assert_int_equal(seen.len, 1);
	flo__strbuf_fini(&seen.sb);
	flo_cmdb_close(cmdb);
}

/* Deciding */

static void an_approved_plan_is_what_the_diff_of_its_pull_gives(void **state)
{
	flo_value *diff = NULL, *output;
	char plan[64];

	(void)state;
	block("ap.db");
	snprintf(plan, sizeof(plan), "%s", plan_of("ap.db", "blocked"));
	assert_int_equal(diff_again("ap.db", "3", "", NULL), FLO_BLOCKED);
	query("ap.db", "DELETE FROM plan WHERE state = 'blocked' AND"
		       " no = (SELECT max(no) FROM plan)");
	approve("ap.db");
	fake_ok(&fs, diff_again("ap.db", "4", "", &diff));
	assert_string_equal(out_text(diff, "plan"), plan);
	assert_int_equal(out_int(diff, "removed"), 3);
	assert_non_null(strstr(fs.log, "was approved by Ann"));
	output = apply_plan("ap.db", diff);
	assert_true(out_bool(output, "applied"));
	assert_int_equal(out_int(output, "removed"), 3);
	flo_value_unref(output);
	flo_value_unref(diff);
	/* It is still that one when it has been applied. */
	fake_ok(&fs, diff_again("ap.db", "5", "", &diff));
	assert_string_equal(out_text(diff, "plan"), plan);
	output = apply_plan("ap.db", diff);
	assert_true(out_bool(output, "already"));
	flo_value_unref(output);
	flo_value_unref(diff);
	assert_int_equal(query("ap.db", "SELECT count(*) FROM plan"), 2);
}

static void what_was_approved_is_given_long_after(void **state)
{
	flo_value *diff = NULL, *pull, *output;
	char plan[64];

	(void)state;
	sync_text("lo.db", "1", THREE);
	pull = pull_text("lo.db", "2", "[]");
	assert_int_equal(diff_again("lo.db", "2", "", NULL), FLO_BLOCKED);
	approve("lo.db");
	fake_ok(&fs, diff_again("lo.db", "3", "", &diff));
	snprintf(plan, sizeof(plan), "%s", out_text(diff, "plan"));
	flo_value_unref(apply_plan("lo.db", diff));
	flo_value_unref(diff);
	/* The state goes on, and only then does the run. */
	sync_text("lo.db", "4", THREE);
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, "5", &diff,
			       "{\"db\":\"lo.db\",\"pull\":\"%s\","
			       "\"key\":[\"/id\"]}",
			       out_text(pull, "pull")));
	assert_string_equal(out_text(diff, "plan"), plan);
	output = apply_plan("lo.db", diff);
	assert_true(out_bool(output, "already"));
	flo_value_unref(output);
	flo_value_unref(diff);
	flo_value_unref(pull);
	assert_int_equal(query("lo.db", "SELECT rows FROM source"), 3);
}

static void a_diff_that_is_tried_again_minds_the_decision(void **state)
{
	flo_value *diff = NULL;
	char plan[64];

	(void)state;
	block("tr.db");
	snprintf(plan, sizeof(plan), "%s", plan_of("tr.db", "blocked"));
	approve("tr.db");
	fake_ok(&fs, diff_again("tr.db", "2", "", &diff));
	assert_string_equal(out_text(diff, "plan"), plan);
	flo_value_unref(diff);
	assert_int_equal(decide("tr.db", FLO_CMDB_REJECT, NULL, NULL), FLO_OK);
	assert_int_equal(diff_again("tr.db", "2", "", NULL), FLO_BLOCKED);
	assert_non_null(strstr(fs.err.text, "was rejected by Ann"));
	assert_string_equal(plan_of("tr.db", "rejected"), plan);
}

static void an_approval_is_of_one_pull_spec_and_base(void **state)
{
	flo_value *diff = NULL;

	(void)state;
	block("on.db");
	approve("on.db");
	assert_int_equal(diff_again("on.db", "3", ",\"ignore\":[\"/n\"]", NULL),
			 FLO_BLOCKED);
	assert_int_equal(diff_text("on.db", "4", "[]", "", NULL), FLO_BLOCKED);
	approve("on.db");
	sync_text("on.db", "5", "[{\"id\":1},{\"id\":2},{\"id\":3}]");
	assert_int_equal(diff_text("on.db", "6", "[]", "", NULL), FLO_BLOCKED);
	approve("on.db");
	fake_ok(&fs, diff_again("on.db", "7", "", &diff));
	flo_value_unref(apply_plan("on.db", diff));
	flo_value_unref(diff);
	assert_int_equal(query("on.db", "SELECT rows FROM source"), 0);
}

static flo_status diff_records(const char *key, const char *records,
			       flo_value **ret_diff)
{
	return fake_step(&fs, &flo__cmdb_diff, key, ret_diff,
			 "{\"db\":\"rc.db\",\"source\":\"vm\",\"records\":%s,"
			 "\"key\":[\"/id\"],\"guard\":{\"removed_percent\":0,"
			 "\"removed_rows\":1}}",
			 records);
}

static void records_are_recognised_by_their_changes(void **state)
{
	flo_value *diff = NULL;
	char plan[64];

	(void)state;
	sync_text("rc.db", "1", THREE);
	assert_int_equal(diff_records("2",
				      "[{\"id\":1,\"n\":7},{\"id\":2,"
				      "\"n\":2},{\"id\":9}]",
				      NULL),
			 FLO_BLOCKED);
	snprintf(plan, sizeof(plan), "%s", plan_of("rc.db", "blocked"));
	approve("rc.db");
	/* As many changes, but not the same: one removed, added, changed. */
	assert_int_equal(diff_records("3",
				      "[{\"id\":1,\"n\":8},{\"id\":2,"
				      "\"n\":2},{\"id\":9}]",
				      NULL),
			 FLO_BLOCKED);
	assert_int_equal(diff_records("3",
				      "[{\"id\":1,\"n\":7},{\"id\":3},"
				      "{\"id\":9}]",
				      NULL),
			 FLO_BLOCKED);
	fake_ok(&fs, diff_records("3",
				  "[{\"id\":1,\"n\":7},{\"id\":2,"
				  "\"n\":2},{\"id\":9}]",
				  &diff));
	assert_string_equal(out_text(diff, "plan"), plan);
	flo_value_unref(apply_plan("rc.db", diff));
	flo_value_unref(diff);
	assert_int_equal(query("rc.db", "SELECT count(*) FROM cmdb_current"
					" WHERE body LIKE '%7%'"),
			 1);
}

static void what_is_only_planned_stays_so_when_approved(void **state)
{
	flo_value *diff = NULL, *output;

	(void)state;
	sync_text("he.db", "1", THREE);
	assert_int_equal(diff_text("he.db", "2", "[]", ",\"plan_only\":true",
				   NULL),
			 FLO_BLOCKED);
	approve("he.db");
	fs.run_id = "run-2";
	fake_ok(&fs, diff_again("he.db", "3", ",\"plan_only\":true", &diff));
	output = apply_plan("he.db", diff);
	assert_false(out_bool(output, "applied"));
	flo_value_unref(output);
	fs.run_id = "run-1";
	output = apply_plan("he.db", diff);
	assert_true(out_bool(output, "applied"));
	flo_value_unref(output);
	flo_value_unref(diff);
}

static void an_outdated_plan_is_neither_approved_nor_applied(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	bool applied = true;
	char id[64];
	flo_cmdb *cmdb;

	(void)state;
	block("ol.db");
	sync_text("ol.db", "0", "[{\"id\":1,\"n\":7}]");
	query("ol.db", "DELETE FROM plan WHERE no = 3");
	assert_int_equal(decide("ol.db", FLO_CMDB_APPROVE, &err, NULL),
			 FLO_FAILED);
	assert_non_null(strstr(err.text, "out of date"));
	/* Nor is one that was approved in time applied too late. */
	block("ol2.db");
	approve("ol2.db");
	snprintf(id, sizeof(id), "%s", plan_of("ol2.db", "approved"));
	sync_text("ol2.db", "0", "[{\"id\":1,\"n\":7}]");
	cmdb = open_db("ol2.db", FLO_CMDB_WRITE);
	flo_error_clear(&err);
	assert_int_equal(flo_cmdb_apply(cmdb, id, &err, &applied), FLO_FAILED);
	assert_non_null(strstr(err.text, "out of date"));
	flo_cmdb_close(cmdb);
	assert_int_equal(query("ol2.db", "SELECT rows FROM source"), 1);
}

static void a_rejection_is_for_ever(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	bool before = true;
	char id[64];
	flo_cmdb *cmdb;

	(void)state;
	block("re.db");
	assert_int_equal(decide("re.db", FLO_CMDB_APPROVE, &err, &before),
			 FLO_OK);
	assert_false(before);
	assert_int_equal(decide("re.db", FLO_CMDB_APPROVE, &err, &before),
			 FLO_OK);
	assert_true(before);
	assert_int_equal(decide("re.db", FLO_CMDB_REJECT, &err, &before),
			 FLO_OK);
	assert_false(before);
	assert_int_equal(decide("re.db", FLO_CMDB_APPROVE, &err, &before),
			 FLO_CLOSED);
	assert_non_null(strstr(err.text, "rejected by Ann"));
	snprintf(id, sizeof(id), "%s", plan_of("re.db", "rejected"));
	cmdb = open_db("re.db", FLO_CMDB_WRITE);
	flo_error_clear(&err);
	assert_int_equal(flo_cmdb_apply(cmdb, id, &err, NULL), FLO_BLOCKED);
	flo_cmdb_close(cmdb);
	assert_int_equal(query("re.db", "SELECT rows FROM source"), 3);
}

static void what_is_applied_is_applied_once(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *plan = NULL;
	bool applied = false, before = true;
	char id[64];
	flo_cmdb *cmdb;

	(void)state;
	block("on1.db");
	snprintf(id, sizeof(id), "%s", plan_of("on1.db", "blocked"));
	cmdb = open_db("on1.db", FLO_CMDB_WRITE);
	assert_int_equal(flo_cmdb_apply(cmdb, id, &err, &applied), FLO_BLOCKED);
	flo_error_clear(&err);
	assert_int_equal(flo_cmdb_decide(cmdb, id, FLO_CMDB_APPROVE, "Ann",
					 NULL, &err, &plan, &before),
			 FLO_OK);
	assert_false(before);
	assert_string_equal(out_text(plan, "status"), "approved");
	assert_string_equal(out_text(plan, "decided_by"), "Ann");
	assert_int_equal(flo_value_typeof(flo_value_map_get(plan, "note")),
			 FLO_VALUE_NULL);
	flo_value_unref(plan);
	assert_int_equal(flo_cmdb_apply(cmdb, id, &err, &applied), FLO_OK);
	assert_true(applied);
	assert_int_equal(flo_cmdb_apply(cmdb, id, &err, &applied), FLO_OK);
	assert_false(applied);
	assert_int_equal(flo_cmdb_decide(cmdb, id, FLO_CMDB_REJECT, "Bob", NULL,
					 &err, NULL, NULL),
			 FLO_CLOSED);
	flo_cmdb_close(cmdb);
	assert_int_equal(query("on1.db", "SELECT count(*) FROM ended"), 3);
}

/* The past */

static flo_status see_version(const flo_cmdb_version *version, void *arg)
{
	struct seen *seen = arg;

	flo__strbuf_addf(&seen->sb, "%s %s%s\n", version->record,
			 version->fields != NULL ? version->fields : "-",
			 version->valid_to_us == 0 ? "" : " ended");
	if (++seen->len == seen->stop_after)
		return FLO_CANCELED;
	return flo__strbuf_status(&seen->sb);
}

static void a_history_tells_what_changed_between(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	struct seen seen = {.sb = FLO__STRBUF_INIT};
	flo_cmdb *cmdb;

	(void)state;
	sync_text("hi.db", "1", "[{\"id\":1,\"a\":{\"x\":1},\"b\":2}]");
	sync_text("hi.db", "2", "[{\"id\":1,\"a\":{\"x\":2},\"b\":3}]");
	sync_text("hi.db", "3", "[{\"id\":2}]");
	sync_text("hi.db", "4", "[{\"id\":2},{\"id\":1,\"b\":3}]");
	cmdb = open_db("hi.db", FLO_CMDB_READ);
	assert_int_equal(flo_cmdb_history(cmdb, "vm", "1", see_version, &seen,
					  &err),
			 FLO_OK);
	assert_string_equal(
		seen.sb.data,
		"{\"id\":1,\"a\":{\"x\":1},\"b\":2} - ended\n"
		"{\"id\":1,\"a\":{\"x\":2},\"b\":3} [\"/a/x\",\"/b\"] ended\n"
		"{\"id\":1,\"b\":3} -\n");
	seen.len = 0;
	seen.stop_after = 2;
	assert_int_equal(flo_cmdb_history(cmdb, "vm", "1", see_version, &seen,
					  &err),
			 FLO_CANCELED);
	assert_int_equal(seen.len, 2);
	flo__strbuf_fini(&seen.sb);
	flo_cmdb_close(cmdb);
}

static void expect_at(flo_cmdb *cmdb, const char *key, int64_t us,
		      const char *want)
{
	flo_error err = FLO_ERROR_INIT;
	struct seen seen = {.sb = FLO__STRBUF_INIT};

	if (flo_cmdb_at(cmdb, "vm", key, us, see_version, &seen, &err) !=
	    FLO_OK)
		fail_msg("%s", err.text);
	assert_string_equal(seen.sb.data, want);
	flo__strbuf_fini(&seen.sb);
}

static void a_version_holds_from_its_first_moment_to_its_last(void **state)
{
	flo_cmdb *cmdb;
	int64_t us;

	(void)state;
	sync_text("at.db", "1", "[{\"id\":\"b\",\"n\":1},{\"id\":\"a\"}]");
	sync_text("at.db", "2", "[{\"id\":\"b\",\"n\":2}]");
	us = query("at.db", "SELECT max(valid_from) FROM history");
	cmdb = open_db("at.db", FLO_CMDB_READ);
	expect_at(cmdb, NULL, us - 1,
		  "{\"id\":\"a\"} - ended\n{\"id\":\"b\",\"n\":1} - ended\n");
	expect_at(cmdb, NULL, us, "{\"id\":\"b\",\"n\":2} -\n");
	expect_at(cmdb, "b", us - 1, "{\"id\":\"b\",\"n\":1} - ended\n");
	expect_at(cmdb, "a", us, "");
	expect_at(cmdb, NULL, INT64_MAX, "{\"id\":\"b\",\"n\":2} -\n");
	expect_at(cmdb, NULL, 0, "");
	flo_cmdb_close(cmdb);
}

static void keys_may_be_written_plainly(void **state)
{
	static const struct {
		const char *key;
		flo_status st;
	} cases[] = {
		{"a", FLO_OK},
		{"\"a\"", FLO_OK},
		{"[\"a\"]", FLO_OK},
		{" [ \"a\" ] ", FLO_OK},
		{"7", FLO_INVALID}, /* 7 or "7" */
		{"[7]", FLO_OK},
		{"\"7\"", FLO_OK},
		{"123456789012345678901", FLO_OK},
		{"[::1]", FLO_OK},
		{" [1]", FLO_OK}, /* 1; there is "[1]", too */
		{"[\"[1]\"]", FLO_OK},
		{"say \"hi\"", FLO_OK},
		{"true", FLO_OK},
		{"false", FLO_NOTFOUND},
		{"A", FLO_NOTFOUND},
		{"", FLO_NOTFOUND},
		{"[\"a\",1]", FLO_NOTFOUND},
		{"7,\"x\":1", FLO_NOTFOUND},
		{"7}", FLO_NOTFOUND},
	};
	flo_cmdb *cmdb;

	(void)state;
	sync_text("ke.db", "1",
		  "[{\"id\":\"a\"},{\"id\":7},{\"id\":\"7\"},{\"id\":\"[::1]\"}"
		  ",{\"id\":1},{\"id\":\"[1]\"}"
		  ",{\"id\":123456789012345678901},{\"id\":\"say \\\"hi\\\"\"},"
		  "{\"id\":true}]");
	cmdb = open_db("ke.db", FLO_CMDB_READ);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flo_error err = FLO_ERROR_INIT;
		struct seen seen = {.sb = FLO__STRBUF_INIT};
		flo_status st = flo_cmdb_history(cmdb, "vm", cases[i].key,
						 see_version, &seen, &err);

		flo__strbuf_fini(&seen.sb);
		if (st != cases[i].st)
			fail_msg("%s: %s: %s", cases[i].key,
				 flo_status_name(st), err.text);
		assert_int_equal(seen.len, st == FLO_OK ? 1 : 0);
	}
	flo_cmdb_close(cmdb);
}

/* Where a shell's variable is not set. */
static void an_empty_id_is_no_plans(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *plan = NULL;
	flo_cmdb *cmdb;

	(void)state;
	sync_text("em.db", "1", "[{\"id\":1}]");
	cmdb = open_db("em.db", FLO_CMDB_WRITE);
	assert_int_equal(flo_cmdb_plan(cmdb, "", &err, &plan), FLO_INVALID);
	assert_int_equal(flo_cmdb_decide(cmdb, "", FLO_CMDB_REJECT, "me", NULL,
					 &err, NULL, NULL),
			 FLO_INVALID);
	flo_cmdb_close(cmdb);
}

/* SQLite has a meaning of its own for some of them. */
static void a_file_may_have_any_name(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_cmdb *cmdb = NULL;
	char *old = getcwd(NULL, 0);

	(void)state;
	sync_text(":memory:", "1", "[{\"id\":1}]");
	assert_non_null(old);
	assert_int_equal(chdir(fs.dir), 0);
	if (flo_cmdb_open(":memory:", FLO_CMDB_READ, &err, &cmdb) != FLO_OK)
		fail_msg("%s", err.text);
	flo_cmdb_close(cmdb);
	assert_int_equal(chdir(old), 0);
	free(old);
}

static void one_key_has_one_text(void **state)
{
	static const char *const keys[] = {"1", "1.0", "[1e0]"};
	flo_cmdb *cmdb;

	(void)state;
	sync_text("wh.db", "1", "[{\"id\":1},{\"id\":1.5}]");
	sync_text("wh.db", "2", "[{\"id\":1.0,\"n\":1},{\"id\":1.5}]");
	sync_text("wh.db", "3", "[{\"id\":1e0,\"n\":2},{\"id\":1.5}]");
	cmdb = open_db("wh.db", FLO_CMDB_READ);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct seen seen = {.sb = FLO__STRBUF_INIT};
		flo_error err = FLO_ERROR_INIT;

		if (flo_cmdb_history(cmdb, "vm", keys[i], see_version, &seen,
				     &err) != FLO_OK)
			fail_msg("%s", err.text);
		assert_int_equal(seen.len, 3);
		flo__strbuf_fini(&seen.sb);
	}
	flo_cmdb_close(cmdb);
	assert_string_equal(query_text("wh.db", "SELECT count(DISTINCT key)"
						" FROM history"),
			    "2");
}

static void keys_of_several_parts_are_arrays(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	struct seen seen = {.sb = FLO__STRBUF_INIT};
	flo_value *diff = NULL, *pull;
	flo_cmdb *cmdb;

	(void)state;
	pull = pull_text("pa.db", "1", "[{\"a\":\"x\",\"b\":[2]}]");
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, "1", &diff,
			       "{\"db\":\"pa.db\",\"pull\":\"%s\","
			       "\"key\":[\"/a\",\"/b\",\"/c\"],"
			       "\"null_key\":\"allow\"}",
			       out_text(pull, "pull")));
	flo_value_unref(apply_plan("pa.db", diff));
	flo_value_unref(diff);
	flo_value_unref(pull);
	cmdb = open_db("pa.db", FLO_CMDB_READ);
	assert_int_equal(flo_cmdb_history(cmdb, "vm", "[ \"x\", [ 2 ], null ]",
					  see_version, &seen, &err),
			 FLO_OK);
	assert_int_equal(seen.len, 1);
	flo__strbuf_fini(&seen.sb);
	flo_cmdb_close(cmdb);
}

/* Texts */

static void a_pointer_finds_what_the_record_says(void **state)
{
	static const char record[] =
		"{\"a\":1,\"b\":{\"x/y\":[10,[\"q\"],{\"~\":1.50}],\"\":null},"
		"\"\\u0063\":\"s\\n\",\"n\":123456789012345678901,\"e\":[]}";
	static const struct {
		const char *pointer, *want;
	} cases[] = {
		{"", record},
		{"/a", "1"},
		{"/b/x~1y/0", "10"},
		{"/b/x~1y/1", "[\"q\"]"},
		{"/b/x~1y/1/0", "\"q\""},
		{"/b/x~1y/2/~0", "1.50"},
		{"/b/", "null"},
		{"/c", "\"s\\n\""},
		{"/n", "123456789012345678901"},
		{"/e", "[]"},
		{"/e/0", NULL},
		{"/b/x~1y/3", NULL},
		{"/b/x~1y/x", NULL},
		{"/b/x~1y/", NULL},
		{"/a/b", NULL},
		{"/nosuch", NULL},
		{"a", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t len = 0;
		const char *text =
			flo_cmdb_field(record, cases[i].pointer, &len);

		if (cases[i].want == NULL) {
			assert_null(text);
			continue;
		}
		if (text == NULL || len != strlen(cases[i].want) ||
		    memcmp(text, cases[i].want, len) != 0)
			fail_msg("%s: %.*s", cases[i].pointer, (int)len,
				 text != NULL ? text : "");
	}
	/* What is damaged has no values, and ends nobody. */
	assert_null(flo_cmdb_field("{\"a\":[1,", "/a/1", &(size_t){0}));
	assert_null(flo_cmdb_field("{\"a\"", "/a", &(size_t){0}));
	assert_null(flo_cmdb_field("", "/a", &(size_t){0}));
}

static void times_are_read_as_people_write_them(void **state)
{
	static const struct {
		const char *text;
		flo_status st;
		int64_t us;
	} cases[] = {
		{"1970-01-02", FLO_OK, INT64_C(86400000000)},
		{"1970-01-01T00:00:01Z", FLO_OK, 1000000},
		{"1970-01-01T00:00:01.5z", FLO_OK, 1500000},
		{"1970-01-01 00:00:01.1234567", FLO_OK, 1123456},
		{"1970-01-01 01:00", FLO_OK, INT64_C(3600000000)},
		{"1970-01-01T01:00+01:00", FLO_OK, 0},
		{"1970-01-01T00:00:00-00:30", FLO_OK, INT64_C(1800000000)},
		{"2024-02-29", FLO_OK, INT64_C(1709164800000000)},
		{"2026-02-29", FLO_RANGE, 0},
		{"2026-13-01", FLO_RANGE, 0},
		{"2026-00-01", FLO_RANGE, 0},
		{"2026-01-01T24:00", FLO_RANGE, 0},
		{"2026-01-01T00:00+25:00", FLO_RANGE, 0},
		{"", FLO_SYNTAX, 0},
		{"2026", FLO_SYNTAX, 0},
		{"2026-01", FLO_SYNTAX, 0},
		{"2026-1-1", FLO_SYNTAX, 0},
		{"2026-01-01T", FLO_SYNTAX, 0},
		{"2026-01-01T1", FLO_SYNTAX, 0},
		{"2026-01-01T00:00:00.", FLO_SYNTAX, 0},
		{"2026-01-01T00:00:00Zx", FLO_SYNTAX, 0},
		{"2026-01-01T00:00+0100", FLO_SYNTAX, 0},
		{"2026-01-01x", FLO_SYNTAX, 0},
		{"ago", FLO_SYNTAX, 0},
		{"-", FLO_SYNTAX, 0},
		{"2x ago", FLO_SYNTAX, 0},
		{"@1795385000", FLO_OK, INT64_C(1795385000000000)},
		{"@0", FLO_OK, 0},
		{"@", FLO_SYNTAX, 0},
		{"@-1", FLO_SYNTAX, 0},
		{"@1x", FLO_SYNTAX, 0},
		{"@999999999999", FLO_SYNTAX, 0},
		{"2 days", FLO_SYNTAX, 0},
		{"2 day ago ", FLO_SYNTAX, 0},
		{" days ago", FLO_SYNTAX, 0},
		{"2 years ago", FLO_SYNTAX, 0},
		{"9999999999 days ago", FLO_SYNTAX, 0},
		{"tomorrow", FLO_SYNTAX, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flo_error err = FLO_ERROR_INIT;
		int64_t us = 0;
		flo_status st = flo_cmdb_time(cases[i].text, &err, &us);

		if (st != cases[i].st || us != cases[i].us)
			fail_msg("\"%s\": %s, %lld", cases[i].text,
				 flo_status_name(st), (long long)us);
	}
}

static void a_duration_is_a_time_ago(void **state)
{
	static const char *const texts[] = {
		"2h",	       "2h ago",	"-2h",
		"1h60m",       "2 hours ago",	"120 minutes ago",
		"120 min ago", "7200 secs ago", "7200 seconds ago",
	};
	int64_t two_hours = INT64_C(7200000000);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int64_t from = flo__time_now_us(), us = 0;

		assert_int_equal(flo_cmdb_time(texts[i], NULL, &us), FLO_OK);
		assert_true(us >= from - two_hours);
		assert_true(us <= flo__time_now_us() - two_hours);
	}
	assert_int_equal(flo_cmdb_time("now", NULL, &two_hours), FLO_OK);
	assert_true(two_hours <= flo__time_now_us());
}

static void a_day_has_its_beginning_in_utc(void **state)
{
	const int64_t day = INT64_C(86400000000);
	int64_t before = flo__time_now_us() / day * day, today, after;
	int64_t yesterday = 0, week = 0;

	(void)state;
	assert_int_equal(flo_cmdb_time("today", NULL, &today), FLO_OK);
	after = flo__time_now_us() / day * day;
	assert_true(today == before || today == after);
	assert_int_equal(flo_cmdb_time("yesterday", NULL, &yesterday), FLO_OK);
	after = flo__time_now_us() / day * day;
	assert_true(yesterday == before - day || yesterday == after - day);
	assert_int_equal(flo_cmdb_time("1 week ago", NULL, &week), FLO_OK);
	assert_true(week <= flo__time_now_us() - 7 * day);
	assert_true(week >= before - 7 * day);
}

/* Files */

static void a_file_that_is_not_there_is_not_made(void **state)
{
	flo_error err = FLO_ERROR_INIT;
	flo_cmdb *cmdb = NULL;
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/not-there.db", fs.dir);
	for (int mode = FLO_CMDB_READ; mode <= FLO_CMDB_WRITE; mode++) {
		flo_error_clear(&err);
		assert_int_equal(flo_cmdb_open(path, (flo_cmdb_mode)mode, &err,
					       &cmdb),
				 FLO_NOTFOUND);
		assert_non_null(strstr(err.text, "not-there.db"));
	}
	fake_text(&fs, "is-text.db",
		  "this is a text and no database of any "
		  "kind, whatever its name may say");
	snprintf(path, sizeof(path), "%s/is-text.db", fs.dir);
	flo_error_clear(&err);
	assert_int_equal(flo_cmdb_open(path, FLO_CMDB_READ, &err, &cmdb),
			 FLO_VERSION);
	flo_error_clear(&err);
	assert_int_equal(flo_cmdb_open(fs.dir, FLO_CMDB_READ, &err, &cmdb),
			 FLO_SYSTEM);
	assert_null(cmdb);
	flo_cmdb_close(NULL);
}

static void a_record_that_is_damaged_is_told(void **state)
{
	struct seen seen = {.sb = FLO__STRBUF_INIT};
	flo_error err = FLO_ERROR_INIT;
	flo_cmdb *cmdb;

	(void)state;
	sync_text("da.db", "1", THREE);
	query("da.db", "DELETE FROM body WHERE body LIKE '%2%'");
	query("da.db", "UPDATE body SET body = '{' WHERE body LIKE '%3%'");
	cmdb = open_db("da.db", FLO_CMDB_READ);
	assert_int_equal(flo_cmdb_at(cmdb, "vm", NULL, INT64_MAX, see_version,
				     &seen, &err),
			 FLO_CORRUPT);
	assert_non_null(strstr(err.text, "record [2] is missing"));
	flo_error_clear(&err);
	assert_int_equal(flo_cmdb_history(cmdb, "vm", "2", see_version, &seen,
					  &err),
			 FLO_CORRUPT);
	flo_error_clear(&err);
	assert_int_equal(flo_cmdb_history(cmdb, "vm", "3", see_version, &seen,
					  &err),
			 FLO_CORRUPT);
	assert_non_null(strstr(err.text, "record [3] is"));
	flo_cmdb_close(cmdb);
	flo__strbuf_fini(&seen.sb);
}

static void the_environment_names_the_default(void **state)
{
	char *path;

	(void)state;
	setenv("FLOW_CMDB", "/var/lib/x.db", 1);
	path = flo_cmdb_default_path();
	assert_string_equal(path, "/var/lib/x.db");
	flo_free(path);
	setenv("FLOW_CMDB", "", 1);
	path = flo_cmdb_default_path();
	assert_string_equal(path, "cmdb.db");
	flo_free(path);
	unsetenv("FLOW_CMDB");
}

/* Memory */

/* All that reads, and what decides, on @db. */
static flo_status use_all(const char *path, const char *plan)
{
	struct seen seen = {.sb = FLO__STRBUF_INIT};
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	flo_cmdb *cmdb = NULL;
	flo_status st;

	st = flo_cmdb_open(path, FLO_CMDB_WRITE, &err, &cmdb);
	if (st == FLO_OK)
		st = flo_cmdb_sources(cmdb, &err, &value);
	flo_value_unref(value);
	value = NULL;
	if (st == FLO_OK)
		st = flo_cmdb_plans(cmdb, NULL, &err, &value);
	flo_value_unref(value);
	value = NULL;
	if (st == FLO_OK)
		st = flo_cmdb_changes(cmdb, plan, 0, see_change, &seen, &err);
	if (st == FLO_OK)
		st = flo_cmdb_history(cmdb, "vm", "1", see_version, &seen,
				      &err);
	if (st == FLO_OK)
		st = flo_cmdb_at(cmdb, "vm", "[2]", 1, see_version, &seen,
				 &err);
	if (st == FLO_OK)
		st = flo_cmdb_decide(cmdb, plan, FLO_CMDB_APPROVE, "Ann", "so",
				     &err, &value, NULL);
	flo_value_unref(value);
	if (st == FLO_OK)
		st = flo_cmdb_apply(cmdb, plan, &err, NULL);
	flo__strbuf_fini(&seen.sb);
	flo_cmdb_close(cmdb);
	if (st != FLO_OK && err.text[0] == '\0')
		return FLO_FAILED; /* an error says what it is */
	return st;
}

static void running_out_of_memory_is_an_error_like_others(void **state)
{
	char path[256], plan[64];
	flo_status st = FLO_NOMEM;
	long nth, count;

	(void)state;
	block("nm.db");
	sync_text("nm.db", "0", THREE);
	query("nm.db", "UPDATE plan SET base = (SELECT version FROM source),"
		       " pull = 9 WHERE state = 'blocked'");
	snprintf(plan, sizeof(plan), "%s",
		 query_text("nm.db",
			    "SELECT id FROM plan WHERE state = 'blocked'"));
	snprintf(path, sizeof(path), "%s/nm.db", fs.dir);
	for (nth = 1; st != FLO_OK; nth++) {
		flo__alloc_fail_at(nth, 0);
		st = use_all(path, plan);
		count = flo__alloc_count();
		flo__alloc_fail_at(0, 0);
		if (st != FLO_NOMEM && st != FLO_OK)
			fail_msg("allocation %ld: %s", nth,
				 flo_status_name(st));
		assert_true(st != FLO_OK || count < nth);
	}
	assert_true(nth > 30);
	assert_int_equal(query("nm.db", "SELECT rows FROM source"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sources_tell_what_waits),
		cmocka_unit_test(plans_are_listed_as_asked),
		cmocka_unit_test(the_beginning_of_an_id_is_enough),
		cmocka_unit_test(changes_come_by_key_and_may_be_ended),
		cmocka_unit_test(
			an_approved_plan_is_what_the_diff_of_its_pull_gives),
		cmocka_unit_test(what_was_approved_is_given_long_after),
		cmocka_unit_test(a_diff_that_is_tried_again_minds_the_decision),
		cmocka_unit_test(an_approval_is_of_one_pull_spec_and_base),
		cmocka_unit_test(records_are_recognised_by_their_changes),
		cmocka_unit_test(what_is_only_planned_stays_so_when_approved),
		cmocka_unit_test(
			an_outdated_plan_is_neither_approved_nor_applied),
		cmocka_unit_test(a_rejection_is_for_ever),
		cmocka_unit_test(what_is_applied_is_applied_once),
		cmocka_unit_test(a_history_tells_what_changed_between),
		cmocka_unit_test(
			a_version_holds_from_its_first_moment_to_its_last),
		cmocka_unit_test(keys_may_be_written_plainly),
		cmocka_unit_test(an_empty_id_is_no_plans),
		cmocka_unit_test(a_file_may_have_any_name),
		cmocka_unit_test(one_key_has_one_text),
		cmocka_unit_test(keys_of_several_parts_are_arrays),
		cmocka_unit_test(a_pointer_finds_what_the_record_says),
		cmocka_unit_test(times_are_read_as_people_write_them),
		cmocka_unit_test(a_duration_is_a_time_ago),
		cmocka_unit_test(a_day_has_its_beginning_in_utc),
		cmocka_unit_test(a_file_that_is_not_there_is_not_made),
		cmocka_unit_test(a_record_that_is_damaged_is_told),
		cmocka_unit_test(the_environment_names_the_default),
		cmocka_unit_test(running_out_of_memory_is_an_error_like_others),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
