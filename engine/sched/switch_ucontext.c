/*
 * The switch for every other machine: POSIX ucontext. It saves the signal mask
 * too, by a system call each time, which makes it some fifty times slower.
 */
#include "engine/sched/switch_p.h"

#include "base/contract.h"

#include <stdint.h>
#include <string.h>
#include <ucontext.h>

const char flo__switch_name[] = "ucontext";

/* A suspended stack; lies on that stack. */
struct frame {
	ucontext_t context;
	struct flo__m *m; /* what the one who switches here passes */
	void (*entry)(struct flo__m *m);
};

struct flo__m *flo__switch(void **save, void *to, struct flo__m *m)
{
	struct frame self;
	struct frame *next = to;

	*save = &self;
	next->m = m;
	if (swapcontext(&self.context, &next->context) != 0)
		INSIST(!"swapcontext");
	return self.m;
}

static void start(unsigned high, unsigned low)
{
	struct frame *frame =
		(struct frame *)((uintptr_t)(((uint64_t)high << 32) | low));

	frame->entry(frame->m);
	INSIST(!"a coroutine's entry returned");
}

void *flo__switch_prepare(void *top, void (*entry)(struct flo__m *m))
{
	struct frame *frame = (struct frame *)top - 1;
	uint64_t address;

	frame = (struct frame *)((uintptr_t)frame & ~(uintptr_t)63);
	address = (uint64_t)(uintptr_t)frame;
	memset(frame, 0, sizeof(*frame));
	if (getcontext(&frame->context) != 0)
		INSIST(!"getcontext");
	frame->entry = entry;
	/* makecontext() only needs to know where the stack ends. */
	frame->context.uc_stack.ss_sp = (char *)frame - 8192;
	frame->context.uc_stack.ss_size = 8192;
	frame->context.uc_link = NULL;
	makecontext(&frame->context, (void (*)(void))(uintptr_t)start, 2,
		    (unsigned)(address >> 32), (unsigned)address);
	return frame;
}
