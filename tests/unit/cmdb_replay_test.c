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

		if (out_int(output, names[i]) != want)
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

static void guards_block_the_pull_with_a_new_key_field(void **state)
{
	char line[512], name[16];
	FILE *expected;

	(void)state;
	if (data == NULL)
		skip();
	expected = open_expected();
	for (int i = 0; i <= 6; i++) {
		flo_value *output = NULL;
		flo_status st;

		assert_non_null(fgets(line, sizeof(line), expected));
		snprintf(name, sizeof(name), "%.9s", line);
		st = diff("guarded.db", name, "", &output);
		assert_int_equal(st, i == 6 ? FLO_BLOCKED : FLO_OK);
		if (st == FLO_OK)
			apply("guarded.db", output);
		flo_value_unref(output);
	}
	fclose(expected);
	print_message("%s: %s\n", name, fs.err.text);
	assert_non_null(strstr(fs.err.text, "guard key_field,removed"));
	assert_non_null(strstr(fs.err.text, "/network_border_group"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_is_as_expected),
		cmocka_unit_test(guards_block_the_pull_with_a_new_key_field),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
