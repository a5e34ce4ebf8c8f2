/* The processes below this one: found through /proc, and signalled. */
#ifndef FLO_ENGINE_PROC_MINDER_TREE_H
#define FLO_ENGINE_PROC_MINDER_TREE_H

#include <stddef.h>
#include <sys/types.h>

/* A set of processes; starts zeroed. */
struct minder_pids {
	pid_t *at; /* owned */
	size_t len, cap;
};

void minder_pids_fini(struct minder_pids *pids);

/*
 * Send @signal to every descendant that is not in @told, parents first, and
 * add it there: many programs take a second SIGTERM as "do not tidy up". So to
 * what is in the cgroup whose directory is open as @cgroup (-1: none).
 *
 * A process born while we look may be missed; the caller looks again later.
 */
void minder_tree_stop(int signal, int cgroup, struct minder_pids *told);

/*
 * Send SIGKILL to every descendant, and to what is in @cgroup (as above). To
 * get them all, call it again until none is left.
 */
void minder_tree_kill(int cgroup);

#endif
