/*
 * Cgroups (version 2) for steps, where this process may make any: one for each
 * minder, so that what a step started is found even when its minder is killed.
 *
 * They lie below the engine's own cgroup, in a directory of the engine's:
 *
 *	flowctl-PID-N/1, flowctl-PID-N/2, ...
 *
 * Only programs of steps live there, neither the engine nor its minders, so a
 * whole cgroup can be killed. No controller is enabled: those would forbid
 * processes in the cgroups above (the rule of "no internal processes").
 * Kernel's rules: Documentation/admin-guide/cgroup-v2.rst.
 *
 * The engine holds a lock (flock) on its directory as long as it lives. What
 * has no lock on it is left over from an engine that was killed: the next one
 * below the same cgroup kills what is in it, and removes it.
 */
#ifndef FLO_ENGINE_PROC_CGROUP_H
#define FLO_ENGINE_PROC_CGROUP_H

#include <flo/error.h>

#include <stdbool.h>

#define FLO__CGROUP_PATH_MAX 1024

/* One engine's directory of cgroups; starts zeroed. */
struct flo__cgroup {
	char dir[FLO__CGROUP_PATH_MAX]; /* "": there is none */
	int lock;			/* on @dir, which is open; if it is */
	unsigned made;			/* cgroups in it so far */
};

/*
 * Say whether steps can have cgroups of their own here, by making one and
 * removing it. @proc is where the kernel tells of this process: "/proc/self".
 * Blocks, shortly.
 *
 * Returns FLO_OK; FLO_SYSTEM, and @err says why not and what to do; FLO_NOTFOUND
 * if they are switched off ($FLO_CGROUP is "off").
 */
flo_status flo__cgroup_probe(const char *proc, flo_error *err);

/*
 * Make the engine's directory and remove those of dead engines beside it.
 * Blocks: 2 s at most for each that had processes. Returns as the probe does.
 */
flo_status flo__cgroup_open(struct flo__cgroup *cgroup, const char *proc,
			    flo_error *err);

/* Remove the directory, if it was opened. Requires: no minder has a cgroup. */
void flo__cgroup_close(struct flo__cgroup *cgroup);

/* Make a cgroup. Returns its number, 0: it could not be made. */
unsigned flo__cgroup_add(struct flo__cgroup *cgroup);

/* Where cgroup @number is. */
void flo__cgroup_path(const struct flo__cgroup *cgroup, unsigned number,
		      char ret_path[FLO__CGROUP_PATH_MAX]);

/*
 * Kill what is alive in cgroup @number, wait until nothing is, and remove it.
 * Blocks: some milliseconds, or @timeout_ms if something cannot be killed.
 * Returns whether nothing is alive in it.
 */
bool flo__cgroup_end(const struct flo__cgroup *cgroup, unsigned number,
		     int timeout_ms);

#endif
