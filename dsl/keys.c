#include "dsl/compile_p.h"

#include <stdio.h>
#include <string.h>

#define keys flo__grammar_step.fields

const struct flo__body flo__bodies[FLO__BODIES] = {
	{IN_EXEC, FLO__KEY_EXEC},   {IN_SH, FLO__KEY_SH},
	{IN_USE, FLO__KEY_USE},	    {IN_PIPELINE, FLO__KEY_PIPELINE},
	{IN_STEPS, FLO__KEY_STEPS}, {IN_GROUP, FLO__KEY_GROUP},
};

const struct flo__body flo__loops[FLO__LOOPS] = {
	{IN_FOREACH, FLO__KEY_FOREACH},
	{IN_FOREACH, FLO__KEY_MATRIX},
};

const char *flo__key_text(enum flo__key key)
{
	return keys[key].key;
}

static int find_key(struct flo__compiler *c, uint32_t node)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);

	for (int i = 0; c->doc.nodes[node].taken && i < FLO__KEYS; i++) {
		if (flo__doc_is(&c->doc, node, keys[i].key))
			return i;
	}
	for (int i = 0; i < FLO__KEYS; i++) {
		if (keys[i].key[0] == (len > 0 ? text[0] : '\0') &&
		    strlen(keys[i].key) == len &&
		    memcmp(keys[i].key, text, len) == 0)
			return i;
	}
	return -1;
}

static void unknown_key(struct flo__compiler *c, uint32_t key, const char *hint,
			const char *what)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, key, &len);

	flo__compile_error(c, UNKNOWN_KEY, key, hint,
			   "unknown key \"%.*s\" in %s",
			   (int)(len < 64 ? len : 64), text, what);
}

/* The hint about the key that an unknown one of @object is nearest to, or that
 * another tool calls so (@word; NULL: none does): in @buf, or NULL. */
static const char *near_of(struct flo__compiler *c, uint32_t object,
			   const struct flo__foreign *word,
			   struct flo__nearest *near, char *buf, size_t size)
{
	const char *meant = word != NULL ? word->key : NULL;

	if (word == NULL)
		return flo__nearest_hint(near, buf, size);
	if (word->hint != NULL)
		return word->hint;
	if (meant != NULL &&
	    flo__doc_get(&c->doc, object, meant) != FLO__DOC_NONE)
		return NULL;
	return flo__nearest_hint(near, buf, size);
}

/* Whether @name is a key that says what a step does. */
static bool makes_step(const char *name)
{
	for (int i = 0; i < FLO__BODIES; i++) {
		if (strcmp(keys[flo__bodies[i].key].key, name) == 0)
			return true;
	}
	return false;
}

/* Let @near be what another tool's word means, if it is one. */
static void take_foreign(const struct flo__foreign *word,
			 struct flo__nearest *near)
{
	if (word != NULL)
		snprintf(near->name, sizeof(near->name), "%s",
			 word->key != NULL ? word->key : "");
}

/* The key of a step that is nearest to @key: each unknown one is asked about
 * thrice. Text does not move, so that the same place is the same text. */
static void nearest_step_key(struct flo__compiler *c, uint32_t key,
			     struct flo__nearest *ret)
{
	struct flo__nearest *near = &c->near_key;
	size_t len;
	const char *text = flo__doc_string(&c->doc, key, &len);

	if (near->want != text || near->want_len != len || len == 0) {
		flo__nearest_init(near, text, len);
		for (int i = 0; i < FLO__KEYS; i++)
			flo__nearest_offer(near, keys[i].key,
					   strlen(keys[i].key));
		take_foreign(flo__foreign_find(&c->doc, &flo__grammar_step,
					       key),
			     near);
	}
	*ret = *near;
}

/* Whether the step @object is one of a group. */
static bool is_member(struct flo__compiler *c, uint32_t object)
{
	uint32_t array = c->doc.nodes[object].parent;
	uint32_t key =
		array != FLO__DOC_NONE ? c->doc.nodes[array].parent : array;

	return key != FLO__DOC_NONE && c->doc.nodes[key].is_key &&
	       flo__doc_is(&c->doc, key, keys[FLO__KEY_GROUP].key);
}

/* Whether `needs` is meant where nothing needs anything. */
static bool is_idle_needs(struct flo__compiler *c, uint32_t object,
			  const struct flo__nearest *near)
{
	return strcmp(near->name, keys[FLO__KEY_NEEDS].key) == 0 &&
	       !is_member(c, object);
}

/* Returns whether a key that makes a step was probably meant. @bare: nothing
 * else in the step does. */
