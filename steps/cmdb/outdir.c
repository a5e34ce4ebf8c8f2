#include "steps/cmdb/outdir.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "steps/args.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* As long as a step waits for another that writes the database. */
#define LOCK_WAIT_MAX_NS (600 * FLO__NS_PER_S)

/*
 * flock() can wait by itself, but not hear that the step is cancelled; so it is
 * asked again and again, as SQLite asks for its lock.
 */
static flo_status wait_for(struct flo__cdb *db, int fd, int how,
			   const char *name, flo_error *err)
{
	const struct timespec pause = {.tv_nsec = 5000000};
	uint64_t begin = flo__time_mono_ns();
	flo_status st;

	while (flock(fd, how | LOCK_NB) != 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return flo_error_sys(err, errno, "lock %s", name);
		st = flo__cdb_alive(db, err);
		if (st != FLO_OK)
			return st;
		if (flo__time_mono_ns() - begin > LOCK_WAIT_MAX_NS)
			return flo_error_set(err, FLO_BUSY,
					     "%s has been locked by another "
					     "process for ten minutes",
					     name);
		nanosleep(&pause, NULL);
	}
	return FLO_OK;
}

static bool is_named(int parent, const char *name, int fd)
{
	struct stat ours, named;

	return fstat(fd, &ours) == 0 &&
	       fstatat(parent, name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

flo_status flo__outdir_lock(struct flo__cdb *db, int parent, const char *name,
			    bool alone, flo_error *err, int *ret_fd)
{
	int how = alone ? LOCK_EX : LOCK_SH;
	flo_status st;

	for (;;) {
		int fd =
			openat(parent, name,
			       O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

		if (fd < 0 && errno == ENOENT)
			return FLO_NOTFOUND;
		if (fd < 0)
			return flo_error_sys(err, errno,
					     "open the directory %s", name);
		st = wait_for(db, fd, how, name, err);
		if (st == FLO_OK && is_named(parent, name, fd)) {
			*ret_fd = fd;
			return FLO_OK;
		}
		close(fd);
		if (st != FLO_OK)
			return st;
	}
}

flo_status flo__outdir_names(int dir, flo_error *err, struct flo__strbuf *sb)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *list = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	flo_status st;

	if (list == NULL) {
		st = flo_error_sys(err, errno, "list a directory");
		if (fd >= 0)
			close(fd);
		return st;
	}
	for (errno = 0; (entry = readdir(list)) != NULL; errno = 0)
		if (strcmp(entry->d_name, ".") != 0 &&
		    strcmp(entry->d_name, "..") != 0)
			flo__strbuf_add(sb, entry->d_name,
					strlen(entry->d_name) + 1);
	st = errno == 0 ? FLO_OK
			: flo_error_sys(err, errno, "list a directory");
	closedir(list);
	if (st == FLO_OK && sb->failed)
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
	return st;
}

flo_status flo__outdir_root(struct flo__cdb *db, const char *root,
			    flo_error *err, char **ret)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *path = flo__args_path(db->call, root);
	char *at = path;

	while (at != NULL && *at != '\0') {
		size_t len = strcspn(at, "/");

		if (len > 0 && !(len == 1 && *at == '.')) {
			flo__strbuf_addc(&sb, '/');
			flo__strbuf_add(&sb, at, len);
		}
		at += len + (at[len] == '/');
	}
	if (sb.len == 0)
		flo__strbuf_addc(&sb, '/');
	*ret = path != NULL ? flo__strbuf_take(&sb) : NULL;
	flo__strbuf_fini(&sb);
	flo__free(path);
	return *ret != NULL ? FLO_OK
			    : flo_error_set(err, FLO_NOMEM, "out of memory");
}
