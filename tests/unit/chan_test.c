/* flo_chan: behaviours of Go's channels, and waits that end with a context. */
#include "coro.h"
#include "waiting.h"

#include <flo/chan.h>
#include <flo/panic.h>
#include <flo/sync.h>

#include "base/alloc.h"

#include <string.h>

static flo_chan *chan_of(size_t size, size_t capacity)
{
	flo_chan *chan = NULL;

	EXPECT(flo_chan_new(size, capacity, &chan) == FLO_OK);
	return chan;
}

static void the_buffer_is_a_fifo_body(void *arg)
{
	flo_chan *c = chan_of(sizeof(int), 10);
	int in, out;

	(void)arg;
	/* over the ring's end several times */
	for (int round = 0; round < 7; round++) {
		for (in = 0; in < 8; in++)
			EXPECT(flo_chan_send(c, &in, NULL) == FLO_OK);
		for (int i = 0; i < 8; i++) {
			EXPECT(flo_chan_recv(c, &out, NULL) == FLO_OK);
			EXPECT(out == i);
		}
	}
	flo_chan_free(c);
}
CORO_TEST(the_buffer_is_a_fifo);

static void try_does_not_wait_body(void *arg)
{
	flo_chan *unbuffered = chan_of(sizeof(int), 0);
	flo_chan *one = chan_of(sizeof(int), 1);
	int v = 7, w = 0;

	(void)arg;
	EXPECT(flo_chan_try_recv(unbuffered, &w) == FLO_AGAIN);
	EXPECT(flo_chan_try_send(unbuffered, &v) == FLO_AGAIN);
	EXPECT(flo_chan_try_recv(one, &w) == FLO_AGAIN);
	EXPECT(flo_chan_try_send(one, &v) == FLO_OK);
	EXPECT(flo_chan_try_send(one, &v) == FLO_AGAIN);
	EXPECT(w == 0);
	EXPECT(flo_chan_try_recv(one, &w) == FLO_OK);
	EXPECT(w == 7);
	flo_chan_free(unbuffered);
	flo_chan_free(one);
}
CORO_TEST(try_does_not_wait);

/* --- one at the other end ------------------------------------------------ */

struct end {
	flo_chan *c;
	flo_context *context;
	flo_sem ended;
	flo_status status;
	int value;
};

static void send_it(void *arg)
{
	struct end *e = arg;

	e->status = flo_chan_send(e->c, &e->value, e->context);
	flo_sem_give(&e->ended);
}

static void recv_it(void *arg)
{
	struct end *e = arg;

	e->status = flo_chan_recv(e->c, &e->value, e->context);
	flo_sem_give(&e->ended);
}

static void unbuffered_ends_meet_body(void *arg)
{
	struct end e = {.c = chan_of(sizeof(int), 0), .value = 5};
	int v = 0;

	(void)arg;
	/* a waiting sender is met by a receiver */
	coro_go(send_it, &e);
	UNTIL(SENDERS(e.c) == 1);
	EXPECT(flo_chan_try_recv(e.c, &v) == FLO_OK);
	EXPECT(v == 5);
	flo_sem_take(&e.ended, NULL);
	EXPECT(e.status == FLO_OK);
	/* and a waiting receiver by a sender, straight to its memory */
	coro_go(recv_it, &e);
	UNTIL(RECEIVERS(e.c) == 1);
	v = 6;
	EXPECT(flo_chan_try_send(e.c, &v) == FLO_OK);
	flo_sem_take(&e.ended, NULL);
	EXPECT(e.status == FLO_OK && e.value == 6);
	flo_chan_free(e.c);
}
CORO_TEST(unbuffered_ends_meet);

static void a_waiting_sender_keeps_the_order_body(void *arg)
{
	struct end e = {.c = chan_of(sizeof(int), 2), .value = 3};
	int v;

	(void)arg;
	for (v = 1; v <= 2; v++)
		EXPECT(flo_chan_try_send(e.c, &v) == FLO_OK);
	coro_go(send_it, &e);
	UNTIL(SENDERS(e.c) == 1);
	for (int want = 1; want <= 3; want++) {
		EXPECT(flo_chan_recv(e.c, &v, NULL) == FLO_OK);
		EXPECT(v == want);
	}
	flo_sem_take(&e.ended, NULL);
	flo_chan_free(e.c);
}
CORO_TEST(a_waiting_sender_keeps_the_order);

