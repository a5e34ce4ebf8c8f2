/* The runtime: coroutines start, yield, park, spread over threads and end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <flo/runtime.h>

#include "engine/sched/sched_p.h"
#include "engine/sync/spin_p.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

/* TSan and ASan make everything ten times slower. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SLOW 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(SLOW)
#define MANY 2000
#else
#define MANY 20000
#endif

static flo_runtime *runtime(unsigned procs)
{
	struct flo_runtime_options options = {.procs = procs};
	flo_runtime *rt = NULL;

	assert_int_equal(flo_runtime_new(&options, NULL, &rt), FLO_OK);
	return rt;
}

static atomic_long ran;

static void count(void *arg)
{
	(void)arg;
	atomic_fetch_add(&ran, 1);
}

static void spawn_many(void *arg)
{
	for (long i = 0; i < *(long *)arg; i++)
		if (flo_go(NULL, count, NULL) != FLO_OK)
			return;
}

static void spawned_coroutines_all_run(void **state)
{
	long n = MANY;

	(void)state;
	for (unsigned procs = 1; procs <= 4; procs++) {
		flo_runtime *rt = runtime(procs);

		atomic_store(&ran, 0);
		assert_int_equal(flo_runtime_run(rt, spawn_many, &n), FLO_OK);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&ran), MANY);
	}
}

static void yield_some(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++) {
		flo_yield();
		atomic_fetch_add(&ran, 1);
	}
}

static void spawn_yielders(void *arg)
{
	(void)arg;
	for (int i = 0; i < 100; i++)
		flo_go(NULL, yield_some, NULL);
}

static void yielding_coroutines_all_get_on(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 3; procs++) {
		flo_runtime *rt = runtime(procs);

		atomic_store(&ran, 0);
		flo_runtime_run(rt, spawn_yielders, NULL);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&ran), 100 * 100);
	}
}

struct order {
	char text[8];
	atomic_int len, done;
};

static void note_order(void *arg)
{
	struct order *order = arg;

	order->text[atomic_fetch_add(&order->len, 1)] = 'a';
	flo_yield();
	order->text[atomic_fetch_add(&order->len, 1)] = 'b';
	atomic_fetch_add(&order->done, 1);
}

static void spawn_ordered(void *arg)
{
	flo_go(NULL, note_order, arg);
	flo_go(NULL, note_order, arg);
}

/* Only in some runs: a thread that the system does not run looks like a hog,
 * and gets company even where there is one P. */
static void yield_goes_to_the_tail(void **state)
{
	flo_runtime *rt = runtime(1);
	int right = 0;

	(void)state;
	for (int i = 0; i < 100 && right == 0; i++) {
		struct order order = {.len = 0};

		flo_runtime_run(rt, spawn_ordered, &order);
		while (atomic_load(&order.done) < 2)
			;
		right += strcmp(order.text, "aabb") == 0;
	}
	flo_runtime_free(rt);
	assert_int_equal(right, 1);
}

/* A lock and a waiter: the smallest thing that parks. */
struct cell {
	uint32_t lock;
	struct flo__g *waiter;
	long given, taken;
};

static bool unlock_cell(struct flo__g *g, void *arg)
{
	struct cell *cell = arg;

	(void)g;
	flo__spin_unlock(&cell->lock);
	return true;
}

static void cell_take(struct cell *cell)
{
	flo__spin_lock(&cell->lock);
	while (cell->given == cell->taken) {
		cell->waiter = flo__g_current();
		flo__park(unlock_cell, cell, "cell", false);
		flo__spin_lock(&cell->lock);
	}
	cell->taken++;
	flo__spin_unlock(&cell->lock);
}

static void cell_give(struct cell *cell)
{
	struct flo__g *g;

	flo__spin_lock(&cell->lock);
	cell->given++;
	g = cell->waiter;
	cell->waiter = NULL;
	flo__spin_unlock(&cell->lock);
	if (g != NULL)
		flo__ready(g);
}

struct pair {
	struct cell ping, pong;
	long rounds;
};

static void ponger(void *arg)
{
	struct pair *pair = arg;

	for (long i = 0; i < pair->rounds; i++) {
		cell_take(&pair->ping);
		cell_give(&pair->pong);
	}
}

static void pinger(void *arg)
{
	struct pair *pair = arg;

	flo_go(NULL, ponger, pair);
	for (long i = 0; i < pair->rounds; i++) {
		cell_give(&pair->ping);
		cell_take(&pair->pong);
	}
}

static void parked_coroutines_are_woken_once_each(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 3; procs++) {
		flo_runtime *rt = runtime(procs);
		struct pair pairs[4];

		memset(pairs, 0, sizeof(pairs));
		for (int i = 0; i < 4; i++) {
			pairs[i].rounds = MANY / 4;
			assert_int_equal(flo_go(rt, pinger, &pairs[i]), FLO_OK);
		}
		flo_runtime_free(rt);
		for (int i = 0; i < 4; i++)
			assert_int_equal(pairs[i].pong.taken, MANY / 4);
	}
}

