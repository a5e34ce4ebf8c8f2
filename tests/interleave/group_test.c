/*
 * Groups (the note in group.c): the last member against the wait, a slot that
 * is handed over against a cancel, nothing new after a failure.
 */
#include "tests/interleave/explore.h"
#include "tests/interleave/point.h"

#include "engine/group_p.h"

static flo_context *context;
static flo_group *group;
static unsigned ran, inside;
static atomic_uint clock_hand;

static void begin(unsigned limit)
{
	ran = 0;
	inside = 0;
	context = flo_context_new(NULL);
	explore_check(flo_group_new(context, &group) == FLO_OK, "memory");
	flo_group_set_limit(group, limit);
}

static void end(flo_status expected)
{
	flo_error err = {0};
	flo_status st = flo_group_wait(group, &err);

	explore_check(st == expected, "the first failure is the group's");
	explore_check(inside == 0, "all have ended");
	flo_group_free(group);
	explore_join();
	flo_context_unref(context);
}

static flo_status member(flo_context *ctx, void *arg, flo_error *err)
{
	(void)ctx, (void)arg, (void)err;
	inside++;
	atomic_fetch_add(&clock_hand, 1); /* a point within */
	ran++;
	inside--;
	return FLO_OK;
}

static flo_status alone(flo_context *ctx, void *arg, flo_error *err)
{
	explore_check(inside == 0, "the limit is kept");
	return member(ctx, arg, err);
}

static flo_status fails(flo_context *ctx, void *arg, flo_error *err)
{
	(void)ctx, (void)arg, (void)err;
	return FLO_INVALID;
}

static void the_last_member_against_the_wait(void)
{
	begin(0);
	explore_check(flo_group_go(group, member, NULL) == FLO_OK, "");
	explore_check(flo_group_go(group, member, NULL) == FLO_OK, "");
	end(FLO_OK);
	explore_check(ran == 2, "all ran");
}

static void a_slot_goes_from_one_to_the_next(void)
{
	begin(1);
	for (int i = 0; i < 3; i++)
		explore_check(flo_group_go(group, alone, NULL) == FLO_OK, "");
	end(FLO_OK);
	explore_check(ran == 3, "all ran");
}

static flo_status spawns(flo_context *ctx, void *arg, flo_error *err)
{
	(void)ctx, (void)arg, (void)err;
	return flo_group_go(group, member, NULL);
}

static void members_start_members(void)
{
	begin(2);
	explore_check(flo_group_go(group, spawns, NULL) == FLO_OK, "");
	explore_check(flo_group_go(group, member, NULL) == FLO_OK, "");
	end(FLO_OK);
	explore_check(ran == 2, "all ran");
}

static void cancel(void *arg)
{
	(void)arg;
	flo_context_cancel(context, NULL);
}

static void a_cancel_against_a_wait_for_a_slot(void)
{
	unsigned started = 0;

	begin(1);
	explore_go("canceller", cancel, NULL);
	for (int i = 0; i < 2; i++)
		started += flo_group_go(group, alone, NULL) == FLO_OK;
	end(FLO_OK);
	explore_check(ran == started, "those that started ran");
}

static void nothing_starts_after_a_failure(void)
{
	flo_status st;

	begin(1);
	explore_check(flo_group_go(group, fails, NULL) == FLO_OK, "");
	/* Its slot is free only after it has failed. */
	st = flo_group_go(group, member, NULL);
	explore_check(st == FLO_CANCELED, "nothing starts after a failure");
	end(FLO_INVALID);
	explore_check(ran == 0, "nor runs");
}

/* A member that gives its slot up for a while, as a retry does. */
static flo_status gives_up(flo_context *ctx, void *arg, flo_error *err)
{
	(void)ctx, (void)arg, (void)err;
	flo__group_slot_give(group);
	flo__group_slot_retake(group);
	return alone(ctx, arg, err);
}

static void a_slot_is_given_up_and_retaken(void)
{
	begin(1);
	explore_check(flo_group_go(group, gives_up, NULL) == FLO_OK, "");
	explore_check(flo_group_go(group, alone, NULL) == FLO_OK, "");
	end(FLO_OK);
	explore_check(ran == 2, "all ran");
}

static const struct explore_scenario scenarios[] = {
	{"the_last_member_against_the_wait", the_last_member_against_the_wait,
	 3, 4},
	{"a_slot_goes_from_one_to_the_next", a_slot_goes_from_one_to_the_next,
	 3, 4},
	{"members_start_members", members_start_members, 3, 4},
	{"a_cancel_against_a_wait_for_a_slot",
	 a_cancel_against_a_wait_for_a_slot, 3, 4},
	{"nothing_starts_after_a_failure", nothing_starts_after_a_failure, 3,
	 4},
	{"a_slot_is_given_up_and_retaken", a_slot_is_given_up_and_retaken, 3,
	 4},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
