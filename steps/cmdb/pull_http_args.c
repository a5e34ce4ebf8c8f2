/* The argument "http" of cmdb.pull. docs/cmdb.md has what each member means. */
#include "steps/cmdb/pull_http_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "steps/args.h"

#include <stdio.h>
#include <string.h>

#define PAGES_DEFAULT	10000
#define PAGES_MAX	1000000
#define BYTES_DEFAULT	(UINT64_C(4) << 30)
#define TIMEOUT_DEFAULT (60 * FLO__NS_PER_S)
#define RETRIES_DEFAULT 4
#define RETRIES_MAX	100
#define BACKOFF_DEFAULT FLO__NS_PER_S

/* Members of a map, which the caller names: an unknown one is a mistake. */
static flo_status check_members(const flo_value *map, const char *const *known,
				flo_error *err)
{
	if (flo_value_typeof(map) != FLO_VALUE_MAP)
		return flo_error_set(err, FLO_TYPE, "it must be an object");
	for (size_t i = 0; i < flo_value_len(map); i++) {
		const flo_value *key = NULL;
		const char *const *name = known;
		const char *text;

		flo_value_map_at(map, i, &key);
		text = flo_value_typeof(key) == FLO_VALUE_STRING
			       ? flo_value_get_string(key, NULL)
			       : "";
		while (*name != NULL && strcmp(*name, text) != 0)
			name++;
		if (*name == NULL)
			return flo_error_set(err, FLO_INVALID,
					     "it has no member \"%.80s\"",
					     text);
	}
	return FLO_OK;
}

static flo_status read_count(const flo_value *map, const char *name,
			     int64_t min, int64_t max, flo_error *err,
			     uint64_t *ret)
{
	const flo_value *value = flo__args_get(map, name);

	if (value == NULL)
		return FLO_OK;
	if (flo_value_typeof(value) != FLO_VALUE_INT ||
	    flo_value_get_int(value) < min || flo_value_get_int(value) > max)
		return flo_error_set(err, FLO_TYPE,
				     "\"%s\" must be a whole number from %lld "
				     "to %lld",
				     name, (long long)min, (long long)max);
	*ret = (uint64_t)flo_value_get_int(value);
	return FLO_OK;
}

static flo_status read_duration(const flo_value *map, const char *name,
				flo_error *err, uint64_t *ret_ns)
{
	const char *text = NULL;
	flo_status st = flo__args_string(map, name, false, err, &text);

	if (st != FLO_OK || text == NULL)
		return st;
	if (flo__duration_parse(text, strlen(text), ret_ns) != FLO_OK ||
	    *ret_ns == 0)
		return flo_error_set(err, FLO_INVALID,
				     "\"%s\" must be a duration above 0, like "
				     "\"30s\"",
				     name);
	return FLO_OK;
}

static flo_status read_size(const flo_value *map, const char *name,
			    flo_error *err, uint64_t *ret_bytes)
{
	const flo_value *value = flo__args_get(map, name);
	const char *text = NULL;
	flo_status st;

	if (value != NULL && flo_value_typeof(value) == FLO_VALUE_INT)
		return read_count(map, name, 1, INT64_MAX, err, ret_bytes);
	st = flo__args_string(map, name, false, err, &text);
	if (st != FLO_OK || text == NULL)
		return st;
	if (flo__size_parse(text, strlen(text), ret_bytes) != FLO_OK ||
	    *ret_bytes == 0 || *ret_bytes > INT64_MAX)
		return flo_error_set(err, FLO_INVALID,
				     "\"%s\" must be a size above 0, like "
				     "\"512MiB\"",
				     name);
	return FLO_OK;
}

static flo_status check_pointer(const char *name, const char *text,
				flo_error *err)
{
	struct flo__pointer root = {0};
	struct flo__pointer *node = NULL;
	flo_status st = flo__pointer_add(&root, text, strlen(text), err, &node);

	flo__pointer_fini(&root);
	if (st != FLO_OK)
		flo_error_prefix(err, "\"%s\"", name);
	return st;
}

