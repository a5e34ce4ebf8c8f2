/*
 * What the tests of the store share: a directory of their own, a store in it,
 * records, events, and waiting for durability without sleeping.
 */
#ifndef FLO_TESTS_STORE_FIXTURE_H
#define FLO_TESTS_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "storage/store.h"

#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRACE "0af7651916cd43dd8448eb211c80319c"

struct fixture {
	char dir[256];
	char path[300]; /* of the store */
};

static inline int remove_one(const char *path, const struct stat *info,
			     int type, struct FTW *ftw)
{
	(void)info;
	(void)type;
	(void)ftw;
	return remove(path);
}

static inline int make_fixture(void **state)
{
	const char *tmp = getenv("TMPDIR");
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "%s/flo-store-XXXXXX",
		 tmp != NULL ? tmp : "/tmp");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->path, sizeof(f->path), "%s/flow.db", f->dir);
	*state = f;
	return 0;
}

/* An empty directory again. */
static inline void remove_store(struct fixture *f)
{
	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(mkdir(f->dir, 0700), 0);
}

static inline int remove_fixture(void **state)
{
	struct fixture *f = *state;

	nftw(f->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

#define STORE_TEST(name)                                                       \
	cmocka_unit_test_setup_teardown(name, make_fixture, remove_fixture)

/* A status that must be FLO_OK; prints the error if it is not. */
#define OK(call) assert_ok((call), &err, #call, __FILE__, __LINE__)

static inline void assert_ok(flo_status st, const flo_error *err,
			     const char *call, const char *file, int line)
{
	if (st != FLO_OK)
		print_error("%s: %s: %s\n", call, flo_status_text(st),
			    err->text);
	_assert_int_equal(st, FLO_OK, file, line);
}

#define assert_contains(text, part) assert_non_null(strstr(text, part))

static inline struct flo__journal *
open_store(const struct fixture *f, enum flo__store_durability durability)
{
	flo_error err = FLO_ERROR_INIT;
	struct flo__journal *journal = NULL;

	OK(flo__store_open(f->path, durability, &err, &journal));
	return journal;
}

static inline struct flo__run_record make_record(const char *id)
{
	static const char text[] = "{\"name\":\"p\",\"steps\":[]}";

	return (struct flo__run_record){
		.id = id,
		.trace_id = TRACE,
		.parent_span = "",
		.pipeline = "p",
		.file = "p.json",
		.dir = "/srv",
		.text = text,
		.text_len = sizeof(text) - 1,
		.params = "{}",
		.limit = 3,
		.created_us = 1795316645000000,
	};
}

static inline struct flo__run_journal *create_run(struct flo__journal *journal,
						  const char *id)
{
	struct flo__run_record record = make_record(id);
	struct flo__run_journal *run = NULL;
	flo_error err = FLO_ERROR_INIT;

	OK(journal->ops->create(journal, &record, NULL, NULL, &err, &run));
	return run;
}

static inline struct flo__event make_event(enum flo__event_kind kind)
{
	struct flo__event event = FLO__EVENT_INIT(kind);

	event.ts_us = 1795316645678901;
	if (kind >= FLO__EVENT_STEP_STARTED) {
		event.path = "a/b";
		event.attempt = 1;
		event.span_id = 7;
	}
	if (kind == FLO__EVENT_STEP_FINISHED || kind == FLO__EVENT_RUN_FINISHED)
		event.status = FLO__STATE_SUCCEEDED;
	return event;
}

static inline flo_status append(struct flo__journal *journal,
				struct flo__run_journal *run,
				enum flo__event_kind kind)
{
	struct flo__event event = make_event(kind);

	return journal->ops->append(run, &event);
}

/* --- waiting --- */

struct signal_ {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	bool told;	   /* by lock */
	flo_status status; /* by lock */
};

static inline void tell(void *arg, flo_status status)
{
	struct signal_ *signal = arg;

	pthread_mutex_lock(&signal->lock);
	signal->told = true;
	signal->status = status;
	pthread_cond_signal(&signal->cond);
	pthread_mutex_unlock(&signal->lock);
}

/* Wait until event @seq is durable, or never will be. */
static inline flo_status wait_durable(struct flo__journal *journal,
				      struct flo__run_journal *run,
				      uint64_t seq)
{
	struct signal_ signal = {PTHREAD_MUTEX_INITIALIZER,
				 PTHREAD_COND_INITIALIZER, false, FLO_OK};

	journal->ops->notify(run, seq, tell, &signal);
	pthread_mutex_lock(&signal.lock);
	while (!signal.told)
		pthread_cond_wait(&signal.cond, &signal.lock);
	pthread_mutex_unlock(&signal.lock);
	return signal.status;
}

/* --- reading --- */

struct collected {
	uint64_t count;
	char first[1024];
	char last[1024];
};

static inline void collect(struct collected *c, const char *json, size_t len)
{
	if (c->count++ == 0)
		snprintf(c->first, sizeof(c->first), "%.*s", (int)len, json);
	snprintf(c->last, sizeof(c->last), "%.*s", (int)len, json);
}

static inline flo_status collect_replay(void *arg, const char *json, size_t len,
					flo_error *err)
{
	(void)err;
	collect(arg, json, len);
	return FLO_OK;
}

static inline flo_status collect_event(void *arg, const char *json, size_t len)
{
	collect(arg, json, len);
	return FLO_OK;
}

static inline struct flo__reader *open_reader(const struct fixture *f)
{
	flo_error err = FLO_ERROR_INIT;
	struct flo__reader *reader = NULL;

	OK(flo__reader_open(f->path, &err, &reader));
	return reader;
}

static inline enum flo__state status_of(const struct fixture *f, const char *id)
{
	struct flo__reader *reader = open_reader(f);
	flo_error err = FLO_ERROR_INIT;
	enum flo__state status;
	struct flo__run_row row;

	OK(flo__reader_run(reader, id, &err, &row));
	status = row.status;
	flo__reader_close(reader);
	return status;
}

#endif
