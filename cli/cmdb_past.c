/* flowctl cmdb history, at: what records were, and when. */
#include "cli/cmdb.h"
#include "cli/print.h"
#include "cli/when.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct past_args {
	const char *db;
	bool json;
};

static const struct cli_option history_options[] = {
	CLI_OPTION_DB(struct past_args, db),
	{"json", 0, CLI_FLAG, offsetof(struct past_args, json), NULL,
	 "print one JSON object a line"},
	{0},
};

static const struct cli_option at_options[] = {
	CLI_OPTION_DB(struct past_args, db),
	{"json", 0, CLI_FLAG, offsetof(struct past_args, json), NULL,
	 "print each record with its key and its times"},
	{0},
};

struct past {
	bool json;
	struct cli_paint paint;
	size_t len;
	char *last; /* the record of the version before; owned */
	int64_t last_to;
};

static void put_version_json(const flo_cmdb_version *version, bool history)
{
	fputs("{\"key\":", stdout);
	cli_cmdb_put_json(version->key, strlen(version->key));
	cli_cmdb_put_time("valid_from", version->valid_from_us);
	cli_cmdb_put_time("valid_to", version->valid_to_us);
	printf(",\"plan\":\"%s\"", version->plan);
	if (history) {
		const char *fields = version->fields ? version->fields : "null";

		fputs(",\"fields\":", stdout);
		cli_cmdb_put_json(fields, strlen(fields));
	}
	fputs(",\"record\":", stdout);
	cli_cmdb_put_json(version->record, strlen(version->record));
	puts("}");
}

/* History */

struct moment {
	char text[32];
};

static struct moment moment_of(int64_t us)
{
	int64_t s = us / 1000000 - (us % 1000000 < 0);
	struct moment moment = {"?"};
	time_t time = (time_t)s;
	struct tm tm;

	if (gmtime_r(&time, &tm))
		strftime(moment.text, sizeof(moment.text), "%Y-%m-%d %H:%M:%S",
			 &tm);
	return moment;
}

static void put_when(const char *sign, int64_t us, const char *what)
{
	printf("%s%s UTC  %s", sign, moment_of(us).text, what);
}

static void put_removed(const struct past *past)
{
	put_when(past->paint.remove, past->last_to, "- removed");
	printf("%s\n", past->paint.end);
}

static void put_version_text(struct past *past, const flo_cmdb_version *version)
{
	if (past->last && !version->fields)
		put_removed(past);
	if (version->fields) {
		put_when(past->paint.change, version->valid_from_us,
			 "~ changed");
		printf("%s\n", past->paint.end);
		cli_cmdb_put_fields(version->fields, past->last,
				    version->record, &past->paint);
	} else {
		put_when(past->paint.add, version->valid_from_us, "+ added");
		printf("%s\n    ", past->paint.end);
		cli_put_escaped(stdout, version->record,
				strlen(version->record), CLI_ONE_LINE);
		putchar('\n');
	}
}

static flo_status put_history(const flo_cmdb_version *version, void *arg)
{
	struct past *past = arg;

	past->len++;
	if (past->json) {
		put_version_json(version, true);
	} else {
		put_version_text(past, version);
		free(past->last);
		past->last = strdup(version->record);
		past->last_to = version->valid_to_us;
		if (!past->last)
			return FLO_NOMEM;
	}
	cli_check_stdout();
	return FLO_OK;
}

static int history(const struct past_args *args, const char *source,
		   const char *key)
{
	struct past past = {.json = args->json, .paint = cli_cmdb_paint()};
	flo_error err = FLO_ERROR_INIT;
	flo_cmdb *cmdb = NULL;
	int code = cli_cmdb_open(args->db, FLO_CMDB_READ, &cmdb);

	if (code != CLI_GO_ON)
		return code;
	code = CLI_OK;
	if (flo_cmdb_history(cmdb, source, key, put_history, &past, &err))
		code = cli_cmdb_error(&err);
	else if (!args->json && past.last && past.last_to)
		put_removed(&past);
	free(past.last);
	flo_cmdb_close(cmdb);
	return code;
}

static int run_history(const struct cli_verb *verb, int argc, char **argv)
{
	struct past_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands != 2)
		return cli_args_usage(verb, "which source and which key?");
	return history(&args, argv[0], argv[1]);
}

/* At a time */

