/* flowctl resume: go on with a run that was interrupted. */
#include "cli/args.h"
#include "cli/event.h"
#include "cli/follow.h"
#include "cli/print.h"

#include <string.h>

struct resume_args {
	struct cli_follow_options follow;
};

static const struct cli_option options[] = {
	CLI_OPTIONS_FOLLOW(struct resume_args),
	{0},
};

static void print_if_finished(const char *json, size_t len, void *arg)
{
	struct cli_event event;

	(void)arg;
	if (cli_event_scan(json, len, &event) &&
	    cli_slice_is(event.kind, "run.finished"))
		printf("%.*s\n", (int)len, json);
}

/* A run that has ended has an exit code of its own, for ever. */
static int tell_ended(const struct resume_args *args, flo_store *store,
		      const flo_value *run)
{
	const char *run_id = cli_map_text(run, "run");

	if (args->follow.json)
		flo_store_events(store, run_id, print_if_finished, NULL, NULL);
	if (!args->follow.quiet)
		cli_error("run %s has already ended: %s. There is nothing to "
			  "resume.",
			  run_id, cli_map_text(run, "status"));
	return cli_store_code(run);
}

static int go_on(const struct resume_args *args, const flo_value *run)
{
	struct cli_follow follow = {
		.options = &args->follow,
		.run_id = cli_map_text(run, "run"),
		.name = cli_map_text(run, "pipeline"),
	};

	return cli_follow_run(&follow);
}

static int resume(const struct resume_args *args, const char *run_id)
{
	flo_store *store = NULL;
	flo_value *run = NULL;
	int code = cli_store_find_row(args->follow.store, run_id, &store, &run);

	if (code != CLI_GO_ON)
		return code;
	if (cli_store_code(run) != CLI_GO_ON)
		code = tell_ended(args, store, run);
	flo_store_close(store);
	if (code == CLI_GO_ON)
		code = go_on(args, run);
	flo_value_unref(run);
	return code;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct resume_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code == CLI_GO_ON && operands != 1)
		code = cli_args_usage(verb, operands ? "one RUN at a time"
						     : "which RUN?");
	if (code == CLI_GO_ON)
		code = cli_follow_check(verb, &args.follow);
	return code == CLI_GO_ON ? resume(&args, argv[0]) : code;
}

const struct cli_verb cli_verb_resume = {
	.name = "resume",
	.summary = "go on with an interrupted run",
	.operands = "RUN",
	.help = "Goes on where the run's record ends. Steps recorded as "
		"succeeded are not\nexecuted again; those that were alive when "
		"the engine died are recorded as\nlost and run again. The "
		"pipeline and its params are those that the run began\nwith, "
		"whatever the file says now; the environment is today's.\n\n"
		"Prints and exits as 'flowctl run' does; 2 if the run is alive "
		"in another\nprocess; with its own code if it has ended.",
	.examples = "flowctl runs -n 5\n"
		    "flowctl resume RUN",
	.options = options,
	.run = verb_run,
};
