/*
 * Channels and select (the note in chan_p.h): values are neither lost nor
 * doubled, whoever comes first, and nobody waits for ever.
 */
#include "tests/interleave/explore.h"
#include "tests/interleave/point.h"

#include <flo/chan.h>

static flo_chan *a, *b;
static flo_context *context;
static unsigned sent, received; /* a bit a value */

static flo_chan *make(size_t capacity)
{
	flo_chan *chan = NULL;

	explore_check(flo_chan_new(sizeof(int), capacity, &chan) == FLO_OK,
		      "memory");
	return chan;
}

static void begin(size_t capacity)
{
	sent = 0;
	received = 0;
	a = make(capacity);
	b = make(capacity);
	context = flo_context_new(NULL);
}

static void got(int value)
{
	explore_check(value >= 1 && value <= 8, "a value is whole");
	explore_check(!(received & (1u << value)), "no value comes twice");
	received |= 1u << value;
}

/* @left: a value may be left in a buffer. */
static void end(void)
{
	int value;

	explore_join();
	while (flo_chan_try_recv(a, &value) == FLO_OK)
		got(value);
	while (flo_chan_try_recv(b, &value) == FLO_OK)
		got(value);
	explore_check(sent == received, "what was sent is received");
	flo_chan_free(a);
	flo_chan_free(b);
	flo_context_unref(context);
}

static void send(flo_chan *chan, int value, flo_context *until)
{
	flo_status st = flo_chan_send(chan, &value, until);

	if (st == FLO_OK)
		sent |= 1u << value;
	else
		explore_check(until != NULL && st == FLO_CANCELED,
			      "a send ends well or with its context");
}

static flo_status receive(flo_chan *chan, flo_context *until)
{
	int value = -1;
	flo_status st = flo_chan_recv(chan, &value, until);

	if (st == FLO_OK)
		got(value);
	return st;
}

static void send_1(void *arg)
{
	(void)arg;
	send(a, 1, NULL);
}

static void send_2(void *arg)
{
	(void)arg;
	send(a, 2, NULL);
}

static void receive_one(void *arg)
{
	(void)arg;
	explore_check(receive(a, NULL) == FLO_OK, "the channel is open");
}

static void two_senders_two_receivers(void)
{
	begin(0);
	explore_go("sender", send_1, NULL);
	explore_go("receiver", receive_one, NULL);
	explore_go("receiver", receive_one, NULL);
	send(a, 2, NULL);
	end();
}

static void a_buffer_of_one(void)
{
	begin(1);
	explore_go("sender", send_1, NULL);
	explore_go("sender", send_2, NULL);
	explore_go("receiver", receive_one, NULL);
	explore_go("receiver", receive_one, NULL);
	send(a, 3, NULL);
	end();
}

static void receive_all(void *arg)
{
	(void)arg;
	while (receive(a, NULL) == FLO_OK)
		;
}

static void a_close_ends_receivers(void)
{
	begin(1);
	explore_go("receiver", receive_all, NULL);
	explore_go("receiver", receive_all, NULL);
	send(a, 1, NULL);
	send(a, 2, NULL);
	flo_chan_close(a);
	end();
}

static void cancel(void *arg)
{
	(void)arg;
	flo_context_cancel(context, NULL);
}

static void receive_until(void *arg)
{
	(void)arg;
	receive(a, context);
}

static void a_cancel_against_both_sides(void)
{
	begin(0);
	explore_go("canceller", cancel, NULL);
	explore_go("receiver", receive_until, NULL);
	send(a, 1, context);
	end();
}

/* The first sender may be cancelled while a receiver comes for it. */
static void a_cancelled_sender_lets_the_next_through(void)
{
	int value;

	begin(0);
	explore_go("canceller", cancel, NULL);
	explore_go("sender", send_2, NULL);
	explore_go("receiver", receive_until, NULL);
	send(a, 1, context);
	while (!(sent & (1u << 2))) {
		if (flo_chan_try_recv(a, &value) == FLO_OK)
			got(value);
		sched_yield();
	}
	end();
}

static void choose(flo_chan *to, int value, flo_chan *from, flo_context *until)
{
	int in = -1;
	struct flo_select_case cases[] = {
		{.chan = to, .send = &value},
		{.chan = from, .recv = &in},
	};
	size_t index = 9;
	flo_status st = flo_select(cases, 2, UINT64_MAX, until, &index);

	if (st == FLO_OK && index == 0)
		sent |= 1u << value;
	else if (st == FLO_OK && index == 1)
		got(in);
	else
		explore_check(st == FLO_CANCELED && until != NULL,
			      "a select ends well or with its context");
}

static void choose_1(void *arg)
{
	(void)arg;
	choose(a, 1, b, NULL);
}

static void two_selects_meet(void)
{
	begin(0);
	explore_go("selects", choose_1, NULL);
	choose(b, 2, a, NULL);
	end();
}

static void choose_until(void *arg)
{
	(void)arg;
	choose(a, 1, b, context);
}

static void send_until(void *arg)
{
	(void)arg;
	send(b, 3, context);
}

static void a_cancel_against_a_select(void)
{
	begin(0);
	explore_go("selects", choose_until, NULL);
	explore_go("sender", send_until, NULL);
	explore_go("canceller", cancel, NULL);
	receive(a, context);
	end();
}

static void close_b(void *arg)
{
	(void)arg;
	flo_chan_close(b);
}

/* A value and a close at the same time: the value is not lost. */
static void a_close_against_a_select(void)
{
	int in = -1, none;
	struct flo_select_case cases[] = {{.recv = &in}, {.recv = &none}};
	size_t index;
	flo_status st;

	begin(0);
	cases[0].chan = a;
	cases[1].chan = b;
	explore_go("closer", close_b, NULL);
	explore_go("sender", send_1, NULL);
	st = flo_select(cases, 2, UINT64_MAX, NULL, &index);
	if (st == FLO_OK)
		got(in);
	else
		receive(a, NULL);
	explore_check(st == FLO_OK ? index == 0
				   : st == FLO_CLOSED && index == 1,
		      "one of the two");
	end();
}

static const struct explore_scenario scenarios[] = {
	{"two_senders_two_receivers", two_senders_two_receivers, 3, 4},
	{"a_buffer_of_one", a_buffer_of_one, 1, 2},
	{"a_close_ends_receivers", a_close_ends_receivers, 3, 4},
	{"a_cancel_against_both_sides", a_cancel_against_both_sides, 3, 4},
	{"a_cancelled_sender_lets_the_next_through",
	 a_cancelled_sender_lets_the_next_through, 2, 3},
	{"two_selects_meet", two_selects_meet, 4, 6},
	{"a_cancel_against_a_select", a_cancel_against_a_select, 2, 3},
	{"a_close_against_a_select", a_close_against_a_select, 3, 4},
};

int main(int argc, char **argv)
{
	return explore_main(argc, argv, scenarios,
			    sizeof(scenarios) / sizeof(scenarios[0]));
}
