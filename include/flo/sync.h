/**
 * Waiting for each other: mutexes, condition, semaphore, once, wait group,
 * note; and the pool, which does not wait.
 *
 * All park the calling coroutine, never its thread; all are FIFO. Each but the
 * pool is embedded by value, starts zeroed (static, = {0} or memset) and owns
 * nothing while nobody waits, so none has a fini. Where a function takes a
 * context it may be NULL; when the context ends first, or has ended before the
 * call, the wait ends with its status and without the thing waited for. A
 * waiter that was given it in the same moment has it, and the wait returns
 * FLO_OK.
 *
 * There are no atomics here: stdatomic.h and C++'s <atomic> have them, and
 * work in coroutines as in threads. (Do not spin on one: who would change it
 * may need the P you spin on. Use flo_yield() or, better, a wait.)
 *
 * Threads: coroutines of one runtime, unless a function says "any thread". An
 * ordinary thread may call what does not have to wait just then; a wait there
 * is a broken contract.
 * Semantics: Go's package sync and x/sync/semaphore.
 */
#ifndef FLO_SYNC_H
#define FLO_SYNC_H

#include <flo/runtime.h>

#ifndef __cplusplus
#include <stdatomic.h>
#endif
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct flo__waiter;

/* A FIFO of parked coroutines, and its lock. Opaque: see engine/sync. */
struct flo__waitq {
	uint32_t lock;
	uint32_t len;
	struct flo__waiter *head, *tail;
};

/**
 * Mutual exclusion between coroutines.
 *
 * FIFO among those who wait. A running coroutine may take a free mutex before
 * a waiter that was woken for it, but no more than 16 times: then the mutex is
 * handed over (Go's normal and starvation modes).
 */
typedef struct flo_mutex {
	struct flo__waitq q;
	uint32_t state; /* atomic: see the note in engine/sync/mutex.c */
} flo_mutex;

/**
 * Lock @mutex, parking until it is free.
 *
 * Not recursive: who locks it twice waits for itself.
 * Requires: called in a coroutine if it has to wait.
 */
FLO_EXTERN void flo_mutex_lock(flo_mutex *mutex);

/**
 * Lock @mutex, parking until it is free or @context (may be NULL) ends.
 *
 * Returns FLO_OK, and only then the caller holds it; or the status of
 * @context, also if that had ended before and the mutex is free.
 */
FLO_EXTERN flo_status flo_mutex_lock_ctx(flo_mutex *mutex,
					 flo_context *context) FLO_MUST_CHECK;

/**
 * Lock @mutex if it is free and say whether. Any thread; never blocks. It may
 * overtake those who wait.
 */
FLO_EXTERN bool flo_mutex_trylock(flo_mutex *mutex);

/**
 * Unlock @mutex. Another coroutine than the one that locked it may do so.
 *
 * Any thread. Requires: @mutex is locked.
 */
FLO_EXTERN void flo_mutex_unlock(flo_mutex *mutex);

/**
 * A mutex that many readers or one writer can hold.
 *
 * A writer that waits keeps new readers out; when it unlocks, the readers that
 * wait by then go before the next writer. So neither can keep the other out
 * for ever. Because of the first rule a coroutine that reads must not lock for
 * reading again: a writer that comes in between would wait for it, and it for
 * the writer. Writers are FIFO. Semantics: sync.RWMutex.
 */
typedef struct flo_rwmutex {
	struct flo__waitq writers, readers;
	uint32_t state; /* atomic: see the note in engine/sync/rwmutex.c */
} flo_rwmutex;

/**
 * Lock @rw for reading, parking while a writer holds it or waits.
 *
 * Requires: called in a coroutine if it has to wait.
 */
FLO_EXTERN void flo_rwmutex_rlock(flo_rwmutex *rw);

/**
 * As flo_rwmutex_rlock(), until @context (may be NULL) ends.
 *
 * Returns FLO_OK, and only then the caller holds it; or the status of
 * @context, also if that had ended before.
 */
