#include "fault_kinds.h"

#include "base/contract.h"

#include <alloca.h>
#include <assert.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/*
 * Faults are to reach the processor, not a sanitizer's check before them. Nor
 * may they happen within a sanitizer: clang's tells ThreadSanitizer of every
 * entry of a function even where no_sanitize() spares its memory accesses, and
 * a stack that overflows there leaves the tool's own lists half written.
 */
#if __has_attribute(disable_sanitizer_instrumentation)
#define UNTOLD __attribute__((disable_sanitizer_instrumentation))
#else
#define UNTOLD
#endif
#define RAW                                                                    \
	UNTOLD __attribute__((noinline, no_sanitize("undefined"),              \
			      no_sanitize("address"), no_sanitize("thread")))

/* Compilers must not see what these are. */
static int *volatile null;
static int *volatile wild = (int *)(uintptr_t)0x5afe000dead0;
static int *volatile beyond = (int *)(uintptr_t)0xbad0000000000000;
static void (*volatile null_function)(void);
static void (*volatile give_back)(void *) = free;
static volatile int zero, one = 1;

pthread_mutex_t fault_mutex = PTHREAD_MUTEX_INITIALIZER;
FILE *fault_file;

/* --- plain faults -------------------------------------------------------- */

static RAW void read_null(void *arg)
{
	(void)arg;
	one = *(volatile int *)null + 1;
}

static RAW void read_wild(void *arg)
{
	(void)arg;
	one = *(volatile int *)wild + 1;
}

/* No such address can be: the processor does not say which it was. */
static RAW void read_beyond(void *arg)
{
	(void)arg;
	one = *(volatile int *)beyond + 1;
}

static RAW void write_wild(void *arg)
{
	(void)arg;
	*(volatile int *)wild = 1;
}

static RAW void call_null(void *arg)
{
	(void)arg;
	null_function();
	one = 1;
}

static RAW void divide_by_zero(void *arg)
{
	(void)arg;
#if defined(__x86_64__)
	one = one / zero;
#else
	raise(SIGFPE);
#endif
}

static RAW void illegal_instruction(void *arg)
{
	(void)arg;
#if defined(__x86_64__)
	__asm__ volatile("ud2");
#elif defined(__aarch64__)
	__asm__ volatile(".inst 0");
#endif
}

static void call_abort(void *arg)
{
	(void)arg;
	abort();
}

static void fail_assert(void *arg)
{
	(void)arg;
	assert(one + one == 3);
}

static void break_contract(void *arg)
{
	(void)arg;
	REQUIRE(one + one == 3);
}

/* --- stack overflows ----------------------------------------------------- */

static RAW int recurse(int n)
{
	volatile char frame[200];

	/* not memset(): a sanitizer's may be the one that overflows */
	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (char)n;
	if (one == 0)
		return 0;
	return recurse(n + 1) + frame[0];
}

static void recurse_for_ever(void *arg)
{
	(void)arg;
	one = recurse(0) | 1;
}

static RAW void fill(volatile char *area, size_t size)
{
	for (size_t i = size; i > 0; i--)
		area[i - 1] = 1;
}

/* Below any stack that there is: the guard must not be jumped over. */
static RAW void alloca_too_much(void *arg)
{
	size_t size = (size_t)one * 64 * 1024 * 1024;

	(void)arg;
	fill(alloca(size), size);
}

/* --- the heap ------------------------------------------------------------ */

static void free_twice(void *arg)
{
	void *p = malloc(24);

	(void)arg;
	give_back(p);
	give_back(p);
}

/* A wild pointer in a free chunk, which malloc follows with its lock held. */
static RAW void fault_in_malloc(void *arg)
{
	void **p = malloc(2000);
	void *volatile border = malloc(2000), *volatile got;

	(void)arg;
	give_back(p);
	*(void *volatile *)&p[1] = (void *)(uintptr_t)wild;
	got = malloc(3000);
	give_back(got);
	give_back(border);
}

/* --- with a lock held ---------------------------------------------------- */

static void fault_with_file(void *arg)
{
	if (fault_file == NULL)
		fault_file = tmpfile();
	flockfile(fault_file);
	read_null(arg);
	funlockfile(fault_file);
}

