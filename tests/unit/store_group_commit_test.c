/* The writer: many appenders, one order; who waits is told, after observers. */
#include "store_fixture.h"

#include "base/time.h"

#include <fcntl.h>

#define THREADS 4
#define EVENTS	3000 /* by each thread */

/* --- an observer that checks the order --- */

struct observed {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	uint64_t seq; /* by lock: of the last one seen */
	bool in_order;
};

static void observe(void *arg, const char *json, size_t len)
{
	struct observed *o = arg;
	struct flo__event event;
	flo_value *doc = NULL;
	flo_status st;

	st = flo__event_parse(json, len, NULL, &doc, &event);
	pthread_mutex_lock(&o->lock);
	if (st != FLO_OK || event.seq != o->seq + 1 || json[len] != '\0')
		o->in_order = false;
	o->seq++;
	pthread_cond_broadcast(&o->cond);
	pthread_mutex_unlock(&o->lock);
	flo_value_unref(doc);
}

static uint64_t observed_seq(struct observed *o)
{
	uint64_t seq;

	pthread_mutex_lock(&o->lock);
	seq = o->seq;
	pthread_mutex_unlock(&o->lock);
	return seq;
}

#define OBSERVED_INIT                                                          \
	{                                                                      \
		PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, true   \
	}

static struct flo__run_journal *
create_observed(struct flo__journal *j, const char *id, struct observed *o)
{
	struct flo__run_record record = make_record(id);
	struct flo__run_journal *run = NULL;
	flo_error err = FLO_ERROR_INIT;

	OK(j->ops->create(j, &record, observe, o, &err, &run));
	return run;
}

/* --- many threads --- */

struct appender {
	pthread_t thread;
	struct flo__journal *journal;
	struct flo__run_journal *run;
	bool rising; /* its own events got rising numbers */
	flo_status status;
};

static void *append_many(void *arg)
{
	struct appender *a = arg;
	uint64_t last = 0;

	for (int i = 0; i < EVENTS && a->status == FLO_OK; i++) {
		struct flo__event e = make_event(FLO__EVENT_STEP_STARTED);
		flo_status st;

		while ((st = a->journal->ops->append(a->run, &e)) == FLO_AGAIN)
			a->status = wait_durable(a->journal, a->run, last);
		if (st != FLO_OK)
			a->status = st;
		a->rising = a->rising && e.seq > last;
		last = e.seq;
		if (i % 100 == 99)
			a->status = wait_durable(a->journal, a->run, last);
	}
	return NULL;
}

static void many_threads_make_one_sequence(void **state)
{
	struct observed seen = OBSERVED_INIT;
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_observed(j, "r", &seen);
	struct appender appenders[THREADS];
	flo_error err = FLO_ERROR_INIT;
	struct flo__reader *reader;

	for (int i = 0; i < THREADS; i++) {
		appenders[i] = (struct appender){.journal = j,
						 .run = run,
						 .rising = true,
						 .status = FLO_OK};
		assert_int_equal(pthread_create(&appenders[i].thread, NULL,
						append_many, &appenders[i]),
				 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(appenders[i].thread, NULL);
		assert_int_equal(appenders[i].status, FLO_OK);
		assert_true(appenders[i].rising);
	}
	OK(j->ops->close(run, &err));
	assert_true(seen.in_order);
	assert_int_equal(seen.seq, THREADS * EVENTS);
	flo__store_close(j);
	reader = open_reader(*state);
	OK(flo__reader_verify(reader, "r", &err));
	flo__reader_close(reader);
}

static void runs_side_by_side_keep_their_own_sequences(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct appender appenders[THREADS];
	struct observed seen[THREADS];
	flo_error err = FLO_ERROR_INIT;
	char id[8];

	for (int i = 0; i < THREADS; i++) {
		seen[i] = (struct observed)OBSERVED_INIT;
		snprintf(id, sizeof(id), "r%d", i);
		appenders[i] =
			(struct appender){.journal = j,
					  .run = create_observed(j, id,
								 &seen[i]),
					  .rising = true,
					  .status = FLO_OK};
		assert_int_equal(pthread_create(&appenders[i].thread, NULL,
						append_many, &appenders[i]),
				 0);
	}
	for (int i = 0; i < THREADS; i++) {
		pthread_join(appenders[i].thread, NULL);
		assert_int_equal(appenders[i].status, FLO_OK);
		OK(j->ops->close(appenders[i].run, &err));
		assert_true(seen[i].in_order);
		assert_int_equal(seen[i].seq, EVENTS);
	}
	flo__store_close(j);
}

/* --- promises --- */

static void a_notification_comes_after_commit_and_observer(void **state)
{
	struct observed seen = OBSERVED_INIT;
	struct flo__journal *j = open_store(*state, FLO__STORE_POWER);
	struct flo__run_journal *run = create_observed(j, "r", &seen);
	struct flo__reader *reader = open_reader(*state);
	flo_error err = FLO_ERROR_INIT;

	for (uint64_t i = 1; i <= 100; i++) {
		struct collected events = {0};

		OK(append(j, run, FLO__EVENT_STEP_STARTED));
		OK(wait_durable(j, run, i));
		assert_true(observed_seq(&seen) >= i);
		OK(flo__reader_events(reader, "r", collect_event, &events,
				      &err));
		assert_int_equal(events.count, i);
	}
	OK(j->ops->close(run, &err));
	flo__reader_close(reader);
	flo__store_close(j);
}

static void events_nobody_waits_for_are_committed_soon(void **state)
{
	struct observed seen = OBSERVED_INIT;
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_observed(j, "r", &seen);
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_STEP_STARTED));
	pthread_mutex_lock(&seen.lock);
	while (seen.seq == 0)
		pthread_cond_wait(&seen.cond, &seen.lock);
	pthread_mutex_unlock(&seen.lock);
	OK(wait_durable(j, run, 1)); /* durable already: told at once */
	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

