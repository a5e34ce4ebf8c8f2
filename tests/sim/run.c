/*
 * Whole pipelines, drawn from the seed, on the faked world of the runner's
 * tests: whatever fails, takes long, is cancelled or crashes, the record keeps
 * the rules.
 */
#include "tests/sim/rules.h"
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct fake fake;
static struct pipe pipeline;
static struct rules rules, again;

static flo_runtime *open_fake(const struct flo_runtime_options *options)
{
	fake_init_with(&fake, options);
	return fake.rt;
}

static void close_fake(flo_runtime *rt)
{
	(void)rt;
	fake_fini(&fake);
}

static void begin(enum pipe_style style)
{
	fake_reset(&fake);
	fake.seed = the_seed();
	fake.late_commits = once_in(2);
	pipe_draw(&pipeline, style);
}

/* For people: what was run, and what came of it. */
static void show_on_request(void)
{
	if (getenv("SIM_SHOW") == NULL)
		return;
	fprintf(stderr, "%s\n", pipeline.text);
	for (size_t i = 0; i < fake.events_len; i++)
		fprintf(stderr, "%s\n", fake.events[i].json);
}

/* ---- runs ---- */

static uint64_t cancel_after_ns;

static void cancel_some_time(struct flo__run *run)
{
	CHECK(flo_sleep(NULL, cancel_after_ns) == FLO_OK);
	flo__run_cancel(run, false, "cancelled by a simulation");
}

static void play_run(flo_runtime *rt)
{
	struct fake_result result;

	(void)rt;
	begin(PIPE_WILD);
	cancel_after_ns = draw(60) * MS;
	result = fake_run(&fake, pipeline.text, 0,
			  once_in(4) ? cancel_some_time : NULL);
	show_on_request();
	CHECK(result.st == FLO_OK);
	CHECK(fake.running == 0);
	rules_check(&rules, &pipeline, &fake);
	fake_result_fini(&result);
}

const struct scenario run_scenario = {.name = "run",
				      .play = play_run,
				      .open = open_fake,
				      .close = close_fake};

/* ---- a crash, and a resume ---- */

static unsigned attempts_of(const struct rules *r, const char *path)
{
	for (size_t i = 0; i < r->nleaves; i++)
		if (strcmp(r->leaves[i].path, path) == 0)
			return r->leaves[i].attempts;
	return 0;
}

/* Each leaf ended as it did without a crash, and ran no more than it says. */
static void check_same_ends(unsigned crashes)
{
	CHECK(again.nleaves == rules.nleaves);
	for (size_t i = 0; i < rules.nleaves; i++) {
		const char *path = rules.leaves[i].path;

		CHECK(rules_end(&again, path) == rules.leaves[i].end);
		CHECK(fake_executions(&fake, path) <=
		      attempts_of(&again, path) + crashes);
	}
}

/* What had succeeded before the crash is not executed after it. */
static void check_not_repeated(size_t keep, size_t executed_before)
{
	for (size_t i = 0; i < keep; i++) {
		if (fake.events[i].kind != FLO__EVENT_STEP_FINISHED)
			continue;
		for (size_t k = executed_before; k < fake.executed_len; k++)
			CHECK(strcmp(fake.executed[k], fake.events[i].path) !=
			      0);
	}
}

/*
 * The engine stops while event @at is recorded. What had not become durable
 * may be lost: a part of it is.
 */
static size_t crash(size_t at)
{
	struct fake_result result;
	size_t keep;

	fake.fail_at = at;
	result = fake_run(&fake, pipeline.text, 0, NULL);
	fake.fail_at = 0;
	CHECK(result.st == FLO_FULL && result.result == NULL);
	CHECK(fake.events_len == at - 1 && fake.durable < at);
	fake_result_fini(&result);
	keep = fake.durable + draw((uint32_t)(at - fake.durable));
	return keep;
}

static void play_resume(flo_runtime *rt)
{
	struct fake_result whole, rest;
	size_t total, keep, executed;

	(void)rt;
	begin(PIPE_SETTLED);
	whole = fake_run(&fake, pipeline.text, 0, NULL);
	CHECK(whole.st == FLO_OK);
	show_on_request();
	rules_check(&rules, &pipeline, &fake);
	total = fake.events_len;
	fake_reset(&fake);
	keep = crash(2 + draw((uint32_t)total - 1));
	executed = fake.executed_len;
	/* Nothing of it was recorded: a new run, not one that is resumed. */
	rest = fake_run(&fake, pipeline.text, keep, NULL);
	show_on_request();
	CHECK(rest.st == FLO_OK);
	CHECK(strcmp(fake_status(&rest), fake_status(&whole)) == 0);
	rules_check(&again, &pipeline, &fake);
	check_same_ends(1);
	check_not_repeated(keep, executed);
	fake_result_fini(&whole);
	fake_result_fini(&rest);
}

const struct scenario resume_scenario = {.name = "resume",
					 .play = play_resume,
					 .open = open_fake,
					 .close = close_fake};
