/*
 * What stands at the end of a run that did not succeed.
 */
#ifndef CLI_FAILURE_H
#define CLI_FAILURE_H

#include <flo/value.h>

/*
 * Say on stderr what failed, how, its last stderr lines, where its log is and
 * what can be done. @result is what flo_run_wait() gave; @file is the pipeline's,
 * or NULL if that is not known.
 */
void cli_print_failure(const char *store_path, const char *file,
		       const char *run_id, const flo_value *result);

/* "go on with: flowctl resume RUN" */
void cli_print_resume(const char *run_id);

#endif