static void close_commits_what_is_left(void **state)
{
	struct observed seen = OBSERVED_INIT;
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_observed(j, "r", &seen);
	flo_error err = FLO_ERROR_INIT;

	for (int i = 0; i < 500; i++)
		OK(append(j, run, FLO__EVENT_STEP_STARTED));
	OK(j->ops->close(run, &err));
	assert_int_equal(seen.seq, 500);
	flo__store_close(j);
}

/* Take the right to write away from every store, as another process would. */
static int hold_writers(struct fixture *f)
{
	struct flock range = {.l_type = F_WRLCK, .l_len = 1};
	char path[320];
	int fd;

	snprintf(path, sizeof(path), "%s.lock", f->path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLKW, &range), 0);
	return fd;
}

static void a_full_queue_refuses_and_recovers(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, "r");
	struct flo__event e = make_event(FLO__EVENT_STEP_STARTED);
	struct flo__reader *reader;
	flo_error err = FLO_ERROR_INIT;
	int held = hold_writers(*state);
	uint64_t count = 0;
	flo_status st;

	while ((st = j->ops->append(run, &e)) == FLO_OK)
		assert_int_equal(e.seq, ++count);
	assert_int_equal(st, FLO_AGAIN);
	assert_true(count > 1000 && count < 100000);
	assert_int_equal(e.seq, count); /* a refused event is as it was */
	close(held);
	OK(wait_durable(j, run, count));
	OK(j->ops->append(run, &e));
	assert_int_equal(e.seq, count + 1);
	OK(j->ops->close(run, &err));
	flo__store_close(j);
	reader = open_reader(*state);
	OK(flo__reader_verify(reader, "r", &err));
	flo__reader_close(reader);
}

static void readers_do_not_wait_for_a_writer_that_is_held(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, "r");
	flo_error err = FLO_ERROR_INIT;
	int held;

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(wait_durable(j, run, 1));
	held = hold_writers(*state);
	OK(append(j, run, FLO__EVENT_STEP_STARTED));
	assert_int_equal(status_of(*state, "r"), FLO__STATE_RUNNING);
	close(held);
	OK(j->ops->close(run, &err));
	flo__store_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(many_threads_make_one_sequence),
		STORE_TEST(runs_side_by_side_keep_their_own_sequences),
		STORE_TEST(a_notification_comes_after_commit_and_observer),
		STORE_TEST(events_nobody_waits_for_are_committed_soon),
		STORE_TEST(close_commits_what_is_left),
		STORE_TEST(a_full_queue_refuses_and_recovers),
		STORE_TEST(readers_do_not_wait_for_a_writer_that_is_held),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