static flo_status put_at(const flo_cmdb_version *version, void *arg)
{
	struct past *past = arg;

	past->len++;
	if (past->json) {
		put_version_json(version, false);
	} else {
		cli_cmdb_put_json(version->record, strlen(version->record));
		putchar('\n');
	}
	cli_check_stdout();
	return FLO_OK;
}

/* When the first plan of @source was applied, as RFC 3339; "" if none was. */
static const char *first_apply(const flo_value *plans)
{
	const char *first = "";

	for (size_t i = 0; i < flo_value_len(plans); i++) {
		const char *time =
			cli_map_text(flo_value_list_at(plans, i), "applied_at");

		if (*time && (!*first || strcmp(time, first) < 0))
			first = time;
	}
	return first;
}

/* A time before there was anything is often another than was meant. */
static void say_nothing_held(flo_cmdb *cmdb, const char *source, bool keyed,
			     int64_t us)
{
	const struct flo_cmdb_plans_options options = {.source = source};
	flo_value *plans = NULL;
	const char *first = "";
	int64_t first_us = 0;

	if (flo_cmdb_plans(cmdb, &options, NULL, &plans) == FLO_OK)
		first = first_apply(plans);
	if (*first && (flo_cmdb_time(first, NULL, &first_us) || us >= first_us))
		first = "";
	cli_error("%s held nothing%s at %s UTC%s%s%s", source,
		  keyed ? " under that key" : "", moment_of(us).text,
		  *first ? "; its first apply was at " : "",
		  *first ? cli_when_short(first).text : "",
		  *first ? " UTC" : "");
	flo_value_unref(plans);
}

/* What will be nobody knows. */
static void say_if_to_come(const char *source, int64_t us)
{
	int64_t now = 0;

	if (flo_cmdb_time("now", NULL, &now) == FLO_OK && us > now)
		cli_error("warning: %s UTC is still to come: this is what %s "
			  "holds now",
			  moment_of(us).text, source);
}

static int at(const struct past_args *args, const char *time,
	      const char *source, const char *key)
{
	struct past past = {.json = args->json};
	flo_error err = FLO_ERROR_INIT;
	flo_cmdb *cmdb = NULL;
	int64_t us = 0;
	int code;

	if (flo_cmdb_time(time, &err, &us))
		return cli_cmdb_error(&err);
	code = cli_cmdb_open(args->db, FLO_CMDB_READ, &cmdb);
	if (code != CLI_GO_ON)
		return code;
	code = CLI_OK;
	if (flo_cmdb_at(cmdb, source, key, us, put_at, &past, &err))
		code = cli_cmdb_error(&err);
	else if (past.len == 0)
		say_nothing_held(cmdb, source, key != NULL, us);
	else
		say_if_to_come(source, us);
	flo_cmdb_close(cmdb);
	return code;
}

static int run_at(const struct cli_verb *verb, int argc, char **argv)
{
	struct past_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands != 2 && operands != 3)
		return cli_args_usage(verb, "which time and which source?");
	return at(&args, argv[0], argv[1], argv[2]);
}

const struct cli_verb cli_verb_cmdb_history = {
	.name = "cmdb history",
	.operands = "SOURCE KEY",
	.help = "Shows the versions of a record, the oldest first: when it was "
		"added, when which\nfields changed and how, when it was removed. "
		"KEY is the JSON array of the key's\nparts; of a key of one part, "
		"that part.",
	.examples = "flowctl cmdb history vm web-1\n"
		    "flowctl cmdb history subnets '[\"eu\", \"10.0.0.0/8\"]' "
		    "--json",
	.options = history_options,
	.run = run_history,
};

const struct cli_verb cli_verb_cmdb_at = {
	.name = "cmdb at",
	.operands = "TIME SOURCE [KEY]",
	.help = "Prints what a source held at a time: a record a line, as JSON, "
		"in the order of the\nkeys. TIME is a day (its beginning), "
		"\"2026-11-22 12:00\" (UTC), RFC 3339,\n\"2h\" or \"2h ago\", "
		"\"2 days ago\", \"yesterday\" and \"today\" (their beginnings "
		"in\nUTC), \"@1795385000\" or \"now\". Of a time to come it "
		"prints what is held now.",
	.examples = "flowctl cmdb at 2026-11-22 vm\n"
		    "flowctl cmdb at '2h ago' vm web-1\n"
		    "flowctl cmdb at 2026-11-22T12:00:00+01:00 vm --json",
	.options = at_options,
	.run = run_at,
};
