/**
 * Panics: how a coroutine says that it cannot go on.
 *
 * flo_panic() runs the flo_defer()red clean-ups of the calling coroutine in
 * LIFO order and ends what flo_try() began, which returns FLO_PANIC with the
 * message. A panic outside flo_try() ends the process with a report: there is
 * nobody to tell. Broken contracts (REQUIRE and friends) inside a flo_try()
 * are panics too. Blocking regions (flo_blocking_begin()) that began inside the
 * flo_try() are left before the clean-ups run. Panics are recorded where they happen and never carried to
 * another coroutine's wait.
 */
#ifndef FLO_PANIC_H
#define FLO_PANIC_H

#include <flo/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Fail the innermost flo_try() of this coroutine. Does not return. */
FLO_EXTERN void flo_panic(const char *format, ...)
	FLO_PRINTF(1, 2) FLO_NORETURN;

/**
 * Run @fn(@arg) in this coroutine; returns FLO_OK when it returned, FLO_PANIC
 * with the panic's message in @err when it panicked. They nest.
 */
FLO_EXTERN flo_status flo_try(void (*fn)(void *arg), void *arg, flo_error *err);

/**
 * Have @fn(@arg) called when the innermost flo_try() ends, by return or by
 * panic, last registered first. A clean-up that panics does not keep the
 * others from running; the first panic's message stays.
 *
 * @node must live until then. One on the stack of a function that returns
 * earlier is run before it returns, by flo_defer_run().
 *
 * Requires: called inside flo_try().
 */
struct flo_defer_node {
	struct flo_defer_node *next;
	void (*fn)(void *arg);
	void *arg;
};
FLO_EXTERN void flo_defer(struct flo_defer_node *node, void (*fn)(void *arg),
			  void *arg);

/**
 * Call now what was registered from @node on, last first, and @node's own last.
 *
 * Requires: @node is registered with the innermost flo_try() and was not run.
 */
FLO_EXTERN void flo_defer_run(struct flo_defer_node *node);

#ifdef __cplusplus
}
#endif
#endif
