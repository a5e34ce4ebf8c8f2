/*
 * Once: one runs, the others see what it did. The pool: an object is with one
 * at a time.
 */
#include "tests/interleave/explore.h"
#include "tests/interleave/point.h"

#include <flo/sync.h>

#include <string.h>

#define OBJECTS 4

struct object {
	bool out; /* with somebody */
};

static flo_once once;
static flo_sem is_begun, may_end;
static flo_context *context;
static flo_pool *pool;
static struct object objects[OBJECTS];
static unsigned begun, ended, made;
static atomic_uint clock_hand;

static void begin(void)
{
	once = (flo_once){0};
	begun = 0;
	ended = 0;
	context = flo_context_new(NULL);
}

static void end(void)
{
	explore_join();
	explore_check(begun == 1 && ended == 1, "it was done once");
	flo_context_unref(context);
}

static void do_it(void *arg)
{
	(void)arg;
	begun++;
	atomic_fetch_add(&clock_hand, 1); /* a point within */
	ended++;
}

static void call(void *arg)
{
	(void)arg;
	explore_check(flo_once_do(&once, do_it, NULL, NULL) == FLO_OK,
		      "no context");
	explore_check(ended == 1, "who returns sees it done");
}

static void cancel(void *arg)
{
	(void)arg;
	flo_context_cancel(context, NULL);
}

static void the_second_caller_sees_it_done(void)
{
	begin();
	explore_go("calls", call, NULL);
	call(NULL);
	end();
}

static void all_who_wait_are_woken(void)
{
	begin();
	explore_go("calls", call, NULL);
	explore_go("calls", call, NULL);
	call(NULL);
	end();
}

static void a_cancelled_waiter_goes_alone(void)
{
	flo_status st;

	begin();
	explore_go("calls", call, NULL);
	explore_go("canceller", cancel, NULL);
	st = flo_once_do(&once, do_it, NULL, context);
	explore_check(st == FLO_OK ? ended == 1 : st == FLO_CANCELED,
		      "it is done, or the context has ended");
	call(NULL);
	end();
}

static void do_until_told(void *arg)
{
	flo_sem_give(&is_begun);
	explore_check(flo_sem_take(&may_end, NULL) == FLO_OK, "no context");
	do_it(arg);
}

static void call_long(void *arg)
{
	explore_check(flo_once_do(&once, do_until_told, arg, NULL) == FLO_OK,
		      "no context");
}

/* It ends only after the waiter has gone. */
static void a_cancel_ends_a_wait(void)
{
	begin();
	flo_sem_init(&is_begun, 0);
	flo_sem_init(&may_end, 0);
	explore_go("calls", call_long, NULL);
	explore_check(flo_sem_take(&is_begun, NULL) == FLO_OK, "no context");
	explore_go("canceller", cancel, NULL);
	explore_check(flo_once_do(&once, do_it, NULL, context) == FLO_CANCELED,
		      "the status is the context's");
	flo_sem_give(&may_end);
	end();
}

/* --- the pool --------------------------------------------------------------- */

static void *make(void *arg)
{
	(void)arg;
	explore_check(made < OBJECTS, "one for each who asks is enough");
	return &objects[made++];
}

static void get_and_put(void *arg)
{
	struct object *object = flo_pool_get(pool);

	(void)arg;
	explore_check(!object->out, "an object is with one at a time");
	object->out = true;
	atomic_fetch_add(&clock_hand, 1); /* a point within */
	object->out = false;
	flo_pool_put(pool, object);
}

static void drop(void *object, void *arg)
{
	(void)arg;
	explore_check(!((struct object *)object)->out, "nobody has it");
	made--;
}

/* Two are in it: one in the private slot, one on the stack. */
static void an_object_is_with_one(void)
{
	flo_runtime *any = (flo_runtime *)objects; /* not looked at */
	struct object *first, *second;

	memset(objects, 0, sizeof(objects));
	made = 0;
	explore_check(flo_pool_new(any, make, drop, NULL, &pool) == FLO_OK, "");
	first = flo_pool_get(pool);
	second = flo_pool_get(pool);
	flo_pool_put(pool, first);
	flo_pool_put(pool, second);
	explore_go("gets", get_and_put, NULL);
	explore_go("gets", get_and_put, NULL);
	get_and_put(NULL);
	explore_join();
	flo_pool_free(pool);
	explore_check(made == 0, "each was in it once");
}

static const struct explore_scenario scenarios[] = {
	{"the_second_caller_sees_it_done", the_second_caller_sees_it_done, 4,
	 5},
	{"all_who_wait_are_woken", all_who_wait_are_woken, 3, 4},
	{"a_cancelled_waiter_goes_alone", a_cancelled_waiter_goes_alone, 3, 4},
	{"a_cancel_ends_a_wait", a_cancel_ends_a_wait, 3, 4},
	{"an_object_is_with_one", an_object_is_with_one, 3, 4},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
