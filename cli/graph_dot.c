/*
 * The graph in Graphviz's language: a cluster for each block.
 *
 * Clusters cannot be the ends of edges, so an edge goes between two leaves and
 * is clipped at the border of the outermost block that it enters or leaves
 * (`compound`, lhead, ltail). Identifiers are paths, in quotes.
 */
#include "cli/graph.h"

#include "cli/print.h"
#include "cli/utf8.h"

#include <string.h>

#define LABEL_MAX 50 /* columns of a line of a label */

/*
 * Text in a quoted string. Graphviz gives a backslash a meaning of its own
 * there, and characters that are none must not reach an SVG.
 */
static void put_text(FILE *file, const char *text, size_t len)
{
	size_t used;

	for (size_t i = 0; i < len; i += used) {
		uint32_t point = cli_utf8_next(text + i, len - i, &used);

		if (point == CLI_UTF8_BAD || cli_utf8_width(point) < 0)
			putc(' ', file);
		else if (point == '"' || point == '\\')
			fprintf(file, "\\%c", (int)point);
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

/* @end ends lines: "\n" centers them, "\l" puts them to the left. */
static void put_label(FILE *file, const struct cli_graph_node *node,
		      const char *end)
{
	put_line(file, "", node->label);
	fputs(end, file);
	if (*node->what)
		put_line(file, "", node->what);
	fputs(*node->what ? end : "", file);
	if (*node->each)
		put_line(file, "", node->each);
	fputs(*node->each ? end : "", file);
	if (*node->when)
		put_line(file, "when ", node->when);
	fputs(*node->when ? end : "", file);
}

static void put_id(FILE *file, const struct cli_graph_node *node)
{
	putc('"', file);
	put_text(file, node->path, strlen(node->path));
	putc('"', file);
}

static int indent_of(const struct cli_graph *graph, size_t at)
{
	int indent = 0;

	for (; at != CLI_GRAPH_NONE; at = graph->nodes[at].parent)
		indent += 2;
	return indent;
}

static const char *style_of(const struct cli_graph_node *node)
{
	if (node->is_skipped)
		return ", style=\"rounded,dotted\", fontcolor=gray50, "
		       "color=gray50";
	return *node->when ? ", style=\"rounded,dashed\"" : "";
}

static void put_leaf(const struct cli_graph *graph, size_t at, FILE *file)
{
	const struct cli_graph_node *node = &graph->nodes[at];

	fprintf(file, "%*s", indent_of(graph, at), "");
	put_id(file, node);
	if (node->is_block) {
		fputs(" [shape=point, style=invis];\n", file);
		return;
	}
	fputs(" [label=\"", file);
	put_label(file, node, "\\n");
	fprintf(file, "\"%s%s];\n", *node->each ? ", peripheries=2" : "",
		style_of(node));
}

static void begin_cluster(const struct cli_graph *graph, size_t at, FILE *file)
{
	const struct cli_graph_node *node = &graph->nodes[at];
	int indent = indent_of(graph, at);

	fprintf(file, "%*ssubgraph \"cluster ", indent, "");
	put_text(file, node->path, strlen(node->path));
	fprintf(file, "\" {\n%*slabel=\"", indent + 2, "");
	put_label(file, node, "\\l");
	fprintf(file, "\";\n");
	if (node->is_skipped)
		fprintf(file,
			"%*sstyle=\"rounded,dotted\"; fontcolor=gray50;\n",
			indent + 2, "");
	else if (node->is_finally || *node->when)
		fprintf(file, "%*sstyle=\"rounded,dashed\";\n", indent + 2, "");
}

/* Close the blocks that @at, a node without children, was the last of. */
static void end_clusters(const struct cli_graph *graph, size_t at, FILE *file)
{
	size_t until = at + 1 < graph->len ? graph->nodes[at + 1].parent : 0;

	for (size_t up = at; up != until; up = graph->nodes[up].parent)
		if (graph->nodes[up].is_block)
			fprintf(file, "%*s}\n", indent_of(graph, up), "");
}

static void put_nodes(const struct cli_graph *graph, FILE *file)
{
	for (size_t at = 1; at < graph->len; at++) {
		const struct cli_graph_node *node = &graph->nodes[at];

		if (node->is_block)
			begin_cluster(graph, at, file);
		/* An empty block needs something to be drawn around. */
		if (node->first != CLI_GRAPH_NONE)
			continue;
		put_leaf(graph, at, file);
		end_clusters(graph, at, file);
	}
}

static void put_edge(const struct cli_graph *graph, size_t from, size_t to,
		     void *arg)
{
	const struct cli_graph_node *a = &graph->nodes[from];
	const struct cli_graph_node *b = &graph->nodes[to];
	FILE *file = arg;

	fputs("  ", file);
	put_id(file, &graph->nodes[a->exit]);
	fputs(" -> ", file);
	put_id(file, &graph->nodes[b->entry]);
	fputs(" [", file);
	if (a->is_block) {
		fputs("ltail=\"cluster ", file);
		put_text(file, a->path, strlen(a->path));
		fputs("\" ", file);
	}
	if (b->is_block) {
		fputs("lhead=\"cluster ", file);
		put_text(file, b->path, strlen(b->path));
		fputs("\" ", file);
	}
	if (a->is_block || b->is_block) /* room for the border's label */
		fputs("minlen=2 ", file);
	fputs(b->is_finally ? "style=dashed];\n" : "];\n", file);
}

void cli_graph_dot(const struct cli_graph *graph, FILE *file)
{
	fputs("digraph \"", file);
	put_text(file, graph->nodes[0].name, strlen(graph->nodes[0].name));
	fputs("\" {\n"
	      "  graph [compound=true, fontname=\"Helvetica\", fontsize=11, "
	      "labelloc=t, labeljust=l, ranksep=0.3, nodesep=0.3, "
	      "style=rounded, color=gray50, label=\"",
	      file);
	put_line(file, "", graph->nodes[0].name);
	if (*graph->about)
		put_line(file, "\\l", graph->about);
	fputs("\\l\"];\n"
	      "  node [shape=box, style=rounded, fontname=\"Helvetica\", "
	      "fontsize=10, height=0.3, margin=\"0.12,0.06\"];\n"
	      "  edge [arrowsize=0.6, color=gray30];\n",
	      file);
	put_nodes(graph, file);
	cli_graph_edges(graph, put_edge, file);
	fputs("}\n", file);
}
