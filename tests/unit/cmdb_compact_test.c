/* cmdb.compact: a day's files become one, whatever was killed or is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cmdb_fixture.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAY "2026-01-02"
/* A pull's id. */
#define PULL "0123456789abcdef0123456789abcdef"

/* Each test has a database and a root of its own. */
static char db[32];
static char root[32];

static void begin(const char *name)
{
	snprintf(db, sizeof(db), "%s.db", name);
	snprintf(root, sizeof(root), "%s", name);
}

/* Paths and files */

/* A path below the directory of the tests; two live at a time. */
static const char *path_of(const char *format, ...) FLO_PRINTF(1, 2);

static const char *path_of(const char *format, ...)
{
	static char path[2][512];
	static int turn;
	char *to = path[turn ^= 1];
	va_list args;
	int len = snprintf(to, sizeof(path[0]), "%s/", fs.dir);

	va_start(args, format);
	vsnprintf(to + len, sizeof(path[0]) - (size_t)len, format, args);
	va_end(args);
	return to;
}

static const char *day_path(const char *name)
{
	return path_of("%s/vm/changes/dt=" DAY "/%s", root, name);
}

static bool is_there(const char *path)
{
	return access(path, F_OK) == 0;
}

static const char *read_all(const char *path)
{
	static char text[16384];
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

/* How many names a directory has that contain @part. */
static int count(const char *path, const char *part)
{
	DIR *dir = opendir(path);
	const struct dirent *entry;
	int n = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		n += entry->d_name[0] != '.' &&
		     strstr(entry->d_name, part) != NULL;
	closedir(dir);
	return n;
}

/* The ids of records in the day's files, as a reader of NDJSON finds them. */
static const char *ids(void)
{
	static char found[1024];
	DIR *dir = opendir(day_path(""));
	const struct dirent *entry;

	found[0] = '\0';
	if (dir == NULL)
		return found;
	while ((entry = readdir(dir)) != NULL) {
		const char *at = strstr(entry->d_name, ".ndjson");

		if (at == NULL || at[7] != '\0')
			continue;
		for (at = read_all(day_path(entry->d_name));
		     (at = strstr(at, "\"key\":[")) != NULL; at++)
			strncat(found, at + 7, strcspn(at + 7, "]"));
	}
	closedir(dir);
	/* In any order of files: sorted. */
	for (char *a = found; *a != '\0'; a++)
		for (char *b = a; *b != '\0'; b++)
			if (*b < *a) {
				char c = *a;

				*a = *b;
				*b = c;
			}
	return found;
}

/* Steps */

static flo_status export(const char *plan, const char *format,
			 flo_value **ret_output)
{
	return fake_step(&fs, &flo__cmdb_export, "export", ret_output,
			 "{\"db\":\"%s\",\"plan\":\"%s\",\"format\":\"%s\","
			 "\"root\":\"%s\"}",
			 db, plan, format, root);
}

/* Sync @text as it was at @hour of the day, and export what has changed. */
static void sync_at(int hour, const char *text, const char *formats)
{
	flo_value *diff = NULL;
	char key[64], sql[256];

	snprintf(key, sizeof(key), "%s-%d", root, hour);
	fake_ok(&fs, diff_text(db, key, text, ",\"guard\":false", &diff));
	snprintf(sql, sizeof(sql),
		 "UPDATE plan SET ts = (unixepoch('" DAY "') + 3600 * %d)"
		 " * 1000000 WHERE id = '%s'",
		 hour, out_text(diff, "plan"));
	query(db, sql);
	flo_value_unref(apply_plan(db, diff));
	for (const char *f = formats; *f != '\0';) {
		char format[16] = "";
		size_t len = strcspn(f, " ");

		strncat(format, f, len);
		fake_ok(&fs, export(out_text(diff, "plan"), format, NULL));
		f += len + (f[len] == ' ');
	}
	flo_value_unref(diff);
}

static flo_status compact(const char *more, flo_value **ret_output)
{
	return fake_step(&fs, &flo__cmdb_compact, "compact", ret_output,
			 "{\"db\":\"%s\",\"root\":\"%s\"%s}", db, root, more);
}

static void expect_compact(int64_t files, int64_t rows)
{
	flo_value *output = NULL;

	fake_ok(&fs, compact("", &output));
	assert_int_equal(out_int(output, "files"), files);
	assert_int_equal(out_int(output, "rows"), rows);
	flo_value_unref(output);
}

/* 1 is added, then 2, then 2 is removed and 3 added. */
static void three_syncs(const char *formats)
{
	sync_at(3, "[{\"id\":1}]", formats);
	sync_at(7, "[{\"id\":1},{\"id\":2}]", formats);
	sync_at(9, "[{\"id\":3},{\"id\":1}]", formats);
}

/* Tests */

static void a_days_files_become_one(void **state)
{
	flo_value *output = NULL;
	const flo_value *days;

	(void)state;
	begin("one");
	three_syncs("ndjson");
	assert_int_equal(count(day_path(""), ".ndjson"), 3);
	fake_ok(&fs, compact("", &output));
	assert_int_equal(out_int(output, "files"), 1);
	assert_int_equal(out_int(output, "rows"), 4);
	days = flo_value_map_get(output, "days");
	assert_int_equal(flo_value_len(days), 1);
	assert_string_equal(out_text(flo_value_list_at(days, 0), "day"), DAY);
	assert_int_equal(out_int(flo_value_list_at(days, 0), "replaced"), 3);
	assert_string_equal(out_text(flo_value_list_at(days, 0), "path"),
			    day_path("day-" DAY ".ndjson"));
	assert_int_equal(out_int(output, "bytes"),
			 strlen(read_all(day_path("day-" DAY ".ndjson"))));
	flo_value_unref(output);
	assert_int_equal(count(day_path(""), ""), 1);
	assert_false(is_there(path_of("%s/vm/.compact-" DAY, root)));
	assert_string_equal(ids(), "1223");
}

static void rows_are_in_order_of_time_then_key(void **state)
{
	const char *text, *two, *three;

	(void)state;
	begin("order");
	three_syncs("ndjson");
	expect_compact(1, 4);
	text = read_all(day_path("day-" DAY ".ndjson"));
	assert_ptr_equal(strstr(text, "\"op\":"), text + 1);
	assert_non_null(strstr(text, "T03:00:00.000000Z"));
	assert_true(strstr(text, "T03") < strstr(text, "T07"));
	assert_true(strstr(text, "T07") < strstr(text, "T09"));
	/* At nine, 2 goes and 3 comes. */
	two = strstr(strstr(text, "\"op\":\"d\""), "\"key\":[2]");
	three = strstr(text, "\"key\":[3]");
	assert_non_null(two);
	assert_true(two < three);
}

static void all_formats_are_put_together(void **state)
{
	const char *text;

	(void)state;
	begin("all");
	three_syncs("ndjson parquet csv");
	assert_int_equal(count(day_path(""), ""), 9);
	expect_compact(3, 12);
	assert_int_equal(count(day_path(""), ""), 3);
	text = read_all(day_path("day-" DAY ".csv"));
	assert_ptr_equal(strstr(text, "_op,_key,"), text);
	assert_null(strstr(text + 1, "_op,_key,"));
	text = read_all(day_path("day-" DAY ".parquet"));
	assert_memory_equal(text, "PAR1", 4);
}

static void one_format_can_be_chosen(void **state)
{
	flo_value *output = NULL;

	(void)state;
	begin("chosen");
	three_syncs("ndjson csv");
	fake_ok(&fs, compact(",\"format\":\"csv\"", &output));
	assert_int_equal(out_int(output, "files"), 1);
	flo_value_unref(output);
	assert_int_equal(count(day_path(""), ".csv"), 1);
	assert_int_equal(count(day_path(""), ".ndjson"), 3);
	expect_compact(1, 4);
	assert_int_equal(count(day_path(""), ""), 2);
}

static void a_single_file_is_left_alone(void **state)
{
	(void)state;
	begin("single");
	sync_at(3, "[{\"id\":1}]", "ndjson");
	expect_compact(0, 0);
	assert_false(is_there(day_path("day-" DAY ".ndjson")));
}

static void again_it_changes_nothing(void **state)
{
	struct stat first, then;

	(void)state;
	begin("again");
	three_syncs("ndjson");
	expect_compact(1, 4);
	assert_int_equal(stat(day_path("day-" DAY ".ndjson"), &first), 0);
	expect_compact(0, 0);
	assert_int_equal(stat(day_path("day-" DAY ".ndjson"), &then), 0);
	assert_int_equal(first.st_ino, then.st_ino);
}

static void days_from_before_on_are_left_alone(void **state)
{
	flo_value *output = NULL;
	flo_value *diff = NULL;

	(void)state;
	begin("before");
	three_syncs("ndjson");
	fake_ok(&fs, compact(",\"before\":\"" DAY "\"", &output));
	assert_int_equal(out_int(output, "files"), 0);
	flo_value_unref(output);
	/* And so is today. */
	for (int i = 0; i < 2; i++) {
		fake_ok(&fs, diff_text(db, i == 0 ? "t0" : "t1", "[]",
				       ",\"guard\":false", &diff));
		fake_ok(&fs, export(out_text(diff, "plan"), "ndjson", NULL));
		flo_value_unref(diff);
	}
	expect_compact(1, 4);
	assert_int_equal(query(db, "SELECT count(*) FROM export"
				   " WHERE compacted IS NULL"),
			 2);
}

static void a_late_file_is_put_together_the_next_time(void **state)
{
	(void)state;
	begin("late");
	three_syncs("ndjson");
	expect_compact(1, 4);
	sync_at(11, "[{\"id\":4},{\"id\":3},{\"id\":1}]", "ndjson");
	assert_int_equal(count(day_path(""), ""), 2);
	assert_string_equal(ids(), "12234");
	expect_compact(1, 5);
	assert_int_equal(count(day_path(""), ""), 1);
	assert_string_equal(ids(), "12234");
}

static void an_export_that_is_put_together_is_not_written_again(void **state)
{
	flo_value *output = NULL;
	char plan[64];

	(void)state;
	begin("repeat");
	three_syncs("ndjson");
	expect_compact(1, 4);
	snprintf(plan, sizeof(plan), "%s",
		 query_text(db, "SELECT id FROM plan ORDER BY no LIMIT 1"));
	fake_ok(&fs, export(plan, "ndjson", &output));
	assert_int_equal(out_int(output, "rows"), 1);
	flo_value_unref(output);
	assert_int_equal(count(day_path(""), ""), 1);
}

static void what_was_taken_away_does_not_come_back(void **state)
{
	char name[128];

	(void)state;
	begin("taken");
	three_syncs("ndjson");
	snprintf(name, sizeof(name), "%s",
		 query_text(db, "SELECT path FROM export ORDER BY plan"));
	*strchr(name, '\n') = '\0';
	assert_int_equal(unlink(name), 0);
	expect_compact(1, 3);
	assert_string_equal(ids(), "223");
	/* The day's file is taken as well, and others come. */
	assert_int_equal(unlink(day_path("day-" DAY ".ndjson")), 0);
	sync_at(12, "[{\"id\":4}]", "ndjson");
	sync_at(13, "[{\"id\":5}]", "ndjson");
	expect_compact(1, 5);
	assert_string_equal(ids(), "13445");
	sync_at(14, "[{\"id\":6}]", "ndjson");
	expect_compact(1, 7);
	assert_string_equal(ids(), "1344556");
}

static void other_files_of_the_day_stay(void **state)
{
	(void)state;
	begin("others");
	three_syncs("ndjson");
	write_all(day_path("notes.txt"), "mine");
	write_all(day_path("notes.tmp"), "mine too");
	write_all(day_path("x.ndjson.tmp"), "and this");
	write_all(day_path(PULL ".tmp"), "no format");
	write_all(day_path("1" PULL ".csv.tmp"), "too long");
	write_all(day_path("day-2026-01-03.csv.tmp"), "of no day");
	write_all(day_path(PULL), "named by a digest");
	write_all(day_path("day-" DAY), "no format either");
	assert_int_equal(symlink("/nowhere", day_path("link")), 0);
	expect_compact(1, 4);
	assert_string_equal(read_all(day_path("notes.txt")), "mine");
	assert_string_equal(read_all(day_path("notes.tmp")), "mine too");
	assert_string_equal(read_all(day_path("x.ndjson.tmp")), "and this");
	assert_int_equal(count(day_path(""), "link"), 1);
	assert_string_equal(read_all(day_path(PULL)), "named by a digest");
	assert_int_equal(count(day_path(""), ""), 10);
}

static void what_killed_writers_left_goes(void **state)
{
	(void)state;
	begin("left");
	three_syncs("ndjson");
	write_all(day_path(PULL ".parquet.tmp"), "half");
	write_all(day_path("day-" DAY ".csv.tmp"), "half");
	expect_compact(1, 4);
	assert_int_equal(count(day_path(""), ""), 1);
}

static void modes_are_kept(void **state)
{
	struct stat is;
	char path[512];

	(void)state;
	begin("modes");
	three_syncs("ndjson");
	assert_int_equal(chmod(day_path(""), 0751), 0);
	snprintf(path, sizeof(path), "%s",
		 query_text(db, "SELECT path FROM export ORDER BY plan DESC"
				" LIMIT 1"));
	assert_int_equal(chmod(path, 0640), 0);
	expect_compact(1, 4);
	assert_int_equal(stat(day_path(""), &is), 0);
	assert_int_equal(is.st_mode & 07777, 0751);
	assert_int_equal(stat(day_path("day-" DAY ".ndjson"), &is), 0);
	assert_int_equal(is.st_mode & 07777, 0640);
}

static void changes_that_are_gone_are_refused(void **state)
{
	(void)state;
	begin("pruned");
	three_syncs("ndjson");
	query(db, "DELETE FROM change WHERE op = 'd'");
	assert_int_equal(compact("", NULL), FLO_NOTFOUND);
	assert_non_null(strstr(fs.err.text, "vm: " DAY));
	assert_non_null(strstr(fs.err.text, "stay as they are"));
	assert_int_equal(count(day_path(""), ""), 3);
	assert_false(is_there(path_of("%s/vm/.compact-" DAY, root)));
	assert_string_equal(ids(), "1223");
}

static void a_day_that_is_refused_does_not_stop_the_others(void **state)
{
	(void)state;
	begin("go-on");
	three_syncs("ndjson");
	/* The day before has its changes no more. */
	query(db, "INSERT INTO export SELECT replace(path, '" DAY "',"
		  " '2026-01-01'), plan, what, format, rows + 1, bytes,"
		  " exported_us, NULL FROM export");
	assert_int_equal(mkdir(path_of("%s/vm/changes/dt=2026-01-01", root),
			       0700),
			 0);
	for (int i = 0; i < 3; i++) {
		char sql[128], path[512];

		snprintf(sql, sizeof(sql),
			 "SELECT path FROM export WHERE path LIKE '%%2026-01-01"
			 "%%' LIMIT 1 OFFSET %d",
			 i);
		snprintf(path, sizeof(path), "%s", query_text(db, sql));
		write_all(path, "");
	}
	assert_int_equal(compact("", NULL), FLO_NOTFOUND);
	assert_non_null(strstr(fs.err.text, "vm: 2026-01-01"));
	assert_int_equal(count(day_path(""), ""), 1);
	assert_int_equal(count(path_of("%s/vm/changes/dt=2026-01-01", root),
			       ""),
			 3);
}

static void a_day_that_fails_does_not_stop_the_others(void **state)
{
	(void)state;
	begin("fails");
	three_syncs("ndjson");
	/* The day before is no directory. */
	query(db, "INSERT INTO export SELECT replace(path, '" DAY "',"
		  " '2026-01-01'), plan, what, format, rows, bytes,"
		  " exported_us, NULL FROM export");
	write_all(path_of("%s/vm/changes/dt=2026-01-01", root), "a file");
	assert_int_equal(compact("", NULL), FLO_SYSTEM);
	assert_non_null(strstr(fs.err.text, "vm: 2026-01-01: "));
	assert_int_equal(count(day_path(""), ""), 1);
	assert_string_equal(ids(), "1223");
}

static void a_source_that_fails_does_not_stop_the_others(void **state)
{
	(void)state;
	begin("source");
	three_syncs("ndjson");
	query(db, "INSERT INTO source(name) VALUES('a')");
	write_all(path_of("%s/a", root), "a file");
	assert_int_equal(compact("", NULL), FLO_SYSTEM);
	assert_non_null(strstr(fs.err.text, "compact: a: "));
	assert_int_equal(count(day_path(""), ""), 1);
	assert_string_equal(ids(), "1223");
}

static void a_directory_in_the_way_is_refused(void **state)
{
	static const char *const names[] = {"mine", "x.tmp", PULL ".ndjson.tmp",
					    "day-" DAY ".ndjson"};

	(void)state;
	begin("in-the-way");
	three_syncs("ndjson");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(mkdir(day_path(names[i]), 0700), 0);
		assert_int_equal(compact("", NULL), FLO_EXISTS);
		assert_non_null(strstr(fs.err.text, names[i]));
		assert_non_null(strstr(fs.err.text, "move it away"));
		assert_string_equal(ids(), "1223");
		assert_false(is_there(path_of("%s/vm/.compact-" DAY, root)));
		assert_int_equal(rmdir(day_path(names[i])), 0);
	}
	expect_compact(1, 4);
}

