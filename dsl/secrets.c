/*
 * Secrets: where their values come from, and where they may go.
 *
 * A value is known when a run begins and never before; the pipeline only says
 * where it is. It may go into an environment, a standard input or a native
 * step's `with`, and nowhere else: arguments of programs are seen by everybody
 * on the machine, and what a `when`, an item or the run's output decides or
 * holds is recorded.
 */
#include "dsl/compile_p.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define KINDS 3

static const char *const kinds[KINDS] = {"env", "file", "exec"};

static const char shapes[] =
	"it says where the value is: {\"env\": \"NAME\"}, {\"file\": "
	"\"PATH\"} or {\"exec\": [\"PROGRAM\", ...]}";

/* A name of a variable or a file, in memory of the plan; NULL after an error */
static const char *read_source(struct flo__compiler *c, uint32_t node,
			       enum flo__secret_kind kind)
{
	const char *what = kind == FLO__SECRET_ENV ? "`env` of a secret"
						   : "`file` of a secret";
	const char *text = flo__compile_plain(c, node, what);

	if (text == NULL)
		return NULL;
	if (text[0] == '\0')
		flo__compile_error(c, BAD_VALUE, node, NULL, "%s is empty",
				   what);
	else if (kind == FLO__SECRET_ENV && strchr(text, '=') != NULL)
		flo__compile_error(c, BAD_NAME, node, NULL,
				   "this cannot be the name of an environment "
				   "variable");
	return text;
}

static const char *const *read_argv(struct flo__compiler *c, uint32_t node)
{
	const char **argv;
	uint32_t n = 0;

	if (c->doc.nodes[node].type == FLO__DOC_STRING) {
		flo__compile_error(c, WRONG_TYPE, node,
				   "write it as [\"pass\", \"show\", \"x\"]: "
				   "there is no shell",
				   "`exec` must be an array, not a string");
		return NULL;
	}
	if (!flo__compile_is(c, node, FLO__DOC_ARRAY, "`exec`"))
		return NULL;
	if (c->doc.nodes[node].len == 0)
		flo__compile_error(c, BAD_VALUE, node, NULL,
				   "`exec` needs a program to run");
	argv = flo__compile_alloc(c, (size_t)c->doc.nodes[node].len + 1,
				  sizeof(*argv));
	for (uint32_t item = flo__doc_first(&c->doc, node);
	     argv != NULL && item != FLO__DOC_NONE;
	     item = c->doc.nodes[item].next) {
		const char *text =
			flo__compile_plain(c, item, "an argument of `exec`");

		if (text != NULL && n == 0 && text[0] == '\0')
			flo__compile_error(c, BAD_VALUE, item, NULL,
					   "the name of the program is empty");
		if (text != NULL)
			argv[n++] = text;
	}
	return argv;
}

/* Which of the three the object @node says; KINDS after an error. */
static int kind_of(struct flo__compiler *c, uint32_t node, uint32_t *ret_value)
{
	int kind = KINDS;

	for (uint32_t key = flo__doc_first(&c->doc, node); key != FLO__DOC_NONE;
	     key = c->doc.nodes[key].next) {
		for (int i = 0; i < KINDS; i++) {
			if (!flo__doc_is(&c->doc, key, kinds[i]))
				continue;
			if (kind != KINDS) {
				flo__compile_error(
					c, CONFLICTING_KEYS, key, NULL,
					"a secret has one of `env`, `file` "
					"and `exec`, and this one has `%s` "
					"already",
					kinds[kind]);
				return KINDS;
			}
			kind = i;
			*ret_value = flo__doc_value(key);
		}
	}
	if (c->doc.nodes[node].len == 0)
		flo__compile_error(c, MISSING_KEY, node, shapes,
				   "this secret comes from nowhere");
	return kind;
}

static void read_secret(struct flo__compiler *c, uint32_t node,
			struct flo__secret *secret)
{
	uint32_t value = FLO__DOC_NONE;
	int kind;

	if (c->doc.nodes[node].type != FLO__DOC_OBJECT) {
		flo__compile_error(
			c, WRONG_TYPE, node, shapes,
			"a secret must be an object, not %s",
			flo__doc_type_text(
				(enum flo__doc_type)c->doc.nodes[node].type));
		return;
	}
	flo__keys_only(c, node, &flo__grammar_secret);
	kind = kind_of(c, node, &value);
	if (kind == KINDS)
		return;
	secret->kind = (enum flo__secret_kind)kind;
	if (secret->kind == FLO__SECRET_EXEC)
		secret->argv = read_argv(c, value);
	else
		secret->from = read_source(c, value, secret->kind);
}

