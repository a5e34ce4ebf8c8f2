/*
 * The deterministic drive, as its tests see it: what it did, in one number or
 * choice by choice. docs/simulation.md is the guide.
 */
#ifndef FLO_ENGINE_SCHED_SIM_P_H
#define FLO_ENGINE_SCHED_SIM_P_H

#include "engine/sched/sched_p.h"

enum flo__sim_kind {
	FLO__SIM_RUN,	/* coroutine `id` goes on */
	FLO__SIM_PARK,	/* it waits */
	FLO__SIM_YIELD, /* it lets others run */
	FLO__SIM_POINT, /* it was made to, before an operation that may wait */
	FLO__SIM_END,	/* it has ended */
	FLO__SIM_TIMER, /* a timer fires; `id`: how many were due */
	FLO__SIM_CLOCK, /* the clock jumps, to `now_ns` */
	FLO__SIM_KINDS
};

struct flo__sim_event {
	enum flo__sim_kind kind;
	uint32_t id; /* of the coroutine, from 1 in the order they were made */
	uint64_t now_ns;
};

/* As one word: "run", "park" etc. */
const char *flo__sim_kind_text(enum flo__sim_kind kind);

/*
 * The functions below are for ordinary threads; they wait until nothing in @rt
 * runs. Requires: @rt is driven deterministically.
 *
 * digest: a hash over every event so far, equal for two runs that made the
 * same choices.
 */
uint64_t flo__sim_digest(flo_runtime *rt);

/* How many coroutines have not ended; those wait. */
uint32_t flo__sim_alive(flo_runtime *rt);

/*
 * Have @fn called at every event, on the scheduler's own stack: it may print,
 * and must not use the runtime. NULL ends that.
 */
void flo__sim_watch(flo_runtime *rt,
		    void (*fn)(void *arg, const struct flo__sim_event *event),
		    void *arg);

/*
 * Begin anew with @seed, clock and digest as of a new runtime's, which would
 * cost a hundred times as much.
 * Requires: no coroutine is alive.
 */
void flo__sim_reset(flo_runtime *rt, uint64_t seed);

#endif
