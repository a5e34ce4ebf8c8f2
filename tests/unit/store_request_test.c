/* Requests: what one process asks of the owner of a run in another. */
#include "store_fixture.h"

#include <sqlite3.h>
#include <stdatomic.h>

struct heard {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int count; /* by lock, like what follows */
	enum flo__request kinds[8];
	char why[256]; /* of the last */
};

#define HEARD_INIT                                                             \
	{                                                                      \
		.lock = PTHREAD_MUTEX_INITIALIZER,                             \
		.cond = PTHREAD_COND_INITIALIZER                               \
	}

static void hear(void *arg, enum flo__request kind, const char *why)
{
	struct heard *h = arg;

	pthread_mutex_lock(&h->lock);
	if (h->count < 8)
		h->kinds[h->count] = kind;
	h->count++;
	snprintf(h->why, sizeof(h->why), "%s", why);
	pthread_cond_signal(&h->cond);
	pthread_mutex_unlock(&h->lock);
}

/* A hang is met by the test's own time limit. */
static void wait_heard(struct heard *h, int count)
{
	pthread_mutex_lock(&h->lock);
	while (h->count < count)
		pthread_cond_wait(&h->cond, &h->lock);
	pthread_mutex_unlock(&h->lock);
}

static flo_status ask(struct flo__journal *j, const char *id,
		      enum flo__request kind, const char *why)
{
	flo_error err = FLO_ERROR_INIT;
	flo_status st = j->ops->request(j, id, kind, why, &err);

	if (st != FLO_OK)
		assert_contains(err.text, id);
	return st;
}

static void end_run(struct flo__journal *j, struct flo__run_journal *run)
{
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_RUN_FINISHED));
	OK(j->ops->close(run, &err));
}

static int64_t count_rows(const struct fixture *f)
{
	sqlite3_int64 n = -1;
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT count(*) FROM requests",
					    -1, &stmt, NULL),
			 SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	sqlite3_close(db);
	return n;
}

static void the_owner_hears_what_another_asks(void **state)
{
	struct fixture *f = *state;
	struct flo__journal *owner = open_store(f, FLO__STORE_PROCESS);
	struct flo__journal *other = open_store(f, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(owner, "r1");
	struct flo__run_journal *not_asked = create_run(owner, "r2");
	struct heard heard = HEARD_INIT, nothing = HEARD_INIT;
	flo_error err = FLO_ERROR_INIT;

	owner->ops->heed(run, hear, &heard);
	owner->ops->heed(not_asked, hear, &nothing);
	OK(ask(other, "r1", FLO__REQUEST_STOP, "tea is ready"));
	wait_heard(&heard, 1);
	assert_int_equal(heard.kinds[0], FLO__REQUEST_STOP);
	assert_string_equal(heard.why, "tea is ready");
	/* Each kind is told once, with the first reason. */
	OK(ask(other, "r1", FLO__REQUEST_STOP, "again"));
	OK(ask(other, "r1", FLO__REQUEST_KILL, "now"));
	wait_heard(&heard, 2);
	assert_int_equal(heard.kinds[1], FLO__REQUEST_KILL);
	assert_int_equal(count_rows(f), 2);
	end_run(owner, run);
	assert_int_equal(count_rows(f), 0);
	end_run(owner, not_asked);
	assert_int_equal(heard.count, 2);
	assert_int_equal(nothing.count, 0);
	flo__store_close(other);
	flo__store_close(owner);
}

static void the_owner_may_be_asked_through_its_own_store(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, "r1");
	struct heard heard = HEARD_INIT;
	flo_error err = FLO_ERROR_INIT;

	j->ops->heed(run, hear, &heard);
	OK(ask(j, "r1", FLO__REQUEST_KILL, "why not"));
	wait_heard(&heard, 1);
	assert_int_equal(heard.kinds[0], FLO__REQUEST_KILL);
	end_run(j, run);
	flo__store_close(j);
}

