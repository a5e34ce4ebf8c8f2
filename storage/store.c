/* Opening and closing a store for writing. */
#include "storage/store_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* SQLite opens a file that it may only read without a word. */
static flo_status check_writable(struct flo__store *store, flo_error *err)
{
	int errnum = EROFS;

	if (sqlite3_db_readonly(store->db.sqlite, "main") == 0)
		return FLO_OK;
	if (access(store->path, W_OK) != 0)
		errnum = errno;
	return flo_error_sys(err, errnum,
			     "cannot write the store %s; change its "
			     "permissions or name another file with --store",
			     store->path);
}

flo_status flo__conn_synchronous(struct flo__conn *db,
				 enum flo__store_durability durability,
				 flo_error *err)
{
	static const char *const texts[] = {
		[FLO__STORE_POWER] = "PRAGMA synchronous = FULL",
		[FLO__STORE_PROCESS] = "PRAGMA synchronous = NORMAL",
		[FLO__STORE_NONE] = "PRAGMA synchronous = OFF",
	};

	return flo__conn_exec(db, texts[durability], err);
}

static flo_status set_pragmas(struct flo__store *store, flo_error *err)
{
	flo_status st;

	TRY(flo__conn_synchronous(&store->db, store->durability, err));
	/* a WAL that one busy hour made large shrinks when it begins anew */
	TRY(flo__conn_exec(&store->db, "PRAGMA journal_size_limit = 67108864",
			   err));
out:
	return st;
}

/* Holds the right to write. */
static flo_status open_database(struct flo__store *store, flo_error *err)
{
	flo_status st;

	store->ballast = store->lean;
	flo__ballast_give_up(store);
	TRY(flo__store_create(store->path, err));
	TRY(flo__conn_open(&store->db, store->path,
			   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, err));
	TRY(check_writable(store, err));
	TRY(set_pragmas(store, err));
	TRY(flo__schema_migrate(&store->db, err));
	/* the file remembers it, unless somebody has changed it by hand */
	TRY(flo__conn_exec(&store->db, "PRAGMA journal_mode = WAL", err));
	TRY(flo__path_mkdir(store->files, err));
	if (store->lean)
		goto out;
	st = flo__ballast_make(store, err);
	if (st != FLO_FULL) {
		/* a disk that is full already is told now; any other reason
		   why there is no ballast costs the last events, if that, when
		   the disk is full one day */
		flo_error_clear(err);
		st = FLO_OK;
	}
out:
	return st;
}

static void init(struct flo__store *store,
		 enum flo__store_durability durability)
{
	pthread_condattr_t attr;

	store->journal.ops = &flo__store_journal_ops;
	store->durability = durability;
	store->lock_fd = -1;
	store->data_version = -1;
	store->dirty_end = &store->dirty;
	store->ops_end = &store->ops;
	pthread_mutex_init(&store->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&store->work, &attr);
	pthread_cond_init(&store->done, &attr);
	pthread_condattr_destroy(&attr);
	flo__owner_init(&store->owner);
}

static void free_store(struct flo__store *store)
{
	if (store->db.sqlite != NULL) {
		/* the last connection copies the WAL into the database, which
		   is writing too */
		bool locked = flo__lock_write(store->lock_fd, store->path,
					      NULL) == FLO_OK;

		flo__conn_close(&store->db);
		if (locked)
			flo__unlock_write(store->lock_fd);
	}
	if (store->lock_fd >= 0)
		close(store->lock_fd);
	pthread_cond_destroy(&store->done);
	pthread_cond_destroy(&store->work);
	pthread_mutex_destroy(&store->lock);
	flo__free(store->files);
	flo__free(store->path);
	flo__free(store);
}

static flo_status open_store(const char *path,
			     enum flo__store_durability durability, bool lean,
			     flo_error *err, struct flo__journal **ret_journal)
{
	struct flo__store *store = flo__calloc(1, sizeof(*store));
	flo_status st = FLO_NOMEM;

	REQUIRE(path != NULL && durability <= FLO__STORE_NONE);
	if (store == NULL)
		return flo_error_set(err, st, "%s", flo_status_text(st));
	init(store, durability);
	store->lean = lean;
	TRY(flo__path_resolve(path, true, err, &store->path));
	store->db.path = store->path;
	store->files = flo__path_with(store->path, ".d");
	if (store->files == NULL) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	store->lock_fd = flo__lock_open(store->path, true, err, &st);
	if (store->lock_fd < 0)
		goto out;
	TRY(flo__lock_write(store->lock_fd, store->path, err));
	st = open_database(store, err);
	flo__unlock_write(store->lock_fd);
	if (st != FLO_OK)
		goto out;
	TRY(flo__writer_start(store, err));
	*ret_journal = &store->journal;
	store = NULL;
out:
	if (store != NULL)
		free_store(store);
	return st;
}

flo_status flo__store_open(const char *path,
			   enum flo__store_durability durability,
			   flo_error *err, struct flo__journal **ret_journal)
{
	return open_store(path, durability, false, err, ret_journal);
}

flo_status flo__store_open_lean(const char *path, flo_error *err,
				struct flo__journal **ret_journal)
{
	return open_store(path, FLO__STORE_POWER, true, err, ret_journal);
}

void flo__store_close(struct flo__journal *journal)
{
	struct flo__store *store = (struct flo__store *)journal;

	if (store == NULL)
		return;
	REQUIRE(store->runs == NULL);
	flo__writer_stop(store);
	flo__checkpointer_stop(store);
	free_store(store);
}

const char *flo__store_files(const struct flo__journal *journal)
{
	return ((const struct flo__store *)journal)->files;
}
