/*
 * cmdb.pull, `http`: documents that a server gives, one page after the other.
 *
 * Note: what a pull is of.
 *
 * The database knows what the last applied pull that asked the same question
 * has left (since.h): a cursor of changes, or validators of its one page. With
 * a cursor the changes are asked for; a server that says the cursor is too old
 * (410 Gone) is asked for everything, in the same pull. With validators an
 * answer 304 makes a pull that is the same. Everything else is a pull of
 * everything. So what is known of the kind comes with the first answer, before
 * any record is added.
 *
 * Each page is fetched whole into one file without a name, then read. No
 * transaction is open while the network is waited for: read() is called in the
 * database's blocking region, and leaves it for as long as a fetch takes, as
 * that may park.
 */
#include "steps/cmdb/pull_http_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "steps/args.h"
#include "steps/http/url.h"

#include <flo/runtime.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_NS (10 * FLO__NS_PER_S)

struct source {
	struct flo__pull_job *job; /* borrowed */
	struct flo__http_args args;
	struct flo__http *http;
	char *url;     /* `url`, resolved; owned, like the next ones */
	char *from;    /* what errors call it */
	char *ca_file; /* or NULL */
	char *origin;
	int fd; /* a page at a time; owned */
};

/* A pull that is being read. */
struct reading {
	struct source *source;
	struct flo__stage *stage;
	struct flo__since since;
	enum flo__pull_is is;
	char *base;   /* the URL that cursors are added to; owned */
	char *url;    /* the page that is next; owned; NULL: none */
	char *cursor; /* to go on from the next time; owned; or NULL */
	struct flo__trail trail;
	struct flo__http_response answer; /* of the page that was fetched */
	char *etag;			  /* of the first; owned */
	char *modified;			  /* the same */
};

/* Open */

static void say(void *arg, const char *text)
{
	struct source *source = arg;

	flo_step_log(source->job->call, "%s", text);
}

static uint64_t seed_of(const flo_step_call *call)
{
	const char *key = flo_step_idempotency_key(call);
	struct flo__digest digest = flo__digest_of(key, strlen(key));
	uint64_t seed;

	memcpy(&seed, digest.byte, sizeof(seed));
	return seed;
}

