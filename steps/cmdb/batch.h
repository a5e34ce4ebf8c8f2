/*
 * Some records on their way into the database: what is to be computed of them
 * is computed of all at once, as a task (see task.h).
 *
 * The stage fills a batch, starts it, and takes it back to write what came out.
 */
#ifndef FLO_CMDB_BATCH_H
#define FLO_CMDB_BATCH_H

#include "steps/cmdb/held.h"
#include "steps/cmdb/pack.h"
#include "steps/cmdb/reading.h"
#include "steps/cmdb/task.h"

#include <stdatomic.h>

/* A batch is full with so many bytes or records: some milliseconds of work. */
#define FLO__BATCH_BYTES   (128u << 10)
#define FLO__BATCH_RECORDS 1024

/* Where a record lies in its source, for errors: "record 7 (byte 120)", and of
 * NDJSON "record 7 (line 9, byte 120)". */
struct flo__place {
	const char *unit; /* "record", "row"; lives for ever. NULL: untold */
	uint64_t number;  /* from 1 */
	uint64_t byte;	  /* its first one, or FLO__PLACE_NO_BYTE */
	uint64_t line;	  /* from 1; 0: not of NDJSON */
	uint32_t page;	  /* from 1; 0: there is but one */
	bool trusted;	  /* for flo__split_check_line(), with the others */
};
#define FLO__PLACE_NO_BYTE UINT64_MAX

enum flo__batch_is {
	FLO__BATCH_HIT,	     /* the state holds its bytes */
	FLO__BATCH_SAME,     /* it is what the state holds, in other bytes */
	FLO__BATCH_NEW,	     /* to be staged */
	FLO__BATCH_REJECTED, /* its shape leaves it out */
};

struct flo__batch_row {
	size_t at; /* its text in `texts`, where it is shaped in `shaped`, or,
		    * once it is read, in `bodies`; of SAME, in `same` */
	size_t len;
	struct flo__place place;
	struct flo__digest raw;
	uint32_t held; /* of HIT and SAME: the place in how->held */
	struct flo__identity id;
	enum flo__batch_is is;
	bool gone;
	bool shaped; /* its text is in `shaped` */
	bool spaced; /* there is space between its tokens */
};

/*
 * What becomes of a record: unless *@ret_keep it is left out, else
 * *@ret_text is staged instead of it, which may be @text, or lie in @into, which
 * is lent. Of a record that is @gone the key is wanted.
 *
 * Threads: called by tasks, with another @into each.
 */
typedef flo_status (*flo__shape_fn)(const void *arg, const char *text,
				    size_t len, bool gone,
				    struct flo__strbuf *into, flo_error *err,
				    bool *ret_keep, const char **ret_text,
				    size_t *ret_len);

/* How records are read: the same for all batches, which only look at it. */
struct flo__batch_how {
	const struct flo__held *held;
	const struct flo__held_what *what; /* NULL: look at bytes only */
	const struct flo__spec *spec;	   /* NULL: not known yet */
	bool full; /* else of changes: nothing is looked up */
	const struct flo__pointer *gone; /* NULL: no record ever is */
	flo__shape_fn shape;		 /* NULL: records stay what they are */
	const void *shape_arg;		 /* borrowed */
	struct flo__mask *mask;	 /* the stage's: hides in errors; or NULL */
	struct flo__digest salt; /* of how records are read: see batch.c */
	/* Nobody wants what comes out any more: leave off at the next record.
	 * Relaxed, it is a hint; the owner's, which outlives the tasks. */
	const atomic_bool *stop;
};

struct flo__batch {
	struct flo__task task;
	const struct flo__batch_how *how; /* borrowed; set before the start */
	struct flo__strbuf texts;
	struct flo__strbuf shaped;
	struct flo__batch_row *row; /* owned */
	size_t len;
	size_t cap;
	/* What comes out: bodies without space, those of SAME in `same`. */
	struct flo__strbuf bodies;
	struct flo__strbuf same;   /* a line each: see same.h */
	struct flo__strbuf packed; /* `same`, made smaller */
	flo__packer *packer;	   /* owned */
	size_t hits;
	size_t sames;
	size_t rejected; /* by the shape */
	size_t left_out; /* of these; the others are staged as gone */
	flo_status st;	 /* of the first record that cannot be read */
	flo_error err;
	struct flo__reading reading;
	struct flo__strbuf scratch;
	struct flo__strbuf shape_scratch;
};

/* Starts as zeros, but for what these do. */
void flo__batch_init(struct flo__batch *batch);
void flo__batch_fini(struct flo__batch *batch);

/* Put a copy of a record in. FLO_NOMEM. */
flo_status flo__batch_add(struct flo__batch *batch, const char *text,
			  size_t len, const struct flo__place *place);
bool flo__batch_is_full(const struct flo__batch *batch);

/* Empty it for the next records. Requires: it is not being worked on. */
void flo__batch_reset(struct flo__batch *batch);

#endif
