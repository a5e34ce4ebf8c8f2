/*
 * What two connections read, a half each, is what one would read; and what a
 * diff and an apply do then.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"
#include "steps/cmdb/second.h"

#include <stdio.h>
#include <string.h>

/* Changes of which each kind is more than two connections are worth, and so
 * many records that these are looked up one by one. */
#define CHANGES FLO__SECOND_LOOKUPS
#define MANY	(40 * CHANGES)

/* Records @from to @to - 1; every 40th has changed to @n. */
static char *records(int from, int to, int n)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	for (int i = from; i < to; i++)
		flo__strbuf_addf(&sb, "{\"id\":%d,\"n\":%d}\n", i,
				 i % 40 == 0 ? n : 0);
	assert_int_equal(flo__strbuf_status(&sb), FLO_OK);
	return flo__strbuf_take(&sb);
}

static flo_value *diff_ok(const char *db, const char *key, const char *text)
{
	flo_value *diff = NULL;

	fake_ok(&fs, diff_text(db, key, text, ",\"guard\":false", &diff));
	return diff;
}

/* All that diff and apply have written, but for ids and times. */
static char *dump(const char *db)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	add_rows(db,
		 "SELECT id, op, hex(key), key_text, fields, before, after,"
		 " hex(raw), hex(digest), present FROM change ORDER BY id",
		 &sb);
	add_rows(db,
		 "SELECT hex(key), hex(raw), hex(digest), present, body"
		 " FROM state ORDER BY key",
		 &sb);
	add_rows(db, "SELECT id, key, from_plan FROM history ORDER BY id", &sb);
	add_rows(db, "SELECT id, key, to_plan FROM ended ORDER BY id", &sb);
	return flo__strbuf_take(&sb);
}

/* Load, and then change, add and remove so many each. */
static void work_on(const char *db, const struct flo_runtime_options *options)
{
	char *before = records(0, MANY, 0);
	char *after = records(CHANGES, MANY + CHANGES, 7);
	flo_value *diff;

	use_runtime(options);
	sync_text(db, "1", before);
	diff = diff_ok(db, "2", after);
	expect_counters(diff, CHANGES, CHANGES - (CHANGES + 39) / 40, CHANGES,
			MANY - 2 * CHANGES + (CHANGES + 39) / 40,
			MANY - 2 * CHANGES + (CHANGES + 39) / 40);
	assert_int_equal(out_int(diff, "fields"), out_int(diff, "changed"));
	flo_value_unref(apply_plan(db, diff));
	flo_value_unref(diff);
	flo_free(before);
	flo_free(after);
}

/* As the records say, which are in the bodies. */
static void expect_right(const char *db)
{
	assert_int_equal(query(db, "SELECT count(*) FROM cmdb_current"), MANY);
	assert_int_equal(query(db,
			       "SELECT count(*) FROM cmdb_current"
			       " WHERE key <> '[' || (body ->> '$.id') || ']'"),
			 0);
	assert_int_equal(query(db, "SELECT count(*) FROM cmdb_change c"
				   " WHERE key <> '[' ||"
				   "  (coalesce(after, before) ->> '$.id')"
				   "  || ']'"),
			 0);
	assert_int_equal(query(db, "SELECT count(*) FROM cmdb_change"
				   " WHERE (op = 'u') <>"
				   " (fields = '[\"/n\"]')"),
			 0);
	assert_int_equal(query(db, "SELECT count(*) FROM ended e"
				   " JOIN body b ON b.id = e.id WHERE e.key"
				   " <> '[' || (body ->> '$.id') || ']'"),
			 0);
	assert_int_equal(query(db, "SELECT count(*) FROM cmdb_history"
				   " WHERE valid_to IS NULL"),
			 MANY);
	assert_int_equal(query(db, "SELECT count(*) FROM ended"),
			 2 * CHANGES - (CHANGES + 39) / 40);
}

static void halves_make_a_whole(void **state)
{
	static const struct flo_runtime_options others[] = {
		{.procs = 4, .shuffle_seed = 7},
		{.drive = FLO_DRIVE_DETERMINISTIC, .seed = 1},
	};
	const struct flo_runtime_options one = {.procs = 1};
	char *wanted;

	(void)state;
	work_on("w.db", &one);
	expect_right("w.db");
	wanted = dump("w.db");
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		char name[16];
		char *got;

		snprintf(name, sizeof(name), "w%zu.db", i);
		work_on(name, &others[i]);
		got = dump(name);
		assert_true(strcmp(got, wanted) == 0);
		flo_free(got);
	}
	flo_free(wanted);
	use_runtime(&(struct flo_runtime_options){.procs = 2});
}

/* A connection */

static struct flo__cdb *open_db(const char *name)
{
	struct flo__cdb *db = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", fs.dir, name);
	assert_int_equal(flo__cdb_open_file(path, true, &fs.err, &db), FLO_OK);
	return db;
}

