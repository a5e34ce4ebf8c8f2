/* flo_context: values, done channels, and trees of all kinds of contexts. */
#include "coro.h"
#include "waiting.h"

#include <flo/chan.h>
#include <flo/context.h>
#include <flo/sync.h>

#include "base/alloc.h"

#define MS	UINT64_C(1000000)
#define FOREVER (UINT64_C(3600) * 1000 * MS)

/* --- values ---------------------------------------------------------------- */

static const char trace_key, user_key, other_key;

static void count_disposal(void *value)
{
	(*(int *)value)++;
}

static void the_nearest_value_is_found(void **state)
{
	flo_context *root = flo_context_new(NULL);
	int a = 1, b = 2, c = 3;
	flo_context *with_a =
		flo_context_with_value(root, &trace_key, &a, NULL);
	flo_context *with_b =
		flo_context_with_value(with_a, &user_key, &b, NULL);
	flo_context *below = flo_context_child(with_b);
	flo_context *with_c =
		flo_context_with_value(below, &trace_key, &c, NULL);

	(void)state;
	assert_null(flo_context_value(root, &trace_key));
	assert_ptr_equal(flo_context_value(with_a, &trace_key), &a);
	assert_null(flo_context_value(with_a, &user_key));
	assert_ptr_equal(flo_context_value(below, &trace_key), &a);
	assert_ptr_equal(flo_context_value(below, &user_key), &b);
	assert_ptr_equal(flo_context_value(with_c, &trace_key), &c);
	assert_ptr_equal(flo_context_value(with_c, &user_key), &b);
	assert_null(flo_context_value(with_c, &other_key));
	flo_context_unref(with_c);
	flo_context_unref(below);
	flo_context_unref(with_b);
	flo_context_unref(with_a);
	flo_context_unref(root);
}

static void a_value_lives_as_long_as_its_context(void **state)
{
	flo_context *root = flo_context_new(NULL);
	int disposed = 0;
	flo_context *holder = flo_context_with_value(root, &trace_key,
						     &disposed, count_disposal);
	flo_context *below = flo_context_child(holder);

	(void)state;
	flo_context_cancel(root, NULL);
	flo_context_unref(root);
	flo_context_unref(holder);
	/* its child keeps it, ended or not */
	assert_int_equal(disposed, 0);
	assert_ptr_equal(flo_context_value(below, &trace_key), &disposed);
	flo_context_unref(below);
	assert_int_equal(disposed, 1);
}

static void without_memory_the_value_is_not_taken(void **state)
{
	flo_context *root = flo_context_new(NULL);
	int disposed = 0;

	(void)state;
	flo__alloc_fail_at(1, 0);
	assert_null(flo_context_with_value(root, &trace_key, &disposed,
					   count_disposal));
	flo__alloc_fail_at(0, 0);
	flo_context_unref(root);
	assert_int_equal(disposed, 0);
}

static void a_context_with_a_value_is_a_context(void **state)
{
	flo_context *root = flo_context_new(NULL);
	flo_context *holder =
		flo_context_with_value(root, &trace_key, NULL, NULL);
	flo_context *below = flo_context_child(holder);

	(void)state;
	flo_context_cancel(holder, NULL);
	assert_int_equal(flo_context_status(root), FLO_OK);
	assert_int_equal(flo_context_status(below), FLO_CANCELED);
	flo_context_unref(below);
	flo_context_unref(holder);
	/* born ended, and carries its value all the same */
	flo_context_cancel(root, NULL);
	holder = flo_context_with_value(root, &trace_key, root, NULL);
	assert_int_equal(flo_context_status(holder), FLO_CANCELED);
	assert_ptr_equal(flo_context_value(holder, &trace_key), root);
	flo_context_unref(holder);
	flo_context_unref(root);
}

/* --- done channels ----------------------------------------------------------- */

