/* flowctl cmdb plans: what diffs have found, newest first. */
#include "cli/cmdb.h"
#include "cli/print.h"

#include <stdio.h>
#include <string.h>

#define PLANS_SHOWN 20

struct plans_args {
	const char *db;
	const char *source;
	unsigned long max;
	bool blocked;
	bool all;
	bool json;
};

static const struct cli_option options[] = {
	CLI_OPTION_DB(struct plans_args, db),
	{"source", 's', CLI_TEXT, offsetof(struct plans_args, source), "SOURCE",
	 "plans of that source"},
	{"blocked", 0, CLI_FLAG, offsetof(struct plans_args, blocked), NULL,
	 "only those that wait for a person"},
	{"number", 'n', CLI_NUMBER, offsetof(struct plans_args, max), "N",
	 "the newest N (default: 20; with --json: all)"},
	{"all", 'a', CLI_FLAG, offsetof(struct plans_args, all), NULL,
	 "all, however many"},
	{"json", 0, CLI_FLAG, offsetof(struct plans_args, json), NULL,
	 "print one JSON object a line"},
	{0},
};

/* The age, and behind it the guards that are broken: "removed,key_field". */
static void put_age(const flo_value *plan)
{
	const flo_value *guards = flo_value_map_get(plan, "guards");
	size_t len = guards ? flo_value_len(guards) : 0;

	printf("%-*s", len ? 13 : 0,
	       cli_cmdb_ago(cli_map_text(plan, "created_at")).text);
	for (size_t i = 0; i < len; i++)
		printf("%s%s", i ? "," : "  ",
		       flo_value_get_string(flo_value_list_at(guards, i),
					    NULL));
	putchar('\n');
}

static void print_row(const flo_value *plan, int width,
		      const struct cli_paint *paint)
{
	const char *status = cli_map_text(plan, "status");
	bool waits = !strcmp(status, "blocked");

	printf("%.*s  ", CLI_CMDB_ID, cli_map_text(plan, "plan"));
	cli_cmdb_put_cell(cli_map_text(plan, "source"), width);
	printf("%s%-8s%s  ", waits ? paint->change : "", status,
	       waits ? paint->end : "");
	printf("%8lld  %8lld  %8lld  ", cli_cmdb_int(plan, "added"),
	       cli_cmdb_int(plan, "changed"), cli_cmdb_int(plan, "removed"));
	put_age(plan);
	cli_check_stdout();
}

static void print_table(const flo_value *plans)
{
	struct cli_paint paint = cli_cmdb_paint();
	int width = cli_cmdb_width(plans, "source");

	printf("%-*s  %-*s  %-8s  %8s  %8s  %8s  %-13s  %s\n", CLI_CMDB_ID,
	       "PLAN", width, "SOURCE", "STATUS", "ADDED", "CHANGED", "REMOVED",
	       "AGE", "GUARDS");
	for (size_t i = 0; i < flo_value_len(plans); i++)
		print_row(flo_value_list_at(plans, i), width, &paint);
}

static void print(const flo_value *plans, const struct plans_args *args)
{
	size_t len = flo_value_len(plans);

	if (args->json)
		for (size_t i = 0; i < len; i++)
			cli_print_json(flo_value_list_at(plans, i), false);
	else if (len == 0)
		cli_error(args->blocked
				  ? "no plan is blocked"
				  : "no plans yet: a cmdb.diff makes one");
	else
		print_table(plans);
}

static int list(const struct plans_args *args)
{
	struct flo_cmdb_plans_options which = {
		.source = args->source,
		.blocked = args->blocked,
		.max = args->max		 ? args->max
		       : args->json || args->all ? 0
						 : PLANS_SHOWN,
	};
	flo_error err = FLO_ERROR_INIT;
	flo_value *plans = NULL;
	flo_cmdb *cmdb = NULL;
	int code = cli_cmdb_open(args->db, FLO_CMDB_READ, &cmdb);

	if (code != CLI_GO_ON)
		return code;
	code = CLI_OK;
	if (flo_cmdb_plans(cmdb, &which, &err, &plans))
		code = cli_cmdb_error(&err);
	else
		print(plans, args);
	flo_value_unref(plans);
	flo_cmdb_close(cmdb);
	return code;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct plans_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands > 0)
		return cli_args_usage(verb, "takes no operand: \"%s\"",
				      argv[0]);
	if (args.all && args.max)
		return cli_args_usage(verb, "--all and --number: give one");
	return list(&args);
}

const struct cli_verb cli_verb_cmdb_plans = {
	.name = "cmdb plans",
	.operands = "",
	.help = "Lists plans, newest first. A plan is \"ready\"; \"blocked\" by "
		"a guard until a\nperson approves it; \"approved\"; \"rejected\"; "
		"\"applied\"; or \"outdated\", as its\nsource has changed since.",
	.examples = "flowctl cmdb plans --blocked\n"
		    "flowctl cmdb plans --source vm -n 5\n"
		    "flowctl cmdb plans --json",
	.options = options,
	.run = verb_run,
};
