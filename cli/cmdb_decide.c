/* flowctl cmdb approve, reject: a person's word on a plan. */
#include "cli/cmdb.h"
#include "cli/print.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct decide_args {
	const char *db;
	const char *by;
	const char *note;
	bool apply;
	bool json;
};

#define COMMON_OPTIONS                                                         \
	CLI_OPTION_DB(struct decide_args, db),                                 \
		{"by",	   0,                                                  \
		 CLI_TEXT, offsetof(struct decide_args, by),                   \
		 "NAME",   "who decides (default: your user name)"},           \
		{"note",   0,                                                  \
		 CLI_TEXT, offsetof(struct decide_args, note),                 \
		 "TEXT",   "why; it is kept with the plan"},                   \
		{"json",   0,                                                  \
		 CLI_FLAG, offsetof(struct decide_args, json),                 \
		 NULL,	   "print the plan as a JSON object"},                 \
	{                                                                      \
		0                                                              \
	}

static const struct cli_option approve_options[] = {
	{"apply", 0, CLI_FLAG, offsetof(struct decide_args, apply), NULL,
	 "apply the plan, too"},
	COMMON_OPTIONS,
};

static const struct cli_option reject_options[] = {COMMON_OPTIONS};

/* Who we are to others: no variable of the environment can say otherwise. */
static const char *own_name(char *number, size_t size)
{
	const struct passwd *user = getpwuid(getuid());

	if (user && user->pw_name[0])
		return user->pw_name;
	snprintf(number, size, "uid %u", (unsigned)getuid());
	return number;
}

/* The way from an approved plan to the state, or past one that is out of date,
 * leads over the run that made it. */
static void say_next(const flo_value *plan, const char *db)
{
	const flo_value *guards = flo_value_map_get(plan, "guards");

	if (strcmp(cli_map_text(plan, "status"), "approved") != 0)
		return;
	if (guards && flo_value_len(guards) > 0)
		printf("go on with its run:  flowctl rerun %s --failed\n",
		       cli_map_text(plan, "run"));
	printf("apply it by itself:  flowctl cmdb approve %.*s --apply",
	       CLI_CMDB_ID, cli_map_text(plan, "plan"));
	cli_cmdb_put_db(db);
	putchar('\n');
}

static int refused(flo_cmdb *cmdb, const char *id, const flo_error *err)
{
	int code = cli_cmdb_error(err);
	flo_value *plan = NULL;

	if (err->status == FLO_FAILED &&
	    flo_cmdb_plan(cmdb, id, NULL, &plan) == FLO_OK)
		cli_error("to pull and diff again: flowctl rerun %s",
			  cli_map_text(plan, "run"));
	flo_value_unref(plan);
	return code;
}

static void print(const flo_value *plan, const char *how)
{
	printf("plan %.*s of ", CLI_CMDB_ID, cli_map_text(plan, "plan"));
	cli_put_escaped(stdout, cli_map_text(plan, "source"),
			strlen(cli_map_text(plan, "source")), CLI_ONE_LINE);
	printf(" %s: %lld added, %lld changed, %lld removed\n", how,
	       cli_cmdb_int(plan, "added"), cli_cmdb_int(plan, "changed"),
	       cli_cmdb_int(plan, "removed"));
}

/* Of what has been decided so before: by whom. */
static void print_before(const flo_value *plan)
{
	const char *by = cli_map_text(plan, "decided_by");

	printf("plan %.*s was %s before, by ", CLI_CMDB_ID,
	       cli_map_text(plan, "plan"), cli_map_text(plan, "decision"));
	cli_put_escaped(stdout, by, strlen(by), CLI_ONE_LINE);
	putchar('\n');
}

/* *@ret_plan is replaced by what the plan is then. */
static int apply(flo_cmdb *cmdb, flo_value **ret_plan, bool *ret_applied)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *plan = NULL;

	if (flo_cmdb_apply(cmdb, cli_map_text(*ret_plan, "plan"), &err,
			   ret_applied) ||
	    flo_cmdb_plan(cmdb, cli_map_text(*ret_plan, "plan"), &err, &plan))
		return refused(cmdb, cli_map_text(*ret_plan, "plan"), &err);
	flo_value_unref(*ret_plan);
	*ret_plan = plan;
	return CLI_GO_ON;
}

