/* `sqlite` of cmdb.pull: the rows of a query. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Run SQL on the product's file. */
static void product(const char *sql)
{
	sqlite3 *file = NULL;
	char path[256];
	char *why = NULL;

	snprintf(path, sizeof(path), "%s/product.db", fs.dir);
	assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
	if (sqlite3_exec(file, sql, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", sql, why);
	sqlite3_close(file);
}

/* Pull with @args of "sqlite", which begin after its path. */
static flo_status pull(const char *db, const char *args, flo_value **ret_pull)
{
	return fake_step(&fs, &flo__cmdb_pull, "pull", ret_pull,
			 "{\"db\":\"%s\",\"source\":\"vm\",\"sqlite\":"
			 "{\"path\":\"product.db\",%s}}",
			 db, args);
}

static void pulls(const char *args, const char *want)
{
	char key[32];
	static int number;

	snprintf(key, sizeof(key), "p%d.db", number++);
	fake_ok(&fs, pull(key, args, NULL));
	assert_string_equal(query_text(key, "SELECT group_concat(body, ' ')"
					    " FROM body"),
			    want);
}

static void each_row_is_a_record(void **state)
{
	flo_value *out = NULL;

	(void)state;
	product("CREATE TABLE vm(id INTEGER, name TEXT, cpu REAL, note);"
		"INSERT INTO vm VALUES(1, 'web', 0.5, NULL),"
		" (-9223372036854775808, 'd\"b\n\xc3\xa9', 2.0, 'x');");
	pulls("\"query\":\"SELECT id, name, cpu, note AS \\\"a \\\"\\\"b\\\"\\\"\\\" "
	      "FROM vm ORDER BY id DESC; -- that is all\"",
	      "{\"id\":1,\"name\":\"web\",\"cpu\":0.5,\"a \\\"b\\\"\":null} "
	      "{\"id\":-9223372036854775808,\"name\":\"d\\\"b\\n\xc3\xa9\","
	      "\"cpu\":2.0,\"a \\\"b\\\"\":\"x\"}");
	fake_ok(&fs, pull("out.db", "\"query\":\"SELECT * FROM vm\"", &out));
	assert_int_equal(out_int(out, "rows"), 2);
	assert_true(out_bool(out, "complete"));
	flo_value_unref(out);
	fake_ok(&fs, pull("none.db", "\"query\":\"SELECT * FROM vm WHERE 0\"",
			  &out));
	assert_int_equal(out_int(out, "rows"), 0);
	flo_value_unref(out);
}

static void texts_that_are_json_become_what_they_say(void **state)
{
	(void)state;
	pulls("\"query\":\"SELECT 1 AS id, '{\\\"a\\\": [1,\\n 2]}' AS tags, "
	      "'[1]' AS text, NULL AS none, json_array(1, 'x') AS l\","
	      "\"json\":[\"tags\",\"none\",\"l\"]",
	      "{\"id\":1,\"tags\":{\"a\":[1,2]},\"text\":\"[1]\",\"none\":null,"
	      "\"l\":[1,\"x\"]}");
	/* Beyond 64 bits it stays exact, too. */
	pulls("\"query\":\"SELECT '123456789012345678901234567890' AS n\","
	      "\"json\":[\"n\"]",
	      "{\"n\":123456789012345678901234567890}");
}

static void parameters_are_values(void **state)
{
	(void)state;
	pulls("\"query\":\"SELECT :a AS a, @b AS b, $c AS c, :d AS d, :e AS e, "
	      ":a AS f\",\"params\":{\"a\":\"x' OR 1 --\",\"b\":7,\"c\":0.5,"
	      "\"d\":true,\"e\":null}",
	      "{\"a\":\"x' OR 1 --\",\"b\":7,\"c\":0.5,\"d\":1,\"e\":null,"
	      "\"f\":\"x' OR 1 --\"}");
}

struct wrong {
	const char *args;
	flo_status st;
	const char *says;
};

static void are_refused(const struct wrong *cases, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		flo_status st = pull("wrong.db", cases[i].args, NULL);

		if (st != cases[i].st ||
		    strstr(fs.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s: %s", cases[i].args,
				 flo_status_name(st), fs.err.text);
	}
}

#define REFUSED(cases) are_refused(cases, sizeof(cases) / sizeof((cases)[0]))

static void what_json_cannot_say_is_refused_with_its_place(void **state)
{
	static const struct wrong cases[] = {
		{"\"query\":\"SELECT 1 AS id UNION ALL SELECT x'00'\"",
		 FLO_TYPE,
		 "pull vm from product.db: row 2, column \"id\": it is a blob; "
		 "select hex()"},
		{"\"query\":\"SELECT 9e999 AS big\"", FLO_TYPE,
		 "row 1, column \"big\": it is infinite"},
		{"\"query\":\"SELECT CAST(x'ff' AS TEXT) AS t\"", FLO_TYPE,
		 "row 1, column \"t\": its text is not UTF-8"},
		{"\"query\":\"SELECT 'a' || char(0) || 'b' AS t\"", FLO_TYPE,
		 "row 1, column \"t\": its text has a NUL"},
		{"\"query\":\"SELECT '{x' AS t\",\"json\":[\"t\"]", FLO_TYPE,
		 "row 1, column \"t\": not JSON, though \"json\" names it: "},
		{"\"query\":\"SELECT '' AS t\",\"json\":[\"t\"]", FLO_TYPE,
		 "row 1, column \"t\": not JSON"},
		{"\"query\":\"SELECT zeroblob(20000000) AS b\"", FLO_LIMIT,
		 "a record has 16 MiB at most"},
	};

	(void)state;
	REFUSED(cases);
}

static void only_one_select_is_allowed(void **state)
{
	static const struct wrong cases[] = {
		{"\"query\":\"INSERT INTO vm(id) VALUES(5)\"", FLO_INVALID,
		 "may only read"},
		{"\"query\":\"DELETE FROM vm RETURNING id\"", FLO_INVALID,
		 "may only read"},
		{"\"query\":\"CREATE TEMP TABLE t(x)\"", FLO_INVALID,
		 "may only read"},
		{"\"query\":\"ATTACH 'other.db' AS o\"", FLO_INVALID,
		 "may only read"},
		{"\"query\":\"PRAGMA journal_mode=WAL\"", FLO_INVALID,
		 "may only read"},
		{"\"query\":\"SELECT * FROM pragma_table_info('vm')\"",
		 FLO_INVALID, "may only read"},
		{"\"query\":\"VACUUM INTO 'copy.db'\"", FLO_INVALID,
		 "must be a SELECT"},
		{"\"query\":\"BEGIN\"", FLO_INVALID, "may only read"},
		{"\"query\":\"SELECT load_extension('x')\"", FLO_INVALID,
		 "may only read"},
		{"\"query\":\"EXPLAIN SELECT 1\"", FLO_INVALID,
		 "must be a SELECT"},
		{"\"query\":\"SELECT 1 AS a; SELECT 2 AS a\"", FLO_INVALID,
		 "more than one statement"},
		{"\"query\":\"SELECT 1 AS a; DROP TABLE vm\"", FLO_INVALID,
		 "more than one statement"},
		{"\"query\":\"SELECT 1 AS a; nonsense\"", FLO_INVALID,
		 "more than one statement"},
		{"\"query\":\"-- nothing\"", FLO_INVALID, "no statement in it"},
	};

	(void)state;
	REFUSED(cases);
	assert_int_equal(query("product.db", "SELECT count(*) FROM vm"), 2);
	/* No pull that failed has made a database. */
	assert_int_equal(query("wrong.db",
			       "SELECT count(*) FROM sqlite_schema"),
			 0);
}

static void mistakes_in_a_query_are_named(void **state)
{
	static const struct wrong cases[] = {
		{"\"query\":\"SELECT id, nme FROM vm\"", FLO_SYNTAX,
		 "\"query\": no such column: nme (at byte 12, near \"nme "
		 "FROM vm\")"},
		{"\"query\":\"SELEC id\"", FLO_SYNTAX, "syntax error"},
		{"\"query\":\"SELECT * FROM nowhere\"", FLO_SYNTAX,
		 "no such table: nowhere"},
		{"\"query\":\"SELECT 1 AS id, 2 AS id\"", FLO_INVALID,
		 "two columns with the name \"id\"; rename one with AS"},
		{"\"query\":\"SELECT :a AS a\"", FLO_INVALID,
		 "the parameter :a, which \"params\" does not give"},
		{"\"query\":\"SELECT ? AS a\"", FLO_INVALID,
		 "a parameter without a name"},
		{"\"query\":\"SELECT ?1 AS a\",\"params\":{\"1\":2}",
		 FLO_INVALID, "a parameter without a name"},
		{"\"query\":\"SELECT 1 AS a\",\"params\":{\"b\":2}",
		 FLO_INVALID, "\"params\" gives \"b\", but"},
		{"\"query\":\"SELECT :a AS a\",\"params\":{\"a\":[1]}",
		 FLO_TYPE, "parameter :a must be null, a boolean"},
		{"\"query\":\"SELECT 1 AS a\",\"json\":[\"b\"]", FLO_INVALID,
		 "\"json\" names \"b\""},
		{"\"query\":\"SELECT 1 AS a\",\"json\":[1]", FLO_INVALID,
		 "\"json\" names \"\""},
		{"\"query\":\"SELECT 1 AS a\",\"json\":\"a\"", FLO_TYPE,
		 "\"json\" must be a list"},
		{"\"query\":\"SELECT 1 AS a\",\"params\":[1]", FLO_TYPE,
		 "\"params\" must be an object"},
		{"\"qery\":\"SELECT 1 AS a\"", FLO_INVALID,
		 "\"sqlite\" takes no \"qery\"; it has path, query"},
		{"\"json\":[]", FLO_INVALID, "\"query\" is missing"},
		{"\"query\":\"SELECT abs(-9223372036854775808) AS a\"",
		 FLO_SYNTAX, "integer overflow"},
	};

	(void)state;
	REFUSED(cases);
	assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "p", NULL,
				   "{\"db\":\"x.db\",\"source\":\"vm\","
				   "\"sqlite\":{\"path\":\"product.db\","
				   "\"query\":\"SELECT 1 AS a\"},"
				   "\"records\":\"/items\"}"),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "every row of a query is"));
}

