/*
 * What the verbs of `flowctl cmdb` share: the file that they work on, and how
 * its JSON is shown.
 */
#ifndef CLI_CMDB_H
#define CLI_CMDB_H

#include "cli/args.h"

#include <flo/cmdb.h>

extern const struct cli_verb cli_verb_cmdb_sources;
extern const struct cli_verb cli_verb_cmdb_plans;
extern const struct cli_verb cli_verb_cmdb_show;
extern const struct cli_verb cli_verb_cmdb_approve;
extern const struct cli_verb cli_verb_cmdb_reject;
extern const struct cli_verb cli_verb_cmdb_history;
extern const struct cli_verb cli_verb_cmdb_at;

#define CLI_OPTION_DB(type, field)                                             \
	{                                                                      \
		"db", 0, CLI_TEXT, offsetof(type, field), "FILE",              \
			"the CMDB's file (default: $FLOW_CMDB, else cmdb.db)"  \
	}

/*
 * Open the CMDB at @path (NULL: the default). CLI_GO_ON, else the exit code
 * after the error was printed.
 */
int cli_cmdb_open(const char *path, flo_cmdb_mode mode, flo_cmdb **ret_cmdb);

/* Print a failure. The exit code: 1 refused, 2 no such thing, 4 the file. */
int cli_cmdb_error(const flo_error *err);

/* Ids are shown so far, and found by that. */
#define CLI_CMDB_ID 12

/*
 * Write JSON text that is not ours to stdout, exactly, as strings in it can say
 * what a terminal would act on by an escape.
 */
void cli_cmdb_put_json(const char *json, size_t len);
/* The same on one line of at most @columns, cut with "...". */
void cli_cmdb_put_short(const char *json, size_t len, size_t columns);

/* Write ", " and "KEY": and a time, or null for 0. */
void cli_cmdb_put_time(const char *key, int64_t us);

/* " --db FILE" as a shell takes it, where a command that is to be typed needs
 * it: NULL needs nothing. */
void cli_cmdb_put_db(const char *db);

/* A number in a map, or 0. */
long long cli_cmdb_int(const flo_value *map, const char *key);

/* "3 m ago" for a time as values have it, "-" for none. */
struct cli_ago {
	char text[40];
};
struct cli_ago cli_cmdb_ago(const char *rfc3339);

/* Write @text in a column of @width, and two spaces. */
void cli_cmdb_put_cell(const char *text, int width);
/* The columns that the texts under @key of the maps in @list take; 40 at most. */
int cli_cmdb_width(const flo_value *list, const char *key);

/* What colours there are: "" where there are none. */
struct cli_paint {
	const char *add, *remove, *change, *bold, *end;
};
struct cli_paint cli_cmdb_paint(void);

/* Say for each of the pointers in @fields, a JSON array, what it was and is. */
void cli_cmdb_put_fields(const char *fields, const char *before,
			 const char *after, const struct cli_paint *paint);

#endif
