/*
 * What cannot be known because of a mistake that has been reported, so that
 * nothing is said of what only follows from it: where a step has no good name,
 * a name that no step has may be its.
 */
#include "dsl/compile_p.h"

#include <string.h>

void flo__doubt(struct flo__compiler *c, enum flo__doubt doubt, uint32_t node)
{
	/* Later ones belong to errors that are not shown. */
	if (c->doubts_len == FLO__DOUBTS_MAX)
		return;
	c->doubts[c->doubts_len].doubt = doubt;
	c->doubts[c->doubts_len++].node = node;
}

bool flo__doubted(const struct flo__compiler *c, enum flo__doubt doubt,
		  uint32_t node)
{
	for (uint32_t i = 0; i < c->doubts_len; i++) {
		if (c->doubts[i].doubt == doubt && c->doubts[i].node == node)
			return true;
	}
	return false;
}

bool flo__doubted_around(const struct flo__compiler *c, enum flo__doubt doubt,
			 uint32_t node)
{
	uint32_t unit = c->unit_of[node];

	while (!flo__doubted(c, doubt, node)) {
		/* What is around the step that a file is, the file cannot
		 * see. */
		if (node == 0 || c->unit_of[node] != unit)
			return false;
		node = c->nodes[node].parent;
	}
	return true;
}

/* Keys that others need or refer to: without them more would seem wrong. */
static bool leads_on(const char *key)
{
	static const char *const keys[] = {
		"name",	    "steps",   "group",	  "exec", "sh",	   "use",
		"pipeline", "foreach", "matrix",  "as",	  "needs", "with",
		"params",   "env",     "secrets", "type", "limit", "cron",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		if (strcmp(keys[i], key) == 0)
			return true;
	}
	return false;
}

bool flo__doubt_key(struct flo__compiler *c, uint32_t object, uint32_t key,
		    const char *meant)
{
	return leads_on(meant) &&
	       flo__doc_get(&c->doc, object, meant) == FLO__DOC_NONE &&
	       flo__doc_take(&c->doc, key, meant);
}
