/* A pull on its way, for the files that work on it: stage*.c. */
#ifndef FLO_CMDB_STAGE_P_H
#define FLO_CMDB_STAGE_P_H

#include "steps/cmdb/drain.h"
#include "steps/cmdb/stage.h"

#include <stdatomic.h>

/*
 * Note: the ring.
 *
 * Batches lie in a ring and go round it in one order: the one that is being
 * filled, those that are worked on, those that are done, those that are free.
 *
 *	written <= taken <= started <= written + RING
 *
 * are numbers of batches so far; each is at its number modulo RING. When all
 * are in use, the older half is taken back and written in one transaction,
 * while the younger half is being worked on. Only the stage's owner knows these
 * numbers; who owns a batch's content says task.h. Where records are large, the
 * ring counts as full before it is, so that memory stays bounded.
 */
#define RING	   32
#define RING_BYTES (16u << 20) /* of texts; large records fill it with few */

struct flo__stage {
	struct flo__cdb *db; /* borrowed */
	struct flo__pull pull;
	int64_t source;
	enum flo__pull_is is;
	struct flo__pointer gone_root; /* of how.gone */
	struct flo__spec *spec;	    /* of the last apply; NULL: none. owned */
	struct flo__held held;	    /* raw digests and keys */
	struct flo__held_what what; /* loaded when it pays: see look_wider() */
	unsigned char *seen;	    /* owned: a bit for each place of `held` */
	struct flo__batch_how how;
	struct flo__batch_how how_wider;
	char applied[FLO__DIGEST_TEXT_SIZE]; /* the shape of the state's pull */
	bool prepared;			     /* see prepare() */
	bool wider; /* look for what is the same in other bytes, too */
	struct flo__batch ring[RING];
	uint64_t written;
	uint64_t taken;
	uint64_t started;
	struct flo__strbuf run;	  /* of records that are staged: see staged.h */
	struct flo__strbuf twice; /* keys that were found again */
	uint64_t hits_len;	  /* in all, those of `same` too */
	uint64_t staged_len;	  /* in all: the next one's place */
	atomic_bool stop;	  /* see struct flo__batch_how */
	enum flo__task_owner owner; /* where the caller is */
	struct flo__drain *drain;   /* owned; NULL: there is none */
	bool open; /* the pull is in the database, incomplete */
};

/*
 * Put the pull into the database, incomplete, and choose its id: one of the same
 * id, which was cut off, is taken out. Sets what is known of the source.
 */
flo_status flo__stage_begin(struct flo__stage *stage, const char *source,
			    flo_error *err);

#endif
