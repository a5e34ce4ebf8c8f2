/* flowctl rerun: run once more what a run was, or a part of it. */
#include "cli/args.h"
#include "cli/follow.h"
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>

struct rerun_args {
	struct cli_follow_options follow;
	const char *from;
	const char *run_id;
	bool failed;
};

static const struct cli_option options[] = {
	{"from", 0, CLI_TEXT, offsetof(struct rerun_args, from), "STEP",
	 "run STEP and what comes after it; take over what is before it"},
	{"failed", 0, CLI_FLAG, offsetof(struct rerun_args, failed), NULL,
	 "run what has not ended well, and what comes after that"},
	{"run-id", 0, CLI_TEXT, offsetof(struct rerun_args, run_id), "ID",
	 "name the new run instead of having a name made"},
	CLI_OPTIONS_FOLLOW(struct rerun_args),
	{0},
};

static bool has_step(const flo_value *steps, const char *path)
{
	for (size_t i = 0; i < flo_value_len(steps); i++)
		if (!strcmp(cli_map_text(flo_value_list_at(steps, i), "path"),
			    path))
			return true;
	return false;
}

/* The path of a step of @steps that @path was likely meant to be, or NULL. */
static const char *nearest_step(const flo_value *steps, const char *path)
{
	size_t len = flo_value_len(steps);
	const char **names = calloc(len + 1, sizeof(*names));
	const char *nearest;

	if (!names)
		return NULL;
	for (size_t i = 0; i < len; i++)
		names[i] = cli_map_text(flo_value_list_at(steps, i), "path");
	nearest = cli_nearest(path, names);
	free(names);
	return nearest;
}

static int check_from(const struct rerun_args *args, const flo_value *run)
{
	const flo_value *steps = flo_value_map_get(run, "steps");
	const char *nearest, *run_id = cli_map_text(run, "run");

	if (has_step(steps, args->from))
		return CLI_GO_ON;
	nearest = nearest_step(steps, args->from);
	if (nearest)
		cli_error("run %s has no step \"%s\"; did you mean \"%s\"?",
			  run_id, args->from, nearest);
	else
		cli_error("run %s has no step \"%s\"; 'flowctl show %s' lists "
			  "them",
			  run_id, args->from, run_id);
	return CLI_USAGE;
}

/* Only a run that has ended: what goes on may still change. */
static int check_ended(const flo_value *run)
{
	const char *run_id = cli_map_text(run, "run");
	const char *status = cli_map_text(run, "status");

	if (cli_store_code(run) != CLI_GO_ON)
		return CLI_GO_ON;
	if (!strcmp(status, "interrupted"))
		cli_error("run %s was interrupted and has not ended: go on "
			  "with it by 'flowctl resume %s', or end it by "
			  "'flowctl cancel %s'",
			  run_id, run_id, run_id);
	else
		cli_error("run %s has not ended: it is %s. Wait for its end, "
			  "or end it by 'flowctl cancel %s'",
			  run_id, status, run_id);
	return CLI_USAGE;
}

/* Steps are only looked up where one is named: there may be a million. */
static int find(const struct rerun_args *args, const char *run_id,
		flo_value **ret_run)
{
	flo_store *store = NULL;
	flo_value *run = NULL;
	int code = args->from ? cli_store_find(args->follow.store, run_id,
					       &store, &run)
			      : cli_store_find_row(args->follow.store, run_id,
						   &store, &run);

	if (code != CLI_GO_ON)
		return code;
	flo_store_close(store);
	code = check_ended(run);
	if (code == CLI_GO_ON && args->from)
		code = check_from(args, run);
	if (code == CLI_GO_ON)
		*ret_run = run;
	else
		flo_value_unref(run);
	return code;
}

static int rerun(const struct rerun_args *args, const char *run_id)
{
	flo_value *run = NULL;
	int code = find(args, run_id, &run);

	if (code == CLI_GO_ON) {
		struct cli_follow follow = {
			.options = &args->follow,
			.run_id = args->run_id,
			.name = cli_map_text(run, "pipeline"),
			.rerun_of = cli_map_text(run, "run"),
			.from = args->from,
			.failed = args->failed,
		};

		code = cli_follow_run(&follow);
	}
	flo_value_unref(run);
	return code;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct rerun_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code == CLI_GO_ON && operands != 1)
		code = cli_args_usage(verb, operands ? "one RUN at a time"
						     : "which RUN?");
	if (code == CLI_GO_ON && args.from && args.failed)
		code = cli_args_usage(verb,
				      "--from and --failed: one of the two");
	if (code == CLI_GO_ON)
		code = cli_follow_check(verb, &args.follow);
	return code == CLI_GO_ON ? rerun(&args, argv[0]) : code;
}

const struct cli_verb cli_verb_rerun = {
	.name = "rerun",
	.summary = "run a run again, or what failed in it",
	.operands = "RUN [--from STEP | --failed]",
	.help = "Makes a new run of what RUN was: its pipeline, params and "
		"directory, whatever\nthe file says now. RUN must have ended. "
		"Without --from and --failed all of it\nruns again.\n\n"
		"--failed takes over, with their outputs, the steps that "
		"succeeded or were\nskipped, and runs the others and whatever "
		"comes after one of those. --from\nSTEP runs STEP (a block is "
		"all that is in it) and what comes after it. Steps\nthat are "
		"taken over are not executed. \"finally\" runs again.\n\n"
		"Prints and exits as 'flowctl run' does; 2 if RUN has not ended "
		"or has no such\nSTEP.",
	.examples = "flowctl rerun RUN --failed\n"
		    "flowctl rerun RUN --from 'sync[2].apply'\n"
		    "flowctl rerun RUN --run-id again",
	.options = options,
	.run = verb_run,
};
