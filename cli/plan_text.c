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
#include "cli/plan.h"

#include "cli/cli.h"
#include "cli/print.h"
#include "cli/utf8.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define STEP_INDENT 3
#define INDENT_MAX  36 /* deeper steps are not indented further */
#define PARAM_MAX   60 /* columns of a param's value */

/* Phrases on their way into lines. */
struct phrases {
	const struct cli_plan_text *out;
	size_t indent;
	size_t column; /* 0: no line has begun */
};

static void put_indent(const struct cli_plan_text *out, size_t indent)
{
	fprintf(out->file, "%*s", (int)indent, "");
}

/* Print at most @room columns of @text, in one line. */
static size_t put_cut(const struct cli_plan_text *out, const char *text,
		      size_t len, size_t room)
{
	size_t fits;

	if (cli_columns(text, len) <= room)
		return cli_put_escaped(out->file, text, len, CLI_ONE_LINE);
	fits = cli_fit(text, len, room > 3 ? room - 3 : 0);
	fits = cli_put_escaped(out->file, text, fits, CLI_ONE_LINE);
	fputs("...", out->file);
	return fits + 3;
}

static size_t room_of(const struct cli_plan_text *out, size_t indent)
{
	return out->width > indent + 20 ? out->width - indent : 20;
}

__attribute__((format(printf, 2, 3))) static void
phrase(struct phrases *p, const char *format, ...)
{
	const struct cli_plan_text *out = p->out;
	char *text;
	size_t columns;
	va_list args;
	int len;

	va_start(args, format);
	len = vasprintf(&text, format, args);
	va_end(args);
	if (len < 0) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	columns = cli_columns(text, (size_t)len);
	if (p->column != 0 && p->column + 2 + columns > out->width) {
		fputs(",\n", out->file);
		p->column = 0;
	} else if (p->column != 0) {
		fputs(", ", out->file);
		p->column += 2;
	}
	if (p->column == 0) {
		put_indent(out, p->indent);
		p->column = p->indent;
	}
	p->column += put_cut(out, text, (size_t)len, room_of(out, p->indent));
	free(text);
}

static void end_phrases(struct phrases *p)
{
	if (p->column != 0)
		putc('\n', p->out->file);
	p->column = 0;
}

/* ---- values as text ---- */

/* A string as it is, anything else as JSON; memory for flo_free(). */
static char *text_of(const flo_value *value)
{
	char *text = flo_value_to_json(value);
	size_t len;

	if (!text) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	if (flo_value_typeof(value) == FLO_VALUE_STRING) {
		const char *raw = flo_value_get_string(value, &len);

		/* JSON's quotes leave room for the same without them. */
		memmove(text, raw, strlen(raw) + 1);
	}
	return text;
}

static bool is_true(const flo_value *map, const char *key)
{
	const flo_value *value = flo_value_map_get(map, key);

	return value && flo_value_typeof(value) == FLO_VALUE_BOOL &&
	       flo_value_get_bool(value);
}

static size_t len_of(const flo_value *value)
{
	return value ? flo_value_len(value) : 0;
}

static int64_t int_of(const flo_value *map, const char *key, int64_t none)
{
	const flo_value *value = flo_value_map_get(map, key);

	return value && flo_value_typeof(value) == FLO_VALUE_INT
		       ? flo_value_get_int(value)
		       : none;
}

/* "a, b, c" of a list of strings; memory for free(). */
static char *joined(const flo_value *list)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	for (size_t i = 0; file && i < len_of(list); i++)
		fprintf(file, "%s%s", i ? ", " : "",
			flo_value_get_string(flo_value_list_at(list, i), NULL));
	if (!file || fclose(file)) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	return text;
}

static void phrase_list(struct phrases *p, const char *word,
			const flo_value *list)
{
	char *names = joined(list);

	phrase(p, "%s %s", word, names);
	free(names);
}

static void phrase_value(struct phrases *p, const flo_value *map,
			 const char *key)
{
	const flo_value *value = flo_value_map_get(map, key);
	char *text;

	if (!value)
		return;
	text = text_of(value);
	phrase(p, "%s %s", key, text);
	flo_free(text);
}

/* ---- the phrases of a step ---- */

static void phrase_when(struct phrases *p, const flo_value *step)
{
	const flo_value *when = flo_value_map_get(step, "when");
	const flo_value *value = flo_value_map_get(when, "value");
	const char *error = cli_map_text(when, "error");
	const char *expr = cli_map_text(when, "expr");

	if (!when && is_true(step, "skipped"))
		phrase(p, "skipped with its block");
	if (!when)
		return;
	if (*error)
		phrase(p, "when %s: fails, %s", expr, error);
	else if (!value)
		phrase(p, "when %s", expr);
	else
		phrase(p, "when %s: %s", expr,
		       flo_value_get_bool(value) ? "true" : "false, skipped");
}

