/*
 * Diagnostics of pipelines, in the form that a C compiler's users know:
 *
 *	cmdb.json:14:25: error: step "dif" is not defined in this group
 *	   14 |       "needs": ["pull", "dif"],
 *	      |                         ^~~~~ did you mean "diff"?
 *
 * A source line may be a whole file of a million columns, and may hold bytes
 * that a terminal acts on, tabs and wide characters: what is shown is a window
 * around the place, and the carets are set under what the window shows.
 */
#include "cli/print.h"

#include "cli/cli.h"
#include "cli/utf8.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_MAX    72  /* columns of the source line that are shown */
#define WINDOW_MIN    16  /* of a terminal as narrow as that */
#define LINE_MAX_HINT 100 /* columns; a hint that ends later has its own line */
#define ELLIPSIS      "..."
#define GUTTER	      "      | "
#define GUTTER_WIDTH  8

/* How much there is room for. A line that a terminal wraps has its carets under
 * other text. */
struct page {
	size_t window; /* columns of the source line that are shown */
	size_t line;   /* columns, with the gutter */
};

static struct page page_of(FILE *file)
{
	const size_t around = GUTTER_WIDTH + 2 * strlen(ELLIPSIS);
	size_t width = cli_terminal_width(file);
	struct page page = {WINDOW_MAX, LINE_MAX_HINT};

	if (width != 0 && width < LINE_MAX_HINT)
		page.line = width;
	if (width != 0 && width < WINDOW_MAX + around)
		page.window = width > WINDOW_MIN + around ? width - around
							  : WINDOW_MIN;
	return page;
}

/* What a terminal is told; empty where it is none. */
struct colors {
	const char *bold, *error, *warning, *caret, *end;
};

static struct colors colors_of(FILE *file)
{
	static const struct colors none = {"", "", "", "", ""};
	static const struct colors some = {"\033[1m", "\033[1;31m",
					   "\033[1;35m", "\033[1;32m",
					   "\033[0m"};
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(fileno(file)) && !(no && *no) && term &&
			       strcmp(term, "dumb") != 0
		       ? some
		       : none;
}

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

/* A line with its marked stretch and the part of it that is shown: bytes. */
struct window {
	const char *text;
	size_t begin, mark, mark_end, end;
	bool cut_before, cut_after;
};

/* The earliest byte from which @columns reach to @end. */
static size_t back_from(const char *text, size_t end, size_t columns)
{
	size_t at = end;

	while (at > 0) {
		size_t before = at - 1;

		while (before > 0 && (text[before] & 0xc0) == 0x80)
			before--;
		if (cli_columns(text + before, end - before) > columns)
			break;
		at = before;
	}
	return at;
}

/*
 * Show all of a line that fits. Of another one as much before the place as
 * what comes after it leaves room for, but half the window at least.
 */
static struct window window_of(const flo_diagnostic *d, size_t columns)
{
	const char *text = d->source_line;
	size_t len = strlen(text), after, room = columns;
	int first = d->source_column > 0 ? d->source_column : 1;
	struct window w = {.text = text, .end = len};

	w.mark = byte_of(text, len, d->column - first);
	w.mark_end = byte_of(text, len, d->end_column - first);
	w.cut_before = first > 1;
	if (!w.cut_before && cli_fit(text, len, columns) == len)
		return w;
	after = cli_fit(text + w.mark, len - w.mark, columns) == len - w.mark
			? cli_columns(text + w.mark, len - w.mark)
			: columns;
	w.begin = back_from(text, w.mark,
			    after < columns - columns / 2 ? columns - after
							  : columns / 2);
	w.cut_before |= w.begin > 0;
	room -= cli_columns(text + w.begin, w.mark - w.begin);
	w.end = w.mark + cli_fit(text + w.mark, len - w.mark, room);
	w.cut_after = w.end < len;
	if (w.mark_end > w.end)
		w.mark_end = w.end;
	return w;
}

/* Words of @text, wrapped, each line behind the gutter. */
static void put_wrapped(FILE *file, const char *text, size_t columns)
{
	size_t len = strlen(text);

	while (len > 0) {
		size_t fits = cli_fit(text, len, columns), at = fits;

		while (fits < len && at > 0 && text[at] != ' ')
			at--;
		if (at == 0 || fits == len)
			at = fits;
		if (at == 0)
			at = len;
		fputs(GUTTER, file);
		cli_put_escaped(file, text, at, CLI_ONE_LINE);
		putc('\n', file);
		while (at < len && text[at] == ' ')
			at++;
		text += at;
		len -= at;
	}
}

static void put_carets(FILE *file, const struct colors *colors,
		       const struct page *page, size_t indent, size_t columns,
		       const char *hint)
{
	size_t used = GUTTER_WIDTH + indent + (columns ? columns : 1);
	bool fits = used + 1 + cli_columns(hint, strlen(hint)) <= page->line;

	fprintf(file, GUTTER "%*s%s^", (int)indent, "", colors->caret);
	for (size_t i = 1; i < columns; i++)
		putc('~', file);
	fputs(colors->end, file);
	if (*hint && fits) {
		putc(' ', file);
		cli_put_escaped(file, hint, strlen(hint), CLI_ONE_LINE);
	}
	putc('\n', file);
	if (*hint && !fits)
		put_wrapped(file, hint, page->window);
}

static void put_source(FILE *file, const struct colors *colors,
		       const struct page *page, const flo_diagnostic *d)
{
	struct window w = window_of(d, page->window);
	size_t indent = 0, columns;

	fprintf(file, "%5d | ", d->line);
	if (w.cut_before)
		indent += (size_t)fprintf(file, ELLIPSIS);
	indent += cli_put_escaped(file, w.text + w.begin, w.mark - w.begin,
				  CLI_ONE_LINE);
	columns = cli_put_escaped(file, w.text + w.mark, w.mark_end - w.mark,
				  CLI_ONE_LINE);
	cli_put_escaped(file, w.text + w.mark_end, w.end - w.mark_end,
			CLI_ONE_LINE);
	fputs(w.cut_after ? ELLIPSIS "\n" : "\n", file);
	put_carets(file, colors, page, indent, columns, d->hint);
}

void cli_print_diagnostic(FILE *file, const flo_diagnostic *d)
{
	struct colors colors = colors_of(file);
	struct page page = page_of(file);
	bool error = d->severity == FLO_SEVERITY_ERROR;

	fputs(colors.bold, file);
	cli_put_escaped(file, d->file, strlen(d->file), CLI_ONE_LINE);
	fprintf(file, ":%d:%d:%s %s%s:%s ", d->line, d->column, colors.end,
		error ? colors.error : colors.warning,
		error ? "error" : "warning", colors.end);
	fputs(colors.bold, file);
	cli_put_escaped(file, d->message, strlen(d->message), CLI_ONE_LINE);
	fprintf(file, "%s\n", colors.end);
	if (*d->source_line)
		put_source(file, &colors, &page, d);
	else if (*d->hint)
		put_wrapped(file, d->hint, page.window);
	if (d->more)
		cli_print_more(file, d);
}

void cli_print_more(FILE *file, const flo_diagnostic *d)
{
	cli_put_escaped(file, d->file, strlen(d->file), CLI_ONE_LINE);
	fprintf(file, ": %zu more problem%s not shown\n", d->more,
		d->more == 1 ? " is" : "s are");
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
