/* `map` and `where` of cmdb.pull. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include <stdio.h>
#include <string.h>

/* Pull @text with @more, which begins with a comma. */
static flo_status pull_as(const char *db, const char *key, const char *text,
			  const char *more, flo_value **ret_pull)
{
	fake_text(&fs, "pull.json", text);
	return fake_step(&fs, &flo__cmdb_pull, key, ret_pull,
			 "{\"db\":\"%s\",\"source\":\"vm\",\"file\":"
			 "\"pull.json\"%s}",
			 db, more);
}

/* Pull, diff by /id and apply; the diff's output is the caller's. */
static flo_value *sync_as(const char *db, const char *key, const char *text,
			  const char *more)
{
	flo_value *pull = NULL, *diff = NULL;

	fake_ok(&fs, pull_as(db, key, text, more, &pull));
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, key, &diff,
			       "{\"db\":\"%s\",\"pull\":\"%s\",\"key\":"
			       "[\"/id\"],\"guard\":false}",
			       db, out_text(pull, "pull")));
	flo_value_unref(apply_plan(db, diff));
	flo_value_unref(pull);
	return diff;
}

/* The same, and the counters of the diff are @want. */
static void syncs(const char *db, const char *key, const char *text,
		  const char *more, const char *want)
{
	flo_value *diff = sync_as(db, key, text, more);
	char got[128];

	snprintf(got, sizeof(got), "+%lld ~%lld -%lld =%lld hits %lld out %lld",
		 (long long)out_int(diff, "added"),
		 (long long)out_int(diff, "changed"),
		 (long long)out_int(diff, "removed"),
		 (long long)out_int(diff, "same"),
		 (long long)out_int(diff, "raw_hits"),
		 (long long)out_int(diff, "rejected"));
	assert_string_equal(got, want);
	flo_value_unref(diff);
}

static void expect_state(const char *db, const char *want)
{
	assert_string_equal(query_text(db, "SELECT group_concat(body, ' ') FROM"
					   " (SELECT body FROM cmdb_current"
					   "  ORDER BY key)"),
			    want);
}

static const char servers[] =
	"[{\"instanceId\":\"i-1\",\"labels\":{\"svc\":\"web\"},\"state\":\"up\"},"
	"{\"instanceId\":\"i-2\",\"labels\":null,\"state\":\"gone\"},"
	"{\"instanceId\":\"i-3\",\"state\":\"up\"}]";

#define ID "\"id\":\"record.instanceId\""

static void map_makes_the_fields_of_what_is_stored(void **state)
{
	(void)state;
	flo_value_unref(sync_as(
		"m.db", "1", servers,
		",\"map\":{" ID ",\"tags\":\"has(record.labels) ? "
		"record.labels : {}\",\"kind\":\"'vm'\",\"up\":"
		"\"record.state == 'up'\",\"n\":\"size(record.state) * 2\"}"));
	expect_state("m.db",
		     "{\"id\":\"i-1\",\"tags\":{\"svc\":\"web\"},\"kind\":"
		     "\"vm\",\"up\":true,\"n\":4} "
		     "{\"id\":\"i-2\",\"tags\":null,\"kind\":\"vm\",\"up\":"
		     "false,\"n\":8} "
		     "{\"id\":\"i-3\",\"tags\":{},\"kind\":\"vm\",\"up\":true,"
		     "\"n\":4}");
}

static void where_leaves_records_out_and_counts_them(void **state)
{
	flo_value *pull = NULL;

	(void)state;
	fake_ok(&fs, pull_as("w.db", "1", servers,
			     ",\"where\":\"record.state != 'gone'\"", &pull));
	assert_int_equal(out_int(pull, "rows"), 2);
	assert_int_equal(out_int(pull, "rejected"), 1);
	assert_int_equal(out_int(pull, "bytes"), strlen(servers));
	flo_value_unref(pull);
	assert_non_null(strstr(fs.log, "pulled 2 records of vm"));
	assert_non_null(strstr(fs.log, "rejected 1 record of vm"));
	assert_int_equal(query("w.db", "SELECT rejected FROM pull"), 1);
	assert_int_equal(query("w.db", "SELECT count(*) FROM body"), 2);
	syncs("w.db", "2", servers,
	      ",\"where\":\"record.state != 'gone'\",\"map\":{" ID "}",
	      "+2 ~0 -0 =0 hits 0 out 1");
	assert_int_equal(query("w.db", "SELECT rejected FROM plan"), 1);
}

