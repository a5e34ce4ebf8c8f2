/* Broken contracts of engine/sync: each message names function and rule. */
#include "coro.h"
#include "waiting.h"

#include <flo/chan.h>
#include <flo/group.h>
#include <flo/sync.h>

#include "base/contract.h"
#include "engine/sched/sched_p.h"

#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BREAKS(fn, arg, function, rule)                                        \
	EXPECT(coro_breaks(fn, arg, function ": broken contract: " rule))

static void unlock_mutex(void *arg)
{
	flo_mutex_unlock(arg);
}

static void wait_for_cond(void *arg)
{
	flo_mutex free = {.state = 0};

	flo_cond_wait(arg, &free, NULL);
}

static void locks_must_be_held_body(void *arg)
{
	flo_mutex m = {.state = 0};
	flo_cond c = {.q = {0}};

	(void)arg;
	BREAKS(unlock_mutex, &m, "flo_mutex_unlock", "the mutex is not locked");
	BREAKS(wait_for_cond, &c, "flo_cond_wait", "the mutex is not locked");
}
CORO_TEST(locks_must_be_held);

static void unlock_rw(void *arg)
{
	flo_rwmutex_unlock(arg);
}

static void runlock_rw(void *arg)
{
	flo_rwmutex_runlock(arg);
}

static void a_rwmutex_is_unlocked_as_it_was_locked_body(void *arg)
{
	flo_rwmutex rw = {.state = 0};

	(void)arg;
#define NOT_FOR_WRITING "the mutex is not locked for writing"
#define NOT_FOR_READING "the mutex is not locked for reading"
	BREAKS(unlock_rw, &rw, "flo_rwmutex_unlock", NOT_FOR_WRITING);
	BREAKS(runlock_rw, &rw, "flo_rwmutex_runlock", NOT_FOR_READING);
	flo_rwmutex_rlock(&rw);
	BREAKS(unlock_rw, &rw, "flo_rwmutex_unlock", NOT_FOR_WRITING);
	flo_rwmutex_runlock(&rw);
	flo_rwmutex_lock(&rw);
	BREAKS(runlock_rw, &rw, "flo_rwmutex_runlock", NOT_FOR_READING);
	flo_rwmutex_unlock(&rw);
	EXPECT(rw.state == 0 && waiting_in(&rw.writers) == 0);
}
CORO_TEST(a_rwmutex_is_unlocked_as_it_was_locked);

static void end_one(void *arg)
{
	flo_waitgroup_done(arg);
}

static void add_minus_two(void *arg)
{
	flo_waitgroup_add(arg, -2);
}

static void add_too_much(void *arg)
{
	flo_waitgroup_add(arg, INT64_MAX);
}

static void counts_stay_in_range_body(void *arg)
{
	flo_waitgroup wg = {.count = 0};

	(void)arg;
	BREAKS(end_one, &wg, "flo_waitgroup_done",
	       "the count would fall below 0");
	flo_waitgroup_add(&wg, 1);
	BREAKS(add_minus_two, &wg, "flo_waitgroup_add",
	       "the count would fall below 0");
	BREAKS(add_too_much, &wg, "flo_waitgroup_add",
	       "the count would overflow");
	EXPECT(wg.count == 1);
}
CORO_TEST(counts_stay_in_range);

static void start_with_minus_one(void *arg)
{
	flo_sem_init(arg, -1);
}

static void a_semaphore_has_no_negative_units_body(void *arg)
{
	flo_sem sem;

	(void)arg;
	BREAKS(start_with_minus_one, &sem, "flo_sem_init",
	       "a semaphore has no negative units");
}
CORO_TEST(a_semaphore_has_no_negative_units);

static void take_minus_one(void *arg)
{
	flo_sem_take_n(arg, -1, NULL);
}

static void trytake_minus_one(void *arg)
{
	flo_sem_trytake_n(arg, -1);
}

static void give_minus_one(void *arg)
{
	flo_sem_give_n(arg, -1);
}

static void give_one(void *arg)
{
	flo_sem_give(arg);
}

static void give_two(void *arg)
{
	flo_sem_give_n(arg, 2);
}

static void only_what_was_taken_is_given_back_body(void *arg)
{
	flo_sem sem, full = {.free = INT64_MAX};

	(void)arg;
	flo_sem_init(&sem, 5);
	BREAKS(take_minus_one, &sem, "flo_sem_take_n",
	       "a negative number of units");
	BREAKS(trytake_minus_one, &sem, "flo_sem_trytake_n",
	       "a negative number of units");
	BREAKS(give_minus_one, &sem, "flo_sem_give_n",
	       "a negative number of units");
	BREAKS(give_one, &sem, "flo_sem_give", "more units than were taken");
	EXPECT(flo_sem_trytake(&sem));
	BREAKS(give_two, &sem, "flo_sem_give_n", "more units than were taken");
	flo_sem_give(&sem);
	EXPECT(sem.free == 5);
	BREAKS(give_one, &full, "flo_sem_give", "more units than were taken");
}
CORO_TEST(only_what_was_taken_is_given_back);

