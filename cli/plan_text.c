/*
 * A plan for people: a tree in written order.
 *
 *	1. sync[*].fetch "Fetch a product"
 *	   exec ./pull.sh '${{ product }}'
 *	   timeout 30s (own), retry 3 times after 1s, 2s, 4s
 *
 * The first line is the path, the next what is done, then what is said about
 * it, as phrases that are set one after the other and wrapped.
 */
#include "cli/plan_p.h"

#include "cli/cli.h"
#include "cli/print.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define INDENT_MAX 36 /* deeper steps are not indented further */
#define PARAM_MAX  60 /* columns of a param's value */

static bool is_true(const flo_value *map, const char *key)
{
	const flo_value *value = flo_value_map_get(map, key);

	return value && flo_value_typeof(value) == FLO_VALUE_BOOL &&
	       flo_value_get_bool(value);
}

/* ---- the phrases of a step ---- */

static void phrase_when(struct cli_phrases *p, const flo_value *step)
{
	const flo_value *when = flo_value_map_get(step, "when");
	const flo_value *value = flo_value_map_get(when, "value");
	const char *error = cli_map_text(when, "error");
	const char *expr = cli_map_text(when, "expr");

	if (!when && is_true(step, "skipped"))
		cli_phrase(p, "skipped with its block");
	if (!when)
		return;
	if (*error)
		cli_phrase(p, "when %s: fails, %s", expr, error);
	else if (!value)
		cli_phrase(p, "when %s", expr);
	else
		cli_phrase(p, "when %s: %s", expr,
			   flo_value_get_bool(value) ? "true"
						     : "false, skipped");
}

static void phrase_needs(struct cli_phrases *p, const flo_value *step)
{
	const flo_value *needs = flo_value_map_get(step, "needs");

	if (cli_len_of(needs) != 0 &&
	    !strcmp(cli_map_text(step, "in"), "group"))
		cli_phrase_list(p, "needs", needs);
}

/* What follows the number @map where no run can use it: ": fails, ". */
static const char *fails(const flo_value *map)
{
	return *cli_map_text(map, "error") ? ": fails, " : "";
}

static void phrase_limit(struct cli_phrases *p, const flo_value *step)
{
	const flo_value *limit = flo_value_map_get(step, "limit");
	const char *origin = cli_map_text(limit, "origin");
	const char *of = cli_map_text(limit, "of");
	const char *before = *of		      ? "of pipeline "
			     : !strcmp(origin, "run") ? "of the run"
						      : "own";

	if (!limit)
		return;
	if (flo_value_map_get(limit, "value"))
		cli_phrase(p, "limit %" PRId64 " (%s%s)",
			   cli_int_of(limit, "value", 0), before, of);
	else
		cli_phrase(p, "limit %s (%s%s)%s%s",
			   cli_map_text(limit, "expr"), before, of,
			   fails(limit), cli_map_text(limit, "error"));
}

static void phrase_timeout(struct cli_phrases *p, const flo_value *timeout,
			   const char *before)
{
	const char *origin = cli_map_text(timeout, "origin");
	const char *text = cli_map_text(timeout, "text");
	const char *of = cli_map_text(timeout, "of");
	const char *error = cli_map_text(timeout, "error");

	if (!timeout)
		return;
	if (!strcmp(origin, "block"))
		cli_phrase(p, "%s %s (of block %s)", before, text, of);
	else if (!strcmp(origin, "file"))
		cli_phrase(p, "%s %s (of pipeline %s)", before, text, of);
	else if (!strcmp(origin, "finally"))
		cli_phrase(p, "%s %s (of %s)", before, text, of);
	else if (!strcmp(origin, "run"))
		cli_phrase(p, "%s %s (of the run)", before, text);
	else if (*origin)
		cli_phrase(p, "%s %s (%s)%s%s", before, text, origin,
			   fails(timeout), error);
	else
		cli_phrase(p, "%s %s%s%s", before, text, fails(timeout), error);
	phrase_timeout(p, flo_value_map_get(timeout, "at_most"), "at most");
}

/* " after 1s, 2s, 4s (+-20%)", or nothing; memory for free(). */
static char *waits_of(const flo_value *retry, int64_t limit)
{
	const flo_value *delays = flo_value_map_get(retry, "delays");
	const flo_value *jitter = flo_value_map_get(retry, "jitter");
	char spread[32] = "", *list = cli_joined(delays), *text;
	int len;

	if (jitter)
		snprintf(spread, sizeof(spread), " (+-%g%%)",
			 flo_value_get_double(jitter) * 100);
	len = asprintf(&text, "%s%s%s%s", cli_len_of(delays) ? " after " : "",
		       list,
		       cli_len_of(delays) && limit > (int64_t)cli_len_of(delays)
			       ? ", ..."
			       : "",
		       cli_len_of(delays) ? spread : "");
	if (len < 0) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	free(list);
	return text;
}