FLO_EXTERN flo_status
flo_rwmutex_rlock_ctx(flo_rwmutex *rw, flo_context *context) FLO_MUST_CHECK;

/**
 * Lock @rw for reading if no writer holds it or waits, and say whether.
 * Any thread; never blocks.
 */
FLO_EXTERN bool flo_rwmutex_tryrlock(flo_rwmutex *rw);

/**
 * Undo one lock for reading. Another coroutine than the one that locked may do
 * so. Any thread. Requires: @rw is locked for reading.
 */
FLO_EXTERN void flo_rwmutex_runlock(flo_rwmutex *rw);

/**
 * Lock @rw for writing, parking while anybody holds it.
 *
 * Requires: called in a coroutine if it has to wait.
 */
FLO_EXTERN void flo_rwmutex_lock(flo_rwmutex *rw);

/**
 * As flo_rwmutex_lock(), until @context (may be NULL) ends; the readers that
 * the waiting kept out go on then.
 *
 * Returns FLO_OK, and only then the caller holds it; or the status of
 * @context, also if that had ended before.
 */
FLO_EXTERN flo_status flo_rwmutex_lock_ctx(flo_rwmutex *rw,
					   flo_context *context) FLO_MUST_CHECK;

/**
 * Lock @rw for writing if nobody holds it, and say whether. Any thread; never
 * blocks.
 */
FLO_EXTERN bool flo_rwmutex_trylock(flo_rwmutex *rw);

/**
 * Undo the lock for writing. Another coroutine than the one that locked may do
 * so. Any thread. Requires: @rw is locked for writing.
 */
FLO_EXTERN void flo_rwmutex_unlock(flo_rwmutex *rw);

/**
 * A condition variable: where those wait who hold a mutex and find that what
 * they need is not yet so. Always look again after a wait. Semantics:
 * sync.Cond.
 */
typedef struct flo_cond {
	struct flo__waitq q;
} flo_cond;

/**
 * Release @mutex, wait for a signal or for @context's end, lock @mutex again.
 *
 * The locking again does not end with @context, so that the caller always
 * holds @mutex. Who was signalled and whose context ended in the same moment
 * returns FLO_OK: no signal is lost. If @context had ended before, @mutex is
 * not released at all.
 *
 * Requires: called in a coroutine that holds @mutex; all who wait for @cond at
 * a time do it with the same mutex.
 * Returns FLO_OK, or the status of @context (may be NULL).
 */
FLO_EXTERN flo_status flo_cond_wait(flo_cond *cond, flo_mutex *mutex,
				    flo_context *context);
/**
 * Wake the longest waiter, if any; one that waits later does not get this
 * signal. The mutex need not be held. Any thread.
 */
FLO_EXTERN void flo_cond_signal(flo_cond *cond);
/** Wake all that wait now. The mutex need not be held. Any thread. */
FLO_EXTERN void flo_cond_broadcast(flo_cond *cond);

/**
 * A counting semaphore, FIFO: nobody overtakes a waiter, not even one who
 * wants less. Semantics: golang.org/x/sync/semaphore.
 *
 * Made by flo_sem_init() of some units, it is a store of that many: what is
 * given back must have been taken. Made of none, or zeroed, it counts what was
 * given and has no size.
 */
typedef struct flo_sem {
	struct flo__waitq q;
	int64_t free; /* by the queue's lock */
	int64_t size; /* constant; 0: none */
} flo_sem;

/**
 * Make @sem a store of @units, or, with 0, a counter that starts at 0.
 *
 * Requires: @units is not negative; nobody uses @sem yet.
 */
FLO_EXTERN void flo_sem_init(flo_sem *sem, int64_t units);

/**
 * As flo_sem_take_n() of one unit: @context may be NULL.
 *
 * Requires: called in a coroutine if it has to wait.
 */
