/*
 * For tests of what runs in coroutines: EXPECT() may be used on any thread and
 * is judged on the test's own, after the runtime has ended (an assertion of
 * cmocka's that fails elsewhere ends the program without a word).
 */
#ifndef FLO_TESTS_UNIT_CORO_H
#define FLO_TESTS_UNIT_CORO_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/panic.h>
#include <flo/runtime.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static atomic_int coro_failures;

#define EXPECT(cond) coro_expect((cond), #cond, __FILE__, __LINE__)

static inline void coro_expect(bool holds, const char *rule, const char *file,
			       int line)
{
	if (holds)
		return;
	if (atomic_fetch_add(&coro_failures, 1) < 10)
		fprintf(stderr, "%s:%d: expected: %s\n", file, line, rule);
}

static inline void coro_run(const struct flo_runtime_options *options,
			    flo_fn fn, void *arg)
{
	flo_runtime *rt;

	atomic_store(&coro_failures, 0);
	assert_int_equal(flo_runtime_new(options, NULL, &rt), FLO_OK);
	assert_int_equal(flo_runtime_run(rt, fn, arg), FLO_OK);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&coro_failures), 0);
}

/*
 * Run @fn(NULL) on one thread, on several, with every choice random, and with
 * every choice drawn from a seed.
 */
static inline void coro_run_all_ways(flo_fn fn)
{
	static const struct flo_runtime_options ways[] = {
		{.procs = 1},
		{.procs = 2},
		{.procs = 4},
		{.procs = 1, .shuffle_seed = 7},
		{.procs = 2, .shuffle_seed = 13},
		{.procs = 4, .shuffle_seed = 11},
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++)
		coro_run(&ways[i], fn, NULL);
	for (uint64_t seed = 1; seed <= 5; seed++)
		coro_run(
			&(struct flo_runtime_options){
				.drive = FLO_DRIVE_DETERMINISTIC, .seed = seed},
			fn, NULL);
}

/* Define the cmocka test NAME, which runs the coroutine NAME_body all ways. */
#define CORO_TEST(name)                                                        \
	static void name(void **state)                                         \
	{                                                                      \
		(void)state;                                                   \
		coro_run_all_ways(name##_body);                                \
	}                                                                      \
	_Static_assert(1, "")

/* Whether @fn(@arg) breaks a contract, with a message that says @rule. */
static inline bool coro_breaks(flo_fn fn, void *arg, const char *rule)
{
	flo_error err = FLO_ERROR_INIT;

	if (flo_try(fn, arg, &err) != FLO_PANIC)
		return false;
	if (strstr(err.text, rule) != NULL)
		return true;
	fprintf(stderr, "the message was: %s\n", err.text);
	return false;
}

static inline void coro_go(flo_fn fn, void *arg)
{
	EXPECT(flo_go(NULL, fn, arg) == FLO_OK);
}

/* Let others run until @cond; a hang is met by the test's own time limit. */
#define UNTIL(cond)                                                            \
	while (!(cond))                                                        \
	flo_yield()

/* How much a stress test does: sanitizers make everything ten times slower. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CORO_STRESS(n) ((n) / 10)
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define CORO_STRESS(n) ((n) / 10)
#endif
#endif
#ifndef CORO_STRESS
#define CORO_STRESS(n) (n)
#endif

#endif
