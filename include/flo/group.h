/**
 * A set of coroutines that succeed or fail as one.
 *
 * The first to fail cancels the rest; flo_group_wait() reports that first
 * error and no other. A group serves one piece of work and is not reused.
 * Semantics: golang.org/x/sync/errgroup.
 *
 * A member that was started (FLO_OK) always runs, even if the group is
 * cancelled before its turn: it finds @context ended, and may count on being
 * the one who disposes of @arg. As in Go, a member that panics outside
 * flo_try() ends the process.
 *
 * Threads: any coroutine of the group's runtime, except flo_group_free(),
 * which its creator calls once.
 */
#ifndef FLO_GROUP_H
#define FLO_GROUP_H

#include <flo/context.h>

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct flo_group flo_group;

/**
 * One member: does its work under @context, which ends when the group is
 * cancelled. Returns FLO_OK, or a failure with its detail in @err.
 */
typedef flo_status (*flo_group_fn)(flo_context *context, void *arg,
				   flo_error *err);

/**
 * Open a group whose context is a child of @parent.
 * Returns FLO_OK and a group the caller frees, or FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_group_new(flo_context *parent, flo_group **ret_group);

/** At most @limit members at once; 0: no limit. Requires: none started yet. */
FLO_EXTERN void flo_group_set_limit(flo_group *group, uint32_t limit);

/**
 * Start @fn(@arg) as a member.
 *
 * Parks the caller while the group is at its limit, so a producer is slowed,
 * never refused; members start in the order of these calls. @arg is borrowed
 * and must outlive the member.
 *
 * Returns FLO_OK once it is queued; FLO_CANCELED if the group was cancelled
 * first, and then @fn never runs; FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_group_go(flo_group *group, flo_group_fn fn,
				   void *arg);

/** As flo_group_go(), but FLO_AGAIN instead of parking at the limit. */
FLO_EXTERN flo_status flo_group_try_go(flo_group *group, flo_group_fn fn,
				       void *arg);

/** The context all members run under; borrowed until flo_group_free(). */
FLO_EXTERN flo_context *flo_group_context(flo_group *group);

/**
 * Wait until every member has ended, whatever their outcome, and cancel the
 * group's context. Returns FLO_OK or the first failure's status, with its
 * detail in @err. A cancellation from outside is no failure of the group's.
 *
 * Requires: called once, in a coroutine. Only members may start members while it
 * waits.
 */
FLO_EXTERN flo_status flo_group_wait(flo_group *group, flo_error *err);

/** Free. NULL is allowed. Requires: flo_group_wait() has returned. */
FLO_EXTERN void flo_group_free(flo_group *group);

#ifdef __cplusplus
}
#endif
#endif
