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

/** A group: made by flo_group_new(), waited for once, then freed. */
typedef struct flo_group flo_group;

/**
 * Do the work of one member under @context, which ends when the group is
 * cancelled. @context is borrowed until it returns. @err is not NULL and empty;
 * without detail the status's own text is the error's.
 *
 * Threads: called once, in a coroutine with the runtime's default stack.
 * Returns FLO_OK, or a failure with its detail in @err.
 */
typedef flo_status (*flo_group_fn)(flo_context *context, void *arg,
				   flo_error *err);

/**
 * Open a group whose context is a child of @parent, in the runtime of that.
 *
 * Threads: any. Starting members without a limit is fastest in the coroutine
 * that has called this.
 * Requires: @parent is not NULL. If its tree has no runtime, members run in
 * that of the coroutine which starts them.
 * Returns FLO_OK and a group the caller frees, or FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_group_new(flo_context *parent, flo_group **ret_group);

/**
 * Let at most @limit members run at once; 0: no limit, as in a new group.
 *
 * Requires: no member was started yet.
 */
FLO_EXTERN void flo_group_set_limit(flo_group *group, uint32_t limit);

/**
 * Start @fn(@arg) as a member.
 *
 * Parks the caller while the group is at its limit, so a producer is slowed,
 * never refused; members start in the order of these calls. A member that
 * starts members of its own group at the limit may wait for itself. @arg is
 * borrowed and must outlive the member.
 *
 * Requires: @fn is not NULL.
 * Returns FLO_OK once it is queued; FLO_CANCELED if the group's context ended
 * first, by a deadline too, and then @fn never runs; FLO_NOMEM, likewise.
 */
FLO_EXTERN flo_status flo_group_go(flo_group *group, flo_group_fn fn,
				   void *arg);

/**
 * Start a member as flo_group_go() does, but only if that needs no waiting.
 *
 * Requires: @fn is not NULL.
 * Returns FLO_OK, FLO_CANCELED or FLO_NOMEM as flo_group_go() does; FLO_AGAIN
 * at the limit, or if others wait for it, and then @fn never runs.
 */
FLO_EXTERN flo_status flo_group_try_go(flo_group *group, flo_group_fn fn,
				       void *arg);

/**
 * Give the context all members run under. Borrowed until flo_group_free(). To
 * cancel it is to cancel the group, which is no failure.
 */
FLO_EXTERN flo_context *flo_group_context(flo_group *group);

/**
 * Wait until every member has ended, whatever their outcome, and cancel the
 * group's context. It ends with the members only, not with a context.
 *
 * A cancellation from outside is no failure of the group's: if members were
 * not started because of it, or ended early and called that FLO_OK, so does
 * this. Ask flo_context_status() of the parent if it matters (errgroup, too).
 *
 * Requires: called once, in a coroutine. Only members may start members while
 * it waits.
 * Returns FLO_OK or the first failure's status, with its detail in @err. What
 * members have written can be read then.
 */
FLO_EXTERN flo_status flo_group_wait(flo_group *group, flo_error *err);

/**
 * Free @group. NULL is allowed. Never blocks.
 *
 * Requires: flo_group_wait() has returned, also if no member was started.
 */
FLO_EXTERN void flo_group_free(flo_group *group);

#ifdef __cplusplus
}
#endif
#endif
