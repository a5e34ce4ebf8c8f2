#include "cli/file.h"

#include "cli/print.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int too_large(const struct cli_file *file)
{
	cli_error("%s is larger than 1 GiB, which no pipeline needs: produce "
		  "large data in a step and pass it on as a file",
		  file->name);
	return CLI_INVALID;
}

static int grow(struct cli_file *file, size_t *room, size_t want)
{
	char *text;

	if (want < *room)
		return CLI_GO_ON;
	want = want < 2 * *room ? 2 * *room : want + 1;
	text = realloc(file->text, want);
	if (!text) {
		cli_error("out of memory for %s", file->name);
		return CLI_STORE;
	}
	file->text = text;
	*room = want;
	return CLI_GO_ON;
}

static int read_all(int fd, size_t hint, struct cli_file *file)
{
	size_t room = 0;
	int code;

	if (hint > CLI_FILE_MAX)
		return too_large(file);
	for (;;) {
		size_t want = file->len + 1 > hint ? file->len + 65536 : hint;
		ssize_t n;

		code = grow(file, &room, want);
		if (code != CLI_GO_ON)
			return code;
		n = read(fd, file->text + file->len, room - 1 - file->len);
		if (n == 0)
			break;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			cli_error("cannot read %s: %s", file->name,
				  strerror(errno));
			return CLI_USAGE;
		}
		file->len += (size_t)n;
		if (file->len > CLI_FILE_MAX)
			return too_large(file);
	}
	file->text[file->len] = '\0';
	return CLI_GO_ON;
}

/* Nobody can read it twice: the second time there is nothing in it. */
static bool take_stdin(void)
{
	static bool taken;
	bool first = !taken;

	taken = true;
	if (!first)
		cli_error("standard input is named twice (\"-\"), and can be "
			  "read only once: put one of the two into a file");
	return first;
}

int cli_file_read(const char *path, struct cli_file *ret_file)
{
	bool is_stdin = !strcmp(path, "-");
	struct cli_file file = {.name = is_stdin ? "<stdin>" : path};
	int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int code;

	if (is_stdin && !take_stdin())
		return CLI_USAGE;
	if (fd < 0) {
		cli_error("cannot open %s: %s", path, strerror(errno));
		return CLI_USAGE;
	}
	code = read_all(fd,
			fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
				? (size_t)st.st_size + 1
				: 0,
			&file);
	if (!is_stdin)
		close(fd);
	if (code == CLI_GO_ON)
		*ret_file = file;
	else
		cli_file_free(&file);
	return code;
}

void cli_file_free(struct cli_file *file)
{
	free(file->text);
	file->text = NULL;
}

#define LINE_BEFORE 1024 /* bytes of a line that are shown before the place */
#define LINE_AFTER  3072 /* and from it on */

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* The offset of @column of the line that begins at @at. */
static size_t place_of(const struct cli_file *file, size_t at, int column)
{
	for (int i = 1; at < file->len && file->text[at] != '\n'; at++) {
		if (is_continuation(file->text[at]))
			continue;
		if (i++ == column)
			break;
	}
	return at;
}

static size_t line_begin(const struct cli_file *file, int line)
{
	const char *at = file->text;

	for (int i = 1; i < line && at; i++) {
		at = memchr(at, '\n', file->len - (size_t)(at - file->text));
		at += at != NULL;
	}
	return at ? (size_t)(at - file->text) : file->len;
}

/* @file is no JSON: show where. */
static void tell_syntax(const struct cli_file *file, const flo_error *err)
{
	size_t begin = line_begin(file, err->line);
	size_t place = place_of(file, begin, err->column);
	size_t from = place - begin > LINE_BEFORE ? place - LINE_BEFORE : begin;
	size_t left = file->len - from, len;
	char *line;
	flo_diagnostic d = {.file = file->name,
			    .line = err->line,
			    .column = err->column,
			    .end_column = err->column + 1,
			    .pointer = "",
			    .code = "syntax",
			    .message = err->text,
			    .hint = "",
			    .source_column = err->column};

	while (from < place && is_continuation(file->text[from]))
		from++;
	for (size_t i = from; i < place; i++)
		d.source_column -= !is_continuation(file->text[i]);
	if (left > place - from + LINE_AFTER)
		left = place - from + LINE_AFTER;
	len = strcspn(file->text + from, "\r\n");
	line = strndup(file->text + from, len < left ? len : left);
	d.source_line = line ? line : "";
	cli_print_diagnostic(stderr, &d);
	free(line);
}

int cli_file_read_map(const char *path, flo_value **ret_map)
{
	struct cli_file file = {0};
	flo_error err = FLO_ERROR_INIT;
	flo_value *map = NULL;
	int code = cli_file_read(path, &file);

	if (code != CLI_GO_ON)
		return code;
	if (flo_value_from_json(file.text, file.len, FLO_JSON_ANY, &err,
				&map)) {
		if (err.status == FLO_SYNTAX && err.line > 0)
			tell_syntax(&file, &err);
		else
			cli_print_file_error(file.name, &err);
		code = CLI_INVALID;
	} else if (flo_value_typeof(map) != FLO_VALUE_MAP) {
		cli_error("%s must hold one JSON object, names and their "
			  "values",
			  file.name);
		flo_value_unref(map);
		code = CLI_INVALID;
	} else {
		*ret_map = map;
	}
	cli_file_free(&file);
	return code;
}
