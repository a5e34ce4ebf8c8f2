/*
 * A file that appears whole or not at all: written under a name that ends in
 * ".tmp", flushed to the disk, renamed, and the rename flushed too.
 *
 * Threads: one at a time. Everything blocks.
 */
#ifndef FLO_CMDB_OUTFILE_H
#define FLO_CMDB_OUTFILE_H

#include "base/strbuf.h"
#include "steps/cmdb/db.h"

#include <sys/types.h>

struct flo__outfile;

/*
 * Begin the file @dirs[0]/@dirs[1]/.../@name below @root; @dirs ends with NULL
 * and is not empty. Directories that are missing are made, and on the
 * disk before this returns. Only @root, which is absolute, may have symbolic
 * links on its way. The last directory is locked, shared, until the file is
 * closed (outdir.h): waits for whoever has it alone, as long as the context of
 * @db lives. FLO_BUSY while another writer has the file; FLO_SYSTEM and the
 * like, FLO_NOMEM.
 */
flo_status flo__outfile_open(struct flo__cdb *db, const char *root,
			     const char *const *dirs, const char *name,
			     flo_error *err, struct flo__outfile **ret_file);

/* Begin the file @name in the directory @dir, which is borrowed. */
flo_status flo__outfile_open_at(int dir, const char *name, flo_error *err,
				struct flo__outfile **ret_file);

/* Write @sb's content and empty it. */
flo_status flo__outfile_write(struct flo__outfile *file, struct flo__strbuf *sb,
			      flo_error *err);

/* Forget what was written: begin with an empty file again. */
flo_status flo__outfile_restart(struct flo__outfile *file, flo_error *err);

/* Set its permissions, which the umask has made until now. */
flo_status flo__outfile_mode(struct flo__outfile *file, mode_t mode,
			     flo_error *err);

/* Give the file its name. Afterwards it is on the disk. */
flo_status flo__outfile_finish(struct flo__outfile *file, flo_error *err);

/* Free it; what was not finished is removed. NULL is allowed. */
void flo__outfile_close(struct flo__outfile *file);

#endif
