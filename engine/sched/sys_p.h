/*
 * What the scheduler asks of the system and may be refused: one seam, so that
 * tests can refuse. Set before there is a runtime, like the allocator's.
 */
#ifndef FLO_ENGINE_SCHED_SYS_P_H
#define FLO_ENGINE_SCHED_SYS_P_H

#include <pthread.h>
#include <stddef.h>

struct flo__sys {
	/* @size bytes of fresh private memory; NULL if there are none. */
	void *(*map)(size_t size);
	/* madvise(), mprotect(): 0, or -1 */
	int (*advise)(void *base, size_t size, int advice);
	int (*protect)(void *base, size_t size, int protection);
	/* pthread_create(): 0, or an error number */
	int (*thread)(pthread_t *ret_thread, void *(*fn)(void *arg), void *arg);
};
extern struct flo__sys flo__sys;

#endif
