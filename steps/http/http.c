#include "steps/http/http_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "steps/http/url.h"

#include <flo/runtime.h>

#include <string.h>
#include <strings.h>

/* Life */

static flo_status make_handles(struct flo__http *http, flo_error *err)
{
	flo_status st;

	flo_blocking_begin();
	st = flo__curl_get(err, &http->curl);
	if (st == FLO_OK) {
		http->multi = http->curl->multi_init();
		http->easy = http->curl->easy_init();
	}
	flo_blocking_end();
	if (st == FLO_OK && (http->multi == NULL || http->easy == NULL))
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
	return st;
}

flo_status flo__http_open(const struct flo__http_options *options,
			  flo_error *err, struct flo__http **ret_http)
{
	struct flo__http *http = flo__calloc(1, sizeof(*http));
	flo_status st;

	REQUIRE(options->context != NULL);
	if (http == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	http->options = *options;
	http->bytes_left = options->bytes_max;
	st = make_handles(http, err);
	if (st == FLO_OK)
		*ret_http = http;
	else
		flo__http_close(http);
	return st;
}

void flo__http_close(struct flo__http *http)
{
	struct flo__http_hush hush;

	if (http == NULL)
		return;
	flo_blocking_begin();
	flo__http_hush(&hush);
	if (http->easy != NULL)
		http->curl->easy_cleanup(http->easy);
	if (http->multi != NULL)
		http->curl->multi_cleanup(http->multi);
	if (http->headers != NULL)
		http->curl->slist_free_all(http->headers);
	flo__http_unhush(&hush);
	flo_blocking_end();
	flo__free(http->server);
	flo__free(http);
}

void flo__http_response_fini(struct flo__http_response *response)
{
	flo__free(response->url);
	flo__free(response->etag);
	flo__free(response->modified);
	flo__free(response->type);
	flo__free(response->next);
	*response = (struct flo__http_response){0};
}

/* Headers */

/* A token (RFC 9110, 5.6.2). */
static bool is_token(const char *text)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789!#$%&'*+-.^_`|~";

	return text[0] != '\0' && strspn(text, allowed) == strlen(text);
}

/* What the client says itself, or what would change what an answer means. */
static bool is_ours(const char *name)
{
	static const char *const ours[] = {"accept-encoding",
					   "connection",
					   "content-length",
					   "expect",
					   "if-match",
					   "if-modified-since",
					   "if-none-match",
					   "if-range",
					   "keep-alive",
					   "if-unmodified-since",
					   "proxy-connection",
					   "range",
					   "te",
					   "transfer-encoding",
					   "trailer",
					   "upgrade"};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (strcasecmp(name, ours[i]) == 0)
			return true;
	return false;
}

static bool is_value(const char *text)
{
	for (; *text != '\0'; text++)
		if (((unsigned char)*text < 0x20 && *text != '\t') ||
		    *text == 0x7f)
			return false;
	return true;
}

static flo_status check_header(const struct flo__http *http, const char *name,
			       const char *value, flo_error *err)
{
	if (http->headers_len == FLO__HTTP_HEADERS_MAX)
		return flo_error_set(err, FLO_LIMIT, "more than %d headers",
				     FLO__HTTP_HEADERS_MAX);
	if (!is_token(name))
		return flo_error_set(err, FLO_INVALID,
				     "\"%.80s\" is no name of a header", name);
	if (is_ours(name))
		return flo_error_set(err, FLO_INVALID,
				     "the header \"%s\" is set by flowctl "
				     "itself; leave it out",
				     name);
	if (!is_value(value))
		return flo_error_set(err, FLO_INVALID,
				     "the value of the header \"%.80s\" has a "
				     "line end or another control character "
				     "in it",
				     name);
	if (strlen(name) + strlen(value) > FLO__HTTP_HEADER_BYTES_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "the header \"%.80s\" is longer than %d "
				     "bytes",
				     name, FLO__HTTP_HEADER_BYTES_MAX);
	return FLO_OK;
}

flo_status flo__http_header(struct flo__http *http, const char *name,
			    const char *value, flo_error *err)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	struct curl_slist *more = NULL;
	flo_status st;

	st = check_header(http, name, value, err);
	if (st != FLO_OK)
		return st;
	/* So libcurl wants a header without a value to be written. */
	flo__strbuf_addf(&sb, value[0] != '\0' ? "%s: %s" : "%s;%s", name,
			 value);
	if (!sb.failed)
		more = http->curl->slist_append(http->headers, sb.data);
	flo__strbuf_fini(&sb);
	if (more == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	http->headers = more;
	http->headers_len++;
	return FLO_OK;
}

flo_status flo__http_server(struct flo__http *http, const char *url,
			    flo_error *err)
{
	char *copy = flo__strdup(url);

	if (copy == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__free(http->server);
	http->server = copy;
	return FLO_OK;
}

/* URLs */

flo_status flo__http_resolve(const struct flo__http *http, const char *base,
			     const char *text, flo_error *err, char **ret_url)
{
	char *url = NULL;
	flo_status st;

	st = flo__url_resolve(http->curl, base, text, err, &url);
	if (st == FLO_OK && base != NULL && flo__url_is_https(base) &&
	    !flo__url_is_https(url))
		st = flo_error_set(err, FLO_INVALID,
				   "it leads from https back to http");
	if (st == FLO_OK)
		*ret_url = url;
	else
		flo__free(url);
	return st;
}

flo_status flo__http_with(const struct flo__http *http, const char *url,
			  const char *name, const char *value, flo_error *err,
			  char **ret_url)
{
	return flo__url_with(http->curl, url, name, value, err, ret_url);
}
