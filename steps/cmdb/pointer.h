/*
 * JSON pointers (RFC 6901), kept as one tree, so that a walk over a record
 * meets all of them at once: going down a record and down the tree go together.
 */
#ifndef FLO_CMDB_POINTER_H
#define FLO_CMDB_POINTER_H

#include "base/strbuf.h"
#include "json/json_p.h"

#include <stddef.h>

/* Tokens that a pointer may have, and bytes. */
#define FLO__POINTER_TOKENS_MAX 32
#define FLO__POINTER_BYTES_MAX	1024

/* A node; the root stands for the whole document and is {0} at first. */
struct flo__pointer {
	struct flo__pointer *parent; /* borrowed; NULL: the root */
	struct flo__pointer *child;  /* the first; owned */
	struct flo__pointer *next;   /* sibling; owned by the parent */
	char *token;		     /* decoded; owned; NULL: the root */
	size_t token_len;
	long index;	/* the token as an array's index; -1: it is none */
	unsigned marks; /* what the tree's owner wants to know here */
};

/* Free what lies below @root, which stays the owner's. */
void flo__pointer_fini(struct flo__pointer *root);

/*
 * Find or make the node of the pointer @text. FLO_SYNTAX (it says how pointers
 * are written), FLO_LIMIT, FLO_NOMEM; the tree is then the same or has a few
 * nodes without marks more.
 */
flo_status flo__pointer_add(struct flo__pointer *root, const char *text,
			    size_t len, flo_error *err,
			    struct flo__pointer **ret_node);

/* The child for a member or an item. A NULL @at has none. */
const struct flo__pointer *flo__pointer_member(const struct flo__pointer *at,
					       const char *key, size_t len);
const struct flo__pointer *flo__pointer_item(const struct flo__pointer *at,
					     size_t index);

/* What @node points at in @document, borrowed, or NULL. */
const json_t *flo__pointer_get(const struct flo__pointer *node,
			       const json_t *document);

/* Write @node as a pointer, cut to @size bytes with the NUL. */
void flo__pointer_text(const struct flo__pointer *node, char *ret_text,
		       size_t size);

/* Append '/' and a token, encoded, to a pointer in @sb. */
void flo__pointer_append(struct flo__strbuf *sb, const char *token, size_t len);

#endif
