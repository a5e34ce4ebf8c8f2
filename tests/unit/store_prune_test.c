/* Pruning: what goes, what stays, and what is never followed. */
#include "store_child.h"
#include "store_upkeep.h"

#include "base/alloc.h"

#include <fcntl.h>

#define ENDS                                                                   \
	(1u << FLO__STATE_SUCCEEDED | 1u << FLO__STATE_FAILED |                \
	 1u << FLO__STATE_CANCELLED)
#define EVERY_END                                                              \
	{                                                                      \
		.before_us = INT64_MAX, .states = ENDS, .runs = true,          \
		.fn = name_it, .why = FLO_ERROR_INIT                           \
	}

struct named {
	char text[256];
};

static flo_status name_it(void *arg, const struct flo__run_row *row)
{
	struct named *named = arg;

	if (named != NULL) {
		strcat(named->text, row->record.id);
		strcat(named->text, " ");
	}
	return FLO_OK;
}

static flo_status prune(const struct fixture *f, struct flo__prune *p,
			bool for_real, flo_error *err)
{
	struct flo__reader *reader = NULL;
	struct flo__journal *j = NULL;
	flo_status st = flo__reader_open(f->path, err, &reader);

	if (st == FLO_OK && for_real)
		st = flo__store_open(f->path, FLO__STORE_PROCESS, err, &j);
	if (st == FLO_OK)
		st = flo__store_prune(reader, j, p, err);
	flo__reader_close(reader);
	flo__store_close(j);
	return st;
}

static void must_prune(const struct fixture *f, struct flo__prune *p)
{
	flo_error err = FLO_ERROR_INIT;

	OK(prune(f, p, true, &err));
}

static void three_ended(const struct fixture *f)
{
	struct flo__journal *j = open_store(f, FLO__STORE_NONE);

	make_ended(j, "a", 2, FLO__STATE_SUCCEEDED);
	make_ended(j, "b", 2, FLO__STATE_FAILED);
	make_ended(j, "c", 2, FLO__STATE_SUCCEEDED);
	flo__store_close(j);
}

/* --- which --- */

static void only_what_has_ended_goes(void **state)
{
	struct flo__journal *j;
	struct flo__run_journal *alive;
	struct named named = {""};
	struct flo__prune p = EVERY_END;
	flo_error err = FLO_ERROR_INIT;

	three_ended(*state);
	j = open_store(*state, FLO__STORE_NONE);
	make_interrupted(j, "i");
	alive = create_run(j, "r");
	OK(append(j, alive, FLO__EVENT_RUN_STARTED));
	OK(wait_durable(j, alive, 1));
	make_ended(j, "d", 0, FLO__STATE_CANCELLED);
	p.arg = &named;
	must_prune(*state, &p);
	assert_string_equal(named.text, "d c b a ");
	assert_int_equal(p.events, 14);
	assert_int_equal(p.owned, 0);
	assert_int_equal(ask_sql(*state, "SELECT count(*) FROM runs"), 2);
	assert_int_equal(ask_sql(*state, "SELECT count(*) FROM events"), 2);
	assert_int_equal(status_of(*state, "i"), FLO__STATE_INTERRUPTED);
	assert_int_equal(status_of(*state, "r"), FLO__STATE_RUNNING);
	OK(append(j, alive, FLO__EVENT_RUN_FINISHED));
	OK(j->ops->close(alive, &err));
	flo__store_close(j);
}

static void what_an_engine_still_holds_stays(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_NONE);
	struct flo__run_journal *run = create_run(j, "r");
	struct flo__prune held = EVERY_END, after = EVERY_END;
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(append(j, run, FLO__EVENT_RUN_FINISHED));
	OK(wait_durable(j, run, 2));
	make_dir(*state, "work");
	make_dir(*state, "work/r");
	must_prune(*state, &held);
	assert_int_equal(held.owned, 1);
	assert_int_equal(held.events, 0);
	assert_true(is_there(*state, "work/r"));
	OK(j->ops->close(run, &err));
	must_prune(*state, &after);
	assert_int_equal(after.owned, 0);
	assert_int_equal(after.events, 2);
	assert_false(is_there(*state, "work/r"));
	flo__store_close(j);
}

static void all_that_is_given_must_fit(void **state)
{
	struct named failed = {""}, newest = {""}, old = {""}, both = {""};
	struct flo__prune p = EVERY_END;
	flo_error err = FLO_ERROR_INIT;

	three_ended(*state);
	p.arg = &failed;
	p.states = 1u << FLO__STATE_FAILED;
	OK(prune(*state, &p, false, &err));
	assert_string_equal(failed.text, "b ");
	p.arg = &newest;
	p.states = ENDS;
	p.keep = 1;
	OK(prune(*state, &p, false, &err));
	assert_string_equal(newest.text, "b a ");
	p.arg = &both;
	p.states = 1u << FLO__STATE_SUCCEEDED;
	OK(prune(*state, &p, false, &err));
	assert_string_equal(both.text, "a ");
	p.arg = &old;
	p.keep = 0;
	p.before_us = 1795316645678901; /* when they ended: not before */
	OK(prune(*state, &p, false, &err));
	assert_string_equal(old.text, "");
	p.before_us++;
	OK(prune(*state, &p, false, &err));
	assert_string_equal(old.text, "c a ");
}

