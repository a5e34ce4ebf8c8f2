#include "cli/progress.h"

#include "cli/event.h"
#include "cli/print.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a step's line begins with. */
struct mark {
	const char *word;
	const char *colour;
};

static const struct mark mark_ok = {"ok", "\033[32m"};
static const struct mark mark_failed = {"FAILED", "\033[31m"};
static const struct mark mark_cancelled = {"cancelled", "\033[33m"};
static const struct mark mark_skipped = {"skipped", "\033[2m"};
static const struct mark mark_retry = {"retry", "\033[33m"};
static const struct mark mark_reused = {"reused", "\033[2m"};
static const struct mark mark_lost = {"lost", "\033[33m"};

static bool wants_colour(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !(no && *no) && term &&
	       strcmp(term, "dumb") != 0;
}

void cli_progress_init(struct cli_progress *progress, struct cli_sink *sink,
		       enum cli_progress_mode mode, const char *pipeline)
{
	memset(progress, 0, sizeof(*progress));
	progress->sink = sink;
	progress->mode = mode;
	progress->pipeline = pipeline;
	progress->is_coloured = wants_colour();
	clock_gettime(CLOCK_MONOTONIC, &progress->started);
	progress->noted = progress->started;
}

static double ms_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) * 1e3 +
	       (double)(now.tv_nsec - then->tv_nsec) / 1e6;
}

/* Give what @stream has collected to the sink. Closes @stream. */
static void send(struct cli_progress *p, FILE *stream, char **text,
		 const size_t *len)
{
	if (fclose(stream) == 0)
		cli_sink_write(p->sink, *text, *len);
	free(*text);
}

static void put_slice(FILE *file, struct cli_slice slice)
{
	cli_put_escaped(file, slice.at, slice.len, CLI_ONE_LINE);
}

/* The error's message: what an error object says in words. */
static void put_reason(FILE *file, struct cli_slice error)
{
	flo_value *value = NULL;
	const char *message;

	if (!error.len ||
	    flo_value_from_json(error.at, error.len, 0, NULL, &value))
		return;
	message = cli_map_text(value, "message");
	if (*message) {
		fputs("  ", file);
		cli_put_escaped(file, message, strlen(message), CLI_ONE_LINE);
	}
	flo_value_unref(value);
}

static void put_line(FILE *file, const struct cli_progress *p,
		     const struct cli_event *event, const struct mark *mark)
{
	double attempt = cli_slice_number(event->attempt);
	struct cli_span span = cli_duration(
		event->duration_ms.len ? cli_slice_number(event->duration_ms)
				       : -1);

	fprintf(file, "  %s%-9s%s  ", p->is_coloured ? mark->colour : "",
		mark->word, p->is_coloured ? "\033[0m" : "");
	fprintf(file, "%9s  ", span.text);
	put_slice(file, event->path);
	if (attempt > 1)
		fprintf(file, " (attempt %.0f)", attempt);
	put_reason(file, event->error);
	if (event->delay_ms.len)
		fprintf(file, ", again in %s",
			cli_duration(cli_slice_number(event->delay_ms)).text);
	putc('\n', file);
}

static void step_line(struct cli_progress *p, const struct cli_event *event,
		      const struct mark *mark)
{
	char *text = NULL;
	size_t len = 0;
	FILE *stream = open_memstream(&text, &len);

	if (!stream)
		return;
	put_line(stream, p, event, mark);
	send(p, stream, &text, &len);
	if (++p->lines == CLI_PROGRESS_LINES)
		cli_sink_printf(p->sink,
				"  (from here on: failures, and a count once a "
				"second)\n");
}

static void note(struct cli_progress *p)
{
	if (ms_since(&p->noted) < 1000)
		return;
	clock_gettime(CLOCK_MONOTONIC, &p->noted);
	cli_sink_printf(p->sink, "  %lu step%s ended, %lu failed, %s\n",
			p->ended, p->ended == 1 ? "" : "s", p->failed,
			cli_duration(ms_since(&p->started)).text);
}

static void chatter(struct cli_progress *p, const struct cli_event *event,
		    const struct mark *mark)
{
	if (p->lines < CLI_PROGRESS_LINES)
		step_line(p, event, mark);
	else
		note(p);
}

static void step_finished(struct cli_progress *p, const struct cli_event *event)
{
	p->ended++;
	if (cli_slice_is(event->status, "failed")) {
		p->failed++;
		step_line(p, event, &mark_failed);
	} else if (cli_slice_is(event->status, "cancelled")) {
		chatter(p, event, &mark_cancelled);
	} else {
		chatter(p, event, &mark_ok);
	}
}