static bool is_closed(flo_context *c)
{
	flo_status st = flo_chan_try_recv(flo_context_done(c), NULL);

	EXPECT(st == FLO_CLOSED || st == FLO_AGAIN);
	return st == FLO_CLOSED;
}

static void done_is_closed_when_the_context_ends(void **state)
{
	flo_context *root = flo_context_new(NULL);
	flo_context *child = flo_context_child(root);
	flo_context *late = flo_context_child(root);
	struct flo_chan *done = flo_context_done(root);

	(void)state;
	atomic_store(&coro_failures, 0);
	assert_false(is_closed(root));
	assert_false(is_closed(child));
	assert_ptr_equal(flo_context_done(root), done);
	assert_ptr_not_equal(flo_context_done(child), done);
	flo_context_cancel(root, NULL);
	assert_true(is_closed(root));
	assert_true(is_closed(child));
	/* asked for after the end */
	assert_true(is_closed(late));
	flo_context_unref(late);
	flo_context_unref(child);
	child = flo_context_child(root);
	assert_true(is_closed(child));
	flo_context_unref(child);
	flo_context_unref(root);
	assert_int_equal(atomic_load(&coro_failures), 0);
}

static void a_childs_end_is_not_its_parents_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *child = flo_context_child(root);

	(void)arg;
	EXPECT(!is_closed(root) && !is_closed(child));
	flo_context_cancel(child, NULL);
	EXPECT(!is_closed(root) && is_closed(child));
	flo_context_unref(child);
	flo_context_unref(root);
}
CORO_TEST(a_childs_end_is_not_its_parents);

static void a_deadline_closes_done_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *soon = flo_context_timeout(root, 1 * MS, "1ms");
	flo_context *late = flo_context_timeout(root, 0, "over");

	(void)arg;
	EXPECT(is_closed(late) && !is_closed(root));
	EXPECT(flo_chan_recv(flo_context_done(soon), NULL, NULL) == FLO_CLOSED);
	EXPECT(flo_context_status(soon) == FLO_TIMEOUT);
	flo_context_unref(late);
	flo_context_unref(soon);
	flo_context_unref(root);
}
CORO_TEST(a_deadline_closes_done);

struct selecting {
	flo_context *context;
	flo_chan *values;
	flo_waitgroup ended;
	atomic_int got, ends;
};

static void select_until_done(void *arg)
{
	struct selecting *s = arg;
	int v;
	struct flo_select_case cases[] = {
		{.chan = flo_context_done(s->context)},
		{.chan = s->values, .recv = &v},
	};
	flo_status st;
	size_t i = 9;

	while ((st = flo_select(cases, 2, UINT64_MAX, NULL, &i)) == FLO_OK) {
		EXPECT(i == 1);
		atomic_fetch_add(&s->got, 1);
	}
	EXPECT(st == FLO_CLOSED && i == 0);
	EXPECT(flo_context_status(s->context) == FLO_CANCELED);
	atomic_fetch_add(&s->ends, 1);
	flo_waitgroup_done(&s->ended);
}

static void done_is_a_case_of_a_select_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	struct selecting s = {.context = flo_context_child(root)};
	int v = 0;

	(void)arg;
	EXPECT(flo_chan_new(sizeof(int), 0, &s.values) == FLO_OK);
	flo_waitgroup_add(&s.ended, 4);
	for (int i = 0; i < 4; i++)
		coro_go(select_until_done, &s);
	for (; v < 50; v++)
		EXPECT(flo_chan_send(s.values, &v, NULL) == FLO_OK);
	flo_context_cancel(root, NULL);
	flo_waitgroup_wait(&s.ended, NULL);
	EXPECT(atomic_load(&s.got) == 50 && atomic_load(&s.ends) == 4);
	flo_chan_free(s.values);
	flo_context_unref(s.context);
	flo_context_unref(root);
}
CORO_TEST(done_is_a_case_of_a_select);

