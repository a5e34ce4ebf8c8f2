/*
 * What the schema of a step says beside its properties: that it is one kind of
 * step, that each key belongs to its kind, and what a native type takes.
 */
#include "dsl/arguments_p.h"
#include "dsl/compile_p.h"
#include "dsl/schema_p.h"

#include "base/contract.h"

#include <string.h>

/* The items of an "anyOf" or "oneOf": a key of each kind in @where. */
static void add_kinds(struct flo__schema *s, const char *word, unsigned where)
{
	const struct flo__field *fields = flo__grammar_step.fields;

	flo__schema_open(s, word, '[');
	for (int i = 0; i < FLO__BODIES; i++) {
		if (where & flo__bodies[i].where)
			flo__schema_with(s, fields[flo__bodies[i].key].key);
	}
	for (int i = 0; i < FLO__LOOPS; i++) {
		if (where & flo__loops[i].where)
			flo__schema_with(s, fields[flo__loops[i].key].key);
	}
	flo__schema_close(s, ']');
}

static bool makes_kind(unsigned key)
{
	bool found = false;

	for (int i = 0; i < FLO__BODIES; i++)
		found |= flo__bodies[i].key == key;
	for (int i = 0; i < FLO__LOOPS; i++)
		found |= flo__loops[i].key == key;
	return found;
}

/* Whether an earlier field belongs to the same kinds. */
static bool seen_before(unsigned i)
{
	const struct flo__field *fields = flo__grammar_step.fields;

	for (unsigned j = 0; j < i; j++) {
		if (fields[j].where == fields[i].where && !makes_kind(j))
			return true;
	}
	return false;
}

/* A step of no kind in @where has none of the keys that belong there. */
static void add_home(struct flo__schema *s, unsigned where)
{
	const struct flo__field *fields = flo__grammar_step.fields;

	flo__schema_open(s, NULL, '{');
	flo__schema_open(s, "if", '{');
	add_kinds(s, "anyOf", where);
	flo__schema_close(s, '}');
	flo__schema_open(s, "else", '{');
	flo__schema_open(s, "properties", '{');
	for (unsigned i = 0; i < flo__grammar_step.len; i++) {
		if (fields[i].where == where && !makes_kind(i))
			flo__schema_false(s, fields[i].key);
	}
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
}

/* Where each key belongs. */
static void add_homes(struct flo__schema *s)
{
	const struct flo__field *fields = flo__grammar_step.fields;

	for (unsigned i = 0; i < flo__grammar_step.len; i++) {
		if ((fields[i].where & IN_ANY) != IN_ANY && !makes_kind(i) &&
		    !seen_before(i))
			add_home(s, fields[i].where);
	}
}

/* A percentage is of items. */
static void add_percent(struct flo__schema *s)
{
	const char *const key[] = {"max_failures", NULL};

	flo__schema_open(s, NULL, '{');
	flo__schema_open(s, "if", '{');
	flo__schema_open(s, "properties", '{');
	flo__schema_open(s, key[0], '{');
	flo__schema_string(s, "type", "string");
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	flo__schema_words(s, "required", key);
	flo__schema_close(s, '}');
	flo__schema_open(s, "then", '{');
	add_kinds(s, "anyOf", IN_FOREACH);
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
}

/* A pipeline's arguments are its params. */
static void add_pipeline(struct flo__schema *s)
{
	const char *const key[] = {"pipeline", NULL};

	flo__schema_open(s, NULL, '{');
	flo__schema_open(s, "if", '{');
	flo__schema_words(s, "required", key);
	flo__schema_close(s, '}');
	flo__schema_open(s, "then", '{');
	flo__schema_open(s, "properties", '{');
	flo__schema_open(s, "with", '{');
	flo__schema_string(s, "type", "object");
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
}

static const flo_step_type *type_at(const struct flo__schema *s, size_t i)
{
	return s->registry != NULL ? s->registry->at(s->registry, i) : NULL;
}

static bool needs_with(const flo_step_type *type)
{
	for (size_t i = 0; i < type->params_len; i++) {
		if (type->params[i].required)
			return true;
	}
	return false;
}

