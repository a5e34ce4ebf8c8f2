/*
 * The lock under everything in engine/sync: a word, held for nanoseconds.
 *
 * Nobody parks, allocates or calls out of the library while holding one. A
 * futex would cost a second atomic at each unlock; the one case in which it
 * would win (the holder's thread was descheduled) is met by sched_yield().
 */
#ifndef FLO_ENGINE_SYNC_SPIN_P_H
#define FLO_ENGINE_SYNC_SPIN_P_H

#include "engine/sched/text_p.h"

#include <stdbool.h>
#include <stdint.h>

/* Tell the core that this is a spin loop. */
static inline void flo__spin_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

/*
 * Wait a little, longer with each call: *@round starts at 0. Gives the core
 * away once it looks as if the other side does not run at all.
 */
void flo__spin_backoff(unsigned *round);

void flo__spin_lock_slow(uint32_t *lock);

/* Acquire: pairs with the release in flo__spin_unlock(). */
static inline void flo__spin_lock(uint32_t *lock)
{
	if (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0)
		flo__spin_lock_slow(lock);
}

/* Release: pairs with the acquire in flo__spin_lock(). */
static inline void flo__spin_unlock(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
