/* flo_context: trees, causes, deadlines, watches, and their races. */
#include "coro.h"

#include <flo/context.h>

#include "base/alloc.h"
#include "engine/context_p.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static flo_error error_of(flo_status status, const char *text)
{
	flo_error err = FLO_ERROR_INIT;

	flo_error_set(&err, status, "%s", text);
	return err;
}

static void lives_until_cancelled(void **state)
{
	flo_context *c = flo_context_new(NULL);
	flo_error cause = error_of(FLO_IO, "untouched");

	(void)state;
	assert_int_equal(flo_context_status(c), FLO_OK);
	assert_int_equal(flo_context_cause(c, &cause), FLO_OK);
	assert_string_equal(cause.text, "untouched");
	assert_true(flo_context_deadline(c) == UINT64_MAX);
	flo_context_cancel(c, NULL);
	assert_int_equal(flo_context_status(c), FLO_CANCELED);
	assert_int_equal(flo_context_cause(c, &cause), FLO_CANCELED);
	assert_int_equal(cause.status, FLO_CANCELED);
	flo_context_unref(c);
}

static void first_cause_stays(void **state)
{
	flo_context *c = flo_context_new(NULL);
	flo_error first = error_of(FLO_EXIT, "first");
	flo_error second = error_of(FLO_IO, "second");
	flo_error cause;

	(void)state;
	flo_context_cancel(c, &first);
	flo_context_cancel(c, &second);
	assert_int_equal(flo_context_cause(c, &cause), FLO_CANCELED);
	assert_int_equal(cause.status, FLO_EXIT);
	assert_string_equal(cause.text, "first");
	flo_context_unref(c);
}

static void cancel_reaches_all_below_and_nobody_else(void **state)
{
	flo_context *root = flo_context_new(NULL);
	flo_context *a = flo_context_child(root), *b = flo_context_child(root);
	flo_context *aa = flo_context_child(a), *ab = flo_context_child(a);
	flo_context *aaa = flo_context_child(aa);
	flo_error why = error_of(FLO_SIGNAL, "why"), cause;

	(void)state;
	flo_context_cancel(a, &why);
	assert_int_equal(flo_context_status(root), FLO_OK);
	assert_int_equal(flo_context_status(b), FLO_OK);
	assert_int_equal(flo_context_status(aa), FLO_CANCELED);
	assert_int_equal(flo_context_status(ab), FLO_CANCELED);
	assert_int_equal(flo_context_cause(aaa, &cause), FLO_CANCELED);
	assert_string_equal(cause.text, "why");
	/* parents first: children keep them alive */
	flo_context_unref(root);
	flo_context_unref(a);
	flo_context_unref(aa);
	assert_int_equal(flo_context_cause(aaa, &cause), FLO_CANCELED);
	assert_string_equal(cause.text, "why");
	flo_context_unref(aaa);
	flo_context_unref(ab);
	flo_context_unref(b);
}

static void a_childs_own_cause_survives_its_parents_end(void **state)
{
	flo_context *root = flo_context_new(NULL);
	flo_context *child = flo_context_child(root);
	flo_context *below = flo_context_child(child);
	flo_error inner = error_of(FLO_EXIT, "inner");
	flo_error outer = error_of(FLO_IO, "outer"), cause;

	(void)state;
	flo_context_cancel(child, &inner);
	flo_context_cancel(root, &outer);
	flo_context_cause(below, &cause);
	assert_string_equal(cause.text, "inner");
	flo_context_unref(below);
	flo_context_unref(child);
	flo_context_unref(root);
}

static void child_of_the_ended_is_born_ended(void **state)
{
	flo_context *root = flo_context_new(NULL);
	flo_error why = error_of(FLO_EXIT, "why"), cause;
	flo_context *child, *grandchild;

	(void)state;
	flo_context_cancel(root, &why);
	child = flo_context_child(root);
	grandchild = flo_context_child(child);
	assert_int_equal(flo_context_cause(grandchild, &cause), FLO_CANCELED);
	assert_string_equal(cause.text, "why");
	flo_context_unref(child);
	flo_context_unref(grandchild);
	flo_context_unref(root);
}

