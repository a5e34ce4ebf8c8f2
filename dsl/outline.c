#include "dsl/outline_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/value_p.h"

#include <string.h>

/* ---- what holds a step back ---- */

/* Why each run fails to compute @expr, or that it is not what it has to be. */
static void put_error(struct flo__outline *o, flo_value *entry,
		      const struct flo__expr *expr, const char *what)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_error err = FLO_ERROR_INIT;
	enum flo__known_state state;
	flo_value *value = NULL;

	if (o->st == FLO_OK)
		o->st = flo__known_eval(&o->known, expr, &err, &state, &value);
	if (value != NULL) {
		flo__value_json(value, &sb);
		if (o->st == FLO_OK)
			o->st = flo__strbuf_status(&sb);
		if (o->st == FLO_OK)
			flo_error_set(&err, FLO_TYPE, "%.60s%s is not %s",
				      sb.data, sb.len > 60 ? "..." : "", what);
		flo__strbuf_fini(&sb);
		flo_value_unref(value);
	}
	flo__outline_put(o, entry, "error", flo_value_string(err.text));
}

/* {"expr", "value" or "error"} of something that may be known. */
static void put_known(struct flo__outline *o, flo_value *map, const char *key,
		      const struct flo__expr *expr, enum flo__known_state state,
		      uint32_t written, flo_value *value)
{
	flo_value *entry = flo_value_map(3);

	if (flo__outline_is_plain(o, written))
		flo__outline_put_doc(o, entry, "expr", written);
	if (state == FLO__KNOWN_YES)
		flo__outline_put(o, entry,
				 strcmp(key, "when") == 0 ? "value" : "count",
				 value);
	else
		flo_value_unref(value);
	if (state == FLO__KNOWN_ERROR)
		put_error(o, entry, expr,
			  strcmp(key, "when") == 0 ? "a boolean" : "an array");
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
			  flo__outline_get(o, object, "when"),
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
	if (block->matrix != NULL) {
		flo__outline_put_matrix(o, map, id, object);
		return;
	}
	put_known(o, map, "foreach", block->items,
		  counted ? FLO__KNOWN_YES
			  : (enum flo__known_state)size->items_state,
		  flo__outline_get(o, object, "foreach"),
		  counted ? flo_value_int((int64_t)size->items) : NULL);
}

static void put_needs(struct flo__outline *o, flo_value *map,
		      const struct flo__node *node,
		      const struct flo__around *up)
{
	const struct flo__plan *plan = o->plan;
	flo_value *list = flo_value_list(node->deps_len);

	for (uint32_t i = 0; i < node->deps_len; i++)
		flo__outline_add(
			o, list,
			flo_value_string(
				plan->nodes[plan->edges[node->first_dep + i]]
					.name));
	if (up->previous != FLO__NODE_NONE)
		flo__outline_add(o, list,
				 flo_value_string(
					 plan->nodes[up->previous].name));
	flo__outline_put(o, map, "needs", list);
}

/* ---- the walk ---- */

static const char *kind_text(const struct flo__plan *plan, uint32_t id)
{
	const struct flo__node *node = &plan->nodes[id];
	static const char *const kinds[] = {"exec",	"sh",	 "use",
					    "sequence", "group", "foreach"};

	if (node->is_finally)
		return "finally";
	if (flo__outline_call(plan, id) != NULL)
		return "pipeline";
	if (node->kind == FLO__NODE_FOREACH &&
	    plan->blocks[node->spec].matrix != NULL)
		return "matrix";
	return node->kind < sizeof(kinds) / sizeof(kinds[0]) ? kinds[node->kind]
							     : "step";
}

static void tell_children(struct flo__outline *o, uint32_t id, uint32_t array,
			  const struct flo__around *in);

