/*
 * A step's log file: marked lines, "O " and "E " for stdout and stderr; a "+"
 * in place of the blank goes on with the stream's line before; "- " is a
 * remark of the engine's.
 */
#ifndef CLI_LOG_H
#define CLI_LOG_H

#include <flo/engine.h>

#include <stdbool.h>

struct cli_log {
	const char *path; /* of the step */
	unsigned long attempt;
	const char *last_file; /* the log of its last attempt, "" if none */
	const char *directory; /* where the logs of its run are */
	bool is_last;	       /* @attempt is that one */
	bool has_header;       /* "==> path <==" before it */
	bool json;
};

/*
 * Print it; an attempt that printed nothing has no file, and *@count does not
 * grow. Returns CLI_OK, else the exit code after the error was printed.
 */
int cli_log_print(const struct cli_log *log, flo_store *store,
		  const char *run_id, unsigned long *count);

#endif
