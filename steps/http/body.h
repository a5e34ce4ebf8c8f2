/*
 * The body of an answer on its way into a file: decoded, counted, and known to
 * be whole or not.
 *
 * libcurl can decode, too, but takes a gzip stream that was cut off for a whole
 * one. A body of lines would then lose its last ones, and nobody would know.
 */
#ifndef FLO_HTTP_BODY_H
#define FLO_HTTP_BODY_H

#include "steps/http/curl.h"

#include <stdbool.h>
#include <stdint.h>

struct flo__http_body {
	const struct flo__curl *curl; /* borrowed */
	int fd;			      /* borrowed */
	uint64_t bytes_max;
	uint64_t bytes_max_all; /* what that is left of, for errors; or 0 */
	uint64_t bytes;		/* written */
	uint64_t raw;		/* as they came */
	int bits;   /* how zlib is to read it; 0: it is not packed */
	bool begun; /* `z` is to be ended */
	bool ended; /* a packed stream has come to its end */
	z_stream z;
};

/*
 * Begin a body that goes to @fd, which is emptied, in the encoding that the
 * field Content-Encoding names (NULL: none). At most @bytes_max may come, and
 * may be written.
 *
 * FLO_CORRUPT: an encoding that was not asked for; FLO_NOMEM, FLO_SYSTEM. On
 * failure nothing needs to be ended.
 */
flo_status flo__http_body_begin(struct flo__http_body *body,
				const struct flo__curl *curl, int fd,
				uint64_t bytes_max, const char *encoding,
				flo_error *err);

/*
 * Take bytes as they came. FLO_CORRUPT: they are not what the encoding wants;
 * FLO_LIMIT; FLO_FULL and what else a file's write gives; FLO_NOMEM. Blocks.
 */
flo_status flo__http_body_add(struct flo__http_body *body, const char *bytes,
			      size_t len, flo_error *err);

/* FLO_CLOSED unless the encoding's stream is whole. */
flo_status flo__http_body_end(struct flo__http_body *body, flo_error *err);

/* Free what it owns; a body of zeros owns nothing. */
void flo__http_body_fini(struct flo__http_body *body);

#endif
