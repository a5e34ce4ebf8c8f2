/* flo_sem: FIFO, the front, and cancellation that loses no unit. */
#include "coro.h"
#include "waiting.h"

#include <flo/panic.h>
#include <flo/sync.h>

static void units_are_counted_body(void *arg)
{
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 2);
	EXPECT(flo_sem_trytake(&sem));
	EXPECT(flo_sem_take(&sem, NULL) == FLO_OK);
	EXPECT(!flo_sem_trytake(&sem));
	flo_sem_give(&sem);
	EXPECT(flo_sem_trytake(&sem));
	flo_sem_give(&sem);
	flo_sem_give(&sem);
	EXPECT(sem.free == 2);
}
CORO_TEST(units_are_counted);

/* A line of takers; each writes its letter when it gets a unit. */
struct line {
	flo_sem sem;
	flo_context *context;
	flo_waitgroup ended;
	char order[16];
	atomic_int len;
	atomic_int canceled;
};

struct taker {
	struct line *line;
	char letter;
	bool front;
};

static void take_one(void *arg)
{
	struct taker me = *(struct taker *)arg;
	struct line *l = me.line;
	flo_status st = me.front ? flo_sem_take_front(&l->sem, l->context)
				 : flo_sem_take(&l->sem, l->context);

	if (st == FLO_OK)
		l->order[atomic_fetch_add(&l->len, 1)] = me.letter;
	else
		atomic_fetch_add(&l->canceled, 1);
	flo_waitgroup_done(&l->ended);
}

static void line_up(struct line *l, struct taker *taker, char letter,
		    bool front)
{
	uint32_t before = waiting_in(&l->sem.q);

	*taker = (struct taker){l, letter, front};
	flo_waitgroup_add(&l->ended, 1);
	coro_go(take_one, taker);
	UNTIL(waiting_in(&l->sem.q) == before + 1);
}

/* One unit at a time, so that the order of the letters is that of the line. */
static void serve_one(struct line *l)
{
	int before = atomic_load(&l->len);

	flo_sem_give(&l->sem);
	UNTIL(atomic_load(&l->len) == before + 1);
}

static void first_come_first_served_body(void *arg)
{
	struct line l = {.context = NULL};
	struct taker t[3];

	(void)arg;
	line_up(&l, &t[0], 'a', false);
	line_up(&l, &t[1], 'b', false);
	line_up(&l, &t[2], 'c', false);
	EXPECT(!flo_sem_trytake(&l.sem));
	for (int i = 0; i < 3; i++)
		serve_one(&l);
	EXPECT(l.order[0] == 'a' && l.order[1] == 'b' && l.order[2] == 'c');
	flo_waitgroup_wait(&l.ended, NULL);
	EXPECT(l.sem.free == 0);
}
CORO_TEST(first_come_first_served);

static void the_front_comes_before_who_waits_body(void *arg)
{
	struct line l = {.context = NULL};
	struct taker t[3];

	(void)arg;
	line_up(&l, &t[0], 'a', false);
	line_up(&l, &t[1], 'b', false);
	line_up(&l, &t[2], 'f', true);
	for (int i = 0; i < 3; i++)
		serve_one(&l);
	EXPECT(l.order[0] == 'f' && l.order[1] == 'a' && l.order[2] == 'b');
	flo_waitgroup_wait(&l.ended, NULL);
}
CORO_TEST(the_front_comes_before_who_waits);

static void the_cancelled_leave_the_line_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	struct line l = {.context = NULL};
	struct taker t[3];

	(void)arg;
	line_up(&l, &t[0], 'a', false);
	l.context = flo_context_child(root);
	line_up(&l, &t[1], 'x', false);
	flo_context_cancel(l.context, NULL);
	UNTIL(atomic_load(&l.canceled) == 1);
	flo_context_unref(l.context);
	l.context = NULL;
	line_up(&l, &t[2], 'b', false);
	serve_one(&l);
	serve_one(&l);
	EXPECT(l.order[0] == 'a' && l.order[1] == 'b');
	flo_waitgroup_wait(&l.ended, NULL);
	EXPECT(l.sem.free == 0 && waiting_in(&l.sem.q) == 0);
	flo_context_unref(root);
}
CORO_TEST(the_cancelled_leave_the_line);

