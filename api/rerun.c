/*
 * Running a run again: a new run of what an old one pinned, which takes over
 * steps that are not to run again.
 *
 * What it takes over is read from the old run's record, once, before the new
 * run begins; engine/run/rerun.c has the rules. A rerun whose engine died
 * before it had recorded all of that is brought here again when it is resumed.
 */
#include "api/api_p.h"

#include "base/contract.h"

#include <string.h>

/* The old run while it is looked at. */
struct old {
	struct flo__reader *reader;
	struct flo__run_row row;    /* borrowed from the reader */
	struct flo__reader *events; /* another one, so that it stays */
	struct flo__run *run;	    /* that it was; owned */
	struct flo__run *to;	    /* that takes steps over */
	flo_runtime *runtime;
	flo_error *err;
	flo_status st;
};

/* Drop what was made to take steps over. */
static void old_drop(struct old *old)
{
	flo__run_free(old->run);
	flo_runtime_free(old->runtime);
	flo__reader_close(old->events);
	old->run = NULL;
	old->runtime = NULL;
	old->events = NULL;
}

static void old_fini(struct old *old)
{
	old_drop(old);
	flo__reader_close(old->reader);
}

static flo_status old_open(struct old *old, const flo_engine *engine,
			   const char *id, flo_error *err)
{
	flo_status st;

	TRY(flo__reader_open(engine->store_path, err, &old->reader));
	TRY(flo__reader_run(old->reader, id, err, &old->row));
	/* Beginnings of ids are for people, who look at what they mean. */
	if (strcmp(old->row.record.id, id) != 0)
		return flo_error_set(err, FLO_NOTFOUND,
				     "there is no run %.80s in %s", id,
				     engine->store_path);
	if (old->row.finished_json == NULL)
		return flo_error_set(
			err, FLO_BUSY,
			"run %s has not ended: %s, and a rerun is of one that "
			"has",
			id,
			old->row.status == FLO__STATE_INTERRUPTED
				? "it was interrupted, so go on with it "
				  "('flowctl resume') or end it ('flowctl "
				  "cancel')"
				: "wait for it, or end it ('flowctl cancel')");
out:
	return st;
}

/* ---- taking over ---- */

static flo_status preset_one(void *arg, const char *json, size_t len)
{
	struct old *old = arg;

	return flo__run_preset(old->run, json, len, old->err);
}

static void reuse_coroutine(void *arg)
{
	struct old *old = arg;

	old->st = flo__run_reuse(old->to, old->run, old->err);
}

static flo_status take_over(struct old *old, const flo_engine *engine,
			    const struct flo__plan *plan,
			    const flo_value *params, struct flo__run *run,
			    flo_error *err)
{
	/* The walk nests as deep as the plan, on one stack. */
	struct flo_runtime_options rt_options = {.procs = 1,
						 .stack_size = 256 * 1024};
	struct flo__run_deps deps = {.files =
					     flo__store_files(engine->journal)};
	const char *id = flo__run_owes(run);
	flo_status st;

	old->to = run;
	old->err = err;
	TRY(flo_runtime_new(&rt_options, err, &old->runtime));
	deps.runtime = old->runtime;
	TRY(flo__run_new(&deps, plan, &old->row.record, params, err,
			 &old->run));
	TRY(flo__reader_open(engine->store_path, err, &old->events));
	TRY(flo__reader_events(old->events, id, preset_one, old, err));
	TRY(flo_runtime_run(old->runtime, reuse_coroutine, old));
	st = old->st;
out:
	old_drop(old);
	if (st != FLO_OK)
		flo_error_set(err, st, "%s", flo_status_text(st));
	return st;
}

flo_status flo__api_take_over(flo_engine *engine, const struct flo__plan *plan,
			      const flo_value *params, struct flo__run *run,
			      flo_error *err)
{
	const char *id = flo__run_owes(run);
	struct old old = {0};
	flo_status st;

	if (id == NULL)
		return FLO_OK;
	TRY(old_open(&old, engine, id, err));
	TRY(take_over(&old, engine, plan, params, run, err));
out:
	old_fini(&old);
	if (st != FLO_OK)
		flo_error_prefix(err, "what run %s repeats", id);
	return st;
}

