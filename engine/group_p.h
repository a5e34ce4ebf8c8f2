/*
 * What the runner needs of a group beyond flo/group.h: a slot taken apart
 * from the start of its member, because a leaf takes its block's slot first
 * and the run's slot second, and a retry in back-off gives both up.
 */
#ifndef FLO_ENGINE_GROUP_P_H
#define FLO_ENGINE_GROUP_P_H

#include <flo/group.h>

#include <stddef.h>

/*
 * Take a slot of @group, parking FIFO; with @front before all who wait.
 * Returns FLO_OK or the status of the group's context, and then holds none.
 * Without a limit it succeeds at once.
 */
flo_status flo__group_slot_take(flo_group *group, bool front);

/* Give back a slot that was taken with flo__group_slot_take(). */
void flo__group_slot_give(flo_group *group);

/*
 * Take a slot back that a member gave up for a while, before all who wait. In
 * a cancelled group it does not wait and may exceed the limit: the member's
 * end will give a slot back, and nobody is admitted there any more.
 */
void flo__group_slot_retake(flo_group *group);

/*
 * Start a member on a slot that the caller took; the member's end gives it
 * back. @stack_size and @name as in flo_go_with(). On failure the caller still
 * holds the slot. A cancelled group still starts it: the caller decides.
 */
flo_status flo__group_go_taken(flo_group *group, flo_group_fn fn, void *arg,
			       size_t stack_size, const char *name);

#endif
