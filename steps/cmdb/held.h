/*
 * What the state of a source holds already, so that a pull need not stage it:
 * digests only.
 */
#ifndef FLO_CMDB_HELD_H
#define FLO_CMDB_HELD_H

#include "steps/cmdb/db.h"
#include "steps/cmdb/index.h"
#include "steps/cmdb/record.h"

struct flo__held {
	struct flo__digest *raw;  /* owned */
	struct flo__digest *what; /* owned: flo__held_what(), or NULL */
	size_t len;
	struct flo__index by_raw;
	struct flo__index by_what;
};

/*
 * Read the raw digests of the state of @source. FLO_NOMEM, and the database's
 * errors.
 *
 * The state may be moved by an apply meanwhile; then what is held may be no
 * longer there, which the diff notices.
 */
flo_status flo__held_load(struct flo__held *held, struct flo__cdb *db,
			  int64_t source, flo_error *err);
/*
 * As flo__held_load(), with what the records are: digests that were made under
 * @spec, a spec's text, as those must be that are compared with them. Where the
 * state is not, or no longer, under @spec, nothing is read and *@ret_loaded is
 * false. Once it is read, another spec of the state does no harm: what is found
 * stands for the raw digest of a record, which means the same under any spec.
 */
flo_status flo__held_load_what(struct flo__held *held, struct flo__cdb *db,
			       int64_t source, const char *spec, flo_error *err,
			       bool *ret_loaded);
/* Starts as zeros. */
void flo__held_fini(struct flo__held *held);

/* The digest of a record that is the same, under the same key. */
struct flo__digest flo__held_what(const struct flo__digest *key,
				  const struct flo__digest *body);

#endif
