#include "cli/failure.h"

#include "cli/hint.h"
#include "cli/print.h"
#include "cli/store.h"

#include <flo/engine.h>

#include <stdlib.h>
#include <string.h>

/* What a step was told to run follows from the run's whole state. Of a run with
 * more leaves that takes too long, and its command is left out. */
#define WHOLE_MAX   10000
#define OTHERS_MAX  10
#define COMMAND_MAX 2000 /* bytes of it that are shown */

void cli_print_resume(const char *run_id)
{
	fputs("  go on with: flowctl resume ", stderr);
	cli_put_shell_word(stderr, run_id);
	cli_put_store_option(stderr);
	putc('\n', stderr);
}

/* Whether what failed fails again unless the pipeline, its params or the machine
 * are mended: a program that is not there, a value that cannot be computed. */
static bool is_of_pipeline(const flo_value *error)
{
	const char *kind = cli_map_text(error, "kind");

	return !strcmp(kind, "spawn") || !strcmp(kind, "expression");
}

/* As much of @word as @left has room for; how much is left then. */
static size_t put_word(const char *word, size_t left)
{
	size_t len = strlen(word);
	char *begin;

	if (len <= left) {
		cli_put_shell_word(stderr, word);
		return left - len;
	}
	begin = strndup(word, cli_fit(word, len, left));
	if (begin)
		cli_put_shell_word(stderr, begin);
	free(begin);
	fprintf(stderr, "... (%zu bytes)", len);
	return 0;
}

/* @file, but for standard input, which is not there again. */
static const char *again(const char *file)
{
	return file && strcmp(file, "-") != 0 ? file : "FILE";
}

/* The command that runs the mended pipeline, with the params that it was given. */
static void put_run(const struct cli_asked *asked)
{
	size_t left = COMMAND_MAX;

	fputs("flowctl run ", stderr);
	cli_put_shell_word(stderr, again(asked->file));
	if (asked->params_file) {
		fputs(" --params-file ", stderr);
		cli_put_shell_word(stderr, again(asked->params_file));
	}
	for (size_t i = 0; asked->params && i < asked->params->len; i++) {
		fputs(" -p ", stderr);
		left = put_word(asked->params->at[i], left);
	}
	cli_put_store_option(stderr);
}

/* @what of the run @run_id is run again with that @option. */
static void put_again(const char *what, const char *run_id, const char *option)
{
	fprintf(stderr, "  run %s: flowctl rerun ", what);
	cli_put_shell_word(stderr, run_id);
	fputs(option, stderr);
	cli_put_store_option(stderr);
	putc('\n', stderr);
}

/* What is over cannot go on, but what failed in it can be run again: as it was,
 * which is of no use where the pipeline is to be mended. A native step may need
 * what those before it made to be made anew. */
static void put_rerun(const struct cli_asked *asked, const char *run_id,
		      const flo_value *error)
{
	bool mend = is_of_pipeline(error);

	if (mend) {
		fputs("  once that is mended: ", stderr);
		put_run(asked);
		putc('\n', stderr);
	}
	put_again(mend ? "what failed again, as it was" : "what failed again",
		  run_id, " --failed");
	if (!strcmp(cli_map_text(error, "kind"), "native"))
		put_again("all of it again", run_id, "");
}

static void put_field(const char *name, const char *value)
{
	fprintf(stderr, "  %-10s", name);
	cli_put_escaped(stderr, value, strlen(value), CLI_ONE_LINE);
	putc('\n', stderr);
}

static void put_number(const char *name, const flo_value *step, const char *key)
{
	const flo_value *n = flo_value_map_get(step, key);

	if (n && flo_value_typeof(n) == FLO_VALUE_INT)
		fprintf(stderr, "  %-10s%lld\n", name,
			(long long)flo_value_get_int(n));
}

static void put_command(const flo_value *step)
{
	const flo_value *command = flo_value_map_get(step, "command");
	size_t left = COMMAND_MAX;
	size_t len;

	if (!command || flo_value_typeof(command) != FLO_VALUE_LIST)
		return;
	len = flo_value_len(command);
	fprintf(stderr, "  %-9s", "command");
	for (size_t i = 0; i < len && left > 0; i++) {
		const flo_value *word = flo_value_list_at(command, i);

		if (flo_value_typeof(word) != FLO_VALUE_STRING)
			continue;
		putc(' ', stderr);
		left = put_word(flo_value_get_string(word, NULL), left);
		if (left == 0 && i + 1 < len)
			fputs(" ...", stderr);
	}
	putc('\n', stderr);
}

static void put_tail(const char *tail)
{
	if (!*tail)
		return;
	fputs("  its last lines on stderr:\n", stderr);
	while (*tail) {
		size_t len = strcspn(tail, "\n");

		fputs("  | ", stderr);
		cli_put_escaped(stderr, tail, len, CLI_ONE_LINE);
		putc('\n', stderr);
		tail += len + (tail[len] == '\n');
	}
}

