/*
 * The context switch: one coroutine leaves its stack, another gets its own.
 *
 * Three implementations, one contract: switch_x86_64.S, switch_aarch64.S and
 * switch_ucontext.c (meson's option "switch" chooses). Kept over a switch are
 * the callee-saved registers and the floating point control words, no signal
 * mask.
 *
 * The running M travels through the switch in a register, because whoever
 * comes back may be on another thread, where a thread-local that the compiler
 * has cached would still name the old one.
 */
#ifndef FLO_ENGINE_SCHED_SWITCH_P_H
#define FLO_ENGINE_SCHED_SWITCH_P_H

struct flo__m;

#if defined(__has_attribute)
#if __has_attribute(indirect_return)
#define FLO__INDIRECT_RETURN __attribute__((indirect_return))
#endif
#endif
#ifndef FLO__INDIRECT_RETURN
#define FLO__INDIRECT_RETURN
#endif

/*
 * Save the caller's state, store its stack pointer to *@save, go on at @to.
 * Returns, when someone switches back here, the @m that one passed. Whoever
 * publishes *@save to another thread does so with a release, from the stack
 * that was switched to.
 */
struct flo__m *flo__switch(void **save, void *to,
			   struct flo__m *m) FLO__INDIRECT_RETURN;

/*
 * Lay out a new stack that ends below @top (16-byte aligned) so that the first
 * switch to the result calls @entry(m). @entry must not return.
 */
void *flo__switch_prepare(void *top, void (*entry)(struct flo__m *m));

/* "x86_64", "aarch64" or "ucontext". */
extern const char flo__switch_name[];

#endif
