#include "engine/sync/spin_p.h"

#include <sched.h>

/* Pauses double up to here; then every round gives the core away. */
#define BACKOFF_ROUNDS 6

void flo__spin_backoff(unsigned *round)
{
	if (*round >= BACKOFF_ROUNDS) {
		sched_yield();
		return;
	}
	for (unsigned i = 0; i < 1u << *round; i++)
		flo__spin_pause();
	(*round)++;
}

void flo__spin_lock_slow(uint32_t *lock)
{
	unsigned round = 0;

	do {
		/* relaxed: only looks whether trying again is worth it */
		while (__atomic_load_n(lock, __ATOMIC_RELAXED) != 0)
			flo__spin_backoff(&round);
	} while (__atomic_exchange_n(lock, 1, __ATOMIC_ACQUIRE) != 0);
}
