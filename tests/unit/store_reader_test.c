/* Readers: they find what is there, and are never turned away. */
#include "store_child.h"

#include <sys/stat.h>

static void make_runs(struct fixture *f, const char *const *ids, size_t count)
{
	struct flo__journal *j = open_store(f, FLO__STORE_NONE);
	flo_error err = FLO_ERROR_INIT;

	for (size_t i = 0; i < count; i++) {
		struct flo__run_journal *run = create_run(j, ids[i]);

		OK(append(j, run, FLO__EVENT_RUN_STARTED));
		OK(append(j, run, FLO__EVENT_RUN_FINISHED));
		OK(j->ops->close(run, &err));
	}
	flo__store_close(j);
}

static void a_prefix_finds_a_run(void **state)
{
	static const char *const ids[] = {"0198-aa", "0198-ab", "0199", "01"};
	struct flo__reader *reader;
	struct flo__run_row row;
	flo_error err = FLO_ERROR_INIT;

	make_runs(*state, ids, 4);
	reader = open_reader(*state);
	OK(flo__reader_run(reader, "0198-ab", &err, &row));
	assert_string_equal(row.record.id, "0198-ab");
	OK(flo__reader_run(reader, "0199", &err, &row));
	OK(flo__reader_run(reader, "0198-aa", &err, &row));
	assert_int_equal(flo__reader_run(reader, "019", &err, &row),
			 FLO_INVALID);
	assert_contains(err.text, "0198-aa, 0198-ab, 0199");
	flo_error_clear(&err);
	OK(flo__reader_run(reader, "01", &err, &row)); /* exact wins */
	assert_string_equal(row.record.id, "01");
	assert_int_equal(flo__reader_run(reader, "02", &err, &row),
			 FLO_NOTFOUND);
	assert_contains(err.text, "02");
	flo_error_clear(&err);
	assert_int_equal(flo__reader_run(reader, "", &err, &row), FLO_NOTFOUND);
	flo__reader_close(reader);
}

static void the_row_tells_how_a_run_went(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, "r");
	struct flo__reader *reader = open_reader(*state);
	struct flo__run_row row;
	flo_error err = FLO_ERROR_INIT;

	OK(flo__reader_run(reader, "r", &err, &row));
	assert_int_equal(row.status, FLO__STATE_QUEUED);
	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(wait_durable(j, run, 1));
	OK(flo__reader_run(reader, "r", &err, &row));
	assert_int_equal(row.status, FLO__STATE_RUNNING);
	assert_int_equal(row.started_us, 1795316645678901);
	assert_null(row.finished_json);
	OK(append(j, run, FLO__EVENT_RUN_FINISHED));
	OK(wait_durable(j, run, 2));
	OK(flo__reader_run(reader, "r", &err, &row));
	assert_int_equal(row.status, FLO__STATE_SUCCEEDED);
	assert_int_equal(row.finished_us, 1795316645678901);
	assert_contains(row.finished_json, "\"kind\":\"run.finished\"");
	assert_string_equal(row.record.text, "{\"name\":\"p\",\"steps\":[]}");
	OK(j->ops->close(run, &err));
	flo__store_close(j);
	flo__reader_close(reader);
}

/* --- lists --- */

struct list {
	size_t count;
	char first[16];
	char last[16];
	bool texts;
};

static flo_status list_row(void *arg, const struct flo__run_row *row)
{
	struct list *list = arg;

	if (list->count++ == 0)
		snprintf(list->first, sizeof(list->first), "%s",
			 row->record.id);
	snprintf(list->last, sizeof(list->last), "%s", row->record.id);
	list->texts = list->texts || row->record.text != NULL;
	return FLO_OK;
}

static flo_status stop_at_once(void *arg, const struct flo__run_row *row)
{
	(void)row;
	++*(int *)arg;
	return FLO_CANCELED;
}

static void runs_are_listed_newest_first(void **state)
{
	enum {
		RUNS = 300
	};
	char ids[RUNS][8];
	const char *names[RUNS];
	struct flo__reader *reader;
	flo_error err = FLO_ERROR_INIT;
	struct list all = {0}, some = {0};
	int calls = 0;

	for (int i = 0; i < RUNS; i++) {
		snprintf(ids[i], sizeof(ids[i]), "r%d", i);
		names[i] = ids[i];
	}
	make_runs(*state, names, RUNS);
	reader = open_reader(*state);
	OK(flo__reader_runs(reader, 0, list_row, &all, &err));
	assert_int_equal(all.count, RUNS);
	assert_string_equal(all.first, "r299");
	assert_string_equal(all.last, "r0");
	assert_false(all.texts);
	OK(flo__reader_runs(reader, 130, list_row, &some, &err));
	assert_int_equal(some.count, 130);
	assert_string_equal(some.last, "r170");
	assert_int_equal(flo__reader_runs(reader, 0, stop_at_once, &calls,
					  &err),
			 FLO_CANCELED);
	assert_int_equal(calls, 1);
	flo__reader_close(reader);
}

