#include "cli/args.h"

#include "cli/hint.h"
#include "cli/print.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 32

struct parser {
	const struct cli_verb *verb;
	int argc;
	char **argv;
	int next; /* the argument to be read */
	int operands_len;
	char *fields;
	unsigned given; /* a bit an option, by place in the table */
};

int cli_args_usage(const struct cli_verb *verb, const char *format, ...)
{
	char text[1024];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	cli_error("%s: %s\n"
		  "usage: flowctl %s%s%s\n"
		  "'flowctl %s --help' says more.",
		  verb->name, text, verb->name, *verb->operands ? " " : "",
		  verb->operands, verb->name);
	return CLI_USAGE;
}

static int unknown_option(struct parser *p, const char *name, size_t len)
{
	const char *names[OPTIONS_MAX + 2] = {0};
	char word[64];
	const char *near;
	size_t n = 0;

	for (const struct cli_option *o = p->verb->options; o->name; o++)
		names[n++] = o->name;
	names[n] = "help";
	snprintf(word, sizeof(word), "%.*s", (int)(len < 60 ? len : 60), name);
	near = cli_nearest(word, names);
	if (near)
		return cli_args_usage(p->verb,
				      "unknown option --%s, did you mean --%s?",
				      word, near);
	return cli_args_usage(p->verb, "unknown option --%s", word);
}

static int take_number(struct parser *p, const struct cli_option *option,
		       const char *value)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(value, &end, 10);
	if (value[0] < '0' || value[0] > '9' || *end || errno || number == 0 ||
	    number > UINT_MAX)
		return cli_args_usage(
			p->verb, "--%s wants a whole number from 1, not \"%s\"",
			option->name, value);
	*(unsigned long *)(void *)(p->fields + option->offset) = number;
	return CLI_GO_ON;
}

static int take_text(struct cli_texts *texts, const char *value)
{
	const char **at =
		realloc(texts->at, (texts->len + 1) * sizeof(texts->at[0]));

	if (!at) {
		cli_error("out of memory");
		return CLI_STORE;
	}
	texts->at = at;
	texts->at[texts->len++] = value;
	return CLI_GO_ON;
}

/* @value is what follows "=", or NULL. */
static int take_option(struct parser *p, const struct cli_option *option,
		       const char *value)
{
	unsigned bit = 1u << (option - p->verb->options);
	void *field = p->fields + option->offset;

	if ((p->given & bit) && option->kind != CLI_TEXTS)
		return cli_args_usage(p->verb, "--%s is given twice",
				      option->name);
	p->given |= bit;
	if (option->kind == CLI_FLAG) {
		if (value)
			return cli_args_usage(p->verb, "--%s takes no value",
					      option->name);
		*(bool *)field = true;
		return CLI_GO_ON;
	}
	if (!value && p->next < p->argc)
		value = p->argv[p->next++];
	if (!value)
		return cli_args_usage(p->verb, "--%s wants a value: %s",
				      option->name, option->operand);
	if (option->kind == CLI_NUMBER)
		return take_number(p, option, value);
	if (option->kind == CLI_TEXTS)
		return take_text(field, value);
	*(const char **)field = value;
	if (!strcmp(option->name, "store"))
		cli_hint_store(value);
	return CLI_GO_ON;
}

static int take_long(struct parser *p, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);

	for (const struct cli_option *o = p->verb->options; o->name; o++)
		if (strlen(o->name) == len && !strncmp(o->name, word, len))
			return take_option(p, o, equals ? equals + 1 : NULL);
	if (!strcmp(word, "help")) {
		cli_help_verb(p->verb);
		return CLI_OK;
	}
	return unknown_option(p, word, len);
}

static int take_short(struct parser *p, const char *word)
{
	for (const struct cli_option *o = p->verb->options; o->name; o++) {
		if (o->letter != word[0])
			continue;
		if (o->kind == CLI_FLAG && word[1])
			return cli_args_usage(p->verb, "-%c takes no value",
					      word[0]);
		return take_option(p, o, word[1] ? word + 1 : NULL);
	}
	if (!strcmp(word, "h")) {
		cli_help_verb(p->verb);
		return CLI_OK;
	}
	if (word[0] >= '0' && word[0] <= '9')
		return cli_args_usage(p->verb,
				      "unknown option -%s (an operand that "
				      "begins with \"-\" goes after --)",
				      word);
	return cli_args_usage(p->verb, "unknown option -%s", word);
}

static int take_argument(struct parser *p, bool *only_operands)
{
	char *word = p->argv[p->next++];

	if (*only_operands || word[0] != '-' || word[1] == '\0') {
		p->argv[p->operands_len++] = word;
		return CLI_GO_ON;
	}
	if (!strcmp(word, "--")) {
		*only_operands = true;
		return CLI_GO_ON;
	}
	return word[1] == '-' ? take_long(p, word + 2)
			      : take_short(p, word + 1);
}

int cli_args_parse(const struct cli_verb *verb, int argc, char **argv,
		   void *fields, int *ret_operands)
{
	struct parser p = {.verb = verb,
			   .argc = argc,
			   .argv = argv,
			   .fields = fields};
	bool only_operands = false;
	int code = CLI_GO_ON;

	while (p.next < p.argc && code == CLI_GO_ON)
		code = take_argument(&p, &only_operands);
	if (code == CLI_GO_ON) {
		argv[p.operands_len] = NULL;
		*ret_operands = p.operands_len;
	}
	return code;
}

void cli_texts_free(struct cli_texts *texts)
{
	free(texts->at);
	texts->at = NULL;
	texts->len = 0;
}
