/* Store a state's digests under another spec. */
#ifndef FLO_CMDB_REBASE_H
#define FLO_CMDB_REBASE_H

#include "steps/cmdb/plan.h"

/*
 * Digest the state of @plan's source again under the plan's spec, and write the
 * history's keys as that spec says. Within a write transaction.
 */
flo_status flo__rebase(struct flo__cdb *db, const struct flo__cmdb_plan *plan,
		       flo_error *err);

#endif
