/*
 * What the rest of the engine sees of the scheduler: park, ready, timers.
 *
 * Everything that waits (sync/, context, group, the runner) is built on these.
 */
#ifndef FLO_ENGINE_SCHED_SCHED_P_H
#define FLO_ENGINE_SCHED_SCHED_P_H

#include <flo/runtime.h>

#include <stdatomic.h>
#include <stdbool.h>

struct flo__g;

/* The running coroutine; NULL on an ordinary thread. Stable over switches. */
struct flo__g *flo__g_current(void);

/*
 * One pointer of @g's own, NULL when it starts: the panic frames (panic.c).
 * Only @g itself uses it.
 */
void **flo__g_local(struct flo__g *g);

/*
 * Which life of its record the running coroutine @g is: no other coroutine at
 * the same address returns the same number (but for 2^32 that asked). For who
 * keeps a coroutine's address longer than that may live.
 */
uint32_t flo__g_life(struct flo__g *g);

/* The runtime @g belongs to. */
flo_runtime *flo__g_runtime(const struct flo__g *g);

/*
 * As flo_go_with(), with a copy of *@room in the coroutine's record as @fn's
 * argument: three words that need no memory of their own.
 */
struct flo__room {
	void *words[3];
};
flo_status flo__go_room(flo_runtime *rt, flo_fn fn,
			const struct flo__room *room, size_t stack_size,
			const char *name);

/*
 * The last act of a coroutine that flo__go_room() started with @of as the first
 * word of its room: have @fn(@of, n) called, once for n such ends in a row.
 * That happens at the latest before anything but another fresh coroutine of
 * the same function and the same @of runs on this thread. @fn must not park.
 */
void flo__end_later(void *of, void (*fn)(void *of, uint32_t n));

/*
 * How many blocking regions the calling coroutine is in: a panic leaves those
 * it began in.
 */
unsigned flo__blocking_depth(void);

/*
 * Does the calling thread finish what another coroutine left for, on the stack
 * of the next? A contract that breaks meanwhile is not the next one's panic.
 * Async-signal-safe.
 */
bool flo__g_is_settling(void);

/*
 * The stack of the coroutine that the calling thread runs: [low, high), of
 * which the lowest @guard bytes cannot be touched (0: there is no such guard).
 * False if it runs none, or is about to leave it. Async-signal-safe.
 */
struct flo__g_stack {
	const char *name; /* of the coroutine; "" if none */
	uintptr_t low, high;
	size_t guard;
};
bool flo__g_stack(struct flo__g_stack *ret);

/*
 * Take the calling coroutine off its thread until someone calls flo__ready().
 *
 * @commit, if not NULL, runs on the stack of whoever comes next once the coroutine's
 * state is saved; from then on another thread may ready and resume it. It is
 * where the caller unlocks the queue that it put itself on. If it returns
 * false the park is called off and the coroutine goes on. It must not park.
 *
 * @why is a constant string for reports ("chan receive"). @external says that
 * the wake-up may come from outside the runtime (deadlock detection).
 *
 * Requires: called in a coroutine, outside flo_blocking regions.
 */
void flo__park(bool (*commit)(struct flo__g *g, void *arg), void *arg,
	       const char *why, bool external);

/*
 * Make a parked coroutine runnable. Exactly once a park. Callable from
 * coroutines, from timer and poller callbacks and from ordinary threads; it may
 * be called before the parking coroutine has left its stack only under a lock
 * that its @commit releases.
 */
void flo__ready(struct flo__g *g);

/*
 * As flo__ready(), but behind all that is queued where it is readied, for who
 * has work to give rather than to do (a group's spawner at its limit: by its
 * turn many slots are free, and one switch serves for all of them).
 */
void flo__ready_last(struct flo__g *g);

/*
 * A timer, embedded in what it is for. @fn runs on a scheduler thread's own
 * stack: it may ready coroutines and take short locks, and must not park.
 */
struct flo__timer {
	uint64_t when_ns; /* owner: the P's heap, under its lock */
	void (*fn)(struct flo__timer *timer);
	void *owner;	/* internal: the P whose heap holds it */
	uint32_t index; /* internal: place in that heap */
	uint32_t state; /* internal */
};

/* Arm @timer of @rt for flo_now() >= @when_ns. Any thread. It is not armed. */
flo_status flo__timer_start(flo_runtime *rt, struct flo__timer *timer,
			    uint64_t when_ns, void (*fn)(struct flo__timer *));

/*
 * Disarm. Returns true if @fn had not run and now never will. On false @fn has
 * run or is running: flo__timer_stop() returns only after it has ended.
 * Must not be called from @fn, nor with a lock held that @fn takes.
 */
bool flo__timer_stop(flo_runtime *rt, struct flo__timer *timer);

/*
 * Which P the caller runs on: to choose among things that are kept one a P.
 * Only a hint, since the next park may change it: 0 on ordinary threads and in
 * blocking regions, else less than flo__runtime_places(). Of another runtime
 * it may be more.
 */
unsigned flo__place(void);
unsigned flo__runtime_places(const flo_runtime *rt);

/*
 * A random number for a choice that users see (which case of a select). Each P
 * has a generator for nothing else, which the runtime's shuffle_seed decides:
 * with the same seed, what one P does is chosen alike. Without a seed, and on
 * ordinary threads, it differs from run to run. Not for secrets.
 */
uint32_t flo__choice(void);

/* The clock of @rt; flo_now() without a coroutine. */
uint64_t flo__runtime_now(flo_runtime *rt);

/*
 * The drives for tests (enum flo_drive; sim.c).
 *
 * choose: draw one of @n for the calling thread's runtime. Returns false in the
 * normal drive and on ordinary threads: the caller chooses as it likes.
 *
 * random: 64 bits of the seed's. Returns false but in the deterministic drive.
 *
 * point: the calling coroutine may lose its turn here. It stands where an
 * operation begins that may park anyway, and nowhere else: so whoever calls
 * the operation is ready for it. While no runtime of the process has a drive
 * for tests it costs a load and a branch.
 */
bool flo__drive_choose(uint32_t n, uint32_t *ret);
bool flo__drive_random(uint64_t *ret);
void flo__drive_point(void);

/* atomic, relaxed: runtimes with such a drive, in this process */
extern _Atomic uint32_t flo__drives_for_tests;

static inline void flo__sched_point(void)
{
	if (__builtin_expect(atomic_load_explicit(&flo__drives_for_tests,
						  memory_order_relaxed) != 0,
			     0))
		flo__drive_point();
}

/*
 * An ordinary thread or an object outside that may still wake coroutines of
 * @rt: no deadlock is reported while there are holds.
 */
void flo__runtime_hold(flo_runtime *rt);
void flo__runtime_release(flo_runtime *rt);

/* Do coroutines of @rt wait for memory for their stacks? From any thread. */
bool flo__runtime_starves(const flo_runtime *rt);

/*
 * A root context of @rt was made (1), or freed (-1): flo_runtime_free() checks
 * that all were.
 */
void flo__runtime_context(flo_runtime *rt, int by);

/*
 * The trace that the calling coroutine works for, as 32 hex digits: reports
 * name it, and the coroutines it starts from now on inherit it. Text that is
 * no trace id means none.
 */
void flo__g_trace(const char *hex);

#endif
