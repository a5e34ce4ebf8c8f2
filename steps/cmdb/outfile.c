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

/* Make @root and what leads to it. */
static flo_status make_root(const char *root, flo_error *err, int *ret_fd)
{
	char *path = flo__strdup(root);
	flo_status st = FLO_OK;

	if (path == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (char *at = path + 1; *at != '\0'; at++) {
		if (*at != '/')
			continue;
		*at = '\0';
		(void)mkdir(path, DIR_MODE);
		*at = '/';
	}
	(void)mkdir(path, DIR_MODE);
	/* What could not be made cannot be opened either. */
	*ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		st = flo_error_sys(err, errno, "open the directory %s", path);
	flo__free(path);
	return st;
}

/* From the directory @*fd to @name in it, made if it is missing. */
static flo_status descend(int *fd, const char *name, flo_error *err)
{
	flo_status st = FLO_OK;
	int next;

	if (mkdirat(*fd, name, DIR_MODE) == 0)
		st = flush(*fd, name, err);
	else if (errno != EEXIST)
		st = flo_error_sys(err, errno, "make the directory %s", name);
	if (st != FLO_OK)
		return st;
	next = openat(*fd, name,
		      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (next < 0)
		return flo_error_sys(err, errno, "open the directory %s", name);
	close(*fd);
	*fd = next;
	return FLO_OK;
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
static flo_status enter(struct flo__cdb *db, struct flo__outfile *file,
			const char *name, flo_error *err)
{
	int fd = -1;
	flo_status st = FLO_OK;

	if (mkdirat(file->dir, name, DIR_MODE) == 0)
		st = flush(file->dir, name, err);
	else if (errno != EEXIST)
		st = flo_error_sys(err, errno, "make the directory %s", name);
	if (st == FLO_OK)
		st = flo__outdir_lock(db, file->dir, name, false, err, &fd);
	if (st == FLO_NOTFOUND)
		st = flo_error_sys(err, ENOENT, "open the directory %s", name);
	if (st == FLO_OK) {
		close(file->dir);
		file->dir = fd;
	}
	return st;
}

static flo_status go_down(struct flo__cdb *db, struct flo__outfile *file,
			  const char *const *dirs, flo_error *err)
{
	flo_status st;

	for (; dirs[1] != NULL; dirs++)
		TRY(descend(&file->dir, *dirs, err));
	st = enter(db, file, *dirs, err);
out:
	return st;
}

flo_status flo__outfile_open(struct flo__cdb *db, const char *root,
			     const char *const *dirs, const char *name,
			     flo_error *err, struct flo__outfile **ret_file)
{
	struct flo__outfile *file = new_file(name, err);
	flo_status st;

	if (file == NULL)
		return FLO_NOMEM;
	TRY(make_root(root, err, &file->dir));
	st = go_down(db, file, dirs, err);
	if (st == FLO_OK)
		return begin(file, st, err, ret_file);
	flo_error_prefix(err, "below %s", root);
out:
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
	flo__strbuf_reset(sb);
	return FLO_OK;
}

flo_status flo__outfile_restart(struct flo__outfile *file, flo_error *err)
{
	if (ftruncate(file->fd, 0) != 0 || lseek(file->fd, 0, SEEK_SET) != 0)
		return flo_error_sys(err, errno, "empty %s", file->temp);
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
