/* The cgroup of this minder's steps, if the engine could make it one. */
#ifndef FLO_ENGINE_PROC_MINDER_CGROUP_H
#define FLO_ENGINE_PROC_MINDER_CGROUP_H

#include <stdbool.h>

struct minder_cgroup {
	int dir; /* open descriptors, -1: there is no cgroup */
	int kill;
	int events; /* POLLPRI: populated has changed since it was read */
};

/* Open what is at @path. Without it, or with NULL, there is none. */
void minder_cgroup_open(struct minder_cgroup *cgroup, const char *path);

/* Do without it from now on. */
void minder_cgroup_close(struct minder_cgroup *cgroup);

/* Send SIGKILL to all in it, and below it, at one instant. */
void minder_cgroup_kill(const struct minder_cgroup *cgroup);

/* Whether something in it, or below it, is alive; false if there is none. */
bool minder_cgroup_populated(const struct minder_cgroup *cgroup);

#endif
