/*
 * The main() of a file of scenarios.
 *
 * Usage: X_test [--full]			explore, nothing may be found
 *        X_test --finds SCENARIO		something must be
 *        X_test --replay SCENARIO SCHEDULE	one schedule, step by step
 */
#include "tests/interleave/explore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SCENARIOS_MAX 32u

/* Reports end by abort(), which the explorer catches. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "abort_on_error=1:detect_leaks=0";
}

const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
	return "halt_on_error=1:abort_on_error=1";
}

static const char *const findings[] = {
	"nothing",  "a check failed", "a crash",  "a deadlock",
	"livelock", "a leak",	      "unstable",
};

static bool full;

static void tell(const struct explore_scenario *scenario, unsigned bound,
		 const struct explore_result *r)
{
	printf("%s: %llu schedules with up to %u preemptions, %llu steps, "
	       "%llu shared words: %s\n",
	       scenario->name, (unsigned long long)r->schedules, bound,
	       (unsigned long long)r->steps, (unsigned long long)r->points,
	       findings[r->finding]);
	for (unsigned i = 0; i <= bound && i < BOUNDS_MAX; i++)
		printf("  %u: %llu", i, (unsigned long long)r->by_bound[i]);
	printf("\n");
	if (r->finding != EXPLORE_NOTHING)
		printf("%sagain: --replay %s %s\n", r->text, scenario->name,
		       r->schedule);
}

static struct explore_result result;

static void finds_nothing(void **state)
{
	const struct explore_scenario *scenario = *state;
	unsigned bound = full ? scenario->full_bound : scenario->bound;

	explore(scenario, bound, NULL, &result);
	tell(scenario, bound, &result);
	assert_int_equal(result.finding, EXPLORE_NOTHING);
	assert_true(result.schedules > 1);
}

/* And finds it again by the schedule that it printed. */
static void finds_the_mistake(void **state)
{
	const struct explore_scenario *scenario = *state;
	enum explore_finding finding;
	char schedule[sizeof(result.schedule)];

	explore(scenario, scenario->bound, NULL, &result);
	tell(scenario, scenario->bound, &result);
	finding = result.finding;
	assert_int_not_equal(finding, EXPLORE_NOTHING);
	assert_int_not_equal(finding, EXPLORE_UNSTABLE);
	strcpy(schedule, result.schedule);
	explore(scenario, 0, schedule, &result);
	assert_int_equal(result.finding, finding);
}

static const struct explore_scenario *
by_name(const struct explore_scenario *scenarios, unsigned n, const char *name)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(scenarios[i].name, name) == 0)
			return &scenarios[i];
	fprintf(stderr, "no scenario '%s'\n", name);
	exit(2);
}

static int run_one(const struct explore_scenario *scenario)
{
	struct CMUnitTest tests[1] = {{
		.name = scenario->name,
		.test_func = finds_the_mistake,
		.initial_state = (void *)(uintptr_t)scenario,
	}};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

static int run_all(const struct explore_scenario *scenarios, unsigned n)
{
	struct CMUnitTest tests[SCENARIOS_MAX];

	if (n > SCENARIOS_MAX)
		abort();
	for (unsigned i = 0; i < n; i++)
		tests[i] = (struct CMUnitTest){
			.name = scenarios[i].name,
			.test_func = finds_nothing,
			.initial_state = (void *)(uintptr_t)&scenarios[i],
		};
	return _cmocka_run_group_tests("interleave", tests, n, NULL, NULL);
}

static int replay(const struct explore_scenario *scenario, const char *schedule)
{
	explore(scenario, 0, schedule, &result);
	tell(scenario, 0, &result);
	return result.finding != EXPLORE_NOTHING;
}

int explore_main(int argc, char **argv,
		 const struct explore_scenario *scenarios, unsigned n)
{
	full = (argc == 2 && strcmp(argv[1], "--full") == 0) ||
	       getenv("FLO_INTERLEAVE_FULL") != NULL;
	if (argc == 3 && strcmp(argv[1], "--finds") == 0)
		return run_one(by_name(scenarios, n, argv[2]));
	if (argc == 4 && strcmp(argv[1], "--replay") == 0)
		return replay(by_name(scenarios, n, argv[2]), argv[3]);
	if (argc == 1 || full)
		return run_all(scenarios, n);
	fprintf(stderr, "usage: see tests/interleave/main.c\n");
	return 2;
}
