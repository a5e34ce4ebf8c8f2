/* flo_pool: behaviours of Go's sync.Pool, and that no object is lost. */
#include "coro.h"

#include <flo/sync.h>

#include "base/alloc.h"

#include <pthread.h>
#include <stdlib.h>

/* Counts what it makes and drops; objects know whether they are out. */
struct maker {
	atomic_int made, dropped;
};

struct object {
	atomic_int owners;
	int written; /* owner */
};

static void *make(void *arg)
{
	struct maker *m = arg;
	struct object *o = calloc(1, sizeof(*o));

	atomic_fetch_add(&m->made, 1);
	return o;
}

static void drop(void *object, void *arg)
{
	struct maker *m = arg;
	struct object *o = object;

	EXPECT(atomic_load(&o->owners) == 0);
	atomic_fetch_add(&m->dropped, 1);
	free(o);
}

static flo_pool *pool_of(struct maker *m)
{
	flo_pool *pool = NULL;

	EXPECT(flo_pool_new(flo_runtime_current(), make, drop, m, &pool) ==
	       FLO_OK);
	return pool;
}

static void what_is_put_can_be_got_body(void *arg)
{
	flo_pool *pool = NULL;
	int a, b;
	void *first, *second;

	(void)arg;
	EXPECT(flo_pool_new(flo_runtime_current(), NULL, NULL, NULL, &pool) ==
	       FLO_OK);
	EXPECT(flo_pool_get(pool) == NULL);
	flo_pool_put(pool, &a);
	flo_pool_put(pool, &b);
	flo_pool_put(pool, NULL);
	first = flo_pool_get(pool);
	second = flo_pool_get(pool);
	EXPECT((first == &a && second == &b) || (first == &b && second == &a));
	EXPECT(flo_pool_get(pool) == NULL);
	flo_pool_free(pool);
	flo_pool_free(NULL);
}
CORO_TEST(what_is_put_can_be_got);

static void an_empty_one_makes_body(void *arg)
{
	struct maker m = {.made = 0};
	flo_pool *pool = pool_of(&m);
	struct object *a, *b;

	(void)arg;
	a = flo_pool_get(pool);
	b = flo_pool_get(pool);
	EXPECT(a != NULL && b != NULL && a != b);
	EXPECT(atomic_load(&m.made) == 2);
	flo_pool_put(pool, a);
	EXPECT(flo_pool_get(pool) == a);
	EXPECT(atomic_load(&m.made) == 2);
	flo_pool_put(pool, a);
	flo_pool_put(pool, b);
	flo_pool_free(pool);
	EXPECT(atomic_load(&m.dropped) == 2);
}
CORO_TEST(an_empty_one_makes);

static void a_full_one_drops_body(void *arg)
{
	enum {
		N = 3000
	};
	struct maker m = {.made = 0};
	flo_pool *pool = pool_of(&m);
	struct object **out = calloc(N, sizeof(struct object *));

	(void)arg;
	for (int i = 0; i < N; i++)
		out[i] = flo_pool_get(pool);
	EXPECT(atomic_load(&m.made) == N);
	for (int i = 0; i < N; i++)
		flo_pool_put(pool, out[i]);
	EXPECT(atomic_load(&m.dropped) > 0 && atomic_load(&m.dropped) < N);
	flo_pool_free(pool);
	EXPECT(atomic_load(&m.dropped) == N);
	free(out);
}
CORO_TEST(a_full_one_drops);

/* --- many users ---------------------------------------------------------------- */

struct users {
	flo_pool *pool;
	struct maker maker;
	flo_waitgroup ended;
};

static void use_objects(struct users *u, int rounds)
{
	struct object *o[3];

	for (int i = 0; i < rounds; i++) {
		for (int k = 0; k < 3; k++) {
			o[k] = flo_pool_get(u->pool);
			EXPECT(atomic_fetch_add(&o[k]->owners, 1) == 0);
			o[k]->written++;
		}
		if (i % 4 == 0 && flo_runtime_current() != NULL)
			flo_yield();
		for (int k = 0; k < 3; k++) {
			EXPECT(atomic_fetch_sub(&o[k]->owners, 1) == 1);
			flo_pool_put(u->pool, o[k]);
		}
	}
}

static void use_in_coroutine(void *arg)
{
	struct users *u = arg;

	use_objects(u, CORO_STRESS(5000));
	flo_waitgroup_done(&u->ended);
}

static void *use_in_thread(void *arg)
{
	use_objects(arg, CORO_STRESS(5000));
	return NULL;
}

static void an_object_has_one_owner_at_a_time_body(void *arg)
{
	struct users u = {.pool = NULL};

	(void)arg;
	u.pool = pool_of(&u.maker);
	flo_waitgroup_add(&u.ended, 10);
	for (int i = 0; i < 10; i++)
		coro_go(use_in_coroutine, &u);
	flo_waitgroup_wait(&u.ended, NULL);
	flo_pool_free(u.pool);
	EXPECT(atomic_load(&u.maker.made) == atomic_load(&u.maker.dropped));
}
CORO_TEST(an_object_has_one_owner_at_a_time);

