/* flo_group: behaviours of errgroup, slots taken apart, and races of cancel. */
#include "coro.h"
#include "waiting.h"

#include <flo/group.h>
#include <flo/panic.h>
#include <flo/sync.h>

#include "base/alloc.h"
#include "engine/group_p.h"

#include <string.h>

static flo_group *group_under(flo_context *parent)
{
	flo_group *group = NULL;

	EXPECT(flo_group_new(parent, &group) == FLO_OK);
	return group;
}

static flo_context *root(void)
{
	return flo_context_new(flo_runtime_current());
}

static flo_status succeed(flo_context *context, void *arg, flo_error *err)
{
	(void)context;
	(void)err;
	if (arg != NULL)
		atomic_fetch_add((atomic_int *)arg, 1);
	return FLO_OK;
}

static flo_status fail_with_text(flo_context *context, void *arg,
				 flo_error *err)
{
	(void)context;
	return flo_error_set(err, FLO_EXIT, "%s", (const char *)arg);
}

static flo_status fail_without_text(flo_context *context, void *arg,
				    flo_error *err)
{
	(void)context;
	(void)arg;
	(void)err;
	return FLO_IO;
}

/* Waits for its context's end, and says how it ended. */
static flo_status wait_for_end(flo_context *context, void *arg, flo_error *err)
{
	(void)arg;
	return flo_error_set(err, flo_sleep(context, UINT64_MAX / 2),
			     "was told to end");
}

static void an_empty_group_succeeds_body(void *arg)
{
	flo_context *r = root();
	flo_group *g = group_under(r);
	flo_error err = FLO_ERROR_INIT;

	(void)arg;
	EXPECT(flo_group_wait(g, &err) == FLO_OK);
	EXPECT(err.status == FLO_OK);
	EXPECT(flo_context_status(flo_group_context(g)) == FLO_CANCELED);
	EXPECT(flo_context_status(r) == FLO_OK);
	flo_group_free(g);
	flo_group_free(NULL);
	flo_context_unref(r);
}
CORO_TEST(an_empty_group_succeeds);

static void wait_waits_for_all_body(void *arg)
{
	flo_context *r = root();
	flo_group *g = group_under(r);
	atomic_int ran = 0;

	(void)arg;
	for (int i = 0; i < 500; i++)
		EXPECT(flo_group_go(g, succeed, &ran) == FLO_OK);
	EXPECT(flo_group_wait(g, NULL) == FLO_OK);
	EXPECT(atomic_load(&ran) == 500);
	flo_group_free(g);
	flo_context_unref(r);
}
CORO_TEST(wait_waits_for_all);

static void first_error_cancels_siblings_body(void *arg)
{
	char why[] = "broke";
	flo_context *r = root();
	flo_group *g = group_under(r);
	flo_error err = FLO_ERROR_INIT, cause = FLO_ERROR_INIT;

	(void)arg;
	for (int i = 0; i < 5; i++)
		EXPECT(flo_group_go(g, wait_for_end, NULL) == FLO_OK);
	EXPECT(flo_group_go(g, fail_with_text, why) == FLO_OK);
	EXPECT(flo_group_wait(g, &err) == FLO_EXIT);
	EXPECT(err.status == FLO_EXIT && strcmp(err.text, "broke") == 0);
	EXPECT(flo_context_cause(flo_group_context(g), &cause) == FLO_CANCELED);
	EXPECT(cause.status == FLO_EXIT && strcmp(cause.text, "broke") == 0);
	EXPECT(flo_context_status(r) == FLO_OK);
	flo_group_free(g);
	flo_context_unref(r);
}
CORO_TEST(first_error_cancels_siblings);

static void a_status_alone_is_an_error_body(void *arg)
{
	flo_context *r = root();
	flo_group *g = group_under(r);
	flo_error err = FLO_ERROR_INIT;

	(void)arg;
	EXPECT(flo_group_go(g, fail_without_text, NULL) == FLO_OK);
	EXPECT(flo_group_wait(g, &err) == FLO_IO);
	EXPECT(err.status == FLO_IO && strlen(err.text) > 0);
	flo_group_free(g);
	flo_context_unref(r);
}
CORO_TEST(a_status_alone_is_an_error);

