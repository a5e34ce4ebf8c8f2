/*
 * The graph in Mermaid's language: a subgraph for each block, which may be the
 * end of an edge.
 *
 * Identifiers are numbers, since words such as `end` mean something. Texts are
 * in quotes; what Mermaid or the browser would read in them is written as
 * "#NUMBER;".
 */
#include "cli/graph.h"

#include "cli/print.h"
#include "cli/utf8.h"

#include <inttypes.h>
#include <string.h>

#define LABEL_MAX 50 /* columns of a line of a label */

static void put_text(FILE *file, const char *text, size_t len)
{
	size_t used;

	for (size_t i = 0; i < len; i += used) {
		uint32_t point = cli_utf8_next(text + i, len - i, &used);

		if (point == CLI_UTF8_BAD || cli_utf8_width(point) < 0)
			putc(' ', file);
		else if (point < 0x80 &&
			 strchr("\"#&<>`\\*_[](){}|", (int)point))
			fprintf(file, "#%" PRIu32 ";", point);
		else
			fwrite(text + i, 1, used, file);
	}
}

static void put_line(FILE *file, const char *before, const char *text)
{
	size_t len = strlen(text), fits = cli_fit(text, len, LABEL_MAX);

	fputs(before, file);
	put_text(file, text, fits);
	if (fits < len)
		fputs("...", file);
}

static void put_label(FILE *file, const struct cli_graph_node *node)
{
	put_line(file, "", node->label);
	if (*node->what)
		put_line(file, "<br>", node->what);
	if (*node->each)
		put_line(file, "<br>", node->each);
	if (*node->when)
		put_line(file, "<br>when ", node->when);
}

static int indent_of(const struct cli_graph *graph, size_t at)
{
	int indent = 0;

	for (; at != CLI_GRAPH_NONE; at = graph->nodes[at].parent)
		indent += 2;
	return indent;
}

static void end_blocks(const struct cli_graph *graph, size_t at, size_t next,
		       FILE *file)
{
	size_t until = next < graph->len ? graph->nodes[next].parent : 0;

	for (size_t up = at; up != until; up = graph->nodes[up].parent)
		if (graph->nodes[up].is_block)
			fprintf(file, "%*send\n", indent_of(graph, up), "");
}

static void put_node(const struct cli_graph *graph, size_t at, FILE *file)
{
	const struct cli_graph_node *node = &graph->nodes[at];

	fprintf(file, "%*s%sn%zu%s\"", indent_of(graph, at), "",
		node->is_block ? "subgraph " : "", at,
		node->is_block ? "["
		: *node->each  ? "[["
			       : "(");
	put_label(file, node);
	fprintf(file, "\"%s\n",
		node->is_block ? "]"
		: *node->each  ? "]]"
			       : ")");
	/* A subgraph without nodes would become a node. */
	if (node->is_block && node->first == CLI_GRAPH_NONE)
		fprintf(file, "%*se%zu((\" \"))\n", indent_of(graph, at) + 2,
			"", at);
	if (node->first == CLI_GRAPH_NONE)
		end_blocks(graph, at, at + 1, file);
}

static void put_edge(const struct cli_graph *graph, size_t from, size_t to,
		     void *arg)
{
	fprintf(arg, "  n%zu %s n%zu\n", from,
		graph->nodes[to].is_finally ? "-.->" : "-->", to);
}

/* Style @ids of nodes that @is picks as the class @name. */
static void put_class(const struct cli_graph *graph, FILE *file,
		      const char *name, const char *style,
		      bool (*is)(const struct cli_graph_node *node))
{
	bool any = false;

	for (size_t i = 1; i < graph->len; i++) {
		if (!is(&graph->nodes[i]))
			continue;
		if (!any)
			fprintf(file, "  classDef %s %s\n  class n%zu", name,
				style, i);
		else
			fprintf(file, ",n%zu", i);
		any = true;
	}
	if (any)
		fprintf(file, " %s\n", name);
}

static bool is_skipped(const struct cli_graph_node *node)
{
	return node->is_skipped;
}

static bool is_conditional(const struct cli_graph_node *node)
{
	return !node->is_skipped && (*node->when || node->is_finally);
}

void cli_graph_mermaid(const struct cli_graph *graph, FILE *file)
{
	fputs("flowchart TD\n", file);
	for (size_t i = 1; i < graph->len; i++)
		put_node(graph, i, file);
	cli_graph_edges(graph, put_edge, file);
	put_class(graph, file, "conditional", "stroke-dasharray:4 3",
		  is_conditional);
	put_class(graph, file, "skipped",
		  "stroke-dasharray:2 3,color:#888,stroke:#aaa", is_skipped);
}
