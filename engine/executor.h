/*
 * Where programs run: a struct of functions, so that a cluster's scheduler can
 * stand in for this machine. engine/proc implements `local` with minders.
 *
 * run() parks its coroutine from submission to the end, which is what a step
 * is; an executor that talks to a cluster batches its submissions and polls
 * behind it.
 */
#ifndef FLO_ENGINE_EXECUTOR_H
#define FLO_ENGINE_EXECUTOR_H

#include <flo/context.h>
#include <flo/error.h>

#include <stddef.h>
#include <stdint.h>

/* Gets what the program writes, in the coroutine that called run(). */
struct flo__exec_sink {
	/*
	 * @stream: 1 stdout, 2 stderr. Anything but FLO_OK stops the program
	 * (as a cancellation does) and becomes run()'s result.
	 */
	flo_status (*write)(struct flo__exec_sink *sink, int stream,
			    const char *bytes, size_t len, flo_error *err);
};

struct flo__exec_request {
	const char *id; /* the attempt's identity, recorded before submission */
	const char *const *argv; /* NULL-terminated, at least one */
	const char *const *env;	 /* NULL-terminated, complete */
	const char *dir;	 /* absolute */
	const char *input;	 /* its whole standard input */
	size_t input_len;
	int input_fd;	   /* > 0: its standard input itself, not @input */
	int stdout_fd;	   /* >= 0: the program's stdout itself; -1: the sink */
	int stop_signal;   /* first, to the whole tree */
	uint64_t grace_ns; /* then SIGKILL after this long; 0: SIGKILL first */
	struct flo__exec_sink *sink;
};

struct flo__exec_result {
	int32_t pid;
	int32_t exit_code; /* -1 if it was ended by a signal */
	int32_t signal;	   /* 0 if it exited */
	uint64_t cpu_us;   /* user and system, the whole tree */
	uint64_t max_rss_kib;
};

struct flo__executor;

struct flo__executor_ops {
	/*
	 * Run a program to its end and until nothing of its tree is alive.
	 *
	 * FLO_OK: it ended by itself; the result says how. FLO_SPAWN: it never
	 * ran (@err names program, directory and reason). FLO_CANCELED or
	 * FLO_TIMEOUT: @context ended first and the tree has been ended; the
	 * result says how the program itself went. FLO_SIGNAL: what watches
	 * over the program was killed, and the program with it; @err says so,
	 * and whether it is certain that nothing of it is alive. A sink's own
	 * status. FLO_LIMIT, FLO_NOMEM, FLO_SYSTEM: our own trouble; nothing
	 * is left alive, or @err says what may be.
	 *
	 * *@ret_result is set in every case but FLO_SPAWN.
	 */
	flo_status (*run)(struct flo__executor *executor,
			  const struct flo__exec_request *request,
			  flo_context *context, flo_error *err,
			  struct flo__exec_result *ret_result);
	/* End every program now with SIGKILL; running run()s return. */
	void (*kill_all)(struct flo__executor *executor);
	/*
	 * An engine has died that ran programs with all of @env's FLOW_
	 * variables: end what is left of them, as far as it can be recognised,
	 * and wait for its end. May be NULL: what is left cannot be seen.
	 */
	void (*end_left)(struct flo__executor *executor,
			 const char *const *env);
	/* Free. Requires: no run() is under way. */
	void (*free)(struct flo__executor *executor);
};

struct flo__executor {
	const struct flo__executor_ops *ops;
};

#endif