static void put_head(struct flo__outline *o, flo_value *map, uint32_t id,
		     uint32_t object, const struct flo__around *up)
{
	const struct flo__node *node = &o->plan->nodes[id];

	flo__outline_put_path(o, map, "path", o->path.len);
	flo__outline_put(o, map, "name", flo_value_string(node->name));
	if (node->title != NULL)
		flo__outline_put(o, map, "title",
				 flo_value_string(node->title));
	flo__outline_put(o, map, "kind",
			 flo_value_string(kind_text(o->plan, id)));
	flo__outline_put_path(o, map, "parent", up->parent_len);
	flo__outline_put(o, map, "depth", flo_value_int((int64_t)up->depth));
	flo__outline_put(o, map, "in",
			 flo_value_string(up->parent->kind == FLO__NODE_GROUP
						  ? "group"
						  : "sequence"));
	flo__outline_put(o, map, "position", flo_value_int(node->pos + 1));
	if (up->file != NULL)
		flo__outline_put(o, map, "file", flo_value_string(up->file));
	flo__outline_put(o, map, "line", flo_value_int(node->line));
	put_needs(o, map, node, up);
	put_when(o, map, id, object);
	if (up->skipped || o->sizes[id].skipped)
		flo__outline_put(o, map, "skipped", flo_value_bool(true));
}

/* What applies to a leaf, or to each instance of a foreach over one. */
static void put_own(struct flo__outline *o, flo_value *map,
		    const struct flo__node *node, uint32_t object,
		    const struct flo__around *up, uint64_t *ret_ns)
{
	const struct flo__call *call =
		flo__outline_call(o->plan, (uint32_t)(node - o->plan->nodes));

	flo__outline_put_timeout(o, map, node, object, up, ret_ns);
	flo__outline_put_names(o, map, "env",
			       flo__outline_get(o, object, "env"));
	flo__outline_put_doc(o, map, "dir", flo__outline_get(o, object, "dir"));
	flo__outline_put_doc(o, map, "grace",
			     flo__outline_get(o, object, "grace"));
	if (!flo__node_is_block(node))
		flo__outline_put_leaf(o, map, node, object);
	else if (call != NULL)
		flo__outline_put_retry(o, map, call->retry, object);
	if (node->not_idempotent)
		flo__outline_put(o, map, "idempotent", flo_value_bool(false));
}

static void count(struct flo__outline *o, const struct flo__node *body,
		  bool block, const struct flo__around *up, bool skipped)
{
	if (o->depth_max < up->depth)
		o->depth_max = up->depth;
	o->blocks += block;
	if (flo__node_is_block(body))
		return;
	o->leaves++;
	o->skipped += skipped;
}

/* The sequence that runs after the block @id, with limits of its own; @up is
 * as for the children of the block. */
static void tell_finally(struct flo__outline *o, uint32_t id, uint32_t object,
			 const struct flo__around *up)
{
	const struct flo__block *block =
		&o->plan->blocks[o->plan->nodes[id].spec];
	uint32_t steps = flo__outline_get(o, object, "finally");
	size_t len = o->path.len;
	struct flo__around in = *up;
	flo_value *map = flo_value_map(8);

	in.parent = &o->plan->nodes[block->finally];
	in.depth++;
	in.previous = FLO__NODE_NONE;
	in.timeout_ns = block->finally_timeout_ns;
	in.origin = "finally";
	in.written = (struct flo__place){.doc = o->doc,
					 .at = flo__outline_get(o, steps,
								"timeout")};
	flo__strbuf_adds(&o->path, len != 0 ? ".finally" : "finally");
	in.of_len = o->path.len;
	in.parent_len = o->path.len;
	flo__outline_put_path(o, map, "path", o->path.len);
	flo__outline_put(o, map, "name", flo_value_string("finally"));
	flo__outline_put(o, map, "kind", flo_value_string("finally"));
	flo__outline_put_path(o, map, "parent", len);
	flo__outline_put(o, map, "depth", flo_value_int((int64_t)up->depth));
	if (up->file != NULL)
		flo__outline_put(o, map, "file", flo_value_string(up->file));
	flo__outline_put(o, map, "line", flo_value_int(in.parent->line));
	flo__outline_put(o, map, "timeout",
			 flo__outline_duration(o, in.timeout_ns,
					       in.written.at));
	if (in.skipped)
		flo__outline_put(o, map, "skipped", flo_value_bool(true));
	if (o->st == FLO_OK)
		o->options->fn(FLO_PLAN_STEP, map, o->options->arg);
	flo_value_unref(map);
	if (in.written.at != FLO__DOC_NONE ||
	    flo__outline_get(o, steps, "steps") != FLO__DOC_NONE)
		steps = flo__outline_get(o, steps, "steps");
	tell_children(o, block->finally, steps, &in);
	flo__strbuf_cut(&o->path, len);
}

