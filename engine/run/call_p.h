/*
 * What a flo_step_call is: one attempt as native code sees it, the same in the
 * engine's process (attempt.c fills it) and in a worker's (worker_serve.c).
 */
#ifndef FLO_ENGINE_RUN_CALL_P_H
#define FLO_ENGINE_RUN_CALL_P_H

#include <flo/step.h>

#include "engine/executor.h"

/* What differs between the two. */
struct flo__call_ops {
	/* Append what is said on @stream (1 or 2) to the attempt's log. */
	flo_status (*write)(struct flo_step_call *call, int stream,
			    const char *bytes, size_t len, flo_error *err);
	/* Make call->env, which the implementation owns. */
	flo_status (*furnish)(struct flo_step_call *call, flo_error *err);
};

/* All borrowed. Owned by the coroutine of the attempt, and constant while
 * native code runs, except env. */
struct flo_step_call {
	const struct flo__call_ops *ops;
	flo_context *context;
	const char *dir; /* absolute */
	const char *run_id;
	const char *trace_id;
	const char *path;
	const char *key;
	unsigned attempt;
	void *user;
	/* Of its commands: */
	struct flo__executor *executor;
	const char *const *env; /* NULL until the first one */
	int stop_signal;
	uint64_t grace_ns;
};

#endif
