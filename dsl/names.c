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

/*
 * The same name under many parents must not collide: odd multiples of
 * different numbers differ in the bits that choose the slot.
 */
static uint32_t hash_of(uint32_t parent, const char *name, size_t len)
{
	return (uint32_t)flo__hash_bytes(name, len) ^
	       parent * UINT32_C(0x9e3779b1);
}

static bool is_called(const struct flo__node *node, const char *name,
		      size_t len)
{
	return strlen(node->name) == len && memcmp(node->name, name, len) == 0;
}

/* The slot of that name, or the free one where it belongs. */
static struct flo__name *slot_of(const struct flo__compiler *c, uint32_t hash,
				 uint32_t parent, const char *name, size_t len)
{
	size_t i = hash & c->table_mask;

	while (c->table[i].node != FLO__NODE_NONE) {
		const struct flo__node *node = &c->nodes[c->table[i].node];

		if (c->table[i].hash == hash && node->parent == parent &&
		    is_called(node, name, len))
			break;
		i = (i + 1) & c->table_mask;
	}
	return &c->table[i];
}

/* Put the names of the table @old, which differ, into the new one. */
static void refill(struct flo__compiler *c, const struct flo__name *old,
		   uint32_t old_len)
{
	for (uint32_t k = 0; k < old_len; k++) {
		size_t i = old[k].hash & c->table_mask;

		if (old[k].node == FLO__NODE_NONE)
			continue;
		while (c->table[i].node != FLO__NODE_NONE)
			i = (i + 1) & c->table_mask;
		c->table[i] = old[k];
	}
}

/* Keep the table at most half full. */
static bool grow(struct flo__compiler *c)
{
	size_t size = c->table != NULL ? ((size_t)c->table_mask + 1) * 2 : 256;
	struct flo__name *old = c->table;
	uint32_t old_len = old != NULL ? c->table_mask + 1 : 0;
	struct flo__name *table;

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
	refill(c, old, old_len);
	flo__free(old);
	return true;
}

uint32_t flo__names_add(struct flo__compiler *c, uint32_t node)
{
	const struct flo__node *n = &c->nodes[node];
	size_t len = strlen(n->name);
	uint32_t hash = hash_of(n->parent, n->name, len);
	struct flo__name *slot;

	if (!grow(c))
		return FLO__NODE_NONE;
	slot = slot_of(c, hash, n->parent, n->name, len);
	if (slot->node != FLO__NODE_NONE)
		return slot->node;
	*slot = (struct flo__name){hash, node};
	c->table_len++;
	return FLO__NODE_NONE;
}

uint32_t flo__names_find(const struct flo__compiler *c, uint32_t parent,
			 const char *name, size_t len)
{
	if (c->table == NULL)
		return FLO__NODE_NONE;
	return slot_of(c, hash_of(parent, name, len), parent, name, len)->node;
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
