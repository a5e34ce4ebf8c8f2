/*
 * What the state of a source holds already, so that a pull need not stage it:
 * digests only, in the order of the keys' digests.
 */
#ifndef FLO_CMDB_HELD_H
#define FLO_CMDB_HELD_H

#include "steps/cmdb/db.h"
#include "steps/cmdb/index.h"
#include "steps/cmdb/record.h"

struct flo__held {
	struct flo__digest *raw; /* owned */
	struct flo__digest *key; /* owned */
	size_t len;
	size_t lower; /* places of the lower half: see held.c */
	struct flo__index by_raw;
	int64_t version; /* of the source, as it was read */
	bool partial;	 /* some record lacks a part of its key */
	bool broken;	 /* some row was left out: see flo__held_load() */
};

/* What the records of a struct flo__held are, place by place. */
struct flo__held_what {
	struct flo__digest *what; /* owned: flo__held_what() */
	struct flo__index by_what;
};

/*
 * Read the raw digests and the keys of the state of @source, whose key has
 * @parts (0: that is not known). A row that is broken is left out, as the diff
 * will say so. FLO_NOMEM, and the database's errors.
 *
 * Requires, as flo__held_widen(): in the step's blocking region.
 *
 * The state may be moved by an apply meanwhile: the diff looks at the version.
 */
flo_status flo__held_load(struct flo__held *held, struct flo__cdb *db,
			  int64_t source, size_t parts, flo_error *err);
/*
 * Read what the records of @held are: digests that were made under @spec, a
 * spec's text, as those must be that are compared with them. Where the state is
 * no longer what it was when @held was read, or was never made under @spec,
 * nothing is read and *@ret_loaded is false.
 */
flo_status flo__held_widen(struct flo__held *held, struct flo__held_what *what,
			   struct flo__cdb *db, int64_t source,
			   const char *spec, flo_error *err, bool *ret_loaded);
/* Both start as zeros. */
void flo__held_fini(struct flo__held *held);
void flo__held_what_fini(struct flo__held_what *what);

/* The digest of a record that is the same, under the same key. */
struct flo__digest flo__held_what(const struct flo__digest *key,
				  const struct flo__digest *body);

#endif
