/*
 * What comes from outside: notes, timers, blocking regions, relief. A thread
 * of the scenario does what the monitor or an ordinary thread would.
 */
#include "base/thread.h"
#include "tests/interleave/fixture.h"

#include "engine/sched/gmp_p.h"

#include <flo/chan.h>
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

/* As the monitor it is a thread that deadlock.c knows. */
static void run_timers(void *arg)
{
	(void)arg;
	flo__thread_known(1);
	for (uint32_t i = 0; i < rt->nprocs; i++)
		flo__timers_run(&rt->ps[i], 3000000000);
	flo__thread_known(-1);
}

/* Nobody drives the poller here, so somebody has to come in time. */
static void run_next_timer(void *arg)
{
	while (flo__timers_next(rt) == FLO__NEVER)
		sched_yield();
	run_timers(arg);
}

static void sleep_alone(void *arg)
{
	(void)arg;
	explore_go("monitor", run_next_timer, NULL);
	explore_check(flo_sleep(NULL, 1000000000) == FLO_OK, "time passed");
}

static void a_sleep_is_no_deadlock(void)
{
	fixture_begin(2);
	fixture_run(sleep_alone);
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

	flo__thread_known(1);
	if (atomic_load(&p->status) == FLO__P_BLOCKED)
		flo__blocking_retake(rt, p);
	flo__thread_known(-1);
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

static void block_once(void *arg)
{
	(void)arg;
	enter();
	block();
	running--;
}

/* Who comes back first may find the P where another has left it. */
static void block_with_another(void *arg)
{
	explore_go("monitor", retake, &rt->ps[0]);
	explore_check(flo_go(NULL, block_once, NULL) == FLO_OK, "memory");
	block_once(arg);
}

static void two_regions_have_one_P(void)
{
	running = 0;
	atomic_store(&ran, 0);
	fixture_begin(1);
	fixture_run(block_with_another);
	explore_check(atomic_load(&ran) == 2, "both regions ended");
}

static void block_and_send(void *arg)
{
	explore_go("monitor", retake, &rt->ps[0]);
	flo_blocking_begin();
	flo_blocking_end();
	explore_check(flo_chan_send(arg, &(int){1}, NULL) == FLO_OK, "");
}

static void wait_for_who_blocks(void *arg)
{
	flo_chan *chan;
	int value;

	(void)arg;
	explore_check(flo_chan_new(sizeof(int), 0, &chan) == FLO_OK, "memory");
	explore_check(flo_go(NULL, block_and_send, chan) == FLO_OK, "memory");
	explore_check(flo_chan_recv(chan, &value, NULL) == FLO_OK, "");
	flo_chan_free(chan);
}

static void who_blocks_is_no_deadlock(void)
{
	fixture_begin(1);
	fixture_run(wait_for_who_blocks);
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
	/* It goes though nobody asks again, whatever its M was about. */
	while (atomic_load(&rt->nactive) > rt->nprocs)
		sched_yield();
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

/* What is queued behind a hog, given to all just when it is one no more. */

static void share(void *arg)
{
	flo__thread_known(1);
	flo__relief_share(rt, arg);
	flo__thread_known(-1);
}

static void count_down(void *arg)
{
	flo_waitgroup_done(arg);
}

static void hog_no_more(void *arg)
{
	flo_waitgroup wg = {0};

	(void)arg;
	flo_waitgroup_add(&wg, 1);
	explore_check(flo_go(NULL, count_down, &wg) == FLO_OK, "memory");
	explore_go("monitor", share, flo__m()->p);
	explore_check(flo_waitgroup_wait(&wg, NULL) == FLO_OK, "");
}

static void sharing_a_queue_is_no_deadlock(void)
{
	fixture_begin(1);
	fixture_run(hog_no_more);
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
	{"a_sleep_is_no_deadlock", a_sleep_is_no_deadlock, 1, 2},
	{"two_regions_have_one_P", two_regions_have_one_P, 1, 2},
	{"who_blocks_is_no_deadlock", who_blocks_is_no_deadlock, 2, 3},
	{"sharing_a_queue_is_no_deadlock", sharing_a_queue_is_no_deadlock, 2,
	 3},
	{"relief_runs_what_is_behind_a_hog", relief_runs_what_is_behind_a_hog,
	 1, 2},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
