/*
 * The table of keys as JSON Schema, draft 2020-12.
 *
 * The schema refuses nothing that the compiler takes. It takes more: what only a
 * compiler can tell, and what a schema has no words for: to it 1.0 is a whole
 * number, "${{ a }} ${{ b }}" is one template, and a length is in characters.
 */
#include "dsl/compile_p.h"
#include "dsl/schema_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/signal_name.h"

#include <string.h>

#define DIALECT "https://json-schema.org/draft/2020-12/schema"
#define ID	"urn:flowctl:pipeline:1"

#define SIGNALS_MAX 64

#define NO_EXPRESSION "^(?!\\$\\{\\{)"
#define NAME	      "^[A-Za-z_][A-Za-z0-9_]{0,62}$"

/* ---- the writer ---- */

static void next(struct flo__schema *s, const char *key)
{
	if (!s->first)
		flo__strbuf_addc(&s->sb, ',');
	s->first = false;
	if (s->depth != 0)
		flo__strbuf_addc(&s->sb, '\n');
	for (unsigned i = 0; i < s->depth; i++)
		flo__strbuf_adds(&s->sb, "  ");
	if (key == NULL)
		return;
	flo__strbuf_add_json(&s->sb, key, strlen(key));
	flo__strbuf_adds(&s->sb, ": ");
}

void flo__schema_open(struct flo__schema *s, const char *key, char bracket)
{
	next(s, key);
	flo__strbuf_addc(&s->sb, bracket);
	s->depth++;
	s->first = true;
}

void flo__schema_close(struct flo__schema *s, char bracket)
{
	bool empty = s->first;

	INSIST(s->depth > 0);
	s->depth--;
	s->first = true;
	if (!empty)
		next(s, NULL);
	flo__strbuf_addc(&s->sb, bracket);
	s->first = false;
}

void flo__schema_string(struct flo__schema *s, const char *key,
			const char *text)
{
	next(s, key);
	flo__strbuf_add_json(&s->sb, text, strlen(text));
}

void flo__schema_number(struct flo__schema *s, const char *key, double n)
{
	next(s, key);
	flo__strbuf_addf(&s->sb, "%g", n);
}

void flo__schema_false(struct flo__schema *s, const char *key)
{
	next(s, key);
	flo__strbuf_adds(&s->sb, "false");
}

void flo__schema_words(struct flo__schema *s, const char *key,
		       const char *const *words)
{
	next(s, key);
	flo__strbuf_addc(&s->sb, '[');
	for (int i = 0; words[i] != NULL; i++) {
		flo__strbuf_adds(&s->sb, i != 0 ? ", " : "");
		flo__strbuf_add_json(&s->sb, words[i], strlen(words[i]));
	}
	flo__strbuf_addc(&s->sb, ']');
}

void flo__schema_ref(struct flo__schema *s, const char *name)
{
	next(s, "$ref");
	flo__strbuf_addf(&s->sb, "\"#/$defs/%s\"", name);
}

void flo__schema_with(struct flo__schema *s, const char *key)
{
	const char *const words[] = {key, NULL};

	flo__schema_open(s, NULL, '{');
	flo__schema_words(s, "required", words);
	flo__schema_close(s, '}');
}

/* ---- definitions ---- */

/* Refer to a definition, which is then written in its turn. */
static void refer(struct flo__schema *s, const struct flo__shape *shape,
		  const struct flo__grammar *grammar)
{
	unsigned i = 0;

	flo__schema_ref(s, shape != NULL ? shape->def : grammar->def);
	while (i < s->defs_len &&
	       (s->defs[i].shape != shape || s->defs[i].grammar != grammar))
		i++;
	if (i < s->defs_len)
		return;
	INSIST(s->defs_len < FLO__SCHEMA_DEFS_MAX);
	s->defs[i].shape = shape;
	s->defs[i].grammar = grammar;
	s->defs_len++;
}

/* ---- shapes ---- */

