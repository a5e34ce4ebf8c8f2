/*
 * URLs of http and https, taken apart and put together by libcurl, so that what
 * is checked here is what it connects to.
 *
 * Texts that are given are owned by the caller: flo__free().
 */
#ifndef FLO_HTTP_URL_H
#define FLO_HTTP_URL_H

#include "steps/http/curl.h"

#include <stdbool.h>

/* Bytes of a URL. */
#define FLO__URL_BYTES_MAX 16384

/*
 * Resolve @text against @base (NULL: it must be absolute) and check it: http
 * or https, a host, no user or password in it. A fragment is cut off, as it is
 * never sent.
 *
 * FLO_INVALID (the text says what is wrong, and no password), FLO_LIMIT,
 * FLO_NOMEM.
 */
flo_status flo__url_resolve(const struct flo__curl *curl, const char *base,
			    const char *text, flo_error *err, char **ret_url);

/*
 * @url with the query parameter @name, encoded, set to @value; one of that name
 * is replaced. @url is as flo__url_resolve() gives them.
 */
flo_status flo__url_with(const struct flo__curl *curl, const char *url,
			 const char *name, const char *value, flo_error *err,
			 char **ret_url);

/* Whether scheme, host and port are the same; false without memory, too. */
bool flo__url_same_origin(const struct flo__curl *curl, const char *a,
			  const char *b);

/* Whether @url is of https. */
bool flo__url_is_https(const char *url);

/*
 * Append @url to @sb as errors and logs show it: without its query, which may
 * hold what nobody else should read.
 */
struct flo__strbuf;
void flo__url_show(struct flo__strbuf *sb, const char *url);

#endif
