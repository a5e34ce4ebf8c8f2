/*
 * What a schedule has besides threads: memory at the same addresses each time,
 * a clock that stands still, a list of the process's threads; and those parts
 * of the scheduler that belong to the outside: a poller without events, a
 * monitor that is not there (a scenario does its work), stacks without guards.
 */
#include "tests/interleave/explore_p.h"
#include "tests/interleave/point.h"

#include "base/alive.h"
#include "base/alloc.h"
#include "engine/sched/gmp_p.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef FLO__ASAN
#include <sanitizer/asan_interface.h>
#define POISON(p, n)   __asan_poison_memory_region(p, n)
#define UNPOISON(p, n) __asan_unpoison_memory_region(p, n)
#else
#define POISON(p, n)   ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#endif

#define ARENA_SIZE ((size_t)8 << 20)
#define STACK_SIZE ((size_t)64 << 10)

/* Before each block; nothing is used twice in a schedule. */
struct head {
	size_t size;
	bool freed;
};
#define HEAD_SIZE 32u

static _Alignas(64) char arena[ARENA_SIZE];
static size_t used;
static unsigned live;
static uint64_t now_ns;
static unsigned entries_left; /* of the list of threads */

void world_begin(void)
{
	UNPOISON(arena, used);
	used = 0;
	live = 0;
	now_ns = 1000000000;
}

const char *world_leak(void)
{
	static char text[64];

	if (live == 0)
		return NULL;
	snprintf(text, sizeof(text), "%u blocks of memory are left", live);
	return text;
}

static struct head *head_of(void *mem)
{
	return (struct head *)((char *)mem - HEAD_SIZE);
}

void *flo__malloc(size_t size)
{
	size_t room = (size + 2 * HEAD_SIZE + 15) & ~(size_t)15;
	char *mem = arena + used + HEAD_SIZE;

	if (room > ARENA_SIZE - used)
		report_found(EXPLORE_UNSTABLE, "the arena is full");
	used += room;
	live++;
	*head_of(mem) = (struct head){.size = size};
	POISON(mem + size, room - HEAD_SIZE - size);
	return mem;
}

void *flo__calloc(size_t count, size_t size)
{
	void *mem = flo__malloc(count * size);

	memset(mem, 0, count * size);
	return mem;
}

void flo__free(void *mem)
{
	if (mem == NULL)
		return;
	explore_check(!head_of(mem)->freed, "memory is freed once");
	head_of(mem)->freed = true;
	/* What is read after the free is not what it was. */
	memset(mem, 0xdb,
	       head_of(mem)->size < 1024 ? head_of(mem)->size : 1024);
	POISON(mem, head_of(mem)->size);
	live--;
}

void *flo__realloc(void *mem, size_t size)
{
	void *grown = flo__malloc(size);
	size_t old = mem != NULL ? head_of(mem)->size : 0;

	if (mem != NULL)
		memcpy(grown, mem, old < size ? old : size);
	flo__free(mem);
	return grown;
}

void *flo__reallocarray(void *mem, size_t count, size_t size)
{
	return flo__realloc(mem, count * size);
}

/* At once: nothing is used twice, so who comes too late is seen anyway. */
void flo__alive_free(void *mem, size_t size)
{
	(void)size;
	flo__free(mem);
}

int explore_clock(clockid_t clock, struct timespec *ret_ts)
{
	(void)clock;
	ret_ts->tv_sec = (time_t)(now_ns / 1000000000);
	ret_ts->tv_nsec = (long)(now_ns % 1000000000);
	return 0;
}

void explore_set_clock(uint64_t ns)
{
	now_ns = ns;
}

/* deadlock.c counts the process's threads like this. */
DIR *explore_opendir(const char *path)
{
	(void)path;
	entries_left = threads_alive();
	return (DIR *)&entries_left;
}

struct dirent *explore_readdir(DIR *dir)
{
	static struct dirent entry = {.d_name = "1"};

