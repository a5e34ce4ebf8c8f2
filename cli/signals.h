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
 * cancelling. @resumes: there is a run, which stays interrupted if two come
 * before it is gone on with. False if there can be no thread. */
bool cli_signals_start(bool interrupt, bool resumes);

/* The run is about to be recorded, or taken. Two signals end the program no
 * more, since nobody knows how far that is: they wait for the run. A third
 * does. */
void cli_signals_starting(void);

/* From here on they go to @run; those that came earlier go at once. Borrowed,
 * @run until cli_signals_detach() and @sink until cli_signals_release(). */
void cli_signals_attach(flo_run *run, struct cli_sink *sink);

/* The run has ended: the first signal from now on cuts its output short, another
 * ends the program. Returns the first that asked the run to stop, or 0. */
int cli_signals_detach(void);

/* Whether there was one. */
bool cli_signals_seen(void);

/* The sink was drained and is to be closed. Returns the code of a signal that
 * cut it short, or 0. */
int cli_signals_release(void);

/* All is said. A signal now ends the program with @code, with which it ends
 * anyway: the run's end is recorded, and a signal that comes too late to change
 * it must not tell of another one. */
void cli_signals_settle(int code);

#endif
