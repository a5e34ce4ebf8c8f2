/*
 * What makes the engine explorable: forced (-include) into each of its files
 * in the interleaver's build, with nothing to write in the files themselves.
 *
 * Note: where another thread may come between
 *
 * Each atomic operation becomes a point: it tells the explorer the address and
 * whether it may write, and the explorer decides there who goes on. Code that
 * has no data races behaves, between two of its atomic operations, as if it
 * ran alone, so these are all the points there need be. Locks are made of
 * atomic operations and need none of their own.
 *
 * The compiler's builtins are shadowed, which stdatomic.h is made of, gcc's
 * and clang's. Refused: a macro by hand at each step. Somebody would forget
 * one, and the explorer would not know what is read and what is written; that
 * is what tells it which points matter and when a spinning thread can go on.
 *
 * The kernel's part of waiting (futexes, threads, the clock) is replaced by
 * the explorer's as well: threads are its own (explore.h).
 */
#ifndef TESTS_INTERLEAVE_POINT_H
#define TESTS_INTERLEAVE_POINT_H

/* Before the macros below, which would spoil the declarations. */
#include <dirent.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>
#include <unistd.h>

/* The calling thread is about to read, or also write, what is at @address. */
void explore_point(const volatile void *address, bool writes, const char *file,
		   int line);

/* The calling thread can go on only once another one has written. */
void explore_spin(const char *file, int line);

long explore_syscall(const char *file, int line, long number, ...);
int explore_thread_create(pthread_t *ret_thread, const pthread_attr_t *attr,
			  void *(*fn)(void *arg), void *arg);
int explore_thread_join(pthread_t thread, void **ret_value);
pthread_t explore_thread_self(void);
int explore_clock(clockid_t clock, struct timespec *ret_ts);
DIR *explore_opendir(const char *path);
struct dirent *explore_readdir(DIR *dir);
int explore_closedir(DIR *dir);

/* A step at @address is about to be made, which may also write if @writes. */
#define SCHED_POINT(address, writes)                                           \
	explore_point((address), (writes), __FILE__, __LINE__)

/* @v first: it may have points of its own, which come before this one. */
#define POINT_VALUE(p, v, operation)                                           \
	__extension__({                                                        \
		__auto_type point_v = (v);                                     \
		SCHED_POINT(p, true);                                          \
		operation;                                                     \
	})

/* gcc's; those that end in _n are used as they are, too */
#ifndef __clang__
#define __atomic_load(p, r, o)	(SCHED_POINT(p, false), __atomic_load(p, r, o))
#define __atomic_store(p, v, o) (SCHED_POINT(p, true), __atomic_store(p, v, o))
#define __atomic_exchange(p, v, r, o)                                          \
	(SCHED_POINT(p, true), __atomic_exchange(p, v, r, o))
#define __atomic_compare_exchange(p, e, v, w, s, f)                            \
	(SCHED_POINT(p, true), __atomic_compare_exchange(p, e, v, false, s, f))
#define __atomic_fetch_add(p, v, o)                                            \
	POINT_VALUE(p, v, __atomic_fetch_add(p, point_v, o))
#define __atomic_fetch_sub(p, v, o)                                            \
	POINT_VALUE(p, v, __atomic_fetch_sub(p, point_v, o))
#define __atomic_fetch_or(p, v, o)                                             \
	POINT_VALUE(p, v, __atomic_fetch_or(p, point_v, o))
#define __atomic_fetch_and(p, v, o)                                            \
	POINT_VALUE(p, v, __atomic_fetch_and(p, point_v, o))
#define __atomic_fetch_xor(p, v, o)                                            \
	POINT_VALUE(p, v, __atomic_fetch_xor(p, point_v, o))
#else
#define __c11_atomic_load(p, o) (SCHED_POINT(p, false), __c11_atomic_load(p, o))
#define __c11_atomic_store(p, v, o)                                            \
	POINT_VALUE(p, v, __c11_atomic_store(p, point_v, o))
#define __c11_atomic_exchange(p, v, o)                                         \
	POINT_VALUE(p, v, __c11_atomic_exchange(p, point_v, o))
/* Strong for weak: one that fails by chance would not be found again. */
#define __c11_atomic_compare_exchange_strong(p, e, v, s, f)                    \
	POINT_VALUE(p, v,                                                      \
		    __c11_atomic_compare_exchange_strong(p, e, point_v, s, f))
#define __c11_atomic_compare_exchange_weak(p, e, v, s, f)                      \
	__c11_atomic_compare_exchange_strong(p, e, v, s, f)
#define __c11_atomic_fetch_add(p, v, o)                                        \
	POINT_VALUE(p, v, __c11_atomic_fetch_add(p, point_v, o))
#define __c11_atomic_fetch_sub(p, v, o)                                        \
	POINT_VALUE(p, v, __c11_atomic_fetch_sub(p, point_v, o))
#define __c11_atomic_fetch_or(p, v, o)                                         \
	POINT_VALUE(p, v, __c11_atomic_fetch_or(p, point_v, o))
#define __c11_atomic_fetch_and(p, v, o)                                        \
	POINT_VALUE(p, v, __c11_atomic_fetch_and(p, point_v, o))
#define __c11_atomic_fetch_xor(p, v, o)                                        \
	POINT_VALUE(p, v, __c11_atomic_fetch_xor(p, point_v, o))
#endif

#define __atomic_load_n(p, o) (SCHED_POINT(p, false), __atomic_load_n(p, o))
#define __atomic_store_n(p, v, o)                                              \
	POINT_VALUE(p, v, __atomic_store_n(p, point_v, o))
#define __atomic_exchange_n(p, v, o)                                           \
	POINT_VALUE(p, v, __atomic_exchange_n(p, point_v, o))
#define __atomic_compare_exchange_n(p, e, v, w, s, f)                          \
	POINT_VALUE(p, v,                                                      \
		    __atomic_compare_exchange_n(p, e, point_v, false, s, f))

/* Those that nothing uses yet: to be shadowed above by who needs them. */
#pragma GCC poison __atomic_add_fetch __atomic_sub_fetch __atomic_or_fetch
#pragma GCC poison __atomic_and_fetch __atomic_xor_fetch __atomic_fetch_nand
#pragma GCC poison __atomic_test_and_set __atomic_clear
#pragma GCC poison __sync_fetch_and_add __sync_val_compare_and_swap

#define __builtin_ia32_pause() explore_spin(__FILE__, __LINE__)
#define sched_yield()	       explore_spin(__FILE__, __LINE__)

#define syscall(...)		   explore_syscall(__FILE__, __LINE__, __VA_ARGS__)
#define pthread_create(t, a, f, g) explore_thread_create(t, a, f, g)
#define pthread_join(t, r)	   explore_thread_join(t, r)
#define pthread_self()		   explore_thread_self()
#define pthread_sigmask(h, s, o)   ((void)(s), (void)(o))
#define clock_gettime(c, t)	   explore_clock(c, t)
#define opendir(p)		   explore_opendir(p)
#define readdir(d)		   explore_readdir(d)
#define closedir(d)		   explore_closedir(d)

#endif