static void nothing_starts_after_a_failure_body(void *arg)
{
	flo_context *r = root();
	flo_group *g = group_under(r);
	atomic_int ran = 0;

	(void)arg;
	EXPECT(flo_group_go(g, fail_without_text, NULL) == FLO_OK);
	UNTIL(flo_context_status(flo_group_context(g)) != FLO_OK);
	EXPECT(flo_group_go(g, succeed, &ran) == FLO_CANCELED);
	EXPECT(flo_group_try_go(g, succeed, &ran) == FLO_CANCELED);
	EXPECT(flo__group_slot_take(g, false) == FLO_CANCELED);
	EXPECT(flo_group_wait(g, NULL) == FLO_IO);
	EXPECT(atomic_load(&ran) == 0);
	flo_group_free(g);
	flo_context_unref(r);
}
CORO_TEST(nothing_starts_after_a_failure);

static void the_parents_end_ends_the_members_body(void *arg)
{
	flo_context *r = root();
	flo_group *g = group_under(r), *h = group_under(r);

	(void)arg;
	EXPECT(flo_group_go(g, wait_for_end, NULL) == FLO_OK);
	EXPECT(flo_group_go(h, succeed, NULL) == FLO_OK);
	flo_context_cancel(r, NULL);
	EXPECT(flo_group_wait(g, NULL) == FLO_CANCELED);
	/* nobody in it failed: a cancellation from outside is no failure */
	EXPECT(flo_group_wait(h, NULL) == FLO_OK);
	flo_group_free(g);
	flo_group_free(h);
	flo_context_unref(r);
}
CORO_TEST(the_parents_end_ends_the_members);

struct nest {
	flo_group *group;
	atomic_int depth;
};

/* A member may start members of its own group, even while it is waited for. */
static flo_status start_another(flo_context *context, void *arg, flo_error *err)
{
	struct nest *n = arg;

	(void)context;
	(void)err;
	if (atomic_fetch_add(&n->depth, 1) < 50)
		EXPECT(flo_group_go(n->group, start_another, n) == FLO_OK);
	return FLO_OK;
}

static void members_start_members_body(void *arg)
{
	flo_context *r = root();
	struct nest n = {.group = group_under(r)};

	(void)arg;
	EXPECT(flo_group_go(n.group, start_another, &n) == FLO_OK);
	EXPECT(flo_group_wait(n.group, NULL) == FLO_OK);
	EXPECT(atomic_load(&n.depth) == 51);
	flo_group_free(n.group);
	flo_context_unref(r);
}
CORO_TEST(members_start_members);

/* --- limits ----------------------------------------------------------------- */

struct limited {
	flo_group *group;
	atomic_int inside, most, ran;
	int limit;
	flo_sem gate;
	char order[8];
	flo_sem started;
};

static flo_status count_inside(flo_context *context, void *arg, flo_error *err)
{
	struct limited *l = arg;
	int inside = 1 + atomic_fetch_add(&l->inside, 1);
	int most = atomic_load(&l->most);

	(void)context;
	(void)err;
	while (inside > most &&
	       !atomic_compare_exchange_weak(&l->most, &most, inside))
		;
	if (inside % 2 == 0)
		flo_yield();
	atomic_fetch_sub(&l->inside, 1);
	atomic_fetch_add(&l->ran, 1);
	return FLO_OK;
}

static void never_more_than_the_limit_body(void *arg)
{
	flo_context *r = root();

	(void)arg;
	for (uint32_t limit = 1; limit <= 64; limit *= 4) {
		struct limited l = {.group = group_under(r)};

		flo_group_set_limit(l.group, limit);
		for (int i = 0; i < CORO_STRESS(20000); i++)
			EXPECT(flo_group_go(l.group, count_inside, &l) ==
			       FLO_OK);
		EXPECT(flo_group_wait(l.group, NULL) == FLO_OK);
		EXPECT(atomic_load(&l.ran) == CORO_STRESS(20000));
		EXPECT(atomic_load(&l.most) <= (int)limit);
		flo_group_free(l.group);
	}
	flo_context_unref(r);
}
CORO_TEST(never_more_than_the_limit);

