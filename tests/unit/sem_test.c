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
		cmocka_unit_test(a_negative_count_is_a_broken_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
