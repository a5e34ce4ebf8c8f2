/*
 * The fields of an answer's head that are of interest, and what they say.
 *
 * A transfer gives the lines of several heads (a 103 before a 200, say): each
 * status line begins anew.
 */
#ifndef FLO_HTTP_FIELDS_H
#define FLO_HTTP_FIELDS_H

#include "base/strbuf.h"

#include <flo/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Each is owned, or NULL if the answer has none. */
struct flo__http_fields {
	char *etag;
	char *modified;
	char *date;
	char *retry_after;
	char *link;	       /* all of them, joined with ", " */
	const char *link_lost; /* what is wrong with one that is not in `link`;
				* NULL: all are */
	char *type;
	char *encoding;
	bool frames;		 /* it is of HTTP/2 or later */
	bool length;		 /* there is a Content-Length */
	bool odd;		 /* there is one that is no number */
	bool unequal;		 /* there are two that are not the same */
	uint64_t length_is;	 /* what the last one says; 0: no number */
	bool coded;		 /* there is a Transfer-Encoding */
	bool chunked;		 /* whose last coding is that */
	bool failed;		 /* out of memory */
	struct flo__strbuf line; /* a field that the next line may go on with */
};

void flo__http_fields_fini(struct flo__http_fields *fields);

/*
 * Take a line of a head, as it came; it need not end with a NUL. A field counts
 * once another line follows it: the empty one at the end of the head does.
 */
void flo__http_fields_line(struct flo__http_fields *fields, const char *line,
			   size_t len);

/*
 * Whether the answer says itself where its body ends (RFC 9112, 6.3). Otherwise
 * the body ends with the connection, and one that was cut off looks whole.
 */
bool flo__http_fields_framed(const struct flo__http_fields *fields);

/*
 * How long Retry-After asks to wait, from @now_s (seconds since 1970) on: a
 * number of seconds or a date; one in the past is 0. @date reads dates. False
 * if it says nothing that is known.
 */
bool flo__http_retry_after(const char *text, int64_t now_s,
			   int64_t (*date)(const char *text),
			   uint64_t *ret_seconds);

#endif
