#include "dsl/outline_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/time.h"

#include <stdio.h>
#include <string.h>

/* Delays of a retry that are told one by one. */
#define DELAYS_MAX 8

/* What a step has from the blocks around it. The path of a block is how the
 * paths of all in it begin, so a length of the path is enough to name it. */
struct around {
	const struct flo__node *parent;
	uint32_t previous; /* the sibling before it, or FLO__NODE_NONE */
	size_t parent_len;
	uint64_t depth;
	bool skipped;	     /* something around it is */
	uint64_t timeout_ns; /* the smallest that is known; 0: none */
	const char *origin;  /* of that: "run", "block", "finally" */
	size_t of_len;	     /* the path of the block that has it */
	uint32_t written;    /* it, in the document */
};

void flo__outline_put(struct flo__outline *o, flo_value *map, const char *key,
		      flo_value *value)
{
	flo_status st;

	if (map == NULL || value == NULL || o->st != FLO_OK) {
		flo_value_unref(value);
		if (o->st == FLO_OK)
			o->st = FLO_NOMEM;
		return;
	}
	st = flo_value_map_set(map, key, value);
	if (o->st == FLO_OK)
		o->st = st;
}

static void add(struct flo__outline *o, flo_value *list, flo_value *item)
{
	if (list == NULL || o->st != FLO_OK) {
		flo_value_unref(item);
		if (o->st == FLO_OK)
			o->st = FLO_NOMEM;
		return;
	}
	o->st = flo_value_list_add(list, item);
}

static void put_path(struct flo__outline *o, flo_value *map, const char *key,
		     size_t len)
{
	flo__outline_put(o, map, key, flo_value_stringn(o->path.data, len));
}

static uint32_t get(struct flo__outline *o, uint32_t object, const char *name)
{
	if (object == FLO__DOC_NONE ||
	    o->doc.nodes[object].type != FLO__DOC_OBJECT)
		return FLO__DOC_NONE;
	return flo__doc_get(&o->doc, object, name);
}

/* A value as it stands in the document. Compiled ones nest 128 deep at most. */
static flo_value *as_written(struct flo__outline *o, uint32_t node)
{
	const struct flo__doc_node *n = &o->doc.nodes[node];
	bool list = n->type == FLO__DOC_ARRAY;
	flo_value *value;

	if (!list && n->type != FLO__DOC_OBJECT)
		return flo__doc_scalar(&o->doc, node);
	value = list ? flo_value_list(n->len) : flo_value_map(n->len);
	for (uint32_t item = flo__doc_first(&o->doc, node);
	     item != FLO__DOC_NONE && o->st == FLO_OK;
	     item = o->doc.nodes[item].next) {
		if (list)
			add(o, value, as_written(o, item));
		else if (value == NULL)
			o->st = FLO_NOMEM;
		else
			o->st = flo_value_map_add(
				value, flo__doc_scalar(&o->doc, item),
				as_written(o, flo__doc_value(item)));
	}
	if (o->st == FLO_OK)
		return value;
	flo_value_unref(value);
	return NULL;
}

void flo__outline_put_doc(struct flo__outline *o, flo_value *map,
			  const char *key, uint32_t node)
{
	if (node != FLO__DOC_NONE)
		flo__outline_put(o, map, key, as_written(o, node));
}

void flo__outline_put_names(struct flo__outline *o, flo_value *map,
			    const char *key, uint32_t object)
{
	flo_value *list;

	if (object == FLO__DOC_NONE || o->doc.nodes[object].len == 0)
		return;
	list = flo_value_list(o->doc.nodes[object].len);
	for (uint32_t at = flo__doc_first(&o->doc, object); at != FLO__DOC_NONE;
	     at = o->doc.nodes[at].next)
		add(o, list, flo__doc_scalar(&o->doc, at));
	flo__outline_put(o, map, key, list);
}