static void what_is_left_out_is_removed(void **state)
{
	static const char map[] = ",\"map\":{" ID "}";

	(void)state;
	syncs("r.db", "1", servers, map, "+3 ~0 -0 =0 hits 0 out 0");
	syncs("r.db", "2", servers,
	      ",\"where\":\"record.state == 'up'\",\"map\":{" ID "}",
	      "+0 ~0 -1 =2 hits 0 out 1");
	expect_state("r.db", "{\"id\":\"i-1\"} {\"id\":\"i-3\"}");
}

static void all_that_is_left_out_is_an_empty_pull(void **state)
{
	flo_value *pull = NULL;

	(void)state;
	syncs("e.db", "1", servers, ",\"map\":{" ID "}",
	      "+3 ~0 -0 =0 hits 0 out 0");
	fake_ok(&fs,
		pull_as("e.db", "2", servers, ",\"where\":\"false\"", &pull));
	assert_int_equal(fake_step(&fs, &flo__cmdb_diff, "2", NULL,
				   "{\"db\":\"e.db\",\"pull\":\"%s\",\"key\":"
				   "[\"/id\"]}",
				   out_text(pull, "pull")),
			 FLO_BLOCKED);
	assert_non_null(strstr(fs.err.text, "guard empty_pull"));
	flo_value_unref(pull);
}

static void records_that_are_known_are_not_mapped_again(void **state)
{
	static const char one[] = ",\"where\":\"record.state == 'up'\","
				  "\"map\":{" ID ",\"s\":\"record.state\"}";
	static const char other[] = ",\"where\":\"record.state == 'up'\","
				    "\"map\":{" ID ",\"s\":\"'is ' + "
				    "record.state\"}";

	(void)state;
	syncs("k.db", "1", servers, one, "+2 ~0 -0 =0 hits 0 out 1");
	syncs("k.db", "2", servers, one, "+0 ~0 -0 =2 hits 2 out 1");
	/* Another map may make something else of the same bytes. */
	syncs("k.db", "3", servers, other, "+0 ~2 -0 =0 hits 0 out 1");
	syncs("k.db", "4", servers, other, "+0 ~0 -0 =2 hits 2 out 1");
	expect_state("k.db", "{\"id\":\"i-1\",\"s\":\"is up\"} "
			     "{\"id\":\"i-3\",\"s\":\"is up\"}");
}

/* Also where the other map makes the same of them. */
static void another_map_is_paid_for_once(void **state)
{
	static const char one[] = ",\"map\":{" ID "}";
	static const char other[] = ",\"map\":{\"id\":\"record.instanceId + "
				    "''\"}";

	(void)state;
	syncs("p.db", "1", servers, one, "+3 ~0 -0 =0 hits 0 out 0");
	syncs("p.db", "2", servers, other, "+0 ~0 -0 =3 hits 0 out 0");
	syncs("p.db", "3", servers, other, "+0 ~0 -0 =3 hits 3 out 0");
	syncs("p.db", "4", servers, one, "+0 ~0 -0 =3 hits 0 out 0");
	syncs("p.db", "5", servers, one, "+0 ~0 -0 =3 hits 3 out 0");
	/* What differs in bytes only stays as it is stored. */
	syncs("p.db", "6",
	      "[{\"instanceId\":\"i-1\",\"seen\":1},{\"instanceId\":"
	      "\"i-2\",\"seen\":1},{\"instanceId\":\"i-3\",\"seen\":1}]",
	      one, "+0 ~0 -0 =3 hits 0 out 0");
	syncs("p.db", "7", servers, one, "+0 ~0 -0 =3 hits 3 out 0");
}

