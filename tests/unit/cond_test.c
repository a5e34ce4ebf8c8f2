/* flo_cond: signals in order, broadcasts, cancelled waits. Go's sync.Cond. */
#include "coro.h"
#include "waiting.h"

#include <flo/panic.h>
#include <flo/sync.h>

struct meeting {
	flo_mutex m;
	flo_cond c;
	flo_context *context;
	int awake;    /* by m */
	int canceled; /* by m */
	char order[8];
	flo_waitgroup ended;
};

struct guest {
	struct meeting *meeting;
	char letter;
};

static void wait_for_signal(void *arg)
{
	struct guest g = *(struct guest *)arg;
	struct meeting *m = g.meeting;
	flo_status st;

	flo_mutex_lock(&m->m);
	st = flo_cond_wait(&m->c, &m->m, m->context);
	EXPECT(!flo_mutex_trylock(&m->m));
	if (st == FLO_OK)
		m->order[m->awake++] = g.letter;
	else
		m->canceled++;
	flo_mutex_unlock(&m->m);
	flo_waitgroup_done(&m->ended);
}

static void arrive(struct meeting *m, struct guest *g, char letter)
{
	uint32_t before = waiting_in(&m->c.q);

	*g = (struct guest){m, letter};
	flo_waitgroup_add(&m->ended, 1);
	coro_go(wait_for_signal, g);
	UNTIL(waiting_in(&m->c.q) == before + 1);
}

static int awake(struct meeting *m)
{
	int n;

	flo_mutex_lock(&m->m);
	n = m->awake + m->canceled;
	flo_mutex_unlock(&m->m);
	return n;
}

static void a_signal_wakes_the_longest_waiter_body(void *arg)
{
	struct meeting m = {.context = NULL};
	struct guest g[3];

	(void)arg;
	for (int i = 0; i < 3; i++)
		arrive(&m, &g[i], (char)('a' + i));
	for (int i = 0; i < 3; i++) {
		EXPECT(awake(&m) == i);
		flo_cond_signal(&m.c);
		UNTIL(awake(&m) == i + 1);
	}
	flo_cond_signal(&m.c); /* nobody waits: forgotten */
	EXPECT(m.order[0] == 'a' && m.order[1] == 'b' && m.order[2] == 'c');
	flo_waitgroup_wait(&m.ended, NULL);
}
CORO_TEST(a_signal_wakes_the_longest_waiter);

static void a_broadcast_wakes_all_body(void *arg)
{
	struct meeting m = {.context = NULL};
	struct guest g[8];

	(void)arg;
	for (int i = 0; i < 8; i++)
		arrive(&m, &g[i], 'x');
	flo_cond_broadcast(&m.c);
	flo_waitgroup_wait(&m.ended, NULL);
	EXPECT(m.awake == 8);
}
CORO_TEST(a_broadcast_wakes_all);

static void a_cancelled_wait_holds_the_mutex_body(void *arg)
{
	struct meeting m = {.context = flo_context_new(flo_runtime_current())};
	struct guest g[3];

	(void)arg;
	arrive(&m, &g[0], 'x');
	flo_context_cancel(m.context, NULL);
	UNTIL(awake(&m) == 1);
	EXPECT(m.canceled == 1);
	flo_waitgroup_wait(&m.ended, NULL);
	/* and with a context that has ended before */
	flo_mutex_lock(&m.m);
	EXPECT(flo_cond_wait(&m.c, &m.m, m.context) == FLO_CANCELED);
	EXPECT(!flo_mutex_trylock(&m.m));
	flo_mutex_unlock(&m.m);
	flo_context_unref(m.context);
}
CORO_TEST(a_cancelled_wait_holds_the_mutex);

/* Go's TestCondSignalGenerations: one wakes after the other, in order. */
static void signals_serve_generations_in_order_body(void *arg)
{
	enum {
		N = 8
	};
	struct meeting m = {.context = NULL};
	struct guest g[N];

	(void)arg;
	for (int round = 0; round < 5; round++) {
		m.awake = 0;
		for (int i = 0; i < N; i++)
			arrive(&m, &g[i], (char)('a' + i));
		for (int i = 0; i < N; i++) {
			flo_cond_signal(&m.c);
			UNTIL(awake(&m) == i + 1);
			EXPECT(m.order[i] == 'a' + i);
		}
		flo_waitgroup_wait(&m.ended, NULL);
	}
}
CORO_TEST(signals_serve_generations_in_order);

/* Go's TestCondSignalStealing: who waits later does not get the signal. */
static void a_signal_is_not_stolen_body(void *arg)
{
	struct guest g[2];

	(void)arg;
	for (int i = 0; i < CORO_STRESS(2000); i++) {
		struct meeting m = {.context = NULL};

		arrive(&m, &g[0], 'a');
		flo_mutex_lock(&m.m);
		flo_cond_signal(&m.c);
		flo_mutex_unlock(&m.m);
		/* 'a' may not have run yet */
		g[1] = (struct guest){&m, 'b'};
		flo_waitgroup_add(&m.ended, 1);
		coro_go(wait_for_signal, &g[1]);
		UNTIL(awake(&m) == 1);
		EXPECT(m.order[0] == 'a');
		UNTIL(waiting_in(&m.c.q) == 1);
		flo_cond_signal(&m.c);
		flo_waitgroup_wait(&m.ended, NULL);
		EXPECT(m.order[1] == 'b');
	}
}
CORO_TEST(a_signal_is_not_stolen);