/* As pipelines write it, exact down to milliseconds: "1h30m", "250ms". */
static void duration_text(uint64_t ns, char *ret, size_t size)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {
		{"d", 86400 * FLO__NS_PER_S}, {"h", 3600 * FLO__NS_PER_S},
		{"m", 60 * FLO__NS_PER_S},    {"s", FLO__NS_PER_S},
		{"ms", FLO__NS_PER_MS},
	};
	size_t len = 0;

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (ns / units[i].ns == 0)
			continue;
		len += (size_t)snprintf(ret + len, size - len, "%llu%s",
					(unsigned long long)(ns / units[i].ns),
					units[i].unit);
		ns %= units[i].ns;
	}
	if (len == 0)
		snprintf(ret, size, "0s");
}

/* A text that is written without a template, which is how people know it. */
static bool is_plain(struct flo__outline *o, uint32_t node)
{
	const char *text;
	size_t len;

	if (node == FLO__DOC_NONE || o->doc.nodes[node].type != FLO__DOC_STRING)
		return false;
	text = flo__doc_string(&o->doc, node, &len);
	return memmem(text, len, "${{", 3) == NULL;
}

flo_value *flo__outline_duration(struct flo__outline *o, uint64_t ns,
				 uint32_t written)
{
	flo_value *map = flo_value_map(4);
	char text[64];

	duration_text(ns, text, sizeof(text));
	if (written != FLO__DOC_NONE &&
	    (ns == FLO__OUTLINE_MANY || is_plain(o, written)))
		flo__outline_put_doc(o, map, "text", written);
	else
		flo__outline_put(o, map, "text", flo_value_string(text));
	if (ns != FLO__OUTLINE_MANY)
		flo__outline_put(o, map, "seconds",
				 flo_value_double((double)ns / 1e9));
	return map;
}

void flo__outline_put_errors(struct flo__outline *o, flo_value *map,
			     uint32_t object)
{
	flo__outline_put_doc(o, map, "on_error", get(o, object, "on_error"));
	flo__outline_put_doc(o, map, "max_failures",
			     get(o, object, "max_failures"));
}

/* ---- what holds a step back ---- */

/* {"expr", "value" or "error"} of something that may be known. */
static void put_known(struct flo__outline *o, flo_value *map, const char *key,
		      const struct flo__expr *expr, enum flo__known_state state,
		      uint32_t written, flo_value *value)
{
	flo_value *entry = flo_value_map(3);
	flo_error err = FLO_ERROR_INIT;
	flo_value *none = NULL;

	if (is_plain(o, written))
		flo__outline_put_doc(o, entry, "expr", written);
	if (state == FLO__KNOWN_YES)
		flo__outline_put(o, entry,
				 strcmp(key, "when") == 0 ? "value" : "count",
				 value);
	else
		flo_value_unref(value);
	if (state == FLO__KNOWN_ERROR && o->st == FLO_OK) {
		o->st = flo__known_eval(&o->known, expr, &err, &state, &none);
		flo_value_unref(none);
		flo__outline_put(o, entry, "error", flo_value_string(err.text));
	}
	flo__outline_put(o, map, key, entry);
}

static void put_when(struct flo__outline *o, flo_value *map, uint32_t id,
		     uint32_t object)
{
	const struct flo__node *node = &o->plan->nodes[id];
	const struct flo__expr *when = o->plan->attrs[node->attrs].when;
	const struct flo__size *size = &o->sizes[id];

	if (when != NULL)
		put_known(o, map, "when", when,
			  (enum flo__known_state)size->when,
			  get(o, object, "when"),
			  flo_value_bool(!size->skipped));
}

static void put_items(struct flo__outline *o, flo_value *map, uint32_t id,
		      uint32_t object)
{
	const struct flo__block *block =
		&o->plan->blocks[o->plan->nodes[id].spec];
	const struct flo__size *size = &o->sizes[id];
	bool counted = size->items != FLO__OUTLINE_MANY;

	flo__outline_put(o, map, "as",
			 flo_value_string(block->as != NULL ? block->as
							    : "item"));
	put_known(o, map, "foreach", block->items,
		  counted ? FLO__KNOWN_YES
			  : (enum flo__known_state)size->items_state,
		  get(o, object, "foreach"),
		  counted ? flo_value_int((int64_t)size->items) : NULL);
}

