/* cmdb.export in columns: which there are, of what type, with what in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"
#include "steps/cmdb/fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static flo_status export(const char *db, const flo_value *diff,
			 const char *format, const char *more,
			 flo_value **ret_output)
{
	return fake_step(&fs, &flo__cmdb_export, "export", ret_output,
			 "{\"db\":\"%s\",\"plan\":\"%s\",\"format\":\"%s\","
			 "\"root\":\"out\"%s}",
			 db, out_text(diff, "plan"), format, more);
}

static size_t read_bytes(const char *path, char *bytes, size_t size)
{
	FILE *file = fopen(path, "r");
	size_t len;

	if (file == NULL)
		fail_msg("cannot open %s", path);
	len = fread(bytes, 1, size - 1, file);
	bytes[len] = '\0';
	fclose(file);
	return len;
}

/* Export a new pull of @text as CSV and give the file. */
static const char *csv_of(const char *db, const char *key, const char *text)
{
	static char bytes[16384];
	flo_value *diff = NULL, *output = NULL;
	size_t len;

	fake_ok(&fs, diff_text(db, key, text, ",\"guard\":false", &diff));
	fake_ok(&fs, export(db, diff, "csv", "", &output));
	len = read_bytes(out_text(output, "path"), bytes, sizeof(bytes));
	assert_int_equal(out_int(output, "bytes"), len);
	flo_value_unref(output);
	flo_value_unref(diff);
	return bytes;
}

/* Cut the columns that differ from run to run off a line: keep the fields. */
static const char *fields_of(const char *csv, int line)
{
	static char fields[1024];
	int commas = 0;

	for (; line > 0; line--)
		csv = strstr(csv, "\r\n") + 2;
	for (; commas < 7; csv++)
		commas += *csv == ',';
	snprintf(fields, sizeof(fields), "%.*s", (int)strcspn(csv, "\r"), csv);
	return fields;
}

static const char *type_of(const char *db, const char *field)
{
	char sql[128];

	snprintf(sql, sizeof(sql),
		 "SELECT type FROM export_field WHERE name = '%s'", field);
	return query_text(db, sql);
}

static void changes_have_a_column_for_each_field(void **state)
{
	const char *csv;

	(void)state;
	csv = csv_of("c.db", "1", "[{\"id\":1,\"up\":true,\"l\":0.5}]");
	assert_ptr_equal(strstr(csv, "_op,_key,_pull_id,_run_id,_trace_id,_ts,"
				     "_fields,old_id,old_up,old_l,new_id,"
				     "new_up,new_l\r\nc,[1],"),
			 csv);
	assert_string_equal(fields_of(csv, 1), ",,,1,true,0.5");
}

static void null_and_an_empty_text_differ(void **state)
{
	(void)state;
	csv_of("n.db", "1", "[{\"id\":1,\"a\":\"x\"}]");
	assert_string_equal(
		fields_of(csv_of("n.db", "2", "[{\"id\":2,\"a\":\"\"}]"), 1),
		",,2,\"\"");
	assert_string_equal(
		fields_of(csv_of("n.db", "3", "[{\"id\":3,\"a\":null}]"), 1),
		",,3,");
}

static void csv_quotes_what_needs_it(void **state)
{
	const char *csv = csv_of("q.db", "1",
				 "[{\"id\":1,\"a,\\\"b\":\"x\\ny\","
				 "\"c\":\"q\\\"\",\"d\":\"\\u00e9\"}]");

	(void)state;
	assert_non_null(strstr(csv, ",\"new_a,\"\"b\",new_c,new_d\r\n"));
	assert_non_null(strstr(csv, ",1,\"x\ny\",\"q\"\"\",\xc3\xa9\r\n"));
}

static void nested_values_and_huge_integers_are_json(void **state)
{
	const char *csv = csv_of("j.db", "1",
				 "[{\"id\":1,\"o\":{\"b\":[1,\"x\"],\"a\":2},"
				 "\"h\":12345678901234567890}]");

	(void)state;
	assert_non_null(strstr(csv,
			       ",1,\"{\"\"b\"\":[1,\"\"x\"\"],\"\"a\"\":2}\","
			       "12345678901234567890\r\n"));
	assert_string_equal(type_of("j.db", "o"), "json");
	assert_string_equal(type_of("j.db", "h"), "json");
	assert_string_equal(type_of("j.db", "id"), "int53");
}