/* Go's TestRace: two that hand a state to each other through broadcasts. */
struct relay {
	flo_mutex m;
	flo_cond c;
	int x; /* by m */
	flo_waitgroup ended;
};

static void advance_from(struct relay *r, int from)
{
	flo_mutex_lock(&r->m);
	while (r->x != from)
		flo_cond_wait(&r->c, &r->m, NULL);
	r->x = from + 1;
	flo_cond_broadcast(&r->c);
	flo_mutex_unlock(&r->m);
}

static void advance_even(void *arg)
{
	for (int x = 0; x < CORO_STRESS(5000); x += 2)
		advance_from(arg, x);
	flo_waitgroup_done(&((struct relay *)arg)->ended);
}

static void advance_odd(void *arg)
{
	for (int x = 1; x < CORO_STRESS(5000); x += 2)
		advance_from(arg, x);
	flo_waitgroup_done(&((struct relay *)arg)->ended);
}

static void a_state_is_handed_to_and_fro_body(void *arg)
{
	struct relay r = {.x = 0};

	(void)arg;
	flo_waitgroup_add(&r.ended, 2);
	coro_go(advance_odd, &r);
	coro_go(advance_even, &r);
	flo_waitgroup_wait(&r.ended, NULL);
	EXPECT(r.x == CORO_STRESS(5000));
}
CORO_TEST(a_state_is_handed_to_and_fro);

/*
 * A bounded buffer of tokens: every wait may be cancelled by a deadline, and
 * still no signal may be lost, or the consumers would hang.
 */
struct store {
	flo_mutex m;
	flo_cond filled;
	int tokens, taken, left; /* by m */
	flo_context *root;
	flo_waitgroup ended;
};

static void consume(void *arg)
{
	struct store *s = arg;
	flo_context *c;

	for (int i = 0;; i++) {
		c = flo_context_timeout(s->root, 500 + (uint64_t)i % 30 * 900,
					"soon");
		flo_mutex_lock(&s->m);
		while (s->tokens == 0 && s->left > 0 &&
		       flo_cond_wait(&s->filled, &s->m, c) == FLO_OK)
			;
		if (s->tokens > 0) {
			s->tokens--;
			s->taken++;
		} else if (s->left == 0) {
			flo_mutex_unlock(&s->m);
			flo_context_unref(c);
			break;
		}
		flo_mutex_unlock(&s->m);
		flo_context_unref(c);
	}
	flo_waitgroup_done(&s->ended);
}

static void no_signal_is_lost_body(void *arg)
{
	enum {
		TOKENS = CORO_STRESS(20000)
	};
	struct store s = {.left = TOKENS};

	(void)arg;
	s.root = flo_context_new(flo_runtime_current());
	for (int i = 0; i < 4; i++) {
		flo_waitgroup_add(&s.ended, 1);
		coro_go(consume, &s);
	}
	for (int i = 0; i < TOKENS; i++) {
		flo_mutex_lock(&s.m);
		s.tokens++;
		s.left--;
		flo_cond_signal(&s.filled);
		flo_mutex_unlock(&s.m);
		if (i % 4 == 0)
			flo_yield();
	}
	flo_cond_broadcast(&s.filled);
	flo_waitgroup_wait(&s.ended, NULL);
	EXPECT(s.taken == TOKENS && s.tokens == 0);
	flo_context_unref(s.root);
}
CORO_TEST(no_signal_is_lost);

struct unheld {
	flo_mutex m;
	flo_cond c;
};

static void wait_unheld(void *arg)
{
	struct unheld *u = arg;

	flo_cond_wait(&u->c, &u->m, NULL);
}

static void waiting_without_the_mutex_is_a_broken_contract_body(void *arg)
{
	struct unheld u = {.m = {.state = 0}};

	(void)arg;
	EXPECT(flo_try(wait_unheld, &u, NULL) == FLO_PANIC);
	EXPECT(waiting_in(&u.c.q) == 0);
}
CORO_TEST(waiting_without_the_mutex_is_a_broken_contract);

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_wakes_the_longest_waiter),
		cmocka_unit_test(a_broadcast_wakes_all),
		cmocka_unit_test(a_cancelled_wait_holds_the_mutex),
		cmocka_unit_test(signals_serve_generations_in_order),
		cmocka_unit_test(a_signal_is_not_stolen),
		cmocka_unit_test(a_state_is_handed_to_and_fro),
		cmocka_unit_test(no_signal_is_lost),
		cmocka_unit_test(
			waiting_without_the_mutex_is_a_broken_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
