/* The store: what is recorded comes back, and nothing else is let in. */
#include "store_fixture.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define RUN "0198c0de-0001"

/* A run with one step that ended, closed. */
static void record_run(struct fixture *f, const char *id)
{
	struct flo__journal *j = open_store(f, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, id);
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(append(j, run, FLO__EVENT_STEP_STARTED));
	OK(append(j, run, FLO__EVENT_STEP_FINISHED));
	OK(append(j, run, FLO__EVENT_RUN_FINISHED));
	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

/* A run that stopped after two events, closed. */
static void leave_run(struct fixture *f, const char *id)
{
	struct flo__journal *j = open_store(f, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, id);
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(append(j, run, FLO__EVENT_STEP_STARTED));
	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

static void change(struct fixture *f, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static long long number(struct fixture *f, const char *sql)
{
	sqlite3_stmt *stmt;
	long long n;
	sqlite3 *db;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static flo_status open_run(struct flo__journal *j, const char *id,
			   flo_error *err, struct flo__run_journal **ret)
{
	const struct flo__run_record *record;

	return j->ops->open(j, id, NULL, NULL, err, ret, &record);
}

static void a_run_comes_back_as_it_was_pinned(void **state)
{
	const struct flo__run_record *record;
	struct flo__run_record pinned = make_record(RUN);
	struct collected events = {0};
	struct flo__run_journal *run;
	flo_error err = FLO_ERROR_INIT;
	struct flo__journal *j;

	leave_run(*state, RUN);
	j = open_store(*state, FLO__STORE_POWER);
	OK(j->ops->open(j, RUN, NULL, NULL, &err, &run, &record));
	assert_string_equal(record->id, pinned.id);
	assert_string_equal(record->trace_id, pinned.trace_id);
	assert_string_equal(record->parent_span, pinned.parent_span);
	assert_string_equal(record->pipeline, pinned.pipeline);
	assert_string_equal(record->file, pinned.file);
	assert_string_equal(record->dir, pinned.dir);
	assert_int_equal(record->text_len, pinned.text_len);
	assert_string_equal(record->text, pinned.text);
	assert_string_equal(record->params, pinned.params);
	assert_int_equal(record->limit, pinned.limit);
	assert_int_equal(record->created_us, pinned.created_us);
	OK(j->ops->replay(run, collect_replay, &events, &err));
	assert_int_equal(events.count, 2);
	assert_contains(events.first, "\"kind\":\"run.started\"");
	assert_contains(events.last, "\"seq\":2,");
	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

static void numbers_go_on_after_open(void **state)
{
	struct flo__event event = make_event(FLO__EVENT_STEP_LOST);
	struct collected events = {0};
	struct flo__run_journal *run;
	flo_error err = FLO_ERROR_INIT;
	struct flo__journal *j;

	leave_run(*state, RUN);
	for (uint64_t seq = 3; seq < 6; seq++) {
		j = open_store(*state, FLO__STORE_PROCESS);
		OK(open_run(j, RUN, &err, &run));
		OK(j->ops->append(run, &event));
		assert_int_equal(event.seq, seq);
		OK(wait_durable(j, run, seq));
		OK(j->ops->close(run, &err));
		flo__store_close(j);
	}
	j = open_store(*state, FLO__STORE_PROCESS);
	OK(open_run(j, RUN, &err, &run));
	OK(j->ops->replay(run, collect_replay, &events, &err));
	assert_int_equal(events.count, 5);
	OK(j->ops->close(run, &err));
	flo__store_close(j);
	assert_int_equal(number(*state, "SELECT epoch FROM leases"), 5);
}

static void replay_sees_what_was_just_appended(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, RUN);
	struct collected events = {0};
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(j->ops->replay(run, collect_replay, &events, &err));
	assert_int_equal(events.count, 1);
	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

static void an_id_is_taken_once(void **state)
{
	struct flo__run_record record = make_record(RUN);
	struct flo__journal *j;
	struct flo__run_journal *run = NULL;
	flo_error err = FLO_ERROR_INIT;

	leave_run(*state, RUN);
	j = open_store(*state, FLO__STORE_PROCESS);
	assert_int_equal(j->ops->create(j, &record, NULL, NULL, &err, &run),
			 FLO_EXISTS);
	assert_null(run);
	assert_contains(err.text, RUN);
	flo__store_close(j);
}

static void observe_collect(void *arg, const char *json, size_t len)
{
	collect(arg, json, len);
}

/* Nothing but the row is written, and yet it says what it repeats. */
static void a_rerun_is_made_with_its_first_event(void **state)
{
	struct flo__run_record record = make_record(RUN);
	struct collected seen = {0}, events = {0};
	struct flo__run_journal *run;
	flo_error err = FLO_ERROR_INIT;
	struct flo__journal *j = open_store(*state, FLO__STORE_POWER);

	record.rerun = (struct flo__rerun){.of = "r0", .failed = true};
	OK(j->ops->create(j, &record, observe_collect, &seen, &err, &run));
	assert_int_equal(seen.count, 1);
	OK(j->ops->close(run, &err));
	OK(open_run(j, RUN, &err, &run));
	OK(j->ops->replay(run, collect_replay, &events, &err));
	assert_int_equal(events.count, 1);
	assert_contains(events.first, "\"rerun_of\":\"r0\"");
	assert_contains(events.first, "\"seq\":1,");
	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(j->ops->close(run, &err));
	OK(open_run(j, RUN, &err, &run));
	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

static void an_unknown_run_is_not_found(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run;
	flo_error err = FLO_ERROR_INIT;

	assert_int_equal(open_run(j, "nobody", &err, &run), FLO_NOTFOUND);
	assert_contains(err.text, "nobody");
	flo__store_close(j);
}

static void a_run_that_has_ended_is_closed(void **state)
{
	struct flo__run_journal *run;
	flo_error err = FLO_ERROR_INIT;
	struct flo__journal *j;

	record_run(*state, RUN);
	j = open_store(*state, FLO__STORE_PROCESS);
	assert_int_equal(open_run(j, RUN, &err, &run), FLO_CLOSED);
	flo__store_close(j);
}

static void nothing_follows_the_end(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, RUN);
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_RUN_FINISHED));
	assert_int_equal(append(j, run, FLO__EVENT_STEP_STARTED), FLO_CLOSED);
	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

static void steps_are_folded_from_events(void **state)
{
	struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_POWER);
	struct flo__run_journal *run = create_run(j, RUN);
	flo_error err = FLO_ERROR_INIT;
	char path[16];

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	for (int i = 0; i < 30; i++) {
		struct flo__event e = make_event(FLO__EVENT_STEP_STARTED);

		snprintf(path, sizeof(path), "s%d", i % 10);
		e.path = path;
		e.attempt = 1 + i / 10;
		e.ts_us = 1000 + i;
		OK(j->ops->append(run, &e));
		e.kind = FLO__EVENT_STEP_FINISHED;
		e.status = i == 25 ? FLO__STATE_FAILED : FLO__STATE_SUCCEEDED;
		e.ts_us = 2000 + i;
		OK(j->ops->append(run, &e));
	}
	OK(append(j, run, FLO__EVENT_RUN_FINISHED));
	OK(j->ops->close(run, &err));
	flo__store_close(j);
	assert_int_equal(number(f, "SELECT count(*) FROM steps"), 10);
	assert_int_equal(number(f, "SELECT sum(attempts) FROM steps"), 30);
	assert_int_equal(number(f, "SELECT state FROM steps WHERE path = 's5'"),
			 FLO__STATE_FAILED);
	assert_int_equal(
		number(f, "SELECT started_us FROM steps WHERE path = 's7'"),
		1007);
	assert_int_equal(
		number(f, "SELECT finished_us FROM steps WHERE path = 's7'"),
		2027);
	assert_int_equal(number(f,
				"SELECT last_seq FROM steps WHERE path = 's9'"),
			 61);
	assert_int_equal(number(f, "SELECT count(*) FROM leases"), 0);
}

/* --- damage --- */

static void open_says_corrupt(struct fixture *f, const char *part)
{
	struct flo__journal *j = open_store(f, FLO__STORE_PROCESS);
	struct flo__run_journal *run = NULL;
	flo_error err = FLO_ERROR_INIT;

	assert_int_equal(open_run(j, RUN, &err, &run), FLO_CORRUPT);
	assert_null(run);
	assert_contains(err.text, part);
	flo__store_close(j);
}

static void a_changed_event_breaks_the_chain(void **state)
{
	leave_run(*state, RUN);
	change(*state, "UPDATE events SET body = replace(body, 'a/b', 'a/c')"
		       " WHERE id & 4294967295 = 2");
	open_says_corrupt(*state, "event 2 ");
}

static void a_lost_event_breaks_the_chain(void **state)
{
	leave_run(*state, RUN);
	change(*state, "DELETE FROM events WHERE id & 4294967295 = 1");
	open_says_corrupt(*state, "event 1 ");
}

static void a_changed_pin_breaks_the_chain(void **state)
{
	leave_run(*state, RUN);
	change(*state, "UPDATE runs SET params = '{\"x\":1}'");
	open_says_corrupt(*state, "event 1 ");
}

static void one_damaged_run_leaves_the_others(void **state)
{
	struct flo__run_journal *run;
	flo_error err = FLO_ERROR_INIT;
	struct flo__journal *j;

	leave_run(*state, RUN);
	leave_run(*state, "other");
	change(*state, "UPDATE runs SET status = 99 WHERE run = 1");
	j = open_store(*state, FLO__STORE_PROCESS);
	assert_int_equal(open_run(j, RUN, &err, &run), FLO_CORRUPT);
	OK(open_run(j, "other", &err, &run));
	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

static void verify_sees_a_cut_tail_of_an_ended_run(void **state)
{
	struct flo__reader *reader;
	flo_error err = FLO_ERROR_INIT;

	record_run(*state, RUN);
	reader = open_reader(*state);
	OK(flo__reader_verify(reader, RUN, &err));
	change(*state, "DELETE FROM events WHERE id & 4294967295 = 4");
	assert_int_equal(flo__reader_verify(reader, RUN, &err), FLO_CORRUPT);
	flo__reader_close(reader);
}

/* --- files --- */

static flo_status try_open(const char *path, flo_error *err)
{
	struct flo__journal *j = NULL;
	flo_status st = flo__store_open(path, FLO__STORE_PROCESS, err, &j);

	flo__store_close(j);
	return st;
}

static unsigned mode_of(const struct fixture *f, const char *suffix)
{
	struct stat info;
	char path[320];

	snprintf(path, sizeof(path), "%s%s", f->path, suffix);
	assert_int_equal(stat(path, &info), 0);
	return info.st_mode & 0777;
}

static void files_are_private(void **state)
{
	struct fixture *f = *state;
	mode_t before = umask(0);
	struct flo__journal *j;
	char dir[sizeof(f->path)];
	struct stat info;

	snprintf(f->path, sizeof(f->path), "%s/new/er/flow.db", f->dir);
	snprintf(dir, sizeof(dir), "%s/new", f->dir);
	j = open_store(f, FLO__STORE_PROCESS);
	umask(before);
	assert_int_equal(mode_of(f, ""), 0600);
	assert_int_equal(mode_of(f, "-wal"), 0600);
	assert_int_equal(mode_of(f, "-shm"), 0600);
	assert_int_equal(mode_of(f, ".lock"), 0600);
	assert_int_equal(mode_of(f, ".d"), 0700);
	assert_int_equal(mode_of(f, ".d/ballast"), 0600);
	assert_int_equal(stat(dir, &info), 0);
	assert_int_equal(info.st_mode & 0777, 0700);
	assert_int_equal(stat(flo__store_files(j), &info), 0);
	flo__store_close(j);
}

static void a_newer_file_is_refused(void **state)
{
	struct fixture *f = *state;
	flo_error err = FLO_ERROR_INIT;

	record_run(f, RUN);
	change(f, "PRAGMA user_version = 9999");
	assert_int_equal(try_open(f->path, &err), FLO_VERSION);
	assert_contains(err.text, f->path);
	assert_contains(err.text, "newer");
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	for (int i = 0; i < 1000; i++)
		fputs(text, file);
	fclose(file);
}

static void what_is_no_store_is_named(void **state)
{
	struct fixture *f = *state;
	flo_error err = FLO_ERROR_INIT;
	struct flo__reader *reader;

	assert_int_equal(try_open(f->dir, &err), FLO_SYSTEM);
	assert_contains(err.text, "is a directory");

	/* nothing is left beside it, and nobody waits for a FIFO's writer */
	assert_int_equal(mkfifo(f->path, 0600), 0);
	flo_error_clear(&err);
	assert_int_equal(try_open(f->path, &err), FLO_SYSTEM);
	assert_contains(err.text, "is no regular file");
	flo_error_clear(&err);
	assert_int_equal(flo__reader_open(f->path, &err, &reader), FLO_SYSTEM);
	assert_contains(err.text, "is no regular file");
	unlink(f->path);

	write_file(f->path, "no database");
	flo_error_clear(&err);
	assert_int_equal(try_open(f->path, &err), FLO_CORRUPT);
	assert_contains(err.text, f->path);
	assert_contains(err.text, "not a flowctl store");
	flo_error_clear(&err);
	assert_int_equal(flo__reader_open(f->path, &err, &reader), FLO_CORRUPT);
	assert_contains(err.text, "not a flowctl store");
	unlink(f->path);

	change(f, "CREATE TABLE other (x)");
	flo_error_clear(&err);
	assert_int_equal(try_open(f->path, &err), FLO_CORRUPT);
	assert_contains(err.text, "another program");
}

/* Root may do everything, so that a child gives its rights up first. */
static void as_nobody(struct fixture *f, int mode, int (*fn)(struct fixture *f))
{
	pid_t pid;
	int status;

	assert_int_equal(chmod(f->dir, mode), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(99);
		_exit(fn(f));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(chmod(f->dir, 0700), 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int denied(struct fixture *f)
{
	flo_error err = FLO_ERROR_INIT;

	if (try_open(f->path, &err) != FLO_SYSTEM)
		return 1;
	return strstr(err.text, f->path) != NULL &&
			       strstr(err.text, "ermission") != NULL
		       ? 0
		       : 2;
}

static void permission_denied_names_the_file(void **state)
{
	struct fixture *f = *state;

	as_nobody(f, 0500, denied); /* no file yet, none can be made */
	record_run(f, RUN);
	as_nobody(f, 0, denied); /* cannot even be reached */
}

/* --- fork and kill --- */

static void stores_of_two_handles_write_in_turns(void **state)
{
	struct flo__journal *a = open_store(*state, FLO__STORE_PROCESS);
	struct flo__journal *b = open_store(*state, FLO__STORE_POWER);
	struct flo__run_journal *ra = create_run(a, "a");
	struct flo__run_journal *rb = create_run(b, "b");
	flo_error err = FLO_ERROR_INIT;

	for (int i = 1; i <= 200; i++) {
		OK(append(a, ra, FLO__EVENT_STEP_STARTED));
		OK(append(b, rb, FLO__EVENT_STEP_STARTED));
		OK(wait_durable(i % 2 ? a : b, i % 2 ? ra : rb, (uint64_t)i));
	}
	OK(a->ops->close(ra, &err));
	flo__store_close(a);
	OK(append(b, rb, FLO__EVENT_STEP_FINISHED));
	OK(b->ops->close(rb, &err));
	flo__store_close(b);
	assert_int_equal(number(*state, "SELECT count(*) FROM events"), 401);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_run_comes_back_as_it_was_pinned),
		STORE_TEST(numbers_go_on_after_open),
		STORE_TEST(replay_sees_what_was_just_appended),
		STORE_TEST(an_id_is_taken_once),
		STORE_TEST(a_rerun_is_made_with_its_first_event),
		STORE_TEST(an_unknown_run_is_not_found),
		STORE_TEST(a_run_that_has_ended_is_closed),
		STORE_TEST(nothing_follows_the_end),
		STORE_TEST(steps_are_folded_from_events),
		STORE_TEST(a_changed_event_breaks_the_chain),
		STORE_TEST(a_lost_event_breaks_the_chain),
		STORE_TEST(a_changed_pin_breaks_the_chain),
		STORE_TEST(one_damaged_run_leaves_the_others),
		STORE_TEST(verify_sees_a_cut_tail_of_an_ended_run),
		STORE_TEST(files_are_private),
		STORE_TEST(a_newer_file_is_refused),
		STORE_TEST(what_is_no_store_is_named),
		STORE_TEST(permission_denied_names_the_file),
		STORE_TEST(stores_of_two_handles_write_in_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
