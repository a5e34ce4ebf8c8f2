/*
 * The one seam through which all memory comes, so that tests can fail the Nth
 * call. Sizes are bytes. None of these abort: NULL means out of memory, and
 * the caller returns FLO_NOMEM with its state unchanged.
 *
 * Threads: any. The hooks are set before other threads exist.
 */
#ifndef FLO_BASE_ALLOC_H
#define FLO_BASE_ALLOC_H

#include <stddef.h>

/* Allocate @size bytes; @size 0 gives a unique pointer. Free: flo__free(). */
void *flo__malloc(size_t size) __attribute__((malloc));

/* Allocate @count x @size zeroed bytes; NULL too if the product overflows. */
void *flo__calloc(size_t count, size_t size) __attribute__((malloc));

/* Grow or shrink @mem; on failure @mem is still valid and owned. */
void *flo__realloc(void *mem, size_t size);

/* As flo__realloc() for @count x @size, NULL if the product overflows. */
void *flo__reallocarray(void *mem, size_t count, size_t size);

/* Give memory back. NULL is allowed. */
void flo__free(void *mem);

/* Copy a string, or the first @len bytes of one, with a NUL at the end. */
char *flo__strdup(const char *text) __attribute__((malloc));
char *flo__strndup(const char *text, size_t len) __attribute__((malloc));

/*
 * How many calls have failed in this process so far. What looks at it before
 * and after some work knows whether the work lacked memory, wherever in it,
 * even where that showed only as another result.
 */
long flo__alloc_failures(void);

/*
 * Fail the allocation @nth calls from now (1 is the next), and with @forever
 * every later one too; 0 switches failing off. For tests.
 */
void flo__alloc_fail_at(long nth, int forever);

/* How many allocations there were since the last flo__alloc_fail_at(). */
long flo__alloc_count(void);

/*
 * How much of what was allocated since failing was last switched on is not yet
 * freed. Right only if nothing older is freed or reallocated meanwhile.
 */
long flo__alloc_live(void);

#endif