/* --- channels --------------------------------------------------------------- */

static void send_to(void *arg)
{
	flo_chan_send(arg, NULL, NULL);
}

static void try_send_to(void *arg)
{
	flo_chan_try_send(arg, NULL);
}

static void select_send_to(void *arg)
{
	int v = 0;
	struct flo_select_case c = {.chan = arg, .send = &v};

	flo_select(&c, 1, 0, NULL, NULL);
}

static void close_it(void *arg)
{
	flo_chan_close(arg);
}

static void what_is_closed_stays_closed_body(void *arg)
{
	flo_chan *c = NULL;

	(void)arg;
	EXPECT(flo_chan_new(0, 1, &c) == FLO_OK);
	flo_chan_close(c);
	BREAKS(send_to, c, "flo_chan_send", "the channel is closed");
	BREAKS(try_send_to, c, "flo_chan_try_send", "the channel is closed");
	BREAKS(select_send_to, c, "flo_select",
	       "it would send on a closed channel");
	BREAKS(close_it, c, "flo_chan_close", "the channel is closed already");
	BREAKS(close_it, NULL, "flo_chan_close", "there is no channel");
	flo_chan_free(c);
}
CORO_TEST(what_is_closed_stays_closed);

struct waiting_sender {
	flo_chan *c;
	flo_sem ended;
};

static void be_closed_while_sending(void *arg)
{
	struct waiting_sender *s = arg;

	BREAKS(send_to, s->c, "flo_chan_send", "the channel is closed");
	flo_sem_give(&s->ended);
}

static void free_it(void *arg)
{
	flo_chan_free(arg);
}

static void a_channel_outlives_who_waits_for_it_body(void *arg)
{
	struct waiting_sender s = {.c = NULL};

	(void)arg;
	EXPECT(flo_chan_new(0, 0, &s.c) == FLO_OK);
	coro_go(be_closed_while_sending, &s);
	UNTIL(SENDERS(s.c) == 1);
	BREAKS(free_it, s.c, "flo_chan_free", "somebody waits for the channel");
	flo_chan_close(s.c);
	EXPECT(flo_sem_take(&s.ended, NULL) == FLO_OK);
	flo_chan_free(s.c);
}
CORO_TEST(a_channel_outlives_who_waits_for_it);

static void select_many(void *arg)
{
	struct flo_select_case c = {.chan = NULL};

	(void)arg;
	flo_select(&c, 65, 0, NULL, NULL);
}

static void a_select_has_64_cases_body(void *arg)
{
	(void)arg;
	BREAKS(select_many, NULL, "flo_select", "more than 64 cases");
}
CORO_TEST(a_select_has_64_cases);

/* --- outside ------------------------------------------------------------------ */

static void lock_mutex(void *arg)
{
	flo_mutex_lock(arg);
}

static void rlock_rw(void *arg)
{
	flo_rwmutex_rlock(arg);
}

static void lock_rw(void *arg)
{
	flo_rwmutex_lock(arg);
}

static void take_unit(void *arg)
{
	flo_sem_take(arg, NULL);
}

static void wait_for_group(void *arg)
{
	flo_waitgroup_wait(arg, NULL);
}

static void wait_with_own_mutex(void *arg)
{
	flo_mutex m = {.state = 0};

	flo_mutex_lock(&m);
	flo_cond_wait(arg, &m, NULL);
}

static void receive(void *arg)
{
	flo_chan_recv(arg, NULL, NULL);
}

static void select_receive(void *arg)
{
	struct flo_select_case c = {.chan = arg};

	flo_select(&c, 1, UINT64_MAX, NULL, NULL);
}

#define WAITS_NOT(fn, arg, function)                                           \
	BREAKS(fn, arg, function, "only a coroutine can wait")

