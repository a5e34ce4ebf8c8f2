/* vfork() into a cgroup, which no function of libc does. */
#ifndef FLO_ENGINE_PROC_MINDER_CLONE_H
#define FLO_ENGINE_PROC_MINDER_CLONE_H

#include <sys/types.h>

/*
 * Start a child that runs @fn(@arg) in our memory, on a stack of its own and in
 * the cgroup whose directory is open as @cgroup. We are suspended until it has
 * become a program or ended. @fn must not return.
 *
 * Returns its pid; -1 with errno: ENOSYS where the kernel or a filter does not
 * have clone3(), or we have not written it for the processor.
 */
pid_t minder_clone(int cgroup, void (*fn)(void *arg), void *arg);

#endif