static void put_needs(struct flo__outline *o, flo_value *map,
		      const struct flo__node *node, const struct around *up)
{
	const struct flo__plan *plan = o->plan;
	flo_value *list = flo_value_list(node->deps_len);

	for (uint32_t i = 0; i < node->deps_len; i++)
		add(o, list,
		    flo_value_string(
			    plan->nodes[plan->edges[node->first_dep + i]]
				    .name));
	if (up->previous != FLO__NODE_NONE)
		add(o, list, flo_value_string(plan->nodes[up->previous].name));
	flo__outline_put(o, map, "needs", list);
}

/* How many of its members a group or foreach runs at once. */
static void put_limit(struct flo__outline *o, flo_value *map,
		      const struct flo__node *node, uint32_t object)
{
	uint32_t written = get(o, object, "limit");
	flo_value *entry;
	uint64_t n;
	bool own;

	if (node->kind != FLO__NODE_GROUP && node->kind != FLO__NODE_FOREACH)
		return;
	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known,
					  &o->plan->blocks[node->spec].limit,
					  false, &n);
	if (o->st != FLO_OK)
		return;
	own = n != 0 && (n <= o->limit || n == FLO__OUTLINE_MANY);
	if (!own) {
		n = o->limit;
		written = flo__doc_get(&o->doc, 0, "limit");
	}
	entry = flo_value_map(2);
	if (n == FLO__OUTLINE_MANY)
		flo__outline_put_doc(o, entry, "expr", written);
	else
		flo__outline_put(o, entry, "value", flo_value_int((int64_t)n));
	flo__outline_put(o, entry, "origin",
			 flo_value_string(own ? "own" : "run"));
	flo__outline_put(o, map, "limit", entry);
}

/* ---- time limits ---- */

static flo_value *enclosing_timeout(struct flo__outline *o,
				    const struct around *up)
{
	flo_value *entry =
		flo__outline_duration(o, up->timeout_ns, up->written);

	flo__outline_put(o, entry, "origin", flo_value_string(up->origin));
	if (up->of_len != 0)
		put_path(o, entry, "of", up->of_len);
	return entry;
}

/*
 * The time limit that binds, with its origin: the smallest of the step's own
 * and those around it. One that is not known is told beside the smallest that
 * is. @leaf: the step is one, which takes over `defaults` and is bound by what
 * is around it; a block only tells its own. *@ret_ns gets its own.
 */
static void put_timeout(struct flo__outline *o, flo_value *map,
			const struct flo__node *node, uint32_t object,
			const struct around *up, uint64_t *ret_ns)
{
	uint32_t written = get(o, object, "timeout");
	bool leaf = !flo__node_is_block(node);
	const char *origin = written != FLO__DOC_NONE ? "own" : "defaults";
	flo_value *entry;
	uint64_t ns;

	if (o->st == FLO_OK)
		o->st = flo__known_number(&o->known,
					  &o->plan->attrs[node->attrs].timeout,
					  true, &ns);
	if (o->st != FLO_OK)
		return;
	*ret_ns = ns;
	if (written == FLO__DOC_NONE)
		written = get(o, get(o, 0, "defaults"), "timeout");
	if (ns == 0 || (up->timeout_ns != 0 && up->timeout_ns < ns &&
			ns != FLO__OUTLINE_MANY)) {
		if (up->timeout_ns != 0 && (leaf || ns != 0))
			flo__outline_put(o, map, "timeout",
					 enclosing_timeout(o, up));
		return;
	}
	entry = flo__outline_duration(o, ns, written);
	flo__outline_put(o, entry, "origin", flo_value_string(origin));
	if (ns == FLO__OUTLINE_MANY && up->timeout_ns != 0)
		flo__outline_put(o, entry, "at_most", enclosing_timeout(o, up));
	flo__outline_put(o, map, "timeout", entry);
}

