/* A request until it is answered: redirects, and tries one after the other. */
#include "steps/http/http_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "base/time.h"
#include "base/utf8.h"
#include "steps/args.h"
#include "steps/http/link.h"
#include "steps/http/url.h"

#include <flo/runtime.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Bytes of what a server says of an error that people see. */
#define SAID_MAX 200

/* One try, with its redirects. */
struct round {
	struct flo__http *http;
	const struct flo__http_request *request;
	char *url;    /* where it is now; owned */
	bool trusted; /* once headers are held back they stay so */
	bool moved;   /* by a redirect */
	enum flo__http_end end;
	bool asked; /* the server says when to come again */
	uint64_t wait_s;
};

/* What statuses say, for those people meet. */
static const char *reason(long status)
{
	static const struct {
		int status;
		const char *text;
	} known[] = {
		{201, " Created"},
		{202, " Accepted"},
		{204, " No Content"},
		{205, " Reset Content"},
		{206, " Partial Content"},
		{304, " Not Modified, though that was not asked"},
		{400, " Bad Request"},
		{401, " Unauthorized"},
		{403, " Forbidden"},
		{404, " Not Found"},
		{405, " Method Not Allowed"},
		{406, " Not Acceptable"},
		{407, " Proxy Authentication Required"},
		{408, " Request Timeout"},
		{410, " Gone"},
		{412, " Precondition Failed"},
		{414, " URI Too Long"},
		{425, " Too Early"},
		{429, " Too Many Requests"},
		{431, " Request Header Fields Too Large"},
		{451, " Unavailable For Legal Reasons"},
		{500, " Internal Server Error"},
		{501, " Not Implemented"},
		{502, " Bad Gateway"},
		{503, " Service Unavailable"},
		{504, " Gateway Timeout"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].status == status)
			return known[i].text;
	return "";
}

static bool status_passes(long status)
{
	return status == 408 || status == 425 || status == 429 ||
	       status == 500 || status == 502 || status == 503 || status == 504;
}

static bool is_redirect(long status)
{
	return status == 301 || status == 302 || status == 303 ||
	       status == 307 || status == 308;
}

static int64_t read_date(const char *text)
{
	const struct flo__curl *curl = NULL;

	if (flo__curl_get(NULL, &curl) != FLO_OK)
		return -1;
	return (int64_t)curl->getdate(text, NULL);
}

/* @text on one line, of what can be printed. */
static void tidy(char *text)
{
	char *to = text;

	flo__utf8_tidy(text);
	for (const char *at = text; *at != '\0'; at++) {
		unsigned char c = (unsigned char)*at;

		if (c > ' ' && c != 0x7f)
			*to++ = *at;
		else if (to != text && to[-1] != ' ')
			*to++ = ' ';
	}
	*to = '\0';
}

/* What the server says of it, which is often all there is to go by. Secrets that
 * it repeats are hidden before anything is made of it. */
static void say_body(const struct flo__http *http,
		     const struct flo__http_try *one)
{
	const struct flo__mask *mask = flo__args_mask(http->options.context);
	struct flo__strbuf text = FLO__STRBUF_INIT;
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	if (http->options.say == NULL || one->said.len == 0 || one->said.failed)
		return;
	flo__mask_excerpt(mask, one->said.data, one->said.len, 0, SAID_MAX,
			  &text);
	if (!text.failed)
		tidy(text.data);
	flo__strbuf_addf(&sb, "the answer %ld says: %s%s", one->status,
			 text.data, one->body.raw > SAID_MAX ? "..." : "");
	if (!text.failed && !sb.failed && text.data[0] != '\0')
		http->options.say(http->options.say_arg, sb.data);
	flo__strbuf_fini(&sb);
	flo__strbuf_fini(&text);
}

static flo_status refuse_status(struct round *round,
				const struct flo__http_try *one, flo_error *err)
{
	long status = one->status;
	const char *hint = "";

	say_body(round->http, one);
	round->end = status_passes(status) ? FLO__HTTP_PASSES : FLO__HTTP_FINAL;
	if ((status == 429 || status == 503) && one->fields.retry_after != NULL)
		round->asked =
			flo__http_retry_after(one->fields.retry_after,
					      flo__time_now_us() / 1000000,
					      read_date, &round->wait_s);
	if ((status == 401 || status == 403) && !round->trusted &&
	    round->http->headers != NULL)
		hint = "; \"headers\" are not sent to this server, as it is "
		       "not the one that \"url\" names";
	if (status >= 200 && status <= 299)
		hint = "; a document comes with 200";
	return flo_error_set(err, FLO_FAILED, "the answer is %ld%s%s", status,
			     reason(status), hint);
}

