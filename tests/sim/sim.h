/*
 * Simulations: what a scenario is, and what it may use.
 *
 * A scenario is played once for each seed, on a runtime that is driven
 * deterministically by that seed. It draws what it does with draw(), does it,
 * and CHECKs that what it saw keeps the rules. All its coroutines are on one
 * thread, so it may count in plain variables. docs/simulation.md is the guide.
 */
#ifndef FLO_TESTS_SIM_SIM_H
#define FLO_TESTS_SIM_SIM_H

#include <flo/runtime.h>

#include <stdbool.h>
#include <stdint.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

struct scenario {
	const char *name;
	/* Played on the main thread, with @rt reset to the seed. */
	void (*play)(flo_runtime *rt);
	/* Makes the runtime all seeds use; NULL: an ordinary small one. */
	flo_runtime *(*open)(const struct flo_runtime_options *options);
	void (*close)(flo_runtime *rt);
	/* Made to fail: only by name, to see that failures are found. */
	bool planted;
};

extern const struct scenario chan_scenario, select_scenario, mutex_scenario,
	cond_scenario, sem_scenario, fifo_scenario, group_scenario,
	tree_scenario, timeout_scenario, cancel_scenario, run_scenario,
	resume_scenario, rerun_scenario, rwmutex_scenario, once_scenario,
	pool_scenario, planted_scenario;

/* One of @n, by the seed. */
uint32_t draw(uint32_t n);
/* True once in @n, by the seed. */
bool once_in(uint32_t n);
/* The seed that is played. */
uint64_t the_seed(void);

/* Ends the process; the runner says which seed it was and how to replay it. */
_Noreturn void sim_fail(const char *rule, const char *file, int line);

#define CHECK(cond) ((cond) ? (void)0 : sim_fail(#cond, __FILE__, __LINE__))

/* Run @fn(@arg) in @rt to its end. */
void play_main(flo_runtime *rt, flo_fn fn, void *arg);
/* Start a coroutine of the caller's runtime. */
void start(flo_fn fn, void *arg);

#endif