/* More of them than the stage looks at before it decides how to go on. */
static void hits_of(const char *key, const char *more, const char *ignore,
		    int64_t want)
{
	flo_value *pull = NULL, *diff = NULL;

	fake_ok(&fs, pull_as("b.db", key, servers, more, &pull));
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, key, &diff,
			       "{\"db\":\"b.db\",\"pull\":\"%s\",\"key\":"
			       "[\"/id\"],\"ignore\":%s,\"guard\":false}",
			       out_text(pull, "pull"), ignore));
	flo_value_unref(apply_plan("b.db", diff));
	assert_int_equal(out_int(diff, "raw_hits"), want);
	flo_value_unref(pull);
	flo_value_unref(diff);
}

static void another_map_and_another_spec_at_once_are_paid_for(void **state)
{
	static const char map[] = ",\"map\":{" ID ",\"s\":\"record.state\"}";
	static const char map_2[] =
		",\"map\":{" ID ",\"s\":\"record.state + ''\"}";

	(void)state;
	hits_of("1", map, "[]", 0);
	hits_of("2", map, "[]", 3);
	hits_of("3", map_2, "[\"/x\"]", 0);
	hits_of("4", map_2, "[\"/x\"]", 0);
	hits_of("5", map_2, "[\"/x\"]", 3);
}

static void another_map_of_many_is_paid_for_once(void **state)
{
	static const char one[] = ",\"map\":{\"id\":\"record.id\"}";
	static const char other[] = ",\"map\":{\"id\":\"record.id + 0\"}";
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	for (int i = 0; i < 60000; i++)
		flo__strbuf_addf(&sb, "{\"id\":%d}\n", i);
	syncs("q.db", "1", sb.data, one, "+60000 ~0 -0 =0 hits 0 out 0");
	syncs("q.db", "2", sb.data, other, "+0 ~0 -0 =60000 hits 0 out 0");
	syncs("q.db", "3", sb.data, other, "+0 ~0 -0 =60000 hits 60000 out 0");
	assert_int_equal(query("q.db", "SELECT hits FROM pull ORDER BY no DESC"
				       " LIMIT 1"),
			 60000);
	assert_int_equal(query("q.db", "SELECT count(*) FROM body"), 60000);
	flo__strbuf_fini(&sb);
}

static void another_where_asks_every_record_again(void **state)
{
	static const char plain[] = "[{\"id\":1,\"n\":1},{\"id\":2,\"n\":2}]";

	(void)state;
	syncs("o.db", "1", plain, "", "+2 ~0 -0 =0 hits 0 out 0");
	syncs("o.db", "2", plain, ",\"where\":\"record.n < 2\"",
	      "+0 ~0 -1 =1 hits 0 out 1");
	syncs("o.db", "3", plain, "", "+1 ~0 -0 =1 hits 0 out 0");
}

static void an_expression_that_fails_names_the_record(void **state)
{
	static const struct {
		const char *more;
		flo_status st;
		const char *says;
	} cases[] = {
		{",\"map\":{\"id\":\"record.instanceId\",\"l\":"
		 "\"record.labels\"}",
		 FLO_NOTFOUND,
		 "pull vm from pull.json: record 3 (byte 108): map \"l\": "
		 "`record.labels`: no such key \"labels\"; the record is "
		 "{\"instanceId\":\"i-3\",\"state\":\"up\"}"},
		{",\"where\":\"record.labels.svc == 'web'\"", FLO_TYPE,
		 "record 2 (byte 58): where: `record.labels.svc == 'web'`: "
		 "cannot select \"svc\" from null; the record is "},
		{",\"where\":\"record.state\"", FLO_TYPE,
		 "record 1 (byte 1): where: `record.state`: must be true or "
		 "false, but is a string; the record is {\"instanceId\""},
		{",\"map\":{\"n\":\"9223372036854775807 + size(record)\"}",
		 FLO_RANGE, "record 1 (byte 1): map \"n\": "},
	};

	(void)state;
	sync_text("f.db", "0", "[{\"id\":1}]");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flo_status st =
			pull_as("f.db", "1", servers, cases[i].more, NULL);

		if (st != cases[i].st ||
		    strstr(fs.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s: %s", cases[i].more,
				 flo_status_name(st), fs.err.text);
		assert_int_equal(query("f.db", "SELECT count(*) FROM pull"), 1);
		assert_int_equal(query("f.db", "SELECT count(*) FROM body"), 1);
	}
}