/*
 * Whether Last-Modified tells versions apart (RFC 9110, 8.8.2.2): what changes
 * again within the second in which it was sent keeps the same date.
 */
static bool is_strong(const struct flo__http_fields *fields)
{
	int64_t modified, date;

	if (fields->modified == NULL || fields->date == NULL)
		return false;
	modified = read_date(fields->modified);
	date = read_date(fields->date);
	return modified >= 0 && date > modified;
}

static void keep_validators(struct flo__http_fields *fields,
			    struct flo__http_response *ret)
{
	ret->etag = fields->etag;
	fields->etag = NULL;
	if (is_strong(fields)) {
		ret->modified = fields->modified;
		fields->modified = NULL;
	}
}

/* Which page is next; a Link that says nothing is not one that is not there. */
static flo_status find_next(const struct round *round,
			    const struct flo__http_try *one, flo_error *err,
			    char **ret_next)
{
	const struct flo__http_fields *fields = &one->fields;
	flo_status st = FLO_OK;

	if (!round->request->link || !flo__http_is_document(one->status))
		return FLO_OK;
	if (fields->link_lost != NULL)
		st = flo_error_set(err, FLO_CORRUPT, "%s", fields->link_lost);
	else if (fields->link != NULL)
		st = flo__http_link_next(fields->link, err, ret_next);
	if (st != FLO_OK)
		flo_error_prefix(err, "the field Link of the answer, which "
				      "would name the next page, cannot be "
				      "read");
	return st;
}

/* The answer is one: keep what there is to know of it. */
static flo_status keep(struct round *round, struct flo__http_try *one,
		       flo_error *err, struct flo__http_response *ret)
{
	struct flo__http_fields *fields = &one->fields;
	flo_status st = find_next(round, one, err, &ret->next);

	if (st != FLO_OK)
		return st;
	ret->status = (int)one->status;
	ret->bytes = one->body.bytes;
	ret->framed = flo__http_fields_framed(fields);
	ret->url = round->url;
	ret->type = fields->type;
	round->url = NULL;
	fields->type = NULL;
	if (!round->moved)
		keep_validators(fields, ret);
	return FLO_OK;
}

static flo_status follow(struct round *round, const struct flo__http_try *one,
			 flo_error *err)
{
	struct flo__http *http = round->http;
	char *url = NULL;
	flo_status st;

	round->end = FLO__HTTP_FINAL;
	if (one->location == NULL)
		return flo_error_set(err, FLO_FAILED,
				     "the answer is %ld, a redirect to nowhere",
				     one->status);
	st = flo__http_resolve(http, round->url, one->location, err, &url);
	if (st != FLO_OK) {
		flo_error_prefix(err,
				 "the answer is %ld, a redirect that is "
				 "not followed",
				 one->status);
		return st == FLO_NOMEM ? st : FLO_FAILED;
	}
	round->trusted = round->trusted &&
			 flo__url_same_origin(http->curl, http->server, url);
	flo__free(round->url);
	round->url = url;
	round->moved = true;
	return FLO_OK;
}

/* Ask once. *@ret_more: it was a redirect, and the next URL is in @round. */
static flo_status ask(struct round *round, flo_error *err,
		      struct flo__http_response *ret, bool *ret_more)
{
	struct flo__http_try one = {
		.http = round->http,
		.request = round->request,
		.url = round->url,
		.trusted = round->trusted,
		.moved = round->moved,
		.said = FLO__STRBUF_INIT,
	};
	flo_status st;

	*ret_more = false;
	flo_blocking_begin();
	st = flo__http_transfer(&one, err, &round->end);
	flo_blocking_end();
	if (st != FLO_OK)
		goto out;
	if (flo__http_is_answer(&one)) {
		st = keep(round, &one, err, ret);
	} else if (is_redirect(one.status)) {
		st = follow(round, &one, err);
		*ret_more = st == FLO_OK;
	} else {
		st = refuse_status(round, &one, err);
	}
out:
	flo__http_try_fini(&one);
	return st;
}

/* Say which URL an error is about, if it is not the one that was asked for. */
static void name_url(flo_error *err, const struct round *round)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	const char *url = round->url;

	if (url == NULL || strcmp(url, round->request->url) == 0)
		return;
	flo__url_show(&sb, url);
	flo_error_prefix(err, "GET %s", sb.data);
	flo__strbuf_fini(&sb);
}

static flo_status go_round(struct round *round, flo_error *err,
			   struct flo__http_response *ret)
{
	struct flo__http *http = round->http;
	bool more = true;
	flo_status st = FLO_OK;

