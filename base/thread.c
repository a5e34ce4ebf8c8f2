#include "base/thread.h"

#include <stdatomic.h>

/* atomic, relaxed: each thread counts itself while it runs, so this may be
 * less than there are, never more. Of the process, as threads are. */
static atomic_int known;

void flo__thread_known(int by)
{
	atomic_fetch_add_explicit(&known, by, memory_order_relaxed);
}

int flo__threads_known(void)
{
	return atomic_load_explicit(&known, memory_order_relaxed);
}