static void what_is_no_database_is_named(void **state)
{
	static const struct {
		const char *path;
		flo_status st;
		const char *says;
	} cases[] = {
		{"missing.db", FLO_NOTFOUND, "missing.db: No such file"},
		{".", FLO_INVALID, "not a regular file"},
		{"fifo", FLO_INVALID, "not a regular file"},
		{"text.txt", FLO_INVALID, "file is not a database"},
	};
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/fifo", fs.dir);
	assert_int_equal(mkfifo(path, 0600), 0);
	fake_text(&fs, "text.txt",
		  "a text, and long enough that it might be a database, but is "
		  "none: it begins with other words than those do. Really.");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		flo_status st = fake_step(
			&fs, &flo__cmdb_pull, "p", NULL,
			"{\"db\":\"x.db\",\"source\":\"vm\",\"sqlite\":{"
			"\"path\":\"%s\",\"query\":\"SELECT 1 AS a FROM "
			"sqlite_schema\"}}",
			cases[i].path);

		if (st != cases[i].st ||
		    strstr(fs.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s: %s", cases[i].path,
				 flo_status_name(st), fs.err.text);
	}
}

static void errors_of_records_name_the_row(void **state)
{
	(void)state;
	assert_int_equal(
		fake_step(&fs, &flo__cmdb_pull, "p", NULL,
			  "{\"db\":\"x.db\",\"source\":\"vm\",\"sqlite\":{"
			  "\"path\":\"product.db\",\"query\":\"SELECT 1 AS id "
			  "UNION ALL SELECT NULL\"},\"map\":{\"n\":\"record.id "
			  "+ 1\"}}"),
		FLO_TYPE);
	assert_non_null(strstr(fs.err.text, "pull vm from product.db: row 2: "
					    "map \"n\": `record.id + 1`: "));
}

