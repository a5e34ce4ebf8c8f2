/*
 * Reruns: a drawn pipeline is run, and then again with `--failed` or from a step
 * of it, with other dice. What is taken over is worked out here a second time,
 * from the record of the first run and the pipeline as it was drawn.
 */
#include "tests/sim/rules.h"
#include "tests/sim/sim.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 4096

static struct fake fake;
static struct pipe pipeline;
static struct rules first, second, third;
static bool again[RULES_LEAVES_MAX]; /* of each leaf of the first: it reruns */

static struct {
	char *json[EVENTS_MAX];
	size_t len;
} old; /* the record of the first run */

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

static void show_on_request(void)
{
	if (getenv("SIM_SHOW") == NULL)
		return;
	fprintf(stderr, "%s\n", pipeline.text);
	for (size_t i = 0; i < fake.events_len; i++)
		fprintf(stderr, "%s\n", fake.events[i].json);
}

static struct rules_leaf *leaf_of(struct rules *r, const char *path)
{
	for (size_t i = 0; i < r->nleaves; i++)
		if (strcmp(r->leaves[i].path, path) == 0)
			return &r->leaves[i];
	return NULL;
}

/* ---- the record of the first run ---- */

static void keep_old(void)
{
	CHECK(fake.events_len <= EVENTS_MAX);
	for (old.len = 0; old.len < fake.events_len; old.len++) {
		old.json[old.len] = strdup(fake.events[old.len].json);
		CHECK(old.json[old.len] != NULL);
	}
}

/* It is what is recorded, once more. */
static void put_old(void)
{
	fake_reset(&fake);
	for (size_t i = 0; i < old.len; i++)
		fake_put(&fake, old.json[i]);
}

static void forget_old(void)
{
	for (size_t i = 0; i < old.len; i++)
		free(old.json[i]);
	old.len = 0;
}

/* ---- what must be taken over ---- */

static bool is_in(const char *path, const char *block)
{
	size_t len = strlen(block);

	return strncmp(path, block, len) == 0 &&
	       (path[len] == '\0' || path[len] == '.' || path[len] == '[');
}

static bool is_well(const struct rules_leaf *leaf)
{
	return leaf->end == FLO__STATE_SUCCEEDED ||
	       leaf->end == FLO__STATE_SKIPPED;
}

/* Whether @leaf comes after one that runs again. */
static bool comes_after(const struct rules_leaf *leaf)
{
	for (size_t i = 0; i < first.nleaves; i++)
		if (again[i] &&
		    rules_before(&pipeline, first.leaves[i].path, leaf->path))
			return true;
	return false;
}

/* Which leaves `--failed` runs again: to the end of what follows from what. */
static void work_out_failed(void)
{
	bool more = true;

	for (size_t i = 0; i < first.nleaves; i++)
		again[i] = !is_well(&first.leaves[i]) ||
			   rules_is_last(&pipeline, first.leaves[i].path);
	while (more) {
		more = false;
		for (size_t i = 0; i < first.nleaves; i++) {
			if (again[i] || !comes_after(&first.leaves[i]))
				continue;
			again[i] = more = true;
		}
	}
}

static void check_failed(void)
{
	work_out_failed();
	for (size_t i = 0; i < first.nleaves; i++) {
		const struct rules_leaf *now =
			leaf_of(&second, first.leaves[i].path);

		CHECK((now != NULL && now->reused) == !again[i]);
	}
}

/* What is named runs again with all after it; what had ended well and neither
 * is nor comes after anything that failed does not. */
static void check_from(const char *from)
{
	work_out_failed();
	for (size_t i = 0; i < first.nleaves; i++) {
		const char *path = first.leaves[i].path;
		const struct rules_leaf *now = leaf_of(&second, path);
		bool named = is_in(path, from) ||
			     rules_before(&pipeline, from, path);
		bool reused = now != NULL && now->reused;

		CHECK(!(named && reused));
		CHECK(reused || named || again[i] ||
		      strstr(path, "finally.") != NULL);
	}
}

