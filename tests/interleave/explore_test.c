/*
 * The interleaver itself: that it reaches what can be reached, nothing else,
 * finds each kind of mistake, and finds it again.
 */
#include "tests/interleave/explore.h"
#include "tests/interleave/point.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "engine/sched/lock_p.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct explore_result result;

static enum explore_finding find(void (*run)(void), unsigned bound)
{
	const struct explore_scenario scenario = {"self", run, bound, bound};

	explore(&scenario, bound, NULL, &result);
	return result.finding;
}

/* Two threads write one word and read the other's. */

static atomic_int x, y;
static int seen_x, seen_y, unwanted_x, unwanted_y;

static void write_x_read_y(void *arg)
{
	(void)arg;
	atomic_store(&x, 1);
	seen_y = atomic_load(&y);
}

static void write_y_read_x(void *arg)
{
	(void)arg;
	atomic_store(&y, 1);
	seen_x = atomic_load(&x);
}

static void store_buffer(void)
{
	atomic_store(&x, 0);
	atomic_store(&y, 0);
	explore_go("one", write_x_read_y, NULL);
	explore_go("two", write_y_read_x, NULL);
	explore_join();
	explore_check(seen_x != unwanted_x || seen_y != unwanted_y,
		      "the outcome asked for");
}

static bool reachable(int x_seen, int y_seen)
{
	unwanted_x = x_seen;
	unwanted_y = y_seen;
	return find(store_buffer, 4) == EXPLORE_CHECK;
}

static void all_outcomes_are_reached_and_no_other(void **state)
{
	(void)state;
	assert_true(reachable(0, 1));
	assert_true(reachable(1, 0));
	assert_true(reachable(1, 1));
	assert_false(reachable(0, 0));
	assert_int_equal(result.finding, EXPLORE_NOTHING);
}

/* A value that needs a preemption of each of three threads. */

static atomic_int word;

/* The load, within the store's argument, is a point that comes first. */
static void add_unsafely(void *arg)
{
	(void)arg;
	atomic_store(&word, atomic_load(&word) + 1);
}

static int unwanted;

static void lost_updates(void)
{
	atomic_store(&word, 0);
	explore_go("adds", add_unsafely, NULL);
	explore_go("adds", add_unsafely, NULL);
	explore_go("adds", add_unsafely, NULL);
	explore_join();
	explore_check(atomic_load(&word) != unwanted, "the outcome asked for");
}

static void a_bound_is_kept(void **state)
{
	(void)state;
	unwanted = 3;
	assert_int_equal(find(lost_updates, 0), EXPLORE_CHECK);
	unwanted = 2;
	assert_int_equal(find(lost_updates, 0), EXPLORE_NOTHING);
	assert_int_equal(find(lost_updates, 1), EXPLORE_CHECK);
	unwanted = 1;
	assert_int_equal(find(lost_updates, 1), EXPLORE_CHECK);
	unwanted = 0;
	assert_int_equal(find(lost_updates, 4), EXPLORE_NOTHING);
}

/* Seen only if another comes between each two of three steps. */

static void count_to_three(void *arg)
{
	(void)arg;
	for (int i = 1; i <= 3; i++)
		atomic_store(&word, i);
}

static void watch_three_times(void)
{
	int seen = 0;

	atomic_store(&word, 0);
	explore_go("counts", count_to_three, NULL);
	for (int i = 1; i <= 3; i++)
		seen += atomic_load(&word) == i;
	explore_join();
	explore_check(seen != 3, "the outcome asked for");
}

static void as_many_preemptions_as_it_takes(void **state)
{
	(void)state;
	assert_int_equal(find(watch_three_times, 4), EXPLORE_NOTHING);
	assert_int_equal(find(watch_three_times, 5), EXPLORE_CHECK);
}

/* The kinds of findings. */

static struct flo__tlock locks[2];

static void take_both(void *arg)
{
	int first = *(int *)arg;

	flo__tlock_take(&locks[first]);
	flo__tlock_take(&locks[1 - first]);
	flo__tlock_give(&locks[1 - first]);
	flo__tlock_give(&locks[first]);
}

static void opposite_order(void)
{
	static int orders[2] = {0, 1};

	locks[0] = (struct flo__tlock){0};
	locks[1] = (struct flo__tlock){0};
	explore_go("locks", take_both, &orders[0]);
	explore_go("locks", take_both, &orders[1]);
}

static void same_order(void)
{
	static int orders[2] = {0, 0};

	locks[0] = (struct flo__tlock){0};
	locks[1] = (struct flo__tlock){0};
	explore_go("locks", take_both, &orders[0]);
	explore_go("locks", take_both, &orders[1]);
}

