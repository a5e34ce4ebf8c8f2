/* What the files of split share: see split.c. */
#ifndef FLO_CMDB_SPLIT_P_H
#define FLO_CMDB_SPLIT_P_H

#include "base/mask.h"
#include "steps/cmdb/split.h"

#define FLO__SPLIT_WINDOW (1u << 20)

/*
 * Marks of pointers: an array of records, one that has been seen, a scalar that
 * is watched, whose number is in the bits from WATCH_SHIFT on.
 */
enum {
	RECORDS = 1,
	FOUND = 2,
	WATCHED = 4,
	WATCH_SHIFT = 8
};

enum flo__want {
	WANT_START, /* the first byte decides what the document is */
	WANT_VALUE,
	WANT_ITEM,   /* a value, or ']' */
	WANT_KEY,    /* after ',' in an object */
	WANT_MEMBER, /* a key, or '}' */
	WANT_COLON,
	WANT_AFTER,  /* ',' or the end of the container */
	WANT_RECORD, /* in an array of records, after ',' */
	WANT_RECORD_OR_END,
	WANT_LINE, /* NDJSON: a record, or the end of the stream */
	WANT_END,  /* nothing but space */
	WANT_NOTHING,
};

struct flo__frame {
	const struct flo__pointer *at; /* NULL: no pointer leads here */
	size_t index;		       /* of the array's item */
	bool object;
};

struct flo__split {
	int fd;
	flo_context *context;	      /* borrowed; NULL: nobody ends it */
	const struct flo__mask *mask; /* borrowed; NULL: there are no secrets */
	bool eof;
	bool trust_lines;
	bool trusted; /* the last record's end was not looked for */
	char *buf;    /* owned */
	size_t cap;
	size_t window;
	size_t len;  /* bytes in buf */
	size_t at;   /* next byte to look at */
	size_t keep; /* first byte to keep; == at if none */
	bool keeping;
	bool lines;
	uint64_t base; /* offset of buf[0] in the stream */
	uint64_t records;
	uint64_t record_at;
	uint64_t newlines;		  /* between records */
	char *seen[FLO__SPLIT_WATCH_MAX]; /* owned; NULL: not there */
	size_t seen_len;
	struct flo__pointer root;
	const struct flo__pointer *next_at; /* the pointer of the next value */
	enum flo__want want;
	size_t depth;
	struct flo__frame frame[FLO__RECORD_DEPTH_MAX];
};

/*
 * Read more; at the end of the stream `eof` is set and nothing is added. The
 * context's status, if it has ended.
 */
flo_status flo__split_fill(struct flo__split *split, flo_error *err);

/* The next byte in *@ret_c without taking it, or -1 at the end. */
static inline flo_status flo__split_peek(struct flo__split *split,
					 flo_error *err, int *ret_c)
{
	if (split->at == split->len) {
		flo_status st = flo__split_fill(split, err);

		if (st != FLO_OK)
			return st;
	}
	*ret_c = split->at < split->len ? (unsigned char)split->buf[split->at]
					: -1;
	return FLO_OK;
}

/* Pass a string, number or word that begins with @c, checking its grammar. */
flo_status flo__split_skip_scalar(struct flo__split *split, int c,
				  flo_error *err);
/* Pass a string from after its opening quote to after its closing one. */
flo_status flo__split_skip_string(struct flo__split *split, flo_error *err);

/*
 * Note @text, of @len bytes, as what is at the watched @at, where the machine
 * is. FLO_LIMIT; FLO_SYNTAX: there was something already; FLO_NOMEM.
 */
flo_status flo__split_note(struct flo__split *split,
			   const struct flo__pointer *at, const char *text,
			   size_t len, flo_error *err);

/* Where byte @byte is: "byte 7", and of NDJSON "line 2, byte 7". */
struct flo__split_spot {
	char text[64];
};
struct flo__split_spot flo__split_spot(const struct flo__split *split,
				       uint64_t byte);

/* Say that @c (-1: the end) is where @wanted should be. FLO_SYNTAX. */
flo_status flo__split_unexpected(const struct flo__split *split, int c,
				 const char *wanted, flo_error *err);

#endif