static void a_field_that_is_gone_keeps_its_column(void **state)
{
	const char *csv;

	(void)state;
	csv_of("k.db", "1", "[{\"id\":1,\"a\":1}]");
	csv = csv_of("k.db", "2", "[{\"id\":2,\"b\":2}]");
	assert_non_null(strstr(csv, ",new_id,new_a,new_b\r\n"));
	assert_string_equal(fields_of(csv, 1), ",,,2,,2");
}

static void a_field_that_is_always_null_has_no_column(void **state)
{
	(void)state;
	assert_non_null(
		strstr(csv_of("u.db", "1", "[{\"id\":1,\"a\":null,\"b\":1}]"),
		       ",new_id,new_b\r\n"));
	/* It keeps its place for when it has a value. */
	assert_non_null(strstr(csv_of("u.db", "2", "[{\"id\":2,\"a\":1}]"),
			       ",new_id,new_a,new_b\r\n"));
}

static void a_type_conflict_with_strings_is_mixed(void **state)
{
	const char *csv;

	(void)state;
	csv_of("w.db", "1", "[{\"id\":1,\"a\":1}]");
	assert_string_equal(type_of("w.db", "a"), "int53");
	csv = csv_of("w.db", "2", "[{\"id\":2,\"a\":\"x\"}]");
	assert_string_equal(type_of("w.db", "a"), "mixed");
	assert_string_equal(fields_of(csv, 1), ",,2,\"\"\"x\"\"\"");
	csv = csv_of("w.db", "3", "[{\"id\":3,\"a\":7}]");
	assert_string_equal(type_of("w.db", "a"), "mixed");
	assert_string_equal(fields_of(csv, 1), ",,3,7");
}

static void kinds_widen_without_loss(void **state)
{
	static const struct {
		enum flo__kind a, b, join;
	} cases[] = {
		{FLO__KIND_NULL, FLO__KIND_BOOL, FLO__KIND_BOOL},
		{FLO__KIND_INT53, FLO__KIND_INT, FLO__KIND_INT},
		{FLO__KIND_INT53, FLO__KIND_DOUBLE, FLO__KIND_DOUBLE},
		/* A double does not hold every integer beyond 2^53. */
		{FLO__KIND_INT, FLO__KIND_DOUBLE, FLO__KIND_JSON},
		{FLO__KIND_BOOL, FLO__KIND_INT53, FLO__KIND_JSON},
		{FLO__KIND_STRING, FLO__KIND_DOUBLE, FLO__KIND_MIXED},
		{FLO__KIND_STRING, FLO__KIND_JSON, FLO__KIND_MIXED},
		{FLO__KIND_MIXED, FLO__KIND_INT, FLO__KIND_MIXED},
		{FLO__KIND_MIXED, FLO__KIND_NULL, FLO__KIND_MIXED},
		{FLO__KIND_STRING, FLO__KIND_STRING, FLO__KIND_STRING},
		{FLO__KIND_JSON, FLO__KIND_NULL, FLO__KIND_JSON},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(flo__kind_join(cases[i].a, cases[i].b),
				 cases[i].join);
		assert_int_equal(flo__kind_join(cases[i].b, cases[i].a),
				 cases[i].join);
	}
}

/* Also: joining is associative, so that the order of exports is no matter. */
static void the_order_of_kinds_does_not_matter(void **state)
{
	(void)state;
	for (int a = 0; a <= FLO__KIND_MIXED; a++)
		for (int b = 0; b <= FLO__KIND_MIXED; b++)
			for (int c = 0; c <= FLO__KIND_MIXED; c++)
				assert_int_equal(
					flo__kind_join(flo__kind_join(a, b), c),
					flo__kind_join(a,
						       flo__kind_join(b, c)));
}

