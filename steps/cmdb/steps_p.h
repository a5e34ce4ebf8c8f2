/* What the step types of cmdb.* share: their arguments and outputs. */
#ifndef FLO_CMDB_STEPS_P_H
#define FLO_CMDB_STEPS_P_H

#include "steps/cmdb/db.h"

/*
 * Run @work(@arg) on the database that `db` names: opens and closes it, within
 * a blocking region. Every failure leaves with a text in @err.
 */
flo_status flo__cmdb_with_db(flo_step_call *call, const flo_value *with,
			     flo_status (*work)(struct flo__cdb *db, void *arg,
						flo_error *err),
			     void *arg, flo_error *err);

/*
 * The id in a handle: `with`[@name] is the output of an earlier step, a map
 * with the id under @name, or the id itself. Borrowed. A handle that says
 * "complete": false is refused.
 */
flo_status flo__cmdb_handle(const flo_value *with, const char *name,
			    flo_error *err, const char **ret_id);

/* Fill an output: a failure stays in *@st, and then nothing more happens. */
void flo__cmdb_put(flo_value *map, const char *key, flo_value *value,
		   flo_status *st);

/* FLO_NOMEM and the like with their text, where @err has none. */
flo_status flo__cmdb_told(flo_status st, flo_error *err);

#endif
