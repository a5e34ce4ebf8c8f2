/* What sources of bytes do: spool them, cut them, add their records. */
#include "steps/cmdb/pull_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "steps/args.h"
#include "steps/cmdb/split.h"

#include <flo/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -1 and errno. */
static int unnamed_file(const char *db_path)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	int fd = -1;

	flo__strbuf_addf(&sb, "%.*s.pull-XXXXXX",
			 (int)(strrchr(db_path, '/') + 1 - db_path), db_path);
	if (sb.failed) {
		errno = ENOMEM;
		goto out;
	}
	*strrchr(sb.data, '.') = '\0';
	fd = open(sb.data, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		goto out;
	/* Not every file system has files without names. */
	sb.data[strlen(sb.data)] = '.';
	fd = mkostemp(sb.data, O_CLOEXEC);
	if (fd >= 0)
		unlink(sb.data);
out:
	flo__strbuf_fini(&sb);
	return fd;
}

flo_status flo__pull_spool(const struct flo__pull_job *job, flo_error *err,
			   int *ret_fd)
{
	char *path = flo__args_path(job->call, job->db);
	flo_status st = FLO_OK;
	int fd;

	if (path == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo_blocking_begin();
	fd = unnamed_file(path);
	if (fd < 0)
		st = flo_error_sys(err, errno,
				   "make a temporary file beside %s", path);
	else
		*ret_fd = fd;
	flo_blocking_end();
	flo__free(path);
	return st;
}

flo_status flo__pull_add(struct flo__pull_job *job, struct flo__stage *stage,
			 const char *text, size_t len,
			 const struct flo__pull_place *place, flo_error *err)
{
	(void)job;
	return flo__stage_add(stage, text, len, place, err);
}

static flo_status add_record(struct flo__pull_job *job,
			     struct flo__stage *stage,
			     const struct flo__split *split, const char *text,
			     size_t len, flo_error *err)
{
	const struct flo__pull_place place = {
		.unit = job->unit != NULL ? job->unit : "record",
		.number = flo__split_records(split),
		.byte = job->unit != NULL ? FLO__PULL_NO_BYTE
					  : flo__split_place(split),
		.line = flo__split_trusted(split),
	};

	return flo__pull_add(job, stage, text, len, &place, err);
}

/* The document is broken at some place; a record before it may be, too. */
static flo_status tell_first(struct flo__stage *stage, flo_status st,
			     const flo_error *fault, flo_error *err)
{
	flo_status before = flo__stage_settle(stage, err);

	if (before != FLO_OK)
		return before;
	*err = *fault;
	return st;
}

flo_status flo__pull_split(struct flo__pull_job *job, int fd,
			   struct flo__stage *stage, flo_error *err)
{
	flo_error fault = FLO_ERROR_INIT;
	struct flo__split *split = NULL;
	const char *text = NULL;
	size_t len = 0;
	flo_status st;

	TRY(flo__split_new(fd, job->records, job->records_len, 0, err, &split));
	/* What a source has written for us is named by its rows, not by lines. */
	if (job->unit == NULL)
		flo__split_trust_lines(split);
	for (;;) {
		st = flo__split_next(split, &fault, &text, &len);
		if (st != FLO_OK) {
			st = tell_first(stage, st, &fault, err);
			goto out;
		}
		if (text == NULL)
			break;
		TRY(add_record(job, stage, split, text, len, err));
	}
	job->bytes += flo__split_bytes(split);
out:
	flo__split_free(split);
	return st;
}
