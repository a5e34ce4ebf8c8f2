/* What sources of bytes do: spool them, cut them, add their records. */
#include "steps/cmdb/pull_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "steps/args.h"
#include "steps/cmdb/record.h"
#include "steps/cmdb/split.h"

#include <flo/runtime.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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

static void name_place(const struct flo__pull_place *place, flo_error *err)
{
	if (place->byte == FLO__PULL_NO_BYTE)
		flo_error_prefix(err, "%s %llu", place->unit,
				 (unsigned long long)place->number);
	else
		flo_error_prefix(err, "%s %llu (byte %llu)", place->unit,
				 (unsigned long long)place->number,
				 (unsigned long long)place->byte);
}

flo_status flo__pull_add(struct flo__pull_job *job, struct flo__stage *stage,
			 const char *text, size_t len,
			 const struct flo__pull_place *place, flo_error *err)
{
	flo_error fault = FLO_ERROR_INIT;
	flo_status st = flo__stage_add(stage, text, len, &fault);

	if (st == FLO_SYNTAX || st == FLO_TYPE || job->unfit)
		name_place(place, &fault);
	/* Its line and column are of the record, not of the document. */
	if (st != FLO_OK)
		flo_error_set(err, st, "%s",
			      fault.text[0] != '\0' ? fault.text
						    : flo_status_text(st));
	return st;
}

/*
 * The member of a record in which other records lie, in @job->inside: a
 * document like {"items": [{...}]} is one record where `records` was forgotten.
 */
static flo_status look_inside(struct flo__pull_job *job, const char *text,
			      size_t len)
{
	json_t *json = NULL;
	json_t *value;
	const char *key;
	flo_status st = flo__record_load(text, len, NULL, &json);

	/* What is wrong with it is told when it is added. */
	if (st != FLO_OK)
		return st == FLO_NOMEM ? st : FLO_OK;
	json_object_foreach(json, key, value)
	{
		if (json_is_object(json_array_get(value, 0))) {
			snprintf(job->inside, sizeof(job->inside), "%s", key);
			break;
		}
	}
	json_decref(json);
	return FLO_OK;
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
	};

	if (place.number == 1 && place.byte == 0 && job->records_len == 0 &&
	    look_inside(job, text, len) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (place.number > 1)
		job->inside[0] = '\0';
	return flo__pull_add(job, stage, text, len, &place, err);
}

flo_status flo__pull_split(struct flo__pull_job *job, int fd,
			   struct flo__stage *stage, flo_error *err)
{
	struct flo__split *split = NULL;
	const char *text = NULL;
	size_t len = 0;
	flo_status st;

	TRY(flo__split_new(fd, job->records, job->records_len, 0, err, &split));
	for (;;) {
		TRY(flo__split_next(split, err, &text, &len));
		if (text == NULL)
			break;
		TRY(add_record(job, stage, split, text, len, err));
	}
	job->bytes += flo__split_bytes(split);
out:
	flo__split_free(split);
	return st;
}