static void phrase_needs(struct phrases *p, const flo_value *step)
{
	const flo_value *needs = flo_value_map_get(step, "needs");

	if (len_of(needs) != 0 && !strcmp(cli_map_text(step, "in"), "group"))
		phrase_list(p, "needs", needs);
}

static void phrase_limit(struct phrases *p, const flo_value *step)
{
	const flo_value *limit = flo_value_map_get(step, "limit");
	const char *of = !strcmp(cli_map_text(limit, "origin"), "run")
				 ? "of the run"
				 : "own";

	if (!limit)
		return;
	if (flo_value_map_get(limit, "value"))
		phrase(p, "limit %" PRId64 " (%s)", int_of(limit, "value", 0),
		       of);
	else
		phrase(p, "limit %s (%s)", cli_map_text(limit, "expr"), of);
}

static void phrase_timeout(struct phrases *p, const flo_value *timeout,
			   const char *before)
{
	const char *origin = cli_map_text(timeout, "origin");
	const char *text = cli_map_text(timeout, "text");
	const char *of = cli_map_text(timeout, "of");

	if (!timeout)
		return;
	if (!strcmp(origin, "block"))
		phrase(p, "%s %s (of block %s)", before, text, of);
	else if (!strcmp(origin, "finally"))
		phrase(p, "%s %s (of %s)", before, text, of);
	else if (!strcmp(origin, "run"))
		phrase(p, "%s %s (of the run)", before, text);
	else if (*origin)
		phrase(p, "%s %s (%s)", before, text, origin);
	else
		phrase(p, "%s %s", before, text);
	phrase_timeout(p, flo_value_map_get(timeout, "at_most"), "at most");
}

/* " after 1s, 2s, 4s (+-20%)", or nothing; memory for free(). */
static char *waits_of(const flo_value *retry, int64_t limit)
{
	const flo_value *delays = flo_value_map_get(retry, "delays");
	const flo_value *jitter = flo_value_map_get(retry, "jitter");
	char spread[32] = "", *list = joined(delays), *text;
	int len;

	if (jitter)
		snprintf(spread, sizeof(spread), " (+-%g%%)",
			 flo_value_get_double(jitter) * 100);
	len = asprintf(&text, "%s%s%s%s", len_of(delays) ? " after " : "", list,
		       len_of(delays) && limit > (int64_t)len_of(delays)
			       ? ", ..."
			       : "",
		       len_of(delays) ? spread : "");
	if (len < 0) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	free(list);
	return text;
}

static void phrase_retry(struct phrases *p, const flo_value *step)
{
	const flo_value *retry = flo_value_map_get(step, "retry");
	int64_t limit = int_of(retry, "limit", -1);
	char *waits;

	if (!retry)
		return;
	waits = waits_of(retry, limit);
	if (limit < 0)
		phrase(p, "retry %s times%s", cli_map_text(retry, "limit"),
		       waits);
	else if (limit == 0)
		phrase(p, "no retry");
	else
		phrase(p, "retry %" PRId64 " time%s%s", limit,
		       limit == 1 ? "" : "s", waits);
	free(waits);
	if (*cli_map_text(retry, "when"))
		phrase(p, "only when %s", cli_map_text(retry, "when"));
}

