/*
 * What the verbs of flowctl share: their table, exit codes and options.
 *
 * A verb is a file: its options, its help and its function. It returns the
 * exit code of the program. Everything in cli/ uses the library's public
 * headers only.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <stdbool.h>
#include <stddef.h>

/* Exit codes; docs/cli.md says when. */
enum cli_code {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_USAGE = 2,
	CLI_INVALID = 3,
	CLI_STORE = 4, /* the store, or the machine around it */
	CLI_INTERRUPTED = 5,
	CLI_CANCELLED = 6,
	CLI_SIGNALLED = 128, /* + the signal that asked to stop */
	CLI_GO_ON = -1,	     /* no exit code yet */
};

enum cli_option_kind {
	CLI_FLAG,   /* bool */
	CLI_TEXT,   /* const char *; NULL if it is not given */
	CLI_TEXTS,  /* struct cli_texts: may be given again */
	CLI_NUMBER, /* unsigned long, at least 1; 0 if it is not given */
};

struct cli_texts {
	const char **at; /* owned; the strings are argv's */
	size_t len;
};

struct cli_option {
	const char *name; /* without the dashes; NULL ends a table */
	char letter;	  /* or 0 */
	enum cli_option_kind kind;
	size_t offset;	     /* of the field in the verb's struct */
	const char *operand; /* how help names the value */
	const char *help;
};

struct cli_verb {
	const char *name;
	const char *summary; /* for the list of verbs */
	const char *operands;
	const char *help; /* paragraphs after the usage line */
	const char *examples;
	const struct cli_option *options;
	int (*run)(const struct cli_verb *verb, int argc, char **argv);
};

extern const struct cli_verb cli_verb_run;
extern const struct cli_verb cli_verb_validate;
extern const struct cli_verb cli_verb_plan;
extern const struct cli_verb cli_verb_graph;
extern const struct cli_verb cli_verb_eval;
extern const struct cli_verb cli_verb_schema;
extern const struct cli_verb cli_verb_runs;
extern const struct cli_verb cli_verb_show;
extern const struct cli_verb cli_verb_events;
extern const struct cli_verb cli_verb_logs;
extern const struct cli_verb cli_verb_resume;
extern const struct cli_verb cli_verb_rerun;
extern const struct cli_verb cli_verb_cancel;
extern const struct cli_verb cli_verb_prune;
extern const struct cli_verb cli_verb_doctor;
extern const struct cli_verb cli_verb_cmdb;
extern const struct cli_verb cli_verb_version;
extern const struct cli_verb cli_verb_help;

/* The table of verbs; a verb without a name ends it. */
extern const struct cli_verb *const cli_verbs[];

/* NULL if there is none of that name. */
const struct cli_verb *cli_verb_find(const char *name);

/* The same of the commands of `flowctl cmdb`: "plans", not "cmdb plans". */
const struct cli_verb *cli_cmdb_find(const char *name);

/* The name among @names (NULL ends them) that @word was likely meant to be,
 * or NULL. */
const char *cli_nearest(const char *word, const char *const *names);

/* The list of verbs, or what `flowctl VERB --help` prints, to stdout. */
void cli_help_overview(void);
void cli_help_verb(const struct cli_verb *verb);

#endif
