/*
 * Select: one operation that stands in several channels' queues.
 *
 * All channels are locked together, in the order of their addresses, while the
 * cases are looked at and while the nodes are queued: so no peer can come to
 * one channel between the look at it and the wait. chan_p.h has the rest.
 */
#include "engine/sync/chan_p.h"

#include "base/alive.h"

#define CASES_MAX 64

struct select {
	struct flo_select_case *cases;
	size_t n;
	flo_chan *locks[CASES_MAX]; /* distinct, by address */
	size_t locks_len;	    /* 0: no case will ever be ready */
	struct flo__op op;
	struct flo__op_node nodes[CASES_MAX];
};

/* Insertion sort without doubles: there are few, and mostly in order. */
static void order_locks(struct select *s)
{
	flo_chan *chan;
	size_t at;

	s->locks_len = 0;
	for (size_t i = 0; i < s->n; i++) {
		chan = s->cases[i].chan;
		at = s->locks_len;
		while (at > 0 && (uintptr_t)s->locks[at - 1] > (uintptr_t)chan)
			at--;
		if (chan == NULL || (at > 0 && s->locks[at - 1] == chan))
			continue;
		for (size_t j = s->locks_len; j > at; j--)
			s->locks[j] = s->locks[j - 1];
		s->locks[at] = chan;
		s->locks_len++;
	}
}

static void lock_all(const struct select *s)
{
	for (size_t i = 0; i < s->locks_len; i++)
		flo__spin_lock(&s->locks[i]->lock);
}

/* From the highest: in a commit nothing may be touched after the first. */
static void unlock_all(flo_chan *const *locks, size_t len)
{
	while (len-- > 0)
		flo__spin_unlock(&locks[len]->lock);
}

static struct flo__op_queue *queue_of(const struct flo_select_case *c)
{
	return c->send != NULL ? &c->chan->senders : &c->chan->receivers;
}

static bool can_go_on(const struct flo_select_case *c)
{
	if (c->chan == NULL)
		return false;
	return c->send != NULL ? flo__chan_can_send(c->chan)
			       : flo__chan_can_recv(c->chan);
}

/* Choose among the cases that can go on, each as likely; n if there is none. */
static size_t choose(const struct select *s)
{
	size_t chosen = s->n;
	uint32_t able = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (!can_go_on(&s->cases[i]))
			continue;
		able++;
		if (able == 1 || flo__choice() % able == 0)
			chosen = i;
	}
	return chosen;
}

/* Do a case that need not wait, under the locks. FLO_AGAIN if none can. */
static flo_status do_now(struct select *s, size_t *ret_index,
			 struct flo__g **ret_peer)
{
	struct flo_select_case *c;
	flo_status st = FLO_AGAIN;
	size_t i;

	/* A peer may be cancelled after it was counted: then choose again. */
	while (st == FLO_AGAIN && (i = choose(s)) < s->n) {
		c = &s->cases[i];
		st = c->send != NULL
			     ? flo__chan_send_now(c->chan, c->send, ret_peer)
			     : flo__chan_recv_now(c->chan, c->recv, ret_peer);
		*ret_index = i;
	}
	return st;
}

/*
 * Once the state says PARKED, the coroutine may be resumed. It cannot return
 * before it has gone through every lock, the first one first (unlink_all()),
 * so @s lasts until that is free; without locks it may be gone at once.
 */
static bool commit(struct flo__g *g, void *arg)
{
	struct select *s = arg;
	size_t len = s->locks_len;
	bool parked = flo__op_commit(&s->op);

	(void)g;
	unlock_all(s->locks, len);
	return parked;
}

static void link_all(struct select *s)
{
	struct flo_select_case *c;

	for (size_t i = 0; i < s->n; i++) {
		c = &s->cases[i];
		s->nodes[i].op = &s->op;
		s->nodes[i].linked = false;
		s->nodes[i].value =
			c->send != NULL ? (void *)(uintptr_t)c->send : c->recv;
		if (c->chan != NULL)
			flo__op_link(queue_of(c), &s->nodes[i]);
	}
}

/* Together, as they were locked: commit() relies on it. */
static void unlink_all(struct select *s)
{
	lock_all(s);
	for (size_t i = 0; i < s->n; i++)
		if (s->cases[i].chan != NULL)
			flo__op_unlink(queue_of(&s->cases[i]), &s->nodes[i]);
	unlock_all(s->locks, s->locks_len);
}

/* Nothing could be done at once: queue everywhere and park. */
static flo_status wait_any(struct select *s, uint64_t timeout_ns,
			   flo_context *context, size_t *ret_index,
			   struct flo__g **ret_peer)
{
	uint64_t now = timeout_ns != UINT64_MAX ? flo_now() : 0;
	uint64_t when =
		timeout_ns < UINT64_MAX - now ? now + timeout_ns : UINT64_MAX;
	flo_status st =
		flo__op_begin(&s->op, flo__g_current(), true, context, when);

	if (st != FLO_OK)
		return st;
	flo__sched_point();
	lock_all(s);
	st = do_now(s, ret_index, ret_peer);
	if (st != FLO_AGAIN) {
		unlock_all(s->locks, s->locks_len);
		flo__op_end(&s->op);
		return st;
	}
	link_all(s);
	flo__park(commit, s,
		  s->locks_len > 0 ? "select" : "select (no channels)", false);
	unlink_all(s);
	flo__op_end(&s->op);
	if (s->op.won != NULL)
		*ret_index = (size_t)(s->op.won - s->nodes);
	return flo__op_outcome(&s->op);
}

static flo_status select_any(struct select *s, uint64_t timeout_ns,
			     flo_context *context, size_t *ret_index,
			     struct flo__g **ret_peer)
{
	flo_status st;

	if (context != NULL) {
		st = flo_context_status(context);
		if (st != FLO_OK)
			return st;
	}
	order_locks(s);
	lock_all(s);
	st = do_now(s, ret_index, ret_peer);
	unlock_all(s->locks, s->locks_len);
	if (st != FLO_AGAIN || timeout_ns == 0)
		return st;
	REQUIRE_OF("flo_select", flo__g_current() != NULL,
		   "only a coroutine can wait");
	return wait_any(s, timeout_ns, context, ret_index, ret_peer);
}

flo_status flo_select(struct flo_select_case *cases, size_t n,
		      uint64_t timeout_ns, flo_context *context,
		      size_t *ret_index)
{
	struct select s; /* not cleared: it is large and mostly unused */
	struct flo__g *peer = NULL;
	size_t index = 0;
	flo_status st;

	REQUIRE_RULE(n <= CASES_MAX, "more than 64 cases");
	for (size_t i = 0; i < n; i++)
		if (cases[i].chan != NULL)
			REQUIRE_ALIVE(cases[i].chan, "channel");
	if (timeout_ns != 0)
		flo__sched_point();
	s.cases = cases;
	s.n = n;
	st = select_any(&s, timeout_ns, context, &index, &peer);
	REQUIRE_RULE(st != FLO_CLOSED || cases[index].send == NULL,
		     "it would send on a closed channel");
	if (peer != NULL)
		flo__ready(peer);
	if ((st == FLO_OK || st == FLO_CLOSED) && ret_index != NULL)
		*ret_index = index;
	return st;
}
