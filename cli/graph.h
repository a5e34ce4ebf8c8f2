/*
 * A pipeline as a graph: blocks hold steps, and a step comes after others.
 *
 * graph_collect.c makes it of a plan; the files that draw it, one a format,
 * are given it complete. Everything in it belongs to it.
 */
#ifndef CLI_GRAPH_H
#define CLI_GRAPH_H

#include <flo/engine.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define CLI_GRAPH_NONE ((size_t)-1)

struct cli_graph_node {
	char *path;  /* "" for the pipeline itself */
	char *name;  /* in its block */
	char *label; /* what people see: the title, or the name */
	char *what;  /* its program or type, or "" */
	char *each;  /* what it is repeated for, and how many at once, or "" */
	char *when;  /* its condition, or "" */
	size_t parent;
	size_t first, last; /* children in written order, by next */
	size_t next;
	size_t *after; /* siblings that it comes after, after_len of them */
	size_t after_len;
	bool is_block;
	bool is_finally; /* comes after all else in its parent */
	bool in_group;	 /* its parent's steps run at once */
	bool is_skipped;
	bool is_needed; /* some sibling comes after it */
	/* Of a block: leaves that stand for it at the ends of an edge. An empty
	 * block stands for itself. */
	size_t entry, exit;
	size_t height; /* in leaves, one below the other */
};

struct cli_graph {
	struct cli_graph_node *nodes; /* 0: the pipeline; a block before what
					 is in it */
	size_t len, cap;
	char *about; /* the description, or "" */
};

/*
 * Fill @graph with the pipeline's steps, marked as @params say. FLO_OK and a
 * graph for cli_graph_free(), or as flo_pipeline_plan().
 */
flo_status cli_graph_collect(const flo_pipeline *pipeline,
			     const flo_value *params, flo_error *err,
			     struct cli_graph *graph);
void cli_graph_free(struct cli_graph *graph);

void cli_graph_dot(const struct cli_graph *graph, FILE *file);
void cli_graph_mermaid(const struct cli_graph *graph, FILE *file);
/* A tree. @unicode: with the characters for boxes, else with ASCII. */
void cli_graph_text(const struct cli_graph *graph, size_t width, bool unicode,
		    FILE *file);

/*
 * Call @fn for each edge in the order of the nodes: what must come before what
 * in a block, and from what ends a block's steps to its `finally`.
 */
void cli_graph_edges(const struct cli_graph *graph,
		     void (*fn)(const struct cli_graph *graph, size_t from,
				size_t to, void *arg),
		     void *arg);

#endif
