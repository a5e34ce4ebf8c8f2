/* flo_once: behaviours of Go's sync.Once, panics, and waits that end early. */
#include "coro.h"
#include "waiting.h"

#include <flo/sync.h>

/* --- once ------------------------------------------------------------------ */

struct shared {
	flo_once once;
	int value; /* by once */
	flo_waitgroup ended;
	flo_sem gate;
	atomic_int ran;
};

static void set_value(void *arg)
{
	struct shared *s = arg;

	flo_yield();
	s->value++;
	atomic_fetch_add(&s->ran, 1);
}

static void do_and_look(void *arg)
{
	struct shared *s = arg;

	EXPECT(flo_once_do(&s->once, set_value, s, NULL) == FLO_OK);
	EXPECT(s->value == 1);
	flo_waitgroup_done(&s->ended);
}

static void it_runs_once_and_all_see_it_done_body(void *arg)
{
	(void)arg;
	for (int round = 0; round < CORO_STRESS(500); round++) {
		struct shared s = {.value = 0};

		flo_waitgroup_add(&s.ended, 10);
		for (int i = 0; i < 10; i++)
			coro_go(do_and_look, &s);
		flo_waitgroup_wait(&s.ended, NULL);
		EXPECT(atomic_load(&s.ran) == 1);
	}
}
CORO_TEST(it_runs_once_and_all_see_it_done);

static void count(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static void another_function_is_not_run_either_body(void *arg)
{
	flo_once once = {.state = 0};
	atomic_int first = 0, second = 0;

	(void)arg;
	EXPECT(flo_once_do(&once, count, &first, NULL) == FLO_OK);
	EXPECT(flo_once_do(&once, count, &second, NULL) == FLO_OK);
	EXPECT(atomic_load(&first) == 1 && atomic_load(&second) == 0);
}
CORO_TEST(another_function_is_not_run_either);

/* --- panics ------------------------------------------------------------------ */

static void panic_in_it(void *arg)
{
	struct shared *s = arg;

	atomic_fetch_add(&s->ran, 1);
	flo_sem_take(&s->gate, NULL);
	flo_panic("half-way");
}

static void do_it(void *arg)
{
	struct shared *s = arg;

	EXPECT(flo_once_do(&s->once, panic_in_it, s, NULL) == FLO_OK);
}

static void try_it(void *arg)
{
	struct shared *s = arg;
	flo_error err = FLO_ERROR_INIT;

	/* the first is told of the panic; the others are not */
	if (flo_try(do_it, s, &err) == FLO_PANIC)
		EXPECT(strcmp(err.text, "half-way") == 0);
	else
		s->value++;
	flo_waitgroup_done(&s->ended);
}

static void a_panic_counts_as_done_body(void *arg)
{
	struct shared s = {.value = 0};

	(void)arg;
	flo_waitgroup_add(&s.ended, 2);
	coro_go(try_it, &s);
	UNTIL(atomic_load(&s.ran) == 1);
	coro_go(try_it, &s);
	UNTIL(waiting_in(&s.once.q) == 1);
	flo_sem_give(&s.gate);
	flo_waitgroup_wait(&s.ended, NULL);
	EXPECT(atomic_load(&s.ran) == 1 && s.value == 1);
	EXPECT(flo_once_do(&s.once, panic_in_it, &s, NULL) == FLO_OK);
}
CORO_TEST(a_panic_counts_as_done);

/* Inside a flo_try(), and nothing happens: what it deferred comes off again. */
static void do_well(void *arg)
{
	struct shared *s = arg;

	EXPECT(flo_once_do(&s->once, set_value, s, NULL) == FLO_OK);
	EXPECT(s->once.q.lock == 0 && s->value == 1);
	flo_panic("later");
}

static void a_later_panic_is_none_of_its_business_body(void *arg)
{
	struct shared s = {.value = 0};

	(void)arg;
	EXPECT(flo_try(do_well, &s, NULL) == FLO_PANIC);
	EXPECT(atomic_load(&s.ran) == 1);
}
CORO_TEST(a_later_panic_is_none_of_its_business);

/* --- contexts ------------------------------------------------------------------ */

static void pass_the_gate(void *arg)
{
	struct shared *s = arg;

	atomic_fetch_add(&s->ran, 1);
	flo_sem_take(&s->gate, NULL);
}

static void do_slowly(void *arg)
{
	struct shared *s = arg;

	EXPECT(flo_once_do(&s->once, pass_the_gate, s, NULL) == FLO_OK);
	flo_waitgroup_done(&s->ended);
}

static void waiting_for_it_ends_with_the_context_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *soon = flo_context_timeout(root, 1000000, "1ms");
	struct shared s = {.value = 0};

	(void)arg;
	flo_waitgroup_add(&s.ended, 1);
	coro_go(do_slowly, &s);
	UNTIL(atomic_load(&s.ran) == 1);
	EXPECT(flo_once_do(&s.once, set_value, &s, soon) == FLO_TIMEOUT);
	EXPECT(s.value == 0 && waiting_in(&s.once.q) == 0);
	flo_sem_give(&s.gate);
	flo_waitgroup_wait(&s.ended, NULL);
	/* what is done is done, whatever the context says */
	EXPECT(flo_once_do(&s.once, set_value, &s, soon) == FLO_OK);
	flo_context_unref(soon);
	flo_context_unref(root);
}
CORO_TEST(waiting_for_it_ends_with_the_context);

static void an_ended_context_begins_nothing_body(void *arg)
{
	flo_context *ended = flo_context_new(flo_runtime_current());
	struct shared s = {.value = 0};

	(void)arg;
	flo_context_cancel(ended, NULL);
	EXPECT(flo_once_do(&s.once, set_value, &s, ended) == FLO_CANCELED);
	EXPECT(atomic_load(&s.ran) == 0);
	EXPECT(flo_once_do(&s.once, set_value, &s, NULL) == FLO_OK);
	EXPECT(atomic_load(&s.ran) == 1);
	flo_context_unref(ended);
}
CORO_TEST(an_ended_context_begins_nothing);

static void an_ordinary_thread_may_be_the_first(void **state)
{
	flo_once once = {.state = 0};
	atomic_int ran = 0;

	(void)state;
	assert_int_equal(flo_once_do(&once, count, &ran, NULL), FLO_OK);
	assert_int_equal(flo_once_do(&once, count, &ran, NULL), FLO_OK);
	assert_int_equal(atomic_load(&ran), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_runs_once_and_all_see_it_done),
		cmocka_unit_test(another_function_is_not_run_either),
		cmocka_unit_test(a_panic_counts_as_done),
		cmocka_unit_test(a_later_panic_is_none_of_its_business),
		cmocka_unit_test(waiting_for_it_ends_with_the_context),
		cmocka_unit_test(an_ended_context_begins_nothing),
		cmocka_unit_test(an_ordinary_thread_may_be_the_first),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
