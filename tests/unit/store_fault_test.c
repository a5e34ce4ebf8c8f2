/*
 * Disks that fill up and disks that fail, at every write and at every sync:
 * each case ends in a clear error that stays, and the file holds a prefix with
 * everything that was reported.
 */
#include "fault_vfs.h"
#include "store_fixture.h"

#include "base/alloc.h"

#define GROUPS 3

struct outcome {
	bool opened;
	bool created;
	uint64_t appended;
	uint64_t durable;  /* the last event that was reported */
	flo_status failed; /* the first failure, wherever it came */
	flo_error err;
};

static void note(struct outcome *o, flo_status st)
{
	if (o->failed == FLO_OK)
		o->failed = st;
}

/*
 * Whoever failed once says so for ever, and in words. Memory that was short
 * for one event is no failure of the store.
 */
static void check_sticky(struct flo__journal *j, struct flo__run_journal *run,
			 struct outcome *o)
{
	flo_error why = FLO_ERROR_INIT;

	if (o->failed == FLO_OK || o->failed == FLO_NOMEM)
		return;
	j->ops->failure(run, &why);
	assert_int_equal(why.status, o->failed);
	assert_true(strlen(why.text) > 20);
	for (int i = 0; i < 3; i++)
		assert_int_equal(append(j, run, FLO__EVENT_STEP_STARTED),
				 o->failed);
}

static void write_groups(struct flo__journal *j, struct flo__run_journal *run,
			 struct outcome *o)
{
	for (int g = 0; g < GROUPS; g++) {
		flo_status st = FLO_OK;

		for (int i = 0; i < 20 && st == FLO_OK; i++) {
			st = append(j, run, FLO__EVENT_STEP_STARTED);
			o->appended += st == FLO_OK;
		}
		note(o, st);
		if (o->appended > o->durable) {
			st = wait_durable(j, run, o->appended);
			if (st == FLO_OK)
				o->durable = o->appended;
			note(o, st);
		}
	}
}

/* A run with some commits, closed, come what may. */
static struct outcome write_run(struct fixture *f,
				enum flo__store_durability durability)
{
	struct flo__run_record record = make_record("r");
	struct flo__run_journal *run;
	struct flo__journal *j = NULL;
	struct outcome o = {.err = FLO_ERROR_INIT};

	o.failed = flo__store_open(f->path, durability, &o.err, &j);
	if (o.failed != FLO_OK)
		return o;
	o.opened = true;
	o.failed = j->ops->create(j, &record, NULL, NULL, &o.err, &run);
	if (o.failed == FLO_OK) {
		o.created = true;
		write_groups(j, run, &o);
		check_sticky(j, run, &o);
		note(&o, j->ops->close(run, &o.err));
	}
	flo__store_close(j);
	return o;
}

/* With a disk that works again, everything that was reported is there. */
static void check_file(struct fixture *f, const struct outcome *o)
{
	const struct flo__run_record *record;
	struct flo__run_journal *run;
	struct collected events = {0};
	flo_error err = FLO_ERROR_INIT;
	struct flo__reader *reader;
	struct flo__journal *j;
	flo_status st;

	j = open_store(f, FLO__STORE_PROCESS);
	st = j->ops->open(j, "r", NULL, NULL, &err, &run, &record);
	if (!o->created && st == FLO_NOTFOUND) {
		flo__store_close(j);
		return;
	}
	OK(st);
	OK(append(j, run, FLO__EVENT_STEP_LOST));
	OK(j->ops->close(run, &err));
	flo__store_close(j);
	reader = open_reader(f);
	OK(flo__reader_verify(reader, "r", &err));
	OK(flo__reader_events(reader, "r", collect_event, &events, &err));
	assert_true(events.count >= o->durable + 1);
	assert_true(events.count <= o->appended + 1);
	flo__reader_close(reader);
}