/* A deadline, and not the error that a locked file would be. */
static void a_query_ends_with_the_step(const char *sql)
{
	flo_context *alive = fs.context;
	char args[300];

	fs.context = flo_context_timeout(alive, UINT64_C(50000000), "limit");
	snprintf(args, sizeof(args), "\"query\":\"%s\"", sql);
	assert_int_equal(pull("late.db", args, NULL), FLO_TIMEOUT);
	flo_context_unref(fs.context);
	fs.context = alive;
	assert_int_equal(query("late.db", "SELECT count(*) FROM sqlite_schema"),
			 0);
}

static void a_query_without_end_ends_with_the_step(void **state)
{
	(void)state;
	a_query_ends_with_the_step("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
				   "SELECT i + 1 FROM n) SELECT max(i) AS i "
				   "FROM n");
}

static void a_locked_file_is_waited_for_until_the_step_ends(void **state)
{
	sqlite3 *file = NULL;
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/product.db", fs.dir);
	assert_int_equal(sqlite3_open(path, &file), SQLITE_OK);
	assert_int_equal(sqlite3_exec(file, "BEGIN EXCLUSIVE", NULL, NULL,
				      NULL),
			 SQLITE_OK);
	a_query_ends_with_the_step("SELECT * FROM vm");
	sqlite3_close(file);
	pulls("\"query\":\"SELECT count(*) AS n FROM vm\"", "{\"n\":2}");
}

