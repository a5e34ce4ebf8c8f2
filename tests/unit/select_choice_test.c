/* flo_select: which of several ready cases is chosen. */
#include "coro.h"

#include <flo/chan.h>
#include <flo/sync.h>

#define FOREVER UINT64_MAX

static flo_chan *chan_of(size_t capacity)
{
	flo_chan *chan = NULL;

	EXPECT(flo_chan_new(sizeof(int), capacity, &chan) == FLO_OK);
	return chan;
}

#define RECV(c, to)                                                            \
	(struct flo_select_case)                                               \
	{                                                                      \
		.chan = (c), .recv = (to)                                      \
	}
#define SEND(c, from)                                                          \
	(struct flo_select_case)                                               \
	{                                                                      \
		.chan = (c), .send = (from)                                    \
	}

static void every_ready_case_has_its_chance_body(void *arg)
{
	enum {
		N = 3,
		ROUNDS = 3000
	};
	flo_chan *c = chan_of(1);
	struct flo_select_case cases[N];
	int count[N] = {0}, v[N] = {0, 1, 2}, got;
	size_t index;

	(void)arg;
	for (int i = 0; i < N; i++)
		cases[i] = SEND(c, &v[i]);
	for (int i = 0; i < ROUNDS; i++) {
		EXPECT(flo_select(cases, N, 0, NULL, &index) == FLO_OK);
		EXPECT(flo_chan_recv(c, &got, NULL) == FLO_OK);
		EXPECT(got == (int)index);
		count[got]++;
	}
	/* a third each; a fifth is 12 standard deviations away */
	for (int i = 0; i < N; i++)
		EXPECT(count[i] > ROUNDS / 5);
	flo_chan_free(c);
}
CORO_TEST(every_ready_case_has_its_chance);

/*
 * Go's TestSelectFairness, for two to eight cases: by chi-square, whose 99.9th
 * percentile for 7 degrees of freedom is 24.3; 60 is beyond any luck.
 */
static void ready_cases_are_chosen_equally_often_body(void *arg)
{
	enum {
		MOST = 8,
		ROUNDS = 8000
	};
	flo_chan *c = chan_of(0);
	struct flo_select_case cases[MOST];
	double chi, expected, off;
	int got;
	size_t index;

	(void)arg;
	flo_chan_close(c);
	for (int i = 0; i < MOST; i++)
		cases[i] = RECV(c, &got);
	for (size_t n = 2; n <= MOST; n++) {
		int count[MOST] = {0};

		for (int i = 0; i < ROUNDS; i++) {
			EXPECT(flo_select(cases, n, 0, NULL, &index) ==
			       FLO_CLOSED);
			count[index]++;
		}
		expected = (double)ROUNDS / (double)n;
		chi = 0;
		for (size_t i = 0; i < n; i++) {
			off = count[i] - expected;
			chi += off * off / expected;
		}
		EXPECT(chi < 60);
	}
	flo_chan_free(c);
}
CORO_TEST(ready_cases_are_chosen_equally_often);

/* The same with peers that keep two channels ready, as Go has it. */
struct fair {
	flo_chan *c[2], *done;
	flo_waitgroup ended;
};

struct fair_side {
	struct fair *f;
	int which;
};

static void keep_sending(void *arg)
{
	struct fair_side me = *(struct fair_side *)arg;
	int v = me.which, got;
	struct flo_select_case cases[] = {SEND(me.f->c[me.which], &v),
					  RECV(me.f->done, &got)};
	size_t i = 0;

	while (flo_select(cases, 2, FOREVER, NULL, &i) == FLO_OK)
		EXPECT(i == 0);
	EXPECT(i == 1);
	flo_waitgroup_done(&me.f->ended);
}

