/*
 * A coroutine's record, and both ends of its life.
 *
 * Records come from slabs that live as long as the runtime, so a report can
 * walk them and a stale pointer still points to a record. A coroutine that has
 * ended takes the next fresh one of its P onto its own warm stack without any
 * switch; ThreadSanitizer builds do not, they give each its own fiber.
 */
#include "engine/sched/gmp_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#ifdef FLO__ASAN
#include <sanitizer/common_interface_defs.h>
#endif

#define SLAB_LEN 128

struct flo__gslab {
	struct flo__gslab *next;
	struct flo__g gs[SLAB_LEN];
};

/* Records, in a slab of their own, to the runtime's list. glock is held. */
static bool grow(flo_runtime *rt)
{
	struct flo__gslab *slab = flo__calloc(1, sizeof(*slab));

	if (slab == NULL)
		return false;
	slab->next = rt->gslabs;
	rt->gslabs = slab;
	FLO__TSAN_RELEASE(&rt->gfree);
	for (int i = 0; i < SLAB_LEN; i++) {
		slab->gs[i].rt = rt;
		flo__glist_push(&rt->gfree, &slab->gs[i]);
	}
	return true;
}

/* Take a record from the runtime's list, with a batch for @p if not NULL. */
static struct flo__g *take_shared(flo_runtime *rt, struct flo__p *p)
{
	struct flo__g *g = NULL;

	flo__tlock_take(&rt->glock);
	if (rt->gfree.len > 0 || grow(rt)) {
		g = flo__glist_pop(&rt->gfree);
		while (p != NULL && rt->gfree.len > 0 &&
		       p->gfree.len < FLO__CACHE_MAX / 2)
			flo__glist_push(&p->gfree, flo__glist_pop(&rt->gfree));
	}
	flo__tlock_give(&rt->glock);
	return g;
}

/* Make a record; @p, if not NULL, is the caller's. NULL: out of memory. */
struct flo__g *flo__g_new(flo_runtime *rt, struct flo__p *p)
{
	struct flo__g *g = p != NULL ? flo__glist_pop(&p->gfree) : NULL;

	if (g == NULL)
		g = take_shared(rt, p);
	if (g == NULL)
		return NULL;
	FLO__TSAN_ACQUIRE(&rt->gfree);
	INSIST(atomic_load_explicit(&g->state, memory_order_relaxed) ==
	       FLO__G_FREE);
	INSIST(g->stack == NULL);
	g->local = NULL;
	__atomic_store_n(&g->why, NULL, __ATOMIC_RELAXED);
	g->external = false;
	g->sp = NULL;
	return g;
}

/* From here on whoever takes it from a queue may run it. */
void flo__g_publish(struct flo__g *g)
{
#ifdef FLO__TSAN_STRICT
	/* A fiber begins after all that its maker has seen. Made here that is
	 * what the `go` orders; made by the M, what ran on it before. */
	g->fiber = __tsan_create_fiber(0);
#endif
	atomic_store_explicit(&g->state, FLO__G_QUEUED, memory_order_release);
	FLO__TSAN_RELEASE(g);
}

void flo__g_free(struct flo__p *p, struct flo__g *g)
{
	flo_runtime *rt = p->rt;

	g->stack = NULL;
	atomic_store_explicit(&g->state, FLO__G_FREE, memory_order_release);
#ifdef FLO__TSAN_STRICT
	/* As late as can be: its next owner is ordered after its last. */
	flo__glist_push(&p->gfree, g);
#else
	g->next = p->gfree.head;
	p->gfree.head = g;
	if (p->gfree.tail == NULL)
		p->gfree.tail = g;
	p->gfree.len++;
#endif
	if (p->gfree.len < 2 * FLO__CACHE_MAX)
		return;
	flo__tlock_take(&rt->glock);
	while (p->gfree.len > FLO__CACHE_MAX)
		flo__glist_push(&rt->gfree, flo__glist_pop(&p->gfree));
	flo__tlock_give(&rt->glock);
}

