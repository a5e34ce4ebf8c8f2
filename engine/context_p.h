/*
 * Being told when a context ends: how waits become cancellable.
 */
#ifndef FLO_ENGINE_CONTEXT_P_H
#define FLO_ENGINE_CONTEXT_P_H

#include <flo/context.h>

#include <stdbool.h>

/* The runtime @context was made for. */
struct flo_runtime *flo__context_runtime(const flo_context *context);

/*
 * Embedded in whoever waits. @fn runs in the canceller (any thread, a timer's
 * function too) with no lock held: it may take short locks and ready
 * coroutines; it must not park, nor give back a reference to a context.
 */
struct flo__context_watch {
	/* by the context's lock; next is NULL while it is not on the list */
	struct flo__context_watch *next, *prev;
	void (*fn)(struct flo__context_watch *watch);
};

/*
 * Have @watch->fn called once when @context ends.
 * Returns false if it has ended already; @fn is not called then.
 */
bool flo__context_watch_add(flo_context *context,
			    struct flo__context_watch *watch);

/*
 * Stop watching: once for each flo__context_watch_add() that returned true.
 * On return @fn is not running and will not run.
 * Returns true if @fn never ran. Not from @fn, nor with a lock that @fn takes.
 */
bool flo__context_watch_del(flo_context *context,
			    struct flo__context_watch *watch);

#endif
