#include "tests/sim/pipe.h"

#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEPTH_MAX 3

static enum pipe_style style;

__attribute__((format(printf, 2, 3))) static void add(struct pipe *pipe,
						      const char *format, ...)
{
	size_t room = sizeof(pipe->text) - pipe->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(pipe->text + pipe->len, room, format, args);
	va_end(args);
	CHECK(n >= 0 && (size_t)n < room);
	pipe->len += (size_t)n;
}

static int new_node(struct pipe *pipe, enum pipe_kind kind)
{
	struct pipe_node *node = &pipe->nodes[pipe->n];

	CHECK(pipe->n < PIPE_NODES_MAX);
	*node = (struct pipe_node){.kind = kind, .finally = PIPE_NONE};
	snprintf(node->name, sizeof(node->name), "n%u",
		 (unsigned)pipe->n % 1000);
	return pipe->n++;
}

/* Room for a block of leaves with a finally. */
static bool has_room(const struct pipe *pipe)
{
	return pipe->n + PIPE_CHILDREN_MAX * 2 < PIPE_NODES_MAX;
}

/* ---- keys ---- */

static void add_leaf(struct pipe *pipe, struct pipe_node *node)
{
	node->spread_ms = draw(20);
	node->percent = once_in(3) ? draw(60) : 0;
	node->retries = once_in(3) ? 1 + draw(3) : 0;
	add(pipe, ",'exec':['dice','%u','%u']", node->spread_ms, node->percent);
	if (node->retries > 0) {
		node->backoff_ms = draw(8);
		add(pipe, ",'retry':{'limit':%u,'backoff':'%ums'",
		    node->retries, node->backoff_ms);
		if (once_in(2))
			add(pipe, ",'factor':2,'max':'20ms'");
		/* Jitter is drawn anew by a resumed run. */
		if (once_in(2) && style == PIPE_WILD)
			add(pipe, ",'jitter':0.5");
		add(pipe, "}");
	}
	if (once_in(6)) {
		/* What takes no longer than its limit never reaches it. */
		node->timeout_ms = style == PIPE_WILD ? 1 + draw(20) : 1000;
		add(pipe, ",'timeout':'%ums'", node->timeout_ms);
	}
}

/* Of a group or foreach of @n. */
static void add_crew(struct pipe *pipe, struct pipe_node *node, unsigned n)
{
	static const char *const modes[] = {"cancel", "drain", "continue"};

	if (once_in(2)) {
		node->limit = 1 + draw(n);
		add(pipe, ",'limit':%u", node->limit);
	}
	node->mode =
		style == PIPE_WILD ? (enum pipe_mode)draw(3) : PIPE_CONTINUE;
	if (node->mode != PIPE_CANCEL || once_in(2))
		add(pipe, ",'on_error':'%s'", modes[node->mode]);
	if (once_in(4)) {
		node->max_failures = draw(n);
		add(pipe, ",'max_failures':%u", node->max_failures);
	}
}

/* What any step of a block may say; not what an item's node says. */
static void add_common(struct pipe *pipe, struct pipe_node *node)
{
	if (once_in(10)) {
		node->never = true;
		add(pipe, ",'when':'params.no'");
	}
	/* Where order decides, what fails must not end others: only leaves
	 * that nobody minds may fail in a settled sequence. */
	if (once_in(style == PIPE_WILD ? 8 : 2)) {
		node->allow_failure = true;
		add(pipe, ",'allow_failure':true");
	}
}

static void add_timeout(struct pipe *pipe, struct pipe_node *node)
{
	if (style != PIPE_WILD || !once_in(8))
		return;
	node->timeout_ms = 1 + draw(60);
	pipe->block_limits = true;
	add(pipe, ",'timeout':'%ums'", node->timeout_ms);
}

static void add_finally(struct pipe *pipe, int id)
{
	int leaf;

	if (!once_in(5))
		return;
	leaf = new_node(pipe, PIPE_LEAF);
	pipe->nodes[id].finally = leaf;
	add(pipe, ",'finally':[{'name':'%s'", pipe->nodes[leaf].name);
	add_leaf(pipe, &pipe->nodes[leaf]);
	add(pipe, "}]");
}

/* ---- the tree ---- */

static void add_body(struct pipe *pipe, int id, unsigned depth);

