/*
 * Options and operands of a verb, read strictly: `--name=value`,
 * `--name value`, `-x value`, `-xvalue`, in any order among the operands,
 * until `--`. Names are not abbreviated, and no argument is ever read as the
 * name of a file of further arguments.
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "cli/cli.h"

/*
 * Fill the fields of @fields (zeroed, the verb's own struct) from the
 * arguments. The operands are moved to the front of @argv, *@ret_operands of
 * them, NULL after the last.
 *
 * Returns CLI_GO_ON; else the exit code after help or an error was printed.
 */
int cli_args_parse(const struct cli_verb *verb, int argc, char **argv,
		   void *fields, int *ret_operands);

/* Say what is wrong and where help is. Returns CLI_USAGE. */
int cli_args_usage(const struct cli_verb *verb, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

void cli_texts_free(struct cli_texts *texts);

#endif
