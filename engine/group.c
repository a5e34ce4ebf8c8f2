/*
 * Note: one word counts
 *
 * `state` holds how many members have not ended (pending), how many slots are
 * in use, and three flags, so that the start and the end of a member are one
 * atomic operation each:
 *
 *  QUEUE  somebody may be queued for a slot: starts and ends take the slow
 *         path, through the queue's lock. Set and cleared under that lock.
 *  WAITS  flo_group_wait() has parked; who takes pending to 0 readies it.
 *  DONE   flo_group_wait() is returning; nothing may start any more.
 *
 * A slot is free as soon as its user has subtracted it, but while QUEUE is set
 * only the queue's head gets it (pump()), so nobody overtakes.
 *
 * Who subtracts the last pending may not touch the group afterwards, unless
 * it saw WAITS: then the waiter is parked until it is readied. So a member
 * gives its slot back first and its pending last, or both at once.
 *
 * Without a limit nothing is decided at a start or an end, only counted. So
 * the group's maker joins LOT members in one step and starts them from this
 * credit, which only it touches, and gives the rest back before anybody waits;
 * and the ends of members that run one after the other on a thread are
 * subtracted together, before anything else runs there (flo__end_later()). A
 * member that has ended but is not yet subtracted keeps the group open no
 * longer than the member that runs after it.
 *
 * WAITS is set by the park's commit, once the waiter can be resumed. If
 * pending is 0 by then, nobody will ready it, and the park is called off.
 * tests/model/group.pml checks both, and starts against a cancel.
 */
#include "engine/group_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "engine/context_p.h"
#include "engine/sched/sched_p.h"
#include "engine/sync/waitq_p.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define USED_ONE    UINT64_C(1)
#define USED_BITS   30
#define USED_MAX    ((UINT64_C(1) << USED_BITS) - 1)
#define PENDING_ONE (UINT64_C(1) << USED_BITS)
#define PENDING_MAX ((UINT64_C(1) << 31) - 1)
#define LOT	    4096
#define QUEUE	    (UINT64_C(1) << 61)
#define WAITS	    (UINT64_C(1) << 62)
#define DONE	    (UINT64_C(1) << 63)

struct flo_group {
	struct flo__waitq q; /* first: who waits for a slot */
	/* atomic: acq_rel throughout, see the note; partners: each other */
	_Atomic(uint64_t) state;
	struct flo__g *waiter; /* by WAITS */
	uint32_t error_lock;
	bool failed; /* by error_lock */

	/* On a cache line of its own: the ends of members are elsewhere. */
	_Alignas(64) uint64_t limit; /* constant once a member has started */
	flo_context *context;	     /* constant; owned */
	flo_runtime *rt;	     /* constant */
	struct flo__g *maker;	     /* constant; NULL: an ordinary thread */
	uint32_t maker_life;	     /* constant: another may have its record */
	uint32_t credit;	     /* the maker; at last who waits */
	bool waited;		     /* likewise: the credit is over */
	void *memory;		     /* constant: what was allocated */
	flo_error first;	     /* by error_lock; constant once failed */
};

/* What a member needs to start; its coroutine's record holds it. */
struct member {
	flo_group *group;
	flo_group_fn fn;
	void *arg;
};
_Static_assert(sizeof(struct member) <= sizeof(struct flo__room), "");

static uint64_t used_of(uint64_t state)
{
	return state & USED_MAX;
}

static uint64_t pending_of(uint64_t state)
{
	return (state >> USED_BITS) & PENDING_MAX;
}

static uint64_t look(flo_group *group)
{
	/* relaxed: what follows is a CAS */
	return atomic_load_explicit(&group->state, memory_order_relaxed);
}

static bool cas(flo_group *group, uint64_t *from, uint64_t to)
{
	return atomic_compare_exchange_weak_explicit(&group->state, from, to,
						     memory_order_acq_rel,
						     memory_order_relaxed);
}