/* Say what was decided; *@ret_plan is what the plan is then. What the command
 * line has may be no UTF-8, and the file has nothing else. */
static int decide(flo_cmdb *cmdb, const struct decide_args *args,
		  const char *id, flo_cmdb_word word, flo_value **ret_plan)
{
	char number[32];
	char *by = cli_utf8(args->by ? args->by
				     : own_name(number, sizeof(number)));
	char *note = args->note ? cli_utf8(args->note) : NULL;
	flo_error err = FLO_ERROR_INIT;
	bool before = false;
	int code = CLI_GO_ON;

	if (!by || (args->note && !note)) {
		cli_error("out of memory");
		code = CLI_STORE;
	} else if (flo_cmdb_decide(cmdb, id, word, by, note, &err, ret_plan,
				   &before)) {
		code = refused(cmdb, id, &err);
	} else if (!args->json && before) {
		print_before(*ret_plan);
	} else if (!args->json) {
		print(*ret_plan,
		      word == FLO_CMDB_APPROVE ? "approved" : "rejected");
	}
	free(by);
	free(note);
	return code;
}

static int decide_and_apply(flo_cmdb *cmdb, const struct decide_args *args,
			    const char *id, flo_cmdb_word word)
{
	flo_value *plan = NULL;
	bool applied = false;
	int code = decide(cmdb, args, id, word, &plan);

	if (code == CLI_GO_ON && args->apply) {
		code = apply(cmdb, &plan, &applied);
		if (code == CLI_GO_ON && !args->json)
			print(plan, applied ? "applied" : "was applied before");
	}
	if (code == CLI_GO_ON) {
		if (args->json)
			cli_print_json(plan, false);
		else
			say_next(plan, args->db);
		code = CLI_OK;
	}
	flo_value_unref(plan);
	return code;
}

static int run(const struct cli_verb *verb, int argc, char **argv,
	       flo_cmdb_word word)
{
	struct decide_args args = {0};
	flo_cmdb *cmdb = NULL;
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands != 1)
		return cli_args_usage(verb, "which plan? 'flowctl cmdb plans "
					    "--blocked' lists them");
	if (args.by && !*args.by)
		return cli_args_usage(verb, "--by wants a name");
	code = cli_cmdb_open(args.db, FLO_CMDB_WRITE, &cmdb);
	if (code == CLI_GO_ON)
		code = decide_and_apply(cmdb, &args, argv[0], word);
	flo_cmdb_close(cmdb);
	return code;
}

static int run_approve(const struct cli_verb *verb, int argc, char **argv)
{
	return run(verb, argc, argv, FLO_CMDB_APPROVE);
}

static int run_reject(const struct cli_verb *verb, int argc, char **argv)
{
	return run(verb, argc, argv, FLO_CMDB_REJECT);
}

const struct cli_verb cli_verb_cmdb_approve = {
	.name = "cmdb approve",
	.operands = "PLAN",
	.help = "Releases a plan that a guard has blocked: this plan, and only "
		"while its source is\nas it was when the plan was made. The run "
		"that stopped there goes on with\n'flowctl rerun RUN --failed', "
		"which applies it and does what comes after; --apply\ndoes that "
		"part at once.",
	.examples = "flowctl cmdb approve 328ca426\n"
		    "flowctl cmdb approve 328ca426 --note 'a site was closed'\n"
		    "flowctl cmdb approve 328ca426 --apply",
	.options = approve_options,
	.run = run_approve,
};

const struct cli_verb cli_verb_cmdb_reject = {
	.name = "cmdb reject",
	.operands = "PLAN",
	.help = "Sees to it that a plan is never applied, and keeps who said "
		"so and why. It can\nstill be looked at. A later pull makes a "
		"plan of its own.",
	.examples = "flowctl cmdb reject 328ca426 --note 'the API was down'",
	.options = reject_options,
	.run = run_reject,
};
