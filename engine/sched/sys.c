#include "engine/sched/sys_p.h"

#include <sys/mman.h>

static void *map(size_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return base != MAP_FAILED ? base : NULL;
}

static int thread(pthread_t *ret_thread, void *(*fn)(void *arg), void *arg)
{
	return pthread_create(ret_thread, NULL, fn, arg);
}

struct flo__sys flo__sys = {
	.map = map,
	.advise = madvise,
	.protect = mprotect,
	.thread = thread,
};