/* Of another user, as fs.protected_hardlinks has it: only root can play it. */
static void a_file_that_may_not_be_linked_is_named(void **state)
{
	const char *protected = read_all("/proc/sys/fs/protected_hardlinks");
	char command[128];
	flo_status st;

	(void)state;
	if (geteuid() != 0 || *protected != '1') {
		print_message("skipped: only root can play it, where "
			      "fs.protected_hardlinks is 1\n");
		skip();
	}
	begin("linked");
	three_syncs("ndjson");
	snprintf(command, sizeof(command), "chown -R 65534 '%s'", fs.dir);
	assert_int_equal(system(command), 0);
	write_all(day_path("notes.txt"), "root's");
	assert_int_equal(chmod(day_path("notes.txt"), 0644), 0);
	assert_int_equal(seteuid(65534), 0);
	st = compact("", NULL);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(st, FLO_SYSTEM);
	assert_non_null(strstr(fs.err.text, "notes.txt may not be linked"));
	assert_string_equal(ids(), "1223");
	assert_int_equal(unlink(day_path("notes.txt")), 0);
	expect_compact(1, 4);
}

static void a_link_with_the_name_of_a_days_file_is_refused(void **state)
{
	(void)state;
	begin("link");
	three_syncs("ndjson");
	assert_int_equal(symlink("/nowhere", day_path("day-" DAY ".ndjson")),
			 0);
	assert_int_equal(compact("", NULL), FLO_EXISTS);
	assert_int_equal(unlink(day_path("day-" DAY ".ndjson")), 0);
	expect_compact(1, 4);
}

