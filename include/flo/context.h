/**
 * Contexts: how a cancellation, and why, reaches everything it concerns.
 *
 * A context is a node of a tree. Cancelling one cancels all below it, with the
 * same cause; a deadline does so by itself (a child's deadline is the smallest
 * of its own and its parents'). Every wait of this library has a variant that
 * ends with a context. A context also carries values for whatever runs under
 * it. Semantics: Go's package context, with its WithCancelCause.
 *
 * Threads: any thread and any coroutine, except where a function says less.
 * Contexts are reference counted; a parent outlives its children by itself.
 */
#ifndef FLO_CONTEXT_H
#define FLO_CONTEXT_H

#include <flo/error.h>

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A node of the tree; each pointer that is kept is a reference. */
typedef struct flo_context flo_context;
struct flo_chan;
struct flo_runtime;

/**
 * Make a root context of @runtime that is never cancelled by itself. It must
 * be given back before @runtime is freed. NULL makes a tree without deadlines.
 *
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_context *flo_context_new(struct flo_runtime *runtime);

/**
 * Make a child of @parent that can be cancelled on its own.
 *
 * A child of an ended parent is born ended, with the parent's cause. It keeps
 * a reference to @parent.
 *
 * Requires: @parent is not NULL.
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_context *flo_context_child(flo_context *parent);

/**
 * Make a child of @parent that ends by itself with FLO_TIMEOUT after
 * @timeout_ns nanoseconds of the runtime's clock.
 *
 * @why is the text of its cause (copied, at most 255 bytes; names whose limit
 * it was, "step timeout of 30s"; may be NULL). If the parent's deadline comes
 * first, only that one counts. With a @timeout_ns of 0 it is born ended; with
 * UINT64_MAX it has no limit of its own.
 *
 * Requires: @parent is not NULL and its tree has a runtime.
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_context *
flo_context_timeout(flo_context *parent, uint64_t timeout_ns, const char *why);

/**
 * Make a child of @parent that carries @value under @key for itself and all
 * below it. It can be cancelled on its own, as any child.
 *
 * A key is an address, so that keys of different programmers cannot meet: that
 * of a static variable of whoever looks it up. @value is taken: @dispose (may
 * be NULL) gets it when the last reference to the context is given back, in
 * whatever thread or coroutine does that; it must not park. On failure @value
 * stays the caller's. Semantics: Go's context.WithValue.
 *
 * Requires: @parent and @key are not NULL.
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_context *flo_context_with_value(flo_context *parent,
					       const void *key, void *value,
					       void (*dispose)(void *value));

/**
 * Give the value that @context or the nearest of its ancestors carries under
 * @key; NULL if none does. Borrowed while the caller keeps @context. Never
 * blocks; takes a step for each ancestor.
 *
 * Requires: @context and @key are not NULL.
 */
FLO_EXTERN void *flo_context_value(const flo_context *context, const void *key);

/**
 * Take another reference and return @context. NULL is allowed. Never blocks.
 *
 * Requires: the caller holds a reference, or somebody does for it meanwhile.
 */
FLO_EXTERN flo_context *flo_context_ref(flo_context *context);

/**
 * Give a reference back. The last one disarms the deadline and frees; it does
 * not cancel children that others still hold. NULL is allowed. May wait for a
 * cancellation that is just passing through: no lock may be held.
 *
 * Requires: nobody waits under @context without a reference of its own, nor in
 * its flo_context_done().
 */
FLO_EXTERN void flo_context_unref(flo_context *context);

/**
 * Cancel @context and everything below it, and disarm their deadlines. The
 * first call decides the cause; later ones do nothing. @cause is copied; NULL,
 * or one whose status is FLO_OK, means FLO_CANCELED. Whatever the cause, the
 * status of @context is FLO_CANCELED then. Wakes who waits, and waits for none
 * of them; not to be called in the handler of a signal.
 *
 * Requires: @context is not NULL; the caller holds a reference throughout, and
 * no lock.
 */
FLO_EXTERN void flo_context_cancel(flo_context *context,
				   const flo_error *cause);

/**
 * Say whether @context has ended: FLO_OK while it lives, FLO_CANCELED after a
 * cancellation, FLO_TIMEOUT after its deadline (or a parent's). Never blocks.
 * It does not change any more once it is not FLO_OK, and what the canceller did
 * before can be read then.
 *
 * Requires: @context is not NULL.
 * Returns one of these three.
 */
FLO_EXTERN flo_status flo_context_status(const flo_context *context);

/**
 * Copy why @context ended to @ret_cause (may be NULL), which stays untouched
 * while it lives. The status in it is the canceller's own, FLO_FAILED say.
 *
 * Requires: @context is not NULL.
 * Returns what flo_context_status() does: FLO_CANCELED in that case, too.
 */
FLO_EXTERN flo_status flo_context_cause(const flo_context *context,
					flo_error *ret_cause);

/**
 * Give the channel that is closed when @context ends (flo/chan.h), for a case
 * of a flo_select(): a receive from it then gives FLO_CLOSED. Nothing is ever
 * sent on it.
 *
 * Borrowed while the caller keeps @context, which alone closes it. A wait that
 * takes a context itself needs none. Cannot fail. Never blocks.
 *
 * Requires: @context is not NULL.
 */
FLO_EXTERN struct flo_chan *flo_context_done(flo_context *context);

/**
 * Give the deadline in nanoseconds of flo_now(), UINT64_MAX if there is none.
 * It is the smallest of its own and its ancestors'. Never blocks.
 *
 * Requires: @context is not NULL.
 */
FLO_EXTERN uint64_t flo_context_deadline(const flo_context *context);

#ifdef __cplusplus
}
#endif
#endif