static enum flo__kind kind_of(const char *value)
{
	char text[64];
	struct flo__members members = {.text = text, .key = FLO__STRBUF_INIT};
	struct flo__member member = {.kind = FLO__KIND_NULL};
	bool more = false;

	members.len = (size_t)snprintf(text, sizeof(text), "{\"a\":%s}", value);
	assert_int_equal(flo__members_next(&members, NULL, &member, &more),
			 FLO_OK);
	assert_true(more);
	assert_int_equal(member.text_len, strlen(value));
	assert_int_equal(flo__members_next(&members, NULL, &member, &more),
			 FLO_OK);
	assert_false(more);
	return member.kind;
}

static void members_have_kinds(void **state)
{
	(void)state;
	assert_int_equal(kind_of("null"), FLO__KIND_NULL);
	assert_int_equal(kind_of("false"), FLO__KIND_BOOL);
	assert_int_equal(kind_of("-9007199254740992"), FLO__KIND_INT53);
	assert_int_equal(kind_of("9007199254740993"), FLO__KIND_INT);
	assert_int_equal(kind_of("9223372036854775807"), FLO__KIND_INT);
	assert_int_equal(kind_of("9223372036854775808"), FLO__KIND_JSON);
	assert_int_equal(kind_of("1e2"), FLO__KIND_DOUBLE);
	assert_int_equal(kind_of("\"{\\\"}\""), FLO__KIND_STRING);
	assert_int_equal(kind_of("[[],{\"a\":[]}]"), FLO__KIND_JSON);
	assert_int_equal(kind_of("{}"), FLO__KIND_JSON);
}

static void parquet_is_written_once_and_whole(void **state)
{
	flo_value *diff = NULL, *output = NULL;
	char path[256], temp[300], bytes[8192];
	size_t len;

	(void)state;
	fake_ok(&fs, diff_text("p.db", "1", "[{\"id\":1}]", "", &diff));
	fake_ok(&fs, export("p.db", diff, "parquet", "", &output));
	snprintf(path, sizeof(path), "%s", out_text(output, "path"));
	snprintf(temp, sizeof(temp), "%s.tmp", path);
	assert_non_null(strstr(path, ".parquet"));
	assert_int_not_equal(access(temp, F_OK), 0);
	len = read_bytes(path, bytes, sizeof(bytes));
	assert_int_equal(out_int(output, "rows"), 1);
	assert_int_equal(out_int(output, "bytes"), len);
	assert_memory_equal(bytes, "PAR1", 4);
	assert_memory_equal(bytes + len - 4, "PAR1", 4);
	flo_value_unref(output);
	assert_int_equal(unlink(path), 0);
	fake_ok(&fs, export("p.db", diff, "parquet", "", &output));
	assert_int_equal(out_int(output, "bytes"), len);
	assert_int_not_equal(access(path, F_OK), 0);
	flo_value_unref(output);
	flo_value_unref(diff);
}

/* Renamed but not marked, and others have widened the types since. */
static void the_same_rows_are_written_after_a_crash(void **state)
{
	flo_value *diff = NULL, *output = NULL;
	char bytes[8192];

	(void)state;
	fake_ok(&fs, diff_text("r.db", "1", "[{\"id\":1,\"a\":1}]", "", &diff));
	fake_ok(&fs, export("r.db", diff, "csv", "", NULL));
	csv_of("r.db", "2", "[{\"id\":2,\"a\":\"x\"}]");
	query("r.db", "DELETE FROM export");
	fake_ok(&fs, export("r.db", diff, "csv", "", &output));
	read_bytes(out_text(output, "path"), bytes, sizeof(bytes));
	assert_int_equal(out_int(output, "rows"), 1);
	assert_string_equal(fields_of(bytes, 1), ",,1,1");
	flo_value_unref(output);
	flo_value_unref(diff);
}

