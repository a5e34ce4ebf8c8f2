#include "dsl/report_p.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "dsl/dsl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Problems kept to choose the first ones from; the rest is only counted. */
#define KEPT_MAX 4096

/* A line longer than this is not shown: nobody could read it. */
#define LINE_MAX_SHOWN 4096

const char *flo__code_text(enum flo__problem_code code)
{
	static const char *const texts[] = {
#define FLO__CODE_X(code, text) text,
		FLO__CODE_MAP(FLO__CODE_X)
#undef FLO__CODE_X
	};

	return texts[code];
}

void flo__report_init(struct flo__report *report, struct flo__doc *doc)
{
	*report = (struct flo__report){.doc = doc};
}

void flo__report_fini(struct flo__report *report)
{
	for (size_t i = 0; i < report->len; i++) {
		flo__free(report->items[i].message);
		flo__free(report->items[i].hint);
	}
	flo__free(report->items);
	flo__report_init(report, NULL);
}

static bool grow(struct flo__report *report)
{
	size_t cap = report->cap != 0 ? report->cap * 2 : 16;
	struct flo__problem *items;

	if (report->len < report->cap)
		return true;
	items = flo__reallocarray(report->items, cap, sizeof(*items));
	if (items == NULL)
		return false;
	report->items = items;
	report->cap = cap;
	return true;
}

static void add(struct flo__report *report, struct flo__problem problem,
		const char *hint, const char *format, va_list args)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	report->errors += problem.severity == FLO_SEVERITY_ERROR;
	if (report->len == KEPT_MAX)
		return;
	flo__strbuf_addv(&sb, format, args);
	problem.seq = (uint32_t)report->len;
	problem.message = flo__strbuf_take(&sb);
	if (hint != NULL && hint[0] != '\0')
		problem.hint = flo__strdup(hint);
	if (problem.message == NULL || !grow(report) ||
	    (hint != NULL && hint[0] != '\0' && problem.hint == NULL)) {
		report->nomem = true;
		flo__free(problem.message);
		flo__free(problem.hint);
		flo__strbuf_fini(&sb);
		return;
	}
	report->items[report->len++] = problem;
}

void flo__report_error(struct flo__report *report, enum flo__problem_code code,
		       struct flo__span span, uint32_t node, const char *hint,
		       const char *format, ...)
{
	struct flo__problem problem = {.span = span,
				       .node = node,
				       .code = code,
				       .severity = FLO_SEVERITY_ERROR};
	va_list args;

	va_start(args, format);
	add(report, problem, hint, format, args);
	va_end(args);
}

void flo__report_warning(struct flo__report *report,
			 enum flo__problem_code code, struct flo__span span,
			 uint32_t node, const char *hint, const char *format,
			 ...)
{
	struct flo__problem problem = {.span = span,
				       .node = node,
				       .code = code,
				       .severity = FLO_SEVERITY_WARNING};
	va_list args;

	va_start(args, format);
	add(report, problem, hint, format, args);
	va_end(args);
}

static int by_place(const void *a, const void *b)
{
	const struct flo__problem *x = a;
	const struct flo__problem *y = b;

	if (x->span.begin != y->span.begin)
		return x->span.begin < y->span.begin ? -1 : 1;
	return x->seq < y->seq ? -1 : x->seq > y->seq;
}

/* The whole line @line (from 1) in memory of its own, "" if it is too long. */
static char *line_text(const struct flo__doc *doc, int line)
{
	size_t begin = doc->lines_len != 0 ? doc->lines[line - 1] : 0;
	const char *text = doc->text + begin;
	size_t left = doc->len - begin;
	const char *end = left != 0 ? memchr(text, '\n', left) : NULL;
	size_t len = end != NULL ? (size_t)(end - text) : left;

	if (len > 0 && text[len - 1] == '\r')
		len--;
	return flo__strndup(text, len <= LINE_MAX_SHOWN ? len : 0);
}

