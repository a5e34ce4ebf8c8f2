/*
 * The readers-writer mutex: a writer is alone, neither side keeps the other out
 * for ever, and who gives up leaves nothing behind.
 *
 * Who called at an earlier time than now has queued or is in: the clock does
 * not move while anybody can run. So from the outside it is known who waits.
 */
#include "tests/sim/crowd.h"

#include <string.h>

#define ACTORS_MAX 8

enum wish {
	NOTHING,
	READ,
	WRITE
};

struct actor {
	enum wish waits;    /* for what its call has not returned yet */
	uint64_t since_ns;  /* when it called */
	uint32_t unlocks;   /* by writers, until it called */
	bool due;	    /* a writer has left since: it is in */
	flo_context *limit; /* of the call; may be NULL */
};

static struct {
	flo_context *root;
	flo_rwmutex lock;
	uint32_t readers, writers; /* inside, as they know themselves */
	uint32_t unlocks;	   /* by writers */
	uint64_t changed_ns;	   /* when one last left, or gave up */
	uint32_t nactors, rounds;
	struct actor actors[ACTORS_MAX];
	struct crowd all;
} s;

static bool has_ended(const flo_context *limit)
{
	return limit != NULL && flo_context_status(limit) != FLO_OK;
}

/* @a waits, and has queued for sure. */
static bool waits_long(const struct actor *a, enum wish wish)
{
	return a->waits == wish && a->since_ns < flo_now();
}

static uint32_t count_waiting(enum wish wish)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s.nactors; i++)
		n += s.actors[i].waits == wish;
	return n;
}

/* If nothing has changed at this time, nobody waits without a reason. */
static void look_around(void)
{
	if (s.changed_ns >= flo_now())
		return;
	for (uint32_t i = 0; i < s.nactors; i++) {
		const struct actor *a = &s.actors[i];

		if (waits_long(a, READ))
			CHECK(s.writers > 0 || count_waiting(WRITE) > 0);
		if (waits_long(a, WRITE))
			CHECK(s.writers + s.readers > 0);
	}
}

/* ---- inside ---- */

/* A writer that came before @me called keeps it out until one has left. */
static void check_may_read(const struct actor *me)
{
	for (uint32_t i = 0; i < s.nactors; i++) {
		const struct actor *a = &s.actors[i];

		if (a->waits == WRITE && a->since_ns < me->since_ns &&
		    !has_ended(a->limit))
			CHECK(s.unlocks != me->unlocks);
	}
}

static void read_a_while(struct actor *me)
{
	CHECK(s.writers == 0);
	s.readers++;
	check_may_read(me);
	dawdle();
	look_around();
	CHECK(s.writers == 0 && s.readers > 0);
	s.readers--;
	s.changed_ns = flo_now();
	flo_rwmutex_runlock(&s.lock);
}

static void write_a_while(void)
{
	CHECK(s.writers == 0 && s.readers == 0);
	s.writers++;
	for (uint32_t i = 0; i < s.nactors; i++)
		CHECK(!s.actors[i].due);
	dawdle();
	look_around();
	CHECK(s.writers == 1 && s.readers == 0);
	s.writers--;
	s.changed_ns = flo_now();
	s.unlocks++;
	for (uint32_t i = 0; i < s.nactors; i++)
		s.actors[i].due = waits_long(&s.actors[i], READ) &&
				  !has_ended(s.actors[i].limit);
	flo_rwmutex_unlock(&s.lock);
}

/* ---- coming in ---- */

/* A limit that passes, or one that somebody may cancel, or none. */
static flo_context *draw_limit(void)
{
	flo_context *limit;

	if (!once_in(4))
		return some_limit(s.root);
	limit = flo_context_child(s.root);
	CHECK(limit != NULL);
	return limit;
}

static void cancel_somebody(void)
{
	struct actor *a = &s.actors[draw(s.nactors)];

	if (a->limit != NULL)
		flo_context_cancel(a->limit, NULL);
}

static flo_status lock_somehow(struct actor *me, enum wish wish)
{
	if (once_in(4))
		return (wish == READ ? flo_rwmutex_tryrlock(&s.lock)
				     : flo_rwmutex_trylock(&s.lock))
			       ? FLO_OK
			       : FLO_AGAIN;
	if (me->limit != NULL)
		return wish == READ ? flo_rwmutex_rlock_ctx(&s.lock, me->limit)
				    : flo_rwmutex_lock_ctx(&s.lock, me->limit);
	if (wish == READ)
		flo_rwmutex_rlock(&s.lock);
	else
		flo_rwmutex_lock(&s.lock);
	return FLO_OK;
}

/* Trying fails only where somebody is in the way. */
static void check_in_the_way(const struct actor *me, enum wish wish)
{
	CHECK(flo_now() == me->since_ns);
	if (s.changed_ns >= flo_now())
		return;
	CHECK(s.writers > 0 ||
	      (wish == READ ? count_waiting(WRITE) > 0 : s.readers > 0));
}

/* A wait ends when its limit does, and with the limit's status. */
static void check_given_up(const struct actor *me, flo_status st)
{
	uint64_t deadline;

	CHECK(!me->due);
	s.changed_ns = flo_now();
	CHECK(me->limit != NULL && st == flo_context_status(me->limit));
	if (st == FLO_CANCELED)
		return;
	CHECK(st == FLO_TIMEOUT);
	deadline = flo_context_deadline(me->limit);
	CHECK(flo_now() == (deadline > me->since_ns ? deadline : me->since_ns));
}

static void come_and_go(struct actor *me)
{
	enum wish wish = once_in(3) ? WRITE : READ;
	flo_status st;

	*me = (struct actor){.waits = wish,
			     .since_ns = flo_now(),
			     .unlocks = s.unlocks,
			     .limit = draw_limit()};
	st = lock_somehow(me, wish);
	me->waits = NOTHING;
	if (st == FLO_AGAIN)
		check_in_the_way(me, wish);
	else if (st != FLO_OK)
		check_given_up(me, st);
	me->due = false;
	if (st == FLO_OK && wish == READ)
		read_a_while(me);
	else if (st == FLO_OK)
		write_a_while();
	flo_context_unref(me->limit);
	me->limit = NULL;
}

static void act(void *arg)
{
	for (uint32_t i = 0; i < s.rounds; i++) {
		dawdle();
		look_around();
		if (once_in(6))
			cancel_somebody();
		else
			come_and_go(arg);
	}
	crowd_leave(&s.all);
}

static void rwmutex_main(void *arg)
{
	(void)arg;
	s.root = flo_context_new(flo_runtime_current());
	for (uint32_t i = 0; i < s.nactors; i++)
		crowd_go(&s.all, act, &s.actors[i]);
	crowd_wait(&s.all);
	CHECK(flo_rwmutex_trylock(&s.lock));
	CHECK(!flo_rwmutex_tryrlock(&s.lock));
	flo_rwmutex_unlock(&s.lock);
	CHECK(flo_rwmutex_tryrlock(&s.lock));
	flo_rwmutex_runlock(&s.lock);
	flo_context_unref(s.root);
}

static void play_rwmutex(flo_runtime *rt)
{
	memset(&s, 0, sizeof(s));
	s.nactors = 2 + draw(ACTORS_MAX - 1);
	s.rounds = 1 + draw(12);
	play_main(rt, rwmutex_main, NULL);
}

const struct scenario rwmutex_scenario = {.name = "rwmutex",
					  .play = play_rwmutex};
