/*
 * A coroutine's life: how it comes to run, leaves, comes back and ends.
 *
 * A coroutine that has
 * ended takes the next fresh one of its P onto its own warm stack without any
 * switch; ThreadSanitizer builds do not, they give each its own fiber.
 */
#include "engine/sched/gmp_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#ifdef FLO__ASAN
#include <sanitizer/common_interface_defs.h>
#endif

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

static void entry(struct flo__m *m);

static inline void becomes_running(struct flo__g *g)
{
	INSIST(atomic_load_explicit(&g->state, memory_order_acquire) ==
	       FLO__G_QUEUED);
	atomic_store_explicit(&g->state, FLO__G_RUNNING, memory_order_relaxed);
}

static void start_on(struct flo__g *g, struct flo__stack *stack)
{
	g->stack = stack;
	g->canary = flo__stack_has_canary(stack);
	g->sp = flo__switch_prepare(flo__stack_top(stack), entry);
#if defined(FLO__TSAN) && !defined(FLO__TSAN_STRICT)
	g->fiber = __tsan_create_fiber(0);
#endif
}

/*
 * The next coroutine, if it can run at once: it is near, and has a stack or
 * there is a warm one. Else NULL, and the M looks for it on its own stack.
 */
static inline struct flo__g *next_at_hand(struct flo__m *m)
{
#ifdef FLO__TSAN_STRICT
	/* The one who finishes a departure would learn from the one who left. */
	(void)m;
	return NULL;
#else
	struct flo__g *g = m->picked;
	struct flo__stack *stack;

	m->picked = NULL;
	if (g == NULL)
		g = flo__sched_next(m);
	if (g == NULL)
		return NULL;
	if (g->stack == NULL) {
		stack = flo__stack_warm(m->p, g->stack_class);
		if (stack == NULL) {
			m->picked = g;
			return NULL;
		}
		start_on(g, stack);
	}
	becomes_running(g);
	return g;
#endif
}

/*
 * Note: who finishes a departure
 *
 * A coroutine that leaves must not be seen by others before its stack is
 * quiet: whoever it is handed to may resume it at once. So what it left for is
 * done after the switch, by arrive(), on the stack of whoever comes next: the
 * next coroutine, if there is one at hand, which saves half of the switches, or
 * the M's own stack, where the search for another one begins.
 *
 * The lock of the queue in which the coroutine parks is held meanwhile, so
 * what is done before the switch must be short: no stack is mapped there, no
 * timer run, no lock taken.
 */

/* The sanitizers' view of a switch: see the note in gmp_p.h. @g is NULL for
 * the M's own stack. */
static inline void about_to_enter(struct flo__m *m, struct flo__g *g,
				  void **fake)
{
#ifdef FLO__TSAN
	__tsan_switch_to_fiber(g != NULL ? g->fiber : m->fiber,
			       FLO__TSAN_SWITCH);
#endif
#ifdef FLO__ASAN
	__sanitizer_start_switch_fiber(
		fake, g != NULL ? g->stack->base : m->asan_stack,
		g != NULL ? g->stack->size : m->asan_size);
#endif
	(void)m, (void)g, (void)fake;
}

/* The M's own stack is where a coroutine comes from that nobody left for. */
static inline void has_entered(struct flo__m *m, void *fake)
{
#ifdef FLO__ASAN
	bool from_m = m->g != NULL && m->left == NULL;

	__sanitizer_finish_switch_fiber(fake, from_m ? &m->asan_stack : NULL,
					from_m ? &m->asan_size : NULL);
#endif
	(void)m, (void)fake;
}

static void after(struct flo__m *m, struct flo__g *g);

/* Tell whom it concerns of the ends that were put off. */
static void settle(struct flo__m *m)
{
	uint32_t n = m->ends_len;

	m->ends_len = 0;
	m->settle(m->ends_of, n);
}

void flo__end_later(void *of, void (*fn)(void *of, uint32_t n))
{
	struct flo__m *m = flo__m();

	INSIST(m->ends_len == 0 || m->ends_of == of);
	m->ends_of = of;
	m->settle = fn;
	m->ends_len++;
}

