/*
 * Servers that say in the body, with a status of success, that a cursor is too
 * old: Kubernetes ends a watch with an event of type ERROR whose code is 410.
 */
#include "steps/cmdb/pull_http_p.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* A look through an answer. */
struct look {
	const struct flo__http_args *args;
	struct flo__split *split;
	char *is; /* `gone_is` as JSON */
	size_t place;
	const struct flo__pointer *at; /* into a record; NULL: beside them */
	bool found;
};

static bool is_sign(const struct look *look, const char *json)
{
	return json != NULL && strcmp(json, look->is) == 0;
}

static flo_status look_into(struct look *look, const char *text, size_t len,
			    flo_error *err)
{
	json_t *record = NULL;
	const json_t *value;
	char *json = NULL;
	flo_status st;

	st = flo__json_load(text, len, 0, err, &record);
	if (st != FLO_OK)
		return st;
	value = flo__pointer_get(look->at, record);
	if (value != NULL && !json_is_object(value) && !json_is_array(value)) {
		json = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
		if (json == NULL)
			st = flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	look->found = is_sign(look, json);
	flo_free(json);
	flo__json_free(record);
	return st;
}

static flo_status look_through(struct look *look, flo_error *err)
{
	const char *text = NULL;
	size_t len = 0;
	flo_status st;

	do {
		st = flo__split_next(look->split, err, &text, &len);
		if (st == FLO_OK && text != NULL && look->at != NULL)
			st = look_into(look, text, len, err);
	} while (st == FLO_OK && text != NULL && !look->found);
	if (look->at == NULL)
		look->found = is_sign(look, flo__split_seen(look->split,
							    look->place));
	return st;
}

static flo_status begin_look(struct look *look, flo_context *context, int fd,
			     struct flo__pointer *root, flo_error *err)
{
	const struct flo__http_args *args = look->args;
	struct flo__pointer *node = NULL;
	flo_status st;

	look->is = flo_value_to_json(args->gone_is);
	if (look->is == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = flo__split_new(fd, args->records, args->records_len, 0, err,
			    &look->split);
	if (st != FLO_OK)
		return st;
	flo__split_heed(look->split, context);
	if (args->records_len != 0)
		return flo__split_watch(look->split, args->gone_at, err,
					&look->place);
	st = flo__pointer_add(root, args->gone_at, strlen(args->gone_at), err,
			      &node);
	look->at = node;
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
	struct flo__pointer root = {0};
	flo_error fault = FLO_ERROR_INIT;
	flo_status st = FLO_OK;

	if (args->gone_at == NULL)
		return FLO_OK;
	st = begin_look(&look, context, fd, &root, err);
	if (st == FLO_OK)
		st = end_look(look_through(&look, &fault), &fault, err);
	if (st == FLO_OK && lseek(fd, 0, SEEK_SET) != 0)
		st = flo_error_sys(err, errno, "rewind a temporary file");
	*ret_gone = look.found;
	flo__split_free(look.split);
	flo__pointer_fini(&root);
	flo_free(look.is);
	return st;
}
