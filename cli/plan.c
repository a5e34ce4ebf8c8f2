/* flowctl plan: say what a run would do, and run nothing. */
#include "cli/plan.h"

#include "cli/args.h"
#include "cli/pipeline.h"
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH_DEFAULT 100
#define WIDTH_MIN     40

struct plan_args {
	struct cli_texts params;
	const char *params_file;
	unsigned long limit;
	bool json;
};

static const struct cli_option options[] = {
	{"param", 'p', CLI_TEXTS, offsetof(struct plan_args, params),
	 "NAME=VALUE", "set a param; arrays and objects as JSON"},
	{"params-file", 0, CLI_TEXT, offsetof(struct plan_args, params_file),
	 "FILE", "a JSON object of params; where -p gives one too, -p counts"},
	{"limit", 0, CLI_NUMBER, offsetof(struct plan_args, limit), "N",
	 "as if run with it: at most N steps at once"},
	{"json", 0, CLI_FLAG, offsetof(struct plan_args, json), NULL,
	 "print one JSON object"},
	{0},
};

struct printer {
	const struct plan_args *args;
	struct cli_plan_text text;
	size_t steps;
	flo_value *missing; /* names of params: a list */
};

static const char *origin(void *arg, const char *param)
{
	const struct plan_args *args = arg;
	size_t len = strlen(param);

	for (size_t i = 0; i < args->params.len; i++)
		if (!strncmp(args->params.at[i], param, len) &&
		    args->params.at[i][len] == '=')
			return "-p";
	return "file";
}

static void need(flo_status st)
{
	if (st == FLO_OK)
		return;
	cli_error("out of memory");
	exit(CLI_STORE);
}

static flo_value *needed(flo_value *value)
{
	need(value ? FLO_OK : FLO_NOMEM);
	return value;
}

static flo_value *param_copy(const struct printer *printer,
			     const flo_value *param)
{
	flo_value *copy = needed(flo_value_map(4));
	const char *name = cli_map_text(param, "name");

	for (size_t i = 0; i < flo_value_len(param); i++) {
		const flo_value *key, *value = flo_value_map_at(param, i, &key);
		const char *word = flo_value_get_string(key, NULL);

		if (!strcmp(word, "origin") &&
		    !strcmp(cli_map_text(param, word), "given"))
			need(flo_value_map_set(
				copy, word,
				flo_value_string(
					origin((void *)(uintptr_t)printer->args,
					       name))));
		else
			need(flo_value_map_set(copy, word,
					       flo_value_ref(value)));
	}
	return copy;
}

/* The library knows that a param was given, not from where. */
static flo_value *run_copy(const struct printer *printer, const flo_value *run)
{
	flo_value *copy = needed(flo_value_map(flo_value_len(run)));

	for (size_t i = 0; i < flo_value_len(run); i++) {
		const flo_value *key, *value = flo_value_map_at(run, i, &key);
		const char *word = flo_value_get_string(key, NULL);
		flo_value *list;

		if (strcmp(word, "params") != 0) {
			need(flo_value_map_set(copy, word,
					       flo_value_ref(value)));
			continue;
		}
		list = needed(flo_value_list(flo_value_len(value)));
		for (size_t k = 0; k < flo_value_len(value); k++)
			need(flo_value_list_add(
				list, param_copy(printer,
						 flo_value_list_at(value, k))));
		need(flo_value_map_set(copy, word, list));
	}
	return copy;
}

static void print_json(const flo_value *value, bool open)
{
	char *text = flo_value_to_json(value);
	size_t len;

	need(text ? FLO_OK : FLO_NOMEM);
	len = strlen(text);
	fwrite(text, 1, len - open, stdout);
	flo_free(text);
}

/* One object, written as its parts come: a plan may be large. */
static void part_json(struct printer *printer, flo_plan_part part,
		      const flo_value *value)
{
	flo_value *copy;

	if (part == FLO_PLAN_RUN) {
		copy = run_copy(printer, value);
		print_json(copy, true);
		flo_value_unref(copy);
		fputs(",\"steps\":[", stdout);
	} else if (part == FLO_PLAN_STEP) {
		fputs(printer->steps++ ? ",\n" : "\n", stdout);
		print_json(value, false);
	} else {
		fputs("\n],\"summary\":", stdout);
		print_json(value, false);
		puts("}");
	}
}

