#include "base/map.h"

#include "base/alloc.h"
#include "base/arena.h"
#include "base/hash.h"

#include <string.h>

#define ENTRIES_MIN 8
#define ENTRIES_MAX (UINT32_MAX / 4)

void flo__map_init(struct flo__map *map, struct flo__arena *keys)
{
	*map = (struct flo__map){.keys = keys};
}

void flo__map_fini(struct flo__map *map)
{
	flo__free(map->entries);
	flo__free(map->index);
	flo__map_init(map, map->keys);
}

/* The slot of the index with @key's entry, or the free one it would get. */
static uint32_t *find(const struct flo__map *map, const char *key, size_t len,
		      uint32_t hash)
{
	for (uint32_t at = hash;; at++) {
		uint32_t *slot = &map->index[at & map->index_mask];
		const struct flo__map_entry *entry = map->entries + *slot - 1;

		if (*slot == 0)
			return slot;
		if (entry->hash == hash && entry->key_len == len &&
		    memcmp(entry->key, key, len) == 0)
			return slot;
	}
}

static void rebuild_index(struct flo__map *map)
{
	for (uint32_t i = 0; i < map->len; i++) {
		uint32_t at = map->entries[i].hash;

		while (map->index[at & map->index_mask] != 0)
			at++;
		map->index[at & map->index_mask] = i + 1;
	}
}

/* Make room for twice the entries, in an index at most half full. */
static bool grow(struct flo__map *map)
{
	size_t cap = map->cap == 0 ? ENTRIES_MIN : (size_t)map->cap * 2;
	struct flo__map_entry *entries;
	uint32_t *index;

	if (cap > ENTRIES_MAX)
		return false;
	entries = flo__reallocarray(map->entries, cap, sizeof(*entries));
	if (entries == NULL)
		return false;
	map->entries = entries;
	index = flo__calloc(cap * 2, sizeof(*index));
	if (index == NULL)
		return false;
	flo__free(map->index);
	map->index = index;
	map->index_mask = (uint32_t)(cap * 2 - 1);
	map->cap = (uint32_t)cap;
	rebuild_index(map);
	return true;
}

union flo__map_slot *flo__map_getn(const struct flo__map *map, const char *key,
				   size_t len)
{
	uint32_t slot;

	if (map->len == 0)
		return NULL;
	slot = *find(map, key, len, (uint32_t)flo__hash_bytes(key, len));
	return slot != 0 ? &map->entries[slot - 1].slot : NULL;
}

union flo__map_slot *flo__map_get(const struct flo__map *map, const char *key)
{
	return flo__map_getn(map, key, strlen(key));
}

flo_status flo__map_putn(struct flo__map *map, const char *key, size_t len,
			 union flo__map_slot **ret_slot)
{
	uint32_t hash = (uint32_t)flo__hash_bytes(key, len);
	struct flo__map_entry *entry;
	uint32_t *slot;

	if (len > UINT32_MAX || (map->cap == 0 && !grow(map)))
		return FLO_NOMEM;
	slot = find(map, key, len, hash);
	if (*slot != 0) {
		*ret_slot = &map->entries[*slot - 1].slot;
		return FLO_EXISTS;
	}
	if (map->len == map->cap) {
		if (!grow(map))
			return FLO_NOMEM;
		slot = find(map, key, len, hash);
	}
	if (map->keys != NULL)
		key = flo__arena_strndup(map->keys, key, len);
	if (key == NULL)
		return FLO_NOMEM;
	entry = &map->entries[map->len++];
	*entry = (struct flo__map_entry){key, (uint32_t)len, hash, {.n = 0}};
	*slot = map->len;
	*ret_slot = &entry->slot;
	return FLO_OK;
}

flo_status flo__map_put(struct flo__map *map, const char *key,
			union flo__map_slot **ret_slot)
{
	return flo__map_putn(map, key, strlen(key), ret_slot);
}

/*
 * Empty @hole and close the gap, so that a search still may end at the first
 * free slot: an entry moves into the gap if its own place is not behind it.
 */
static void close_gap(struct flo__map *map, uint32_t hole)
{
	uint32_t mask = map->index_mask;
	uint32_t at = hole;

	for (;;) {
		uint32_t home;

		at = (at + 1) & mask;
		if (map->index[at] == 0)
			break;
		home = map->entries[map->index[at] - 1].hash & mask;
		if (((at - home) & mask) < ((at - hole) & mask))
			continue;
		map->index[hole] = map->index[at];
		hole = at;
	}
	map->index[hole] = 0;
}

bool flo__map_deln(struct flo__map *map, const char *key, size_t len)
{
	struct flo__map_entry last;
	uint32_t number;
	uint32_t *slot;

	if (map->len == 0)
		return false;
	slot = find(map, key, len, (uint32_t)flo__hash_bytes(key, len));
	number = *slot;
	if (number == 0)
		return false;
	close_gap(map, (uint32_t)(slot - map->index));
	last = map->entries[map->len - 1];
	if (number != map->len) {
		*find(map, last.key, last.key_len, last.hash) = number;
		map->entries[number - 1] = last;
	}
	map->len--;
	return true;
}

bool flo__map_del(struct flo__map *map, const char *key)
{
	return flo__map_deln(map, key, strlen(key));
}
