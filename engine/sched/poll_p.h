/*
 * Waiting for file descriptors from a coroutine.
 *
 * The poller is one libuv loop driven by whichever M has nothing to run; this
 * is all the rest of the engine sees of it.
 */
#ifndef FLO_ENGINE_SCHED_POLL_P_H
#define FLO_ENGINE_SCHED_POLL_P_H

#include <flo/context.h>

#include <stdint.h>

enum flo__poll_events {
	FLO__POLL_READ = 1,  /* readable, end of file or error */
	FLO__POLL_WRITE = 2, /* writable or error */
};

struct flo__pollfd {
	int fd;		  /* non-blocking; < 0: ignored */
	unsigned events;  /* flo__poll_events asked for */
	unsigned revents; /* out: those that came */
};

#define FLO__POLL_FDS_MAX 8

/*
 * Park until one of @n (at most FLO__POLL_FDS_MAX) descriptors is ready, until
 * flo_now() reaches @deadline_ns (UINT64_MAX: none), or until @context (may be
 * NULL) ends. Level-triggered: what is ready stays so until it is consumed.
 *
 * Requires: called in a coroutine; no other coroutine polls the same fd.
 * Returns FLO_OK with at least one revents set; FLO_TIMEOUT at the deadline;
 * the context's FLO_CANCELED or FLO_TIMEOUT (tell them apart by
 * flo_context_status()); FLO_NOMEM; FLO_SYSTEM for a descriptor that cannot be
 * polled (a regular file: those never block). The descriptors are no longer
 * watched on return, so the caller may close them.
 */
flo_status flo__poll(struct flo__pollfd *fds, unsigned n, uint64_t deadline_ns,
		     flo_context *context);

#endif
