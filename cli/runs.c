/* flowctl runs: the runs of a store, newest first. */
#include "cli/args.h"
#include "cli/print.h"
#include "cli/store.h"
#include "cli/when.h"

#include <string.h>

#define RUNS_SHOWN 20

struct runs_args {
	const char *store;
	unsigned long max;
	bool json;
};

static const struct cli_option options[] = {
	{"number", 'n', CLI_NUMBER, offsetof(struct runs_args, max), "N",
	 "the newest N (default: 20; with --json: all)"},
	{"json", 0, CLI_FLAG, offsetof(struct runs_args, json), NULL,
	 "print one JSON object a line"},
	CLI_OPTION_STORE(struct runs_args, store),
	{0},
};

static void put_padded(const char *text, int width)
{
	int used =
		(int)cli_put_escaped(stdout, text, strlen(text), CLI_ONE_LINE);

	printf("%*s  ", used < width ? width - used : 0, "");
}

static int width_of(const flo_value *runs, const char *key)
{
	size_t widest = strlen(key);

	for (size_t i = 0; i < flo_value_len(runs); i++) {
		size_t len =
			strlen(cli_map_text(flo_value_list_at(runs, i), key));

		if (len > widest)
			widest = len;
	}
	return widest > 40 ? 40 : (int)widest;
}

static void print_table(const flo_value *runs)
{
	int id_width = width_of(runs, "run");
	int name_width = width_of(runs, "pipeline");

	printf("%-*s  %-*s  %-11s  %-19s  %s\n", id_width, "RUN", name_width,
	       "PIPELINE", "STATUS", "STARTED (UTC)", "TIME");
	for (size_t i = 0; i < flo_value_len(runs); i++) {
		const flo_value *run = flo_value_list_at(runs, i);
		const char *started = cli_map_text(run, "started_at");

		put_padded(cli_map_text(run, "run"), id_width);
		put_padded(cli_map_text(run, "pipeline"), name_width);
		put_padded(cli_map_text(run, "status"), 11);
		put_padded(cli_when_short(started).text, 19);
		puts(cli_duration(cli_when_taken(run, run)).text);
		cli_check_stdout();
	}
}

static void print(const flo_value *runs, bool json)
{
	if (!json) {
		print_table(runs);
		return;
	}
	for (size_t i = 0; i < flo_value_len(runs); i++)
		cli_print_json(flo_value_list_at(runs, i), false);
}

/* A store that was named must be there; the default one comes with the first
 * run. */
static int no_store(const struct runs_args *args)
{
	if (args->store) {
		cli_error("there is no store at %s", args->store);
		return CLI_STORE;
	}
	if (!args->json)
		cli_error("no runs yet: 'flowctl run FILE' makes the first");
	return CLI_OK;
}

static int list(const struct runs_args *args)
{
	unsigned long max = args->max || args->json ? args->max : RUNS_SHOWN;
	flo_error err = FLO_ERROR_INIT;
	flo_store *store = NULL;
	flo_value *runs = NULL;
	flo_status st = flo_store_open(args->store, &err, &store);

	if (st == FLO_NOTFOUND)
		return no_store(args);
	if (st == FLO_OK)
		st = flo_store_runs(store, max, &err, &runs);
	if (st == FLO_OK)
		print(runs, args->json);
	flo_value_unref(runs);
	flo_store_close(store);
	return st == FLO_OK ? CLI_OK : cli_store_error(&err);
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct runs_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands > 0)
		return cli_args_usage(verb, "takes no operand: \"%s\"",
				      argv[0]);
	return list(&args);
}

const struct cli_verb cli_verb_runs = {
	.name = "runs",
	.summary = "list the runs of a store, newest first",
	.operands = "",
	.help = "A run whose engine died shows as \"interrupted\" until "
		"'flowctl resume' goes on\nwith it.",
	.examples = "flowctl runs -n 5\n"
		    "flowctl runs --json --store other.db",
	.options = options,
	.run = verb_run,
};