static void fault_with_mutex(void *arg)
{
	pthread_mutex_lock(&fault_mutex);
	read_null(arg);
	pthread_mutex_unlock(&fault_mutex);
}

/* --- what no handler sees ------------------------------------------------ */

static struct {
	int mine[4];
	int theirs;
} volatile victim;

static RAW void write_wild_unseen(void *arg)
{
	volatile int *p = victim.mine;
	int i = 3 + one;

	(void)arg;
	p[i] = 1;
}

bool fault_unseen_take(void)
{
	bool was = victim.theirs != 0;

	victim.theirs = 0;
	return was;
}

static void call_exit(void *arg)
{
	(void)arg;
	exit(3);
}

static void call_pthread_exit(void *arg)
{
	(void)arg;
	pthread_exit(NULL);
}

static atomic_bool stop; /* relaxed: nothing else is told by it */

static void loop_for_ever(void *arg)
{
	(void)arg;
	while (!atomic_load_explicit(&stop, memory_order_relaxed))
		;
}

void fault_endless_stop(void)
{
	atomic_store_explicit(&stop, true, memory_order_relaxed);
}

/* --- the table ----------------------------------------------------------- */

#define KIND(number, fn, contained, text, signal)                              \
	{                                                                      \
		number, #fn, fn, contained, text, signal, -1,                  \
			FAULT_NEEDS_NOTHING                                    \
	}
#define PLAIN(number, fn, contained, text, signal, code)                       \
	{                                                                      \
		number, #fn, fn, contained, text, signal, code,                \
			FAULT_NEEDS_PLAIN                                      \
	}

const struct fault_kind fault_kinds[] = {
	KIND(1, read_null, FAULT_TAINTS, "SIGSEGV at address 0x0", SIGSEGV),
	KIND(2, read_wild, FAULT_TAINTS, "SIGSEGV at address 0x5afe000dead0",
	     SIGSEGV),
	KIND(2, read_beyond, FAULT_TAINTS, "SIGSEGV", SIGSEGV),
	KIND(3, write_wild, FAULT_TAINTS, "SIGSEGV at address 0x5afe000dead0",
	     SIGSEGV),
	KIND(4, call_null, FAULT_TAINTS, "SIGSEGV at address 0x0", SIGSEGV),
	KIND(5, divide_by_zero, FAULT_TAINTS, "SIGFPE", SIGFPE),
	KIND(6, illegal_instruction, FAULT_TAINTS, "SIGILL", SIGILL),
	KIND(7, call_abort, FAULT_TAINTS, "SIGABRT", SIGABRT),
	KIND(8, fail_assert, FAULT_TAINTS, "SIGABRT", SIGABRT),
	KIND(8, break_contract, FAULT_PANICS, "broken contract", SIGABRT),
	KIND(9, recurse_for_ever, FAULT_TAINTS, "stack overflow", SIGSEGV),
	KIND(9, alloca_too_much, FAULT_TAINTS, "stack overflow", SIGSEGV),
	PLAIN(10, free_twice, FAULT_TAINTS, "SIGABRT", SIGABRT, -1),
	PLAIN(11, fault_in_malloc, FAULT_LOCKS, "SIGSEGV", SIGSEGV, -1),
	KIND(11, fault_with_file, FAULT_LOCKS, "SIGSEGV", SIGSEGV),
	KIND(11, fault_with_mutex, FAULT_LOCKS, "SIGSEGV", SIGSEGV),
	KIND(12, write_wild_unseen, FAULT_UNSEEN, NULL, 0),
	PLAIN(13, call_exit, FAULT_EXITS, "exit(3)", 0, 3),
	PLAIN(13, call_pthread_exit, FAULT_EXITS, "pthread_exit()", SIGABRT,
	      -1),
	KIND(14, loop_for_ever, FAULT_ENDLESS, NULL, 0),
};

const size_t fault_kinds_len = sizeof(fault_kinds) / sizeof(fault_kinds[0]);

const struct fault_kind *fault_kind_find(const char *name)
{
	for (size_t i = 0; i < fault_kinds_len; i++) {
		if (strcmp(fault_kinds[i].name, name) == 0)
			return &fault_kinds[i];
	}
	return NULL;
}

bool fault_kind_works(const struct fault_kind *kind)
{
	return kind->needs == FAULT_NEEDS_NOTHING || !SANITIZED;
}
