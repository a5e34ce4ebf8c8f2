/**
 * Channels: typed queues between coroutines, unbuffered or bounded.
 *
 * Values are @size bytes, copied; a value that meets a waiting receiver goes
 * straight to it. Senders and receivers are served in the order in which they
 * came. Semantics: Go's channels. Sending on a closed channel is a broken
 * contract; receiving from one gives what is buffered, then FLO_CLOSED.
 *
 * NULL is the channel on which nobody ever comes: a send or a receive waits
 * for ever, or until its context ends; a try gives FLO_AGAIN; a case of a
 * select is never ready, so that a case is switched off by setting its channel
 * to NULL. A deadlock report says "no channel" of such a wait.
 *
 * Threads: coroutines of one runtime, unless a function says "any thread". The
 * deadlock detector does not count threads that may still come to a channel;
 * who waits for one of those should wait for a note (flo/sync.h).
 */
#ifndef FLO_CHAN_H
#define FLO_CHAN_H

#include <flo/context.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A channel: made by flo_chan_new(), owned by whoever is to free it. */
typedef struct flo_chan flo_chan;

/**
 * Make a channel of @capacity values of @size bytes each. Both may be 0; of a
 * value without a size only the coming counts, and the pointers to it may be
 * NULL, except in a select. It belongs to no runtime until it is used.
 *
 * Returns FLO_OK and a channel the caller frees, or FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_chan_new(size_t size, size_t capacity,
				   flo_chan **ret_chan);

/**
 * Free @chan and the values in its buffer. NULL is allowed. Any thread.
 *
 * Requires: nobody waits for it, or uses it later (debug builds say so, as
 * long as the memory is not used for something else).
 */
FLO_EXTERN void flo_chan_free(flo_chan *chan);

/**
 * Say how many values @chan holds that nobody has received; 0 for NULL. It may
 * be different by the time the caller looks. Any thread.
 */
FLO_EXTERN size_t flo_chan_len(flo_chan *chan);

/** Say how many values @chan can hold; 0 for NULL. Any thread. */
FLO_EXTERN size_t flo_chan_cap(flo_chan *chan);

/**
 * Send a copy of *@value, parking while the channel is full, or, if it has no
 * buffer, until a receiver comes. @value is borrowed until this returns.
 *
 * Requires: @chan is not closed, nor closed while this waits; called in a
 * coroutine if it has to wait.
 * Returns FLO_OK, or the status of @context (may be NULL), also if that had
 * ended before; nothing was sent then.
 */
FLO_EXTERN flo_status flo_chan_send(flo_chan *chan, const void *value,
				    flo_context *context);

/**
 * Receive into *@ret_value, parking while the channel is empty.
 *
 * Requires: called in a coroutine if it has to wait.
 * Returns FLO_OK; FLO_CLOSED when it is closed and drained, or the status of
 * @context (may be NULL), also if that had ended before; *@ret_value is left
 * alone then.
 */
FLO_EXTERN flo_status flo_chan_recv(flo_chan *chan, void *ret_value,
				    flo_context *context);

/**
 * Send as flo_chan_send() does, but only if that needs no waiting. Any thread;
 * never blocks.
 *
 * Requires: @chan is not closed.
 * Returns FLO_OK; or FLO_AGAIN, and then nothing was sent.
 */
FLO_EXTERN flo_status flo_chan_try_send(flo_chan *chan, const void *value);

/**
 * Receive as flo_chan_recv() does, but only if that needs no waiting. Any
 * thread; never blocks.
 *
 * Returns FLO_OK; FLO_CLOSED when it is closed and drained; FLO_AGAIN if there
 * is nothing to receive now. *@ret_value is left alone but for FLO_OK.
 */
FLO_EXTERN flo_status flo_chan_try_recv(flo_chan *chan, void *ret_value);

/**
 * Close @chan: no more will be sent. Wakes everyone who waits; to a sender that
 * is a broken contract. What is in the buffer can still be received. Any
 * thread; never blocks.
 *
 * Requires: @chan is not NULL and not closed, nor that of flo_context_done().
 */
FLO_EXTERN void flo_chan_close(flo_chan *chan);

/** One case of a select: one of the two directions. */
struct flo_select_case {
	flo_chan *chan; /* NULL: never ready */
	/* Not NULL: send a copy of this value; borrowed until flo_select()
	 * returns. Of a value without a size any address will do. */
	const void *send;
	/* Where to receive to, if `send` is NULL; written only if this case is
	 * the one. May be NULL if the values have no size. */
	void *recv;
};

/**
 * Wait until one of @n (at most 64) cases can go on, and do it.
 *
 * Among several that can, one is chosen at random, each as likely; the seed of
 * the runtime's shuffle decides how, so that a test can repeat it. @timeout_ns:
 * 0 does not wait (Go's default clause), UINT64_MAX waits for ever, else so
 * many nanoseconds. Without cases that can ever be ready it waits for the time
 * or the context. @cases is borrowed until this returns and not changed; a
 * channel may stand in several cases. Semantics: Go's select statement.
 *
 * Requires: @n is at most 64; no case sends on a closed channel, or one that
 * is closed while this waits; called in a coroutine if it has to wait.
 * Returns FLO_OK, or FLO_CLOSED (a receive from a closed channel), with the
 * case's index in *@ret_index (may be NULL); FLO_AGAIN if @timeout_ns is 0 and
 * none could; FLO_TIMEOUT after that time; the status of @context (may be
 * NULL), also if that had ended before and a case could go on; FLO_NOMEM if the
 * timer could not be had. Unless it is one of the first two, nothing was sent
 * or received and *@ret_index is left alone.
 */
FLO_EXTERN flo_status flo_select(struct flo_select_case *cases, size_t n,
				 uint64_t timeout_ns, flo_context *context,
				 size_t *ret_index);

#ifdef __cplusplus
}
#endif
#endif