/* ---- what a leaf does ---- */

static void put_exec(struct flo__outline *o, flo_value *map,
		     const struct flo__leaf *leaf, uint32_t exec)
{
	flo_value *list = flo_value_list(leaf->argv_len);
	uint32_t at = exec != FLO__DOC_NONE ? flo__doc_first(&o->doc, exec)
					    : FLO__DOC_NONE;

	for (uint32_t i = 0; i < leaf->argv_len; i++) {
		const flo_value *known = leaf->argv[i]->constant;

		if (known != NULL)
			add(o, list, flo_value_ref(known));
		else if (at != FLO__DOC_NONE)
			add(o, list, flo__doc_scalar(&o->doc, at));
		if (at != FLO__DOC_NONE)
			at = o->doc.nodes[at].next;
	}
	flo__outline_put(o, map, "exec", list);
}

static void put_sh(struct flo__outline *o, flo_value *map,
		   const struct flo__leaf *leaf, uint32_t object)
{
	const flo_value *script = leaf->argv[leaf->argv_len - 1]->constant;

	flo__outline_put(o, map, "sh", flo_value_ref(script));
	flo__outline_put_doc(o, map, "shell", get(o, object, "shell"));
}

static void put_use(struct flo__outline *o, flo_value *map,
		    const struct flo__leaf *leaf, uint32_t object)
{
	flo__outline_put_doc(o, map, "use", get(o, object, "use"));
	if (leaf->with != NULL && leaf->with->constant != NULL)
		flo__outline_put(o, map, "with",
				 flo_value_ref(leaf->with->constant));
	else
		flo__outline_put_doc(o, map, "with", get(o, object, "with"));
}

/* The waits before the second attempt, the third, and so on, without jitter. */
static flo_value *delays(struct flo__outline *o, const struct flo__retry *retry,
			 uint64_t limit)
{
	flo_value *list = flo_value_list(DELAYS_MAX);
	double ns = (double)retry->backoff_ns;
	char text[64];

	for (uint64_t i = 0; i < limit && i < DELAYS_MAX; i++) {
		if (retry->max_ns != 0 && ns > (double)retry->max_ns)
			ns = (double)retry->max_ns;
		if (ns > 1e18)
			ns = 1e18;
		duration_text((uint64_t)ns, text, sizeof(text));
		add(o, list, flo_value_string(text));
		ns *= retry->factor;
	}
	return list;
}

static void put_retry(struct flo__outline *o, flo_value *map,
		      const struct flo__retry *retry, uint32_t object)
{
	uint32_t written = get(o, object, "retry");
	flo_value *entry;
	uint64_t limit;

	if (retry == NULL || o->st != FLO_OK)
		return;
	if (written == FLO__DOC_NONE)
		written = get(o, get(o, 0, "defaults"), "retry");
	o->st = flo__known_number(&o->known, &retry->limit, false, &limit);
	entry = flo_value_map(5);
	if (limit == FLO__OUTLINE_MANY)
		flo__outline_put_doc(o, entry, "limit",
				     get(o, written, "limit"));
	else
		flo__outline_put(o, entry, "limit",
				 flo_value_int((int64_t)limit));
	if (retry->backoff_ns != 0)
		flo__outline_put(o, entry, "delays", delays(o, retry, limit));
	if (retry->jitter > 0)
		flo__outline_put(o, entry, "jitter",
				 flo_value_double(retry->jitter));
	flo__outline_put_doc(o, entry, "when", get(o, written, "when"));
	flo__outline_put(o, map, "retry", entry);
}

