/* What the files of an apply share. */
#ifndef FLO_CMDB_APPLY_P_H
#define FLO_CMDB_APPLY_P_H

#include "steps/cmdb/plan.h"

/* FLO_CORRUPT: @plan made @rows rows where @want should be. */
flo_status flo__apply_unfit(const struct flo__cdb *db,
			    const struct flo__cmdb_plan *plan, int64_t rows,
			    int64_t want, flo_error *err);

/*
 * Write what @plan adds and changes into the history, as of @ts. Within the
 * apply's transaction. Holds some 50 bytes for each. FLO_NOMEM, FLO_CORRUPT, the
 * database's errors.
 */
flo_status flo__apply_versions(struct flo__cdb *db,
			       const struct flo__cmdb_plan *plan, int64_t ts,
			       flo_error *err);

/*
 * Write @plan to the state. Within the apply's transaction. FLO_CORRUPT, the
 * database's errors.
 *
 * Statements that write many rows say OR FAIL: what fails rolls all back, so
 * SQLite need not remember, page by page, what was before the statement.
 */
flo_status flo__apply_state(struct flo__cdb *db,
			    const struct flo__cmdb_plan *plan, flo_error *err);

/*
 * Write which versions @plan ends, as of @ts; begin() may have them read
 * meanwhile, and gives NULL where that is not worth it, or not to be had. Holds
 * some 50 bytes for each then. Errors as flo__apply_versions().
 *
 * Requires: begin() is called in the apply's transaction, before anything is
 * written; free(), for whatever it gave, before that ends.
 */
struct flo__ended;
void flo__ended_begin(struct flo__cdb *db, const struct flo__cmdb_plan *plan,
		      struct flo__ended **ret_ended);
flo_status flo__ended_write(struct flo__ended *ended, struct flo__cdb *db,
			    const struct flo__cmdb_plan *plan, int64_t ts,
			    flo_error *err);
void flo__ended_free(struct flo__ended *ended);

#endif
