#include "dsl/arguments_p.h"
#include "dsl/compile_p.h"

#include <string.h>

static const flo_step_type *find_type(struct flo__compiler *c, uint32_t node)
{
	const struct flo__registry *registry = c->options->registry;
	const flo_step_type *type;
	struct flo__nearest near;
	const char *name;
	size_t len;
	char hint[96];
	size_t at;

	if (!flo__compile_is(c, node, FLO__DOC_STRING, "`use`"))
		return NULL;
	if (flo__compile_has_template(c, node, &at)) {
		flo__compile_plain(c, node, "`use`");
		return NULL;
	}
	name = flo__doc_string(&c->doc, node, &len);
	type = registry != NULL ? registry->find(registry, name, len) : NULL;
	if (type != NULL || c->options->any_step)
		return type;
	flo__nearest_init(&near, name, len);
	for (size_t i = 0;
	     registry != NULL && (type = registry->at(registry, i)) != NULL;
	     i++)
		flo__nearest_offer(&near, type->name, strlen(type->name));
	flo__compile_error(c, UNKNOWN_TYPE, node,
			   flo__nearest_hint(&near, hint, sizeof(hint)),
			   "there is no step type \"%.*s\"",
			   (int)(len < 64 ? len : 64), name);
	return NULL;
}

/* The types that the JSON at @node may have at run time. */
static unsigned types_of(struct flo__compiler *c, uint32_t node)
{
	const struct flo__doc_node *n = &c->doc.nodes[node];
	const char *text;
	size_t len;
	size_t at;

	switch ((enum flo__doc_type)n->type) {
	case FLO__DOC_NULL:
		return FLO_TYPES(NULL);
	case FLO__DOC_FALSE:
	case FLO__DOC_TRUE:
		return FLO_TYPES(BOOL);
	case FLO__DOC_NUMBER:
		return n->real ? FLO_TYPES(DOUBLE)
			       : FLO_TYPES(INT) | FLO_TYPES(DOUBLE);
	case FLO__DOC_ARRAY:
		return FLO_TYPES(LIST);
	case FLO__DOC_OBJECT:
		return FLO_TYPES(MAP);
	default:
		break;
	}
	text = flo__doc_string(&c->doc, node, &len);
	if (flo__compile_has_template(c, node, &at) && at == 0 &&
	    flo__lexer_template_end(text, len, 3) + 2 >= len)
		return FLO__TYPES_ANY;
	return FLO_TYPES(STRING);
}

/* What is literal in a value of an allowed type. */
static void check_literal(struct flo__compiler *c, const flo_step_type *type,
			  const flo_step_param *param, uint32_t node)
{
	struct flo__misfit why = {.text = FLO__STRBUF_INIT};
	flo_value *value = NULL;
	bool fits = true;

	switch ((enum flo__doc_type)c->doc.nodes[node].type) {
	case FLO__DOC_ARRAY:
		fits = flo__argument_len_fits(param, c->doc.nodes[node].len,
					      "item", &why);
		break;
	case FLO__DOC_STRING:
	case FLO__DOC_NUMBER:
		value = flo__doc_scalar(&c->doc, node);
		c->nomem |= value == NULL;
		fits = value == NULL || flo__argument_fits(param, value, &why);
		break;
	default:
		break;
	}
	c->nomem |= why.text.failed;
	if (!fits)
		flo__compile_error(c, BAD_VALUE, node,
				   why.hint[0] != '\0' ? why.hint : NULL,
				   "`%s` of %s %s", param->name, type->name,
				   why.text.data);
	flo_value_unref(value);
	flo__strbuf_fini(&why.text);
}

static bool has_marker(struct flo__compiler *c, uint32_t node);

