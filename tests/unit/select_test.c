/* flo_select: behaviours of Go's select, with timeout and context. */
#include "coro.h"
#include "waiting.h"

#include <flo/chan.h>
#include <flo/panic.h>
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

static void none_ready_is_again_or_a_timeout_body(void *arg)
{
	flo_chan *a = chan_of(0), *b = chan_of(1);
	int v = 1, w = 0;
	struct flo_select_case cases[] = {SEND(a, &v), RECV(b, &w),
					  RECV(NULL, &w)};
	size_t i = 99;

	(void)arg;
	EXPECT(flo_select(cases, 3, 0, NULL, &i) == FLO_AGAIN);
	EXPECT(flo_select(cases, 3, 1000000, NULL, &i) == FLO_TIMEOUT);
	EXPECT(flo_select(&cases[2], 1, 100000, NULL, &i) == FLO_TIMEOUT);
	EXPECT(flo_select(NULL, 0, 100000, NULL, &i) == FLO_TIMEOUT);
	EXPECT(flo_select(NULL, 0, 0, NULL, &i) == FLO_AGAIN);
	EXPECT(i == 99 && w == 0);
	EXPECT(SENDERS(a) == 0 && RECEIVERS(b) == 0);
	flo_chan_free(a);
	flo_chan_free(b);
}
CORO_TEST(none_ready_is_again_or_a_timeout);

static void the_one_that_can_goes_on_body(void *arg)
{
	flo_chan *a = chan_of(0), *b = chan_of(1), *c = chan_of(0);
	int v = 4, w = 0;
	struct flo_select_case cases[] = {RECV(a, &w), SEND(b, &v),
					  RECV(c, &w)};
	size_t i = 99;

	(void)arg;
	EXPECT(flo_select(cases, 3, FOREVER, NULL, &i) == FLO_OK && i == 1);
	EXPECT(flo_select(cases, 3, 0, NULL, &i) == FLO_AGAIN);
	EXPECT(flo_chan_recv(b, &w, NULL) == FLO_OK && w == 4);
	flo_chan_close(c);
	v = 5;
	flo_chan_send(b, &v, NULL);
	EXPECT(flo_select(cases, 3, FOREVER, NULL, &i) == FLO_CLOSED);
	EXPECT(i == 2);
	flo_chan_free(a);
	flo_chan_free(b);
	flo_chan_free(c);
}
CORO_TEST(the_one_that_can_goes_on);

/* --- woken while waiting -------------------------------------------------- */

struct chooser {
	struct flo_select_case cases[3];
	size_t n, index;
	uint64_t timeout_ns;
	flo_context *context;
	flo_status status;
	flo_sem ended;
	int got;
};

static void choose_one(void *arg)
{
	struct chooser *c = arg;

	c->status = flo_select(c->cases, c->n, c->timeout_ns, c->context,
			       &c->index);
	flo_sem_give(&c->ended);
}

static void a_peer_wakes_one_case_and_leaves_the_rest_body(void *arg)
{
	flo_chan *a = chan_of(0), *b = chan_of(0);
	struct chooser ch = {.n = 2, .timeout_ns = FOREVER, .index = 99};
	int v = 8;

	(void)arg;
	ch.cases[0] = RECV(a, &ch.got);
	ch.cases[1] = SEND(b, &v);
	coro_go(choose_one, &ch);
	UNTIL(RECEIVERS(a) == 1 && SENDERS(b) == 1);
	EXPECT(flo_chan_try_send(a, &v) == FLO_OK);
	flo_sem_take(&ch.ended, NULL);
	EXPECT(ch.status == FLO_OK && ch.index == 0 && ch.got == 8);
	EXPECT(SENDERS(b) == 0 && flo_chan_try_recv(b, &v) == FLO_AGAIN);

	coro_go(choose_one, &ch);
	UNTIL(RECEIVERS(a) == 1 && SENDERS(b) == 1);
	EXPECT(flo_chan_try_recv(b, &v) == FLO_OK && v == 8);
	flo_sem_take(&ch.ended, NULL);
	EXPECT(ch.status == FLO_OK && ch.index == 1);
	EXPECT(RECEIVERS(a) == 0);
	flo_chan_free(a);
	flo_chan_free(b);
}
CORO_TEST(a_peer_wakes_one_case_and_leaves_the_rest);