static void close_it(void *arg)
{
	flo_chan_close(arg);
}

static void free_it(void *arg)
{
	flo_chan_free(arg);
}

static void done_is_the_contexts_to_close_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());

	(void)arg;
	EXPECT(coro_breaks(close_it, flo_context_done(root),
			   "flo_chan_close: broken contract: the channel is a "
			   "context's"));
	EXPECT(coro_breaks(free_it, flo_context_done(root),
			   "flo_chan_free: broken contract: the channel is a "
			   "context's"));
	EXPECT(!is_closed(root));
	flo_context_unref(root);
}
CORO_TEST(done_is_the_contexts_to_close);

/* --- asked for while it ends --------------------------------------------------- */

struct asking {
	flo_context *context;
	flo_waitgroup ended;
};

static void wait_for_done(void *arg)
{
	struct asking *a = arg;

	EXPECT(flo_chan_recv(flo_context_done(a->context), NULL, NULL) ==
	       FLO_CLOSED);
	EXPECT(flo_context_status(a->context) != FLO_OK);
	flo_waitgroup_done(&a->ended);
}

static void cancel_root(void *arg)
{
	flo_context_cancel(arg, NULL);
	flo_context_unref(arg);
}

static void whoever_asks_is_told_body(void *arg)
{
	flo_context *root;

	(void)arg;
	for (int i = 0; i < CORO_STRESS(3000); i++) {
		struct asking a = {.ended = {.count = 0}};

		root = flo_context_new(flo_runtime_current());
		a.context = flo_context_timeout(
			root, i % 3 == 0 ? 1 + (uint64_t)i % 50 * 400 : FOREVER,
			"x");
		flo_waitgroup_add(&a.ended, 3);
		for (int k = 0; k < 3; k++) {
			coro_go(wait_for_done, &a);
			if (k == i % 3)
				coro_go(cancel_root, flo_context_ref(root));
		}
		flo_waitgroup_wait(&a.ended, NULL);
		flo_context_unref(a.context);
		flo_context_unref(root);
	}
}
CORO_TEST(whoever_asks_is_told);

/* --- Go's context tests of trees ------------------------------------------------- */

/* TestSimultaneousCancels: from the leaves, the root and in between at once. */
static void all_may_be_cancelled_at_once_body(void *arg)
{
	enum {
		N = 60
	};
	flo_context *all[N];

	(void)arg;
	for (int round = 0; round < CORO_STRESS(100); round++) {
		all[0] = flo_context_new(flo_runtime_current());
		for (int i = 1; i < N; i++)
			all[i] = flo_context_child(all[(i - 1) / 2]);
		for (int i = N - 1; i >= 0; i--)
			coro_go(cancel_root, flo_context_ref(all[i]));
		for (int i = 0; i < N; i++)
			EXPECT(flo_chan_recv(flo_context_done(all[i]), NULL,
					     NULL) == FLO_CLOSED);
		for (int i = 0; i < N; i++)
			flo_context_unref(all[i]);
	}
}
CORO_TEST(all_may_be_cancelled_at_once);

/* TestInterlockedCancels: each end causes the other's. */
struct interlocked {
	flo_context *wait, *cancel;
	flo_waitgroup *ended;
};

static void cancel_when_done(void *arg)
{
	struct interlocked *l = arg;

	flo_chan_recv(flo_context_done(l->wait), NULL, NULL);
	flo_context_cancel(l->cancel, NULL);
	flo_waitgroup_done(l->ended);
}

static void ends_may_cause_each_other_body(void *arg)
{
	flo_waitgroup ended = {.count = 0};
	flo_context *parent = flo_context_new(flo_runtime_current());
	flo_context *child = flo_context_child(parent);
	struct interlocked up = {child, parent, &ended};
	struct interlocked down = {parent, child, &ended};

	(void)arg;
	flo_waitgroup_add(&ended, 2);
	coro_go(cancel_when_done, &up);
	coro_go(cancel_when_done, &down);
	flo_context_cancel(child, NULL);
	flo_waitgroup_wait(&ended, NULL);
	EXPECT(is_closed(parent) && is_closed(child));
	flo_context_unref(child);
	flo_context_unref(parent);
}
CORO_TEST(ends_may_cause_each_other);

