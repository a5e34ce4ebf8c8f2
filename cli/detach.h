/*
 * Going into the background: the run goes on in a process of its own, and the
 * command returns as soon as the run is in the store.
 *
 * The process that goes on is a copy of the command in a session of its own,
 * made before any thread is. It keeps the directory and the environment, and of
 * the descriptors none: who reads what the command prints to its end, and who
 * waits for a lock or a pipe that it has inherited, must not wait for the run.
 */
#ifndef CLI_DETACH_H
#define CLI_DETACH_H

#include <stdbool.h>

/*
 * Go on in the background. Call before other threads exist, once.
 *
 * Returns CLI_GO_ON in the process that goes on, which calls cli_detach_done()
 * or ends with an exit code, having said why on stderr. In the command's own
 * process returns what to exit with, after the run's id was printed: as JSON
 * (@json), alone (@quiet), or with a word on how to look after it.
 */
int cli_detach(bool json, bool quiet);

/*
 * Tell the command that the run @run_id is in the store, and give up the
 * command's stderr. False if the command is not there any more, so that nobody
 * knows of the run.
 */
bool cli_detach_done(const char *run_id);

#endif