static void a_days_file_that_is_not_known_is_refused(void **state)
{
	(void)state;
	begin("unknown");
	three_syncs("ndjson");
	write_all(day_path("day-" DAY ".ndjson"), "from a backup\n");
	assert_int_equal(compact("", NULL), FLO_EXISTS);
	assert_non_null(strstr(fs.err.text, "move it away"));
	assert_string_equal(read_all(day_path("day-" DAY ".ndjson")),
			    "from a backup\n");
}

static void nothing_exported_is_nothing_to_do(void **state)
{
	(void)state;
	begin("nothing");
	sync_text(db, "n", "[{\"id\":1}]");
	expect_compact(0, 0);
	assert_false(is_there(path_of("%s", root)));
}

static void a_root_has_one_spelling(void **state)
{
	(void)state;
	begin("spelt");
	three_syncs("ndjson");
	snprintf(root, sizeof(root), "./spelt//");
	expect_compact(1, 4);
}

/* What a kill leaves */

static void a_kill_before_the_exchange_leaves_the_day(void **state)
{
	char aside[512], other[600];

	(void)state;
	begin("prepared");
	three_syncs("ndjson");
	write_all(day_path("notes.txt"), "mine");
	snprintf(aside, sizeof(aside), "%s",
		 path_of("%s/vm/.compact-" DAY, root));
	assert_int_equal(mkdir(aside, 0700), 0);
	snprintf(other, sizeof(other), "%s/day-" DAY ".ndjson.tmp", aside);
	write_all(other, "half");
	snprintf(other, sizeof(other), "%s/day-" DAY ".csv", aside);
	write_all(other, "whole");
	snprintf(other, sizeof(other), "%s/notes.txt", aside);
	assert_int_equal(link(day_path("notes.txt"), other), 0);
	expect_compact(1, 4);
	assert_false(is_there(aside));
	assert_int_equal(count(day_path(""), ""), 2);
	assert_string_equal(read_all(day_path("notes.txt")), "mine");
}