/* The `finally` of the block, if it has one. */
static void tell_last(struct flo__outline *o, uint32_t id, uint32_t object,
		      const struct flo__around *up)
{
	if (o->plan->blocks[o->plan->nodes[id].spec].finally != FLO__NODE_NONE)
		tell_finally(o, id, object, up);
}

static uint32_t body_array(struct flo__outline *o, uint32_t object)
{
	uint32_t steps = flo__outline_get(o, object, "steps");

	return steps != FLO__DOC_NONE ? steps
				      : flo__outline_get(o, object, "group");
}

/* The map of the step itself. @up: with the limits of the file that it is. */
static flo_value *step_value(struct flo__outline *o, uint32_t id, uint32_t body,
			     uint32_t object, const struct flo__around *up,
			     struct flo__outline_file *file, uint64_t *ret_ns)
{
	const struct flo__node *node = &o->plan->nodes[id];
	flo_value *map = flo_value_map(16);

	put_head(o, map, id, object, up);
	if (node->kind == FLO__NODE_FOREACH) {
		flo__outline_put(o, map, "body",
				 flo_value_string(kind_text(o->plan, body)));
		put_items(o, map, id, object);
	}
	flo__outline_put_limit(o, map, node, object, up);
	if (flo__node_is_block(node) && flo__outline_call(o->plan, id) == NULL)
		flo__outline_put_errors(o, map, object);
	if (file != NULL)
		flo__outline_put_call(o, map, body, object, file);
	if (node->allow_failure)
		flo__outline_put(o, map, "allow_failure", flo_value_bool(true));
	put_own(o, map, &o->plan->nodes[body], object, up, ret_ns);
	return map;
}

/* What is in the block @body, which is written as @array in the text that is
 * told; @up: as for the block itself. */
static void tell_body(struct flo__outline *o, uint32_t body, bool foreach,
		      uint32_t array, const struct flo__around *up,
		      uint64_t own_ns, struct flo__place timeout)
{
	struct flo__around in = *up;
	size_t len = o->path.len;

	in.parent = &o->plan->nodes[body];
	flo__strbuf_adds(&o->path, foreach ? "[*]" : "");
	flo__around_bind(&in, own_ns, "block", o->path.len, timeout);
	tell_children(o, body, array, &in);
	if (flo__outline_call(o->plan, body) != NULL)
		tell_last(o, body, 0, &in);
	flo__strbuf_cut(&o->path, len);
}

/* The step, written as @object, and what is in it. @file: it is that file, or
 * each instance of it is. */
static void tell_with(struct flo__outline *o, uint32_t id, uint32_t body,
		      uint32_t object, const struct flo__around *up,
		      struct flo__outline_file *file)
{
	const struct flo__node *node = &o->plan->nodes[id];
	bool foreach = node->kind == FLO__NODE_FOREACH;
	struct flo__place timeout = {.doc = o->doc,
				     .at = flo__outline_get(o, object,
							    "timeout")};
	struct flo__around bound = *up;
	struct flo__around in;
	uint64_t own_ns = 0;
	flo_value *map;

	if (file != NULL)
		flo__outline_around_call(o, body, file, &bound);
	in = bound;
	in.skipped |= o->sizes[id].skipped;
	/* The file's limit is of what is in it, not of its instances. */
	flo__around_unlimit(&bound, up);
	map = step_value(o, id, body, object, &bound, file, &own_ns);
	count(o, &o->plan->nodes[body], flo__node_is_block(node), up,
	      in.skipped);
	if (o->st == FLO_OK)
		o->options->fn(FLO_PLAN_STEP, map, o->options->arg);
	flo_value_unref(map);
	if (!flo__node_is_block(node))
		return;
	in.parent_len = o->path.len;
	in.depth++;
	if (file != NULL) {
		struct flo__doc *outer = o->doc;

		o->doc = &file->doc;
		in.file = file->file->name;
		tell_body(o, body, foreach, flo__outline_get(o, 0, "steps"),
			  &in, own_ns, timeout);
		o->doc = outer;
		in.file = up->file;
	} else if (flo__node_is_block(&o->plan->nodes[body])) {
		tell_body(o, body, foreach, body_array(o, object), &in, own_ns,
			  timeout);
	}
	if (file != NULL)
		flo__around_unlimit(&in, up);
	if (file == NULL || foreach)
		tell_last(o, id, object, &in);
}