/* --- beside writers --- */

static void readers_are_never_locked_out(void **state)
{
	struct child child = start_child(*state, FLO__STORE_NONE);
	flo_error err = FLO_ERROR_INIT;
	uint64_t told = 0;

	assert_true(hear(&child, &told));
	for (int i = 0; i < 200; i++) {
		struct flo__reader *reader = open_reader(*state);
		struct collected events = {0};

		/* an opening and closing writer beside the one that lives */
		if (i % 4 == 0)
			flo__store_close(
				open_store(*state, FLO__STORE_PROCESS));
		assert_true(hear(&child, &told));
		OK(flo__reader_events(reader, "r", collect_event, &events,
				      &err));
		assert_true(events.count >= told);
		flo__reader_close(reader);
	}
	kill_child(&child, told);
}

static void a_killed_writers_events_are_read(void **state)
{
	struct child child = start_child(*state, FLO__STORE_PROCESS);
	struct flo__reader *reader;
	struct collected events = {0};
	flo_error err = FLO_ERROR_INIT;
	uint64_t told = 0;

	while (told < 100)
		assert_true(hear(&child, &told));
	told = kill_child(&child, told);
	reader = open_reader(*state);
	OK(flo__reader_verify(reader, "r", &err));
	OK(flo__reader_events(reader, "r", collect_event, &events, &err));
	assert_true(events.count >= told);
	flo__reader_close(reader);
}

static flo_status open_while_read(void *arg, const char *json, size_t len)
{
	struct fixture *f = arg;

	(void)json;
	(void)len;
	/* would wait for ever, or fail, if the walk held a transaction */
	flo__store_close(open_store(f, FLO__STORE_PROCESS));
	return FLO_OK;
}

static void a_slow_reader_holds_nothing(void **state)
{
	static const char *const ids[] = {"r"};
	struct flo__reader *reader;
	flo_error err = FLO_ERROR_INIT;

	make_runs(*state, ids, 1);
	reader = open_reader(*state);
	OK(flo__reader_events(reader, "r", open_while_read, *state, &err));
	flo__reader_close(reader);
}

/* --- where nothing may be written --- */

