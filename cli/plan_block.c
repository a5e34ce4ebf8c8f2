/* A plan for people: combinations, pipelines within the pipeline, secrets. */
#include "cli/plan_p.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- matrix ---- */

/* "os x bits", the names of the axes; memory for free(). */
static char *axes_of(const flo_value *matrix)
{
	const flo_value *axes = flo_value_map_get(matrix, "axes");
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	for (size_t i = 0; file && i < cli_len_of(axes); i++)
		fprintf(file, "%s%s", i ? " x " : "",
			cli_map_text(flo_value_list_at(axes, i), "name"));
	if (file && !cli_len_of(axes))
		fputs("what is included", file);
	if (!file || fclose(file)) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	return text;
}

/* A line of its own: the axis with its values, or how they are computed. */
static void print_axis(const struct cli_plan_text *out, size_t indent,
		       const flo_value *axis)
{
	struct cli_phrases p = {.out = out, .indent = indent};
	const flo_value *values = flo_value_map_get(axis, "values");
	int64_t count = cli_int_of(axis, "count", -1);
	const char *name = cli_map_text(axis, "name");
	char *text;

	if (values) {
		text = cli_text_of(values);
		cli_phrase(&p, "%s: %s", name, text);
		flo_free(text);
	} else if (count >= 0) {
		cli_phrase(&p, "%s: %s, %" PRId64 " value%s", name,
			   cli_map_text(axis, "expr"), count,
			   count == 1 ? "" : "s");
	} else {
		cli_phrase(&p, "%s: %s", name, cli_map_text(axis, "expr"));
	}
	cli_phrases_end(&p);
}

static void print_option(const struct cli_plan_text *out, size_t indent,
			 const flo_value *matrix, const char *key)
{
	struct cli_phrases p = {.out = out, .indent = indent};

	cli_phrase_value(&p, matrix, key);
	cli_phrases_end(&p);
}

void cli_plan_matrix(const struct cli_plan_text *out, size_t indent,
		     const flo_value *step)
{
	const flo_value *matrix = flo_value_map_get(step, "matrix");
	const flo_value *axes = flo_value_map_get(matrix, "axes");
	const char *error = cli_map_text(matrix, "error");
	int64_t count = cli_int_of(matrix, "count", -1);
	struct cli_phrases p = {.out = out, .indent = indent};
	const char *as = cli_map_text(step, "as");
	char *names = axes_of(matrix);

	if (*error)
		cli_phrase(&p, "matrix %s of %s: fails, %s", as, names, error);
	else if (count == 0)
		cli_phrase(&p, "matrix %s of %s: no combinations", as, names);
	else if (count < 0)
		cli_phrase(&p, "matrix %s of %s: combinations known in the run",
			   as, names);
	else
		cli_phrase(&p, "matrix %s of %s: %" PRId64 " combination%s", as,
			   names, count, count == 1 ? "" : "s");
	cli_phrases_end(&p);
	free(names);
	for (size_t i = 0; i < cli_len_of(axes); i++)
		print_axis(out, indent + CLI_STEP_INDENT,
			   flo_value_list_at(axes, i));
	print_option(out, indent + CLI_STEP_INDENT, matrix, "exclude");
	print_option(out, indent + CLI_STEP_INDENT, matrix, "include");
}

/* ---- pipelines within the pipeline ---- */

/* "with NAME = VALUE", of params that the step gives. */
static void phrase_with(struct cli_phrases *p, const flo_value *param,
			const char *with)
{
	const flo_value *value = flo_value_map_get(param, "value");
	const flo_value *expr = flo_value_map_get(param, "expr");
	char *text;

	if (value)
		text = flo_value_to_json(value);
	else
		text = expr ? cli_text_of(expr) : NULL;
	cli_phrase(p, "%s%s = %s", with, cli_map_text(param, "name"),
		   text ? text : "?");
	flo_free(text);
}

static void phrase_call(struct cli_phrases *p, const flo_value *call)
{
	const flo_value *timeout = flo_value_map_get(call, "timeout");

	cli_phrase_value(p, call, "limit");
	if (*cli_map_text(call, "limit_error"))
		cli_phrase(p, "limit fails, %s",
			   cli_map_text(call, "limit_error"));
	/* One that is known is told as far as it binds the step. */
	if (timeout && !flo_value_map_get(timeout, "seconds"))
		cli_phrase(p, "timeout %s (of the file)%s%s",
			   cli_map_text(timeout, "text"),
			   *cli_map_text(timeout, "error") ? ": fails, " : "",
			   cli_map_text(timeout, "error"));
	cli_phrase_value(p, call, "on_error");
	cli_phrase_value(p, call, "max_failures");
	if (flo_value_map_get(call, "env"))
		cli_phrase_list(p, "env", flo_value_map_get(call, "env"));
}

void cli_plan_pipeline(const struct cli_plan_text *out, size_t indent,
		       const flo_value *step)
{
	const flo_value *call = flo_value_map_get(step, "pipeline");
	const flo_value *params = flo_value_map_get(call, "params");
	const char *error = cli_map_text(call, "error");
	struct cli_phrases p = {.out = out, .indent = indent};
	bool any = false;

	cli_phrase(&p, "pipeline %s", cli_map_text(call, "file"));
	phrase_call(&p, call);
	cli_phrases_end(&p);
	for (size_t i = 0; i < cli_len_of(params); i++) {
		const flo_value *param = flo_value_list_at(params, i);

		if (strcmp(cli_map_text(param, "origin"), "with") != 0)
			continue;
		phrase_with(&p, param, any ? "" : "with ");
		any = true;
	}
	cli_phrases_end(&p);
	if (*error)
		cli_phrase(&p, "fails: with: %s", error);
	cli_phrases_end(&p);
}

/* ---- secrets ---- */

void cli_plan_secret(const struct cli_plan_text *out, const flo_value *secret)
{
	const flo_value *exec = flo_value_map_get(secret, "exec");
	const char *file = cli_map_text(secret, "pipeline");
	const char *kind = flo_value_map_get(secret, "file") ? "file" : "env";
	struct cli_phrases p = {.out = out, .indent = CLI_STEP_INDENT};
	char *command = exec ? cli_command_of(secret) : NULL;

	if (exec)
		cli_phrase(&p, "secret %s from %s",
			   cli_map_text(secret, "name"), command);
	else
		cli_phrase(&p, "secret %s from %s %s",
			   cli_map_text(secret, "name"), kind,
			   cli_map_text(secret, kind));
	if (*file)
		cli_phrase(&p, "of %s", file);
	cli_phrases_end(&p);
	free(command);
}
