/*
 * The life of a runtime, and how coroutines come into it.
 */
#include "engine/sched/gmp_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PROCS_MAX 256u
#define LINGER_NS 1000000000ull /* then flo_runtime_free() says who is left */

uint64_t flo__clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

uint64_t flo__runtime_now(flo_runtime *rt)
{
	return rt->sim != NULL ? flo__sim_now(rt) : flo__clock();
}

uint64_t flo_now(void)
{
	struct flo__m *m = flo__m();

	return m != NULL ? flo__runtime_now(m->rt) : flo__clock();
}

flo_runtime *flo_runtime_current(void)
{
	struct flo__m *m = flo__m();

	return m != NULL && m->g != NULL ? m->rt : NULL;
}

/* A step of splitmix64: each state gives one number, all of them once. */
static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* For threads without a P. Not inlined: see docs/scheduler.md, the switch. */
static __attribute__((noinline)) uint64_t next_of_thread(void)
{
	static _Thread_local uint64_t state;

	if (state == 0)
		state = mix(flo__clock() ^ (uint64_t)(uintptr_t)&state);
	return state += 0x9e3779b97f4a7c15ull;
}

uint32_t flo__choice(void)
{
	struct flo__m *m = flo__m();
	_Atomic uint64_t *state;
	uint64_t x;

	if (m == NULL || m->p == NULL)
		return (uint32_t)(mix(next_of_thread()) >> 32);
	if (m->rt->sim != NULL)
		return (uint32_t)(flo__drive_draw(m->rt) >> 32);
	/* Relief comes by chance and must not change what the seed decides. */
	state = &m->rt->ps[m->p->id % m->rt->nprocs].choices;
	x = atomic_load_explicit(state, memory_order_relaxed) +
	    0x9e3779b97f4a7c15ull;
	atomic_store_explicit(state, x, memory_order_relaxed);
	return (uint32_t)(mix(x) >> 32);
}

unsigned flo__place(void)
{
	struct flo__m *m = flo__m();

	return m != NULL && m->p != NULL ? m->p->id : 0;
}

unsigned flo__runtime_places(const flo_runtime *rt)
{
	return rt->np;
}

void flo__runtime_hold(flo_runtime *rt)
{
	atomic_fetch_add(&rt->holds, 1);
}

void flo__runtime_context(flo_runtime *rt, int by)
{
	atomic_fetch_add_explicit(&rt->contexts, (uint32_t)by,
				  memory_order_relaxed);
}

void flo__runtime_release(flo_runtime *rt)
{
	uint32_t was;

	atomic_fetch_add(&rt->foreign, 1);
	was = atomic_fetch_sub(&rt->holds, 1);
	REQUIRE_RULE(was > 0, "there is no hold to give back");
	if (was == 1) {
		flo__tlock_take(&rt->lock);
		flo__tlock_give(&rt->lock);
	}
	atomic_fetch_sub(&rt->foreign, 1);
}

bool flo__runtime_starves(const flo_runtime *rt)
{
	return atomic_load_explicit(&rt->nstarved, memory_order_relaxed) > 0;
}

static uint32_t count_cores(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) != 0)
		return 1;
	return (uint32_t)CPU_COUNT(&set);
}

static void p_init(flo_runtime *rt, struct flo__p *p, uint32_t id)
{
	p->rt = rt;
	p->id = id;
	p->rng = 0x9e3779b9u * (id + 1) ^ (uint32_t)rt->draws;
	if (p->rng == 0)
		p->rng = 1;
	atomic_init(&p->choices, mix(rt->choices_seed + id));
	atomic_init(&p->timer_next, FLO__NEVER);
	p->relief = id >= rt->nprocs;
	p->detour = p->relief || rt->sim != NULL;
	if (p->relief)
		atomic_init(&p->status, FLO__P_ABSENT);
	else
		flo__sched_idle_put(rt, p);
}

