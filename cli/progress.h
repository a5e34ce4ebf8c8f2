/*
 * A run as its events tell it: plain lines for people, or the events' own
 * lines for programs.
 *
 * People get a line for each step that ended until CLI_PROGRESS_LINES have
 * been printed; from then on only failures, and once a second how far the run
 * is. A run of a hundred thousand steps is thus not slowed by its output.
 */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include "cli/sink.h"

#include <flo/value.h>

#include <stdbool.h>
#include <time.h>

#define CLI_PROGRESS_LINES 200

enum cli_progress_mode {
	CLI_PROGRESS_PLAIN,
	CLI_PROGRESS_JSON,
	CLI_PROGRESS_QUIET,
};

struct cli_progress {
	struct cli_sink *sink; /* borrowed */
	enum cli_progress_mode mode;
	const char *pipeline; /* its name, borrowed */
	bool is_rerun;
	bool is_coloured;
	unsigned long lines;  /* printed for steps */
	unsigned long ended;  /* steps */
	unsigned long failed; /* steps */
	struct timespec started, noted;
};

void cli_progress_init(struct cli_progress *progress, struct cli_sink *sink,
		       enum cli_progress_mode mode, const char *pipeline);

/* A flo_event_fn; @arg is the progress. One thread at a time. */
void cli_progress_event(const char *json, size_t len, void *arg);

/* The last lines for people: how it ended, its counts, its output. */
void cli_progress_summary(struct cli_progress *progress,
			  const flo_value *result);

#endif
