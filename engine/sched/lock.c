#include "engine/sched/lock_p.h"

#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef FLO__LOCK_SPINS /* tests/interleave goes to the kernel at once */
#define FLO__LOCK_SPINS 40
#endif

void flo__futex_wait(_Atomic uint32_t *word, uint32_t value,
		     uint64_t timeout_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(timeout_ns / 1000000000),
		.tv_nsec = (long)(timeout_ns % 1000000000),
	};

	syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value,
		timeout_ns == UINT64_MAX ? NULL : &ts, NULL, 0);
}

void flo__futex_wake(_Atomic uint32_t *word, int n)
{
	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

void flo__tlock_wait(struct flo__tlock *lock)
{
	uint32_t free;

	for (int i = 0; i < FLO__LOCK_SPINS; i++) {
		free = 0;
		if (atomic_load_explicit(&lock->word, memory_order_relaxed) ==
			    0 &&
		    atomic_compare_exchange_weak_explicit(&lock->word, &free, 1,
							  memory_order_acquire,
							  memory_order_relaxed))
			return;
		for (int k = 0; k < 4; k++)
			flo__pause();
	}
	while (atomic_exchange_explicit(&lock->word, 2, memory_order_acquire) !=
	       0)
		flo__futex_wait(&lock->word, 2, UINT64_MAX);
}

void flo__tlock_wake(struct flo__tlock *lock)
{
	flo__futex_wake(&lock->word, 1);
}