/* Its rows are read before it is written to. */
static void the_cmdb_itself_may_be_queried(void **state)
{
	(void)state;
	sync_text("self.db", "1",
		  "[{\"id\":1,\"os\":\"a\"},{\"id\":2,"
		  "\"os\":\"a\"}]");
	fake_ok(&fs,
		fake_step(&fs, &flo__cmdb_pull, "self", NULL,
			  "{\"db\":\"self.db\",\"source\":\"os\",\"sqlite\":{"
			  "\"path\":\"self.db\",\"query\":\"SELECT body ->> "
			  "'os' AS os, count(*) AS n FROM cmdb_current WHERE "
			  "source = :s GROUP BY 1\",\"params\":{\"s\":\"vm\"}}"
			  "}"));
	assert_string_equal(query_text("self.db", "SELECT body FROM body ORDER"
						  " BY id DESC LIMIT 1"),
			    "{\"os\":\"a\",\"n\":2}");
	assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "self", NULL,
				   "{\"db\":\"self.db\",\"source\":\"os\","
				   "\"file\":\"./self.db\"}"),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "is the CMDB itself"));
}

/* To close them would take the locks of whoever has them open. */
static void a_database_in_use_is_not_read_as_a_file(void **state)
{
	static const char *const names[] = {
		"used.db",
		"used.db-wal",
		"used.db-shm",
		"own.db-wal",
	};
	char path[256];
	sqlite3 *used = NULL;

	(void)state;
	snprintf(path, sizeof(path), "%s/used.db", fs.dir);
	assert_int_equal(sqlite3_open(path, &used), SQLITE_OK);
	assert_int_equal(sqlite3_exec(used,
				      "PRAGMA journal_mode = WAL;"
				      "CREATE TABLE t(x)",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sync_text("own.db", "1", "[]");
	fake_text(&fs, "own.db-wal", "");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "used", NULL,
					   "{\"db\":\"own.db\","
					   "\"source\":\"os\","
					   "\"file\":\"%s\"}",
					   names[i]),
				 FLO_INVALID);
		assert_non_null(strstr(fs.err.text, "use \"sqlite\""));
	}
	assert_int_equal(sqlite3_close(used), SQLITE_OK);
	/* What nobody has open is no JSON, and that is all. */
	assert_int_equal(fake_step(&fs, &flo__cmdb_pull, "used", NULL,
				   "{\"db\":\"own.db\",\"source\":\"os\","
				   "\"file\":\"used.db\"}"),
			 FLO_SYNTAX);
}

