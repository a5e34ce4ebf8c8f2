#include "dsl/pool_p.h"

#include "base/alloc.h"

#include <stdint.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)32 * 1024)
#define ALIGN	   _Alignof(max_align_t)

struct flo__pool_chunk {
	struct flo__pool_chunk *next;
	max_align_t data[];
};

void flo__pool_init(struct flo__pool *pool)
{
	*pool = (struct flo__pool){0};
}

void flo__pool_fini(struct flo__pool *pool)
{
	while (pool->chunks != NULL) {
		struct flo__pool_chunk *next = pool->chunks->next;

		flo__free(pool->chunks);
		pool->chunks = next;
	}
	flo__pool_init(pool);
}

static void *new_chunk(struct flo__pool *pool, size_t size)
{
	struct flo__pool_chunk *chunk;

	if (size > SIZE_MAX - sizeof(*chunk))
		return NULL;
	chunk = flo__malloc(sizeof(*chunk) + size);
	if (chunk == NULL)
		return NULL;
	chunk->next = pool->chunks;
	pool->chunks = chunk;
	return chunk->data;
}

void *flo__pool_alloc(struct flo__pool *pool, size_t size)
{
	void *mem;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (size > CHUNK_SIZE / 4) {
		mem = new_chunk(pool, size);
	} else {
		if (size > pool->left) {
			mem = new_chunk(pool, CHUNK_SIZE);
			if (mem == NULL)
				return NULL;
			pool->at = mem;
			pool->left = CHUNK_SIZE;
		}
		mem = pool->at;
		pool->at += size;
		pool->left -= size;
	}
	return mem != NULL ? memset(mem, 0, size) : NULL;
}

char *flo__pool_strn(struct flo__pool *pool, const char *text, size_t len)
{
	char *copy = flo__pool_alloc(pool, len + 1);

	if (copy != NULL)
		memcpy(copy, text, len);
	return copy;
}
