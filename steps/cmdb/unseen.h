/*
 * What of the state a pull did not find, and what it found more than once: lists
 * of keys' digests in the tables `unseen` and `twice`. Only pulls of everything
 * have any, and those that found something at all.
 */
#ifndef FLO_CMDB_UNSEEN_H
#define FLO_CMDB_UNSEEN_H

#include "steps/cmdb/db.h"
#include "steps/cmdb/index.h"

#define FLO__UNSEEN_INSERT "INSERT INTO unseen VALUES(?1, ?2)"
#define FLO__TWICE_INSERT  "INSERT INTO twice VALUES(?1, ?2)"

/* Write the list @keys for the pull @no, with @insert. Within a transaction. */
flo_status flo__unseen_write(struct flo__cdb *db, const char *insert,
			     int64_t no, const struct flo__strbuf *keys,
			     flo_error *err);

#define FLO__UNSEEN_SELECT                                                     \
	"SELECT keys FROM unseen WHERE id BETWEEN ?1 AND ?2 ORDER BY id"
#define FLO__TWICE_SELECT                                                      \
	"SELECT keys FROM twice WHERE id BETWEEN ?1 AND ?2 ORDER BY id"

/* Append the list of the pull @no, read with @select. FLO_CORRUPT, FLO_NOMEM. */
flo_status flo__unseen_read(struct flo__cdb *db, const char *select, int64_t no,
			    struct flo__strbuf *keys, flo_error *err);

/* The same as a set. Starts as zeros. */
struct flo__unseen {
	struct flo__digest *key; /* owned */
	size_t len;
	struct flo__index by_key;
};

/*
 * Read what the pull @no did not find in the state of @source as it is now,
 * which was at version @base when the pull looked. What an apply has added or
 * removed since, and the pull had not found either, is in the set. FLO_FAILED:
 * since then something has changed that the pull did find.
 */
flo_status flo__unseen_load(struct flo__unseen *unseen, struct flo__cdb *db,
			    int64_t source, int64_t no, int64_t base,
			    flo_error *err);
bool flo__unseen_has(const struct flo__unseen *unseen,
		     const struct flo__digest *key);
void flo__unseen_fini(struct flo__unseen *unseen);

#endif
