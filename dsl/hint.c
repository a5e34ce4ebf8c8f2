#include "dsl/compile_p.h"

#include <stdio.h>
#include <string.h>

/* Problems after which nobody reads hints that take a walk. */
#define PROBLEMS_MAX 200

static bool is_around(const struct flo__compiler *c, uint32_t block,
		      uint32_t node)
{
	while (node != FLO__NODE_NONE && node != block)
		node = c->nodes[node].parent;
	return node == block;
}

/* The block beside @from, or beside a block around it, that holds @step. */
static uint32_t block_beside(const struct flo__compiler *c, uint32_t from,
			     uint32_t step)
{
	for (uint32_t block = c->nodes[step].parent;
	     block != FLO__NODE_NONE && block != 0;
	     block = c->nodes[block].parent) {
		const struct flo__node *n = &c->nodes[block];

		if (is_around(c, n->parent, from) && !n->is_body)
			return n->is_finally || is_around(c, block, from)
				       ? FLO__NODE_NONE
				       : block;
	}
	return FLO__NODE_NONE;
}

const char *flo__hint_inside(const struct flo__view *view, const char *name,
			     size_t len, char *buf, size_t size)
{
	const struct flo__compiler *c = view->c;

	if (c->report.len > PROBLEMS_MAX)
		return NULL;
	for (uint32_t i = 1; i < c->nodes_len; i++) {
		const struct flo__node *n = &c->nodes[i];
		uint32_t block;

		if (n->is_body || strncmp(n->name, name, len) != 0 ||
		    n->name[len] != '\0')
			continue;
		block = block_beside(c, view->node, i);
		if (block == FLO__NODE_NONE)
			continue;
		snprintf(buf, size,
			 "it is inside the block \"%s\": its output is part "
			 "of steps.%s.output",
			 c->nodes[block].name, c->nodes[block].name);
		return buf;
	}
	return NULL;
}