flo_status flo_group_new(flo_context *parent, flo_group **ret_group)
{
	flo_group *group;
	void *memory;

	REQUIRE_RULE(parent != NULL, "there is no parent");
	memory = flo__malloc(sizeof(*group) + _Alignof(flo_group));
	if (memory == NULL)
		return FLO_NOMEM;
	group = (void *)(((uintptr_t)memory + _Alignof(flo_group) - 1) &
			 ~(uintptr_t)(_Alignof(flo_group) - 1));
	group->memory = memory;
	group->q = (struct flo__waitq){0};
	atomic_init(&group->state, 0);
	group->limit = USED_MAX;
	group->rt = flo__context_runtime(parent);
	group->maker = flo__g_current();
	group->maker_life =
		group->maker != NULL ? flo__g_life(group->maker) : 0;
	group->credit = 0;
	group->waited = false;
	group->waiter = NULL;
	group->error_lock = 0;
	group->failed = false;
	group->context = flo_context_child(parent);
	if (group->context == NULL) {
		flo__free(memory);
		return FLO_NOMEM;
	}
	*ret_group = group;
	return FLO_OK;
}

void flo_group_set_limit(flo_group *group, uint32_t limit)
{
	REQUIRE_RULE(look(group) == 0, "members of the group are active");
	group->limit = limit != 0 && limit < USED_MAX ? limit : USED_MAX;
}

flo_context *flo_group_context(flo_group *group)
{
	return group->context;
}

/* Take a free slot under the queue's lock, or say that somebody queues. */
static bool take_or_announce(flo_group *group, bool may_take)
{
	uint64_t s = look(group), to;
	bool take;

	do {
		take = may_take && used_of(s) < group->limit;
		to = take ? s + USED_ONE : s | QUEUE;
		/* An announcement whose waiter gave up may lie about. */
		if (take && group->q.head == NULL)
			to &= ~QUEUE;
	} while (to != s && !cas(group, &s, to));
	return take;
}

static bool take_slot(struct flo__waitq *q)
{
	return take_or_announce((flo_group *)q, q->head == NULL);
}

static bool take_slot_front(struct flo__waitq *q)
{
	return take_or_announce((flo_group *)q, true);
}

/* Give free slots to those who queue for them. */
static void pump(flo_group *group)
{
	struct flo__waiter *w;

	do {
		w = NULL;
		flo__spin_lock(&group->q.lock);
		if (group->q.head == NULL)
			atomic_fetch_and_explicit(&group->state, ~QUEUE,
						  memory_order_acq_rel);
		else if (take_or_announce(group, true))
			w = flo__waitq_grant(&group->q);
		flo__spin_unlock(&group->q.lock);
		if (w != NULL)
			flo__ready_last(w->g);
	} while (w != NULL);
}

static void give_slot(flo_group *group)
{
	uint64_t before = atomic_fetch_sub_explicit(&group->state, USED_ONE,
						    memory_order_acq_rel);

	INSIST(used_of(before) > 0);
	if (before & QUEUE)
		pump(group);
}

/* @before: the state from which the caller subtracted @n pending. */
static void wake_if_last(flo_group *group, uint64_t before, uint32_t n)
{
	INSIST(pending_of(before) >= n);
	if (pending_of(before) == n && (before & WAITS))
		flo__ready(group->waiter);
}

/* Subtract a pending: the caller's last touch of @group. */
static void leave(flo_group *group)
{
	wake_if_last(group,
		     atomic_fetch_sub_explicit(&group->state, PENDING_ONE,
					       memory_order_acq_rel),
		     1);
}

/* A member ended: slot and pending, at once if nobody queues. */
static void leave_with_slot(flo_group *group)
{
	uint64_t s = look(group);

	while (!(s & QUEUE)) {
		INSIST(used_of(s) > 0);
		if (cas(group, &s, s - USED_ONE - PENDING_ONE)) {
			wake_if_last(group, s, 1);
			return;
		}
	}
	give_slot(group);
	leave(group);
}

