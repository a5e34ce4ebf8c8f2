/* flo_mutex: exclusion, fairness, misuse. Behaviours of Go's sync.Mutex. */
#include "coro.h"
#include "waiting.h"

#include <flo/panic.h>
#include <flo/sync.h>

static void lock_and_unlock_body(void *arg)
{
	flo_mutex m = {.state = 0};

	(void)arg;
	flo_mutex_lock(&m);
	EXPECT(!flo_mutex_trylock(&m));
	flo_mutex_unlock(&m);
	EXPECT(flo_mutex_trylock(&m));
	flo_mutex_unlock(&m);
	EXPECT(m.state == 0);
}
CORO_TEST(lock_and_unlock);

struct hammered {
	flo_mutex m;
	flo_waitgroup ended;
	int inside;  /* by m */
	long rounds; /* by m */
	int yields_every;
};

static void hammer(void *arg)
{
	struct hammered *h = arg;

	for (int i = 0; i < CORO_STRESS(20000); i++) {
		if (i % 3 != 0)
			flo_mutex_lock(&h->m);
		else if (!flo_mutex_trylock(&h->m))
			continue;
		EXPECT(h->inside++ == 0);
		h->rounds++;
		if (h->yields_every != 0 && i % h->yields_every == 0)
			flo_yield();
		EXPECT(--h->inside == 0);
		flo_mutex_unlock(&h->m);
	}
	flo_waitgroup_done(&h->ended);
}

static void exclude_each_other(int yields_every)
{
	struct hammered h = {.yields_every = yields_every};

	for (int i = 0; i < 10; i++) {
		flo_waitgroup_add(&h.ended, 1);
		coro_go(hammer, &h);
	}
	flo_waitgroup_wait(&h.ended, NULL);
	EXPECT(h.rounds >= 10 * CORO_STRESS(20000) * 2 / 3);
	EXPECT(h.m.state == 0 && waiting_in(&h.m.q) == 0);
}

static void only_one_is_inside_body(void *arg)
{
	(void)arg;
	exclude_each_other(0);
	exclude_each_other(1);
	exclude_each_other(5);
}
CORO_TEST(only_one_is_inside);

/* One that hardly ever lets go, and one that wants it now and then. */
struct greed {
	flo_mutex m;
	flo_sem stopped;
	atomic_bool stop;
	atomic_long taken;
};

static void be_greedy(void *arg)
{
	struct greed *g = arg;

	while (!atomic_load(&g->stop)) {
		flo_mutex_lock(&g->m);
		flo_yield();
		atomic_fetch_add(&g->taken, 1);
		flo_mutex_unlock(&g->m);
	}
	flo_sem_give(&g->stopped);
}

/* Returns how often the greedy one got it, at most, before we did. */
static long ask_among_greedy(void)
{
	struct greed g = {.stop = false};
	long before, most = 0;

	coro_go(be_greedy, &g);
	UNTIL(atomic_load(&g.taken) > 0);
	for (int i = 0; i < 20; i++) {
		flo_yield();
		before = atomic_load(&g.taken);
		flo_mutex_lock(&g.m);
		if (atomic_load(&g.taken) - before > most)
			most = atomic_load(&g.taken) - before;
		flo_mutex_unlock(&g.m);
	}
	atomic_store(&g.stop, true);
	flo_sem_take(&g.stopped, NULL);
	return most;
}

/* Several threads give no strict bound, but it must come to an end. */
static void nobody_starves_body(void *arg)
{
	(void)arg;
	ask_among_greedy();
}
CORO_TEST(nobody_starves);

static void lose_some(void *arg)
{
	(void)arg;
	EXPECT(ask_among_greedy() <= 20);
}

static void it_is_handed_over_after_16_losses(void **state)
{
	(void)state;
	coro_run(&(struct flo_runtime_options){.procs = 1}, lose_some, NULL);
}

static void unlock_it(void *arg)
{
	flo_mutex_unlock(arg);
}

static void unlocking_what_is_free_is_a_broken_contract_body(void *arg)
{
	flo_mutex m = {.state = 0};

	(void)arg;
	EXPECT(flo_try(unlock_it, &m, NULL) == FLO_PANIC);
	flo_mutex_lock(&m);
	flo_mutex_unlock(&m);
	EXPECT(flo_try(unlock_it, &m, NULL) == FLO_PANIC);
	EXPECT(m.state == 0 && m.q.lock == 0);
}
CORO_TEST(unlocking_what_is_free_is_a_broken_contract);

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lock_and_unlock),
		cmocka_unit_test(only_one_is_inside),
		cmocka_unit_test(nobody_starves),
		cmocka_unit_test(it_is_handed_over_after_16_losses),
		cmocka_unit_test(unlocking_what_is_free_is_a_broken_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
