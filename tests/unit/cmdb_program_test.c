/* cmdb.pull, `changes`: a program that is asked for what is new. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"
#include "cmdb_stage_step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * It prints what is in the file `says`, and notes what it was asked. Asked from
 * a cursor on, it exits with what is in `code`: as an argument that would be
 * another question.
 */
#define PROGRAM                                                                \
	"\"command\":[\"sh\",\"-c\",\"echo \\\"<$FLOW_CMDB_CURSOR>\\\" >>"     \
	"\\\"$0/asked\\\"; cat \\\"$0/says\\\"; test -z "                      \
	"\\\"$FLOW_CMDB_CURSOR\\\" || exit $(cat \\\"$0/code\\\")\",\"%s\"]"

static flo_status try_program(const char *db, const char *code,
			      const char *more, flo_value **ret_pull)
{
	static unsigned number;
	char key[32];

	snprintf(key, sizeof(key), "program-%u", ++number);
	fake_text(&fs, "asked", "");
	fake_text(&fs, "code", code);
	return fake_step(&fs, &flo__cmdb_pull, key, ret_pull,
			 "{\"db\":\"%s\",\"source\":\"vm\"," PROGRAM "%s}", db,
			 fs.dir, more);
}

/* What the program was asked, run by run. */
static const char *asked(void)
{
	static char text[256];
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/asked", fs.dir);
	file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	return text;
}

static void sync_program(const char *db, const char *says, const char *more)
{
	flo_value *pull = NULL, *out = NULL;

	fake_text(&fs, "says", says);
	fake_ok(&fs, try_program(db, "0", more, &pull));
	fake_ok(&fs, diff_staged(db, pull, ",\"guard\":false", &out));
	flo_value_unref(apply_plan(db, out));
	flo_value_unref(out);
	flo_value_unref(pull);
}

#define CURSOR ",\"records\":\"/items\",\"changes\":{\"cursor\":\"/at\"}"

static void a_cursor_is_text_or_number(void **state)
{
	(void)state;
	sync_program("t.db", "{\"items\":[{\"id\":1}],\"at\":\"a b\\\"c\"}",
		     CURSOR);
	assert_string_equal(asked(), "<>\n");
	sync_program("t.db", "{\"at\":12345678901234567890,\"items\":[]}",
		     CURSOR);
	assert_string_equal(asked(), "<a b\"c>\n");
	sync_program("t.db", "{\"items\":[]}", CURSOR);
	assert_string_equal(asked(), "<12345678901234567890>\n");
	/* None in changes leaves it as it was. */
	sync_program("t.db", "{\"items\":[],\"at\":null}", CURSOR);
	assert_string_equal(asked(), "<12345678901234567890>\n");
	assert_int_equal(query("t.db", "SELECT rows FROM source"), 1);
	fake_text(&fs, "says", "{\"items\":[],\"at\":[1]}");
	assert_int_equal(try_program("t.db", "0", CURSOR, NULL), FLO_TYPE);
	assert_non_null(strstr(fs.err.text, "/at"));
}

/* Of lines the cursor is in each, and the last one counts. */
static void lines_have_their_cursor_in_them(void **state)
{
	const char *more = ",\"changes\":{\"cursor\":\"/v\"}";

	(void)state;
	sync_program("l.db", "{\"id\":1,\"v\":7}\n{\"id\":2,\"v\":9}\n", more);
	sync_program("l.db", "{\"id\":1,\"v\":10}\n", more);
	assert_string_equal(asked(), "<9>\n");
	sync_program("l.db", "", more);
	assert_string_equal(asked(), "<10>\n");
	assert_int_equal(query("l.db", "SELECT rows FROM source"), 2);
}

/* As it is written, whichever way it is found. */
static void numbers_are_handed_on_as_they_are_written(void **state)
{
	static const char *const numbers[] = {
		"1.1",	  "1700000000.123", "12345678901234567890123",
		"1.50e3", "-0.10",	    "10",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		char says[128], want[64];

		snprintf(want, sizeof(want), "<%s>\n", numbers[i]);
		snprintf(says, sizeof(says), "{\"id\":1,\"at\":%s}\n",
			 numbers[i]);
		sync_program("n.db", says, ",\"changes\":{\"cursor\":\"/at\"}");
		sync_program("n.db", "", ",\"changes\":{\"cursor\":\"/at\"}");
		assert_string_equal(asked(), want);
		snprintf(says, sizeof(says), "[{\"id\":1,\"at\":%s}]",
			 numbers[i]);
		sync_program("a.db", says, ",\"changes\":{\"cursor\":\"/at\"}");
		sync_program("a.db", "[]", ",\"changes\":{\"cursor\":\"/at\"}");
		assert_string_equal(asked(), want);
		snprintf(says, sizeof(says),
			 "{\"items\":[{\"id\":1}],\"at\":%s}", numbers[i]);
		sync_program("r.db", says, CURSOR);
		sync_program("r.db", "{\"items\":[]}", CURSOR);
		assert_string_equal(asked(), want);
	}
}

