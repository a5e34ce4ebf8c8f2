/* flowctl schema: what a pipeline may look like, for editors and checkers. */
#include "cli/args.h"
#include "cli/print.h"

#include <flo/engine.h>

static const struct cli_option options[] = {{0}};

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	char *text = NULL;
	char none;
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &none, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands > 0)
		return cli_args_usage(verb, "takes no operand: \"%s\"",
				      argv[0]);
	if (flo_pipeline_schema(NULL, &text) != FLO_OK) {
		cli_error("out of memory");
		return CLI_STORE;
	}
	cli_put_text(text);
	flo_free(text);
	return CLI_OK;
}

const struct cli_verb cli_verb_schema = {
	.name = "schema",
	.summary = "print the JSON Schema of pipelines",
	.operands = "",
	.help = "Prints the JSON Schema (draft 2020-12) of pipeline files, "
		"with the built-in step\ntypes and their arguments. Editors "
		"complete and check with it; 'flowctl validate'\nsays more, "
		"and says it better.",
	.examples = "flowctl schema >pipeline.schema.json",
	.options = options,
	.run = verb_run,
};
