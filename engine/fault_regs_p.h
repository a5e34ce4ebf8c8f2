/*
 * The registers that a handler finds, by processor.
 */
#ifndef FLO_ENGINE_FAULT_REGS_P_H
#define FLO_ENGINE_FAULT_REGS_P_H

#include "engine/fault_p.h"

#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/*
 * pc, sp	as they were
 * return	to the caller of a function that has not begun
 * set		go on at @fn(@arg), on a stack that ends at @sp (aligned to 16)
 * is_raise	it stands behind tgkill(this process, this thread, @sig)
 */
#if defined(__x86_64__)

#define FLO__CONTAINS 1

static inline uintptr_t flo__reg_pc(const ucontext_t *uc)
{
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
}

static inline uintptr_t flo__reg_sp(const ucontext_t *uc)
{
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
}

static inline void flo__reg_return(ucontext_t *uc)
{
	uintptr_t *sp = (uintptr_t *)flo__reg_sp(uc);

	/* Within the call, where its function's tables still hold. */
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(*sp - 1);
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)(sp + 1);
}

static inline void flo__reg_set(ucontext_t *uc, void (*fn)(struct flo__fault *),
				void *arg, uintptr_t sp)
{
	uintptr_t *top = (uintptr_t *)sp - 1;

	*top = 0; /* as if it had been called by nobody */
	uc->uc_mcontext.gregs[REG_RSP] = (greg_t)top;
	uc->uc_mcontext.gregs[REG_RBP] = 0;
	uc->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)fn;
	uc->uc_mcontext.gregs[REG_RDI] = (greg_t)(uintptr_t)arg;
	uc->uc_mcontext.gregs[REG_EFL] &= ~(greg_t)0x400; /* direction */
	if (uc->uc_mcontext.fpregs != NULL) {
		/* Floating point faults that are still pending, and what the
		 * x87 unit was in the middle of. */
		uc->uc_mcontext.fpregs->mxcsr &= ~0x3fu;
		uc->uc_mcontext.fpregs->swd = 0;
		uc->uc_mcontext.fpregs->ftw = 0;
	}
}

static inline bool flo__reg_is_raise(const ucontext_t *uc, int sig)
{
	const greg_t *r = uc->uc_mcontext.gregs;
	const unsigned char *pc = (const unsigned char *)flo__reg_pc(uc);

	return pc[-2] == 0x0f && pc[-1] == 0x05 && r[REG_RAX] == 0 &&
	       r[REG_RDI] == getpid() && r[REG_RSI] == syscall(SYS_gettid) &&
	       r[REG_RDX] == sig;
}

#elif defined(__aarch64__)

#define FLO__CONTAINS 1

static inline uintptr_t flo__reg_pc(const ucontext_t *uc)
{
	return (uintptr_t)uc->uc_mcontext.pc;
}

static inline uintptr_t flo__reg_sp(const ucontext_t *uc)
{
	return (uintptr_t)uc->uc_mcontext.sp;
}

static inline void flo__reg_return(ucontext_t *uc)
{
	uc->uc_mcontext.pc = uc->uc_mcontext.regs[30] - 4;
}

static inline void flo__reg_set(ucontext_t *uc, void (*fn)(struct flo__fault *),
				void *arg, uintptr_t sp)
{
	uc->uc_mcontext.sp = sp;
	uc->uc_mcontext.pc = (uintptr_t)fn;
	uc->uc_mcontext.regs[0] = (uintptr_t)arg;
	uc->uc_mcontext.regs[29] = uc->uc_mcontext.regs[30] = 0;
}

static inline bool flo__reg_is_raise(const ucontext_t *uc, int sig)
{
	const uint32_t *pc = (const uint32_t *)flo__reg_pc(uc);

	return pc[-1] == 0xd4000001 && uc->uc_mcontext.regs[8] == SYS_tgkill &&
	       uc->uc_mcontext.regs[1] == (uint64_t)syscall(SYS_gettid) &&
	       uc->uc_mcontext.regs[2] == (uint64_t)sig;
}

#else

#define FLO__CONTAINS 0

static inline uintptr_t flo__reg_pc(const ucontext_t *uc)
{
	return (void)uc, 0;
}

static inline uintptr_t flo__reg_sp(const ucontext_t *uc)
{
	return (void)uc, 0;
}

static inline void flo__reg_return(ucontext_t *uc)
{
	(void)uc;
}

static inline void flo__reg_set(ucontext_t *uc, void (*fn)(struct flo__fault *),
				void *arg, uintptr_t sp)
{
	(void)uc, (void)fn, (void)arg, (void)sp;
}

static inline bool flo__reg_is_raise(const ucontext_t *uc, int sig)
{
	return (void)uc, (void)sig, false;
}

#endif

#endif
