/* Checking a store: what is whole, what is planted, and what only looks so. */
#include "store_upkeep.h"

#include "base/alloc.h"
#include "storage/check_p.h"

#include <fcntl.h>

#define PAGE 4096

struct found {
	int ok, notes, problems;
	char runs[128];	  /* that problems name, each with a space */
	char names[512];  /* of the checks that have problems */
	char noted[512];  /* of those that have notes */
	char remedy[256]; /* of the last note that names a run */
};

static void find(const flo_check *check, void *arg)
{
	struct found *found = arg;

	assert_non_null(check->name);
	assert_non_null(check->text);
	switch (check->level) {
	case FLO_CHECK_OK:
		found->ok++;
		break;
	case FLO_CHECK_NOTE:
		found->notes++;
		if (strlen(found->noted) < 400)
			strcat(strcat(found->noted, check->name), " ");
		if (check->run != NULL && check->remedy != NULL)
			snprintf(found->remedy, sizeof(found->remedy), "%s",
				 check->remedy);
		break;
	case FLO_CHECK_PROBLEM:
		found->problems++;
		if (strlen(found->names) < 400)
			strcat(strcat(found->names, check->name), " ");
		if (check->run != NULL && strlen(found->runs) < 100)
			strcat(strcat(found->runs, check->run), " ");
		break;
	}
}

static struct found look(const struct fixture *f)
{
	struct found found = {0};
	flo_error err = FLO_ERROR_INIT;

	OK(flo__store_check(f->path, find, &found, &err));
	return found;
}

static void three_ended(const struct fixture *f)
{
	struct flo__journal *j = open_store(f, FLO__STORE_NONE);

	make_ended(j, "a", 30, FLO__STATE_SUCCEEDED);
	make_ended(j, "b", 30, FLO__STATE_FAILED);
	make_ended(j, "c", 30, FLO__STATE_SUCCEEDED);
	flo__store_close(j);
}

/* --- what is no problem --- */

static void no_store_is_no_problem(void **state)
{
	struct found found = look(*state);

	assert_int_equal(found.problems, 0);
	assert_true(found.ok > 0);
	assert_int_equal(access(((struct fixture *)*state)->path, F_OK), -1);
}

static void a_whole_store_has_no_problem(void **state)
{
	struct found found;

	three_ended(*state);
	found = look(*state);
	assert_string_equal(found.names, "");
	assert_int_equal(found.problems, 0);
	assert_true(found.ok >= 10);
}

static void a_run_that_gets_on_is_no_problem(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_NONE);
	struct flo__run_journal *run = create_run(j, "r");
	flo_error err = FLO_ERROR_INIT;
	struct found found;

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(wait_durable(j, run, 1));
	found = look(*state);
	assert_int_equal(found.problems, 0);
	assert_null(strstr(found.noted, "owner"));
	OK(j->ops->close(run, &err));
	found = look(*state);
	assert_int_equal(found.problems, 0);
	assert_contains(found.noted, "owner");
	assert_string_equal(found.remedy, "flowctl resume r");
	flo__store_close(j);
}

static void what_crashes_leave_is_noted(void **state)
{
	struct found found;

	three_ended(*state);
	make_dir(*state, "work");
	make_dir(*state, "work/a");
	do_sql(*state, "INSERT INTO requests VALUES (1, 1, 'because', 1)");
	found = look(*state);
	assert_int_equal(found.problems, 0);
	assert_contains(found.noted, "leftovers");
	assert_contains(found.noted, "requests");
	assert_true(is_there(*state, "work/a"));
}

/* --- what is one --- */

static void an_event_that_was_changed_names_its_run(void **state)
{
	struct found found;

	three_ended(*state);
	do_sql(*state, "UPDATE events SET body = replace(body, 'a/b', 'a/c')"
		       " WHERE id = (2 << 32) + 7");
	found = look(*state);
	assert_string_equal(found.runs, "b ");
	assert_string_equal(found.names, "chain ");
}

static void an_event_that_is_gone_names_its_run(void **state)
{
	struct found found;

	three_ended(*state);
	do_sql(*state, "DELETE FROM events WHERE id = (3 << 32) + 32");
	found = look(*state);
	assert_string_equal(found.runs, "c ");
}

static void a_row_that_was_changed_names_its_run(void **state)
{
	struct found found;

	three_ended(*state);
	do_sql(*state, "UPDATE runs SET status = 99 WHERE id = 'a'");
	do_sql(*state, "UPDATE runs SET params = '{\"x\":1}' WHERE id = 'c'");
	found = look(*state);
	assert_string_equal(found.runs, "a c ");
}

static void an_end_that_was_changed_names_its_run(void **state)
{
	three_ended(*state);
	do_sql(*state, "UPDATE runs SET status ="
		       " (SELECT status FROM runs WHERE id = 'b')"
		       " WHERE id = 'a'");
	assert_string_equal(look(*state).runs, "a ");
	do_sql(*state, "UPDATE runs SET finished_json ="
		       " replace(finished_json, '\"run\":', '\"ran\":')"
		       " WHERE id = 'c'");
	assert_string_equal(look(*state).runs, "a c ");
}

static void permissions_for_others_are_a_problem(void **state)
{
	struct fixture *f = *state;
	char other[320];

	three_ended(f);
	assert_int_equal(chmod(f->path, 0640), 0);
	assert_contains(look(f).names, "files ");
	assert_int_equal(chmod(f->path, 0600), 0);
	/* which readers have made like the database */
	snprintf(other, sizeof(other), "%s-wal", f->path);
	unlink(other);
	snprintf(other, sizeof(other), "%s-shm", f->path);
	unlink(other);
	assert_int_equal(look(f).problems, 0);
	snprintf(other, sizeof(other), "%s.d", f->path);
	assert_int_equal(chmod(other, 0755), 0);
	assert_string_equal(look(f).names, "files ");
}

