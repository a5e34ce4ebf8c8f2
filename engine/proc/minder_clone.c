/*
 * Note: why in assembly
 *
 * A process can be born in a cgroup (clone3() with CLONE_INTO_CGROUP, Linux
 * 5.7), or move there by writing itself into cgroup.procs. The move stops every
 * fork, exec and exit of the machine for some milliseconds, which is more than
 * a short program takes. But libc's clone() has no word for the first.
 *
 * The child shares our memory, so it must not use our stack: it would return
 * through it before we do. The kernel gives it another, with nothing on it to
 * return to; so between the system call and the call of @fn only registers may
 * be used, which C cannot promise.
 */
#include "engine/proc/minder_clone.h"

#include "engine/proc/minder_p.h"

#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <sys/syscall.h>

#ifdef __has_feature
#define FLO__HAS_ASAN __has_feature(address_sanitizer)
#else
#define FLO__HAS_ASAN 0
#endif
#if defined(__SANITIZE_ADDRESS__) || FLO__HAS_ASAN
#include <sanitizer/asan_interface.h>
#endif

#if FLO__MINDER_CLONES_INTO_CGROUP

/* For a path in PATH and little else. One child at a time is on it. */
static _Alignas(16) char stack[128 * 1024];

/* Who became a program left the marks of its frames behind, in our memory. */
static void stack_forget(void)
{
#if defined(__SANITIZE_ADDRESS__) || FLO__HAS_ASAN
	__asan_unpoison_memory_region(stack, sizeof(stack));
#endif
}

static long clone3(struct clone_args *args, void (*fn)(void *arg), void *arg)
{
	register void (*entry)(void *) __asm__("r12") = fn;
	register void *entry_arg __asm__("r13") = arg;
	long pid = SYS_clone3;

	__asm__ volatile("syscall\n\t"
			 "test %%rax, %%rax\n\t"
			 "jnz 1f\n\t"
			 "xor %%ebp, %%ebp\n\t" /* here a backtrace ends */
			 "mov %%r13, %%rdi\n\t"
			 "call *%%r12\n\t"
			 "ud2\n"
			 "1:"
			 : "+a"(pid)
			 : "D"(args), "S"(sizeof(*args)), "r"(entry),
			   "r"(entry_arg)
			 : "rcx", "r11", "memory", "cc");
	return pid;
}

pid_t minder_clone(int cgroup, void (*fn)(void *arg), void *arg)
{
	struct clone_args args = {
		.flags = CLONE_VM | CLONE_VFORK | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.stack = (uintptr_t)stack,
		.stack_size = sizeof(stack),
		.cgroup = (uint64_t)cgroup,
	};
	long pid;

	stack_forget();
	pid = clone3(&args, fn, arg);
	if (pid < 0)
		errno = (int)-pid;
	return pid < 0 ? -1 : (pid_t)pid;
}

#else

pid_t minder_clone(int cgroup, void (*fn)(void *arg), void *arg)
{
	(void)cgroup;
	(void)fn;
	(void)arg;
	errno = ENOSYS;
	return -1;
}

#endif