static flo_status pass_the_gate(flo_context *context, void *arg, flo_error *err)
{
	struct limited *l = arg;

	(void)err;
	flo_sem_give(&l->started);
	return flo_sem_take(&l->gate, context);
}

static void try_go_does_not_wait_at_the_limit_body(void *arg)
{
	flo_context *r = root();
	struct limited l = {.group = group_under(r)};

	(void)arg;
	flo_group_set_limit(l.group, 2);
	EXPECT(flo_group_try_go(l.group, pass_the_gate, &l) == FLO_OK);
	EXPECT(flo_group_go(l.group, pass_the_gate, &l) == FLO_OK);
	EXPECT(flo_group_try_go(l.group, pass_the_gate, &l) == FLO_AGAIN);
	flo_sem_give(&l.gate);
	UNTIL(flo_group_try_go(l.group, pass_the_gate, &l) == FLO_OK);
	flo_sem_give(&l.gate);
	flo_sem_give(&l.gate);
	EXPECT(flo_group_wait(l.group, NULL) == FLO_OK);
	flo_group_free(l.group);
	flo_context_unref(r);
}
CORO_TEST(try_go_does_not_wait_at_the_limit);

struct starter {
	struct limited *l;
	char letter;
	flo_status status;
	flo_sem ended;
};

static flo_status write_letter(flo_context *context, void *arg, flo_error *err)
{
	struct starter *s = arg;

	(void)context;
	(void)err;
	s->l->order[atomic_fetch_add(&s->l->ran, 1)] = s->letter;
	return FLO_OK;
}

static void start_a_writer(void *arg)
{
	struct starter *s = arg;

	s->status = flo_group_go(s->l->group, write_letter, s);
	flo_sem_give(&s->ended);
}

static void take_front_and_start(void *arg)
{
	struct starter *s = arg;

	s->status = flo__group_slot_take(s->l->group, true);
	if (s->status == FLO_OK)
		s->status = flo__group_go_taken(s->l->group, write_letter, s, 0,
						"writer");
	flo_sem_give(&s->ended);
}

/* The queue comes first in a group. */
static uint32_t queued(flo_group *group)
{
	return waiting_in((struct flo__waitq *)group);
}

static void slots_go_in_order_and_to_the_front_first_body(void *arg)
{
	flo_context *r = root();
	struct limited l = {.group = group_under(r)};
	struct starter s[4];

	(void)arg;
	flo_group_set_limit(l.group, 1);
	EXPECT(flo_group_go(l.group, pass_the_gate, &l) == FLO_OK);
	for (uint32_t i = 0; i < 4; i++) {
		s[i] = (struct starter){.l = &l, .letter = (char)('a' + i)};
		coro_go(i < 3 ? start_a_writer : take_front_and_start, &s[i]);
		UNTIL(queued(l.group) == i + 1);
	}
	flo_sem_give(&l.gate);
	for (int i = 0; i < 4; i++) {
		flo_sem_take(&s[i].ended, NULL);
		EXPECT(s[i].status == FLO_OK);
	}
	EXPECT(flo_group_wait(l.group, NULL) == FLO_OK);
	EXPECT(memcmp(l.order, "dabc", 4) == 0);
	flo_group_free(l.group);
	flo_context_unref(r);
}
CORO_TEST(slots_go_in_order_and_to_the_front_first);

static void a_failure_refuses_who_waits_for_a_slot_body(void *arg)
{
	flo_context *r = root();
	struct limited l = {.group = group_under(r)};
	struct starter s = {.l = &l};

	(void)arg;
	flo_group_set_limit(l.group, 1);
	EXPECT(flo_group_go(l.group, pass_the_gate, &l) == FLO_OK);
	coro_go(start_a_writer, &s);
	UNTIL(queued(l.group) == 1);
	flo_context_cancel(r, NULL);
	flo_sem_take(&s.ended, NULL);
	EXPECT(s.status == FLO_CANCELED);
	EXPECT(flo_group_wait(l.group, NULL) == FLO_CANCELED);
	EXPECT(atomic_load(&l.ran) == 0);
	flo_group_free(l.group);
	flo_context_unref(r);
}
CORO_TEST(a_failure_refuses_who_waits_for_a_slot);

