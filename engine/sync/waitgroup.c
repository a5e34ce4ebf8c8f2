#include <flo/sync.h>

#include "base/contract.h"
#include "engine/sync/waitq_p.h"

static bool is_zero(struct flo__waitq *q)
{
	return ((flo_waitgroup *)q)->count == 0;
}

static void add(flo_waitgroup *wg, int64_t n, const char *function)
{
	struct flo__waiter *woken = NULL;
	int64_t count;
	bool valid;

	flo__spin_lock(&wg->q.lock);
	valid = !__builtin_add_overflow(wg->count, n, &count) && count >= 0;
	if (valid) {
		wg->count = count;
		if (count == 0)
			woken = flo__waitq_grant_all(&wg->q);
	}
	flo__spin_unlock(&wg->q.lock);
	REQUIRE_OF(function, valid,
		   n < 0 ? "the count would fall below 0"
			 : "the count would overflow");
	flo__waitq_ready_all(woken);
}

void flo_waitgroup_add(flo_waitgroup *wg, int64_t n)
{
	add(wg, n, __func__);
}

void flo_waitgroup_done(flo_waitgroup *wg)
{
	add(wg, -1, __func__);
}

flo_status flo_waitgroup_wait(flo_waitgroup *wg, flo_context *context)
{
	return flo__waitq_wait(&wg->q, is_zero, context, false, __func__,
			       "wait group");
}
