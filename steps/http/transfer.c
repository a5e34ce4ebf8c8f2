/*
 * One request and its answer, through libcurl's multi interface.
 *
 * The loop turns in a blocking region and looks at the step's context each time
 * it wakes up, at least every POLL_MS. Refused: curl_easy_perform(), which
 * can only be stopped from its progress callback, once a second; and driving
 * libcurl from the runtime's poller, for which it would have to be told of
 * every descriptor, to spare twenty wake-ups a second while a download waits.
 *
 * libcurl does not follow redirects here: it would send the given headers on to
 * other servers. It does not decode either: see body.h.
 */
#include "steps/http/http_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"

#include <flo/runtime.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#define POLL_MS 50

/* Of the body of an answer that is none: more ends the connection. */
#define SKIP_BYTES_MAX 65536

/* What is set on a handle: the first option that fails ends the setting. */
#define SET(one, option, value)                                                \
	((one)->http->curl->easy_setopt((one)->http->easy, (option), (value)))

/* Callbacks: they run in the coroutine, within the region, and do not park. */

static size_t on_header(char *line, size_t size, size_t count, void *arg)
{
	struct flo__http_try *one = arg;
	size_t len = size * count;

	one->moved_ns = flo_now();
	one->head_bytes += len;
	if (one->head_bytes > FLO__HTTP_HEAD_BYTES_MAX) {
		one->st = flo_error_set(&one->fault, FLO_LIMIT,
					"the head of the answer is larger than "
					"%u bytes",
					FLO__HTTP_HEAD_BYTES_MAX);
		return 0;
	}
	/* What comes after the body (trailers) is not asked for. */
	if (!one->body_begun)
		flo__http_fields_line(&one->fields, line, len);
	return len;
}

static long status_of(const struct flo__http_try *one)
{
	long status = 0;

	one->http->curl->easy_getinfo(one->http->easy, CURLINFO_RESPONSE_CODE,
				      &status);
	return status;
}

bool flo__http_is_document(long status)
{
	return status == 200 || status == 203;
}

/*
 * Validators are of one resource (RFC 9110, 8.8.3: an ETag of another one may be
 * the same text), and who knows whether a redirect leads where it led then.
 */
static bool is_conditional(const struct flo__http_try *one)
{
	return !one->moved &&
	       (one->request->etag != NULL || one->request->modified != NULL);
}

bool flo__http_is_answer(const struct flo__http_try *one)
{
	if (flo__http_is_document(one->status))
		return true;
	if (one->status == 304)
		return is_conditional(one);
	for (const int *a = one->request->answers; a != NULL && *a != 0; a++)
		if (*a == one->status)
			return true;
	return false;
}

/* The body of an error or a redirect: its beginning is for people. More is kept
 * of it than they see: a secret may reach over where it is cut. */
static size_t skip(struct flo__http_try *one, const char *bytes, size_t len)
{
	if (one->fields.encoding == NULL)
		flo__strbuf_add(&one->said, bytes, len);
	one->body.raw += len;
	one->skipped = one->body.raw > SKIP_BYTES_MAX;
	return one->skipped ? 0 : len;
}

static flo_status begin_body(struct flo__http_try *one)
{
	struct flo__http *http = one->http;
	flo_status st;

	one->body_begun = true;
	/* RFC 9112, 6.3: a coding takes the place of all lengths. */
	if (one->fields.unequal && !one->fields.coded)
		return flo_error_set(&one->fault, FLO_CORRUPT,
				     "the answer has two fields "
				     "Content-Length that are not the same, "
				     "so nobody knows where it ends");
	TRY(flo__http_body_begin(&one->body, http->curl, one->request->fd,
				 http->bytes_left, one->fields.encoding,
				 &one->fault));
	one->body.bytes_max_all = http->options.bytes_max;
out:
	return st;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
	struct flo__http_try *one = arg;
	size_t len = size * count;

	one->moved_ns = flo_now();
	if (!flo__http_is_document(status_of(one)))
		return skip(one, bytes, len);
	if (!one->body_begun)
		one->st = begin_body(one);
	if (one->st == FLO_OK)
		one->st =
			flo__http_body_add(&one->body, bytes, len, &one->fault);
	return one->st == FLO_OK ? len : 0;
}

