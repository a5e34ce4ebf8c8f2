/*
 * Walking the stack of a coroutine that faulted.
 *
 * By the unwinder of the compiler's runtime, whose tables describe every
 * instruction, the switch of coroutines included. With glibc since 2.35 and
 * gcc since 12 it takes no lock and no memory. The walk has to be complete,
 * not just a few frames long, for two questions: does anything on the stack
 * hold a lock of ours (sched/text_p.h), and how much of it is still needed,
 * which after a stack overflow is where the coroutine can go on.
 */
#include "engine/fault_p.h"

#include "engine/sched/text_p.h"

#include <unwind.h>

/* A loop in the tables, or a stack that was written over, must end. */
#define FRAMES_MAX 100000u

struct state {
	struct flo__walk *walk;
	unsigned frames;
};

static bool is_own(uintptr_t pc)
{
	const struct flo__text *text;

	for (text = __start_flo_own_text; text < __stop_flo_own_text; text++) {
		if (pc >= text->begin && pc < text->end)
			return true;
	}
	return false;
}

/* The instruction of a frame: of callers it is the call, not what follows.
 * @ret_exact: a signal came in there. */
static uintptr_t pc_of(struct _Unwind_Context *context, int *ret_exact)
{
	uintptr_t pc = _Unwind_GetIPInfo(context, ret_exact);

	return *ret_exact || pc == 0 ? pc : pc - 1;
}

/*
 * For each frame: `here` is where it begins, its lowest address. So the frame
 * before it went from walk->last to `here`.
 */
static _Unwind_Reason_Code visit(struct _Unwind_Context *context, void *arg)
{
	struct state *state = arg;
	struct flo__walk *walk = state->walk;
	uintptr_t here = _Unwind_GetCFA(context);
	uintptr_t pc;
	int exact = 0;

	if (state->frames++ == FRAMES_MAX)
		return _URC_END_OF_STACK;
	/* The handler's own frames are on another stack. */
	if (here < walk->low || here > walk->high)
		return walk->last == 0 ? _URC_NO_REASON : _URC_END_OF_STACK;
	if (here < walk->last)
		return _URC_END_OF_STACK;
	if (walk->last != 0 && walk->room == 0 && here > walk->keep)
		walk->room = walk->last;
	if (here > walk->end) {
		walk->complete = true;
		return _URC_END_OF_STACK;
	}
	pc = pc_of(context, &exact);
	if (walk->frames_len < FLO_PANIC_FRAMES_MAX && pc != 0)
		walk->frames[walk->frames_len++] = (void *)pc;
	/* The handler of another signal is not the coroutine's own code. */
	walk->own |= is_own(pc) || (exact && walk->last != 0);
	walk->last = here;
	return _URC_NO_REASON;
}

void flo__walk(struct flo__walk *walk)
{
	struct state state = {.walk = walk};

	walk->room = 0;
	walk->own = walk->complete = false;
	walk->frames_len = 0;
	walk->last = 0;
	_Unwind_Backtrace(visit, &state);
}
