#include "dsl/compile_p.h"

#include "base/alloc.h"
#include "base/hash.h"

#include <stdio.h>
#include <string.h>

/* Siblings looked at for "did you mean", and problems after which nobody
 * reads one any more. */
#define OFFERS_MAX   2000
#define PROBLEMS_MAX 200

static bool is_identifier(const char *text, size_t len)
{
	if (len == 0 || (text[0] >= '0' && text[0] <= '9'))
		return false;
	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		      (c >= '0' && c <= '9') || c == '_'))
			return false;
	}
	return true;
}

bool flo__name_check(struct flo__compiler *c, uint32_t node, const char *what)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);
	int shown = (int)(len < 80 ? len : 80);
	char name[80];
	size_t at;

	if (flo__compile_has_template(c, node, &at)) {
		snprintf(name, sizeof(name), "the name of %s", what);
		flo__compile_plain(c, node, name);
		return false;
	}
	if (len > FLO__NAME_LEN_MAX) {
		flo__compile_error(c, BAD_NAME, node, NULL,
				   "the name of %s may have %d characters at "
				   "most, this has %zu",
				   what, FLO__NAME_LEN_MAX, len);
		return false;
	}
	if (!is_identifier(text, len)) {
		flo__compile_error(c, BAD_NAME, node,
				   "letters, digits and _ only, no digit first",
				   "\"%.*s\" cannot be the name of %s", shown,
				   text, what);
		return false;
	}
	if (flo__word_is_reserved(text, len) ||
	    (len == 7 && memcmp(text, "finally", 7) == 0)) {
		flo__compile_error(c, BAD_NAME, node,
				   "expressions could not name it: choose "
				   "another one",
				   "\"%.*s\" is a reserved word and cannot be "
				   "the name of %s",
				   shown, text, what);
		return false;
	}
	return true;
}

static size_t slot_of(const struct flo__compiler *c, uint32_t parent,
		      const char *name, size_t len)
{
	size_t i = (flo__hash_bytes(name, len) ^ flo__hash_u64(parent)) &
		   c->table_mask;

	while (c->table[i] != FLO__NODE_NONE) {
		const struct flo__node *node = &c->nodes[c->table[i]];

		if (node->parent == parent && strlen(node->name) == len &&
		    memcmp(node->name, name, len) == 0)
			break;
		i = (i + 1) & c->table_mask;
	}
	return i;
}

/* Keep the table at most half full. */
static bool grow(struct flo__compiler *c)
{
	size_t size = c->table != NULL ? ((size_t)c->table_mask + 1) * 2 : 256;
	uint32_t *old = c->table;
	uint32_t old_len = old != NULL ? c->table_mask + 1 : 0;
	uint32_t *table;

	if (old != NULL && (size_t)c->table_len * 2 < old_len)
		return true;
	table = flo__reallocarray(NULL, size, sizeof(*table));
	if (table == NULL) {
		c->nomem = true;
		return false;
	}
	memset(table, 0xff, size * sizeof(*table));
	c->table = table;
	c->table_mask = (uint32_t)(size - 1);
	for (uint32_t i = 0; i < old_len; i++) {
		const struct flo__node *node;

		if (old[i] == FLO__NODE_NONE)
			continue;
		node = &c->nodes[old[i]];
		table[slot_of(c, node->parent, node->name,
			      strlen(node->name))] = old[i];
	}
	flo__free(old);
	return true;
}

uint32_t flo__names_add(struct flo__compiler *c, uint32_t node)
{
	const struct flo__node *n = &c->nodes[node];
	size_t i;

	if (!grow(c))
		return FLO__NODE_NONE;
	i = slot_of(c, n->parent, n->name, strlen(n->name));
	if (c->table[i] != FLO__NODE_NONE)
		return c->table[i];
	c->table[i] = node;
	c->table_len++;
	return FLO__NODE_NONE;
}

uint32_t flo__names_find(const struct flo__compiler *c, uint32_t parent,
			 const char *name, size_t len)
{
	if (c->table == NULL)
		return FLO__NODE_NONE;
	return c->table[slot_of(c, parent, name, len)];
}

const char *flo__names_hint(const struct flo__compiler *c, uint32_t parent,
			    const char *name, size_t len, char *buf,
			    size_t size)
{
	const struct flo__node *up = &c->nodes[parent];
	struct flo__nearest near;

	if (c->report.len > PROBLEMS_MAX)
		return NULL;
	flo__nearest_init(&near, name, len);
	for (uint32_t i = 0; i < up->children_len && i < OFFERS_MAX; i++) {
		const char *child =
			c->nodes[c->children[up->first_child + i]].name;

		flo__nearest_offer(&near, child, strlen(child));
	}
	return flo__nearest_hint(&near, buf, size);
}