/* More than the stack of a coroutine could take. */
static void a_query_may_nest(void **state)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	(void)state;
	flo__strbuf_adds(&sb, "CREATE VIEW v0 AS SELECT 1 AS id");
	for (int i = 1; i < 400; i++)
		flo__strbuf_addf(&sb, " UNION SELECT %d", i);
	for (int i = 1; i <= 100; i++)
		flo__strbuf_addf(&sb,
				 "; CREATE VIEW v%d AS SELECT * FROM v%d WHERE "
				 "id > 0",
				 i, i - 1);
	product(sb.data);
	flo__strbuf_reset(&sb);
	flo__strbuf_adds(&sb, "\"query\":\"SELECT * FROM v100 WHERE id = 1");
	for (int i = 0; i < 700; i++)
		flo__strbuf_adds(&sb, " + 0");
	flo__strbuf_adds(&sb, "\"");
	pulls(sb.data, "{\"id\":1}");
	flo__strbuf_fini(&sb);
}

static void rows_are_written_in_pieces(void **state)
{
	flo_value *out = NULL;

	(void)state;
	fake_ok(&fs,
		pull("big.db",
		     "\"query\":\"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
		     "SELECT i + 1 FROM n WHERE i < 30000) SELECT i AS id, "
		     "'padding, padding, padding, padding, padding' AS p FROM "
		     "n\"",
		     &out));
	assert_int_equal(out_int(out, "rows"), 30000);
	assert_true(out_int(out, "bytes") > 1 << 20);
	flo_value_unref(out);
	assert_string_equal(query_text("big.db", "SELECT sum(body ->> 'id')"
						 " FROM body"),
			    "450015000");
}

static void running_out_of_memory_leaves_nothing(void **state)
{
	static const char args[] =
		"\"query\":\"SELECT id, name, '[1]' AS l FROM vm WHERE id > "
		":min\",\"params\":{\"min\":0},\"json\":[\"l\"]";
	flo_status st = FLO_NOMEM;

	(void)state;
	for (long n = 1; st != FLO_OK; n++) {
		fs.alloc_fail_at = n;
		st = pull("nomem.db", args, NULL);
		fs.alloc_fail_at = 0;
		if (st != FLO_OK && st != FLO_NOMEM)
			fail_msg("allocation %ld: %s: %s", n,
				 flo_status_name(st), fs.err.text);
	}
	assert_string_equal(query_text("nomem.db", "SELECT body FROM body"),
			    "{\"id\":1,\"name\":\"web\",\"l\":[1]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_a_record),
		cmocka_unit_test(texts_that_are_json_become_what_they_say),
		cmocka_unit_test(parameters_are_values),
		cmocka_unit_test(
			what_json_cannot_say_is_refused_with_its_place),
		cmocka_unit_test(only_one_select_is_allowed),
		cmocka_unit_test(mistakes_in_a_query_are_named),
		cmocka_unit_test(what_is_no_database_is_named),
		cmocka_unit_test(errors_of_records_name_the_row),
		cmocka_unit_test(a_query_without_end_ends_with_the_step),
		cmocka_unit_test(
			a_locked_file_is_waited_for_until_the_step_ends),
		cmocka_unit_test(the_cmdb_itself_may_be_queried),
		cmocka_unit_test(a_database_in_use_is_not_read_as_a_file),
		cmocka_unit_test(a_query_may_nest),
		cmocka_unit_test(rows_are_written_in_pieces),
		cmocka_unit_test(running_out_of_memory_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
