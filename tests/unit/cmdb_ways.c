#include "cmdb_ways.h"

#include "steps/cmdb/split.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HUGE_LEN (sizeof(FLO__RECORD_HUGE) - 1)

/* The canonical form as the note in record.c has it, with no regard to speed */

static void put_u64(struct flo__strbuf *sb, uint64_t n)
{
	for (int i = 0; i < 8; i++)
		flo__strbuf_addc(sb, (char)(n >> 8 * i));
}

static void put(struct flo__strbuf *sb, char tag, uint64_t n)
{
	flo__strbuf_addc(sb, tag);
	put_u64(sb, n);
}

static void put_text(struct flo__strbuf *sb, char tag, const char *text,
		     size_t len)
{
	put(sb, tag, len);
	flo__strbuf_add(sb, text, len);
}

static void put_real(struct flo__strbuf *sb, double d)
{
	struct flo__strbuf text = FLO__STRBUF_INIT;

	if (d == floor(d) && d >= -0x1p63 && d < 0x1p63) {
		put(sb, 'i', (uint64_t)(int64_t)d);
		return;
	}
	flo__strbuf_add_double(&text, d);
	put_text(sb, 'r', text.data, text.len);
	flo__strbuf_fini(&text);
}

static void put_string(struct flo__strbuf *sb, const json_t *json)
{
	const char *text = json_string_value(json);
	size_t len = json_string_length(json);

	if (len > HUGE_LEN && memcmp(text, FLO__RECORD_HUGE, HUGE_LEN) == 0)
		put_text(sb, 'I', text + HUGE_LEN, len - HUGE_LEN);
	else
		put_text(sb, 's', text, len);
}

static void put_value(struct flo__strbuf *sb, const json_t *json,
		      const struct flo__pointer *at);

/* The least of the digests that is more than @last (NULL: the very least). */
static bool next_digest(const json_t *array, const struct flo__digest *last,
			struct flo__digest *ret)
{
	bool found = false;

	for (size_t i = 0; i < json_array_size(array); i++) {
		struct flo__strbuf sb = FLO__STRBUF_INIT;
		struct flo__digest digest;

		put_value(&sb, json_array_get(array, i), NULL);
		digest = flo__digest_of(sb.data, sb.len);
		flo__strbuf_fini(&sb);
		if (last != NULL && memcmp(&digest, last, sizeof(digest)) <= 0)
			continue;
		if (found && memcmp(&digest, ret, sizeof(digest)) >= 0)
			continue;
		*ret = digest;
		found = true;
	}
	return found;
}

static void put_set(struct flo__strbuf *sb, const json_t *array)
{
	struct flo__strbuf all = FLO__STRBUF_INIT;
	struct flo__digest digest;
	bool more = next_digest(array, NULL, &digest);

	while (more) {
		struct flo__digest last = digest;

		flo__strbuf_add(&all, &last, sizeof(last));
		more = next_digest(array, &last, &digest);
	}
	put_text(sb, 'u', all.data, all.len);
	flo__strbuf_fini(&all);
}

static void put_array(struct flo__strbuf *sb, const json_t *array,
		      const struct flo__pointer *at)
{
	struct flo__strbuf items = FLO__STRBUF_INIT;
	uint64_t len = 0;

	for (size_t i = 0; i < json_array_size(array); i++) {
		const struct flo__pointer *to = flo__pointer_item(at, i);

		if (flo__spec_ignores(to))
			continue;
		put_value(&items, json_array_get(array, i), to);
		len++;
	}
	put(sb, 'a', len);
	flo__strbuf_add(sb, items.data, items.len);
	flo__strbuf_fini(&items);
}

/* The key that follows @last; strcmp() does, as keys have no NUL bytes. */
static const char *next_key(const json_t *object, const char *last)
{
	json_t *all = (json_t *)object;
	const char *found = NULL;
	const char *key;
	json_t *value;

	json_object_foreach(all, key, value)
	{
		if ((last == NULL || strcmp(key, last) > 0) &&
		    (found == NULL || strcmp(key, found) < 0))
			found = key;
	}
	return found;
}

static void put_object(struct flo__strbuf *sb, const json_t *object,
		       const struct flo__pointer *at)
{
	struct flo__strbuf members = FLO__STRBUF_INIT;
	const char *key = NULL;
	uint64_t len = 0;

	while ((key = next_key(object, key)) != NULL) {
		const struct flo__pointer *to =
			flo__pointer_member(at, key, strlen(key));

		if (flo__spec_ignores(to))
			continue;
		put_u64(&members, strlen(key));
		flo__strbuf_adds(&members, key);
		put_value(&members, json_object_get(object, key), to);
		len++;
	}
	put(sb, 'o', len);
	flo__strbuf_add(sb, members.data, members.len);
	flo__strbuf_fini(&members);
}

static void put_value(struct flo__strbuf *sb, const json_t *json,
		      const struct flo__pointer *at)
{
	if (json == NULL || json_is_null(json))
		flo__strbuf_addc(sb, 'n');
	else if (json_is_boolean(json))
		flo__strbuf_addc(sb, json_is_true(json) ? 't' : 'f');
	else if (json_is_integer(json))
		put(sb, 'i', (uint64_t)json_integer_value(json));
	else if (json_is_real(json))
		put_real(sb, json_real_value(json));
	else if (json_is_string(json))
		put_string(sb, json);
	else if (json_is_object(json))
		put_object(sb, json, at);
	else if (flo__spec_is_set(at))
		put_set(sb, json);
	else
		put_array(sb, json, at);
}

