/*
 * Out of memory: the Nth allocation fails, once or with all that follow, for
 * every N, in each thing that a program does with a runtime.
 *
 * An operation may then say FLO_NOMEM and nothing else; done again with memory
 * it succeeds, in the same runtime; and in the end nothing is left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/chan.h>
#include <flo/group.h>
#include <flo/runtime.h>
#include <flo/sync.h>

#include "base/alive.h"
#include "base/alloc.h"
#include "engine/sched/poll_p.h"
#include "engine/sched/sched_p.h"

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NTH_MAX 500 /* far more than any operation allocates */

/* Something a coroutine does from beginning to end. */
typedef flo_status (*operation)(void);

/* ---- operations ---- */

static void done(void *arg)
{
	flo_waitgroup_done(arg);
}

/* More than there are records in the first slab; a failure ends it. */
static flo_status start_many(size_t stack_size)
{
	flo_waitgroup wg = {0};
	flo_status st = FLO_OK;

	for (int i = 0; i < 400 && st == FLO_OK; i++) {
		flo_waitgroup_add(&wg, 1);
		st = flo_go_with(NULL, done, &wg, stack_size, "one of many");
		if (st != FLO_OK)
			flo_waitgroup_done(&wg);
	}
	flo_waitgroup_wait(&wg, NULL);
	return st;
}

static flo_status op_go(void)
{
	return start_many(0);
}

static flo_status op_go_large(void)
{
	return start_many(256 * 1024);
}

static flo_status member(flo_context *context, void *arg, flo_error *err)
{
	(void)err;
	flo_yield();
	atomic_fetch_add((atomic_int *)arg, 1);
	return flo_context_status(context);
}

static flo_status op_group(void)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_group *group = NULL;
	flo_status st = root != NULL ? FLO_OK : FLO_NOMEM;
	atomic_int ran = 0;
	int started = 0;

	if (st == FLO_OK)
		st = flo_group_new(root, &group);
	if (st == FLO_OK) {
		flo_group_set_limit(group, 8);
		while (st == FLO_OK && started < 300) {
			st = flo_group_go(group, member, &ran);
			started += st == FLO_OK;
		}
		if (flo_group_wait(group, NULL) != FLO_OK || ran != started)
			st = FLO_FAILED;
	}
	flo_group_free(group);
	flo_context_unref(root);
	return st;
}

static void send_three(void *arg)
{
	for (int i = 0; i < 3; i++)
		flo_chan_send(arg, &i, NULL);
	flo_chan_close(arg);
}

static flo_status op_chan(void)
{
	flo_chan *chan = NULL;
	flo_status st = flo_chan_new(sizeof(int), 1, &chan);
	int v = 0, sum = 0;

	if (st == FLO_OK)
		st = flo_go(NULL, send_three, chan);
	while (st == FLO_OK && flo_chan_recv(chan, &v, NULL) == FLO_OK)
		sum += v;
	flo_chan_free(chan);
	return st == FLO_OK && sum != 3 ? FLO_FAILED : st;
}

static flo_status op_select(void)
{
	flo_chan *chan = NULL;
	flo_status st = flo_chan_new(0, 0, &chan);
	struct flo_select_case cases[] = {{.chan = chan}};
	size_t index;

	if (st == FLO_OK) {
		cases[0].chan = chan;
		st = flo_select(cases, 1, 100000, NULL, &index);
	}
	flo_chan_free(chan);
	return st == FLO_TIMEOUT ? FLO_OK : st;
}

/* A tree of contexts, half of them with deadlines, none of which comes. */
static flo_status op_contexts(void)
{
	flo_context *all[40] = {flo_context_new(flo_runtime_current())};
	flo_status st = all[0] != NULL ? FLO_OK : FLO_NOMEM;
	size_t len = 1;

	while (st == FLO_OK && len < 40) {
		all[len] = len % 2 ? flo_context_timeout(all[len / 2],
							 60000000000u, "slow")
				   : flo_context_child(all[len / 2]);
		st = all[len] != NULL ? FLO_OK : FLO_NOMEM;
		len += st == FLO_OK;
	}
	if (all[0] == NULL)
		return FLO_NOMEM;
	flo_context_cancel(all[0], NULL);
	for (size_t i = 0; i < len; i++) {
		if (flo_context_status(all[i]) != FLO_CANCELED)
			st = FLO_FAILED;
		flo_context_unref(all[i]);
	}
	return st;
}

