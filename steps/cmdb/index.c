#include "steps/cmdb/index.h"

#include "base/alloc.h"

#include <string.h>

flo_status flo__index_init(struct flo__index *index, const void *base,
			   size_t stride, size_t max)
{
	size_t slots = 64;

	if (max > UINT32_C(1) << 31)
		return FLO_LIMIT;
	/* At most half of the slots are taken: runs stay short. */
	while (slots < 2 * max)
		slots *= 2;
	index->slot = flo__calloc(slots, sizeof(*index->slot));
	if (index->slot == NULL)
		return FLO_NOMEM;
	index->mask = slots - 1;
	index->base = base;
	index->stride = stride;
	return FLO_OK;
}

void flo__index_fini(struct flo__index *index)
{
	flo__free(index->slot);
	index->slot = NULL;
}

static size_t hash_of(const void *digest)
{
	uint64_t hash;

	memcpy(&hash, digest, sizeof(hash));
	return (size_t)hash;
}

static const void *digest_at(const struct flo__index *index, uint32_t place)
{
	return index->base + place * index->stride;
}

void flo__index_hint(const struct flo__index *index,
		     const struct flo__digest *digest)
{
	__builtin_prefetch(&index->slot[hash_of(digest) & index->mask]);
}

void flo__index_hint_place(const struct flo__index *index,
			   const struct flo__digest *digest)
{
	uint32_t slot = index->slot[hash_of(digest) & index->mask];

	if (slot != 0)
		__builtin_prefetch(digest_at(index, slot - 1));
}

uint32_t flo__index_find(const struct flo__index *index,
			 const struct flo__digest *digest)
{
	size_t i = hash_of(digest) & index->mask;

	for (; index->slot[i] != 0; i = (i + 1) & index->mask) {
		uint32_t place = index->slot[i] - 1;

		if (memcmp(digest_at(index, place), digest, sizeof(*digest)) ==
		    0)
			return place;
	}
	return FLO__INDEX_NONE;
}

void flo__index_put(struct flo__index *index, uint32_t place)
{
	size_t i = hash_of(digest_at(index, place)) & index->mask;

	while (index->slot[i] != 0)
		i = (i + 1) & index->mask;
	index->slot[i] = place + 1;
}

/* Slots that are asked for ahead of the one that is written. */
#define FILL_AHEAD 16

void flo__index_fill(struct flo__index *index, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++) {
		if (i + FILL_AHEAD < len)
			flo__index_hint(index,
					digest_at(index, i + FILL_AHEAD));
		flo__index_put(index, i);
	}
}
