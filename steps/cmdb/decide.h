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
 * Find the plan of the pull @pull_id under the spec @spec that a person has
 * approved and that was carried out, however long ago: whoever goes on with
 * its run has its changes to export, and nothing to diff.
 */
flo_status flo__plan_find_applied(struct flo__cdb *db, const char *pull_id,
				  const char *spec, flo_error *err,
				  struct flo__cmdb_plan *ret_plan,
				  bool *ret_found);
/*
 * Find the plan that a person has approved and that waits, in place of @plan,
 * which a diff has just computed under the spec @spec. It is from the same base
 * and comes to the same counts; and it is of the same pull, or, where @match is
 * given as there was none, to the same changes. *@plan is replaced by it if
 * *@ret_found, and it belongs to the run of @plan from then on. Not in a
 * transaction.
 */
flo_status flo__plan_find_waiting(struct flo__cdb *db,
				  struct flo__cmdb_plan *plan, const char *spec,
				  const struct flo__match *match,
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
