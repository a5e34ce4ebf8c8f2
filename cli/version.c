/* flowctl version */
#include "cli/args.h"

#include <stdio.h>

struct version_args {
	bool json;
};

static const struct cli_option options[] = {
	{"json", 0, CLI_FLAG, offsetof(struct version_args, json), NULL,
	 "print one JSON object"},
	{0},
};

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct version_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands > 0)
		return cli_args_usage(verb, "takes no operand: \"%s\"",
				      argv[0]);
	printf(args.json ? "{\"version\":\"%s\"}\n" : "flowctl %s\n",
	       FLO__VERSION_TEXT);
	return CLI_OK;
}

const struct cli_verb cli_verb_version = {
	.name = "version",
	.summary = "print the version",
	.operands = "",
	.help = "Prints the version of flowctl and of the library in it.",
	.examples = "flowctl version --json",
	.options = options,
	.run = verb_run,
};