/* A slot that the failing member itself frees is not a start either. */
static void its_own_slot_does_not_let_another_start_body(void *arg)
{
	flo_context *r = root();
	atomic_int ran;

	(void)arg;
	for (int i = 0; i < CORO_STRESS(20000); i++) {
		flo_group *g = group_under(r);

		atomic_init(&ran, 0);
		flo_group_set_limit(g, 1);
		EXPECT(flo_group_go(g, fail_without_text, NULL) == FLO_OK);
		EXPECT(flo_group_go(g, succeed, &ran) == FLO_CANCELED);
		EXPECT(flo_group_wait(g, NULL) == FLO_IO);
		EXPECT(atomic_load(&ran) == 0);
		flo_group_free(g);
	}
	flo_context_unref(r);
}
CORO_TEST(its_own_slot_does_not_let_another_start);

static void a_slot_can_be_given_up_and_taken_again_body(void *arg)
{
	flo_context *r = root();
	struct limited l = {.group = group_under(r)};
	struct starter s = {.l = &l, .letter = 'x'};

	(void)arg;
	flo_group_set_limit(l.group, 1);
	EXPECT(flo__group_slot_take(l.group, false) == FLO_OK);
	EXPECT(flo_group_try_go(l.group, write_letter, &s) == FLO_AGAIN);
	flo__group_slot_give(l.group);
	EXPECT(flo_group_try_go(l.group, write_letter, &s) == FLO_OK);
	EXPECT(flo__group_slot_take(l.group, true) == FLO_OK);
	EXPECT(flo__group_go_taken(l.group, write_letter, &s, 0, "x") ==
	       FLO_OK);
	EXPECT(flo_group_wait(l.group, NULL) == FLO_OK);
	EXPECT(atomic_load(&l.ran) == 2);
	flo_group_free(l.group);
	flo_context_unref(r);
}
CORO_TEST(a_slot_can_be_given_up_and_taken_again);

/* --- errgroup's own tests, as far as the ones above do not say it ------------- */

struct turn {
	flo_status status;
	const char *text;
};

static flo_status end_as_told(flo_context *context, void *arg, flo_error *err)
{
	struct turn *t = arg;

	(void)context;
	return t->status != FLO_OK
		       ? flo_error_set(err, t->status, "%s", t->text)
		       : FLO_OK;
}

/* TestZeroGroup: one after the other, so that the first is the first. */
static void the_first_error_stays_body(void *arg)
{
	struct turn turns[] = {
		{FLO_OK, ""},
		{FLO_EXIT, "first"},
		{FLO_OK, ""},
		{FLO_IO, "second"},
	};
	flo_context *r = root();

	(void)arg;
	for (size_t n = 0; n <= 4; n++) {
		flo_group *g = group_under(r);
		flo_error err = FLO_ERROR_INIT;
		flo_status st;

		for (size_t i = 0; i < n; i++) {
			st = flo_group_go(g, end_as_told, &turns[i]);
			/* after the failure nothing starts */
			EXPECT(st == (i < 2 ? FLO_OK : FLO_CANCELED));
			UNTIL(i != 1 || flo_context_status(flo_group_context(
						g)) != FLO_OK);
		}
		EXPECT(flo_group_wait(g, &err) == (n < 2 ? FLO_OK : FLO_EXIT));
		EXPECT(n < 2 || strcmp(err.text, "first") == 0);
		flo_group_free(g);
	}
	flo_context_unref(r);
}
CORO_TEST(the_first_error_stays);

static flo_status fail_when_all_fail(flo_context *context, void *arg,
				     flo_error *err)
{
	struct limited *l = arg;
	int me = 1 + atomic_fetch_add(&l->inside, 1);

	(void)context;
	UNTIL(atomic_load(&l->inside) == 8);
	return flo_error_set(err, FLO_EXIT, "number %d", me);
}

