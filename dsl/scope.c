#include "dsl/compile_p.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

static bool is(const char *name, size_t len, const char *text)
{
	return len != 0 && text[0] == name[0] && strlen(text) == len &&
	       memcmp(text, name, len) == 0;
}

/*
 * The node around @cur as far as the view sees: what includes a pipeline is
 * not seen from its inside. NONE: there is none.
 */
static uint32_t outer(const struct flo__view *view, uint32_t cur)
{
	if ((cur != view->node || view->inside) && flo__is_call(view->c, cur))
		return FLO__NODE_NONE;
	return view->c->nodes[cur].parent;
}

static void does_not_need(const struct flo__compiler *c, uint32_t found,
			  uint32_t cur, struct flo__expr_problem *problem)
{
	const char *step = c->nodes[cur].name;
	const char *name = c->nodes[found].name;
	char hint[160];

	snprintf(hint, sizeof(hint), "add \"%s\" to the `needs` of \"%s\"",
		 name, step);
	flo__problem_set(problem, FLO__CODE_STEP_ORDER, 0, 0, hint,
			 "step \"%s\" may not have ended yet: \"%s\" does "
			 "not need it",
			 name, step);
	problem->follows =
		flo__doubted(c, FLO__DOUBT_NEEDS, c->nodes[cur].parent);
}

/* The same in a group; what is not known yet is let pass as a doubt. */
static bool is_needed(struct flo__view *view, uint32_t found, uint32_t cur,
		      struct flo__expr_problem *problem)
{
	switch (flo__reach(view->c, cur, found)) {
	case FLO__REACHED_NO:
		does_not_need(view->c, found, cur, problem);
		return false;
	case FLO__REACHED_LATER:
		view->doubtful = true;
		view->doubt =
			(struct flo__question){.node = cur, .target = found};
		return true;
	default:
		return true;
	}
}

/* Whether the step @found has always ended before its sibling @cur starts. */
static bool has_ended(struct flo__view *view, uint32_t found, uint32_t cur,
		      struct flo__expr_problem *problem)
{
	struct flo__compiler *c = view->c;
	const struct flo__node *f = &c->nodes[found];
	const struct flo__node *n = &c->nodes[cur];
	char hint[160];

	if (found == cur) {
		flo__problem_set(problem, FLO__CODE_STEP_ORDER, 0, 0, NULL,
				 "step \"%s\" has not ended yet: this is part "
				 "of it",
				 f->name);
		return false;
	}
	if (c->nodes[n->parent].kind == FLO__NODE_GROUP)
		return is_needed(view, found, cur, problem);
	if (f->pos < n->pos)
		return true;
	snprintf(hint, sizeof(hint), "put \"%s\" before \"%s\"", f->name,
		 n->name);
	flo__problem_set(problem, FLO__CODE_STEP_ORDER, 0, 0, hint,
			 "step \"%s\" has not run yet: it comes after \"%s\"",
			 f->name, n->name);
	return false;
}

static void unknown_step(struct flo__view *view, const char *name, size_t len,
			 struct flo__expr_problem *problem)
{
	struct flo__compiler *c = view->c;
	uint32_t parent = view->node;
	const char *hint = NULL;
	char buf[160];

	for (; parent != FLO__NODE_NONE && hint == NULL;
	     parent = outer(view, parent))
		hint = flo__names_hint(c, parent, name, len, buf, sizeof(buf));
	if (hint == NULL)
		hint = flo__hint_inside(view, name, len, buf, sizeof(buf));
	flo__problem_set(problem, FLO__CODE_UNKNOWN_STEP, 0, 0, hint,
			 "there is no step \"%.*s\" in this scope",
			 (int)(len < 64 ? len : 64), name);
	problem->follows = flo__doubted_around(c, FLO__DOUBT_NAMES, view->node);
}

/* The step of that name in the nearest scope around the view. */
static flo_status find_step(struct flo__view *view, const char *name,
			    size_t len, uint32_t *ret_node,
			    struct flo__expr_problem *problem)
{
	struct flo__compiler *c = view->c;
	uint32_t cur = view->node;
	uint32_t found;