static void tell_step(struct flo__outline *o, uint32_t id, uint32_t object,
		      const struct flo__around *up)
{
	const struct flo__node *node = &o->plan->nodes[id];
	uint32_t body = node->kind == FLO__NODE_FOREACH
				? o->plan->children[node->first_child]
				: id;
	const struct flo__call *call = flo__outline_call(o->plan, body);
	struct flo__outline_file file;

	flo__known_enter(&o->known, id);
	if (call == NULL) {
		tell_with(o, id, body, object, up, NULL);
		return;
	}
	flo__outline_open(o, call, &file);
	if (o->st == FLO_OK)
		tell_with(o, id, body, object, up, &file);
	if (file.doc.nomem && o->st == FLO_OK)
		o->st = FLO_NOMEM;
	flo__outline_close(&file);
}

static void tell_children(struct flo__outline *o, uint32_t id, uint32_t array,
			  const struct flo__around *in)
{
	const struct flo__node *node = &o->plan->nodes[id];
	bool ordered = node->kind == FLO__NODE_SEQUENCE;
	struct flo__around up = *in;
	size_t len = o->path.len;
	uint32_t at = array != FLO__DOC_NONE ? flo__doc_first(o->doc, array)
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
			at = o->doc->nodes[at].next;
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
	struct flo__around top = {.previous = FLO__NODE_NONE, .origin = "run"};

	tell_run(o);
	top.parent = &o->plan->nodes[0];
	top.written =
		(struct flo__place){.doc = o->doc,
				    .at = flo__outline_get(o, 0, "timeout")};
	top.limit = o->limit;
	top.limit_origin = "run";
	top.limit_written =
		(struct flo__place){.doc = o->doc,
				    .at = flo__outline_get(o, 0, "limit")};
	top.timeout_ns = o->timeout_ns != FLO__OUTLINE_MANY ? o->timeout_ns : 0;
	if (o->st == FLO_OK)
		tell_children(o, 0, flo__outline_get(o, 0, "steps"), &top);
	if (o->st == FLO_OK && o->plan->blocks[0].finally != FLO__NODE_NONE)
		tell_finally(o, 0, 0, &top);
	if (o->st == FLO_OK)
		tell_summary(o);
}

/* The limit of the run as a whole: the pipeline's or a default, lowered. */
static flo_status run_limits(struct flo__outline *o)
{
	flo_status st = flo__known_number(&o->known, &o->plan->limit,
					  FLO__NUMBER_LIMIT, &o->limit);

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
		st = flo__known_number(&o->known, &o->plan->timeout,
				       FLO__NUMBER_TIMEOUT, &o->timeout_ns);
	return st;
}

/* A text that was pinned has those of other files behind its own. */
static size_t own_len(const struct flo__dsl_outline *options)
{
	const char *end =
		memchr(options->text, FLO__PIN_SEPARATOR, options->len);

	return end != NULL ? (size_t)(end - options->text) : options->len;
}

flo_status flo__dsl_outline(const struct flo__plan *plan,
			    const struct flo__dsl_outline *options,
			    flo_error *err)
{
	struct flo__doc doc;
	struct flo__report report; /* of the scan, which finds nothing */
	struct flo__outline o = {.plan = plan,
				 .options = options,
				 .doc = &doc,
				 .err = err,
				 .path = FLO__STRBUF_INIT};
	flo_status st = flo__known_init(&o.known, plan, options->params, err);

	REQUIRE(options->fn != NULL);
	flo__doc_init(&doc, options->text, own_len(options));
	flo__report_init(&report, &doc);
	TRY(st);
	st = flo__doc_scan(&doc, &report);
	if (st == FLO_INVALID)
		flo_error_set(err, st,
			      "%s cannot be shown: its text is not what it "
			      "was when it was compiled",
			      plan->file);
	TRY(st);
	TRY(flo__outline_sizes(&o.known, &o.sizes));
	TRY(run_limits(&o));
	tell(&o);
	st = doc.nomem ? FLO_NOMEM : o.st;
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__free(o.sizes);
	flo__known_fini(&o.known);
	flo__strbuf_fini(&o.path);
	flo__report_fini(&report);
	flo__doc_fini(&doc);
	return st;
}