static flo_status op_deadline(void)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *soon = NULL;
	flo_status st = FLO_NOMEM;

	if (root != NULL)
		soon = flo_context_timeout(root, 100000, "soon");
	if (soon != NULL) {
		st = flo_sleep(soon, UINT64_MAX);
		st = st == FLO_TIMEOUT ? FLO_OK : st;
	}
	flo_context_unref(soon);
	flo_context_unref(root);
	return st;
}

static flo_status op_sleep(void)
{
	return flo_sleep(NULL, 100000);
}

struct sleeper {
	flo_waitgroup wg;
	_Atomic(int) st;
};

static void sleep_one(void *arg)
{
	struct sleeper *s = arg;
	flo_status st = flo_sleep(NULL, 100000);

	if (st != FLO_OK)
		atomic_store(&s->st, (int)st);
	flo_waitgroup_done(&s->wg);
}

/* Timers beyond what the heap first holds. */
static flo_status op_sleep_many(void)
{
	struct sleeper s = {.st = FLO_OK};
	flo_status st = FLO_OK;

	for (int i = 0; i < 50 && st == FLO_OK; i++) {
		flo_waitgroup_add(&s.wg, 1);
		st = flo_go(NULL, sleep_one, &s);
		if (st != FLO_OK)
			flo_waitgroup_done(&s.wg);
	}
	flo_waitgroup_wait(&s.wg, NULL);
	return st != FLO_OK ? st : (flo_status)atomic_load(&s.st);
}

static flo_status op_poll(void)
{
	struct flo__pollfd pfd = {.events = FLO__POLL_READ};
	flo_status st;
	int fds[2];

	if (pipe(fds) != 0)
		return FLO_SYSTEM;
	pfd.fd = fds[0];
	st = flo__poll(&pfd, 1, flo_now() + 100000, NULL);
	if (st == FLO_TIMEOUT && write(fds[1], "x", 1) == 1)
		st = flo__poll(&pfd, 1, UINT64_MAX, NULL);
	close(fds[0]);
	close(fds[1]);
	return st;
}

static void *wake(void *arg)
{
	flo_note_wake(arg);
	return NULL;
}

static flo_status op_note(void)
{
	pthread_t thread;
	flo_note note;

	flo_note_init(&note);
	if (pthread_create(&thread, NULL, wake, &note) != 0)
		return FLO_SYSTEM;
	flo_note_wait(&note);
	pthread_join(thread, NULL);
	return FLO_OK;
}

static void block(void *arg)
{
	flo_blocking_begin();
	usleep(50);
	flo_blocking_end();
	flo_waitgroup_done(arg);
}

/* Threads are wanted for those that block, and may not be had. */
static flo_status op_blocking(void)
{
	flo_waitgroup wg = {0};
	flo_status st = FLO_OK;

	for (int i = 0; i < 20 && st == FLO_OK; i++) {
		flo_waitgroup_add(&wg, 1);
		st = flo_go(NULL, block, &wg);
		if (st != FLO_OK)
			flo_waitgroup_done(&wg);
	}
	flo_waitgroup_wait(&wg, NULL);
	return st;
}

/* ---- the sweep ---- */

struct attempt {
	operation op;
	flo_status st;
};

static void run_operation(void *arg)
{
	struct attempt *a = arg;

	a->st = a->op();
}

static flo_status attempt(flo_runtime *rt, operation op)
{
	struct attempt a = {.op = op, .st = FLO_FAILED};
	flo_status st = flo_runtime_run(rt, run_operation, &a);

	return st != FLO_OK ? st : a.st;
}

/* Have a stack of either kind. */
static flo_status warm(void)
{
	flo_waitgroup wg = {0};
	flo_status st;

	flo_waitgroup_add(&wg, 1);
	st = flo_go_with(NULL, done, &wg, 256 * 1024, NULL);
	if (st == FLO_OK)
		st = flo_waitgroup_wait(&wg, NULL);
	return st;
}