	round->end = FLO__HTTP_FINAL;
	round->asked = round->moved = false;
	flo__free(round->url);
	round->url = flo__strdup(round->request->url);
	if (round->url == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	round->trusted =
		http->server != NULL &&
		flo__url_same_origin(http->curl, http->server, round->url);
	for (int hops = 0; st == FLO_OK && more; hops++) {
		if (hops > FLO__HTTP_REDIRECTS_MAX)
			st = flo_error_set(err, FLO_FAILED,
					   "more than %d redirects; do they go "
					   "in a circle?",
					   FLO__HTTP_REDIRECTS_MAX);
		else
			st = ask(round, err, ret, &more);
	}
	if (st != FLO_OK)
		name_url(err, round);
	return st;
}

/* Waiting */

/* A number from 0 to 1 that depends on the seed and on the wait alone. */
static double dice(struct flo__http *http)
{
	uint64_t x = http->options.seed +
		     ++http->waits * UINT64_C(0x9e3779b97f4a7c15);

	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return (double)((x ^ (x >> 31)) >> 11) / (double)(UINT64_C(1) << 53);
}

static uint64_t back_off(struct flo__http *http, unsigned tries)
{
	uint64_t ns = http->options.backoff_ns;

	for (unsigned i = 1; i < tries && ns < FLO__HTTP_BACKOFF_MAX_NS; i++)
		ns *= 2;
	if (ns > FLO__HTTP_BACKOFF_MAX_NS)
		ns = FLO__HTTP_BACKOFF_MAX_NS;
	return (uint64_t)((double)ns * (0.75 + 0.5 * dice(http)));
}

static void say_wait(const struct flo__http *http, const char *why,
		     const char *wait)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	flo__strbuf_addf(&sb, "%s; trying again in %s", why, wait);
	if (http->options.say != NULL && !sb.failed)
		http->options.say(http->options.say_arg, sb.data);
	flo__strbuf_fini(&sb);
}

/* Wait before try @tries + 1, unless there will be no time for it. */
static flo_status wait_for_turn(const struct round *round, unsigned tries,
				const flo_error *fault, flo_error *err)
{
	struct flo__http *http = round->http;
	uint64_t ns = back_off(http, tries);
	uint64_t deadline = flo_context_deadline(http->options.context);
	uint64_t now = flo_now();
	char text[32];
	flo_status st;

	if (round->asked && round->wait_s > FLO__HTTP_RETRY_AFTER_MAX_S)
		ns = FLO__HTTP_RETRY_AFTER_MAX_S * FLO__NS_PER_S;
	else if (round->asked)
		ns = round->wait_s * FLO__NS_PER_S;
	flo__duration_text(ns, text, sizeof(text));
	if (deadline != UINT64_MAX && (deadline <= now || deadline - now <= ns))
		return flo_error_set(err, fault->status,
				     "%s; to try again in %s the step has not "
				     "the time",
				     fault->text, text);
	say_wait(http, fault->text, text);
	st = flo_sleep(http->options.context, ns);
	if (st == FLO_CANCELED || st == FLO_TIMEOUT)
		return flo__http_ended(http, err);
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	return st;
}

static flo_status give_up(const flo_error *fault, flo_status st, unsigned tries,
			  flo_error *err)
{
	if (tries == 1)
		return flo_error_set(err, st, "%s", fault->text);
	return flo_error_set(err, st, "%s (tried %u times)", fault->text,
			     tries);
}

/* The body is read from its beginning next; only a document's was written. */
static flo_status rewind_body(struct flo__http *http,
			      const struct flo__http_request *request,
			      const struct flo__http_response *response,
			      flo_error *err)
{
	http->bytes_left -= response->bytes;
	if (!flo__http_is_document(response->status) &&
	    ftruncate(request->fd, 0) != 0)
		return flo_error_sys(err, errno, "empty a temporary file");
	if (lseek(request->fd, 0, SEEK_SET) != 0)
		return flo_error_sys(err, errno, "rewind a temporary file");
	return FLO_OK;
}

flo_status flo__http_fetch(struct flo__http *http,
			   const struct flo__http_request *request,
			   flo_error *err,
			   struct flo__http_response *ret_response)
{
	struct round round = {.http = http, .request = request};
	struct flo__http_response got = {0};
	flo_status st;

	for (unsigned tries = 1;; tries++) {
		flo_error fault = FLO_ERROR_INIT;

		st = go_round(&round, &fault, &got);
		if (st == FLO_OK)
			break;
		if (round.end != FLO__HTTP_PASSES ||
		    tries > http->options.retries) {
			give_up(&fault, st, tries, err);
			break;
		}
		st = wait_for_turn(&round, tries, &fault, err);
		if (st != FLO_OK)
			break;
	}
	if (st == FLO_OK)
		st = rewind_body(http, request, &got, err);
	if (st == FLO_OK)
		*ret_response = got;
	else
		flo__http_response_fini(&got);
	flo__free(round.url);
	return st;
}
