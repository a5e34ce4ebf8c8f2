/*
 * Note: the pool
 *
 * A place for each P, of two parts: a private slot for one object, taken and
 * filled by one atomic exchange, and a stack of more under a lock. A caller
 * uses the place of the P it runs on; when that is empty it goes round the
 * others', stacks first, since a private slot is probably wanted soon.
 *
 * The P is a hint and nothing depends on it: a place may be used by anybody at
 * any time, ordinary threads use the first. So no coroutine has to be pinned
 * to its P, as in Go, and a thread that is not run by the system while it
 * holds a lock delays only who wants that one stack.
 *
 * Refused: Go's lock-free chains of rings. They spare a lock that nobody
 * contends for, and grow without a bound until the garbage collector comes.
 */
#include <flo/sync.h>

#include "base/alive.h"
#include "base/alloc.h"
#include "engine/sched/sched_p.h"
#include "engine/sync/spin_p.h"

#include <stdatomic.h>

#define STACK_MAX 128u /* objects beside the private one */

struct place {
	/* atomic: release by who puts, acquire by who takes */
	_Atomic(void *) private;
	uint32_t lock;
	_Atomic(uint32_t) len;	/* by lock; relaxed looks without it */
	void *stack[STACK_MAX]; /* by lock */
	char pad[64];		/* the next one is another core's */
};

struct flo_pool {
	flo_pool_make make; /* constant */
	flo_pool_drop drop; /* constant */
	void *arg;	    /* constant; borrowed */
	uint32_t len;	    /* constant: places */
	uint32_t alive;	    /* base/alive.h */
	char pad[64];
	struct place places[];
};

flo_status flo_pool_new(flo_runtime *rt, flo_pool_make make, flo_pool_drop drop,
			void *arg, flo_pool **ret_pool)
{
	flo_pool *pool;
	uint32_t len;

	REQUIRE_RULE(rt != NULL, "there is no runtime");
	len = flo__runtime_places(rt);
	pool = flo__calloc(1, sizeof(*pool) + len * sizeof(struct place));
	if (pool == NULL)
		return FLO_NOMEM;
	flo__alive_begin(&pool->alive);
	pool->make = make;
	pool->drop = drop;
	pool->arg = arg;
	pool->len = len;
	*ret_pool = pool;
	return FLO_OK;
}

/* The caller's: of another runtime's P, any. */
static uint32_t own_place(const flo_pool *pool)
{
	return flo__place() % pool->len;
}

static void *take_private(struct place *place)
{
	/* relaxed: a look; the exchange acquires */
	if (atomic_load_explicit(&place->private, memory_order_relaxed) == NULL)
		return NULL;
	return atomic_exchange_explicit(&place->private, NULL,
					memory_order_acquire);
}

static bool put_private(struct place *place, void *object)
{
	void *none = NULL;

	if (atomic_load_explicit(&place->private, memory_order_relaxed) != NULL)
		return false;
	return atomic_compare_exchange_strong_explicit(&place->private, &none,
						       object,
						       memory_order_release,
						       memory_order_relaxed);
}

static uint32_t stack_len(struct place *place)
{
	return atomic_load_explicit(&place->len, memory_order_relaxed);
}

static void *pop(struct place *place)
{
	void *object = NULL;
	uint32_t len;

	if (stack_len(place) == 0)
		return NULL;
	flo__spin_lock(&place->lock);
	len = stack_len(place);
	if (len > 0) {
		object = place->stack[--len];
		atomic_store_explicit(&place->len, len, memory_order_relaxed);
	}
	flo__spin_unlock(&place->lock);
	return object;
}

static bool push(struct place *place, void *object)
{
	uint32_t len;

	flo__spin_lock(&place->lock);
	len = stack_len(place);
	if (len < STACK_MAX) {
		place->stack[len] = object;
		atomic_store_explicit(&place->len, len + 1,
				      memory_order_relaxed);
	}
	flo__spin_unlock(&place->lock);
	return len < STACK_MAX;
}

/* Take from the others, the neighbour first, by @take. */
static void *steal(flo_pool *pool, uint32_t own, void *(*take)(struct place *))
{
	void *object = NULL;

	for (uint32_t i = 1; i < pool->len && object == NULL; i++)
		object = take(&pool->places[(own + i) % pool->len]);
	return object;
}

void *flo_pool_get(flo_pool *pool)
{
	uint32_t own;
	void *object;

	REQUIRE_RULE(pool != NULL, "there is no pool");
	REQUIRE_ALIVE(pool, "pool");
	own = own_place(pool);
	object = take_private(&pool->places[own]);
	if (object == NULL)
		object = pop(&pool->places[own]);
	if (object == NULL)
		object = steal(pool, own, pop);
	if (object == NULL)
		object = steal(pool, own, take_private);
	if (object == NULL && pool->make != NULL)
		object = pool->make(pool->arg);
	return object;
}

static void drop(flo_pool *pool, void *object)
{
	if (pool->drop != NULL)
		pool->drop(object, pool->arg);
}

void flo_pool_put(flo_pool *pool, void *object)
{
	struct place *place;

	REQUIRE_RULE(pool != NULL, "there is no pool");
	REQUIRE_ALIVE(pool, "pool");
	if (object == NULL)
		return;
	place = &pool->places[own_place(pool)];
	if (!put_private(place, object) && !push(place, object))
		drop(pool, object);
}

void flo_pool_free(flo_pool *pool)
{
	void *object;

	if (pool == NULL)
		return;
	REQUIRE_ALIVE(pool, "pool");
	for (uint32_t i = 0; i < pool->len; i++) {
		object = take_private(&pool->places[i]);
		if (object != NULL)
			drop(pool, object);
		while ((object = pop(&pool->places[i])) != NULL)
			drop(pool, object);
	}
	flo__alive_end(&pool->alive);
	flo__alive_free(pool, sizeof(*pool) + pool->len * sizeof(struct place));
}
