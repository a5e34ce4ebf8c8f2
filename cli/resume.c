/* flowctl resume: go on with a run that was interrupted. */
#include "cli/args.h"
#include "cli/follow.h"
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>

struct resume_args {
	struct cli_follow_options follow;
	struct cli_texts accept;
	flo_accepted *accepted; /* as many */
};

static const struct cli_option options[] = {
	{"accept", 0, CLI_TEXTS, offsetof(struct resume_args, accept),
	 "STEP=WORD",
	 "what became of a step that was running when the engine died: "
	 "succeeded, failed, or rerun"},
	CLI_OPTIONS_FOLLOW(struct resume_args),
	{0},
};

/* A run that has ended has an exit code of its own, for ever. */
static int tell_ended(const struct resume_args *args, flo_store *store,
		      const flo_value *run)
{
	const char *run_id = cli_map_text(run, "run");

	if (args->follow.json)
		cli_store_print_end(store, run_id);
	if (!args->follow.quiet)
		cli_error("run %s has already ended: %s. There is nothing to "
			  "resume.",
			  run_id, cli_map_text(run, "status"));
	return cli_store_code(run);
}

/* "each[2].pay=rerun"; @text is cut in two. */
static int parse_accept(const struct cli_verb *verb, char *text,
			flo_accepted *ret)
{
	static const char *const words[] = {
		[FLO_ACCEPT_RERUN] = "rerun",
		[FLO_ACCEPT_SUCCEEDED] = "succeeded",
		[FLO_ACCEPT_FAILED] = "failed",
	};
	char *equals = strrchr(text, '=');
	size_t i = 0;

	while (equals && i < 3 && strcmp(equals + 1, words[i]) != 0)
		i++;
	if (!equals || equals == text || i == 3)
		return cli_args_usage(verb,
				      "--accept wants STEP=rerun, "
				      "STEP=succeeded or STEP=failed, not "
				      "\"%s\"",
				      text);
	*equals = '\0';
	*ret = (flo_accepted){.path = text, .as = (flo_accept)i};
	return CLI_GO_ON;
}

static int parse_accepts(const struct cli_verb *verb, struct resume_args *args)
{
	int code = CLI_GO_ON;

	args->accepted = calloc(args->accept.len + 1, sizeof(flo_accepted));
	if (!args->accepted) {
		cli_error("out of memory");
		return CLI_STORE;
	}
	/* The texts are the program's own arguments, which may be changed. */
	for (size_t i = 0; code == CLI_GO_ON && i < args->accept.len; i++)
		code = parse_accept(verb, (char *)args->accept.at[i],
				    &args->accepted[i]);
	return code;
}

static int go_on(const struct resume_args *args, const flo_value *run)
{
	struct cli_follow follow = {
		.options = &args->follow,
		.run_id = cli_map_text(run, "run"),
		.name = cli_map_text(run, "pipeline"),
		.accept = args->accepted,
		.accept_len = args->accept.len,
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
	if (code == CLI_GO_ON)
		code = parse_accepts(verb, &args);
	if (code == CLI_GO_ON)
		code = resume(&args, argv[0]);
	cli_texts_free(&args.accept);
	free(args.accepted);
	return code;
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
		"A step that says \"idempotent\": false and was running when "
		"the engine died is not\nrun again without a word: find out "
		"whether it took effect, and say so with\n--accept. A step that "
		"is accepted as succeeded has no output.\n\n"
		"Prints and exits as 'flowctl run' does; 2 if the run is alive "
		"in another\nprocess; with its own code if it has ended.",
	.examples = "flowctl runs -n 5\n"
		    "flowctl resume RUN\n"
		    "flowctl resume RUN --accept pay=succeeded",
	.options = options,
	.run = verb_run,
};