/* First thing after a switch: finish what the one who left has begun. */
static inline void arrive(struct flo__m *m)
{
	struct flo__g *left = m->left;

	if (left == NULL)
		return;
	after(m, left);
	m->left = NULL;
	if (m->ends_len > 0)
		settle(m);
}

/*
 * Leave the running coroutine for the next one at hand, or for the M's own
 * stack. Then @op is done. Returns the M that resumes it. Not inlined: see
 * switch_x86_64.S.
 */
__attribute__((noinline)) struct flo__m *flo__g_leave(struct flo__m *m,
						      enum flo__m_op op)
{
	struct flo__g *g = m->g;
	struct flo__g *next = op == FLO__OP_UNBLOCK ? NULL : next_at_hand(m);
	void *fake = NULL;

	m->op = op;
	m->left = g;
	m->g = next;
	FLO__TSAN_RELEASE(g);
	about_to_enter(m, next, op == FLO__OP_END ? NULL : &fake);
	m = flo__switch(&g->sp, next != NULL ? next->sp : m->sp, m);
	FLO__TSAN_ACQUIRE(g);
	FLO__TSAN_ACQUIRE(&m->fiber); /* its thread-locals: m.c */
	has_entered(m, fake);
	arrive(m);
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
	struct flo__g *g = flo__sched_next(m);

	if (g == NULL)
		return NULL;
	if (g->stack != NULL || g->stack_class != ended->stack_class) {
		m->picked = g;
		return NULL;
	}
	return g;
#endif
}

/* Does @next count for what the ends that were put off count for? */
static inline bool is_sibling(const struct flo__g *next, const struct flo__m *m)
{
	return next != NULL && next->fn == m->g->fn &&
	       next->arg == &next->room && next->room.words[0] == m->ends_of;
}

/* The bottom of every coroutine's stack. */
static void entry(struct flo__m *m)
{
	struct flo__g *g, *next;

	FLO__TSAN_ACQUIRE(m->g);
	FLO__TSAN_ACQUIRE(&m->fiber); /* its thread-locals: m.c */
	has_entered(m, NULL);
	/* The stack's last owner is done with it; that much is ordered. */
	FLO__TSAN_ACQUIRE(m->g->stack);
	arrive(m);
	for (;;) {
		g = m->g;
		g->fn(g->arg);
		m = flo__m();
		INSIST(m->g == g);
		REQUIRE_RULE(m->block_depth == 0,
			     "ended inside flo_blocking_begin()");
		next = next_fresh(m, g);
		if (m->ends_len > 0 && !is_sibling(next, m))
			settle(m);
		if (next == NULL)
			break;
		if (g->canary)
			flo__stack_check(g->stack);
		next->stack = g->stack;
		next->canary = g->canary;
		becomes_running(next);
		m->g = next;
		count_end(m->p);
		flo__g_free(m->p, g);
	}
	if (g->canary)
		flo__stack_check(g->stack); /* while its name is known */
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
	struct flo__stack *stack = flo__stack_get(m->p, g->stack_class);

	if (stack == NULL &&
	    atomic_load_explicit(&m->rt->relieving, memory_order_relaxed))
		stack = flo__stack_reserve(m->rt->stacks);
	if (stack == NULL)
		return false;
	if (starving(m))
		flo__starve_sated(m->rt, g);
	start_on(g, stack);
	return true;
}

static void end(struct flo__m *m, struct flo__g *g)
{
#ifdef FLO__TSAN
	__tsan_destroy_fiber(g->fiber);
	g->fiber = NULL;
#endif
	INSIST(g->local == NULL);
	flo__stack_put(m->p, g->stack);
	count_end(m->p);
	flo__g_free(m->p, g);
	if (starving(m)) {
		flo__stack_give_up(m->p);
		flo__starve_feed(m->rt);
	}
}

/*
 * Queue @g, which has left. If the one who comes was taken from the queue
 * before that, others may have looked in between, found nothing, and gone to
 * sleep: they must hear of @g, or it waits for however long that one computes.
 */
static void requeue(struct flo__m *m, struct flo__g *g, bool front)
{
	bool overtaken = m->g != NULL || m->picked != NULL;

	flo__sched_push(m, g, front);
	if (overtaken &&
	    atomic_load_explicit(&m->rt->nactive, memory_order_relaxed) > 1)
		flo__sched_hint(m->rt);
}

