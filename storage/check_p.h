/* What the files of a check of the store share. */
#ifndef FLO_STORAGE_CHECK_P_H
#define FLO_STORAGE_CHECK_P_H

#include "storage/store_p.h"

#include <stdarg.h>

struct flo__check {
	flo_check_fn fn;
	void *arg;
	const char *path; /* of the store, as good as it is known */
};

/* Tell a finding: FLO_OK, or FLO_NOMEM. @run and @remedy may be NULL. */
#define TELL(check, level, name, run, remedy, ...)                             \
	flo__store_check_tell((check)->fn, (check)->arg, FLO_CHECK_##level,    \
			      name, run, remedy, __VA_ARGS__)

/* check_files.c: the files of a store that is there. */
flo_status flo__store_check_files(const struct flo__check *check);
/* check_files.c: the disk and the file system below check->path. */
flo_status flo__store_check_disk(const struct flo__check *check);

enum flo__fs {
	FLO__FS_LOCAL,
	FLO__FS_MEMORY,	 /* gone when the machine is switched off */
	FLO__FS_UNKNOWN, /* somebody's program decides */
	FLO__FS_NETWORK,
};

/* What statfs() calls f_type. */
enum flo__fs flo__fs_of(unsigned long magic);

#endif