static void a_snapshots_columns_are_the_fields(void **state)
{
	flo_value *diff = NULL, *output = NULL;
	char bytes[8192];

	(void)state;
	fake_ok(&fs, diff_text("s.db", "1", "[{\"id\":1,\"_ts\":2,\"__a\":3}]",
			       "", &diff));
	flo_value_unref(apply_plan("s.db", diff));
	fake_ok(&fs,
		export("s.db", diff, "csv", ",\"what\":\"snapshot\"", &output));
	read_bytes(out_text(output, "path"), bytes, sizeof(bytes));
	assert_ptr_equal(strstr(bytes, "_key,_pull_id,_run_id,_trace_id,_ts,"
				       "_valid_from,id,__ts,___a\r\n[1],"),
			 bytes);
	assert_non_null(strstr(bytes, ",1,2,3\r\n"));
	flo_value_unref(output);
	flo_value_unref(diff);
}

/* By someone who edited the database, say. */
static void a_damaged_record_fails_the_export(void **state)
{
	static const char *const bodies[] = {"",
					     "{",
					     "{\"id",
					     "{\"id\"",
					     "{\"id\":",
					     "{\"id\":[1",
					     "{\"",
					     "[1,2]",
					     "{\"a\":\"",
					     "{1:2}",
					     "{\"a\":\"\\x\"}"};
	flo_value *diff = NULL;

	(void)state;
	fake_ok(&fs, diff_text("d.db", "1", "[{\"id\":1}]", "", &diff));
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		char sql[128];
		flo_status st;

		snprintf(sql, sizeof(sql), "UPDATE body SET body = '%s'",
			 bodies[i]);
		query("d.db", sql);
		st = export("d.db", diff, "parquet", "", NULL);
		if (st != FLO_CORRUPT && st != FLO_SYNTAX)
			fail_msg("%s: %s", bodies[i], flo_status_text(st));
	}
	assert_int_equal(query("d.db", "SELECT count(*) FROM export"), 0);
	flo_value_unref(diff);
}

static void too_many_fields_are_no_table(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *diff = NULL;

	(void)state;
	flo__strbuf_adds(&sb, "[{\"id\":1");
	for (int i = 0; i < FLO__TYPED_FIELDS_MAX; i++)
		flo__strbuf_addf(&sb, ",\"f%d\":1", i);
	flo__strbuf_adds(&sb, "}]");
	fake_ok(&fs, diff_text("m.db", "1", sb.data, "", &diff));
	assert_int_equal(export("m.db", diff, "parquet", "", NULL), FLO_LIMIT);
	assert_non_null(strstr(fs.err.text, "ndjson"));
	fake_ok(&fs, export("m.db", diff, "ndjson", "", NULL));
	flo__strbuf_fini(&sb);
	flo_value_unref(diff);
}

static void every_allocation_of_an_export_may_fail(void **state)
{
	static const char *const formats[] = {"parquet", "csv"};
	flo_value *diff = NULL;
	char bytes[8192];

	(void)state;
	fake_ok(&fs, diff_text("a.db", "1",
			       "[{\"id\":1,\"\\u0061b\":\"\\n\",\"c\":1.5}]",
			       "", &diff));
	for (int64_t i = 0; i < 2; i++) {
		flo_status st = FLO_NOMEM;
		flo_value *output = NULL;
		long nth;

		for (nth = 1; st != FLO_OK; nth++) {
			assert_true(nth < 10000);
			fs.alloc_fail_at = nth;
			st = export("a.db", diff, formats[i], "", &output);
			fs.alloc_fail_at = 0;
			assert_true(st == FLO_OK || st == FLO_NOMEM);
		}
		assert_true(nth > 20);
		/* What had failed left nothing behind that is not whole. */
		assert_int_equal(query("a.db", "SELECT count(*) FROM export"),
				 i + 1);
		assert_int_equal(read_bytes(out_text(output, "path"), bytes,
					    sizeof(bytes)),
				 out_int(output, "bytes"));
		assert_int_equal(out_int(output, "rows"), 1);
		flo_value_unref(output);
	}
	flo_value_unref(diff);
}