/* A pointer beside the records can only be where "records" leads into. */
static flo_status need_records(const struct flo__pull_job *job,
			       const char *name, flo_error *err)
{
	if (job->records_len != 0)
		return FLO_OK;
	return flo_error_set(err, FLO_INVALID,
			     "\"%s\" is a pointer to beside the records, so "
			     "say with \"records\" where those are",
			     name);
}

/* Pages */

static flo_status read_next(const struct flo__pull_job *job,
			    const flo_value *arg, flo_error *err,
			    struct flo__http_args *args)
{
	const char *next = NULL;
	flo_status st;

	TRY(flo__args_string(arg, "next", false, err, &next));
	if (next == NULL)
		return FLO_OK;
	args->link = strcmp(next, "link") == 0;
	if (args->link)
		return FLO_OK;
	if (next[0] != '/')
		return flo_error_set(err, FLO_INVALID,
				     "\"next\" must be \"link\", or a JSON "
				     "pointer, which begins with a slash: "
				     "\"/next\"; not \"%.80s\"",
				     next);
	args->next = next;
	TRY(need_records(job, "next", err));
	st = check_pointer("next", next, err);
out:
	return st;
}

static flo_status read_cursor(const struct flo__pull_job *job,
			      const flo_value *arg, flo_error *err,
			      struct flo__http_args *args)
{
	static const char *const known[] = {"at", "param", NULL};
	const flo_value *cursor = flo__args_get(arg, "cursor");
	flo_status st;

	if (cursor == NULL)
		return FLO_OK;
	if (args->next != NULL || args->link)
		return flo_error_set(err, FLO_INVALID,
				     "\"next\" and \"cursor\" both say where "
				     "the next page is: give one of them");
	TRY(check_members(cursor, known, err));
	TRY(flo__args_string(cursor, "at", true, err, &args->cursor_at));
	TRY(flo__args_string(cursor, "param", true, err, &args->cursor_param));
	TRY(need_records(job, "cursor", err));
	st = check_pointer("at", args->cursor_at, err);
out:
	if (st != FLO_OK)
		flo_error_prefix(err, "\"cursor\"");
	return st;
}

/* Changes */

static flo_status read_records(const flo_value *changes,
			       const struct flo__pull_job *job, flo_error *err,
			       struct flo__http_args *args)
{
	const flo_value *records = flo__args_get(changes, "records");
	size_t len = 1;

	if (records == NULL) {
		memcpy(args->records, job->records, sizeof(args->records));
		args->records_len = job->records_len;
		return FLO_OK;
	}
	if (flo_value_typeof(records) == FLO_VALUE_LIST)
		len = flo_value_len(records);
	if (len > FLO__PULL_RECORDS_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "\"records\" has more than %d pointers",
				     FLO__PULL_RECORDS_MAX);
	for (size_t i = 0; i < len; i++) {
		const flo_value *item = records;

		if (flo_value_typeof(records) == FLO_VALUE_LIST)
			item = flo_value_list_at(records, i);
		if (flo_value_typeof(item) != FLO_VALUE_STRING)
			return flo_error_set(err, FLO_TYPE,
					     "\"records\" must be a JSON "
					     "pointer, or a list of them");
		args->records[args->records_len++] =
			flo_value_get_string(item, NULL);
	}
	return FLO_OK;
}

static flo_status read_gone(const flo_value *changes, flo_error *err,
			    struct flo__http_args *args)
{
	const flo_value *gone = flo__args_get(changes, "gone_status");
	size_t len = 0;

	args->gone[len++] = 410;
	if (gone == NULL)
		return FLO_OK;
	if (flo_value_typeof(gone) != FLO_VALUE_LIST ||
	    flo_value_len(gone) >= FLO__GONE_STATUSES_MAX)
		return flo_error_set(err, FLO_TYPE,
				     "\"gone_status\" must be a list of less "
				     "than %d statuses",
				     FLO__GONE_STATUSES_MAX);
	for (size_t i = 0; i < flo_value_len(gone); i++) {
		const flo_value *item = flo_value_list_at(gone, i);

		if (flo_value_typeof(item) != FLO_VALUE_INT ||
		    flo_value_get_int(item) < 400 ||
		    flo_value_get_int(item) > 499)
			return flo_error_set(err, FLO_RANGE,
					     "\"gone_status\" has something "
					     "other than statuses from 400 to "
					     "499");
		args->gone[len++] = (int)flo_value_get_int(item);
	}
	return FLO_OK;
}

