/*
 * Naps (the note in idle.c): a P on offer is taken by one, and what is brought
 * while an M naps is run.
 */
#include "tests/interleave/fixture.h"

#include "engine/sched/gmp_p.h"

#include <flo/sync.h>

static atomic_uint ran;

static void run(void *arg)
{
	(void)arg;
	atomic_fetch_add(&ran, 1);
}

static void hog_until(unsigned n)
{
	while (atomic_load(&ran) < n)
		sched_yield();
}

static void hog(void *arg)
{
	(void)arg;
	hog_until(1);
}

/* The P is handed on for the hog; who comes back has another, or the
 * napper's. */
static void block_before_a_hog(void *arg)
{
	explore_check(flo_go(NULL, hog, NULL) == FLO_OK, "memory");
	flo_blocking_begin();
	flo_blocking_end();
	run(arg);
}

static void who_comes_back_takes_the_P_of_a_napper(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	fixture_run(block_before_a_hog);
}

static void push_from_outside(void *arg)
{
	(void)arg;
	explore_check(flo_go(rt, run, NULL) == FLO_OK, "memory");
}

static void hog_and_be_helped(void *arg)
{
	(void)arg;
	explore_go("outside", push_from_outside, NULL);
	hog_until(1);
}

static void what_comes_from_outside_wakes_the_napper(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	fixture_run(hog_and_be_helped);
}

static void push_and_hog(void *arg)
{
	(void)arg;
	explore_check(flo_go(NULL, run, NULL) == FLO_OK, "memory");
	hog_until(1);
	explore_check(flo_go(NULL, run, NULL) == FLO_OK, "memory");
	hog_until(2);
}

static void what_a_hog_pushes_is_run(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	fixture_run(push_and_hog);
}

static void free_does_not_miss_a_napper(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	explore_check(flo_go(rt, run, NULL) == FLO_OK, "memory");
	flo_runtime_free(rt);
	explore_check(atomic_load(&ran) == 1, "it has run");
}

static const struct explore_scenario scenarios[] = {
	{"who_comes_back_takes_the_P_of_a_napper",
	 who_comes_back_takes_the_P_of_a_napper, 1, 2},
	{"what_comes_from_outside_wakes_the_napper",
	 what_comes_from_outside_wakes_the_napper, 1, 2},
	{"what_a_hog_pushes_is_run", what_a_hog_pushes_is_run, 1, 2},
	{"free_does_not_miss_a_napper", free_does_not_miss_a_napper, 1, 2},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