static void a_long_record_is_shortened_in_the_error(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__strbuf_adds(&sb, "[{\"id\":1,\"text\":\"");
	for (int i = 0; i < 5000; i++)
		flo__strbuf_adds(&sb, "\xc3\xa9");
	flo__strbuf_adds(&sb, "\"}]");
	assert_int_equal(pull_as("l.db", "1", sb.data,
				 ",\"where\":\"record.x\"", NULL),
			 FLO_NOTFOUND);
	assert_true(strlen(fs.err.text) < 500);
	assert_string_equal(fs.err.text + strlen(fs.err.text) - 5,
			    "\xc3\xa9...");
	flo__strbuf_fini(&sb);
}

static void what_a_map_makes_has_the_limits_of_a_record(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__strbuf_adds(&sb, "[{\"id\":1,\"deep\":");
	for (int i = 0; i < 62; i++)
		flo__strbuf_adds(&sb, "[");
	for (int i = 0; i < 62; i++)
		flo__strbuf_adds(&sb, "]");
	flo__strbuf_adds(&sb, "}]");
	flo_value *pull = NULL;

	fake_ok(&fs, pull_as("d.db", "1", sb.data,
			     ",\"map\":{\"id\":\"[record.deep]\"}", &pull));
	flo_value_unref(pull);
	assert_int_equal(pull_as("d.db", "1", sb.data,
				 ",\"map\":{\"id\":\"[[record.deep]]\"}", NULL),
			 FLO_LIMIT);
	assert_non_null(strstr(fs.err.text, "record 1 (byte 1): map makes a "
					    "record that nests deeper than 64 "
					    "levels"));
	flo__strbuf_fini(&sb);
}

/* CEL has no integers beyond 64 bits; what is not mapped stays exact. */
static void where_alone_leaves_records_as_they_are(void **state)
{
	static const char text[] =
		"[{ \"id\": 1, \"n\": 123456789012345678901234567890 }]";

	(void)state;
	flo_value_unref(
		sync_as("h.db", "1", text, ",\"where\":\"record.id == 1\""));
	expect_state("h.db", "{\"id\":1,\"n\":123456789012345678901234567890}");
}

static void an_expression_sees_the_record_and_nothing_else(void **state)
{
	static const char *const names[] = {"params.x",	      "env.HOME",
					    "secrets.token",  "run.id",
					    "steps.a.output", "item"};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char more[128];

		snprintf(more, sizeof(more), ",\"map\":{\"id\":\"%s\"}",
			 names[i]);
		assert_int_equal(pull_as("s.db", "1", "[]", more, NULL),
				 FLO_SYNTAX);
		assert_non_null(strstr(fs.err.text, "map \"id\": there is no "
						    "variable"));
		assert_non_null(strstr(fs.err.text, "`record` can be used"));
	}
}

static void an_endless_looking_expression_has_an_end(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__strbuf_adds(&sb, "[{\"id\":1,\"l\":[0");
	for (int i = 1; i < 2000; i++)
		flo__strbuf_addf(&sb, ",%d", i);
	flo__strbuf_adds(&sb, "]}]");
	assert_int_equal(
		pull_as("c.db", "1", sb.data,
			",\"where\":\"record.l.all(a, record.l.all(b, a + b >= "
			"0))\"",
			NULL),
		FLO_LIMIT);
	assert_non_null(strstr(fs.err.text, "too many operations"));
	flo__strbuf_fini(&sb);
}