/* Make room for @n more in the plan, and in what is kept beside it. */
static struct flo__secret *make_room(struct flo__compiler *c, uint32_t n)
{
	struct flo__plan *plan = &c->out->plan;
	uint32_t len = plan->secrets_len;
	struct flo__secret *list =
		flo__compile_alloc(c, len + n, sizeof(*list));
	struct flo__secret_mark *marks =
		flo__compile_alloc(c, len + n, sizeof(*marks));

	if (list == NULL || marks == NULL)
		return NULL;
	if (len > 0) {
		memcpy(list, plan->secrets, len * sizeof(*list));
		memcpy(marks, c->secrets, len * sizeof(*marks));
	}
	plan->secrets = list;
	c->secrets = marks;
	return list;
}

void flo__secrets_declare(struct flo__compiler *c, uint32_t node)
{
	struct flo__plan *plan = &c->out->plan;
	struct flo__file *file = c->units[c->unit].file;
	struct flo__secret *list;

	if (node == FLO__DOC_NONE ||
	    !flo__compile_is(c, node, FLO__DOC_OBJECT, "`secrets`"))
		return;
	list = make_room(c, c->doc.nodes[node].len);
	if (list == NULL)
		return;
	file->secrets_first = plan->secrets_len;
	for (uint32_t key = flo__doc_first(&c->doc, node);
	     !c->nomem && key != FLO__DOC_NONE; key = c->doc.nodes[key].next) {
		uint32_t i = plan->secrets_len;

		if (!flo__name_check(c, key, "a secret"))
			continue;
		list[i].name = flo__compile_string(c, key);
		list[i].set = plan->secrets_sets;
		list[i].dir = c->unit != 0 ? file->dir : NULL;
		c->secrets[i].place = key;
		c->secrets[i].file = file;
		read_secret(c, flo__doc_value(key), &list[i]);
		plan->secrets_len++;
	}
	file->secrets_len = plan->secrets_len - file->secrets_first;
	plan->secrets_sets += file->secrets_len > 0;
}

/* ---- where they may go ---- */

/* "TOKEN" for `token`: the variable that a hint puts it into. */
static void upper(const char *name, size_t len, char *ret, size_t size)
{
	size_t n = len < size - 1 ? len : size - 1;

	for (size_t i = 0; i < n; i++)
		ret[i] = (char)toupper((unsigned char)name[i]);
	ret[n] = '\0';
}

static flo_status refuse(const struct flo__view *view, const char *name,
			 size_t len, struct flo__expr_problem *problem)
{
	char var[40];
	char hint[160];
	int shown = (int)(len < 36 ? len : 36);

	if (!view->argv) {
		flo__problem_set(problem, FLO__CODE_SECRET_PLACE, 0, 0,
				 "a secret goes into `env`, `stdin` or a "
				 "native step's `with`",
				 "`secrets` cannot be used here");
		return FLO_NOTFOUND;
	}
	upper(name, (size_t)shown, var, sizeof(var));
	snprintf(hint, sizeof(hint),
		 "pass it in: \"env\": {\"%s\": \"${{ secrets.%.*s }}\"}, or "
		 "in `stdin`",
		 var, shown, name);
	flo__problem_set(problem, FLO__CODE_SECRET_PLACE, 0, 0, hint,
			 "`secrets` cannot be used in `exec`: everybody on the "
			 "machine sees a program's arguments");
	return FLO_NOTFOUND;
}

