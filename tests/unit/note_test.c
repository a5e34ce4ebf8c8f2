/* Notes and sleeps: what wakes a coroutine from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>
#include <flo/sync.h>

#include "engine/sched/sched_p.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define NOTES 500

static flo_runtime *runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

/* A thread that wakes what is put before it, as a writer thread would. */
struct waker {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t cond;
	flo_note *queue[NOTES];
	int put, taken;
};

static void *waker_main(void *arg)
{
	struct waker *waker = arg;
	flo_note *note;

	for (int i = 0; i < NOTES; i++) {
		pthread_mutex_lock(&waker->lock);
		while (waker->put == waker->taken)
			pthread_cond_wait(&waker->cond, &waker->lock);
		note = waker->queue[waker->taken++];
		pthread_mutex_unlock(&waker->lock);
		flo_note_wake(note);
	}
	return NULL;
}

static void waker_start(struct waker *waker)
{
	memset(waker, 0, sizeof(*waker));
	pthread_mutex_init(&waker->lock, NULL);
	pthread_cond_init(&waker->cond, NULL);
	pthread_create(&waker->thread, NULL, waker_main, waker);
}

static atomic_long woken;

static void ask_waker(void *arg)
{
	struct waker *waker = arg;
	flo_note note;

	flo_note_init(&note);
	pthread_mutex_lock(&waker->lock);
	waker->queue[waker->put++] = &note;
	pthread_cond_signal(&waker->cond);
	pthread_mutex_unlock(&waker->lock);
	flo_note_wait(&note);
	memset(&note, 0xee, sizeof(note));
	atomic_fetch_add(&woken, 1);
}

static void ask_often(void *arg)
{
	for (int i = 0; i < NOTES; i++)
		flo_go(NULL, ask_waker, arg);
}

static void threads_wake_coroutines(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 2; procs++) {
		flo_runtime *rt = runtime(procs);
		struct waker waker;

		atomic_store(&woken, 0);
		waker_start(&waker);
		flo_runtime_run(rt, ask_often, &waker);
		flo_runtime_free(rt);
		pthread_join(waker.thread, NULL);
		assert_int_equal(atomic_load(&woken), NOTES);
	}
}

static void ask_in_turn(void *arg)
{
	for (int i = 0; i < NOTES; i++)
		ask_waker(arg);
}

static void one_coroutine_waits_in_turn(void **state)
{
	flo_runtime *rt = runtime(2);
	struct waker waker;

	(void)state;
	atomic_store(&woken, 0);
	waker_start(&waker);
	flo_runtime_run(rt, ask_in_turn, &waker);
	flo_runtime_free(rt);
	pthread_join(waker.thread, NULL);
	assert_int_equal(atomic_load(&woken), NOTES);
}

static void wake_first(void *arg)
{
	flo_note note;

	flo_note_init(&note);
	flo_note_wake(&note);
	flo_note_wait(&note);
	*(bool *)arg = true;
}

static void a_woken_note_does_not_park(void **state)
{
	flo_runtime *rt = runtime(1);
	bool passed = false;

	(void)state;
	flo_runtime_run(rt, wake_first, &passed);
	flo_runtime_free(rt);
	assert_true(passed);
}

static void *free_runtime(void *arg)
{
	flo_runtime_free(arg);
	return NULL;
}

static void wait_shared(void *arg)
{
	flo_note_wait(arg);
}

static void init_shared(void *arg)
{
	flo_note_init(arg);
}

/* The wake-up ends the runtime's last coroutine, under the waker's feet. */
static void the_last_wake_may_end_the_runtime(void **state)
{
	(void)state;
	for (int i = 0; i < 100; i++) {
		flo_runtime *rt = runtime(1 + i % 2);
		pthread_t thread;
		flo_note note;

		flo_runtime_run(rt, init_shared, &note);
		flo_go(rt, wait_shared, &note);
		pthread_create(&thread, NULL, free_runtime, rt);
		flo_note_wake(&note);
		pthread_join(thread, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_woken_note_does_not_park),
		cmocka_unit_test(threads_wake_coroutines),
		cmocka_unit_test(one_coroutine_waits_in_turn),
		cmocka_unit_test(the_last_wake_may_end_the_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