/* TestLayers: random chains of all kinds, ended from the top or by time. */
enum {
	LAYERS = 30
};

struct layers {
	flo_context *c[LAYERS + 1];
	int values[LAYERS];
};

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void build_layers(struct layers *l, uint32_t seed, bool by_time)
{
	l->c[0] = flo_context_new(flo_runtime_current());
	for (int i = 0; i < LAYERS; i++) {
		flo_context *parent = l->c[i];

		switch (next_random(&seed) % 3) {
		case 0:
			l->c[i + 1] = flo_context_child(parent);
			break;
		case 1:
			l->values[i] = i;
			l->c[i + 1] =
				flo_context_with_value(parent, &l->values[i],
						       &l->values[i], NULL);
			break;
		default:
			l->c[i + 1] = flo_context_timeout(
				parent,
				by_time ? (uint64_t)i * MS / 10 : FOREVER,
				"layer");
		}
	}
}

static void expect_values(struct layers *l)
{
	flo_context *last = l->c[LAYERS];

	for (int i = 0; i < LAYERS; i++) {
		int *v = flo_context_value(last, &l->values[i]);

		EXPECT(v == NULL || *v == i);
		EXPECT(v == flo_context_value(l->c[i + 1], &l->values[i]));
		EXPECT(flo_context_value(l->c[i], &l->values[i]) == NULL);
	}
}

static void layers_end_from_the_top_body(void *arg)
{
	struct layers l;

	(void)arg;
	for (uint32_t seed = 1; seed <= 20; seed++) {
		bool by_time = seed % 2 == 0;

		build_layers(&l, seed * 2654435761u, by_time);
		expect_values(&l);
		if (!by_time) {
			for (int i = 0; i <= LAYERS; i++)
				EXPECT(!is_closed(l.c[i]));
			flo_context_cancel(l.c[0], NULL);
			for (int i = 0; i <= LAYERS; i++)
				EXPECT(is_closed(l.c[i]));
		} else if (flo_context_deadline(l.c[LAYERS]) != UINT64_MAX) {
			EXPECT(flo_chan_recv(flo_context_done(l.c[LAYERS]),
					     NULL, NULL) == FLO_CLOSED);
			EXPECT(flo_context_status(l.c[LAYERS]) == FLO_TIMEOUT);
			EXPECT(!is_closed(l.c[0]));
		}
		expect_values(&l);
		for (int i = 0; i <= LAYERS; i++)
			flo_context_unref(l.c[i]);
	}
}
CORO_TEST(layers_end_from_the_top);

/* --- deadlines and cancels ------------------------------------------------------- */

static void a_cancel_before_the_deadline_is_a_cancel_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *c = flo_context_timeout(root, FOREVER, "never");
	flo_context *below = flo_context_timeout(c, FOREVER / 2, "never");

	(void)arg;
	flo_context_cancel(c, NULL);
	EXPECT(flo_context_status(c) == FLO_CANCELED);
	EXPECT(flo_context_status(below) == FLO_CANCELED);
	EXPECT(flo_context_deadline(below) != UINT64_MAX);
	flo_context_unref(below);
	flo_context_unref(c);
	flo_context_unref(root);
}
CORO_TEST(a_cancel_before_the_deadline_is_a_cancel);

/* Deadlines that pass while they are cancelled from all sides. */
struct crossfire {
	flo_context *root;
	atomic_int late, canceled;
	flo_waitgroup ended;
};

