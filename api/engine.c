/*
 * Engines and runs: the one place that puts the layers together.
 *
 * A run belongs to one coroutine (run_coroutine()) from its start to its end;
 * the thread that holds the flo_run waits for that with a plain condition
 * variable and otherwise only asks it to cancel.
 */
#include "api/api_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/value_p.h"
#include "engine/proc/helper.h"
#include "engine/proc/local.h"
#include "json/json_p.h"

#include <flo/fault.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

/* ---- engines ---- */

void flo__environ_free(const char **env)
{
	for (const char **e = env; e != NULL && *e != NULL; e++)
		flo__free((char *)*e);
	flo__free(env);
}

/* A copy of the list @strings, which NULL ends, or which is NULL. */
static const char **strings_copy(const char *const *strings)
{
	size_t n = 0;
	const char **copy;

	while (strings != NULL && strings[n] != NULL)
		n++;
	copy = flo__calloc(n + 1, sizeof(*copy));
	for (size_t i = 0; copy != NULL && i < n; i++) {
		copy[i] = flo__strdup(strings[i]);
		if (copy[i] == NULL) {
			flo__environ_free(copy);
			return NULL;
		}
	}
	return copy;
}

const char **flo__environ_copy(void)
{
	return strings_copy((const char *const *)environ);
}

static const char **worker_found(void)
{
	static const struct flo__helper worker = {
		.env = "FLO_WORKER",
		.beside = {"flo-worker", "../libexec/flowctl/flo-worker",
			   "../cli/flo-worker"}, /* in a build directory */
		.installed = FLO__WORKER_INSTALLED,
	};
	char *path = flo__helper_find(&worker, NULL);
	const char *const argv[] = {path, NULL};
	const char **copy = path != NULL ? strings_copy(argv) : NULL;

	flo__free(path);
	return copy;
}