static void an_ended_context_takes_nothing_body(void *arg)
{
	flo_context *ended = flo_context_new(flo_runtime_current());
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 1);
	flo_context_cancel(ended, NULL);
	EXPECT(flo_sem_take(&sem, ended) == FLO_CANCELED);
	EXPECT(sem.free == 1);
	flo_context_unref(ended);
}
CORO_TEST(an_ended_context_takes_nothing);

static void a_deadline_ends_the_wait_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *soon = flo_context_timeout(root, 1000000, "1ms");
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 0);
	EXPECT(flo_sem_take(&sem, soon) == FLO_TIMEOUT);
	EXPECT(waiting_in(&sem.q) == 0);
	flo_context_unref(soon);
	flo_context_unref(root);
}
CORO_TEST(a_deadline_ends_the_wait);

/* --- units against cancellations ----------------------------------------- */

enum {
	UNITS = 3,
	USERS = 12
};

struct bustle {
	flo_sem sem;
	flo_waitgroup ended;
	atomic_int inside, most, served;
	flo_context *root;
};

static void note_most(struct bustle *b, int inside)
{
	int most = atomic_load(&b->most);

	while (inside > most &&
	       !atomic_compare_exchange_weak(&b->most, &most, inside))
		;
}

static void use_often(void *arg)
{
	struct bustle *b = arg;
	flo_context *c;
	flo_status st;

	for (int i = 0; i < CORO_STRESS(10000); i++) {
		/* some deadlines pass while waiting, some just as it ends */
		c = flo_context_timeout(b->root, 500 + (uint64_t)i % 50 * 700,
					"soon");
		st = i % 5 == 0 ? flo_sem_take_front(&b->sem, c)
				: flo_sem_take(&b->sem, c);
		if (st == FLO_OK) {
			note_most(b, 1 + atomic_fetch_add(&b->inside, 1));
			atomic_fetch_add(&b->served, 1);
			flo_yield();
			atomic_fetch_sub(&b->inside, 1);
			flo_sem_give(&b->sem);
		}
		flo_context_unref(c);
	}
	flo_waitgroup_done(&b->ended);
}

static void no_unit_is_lost_or_made_body(void *arg)
{
	struct bustle b = {.root = flo_context_new(flo_runtime_current())};

	(void)arg;
	flo_sem_init(&b.sem, UNITS);
	for (int i = 0; i < USERS; i++) {
		flo_waitgroup_add(&b.ended, 1);
		coro_go(use_often, &b);
	}
	flo_waitgroup_wait(&b.ended, NULL);
	EXPECT(b.sem.free == UNITS);
	EXPECT(atomic_load(&b.most) <= UNITS);
	EXPECT(atomic_load(&b.served) > 0);
	flo_context_unref(b.root);
}
CORO_TEST(no_unit_is_lost_or_made);

/* --- several units at once: golang.org/x/sync/semaphore ---------------------- */

static void units_are_taken_together_body(void *arg)
{
	flo_context *none = NULL;
	bool tries[4];
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 2);
	EXPECT(flo_sem_take_n(&sem, 1, none) == FLO_OK);
	tries[0] = flo_sem_trytake_n(&sem, 1);
	tries[1] = flo_sem_trytake_n(&sem, 1);
	flo_sem_give_n(&sem, 2);
	tries[2] = flo_sem_trytake_n(&sem, 1);
	EXPECT(flo_sem_take_n(&sem, 1, none) == FLO_OK);
	tries[3] = flo_sem_trytake_n(&sem, 1);
	EXPECT(tries[0] && !tries[1] && tries[2] && !tries[3]);
	flo_sem_give_n(&sem, 2);
	EXPECT(!flo_sem_trytake_n(&sem, 3));
	EXPECT(flo_sem_trytake_n(&sem, 2));
	EXPECT(flo_sem_trytake_n(&sem, 0));
	flo_sem_give_n(&sem, 0);
	flo_sem_give_n(&sem, 2);
	EXPECT(sem.free == 2);
}
CORO_TEST(units_are_taken_together);

struct wanting {
	flo_sem *sem;
	int64_t n;
	flo_context *context;
	flo_status status;
	atomic_bool done;
	flo_sem ended;
};

static void take_wanted(void *arg)
{
	struct wanting *w = arg;

	w->status = flo_sem_take_n(w->sem, w->n, w->context);
	atomic_store(&w->done, true);
	flo_sem_give(&w->ended);
}