static void a_request_waits_for_the_next_owner(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, "r1");
	const struct flo__run_record *record;
	struct heard heard = HEARD_INIT;
	flo_error err = FLO_ERROR_INIT;

	OK(append(j, run, FLO__EVENT_RUN_STARTED));
	OK(j->ops->close(run, &err)); /* not ended: as if its engine died */
	OK(ask(j, "r1", FLO__REQUEST_KILL, "second"));
	OK(ask(j, "r1", FLO__REQUEST_STOP, "first"));
	OK(j->ops->open(j, "r1", NULL, NULL, &err, &run, &record));
	j->ops->heed(run, hear, &heard);
	wait_heard(&heard, 2);
	assert_int_equal(heard.kinds[0], FLO__REQUEST_STOP);
	assert_int_equal(heard.kinds[1], FLO__REQUEST_KILL);
	end_run(j, run);
	flo__store_close(j);
}

static void what_has_ended_is_not_asked(void **state)
{
	struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_PROCESS);

	end_run(j, create_run(j, "r1"));
	assert_int_equal(ask(j, "r1", FLO__REQUEST_STOP, "late"), FLO_CLOSED);
	assert_int_equal(ask(j, "r2", FLO__REQUEST_STOP, "who"), FLO_NOTFOUND);
	assert_int_equal(count_rows(f), 0);
	flo__store_close(j);
}

static void a_long_reason_is_cut(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, "r1");
	struct heard heard = HEARD_INIT;
	flo_error err = FLO_ERROR_INIT;
	char why[1000];

	memset(why, 'x', sizeof(why) - 1);
	why[sizeof(why) - 1] = '\0';
	OK(ask(j, "r1", FLO__REQUEST_STOP, why));
	j->ops->heed(run, hear, &heard);
	wait_heard(&heard, 1);
	assert_int_equal(strlen(heard.why), 200);
	end_run(j, run);
	flo__store_close(j);
}

static void a_long_reason_is_cut_between_characters(void **state)
{
	struct flo__journal *j = open_store(*state, FLO__STORE_PROCESS);
	struct flo__run_journal *run = create_run(j, "r1");
	struct heard heard = HEARD_INIT;
	flo_error err = FLO_ERROR_INIT;
	char why[1000] = "x";

	for (int i = 0; i < 150; i++)
		strcat(why, "\xc3\xa9");
	OK(ask(j, "r1", FLO__REQUEST_STOP, why));
	j->ops->heed(run, hear, &heard);
	wait_heard(&heard, 1);
	assert_int_equal(strlen(heard.why), 199);
	end_run(j, run);
	flo__store_close(j);
}

/* --- a run may be closed at any moment --- */

struct asker {
	pthread_t thread;
	struct flo__journal *journal;
	atomic_bool over;
};

static void *ask_on(void *arg)
{
	struct asker *a = arg;

	for (unsigned i = 0; !atomic_load(&a->over); i++) {
		char id[16];

		snprintf(id, sizeof(id), "r%u", i % 50);
		a->journal->ops->request(a->journal, id, FLO__REQUEST_STOP,
					 "stop", NULL);
	}
	return NULL;
}

static void nobody_hears_after_the_close(void **state)
{
	struct fixture *f = *state;
	struct flo__journal *j = open_store(f, FLO__STORE_NONE);
	struct asker asker = {.journal = open_store(f, FLO__STORE_NONE)};
	flo_error err = FLO_ERROR_INIT;

	assert_int_equal(pthread_create(&asker.thread, NULL, ask_on, &asker),
			 0);
	for (int i = 0; i < 50; i++) {
		struct heard heard = HEARD_INIT;
		struct flo__run_journal *run;
		char id[16];

		snprintf(id, sizeof(id), "r%d", i);
		run = create_run(j, id);
		j->ops->heed(run, hear, &heard);
		if (i % 2 == 0)
			wait_heard(&heard, 1);
		OK(j->ops->close(run, &err));
		/* It is on this stack: a late call would be seen by the tools. */
		memset(&heard, 0xff, sizeof(heard));
	}
	atomic_store(&asker.over, true);
	pthread_join(asker.thread, NULL);
	flo__store_close(asker.journal);
	flo__store_close(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(the_owner_hears_what_another_asks),
		STORE_TEST(the_owner_may_be_asked_through_its_own_store),
		STORE_TEST(a_request_waits_for_the_next_owner),
		STORE_TEST(what_has_ended_is_not_asked),
		STORE_TEST(a_long_reason_is_cut),
		STORE_TEST(a_long_reason_is_cut_between_characters),
		STORE_TEST(nobody_hears_after_the_close),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
