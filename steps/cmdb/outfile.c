#include "steps/cmdb/outfile.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/cmdb/outdir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Exports are made to be handed on, so the umask alone says to whom. */
#define DIR_MODE  0777
#define FILE_MODE 0666

struct flo__outfile {
	int dir;	/* owned */
	int fd;		/* owned; locked */
	char name[256]; /* in the end */
	char temp[256]; /* until then */
	bool done;
};

/* Flush @fd, which is the directory @of, so that a new name in it lasts. */
static flo_status flush(int fd, const char *of, flo_error *err)
{
	if (fsync(fd) != 0)
		return flo_error_sys(err, errno, "flush %s", of);
	return FLO_OK;
}

/*
 * Note: directories that last.
 *
 * Once a file is marked in the database it is never written again, so each name
 * on the way to it has to be on the disk before. A directory that is made is
 * flushed into its parent at once. Somebody may have been killed between the
 * two: then it is the last directory of those that are there already, so that
 * one's name is flushed as well; where nothing is made, that is all.
 */
struct way {
	int up; /* owned: the parent of `fd`; -1: not on the way */
	int fd; /* owned: how far we are */
	bool made;
};

static void way_close(struct way *way)
{
	if (way->up >= 0)
		close(way->up);
	if (way->fd >= 0)
		close(way->fd);
	way->up = way->fd = -1;
}

/* What is no error in a directory that we have added nothing to. */
static bool is_harmless(int errnum)
{
	/* It may not be listed; its file system knows no flushing. */
	return errnum == EACCES || errnum == EINVAL || errnum == EROFS;
}

/* Flush the directory @dir, which may be open as a path only. */
static flo_status flush_dir(int dir, bool changed, const char *name,
			    flo_error *err)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int errnum = 0;

	if (fd < 0 || fsync(fd) != 0)
		errnum = errno;
	if (fd >= 0)
		close(fd);
	if (errnum == 0 || (!changed && is_harmless(errnum)))
		return FLO_OK;
	return flo_error_sys(err, errnum, "flush the directory of %s", name);
}

/* Flush the name of the last directory that was there already. */
static flo_status flush_old(const struct way *way, const char *name,
			    flo_error *err)
{
	if (way->made || way->up < 0)
		return FLO_OK;
	return flush_dir(way->up, false, name, err);
}

/* Make @name if it is missing; *@ret_errnum is why it was not made, or 0. */
static flo_status make_dir(struct way *way, const char *name, flo_error *err,
			   int *ret_errnum)
{
	flo_status st;

	*ret_errnum = mkdirat(way->fd, name, DIR_MODE) == 0 ? 0 : errno;
	if (*ret_errnum != 0)
		return FLO_OK;
	TRY(flush_old(way, name, err));
	way->made = true;
	st = flush_dir(way->fd, true, name, err);
out:
	return st;
}

/* Go on to @name, made if it is missing, which errors call @what. */
static flo_status descend(struct way *way, const char *name, int flags,
			  const char *what, flo_error *err)
{
	int errnum, next;
	flo_status st = make_dir(way, name, err, &errnum);

	if (st != FLO_OK)
		return st;
	next = openat(way->fd, name, O_DIRECTORY | O_CLOEXEC | flags);
	if (next < 0 && errno == ENOENT && errnum != 0 && errnum != EEXIST)
		return flo_error_sys(err, errnum, "make the directory %s",
				     what);
	if (next < 0)
		return flo_error_sys(err, errno, "open the directory %s", what);
	if (way->up >= 0)
		close(way->up);
	way->up = way->fd;
	way->fd = next;
	return FLO_OK;
}

