/* cmdb.export: whole files, in their place, once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The directories that were flushed, a line each; by the step's thread. */
static struct flo__strbuf flushed = FLO__STRBUF_INIT;
static bool is_watched;

/* In place of the C library's: looks whose directory it is. */
int fsync(int fd)
{
	char link[32], path[512];
	struct stat is;
	ssize_t len;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path));
	if (is_watched && len > 0 && fstat(fd, &is) == 0 && S_ISDIR(is.st_mode))
		flo__strbuf_addf(&flushed, "%.*s\n", (int)len, path);
	return (int)syscall(SYS_fsync, fd);
}

/* Whether @root/@below was flushed; @below begins with a slash or is empty. */
static bool was_flushed(const char *root, const char *below)
{
	char line[256];

	snprintf(line, sizeof(line), "%s%s%s%s\n", fs.dir,
		 *root != '\0' ? "/" : "", root, below);
	return strstr(flushed.data, line) != NULL;
}

static flo_status export(const char *db, const char *plan, const char *more,
			 flo_value **ret_output)
{
	return fake_step(&fs, &flo__cmdb_export, "export", ret_output,
			 "{\"db\":\"%s\",\"plan\":\"%s\",\"format\":\"ndjson\","
			 "\"root\":\"out\"%s}",
			 db, plan, more);
}

