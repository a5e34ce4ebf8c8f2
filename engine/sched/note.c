/*
 * Waits that one shot from outside ends: notes, and sleeping.
 */
#include "engine/sched/gmp_p.h"
#include "engine/sched/shot_p.h"

#include "base/contract.h"

#include <flo/sync.h>

/* A note's state; any other value is the coroutine that waits. */
enum {
	NOTE_NEW = 0,
	NOTE_WOKEN = 1
};

void flo_note_init(flo_note *note)
{
	note->rt = flo_runtime_current();
	REQUIRE_RULE(note->rt != NULL, "only a coroutine has notes");
	atomic_init(&note->state, NOTE_NEW);
}

void flo_note_wake(flo_note *note)
{
	uintptr_t was;

	FLO__TSAN_RELEASE(note);
	/* release: what we did before; acquire: the waiter, parked */
	was = atomic_exchange_explicit(&note->state, NOTE_WOKEN,
				       memory_order_acq_rel);
	REQUIRE_RULE(was != NOTE_WOKEN, "the note was woken already");
	/* The note is its owner's again; a parked coroutine stays ours. */
	if (was != NOTE_NEW)
		flo__ready((struct flo__g *)was);
}

static bool note_commit(struct flo__g *g, void *arg)
{
	flo_note *note = arg;
	uintptr_t new = NOTE_NEW;

	/* release: our parked state; acquire: what the waker did */
	return atomic_compare_exchange_strong_explicit(&note->state, &new,
						       (uintptr_t)g,
						       memory_order_acq_rel,
						       memory_order_acquire);
}

void flo_note_wait(flo_note *note)
{
	REQUIRE_RULE(note->rt == flo_runtime_current(),
		     "the note is of another runtime");
	if (atomic_load_explicit(&note->state, memory_order_acquire) ==
	    NOTE_WOKEN) {
		FLO__TSAN_ACQUIRE(note);
		return;
	}
	flo__park(note_commit, note, "note", true);
	FLO__TSAN_ACQUIRE(note);
	ENSURE(atomic_load_explicit(&note->state, memory_order_acquire) ==
	       NOTE_WOKEN);
}

bool flo__shot_fire(struct flo__shot *shot, uint32_t cause)
{
	uint32_t was = FLO__SHOT_NEW;

	for (;;) {
		if (was >= FLO__SHOT_FIRED)
			return false;
		/* acquire: the parked coroutine; release: what we did */
		if (atomic_compare_exchange_weak_explicit(&shot->state, &was,
							  cause,
							  memory_order_acq_rel,
							  memory_order_acquire))
			break;
	}
	if (was == FLO__SHOT_PARKED)
		flo__ready(shot->g);
	return true;
}

bool flo__shot_commit(struct flo__g *g, void *arg)
{
	struct flo__shot *shot = arg;
	uint32_t was = FLO__SHOT_NEW;

	INSIST(shot->g == g);
	return atomic_compare_exchange_strong_explicit(&shot->state, &was,
						       FLO__SHOT_PARKED,
						       memory_order_acq_rel,
						       memory_order_acquire);
}

static void sleep_over(struct flo__timer *timer)
{
	struct flo__shot *shot =
		(struct flo__shot *)((char *)timer -
				     offsetof(struct flo__shot, timer));

	flo__shot_fire(shot, FLO__SHOT_TIME);
}

static void sleep_cancelled(struct flo__context_watch *watch)
{
	struct flo__shot *shot =
		(struct flo__shot *)((char *)watch -
				     offsetof(struct flo__shot, watch));

	flo__shot_fire(shot, FLO__SHOT_CONTEXT);
}

flo_status flo_sleep(flo_context *context, uint64_t ns)
{
	struct flo__shot shot = {.g = flo__g_current()};
	uint64_t now = flo_now();
	flo_runtime *rt;
	flo_status status;

	REQUIRE_RULE(shot.g != NULL, "only a coroutine can sleep");
	flo__sched_point();
	rt = flo__g_runtime(shot.g);
	shot.watch.fn = sleep_cancelled;
	if (context != NULL && !flo__context_watch_add(context, &shot.watch))
		return flo_context_status(context);
	status = flo__timer_start(rt, &shot.timer,
				  ns < FLO__NEVER - now ? now + ns
							: FLO__NEVER - 1,
				  sleep_over);
	if (status == FLO_OK) {
		flo__park(flo__shot_commit, &shot, "sleep", false);
		flo__timer_stop(rt, &shot.timer);
	}
	if (context != NULL)
		flo__context_watch_del(context, &shot.watch);
	if (status != FLO_OK)
		return status;
	return atomic_load_explicit(&shot.state, memory_order_acquire) ==
			       FLO__SHOT_TIME
		       ? FLO_OK
		       : flo_context_status(context);
}