/* Go to @root, which is absolute; it may have symbolic links on its way. */
static flo_status descend_root(struct way *way, const char *root,
			       flo_error *err)
{
	char *path = flo__strdup(root);
	char *rest = NULL;
	flo_status st = FLO_OK;

	if (path == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	way->fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (way->fd < 0)
		st = flo_error_sys(err, errno, "open the directory /");
	for (char *name = strtok_r(path, "/", &rest);
	     name != NULL && st == FLO_OK; name = strtok_r(NULL, "/", &rest))
		st = descend(way, name, O_PATH, root, err);
	flo__free(path);
	return st;
}

/*
 * Open and lock the temporary file. Whoever had it before us may have renamed
 * it while we waited to open it: then what we hold is his finished file.
 */
static flo_status open_temp(struct flo__outfile *file, flo_error *err)
{
	struct stat ours, named;

	for (;;) {
		file->fd = openat(file->dir, file->temp,
				  O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
				  FILE_MODE);
		if (file->fd < 0)
			return flo_error_sys(err, errno, "make %s", file->temp);
		if (flock(file->fd, LOCK_EX | LOCK_NB) != 0)
			return flo_error_set(err, FLO_BUSY,
					     "%s is being written by another "
					     "export",
					     file->temp);
		if (fstat(file->fd, &ours) == 0 &&
		    fstatat(file->dir, file->temp, &named,
			    AT_SYMLINK_NOFOLLOW) == 0 &&
		    ours.st_ino == named.st_ino)
			break;
		close(file->fd);
		file->fd = -1;
	}
	if (ftruncate(file->fd, 0) != 0)
		return flo_error_sys(err, errno, "empty %s", file->temp);
	return FLO_OK;
}

static struct flo__outfile *new_file(const char *name, flo_error *err)
{
	struct flo__outfile *file = flo__calloc(1, sizeof(*file));

	if (file == NULL) {
		flo_error_set(err, FLO_NOMEM, "out of memory");
		return NULL;
	}
	file->dir = -1;
	file->fd = -1;
	snprintf(file->name, sizeof(file->name), "%s", name);
	snprintf(file->temp, sizeof(file->temp), "%.250s.tmp", name);
	return file;
}

/* Make @file's temporary file, or give the whole up. */
static flo_status begin(struct flo__outfile *file, flo_status st,
			flo_error *err, struct flo__outfile **ret_file)
{
	if (st == FLO_OK)
		st = open_temp(file, err);
	if (st == FLO_OK) {
		*ret_file = file;
	} else {
		/* Before the lock is ours the temporary file is not. */
		file->done = true;
		flo__outfile_close(file);
	}
	return st;
}

/* The last of the directories: made if it is missing, and locked. */
static flo_status enter(struct flo__cdb *db, struct way *way, const char *name,
			flo_error *err, int *ret_fd)
{
	int errnum;
	flo_status st = make_dir(way, name, err, &errnum);

	if (st != FLO_OK)
		return st;
	if (errnum != 0 && errnum != EEXIST)
		return flo_error_sys(err, errnum, "make the directory %s",
				     name);
	st = flo__outdir_lock(db, way->fd, name, false, err, ret_fd);
	if (st == FLO_NOTFOUND)
		st = flo_error_sys(err, ENOENT, "open the directory %s", name);
	/* The parent of what was there is where we are. */
	if (st == FLO_OK && errnum != 0)
		st = flush_dir(way->fd, false, name, err);
	return st;
}

/* From the root on: what is missing is made. */
static flo_status go_down(struct flo__cdb *db, struct way *way,
			  const char *const *dirs, flo_error *err, int *ret_fd)
{
	flo_status st;

	for (; dirs[1] != NULL; dirs++)
		TRY(descend(way, *dirs, O_PATH | O_NOFOLLOW, *dirs, err));
	st = enter(db, way, *dirs, err, ret_fd);
out:
	return st;
}

flo_status flo__outfile_open(struct flo__cdb *db, const char *root,
			     const char *const *dirs, const char *name,
			     flo_error *err, struct flo__outfile **ret_file)
{
	struct flo__outfile *file = new_file(name, err);
	struct way way = {.up = -1, .fd = -1};
	flo_status st;

	if (file == NULL)
		return FLO_NOMEM;
	TRY(descend_root(&way, root, err));
	st = go_down(db, &way, dirs, err, &file->dir);
	if (st != FLO_OK)
		flo_error_prefix(err, "below %s", root);
out:
	way_close(&way);
	return begin(file, st, err, ret_file);
}

flo_status flo__outfile_open_at(int dir, const char *name, flo_error *err,
				struct flo__outfile **ret_file)
{
	struct flo__outfile *file = new_file(name, err);
	flo_status st = FLO_OK;

	if (file == NULL)
		return FLO_NOMEM;
	file->dir = fcntl(dir, F_DUPFD_CLOEXEC, 0);
	if (file->dir < 0)
		st = flo_error_sys(err, errno, "open the directory of %s",
				   name);
	return begin(file, st, err, ret_file);
}

flo_status flo__outfile_write(struct flo__outfile *file, struct flo__strbuf *sb,
			      flo_error *err)
{
	size_t at = 0;

	if (sb->failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	while (at < sb->len) {
		ssize_t n = write(file->fd, sb->data + at, sb->len - at);

		if (n < 0 && errno != EINTR)
			return flo_error_sys(err, errno, "write %s",
					     file->temp);
		at += n > 0 ? (size_t)n : 0;
	}
	/* So that there is little left to wait for at the end. A hint. */
	(void)sync_file_range(file->fd,
			      lseek(file->fd, 0, SEEK_CUR) - (off_t)at,
			      (off_t)at, SYNC_FILE_RANGE_WRITE);
	flo__strbuf_reset(sb);
	return FLO_OK;
}

flo_status flo__outfile_restart(struct flo__outfile *file, flo_error *err)
{
	if (ftruncate(file->fd, 0) != 0 || lseek(file->fd, 0, SEEK_SET) != 0)
		return flo_error_sys(err, errno, "empty %s", file->temp);
	return FLO_OK;
}

flo_status flo__outfile_mode(struct flo__outfile *file, mode_t mode,
			     flo_error *err)
{
	if (fchmod(file->fd, mode) != 0)
		return flo_error_sys(err, errno, "set the mode of %s",
				     file->temp);
	return FLO_OK;
}

flo_status flo__outfile_finish(struct flo__outfile *file, flo_error *err)
{
	flo_status st;

	TRY(flush(file->fd, file->temp, err));
	if (renameat(file->dir, file->temp, file->dir, file->name) != 0)
		return flo_error_sys(err, errno, "rename %s", file->temp);
	file->done = true;
	st = flush(file->dir, file->name, err);
out:
	return st;
}

void flo__outfile_close(struct flo__outfile *file)
{
	if (file == NULL)
		return;
	if (!file->done)
		unlinkat(file->dir, file->temp, 0);
	if (file->fd >= 0)
		close(file->fd);
	if (file->dir >= 0)
		close(file->dir);
	flo__free(file);
}