static struct flo__identity wanted(struct ways *ways, const json_t *record,
				   const struct flo__spec *spec)
{
	struct flo__strbuf *sb = &ways->scratch;
	struct flo__identity id = {.present = 0};

	flo__strbuf_reset(sb);
	for (size_t i = 0; i < spec->key_len; i++) {
		const json_t *part = flo__pointer_get(spec->key[i], record);

		if (part != NULL && !json_is_null(part))
			id.present |= 1u << i;
		put_value(sb, part, NULL);
	}
	id.key = flo__digest_of(sb->data, sb->len);
	flo__strbuf_reset(sb);
	put_value(sb, record, &spec->root);
	id.body = flo__digest_of(sb->data, sb->len);
	return id;
}

/* Comparing */

flo_status ways_identify_tree(const json_t *record,
			      const struct flo__spec *spec,
			      struct flo__strbuf *scratch,
			      struct flo__identity *ret_identity)
{
	struct flo__token few[64];
	struct flo__tape tape;
	flo_status st = flo__tape_of_tree(record, few, 64, &tape);

	if (st != FLO_OK)
		return st;
	st = flo__tape_identify(&tape, spec, scratch, ret_identity);
	flo__tape_fini(&tape, few);
	return st;
}

static bool same_identity(const struct flo__identity *a,
			  const struct flo__identity *b)
{
	return memcmp(&a->key, &b->key, sizeof(a->key)) == 0 &&
	       memcmp(&a->body, &b->body, sizeof(a->body)) == 0 &&
	       a->present == b->present;
}

static bool same_kind(const struct flo__token *token, const json_t *json)
{
	static const enum flo__token_kind kinds[] = {
		[JSON_OBJECT] = FLO__TOKEN_OBJECT,
		[JSON_ARRAY] = FLO__TOKEN_ARRAY,
		[JSON_STRING] = FLO__TOKEN_STRING,
		[JSON_INTEGER] = FLO__TOKEN_INTEGER,
		[JSON_REAL] = FLO__TOKEN_REAL,
		[JSON_TRUE] = FLO__TOKEN_TRUE,
		[JSON_FALSE] = FLO__TOKEN_FALSE,
		[JSON_NULL] = FLO__TOKEN_NULL,
	};

	if (token == NULL || json == NULL)
		return token == NULL && json == NULL;
	return token->kind == kinds[json_typeof(json)];
}

static const char *differ_under(struct ways *ways, const struct flo__spec *spec,
				const json_t *tree)
{
	struct flo__identity want = wanted(ways, tree, spec);
	struct flo__identity id = {.present = 0};

	if (flo__tape_identify(ways->reading.tape, spec, &ways->scratch, &id) !=
		    FLO_OK ||
	    !same_identity(&id, &want))
		return "the identity";
	if (ways_identify_tree(tree, spec, &ways->scratch, &id) != FLO_OK ||
	    !same_identity(&id, &want))
		return "the identity of the tree";
	flo__strbuf_reset(&ways->key);
	flo__strbuf_reset(&ways->wanted_key);
	flo__record_key_text(tree, spec, &ways->wanted_key);
	if (flo__reading_key_text(&ways->reading, spec, &ways->key, NULL) !=
		    FLO_OK ||
	    strcmp(ways->key.data, ways->wanted_key.data) != 0)
		return "the text of the key";
	return NULL;
}

const char *ways_differ(struct ways *ways, const struct flo__spec *spec,
			const struct flo__pointer *gone, const char *text,
			size_t len, enum way *ret_way)
{
	struct flo__shape shape = flo__record_look(text, len);
	const json_t *tree = NULL;
	flo_status want = flo__record_read(&ways->reader, text, len,
					   shape.depth, NULL, &tree);
	flo_status st = flo__reading_read(&ways->reading, text, len, NULL);

	*ret_way = WAY_NONE;
	if (st != want)
		return "whether it is a record";
	if (st != FLO_OK)
		return NULL;
	*ret_way = ways->reading.tree == NULL ? WAY_PLAIN : WAY_TREE;
	if (ways->reading.shape.depth != shape.depth)
		return "the depth";
	if (ways->reading.shape.spaced != shape.spaced)
		return "whether it is spaced";
	if (!same_kind(flo__tape_get(ways->reading.tape, gone),
		       flo__pointer_get(gone, tree)))
		return "what the pointer points at";
	return spec != NULL ? differ_under(ways, spec, tree) : NULL;
}

/* Life */

void ways_init(struct ways *ways)
{
	*ways = (struct ways){.scratch = FLO__STRBUF_INIT,
			      .key = FLO__STRBUF_INIT,
			      .wanted_key = FLO__STRBUF_INIT};
}

void ways_fini(struct ways *ways)
{
	flo__reading_fini(&ways->reading);
	flo__json_reader_fini(&ways->reader);
	flo__strbuf_fini(&ways->scratch);
	flo__strbuf_fini(&ways->key);
	flo__strbuf_fini(&ways->wanted_key);
}

struct flo__spec *ways_spec(const char *key, const char *ignore,
			    const char *unordered)
{
	const char *const text[] = {key, ignore, unordered};
	flo_value *value[3] = {NULL, NULL, NULL};
	struct flo__spec *spec = NULL;

	for (size_t i = 0; i < 3; i++)
		if (text[i] != NULL)
			flo_value_from_json(text[i], strlen(text[i]), 0, NULL,
					    &value[i]);
	if (value[0] != NULL)
		flo__spec_new(value[0], value[1], value[2], NULL, &spec);
	for (size_t i = 0; i < 3; i++)
		flo_value_unref(value[i]);
	return spec;
}
