/*
 * What comes from outside: notes, timers, blocking regions, relief. A thread
 * of the scenario does what the monitor or an ordinary thread would.
 */
#include "tests/interleave/fixture.h"

#include "engine/sched/gmp_p.h"

#include <flo/sync.h>

#include <string.h>

static atomic_uint ran;

/* Note: an ordinary thread wakes while the coroutine comes to wait. */

static void wake_note(void *arg)
{
	flo_note_wake(arg);
}

static void wait_for_note(void *arg)
{
	flo_note note;

	(void)arg;
	flo_note_init(&note);
	explore_go("waker", wake_note, &note);
	flo_note_wait(&note);
	/* It is ours again: nobody may look at it. */
	memset(&note, 0xff, sizeof(note));
}

static void a_note_wakes_its_waiter(void)
{
	fixture_begin(1);
	fixture_run(wait_for_note);
}

static void wait_while_another_wakes(void *arg)
{
	flo_note note;

	(void)arg;
	flo_note_init(&note);
	explore_check(flo_go(NULL, wake_note, &note) == FLO_OK, "memory");
	flo_note_wait(&note);
	memset(&note, 0xff, sizeof(note));
}

static void a_coroutine_wakes_a_note(void)
{
	fixture_begin(2);
	fixture_run(wait_while_another_wakes);
}

/* Timer: stop against run. */

static struct test_timer {
	struct flo__timer timer; /* first */
	bool began, ended, gone;
} test_timer;

static void fires(struct flo__timer *timer)
{
	struct test_timer *t = (struct test_timer *)timer;

	explore_check(!t->gone, "no function runs after stop has returned");
	t->began = true;
	atomic_fetch_add(&ran, 1); /* a point within */
	explore_check(!t->gone, "stop waits for the function's end");
	t->ended = true;
}

static void run_timers(void *arg)
{
	(void)arg;
	flo__timers_run(&rt->ps[0], 3000000000);
}

static void start_and_stop(void *arg)
{
	struct test_timer *t = &test_timer;
	bool stopped;

	(void)arg;
	memset(t, 0, sizeof(*t));
	explore_check(flo__timer_start(rt, &t->timer, 2000000000, fires) ==
			      FLO_OK,
		      "memory");
	explore_go("monitor", run_timers, NULL);
	stopped = flo__timer_stop(rt, &t->timer);
	explore_check(t->began == t->ended, "stop waits for the function");
	explore_check(stopped != t->ended, "stop says whether it ran");
	t->gone = true;
}

static void stop_waits_for_a_running_timer(void)
{
	atomic_store(&ran, 0);
	fixture_begin(1);
	fixture_run(start_and_stop);
}

/* Sleep: the timer against a cancel, both against the park. */

static void cancel(void *arg)
{
	flo_context_cancel(arg, NULL);
}

static void sleep_and_be_cancelled(void *arg)
{
	flo_context *context = flo_context_new(rt);
	flo_status st;

	(void)arg;
	explore_go("monitor", run_timers, NULL);
	explore_go("canceller", cancel, context);
	st = flo_sleep(context, 1000000000);
	explore_check(st == FLO_OK || st == FLO_CANCELED, "one of the two");
	explore_check(st == FLO_OK || flo_context_status(context) == st,
		      "the status is the context's");
	explore_join();
	flo_context_unref(context);
}

static void a_sleep_ends_once(void)
{
	fixture_begin(1);
	fixture_run(sleep_and_be_cancelled);
}

/* Blocking: the end of a region against the monitor's retake. */

static unsigned running; /* coroutines outside of blocking regions */

static void enter(void)
{
	explore_check(++running <= rt->nprocs, "a P has one coroutine");
}

static void other(void *arg)
{
	(void)arg;
	enter();
	atomic_fetch_add(&ran, 1);
	running--;
}

static void retake(void *arg)
{
	struct flo__p *p = arg;

	if (atomic_load(&p->status) == FLO__P_BLOCKED)
		flo__blocking_retake(rt, p);
}

static void block(void)
{
	running--;
	flo_blocking_begin();
	atomic_fetch_add(&ran, 1);
	flo_blocking_end();
	enter();
}

static void block_twice(void *arg)
{
	(void)arg;
	enter();
	explore_go("monitor", retake, &rt->ps[0]);
	block();
	block();
	running--;
}

static void a_region_ends_while_its_P_is_retaken(void)
{
	running = 0;
	atomic_store(&ran, 0);
	fixture_begin(1);
	fixture_run(block_twice);
	explore_check(atomic_load(&ran) == 2, "both regions ended");
}

static void block_before_others(void *arg)
{
	(void)arg;
	enter();
	explore_check(flo_go(NULL, other, NULL) == FLO_OK, "memory");
	block();
	running--;
}

/* The P goes to another M, which gives it up when it has run the other. */
static void a_region_ends_while_its_P_is_given_up(void)
{
	running = 0;
	atomic_store(&ran, 0);
	fixture_begin(1);
	fixture_run(block_before_others);
	explore_check(atomic_load(&ran) == 2, "both ran");
}

/* Relief: a P beside one that is stuck, taken back when it no longer is. */

static void bring_relief(void *arg)
{
	(void)arg;
	flo__relief_set(rt, 1);
	if (atomic_load(&rt->nidle) > 0 && flo__sched_work_anywhere(rt))
		flo__sched_wake(rt);
	while (atomic_load(&ran) == 0)
		sched_yield();
	flo__relief_set(rt, 0);
}

static void count(void *arg)
{
	(void)arg;
	atomic_fetch_add(&ran, 1);
}

/* What the relief P has in its own queue when it is taken back. */
static void push_and_count(void *arg)
{
	explore_check(flo_go(NULL, count, NULL) == FLO_OK, "memory");
	count(arg);
	flo_yield();
}

static void hog(void *arg)
{
	(void)arg;
	explore_check(flo_go(NULL, push_and_count, NULL) == FLO_OK, "memory");
	explore_go("monitor", bring_relief, NULL);
	while (atomic_load(&ran) == 0)
		sched_yield();
	explore_check(flo_go(NULL, count, NULL) == FLO_OK, "memory");
}

static void relief_runs_what_is_behind_a_hog(void)
{
	atomic_store(&ran, 0);
	fixture_begin(1);
	fixture_run(hog);
	explore_check(atomic_load(&ran) == 3, "all ran");
}

static const struct explore_scenario scenarios[] = {
	{"a_note_wakes_its_waiter", a_note_wakes_its_waiter, 2, 3},
	{"a_coroutine_wakes_a_note", a_coroutine_wakes_a_note, 1, 2},
	{"stop_waits_for_a_running_timer", stop_waits_for_a_running_timer, 2,
	 3},
	{"a_sleep_ends_once", a_sleep_ends_once, 1, 2},
	{"a_region_ends_while_its_P_is_retaken",
	 a_region_ends_while_its_P_is_retaken, 2, 3},
	{"a_region_ends_while_its_P_is_given_up",
	 a_region_ends_while_its_P_is_given_up, 2, 3},
	{"relief_runs_what_is_behind_a_hog", relief_runs_what_is_behind_a_hog,
	 1, 2},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
