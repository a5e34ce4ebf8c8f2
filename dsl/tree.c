#include "dsl/compile_p.h"

#include <string.h>

static void build_children(struct flo__compiler *c, uint32_t parent,
			   uint32_t array);

/* A new node below @parent, made of the step @object. */
static uint32_t new_node(struct flo__compiler *c, uint32_t parent,
			 uint32_t object, enum flo__node_kind kind)
{
	struct flo__node *node;
	uint32_t line = 1;

	if (!flo__compile_grow(c, &c->nodes, c->nodes_len, &c->nodes_cap,
			       sizeof(*c->nodes)) ||
	    !flo__compile_grow(c, &c->places, c->nodes_len, &c->places_cap,
			       sizeof(*c->places)) ||
	    !flo__compile_grow(c, &c->unit_of, c->nodes_len, &c->unit_of_cap,
			       sizeof(*c->unit_of)))
		return FLO__NODE_NONE;
	if (object != FLO__DOC_NONE)
		line = flo__doc_line(&c->doc, c->doc.nodes[object].begin);
	node = &c->nodes[c->nodes_len];
	*node = (struct flo__node){
		.name = "",
		.parent = parent,
		.kind = (uint8_t)kind,
		.line = line,
	};
	c->places[c->nodes_len] = object;
	c->unit_of[c->nodes_len] = c->unit;
	return c->nodes_len++;
}

/* Give a leaf or block its record. */
static void new_spec(struct flo__compiler *c, uint32_t node)
{
	struct flo__node *n = &c->nodes[node];

	if (flo__node_is_block(n)) {
		if (!flo__compile_grow(c, &c->blocks, c->blocks_len,
				       &c->blocks_cap, sizeof(*c->blocks)))
			return;
		n->spec = c->blocks_len++;
		c->blocks[n->spec] = (struct flo__block){
			.finally = FLO__NODE_NONE,
			.finally_timeout_ns = 300 * UINT64_C(1000000000),
		};
		return;
	}
	if (!flo__compile_grow(c, &c->leaves, c->leaves_len, &c->leaves_cap,
			       sizeof(*c->leaves)))
		return;
	n->spec = c->leaves_len++;
	c->leaves[n->spec] = (struct flo__leaf){
		.output_limit = UINT64_C(16) << 20,
		.stop_signal = 15,
	};
}

/* Whether one more block may begin here; @key is the one that makes it. */
static bool enter_block(struct flo__compiler *c, uint32_t key)
{
	if (c->depth < FLO__PLAN_DEPTH_MAX) {
		c->depth++;
		return true;
	}
	flo__compile_error(c, TOO_DEEP, key, NULL,
			   "blocks nested deeper than %d", FLO__PLAN_DEPTH_MAX);
	return false;
}

uint32_t flo__tree_finally(struct flo__compiler *c, uint32_t node,
			   uint32_t *ret_timeout)
{
	uint32_t steps;

	*ret_timeout = FLO__DOC_NONE;
	if (c->doc.nodes[node].type == FLO__DOC_ARRAY)
		return node;
	if (c->doc.nodes[node].type != FLO__DOC_OBJECT) {
		flo__compile_error(c, WRONG_TYPE, node, NULL,
				   "`finally` is an array of steps, or an "
				   "object with `steps` and `timeout`");
		return FLO__DOC_NONE;
	}
	flo__keys_only(c, node, &flo__grammar_finally);
	*ret_timeout = flo__doc_get(&c->doc, node, "timeout");
	steps = flo__doc_get(&c->doc, node, "steps");
	if (steps == FLO__DOC_NONE)
		flo__compile_error(c, MISSING_KEY, node, NULL,
				   "`finally` needs `steps`");
	else if (flo__compile_is(c, steps, FLO__DOC_ARRAY, "`steps`"))
		return steps;
	return FLO__DOC_NONE;
}

