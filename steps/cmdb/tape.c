#include "steps/cmdb/tape.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

/* More members than these are worth qsort()'s calls. */
#define INSERTED_MAX 64

/* Order */

static uint32_t four_bytes(const char *text)
{
	uint32_t n;

	memcpy(&n, text, sizeof(n));
	return be32toh(n);
}

/* Up to eight bytes, the first one highest, with NULs behind them. */
static uint64_t prefix_of(const char *text, size_t len)
{
	uint64_t prefix = 0;

	if (len >= 8)
		return (uint64_t)four_bytes(text) << 32 | four_bytes(text + 4);
	if (len >= 4) {
		/* The last four, less those that are among the first. */
		uint64_t last = four_bytes(text + len - 4);

		return (uint64_t)four_bytes(text) << 32 |
		       (uint32_t)(last << (64 - 8 * len));
	}
	for (size_t i = 0; i < len; i++)
		prefix |= (uint64_t)(unsigned char)text[i] << (56 - 8 * i);
	return prefix;
}

struct flo__ranked flo__ranked_of(const struct flo__tape *tape, size_t key)
{
	const struct flo__token *token = &tape->token[key];

	return (struct flo__ranked){prefix_of(token->text, token->len), key};
}

/*
 * Keys have no NUL bytes, which jansson refuses and so does plain.c: with equal
 * prefixes they have both fewer than 8 bytes, and are equal, or both have more.
 */
static int compare(const struct flo__tape *tape, const struct flo__ranked *a,
		   const struct flo__ranked *b)
{
	const struct flo__token *x = &tape->token[a->key];
	const struct flo__token *y = &tape->token[b->key];
	size_t len = x->len < y->len ? x->len : y->len;
	int order;

	if (a->prefix != b->prefix)
		return a->prefix < b->prefix ? -1 : 1;
	order = len > 8 ? memcmp(x->text + 8, y->text + 8, len - 8) : 0;
	if (order != 0)
		return order;
	return (x->len > y->len) - (x->len < y->len);
}

static int compare_members(const void *a, const void *b, void *arg)
{
	return compare(arg, a, b);
}

static void insert_sort(const struct flo__tape *tape,
			struct flo__ranked *member, size_t len)
{
	for (size_t i = 1; i < len; i++) {
		struct flo__ranked it = member[i];
		size_t at = i;

		for (; at > 0 && compare(tape, &it, &member[at - 1]) < 0; at--)
			member[at] = member[at - 1];
		member[at] = it;
	}
}

bool flo__tape_link(struct flo__tape *tape, size_t object,
		    struct flo__ranked *member, size_t len)
{
	tape->token[object].first = 0;
	if (len == 0)
		return true;
	if (len <= INSERTED_MAX)
		insert_sort(tape, member, len);
	else
		qsort_r(member, len, sizeof(*member), compare_members, tape);
	tape->token[object].first = member[0].key;
	for (size_t i = 1; i < len; i++) {
		if (compare(tape, &member[i - 1], &member[i]) == 0)
			return false;
		tape->token[member[i - 1].key].next = (uint32_t)member[i].key;
	}
	tape->token[member[len - 1].key].next = 0;
	return true;
}

/* Trees: as deep as a record nests, which split.c has bounded */

static size_t count_tokens(const json_t *json)
{
	/* jansson's iterators take a pointer to what they do not change. */
	json_t *all = (json_t *)json;
	size_t count = 1;

	for (size_t i = 0; i < json_array_size(json); i++)
		count += count_tokens(json_array_get(json, i));
	for (void *it = json_object_iter(all); it != NULL;
	     it = json_object_iter_next(all, it))
		count += 1 + count_tokens(json_object_iter_value(it));
	return count;
}

static bool add_tree(struct flo__tape *tape, const json_t *json);

static size_t add_string(struct flo__tape *tape, const char *text, size_t len)
{
	tape->token[tape->len] = (struct flo__token){.kind = FLO__TOKEN_STRING,
						     .text = text,
						     .len = len};
	return tape->len++;
}

static bool add_array(struct flo__tape *tape, size_t at, const json_t *array)
{
	tape->token[at].kind = FLO__TOKEN_ARRAY;
	tape->token[at].len = json_array_size(array);
	for (size_t i = 0; i < json_array_size(array); i++)
		if (!add_tree(tape, json_array_get(array, i)))
			return false;
	return true;
}

