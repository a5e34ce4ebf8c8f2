/*
 * What chan.c and select.c share: a channel's inside, and parked operations.
 *
 * Note: who decides
 *
 * A parked operation (struct flo__op) stands in the queue of one channel, or
 * of several if it is a select, so no single lock can decide it. Its `state`
 * does, by one CAS: PARKED to WON by a peer or a close (which then moves the
 * value and readies it), or to CANCELED or TIMEDOUT by its context's watch or
 * its timer (which readies it). Who loses the CAS leaves the operation alone.
 *
 * An operation in one channel's queue, without a context and a timer, is not
 * contested: that channel's lock decides it, and the CAS is a plain store.
 *
 * The watch and the timer are armed before the operation is parked and take no
 * channel's lock. If one fires that early it finds PREPARING, and the park is
 * called off by its commit. The commit moves PREPARING to PARKED before it
 * releases the channels' locks, so a peer never sees PREPARING.
 *
 * A peer that wins takes its node off the queue; the other nodes stay until
 * the operation itself, resumed, takes them off. Until then peers skip them,
 * since the CAS fails. Before it returns the operation has gone through the
 * lock of every channel it stood in, and has waited for watch and timer, so
 * nobody touches its stack later.
 *
 * Lock order: channels by address, then a context's (watch_add). Only a
 * channel is locked when another channel is.
 */
#ifndef FLO_ENGINE_SYNC_CHAN_P_H
#define FLO_ENGINE_SYNC_CHAN_P_H

#include <flo/chan.h>

#include "base/contract.h"
#include "engine/context_p.h"
#include "engine/sched/sched_p.h"
#include "engine/sync/spin_p.h"

#include <stdatomic.h>
#include <stdbool.h>

enum flo__op_state {
	FLO__OP_PREPARING, /* owner: the coroutine */
	FLO__OP_PARKED,	   /* owner: nobody; decided by CAS */
	FLO__OP_WON,	   /* owner: the peer, until it readies */
	FLO__OP_CANCELED,  /* owner: the watch, until it readies */
	FLO__OP_TIMEDOUT,  /* owner: the timer, until it readies */
};

/* A parked operation; lives on its coroutine's stack. */
struct flo__op {
	struct flo__g *g; /* constant */
	/* atomic: acq_rel CAS, see the note */
	_Atomic(uint32_t) state;
	struct flo__op_node *won; /* by WON: which node met its peer */
	bool closed;		  /* by WON: the channel was closed instead */
	bool contested;		  /* constant: others than one channel decide */
	flo_context *context;	  /* constant; NULL: not cancellable */
	struct flo__context_watch watch;
	struct flo__timer timer;
	bool has_timer; /* the coroutine only */
};

/* Its place in one channel's queue. */
struct flo__op_node {
	struct flo__op_node *next, *prev; /* by the channel's lock */
	struct flo__op *op;		  /* constant */
	void *value; /* constant: read by a receiver, written by a sender */
	bool linked; /* by the channel's lock */
};

struct flo__op_queue {
	struct flo__op_node *head, *tail;
};

struct flo_chan {
	uint32_t lock;
	uint32_t alive;	 /* base/alive.h */
	bool closed;	 /* by lock */
	bool lent;	 /* constant: a context's, which closes it */
	size_t size;	 /* constant: of a value, bytes */
	size_t capacity; /* constant: values */
	size_t len;	 /* by lock: values buffered */
	size_t first;	 /* by lock: where the oldest lies */
	struct flo__op_queue senders, receivers; /* by lock */
	_Alignas(16) unsigned char buffer[];	 /* by lock: a ring */
};

/* Make a channel in memory of the caller's, which has room for the buffer. */
void flo__chan_init(flo_chan *chan, size_t size, size_t capacity);

/* Close, unless it is closed: false then. Any thread, no lock held. */
bool flo__chan_close(flo_chan *chan);

/* Whether anybody stands in one of its queues. */
bool flo__chan_is_waited_for(flo_chan *chan);

/*
 * Do an operation that needs not wait. Under the channel's lock. *@ret_peer is
 * whom to ready, after the lock is released, or NULL.
 * Returns FLO_OK, FLO_AGAIN if it would have to wait, or FLO_CLOSED.
 */
flo_status flo__chan_send_now(flo_chan *chan, const void *value,
			      struct flo__g **ret_peer);
flo_status flo__chan_recv_now(flo_chan *chan, void *ret_value,
			      struct flo__g **ret_peer);

/* Whether it would not return FLO_AGAIN just now. Under the lock. */
bool flo__chan_can_send(flo_chan *chan);
bool flo__chan_can_recv(flo_chan *chan);

/* Queue and unqueue a node. Under the channel's lock. */
static inline void flo__op_link(struct flo__op_queue *q,
				struct flo__op_node *node)
{
	INSIST(!node->linked);
	node->next = NULL;
	node->prev = q->tail;
	*(q->tail != NULL ? &q->tail->next : &q->head) = node;
	q->tail = node;
	node->linked = true;
}

static inline void flo__op_unlink(struct flo__op_queue *q,
				  struct flo__op_node *node)
{
	if (!node->linked)
		return;
	*(node->prev != NULL ? &node->prev->next : &q->head) = node->next;
	*(node->next != NULL ? &node->next->prev : &q->tail) = node->prev;
	node->linked = false;
}

/*
 * Set @op up for the calling coroutine @g, to stand in the queues of one
 * channel or of several (@many), and arm its watch and, if @when_ns is
 * not UINT64_MAX, its timer. Returns the context's status if it has ended
 * (nothing is armed then), or what arming the timer failed with.
 */
flo_status flo__op_begin(struct flo__op *op, struct flo__g *g, bool many,
			 flo_context *context, uint64_t when_ns);

/* The same for one channel and nothing else that could end it. */
static inline void flo__op_begin_plain(struct flo__op *op, struct flo__g *g)
{
	atomic_init(&op->state, FLO__OP_PREPARING);
	op->g = g;
	op->won = NULL;
	op->closed = false;
	op->contested = false;
}

/* In the commit, under the locks: PREPARING to PARKED; false calls it off. */
bool flo__op_commit(struct flo__op *op);

/* Disarm. No lock held, and every node is unlinked. */
void flo__op_end(struct flo__op *op);

/* Say how @op ended: FLO_OK, FLO_CLOSED, FLO_TIMEOUT, the context's status. */
flo_status flo__op_outcome(struct flo__op *op);

#endif