void flo__g_each(flo_runtime *rt, void (*fn)(struct flo__g *g, void *arg),
		 void *arg)
{
	struct flo__gslab *slab;

	flo__tlock_take(&rt->glock);
	for (slab = rt->gslabs; slab != NULL; slab = slab->next)
		for (int i = 0; i < SLAB_LEN; i++)
			fn(&slab->gs[i], arg);
	flo__tlock_give(&rt->glock);
}

void flo__g_slabs_free(flo_runtime *rt)
{
	struct flo__gslab *slab;

	while ((slab = rt->gslabs) != NULL) {
		rt->gslabs = slab->next;
		flo__free(slab);
	}
}

/* The sanitizers' view of a switch: see the note in gmp_p.h. */
static inline void about_to_enter(struct flo__m *m, struct flo__g *g,
				  void **fake)
{
#ifdef FLO__TSAN
	__tsan_switch_to_fiber(g->fiber, FLO__TSAN_SWITCH);
#endif
#ifdef FLO__ASAN
	__sanitizer_start_switch_fiber(fake, g->stack->base, g->stack->size);
#endif
	(void)m, (void)g, (void)fake;
}

static inline void has_come_back(void *fake)
{
#ifdef FLO__ASAN
	__sanitizer_finish_switch_fiber(fake, NULL, NULL);
#endif
	(void)fake;
}

static inline void about_to_leave(struct flo__m *m, struct flo__g *g,
				  void **fake)
{
	FLO__TSAN_RELEASE(g);
#ifdef FLO__TSAN
	__tsan_switch_to_fiber(m->fiber, FLO__TSAN_SWITCH);
#endif
#ifdef FLO__ASAN
	__sanitizer_start_switch_fiber(fake, m->asan_stack, m->asan_size);
#endif
	(void)m, (void)g, (void)fake;
}

static inline void has_entered(struct flo__m *m, struct flo__g *g, void *fake)
{
	FLO__TSAN_ACQUIRE(g);
	FLO__TSAN_ACQUIRE(&m->fiber); /* its thread-locals: m.c */
	(void)g;
#ifdef FLO__ASAN
	__sanitizer_finish_switch_fiber(fake, &m->asan_stack, &m->asan_size);
#endif
	(void)m, (void)fake;
}

/*
 * Leave the running coroutine for its M's own stack, where @op is done.
 * Returns the M that resumes it.
 */
struct flo__m *flo__g_leave(struct flo__m *m, enum flo__m_op op)
{
	struct flo__g *g = m->g;
	void *fake = NULL;

	m->op = op;
	about_to_leave(m, g, op == FLO__OP_END ? NULL : &fake);
	m = flo__switch(&g->sp, m->sp, m);
	has_entered(m, g, fake);
	return m;
}

static void count_end(struct flo__p *p)
{
	atomic_store_explicit(&p->ended,
			      atomic_load_explicit(&p->ended,
						   memory_order_relaxed) +
				      1,
			      memory_order_relaxed);
}

/* The next fresh coroutine of the same stack class, if it comes next anyway. */
static struct flo__g *next_fresh(struct flo__m *m, struct flo__g *ended)
{
#ifdef FLO__TSAN
	(void)m, (void)ended;
	return NULL;
#else
	struct flo__p *p = m->p;
	struct flo__g *g;

	if ((p->tick + 1) % FLO__TIMER_TICK == 0 ||
	    atomic_load_explicit(&p->runnext, memory_order_relaxed) != NULL)
		return NULL;
	g = flo__runq_get(p);
	if (g == NULL)
		return NULL;
	if (g->stack != NULL || g->stack_class != ended->stack_class) {
		m->picked = g;
		return NULL;
	}
	p->tick++;
	atomic_store_explicit(&p->shown_tick, p->tick, memory_order_relaxed);
	return g;
#endif
}

