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

/* --- no channel, and what a channel says of itself -------------------------- */

static void nobody_comes_to_no_channel_body(void *arg)
{
	flo_context *root = flo_context_new(flo_runtime_current());
	flo_context *soon = flo_context_timeout(root, 1000000, "1ms");
	struct end e = {.c = NULL, .context = flo_context_child(root)};
	int v = 3;

	(void)arg;
	EXPECT(flo_chan_try_send(NULL, &v) == FLO_AGAIN);
	EXPECT(flo_chan_try_recv(NULL, &v) == FLO_AGAIN);
	EXPECT(flo_chan_send(NULL, &v, soon) == FLO_TIMEOUT);
	EXPECT(flo_chan_recv(NULL, &v, soon) == FLO_TIMEOUT);
	coro_go(recv_it, &e);
	flo_yield();
	flo_context_cancel(e.context, NULL);
	flo_sem_take(&e.ended, NULL);
	EXPECT(e.status == FLO_CANCELED);
	EXPECT(flo_chan_len(NULL) == 0 && flo_chan_cap(NULL) == 0);
	EXPECT(v == 3);
	flo_context_unref(e.context);
	flo_context_unref(soon);
	flo_context_unref(root);
}
CORO_TEST(nobody_comes_to_no_channel);

static void length_and_capacity_body(void *arg)
{
	flo_chan *none = chan_of(sizeof(int), 0), *c = chan_of(sizeof(int), 3);
	int v = 1;

	(void)arg;
	EXPECT(flo_chan_len(none) == 0 && flo_chan_cap(none) == 0);
	EXPECT(flo_chan_len(c) == 0 && flo_chan_cap(c) == 3);
	for (size_t i = 1; i <= 3; i++) {
		EXPECT(flo_chan_send(c, &v, NULL) == FLO_OK);
		EXPECT(flo_chan_len(c) == i && flo_chan_cap(c) == 3);
	}
	flo_chan_close(c);
	EXPECT(flo_chan_len(c) == 3);
	EXPECT(flo_chan_recv(c, &v, NULL) == FLO_OK);
	EXPECT(flo_chan_len(c) == 2);
	flo_chan_free(none);
	flo_chan_free(c);
}
CORO_TEST(length_and_capacity);

/* --- what Go's TestChan asks of every capacity ------------------------------- */

enum {
	CAPACITIES = 20
};

static void an_empty_channel_lets_no_receiver_go_body(void *arg)
{
	(void)arg;
	for (size_t capacity = 0; capacity < CAPACITIES; capacity++) {
		struct end e = {.c = chan_of(sizeof(int), capacity)};
		struct end f = {.c = e.c};
		int v = 7;

		coro_go(recv_it, &e);
		coro_go(recv_it, &f);
		UNTIL(RECEIVERS(e.c) == 2);
		EXPECT(flo_sem_trytake(&e.ended) == false);
		EXPECT(flo_sem_trytake(&f.ended) == false);
		EXPECT(flo_chan_send(e.c, &v, NULL) == FLO_OK);
		EXPECT(flo_chan_send(e.c, &v, NULL) == FLO_OK);
		flo_sem_take(&e.ended, NULL);
		flo_sem_take(&f.ended, NULL);
		EXPECT(e.value == 7 && f.value == 7);
		flo_chan_free(e.c);
	}
}
CORO_TEST(an_empty_channel_lets_no_receiver_go);

static void a_full_channel_lets_no_sender_go_body(void *arg)
{
	(void)arg;
	for (size_t capacity = 0; capacity < CAPACITIES; capacity++) {
		struct end e = {.c = chan_of(sizeof(int), capacity)};
		int v;

		for (v = 0; v < (int)capacity; v++)
			EXPECT(flo_chan_try_send(e.c, &v) == FLO_OK);
		e.value = (int)capacity;
		coro_go(send_it, &e);
		UNTIL(SENDERS(e.c) == 1);
		EXPECT(flo_sem_trytake(&e.ended) == false);
		EXPECT(flo_chan_try_send(e.c, &v) == FLO_AGAIN);
		for (int want = 0; want <= (int)capacity; want++)
			EXPECT(flo_chan_recv(e.c, &v, NULL) == FLO_OK &&
			       v == want);
		flo_sem_take(&e.ended, NULL);
		flo_chan_free(e.c);
	}
}
CORO_TEST(a_full_channel_lets_no_sender_go);

/* Go's TestNonblockRecvRace: what was sent before the look is seen. */
static void take_what_lies_there(void *arg)
{
	struct end *e = arg;

	e->status = flo_chan_try_recv(e->c, &e->value);
	flo_sem_give(&e->ended);
}

static void a_look_sees_what_was_sent_or_closed_before_body(void *arg)
{
	struct end e = {.c = NULL};
	int v = 1;

	(void)arg;
	for (int i = 0; i < CORO_STRESS(10000); i++) {
		e.c = chan_of(sizeof(int), 1);
		flo_chan_send(e.c, &v, NULL);
		coro_go(take_what_lies_there, &e);
		flo_chan_close(e.c);
		if (i % 2 == 0)
			flo_chan_try_recv(e.c, &v);
		flo_sem_take(&e.ended, NULL);
		EXPECT(e.status != FLO_AGAIN);
		EXPECT(i % 2 == 0 || e.status == FLO_OK);
		flo_chan_free(e.c);
	}
}
CORO_TEST(a_look_sees_what_was_sent_or_closed_before);

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
		cmocka_unit_test(nobody_comes_to_no_channel),
		cmocka_unit_test(length_and_capacity),
		cmocka_unit_test(an_empty_channel_lets_no_receiver_go),
		cmocka_unit_test(a_full_channel_lets_no_sender_go),
		cmocka_unit_test(a_look_sees_what_was_sent_or_closed_before),
		cmocka_unit_test(out_of_memory_and_too_large_make_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