static void phrase_retry(struct cli_phrases *p, const flo_value *step)
{
	const flo_value *retry = flo_value_map_get(step, "retry");
	int64_t limit = cli_int_of(retry, "limit", -1);
	char *waits;

	if (!retry)
		return;
	waits = waits_of(retry, limit);
	if (limit < 0)
		cli_phrase(p, "retry %s times%s%s%s",
			   cli_map_text(retry, "limit"), waits, fails(retry),
			   cli_map_text(retry, "error"));
	else if (limit == 0)
		cli_phrase(p, "no retry");
	else
		cli_phrase(p, "retry %" PRId64 " time%s%s", limit,
			   limit == 1 ? "" : "s", waits);
	free(waits);
	if (*cli_map_text(retry, "when"))
		cli_phrase(p, "only when %s", cli_map_text(retry, "when"));
}

static void phrase_rest(struct cli_phrases *p, const flo_value *step)
{
	static const char *const keys[] = {
		"on_error", "max_failures", "dir",
		"grace",    "output",	    "output_limit",
		"exit_ok",  "stop_signal",  "stdin",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		cli_phrase_value(p, step, keys[i]);
	if (is_true(step, "allow_failure"))
		cli_phrase(p, "may fail");
	if (flo_value_map_get(step, "idempotent"))
		cli_phrase(p, "not idempotent");
	if (flo_value_map_get(step, "env"))
		cli_phrase_list(p, "env", flo_value_map_get(step, "env"));
}

/* ---- what a step does ---- */

static void print_command(const struct cli_plan_text *out, size_t indent,
			  const flo_value *step)
{
	char *text = cli_command_of(step);

	if (*text) {
		cli_put_indent(out, indent);
		cli_put_cut(out, text, strlen(text), cli_room_of(out, indent));
		putc('\n', out->file);
	}
	free(text);
}

static void print_foreach(const struct cli_plan_text *out, size_t indent,
			  const flo_value *step)
{
	const flo_value *foreach = flo_value_map_get(step, "foreach");
	const char *expr = cli_map_text(foreach, "expr");
	const char *error = cli_map_text(foreach, "error");
	int64_t items = cli_int_of(foreach, "count", -1);
	struct cli_phrases p = {.out = out, .indent = indent};
	char count[64] = "items known in the run";

	if (items == 0)
		snprintf(count, sizeof(count), "no items");
	else if (items > 0)
		snprintf(count, sizeof(count), "%" PRId64 " item%s", items,
			 items == 1 ? "" : "s");
	if (*error)
		cli_phrase(&p, "foreach %s of %s: fails, %s",
			   cli_map_text(step, "as"), expr, error);
	else if (*expr)
		cli_phrase(&p, "foreach %s of %s: %s", cli_map_text(step, "as"),
			   expr, count);
	else
		cli_phrase(&p, "foreach %s of %s", cli_map_text(step, "as"),
			   count);
	cli_phrases_end(&p);
}

/* The kinds that are no command are said in a word before the phrases. */
static const char *block_word(const flo_value *step)
{
	const char *kind = cli_map_text(step, "kind");

	if (!strcmp(kind, "foreach") || !strcmp(kind, "matrix"))
		kind = cli_map_text(step, "body");
	if (!strcmp(kind, "sequence"))
		return "steps one after the other";
	return !strcmp(kind, "group") ? "steps all at once" : NULL;
}

static void print_head(const struct cli_plan_text *out, size_t indent,
		       const flo_value *step)
{
	const char *path = cli_map_text(step, "path");
	const char *title = cli_map_text(step, "title");

	cli_put_indent(out, indent);
	if (strcmp(cli_map_text(step, "kind"), "finally") != 0) {
		if (!strcmp(cli_map_text(step, "in"), "group"))
			fputs("-  ", out->file);
		else
			fprintf(out->file, "%" PRId64 ". ",
				cli_int_of(step, "position", 0));
	}
	cli_put_escaped(out->file, path, strlen(path), CLI_ONE_LINE);
	if (*title) {
		fputs(": ", out->file);
		cli_put_cut(out, title, strlen(title),
			    cli_room_of(out, indent + 20));
	}
	putc('\n', out->file);
}

static void print_step(const struct cli_plan_text *out, const flo_value *step)
{
	size_t depth = (size_t)cli_int_of(step, "depth", 0);
	size_t indent = depth * CLI_STEP_INDENT;
	struct cli_phrases p = {.out = out};
	const char *word = block_word(step);

	if (indent > INDENT_MAX)
		indent = INDENT_MAX;
	print_head(out, indent, step);
	p.indent = indent + CLI_STEP_INDENT;
	if (flo_value_map_get(step, "foreach"))
		print_foreach(out, p.indent, step);
	if (flo_value_map_get(step, "matrix"))
		cli_plan_matrix(out, p.indent, step);
	if (flo_value_map_get(step, "pipeline"))
		cli_plan_pipeline(out, p.indent, step);
	print_command(out, p.indent, step);
	if (word)
		cli_phrase(&p, "%s", word);
	phrase_when(&p, step);
	phrase_needs(&p, step);
	phrase_limit(&p, step);
	phrase_timeout(&p, flo_value_map_get(step, "timeout"), "timeout");
	phrase_retry(&p, step);
	phrase_rest(&p, step);
	cli_phrases_end(&p);
}

/* ---- the run ---- */

static void print_param(const struct cli_plan_text *out, const flo_value *param)
{
	const flo_value *value = flo_value_map_get(param, "value");
	const char *origin = cli_map_text(param, "origin");
	const char *name = cli_map_text(param, "name");
	char *text;

	if (!strcmp(origin, "given"))
		origin = out->origin(out->arg, name);
	else if (!strcmp(origin, "none"))
		origin = "not given";
	fprintf(out->file, "   param %s", name);
	if (value) {
		fputs(" = ", out->file);
		text = flo_value_to_json(value);
		cli_put_cut(out, text ? text : "", text ? strlen(text) : 0,
			    PARAM_MAX);
		flo_free(text);
		fprintf(out->file, " (%s)\n", origin);
	} else {
		fprintf(out->file, ", %s, is required and not given\n",
			cli_map_text(param, "type"));
	}
}

static void print_run(const struct cli_plan_text *out, const flo_value *run)
{
	const char *about = cli_map_text(run, "description");
	const flo_value *params = flo_value_map_get(run, "params");
	const flo_value *limit = flo_value_map_get(run, "limit");
	const flo_value *secrets = flo_value_map_get(run, "secrets");
	struct cli_phrases p = {.out = out, .indent = CLI_STEP_INDENT};
	char *text;

	fputs(cli_map_text(run, "pipeline"), out->file);
	if (*about) {
		fputs(": ", out->file);
		cli_put_cut(out, about, strlen(about), cli_room_of(out, 20));
	}
	putc('\n', out->file);
	for (size_t i = 0; i < cli_len_of(params); i++)
		print_param(out, flo_value_list_at(params, i));
	for (size_t i = 0; i < cli_len_of(secrets); i++)
		cli_plan_secret(out, flo_value_list_at(secrets, i));
	text = cli_text_of(flo_value_map_get(limit, "value")
				   ? flo_value_map_get(limit, "value")
				   : flo_value_map_get(limit, "expr"));
	if (!strcmp(cli_map_text(limit, "origin"), "default"))
		cli_phrase(&p, "limit %s programs (default)", text);
	else
		cli_phrase(&p, "limit %s%s%s%s", text,
			   !strcmp(cli_map_text(limit, "origin"), "option")
				   ? " (--limit)"
				   : "",
			   fails(limit), cli_map_text(limit, "error"));
	flo_free(text);
	phrase_timeout(&p, flo_value_map_get(run, "timeout"), "timeout");
	phrase_rest(&p, run);
	cli_phrases_end(&p);
	putc('\n', out->file);
}

static void print_summary(const struct cli_plan_text *out,
			  const flo_value *summary)
{
	int64_t leaves = cli_int_of(summary, "leaves", 0);
	int64_t blocks = cli_int_of(summary, "blocks", 0);
	int64_t skipped = cli_int_of(summary, "skipped", 0);
	int64_t runs = cli_int_of(summary, "runs", -1);
	int64_t at_once = cli_int_of(summary, "at_once", -1);
	int64_t chain = cli_int_of(summary, "longest_chain", -1);
	FILE *file = out->file;

	fprintf(file, "\n%" PRId64 " step%s", leaves, leaves == 1 ? "" : "s");
	if (skipped != 0)
		fprintf(file, " (%" PRId64 " skipped)", skipped);
	fprintf(file, ", %" PRId64 " block%s, nested %" PRId64 " deep\n",
		blocks, blocks == 1 ? "" : "s",
		cli_int_of(summary, "depth", 0));
	if (runs >= 0)
		fprintf(file, "%" PRId64 " would run", runs);
	else
		fputs("how many would run is known in the run", file);
	if (at_once >= 0)
		fprintf(file, ", at most %" PRId64 " at once", at_once);
	if (chain >= 0)
		fprintf(file, "; longest chain: %" PRId64, chain);
	putc('\n', file);
}

void cli_plan_print(const struct cli_plan_text *out, flo_plan_part part,
		    const flo_value *value)
{
	if (part == FLO_PLAN_RUN)
		print_run(out, value);
	else if (part == FLO_PLAN_STEP)
		print_step(out, value);
	else
		print_summary(out, value);
}
