/*
 * Making a store: under another name, without any care for crashes, then one
 * fsync and a rename. So a store appears whole or not at all, and its making
 * costs one wait for the disk instead of the six of a careful SQLite.
 *
 * The file that is opened here is nobody's database yet: what closing our
 * descriptor does to POSIX locks does not matter before the rename.
 */
#include "storage/store_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a crash in the middle of an earlier attempt may have left. */
static void remove_leftovers(const char *made)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};

	for (size_t i = 0; i < 4; i++) {
		char *path = flo__path_with(made, suffixes[i]);

		if (path != NULL)
			unlink(path);
		flo__free(path);
	}
}

static flo_status fill(const char *made, const char *path, flo_error *err)
{
	struct flo__conn db = {.path = made, .store = path};
	flo_status st;

	TRY(flo__conn_open(&db, made,
			   SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, err));
	TRY(flo__conn_exec(&db,
			   "PRAGMA synchronous = OFF;"
			   "PRAGMA journal_mode = MEMORY",
			   err));
	TRY(flo__schema_migrate(&db, err));
	TRY(flo__conn_exec(&db, "PRAGMA journal_mode = WAL", err));
out:
	flo__conn_close(&db);
	return st;
}

static flo_status make(const char *made, const char *path, flo_error *err)
{
	int fd = open(made, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		      0600);
	flo_status st;

	if (fd < 0)
		return flo_error_sys(err, errno, "cannot make the store %s",
				     path);
	TRY(fill(made, path, err));
	if (fsync(fd) != 0 || rename(made, path) != 0)
		st = flo_error_sys(err, errno, "cannot make the store %s",
				   path);
	else
		st = flo__path_sync(path, err);
out:
	close(fd);
	if (st != FLO_OK)
		remove_leftovers(made);
	return st;
}

flo_status flo__store_create(const char *path, flo_error *err)
{
	struct stat info;
	char *made;
	flo_status st;

	REQUIRE(path[0] == '/');
	if (lstat(path, &info) == 0)
		return FLO_OK;
	made = flo__path_with(path, ".new");
	if (made == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	remove_leftovers(made);
	st = make(made, path, err);
	flo__free(made);
	return st;
}