/* One that would see another state is none. */
static void a_second_one_sees_what_the_first_does(void **state)
{
	struct flo__cdb *db, *second = NULL;
	int64_t source;

	(void)state;
	sync_text("o.db", "1", "{\"id\":1}");
	source = query("o.db", "SELECT id FROM source");
	db = open_db("o.db");
	assert_int_equal(flo__cdb_read(db, &fs.err), FLO_OK);
	flo__second_open(db, source, &second);
	assert_non_null(second);
	flo__cdb_close(second);
	sync_text("o.db", "2", "{\"id\":2}");
	flo__second_open(db, source, &second);
	assert_null(second);
	flo__cdb_rollback(db);
	assert_int_equal(flo__cdb_read(db, &fs.err), FLO_OK);
	flo__second_open(db, source, &second);
	assert_non_null(second);
	flo__cdb_close(second);
	flo__cdb_close(db);
}

/* Halves */

struct tried {
	struct flo__half half;
	struct flo__cdb *first;
	int reads;
	bool fails_beside;
	bool fails;
};

static flo_status try_half(struct flo__half *half)
{
	struct tried *tried = (struct tried *)half;
	bool beside = half->db != tried->first;

	tried->reads++;
	if (beside && tried->fails_beside)
		return flo_error_set(&half->err, FLO_SYSTEM, "beside");
	if (tried->fails)
		return flo_error_set(&half->err, FLO_CORRUPT, "%d reads",
				     tried->reads);
	return FLO_OK;
}

static void what_fails_beside_is_read_by_the_first(void **state)
{
	static const struct {
		bool beside;
		bool fails_beside;
		bool fails[2];
		int reads[2];
		flo_status st;
		const char *text;
	} tries[] = {
		{true, false, {false, false}, {1, 1}, FLO_OK, ""},
		{false, true, {false, false}, {1, 1}, FLO_OK, ""},
		{true, true, {false, false}, {1, 2}, FLO_OK, ""},
		{true, true, {false, true}, {1, 2}, FLO_CORRUPT, "2 reads"},
		{true, false, {true, true}, {1, 1}, FLO_CORRUPT, "1 reads"},
		{false, false, {true, true}, {1, 0}, FLO_CORRUPT, "1 reads"},
	};
	struct flo__cdb *db;

	(void)state;
	sync_text("h.db", "1", "{\"id\":1}");
	db = open_db("h.db");
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct tried half[2] = {{.first = db}, {.first = db}};
		flo_error err = FLO_ERROR_INIT;
		int64_t source = query("h.db", "SELECT id FROM source");

		for (size_t n = 0; n < 2; n++) {
			half[n].half.read = try_half;
			half[n].fails = tries[i].fails[n];
			half[n].fails_beside = tries[i].fails_beside;
		}
		assert_int_equal(flo__cdb_read(db, &fs.err), FLO_OK);
		assert_int_equal(flo__half_both(&half[0].half, &half[1].half,
						db, source, tries[i].beside,
						&err),
				 tries[i].st);
		flo__cdb_rollback(db);
		assert_string_equal(err.text, tries[i].text);
		assert_int_equal(half[0].reads, tries[i].reads[0]);
		assert_int_equal(half[1].reads, tries[i].reads[1]);
	}
	flo__cdb_close(db);
}

/* Whoever lacked it: the plan is the one that it would be, or there is none. */
static void without_memory_the_other_half_is_read_again(void **state)
{
	char *before = records(0, MANY, 0);
	char *after = records(CHANGES, MANY + CHANGES, 7);
	int made = 0, failed = 0;

	(void)state;
	sync_text("m.db", "1", before);
	flo_value_unref(pull_text("m.db", "2", after));
	for (long n = 5; n < 120; n += 3) {
		flo_value *diff = NULL;
		char key[16];
		flo_status st;

		snprintf(key, sizeof(key), "d%ld", n);
		fs.alloc_fail_at = n;
		st = fake_step(&fs, &flo__cmdb_diff, key, &diff,
			       "{\"db\":\"m.db\",\"pull\":\"%s\","
			       "\"key\":[\"/id\"],\"guard\":false}",
			       query_text("m.db", "SELECT id FROM pull"
						  " ORDER BY no DESC LIMIT 1"));
		fs.alloc_fail_at = 0;
		assert_true(st == FLO_OK || st == FLO_NOMEM);
		failed += st == FLO_NOMEM;
		if (st != FLO_OK)
			continue;
		made++;
		assert_int_equal(out_int(diff, "added"), CHANGES);
		assert_int_equal(out_int(diff, "removed"), CHANGES);
		assert_int_equal(out_int(diff, "fields"),
				 out_int(diff, "changed"));
		flo_value_unref(diff);
		assert_int_equal(
			query("m.db",
			      "SELECT count(*) FROM cmdb_change c"
			      " WHERE plan = (SELECT id FROM plan"
			      "  ORDER BY no DESC LIMIT 1) AND key = '[' ||"
			      "  (coalesce(after, before) ->> '$.id') || ']'"),
			3 * CHANGES - (CHANGES + 39) / 40);
	}
	assert_true(failed > 3);
	assert_true(made > 3);
	flo_free(before);
	flo_free(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(halves_make_a_whole),
		cmocka_unit_test(a_second_one_sees_what_the_first_does),
		cmocka_unit_test(what_fails_beside_is_read_by_the_first),
		cmocka_unit_test(without_memory_the_other_half_is_read_again),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
