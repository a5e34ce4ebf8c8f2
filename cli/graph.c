/* flowctl graph: draw a pipeline. */
#include "cli/graph.h"

#include "cli/args.h"
#include "cli/draw.h"
#include "cli/pipeline.h"
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80
#define WIDTH_MIN     40

struct graph_args {
	struct cli_texts params;
	const char *params_file;
	const char *format;
	const char *output;
};

static const struct cli_option options[] = {
	{"format", 'f', CLI_TEXT, offsetof(struct graph_args, format), "FORMAT",
	 "text (default), dot, mermaid or svg"},
	{"output", 'o', CLI_TEXT, offsetof(struct graph_args, output), "FILE",
	 "write to FILE instead of standard output"},
	{"param", 'p', CLI_TEXTS, offsetof(struct graph_args, params),
	 "NAME=VALUE", "set a param: steps that it skips are marked"},
	{"params-file", 0, CLI_TEXT, offsetof(struct graph_args, params_file),
	 "FILE", "a JSON object of params; where -p gives one too, -p counts"},
	{0},
};

/* By the locale's name: the locale itself need not be installed. */
static bool is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		const char *value = getenv(names[i]);

		if (value && *value)
			return strcasestr(value, "utf-8") ||
			       strcasestr(value, "utf8");
	}
	return false;
}

static size_t width_of(FILE *file)
{
	size_t width = cli_terminal_width(file);

	if (width == 0)
		return WIDTH_DEFAULT;
	return width < WIDTH_MIN ? WIDTH_MIN : width;
}

static void write_dot(FILE *file, const void *graph)
{
	cli_graph_dot(graph, file);
}

static int draw(const struct graph_args *args, const struct cli_graph *graph)
{
	struct cli_draw draw;
	int code = cli_draw_open(args->output, &draw);

	if (code != CLI_GO_ON)
		return code;
	if (!strcmp(args->format, "svg"))
		code = cli_draw_svg(&draw, write_dot, graph);
	else if (!strcmp(args->format, "dot"))
		cli_graph_dot(graph, draw.file);
	else if (!strcmp(args->format, "mermaid"))
		cli_graph_mermaid(graph, draw.file);
	else
		cli_graph_text(graph, width_of(draw.file), is_utf8(),
			       draw.file);
	if (code == CLI_GO_ON)
		return cli_draw_close(&draw);
	cli_draw_abandon(&draw);
	return code;
}

static int graph_pipeline(const struct graph_args *args,
			  const flo_pipeline *pipeline, const flo_value *params)
{
	struct cli_graph graph = {0};
	flo_error err = FLO_ERROR_INIT;
	flo_status st = cli_graph_collect(pipeline, params, &err, &graph);
	int code;

	if (st != FLO_OK) {
		cli_error("%s", *err.text ? err.text : flo_status_text(st));
		return st == FLO_INVALID ? CLI_INVALID : CLI_STORE;
	}
	code = draw(args, &graph);
	cli_graph_free(&graph);
	return code;
}

static int check(const struct cli_verb *verb, struct graph_args *args,
		 int operands)
{
	static const char *const formats[] = {"text", "dot", "mermaid", "svg",
					      NULL};
	const char *near;

	if (operands != 1)
		return cli_args_usage(verb, operands ? "one FILE at a time"
						     : "which FILE?");
	if (!args->format)
		args->format = formats[0];
	for (size_t i = 0; formats[i]; i++)
		if (!strcmp(args->format, formats[i]))
			return CLI_GO_ON;
	near = cli_nearest(args->format, formats);
	return cli_args_usage(verb,
			      "there is no format \"%s\": text, dot, mermaid "
			      "or svg%s%s%s",
			      args->format, near ? "; did you mean \"" : "",
			      near ? near : "", near ? "\"?" : "");
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct graph_args args = {0};
	flo_pipeline *pipeline = NULL;
	flo_value *params = flo_value_map(8);
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code == CLI_GO_ON)
		code = check(verb, &args, operands);
	if (code == CLI_GO_ON)
		code = cli_pipeline_load(argv[0], false, &pipeline);
	if (code == CLI_GO_ON)
		code = cli_pipeline_params(verb, pipeline, &args.params,
					   args.params_file, params);
	if (code == CLI_GO_ON)
		code = graph_pipeline(&args, pipeline, params);
	flo_value_unref(params);
	flo_pipeline_free(pipeline);
	cli_texts_free(&args.params);
	return code;
}

const struct cli_verb cli_verb_graph = {
	.name = "graph",
	.summary = "draw a pipeline",
	.operands = "FILE [-f FORMAT] [-o FILE]",
	.help = "Draws the steps of the pipeline in FILE (\"-\": standard "
		"input) and what comes\nafter what: as a tree for the "
		"terminal, for Graphviz (dot), for Mermaid, which\nmany "
		"wikis and forges show, or as an SVG picture, for which "
		"Graphviz must be\ninstalled. Blocks are boxes around their "
		"steps; what may not run is dashed, and\nso is the way to "
		"\"finally\".",
	.examples = "flowctl graph pipeline.json\n"
		    "flowctl graph pipeline.json -f svg -o pipeline.svg\n"
		    "flowctl graph pipeline.json -f dot | dot -Tpng -o p.png",
	.options = options,
	.run = verb_run,
};
