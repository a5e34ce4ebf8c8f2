#include "steps/cmdb/pointer.h"

#include "base/alloc.h"
#include "base/utf8.h"

#include <stdio.h>
#include <string.h>

/* A pointer has at most FLO__POINTER_TOKENS_MAX tokens: so deep this goes. */
void flo__pointer_fini(struct flo__pointer *root)
{
	struct flo__pointer *node = root->child;

	while (node != NULL) {
		struct flo__pointer *next = node->next;

		flo__pointer_fini(node);
		flo__free(node->token);
		flo__free(node);
		node = next;
	}
	root->child = NULL;
}

/* "0" or digits that do not begin with 0; up to nine of them. */
static long index_of(const char *token, size_t len)
{
	long n = 0;

	if (len == 0 || len > 9 || (token[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++) {
		if (token[i] < '0' || token[i] > '9')
			return -1;
		n = n * 10 + (token[i] - '0');
	}
	return n;
}

const struct flo__pointer *flo__pointer_member(const struct flo__pointer *at,
					       const char *key, size_t len)
{
	const struct flo__pointer *node = at != NULL ? at->child : NULL;

	while (node != NULL &&
	       (node->token_len != len || memcmp(node->token, key, len) != 0))
		node = node->next;
	return node;
}

const struct flo__pointer *flo__pointer_item(const struct flo__pointer *at,
					     size_t index)
{
	const struct flo__pointer *node = at != NULL ? at->child : NULL;

	while (node != NULL &&
	       (node->index < 0 || (size_t)node->index != index))
		node = node->next;
	return node;
}

static struct flo__pointer *new_child(struct flo__pointer *parent,
				      const char *token, size_t len)
{
	struct flo__pointer *node = flo__calloc(1, sizeof(*node));

	if (node == NULL)
		return NULL;
	node->token = flo__strndup(token, len);
	if (node->token == NULL) {
		flo__free(node);
		return NULL;
	}
	node->token_len = len;
	node->index = index_of(token, len);
	node->parent = parent;
	node->next = parent->child;
	parent->child = node;
	return node;
}

static struct flo__pointer *child_of(struct flo__pointer *parent,
				     const char *token, size_t len)
{
	struct flo__pointer *node = parent->child;

	while (node != NULL &&
	       (node->token_len != len || memcmp(node->token, token, len) != 0))
		node = node->next;
	return node != NULL ? node : new_child(parent, token, len);
}

/* Undo "~0" and "~1"; false if a '~' stands alone. */
static bool decode(const char *text, size_t len, struct flo__strbuf *sb)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] != '~') {
			flo__strbuf_addc(sb, text[i]);
			continue;
		}
		if (++i == len || (text[i] != '0' && text[i] != '1'))
			return false;
		flo__strbuf_addc(sb, text[i] == '0' ? '~' : '/');
	}
	return true;
}

static flo_status bad_pointer(const char *text, size_t len, flo_error *err)
{
	return flo_error_set(err, FLO_SYNTAX,
			     "\"%.*s\" is not a JSON pointer; write it like "
			     "\"/items\" or \"/meta/id\" (~1 for /, ~0 for ~)",
			     (int)len, text);
}

static flo_status add_tokens(struct flo__pointer **node, const char *text,
			     size_t len, struct flo__strbuf *token,
			     flo_error *err)
{
	const char *end = text + len;
	const char *at = text;
	size_t depth = 0;

	while (at < end) {
		const char *stop = memchr(at + 1, '/', (size_t)(end - at - 1));

		stop = stop != NULL ? stop : end;
		flo__strbuf_reset(token);
		if (!decode(at + 1, (size_t)(stop - at - 1), token))
			return bad_pointer(text, len, err);
		if (++depth > FLO__POINTER_TOKENS_MAX)
			return flo_error_set(
				err, FLO_LIMIT,
				"the pointer \"%.60s...\" has more "
				"than %d tokens",
				text, FLO__POINTER_TOKENS_MAX);
		*node = token->failed
				? NULL
				: child_of(*node, token->data, token->len);
		if (*node == NULL)
			return flo_error_set(err, FLO_NOMEM, "out of memory");
		at = stop;
	}
	return FLO_OK;
}

flo_status flo__pointer_add(struct flo__pointer *root, const char *text,
			    size_t len, flo_error *err,
			    struct flo__pointer **ret_node)
{
	struct flo__strbuf token = FLO__STRBUF_INIT;
	struct flo__pointer *node = root;
	flo_status st;

	if (len > FLO__POINTER_BYTES_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "the pointer \"%.60s...\" is longer than "
				     "%d bytes",
				     text, FLO__POINTER_BYTES_MAX);
	if (len != 0 && text[0] != '/')
		return bad_pointer(text, len, err);
	st = add_tokens(&node, text, len, &token, err);
	flo__strbuf_fini(&token);
	if (st == FLO_OK)
		*ret_node = node;
	return st;
}

const json_t *flo__pointer_get(const struct flo__pointer *node,
			       const json_t *document)
{
	const struct flo__pointer *way[FLO__POINTER_TOKENS_MAX];
	size_t len = 0;

	for (; node->parent != NULL; node = node->parent)
		way[len++] = node;
	while (document != NULL && len-- > 0) {
		node = way[len];
		if (json_is_object(document))
			document = json_object_getn(document, node->token,
						    node->token_len);
		else if (json_is_array(document) && node->index >= 0)
			document =
				json_array_get(document, (size_t)node->index);
		else
			document = NULL;
	}
	return document;
}

void flo__pointer_append(struct flo__strbuf *sb, const char *token, size_t len)
{
	flo__strbuf_addc(sb, '/');
	for (size_t i = 0; i < len; i++) {
		if (token[i] == '~')
			flo__strbuf_adds(sb, "~0");
		else if (token[i] == '/')
			flo__strbuf_adds(sb, "~1");
		else
			flo__strbuf_addc(sb, token[i]);
	}
}

void flo__pointer_text(const struct flo__pointer *node, char *ret_text,
		       size_t size)
{
	const struct flo__pointer *way[FLO__POINTER_TOKENS_MAX];
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	size_t len = 0;

	for (; node->parent != NULL; node = node->parent)
		way[len++] = node;
	while (len-- > 0)
		flo__pointer_append(&sb, way[len]->token, way[len]->token_len);
	flo__utf8_copy(ret_text, size, sb.data);
	flo__strbuf_fini(&sb);
}