/* Items of a list that have a format. */
static void check_items(struct flo__compiler *c, const flo_step_type *type,
			const flo_step_param *param, uint32_t list)
{
	if (param->format != FLO_FORMAT_POINTER ||
	    c->doc.nodes[list].type != FLO__DOC_ARRAY)
		return;
	for (uint32_t item = flo__doc_first(&c->doc, list);
	     item != FLO__DOC_NONE && !c->nomem;
	     item = c->doc.nodes[item].next) {
		struct flo__misfit why = {.text = FLO__STRBUF_INIT};
		enum flo__doc_type have =
			(enum flo__doc_type)c->doc.nodes[item].type;
		flo_value *value;

		if (have != FLO__DOC_STRING) {
			flo__compile_error(c, WRONG_TYPE, item, NULL,
					   "an item of `%s` of %s must be a "
					   "string, not %s",
					   param->name, type->name,
					   flo__doc_type_text(have));
			continue;
		}
		if (has_marker(c, item))
			continue;
		value = flo__doc_scalar(&c->doc, item);
		c->nomem |= value == NULL;
		if (value != NULL &&
		    !flo__argument_item_fits(param, value, &why))
			flo__compile_error(c, BAD_VALUE, item, why.hint,
					   "`%s` of %s %s", param->name,
					   type->name, why.text.data);
		c->nomem |= why.text.failed;
		flo_value_unref(value);
		flo__strbuf_fini(&why.text);
	}
}

/* Whether "${{" is anywhere in a string, be it a template or not. */
static bool has_marker(struct flo__compiler *c, uint32_t node)
{
	const char *text;
	size_t len;

	if (c->doc.nodes[node].type != FLO__DOC_STRING)
		return false;
	text = flo__doc_string(&c->doc, node, &len);
	return len >= 3 && memmem(text, len, "${{", 3) != NULL;
}

static void check_members(struct flo__view *view, const flo_step_type *type,
			  const flo_step_param *param, uint32_t map);

/* Whether @text uses a name that only the step's expression knows. */
static bool is_meant_bare(struct flo__view *view, const flo_expr_options *names,
			  const char *text, size_t len)
{
	flo_expr *expr = NULL;
	flo_status st;

	for (size_t i = 0; i < names->names_len; i++) {
		const char *name = names->names[i].name;
		struct flo__expr_problem problem;
		struct flo__ref ref = {.node = FLO__NODE_NONE};

		if (memmem(text, len, name, strlen(name)) != NULL &&
		    view->names.var(&view->names, name, strlen(name), &ref,
				    &problem) == FLO_OK)
			return false;
	}
	st = flo__dsl_expr_compile(text, len, names, NULL, &expr);
	flo__dsl_expr_free(expr);
	view->c->nomem |= st == FLO_NOMEM;
	return st == FLO_OK;
}

/* Pieces do not make an expression: what they say could change what it is. */
static void check_template(struct flo__view *view, const flo_step_param *param,
			   uint32_t node)
{
	struct flo__compiler *c = view->c;
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);
	size_t at;

	if (!flo__compile_has_template(c, node, &at))
		at = 0;
	if (at == 0 && len > 5 && memcmp(text, "${{", 3) == 0 &&
	    flo__lexer_template_end(text, len, 3) + 2 == len &&
	    !is_meant_bare(view, param->expression, text + 3, len - 5))
		return;
	flo__report_error(&c->report, FLO__CODE_TEMPLATE_PLACE,
			  flo__doc_inside(&c->doc, node, at, 3), node,
			  "write the expression without ${{ }}; one template "
			  "may compute all of it",
			  "`%s` is an expression already", param->name);
	/* What its template names is not told as a second mistake. */
	c->doc.nodes[node].type = FLO__DOC_NULL;
}

static void check_expression(struct flo__view *view, const flo_step_type *type,
			     const flo_step_param *param, uint32_t node)
{
	struct flo__compiler *c = view->c;

	if (c->doc.nodes[node].type != FLO__DOC_STRING)
		flo__compile_error(
			c, WRONG_TYPE, node, "a text is written \"'text'\"",
			"an entry of `%s` of %s must be a string, an "
			"expression, not %s",
			param->name, type->name,
			flo__doc_type_text(
				(enum flo__doc_type)c->doc.nodes[node].type));
	else if (has_marker(c, node))
		check_template(view, param, node);
	else
		flo__compile_named(c, node, param->expression, param->name,
				   type->name);
}

/* A text, or a map of texts, that are to be expressions. */
static void check_expressions(struct flo__view *view, const flo_step_type *type,
			      const flo_step_param *param, uint32_t value)
{
	struct flo__compiler *c = view->c;

	if (c->doc.nodes[value].type == FLO__DOC_STRING) {
		/* A template may compute the map as well. */
		if ((flo__argument_types(param) & FLO_TYPES(STRING)) != 0)
			check_expression(view, type, param, value);
		return;
	}
	if (c->doc.nodes[value].type != FLO__DOC_OBJECT)
		return;
	for (uint32_t key = flo__doc_first(&c->doc, value);
	     key != FLO__DOC_NONE; key = c->doc.nodes[key].next)
		check_expression(view, type, param, flo__doc_value(key));
}