/* The `with` of one native type. */
static void add_with(struct flo__schema *s, const flo_step_type *type)
{
	const char *const with[] = {"with", NULL};
	const char *const use[] = {"use", NULL};
	struct flo__strbuf ref = FLO__STRBUF_INIT;

	flo__strbuf_addf(&ref, "with.%s", type->name);
	flo__schema_open(s, NULL, '{');
	flo__schema_open(s, "if", '{');
	flo__schema_open(s, "properties", '{');
	flo__schema_open(s, use[0], '{');
	flo__schema_string(s, "const", type->name);
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	flo__schema_words(s, "required", use);
	flo__schema_close(s, '}');
	flo__schema_open(s, "then", '{');
	flo__schema_open(s, "properties", '{');
	flo__schema_open(s, with[0], '{');
	flo__schema_ref(s, ref.data);
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	if (needs_with(type))
		flo__schema_words(s, "required", with);
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	s->sb.failed |= ref.failed;
	flo__strbuf_fini(&ref);
}

void flo__schema_step(struct flo__schema *s)
{
	const flo_step_type *type;
	const char *loops[FLO__LOOPS + 1] = {NULL};

	for (int i = 0; i < FLO__LOOPS; i++)
		loops[i] = flo__grammar_step.fields[flo__loops[i].key].key;
	add_kinds(s, "oneOf", IN_ANY & ~(unsigned)IN_FOREACH);
	flo__schema_open(s, "not", '{');
	flo__schema_words(s, "required", loops);
	flo__schema_close(s, '}');
	flo__schema_open(s, "allOf", '[');
	add_homes(s);
	add_percent(s);
	add_pipeline(s);
	for (size_t i = 0; (type = type_at(s, i)) != NULL; i++) {
		if (type->params != NULL)
			add_with(s, type);
	}
	flo__schema_close(s, ']');
}

void flo__schema_step_names(struct flo__schema *s)
{
	const flo_step_type *type;

	flo__schema_open(s, "oneOf", '[');
	for (size_t i = 0; (type = type_at(s, i)) != NULL; i++) {
		flo__schema_open(s, NULL, '{');
		flo__schema_string(s, "const", type->name);
		if (type->description != NULL)
			flo__schema_string(s, "description", type->description);
		flo__schema_close(s, '}');
	}
	flo__schema_close(s, ']');
}

/* JSON's types for those of an argument; a string may be a template. */
static struct flo__shape shape_of(unsigned types)
{
	struct flo__shape shape = {.types = FLO__JSON(STRING),
				   .string = STRING_TEMPLATE};

	if (types & FLO_TYPES(STRING))
		shape.string = STRING_TEXT;
	if (types & FLO_TYPES(NULL))
		shape.types |= FLO__JSON(NULL);
	if (types & FLO_TYPES(BOOL))
		shape.types |= FLO__JSON_BOOL;
	if (types & (FLO_TYPES(INT) | FLO_TYPES(DOUBLE)))
		shape.types |= FLO__JSON(NUMBER);
	if (types & FLO_TYPES(LIST))
		shape.types |= FLO__JSON(ARRAY);
	if (types & FLO_TYPES(MAP))
		shape.types |= FLO__JSON(OBJECT);
	shape.whole = (types & FLO_TYPES(DOUBLE)) == 0;
	shape.items = &flo__shape_value;
	shape.keys = flo__shape_value.keys;
	shape.values = &flo__shape_value;
	return shape;
}

#define POINTER "^(/([^~/]|~[01])*)*$"

/* A pointer with a template in it is not looked at. */
static const struct flo__shape shape_pointer = {
	.types = FLO__JSON(STRING),
	.string = STRING_PATTERN,
	.pattern = "\\$\\{\\{|" POINTER,
};

/* What is asked of texts. A pattern with settings is not ECMA-262's. */
static void add_text_rules(struct flo__schema *s, const flo_step_param *param)
{
	const char *pattern = param->pattern;

	if (param->format == FLO_FORMAT_DURATION)
		pattern = flo__shape_duration.pattern;
	if (param->format == FLO_FORMAT_SIZE)
		pattern = flo__shape_size.pattern;
	if (param->format == FLO_FORMAT_POINTER)
		pattern = POINTER;
	if (pattern != NULL && strstr(pattern, "(?i") == NULL &&
	    strstr(pattern, "(?s") == NULL && strstr(pattern, "(?m") == NULL)
		flo__schema_string(s, "pattern", pattern);
	if (param->min_len != 0)
		flo__schema_number(s, "minLength", (double)param->min_len);
	if (param->max_len != 0)
		flo__schema_number(s, "maxLength", (double)param->max_len);
}

