/* flowctl validate: compile pipelines and say what is wrong with them. */
#include "cli/args.h"
#include "cli/file.h"
#include "cli/print.h"

#include <flo/engine.h>

#include <string.h>

struct validate_args {
	bool json;
	bool quiet;
	bool strict;
	unsigned long warnings; /* of the file being checked */
};

static const struct cli_option options[] = {
	{"json", 0, CLI_FLAG, offsetof(struct validate_args, json), NULL,
	 "print the problems on stdout, one JSON object a line"},
	{"quiet", 0, CLI_FLAG, offsetof(struct validate_args, quiet), NULL,
	 "print problems only"},
	{"strict", 0, CLI_FLAG, offsetof(struct validate_args, strict), NULL,
	 "a file with warnings is not valid"},
	{0},
};

static void print_diagnostic(const flo_diagnostic *diagnostic, void *arg)
{
	struct validate_args *args = arg;

	/* What is not told of a valid file are warnings, too. */
	args->warnings += diagnostic->severity == FLO_SEVERITY_WARNING;
	args->warnings += diagnostic->more;
	if (!args->json) {
		cli_print_diagnostic(stderr, diagnostic);
		return;
	}
	cli_print_diagnostic_json(stdout, diagnostic);
	if (diagnostic->more)
		cli_print_more(stderr, diagnostic);
}

/* Of a file that compiles: whether it is valid, and a line that says so. */
static int accept(const struct validate_args *args, const char *name)
{
	const char *s = args->warnings == 1 ? "" : "s";

	if (args->strict && args->warnings) {
		if (!args->json)
			cli_error("%s: %lu warning%s, which --strict forbids",
				  name, args->warnings, s);
		return CLI_INVALID;
	}
	if (args->json || args->quiet)
		return CLI_OK;
	cli_put_escaped(stdout, name, strlen(name), CLI_ONE_LINE);
	fputs(": valid", stdout);
	if (args->warnings)
		printf(", %lu warning%s", args->warnings, s);
	putchar('\n');
	return CLI_OK;
}

static int validate(struct validate_args *args, const char *path)
{
	struct cli_file file = {0};
	flo_error err = FLO_ERROR_INIT;
	flo_pipeline *pipeline = NULL;
	flo_status st;
	int code = cli_file_read(path, &file);

	if (code != CLI_GO_ON)
		return code;
	args->warnings = 0;
	st = flo_pipeline_load(NULL, file.text, file.len, file.name,
			       print_diagnostic, args, &err, &pipeline);
	if (st == FLO_OK)
		code = accept(args, file.name);
	else if (st != FLO_INVALID || !args->json)
		cli_error("%s", *err.text ? err.text : flo_status_text(st));
	flo_pipeline_free(pipeline);
	cli_file_free(&file);
	return st == FLO_OK	   ? code
	       : st == FLO_INVALID ? CLI_INVALID
				   : CLI_STORE;
}

/* Of several files: what is worst, an invalid one before a missing one. */
static int worse(int a, int b)
{
	static const int order[] = {CLI_OK, CLI_USAGE, CLI_INVALID, CLI_STORE};
	int worst = CLI_OK;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		if (a == order[i] || b == order[i])
			worst = order[i];
	return worst;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct validate_args args = {0};
	int operands = 0, worst = CLI_OK;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands == 0)
		return cli_args_usage(verb, "which FILE?");
	for (int i = 0; i < operands; i++)
		worst = worse(worst, validate(&args, argv[i]));
	return worst;
}

const struct cli_verb cli_verb_validate = {
	.name = "validate",
	.summary = "check pipelines without running them",
	.operands = "FILE...",
	.help = "Compiles each FILE (\"-\": standard input) and prints every "
		"problem with its\nplace. Warnings do not count, but "
		"with --strict. Exit codes: 0 all are\nvalid, 3 one is not, 2 "
		"one cannot be opened.",
	.examples = "flowctl validate pipeline.json\n"
		    "flowctl validate --json ci/*.json",
	.options = options,
	.run = verb_run,
};
