/*
 * Pulls of many records: read in batches, by tasks, on any number of P; and
 * what is the same in other bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"
#include "steps/args.h"
#include "steps/cmdb/decide.h"
#include "steps/cmdb/stage.h"
#include "steps/cmdb/steps_p.h"
#include "steps/cmdb/task.h"

#include <flo/panic.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* More than go round the ring of batches once, as each has so many bytes. */
#define MANY	7000
#define PADDING 900

/* Records 0 to @len - 1, a line each; every @nth has changed. */
static void add_records(struct flo__strbuf *sb, int len, int nth, int seen)
{
	for (int i = 0; i < len; i++)
		flo__strbuf_addf(sb,
				 "{\"id\":%d, \"pad\":\"%0*d\","
				 "\"n\":%d,\"seen\":%d}\n",
				 i, PADDING, i,
				 nth != 0 && i % nth == 0 ? -i : i % 100, seen);
	assert_int_equal(flo__strbuf_status(sb), FLO_OK);
}

static flo_value *pull_records(const char *db, const char *key, int len,
			       int nth, int seen)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *pull;

	add_records(&sb, len, nth, seen);
	pull = pull_text(db, key, sb.data);
	flo__strbuf_fini(&sb);
	return pull;
}

static flo_status diff_pull(const char *db, const char *key,
			    const flo_value *pull, const char *more,
			    flo_value **ret_diff)
{
	return fake_step(&fs, &flo__cmdb_diff, key, ret_diff,
			 "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":[\"/id\"],"
			 "\"guard\":false%s}",
			 db, out_text(pull, "pull"), more);
}

#define IGNORE ",\"ignore\":[\"/seen\"]"

static void load_first(const char *db)
{
	flo_value *pull = pull_records(db, "1", MANY, 0, 0);
	flo_value *diff = NULL;

	fake_ok(&fs, diff_pull(db, "1", pull, IGNORE, &diff));
	assert_int_equal(out_int(diff, "added"), MANY);
	flo_value_unref(apply_plan(db, diff));
	flo_value_unref(diff);
	flo_value_unref(pull);
}

/* All that pull and diff have written, but for ids and times. */
static char *dump_work(const char *db)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	add_rows(db, "SELECT id, body FROM body ORDER BY id", &sb);
	add_rows(db, "SELECT id, hex(records) FROM staged ORDER BY id", &sb);
	add_rows(db, "SELECT id, hex(keys) FROM unseen ORDER BY id", &sb);
	add_rows(db, "SELECT id, hex(keys), hex(bodies) FROM same ORDER BY id",
		 &sb);
	add_rows(db,
		 "SELECT id, op, hex(key), key_text, fields, before, after,"
		 " hex(raw), hex(digest) FROM change ORDER BY id",
		 &sb);
	return flo__strbuf_take(&sb);
}

/* A first load, then a pull of hits, of changes, and of what is the same. */
static char *work_on(const char *db, const struct flo_runtime_options *options)
{
	flo_value *pull, *diff = NULL;

	use_runtime(options);
	load_first(db);
	pull = pull_records(db, "2", MANY, 9, 1);
	fake_ok(&fs, diff_pull(db, "2", pull, IGNORE, &diff));
	expect_counters(diff, 0, (MANY + 8) / 9 - 1, 0,
			MANY - (MANY + 8) / 9 + 1, 0);
	flo_value_unref(diff);
	flo_value_unref(pull);
	return dump_work(db);
}

static void what_is_written_does_not_depend_on_the_schedule(void **state)
{
	static const struct flo_runtime_options others[] = {
		{.procs = 4, .shuffle_seed = 7},
		{.drive = FLO_DRIVE_DETERMINISTIC, .seed = 1},
		{.drive = FLO_DRIVE_DETERMINISTIC, .seed = 2},
	};
	const struct flo_runtime_options one = {.procs = 1};
	char *wanted;

	(void)state;
	wanted = work_on("s.db", &one);
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char name[16];
		char *got;

		snprintf(name, sizeof(name), "s%zu.db", i);
		got = work_on(name, &others[i]);
		assert_true(strcmp(got, wanted) == 0);
		flo_free(got);
	}
	flo_free(wanted);
	use_runtime(&(struct flo_runtime_options){.procs = 2});
}

