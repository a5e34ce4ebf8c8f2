#include "cli/plan_p.h"

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/utf8.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void cli_put_indent(const struct cli_plan_text *out, size_t indent)
{
	fprintf(out->file, "%*s", (int)indent, "");
}

/* Print at most @room columns of @text, in one line. */
size_t cli_put_cut(const struct cli_plan_text *out, const char *text,
		   size_t len, size_t room)
{
	size_t fits;

	if (cli_columns(text, len) <= room)
		return cli_put_escaped(out->file, text, len, CLI_ONE_LINE);
	fits = cli_fit(text, len, room > 3 ? room - 3 : 0);
	fits = cli_put_escaped(out->file, text, fits, CLI_ONE_LINE);
	fputs("...", out->file);
	return fits + 3;
}

size_t cli_room_of(const struct cli_plan_text *out, size_t indent)
{
	return out->width > indent + 20 ? out->width - indent : 20;
}

void cli_phrase(struct cli_phrases *p, const char *format, ...)
{
	const struct cli_plan_text *out = p->out;
	char *text;
	size_t columns;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	columns = cli_columns(text, (size_t)len);
	if (p->column != 0 && p->column + 2 + columns > out->width) {
		fputs(",\n", out->file);
		p->column = 0;
	} else if (p->column != 0) {
		fputs(", ", out->file);
		p->column += 2;
	}
	if (p->column == 0) {
		cli_put_indent(out, p->indent);
		p->column = p->indent;
	}
	p->column += cli_put_cut(out, text, (size_t)len,
				 cli_room_of(out, p->indent));
	free(text);
}

void cli_phrases_end(struct cli_phrases *p)
{
	if (p->column != 0)
		putc('\n', p->out->file);
	p->column = 0;
}

/* ---- values as text ---- */

/* A string as it is, anything else as JSON; memory for flo_free(). */
char *cli_text_of(const flo_value *value)
{
	char *text = flo_value_to_json(value);
	size_t len;

	if (!text) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	if (flo_value_typeof(value) == FLO_VALUE_STRING) {
		const char *raw = flo_value_get_string(value, &len);

		/* JSON's quotes leave room for the same without them. */
		memmove(text, raw, strlen(raw) + 1);
	}
	return text;
}

size_t cli_len_of(const flo_value *value)
{
	return value ? flo_value_len(value) : 0;
}

int64_t cli_int_of(const flo_value *map, const char *key, int64_t none)
{
	const flo_value *value = flo_value_map_get(map, key);

	return value && flo_value_typeof(value) == FLO_VALUE_INT
		       ? flo_value_get_int(value)
		       : none;
}

/* "a, b, c" of a list of strings; memory for free(). */
char *cli_joined(const flo_value *list)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	for (size_t i = 0; file && i < cli_len_of(list); i++)
		fprintf(file, "%s%s", i ? ", " : "",
			flo_value_get_string(flo_value_list_at(list, i), NULL));
	if (!file || fclose(file)) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	return text;
}

void cli_phrase_list(struct cli_phrases *p, const char *word,
		     const flo_value *list)
{
	char *names = cli_joined(list);

	cli_phrase(p, "%s %s", word, names);
	free(names);
}

void cli_phrase_value(struct cli_phrases *p, const flo_value *map,
		      const char *key)
{
	const flo_value *value = flo_value_map_get(map, key);
	char *text;

	if (!value)
		return;
	text = cli_text_of(value);
	cli_phrase(p, "%s %s", key, text);
	flo_free(text);
}

static void put_command(const flo_value *step, FILE *file)
{
	const flo_value *exec = flo_value_map_get(step, "exec");
	const flo_value *with = flo_value_map_get(step, "with");
	const char *sh = cli_map_text(step, "sh");
	int line = (int)strcspn(sh, "\n");
	char *text;

	for (size_t i = 0; i < cli_len_of(exec); i++) {
		fputs(i ? " " : "exec ", file);
		cli_put_shell_word(
			file,
			flo_value_get_string(flo_value_list_at(exec, i), NULL));
	}
	if (flo_value_map_get(step, "sh"))
		fprintf(file, "sh %.*s%s", line, sh,
			sh[line] && sh[line + 1] ? " ..." : "");
	if (flo_value_map_get(step, "use"))
		fprintf(file, "use %s ", cli_map_text(step, "use"));
	if (with) {
		text = cli_text_of(with);
		fputs(text, file);
		flo_free(text);
	}
}

/* The command as a shell would take it; memory for free(). */
char *cli_command_of(const flo_value *step)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	if (file)
		put_command(step, file);
	if (!file || fclose(file)) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	return text;
}