static bool unknown_step_key(struct flo__compiler *c, uint32_t object,
			     uint32_t key, bool bare)
{
	struct flo__nearest near;
	char buf[96];
	const char *hint;

	nearest_step_key(c, key, &near);
	hint = near_of(c, object,
		       flo__foreign_find(&c->doc, &flo__grammar_step, key),
		       &near, buf, sizeof(buf));
	if (is_idle_needs(c, object, &near))
		hint = "leave it out: in a sequence every step needs the one "
		       "before it; `needs` is for the steps of a `group`";
	if (hint == NULL && bare)
		hint = "what a step does says one of exec, sh, use, pipeline, "
		       "steps and group";
	unknown_key(c, key, hint, "a step");
	return makes_step(near.name) || (bare && near.name[0] == '\0');
}

/* The kinds of step that have one of the keys that say what it does. */
static unsigned where_of(const struct flo__keys *found)
{
	unsigned where = 0;

	for (int i = 0; i < FLO__BODIES; i++) {
		if (found->at[flo__bodies[i].key] != FLO__DOC_NONE)
			where |= flo__bodies[i].where;
	}
	for (int i = 0; i < FLO__LOOPS; i++) {
		if (found->at[flo__loops[i].key] != FLO__DOC_NONE)
			where |= flo__loops[i].where;
	}
	return where;
}

/* Whether the key @i would say a second time what the step does. */
static bool says_twice(const struct flo__keys *found, int i)
{
	bool loop = i == FLO__KEY_FOREACH || i == FLO__KEY_MATRIX;

	if (loop)
		return (found->where & IN_FOREACH) != 0;
	return makes_step(keys[i].key) && (found->where & ~IN_FOREACH) != 0;
}

/*
 * Take misspelt keys for those they were meant to be, so that what follows from
 * their absence is not told as well. @makes: those that make a step or repeat
 * it, which come first, since they decide which others belong to it.
 */
static void take_misspelt(struct flo__compiler *c, uint32_t object, bool makes,
			  struct flo__keys *found)
{
	const struct flo__doc_node *nodes = c->doc.nodes;

	for (uint32_t key = flo__doc_first(&c->doc, object);
	     key != FLO__DOC_NONE; key = nodes[key].next) {
		const struct flo__foreign *word;
		struct flo__nearest near;
		int i = 0;

		if (find_key(c, key) >= 0)
			continue;
		word = flo__foreign_find(&c->doc, &flo__grammar_step, key);
		nearest_step_key(c, key, &near);
		if ((word != NULL && word->types == 0) ||
		    is_idle_needs(c, object, &near))
			continue;
		while (i < FLO__KEYS && strcmp(keys[i].key, near.name) != 0)
			i++;
		if (i == FLO__KEYS || says_twice(found, i) ||
		    makes != (makes_step(near.name) || i == FLO__KEY_FOREACH ||
			      i == FLO__KEY_MATRIX) ||
		    (!makes && (keys[i].where & found->where) == 0) ||
		    !flo__doubt_key(c, object, key, keys[i].key))
			continue;
		found->at[i] = flo__doc_value(key);
		found->where = where_of(found);
	}
}

/* Report the keys of @object that no step has. */
static void report_unknown(struct flo__compiler *c, uint32_t object,
			   struct flo__keys *found)
{
	bool bare = (found->where & ~IN_FOREACH) == 0;

	for (uint32_t key = flo__doc_first(&c->doc, object);
	     key != FLO__DOC_NONE; key = c->doc.nodes[key].next) {
		if (find_key(c, key) < 0)
			found->misspelt |=
				unknown_step_key(c, object, key, bare);
	}
	take_misspelt(c, object, true, found);
	take_misspelt(c, object, false, found);
}

void flo__keys_read(struct flo__compiler *c, uint32_t object, bool report,
		    struct flo__keys *ret_keys)
{
	bool unknown = false;

	for (int i = 0; i < FLO__KEYS; i++)
		ret_keys->at[i] = FLO__DOC_NONE;
	ret_keys->where = 0;
	ret_keys->misspelt = false;
	for (uint32_t key = flo__doc_first(&c->doc, object);
	     key != FLO__DOC_NONE; key = c->doc.nodes[key].next) {
		int i = find_key(c, key);

		if (i >= 0 && ret_keys->at[i] == FLO__DOC_NONE)
			ret_keys->at[i] = flo__doc_value(key);
		unknown |= i < 0;
	}
	ret_keys->where = where_of(ret_keys);
	if (report && unknown)
		report_unknown(c, object, ret_keys);
}

/* What a step of this kind is called. */
static const char *kind_text(unsigned where)
{
	if ((where & IN_FOREACH) != 0)
		return "a `foreach` or `matrix` over this kind of step";
	if (where == IN_EXEC)
		return "an `exec` step";
	if (where == IN_SH)
		return "a `sh` step";
	if (where == IN_USE)
		return "a `use` step";
	if (where == IN_PIPELINE)
		return "a `pipeline` step";
	return where == IN_STEPS ? "a sequence" : "a `group`";
}

