#include "dsl/report_p.h"

#include "base/alloc.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "dsl/dsl.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Problems kept to choose the first ones from, and how many of them may be
 * warnings; the rest is only counted. */
#define KEPT_MAX	  4096
#define WARNINGS_KEPT_MAX 1024

/* Of a line longer than this a piece is shown, which begins at most so many
 * bytes before the place. */
#define LINE_MAX_SHOWN 4096
#define LINE_BEFORE    1024

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

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

static bool has_control(const char *text)
{
	while (*text != '\0' && !is_control(*text))
		text++;
	return *text != '\0';
}

/*
 * @text (taken) as one line of UTF-8: what it cites from the file may have been
 * cut inside a character, and may have control characters in it, which are
 * shown as JSON would have them. NULL without memory.
 */
static char *one_line(char *text)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	if (text == NULL)
		return NULL;
	flo__utf8_tidy(text);
	if (!has_control(text))
		return text;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at == '\n' || *at == '\t')
			flo__strbuf_adds(&sb, *at == '\n' ? "\\n" : "\\t");
		else if (is_control(*at))
			flo__strbuf_addf(&sb, "\\u%04x", (unsigned)*at);
		else
			flo__strbuf_addc(&sb, *at);
	}
	flo__free(text);
	return flo__strbuf_take(&sb);
}

static void add(struct flo__report *report, struct flo__problem problem,
		const char *hint, const char *format, va_list args)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;

	bool error = problem.severity == FLO_SEVERITY_ERROR;

	report->errors += error;
	report->warnings += !error;
	if (report->len == KEPT_MAX ||
	    (!error && report->warnings > WARNINGS_KEPT_MAX))
		return;
	flo__strbuf_addv(&sb, format, args);
	problem.seq = (uint32_t)report->len;
	problem.message = one_line(flo__strbuf_take(&sb));
	if (hint != NULL && hint[0] != '\0')
		problem.hint = one_line(flo__strdup(hint));
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

static bool is_continuation(const struct flo__doc *doc, size_t at)
{
	return at < doc->len && ((unsigned char)doc->text[at] & 0xc0) == 0x80;
}

/*
 * The line of @d in memory of its own; of a very long one the piece around
 * the byte @place.
 */
static char *line_text(const struct flo__doc *doc, size_t place,
		       flo_diagnostic *d)
{
	size_t begin = doc->lines_len != 0 ? doc->lines[d->line - 1] : 0;
	const char *text = doc->text + begin;
	size_t left = doc->len - begin;
	const char *newline = left != 0 ? memchr(text, '\n', left) : NULL;
	size_t end = newline != NULL ? (size_t)(newline - doc->text) : doc->len;

	if (end > begin && doc->text[end - 1] == '\r')
		end--;
	d->source_column = 1;
	if (end - begin > LINE_MAX_SHOWN) {
		if (place - begin > LINE_BEFORE)
			begin = place - LINE_BEFORE;
		while (begin < place && is_continuation(doc, begin))
			begin++;
		if (end - begin > LINE_MAX_SHOWN)
			end = begin + LINE_MAX_SHOWN;
		while (end > begin && is_continuation(doc, end))
			end--;
		text = doc->text + begin;
		d->source_column =
			d->column - (int)flo__utf8_count(text, place - begin);
	}
	return flo__strndup(doc->text + begin, end - begin);
}

static flo_status emit_one(const struct flo__report *report,
			   const struct flo__problem *problem, const char *file,
			   size_t more, flo_diagnostic_fn fn, void *arg)
{
	struct flo__strbuf pointer = FLO__STRBUF_INIT;
	flo_diagnostic d = {
		.file = file,
		.code = flo__code_text(problem->code),
		.severity = problem->severity,
		.message = problem->message,
		.hint = problem->hint != NULL ? problem->hint : "",
		.more = more,
	};
	int end_line;
	char *line;
	flo_status st = FLO_NOMEM;

	flo__doc_place(report->doc, problem->span.begin, &d.line, &d.column);
	flo__doc_place(report->doc, problem->span.end, &end_line,
		       &d.end_column);
	line = line_text(report->doc, problem->span.begin, &d);
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

/* How many of what is kept are errors. */
static size_t errors_kept(const struct flo__report *report)
{
	size_t n = 0;

	for (size_t i = 0; i < report->len; i++)
		n += report->items[i].severity == FLO_SEVERITY_ERROR;
	return n;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
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
		report->warnings -= item->severity != FLO_SEVERITY_ERROR;
		flo__free(item->message);
		flo__free(item->hint);
	}
	report->len = n;
}

flo_status flo__report_emit(struct flo__report *report, const char *file,
			    flo_diagnostic_fn fn, void *arg, size_t *left)
{
	size_t errors, warnings, more;

	if (report->nomem)
		return FLO_NOMEM;
	flo__report_settle(report);
	errors = least(errors_kept(report), *left);
	warnings = least(report->warnings, *left - errors);
	more = report->errors + report->warnings - errors - warnings;
	for (size_t i = 0; fn != NULL && errors + warnings != 0; i++) {
		const struct flo__problem *problem = &report->items[i];
		size_t *kind = problem->severity == FLO_SEVERITY_ERROR
				       ? &errors
				       : &warnings;
		flo_status st;

		if (*kind == 0)
			continue;
		--*kind;
		--*left;
		st = emit_one(report, problem, file,
			      errors + warnings == 0 ? more : 0, fn, arg);
		if (st != FLO_OK)
			return st;
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
		.best = (len + 2) / 3 + 1, /* must be nearer than that */
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