static void want(struct wanting *w, flo_sem *sem, int64_t n)
{
	uint32_t before = waiting_in(&sem->q);

	*w = (struct wanting){.sem = sem, .n = n, .context = w->context};
	coro_go(take_wanted, w);
	UNTIL(waiting_in(&sem->q) == before + 1);
}

static void who_wants_much_blocks_who_wants_less_body(void *arg)
{
	struct wanting big = {0}, small = {0};
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 4);
	EXPECT(flo_sem_take_n(&sem, 2, NULL) == FLO_OK);
	want(&big, &sem, 3);
	/* there is one, and even two */
	EXPECT(!flo_sem_trytake(&sem));
	want(&small, &sem, 1);
	flo_sem_give(&sem);
	flo_sem_take(&big.ended, NULL);
	EXPECT(!atomic_load(&small.done) && waiting_in(&sem.q) == 1);
	flo_sem_give_n(&sem, 3);
	flo_sem_take(&small.ended, NULL);
	flo_sem_give_n(&sem, 2);
	EXPECT(sem.free == 4);
}
CORO_TEST(who_wants_much_blocks_who_wants_less);

static void one_give_serves_as_many_as_it_can_body(void *arg)
{
	struct wanting w[4] = {0};
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 6);
	EXPECT(flo_sem_take_n(&sem, 6, NULL) == FLO_OK);
	for (int i = 0; i < 4; i++)
		want(&w[i], &sem, i < 2 ? 2 : 1);
	flo_sem_give_n(&sem, 5);
	for (int i = 0; i < 3; i++)
		flo_sem_take(&w[i].ended, NULL);
	EXPECT(!atomic_load(&w[3].done) && sem.free == 0);
	flo_sem_give(&sem);
	flo_sem_take(&w[3].ended, NULL);
	flo_sem_give_n(&sem, 6);
	EXPECT(sem.free == 6);
}
CORO_TEST(one_give_serves_as_many_as_it_can);

/* As x/sync's TestAllocCancelDoesntStarve. */
static void who_gives_up_lets_the_ones_behind_go_on_body(void *arg)
{
	struct wanting big = {0}, small[2] = {0};
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 10);
	EXPECT(flo_sem_take(&sem, NULL) == FLO_OK);
	big.context = flo_context_new(flo_runtime_current());
	want(&big, &sem, 10);
	want(&small[0], &sem, 1);
	want(&small[1], &sem, 8);
	flo_context_cancel(big.context, NULL);
	for (int i = 0; i < 2; i++) {
		flo_sem_take(&small[i].ended, NULL);
		EXPECT(small[i].status == FLO_OK);
	}
	flo_sem_take(&big.ended, NULL);
	EXPECT(big.status == FLO_CANCELED && sem.free == 0);
	flo_context_unref(big.context);
}
CORO_TEST(who_gives_up_lets_the_ones_behind_go_on);

/* As x/sync's TestWeightedDoesntBlockIfTooBig. */
static void who_wants_too_much_blocks_nobody_body(void *arg)
{
	struct wanting greedy = {0};
	flo_sem sem;

	(void)arg;
	flo_sem_init(&sem, 2);
	greedy.context = flo_context_new(flo_runtime_current());
	greedy.sem = &sem;
	greedy.n = 3;
	coro_go(take_wanted, &greedy);
	for (int i = 0; i < 10; i++) {
		EXPECT(flo_sem_take_n(&sem, 2, NULL) == FLO_OK);
		flo_yield();
		flo_sem_give_n(&sem, 2);
	}
	EXPECT(!atomic_load(&greedy.done) && waiting_in(&sem.q) == 0);
	flo_context_cancel(greedy.context, NULL);
	flo_sem_take(&greedy.ended, NULL);
	EXPECT(greedy.status == FLO_CANCELED && sem.free == 2);
	flo_context_unref(greedy.context);
}
CORO_TEST(who_wants_too_much_blocks_nobody);

static void without_a_size_nothing_is_too_much_body(void *arg)
{
	struct wanting w = {0};
	flo_sem sem = {.free = 0};

	(void)arg;
	want(&w, &sem, 5);
	for (int i = 0; i < 5; i++) {
		EXPECT(!atomic_load(&w.done));
		flo_sem_give(&sem);
	}
	flo_sem_take(&w.ended, NULL);
	EXPECT(w.status == FLO_OK && sem.free == 0);
}
CORO_TEST(without_a_size_nothing_is_too_much);