static flo_status read_gone_when(const flo_value *changes, flo_error *err,
				 struct flo__http_args *args)
{
	static const char *const known[] = {"at", "is", NULL};
	const flo_value *when = flo__args_get(changes, "gone_when");
	flo_status st;

	if (when == NULL)
		return FLO_OK;
	TRY(check_members(when, known, err));
	TRY(flo__args_string(when, "at", true, err, &args->gone_at));
	TRY(check_pointer("at", args->gone_at, err));
	args->gone_is = flo__args_get(when, "is");
	if (args->gone_is == NULL ||
	    flo_value_typeof(args->gone_is) == FLO_VALUE_MAP ||
	    flo_value_typeof(args->gone_is) == FLO_VALUE_LIST)
		st = flo_error_set(err, FLO_TYPE,
				   "\"is\" must be a string, a number or a "
				   "boolean");
out:
	if (st != FLO_OK)
		flo_error_prefix(err, "\"gone_when\"");
	return st;
}

static flo_status read_changes(const struct flo__pull_job *job,
			       const flo_value *arg, flo_error *err,
			       struct flo__http_args *args)
{
	static const char *const known[] = {"url",	   "param",
					    "cursor",	   "cursor_after",
					    "records",	   "gone_when",
					    "gone_status", NULL};
	const flo_value *changes = flo__args_get(arg, "changes");
	flo_status st;

	if (changes == NULL)
		return FLO_OK;
	args->changes = true;
	TRY(check_members(changes, known, err));
	TRY(flo__args_string(changes, "cursor", true, err, &args->cursor_full));
	TRY(check_pointer("cursor", args->cursor_full, err));
	args->cursor_after = args->cursor_full;
	TRY(flo__args_string(changes, "cursor_after", false, err,
			     &args->cursor_after));
	TRY(check_pointer("cursor_after", args->cursor_after, err));
	TRY(flo__args_string(changes, "url", false, err, &args->changes_url));
	TRY(flo__args_string(changes, "param", false, err,
			     &args->changes_param));
	if (args->changes_url != NULL && args->changes_param == NULL)
		st = flo_error_set(err, FLO_INVALID,
				   "\"url\" needs a \"param\", the query "
				   "parameter that the cursor is sent as; "
				   "without both the cursor is the URL");
	if (st == FLO_OK)
		st = read_records(changes, job, err, args);
	if (st == FLO_OK)
		st = read_gone(changes, err, args);
	if (st == FLO_OK)
		st = read_gone_when(changes, err, args);
out:
	if (st != FLO_OK)
		flo_error_prefix(err, "\"changes\"");
	return st;
}

/* Whether an answer that nothing has changed would be of all there is. */
static flo_status read_conditional(const flo_value *arg, flo_error *err,
				   struct flo__http_args *args)
{
	bool pages =
		args->next != NULL || args->link || args->cursor_at != NULL;
	flo_status st;

	args->conditional = !pages && !args->changes;
	st = flo__args_bool(arg, "conditional", err, &args->conditional);
	if (st == FLO_OK && args->conditional && (pages || args->changes))
		return flo_error_set(err, FLO_INVALID,
				     "\"conditional\" goes with neither "
				     "\"next\", \"cursor\" nor \"changes\": "
				     "that the first page is as it was says "
				     "nothing about the others");
	return st;
}

static flo_status read_headers(const flo_value *arg, flo_error *err,
			       struct flo__http_args *args)
{
	const flo_value *headers = flo__args_get(arg, "headers");

	if (headers == NULL)
		return FLO_OK;
	if (flo_value_typeof(headers) != FLO_VALUE_MAP)
		return flo_error_set(err, FLO_TYPE,
				     "\"headers\" must be an object of "
				     "strings");
	args->headers = headers;
	return FLO_OK;
}