static void add_types(struct flo__schema *s, const struct flo__shape *shape,
		      unsigned types)
{
	const char *words[8];
	int n = 0;

	if (types & FLO__JSON(OBJECT))
		words[n++] = "object";
	if (types & FLO__JSON(ARRAY))
		words[n++] = "array";
	if (types & FLO__JSON(STRING))
		words[n++] = "string";
	if (types & FLO__JSON(NUMBER))
		words[n++] =
			shape->whole || shape->count ? "integer" : "number";
	if (types & FLO__JSON_BOOL)
		words[n++] = "boolean";
	if (types & FLO__JSON(NULL))
		words[n++] = "null";
	words[n] = NULL;
	if (n == 1)
		flo__schema_string(s, "type", words[0]);
	else
		flo__schema_words(s, "type", words);
}

static void add_name(struct flo__schema *s, const struct flo__shape *shape)
{
	const char *words[64];
	int n = 0;

	for (int i = 0; flo__reserved_words[i] != NULL; i++)
		words[n++] = flo__reserved_words[i];
	words[n++] = "finally";
	for (int i = 0; shape->words != NULL && shape->words[i] != NULL; i++)
		words[n++] = shape->words[i];
	words[n] = NULL;
	INSIST(n < 64);
	flo__schema_string(s, "pattern", NAME);
	flo__schema_open(s, "not", '{');
	flo__schema_words(s, "enum", words);
	flo__schema_close(s, '}');
}

/* Names for people to choose from, and all that the compiler knows. */
static void add_signal(struct flo__schema *s)
{
	struct flo__strbuf all = FLO__STRBUF_INIT;
	const char *words[SIGNALS_MAX + 1];
	int n = 0;

	flo__strbuf_adds(&all, "^(SIG)?(");
	for (int i = 1; i <= SIGNALS_MAX; i++) {
		const char *name = flo__signal_name(i);

		if (name[3] >= '0' && name[3] <= '9')
			continue;
		flo__strbuf_addf(&all, "%s%s", n != 0 ? "|" : "", name + 3);
		words[n++] = name;
	}
	words[n] = NULL;
	flo__strbuf_adds(&all, ")$|^SIG([1-9]|[1-5][0-9]|6[0-4])$");
	flo__schema_open(s, "anyOf", '[');
	flo__schema_open(s, NULL, '{');
	flo__schema_words(s, "enum", words);
	flo__schema_close(s, '}');
	flo__schema_open(s, NULL, '{');
	flo__schema_string(s, "pattern", all.data);
	flo__schema_close(s, '}');
	flo__schema_close(s, ']');
	s->sb.failed |= all.failed;
	flo__strbuf_fini(&all);
}

static void add_pattern(struct flo__schema *s, const struct flo__shape *shape)
{
	struct flo__strbuf either = FLO__STRBUF_INIT;

	flo__strbuf_adds(&either, shape->pattern);
	if (shape->template)
		flo__strbuf_adds(&either, "|" FLO__SCHEMA_TEMPLATE);
	flo__schema_string(s, "pattern", either.data);
	s->sb.failed |= either.failed;
	flo__strbuf_fini(&either);
}

static void add_string(struct flo__schema *s, const struct flo__shape *shape)
{
	switch (shape->string) {
	case STRING_TEXT:
		break;
	case STRING_PLAIN:
		flo__schema_string(s, "pattern", FLO__NO_TEMPLATE);
		break;
	case STRING_EXPRESSION:
		flo__schema_string(s, "pattern", NO_EXPRESSION);
		break;
	case STRING_NAME:
		add_name(s, shape);
		break;
	case STRING_WORD:
		flo__schema_words(s, "enum", shape->words);
		break;
	case STRING_PATTERN:
		add_pattern(s, shape);
		break;
	case STRING_SIGNAL:
		add_signal(s);
		break;
	case STRING_STEP_TYPE:
		flo__schema_step_names(s);
		break;
	case STRING_TEMPLATE:
		flo__schema_string(s, "pattern", FLO__SCHEMA_TEMPLATE);
		break;
	}
	if (shape->len_min != 0)
		flo__schema_number(s, "minLength", shape->len_min);
	if (shape->len_max != 0)
		flo__schema_number(s, "maxLength", shape->len_max);
}

static void add_number(struct flo__schema *s, const struct flo__shape *shape)
{
	if (shape->count || shape->max > 0)
		flo__schema_number(s, "minimum", shape->min);
	if (shape->max > 0)
		flo__schema_number(s, "maximum", shape->max);
}