static flo_status pull_broken(int first, int second, bool cut_off)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st;

	for (int i = 1; i <= 9000; i++)
		flo__strbuf_addf(&sb, "{\"id\":%s%d}\n",
				 i == first || i == second ? "x" : "", i);
	flo__strbuf_adds(&sb, cut_off ? "{\"id\":" : "");
	fake_text(&fs, "broken.json", sb.data);
	flo__strbuf_fini(&sb);
	st = fake_step(&fs, &flo__cmdb_pull, "b", NULL,
		       "{\"db\":\"b.db\",\"source\":\"vm\","
		       "\"file\":\"broken.json\"}");
	assert_int_equal(query("b.db", "SELECT count(*) FROM pull"), 0);
	assert_int_equal(query("b.db", "SELECT count(*) FROM body"), 0);
	return st;
}

static void the_first_broken_record_is_named(void **state)
{
	(void)state;
	assert_int_equal(pull_broken(6100, 6105, false), FLO_SYNTAX);
	assert_non_null(strstr(fs.err.text, "record 6100 (line 6100, byte "));
	assert_int_equal(pull_broken(6100, 1200, false), FLO_SYNTAX);
	assert_non_null(strstr(fs.err.text, "record 1200 (line 1200, byte "));
	/* What is wrong with the document comes after it. */
	assert_int_equal(pull_broken(8999, 9000, true), FLO_SYNTAX);
	assert_non_null(strstr(fs.err.text, "record 8999 (line 8999, byte "));
	assert_int_equal(pull_broken(0, 0, true), FLO_SYNTAX);
	assert_non_null(strstr(fs.err.text, "cut off"));
}

static void a_record_that_nests_too_deep_is_refused(void **state)
{
	char text[512];

	(void)state;
	memset(text, '[', 65);
	memset(text + 65, ']', 65);
	text[130] = '\0';
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "deep", NULL,
				   "{\"db\":\"deep.db\",\"source\":\"vm\","
				   "\"key\":[\"/id\"],\"records\":"
				   "[{\"id\":0},{\"id\":1,\"a\":%s}]}",
				   text),
			 FLO_LIMIT);
	assert_non_null(strstr(fs.err.text, "records: item 1: "));
}

static void what_is_the_same_in_other_bytes_is_not_staged(void **state)
{
	flo_value *pull, *diff = NULL;

	(void)state;
	load_first("w.db");
	pull = pull_records("w.db", "2", MANY, 0, 1);
	assert_int_equal(out_int(pull, "rows"), MANY);
	assert_true(query("w.db", "SELECT count(*) FROM same") > 0);
	assert_true(query("w.db", "SELECT sum(length(records)) / 52"
				  " FROM staged") < MANY);
	assert_int_equal(query("w.db", "SELECT (SELECT sum(length(records))"
				       "  / 52 FROM staged)"
				       " + (SELECT sum(length(keys)) / 16"
				       "    FROM same)"),
			 MANY);
	fake_ok(&fs, diff_pull("w.db", "2", pull, IGNORE, &diff));
	expect_counters(diff, 0, 0, 0, MANY, 0);
	flo_value_unref(apply_plan("w.db", diff));
	assert_int_equal(query("w.db", "SELECT count(*) FROM same"), 0);
	assert_int_equal(query("w.db", "SELECT count(*) FROM body"), MANY);
	flo_value_unref(diff);
	flo_value_unref(pull);
}

/* Twice: the second diff finds what the first has staged. */
static void a_changed_spec_looks_at_it_after_all(void **state)
{
	flo_value *pull, *diff = NULL;

	(void)state;
	load_first("a.db");
	pull = pull_records("a.db", "2", MANY, 0, 1);
	for (int i = 0; i < 2; i++) {
		fake_ok(&fs,
			diff_pull("a.db", i == 0 ? "2" : "3", pull, "", &diff));
		expect_counters(diff, 0, MANY, 0, 0, 0);
		assert_int_equal(query("a.db", "SELECT count(*) FROM same"), 0);
		assert_int_equal(query("a.db", "SELECT sum(length(records))"
					       " / 52 FROM staged"),
				 MANY);
		if (i == 1)
			flo_value_unref(apply_plan("a.db", diff));
		flo_value_unref(diff);
	}
	assert_int_equal(query("a.db", "SELECT count(*) FROM cmdb_current"
				       " WHERE body ->> 'seen' = 1"),
			 MANY);
	flo_value_unref(pull);
}

