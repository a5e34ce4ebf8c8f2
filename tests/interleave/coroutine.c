/*
 * The scheduler as engine/sync, context.c and group.c see it, reduced to what
 * it promises: a coroutine is a thread of the explorer, park sleeps, ready
 * wakes. So what is built on it can be explored with many more preemptions
 * than a whole runtime, whose own steps are explored elsewhere.
 */
#include "tests/interleave/explore_p.h"
#include "tests/interleave/point.h"

#include "engine/panic_p.h"
#include "engine/sched/sched_p.h"

#include <linux/futex.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

struct flo__g {
	_Atomic uint32_t permit; /* futex */
	bool parked;		 /* from park to ready */
};

static struct flo__g gs[THREADS_MAX];

void **explore_local(void);
void **explore_local(void)
{
	static void *none;

	return &none;
}

struct flo__g *flo__g_current(void)
{
	return &gs[pthread_self()];
}

uint32_t flo__g_life(struct flo__g *g)
{
	(void)g;
	return 1;
}

flo_runtime *flo__g_runtime(const struct flo__g *g)
{
	(void)g;
	return NULL;
}

void flo__park(bool (*commit)(struct flo__g *g, void *arg), void *arg,
	       const char *why, bool external)
{
	struct flo__g *g = flo__g_current();

	(void)why, (void)external;
	explore_check(!g->parked, "a coroutine parks once at a time");
	g->parked = true;
	atomic_store(&g->permit, 0);
	if (commit != NULL && !commit(g, arg)) {
		explore_check(g->parked, "a park called off is not readied");
		g->parked = false;
		return;
	}
	while (atomic_exchange(&g->permit, 0) == 0)
		syscall(SYS_futex, &g->permit, FUTEX_WAIT_PRIVATE, 0, NULL);
}

void flo__ready(struct flo__g *g)
{
	explore_check(g >= gs && g < gs + THREADS_MAX && g->parked,
		      "ready is called once a park");
	g->parked = false;
	atomic_store(&g->permit, 1);
	syscall(SYS_futex, &g->permit, FUTEX_WAKE_PRIVATE, 1);
}

void flo__ready_last(struct flo__g *g)
{
	flo__ready(g);
}

struct go_room {
	struct flo__room room; /* first: the member's argument */
	flo_fn fn;
};

static void run_room(void *arg)
{
	struct go_room *go = arg;

	go->fn(&go->room);
}

flo_status flo__go_room(flo_runtime *rt, flo_fn fn,
			const struct flo__room *room, size_t stack_size,
			const char *name)
{
	static struct go_room gos[THREADS_MAX];
	struct go_room *go = &gos[threads_started() % THREADS_MAX];

	(void)rt, (void)stack_size, (void)name;
	*go = (struct go_room){.room = *room, .fn = fn};
	explore_go("member", run_room, go);
	return FLO_OK;
}

uint64_t flo_now(void)
{
	return 1;
}

uint64_t flo__runtime_now(flo_runtime *rt)
{
	(void)rt;
	return 1;
}

/* A timer is a thread of the scenario: none is armed here. */
flo_status flo__timer_start(flo_runtime *rt, struct flo__timer *timer,
			    uint64_t when_ns, void (*fn)(struct flo__timer *))
{
	(void)rt, (void)timer, (void)when_ns, (void)fn;
	return FLO_NOMEM;
}

bool flo__timer_stop(flo_runtime *rt, struct flo__timer *timer)
{
	(void)rt, (void)timer;
	explore_check(false, "no timer was armed");
	return false;
}

void flo__end_later(void *of, void (*fn)(void *of, uint32_t n))
{
	fn(of, 1);
}

/* One place, no choice, no drive: what differs is what the explorer tries. */
uint32_t flo__choice(void)
{
	return 0;
}

unsigned flo__place(void)
{
	return 0;
}

unsigned flo__runtime_places(const flo_runtime *rt)
{
	(void)rt;
	return 1;
}

_Atomic uint32_t flo__drives_for_tests;

void flo__drive_point(void)
{
}

void flo__runtime_context(flo_runtime *rt, int by)
{
	(void)rt, (void)by;
}

bool flo__try_is_open(void)
{
	return false;
}

/* So nobody defers. They stand here because panic.c needs a real scheduler. */
void flo_defer(struct flo_defer_node *node, void (*fn)(void *arg), void *arg)
{
	(void)node, (void)fn, (void)arg;
	explore_check(false, "no flo_try() is open");
}

void flo_defer_run(struct flo_defer_node *node)
{
	(void)node;
	explore_check(false, "no flo_try() is open");
}
