/*
 * `pipeline`: another file as a block.
 *
 * Its steps become nodes below the step's, its top level the block's and the
 * call's record. Where it stands in is include.c's affair.
 */
#include "dsl/compile_p.h"

#include "base/strbuf.h"

#include <string.h>

/* Nodes that there may be before another file is included: files that include
 * others twice, which do so, too, soon make more than memory holds. */
#define NODES_MAX 2000000

/* A call on its way into a plan. */
struct call {
	struct flo__call call; /* first: found by its address */
	struct flo__file *file;
	uint32_t unit;
};

bool flo__is_call(const struct flo__compiler *c, uint32_t node)
{
	const struct flo__node *n = &c->nodes[node];

	return n->kind == FLO__NODE_SEQUENCE && c->blocks[n->spec].call != NULL;
}

static struct call *call_of(struct flo__compiler *c, uint32_t node)
{
	/* The cast takes the const off: it is being made. */
	return (struct call *)(uintptr_t)c->blocks[c->nodes[node].spec].call;
}

static struct call *call_new(struct flo__compiler *c, struct flo__file *file)
{
	struct call *call = flo__compile_alloc(c, 1, sizeof(*call));

	if (call == NULL ||
	    !flo__compile_grow(c, &c->attrs, c->attrs_len, &c->attrs_cap,
			       sizeof(*c->attrs)))
		return NULL;
	call->file = file;
	call->call.file = file->name;
	call->call.dir = file->dir;
	call->call.params = &file->params;
	call->call.attrs = c->attrs_len;
	c->attrs[c->attrs_len++] = (struct flo__attrs){.grace_ns = UINT64_MAX};
	return call;
}

/* The steps of @file, which is looked at, below @node. */
static void build_inside(struct flo__compiler *c, const struct flo__file *file,
			 uint32_t node)
{
	uint32_t steps = file->top[TOP_STEPS];
	uint32_t env = file->top[TOP_ENV];

	if (steps != FLO__DOC_NONE &&
	    !flo__compile_is(c, steps, FLO__DOC_ARRAY, "`steps`"))
		steps = FLO__DOC_NONE;
	if (env != FLO__DOC_NONE && c->doc.nodes[env].type == FLO__DOC_OBJECT)
		c->env = env;
	flo__tree_inside(c, node, steps, file->top[TOP_FINALLY]);
}

void flo__call_build(struct flo__compiler *c, uint32_t node, uint32_t at)
{
	uint32_t outer = c->unit;
	struct flo__file *file = flo__include(c, at);
	struct call *call;

	if (file == NULL)
		return;
	if (c->nodes_len > NODES_MAX) {
		flo__compile_error(c, TOO_LARGE, at, NULL,
				   "with all that is included there are more "
				   "than %d steps",
				   NODES_MAX);
		return;
	}
	call = call_new(c, file);
	if (call == NULL)
		return;
	c->blocks[c->nodes[node].spec].call = &call->call;
	call->unit = flo__unit_add(c, file, node, at);
	if (c->nomem)
		return;
	flo__unit_enter(c, call->unit);
	if (!file->looked)
		flo__compile_head(c, file);
	file->looked = true;
	if (file->valid && !c->nomem)
		build_inside(c, file, node);
	flo__unit_enter(c, outer);
}

/* ---- what the step gives ---- */

static void unknown_param(struct flo__compiler *c, const struct call *call,
			  uint32_t key)
{
	const struct flo__params *params = call->call.params;
	struct flo__nearest near;
	char hint[96];
	size_t len;
	const char *name = flo__doc_string(&c->doc, key, &len);

	flo__nearest_init(&near, name, len);
	for (uint32_t i = 0; i < params->len; i++)
		flo__nearest_offer(&near, params->list[i].name,
				   strlen(params->list[i].name));
	flo__compile_error(c, UNKNOWN_ARGUMENT, key,
			   flo__nearest_hint(&near, hint, sizeof(hint)),
			   "%s has no param \"%.*s\"", call->call.file,
			   (int)(len < 64 ? len : 64), name);
}

/* The values of a param, by the template that computes one. */
struct giving {
	struct flo__view view; /* first: found by its address */
	const struct flo__param *param;
};

/* A param's value is one template: hold its types against the declaration. */
static void check_typed(struct flo__view *view, uint32_t node, unsigned depth)
{
	static const unsigned types[] = {
		FLO_TYPES(STRING),
		FLO_TYPES(INT) | FLO_TYPES(UINT) | FLO_TYPES(DOUBLE),
		FLO_TYPES(INT) | FLO_TYPES(UINT) | FLO_TYPES(DOUBLE),
		FLO_TYPES(BOOL),
		FLO_TYPES(LIST),
		FLO_TYPES(MAP),
		FLO__TYPES_ANY,
	};
	const struct flo__param *param = ((const struct giving *)view)->param;

	if (depth != 0 || param == NULL || param->doubtful ||
	    (view->types & types[param->type]) != 0)
		return;
	flo__compile_error(view->c, TYPE_MISMATCH, node, NULL,
			   "param \"%s\" must be of type %s, but this is %s",
			   param->name, flo__param_type_text(param->type),
			   flo__types_text(view->types));
}