/* Since the kill, two files were edited by writing them anew, one deleted. */
static void what_users_did_after_a_kill_before_the_exchange_counts(void **state)
{
	static const char *const names[] = {"notes.txt", "list.txt", "gone.txt",
					    ".prepared"};

	(void)state;
	begin("edited");
	three_syncs("ndjson");
	assert_int_equal(mkdir(path_of("%s/vm/.compact-" DAY, root), 0700), 0);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		write_all(path_of("%s/vm/.compact-" DAY "/%s", root, names[i]),
			  "old");
	write_all(day_path("notes.txt"), "new");
	write_all(day_path("list.txt"), "new");
	expect_compact(1, 4);
	assert_string_equal(read_all(day_path("notes.txt")), "new");
	assert_string_equal(read_all(day_path("list.txt")), "new");
	assert_int_equal(count(day_path(""), ""), 3);
	assert_false(is_there(day_path(".prepared")));
	assert_false(is_there(path_of("%s/vm/.compact-" DAY, root)));
	assert_string_equal(ids(), "1223");
}

/* Both were written in the last moment, on either side of the exchange. */
static void two_files_of_a_name_are_both_kept(void **state)
{
	(void)state;
	begin("both");
	three_syncs("ndjson");
	write_all(day_path("notes.txt"), "new");
	write_all(day_path("notes.txt.~1~"), "a backup");
	assert_int_equal(mkdir(path_of("%s/vm/.compact-" DAY, root), 0700), 0);
	assert_int_equal(mkdir(path_of("%s/vm/.compact-" DAY "/x.tmp", root),
			       0700),
			 0);
	write_all(path_of("%s/vm/.compact-" DAY "/notes.txt", root), "old");
	/* A directory is saved as well, and is then in the way. */
	assert_int_equal(compact("", NULL), FLO_EXISTS);
	assert_int_equal(rmdir(day_path("x.tmp")), 0);
	expect_compact(1, 4);
	assert_string_equal(read_all(day_path("notes.txt")), "new");
	assert_string_equal(read_all(day_path("notes.txt.~1~")), "a backup");
	assert_string_equal(read_all(day_path("notes.txt.~2~")), "old");
	assert_int_equal(count(day_path(""), ""), 4);
}

