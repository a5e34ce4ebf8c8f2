/* flowctl prune: delete runs that have ended. */
#include "cli/args.h"
#include "cli/print.h"
#include "cli/store.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define STATUS_MAX 8

struct prune_args {
	const char *store;
	const char *older_than;
	const char *keep;
	const char *status;
	bool sweep;
	bool dry_run;
	bool json;
};

static const struct cli_option options[] = {
	{"older-than", 0, CLI_TEXT, offsetof(struct prune_args, older_than),
	 "DURATION", "that ended longer ago than that: 12h, 30d"},
	{"keep", 0, CLI_TEXT, offsetof(struct prune_args, keep), "N",
	 "but not the newest N (with such a status)"},
	{"status", 0, CLI_TEXT, offsetof(struct prune_args, status),
	 "STATUS,...", "that ended so: succeeded, failed, cancelled"},
	{"sweep", 0, CLI_FLAG, offsetof(struct prune_args, sweep), NULL,
	 "delete no run, only what crashes have left behind"},
	{"dry-run", 'n', CLI_FLAG, offsetof(struct prune_args, dry_run), NULL,
	 "change nothing, print what would be deleted"},
	CLI_OPTION_STORE(struct prune_args, store),
	{"json", 0, CLI_FLAG, offsetof(struct prune_args, json), NULL,
	 "print one JSON object"},
	{0},
};

/* --- what was asked --- */

static int read_keep(const struct cli_verb *verb, const char *text,
		     struct flo_prune_options *prune)
{
	char *end;

	if (!text)
		return CLI_GO_ON;
	errno = 0;
	prune->keeps = true;
	prune->keep = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end || errno)
		return cli_args_usage(verb,
				      "--keep wants a whole number, not \"%s\"",
				      text);
	return CLI_GO_ON;
}

/* Cut @text at its commas. @names has room for STATUS_MAX and a NULL. */
static int read_status(const struct cli_verb *verb, char *text,
		       const char **names)
{
	size_t len = 0;

	for (char *at = text; at; len++) {
		char *comma = strchr(at, ',');

		if (len == STATUS_MAX)
			return cli_args_usage(verb, "--status names too many");
		names[len] = at;
		if (comma)
			*comma = '\0';
		at = comma ? comma + 1 : NULL;
	}
	return CLI_GO_ON;
}

/* --- what was done --- */

static long long int_of(const flo_value *map, const char *key)
{
	const flo_value *value = flo_value_map_get(map, key);

	return value ? flo_value_get_int(value) : 0;
}

static void print_text(const flo_value *result, bool dry_run)
{
	const char *did = dry_run ? "would delete" : "deleted";
	const flo_value *runs = flo_value_map_get(result, "runs");
	size_t len = flo_value_len(runs);

	for (size_t i = 0; i < len; i++) {
		const flo_value *run = flo_value_list_at(runs, i);
		const char *name = cli_map_text(run, "pipeline");

		printf("%s %s  %-9s  ", did, cli_map_text(run, "run"),
		       cli_map_text(run, "status"));
		cli_put_escaped(stdout, name, strlen(name), CLI_ONE_LINE);
		putchar('\n');
		cli_check_stdout();
	}
	if (dry_run)
		printf("would delete %zu run%s, and %lld director%s that "
		       "belong to none\n",
		       len, len == 1 ? "" : "s", int_of(result, "directories"),
		       int_of(result, "directories") == 1 ? "y" : "ies");
	else
		printf("deleted %zu run%s: %lld event%s, %lld director%s; "
		       "%.1f MiB of the store are free for later runs\n",
		       len, len == 1 ? "" : "s", int_of(result, "events"),
		       int_of(result, "events") == 1 ? "" : "s",
		       int_of(result, "directories"),
		       int_of(result, "directories") == 1 ? "y" : "ies",
		       (double)int_of(result, "free_bytes") / (1 << 20));
}

static int tell(const struct prune_args *args, const flo_value *result)
{
	long long owned = int_of(result, "owned");
	long long left = int_of(result, "left");

	if (args->json)
		cli_print_json(result, false);
	else
		print_text(result, args->dry_run);
	if (owned)
		cli_error("%lld run%s left to the engine that is just ending "
			  "%s",
			  owned, owned == 1 ? " was" : "s were",
			  owned == 1 ? "it" : "them");
	if (!left)
		return CLI_OK;
	cli_error("%s%s; the next prune tries again",
		  cli_map_text(result, "why"), left > 1 ? " (and others)" : "");
	return CLI_STORE;
}

/* As for `runs`: the default store comes with the first run. */
static int no_store(const struct prune_args *args)
{
	if (args->store) {
		cli_error("there is no store at %s", args->store);
		return CLI_STORE;
	}
	cli_error("no runs yet, and nothing to delete");
	return CLI_OK;
}

static int prune(const struct cli_verb *verb, const struct prune_args *args,
		 const struct flo_prune_options *wanted)
{
	flo_error err = FLO_ERROR_INIT;
	flo_value *result = NULL;
	flo_status st = flo_store_prune(args->store, wanted, &err, &result);
	int code;

	if (st == FLO_INVALID)
		return cli_args_usage(verb, "%s", err.text);
	if (st == FLO_NOTFOUND)
		return no_store(args);
	if (st != FLO_OK)
		return cli_store_error(&err);
	code = tell(args, result);
	flo_value_unref(result);
	return code;
}

static int check_and_prune(const struct cli_verb *verb,
			   const struct prune_args *args)
{
	const char *names[STATUS_MAX + 1] = {0};
	struct flo_prune_options wanted = {.older_than = args->older_than,
					   .sweep = args->sweep,
					   .dry_run = args->dry_run};
	char *status = NULL;
	int code = read_keep(verb, args->keep, &wanted);

	if (code == CLI_GO_ON && !args->older_than && !args->keep &&
	    !args->status && !args->sweep)
		code = cli_args_usage(verb, "which runs? Give --older-than, "
					    "--keep or --status, or --sweep");
	if (code == CLI_GO_ON && args->status) {
		status = strdup(args->status);
		code = status ? read_status(verb, status, names) : CLI_STORE;
		wanted.status = names;
	}
	if (code == CLI_GO_ON)
		code = prune(verb, args, &wanted);
	free(status);
	return code;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct prune_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands > 0)
		return cli_args_usage(verb, "takes no operand: \"%s\"",
				      argv[0]);
	return check_and_prune(verb, &args);
}

const struct cli_verb cli_verb_prune = {
	.name = "prune",
	.summary = "delete runs that have ended",
	.operands = "",
	.help = "Deletes the runs that fit all that is given, with their "
		"events, logs and work\ndirectories, and what crashes have "
		"left behind. Runs that have not ended are never\ndeleted. "
		"Others may use the store meanwhile. The file does not shrink: "
		"later runs\nuse the space again.\n\n"
		"Exit codes: 0 done, 2 wrong usage, 4 the store or some files "
		"could not be changed.",
	.examples = "flowctl prune --older-than 30d --dry-run\n"
		    "flowctl prune --keep 100\n"
		    "flowctl prune --status succeeded,cancelled --older-than "
		    "7d",
	.options = options,
	.run = verb_run,
};