static void run_line(struct cli_progress *p, const struct cli_event *event,
		     const char *verb)
{
	cli_sink_printf(p->sink, "run %.*s %s: %s\n", (int)event->run.len,
			event->run.at, verb, p->pipeline);
}

static void rerun_line(struct cli_progress *p, const struct cli_event *event)
{
	cli_sink_printf(p->sink, "run %.*s started, a rerun of %.*s: %s\n",
			(int)event->run.len, event->run.at,
			(int)event->rerun_of.len, event->rerun_of.at,
			p->pipeline);
}

void cli_progress_event(const char *json, size_t len, void *arg)
{
	struct cli_progress *p = arg;
	struct cli_event event;

	if (p->mode == CLI_PROGRESS_JSON) {
		cli_sink_write(p->sink, json, len);
		cli_sink_write(p->sink, "\n", 1);
		return;
	}
	if (p->mode == CLI_PROGRESS_QUIET || !cli_event_scan(json, len, &event))
		return;
	if (cli_slice_is(event.kind, "step.finished")) {
		step_finished(p, &event);
	} else if (cli_slice_is(event.kind, "step.skipped")) {
		p->ended++;
		chatter(p, &event, &mark_skipped);
	} else if (cli_slice_is(event.kind, "step.reused")) {
		p->ended++;
		chatter(p, &event, &mark_reused);
	} else if (cli_slice_is(event.kind, "step.retrying")) {
		chatter(p, &event, &mark_retry);
	} else if (cli_slice_is(event.kind, "step.lost")) {
		step_line(p, &event, &mark_lost);
	} else if (cli_slice_is(event.kind, "run.queued")) {
		/* What it takes over comes before its start. */
		p->is_rerun = event.rerun_of.len > 0;
		if (p->is_rerun)
			rerun_line(p, &event);
	} else if (cli_slice_is(event.kind, "run.started")) {
		if (!p->is_rerun)
			run_line(p, &event, "started");
	} else if (cli_slice_is(event.kind, "run.resumed")) {
		run_line(p, &event, "resumed");
	}
}

/* Blocks are not counted. One that fails though nothing in it did, by its
 * `foreach` or its time limit, would leave a failure without anything failed. */
static void put_itself(FILE *file, const flo_value *result)
{
	const flo_value *counts = flo_value_map_get(result, "counts");
	const flo_value *failed = flo_value_map_get(counts, "failed");
	const char *path =
		cli_map_text(flo_value_map_get(result, "error"), "path");

	if (strcmp(cli_map_text(result, "status"), "failed") != 0 || !*path ||
	    (failed && flo_value_get_int(failed) != 0))
		return;
	fputs("; ", file);
	cli_put_escaped(file, path, strlen(path), CLI_ONE_LINE);
	fputs(" itself failed", file);
}

static void put_counts(FILE *file, const flo_value *counts)
{
	static const char *const names[] = {"succeeded", "failed", "skipped",
					    "cancelled", "blocked"};
	const char *between = ": ";

	for (size_t i = 0; counts && i < sizeof(names) / sizeof(names[0]);
	     i++) {
		const flo_value *n = flo_value_map_get(counts, names[i]);

		if (!n || flo_value_typeof(n) != FLO_VALUE_INT ||
		    flo_value_get_int(n) == 0)
			continue;
		fprintf(file, "%s%lld %s", between,
			(long long)flo_value_get_int(n), names[i]);
		between = ", ";
	}
}

static void put_output(FILE *file, const flo_value *output)
{
	char *text;

	if (!output || flo_value_typeof(output) == FLO_VALUE_NULL)
		return;
	text = flo_value_to_json(output);
	if (text && strlen(text) > 70) {
		flo_free(text);
		text = flo_value_to_json_pretty(output);
	}
	if (text) {
		fputs("output ", file);
		cli_put_escaped(file, text, strlen(text), 0);
		putc('\n', file);
	}
	flo_free(text);
}

void cli_progress_summary(struct cli_progress *p, const flo_value *result)
{
	char *text = NULL;
	size_t len = 0;
	const flo_value *ms;
	FILE *stream;

	if (p->mode != CLI_PROGRESS_PLAIN)
		return;
	stream = open_memstream(&text, &len);
	if (!stream)
		return;
	/* As `show` and `runs` say it ever after. */
	ms = flo_value_map_get(result, "duration_ms");
	fprintf(stream, "%s in %s", cli_map_text(result, "status"),
		cli_duration(ms ? flo_value_get_double(ms)
				: ms_since(&p->started))
			.text);
	put_counts(stream, flo_value_map_get(result, "counts"));
	put_itself(stream, result);
	putc('\n', stream);
	put_output(stream, flo_value_map_get(result, "output"));
	send(p, stream, &text, &len);
}