static void a_pull_ends_in_the_middle_of_its_records(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_context *alive = fs.context;
	flo_status st;

	(void)state;
	sync_text("t.db", "0", "[{\"id\":1}]");
	for (int n = 0; n < 4000; n++) {
		flo__strbuf_addf(&sb, "{\"id\":%d,\"l\":[0", n);
		for (int i = 1; i < 100; i++)
			flo__strbuf_addf(&sb, ",%d", i);
		flo__strbuf_adds(&sb, "]}\n");
	}
	fake_text(&fs, "slow.json", sb.data);
	flo__strbuf_fini(&sb);
	fs.context = flo_context_timeout(alive, UINT64_C(50000000), "limit");
	st = fake_step(&fs, &flo__cmdb_pull, "slow", NULL,
		       "{\"db\":\"t.db\",\"source\":\"vm\",\"file\":"
		       "\"slow.json\",\"where\":\"!record.l.all(a, "
		       "record.l.all(b, a + b >= 0))\"}");
	flo_context_unref(fs.context);
	fs.context = alive;
	assert_int_equal(st, FLO_TIMEOUT);
	assert_int_equal(query("t.db", "SELECT count(*) FROM pull"), 1);
	assert_int_equal(query("t.db", "SELECT count(*) FROM body"), 1);
}

static void running_out_of_memory_leaves_nothing(void **state)
{
	static const char with[] =
		"{\"db\":\"n.db\",\"source\":\"vm\",\"file\":\"n.json\","
		"\"where\":\"record.state == 'up'\",\"map\":{" ID
		",\"s\":\"record.state.upperAscii()\"}}";
	flo_status st = FLO_NOMEM;

	(void)state;
	sync_text("n.db", "0", "[{\"id\":1}]");
	fake_text(&fs, "n.json", servers);
	for (long n = 1; st != FLO_OK; n++) {
		fs.alloc_fail_at = n;
		st = fake_step(&fs, &flo__cmdb_pull, "nomem", NULL, "%s", with);
		fs.alloc_fail_at = 0;
		if (st != FLO_OK && st != FLO_NOMEM)
			fail_msg("allocation %ld: %s: %s", n,
				 flo_status_name(st), fs.err.text);
		/* What could not be told may have been done. */
		assert_int_equal(query("n.db", "SELECT count(*) FROM pull"
					       " WHERE complete = 0"),
				 0);
	}
	assert_string_equal(query_text("n.db", "SELECT group_concat(body, ' ')"
					       " FROM body"),
			    "{\"id\":1} {\"id\":\"i-1\",\"s\":\"UP\"} "
			    "{\"id\":\"i-3\",\"s\":\"UP\"}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_makes_the_fields_of_what_is_stored),
		cmocka_unit_test(where_leaves_records_out_and_counts_them),
		cmocka_unit_test(what_is_left_out_is_removed),
		cmocka_unit_test(all_that_is_left_out_is_an_empty_pull),
		cmocka_unit_test(records_that_are_known_are_not_mapped_again),
		cmocka_unit_test(another_map_is_paid_for_once),
		cmocka_unit_test(another_map_of_many_is_paid_for_once),
		cmocka_unit_test(
			another_map_and_another_spec_at_once_are_paid_for),
		cmocka_unit_test(another_where_asks_every_record_again),
		cmocka_unit_test(an_expression_that_fails_names_the_record),
		cmocka_unit_test(a_long_record_is_shortened_in_the_error),
		cmocka_unit_test(what_a_map_makes_has_the_limits_of_a_record),
		cmocka_unit_test(where_alone_leaves_records_as_they_are),
		cmocka_unit_test(
			an_expression_sees_the_record_and_nothing_else),
		cmocka_unit_test(an_endless_looking_expression_has_an_end),
		cmocka_unit_test(a_pull_ends_in_the_middle_of_its_records),
		cmocka_unit_test(running_out_of_memory_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
