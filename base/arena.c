#include "base/arena.h"

#include "base/alloc.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define ALIGN	  16
#define BLOCK_MIN 1024
#define BLOCK_MAX (256 * 1024)

struct flo__arena_block {
	_Alignas(ALIGN) struct flo__arena_block *next;
	_Alignas(ALIGN) char bytes[];
};

void flo__arena_init(struct flo__arena *arena)
{
	*arena = (struct flo__arena){.next_size = BLOCK_MIN};
}

static void free_blocks(struct flo__arena_block *block)
{
	while (block != NULL) {
		struct flo__arena_block *next = block->next;

		flo__free(block);
		block = next;
	}
}

void flo__arena_fini(struct flo__arena *arena)
{
	free_blocks(arena->blocks);
	flo__arena_init(arena);
}

void flo__arena_clear(struct flo__arena *arena)
{
	/* The newest is filled, unless there is none but a large piece's. */
	if (arena->at == NULL) {
		flo__arena_fini(arena);
		return;
	}
	free_blocks(arena->blocks->next);
	arena->blocks->next = NULL;
	arena->at = arena->blocks->bytes;
}

static struct flo__arena_block *new_block(size_t size)
{
	struct flo__arena_block *block;

	if (size > SIZE_MAX - sizeof(*block))
		return NULL;
	return flo__malloc(sizeof(*block) + size);
}

/* A block for @size bytes alone, put behind the one that is being filled. */
static void *alloc_large(struct flo__arena *arena, size_t size)
{
	struct flo__arena_block *block = new_block(size);
	struct flo__arena_block **link = &arena->blocks;

	if (block == NULL)
		return NULL;
	if (*link != NULL)
		link = &(*link)->next;
	block->next = *link;
	*link = block;
	return block->bytes;
}

static bool add_block(struct flo__arena *arena)
{
	struct flo__arena_block *block = new_block(arena->next_size);

	if (block == NULL)
		return false;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->at = block->bytes;
	arena->end = block->bytes + arena->next_size;
	if (arena->next_size < BLOCK_MAX)
		arena->next_size *= 2;
	return true;
}

void *flo__arena_alloc(struct flo__arena *arena, size_t size)
{
	char *piece;

	if (size > SIZE_MAX - ALIGN)
		return NULL;
	if (size == 0)
		size = 1;
	size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	if (size > (size_t)(arena->end - arena->at)) {
		if (size > arena->next_size / 4)
			return alloc_large(arena, size);
		if (!add_block(arena))
			return NULL;
	}
	piece = arena->at;
	arena->at += size;
	return piece;
}

void *flo__arena_calloc(struct flo__arena *arena, size_t count, size_t size)
{
	void *piece;

	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	piece = flo__arena_alloc(arena, count * size);
	if (piece != NULL)
		memset(piece, 0, count * size);
	return piece;
}

char *flo__arena_strndup(struct flo__arena *arena, const char *text, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		return NULL;
	copy = flo__arena_alloc(arena, len + 1);
	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *flo__arena_strdup(struct flo__arena *arena, const char *text)
{
	return flo__arena_strndup(arena, text, strlen(text));
}