	if (view->after) {
		*ret_node = flo__names_find(c, cur, name, len);
		if (*ret_node != FLO__NODE_NONE)
			return FLO_OK;
	}
	for (uint32_t parent = outer(view, cur); parent != FLO__NODE_NONE;
	     cur = parent, parent = outer(view, cur)) {
		/* The instances of a foreach are not steps of their own. */
		if (c->nodes[parent].kind == FLO__NODE_FOREACH)
			continue;
		found = flo__names_find(c, parent, name, len);
		if (found == FLO__NODE_NONE)
			continue;
		*ret_node = found;
		if (c->nodes[cur].is_finally ||
		    has_ended(view, found, cur, problem))
			return FLO_OK;
		return FLO_NOTFOUND;
	}
	unknown_step(view, name, len, problem);
	return FLO_NOTFOUND;
}

/* The foreach whose item @name is, or with @name NULL the innermost one. */
static uint32_t find_item(const struct flo__view *view, const char *name,
			  size_t len)
{
	const struct flo__compiler *c = view->c;

	uint32_t parent;

	for (uint32_t cur = view->node;
	     (parent = outer(view, cur)) != FLO__NODE_NONE; cur = parent) {
		const char *as;

		if (!c->nodes[cur].is_body)
			continue;
		as = c->blocks[c->nodes[parent].spec].as;
		if (name == NULL || is(name, len, as != NULL ? as : "item"))
			return parent;
	}
	return FLO__NODE_NONE;
}

static const struct {
	const char *name;
	enum flo__var var;
	unsigned sees;
} variables[] = {
	{"params", FLO__VAR_PARAMS, SEES_PARAMS},
	{"env", FLO__VAR_ENV, SEES_ENV},
	{"run", FLO__VAR_RUN, SEES_RUN},
	{"steps", FLO__VAR_STEP, SEES_STEPS},
	{"index", FLO__VAR_INDEX, SEES_ITEM},
	{"step", FLO__VAR_ATTEMPT, SEES_ATTEMPT},
	{"secrets", FLO__VAR_SECRETS, SEES_SECRETS},
};

#define VARIABLES (sizeof(variables) / sizeof(variables[0]))

/* What may stand where @view is, but for the items of a foreach. */
static const char *visible(struct flo__view *view, char *buf, size_t size)
{
	const char *comma = "";
	size_t at = 0;

	for (size_t i = 0; i < VARIABLES; i++) {
		if ((variables[i].sees & view->sees) == 0 ||
		    (variables[i].var == FLO__VAR_INDEX &&
		     find_item(view, NULL, 0) == FLO__NODE_NONE))
			continue;
		at += (size_t)snprintf(buf + at, size - at, "%s%s",
				       at == 0 ? "what can be used here: "
					       : comma,
				       variables[i].name);
		comma = ", ";
	}
	return at != 0 ? buf : NULL;
}

/* What to do about a variable that is not to be used where @view is. */
static const char *instead(struct flo__view *view, enum flo__var var, char *buf,
			   size_t size)
{
	if (var == FLO__VAR_ATTEMPT)
		return "it belongs to retry.when; other steps are steps.NAME";
	return visible(view, buf, size);
}

