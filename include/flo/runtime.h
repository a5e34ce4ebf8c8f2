/**
 * The runtime: a Go-style M:N scheduler of stackful coroutines.
 *
 * A runtime owns P scheduler slots, as many threads as it needs, one poller
 * and the timers. Several can live in one process and know nothing of each
 * other. A coroutine is a C function on a small stack of its own that parks
 * instead of blocking; it may resume on another thread, so it must not keep a
 * thread-local (errno included) across a call that can park.
 *
 * Life: flo_runtime_new() -> flo_runtime_run() any number of times, from any
 * ordinary thread -> flo_runtime_free().
 */
#ifndef FLO_RUNTIME_H
#define FLO_RUNTIME_H

#include <flo/context.h>
#include <flo/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A scheduler with its threads: made by flo_runtime_new(). */
typedef struct flo_runtime flo_runtime;

/**
 * What a coroutine runs; @arg is borrowed until it returns. Outside flo_try() a
 * panic in it ends the process.
 */
typedef void (*flo_fn)(void *arg);

/**
 * How the free choices of a scheduler are made: which coroutine runs next,
 * which of several timers that are due, which case of a select.
 *
 * The last two are for tests; docs/simulation.md tells how to use them.
 */
enum flo_drive {
	/** For speed, on as many threads as there are P. */
	FLO_DRIVE_NORMAL,
	/**
	 * At random, on as many threads: also where the normal drive would
	 * never choose so, and a coroutine yields now and then before it waits.
	 * The threads' own timing stays what it is.
	 */
	FLO_DRIVE_SHUFFLED,
	/**
	 * On one thread and on a virtual clock, drawn from `seed`: the same
	 * seed makes the same choices. The clock stands while any coroutine can
	 * run or waits for something outside (a descriptor, a note), and then
	 * jumps to the next timer, so nothing takes any time. Blocking regions
	 * block everything. What comes from outside, and when, is the one thing
	 * that the seed does not decide.
	 */
	FLO_DRIVE_DETERMINISTIC
};

/** How a runtime is to be. All zero are the defaults. */
struct flo_runtime_options {
	/* Number of P, at most 256; 0: one a core; deterministic: 1. */
	unsigned procs;
	/* Address space of a coroutine's stack, in bytes, rounded up to 64 or
	 * 256 KiB; 0: 64 KiB. More is FLO_INVALID. */
	size_t stack_size;
	uint64_t shuffle_seed; /* not 0: as FLO_DRIVE_SHUFFLED and `seed` */
	enum flo_drive drive;  /* who decides what is free to choose */
	uint64_t seed;	       /* of the choices; any value, 0 too */
	/**
	 * The host's word that nothing outside ends a wait of a coroutine except
	 * what is counted: notes, timers, descriptors, blocking regions, threads
	 * inside a call. A thread that might cancel a context because a person
	 * said so is allowed. Then every standstill is a deadlock. Without it
	 * only one in flo_runtime_run() or flo_runtime_free() is, in a process
	 * whose other threads are the library's.
	 */
	bool closed_world;
	/**
	 * Called with a report (text, lines, borrowed) when every coroutine
	 * waits and nothing can end that, instead of printing the report and
	 * aborting. Once for each standstill: it is called again if coroutines
	 * have run since. On a thread of the runtime's that is not a
	 * coroutine's; it must not block, and may start coroutines and cancel
	 * contexts. What it wakes may end, and flo_runtime_run() return, before
	 * it returns: it needs a reference of its own to what it cancels. Only
	 * flo_runtime_free() waits for it. @arg is on_deadlock_arg.
	 */
	void (*on_deadlock)(flo_runtime *rt, const char *report, void *arg);
	void *on_deadlock_arg; /* borrowed until flo_runtime_free() */
};

/**
 * Start a runtime. @options may be NULL for the defaults, and is not kept.
 *
 * Threads: any. The one that calls this counts as the runtime's own when a
 * standstill is judged (see closed_world).
 * Returns FLO_OK and a runtime the caller frees; FLO_NOMEM; FLO_INVALID if
 * stack_size is too large; FLO_SYSTEM with what the system refused.
 */
FLO_EXTERN flo_status flo_runtime_new(const struct flo_runtime_options *options,
				      flo_error *err, flo_runtime **ret_rt);

