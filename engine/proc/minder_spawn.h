/* Starting a program the way vfork() is meant to be used. */
#ifndef FLO_ENGINE_PROC_MINDER_SPAWN_H
#define FLO_ENGINE_PROC_MINDER_SPAWN_H

#include "engine/proc/minder_p.h"

#include <sys/types.h>

struct minder_spawn {
	const char *dir;
	char **argv; /* argv[-1] is ours to use */
	char **env;
	int fds[FLO__MINDER_STREAMS]; /* above 2, close-on-exec */
	int cgroup; /* open directory of the cgroup to start it in; -1: ours;
		       set to -1 if that is not possible here */
	int stage;  /* out, on failure: enum flo__minder_stage */
	int errnum; /* out, on failure */
};

/*
 * Start a program: session of its own, descriptors 0 to 2 set and no other,
 * no signal blocked. Dispositions are the caller's: keep them at their default
 * or caught.
 *
 * Returns its pid; -1 with stage and errnum set if it did not get as far as
 * running the program, and then no process is left of it.
 */
pid_t minder_spawn(struct minder_spawn *spawn);

#endif
