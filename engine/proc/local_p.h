/*
 * The local executor's parts: its pool of minders (minders.c), one run
 * (local_run.c) and its request (local_request.c), the words for what did not
 * start (local_error.c).
 */
#ifndef FLO_ENGINE_PROC_LOCAL_P_H
#define FLO_ENGINE_PROC_LOCAL_P_H

#include "engine/executor.h"
#include "engine/proc/cgroup.h"
#include "engine/proc/minder_p.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#define FLO__MINDER_BUF 65536

/*
 * The engine's end of one minder process.
 *
 * Idle ones belong to the pool; a busy one to the run that took it, except
 * that kill_all() may shut its socket down (never close it).
 */
struct flo__minder {
	struct flo__minder *next, *prev; /* by lock: of the list it is in */
	pid_t pid;
	int sock;	 /* non-blocking */
	unsigned cgroup; /* of what it runs; 0: there is none */
	bool fresh;	 /* has not run anything yet */
	bool spent;	 /* its run has shut it down */
	bool killed;	 /* by lock: kill_all() has shut it down */
	struct flo__minder_reply reply;	   /* the last one, whole */
	struct flo__minder_reply incoming; /* the next, so far */
	size_t got;			   /* bytes of it */
	char buf[FLO__MINDER_BUF];	   /* the request, then output read */
};

struct flo__minder_list {
	struct flo__minder *head;
};

struct flo__local {
	struct flo__executor executor;
	char *path;	      /* of flo-minder; owned; NULL: it was not found */
	pthread_mutex_t lock; /* held for a few instructions only */
	struct flo__minder_list idle,
		busy; /* by lock; idle: last in first out */
	/* Held while cgroups are made, which blocks. Never with the other. */
	pthread_mutex_t cgroup_lock;
	bool cgroup_tried; /* by cgroup_lock */
	/* Opened by cgroup_lock, with the first minder. Its numbers are given
	 * out by that lock; its name is read by who has been given one. */
	struct flo__cgroup cgroup;
};

/* Take an idle minder, the last one used, or start one. */
flo_status flo__minders_take(struct flo__local *local, flo_error *err,
			     struct flo__minder **ret_minder);

/* Give a minder back whose step is gone, if it had one. */
void flo__minders_give(struct flo__local *local, struct flo__minder *minder);

/*
 * Give a minder up: it ends (at once if it has no step, else when it has
 * killed its tree), is reaped and freed; what is left in its cgroup is ended.
 * Returns how it ended, as waitpid() says it; -1 if the host program was
 * faster to reap it. *@ret_empty, unless it is NULL: it had a cgroup, and
 * nothing in there is alive.
 */
int flo__minders_drop(struct flo__local *local, struct flo__minder *minder,
		      bool *ret_empty);

/* Whether kill_all() ended what @minder runs. */
bool flo__minders_killed(struct flo__local *local, struct flo__minder *minder);

void flo__minders_kill_all(struct flo__local *local);

/* End and reap them all. Requires: none is busy. */
void flo__minders_fini(struct flo__local *local);

/*
 * After a minder's death: end what is left of @program, as far as that can be
 * seen from outside: its session, and what has all FLOW_ variables of @env (an
 * attempt's are its own, some of them all of its run's); and wait until it has
 * ended. Blocks: some milliseconds, or 2 s if something cannot be killed.
 * @program 0: it is not known.
 */
void flo__orphans_kill(pid_t program, const char *const *env);

/*
 * Make what becomes the standard input; *@ret_fd is the caller's, -1: it is
 * empty. It holds all of the input already.
 */
flo_status flo__local_input(const struct flo__exec_request *request,
			    flo_error *err, int *ret_fd);

/*
 * Write command and strings to @minder's buffer, or to memory of its own if
 * they are long: flo__free(*@ret_bytes) unless it is that buffer. @fds: bit n:
 * there will be a descriptor for stream n.
 */
flo_status flo__local_encode(struct flo__minder *minder,
			     const struct flo__exec_request *request,
			     uint32_t fds, flo_error *err, char **ret_bytes,
			     size_t *ret_size);

/*
 * Send what was encoded, and @fds (borrowed; < 0: none). Parks. FLO_CLOSED:
 * the minder is dead, and nothing ran (it begins when it has all).
 */
flo_status flo__local_send(struct flo__minder *minder, const char *bytes,
			   size_t size, const int fds[FLO__MINDER_STREAMS],
			   flo_error *err);

/* The run() of the executor's contract. */
flo_status flo__local_run(struct flo__executor *executor,
			  const struct flo__exec_request *request,
			  flo_context *context, flo_error *err,
			  struct flo__exec_result *ret_result);

/*
 * Say why @request did not start: what was tried, where, why it failed, and
 * what to do where that can be seen from the file system. Blocks.
 */
flo_status flo__local_start_error(const struct flo__exec_request *request,
				  const struct flo__minder_reply *reply,
				  flo_error *err);

/* As flo_error_sys(), with FLO_LIMIT for limits of the system, else
 * FLO_SYSTEM or FLO_NOMEM: statuses that the executor's contract knows. */
flo_status flo__local_sys_error(flo_error *err, int errnum, const char *what);

#endif