static void a_deadlock_is_found(void **state)
{
	(void)state;
	assert_int_equal(find(opposite_order, 0), EXPLORE_NOTHING);
	assert_int_equal(find(opposite_order, 1), EXPLORE_DEADLOCK);
	assert_int_equal(find(same_order, 3), EXPLORE_NOTHING);
}

static void wait_for_word(void *arg)
{
	(void)arg;
	while (atomic_load(&word) == 0)
		sched_yield();
	atomic_store(&word, 0);
}

/* The second to come waits for a word that the first has taken. */
static void two_wait_for_one(void)
{
	atomic_store(&word, 0);
	explore_go("waits", wait_for_word, NULL);
	explore_go("waits", wait_for_word, NULL);
	atomic_store(&word, 1);
}

static void one_waits_for_one(void)
{
	atomic_store(&word, 0);
	explore_go("waits", wait_for_word, NULL);
	atomic_store(&word, 1);
}

static void a_livelock_is_found(void **state)
{
	(void)state;
	assert_int_equal(find(two_wait_for_one, 0), EXPLORE_LIVELOCK);
	assert_int_equal(find(one_waits_for_one, 3), EXPLORE_NOTHING);
}

static void break_contract(void *arg)
{
	(void)arg;
	INSIST(atomic_load(&word) != 1);
}

static void contract(void)
{
	atomic_store(&word, 0);
	explore_go("insists", break_contract, NULL);
	atomic_store(&word, 1);
	atomic_store(&word, 2);
}

static void a_broken_contract_is_found(void **state)
{
	(void)state;
	assert_int_equal(find(contract, 0), EXPLORE_NOTHING);
	assert_int_equal(find(contract, 1), EXPLORE_CRASH);
	assert_non_null(strstr(result.text, "broken contract: INSIST"));
}

static void leave_memory(void)
{
	explore_check(flo__malloc(1) != NULL, "memory");
}

static void a_leak_is_found(void **state)
{
	(void)state;
	assert_int_equal(find(leave_memory, 0), EXPLORE_LEAK);
}

/* A spinning thread does not hide who has still to write. */
static void spin_between(void *arg)
{
	atomic_int *mine = arg;

	atomic_store(mine, 1);
	while (atomic_load(&word) == 0)
		sched_yield();
}

static void two_spin_while_one_is_taken_off(void)
{
	atomic_store(&word, 0);
	atomic_store(&x, 0);
	atomic_store(&y, 0);
	explore_go("spins", spin_between, &x);
	explore_go("spins", spin_between, &y);
	explore_check(atomic_load(&x) <= 1 && atomic_load(&y) <= 1, "");
	atomic_store(&word, 1);
}

static void spinning_is_fair(void **state)
{
	(void)state;
	assert_int_equal(find(two_spin_while_one_is_taken_off, 3),
			 EXPLORE_NOTHING);
}

static void a_schedule_runs_again(void **state)
{
	const struct explore_scenario scenario = {"self", opposite_order, 1, 1};
	char schedule[sizeof(result.schedule)];

	(void)state;
	explore(&scenario, 1, NULL, &result);
	assert_int_equal(result.finding, EXPLORE_DEADLOCK);
	strcpy(schedule, result.schedule);
	explore(&scenario, 0, schedule, &result);
	assert_int_equal(result.finding, EXPLORE_DEADLOCK);
	assert_int_equal(result.schedules, 1);
	explore(&scenario, 0, "0:0", &result);
	assert_int_equal(result.finding, EXPLORE_NOTHING);
}

static void a_wake_before_the_sleep(void *arg)
{
	(void)arg;
	atomic_store(&word, 1);
	flo__futex_wake((_Atomic uint32_t *)&word, 1);
}

/* Without a look at the word in the kernel the wake would be lost. */
static void sleep_on_a_futex(void)
{
	atomic_store(&word, 0);
	explore_go("wakes", a_wake_before_the_sleep, NULL);
	while (atomic_load(&word) == 0)
		flo__futex_wait((_Atomic uint32_t *)&word, 0, UINT64_MAX);
}

static void a_futex_looks_before_it_sleeps(void **state)
{
	(void)state;
	assert_int_equal(find(sleep_on_a_futex, 4), EXPLORE_NOTHING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_outcomes_are_reached_and_no_other),
		cmocka_unit_test(a_bound_is_kept),
		cmocka_unit_test(as_many_preemptions_as_it_takes),
		cmocka_unit_test(a_deadlock_is_found),
		cmocka_unit_test(a_livelock_is_found),
		cmocka_unit_test(a_broken_contract_is_found),
		cmocka_unit_test(a_leak_is_found),
		cmocka_unit_test(spinning_is_fair),
		cmocka_unit_test(a_schedule_runs_again),
		cmocka_unit_test(a_futex_looks_before_it_sleeps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
