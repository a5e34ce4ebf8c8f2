/* Where the pages of a pull have been. */
#include "steps/cmdb/pull_http_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

/* Pages that there is room for at first; room doubles. */
#define PAGES_MIN 16

/* The slot of @digest, or the free one where it would be. */
static uint32_t *find(const struct flo__trail *trail,
		      const struct flo__digest *digest)
{
	size_t mask = trail->cap * 2 - 1;
	uint64_t at;

	memcpy(&at, digest->byte, sizeof(at));
	for (at &= mask; trail->slot[at] != 0; at = (at + 1) & mask)
		if (memcmp(&trail->seen[trail->slot[at] - 1], digest,
			   sizeof(*digest)) == 0)
			break;
	return &trail->slot[at];
}

/* Twice the room, and every page in its slot again. */
static flo_status grow(struct flo__trail *trail, flo_error *err)
{
	size_t cap = trail->cap != 0 ? trail->cap * 2 : PAGES_MIN;
	struct flo__digest *seen;
	uint32_t *slot;

	seen = flo__reallocarray(trail->seen, cap, sizeof(*seen));
	if (seen == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	trail->seen = seen;
	slot = flo__calloc(cap * 2, sizeof(*slot));
	if (slot == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__free(trail->slot);
	trail->slot = slot;
	trail->cap = cap;
	for (size_t i = 0; i < trail->len; i++)
		*find(trail, &trail->seen[i]) = (uint32_t)(i + 1);
	return FLO_OK;
}

flo_status flo__trail_add(struct flo__trail *trail, const char *url,
			  uint64_t max, flo_error *err)
{
	struct flo__digest digest = flo__digest_of(url, strlen(url));
	uint32_t page = trail->cap != 0 ? *find(trail, &digest) : 0;
	flo_status st = FLO_OK;

	REQUIRE(max <= UINT32_MAX);
	if (page != 0)
		return flo_error_set(err, FLO_FAILED,
				     "the next page is one that was read "
				     "already, as page %u: the pages go in a "
				     "circle",
				     page);
	if (trail->len == max)
		return flo_error_set(err, FLO_LIMIT,
				     "there are more than %llu pages; "
				     "\"max_pages\" allows more",
				     (unsigned long long)max);
	if (trail->len == trail->cap)
		TRY(grow(trail, err));
	trail->seen[trail->len++] = digest;
	*find(trail, &digest) = (uint32_t)trail->len;
out:
	return st;
}

void flo__trail_fini(struct flo__trail *trail)
{
	flo__free(trail->seen);
	flo__free(trail->slot);
	*trail = (struct flo__trail){0};
}