static void waiting_receivers_are_served_in_order_body(void *arg)
{
	flo_chan *c = chan_of(sizeof(int), 0);
	struct end e[4];

	(void)arg;
	for (unsigned i = 0; i < 4; i++) {
		e[i] = (struct end){.c = c};
		coro_go(recv_it, &e[i]);
		UNTIL(RECEIVERS(c) == i + 1);
	}
	for (int v = 0; v < 4; v++)
		EXPECT(flo_chan_send(c, &v, NULL) == FLO_OK);
	for (int i = 0; i < 4; i++) {
		flo_sem_take(&e[i].ended, NULL);
		EXPECT(e[i].value == i);
	}
	flo_chan_free(c);
}
CORO_TEST(waiting_receivers_are_served_in_order);

/* --- closing -------------------------------------------------------------- */

static void a_closed_channel_drains_then_says_so_body(void *arg)
{
	flo_chan *c = chan_of(sizeof(int), 3);
	int v;

	(void)arg;
	for (v = 0; v < 2; v++)
		EXPECT(flo_chan_send(c, &v, NULL) == FLO_OK);
	flo_chan_close(c);
	EXPECT(flo_chan_recv(c, &v, NULL) == FLO_OK && v == 0);
	EXPECT(flo_chan_try_recv(c, &v) == FLO_OK && v == 1);
	for (int i = 0; i < 3; i++) {
		EXPECT(flo_chan_recv(c, &v, NULL) == FLO_CLOSED);
		EXPECT(flo_chan_try_recv(c, &v) == FLO_CLOSED);
	}
	EXPECT(v == 1); /* left alone */
	flo_chan_free(c);
}
CORO_TEST(a_closed_channel_drains_then_says_so);

static void close_wakes_all_receivers_body(void *arg)
{
	flo_chan *c = chan_of(sizeof(int), 0);
	struct end e[5];

	(void)arg;
	for (unsigned i = 0; i < 5; i++) {
		e[i] = (struct end){.c = c, .value = 9};
		coro_go(recv_it, &e[i]);
		UNTIL(RECEIVERS(c) == i + 1);
	}
	flo_chan_close(c);
	for (int i = 0; i < 5; i++) {
		flo_sem_take(&e[i].ended, NULL);
		EXPECT(e[i].status == FLO_CLOSED && e[i].value == 9);
	}
	flo_chan_free(c);
}
CORO_TEST(close_wakes_all_receivers);

static void send_to(void *arg)
{
	int v = 1;

	flo_chan_send(arg, &v, NULL);
}

static void try_send_to(void *arg)
{
	int v = 1;

	flo_chan_try_send(arg, &v);
}

static void close_again(void *arg)
{
	flo_chan_close(arg);
}

static void using_what_is_closed_is_a_broken_contract_body(void *arg)
{
	flo_chan *c = chan_of(sizeof(int), 1);
	int v;

	(void)arg;
	flo_chan_close(c);
	EXPECT(flo_try(send_to, c, NULL) == FLO_PANIC);
	EXPECT(flo_try(try_send_to, c, NULL) == FLO_PANIC);
	EXPECT(flo_try(close_again, c, NULL) == FLO_PANIC);
	EXPECT(flo_chan_recv(c, &v, NULL) == FLO_CLOSED);
	flo_chan_free(c);
}
CORO_TEST(using_what_is_closed_is_a_broken_contract);

static void send_in_a_try(void *arg)
{
	struct end *e = arg;

	e->status = flo_try(send_to, e->c, NULL);
	flo_sem_give(&e->ended);
}

static void close_is_a_panic_to_a_waiting_sender_body(void *arg)
{
	struct end e = {.c = chan_of(sizeof(int), 0)};

	(void)arg;
	coro_go(send_in_a_try, &e);
	UNTIL(SENDERS(e.c) == 1);
	flo_chan_close(e.c);
	flo_sem_take(&e.ended, NULL);
	EXPECT(e.status == FLO_PANIC);
	flo_chan_free(e.c);
}
CORO_TEST(close_is_a_panic_to_a_waiting_sender);

/* --- values --------------------------------------------------------------- */

struct big {
	unsigned char bytes[300];
};