FLO_EXTERN flo_status flo_sem_take(flo_sem *sem, flo_context *context);

/**
 * Take @n units at once, parking until they are there and all who waited
 * before have theirs, or until @context (may be NULL) ends.
 *
 * Who wants more than the size of @sem waits for what cannot come: until
 * @context ends, or for ever without one, but outside the line, so that it
 * keeps nobody waiting.
 *
 * Requires: @n is not negative; called in a coroutine if it has to wait.
 * Returns FLO_OK, or the status of @context, and then nothing was taken.
 */
FLO_EXTERN flo_status flo_sem_take_n(flo_sem *sem, int64_t n,
				     flo_context *context);

/**
 * Take one unit as flo_sem_take() does, but before all that wait already: for
 * who had a unit and comes back for it, such as a retry.
 *
 * Requires: called in a coroutine if it has to wait.
 * Returns FLO_OK, or the status of @context (may be NULL), and then nothing was
 * taken.
 */
FLO_EXTERN flo_status flo_sem_take_front(flo_sem *sem, flo_context *context);

/** As flo_sem_trytake_n() of one unit. Any thread; never blocks. */
FLO_EXTERN bool flo_sem_trytake(flo_sem *sem);

/**
 * Take @n units if they are there and nobody waits, and say whether. Any
 * thread; never blocks. Requires: @n is not negative.
 */
FLO_EXTERN bool flo_sem_trytake_n(flo_sem *sem, int64_t n);

/** As flo_sem_give_n() of one unit. Any thread; never blocks. */
FLO_EXTERN void flo_sem_give(flo_sem *sem);

/**
 * Give @n units back, to those who wait first.
 *
 * Any thread; never blocks. Who gives need not be who took.
 *
 * Requires: @n is not negative; if @sem has a size, at least @n units are
 * taken, else the sum stays below INT64_MAX.
 */
FLO_EXTERN void flo_sem_give_n(flo_sem *sem, int64_t n);

/** Something that is done once, by the first who comes. Starts zeroed. */
typedef struct flo_once {
	struct flo__waitq q;
	uint32_t state; /* atomic: see engine/sync/once.c */
} flo_once;

/**
 * Run @fn(@arg), unless a call for @once has done so; wait, if one is just
 * doing it, until that has ended or @context (may be NULL) ends.
 *
 * A @fn that panics has been done, too: it is not tried again. A @fn that
 * calls this for the same @once waits for itself, which a deadlock report
 * names. Any thread, if it does not have to wait. Semantics: sync.Once.
 *
 * Requires: @fn is not NULL.
 * Returns FLO_OK when what the first @fn wrote can be read, also if @context
 * had ended by then; or the status of @context, and then this call has not run
 * @fn.
 */
FLO_EXTERN flo_status flo_once_do(flo_once *once, flo_fn fn, void *arg,
				  flo_context *context);

/**
 * A store of spare objects: what one coroutine is done with, another may use
 * again, so that buffers and the like need not be made each time.
 *
 * It keeps objects apart for each P, where they are warm and nobody contends
 * for them, and looks at the others' before it makes a new one. Nothing is
 * promised about keeping: an object that is put may be dropped at once, and
 * which one a get returns is not defined. Semantics: sync.Pool, with a bound
 * where Go has its garbage collector.
 *
 * Threads: any, except flo_pool_free(). Nothing in here parks.
 */
typedef struct flo_pool flo_pool;

/**
 * Make an object; NULL if that fails. Called in flo_pool_get(), by its caller's
 * thread or coroutine, without a lock held; several at once.
 */
typedef void *(*flo_pool_make)(void *arg);
/**
 * Dispose of @object. Called in flo_pool_put() and flo_pool_free(), like
 * flo_pool_make.
 */
typedef void (*flo_pool_drop)(void *object, void *arg);

