/**
 * What a compiler of pipelines has to say about a file.
 *
 * flo_pipeline_load() (flo/engine.h) gives each to a function of the caller's.
 */
#ifndef FLO_DIAGNOSTIC_H
#define FLO_DIAGNOSTIC_H

#include <flo/status.h>

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How bad it is. */
typedef enum flo_severity {
	FLO_SEVERITY_ERROR,   /* the pipeline cannot be run */
	FLO_SEVERITY_WARNING, /* it can, but is probably not what was meant */
} flo_severity;

/**
 * One problem and its place. All strings are borrowed for the time of the
 * callback; none is NULL.
 */
typedef struct flo_diagnostic {
	const char *file;      /* as it was named to flo_pipeline_load() */
	int line;	       /* from 1 */
	int column;	       /* from 1, in code points */
	int end_column;	       /* the column after the last one, on that line */
	const char *pointer;   /* JSON pointer of the offending value, or "" */
	const char *code;      /* stable, documented: "unknown-key" */
	flo_severity severity; /* an error makes the load fail */
	const char *message;   /* one line, without a stop */
	const char *hint;      /* "did you mean ...", or "" */
	/* The line, or "" if there is none to show. Of a line of many thousand
	 * bytes it is a piece around the place. */
	const char *source_line;
	int source_column; /* of the first character of source_line, from 1 */
	/* On the last one that is told: problems of the file that are not. */
	size_t more;
} flo_diagnostic;

/**
 * Hear of one diagnostic. Called in flo_pipeline_load(), by its caller's
 * thread, in order of place, at most 50 times for a file; where there are more
 * problems, errors go before warnings. @arg is what that was given.
 */
typedef void (*flo_diagnostic_fn)(const flo_diagnostic *diagnostic, void *arg);

#ifdef __cplusplus
}
#endif
#endif
