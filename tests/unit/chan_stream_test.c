/* flo_chan: many values between many, in order, and none lost. */
#include "coro.h"

#include <flo/chan.h>
#include <flo/sync.h>

enum {
	CAPACITIES = 20,
	MANY = 100
};

static flo_chan *chan_of(size_t size, size_t capacity)
{
	flo_chan *chan = NULL;

	EXPECT(flo_chan_new(size, capacity, &chan) == FLO_OK);
	return chan;
}

struct stream {
	flo_chan *c;
	flo_waitgroup ended;
	int n;
	atomic_int seen[MANY];
};

static void send_in_order(void *arg)
{
	struct stream *s = arg;

	for (int v = 0; v < s->n; v++)
		EXPECT(flo_chan_send(s->c, &v, NULL) == FLO_OK);
	flo_waitgroup_done(&s->ended);
}

static void values_arrive_in_order_body(void *arg)
{
	int v;

	(void)arg;
	for (size_t capacity = 0; capacity < CAPACITIES; capacity++) {
		struct stream s = {.c = chan_of(sizeof(int), capacity),
				   .n = MANY};

		flo_waitgroup_add(&s.ended, 1);
		coro_go(send_in_order, &s);
		for (int want = 0; want < MANY; want++)
			EXPECT(flo_chan_recv(s.c, &v, NULL) == FLO_OK &&
			       v == want);
		flo_waitgroup_wait(&s.ended, NULL);
		flo_chan_free(s.c);
	}
}
CORO_TEST(values_arrive_in_order);

static void receive_and_mark(void *arg)
{
	struct stream *s = arg;
	int v;

	for (int i = 0; i < s->n; i++) {
		EXPECT(flo_chan_recv(s->c, &v, NULL) == FLO_OK);
		atomic_fetch_add(&s->seen[v], 1);
	}
	flo_waitgroup_done(&s->ended);
}

/* Four send 0..99, four receive a hundred each: each value four times. */
static void no_value_is_lost_among_many_body(void *arg)
{
	(void)arg;
	for (size_t capacity = 0; capacity < CAPACITIES; capacity += 3) {
		struct stream s = {.c = chan_of(sizeof(int), capacity),
				   .n = MANY};

		flo_waitgroup_add(&s.ended, 8);
		for (int i = 0; i < 4; i++) {
			coro_go(send_in_order, &s);
			coro_go(receive_and_mark, &s);
		}
		flo_waitgroup_wait(&s.ended, NULL);
		for (int v = 0; v < MANY; v++)
			EXPECT(atomic_load(&s.seen[v]) == 4);
		EXPECT(flo_chan_len(s.c) == 0);
		flo_chan_free(s.c);
	}
}
CORO_TEST(no_value_is_lost_among_many);

/* Go's TestMultiConsumer: a pool of workers in front of another queue. */
struct work {
	flo_chan *in, *out;
	flo_waitgroup workers;
};

static void pass_on(void *arg)
{
	struct work *w = arg;
	int v;

	while (flo_chan_recv(w->in, &v, NULL) == FLO_OK) {
		if (v % 4 == 0)
			flo_yield();
		EXPECT(flo_chan_send(w->out, &v, NULL) == FLO_OK);
	}
	flo_waitgroup_done(&w->workers);
}

static void produce(void *arg)
{
	static const int primes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 27, 31};
	struct work *w = arg;

	for (int i = 0; i < CORO_STRESS(5000); i++)
		EXPECT(flo_chan_send(w->in, &primes[i % 11], NULL) == FLO_OK);
	flo_chan_close(w->in);
	flo_waitgroup_wait(&w->workers, NULL);
	flo_chan_close(w->out);
}

static void workers_pass_on_everything_body(void *arg)
{
	struct work w = {.in = chan_of(sizeof(int), 5),
			 .out = chan_of(sizeof(int), 12)};
	int v, n = 0;

	(void)arg;
	flo_waitgroup_add(&w.workers, 23);
	for (int i = 0; i < 23; i++)
		coro_go(pass_on, &w);
	coro_go(produce, &w);
	while (flo_chan_recv(w.out, &v, NULL) == FLO_OK)
		n++;
	EXPECT(n == CORO_STRESS(5000));
	flo_chan_free(w.in);
	flo_chan_free(w.out);
}
CORO_TEST(workers_pass_on_everything);

/* Many on both sides, all with deadlines that keep passing. */
struct traffic {
	flo_chan *c;
	flo_context *root;
	flo_waitgroup senders, receivers;
	atomic_long sent, received, sent_n, received_n;
};