/**
 * Open a pool for coroutines of @rt, which may end before it.
 *
 * @make may be NULL: then an empty pool gives NULL. @drop may be NULL for
 * objects that need no disposal. @arg is passed to both, and borrowed until
 * flo_pool_free().
 *
 * Requires: @rt is not NULL.
 * Returns FLO_OK and a pool the caller frees, or FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_pool_new(flo_runtime *rt, flo_pool_make make,
				   flo_pool_drop drop, void *arg,
				   flo_pool **ret_pool);

/**
 * Take any object out of @pool, or make one. It is as who put it left it.
 *
 * Requires: @pool is not NULL.
 * Returns an object that the caller owns; or NULL if there was none and none was
 * made.
 */
FLO_EXTERN void *flo_pool_get(flo_pool *pool);

/**
 * Put @object, which is taken, into @pool; its drop function gets it if that is
 * full. NULL is allowed and does nothing. Who puts an object twice will get it
 * twice.
 *
 * Requires: @pool is not NULL.
 */
FLO_EXTERN void flo_pool_put(flo_pool *pool, void *object);

/**
 * Drop every object and free @pool. NULL is allowed. Objects that are out stay
 * their owners'. Any thread.
 *
 * Requires: nobody else uses @pool, now or later.
 */
FLO_EXTERN void flo_pool_free(flo_pool *pool);

/**
 * A count of things that have not ended. It may be filled again once it was 0.
 * Semantics: sync.WaitGroup.
 */
typedef struct flo_waitgroup {
	struct flo__waitq q;
	int64_t count;
} flo_waitgroup;

/**
 * Add @n (may be negative); at 0 all waiters go on. Any thread.
 *
 * Who starts things adds before it starts them, or a wait may return too
 * early. The call that makes it 0 is the last to touch @wg: a waiter may free
 * it then.
 *
 * Requires: the count stays between 0 and INT64_MAX.
 */
FLO_EXTERN void flo_waitgroup_add(flo_waitgroup *wg, int64_t n);
/** As flo_waitgroup_add() of -1. Any thread. */
FLO_EXTERN void flo_waitgroup_done(flo_waitgroup *wg);
/**
 * Wait until the count is 0; returns at once if it is.
 *
 * Requires: called in a coroutine if it has to wait.
 * Returns FLO_OK, when what was done before each flo_waitgroup_done() can be
 * read; or the status of @context (may be NULL), also if that had ended before
 * and the count is 0.
 */
FLO_EXTERN flo_status flo_waitgroup_wait(flo_waitgroup *wg,
					 flo_context *context);

/**
 * A one-shot signal that an ordinary thread may give: how the world outside
 * (a writer thread, a callback) wakes a coroutine.
 *
 * While a coroutine waits for a note, the deadlock detector counts it as
 * something from outside that may come. A note is woken at most once and
 * waited for by at most one coroutine. The waker does not touch the note's
 * memory after flo_note_wait() can have returned.
 */
typedef struct flo_note {
#ifdef __cplusplus
	uintptr_t state; /* opaque; C++ has no _Atomic */
#else
	_Atomic(uintptr_t) state; /* the library's */
#endif
	struct flo_runtime *rt; /* the library's: whose coroutine may wait */
} flo_note;

/**
 * Make @note ready for one use, by this coroutine or another one of its
 * runtime. To use it again, do so again after flo_note_wait() has returned.
 *
 * Requires: called in a coroutine.
 */
FLO_EXTERN void flo_note_init(flo_note *note);
/**
 * Wake who waits for @note, or will. What the caller did before can be read
 * after flo_note_wait(). Any thread; never blocks; not from a signal handler.
 *
 * Requires: @note was not woken since it was made ready.
 */
FLO_EXTERN void flo_note_wake(flo_note *note);
/**
 * Park until @note is woken; returns at once if it was. Not cancellable.
 *
 * Requires: called in a coroutine of the runtime in which @note was made ready,
 * by one only.
 */
FLO_EXTERN void flo_note_wait(flo_note *note);

#ifdef __cplusplus
}
#endif
#endif