static flo_status unknown_var(struct flo__view *view, const char *name,
			      size_t len, struct flo__expr_problem *problem)
{
	const struct flo__compiler *c = view->c;
	struct flo__nearest near;
	char hint[160];
	const char *text;
	int shown = (int)(len < 64 ? len : 64);

	flo__nearest_init(&near, name, len);
	for (size_t i = 0; i < VARIABLES; i++) {
		if ((variables[i].sees & view->sees) != 0)
			flo__nearest_offer(&near, variables[i].name,
					   strlen(variables[i].name));
	}
	for (uint32_t cur = view->node; outer(view, cur) != FLO__NODE_NONE;
	     cur = outer(view, cur)) {
		const struct flo__node *up = &c->nodes[outer(view, cur)];
		const char *as;

		if (!c->nodes[cur].is_body)
			continue;
		as = c->blocks[up->spec].as;
		as = as != NULL ? as : "item";
		flo__nearest_offer(&near, as, strlen(as));
	}
	text = flo__nearest_hint(&near, hint, sizeof(hint));
	if (text == NULL && flo__params_find(&c->out->params, name, len)) {
		snprintf(hint, sizeof(hint), "write params.%.*s", shown, name);
		text = hint;
	} else if (text == NULL) {
		for (uint32_t cur = view->node; cur != FLO__NODE_NONE;
		     cur = outer(view, cur)) {
			if (flo__names_find(c, cur, name, len) ==
			    FLO__NODE_NONE)
				continue;
			snprintf(hint, sizeof(hint), "write steps.%.*s.output",
				 shown, name);
			text = hint;
			break;
		}
	}
	if (text == NULL)
		text = visible(view, hint, sizeof(hint));
	flo__problem_set(problem, FLO__CODE_UNKNOWN_NAME, 0, 0, text,
			 "there is no variable \"%.*s\" here", shown, name);
	problem->follows = flo__doubted_around(c, FLO__DOUBT_AS, view->node);
	return FLO_NOTFOUND;
}

static flo_status view_var(struct flo__names *names, const char *name,
			   size_t len, struct flo__ref *ret_ref,
			   struct flo__expr_problem *problem)
{
	struct flo__view *view = (struct flo__view *)names;
	char hint[160];

	if ((view->sees & SEES_ITEM) != 0) {
		ret_ref->node = find_item(view, name, len);
		ret_ref->var = FLO__VAR_ITEM;
		if (ret_ref->node != FLO__NODE_NONE)
			return FLO_OK;
	}
	/* Where it may not be used, flo__secrets_member() says what to do. */
	if (is(name, len, "secrets")) {
		ret_ref->var = FLO__VAR_SECRETS;
		return FLO_OK;
	}
	for (size_t i = 0; i < VARIABLES; i++) {
		if (!is(name, len, variables[i].name))
			continue;
		if ((variables[i].sees & view->sees) == 0) {
			flo__problem_set(problem, FLO__CODE_UNKNOWN_NAME, 0, 0,
					 instead(view, variables[i].var, hint,
						 sizeof(hint)),
					 "`%s` cannot be used here",
					 variables[i].name);
			return FLO_NOTFOUND;
		}
		ret_ref->var = variables[i].var;
		if (ret_ref->var != FLO__VAR_INDEX)
			return FLO_OK;
		ret_ref->node = find_item(view, NULL, 0);
		if (ret_ref->node != FLO__NODE_NONE)
			return FLO_OK;
		flo__problem_set(problem, FLO__CODE_UNKNOWN_NAME, 0, 0, NULL,
				 "`index` exists inside a foreach only");
		return FLO_NOTFOUND;
	}
	return unknown_var(view, name, len, problem);
}

/* A param that is neither given nor required and has no default is null. */
static unsigned param_types(const struct flo__param *param)
{
	static const unsigned types[] = {
		FLO_TYPES(STRING), FLO_TYPES(INT),  FLO_TYPES(DOUBLE),
		FLO_TYPES(BOOL),   FLO_TYPES(LIST), FLO_TYPES(MAP),
		FLO__TYPES_ANY,
	};
	bool given = param->required || param->default_ != NULL;

	return types[param->type] | (given ? 0 : FLO_TYPES(NULL));
}

/* Problems after which nobody reads a "did you mean" any more: each costs a
 * look at all names. */
#define HINTED_MAX 200

static bool gives_hints(const struct flo__compiler *c)
{
	return c->report.len < HINTED_MAX;
}

static flo_status find_param(struct flo__view *view, const char *name,
			     size_t len, unsigned *types,
			     struct flo__expr_problem *problem)
{
	struct flo__params *params = &view->c->out->params;
	struct flo__param *param;
	struct flo__nearest near;
	char hint[96];

