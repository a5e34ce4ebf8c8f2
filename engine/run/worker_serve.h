/* A worker process' one attempt: the other side of worker_p.h. */
#ifndef FLO_ENGINE_RUN_WORKER_SERVE_H
#define FLO_ENGINE_RUN_WORKER_SERVE_H

#include <flo/context.h>

#include "engine/plan.h"

/* The exit code of a worker that could not even say what is wrong. */
#define FLO__WORKER_MUTE 125

/* All borrowed. */
struct flo__worker {
	const struct flo__registry *registry;
	flo_context *context; /* ends when the worker is asked to stop */
	int channel;	      /* with the request in it */
	const char *const *env;
};

/*
 * Read the request, run what it asks for, and write the reply. Called in a
 * coroutine, with a stack as native steps have it.
 *
 * Returns false if a reply could not be written. Nothing of ours is left, but
 * what the step left.
 */
bool flo__worker_serve(const struct flo__worker *worker);

/*
 * Write a refusal instead, for reasons that came before; for any thread.
 * Returns false if that could not be written.
 */
bool flo__worker_refuse(int channel, flo_status status, const char *text);

#endif