static void put_leaf(struct flo__outline *o, flo_value *map,
		     const struct flo__node *node, uint32_t object)
{
	static const char *const keys[] = {"stdin", "output", "output_limit",
					   "exit_ok", "stop_signal"};
	const struct flo__leaf *leaf = &o->plan->leaves[node->spec];

	if (node->kind == FLO__NODE_EXEC)
		put_exec(o, map, leaf, get(o, object, "exec"));
	else if (node->kind == FLO__NODE_SH)
		put_sh(o, map, leaf, object);
	else
		put_use(o, map, leaf, object);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		flo__outline_put_doc(o, map, keys[i], get(o, object, keys[i]));
	put_retry(o, map, leaf->retry, object);
	o->native |= node->kind == FLO__NODE_USE;
}

/* ---- the walk ---- */

static const char *kind_text(const struct flo__node *node)
{
	static const char *const kinds[] = {"exec",	"sh",	 "use",
					    "sequence", "group", "foreach"};

	if (node->is_finally)
		return "finally";
	return node->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[node->kind]
							     : "step";
}

static void tell_children(struct flo__outline *o, uint32_t id, uint32_t array,
			  const struct around *in);

static void put_head(struct flo__outline *o, flo_value *map, uint32_t id,
		     uint32_t object, const struct around *up)
{
	const struct flo__node *node = &o->plan->nodes[id];

	put_path(o, map, "path", o->path.len);
	flo__outline_put(o, map, "name", flo_value_string(node->name));
	if (node->title != NULL)
		flo__outline_put(o, map, "title",
				 flo_value_string(node->title));
	flo__outline_put(o, map, "kind", flo_value_string(kind_text(node)));
	put_path(o, map, "parent", up->parent_len);
	flo__outline_put(o, map, "depth", flo_value_int((int64_t)up->depth));
	flo__outline_put(o, map, "in",
			 flo_value_string(up->parent->kind == FLO__NODE_GROUP
						  ? "group"
						  : "sequence"));
	flo__outline_put(o, map, "position", flo_value_int(node->pos + 1));
	flo__outline_put(o, map, "line", flo_value_int(node->line));
	put_needs(o, map, node, up);
	put_when(o, map, id, object);
	if (up->skipped || o->sizes[id].skipped)
		flo__outline_put(o, map, "skipped", flo_value_bool(true));
}

/* What applies to a leaf, or to each instance of a foreach over one. */
static void put_own(struct flo__outline *o, flo_value *map,
		    const struct flo__node *node, uint32_t object,
		    const struct around *up, uint64_t *ret_ns)
{
	put_timeout(o, map, node, object, up, ret_ns);
	flo__outline_put_names(o, map, "env", get(o, object, "env"));
	flo__outline_put_doc(o, map, "dir", get(o, object, "dir"));
	flo__outline_put_doc(o, map, "grace", get(o, object, "grace"));
	if (!flo__node_is_block(node))
		put_leaf(o, map, node, object);
	if (node->not_idempotent)
		flo__outline_put(o, map, "idempotent", flo_value_bool(false));
}

static void count(struct flo__outline *o, const struct flo__node *body,
		  bool block, const struct around *up, bool skipped)
{
	if (o->depth_max < up->depth)
		o->depth_max = up->depth;
	o->blocks += block;
	if (flo__node_is_block(body))
		return;
	o->leaves++;
	o->skipped += skipped;
}

/* What the children of the block @node have around them. */
static struct around inside(const struct flo__outline *o,
			    const struct around *up, uint32_t body,
			    uint64_t own_ns, uint32_t written)
{
	struct around in = *up;

	in.parent = &o->plan->nodes[body];
	if (own_ns != 0 && own_ns != FLO__OUTLINE_MANY &&
	    (up->timeout_ns == 0 || own_ns <= up->timeout_ns)) {
		in.timeout_ns = own_ns;
		in.origin = "block";
		in.of_len = o->path.len;
		in.written = written;
	}
	return in;
}

/* The sequence that runs after the block @id, with limits of its own; @up is
 * as for the children of the block. */