/* What need not wait is fine there; what would have to wait says so. */
static void an_ordinary_thread_cannot_wait(void **state)
{
	flo_mutex m = {.state = 0};
	flo_rwmutex rw = {.state = 0};
	flo_sem sem = {.free = 0};
	flo_waitgroup wg = {.count = 1};
	flo_cond cond = {.q = {0}};
	flo_chan *c = NULL;

	(void)state;
	atomic_store(&coro_failures, 0);
	assert_int_equal(flo_chan_new(0, 0, &c), FLO_OK);
	flo_mutex_lock(&m);
	WAITS_NOT(lock_mutex, &m, "flo_mutex_lock");
	flo_mutex_unlock(&m);
	flo_rwmutex_lock(&rw);
	WAITS_NOT(rlock_rw, &rw, "flo_rwmutex_rlock");
	WAITS_NOT(lock_rw, &rw, "flo_rwmutex_lock");
	flo_rwmutex_unlock(&rw);
	WAITS_NOT(take_unit, &sem, "flo_sem_take");
	WAITS_NOT(wait_for_group, &wg, "flo_waitgroup_wait");
	WAITS_NOT(wait_with_own_mutex, &cond, "flo_cond_wait");
	WAITS_NOT(send_to, c, "flo_chan_send");
	WAITS_NOT(receive, c, "flo_chan_recv");
	WAITS_NOT(select_receive, c, "flo_select");
	flo_chan_free(c);
	assert_int_equal(atomic_load(&coro_failures), 0);
}

/* --- after the free ------------------------------------------------------------ */

static void receive_now(void *arg)
{
	flo_chan_try_recv(arg, NULL);
}

static void look_at_length(void *arg)
{
	flo_chan_len(arg);
}

static void look_at_capacity(void *arg)
{
	flo_chan_cap(arg);
}

static void select_now(void *arg)
{
	struct flo_select_case c = {.chan = arg};

	flo_select(&c, 1, 0, NULL, NULL);
}

static void get_from_pool(void *arg)
{
	flo_pool_get(arg);
}

static void put_into_pool(void *arg)
{
	flo_pool_put(arg, &(int){0});
}

static void free_pool(void *arg)
{
	flo_pool_free(arg);
}

static void look_at_status(void *arg)
{
	flo_context_status(arg);
}

static void cancel_it(void *arg)
{
	flo_context_cancel(arg, NULL);
}

static void ref_it(void *arg)
{
	flo_context_ref(arg);
}

static void unref_it(void *arg)
{
	flo_context_unref(arg);
}

static void make_child(void *arg)
{
	flo_context_child(arg);
}

static void look_for_value(void *arg)
{
	flo_context_value(arg, arg);
}

static void ask_for_done(void *arg)
{
	flo_context_done(arg);
}

static void freed_objects_are_recognised_body(void *arg)
{
	flo_context *context = flo_context_new(flo_runtime_current());
	struct flo_chan *done = flo_context_done(context);
	flo_chan *chan = NULL;
	flo_pool *pool = NULL;

	(void)arg;
	EXPECT(flo_chan_new(8, 3, &chan) == FLO_OK);
	EXPECT(flo_pool_new(flo_runtime_current(), NULL, NULL, NULL, &pool) ==
	       FLO_OK);
	flo_context_unref(context);
	flo_chan_free(chan);
	flo_pool_free(pool);
#define FREED(fn, object, function, what)                                      \
	BREAKS(fn, object, function, "the " what " was freed")
	FREED(send_to, chan, "flo_chan_send", "channel");
	FREED(try_send_to, chan, "flo_chan_try_send", "channel");
	FREED(receive, chan, "flo_chan_recv", "channel");
	FREED(receive_now, chan, "flo_chan_try_recv", "channel");
	FREED(close_it, chan, "flo_chan_close", "channel");
	FREED(free_it, chan, "flo_chan_free", "channel");
	FREED(look_at_length, chan, "flo_chan_len", "channel");
	FREED(look_at_capacity, chan, "flo_chan_cap", "channel");
	FREED(select_now, chan, "flo_select", "channel");
	FREED(receive_now, done, "flo_chan_try_recv", "channel");
	FREED(get_from_pool, pool, "flo_pool_get", "pool");
	FREED(put_into_pool, pool, "flo_pool_put", "pool");
	FREED(free_pool, pool, "flo_pool_free", "pool");
	FREED(look_at_status, context, "flo_context_status", "context");
	FREED(cancel_it, context, "flo_context_cancel", "context");
	FREED(ref_it, context, "flo_context_ref", "context");
	FREED(unref_it, context, "flo_context_unref", "context");
	FREED(make_child, context, "flo_context_child", "parent");
	FREED(look_for_value, context, "flo_context_value", "context");
	FREED(ask_for_done, context, "flo_context_done", "context");
}

static void freed_objects_are_recognised(void **state)
{
	(void)state;
#ifndef FLO__ALIVE_CHECKS
	/* Release builds do not look, and sanitizers look for themselves. */
	(void)freed_objects_are_recognised_body;
	print_message("skipped: only debug builds recognise freed objects\n");
	skip();
#else
	coro_run_all_ways(freed_objects_are_recognised_body);
#endif
}

