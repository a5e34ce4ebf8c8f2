/* How a CMDB's file comes to be. */
#include "steps/cmdb/db.h"

#include "base/strbuf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
		st = flo_error_sys(err, errno, "make %s", path);
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