/* ---- a new run ---- */

/* Whoever mended the file and reruns the run gets what it was before. */
static void warn_changed(const struct flo__run_record *record,
			 const struct flo_run_options *options)
{
	const char *slash = strrchr(record->file, '/');
	struct flo__strbuf path = FLO__STRBUF_INIT;
	struct flo__strbuf text = FLO__STRBUF_INIT;

	if (options->on_warning == NULL)
		return;
	flo__strbuf_addf(&path, "%s/%s", record->dir,
			 slash != NULL ? slash + 1 : record->file);
	if (flo__strbuf_status(&path) != FLO_OK ||
	    !flo__api_text_changed(path.data, record->text, record->text_len))
		goto out;
	flo__strbuf_addf(&text,
			 "%s has changed since: run %s is repeated as it was; "
			 "`flowctl run FILE` runs the file as it is",
			 path.data, record->id);
	if (flo__strbuf_status(&text) == FLO_OK)
		options->on_warning(text.data, options->on_warning_arg);
out:
	flo__strbuf_fini(&path);
	flo__strbuf_fini(&text);
}

/* A rerun that is about to begin. All is borrowed. */
struct start {
	flo_run *run;
	struct old *old;
	const struct flo_run_options *options;
	struct flo__run_deps deps;
	struct flo__run_record record;
	const flo_value *params;
	bool warned;
};

/* The runner knows the run by its id, so it is made anew for another one. */
static flo_status start_named(void *arg, flo_error *err)
{
	struct start *s = arg;
	flo_run *run = s->run;
	flo_status st;

	flo__run_free(run->run);
	run->run = NULL;
	TRY(flo__run_new(&s->deps, run->plan, &s->record, s->params, err,
			 &run->run));
	TRY(flo__run_rerun(run->run, &s->record.rerun, err));
	flo__run_queued(run->run);
	if (flo__run_owes(run->run) != NULL)
		TRY(take_over(s->old, run->engine, run->plan, s->params,
			      run->run, err));
	if (!s->warned)
		warn_changed(&s->old->row.record, s->options);
	s->warned = true;
	TRY(flo__api_create(run, &s->deps, run->plan, &s->record, s->params,
			    err));
out:
	return st;
}

/* Make the new run of what @old pinned, and set it going. */
static flo_status begin(flo_run *run, struct old *old,
			const struct flo_run_options *options, flo_error *err)
{
	struct start start = {.run = run,
			      .old = old,
			      .options = options,
			      .deps = flo__api_deps(run->engine, options),
			      .record = old->row.record};
	flo_value *params = NULL;
	flo_status st;

	if (options->limit != 0)
		start.record.limit = options->limit;
	start.record.rerun =
		(struct flo__rerun){.of = old->row.record.id,
				    .from = options->rerun_from,
				    .failed = options->rerun_failed};
	TRY(flo__api_recompile(run, &old->row.record, err, &params));
	start.params = params;
	TRY(flo__api_begin(run->engine, options, &start.record, start_named,
			   &start, err));
out:
	flo_value_unref(params);
	return st;
}

flo_status flo_run_rerun(flo_engine *engine, const char *run_id,
			 const struct flo_run_options *options, flo_error *err,
			 flo_run **ret_run)
{
	static const struct flo_run_options defaults;
	struct old old = {0};
	flo_run *run = NULL;
	flo_status st;

	if (options == NULL)
		options = &defaults;
	TRY(flo__api_check_tainted(engine, err));
	if (options->run_id != NULL)
		TRY(flo__api_check_id(options->run_id, err));
	TRY(old_open(&old, engine, run_id, err));
	run = flo__api_run_new(engine, options);
	if (run == NULL) {
		st = flo_error_set(err, FLO_NOMEM, "out of memory");
		goto out;
	}
	TRY(begin(run, &old, options, err));
	*ret_run = run;
	run = NULL;
out:
	if (run != NULL)
		flo__api_run_free(run);
	old_fini(&old);
	return st;
}
