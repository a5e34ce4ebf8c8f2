/*
 * What ThreadSanitizer must see where a switch orders nothing: races between
 * coroutines, though they ran on one thread one after the other; and each way
 * to hand something over, which must be silent.
 */
#include "hooks.h"

#include "engine/sched/sched_p.h"

#include <flo/chan.h>
#include <flo/group.h>
#include <flo/sync.h>

#include <pthread.h>
#include <stdatomic.h>

#define ROUNDS 50

/* What is handed over: plain data. */
static long box;

static void put(void)
{
	box++;
}

static void get(long want)
{
	hook_need(box == want, "see what was put");
}

/* ---- ways that order nothing ---- */

static flo_waitgroup done;
static atomic_int flag;

static void put_done(void *arg)
{
	(void)arg;
	put();
	flo_waitgroup_done(&done);
}

static void two_put(void *arg)
{
	(void)arg;
	flo_waitgroup_add(&done, 2);
	hook_go(put_done, NULL);
	hook_go(put_done, NULL);
	flo_waitgroup_wait(&done, NULL);
}

static void one_after_the_other(void *arg)
{
	(void)arg;
	for (int i = 0; i < 2; i++) {
		flo_waitgroup_add(&done, 1);
		hook_go(put_done, NULL);
		flo_waitgroup_wait(&done, NULL);
	}
	get(2);
}

static void put_flag_relaxed(void *arg)
{
	(void)arg;
	put();
	atomic_store_explicit(&flag, 1, memory_order_relaxed);
}

static void flag_relaxed(void *arg)
{
	(void)arg;
	hook_go(put_flag_relaxed, NULL);
	while (atomic_load_explicit(&flag, memory_order_relaxed) == 0)
		flo_yield();
	get(1);
}

static void put_flag(void *arg)
{
	(void)arg;
	put();
	atomic_store_explicit(&flag, 1, memory_order_release);
}

static void flag_released(void *arg)
{
	(void)arg;
	hook_go(put_flag, NULL);
	while (atomic_load_explicit(&flag, memory_order_acquire) == 0)
		flo_yield();
	get(1);
}

/* A lock orders only what is done under it. */
static flo_mutex mutex;

static void put_beside_lock(void *arg)
{
	(void)arg;
	flo_mutex_lock(&mutex);
	flo_mutex_unlock(&mutex);
	put();
	atomic_store_explicit(&flag, 1, memory_order_relaxed);
}

static void beside_lock(void *arg)
{
	(void)arg;
	hook_go(put_beside_lock, NULL);
	while (atomic_load_explicit(&flag, memory_order_relaxed) == 0)
		flo_yield();
	flo_mutex_lock(&mutex);
	get(1);
	flo_mutex_unlock(&mutex);
}

static void put_locked(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		flo_mutex_lock(&mutex);
		put();
		flo_yield();
		flo_mutex_unlock(&mutex);
		flo_yield();
	}
	(void)arg;
	flo_waitgroup_done(&done);
}

static void under_lock(void *arg)
{
	(void)arg;
	flo_waitgroup_add(&done, 4);
	for (int i = 0; i < 4; i++)
		hook_go(put_locked, NULL);
	flo_waitgroup_wait(&done, NULL);
	get(4 * ROUNDS);
}

/* ---- ways that order ---- */

static flo_chan *chan, *back;

static void put_and_send(void *arg)
{
	(void)arg;
	for (int i = 0; i < ROUNDS; i++) {
		put();
		flo_chan_send(chan, &i, NULL);
		flo_chan_recv(back, &i, NULL);
	}
}

static void by_channel(size_t capacity)
{
	int v;

	hook_need(flo_chan_new(sizeof(int), capacity, &chan) == FLO_OK &&
			  flo_chan_new(sizeof(int), capacity, &back) == FLO_OK,
		  "make channels");
	hook_go(put_and_send, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		flo_chan_recv(chan, &v, NULL);
		get(2 * i + 1);
		put();
		flo_chan_send(back, &v, NULL);
	}
	flo_yield();
	flo_chan_free(chan);
	flo_chan_free(back);
}

static void unbuffered(void *arg)
{
	(void)arg;
	by_channel(0);
}

static void buffered(void *arg)
{
	(void)arg;
	by_channel(1);
}

static flo_status put_member(flo_context *context, void *arg, flo_error *err)
{
	(void)context, (void)err;
	*(long *)arg += 1;
	flo_yield();
	return FLO_OK;
}

static void by_group(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	long cells[8] = {0};
	flo_group *group;

	(void)arg;
	for (int round = 0; round < 10; round++) {
		hook_need(flo_group_new(root, &group) == FLO_OK, "group");
		flo_group_set_limit(group, (uint32_t)(round % 3));
		for (int i = 0; i < 8; i++)
			flo_group_go(group, put_member, &cells[i]);
		flo_group_wait(group, NULL);
		flo_group_free(group);
		for (int i = 0; i < 8; i++)
			hook_need(cells[i] == round + 1, "join");
	}
	flo_context_unref(root);
}

static flo_note note;

static void *put_and_wake(void *arg)
{
	(void)arg;
	put();
	flo_note_wake(&note);
	return NULL;
}

static void by_note(void *arg)
{
	pthread_t thread;

	(void)arg;
	for (int i = 0; i < 10; i++) {
		flo_note_init(&note);
		hook_need(pthread_create(&thread, NULL, put_and_wake, NULL) ==
				  0,
			  "make a thread");
		flo_note_wait(&note);
		get(i + 1);
		pthread_join(thread, NULL);
	}
}

static struct flo__timer timer;

static void put_in_timer(struct flo__timer *t)
{
	(void)t;
	get(1);
	put();
	flo_note_wake(&note);
}

static void by_timer(void *arg)
{
	flo_runtime *rt = flo_runtime_current();

	(void)arg;
	flo_note_init(&note);
	put();
	hook_need(flo__timer_start(rt, &timer, flo_now() + 100000,
				   put_in_timer) == FLO_OK,
		  "start a timer");
	flo_note_wait(&note);
	get(2);
	flo__timer_stop(rt, &timer);
}

static void put_and_cancel(void *arg)
{
	put();
	flo_context_cancel(arg, NULL);
	flo_context_unref(arg);
}

static void by_cancel(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());

	(void)arg;
	for (int i = 0; i < 10; i++) {
		flo_context *child = flo_context_child(root);

		hook_go(put_and_cancel, flo_context_ref(child));
		flo_sleep(child, UINT64_MAX);
		get(i + 1);
		flo_context_unref(child);
	}
	flo_context_unref(root);
}

#define RACE "WARNING: ThreadSanitizer: data race"

const struct hook hooks[] = {
	{"one-thread", RACE, two_put, one_after_the_other, 1},
	{"relaxed-flag", RACE, flag_relaxed, flag_released, 1},
	{"beside-a-lock", RACE, beside_lock, under_lock, 1},
	{"channel", NULL, NULL, unbuffered, 1},
	{"channel-on-threads", NULL, NULL, unbuffered, 4},
	{"buffered-channel", NULL, NULL, buffered, 1},
	{"group", NULL, NULL, by_group, 1},
	{"group-on-threads", NULL, NULL, by_group, 4},
	{"note", NULL, NULL, by_note, 1},
	{"timer", NULL, NULL, by_timer, 1},
	{"cancel", NULL, NULL, by_cancel, 1},
	{"cancel-on-threads", NULL, NULL, by_cancel, 4},
	{0},
};