/* Also those that were packed, and without the space in them. */
static void what_has_changed_is_known_again_by_its_bytes(void **state)
{
	static const char map[] = ",\"map\":{\"id\":\"record.id\","
				  "\"pad\":\"record.pad\",\"seen\":"
				  "\"record.seen\"}";
	static const struct {
		int seen;
		const char *ignore;
		int64_t changed, raw_hits;
	} pulls[] = {
		{0, IGNORE, 0, 0},
		{1, "", MANY, 0},
		{1, "", 0, MANY},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pulls) / sizeof(pulls[0]); i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		flo_value *pull = NULL, *diff = NULL;
		char key[8];

		snprintf(key, sizeof(key), "%zu", i);
		add_records(&sb, MANY, 0, pulls[i].seen);
		fake_text(&fs, "k.json", sb.data);
		flo__strbuf_fini(&sb);
		fake_ok(&fs, fake_step(&fs, &flo__cmdb_pull, key, &pull,
				       "{\"db\":\"k.db\",\"source\":\"vm\","
				       "\"file\":\"k.json\"%s}",
				       map));
		assert_true((query("k.db", "SELECT count(*) FROM same") > 0) ==
			    (i == 1));
		fake_ok(&fs,
			diff_pull("k.db", key, pull, pulls[i].ignore, &diff));
		assert_int_equal(out_int(diff, "changed"), pulls[i].changed);
		assert_int_equal(out_int(diff, "raw_hits"), pulls[i].raw_hits);
		flo_value_unref(apply_plan("k.db", diff));
		flo_value_unref(diff);
		flo_value_unref(pull);
	}
}

/* Stage many records {id, `member`: 5}; the argument `plan` is applied after
 * the first of them, as by another run. */
static flo_status stage_late(struct flo__cdb *db, void *arg, flo_error *err)
{
	const char *member = NULL, *plan = NULL;
	const struct flo__place place = {.unit = NULL};
	struct flo__stage *stage = NULL;
	struct flo__cmdb_plan done;
	struct flo__pull pull;
	char text[PADDING + 64];
	bool applied;
	flo_status st;

	(void)flo__args_string(arg, "member", true, NULL, &member);
	(void)flo__args_string(arg, "plan", true, NULL, &plan);
	st = flo__stage_open(db, "vm", err, &stage);
	for (int i = 0; st == FLO_OK && i < MANY; i++) {
		int len = snprintf(text, sizeof(text),
				   "{\"id\":%d,\"%s\":5,\"pad\":\"%0*d\"}", i,
				   member, PADDING, i);

		st = flo__stage_add(stage, text, (size_t)len, &place, err);
		if (i == 0 && st == FLO_OK)
			st = flo__plan_apply(db, plan, err, &done, &applied);
	}
	if (st == FLO_OK)
		st = flo__stage_finish(stage, 0, err, &pull);
	flo__stage_close(stage);
	return st;
}

static flo_status run_late(flo_step_call *call, const flo_value *with,
			   flo_error *err, flo_value **ret_output)
{
	(void)ret_output;
	return flo__cmdb_told(flo__cmdb_with_db(call, with, stage_late,
						(void *)(uintptr_t)with, err),
			      err);
}

static flo_value *pull_members(const char *key, const char *member)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *pull;

	for (int i = 0; i < MANY; i++)
		flo__strbuf_addf(&sb, "{\"id\":%d,\"%s\":7,\"pad\":\"%0*d\"}\n",
				 i, member, PADDING, i);
	assert_int_equal(flo__strbuf_status(&sb), FLO_OK);
	pull = pull_text("sp.db", key, sb.data);
	flo__strbuf_fini(&sb);
	return pull;
}

/* What is the same without /b would be told to be so without /a. */
static void a_spec_applied_meanwhile_makes_nothing_the_same(void **state)
{
	static const flo_step_type late = {.name = "test.late",
					   .run = run_late};
	flo_value *pull = pull_members("1", "b"), *diff = NULL;
	char id[64];

	(void)state;
	fake_ok(&fs,
		diff_pull("sp.db", "1", pull, ",\"ignore\":[\"/a\"]", &diff));
	flo_value_unref(apply_plan("sp.db", diff));
	flo_value_unref(diff);
	flo_value_unref(pull);
	pull = pull_members("2", "b");
	fake_ok(&fs,
		diff_pull("sp.db", "2", pull, ",\"ignore\":[\"/b\"]", &diff));
	fake_ok(&fs, fake_step(&fs, &late, "3", NULL,
			       "{\"db\":\"sp.db\",\"member\":\"a\","
			       "\"plan\":\"%s\"}",
			       out_text(diff, "plan")));
	flo_value_unref(diff);
	flo_value_unref(pull);
	snprintf(id, sizeof(id), "%s",
		 query_text("sp.db", "SELECT id FROM pull ORDER BY no DESC"
				     " LIMIT 1"));
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, "3", &diff,
			       "{\"db\":\"sp.db\",\"pull\":\"%s\",\"key\":"
			       "[\"/id\"],\"guard\":false,\"ignore\":[\"/a\"]}",
			       id));
	expect_counters(diff, 0, MANY, 0, 0, 0);
	flo_value_unref(diff);
}