static int64_t leaves_of(const flo_value *result)
{
	const flo_value *counts = flo_value_map_get(result, "counts");
	int64_t sum = 0;

	for (size_t i = 0; counts && i < flo_value_len(counts); i++) {
		const flo_value *key, *n;

		n = flo_value_map_at(counts, i, &key);
		if (flo_value_typeof(n) == FLO_VALUE_INT)
			sum += flo_value_get_int(n);
	}
	return sum;
}

/* The step at @path as the store has it; NULL if that cannot be read. */
static flo_value *read_step(const char *store_path, const char *run_id,
			    const char *path, const flo_value *result)
{
	flo_store *store = NULL;
	flo_value *run = NULL, *step = NULL;
	const flo_value *found;

	if (flo_store_open(store_path, NULL, &store))
		return NULL;
	if (leaves_of(result) > WHOLE_MAX) {
		if (flo_store_step(store, run_id, path, NULL, &step))
			step = NULL;
	} else if (flo_store_run(store, run_id, NULL, &run) == FLO_OK) {
		found = cli_step_at(run, path);
		step = found ? flo_value_ref(found) : NULL;
		flo_value_unref(run);
	}
	flo_store_close(store);
	return step;
}

static void put_log(const char *run_id, const char *path, const flo_value *step)
{
	if (step && *cli_map_text(step, "log")) {
		put_field("log", cli_map_text(step, "log"));
	} else if (!step) {
		fputs("  log       flowctl logs ", stderr);
		cli_put_shell_word(stderr, run_id);
		putc(' ', stderr);
		cli_put_shell_word(stderr, path);
		cli_put_store_option(stderr);
		putc('\n', stderr);
	}
}

static int64_t attempts_of(const flo_value *step)
{
	const flo_value *n = flo_value_map_get(step, "attempts");

	return n && flo_value_typeof(n) == FLO_VALUE_INT ? flo_value_get_int(n)
							 : 0;
}

static void put_step(const char *run_id, const flo_value *step,
		     const flo_value *error)
{
	const char *path = cli_map_text(error, "path");

	put_field("step", path);
	/* A block that exceeded its time limit made no attempt. */
	if (step && attempts_of(step) > 0)
		put_number("attempt", step, "attempts");
	if (step) {
		put_command(step);
		put_number("exit code", step, "exit_code");
		if (*cli_map_text(step, "signal"))
			put_field("signal", cli_map_text(step, "signal"));
	}
	put_tail(cli_map_text(error, "stderr_tail"));
	put_log(run_id, path, step);
}

/* How many errors there are, though not all may be listed. */
static size_t errors_total(const flo_value *error, size_t listed)
{
	const flo_value *n = flo_value_map_get(error, "errors_total");

	return n && flo_value_typeof(n) == FLO_VALUE_INT
		       ? (size_t)flo_value_get_int(n)
		       : listed;
}

/*
 * The other errors, those of `finally` among them: mending the first and
 * running again would only lead to the next.
 */
static void put_others(const flo_value *error, const char *first)
{
	const flo_value *errors = flo_value_map_get(error, "errors");
	size_t len = errors ? flo_value_len(errors) : 0;
	size_t total = errors_total(error, len);
	size_t n = 0;

	for (size_t i = 0; i < len && n < OTHERS_MAX; i++) {
		const flo_value *other = flo_value_list_at(errors, i);
		const char *path = cli_map_text(other, "path");
		const char *message = cli_map_text(other, "message");

		if (!strcmp(path, first))
			continue;
		if (n++ == 0)
			fputs("  also failed:\n", stderr);
		fputs("  | ", stderr);
		cli_put_escaped(stderr, path, strlen(path), CLI_ONE_LINE);
		fputs(": ", stderr);
		cli_put_escaped(stderr, message, strlen(message), CLI_ONE_LINE);
		putc('\n', stderr);
	}
	if (total > n + 1)
		fprintf(stderr, "  | and %zu more\n", total - n - 1);
}

void cli_print_failure(const char *store_path, const struct cli_asked *asked,
		       const char *run_id, const flo_value *result)
{
	const char *status = cli_map_text(result, "status");
	const flo_value *error = flo_value_map_get(result, "error");
	const char *path = cli_map_text(error, "path");
	const char *message = cli_map_text(error, "message");
	flo_value *step;

	cli_error("run %s %s%s%s%s", run_id,
		  strcmp(status, "failed") ? "was " : "", status,
		  *path ? ": " : "", path);
	if (*message)
		put_field("error", message);
	if (!strcmp(status, "interrupted")) {
		cli_print_resume(run_id);
		return;
	}
	if (!strcmp(status, "failed") && *path) {
		step = read_step(store_path, run_id, path, result);
		put_step(run_id, step, error);
		flo_value_unref(step);
	}
	put_others(error, path);
	if (!strcmp(status, "failed"))
		put_rerun(asked, run_id, error);
}