/* The programs that the engine starts by itself. */
static flo_status set_helpers(flo_engine *engine,
			      const struct flo_engine_options *options,
			      flo_error *err)
{
	const char *const *argv = options->worker_argv;

	if (argv != NULL && (argv[0] == NULL || argv[0][0] == '\0'))
		return flo_error_set(err, FLO_INVALID, "worker_argv is empty");
	if (argv != NULL && argv[0][0] != '/' && strchr(argv[0], '/') != NULL)
		return flo_error_set(err, FLO_INVALID,
				     "worker_argv: \"%s\" would begin at each "
				     "step's directory: give it from / on",
				     argv[0]);
	engine->worker_argv =
		argv != NULL ? strings_copy(argv) : worker_found();
	engine->minder = flo__local_minder(options->minder);
	if (engine->worker_argv == NULL || engine->minder == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	return flo__local_new(engine->minder, err, &engine->executor);
}

static enum flo__store_durability store_level(flo_durability durability)
{
	switch (durability) {
	case FLO_DURABILITY_PROCESS:
		return FLO__STORE_PROCESS;
	case FLO_DURABILITY_NONE:
		return FLO__STORE_NONE;
	case FLO_DURABILITY_POWER:
		break;
	}
	return FLO__STORE_POWER;
}

flo_status flo_engine_open(const struct flo_engine_options *options,
			   flo_error *err, flo_engine **ret_engine)
{
	static const struct flo_engine_options defaults;
	struct flo_runtime_options rt_options = {0};
	flo_engine *engine = flo__calloc(1, sizeof(*engine));
	flo_status st = FLO_NOMEM;

	if (engine == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	if (options == NULL)
		options = &defaults;
	pthread_mutex_init(&engine->lock, NULL);
	pthread_cond_init(&engine->idle, NULL);
	flo__json_guard_install();
	flo__types_init(&engine->types);
	engine->end_when_tainted = options->end_when_tainted;
	engine->environ_copy = flo__environ_copy();
	engine->store_path = options->store != NULL
				     ? flo__strdup(options->store)
				     : flo_store_default_path();
	if (engine->environ_copy == NULL || engine->store_path == NULL) {
		flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	TRY(flo__store_open(engine->store_path,
			    store_level(options->durability), err,
			    &engine->journal));
	rt_options.procs = options->procs;
	rt_options.closed_world = options->closed_world;
	if (options->closed_world) {
		rt_options.on_deadlock = flo__api_deadlocked;
		rt_options.on_deadlock_arg = engine;
	}
	TRY(flo_runtime_new(&rt_options, err, &engine->runtime));
	TRY(set_helpers(engine, options, err));
out:
	if (st == FLO_OK)
		*ret_engine = engine;
	else
		flo_engine_close(engine);
	return st;
}

void flo_engine_close(flo_engine *engine)
{
	if (engine == NULL)
		return;
	flo__api_runs_wait(engine);
	/* With stuck coroutines it has no end, and they know the engine. */
	if (!engine->stuck)
		flo_runtime_free(engine->runtime);
	if (engine->executor != NULL)
		engine->executor->ops->free(engine->executor);
	flo__store_close(engine->journal);
	if (engine->stuck)
		return;
	pthread_cond_destroy(&engine->idle);
	pthread_mutex_destroy(&engine->lock);
	flo__types_fini(&engine->types);
	flo__environ_free(engine->environ_copy);
	flo__environ_free(engine->worker_argv);
	flo__free(engine->minder);
	flo__free(engine->store_path);
	flo__free(engine);
}

/* ---- the coroutine of a run ---- */

static void on_event(void *arg, const char *json, size_t len)
{
	flo_run *run = arg;

	if (run->on_event != NULL)
		run->on_event(json, len, run->on_event_arg);
}

void flo__api_run_done(flo_run *run, flo_status status, const flo_error *err,
		       flo_value *result)
{
	flo__api_runs_del(run);
	pthread_mutex_lock(&run->lock);
	run->run_journal = NULL;
	run->status = status;
	run->err = *err;
	run->result = result;
	run->done = true;
	pthread_cond_broadcast(&run->ended);
	pthread_mutex_unlock(&run->lock);
}

static void run_coroutine(void *arg)
{
	flo_run *run = arg;
	struct flo__journal *journal = run->engine->journal;
	flo_error err = FLO_ERROR_INIT;
	flo_value *result = NULL;
	flo_status st, closed;

	st = flo__run_main(run->run, journal, run->run_journal, &err, &result);
	flo_blocking_begin();
	closed = journal->ops->close(run->run_journal,
				     st == FLO_OK ? &err : NULL);
	flo_blocking_end();
	if (st == FLO_OK)
		st = closed;
	flo__api_run_done(run, st, &err, result);
}

flo_run *flo__api_run_new(flo_engine *engine,
			  const struct flo_run_options *options)
{
	flo_run *run = flo__calloc(1, sizeof(*run));

	if (run == NULL)
		return NULL;
	run->engine = engine;
	run->on_event = options->on_event;
	run->on_event_arg = options->on_event_arg;
	pthread_mutex_init(&run->lock, NULL);
	pthread_cond_init(&run->ended, NULL);
	return run;
}

void flo__api_run_free(flo_run *run)
{
	/* Its stuck coroutines know all of it. */
	if (run->buried)
		return;
	flo__run_free(run->run);
	flo__free(run->why);
	if (run->plan != NULL)
		run->plan->free(run->plan);
	flo_value_unref(run->result);
	pthread_cond_destroy(&run->ended);
	pthread_mutex_destroy(&run->lock);
	flo__free(run->id);
	flo__free(run);
}

/* Somebody asked for it in another process. */
static void on_request(void *arg, enum flo__request kind, const char *why)
{
	flo_run_cancel(arg,
		       kind == FLO__REQUEST_KILL ? FLO_CANCEL_KILL
						 : FLO_CANCEL_STOP,
		       why);
}

/* Make the runner and set it going, or undo what was begun. */
static flo_status launch(flo_run *run, const struct flo__run_deps *deps,
			 const struct flo__plan *plan,
			 const struct flo__run_record *record,
			 const flo_value *params, flo_error *err)
{
	flo_status st;

	st = run->run != NULL
		     ? FLO_OK
		     : flo__run_new(deps, plan, record, params, err, &run->run);
	if (st != FLO_OK)
		return st;
	run->engine->journal->ops->heed(run->run_journal, on_request, run);
	flo__api_runs_add(run);
	st = flo_go_with(run->engine->runtime, run_coroutine, run, 256 * 1024,
			 "run");
	if (st != FLO_OK) {
		flo__api_runs_del(run);
		flo_error_set(err, st, "out of memory");
	}
	return st;
}

struct flo__run_deps flo__api_deps(const flo_engine *engine,
				   const struct flo_run_options *options)
{
	struct flo__run_deps deps = {
		.runtime = engine->runtime,
		.executor = engine->executor,
		.files = flo__store_files(engine->journal),
		.environ_ = engine->environ_copy,
		.end_when_tainted = engine->end_when_tainted,
		.worker_argv = engine->worker_argv,
		.minder = engine->minder,
		.warn = options != NULL ? options->on_warning : NULL,
		.warn_arg = options != NULL ? options->on_warning_arg : NULL,
	};

	return deps;
}

/* ---- starting ---- */

flo_status flo__api_check_tainted(const flo_engine *engine, flo_error *err)
{
	if (!engine->end_when_tainted || flo_fault_tainted() == 0)
		return FLO_OK;
	return flo_error_set(err, FLO_INTERRUPTED,
			     "a native step has crashed in this process: it "
			     "starts no runs any more, a new one must");
}

flo_status flo__api_create(flo_run *run, const struct flo__run_deps *deps,
			   const struct flo__plan *plan,
			   const struct flo__run_record *record,
			   const flo_value *params, flo_error *err)
{
	struct flo__journal *journal = run->engine->journal;
	flo_status st;

	flo__free(run->id);
	run->id = flo__strdup(record->id);
	if (run->id == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	TRY(journal->ops->create(journal, record, on_event, run, err,
				 &run->run_journal));
	st = launch(run, deps, plan, record, params, err);
	if (st != FLO_OK) {
		journal->ops->close(run->run_journal, NULL);
		run->run_journal = NULL;
	}
out:
	return st;
}

/* A run that is about to begin. All is borrowed. */
struct start {
	flo_run *run;
	const struct flo__run_deps *deps;
	const struct flo__plan *plan;
	const struct flo__run_record *record;
	const flo_value *params;
};

static flo_status start_named(void *arg, flo_error *err)
{
	const struct start *start = arg;

	return flo__api_create(start->run, start->deps, start->plan,
			       start->record, start->params, err);
}

static flo_status create(flo_run *run, const flo_pipeline *pipeline,
			 const struct flo_run_options *options,
			 const flo_value *params, flo_error *err)
{
	struct flo__run_deps deps = flo__api_deps(run->engine, options);
	char *params_json = flo_value_to_json(params);
	struct flo__run_record record = {
		.pipeline = pipeline->plan->name,
		.file = pipeline->plan->file,
		.dir = pipeline->plan->dir,
		.text = pipeline->text,
		.text_len = pipeline->len,
		.params = params_json,
		.limit = options->limit,
	};
	struct start start = {run, &deps, pipeline->plan, &record, params};
	flo_status st;

	if (params_json == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	st = flo__api_begin(run->engine, options, &record, start_named, &start,
			    err);
	flo_free(params_json);
	return st;
}

flo_status flo_run_start(flo_engine *engine, const flo_pipeline *pipeline,
			 const struct flo_run_options *options, flo_error *err,
			 flo_run **ret_run)
{
	static const struct flo_run_options defaults;
	flo_value *params = NULL;
	flo_run *run = NULL;
	flo_status st;

	if (options == NULL)
		options = &defaults;
	TRY(flo__api_check_tainted(engine, err));
	TRY(flo__dsl_bind(pipeline->plan, options->params, err, &params));
	if (options->run_id != NULL)
		TRY(flo__api_check_id(options->run_id, err));
	run = flo__api_run_new(engine, options);
	if (run == NULL) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	TRY(create(run, pipeline, options, params, err));
	*ret_run = run;
	run = NULL;
out:
	if (run != NULL)
		flo__api_run_free(run);
	flo_value_unref(params);
	return st;
}

/* ---- resuming ---- */

static flo_status replay_one(void *arg, const char *json, size_t len,
			     flo_error *err)
{
	return flo__run_preset(arg, json, len, err);
}

/* Compile what the store pinned: it was valid once. */
flo_status flo__api_recompile(flo_run *run,
			      const struct flo__run_record *record,
			      flo_error *err, flo_value **ret_params)
{
	struct flo__dsl_options options = {.file = record->file,
					   .dir = record->dir,
					   .pinned = true,
					   .registry =
						   &run->engine->types.head};
	flo_status st;

	st = flo__dsl_compile(record->text, record->text_len, &options, err,
			      &run->plan);
	if (st == FLO_INVALID)
		return flo_error_set(
			err, FLO_VERSION,
			"the pipeline of run %s is not valid for this version "
			"of flowctl: finish it with the one that began it",
			record->id);
	if (st != FLO_OK)
		return st;
	return flo_value_from_json(record->params, strlen(record->params), 0,
				   err, ret_params);
}

static flo_status take_words(struct flo__run *run,
			     const struct flo_run_options *options,
			     flo_error *err)
{
	static const enum flo__accept as[] = {
		[FLO_ACCEPT_RERUN] = FLO__ACCEPT_RERUN,
		[FLO_ACCEPT_SUCCEEDED] = FLO__ACCEPT_SUCCEEDED,
		[FLO_ACCEPT_FAILED] = FLO__ACCEPT_FAILED,
	};
	flo_status st = FLO_OK;

	for (size_t i = 0; st == FLO_OK && i < options->accept_len; i++)
		st = flo__run_accept(run, options->accept[i].path,
				     as[options->accept[i].as], err);
	return st;
}

flo_status flo_run_resume(flo_engine *engine, const char *run_id,
			  const struct flo_run_options *options, flo_error *err,
			  flo_run **ret_run)
{
	static const struct flo_run_options defaults;
	struct flo__run_deps deps = flo__api_deps(engine, options);
	const struct flo__run_record *record = NULL;
	struct flo__run_record limited;
	flo_value *params = NULL;
	flo_run *run =
		flo__api_run_new(engine, options != NULL ? options : &defaults);
	flo_status st = FLO_NOMEM;

	if (run == NULL || (run->id = flo__strdup(run_id)) == NULL) {
		flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	TRY(flo__api_check_tainted(engine, err));
	TRY(engine->journal->ops->open(engine->journal, run_id, on_event, run,
				       err, &run->run_journal, &record));
	TRY(flo__api_recompile(run, record, err, &params));
	limited = *record;
	if (options != NULL && options->limit != 0 &&
	    (limited.limit == 0 || options->limit < limited.limit))
		limited.limit = options->limit;
	TRY(flo__run_new(&deps, run->plan, &limited, params, err, &run->run));
	TRY(engine->journal->ops->replay(run->run_journal, replay_one, run->run,
					 err));
	TRY(flo__api_take_over(engine, run->plan, params, run->run, err));
	if (options != NULL && options->cancel != NULL)
		flo__run_cancel(run->run, false, options->cancel);
	if (options != NULL)
		TRY(take_words(run->run, options, err));
	TRY(flo__run_preset_done(run->run, err));
	TRY(launch(run, &deps, run->plan, &limited, params, err));
	*ret_run = run;
	run = NULL;
out:
	if (run != NULL) {
		if (run->run_journal != NULL)
			engine->journal->ops->close(run->run_journal, NULL);
		flo__api_run_free(run);
	}
	flo_value_unref(params);
	return st;
}

/* ---- runs ---- */

const char *flo_run_id(const flo_run *run)
{
	return run->id;
}

void flo_run_cancel(flo_run *run, flo_cancel_mode mode, const char *why)
{
	pthread_mutex_lock(&run->lock);
	if (!run->done)
		flo__run_cancel(run->run, mode == FLO_CANCEL_KILL,
				why != NULL ? why : "cancelled");
	pthread_mutex_unlock(&run->lock);
}

void flo_run_interrupt(flo_run *run, flo_cancel_mode mode, const char *why)
{
	pthread_mutex_lock(&run->lock);
	if (!run->done)
		flo__run_interrupt(run->run, mode == FLO_CANCEL_KILL,
				   why != NULL ? why : "interrupted");
	pthread_mutex_unlock(&run->lock);
}

flo_status flo_run_wait(flo_run *run, flo_error *err, flo_value **ret_result)
{
	flo_status st;

	pthread_mutex_lock(&run->lock);
	while (!run->done)
		pthread_cond_wait(&run->ended, &run->lock);
	st = run->status;
	if (st == FLO_OK && ret_result != NULL)
		*ret_result = flo_value_ref(run->result);
	else if (st != FLO_OK)
		flo_error_set(err, st, "%s", run->err.text);
	pthread_mutex_unlock(&run->lock);
	return st;
}

void flo_run_free(flo_run *run)
{
	if (run == NULL)
		return;
	flo_run_wait(run, NULL, NULL);
	flo__api_run_free(run);
}
