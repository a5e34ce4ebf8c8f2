/*
 * The 172 pulls of a real inventory, replayed, against the counters of an
 * independent implementation.
 *
 * The data is not part of the project: FLO_TEST_AWS_DATA names a directory with
 * expected.tsv and the pulls 0000.json, 0001.json, ... (in it, or in "pulls"
 * below it). Without it the test is skipped.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake_step.h"
#include "steps/cmdb/cmdb.h"

#include <flo/cmdb.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY                                                                    \
	"[\"/ip_prefix\",\"/ipv6_prefix\",\"/region\",\"/service\","           \
	"\"/network_border_group\"]"

static struct fake_steps fs;
static const char *data;

static int set_up(void **state)
{
	(void)state;
	fake_steps_init(&fs);
	data = getenv("FLO_TEST_AWS_DATA");
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fake_steps_fini(&fs);
	return 0;
}

static FILE *open_expected(void)
{
	char path[512];
	char line[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/expected.tsv", data);
	file = fopen(path, "r");
	if (file == NULL)
		fail_msg("cannot open %s", path);
	assert_non_null(fgets(line, sizeof(line), file));
	return file;
}

static void find_pull(const char *name, char *ret_path, size_t size)
{
	snprintf(ret_path, size, "%s/pulls/%s", data, name);
	if (access(ret_path, R_OK) != 0)
		snprintf(ret_path, size, "%s/%s", data, name);
}

/* Pull and diff one file; the outputs are the caller's. */
static flo_status diff(const char *db, const char *name, const char *guard,
		       flo_value **ret_diff)
{
	char key[64], path[512];
	flo_value *pull = NULL;
	flo_status st;

	find_pull(name, path, sizeof(path));
	snprintf(key, sizeof(key), "%s/%s", db, name);
	st = fake_step(&fs, &flo__cmdb_pull, key, &pull,
		       "{\"db\":\"%s\",\"source\":\"aws\",\"file\":\"%s\","
		       "\"records\":[\"/prefixes\",\"/ipv6_prefixes\"]}",
		       db, path);
	if (st != FLO_OK)
		return st;
	st = fake_step(&fs, &flo__cmdb_diff, key, ret_diff,
		       "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":" KEY ","
		       "\"null_key\":\"allow\"%s}",
		       db, out_text(pull, "pull"), guard);
	flo_value_unref(pull);
	return st;
}

static void apply(const char *db, const flo_value *plan)
{
	flo_value *output = NULL;

	fake_ok(&fs, fake_step(&fs, &flo__cmdb_apply, "apply", &output,
			       "{\"db\":\"%s\",\"plan\":\"%s\"}", db,
			       out_text(plan, "plan")));
	assert_true(out_bool(output, "applied"));
	flo_value_unref(output);
}

/* Compare counters with a line of expected.tsv. */
static void check(const char *line, const flo_value *output)
{
	static const char *const names[] = {"rows",    "dup_keys", "added",
					    "changed", "removed",  "same",
					    "fields"};
	char copy[512];
	char *save = NULL;

	snprintf(copy, sizeof(copy), "%s", line);
	strtok_r(copy, "\t", &save); /* pull */
	strtok_r(NULL, "\t", &save); /* status */
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		long long want = atoll(strtok_r(NULL, "\t", &save));

		/* There is no plan with duplicates, so plans do not tell. */
		if (i == 1 && flo_value_map_get(output, names[i]) == NULL)
			assert_int_equal(want, 0);
		else if (out_int(output, names[i]) != want)
			fail_msg("%.9s: %s is %lld, not %lld", line, names[i],
				 (long long)out_int(output, names[i]), want);
	}
}

