/* flowctl logs: what the steps of a run printed. */
#include "cli/args.h"
#include "cli/log.h"
#include "cli/print.h"
#include "cli/store.h"

#include <stdlib.h>
#include <string.h>

struct logs_args {
	const char *store;
	unsigned long attempt;
	bool json;
};

static const struct cli_option options[] = {
	{"attempt", 0, CLI_NUMBER, offsetof(struct logs_args, attempt), "N",
	 "the log of attempt N (default: of the last)"},
	{"json", 0, CLI_FLAG, offsetof(struct logs_args, json), NULL,
	 "print one JSON object a line: path, attempt, stream, text"},
	CLI_OPTION_STORE(struct logs_args, store),
	{0},
};

/* What the verb works on. */
struct logs {
	const struct logs_args *args;
	flo_store *store;
	const flo_value *run;
	const char *only; /* a step's path, or NULL for all */
	char *directory;  /* owned */
	unsigned long matched, printed;
	unsigned long attempts; /* the most that one of those had */
	unsigned long reused;	/* how many were taken over, and one of them */
	const char *reused_path;
};

/* Whether @path is @only or lies in it. */
static bool is_within(const char *path, const char *only)
{
	size_t len = strlen(only);

	return !strncmp(path, only, len) &&
	       (path[len] == '\0' || path[len] == '.' || path[len] == '[');
}

static unsigned long attempts_of(const flo_value *step)
{
	const flo_value *n = flo_value_map_get(step, "attempts");

	return n && flo_value_typeof(n) == FLO_VALUE_INT
		       ? (unsigned long)flo_value_get_int(n)
		       : 0;
}

static bool is_reused(const flo_value *step)
{
	const flo_value *reused = flo_value_map_get(step, "reused");

	return reused && flo_value_typeof(reused) == FLO_VALUE_BOOL &&
	       flo_value_get_bool(reused);
}

/* Whether @step is one that has logs. */
static bool is_leaf(const flo_value *step)
{
	const char *kind = cli_map_text(step, "kind");

	return !strcmp(kind, "exec") || !strcmp(kind, "sh") ||
	       !strcmp(kind, "use");
}

static int print_log(struct logs *logs, const flo_value *step)
{
	unsigned long last = attempts_of(step);
	struct cli_log log = {
		.path = cli_map_text(step, "path"),
		.attempt = logs->args->attempt ? logs->args->attempt : last,
		.last_file = cli_map_text(step, "log"),
		.directory = logs->directory,
		.is_last = !logs->args->attempt || logs->args->attempt == last,
		.has_header = !logs->only ||
			      strcmp(logs->only, cli_map_text(step, "path")),
		.json = logs->args->json,
	};

	if (last > logs->attempts)
		logs->attempts = last;
	if (log.attempt > last || last == 0)
		return CLI_OK;
	if (is_leaf(step) && is_reused(step)) {
		logs->reused++;
		logs->reused_path = log.path;
		return CLI_OK;
	}
	return cli_log_print(&log, logs->store, cli_map_text(logs->run, "run"),
			     &logs->printed);
}

/* The run whose step at @path was taken over, from run to run, in the end: an id
 * for free(), NULL without memory. *@ret_st: FLO_NOTFOUND if it is not in the
 * store any more, and what else looking for it came to; *@err says it. */
static char *origin_of(const struct logs *logs, const char *path,
		       flo_error *err, flo_status *ret_st)
{
	char *id = strdup(cli_map_text(logs->run, "rerun_of"));
	flo_value *run = NULL;
	const flo_value *step;

	*ret_st = FLO_OK;
	while (id) {
		*ret_st = flo_store_run(logs->store, id, err, &run);
		step = *ret_st == FLO_OK ? cli_step_at(run, path) : NULL;
		if (!step || !is_reused(step))
			break;
		free(id);
		id = strdup(cli_map_text(run, "rerun_of"));
		flo_value_unref(run);
		run = NULL;
	}
	flo_value_unref(run);
	return id;
}

static int tell_one_reused(const struct logs *logs)
{
	const char *path = logs->reused_path;
	flo_error err = FLO_ERROR_INIT;
	flo_status st;
	char *id = origin_of(logs, path, &err, &st);
	char *word = cli_shell_word(path);
	int code = CLI_OK;

	if (st == FLO_NOTFOUND && id) {
		cli_error("%s was taken over from %s, which is not in the "
			  "store any more, nor is its log",
			  path, id);
	} else if (st != FLO_OK && id) {
		cli_error("%s was taken over from %s, which cannot be read: %s",
			  path, id, *err.text ? err.text : flo_status_text(st));
		code = CLI_STORE;
	} else if (id && word) {
		cli_error("%s was taken over from %s: `flowctl logs %s %s`",
			  path, id, id, word);
	}
	free(id);
	free(word);
	return code;
}

