/*
 * Pipelines drawn from the seed: the text, and what it says as a tree, so that
 * rules can be checked against something that no part of the engine made.
 */
#ifndef FLO_TESTS_SIM_PIPE_H
#define FLO_TESTS_SIM_PIPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PIPE_NODES_MAX	  48
#define PIPE_CHILDREN_MAX 6
#define PIPE_NONE	  (-1)

enum pipe_kind {
	PIPE_LEAF,
	PIPE_SEQUENCE,
	PIPE_GROUP,
	PIPE_EACH /* its one child is what each item gets, and has no name */
};

enum pipe_mode {
	PIPE_CANCEL,
	PIPE_DRAIN,
	PIPE_CONTINUE
};

struct pipe_node {
	enum pipe_kind kind;
	char name[8]; /* unique in the pipeline; "" of an item's node */
	int children[PIPE_CHILDREN_MAX];
	unsigned nchildren;
	int finally;	/* a leaf, or PIPE_NONE */
	unsigned items; /* of EACH */
	unsigned limit; /* 0: none */
	enum pipe_mode mode;
	unsigned max_failures;
	bool allow_failure, never; /* never: its `when` is false */
	uint32_t needs;		   /* bits: siblings by position */
	unsigned timeout_ms;	   /* 0: none; of a leaf: of each attempt */
	unsigned retries, backoff_ms, spread_ms, percent; /* of a leaf */
};

struct pipe {
	struct pipe_node nodes[PIPE_NODES_MAX]; /* 0: the top-level sequence */
	int n;
	unsigned limit;	   /* of the run; 0: the default */
	bool block_limits; /* some block or the run has a time limit */
	char text[16384];  /* with ' for " */
	size_t len;
};

/* What is left out where the outcome must not depend on who came first. */
enum pipe_style {
	PIPE_WILD,
	PIPE_SETTLED /* nothing that fails or takes long ends anything else */
};

void pipe_draw(struct pipe *pipe, enum pipe_style style);

#endif
