#include "engine/sync/chan_p.h"

#include "base/alive.h"
#include "base/alloc.h"
#include "base/contract.h"

#include <string.h>

void flo__chan_init(flo_chan *chan, size_t size, size_t capacity)
{
	*chan = (flo_chan){.size = size, .capacity = capacity};
	flo__alive_begin(&chan->alive);
}

flo_status flo_chan_new(size_t size, size_t capacity, flo_chan **ret_chan)
{
	flo_chan *chan;
	size_t bytes;

	if (__builtin_mul_overflow(size, capacity, &bytes) ||
	    __builtin_add_overflow(bytes, sizeof(*chan), &bytes))
		return FLO_NOMEM;
	chan = flo__malloc(bytes);
	if (chan == NULL)
		return FLO_NOMEM;
	flo__chan_init(chan, size, capacity);
	*ret_chan = chan;
	return FLO_OK;
}

bool flo__chan_is_waited_for(flo_chan *chan)
{
	bool waited_for;

	flo__spin_lock(&chan->lock);
	waited_for = chan->senders.head != NULL || chan->receivers.head != NULL;
	flo__spin_unlock(&chan->lock);
	return waited_for;
}

void flo_chan_free(flo_chan *chan)
{
	if (chan == NULL)
		return;
	REQUIRE_ALIVE(chan, "channel");
	REQUIRE_RULE(!chan->lent, "the channel is a context's");
	REQUIRE_RULE(!flo__chan_is_waited_for(chan),
		     "somebody waits for the channel");
	flo__alive_end(&chan->alive);
	flo__alive_free(chan, sizeof(*chan) + chan->size * chan->capacity);
}

size_t flo_chan_len(flo_chan *chan)
{
	size_t len;

	if (chan == NULL)
		return 0;
	REQUIRE_ALIVE(chan, "channel");
	flo__spin_lock(&chan->lock);
	len = chan->len;
	flo__spin_unlock(&chan->lock);
	return len;
}

size_t flo_chan_cap(flo_chan *chan)
{
	if (chan == NULL)
		return 0;
	REQUIRE_ALIVE(chan, "channel");
	return chan->capacity;
}

/* The calls with constant sizes become single moves. */
static void copy(void *to, const void *from, size_t size)
{
	if (size == 8)
		memcpy(to, from, 8);
	else if (size == 4)
		memcpy(to, from, 4);
	else if (size != 0)
		memcpy(to, from, size);
}

static unsigned char *slot(flo_chan *chan, size_t i)
{
	size_t at = chan->first + i;

	INSIST(i < chan->capacity);
	if (at >= chan->capacity)
		at -= chan->capacity;
	return chan->buffer + at * chan->size;
}

/* Become the one who decides @op. */
static bool win(struct flo__op *op)
{
	uint32_t s = FLO__OP_PARKED;

	if (!op->contested) {
		INSIST(atomic_load_explicit(&op->state, memory_order_relaxed) ==
		       FLO__OP_PARKED);
		atomic_store_explicit(&op->state, FLO__OP_WON,
				      memory_order_relaxed);
		return true;
	}
	/* acq_rel: pairs with interrupt() in op.c */
	return atomic_compare_exchange_strong_explicit(&op->state, &s,
						       FLO__OP_WON,
						       memory_order_acq_rel,
						       memory_order_relaxed);
}

/* Take off and win the longest waiting operation; NULL if there is none. */
static struct flo__op_node *meet(struct flo__op_queue *q)
{
	struct flo__op_node *node;

	while ((node = q->head) != NULL) {
		flo__op_unlink(q, node);
		if (win(node->op)) {
			node->op->won = node;
			return node;
		}
	}
	return NULL;
}

/* Whether somebody waits in @q: drops those that were decided elsewhere. */
static bool has_waiter(struct flo__op_queue *q)
{
	struct flo__op_node *node;

	while ((node = q->head) != NULL) {
		/* relaxed: a hint, win() decides */
		if (atomic_load_explicit(&node->op->state,
					 memory_order_relaxed) ==
		    FLO__OP_PARKED)
			return true;
		flo__op_unlink(q, node);
	}
	return false;
}

bool flo__chan_can_send(flo_chan *chan)
{
	return chan->closed || chan->len < chan->capacity ||
	       has_waiter(&chan->receivers);
}

