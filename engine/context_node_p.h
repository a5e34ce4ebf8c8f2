/* The inside of a context: for context.c, which has the notes, and its kin. */
#ifndef FLO_ENGINE_CONTEXT_NODE_P_H
#define FLO_ENGINE_CONTEXT_NODE_P_H

#include "engine/context_p.h"
#include "engine/sched/sched_p.h"
#include "engine/sync/chan_p.h"

#include <stdatomic.h>

struct flo_context {
	/* atomic: relaxed in ref, acq_rel in unref */
	_Atomic(uint32_t) refs;
	uint32_t alive; /* base/alive.h */
	uint32_t lock;
	/* atomic: written under the lock with release; acquire in status() */
	_Atomic(int) status;

	flo_runtime *rt;      /* constant */
	flo_context *parent;  /* constant; a reference, NULL at the root */
	uint64_t deadline_ns; /* constant */
	/* the creator's; then whoever ended it; then the last unref */
	bool has_timer;
	bool linked; /* by the parent's lock: in its child list */
	/* atomic: set under the parent's lock, cleared with release in leave(),
	 * acquire in destroy(): a pass is using it */
	atomic_bool busy;
	/* atomic: set under the lock with release, acquire: done_of() is made */
	atomic_bool has_done;

	const void *key;	      /* constant; NULL: holds no value */
	void *value;		      /* constant; owned if dispose is set */
	void (*dispose)(void *value); /* constant; may be NULL */

	flo_context *child_next, *child_prev; /* by the parent's lock */
	flo_context *children;		      /* by lock */

	struct flo__context_watch watches;  /* by lock: head of a ring */
	struct flo__context_watch *running; /* by lock: its fn is being run */

	const flo_context *origin; /* by status: whose cause this is */
	flo_context *next_ended;   /* whoever ended it; see the note */

	struct flo__timer timer;
	flo_error cause; /* by status; before that, a deadline's text */
};

/* Behind the context, as aligned as malloc's memory. */
#define FLO__CONTEXT_DONE_AT ((sizeof(struct flo_context) + 15) / 16 * 16)

static inline flo_chan *flo__context_done_of(flo_context *c)
{
	return (flo_chan *)((char *)c + FLO__CONTEXT_DONE_AT);
}

/* Make a node that nobody knows, of which one reference is the caller's. */
flo_context *flo__context_alloc(flo_runtime *rt, flo_context *parent);

/*
 * Put a new child where its parent's end will reach it, or has: then this ends
 * it, unless its deadline just did, and disarms it.
 */
void flo__context_link(flo_context *c);

#endif