/* Check what is known of the value of a param. */
static void check_value(struct flo__compiler *c, const struct flo__param *param,
			const struct flo__expr *value, uint32_t at)
{
	struct flo__strbuf why = FLO__STRBUF_INIT;

	if (value != NULL && value->constant != NULL &&
	    !flo__param_fits(param, value->constant, &why))
		flo__compile_error(c, WRONG_TYPE, at, NULL, "param \"%s\" %s",
				   param->name, why.data);
	c->nomem |= why.failed;
	flo__strbuf_fini(&why);
}

static void check_missing(struct flo__compiler *c, const struct call *call,
			  uint32_t with, uint32_t at)
{
	const struct flo__params *params = call->call.params;

	for (uint32_t i = 0; i < params->len; i++) {
		const struct flo__param *param = &params->list[i];

		if (!param->required || param->default_ != NULL ||
		    (with != FLO__DOC_NONE &&
		     flo__doc_get(&c->doc, with, param->name) != FLO__DOC_NONE))
			continue;
		flo__compile_error(c, MISSING_ARGUMENT, at, NULL,
				   "%s needs the param `%s` in `with`",
				   call->call.file, param->name);
	}
}

static void compile_with(struct flo__compiler *c, uint32_t node,
			 struct call *call, uint32_t with, uint32_t at)
{
	struct giving giving = {.view = flo__view_of(c, node, SEES_STEP)};
	struct flo__env_entry *entries;
	uint32_t n = 0;

	if (call->file->valid)
		check_missing(c, call, with, at);
	if (with == FLO__DOC_NONE ||
	    !flo__compile_is(c, with, FLO__DOC_OBJECT, "`with`"))
		return;
	entries =
		flo__compile_alloc(c, c->doc.nodes[with].len, sizeof(*entries));
	for (uint32_t key = flo__doc_first(&c->doc, with);
	     entries != NULL && key != FLO__DOC_NONE;
	     key = c->doc.nodes[key].next) {
		size_t len;
		const char *name = flo__doc_string(&c->doc, key, &len);
		const struct flo__param *param =
			flo__params_find(call->call.params, name, len);

		giving.param = param;
		giving.view.typed = check_typed;
		entries[n].name = flo__compile_string(c, key);
		entries[n].value =
			flo__compile_value(&giving.view, flo__doc_value(key));
		if (param != NULL)
			check_value(c, param, entries[n].value,
				    flo__doc_value(key));
		else if (call->file->valid)
			unknown_param(c, call, key);
		n++;
	}
	call->call.with = entries;
	call->call.with_len = n;
}

/* ---- what the file says of itself ---- */

static void compile_own(struct flo__compiler *c, uint32_t node,
			struct call *call, const uint32_t *top)
{
	struct flo__view env = flo__view_of(c, node, SEES_PARAMS | SEES_RUN);
	struct flo__view output =
		flo__view_of(c, node,
			     SEES_PARAMS | SEES_ENV | SEES_RUN | SEES_STEPS);
	struct flo__block block = c->blocks[c->nodes[node].spec];
	struct flo__call *own = &call->call;
	uint32_t finally = top[TOP_FINALLY];

	env.inside = output.inside = output.after = true;
	flo__compile_env(&env, top[TOP_ENV], &own->env, &own->env_len);
	flo__compile_count(&env, top[TOP_LIMIT], "`limit`", 1, &own->limit);
	flo__compile_duration(&env, top[TOP_TIMEOUT], "`timeout`",
			      &own->timeout);
	flo__compile_errors(&env, top[TOP_ON_ERROR], top[TOP_MAX_FAILURES],
			    false, &block);
	if (finally != FLO__DOC_NONE &&
	    c->doc.nodes[finally].type == FLO__DOC_OBJECT)
		flo__compile_time_limit(
			c, flo__doc_get(&c->doc, finally, "timeout"),
			"`timeout` of `finally`", &block.finally_timeout_ns);
	flo__compile_defaults(c, top[TOP_DEFAULTS], own->attrs);
	if (top[TOP_OUTPUT] != FLO__DOC_NONE)
		own->output = flo__compile_value(&output, top[TOP_OUTPUT]);
	c->blocks[c->nodes[node].spec] = block;
}

void flo__compile_call(struct flo__compiler *c, uint32_t node,
		       const struct flo__keys *keys)
{
	uint32_t outer = c->unit;
	struct call *call = call_of(c, node);
	struct flo__view view = flo__view_of(c, node, SEES_STEP);
	bool idempotent = true;

	compile_with(c, node, call, keys->at[FLO__KEY_WITH],
		     keys->at[FLO__KEY_PIPELINE]);
	if (keys->at[FLO__KEY_RETRY] != FLO__DOC_NONE)
		call->call.retry =
			flo__compile_retry(&view, keys->at[FLO__KEY_RETRY]);
	flo__compile_bool(c, keys->at[FLO__KEY_IDEMPOTENT], "`idempotent`",
			  &idempotent);
	c->nodes[node].not_idempotent |= !idempotent;
	if (!call->file->valid || c->nomem)
		return;
	flo__unit_enter(c, call->unit);
	compile_own(c, node, call, call->file->top);
	flo__unit_enter(c, outer);
}
