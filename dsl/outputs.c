/*
 * What the output of a block is known to be: an object with the outputs of its
 * children, or a list with those of the instances. A leaf's is whatever its
 * program writes to $FLOW_OUTPUT, and a pipeline's what its file computes.
 */
#include "dsl/compile_p.h"

/* A block that did not succeed has null for its output. */
static unsigned types_of(const struct flo__compiler *c, uint32_t node)
{
	const struct flo__node *n = &c->nodes[node];

	if (!flo__node_is_block(n) || flo__is_call(c, node))
		return FLO__TYPES_ANY;
	if (n->kind == FLO__NODE_FOREACH)
		return FLO_TYPES(NULL) | FLO_TYPES(LIST);
	/* Without children it is empty, or a pipeline that cannot be read. */
	return n->children_len == 0 ? FLO__TYPES_ANY
				    : FLO_TYPES(NULL) | FLO_TYPES(MAP);
}

static flo_status no_child(const struct flo__compiler *c, uint32_t node,
			   const char *name, size_t len,
			   struct flo__expr_problem *problem)
{
	char buf[160];

	flo__problem_set(problem, FLO__CODE_UNKNOWN_STEP, 0, 0,
			 flo__names_hint(c, node, name, len, buf, sizeof(buf)),
			 "there is no step \"%.*s\" in \"%s\"",
			 (int)(len < 64 ? len : 64), name, c->nodes[node].name);
	problem->follows = flo__doubted(c, FLO__DOUBT_NAMES, node);
	return FLO_NOTFOUND;
}

flo_status flo__view_output(struct flo__names *names, const char *name,
			    size_t len, uint32_t *node, unsigned *types,
			    struct flo__expr_problem *problem)
{
	const struct flo__compiler *c = ((struct flo__view *)names)->c;
	uint32_t child;

	if (name == NULL) {
		*types = types_of(c, *node);
		return FLO_OK;
	}
	if (types_of(c, *node) != (FLO_TYPES(NULL) | FLO_TYPES(MAP))) {
		*node = FLO__NODE_NONE;
		*types = FLO__TYPES_ANY;
		return FLO_OK;
	}
	child = flo__names_find(c, *node, name, len);
	if (child == FLO__NODE_NONE)
		return no_child(c, *node, name, len, problem);
	*node = child;
	*types = types_of(c, child);
	return FLO_OK;
}
