/*
 * Ctrl-C and SIGTERM while a run is under way: the first asks the run to stop
 * (steps get their grace period, `finally` runs), the second kills at once.
 * Or SIGTERM means that this machine goes away: then the run is left as it is,
 * for another process to resume.
 *
 * A thread waits for them, because what they lead to is nothing a signal
 * handler may do. A signal that the caller ignored (nohup, a shell's
 * background job) stays ignored.
 */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include "cli/sink.h"

#include <flo/engine.h>

/* Block them in this thread and all that it starts, and watch. Call before
 * other threads exist, once. @interrupt: what SIGTERM does, instead of
 * cancelling. False if there can be no thread. */
bool cli_signals_start(bool interrupt);

/* From here on they go to @run; one that came earlier goes at once. Both are
 * borrowed until cli_signals_detach(). */
void cli_signals_attach(flo_run *run, struct cli_sink *sink);

/* The run has ended: a signal now ends the program. Returns the first signal
 * that asked the run to stop, or 0. */
int cli_signals_detach(void);

#endif
