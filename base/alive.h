/*
 * Objects that know whether they live: a use after the free is told by name
 * instead of corrupting whoever has the memory next.
 *
 * An object carries a word that says so, and the functions that use it look.
 * That helps as long as the memory is not used for something else, so what was
 * freed last is kept for a while. Only in debug builds (FLO__ALIVE_CHECKS, set
 * by the top meson.build), and not under a sanitizer: those keep freed memory
 * themselves, and see the uses that do not come through our functions as well.
 *
 * Threads: any. The word is written by who makes and who frees.
 */
#ifndef FLO_BASE_ALIVE_H
#define FLO_BASE_ALIVE_H

#include "base/contract.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The object's member is called `alive`; @what is a literal. */
#ifdef FLO__ALIVE_CHECKS
#define REQUIRE_ALIVE(object, what)                                            \
	REQUIRE_RULE(flo__alive(&(object)->alive), "the " what " was freed")
#else
#define REQUIRE_ALIVE(object, what) ((void)0)
#endif

#define FLO__ALIVE 0x0a11f10bu
#define FLO__DEAD  0xdeadf10bu

static inline bool flo__alive(const uint32_t *word)
{
	/* relaxed: whoever races with the free is wrong, seen or not */
	return __atomic_load_n(word, __ATOMIC_RELAXED) == FLO__ALIVE;
}

/* The object whose word this is begins, or ends while its memory stays. */
static inline void flo__alive_begin(uint32_t *word)
{
	__atomic_store_n(word, FLO__ALIVE, __ATOMIC_RELAXED);
}

static inline void flo__alive_end(uint32_t *word)
{
	__atomic_store_n(word, FLO__DEAD, __ATOMIC_RELAXED);
}

/*
 * Free @mem of @size bytes: flo__free(), in debug builds a while later. The
 * object has ended.
 */
void flo__alive_free(void *mem, size_t size);
/* Free what is kept: for tests that count what is allocated. */
void flo__alive_drain(void);

#endif
