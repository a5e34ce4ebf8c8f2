/*
 * Servers that say in the body, with a status of success, that a cursor is too
 * old: Kubernetes ends a watch with an event of type ERROR whose code is 410.
 */
#include "steps/cmdb/pull_http_p.h"

#include "base/contract.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A look through an answer. */
struct look {
	const struct flo__http_args *args;
	struct flo__split *split;
	struct flo__split *inner; /* looks into a record; NULL: beside them */
	json_t *is;		  /* `gone_is` */
	size_t place;
	bool found;
};

static flo_status load(const char *text, flo_error *err, json_t **ret_json)
{
	return flo__json_load(text, strlen(text), JSON_DECODE_ANY, err,
			      ret_json);
}

/* By value: a string may be written in many ways. */
static flo_status compare(struct look *look, const struct flo__split *watcher,
			  flo_error *err)
{
	const char *text = flo__split_seen(watcher, look->place);
	json_t *value = NULL;
	flo_status st;

	if (text == NULL || text[0] == '{' || text[0] == '[')
		return FLO_OK;
	st = load(text, err, &value);
	if (st == FLO_OK)
		look->found = json_equal(value, look->is) != 0;
	flo__json_free(value);
	return st;
}

static flo_status look_into(struct look *look, const char *text, size_t len,
			    flo_error *err)
{
	flo_status st = flo__split_look(look->inner, text, len,
					flo__split_records(look->split),
					flo__split_place(look->split), err);

	/* More than a sign could be is none, and one may follow. */
	if (st == FLO_LIMIT) {
		flo_error_clear(err);
		return FLO_OK;
	}
	return st == FLO_OK ? compare(look, look->inner, err) : st;
}

static flo_status look_through(struct look *look, flo_error *err)
{
	const char *text = NULL;
	size_t len = 0;
	flo_status st;

	do {
		st = flo__split_next(look->split, err, &text, &len);
		if (st == FLO_OK && text != NULL && look->inner != NULL)
			st = look_into(look, text, len, err);
	} while (st == FLO_OK && text != NULL && !look->found);
	/* Of a broken answer, too: it may have been said before that. */
	if (look->inner == NULL && st != FLO_NOMEM) {
		flo_status compared = compare(look, look->split, err);

		st = st == FLO_OK ? compared : st;
	}
	return st;
}

static flo_status load_sign(struct look *look, flo_error *err)
{
	char *text = flo_value_to_json(look->args->gone_is);
	flo_status st;

	if (text == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = load(text, err, &look->is);
	flo_free(text);
	return st;
}

static flo_status begin_look(struct look *look, flo_context *context, int fd,
			     flo_error *err)
{
	const struct flo__http_args *args = look->args;
	bool inside = args->records_len == 0;
	flo_status st;

	TRY(load_sign(look, err));
	TRY(flo__split_new(fd, args->records, args->records_len, 0, err,
			   &look->split));
	flo__split_heed(look->split, context);
	if (inside)
		TRY(flo__split_new(-1, NULL, 0, 0, err, &look->inner));
	st = flo__split_watch(inside ? look->inner : look->split, args->gone_at,
			      err, &look->place);
out:
	return st;
}

/* What is wrong with the answer is told when its records are added. */
static flo_status end_look(flo_status st, const flo_error *fault,
			   flo_error *err)
{
	if (st != FLO_NOMEM && st != FLO_CANCELED && st != FLO_TIMEOUT)
		return FLO_OK;
	return flo_error_set(err, st, "%s", fault->text);
}

flo_status flo__http_says_gone(const struct flo__http_args *args,
			       flo_context *context, int fd, flo_error *err,
			       bool *ret_gone)
{
	struct look look = {.args = args};
	flo_error fault = FLO_ERROR_INIT;
	flo_status st = FLO_OK;

	if (args->gone_at == NULL)
		return FLO_OK;
	st = begin_look(&look, context, fd, err);
	if (st == FLO_OK)
		st = end_look(look_through(&look, &fault), &fault, err);
	if (st == FLO_OK && lseek(fd, 0, SEEK_SET) != 0)
		st = flo_error_sys(err, errno, "rewind a temporary file");
	*ret_gone = look.found;
	flo__split_free(look.inner);
	flo__split_free(look.split);
	flo__json_free(look.is);
	return st;
}