static void duplicates_among_the_same_are_found(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *pull;

	(void)state;
	load_first("d.db");
	add_records(&sb, MANY, 0, 1);
	flo__strbuf_addf(&sb,
			 "{\"id\":6999,\"pad\":\"%0*d\",\"n\":99,"
			 "\"seen\":2}\n",
			 PADDING, 6999);
	pull = pull_text("d.db", "2", sb.data);
	assert_int_equal(diff_pull("d.db", "2", pull, IGNORE, NULL),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "1 duplicate key: [6999]"));
	flo__strbuf_fini(&sb);
	flo_value_unref(pull);
}

static void packed_records_that_are_damaged_are_an_error(void **state)
{
	flo_value *pull;

	(void)state;
	load_first("x.db");
	pull = pull_records("x.db", "2", MANY, 0, 1);
	query("x.db", "UPDATE same SET bodies = CAST(x'28b52ffd' ||"
		      " substr(bodies, 9) AS BLOB)");
	assert_int_equal(diff_pull("x.db", "2", pull, "", NULL), FLO_CORRUPT);
	assert_non_null(strstr(fs.err.text, "pull again"));
	flo_value_unref(pull);
}

static void the_body_that_is_broken_is_named(void **state)
{
	char body[32];
	flo_value *pull;

	(void)state;
	pull = pull_text("n.db", "1", "[{\"id\":1},{\"id\":2},{\"id\":3}]");
	snprintf(body, sizeof(body), "body %s ",
		 query_text("n.db", "SELECT max(id) FROM body"));
	query("n.db", "UPDATE body SET body = '{' WHERE id ="
		      " (SELECT max(id) FROM body)");
	assert_int_equal(diff_pull("n.db", "2", pull, "", NULL), FLO_CORRUPT);
	assert_non_null(strstr(fs.err.text, body));
	flo_value_unref(pull);
}

static void running_out_of_memory_in_a_task_fails_the_step(void **state)
{
	static const char with[] = "{\"db\":\"m.db\",\"source\":\"vm\","
				   "\"file\":\"m.json\"}";
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	int failed = 0;

	(void)state;
	add_records(&sb, 1000, 0, 0);
	fake_text(&fs, "m.json", sb.data);
	flo__strbuf_fini(&sb);
	for (long n = 20; n < 600; n += 7) {
		flo_status st;

		fs.alloc_fail_at = n;
		st = fake_step(&fs, &flo__cmdb_pull, "m", NULL, with);
		fs.alloc_fail_at = 0;
		failed += st == FLO_NOMEM;
		assert_true(st == FLO_OK || st == FLO_NOMEM);
		assert_int_equal(query("m.db", "SELECT count(*) FROM pull"
					       " WHERE complete = 0"),
				 0);
	}
	assert_true(failed > 10);
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_pull, "m", NULL, with));
	assert_int_equal(query("m.db", "SELECT sum(length(records)) / 52"
				       " FROM staged"),
			 1000);
}

/* Tasks on their own */

/* Two threads read a half each, which is not to be when all is in one. */
static void a_state_is_read_whose_keys_are_in_one_half(void **state)
{
	static const char *const moves[] = {
		"UPDATE state SET key = CAST(x'00' || substr(key, 2) AS BLOB)",
		"UPDATE state SET key = CAST(x'ff' || substr(key, 2) AS BLOB)",
	};

	(void)state;
	load_first("half.db");
	for (size_t i = 0; i < 2; i++) {
		query("half.db", moves[i]);
		flo_value_unref(pull_records("half.db", i == 0 ? "2" : "3",
					     MANY, 0, 0));
		assert_int_equal(query("half.db", "SELECT hits FROM pull"
						  " ORDER BY no DESC LIMIT 1"),
				 MANY);
		assert_int_equal(query("half.db",
				       "SELECT count(*) FROM unseen"),
				 0);
	}
}

/* Ten times what is copied at once, in records of 100 kB. */
#define WAL_RECORDS 1700
#define WAL_PADDING 100000

/*
 * What is written goes into the database while a pull is read, so that its WAL
 * does not become as large as the pull.
 */