static void every_counter_is_as_expected(void **state)
{
	char line[512], name[16];
	unsigned ok = 0, bad = 0;
	FILE *expected;

	(void)state;
	if (data == NULL) {
		print_message("skipped: FLO_TEST_AWS_DATA is not set\n");
		skip();
	}
	expected = open_expected();
	while (fgets(line, sizeof(line), expected) != NULL) {
		flo_value *output = NULL, *again = NULL;

		snprintf(name, sizeof(name), "%.9s", line);
		if (strncmp(line + 10, "ok", 2) != 0) {
			assert_int_not_equal(diff("aws.db", name,
						  ",\"guard\":false", &output),
					     FLO_OK);
			bad++;
			continue;
		}
		if (diff("aws.db", name, ",\"guard\":false", &output) != FLO_OK)
			fail_msg("%s: %s", name, fs.err.text);
		check(line, output);
		apply("aws.db", output);
		/* The second pass over the same document changes nothing. */
		fs.run_id = "again";
		find_pull(name, line, sizeof(line));
		assert_int_equal(
			fake_step(&fs, &flo__cmdb_pull, "again", &again,
				  "{\"db\":\"aws.db\",\"source\":\"aws\","
				  "\"file\":\"%s\",\"records\":[\"/prefixes\","
				  "\"/ipv6_prefixes\"]}",
				  line),
			FLO_OK);
		flo_value_unref(output);
		assert_int_equal(
			fake_step(
				&fs, &flo__cmdb_diff, "again", &output,
				"{\"db\":\"aws.db\",\"pull\":\"%s\",\"key\":" KEY
				",\"null_key\":\"allow\"}",
				out_text(again, "pull")),
			FLO_OK);
		assert_int_equal(out_int(output, "added"), 0);
		assert_int_equal(out_int(output, "changed"), 0);
		assert_int_equal(out_int(output, "removed"), 0);
		assert_int_equal(out_int(output, "raw_hits"),
				 out_int(output, "rows"));
		flo_value_unref(again);
		flo_value_unref(output);
		ok++;
	}
	fclose(expected);
	print_message("%u pulls equal, %u refused\n", ok, bad);
	assert_true(ok != 0);
}

/* Approve the plan that waits, as a person would, and apply it. */
static flo_value *approve(flo_cmdb *cmdb)
{
	struct flo_cmdb_plans_options options = {.blocked = true};
	flo_value *plans = NULL, *plan = NULL;
	flo_error err = FLO_ERROR_INIT;
	bool before, applied = false;
	const char *id;

	if (flo_cmdb_plans(cmdb, &options, &err, &plans) != FLO_OK)
		fail_msg("%s", err.text);
	assert_int_equal(flo_value_len(plans), 1);
	id = out_text(flo_value_list_at(plans, 0), "plan");
	if (flo_cmdb_decide(cmdb, id, FLO_CMDB_APPROVE, "tester", NULL, &err,
			    &plan, &before) != FLO_OK ||
	    flo_cmdb_apply(cmdb, id, &err, &applied) != FLO_OK)
		fail_msg("%s", err.text);
	assert_true(applied);
	flo_value_unref(plans);
	return plan;
}

/* Pull 0006 is the one in which a key field appears. */
static void check_reason(const char *name)
{
	if (strcmp(name, "0006.json") != 0)
		return;
	assert_non_null(strstr(fs.err.text, "guard key_field,removed"));
	assert_non_null(strstr(fs.err.text, "/network_border_group"));
}

static void guards_block_what_a_person_lets_through(void **state)
{
	char line[512], name[16], path[256];
	unsigned blocked = 0;
	flo_cmdb *cmdb = NULL;
	FILE *expected;

	(void)state;
	if (data == NULL) {
		print_message("skipped: FLO_TEST_AWS_DATA is not set\n");
		skip();
	}
	expected = open_expected();
	snprintf(path, sizeof(path), "%s/guarded.db", fs.dir);
	while (fgets(line, sizeof(line), expected) != NULL) {
		flo_value *output = NULL;
		flo_status st;

		snprintf(name, sizeof(name), "%.9s", line);
		if (strncmp(line + 10, "ok", 2) != 0)
			continue;
		st = diff("guarded.db", name, "", &output);
		if (st == FLO_OK) {
			check(line, output);
			apply("guarded.db", output);
		} else {
			print_message("%s: %s\n", name, fs.err.text);
			assert_int_equal(st, FLO_BLOCKED);
			check_reason(name);
			if (cmdb == NULL &&
			    flo_cmdb_open(path, FLO_CMDB_WRITE, &fs.err,
					  &cmdb) != FLO_OK)
				fail_msg("%s", fs.err.text);
			output = approve(cmdb);
			check(line, output);
			blocked++;
		}
		if (strcmp(name, "0006.json") == 0)
			assert_int_equal(st, FLO_BLOCKED);
		flo_value_unref(output);
	}
	fclose(expected);
	flo_cmdb_close(cmdb);
	print_message("%u pulls needed an approval\n", blocked);
	assert_true(blocked != 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_is_as_expected),
		cmocka_unit_test(guards_block_what_a_person_lets_through),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
