/* Coroutines of a scenario, and waiting until all of them have ended. */
#ifndef FLO_TESTS_SIM_CROWD_H
#define FLO_TESTS_SIM_CROWD_H

#include "tests/sim/sim.h"

#include <flo/context.h>
#include <flo/sync.h>

/* Zeroed is empty. */
struct crowd {
	flo_waitgroup wg;
};

static inline void crowd_go(struct crowd *crowd, flo_fn fn, void *arg)
{
	flo_waitgroup_add(&crowd->wg, 1);
	start(fn, arg);
}

/* The last thing a coroutine of @crowd does. */
static inline void crowd_leave(struct crowd *crowd)
{
	flo_waitgroup_done(&crowd->wg);
}

static inline void crowd_wait(struct crowd *crowd)
{
	CHECK(flo_waitgroup_wait(&crowd->wg, NULL) == FLO_OK);
}

/* Now and then some time passes, or others get their turn. */
static inline void dawdle(void)
{
	uint32_t what = draw(4);

	if (what == 0)
		CHECK(flo_sleep(NULL, draw(20) * US) == FLO_OK);
	else if (what == 1)
		flo_yield();
}

/* A limit of some microseconds for a wait, or, as often, none (NULL). */
static inline flo_context *some_limit(flo_context *root)
{
	flo_context *c;

	if (once_in(2))
		return NULL;
	c = flo_context_timeout(root, draw(30) * US, "a limit");
	CHECK(c != NULL);
	return c;
}

/* A wait under @c ended with @status: does that fit? */
static inline void check_ended(flo_context *c, flo_status status)
{
	CHECK(status == FLO_OK || (status == FLO_TIMEOUT && c != NULL &&
				   flo_context_status(c) == FLO_TIMEOUT &&
				   flo_now() >= flo_context_deadline(c)));
}

#endif