/* No program that is started meanwhile may get the connection. */
static curl_socket_t on_socket(void *arg, curlsocktype purpose,
			       struct curl_sockaddr *addr)
{
	(void)arg;
	(void)purpose;
	return socket(addr->family, addr->socktype | SOCK_CLOEXEC,
		      addr->protocol);
}

/* Setting up */

static bool append(const struct flo__curl *curl, struct curl_slist **list,
		   const char *text)
{
	struct curl_slist *more = curl->slist_append(*list, text);

	if (more != NULL)
		*list = more;
	return more != NULL;
}

static bool append_pair(const struct flo__curl *curl, struct curl_slist **list,
			const char *name, const char *value)
{
	char text[2048];

	if (value == NULL)
		return true;
	snprintf(text, sizeof(text), "%s: %s", name, value);
	return append(curl, list, text);
}

/* Whether Accept is among the headers that are sent, of those given. */
static bool gives_accept(const struct flo__http_try *one)
{
	for (const struct curl_slist *given = one->http->headers;
	     one->trusted && given != NULL; given = given->next)
		if (strncasecmp(given->data, "Accept:", 7) == 0)
			return true;
	return false;
}

/* All headers of this request. *@ret is libcurl's, also on failure. */
static bool make_headers(const struct flo__http_try *one,
			 struct curl_slist **ret)
{
	const struct flo__curl *curl = one->http->curl;
	bool ok = append(curl, ret, "Accept-Encoding: gzip, deflate");

	if (ok && !gives_accept(one))
		ok = append(curl, ret, "Accept: application/json, */*;q=0.5");
	if (ok && is_conditional(one))
		ok = append_pair(curl, ret, "If-None-Match",
				 one->request->etag) &&
		     append_pair(curl, ret, "If-Modified-Since",
				 one->request->modified);
	for (const struct curl_slist *given = one->http->headers;
	     ok && one->trusted && given != NULL; given = given->next)
		ok = append(curl, ret, given->data);
	return ok;
}

static long to_ms(uint64_t ns)
{
	uint64_t ms = ns / FLO__NS_PER_MS;

	return ms == 0 ? 1 : ms > INT32_MAX ? INT32_MAX : (long)ms;
}

/* What keeps a request within what it is meant to be. */
static CURLcode set_limits(struct flo__http_try *one)
{
	const struct flo__http_options *options = &one->http->options;
	CURLcode rc = SET(one, CURLOPT_PROTOCOLS,
			  (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));

	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_FOLLOWLOCATION, 0L);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_NOSIGNAL, 1L);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_SSL_VERIFYPEER, 1L);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_SSL_VERIFYHOST, 2L);
	if (rc == CURLE_OK && options->ca_file != NULL)
		rc = SET(one, CURLOPT_CAINFO, options->ca_file);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_CONNECTTIMEOUT_MS,
			 to_ms(options->connect_timeout_ns));
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_OPENSOCKETFUNCTION, on_socket);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* So that a name server that is silent does not hold up a cancel. */
	SET(one, CURLOPT_QUICK_EXIT, 1L);
#endif
	return rc;
}

static CURLcode set_request(struct flo__http_try *one,
			    struct curl_slist *headers)
{
	CURLcode rc = SET(one, CURLOPT_URL, one->url);

	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_HTTPGET, 1L);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_USERAGENT, "flowctl/" FLO__VERSION_TEXT);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_HTTPHEADER, headers);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_HEADERFUNCTION, on_header);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_HEADERDATA, one);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_WRITEFUNCTION, on_body);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_WRITEDATA, one);
	if (rc == CURLE_OK)
		rc = SET(one, CURLOPT_ERRORBUFFER, one->why);
	return rc;
}

