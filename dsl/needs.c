#include "dsl/compile_p.h"

#include "base/alloc.h"
#include "base/strbuf.h"

#include <string.h>

#define CYCLE_SHOWN_MAX 10

static void add_edge(struct flo__compiler *c, uint32_t node, uint32_t to)
{
	if (!flo__compile_grow(c, &c->edges, c->edges_len, &c->edges_cap,
			       sizeof(*c->edges)))
		return;
	c->edges[c->edges_len++] = to;
	c->nodes[node].deps_len++;
}

static bool has_dep(const struct flo__compiler *c, uint32_t node, uint32_t dep)
{
	const struct flo__node *n = &c->nodes[node];

	for (uint32_t i = 0; i < n->deps_len; i++) {
		if (c->edges[n->first_dep + i] == dep)
			return true;
	}
	return false;
}

/* One name in `needs`. @quick: so many that doubles are not looked for. */
static void read_need(struct flo__compiler *c, uint32_t node, uint32_t item,
		      bool quick)
{
	uint32_t parent = c->nodes[node].parent;
	uint32_t dep;
	char hint[96];
	const char *name;
	size_t len;
	size_t at;
	int shown;

	if (!flo__compile_is(c, item, FLO__DOC_STRING, "an item of `needs`") ||
	    (flo__compile_has_template(c, item, &at) &&
	     flo__compile_plain(c, item, "an item of `needs`") == NULL)) {
		flo__doubt(c, FLO__DOUBT_NEEDS, parent);
		return;
	}
	name = flo__doc_string(&c->doc, item, &len);
	shown = (int)(len < 64 ? len : 64);
	dep = flo__names_find(c, parent, name, len);
	if (dep == FLO__NODE_NONE)
		flo__doubt(c, FLO__DOUBT_NEEDS, parent);
	if (dep == FLO__NODE_NONE && flo__doubted(c, FLO__DOUBT_NAMES, parent))
		return;
	if (dep == FLO__NODE_NONE) {
		flo__compile_error(c, UNKNOWN_STEP, item,
				   flo__names_hint(c, parent, name, len, hint,
						   sizeof(hint)),
				   "step \"%.*s\" is not defined in this group",
				   shown, name);
		return;
	}
	if (!quick && has_dep(c, node, dep)) {
		flo__compile_error(c, BAD_VALUE, item, NULL,
				   "step \"%.*s\" is needed twice", shown,
				   name);
		return;
	}
	add_edge(c, node, dep);
}

static void read_needs(struct flo__compiler *c, uint32_t node)
{
	const struct flo__node *n = &c->nodes[node];
	uint32_t needs;

	c->nodes[node].first_dep = c->edges_len;
	if (c->places[node] == FLO__DOC_NONE || n->is_body)
		return;
	flo__unit_enter_of(c, node);
	needs = flo__doc_get(&c->doc, c->places[node], "needs");
	if (needs == FLO__DOC_NONE)
		return;
	if (c->nodes[n->parent].kind != FLO__NODE_GROUP) {
		flo__compile_error(c, MISPLACED_KEY, needs - 1,
				   "in a sequence every step needs the one "
				   "before it",
				   "`needs` is for the steps of a `group`");
		return;
	}
	if (!flo__compile_is(c, needs, FLO__DOC_ARRAY, "`needs`")) {
		flo__doubt(c, FLO__DOUBT_NEEDS, n->parent);
		return;
	}
	for (uint32_t item = flo__doc_first(&c->doc, needs);
	     item != FLO__DOC_NONE; item = c->doc.nodes[item].next)
		read_need(c, node, item, c->doc.nodes[needs].len > 200);
}

/* The same edges from the other end, in the order of the nodes. */
static void add_successors(struct flo__compiler *c)
{
	uint32_t deps = c->edges_len;
	uint32_t at = deps;

	for (uint32_t i = 0; i < deps; i++) {
		c->nodes[c->edges[i]].succs_len++;
		if (!flo__compile_grow(c, &c->edges, c->edges_len,
				       &c->edges_cap, sizeof(*c->edges)))
			return;
		c->edges[c->edges_len++] = FLO__NODE_NONE;
	}
	for (uint32_t i = 0; i < c->nodes_len; i++) {
		c->nodes[i].first_succ = at;
		at += c->nodes[i].succs_len;
		c->nodes[i].succs_len = 0;
	}
	for (uint32_t i = 0; i < c->nodes_len; i++) {
		const struct flo__node *n = &c->nodes[i];

		for (uint32_t k = 0; k < n->deps_len; k++) {
			struct flo__node *dep =
				&c->nodes[c->edges[n->first_dep + k]];

			c->edges[dep->first_succ + dep->succs_len++] = i;
		}
	}
}

