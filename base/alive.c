#include "base/alive.h"

#include "base/alloc.h"

#include <stdatomic.h>

#ifdef FLO__ALIVE_CHECKS

#define KEPT_LEN  64u	     /* objects that are freed later */
#define KEPT_SIZE (1u << 16) /* what is larger is freed at once */

/* What was freed last, a ring. Of the process: it may outlive any runtime. */
static _Atomic(void *) kept[KEPT_LEN]; /* atomic: acq_rel exchange */
static _Atomic uint32_t next;	       /* relaxed: any slot will do */

void flo__alive_free(void *mem, size_t size)
{
	uint32_t i = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed);

	if (size > KEPT_SIZE)
		flo__free(mem);
	else
		flo__free(atomic_exchange_explicit(&kept[i % KEPT_LEN], mem,
						   memory_order_acq_rel));
}

void flo__alive_drain(void)
{
	for (uint32_t i = 0; i < KEPT_LEN; i++)
		flo__free(atomic_exchange_explicit(&kept[i], NULL,
						   memory_order_acq_rel));
}

#else

void flo__alive_free(void *mem, size_t size)
{
	(void)size;
	flo__free(mem);
}

void flo__alive_drain(void)
{
}

#endif