/**
 * Wait until every coroutine of @rt has ended, then stop its threads and free
 * it. NULL is allowed.
 *
 * Coroutines that will never end are a deadlock, as told above. If it takes a
 * thread of the host's to end them, nobody can know whether it will: after one
 * second of standstill who is left is reported on stderr, once, and the wait
 * goes on.
 *
 * Requires: called from an ordinary thread; no other uses @rt any more, unless
 * it is to wake or cancel coroutines of @rt, which this waits for; every
 * context made for @rt was given back by the time the last coroutine has ended.
 */
FLO_EXTERN void flo_runtime_free(flo_runtime *rt);

/**
 * Run @fn(@arg) as a coroutine of @rt and wait for its end, not for that of
 * coroutines it has started.
 *
 * Requires: called from an ordinary thread, which blocks; @rt and @fn are not
 * NULL.
 * Returns FLO_OK, when what @fn wrote can be read; or FLO_NOMEM, and then @fn
 * never ran.
 */
FLO_EXTERN flo_status flo_runtime_run(flo_runtime *rt, flo_fn fn, void *arg);

/**
 * Write to @fd who is alive: for each kind of coroutine a line with how many
 * there are, their name, what they do or wait for, and their trace; at most
 * 100 lines. From any thread or coroutine that has 16 KiB of stack left; holds
 * up the start of coroutines for as long as it takes to walk over all of them.
 *
 * What is running meanwhile changes meanwhile: the report is approximate, and
 * exact where nothing runs.
 *
 * Requires: @rt is not NULL and not freed meanwhile; @fd is open for writing.
 */
FLO_EXTERN void flo_runtime_report(flo_runtime *rt, int fd);

/** Give the runtime of the calling coroutine; NULL on an ordinary thread. */
FLO_EXTERN flo_runtime *flo_runtime_current(void);

/**
 * Start @fn(@arg) as a coroutine of @rt, or of the caller's runtime if @rt is
 * NULL. Never parks or waits. Once started it runs: flo_runtime_free() waits
 * for it. Nobody hears of its end by itself; a group does (flo/group.h).
 *
 * Threads: any when @rt is given.
 * Requires: @fn is not NULL; in a coroutine if @rt is NULL.
 * Returns FLO_OK once it is queued; or FLO_NOMEM, and then @fn never runs.
 */
FLO_EXTERN flo_status flo_go(flo_runtime *rt, flo_fn fn, void *arg);

/**
 * As flo_go(), with at least @stack_size bytes of stack (rounded up to the
 * runtime's classes: 64 KiB and 256 KiB; 0: the runtime's default) and a @name
 * (borrowed for ever; may be NULL) for reports.
 *
 * Returns what flo_go() does; FLO_INVALID if @stack_size is larger than the
 * largest class.
 */
FLO_EXTERN flo_status flo_go_with(flo_runtime *rt, flo_fn fn, void *arg,
				  size_t stack_size, const char *name);

/**
 * Let others run; the caller goes to the tail of its queue. Returns at once if
 * nobody else is there.
 *
 * Requires: called in a coroutine, not in a blocking region.
 */
FLO_EXTERN void flo_yield(void);

/**
 * Park for @ns nanoseconds, or until @context (may be NULL) ends.
 *
 * Requires: called in a coroutine, not in a blocking region.
 * Returns FLO_OK after the whole time; the context's status, at once if it had
 * ended before; or FLO_NOMEM, at once, if the timer could not be had.
 */
FLO_EXTERN flo_status flo_sleep(flo_context *context, uint64_t ns);

/**
 * Read the monotonic clock, in nanoseconds: in a coroutine its runtime's, which
 * is virtual in the deterministic drive, elsewhere the system's. Any thread.
 */
FLO_EXTERN uint64_t flo_now(void);

/**
 * Bracket calls that block the thread (files, SQLite, name look-ups): others
 * get the caller's P meanwhile. They nest; a blocking region must not park.
 * On an ordinary thread both do nothing.
 *
 * Between the two the thread stays the same. flo_blocking_end() may wait for a
 * P and go on in another thread: read errno, and any other thread-local, before
 * it.
 *
 * Requires: each region is ended by the coroutine that began it, before it
 * returns.
 */
FLO_EXTERN void flo_blocking_begin(void);
FLO_EXTERN void flo_blocking_end(void);

#ifdef __cplusplus
}
#endif
#endif
