/*
 * A whole runtime to explore: its threads, queues and locks are the real ones.
 * Making and ending it is not explored.
 */
#ifndef TESTS_INTERLEAVE_FIXTURE_H
#define TESTS_INTERLEAVE_FIXTURE_H

#include "tests/interleave/explore.h"

#include <flo/runtime.h>

static flo_runtime *rt;

static inline void fixture_begin(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};

	explore_quiet(true);
	explore_check(flo_runtime_new(&options, NULL, &rt) == FLO_OK,
		      "a runtime starts");
	explore_quiet(false);
}

/*
 * Run @fn as the runtime's first coroutine, wait for all, the scenario's own
 * threads too (as the monitor, they may use the runtime), end the runtime.
 */
static inline void fixture_run(flo_fn fn)
{
	explore_check(flo_runtime_run(rt, fn, NULL) == FLO_OK,
		      "a coroutine starts");
	explore_join();
	explore_quiet(true);
	flo_runtime_free(rt);
	explore_quiet(false);
}

#endif
