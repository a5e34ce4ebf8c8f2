/*
 * The graph as a tree for a terminal:
 *
 *	sync
 *	├─ 1 fetch  ./pull.sh
 *	└─ 2 after
 *	   ├─ one  sh
 *	   └─ two  sh  <- one
 *
 * Numbered steps come one after the other; the others at once, after those
 * that an arrow names.
 */
#include "cli/graph.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>

#define LEVELS_SHOWN 20 /* deeper ones are not indented further */

struct lines {
	const struct cli_graph *graph;
	FILE *file;
	size_t width;
	const char *branch, *last, *trunk, *arrow;
};

/* The lines to the left of a node: of each block around it that goes on. */
static size_t put_stem(const struct lines *l, size_t at, unsigned depth)
{
	size_t parent = l->graph->nodes[at].parent, columns = 0;
	bool more = l->graph->nodes[at].next != CLI_GRAPH_NONE;

	if (parent == CLI_GRAPH_NONE)
		return 0;
	if (depth < LEVELS_SHOWN)
		columns = put_stem(l, parent, depth + 1);
	if (depth == 0)
		fputs(more ? l->branch : l->last, l->file);
	else
		fputs(more ? l->trunk : "   ", l->file);
	return columns + 3;
}

static char *words_of(const struct lines *l, size_t at, unsigned long position)
{
	const struct cli_graph_node *node = &l->graph->nodes[at];
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (at != 0 && !node->in_group && !node->is_finally)
		fprintf(out, "%lu ", position);
	fputs(node->name, out);
	if (strcmp(node->label, node->name) != 0)
		fprintf(out, ": %s", node->label);
	if (*node->what)
		fprintf(out, "  %s", node->what);
	if (*node->each)
		fprintf(out, "  %s", node->each);
	if (node->in_group && node->after_len) {
		fprintf(out, "  %s", l->arrow);
		for (size_t i = 0; i < node->after_len; i++)
			fprintf(out, "%s%s", i ? ", " : " ",
				l->graph->nodes[node->after[i]].name);
	}
	if (node->is_skipped)
		fputs("  skipped", out);
	else if (*node->when)
		fprintf(out, "  when %s", node->when);
	return fclose(out) ? NULL : text;
}

static void put_node(const struct lines *l, size_t at, unsigned long position)
{
	size_t used = put_stem(l, at, 0), len;
	size_t room = l->width > used + 10 ? l->width - used : 10;
	char *text = words_of(l, at, position);

	if (!text) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	len = strlen(text);
	if (cli_columns(text, len) <= room) {
		cli_put_escaped(l->file, text, len, CLI_ONE_LINE);
		putc('\n', l->file);
	} else {
		cli_put_escaped(l->file, text, cli_fit(text, len, room - 3),
				CLI_ONE_LINE);
		fputs("...\n", l->file);
	}
	free(text);
}

void cli_graph_text(const struct cli_graph *graph, size_t width, bool unicode,
		    FILE *file)
{
	struct lines l = {
		.graph = graph,
		.file = file,
		.width = width,
		.branch = unicode ? "├─ " : "|- ",
		.last = unicode ? "└─ " : "`- ",
		.trunk = unicode ? "│  " : "|  ",
		.arrow = unicode ? "←" : "<-",
	};
	unsigned long *positions = calloc(graph->len + 1, sizeof(*positions));

	if (!positions) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	for (size_t i = 0; i < graph->len; i++) {
		size_t parent = graph->nodes[i].parent;

		put_node(&l, i,
			 parent == CLI_GRAPH_NONE ? 0 : ++positions[parent]);
	}
	free(positions);
}