/* The mark of one that was killed right after the exchange. */
static void a_mark_that_was_left_in_the_day_goes(void **state)
{
	(void)state;
	begin("mark");
	three_syncs("ndjson");
	write_all(day_path(".prepared"), "");
	expect_compact(1, 4);
	assert_false(is_there(day_path(".prepared")));
	assert_int_equal(query(db, "SELECT count(*) FROM export"
				   " WHERE compacted IS NULL"),
			 0);
}

static void a_kill_after_the_exchange_is_settled(void **state)
{
	char aside[512];

	(void)state;
	begin("exchanged");
	snprintf(aside, sizeof(aside), "%s",
		 path_of("%s/vm/.compact-" DAY, root));
	/* The first compact settles the links, so they come back after it. */
	three_syncs("ndjson");
	assert_int_equal(mkdir(path_of("keep"), 0700), 0);
	for (int i = 0; i < 3; i++) {
		char sql[128], path[512], other[600];

		snprintf(sql, sizeof(sql),
			 "SELECT path FROM export LIMIT 1 OFFSET %d", i);
		snprintf(path, sizeof(path), "%s", query_text(db, sql));
		snprintf(other, sizeof(other), "%s",
			 path_of("keep/%s", strrchr(path, '/') + 1));
		assert_int_equal(link(path, other), 0);
	}
	expect_compact(1, 4);
	query(db, "UPDATE export SET compacted = NULL");
	assert_int_equal(rename(path_of("keep"), aside), 0);
	write_all(path_of("%s/vm/.compact-" DAY "/late.txt", root), "late");
	/* It is settled, though its day is not to be looked at. */
	fake_ok(&fs, compact(",\"before\":\"2020-01-01\"", NULL));
	assert_false(is_there(aside));
	assert_string_equal(ids(), "1223");
	assert_int_equal(query(db,
			       "SELECT count(*) FROM export"
			       " WHERE compacted LIKE '%/day-" DAY ".ndjson'"),
			 3);
	assert_string_equal(read_all(day_path("late.txt")), "late");
	/* And the next one knows what the day's file has. */
	sync_at(15, "[{\"id\":7}]", "ndjson");
	expect_compact(1, 7);
	assert_string_equal(ids(), "1122337");
}