bool flo__chan_can_recv(flo_chan *chan)
{
	return chan->closed || chan->len > 0 || has_waiter(&chan->senders);
}

flo_status flo__chan_send_now(flo_chan *chan, const void *value,
			      struct flo__g **ret_peer)
{
	struct flo__op_node *receiver;

	*ret_peer = NULL;
	if (chan->closed)
		return FLO_CLOSED;
	receiver = meet(&chan->receivers);
	if (receiver != NULL) {
		INSIST(chan->len == 0);
		copy(receiver->value, value, chan->size);
		*ret_peer = receiver->op->g;
		return FLO_OK;
	}
	if (chan->len == chan->capacity)
		return FLO_AGAIN;
	copy(slot(chan, chan->len), value, chan->size);
	chan->len++;
	return FLO_OK;
}

/* Take the oldest value out of the buffer. */
static void take_first(flo_chan *chan, void *ret_value)
{
	INSIST(chan->len > 0);
	copy(ret_value, slot(chan, 0), chan->size);
	chan->first++;
	if (chan->first == chan->capacity)
		chan->first = 0;
	chan->len--;
}

flo_status flo__chan_recv_now(flo_chan *chan, void *ret_value,
			      struct flo__g **ret_peer)
{
	struct flo__op_node *sender;

	*ret_peer = NULL;
	/* Senders wait only at a full buffer, which may have no room at all. */
	sender = chan->senders.head != NULL ? meet(&chan->senders) : NULL;
	if (sender != NULL) {
		INSIST(chan->len == chan->capacity && !chan->closed);
		*ret_peer = sender->op->g;
	}
	if (chan->len > 0) {
		take_first(chan, ret_value);
		if (sender != NULL) {
			copy(slot(chan, chan->len), sender->value, chan->size);
			chan->len++;
		}
		return FLO_OK;
	}
	if (sender != NULL) {
		copy(ret_value, sender->value, chan->size);
		return FLO_OK;
	}
	return chan->closed ? FLO_CLOSED : FLO_AGAIN;
}

struct one {
	struct flo__op op;
	struct flo__op_node node;
	flo_chan *chan;
};

static bool commit_one(struct flo__g *g, void *arg)
{
	struct one *one = arg;
	flo_chan *chan = one->chan;
	bool parked = flo__op_commit(&one->op);

	(void)g;
	/* @one may be gone once the lock is free. */
	flo__spin_unlock(&chan->lock);
	return parked;
}

/* Park until a peer comes. The lock is held and is released. */
static flo_status wait_one(flo_chan *chan, struct flo__op_queue *q, void *value,
			   flo_context *context, const char *function,
			   const char *why)
{
	struct one one; /* not cleared: mostly unused */
	struct flo__g *g = flo__g_current();
	flo_status st = FLO_INVALID;

	one.chan = chan;
	one.node.op = &one.op;
	one.node.value = value;
	one.node.linked = false;
	if (g != NULL && context == NULL) {
		flo__op_begin_plain(&one.op, g);
		flo__op_link(q, &one.node);
		flo__park(commit_one, &one, why, false);
		INSIST(one.op.won == &one.node);
		return one.op.closed ? FLO_CLOSED : FLO_OK;
	}
	if (g != NULL)
		st = flo__op_begin(&one.op, g, false, context, UINT64_MAX);
	if (st != FLO_OK) {
		flo__spin_unlock(&chan->lock);
		REQUIRE_OF(function, st != FLO_INVALID,
			   "only a coroutine can wait");
		return st;
	}
	flo__op_link(q, &one.node);
	flo__park(commit_one, &one, why, false);
	if (one.op.won == NULL) {
		flo__spin_lock(&chan->lock);
		flo__op_unlink(q, &one.node);
		flo__spin_unlock(&chan->lock);
	}
	flo__op_end(&one.op);
	return flo__op_outcome(&one.op);
}

static bool commit_nowhere(struct flo__g *g, void *arg)
{
	(void)g;
	return flo__op_commit(arg);
}

/* No channel: nobody will ever come. Only @context can end that. */
static flo_status wait_in_vain(flo_context *context, const char *function,
			       const char *why)
{
	struct flo__g *g = flo__g_current();
	struct flo__op op;
	flo_status st;

	REQUIRE_OF(function, g != NULL, "only a coroutine can wait");
	st = flo__op_begin(&op, g, true, context, UINT64_MAX);
	if (st != FLO_OK)
		return st;
	flo__park(commit_nowhere, &op, why, false);
	flo__op_end(&op);
	return flo__op_outcome(&op);
}