static flo_status emit_one(const struct flo__report *report,
			   const struct flo__problem *problem, const char *file,
			   flo_diagnostic_fn fn, void *arg)
{
	struct flo__strbuf pointer = FLO__STRBUF_INIT;
	flo_diagnostic d = {
		.file = file,
		.code = flo__code_text(problem->code),
		.severity = problem->severity,
		.message = problem->message,
		.hint = problem->hint != NULL ? problem->hint : "",
	};
	int end_line;
	char *line;
	flo_status st = FLO_NOMEM;

	flo__doc_place(report->doc, problem->span.begin, &d.line, &d.column);
	flo__doc_place(report->doc, problem->span.end, &end_line,
		       &d.end_column);
	line = line_text(report->doc, d.line);
	if (end_line != d.line) /* the caret shows what is on this line */
		d.end_column = d.column + 1;
	if (d.end_column <= d.column)
		d.end_column = d.column + 1;
	if (problem->node != FLO__DOC_NONE)
		flo__doc_pointer(report->doc, problem->node, &pointer);
	if (line != NULL && !pointer.failed && !report->doc->nomem) {
		d.pointer = pointer.data;
		d.source_line = line;
		fn(&d, arg);
		st = FLO_OK;
	}
	flo__free(line);
	flo__strbuf_fini(&pointer);
	return st;
}

/* Whether both say the same of the same place: a file that is included twice
 * is looked at twice. */
static bool same(const struct flo__problem *a, const struct flo__problem *b)
{
	return a->code == b->code && a->span.begin == b->span.begin &&
	       a->span.end == b->span.end &&
	       strcmp(a->message, b->message) == 0;
}

void flo__report_settle(struct flo__report *report)
{
	size_t n = 0;

	if (report->len > 1)
		qsort(report->items, report->len, sizeof(*report->items),
		      by_place);
	for (size_t i = 0; i < report->len; i++) {
		struct flo__problem *item = &report->items[i];

		if (n == 0 || !same(&report->items[n - 1], item)) {
			report->items[n++] = *item;
			continue;
		}
		report->errors -= item->severity == FLO_SEVERITY_ERROR;
		flo__free(item->message);
		flo__free(item->hint);
	}
	report->len = n;
}

flo_status flo__report_emit(struct flo__report *report, const char *file,
			    flo_diagnostic_fn fn, void *arg, size_t *left)
{
	size_t n;

	if (report->nomem)
		return FLO_NOMEM;
	flo__report_settle(report);
	n = report->len;
	for (size_t i = 0; fn != NULL && i<n && * left> 0; i++) {
		flo_status st =
			emit_one(report, &report->items[i], file, fn, arg);

		if (st != FLO_OK)
			return st;
		--*left;
	}
	return FLO_OK;
}

/* Levenshtein's distance with swaps of neighbours, of short names. */
static size_t distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
	size_t rows[3][64];
	size_t *before = rows[0];
	size_t *last = rows[1];
	size_t *row = rows[2];

	for (size_t j = 0; j <= b_len; j++)
		last[j] = j;
	for (size_t i = 1; i <= a_len; i++) {
		size_t *free_row = before;

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			size_t cost = a[i - 1] != b[j - 1];
			size_t best = last[j - 1] + cost;

			if (last[j] + 1 < best)
				best = last[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] &&
			    a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
				best = before[j - 2] + 1;
			row[j] = best;
		}
		before = last;
		last = row;
		row = free_row;
	}
	return last[b_len];
}

void flo__nearest_init(struct flo__nearest *near, const char *want, size_t len)
{
	*near = (struct flo__nearest){
		.want = want,
		.want_len = len,
		.best = len / 3 + 2, /* must be nearer than that */
	};
}

void flo__nearest_offer(struct flo__nearest *near, const char *name, size_t len)
{
	size_t d;

	if (near->want_len > 60 || len > 60 || near->want_len == 0 ||
	    len > near->want_len + near->best ||
	    near->want_len > len + near->best)
		return;
	d = distance(near->want, near->want_len, name, len);
	if (d >= near->best || d >= len)
		return;
	near->best = d;
	memcpy(near->name, name, len);
	near->name[len] = '\0';
}

const char *flo__nearest_hint(const struct flo__nearest *near, char *buf,
			      size_t size)
{
	if (near->name[0] == '\0')
		return NULL;
	snprintf(buf, size, "did you mean \"%s\"?", near->name);
	return buf;
}