/* Of several places that have it the last one counts, of nulls none. */
static void a_cursor_within_records_is_a_scalar_there(void **state)
{
	const char *more = ",\"changes\":{\"cursor\":\"/a/1/v\"}";

	(void)state;
	sync_program("s.db",
		     "{\"id\":1,\"a\":[{\"v\":1},{\"v\":\"x\\u0041\"}]}\n"
		     "{\"id\":2,\"a\":[{},{\"v\":null}]}\n{\"id\":3}\n",
		     more);
	sync_program("s.db", "", more);
	assert_string_equal(asked(), "<xA>\n");
	fake_text(&fs, "says", "{\"id\":1,\"a\":[0,{\"v\":{\"w\":1}}]}\n");
	assert_int_equal(try_program("s.db", "0", more, NULL), FLO_TYPE);
	assert_non_null(strstr(fs.err.text, "/a/1/v"));
	/* What is no record is told as ever. */
	fake_text(&fs, "says", "{\"id\":1}\n{\"id\":2,}\n");
	assert_int_equal(try_program("s.db", "0", more, NULL), FLO_SYNTAX);
	assert_non_null(strstr(fs.err.text, "record 2"));
}

/* Say @head, @len times 'x', and @tail. */
static void says_much(const char *head, size_t len, const char *tail)
{
	char *text = malloc(len + 256);

	assert_non_null(text);
	strcpy(text, head);
	memset(text + strlen(head), 'x', len);
	strcpy(text + strlen(head) + len, tail);
	fake_text(&fs, "says", text);
	free(text);
}

/* No program can be started with it. */
static void a_cursor_that_is_too_long_is_not_applied(void **state)
{
	const char *lines = ",\"changes\":{\"cursor\":\"/at\"}";

	(void)state;
	sync_program("m.db", "{\"id\":1,\"at\":7}\n", lines);
	says_much("{\"id\":2,\"at\":\"", 200000, "\"}\n");
	assert_int_equal(try_program("m.db", "0", lines, NULL), FLO_LIMIT);
	assert_non_null(strstr(fs.err.text, "\"/at\" has 200002 bytes; 16384"));
	says_much("[{\"id\":2,\"at\":\"", 16383, "\"}]");
	assert_int_equal(try_program("m.db", "0", lines, NULL), FLO_LIMIT);
	assert_int_equal(query("m.db", "SELECT count(*) FROM pull"), 1);
	sync_program("m.db", "", lines);
	assert_string_equal(asked(), "<7>\n");
	/* One that was applied before there was a limit. */
	query("m.db", "UPDATE source SET cursor = printf('%.*c', 200000, 'x')");
	sync_program("m.db", "{\"id\":3,\"at\":9}\n", lines);
	assert_string_equal(asked(), "<>\n");
	sync_program("m.db", "", lines);
	assert_string_equal(asked(), "<9>\n");
}

static void another_question_is_asked_from_the_start(void **state)
{
	const char *gone = CURSOR ",\"gone\":\"/gone\"";

	(void)state;
	sync_program("q.db", "{\"items\":[{\"id\":1}],\"at\":1}", CURSOR);
	sync_program("q.db", "{\"items\":[{\"id\":2}],\"at\":2}", gone);
	assert_string_equal(asked(), "<>\n");
	/* So it was a pull of everything, and 1 is not in it. */
	assert_int_equal(query("q.db", "SELECT rows FROM source"), 1);
	sync_program("q.db", "{\"items\":[],\"at\":2}", gone);
	assert_string_equal(asked(), "<2>\n");
}