static void add_array(struct flo__schema *s, const struct flo__shape *shape)
{
	if (shape->first != NULL) {
		flo__schema_open(s, "prefixItems", '[');
		flo__schema_shape(s, NULL, shape->first, NULL);
		flo__schema_close(s, ']');
	}
	if (shape->items != NULL)
		flo__schema_shape(s, "items", shape->items, NULL);
	if (shape->items_min != 0)
		flo__schema_number(s, "minItems", shape->items_min);
}

static void add_map(struct flo__schema *s, const struct flo__shape *shape)
{
	if (shape->some)
		flo__schema_number(s, "minProperties", 1);
	if (shape->keys != NULL)
		flo__schema_shape(s, "propertyNames", shape->keys, NULL);
	if (shape->values != NULL)
		flo__schema_shape(s, "additionalProperties", shape->values,
				  NULL);
}

/* The condition that `type` is among @types. */
static void add_if_type(struct flo__schema *s, unsigned types,
			const struct flo__grammar *grammar)
{
	const char *words[FLO__PARAM_ANY + 1];
	const char *const type[] = {"type", NULL};
	int n = 0;

	for (int i = 0; i < FLO__PARAM_ANY; i++) {
		if (types & (1u << i))
			words[n++] =
				flo__param_type_text((enum flo__param_type)i);
	}
	words[n] = NULL;
	flo__schema_open(s, "if", '{');
	flo__schema_open(s, "properties", '{');
	flo__schema_open(s, type[0], '{');
	flo__schema_words(s, "enum", words);
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	/* Without `type` a param is a string. */
	if (grammar == &flo__grammar_items ||
	    (types & (1u << FLO__PARAM_STRING)) == 0)
		flo__schema_words(s, "required", type);
	flo__schema_close(s, '}');
}

/* Words that suit some types are not there beside others. */
static void add_suits(struct flo__schema *s, const struct flo__grammar *grammar,
		      unsigned types)
{
	flo__schema_open(s, NULL, '{');
	add_if_type(s, types, grammar);
	flo__schema_open(s, "else", '{');
	flo__schema_open(s, "properties", '{');
	for (unsigned i = 0; i < grammar->len; i++) {
		if (grammar->fields[i].where == types)
			flo__schema_false(s, grammar->fields[i].key);
	}
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
}

static void add_param(struct flo__schema *s, const struct flo__grammar *grammar)
{
	const struct flo__field *fields = grammar->fields;

	flo__schema_open(s, "allOf", '[');
	for (unsigned i = 0; i < grammar->len; i++) {
		if ((fields[i].where & (1u << FLO__PARAM_ANY)) == 0 &&
		    fields[i].where != fields[i - 1].where)
			add_suits(s, grammar, fields[i].where);
	}
	flo__schema_close(s, ']');
}

/* The keys of an object, all there are. */
static void add_grammar(struct flo__schema *s,
			const struct flo__grammar *grammar)
{
	const char *required[32];
	int n = 0;

	flo__schema_open(s, "properties", '{');
	for (unsigned i = 0; i < grammar->len; i++) {
		const struct flo__field *field = &grammar->fields[i];

		INSIST(n < 31);
		if (field->where & IS_REQUIRED)
			required[n++] = field->key;
		flo__schema_shape(s, field->key, field->shape, field->text);
	}
	flo__schema_close(s, '}');
	required[n] = NULL;
	if (n != 0)
		flo__schema_words(s, "required", required);
	/* The keys that have a meaning are names, too. */
	if (grammar->keys != NULL)
		flo__schema_shape(s, "propertyNames", grammar->keys, NULL);
	if (grammar->values != NULL)
		flo__schema_shape(s, "additionalProperties", grammar->values,
				  NULL);
	else
		flo__schema_false(s, "additionalProperties");
	if (grammar->one || grammar->some)
		flo__schema_number(s, "minProperties", 1);
	if (grammar->one)
		flo__schema_number(s, "maxProperties", 1);
	if (grammar == &flo__grammar_step)
		flo__schema_step(s);
	if (grammar->fields == flo__grammar_param.fields)
		add_param(s, grammar);
}

