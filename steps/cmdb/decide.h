/*
 * What people say of plans: a plan that a guard has blocked is released by an
 * approval, and one that was rejected is never applied.
 *
 * A decision is about one plan and the state that it was computed against. An
 * approval makes the plan ready; whether that is still its base, apply looks at
 * itself.
 */
#ifndef FLO_CMDB_DECIDE_H
#define FLO_CMDB_DECIDE_H

#include "steps/cmdb/plan.h"

/* FLO_BLOCKED, and by whom, if @plan was rejected. */
flo_status flo__plan_not_rejected(const struct flo__cmdb_plan *plan,
				  flo_error *err);

/*
 * FLO_FAILED unless its source is as it was when @plan was computed. In the
 * transaction that is to carry it out or to approve it.
 */
flo_status flo__plan_current(struct flo__cdb *db,
			     const struct flo__cmdb_plan *plan, flo_error *err);

/*
 * Find the plan that a person has approved in place of @plan, which a diff has
 * just computed under the spec @spec, of the same pull. *@plan is replaced by
 * it, and it belongs to the run @run_id from then on, if *@ret_found.
 *
 * @applied: it is carried out already, and the state is what it made. Else: it
 * waits, is from the same base and comes to the same counts.
 */
flo_status flo__plan_find_approved(struct flo__cdb *db,
				   struct flo__cmdb_plan *plan,
				   const char *spec, bool applied,
				   flo_error *err, bool *ret_found);

/* What a decision is. All is borrowed. */
struct flo__decision {
	enum flo__plan_decision what; /* approved or rejected */
	const char *by;
	const char *note; /* or NULL */
};

/*
 * Decide about the plan @id, durably. What was decided the same way before
 * stays as it is: *@ret_before. FLO_CLOSED: it is applied, or was rejected and
 * is to be approved; FLO_FAILED as flo__plan_current(); FLO_NOTFOUND.
 */
flo_status flo__plan_decide(struct flo__cdb *db, const char *id,
			    const struct flo__decision *decision,
			    flo_error *err, bool *ret_before);

/*
 * Carry the plan @id out as cmdb.apply does, but without a run: once, in one
 * transaction. *@ret_applied is false where that was done before.
 */
flo_status flo__plan_apply(struct flo__cdb *db, const char *id, flo_error *err,
			   struct flo__cmdb_plan *ret_plan, bool *ret_applied);

#endif
