/* flowctl show: one run and its steps. */
#include "cli/args.h"
#include "cli/hint.h"
#include "cli/print.h"
#include "cli/store.h"
#include "cli/when.h"

#include <stdlib.h>
#include <string.h>

/* Of more steps than this only those that did not succeed are shown. */
#define STEPS_SHOWN 200

struct show_args {
	const char *store;
	bool json;
	bool all;
};

static const struct cli_option options[] = {
	{"all", 'a', CLI_FLAG, offsetof(struct show_args, all), NULL,
	 "every step, even of more than 200"},
	{"json", 0, CLI_FLAG, offsetof(struct show_args, json), NULL,
	 "print one JSON object"},
	CLI_OPTION_STORE(struct show_args, store),
	{0},
};

/* The last part of a path ("fetch" of "sync[2].fetch", "[2]" of "sync[2]"),
 * and how deep it lies. */
static const char *label_of(const char *path, int *ret_depth)
{
	const char *label = path;

	*ret_depth = 0;
	for (const char *p = path; *p; p++) {
		if (p == path || (*p != '.' && *p != '['))
			continue;
		(*ret_depth)++;
		label = *p == '.' ? p + 1 : p;
	}
	return label;
}

static void put_error(const flo_value *error, int indent)
{
	const char *message = cli_map_text(error, "message");

	if (!*message)
		return;
	printf("%*s", indent, "");
	cli_put_escaped(stdout, message, strlen(message), CLI_ONE_LINE);
	putchar('\n');
}

static bool is_interrupted(const flo_value *run)
{
	return !strcmp(cli_map_text(run, "status"), "interrupted");
}

static bool is_true(const flo_value *value)
{
	return value && flo_value_typeof(value) == FLO_VALUE_BOOL &&
	       flo_value_get_bool(value);
}

/* What was running when the engine died runs no more. */
static const char *state_of(const flo_value *run, const flo_value *step)
{
	const char *status = cli_map_text(step, "status");

	return is_interrupted(run) && !strcmp(status, "running") ? "interrupted"
								 : status;
}

static void print_step(const flo_value *run, const flo_value *step)
{
	int width = is_interrupted(run) ? 11 : 9;
	int depth;
	const char *label = label_of(cli_map_text(step, "path"), &depth);
	const flo_value *attempts = flo_value_map_get(step, "attempts");

	printf("  %-*s  %9s  %*s", width, state_of(run, step),
	       cli_duration(cli_when_taken(run, step)).text, depth * 2, "");
	cli_put_escaped(stdout, label, strlen(label), CLI_ONE_LINE);
	if (attempts && flo_value_typeof(attempts) == FLO_VALUE_INT &&
	    flo_value_get_int(attempts) > 1)
		printf(" (%lld attempts)",
		       (long long)flo_value_get_int(attempts));
	if (is_true(flo_value_map_get(step, "reused")))
		fputs(" (reused)", stdout);
	putchar('\n');
	put_error(flo_value_map_get(step, "error"), 17 + width + depth * 2);
	cli_check_stdout();
}

static void print_steps(const flo_value *run, bool all)
{
	const flo_value *steps = flo_value_map_get(run, "steps");
	size_t len = steps ? flo_value_len(steps) : 0, hidden = 0;

	for (size_t i = 0; i < len; i++) {
		const flo_value *step = flo_value_list_at(steps, i);

		if (all || len <= STEPS_SHOWN ||
		    strcmp(cli_map_text(step, "status"), "succeeded") != 0)
			print_step(run, step);
		else
			hidden++;
	}
	if (hidden)
		printf("  (and %zu that succeeded: --all shows them)\n",
		       hidden);
}

/* When its engine died nobody knows: its last record is what there is. */
static void put_interrupted(const flo_value *run)
{
	printf("recorded  until %s UTC, for %s\nnext      flowctl "
	       "resume ",
	       cli_when_short(cli_map_text(run, "interrupted_at")).text,
	       cli_duration(cli_when_taken(run, run)).text);
	cli_put_shell_word(stdout, cli_map_text(run, "run"));
	cli_put_store_option(stdout);
	putchar('\n');
}

static void put_head(const flo_value *run)
{
	const char *started = cli_map_text(run, "started_at");
	const char *finished = cli_map_text(run, "finished_at");

	printf("run       %s\npipeline  ", cli_map_text(run, "run"));
	cli_put_escaped(stdout, cli_map_text(run, "pipeline"),
			strlen(cli_map_text(run, "pipeline")), CLI_ONE_LINE);
	if (*cli_map_text(run, "rerun_of"))
		printf("\nrerun of  %s", cli_map_text(run, "rerun_of"));
	printf("\nstatus    %s\n", cli_map_text(run, "status"));
	printf("started   %s UTC\n", cli_when_short(started).text);
	if (*finished)
		printf("finished  %s UTC, after %s\n",
		       cli_when_short(finished).text,
		       cli_duration(cli_when_taken(run, run)).text);
	if (is_interrupted(run))
		put_interrupted(run);
}

static void put_run_error(const flo_value *error)
{
	const char *path = cli_map_text(error, "path");
	const char *message = cli_map_text(error, "message");

	if (!*message && !*path)
		return;
	fputs("error     ", stdout);
	cli_put_escaped(stdout, path, strlen(path), CLI_ONE_LINE);
	fputs(*path ? ": " : "", stdout);
	cli_put_escaped(stdout, message, strlen(message), CLI_ONE_LINE);
	putchar('\n');
}

static void put_output(const flo_value *output)
{
	char *text;

	if (!output || flo_value_typeof(output) == FLO_VALUE_NULL)
		return;
	text = flo_value_to_json_pretty(output);
	if (text) {
		fputs("output    ", stdout);
		cli_put_escaped(stdout, text, strlen(text), 0);
		putchar('\n');
	}
	flo_free(text);
}

static int show(const struct show_args *args, const char *run_id)
{
	flo_store *store = NULL;
	flo_value *run = NULL;
	int code = cli_store_find(args->store, run_id, &store, &run);

	if (code != CLI_GO_ON)
		return code;
	if (args->json) {
		cli_print_json(run, false);
	} else {
		put_head(run);
		put_run_error(flo_value_map_get(run, "error"));
		put_output(flo_value_map_get(run, "output"));
		putchar('\n');
		print_steps(run, args->all);
	}
	flo_value_unref(run);
	flo_store_close(store);
	return CLI_OK;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct show_args args = {0};
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands != 1)
		return cli_args_usage(verb, operands ? "one RUN at a time"
						     : "which RUN?");
	return show(&args, argv[0]);
}

const struct cli_verb cli_verb_show = {
	.name = "show",
	.summary = "show a run and its steps",
	.operands = "RUN",
	.help = "Prints a run's state and the tree of its steps. Of a run of "
		"more than 200 steps\nonly those that did not succeed, unless "
		"--all is given. RUN may be shortened as\nlong as it names one "
		"run.",
	.examples = "flowctl show RUN\n"
		    "flowctl show RUN --json",
	.options = options,
	.run = verb_run,
};
