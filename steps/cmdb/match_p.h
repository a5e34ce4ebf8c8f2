/* What the parts of a match share. */
#ifndef FLO_CMDB_MATCH_P_H
#define FLO_CMDB_MATCH_P_H

#include "steps/cmdb/match.h"

/* Whether a key of which @present is there is one that must not be. */
bool flo__match_null_key(const struct flo__match *match, unsigned present);

/*
 * Note the key of the record in row @body for the error, and count it.
 */
flo_status flo__match_bad_key(struct flo__match *match, int64_t body,
			      int64_t *count, flo_error *err);

/* FLO_INVALID, which names them, if there are keys that must not be. */
flo_status flo__match_check_keys(const struct flo__match *match,
				 flo_error *err);

/* A change of entry @entry; NULL without memory. */
struct flo__change *flo__match_change(struct flo__match *match, char op,
				      uint32_t entry);

/* Remove the entry @entry of the state. FLO_NOMEM. */
flo_status flo__match_remove(struct flo__match *match, uint32_t entry);

/*
 * Read the records that change: for keys as people see them, and for the fields
 * that differ.
 */
flo_status flo__match_texts(struct flo__match *match, flo_error *err);
void flo__field_counts_fini(struct flo__field_counts *fields);

/* Decide about what the pull did not have; see absent.c. */
flo_status flo__match_absent(struct flo__match *match, flo_error *err);

/* Count the parts of a key that are there. */
void flo__match_present(const struct flo__match *match, unsigned present,
			int64_t *count);

/* The pull is what the state is. */
void flo__match_itself(struct flo__match *match);

/*
 * Read what the pull tells of the state that it did not find. FLO_FAILED: what
 * it did find has changed since.
 */
flo_status flo__match_told(struct flo__match *match, flo_error *err);

/* Read the records of the state that are looked at. */
flo_status flo__match_state(struct flo__match *match, flo_error *err);

/* Match what the pull has left out because the state holds it. */
flo_status flo__match_seen(struct flo__match *match, flo_error *err);

/*
 * Whether the state holds a record of @key that the pull has found, of which
 * there is no entry.
 */
flo_status flo__match_is_seen(struct flo__match *match,
			      const struct flo__digest *key, flo_error *err,
			      bool *ret_seen);

#endif