static void close_wakes_with_its_index_body(void *arg)
{
	flo_chan *a = chan_of(0), *b = chan_of(0);
	struct chooser ch = {.n = 2, .timeout_ns = FOREVER, .got = 3};

	(void)arg;
	ch.cases[0] = RECV(a, &ch.got);
	ch.cases[1] = RECV(b, &ch.got);
	coro_go(choose_one, &ch);
	UNTIL(RECEIVERS(a) == 1 && RECEIVERS(b) == 1);
	flo_chan_close(b);
	flo_sem_take(&ch.ended, NULL);
	EXPECT(ch.status == FLO_CLOSED && ch.index == 1 && ch.got == 3);
	flo_chan_free(a);
	flo_chan_free(b);
}
CORO_TEST(close_wakes_with_its_index);

static void the_same_channel_twice_is_no_trouble_body(void *arg)
{
	flo_chan *a = chan_of(0), *b = chan_of(0);
	struct chooser ch = {.n = 3, .timeout_ns = FOREVER};
	int v = 2;

	(void)arg;
	ch.cases[0] = RECV(a, &ch.got);
	ch.cases[1] = RECV(b, &ch.got);
	ch.cases[2] = RECV(a, &ch.got);
	for (int round = 0; round < 2; round++) {
		coro_go(choose_one, &ch);
		UNTIL(RECEIVERS(a) == 2 && RECEIVERS(b) == 1);
		EXPECT(flo_chan_try_send(round == 0 ? a : b, &v) == FLO_OK);
		flo_sem_take(&ch.ended, NULL);
		EXPECT(ch.status == FLO_OK && ch.got == 2);
		EXPECT((ch.index == 1) == (round == 1));
		EXPECT(RECEIVERS(a) == 0 && RECEIVERS(b) == 0);
	}
	flo_chan_free(a);
	flo_chan_free(b);
}
CORO_TEST(the_same_channel_twice_is_no_trouble);

static void a_context_ends_it_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_chan *a = chan_of(0);
	struct chooser ch = {.n = 1, .timeout_ns = FOREVER, .index = 99};

	(void)arg;
	ch.context = flo_context_child(root);
	ch.cases[0] = RECV(a, &ch.got);
	coro_go(choose_one, &ch);
	UNTIL(RECEIVERS(a) == 1);
	flo_context_cancel(root, NULL);
	flo_sem_take(&ch.ended, NULL);
	EXPECT(ch.status == FLO_CANCELED && ch.index == 99);
	EXPECT(RECEIVERS(a) == 0);
	/* also without any channel to go through */
	flo_context_unref(ch.context);
	ch.context = flo_context_timeout(root, 1, "ended already");
	EXPECT(flo_select(NULL, 0, FOREVER, ch.context, NULL) == FLO_CANCELED);
	flo_context_unref(ch.context);
	flo_context_unref(root);
	root = flo_context_new(flo_runtime_current());
	ch.context = flo_context_timeout(root, 100000, "soon");
	EXPECT(flo_select(NULL, 0, FOREVER, ch.context, NULL) == FLO_TIMEOUT);
	flo_context_unref(ch.context);
	flo_context_unref(root);
	flo_chan_free(a);
}
CORO_TEST(a_context_ends_it);

/* --- what waits and what does not: Go's test/chan/select3 --------------------- */

/* Whether a select of this one case goes on at once. */
static bool goes_on(struct flo_select_case c)
{
	flo_status st = flo_select(&c, 1, 0, NULL, NULL);

	EXPECT(st == FLO_OK || st == FLO_CLOSED || st == FLO_AGAIN);
	return st != FLO_AGAIN;
}

static void cases_go_on_as_their_operations_do_body(void *arg)
{
	flo_chan *unbuffered = chan_of(0), *buffered = chan_of(10);
	flo_chan *closed = chan_of(0);
	int v = 1;

	(void)arg;
	flo_chan_close(closed);
	EXPECT(!goes_on(SEND(NULL, &v)) && !goes_on(RECV(NULL, &v)));
	EXPECT(!goes_on(SEND(unbuffered, &v)));
	EXPECT(!goes_on(RECV(unbuffered, &v)));
	EXPECT(!goes_on(RECV(buffered, &v)));
	for (int i = 0; i < 10; i++)
		EXPECT(goes_on(SEND(buffered, &v)));
	EXPECT(!goes_on(SEND(buffered, &v)));
	for (int i = 0; i < 10; i++)
		EXPECT(goes_on(RECV(buffered, &v)));
	EXPECT(!goes_on(RECV(buffered, &v)));
	EXPECT(goes_on(RECV(closed, &v)) && goes_on(RECV(closed, &v)));
	flo_chan_free(unbuffered);
	flo_chan_free(buffered);
	flo_chan_free(closed);
}
CORO_TEST(cases_go_on_as_their_operations_do);

