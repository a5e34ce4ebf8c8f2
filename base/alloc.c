#include "base/alloc.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* atomic, relaxed: a test sets them before it calls what it tests */
static atomic_bool counting;
static atomic_long calls;
static atomic_long fail_first = LONG_MAX;
static atomic_long fail_last = LONG_MAX;
static atomic_long live;
/* atomic, relaxed: who compares two looks has made the calls in between */
static atomic_long failures;

static int must_fail(void)
{
	long n;

	if (!atomic_load_explicit(&counting, memory_order_relaxed))
		return 0;
	n = 1 + atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
	return n >= atomic_load_explicit(&fail_first, memory_order_relaxed) &&
	       n <= atomic_load_explicit(&fail_last, memory_order_relaxed);
}

void flo__alloc_fail_at(long nth, int forever)
{
	if (!atomic_load(&counting))
		atomic_store(&live, 0);
	atomic_store(&calls, 0);
	atomic_store(&fail_first, nth > 0 ? nth : LONG_MAX);
	atomic_store(&fail_last, forever ? LONG_MAX : nth);
	atomic_store(&counting, nth > 0);
}

long flo__alloc_count(void)
{
	return atomic_load(&calls);
}

long flo__alloc_live(void)
{
	return atomic_load(&live);
}

/* @mem came (1) or goes (-1). */
static void *count(void *mem, int by)
{
	if (mem != NULL &&
	    atomic_load_explicit(&counting, memory_order_relaxed))
		atomic_fetch_add_explicit(&live, by, memory_order_relaxed);
	return mem;
}

/* What a call is about to return: is it a failure? */
static void *told(void *mem)
{
	if (mem == NULL)
		atomic_fetch_add_explicit(&failures, 1, memory_order_relaxed);
	return mem;
}

void *flo__malloc(size_t size)
{
	if (must_fail())
		return told(NULL);
	return told(count(malloc(size != 0 ? size : 1), 1));
}

void *flo__calloc(size_t n, size_t size)
{
	if (must_fail() || (size != 0 && n > SIZE_MAX / size))
		return told(NULL);
	return told(count(calloc(n != 0 ? n : 1, size != 0 ? size : 1), 1));
}

void *flo__realloc(void *mem, size_t size)
{
	void *grown = must_fail() ? NULL : realloc(mem, size != 0 ? size : 1);

	return told(mem != NULL ? grown : count(grown, 1));
}

void *flo__reallocarray(void *mem, size_t count, size_t size)
{
	if (size != 0 && count > SIZE_MAX / size)
		return told(NULL);
	return flo__realloc(mem, count * size);
}

long flo__alloc_failures(void)
{
	return atomic_load_explicit(&failures, memory_order_relaxed);
}

void flo__free(void *mem)
{
	free(count(mem, -1));
}

char *flo__strndup(const char *text, size_t len)
{
	char *copy = flo__malloc(len + 1);

	if (copy == NULL)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *flo__strdup(const char *text)
{
	return flo__strndup(text, strlen(text));
}