/* The sequence of a block's `finally`. */
static void build_finally(struct flo__compiler *c, uint32_t block,
			  uint32_t value)
{
	uint32_t timeout;
	uint32_t steps = flo__tree_finally(c, value, &timeout);
	uint32_t node;

	if (steps == FLO__DOC_NONE || !enter_block(c, value - 1))
		return;
	node = new_node(c, block, FLO__DOC_NONE, FLO__NODE_SEQUENCE);
	if (node != FLO__NODE_NONE) {
		c->nodes[node].name = "finally";
		c->nodes[node].is_finally = true;
		c->nodes[node].line =
			flo__doc_line(&c->doc, c->doc.nodes[value].begin);
		new_spec(c, node);
		if (!c->nomem)
			c->blocks[c->nodes[block].spec].finally = node;
		build_children(c, node, steps);
	}
	c->depth--;
}

/* Which key says what the step does; the first of several. */
static uint32_t body_of(struct flo__compiler *c, uint32_t object,
			const struct flo__keys *keys, enum flo__key *ret_key)
{
	static const enum flo__key bodies[] = {
		FLO__KEY_EXEC,	   FLO__KEY_SH,	   FLO__KEY_USE,
		FLO__KEY_PIPELINE, FLO__KEY_STEPS, FLO__KEY_GROUP};
	uint32_t body = FLO__DOC_NONE;
	struct flo__span span = flo__doc_span(&c->doc, object);

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		uint32_t at = keys->at[bodies[i]];

		if (at == FLO__DOC_NONE)
			continue;
		if (body == FLO__DOC_NONE || at < body) {
			body = at;
			*ret_key = bodies[i];
		}
	}
	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		uint32_t at = keys->at[bodies[i]];

		if (at != FLO__DOC_NONE && at != body)
			flo__compile_error(
				c, CONFLICTING_KEYS, at - 1,
				"put them into two steps",
				"a step has only one of exec, sh, use, "
				"pipeline, steps and group; this has `%s` "
				"already",
				flo__key_text(*ret_key));
	}
	/* What it was meant to do has been asked about as an unknown key. */
	if (body != FLO__DOC_NONE || keys->misspelt)
		return body;
	span.end = span.begin + 1;
	flo__report_error(&c->report, FLO__CODE_MISSING_KEY, span, object,
			  "it needs one of exec, sh, use, pipeline, steps and "
			  "group",
			  "this step does nothing");
	return body;
}

/* The value of `foreach` or `matrix`, whichever there is; the first of both,
 * which is an error. */
static uint32_t items_of(struct flo__compiler *c, const struct flo__keys *keys)
{
	uint32_t foreach = keys->at[FLO__KEY_FOREACH];
	uint32_t matrix = keys->at[FLO__KEY_MATRIX];
	uint32_t first = foreach < matrix ? foreach : matrix;

	if (foreach == FLO__DOC_NONE || matrix == FLO__DOC_NONE)
		return first;
	flo__compile_error(c, CONFLICTING_KEYS,
			   (first == foreach ? matrix : foreach) - 1,
			   "a foreach over a foreach is a step with `foreach` "
			   "in the `steps` of another",
			   "a step has only one of foreach and matrix");
	return first;
}

/* The name of the step @object, "" if it has no good one. */
static const char *name_of(struct flo__compiler *c, uint32_t object,
			   const struct flo__keys *keys)
{
	uint32_t at = keys->at[FLO__KEY_NAME];
	struct flo__span span = flo__doc_span(&c->doc, object);
	const char *name = NULL;

	span.end = span.begin + 1;
	if (at == FLO__DOC_NONE)
		flo__report_error(&c->report, FLO__CODE_MISSING_KEY, span,
				  object,
				  "for example \"name\": \"fetch\": letters, "
				  "digits and _",
				  "this step has no `name`");
	else if (flo__compile_is(c, at, FLO__DOC_STRING, "`name`") &&
		 flo__name_check(c, at, "a step"))
		name = flo__compile_string(c, at);
	return name != NULL ? name : "";
}

static void check_duplicate(struct flo__compiler *c, uint32_t node,
			    uint32_t name)
{
	uint32_t first = flo__names_add(c, node);

	if (first == FLO__NODE_NONE)
		return;
	flo__compile_error(c, DUPLICATE_NAME, name,
			   "give one of them another name",
			   "there is a step \"%s\" here already, on line %u",
			   c->nodes[node].name, c->nodes[first].line);
}