static void a_released_child_is_not_reached(void **state)
{
	flo_context *root = flo_context_new(NULL);
	flo_context *kids[5];

	(void)state;
	for (int i = 0; i < 5; i++)
		kids[i] = flo_context_child(root);
	/* the middle, the last and the first of the list */
	flo_context_unref(kids[2]);
	flo_context_unref(kids[0]);
	flo_context_unref(kids[4]);
	flo_context_cancel(root, NULL);
	assert_int_equal(flo_context_status(kids[1]), FLO_CANCELED);
	assert_int_equal(flo_context_status(kids[3]), FLO_CANCELED);
	flo_context_unref(kids[1]);
	flo_context_unref(kids[3]);
	flo_context_unref(root);
}

static void depth_costs_no_stack(void **state)
{
	enum {
		DEPTH = 100000
	};
	flo_context *top = flo_context_new(NULL), *c = flo_context_ref(top);
	flo_context *next;

	(void)state;
	for (int i = 0; i < DEPTH; i++) {
		next = flo_context_child(c);
		flo_context_unref(c);
		c = next;
	}
	flo_context_cancel(top, NULL);
	assert_int_equal(flo_context_status(c), FLO_CANCELED);
	flo_context_unref(top);
	flo_context_unref(c);
}

struct counted_watch {
	struct flo__context_watch watch;
	flo_context *sees; /* must have ended by the time it is told */
	int fired;
};

static void count(struct flo__context_watch *watch)
{
	struct counted_watch *w = (struct counted_watch *)watch;

	w->fired++;
	if (w->sees != NULL && flo_context_status(w->sees) == FLO_OK)
		w->fired += 1000;
}

static void watches_are_told_once(void **state)
{
	flo_context *c = flo_context_new(NULL);
	struct counted_watch a = {.watch.fn = count}, b = a, late = a;

	(void)state;
	assert_true(flo__context_watch_add(c, &a.watch));
	assert_true(flo__context_watch_add(c, &b.watch));
	assert_true(flo__context_watch_del(c, &a.watch));
	flo_context_cancel(c, NULL);
	flo_context_cancel(c, NULL);
	assert_false(flo__context_watch_add(c, &late.watch));
	assert_int_equal(a.fired, 0);
	assert_int_equal(b.fired, 1);
	assert_int_equal(late.fired, 0);
	assert_false(flo__context_watch_del(c, &b.watch));
	flo_context_unref(c);
}

static void who_is_told_finds_all_below_ended(void **state)
{
	flo_context *root = flo_context_new(NULL);
	flo_context *child = flo_context_child(root);
	flo_context *leaf = flo_context_child(child);
	struct counted_watch w = {.watch.fn = count, .sees = leaf};

	(void)state;
	assert_true(flo__context_watch_add(root, &w.watch));
	flo_context_cancel(root, NULL);
	assert_int_equal(w.fired, 1);
	flo_context_unref(leaf);
	flo_context_unref(child);
	flo_context_unref(root);
}

/* --- races, from ordinary threads --------------------------------------- */

struct slow_watch {
	struct flo__context_watch watch;
	atomic_int started, finish, finished;
};

static void be_slow(struct flo__context_watch *watch)
{
	struct slow_watch *w = (struct slow_watch *)watch;

	atomic_store(&w->started, 1);
	while (!atomic_load(&w->finish))
		;
	atomic_store(&w->finished, 1);
}

static void *cancel_it(void *arg)
{
	flo_context_cancel(arg, NULL);
	return NULL;
}

static void *let_it_finish(void *arg)
{
	struct slow_watch *w = arg;

	atomic_store(&w->finish, 1);
	return NULL;
}

