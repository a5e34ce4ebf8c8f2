/*
 * Words for people and lines for programs, on stdout and stderr.
 *
 * What comes from files and from steps may hold anything: bytes that a
 * terminal would act on (control bytes, bidirectional overrides, broken
 * UTF-8) are shown as escapes and never sent.
 */
#ifndef CLI_PRINT_H
#define CLI_PRINT_H

#include <flo/diagnostic.h>
#include <flo/error.h>
#include <flo/value.h>

#include <stdbool.h>
#include <stdio.h>

/* Flags of cli_put_escaped(). */
enum {
	CLI_ONE_LINE = 1, /* newlines and tabs become spaces */
};

/* Write text that is not ours. Returns the columns that it takes. */
size_t cli_put_escaped(FILE *file, const char *text, size_t len,
		       unsigned flags);

/* The columns that cli_put_escaped() would take. */
size_t cli_columns(const char *text, size_t len);
/* How many bytes of @text take at most @columns. */
size_t cli_fit(const char *text, size_t len, size_t columns);

/* The columns of the terminal that @file is; 0 if it is none or does not say. */
size_t cli_terminal_width(FILE *file);

/* "flowctl: ..." and a newline to stderr, after stdout has been flushed. Commands
 * in it get the store: cli_hint_text(). */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* As the compilers do: place, message, source line, carets, hint; after the
 * last one that is told how many are not. In colours on a terminal. */
void cli_print_diagnostic(FILE *file, const flo_diagnostic *diagnostic);
/* "FILE: 12 more problems are not shown" */
void cli_print_more(FILE *file, const flo_diagnostic *diagnostic);
/* One JSON object and a newline. */
void cli_print_diagnostic_json(FILE *file, const flo_diagnostic *diagnostic);

/* The place and text of @err: "FILE:LINE:COL: error: TEXT". */
void cli_print_file_error(const char *file, const flo_error *err);

/* "12 ms", "3.4 s", "2 m 05 s", "1 h 02 m" */
struct cli_span {
	char text[32];
};
struct cli_span cli_duration(double ms);

/* Whether a shell would have to be given @word in quotes. */
bool cli_is_shell_quoted(const char *word);
/* @word as a shell would have to be given it, over several lines if it has
 * some: POSIX has no other way. */
void cli_put_shell_word(FILE *file, const char *word);
/* The same as memory for free(); NULL without it. */
char *cli_shell_word(const char *word);

/* Write @text, of any length, to stdout, so that cli_finish_stdout() knows why
 * that failed. For the main thread. */
void cli_put_text(const char *text);

/* Print @value and a newline to stdout. */
void cli_print_json(const flo_value *value, bool pretty);

/*
 * Finish standard output. A reader that went away is no error, a full disk is:
 * returns @code, or CLI_STORE after saying why.
 */
int cli_finish_stdout(int code);

/* Call after writing much: ends the program at once if stdout is gone. */
void cli_check_stdout(void);

/* A copy of @text that is valid UTF-8: what is not becomes U+FFFD. Memory for
 * free(), NULL without it. */
char *cli_utf8(const char *text);

/* A string of a map, or "" if there is none. */
const char *cli_map_text(const flo_value *map, const char *key);

#endif