/* Fail call 1, 2, 3 ... until one run does not come so far. */
static void fail_everywhere(struct fixture *f, enum fault_where where, int code,
			    bool forever, flo_status expected)
{
	enum flo__store_durability durability =
		where == FAULT_SYNC ? FLO__STORE_POWER : FLO__STORE_PROCESS;
	int cases = 0, fired;

	do {
		struct outcome o;

		remove_store(f);
		fault_plan(where, code, forever, ++cases);
		o = write_run(f, durability);
		fired = atomic_load(&fault.fired);
		fault_plan(where, code, false, 0);
		if (o.failed != FLO_OK) {
			if (o.failed != expected)
				print_error("case %d: %s: %s\n", cases,
					    flo_status_text(o.failed),
					    o.err.text);
			assert_int_equal(o.failed, expected);
			assert_contains(o.err.text, f->dir);
		}
		check_file(f, &o);
	} while (fired > 0);
	print_message("%d cases\n", cases);
	assert_true(cases > 6);
}

static void a_disk_that_is_full_for_a_moment(void **state)
{
	fail_everywhere(*state, FAULT_WRITE, SQLITE_FULL, false, FLO_FULL);
}

static void a_disk_that_stays_full(void **state)
{
	fail_everywhere(*state, FAULT_WRITE, SQLITE_FULL, true, FLO_FULL);
}

static void a_write_error(void **state)
{
	fail_everywhere(*state, FAULT_WRITE, SQLITE_IOERR_WRITE, false,
			FLO_STORE);
}

static void write_errors_for_ever(void **state)
{
	fail_everywhere(*state, FAULT_WRITE, SQLITE_IOERR_WRITE, true,
			FLO_STORE);
}

static void a_sync_that_fails(void **state)
{
	fail_everywhere(*state, FAULT_SYNC, SQLITE_IOERR_FSYNC, false,
			FLO_STORE);
}

static void syncs_that_fail_for_ever(void **state)
{
	fail_everywhere(*state, FAULT_SYNC, SQLITE_IOERR_FSYNC, true,
			FLO_STORE);
}

/* The ballast pays for what was queued; then the store says what to do. */
static void the_ballast_saves_the_last_batch(void **state)
{
	struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_POWER);
	struct flo__run_journal *run = create_run(j, "r");
	flo_error err = FLO_ERROR_INIT;
	struct stat info;
	char ballast[330];

	snprintf(ballast, sizeof(ballast), "%s.d/ballast", f->path);
	assert_int_equal(stat(ballast, &info), 0);
	assert_int_equal(info.st_size, 1 << 20);
	fault_plan(FAULT_WRITE, SQLITE_FULL, false, 1);
	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(wait_durable(j, run, 1));
	assert_int_not_equal(stat(ballast, &info), 0);
	/* the failure follows the notification: close() is behind both */
	assert_int_equal(j->ops->close(run, &err), FLO_FULL);
	assert_contains(err.text, "is full");
	assert_contains(err.text, "`flowctl resume r`");
	assert_contains(err.text, f->path);
	flo__store_close(j);
	flo__store_close(open_store(f, FLO__STORE_POWER));
	assert_int_equal(stat(ballast, &info), 0); /* there is one again */
}

static void memory_that_runs_out(void **state)
{
	struct fixture *f = *state;
	long calls, nth = 0;

	do {
		struct outcome o;

		remove_store(f);
		flo__alloc_fail_at(++nth, 0);
		o = write_run(f, FLO__STORE_PROCESS);
		calls = flo__alloc_count();
		flo__alloc_fail_at(0, 0);
		if (o.failed != FLO_OK)
			assert_int_equal(o.failed, FLO_NOMEM);
		check_file(f, &o);
	} while (calls >= nth);
	print_message("%ld cases\n", nth);
	assert_true(nth > 10);
}

static int install(void **state)
{
	(void)state;
	fault_install();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_disk_that_is_full_for_a_moment),
		STORE_TEST(a_disk_that_stays_full),
		STORE_TEST(a_write_error),
		STORE_TEST(write_errors_for_ever),
		STORE_TEST(a_sync_that_fails),
		STORE_TEST(syncs_that_fail_for_ever),
		STORE_TEST(the_ballast_saves_the_last_batch),
		STORE_TEST(memory_that_runs_out),
	};

	return cmocka_run_group_tests(tests, install, NULL);
}
