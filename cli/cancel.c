/* flowctl cancel: have a run end that another process carries out. */
#include "cli/args.h"
#include "cli/follow.h"
#include "cli/print.h"

#include <string.h>

struct cancel_args {
	struct cli_follow_options follow;
	bool kill;
};

static const struct cli_option options[] = {
	{"kill", 0, CLI_FLAG, offsetof(struct cancel_args, kill), NULL,
	 "kill the steps at once and run no \"finally\""},
	CLI_OPTION_STORE(struct cancel_args, follow.store),
	{"json", 0, CLI_FLAG, offsetof(struct cancel_args, follow.json), NULL,
	 "print the run's end as JSON, as 'flowctl run --json' does"},
	{"quiet", 0, CLI_FLAG, offsetof(struct cancel_args, follow.quiet), NULL,
	 "print nothing but errors"},
	{0},
};

static const char why[] = "cancelled by request";

/* A run that is cancelled, whoever did it, is what was asked for. */
static int tell_end(const struct cancel_args *args, flo_store *store,
		    const flo_value *run, bool before)
{
	const char *run_id = cli_map_text(run, "run");
	const char *status = cli_map_text(run, "status");
	int code = cli_store_code(run);

	if (args->follow.json)
		cli_store_print_end(store, run_id);
	if (!strcmp(status, "cancelled"))
		code = CLI_OK;
	if (before)
		cli_error("run %s has already ended: %s. There is nothing to "
			  "cancel.",
			  run_id, status);
	else if (code != CLI_OK || strcmp(status, "cancelled"))
		cli_error("run %s ended before the request took effect: %s",
			  run_id, status);
	else if (!args->follow.quiet && !args->follow.json)
		printf("run %s cancelled\n", run_id);
	return code;
}

/* Nobody carries it out: what is left to do for its end is done here. */
static int end_it(const struct cancel_args *args, const flo_value *run)
{
	struct cli_follow follow = {
		.options = &args->follow,
		.run_id = cli_map_text(run, "run"),
		.name = cli_map_text(run, "pipeline"),
		.cancel = why,
	};
	int code = cli_follow_run(&follow);

	if (code != CLI_CANCELLED)
		return code;
	if (!args->follow.quiet && !args->follow.json)
		printf("run %s cancelled\n", follow.run_id);
	return CLI_OK;
}

/* Until it has ended, or lost its engine. */
static int wait_for(const struct cancel_args *args, const char *run_id)
{
	flo_store *store = NULL;
	flo_value *run = NULL;
	int code;

	for (;;) {
		code = cli_store_find_row(args->follow.store, run_id, &store,
					  &run);
		if (code != CLI_GO_ON)
			return code;
		if (cli_store_code(run) != CLI_GO_ON)
			break;
		flo_store_close(store);
		if (!strcmp(cli_map_text(run, "status"), "interrupted")) {
			code = end_it(args, run);
			flo_value_unref(run);
			if (code != CLI_GO_ON)
				return code;
			continue;
		}
		flo_value_unref(run);
		cli_store_pause();
	}
	code = tell_end(args, store, run, false);
	flo_store_close(store);
	flo_value_unref(run);
	return code;
}

static int ask(const struct cancel_args *args, const char *run_id)
{
	flo_error err = FLO_ERROR_INIT;
	flo_status st =
		flo_store_cancel(args->follow.store, run_id,
				 args->kill ? FLO_CANCEL_KILL : FLO_CANCEL_STOP,
				 why, &err);

	/* Ended in the meantime: the wait finds out how. */
	if (st != FLO_OK && st != FLO_CLOSED)
		return cli_store_error(&err);
	return wait_for(args, run_id);
}

static int cancel(const struct cancel_args *args, const char *run_id)
{
	flo_store *store = NULL;
	flo_value *run = NULL;
	int code = cli_store_find_row(args->follow.store, run_id, &store, &run);

	if (code != CLI_GO_ON)
		return code;
	if (cli_store_code(run) != CLI_GO_ON)
		code = tell_end(args, store, run, true);
	flo_store_close(store);
	if (code == CLI_GO_ON)
		code = ask(args, cli_map_text(run, "run"));
	flo_value_unref(run);
	return code;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct cancel_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code == CLI_GO_ON && operands != 1)
		code = cli_args_usage(verb, operands ? "one RUN at a time"
						     : "which RUN?");
	if (code == CLI_GO_ON)
		code = cli_follow_check(verb, &args.follow);
	return code == CLI_GO_ON ? cancel(&args, argv[0]) : code;
}

const struct cli_verb cli_verb_cancel = {
	.name = "cancel",
	.summary = "end a run, in whatever process it runs",
	.operands = "RUN",
	.help = "Asks the steps of a run to stop, runs its \"finally\", and "
		"waits for its end, as\na first Ctrl-C does where it runs; with "
		"--kill, as a second one does. The request\nis kept in the "
		"store, so ending this command does not take it back. A run "
		"whose\nengine has died is ended here: what is left of it is "
		"its \"finally\".\n\n"
		"Exit codes: 0 the run is cancelled, 2 there is no such run; a "
		"run that ended\notherwise has its own code.",
	.examples = "flowctl runs\n"
		    "flowctl cancel RUN\n"
		    "flowctl cancel RUN --kill",
	.options = options,
	.run = verb_run,
};