static void a_code_says_that_the_cursor_is_too_old(void **state)
{
	const char *ten = ",\"records\":\"/items\",\"changes\":{\"cursor\":"
			  "\"/at\",\"gone_exit\":10}";

	(void)state;
	sync_program("e.db", "{\"items\":[{\"id\":1}],\"at\":1}", CURSOR);
	fake_ok(&fs, try_program("e.db", "110", CURSOR, NULL));
	assert_string_equal(asked(), "<1>\n<>\n");
	assert_non_null(strstr(fs.log, "exited with 110"));
	assert_string_equal(query_text("e.db", "SELECT kind, rows FROM pull"
					       " ORDER BY no DESC LIMIT 1"),
			    "full|1");
	sync_program("e.db", "{\"items\":[{\"id\":1}],\"at\":1}", ten);
	fake_ok(&fs, try_program("e.db", "10", ten, NULL));
	assert_string_equal(asked(), "<1>\n<>\n");
}

static void any_other_code_is_a_failure(void **state)
{
	(void)state;
	sync_program("c.db", "{\"items\":[{\"id\":1}],\"at\":1}", CURSOR);
	assert_int_equal(try_program("c.db", "10", CURSOR, NULL), FLO_EXIT);
	assert_int_equal(fs.err.code, 10);
	assert_non_null(strstr(fs.err.text, "exit code 10"));
	assert_string_equal(asked(), "<1>\n");
	/* Nor may it say so of everything. */
	assert_int_equal(
		fake_step(&fs, &flo__cmdb_pull, "all", NULL,
			  "{\"db\":\"c2.db\",\"source\":\"vm\","
			  "\"command\":[\"sh\",\"-c\",\"exit 110\"]" CURSOR
			  "}"),
		FLO_EXIT);
}

static void bad_changes_are_refused(void **state)
{
	static const struct {
		const char *with;
		const char *says;
	} cases[] = {
		{"\"file\":\"f\",\"changes\":{\"cursor\":\"/c\"}",
		 "of programs"},
		{"\"command\":[\"x\"],\"changes\":{}", "cursor"},
		{"\"command\":[\"x\"],\"changes\":true", "object"},
		{"\"command\":[\"x\"],\"changes\":{\"cursor\":\"/c\","
		 "\"gone_exit\":0}",
		 "1 to 255"},
		{"\"command\":[\"x\"],\"changes\":{\"cursor\":\"/c\","
		 "\"gone_exit\":256}",
		 "1 to 255"},
		{"\"command\":[\"no-such-program\"],\"changes\":{\"cursor\":"
		 "\"c\"}",
		 "pointer"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_not_equal(fake_step(&fs, &flo__cmdb_pull, "bad",
					       NULL,
					       "{\"db\":\"b.db\",\"source\":"
					       "\"vm\",%s}",
					       cases[i].with),
				     FLO_OK);
		if (strstr(fs.err.text, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].with, fs.err.text);
	}
}

static void without_memory_nothing_moves(void **state)
{
	flo_value *pull = NULL;
	flo_status st = FLO_NOMEM;
	long n = 0;

	(void)state;
	sync_program("m.db", "{\"items\":[{\"id\":1}],\"at\":1}", CURSOR);
	fake_text(&fs, "says", "{\"items\":[{\"id\":2}],\"at\":2}");
	while (st == FLO_NOMEM) {
		fs.alloc_fail_at = ++n;
		st = try_program("m.db", "0", CURSOR, &pull);
		assert_true(n < 2000);
		if (st == FLO_OK && fs.allocs >= n) {
			/* Something that it can do without. */
			flo_value_unref(pull);
			st = FLO_NOMEM;
		}
	}
	fs.alloc_fail_at = 0;
	fake_ok(&fs, st);
	flo_value_unref(pull);
	assert_string_equal(query_text("m.db", "SELECT cursor FROM source"),
			    "1");
	assert_int_equal(query("m.db", "SELECT rows FROM source"), 1);
	assert_int_equal(query("m.db", "SELECT count(*) FROM pull"
				       " WHERE complete = 0"),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_cursor_is_text_or_number),
		cmocka_unit_test(lines_have_their_cursor_in_them),
		cmocka_unit_test(numbers_are_handed_on_as_they_are_written),
		cmocka_unit_test(a_cursor_within_records_is_a_scalar_there),
		cmocka_unit_test(a_cursor_that_is_too_long_is_not_applied),
		cmocka_unit_test(another_question_is_asked_from_the_start),
		cmocka_unit_test(a_code_says_that_the_cursor_is_too_old),
		cmocka_unit_test(any_other_code_is_a_failure),
		cmocka_unit_test(bad_changes_are_refused),
		cmocka_unit_test(without_memory_nothing_moves),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