static void check_value(struct flo__view *view, const flo_step_type *type,
			const flo_step_param *param, uint32_t value)
{
	struct flo__compiler *c = view->c;

	enum flo__doc_type have = (enum flo__doc_type)c->doc.nodes[value].type;

	if ((types_of(c, value) & flo__argument_types(param)) == 0)
		flo__compile_error(c, WRONG_TYPE, value, NULL,
				   "`%s` of %s must be %s, not %s", param->name,
				   type->name, flo__argument_wanted(param),
				   flo__doc_type_text(have));
	else if (param->members != NULL && have == FLO__DOC_OBJECT)
		check_members(view, type, param, value);
	else if (param->format == FLO_FORMAT_EXPRESSION)
		check_expressions(view, type, param, value);
	else if (!has_marker(c, value)) {
		check_literal(c, type, param, value);
		check_items(c, type, param, value);
	}
}

static const flo_step_param *find_param(const flo_step_type *type,
					const char *name, size_t len)
{
	return flo__argument_find(type->params, type->params_len, name, len);
}

/* Whether a member of @map that there is not looks like @name: then it is told
 * already that @name is missing. */
static bool is_misspelt(struct flo__compiler *c, const flo_step_param *params,
			size_t params_len, uint32_t map, const char *name)
{
	for (uint32_t key = map != FLO__DOC_NONE ? flo__doc_first(&c->doc, map)
						 : FLO__DOC_NONE;
	     key != FLO__DOC_NONE; key = c->doc.nodes[key].next) {
		struct flo__nearest near;
		size_t len;
		const char *said = flo__doc_string(&c->doc, key, &len);

		if (flo__argument_find(params, params_len, said, len) != NULL)
			continue;
		flo__argument_nearest(params, params_len, said, len, &near);
		if (strcmp(near.name, name) == 0)
			return true;
	}
	return false;
}

/* Whether @map has it, or was meant to. */
static bool has_member(struct flo__compiler *c, const flo_step_param *params,
		       size_t params_len, uint32_t map, const char *name)
{
	return map != FLO__DOC_NONE &&
	       (flo__doc_get(&c->doc, map, name) != FLO__DOC_NONE ||
		is_misspelt(c, params, params_len, map, name));
}

/* The members of a map, each as an argument is. */
static void check_members(struct flo__view *view, const flo_step_type *type,
			  const flo_step_param *param, uint32_t map)
{
	struct flo__compiler *c = view->c;

	for (uint32_t key = flo__doc_first(&c->doc, map); key != FLO__DOC_NONE;
	     key = c->doc.nodes[key].next) {
		size_t len;
		char hint[96];
		const char *name = flo__doc_string(&c->doc, key, &len);
		const flo_step_param *member =
			flo__argument_find(param->members, param->members_len,
					   name, len);

		if (member != NULL)
			check_value(view, type, member, flo__doc_value(key));
		else
			flo__compile_error(
				c, UNKNOWN_ARGUMENT, key,
				flo__argument_near(param->members,
						   param->members_len, name,
						   len, hint, sizeof(hint)),
				"`%s` of %s takes no \"%.*s\"", param->name,
				type->name, (int)(len < 64 ? len : 64), name);
	}
	for (size_t i = 0; i < param->members_len; i++)
		if (param->members[i].required &&
		    !has_member(c, param->members, param->members_len, map,
				param->members[i].name))
			flo__compile_error(c, MISSING_ARGUMENT, map, NULL,
					   "`%s` of %s needs `%s`", param->name,
					   type->name, param->members[i].name);
}

static void check_argument(struct flo__view *view, const flo_step_type *type,
			   uint32_t key)
{
	struct flo__compiler *c = view->c;
	char hint[96];
	size_t len;
	const char *name = flo__doc_string(&c->doc, key, &len);
	const flo_step_param *param = find_param(type, name, len);

	if (param != NULL) {
		check_value(view, type, param, flo__doc_value(key));
		return;
	}
	flo__compile_error(c, UNKNOWN_ARGUMENT, key,
			   flo__argument_near(type->params, type->params_len,
					      name, len, hint, sizeof(hint)),
			   "%s takes no argument \"%.*s\"", type->name,
			   (int)(len < 64 ? len : 64), name);
}

