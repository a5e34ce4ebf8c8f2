/* flowctl run: compile a pipeline, run it, wait for it. */
#include "cli/args.h"
#include "cli/file.h"
#include "cli/follow.h"
#include "cli/print.h"

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
	 "FILE", "a JSON object of params; -p comes before it"},
	{"run-id", 0, CLI_TEXT, offsetof(struct run_args, run_id), "ID",
	 "name the run instead of having a name made"},
	CLI_OPTIONS_FOLLOW(struct run_args),
	{0},
};

static void print_diagnostic(const flo_diagnostic *diagnostic, void *arg)
{
	(void)arg;
	cli_print_diagnostic(stderr, diagnostic);
}

static int load(const char *path, flo_pipeline **ret_pipeline)
{
	struct cli_file file = {0};
	flo_error err = FLO_ERROR_INIT;
	int code = cli_file_read(path, &file);

	if (code != CLI_GO_ON)
		return code;
	if (flo_pipeline_load(NULL, file.text, file.len, file.name,
			      print_diagnostic, NULL, &err, ret_pipeline)) {
		cli_error("%s",
			  *err.text ? err.text : flo_status_text(err.status));
		code = err.status == FLO_NOMEM ? CLI_STORE : CLI_INVALID;
	}
	cli_file_free(&file);
	return code;
}

static int add_param(const struct cli_verb *verb, const flo_pipeline *pipeline,
		     const char *word, flo_value *params)
{
	const char *equals = strchr(word, '=');
	flo_error err = FLO_ERROR_INIT;
	char *name;
	flo_status st;

	if (!equals || equals == word)
		return cli_args_usage(verb, "-p wants NAME=VALUE, not \"%s\"",
				      word);
	name = strndup(word, (size_t)(equals - word));
	if (!name)
		return CLI_STORE;
	st = flo_pipeline_param(pipeline, name, equals + 1, params, &err);
	if (st == FLO_EXISTS)
		cli_error("param \"%s\" is given twice", name);
	else if (st != FLO_OK)
		cli_error("%s", err.text);
	free(name);
	return st == FLO_OK	  ? CLI_GO_ON
	       : st == FLO_EXISTS ? CLI_USAGE
				  : CLI_INVALID;
}

/* What the file says and no -p did. */
static int add_params_file(const char *path, flo_value *params)
{
	flo_value *map = NULL;
	int code = cli_file_read_map(path, &map);

	for (size_t i = 0; code == CLI_GO_ON && i < flo_value_len(map); i++) {
		const flo_value *key, *value;
		const char *name;

		value = flo_value_map_at(map, i, &key);
		name = flo_value_get_string(key, NULL);
		if (flo_value_map_get(params, name))
			continue;
		if (flo_value_map_set(params, name, flo_value_ref(value)))
			code = CLI_STORE;
	}
	flo_value_unref(map);
	return code;
}

static int read_params(const struct cli_verb *verb, const struct run_args *args,
		       const flo_pipeline *pipeline, flo_value *params)
{
	int code = CLI_GO_ON;

	if (!params)
		code = CLI_STORE;
	for (size_t i = 0; code == CLI_GO_ON && i < args->params.len; i++)
		code = add_param(verb, pipeline, args->params.at[i], params);
	if (code == CLI_GO_ON && args->params_file)
		code = add_params_file(args->params_file, params);
	if (code == CLI_STORE)
		cli_error("out of memory");
	return code;
}

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
	int code = load(path, &pipeline);

	if (code == CLI_GO_ON)
		code = read_params(verb, args, pipeline, params);
	if (code == CLI_GO_ON) {
		struct cli_follow follow = {
			.options = &args->follow,
			.pipeline = pipeline,
			.params = params,
			.run_id = args->run_id,
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
		"kills them.\n\n"
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
