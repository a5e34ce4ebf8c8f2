/**
 * Channels: typed queues between coroutines, unbuffered or bounded.
 *
 * Values are @size bytes, copied; a value that meets a waiting receiver goes
 * straight to it. Semantics: Go's channels. Sending on a closed channel is a
 * broken contract; receiving from one gives what is buffered, then FLO_CLOSED.
 *
 * Threads: coroutines of one runtime.
 */
#ifndef FLO_CHAN_H
#define FLO_CHAN_H

#include <flo/context.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct flo_chan flo_chan;

/**
 * Make a channel of @capacity values of @size bytes each (both may be 0; of a
 * value without a size only the coming counts, and @ret_value may be NULL).
 * Returns FLO_OK and a channel the caller frees, or FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_chan_new(size_t size, size_t capacity,
				   flo_chan **ret_chan);
/** Free, buffered values too. NULL is allowed. Requires: nobody uses it. */
FLO_EXTERN void flo_chan_free(flo_chan *chan);

/**
 * Send a copy of *@value, parking while the channel is full.
 * Returns FLO_OK or the status of @context (may be NULL), nothing sent then.
 */
FLO_EXTERN flo_status flo_chan_send(flo_chan *chan, const void *value,
				    flo_context *context);
/**
 * Receive into *@ret_value, parking while the channel is empty.
 * Returns FLO_OK; FLO_CLOSED when it is closed and drained, or the status of
 * @context (may be NULL), and leaves *@ret_value alone then.
 */
FLO_EXTERN flo_status flo_chan_recv(flo_chan *chan, void *ret_value,
				    flo_context *context);
/** As flo_chan_send(), but FLO_AGAIN instead of parking. Any thread. */
FLO_EXTERN flo_status flo_chan_try_send(flo_chan *chan, const void *value);
/** As flo_chan_recv(), but FLO_AGAIN instead of parking. Any thread. */
FLO_EXTERN flo_status flo_chan_try_recv(flo_chan *chan, void *ret_value);
/**
 * Close: no more will be sent. Wakes everyone; to a sender that waits it is a
 * broken contract. Any thread. Requires: not closed before.
 */
FLO_EXTERN void flo_chan_close(flo_chan *chan);

/** One case of a select: one of the two directions. */
struct flo_select_case {
	flo_chan *chan;	  /* NULL: never ready */
	const void *send; /* not NULL: send this value */
	void *recv;	  /* where to receive to, if send is NULL */
};

/**
 * Wait until one of @n (at most 64) cases can go on and do it; among several
 * that can, one is chosen at random. @timeout_ns: 0 does not wait
 * (FLO_AGAIN), UINT64_MAX waits for ever, else FLO_TIMEOUT.
 * Returns FLO_OK or FLO_CLOSED (a receive on a closed channel) with the case's
 * index in *@ret_index; or @context's status.
 */
FLO_EXTERN flo_status flo_select(struct flo_select_case *cases, size_t n,
				 uint64_t timeout_ns, flo_context *context,
				 size_t *ret_index);

#ifdef __cplusplus
}
#endif
#endif
