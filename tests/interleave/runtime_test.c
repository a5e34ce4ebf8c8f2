/*
 * A whole runtime: the end of one, and what is built on it, together with it.
 * The parts have scenarios of their own, with more preemptions.
 */
#include "tests/interleave/fixture.h"
#include "tests/interleave/point.h"

#include <flo/chan.h>
#include <flo/group.h>
#include <flo/sync.h>

static atomic_uint ran;
static flo_context *context;
static flo_chan *chan;

static void count(void *arg)
{
	(void)arg;
	atomic_fetch_add(&ran, 1);
}

/* The end of the last coroutine against flo_runtime_free(). */
static void free_waits_for_the_last_coroutine(void)
{
	atomic_store(&ran, 0);
	fixture_begin(1);
	explore_check(flo_go(rt, count, NULL) == FLO_OK, "memory");
	flo_runtime_free(rt);
	explore_check(atomic_load(&ran) == 1, "it has run");
}

static void go_twice(void *arg)
{
	(void)arg;
	explore_check(flo_go(NULL, count, NULL) == FLO_OK, "memory");
	count(NULL);
}

static void free_waits_for_what_others_started(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	explore_check(flo_go(rt, go_twice, NULL) == FLO_OK, "memory");
	flo_runtime_free(rt);
	explore_check(atomic_load(&ran) == 2, "both have run");
}

static void wake(void *arg)
{
	flo_note_wake(arg);
}

static void wait_for_note(void *arg)
{
	flo_note note;

	(void)arg;
	flo_note_init(&note);
	explore_go("waker", wake, &note);
	flo_note_wait(&note);
	count(NULL);
}

/* A thread that wakes the last coroutine is still inside when that ends. */
static void free_waits_for_who_woke_the_last(void)
{
	atomic_store(&ran, 0);
	fixture_begin(1);
	explore_check(flo_go(rt, wait_for_note, NULL) == FLO_OK, "memory");
	flo_runtime_free(rt);
	explore_check(atomic_load(&ran) == 1, "it has run");
}

static void send_two(void *arg)
{
	(void)arg;
	for (int i = 1; i <= 2; i++)
		explore_check(flo_chan_send(chan, &i, NULL) == FLO_OK, "");
}

static void receive_two(void *arg)
{
	int value;

	(void)arg;
	explore_check(flo_chan_new(sizeof(int), 0, &chan) == FLO_OK, "memory");
	explore_check(flo_go(NULL, send_two, NULL) == FLO_OK, "memory");
	for (int i = 1; i <= 2; i++) {
		explore_check(flo_chan_recv(chan, &value, NULL) == FLO_OK, "");
		explore_check(value == i, "values come in order");
	}
	flo_chan_free(chan);
}

static void a_channel_on_two_Ps(void)
{
	fixture_begin(2);
	fixture_run(receive_two);
}

static flo_note cancelled;

static void cancel(void *arg)
{
	(void)arg;
	flo_context_cancel(context, NULL);
	flo_note_wake(&cancelled);
}

static void receive_until_cancelled(void *arg)
{
	int value;

	(void)arg;
	context = flo_context_new(rt);
	explore_check(flo_chan_new(sizeof(int), 0, &chan) == FLO_OK, "memory");
	flo_note_init(&cancelled);
	explore_go("canceller", cancel, NULL);
	explore_check(flo_chan_recv(chan, &value, context) == FLO_CANCELED,
		      "nobody sends");
	flo_chan_free(chan);
	flo_note_wait(&cancelled);
	flo_context_unref(context);
}

static void a_cancel_from_an_ordinary_thread(void)
{
	fixture_begin(1);
	fixture_run(receive_until_cancelled);
	explore_join();
}

static flo_status member(flo_context *ctx, void *arg, flo_error *err)
{
	(void)ctx, (void)err;
	count(arg);
	return FLO_OK;
}

static void two_members_one_slot(void *arg)
{
	flo_group *group;

	(void)arg;
	context = flo_context_new(rt);
	explore_check(flo_group_new(context, &group) == FLO_OK, "memory");
	flo_group_set_limit(group, 1);
	for (int i = 0; i < 2; i++)
		explore_check(flo_group_go(group, member, NULL) == FLO_OK, "");
	explore_check(flo_group_wait(group, NULL) == FLO_OK, "none fails");
	explore_check(atomic_load(&ran) == 2, "all have run");
	flo_group_free(group);
	flo_context_unref(context);
}

static void a_group_on_two_Ps(void)
{
	atomic_store(&ran, 0);
	fixture_begin(2);
	fixture_run(two_members_one_slot);
}

static _Atomic(flo_group *) handed_on;

static void make_group(void *arg)
{
	flo_group *group;

	(void)arg;
	explore_check(flo_group_new(context, &group) == FLO_OK, "memory");
	atomic_store(&handed_on, group);
}

static flo_status starts_another(flo_context *ctx, void *arg, flo_error *err)
{
	(void)ctx, (void)err;
	count(arg);
	return flo_group_go(atomic_load(&handed_on), member, NULL);
}

/* Where the record of who made the group is free again, the next who starts
 * gets it. */
static void wait_for_anothers_group(void *arg)
{
	flo_group *group;

	(void)arg;
	context = flo_context_new(rt);
	explore_check(flo_go(NULL, make_group, NULL) == FLO_OK, "memory");
	flo_yield();
	while ((group = atomic_load(&handed_on)) == NULL)
		sched_yield(); /* it is on the other M */
	explore_check(flo_group_go(group, starts_another, NULL) == FLO_OK, "");
	while (atomic_load(&ran) == 0)
		sched_yield();
	explore_check(flo_group_wait(group, NULL) == FLO_OK, "none fails");
	explore_check(atomic_load(&ran) == 2, "all have run");
	flo_group_free(group);
	flo_context_unref(context);
}

static void a_member_is_not_taken_for_the_maker(void)
{
	atomic_store(&ran, 0);
	atomic_store(&handed_on, NULL);
	fixture_begin(2);
	fixture_run(wait_for_anothers_group);
}

static const struct explore_scenario scenarios[] = {
	{"free_waits_for_the_last_coroutine", free_waits_for_the_last_coroutine,
	 2, 3},
	{"free_waits_for_what_others_started",
	 free_waits_for_what_others_started, 1, 2},
	{"free_waits_for_who_woke_the_last", free_waits_for_who_woke_the_last,
	 2, 3},
	{"a_channel_on_two_Ps", a_channel_on_two_Ps, 1, 2},
	{"a_cancel_from_an_ordinary_thread", a_cancel_from_an_ordinary_thread,
	 2, 3},
	{"a_group_on_two_Ps", a_group_on_two_Ps, 1, 2},
	{"a_member_is_not_taken_for_the_maker",
	 a_member_is_not_taken_for_the_maker, 1, 2},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
