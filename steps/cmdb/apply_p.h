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

#endif
