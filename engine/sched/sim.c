/*
 * The drives for tests: every free choice is drawn from a seeded generator.
 *
 * Note: the deterministic drive
 *
 * It is the scheduler with its middle taken out. There is one P, hence one M,
 * no monitor and no relief; coroutines, parking, timers and the poller are the
 * ordinary ones. What differs is where a runnable coroutine goes (a queue of
 * our own instead of the ring), who runs next, and what time it is.
 *
 * The queue is a number of lists. A coroutine is put into one of them, and the
 * next is taken from one, both drawn; with more lists than coroutines every
 * order is possible, and nothing needs memory. Each seed also draws how wild
 * it is: the number of lists, from one (nearly the order of the ring) to 16,
 * and how often a coroutine is made to yield before an operation that may
 * wait. Some mistakes show only if one coroutine gets far ahead of the others,
 * some only if all go in step; one fixed temper would find but one kind.
 *
 * The clock stands while anything can run or waits for something outside, and
 * else jumps to the next timer. Two things follow that a real clock hides. Who
 * yields in a loop until a deadline has passed would wait for ever: so a queue
 * that did nothing but yield for YIELDS_MAX rounds counts as waiting. And with
 * no coroutine alive the clock stands, or a deadline that an ordinary thread
 * has set would pass between two of its calls.
 *
 * Note: who may touch it
 *
 * The M while it holds the P, and an ordinary thread (flo__sim_reset() and the
 * like) while the P is idle and the lock is held that guards that. Only
 * `now_ns` is atomic, since any thread may ask for the time. What other threads make
 * runnable goes to the global queue, as ever, and the M takes it from there.
 *
 * Note: how the M waits
 *
 * Always in the poller, never on its futex: so there is one place from which
 * other threads wake it, flo__poller_interrupt(), and it need not know who is
 * waiting for what. It gives its P up before, as every M does, with the fence
 * and the second look of proc.c's protocol; flo__sched_wake() interrupts the
 * poller where it would start an M, and no other M ever exists.
 */
#include "engine/sched/gmp_p.h"
#include "engine/sched/sim_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <sched.h>
#include <string.h>

#define LISTS_MAX   16u
#define YIELDS_MAX  1000u /* rounds of the queue, see the note */
#define POLL_TICK   61u	  /* look outside every so often while all are busy */
#define START_NS    UINT64_C(1000000000000)
#define PATIENCE_NS 10000000u
#define POINTS_MAX  16u /* shuffled: one in so many points yields */

struct flo__sim {
	struct flo__glist lists[LISTS_MAX];
	uint32_t filled; /* bit i: list i is not empty */
	uint32_t len;	 /* coroutines in all of them */
	uint32_t made;	 /* coroutines so far */
	uint32_t alive;
	uint32_t width;	 /* how many lists are used */
	uint32_t points; /* one in so many points yields; 0: none */
	uint32_t tick;
	uint64_t yields; /* in a row, with nothing else between */
	bool at_point;	 /* the yield that comes is not the coroutine's own */
	uint64_t digest;
	void (*watch)(void *arg, const struct flo__sim_event *event);
	void *watch_arg;
	_Atomic uint64_t now_ns; /* relaxed: only the M writes it */
};

_Atomic uint32_t flo__drives_for_tests;

/*
 * A counter that is mixed (splitmix64): any thread may draw, and relaxed, so
 * that drawing orders nothing that a race detector should find.
 */