static flo_status read_limits(const flo_value *arg, flo_error *err,
			      struct flo__http_args *args)
{
	flo_status st;

	args->max_pages = PAGES_DEFAULT;
	args->max_bytes = BYTES_DEFAULT;
	args->timeout_ns = TIMEOUT_DEFAULT;
	args->retries = RETRIES_DEFAULT;
	args->backoff_ns = BACKOFF_DEFAULT;
	TRY(read_count(arg, "max_pages", 1, PAGES_MAX, err, &args->max_pages));
	TRY(read_size(arg, "max_bytes", err, &args->max_bytes));
	TRY(read_duration(arg, "timeout", err, &args->timeout_ns));
	TRY(read_count(arg, "retries", 0, RETRIES_MAX, err, &args->retries));
	TRY(read_duration(arg, "backoff", err, &args->backoff_ns));
	st = flo__args_string(arg, "ca_file", false, err, &args->ca_file);
out:
	return st;
}

flo_status flo__http_args_read(const struct flo__pull_job *job,
			       const flo_value *arg, flo_error *err,
			       struct flo__http_args *ret_args)
{
	static const char *const known[] = {
		"url",	     "headers",	    "next",    "cursor",  "max_pages",
		"max_bytes", "timeout",	    "retries", "backoff", "ca_file",
		"changes",   "conditional", NULL};
	struct flo__http_args args = {0};
	flo_status st;

	TRY(check_members(arg, known, err));
	TRY(flo__args_string(arg, "url", true, err, &args.url));
	TRY(read_headers(arg, err, &args));
	TRY(read_next(job, arg, err, &args));
	TRY(read_cursor(job, arg, err, &args));
	TRY(read_changes(job, arg, err, &args));
	TRY(read_conditional(arg, err, &args));
	TRY(read_limits(arg, err, &args));
	*ret_args = args;
out:
	return st;
}

/* The question */

/* Append a member of @map as JSON; a failure stays in @sb. */
static void add_member(struct flo__strbuf *sb, const flo_value *map,
		       const char *name)
{
	const flo_value *value = flo__args_get(map, name);
	char *json = value != NULL ? flo_value_to_json(value) : NULL;

	flo__strbuf_addf(sb, "%s=%s\n", name, json != NULL ? json : "");
	if (value != NULL && json == NULL)
		sb->failed = true;
	flo_free(json);
}

static void add_header_names(struct flo__strbuf *sb, const flo_value *headers)
{
	for (size_t i = 0; headers != NULL && i < flo_value_len(headers); i++) {
		const flo_value *key = NULL;

		flo_value_map_at(headers, i, &key);
		if (flo_value_typeof(key) == FLO_VALUE_STRING)
			flo__strbuf_addf(sb, "header=%s\n",
					 flo_value_get_string(key, NULL));
	}
}

char *flo__http_args_origin(const struct flo__pull_job *job,
			    const struct flo__http_args *args)
{
	static const char *const of_pull[] = {"records", "map", "where",
					      "gone"};
	static const char *const of_http[] = {"url", "next", "cursor",
					      "changes"};
	const flo_value *http = flo__args_get(job->with, "http");
	char text[FLO__DIGEST_TEXT_SIZE];
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct flo__digest digest;
	char *origin = NULL;

	for (size_t i = 0; i < sizeof(of_pull) / sizeof(of_pull[0]); i++)
		add_member(&sb, job->with, of_pull[i]);
	for (size_t i = 0; i < sizeof(of_http) / sizeof(of_http[0]); i++)
		add_member(&sb, http, of_http[i]);
	add_header_names(&sb, args->headers);
	digest = flo__digest_of(sb.data, sb.len);
	flo__digest_text(&digest, text);
	if (!sb.failed) {
		flo__strbuf_reset(&sb);
		flo__strbuf_addf(&sb, "http %s", text);
		origin = flo__strbuf_take(&sb);
	}
	flo__strbuf_fini(&sb);
	return origin;
}