/* The bottom of every coroutine's stack. */
static void entry(struct flo__m *m)
{
	struct flo__g *g, *next;

	has_entered(m, m->g, NULL);
	/* The stack's last owner is done with it; that much is ordered. */
	FLO__TSAN_ACQUIRE(m->g->stack);
	for (;;) {
		g = m->g;
		g->fn(g->arg);
		m = flo__m();
		INSIST(m->g == g);
		REQUIRE(m->block_depth == 0);
		next = next_fresh(m, g);
		if (next == NULL)
			break;
		flo__stack_check(g->stack);
		next->stack = g->stack;
		atomic_store_explicit(&next->state, FLO__G_RUNNING,
				      memory_order_relaxed);
		m->g = next;
		count_end(m->p);
		flo__g_free(m->p, g);
	}
	FLO__TSAN_RELEASE(g->stack);
	FLO__TSAN_RELEASE(&m->rt->gslabs); /* for who frees the runtime */
	flo__g_leave(m, FLO__OP_END);
	INSIST(!"an ended coroutine was resumed");
}

static bool starving(const struct flo__m *m)
{
	return atomic_load_explicit(&m->rt->nstarved, memory_order_relaxed) > 0;
}

/* Bind a stack to a coroutine that never ran. */
static bool bind(struct flo__m *m, struct flo__g *g)
{
	g->stack = flo__stack_get(m->p, g->stack_class);
	if (g->stack == NULL)
		return false;
	if (starving(m))
		flo__starve_feed(m->rt); /* there may be more */
	g->sp = flo__switch_prepare(flo__stack_top(g->stack), entry);
#if defined(FLO__TSAN) && !defined(FLO__TSAN_STRICT)
	g->fiber = __tsan_create_fiber(0);
#endif
	return true;
}

static void end(struct flo__m *m, struct flo__g *g)
{
#ifdef FLO__TSAN
	__tsan_destroy_fiber(g->fiber);
	g->fiber = NULL;
#endif
	flo__stack_put(m->p, g->stack);
	count_end(m->p);
	flo__g_free(m->p, g);
	if (starving(m)) {
		flo__stack_give_up(m->p);
		flo__starve_feed(m->rt);
	}
}

static void park(struct flo__m *m, struct flo__g *g)
{
	uint32_t was;

	/* The commit acts for @g: it gives up a lock that @g took. For nothing
	 * else is the M ordered after its G's, or all after all in the end. */
	FLO__TSAN_ACQUIRE(g);
	/* From the commit on @g may be running elsewhere, or gone. */
	if (m->commit == NULL || m->commit(g, m->commit_arg))
		return;
	was = atomic_exchange_explicit(&g->state, FLO__G_RUNNING,
				       memory_order_acquire);
	INSIST(was == FLO__G_PARKED);
	if (g->external)
		atomic_fetch_sub(&m->rt->externals, 1);
	FLO__TSAN_RELEASE(g);
	m->op = FLO__OP_NONE;
}

/* After a switch back: do what the coroutine left for. */
static void after(struct flo__m *m, struct flo__g *g)
{
	switch (m->op) {
	case FLO__OP_PARK:
		park(m, g);
		break;
	case FLO__OP_YIELD:
		atomic_store_explicit(&g->state, FLO__G_QUEUED,
				      memory_order_release);
		flo__sched_push(m, g, false);
		break;
	case FLO__OP_END:
		end(m, g);
		break;
	case FLO__OP_UNBLOCK:
		atomic_store_explicit(&g->state, FLO__G_QUEUED,
				      memory_order_release);
		flo__blocking_return(m, g);
		break;
	case FLO__OP_NONE:
	default:
		INSIST(!"a coroutine left for nothing");
	}
}

/* Run @g until it leaves. Called on the M's own stack, with a P. */
void flo__g_run(struct flo__m *m, struct flo__g *g)
{
	void *fake = NULL;

	INSIST(m->g == NULL && m->p != NULL);
	INSIST(atomic_load_explicit(&g->state, memory_order_acquire) ==
	       FLO__G_QUEUED);
	if (g->stack == NULL && !bind(m, g)) {
		flo__starve(m->rt, g);
		return;
	}
	atomic_store_explicit(&g->state, FLO__G_RUNNING, memory_order_relaxed);
	do {
		m->g = g;
		about_to_enter(m, g, &fake);
		flo__switch(&m->sp, g->sp, m);
		/* It may be another one by now: next_fresh(). */
		g = m->g;
		has_come_back(fake);
		m->g = NULL;
		after(m, g);
	} while (m->op == FLO__OP_NONE);
}