/* The loop */

flo_status flo__http_ended(const struct flo__http *http, flo_error *err)
{
	flo_error cause = FLO_ERROR_INIT;
	flo_status st = flo_context_cause(http->options.context, &cause);

	if (st == FLO_OK)
		return FLO_OK;
	return flo_error_set(err, st, "%s",
			     cause.text[0] != '\0' ? cause.text
						   : flo_status_text(st));
}

/* FLO_TIMEOUT of ours is FLO_IO: the step's own time is not up. */
static flo_status check_idle(const struct flo__http_try *one, flo_error *err)
{
	uint64_t limit_ns = one->http->options.idle_timeout_ns;
	char text[32];

	if (flo_now() - one->moved_ns <= limit_ns)
		return FLO_OK;
	flo__duration_text(limit_ns, text, sizeof(text));
	return flo_error_set(err, FLO_IO, "nothing came for %s", text);
}

/* Turn until the transfer has ended, or has to. */
static flo_status loop(struct flo__http_try *one, flo_error *err,
		       enum flo__http_end *ret_end)
{
	const struct flo__curl *curl = one->http->curl;
	CURLMcode rc;
	int running = 1;
	flo_status st;

	for (;;) {
		rc = curl->multi_perform(one->http->multi, &running);
		if (rc != CURLM_OK || running == 0)
			break;
		*ret_end = FLO__HTTP_FINAL;
		TRY(flo__http_ended(one->http, err));
		*ret_end = FLO__HTTP_PASSES;
		TRY(check_idle(one, err));
		rc = curl->multi_poll(one->http->multi, NULL, 0, POLL_MS, NULL);
		if (rc != CURLM_OK)
			break;
	}
	*ret_end = FLO__HTTP_FINAL;
	st = FLO_OK;
	if (rc != CURLM_OK)
		st = flo_error_set(err,
				   rc == CURLM_OUT_OF_MEMORY ? FLO_NOMEM
							     : FLO_FAILED,
				   "libcurl: %s", curl->multi_strerror(rc));
out:
	return st;
}

/* What libcurl says of a transfer that has ended. */
static CURLcode result_of(struct flo__http_try *one)
{
	const struct flo__curl *curl = one->http->curl;
	CURLMsg *msg;
	int left;

	while ((msg = curl->multi_info_read(one->http->multi, &left)) != NULL)
		if (msg->msg == CURLMSG_DONE &&
		    msg->easy_handle == one->http->easy)
			return msg->data.result;
	return CURLE_FAILED_INIT;
}

/* Whether what went wrong on the way may go well the next time. */
static bool passes(CURLcode rc)
{
	switch (rc) {
	case CURLE_COULDNT_RESOLVE_PROXY:
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_CONNECT:
	case CURLE_OPERATION_TIMEDOUT:
	case CURLE_PARTIAL_FILE:
	case CURLE_GOT_NOTHING:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
	case CURLE_HTTP2:
	case CURLE_HTTP2_STREAM:
		return true;
	default:
		return false;
	}
}

static bool is_certificate(CURLcode rc)
{
	return rc == CURLE_PEER_FAILED_VERIFICATION ||
	       rc == CURLE_SSL_ISSUER_ERROR;
}

/* A transfer that libcurl has given up, in the words of both. */
static flo_status failed(struct flo__http_try *one, CURLcode rc, flo_error *err,
			 enum flo__http_end *ret_end)
{
	const char *why = one->why[0] != '\0'
				  ? one->why
				  : one->http->curl->easy_strerror(rc);