static void a_dry_run_changes_nothing(void **state)
{
	static const char sum[] = "SELECT sum(id % 1000003 + length(body))"
				  " + (SELECT count(*) FROM runs) FROM events";
	struct flo__prune p = EVERY_END;
	struct named named = {""};
	flo_error err = FLO_ERROR_INIT;
	int64_t before;

	three_ended(*state);
	make_dir(*state, "logs");
	make_dir(*state, "logs/a");
	make_dir(*state, "logs/nobody");
	before = ask_sql(*state, sum);
	p.arg = &named;
	OK(prune(*state, &p, false, &err));
	assert_string_equal(named.text, "c b a ");
	assert_int_equal(p.dirs, 1);
	assert_int_equal(ask_sql(*state, sum), before);
	assert_true(is_there(*state, "logs/a"));
	assert_true(is_there(*state, "logs/nobody"));
	assert_false(is_there(*state, "trash"));
}

/* --- what crashes leave --- */

static void events_without_a_run_are_swept(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_NONE);
	struct flo__prune p = EVERY_END;

	make_ended(j, "long", 2500, FLO__STATE_SUCCEEDED);
	make_ended(j, "other", 1, FLO__STATE_SUCCEEDED);
	flo__store_close(j);
	do_sql(*state, "DELETE FROM runs WHERE id = 'long'");
	p.runs = false;
	must_prune(*state, &p);
	assert_int_equal(p.events, 2502);
	assert_int_equal(ask_sql(*state, "SELECT count(*) FROM events"), 3);
}

static void a_damaged_list_of_runs_costs_no_events(void **state)
{
	struct flo__prune p = EVERY_END;
	flo_error err = FLO_ERROR_INIT;

	three_ended(*state);
	/* the index has an entry that the table has not */
	do_sql(*state, "PRAGMA writable_schema = ON;"
		       "CREATE TABLE spare (a);"
		       "UPDATE sqlite_schema SET rootpage ="
		       " (SELECT rootpage FROM sqlite_schema"
		       "  WHERE name = 'spare') WHERE name = 'runs'");
	p.runs = false;
	assert_int_equal(prune(*state, &p, true, &err), FLO_CORRUPT);
	assert_contains(err.text, "doctor");
	assert_int_equal(ask_sql(*state, "SELECT count(*) FROM events"), 12);
}

static void directories_of_nobody_are_removed(void **state)
{
	struct flo__prune p = EVERY_END;

	three_ended(*state);
	make_dir(*state, "logs");
	make_dir(*state, "work");
	make_dir(*state, "logs/a");
	make_dir(*state, "logs/gone");
	make_file(*state, "logs/gone/3.log");
	make_dir(*state, "work/a"); /* succeeded: the engine removes it */
	make_dir(*state, "work/b"); /* failed: kept to be looked into */
	make_dir(*state, "work/not an id");
	make_dir(*state, "trash"); /* as a killed prune leaves it */
	make_dir(*state, "trash/0123");
	make_file(*state, "trash/0123/f");
	p.runs = false;
	must_prune(*state, &p);
	assert_int_equal(p.dirs, 2);
	assert_int_equal(p.left, 0);
	assert_true(is_there(*state, "logs/a"));
	assert_false(is_there(*state, "logs/gone"));
	assert_false(is_there(*state, "work/a"));
	assert_true(is_there(*state, "work/b"));
	assert_true(is_there(*state, "work/not an id"));
	assert_false(is_there(*state, "trash/0123"));
}

static void a_name_that_comes_back_has_no_old_files(void **state)
{
	struct flo__journal *j;

	three_ended(*state);
	make_dir(*state, "logs");
	make_dir(*state, "logs/a");
	make_dir(*state, "logs/gone");
	make_file(*state, "logs/gone/3.log");
	j = open_store(*state, FLO__STORE_NONE);
	make_ended(j, "gone", 1, FLO__STATE_SUCCEEDED);
	assert_false(is_there(*state, "logs/gone"));
	assert_true(is_there(*state, "logs/a"));
	flo__store_close(j);
}

/* --- what steps leave --- */

