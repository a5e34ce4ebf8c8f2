/*
 * Finding runs in a store, for the verbs that only read it.
 */
#ifndef CLI_STORE_H
#define CLI_STORE_H

#include "cli/cli.h"

#include <flo/engine.h>

#define CLI_OPTION_STORE(type, field)                                           \
	{                                                                       \
		"store", 0, CLI_TEXT, offsetof(type, field), "PATH",            \
			"the store's file (default: $FLOW_STORE, else "         \
			"flowctl/flow.db in $XDG_STATE_HOME or ~/.local/state)" \
	}

/*
 * Open the store at @path (NULL: the default) and find @run_id, of which a
 * prefix is enough if it is the only one. *@ret_run gets what `show --json`
 * prints. Both belong to the caller.
 *
 * Returns CLI_GO_ON, else the exit code after the error was printed.
 */
int cli_store_find(const char *path, const char *run_id, flo_store **ret_store,
		   flo_value **ret_run);

/*
 * The same without the run's steps, which is cheap however many there are:
 * *@ret_row gets what `runs --json` prints.
 */
int cli_store_find_row(const char *path, const char *run_id,
		       flo_store **ret_store, flo_value **ret_row);

/* The step of @run, which cli_store_find() gave, at @path; NULL: there is none.
 * Borrowed. */
const flo_value *cli_step_at(const flo_value *run, const char *path);

/* The exit code that the run ended with; CLI_GO_ON if it has not ended. */
int cli_store_code(const flo_value *run);

/* Print the event with which the run ended, as 'flowctl run --json' does. */
void cli_store_print_end(flo_store *store, const char *run_id);

/* Print a failure of the library with what it says about the way out. */
int cli_store_error(const flo_error *err);

/* Wait a moment before looking again whether something has happened to a run. */
void cli_store_pause(void);

#endif
