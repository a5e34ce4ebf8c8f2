#include "cli/print.h"

#include "cli/hint.h"

#include "cli/cli.h"
#include "cli/utf8.h"

#include <flo/value.h>

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* As a JSON or C reader would write it. */
static size_t put_escape(FILE *file, uint32_t point, unsigned char byte)
{
	if (point == CLI_UTF8_BAD || point < 0x100)
		return (size_t)fprintf(file, "\\x%02x", byte);
	return (size_t)fprintf(file, "\\u{%x}", point);
}

size_t cli_put_escaped(FILE *file, const char *text, size_t len, unsigned flags)
{
	size_t columns = 0, used;

	for (size_t i = 0; i < len; i += used) {
		uint32_t point = cli_utf8_next(text + i, len - i, &used);
		int width = point == CLI_UTF8_BAD ? -1 : cli_utf8_width(point);

		if (point == '\n' || point == '\t') {
			putc(flags & CLI_ONE_LINE ? ' ' : (int)point, file);
			columns++;
		} else if (width < 0) {
			uint32_t shown = point;
			unsigned char byte = point == CLI_UTF8_BAD
						     ? (unsigned char)text[i]
						     : (unsigned char)point;

			columns += put_escape(file, shown, byte);
		} else {
			fwrite(text + i, 1, used, file);
			columns += (size_t)width;
		}
	}
	return columns;
}

/* The columns of the code point at @text, *@ret_used bytes long. */
static size_t columns_of(const char *text, size_t len, size_t *ret_used)
{
	uint32_t point = cli_utf8_next(text, len, ret_used);
	int width = point == CLI_UTF8_BAD ? -1 : cli_utf8_width(point);

	if (point == '\n' || point == '\t')
		return 1;
	if (width >= 0)
		return (size_t)width;
	return point == CLI_UTF8_BAD || point < 0x100
		       ? 4
		       : (size_t)snprintf(NULL, 0, "\\u{%x}", point);
}

size_t cli_fit(const char *text, size_t len, size_t columns)
{
	size_t at = 0, used;

	while (at < len) {
		size_t width = columns_of(text + at, len - at, &used);

		if (width > columns)
			break;
		columns -= width;
		at += used;
	}
	return at;
}

size_t cli_columns(const char *text, size_t len)
{
	size_t columns = 0, used;

	for (size_t at = 0; at < len; at += used)
		columns += columns_of(text + at, len - at, &used);
	return columns;
}

size_t cli_terminal_width(FILE *file)
{
	struct winsize size;

	return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

void cli_error(const char *format, ...)
{
	char text[4096], *hinted;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fflush(stdout);
	hinted = cli_hint_text(text);
	fputs("flowctl: ", stderr);
	cli_put_escaped(stderr, hinted ? hinted : text,
			strlen(hinted ? hinted : text), 0);
	putc('\n', stderr);
	free(hinted);
}

void cli_print_file_error(const char *file, const flo_error *err)
{
	fflush(stdout);
	cli_put_escaped(stderr, file, strlen(file), CLI_ONE_LINE);
	if (err->line > 0)
		fprintf(stderr, ":%d:%d", err->line, err->column);
	fputs(": error: ", stderr);
	cli_put_escaped(stderr, err->text, strlen(err->text), 0);
	putc('\n', stderr);
}

struct cli_span cli_duration(double ms)
{
	struct cli_span span;
	unsigned long s = (unsigned long)((ms < 0 ? 0 : ms) / 1000);

	if (ms < 0)
		snprintf(span.text, sizeof(span.text), "-");
	else if (ms < 999.5)
		snprintf(span.text, sizeof(span.text), "%.0f ms", ms);
	else if (ms < 59950)
		snprintf(span.text, sizeof(span.text), "%.1f s", ms / 1000);
	else if (s < 3600)
		snprintf(span.text, sizeof(span.text), "%lu m %02lu s", s / 60,
			 s % 60);
	else
		snprintf(span.text, sizeof(span.text), "%lu h %02lu m",
			 s / 3600, s / 60 % 60);
	return span;
}

bool cli_is_shell_quoted(const char *word)
{
	return !*word || word[strspn(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "abcdefghijklmnopqrstuvwxyz"
					   "0123456789_-./=:,+@%")];
}

void cli_put_shell_word(FILE *file, const char *word)
{
	if (!cli_is_shell_quoted(word)) {
		fputs(word, file);
		return;
	}
	putc('\'', file);
	for (;;) {
		size_t len = strcspn(word, "'");

		/* A space for a newline would make another script of it. */
		cli_put_escaped(file, word, len, 0);
		word += len;
		if (!*word)
			break;
		fputs("'\\''", file);
		word++;
	}
	putc('\'', file);
}

char *cli_shell_word(const char *word)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	if (!file)
		return NULL;
	cli_put_shell_word(file, word);
	if (fclose(file) == 0)
		return text;
	free(text);
	return NULL;
}

/*
 * Why a write of cli_put_text() failed, 0 if none did; the main thread's. A
 * text that is larger than the buffer goes past it, and then nothing is left
 * that cli_finish_stdout() could try to write once more to learn the reason.
 */
static int put_error;

void cli_put_text(const char *text)
{
	errno = 0;
	if (fputs(text, stdout) == EOF && !put_error)
		put_error = errno;
}

void cli_print_json(const flo_value *value, bool pretty)
{
	char *text = pretty ? flo_value_to_json_pretty(value)
			    : flo_value_to_json(value);

	if (!text) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	cli_put_text(text);
	cli_put_text("\n");
	flo_free(text);
	cli_check_stdout();
}

/* Nobody will read from the pipe that stdout is. */
static bool reader_has_left(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};

	return poll(&out, 1, 0) == 1 &&
	       (out.revents & (POLLERR | POLLHUP)) != 0;
}

int cli_finish_stdout(int code)
{
	int error;

	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return code;
	error = put_error ? put_error : errno;
	/* Of a write that was not cli_put_text()'s the reason is forgotten. */
	if (error == EPIPE || (error == 0 && reader_has_left()))
		return code;
	cli_error("cannot write to standard output: %s",
		  error ? strerror(error) : "an earlier write failed");
	return code == CLI_OK ? CLI_STORE : code;
}

void cli_check_stdout(void)
{
	if (ferror(stdout))
		_exit(cli_finish_stdout(CLI_OK));
}

char *cli_utf8(const char *text)
{
	size_t len = strlen(text), at = 0, used;
	char *copy = malloc(len * 3 + 1);

	for (size_t i = 0; copy && i < len; i += used) {
		uint32_t point = cli_utf8_next(text + i, len - i, &used);

		if (point == CLI_UTF8_BAD) {
			memcpy(copy + at, "\xef\xbf\xbd", 3);
			at += 3;
		} else {
			memcpy(copy + at, text + i, used);
			at += used;
		}
	}
	if (copy)
		copy[at] = '\0';
	return copy;
}

const char *cli_map_text(const flo_value *map, const char *key)
{
	const flo_value *value = map ? flo_value_map_get(map, key) : NULL;

	if (!value || flo_value_typeof(value) != FLO_VALUE_STRING)
		return "";
	return flo_value_get_string(value, NULL);
}