/* Eight fail at once: one error, and it is the cause that the others see. */
static void of_many_errors_one_is_told_body(void *arg)
{
	flo_context *r = root();

	(void)arg;
	for (int round = 0; round < CORO_STRESS(500); round++) {
		struct limited l = {.group = group_under(r)};
		flo_error err = FLO_ERROR_INIT, cause = FLO_ERROR_INIT;

		for (int i = 0; i < 8; i++)
			EXPECT(flo_group_go(l.group, fail_when_all_fail, &l) ==
			       FLO_OK);
		EXPECT(flo_group_wait(l.group, &err) == FLO_EXIT);
		flo_context_cause(flo_group_context(l.group), &cause);
		EXPECT(strcmp(err.text, cause.text) == 0);
		EXPECT(strncmp(err.text, "number ", 7) == 0);
		flo_group_free(l.group);
	}
	flo_context_unref(r);
}
CORO_TEST(of_many_errors_one_is_told);

/* Not as in Go, where it lets nothing start: flo/group.h says so. */
static void a_limit_of_zero_is_none_body(void *arg)
{
	flo_context *r = root();
	struct limited l = {.group = group_under(r)};

	(void)arg;
	flo_group_set_limit(l.group, 1);
	flo_group_set_limit(l.group, 0);
	for (int i = 0; i < 50; i++)
		EXPECT(flo_group_try_go(l.group, pass_the_gate, &l) == FLO_OK);
	for (int i = 0; i < 50; i++)
		EXPECT(flo_sem_take(&l.started, NULL) == FLO_OK);
	flo_sem_give_n(&l.gate, 50);
	EXPECT(flo_group_wait(l.group, NULL) == FLO_OK);
	flo_group_free(l.group);
	flo_context_unref(r);
}
CORO_TEST(a_limit_of_zero_is_none);

/* TestTryGo: as many as the limit says, and again when they have ended. */
static void try_go_fills_the_limit_body(void *arg)
{
	enum {
		LIMIT = 42
	};
	flo_context *r = root();
	struct limited l = {.group = group_under(r)};

	(void)arg;
	flo_group_set_limit(l.group, LIMIT);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < LIMIT; i++)
			UNTIL(flo_group_try_go(l.group, pass_the_gate, &l) ==
			      FLO_OK);
		EXPECT(flo_group_try_go(l.group, pass_the_gate, &l) ==
		       FLO_AGAIN);
		flo_sem_give_n(&l.gate, LIMIT);
	}
	EXPECT(flo_group_wait(l.group, NULL) == FLO_OK);
	flo_group_free(l.group);
	flo_context_unref(r);
}
CORO_TEST(try_go_fills_the_limit);

static void set_another_limit(void *arg)
{
	flo_group_set_limit(arg, 9);
}

static void the_limit_stays_while_members_are_active_body(void *arg)
{
	flo_context *r = root();
	struct limited l = {.group = group_under(r)};

	(void)arg;
	EXPECT(flo_group_go(l.group, pass_the_gate, &l) == FLO_OK);
	EXPECT(coro_breaks(
		set_another_limit, l.group,
		"flo_group_set_limit: broken contract: members of the group are active"));
	flo_sem_give(&l.gate);
	EXPECT(flo_group_wait(l.group, NULL) == FLO_OK);
	flo_group_free(l.group);
	flo_context_unref(r);
}
CORO_TEST(the_limit_stays_while_members_are_active);

/* TestWithContext: the context has ended after the wait, also if all went well;
 * its cause is the error, if there was one. */
