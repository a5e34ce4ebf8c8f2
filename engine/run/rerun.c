/*
 * A run that repeats another one, and takes over from it what is not to run
 * again.
 *
 * Note: when it is known what is taken over
 *
 * A rerun's run.queued says of which run, and which words of the caller's
 * choose. It is in the store together with the run (engine/journal.h). Then a
 * step.reused for each step that is taken over is recorded, and last the
 * run.started. So whoever resumes it finds one of two things: a run that has
 * started, whose own record has all that it needs; or one that has not, for
 * which what is missing is chosen once more, and as a run that has ended does
 * not change, the choice is the same.
 *
 * From there on it is a resumed run that did not stop: presets say how steps
 * have ended (preset.c), and the walk takes them as they are. Refused: to look
 * into the other run's record while this one runs. It may be deleted one day,
 * and every look at this one would need both.
 */
#include "engine/run/run_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

/* ---- what it repeats ---- */

static void forget_rerun(struct flo__run *run)
{
	flo__free((char *)run->rerun.of);
	flo__free((char *)run->rerun.from);
	run->rerun = (struct flo__rerun){0};
}

flo_status flo__run_rerun(struct flo__run *run, const struct flo__rerun *what,
			  flo_error *err)
{
	struct flo__rerun copy = {.failed = what->failed};

	forget_rerun(run);
	if (what->of == NULL)
		return FLO_OK;
	copy.of = flo__strdup(what->of);
	copy.from = what->from != NULL ? flo__strdup(what->from) : NULL;
	run->rerun = copy;
	if (copy.of != NULL && (copy.from != NULL || what->from == NULL))
		return FLO_OK;
	forget_rerun(run);
	return flo_error_set(err, FLO_NOMEM, "out of memory");
}

void flo__run_queued(struct flo__run *run)
{
	run->preset_queued = true;
}

struct flo__rerun flo__run_rerun_of(const struct flo__run *run)
{
	return run->rerun;
}

const char *flo__run_owes(const struct flo__run *run)
{
	bool some = run->rerun.from != NULL || run->rerun.failed;

	return some && run->started_us == 0 ? run->rerun.of : NULL;
}

bool flo__run_replays(const struct flo__run *run)
{
	return run->resumed || run->frozen ||
	       (run->rerun.of != NULL && run->presets.len > 0);
}

/* ---- what it takes over ---- */

/* Move how @path ended in @old to @to. */
static flo_status move(struct flo__run *old, const char *path,
		       struct flo__reused *to)
{
	const union flo__map_slot *slot = flo__map_get(&old->presets, path);
	struct flo__preset *preset;

	INSIST(slot != NULL);
	preset = slot->ptr;
	to->path = flo__strdup(path);
	if (to->path == NULL)
		return FLO_NOMEM;
	to->result = preset->result;
	preset->result = (struct flo__result)FLO__RESULT_INIT;
	return FLO_OK;
}

flo_status flo__run_reuse(struct flo__run *run, struct flo__run *old,
			  flo_error *err)
{
	struct flo__chosen chosen = {0};
	flo_status st;

	REQUIRE(run->reused == NULL && run->started_us == 0);
	st = flo__run_choose(old, &run->rerun, err, &chosen);
	if (st != FLO_OK || chosen.len == 0)
		goto out;
	run->reused = flo__calloc(chosen.len, sizeof(*run->reused));
	if (run->reused == NULL) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	for (; st == FLO_OK && run->reused_len < chosen.len; run->reused_len++)
		st = move(old, chosen.paths[run->reused_len],
			  &run->reused[run->reused_len]);
	if (st != FLO_OK)
		flo_error_set(err, st, "out of memory");
out:
	flo__free(chosen.paths);
	return st;
}

static flo_status record(struct flo__run *run, const struct flo__reused *reused)
{
	struct flo__event event = FLO__EVENT_INIT(FLO__EVENT_STEP_REUSED);
	const struct flo__result *r = &reused->result;
	flo_status st;

	event.path = reused->path;
	event.attempt = r->attempts;
	event.status = r->state;
	event.exit_code = r->exit_code;
	event.signal = r->signal;
	event.duration_ns = r->duration_ns;
	event.error = r->error;
	event.output = r->output;
	st = flo__run_append(run, &event);
	return st == FLO_OK ? flo__preset_take(run, &event, NULL) : st;
}

static void forget_reused(struct flo__run *run)
{
	for (size_t i = 0; i < run->reused_len; i++) {
		flo__free(run->reused[i].path);
		flo__result_fini(&run->reused[i].result);
	}
	flo__free(run->reused);
	run->reused = NULL;
	run->reused_len = 0;
}

void flo__run_record_reused(struct flo__run *run)
{
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && i < run->reused_len; i++) {
		const struct flo__reused *reused = &run->reused[i];

		/* An engine that died had come so far. */
		if (flo__map_get(&run->presets, reused->path) == NULL)
			st = record(run, reused);
	}
	if (st == FLO_NOMEM)
		flo__run_broken(run, &(flo_error){.status = FLO_NOMEM,
						  .text = "out of memory"});
	forget_reused(run);
}

void flo__rerun_fini(struct flo__run *run)
{
	forget_reused(run);
	forget_rerun(run);
}