static void ordinary_threads_may_use_it_body(void *arg)
{
	struct users u = {.pool = NULL};
	pthread_t threads[2];

	(void)arg;
	u.pool = pool_of(&u.maker);
	flo_waitgroup_add(&u.ended, 4);
	for (int i = 0; i < 2; i++)
		EXPECT(pthread_create(&threads[i], NULL, use_in_thread, &u) ==
		       0);
	for (int i = 0; i < 4; i++)
		coro_go(use_in_coroutine, &u);
	flo_waitgroup_wait(&u.ended, NULL);
	flo_blocking_begin();
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	/* in a blocking region, too */
	flo_pool_put(u.pool, flo_pool_get(u.pool));
	flo_blocking_end();
	flo_pool_free(u.pool);
	EXPECT(atomic_load(&u.maker.made) == atomic_load(&u.maker.dropped));
}
CORO_TEST(ordinary_threads_may_use_it);

/* It finds what lies elsewhere before it makes another. */
struct elsewhere {
	flo_pool *pool;
	struct object *object;
};

static void *put_from_thread(void *arg)
{
	struct elsewhere *e = arg;

	flo_pool_put(e->pool, e->object);
	return NULL;
}

static void objects_of_other_places_are_found_body(void *arg)
{
	struct maker m = {.made = 0};
	struct elsewhere e = {.pool = pool_of(&m)};
	pthread_t thread;

	(void)arg;
	e.object = flo_pool_get(e.pool);
	/* spread over several P's: wherever this runs, it finds it */
	for (int i = 0; i < 20; i++) {
		flo_blocking_begin();
		EXPECT(pthread_create(&thread, NULL, put_from_thread, &e) == 0);
		pthread_join(thread, NULL);
		flo_blocking_end();
		EXPECT(flo_pool_get(e.pool) == e.object);
	}
	EXPECT(atomic_load(&m.made) == 1);
	flo_pool_put(e.pool, e.object);
	flo_pool_free(e.pool);
}
CORO_TEST(objects_of_other_places_are_found);

/* --- the rest -------------------------------------------------------------------- */

static void *make_nothing(void *arg)
{
	(void)arg;
	return NULL;
}

static void what_cannot_be_made_is_null_body(void *arg)
{
	flo_pool *pool = NULL;

	(void)arg;
	flo__alloc_fail_at(1, 0);
	EXPECT(flo_pool_new(flo_runtime_current(), NULL, NULL, NULL, &pool) ==
	       FLO_NOMEM);
	flo__alloc_fail_at(0, 0);
	EXPECT(pool == NULL);
	EXPECT(flo_pool_new(flo_runtime_current(), make_nothing, NULL, NULL,
			    &pool) == FLO_OK);
	EXPECT(flo_pool_get(pool) == NULL);
	flo_pool_free(pool);
}

static void what_cannot_be_made_is_null(void **state)
{
	(void)state;
	coro_run(&(struct flo_runtime_options){.procs = 1},
		 what_cannot_be_made_is_null_body, NULL);
}

/* A pool may outlive its runtime, and be used by coroutines of another. */
static flo_pool *outliving;

static void use_it_from_many_places(void *arg)
{
	struct object *o = flo_pool_get(outliving);

	flo_pool_put(outliving, o);
	flo_waitgroup_done(arg);
}

static void start_users(void *arg)
{
	flo_waitgroup ended = {.count = 0};

	(void)arg;
	flo_waitgroup_add(&ended, 200);
	for (int i = 0; i < 200; i++)
		coro_go(use_it_from_many_places, &ended);
	flo_waitgroup_wait(&ended, NULL);
}

static void a_pool_is_not_bound_to_its_runtime(void **state)
{
	struct maker m = {.made = 0};
	flo_runtime *rt = NULL;

	(void)state;
	assert_int_equal(
		flo_runtime_new(&(struct flo_runtime_options){.procs = 1}, NULL,
				&rt),
		FLO_OK);
	assert_int_equal(flo_pool_new(rt, make, drop, &m, &outliving), FLO_OK);
	flo_runtime_free(rt);
	coro_run(&(struct flo_runtime_options){.procs = 8}, start_users, NULL);
	flo_pool_free(outliving);
	assert_true(atomic_load(&m.made) > 0);
	assert_int_equal(atomic_load(&m.made), atomic_load(&m.dropped));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_can_be_got),
		cmocka_unit_test(an_empty_one_makes),
		cmocka_unit_test(a_full_one_drops),
		cmocka_unit_test(an_object_has_one_owner_at_a_time),
		cmocka_unit_test(ordinary_threads_may_use_it),
		cmocka_unit_test(objects_of_other_places_are_found),
		cmocka_unit_test(what_cannot_be_made_is_null),
		cmocka_unit_test(a_pool_is_not_bound_to_its_runtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