static flo_status unknown(const struct flo__view *view, const char *name,
			  size_t len, struct flo__expr_problem *problem)
{
	const struct flo__plan *plan = &view->c->out->plan;
	const struct flo__file *file = view->c->units[view->c->unit].file;
	int shown = (int)(len < 36 ? len : 36);
	struct flo__nearest near;
	const char *text;
	char var[40];
	char hint[160];

	flo__nearest_init(&near, name, len);
	for (uint32_t i = 0; i < file->secrets_len; i++) {
		const char *have = plan->secrets[file->secrets_first + i].name;

		flo__nearest_offer(&near, have, strlen(have));
	}
	text = flo__nearest_hint(&near, hint, sizeof(hint));
	if (text == NULL) {
		upper(name, (size_t)shown, var, sizeof(var));
		snprintf(hint, sizeof(hint),
			 "declare it at the top: \"secrets\": {\"%.*s\": "
			 "{\"env\": \"%s\"}}",
			 shown, name, var);
		text = hint;
	}
	flo__problem_set(problem, FLO__CODE_UNKNOWN_SECRET, 0, 0, text,
			 "there is no secret \"%.*s\"",
			 (int)(len < 64 ? len : 64), name);
	return FLO_NOTFOUND;
}

flo_status flo__secrets_member(struct flo__view *view, const char *name,
			       size_t len, struct flo__ref *ref,
			       unsigned *types,
			       struct flo__expr_problem *problem)
{
	const struct flo__plan *plan = &view->c->out->plan;
	const struct flo__file *file = view->c->units[view->c->unit].file;

	if ((view->sees & SEES_SECRETS) == 0)
		return refuse(view, name != NULL ? name : "token",
			      name != NULL ? len : 5, problem);
	if (name == NULL) {
		flo__problem_set(problem, FLO__CODE_SECRET_PLACE, 0, 0,
				 "write secrets.NAME",
				 "`secrets` needs the name of a secret");
		return FLO_NOTFOUND;
	}
	for (uint32_t k = 0; k < file->secrets_len; k++) {
		uint32_t i = file->secrets_first + k;

		if (strlen(plan->secrets[i].name) != len ||
		    memcmp(plan->secrets[i].name, name, len) != 0)
			continue;
		ref->node = plan->secrets[i].set;
		view->c->secrets[i].used = true;
		view->c->secret_uses++;
		ref->secret = true;
		*types = FLO_TYPES(STRING);
		return FLO_OK;
	}
	return unknown(view, name, len, problem);
}

/* The `env` of the pipeline that is looked at. */
static const struct flo__env_entry *env_around(const struct flo__compiler *c,
					       uint32_t *ret_len)
{
	const struct flo__unit *unit = &c->units[c->unit];
	const struct flo__call *call;

	if (c->unit == 0) {
		*ret_len = c->out->plan.env_len;
		return c->out->plan.env;
	}
	call = c->blocks[c->nodes[unit->node].spec].call;
	*ret_len = call->env_len;
	return call->env;
}

flo_status flo__secrets_env(struct flo__view *view, const char *name,
			    size_t len, struct flo__ref *ref,
			    struct flo__expr_problem *problem)
{
	uint32_t n;
	const struct flo__env_entry *env = env_around(view->c, &n);

	/* As nearly always: no need to look at each of them. */
	if (view->c->secret_uses == 0)
		return FLO_OK;

	for (uint32_t i = 0; i < n; i++) {
		const struct flo__env_entry *entry = &env[i];

		if (!entry->secret || entry->name == NULL ||
		    (name != NULL && (strlen(entry->name) != len ||
				      memcmp(entry->name, name, len) != 0)))
			continue;
		if ((view->sees & SEES_SECRETS) != 0) {
			ref->secret = true;
			view->c->secret_uses++;
			continue;
		}
		flo__problem_set(problem, FLO__CODE_SECRET_PLACE, 0, 0,
				 view->argv
					 ? "programs have it in their "
					   "environment already"
					 : "a secret goes into `env`, `stdin` "
					   "or a native step's `with`",
				 "`env.%s` holds a secret and cannot be used "
				 "here",
				 entry->name);
		return FLO_NOTFOUND;
	}
	return FLO_OK;
}

void flo__secrets_warn_unused(struct flo__compiler *c)
{
	const struct flo__plan *plan = &c->out->plan;

	for (uint32_t i = 0; i < plan->secrets_len; i++) {
		const struct flo__secret_mark *mark = &c->secrets[i];
		bool first = mark->file == c->out->files;

		if (mark->used)
			continue;
		flo__report_warning(first ? &c->report : &mark->file->report,
				    FLO__CODE_UNUSED_SECRET,
				    flo__doc_span(first ? &c->doc
							: &mark->file->doc,
						  mark->place),
				    mark->place, NULL,
				    "secret \"%s\" is not used",
				    plan->secrets[i].name);
	}
}