/* Go's test/chan/doubleselect: one value goes one way only. */
struct doubled {
	flo_chan *to[4];
	flo_waitgroup ended;
	int n;
	atomic_int seen[1000];
};

static void send_to_any(void *arg)
{
	struct doubled *d = arg;
	struct flo_select_case cases[4];
	size_t i;

	for (int v = 0; v < d->n; v++) {
		for (int k = 0; k < 4; k++)
			cases[k] = SEND(d->to[k], &v);
		EXPECT(flo_select(cases, 4, FOREVER, NULL, &i) == FLO_OK);
	}
	for (int k = 0; k < 4; k++)
		flo_chan_close(d->to[k]);
	flo_waitgroup_done(&d->ended);
}

struct receiver {
	struct doubled *d;
	flo_chan *from;
};

static void mark_received(void *arg)
{
	struct receiver me = *(struct receiver *)arg;
	int v;

	while (flo_chan_recv(me.from, &v, NULL) == FLO_OK)
		atomic_fetch_add(&me.d->seen[v], 1);
	flo_waitgroup_done(&me.d->ended);
}

static void a_value_is_sent_to_one_only_body(void *arg)
{
	struct doubled d = {.n = 1000};
	struct receiver r[4];

	(void)arg;
	flo_waitgroup_add(&d.ended, 5);
	for (int k = 0; k < 4; k++) {
		d.to[k] = chan_of(0);
		r[k] = (struct receiver){&d, d.to[k]};
		coro_go(mark_received, &r[k]);
	}
	coro_go(send_to_any, &d);
	flo_waitgroup_wait(&d.ended, NULL);
	for (int v = 0; v < d.n; v++)
		EXPECT(atomic_load(&d.seen[v]) == 1);
	for (int k = 0; k < 4; k++)
		flo_chan_free(d.to[k]);
}
CORO_TEST(a_value_is_sent_to_one_only);

/* --- one channel, both ways ---------------------------------------------- */

struct self {
	flo_chan *c;
	flo_waitgroup ended;
	int id;
};

struct side {
	struct self *self;
	int id;
};

static void send_or_receive(void *arg)
{
	struct side me = *(struct side *)arg;
	int got;
	struct flo_select_case cases[] = {SEND(me.self->c, &me.id),
					  RECV(me.self->c, &got)};
	size_t i = 0;

	for (int n = 0; n < CORO_STRESS(20000); n++) {
		got = -1;
		EXPECT(flo_select(cases, 2, FOREVER, NULL, &i) == FLO_OK);
		EXPECT(i == 0 || got == 1 - me.id);
	}
	flo_waitgroup_done(&me.self->ended);
}

static void a_select_never_meets_itself_body(void *arg)
{
	struct self s = {.ended = {.count = 0}};
	struct side sides[2] = {{&s, 0}, {&s, 1}};

	(void)arg;
	s.c = chan_of(0);
	flo_waitgroup_add(&s.ended, 2);
	coro_go(send_or_receive, &sides[0]);
	coro_go(send_or_receive, &sides[1]);
	flo_waitgroup_wait(&s.ended, NULL);
	flo_chan_free(s.c);
}
CORO_TEST(a_select_never_meets_itself);

/* --- races ------------------------------------------------------------------ */

/* As Go's TestNonblockSelectRace: one of the two is always ready. */
struct either {
	flo_chan *c, *done;
	flo_sem ended;
	int missed;
};

static void look_at_both(void *arg)
{
	struct either *e = arg;
	int v;
	struct flo_select_case cases[] = {RECV(e->c, &v), RECV(e->done, &v)};
	size_t i;

	if (flo_select(cases, 2, 0, NULL, &i) == FLO_AGAIN)
		e->missed++;
	flo_sem_give(&e->ended);
}

static void a_look_at_several_is_one_look_body(void *arg)
{
	struct either e = {.missed = 0};
	int v = 1;

	(void)arg;
	for (int i = 0; i < CORO_STRESS(30000); i++) {
		e.c = chan_of(1);
		e.done = chan_of(1);
		flo_chan_send(e.c, &v, NULL);
		coro_go(look_at_both, &e);
		flo_chan_close(e.done);
		flo_chan_try_recv(e.c, &v);
		flo_sem_take(&e.ended, NULL);
		flo_chan_free(e.c);
		flo_chan_free(e.done);
	}
	EXPECT(e.missed == 0);
}
CORO_TEST(a_look_at_several_is_one_look);

