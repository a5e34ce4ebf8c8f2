#include "base/value_repr.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/hash.h"
#include "base/value_p.h"

#include <string.h>

/*
 * A key to look for: a text or an integer. Integers are a sign and the two's
 * complement, so that -1 and 18446744073709551615u are two keys.
 */
struct key {
	const char *text; /* NULL: an integer or a bool */
	size_t len;
	uint64_t n;
	enum {
		KEY_TEXT,
		KEY_POSITIVE,
		KEY_NEGATIVE,
		KEY_BOOL
	} kind;
};

/* Whether @d is an integer of 64 bits; then as which key. */
static bool key_of_double(double d, struct key *ret)
{
	if (d >= 0 && d < 0x1p64 && d == (double)(uint64_t)d) {
		ret->kind = KEY_POSITIVE;
		ret->n = (uint64_t)d;
		return true;
	}
	if (d < 0 && d >= -0x1p63 && d == (double)(int64_t)d) {
		ret->kind = KEY_NEGATIVE;
		ret->n = (uint64_t)(int64_t)d;
		return true;
	}
	return false;
}

/* False if @value can be no key of a map. */
static bool key_of(const flo_value *value, struct key *ret)
{
	struct key key = {NULL, 0, 0, KEY_POSITIVE};

	switch (value->type) {
	case FLO_VALUE_STRING:
		key.kind = KEY_TEXT;
		key.text = value->of.str.text;
		key.len = value->of.str.len;
		break;
	case FLO_VALUE_BOOL:
		key.kind = KEY_BOOL;
		key.n = value->of.b;
		break;
	case FLO_VALUE_INT:
		key.kind = value->of.i < 0 ? KEY_NEGATIVE : KEY_POSITIVE;
		key.n = (uint64_t)value->of.i;
		break;
	case FLO_VALUE_UINT:
		key.n = value->of.u;
		break;
	case FLO_VALUE_DOUBLE:
		if (!key_of_double(value->of.d, &key))
			return false;
		break;
	default:
		return false;
	}
	*ret = key;
	return true;
}

static uint64_t key_hash(const struct key *key)
{
	if (key->kind == KEY_TEXT)
		return flo__hash_bytes(key->text, key->len);
	return flo__hash_u64(key->n) + (uint64_t)key->kind;
}

static bool key_is(const struct key *key, const flo_value *value)
{
	struct key other;

	if (key->kind == KEY_TEXT)
		return value->type == FLO_VALUE_STRING &&
		       value->of.str.len == key->len &&
		       memcmp(value->of.str.text, key->text, key->len) == 0;
	return key_of(value, &other) && other.kind == key->kind &&
	       other.n == key->n;
}

/* The entry with @key, or NULL. */
static struct map_entry *find(const flo_value *map, const struct key *key)
{
	struct map_entry *entries = map->of.map.entries;
	const uint32_t *index = map->of.map.at.index;

	if (index == NULL) {
		for (uint32_t i = 0; i < map->of.map.len; i++) {
			if (key_is(key, entries[i].key))
				return &entries[i];
		}
		return NULL;
	}
	for (uint64_t at = key_hash(key);; at++) {
		uint32_t slot = index[at & map->of.map.index_mask];

		if (slot == 0)
			return NULL;
		if (key_is(key, entries[slot - 1].key))
			return &entries[slot - 1];
	}
}

static void index_put(uint32_t *index, uint32_t mask, uint64_t hash,
		      uint32_t entry)
{
	while (index[hash & mask] != 0)
		hash++;
	index[hash & mask] = entry + 1;
}

/* Give @map an index for @cap entries. */
static bool index_build(flo_value *map, size_t cap)
{
	size_t slots = 32;
	uint32_t *index;

	while (slots < cap * 2)
		slots *= 2;
	index = flo__calloc(slots, sizeof(*index));
	if (index == NULL)
		return false;
	for (uint32_t i = 0; i < map->of.map.len; i++) {
		struct key key;

		INSIST(key_of(map->of.map.entries[i].key, &key));
		index_put(index, (uint32_t)(slots - 1), key_hash(&key), i);
	}
	flo__free(map->of.map.at.index);
	map->of.map.at.index = index;
	map->of.map.index_mask = (uint32_t)(slots - 1);
	return true;
}