static enum pipe_kind draw_kind(const struct pipe *pipe, unsigned depth)
{
	if (depth >= DEPTH_MAX || !has_room(pipe) || once_in(2))
		return PIPE_LEAF;
	return (enum pipe_kind)(1 + draw(3));
}

static void add_needs(struct pipe *pipe, struct pipe_node *node,
		      const struct pipe_node *block, unsigned pos)
{
	const char *comma = "";

	node->needs = draw(1u << pos) & draw(1u << pos);
	if (node->needs == 0)
		return;
	add(pipe, ",'needs':[");
	for (unsigned i = 0; i < pos; i++) {
		if (!(node->needs >> i & 1))
			continue;
		add(pipe, "%s'%s'", comma,
		    pipe->nodes[block->children[i]].name);
		comma = ",";
	}
	add(pipe, "]");
}

static void add_step(struct pipe *pipe, int block, unsigned pos, bool needs,
		     unsigned depth)
{
	int id = new_node(pipe, draw_kind(pipe, depth));

	pipe->nodes[block].children[pos] = id;
	pipe->nodes[block].nchildren = pos + 1;
	add(pipe, "%s{'name':'%s'", pos > 0 ? "," : "", pipe->nodes[id].name);
	if (needs && pos > 0)
		add_needs(pipe, &pipe->nodes[id], &pipe->nodes[block], pos);
	add_common(pipe, &pipe->nodes[id]);
	add_body(pipe, id, depth);
	if (pipe->nodes[id].kind != PIPE_LEAF)
		add_finally(pipe, id);
	add(pipe, "}");
}

static void add_children(struct pipe *pipe, int id, bool needs, unsigned depth)
{
	unsigned n = 1 + draw(PIPE_CHILDREN_MAX - 1);

	add(pipe, ",'%s':[",
	    pipe->nodes[id].kind == PIPE_GROUP ? "group" : "steps");
	for (unsigned i = 0; i < n && (i == 0 || has_room(pipe)); i++)
		add_step(pipe, id, i, needs, depth + 1);
	add(pipe, "]");
}

static void add_each(struct pipe *pipe, int id, unsigned depth)
{
	struct pipe_node *node = &pipe->nodes[id];
	int body;

	node->items = 1 + draw(5);
	add(pipe, ",'foreach':[0");
	for (unsigned i = 1; i < node->items; i++)
		add(pipe, ",%u", i);
	add(pipe, "]");
	add_crew(pipe, node, node->items);
	body = new_node(pipe, once_in(2) ? PIPE_LEAF : PIPE_SEQUENCE);
	pipe->nodes[body].name[0] = '\0';
	node->children[0] = body;
	node->nchildren = 1;
	if (pipe->nodes[body].kind == PIPE_LEAF)
		add_leaf(pipe, &pipe->nodes[body]);
	else
		add_children(pipe, body, false, depth);
}

static void add_body(struct pipe *pipe, int id, unsigned depth)
{
	struct pipe_node *node = &pipe->nodes[id];

	switch (node->kind) {
	case PIPE_LEAF:
		add_leaf(pipe, node);
		break;
	case PIPE_SEQUENCE:
		add_timeout(pipe, node);
		add_children(pipe, id, false, depth);
		break;
	case PIPE_GROUP:
		add_timeout(pipe, node);
		add_children(pipe, id, once_in(2), depth);
		add_crew(pipe, node, node->nchildren);
		break;
	case PIPE_EACH:
		add_each(pipe, id, depth);
		break;
	}
}

void pipe_draw(struct pipe *pipe, enum pipe_style how)
{
	int root;

	style = how;
	pipe->n = 0;
	pipe->len = 0;
	pipe->limit = once_in(3) ? 1 + draw(5) : 0;
	pipe->block_limits = false;
	root = new_node(pipe, PIPE_SEQUENCE);
	add(pipe,
	    "{'name':'p','params':{'no':{'type':'boolean','default':false}}");
	if (pipe->limit > 0)
		add(pipe, ",'limit':%u", pipe->limit);
	add_timeout(pipe, &pipe->nodes[root]);
	add_children(pipe, root, false, 0);
	add_finally(pipe, root);
	add(pipe, ",'output':'${{ params.no }}'}");
}
