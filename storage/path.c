/* Where a store is: names resolved once, directories made private. */
#include "storage/conn_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *flo__path_with(const char *path, const char *suffix)
{
	size_t len = strlen(path), suffix_len = strlen(suffix);
	char *both = flo__malloc(len + suffix_len + 1);

	if (both == NULL)
		return NULL;
	memcpy(both, path, len);
	memcpy(both + len, suffix, suffix_len + 1);
	return both;
}

flo_status flo__path_mkdir(const char *path, flo_error *err)
{
	struct stat info;
	int errnum;

	if (mkdir(path, 0700) == 0)
		return FLO_OK;
	errnum = errno;
	if (stat(path, &info) == 0) {
		if (S_ISDIR(info.st_mode))
			return FLO_OK;
		errnum = ENOTDIR;
	}
	return flo_error_sys(err, errnum,
			     "cannot make the directory %s of the store", path);
}

flo_status flo__path_sync(const char *path, flo_error *err)
{
	const char *slash = strrchr(path, '/');
	size_t len = slash != NULL ? (size_t)(slash - path) : 0;
	char *dir = slash == NULL ? flo__strdup(".")
				  : flo__strndup(path, len > 0 ? len : 1);
	flo_status st = FLO_OK;
	int fd;

	if (dir == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fsync(fd) != 0)
		st = flo_error_sys(err, errno, "cannot write to %s", dir);
	if (fd >= 0)
		close(fd);
	flo__free(dir);
	return st;
}

/*
 * As flo__path_mkdir(), durably: a store is no safer than the names of the
 * directories above it.
 */
static flo_status make_parent(const char *path, flo_error *err)
{
	flo_status st;

	TRY(flo__path_mkdir(path, err));
	TRY(flo__path_sync(path, err));
out:
	return st;
}

/* Make every directory above the last component of @path. */
static flo_status make_parents(char *path, flo_error *err)
{
	for (char *at = strchr(path + 1, '/'); at != NULL;
	     at = strchr(at + 1, '/')) {
		struct stat info;
		flo_status st = FLO_OK;

		*at = '\0';
		if (stat(path, &info) != 0 || !S_ISDIR(info.st_mode))
			st = make_parent(path, err);
		*at = '/';
		if (st != FLO_OK)
			return st;
	}
	return FLO_OK;
}

/* The real directory of @path and the name in it. */
static flo_status resolve_new(const char *path, flo_error *err, char **ret)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash != NULL ? slash + 1 : path;
	char real[PATH_MAX], *dir, *joined;
	size_t len;

	if (slash == NULL)
		dir = flo__strdup(".");
	else
		dir = flo__strndup(path, slash == path ? 1 : slash - path);
	if (dir == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (realpath(dir, real) == NULL) {
		int errnum = errno;

		flo__free(dir);
		if (errnum == ENOENT)
			return flo_error_set(err, FLO_NOTFOUND,
					     "there is no store at %s", path);
		return flo_error_sys(err, errnum,
				     "cannot reach the directory of %s", path);
	}
	flo__free(dir);
	len = strlen(real);
	if (len > 1)
		real[len++] = '/';
	real[len] = '\0';
	joined = flo__path_with(real, name);
	if (joined == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	*ret = joined;
	return FLO_OK;
}

flo_status flo__path_resolve(const char *path, bool make_dirs, flo_error *err,
			     char **ret_path)
{
	char real[PATH_MAX], *copy;
	struct stat info;
	flo_status st;

	if (*path == '\0' || path[strlen(path) - 1] == '/')
		return flo_error_set(err, FLO_SYSTEM,
				     "the store \"%s\" has no file name", path);
	if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
		flo_error_set(err, FLO_SYSTEM,
			      "%s is a directory; the store is a file, such as "
			      "%s/flow.db",
			      path, path);
		return FLO_SYSTEM;
	}
	if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
		return flo_error_set(err, FLO_SYSTEM,
				     "%s is no regular file; name another one "
				     "with --store",
				     path);
	if (realpath(path, real) != NULL) {
		*ret_path = flo__strdup(real);
		if (*ret_path == NULL)
			return flo_error_set(err, FLO_NOMEM, "out of memory");
		return FLO_OK;
	}
	if (errno != ENOENT)
		return flo_error_sys(err, errno, "cannot reach %s", path);
	if (make_dirs) {
		copy = flo__strdup(path);
		if (copy == NULL)
			return flo_error_set(err, FLO_NOMEM, "out of memory");
		st = make_parents(copy, err);
		flo__free(copy);
		if (st != FLO_OK)
			return st;
	}
	return resolve_new(path, err, ret_path);
}
