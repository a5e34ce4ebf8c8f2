#include "cli/graph.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* What a step of a group needs may be written after it, so names are kept
 * until all are there. */
struct collector {
	struct cli_graph *graph;
	const flo_value **needs; /* of each node, references; or NULL */
	size_t needs_cap;
};

static void *needed(void *mem)
{
	if (mem)
		return mem;
	cli_error("out of memory");
	exit(CLI_STORE);
}

static char *copy_of(const char *text)
{
	return needed(strdup(text));
}

__attribute__((format(printf, 1, 2))) static char *format(const char *form, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, form);
	len = vasprintf(&text, form, args);
	va_end(args);
	return needed(len < 0 ? NULL : text);
}

/* ---- the nodes, as they are told ---- */

static size_t add_node(struct cli_graph *graph)
{
	if (graph->len == graph->cap) {
		graph->cap = graph->cap ? graph->cap * 2 : 64;
		graph->nodes = needed(reallocarray(graph->nodes, graph->cap,
						   sizeof(*graph->nodes)));
	}
	graph->nodes[graph->len] = (struct cli_graph_node){
		.parent = CLI_GRAPH_NONE,
		.first = CLI_GRAPH_NONE,
		.last = CLI_GRAPH_NONE,
		.next = CLI_GRAPH_NONE,
	};
	return graph->len++;
}

/* The block for a step @depth levels deep: blocks that are not complete yet
 * are the last children of each other. */
static size_t open_block(const struct cli_graph *graph, int64_t depth)
{
	size_t at = 0;

	while (depth-- > 0 && graph->nodes[at].last != CLI_GRAPH_NONE)
		at = graph->nodes[at].last;
	return at;
}

static void link_child(struct cli_graph *graph, size_t parent, size_t child)
{
	struct cli_graph_node *up = &graph->nodes[parent];

	graph->nodes[child].parent = parent;
	if (up->last == CLI_GRAPH_NONE)
		up->first = child;
	else
		graph->nodes[up->last].next = child;
	up->last = child;
}

static void add_after(struct cli_graph *graph, size_t node, size_t before)
{
	struct cli_graph_node *n = &graph->nodes[node];

	n->after = needed(
		reallocarray(n->after, n->after_len + 1, sizeof(*n->after)));
	n->after[n->after_len++] = before;
	graph->nodes[before].is_needed = true;
}

static int64_t int_of(const flo_value *map, const char *key, int64_t none)
{
	const flo_value *value = map ? flo_value_map_get(map, key) : NULL;

	return value && flo_value_typeof(value) == FLO_VALUE_INT
		       ? flo_value_get_int(value)
		       : none;
}

/* "3 at once", or nothing where the run's limit is the only one. */
static char *limit_text(const flo_value *step)
{
	const flo_value *limit = flo_value_map_get(step, "limit");

	if (!limit || strcmp(cli_map_text(limit, "origin"), "own") != 0)
		return copy_of("");
	if (flo_value_map_get(limit, "value"))
		return format("%" PRId64 " at once", int_of(limit, "value", 0));
	return format("%s at once", cli_map_text(limit, "expr"));
}

/* "matrix os x bits: 4 combinations". */
static char *matrix_text(const flo_value *matrix)
{
	const flo_value *axes = flo_value_map_get(matrix, "axes");
	int64_t count = int_of(matrix, "count", -1);
	char *text = copy_of("matrix"), *longer;

	for (size_t i = 0; i < flo_value_len(axes); i++) {
		longer = format("%s%s%s", text, i ? " x " : " ",
				cli_map_text(flo_value_list_at(axes, i),
					     "name"));
		free(text);
		text = longer;
	}
	if (count < 0)
		return text;
	longer = format("%s: %" PRId64 " combination%s", text, count,
			count == 1 ? "" : "s");
	free(text);
	return longer;
}

static char *each_text(const flo_value *step)
{
	const flo_value *matrix = flo_value_map_get(step, "matrix");
	const flo_value *foreach = flo_value_map_get(step, "foreach");
	const char *expr = cli_map_text(foreach, "expr");
	char *limit = limit_text(step), *text;
	const char *comma = *limit ? ", " : "";

	if (!foreach && !matrix)
		return limit;
	if (matrix) {
		char *axes = matrix_text(matrix);

		text = format("%s%s%s", axes, comma, limit);
		free(axes);
	} else if (*expr)
		text = format("foreach %s of %s%s%s", cli_map_text(step, "as"),
			      expr, comma, limit);
	else
		text = format("foreach %s of %" PRId64 " item%s%s%s",
			      cli_map_text(step, "as"),
			      int_of(foreach, "count", 0),
			      int_of(foreach, "count", 0) == 1 ? "" : "s",
			      comma, limit);
	free(limit);
	return text;
}

