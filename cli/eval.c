/* flowctl eval: compute an expression, to try it out. */
#include "cli/args.h"
#include "cli/file.h"
#include "cli/print.h"
#include "cli/store.h"

#include <flo/engine.h>

#include <stdlib.h>
#include <string.h>

struct eval_args {
	const char *vars;
	const char *run;
	const char *store;
};

static const struct cli_option options[] = {
	{"vars", 0, CLI_TEXT, offsetof(struct eval_args, vars), "FILE",
	 "a JSON object: the expression's variables"},
	{"run", 0, CLI_TEXT, offsetof(struct eval_args, run), "RUN",
	 "a run whose params, run and steps are variables"},
	CLI_OPTION_STORE(struct eval_args, store),
	{0},
};

/* Line @n, from 1, of @text; NULL without memory. */
static char *line_of(const char *text, int n)
{
	for (; n > 1 && strchr(text, '\n'); n--)
		text = strchr(text, '\n') + 1;
	return strndup(text, strcspn(text, "\n"));
}

static void print_error(const char *expr, const flo_error *err)
{
	int at = err->line > 0 ? err->line : 1;
	char *line = line_of(expr, at);
	flo_diagnostic d = {
		.file = "expression",
		.line = at,
		.column = err->column,
		.end_column = err->column + 1,
		.severity = FLO_SEVERITY_ERROR,
		.message = err->text,
		.hint = "",
		.source_line = line ? line : "",
		.source_column = 1,
	};

	if (err->column > 0)
		cli_print_diagnostic(stderr, &d);
	else
		cli_error("%s", *err->text ? err->text
					   : flo_status_text(err->status));
	free(line);
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

/* Add to @vars (NULL: none) what the run has that they do not name. */
static int add_run(const struct eval_args *args, flo_value **vars)
{
	flo_error err = FLO_ERROR_INIT;
	flo_store *store = NULL;
	flo_value *row = NULL;
	flo_value *all = NULL;
	flo_status st;
	int code = cli_store_find_row(args->store, args->run, &store, &row);

	if (code != CLI_GO_ON)
		return code;
	st = flo_store_vars(store, cli_map_text(row, "run"), &err, &all);
	for (size_t i = 0; !st && *vars && i < flo_value_len(*vars); i++) {
		const flo_value *key;
		const flo_value *value = flo_value_map_at(*vars, i, &key);
		const char *name = flo_value_get_string(key, NULL);

		if (flo_value_map_get(all, name))
			code = cli_args_usage(&cli_verb_eval,
					      "--vars has \"%s\", and --run "
					      "gives that, too",
					      name);
		else
			st = flo_value_map_set(all, name, flo_value_ref(value));
		if (code != CLI_GO_ON)
			break;
	}
	if (st)
		code = cli_store_error(&err);
	if (code == CLI_GO_ON) {
		flo_value_unref(*vars);
		*vars = flo_value_ref(all);
	}
	flo_value_unref(all);
	flo_value_unref(row);
	flo_store_close(store);
	return code;
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
	if (code == CLI_GO_ON && args.run)
		code = add_run(&args, &vars);
	if (code == CLI_GO_ON)
		code = eval(argv[0], vars);
	flo_value_unref(vars);
	return code;
}

const struct cli_verb cli_verb_eval = {
	.name = "eval",
	.summary = "evaluate an expression and print it as JSON",
	.operands = "[--] EXPR",
	.help = "Prints the value of a CEL expression as JSON. Its variables "
		"are those of --vars,\nand with --run the params, run and "
		"top-level steps of a run in the store. Exit\ncodes: 0, or 1 "
		"if it cannot be evaluated.",
	.examples = "flowctl eval '1 + 2'\n"
		    "flowctl eval --vars vars.json 'size(items) > 3'\n"
		    "flowctl eval --run RUN 'steps.build.output.size()'\n"
		    "flowctl eval -- '-1 + 2'",
	.options = options,
	.run = verb_run,
};