static void grow_and_wait(void *arg)
{
	struct crossfire *f = arg;
	flo_context *c, *d;

	for (int i = 0; i < CORO_STRESS(300); i++) {
		c = flo_context_timeout(f->root, 1 + (uint64_t)i % 40 * 500,
					"c");
		d = flo_context_timeout(c, 1 + (uint64_t)i % 37 * 500, "d");
		if (i % 4 == 0)
			flo_context_cancel(c, NULL);
		if (flo_chan_recv(flo_context_done(d), NULL, NULL) !=
		    FLO_CLOSED)
			EXPECT(false);
		if (flo_context_status(d) == FLO_TIMEOUT)
			atomic_fetch_add(&f->late, 1);
		else
			atomic_fetch_add(&f->canceled, 1);
		flo_context_unref(c);
		flo_context_unref(d);
	}
	flo_waitgroup_done(&f->ended);
}

static void cancels_race_with_deadlines_body(void *arg)
{
	struct crossfire f = {.late = 0};

	(void)arg;
	for (int round = 0; round < 10; round++) {
		f.root = flo_context_new(flo_runtime_current());
		flo_waitgroup_add(&f.ended, 4);
		for (int i = 0; i < 4; i++)
			coro_go(grow_and_wait, &f);
		flo_sleep(NULL, (uint64_t)round * MS / 4);
		flo_context_cancel(f.root, NULL);
		flo_waitgroup_wait(&f.ended, NULL);
		flo_context_unref(f.root);
	}
	EXPECT(atomic_load(&f.late) + atomic_load(&f.canceled) ==
	       40 * CORO_STRESS(300));
	EXPECT(atomic_load(&f.canceled) > 0);
}
CORO_TEST(cancels_race_with_deadlines);

/* --- misuse -------------------------------------------------------------------------- */

static void add_without_key(void *arg)
{
	flo_context_with_value(arg, NULL, NULL, NULL);
}

static void ask_without_key(void *arg)
{
	flo_context_value(arg, NULL);
}

static void child_of_none(void *arg)
{
	flo_context_child(arg);
}

static void timeout_without_runtime(void *arg)
{
	flo_context_timeout(arg, 1, NULL);
}

static void misuse_is_a_broken_contract_body(void *arg)
{
	flo_context *root = flo_context_new(NULL);

	(void)arg;
	EXPECT(coro_breaks(add_without_key, root,
			   "flo_context_with_value: broken contract: there is "
			   "no key"));
	EXPECT(coro_breaks(ask_without_key, root,
			   "flo_context_value: broken contract: there is no "
			   "key"));
	EXPECT(coro_breaks(child_of_none, NULL,
			   "flo_context_child: broken contract: there is no "
			   "parent"));
	EXPECT(coro_breaks(timeout_without_runtime, root,
			   "flo_context_timeout: broken contract: the tree has "
			   "no runtime"));
	flo_context_unref(root);
}
CORO_TEST(misuse_is_a_broken_contract);

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_nearest_value_is_found),
		cmocka_unit_test(a_value_lives_as_long_as_its_context),
		cmocka_unit_test(without_memory_the_value_is_not_taken),
		cmocka_unit_test(a_context_with_a_value_is_a_context),
		cmocka_unit_test(done_is_closed_when_the_context_ends),
		cmocka_unit_test(a_childs_end_is_not_its_parents),
		cmocka_unit_test(a_deadline_closes_done),
		cmocka_unit_test(done_is_a_case_of_a_select),
		cmocka_unit_test(done_is_the_contexts_to_close),
		cmocka_unit_test(whoever_asks_is_told),
		cmocka_unit_test(all_may_be_cancelled_at_once),
		cmocka_unit_test(ends_may_cause_each_other),
		cmocka_unit_test(layers_end_from_the_top),
		cmocka_unit_test(a_cancel_before_the_deadline_is_a_cancel),
		cmocka_unit_test(cancels_race_with_deadlines),
		cmocka_unit_test(misuse_is_a_broken_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