static const char *what_text(const flo_value *step)
{
	const flo_value *exec = flo_value_map_get(step, "exec");

	if (exec && flo_value_len(exec))
		return flo_value_get_string(flo_value_list_at(exec, 0), NULL);
	return flo_value_map_get(step, "sh") ? "sh" : cli_map_text(step, "use");
}

static bool is_block(const flo_value *step)
{
	return !flo_value_map_get(step, "exec") &&
	       !flo_value_map_get(step, "sh") &&
	       !flo_value_map_get(step, "use");
}

static void keep_needs(struct collector *c, size_t node, const flo_value *step)
{
	const flo_value *needs = flo_value_map_get(step, "needs");

	if (!needs || !flo_value_len(needs))
		return;
	if (node >= c->needs_cap) {
		size_t cap = 2 * node + 64;

		c->needs =
			needed(reallocarray(c->needs, cap, sizeof(*c->needs)));
		memset(c->needs + c->needs_cap, 0,
		       (cap - c->needs_cap) * sizeof(*c->needs));
		c->needs_cap = cap;
	}
	c->needs[node] = flo_value_ref(needs);
}

static void fill(struct cli_graph_node *node, const flo_value *step)
{
	const char *title = cli_map_text(step, "title");
	const flo_value *when = flo_value_map_get(step, "when");
	const flo_value *call = flo_value_map_get(step, "pipeline");

	node->path = copy_of(cli_map_text(step, "path"));
	node->name = copy_of(cli_map_text(step, "name"));
	node->label = copy_of(*title ? title : node->name);
	node->what = call ? format("pipeline %s", cli_map_text(call, "file"))
			  : copy_of(what_text(step));
	node->each = each_text(step);
	node->when = copy_of(when ? cli_map_text(when, "expr") : "");
	node->is_block = is_block(step);
	node->is_finally = !strcmp(cli_map_text(step, "kind"), "finally");
	node->in_group = !strcmp(cli_map_text(step, "in"), "group");
	node->is_skipped = flo_value_map_get(step, "skipped") != NULL;
}

static void collect_step(struct collector *c, const flo_value *step)
{
	struct cli_graph *graph = c->graph;
	size_t at = add_node(graph);
	size_t parent = open_block(graph, int_of(step, "depth", 0));
	size_t previous = graph->nodes[parent].last;
	struct cli_graph_node *node = &graph->nodes[at];

	fill(node, step);
	link_child(graph, parent, at);
	if (node->in_group)
		keep_needs(c, at, step);
	else if (!node->is_finally && previous != CLI_GRAPH_NONE)
		add_after(graph, at, previous);
}

static void collect(flo_plan_part part, const flo_value *value, void *arg)
{
	struct collector *c = arg;
	struct cli_graph_node *root;
	size_t at;

	if (part == FLO_PLAN_STEP)
		collect_step(c, value);
	if (part != FLO_PLAN_RUN)
		return;
	at = add_node(c->graph);
	root = &c->graph->nodes[at];
	root->path = copy_of("");
	root->name = copy_of(cli_map_text(value, "pipeline"));
	root->label = copy_of(root->name);
	root->what = copy_of("");
	root->each = copy_of("");
	root->when = copy_of("");
	root->is_block = true;
	c->graph->about = copy_of(cli_map_text(value, "description"));
}

/* ---- what the members of groups need ---- */

struct named {
	size_t parent, node;
	const char *name;
};

static int by_name(const void *a, const void *b)
{
	const struct named *x = a, *y = b;

	if (x->parent != y->parent)
		return x->parent < y->parent ? -1 : 1;
	return strcmp(x->name, y->name);
}

static void link_needs(struct collector *c, const struct named *names,
		       size_t len, size_t node)
{
	const flo_value *needs = c->needs[node];

	for (size_t i = 0; needs && i < flo_value_len(needs); i++) {
		struct named key = {.parent = c->graph->nodes[node].parent,
				    .name = flo_value_get_string(
					    flo_value_list_at(needs, i), NULL)};
		const struct named *found =
			bsearch(&key, names, len, sizeof(key), by_name);

		if (found)
			add_after(c->graph, node, found->node);
	}
	flo_value_unref(needs);
}