/* Everything but the threads. */
static flo_status build(flo_runtime *rt, flo_error *err)
{
	flo_status st;

	rt->ps = flo__calloc(rt->np, sizeof(*rt->ps));
	if (rt->ps == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	for (uint32_t i = 0; i < rt->np; i++)
		p_init(rt, &rt->ps[i], i);
	st = flo__stack_pool_new(&rt->stacks);
	if (st != FLO_OK)
		return flo_error_set(err, st, "out of memory");
	return flo__poller_new(rt, err);
}

static void destroy(flo_runtime *rt)
{
	struct flo__m *m;

	while ((m = rt->all_m) != NULL) {
		rt->all_m = m->all;
		flo__free(m);
	}
#ifdef FLO__TSAN_STRICT
	if (rt->starter != NULL)
		__tsan_destroy_fiber(rt->starter);
#endif
	flo__poller_free(rt);
	flo__gdeque_fini(&rt->spilled);
	flo__g_slabs_free(rt);
	flo__stack_pool_free(rt->stacks);
	flo__drive_fini(rt);
	for (uint32_t i = 0; rt->ps != NULL && i < rt->np; i++)
		flo__free(rt->ps[i].heap);
	flo__free(rt->ps);
	flo__free(rt);
}

/* End the threads. Requires: nothing is alive and nobody will come. */
static void stop(flo_runtime *rt, bool monitor)
{
	struct flo__m *m;

	flo__tlock_take(&rt->lock);
	atomic_store(&rt->stopping, true);
	while ((m = rt->idle_m) != NULL) {
		rt->idle_m = m->link;
		flo__m_unpark(m);
	}
	flo__tlock_give(&rt->lock);
	flo__poller_interrupt(rt);
	if (monitor)
		flo__monitor_stop(rt);
	for (m = rt->all_m; m != NULL; m = m->all)
		pthread_join(m->thread, NULL);
}

/* One M at once, so that a system without threads is reported here. */
static flo_status start(flo_runtime *rt, flo_error *err)
{
	struct flo__p *p;
	flo_status st;

#ifdef FLO__TSAN_STRICT
	rt->starter = __tsan_create_fiber(0);
#endif
	if (rt->sim == NULL) {
		st = flo__monitor_start(rt, err);
		if (st != FLO_OK)
			return st;
	}
	flo__tlock_take(&rt->lock);
	p = flo__sched_idle_get(rt);
	flo__tlock_give(&rt->lock);
	if (flo__m_start(rt, p, false))
		return FLO_OK;
	stop(rt, rt->sim == NULL);
	return flo_error_sys(err, EAGAIN, "start a scheduler thread");
}

flo_status flo_runtime_new(const struct flo_runtime_options *options,
			   flo_error *err, flo_runtime **ret_rt)
{
	static const struct flo_runtime_options defaults;
	flo_runtime *rt;
	flo_status st;

	if (options == NULL)
		options = &defaults;
	REQUIRE_RULE(ret_rt != NULL, "there is no place for the runtime");
	rt = flo__calloc(1, sizeof(*rt));
	if (rt == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	rt->nprocs = options->procs > 0 ? options->procs : count_cores();
	if (rt->nprocs > PROCS_MAX)
		rt->nprocs = PROCS_MAX;
	rt->np = rt->nprocs + FLO__RELIEF_MAX;
	rt->creator = pthread_self();
	st = flo__drive_init(rt, options);
	if (st != FLO_OK) {
		flo_error_set(err, st, "out of memory");
		goto out;
	}
	rt->choices_seed = rt->drive != FLO_DRIVE_NORMAL
				   ? options->seed ^ options->shuffle_seed
				   : flo__clock() ^ (uint64_t)(uintptr_t)rt;
	atomic_init(&rt->nactive, rt->nprocs);
	rt->closed_world = options->closed_world;
	rt->on_deadlock = options->on_deadlock;
	rt->on_deadlock_arg = options->on_deadlock_arg;
	if (!flo__stack_class(options->stack_size, &rt->default_class)) {
		st = flo_error_set(err, FLO_INVALID,
				   "stack_size %zu: at most 262144",
				   options->stack_size);
		goto out;
	}
	TRY(build(rt, err));
	TRY(start(rt, err));
	*ret_rt = rt;
	return FLO_OK;
out:
	destroy(rt);
	return st;
}

/* An ordinary thread comes in: is it the only one that ever did? The monitor
 * does where it tells of a deadlock. */
static void note_thread(flo_runtime *rt)
{
	if (!pthread_equal(pthread_self(), rt->creator) &&
	    !pthread_equal(pthread_self(), rt->mon_thread))
		atomic_store_explicit(&rt->open_world, true,
				      memory_order_relaxed);
}

void flo_runtime_free(flo_runtime *rt)
{
	uint64_t began = flo__clock();
	bool lingers = false;

	if (rt == NULL)
		return;
	REQUIRE_RULE(flo__m() == NULL, "called by a coroutine");
	atomic_store(&rt->hurry, true);
	flo__idle_kick(rt);
	flo__tlock_take(&rt->lock);
	rt->waiting++;
	flo__deadlock_check(rt);
	while (!flo__quiet(rt)) {
		atomic_store(&rt->quiet, 0);
		flo__tlock_give(&rt->lock);
		flo__futex_wait(&rt->quiet, 0,
				lingers ? UINT64_MAX : LINGER_NS);
		flo__tlock_take(&rt->lock);
		if (!lingers && flo__clock() - began >= LINGER_NS) {
			lingers = true;
			flo__deadlock_linger(rt);
		}
	}
	flo__tlock_give(&rt->lock);
	/* Threads that woke the last coroutines are on their way out. */
	while (atomic_load(&rt->foreign) > 0)
		sched_yield();
	stop(rt, rt->sim == NULL);
	FLO__TSAN_ACQUIRE(&rt->gslabs);
	/* Each root context, and so each below it, has been given back. */
	REQUIRE_RULE(atomic_load_explicit(&rt->contexts,
					  memory_order_relaxed) == 0,
		     "a context of the runtime was not given back");
	destroy(rt);
}

/* Queue a new coroutine, as the M that runs us or from outside. */
static void enqueue(flo_runtime *rt, struct flo__m *m, struct flo__g *g)
{
	struct flo__glist list = {0};
	struct flo__p *p = m != NULL ? m->p : NULL;

	if (p != NULL) {
		atomic_store_explicit(
			&p->spawned,
			atomic_load_explicit(&p->spawned,
					     memory_order_relaxed) +
				1,
			memory_order_relaxed);
		flo__sched_push(m, g, false);
		/* The only P is ours; should relief come, the monitor
		 * looks for work after that. */
		if (atomic_load_explicit(&rt->nactive, memory_order_relaxed) >
		    1)
			flo__sched_hint(rt);
		return;
	}
	atomic_fetch_add(&rt->foreign, 1);
	flo__tlock_take(&rt->lock);
	rt->spawned++;
	flo__tlock_give(&rt->lock);
	flo__glist_push(&list, g);
	flo__sched_push_global(rt, &list);
	flo__sched_wake(rt);
	atomic_fetch_sub(&rt->foreign, 1);
}

static void inherit_trace(const struct flo__g *from, struct flo__g *g)
{
	for (int i = 0; i < 2; i++)
		__atomic_store_n(&g->trace[i], from->trace[i],
				 __ATOMIC_RELAXED);
	__atomic_store_n(&g->marks, g->marks | FLO__G_TRACED, __ATOMIC_RELAXED);
}

/* @room, if not NULL, is copied and takes the place of @arg. */
static flo_status spawn(flo_runtime *rt, struct flo__m *m, flo_fn fn, void *arg,
			const struct flo__room *room, unsigned class,
			const char *name)
{
	struct flo__g *g = flo__g_new(rt, m != NULL ? m->p : NULL);

	if (g == NULL)
		return FLO_NOMEM;
	g->fn = fn;
	if (room != NULL)
		g->room = *room;
	g->arg = room != NULL ? &g->room : arg;
	__atomic_store_n(&g->marks, name != NULL ? FLO__G_NAMED : 0,
			 __ATOMIC_RELAXED);
	if (name != NULL)
		__atomic_store_n(&g->name, name, __ATOMIC_RELAXED);
	if (m != NULL && m->g != NULL && (m->g->marks & FLO__G_TRACED))
		inherit_trace(m->g, g);
	g->stack_class = (uint8_t) class;
	flo__g_publish(g);
	enqueue(rt, m, g);
	return FLO_OK;
}

static flo_status go(flo_runtime *rt, flo_fn fn, void *arg,
		     const struct flo__room *room, size_t stack_size,
		     const char *name)
{
	struct flo__m *m = flo__m();
	unsigned class;

	REQUIRE_OF("flo_go", fn != NULL, "there is no function");
	REQUIRE_OF("flo_go", rt != NULL || (m != NULL && m->g != NULL),
		   "there is no runtime");
	if (rt == NULL)
		rt = m->rt;
	if (m != NULL && m->rt != rt)
		m = NULL;
	if (m == NULL)
		note_thread(rt);
	if (!flo__stack_class(stack_size, &class))
		return FLO_INVALID;
	if (class < rt->default_class)
		class = rt->default_class;
	return spawn(rt, m, fn, arg, room, class, name);
}

flo_status flo_go_with(flo_runtime *rt, flo_fn fn, void *arg, size_t stack_size,
		       const char *name)
{
	return go(rt, fn, arg, NULL, stack_size, name);
}

flo_status flo__go_room(flo_runtime *rt, flo_fn fn,
			const struct flo__room *room, size_t stack_size,
			const char *name)
{
	REQUIRE(room != NULL);
	return go(rt, fn, NULL, room, stack_size, name);
}

flo_status flo_go(flo_runtime *rt, flo_fn fn, void *arg)
{
	return flo_go_with(rt, fn, arg, 0, NULL);
}

/* flo_runtime_run(): lies on the stack of the thread that waits. */
struct run {
	flo_fn fn;
	void *arg;
	_Atomic uint32_t done; /* futex; release by the coroutine, acquire */
};

static void run_main(void *arg)
{
	struct run *run = arg;

	run->fn(run->arg);
	FLO__TSAN_RELEASE(run);
	/* @run may be gone as soon as it is done. */
	atomic_store_explicit(&run->done, 1, memory_order_release);
	flo__futex_wake(&run->done, 1);
}

static void creator_waits(flo_runtime *rt, int by)
{
	if (!pthread_equal(pthread_self(), rt->creator))
		return;
	flo__tlock_take(&rt->lock);
	rt->creator_waits += (uint32_t)by;
	flo__tlock_give(&rt->lock);
}

flo_status flo_runtime_run(flo_runtime *rt, flo_fn fn, void *arg)
{
	struct run run = {.fn = fn, .arg = arg};
	flo_status st;

	REQUIRE_RULE(rt != NULL, "there is no runtime");
	REQUIRE_RULE(fn != NULL, "there is no function");
	REQUIRE_RULE(flo__m() == NULL, "called by a coroutine");
	note_thread(rt);
	creator_waits(rt, 1);
	st = spawn(rt, NULL, run_main, &run, NULL, rt->default_class, "main");
	if (st == FLO_OK)
		while (atomic_load_explicit(&run.done, memory_order_acquire) ==
		       0)
			flo__futex_wait(&run.done, 0, UINT64_MAX);
	FLO__TSAN_ACQUIRE(&run);
	creator_waits(rt, -1);
	return st;
}