/* Members of a group without a limit ended, or never started: @n of them. */
static void leave_many(void *arg, uint32_t n)
{
	flo_group *group = arg;
	uint64_t before;

	before = atomic_fetch_sub_explicit(&group->state,
					   n * (USED_ONE + PENDING_ONE),
					   memory_order_acq_rel);
	INSIST(used_of(before) >= n);
	wake_if_last(group, before, n);
}

static bool is_maker(const flo_group *group)
{
	struct flo__g *g = flo__g_current();

	return g != NULL && g == group->maker &&
	       flo__g_life(g) == group->maker_life;
}

/* Join as one of a lot: the maker of a group without a limit. Who is not the
 * maker may look at nothing here that changes. */
static bool join_on_credit(flo_group *group)
{
	uint64_t before;

	if (group->limit != USED_MAX || !is_maker(group) || group->waited)
		return false;
	if (group->credit == 0) {
		before = atomic_fetch_add_explicit(&group->state,
						   LOT * (USED_ONE +
							  PENDING_ONE),
						   memory_order_acq_rel);
		INSIST(used_of(before) <= USED_MAX - LOT);
		INSIST(pending_of(before) <= PENDING_MAX - LOT);
		group->credit = LOT;
	}
	group->credit--;
	return true;
}

/* Give back what the maker joined and did not start. */
static void return_credit(flo_group *group)
{
	uint32_t credit = group->credit;

	group->waited = true;
	group->credit = 0;
	if (credit > 0)
		leave_many(group, credit);
}

static void join(flo_group *group)
{
	uint64_t before = atomic_fetch_add_explicit(&group->state, PENDING_ONE,
						    memory_order_acq_rel);

	INSIST(pending_of(before) < PENDING_MAX);
	REQUIRE_OF("flo_group_go", !(before & DONE),
		   "the group has been waited for");
}

/* Join with a slot, in one step, if one is free and nobody queues. */
static bool join_with_slot(flo_group *group)
{
	uint64_t s = look(group);

	do {
		if ((s & (QUEUE | DONE)) || used_of(s) >= group->limit)
			return false;
		INSIST(pending_of(s) < PENDING_MAX);
	} while (!cas(group, &s, s + USED_ONE + PENDING_ONE));
	return true;
}

/* The first failure is the group's, and ends its context. */
static void fail(flo_group *group, flo_status status, const flo_error *err)
{
	bool is_first;

	flo__spin_lock(&group->error_lock);
	is_first = !group->failed;
	if (is_first) {
		group->failed = true;
		group->first = *err;
		group->first.status = status;
		if (err->status == FLO_OK)
			snprintf(group->first.text, sizeof(group->first.text),
				 "%s", flo_status_text(status));
	}
	flo__spin_unlock(&group->error_lock);
	if (is_first)
		flo_context_cancel(group->context, &group->first);
}

/* Only the first byte of each text: most members never fail. */
static void error_init(flo_error *err)
{
	err->status = FLO_OK;
	err->code = 0;
	err->line = 0;
	err->column = 0;
	err->where[0] = '\0';
	err->text[0] = '\0';
}

static void run_member(void *arg)
{
	struct member m;
	flo_status status;
	flo_error err;

	memcpy(&m, arg, sizeof(m));
	error_init(&err);
	status = m.fn(m.group->context, m.arg, &err);
	if (status != FLO_OK)
		fail(m.group, status, &err);
	if (m.group->limit == USED_MAX)
		flo__end_later(m.group, leave_many);
	else
		leave_with_slot(m.group);
}

/* Queue the coroutine; its slot and pending are taken already. */
static flo_status start(flo_group *group, flo_group_fn fn, void *arg,
			size_t stack_size, const char *name)
{
	struct member m = {.group = group, .fn = fn, .arg = arg};
	struct flo__room room;

	memcpy(&room, &m, sizeof(m));
	return flo__go_room(group->rt, run_member, &room, stack_size, name);
}

static flo_status start_with_slot(flo_group *group, flo_group_fn fn, void *arg)
{
	flo_status st = start(group, fn, arg, 0, NULL);

	if (st != FLO_OK)
		leave_with_slot(group);
	return st;
}

