/*
 * Text that was probably meant as a template: "{{ params.x }}", "${params.x}"
 * and "$params.x", as other tools write them. Here it is text, and whoever
 * reads it gets it as it stands.
 *
 * A shell has ${x}, ${x[1]} and ${#x}, and so have programs that are given in
 * `exec`; {{ }} belongs to a dozen of languages. So the name must be a
 * variable's, and a field must follow, but for a loop's variable that is alone
 * in {{ }}. In `sh`, where no template may say that
 * the text is meant, only a param that there is counts, in {{ }}: ${params.x}
 * is an error of the shell's.
 */
#include "dsl/compile_p.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct look {
	struct flo__compiler *c;
	struct flo__view *view; /* NULL: in a script */
	uint32_t node;
	const char *text;
	size_t end;
};

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_';
}

static size_t skip_name(const struct look *l, size_t at)
{
	while (at < l->end && is_name(l->text[at]))
		at++;
	return at;
}

static bool is(const struct look *l, size_t at, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(l->text + at, word, len) == 0;
}

/* Whether a variable of the language is called so. */
static bool is_variable(const struct look *l, size_t at, size_t len)
{
	struct flo__expr_problem problem = {0};
	struct flo__ref ref = {.node = FLO__NODE_NONE};

	if (len == 0)
		return false;
	if (is(l, at, len, "params") || is(l, at, len, "steps") ||
	    is(l, at, len, "run") || is(l, at, len, "env") ||
	    is(l, at, len, "secrets"))
		return true;
	return l->view != NULL &&
	       l->view->names.var(&l->view->names, l->text + at, len, &ref,
				  &problem) == FLO_OK;
}

/* The param whose name begins at @at, behind "params.". */
static struct flo__param *param_at(const struct look *l, size_t at)
{
	return flo__params_find(&l->c->out->params, l->text + at,
				skip_name(l, at) - at);
}

/* Longer ones are not repeated: half an expression is of no use to anybody. */
#define SHOWN_MAX 60

/* Whether [begin, end) can stand between single quotes as it is. */
static bool is_quotable(const struct look *l, size_t begin, size_t end)
{
	if (end - begin > SHOWN_MAX)
		return false;
	for (size_t i = begin; i < end; i++)
		if (strchr("'\\", l->text[i]) != NULL ||
		    iscntrl((unsigned char)l->text[i]))
			return false;
	return true;
}

/* What to write for [begin, end), a template of [name, stop). */
static void hint_of_text(const struct look *l, size_t begin, size_t end,
			 size_t name, size_t stop, char *ret, size_t size)
{
	int at;

	if (stop - name > SHOWN_MAX)
		at = snprintf(ret, size,
			      l->text[begin] == '{'
				      ? "put a $ before the braces"
				      : "what is computed stands in ${{ }}");
	else
		at = snprintf(ret, size, "write ${{ %.*s }}",
			      (int)(stop - name), l->text + name);
	if (is_quotable(l, begin, end))
		snprintf(ret + at, size - (size_t)at,
			 "; or, if the text is meant, ${{ '%.*s' }}",
			 (int)(end - begin), l->text + begin);
}

/* The same for a script. */
static void hint_of_script(const struct look *l, size_t name, size_t stop,
			   char *ret, size_t size)
{
	bool fits = stop - name <= SHOWN_MAX;

	snprintf(ret, size,
		 "pass it in: \"env\": {\"VALUE\": \"${{ %.*s }}\"}, "
		 "and write \"$VALUE\" in the script",
		 fits ? (int)(stop - name) : 3, fits ? l->text + name : "...");
}

/* [begin, end) looks like a template of [name, stop). */
static void warn(const struct look *l, size_t begin, size_t end, size_t name,
		 size_t stop)
{
	size_t dot = skip_name(l, name);
	struct flo__param *param =
		is(l, name, dot - name, "params") && dot < stop
			? param_at(l, dot + 1)
			: NULL;
	char hint[240];

	while (stop > name && l->text[stop - 1] == ' ')
		stop--;
	/* That it is not used is no second mistake. */
	if (param != NULL)
		param->used = true;
	if (l->view != NULL)
		hint_of_text(l, begin, end, name, stop, hint, sizeof(hint));
	else
		hint_of_script(l, name, stop, hint, sizeof(hint));
	flo__report_warning(&l->c->report, FLO__CODE_LOOKALIKE,
			    flo__doc_inside(&l->c->doc, l->node, begin,
					    end - begin),
			    l->node, hint,
			    "this is text, and looks like a template");
}