static void watch_del_waits_for_the_function(void **state)
{
	struct slow_watch w = {.watch.fn = be_slow};
	flo_context *c = flo_context_new(NULL);
	pthread_t canceller, helper;

	(void)state;
	assert_true(flo__context_watch_add(c, &w.watch));
	assert_int_equal(pthread_create(&canceller, NULL, cancel_it, c), 0);
	while (!atomic_load(&w.started))
		;
	assert_int_equal(pthread_create(&helper, NULL, let_it_finish, &w), 0);
	assert_false(flo__context_watch_del(c, &w.watch));
	assert_int_equal(atomic_load(&w.finished), 1);
	pthread_join(canceller, NULL);
	pthread_join(helper, NULL);
	flo_context_unref(c);
}

struct family {
	flo_context *root;
	atomic_int done, fired;
};

struct shared_watch {
	struct flo__context_watch watch;
	struct family *family;
	atomic_int fired;
};

static void note_fired(struct flo__context_watch *watch)
{
	struct shared_watch *w = (struct shared_watch *)watch;

	atomic_fetch_add(&w->fired, 1);
}

/* Make, watch and drop children until the root ends. */
static void *raise_children(void *arg)
{
	struct family *f = arg;
	struct shared_watch w = {.family = f};
	flo_context *child, *grandchild;
	bool added, deleted;

	w.watch.fn = note_fired;
	do {
		atomic_store(&w.fired, 0);
		child = flo_context_child(f->root);
		grandchild = flo_context_child(child);
		flo_context_unref(child);
		added = flo__context_watch_add(grandchild, &w.watch);
		deleted = added && flo__context_watch_del(grandchild, &w.watch);
		/* told exactly if it could not be taken back */
		if (atomic_load(&w.fired) != (added && !deleted))
			atomic_fetch_add(&f->fired, 1);
		flo_context_unref(grandchild);
	} while (flo_context_status(f->root) == FLO_OK);
	atomic_fetch_add(&f->done, 1);
	return NULL;
}

static void cancel_races_with_births_and_deaths(void **state)
{
	struct family f;
	pthread_t threads[3];

	(void)state;
	for (int round = 0; round < CORO_STRESS(1000); round++) {
		f.root = flo_context_new(NULL);
		atomic_init(&f.done, 0);
		atomic_init(&f.fired, 0);
		for (int i = 0; i < 3; i++)
			assert_int_equal(pthread_create(&threads[i], NULL,
							raise_children, &f),
					 0);
		flo_context_cancel(f.root, NULL);
		for (int i = 0; i < 3; i++)
			pthread_join(threads[i], NULL);
		assert_int_equal(atomic_load(&f.done), 3);
		assert_int_equal(atomic_load(&f.fired), 0);
		flo_context_unref(f.root);
	}
}

/* --- deadlines ----------------------------------------------------------- */

#define MS	UINT64_C(1000000)
#define FOREVER (UINT64_C(3600) * 1000 * MS)

static void deadline_ends_with_its_text_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	uint64_t before = flo_now();
	flo_context *c = flo_context_timeout(root, 2 * MS, "limit of 2ms");
	flo_context *below = flo_context_child(c);
	flo_error cause = FLO_ERROR_INIT;

	(void)arg;
	EXPECT(flo_context_deadline(below) == flo_context_deadline(c));
	EXPECT(flo_sleep(below, FOREVER) == FLO_TIMEOUT);
	EXPECT(flo_now() - before >= 2 * MS);
	EXPECT(flo_context_status(root) == FLO_OK);
	EXPECT(flo_context_cause(below, &cause) == FLO_TIMEOUT);
	EXPECT(cause.status == FLO_TIMEOUT);
	EXPECT(strcmp(cause.text, "limit of 2ms") == 0);
	flo_context_unref(below);
	flo_context_unref(c);
	flo_context_unref(root);
}
CORO_TEST(deadline_ends_with_its_text);

static void the_smaller_deadline_counts_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *outer = flo_context_timeout(root, 1 * MS, "outer");
	flo_context *inner = flo_context_timeout(outer, FOREVER, "inner");
	flo_error cause = FLO_ERROR_INIT;

	(void)arg;
	EXPECT(flo_context_deadline(inner) == flo_context_deadline(outer));
	EXPECT(flo_sleep(inner, FOREVER) == FLO_TIMEOUT);
	flo_context_cause(inner, &cause);
	EXPECT(strcmp(cause.text, "outer") == 0);
	flo_context_unref(inner);
	flo_context_unref(outer);
	flo_context_unref(root);
}
CORO_TEST(the_smaller_deadline_counts);

