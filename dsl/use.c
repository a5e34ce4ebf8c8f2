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

static const char *wanted(unsigned types)
{
	static const struct {
		unsigned types;
		const char *text;
	} texts[] = {
		{FLO_TYPES(STRING), "a string"},
		{FLO_TYPES(BOOL), "a boolean"},
		{FLO_TYPES(INT), "a whole number"},
		{FLO_TYPES(INT) | FLO_TYPES(DOUBLE), "a number"},
		{FLO_TYPES(DOUBLE), "a number"},
		{FLO_TYPES(LIST), "an array"},
		{FLO_TYPES(MAP), "an object"},
		{FLO_TYPES(STRING) | FLO_TYPES(LIST), "a string or an array"},
		{FLO_TYPES(LIST) | FLO_TYPES(MAP), "an array or an object"},
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].types == types)
			return texts[i].text;
	}
	return "something else";
}

static void check_argument(struct flo__compiler *c, const flo_step_type *type,
			   uint32_t key)
{
	struct flo__nearest near;
	char hint[96];
	size_t len;
	const char *name = flo__doc_string(&c->doc, key, &len);
	uint32_t value = flo__doc_value(key);

	flo__nearest_init(&near, name, len);
	for (size_t i = 0; i < type->params_len; i++) {
		const flo_step_param *param = &type->params[i];

		flo__nearest_offer(&near, param->name, strlen(param->name));
		if (strlen(param->name) != len ||
		    memcmp(param->name, name, len) != 0)
			continue;
		if (param->types != 0 &&
		    (types_of(c, value) & param->types) == 0)
			flo__compile_error(c, WRONG_TYPE, value, NULL,
					   "`%s` of %s must be %s, not %s",
					   param->name, type->name,
					   wanted(param->types),
					   flo__doc_type_text(
						   (enum flo__doc_type)c->doc
							   .nodes[value]
							   .type));
		return;
	}
	flo__compile_error(c, UNKNOWN_ARGUMENT, key,
			   flo__nearest_hint(&near, hint, sizeof(hint)),
			   "%s takes no argument \"%.*s\"", type->name,
			   (int)(len < 64 ? len : 64), name);
}

static void check_arguments(struct flo__compiler *c, const flo_step_type *type,
			    uint32_t use, uint32_t with)
{
	if (type->params == NULL)
		return;
	for (uint32_t key = with != FLO__DOC_NONE
				    ? flo__doc_first(&c->doc, with)
				    : FLO__DOC_NONE;
	     key != FLO__DOC_NONE; key = c->doc.nodes[key].next)
		check_argument(c, type, key);
	for (size_t i = 0; i < type->params_len; i++) {
		const flo_step_param *param = &type->params[i];

		if (param->required &&
		    (with == FLO__DOC_NONE ||
		     flo__doc_get(&c->doc, with, param->name) == FLO__DOC_NONE))
			flo__compile_error(c, MISSING_ARGUMENT, use, NULL,
					   "%s needs the argument `%s` in "
					   "`with`",
					   type->name, param->name);
	}
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
		check_arguments(c, leaf->type, keys->at[FLO__KEY_USE], with);
	if (with != FLO__DOC_NONE) {
		struct flo__view own = *view;

		own.sees |= SEES_SECRETS;
		leaf->with = flo__compile_value(&own, with);
	}
}