/* "{{ name.field }}" or, of a loop, "{{ name }}"; returns where to go on. */
static size_t look_at_braces(const struct look *l, size_t at)
{
	size_t name = at + 2;
	size_t stop;
	const char *close;

	while (name < l->end && l->text[name] == ' ')
		name++;
	stop = skip_name(l, name);
	close = memmem(l->text + stop, l->end - stop, "}}", 2);
	if (close == NULL || !is_variable(l, name, stop - name))
		return at + 2;
	if (l->text[stop] != '.' && l->text[stop] != '[' &&
	    (l->view == NULL || is(l, name, stop - name, "env") ||
	     strspn(l->text + stop, " ") < (size_t)(close - l->text) - stop))
		return at + 2;
	if (l->view == NULL && (!is(l, name, stop - name, "params") ||
				param_at(l, stop + 1) == NULL))
		return at + 2;
	stop = (size_t)(close - l->text);
	warn(l, at, stop + 2, name, stop);
	return stop + 2;
}

/* "${name.field}" */
static size_t look_at_brace(const struct look *l, size_t at)
{
	size_t dot = skip_name(l, at + 2);
	size_t stop = dot;

	if (l->view == NULL || dot == l->end || l->text[dot] != '.' ||
	    !is_variable(l, at + 2, dot - at - 2))
		return at + 2;
	while (stop < l->end &&
	       (is_name(l->text[stop]) || strchr(".[]", l->text[stop]) != NULL))
		stop++;
	if (stop == l->end || l->text[stop] != '}')
		return at + 2;
	warn(l, at, stop + 1, at + 2, stop);
	return stop + 1;
}

/* "$params.name" of a param that there is. */
static size_t look_at_dollar(const struct look *l, size_t at)
{
	size_t dot = skip_name(l, at + 1);
	size_t stop;

	if (l->view == NULL || dot == l->end || l->text[dot] != '.' ||
	    !is(l, at + 1, dot - at - 1, "params") ||
	    param_at(l, dot + 1) == NULL)
		return at + 1;
	stop = skip_name(l, dot + 1);
	warn(l, at, stop, at + 1, stop);
	return stop;
}

static void look(const struct look *l, size_t at)
{
	while (at < l->end) {
		char c = l->text[at];
		char next = at + 1 < l->end ? l->text[at + 1] : '\0';

		if (c == '{' && next == '{')
			at = look_at_braces(l, at);
		else if (c == '$' && next == '{')
			at = look_at_brace(l, at);
		else if (c == '$')
			at = look_at_dollar(l, at);
		else
			at++;
	}
}

void flo__lookalike_check(struct flo__compiler *c, struct flo__view *view,
			  uint32_t node, size_t from, size_t to)
{
	struct look l = {.c = c, .view = view, .node = node};
	size_t len;

	l.text = flo__doc_string(&c->doc, node, &len);
	l.end = to < len ? to : len;
	/* Few strings have one of them. */
	if (from < l.end && (memchr(l.text + from, '{', l.end - from) != NULL ||
			     memchr(l.text + from, '$', l.end - from) != NULL))
		look(&l, from);
}

static bool is_literal(const char *text, size_t len)
{
	return (len == 4 && memcmp(text, "true", 4) == 0) ||
	       (len == 4 && memcmp(text, "null", 4) == 0) ||
	       (len == 5 && memcmp(text, "false", 5) == 0);
}

bool flo__lone_word(struct flo__view *view, uint32_t node)
{
	struct flo__compiler *c = view->c;
	struct flo__expr_problem problem = {0};
	struct flo__ref ref = {.node = FLO__NODE_NONE};
	char hint[128];
	size_t name = 0;
	size_t all;
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);

	while (name < len &&
	       (isalnum((unsigned char)text[name]) || text[name] == '_'))
		name++;
	for (all = name; all < len && (isalnum((unsigned char)text[all]) ||
				       strchr("_-.", text[all]) != NULL);)
		all++;
	if (name == 0 || name > 40 || all != len || all > 60 ||
	    isdigit((unsigned char)text[0]) || is_literal(text, name) ||
	    view->names.var(&view->names, text, name, &ref, &problem) ==
		    FLO_OK ||
	    problem.follows || strstr(problem.hint, "did you mean") != NULL)
		return false;
	snprintf(hint, sizeof(hint), "an array of one text is [\"%.*s\"]",
		 (int)len, text);
	flo__report_error(&c->report, FLO__CODE_UNKNOWN_NAME,
			  flo__doc_inside(&c->doc, node, 0, name), node, hint,
			  "there is no variable \"%.*s\" here", (int)name,
			  text);
	return true;
}