	if (name == NULL) {
		params->all_used = true;
		return FLO_OK;
	}
	param = flo__params_find(params, name, len);
	if (param != NULL) {
		param->used = true;
		*types = param_types(param);
		return FLO_OK;
	}
	flo__nearest_init(&near, name, len);
	for (uint32_t i = 0; i < params->len && gives_hints(view->c); i++)
		flo__nearest_offer(&near, params->list[i].name,
				   strlen(params->list[i].name));
	flo__problem_set(problem, FLO__CODE_UNKNOWN_PARAM, 0, 0,
			 flo__nearest_hint(&near, hint, sizeof(hint)),
			 "there is no param \"%.*s\"",
			 (int)(len < 64 ? len : 64), name);
	problem->follows = params->doubtful;
	return FLO_NOTFOUND;
}

static unsigned view_items(struct flo__names *names, const char *name,
			   size_t len, const struct flo__ref *ref)
{
	const struct flo__view *view = (const struct flo__view *)names;
	const struct flo__param *param;

	if (ref->var != FLO__VAR_PARAMS)
		return FLO__TYPES_ANY;
	param = flo__params_find(&view->c->out->params, name, len);
	if (param == NULL || param->items == NULL)
		return FLO__TYPES_ANY;
	return param_types(param->items) & ~FLO_TYPES(NULL);
}

/* The keys of the pipeline's `env` in a map, made when one is asked for. */
static bool has_env(struct flo__compiler *c, const char *name, size_t len)
{
	union flo__map_slot *slot;
	uint32_t key = FLO__DOC_NONE;

	if (c->env != FLO__DOC_NONE && c->env_names.len == 0)
		key = flo__doc_first(&c->doc, c->env);
	for (; key != FLO__DOC_NONE; key = c->doc.nodes[key].next) {
		size_t key_len;
		const char *text = flo__doc_string(&c->doc, key, &key_len);

		c->nomem |= flo__map_putn(&c->env_names, text, key_len,
					  &slot) == FLO_NOMEM;
	}
	return flo__map_getn(&c->env_names, name, len) != NULL;
}

static flo_status find_env(struct flo__view *view, const char *name, size_t len,
			   struct flo__expr_problem *problem)
{
	struct flo__doc *doc = &view->c->doc;
	uint32_t env = view->c->env;
	struct flo__nearest near;
	char hint[96];

	if (has_env(view->c, name, len))
		return FLO_OK;
	flo__nearest_init(&near, name, len);
	for (uint32_t key = env != FLO__DOC_NONE && gives_hints(view->c)
				    ? flo__doc_first(doc, env)
				    : FLO__DOC_NONE;
	     key != FLO__DOC_NONE; key = doc->nodes[key].next) {
		size_t key_len;
		const char *text = flo__doc_string(doc, key, &key_len);

		flo__nearest_offer(&near, text, key_len);
	}
	flo__problem_set(problem, FLO__CODE_UNKNOWN_NAME, 0, 0,
			 flo__nearest_hint(&near, hint, sizeof(hint)),
			 "the pipeline's `env` has no \"%.*s\"",
			 (int)(len < 64 ? len : 64), name);
	return FLO_NOTFOUND;
}

/* A field of `run` or `step`, and what it may be. */
struct field {
	const char *name;
	unsigned types;
};

static flo_status find_field(const struct field *fields, size_t n,
			     const char *what, const char *name, size_t len,
			     unsigned *types, struct flo__expr_problem *problem)
{
	struct flo__nearest near;
	char hint[96];

	flo__nearest_init(&near, name, len);
	for (size_t i = 0; i < n; i++) {
		if (is(name, len, fields[i].name)) {
			*types = fields[i].types;
			return FLO_OK;
		}
		flo__nearest_offer(&near, fields[i].name,
				   strlen(fields[i].name));
	}
	flo__problem_set(problem, FLO__CODE_UNKNOWN_NAME, 0, 0,
			 flo__nearest_hint(&near, hint, sizeof(hint)),
			 "`%s` has no \"%.*s\"", what,
			 (int)(len < 64 ? len : 64), name);
	return FLO_NOTFOUND;
}

/* A key of the item of the foreach @node, which is known for a matrix; or what
 * the item is. */
