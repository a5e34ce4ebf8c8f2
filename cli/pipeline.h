/*
 * Pipelines and their params, as several verbs are given them.
 */
#ifndef CLI_PIPELINE_H
#define CLI_PIPELINE_H

#include "cli/cli.h"

#include <flo/engine.h>

/*
 * Compile the pipeline in the file @path ("-": standard input); problems go to
 * stderr, of which @quiet leaves warnings out. CLI_GO_ON and a pipeline that the caller frees, or the exit code
 * after the error was printed.
 */
int cli_pipeline_load(const char *path, bool quiet,
		      flo_pipeline **ret_pipeline);

/*
 * Fill @params (NULL: out of memory) with what -p gave, and then with what the
 * file (or NULL) has besides. As cli_pipeline_load().
 */
int cli_pipeline_params(const struct cli_verb *verb,
			const flo_pipeline *pipeline,
			const struct cli_texts *texts, const char *file,
			flo_value *params);

#endif