/* As x/sync's TestLargeAcquireDoesntStarve. */
struct crowd {
	flo_sem sem;
	atomic_bool stop;
	flo_waitgroup ended;
};

static void take_and_give(void *arg)
{
	struct crowd *c = arg;

	while (!atomic_load(&c->stop)) {
		EXPECT(flo_sem_take(&c->sem, NULL) == FLO_OK);
		flo_yield();
		flo_sem_give(&c->sem);
		flo_yield();
	}
	flo_waitgroup_done(&c->ended);
}

static void who_wants_all_does_not_starve_body(void *arg)
{
	enum {
		N = 8
	};
	struct crowd c = {.stop = false};

	(void)arg;
	flo_sem_init(&c.sem, N);
	flo_waitgroup_add(&c.ended, 2 * N);
	for (int i = 0; i < 2 * N; i++)
		coro_go(take_and_give, &c);
	UNTIL(waiting_in(&c.sem.q) > 0);
	EXPECT(flo_sem_take_n(&c.sem, N, NULL) == FLO_OK);
	atomic_store(&c.stop, true);
	flo_sem_give_n(&c.sem, N);
	flo_waitgroup_wait(&c.ended, NULL);
	EXPECT(c.sem.free == N);
}
CORO_TEST(who_wants_all_does_not_starve);

/* Units of all sizes against deadlines: none is lost, none is made. */
static void use_some_often(void *arg)
{
	struct bustle *b = arg;
	flo_context *c;
	int n;

	for (int i = 0; i < CORO_STRESS(5000); i++) {
		n = i % (UNITS + 1);
		c = flo_context_timeout(b->root, 500 + (uint64_t)i % 50 * 700,
					"soon");
		if (flo_sem_take_n(&b->sem, n, c) == FLO_OK) {
			note_most(b, n + atomic_fetch_add(&b->inside, n));
			atomic_fetch_add(&b->served, 1);
			flo_yield();
			atomic_fetch_sub(&b->inside, n);
			flo_sem_give_n(&b->sem, n);
		}
		flo_context_unref(c);
	}
	flo_waitgroup_done(&b->ended);
}

static void several_units_are_not_lost_or_made_body(void *arg)
{
	struct bustle b = {.root = flo_context_new(flo_runtime_current())};

	(void)arg;
	flo_sem_init(&b.sem, UNITS);
	flo_waitgroup_add(&b.ended, USERS);
	for (int i = 0; i < USERS; i++)
		coro_go(use_some_often, &b);
	flo_waitgroup_wait(&b.ended, NULL);
	EXPECT(b.sem.free == UNITS);
	EXPECT(atomic_load(&b.most) <= UNITS);
	EXPECT(atomic_load(&b.served) > 0);
	flo_context_unref(b.root);
}
CORO_TEST(several_units_are_not_lost_or_made);

static void init_negative(void *arg)
{
	flo_sem_init(arg, -1);
}

static void a_negative_count_is_a_broken_contract(void **state)
{
	flo_sem sem;

	(void)state;
	assert_int_equal(flo_try(init_negative, &sem, NULL), FLO_PANIC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(units_are_counted),
		cmocka_unit_test(first_come_first_served),
		cmocka_unit_test(the_front_comes_before_who_waits),
		cmocka_unit_test(the_cancelled_leave_the_line),
		cmocka_unit_test(an_ended_context_takes_nothing),
		cmocka_unit_test(a_deadline_ends_the_wait),
		cmocka_unit_test(no_unit_is_lost_or_made),
		cmocka_unit_test(units_are_taken_together),
		cmocka_unit_test(who_wants_much_blocks_who_wants_less),
		cmocka_unit_test(one_give_serves_as_many_as_it_can),
		cmocka_unit_test(who_gives_up_lets_the_ones_behind_go_on),
		cmocka_unit_test(who_wants_too_much_blocks_nobody),
		cmocka_unit_test(without_a_size_nothing_is_too_much),
		cmocka_unit_test(who_wants_all_does_not_starve),
		cmocka_unit_test(several_units_are_not_lost_or_made),
		cmocka_unit_test(a_negative_count_is_a_broken_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