static bool add_object(struct flo__tape *tape, size_t at, const json_t *object)
{
	json_t *all = (json_t *)object;
	struct flo__ranked *member =
		flo__reallocarray(NULL, json_object_size(object),
				  sizeof(*member));
	size_t len = 0;
	bool ok = member != NULL;

	tape->token[at].kind = FLO__TOKEN_OBJECT;
	for (void *it = json_object_iter(all); ok && it != NULL;
	     it = json_object_iter_next(all, it)) {
		size_t key = add_string(tape, json_object_iter_key(it),
					json_object_iter_key_len(it));

		member[len++] = flo__ranked_of(tape, key);
		ok = add_tree(tape, json_object_iter_value(it));
	}
	if (ok)
		INSIST(flo__tape_link(tape, at, member, len));
	flo__free(member);
	return ok;
}

static bool add_tree(struct flo__tape *tape, const json_t *json)
{
	size_t at = tape->len++;
	struct flo__token *token = &tape->token[at];
	bool ok = true;

	INSIST(at < tape->cap);
	*token = (struct flo__token){.kind = FLO__TOKEN_NULL};
	switch (json_typeof(json)) {
	case JSON_NULL:
		break;
	case JSON_TRUE:
		token->kind = FLO__TOKEN_TRUE;
		break;
	case JSON_FALSE:
		token->kind = FLO__TOKEN_FALSE;
		break;
	case JSON_INTEGER:
		token->kind = FLO__TOKEN_INTEGER;
		token->integer = json_integer_value(json);
		break;
	case JSON_REAL:
		token->kind = FLO__TOKEN_REAL;
		token->real = json_real_value(json);
		break;
	case JSON_STRING:
		tape->len = at;
		add_string(tape, json_string_value(json),
			   json_string_length(json));
		break;
	case JSON_ARRAY:
		ok = add_array(tape, at, json);
		break;
	case JSON_OBJECT:
		ok = add_object(tape, at, json);
		break;
	}
	token->next = (uint32_t)tape->len;
	return ok;
}

flo_status flo__tape_of_tree(const json_t *json, struct flo__token *few,
			     size_t few_len, struct flo__tape *ret_tape)
{
	struct flo__tape tape = {.token = few, .cap = count_tokens(json)};

	if (tape.cap > few_len)
		tape.token =
			flo__reallocarray(NULL, tape.cap, sizeof(*tape.token));
	if (tape.token == NULL)
		return FLO_NOMEM;
	if (!add_tree(&tape, json)) {
		flo__tape_fini(&tape, few);
		return FLO_NOMEM;
	}
	*ret_tape = tape;
	return FLO_OK;
}

void flo__tape_fini(struct flo__tape *tape, const struct flo__token *few)
{
	if (tape->token != few)
		flo__free(tape->token);
	*tape = (struct flo__tape){0};
}

/* Pointers */

static const struct flo__token *find_member(const struct flo__tape *tape,
					    const struct flo__token *object,
					    const struct flo__pointer *node)
{
	for (size_t at = object->first; at != 0; at = tape->token[at].next) {
		const struct flo__token *key = &tape->token[at];

		if (key->len == node->token_len &&
		    memcmp(key->text, node->token, key->len) == 0)
			return key + 1;
	}
	return NULL;
}

static const struct flo__token *find_item(const struct flo__tape *tape,
					  const struct flo__token *array,
					  long index)
{
	const struct flo__token *item = array + 1;

	if (index < 0 || (size_t)index >= array->len)
		return NULL;
	for (; index > 0; index--)
		item = &tape->token[item->next];
	return item;
}

const struct flo__token *flo__tape_get(const struct flo__tape *tape,
				       const struct flo__pointer *node)
{
	const struct flo__pointer *way[FLO__POINTER_TOKENS_MAX];
	const struct flo__token *at = tape->token;
	size_t len = 0;

	for (; node->parent != NULL; node = node->parent)
		way[len++] = node;
	while (at != NULL && len-- > 0) {
		if (at->kind == FLO__TOKEN_OBJECT)
			at = find_member(tape, at, way[len]);
		else if (at->kind == FLO__TOKEN_ARRAY)
			at = find_item(tape, at, way[len]->index);
		else
			at = NULL;
	}
	return at;
}
