/*
 * A lock for ordinary threads and scheduler code: short sections, futex below.
 * Whoever holds one must neither park nor call out.
 */
#ifndef FLO_ENGINE_SCHED_LOCK_P_H
#define FLO_ENGINE_SCHED_LOCK_P_H

#include "engine/sched/text_p.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* 0 free, 1 held, 2 held and somebody may sleep. Zeroed is free. */
struct flo__tlock {
	_Atomic uint32_t word; /* acquire in take, release in give */
};

void flo__tlock_wait(struct flo__tlock *lock);
void flo__tlock_wake(struct flo__tlock *lock);

static inline void flo__tlock_take(struct flo__tlock *lock)
{
	uint32_t free = 0;

	if (!atomic_compare_exchange_strong_explicit(&lock->word, &free, 1,
						     memory_order_acquire,
						     memory_order_relaxed))
		flo__tlock_wait(lock);
}

static inline void flo__tlock_give(struct flo__tlock *lock)
{
	if (atomic_exchange_explicit(&lock->word, 0, memory_order_release) == 2)
		flo__tlock_wake(lock);
}

/* Sleep while *@word is @value, at most @timeout_ns (UINT64_MAX: no limit). */
void flo__futex_wait(_Atomic uint32_t *word, uint32_t value,
		     uint64_t timeout_ns);

/* Wake at most @n sleepers. @word may be dead memory: it is not read. */
void flo__futex_wake(_Atomic uint32_t *word, int n);

/* Tell the processor that we spin. */
static inline void flo__pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
