/*
 * Commands that are named in messages: what a person can paste must mean the
 * store that this command was given.
 */
#ifndef CLI_HINT_H
#define CLI_HINT_H

#include <stdio.h>

/* Remember the store that was named by --store (borrowed; NULL: none was). Call
 * it before there are other threads. */
void cli_hint_store(const char *path);

/* " --store PATH" if one was named, else nothing. */
void cli_put_store_option(FILE *file);

/*
 * @text, in which each command between quotes or backticks, and one that it
 * begins with, has the store that was named, if it is one that takes a store:
 * `flowctl runs` becomes `flowctl runs --store other.db`.
 *
 * Memory for free(); NULL without it, or if there is nothing to add.
 */
char *cli_hint_text(const char *text);

#endif
