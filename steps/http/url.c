#include "steps/http/url.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Parts of a URL, each libcurl's memory or NULL. */
struct parts {
	char *scheme;
	char *host;
	char *port;
};

static void free_parts(const struct flo__curl *curl, struct parts *parts)
{
	curl->free(parts->scheme);
	curl->free(parts->host);
	curl->free(parts->port);
}

static bool get_parts(const struct flo__curl *curl, const char *url,
		      struct parts *ret)
{
	CURLU *u = curl->url();
	bool ok;

	ok = u != NULL &&
	     curl->url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
	     curl->url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK &&
	     curl->url_get(u, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK &&
	     curl->url_get(u, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) ==
		     CURLUE_OK;
	curl->url_cleanup(u);
	return ok;
}

bool flo__url_same_origin(const struct flo__curl *curl, const char *a,
			  const char *b)
{
	struct parts of_a = {0};
	struct parts of_b = {0};
	bool same;

	same = get_parts(curl, a, &of_a) && get_parts(curl, b, &of_b) &&
	       strcasecmp(of_a.scheme, of_b.scheme) == 0 &&
	       strcasecmp(of_a.host, of_b.host) == 0 &&
	       strcmp(of_a.port, of_b.port) == 0;
	free_parts(curl, &of_a);
	free_parts(curl, &of_b);
	return same;
}

bool flo__url_is_https(const char *url)
{
	return strncasecmp(url, "https://", 8) == 0;
}

/* Whether the part is there and has something in it. */
static bool has_part(const struct flo__curl *curl, CURLU *u, CURLUPart part)
{
	char *text = NULL;
	bool has = curl->url_get(u, part, &text, 0) == CURLUE_OK &&
		   text != NULL && text[0] != '\0';

	curl->free(text);
	return has;
}

static bool is_http(const struct flo__curl *curl, CURLU *u)
{
	char *scheme = NULL;
	bool is = curl->url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		  (strcasecmp(scheme, "http") == 0 ||
		   strcasecmp(scheme, "https") == 0);

	curl->free(scheme);
	return is;
}

static flo_status check(const struct flo__curl *curl, CURLU *u, flo_error *err)
{
	if (!is_http(curl, u))
		return flo_error_set(err, FLO_INVALID,
				     "the URL is neither of http nor of https");
	if (has_part(curl, u, CURLUPART_USER) ||
	    has_part(curl, u, CURLUPART_PASSWORD))
		return flo_error_set(
			err, FLO_INVALID,
			"the URL has a user or a password in it, "
			"which logs would show; send a header "
			"from a secret instead: \"Authorization\": "
			"\"Basic ${{ secrets.NAME }}\"");
	if (!has_part(curl, u, CURLUPART_HOST))
		return flo_error_set(err, FLO_INVALID, "the URL has no host");
	return FLO_OK;
}

/* The whole URL as memory of ours. */
static flo_status whole(const struct flo__curl *curl, CURLU *u, flo_error *err,
			char **ret_url)
{
	char *text = NULL;
	char *copy = NULL;

	if (curl->url_get(u, CURLUPART_URL, &text, 0) == CURLUE_OK)
		copy = flo__strdup(text);
	curl->free(text);
	if (copy == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	*ret_url = copy;
	return FLO_OK;
}

static flo_status refused(CURLUcode code, flo_error *err)
{
	if (code == CURLUE_OUT_OF_MEMORY)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (code == CURLUE_UNSUPPORTED_SCHEME)
		return flo_error_set(err, FLO_INVALID,
				     "the URL is neither of http nor of https");
	return flo_error_set(err, FLO_INVALID,
			     "the URL cannot be read: it must look like "
			     "https://host/path, with what is special "
			     "percent-encoded");
}

flo_status flo__url_resolve(const struct flo__curl *curl, const char *base,
			    const char *text, flo_error *err, char **ret_url)
{
	CURLU *u = NULL;
	CURLUcode code = CURLUE_OK;
	flo_status st;

	if (strlen(text) > FLO__URL_BYTES_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "the URL has %zu bytes; %d are allowed",
				     strlen(text), FLO__URL_BYTES_MAX);
	u = curl->url();
	if (u == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (base != NULL)
		code = curl->url_set(u, CURLUPART_URL, base, 0);
	if (code == CURLUE_OK)
		code = curl->url_set(u, CURLUPART_URL, text, 0);
	if (code == CURLUE_OK)
		code = curl->url_set(u, CURLUPART_FRAGMENT, NULL, 0);
	st = code == CURLUE_OK ? check(curl, u, err) : refused(code, err);
	if (st == FLO_OK)
		st = whole(curl, u, err, ret_url);
	curl->url_cleanup(u);
	return st;
}

/* Percent-encode what is not "unreserved" (RFC 3986, 2.3). */
static void add_encoded(struct flo__strbuf *sb, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";

	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x80 && (isalnum(c) || strchr("-._~", c) != NULL)) {
			flo__strbuf_addc(sb, (char)c);
			continue;
		}
		flo__strbuf_addc(sb, '%');
		flo__strbuf_addc(sb, hex[c >> 4]);
		flo__strbuf_addc(sb, hex[c & 15]);
	}
}

/* Append the parameters of @query but those that begin with "@name=". */
static void add_others(struct flo__strbuf *sb, const char *query,
		       const char *name)
{
	size_t name_len = strlen(name);

	while (*query != '\0') {
		size_t len = strcspn(query, "&");
		bool same = len >= name_len &&
			    strncmp(query, name, name_len) == 0 &&
			    (len == name_len || query[name_len] == '=');

		if (!same && len != 0) {
			flo__strbuf_add(sb, query, len);
			flo__strbuf_addc(sb, '&');
		}
		query += len + (query[len] == '&');
	}
}

flo_status flo__url_with(const struct flo__curl *curl, const char *url,
			 const char *name, const char *value, flo_error *err,
			 char **ret_url)
{
	struct flo__strbuf key = FLO__STRBUF_INIT;
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	const char *query = strchr(url, '?');
	flo_status st;

	add_encoded(&key, name);
	flo__strbuf_add(&sb, url,
			query != NULL ? (size_t)(query - url) : strlen(url));
	flo__strbuf_addc(&sb, '?');
	add_others(&sb, query != NULL ? query + 1 : "", key.data);
	flo__strbuf_adds(&sb, key.data);
	flo__strbuf_addc(&sb, '=');
	add_encoded(&sb, value);
	st = flo__strbuf_status(&key) != FLO_OK ? FLO_NOMEM
						: flo__strbuf_status(&sb);
	if (st == FLO_OK)
		st = flo__url_resolve(curl, NULL, sb.data, err, ret_url);
	else
		flo_error_set(err, st, "out of memory");
	flo__strbuf_fini(&key);
	flo__strbuf_fini(&sb);
	return st;
}

void flo__url_show(struct flo__strbuf *sb, const char *url)
{
	size_t len = strcspn(url, "?#");

	if (len > 300)
		flo__strbuf_addf(sb, "%.300s...", url);
	else
		flo__strbuf_add(sb, url, len);
	if (url[len] == '?')
		flo__strbuf_adds(sb, "?...");
}
