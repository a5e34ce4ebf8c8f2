#include "dsl/compile_p.h"

#include <string.h>

struct key {
	const char *text;
	unsigned where;
};

static const struct key keys[] = {
#define FLO__KEY_X(key, text, where) {text, where},
	FLO__KEY_MAP(FLO__KEY_X)
#undef FLO__KEY_X
};

const char *flo__key_text(enum flo__key key)
{
	return keys[key].text;
}

static int find_key(struct flo__compiler *c, uint32_t node)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);

	for (int i = 0; i < FLO__KEYS; i++) {
		if (keys[i].text[0] == (len > 0 ? text[0] : '\0') &&
		    strlen(keys[i].text) == len &&
		    memcmp(keys[i].text, text, len) == 0)
			return i;
	}
	return -1;
}

static void unknown_key(struct flo__compiler *c, uint32_t key,
			struct flo__nearest *near, const char *what)
{
	char hint[96];
	size_t len;
	const char *text = flo__doc_string(&c->doc, key, &len);

	flo__compile_error(c, UNKNOWN_KEY, key,
			   flo__nearest_hint(near, hint, sizeof(hint)),
			   "unknown key \"%.*s\" in %s",
			   (int)(len < 64 ? len : 64), text, what);
}

static void unknown_step_key(struct flo__compiler *c, uint32_t key)
{
	struct flo__nearest near;
	size_t len;
	const char *text = flo__doc_string(&c->doc, key, &len);

	flo__nearest_init(&near, text, len);
	for (int i = 0; i < FLO__KEYS; i++)
		flo__nearest_offer(&near, keys[i].text, strlen(keys[i].text));
	unknown_key(c, key, &near, "a step");
}

void flo__keys_read(struct flo__compiler *c, uint32_t object, bool report,
		    struct flo__keys *ret_keys)
{
	static const unsigned kinds[][2] = {
		{FLO__KEY_EXEC, IN_EXEC},      {FLO__KEY_SH, IN_SH},
		{FLO__KEY_USE, IN_USE},	       {FLO__KEY_STEPS, IN_STEPS},
		{FLO__KEY_GROUP, IN_GROUP},    {FLO__KEY_FOREACH, IN_FOREACH},
		{FLO__KEY_MATRIX, IN_FOREACH}, {FLO__KEY_PIPELINE, IN_PIPELINE},
	};
	const struct flo__doc_node *nodes = c->doc.nodes;

	for (int i = 0; i < FLO__KEYS; i++)
		ret_keys->at[i] = FLO__DOC_NONE;
	ret_keys->where = 0;
	for (uint32_t key = flo__doc_first(&c->doc, object);
	     key != FLO__DOC_NONE; key = nodes[key].next) {
		int i = find_key(c, key);

		if (i >= 0 && ret_keys->at[i] == FLO__DOC_NONE)
			ret_keys->at[i] = flo__doc_value(key);
		else if (i < 0 && report)
			unknown_step_key(c, key);
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (ret_keys->at[kinds[i][0]] != FLO__DOC_NONE)
			ret_keys->where |= kinds[i][1];
	}
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

static const char *home_of(unsigned where)
{
	switch (where) {
	case IN_LEAF:
		return "it belongs to steps with exec, sh or use";
	case IN_PROGRAM:
		return "it belongs to steps with exec or sh";
	case IN_BLOCK:
		return "it belongs to steps with steps, group, foreach or matrix";
	case IN_SH:
		return "it belongs to steps with sh";
	case IN_USE | IN_PIPELINE:
		return "it belongs to steps with use or pipeline";
	case IN_FOREACH:
		return "it belongs to steps with foreach or matrix";
	default:
		return NULL;
	}
}

void flo__keys_check(struct flo__compiler *c, const struct flo__keys *found)
{
	for (int i = 0; i < FLO__KEYS; i++) {
		if (found->at[i] == FLO__DOC_NONE ||
		    (keys[i].where & found->where) != 0)
			continue;
		flo__compile_error(c, MISPLACED_KEY, found->at[i] - 1,
				   home_of(keys[i].where),
				   "`%s` does not belong to %s", keys[i].text,
				   kind_text(found->where));
	}
}

void flo__keys_only(struct flo__compiler *c, uint32_t object,
		    const char *const *names, size_t n, const char *what)
{
	const struct flo__doc_node *nodes = c->doc.nodes;

	for (uint32_t key = flo__doc_first(&c->doc, object);
	     key != FLO__DOC_NONE; key = nodes[key].next) {
		struct flo__nearest near;
		size_t len;
		const char *text;
		bool known = false;

		for (size_t i = 0; i < n && !known; i++)
			known = flo__doc_is(&c->doc, key, names[i]);
		if (known)
			continue;
		text = flo__doc_string(&c->doc, key, &len);
		flo__nearest_init(&near, text, len);
		for (size_t i = 0; i < n; i++)
			flo__nearest_offer(&near, names[i], strlen(names[i]));
		unknown_key(c, key, &near, what);
	}
}