static void tell_finally(struct flo__outline *o, uint32_t id, uint32_t object,
			 const struct around *up)
{
	const struct flo__block *block =
		&o->plan->blocks[o->plan->nodes[id].spec];
	uint32_t steps = get(o, object, "finally");
	size_t len = o->path.len;
	struct around in = {.depth = up->depth + 1,
			    .skipped = up->skipped,
			    .previous = FLO__NODE_NONE,
			    .timeout_ns = block->finally_timeout_ns,
			    .origin = "finally"};
	flo_value *map = flo_value_map(8);

	in.parent = &o->plan->nodes[block->finally];
	in.written = get(o, steps, "timeout");
	flo__strbuf_adds(&o->path, len != 0 ? ".finally" : "finally");
	in.of_len = o->path.len;
	in.parent_len = o->path.len;
	put_path(o, map, "path", o->path.len);
	flo__outline_put(o, map, "name", flo_value_string("finally"));
	flo__outline_put(o, map, "kind", flo_value_string("finally"));
	put_path(o, map, "parent", len);
	flo__outline_put(o, map, "depth", flo_value_int((int64_t)up->depth));
	flo__outline_put(o, map, "line", flo_value_int(in.parent->line));
	flo__outline_put(o, map, "timeout",
			 flo__outline_duration(o, in.timeout_ns, in.written));
	if (in.skipped)
		flo__outline_put(o, map, "skipped", flo_value_bool(true));
	if (o->st == FLO_OK)
		o->options->fn(FLO_PLAN_STEP, map, o->options->arg);
	flo_value_unref(map);
	if (in.written != FLO__DOC_NONE ||
	    get(o, steps, "steps") != FLO__DOC_NONE)
		steps = get(o, steps, "steps");
	tell_children(o, block->finally, steps, &in);
	flo__strbuf_cut(&o->path, len);
}

static uint32_t body_array(struct flo__outline *o, uint32_t object)
{
	uint32_t steps = get(o, object, "steps");

	return steps != FLO__DOC_NONE ? steps : get(o, object, "group");
}

static void tell_step(struct flo__outline *o, uint32_t id, uint32_t object,
		      const struct around *up)
{
	const struct flo__node *node = &o->plan->nodes[id];
	bool foreach = node->kind == FLO__NODE_FOREACH;
	uint32_t body = foreach ? o->plan->children[node->first_child] : id;
	flo_value *map = flo_value_map(16);
	struct around in = *up;
	uint64_t own_ns = 0;

	in.skipped |= o->sizes[id].skipped;
	put_head(o, map, id, object, up);
	if (foreach) {
		flo__outline_put(o, map, "body",
				 flo_value_string(
					 kind_text(&o->plan->nodes[body])));
		put_items(o, map, id, object);
	}
	put_limit(o, map, node, object);
	if (flo__node_is_block(node))
		flo__outline_put_errors(o, map, object);
	if (node->allow_failure)
		flo__outline_put(o, map, "allow_failure", flo_value_bool(true));
	put_own(o, map, &o->plan->nodes[body], object, up, &own_ns);
	count(o, &o->plan->nodes[body], flo__node_is_block(node), up,
	      in.skipped);
	if (o->st == FLO_OK)
		o->options->fn(FLO_PLAN_STEP, map, o->options->arg);
	flo_value_unref(map);
	if (!flo__node_is_block(node))
		return;
	in.parent_len = o->path.len;
	in.depth++;
	if (flo__node_is_block(&o->plan->nodes[body])) {
		size_t len = o->path.len;
		struct around inner;

		flo__strbuf_adds(&o->path, foreach ? "[*]" : "");
		inner = inside(o, &in, body, own_ns, get(o, object, "timeout"));
		tell_children(o, body, body_array(o, object), &inner);
		flo__strbuf_cut(&o->path, len);
	}
	if (o->plan->blocks[node->spec].finally != FLO__NODE_NONE)
		tell_finally(o, id, object, &in);
}