static void links_are_not_followed(void **state)
{
	struct fixture *f = *state;
	struct flo__prune p = EVERY_END;
	char link[512], outside[512];

	three_ended(f);
	make_dir(f, "logs");
	make_dir(f, "kept");
	make_file(f, "kept/precious");
	path_in(f, "kept", outside);
	path_in(f, "logs/gone", link);
	assert_int_equal(symlink(outside, link), 0);
	make_dir(f, "logs/gone2");
	path_in(f, "logs/gone2/there", link);
	assert_int_equal(symlink(outside, link), 0);
	path_in(f, "work", link); /* the whole directory is one */
	assert_int_equal(symlink(outside, link), 0);
	p.runs = false;
	must_prune(f, &p);
	assert_int_equal(p.dirs, 2);
	assert_int_equal(p.left, 1);
	assert_contains(p.why.text, "work");
	assert_true(is_there(f, "kept/precious"));
	assert_false(is_there(f, "logs/gone"));
	assert_false(is_there(f, "logs/gone2"));
}

/* @levels directories in each other, of which none may be read or written. */
static void make_deep(const struct fixture *f, const char *name, int levels)
{
	char path[512];
	int fd;

	make_dir(f, name);
	path_in(f, name, path);
	fd = open(path, O_RDONLY | O_DIRECTORY);
	assert_true(fd >= 0);
	for (int i = 0; i < levels; i++) {
		int below;

		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		below = openat(fd, "d", O_RDONLY | O_DIRECTORY);
		assert_true(below >= 0);
		fchmod(fd, 0);
		close(fd);
		fd = below;
	}
	close(fd);
}

static void deep_and_closed_directories_are_removed(void **state)
{
	struct flo__prune p = EVERY_END;

	three_ended(*state);
	make_dir(*state, "work");
	make_deep(*state, "work/gone", 2500);
	p.runs = false;
	must_prune(*state, &p);
	assert_int_equal(p.left, 0);
	assert_false(is_there(*state, "work/gone"));
}

/* --- beside others --- */

static void an_engine_goes_on_meanwhile(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_NONE);
	struct flo__prune p = EVERY_END;
	struct flo__reader *reader;
	flo_error err = FLO_ERROR_INIT;
	struct child child;
	uint64_t told = 0;

	for (int i = 0; i < 40; i++) {
		char id[8];

		snprintf(id, sizeof(id), "e%d", i);
		make_ended(j, id, 500, FLO__STATE_SUCCEEDED);
	}
	flo__store_close(j);
	child = start_child(*state, FLO__STORE_PROCESS);
	assert_true(hear(&child, &told));
	must_prune(*state, &p);
	assert_int_equal(p.events, 40 * 502);
	told = kill_child(&child, told);
	reader = open_reader(*state);
	OK(flo__reader_verify(reader, "r", &err));
	flo__reader_close(reader);
	assert_int_equal(status_of(*state, "r"), FLO__STATE_INTERRUPTED);
	assert_true(ask_sql(*state, "SELECT count(*) FROM events") >=
		    (int64_t)told);
	assert_int_equal(ask_sql(*state, "SELECT count(*) FROM runs"), 1);
}

/* --- trouble --- */

static void memory_that_runs_out_is_said(void **state)
{
	long calls, nth = 0;
	flo_status st;

	do {
		struct flo__prune p = EVERY_END;
		flo_error err = FLO_ERROR_INIT;

		remove_store(*state);
		three_ended(*state);
		make_dir(*state, "logs");
		make_dir(*state, "logs/a");
		flo__alloc_fail_at(++nth, 0);
		st = prune(*state, &p, true, &err);
		calls = flo__alloc_count();
		flo__alloc_fail_at(0, 0);
		if (st != FLO_OK)
			assert_int_equal(st, FLO_NOMEM);
	} while (calls >= nth);
	print_message("%ld cases\n", nth);
	assert_true(nth > 10);
	assert_int_equal(st, FLO_OK);
	assert_int_equal(ask_sql(*state, "SELECT count(*) FROM events"), 0);
	assert_false(is_there(*state, "logs/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(only_what_has_ended_goes),
		STORE_TEST(what_an_engine_still_holds_stays),
		STORE_TEST(all_that_is_given_must_fit),
		STORE_TEST(a_dry_run_changes_nothing),
		STORE_TEST(events_without_a_run_are_swept),
		STORE_TEST(a_damaged_list_of_runs_costs_no_events),
		STORE_TEST(directories_of_nobody_are_removed),
		STORE_TEST(a_name_that_comes_back_has_no_old_files),
		STORE_TEST(links_are_not_followed),
		STORE_TEST(deep_and_closed_directories_are_removed),
		STORE_TEST(an_engine_goes_on_meanwhile),
		STORE_TEST(memory_that_runs_out_is_said),
	};

	return cmocka_run_group_tests_name("store_prune", tests, NULL, NULL);
}
