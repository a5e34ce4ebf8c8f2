/* How a CMDB's file comes to be. */
#include "steps/cmdb/db.h"

#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int flo__cdb_dir(const char *path, const char **ret_dir)
{
	const char *slash = strrchr(path, '/');

	*ret_dir = slash == NULL ? "." : slash == path ? "/" : path;
	return slash == NULL || slash == path ? 1 : (int)(slash - path);
}

/*
 * Name the file @temp @path, if there is none of that name: 0, or an errno.
 * File systems that have no hard links can rename without replacing; NFS knows
 * links only.
 */
static int give_name(const char *temp, const char *path)
{
	int errnum = link(temp, path) == 0 ? 0 : errno;

	if (errnum == EPERM || errnum == EOPNOTSUPP || errnum == ENOSYS)
		errnum = renameat2(AT_FDCWD, temp, AT_FDCWD, path,
				   RENAME_NOREPLACE) == 0
				 ? 0
				 : errno;
	(void)unlink(temp);
	return errnum == EEXIST ? 0 : errnum;
}

/*
 * A directory that is missing is not made: a path that is misspelt, or a disk
 * that is not mounted, would give an empty CMDB, in which everything is new.
 */
static flo_status tell_unmade(const char *path, int code, flo_error *err)
{
	const char *dir;
	int len = flo__cdb_dir(path, &dir);

	if (code == ENOENT)
		return flo_error_sys(err, code,
				     "make %s: the directory %.*s has to be "
				     "there first",
				     path, len, dir);
	if (code == EACCES || code == EROFS)
		return flo_error_sys(err, code,
				     "make %s: its directory %.*s may not be "
				     "written",
				     path, len, dir);
	return flo_error_sys(err, code, "make %s", path);
}

/*
 * The file gets its name only after we have closed it: closing a descriptor of
 * a file that SQLite has open would drop SQLite's locks on it.
 */
flo_status flo__cdb_make_file(const char *path, flo_error *err)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_status st = FLO_OK;
	int fd, errnum;

	if (access(path, F_OK) == 0)
		return FLO_OK;
	flo__strbuf_addf(&sb, "%s.new-%d-XXXXXX", path, (int)getpid());
	if (sb.failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	fd = mkostemp(sb.data, O_CLOEXEC);
	if (fd < 0) {
		st = tell_unmade(path, errno, err);
	} else {
		close(fd);
		errnum = give_name(sb.data, path);
		if (errnum != 0)
			st = flo_error_sys(
				err, errnum,
				"make %s, for which the file system "
				"must be able to link a file or to "
				"rename it without replacing another",
				path);
	}
	flo__strbuf_fini(&sb);
	return st;
}
