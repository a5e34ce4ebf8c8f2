/* flowctl help, and what --help prints. */
#include "cli/args.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

static const struct cli_option options[] = {{0}};

void cli_help_overview(void)
{
	puts("flowctl runs pipelines written in JSON, durably.\n\n"
	     "usage: flowctl COMMAND [ARGUMENT]...\n\ncommands:");
	for (size_t i = 0; cli_verbs[i]; i++)
		printf("  %-10s %s\n", cli_verbs[i]->name,
		       cli_verbs[i]->summary);
	puts("\n'flowctl COMMAND --help' has the options and examples.");
}

static void print_option(const struct cli_option *option)
{
	char left[64];
	char letter[8] = "    ";

	if (option->letter)
		snprintf(letter, sizeof(letter), "-%c, ", option->letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, option->name,
		 option->operand ? " " : "",
		 option->operand ? option->operand : "");
	printf("  %-24s %s\n", left, option->help);
}

static void print_examples(const char *examples)
{
	puts("\nexamples:");
	while (*examples) {
		int len = (int)strcspn(examples, "\n");

		printf("  %.*s\n", len, examples);
		examples += len + (examples[len] == '\n');
	}
}

void cli_help_verb(const struct cli_verb *verb)
{
	printf("usage: flowctl %s%s%s%s\n\n%s\n\noptions:\n", verb->name,
	       verb->options[0].name ? " [OPTION]..." : "",
	       *verb->operands ? " " : "", verb->operands, verb->help);
	for (const struct cli_option *o = verb->options; o->name; o++)
		print_option(o);
	printf("  %-24s %s\n", "-h, --help", "print this");
	print_examples(verb->examples);
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	const struct cli_verb *about;
	char none;
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &none, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands == 0) {
		cli_help_overview();
		return CLI_OK;
	}
	about = cli_verb_find(argv[0]);
	if (about == &cli_verb_cmdb && operands == 2) {
		argv++;
		operands--;
		about = cli_cmdb_find(argv[0]);
	}
	if (operands > 1)
		return cli_args_usage(verb, "one COMMAND at a time");
	if (!about)
		return cli_args_usage(verb, "there is no command \"%s\"",
				      argv[0]);
	cli_help_verb(about);
	return CLI_OK;
}

const struct cli_verb cli_verb_help = {
	.name = "help",
	.summary = "explain a command",
	.operands = "[COMMAND]",
	.help = "Lists the commands, or explains one.",
	.examples = "flowctl help run",
	.options = options,
	.run = verb_run,
};