static void phrase_rest(struct phrases *p, const flo_value *step)
{
	static const char *const keys[] = {
		"on_error", "max_failures", "dir",
		"grace",    "output",	    "output_limit",
		"exit_ok",  "stop_signal",  "stdin",
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		phrase_value(p, step, keys[i]);
	if (is_true(step, "allow_failure"))
		phrase(p, "may fail");
	if (flo_value_map_get(step, "idempotent"))
		phrase(p, "not idempotent");
	if (flo_value_map_get(step, "env"))
		phrase_list(p, "env", flo_value_map_get(step, "env"));
}

/* ---- what a step does ---- */

static void put_command(const flo_value *step, FILE *file)
{
	const flo_value *exec = flo_value_map_get(step, "exec");
	const flo_value *with = flo_value_map_get(step, "with");
	const char *sh = cli_map_text(step, "sh");
	int line = (int)strcspn(sh, "\n");
	char *text;

	for (size_t i = 0; i < len_of(exec); i++) {
		fputs(i ? " " : "exec ", file);
		cli_put_shell_word(
			file,
			flo_value_get_string(flo_value_list_at(exec, i), NULL));
	}
	if (flo_value_map_get(step, "sh"))
		fprintf(file, "sh %.*s%s", line, sh,
			sh[line] && sh[line + 1] ? " ..." : "");
	if (flo_value_map_get(step, "use"))
		fprintf(file, "use %s ", cli_map_text(step, "use"));
	if (with) {
		text = text_of(with);
		fputs(text, file);
		flo_free(text);
	}
}

static void print_command(const struct cli_plan_text *out, size_t indent,
			  const flo_value *step)
{
	char *text = NULL;
	size_t size = 0;
	FILE *file = open_memstream(&text, &size);

	if (file)
		put_command(step, file);
	if (!file || fclose(file)) {
		cli_error("out of memory");
		exit(CLI_STORE);
	}
	if (size != 0) {
		put_indent(out, indent);
		put_cut(out, text, size, room_of(out, indent));
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
	int64_t items = int_of(foreach, "count", -1);
	struct phrases p = {.out = out, .indent = indent};
	char count[64] = "items known in the run";

	if (items == 0)
		snprintf(count, sizeof(count), "no items");
	else if (items > 0)
		snprintf(count, sizeof(count), "%" PRId64 " item%s", items,
			 items == 1 ? "" : "s");
	if (*error)
		phrase(&p, "foreach %s of %s: fails, %s",
		       cli_map_text(step, "as"), expr, error);
	else if (*expr)
		phrase(&p, "foreach %s of %s: %s", cli_map_text(step, "as"),
		       expr, count);
	else
		phrase(&p, "foreach %s of %s", cli_map_text(step, "as"), count);
	end_phrases(&p);
}

/* The kinds that are no command are said in a word before the phrases. */
static const char *block_word(const flo_value *step)
{
	const char *kind = cli_map_text(step, "kind");

	if (!strcmp(kind, "foreach"))
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

	put_indent(out, indent);
	if (strcmp(cli_map_text(step, "kind"), "finally") != 0) {
		if (!strcmp(cli_map_text(step, "in"), "group"))
			fputs("-  ", out->file);
		else
			fprintf(out->file, "%" PRId64 ". ",
				int_of(step, "position", 0));
	}
	cli_put_escaped(out->file, path, strlen(path), CLI_ONE_LINE);
	if (*title) {
		fputs(": ", out->file);
		put_cut(out, title, strlen(title), room_of(out, indent + 20));
	}
	putc('\n', out->file);
}

static void print_step(const struct cli_plan_text *out, const flo_value *step)
{
	size_t depth = (size_t)int_of(step, "depth", 0);
	size_t indent = depth * STEP_INDENT;
	struct phrases p = {.out = out};
	const char *word = block_word(step);

	if (indent > INDENT_MAX)
		indent = INDENT_MAX;
	print_head(out, indent, step);
	p.indent = indent + STEP_INDENT;
	if (flo_value_map_get(step, "foreach"))
		print_foreach(out, p.indent, step);
	print_command(out, p.indent, step);
	if (word)
		phrase(&p, "%s", word);
	phrase_when(&p, step);
	phrase_needs(&p, step);
	phrase_limit(&p, step);
	phrase_timeout(&p, flo_value_map_get(step, "timeout"), "timeout");
	phrase_retry(&p, step);
	phrase_rest(&p, step);
	end_phrases(&p);
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
		put_cut(out, text ? text : "", text ? strlen(text) : 0,
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
	struct phrases p = {.out = out, .indent = STEP_INDENT};
	char *text;

	fputs(cli_map_text(run, "pipeline"), out->file);
	if (*about) {
		fputs(": ", out->file);
		put_cut(out, about, strlen(about), room_of(out, 20));
	}
	putc('\n', out->file);
	for (size_t i = 0; i < len_of(params); i++)
		print_param(out, flo_value_list_at(params, i));
	text = text_of(flo_value_map_get(limit, "value")
			       ? flo_value_map_get(limit, "value")
			       : flo_value_map_get(limit, "expr"));
	if (!strcmp(cli_map_text(limit, "origin"), "default"))
		phrase(&p, "limit %s programs (default)", text);
	else
		phrase(&p, "limit %s%s", text,
		       !strcmp(cli_map_text(limit, "origin"), "option")
			       ? " (--limit)"
			       : "");
	flo_free(text);
	phrase_timeout(&p, flo_value_map_get(run, "timeout"), "timeout");
	phrase_rest(&p, run);
	end_phrases(&p);
	putc('\n', out->file);
}

static void print_summary(const struct cli_plan_text *out,
			  const flo_value *summary)
{
	int64_t leaves = int_of(summary, "leaves", 0);
	int64_t blocks = int_of(summary, "blocks", 0);
	int64_t skipped = int_of(summary, "skipped", 0);
	int64_t runs = int_of(summary, "runs", -1);
	int64_t at_once = int_of(summary, "at_once", -1);
	int64_t chain = int_of(summary, "longest_chain", -1);
	FILE *file = out->file;

	fprintf(file, "\n%" PRId64 " step%s", leaves, leaves == 1 ? "" : "s");
	if (skipped != 0)
		fprintf(file, " (%" PRId64 " skipped)", skipped);
	fprintf(file, ", %" PRId64 " block%s, nested %" PRId64 " deep\n",
		blocks, blocks == 1 ? "" : "s", int_of(summary, "depth", 0));
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
