/**
 * Faults of native code, contained: best effort, off until it is asked for.
 *
 * After flo_fault_contain(), SIGSEGV, SIGBUS, SIGFPE, SIGILL, abort() and a
 * stack overflow inside a flo_try() of a coroutine are panics of that
 * coroutine: its clean-ups run, flo_try() returns FLO_PANIC with what was seen
 * and where, all others go on. What the fault has broken stays broken: memory
 * that it wrote to, locks that it held (malloc's, a FILE's, a mutex). So the
 * process is tainted from then on and should end when it can;
 * docs/panics.md has the table of what holds and what does not.
 *
 * Not contained, but given to the handler that the host had, or to the system:
 * faults on ordinary threads, outside flo_try(), in the scheduler, in flo/
 * functions that may hold a lock (a channel that is given a wild pointer), in
 * a handler of another signal; signals that somebody sent; a stack overflow
 * whose clean-ups leave no room. An overflow is told on stderr first. SIGTRAP
 * and SIGSYS belong to debuggers and sandboxes and are left alone.
 *
 * Needs Linux on x86-64 or aarch64 (on the latter it has only been compiled).
 * Works under AddressSanitizer and ThreadSanitizer, whose own reports of
 * contained faults do not appear.
 */
#ifndef FLO_FAULT_H
#define FLO_FAULT_H

#include <flo/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How faults are to be contained. All zero are the defaults. */
struct flo_fault_options {
	/* What the process exits with when a coroutine calls exit() and nobody
	 * calls flo_fault_exit(), after a report that names it; 0: what it gave
	 * to exit(). */
	int exit_code;
};

/**
 * Contain faults from now on, in all runtimes of the process, old and new.
 *
 * Handlers for the five signals are installed; what the host had is kept and
 * called for faults that are not ours, so install yours first. Calls are
 * counted; the @options (NULL: the defaults; not kept) of the first count.
 *
 * Threads: any. Does not block. Not from a signal handler.
 * Returns FLO_OK; FLO_SYSTEM where the system refuses or the processor is not
 * known, and then nothing has changed.
 */
FLO_EXTERN flo_status flo_fault_contain(const struct flo_fault_options *options,
					flo_error *err);

/**
 * Undo one flo_fault_contain(). The last one gives the signals back to the
 * handlers that the host had, except those for which it has set others since.
 *
 * Threads: any. Does not block. Not from a signal handler.
 * Requires: there were more calls of flo_fault_contain() than of this.
 */
FLO_EXTERN void flo_fault_release(void);

/**
 * Make exit() in a native step a panic: for a program's own exit(), which
 * stands before the C library's and calls this first (flowctl's is cli/exit.c;
 * a library cannot put one into its host).
 *
 * Inside flo_try() of a coroutine, while faults are contained, it does not
 * return: flo_try() returns FLO_PANIC, "called exit(N)", and no exit handler
 * has run. That is no fault and does not taint. Anywhere else it returns, and
 * the caller goes on to the C library's exit(). Any thread.
 */
FLO_EXTERN void flo_fault_exit(int status);

/**
 * Tell how many faults this process has contained: it is tainted unless 0.
 * Panics by flo_panic() and broken contracts do not taint. Any thread.
 */
FLO_EXTERN unsigned flo_fault_tainted(void);

#ifdef __cplusplus
}
#endif
#endif
