#include "base/sm.h"

#include "base/contract.h"

#include <stdatomic.h>
#include <stddef.h>

/* atomic: release in set, acquire in a move */
static _Atomic(flo__sm_trace) tracer;

void flo__sm_set_trace(flo__sm_trace trace)
{
	atomic_store_explicit(&tracer, trace, memory_order_release);
}

/* Be in @to: the invariant first, so that a trace shows true states only. */
static void enter(struct flo__sm *sm, int from, int to)
{
	flo__sm_invariant invariant = sm->kind->invariant;
	flo__sm_trace trace;

	sm->state = to;
	INSIST(invariant == NULL || invariant(sm, from));
	trace = atomic_load_explicit(&tracer, memory_order_acquire);
	if (trace != NULL)
		trace(sm, from, to);
}

void flo__sm_init(struct flo__sm *sm, const struct flo__sm_kind *kind,
		  int first)
{
	REQUIRE(kind->states_len > 0 && kind->states_len <= FLO__SM_MAX);
	REQUIRE(first >= 0 && first < kind->states_len);
	sm->kind = kind;
	enter(sm, -1, first);
}

void flo__sm_fini(const struct flo__sm *sm)
{
	INSIST(flo__sm_is_final(sm));
}

bool flo__sm_may(const struct flo__sm *sm, int to)
{
	REQUIRE(to >= 0 && to < sm->kind->states_len);
	return (sm->kind->states[sm->state].allowed & FLO__SM_TO(to)) != 0;
}

void flo__sm_move(struct flo__sm *sm, int to)
{
	INSIST(flo__sm_may(sm, to));
	enter(sm, sm->state, to);
}

bool flo__sm_is_final(const struct flo__sm *sm)
{
	return sm->kind->states[sm->state].allowed == FLO__SM_FINAL;
}

const char *flo__sm_state_name(const struct flo__sm *sm)
{
	return sm->kind->states[sm->state].name;
}
