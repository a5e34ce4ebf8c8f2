/* What AddressSanitizer must see in coroutines, and must not. */
#include "hooks.h"

#include <flo/panic.h>
#include <flo/sync.h>

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define MANY 200

/* ---- objects of a coroutine's stack, after it has switched ---- */

static void after_scope(void *arg)
{
	volatile int *p = NULL;

	(void)arg;
	{
		int inner = 1;

		p = hook_hide(&inner);
		flo_yield();
		*p += 1;
	}
	flo_yield();
	*p += 1;
}

static void in_scope(void *arg)
{
	int outer = 1;
	volatile int *p = hook_hide(&outer);

	(void)arg;
	flo_yield();
	*p += 1;
	flo_yield();
	*p += 1;
}

static __attribute__((noinline)) volatile int *address_of_local(void)
{
	int local = 1;

	flo_yield();
	return hook_hide(&local);
}

static void after_return(void *arg)
{
	volatile int *p = address_of_local();

	(void)arg;
	flo_yield();
	*p += 1;
}

static __attribute__((noinline)) void set(volatile int *p)
{
	int local = 1;

	flo_yield();
	*p = *(volatile int *)hook_hide(&local);
}

static void before_return(void *arg)
{
	volatile int out = 0;

	(void)arg;
	set(&out);
	flo_yield();
	hook_need(out == 1, "see what was set");
}

static void write_bytes(size_t n)
{
	char bytes[16];
	volatile char *p = hook_hide(bytes);

	flo_yield();
	for (size_t i = 0; i < n; i++)
		p[i] = 1;
}

static void overflow(void *arg)
{
	(void)arg;
	write_bytes(17);
}

static void no_overflow(void *arg)
{
	(void)arg;
	write_bytes(16);
}

/* ---- memory that another coroutine frees ---- */

struct shared {
	flo_waitgroup done;
	char *bytes;
	int early; /* free before it is used */
};

static void free_shared(void *arg)
{
	struct shared *s = arg;

	free(s->bytes);
	flo_waitgroup_done(&s->done);
}

static void share(int early)
{
	struct shared s = {.bytes = malloc(16), .early = early};

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

/* ---- the stack of a coroutine that has ended ---- */

struct shown {
	flo_waitgroup done;
	volatile int *local;
	int value;
};

static void show_local(void *arg)
{
	struct shown *shown = arg;
	/* Not a local: those lie elsewhere while use after return is sought. */
	volatile int *bytes = hook_hide(__builtin_alloca(64));

	bytes[0] = 5;
	shown->local = bytes;
	shown->value = bytes[0];
	flo_waitgroup_done(&shown->done);
}

static void look_at_ended(int dangling)
{
	struct shown shown = {.value = 0};
	volatile int got;

	flo_waitgroup_add(&shown.done, 1);
	hook_go(show_local, &shown);
	flo_waitgroup_wait(&shown.done, NULL);
	/* It is past its last call: on one P it has ended after a yield. */
	for (int i = 0; i < 3; i++)
		flo_yield();
	got = dangling ? *shown.local : shown.value;
	hook_need(got == 5, "see the value");
}

static void use_ended(void *arg)
{
	(void)arg;
	look_at_ended(1);
}

static void use_copy(void *arg)
{
	(void)arg;
	look_at_ended(0);
}

/* ---- stacks that are left in the middle, and used again ---- */

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

	memset(hook_hide(frame), n, sizeof(frame));
	if (n % 16 == 0)
		flo_yield();
	if (n == 0) {
		bottom();
		return 0;
	}
	return deep(n - 1) + frame[n % 512];
}

static void dive(void *arg)
{
	(void)arg;
	deep(20);
}

/* Frames of @dive that never returned lie below us, and we go there again. */
static void panic_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < 20; i++)
		hook_need(flo_try(dive, NULL, NULL) == FLO_PANIC, "panic");
	atomic_fetch_sub(&left, 1);
}

static void reuse_after_panics(void *arg)
{
	(void)arg;
	for (int round = 0; round < 5; round++) {
		atomic_store(&left, MANY);
		for (int i = 0; i < MANY; i++)
			hook_go(panic_often, NULL);
		while (atomic_load(&left) > 0)
			flo_yield();
	}
}

static void yield_deep(void *arg)
{
	char bytes[2000];

	memset(hook_hide(bytes), 1, sizeof(bytes));
	for (int i = 0; i < 100; i++)
		flo_yield();
	hook_need(bytes[(size_t)arg % sizeof(bytes)] == 1, "keep the bytes");
	atomic_fetch_sub(&left, 1);
}

static void switch_often(void *arg)
{
	(void)arg;
	atomic_store(&left, MANY);
	for (int i = 0; i < MANY; i++)
		hook_go(yield_deep, (void *)(size_t)i);
	while (atomic_load(&left) > 0)
		flo_yield();
}

const struct hook hooks[] = {
	{"use-after-scope", "stack-use-after-scope", after_scope, in_scope, 1},
	{"use-after-return", "stack-use-after-return", after_return,
	 before_return, 1},
	{"overflow", "stack-buffer-overflow", overflow, no_overflow, 1},
	{"use-after-free", "heap-use-after-free", use_freed, use_then_free, 2},
	{"use-of-ended-stack", "use-after-poison", use_ended, use_copy, 1},
	{"panics-and-reuse", NULL, NULL, reuse_after_panics, 4},
	{"many-switches", NULL, NULL, switch_often, 4},
	{0},
};