/* Fields that only late rows have: the columns are all there, and rows once. */
static void late_rows_may_have_other_columns(void **state)
{
	static char bytes[1u << 20];
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *diff = NULL, *output = NULL;
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 2500; i++) {
		flo__strbuf_addf(&sb, "%c{\"id\":%d,\"n\":%s",
				 i == 0 ? '[' : ',', i,
				 i % 500 == 499 ? "\"many\"" : "1");
		if (i % 500 == 499)
			flo__strbuf_addf(&sb, ",\"f%d\":%d", i, i);
		flo__strbuf_addc(&sb, '}');
	}
	flo__strbuf_addc(&sb, ']');
	fake_ok(&fs, diff_text("late.db", "1", sb.data, "", &diff));
	fake_ok(&fs, export("late.db", diff, "csv", "", &output));
	assert_int_equal(out_int(output, "rows"), 2500);
	assert_int_equal(read_bytes(out_text(output, "path"), bytes,
				    sizeof(bytes)),
			 out_int(output, "bytes"));
	for (const char *at = bytes; (at = strstr(at, "\r\n")) != NULL; at++)
		lines++;
	assert_int_equal(lines, 2501);
	for (int i = 499; i < 2500; i += 500) {
		char name[16];

		snprintf(name, sizeof(name), ",new_f%d", i);
		assert_non_null(strstr(bytes, name));
	}
	assert_string_equal(type_of("late.db", "n"), "mixed");
	flo_value_unref(output);
	flo_value_unref(diff);
	flo__strbuf_fini(&sb);
}

/* A number's double is strtod()'s, to the last bit. */
static void expect_double(const char *text)
{
	double is = 0, want = strtod(text, NULL);

	assert_int_equal(flo__member_double(text, strlen(text), NULL, &is),
			 FLO_OK);
	if (memcmp(&is, &want, sizeof(is)) != 0)
		fail_msg("%s is %.17g, want %.17g", text, is, want);
}

static void doubles_are_rounded_as_they_must_be(void **state)
{
	static const char *const texts[] = {"0.0",
					    "-0.0",
					    "0.1",
					    "-1.5e-7",
					    "1e300",
					    "0.3",
					    "123456789.012345",
					    "9007199254740993.5",
					    "5e-324",
					    "1E2",
					    "0.00000000000001",
					    "99999999999999.9",
					    "-0.00001",
					    "1.005",
					    "2.2250738585072014e-308"};
	uint64_t seed = 1;
	char text[40];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		expect_double(texts[i]);
	for (int i = 0; i < 100000; i++) {
		seed = seed * UINT64_C(6364136223846793005) + 1;
		snprintf(text, sizeof(text), "%s%llu.%0*llu",
			 seed >> 63 != 0 ? "-" : "",
			 (unsigned long long)(seed >> 40) % 1000000,
			 1 + (int)(seed >> 60),
			 (unsigned long long)(seed >> 50));
		expect_double(text);
	}
	/* An integer in a column of doubles. */
	expect_double("-12");
	expect_double("123456789012345678");
}

static const char *unescaped(const char *token)
{
	static char text[64];
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	assert_int_equal(flo__member_unescape(token, strlen(token), NULL, &sb),
			 FLO_OK);
	snprintf(text, sizeof(text), "%s", sb.data);
	flo__strbuf_fini(&sb);
	return text;
}

static void escapes_are_resolved(void **state)
{
	(void)state;
	assert_string_equal(unescaped("\"\\\"a\\\\b\\/\""), "\"a\\b/");
	assert_string_equal(unescaped("\"\\b\\f\\n\\r\\t\""), "\b\f\n\r\t");
	assert_string_equal(unescaped("\"x\\n\\u00e9\\\"\""), "x\n\u00e9\"");
	assert_string_equal(unescaped("\"\\ud83d\\ude00\""), "\U0001f600");
}

/* Enough for batches to be written beside the coroutine that reads rows. */
#define MANY 12000

