#include "cli/hint.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define PROGRAM "flowctl "

/* Set once, by the thread that begins: constant when others read it. */
static const char *store;

void cli_hint_store(const char *path)
{
	store = path;
}

void cli_put_store_option(FILE *file)
{
	if (!store)
		return;
	fputs(" --store ", file);
	cli_put_shell_word(file, store);
}

/* Whether the command at @text, of @len bytes, takes a store. */
static bool wants_store(const char *text, size_t len)
{
	const char *word = text + strlen(PROGRAM);
	size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz");
	const struct cli_verb *verb = NULL;
	char name[16];

	if (n > 0 && n < sizeof(name) && strlen(PROGRAM) + n <= len) {
		memcpy(name, word, n);
		name[n] = '\0';
		verb = cli_verb_find(name);
	}
	if (!verb || !verb->options || memmem(text, len, " --help", 7) ||
	    memmem(text, len, " --store", 8))
		return false;
	for (const struct cli_option *o = verb->options; o->name; o++)
		if (!strcmp(o->name, "store"))
			return true;
	return false;
}

/* The command in @text that comes next, and its length; NULL: there is none. */
static const char *next_command(const char *begin, const char *text,
				size_t *ret_len)
{
	for (const char *at = text; (at = strstr(at, PROGRAM)); at++) {
		const char *end = NULL;

		if (at == begin)
			end = at + strcspn(at, ";\n");
		else if (at[-1] == '`' || at[-1] == '\'')
			end = strchr(at, at[-1]);
		if (!end || !wants_store(at, (size_t)(end - at)))
			continue;
		*ret_len = (size_t)(end - at);
		return at;
	}
	return NULL;
}

/* A path that has quotes of its own would end those of the command. */
static void put_all(FILE *file, const char *text)
{
	bool quoted = cli_is_shell_quoted(store);
	const char *at = text, *command;
	size_t len;

	while ((command = next_command(text, at, &len))) {
		bool swap = quoted && command > text && command[-1] == '\'';

		fwrite(at, 1, (size_t)(command - at) - swap, file);
		fputs(swap ? "`" : "", file);
		fwrite(command, 1, len, file);
		cli_put_store_option(file);
		fputs(swap ? "`" : "", file);
		at = command + len + swap;
	}
	fputs(at, file);
}

char *cli_hint_text(const char *text)
{
	char *with = NULL;
	size_t size = 0;
	FILE *file = store && strstr(text, PROGRAM)
			     ? open_memstream(&with, &size)
			     : NULL;

	if (!file)
		return NULL;
	put_all(file, text);
	if (fclose(file) == 0)
		return with;
	free(with);
	return NULL;
}
