/*
 * Mutexes, and what waits in a queue (the note in waitq_p.h): nothing granted
 * is lost, not even to a waiter whose context ends.
 */
#include "tests/interleave/explore.h"
#include "tests/interleave/point.h"

#include <flo/sync.h>

static flo_mutex mutex;
static flo_cond cond;
static flo_sem sem;
static flo_waitgroup group;
static flo_context *context;
static unsigned inside, count;
static atomic_uint clock_hand;

static void begin(void)
{
	mutex = (flo_mutex){0};
	cond = (flo_cond){0};
	group = (flo_waitgroup){0};
	flo_sem_init(&sem, 0);
	inside = 0;
	count = 0;
	context = flo_context_new(NULL);
}

static void end(void)
{
	explore_join();
	flo_context_unref(context);
}

static void lock_and_count(void *arg)
{
	(void)arg;
	flo_mutex_lock(&mutex);
	explore_check(++inside == 1, "one has the mutex");
	atomic_fetch_add(&clock_hand, 1); /* a point within */
	count++;
	inside--;
	flo_mutex_unlock(&mutex);
}

static void a_mutex_has_one_holder(void)
{
	begin();
	explore_go("locks", lock_and_count, NULL);
	explore_go("locks", lock_and_count, NULL);
	lock_and_count(NULL);
	lock_and_count(NULL);
	end();
	explore_check(count == 4, "all came through");
}

static void wait_for_count(void *arg)
{
	(void)arg;
	flo_mutex_lock(&mutex);
	while (count == 0)
		flo_cond_wait(&cond, &mutex, NULL);
	flo_mutex_unlock(&mutex);
}

static void a_signal_reaches_who_waits(void)
{
	begin();
	explore_go("waits", wait_for_count, NULL);
	lock_and_count(NULL);
	flo_cond_signal(&cond);
	end();
}

static void wait_until_cancelled(void *arg)
{
	(void)arg;
	flo_mutex_lock(&mutex);
	while (count == 0 && flo_cond_wait(&cond, &mutex, context) == FLO_OK)
		;
	flo_mutex_unlock(&mutex);
}

/* Of two that wait one is cancelled; the signal is not lost with it. */
static void a_signal_is_not_lost_to_a_cancelled_waiter(void)
{
	begin();
	explore_go("cancelled", wait_until_cancelled, NULL);
	explore_go("waits", wait_for_count, NULL);
	lock_and_count(NULL);
	flo_cond_signal(&cond);
	flo_context_cancel(context, NULL);
	flo_cond_signal(&cond);
	end();
}

static void cancel(void *arg)
{
	(void)arg;
	flo_context_cancel(context, NULL);
}

static void give(void *arg)
{
	(void)arg;
	flo_sem_give(&sem);
}

static void take(void *arg)
{
	(void)arg;
	explore_check(flo_sem_take(&sem, NULL) == FLO_OK, "no context");
	count++;
}

static void a_unit_is_not_lost_to_a_cancelled_waiter(void)
{
	flo_status st;

	begin();
	explore_go("canceller", cancel, NULL);
	explore_go("gives", give, NULL);
	st = flo_sem_take(&sem, context);
	explore_join();
	explore_check(flo_sem_trytake(&sem) == (st != FLO_OK),
		      "the unit is with one of the two");
	end();
}

static void a_cancel_ends_a_wait(void)
{
	begin();
	explore_go("canceller", cancel, NULL);
	explore_check(flo_sem_take(&sem, context) == FLO_CANCELED,
		      "the status is the context's");
	end();
}

static void each_unit_wakes_one(void)
{
	begin();
	explore_go("takes", take, NULL);
	explore_go("takes", take, NULL);
	explore_go("gives", give, NULL);
	give(NULL);
	end();
	explore_check(count == 2, "both have one");
	explore_check(!flo_sem_trytake(&sem), "and there were two");
}

static void done(void *arg)
{
	(void)arg;
	count++;
	flo_waitgroup_done(&group);
}

static void a_wait_group_waits_for_all(void)
{
	begin();
	flo_waitgroup_add(&group, 2);
	explore_go("member", done, NULL);
	explore_go("member", done, NULL);
	explore_check(flo_waitgroup_wait(&group, NULL) == FLO_OK, "");
	explore_check(count == 2, "all are done");
	end();
}

/* A pass over the tree against the end of what lies below. */

static void cancel_root(void *arg)
{
	flo_context_cancel(arg, NULL);
}

static void a_child_ends_while_its_parent_is_cancelled(void)
{
	flo_context *child, *grandchild;

	begin();
	explore_go("canceller", cancel_root, context);
	child = flo_context_child(context);
	grandchild = flo_context_child(child);
	flo_context_unref(child);
	flo_context_unref(grandchild);
	end();
}

static void two_cancels_reach_all(void)
{
	flo_context *child, *grandchild;

	begin();
	child = flo_context_child(context);
	grandchild = flo_context_child(child);
	explore_go("canceller", cancel_root, context);
	explore_go("canceller", cancel_root, child);
	explore_join();
	explore_check(flo_context_status(grandchild) == FLO_CANCELED,
		      "a cancel reaches what lies below");
	flo_context_unref(grandchild);
	flo_context_unref(child);
	end();
}

static const struct explore_scenario scenarios[] = {
	{"a_mutex_has_one_holder", a_mutex_has_one_holder, 3, 4},
	{"a_signal_reaches_who_waits", a_signal_reaches_who_waits, 3, 4},
	{"a_signal_is_not_lost_to_a_cancelled_waiter",
	 a_signal_is_not_lost_to_a_cancelled_waiter, 3, 4},
	{"a_unit_is_not_lost_to_a_cancelled_waiter",
	 a_unit_is_not_lost_to_a_cancelled_waiter, 3, 4},
	{"a_cancel_ends_a_wait", a_cancel_ends_a_wait, 5, 6},
	{"each_unit_wakes_one", each_unit_wakes_one, 3, 4},
	{"a_wait_group_waits_for_all", a_wait_group_waits_for_all, 3, 4},
	{"a_child_ends_while_its_parent_is_cancelled",
	 a_child_ends_while_its_parent_is_cancelled, 3, 5},
	{"two_cancels_reach_all", two_cancels_reach_all, 3, 4},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