static flo_value *diff_of_many(const char *db)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *diff = NULL;

	for (int i = 0; i < MANY; i++)
		flo__strbuf_addf(&sb,
				 "%c{\"id\":%d,\"a\":%s%d%s,\"b\":\"%0*d\"}",
				 i == 0 ? '[' : ',', i, i % 3 ? "" : "\"",
				 i * 7, i % 3 ? "" : "\"", i % 40, i);
	flo__strbuf_addc(&sb, ']');
	fake_ok(&fs, diff_text(db, "1", sb.data, "", &diff));
	flo__strbuf_fini(&sb);
	return diff;
}

/* The keys of all lines, in their order, and what follows them in the row. */
static void expect_many(const char *csv_path)
{
	static char bytes[4u << 20];
	static bool seen[MANY];
	const char *at = bytes;

	read_bytes(csv_path, bytes, sizeof(bytes));
	memset(seen, 0, sizeof(seen));
	/* A sanitizer's strstr() measures all of the text each time. */
	for (int i = 0; i < MANY; i++) {
		char want[128], line[512];
		int id;

		at = strchr(at, '\n');
		assert_non_null(at);
		at++;
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"),
			 at);
		assert_int_equal(sscanf(line, "c,[%d],", &id), 1);
		assert_in_range(id, 0, MANY - 1);
		assert_false(seen[id]);
		seen[id] = true;
		snprintf(want, sizeof(want), ",,,,%d,%s%d%s,%0*d\r", id,
			 id % 3 ? "" : "\"\"\"", id * 7, id % 3 ? "" : "\"\"\"",
			 id % 40, id);
		assert_non_null(strstr(line, want));
		assert_string_equal(strstr(line, want), want);
	}
}

static void many_rows_arrive_each_once(void **state)
{
	flo_value *diff = diff_of_many("many.db"), *output = NULL;

	(void)state;
	fake_ok(&fs, export("many.db", diff, "csv", "", &output));
	assert_int_equal(out_int(output, "rows"), MANY);
	expect_many(out_text(output, "path"));
	flo_value_unref(output);
	flo_value_unref(diff);
}

/* Also where rows are written while others are read. */
static void memory_may_lack_on_the_way(void **state)
{
	flo_value *diff = diff_of_many("lack.db"), *output = NULL;
	flo_status st = FLO_NOMEM;
	char path[256] = "";
	long n = 1;

	(void)state;
	for (; st != FLO_OK; n += n / 3 + 1) {
		fs.alloc_fail_at = n;
		st = export("lack.db", diff, "csv", "", &output);
		fs.alloc_fail_at = 0;
		if (st != FLO_OK)
			assert_int_equal(st, FLO_NOMEM);
		assert_true(n < 1000000);
	}
	assert_true(n > 50);
	snprintf(path, sizeof(path), "%s", out_text(output, "path"));
	expect_many(path);
	flo_value_unref(output);
	flo_value_unref(diff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_have_a_column_for_each_field),
		cmocka_unit_test(null_and_an_empty_text_differ),
		cmocka_unit_test(csv_quotes_what_needs_it),
		cmocka_unit_test(nested_values_and_huge_integers_are_json),
		cmocka_unit_test(a_field_that_is_gone_keeps_its_column),
		cmocka_unit_test(a_field_that_is_always_null_has_no_column),
		cmocka_unit_test(a_type_conflict_with_strings_is_mixed),
		cmocka_unit_test(kinds_widen_without_loss),
		cmocka_unit_test(the_order_of_kinds_does_not_matter),
		cmocka_unit_test(members_have_kinds),
		cmocka_unit_test(parquet_is_written_once_and_whole),
		cmocka_unit_test(the_same_rows_are_written_after_a_crash),
		cmocka_unit_test(a_snapshots_columns_are_the_fields),
		cmocka_unit_test(a_damaged_record_fails_the_export),
		cmocka_unit_test(too_many_fields_are_no_table),
		cmocka_unit_test(many_rows_arrive_each_once),
		cmocka_unit_test(memory_may_lack_on_the_way),
		cmocka_unit_test(late_rows_may_have_other_columns),
		cmocka_unit_test(doubles_are_rounded_as_they_must_be),
		cmocka_unit_test(escapes_are_resolved),
		cmocka_unit_test(every_allocation_of_an_export_may_fail),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
