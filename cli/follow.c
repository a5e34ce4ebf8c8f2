#include "cli/follow.h"

#include "cli/args.h"
#include "cli/detach.h"
#include "cli/failure.h"
#include "cli/print.h"
#include "cli/progress.h"
#include "cli/signals.h"

#include <flo/fault.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *name;
	flo_durability durability;
} durabilities[] = {
	{"power", FLO_DURABILITY_POWER},
	{"process", FLO_DURABILITY_PROCESS},
	{"none", FLO_DURABILITY_NONE},
};

#define DURABILITIES (sizeof(durabilities) / sizeof(durabilities[0]))

/* DURABILITIES if @name is none of them. */
static size_t durability_of(const char *name)
{
	size_t i = 0;

	while (name && i < DURABILITIES && strcmp(name, durabilities[i].name))
		i++;
	return i;
}

int cli_follow_check(const struct cli_verb *verb,
		     const struct cli_follow_options *options)
{
	if (durability_of(options->durability) == DURABILITIES)
		return cli_args_usage(verb,
				      "--durability is power, process or none, "
				      "not \"%s\"",
				      options->durability);
	if (options->on_sigterm && strcmp(options->on_sigterm, "cancel") &&
	    strcmp(options->on_sigterm, "interrupt"))
		return cli_args_usage(verb,
				      "--on-sigterm is cancel or interrupt, "
				      "not \"%s\"",
				      options->on_sigterm);
	if (options->store && !*options->store)
		return cli_args_usage(verb, "--store wants a path");
	return CLI_GO_ON;
}

/* Each line of an error by itself: params are complained about one a line. */
static void put_error(const flo_error *err, flo_status st)
{
	const char *text = *err->text ? err->text : flo_status_text(st);

	while (*text) {
		int len = (int)strcspn(text, "\n");

		cli_error("%.*s", len, text);
		text += len + (text[len] == '\n');
	}
}

/* Best effort: where it cannot be had, a crash ends flowctl, and the run can be
 * resumed all the same. */
static void contain_faults(void)
{
	static const struct flo_fault_options options = {
		.exit_code = CLI_INTERRUPTED};

	(void)flo_fault_contain(&options, NULL);
}

static int start_error(const struct cli_follow *f, flo_status st,
		       const flo_error *err)
{
	/* Whoever cancels it finds it ended. */
	if (f->cancel && st == FLO_CLOSED)
		return CLI_GO_ON;
	put_error(err, st);
	switch (st) {
	case FLO_INVALID:
		return CLI_INVALID;
	case FLO_EXISTS:
	case FLO_NOTFOUND:
	case FLO_BUSY:
	case FLO_CLOSED:
	case FLO_RANGE: /* a run's id */
		return CLI_USAGE;
	case FLO_BLOCKED: /* waits for a person's word */
	case FLO_INTERRUPTED:
		return CLI_INTERRUPTED;
	default:
		break;
	}
	if (!f->pipeline && !f->rerun_of)
		cli_print_resume(f->run_id);
	return CLI_STORE;
}

/* On any thread. */
static void print_warning(const char *text, void *arg)
{
	(void)arg;
	cli_error("warning: %s", text);
}

static flo_status start(const struct cli_follow *f, flo_engine *engine,
			struct cli_progress *progress, flo_error *err,
			flo_run **ret_run)
{
	struct flo_run_options options = {
		.params = f->params,
		.run_id = f->run_id,
		.limit = (uint32_t)f->options->limit,
		.on_event = cli_progress_event,
		.on_event_arg = progress,
		.on_warning = f->options->quiet ? NULL : print_warning,
		.cancel = f->cancel,
		.accept = f->accept,
		.accept_len = f->accept_len,
		.rerun_failed = f->failed,
		.rerun_from = f->from,
	};

	if (f->pipeline)
		return flo_run_start(engine, f->pipeline, &options, err,
				     ret_run);
	if (f->rerun_of)
		return flo_run_rerun(engine, f->rerun_of, &options, err,
				     ret_run);
	return flo_run_resume(engine, f->run_id, &options, err, ret_run);
}

/*
 * A run that nobody had may have an engine by now. One that it is only to be
 * ended by ends it, too, as was asked of it: then its end is waited for, or
 * that of the engine.
 */
static flo_status begin(const struct cli_follow *f, flo_engine *engine,
			struct cli_progress *progress, flo_error *err,
			flo_run **ret_run)
{
	flo_status st;

	cli_signals_starting();
	st = start(f, engine, progress, err, ret_run);
	while (f->cancel && st == FLO_BUSY && !cli_signals_seen()) {
		cli_store_pause();
		flo_error_clear(err);
		st = start(f, engine, progress, err, ret_run);
	}
	return st;
}

