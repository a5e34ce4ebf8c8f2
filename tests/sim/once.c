/*
 * Once: one runs, all others see what it did or have given up. The pool: what
 * is taken is one's own.
 */
#include "tests/sim/crowd.h"

#include <flo/panic.h>

#include <string.h>

#define ACTORS_MAX 8
#define ONCES_MAX  3

/* ---- once ---- */

struct thing {
	flo_once once;
	uint32_t begun;
	bool ended;
	uint64_t ended_ns;
	bool panics, needs_next;
};

static struct {
	flo_context *root;
	struct thing things[ONCES_MAX];
	uint32_t nthings, rounds;
	struct crowd all;
} o;

static void do_thing(void *arg);
static void call_it(struct thing *thing, flo_context *limit);

/* See to it that @thing is done, or give up. */
static void need(struct thing *thing, flo_context *limit)
{
	uint64_t came = flo_now();
	bool was_done = thing->ended;
	flo_status st = flo_once_do(&thing->once, do_thing, thing, limit);

	if (was_done)
		CHECK(st == FLO_OK);
	if (st != FLO_OK) {
		check_ended(limit, st);
		return;
	}
	CHECK(thing->begun == 1 && thing->ended);
	CHECK(flo_now() == (was_done ? came : thing->ended_ns));
}

/* A panic is an end as well. */
static void do_thing(void *arg)
{
	struct thing *thing = arg;

	CHECK(++thing->begun == 1);
	dawdle();
	if (thing->needs_next)
		call_it(thing + 1, NULL);
	dawdle();
	thing->ended = true;
	thing->ended_ns = flo_now();
	if (thing->panics)
		flo_panic("it went wrong");
}

struct call {
	struct thing *thing;
	flo_context *limit;
};

static void try_need(void *arg)
{
	struct call *call = arg;

	need(call->thing, call->limit);
}

/* The panic is its caller's alone. */
static void call_it(struct thing *thing, flo_context *limit)
{
	struct call call = {thing, limit};
	uint32_t begun = thing->begun;
	flo_status st = flo_try(try_need, &call, NULL);

	CHECK(st == FLO_OK || (st == FLO_PANIC && begun == 0));
}

static void call_often(void *arg)
{
	(void)arg;
	for (uint32_t i = 0; i < o.rounds; i++) {
		flo_context *limit;

		dawdle();
		limit = some_limit(o.root);
		call_it(&o.things[draw(o.nthings)], limit);
		flo_context_unref(limit);
	}
	crowd_leave(&o.all);
}

static void once_main(void *arg)
{
	uint32_t actors = 2 + draw(ACTORS_MAX - 1);

	(void)arg;
	o.root = flo_context_new(flo_runtime_current());
	for (uint32_t i = 0; i < actors; i++)
		crowd_go(&o.all, call_often, NULL);
	crowd_wait(&o.all);
	for (uint32_t i = 0; i < o.nthings; i++) {
		struct thing *thing = &o.things[i];
		bool was_done = thing->ended;

		CHECK(thing->begun == was_done);
		call_it(thing, NULL);
		CHECK(thing->begun == 1 && thing->ended);
	}
	flo_context_unref(o.root);
}

static void play_once(flo_runtime *rt)
{
	memset(&o, 0, sizeof(o));
	o.nthings = 1 + draw(ONCES_MAX);
	o.rounds = 1 + draw(6);
	for (uint32_t i = 0; i < o.nthings; i++) {
		o.things[i].panics = once_in(3);
		o.things[i].needs_next = i + 1 < o.nthings && once_in(2);
	}
	play_main(rt, once_main, NULL);
}

const struct scenario once_scenario = {.name = "once", .play = play_once};

/* ---- the pool ---- */

#define HELD_MAX   48 /* by one: more than fit are there at times */
#define ROUNDS_MAX 8

enum place {
	UNMADE,
	OUT,
	IN,
	GONE
};

struct object {
	enum place place;
	uint32_t owner;
};

static struct {
	flo_pool *pool;
	struct object objects[ACTORS_MAX * HELD_MAX * ROUNDS_MAX];
	uint32_t made, gone, rounds, held_max;
	struct crowd all;
} p;

/* It may take its time, and may fail. */
static void *make(void *arg)
{
	struct object *object;

	CHECK(arg == &p);
	if (once_in(16))
		return NULL;
	if (once_in(4))
		flo_yield();
	CHECK(p.made < sizeof(p.objects) / sizeof(p.objects[0]));
	object = &p.objects[p.made++];
	object->place = IN;
	return object;
}

static void drop(void *mem, void *arg)
{
	struct object *object = mem;

	CHECK(arg == &p);
	CHECK(object->place == IN);
	object->place = GONE;
	p.gone++;
	if (once_in(4))
		flo_yield();
}

static bool take(uint32_t me, struct object **ret_object)
{
	struct object *object = flo_pool_get(p.pool);

	if (object == NULL)
		return false;
	CHECK(object->place == IN);
	object->place = OUT;
	object->owner = me;
	*ret_object = object;
	return true;
}

static void give_back(uint32_t me, struct object *object)
{
	CHECK(object->place == OUT && object->owner == me);
	object->place = IN;
	flo_pool_put(p.pool, object);
}

/* Take some, hold them, give them back in another order. */
static void borrow(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg;
	struct object *held[HELD_MAX];

	for (uint32_t i = 0; i < p.rounds; i++) {
		uint32_t n = 0, wanted = 1 + draw(p.held_max);

		dawdle();
		while (n < wanted && take(me, &held[n]))
			n++;
		dawdle();
		while (n > 0) {
			uint32_t one = draw(n);

			give_back(me, held[one]);
			held[one] = held[--n];
			if (once_in(8))
				dawdle();
		}
	}
	crowd_leave(&p.all);
}

static void pool_main(void *arg)
{
	uint32_t actors = 2 + draw(ACTORS_MAX - 1);

	(void)arg;
	CHECK(flo_pool_new(flo_runtime_current(), make, drop, &p, &p.pool) ==
	      FLO_OK);
	for (uint32_t i = 0; i < actors; i++)
		crowd_go(&p.all, borrow, (void *)(uintptr_t)i);
	crowd_wait(&p.all);
	flo_pool_free(p.pool);
	CHECK(p.gone == p.made);
}

static void play_pool(flo_runtime *rt)
{
	memset(&p, 0, sizeof(p));
	p.rounds = 1 + draw(ROUNDS_MAX);
	p.held_max = once_in(3) ? HELD_MAX : 4;
	play_main(rt, pool_main, NULL);
}

const struct scenario pool_scenario = {.name = "pool", .play = play_pool};
