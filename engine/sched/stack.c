/*
 * Stacks: carved from slabs of 4 MiB, guarded below, kept warm.
 *
 * A stack is address space; its pages come when they are touched, one for most
 * coroutines. Three guards, best first, decided by what the kernel lets us do:
 *
 *	installed  MADV_GUARD_INSTALL: a page-table marker. It splits no
 *		   mapping, so a million stacks are a few dozen mappings.
 *	protected  mprotect(): splits the mapping in two; vm.max_map_count is
 *		   65530, shared with the host program, so there is a budget.
 *	canary	   beyond that, a pattern in the lowest bytes, looked at when
 *		   the coroutine parks or ends. It finds an overflow, late.
 *
 * Free stacks go to the P that freed them, from there in batches to the pool.
 * The pool keeps some warm and gives the pages of the rest back; address space
 * stays until the runtime ends. The tops are coloured: at 64 KiB distance all
 * would fall into the same cache sets, which costs a third of a switch.
 *
 * One stack is set aside when the pool is made. It is lent to those that starve
 * when nothing else is left (starve.c), so that they can at least end.
 */
#include "engine/sched/gmp_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "engine/sched/sys_p.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif
#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) 0u
#define VALGRIND_STACK_DEREGISTER(id)	    ((void)(id))
#endif

#ifdef FLO__ASAN
#include <sanitizer/asan_interface.h>
#endif

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

/* The frames of instrumented code are about twice as large. */
#if defined(FLO__ASAN) || defined(FLO__TSAN)
#define SCALE 2
#else
#define SCALE 1
#endif

/* New stacks at once; in strict builds many, see keep(). */
#ifdef FLO__TSAN_STRICT
#define CARVE (FLO__CACHE_MAX / 2)
#else
#define CARVE 1
#endif

#define SLAB_SIZE    ((size_t)4 << 20)
#define MPROTECT_MAX 8192u /* guards that split mappings, per runtime */
#define WARM_MAX     2048u /* free stacks of a class that keep their pages */
#define COLOURS	     16u
#define COLOUR_STEP  192u
#define CANARY	     0x5afe57acc0ffee11ull
#define CANARY_WORDS 8

static const size_t class_size[FLO__STACK_CLASSES] = {
	[FLO__STACK_SMALL] = (size_t)SCALE * 64 * 1024,
	[FLO__STACK_LARGE] = (size_t)SCALE * 256 * 1024,
};

enum guard {
	GUARD_NONE,
	GUARD_INSTALLED,
	GUARD_PROTECTED,
	GUARD_CANARY
};

struct slab {
	struct slab *next;
	char *base;
	uint32_t len, used; /* by the pool's lock */
	struct flo__stack stacks[];
};

struct flo__stack_pool {
	struct flo__tlock lock;
	enum guard guard;			     /* by lock */
	uint32_t protected;			     /* by lock */
	size_t page;				     /* constant */
	struct slab *slabs;			     /* by lock */
	struct slab *carving[FLO__STACK_CLASSES];    /* by lock */
	struct flo__stack *free[FLO__STACK_CLASSES]; /* by lock */
	struct flo__stack *reserve; /* by lock; NULL while it is lent */
	uint32_t free_len[FLO__STACK_CLASSES]; /* by lock */
};

bool flo__stack_class(size_t size, unsigned *ret_class)
{
	for (unsigned class = 0; class < FLO__STACK_CLASSES; class ++) {
		if (size <= class_size[class] / SCALE) {
			*ret_class = class;
			return true;
		}
	}
	return false;
}

void flo__stack_pool_free(struct flo__stack_pool *pool)
{
	struct slab *slab;

	if (pool == NULL)
		return;
	while ((slab = pool->slabs) != NULL) {
		pool->slabs = slab->next;
		for (uint32_t i = 0; i < slab->used; i++)
			VALGRIND_STACK_DEREGISTER(slab->stacks[i].valgrind_id);
#ifdef FLO__ASAN
		ASAN_UNPOISON_MEMORY_REGION(slab->base, SLAB_SIZE);
#endif
		munmap(slab->base, SLAB_SIZE);
		flo__free(slab);
	}
	flo__free(pool);
}

static struct slab *slab_new(struct flo__stack_pool *pool, unsigned class)
{
	uint32_t len = (uint32_t)(SLAB_SIZE / class_size[class]);
	struct slab *slab;

