/* A run has one owner, and the kernel knows when it is gone. */
#include "store_child.h"

#include <sqlite3.h>
#include <time.h>

static flo_status open_run(struct flo__journal *j, flo_error *err,
			   struct flo__run_journal **ret)
{
	const struct flo__run_record *record;

	return j->ops->open(j, "r", NULL, NULL, err, ret, &record);
}

static void a_killed_owner_leaves_a_run_to_resume(void **state)
{
	struct child child = start_child(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = NULL;
	flo_error err = FLO_ERROR_INIT;
	struct flo__journal *j;
	uint64_t seq;

	assert_true(hear(&child, &seq)); /* it owns the run */
	j = open_store(*state, FLO__STORE_PROCESS);
	assert_int_equal(open_run(j, &err, &run), FLO_BUSY);
	assert_null(run);
	assert_contains(err.text, "run r");
	assert_true(status_of(*state, "r") == FLO__STATE_RUNNING ||
		    status_of(*state, "r") == FLO__STATE_QUEUED);
	kill_child(&child, 0);
	assert_int_equal(status_of(*state, "r"), FLO__STATE_INTERRUPTED);
	flo_error_clear(&err);
	OK(open_run(j, &err, &run));
	assert_int_not_equal(status_of(*state, "r"), FLO__STATE_INTERRUPTED);
	OK(j->ops->close(run, &err));
	assert_int_equal(status_of(*state, "r"), FLO__STATE_INTERRUPTED);
	flo__store_close(j);
}

/*
 * A child that a killed engine was just starting has copies of its descriptors
 * for a moment, and with them the run's lock.
 */
static void a_lock_that_outlives_its_owner_is_waited_for(void **state)
{
	struct timespec moment = {.tv_nsec = 150000000};
	struct flo__run_journal *run = NULL;
	flo_error err = FLO_ERROR_INIT;
	struct flo__journal *j;
	char told;
	int fds[2];
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		j = open_store(*state, FLO__STORE_PROCESS);
		child_own(j);
		if (fork() == 0) {
			(void)!write(fds[1], "x", 1);
			nanosleep(&moment, NULL);
			_exit(0);
		}
		pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &told, 1), 1);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(status_of(*state, "r"), FLO__STATE_INTERRUPTED);
	j = open_store(*state, FLO__STORE_PROCESS);
	OK(open_run(j, &err, &run));
	OK(j->ops->close(run, &err));
	flo__store_close(j);
	close(fds[0]);
}

static void one_process_owns_a_run_once(void **state)
{
	struct flo__journal *a = open_store(*state, FLO__STORE_PROCESS);
	struct flo__journal *b = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(a, "r"), *second = NULL;
	flo_error err = FLO_ERROR_INIT;

	assert_int_equal(open_run(a, NULL, &second), FLO_BUSY);
	assert_int_equal(open_run(b, NULL, &second), FLO_BUSY);
	OK(a->ops->close(run, &err));
	OK(open_run(b, &err, &run));
	assert_int_equal(open_run(a, NULL, &second), FLO_BUSY);
	OK(b->ops->close(run, &err));
	flo__store_close(a);
	flo__store_close(b);
}

/* What no lock can do: somebody else writes his name into the lease. */
static void a_lost_lease_ends_that_run_alone(void **state)
{
	struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_PROCESS);
	struct flo__run_journal *lost = create_run(j, "lost");
	struct flo__run_journal *kept = create_run(j, "kept");
	flo_error err = FLO_ERROR_INIT, why = FLO_ERROR_INIT;
	struct flo__reader *reader;
	struct collected events = {0};
	sqlite3 *db;

	OK(append(j, lost, FLO__EVENT_RUN_STARTED));
	OK(wait_durable(j, lost, 1));
	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db,
				      "UPDATE leases SET epoch = epoch + 1"
				      " WHERE run = 1",
				      NULL, NULL, NULL),
			 SQLITE_OK);
	sqlite3_close(db);
	OK(append(j, lost, FLO__EVENT_STEP_STARTED));
	OK(append(j, kept, FLO__EVENT_RUN_STARTED));
	assert_int_equal(wait_durable(j, lost, 2), FLO_BUSY);
	OK(wait_durable(j, kept, 1));
	assert_int_equal(append(j, lost, FLO__EVENT_STEP_STARTED), FLO_BUSY);
	j->ops->failure(lost, &why);
	assert_contains(why.text, "lost");
	assert_int_equal(j->ops->close(lost, &err), FLO_BUSY);
	flo_error_clear(&err);
	OK(j->ops->close(kept, &err));
	flo__store_close(j);
	reader = open_reader(f);
	OK(flo__reader_events(reader, "lost", collect_event, &events, &err));
	assert_int_equal(events.count, 1);
	flo__reader_close(reader);
}

/* --- kill -9 at any moment --- */

#define KILLS 100

static void check_prefix(struct fixture *f, uint64_t acknowledged)
{
	struct flo__reader *reader = open_reader(f);
	struct collected events = {0};
	flo_error err = FLO_ERROR_INIT;

	OK(flo__reader_verify(reader, "r", &err));
	OK(flo__reader_events(reader, "r", collect_event, &events, &err));
	assert_true(events.count >= acknowledged);
	flo__reader_close(reader);
	assert_int_equal(status_of(f, "r"), FLO__STATE_INTERRUPTED);
}

static void kill_again_and_again(struct fixture *f,
				 enum flo__store_durability durability)
{
	uint64_t last = 0, seq;

	for (int i = 0; i < KILLS; i++) {
		struct child child = start_child(f, durability);
		int acks = 1 + rand() % 8;

		/* after the last one it is anywhere in the next commit */
		for (; acks > 0; acks--) {
			assert_true(hear(&child, &seq));
			last = seq > last ? seq : last;
		}
		for (volatile int spin = rand() % 200000; spin > 0; spin--)
			;
		seq = kill_child(&child, last);
		last = seq > last ? seq : last;
		check_prefix(f, last);
	}
}

static void what_was_durable_survives_kill(void **state)
{
	unsigned seed = (unsigned)time(NULL);

	print_message("seed %u\n", seed);
	srand(seed);
	kill_again_and_again(*state, FLO__STORE_PROCESS);
}

static void what_was_durable_survives_kill_at_power(void **state)
{
	kill_again_and_again(*state, FLO__STORE_POWER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(a_killed_owner_leaves_a_run_to_resume),
		STORE_TEST(a_lock_that_outlives_its_owner_is_waited_for),
		STORE_TEST(one_process_owns_a_run_once),
		STORE_TEST(a_lost_lease_ends_that_run_alone),
		STORE_TEST(what_was_durable_survives_kill),
		STORE_TEST(what_was_durable_survives_kill_at_power),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