static flo_status find_item_key(const struct flo__compiler *c, uint32_t node,
				const char *name, size_t len, unsigned *types,
				struct flo__expr_problem *problem)
{
	const struct flo__block *block = &c->blocks[c->nodes[node].spec];

	if (block->matrix != NULL)
		return flo__matrix_member(block->matrix, name, len, types,
					  problem);
	if (name == NULL && block->item_types != 0)
		*types = block->item_types;
	return FLO_OK;
}

static flo_status view_member(struct flo__names *names, const char *name,
			      size_t len, struct flo__ref *ref, unsigned *types,
			      struct flo__expr_problem *problem)
{
	static const struct field run[] = {
		{"id", FLO_TYPES(STRING)},
		{"name", FLO_TYPES(STRING)},
		{"trace_id", FLO_TYPES(STRING)},
		{"status", FLO_TYPES(STRING)},
		{"error", FLO_TYPES(MAP) | FLO_TYPES(NULL)},
		{"started_at", FLO_TYPES(TIMESTAMP)},
		{"scheduled_at", FLO_TYPES(TIMESTAMP) | FLO_TYPES(NULL)},
	};
	static const struct field step[] = {
		{"exit_code", FLO_TYPES(INT) | FLO_TYPES(NULL)},
		{"signal", FLO_TYPES(STRING) | FLO_TYPES(NULL)},
		{"kind", FLO_TYPES(STRING) | FLO_TYPES(NULL)},
		{"attempt", FLO_TYPES(INT)},
		{"stderr_tail", FLO_TYPES(STRING) | FLO_TYPES(NULL)},
	};
	struct flo__view *view = (struct flo__view *)names;

	switch (ref->var) {
	case FLO__VAR_STEP:
		return find_step(view, name, len, &ref->node, problem);
	case FLO__VAR_PARAMS:
		return find_param(view, name, len, types, problem);
	case FLO__VAR_ENV:
		if (name != NULL &&
		    find_env(view, name, len, problem) != FLO_OK)
			return FLO_NOTFOUND;
		if (name != NULL)
			*types = FLO_TYPES(STRING);
		return flo__secrets_env(view, name, len, ref, problem);
	case FLO__VAR_SECRETS:
		return flo__secrets_member(view, name, len, ref, types,
					   problem);
	case FLO__VAR_RUN:
		return name == NULL ? FLO_OK
				    : find_field(run, 7, "run", name, len,
						 types, problem);
	case FLO__VAR_ITEM:
		return find_item_key(view->c, ref->node, name, len, types,
				     problem);
	case FLO__VAR_ATTEMPT:
		return name == NULL ? FLO_OK
				    : find_field(step, 5, "step", name, len,
						 types, problem);
	default:
		return FLO_OK;
	}
}

/* What was doubtful about the step just named has a place now. */
static void view_named(struct flo__names *names, uint32_t at, uint32_t len)
{
	struct flo__view *view = (struct flo__view *)names;

	if (!view->doubtful)
		return;
	view->doubtful = false;
	view->doubt.unit = view->c->unit;
	view->doubt.place = view->place;
	view->doubt.at = at;
	view->doubt.len = len;
	flo__reach_ask(view->c, &view->doubt);
}

static void report_order(struct flo__compiler *c,
			 const struct flo__question *question)
{
	struct flo__expr_problem problem;

	flo__unit_enter(c, question->unit);
	does_not_need(c, question->target, question->node, &problem);
	if (problem.follows)
		return;
	flo__report_error(&c->report, problem.code,
			  flo__doc_inside(&c->doc, question->place,
					  question->at,
					  question->len != 0 ? question->len
							     : 1),
			  question->place, problem.hint, "%s", problem.message);
}

void flo__scope_settle(struct flo__compiler *c)
{
	flo__reach_answer(c, report_order);
}

struct flo__view flo__view_of(struct flo__compiler *c, uint32_t node,
			      unsigned sees)
{
	struct flo__view view = {
		.names = {.var = view_var,
			  .member = view_member,
			  .items = view_items,
			  .output = flo__view_output,
			  .named = view_named,
			  .never = flo__view_never},
		.c = c,
		.node = node,
		.sees = sees,
	};

	return view;
}
