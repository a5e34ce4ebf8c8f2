/*
 * Diagnostics of pipelines, in the form that a C compiler's users know:
 *
 *	cmdb.json:14:25: error: step "dif" is not defined in this group
 *	   14 |       "needs": ["pull", "dif"],
 *	      |                         ^~~~~ did you mean "diff"?
 *
 * A source line may be a whole file of a million columns, and may hold bytes
 * that a terminal acts on: what is shown is a window around the place, and
 * the carets are set under what the window shows.
 */
#include "cli/print.h"

#include "cli/cli.h"
#include "cli/utf8.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW_BEFORE 60 /* code points shown before the place */
#define WINDOW_LEN    100
#define GUTTER	      "      | "

/* The first byte of code point @nth (from 0) of @text, or its end. */
static size_t byte_of(const char *text, size_t len, int nth)
{
	size_t at = 0, used;

	for (; nth > 0 && at < len; nth--) {
		cli_utf8_next(text + at, len - at, &used);
		at += used;
	}
	return at;
}

static void put_carets(FILE *file, size_t indent, size_t columns,
		       const char *hint)
{
	fprintf(file, GUTTER "%*s^", (int)indent, "");
	for (size_t i = 1; i < columns; i++)
		putc('~', file);
	if (*hint) {
		putc(' ', file);
		cli_put_escaped(file, hint, strlen(hint), CLI_ONE_LINE);
	}
	putc('\n', file);
}

/* A place past the window's end is a caret at its end. */
static int window_end(const flo_diagnostic *d, int first)
{
	int end = d->end_column > d->column ? d->end_column - 1 : d->column;

	return end > first + WINDOW_LEN ? first + WINDOW_LEN : end;
}

static void put_source(FILE *file, const flo_diagnostic *d)
{
	const char *line = d->source_line;
	size_t len = strlen(line);
	int first = d->column - 1 > WINDOW_BEFORE
			    ? d->column - 1 - WINDOW_BEFORE
			    : 0;
	size_t start = byte_of(line, len, first);
	size_t mark = byte_of(line, len, d->column - 1);
	size_t mark_end = byte_of(line, len, window_end(d, first));
	size_t stop = start + byte_of(line + start, len - start, WINDOW_LEN);
	size_t indent = 0, columns;

	fprintf(file, "%5d | ", d->line);
	if (start > 0)
		indent += (size_t)fprintf(file, "...");
	indent +=
		cli_put_escaped(file, line + start, mark - start, CLI_ONE_LINE);
	columns = cli_put_escaped(file, line + mark, mark_end - mark,
				  CLI_ONE_LINE);
	if (stop > mark_end)
		cli_put_escaped(file, line + mark_end, stop - mark_end,
				CLI_ONE_LINE);
	fputs(stop < len ? "...\n" : "\n", file);
	put_carets(file, indent, columns, d->hint);
}

void cli_print_diagnostic(FILE *file, const flo_diagnostic *d)
{
	cli_put_escaped(file, d->file, strlen(d->file), CLI_ONE_LINE);
	fprintf(file, ":%d:%d: %s: ", d->line, d->column,
		d->severity == FLO_SEVERITY_ERROR ? "error" : "warning");
	cli_put_escaped(file, d->message, strlen(d->message), CLI_ONE_LINE);
	putc('\n', file);
	if (*d->source_line)
		put_source(file, d);
	else if (*d->hint)
		fprintf(file, GUTTER "%s\n", d->hint);
}

static void set_text(flo_value *map, const char *key, const char *text)
{
	char *copy = cli_utf8(text);

	if (!copy || flo_value_map_set(map, key, flo_value_string(copy))) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	free(copy);
}

static void set_int(flo_value *map, const char *key, int n)
{
	if (flo_value_map_set(map, key, flo_value_int(n))) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
}

void cli_print_diagnostic_json(FILE *file, const flo_diagnostic *d)
{
	flo_value *map = flo_value_map(9);
	char *text;

	if (map) {
		set_text(map, "file", d->file);
		set_int(map, "line", d->line);
		set_int(map, "column", d->column);
		set_int(map, "end_column", d->end_column);
		set_text(map, "pointer", d->pointer);
		set_text(map, "code", d->code);
		set_text(map, "severity",
			 d->severity == FLO_SEVERITY_ERROR ? "error"
							   : "warning");
		set_text(map, "message", d->message);
		set_text(map, "hint", d->hint);
	}
	text = map ? flo_value_to_json(map) : NULL;
	fprintf(file, "%s\n", text ? text : "{}");
	flo_free(text);
	flo_value_unref(map);
}
