/* flowctl events: what happened in a run, as it was recorded. */
#include "cli/args.h"
#include "cli/print.h"
#include "cli/store.h"

struct events_args {
	const char *store;
	bool json;
};

static const struct cli_option options[] = {
	{"json", 0, CLI_FLAG, offsetof(struct events_args, json), NULL,
	 "accepted; events are JSON anyway"},
	CLI_OPTION_STORE(struct events_args, store),
	{0},
};

static void print_event(const char *json, size_t len, void *arg)
{
	(void)arg;
	fwrite(json, 1, len, stdout);
	putchar('\n');
	cli_check_stdout();
}

static int events(const struct events_args *args, const char *run_id)
{
	flo_error err = FLO_ERROR_INIT;
	flo_store *store = NULL;
	flo_value *run = NULL;
	flo_status st;
	int code = cli_store_find_row(args->store, run_id, &store, &run);

	if (code != CLI_GO_ON)
		return code;
	st = flo_store_events(store, cli_map_text(run, "run"), print_event,
			      NULL, &err);
	code = st == FLO_OK ? CLI_OK : cli_store_error(&err);
	flo_value_unref(run);
	flo_store_close(store);
	return code;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct events_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands != 1)
		return cli_args_usage(verb, operands ? "one RUN at a time"
						     : "which RUN?");
	return events(&args, argv[0]);
}

const struct cli_verb cli_verb_events = {
	.name = "events",
	.summary = "print a run's events, one JSON object a line",
	.operands = "RUN",
	.help = "The same lines as 'flowctl run --json' printed, from the "
		"store.",
	.examples = "flowctl events RUN\n"
		    "flowctl events RUN | grep '\"kind\":\"step.retrying\"'",
	.options = options,
	.run = verb_run,
};