static bool map_grow(flo_value *map, size_t cap)
{
	struct map_entry *entries;

	if (cap > VALUE_LEN_MAX / 4)
		return false;
	entries = flo__reallocarray(map->of.map.entries, cap, sizeof(*entries));
	if (entries == NULL)
		return false;
	map->of.map.entries = entries;
	if (cap > MAP_LINEAR_MAX && !index_build(map, cap))
		return false;
	map->of.map.cap = (uint32_t)cap;
	return true;
}

flo_value *flo_value_map(size_t capacity)
{
	flo_value *map = flo__value_new(FLO_VALUE_MAP, VALUE_SIZE(map));

	if (map == NULL)
		return NULL;
	memset(&map->of.map, 0, sizeof(map->of.map));
	if (capacity != 0 && !map_grow(map, capacity)) {
		flo_value_unref(map);
		return NULL;
	}
	return map;
}

/* Both owned by the map afterwards, unless it fails. */
static flo_status append(flo_value *map, const struct key *key,
			 flo_value *key_value, flo_value *value)
{
	uint32_t len = map->of.map.len;

	if (len == map->of.map.cap &&
	    !map_grow(map, len < 4 ? 4 : (size_t)len * 2))
		return FLO_NOMEM;
	map->of.map.entries[len].key = key_value;
	map->of.map.entries[len].value = value;
	map->of.map.len++;
	/* What was measured is no longer so. Nobody else holds the map. */
	atomic_store_explicit(&map->of.map.measure, 0, memory_order_relaxed);
	if (map->of.map.at.index != NULL)
		index_put(map->of.map.at.index, map->of.map.index_mask,
			  key_hash(key), len);
	return FLO_OK;
}

flo_status flo_value_map_add(flo_value *map, flo_value *key, flo_value *value)
{
	flo_status st;
	struct key k;

	REQUIRE(map->type == FLO_VALUE_MAP);
	REQUIRE(flo__value_is_own(map));
	REQUIRE(key != map && value != map);
	if (key == NULL || value == NULL)
		st = FLO_NOMEM;
	else if (key->type == FLO_VALUE_DOUBLE || !key_of(key, &k))
		st = FLO_TYPE;
	else if (find(map, &k) != NULL)
		st = FLO_EXISTS;
	else
		st = append(map, &k, key, value);
	if (st != FLO_OK) {
		flo_value_unref(key);
		flo_value_unref(value);
	}
	return st;
}

flo_status flo__value_map_setn(flo_value *map, const char *key, size_t len,
			       flo_value *value)
{
	return flo_value_map_add(map, flo_value_stringn(key, len), value);
}

flo_status flo_value_map_set(flo_value *map, const char *key, flo_value *value)
{
	return flo__value_map_setn(map, key, strlen(key), value);
}

const flo_value *flo_value_map_getn(const flo_value *map, const char *key,
				    size_t len)
{
	struct key k = {key, len, 0, KEY_TEXT};
	struct map_entry *entry;

	if (map == NULL || map->type != FLO_VALUE_MAP)
		return NULL;
	entry = find(map, &k);
	return entry != NULL ? entry->value : NULL;
}

const flo_value *flo_value_map_get(const flo_value *map, const char *key)
{
	return flo_value_map_getn(map, key, strlen(key));
}

const flo_value *flo_value_map_find(const flo_value *map, const flo_value *key)
{
	struct map_entry *entry;
	struct key k;

	if (map == NULL || map->type != FLO_VALUE_MAP || !key_of(key, &k))
		return NULL;
	entry = find(map, &k);
	return entry != NULL ? entry->value : NULL;
}

const flo_value *flo_value_map_at(const flo_value *map, size_t i,
				  const flo_value **ret_key)
{
	REQUIRE(map->type == FLO_VALUE_MAP);
	REQUIRE(i < map->of.map.len);
	if (ret_key != NULL)
		*ret_key = map->of.map.entries[i].key;
	return map->of.map.entries[i].value;
}