/* Of those of which a step has one, it has one. */
static void check_one(struct flo__compiler *c, const flo_step_type *type,
		      uint32_t use, uint32_t with)
{
	uint32_t first = FLO__DOC_NONE;
	char names[160];

	if (type->exactly_one == NULL)
		return;
	flo__argument_choices(type, names, sizeof(names));
	for (uint32_t key = with != FLO__DOC_NONE
				    ? flo__doc_first(&c->doc, with)
				    : FLO__DOC_NONE;
	     key != FLO__DOC_NONE; key = c->doc.nodes[key].next) {
		size_t i = 0;

		while (type->exactly_one[i] != NULL &&
		       !flo__doc_is(&c->doc, key, type->exactly_one[i]))
			i++;
		if (type->exactly_one[i] == NULL)
			continue;
		if (first != FLO__DOC_NONE)
			flo__compile_error(c, CONFLICTING_KEYS, key,
					   "take one of them out",
					   "%s takes exactly one of %s",
					   type->name, names);
		first = key;
	}
	for (size_t i = 0; type->exactly_one[i] != NULL; i++)
		if (is_misspelt(c, type->params, type->params_len, with,
				type->exactly_one[i]))
			return;
	if (first == FLO__DOC_NONE)
		flo__compile_error(c, MISSING_ARGUMENT, use, NULL,
				   "%s needs exactly one of %s in `with`",
				   type->name, names);
}

static void check_arguments(struct flo__view *view, const flo_step_type *type,
			    uint32_t use, uint32_t with)
{
	struct flo__compiler *c = view->c;

	if (type->params == NULL)
		return;
	for (uint32_t key = with != FLO__DOC_NONE
				    ? flo__doc_first(&c->doc, with)
				    : FLO__DOC_NONE;
	     key != FLO__DOC_NONE; key = c->doc.nodes[key].next)
		check_argument(view, type, key);
	for (size_t i = 0; i < type->params_len; i++) {
		const flo_step_param *param = &type->params[i];

		if (param->required &&
		    !has_member(c, type->params, type->params_len, with,
				param->name))
			flo__compile_error(c, MISSING_ARGUMENT, use, NULL,
					   "%s needs the argument `%s` in "
					   "`with`",
					   type->name, param->name);
	}
	check_one(c, type, use, with);
}

/* The view of a `with`. */
struct arguments {
	struct flo__view view; /* first: found by its address */
	const flo_step_type *type;
};

/* An argument is one template: hold its types against the declaration. */
static void check_typed(struct flo__view *view, uint32_t node, unsigned depth)
{
	const struct arguments *a = (const struct arguments *)view;
	struct flo__compiler *c = view->c;
	const flo_step_param *param;
	const char *name;
	size_t len;

	if (depth != 1)
		return;
	name = flo__doc_string(&c->doc, node - 1, &len);
	param = find_param(a->type, name, len);
	if (param == NULL || (view->types & flo__argument_types(param)) != 0)
		return;
	flo__compile_error(c, TYPE_MISMATCH, node, NULL,
			   "`%s` of %s must be %s, but this is %s", param->name,
			   a->type->name, flo__argument_wanted(param),
			   flo__types_text(view->types));
}

void flo__compile_use(struct flo__view *view, const struct flo__keys *keys,
		      struct flo__leaf *leaf)
{
	struct flo__compiler *c = view->c;
	uint32_t with = keys->at[FLO__KEY_WITH];

	leaf->type = find_type(c, keys->at[FLO__KEY_USE]);
	/* A type that declares no arguments takes any value (core.set). */
	if (with != FLO__DOC_NONE &&
	    (leaf->type == NULL || leaf->type->params != NULL) &&
	    !flo__compile_is(c, with, FLO__DOC_OBJECT, "`with`"))
		return;
	if (leaf->type != NULL)
		check_arguments(view, leaf->type, keys->at[FLO__KEY_USE], with);
	if (with != FLO__DOC_NONE) {
		struct arguments own = {.view = *view, .type = leaf->type};

		own.view.sees |= SEES_SECRETS;
		if (leaf->type != NULL && leaf->type->params != NULL)
			own.view.typed = check_typed;
		leaf->with = flo__compile_value(&own.view, with);
	}
}
