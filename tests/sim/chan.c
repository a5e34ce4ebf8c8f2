/*
 * Channels: nothing is lost, doubled or overtaken, whoever is cancelled.
 */
#include "tests/sim/crowd.h"

#include <flo/chan.h>

#include <string.h>

#define ACTORS_MAX 6
#define VALUES_MAX 16 /* of a producer */
#define CHANS_MAX  4

/* ---- one channel: producers, consumers, a close ---- */

struct value {
	uint32_t producer, number;
};

static struct {
	flo_context *root;
	flo_chan *chan;
	struct crowd producers, all;
	uint32_t nproducers, nconsumers, nvalues;
	bool sent[ACTORS_MAX][VALUES_MAX];
	bool received[ACTORS_MAX][VALUES_MAX];
	/* the number after the last that a consumer had of a producer */
	uint32_t next[ACTORS_MAX][ACTORS_MAX];
} c;

static flo_status send_somehow(const struct value *value, flo_context *limit)
{
	struct flo_select_case only = {.chan = c.chan, .send = value};
	size_t index;

	if (once_in(4))
		return flo_chan_try_send(c.chan, value);
	if (once_in(3))
		return flo_select(&only, 1, UINT64_MAX, limit, &index);
	return flo_chan_send(c.chan, value, limit);
}

static void produce(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;

	for (uint32_t i = 0; i < c.nvalues; i++) {
		struct value value = {me, i};
		flo_context *limit = some_limit(c.root);
		flo_status st;

		dawdle();
		st = send_somehow(&value, limit);
		if (st != FLO_AGAIN)
			check_ended(limit, st);
		c.sent[me][i] = st == FLO_OK;
		flo_context_unref(limit);
	}
	crowd_leave(&c.producers);
	crowd_leave(&c.all);
}

static void take_in(uint32_t me, const struct value *value)
{
	CHECK(value->producer < c.nproducers && value->number < c.nvalues);
	CHECK(!c.received[value->producer][value->number]);
	c.received[value->producer][value->number] = true;
	CHECK(value->number >= c.next[me][value->producer]);
	c.next[me][value->producer] = value->number + 1;
}

static void consume(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	flo_status st = FLO_OK;

	while (st != FLO_CLOSED) {
		struct value value = {UINT32_MAX, UINT32_MAX};
		flo_context *limit = some_limit(c.root);

		dawdle();
		st = flo_chan_recv(c.chan, &value, limit);
		if (st == FLO_OK)
			take_in(me, &value);
		else if (st != FLO_CLOSED)
			check_ended(limit, st);
		flo_context_unref(limit);
	}
	crowd_leave(&c.all);
}

static void close_at_last(void *arg)
{
	(void)arg;
	crowd_wait(&c.producers);
	flo_chan_close(c.chan);
	crowd_leave(&c.all);
}

static void chan_main(void *arg)
{
	(void)arg;
	c.root = flo_context_new(flo_runtime_current());
	CHECK(flo_chan_new(sizeof(struct value), draw(4), &c.chan) == FLO_OK);
	crowd_go(&c.all, close_at_last, NULL);
	/* Counted before any of them can have ended. */
	flo_waitgroup_add(&c.producers.wg, c.nproducers);
	for (uint32_t i = 0; i < c.nproducers; i++)
		crowd_go(&c.all, produce, (void *)(uintptr_t)i);
	for (uint32_t i = 0; i < c.nconsumers; i++)
		crowd_go(&c.all, consume, (void *)(uintptr_t)i);
	crowd_wait(&c.all);
	CHECK(memcmp(c.sent, c.received, sizeof(c.sent)) == 0);
	flo_chan_free(c.chan);
	flo_context_unref(c.root);
}

static void play_chan(flo_runtime *rt)
{
	memset(&c, 0, sizeof(c));
	c.nproducers = 1 + draw(ACTORS_MAX);
	c.nconsumers = 1 + draw(ACTORS_MAX);
	c.nvalues = 1 + draw(VALUES_MAX);
	play_main(rt, chan_main, NULL);
}

const struct scenario chan_scenario = {.name = "chan", .play = play_chan};

/* ---- several channels: selects in both directions, with time limits ---- */

#define SENDS_MAX 256 /* values are numbered */

static struct {
	flo_chan *chans[CHANS_MAX];
	uint32_t nchans, rounds;
	struct crowd all;
	uint32_t next;
	bool sent[SENDS_MAX], received[SENDS_MAX];
} s;

static void take_value(uint32_t value)
{
	CHECK(value < s.next && !s.received[value]);
	s.received[value] = true;
}

/* A select of one to four cases; a value of its own for each that sends. */
static void select_once(void)
{
	struct flo_select_case cases[4];
	uint32_t values[4], n = 1 + draw(4);
	uint64_t timeout = once_in(4) ? 0 : draw(40) * US;
	uint64_t begin;
	size_t index = SIZE_MAX;
	flo_status st;

	for (uint32_t i = 0; i < n; i++) {
		bool send = once_in(2) && s.next < SENDS_MAX;

		values[i] = send ? s.next++ : UINT32_MAX;
		cases[i] = (struct flo_select_case){
			.chan = once_in(8) ? NULL : s.chans[draw(s.nchans)],
			.send = send ? &values[i] : NULL,
			.recv = &values[i]};
	}
	begin = flo_now();
	st = flo_select(cases, n, timeout, NULL, &index);
	if (st == FLO_OK) {
		CHECK(index < n && cases[index].chan != NULL);
		CHECK(flo_now() <= begin + timeout);
		if (cases[index].send != NULL)
			s.sent[values[index]] = true;
		else
			take_value(values[index]);
		return;
	}
	CHECK(st == (timeout == 0 ? FLO_AGAIN : FLO_TIMEOUT));
	CHECK(flo_now() == begin + timeout);
}

static void select_often(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < s.rounds; i++) {
		dawdle();
		select_once();
	}
	crowd_leave(&s.all);
}

static void select_main(void *arg)
{
	uint32_t actors = 2 + draw(ACTORS_MAX), value;

	(void)arg;
	for (uint32_t i = 0; i < s.nchans; i++)
		CHECK(flo_chan_new(sizeof(uint32_t), draw(3), &s.chans[i]) ==
		      FLO_OK);
	for (uint32_t i = 0; i < actors; i++)
		crowd_go(&s.all, select_often, NULL);
	crowd_wait(&s.all);
	for (uint32_t i = 0; i < s.nchans; i++) {
		while (flo_chan_try_recv(s.chans[i], &value) == FLO_OK)
			take_value(value);
		flo_chan_free(s.chans[i]);
	}
	CHECK(memcmp(s.sent, s.received, sizeof(s.sent)) == 0);
}

static void play_select(flo_runtime *rt)
{
	memset(&s, 0, sizeof(s));
	s.nchans = 1 + draw(CHANS_MAX);
	s.rounds = 1 + draw(12);
	play_main(rt, select_main, NULL);
}

const struct scenario select_scenario = {.name = "select", .play = play_select};