static bool refuse(struct flo__g *g, void *arg)
{
	(void)g;
	*(int *)arg += 1;
	return false;
}

static void park_refused(void *arg)
{
	for (int i = 0; i < 10; i++)
		flo__park(refuse, arg, "nothing", i % 2);
}

static void a_refused_park_goes_on(void **state)
{
	flo_runtime *rt = runtime(1);
	int refused = 0;

	(void)state;
	flo_runtime_run(rt, park_refused, &refused);
	flo_runtime_free(rt);
	assert_int_equal(refused, 10);
}

static void keep_doubles(void *arg)
{
	volatile double x = 1.0;

	for (int i = 0; i < 50; i++) {
		x = x * 1.5 + 1;
		flo_yield();
		x = (x - 1) / 1.5;
	}
	if (x == 1.0)
		atomic_fetch_add((atomic_int *)arg, 1);
}

static void spawn_doubles(void *arg)
{
	for (int i = 0; i < 64; i++)
		flo_go(NULL, keep_doubles, arg);
}

static void locals_survive_switches(void **state)
{
	flo_runtime *rt = runtime(2);
	atomic_int right = 0;

	(void)state;
	flo_runtime_run(rt, spawn_doubles, &right);
	flo_runtime_free(rt);
	assert_int_equal(right, 64);
}

static void fork_tree(void *arg)
{
	long depth = (long)arg;

	atomic_fetch_add(&ran, 1);
	if (depth == 0)
		return;
	flo_go(NULL, fork_tree, (void *)(depth - 1));
	flo_yield();
	flo_go(NULL, fork_tree, (void *)(depth - 1));
}

static void a_tree_of_spawns_completes(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 3; procs++) {
		flo_runtime *rt = runtime(procs);

		atomic_store(&ran, 0);
		flo_runtime_run(rt, fork_tree, (void *)10l);
		flo_runtime_free(rt);
		assert_int_equal(atomic_load(&ran), (1 << 11) - 1);
	}
}

static void *run_from_thread(void *arg)
{
	flo_runtime *rt = arg;
	long n = 100;

	for (int i = 0; i < 20; i++)
		flo_runtime_run(rt, spawn_many, &n);
	return NULL;
}

static void several_threads_run_on_one_runtime(void **state)
{
	flo_runtime *rt = runtime(2);
	pthread_t threads[4];

	(void)state;
	atomic_store(&ran, 0);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, run_from_thread, rt);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	flo_runtime_free(rt);
	assert_int_equal(atomic_load(&ran), 4 * 20 * 100);
}

static void runtimes_know_nothing_of_each_other(void **state)
{
	flo_runtime *a = runtime(1), *b = runtime(2);
	long n = 1000;

	(void)state;
	atomic_store(&ran, 0);
	flo_runtime_run(a, spawn_many, &n);
	flo_runtime_run(b, spawn_many, &n);
	flo_runtime_free(b);
	flo_runtime_run(a, spawn_many, &n);
	flo_runtime_free(a);
	assert_int_equal(atomic_load(&ran), 3000);
}

static void see_runtime(void *arg)
{
	*(flo_runtime **)arg = flo_runtime_current();
}

static void current_runtime_is_known_inside_only(void **state)
{
	flo_runtime *rt = runtime(1), *seen = NULL;

	(void)state;
	assert_null(flo_runtime_current());
	assert_null(flo__g_current());
	flo_runtime_run(rt, see_runtime, &seen);
	assert_ptr_equal(seen, rt);
	flo_runtime_free(rt);
}

static void an_idle_runtime_ends(void **state)
{
	(void)state;
	for (unsigned procs = 1; procs <= 4; procs++)
		flo_runtime_free(runtime(procs));
	flo_runtime_free(NULL);
}

static void bad_options_are_refused(void **state)
{
	struct flo_runtime_options options = {.stack_size = 1 << 20};
	flo_error err = FLO_ERROR_INIT;
	flo_runtime *rt = NULL;

	(void)state;
	assert_int_equal(flo_runtime_new(&options, &err, &rt), FLO_INVALID);
	assert_null(rt);
	assert_string_not_equal(err.text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_idle_runtime_ends),
		cmocka_unit_test(bad_options_are_refused),
		cmocka_unit_test(current_runtime_is_known_inside_only),
		cmocka_unit_test(spawned_coroutines_all_run),
		cmocka_unit_test(yielding_coroutines_all_get_on),
		cmocka_unit_test(yield_goes_to_the_tail),
		cmocka_unit_test(parked_coroutines_are_woken_once_each),
		cmocka_unit_test(a_refused_park_goes_on),
		cmocka_unit_test(locals_survive_switches),
		cmocka_unit_test(a_tree_of_spawns_completes),
		cmocka_unit_test(several_threads_run_on_one_runtime),
		cmocka_unit_test(runtimes_know_nothing_of_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
