/* flowctl cmdb show: what a plan would change, or has. */
#include "cli/cmdb.h"
#include "cli/print.h"
#include "cli/when.h"

#include <stdio.h>
#include <string.h>

#define CHANGES_SHOWN  20
#define RECORD_COLUMNS 75 /* of a record: with its indent it fits a line */

struct show_args {
	const char *db;
	unsigned long max;
	bool all;
	bool json;
};

static const struct cli_option options[] = {
	CLI_OPTION_DB(struct show_args, db),
	{"limit", 'n', CLI_NUMBER, offsetof(struct show_args, max), "N",
	 "the first N changes (default: 20; with --json: all)"},
	{"all", 'a', CLI_FLAG, offsetof(struct show_args, all), NULL,
	 "all changes, however many, and all of each record"},
	{"json", 0, CLI_FLAG, offsetof(struct show_args, json), NULL,
	 "print the plan and then its changes, one JSON object a line"},
	{0},
};

struct show {
	bool json;
	bool whole; /* records are not cut to a line */
	struct cli_paint paint;
	long long shown;
};

/* The plan */

static void put_line(const char *name, const char *text)
{
	if (!*text)
		return;
	printf("%-9s ", name);
	cli_put_escaped(stdout, text, strlen(text), CLI_ONE_LINE);
	putchar('\n');
}

static void put_time(const char *name, const char *time)
{
	if (*time)
		printf("%-9s %s UTC, %s\n", name, cli_when_short(time).text,
		       cli_cmdb_ago(time).text);
}

static void put_decision(const flo_value *plan)
{
	const char *decision = cli_map_text(plan, "decision");
	const char *by = cli_map_text(plan, "decided_by");

	if (!*decision)
		return;
	printf("%-9s by ", decision);
	cli_put_escaped(stdout, by, strlen(by), CLI_ONE_LINE);
	printf(", %s UTC\n",
	       cli_when_short(cli_map_text(plan, "decided_at")).text);
	put_line("note", cli_map_text(plan, "note"));
}

static void put_head(const flo_value *plan)
{
	put_line("plan", cli_map_text(plan, "plan"));
	put_line("source", cli_map_text(plan, "source"));
	put_line("status", cli_map_text(plan, "status"));
	put_line("guard", cli_map_text(plan, "reason"));
	put_decision(plan);
	put_line("run", cli_map_text(plan, "run"));
	put_line("pull", cli_map_text(plan, "pull"));
	put_time("made", cli_map_text(plan, "created_at"));
	put_time("applied", cli_map_text(plan, "applied_at"));
	printf("%-9s %lld added, %lld changed, %lld removed, %lld the same\n",
	       "changes", cli_cmdb_int(plan, "added"),
	       cli_cmdb_int(plan, "changed"), cli_cmdb_int(plan, "removed"),
	       cli_cmdb_int(plan, "same"));
	putchar('\n');
}

/* Its changes */

static void put_change_json(const flo_cmdb_change *change)
{
	printf("{\"op\":\"%c\",\"key\":", change->op);
	cli_cmdb_put_json(change->key, strlen(change->key));
	fputs(",\"fields\":", stdout);
	cli_cmdb_put_json(change->fields, strlen(change->fields));
	fputs(",\"before\":", stdout);
	if (change->before)
		cli_cmdb_put_json(change->before, strlen(change->before));
	else
		fputs("null", stdout);
	fputs(",\"after\":", stdout);
	if (change->after)
		cli_cmdb_put_json(change->after, strlen(change->after));
	else
		fputs("null", stdout);
	puts("}");
}

/* What comes or goes: who decides has to see it. */
static void put_record(const char *record, bool whole)
{
	/* What a damaged file has lost is not shown. */
	if (!record)
		return;
	fputs("    ", stdout);
	if (whole)
		cli_put_escaped(stdout, record, strlen(record), CLI_ONE_LINE);
	else
		cli_cmdb_put_short(record, strlen(record), RECORD_COLUMNS);
	putchar('\n');
}

