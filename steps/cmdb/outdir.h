/*
 * A directory of exported files that is exchanged for another as a whole.
 *
 * Who writes a file into it holds its lock with others; who exchanges it holds
 * it alone. The lock is of the directory itself and not of its name, so it is
 * looked again, once it is held, whether the name is still that directory's.
 * It ends with its descriptor, and so with the process.
 *
 * Threads: one at a time. Everything blocks.
 */
#ifndef FLO_CMDB_OUTDIR_H
#define FLO_CMDB_OUTDIR_H

#include "steps/cmdb/db.h"

#include <stdbool.h>

/*
 * Open the directory @name in @parent (borrowed), no symbolic link, and lock
 * it, @alone or with others. Waits for the lock while the context of @db
 * lives, but ten minutes at most, then FLO_BUSY. FLO_NOTFOUND, without a text:
 * there is none. *@ret_fd is the caller's.
 */
flo_status flo__outdir_lock(struct flo__cdb *db, int parent, const char *name,
			    bool alone, flo_error *err, int *ret_fd);

/* Append the names in @dir (borrowed) but "." and "..", each with its NUL. */
flo_status flo__outdir_names(int dir, flo_error *err, struct flo__strbuf *sb);

/*
 * The directory that @root means, without "." and "//" and a last "/", so that
 * one directory has one spelling. *@ret is the caller's. FLO_NOMEM.
 */
flo_status flo__outdir_root(struct flo__cdb *db, const char *root,
			    flo_error *err, char **ret);

#endif