static void neither_of_two_busy_channels_is_neglected_body(void *arg)
{
	enum {
		ROUNDS = CORO_STRESS(10000)
	};
	struct fair f = {.ended = {.count = 0}};
	struct fair_side sides[2] = {{&f, 0}, {&f, 1}};
	struct flo_select_case cases[2];
	int count[2] = {0}, got = 0;
	size_t i;

	(void)arg;
	for (int k = 0; k < 2; k++)
		f.c[k] = chan_of(1);
	f.done = chan_of(0);
	flo_waitgroup_add(&f.ended, 2);
	for (int k = 0; k < 2; k++) {
		coro_go(keep_sending, &sides[k]);
		cases[k] = RECV(f.c[k], &got);
	}
	for (int n = 0; n < ROUNDS; n++) {
		UNTIL(flo_chan_len(f.c[0]) == 1 && flo_chan_len(f.c[1]) == 1);
		EXPECT(flo_select(cases, 2, FOREVER, NULL, &i) == FLO_OK);
		EXPECT(got == (int)i);
		count[i]++;
	}
	flo_chan_close(f.done);
	flo_waitgroup_wait(&f.ended, NULL);
	/* half each: a third is more than ten standard deviations away */
	EXPECT(count[0] > ROUNDS / 3 && count[1] > ROUNDS / 3);
	for (int k = 0; k < 2; k++)
		flo_chan_free(f.c[k]);
	flo_chan_free(f.done);
}
CORO_TEST(neither_of_two_busy_channels_is_neglected);

/* --- the seed -------------------------------------------------------------------- */

enum {
	CHOICES = 200
};

static void choose_often(void *arg)
{
	unsigned char *chosen = arg;
	flo_chan *c = chan_of(0);
	int got;
	struct flo_select_case cases[] = {RECV(c, &got), RECV(c, &got),
					  RECV(c, &got)};
	size_t index = 0;

	flo_chan_close(c);
	for (int i = 0; i < CHOICES; i++) {
		flo_select(cases, 3, FOREVER, NULL, &index);
		chosen[i] = (unsigned char)index;
		if (i % 10 == 0)
			flo_yield();
	}
	flo_chan_free(c);
}

static void choose_with_seed(uint64_t seed, unsigned char *chosen)
{
	struct flo_runtime_options options = {.procs = 1, .shuffle_seed = seed};

	coro_run(&options, choose_often, chosen);
}

static void the_seed_decides_the_choices(void **state)
{
	unsigned char a[CHOICES], b[CHOICES], c[CHOICES];

	(void)state;
	choose_with_seed(42, a);
	choose_with_seed(42, b);
	choose_with_seed(43, c);
	assert_memory_equal(a, b, CHOICES);
	assert_memory_not_equal(a, c, CHOICES);
	/* without a seed nobody can come to count on an order */
	choose_with_seed(0, b);
	choose_with_seed(0, c);
	assert_memory_not_equal(b, c, CHOICES);
}

static void an_ordinary_thread_may_look(void **state)
{
	unsigned char count[3] = {0};
	struct flo_select_case cases[3];
	flo_chan *c = NULL;
	size_t index = 0;

	(void)state;
	assert_int_equal(flo_chan_new(1, 0, &c), FLO_OK);
	for (int i = 0; i < 3; i++)
		cases[i] = (struct flo_select_case){.chan = c};
	assert_int_equal(flo_select(cases, 3, 0, NULL, &index), FLO_AGAIN);
	flo_chan_close(c);
	for (int i = 0; i < 90; i++) {
		assert_int_equal(flo_select(cases, 3, 0, NULL, &index),
				 FLO_CLOSED);
		count[index]++;
	}
	assert_true(count[0] > 0 && count[1] > 0 && count[2] > 0);
	flo_chan_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_ready_case_has_its_chance),
		cmocka_unit_test(ready_cases_are_chosen_equally_often),
		cmocka_unit_test(neither_of_two_busy_channels_is_neglected),
		cmocka_unit_test(the_seed_decides_the_choices),
		cmocka_unit_test(an_ordinary_thread_may_look),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