static flo_status find_ca_file(struct source *source, flo_error *err)
{
	flo_status st = FLO_OK;

	if (source->args.ca_file == NULL)
		return FLO_OK;
	source->ca_file =
		flo__args_path(source->job->call, source->args.ca_file);
	if (source->ca_file == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo_blocking_begin();
	if (access(source->ca_file, R_OK) != 0)
		st = flo_error_sys(err, errno, "\"ca_file\": read %s",
				   source->ca_file);
	flo_blocking_end();
	return st;
}

static flo_status open_client(struct source *source, flo_error *err)
{
	const struct flo__http_args *args = &source->args;
	struct flo__http_options options = {
		.context = flo_step_context(source->job->call),
		.connect_timeout_ns = args->timeout_ns < CONNECT_TIMEOUT_NS
					      ? args->timeout_ns
					      : CONNECT_TIMEOUT_NS,
		.idle_timeout_ns = args->timeout_ns,
		.backoff_ns = args->backoff_ns,
		.retries = (unsigned)args->retries,
		.bytes_max = args->max_bytes,
		.seed = seed_of(source->job->call),
		.say = say,
		.say_arg = source,
	};
	flo_status st = find_ca_file(source, err);

	if (st != FLO_OK)
		return st;
	options.ca_file = source->ca_file;
	return flo__http_open(&options, err, &source->http);
}

static flo_status add_headers(struct source *source, flo_error *err)
{
	const flo_value *headers = source->args.headers;
	flo_status st = FLO_OK;

	for (size_t i = 0;
	     st == FLO_OK && headers != NULL && i < flo_value_len(headers);
	     i++) {
		const flo_value *key = NULL;
		const flo_value *value = flo_value_map_at(headers, i, &key);
		const char *name = flo_value_get_string(key, NULL);

		if (flo_value_typeof(value) != FLO_VALUE_STRING ||
		    strlen(flo_value_get_string(value, NULL)) !=
			    flo_value_len(value))
			return flo_error_set(err, FLO_TYPE,
					     "the header \"%.80s\" is no "
					     "string, or has a NUL byte in it",
					     name);
		st = flo__http_header(source->http, name,
				      flo_value_get_string(value, NULL), err);
	}
	return st;
}

/* What errors call the source: @url, the first page's. */
static flo_status name_source(struct source *source, const char *url,
			      flo_error *err)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	char *from;

	flo__url_show(&sb, url);
	from = flo__strbuf_take(&sb);
	flo__strbuf_fini(&sb);
	if (from == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__free(source->from);
	source->from = from;
	source->job->from = from;
	return FLO_OK;
}

static flo_status prepare(struct source *source, const flo_value *arg,
			  flo_error *err)
{
	flo_status st;

	TRY(flo__http_args_read(source->job, arg, err, &source->args));
	TRY(open_client(source, err));
	TRY(flo__http_resolve(source->http, NULL, source->args.url, err,
			      &source->url));
	TRY(flo__http_server(source->http, source->url, err));
	TRY(add_headers(source, err));
	TRY(name_source(source, source->url, err));
	source->origin = flo__http_args_origin(source->job, &source->args);
	if (source->origin == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = flo__pull_spool(source->job, err, &source->fd);
out:
	return st;
}

static flo_status open_source(struct flo__pull_job *job, const flo_value *arg,
			      flo_error *err, void **ret_state)
{
	struct source *source = flo__calloc(1, sizeof(*source));
	flo_status st;

	if (source == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	source->job = job;
	source->fd = -1;
	*ret_state = source;
	st = prepare(source, arg, err);
	if (st != FLO_OK && job->from == NULL)
		flo_error_prefix(err, "\"http\"");
	return st;
}

static void close_source(void *state)
{
	struct source *source = state;

	if (source == NULL)
		return;
	flo__http_close(source->http);
	if (source->fd >= 0)
		close(source->fd);
	flo__free(source->url);
	flo__free(source->from);
	flo__free(source->ca_file);
	flo__free(source->origin);
	flo__free(source);
}

/* Read */

/* The first page's URL is named by the pull's. */
static void name_url(const struct reading *r, flo_error *err)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__url_show(&sb, r->url);
	flo_error_prefix(err, "page %zu, %s", r->trail.len, sb.data);
	flo__strbuf_fini(&sb);
}

/* Fetch the next page, outside of the database's region. */
static flo_status fetch(struct reading *r, const int *answers, flo_error *err)
{
	struct flo__http_request request = {
		.url = r->url,
		.fd = r->source->fd,
		.answers = answers,
		.link = r->source->args.link,
	};
	flo_status st;

	if (r->source->args.conditional && r->is == FLO__PULL_FULL) {
		request.etag = r->since.etag;
		request.modified = r->since.modified;
	}
	flo__http_response_fini(&r->answer);
	st = flo__trail_add(&r->trail, r->url, r->source->args.max_pages, err);
	if (st != FLO_OK) {
		flo_error_prefix(err, "after page %zu", r->trail.len);
		return st;
	}
	flo_blocking_end();
	st = flo__http_fetch(r->source->http, &request, err, &r->answer);
	flo_blocking_begin();
	if (st != FLO_OK && r->trail.len > 1)
		name_url(r, err);
	return st;
}

/* r->url of what somebody else has written, and which errors call @name. */
static flo_status resolve(struct reading *r, const char *name, const char *base,
			  const char *text, flo_error *err)
{
	flo_status st =
		flo__http_resolve(r->source->http, base, text, err, &r->url);

	if (st != FLO_OK)
		flo_error_prefix(err, "%s", name);
	return st;
}

/* The URL of the first changes since the cursor. */
static flo_status changes_url(struct reading *r, flo_error *err)
{
	const struct flo__http_args *args = &r->source->args;
	struct flo__http *http = r->source->http;
	char *base = NULL;
	flo_status st;

	if (args->changes_param == NULL)
		return resolve(r, "the URL that the cursor is", r->source->url,
			       r->since.cursor, err);
	st = flo__http_resolve(http, r->source->url,
			       args->changes_url != NULL ? args->changes_url
							 : r->source->url,
			       err, &base);
	if (st == FLO_OK)
		st = flo__http_with(http, base, args->changes_param,
				    r->since.cursor, err, &r->url);
	flo__free(base);
	return st;
}

static flo_status set_base(struct reading *r, flo_error *err)
{
	r->base = flo__strdup(r->url);
	if (r->base == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

static bool is_gone(const struct reading *r)
{
	for (const int *gone = r->source->args.gone; *gone != 0; gone++)
		if (*gone == r->answer.status)
			return true;
	return false;
}

/* Whether the page that was fetched says in its body what 410 says. */
static flo_status says_gone(const struct reading *r, flo_error *err,
			    bool *ret_gone)
{
	return flo__http_says_gone(&r->source->args,
				   flo_step_context(r->source->job->call),
				   r->source->fd, err, ret_gone);
}

/* Ask for what has changed. *@ret_gone: the cursor is of no use any more. */
static flo_status ask_changes(struct reading *r, flo_error *err, bool *ret_gone)
{
	flo_status st;

	r->is = FLO__PULL_CHANGES;
	TRY(changes_url(r, err));
	TRY(name_source(r->source, r->url, err));
	TRY(set_base(r, err));
	TRY(fetch(r, r->source->args.gone, err));
	*ret_gone = is_gone(r);
	if (!*ret_gone)
		TRY(says_gone(r, err, ret_gone));
	if (!*ret_gone)
		return FLO_OK;
	flo_step_log(r->source->job->call,
		     "the server does not know any more what has changed since "
		     "the last pull, so everything is pulled");
	flo__free(r->url);
	flo__free(r->base);
	r->url = r->base = NULL;
	flo__trail_fini(&r->trail);
out:
	return st;
}

static flo_status ask_all(struct reading *r, flo_error *err)
{
	flo_status st;

	r->is = FLO__PULL_FULL;
	r->url = flo__strdup(r->source->url);
	if (r->url == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	TRY(name_source(r->source, r->url, err));
	TRY(set_base(r, err));
	TRY(fetch(r, NULL, err));
	if (r->answer.status == 304)
		r->is = FLO__PULL_SAME;
out:
	return st;
}

/* The first page, and with it what the pull is of. */
static flo_status ask(struct reading *r, flo_error *err)
{
	struct source *source = r->source;
	bool gone = true;
	flo_status st;

	TRY(flo__since_read(source->job->cdb, source->job->source,
			    source->origin, err, &r->since));
	if (source->args.changes && r->since.cursor != NULL)
		TRY(ask_changes(r, err, &gone));
	if (gone)
		TRY(ask_all(r, err));
	if (source->args.conditional) {
		r->etag = r->answer.etag;
		r->modified = r->answer.modified;
		r->answer.etag = r->answer.modified = NULL;
	}
	st = flo__stage_ask(r->stage, r->is, source->origin, &r->since, err);
out:
	return st;
}

/* Which page is after this one: r->url, or NULL. @seen: what is at `next`. */
static flo_status find_next(struct reading *r, const char *seen, flo_error *err)
{
	const struct flo__http_args *args = &r->source->args;
	struct flo__http *http = r->source->http;
	char *text = NULL;
	flo_status st = FLO_OK;

	flo__free(r->url);
	r->url = NULL;
	if (args->link) {
		if (r->answer.next == NULL)
			return FLO_OK;
		return resolve(r, "the next page's URL", r->answer.url,
			       r->answer.next, err);
	}
	if (seen == NULL)
		return FLO_OK;
	st = flo__pull_scalar(seen,
			      args->next != NULL ? args->next : args->cursor_at,
			      err, &text);
	if (st == FLO_OK && text[0] != '\0')
		st = args->next != NULL
			     ? resolve(r, "the next page's URL", r->answer.url,
				       text, err)
			     : flo__http_with(http, r->base, args->cursor_param,
					      text, err, &r->url);
	flo__free(text);
	return st;
}

static flo_status take_cursor(struct reading *r, const char *seen,
			      const char *pointer, flo_error *err)
{
	char *text = NULL;
	flo_status st;

	if (seen == NULL)
		return FLO_OK;
	st = flo__pull_scalar(seen, pointer, err, &text);
	if (st != FLO_OK || text[0] == '\0') {
		flo__free(text);
		return st;
	}
	flo__free(r->cursor);
	r->cursor = text;
	return FLO_OK;
}

/* What is looked for beside the records: the next page first, if at all. */
static void set_watch(const struct reading *r, struct flo__pull_watch *watch)
{
	const struct flo__http_args *args = &r->source->args;

	if (args->next != NULL || args->cursor_at != NULL)
		watch->pointers[watch->len++] =
			args->next != NULL ? args->next : args->cursor_at;
	if (args->changes)
		watch->pointers[watch->len++] = r->is == FLO__PULL_CHANGES
							? args->cursor_after
							: args->cursor_full;
}

/* Bytes of a Content-Type that an error quotes. */
#define TYPE_SHOWN 80

static void name_page(const struct reading *r, flo_error *err)
{
	const flo_context *context = flo_step_context(r->source->job->call);
	const char *type = r->answer.type;
	struct flo__strbuf shown = FLO__STRBUF_INIT;

	if (r->source->job->of_record)
		return;
	if (type != NULL && strstr(type, "json") == NULL)
		flo__mask_excerpt(flo__args_mask(context), type, strlen(type),
				  0, TYPE_SHOWN, &shown);
	if (shown.len != 0 && !shown.failed)
		flo_error_prefix(err, "page %zu, of type \"%s\"", r->trail.len,
				 shown.data);
	else if (r->trail.len > 1)
		flo_error_prefix(err, "page %zu", r->trail.len);
	flo__strbuf_fini(&shown);
}

/* Of lines nobody can tell that the last ones are missing. */
static flo_status check_whole(const struct reading *r,
			      const struct flo__pull_watch *watch,
			      flo_error *err)
{
	if (r->answer.framed || !watch->lines)
		return FLO_OK;
	return flo_error_set(err, FLO_FAILED,
			     "the answer does not say how long it is (it has "
			     "no Content-Length and no chunks), so nobody "
			     "would notice if its last lines were missing; "
			     "lines are read from servers that say it, or an "
			     "array from any");
}

/* Add the records of the page that was fetched, and find what follows. */
static flo_status read_page(struct reading *r, flo_error *err)
{
	const struct flo__http_args *args = &r->source->args;
	struct flo__pull_watch watch = {.len = 0};
	bool paged = args->next != NULL || args->cursor_at != NULL;
	flo_status st;

	set_watch(r, &watch);
	if (paged || args->link)
		r->source->job->page = (uint32_t)r->trail.len;
	TRY(flo__pull_split_watch(r->source->job, r->source->fd, r->stage,
				  &watch, err));
	TRY(check_whole(r, &watch, err));
	if (args->changes)
		TRY(take_cursor(r, watch.seen[watch.len - 1],
				watch.pointers[watch.len - 1], err));
	st = find_next(r, paged ? watch.seen[0] : NULL, err);
out:
	for (size_t i = 0; i < watch.len; i++)
		flo__free(watch.seen[i]);
	if (st != FLO_OK)
		name_page(r, err);
	return st;
}

/* Changes have their records where `changes` says. */
static void use_records_of_changes(struct reading *r)
{
	struct flo__pull_job *job = r->source->job;

	memcpy(job->records, r->source->args.records, sizeof(job->records));
	job->records_len = r->source->args.records_len;
}

/*
 * A page that is not the first: what came before it was added already, so that
 * a cursor that is of no use any more fails the pull, as a status 410 does.
 */
static flo_status fetch_more(struct reading *r, flo_error *err)
{
	bool gone = false;
	flo_status st;

	TRY(fetch(r, NULL, err));
	if (r->is != FLO__PULL_CHANGES)
		return FLO_OK;
	TRY(says_gone(r, err, &gone));
	if (!gone)
		return FLO_OK;
	st = flo_error_set(err, FLO_FAILED,
			   "the answer says by \"%s\" that the server does not "
			   "know the cursor any more",
			   r->source->args.gone_at);
	name_url(r, err);
out:
	return st;
}

static flo_status read_pages(struct reading *r, flo_error *err)
{
	flo_status st;

	if (r->is == FLO__PULL_CHANGES)
		use_records_of_changes(r);
	for (;;) {
		TRY(read_page(r, err));
		if (r->url == NULL)
			break;
		TRY(fetch_more(r, err));
	}
out:
	return st;
}

static void reading_fini(struct reading *r)
{
	flo__since_fini(&r->since);
	flo__trail_fini(&r->trail);
	flo__http_response_fini(&r->answer);
	flo__free(r->base);
	flo__free(r->url);
	flo__free(r->cursor);
	flo__free(r->etag);
	flo__free(r->modified);
}

static flo_status read_source(struct flo__pull_job *job, void *state,
			      struct flo__stage *stage, flo_error *err)
{
	struct reading r = {.source = state, .stage = stage};
	flo_status st;

	TRY(ask(&r, err));
	if (r.is == FLO__PULL_SAME) {
		flo_step_log(job->call, "nothing has changed since the pull "
					"that was applied last");
		goto out;
	}
	TRY(read_pages(&r, err));
	st = flo__stage_answer(stage, r.cursor, r.etag, r.modified, err);
out:
	reading_fini(&r);
	return st;
}

const struct flo__pull_kind flo__pull_http = {
	.name = "http",
	.open = open_source,
	.read = read_source,
	.close = close_source,
};