/*
 * Join with a slot if that needs no waiting. The context is looked at last: the
 * slot may have come from the failure that ended it.
 */
static flo_status enter(flo_group *group)
{
	bool joined = join_on_credit(group) || join_with_slot(group);

	if (flo_context_status(group->context) == FLO_OK)
		return joined ? FLO_OK : FLO_AGAIN;
	if (joined)
		leave_with_slot(group);
	return FLO_CANCELED;
}

flo_status flo_group_go(flo_group *group, flo_group_fn fn, void *arg)
{
	flo_status st;

	REQUIRE_RULE(group != NULL, "there is no group");
	REQUIRE_RULE(fn != NULL, "there is no function");
	flo__sched_point();
	st = enter(group);
	if (st == FLO_AGAIN) {
		if (flo__group_slot_take(group, false) != FLO_OK)
			return FLO_CANCELED;
		join(group);
		st = FLO_OK;
	}
	return st == FLO_OK ? start_with_slot(group, fn, arg) : st;
}

flo_status flo_group_try_go(flo_group *group, flo_group_fn fn, void *arg)
{
	flo_status st;

	REQUIRE_RULE(group != NULL, "there is no group");
	REQUIRE_RULE(fn != NULL, "there is no function");
	st = enter(group);
	return st == FLO_OK ? start_with_slot(group, fn, arg) : st;
}

flo_status flo__group_slot_take(flo_group *group, bool front)
{
	flo_status st;

	st = flo__waitq_wait(&group->q, front ? take_slot_front : take_slot,
			     group->context, front, "flo_group_go",
			     "group limit");
	if (st != FLO_OK)
		return st;
	flo__sched_point();
	/* As in enter(). */
	st = flo_context_status(group->context);
	if (st != FLO_OK)
		give_slot(group);
	return st;
}

void flo__group_slot_give(flo_group *group)
{
	REQUIRE(used_of(look(group)) > 0);
	give_slot(group);
}

void flo__group_slot_retake(flo_group *group)
{
	if (flo__group_slot_take(group, true) != FLO_OK)
		atomic_fetch_add_explicit(&group->state, USED_ONE,
					  memory_order_acq_rel);
}

flo_status flo__group_go_taken(flo_group *group, flo_group_fn fn, void *arg,
			       size_t stack_size, const char *name)
{
	flo_status st;

	REQUIRE(group != NULL && fn != NULL);
	REQUIRE(used_of(look(group)) > 0);
	join(group);
	st = start(group, fn, arg, stack_size, name);
	if (st != FLO_OK)
		leave(group);
	return st;
}

/* On the stack of whoever comes next: see the note. */
static bool commit_wait(struct flo__g *g, void *arg)
{
	flo_group *group = arg;
	uint64_t before;

	group->waiter = g;
	before = atomic_fetch_or_explicit(&group->state, WAITS,
					  memory_order_acq_rel);
	return pending_of(before) > 0;
}

flo_status flo_group_wait(flo_group *group, flo_error *err)
{
	uint64_t before;

	REQUIRE_RULE(group != NULL, "there is no group");
	REQUIRE_RULE(!(look(group) & (WAITS | DONE)),
		     "the group has been waited for");
	return_credit(group);
	flo__sched_point();
	if (pending_of(look(group)) > 0) {
		REQUIRE_RULE(flo__g_current() != NULL,
			     "only a coroutine can wait");
		flo__park(commit_wait, group, "group", false);
	}
	/* Acquires what every member did before it left. */
	before = atomic_fetch_or_explicit(&group->state, DONE,
					  memory_order_acq_rel);
	INSIST(pending_of(before) == 0);
	flo_context_cancel(group->context, NULL);
	if (!group->failed)
		return FLO_OK;
	if (err != NULL && err->status == FLO_OK)
		*err = group->first;
	return group->first.status;
}

void flo_group_free(flo_group *group)
{
	if (group == NULL)
		return;
	REQUIRE_RULE(look(group) & DONE, "the group was not waited for");
	INSIST(group->q.head == NULL);
	flo_context_unref(group->context);
	flo__free(group->memory);
}