/* The item of @node's `needs` that names @dep. */
static uint32_t need_item(struct flo__compiler *c, uint32_t node, uint32_t dep)
{
	uint32_t needs = flo__doc_get(&c->doc, c->places[node], "needs");

	for (uint32_t item = flo__doc_first(&c->doc, needs);
	     item != FLO__DOC_NONE; item = c->doc.nodes[item].next) {
		if (flo__doc_is(&c->doc, item, c->nodes[dep].name))
			return item;
	}
	return needs;
}

/* Report the cycle that goes from @first by @next back to @first. */
static void report_cycle(struct flo__compiler *c, uint32_t first,
			 const uint32_t *next)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	uint32_t node = first;
	unsigned shown = 0;

	/* Begin with the one that is written first. */
	for (uint32_t i = next[first]; i != first; i = next[i]) {
		if (i < node)
			node = i;
	}
	first = node;
	do {
		if (shown++ < CYCLE_SHOWN_MAX)
			flo__strbuf_addf(&sb, "%s -> ", c->nodes[node].name);
		node = next[node];
	} while (node != first);
	if (shown > CYCLE_SHOWN_MAX)
		flo__strbuf_addf(&sb, "... (%u steps) -> ", shown);
	flo__strbuf_adds(&sb, c->nodes[first].name);
	c->nomem |= sb.failed;
	flo__unit_enter_of(c, first);
	flo__doubt(c, FLO__DOUBT_NEEDS, c->nodes[first].parent);
	flo__compile_error(c, CYCLE, need_item(c, first, next[first]),
			   "one of these needs must go",
			   "steps need each other in a cycle: %s", sb.data);
	flo__strbuf_fini(&sb);
}

/*
 * Kahn's algorithm takes away what has no needs left; each node that remains
 * needs another that remains. Following these ends in a cycle.
 */
struct order {
	uint32_t *left;	 /* needs not taken away yet; 0: taken away */
	uint32_t *next;	 /* a need of the node that remains */
	uint32_t *queue; /* nodes to take away; then marks of a walk */
};

uint32_t flo__needs_order(const struct flo__compiler *c, uint32_t *left,
			  uint32_t *order)
{
	uint32_t len = 0;

	for (uint32_t i = 0; i < c->nodes_len; i++) {
		left[i] = c->nodes[i].deps_len;
		if (left[i] == 0)
			order[len++] = i;
	}
	for (uint32_t at = 0; at < len; at++) {
		const struct flo__node *n = &c->nodes[order[at]];

		for (uint32_t k = 0; k < n->succs_len; k++) {
			uint32_t succ = c->edges[n->first_succ + k];

			if (--left[succ] == 0)
				order[len++] = succ;
		}
	}
	return len;
}

static void find_cycles(struct flo__compiler *c, struct order *o)
{
	uint32_t *mark = o->queue;

	memset(mark, 0, c->nodes_len * sizeof(*mark));
	for (uint32_t i = 0; i < c->nodes_len; i++) {
		const struct flo__node *n = &c->nodes[i];

		for (uint32_t k = 0; k < n->deps_len && o->left[i] != 0; k++) {
			uint32_t dep = c->edges[n->first_dep + k];

			if (o->left[dep] != 0)
				o->next[i] = dep;
		}
	}
	for (uint32_t i = 0; i < c->nodes_len; i++) {
		uint32_t node = i;

		/* Walk until a node that this or an earlier walk has seen. */
		while (o->left[node] != 0 && mark[node] == 0) {
			mark[node] = i + 1;
			node = o->next[node];
		}
		if (o->left[node] != 0 && mark[node] == i + 1)
			report_cycle(c, node, o->next);
	}
}

static void check_cycles(struct flo__compiler *c)
{
	size_t n = c->nodes_len;
	uint32_t *mem = flo__calloc(3 * n, sizeof(*mem));
	struct order o;

	if (mem == NULL) {
		c->nomem = true;
		return;
	}
	o = (struct order){mem, mem + n, mem + 2 * n};
	if (flo__needs_order(c, o.left, o.queue) != n)
		find_cycles(c, &o);
	flo__free(mem);
}

void flo__needs_link(struct flo__compiler *c)
{
	for (uint32_t i = 0; i < c->nodes_len && !c->nomem; i++)
		read_needs(c, i);
	if (!c->nomem)
		add_successors(c);
	if (!c->nomem && c->edges_len != 0)
		check_cycles(c);
}
