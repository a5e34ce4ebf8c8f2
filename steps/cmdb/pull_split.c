/* What sources of bytes do: spool them, cut them, add their records. */
#include "steps/cmdb/pull_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "steps/args.h"
#include "steps/cmdb/record.h"

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
	size_t dir_len = (size_t)(strrchr(db_path, '/') + 1 - db_path);
	int fd = -1;

	flo__strbuf_add(&sb, db_path, dir_len);
	if (!sb.failed)
		fd = open(sb.data, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0) {
		flo__strbuf_adds(&sb, ".pull-XXXXXX");
		fd = sb.failed ? -1 : mkostemp(sb.data, O_CLOEXEC);
		if (fd >= 0)
			unlink(sb.data);
	}
	if (sb.failed)
		errno = ENOMEM;
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
			flo__utf8_copy(job->inside, sizeof(job->inside), key);
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
	const struct flo__place place = {
		.unit = job->unit != NULL ? job->unit : "record",
		.number = flo__split_records(split),
		.byte = job->unit != NULL ? FLO__PLACE_NO_BYTE
					  : flo__split_place(split),
		.line = flo__split_line(split),
		.page = job->page,
		.trusted = flo__split_trusted(split),
	};

	if (place.number == 1 && job->unit == NULL && job->records_len == 0 &&
	    flo__split_is_lines(split) && look_inside(job, text, len) != FLO_OK)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (place.number > 1)
		job->inside[0] = '\0';
	return flo__stage_add(stage, text, len, &place, err);
}

/* Keep @text, JSON, as what is seen at @i, unless it is null. */
static flo_status keep_seen(struct flo__pull_watch *watch, size_t i,
			    const char *text, flo_error *err)
{
	char *copy;

	if (text == NULL || strcmp(text, "null") == 0)
		return FLO_OK;
	copy = flo__strdup(text);
	if (copy == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__free(watch->seen[i]);
	watch->seen[i] = copy;
	return FLO_OK;
}

/* Who looks out for `watch`: its values have these places. */
struct watcher {
	struct flo__pull_watch *watch;
	struct flo__split *split;
	size_t place[FLO__SPLIT_WATCH_MAX];
};

static flo_status watch_all(struct watcher *watcher, flo_error *err)
{
	const struct flo__pull_watch *watch = watcher->watch;
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && i < watch->len; i++)
		st = flo__split_watch(watcher->split, watch->pointers[i], err,
				      &watcher->place[i]);
	return st;
}

static flo_status keep_all(const struct watcher *watcher, flo_error *err)
{
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && i < watcher->watch->len; i++)
		st = keep_seen(watcher->watch, i,
			       flo__split_seen(watcher->split,
					       watcher->place[i]),
			       err);
	return st;
}

/* Where there is nothing beside the records, look into them. */
static flo_status look_into(const struct watcher *inner,
			    const struct flo__split *split, const char *text,
			    size_t len, flo_error *err)
{
	flo_status st = flo__split_look(inner->split, text, len,
					flo__split_records(split),
					flo__split_place(split), err);

	return st == FLO_OK ? keep_all(inner, err) : st;
}

/* The document is broken at some place; a record before it may be, too. */
static flo_status tell_first(struct flo__pull_job *job,
			     struct flo__stage *stage, flo_status st,
			     const flo_error *fault, flo_error *err)
{
	flo_status before = flo__stage_settle(stage, err);

	job->of_record = before != FLO_OK;
	if (before != FLO_OK)
		return before;
	*err = *fault;
	return st;
}

static flo_status add_all(struct flo__pull_job *job, struct flo__split *split,
			  struct flo__stage *stage, const struct watcher *inner,
			  flo_error *err)
{
	flo_error fault = FLO_ERROR_INIT;
	const char *text = NULL;
	size_t len = 0;
	flo_status st;

	/* What a source has written for us is named by its rows, not by lines,
	 * and what is looked into must be a record. */
	if (job->unit == NULL && inner == NULL)
		flo__split_trust_lines(split);
	flo__stage_begin_loop(stage);
	for (;;) {
		st = flo__split_next(split, &fault, &text, &len);
		if (st != FLO_OK || text == NULL)
			break;
		st = add_record(job, stage, split, text, len, err);
		job->of_record = st != FLO_OK;
		TRY(st);
		if (inner != NULL)
			st = look_into(inner, split, text, len, &fault);
		if (st != FLO_OK)
			break;
	}
	if (st != FLO_OK)
		st = tell_first(job, stage, st, &fault, err);
	job->bytes += flo__split_bytes(split);
out:
	flo__stage_end_loop(stage);
	return st;
}

/* Pointers into the document: the splitter looks out for them. */
static flo_status add_watching(struct flo__pull_job *job,
			       struct flo__split *split,
			       struct flo__stage *stage,
			       struct flo__pull_watch *watch, flo_error *err)
{
	struct watcher outer = {.watch = watch, .split = split};
	flo_status st;

	TRY(watch_all(&outer, err));
	TRY(add_all(job, split, stage, NULL, err));
	st = keep_all(&outer, err);
out:
	return st;
}

/* Pointers into each record. */
static flo_status add_looking(struct flo__pull_job *job,
			      struct flo__split *split,
			      struct flo__stage *stage,
			      struct flo__pull_watch *watch, flo_error *err)
{
	struct watcher inner = {.watch = watch};
	flo_status st;

	if (watch->len == 0)
		return add_all(job, split, stage, NULL, err);
	TRY(flo__split_new(-1, NULL, 0, 0, err, &inner.split));
	flo__split_hide(inner.split,
			flo__args_mask(flo_step_context(job->call)));
	TRY(watch_all(&inner, err));
	st = add_all(job, split, stage, &inner, err);
out:
	flo__split_free(inner.split);
	return st;
}

flo_status flo__pull_split_watch(struct flo__pull_job *job, int fd,
				 struct flo__stage *stage,
				 struct flo__pull_watch *watch, flo_error *err)
{
	struct flo__split *split = NULL;
	flo_status st;

	TRY(flo__split_new(fd, job->records, job->records_len, 0, err, &split));
	flo__split_heed(split, flo_step_context(job->call));
	flo__split_hide(split, flo__args_mask(flo_step_context(job->call)));
	st = job->records_len != 0 ? add_watching(job, split, stage, watch, err)
				   : add_looking(job, split, stage, watch, err);
	watch->lines = flo__split_is_lines(split);
out:
	flo__split_free(split);
	return st;
}

flo_status flo__pull_split(struct flo__pull_job *job, int fd,
			   struct flo__stage *stage, flo_error *err)
{
	struct flo__pull_watch nothing = {.len = 0};

	return flo__pull_split_watch(job, fd, stage, &nothing, err);
}

flo_status flo__pull_scalar(const char *json, const char *pointer,
			    flo_error *err, char **ret_text)
{
	json_t *value = NULL;
	flo_status st = FLO_OK;

	if (json[0] == '-' || (json[0] >= '0' && json[0] <= '9')) {
		*ret_text = flo__strdup(json);
	} else if (json[0] != '"') {
		return flo_error_set(err, FLO_TYPE,
				     "what is at \"%s\" is neither a string "
				     "nor a number",
				     pointer);
	} else {
		st = flo__json_load(json, strlen(json), JSON_DECODE_ANY, err,
				    &value);
		if (st == FLO_OK)
			*ret_text = flo__strndup(json_string_value(value),
						 json_string_length(value));
		flo__json_free(value);
	}
	if (st == FLO_OK && *ret_text == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return st;
}