static void note_missing(struct printer *printer, const flo_value *run)
{
	const flo_value *params = flo_value_map_get(run, "params");

	for (size_t i = 0; i < flo_value_len(params); i++) {
		const flo_value *param = flo_value_list_at(params, i);

		if (strcmp(cli_map_text(param, "origin"), "missing") != 0)
			continue;
		need(flo_value_list_add(
			printer->missing,
			flo_value_ref(flo_value_map_get(param, "name"))));
	}
}

static void on_part(flo_plan_part part, const flo_value *value, void *arg)
{
	struct printer *printer = arg;

	if (part == FLO_PLAN_RUN)
		note_missing(printer, value);
	if (printer->args->json)
		part_json(printer, part, value);
	else
		cli_plan_print(&printer->text, part, value);
	cli_check_stdout();
}

static size_t terminal_width(void)
{
	size_t width = cli_terminal_width(stdout);

	if (width == 0)
		return WIDTH_DEFAULT;
	return width < WIDTH_MIN ? WIDTH_MIN : width;
}

static void tell_missing(const flo_value *names)
{
	for (size_t i = 0; i < flo_value_len(names); i++) {
		const char *name =
			flo_value_get_string(flo_value_list_at(names, i), NULL);

		cli_error("param \"%s\" is required and not given: what "
			  "depends on it is shown as it is written; give it "
			  "with -p %s=VALUE",
			  name, name);
	}
}

static int print_plan(const struct plan_args *args,
		      const flo_pipeline *pipeline, const flo_value *params)
{
	struct flo_plan_options plan = {.params = params,
					.limit = (uint32_t)args->limit};
	struct printer printer = {
		.args = args,
		.text = {.file = stdout,
			 .width = terminal_width(),
			 .origin = origin,
			 .arg = (void *)(uintptr_t)args},
		.missing = needed(flo_value_list(4)),
	};
	flo_error err = FLO_ERROR_INIT;
	flo_status st;

	st = flo_pipeline_plan(pipeline, &plan, on_part, &printer, &err);
	if (st != FLO_OK)
		cli_error("%s", *err.text ? err.text : flo_status_text(st));
	else
		tell_missing(printer.missing);
	flo_value_unref(printer.missing);
	return st == FLO_OK	   ? CLI_OK
	       : st == FLO_INVALID ? CLI_INVALID
				   : CLI_STORE;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct plan_args args = {0};
	flo_pipeline *pipeline = NULL;
	flo_value *params = flo_value_map(8);
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code == CLI_GO_ON && operands != 1)
		code = cli_args_usage(verb, operands ? "one FILE at a time"
						     : "which FILE?");
	if (code == CLI_GO_ON)
		code = cli_pipeline_load(argv[0], false, &pipeline);
	if (code == CLI_GO_ON)
		code = cli_pipeline_params(verb, pipeline, &args.params,
					   args.params_file, params);
	if (code == CLI_GO_ON)
		code = print_plan(&args, pipeline, params);
	flo_value_unref(params);
	flo_pipeline_free(pipeline);
	cli_texts_free(&args.params);
	return code;
}

const struct cli_verb cli_verb_plan = {
	.name = "plan",
	.summary = "show what a run would do, without running anything",
	.operands = "FILE [-p NAME=VALUE]...",
	.help = "Prints the steps of the pipeline in FILE (\"-\": standard "
		"input) as they are written,\neach with its path. Numbered "
		"steps run one after the other, those with a dash\nat once, "
		"as far as \"needs\" and limits let them. A time limit is the "
		"smallest of the\nstep's own, those of its blocks and the "
		"run's.\n\n"
		"What follows from params alone is computed; what depends on "
		"earlier steps is\nshown as an expression. Nothing is run and "
		"no store is needed.",
	.examples = "flowctl plan pipeline.json\n"
		    "flowctl plan deploy.json -p region=eu\n"
		    "flowctl plan nightly.json --json | jq '.steps[].path'",
	.options = options,
	.run = verb_run,
};