/* "it belongs to steps with exec or sh" */
static const char *home_of(unsigned where, char *buf, size_t size)
{
	const char *homes[FLO__BODIES + FLO__LOOPS];
	int n = 0;
	int at = snprintf(buf, size, "it belongs to steps with ");

	for (int i = 0; i < FLO__BODIES; i++) {
		if ((where & flo__bodies[i].where) != 0)
			homes[n++] = keys[flo__bodies[i].key].key;
	}
	for (int i = 0; i < FLO__LOOPS; i++) {
		if ((where & flo__loops[i].where) != 0)
			homes[n++] = keys[flo__loops[i].key].key;
	}
	for (int i = 0; i < n && at > 0 && (size_t)at < size; i++)
		at += snprintf(buf + at, size - (size_t)at, "%s%s",
			       i == 0	    ? ""
			       : i == n - 1 ? " or "
					    : ", ",
			       homes[i]);
	return buf;
}

void flo__keys_check(struct flo__compiler *c, const struct flo__keys *found)
{
	char hint[128];

	for (int i = 0; i < FLO__KEYS; i++) {
		if (found->at[i] == FLO__DOC_NONE ||
		    (keys[i].where & found->where) != 0)
			continue;
		flo__compile_error(c, MISPLACED_KEY, found->at[i] - 1,
				   home_of(keys[i].where, hint, sizeof(hint)),
				   "`%s` does not belong to %s", keys[i].key,
				   kind_text(found->where));
	}
}

static bool is_key_of(struct flo__compiler *c, uint32_t key,
		      const struct flo__grammar *grammar)
{
	for (unsigned i = 0; i < grammar->len; i++)
		if (flo__doc_is(&c->doc, key, grammar->fields[i].key))
			return true;
	return false;
}

/* Report @key of @object, which is none of @grammar. */
static void unknown_of(struct flo__compiler *c, uint32_t object, uint32_t key,
		       const struct flo__grammar *grammar)
{
	const struct flo__foreign *word =
		flo__foreign_find(&c->doc, grammar, key);
	struct flo__nearest near;
	size_t len;
	const char *text = flo__doc_string(&c->doc, key, &len);
	char buf[96];

	flo__nearest_init(&near, text, len);
	for (unsigned i = 0; i < grammar->len; i++)
		flo__nearest_offer(&near, grammar->fields[i].key,
				   strlen(grammar->fields[i].key));
	take_foreign(word, &near);
	unknown_key(c, key, near_of(c, object, word, &near, buf, sizeof(buf)),
		    grammar->what);
	/* Its value is none that the key could have. */
	if (word != NULL && word->types == 0)
		return;
	for (unsigned i = 0; i < grammar->len; i++)
		if (strcmp(grammar->fields[i].key, near.name) == 0)
			flo__doubt_key(c, object, key, grammar->fields[i].key);
}

void flo__keys_only(struct flo__compiler *c, uint32_t object,
		    const struct flo__grammar *grammar)
{
	const struct flo__doc_node *nodes = c->doc.nodes;

	for (uint32_t key = flo__doc_first(&c->doc, object);
	     key != FLO__DOC_NONE; key = nodes[key].next)
		if (!is_key_of(c, key, grammar))
			unknown_of(c, object, key, grammar);
}

void flo__words_list(const char *const *words, char *ret, size_t size)
{
	int at = snprintf(ret, size, "it is %s", words[0]);

	for (int i = 1; words[i] != NULL && at > 0 && (size_t)at < size; i++)
		at += snprintf(ret + at, size - (size_t)at, "%s%s",
			       words[i + 1] != NULL ? ", " : " or ", words[i]);
}

void flo__compile_word(struct flo__compiler *c, uint32_t node, const char *what,
		       const struct flo__shape *shape, unsigned *ret)
{
	struct flo__nearest near;
	const char *text;
	size_t len;
	size_t at;
	char hint[128];

	if (node == FLO__DOC_NONE ||
	    !flo__compile_is(c, node, FLO__DOC_STRING, what))
		return;
	if (flo__compile_has_template(c, node, &at)) {
		flo__compile_plain(c, node, what);
		return;
	}
	text = flo__doc_string(&c->doc, node, &len);
	flo__nearest_init(&near, text, len);
	for (unsigned i = 0; shape->words[i] != NULL; i++) {
		if (flo__doc_is(&c->doc, node, shape->words[i])) {
			*ret = i;
			return;
		}
		flo__nearest_offer(&near, shape->words[i],
				   strlen(shape->words[i]));
	}
	if (flo__nearest_hint(&near, hint, sizeof(hint)) == NULL)
		flo__words_list(shape->words, hint, sizeof(hint));
	flo__compile_error(c, BAD_VALUE, node, hint, "%s cannot be \"%.*s\"",
			   what, (int)(len < 40 ? len : 40), text);
}
