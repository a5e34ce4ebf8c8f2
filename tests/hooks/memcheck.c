/* What Valgrind's memcheck must see in coroutines, and must not. */
#include "hooks.h"

#include <flo/panic.h>
#include <flo/sync.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- values that were never set ---- */

static __attribute__((noinline)) int branch(volatile int *p)
{
	if (*p > 7)
		return 1;
	return 2;
}

static __attribute__((noinline)) void read_local(int set)
{
	int locals[64];
	volatile int *p = hook_hide(locals);

	if (set)
		p[3] = 9;
	flo_yield();
	hook_need(branch(p + 3) > 0, "branch");
}

static void uninitialised(void *arg)
{
	(void)arg;
	read_local(0);
}

static void initialised(void *arg)
{
	(void)arg;
	read_local(1);
}

/* ---- below the stack pointer ---- */

static __attribute__((noinline)) volatile char *deep_local(void)
{
	char bytes[2048];
	volatile char *p = hook_hide(bytes);

	p[0] = 1;
	flo_yield();
	return p;
}

static void write_below(void *arg)
{
	volatile char *p = deep_local();

	(void)arg;
	p[8] = 1;
}

static void write_own(void *arg)
{
	char own[2048];
	volatile char *p = hook_hide(own);

	(void)arg;
	deep_local();
	p[8] = 1;
}

/* ---- memory that another coroutine freed ---- */

struct shared {
	flo_waitgroup done;
	char *bytes;
};

static void free_shared(void *arg)
{
	struct shared *s = arg;

	free(s->bytes);
	flo_waitgroup_done(&s->done);
}

static void share(int early)
{
	struct shared s = {.bytes = malloc(16)};

	hook_need(s.bytes != NULL, "malloc");
	flo_waitgroup_add(&s.done, 1);
	if (!early)
		((volatile char *)s.bytes)[3] = 1;
	hook_go(free_shared, &s);
	flo_waitgroup_wait(&s.done, NULL);
	if (early)
		((volatile char *)s.bytes)[3] = 1;
}

static void use_freed(void *arg)
{
	(void)arg;
	share(1);
}

static void use_then_free(void *arg)
{
	(void)arg;
	share(0);
}

/* ---- nothing to say of many coroutines, deep frames and panics ---- */

static atomic_int left;

static void panic(void)
{
	flo_panic("from the bottom");
}

/* The compiler does not see that it never returns. */
static void (*volatile bottom)(void) = panic;

static __attribute__((noinline)) int deep(int n)
{
	char frame[512];

	memset(hook_hide(frame), 1, sizeof(frame));
	if (n % 16 == 0)
		flo_yield();
	if (n == 0) {
		bottom();
		return 0;
	}
	return deep(n - 1) + frame[n];
}

static void dive(void *arg)
{
	(void)arg;
	deep(20);
}

static void panic_and_yield(void *arg)
{
	(void)arg;
	for (int i = 0; i < 3; i++) {
		hook_need(flo_try(dive, NULL, NULL) == FLO_PANIC, "panic");
		flo_yield();
	}
	atomic_fetch_sub(&left, 1);
}

static void many(void *arg)
{
	(void)arg;
	for (int round = 0; round < 3; round++) {
		atomic_store(&left, 300);
		for (int i = 0; i < 300; i++)
			hook_go(panic_and_yield, NULL);
		while (atomic_load(&left) > 0)
			flo_yield();
	}
	flo_sleep(NULL, 1000000);
}

const struct hook hooks[] = {
	{"uninitialised",
	 "Conditional jump or move depends on uninitialised value",
	 uninitialised, initialised, 1},
	{"below-the-stack-pointer", "Invalid write of size 1", write_below,
	 write_own, 1},
	{"use-after-free", "Invalid write of size 1", use_freed, use_then_free,
	 2},
	{"many", NULL, NULL, many, 2},
	{0},
};
