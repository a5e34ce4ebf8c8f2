/*
 * A hash table from digests to places in an array that its owner keeps: the
 * digest of place i lies at base + i * stride.
 *
 * Digests are spread evenly by themselves, so their first bytes are the hash.
 */
#ifndef FLO_CMDB_INDEX_H
#define FLO_CMDB_INDEX_H

#include "steps/cmdb/spec.h"

#include <stdint.h>

struct flo__index {
	uint32_t *slot; /* place + 1; 0: empty; owned */
	size_t mask;
	const unsigned char *base; /* borrowed */
	size_t stride;
};

#define FLO__INDEX_NONE UINT32_MAX

/* @max places at most will ever be put in. FLO_LIMIT beyond 2^31, FLO_NOMEM. */
flo_status flo__index_init(struct flo__index *index, const void *base,
			   size_t stride, size_t max);
void flo__index_fini(struct flo__index *index);

/* The place whose digest is @digest, or FLO__INDEX_NONE. */
uint32_t flo__index_find(const struct flo__index *index,
			 const struct flo__digest *digest);
/*
 * Where there is much to look up, memory is what takes time: first call hint()
 * for some digests, then hint_place() for the same, then look them up.
 */
void flo__index_hint(const struct flo__index *index,
		     const struct flo__digest *digest);
void flo__index_hint_place(const struct flo__index *index,
			   const struct flo__digest *digest);
/* Put the places 0 to @len - 1 in. */
void flo__index_fill(struct flo__index *index, uint32_t len);
/* Put @place in, whose digest is at its place already. */
void flo__index_put(struct flo__index *index, uint32_t place);

#endif