/*
 * A runtime that has had a stack of either kind: without one even a first
 * coroutine waits for memory (stack_test.c has that).
 */
static flo_runtime *warm_runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	assert_int_equal(attempt(rt, warm), FLO_OK);
	return rt;
}

/* One N. Returns whether there was an Nth allocation; counts FLO_NOMEM. */
static bool fail_nth(operation op, unsigned procs, long nth, bool forever,
		     int *refused)
{
	flo_runtime *rt;
	flo_status st;
	bool reached;

	flo__alive_drain();
	flo__alloc_fail_at(LONG_MAX, 0); /* count from here */
	rt = warm_runtime(procs);
	flo__alloc_fail_at(nth, forever);
	st = attempt(rt, op);
	reached = flo__alloc_count() >= nth;
	flo__alloc_fail_at(LONG_MAX, 0);
	if (st != FLO_OK)
		assert_int_equal(st, FLO_NOMEM);
	if (!reached)
		assert_int_equal(st, FLO_OK);
	*refused += st == FLO_NOMEM;
	assert_int_equal(attempt(rt, op), FLO_OK);
	flo_runtime_free(rt);
	flo__alive_drain();
	assert_int_equal(flo__alloc_live(), 0);
	flo__alloc_fail_at(0, 0);
	return reached;
}

static const struct scenario {
	const char *name;
	operation op;
	bool refuses; /* it needs memory that nothing else could stand in for */
} scenarios[] = {
	{"go", op_go, true},
	{"go with a large stack", op_go_large, true},
	{"group", op_group, true},
	{"channel", op_chan, true},
	{"select with a time limit", op_select, true},
	{"contexts", op_contexts, true},
	{"deadline", op_deadline, true},
	{"sleep", op_sleep, true},
	{"many sleeps", op_sleep_many, true},
	{"poll", op_poll, true},
	{"note", op_note, false},
	{"blocking regions", op_blocking, false},
};

static void sweep(const struct scenario *s, unsigned procs, bool forever,
		  int *refused)
{
	long nth = 1;

	while (fail_nth(s->op, procs, nth, forever, refused))
		if (++nth > NTH_MAX)
			fail_msg("%s: has no end", s->name);
}

/* Once, it may hit a thread's record, which the scheduler can do without; that
 * it was refused at all is asked of all ways together. */
static void an_operation_is_refused_or_done(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		int refused = 0;

		for (unsigned procs = 1; procs <= 3; procs += 2) {
			sweep(&scenarios[i], procs, false, &refused);
			sweep(&scenarios[i], procs, true, &refused);
		}
		if (scenarios[i].refuses && refused == 0)
			fail_msg("%s: was never refused", scenarios[i].name);
	}
}

/* ---- the runtime itself ---- */

static bool make_failing(long nth, bool forever)
{
	flo_error err = FLO_ERROR_INIT;
	flo_runtime *rt = NULL;
	flo_status st;
	bool reached;

	flo__alloc_fail_at(LONG_MAX, 0);
	flo__alloc_fail_at(nth, forever);
	st = flo_runtime_new(NULL, &err, &rt);
	reached = flo__alloc_count() >= nth;
	flo__alloc_fail_at(LONG_MAX, 0);
	if (st == FLO_OK)
		flo_runtime_free(rt);
	else
		assert_null(rt);
	/* A thread's record is memory, too, but a missing thread is told. */
	assert_true(st == FLO_OK || st == FLO_NOMEM || st == FLO_SYSTEM);
	assert_true(reached || st == FLO_OK);
	assert_int_equal(flo__alloc_live(), 0);
	flo__alloc_fail_at(0, 0);
	return reached;
}

static void a_runtime_is_made_or_nothing_is(void **state)
{
	(void)state;
	for (int forever = 0; forever < 2; forever++) {
		long nth = 1;

		while (make_failing(nth, forever != 0))
			assert_true(++nth < NTH_MAX);
		assert_true(nth > 3);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_runtime_is_made_or_nothing_is),
		cmocka_unit_test(an_operation_is_refused_or_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
