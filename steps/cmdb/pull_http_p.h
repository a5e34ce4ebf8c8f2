/* What the files of the source `http` share: see pull_http.c. */
#ifndef FLO_CMDB_PULL_HTTP_P_H
#define FLO_CMDB_PULL_HTTP_P_H

#include "steps/cmdb/pull_p.h"
#include "steps/http/http.h"

#include <stdbool.h>

/* Statuses that "gone_status" may name, and 410. */
#define FLO__GONE_STATUSES_MAX 16

/* What "http" says. Texts are borrowed from `with`. */
struct flo__http_args {
	const char *url;
	const flo_value *headers; /* a map, or NULL */
	const char *next;	  /* a pointer; or NULL */
	bool link;		  /* "next": "link" */
	const char *cursor_at;	  /* with `cursor_param`; or NULL */
	const char *cursor_param;
	uint64_t max_pages;
	uint64_t max_bytes;
	uint64_t timeout_ns;
	uint64_t retries;
	uint64_t backoff_ns;
	const char *ca_file; /* or NULL */
	bool conditional;
	bool changes;		   /* the next ones are set */
	const char *changes_url;   /* or NULL: `url`, or the cursor itself */
	const char *changes_param; /* or NULL: the cursor is a URL */
	const char *cursor_full;   /* a pointer into a document of everything */
	const char *cursor_after;  /* one into a document of changes */
	const char *records[FLO__PULL_RECORDS_MAX]; /* of changes */
	size_t records_len;
	int gone[FLO__GONE_STATUSES_MAX + 1]; /* 0 at the end */
	const char *gone_at;		      /* a pointer, or NULL */
	const flo_value *gone_is;	      /* what is there then */
};

/*
 * Read @arg, the argument "http" of @job, into @ret_args. FLO_TYPE,
 * FLO_INVALID, FLO_LIMIT, FLO_RANGE: the text names what is wrong.
 */
flo_status flo__http_args_read(const struct flo__pull_job *job,
			       const flo_value *arg, flo_error *err,
			       struct flo__http_args *ret_args);

/*
 * A text that tells what @job asks for from everything else it could ask, as
 * flo__since_read() wants it. It has no header's value in it. Owned by the
 * caller: flo__free(). NULL without memory.
 */
char *flo__http_args_origin(const struct flo__pull_job *job,
			    const struct flo__http_args *args);

/*
 * Whether the answer in @fd, of changes, says by what is at `gone_at` that the
 * cursor is of no use any more; @fd is at its beginning, before and after.
 * What is wrong with the answer otherwise is not told. Blocks. FLO_NOMEM,
 * FLO_SYSTEM; the status of @context, which ends it.
 */
flo_status flo__http_says_gone(const struct flo__http_args *args,
			       flo_context *context, int fd, flo_error *err,
			       bool *ret_gone);

/* Where the pages of a pull have been, so that none comes twice: a set. */
struct flo__trail {
	struct flo__digest *seen; /* of the pages, in order; owned */
	uint32_t *slot;		  /* 2 * cap, half of them free at least: the
				   * number of a page, from 1 on; 0: free. Those
				   * that meet lie one after the other. Owned */
	size_t len;
	size_t cap; /* of `seen`: a power of two, or 0 */
};

/*
 * Note that @url is fetched next. FLO_FAILED: it was before; FLO_LIMIT: it
 * would be more than @max; FLO_NOMEM.
 *
 * Requires: @max fits into 32 bits.
 */
flo_status flo__trail_add(struct flo__trail *trail, const char *url,
			  uint64_t max, flo_error *err);
void flo__trail_fini(struct flo__trail *trail);

#endif
