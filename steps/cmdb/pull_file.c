/* cmdb.pull, `file`: a JSON or NDJSON file. */
#include "steps/cmdb/pull_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/args.h"

#include <flo/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
	int fd; /* owned */
};

/*
 * Not the CMDB itself: to close a descriptor of it would drop the locks of all
 * connections that this process has on it.
 */
static flo_status check_other(const struct flo__pull_job *job, const char *path,
			      flo_error *err)
{
	char *db = flo__args_path(job->call, job->db);
	struct stat one, other;
	flo_status st = FLO_OK;

	if (db == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (stat(path, &one) == 0 && stat(db, &other) == 0 &&
	    one.st_dev == other.st_dev && one.st_ino == other.st_ino)
		st = flo_error_set(err, FLO_INVALID,
				   "%s is the CMDB itself; to pull from it use "
				   "\"sqlite\"",
				   path);
	flo__free(db);
	return st;
}

static flo_status open_file(struct flo__pull_job *job, flo_error *err,
			    int *ret_fd)
{
	char *path = flo__args_path(job->call, job->from);
	flo_status st = FLO_OK;
	struct stat info;

	if (path == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	TRY(check_other(job, path, err));
	/* Not to wait for a writer if it is a pipe, which is refused next. */
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*ret_fd < 0)
		st = flo_error_sys(err, errno, "open %s", path);
	else if (fstat(*ret_fd, &info) != 0)
		st = flo_error_sys(err, errno, "look at %s", path);
	else if (!S_ISREG(info.st_mode))
		st = flo_error_set(err, FLO_INVALID,
				   "%s is not a regular file; to read from a "
				   "program use \"command\"",
				   path);
out:
	flo__free(path);
	return st;
}

static flo_status open_source(struct flo__pull_job *job, const flo_value *arg,
			      flo_error *err, void **ret_state)
{
	struct file *file = flo__calloc(1, sizeof(*file));
	flo_status st;

	(void)arg;
	if (file == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	file->fd = -1;
	*ret_state = file;
	TRY(flo__args_string(job->with, "file", true, err, &job->from));
	flo_blocking_begin();
	st = open_file(job, err, &file->fd);
	flo_blocking_end();
out:
	return st;
}

static flo_status read_source(struct flo__pull_job *job, void *state,
			      struct flo__stage *stage, flo_error *err)
{
	const struct file *file = state;

	return flo__pull_split(job, file->fd, stage, err);
}

static void close_source(void *state)
{
	struct file *file = state;

	if (file == NULL)
		return;
	if (file->fd >= 0)
		close(file->fd);
	flo__free(file);
}

const struct flo__pull_kind flo__pull_file = {
	.name = "file",
	.open = open_source,
	.read = read_source,
	.close = close_source,
};
