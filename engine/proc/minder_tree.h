/* The processes below this one: found through /proc, and signalled. */
#ifndef FLO_ENGINE_PROC_MINDER_TREE_H
#define FLO_ENGINE_PROC_MINDER_TREE_H

#include "engine/proc/minder_p.h"

#include <stddef.h>
#include <sys/types.h>

/* Why processes could not be looked for; all zero: they could. */
struct minder_blind {
	enum flo__minder_stage stage; /* the call that failed */
	int errnum;
};

/* A set of processes; starts zeroed. */
struct minder_pids {
	pid_t *at; /* owned */
	size_t len, cap;
	struct minder_blind blind; /* some may be missing */
};

void minder_pids_fini(struct minder_pids *pids);

/*
 * Send @signal to every descendant that is not in @told, parents first, and
 * add it there: many programs take a second SIGTERM as "do not tidy up". So to
 * what is in the cgroup whose directory is open as @cgroup (-1: none).
 *
 * A process born while we look may be missed; the caller looks again later.
 * Returns why others may have been.
 */
struct minder_blind minder_tree_stop(int signal, int cgroup,
				     struct minder_pids *told);

/*
 * Send SIGKILL to every descendant, and to what is in @cgroup (as above). To
 * get them all, call it again until none is left. Returns why it may not have
 * found some.
 */
struct minder_blind minder_tree_kill(int cgroup);

/*
 * Send @signal to the process group of @leader, where a child of ours is in
 * it: so the number cannot have been given to another group. Needs no /proc,
 * but does not see who has left the group.
 */
void minder_group_kill(pid_t leader, int signal);

#endif
