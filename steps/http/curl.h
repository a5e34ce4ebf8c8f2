/*
 * libcurl and zlib, loaded when the first request is made.
 *
 * They are not linked: with its forty libraries libcurl costs every start of
 * the program some milliseconds, and few pipelines speak HTTP. So their headers
 * are needed to build, and the libraries to use it.
 *
 * Threads: any. What was loaded stays until the process ends: libcurl's
 * libraries have threads and exit handlers of their own, so it is never
 * unloaded.
 */
#ifndef FLO_HTTP_CURL_H
#define FLO_HTTP_CURL_H

#include <flo/error.h>

#define CURL_DISABLE_DEPRECATION /* CURLOPT_PROTOCOLS: 7.85 has another one */
#include <curl/curl.h>
#include <zlib.h>

/* The functions that are used, under the names that curl.h has for them. */
struct flo__curl {
	CURLcode (*global_init)(long flags);
	CURL *(*easy_init)(void);
	void (*easy_cleanup)(CURL *easy);
	void (*easy_reset)(CURL *easy);
	CURLcode (*easy_setopt)(CURL *easy, CURLoption option, ...);
	CURLcode (*easy_getinfo)(CURL *easy, CURLINFO info, ...);
	const char *(*easy_strerror)(CURLcode code);
	CURLM *(*multi_init)(void);
	CURLMcode (*multi_cleanup)(CURLM *multi);
	CURLMcode (*multi_add_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_remove_handle)(CURLM *multi, CURL *easy);
	CURLMcode (*multi_perform)(CURLM *multi, int *running);
	CURLMcode (*multi_poll)(CURLM *multi, struct curl_waitfd *extra,
				unsigned extra_len, int timeout_ms, int *ret);
	CURLMsg *(*multi_info_read)(CURLM *multi, int *left);
	const char *(*multi_strerror)(CURLMcode code);
	struct curl_slist *(*slist_append)(struct curl_slist *list,
					   const char *text);
	void (*slist_free_all)(struct curl_slist *list);
	time_t (*getdate)(const char *text, const time_t *unused);
	CURLU *(*url)(void);
	void (*url_cleanup)(CURLU *url);
	CURLUcode (*url_get)(const CURLU *url, CURLUPart part, char **ret,
			     unsigned flags);
	CURLUcode (*url_set)(CURLU *url, CURLUPart part, const char *text,
			     unsigned flags);
	void (*free)(void *mem);
	int (*inflateInit2_)(z_stream *z, int bits, const char *version,
			     int size);
	int (*inflate)(z_stream *z, int flush);
	int (*inflateReset)(z_stream *z);
	int (*inflateEnd)(z_stream *z);
};

/*
 * Give the functions, loading the libraries the first time. *@ret_curl is
 * borrowed for ever. May block: bracket it.
 *
 * Returns FLO_OK; FLO_NOTFOUND: a library is not there, or too old; the text
 * names the package. A failure is final for the process.
 */
flo_status flo__curl_get(flo_error *err, const struct flo__curl **ret_curl);

/*
 * Fill @ret_curl from the libraries of these names. For flo__curl_get(), and
 * for tests, which have names of libraries that are not there.
 */
flo_status flo__curl_load(const char *curl_name, const char *zlib_name,
			  flo_error *err, struct flo__curl *ret_curl);

#endif
