/*
 * How M's park and are woken (the note in proc.c): what is pushed is run, even
 * if who pushed it never schedules again.
 */
#include "tests/interleave/fixture.h"

#include "engine/sched/gmp_p.h"

static atomic_uint ran;

static void run(void *arg)
{
	(void)arg;
	atomic_fetch_add(&ran, 1);
}

/* Compute until others have run: on another M, since this one is ours. */
static void hog_until(unsigned n)
{
	while (atomic_load(&ran) < n)
		sched_yield();
}

static void push_and_hog(void *arg)
{
	(void)arg;
	explore_check(flo_go(NULL, run, NULL) == FLO_OK, "memory");
	hog_until(1);
	/* The other M has nothing left and is on its way to sleep. */
	explore_check(flo_go(NULL, run, NULL) == FLO_OK, "memory");
	hog_until(2);
}

static void what_a_hog_pushes_is_run(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	fixture_run(push_and_hog);
}

static void push_two_and_hog(void *arg)
{
	(void)arg;
	explore_check(flo_go(NULL, run, NULL) == FLO_OK, "memory");
	explore_check(flo_go(NULL, run, NULL) == FLO_OK, "memory");
	hog_until(2);
}

static void both_that_a_hog_pushes_are_run(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	fixture_run(push_two_and_hog);
}

static void wait_for_three(void *arg)
{
	(void)arg;
	atomic_fetch_add(&ran, 1);
	hog_until(3);
}

/* Each M has a hog; a third coroutine may be behind either of them. */
static void two_hogs(void *arg)
{
	(void)arg;
	explore_check(flo_go(NULL, wait_for_three, NULL) == FLO_OK, "memory");
	explore_check(flo_go(NULL, wait_for_three, NULL) == FLO_OK, "memory");
	wait_for_three(NULL);
}

static void three_hogs_run_on_three_Ps(void)
{
	atomic_store(&ran, 0);
	fixture_begin(3);
	fixture_run(two_hogs);
}

static void push_from_outside(void *arg)
{
	(void)arg;
	explore_check(flo_go(rt, run, NULL) == FLO_OK, "memory");
}

static void nothing(void *arg)
{
	(void)arg;
}

/* An ordinary thread brings work while the only M goes to sleep. */
static void what_comes_from_outside_is_run(void)
{
	atomic_store(&ran, 0);
	fixture_begin(1);
	explore_go("outside", push_from_outside, NULL);
	explore_check(flo_runtime_run(rt, nothing, NULL) == FLO_OK, "memory");
	explore_join();
	explore_quiet(true);
	flo_runtime_free(rt);
	explore_check(atomic_load(&ran) == 1, "what was brought has run");
}

static struct flo__g *parked;
static struct flo__tlock park_lock;

static bool commit(struct flo__g *g, void *arg)
{
	(void)arg;
	parked = g;
	flo__tlock_give(&park_lock);
	return true;
}

static void wake_parked(void *arg)
{
	struct flo__g *g;

	(void)arg;
	flo__tlock_take(&park_lock);
	g = parked;
	parked = NULL;
	atomic_store(&ran, 1); /* if it came first nobody need park */
	flo__tlock_give(&park_lock);
	if (g != NULL)
		flo__ready(g);
}

static void park_and_be_woken(void *arg)
{
	(void)arg;
	explore_check(flo_go(NULL, wake_parked, NULL) == FLO_OK, "memory");
	flo__tlock_take(&park_lock);
	if (atomic_load(&ran) == 0)
		flo__park(commit, NULL, "test", false);
	else
		flo__tlock_give(&park_lock);
}

static void a_commit_races_with_ready(void)
{
	atomic_store(&ran, 0);
	parked = NULL;
	fixture_begin(2);
	fixture_run(park_and_be_woken);
}

static void hog(void *arg)
{
	(void)arg;
	hog_until(1);
}

/* The other M may have looked just when the queue was empty: who left is on
 * no stack and in no queue before the hog has arrived. */
static void yield_to_a_hog(void *arg)
{
	explore_check(flo_go(NULL, hog, NULL) == FLO_OK, "memory");
	flo_yield();
	run(arg);
}

static void who_yields_to_a_hog_goes_on_elsewhere(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	fixture_run(yield_to_a_hog);
}

static bool commit_nothing(struct flo__g *g, void *arg)
{
	(void)g, (void)arg;
	return false;
}

static void be_called_off_before_a_hog(void *arg)
{
	explore_check(flo_go(NULL, hog, NULL) == FLO_OK, "memory");
	flo__park(commit_nothing, NULL, "test", false);
	run(arg);
}

static void a_park_called_off_goes_on_beside_a_hog(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	fixture_run(be_called_off_before_a_hog);
}

static _Atomic(struct flo__g *) other;

static bool commit_other(struct flo__g *g, void *arg)
{
	(void)arg;
	atomic_store(&other, g);
	return true;
}

static void be_other(void *arg)
{
	(void)arg;
	flo__park(commit_other, NULL, "test", false);
}

static bool ready_other(struct flo__g *g, void *arg)
{
	(void)g, (void)arg;
	flo__ready(atomic_load(&other));
	return false;
}

static void be_called_off(void *arg)
{
	(void)arg;
	explore_check(flo_go(NULL, be_other, NULL) == FLO_OK, "memory");
	flo_yield();
	while (atomic_load(&other) == NULL)
		sched_yield(); /* it is on the other M */
	flo__park(ready_other, NULL, "test", true);
	while (atomic_load(&rt->externals) > 0)
		sched_yield();
}

/* It may be running elsewhere before it is no longer counted. */
static void a_park_called_off_is_not_awaited(void)
{
	atomic_store(&other, NULL);
	fixture_begin(2);
	fixture_run(be_called_off);
}

static const struct explore_scenario scenarios[] = {
	{"what_a_hog_pushes_is_run", what_a_hog_pushes_is_run, 2, 2},
	{"both_that_a_hog_pushes_are_run", both_that_a_hog_pushes_are_run, 1,
	 2},
	{"three_hogs_run_on_three_Ps", three_hogs_run_on_three_Ps, 1, 2},
	{"what_comes_from_outside_is_run", what_comes_from_outside_is_run, 2,
	 3},
	{"a_commit_races_with_ready", a_commit_races_with_ready, 2, 2},
	{"who_yields_to_a_hog_goes_on_elsewhere",
	 who_yields_to_a_hog_goes_on_elsewhere, 1, 2},
	{"a_park_called_off_goes_on_beside_a_hog",
	 a_park_called_off_goes_on_beside_a_hog, 1, 2},
	{"a_park_called_off_is_not_awaited", a_park_called_off_is_not_awaited,
	 1, 2},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
