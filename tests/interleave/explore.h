/*
 * The interleaver: runs a piece of concurrent code in every order of its steps
 * that needs at most so many preemptions.
 *
 * A scenario is a function. It is run again and again from the start, each
 * time in another schedule, on threads that are contexts of one real thread
 * and change only where the explorer says so: at the points (point.h), and
 * where a thread waits. Depth first, no chance anywhere: a schedule that goes
 * wrong is printed as a string that runs it again.
 *
 * Inside a scenario pthread_create() and all that point.h shadows are the
 * explorer's. So are memory (flo__malloc() is an arena that starts anew with
 * each schedule, at the same addresses) and the clock (it stands still).
 *
 * The order is that of a sequentially consistent machine: what weaker ones
 * reorder is not seen.
 */
#ifndef TESTS_INTERLEAVE_EXPLORE_H
#define TESTS_INTERLEAVE_EXPLORE_H

#include <stdbool.h>
#include <stdint.h>

#define BOUNDS_MAX 8

enum explore_finding {
	EXPLORE_NOTHING,
	EXPLORE_CHECK,	  /* explore_check() failed */
	EXPLORE_CRASH,	  /* a contract broke, or a fault */
	EXPLORE_DEADLOCK, /* nobody can go on */
	EXPLORE_LIVELOCK, /* too many steps, or all spin */
	EXPLORE_LEAK,	  /* memory was not given back */
	EXPLORE_UNSTABLE, /* the same schedule went another way */
};

struct explore_scenario {
	const char *name; /* a claim, as of a test */
	void (*run)(void);
	unsigned bound;	     /* preemptions, in each run of the tests */
	unsigned full_bound; /* and with --full */
};

struct explore_result {
	enum explore_finding finding;
	uint64_t schedules; /* tried */
	uint64_t steps;	    /* of all of them */
	uint64_t points;    /* addresses that threads share */
	uint64_t by_bound[BOUNDS_MAX];
	char schedule[4096];
	char text[65536]; /* what was found, and how it came to it */
};

/*
 * Explore @scenario with up to @bound preemptions, or, with @schedule not
 * NULL, run that one schedule. Runs in a process of its own, so that a crash
 * is a result like others.
 */
void explore(const struct explore_scenario *scenario, unsigned bound,
	     const char *schedule, struct explore_result *ret_result);

/* The main() of a file of scenarios: cmocka's, see there for the options. */
int explore_main(int argc, char **argv,
		 const struct explore_scenario *scenarios, unsigned n);

/* Inside a scenario. */

/* Start a thread. Those that are left when the scenario ends are awaited. */
void explore_go(const char *name, void (*fn)(void *arg), void *arg);

/* Wait for all that explore_go() has started. */
void explore_join(void);

/* What must hold; @text says it. */
void explore_check(bool holds, const char *text);

/* Try no other order from here on, or again: for setting up, tearing down. */
void explore_quiet(bool quiet);

/* Set the clock, in nanoseconds. It starts at one second. */
void explore_set_clock(uint64_t ns);

#endif
