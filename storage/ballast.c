/*
 * A file that exists to be deleted: on a full disk even a checkpoint or a
 * DELETE fails, and what is queued at that moment would be lost. Its space
 * lets the last batch be written; then the store accepts nothing more.
 */
#include "storage/store_p.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static flo_status fill(int fd, const char *path, flo_error *err)
{
	struct stat info;
	int errnum = 0;

	if (fstat(fd, &info) != 0)
		return flo_error_sys(err, errno, "cannot look at %s", path);
	/* st_blocks too: a sparse file reserves nothing */
	if (info.st_size != FLO__BALLAST_SIZE ||
	    info.st_blocks < FLO__BALLAST_SIZE / 512)
		errnum = posix_fallocate(fd, 0, FLO__BALLAST_SIZE);
	if (errnum == 0)
		return FLO_OK;
	if (errnum == ENOSPC || errnum == EDQUOT)
		return flo_error_set(err, FLO_FULL,
				     "the disk holding %s is full; free some "
				     "space and try again",
				     path);
	return flo_error_sys(err, errnum, "cannot reserve space in %s", path);
}

flo_status flo__ballast_make(struct flo__store *store, flo_error *err)
{
	char *path = flo__path_with(store->files, "/ballast");
	flo_status st;
	int fd;

	if (path == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		st = flo_error_sys(err, errno, "cannot make %s", path);
	} else {
		st = fill(fd, path, err);
		close(fd);
	}
	store->ballast = st == FLO_OK;
	flo__free(path);
	return st;
}

bool flo__ballast_give_up(struct flo__store *store)
{
	char *path;
	bool gone;

	if (!store->ballast)
		return false;
	store->ballast = false;
	path = flo__path_with(store->files, "/ballast");
	if (path == NULL)
		return false;
	/* another process may have been first: its space helps us too */
	gone = unlink(path) == 0 || errno == ENOENT;
	flo__free(path);
	return gone;
}
