/* cmdb.pull, `file`: a JSON or NDJSON file. */
#include "steps/cmdb/pull_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "steps/args.h"

#include <flo/runtime.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
	int fd; /* owned */
};

/*
 * To close a descriptor of a database drops the locks of all connections that
 * this process has on it, whoever opened them. So neither the CMDB nor what
 * SQLite keeps beside it is read as a file, nor anything that the process has
 * open to read and write, which a file to pull from is not. One that is opened
 * so while it is being read is not noticed.
 */
static bool is_same(const struct stat *one, const struct stat *other)
{
	return one->st_dev == other->st_dev && one->st_ino == other->st_ino;
}

/* The CMDB is not open yet, so it is known by its name. */
static flo_status is_cmdb(const struct flo__pull_job *job,
			  const struct stat *info, flo_error *err, bool *ret_is)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal"};
	char *db = flo__args_path(job->call, job->db);
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct stat other;
	flo_status st = db != NULL ? FLO_OK : FLO_NOMEM;

	*ret_is = false;
	for (size_t i = 0; i < 4 && st == FLO_OK && !*ret_is; i++) {
		flo__strbuf_reset(&sb);
		flo__strbuf_addf(&sb, "%s%s", db, suffixes[i]);
		st = flo__strbuf_status(&sb);
		*ret_is = st == FLO_OK && stat(sb.data, &other) == 0 &&
			  is_same(info, &other);
	}
	flo__strbuf_fini(&sb);
	flo__free(db);
	return st == FLO_OK ? st : flo_error_set(err, st, "out of memory");
}

static bool is_open_to_write(const struct stat *info)
{
	DIR *list = opendir("/proc/self/fd");
	const struct dirent *entry;
	struct stat other;
	bool found = false;

	while (list != NULL && !found && (entry = readdir(list)) != NULL) {
		int fd = atoi(entry->d_name);

		found = fstat(fd, &other) == 0 && is_same(info, &other) &&
			(fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR;
	}
	if (list != NULL)
		closedir(list);
	return found;
}

static flo_status check_other(const struct flo__pull_job *job, const char *path,
			      flo_error *err)
{
	struct stat info;
	bool is = false;
	flo_status st = FLO_OK;

	if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
		return FLO_OK;
	TRY(is_cmdb(job, &info, err, &is));
	if (is)
		return flo_error_set(err, FLO_INVALID,
				     "%s is the CMDB itself; to pull from it "
				     "use \"sqlite\"",
				     path);
	if (is_open_to_write(&info))
		return flo_error_set(err, FLO_INVALID,
				     "%s is a database that is in use; to pull "
				     "from one use \"sqlite\"",
				     path);
out:
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
