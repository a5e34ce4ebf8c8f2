/*
 * From a run's start to its exit code: what `run`, `resume` and `rerun` share.
 */
#ifndef CLI_FOLLOW_H
#define CLI_FOLLOW_H

#include "cli/cli.h"
#include "cli/failure.h"
#include "cli/store.h"

#include <flo/engine.h>

struct cli_follow_options {
	const char *store;
	const char *durability;
	const char *on_sigterm; /* NULL: "cancel" */
	unsigned long limit;
	bool detach;
	bool json;
	bool quiet;
};

/* Rows of an option table for a verb's struct that has them in .follow. */
#define CLI_OPTIONS_FOLLOW(type)                                               \
	CLI_OPTION_STORE(type, follow.store),                                  \
		{"limit",                                                      \
		 0,                                                            \
		 CLI_NUMBER,                                                   \
		 offsetof(type, follow.limit),                                 \
		 "N",                                                          \
		 "at most N steps at once; lowers the pipeline's own limit"},  \
		{"durability",                                                 \
		 0,                                                            \
		 CLI_TEXT,                                                     \
		 offsetof(type, follow.durability),                            \
		 "LEVEL",                                                      \
		 "what the record survives: power (default), process, none"},  \
		{"detach",                                                     \
		 0,                                                            \
		 CLI_FLAG,                                                     \
		 offsetof(type, follow.detach),                                \
		 NULL,                                                         \
		 "go on in the background; print the run's id and return"},    \
		{"on-sigterm",                                                 \
		 0,                                                            \
		 CLI_TEXT,                                                     \
		 offsetof(type, follow.on_sigterm),                            \
		 "WHAT",                                                       \
		 "what SIGTERM does to the run: cancel (default), or "         \
		 "interrupt it, so that it can be resumed"},                   \
		{"json",   0,                                                  \
		 CLI_FLAG, offsetof(type, follow.json),                        \
		 NULL,	   "print the run's events, one JSON object a line"},  \
	{                                                                      \
		"quiet", 0, CLI_FLAG, offsetof(type, follow.quiet), NULL,      \
			"print nothing but errors, no warnings either"         \
	}

struct cli_follow {
	const struct cli_follow_options *options;
	const flo_pipeline *pipeline; /* NULL: resume @run_id, or rerun */
	const flo_value *params;
	const char *run_id;	/* NULL: a new one */
	const char *name;	/* of the pipeline */
	struct cli_asked asked; /* of a run: as it was given */
	const char *cancel;	/* why to resume it only to end it, or NULL */
	const flo_accepted *accept; /* for a resume: what became of steps */
	size_t accept_len;
	const char *rerun_of; /* the run to run again as @run_id, or NULL */
	const char *from;     /* a step, or NULL; both of a rerun */
	bool failed;
};

/* Check the options. CLI_GO_ON, or the exit code. */
int cli_follow_check(const struct cli_verb *verb,
		     const struct cli_follow_options *options);

/*
 * Start or resume the run, print it, wait for it. Returns the exit code; or
 * CLI_GO_ON for a run that was to be cancelled and has ended in another engine.
 * Call it once.
 */
int cli_follow_run(const struct cli_follow *follow);

#endif
