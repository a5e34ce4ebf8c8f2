/*
 * A client of HTTP that fetches documents into files: GET, and nothing else.
 *
 * What it takes care of: an answer is whole or an error; what may pass is tried
 * again, as long as is sensible; what was given to be sent to one server is not
 * sent to another; the peer's certificate is always checked; and there is a
 * limit to everything that the other side decides.
 *
 * Rules: RFC 9110 (HTTP), RFC 9111 for what is conditional, RFC 8288 (Link),
 * RFC 6585 (429).
 *
 * Threads: a client belongs to one coroutine at a time. Functions that block
 * bracket it themselves: none is called within a blocking region.
 */
#ifndef FLO_HTTP_HTTP_H
#define FLO_HTTP_HTTP_H

#include <flo/context.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Redirects that one request follows. */
#define FLO__HTTP_REDIRECTS_MAX 10
/* The longest wait that Retry-After may ask for. */
#define FLO__HTTP_RETRY_AFTER_MAX_S 300
/* The longest wait between two tries otherwise. */
#define FLO__HTTP_BACKOFF_MAX_NS UINT64_C(30000000000)
/* Given headers, and bytes of one; bytes of an answer's head. */
#define FLO__HTTP_HEADERS_MAX	   64
#define FLO__HTTP_HEADER_BYTES_MAX 16384
#define FLO__HTTP_HEAD_BYTES_MAX   (256u << 10)

struct flo__http;

/* How a client works. What it points at is borrowed until it is closed. */
struct flo__http_options {
	flo_context *context; /* ends everything */
	const char *ca_file;  /* CAs to trust as well; or NULL */
	uint64_t connect_timeout_ns;
	uint64_t idle_timeout_ns; /* without a byte */
	uint64_t backoff_ns;	  /* before the second try; it doubles */
	unsigned retries;	  /* tries after the first */
	uint64_t bytes_max;	  /* of all bodies together, decoded or not;
				   * tries that fail do not count */
	uint64_t seed;		  /* of the waits' jitter */
	/* Hear what is worth a line in a log; or NULL. Not within a region. */
	void (*say)(void *arg, const char *text);
	void *say_arg;
};

struct flo__http_request {
	const char *url; /* of flo__http_resolve() */
	int fd;		 /* the body goes there, alone; borrowed */
	/* Ask for it only if it has changed since; each may be NULL. Where a
	 * redirect leads they are not sent. */
	const char *etag;
	const char *modified;
	/* Statuses that are an answer, as 200 and 203 are; 0 at the end; or
	 * NULL. */
	const int *answers;
	bool link; /* the next page is where Link says: see `next` */
};

/* An answer; its texts are owned, and NULL where there is none. */
struct flo__http_response {
	int status; /* 304 only if it was asked for conditionally */
	char *url;  /* where it came from in the end */
	/* Of what `url` of the request names: none after a redirect. */
	char *etag;
	char *modified; /* only if it tells versions apart */
	char *type;
	char *next; /* the target of Link's rel="next", as it came, if the
		     * request wants it */
	uint64_t bytes;
	/* False: a body that was cut off cannot be told. That it is packed does
	 * not help: gzip's members follow each other, and none at all is an
	 * empty body. */
	bool framed;
};

/*
 * Make a client, loading libcurl if it is the first.
 *
 * FLO_NOTFOUND: there is no libcurl; FLO_NOMEM.
 */
flo_status flo__http_open(const struct flo__http_options *options,
			  flo_error *err, struct flo__http **ret_http);

/* Free it. NULL is allowed. May block for a moment. */
void flo__http_close(struct flo__http *http);

/*
 * Send "@name: @value" with each request to the server of @url, and to no
 * other. FLO_INVALID: it is no header, or one that is the client's to send;
 * FLO_LIMIT, FLO_NOMEM. The text has the name at most, never the value.
 */
flo_status flo__http_header(struct flo__http *http, const char *name,
			    const char *value, flo_error *err);

/*
 * The server that headers are for: that of @url, which must be resolved.
 * FLO_NOMEM.
 */
flo_status flo__http_server(struct flo__http *http, const char *url,
			    flo_error *err);

/*
 * Resolve @text against @base, or @text alone if that is NULL, and check it:
 * see flo__url_resolve(). From https nothing leads back to http.
 * *@ret_url is the caller's.
 */
flo_status flo__http_resolve(const struct flo__http *http, const char *base,
			     const char *text, flo_error *err, char **ret_url);

/* @url with a query parameter: see flo__url_with(). */
flo_status flo__http_with(const struct flo__http *http, const char *url,
			  const char *name, const char *value, flo_error *err,
			  char **ret_url);

/*
 * Fetch. When it succeeds the file of @request has the whole body, decoded, and
 * nothing else, and stands at its beginning. Of an answer that is no document
 * (304, or what `answers` names) the body is not kept: the file is empty.
 *
 * Tried again, with waits that double, are connections that fail or break,
 * answers that stop or are not whole, and the statuses 408, 425, 429, 500, 502,
 * 503 and 504; Retry-After is obeyed for 429 and 503. Everything else is final.
 * Parks while it waits.
 *
 * Returns FLO_OK; FLO_IO: the connection; FLO_FAILED: the status, a redirect,
 * a certificate; FLO_CORRUPT: an encoding, a Link that is wanted and cannot be
 * read; FLO_LIMIT; what writing the file gives; FLO_NOMEM; the context's status.
 * Texts name a URL, without its query, only after a redirect, and never a
 * header's value, but for the Link that cannot be read.
 */
flo_status flo__http_fetch(struct flo__http *http,
			   const struct flo__http_request *request,
			   flo_error *err,
			   struct flo__http_response *ret_response);

/* Free what an answer owns and make it zero. */
void flo__http_response_fini(struct flo__http_response *response);

#endif