/* A rerun has no logs of what it took over: they are the old run's. */
static int tell_reused(const struct logs *logs)
{
	const char *of = cli_map_text(logs->run, "rerun_of");
	char *word;

	if (logs->args->json)
		return CLI_OK;
	if (logs->reused == 1)
		return tell_one_reused(logs);
	word = logs->only ? cli_shell_word(logs->only) : NULL;
	cli_error("%lu steps were taken over from %s: `flowctl logs %s%s%s`",
		  logs->reused, of, of, word ? " " : "", word ? word : "");
	free(word);
	return CLI_OK;
}

static int no_such_step(const struct logs *logs)
{
	cli_error("run %s has no step %s\n'flowctl show %s' lists its steps.",
		  cli_map_text(logs->run, "run"), logs->only,
		  cli_map_text(logs->run, "run"));
	return CLI_USAGE;
}

static int no_such_attempt(const struct logs *logs)
{
	const char *run_id = cli_map_text(logs->run, "run");

	if (logs->only)
		cli_error("there is no attempt %lu of %s in run %s: there %s "
			  "%lu",
			  logs->args->attempt, logs->only, run_id,
			  logs->attempts == 1 ? "was" : "were", logs->attempts);
	else
		cli_error("no step of run %s had %lu attempts: the most that "
			  "one had is %lu",
			  run_id, logs->args->attempt, logs->attempts);
	return CLI_USAGE;
}

static int print_logs(struct logs *logs)
{
	const flo_value *steps = flo_value_map_get(logs->run, "steps");
	size_t len = steps ? flo_value_len(steps) : 0;
	int code = CLI_OK;

	for (size_t i = 0; code == CLI_OK && i < len; i++) {
		const flo_value *step = flo_value_list_at(steps, i);

		if (logs->only &&
		    !is_within(cli_map_text(step, "path"), logs->only))
			continue;
		logs->matched++;
		code = print_log(logs, step);
	}
	if (code != CLI_OK)
		return code;
	if (logs->only && !logs->matched)
		return no_such_step(logs);
	if (logs->args->attempt > logs->attempts)
		return no_such_attempt(logs);
	if (logs->reused)
		return tell_reused(logs);
	if (!logs->printed && !logs->args->json)
		cli_error("nothing was printed");
	return CLI_OK;
}

/* Beside the store: PATH.d/logs/RUN. NULL without memory. */
static char *directory_of(const char *store, const char *run_id)
{
	char *standard = store ? NULL : flo_store_default_path();
	char *directory = NULL;

	if ((store || standard) &&
	    asprintf(&directory, "%s.d/logs/%s", store ? store : standard,
		     run_id) < 0)
		directory = NULL;
	flo_free(standard);
	return directory;
}

static int verb_run(const struct cli_verb *verb, int argc, char **argv)
{
	struct logs_args args = {0};
	struct logs logs = {.args = &args};
	flo_value *run = NULL;
	int operands = 0;
	int code = cli_args_parse(verb, argc, argv, &args, &operands);

	if (code != CLI_GO_ON)
		return code;
	if (operands < 1 || operands > 2)
		return cli_args_usage(verb, operands ? "one RUN, one STEP"
						     : "which RUN?");
	code = cli_store_find(args.store, argv[0], &logs.store, &run);
	if (code != CLI_GO_ON)
		return code;
	logs.run = run;
	logs.only = argv[1];
	logs.directory = directory_of(args.store, cli_map_text(run, "run"));
	code = logs.directory ? print_logs(&logs) : CLI_STORE;
	free(logs.directory);
	flo_value_unref(run);
	flo_store_close(logs.store);
	return code;
}

const struct cli_verb cli_verb_logs = {
	.name = "logs",
	.summary = "print what the steps of a run printed",
	.operands = "RUN [STEP]",
	.help = "Prints the log of STEP (a path as 'flowctl show' gives it) "
		"and of all steps in\nit, or of all steps of the run: their "
		"stdout to stdout, their stderr to stderr.\nOn a terminal, "
		"control bytes are shown as escapes.",
	.examples = "flowctl logs RUN\n"
		    "flowctl logs RUN 'sync[2].fetch' --attempt 1",
	.options = options,
	.run = verb_run,
};
