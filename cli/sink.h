/*
 * Standard output of a run: written by a thread of its own, so that a slow
 * terminal or pipe does not hold the engine up and a hundred thousand lines
 * cost a few hundred writes.
 *
 * When the reader is slower than the run for long, writers wait (the events of
 * a run are worth more than its speed), until cli_sink_abandon().
 *
 * Threads: any.
 */
#ifndef CLI_SINK_H
#define CLI_SINK_H

#include <stdbool.h>
#include <stddef.h>

struct cli_sink;

/* Write to descriptor @fd, borrowed. NULL without memory or threads. */
struct cli_sink *cli_sink_open(int fd);

void cli_sink_write(struct cli_sink *sink, const char *bytes, size_t len);
void cli_sink_printf(struct cli_sink *sink, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* From now on nothing waits: what cannot be written at once is dropped. */
void cli_sink_abandon(struct cli_sink *sink);

/* Wait until everything written so far is out, or cannot be. */
void cli_sink_drain(struct cli_sink *sink);

/* Whether everything written so far is out. */
bool cli_sink_is_drained(struct cli_sink *sink);

/*
 * Drain and free. Returns 0, or the errno that ended the output; a reader that
 * went away (EPIPE) is none.
 */
int cli_sink_close(struct cli_sink *sink);

#endif