static void the_cause_is_the_error_body(void *arg)
{
	struct turn well = {FLO_OK, ""}, badly = {FLO_EXIT, "doh"};
	flo_error cause = FLO_ERROR_INIT;
	flo_context *r = root();
	flo_group *g = group_under(r);

	(void)arg;
	EXPECT(flo_group_go(g, end_as_told, &well) == FLO_OK);
	EXPECT(flo_group_wait(g, NULL) == FLO_OK);
	EXPECT(flo_context_cause(flo_group_context(g), &cause) == FLO_CANCELED);
	EXPECT(cause.status == FLO_CANCELED);
	flo_group_free(g);
	g = group_under(r);
	EXPECT(flo_group_go(g, end_as_told, &well) == FLO_OK);
	EXPECT(flo_group_go(g, end_as_told, &badly) == FLO_OK);
	EXPECT(flo_group_wait(g, NULL) == FLO_EXIT);
	EXPECT(flo_context_cause(flo_group_context(g), &cause) == FLO_CANCELED);
	EXPECT(cause.status == FLO_EXIT && strcmp(cause.text, "doh") == 0);
	flo_group_free(g);
	flo_context_unref(r);
}
CORO_TEST(the_cause_is_the_error);

/* --- races -------------------------------------------------------------------- */

struct storm {
	flo_group *group;
	atomic_int ran, started;
	flo_waitgroup spawners;
};

static flo_status blow(flo_context *context, void *arg, flo_error *err)
{
	struct storm *s = arg;
	int n = atomic_fetch_add(&s->ran, 1);

	(void)context;
	if (n % 4 == 0)
		flo_yield();
	if (n == 25)
		return flo_error_set(err, FLO_EXIT, "the 25th");
	return FLO_OK;
}

static flo_status spawn_many(flo_context *context, void *arg, flo_error *err)
{
	struct storm *s = arg;

	(void)context;
	(void)err;
	for (int i = 0; i < 20; i++)
		if (flo_group_go(s->group, blow, s) == FLO_OK)
			atomic_fetch_add(&s->started, 1);
	return FLO_OK;
}

/* Exactly those that were accepted run, and wait outlives every one. */
static void cancel_races_with_starts_body(void *arg)
{
	flo_context *r = root();

	(void)arg;
	for (int i = 0; i < CORO_STRESS(1000); i++) {
		struct storm s = {.group = group_under(r)};
		flo_group *spawners = group_under(r);
		flo_status st;

		flo_group_set_limit(s.group, i % 5);
		for (int k = 0; k < 4; k++)
			flo_group_go(spawners, spawn_many, &s);
		if (i % 7 == 0)
			flo_context_cancel(flo_group_context(s.group), NULL);
		EXPECT(flo_group_wait(spawners, NULL) == FLO_OK);
		st = flo_group_wait(s.group, NULL);
		EXPECT(st == FLO_EXIT || atomic_load(&s.ran) <= 25);
		EXPECT(atomic_load(&s.ran) == atomic_load(&s.started));
		flo_group_free(s.group);
		flo_group_free(spawners);
	}
	flo_context_unref(r);
}
CORO_TEST(cancel_races_with_starts);

/* Made and freed at once: what a late touch by a member would hit. */
static void it_may_be_freed_after_the_wait_body(void *arg)
{
	flo_context *r = root();
	atomic_int ran = 0;

	(void)arg;
	for (int i = 0; i < CORO_STRESS(30000); i++) {
		flo_group *g = group_under(r);

		flo_group_set_limit(g, (uint32_t)i % 3);
		for (int k = 0; k < 3; k++)
			flo_group_go(g, succeed, &ran);
		EXPECT(flo_group_wait(g, NULL) == FLO_OK);
		flo_group_free(g);
	}
	EXPECT(atomic_load(&ran) == CORO_STRESS(30000) * 3);
	flo_context_unref(r);
}
CORO_TEST(it_may_be_freed_after_the_wait);

/* --- out of memory, misuse ------------------------------------------------- */