/* Root may do everything, so that a child gives its rights up first. */
static void as_nobody(struct fixture *f, int (*fn)(struct fixture *f))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		if (getuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
			_exit(99);
		_exit(fn(f));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int can_read(struct fixture *f)
{
	struct flo__reader *reader;
	struct collected events = {0};
	flo_error err = FLO_ERROR_INIT;

	if (flo__reader_open(f->path, &err, &reader) != FLO_OK) {
		print_error("%s\n", err.text);
		return 1;
	}
	if (flo__reader_events(reader, "r", collect_event, &events, &err) !=
	    FLO_OK) {
		print_error("%s\n", err.text);
		return 2;
	}
	flo__reader_close(reader);
	return events.count > 0 ? 0 : 3;
}

static int is_told_why_not(struct fixture *f)
{
	struct flo__reader *reader;
	flo_error err = FLO_ERROR_INIT;

	if (flo__reader_open(f->path, &err, &reader) != FLO_READONLY)
		return 1;
	return strstr(err.text, "-wal") != NULL ? 0 : 2;
}

static void a_read_only_directory_can_be_read(void **state)
{
	static const char *const ids[] = {"r"};
	struct fixture *f = *state;

	snprintf(f->path, sizeof(f->path), "%s/a%%41 b?c#d.db", f->dir);
	make_runs(f, ids, 1);
	assert_int_equal(chmod(f->path, 0444), 0);
	assert_int_equal(chmod(f->dir, 0555), 0);
	as_nobody(f, can_read);
	assert_int_equal(chmod(f->dir, 0700), 0);
}

static void a_wal_that_cannot_be_read_is_not_ignored(void **state)
{
	struct fixture *f = *state;
	struct child child = start_child(f, FLO__STORE_PROCESS);
	char path[320];
	uint64_t told;

	assert_true(hear(&child, &told));
	assert_true(hear(&child, &told));
	kill_child(&child, told);
	snprintf(path, sizeof(path), "%s-shm", f->path);
	assert_int_equal(unlink(path), 0);
	snprintf(path, sizeof(path), "%s-wal", f->path);
	assert_int_equal(chmod(path, 0444), 0);
	assert_int_equal(chmod(f->path, 0444), 0);
	assert_int_equal(chmod(f->dir, 0555), 0);
	as_nobody(f, is_told_why_not);
	assert_int_equal(chmod(f->dir, 0700), 0);
}

static void no_store_is_not_found(void **state)
{
	struct fixture *f = *state;
	struct flo__reader *reader;
	flo_error err = FLO_ERROR_INIT;
	char path[320];

	assert_int_equal(flo__reader_open(f->path, &err, &reader),
			 FLO_NOTFOUND);
	assert_contains(err.text, f->path);
	snprintf(path, sizeof(path), "%s/no/such/flow.db", f->dir);
	assert_int_equal(flo__reader_open(path, NULL, &reader), FLO_NOTFOUND);
	fclose(fopen(f->path, "w"));
	assert_int_equal(flo__reader_open(f->path, NULL, &reader),
			 FLO_NOTFOUND);
	flo__store_close(open_store(f, FLO__STORE_PROCESS));
	flo__reader_close(open_reader(f));
}

/* --- damage --- */

/* Overwrite @len bytes somewhere; the store is closed. */
static void scribble(const struct fixture *f, long size, int len)
{
	FILE *file = fopen(f->path, "r+");

	assert_non_null(file);
	assert_int_equal(fseek(file, rand() % size, SEEK_SET), 0);
	while (len-- > 0)
		fputc(rand(), file);
	assert_int_equal(fclose(file), 0);
}

/* Everything a reader can do; whatever it says, it says something. */
static void read_everything(const struct fixture *f)
{
	struct collected events = {0};
	struct list list = {0};
	struct flo__reader *reader;
	struct flo__run_row row;

	if (flo__reader_open(f->path, NULL, &reader) != FLO_OK)
		return;
	(void)flo__reader_runs(reader, 0, list_row, &list, NULL);
	(void)flo__reader_run(reader, "r1", NULL, &row);
	(void)flo__reader_events(reader, "r1", collect_event, &events, NULL);
	(void)flo__reader_verify(reader, "r2", NULL);
	flo__reader_close(reader);
}

static void write_something(const struct fixture *f)
{
	const struct flo__run_record *record;
	struct flo__run_journal *run;
	struct flo__journal *j;

	if (flo__store_open(f->path, FLO__STORE_NONE, NULL, &j) != FLO_OK)
		return;
	if (j->ops->open(j, "r2", NULL, NULL, NULL, &run, &record) == FLO_OK) {
		(void)append(j, run, FLO__EVENT_STEP_LOST);
		(void)j->ops->close(run, NULL);
	}
	flo__store_close(j);
}

/* A store with two runs that have ended and one that has not, as bytes. */
static char *make_sound(struct fixture *f, size_t *ret_size)
{
	static const char *const ids[] = {"r0", "r1"};
	struct flo__run_journal *run;
	struct flo__journal *j;
	struct stat info;
	char *bytes;
	FILE *file;

	make_runs(f, ids, 2);
	j = open_store(f, FLO__STORE_NONE);
	run = create_run(j, "r2");
	for (int n = 0; n < 50; n++)
		assert_int_equal(append(j, run, FLO__EVENT_STEP_LOST), FLO_OK);
	assert_int_equal(j->ops->close(run, NULL), FLO_OK);
	flo__store_close(j);
	assert_int_equal(stat(f->path, &info), 0);
	*ret_size = (size_t)info.st_size;
	bytes = malloc(*ret_size);
	file = fopen(f->path, "r");
	assert_int_equal(fread(bytes, 1, *ret_size, file), *ret_size);
	fclose(file);
	return bytes;
}

static void damaged_files_do_no_harm(void **state)
{
	struct fixture *f = *state;
	size_t size;
	char *sound = make_sound(f, &size);

	for (int i = 0; i < 100; i++) {
		FILE *file;

		remove_store(f);
		file = fopen(f->path, "w");
		assert_non_null(file);
		assert_int_equal(fwrite(sound, 1, size, file), size);
		assert_int_equal(fclose(file), 0);
		for (int n = 0; n < 3; n++) {
			scribble(f, (long)size, 1 + rand() % 200);
			read_everything(f);
			write_something(f);
		}
	}
	free(sound);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_prefix_finds_a_run),
		STORE_TEST(the_row_tells_how_a_run_went),
		STORE_TEST(runs_are_listed_newest_first),
		STORE_TEST(readers_are_never_locked_out),
		STORE_TEST(a_killed_writers_events_are_read),
		STORE_TEST(a_slow_reader_holds_nothing),
		STORE_TEST(a_read_only_directory_can_be_read),
		STORE_TEST(a_wal_that_cannot_be_read_is_not_ignored),
		STORE_TEST(no_store_is_not_found),
		STORE_TEST(damaged_files_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