/* An object with a definition of its own, here perhaps without some key. */
static void add_object(struct flo__schema *s, const struct flo__shape *shape)
{
	refer(s, NULL, shape->object);
	if (shape->without == NULL)
		return;
	flo__schema_open(s, "properties", '{');
	flo__schema_false(s, shape->without);
	flo__schema_close(s, '}');
}

/* What is not an object with a definition. */
static void add_plain(struct flo__schema *s, const struct flo__shape *shape,
		      unsigned types)
{
	add_types(s, shape, types);
	if (types & FLO__JSON(STRING))
		add_string(s, shape);
	if (types & FLO__JSON(NUMBER))
		add_number(s, shape);
	if (types & FLO__JSON(ARRAY))
		add_array(s, shape);
	if ((types & FLO__JSON(OBJECT)) != 0 && shape->object != NULL)
		add_grammar(s, shape->object);
	else if (types & FLO__JSON(OBJECT))
		add_map(s, shape);
}

static void add_body(struct flo__schema *s, const struct flo__shape *shape)
{
	unsigned other = shape->types & ~FLO__JSON(OBJECT);

	if (shape->object == NULL || shape->object->def == NULL) {
		add_plain(s, shape, shape->types);
	} else if (other == 0) {
		add_object(s, shape);
	} else {
		flo__schema_open(s, "anyOf", '[');
		flo__schema_open(s, NULL, '{');
		add_object(s, shape);
		flo__schema_close(s, '}');
		flo__schema_open(s, NULL, '{');
		add_plain(s, shape, other);
		flo__schema_close(s, '}');
		flo__schema_close(s, ']');
	}
}

void flo__schema_body(struct flo__schema *s, const struct flo__shape *shape)
{
	if (shape->def != NULL)
		refer(s, shape, NULL);
	else
		add_body(s, shape);
}

void flo__schema_shape(struct flo__schema *s, const char *key,
		       const struct flo__shape *shape, const char *text)
{
	flo__schema_open(s, key, '{');
	if (text != NULL)
		flo__schema_string(s, "description", text);
	flo__schema_body(s, shape);
	flo__schema_close(s, '}');
}

/* ---- the whole ---- */

static void add_definition(struct flo__schema *s,
			   const struct flo__shape *shape,
			   const struct flo__grammar *grammar)
{
	const char *text = shape != NULL ? shape->text : grammar->text;

	flo__schema_open(s, shape != NULL ? shape->def : grammar->def, '{');
	if (text != NULL)
		flo__schema_string(s, "description", text);
	if (shape != NULL) {
		add_body(s, shape);
	} else {
		flo__schema_string(s, "type", "object");
		add_grammar(s, grammar);
	}
	flo__schema_close(s, '}');
}

static void add_all(struct flo__schema *s)
{
	flo__schema_open(s, NULL, '{');
	flo__schema_string(s, "$schema", DIALECT);
	flo__schema_string(s, "$id", ID);
	flo__schema_string(s, "title", "A pipeline of flowctl");
	flo__schema_string(s, "description",
			   "Steps, in sequence or side by side, and what they "
			   "need.");
	flo__schema_string(s, "type", "object");
	add_grammar(s, &flo__grammar_pipeline);
	flo__schema_open(s, "$defs", '{');
	for (unsigned i = 0; i < s->defs_len; i++)
		add_definition(s, s->defs[i].shape, s->defs[i].grammar);
	flo__schema_step_types(s);
	flo__schema_close(s, '}');
	flo__schema_close(s, '}');
	flo__strbuf_addc(&s->sb, '\n');
}

flo_status flo__dsl_schema(const struct flo__registry *registry,
			   size_t *ret_len, char **ret_text)
{
	struct flo__schema s = {
		.sb = FLO__STRBUF_INIT,
		.first = true,
		.registry = registry,
	};
	size_t len;
	char *text;

	add_all(&s);
	len = s.sb.len;
	text = flo__strbuf_take(&s.sb);
	flo__strbuf_fini(&s.sb);
	if (text == NULL)
		return FLO_NOMEM;
	*ret_len = len;
	*ret_text = text;
	return FLO_OK;
}