static void out_of_memory_starts_nothing_body(void *arg)
{
	flo_context *r = root();
	flo_group *g = NULL;
	atomic_int ran = 0;
	int started = 0;

	(void)arg;
	for (long nth = 1; nth <= 2; nth++) {
		flo__alloc_fail_at(nth, 0);
		EXPECT(flo_group_new(r, &g) == FLO_NOMEM);
		EXPECT(g == NULL);
	}
	flo__alloc_fail_at(0, 0);
	g = group_under(r);
	/* on the one thread none ends meanwhile: records run out */
	flo__alloc_fail_at(1, 1);
	while (started < 100000 && flo_group_go(g, succeed, &ran) == FLO_OK)
		started++;
	EXPECT(started < 100000);
	EXPECT(flo_group_try_go(g, succeed, &ran) == FLO_NOMEM);
	EXPECT(flo__group_slot_take(g, false) == FLO_OK);
	EXPECT(flo__group_go_taken(g, succeed, &ran, 0, "x") == FLO_NOMEM);
	flo__alloc_fail_at(0, 0);
	/* the caller still has that slot; nobody waits for the refused */
	EXPECT(flo__group_go_taken(g, succeed, &ran, 0, "x") == FLO_OK);
	EXPECT(flo_group_go(g, succeed, &ran) == FLO_OK);
	EXPECT(flo_group_wait(g, NULL) == FLO_OK);
	EXPECT(atomic_load(&ran) == started + 2);
	flo_group_free(g);
	flo_context_unref(r);
}

static void out_of_memory_starts_nothing(void **state)
{
	(void)state;
	coro_run(&(struct flo_runtime_options){.procs = 1},
		 out_of_memory_starts_nothing_body, NULL);
}

static void go_again(void *arg)
{
	flo_group_go(arg, succeed, NULL);
}

static void wait_again(void *arg)
{
	flo_group_wait(arg, NULL);
}

static void set_limit_late(void *arg)
{
	flo_group_set_limit(arg, 3);
}

static void give_too_much(void *arg)
{
	flo__group_slot_give(arg);
}

static void misuse_is_a_broken_contract_body(void *arg)
{
	flo_context *r = root();
	flo_group *g = group_under(r);

	(void)arg;
	EXPECT(flo_try(give_too_much, g, NULL) == FLO_PANIC);
	EXPECT(flo_group_wait(g, NULL) == FLO_OK);
	EXPECT(flo_try(wait_again, g, NULL) == FLO_PANIC);
	EXPECT(flo_try(set_limit_late, g, NULL) == FLO_PANIC);
	flo_group_free(g);
	flo_context_unref(r);
}
CORO_TEST(misuse_is_a_broken_contract);

static void a_group_is_not_reused_body(void *arg)
{
	flo_context *r = root();
	flo_group *g = group_under(r);

	(void)arg;
	EXPECT(flo_group_wait(g, NULL) == FLO_OK);
	/* refused by its context, which wait ended */
	EXPECT(flo_try(go_again, g, NULL) == FLO_OK);
	EXPECT(flo_group_go(g, succeed, NULL) == FLO_CANCELED);
	flo_group_free(g);
	flo_context_unref(r);
}
CORO_TEST(a_group_is_not_reused);

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_empty_group_succeeds),
		cmocka_unit_test(wait_waits_for_all),
		cmocka_unit_test(first_error_cancels_siblings),
		cmocka_unit_test(a_status_alone_is_an_error),
		cmocka_unit_test(nothing_starts_after_a_failure),
		cmocka_unit_test(the_parents_end_ends_the_members),
		cmocka_unit_test(members_start_members),
		cmocka_unit_test(never_more_than_the_limit),
		cmocka_unit_test(try_go_does_not_wait_at_the_limit),
		cmocka_unit_test(slots_go_in_order_and_to_the_front_first),
		cmocka_unit_test(a_failure_refuses_who_waits_for_a_slot),
		cmocka_unit_test(its_own_slot_does_not_let_another_start),
		cmocka_unit_test(a_slot_can_be_given_up_and_taken_again),
		cmocka_unit_test(the_first_error_stays),
		cmocka_unit_test(of_many_errors_one_is_told),
		cmocka_unit_test(a_limit_of_zero_is_none),
		cmocka_unit_test(try_go_fills_the_limit),
		cmocka_unit_test(the_limit_stays_while_members_are_active),
		cmocka_unit_test(the_cause_is_the_error),
		cmocka_unit_test(cancel_races_with_starts),
		cmocka_unit_test(it_may_be_freed_after_the_wait),
		cmocka_unit_test(out_of_memory_starts_nothing),
		cmocka_unit_test(misuse_is_a_broken_contract),
		cmocka_unit_test(a_group_is_not_reused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
