/* What the files of the client share. */
#ifndef FLO_HTTP_HTTP_P_H
#define FLO_HTTP_HTTP_P_H

#include "base/strbuf.h"
#include "steps/http/body.h"
#include "steps/http/fields.h"
#include "steps/http/http.h"

#include <signal.h>

struct flo__http {
	const struct flo__curl *curl; /* borrowed */
	struct flo__http_options options;
	CURLM *multi;
	CURL *easy;
	struct curl_slist *headers; /* given; owned */
	size_t headers_len;
	char *server; /* a URL of whom they are for; owned; or NULL: nobody */
	uint64_t bytes_left;
	uint64_t waits; /* so far: the jitter's place */
};

/* How one try ended. */
enum flo__http_end {
	FLO__HTTP_ANSWER, /* the status says more */
	FLO__HTTP_PASSES, /* it failed, and may not the next time */
	FLO__HTTP_FINAL,
};

/* One try, without redirects: a question and what came. */
struct flo__http_try {
	struct flo__http *http; /* borrowed, as is what it points at */
	const struct flo__http_request *request;
	const char *url;
	bool trusted; /* the given headers may go to the server of `url` */
	bool moved;   /* `url` is where a redirect led to */
	/* what came; owned */
	struct flo__http_fields fields;
	struct flo__http_body body;
	long status;
	char *location; /* of a redirect: absolute */
	/* as it goes on */
	flo_error fault; /* what a callback says, for whoever looks first */
	flo_status st;	 /* of `fault`; FLO_OK: nothing is wrong */
	size_t head_bytes;
	uint64_t moved_ns; /* when the last byte came */
	bool body_begun;
	struct flo__strbuf said; /* of a body that nobody wants; owned */
	bool skipped; /* enough was read of a body that nobody wants */
	char why[CURL_ERROR_SIZE];
};

/*
 * Do @one, in a blocking region. *@ret_end says how it ended; unless that is
 * FLO__HTTP_ANSWER, the status is not FLO_OK and @err says why.
 */
flo_status flo__http_transfer(struct flo__http_try *one, flo_error *err,
			      enum flo__http_end *ret_end);

void flo__http_try_fini(struct flo__http_try *one);

/*
 * Whether @status comes with the document that was asked for (RFC 9110, 15.3):
 * 200, or 203 of a proxy that changed it. The body of a 201 or 202 tells of
 * something else, 204 and 205 have none, and 206 is a part.
 */
bool flo__http_is_document(long status);

/*
 * Whether what came is an answer to the request: a document, what it names, or
 * 304 if that was asked for.
 */
bool flo__http_is_answer(const struct flo__http_try *one);

/*
 * Hold SIGPIPE back from this thread while libcurl works, and drop the one that
 * came: a library must not end its host, and the TLS below libcurl may write to
 * a connection that the other side has closed. Within one blocking region.
 */
struct flo__http_hush {
	sigset_t before;
	bool pending; /* it was there before: it is the host's */
};
void flo__http_hush(struct flo__http_hush *hush);
void flo__http_unhush(const struct flo__http_hush *hush);

/* The context's status; why it ended is in @err. */
flo_status flo__http_ended(const struct flo__http *http, flo_error *err);

#endif