/* --- bytes --- */

static char *read_store(const struct fixture *f, size_t *ret_len)
{
	FILE *file = fopen(f->path, "rb");
	char *bytes;

	assert_non_null(file);
	fseek(file, 0, SEEK_END);
	*ret_len = (size_t)ftell(file);
	rewind(file);
	bytes = malloc(*ret_len);
	assert_int_equal(fread(bytes, 1, *ret_len, file), *ret_len);
	fclose(file);
	return bytes;
}

static void write_store(const struct fixture *f, const char *bytes, size_t len)
{
	FILE *file = fopen(f->path, "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

/* One that is whole in its database: nothing is left in the WAL. */
static char *make_whole(const struct fixture *f, size_t *ret_len)
{
	three_ended(f);
	do_sql(f, "PRAGMA wal_checkpoint(TRUNCATE)");
	return read_store(f, ret_len);
}

static void garbage_in_any_page_is_told(void **state)
{
	size_t len;
	char *whole = make_whole(*state, &len), *bad = malloc(len);

	for (size_t page = 0; page < len / PAGE; page++) {
		struct found found;

		memcpy(bad, whole, len);
		for (size_t i = 0; i < PAGE; i++)
			bad[page * PAGE + i] = (char)(i * 37 + page);
		write_store(*state, bad, len);
		found = look(*state);
		if (found.problems == 0)
			fail_msg("page %zu: no problem", page + 1);
	}
	write_store(*state, whole, len);
	assert_int_equal(look(*state).problems, 0);
	free(bad);
	free(whole);
}

/* As every run: a few bytes in the middle, which SQLite's own check passes. */
static void a_byte_in_a_body_is_told_with_its_run(void **state)
{
	static const char mark[] = "\"run\":\"b\"";
	size_t len, told = 0;
	char *whole = make_whole(*state, &len), *bad = malloc(len);

	for (size_t at = PAGE; at + sizeof(mark) < len; at++) {
		struct found found;

		if (memcmp(whole + at, mark, sizeof(mark) - 1) != 0)
			continue;
		memcpy(bad, whole, len);
		bad[at + sizeof(mark) - 3] = 'x';
		write_store(*state, bad, len);
		found = look(*state);
		if (found.problems == 0) /* what is no page's any more */
			continue;
		assert_string_equal(found.runs, "b ");
		told++;
	}
	assert_true(told >= 32);
	free(bad);
	free(whole);
}

static void a_file_that_was_cut_is_told(void **state)
{
	size_t len;
	char *whole = make_whole(*state, &len);

	for (size_t left = 1; left < len; left += 1024) {
		write_store(*state, whole, left);
		if (look(*state).problems == 0)
			fail_msg("cut to %zu: no problem", left);
	}
	free(whole);
}

static void names_survive_where_a_page_of_runs_is_lost(void **state)
{
	int64_t root;
	size_t len;
	char *whole = make_whole(*state, &len);
	struct found found;

	root = ask_sql(*state, "SELECT rootpage FROM sqlite_schema"
			       " WHERE name = 'runs'");
	memset(whole + (root - 1) * PAGE, 0x5a, PAGE);
	write_store(*state, whole, len);
	found = look(*state);
	assert_string_equal(found.runs, "a b c ");
	free(whole);
}

/* --- the rest --- */

static void file_systems_are_known(void **state)
{
	(void)state;
	assert_int_equal(flo__fs_of(0x6969), FLO__FS_NETWORK);
	assert_int_equal(flo__fs_of(0xff534d42), FLO__FS_NETWORK);
	assert_int_equal(flo__fs_of(0x01021994), FLO__FS_MEMORY);
	assert_int_equal(flo__fs_of(0x65735546), FLO__FS_UNKNOWN);
	assert_int_equal(flo__fs_of(0xef53), FLO__FS_LOCAL);
}

static void memory_that_runs_out_is_said(void **state)
{
	long calls, nth = 0;

	three_ended(*state);
	do {
		struct found found = {0};
		flo_error err = FLO_ERROR_INIT;
		struct fixture *f = *state;
		flo_status st;

		flo__alloc_fail_at(++nth, 0);
		st = flo__store_check(f->path, find, &found, &err);
		calls = flo__alloc_count();
		flo__alloc_fail_at(0, 0);
		if (st != FLO_OK)
			assert_int_equal(st, FLO_NOMEM);
		assert_int_equal(found.problems, 0);
	} while (calls >= nth);
	print_message("%ld cases\n", nth);
	assert_true(nth > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(no_store_is_no_problem),
		STORE_TEST(a_whole_store_has_no_problem),
		STORE_TEST(a_run_that_gets_on_is_no_problem),
		STORE_TEST(what_crashes_leave_is_noted),
		STORE_TEST(an_event_that_was_changed_names_its_run),
		STORE_TEST(an_event_that_is_gone_names_its_run),
		STORE_TEST(a_row_that_was_changed_names_its_run),
		STORE_TEST(an_end_that_was_changed_names_its_run),
		STORE_TEST(permissions_for_others_are_a_problem),
		STORE_TEST(garbage_in_any_page_is_told),
		STORE_TEST(a_byte_in_a_body_is_told_with_its_run),
		STORE_TEST(a_file_that_was_cut_is_told),
		STORE_TEST(names_survive_where_a_page_of_runs_is_lost),
		STORE_TEST(file_systems_are_known),
		STORE_TEST(memory_that_runs_out_is_said),
	};

	return cmocka_run_group_tests_name("store_check", tests, NULL, NULL);
}
