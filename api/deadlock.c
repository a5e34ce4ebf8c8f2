/*
 * Runs that stand still: what an engine in a closed world does about them. The
 * note on it is in engine/run/bury.c.
 */
#include "api/api_p.h"

#include "base/alloc.h"
#include "engine/sched/sched_p.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_MAX 4000 /* of a report, in an error */

void flo__api_runs_add(flo_run *run)
{
	flo_engine *engine = run->engine;

	pthread_mutex_lock(&engine->lock);
	run->next = engine->runs;
	engine->runs = run;
	pthread_mutex_unlock(&engine->lock);
}

void flo__api_runs_del(flo_run *run)
{
	flo_engine *engine = run->engine;
	flo_run **at = &engine->runs;

	pthread_mutex_lock(&engine->lock);
	while (*at != NULL && *at != run)
		at = &(*at)->next;
	if (*at != NULL)
		*at = run->next;
	if (engine->runs == NULL)
		pthread_cond_broadcast(&engine->idle);
	pthread_mutex_unlock(&engine->lock);
}

void flo__api_runs_wait(flo_engine *engine)
{
	pthread_mutex_lock(&engine->lock);
	while (engine->runs != NULL)
		pthread_cond_wait(&engine->idle, &engine->lock);
	pthread_mutex_unlock(&engine->lock);
}

/* As many whole lines of the report as an error has room for. */
static void shorten(const char *report, char why[WHY_MAX])
{
	char *end;

	snprintf(why, WHY_MAX, "%s", report);
	end = strrchr(why, '\n');
	if (end != NULL)
		*end = '\0';
}

/* In a fresh coroutine: none of the run's own will ever run again. */
static void bury(void *arg)
{
	flo_run *run = arg;
	struct flo__journal *journal = run->engine->journal;
	flo_error err = FLO_ERROR_INIT;
	flo_value *result = NULL;
	flo_status st, closed;

	st = flo__run_bury(run->run, run->why, &err, &result);
	flo_blocking_begin();
	closed = journal->ops->close(run->run_journal,
				     st == FLO_OK ? &err : NULL);
	flo_blocking_end();
	flo__api_run_done(run, st == FLO_OK ? closed : st, &err, result);
}

/* The first time. Returns whether it heard of it. */
static bool end(flo_run *run, const char *why)
{
	run->why = flo__strdup(why);
	if (run->why == NULL)
		return false;
	if (flo__runtime_starves(run->engine->runtime))
		flo__run_starved(run->run);
	else
		flo__run_deadlock(run->run, run->why);
	return true;
}

/* By the engine's lock. */
static void tell(flo_run *run, const char *why)
{
	if (run->why == NULL) {
		if (end(run, why))
			return;
	} else if (!run->buried) {
		run->buried = true;
		run->engine->stuck = true;
		if (flo_go_with(run->engine->runtime, bury, run, 256 * 1024,
				"undertaker") == FLO_OK)
			return;
	} else if (!flo__runtime_starves(run->engine->runtime)) {
		return;
	}
	/* Without memory even for this nobody could be told. */
	fprintf(stderr, "%s\n", why);
	abort();
}

void flo__api_deadlocked(flo_runtime *rt, const char *report, void *arg)
{
	flo_engine *engine = arg;
	char why[WHY_MAX];

	(void)rt;
	shorten(report, why);
	pthread_mutex_lock(&engine->lock);
	for (flo_run *run = engine->runs; run != NULL; run = run->next)
		tell(run, why);
	pthread_mutex_unlock(&engine->lock);
}