	*ret_end = passes(rc) ? FLO__HTTP_PASSES : FLO__HTTP_FINAL;
	/* It says so, too, of a line that is longer than it takes. */
	if (rc == CURLE_OUT_OF_MEMORY && one->head_bytes != 0 &&
	    !one->body_begun)
		return flo_error_set(err, FLO_NOMEM,
				     "out of memory, or a line in the head of "
				     "the answer is larger than libcurl takes "
				     "(100 KiB)");
	if (rc == CURLE_OUT_OF_MEMORY)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (is_certificate(rc))
		return flo_error_set(err, FLO_FAILED,
				     "%s; if the server's certificate is of a "
				     "CA of your own, name that with "
				     "\"ca_file\"",
				     why);
	return flo_error_set(err,
			     *ret_end == FLO__HTTP_PASSES ? FLO_IO : FLO_FAILED,
			     "%s", why);
}

static flo_status take_location(struct flo__http_try *one, flo_error *err)
{
	const char *url = NULL;

	one->http->curl->easy_getinfo(one->http->easy, CURLINFO_REDIRECT_URL,
				      &url);
	if (url == NULL)
		return FLO_OK;
	one->location = flo__strdup(url);
	if (one->location == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return FLO_OK;
}

/* The answer is whole as far as libcurl knows; is it? */
static flo_status finish(struct flo__http_try *one, flo_error *err,
			 enum flo__http_end *ret_end)
{
	flo_status st;

	one->status = status_of(one);
	TRY(take_location(one, err));
	if (one->fields.failed)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (flo__http_is_document(one->status)) {
		if (!one->body_begun)
			st = begin_body(one);
		if (st != FLO_OK)
			return flo_error_set(err, st, "%s", one->fault.text);
		*ret_end = FLO__HTTP_PASSES;
		TRY(flo__http_body_end(&one->body, err));
	}
	*ret_end = FLO__HTTP_ANSWER;
out:
	return st == FLO_CLOSED ? FLO_IO : st;
}

static flo_status judge(struct flo__http_try *one, flo_error *err,
			enum flo__http_end *ret_end)
{
	CURLcode rc = result_of(one);

	*ret_end = FLO__HTTP_FINAL;
	if (one->st != FLO_OK)
		return flo_error_set(err, one->st, "%s", one->fault.text);
	if (rc != CURLE_OK && !one->skipped)
		return failed(one, rc, err, ret_end);
	return finish(one, err, ret_end);
}

static flo_status perform(struct flo__http_try *one, struct curl_slist *headers,
			  flo_error *err, enum flo__http_end *ret_end)
{
	const struct flo__curl *curl = one->http->curl;
	CURLcode rc;
	flo_status st;

	rc = set_limits(one);
	if (rc == CURLE_OK)
		rc = set_request(one, headers);
	if (rc != CURLE_OK) {
		st = failed(one, rc, err, ret_end);
		goto out;
	}
	if (curl->multi_add_handle(one->http->multi, one->http->easy) !=
	    CURLM_OK) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	one->moved_ns = flo_now();
	st = loop(one, err, ret_end);
	if (st == FLO_OK)
		st = judge(one, err, ret_end);
	curl->multi_remove_handle(one->http->multi, one->http->easy);
out:
	/* It points at @one, which is about to end; connections stay. */
	curl->easy_reset(one->http->easy);
	return st;
}

flo_status flo__http_transfer(struct flo__http_try *one, flo_error *err,
			      enum flo__http_end *ret_end)
{
	struct curl_slist *headers = NULL;
	struct flo__http_hush hush;
	flo_status st;

	*ret_end = FLO__HTTP_FINAL;
	flo__http_hush(&hush);
	if (make_headers(one, &headers))
		st = perform(one, headers, err, ret_end);
	else
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
	one->http->curl->slist_free_all(headers);
	flo__http_unhush(&hush);
	return st;
}

void flo__http_try_fini(struct flo__http_try *one)
{
	flo__http_fields_fini(&one->fields);
	flo__http_body_fini(&one->body);
	flo__strbuf_fini(&one->said);
	flo__free(one->location);
	one->location = NULL;
}
