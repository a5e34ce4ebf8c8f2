/*
 * What a handler of signals needs of the scheduler: a stack of its own on each
 * M, and who runs there.
 *
 * A coroutine that has overflowed its stack has no room for a handler, so each
 * M has another one for that. It is given back by the M itself at its end; an
 * M that could not get one runs without, and then an overflow ends the process
 * as it would have done anyway.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* For the unwinder, and for sanitizers and hosts whose handlers we call. */
#define ROOM ((size_t)64 * 1024)

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* constant after key_once */
static bool key_made;	  /* constant after key_once */

/* The thread of an M ends without flo__sigstack_leave(). */
static void lost(void *arg)
{
	struct flo__m *m = arg;
	char text[160];
	int len;

	len = snprintf(text, sizeof(text),
		       "coroutine %s called pthread_exit(): its thread is the "
		       "scheduler's, so the process ends\n",
		       m->g != NULL && (m->g->marks & FLO__G_NAMED) ? m->g->name
								    : "");
	if (write(STDERR_FILENO, text, (size_t)len) < 0)
		abort();
	abort();
}

void flo__stack_overflowed(size_t size)
{
	struct flo__m *m = flo__m();
	struct flo__g *g = m != NULL ? m->g : NULL;
	char text[160];
	int len;

	len = snprintf(text, sizeof(text),
		       "coroutine %s overflowed its stack of %zu KiB\n",
		       g != NULL && (g->marks & FLO__G_NAMED)
			       ? g->name
			       : "(without a name)",
		       size / 1024);
	if (write(STDERR_FILENO, text, (size_t)len) < 0)
		abort();
	abort();
}

static void make_key(void)
{
	key_made = pthread_key_create(&key, lost) == 0;
}

static size_t page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static size_t size_of(void)
{
	long min = sysconf(_SC_MINSIGSTKSZ);
	size_t page = page_size();

	return (ROOM + (size_t)(min > 0 ? min : 0) + page - 1) / page * page;
}

/* Called by the M's thread when it begins, on its own stack. */
void flo__sigstack_enter(struct flo__m *m, struct flo__sigstack *ret)
{
	size_t page = page_size(), size = size_of();
	stack_t ss = {.ss_size = size};
	char *base;

	pthread_once(&key_once, make_key);
	if (key_made)
		pthread_setspecific(key, m);
	ret->base = NULL;
	base = mmap(NULL, page + size, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (base == MAP_FAILED)
		return;
	ss.ss_sp = base + page;
	if (mprotect(base, page, PROT_NONE) != 0 ||
	    sigaltstack(&ss, &ret->before) != 0) {
		munmap(base, page + size);
		return;
	}
	ret->base = base;
	ret->size = page + size;
}

/* And when it ends. A sanitizer's own stack comes back: it will look for it. */
void flo__sigstack_leave(struct flo__sigstack *s)
{
	if (key_made)
		pthread_setspecific(key, NULL);
	if (s->base == NULL)
		return;
	sigaltstack(&s->before, NULL);
	munmap(s->base, s->size);
}

bool flo__g_stack(struct flo__g_stack *ret)
{
	struct flo__m *m = flo__m();
	struct flo__g *g = m != NULL ? m->g : NULL;

	/* While it leaves or is ended it is not its own any more. */
	if (g == NULL || g->stack == NULL ||
	    atomic_load_explicit(&g->state, memory_order_relaxed) !=
		    FLO__G_RUNNING)
		return false;
	if (m->p == NULL && m->block_depth == 0)
		return false;
	ret->name = (g->marks & FLO__G_NAMED) ? g->name : "";
	ret->low = (uintptr_t)g->stack->base;
	ret->high = ret->low + g->stack->size;
	ret->guard = flo__stack_guard(g->stack);
	return true;
}
