#include "steps/cmdb/pull_changes.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/args.h"

#include <string.h>

/* Far from what shells, curl and sysexits.h use; 410 does not fit. */
#define GONE_EXIT 110

const flo_step_param flo__changes_params[FLO__CHANGES_PARAMS] = {
	{.name = "cursor",
	 .types = FLO_TYPES(STRING),
	 .required = true,
	 .description = "Where the document says from where on changes are to "
			"be asked for: a JSON pointer.",
	 .format = FLO_FORMAT_POINTER,
	 .min_len = 1},
	{.name = "gone_exit",
	 .types = FLO_TYPES(INT),
	 .description = "The exit code that says that the cursor is too old.",
	 .has_min = true,
	 .min = 1,
	 .has_max = true,
	 .max = 255},
};

/* Before the program has run in vain. */
static flo_status check_pointer(const char *text, flo_error *err)
{
	struct flo__pointer root = {.parent = NULL};
	struct flo__pointer *node = NULL;
	flo_status st;

	st = flo__pointer_add(&root, text, strlen(text), err, &node);
	flo__pointer_fini(&root);
	if (st != FLO_OK)
		flo_error_prefix(err, "\"changes\": \"cursor\"");
	return st;
}

static flo_status read_members(const flo_value *arg,
			       struct flo__changes *changes, flo_error *err)
{
	const flo_value *code;
	flo_status st;

	if (flo_value_typeof(arg) != FLO_VALUE_MAP)
		return flo_error_set(err, FLO_TYPE,
				     "\"changes\" must be an object, like "
				     "{\"cursor\": \"/cursor\"}");
	TRY(flo__args_string(arg, "cursor", true, err, &changes->cursor_at));
	TRY(check_pointer(changes->cursor_at, err));
	code = flo__args_get(arg, "gone_exit");
	changes->gone_exit = GONE_EXIT;
	if (code == NULL)
		return FLO_OK;
	if (flo_value_typeof(code) != FLO_VALUE_INT ||
	    flo_value_get_int(code) < 1 || flo_value_get_int(code) > 255)
		return flo_error_set(err, FLO_RANGE,
				     "\"gone_exit\" must be an exit code from "
				     "1 to 255");
	changes->gone_exit = flo_value_get_int(code);
out:
	return st;
}

/*
 * What the program is asked: another one, other arguments or another reading of
 * what it says make another cursor. A digest, as arguments may be secret.
 */
static flo_status make_origin(const struct flo__pull_job *job,
			      struct flo__changes *changes, flo_error *err)
{
	static const char *const names[] = {"command", "records", "map",
					    "where",   "gone",	  "changes"};
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char text[FLO__DIGEST_TEXT_SIZE];
	struct flo__digest digest;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const flo_value *value = flo__args_get(job->with, names[i]);
		char *json = value != NULL ? flo_value_to_json(value) : NULL;

		sb.failed |= value != NULL && json == NULL;
		flo__strbuf_addf(&sb, "%s %s\n", names[i],
				 json != NULL ? json : "");
		flo_free(json);
	}
	digest = flo__digest_of(sb.data, sb.len);
	flo__digest_text(&digest, text);
	flo__strbuf_reset(&sb);
	flo__strbuf_addf(&sb, "command %s", text);
	changes->origin = sb.failed ? NULL : flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	return changes->origin != NULL
		       ? FLO_OK
		       : flo_error_set(err, FLO_NOMEM, "out of memory");
}

struct look {
	const struct flo__pull_job *job;
	struct flo__changes *changes;
};

static flo_status look(struct flo__cdb *db, void *arg, flo_error *err)
{
	struct look *look = arg;

	return flo__since_read(db, look->job->source, look->changes->origin,
			       err, &look->changes->since);
}

flo_status flo__changes_open(struct flo__pull_job *job,
			     struct flo__changes *changes, flo_error *err)
{
	const flo_value *arg = flo__args_get(job->with, "changes");
	struct look at = {.job = job, .changes = changes};
	flo_status st;

	if (arg == NULL)
		return FLO_OK;
	TRY(read_members(arg, changes, err));
	TRY(make_origin(job, changes, err));
	st = flo__cmdb_with_db(job->call, job->with, look, &at, err);
out:
	return st;
}

void flo__changes_fini(struct flo__changes *changes)
{
	flo__since_fini(&changes->since);
	flo__free(changes->origin);
	flo__free(changes->variable);
	*changes = (struct flo__changes){.cursor_at = NULL};
}

flo_status flo__changes_env(struct flo__changes *changes, bool all,
			    flo_error *err)
{
	const char *cursor = all ? NULL : changes->since.cursor;
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_addf(&sb, FLO__CHANGES_VARIABLE "=%s",
			 cursor != NULL ? cursor : "");
	flo__free(changes->variable);
	changes->variable = flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	changes->env[0] = changes->variable;
	changes->is = cursor != NULL ? FLO__PULL_CHANGES : FLO__PULL_FULL;
	return changes->variable != NULL
		       ? FLO_OK
		       : flo_error_set(err, FLO_NOMEM, "out of memory");
}

bool flo__changes_gone(const struct flo__changes *changes, flo_status st,
		       int code)
{
	return st == FLO_EXIT && changes->is == FLO__PULL_CHANGES &&
	       code == changes->gone_exit;
}

/* The cursor that @json, a scalar, is. An empty one is none. */
static flo_status take_cursor(const struct flo__changes *changes,
			      const char *json, flo_error *err,
			      char **ret_cursor)
{
	char *cursor = NULL;
	flo_status st;

	if (json == NULL)
		return FLO_OK;
	st = flo__pull_scalar(json, changes->cursor_at, err, &cursor);
	if (st == FLO_OK && cursor[0] != '\0')
		*ret_cursor = cursor;
	else
		flo__free(cursor);
	return st;
}

flo_status flo__changes_split(const struct flo__changes *changes,
			      struct flo__pull_job *job, int fd,
			      struct flo__stage *stage, flo_error *err)
{
	struct flo__pull_watch watch = {.pointers = {changes->cursor_at},
					.len = 1};
	char *cursor = NULL;
	flo_status st;

	if (changes->cursor_at == NULL)
		return flo__pull_split(job, fd, stage, err);
	TRY(flo__stage_ask(stage, changes->is, changes->origin, &changes->since,
			   err));
	TRY(flo__pull_split_watch(job, fd, stage, &watch, err));
	TRY(take_cursor(changes, watch.seen[0], err, &cursor));
	st = flo__stage_answer(stage, cursor, NULL, NULL, err);
out:
	flo__free(cursor);
	flo__free(watch.seen[0]);
	return st;
}
