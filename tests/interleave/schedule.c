/*
 * Who goes on: depth first over all schedules with so many preemptions.
 *
 * Note: what is tried
 *
 * A schedule is a list of decisions. It is run from the start; where its list
 * ends, the first choice is taken and the others are remembered. Then the last
 * decision that has choices left takes its next one. Where the running thread
 * could go on, taking it off is a preemption, and their number is bounded;
 * where it waits or ends, all others that can run are tried at no cost.
 * (Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007: most errors
 * need two preemptions at most.)
 *
 * A preemption before a step whose address no other thread uses, or all only
 * read, leads nowhere new: it is the same as one before the thread's next step
 * that others can tell. Which addresses are shared is learned while exploring,
 * and when a schedule has taught one, the exploration begins anew with it.
 *
 * If a thread was taken off before a step, and when it goes on nobody has come
 * to the same address in conflict, the step might as well have been made
 * before. So the same is met again with the thread taken off one step later,
 * and this schedule is run to its end without trying anything more in it.
 */
#include "tests/interleave/explore_p.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CELLS 16384u /* a power of two */

/* What is known of an address. */
struct cell {
	uintptr_t address;
	uint32_t run; /* the schedule that the masks are of */
	uint8_t readers, writers;
	bool shared; /* in some schedule */
};

static struct cell cells[CELLS];
static unsigned cells_used;
static bool learned; /* an address is shared that was not thought so */

static struct decision decisions[DECISIONS_MAX];
static unsigned prefix;	 /* of them are given */
static unsigned reached; /* of them were made in this schedule */
static unsigned preemptions, bound;
static bool pruned;  /* nothing new can follow in this schedule */
static uint32_t run; /* number of this schedule */

/* A schedule to run again: step and thread of what is not the default. */
static struct {
	uint32_t step;
	unsigned thread;
} given[DECISIONS_MAX];
static unsigned given_len;
static bool replaying;

static struct cell *find(uintptr_t address)
{
	uint32_t i = (uint32_t)((address * UINT64_C(0x9e3779b97f4a7c15)) >> 40);

	for (;; i++) {
		struct cell *cell = &cells[i & (CELLS - 1)];

		if (cell->address == address)
			return cell;
		if (cell->address == 0) {
			if (++cells_used > CELLS / 2)
				report_found(EXPLORE_UNSTABLE,
					     "too many addresses");
			cell->address = address;
			return cell;
		}
	}
}

bool schedule_touch(const volatile void *address, unsigned thread, bool writes)
{
	struct cell *cell = find((uintptr_t)address);
	uint8_t all;

	if (cell->run != run) {
		cell->run = run;
		cell->readers = 0;
		cell->writers = 0;
	}
	if (writes)
		cell->writers |= (uint8_t)(1u << thread);
	else
		cell->readers |= (uint8_t)(1u << thread);
	all = cell->readers | cell->writers;
	if (!cell->shared && cell->writers != 0 && (all & (all - 1)) != 0) {
		cell->shared = true;
		learned = true;
		report_result->points++;
	}
	return cell->shared || replaying;
}

bool schedule_may_preempt(void)
{
	return preemptions < bound && !pruned;
}

void schedule_prune(void)
{
	pruned = !replaying;
}

void schedule_preempt(void)
{
	preemptions++;
}

static unsigned choose_given(uint32_t step, const uint8_t *threads, unsigned n)
{
	for (unsigned i = 0; i < given_len; i++)
		if (given[i].step == step)
			for (unsigned k = 0; k < n; k++)
				if (threads[k] == given[i].thread)
					return k;
	return 0;
}

unsigned schedule_choose(uint32_t step, const uint8_t *threads, unsigned n)
{
	struct decision *d = &decisions[reached];

	if (replaying)
		return threads[choose_given(step, threads, n)];
	if (pruned)
		return threads[0];
	if (reached == DECISIONS_MAX)
		report_found(EXPLORE_LIVELOCK, "too many decisions");
	if (reached < prefix) {
		if (d->step != step || d->n != n ||
		    memcmp(d->threads, threads, n) != 0)
			report_found(EXPLORE_UNSTABLE,
				     "the same schedule went another way");
	} else {
		d->step = step;
		d->n = (uint8_t)n;
		d->chosen = 0;
		memcpy(d->threads, threads, n);
	}
	reached++;
	return d->threads[d->chosen];
}

void schedule_print(char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (unsigned i = 0; i < reached && len < size; i++) {
		const struct decision *d = &decisions[i];

		if (d->chosen != 0)
			len += (size_t)snprintf(text + len, size - len,
						"%s%u:%u", len > 0 ? "," : "",
						d->step, d->threads[d->chosen]);
	}
	if (len == 0)
		snprintf(text, size, "0:0");
}

/* On to the next schedule; false after the last. */
static bool advance(void)
{
	prefix = reached;
	while (prefix > 0) {
		struct decision *d = &decisions[prefix - 1];

		if (d->chosen + 1 < d->n) {
			d->chosen++;
			return true;
		}
		prefix--;
	}
	return false;
}

static void run_once(const struct explore_scenario *scenario)
{
	const char *leak;

	run++;
	reached = 0;
	preemptions = 0;
	pruned = false;
	report_result->schedules++;
	if (run % 1024 == 1)
		alarm(60); /* a loop without points */
	world_begin();
	report_begin();
	threads_run(scenario->run);
	leak = world_leak();
	if (leak != NULL)
		report_found(EXPLORE_LEAK, leak);
}

/* An address was learned of: the decisions so far did not know. */
static bool begin_anew(void)
{
	if (!learned)
		return false;
	learned = false;
	prefix = 0;
	return true;
}

static void explore_bound(const struct explore_scenario *scenario)
{
	prefix = 0;
	do {
		run_once(scenario);
	} while (begin_anew() || advance());
}

static void parse(const char *schedule)
{
	const char *at = schedule;
	int used;

	replaying = true;
	while (given_len < DECISIONS_MAX &&
	       sscanf(at, "%u:%u%n", &given[given_len].step,
		      &given[given_len].thread, &used) == 2) {
		given_len++;
		at += used;
		if (*at != ',')
			break;
		at++;
	}
}

void schedule_replay(const struct explore_scenario *scenario,
		     const char *schedule)
{
	parse(schedule);
	bound = UINT32_MAX;
	run_once(scenario);
}

void schedule_all(const struct explore_scenario *scenario, unsigned max)
{
	for (bound = 0; bound <= max; bound++) {
		uint64_t before = report_result->schedules;

		explore_bound(scenario);
		if (bound < BOUNDS_MAX)
			report_result->by_bound[bound] =
				report_result->schedules - before;
	}
}