static flo_context *short_deadline(struct traffic *t, int i)
{
	return flo_context_timeout(t->root, 500 + (uint64_t)i % 40 * 700, "x");
}

static void send_much(void *arg)
{
	struct traffic *t = arg;
	flo_context *c;

	for (int v = 1; v <= CORO_STRESS(15000); v++) {
		c = short_deadline(t, v);
		if (flo_chan_send(t->c, &v, c) == FLO_OK) {
			atomic_fetch_add(&t->sent, v);
			atomic_fetch_add(&t->sent_n, 1);
		}
		flo_context_unref(c);
	}
	flo_waitgroup_done(&t->senders);
}

static void recv_much(void *arg)
{
	struct traffic *t = arg;
	flo_context *c;
	flo_status st;
	int v;

	for (int i = 0;; i++) {
		c = short_deadline(t, i);
		st = flo_chan_recv(t->c, &v, c);
		flo_context_unref(c);
		if (st == FLO_CLOSED)
			break;
		if (st == FLO_OK) {
			atomic_fetch_add(&t->received, v);
			atomic_fetch_add(&t->received_n, 1);
		}
	}
	flo_waitgroup_done(&t->receivers);
}

static void pass_traffic(size_t capacity)
{
	struct traffic t = {.c = chan_of(sizeof(int), capacity)};

	t.root = flo_context_new(flo_runtime_current());
	for (int i = 0; i < 5; i++) {
		flo_waitgroup_add(&t.senders, 1);
		coro_go(send_much, &t);
		flo_waitgroup_add(&t.receivers, 1);
		coro_go(recv_much, &t);
	}
	flo_waitgroup_wait(&t.senders, NULL);
	flo_chan_close(t.c);
	flo_waitgroup_wait(&t.receivers, NULL);
	EXPECT(atomic_load(&t.sent_n) > 0);
	EXPECT(atomic_load(&t.sent_n) == atomic_load(&t.received_n));
	EXPECT(atomic_load(&t.sent) == atomic_load(&t.received));
	flo_chan_free(t.c);
	flo_context_unref(t.root);
}

static void every_value_arrives_once_or_was_not_sent_body(void *arg)
{
	(void)arg;
	pass_traffic(0);
	pass_traffic(1);
	pass_traffic(7);
}
CORO_TEST(every_value_arrives_once_or_was_not_sent);

/* --- a prime sieve, the classic ------------------------------------------- */

enum {
	PRIMES = 40
};

struct filter {
	flo_chan *in, *out;
	int prime;
	flo_context *context;
	flo_waitgroup *ended;
};

static void keep_indivisible(void *arg)
{
	struct filter *f = arg;
	int v;

	while (flo_chan_recv(f->in, &v, f->context) == FLO_OK)
		if (v % f->prime != 0 &&
		    flo_chan_send(f->out, &v, f->context) != FLO_OK)
			break;
	flo_waitgroup_done(f->ended);
}

static void generate(void *arg)
{
	struct filter *f = arg;

	for (int v = 2; flo_chan_send(f->out, &v, f->context) == FLO_OK; v++)
		;
	flo_waitgroup_done(f->ended);
}

static void a_chain_of_filters_sieves_primes_body(void *arg)
{
	flo_context *context = flo_context_new(flo_runtime_current());
	flo_waitgroup ended = {.count = 0};
	struct filter f[PRIMES + 1];
	int prime = 0;

	(void)arg;
	f[0] = (struct filter){.out = chan_of(sizeof(int), 0),
			       .context = context,
			       .ended = &ended};
	flo_waitgroup_add(&ended, 1);
	coro_go(generate, &f[0]);
	for (int i = 1; i <= PRIMES; i++) {
		EXPECT(flo_chan_recv(f[i - 1].out, &prime, NULL) == FLO_OK);
		f[i] = f[0];
		f[i].in = f[i - 1].out;
		f[i].out = chan_of(sizeof(int), 0);
		f[i].prime = prime;
		flo_waitgroup_add(&ended, 1);
		coro_go(keep_indivisible, &f[i]);
	}
	EXPECT(prime == 173);
	flo_context_cancel(context, NULL);
	flo_waitgroup_wait(&ended, NULL);
	for (int i = 0; i <= PRIMES; i++)
		flo_chan_free(f[i].out);
	flo_context_unref(context);
}
CORO_TEST(a_chain_of_filters_sieves_primes);

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_arrive_in_order),
		cmocka_unit_test(no_value_is_lost_among_many),
		cmocka_unit_test(workers_pass_on_everything),
		cmocka_unit_test(every_value_arrives_once_or_was_not_sent),
		cmocka_unit_test(a_chain_of_filters_sieves_primes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
