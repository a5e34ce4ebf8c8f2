/* Checkpoints: a long one holds nobody up, and the WAL does not grow for ever. */
#include "fault_vfs.h"
#include "store_fixture.h"

#define PAGE	   4096
#define BODY	   (256 * 1024)		   /* of an event */
#define BUSY_BYTES (16384L * PAGE)	   /* after so many a copy begins */
#define MUCH	   (BUSY_BYTES / BODY + 8) /* events */

/* --- a gate in front of the database's file --- */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool closed;
	int copies; /* writes that have come to it */
} gate = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, false, 0};

static void pass(int flags)
{
	if ((flags & SQLITE_OPEN_MAIN_DB) == 0)
		return;
	pthread_mutex_lock(&gate.lock);
	gate.copies++;
	pthread_cond_broadcast(&gate.cond);
	while (gate.closed)
		pthread_cond_wait(&gate.cond, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

static void set_gate(bool closed)
{
	pthread_mutex_lock(&gate.lock);
	gate.closed = closed;
	gate.copies = 0;
	pthread_cond_broadcast(&gate.cond);
	pthread_mutex_unlock(&gate.lock);
}

static void await_copy(void)
{
	pthread_mutex_lock(&gate.lock);
	while (gate.copies == 0)
		pthread_cond_wait(&gate.cond, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

/* --- runs with large events --- */

static flo_value *body;

static int make_large(void **state)
{
	char *text = calloc(1, BODY + 1);

	memset(text, 'x', BODY);
	body = flo_value_string(text);
	free(text);
	fault_install();
	fault_on_write = pass;
	set_gate(false);
	return make_fixture(state);
}

static int remove_large(void **state)
{
	fault_on_write = NULL;
	sqlite3_vfs_register(fault_real, 1);
	flo_value_unref(body);
	return remove_fixture(state);
}

/* Append @n events, each durable before the next. Returns the last. */
static uint64_t write_large(struct flo__journal *j,
			    struct flo__run_journal *run, int n)
{
	struct flo__event event = make_event(FLO__EVENT_STEP_FINISHED);

	event.output = body;
	for (int i = 0; i < n; i++) {
		assert_int_equal(j->ops->append(run, &event), FLO_OK);
		assert_int_equal(wait_durable(j, run, event.seq), FLO_OK);
	}
	return event.seq;
}

static void close_all(struct flo__journal *j, struct flo__run_journal *run)
{
	flo_error err = FLO_ERROR_INIT;

	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

static void assert_events(const struct fixture *f, const char *id, uint64_t n)
{
	struct flo__reader *reader = open_reader(f);
	static struct collected got;
	flo_error err = FLO_ERROR_INIT;

	memset(&got, 0, sizeof(got));
	OK(flo__reader_events(reader, id, collect_event, &got, &err));
	assert_int_equal(got.count, n);
	flo__reader_close(reader);
}

static int64_t wal_size(const struct fixture *f)
{
	char path[320];
	struct stat info;

	snprintf(path, sizeof(path), "%s-wal", f->path);
	assert_int_equal(stat(path, &info), 0);
	return info.st_size;
}

/* --- tests --- */

static void commits_go_on_while_the_wal_is_copied(void **state)
{
	const struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_NONE);
	struct flo__run_journal *run = create_run(j, "a");
	uint64_t last;

	set_gate(true);
	write_large(j, run, MUCH);
	await_copy();
	/* It stands at the gate: who waited for it would wait for ever. */
	last = write_large(j, run, 20);
	set_gate(false);
	close_all(j, run);
	assert_events(f, "a", last);
}

static void a_store_closes_while_its_wal_is_copied(void **state)
{
	const struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_NONE);
	struct flo__run_journal *run = create_run(j, "a");
	uint64_t last = write_large(j, run, MUCH);

	await_copy();
	close_all(j, run);
	assert_events(f, "a", last);
}

static void the_wal_begins_anew_under_load(void **state)
{
	const struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_NONE);
	struct flo__run_journal *run = create_run(j, "a");
	uint64_t last = write_large(j, run, 6 * MUCH);

	/* Six times as much was written; four times is the most it may be. */
	assert_in_range(wal_size(f), BUSY_BYTES, 4 * BUSY_BYTES + 8 * BODY);
	close_all(j, run);
	assert_events(f, "a", last);
}

static void without_a_second_connection_the_writer_copies(void **state)
{
	const struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_NONE);
	struct flo__run_journal *run = create_run(j, "a");
	uint64_t last;

	atomic_store(&fault_opens_nothing, true);
	write_large(j, run, 2 * MUCH);
	await_copy();
	atomic_store(&fault_opens_nothing, false);
	last = write_large(j, run, 2);
	assert_in_range(wal_size(f), BUSY_BYTES, 2 * BUSY_BYTES);
	close_all(j, run);
	assert_events(f, "a", last);
}

static void a_copy_that_fails_ends_the_store(void **state)
{
	const struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_NONE);
	struct flo__run_journal *run = create_run(j, "a");
	struct flo__event event = make_event(FLO__EVENT_STEP_FINISHED);
	flo_error err = FLO_ERROR_INIT;
	flo_status st = FLO_OK;

	set_gate(true);
	write_large(j, run, MUCH);
	await_copy();
	fault_plan(FAULT_WRITE, SQLITE_IOERR_WRITE, true, 1);
	set_gate(false);
	event.output = body;
	while (st == FLO_OK) {
		st = j->ops->append(run, &event);
		if (st == FLO_OK)
			st = wait_durable(j, run, event.seq);
	}
	assert_int_equal(st, FLO_STORE);
	assert_int_equal(j->ops->close(run, &err), FLO_STORE);
	assert_contains(err.text, f->path);
	flo__store_close(j);
	/* Not before: whoever copies looks at the plan until then. */
	fault_plan(FAULT_WRITE, SQLITE_OK, false, 0);
}

#define LARGE_TEST(name)                                                       \
	cmocka_unit_test_setup_teardown(name, make_large, remove_large)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LARGE_TEST(commits_go_on_while_the_wal_is_copied),
		LARGE_TEST(a_store_closes_while_its_wal_is_copied),
		LARGE_TEST(the_wal_begins_anew_under_load),
		LARGE_TEST(without_a_second_connection_the_writer_copies),
		LARGE_TEST(a_copy_that_fails_ends_the_store),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