static void big_values_arrive_whole_body(void *arg)
{
	flo_chan *c = chan_of(sizeof(struct big), 3);
	struct big in, out;

	(void)arg;
	for (int i = 0; i < 10; i++) {
		memset(&in, i, sizeof(in));
		EXPECT(flo_chan_send(c, &in, NULL) == FLO_OK);
		EXPECT(flo_chan_recv(c, &out, NULL) == FLO_OK);
		EXPECT(memcmp(&in, &out, sizeof(in)) == 0);
	}
	flo_chan_free(c);
}
CORO_TEST(big_values_arrive_whole);

static void values_of_no_size_are_counted_body(void *arg)
{
	flo_chan *c = chan_of(0, 2);

	(void)arg;
	EXPECT(flo_chan_try_send(c, NULL) == FLO_OK);
	EXPECT(flo_chan_try_send(c, NULL) == FLO_OK);
	EXPECT(flo_chan_try_send(c, NULL) == FLO_AGAIN);
	EXPECT(flo_chan_recv(c, NULL, NULL) == FLO_OK);
	EXPECT(flo_chan_try_recv(c, NULL) == FLO_OK);
	EXPECT(flo_chan_try_recv(c, NULL) == FLO_AGAIN);
	flo_chan_free(c);
}
CORO_TEST(values_of_no_size_are_counted);

/* --- contexts -------------------------------------------------------------- */

static void a_cancelled_send_sends_nothing_body(void *arg)
{
	struct end e = {.c = chan_of(sizeof(int), 0), .value = 1};
	int v = 0;

	(void)arg;
	e.context = flo_context_new(flo_runtime_current());
	coro_go(send_it, &e);
	UNTIL(SENDERS(e.c) == 1);
	flo_context_cancel(e.context, NULL);
	flo_sem_take(&e.ended, NULL);
	EXPECT(e.status == FLO_CANCELED);
	EXPECT(flo_chan_try_recv(e.c, &v) == FLO_AGAIN);
	/* the same context, ended before: not even where there is room */
	EXPECT(flo_chan_recv(e.c, &v, e.context) == FLO_CANCELED);
	EXPECT(flo_chan_send(e.c, &v, e.context) == FLO_CANCELED);
	EXPECT(SENDERS(e.c) == 0 && RECEIVERS(e.c) == 0);
	flo_context_unref(e.context);
	flo_chan_free(e.c);
}
CORO_TEST(a_cancelled_send_sends_nothing);

static void a_deadline_ends_a_receive_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *soon = flo_context_timeout(root, 1000000, "1ms");
	flo_chan *c = chan_of(sizeof(int), 0);
	int v;

	(void)arg;
	EXPECT(flo_chan_recv(c, &v, soon) == FLO_TIMEOUT);
	flo_chan_free(c);
	flo_context_unref(soon);
	flo_context_unref(root);
}
CORO_TEST(a_deadline_ends_a_receive);

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

static void out_of_memory_and_too_large_make_nothing(void **state)
{
	flo_chan *c = NULL;

	(void)state;
	flo__alloc_fail_at(1, 0);
	assert_int_equal(flo_chan_new(8, 8, &c), FLO_NOMEM);
	flo__alloc_fail_at(0, 0);
	assert_int_equal(flo_chan_new(SIZE_MAX / 2, 3, &c), FLO_NOMEM);
	assert_int_equal(flo_chan_new(1, SIZE_MAX - 8, &c), FLO_NOMEM);
	assert_null(c);
	flo_chan_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_buffer_is_a_fifo),
		cmocka_unit_test(try_does_not_wait),
		cmocka_unit_test(unbuffered_ends_meet),
		cmocka_unit_test(a_waiting_sender_keeps_the_order),
		cmocka_unit_test(waiting_receivers_are_served_in_order),
		cmocka_unit_test(a_closed_channel_drains_then_says_so),
		cmocka_unit_test(close_wakes_all_receivers),
		cmocka_unit_test(using_what_is_closed_is_a_broken_contract),
		cmocka_unit_test(close_is_a_panic_to_a_waiting_sender),
		cmocka_unit_test(big_values_arrive_whole),
		cmocka_unit_test(values_of_no_size_are_counted),
		cmocka_unit_test(a_cancelled_send_sends_nothing),
		cmocka_unit_test(a_deadline_ends_a_receive),
		cmocka_unit_test(every_value_arrives_once_or_was_not_sent),
		cmocka_unit_test(a_chain_of_filters_sieves_primes),
		cmocka_unit_test(out_of_memory_and_too_large_make_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