static const char *title_of(struct flo__compiler *c, uint32_t at)
{
	size_t len;

	if (at == FLO__DOC_NONE)
		return NULL;
	if (c->doc.nodes[at].type == FLO__DOC_STRING) {
		flo__doc_string(&c->doc, at, &len);
		if (len > FLO__TITLE_LEN_MAX)
			flo__compile_error(c, BAD_VALUE, at, NULL,
					   "`title` may have %d bytes at most",
					   FLO__TITLE_LEN_MAX);
	}
	return flo__compile_plain(c, at, "`title`");
}

static enum flo__node_kind kind_of(enum flo__key body)
{
	switch (body) {
	case FLO__KEY_EXEC:
		return FLO__NODE_EXEC;
	case FLO__KEY_SH:
		return FLO__NODE_SH;
	case FLO__KEY_USE:
		return FLO__NODE_USE;
	case FLO__KEY_GROUP:
		return FLO__NODE_GROUP;
	default:
		return FLO__NODE_SEQUENCE;
	}
}

/* What is inside a leaf or block: its children, if it has any. */
static void build_inside(struct flo__compiler *c, uint32_t node,
			 enum flo__key key, uint32_t body)
{
	if (!flo__node_is_block(&c->nodes[node]))
		return;
	if (key == FLO__KEY_PIPELINE) {
		if (!enter_block(c, body - 1))
			return;
		flo__call_build(c, node, body);
		c->depth--;
		return;
	}
	if (!flo__compile_is(c, body, FLO__DOC_ARRAY,
			     key == FLO__KEY_GROUP ? "`group`" : "`steps`") ||
	    !enter_block(c, body - 1))
		return;
	build_children(c, node, body);
	c->depth--;
}

/* What the item of a foreach is called. */
static const char *as_of(struct flo__compiler *c, uint32_t node,
			 const struct flo__keys *keys)
{
	const char *const *taken = flo__shape_item_name.words;
	uint32_t at = keys->at[FLO__KEY_AS];

	if (at == FLO__DOC_NONE)
		return "item";
	if (!flo__compile_is(c, at, FLO__DOC_STRING, "`as`") ||
	    !flo__name_check(c, at, "an item")) {
		flo__doubt(c, FLO__DOUBT_AS, node);
		return "item";
	}
	for (size_t i = 0; taken[i] != NULL; i++) {
		if (!flo__doc_is(&c->doc, at, taken[i]))
			continue;
		flo__doubt(c, FLO__DOUBT_AS, node);
		flo__compile_error(c, BAD_NAME, at,
				   "call the item something else",
				   "\"%s\" is a variable already", taken[i]);
	}
	return flo__compile_string(c, at);
}

/* A foreach: the node of the whole, and below it that of every instance. */
static uint32_t build_foreach(struct flo__compiler *c, uint32_t parent,
			      uint32_t object, const struct flo__keys *keys)
{
	uint32_t node = new_node(c, parent, object, FLO__NODE_FOREACH);

	if (node == FLO__NODE_NONE ||
	    !flo__compile_grow(c, &c->children, c->children_len,
			       &c->children_cap, sizeof(*c->children)))
		return FLO__NODE_NONE;
	new_spec(c, node);
	if (c->nomem)
		return FLO__NODE_NONE;
	c->blocks[c->nodes[node].spec].as = as_of(c, node, keys);
	c->nodes[node].first_child = c->children_len++;
	c->nodes[node].children_len = 1;
	return node;
}

static void build_body(struct flo__compiler *c, uint32_t node, uint32_t object,
		       const struct flo__keys *keys, enum flo__key key,
		       uint32_t body)
{
	uint32_t inner;

	if (c->nodes[node].kind != FLO__NODE_FOREACH) {
		build_inside(c, node, key, body);
		return;
	}
	if (!enter_block(c, items_of(c, keys) - 1)) {
		c->nodes[node].children_len = 0;
		return;
	}
	inner = new_node(c, node, object, kind_of(key));
	if (inner != FLO__NODE_NONE) {
		c->nodes[inner].name = c->nodes[node].name;
		c->nodes[inner].is_body = true;
		c->children[c->nodes[node].first_child] = inner;
		new_spec(c, inner);
		if (!c->nomem)
			build_inside(c, inner, key, body);
	}
	c->depth--;
}

