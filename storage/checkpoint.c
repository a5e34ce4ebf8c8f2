/*
 * Checkpoints: what the WAL holds is copied into the database.
 *
 * Note: who copies
 *
 * SQLite lets one connection copy while another one appends. So a long copy (a
 * WAL of 64 MiB, some tenths of a second, a second on a slow disk) is done by a
 * thread with a connection of its own while the writer goes on committing:
 * nobody who waits for a commit waits for it. A WAL begins anew only when all
 * of it has been copied, though, and what is appended meanwhile has not. So
 * each pass leaves a rest, which is smaller than the one before if the disk is
 * faster than the writer; when it has become small the writer copies it itself,
 * between two commits. If the disk is slower the rest grows, up to a bound at
 * which the writer copies it all: then the runs have to wait for the disk.
 *
 * The thread is started for the first long copy: most engines end before.
 * Without it (no memory, no thread) the writer does as it did before.
 *
 * A pass waits neither for readers nor for writers of other processes. A full
 * disk or a busy one loses nothing: the WAL has it all.
 */
#include "storage/store_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/thread.h"

#include <signal.h>

struct flo__checkpointer {
	struct flo__conn db; /* the thread's, once it runs */
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t to_thread, to_writer;
	/* by lock */
	enum {
		IDLE,
		ASKED,
		DONE, /* and the result is there */
	} state;
	bool stop;
	int rc, copied; /* of the last pass; copied: pages, of all in the WAL */
};

/* --- the thread --- */

static void *checkpointer_main(void *arg)
{
	struct flo__checkpointer *c = arg;
	int rc, copied;

	flo__thread_known(1); /* it wakes by notes only */
	pthread_mutex_lock(&c->lock);
	while (!c->stop) {
		if (c->state != ASKED) {
			pthread_cond_wait(&c->to_thread, &c->lock);
			continue;
		}
		pthread_mutex_unlock(&c->lock);
		copied = 0;
		rc = sqlite3_wal_checkpoint_v2(c->db.sqlite, NULL,
					       SQLITE_CHECKPOINT_PASSIVE, NULL,
					       &copied);
		pthread_mutex_lock(&c->lock);
		c->rc = rc;
		c->copied = copied;
		c->state = DONE;
		pthread_cond_signal(&c->to_writer);
	}
	pthread_mutex_unlock(&c->lock);
	flo__thread_known(-1);
	return NULL;
}

static int start_thread(struct flo__checkpointer *c)
{
	sigset_t all, before;
	int rc;

	/* the host's signal handlers are no business of this thread's */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&c->thread, NULL, checkpointer_main, c);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static void checkpointer_free(struct flo__checkpointer *c)
{
	if (c->db.sqlite != NULL)
		flo__conn_close(&c->db);
	pthread_cond_destroy(&c->to_writer);
	pthread_cond_destroy(&c->to_thread);
	pthread_mutex_destroy(&c->lock);
	flo__free(c);
}

static flo_status checkpointer_open(struct flo__checkpointer *c,
				    const struct flo__store *store)
{
	int64_t version; /* to have read is to know that there is a WAL */
	flo_status st;

	TRY(flo__conn_open(&c->db, store->path,
			   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL));
	TRY(flo__conn_synchronous(&c->db, store->durability, NULL));
	TRY(flo__conn_int(&c->db, "PRAGMA user_version", NULL, &version));
out:
	return st;
}

/* NULL: it could not be had. */
static struct flo__checkpointer *checkpointer_new(struct flo__store *store)
{
	struct flo__checkpointer *c = flo__calloc(1, sizeof(*c));

	if (c == NULL)
		return NULL;
	c->db.path = store->path;
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->to_thread, NULL);
	pthread_cond_init(&c->to_writer, NULL);
	if (checkpointer_open(c, store) == FLO_OK && start_thread(c) == 0)
		return c;
	checkpointer_free(c);
	return NULL;
}

void flo__checkpointer_stop(struct flo__store *store)
{
	struct flo__checkpointer *c = store->checkpointer;

	if (c == NULL)
		return;
	store->checkpointer = NULL;
	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->to_thread);
	pthread_mutex_unlock(&c->lock);
	pthread_join(c->thread, NULL);
	checkpointer_free(c);
}

/* --- the writer --- */

bool flo__checkpoint_due(const struct flo__store *store, bool idle)
{
	int pages = store->wal_pages - store->wal_copied;

	if (store->copying || pages >= FLO__WAL_BUSY_PAGES)
		return true;
	return pages >= FLO__WAL_IDLE_PAGES &&
	       (idle || pages / FLO__WAL_COMMIT_PAGES < store->wal_commits);
}

/* Whether @rc is an end of the store, and which. */
static flo_status judge(struct flo__conn *db, int rc, flo_error *err)
{
	flo_status st;

	if (rc == SQLITE_OK || (rc & 0xff) == SQLITE_BUSY)
		return FLO_OK;
	st = flo__conn_error(db, rc, err);
	if (st != FLO_FULL)
		return st;
	flo_error_clear(err);
	return FLO_OK;
}

static flo_status copy_now(struct flo__store *store, flo_error *err)
{
	int rc = sqlite3_wal_checkpoint_v2(store->db.sqlite, NULL,
					   SQLITE_CHECKPOINT_PASSIVE, NULL,
					   NULL);

	/* What a reader still needs is tried again with as much more. */
	store->wal_copied = store->wal_pages;
	store->wal_commits = 0;
	return judge(&store->db, rc, err);
}

/* Have the thread begin a pass. False: there is none. */
static bool ask(struct flo__store *store)
{
	struct flo__checkpointer *c = store->checkpointer;

	if (c == NULL && !store->no_checkpointer) {
		c = store->checkpointer = checkpointer_new(store);
		store->no_checkpointer = c == NULL;
	}
	if (c == NULL)
		return false;
	pthread_mutex_lock(&c->lock);
	INSIST(c->state == IDLE);
	c->state = ASKED;
	pthread_cond_signal(&c->to_thread);
	pthread_mutex_unlock(&c->lock);
	store->copying = true;
	return true;
}

/*
 * Take the result of the thread's pass; false if it has none yet. A pass that
 * got no further (a reader stays, the disk is full) is tried again with as much
 * more. So is a WAL that another process has begun anew meanwhile.
 */
static bool take_result(struct flo__store *store, bool wait, int *ret_rc)
{
	struct flo__checkpointer *c = store->checkpointer;
	bool done;

	pthread_mutex_lock(&c->lock);
	while (wait && c->state != DONE)
		pthread_cond_wait(&c->to_writer, &c->lock);
	done = c->state == DONE;
	if (done) {
		bool further = c->copied > store->wal_copied &&
			       c->copied < store->wal_pages;

		c->state = IDLE;
		*ret_rc = c->rc;
		store->wal_copied = further ? c->copied : store->wal_pages;
		store->wal_commits = 0;
		store->copying = false;
	}
	pthread_mutex_unlock(&c->lock);
	return done;
}

flo_status flo__checkpoint(struct flo__store *store, flo_error *err)
{
	bool full = store->wal_pages >= FLO__WAL_PAGES_MAX;
	int least = FLO__WAL_OWN_PAGES, rc;
	flo_status st;

	if (store->copying) {
		if (!take_result(store, full, &rc))
			return FLO_OK;
		TRY(judge(&store->checkpointer->db, rc, err));
		least = FLO__WAL_IDLE_PAGES; /* so that it comes to an end */
	}
	if (!full && store->wal_pages - store->wal_copied >= least &&
	    ask(store))
		return FLO_OK;
	st = copy_now(store, err);
out:
	return st;
}