/* What is kept is bounded: thousands are freed, one by one. */
static void what_is_freed_is_not_kept_for_ever(void **state)
{
	size_t before = 0, after;
	flo_chan *chan;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		assert_int_equal(flo_chan_new(1024, 32, &chan), FLO_OK);
		flo_chan_free(chan);
		if (i == 1000)
			before = mallinfo2().uordblks;
	}
	after = mallinfo2().uordblks;
	assert_in_range(after, 0, before + (1 << 20));
}

static void a_pool_is_needed(void **state)
{
	(void)state;
	atomic_store(&coro_failures, 0);
	BREAKS(get_from_pool, NULL, "flo_pool_get", "there is no pool");
	BREAKS(put_into_pool, NULL, "flo_pool_put", "there is no pool");
	assert_int_equal(atomic_load(&coro_failures), 0);
}

/* --- outside flo_try() -------------------------------------------------------- */

/* Break a contract in a child; its stderr to @text. Returns its signal. */
static int die_of(flo_fn fn, void *arg, char *text, size_t size)
{
	struct rlimit none = {0, 0};
	int fds[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		setrlimit(RLIMIT_CORE, &none);
		dup2(fds[1], STDERR_FILENO);
		signal(SIGABRT, SIG_DFL);
		fn(arg);
		_exit(0);
	}
	close(fds[1]);
	n = read(fds[0], text, size - 1);
	text[n > 0 ? n : 0] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void outside_a_try_it_is_printed_and_aborts(void **state)
{
	flo_mutex m = {.state = 0};
	char text[1024];

	(void)state;
	assert_int_equal(die_of(unlock_mutex, &m, text, sizeof(text)), SIGABRT);
	assert_non_null(strstr(text, "mutex.c:"));
	assert_non_null(strstr(text, ": flo_mutex_unlock: broken contract: "
				     "the mutex is not locked\n"));
}

static bool commit_badly(struct flo__g *g, void *arg)
{
	(void)g, (void)arg;
	REQUIRE_RULE(false, "parked badly");
	return false;
}

static void park_badly(void *arg)
{
	flo__park(commit_badly, arg, "nothing", false);
}

static void yield_twice(void *arg)
{
	(void)arg;
	flo_yield();
	flo_yield();
}

static void try_to_yield(void *arg)
{
	flo_try(yield_twice, arg, NULL);
	_exit(1); /* neither its panic nor its turn */
}

static void park_beside_another(void *arg)
{
	flo_go(NULL, try_to_yield, arg);
	flo_yield();
	flo_try(park_badly, arg, NULL);
	_exit(2);
}

static void run_park_beside_another(void *arg)
{
	const struct flo_runtime_options one = {.procs = 1};
	flo_runtime *rt;

	if (flo_runtime_new(&one, NULL, &rt) != FLO_OK)
		_exit(3);
	flo_runtime_run(rt, park_beside_another, arg);
	_exit(4);
}

static void a_departure_that_breaks_is_nobodys_panic(void **state)
{
	char text[1024];

	(void)state;
	assert_int_equal(die_of(run_park_beside_another, NULL, text,
				sizeof(text)),
			 SIGABRT);
	assert_non_null(strstr(text, ": commit_badly: broken contract: "
				     "parked badly\n"));
}

static void break_a_long_rule(void *arg)
{
	REQUIRE_RULE(false, (const char *)arg);
}

static void a_long_message_is_cut(void **state)
{
	char rule[2000], text[3000];

	(void)state;
	memset(rule, 'x', sizeof(rule) - 1);
	rule[sizeof(rule) - 1] = '\0';
	assert_int_equal(die_of(break_a_long_rule, rule, text, sizeof(text)),
			 SIGABRT);
	assert_int_equal(strlen(text), 511);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(locks_must_be_held),
		cmocka_unit_test(a_rwmutex_is_unlocked_as_it_was_locked),
		cmocka_unit_test(counts_stay_in_range),
		cmocka_unit_test(a_semaphore_has_no_negative_units),
		cmocka_unit_test(only_what_was_taken_is_given_back),
		cmocka_unit_test(what_is_closed_stays_closed),
		cmocka_unit_test(a_channel_outlives_who_waits_for_it),
		cmocka_unit_test(a_select_has_64_cases),
		cmocka_unit_test(an_ordinary_thread_cannot_wait),
		cmocka_unit_test(freed_objects_are_recognised),
		cmocka_unit_test(what_is_freed_is_not_kept_for_ever),
		cmocka_unit_test(a_pool_is_needed),
		cmocka_unit_test(outside_a_try_it_is_printed_and_aborts),
		cmocka_unit_test(a_departure_that_breaks_is_nobodys_panic),
		cmocka_unit_test(a_long_message_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