/* The node of the step @object, or NONE. */
static uint32_t build_step(struct flo__compiler *c, uint32_t parent,
			   uint32_t object)
{
	struct flo__keys keys;
	enum flo__key key = FLO__KEY_STEPS;
	const char *name;
	uint32_t body;
	uint32_t node;
	bool foreach;

	if (!flo__compile_is(c, object, FLO__DOC_OBJECT, "a step")) {
		flo__doubt(c, FLO__DOUBT_NAMES, parent);
		return FLO__NODE_NONE;
	}
	flo__keys_read(c, object, true, &keys);
	name = name_of(c, object, &keys);
	if (name[0] == '\0')
		flo__doubt(c, FLO__DOUBT_NAMES, parent);
	body = body_of(c, object, &keys, &key);
	if (body != FLO__DOC_NONE)
		flo__keys_check(c, &keys);
	foreach = body != FLO__DOC_NONE && (keys.where & IN_FOREACH) != 0;
	if (foreach) {
		node = build_foreach(c, parent, object, &keys);
	} else {
		node = new_node(c, parent, object, kind_of(key));
		if (node != FLO__NODE_NONE)
			new_spec(c, node);
	}
	if (node == FLO__NODE_NONE || c->nomem)
		return FLO__NODE_NONE;
	c->nodes[node].name = name;
	c->nodes[node].title = title_of(c, keys.at[FLO__KEY_TITLE]);
	if (name[0] != '\0')
		check_duplicate(c, node, keys.at[FLO__KEY_NAME]);
	if (body == FLO__DOC_NONE) {
		c->places[node] = FLO__DOC_NONE;
		return node;
	}
	build_body(c, node, object, &keys, key, body);
	if (!c->nomem && keys.at[FLO__KEY_FINALLY] != FLO__DOC_NONE &&
	    flo__node_is_block(&c->nodes[node]))
		build_finally(c, node, keys.at[FLO__KEY_FINALLY]);
	return node;
}

static void build_children(struct flo__compiler *c, uint32_t parent,
			   uint32_t array)
{
	uint32_t first = c->children_len;
	uint32_t n = c->doc.nodes[array].len;
	uint32_t len = 0;

	/* The slots come first, so that they lie side by side. */
	for (uint32_t i = 0; i < n; i++) {
		if (!flo__compile_grow(c, &c->children, c->children_len,
				       &c->children_cap, sizeof(*c->children)))
			return;
		c->children[c->children_len++] = FLO__NODE_NONE;
	}
	c->nodes[parent].first_child = first;
	for (uint32_t item = flo__doc_first(&c->doc, array);
	     item != FLO__DOC_NONE && !c->nomem;
	     item = c->doc.nodes[item].next) {
		uint32_t node = build_step(c, parent, item);

		if (node == FLO__NODE_NONE)
			continue;
		c->nodes[node].pos = len;
		c->children[first + len++] = node;
		/* Names that come later are looked up among these. */
		c->nodes[parent].children_len = len;
	}
}

void flo__tree_inside(struct flo__compiler *c, uint32_t node, uint32_t steps,
		      uint32_t finally)
{
	if (steps != FLO__DOC_NONE)
		build_children(c, node, steps);
	if (finally != FLO__DOC_NONE && !c->nomem)
		build_finally(c, node, finally);
}

void flo__tree_build(struct flo__compiler *c, uint32_t steps, uint32_t finally)
{
	uint32_t root =
		new_node(c, FLO__NODE_NONE, FLO__DOC_NONE, FLO__NODE_SEQUENCE);

	if (root == FLO__NODE_NONE)
		return;
	new_spec(c, root);
	if (!c->nomem)
		flo__tree_inside(c, root, steps, finally);
}
