/* Stack overflows: contained where there is room, told where there is none. */
#include "fault_child.h"
#include "fault_kinds.h"

#include <flo/fault.h>
#include <flo/panic.h>

#include "engine/sched/sched_p.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct trail {
	char text[32];
	struct flo_defer_node node;
};

static void nothing(void *arg)
{
	(void)arg;
}

static void recurse_for_ever(void *arg)
{
	fault_kind_find("recurse_for_ever")->commit(arg);
}

static atomic_int intact;

static void check_intact(void *arg)
{
	struct trail *trail = arg;

	flo_yield();
	atomic_fetch_add(&intact, strcmp(trail->text, "as it was") == 0);
}

/* The clean-ups and what they need lie on the stack that overflows. */
static __attribute__((noinline)) void overflow_below_a_node(void *arg)
{
	struct trail here = {.text = "as it was"};
	struct flo_defer_node node;
	char pad[2000];

	memset(pad, 1, sizeof(pad));
	flo_defer(&node, check_intact, &here);
	flo_defer(&here.node, check_intact, &here);
	recurse_for_ever(pad);
	*(int *)arg = pad[0];
}

/* How much of the stack is left to who registers the last clean-up: too little
 * to land in, and enough for the library not to be what overflows. */
#define LEFT ((size_t)8 * 1024)

/* Registers clean-ups until the stack is nearly used up, then uses it up. */
static __attribute__((noinline)) int recurse_and_defer(uintptr_t floor)
{
	struct flo_defer_node node;
	volatile char frame[300];

	memset((char *)frame, 1, sizeof(frame));
	flo_defer(&node, nothing, NULL);
	if ((uintptr_t)frame > floor + LEFT)
		return recurse_and_defer(floor) + frame[1];
	recurse_for_ever(NULL);
	return frame[0];
}

static void recurse_with_nodes(void *arg)
{
	struct flo__g_stack stack;

	(void)arg;
	EXPECT(flo__g_stack(&stack));
	recurse_and_defer(stack.low + stack.guard);
}

static void overflow(void *arg)
{
	flo_error err = FLO_ERROR_INIT;
	flo_panic_info info = {.what = NULL};
	int n = 0;

	(void)arg;
	for (int i = 0; i < 20; i++)
		EXPECT(flo_try(recurse_for_ever, NULL, NULL) == FLO_PANIC);
	EXPECT(flo_fault_tainted() == 20);
	EXPECT(flo_try_info(overflow_below_a_node, &n, &err, &info) ==
	       FLO_PANIC);
	EXPECT(atomic_load(&intact) == 2);
	EXPECT(info.stack_overflow && info.signal == SIGSEGV);
	EXPECT(info.frames_len == FLO_PANIC_FRAMES_MAX);
	EXPECT(strncmp(err.text, "stack overflow (", 16) == 0);
	EXPECT(err.code == SIGSEGV);
}

static int overflow_child(const void *arg)
{
	(void)arg;
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(1, overflow, NULL);
	return 0;
}

static void an_overflow_keeps_what_clean_ups_need(void **state)
{
	struct child_end end = child_run(overflow_child, NULL);

	(void)state;
	child_check(&end, "overflow", 0, 0);
}

static void overflow_full(void *arg)
{
	(void)arg;
	flo_try(recurse_with_nodes, NULL, NULL);
}

static int overflow_full_child(const void *arg)
{
	(void)arg;
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	child_coro(1, overflow_full, NULL);
	return 0;
}

static int overflow_outside_child(const void *arg)
{
	flo_runtime *rt;

	(void)arg;
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	EXPECT(flo_runtime_new(NULL, NULL, &rt) == FLO_OK);
	EXPECT(flo_go_with(rt, recurse_for_ever, NULL, 0, "digger") == FLO_OK);
	flo_runtime_free(rt);
	return 0;
}

static void an_overflow_that_is_not_contained_is_told(void **state)
{
	struct child_end end = child_run(overflow_full_child, NULL);

	(void)state;
	child_check(&end, "no room", SIGSEGV, 0);
	assert_non_null(strstr(end.said, "overflowed its stack of "));
	end = child_run(overflow_outside_child, NULL);
	child_check(&end, "outside flo_try()", SIGSEGV, 0);
	assert_non_null(
		strstr(end.said, "coroutine digger overflowed its stack of "));
}

/* --- where the kernel guards no stacks ----------------------------------- */

/* As on a kernel without MADV_GUARD_INSTALL and with no mappings left. */
static void refuse_guards(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_madvise, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 102, 4, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mprotect, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, args[2])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PROT_NONE, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	EXPECT(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	EXPECT(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

/* Down to below @low, and back; AddressSanitizer would see the neighbour. */
static __attribute__((noinline, no_sanitize("address"))) int
recurse_to(uintptr_t low)
{
	volatile char frame[200];

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = 1;
	if ((uintptr_t)frame < low)
		return frame[0];
	return recurse_to(low) + frame[1];
}

static void overflow_and_park(void *arg)
{
	struct flo__g_stack stack;

	(void)arg;
	EXPECT(flo__g_stack(&stack) && stack.guard == 0);
	EXPECT(recurse_to(stack.low) > 0);
	flo_sleep(NULL, 1);
	EXPECT(!"an overflow was not seen");
}

static void try_to_overflow(void *arg)
{
	flo_try(overflow_and_park, arg, NULL);
}

/* Has the stack below, the first there is: beneath that is nothing. So the
 * other one is started when this one has it. */
static void sleep_below(void *arg)
{
	EXPECT(flo_go_with(NULL, try_to_overflow, arg, 0, "digger") == FLO_OK);
	flo_sleep(NULL, UINT64_C(3600) * 1000000000);
}

static int unguarded_child(const void *arg)
{
	struct flo_runtime_options options = {.procs = 1};
	flo_runtime *rt;

	(void)arg;
	refuse_guards();
	EXPECT(flo_fault_contain(NULL, NULL) == FLO_OK);
	EXPECT(flo_runtime_new(&options, NULL, &rt) == FLO_OK);
	EXPECT(flo_go(rt, sleep_below, NULL) == FLO_OK);
	flo_runtime_free(rt);
	return 0;
}

static void without_guards_an_overflow_ends_the_process(void **state)
{
	struct child_end end = child_run(unguarded_child, NULL);

	(void)state;
	child_check(&end, "no guard", SIGABRT, 0);
	assert_non_null(
		strstr(end.said, "coroutine digger overflowed its stack of "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_overflow_keeps_what_clean_ups_need),
		cmocka_unit_test(an_overflow_that_is_not_contained_is_told),
		cmocka_unit_test(without_guards_an_overflow_ends_the_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
