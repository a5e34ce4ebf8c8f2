/*
 * What stands at the end of a run that did not succeed.
 */
#ifndef CLI_FAILURE_H
#define CLI_FAILURE_H

#include "cli/cli.h"

#include <flo/value.h>

/* How the run was asked for, where it was by its file. All is borrowed. */
struct cli_asked {
	const char *file; /* NULL: it was not, or that is not known */
	const struct cli_texts *params;
	const char *params_file; /* or NULL */
};

/*
 * Say on stderr what failed, how, its last stderr lines, where its log is and
 * what can be done. @result is what flo_run_wait() gave.
 */
void cli_print_failure(const char *store_path, const struct cli_asked *asked,
		       const char *run_id, const flo_value *result);

/* "go on with: flowctl resume RUN" */
void cli_print_resume(const char *run_id);

#endif