/* @g, whose park was called off, goes on as soon as it can. */
static void call_off(struct flo__m *m, struct flo__g *g)
{
	uint32_t was = atomic_exchange_explicit(&g->state, FLO__G_QUEUED,
						memory_order_acq_rel);
	bool external = g->external; /* once queued it may run elsewhere */

	INSIST(was == FLO__G_PARKED);
	FLO__TSAN_RELEASE(g);
	requeue(m, g, true);
	if (external)
		atomic_fetch_sub(&m->rt->externals, 1);
}

static void park(struct flo__m *m, struct flo__g *g)
{
	/* The commit acts for @g: it gives up a lock that @g took. For nothing
	 * else is the M ordered after its G's, or all after all in the end. */
	FLO__TSAN_ACQUIRE(g);
	/* From the commit on @g may be running elsewhere, or gone. */
	if (m->commit != NULL && !m->commit(g, m->commit_arg))
		call_off(m, g);
}

/* Do what @g, which has left its stack, left for. */
static void after(struct flo__m *m, struct flo__g *g)
{
	switch (m->op) {
	case FLO__OP_PARK:
		park(m, g);
		break;
	case FLO__OP_YIELD:
		FLO__TSAN_RELEASE(g);
		atomic_store_explicit(&g->state, FLO__G_QUEUED,
				      memory_order_release);
		requeue(m, g, false);
		break;
	case FLO__OP_END:
		end(m, g);
		break;
	case FLO__OP_UNBLOCK:
		FLO__TSAN_RELEASE(g);
		atomic_store_explicit(&g->state, FLO__G_QUEUED,
				      memory_order_release);
		flo__blocking_return(m, g);
		break;
	default:
		INSIST(!"a coroutine left for nothing");
	}
}

/*
 * Run @g, and whoever follows without a detour. Called on the M's own stack,
 * with a P; returns when there is nobody at hand.
 */
void flo__g_run(struct flo__m *m, struct flo__g *g)
{
	void *fake = NULL;

	INSIST(m->g == NULL && m->p != NULL);
	if (g->stack == NULL && !bind(m, g)) {
		flo__starve(m->rt, g);
		return;
	}
	becomes_running(g);
	m->g = g;
	m->left = NULL;
	about_to_enter(m, g, &fake);
	flo__switch(&m->sp, g->sp, m);
	INSIST(m->g == NULL);
	has_entered(m, fake);
	arrive(m);
}

void flo__park(bool (*commit)(struct flo__g *g, void *arg), void *arg,
	       const char *why, bool external)
{
	struct flo__m *m = flo__m();
	struct flo__g *g;

	REQUIRE_RULE(m != NULL && m->g != NULL, "only a coroutine can wait");
	REQUIRE_RULE(m->block_depth == 0, "inside flo_blocking_begin()");
	g = m->g;
	__atomic_store_n(&g->why, why, __ATOMIC_RELAXED);
	g->external = external;
	if (external)
		atomic_fetch_add(&m->rt->externals, 1);
	if (g->canary)
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
	/* acquire and release: who readies it owns it between the two */
	INSIST(atomic_load_explicit(&g->state, memory_order_acquire) ==
	       FLO__G_PARKED);
	atomic_store_explicit(&g->state, FLO__G_QUEUED, memory_order_release);
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
		flo__sched_hint(rt);
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

bool flo__g_is_settling(void)
{
	struct flo__m *m = flo__m();

	return m != NULL && m->left != NULL;
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
	__atomic_store_n(&g->marks, g->marks | FLO__G_TRACED, __ATOMIC_RELAXED);
}

uint32_t flo__g_life(struct flo__g *g)
{
	if (!(g->marks & FLO__G_LIVES)) {
		g->life++;
		__atomic_store_n(&g->marks, g->marks | FLO__G_LIVES,
				 __ATOMIC_RELAXED);
	}
	return g->life;
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

	REQUIRE_RULE(m != NULL && m->g != NULL, "only a coroutine can yield");
	REQUIRE_RULE(m->block_depth == 0, "inside flo_blocking_begin()");
	if (!flo__sched_alone(m))
		flo__g_leave(m, FLO__OP_YIELD);
}