static void the_wal_of_a_large_pull_is_bounded(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	sqlite3 *other = NULL;
	char path[256];
	struct stat info;

	(void)state;
	flo_value_unref(pull_text("wal.db", "1", "[]"));
	/* Who has it open keeps the file. */
	snprintf(path, sizeof(path), "%s/wal.db", fs.dir);
	assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
	assert_int_equal(sqlite3_exec(other, "SELECT * FROM pull", NULL, NULL,
				      NULL),
			 SQLITE_OK);
	for (int i = 0; i < WAL_RECORDS; i++)
		flo__strbuf_addf(&sb, "{\"id\":%d,\"pad\":\"%0*d\"}\n", i,
				 WAL_PADDING, i);
	assert_int_equal(flo__strbuf_status(&sb), FLO_OK);
	flo_value_unref(pull_text("wal.db", "2", sb.data));
	flo__strbuf_fini(&sb);
	strcat(path, "-wal");
	assert_int_equal(stat(path, &info), 0);
	assert_true(info.st_size < 100 << 20);
	assert_int_equal(query("wal.db", "SELECT count(*) FROM body"),
			 WAL_RECORDS);
	sqlite3_close(other);
}

struct sum {
	struct flo__task task;
	int n;
	long sum;
};

static void add_up(struct flo__task *task)
{
	struct sum *sum = (struct sum *)task;

	if (sum->n < 0)
		flo_panic("cannot add up to %d", sum->n);
	for (int i = 1; i <= sum->n; i++)
		sum->sum += i;
}

static void add_up_many(void *arg)
{
	struct sum sum[20] = {{.n = 0}};
	long *all = arg;

	flo_blocking_begin();
	for (int i = 0; i < 20; i++) {
		sum[i].task.work = add_up;
		sum[i].n = i;
		flo__task_start(&sum[i].task);
	}
	for (int i = 0; i < 20; i++) {
		bool computing = i % 3 == 0;

		if (computing)
			flo__task_compute_begin();
		flo__task_wait(&sum[i].task, computing ? FLO__TASK_COMPUTING
						       : FLO__TASK_IN_REGION);
		if (computing)
			flo__task_compute_end();
		*all += sum[i].sum;
	}
	flo_blocking_end();
}

static void tasks_run_in_coroutines_and_on_threads(void **state)
{
	long in_coroutine = 0;
	long on_thread = 0;

	(void)state;
	assert_int_equal(flo_runtime_run(fs.rt, add_up_many, &in_coroutine),
			 FLO_OK);
	assert_int_equal(in_coroutine, 1330);
	add_up_many(&on_thread);
	assert_int_equal(on_thread, 1330);
}

/* Not on the owner's stack: the panic leaves that. */
static struct sum wrong;

static void wait_for_wrong(void *arg)
{
	(void)arg;
	flo_blocking_begin();
	flo__task_wait(&wrong.task, FLO__TASK_IN_REGION);
	flo_blocking_end();
}

static void try_wrong(void *arg)
{
	flo_error *err = arg;

	wrong = (struct sum){.task.work = add_up, .n = -3};
	flo__task_start(&wrong.task);
	(void)flo_try(wait_for_wrong, NULL, err);
}

static void a_panic_of_a_task_is_its_owners(void **state)
{
	flo_error err = FLO_ERROR_INIT;

	(void)state;
	assert_int_equal(flo_runtime_run(fs.rt, try_wrong, &err), FLO_OK);
	assert_int_equal(err.status, FLO_PANIC);
	assert_non_null(strstr(err.text, "cannot add up to -3"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			what_is_written_does_not_depend_on_the_schedule),
		cmocka_unit_test(the_first_broken_record_is_named),
		cmocka_unit_test(a_record_that_nests_too_deep_is_refused),
		cmocka_unit_test(what_is_the_same_in_other_bytes_is_not_staged),
		cmocka_unit_test(a_changed_spec_looks_at_it_after_all),
		cmocka_unit_test(what_has_changed_is_known_again_by_its_bytes),
		cmocka_unit_test(
			a_spec_applied_meanwhile_makes_nothing_the_same),
		cmocka_unit_test(duplicates_among_the_same_are_found),
		cmocka_unit_test(packed_records_that_are_damaged_are_an_error),
		cmocka_unit_test(the_body_that_is_broken_is_named),
		cmocka_unit_test(
			running_out_of_memory_in_a_task_fails_the_step),
		cmocka_unit_test(a_state_is_read_whose_keys_are_in_one_half),
		cmocka_unit_test(the_wal_of_a_large_pull_is_bounded),
		cmocka_unit_test(tasks_run_in_coroutines_and_on_threads),
		cmocka_unit_test(a_panic_of_a_task_is_its_owners),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