uint64_t flo__drive_draw(flo_runtime *rt)
{
	uint64_t z = atomic_fetch_add_explicit(&rt->draws, 0x9e3779b97f4a7c15u,
					       memory_order_relaxed);

	z += 0x9e3779b97f4a7c15u;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t draw_below(flo_runtime *rt, uint32_t n)
{
	return n > 1 ? (uint32_t)((flo__drive_draw(rt) >> 32) * n >> 32) : 0;
}

bool flo__drive_choose(uint32_t n, uint32_t *ret)
{
	struct flo__m *m = flo__m();

	if (m == NULL || m->rt->drive == FLO_DRIVE_NORMAL)
		return false;
	*ret = draw_below(m->rt, n);
	return true;
}

bool flo__drive_random(uint64_t *ret)
{
	struct flo__m *m = flo__m();

	if (m == NULL || m->rt->sim == NULL)
		return false;
	*ret = flo__drive_draw(m->rt);
	return true;
}

/* ---- a runtime's beginning and end ---- */

static void begin(flo_runtime *rt, uint64_t seed)
{
	static const uint32_t points[] = {0, 64, 16, 4, 2};
	struct flo__sim *sim = rt->sim;

	INSIST(sim->len == 0 && sim->alive == 0);
	atomic_store_explicit(&rt->draws, seed, memory_order_relaxed);
	atomic_store_explicit(&sim->now_ns, START_NS, memory_order_relaxed);
	sim->made = 0;
	sim->tick = 0;
	sim->yields = 0;
	sim->digest = seed;
	sim->width = 1u << draw_below(rt, 5);
	sim->points = points[draw_below(rt, 5)];
	INSIST(sim->width <= LISTS_MAX);
}

flo_status flo__drive_init(flo_runtime *rt,
			   const struct flo_runtime_options *options)
{
	rt->drive = options->drive;
	if (rt->drive == FLO_DRIVE_NORMAL && options->shuffle_seed != 0)
		rt->drive = FLO_DRIVE_SHUFFLED;
	if (rt->drive == FLO_DRIVE_NORMAL)
		return FLO_OK;
	atomic_init(&rt->draws, options->seed ^ options->shuffle_seed);
	if (rt->drive == FLO_DRIVE_DETERMINISTIC) {
		rt->sim = flo__calloc(1, sizeof(*rt->sim));
		if (rt->sim == NULL) {
			rt->drive = FLO_DRIVE_NORMAL;
			return FLO_NOMEM;
		}
		rt->nprocs = 1;
		rt->np = 1;
		begin(rt, options->seed);
	}
	atomic_fetch_add_explicit(&flo__drives_for_tests, 1,
				  memory_order_relaxed);
	return FLO_OK;
}

void flo__drive_fini(flo_runtime *rt)
{
	if (rt->drive != FLO_DRIVE_NORMAL)
		atomic_fetch_sub_explicit(&flo__drives_for_tests, 1,
					  memory_order_relaxed);
	flo__free(rt->sim);
}

/* ---- what happened ---- */

const char *flo__sim_kind_text(enum flo__sim_kind kind)
{
	static const char *const texts[FLO__SIM_KINDS] = {"run",   "park",
							  "yield", "point",
							  "end",   "timer",
							  "clock"};

	return kind < FLO__SIM_KINDS ? texts[kind] : "?";
}

/* Take an event into the digest (a step of splitmix64 over all three). */
static void note(flo_runtime *rt, enum flo__sim_kind kind, uint32_t id)
{
	struct flo__sim *sim = rt->sim;
	struct flo__sim_event event = {.kind = kind,
				       .id = id,
				       .now_ns = flo__sim_now(rt)};
	uint64_t z = sim->digest ^ event.now_ns;

	z = (z + ((uint64_t)kind << 32 | id)) * 0xbf58476d1ce4e5b9u;
	sim->digest = z ^ (z >> 29);
	if (sim->watch != NULL)
		sim->watch(sim->watch_arg, &event);
}

/*
 * Wait until nothing runs, and keep it so: the lock is held on return. For
 * flo_runtime_run() comes back while its coroutine is still ending.
 */
static void hold_idle(flo_runtime *rt)
{
	REQUIRE(rt->sim != NULL && flo__m() == NULL);
	flo__tlock_take(&rt->lock);
	while (!flo__sched_all_idle(rt) || atomic_load(&rt->global_len) > 0) {
		flo__tlock_give(&rt->lock);
		sched_yield();
		flo__tlock_take(&rt->lock);
	}
}

uint64_t flo__sim_digest(flo_runtime *rt)
{
	uint64_t digest;

	hold_idle(rt);
	digest = rt->sim->digest;
	flo__tlock_give(&rt->lock);
	return digest;
}

uint32_t flo__sim_alive(flo_runtime *rt)
{
	uint32_t alive;

	hold_idle(rt);
	alive = rt->sim->alive;
	flo__tlock_give(&rt->lock);
	return alive;
}

void flo__sim_watch(flo_runtime *rt,
		    void (*fn)(void *arg, const struct flo__sim_event *event),
		    void *arg)
{
	hold_idle(rt);
	rt->sim->watch = fn;
	rt->sim->watch_arg = arg;
	flo__tlock_give(&rt->lock);
}

void flo__sim_reset(flo_runtime *rt, uint64_t seed)
{
	bool alive;

	hold_idle(rt);
	alive = rt->sim->alive > 0;
	if (!alive)
		begin(rt, seed);
	flo__tlock_give(&rt->lock);
	REQUIRE(!alive);
}

uint64_t flo__sim_now(const flo_runtime *rt)
{
	return atomic_load_explicit(&rt->sim->now_ns, memory_order_relaxed);
}

/* ---- the queue ---- */

static void push_front(struct flo__glist *list, struct flo__g *g)
{
	g->next = list->head;
	list->head = g;
	if (list->tail == NULL)
		list->tail = g;
	list->len++;
}

/* Queue @g; @front: it would run next, which it does at times. The M only. */
void flo__sim_push(flo_runtime *rt, struct flo__g *g, bool front)
{
	struct flo__sim *sim = rt->sim;
	uint32_t i = draw_below(rt, sim->width);

	if (g->stack == NULL) {
		g->id = ++sim->made;
		sim->alive++;
	}
	if (front && draw_below(rt, 2) == 0)
		push_front(&sim->lists[i], g);
	else
		flo__glist_push(&sim->lists[i], g);
	sim->filled |= 1u << i;
	sim->len++;
}

static struct flo__g *pop(flo_runtime *rt)
{
	struct flo__sim *sim = rt->sim;
	uint32_t skip, filled = sim->filled;
	struct flo__glist *list;
	struct flo__g *g;

	if (sim->len == 0)
		return NULL;
	skip = draw_below(rt, (uint32_t)__builtin_popcount(filled));
	while (skip-- > 0)
		filled &= filled - 1;
	list = &sim->lists[__builtin_ctz(filled)];
	g = flo__glist_pop(list);
	if (list->len == 0)
		sim->filled &= ~(filled & -filled);
	sim->len--;
	return g;
}

/* What came in by the ordinary ways: from other threads, or the poller. */
static void gather(struct flo__m *m)
{
	flo_runtime *rt = m->rt;
	struct flo__glist list;
	struct flo__g *g;

	if (atomic_load_explicit(&rt->global_len, memory_order_acquire) == 0 &&
	    flo__runq_empty(m->p))
		return;
	flo__tlock_take(&rt->lock);
	flo__sched_spill(rt, m->p);
	list = rt->global;
	rt->global = (struct flo__glist){0};
	while ((g = flo__gdeque_get(&rt->spilled)) != NULL)
		flo__glist_push(&list, g);
	flo__sched_show_global(rt);
	flo__tlock_give(&rt->lock);
	if (list.len > 0)
		rt->sim->yields = 0;
	while ((g = flo__glist_pop(&list)) != NULL)
		flo__sim_push(rt, g, false);
}

/* ---- time ---- */

/*
 * Which of @p's timers fires: one of those that are due, in the deterministic
 * drive of those that were due first. A walk down the heap, stopping anywhere;
 * a heap's due timers hang together from its top. By @p's timer lock.
 */
uint32_t flo__drive_timer(struct flo__p *p, uint64_t now_ns)
{
	flo_runtime *rt = p->rt;
	uint64_t limit = rt->sim != NULL ? p->heap[0]->when_ns : now_ns;
	uint32_t at = 0, n = 0;

	for (;;) {
		uint32_t child, chosen = at;

		n = 1;
		for (uint32_t k = 1; k <= FLO__TIMER_ARITY; k++) {
			child = at * FLO__TIMER_ARITY + k;
			if (child < p->heap_len &&
			    p->heap[child]->when_ns <= limit &&
			    draw_below(rt, ++n) == 0)
				chosen = child;
		}
		if (chosen == at)
			break;
		at = chosen;
	}
	if (rt->sim != NULL)
		note(rt, FLO__SIM_TIMER, n);
	return at;
}

static bool timer_is_due(flo_runtime *rt)
{
	return flo__timers_next(rt) <= flo__sim_now(rt);
}

/* May time pass, should nothing be runnable? */
static bool may_advance(flo_runtime *rt)
{
	return rt->sim->alive > 0 && atomic_load(&rt->externals) == 0 &&
	       flo__timers_next(rt) != FLO__NEVER;
}

static void advance(flo_runtime *rt)
{
	uint64_t next = flo__timers_next(rt);

	if (next > flo__sim_now(rt)) {
		atomic_store_explicit(&rt->sim->now_ns, next,
				      memory_order_relaxed);
		note(rt, FLO__SIM_CLOCK, 0);
	}
	rt->sim->yields = 0;
	flo__timers_run(&rt->ps[0], next);
}

/* ---- the loop ---- */

static bool only_yields(const struct flo__sim *sim)
{
	return sim->yields > (uint64_t)YIELDS_MAX * sim->len;
}

/* What can be found without waiting. */
static struct flo__g *look(struct flo__m *m)
{
	flo_runtime *rt = m->rt;
	struct flo__sim *sim = rt->sim;

	if (atomic_load_explicit(&rt->externals, memory_order_relaxed) > 0 &&
	    (sim->len == 0 || ++sim->tick % POLL_TICK == 0))
		flo__poller_try(rt);
	gather(m);
	if (timer_is_due(rt) && (sim->len == 0 || draw_below(rt, 4) == 0))
		advance(rt);
	while ((sim->len == 0 || only_yields(sim)) && may_advance(rt)) {
		advance(rt);
		gather(m);
	}
	return pop(rt);
}

/*
 * Until when the M waits for the outside, on the real clock. Where everything
 * waits for each other it looks again: while somebody is inside a call, or a
 * thread is not yet counted, no deadlock is told, and there is no monitor.
 */
uint64_t flo__sim_patience(const flo_runtime *rt)
{
	return atomic_load(&rt->externals) > 0 || rt->sim->alive == 0
		       ? FLO__NEVER
		       : flo__clock() + PATIENCE_NS;
}

/*
 * Wait for the outside, without a P. Returns false if the runtime ends. The
 * second look is step 3 of who stops looking (proc.c).
 */
static bool wait_outside(struct flo__m *m)
{
	flo_runtime *rt = m->rt;
	bool stopping;

	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load(&rt->global_len) == 0 && !may_advance(rt)) {
		flo__tlock_take(&rt->lock);
		stopping = atomic_load(&rt->stopping);
		if (!stopping)
			flo__deadlock_check(rt);
		flo__tlock_give(&rt->lock);
		if (stopping)
			return false;
		if (!flo__poller_drive(m))
			INSIST(!"somebody else drives the poller");
	}
	/* Nobody else ever takes a P. */
	if (!flo__sched_regain(m))
		INSIST(!"the only P is gone");
	flo__sched_flush(m);
	return true;
}

