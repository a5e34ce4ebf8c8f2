/*
 * Files that people name on the command line.
 */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include "cli/cli.h"

#include <flo/value.h>

#define CLI_FILE_MAX ((size_t)1 << 30) /* larger ones are refused */

/* The whole of a file; "-" is standard input, named "<stdin>". */
struct cli_file {
	const char *name; /* for messages; its directory is what it means */
	char *text;	  /* owned, NUL-terminated */
	size_t len;
};

/* CLI_GO_ON, else the exit code after the error was printed. Standard input can
 * be read once; main thread only. */
int cli_file_read(const char *path, struct cli_file *ret_file);
void cli_file_free(struct cli_file *file);

/* Read a file that holds one JSON object. As cli_file_read(). */
int cli_file_read_map(const char *path, flo_value **ret_map);

#endif
