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

/*
 * On one P there is a strict bound. But where the system does not run its
 * thread for 10 ms another P comes to its relief, and then there are two.
 */
static void lose_some(void *arg)
{
	bool bounded = false;

	(void)arg;
	for (int i = 0; i < 100 && !bounded; i++)
		bounded = ask_among_greedy() <= 20;
	EXPECT(bounded);
}

static void it_is_handed_over_after_16_losses(void **state)
{
	(void)state;
	coro_run(&(struct flo_runtime_options){.procs = 1}, lose_some, NULL);
}

/* --- contexts ------------------------------------------------------------------ */

struct locker {
	flo_mutex *m;
	flo_context *context;
	flo_status status;
	flo_sem ended;
};

static void lock_under_context(void *arg)
{
	struct locker *l = arg;

	l->status = flo_mutex_lock_ctx(l->m, l->context);
	flo_sem_give(&l->ended);
}

static void a_wait_ends_with_its_context_body(void *arg)
{
	flo_mutex m = {.state = 0};
	struct locker l = {.m = &m};

	(void)arg;
	l.context = flo_context_new(flo_runtime_current());
	flo_mutex_lock(&m);
	coro_go(lock_under_context, &l);
	UNTIL(waiting_in(&m.q) == 1);
	flo_context_cancel(l.context, NULL);
	flo_sem_take(&l.ended, NULL);
	EXPECT(l.status == FLO_CANCELED);
	EXPECT(waiting_in(&m.q) == 0 && !flo_mutex_trylock(&m));
	flo_mutex_unlock(&m);
	EXPECT(m.state == 0);
	/* ended before: not even what is free */
	EXPECT(flo_mutex_lock_ctx(&m, l.context) == FLO_CANCELED);
	EXPECT(m.state == 0);
	EXPECT(flo_mutex_lock_ctx(&m, NULL) == FLO_OK);
	flo_mutex_unlock(&m);
	flo_context_unref(l.context);
}
CORO_TEST(a_wait_ends_with_its_context);

static void who_leaves_the_line_holds_up_nobody_body(void *arg)
{
	flo_mutex m = {.state = 0};
	struct locker l[3] = {{.m = &m}, {.m = &m}, {.m = &m}};

	(void)arg;
	l[1].context = flo_context_new(flo_runtime_current());
	flo_mutex_lock(&m);
	for (uint32_t i = 0; i < 3; i++) {
		coro_go(lock_under_context, &l[i]);
		UNTIL(waiting_in(&m.q) == i + 1);
	}
	flo_context_cancel(l[1].context, NULL);
	flo_sem_take(&l[1].ended, NULL);
	for (int i = 0; i < 3; i += 2) {
		flo_mutex_unlock(&m);
		flo_sem_take(&l[i].ended, NULL);
		EXPECT(l[i].status == FLO_OK);
	}
	flo_mutex_unlock(&m);
	EXPECT(l[1].status == FLO_CANCELED && m.state == 0);
	flo_context_unref(l[1].context);
}
CORO_TEST(who_leaves_the_line_holds_up_nobody);

/* Woken in vain, and its context ends before it has run: on one thread. */
static void who_was_woken_in_vain_can_still_leave_body(void *arg)
{
	flo_mutex m = {.state = 0};
	struct locker l = {.m = &m};
	bool ours;

	(void)arg;
	l.context = flo_context_new(flo_runtime_current());
	flo_mutex_lock(&m);
	coro_go(lock_under_context, &l);
	UNTIL(waiting_in(&m.q) == 1);
	flo_mutex_unlock(&m);
	ours = flo_mutex_trylock(&m);
	flo_context_cancel(l.context, NULL);
	flo_sem_take(&l.ended, NULL);
	EXPECT(l.status == (ours ? FLO_CANCELED : FLO_OK));
	flo_mutex_unlock(&m);
	EXPECT(m.state == 0);
	flo_context_unref(l.context);
}
CORO_TEST(who_was_woken_in_vain_can_still_leave);

/* Deadlines that pass in the line, while being woken, and while starving. */
struct hurried {
	flo_mutex m;
	flo_context *root;
	flo_waitgroup ended;
	int inside;	  /* by m */
	long locked;	  /* by m */
	atomic_long late; /* gave up */
};

static void hurry(void *arg)
{
	struct hurried *h = arg;
	flo_context *c;

	for (int i = 0; i < CORO_STRESS(10000); i++) {
		c = flo_context_timeout(h->root, 500 + (uint64_t)i % 50 * 700,
					"soon");
		if (flo_mutex_lock_ctx(&h->m, i % 8 != 0 ? c : NULL) ==
		    FLO_OK) {
			EXPECT(h->inside++ == 0);
			h->locked++;
			if (i % 2 == 0)
				flo_yield();
			EXPECT(--h->inside == 0);
			flo_mutex_unlock(&h->m);
		} else {
			atomic_fetch_add(&h->late, 1);
		}
		flo_context_unref(c);
	}
	flo_waitgroup_done(&h->ended);
}

static void no_wake_up_is_lost_to_the_late_body(void *arg)
{
	struct hurried h = {.root = flo_context_new(flo_runtime_current())};

	(void)arg;
	for (int i = 0; i < 10; i++) {
		flo_waitgroup_add(&h.ended, 1);
		coro_go(hurry, &h);
	}
	flo_waitgroup_wait(&h.ended, NULL);
	EXPECT(h.locked + atomic_load(&h.late) == 10 * CORO_STRESS(10000));
	EXPECT(h.locked >= 10 * CORO_STRESS(10000) / 8);
	EXPECT(waiting_in(&h.m.q) == 0 && flo_mutex_trylock(&h.m));
	flo_mutex_unlock(&h.m);
	EXPECT(h.m.state == 0);
	flo_context_unref(h.root);
}
CORO_TEST(no_wake_up_is_lost_to_the_late);

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
		cmocka_unit_test(a_wait_ends_with_its_context),
		cmocka_unit_test(who_leaves_the_line_holds_up_nobody),
		cmocka_unit_test(who_was_woken_in_vain_can_still_leave),
		cmocka_unit_test(no_wake_up_is_lost_to_the_late),
		cmocka_unit_test(unlocking_what_is_free_is_a_broken_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
