/*
 * The graphs of the dag rows, the same in every program: node 0 is the only
 * one without a predecessor, the last one the only one without a successor.
 * peers/sched.go builds them again in Go; change both.
 */
#ifndef FLO_BENCH_GRAPH_H
#define FLO_BENCH_GRAPH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bench_graph {
	uint32_t nodes;
	uint32_t *pending;    /* predecessors of each node */
	uint32_t *first;      /* where its successors begin; nodes + 1 */
	uint32_t *successors; /* in the order in which they were linked */
};

/*
 * Build a graph:
 *
 * random   each node has one to four predecessors, any that come before it
 *	    (the same one twice counts twice)
 * layered  DAG_LAYERS of DAG_WIDTH nodes, each after the node at its place in
 *	    the layer before and a random one there
 * chain    each node after the one before
 * fan      one node, then all but one, then the last
 *
 * The graph stays for the life of the program.
 */
const struct bench_graph *bench_graph_build(const char *shape);

#ifdef __cplusplus
}
#endif
#endif
