/*
 * What time it is for people: a struct of functions, so that simulations can
 * have dates of their own. How long things take is flo_now()'s matter.
 */
#ifndef FLO_ENGINE_CLOCK_H
#define FLO_ENGINE_CLOCK_H

#include <stdint.h>

struct flo__clock {
	/* Microseconds since the Unix epoch, UTC. Any thread; never blocks. */
	int64_t (*now_us)(struct flo__clock *clock);
};

#endif
