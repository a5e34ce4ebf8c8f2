/* Who waits where: tests look at it instead of guessing when one has parked. */
#ifndef FLO_TESTS_UNIT_WAITING_H
#define FLO_TESTS_UNIT_WAITING_H

#include "engine/sync/chan_p.h"
#include "engine/sync/waitq_p.h"

static inline uint32_t waiting_in(struct flo__waitq *q)
{
	uint32_t len;

	flo__spin_lock(&q->lock);
	len = q->len;
	flo__spin_unlock(&q->lock);
	return len;
}

static inline unsigned waiting_ops(flo_chan *chan, struct flo__op_queue *q)
{
	unsigned len = 0;

	flo__spin_lock(&chan->lock);
	for (struct flo__op_node *n = q->head; n != NULL; n = n->next)
		len++;
	flo__spin_unlock(&chan->lock);
	return len;
}

#define SENDERS(chan)	waiting_ops((chan), &(chan)->senders)
#define RECEIVERS(chan) waiting_ops((chan), &(chan)->receivers)

#endif
