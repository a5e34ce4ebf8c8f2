/*
 * A wait of one coroutine that several may end, the first of them: a timer, a
 * context, an event. Lies on the waiter's stack; whoever may fire it must be
 * stopped (flo__timer_stop(), flo__context_watch_del()) before it goes away.
 */
#ifndef FLO_ENGINE_SCHED_SHOT_P_H
#define FLO_ENGINE_SCHED_SHOT_P_H

#include "engine/context_p.h"
#include "engine/sched/sched_p.h"

#include <stdatomic.h>

enum flo__shot_state {
	FLO__SHOT_NEW,	  /* the waiter has not left its stack yet */
	FLO__SHOT_PARKED, /* whoever fires it readies the waiter */
	FLO__SHOT_FIRED,  /* and above: over, by cause */
	FLO__SHOT_TIME = FLO__SHOT_FIRED,
	FLO__SHOT_CONTEXT,
};

struct flo__shot {
	/* atomic: acq_rel in fire and commit */
	_Atomic uint32_t state;
	struct flo__g *g; /* constant */
	struct flo__timer timer;
	struct flo__context_watch watch;
};

/* End the wait for @cause; false if it was over. Does not touch @shot after. */
bool flo__shot_fire(struct flo__shot *shot, uint32_t cause);

/* The commit of the waiter's flo__park(). */
bool flo__shot_commit(struct flo__g *g, void *arg);

#endif
