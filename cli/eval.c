/* flowctl eval: compute an expression, to try it out. */
#include "cli/args.h"
#include "cli/file.h"
#include "cli/print.h"

#include <flo/engine.h>

#include <string.h>

struct eval_args {
	const char *vars;
};

static const struct cli_option options[] = {
	{"vars", 0, CLI_TEXT, offsetof(struct eval_args, vars), "FILE",
	 "a JSON object: the expression's variables"},
	{0},
};

static void print_error(const char *expr, const flo_error *err)
{
	flo_diagnostic d = {
		.file = "expression",
		.line = err->line > 0 ? err->line : 1,
		.column = err->column,
		.end_column = err->column + 1,
		.severity = FLO_SEVERITY_ERROR,
		.message = err->text,
		.hint = "",
		.source_line = strchr(expr, '\n') ? "" : expr,
		.source_column = 1,
	};

	if (err->column > 0)
		cli_print_diagnostic(stderr, &d);
	else
		cli_error("%s", *err->text ? err->text
					   : flo_status_text(err->status));
}

static int eval(const char *expr, const flo_value *vars)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;

	if (flo_eval(expr, strlen(expr), vars, &err, &value)) {
		print_error(expr, &err);
		return CLI_FAILED;
	}
	cli_print_json(value, false);
	flo_value_unref(value);
	return CLI_OK;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct eval_args args = {0};
	flo_value *vars = NULL;
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code == CLI_GO_ON && operands != 1)
		code = cli_args_usage(verb, operands ? "one EXPR: quote it"
						     : "which EXPR?");
	if (code == CLI_GO_ON && args.vars)
		code = cli_file_read_map(args.vars, &vars);
	if (code == CLI_GO_ON)
		code = eval(argv[0], vars);
	flo_value_unref(vars);
	return code;
}

const struct cli_verb cli_verb_eval = {
	.name = "eval",
	.summary = "evaluate an expression and print it as JSON",
	.operands = "[--] EXPR",
	.help = "Prints the value of a CEL expression as JSON. Exit codes: 0, "
		"or 1 if it cannot\nbe evaluated.",
	.examples = "flowctl eval '1 + 2'\n"
		    "flowctl eval --vars vars.json 'size(items) > 3'\n"
		    "flowctl eval -- '-1 + 2'",
	.options = options,
	.run = verb_run,
};