static void resolve_needs(struct collector *c)
{
	struct cli_graph *graph = c->graph;
	struct named *names = needed(calloc(graph->len + 1, sizeof(*names)));
	size_t len = 0;

	for (size_t i = 0; i < graph->len; i++)
		if (graph->nodes[i].in_group)
			names[len++] = (struct named){graph->nodes[i].parent, i,
						      graph->nodes[i].name};
	qsort(names, len, sizeof(*names), by_name);
	for (size_t i = 0; i < graph->len && i < c->needs_cap; i++)
		link_needs(c, names, len, i);
	free(names);
	free(c->needs);
}

/* ---- the ends of blocks ---- */

/*
 * How far down each member of a group reaches, in @levels, which are 0 before:
 * its height below the deepest of those it comes after. Chains may be as long
 * as the group, so the walk has a stack of its own.
 */
static void level(const struct cli_graph *graph, size_t member, size_t *levels,
		  size_t *stack)
{
	size_t len = 0;

	stack[len++] = member;
	while (len) {
		const struct cli_graph_node *n = &graph->nodes[stack[len - 1]];
		size_t most = 0, open = CLI_GRAPH_NONE;

		for (size_t i = 0; i < n->after_len; i++) {
			if (!levels[n->after[i]])
				open = n->after[i];
			else if (levels[n->after[i]] > most)
				most = levels[n->after[i]];
		}
		if (open != CLI_GRAPH_NONE)
			stack[len++] = open;
		else
			levels[stack[--len]] = most + n->height;
	}
}

/*
 * An edge to or from a block is drawn to one of its leaves and clipped at its
 * border. The deepest leaf is its exit, or what comes after would be drawn
 * beside it.
 */
static void measure(struct cli_graph *graph, size_t at, size_t *levels,
		    size_t *stack)
{
	struct cli_graph_node *node = &graph->nodes[at];
	size_t last = 0;

	node->entry = node->exit = at;
	node->height = 1;
	for (size_t i = node->first; i != CLI_GRAPH_NONE;
	     i = graph->nodes[i].next) {
		const struct cli_graph_node *child = &graph->nodes[i];

		if (child->is_finally) {
			node->exit = child->exit;
			node->height = last + child->height;
			if (i == node->first)
				node->entry = child->entry;
			return;
		}
		level(graph, i, levels, stack);
		if (i == node->first)
			node->entry = child->entry;
		if (levels[i] > last) {
			last = levels[i];
			node->exit = child->exit;
			node->height = last;
		}
	}
}

static void measure_all(struct cli_graph *graph)
{
	size_t *levels = needed(calloc(graph->len, sizeof(*levels)));
	size_t *stack = needed(calloc(graph->len, sizeof(*stack)));

	for (size_t i = graph->len; i-- > 0;)
		measure(graph, i, levels, stack);
	free(levels);
	free(stack);
}

void cli_graph_edges(const struct cli_graph *graph,
		     void (*fn)(const struct cli_graph *graph, size_t from,
				size_t to, void *arg),
		     void *arg)
{
	for (size_t i = 0; i < graph->len; i++) {
		const struct cli_graph_node *node = &graph->nodes[i];

		for (size_t k = 0; k < node->after_len; k++)
			fn(graph, node->after[k], i, arg);
		if (!node->is_finally)
			continue;
		for (size_t k = graph->nodes[node->parent].first; k != i;
		     k = graph->nodes[k].next)
			if (!graph->nodes[k].is_needed)
				fn(graph, k, i, arg);
	}
}

flo_status cli_graph_collect(const flo_pipeline *pipeline,
			     const flo_value *params, flo_error *err,
			     struct cli_graph *graph)
{
	struct flo_plan_options plan = {.params = params};
	struct collector c = {.graph = graph};
	flo_status st = flo_pipeline_plan(pipeline, &plan, collect, &c, err);

	resolve_needs(&c);
	if (st == FLO_OK)
		measure_all(graph);
	else
		cli_graph_free(graph);
	return st;
}

void cli_graph_free(struct cli_graph *graph)
{
	for (size_t i = 0; i < graph->len; i++) {
		struct cli_graph_node *node = &graph->nodes[i];

		free(node->path);
		free(node->name);
		free(node->label);
		free(node->what);
		free(node->each);
		free(node->when);
		free(node->after);
	}
	free(graph->nodes);
	free(graph->about);
	*graph = (struct cli_graph){0};
}
