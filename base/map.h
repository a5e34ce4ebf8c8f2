/*
 * A map from strings to a pointer or a number.
 *
 * Entries lie in one array in order of insertion, found by an open-addressing
 * index. Keys are borrowed and must outlive the map; with an arena they are
 * copied into it instead. Keys may hold any bytes. Hashes are keyed
 * (base/hash.h), so hostile keys do not collide.
 *
 * Threads: one at a time; reading only, any number.
 */
#ifndef FLO_BASE_MAP_H
#define FLO_BASE_MAP_H

#include <flo/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct flo__arena;

union flo__map_slot {
	void *ptr;
	uint64_t n;
};

struct flo__map_entry {
	const char *key;
	uint32_t key_len;
	uint32_t hash; /* the low bits, to compare before the keys are */
	union flo__map_slot slot;
};

struct flo__map {
	struct flo__map_entry *entries; /* owned */
	uint32_t *index;		/* owned: an entry's number + 1, or 0 */
	uint32_t len;
	uint32_t cap;		 /* entries there is room for */
	uint32_t index_mask;	 /* slots of the index - 1 */
	struct flo__arena *keys; /* borrowed; NULL: keys are borrowed */
};

/* Start empty. @keys: where to copy keys to, or NULL to borrow them. */
void flo__map_init(struct flo__map *map, struct flo__arena *keys);
/* Free what it owns (not what its slots point to); it is empty again. */
void flo__map_fini(struct flo__map *map);

/* The slot under @key, or NULL. Valid until the next put or delete. */
union flo__map_slot *flo__map_get(const struct flo__map *map, const char *key);
union flo__map_slot *flo__map_getn(const struct flo__map *map, const char *key,
				   size_t len);

/*
 * Find @key or add it with a slot of 0; the slot goes to *@ret_slot and stays
 * valid until the next put or delete.
 * FLO_OK if it was added, FLO_EXISTS if it was there, FLO_NOMEM.
 */
flo_status flo__map_put(struct flo__map *map, const char *key,
			union flo__map_slot **ret_slot);
flo_status flo__map_putn(struct flo__map *map, const char *key, size_t len,
			 union flo__map_slot **ret_slot);

/*
 * Take @key out; false if it is not there. The last entry takes its place in
 * the order.
 */
bool flo__map_del(struct flo__map *map, const char *key);
bool flo__map_deln(struct flo__map *map, const char *key, size_t len);

#endif
