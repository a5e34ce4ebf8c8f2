#include "graph.h"
#include "measure.h"

#include <stdlib.h>
#include <string.h>

#define EDGES_MAX (6 * DAG_NODES)

/* Edges in the order in which they are linked, before they are sorted. */
static struct {
	uint32_t *from, *to;
	uint32_t len;
} edges;

static uint64_t state;

/* splitmix64: the same numbers in every language. */
static uint64_t draw(void)
{
	uint64_t z = state += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(draw() % n);
}

static void *room(size_t n)
{
	void *memory = calloc(n, sizeof(uint32_t));

	if (memory == NULL)
		bench_fail("no memory for the graph");
	return memory;
}

static void link_nodes(uint32_t from, uint32_t to)
{
	if (edges.len == EDGES_MAX)
		bench_fail("too many edges");
	edges.from[edges.len] = from;
	edges.to[edges.len++] = to;
}

/* Whatever has no successor yet comes before the last node. */
static void link_ends(uint32_t last)
{
	uint32_t *out = room(last + 1);

	for (uint32_t i = 0; i < edges.len; i++)
		out[edges.from[i]]++;
	for (uint32_t i = 0; i < last; i++) {
		if (out[i] == 0)
			link_nodes(i, last);
	}
	free(out);
}

static uint32_t link_random(void)
{
	for (uint32_t i = 1; i < DAG_NODES - 1; i++) {
		for (uint32_t k = 1 + below(4); k > 0; k--)
			link_nodes(below(i), i);
	}
	return DAG_NODES;
}

static uint32_t link_layered(void)
{
	for (uint32_t i = 1; i <= DAG_WIDTH; i++)
		link_nodes(0, i);
	for (uint32_t l = 1; l < DAG_LAYERS; l++) {
		uint32_t base = 1 + l * DAG_WIDTH, before = base - DAG_WIDTH;

		for (uint32_t j = 0; j < DAG_WIDTH; j++) {
			link_nodes(before + j, base + j);
			link_nodes(before + below(DAG_WIDTH), base + j);
		}
	}
	return DAG_LAYERS * DAG_WIDTH + 2;
}

static uint32_t link_chain(void)
{
	for (uint32_t i = 1; i < DAG_NODES - 1; i++)
		link_nodes(i - 1, i);
	return DAG_NODES;
}

static uint32_t link_fan(void)
{
	for (uint32_t i = 1; i < DAG_NODES - 1; i++)
		link_nodes(0, i);
	return DAG_NODES;
}

/* Sort the edges by where they begin, keeping their order otherwise. */
static void sort_edges(struct bench_graph *g)
{
	uint32_t *at = room(g->nodes);

	for (uint32_t i = 0; i < edges.len; i++) {
		g->first[edges.from[i] + 1]++;
		g->pending[edges.to[i]]++;
	}
	for (uint32_t i = 0; i < g->nodes; i++) {
		g->first[i + 1] += g->first[i];
		at[i] = g->first[i];
	}
	for (uint32_t i = 0; i < edges.len; i++)
		g->successors[at[edges.from[i]]++] = edges.to[i];
	free(at);
}

const struct bench_graph *bench_graph_build(const char *shape)
{
	static struct bench_graph graph;

	state = DAG_SEED;
	edges.from = room(EDGES_MAX);
	edges.to = room(EDGES_MAX);
	edges.len = 0;
	if (strcmp(shape, "random") == 0)
		graph.nodes = link_random();
	else if (strcmp(shape, "layered") == 0)
		graph.nodes = link_layered();
	else if (strcmp(shape, "chain") == 0)
		graph.nodes = link_chain();
	else
		graph.nodes = link_fan();
	link_ends(graph.nodes - 1);
	graph.pending = room(graph.nodes);
	graph.first = room(graph.nodes + 1);
	graph.successors = room(edges.len);
	sort_edges(&graph);
	free(edges.from);
	free(edges.to);
	return &graph;
}