/* What was taken over is as it was, and was not executed. */
static void check_taken(struct rules *r)
{
	for (size_t i = 0; i < r->nleaves; i++) {
		const struct rules_leaf *leaf = &r->leaves[i];
		const struct rules_leaf *was = leaf_of(&first, leaf->path);

		if (!leaf->reused)
			continue;
		CHECK(was != NULL && was->end == leaf->end);
		CHECK(was->attempts == leaf->attempts);
		CHECK(fake_executions(&fake, leaf->path) == 0);
	}
}

/* ---- reruns ---- */

/* A step of the first run, or a block around it; not in a finally. */
static void draw_step(char from[96])
{
	const char *path;
	size_t len;

	do
		path = first.leaves[draw((uint32_t)first.nleaves)].path;
	while (strstr(path, "finally.") != NULL);
	len = strlen(path);
	while (once_in(2) && len > 0) {
		size_t cut = len;

		while (cut > 0 && path[cut - 1] != '.' && path[cut - 1] != '[')
			cut--;
		if (cut == 0)
			break;
		len = cut - 1;
	}
	snprintf(from, 96, "%.*s", (int)len, path);
}

static size_t seq_of_start(void)
{
	for (size_t i = 0; i < fake.events_len; i++)
		if (fake.events[i].kind == FLO__EVENT_RUN_STARTED)
			return i + 1;
	sim_fail("a rerun has started", __FILE__, __LINE__);
}

/*
 * The engine of the rerun stops while event @at is recorded; a part of what was
 * not durable is lost. Not what comes before its start: without that the choice
 * is made once more, for which the other run is needed (api/rerun.c).
 */
static void crash_and_resume(const struct flo__rerun *what, size_t at,
			     size_t start)
{
	struct fake_result result;
	size_t keep;

	put_old();
	fake.fail_at = at;
	result = fake_rerun(&fake, pipeline.text, what);
	fake.fail_at = 0;
	CHECK(result.st == FLO_FULL && fake.events_len == at - 1);
	fake_result_fini(&result);
	keep = fake.durable + draw((uint32_t)(at - fake.durable));
	result = fake_run(&fake, pipeline.text, keep < start ? start : keep,
			  NULL);
	show_on_request();
	CHECK(result.st == FLO_OK);
	fake_result_fini(&result);
	rules_check(&third, &pipeline, &fake);
}

static void check_same_ends(void)
{
	CHECK(third.nleaves == second.nleaves);
	for (size_t i = 0; i < second.nleaves; i++)
		CHECK(rules_end(&third, second.leaves[i].path) ==
		      second.leaves[i].end);
}

static void rerun(const struct flo__rerun *what)
{
	struct fake_result result;
	size_t total, start;

	put_old();
	result = fake_rerun(&fake, pipeline.text, what);
	show_on_request();
	CHECK(result.st == FLO_OK);
	fake_result_fini(&result);
	rules_check(&second, &pipeline, &fake);
	check_taken(&second);
	if (what->failed)
		check_failed();
	else
		check_from(what->from);
	total = fake.events_len;
	start = seq_of_start();
	if (total == start)
		return;
	crash_and_resume(what, start + 1 + draw((uint32_t)(total - start)),
			 start);
	check_taken(&third);
	check_same_ends();
}

static void play_rerun(flo_runtime *rt)
{
	struct flo__rerun what = {.of = "r0"};
	struct fake_result result;
	char from[96];

	(void)rt;
	fake_reset(&fake);
	fake.seed = the_seed();
	fake.late_commits = once_in(2);
	pipe_draw(&pipeline, PIPE_SETTLED);
	result = fake_run(&fake, pipeline.text, 0, NULL);
	CHECK(result.st == FLO_OK);
	show_on_request();
	fake_result_fini(&result);
	rules_check(&first, &pipeline, &fake);
	keep_old();
	fake.seed = ~the_seed(); /* what failed may go well now, or not */
	if (once_in(2)) {
		what.failed = true;
	} else {
		draw_step(from);
		what.from = from;
	}
	rerun(&what);
	forget_old();
}

const struct scenario rerun_scenario = {.name = "rerun",
					.play = play_rerun,
					.open = open_fake,
					.close = close_fake};
