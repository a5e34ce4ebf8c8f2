/*
 * A bump arena: many small pieces, freed at once.
 *
 * Pieces are aligned to 16 bytes and never move. Blocks double from 1 KiB to
 * 256 KiB; a piece larger than a quarter of the next block gets its own.
 *
 * Threads: one at a time.
 */
#ifndef FLO_BASE_ARENA_H
#define FLO_BASE_ARENA_H

#include <stddef.h>

struct flo__arena_block;

struct flo__arena {
	struct flo__arena_block *blocks; /* owned, newest first */
	char *at;			 /* the next free byte of the newest */
	char *end;
	size_t next_size; /* of the block to come */
};

/* Start empty, owning nothing. */
void flo__arena_init(struct flo__arena *arena);
/* Free all pieces at once; the arena is empty again. */
void flo__arena_fini(struct flo__arena *arena);
/* Free all pieces at once and keep the memory of some, which is warm. */
void flo__arena_clear(struct flo__arena *arena);

/* @size bytes, not cleared; NULL without memory. @size 0 gives a pointer. */
void *flo__arena_alloc(struct flo__arena *arena, size_t size)
	__attribute__((malloc));
/* @count x @size zeroed bytes; NULL too if the product overflows. */
void *flo__arena_calloc(struct flo__arena *arena, size_t count, size_t size)
	__attribute__((malloc));

/* Copy bytes with a NUL behind them, or a string. NULL without memory. */
char *flo__arena_strndup(struct flo__arena *arena, const char *text, size_t len)
	__attribute__((malloc));
char *flo__arena_strdup(struct flo__arena *arena, const char *text)
	__attribute__((malloc));

#endif
