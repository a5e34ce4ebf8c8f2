/*
 * The schema as text: a writer of indented JSON, and what schema.c and
 * schema_step.c share.
 *
 * Nothing here fails by itself: running out of memory is seen in the end, in
 * the buffer.
 */
#ifndef FLO_DSL_SCHEMA_P_H
#define FLO_DSL_SCHEMA_P_H

#include "base/strbuf.h"
#include "dsl/grammar_p.h"
#include "engine/plan.h"

/* Definitions there may be, of shapes and of objects. */
#define FLO__SCHEMA_DEFS_MAX 40

struct flo__schema {
	struct flo__strbuf sb;
	unsigned depth;
	bool first; /* nothing is in the innermost container yet */
	bool after_key;
	const struct flo__registry *registry; /* borrowed, or NULL */
	/* Shapes and objects that were referred to, in the order of that; one
	 * of the two is NULL. */
	struct {
		const struct flo__shape *shape;
		const struct flo__grammar *grammar;
	} defs[FLO__SCHEMA_DEFS_MAX];
	unsigned defs_len;
};

/* @bracket: '{' or '[', and what closes it. */
void flo__schema_open(struct flo__schema *s, const char *key, char bracket);
void flo__schema_close(struct flo__schema *s, char bracket);
/* @key is NULL in an array. */
void flo__schema_string(struct flo__schema *s, const char *key,
			const char *text);
void flo__schema_number(struct flo__schema *s, const char *key, double n);
void flo__schema_false(struct flo__schema *s, const char *key);
/* One line: "key": ["a", "b"]; @words ends with NULL. */
void flo__schema_words(struct flo__schema *s, const char *key,
		       const char *const *words);
/* "$ref" to a definition. */
void flo__schema_ref(struct flo__schema *s, const char *name);
/* {"required": ["key"]} as an item of an array. */
void flo__schema_with(struct flo__schema *s, const char *key);

/* What a string must match that is one template. */
#define FLO__SCHEMA_TEMPLATE "^\\$\\{\\{[\\s\\S]*\\}\\}$"

/* The object that `key` is, or an item: what @shape allows. */
void flo__schema_shape(struct flo__schema *s, const char *key,
		       const struct flo__shape *shape, const char *text);

/* What is in such an object, but for a description. */
void flo__schema_body(struct flo__schema *s, const struct flo__shape *shape);

/* schema_step.c: what goes into the schema of a step beside its properties. */
void flo__schema_step(struct flo__schema *s);
/* The definitions of the step types' arguments. */
void flo__schema_step_types(struct flo__schema *s);
/* The words of `use`. */
void flo__schema_step_names(struct flo__schema *s);

#endif
