/*
 * What the parts of the interleaver share: schedule.c decides, thread.c
 * switches and waits, world.c is memory, clock and process, report.c tells.
 */
#ifndef TESTS_INTERLEAVE_EXPLORE_P_H
#define TESTS_INTERLEAVE_EXPLORE_P_H

#include "tests/interleave/explore.h"

#include <stddef.h>

#define THREADS_MAX   8u
#define STEPS_MAX     20000u /* of a schedule; more is a livelock */
#define DECISIONS_MAX 4096u

/* schedule.c */

/* A place where the schedule could have gone elsewhere. */
struct decision {
	uint32_t step;
	uint8_t n, chosen;
	uint8_t threads[THREADS_MAX]; /* [0] goes on if nobody says else */
};

/* One of @n threads is to run; the first is what costs nothing special. */
unsigned schedule_choose(uint32_t step, const uint8_t *threads, unsigned n);

/* Is there a preemption left? Taking one is schedule_preempt(). */
bool schedule_may_preempt(void);
void schedule_preempt(void);

/* What follows in this schedule is known from another one. */
void schedule_prune(void);

/* Thread @thread is at @address: does it matter who comes there first? */
bool schedule_touch(const volatile void *address, unsigned thread, bool writes);

/* Run every schedule of @scenario with up to @max preemptions, or one again. */
void schedule_all(const struct explore_scenario *scenario, unsigned max);
void schedule_replay(const struct explore_scenario *scenario,
		     const char *schedule);

/* The decisions of this schedule that differ from the default, as a string. */
void schedule_print(char *text, size_t size);

/* thread.c */

/* Run @fn as the first thread until all have ended. */
void threads_run(void (*fn)(void));
unsigned threads_alive(void);
unsigned threads_started(void); /* the next one's number */

/* world.c */
void world_begin(void);
const char *world_leak(void); /* what was not given back, or NULL */

/* report.c */
void report_begin(void);
void report_step(unsigned thread, const char *file, int line, char what);
void report_name(unsigned thread, const char *name);
/* The end of this exploration, not of the program. */
void report_found(enum explore_finding finding, const char *text)
	__attribute__((noreturn));
extern struct explore_result *report_result; /* shared with the parent */

#endif