static void tell_children(struct flo__outline *o, uint32_t id, uint32_t array,
			  const struct around *in)
{
	const struct flo__node *node = &o->plan->nodes[id];
	bool ordered = node->kind == FLO__NODE_SEQUENCE;
	struct around up = *in;
	size_t len = o->path.len;
	uint32_t at = array != FLO__DOC_NONE ? flo__doc_first(&o->doc, array)
					     : FLO__DOC_NONE;

	up.previous = FLO__NODE_NONE;
	for (uint32_t i = 0; i < node->children_len && o->st == FLO_OK; i++) {
		uint32_t child = o->plan->children[node->first_child + i];

		flo__strbuf_addf(&o->path, "%s%s", len != 0 ? "." : "",
				 o->plan->nodes[child].name);
		o->st = flo__strbuf_status(&o->path);
		if (o->st == FLO_OK)
			tell_step(o, child, at, &up);
		flo__strbuf_cut(&o->path, len);
		up.previous = ordered ? child : FLO__NODE_NONE;
		if (at != FLO__DOC_NONE)
			at = o->doc.nodes[at].next;
	}
}

static void tell_run(struct flo__outline *o)
{
	flo_value *map = flo__outline_run(o);

	if (o->st == FLO_OK)
		o->options->fn(FLO_PLAN_RUN, map, o->options->arg);
	flo_value_unref(map);
}

static void tell_summary(struct flo__outline *o)
{
	flo_value *map = flo__outline_summary(o);

	if (o->st == FLO_OK)
		o->options->fn(FLO_PLAN_SUMMARY, map, o->options->arg);
	flo_value_unref(map);
}

static void tell(struct flo__outline *o)
{
	struct around top = {.previous = FLO__NODE_NONE, .origin = "run"};

	tell_run(o);
	top.parent = &o->plan->nodes[0];
	top.written = get(o, 0, "timeout");
	top.timeout_ns = o->timeout_ns != FLO__OUTLINE_MANY ? o->timeout_ns : 0;
	if (o->st == FLO_OK)
		tell_children(o, 0, get(o, 0, "steps"), &top);
	if (o->st == FLO_OK && o->plan->blocks[0].finally != FLO__NODE_NONE)
		tell_finally(o, 0, 0, &top);
	if (o->st == FLO_OK)
		tell_summary(o);
}

/* The limit of the run as a whole: the pipeline's or a default, lowered. */
static flo_status run_limits(struct flo__outline *o)
{
	flo_status st =
		flo__known_number(&o->known, &o->plan->limit, false, &o->limit);

	o->limit_origin = "own";
	if (o->limit == 0) {
		o->limit = o->options->limit_default;
		o->limit_origin = "default";
	}
	if (o->options->limit != 0 && o->options->limit < o->limit) {
		o->limit = o->options->limit;
		o->limit_origin = "option";
	}
	if (st == FLO_OK)
		st = flo__known_number(&o->known, &o->plan->timeout, true,
				       &o->timeout_ns);
	return st;
}

flo_status flo__dsl_outline(const struct flo__plan *plan,
			    const struct flo__dsl_outline *options,
			    flo_error *err)
{
	struct flo__outline o = {.plan = plan,
				 .options = options,
				 .path = FLO__STRBUF_INIT};
	flo_status st = flo__known_init(&o.known, plan, options->params, err);

	REQUIRE(options->fn != NULL);
	flo__doc_init(&o.doc, options->text, options->len);
	flo__report_init(&o.report, &o.doc);
	TRY(st);
	TRY(flo__doc_scan(&o.doc, &o.report));
	TRY(flo__outline_sizes(&o.known, &o.sizes));
	TRY(run_limits(&o));
	tell(&o);
	st = o.doc.nomem ? FLO_NOMEM : o.st;
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__free(o.sizes);
	flo__known_fini(&o.known);
	flo__strbuf_fini(&o.path);
	flo__report_fini(&o.report);
	flo__doc_fini(&o.doc);
	return st;
}
