/*
 * What panics and faults share: the frame of a flo_try(), and the way of a
 * fault from the signal handler to it.
 *
 *	panic.c	     flo_try(), flo_panic(), clean-ups
 *	fault.c	     handlers: whose fault it is, and how the coroutine goes on
 *	fault_walk.c what stands on the stack of one that faulted
 *	fault_text.c the words for it
 */
#ifndef FLO_ENGINE_FAULT_P_H
#define FLO_ENGINE_FAULT_P_H

#include <flo/panic.h>

#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One flo_try(). Lies on the stack of its coroutine, which alone uses it. */
struct flo__try {
	struct flo__try *outer;
	struct flo_defer_node *defers; /* last registered first */
	flo_error *err;		       /* borrowed; may be NULL */
	flo_panic_info *info;	       /* borrowed; may be NULL */
	unsigned blocking;	       /* regions that it lies in itself */
	bool told;		       /* @info says what the first panic was */
	bool faulty; /* a fault is between the handler and the clean-ups */
	jmp_buf back;
};

/* What a handler has seen. It is carried over on the coroutine's own stack. */
struct flo__fault {
	int signal, code;
	bool has_address, overflow;
	uintptr_t address; /* that faulted; of the instruction if it did */
	size_t stack_size;
	size_t frames_len;
	void *frames[FLO_PANIC_FRAMES_MAX]; /* innermost first */
};

/* ---- panic.c ---- */

/* The caller's innermost flo_try(), or NULL, as while the scheduler finishes
 * another coroutine's departure. Async-signal-safe. */
struct flo__try *flo__try_current(void);
/*
 * Say why @t fails, unless it has failed already. @fault may be NULL; then the
 * stack is walked from outside the frame @from.
 */
void flo__try_fail(struct flo__try *t, const struct flo__fault *fault,
		   const void *from, const char *format, ...) FLO_PRINTF(4, 5);
/* Leave regions, run the clean-ups, land in flo_try(). */
void flo__try_unwind(struct flo__try *t) FLO_NORETURN;

/* ---- fault_walk.c ---- */

/* A stack that is walked, and what is asked about it. */
struct flo__walk {
	/* in */
	uintptr_t low, high; /* of the stack */
	uintptr_t end;	     /* the walk is done above this: the flo_try() */
	uintptr_t keep;	     /* the lowest address that is still needed */
	/* out */
	uintptr_t room; /* below this nothing is needed; 0: not known */
	bool own;	/* code that may hold a lock of ours is on it, or a
			   signal's handler */
	bool complete;	/* it came to the end */
	size_t frames_len;
	void *frames[FLO_PANIC_FRAMES_MAX];
	/* the walk's own */
	uintptr_t last; /* where the frame before ended, 0 at first */
};

/* From the caller outwards, through a handler's frame. Async-signal-safe. */
void flo__walk(struct flo__walk *walk);

/* ---- fault_text.c ---- */

/* "SIGSEGV at address 0x10 in foo (lib.so+0x123)" */
void flo__fault_text(const struct flo__fault *fault, char *text, size_t size);

#endif