/* Where an operation begins: the context's end comes first. */
static flo_status check(const flo_context *context)
{
	flo__sched_point();
	return context != NULL ? flo_context_status(context) : FLO_OK;
}

flo_status flo_chan_send(flo_chan *chan, const void *value,
			 flo_context *context)
{
	struct flo__g *peer;
	flo_status st = check(context);

	if (st != FLO_OK)
		return st;
	if (chan == NULL)
		return wait_in_vain(context, __func__,
				    "chan send (no channel)");
	REQUIRE_ALIVE(chan, "channel");
	flo__spin_lock(&chan->lock);
	st = flo__chan_send_now(chan, value, &peer);
	if (st == FLO_AGAIN)
		st = wait_one(chan, &chan->senders, (void *)(uintptr_t)value,
			      context, __func__, "chan send");
	else
		flo__spin_unlock(&chan->lock);
	REQUIRE_RULE(st != FLO_CLOSED, "the channel is closed");
	if (peer != NULL)
		flo__ready(peer);
	return st;
}

flo_status flo_chan_recv(flo_chan *chan, void *ret_value, flo_context *context)
{
	struct flo__g *peer;
	flo_status st = check(context);

	if (st != FLO_OK)
		return st;
	if (chan == NULL)
		return wait_in_vain(context, __func__,
				    "chan receive (no channel)");
	REQUIRE_ALIVE(chan, "channel");
	flo__spin_lock(&chan->lock);
	st = flo__chan_recv_now(chan, ret_value, &peer);
	if (st == FLO_AGAIN)
		return wait_one(chan, &chan->receivers, ret_value, context,
				__func__, "chan receive");
	flo__spin_unlock(&chan->lock);
	if (peer != NULL)
		flo__ready(peer);
	return st;
}

flo_status flo_chan_try_send(flo_chan *chan, const void *value)
{
	struct flo__g *peer;
	flo_status st;

	if (chan == NULL)
		return FLO_AGAIN;
	REQUIRE_ALIVE(chan, "channel");
	flo__spin_lock(&chan->lock);
	st = flo__chan_send_now(chan, value, &peer);
	flo__spin_unlock(&chan->lock);
	REQUIRE_RULE(st != FLO_CLOSED, "the channel is closed");
	if (peer != NULL)
		flo__ready(peer);
	return st;
}

flo_status flo_chan_try_recv(flo_chan *chan, void *ret_value)
{
	struct flo__g *peer;
	flo_status st;

	if (chan == NULL)
		return FLO_AGAIN;
	REQUIRE_ALIVE(chan, "channel");
	flo__spin_lock(&chan->lock);
	st = flo__chan_recv_now(chan, ret_value, &peer);
	flo__spin_unlock(&chan->lock);
	if (peer != NULL)
		flo__ready(peer);
	return st;
}

/* Win everyone in @q for the close; they go on at *@tail, a list. */
static struct flo__op_node **dismiss(struct flo__op_queue *q,
				     struct flo__op_node **tail)
{
	struct flo__op_node *node;

	while ((node = meet(q)) != NULL) {
		node->op->closed = true;
		node->next = NULL;
		*tail = node;
		tail = &node->next;
	}
	return tail;
}

bool flo__chan_close(flo_chan *chan)
{
	struct flo__op_node *list = NULL, *next, **tail;
	bool was_closed;

	flo__spin_lock(&chan->lock);
	was_closed = chan->closed;
	chan->closed = true;
	tail = dismiss(&chan->receivers, &list);
	dismiss(&chan->senders, tail);
	flo__spin_unlock(&chan->lock);
	for (; list != NULL; list = next) {
		/* A node is its coroutine's again once that is ready. */
		next = list->next;
		flo__ready(list->op->g);
	}
	return !was_closed;
}

void flo_chan_close(flo_chan *chan)
{
	bool was_open;

	REQUIRE_RULE(chan != NULL, "there is no channel");
	REQUIRE_ALIVE(chan, "channel");
	REQUIRE_RULE(!chan->lent, "the channel is a context's");
	was_open = flo__chan_close(chan);
	REQUIRE_RULE(was_open, "the channel is closed already");
}
