/*
 * The ring of a P: Go's. One producer, its owner; any number of consumers.
 *
 * A consumer reads the slot first and then moves head by compare-and-swap: if
 * the owner has used the slot again meanwhile, head has moved and the swap
 * fails (it would have to wrap 2^32 for that to go wrong). So stealing from a
 * P whose M is running, or stuck, needs nothing from that M.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"

static inline uint32_t slot(uint32_t i)
{
	return i & (FLO__RING_LEN - 1);
}

/* Take half of a full ring and @g to @spill. False: a thief was faster. */
static bool overflow(struct flo__p *p, struct flo__g *g, uint32_t head,
		     struct flo__gbatch *spill)
{
	for (uint32_t i = 0; i < FLO__RING_LEN / 2; i++)
		spill->at[i] = atomic_load_explicit(&p->ring[slot(head + i)],
						    memory_order_relaxed);
	if (!atomic_compare_exchange_strong_explicit(&p->head, &head,
						     head + FLO__RING_LEN / 2,
						     memory_order_acq_rel,
						     memory_order_relaxed))
		return false;
	spill->at[FLO__RING_LEN / 2] = g;
	spill->len = FLO__RING_LEN / 2 + 1;
	return true;
}

/*
 * Put @g at the tail. Owner only. Returns false if the ring was full: half of
 * it, and @g, are in @spill then, for the global queue.
 */
bool flo__runq_put(struct flo__p *p, struct flo__g *g,
		   struct flo__gbatch *spill)
{
	uint32_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
	uint32_t head;

	for (;;) {
		/* acquire: the consumers are done with the slots they left */
		head = atomic_load_explicit(&p->head, memory_order_acquire);
		INSIST(tail - head <= FLO__RING_LEN);
		if (tail - head < FLO__RING_LEN) {
			atomic_store_explicit(&p->ring[slot(tail)], g,
					      memory_order_relaxed);
			/* release: pairs with the acquire of every consumer */
			atomic_store_explicit(&p->tail, tail + 1,
					      memory_order_release);
			return true;
		}
		if (overflow(p, g, head, spill))
			return false;
	}
}

/* Take from the head. Owner only. */
struct flo__g *flo__runq_get(struct flo__p *p)
{
	uint32_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&p->head, memory_order_acquire);
	struct flo__g *g;

	do {
		if (head == tail)
			return NULL;
		g = atomic_load_explicit(&p->ring[slot(head)],
					 memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&p->head, &head,
							head + 1,
							memory_order_acq_rel,
							memory_order_acquire));
	/* A record that lay here for long has left the cache. */
	__builtin_prefetch(atomic_load_explicit(&p->ring[slot(head + 2)],
						memory_order_relaxed),
			   1);
	return g;
}

/* Take from the head, or if the ring is empty what would run next. Any thread. */
struct flo__g *flo__runq_take(struct flo__p *p)
{
	uint32_t head = atomic_load_explicit(&p->head, memory_order_acquire);
	struct flo__g *g;

	do {
		/* acquire: pairs with the release in flo__runq_put() */
		if (head ==
		    atomic_load_explicit(&p->tail, memory_order_acquire))
			return atomic_exchange_explicit(&p->runnext, NULL,
							memory_order_acquire);
		g = atomic_load_explicit(&p->ring[slot(head)],
					 memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&p->head, &head,
							head + 1,
							memory_order_acq_rel,
							memory_order_acquire));
	return g;
}

/* About how many G's @p has queued. Any thread. */
uint32_t flo__runq_len(const struct flo__p *p)
{
	uint32_t tail = atomic_load_explicit(&p->tail, memory_order_relaxed);
	uint32_t head = atomic_load_explicit(&p->head, memory_order_relaxed);
	uint32_t len = tail - head;

	if (len > FLO__RING_LEN)
		len = 0; /* they are not of one moment */
	return len + (atomic_load_explicit(&p->runnext, memory_order_relaxed) !=
		      NULL);
}

bool flo__runq_empty(const struct flo__p *p)
{
	uint32_t head, tail;
	struct flo__g *next;

	/* A G may move from runnext to the ring between two looks, so they
	 * count only if tail stood still. */
	for (;;) {
		head = atomic_load_explicit(&p->head, memory_order_acquire);
		tail = atomic_load_explicit(&p->tail, memory_order_acquire);
		next = atomic_load_explicit(&p->runnext, memory_order_acquire);
		if (tail ==
		    atomic_load_explicit(&p->tail, memory_order_acquire))
			return head == tail && next == NULL;
	}
}

/* Copy half of @victim's ring behind @tail of @thief's. How many were taken. */
static uint32_t grab(struct flo__p *thief, uint32_t at, struct flo__p *victim)
{
	uint32_t head, tail, n;
	struct flo__g *g;

	for (;;) {
		head = atomic_load_explicit(&victim->head,
					    memory_order_acquire);
		/* acquire: pairs with the release in flo__runq_put() */
		tail = atomic_load_explicit(&victim->tail,
					    memory_order_acquire);
		n = tail - head;
		n -= n / 2;
		if (n == 0)
			return 0;
		if (n > FLO__RING_LEN / 2)
			continue; /* head and tail are not of one moment */
		for (uint32_t i = 0; i < n; i++) {
			g = atomic_load_explicit(&victim->ring[slot(head + i)],
						 memory_order_relaxed);
			atomic_store_explicit(&thief->ring[slot(at + i)], g,
					      memory_order_relaxed);
		}
		if (atomic_compare_exchange_strong_explicit(
			    &victim->head, &head, head + n,
			    memory_order_acq_rel, memory_order_relaxed))
			return n;
	}
}

/*
 * Take half of @victim's ring into @thief's, and return one of them to run;
 * if the ring is empty and @take_next, what would run next there.
 * Requires: the caller owns @thief, whose ring is empty.
 */
struct flo__g *flo__runq_steal(struct flo__p *thief, struct flo__p *victim,
			       bool take_next)
{
	uint32_t tail =
		atomic_load_explicit(&thief->tail, memory_order_relaxed);
	uint32_t n = grab(thief, tail, victim);

	if (n == 0) {
		if (!take_next ||
		    atomic_load_explicit(&victim->runnext,
					 memory_order_relaxed) == NULL)
			return NULL;
		return atomic_exchange_explicit(&victim->runnext, NULL,
						memory_order_acquire);
	}
	INSIST(tail - atomic_load_explicit(&thief->head, memory_order_relaxed) +
		       n <=
	       FLO__RING_LEN);
	n--;
	if (n > 0)
		atomic_store_explicit(&thief->tail, tail + n,
				      memory_order_release);
	return atomic_load_explicit(&thief->ring[slot(tail + n)],
				    memory_order_relaxed);
}