static void no_time_at_all_is_over_at_once_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *c = flo_context_timeout(root, 0, "nothing");
	flo_error cause = FLO_ERROR_INIT;

	(void)arg;
	EXPECT(flo_context_cause(c, &cause) == FLO_TIMEOUT);
	EXPECT(strcmp(cause.text, "nothing") == 0);
	flo_context_unref(c);
	flo_context_unref(root);
}
CORO_TEST(no_time_at_all_is_over_at_once);

/* If it did not, freeing the runtime would wait an hour. */
static void last_unref_disarms_the_deadline_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *c = flo_context_timeout(root, FOREVER, "never");

	(void)arg;
	flo_context_unref(root);
	flo_context_cancel(c, NULL);
	EXPECT(flo_context_status(c) == FLO_CANCELED);
	flo_context_unref(c);
	c = flo_context_timeout(root = flo_context_new(flo_runtime_current()),
				UINT64_MAX, "never");
	EXPECT(flo_context_deadline(c) == UINT64_MAX);
	flo_context_unref(root);
	flo_context_unref(c);
}
CORO_TEST(last_unref_disarms_the_deadline);

/* Deadlines that fire while their contexts are being cancelled and freed. */
static void deadlines_race_with_unref_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *c, *kids[3];

	(void)arg;
	for (int i = 0; i < CORO_STRESS(20000); i++) {
		c = flo_context_timeout(root, 1 + (uint64_t)i % 40 * 500, "x");
		for (int k = 0; k < 3; k++)
			kids[k] = flo_context_timeout(
				c, 1 + (uint64_t)(i + k * 7) % 30 * 500, "y");
		flo_yield();
		flo_context_unref(kids[0]);
		flo_context_unref(c);
		flo_yield();
		flo_context_unref(kids[1]);
		flo_context_unref(kids[2]);
	}
	flo_context_unref(root);
}
CORO_TEST(deadlines_race_with_unref);

static void out_of_memory_makes_nothing_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current()), *c = root;

	(void)arg;
	flo__alloc_fail_at(1, 1);
	EXPECT(flo_context_child(root) == NULL);
	EXPECT(flo_context_timeout(root, FOREVER, "x") == NULL);
	EXPECT(flo_context_new(NULL) == NULL);
	/* the context itself, then whatever the timer needs */
	for (long nth = 1; nth < 4; nth++) {
		flo__alloc_fail_at(nth, 0);
		c = flo_context_timeout(root, FOREVER, "x");
		flo_context_unref(c);
	}
	flo__alloc_fail_at(0, 0);
	EXPECT(c != NULL);
	flo_context_unref(root);
}

static void out_of_memory_makes_nothing(void **state)
{
	(void)state;
	coro_run(&(struct flo_runtime_options){.procs = 1},
		 out_of_memory_makes_nothing_body, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lives_until_cancelled),
		cmocka_unit_test(first_cause_stays),
		cmocka_unit_test(cancel_reaches_all_below_and_nobody_else),
		cmocka_unit_test(a_childs_own_cause_survives_its_parents_end),
		cmocka_unit_test(child_of_the_ended_is_born_ended),
		cmocka_unit_test(a_released_child_is_not_reached),
		cmocka_unit_test(depth_costs_no_stack),
		cmocka_unit_test(watches_are_told_once),
		cmocka_unit_test(who_is_told_finds_all_below_ended),
		cmocka_unit_test(watch_del_waits_for_the_function),
		cmocka_unit_test(cancel_races_with_births_and_deaths),
		cmocka_unit_test(deadline_ends_with_its_text),
		cmocka_unit_test(the_smaller_deadline_counts),
		cmocka_unit_test(no_time_at_all_is_over_at_once),
		cmocka_unit_test(last_unref_disarms_the_deadline),
		cmocka_unit_test(deadlines_race_with_unref),
		cmocka_unit_test(out_of_memory_makes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
