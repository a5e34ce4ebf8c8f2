/*
 * Reports: which coroutines there are and what they wait for, for people.
 *
 * Coroutines that differ in nothing a line would say share a line, and there
 * are at most LINES_MAX lines: a million that wait for one mutex are one.
 *
 * While coroutines run, what is read here changes. Every field is read by
 * itself and relaxed, and points to a constant, so a report may be wrong about
 * a coroutine, or take two for one, but is never unsafe.
 */
#include "engine/sched/gmp_p.h"

#include "base/contract.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 100u
#define LINE_LEN  320u

struct line {
	const char *name, *why;
	uint64_t trace[2];
	uint32_t state;
	uint64_t count;
};

struct lines {
	struct line at[LINES_MAX];
	uint32_t len;
	uint64_t more; /* coroutines for which there was no line left */
	bool parked_only;
};

static bool same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same(const struct line *a, const struct line *b)
{
	return a->state == b->state && a->trace[0] == b->trace[0] &&
	       a->trace[1] == b->trace[1] && same_text(a->name, b->name) &&
	       same_text(a->why, b->why);
}

static void add(struct flo__g *g, void *arg)
{
	struct lines *lines = arg;
	struct line line = {
		/* acquire: a coroutine that is not free has its fields set */
		.state = atomic_load_explicit(&g->state, memory_order_acquire),
		.count = 1,
	};
	uint8_t marks = __atomic_load_n(&g->marks, __ATOMIC_RELAXED);

	if (line.state == FLO__G_FREE ||
	    (lines->parked_only && line.state != FLO__G_PARKED))
		return;
	if (marks & FLO__G_NAMED)
		line.name = __atomic_load_n(&g->name, __ATOMIC_RELAXED);
	for (int i = 0; i < 2 && (marks & FLO__G_TRACED); i++)
		line.trace[i] = __atomic_load_n(&g->trace[i], __ATOMIC_RELAXED);
	if (line.state == FLO__G_PARKED)
		line.why = __atomic_load_n(&g->why, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < lines->len; i++) {
		if (same(&lines->at[i], &line)) {
			lines->at[i].count++;
			return;
		}
	}
	if (lines->len < LINES_MAX)
		lines->at[lines->len++] = line;
	else
		lines->more++;
}

/* "  3 coroutines pull wait: mutex, trace 4bf9..." */
static size_t print(const struct line *line, char text[LINE_LEN])
{
	static const char *const one[] = {"?", "is queued", "runs", "waits"};
	static const char *const many[] = {"?", "are queued", "run", "wait"};
	const char *name = line->name != NULL && line->name[0] != '\0'
				   ? line->name
				   : "(no name)";
	char count[32] = "coroutine", trace[48] = "";
	int n;

	if (line->count > 1)
		snprintf(count, sizeof(count), "%" PRIu64 " coroutines",
			 line->count);
	if (line->trace[0] != 0 || line->trace[1] != 0)
		snprintf(trace, sizeof(trace),
			 ", trace %016" PRIx64 "%016" PRIx64, line->trace[0],
			 line->trace[1]);
	n = snprintf(text, LINE_LEN, "  %s %.80s %s%s%.80s%s\n", count, name,
		     (line->count > 1 ? many : one)[line->state],
		     line->state == FLO__G_PARKED ? ": " : "",
		     line->state != FLO__G_PARKED ? ""
		     : line->why != NULL	  ? line->why
						  : "(no reason given)",
		     trace);
	INSIST(n > 0 && n < (int)LINE_LEN);
	return (size_t)n;
}

void flo__report(flo_runtime *rt, bool parked_only, flo__report_fn fn,
		 void *arg)
{
	struct lines lines;
	char text[LINE_LEN];

	lines.len = 0;
	lines.more = 0;
	lines.parked_only = parked_only;
	flo__g_each(rt, add, &lines);
	for (uint32_t i = 0; i < lines.len; i++)
		fn(arg, text, print(&lines.at[i], text));
	if (lines.more > 0)
		fn(arg, text,
		   (size_t)snprintf(text, sizeof(text),
				    "  ... and %" PRIu64 " more\n",
				    lines.more));
}

void flo__report_write(void *arg, const char *text, size_t len)
{
	ssize_t n;

	while (len > 0 && (n = write(*(int *)arg, text, len)) > 0) {
		text += n;
		len -= (size_t)n;
	}
}

void flo_runtime_report(flo_runtime *rt, int fd)
{
	REQUIRE_RULE(rt != NULL, "there is no runtime");
	REQUIRE_RULE(fd >= 0, "a descriptor is not negative");
	flo__report(rt, false, flo__report_write, &fd);
}