/* Selects of all kinds on four channels; sums must agree. */
enum {
	CHANS = 4,
	SELECTORS = 6
};

struct market {
	flo_chan *c[CHANS];
	flo_context *root;
	flo_waitgroup sellers, buyers;
	atomic_long sold, bought;
};

static void sell(void *arg)
{
	struct market *m = arg;
	struct flo_select_case cases[CHANS];
	flo_context *c;
	size_t i;

	for (int v = 1; v <= CORO_STRESS(15000); v++) {
		/* in another order each time: locks must sort it out */
		for (int k = 0; k < CHANS; k++)
			cases[k] = SEND(m->c[(k + v) % CHANS], &v);
		c = flo_context_timeout(m->root, 500 + (uint64_t)v % 40 * 700,
					"x");
		if (flo_select(cases, CHANS, v % 3 == 0 ? 9000 : FOREVER, c,
			       &i) == FLO_OK)
			atomic_fetch_add(&m->sold, v);
		flo_context_unref(c);
	}
	flo_waitgroup_done(&m->sellers);
}

static void buy(void *arg)
{
	struct market *m = arg;
	struct flo_select_case cases[CHANS];
	int v = 0, open = CHANS, n = 0;
	flo_status st;
	size_t i;

	for (int k = 0; k < CHANS; k++)
		cases[k] = RECV(m->c[CHANS - 1 - k], &v);
	while (open > 0) {
		st = flo_select(cases, CHANS, n++ % 4 == 0 ? 7000 : FOREVER,
				NULL, &i);
		if (st == FLO_OK) {
			atomic_fetch_add(&m->bought, v);
		} else if (st == FLO_CLOSED) {
			cases[i].chan = NULL;
			open--;
		} else {
			EXPECT(st == FLO_TIMEOUT);
		}
	}
	flo_waitgroup_done(&m->buyers);
}

static void what_is_sold_is_bought_body(void *arg)
{
	struct market m = {.root = flo_context_new(flo_runtime_current())};

	(void)arg;
	for (int i = 0; i < CHANS; i++)
		m.c[i] = chan_of(i % 2 == 0 ? 0 : 3);
	for (int i = 0; i < SELECTORS; i++) {
		flo_waitgroup_add(&m.sellers, 1);
		coro_go(sell, &m);
		flo_waitgroup_add(&m.buyers, 1);
		coro_go(buy, &m);
	}
	flo_waitgroup_wait(&m.sellers, NULL);
	for (int i = 0; i < CHANS; i++)
		flo_chan_close(m.c[i]);
	flo_waitgroup_wait(&m.buyers, NULL);
	EXPECT(atomic_load(&m.sold) > 0);
	EXPECT(atomic_load(&m.sold) == atomic_load(&m.bought));
	for (int i = 0; i < CHANS; i++)
		flo_chan_free(m.c[i]);
	flo_context_unref(m.root);
}
CORO_TEST(what_is_sold_is_bought);

static void select_closed(void *arg)
{
	int v = 1;
	struct flo_select_case c = SEND(arg, &v);

	flo_select(&c, 1, 0, NULL, NULL);
}

static void select_too_many(void *arg)
{
	struct flo_select_case c = {.chan = NULL};

	(void)arg;
	flo_select(&c, 65, 0, NULL, NULL);
}

static void misuse_is_a_broken_contract_body(void *arg)
{
	flo_chan *c = chan_of(1);

	(void)arg;
	flo_chan_close(c);
	EXPECT(flo_try(select_closed, c, NULL) == FLO_PANIC);
	EXPECT(flo_try(select_too_many, NULL, NULL) == FLO_PANIC);
	flo_chan_free(c);
}
CORO_TEST(misuse_is_a_broken_contract);

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_ready_is_again_or_a_timeout),
		cmocka_unit_test(the_one_that_can_goes_on),
		cmocka_unit_test(a_peer_wakes_one_case_and_leaves_the_rest),
		cmocka_unit_test(close_wakes_with_its_index),
		cmocka_unit_test(the_same_channel_twice_is_no_trouble),
		cmocka_unit_test(a_context_ends_it),
		cmocka_unit_test(cases_go_on_as_their_operations_do),
		cmocka_unit_test(a_value_is_sent_to_one_only),
		cmocka_unit_test(a_select_never_meets_itself),
		cmocka_unit_test(a_look_at_several_is_one_look),
		cmocka_unit_test(what_is_sold_is_bought),
		cmocka_unit_test(misuse_is_a_broken_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
