#include "steps/cmdb/drain.h"

#include "base/alloc.h"

#include <flo/runtime.h>

#include <stdatomic.h>

/* Pages in the WAL at which copying begins, and with which the owner ends it;
 * and with which it waits, as it writes faster than the disk can take. */
#define BEGIN_PAGES 4096
#define LAST_PAGES  512
#define MAX_PAGES   (4 * BEGIN_PAGES)

struct flo__drain {
	struct flo__task task;
	struct flo__cdb *db;	 /* borrowed; the owner's */
	struct flo__cdb *beside; /* owned; the task's while it is under way */
	int in_wal;		 /* pages, after the last commit */
	int copied;		 /* the task's, until it is taken back */
	atomic_bool done;	 /* release by the task; acquire by the owner */
};

static void work(struct flo__task *task)
{
	struct flo__drain *drain = (struct flo__drain *)task;
	int in_wal = 0;

	flo_blocking_begin();
	if (sqlite3_wal_checkpoint_v2(drain->beside->sql, NULL,
				      SQLITE_CHECKPOINT_PASSIVE, &in_wal,
				      &drain->copied) != SQLITE_OK)
		drain->copied = 0;
	flo_blocking_end();
	atomic_store_explicit(&drain->done, true, memory_order_release);
}

static int on_commit(void *arg, sqlite3 *sql, const char *name, int pages)
{
	struct flo__drain *drain = arg;

	(void)sql;
	(void)name;
	drain->in_wal = pages;
	return SQLITE_OK;
}

void flo__drain_open(struct flo__cdb *db, struct flo__drain **ret_drain)
{
	struct flo__drain *drain = flo__calloc(1, sizeof(*drain));

	*ret_drain = NULL;
	if (drain == NULL)
		return;
	drain->db = db;
	drain->task.work = work;
	if (flo__cdb_open_beside(db, NULL, &drain->beside) != FLO_OK) {
		flo__free(drain);
		return;
	}
	sqlite3_wal_hook(db->sql, on_commit, drain);
	*ret_drain = drain;
}

static void start(struct flo__drain *drain)
{
	drain->copied = 0;
	atomic_store_explicit(&drain->done, false, memory_order_relaxed);
	flo__task_start(&drain->task);
}

/* What the task did not see: the WAL begins anew if it is all copied. */
static void take_back(struct flo__drain *drain, enum flo__task_owner owner)
{
	flo__task_wait(&drain->task, owner);
	if (drain->in_wal < MAX_PAGES &&
	    drain->in_wal - drain->copied > LAST_PAGES) {
		start(drain);
		return;
	}
	(void)sqlite3_wal_checkpoint_v2(drain->db->sql, NULL,
					SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	drain->in_wal = 0;
}

void flo__drain_look(struct flo__drain *drain, enum flo__task_owner owner)
{
	if (drain == NULL)
		return;
	if (!drain->task.started) {
		if (drain->in_wal >= BEGIN_PAGES)
			start(drain);
	} else if (drain->in_wal >= MAX_PAGES ||
		   atomic_load_explicit(&drain->done, memory_order_acquire)) {
		take_back(drain, owner);
	}
}

void flo__drain_close(struct flo__drain *drain)
{
	if (drain == NULL)
		return;
	flo__task_drop(&drain->task);
	sqlite3_wal_hook(drain->db->sql, NULL, NULL);
	flo__cdb_keep_wal_short(drain->db);
	flo__cdb_close(drain->beside);
	flo__free(drain);
}