/* Somebody holds the day for ever: it is the step's time that ends. */
static void it_waits_for_an_export_of_the_day(void **state)
{
	flo_context *alive = fs.context;
	int fd;

	(void)state;
	begin("waits");
	three_syncs("ndjson");
	fd = open(day_path(""), O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_SH), 0);
	fs.context = flo_context_timeout(alive, 50000000, "too long");
	assert_int_equal(compact("", NULL), FLO_TIMEOUT);
	flo_context_unref(fs.context);
	fs.context = alive;
	assert_int_equal(count(day_path(""), ""), 3);
	assert_int_equal(close(fd), 0);
	expect_compact(1, 4);
}

static void an_export_waits_for_a_compact_of_the_day(void **state)
{
	flo_context *alive = fs.context;
	char plan[64];
	int fd;

	(void)state;
	begin("export-waits");
	three_syncs("ndjson");
	snprintf(plan, sizeof(plan), "%s",
		 query_text(db, "SELECT id FROM plan ORDER BY no LIMIT 1"));
	fd = open(day_path(""), O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	fs.context = flo_context_timeout(alive, 50000000, "too long");
	assert_int_equal(export(plan, "csv", NULL), FLO_TIMEOUT);
	flo_context_unref(fs.context);
	fs.context = alive;
	assert_int_equal(count(day_path(""), "csv"), 0);
	assert_int_equal(close(fd), 0);
	fake_ok(&fs, export(plan, "csv", NULL));
	assert_int_equal(count(day_path(""), "csv"), 1);
}

static void arguments_are_checked(void **state)
{
	static const char *const wrong[][2] = {
		{",\"before\":\"yesterday\"", "yesterday"},
		{",\"before\":\"2026-02-29\"", "2026-02-29"},
		{",\"before\":\"2026-2-09x\"", "2026-2-09x"},
		{",\"format\":\"xml\"", "xml"},
		{",\"source\":\"other\"", "other"},
		{",\"source\":\"../vm\"", "../vm"},
	};

	(void)state;
	begin("args");
	sync_text(db, "a", "[{\"id\":1}]");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_int_not_equal(compact(wrong[i][0], NULL), FLO_OK);
		assert_non_null(strstr(fs.err.text, wrong[i][1]));
	}
}