	slab = flo__calloc(1, sizeof(*slab) + len * sizeof(slab->stacks[0]));
	if (slab == NULL)
		return NULL;
	slab->base = flo__sys.map(SLAB_SIZE);
	if (slab->base == NULL) {
		flo__free(slab);
		return NULL;
	}
	/* A huge page would make the first touch cost 2 MiB. */
	flo__sys.advise(slab->base, SLAB_SIZE, MADV_NOHUGEPAGE);
	slab->len = len;
	slab->next = pool->slabs;
	pool->slabs = slab;
	return slab;
}

static void canary_write(struct flo__stack *stack)
{
	uint64_t *word = (uint64_t *)(void *)stack->base;

	for (int i = 0; i < CANARY_WORDS; i++)
		word[i] = CANARY;
}

/* Guard @stack as well as the kernel lets us. The pool's lock is held. */
static void guard(struct flo__stack_pool *pool, struct flo__stack *stack)
{
	if (pool->guard == GUARD_INSTALLED &&
	    flo__sys.advise(stack->base, pool->page, MADV_GUARD_INSTALL) != 0)
		pool->guard = GUARD_PROTECTED;
	if (pool->guard == GUARD_PROTECTED &&
	    (pool->protected == MPROTECT_MAX ||
	     flo__sys.protect(stack->base, pool->page, PROT_NONE) != 0))
		pool->guard = GUARD_CANARY;
	if (pool->guard == GUARD_PROTECTED)
		pool->protected ++;
	if (pool->guard == GUARD_CANARY)
		canary_write(stack);
	stack->guard = (uint8_t)pool->guard;
}

/* Take a stack that was never used. The pool's lock is held. */
static struct flo__stack *carve(struct flo__stack_pool *pool, unsigned class)
{
	struct slab *slab = pool->carving[class];
	struct flo__stack *stack;

	if (slab == NULL || slab->used == slab->len)
		slab = slab_new(pool, class);
	if (slab == NULL)
		return NULL;
	pool->carving[class] = slab;
	stack = &slab->stacks[slab->used];
	stack->size = class_size[class];
	stack->base = slab->base + slab->used * stack->size;
	stack->index = slab->used++;
	stack->class = (uint8_t) class;
	guard(pool, stack);
	stack->valgrind_id = VALGRIND_STACK_REGISTER(stack->base + pool->page,
						     stack->base + stack->size);
	return stack;
}

flo_status flo__stack_pool_new(struct flo__stack_pool **ret_pool)
{
	struct flo__stack_pool *pool = flo__calloc(1, sizeof(*pool));

	if (pool == NULL)
		return FLO_NOMEM;
	pool->guard = GUARD_INSTALLED;
	pool->page = (size_t)sysconf(_SC_PAGESIZE);
	pool->reserve = carve(pool, FLO__STACK_LARGE);
	if (pool->reserve == NULL) {
		flo__stack_pool_free(pool);
		return FLO_NOMEM;
	}
	pool->reserve->reserved = true;
	*ret_pool = pool;
	return FLO_OK;
}

/* Move up to half a cache of free stacks from the pool to @p. */
static void refill(struct flo__stack_pool *pool, struct flo__p *p,
		   unsigned class)
{
	struct flo__stack *stack;

	flo__tlock_take(&pool->lock);
	for (uint32_t i = 0; i < FLO__CACHE_MAX / 2; i++) {
		stack = pool->free[class];
		if (stack != NULL) {
			pool->free[class] = stack->next;
			pool->free_len[class]--;
		} else if (i >= CARVE || (stack = carve(pool, class)) == NULL) {
			break;
		}
		stack->next = p->stacks[class];
		p->stacks[class] = stack;
		p->stacks_len[class]++;
	}
	flo__tlock_give(&pool->lock);
}

/* @stack is about to have a new owner. */
static void freshen(struct flo__stack *stack)
{
#ifdef FLO__ASAN
	ASAN_UNPOISON_MEMORY_REGION(stack->base, stack->size);
#endif
	if (stack->guard == GUARD_CANARY)
		canary_write(stack);
}

/* A stack from the cache of @p; NULL if that is empty. Takes no lock. */
struct flo__stack *flo__stack_warm(struct flo__p *p, unsigned class)
{
	struct flo__stack *stack = p->stacks[class];