static char *read_all(const char *path)
{
	static char text[8192];
	FILE *file = fopen(path, "r");
	size_t len;

	if (file == NULL)
		fail_msg("cannot open %s", path);
	len = fread(text, 1, sizeof(text) - 1, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static void write_all(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* A member of the line's object, as JSON; the caller frees it. */
static char *member(const char *line, const char *name)
{
	flo_value *value = NULL;
	char *text;

	assert_int_equal(flo_value_from_json(line, strlen(line), 0, NULL,
					     &value),
			 FLO_OK);
	assert_non_null(flo_value_map_get(value, name));
	text = flo_value_to_json(flo_value_map_get(value, name));
	flo_value_unref(value);
	return text;
}

static void expect_member(const char *line, const char *name, const char *want)
{
	char *text = member(line, name);

	assert_string_equal(text, want);
	flo_free(text);
}

static void changes_are_lines_of_json(void **state)
{
	flo_value *diff = NULL, *output = NULL;
	char want[256], date[16], *line;

	(void)state;
	sync_text("c.db", "1", "[{\"id\":1,\"tags\":{\"a\":\"x\"}}]");
	fake_ok(&fs,
		diff_text("c.db", "2", "[{\"id\":1,\n\"tags\": {\"a\":\"y\"}}]",
			  "", &diff));
	fake_ok(&fs, export("c.db", out_text(diff, "plan"), "", &output));
	snprintf(date, sizeof(date), "%s",
		 query_text("c.db", "SELECT date(ts / 1000000, 'unixepoch')"
				    " FROM plan ORDER BY no DESC LIMIT 1"));
	snprintf(want, sizeof(want), "%s/out/vm/changes/dt=%s/%s.ndjson",
		 fs.dir, date,
		 query_text("c.db", "SELECT pull_id FROM plan"
				    " ORDER BY no DESC LIMIT 1"));
	assert_string_equal(out_text(output, "path"), want);
	assert_int_equal(out_int(output, "rows"), 1);
	line = read_all(want);
	assert_int_equal(out_int(output, "bytes"), strlen(line));
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	expect_member(line, "op", "\"u\"");
	expect_member(line, "key", "[1]");
	expect_member(line, "source", "\"vm\"");
	expect_member(line, "run_id", "\"run-1\"");
	expect_member(line, "fields", "[\"/tags/a\"]");
	expect_member(line, "before", "{\"id\":1,\"tags\":{\"a\":\"x\"}}");
	expect_member(line, "after", "{\"id\":1,\"tags\":{\"a\":\"y\"}}");
	flo_value_unref(diff);
	flo_value_unref(output);
}

static void a_file_is_written_once(void **state)
{
	flo_value *diff = NULL, *output = NULL;
	char path[256];

	(void)state;
	fake_ok(&fs, diff_text("o.db", "1", "[{\"id\":1}]", "", &diff));
	fake_ok(&fs, export("o.db", out_text(diff, "plan"), "", &output));
	snprintf(path, sizeof(path), "%s", out_text(output, "path"));
	flo_value_unref(output);
	/* Somebody has taken it: it does not come back. */
	assert_int_equal(unlink(path), 0);
	fake_ok(&fs, export("o.db", out_text(diff, "plan"), "", &output));
	assert_string_equal(out_text(output, "path"), path);
	assert_int_equal(out_int(output, "rows"), 1);
	assert_int_not_equal(access(path, F_OK), 0);
	flo_value_unref(output);
	flo_value_unref(diff);
}

static void a_crash_before_the_mark_is_made_good(void **state)
{
	flo_value *diff = NULL, *output = NULL;
	char path[256], temp[300], *text;

	(void)state;
	fake_ok(&fs, diff_text("r.db", "1", "[{\"id\":1}]", "", &diff));
	fake_ok(&fs, export("r.db", out_text(diff, "plan"), "", &output));
	snprintf(path, sizeof(path), "%s", out_text(output, "path"));
	snprintf(temp, sizeof(temp), "%s.tmp", path);
	assert_int_not_equal(access(temp, F_OK), 0);
	text = strdup(read_all(path));
	flo_value_unref(output);
	/* Renamed but not marked; and half of a file from another time. */
	query("r.db", "DELETE FROM export");
	write_all(temp, "half of a fi");
	fake_ok(&fs, export("r.db", out_text(diff, "plan"), "", &output));
	assert_string_equal(read_all(path), text);
	assert_int_not_equal(access(temp, F_OK), 0);
	assert_int_equal(query("r.db", "SELECT count(*) FROM export"), 1);
	free(text);
	flo_value_unref(output);
	flo_value_unref(diff);
}

static void no_changes_are_an_empty_file(void **state)
{
	flo_value *diff = NULL, *output = NULL;

	(void)state;
	fake_ok(&fs, diff_text("e.db", "1", "[]", "", &diff));
	fake_ok(&fs, export("e.db", out_text(diff, "plan"), "", &output));
	assert_int_equal(out_int(output, "rows"), 0);
	assert_int_equal(out_int(output, "bytes"), 0);
	assert_string_equal(read_all(out_text(output, "path")), "");
	flo_value_unref(output);
	flo_value_unref(diff);
}

static void a_snapshot_is_of_the_state_after_its_plan(void **state)
{
	flo_value *diff = NULL, *output = NULL;
	const char *what = ",\"what\":\"snapshot\"";
	char *text;

	(void)state;
	fake_ok(&fs,
		diff_text("s.db", "1", "[{\"id\":1},{\"id\":2}]", "", &diff));
	assert_int_equal(export("s.db", out_text(diff, "plan"), what, NULL),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "apply it first"));
	flo_value_unref(apply_plan("s.db", diff));
	/* The state moves on; the snapshot is still of then. */
	sync_text("s.db", "2", "[{\"id\":2,\"n\":1},{\"id\":3}]");
	fake_ok(&fs, export("s.db", out_text(diff, "plan"), what, &output));
	assert_int_equal(out_int(output, "rows"), 2);
	assert_non_null(strstr(out_text(output, "path"), "/vm/snapshot/dt="));
	text = read_all(out_text(output, "path"));
	expect_member(strtok(text, "\n"), "record", "{\"id\":1}");
	expect_member(strtok(NULL, "\n"), "record", "{\"id\":2}");
	flo_value_unref(output);
	flo_value_unref(diff);
}

static void a_blocked_plan_is_not_exported(void **state)
{
	flo_value *diff = NULL;

	(void)state;
	sync_text("b.db", "1", "[{\"id\":1}]");
	assert_int_equal(diff_text("b.db", "2", "[]", "", &diff), FLO_BLOCKED);
	assert_int_equal(export("b.db",
				query_text("b.db", "SELECT id FROM plan"
						   " WHERE state = 'blocked'"),
				"", NULL),
			 FLO_BLOCKED);
}

static void what_can_never_be_applied_is_not_exported(void **state)
{
	flo_value *ready = NULL;

	(void)state;
	fake_ok(&fs, diff_text("o.db", "1", "[{\"id\":1}]", "", &ready));
	sync_text("o.db", "2", "[{\"id\":2}]");
	assert_int_equal(export("o.db", out_text(ready, "plan"), "", NULL),
			 FLO_FAILED);
	assert_non_null(strstr(fs.err.text, "out of date"));
	flo_value_unref(ready);
}

static void another_plan_of_the_pull_does_not_overwrite(void **state)
{
	flo_value *pull = pull_text("p.db", "1", "[{\"id\":1}]");
	flo_value *diff = NULL, *again = NULL;

	(void)state;
	for (int i = 0; i < 2; i++)
		fake_ok(&fs, fake_step(&fs, &flo__cmdb_diff, i == 0 ? "a" : "b",
				       i == 0 ? &diff : &again,
				       "{\"db\":\"p.db\",\"pull\":\"%s\","
				       "\"key\":[\"/id\"]}",
				       out_text(pull, "pull")));
	fake_ok(&fs, export("p.db", out_text(diff, "plan"), "", NULL));
	assert_int_equal(export("p.db", out_text(again, "plan"), "", NULL),
			 FLO_EXISTS);
	/* Nor does one that was made on another day, beside it. */
	query("p.db", "UPDATE plan SET ts = ts - 86400000000"
		      " WHERE no = (SELECT max(no) FROM plan)");
	assert_int_equal(export("p.db", out_text(again, "plan"), "", NULL),
			 FLO_EXISTS);
	flo_value_unref(diff);
	flo_value_unref(again);
	flo_value_unref(pull);
}

static void links_below_the_root_are_not_followed(void **state)
{
	flo_value *diff = NULL;
	char link[128];

	(void)state;
	snprintf(link, sizeof(link), "%s/linked", fs.dir);
	assert_int_equal(mkdir(link, 0700), 0);
	snprintf(link, sizeof(link), "%s/linked/vm", fs.dir);
	assert_int_equal(symlink("/tmp", link), 0);
	fake_ok(&fs, diff_text("l.db", "1", "[{\"id\":1}]", "", &diff));
	assert_int_equal(fake_step(&fs, &flo__cmdb_export, "export", NULL,
				   "{\"db\":\"l.db\",\"plan\":\"%s\","
				   "\"format\":\"ndjson\",\"root\":\"linked\"}",
				   out_text(diff, "plan")),
			 FLO_SYSTEM);
	flo_value_unref(diff);
}

static int lines(const char *text)
{
	int n = 0;

	for (; *text != '\0'; text++)
		n += *text == '\n';
	return n;
}

/* Export the first plan of @db below @root, and watch what is flushed. */
static void export_watched(const char *db, const char *root)
{
	flo_value *diff = NULL;

	fake_ok(&fs, diff_text(db, root, "[{\"id\":1}]", "", &diff));
	flo__strbuf_reset(&flushed);
	is_watched = true;
	fake_ok(&fs, fake_step(&fs, &flo__cmdb_export, "export", NULL,
			       "{\"db\":\"%s\",\"plan\":\"%s\","
			       "\"format\":\"ndjson\",\"root\":\"%s\"}",
			       db, out_text(diff, "plan"), root));
	is_watched = false;
	flo_value_unref(diff);
}

static void every_directory_that_is_made_is_flushed(void **state)
{
	(void)state;
	export_watched("d1.db", "far/away/out");
	assert_true(was_flushed("", ""));
	assert_true(was_flushed("far", ""));
	assert_true(was_flushed("far", "/away"));
	assert_true(was_flushed("far", "/away/out"));
	assert_true(was_flushed("far", "/away/out/vm"));
	assert_true(was_flushed("far", "/away/out/vm/changes"));
	assert_non_null(strstr(flushed.data, "/changes/dt="));
	/* Directories that are all there cost one more. */
	export_watched("d2.db", "far/away/out");
	assert_true(was_flushed("far", "/away/out/vm/changes"));
	assert_non_null(strstr(flushed.data, "/changes/dt="));
	assert_int_equal(lines(flushed.data), 2);
}

/* Made by an export that was killed before it flushed its parent. */
static void a_directory_that_was_left_is_flushed(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/left", fs.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	export_watched("w1.db", "left");
	assert_true(was_flushed("", ""));
	assert_true(was_flushed("left", ""));
	snprintf(path, sizeof(path), "%s/other", fs.dir);
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/vm");
	assert_int_equal(mkdir(path, 0700), 0);
	strcat(path, "/changes");
	assert_int_equal(mkdir(path, 0700), 0);
	export_watched("w2.db", "other");
	assert_true(was_flushed("other", "/vm"));
	assert_false(was_flushed("other", ""));
}

static void a_root_that_cannot_be_made_is_named(void **state)
{
	flo_value *diff = NULL;

	(void)state;
	fake_ok(&fs, diff_text("n.db", "1", "[{\"id\":1}]", "", &diff));
	fake_text(&fs, "file", "");
	assert_int_equal(fake_step(&fs, &flo__cmdb_export, "export", NULL,
				   "{\"db\":\"n.db\",\"plan\":\"%s\","
				   "\"format\":\"ndjson\","
				   "\"root\":\"file/out\"}",
				   out_text(diff, "plan")),
			 FLO_SYSTEM);
	assert_non_null(strstr(fs.err.text, "/file/out: Not a directory"));
	flo_value_unref(diff);
}

static void a_pulls_id_that_is_none_is_refused(void **state)
{
	static const char *const wrong[] = {
		"../../../../pwned",
		"",
		"0123456789abcdef0123456789abcde",
		"0123456789abcdef0123456789abcdeF",
		"../../../../0123456789abcdef0123",
	};
	flo_value *diff = NULL;
	char sql[128];

	(void)state;
	fake_ok(&fs, diff_text("x.db", "1", "[{\"id\":1}]", "", &diff));
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		snprintf(sql, sizeof(sql), "UPDATE plan SET pull_id = '%s'",
			 wrong[i]);
		query("x.db", sql);
		assert_int_equal(export("x.db", out_text(diff, "plan"), "",
					NULL),
				 FLO_CORRUPT);
		assert_non_null(strstr(fs.err.text, "is no pull's id"));
	}
	assert_int_equal(query("x.db", "SELECT count(*) FROM export"), 0);
	flo_value_unref(diff);
}

static void other_formats_are_named(void **state)
{
	(void)state;
	assert_int_equal(fake_step(&fs, &flo__cmdb_export, "export", NULL,
				   "{\"db\":\"f.db\",\"plan\":\"x\","
				   "\"format\":\"xml\",\"root\":\"out\"}"),
			 FLO_INVALID);
	assert_non_null(strstr(fs.err.text, "xml"));
	assert_non_null(strstr(fs.err.text, "parquet"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(changes_are_lines_of_json),
		cmocka_unit_test(a_file_is_written_once),
		cmocka_unit_test(a_crash_before_the_mark_is_made_good),
		cmocka_unit_test(no_changes_are_an_empty_file),
		cmocka_unit_test(a_snapshot_is_of_the_state_after_its_plan),
		cmocka_unit_test(a_blocked_plan_is_not_exported),
		cmocka_unit_test(what_can_never_be_applied_is_not_exported),
		cmocka_unit_test(another_plan_of_the_pull_does_not_overwrite),
		cmocka_unit_test(links_below_the_root_are_not_followed),
		cmocka_unit_test(every_directory_that_is_made_is_flushed),
		cmocka_unit_test(a_directory_that_was_left_is_flushed),
		cmocka_unit_test(a_root_that_cannot_be_made_is_named),
		cmocka_unit_test(a_pulls_id_that_is_none_is_refused),
		cmocka_unit_test(other_formats_are_named),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