/* A run that is resumed may have been cancelled by a signal to another
 * process: then its error tells, as it does for ever after. */
static int code_of(const flo_value *result, int signal)
{
	const char *status = cli_map_text(result, "status");

	if (!strcmp(status, "succeeded"))
		return CLI_OK;
	if (!strcmp(status, "failed"))
		return CLI_FAILED;
	if (!strcmp(status, "cancelled"))
		return signal ? CLI_SIGNALLED + signal : cli_store_code(result);
	return CLI_INTERRUPTED;
}

/* The run could not be recorded to its end. */
static int lost_error(flo_status st, const flo_error *err, const char *run_id)
{
	cli_error("run %s: %s", run_id,
		  *err->text ? err->text : flo_status_text(st));
	cli_print_resume(run_id);
	return st == FLO_INTERRUPTED ? CLI_INTERRUPTED : CLI_STORE;
}

static int wait_for(const struct cli_follow *f, flo_run *run,
		    struct cli_progress *progress)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *result = NULL;
	char *run_id = cli_utf8(flo_run_id(run));
	flo_status st;
	int signal, code;

	cli_signals_attach(run, progress->sink);
	st = flo_run_wait(run, &err, &result);
	signal = cli_signals_detach();
	/* After this no event comes any more. */
	flo_run_free(run);
	if (st != FLO_OK) {
		cli_sink_drain(progress->sink);
		code = lost_error(st, &err, run_id ? run_id : "");
	} else {
		cli_progress_summary(progress, result);
		cli_sink_drain(progress->sink);
		code = code_of(result, signal);
		/* For who asked for a cancel that is no failure. */
		if (code != CLI_OK && !(f->cancel && code == CLI_CANCELLED))
			cli_print_failure(f->options->store, &f->asked,
					  run_id ? run_id : "", result);
	}
	free(run_id);
	flo_value_unref(result);
	return code;
}

static int close_sink(struct cli_sink *sink, int code)
{
	int error = cli_sink_close(sink);

	if (!error)
		return code;
	cli_error("cannot write to standard output: %s", strerror(error));
	return code == CLI_OK ? CLI_STORE : code;
}

/* No event comes any more. */
static int settle(struct cli_sink *sink, int code)
{
	int cut;

	cli_sink_drain(sink);
	cut = cli_signals_release();
	code = close_sink(sink, cut ? cut : code);
	if (code != CLI_GO_ON)
		cli_signals_settle(code);
	return code;
}

static int run_with(const struct cli_follow *f, struct cli_progress *progress)
{
	flo_error err = FLO_ERROR_INIT;
	flo_engine *engine = NULL;
	flo_run *run = NULL;
	struct flo_engine_options options = {
		.store = f->options->store,
		.durability =
			durabilities[durability_of(f->options->durability)]
				.durability,
		.end_when_tainted = true,
		.closed_world = true,
	};
	flo_status st = flo_engine_open(&options, &err, &engine);
	int code;

	if (st != FLO_OK)
		return close_sink(progress->sink, cli_store_error(&err));
	contain_faults();
	st = begin(f, engine, progress, &err, &run);
	if (st == FLO_OK && f->options->detach &&
	    !cli_detach_done(flo_run_id(run)))
		flo_run_cancel(run, FLO_CANCEL_STOP,
			       "the command that began it was ended");
	code = st == FLO_OK ? wait_for(f, run, progress)
			    : start_error(f, st, &err);
	code = settle(progress->sink, code);
	flo_engine_close(engine);
	return code;
}

int cli_follow_run(const struct cli_follow *f)
{
	struct cli_progress progress;
	struct cli_sink *sink = NULL;
	int code = CLI_GO_ON;

	if (f->options->detach)
		code = cli_detach(f->options->json, f->options->quiet);
	if (code != CLI_GO_ON)
		return code;
	if (cli_signals_start(f->options->on_sigterm &&
				      !strcmp(f->options->on_sigterm,
					      "interrupt"),
			      !f->pipeline && !f->rerun_of))
		sink = cli_sink_open(STDOUT_FILENO);
	if (!sink) {
		cli_error("cannot start a thread: out of memory or processes");
		return CLI_STORE;
	}
	cli_progress_init(&progress, sink,
			  f->options->detach  ? CLI_PROGRESS_QUIET
			  : f->options->json  ? CLI_PROGRESS_JSON
			  : f->options->quiet ? CLI_PROGRESS_QUIET
					      : CLI_PROGRESS_PLAIN,
			  f->name);
	return run_with(f, &progress);
}