void flo__park(bool (*commit)(struct flo__g *g, void *arg), void *arg,
	       const char *why, bool external)
{
	struct flo__m *m = flo__m();
	struct flo__g *g;

	REQUIRE(m != NULL && m->g != NULL);
	REQUIRE(m->block_depth == 0);
	g = m->g;
	__atomic_store_n(&g->why, why, __ATOMIC_RELAXED);
	g->external = external;
	if (external)
		atomic_fetch_add(&m->rt->externals, 1);
	if (g->stack != NULL)
		flo__stack_check(g->stack);
	m->commit = commit;
	m->commit_arg = arg;
	atomic_store_explicit(&g->state, FLO__G_PARKED, memory_order_release);
	flo__g_leave(m, FLO__OP_PARK);
	if (external)
		g->external = false;
}

/* A G on its way from parked to a queue. */
static void claim(struct flo__g *g)
{
	uint32_t was;

	was = atomic_exchange_explicit(&g->state, FLO__G_QUEUED,
				       memory_order_acq_rel);
	INSIST(was == FLO__G_PARKED);
	FLO__TSAN_RELEASE(g);
}

/* From outside: the runtime may end as soon as @g has run. */
static void ready_foreign(flo_runtime *rt, struct flo__g *g, bool external)
{
	struct flo__glist list = {0};

	atomic_fetch_add(&rt->foreign, 1);
	flo__glist_push(&list, g);
	flo__sched_push_global(rt, &list);
	if (external)
		atomic_fetch_sub(&rt->externals, 1);
	flo__sched_wake(rt);
	atomic_fetch_sub(&rt->foreign, 1);
}

/* @front: before what is queued, unless it comes from outside. */
static void ready(struct flo__g *g, bool front)
{
	struct flo__m *m = flo__m();
	flo_runtime *rt = g->rt;
	bool external = g->external;

	claim(g);
	if (m == NULL || m->rt != rt || (m->p == NULL && !m->batching)) {
		ready_foreign(rt, g, external);
		return;
	}
	if (m->batching) {
		flo__glist_push(&m->batch, g);
		m->batch_external += external;
		return;
	}
	flo__sched_push(m, g, front);
	if (external)
		atomic_fetch_sub(&rt->externals, 1);
	if (atomic_load_explicit(&rt->nactive, memory_order_relaxed) > 1)
		flo__sched_wake(rt);
}

void flo__ready(struct flo__g *g)
{
	ready(g, true);
}

void flo__ready_last(struct flo__g *g)
{
	ready(g, false);
}

struct flo__g *flo__g_current(void)
{
	struct flo__m *m = flo__m();

	return m != NULL ? m->g : NULL;
}

static bool hex_word(const char *hex, uint64_t *ret)
{
	uint64_t word = 0;

	for (int i = 0; i < 16; i++) {
		char c = hex[i];

		if (c >= '0' && c <= '9')
			word = word << 4 | (uint64_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			word = word << 4 | (uint64_t)(c - 'a' + 10);
		else
			return false;
	}
	*ret = word;
	return true;
}

void flo__g_trace(const char *hex)
{
	struct flo__g *g = flo__g_current();
	uint64_t trace[2] = {0, 0};

	REQUIRE(g != NULL);
	if (!hex_word(hex, &trace[0]) || !hex_word(hex + 16, &trace[1]))
		trace[0] = trace[1] = 0;
	__atomic_store_n(&g->trace[0], trace[0], __ATOMIC_RELAXED);
	__atomic_store_n(&g->trace[1], trace[1], __ATOMIC_RELAXED);
}

flo_runtime *flo__g_runtime(const struct flo__g *g)
{
	return g->rt;
}

void **flo__g_local(struct flo__g *g)
{
	return &g->local;
}

void flo_yield(void)
{
	struct flo__m *m = flo__m();

	REQUIRE(m != NULL && m->g != NULL);
	REQUIRE(m->block_depth == 0);
	flo__g_leave(m, FLO__OP_YIELD);
}
