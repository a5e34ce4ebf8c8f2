/* Timers and sleeps: in order, not early, stoppable at any moment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>

#include "engine/sched/sched_p.h"

#include <stdatomic.h>
#include <stdlib.h>

#define MS     1000000ull
#define TIMERS 200

static flo_runtime *runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

static atomic_int fired;
static atomic_int early;

static void sleep_one(void *arg)
{
	uint64_t ns = (uint64_t)(uintptr_t)arg, start = flo_now();

	if (flo_sleep(NULL, ns) != FLO_OK || flo_now() - start < ns)
		atomic_fetch_add(&early, 1);
	atomic_fetch_add(&fired, 1);
}

static void sleep_all(void *arg)
{
	(void)arg;
	for (uintptr_t i = 0; i < TIMERS; i++)
		flo_go(NULL, sleep_one, (void *)(i * 37 % 20 * MS / 10));
}

static void sleeps_are_never_short(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 3; procs++) {
		flo_runtime *rt = runtime(procs);

		atomic_store(&fired, 0);
		atomic_store(&early, 0);
		flo_runtime_run(rt, sleep_all, NULL);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&fired), TIMERS);
		assert_int_equal(atomic_load(&early), 0);
	}
}

struct ordered {
	struct flo__timer timer;
	int *next, number;
	atomic_int *wrong;
};

static void in_order(struct flo__timer *timer)
{
	struct ordered *o = (struct ordered *)timer;

	if ((*o->next)++ != o->number)
		atomic_fetch_add(o->wrong, 1);
	atomic_fetch_add(&fired, 1);
}

static void start_ordered(void *arg)
{
	struct ordered *timers = arg;
	flo_runtime *rt = flo_runtime_current();
	uint64_t base = flo_now() + MS;

	for (int i = 0; i < TIMERS; i++) {
		struct ordered *o = &timers[i * 77 % TIMERS];

		flo__timer_start(rt, &o->timer, base + (uint64_t)o->number,
				 in_order);
	}
	while (atomic_load(&fired) < TIMERS)
		flo_yield();
}

static void timers_of_one_heap_fire_in_order(void **state)
{
	struct ordered *timers = calloc(TIMERS, sizeof(*timers));
	flo_runtime *rt = runtime(1);
	atomic_int wrong = 0;
	int next = 0;

	(void)state;
	atomic_store(&fired, 0);
	for (int i = 0; i < TIMERS; i++) {
		timers[i].next = &next;
		timers[i].number = i;
		timers[i].wrong = &wrong;
	}
	flo_runtime_run(rt, start_ordered, timers);
	flo_runtime_free(rt);
	assert_int_equal(wrong, 0);
	free(timers);
}

static void count_fired(struct flo__timer *timer)
{
	(void)timer;
	atomic_fetch_add(&fired, 1);
}

static atomic_int stopped;

/* Timers that fire about when they are stopped: each does one of the two. */
static void race_stop(void *arg)
{
	flo_runtime *rt = flo_runtime_current();
	struct flo__timer timer = {0};

	(void)arg;
	for (uint64_t i = 0; i < 200; i++) {
		flo__timer_start(rt, &timer, flo_now() + i * 100, count_fired);
		for (uint64_t k = 0; k < i % 7; k++)
			flo_yield();
		if (flo__timer_stop(rt, &timer))
			atomic_fetch_add(&stopped, 1);
	}
}

static void race_stops(void *arg)
{
	for (int i = 0; i < 8; i++)
		flo_go(NULL, race_stop, arg);
}

static void a_timer_fires_or_is_stopped_never_both(void **state)
{
	flo_runtime *rt = runtime(2);

	(void)state;
	atomic_store(&fired, 0);
	atomic_store(&stopped, 0);
	flo_runtime_run(rt, race_stops, NULL);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&fired) + atomic_load(&stopped), 8 * 200);
}

static void wait_for_fired(void *arg)
{
	while (atomic_load(&fired) < *(int *)arg)
		flo_yield();
}

static void ordinary_threads_may_start_timers(void **state)
{
	flo_runtime *rt = runtime(1);
	struct flo__timer timer = {0};
	int one = 1;

	(void)state;
	atomic_store(&fired, 0);
	flo__timer_start(rt, &timer, flo__runtime_now(rt) + MS, count_fired);
	/* Nobody needs to run for it to fire. */
	while (atomic_load(&fired) == 0)
		;
	assert_false(flo__timer_stop(rt, &timer));
	flo__timer_start(rt, &timer, flo__runtime_now(rt) + 3600000 * MS,
			 count_fired);
	assert_true(flo__timer_stop(rt, &timer));
	flo_runtime_run(rt, wait_for_fired, &one);
	flo_runtime_free(rt);
}

struct cancelled {
	flo_context *context;
	flo_status status;
};

static void sleep_long(void *arg)
{
	struct cancelled *c = arg;

	c->status = flo_sleep(c->context, 3600000 * MS);
	flo_context_unref(c->context);
}

static void cancel_sleeper(void *arg)
{
	struct cancelled *c = arg;

	flo_context_ref(c->context);
	flo_go(NULL, sleep_long, c);
	flo_yield();
	flo_yield();
	flo_context_cancel(c->context, NULL);
}

static void a_cancelled_sleep_ends_at_once(void **state)
{
	flo_runtime *rt = runtime(2);
	struct cancelled c = {.context = flo_context_new(rt)};

	(void)state;
	flo_runtime_run(rt, cancel_sleeper, &c);
	flo_context_unref(c.context);
	flo_runtime_free(rt);
	assert_int_equal(c.status, FLO_CANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleeps_are_never_short),
		cmocka_unit_test(timers_of_one_heap_fire_in_order),
		cmocka_unit_test(a_timer_fires_or_is_stopped_never_both),
		cmocka_unit_test(ordinary_threads_may_start_timers),
		cmocka_unit_test(a_cancelled_sleep_ends_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
