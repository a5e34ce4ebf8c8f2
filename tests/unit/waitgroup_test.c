/* flo_waitgroup: behaviours of Go's sync.WaitGroup, and cancelled waits. */
#include "coro.h"
#include "waiting.h"

#include <flo/panic.h>
#include <flo/sync.h>

static void zero_does_not_wait_body(void *arg)
{
	flo_waitgroup wg = {.count = 0};

	(void)arg;
	EXPECT(flo_waitgroup_wait(&wg, NULL) == FLO_OK);
}
CORO_TEST(zero_does_not_wait);

struct two_rounds {
	flo_waitgroup start, end;
	atomic_int through;
};

static void wait_then_end(void *arg)
{
	struct two_rounds *t = arg;

	flo_waitgroup_wait(&t->start, NULL);
	atomic_fetch_add(&t->through, 1);
	flo_waitgroup_done(&t->end);
}

static void all_waiters_go_on_at_zero_body(void *arg)
{
	struct two_rounds t = {.start = {.count = 0}};

	(void)arg;
	/* used twice: a wait group may be filled again */
	for (int round = 1; round <= 2; round++) {
		flo_waitgroup_add(&t.start, 2);
		flo_waitgroup_add(&t.end, 16);
		for (int i = 0; i < 16; i++)
			coro_go(wait_then_end, &t);
		UNTIL(waiting_in(&t.start.q) == 16);
		flo_waitgroup_done(&t.start);
		EXPECT(atomic_load(&t.through) == (round - 1) * 16);
		flo_waitgroup_done(&t.start);
		flo_waitgroup_wait(&t.end, NULL);
		EXPECT(atomic_load(&t.through) == round * 16);
	}
}
CORO_TEST(all_waiters_go_on_at_zero);

struct ended_wait {
	flo_waitgroup wg;
	flo_context *context;
	flo_sem ended;
	flo_status status;
};

static void wait_under_context(void *arg)
{
	struct ended_wait *w = arg;

	w->status = flo_waitgroup_wait(&w->wg, w->context);
	flo_sem_give(&w->ended);
}

static void a_wait_ends_with_its_context_body(void *arg)
{
	struct ended_wait w = {.context =
				       flo_context_new(flo_runtime_current())};

	(void)arg;
	flo_waitgroup_add(&w.wg, 1);
	coro_go(wait_under_context, &w);
	UNTIL(waiting_in(&w.wg.q) == 1);
	flo_context_cancel(w.context, NULL);
	EXPECT(flo_sem_take(&w.ended, NULL) == FLO_OK);
	EXPECT(w.status == FLO_CANCELED);
	EXPECT(waiting_in(&w.wg.q) == 0);
	flo_waitgroup_done(&w.wg);
	EXPECT(flo_waitgroup_wait(&w.wg, NULL) == FLO_OK);
	flo_context_unref(w.context);
}
CORO_TEST(a_wait_ends_with_its_context);

/* The waiter frees at once what the last done() has touched. */
struct short_lived {
	flo_waitgroup wg;
	int work;
};

static void work_and_end(void *arg)
{
	struct short_lived *s = arg;

	s->work++;
	flo_waitgroup_done(&s->wg);
}

static void it_may_be_gone_after_the_wait_body(void *arg)
{
	(void)arg;
	for (int i = 0; i < CORO_STRESS(20000); i++) {
		struct short_lived s = {.work = i};

		flo_waitgroup_add(&s.wg, 1);
		coro_go(work_and_end, &s);
		flo_waitgroup_wait(&s.wg, NULL);
		EXPECT(s.work == i + 1);
		/* what a late touch of the old one would hit */
		s = (struct short_lived){.work = -1};
		EXPECT(s.wg.count == 0 && s.wg.q.lock == 0);
	}
}
CORO_TEST(it_may_be_gone_after_the_wait);

/* Go's TestWaitGroupRace: what was done before the end is seen after it. */
struct summands {
	flo_waitgroup wg;
	int a, b;
};

static void write_a(void *arg)
{
	((struct summands *)arg)->a = 1;
	flo_waitgroup_done(&((struct summands *)arg)->wg);
}

static void write_b(void *arg)
{
	((struct summands *)arg)->b = 1;
	flo_waitgroup_done(&((struct summands *)arg)->wg);
}

static void a_wait_sees_what_was_done_body(void *arg)
{
	(void)arg;
	for (int i = 0; i < CORO_STRESS(5000); i++) {
		struct summands s = {.a = 0};

		flo_waitgroup_add(&s.wg, 1);
		coro_go(write_a, &s);
		flo_waitgroup_add(&s.wg, 1);
		coro_go(write_b, &s);
		EXPECT(flo_waitgroup_wait(&s.wg, NULL) == FLO_OK);
		EXPECT(s.a + s.b == 2);
	}
}
CORO_TEST(a_wait_sees_what_was_done);

/* Who is counted may count more, as long as it does so before its own end. */
struct tree {
	flo_waitgroup wg;
	atomic_int ended;
};

static void grow(void *arg)
{
	struct tree *t = arg;
	int n = 1 + atomic_fetch_add(&t->ended, 1);

	for (int k = 0; n < 32 && k < 2; k++) {
		flo_waitgroup_add(&t->wg, 1);
		coro_go(grow, t);
	}
	flo_waitgroup_done(&t->wg);
}

static void the_counted_may_count_more_body(void *arg)
{
	struct tree t = {.ended = 0};

	(void)arg;
	flo_waitgroup_add(&t.wg, 1);
	coro_go(grow, &t);
	EXPECT(flo_waitgroup_wait(&t.wg, NULL) == FLO_OK);
	/* the first 31 started two each */
	EXPECT(atomic_load(&t.ended) == 63);
	EXPECT(t.wg.count == 0);
}
CORO_TEST(the_counted_may_count_more);

static void one_too_many(void *arg)
{
	flo_waitgroup_done(arg);
}

static void below_zero_is_a_broken_contract_body(void *arg)
{
	flo_waitgroup wg = {.count = 0};

	(void)arg;
	EXPECT(flo_try(one_too_many, &wg, NULL) == FLO_PANIC);
	/* and leaves it usable: the lock was not held over the panic */
	flo_waitgroup_add(&wg, 1);
	flo_waitgroup_done(&wg);
	EXPECT(flo_waitgroup_wait(&wg, NULL) == FLO_OK);
}
CORO_TEST(below_zero_is_a_broken_contract);

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(zero_does_not_wait),
		cmocka_unit_test(all_waiters_go_on_at_zero),
		cmocka_unit_test(a_wait_ends_with_its_context),
		cmocka_unit_test(it_may_be_gone_after_the_wait),
		cmocka_unit_test(a_wait_sees_what_was_done),
		cmocka_unit_test(the_counted_may_count_more),
		cmocka_unit_test(below_zero_is_a_broken_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
