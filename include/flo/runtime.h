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

typedef struct flo_runtime flo_runtime;

/** What a coroutine runs; @arg is borrowed until it returns. */
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

struct flo_runtime_options {
	unsigned procs;	   /* number of P; 0: one a core; deterministic: 1 */
	size_t stack_size; /* address space a coroutine, bytes; 0: 64 KiB */
	uint64_t shuffle_seed; /* not 0: as FLO_DRIVE_SHUFFLED and `seed` */
	enum flo_drive drive;
	uint64_t seed; /* of the choices; any value, 0 too */
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
	 * contexts. @arg is on_deadlock_arg.
	 */
	void (*on_deadlock)(flo_runtime *rt, const char *report, void *arg);
	void *on_deadlock_arg;
};

/**
 * Start a runtime. @options may be NULL for the defaults.
 * Returns FLO_OK, FLO_NOMEM, or FLO_SYSTEM with what the system refused.
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
 * Requires: called from an ordinary thread; every context made for @rt was
 * given back by the time the last coroutine has ended.
 */
FLO_EXTERN void flo_runtime_free(flo_runtime *rt);

/**
 * Run @fn(@arg) as a coroutine of @rt and wait for its end. Called from an
 * ordinary thread, which blocks. Returns FLO_OK or FLO_NOMEM (@fn never ran).
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
 */
FLO_EXTERN void flo_runtime_report(flo_runtime *rt, int fd);

/** The runtime of the calling coroutine; NULL on an ordinary thread. */
FLO_EXTERN flo_runtime *flo_runtime_current(void);

/**
 * Start @fn(@arg) as a coroutine of @rt, or of the caller's runtime if @rt is
 * NULL. Never blocks. Callable from any thread when @rt is given.
 */
FLO_EXTERN flo_status flo_go(flo_runtime *rt, flo_fn fn, void *arg);

/**
 * As flo_go(), with at least @stack_size bytes of stack (rounded up to the
 * runtime's classes: 64 KiB and 256 KiB) and a @name (borrowed for ever) for
 * reports.
 */
FLO_EXTERN flo_status flo_go_with(flo_runtime *rt, flo_fn fn, void *arg,
				  size_t stack_size, const char *name);

/** Let others run; the caller goes to the tail of its queue. */
FLO_EXTERN void flo_yield(void);

/**
 * Park for @ns nanoseconds, or until @context (may be NULL) ends.
 * Returns FLO_OK after the whole time, else the context's status.
 */
FLO_EXTERN flo_status flo_sleep(flo_context *context, uint64_t ns);

/**
 * The monotonic clock in nanoseconds: in a coroutine its runtime's, which is
 * virtual in the deterministic drive, elsewhere the system's.
 */
FLO_EXTERN uint64_t flo_now(void);

/**
 * Bracket calls that block the thread (files, SQLite, name look-ups): others
 * get the caller's P meanwhile. They nest; a blocking region must not park.
 * On an ordinary thread both do nothing.
 */
FLO_EXTERN void flo_blocking_begin(void);
FLO_EXTERN void flo_blocking_end(void);

#ifdef __cplusplus
}
#endif
#endif
