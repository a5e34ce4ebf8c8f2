/* flowctl run: compile a pipeline, run it, wait for it. */
#include "cli/args.h"
#include "cli/follow.h"
#include "cli/pipeline.h"

#include <stdlib.h>
#include <string.h>

struct run_args {
	struct cli_follow_options follow;
	struct cli_texts params;
	const char *params_file;
	const char *run_id;
};

static const struct cli_option options[] = {
	{"param", 'p', CLI_TEXTS, offsetof(struct run_args, params),
	 "NAME=VALUE", "set a param; arrays and objects as JSON"},
	{"params-file", 0, CLI_TEXT, offsetof(struct run_args, params_file),
	 "FILE", "a JSON object of params; where -p gives one too, -p counts"},
	{"run-id", 0, CLI_TEXT, offsetof(struct run_args, run_id), "ID",
	 "name the run instead of having a name made"},
	CLI_OPTIONS_FOLLOW(struct run_args),
	{0},
};

/* Run ids are parts of file names. */
static bool is_good_id(const char *id)
{
	size_t len = strlen(id);

	return len > 0 && len <= 64 && id[0] != '-' && id[0] != '.' &&
	       id[strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			     "abcdefghijklmnopqrstuvwxyz0123456789._-")] ==
		       '\0';
}

static int check(const struct cli_verb *verb, const struct run_args *args,
		 int operands)
{
	if (operands != 1)
		return cli_args_usage(verb, operands ? "one FILE at a time"
						     : "which FILE?");
	if (args->run_id && !is_good_id(args->run_id))
		return cli_args_usage(verb,
				      "\"%s\" cannot be a run's id: use at "
				      "most 64 letters, digits, \".\", \"_\" "
				      "and \"-\"",
				      args->run_id);
	return cli_follow_check(verb, &args->follow);
}

static int run_file(const struct cli_verb *verb, const struct run_args *args,
		    const char *path)
{
	flo_pipeline *pipeline = NULL;
	flo_value *params = flo_value_map(8);
	int code = cli_pipeline_load(path, args->follow.quiet, &pipeline);

	if (code == CLI_GO_ON)
		code = cli_pipeline_params(verb, pipeline, &args->params,
					   args->params_file, params);
	if (code == CLI_GO_ON) {
		struct cli_follow follow = {
			.options = &args->follow,
			.pipeline = pipeline,
			.params = params,
			.run_id = args->run_id,
			.asked = {path, &args->params, args->params_file},
			.name = flo_pipeline_name(pipeline),
		};

		code = cli_follow_run(&follow);
	}
	flo_value_unref(params);
	flo_pipeline_free(pipeline);
	return code;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct run_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code == CLI_GO_ON)
		code = check(verb, &args, operands);
	if (code == CLI_GO_ON)
		code = run_file(verb, &args, argv[0]);
	cli_texts_free(&args.params);
	return code;
}

const struct cli_verb cli_verb_run = {
	.name = "run",
	.summary = "run a pipeline and wait for its end",
	.operands = "FILE [-p NAME=VALUE]...",
	.help = "Runs the pipeline in FILE (\"-\": standard input; relative "
		"paths then start\nin the current directory). The run is kept "
		"in the store and survives a crash:\n'flowctl resume' goes on "
		"with it.\n\n"
		"A line is printed for each step that ended; after 200 of "
		"them only failures,\nand a count once a second. Ctrl-C asks "
		"the steps to stop and runs \"finally\";\na second Ctrl-C "
		"kills them. SIGTERM does the same, or, with\n--on-sigterm "
		"interrupt, leaves the run to be resumed, for machines that "
		"go\naway: no \"finally\", exit code 5.\n\n"
		"Exit codes: 0 it succeeded, 1 it failed, 2 wrong usage, 3 "
		"invalid pipeline or\nparams, 4 store or environment, 5 "
		"interrupted and resumable, 6 cancelled by\nrequest, 130 or "
		"143 cancelled by SIGINT or SIGTERM.",
	.examples = "flowctl run pipeline.json\n"
		    "flowctl run deploy.json -p region=eu -p 'hosts=[\"a\"]'\n"
		    "flowctl run nightly.json --json --limit 4 > events.ndjson",
	.options = options,
	.run = verb_run,
};
