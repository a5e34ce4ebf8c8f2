/* Parked channel operations; chan_p.h has the protocol. */
#include "engine/sync/chan_p.h"

#include "base/contract.h"

#include <stddef.h>

/* Decide @op from outside its channels: the context ended, or the timer. */
static void interrupt(struct flo__op *op, enum flo__op_state to)
{
	struct flo__g *g = op->g;
	uint32_t s = FLO__OP_PREPARING;

	/* acq_rel: pairs with flo__op_commit() and a peer's win() */
	if (atomic_compare_exchange_strong_explicit(&op->state, &s, to,
						    memory_order_acq_rel,
						    memory_order_acquire))
		return;
	if (s == FLO__OP_PARKED &&
	    atomic_compare_exchange_strong_explicit(&op->state, &s, to,
						    memory_order_acq_rel,
						    memory_order_relaxed))
		flo__ready(g);
}

static void watch_fired(struct flo__context_watch *watch)
{
	interrupt((struct flo__op *)((char *)watch -
				     offsetof(struct flo__op, watch)),
		  FLO__OP_CANCELED);
}

static void timer_fired(struct flo__timer *timer)
{
	interrupt((struct flo__op *)((char *)timer -
				     offsetof(struct flo__op, timer)),
		  FLO__OP_TIMEDOUT);
}

flo_status flo__op_begin(struct flo__op *op, struct flo__g *g, bool many,
			 flo_context *context, uint64_t when_ns)
{
	flo_status st = FLO_OK;

	op->g = g;
	atomic_init(&op->state, FLO__OP_PREPARING);
	op->won = NULL;
	op->closed = false;
	op->context = context;
	op->has_timer = when_ns != UINT64_MAX;
	op->contested = many || context != NULL || op->has_timer;
	if (context != NULL) {
		op->watch.fn = watch_fired;
		if (!flo__context_watch_add(context, &op->watch))
			return flo_context_status(context);
	}
	if (op->has_timer) {
		op->timer = (struct flo__timer){0};
		st = flo__timer_start(flo__g_runtime(op->g), &op->timer,
				      when_ns, timer_fired);
	}
	if (st != FLO_OK) {
		op->has_timer = false;
		flo__op_end(op);
	}
	return st;
}

bool flo__op_commit(struct flo__op *op)
{
	uint32_t s = FLO__OP_PREPARING;

	if (!op->contested) {
		atomic_store_explicit(&op->state, FLO__OP_PARKED,
				      memory_order_relaxed);
		return true;
	}
	/* acq_rel: pairs with interrupt() */
	return atomic_compare_exchange_strong_explicit(&op->state, &s,
						       FLO__OP_PARKED,
						       memory_order_acq_rel,
						       memory_order_relaxed);
}

void flo__op_end(struct flo__op *op)
{
	if (op->has_timer)
		flo__timer_stop(flo__g_runtime(op->g), &op->timer);
	if (op->context != NULL)
		flo__context_watch_del(op->context, &op->watch);
}

flo_status flo__op_outcome(struct flo__op *op)
{
	/* acquire: pairs with whoever decided */
	switch (atomic_load_explicit(&op->state, memory_order_acquire)) {
	case FLO__OP_WON:
		return op->closed ? FLO_CLOSED : FLO_OK;
	case FLO__OP_TIMEDOUT:
		return FLO_TIMEOUT;
	default:
		INSIST(atomic_load_explicit(&op->state, memory_order_relaxed) ==
		       FLO__OP_CANCELED);
		return flo_context_status(op->context);
	}
}