static void without_memory_nothing_is_lost(void **state)
{
	flo_status st = FLO_NOMEM;
	long n = 0;

	(void)state;
	begin("oom");
	three_syncs("ndjson parquet");
	while (st != FLO_OK) {
		fs.alloc_fail_at = ++n;
		st = compact("", NULL);
		fs.alloc_fail_at = 0;
		if (st != FLO_OK)
			assert_int_equal(st, FLO_NOMEM);
		assert_string_equal(ids(), "1223");
		assert_true(n < 5000);
	}
	assert_true(n > 50);
	expect_compact(0, 0);
	assert_int_equal(count(day_path(""), ""), 2);
	assert_int_equal(query(db, "SELECT count(*) FROM export"
				   " WHERE compacted IS NULL"),
			 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_days_files_become_one),
		cmocka_unit_test(rows_are_in_order_of_time_then_key),
		cmocka_unit_test(all_formats_are_put_together),
		cmocka_unit_test(one_format_can_be_chosen),
		cmocka_unit_test(a_single_file_is_left_alone),
		cmocka_unit_test(again_it_changes_nothing),
		cmocka_unit_test(days_from_before_on_are_left_alone),
		cmocka_unit_test(a_late_file_is_put_together_the_next_time),
		cmocka_unit_test(
			an_export_that_is_put_together_is_not_written_again),
		cmocka_unit_test(what_was_taken_away_does_not_come_back),
		cmocka_unit_test(other_files_of_the_day_stay),
		cmocka_unit_test(what_killed_writers_left_goes),
		cmocka_unit_test(modes_are_kept),
		cmocka_unit_test(changes_that_are_gone_are_refused),
		cmocka_unit_test(
			a_day_that_is_refused_does_not_stop_the_others),
		cmocka_unit_test(a_day_that_fails_does_not_stop_the_others),
		cmocka_unit_test(a_source_that_fails_does_not_stop_the_others),
		cmocka_unit_test(a_directory_in_the_way_is_refused),
		cmocka_unit_test(a_file_that_may_not_be_linked_is_named),
		cmocka_unit_test(
			a_link_with_the_name_of_a_days_file_is_refused),
		cmocka_unit_test(a_days_file_that_is_not_known_is_refused),
		cmocka_unit_test(nothing_exported_is_nothing_to_do),
		cmocka_unit_test(a_root_has_one_spelling),
		cmocka_unit_test(a_kill_before_the_exchange_leaves_the_day),
		cmocka_unit_test(
			what_users_did_after_a_kill_before_the_exchange_counts),
		cmocka_unit_test(two_files_of_a_name_are_both_kept),
		cmocka_unit_test(a_mark_that_was_left_in_the_day_goes),
		cmocka_unit_test(a_kill_after_the_exchange_is_settled),
		cmocka_unit_test(arguments_are_checked),
		cmocka_unit_test(without_memory_nothing_is_lost),
		cmocka_unit_test(it_waits_for_an_export_of_the_day),
		cmocka_unit_test(an_export_waits_for_a_compact_of_the_day),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