static struct flo__g *next(struct flo__m *m)
{
	struct flo__g *g;

	while ((g = look(m)) == NULL) {
		if (!flo__sched_drop(m))
			continue;
		if (!wait_outside(m))
			return NULL;
	}
	return g;
}

/* @id has left its stack, and may be running again or gone but for the M. */
static void note_leave(struct flo__m *m, uint32_t id)
{
	struct flo__sim *sim = m->rt->sim;

	switch (m->op) {
	case FLO__OP_YIELD:
		note(m->rt, sim->at_point ? FLO__SIM_POINT : FLO__SIM_YIELD,
		     id);
		sim->yields += !sim->at_point;
		sim->at_point = false;
		return;
	case FLO__OP_END:
		note(m->rt, FLO__SIM_END, id);
		INSIST(sim->alive > 0);
		sim->alive--;
		break;
	case FLO__OP_NONE: /* there was no stack for it: it comes again */
		sim->alive--;
		sim->made--;
		break;
	default:
		note(m->rt, FLO__SIM_PARK, id);
		break;
	}
	sim->yields = 0;
}

/* What the M of the deterministic drive does all its life. */
void flo__sim_loop(struct flo__m *m)
{
	struct flo__g *g;
	uint32_t id;

	while ((g = next(m)) != NULL) {
		id = g->id;
		note(m->rt, FLO__SIM_RUN, id);
		m->op = FLO__OP_NONE;
		flo__g_run(m, g);
		note_leave(m, id);
	}
}

/* ---- points ---- */

void flo__drive_point(void)
{
	struct flo__m *m = flo__m();
	uint32_t one_in;

	if (m == NULL || m->g == NULL || m->block_depth > 0 ||
	    m->rt->drive == FLO_DRIVE_NORMAL)
		return;
	one_in = m->rt->sim != NULL ? m->rt->sim->points : POINTS_MAX;
	if (one_in == 0 || draw_below(m->rt, one_in) != 0)
		return;
	if (m->rt->sim != NULL)
		m->rt->sim->at_point = true;
	flo__g_leave(m, FLO__OP_YIELD);
}
