/**
 * What a compiler of pipelines has to say about a file.
 */
#ifndef FLO_DIAGNOSTIC_H
#define FLO_DIAGNOSTIC_H

#include <flo/status.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum flo_severity {
	FLO_SEVERITY_ERROR,
	FLO_SEVERITY_WARNING,
} flo_severity;

/** All strings are borrowed for the time of the callback; none is NULL. */
typedef struct flo_diagnostic {
	const char *file;
	int line;	     /* from 1 */
	int column;	     /* from 1, in code points */
	int end_column;	     /* the column after the last one, on that line */
	const char *pointer; /* JSON pointer of the offending value, or "" */
	const char *code;    /* stable, documented: "unknown-key" */
	flo_severity severity;
	const char *message;
	const char *hint;	 /* "did you mean ...", or "" */
	const char *source_line; /* the whole line, or "" */
} flo_diagnostic;

/** Called once a diagnostic, in order of place. */
typedef void (*flo_diagnostic_fn)(const flo_diagnostic *diagnostic, void *arg);

#ifdef __cplusplus
}
#endif
#endif