	(void)dir;
	return entries_left-- > 0 ? &entry : NULL;
}

int explore_closedir(DIR *dir)
{
	(void)dir;
	return 0;
}

/* engine/sched/poll.c: no event ever comes. */
flo_status flo__poller_new(flo_runtime *rt, flo_error *err)
{
	(void)rt, (void)err;
	return FLO_OK;
}

void flo__poller_free(flo_runtime *rt)
{
	(void)rt;
}

bool flo__poller_try(flo_runtime *rt)
{
	(void)rt;
	return false;
}

bool flo__poller_drive(struct flo__m *m)
{
	(void)m;
	return false;
}

bool flo__poller_driven(flo_runtime *rt)
{
	(void)rt;
	return false;
}

void flo__poller_earlier(flo_runtime *rt, uint64_t when_ns)
{
	(void)rt, (void)when_ns;
}

void flo__poller_interrupt(flo_runtime *rt)
{
	(void)rt;
}

/* engine/sched/monitor.c */
flo_status flo__monitor_start(flo_runtime *rt, flo_error *err)
{
	(void)rt, (void)err;
	return FLO_OK;
}

void flo__monitor_stop(flo_runtime *rt)
{
	(void)rt;
}

void flo__monitor_wake(flo_runtime *rt)
{
	(void)rt;
}

/* engine/sched/sigstack.c: the threads are one, whose handlers the explorer has
 * given a stack. */
void flo__sigstack_enter(struct flo__m *m, struct flo__sigstack *ret)
{
	(void)m;
	ret->base = NULL;
}

void flo__sigstack_leave(struct flo__sigstack *s)
{
	(void)s;
}

bool flo__g_stack(struct flo__g_stack *ret)
{
	(void)ret;
	return false;
}

void flo__stack_overflowed(size_t size)
{
	(void)size;
	abort();
}

/* engine/sched/stack.c; a stack is never given back in a schedule. */
struct flo__stack_pool {
	struct flo__stack *all;
};

flo_status flo__stack_pool_new(struct flo__stack_pool **ret_pool)
{
	*ret_pool = flo__calloc(1, sizeof(**ret_pool));
	return FLO_OK;
}

void flo__stack_pool_free(struct flo__stack_pool *pool)
{
	struct flo__stack *stack;

	while (pool != NULL && (stack = pool->all) != NULL) {
		pool->all = stack->next;
		flo__free(stack->base);
		flo__free(stack);
	}
	flo__free(pool);
}

struct flo__stack *flo__stack_get(struct flo__p *p, unsigned class)
{
	struct flo__stack *stack = flo__calloc(1, sizeof(*stack));

	(void)class;
	stack->base = flo__malloc(STACK_SIZE);
	stack->size = STACK_SIZE;
	stack->next = p->rt->stacks->all;
	p->rt->stacks->all = stack;
	return stack;
}

struct flo__stack *flo__stack_warm(struct flo__p *p, unsigned class)
{
	return flo__stack_get(p, class);
}

bool flo__stack_has_canary(const struct flo__stack *stack)
{
	(void)stack;
	return false;
}

bool flo__stack_give_up(struct flo__p *p)
{
	(void)p;
	return false;
}

struct flo__stack *flo__stack_reserve(struct flo__stack_pool *pool)
{
	(void)pool;
	return NULL;
}

size_t flo__stack_guard(const struct flo__stack *stack)
{
	(void)stack;
	return 0;
}

void flo__stack_put(struct flo__p *p, struct flo__stack *stack)
{
	(void)p, (void)stack;
}

void *flo__stack_top(const struct flo__stack *stack)
{
	uintptr_t top = (uintptr_t)stack->base + stack->size;

	return (void *)(top & ~(uintptr_t)15);
}

void flo__stack_check(const struct flo__stack *stack)
{
	(void)stack;
}

bool flo__stack_class(size_t size, unsigned *ret_class)
{
	(void)size;
	*ret_class = FLO__STACK_SMALL;
	return true;
}