static void put_change_text(const flo_cmdb_change *change,
			    const struct show *show)
{
	const struct cli_paint *paint = &show->paint;
	bool added = change->op == 'c', removed = change->op == 'd';

	printf("%s%c ",
	       added	 ? paint->add
	       : removed ? paint->remove
			 : paint->change,
	       added	 ? '+'
	       : removed ? '-'
			 : '~');
	cli_put_escaped(stdout, change->key, strlen(change->key), CLI_ONE_LINE);
	printf("%s\n", paint->end);
	if (added || removed)
		put_record(added ? change->after : change->before, show->whole);
	else
		cli_cmdb_put_fields(change->fields, change->before,
				    change->after, paint);
}

static flo_status put_change(const flo_cmdb_change *change, void *arg)
{
	struct show *show = arg;

	show->shown++;
	if (show->json)
		put_change_json(change);
	else
		put_change_text(change, show);
	cli_check_stdout();
	return FLO_OK;
}

/* Whether a person is to decide: a guard, or plan_only, has left it to one. */
static bool waits(const flo_value *plan)
{
	const flo_value *only = flo_value_map_get(plan, "plan_only");
	const char *status = cli_map_text(plan, "status");

	if (strcmp(status, "blocked") == 0)
		return true;
	return strcmp(status, "ready") == 0 && only &&
	       flo_value_typeof(only) == FLO_VALUE_BOOL &&
	       flo_value_get_bool(only);
}

/* What the reader may do now. */
static void put_tail(const flo_value *plan, const struct show *show,
		     const char *db)
{
	const char *id = cli_map_text(plan, "plan");
	long long all = cli_cmdb_int(plan, "added") +
			cli_cmdb_int(plan, "changed") +
			cli_cmdb_int(plan, "removed");

	if (all > show->shown)
		printf("(and %lld more: --all shows them)\n",
		       all - show->shown);
	if (!waits(plan))
		return;
	printf("%sif this is right: flowctl cmdb approve %.*s%s",
	       all ? "\n" : "", CLI_CMDB_ID, id,
	       strcmp(cli_map_text(plan, "status"), "blocked") != 0 ? " --apply"
								    : "");
	cli_cmdb_put_db(db);
	printf("\nif it is not:     flowctl cmdb reject %.*s", CLI_CMDB_ID, id);
	cli_cmdb_put_db(db);
	putchar('\n');
}

static int print(flo_cmdb *cmdb, const flo_value *plan,
		 const struct show_args *args)
{
	size_t max = args->max		       ? args->max
		     : args->json || args->all ? 0
					       : CHANGES_SHOWN;
	struct show show = {.json = args->json,
			    .whole = args->all,
			    .paint = cli_cmdb_paint()};
	flo_error err = FLO_ERROR_INIT;

	if (args->json)
		cli_print_json(plan, false);
	else
		put_head(plan);
	if (flo_cmdb_changes(cmdb, cli_map_text(plan, "plan"), max, put_change,
			     &show, &err))
		return cli_cmdb_error(&err);
	if (!args->json)
		put_tail(plan, &show, args->db);
	return CLI_OK;
}

static int show(const struct show_args *args, const char *id)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *plan = NULL;
	flo_cmdb *cmdb = NULL;
	int code = cli_cmdb_open(args->db, FLO_CMDB_READ, &cmdb);

	if (code != CLI_GO_ON)
		return code;
	if (flo_cmdb_plan(cmdb, id, &err, &plan))
		code = cli_cmdb_error(&err);
	else
		code = print(cmdb, plan, args);
	flo_value_unref(plan);
	flo_cmdb_close(cmdb);
	return code;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct show_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands != 1)
		return cli_args_usage(verb, "which plan? 'flowctl cmdb plans' "
					    "lists them");
	if (args.all && args.max)
		return cli_args_usage(verb, "--all and --limit: give one");
	return show(&args, argv[0]);
}

const struct cli_verb cli_verb_cmdb_show = {
	.name = "cmdb show",
	.operands = "PLAN",
	.help = "Shows a plan: its state, why a guard has blocked it, and what "
		"it adds (+),\nremoves (-) and changes (~): the record, or "
		"each field with what it was and\nwould be. An id may be "
		"shortened while it names only one plan.",
	.examples = "flowctl cmdb show 328ca426\n"
		    "flowctl cmdb show 328ca426 --all | less\n"
		    "flowctl cmdb show 328ca426 --json",
	.options = options,
	.run = verb_run,
};