	if (stack == NULL)
		return NULL;
	p->stacks[class] = stack->next;
	p->stacks_len[class]--;
	freshen(stack);
	return stack;
}

struct flo__stack *flo__stack_reserve(struct flo__stack_pool *pool)
{
	struct flo__stack *stack;

	flo__tlock_take(&pool->lock);
	stack = pool->reserve;
	pool->reserve = NULL;
	flo__tlock_give(&pool->lock);
	if (stack != NULL)
		freshen(stack);
	return stack;
}

struct flo__stack *flo__stack_get(struct flo__p *p, unsigned class)
{
	if (p->stacks[class] == NULL)
		refill(p->rt->stacks, p, class);
	return flo__stack_warm(p, class);
}

/* Give @n stacks of @p's cache to the pool, without pages if it has enough. */
static void drain(struct flo__stack_pool *pool, struct flo__p *p,
		  unsigned class, uint32_t n)
{
	struct flo__stack *stack;
	bool cold;

	flo__tlock_take(&pool->lock);
	cold = pool->free_len[class] >= WARM_MAX;
	while (n-- > 0) {
		stack = p->stacks[class];
		p->stacks[class] = stack->next;
		p->stacks_len[class]--;
		if (cold)
			flo__sys.advise(stack->base + pool->page,
					stack->size - pool->page,
					MADV_DONTNEED);
		stack->next = pool->free[class];
		pool->free[class] = stack;
		pool->free_len[class]++;
	}
	flo__tlock_give(&pool->lock);
}

/* Give all that @p has in its cache to the pool. True if that was any. */
bool flo__stack_give_up(struct flo__p *p)
{
	bool any = false;

	for (unsigned class = 0; class < FLO__STACK_CLASSES; class ++) {
		any = any || p->stacks_len[class] > 0;
		drain(p->rt->stacks, p, class, p->stacks_len[class]);
	}
	return any;
}

static void give_back(struct flo__stack_pool *pool, struct flo__stack *stack)
{
	flo__tlock_take(&pool->lock);
	INSIST(pool->reserve == NULL);
	pool->reserve = stack;
	flo__tlock_give(&pool->lock);
}

/*
 * Into the cache: the warmest goes first. Not in strict builds, where the next
 * owner of a stack is ordered after the last one, which would hide races
 * between coroutines that run one after the other.
 */
static void keep(struct flo__p *p, struct flo__stack *stack)
{
	struct flo__stack **at = &p->stacks[stack->class];

#ifdef FLO__TSAN_STRICT
	while (*at != NULL)
		at = &(*at)->next;
#endif
	stack->next = *at;
	*at = stack;
}

void flo__stack_put(struct flo__p *p, struct flo__stack *stack)
{
	unsigned class = stack->class;

	if (stack->guard == GUARD_CANARY)
		flo__stack_check(stack);
#ifdef FLO__ASAN
	/* Nobody may look there until another coroutine gets it. */
	ASAN_POISON_MEMORY_REGION(stack->base, stack->size);
#endif
	if (stack->reserved) {
		give_back(p->rt->stacks, stack);
		return;
	}
	keep(p, stack);
	p->stacks_len[class]++;
	if (p->stacks_len[class] >= FLO__CACHE_MAX)
		drain(p->rt->stacks, p, class, FLO__CACHE_MAX / 2);
}

void *flo__stack_top(const struct flo__stack *stack)
{
	size_t colour = (stack->index % COLOURS) * COLOUR_STEP;

	return stack->base + stack->size - colour;
}

bool flo__stack_has_canary(const struct flo__stack *stack)
{
	return stack->guard == GUARD_CANARY;
}

/* Requires: it has a canary. */
void flo__stack_check(const struct flo__stack *stack)
{
	const uint64_t *word = (const uint64_t *)(const void *)stack->base;

	for (int i = 0; i < CANARY_WORDS; i++)
		if (word[i] != CANARY)
			flo__stack_overflowed(stack->size);
}

/* Read by handlers of signals: constant once the stack is in use. */
size_t flo__stack_guard(const struct flo__stack *stack)
{
	return stack->guard == GUARD_CANARY ? 0 : (size_t)sysconf(_SC_PAGESIZE);
}