/* The texts that fit, any that has a template in it, and no text at all. */
static void add_texts(struct flo__schema *s, const flo_step_param *param)
{
	flo__schema_open(s, "anyOf", '[');
	flo__schema_open(s, NULL, '{');
	if (param->one_of != NULL)
		flo__schema_words(s, "enum", param->one_of);
	add_text_rules(s, param);
	flo__schema_close(s, '}');
	flo__schema_open(s, NULL, '{');
	flo__schema_string(s, "type", "string");
	flo__schema_string(s, "pattern", "\\$\\{\\{");
	flo__schema_close(s, '}');
	if (flo__argument_types(param) & ~FLO_TYPES(STRING)) {
		flo__schema_open(s, NULL, '{');
		flo__schema_open(s, "not", '{');
		flo__schema_string(s, "type", "string");
		flo__schema_close(s, '}');
		flo__schema_close(s, '}');
	}
	flo__schema_close(s, ']');
}

/* What is asked beside the type: see flo_step_param. */
static void add_rules(struct flo__schema *s, const flo_step_param *param)
{
	if ((flo__argument_types(param) & FLO_TYPES(STRING)) != 0 &&
	    (param->one_of != NULL || param->pattern != NULL ||
	     param->format != FLO_FORMAT_NONE || param->min_len != 0 ||
	     param->max_len != 0))
		add_texts(s, param);
	if (param->min_len != 0)
		flo__schema_number(s, "minItems", (double)param->min_len);
	if (param->max_len != 0)
		flo__schema_number(s, "maxItems", (double)param->max_len);
	if (param->has_min)
		flo__schema_number(s, "minimum", param->min);
	if (param->has_max)
		flo__schema_number(s, "maximum", param->max);
}

static void add_arguments_of(struct flo__schema *s,
			     const flo_step_param *params, size_t params_len);

/* An argument of some types, or a template that computes it. */
static void add_argument(struct flo__schema *s, const flo_step_param *param)
{
	struct flo__shape shape = shape_of(param->types);

	if (param->members != NULL)
		shape.keys = shape.values = NULL;
	if (param->format == FLO_FORMAT_POINTER)
		shape.items = &shape_pointer;

	flo__schema_open(s, param->name, '{');
	if (param->description != NULL)
		flo__schema_string(s, "description", param->description);
	flo__schema_body(s, param->types != 0 ? &shape : &flo__shape_value);
	add_rules(s, param);
	if (param->members != NULL)
		add_arguments_of(s, param->members, param->members_len);
	flo__schema_close(s, '}');
}

/* The keys of an object, all there are. */
static void add_arguments_of(struct flo__schema *s,
			     const flo_step_param *params, size_t params_len)
{
	bool some = false;

	flo__schema_open(s, "properties", '{');
	for (size_t i = 0; i < params_len; i++) {
		add_argument(s, &params[i]);
		some |= params[i].required;
	}
	flo__schema_close(s, '}');
	if (some) {
		flo__schema_open(s, "required", '[');
		for (size_t i = 0; i < params_len; i++) {
			if (params[i].required)
				flo__schema_string(s, NULL, params[i].name);
		}
		flo__schema_close(s, ']');
	}
	flo__schema_false(s, "additionalProperties");
}

/* Exactly one of several. */
static void add_choices(struct flo__schema *s, const flo_step_type *type)
{
	if (type->exactly_one == NULL)
		return;
	flo__schema_open(s, "oneOf", '[');
	for (size_t i = 0; type->exactly_one[i] != NULL; i++) {
		flo__schema_open(s, NULL, '{');
		flo__schema_open(s, "required", '[');
		flo__schema_string(s, NULL, type->exactly_one[i]);
		flo__schema_close(s, ']');
		flo__schema_close(s, '}');
	}
	flo__schema_close(s, ']');
}

static void add_arguments(struct flo__schema *s, const flo_step_type *type)
{
	struct flo__strbuf name = FLO__STRBUF_INIT;

	flo__strbuf_addf(&name, "with.%s", type->name);
	flo__schema_open(s, name.data, '{');
	flo__schema_string(s, "type", "object");
	add_arguments_of(s, type->params, type->params_len);
	add_choices(s, type);
	flo__schema_close(s, '}');
	s->sb.failed |= name.failed;
	flo__strbuf_fini(&name);
}

void flo__schema_step_types(struct flo__schema *s)
{
	const flo_step_type *type;

	for (size_t i = 0; (type = type_at(s, i)) != NULL; i++) {
		if (type->params != NULL)
			add_arguments(s, type);
	}
}
