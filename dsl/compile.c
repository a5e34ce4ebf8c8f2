#include "dsl/arguments_p.h"
#include "dsl/compile_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/strbuf.h"
#include "json/json_p.h"

#include <stdlib.h>
#include <string.h>

bool flo__compile_grow(struct flo__compiler *c, void *items, uint32_t len,
		       uint32_t *cap, size_t size)
{
	uint32_t want = *cap != 0 ? *cap * 2 : 16;
	void *old;
	void *grown;

	if (len < *cap)
		return true;
	memcpy(&old, items, sizeof(old));
	grown = want > *cap ? flo__reallocarray(old, want, size) : NULL;
	if (grown == NULL) {
		c->nomem = true;
		return false;
	}
	memcpy(items, &grown, sizeof(grown));
	*cap = want;
	return true;
}

void *flo__compile_alloc(struct flo__compiler *c, size_t count, size_t size)
{
	void *mem = flo__arena_calloc(c->arena, count, size);

	if (mem == NULL)
		c->nomem = true;
	return mem;
}

const char *flo__compile_string(struct flo__compiler *c, uint32_t node)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);
	char *copy = flo__arena_strndup(c->arena, text, len);

	if (copy == NULL)
		c->nomem = true;
	return copy;
}

/* What to do about a value that is there in another type's clothes. */
static const char *type_hint(struct flo__compiler *c, uint32_t node,
			     enum flo__doc_type want)
{
	enum flo__doc_type have = (enum flo__doc_type)c->doc.nodes[node].type;
	const char *text;
	size_t len;

	if (want == FLO__DOC_STRING && have >= FLO__DOC_FALSE &&
	    have <= FLO__DOC_NUMBER)
		return "put it in quotes";
	if (want == FLO__DOC_ARRAY)
		return "put it in brackets: [ ]";
	if (have != FLO__DOC_STRING)
		return NULL;
	text = flo__doc_string(&c->doc, node, &len);
	if (want == FLO__DOC_TRUE && (flo__doc_is(&c->doc, node, "true") ||
				      flo__doc_is(&c->doc, node, "false")))
		return "write it without quotes";
	return want == FLO__DOC_NUMBER && len > 0 && text[0] >= '0' &&
			       text[0] <= '9'
		       ? "write it without quotes"
		       : NULL;
}

bool flo__compile_is(struct flo__compiler *c, uint32_t node,
		     enum flo__doc_type type, const char *what)
{
	enum flo__doc_type have = (enum flo__doc_type)c->doc.nodes[node].type;
	size_t at;

	if (have == type)
		return true;
	/* No template makes a number or a boolean of a string. */
	if (have == FLO__DOC_STRING &&
	    (type == FLO__DOC_NUMBER || type == FLO__DOC_TRUE) &&
	    flo__compile_has_template(c, node, &at)) {
		flo__compile_plain(c, node, what);
		return false;
	}
	flo__compile_error(c, WRONG_TYPE, node, type_hint(c, node, type),
			   "%s must be %s, not %s", what,
			   flo__doc_type_text(type), flo__doc_type_text(have));
	return false;
}

void flo__compile_bool(struct flo__compiler *c, uint32_t node, const char *what,
		       bool *ret)
{
	if (node == FLO__DOC_NONE)
		return;
	if (c->doc.nodes[node].type == FLO__DOC_FALSE)
		*ret = false;
	else if (flo__compile_is(c, node, FLO__DOC_TRUE, what))
		*ret = true;
}

const char *flo__compile_plain(struct flo__compiler *c, uint32_t node,
			       const char *what)
{
	size_t at;

	if (!flo__compile_is(c, node, FLO__DOC_STRING, what))
		return NULL;
	if (flo__compile_has_template(c, node, &at)) {
		flo__report_error(&c->report, FLO__CODE_TEMPLATE_PLACE,
				  flo__doc_inside(&c->doc, node, at, 3), node,
				  "templates stand in exec, stdin, env, dir, "
				  "with and the run's output; limit, timeout "
				  "and retry.limit may be one",
				  "%s cannot have templates in it", what);
		return NULL;
	}
	return flo__compile_string(c, node);
}

static void compile_node(struct flo__compiler *c, uint32_t node)
{
	struct flo__keys keys;

	/* A pipeline's steps inherit it, whatever they say. What is around has
	 * been compiled: its number is lower. */
	c->nodes[node].not_idempotent =
		c->nodes[c->nodes[node].parent].not_idempotent;
	if (c->places[node] == FLO__DOC_NONE)
		return;
	flo__unit_enter_of(c, node);
	flo__keys_read(c, c->places[node], false, &keys);
	flo__compile_attrs(c, node, &keys);
	if (flo__is_call(c, node))
		flo__compile_call(c, node, &keys);
	else if (flo__node_is_block(&c->nodes[node]))
		flo__compile_block(c, node, &keys);
	else
		flo__compile_leaf(c, node, &keys);
}

void flo__compile_defaults(struct flo__compiler *c, uint32_t node,
			   uint32_t attrs)
{
	struct flo__view view =
		flo__view_of(c, 0, SEES_PARAMS | SEES_ENV | SEES_RUN);
	struct flo__attrs *root = &c->attrs[attrs];
	uint32_t at;

	if (node == FLO__DOC_NONE ||
	    !flo__compile_is(c, node, FLO__DOC_OBJECT, "`defaults`"))
		return;
	flo__keys_only(c, node, &flo__grammar_defaults);
	flo__compile_duration(&view, flo__doc_get(&c->doc, node, "timeout"),
			      "`timeout`", &c->default_timeout);
	at = flo__doc_get(&c->doc, node, "retry");
	if (at != FLO__DOC_NONE)
		c->default_retry = flo__compile_retry(&view, at);
	flo__compile_ns(c, flo__doc_get(&c->doc, node, "grace"), "`grace`",
			&root->grace_ns);
	flo__compile_env(&view, flo__doc_get(&c->doc, node, "env"), &root->env,
			 &root->env_len);
	at = flo__doc_get(&c->doc, node, "dir");
	if (at != FLO__DOC_NONE &&
	    flo__compile_is(c, at, FLO__DOC_STRING, "`dir`"))
		root->dir = flo__compile_text(&view, at);
}

static void check_labels(struct flo__compiler *c, uint32_t node)
{
	if (node == FLO__DOC_NONE ||
	    !flo__compile_is(c, node, FLO__DOC_OBJECT, "`labels`"))
		return;
	for (uint32_t key = flo__doc_first(&c->doc, node); key != FLO__DOC_NONE;
	     key = c->doc.nodes[key].next)
		flo__compile_plain(c, flo__doc_value(key), "a label");
}

/* Keys that are only checked here. */
static void check_words(struct flo__compiler *c, const uint32_t *top)
{
	struct flo__plan *plan = &c->out->plan;
	const char *name = NULL;
	const char *description = NULL;
	struct flo__span brace = {c->doc.nodes[0].begin,
				  c->doc.nodes[0].begin + 1};

	if (top[TOP_NAME] == FLO__DOC_NONE)
		flo__report_error(&c->report, FLO__CODE_MISSING_KEY, brace, 0,
				  "for example \"name\": \"nightly\"",
				  "the pipeline has no `name`");
	else if (flo__compile_is(c, top[TOP_NAME], FLO__DOC_STRING, "`name`") &&
		 flo__name_check(c, top[TOP_NAME], "a pipeline"))
		name = flo__compile_string(c, top[TOP_NAME]);
	if (top[TOP_STEPS] == FLO__DOC_NONE)
		flo__report_error(&c->report, FLO__CODE_MISSING_KEY, brace, 0,
				  "for example \"steps\": [{\"name\": "
				  "\"hello\", \"exec\": [\"echo\", "
				  "\"hello\"]}]",
				  "the pipeline has no `steps`");
	if (top[TOP_SCHEMA] != FLO__DOC_NONE)
		flo__compile_plain(c, top[TOP_SCHEMA], "`$schema`");
	if (top[TOP_DESCRIPTION] != FLO__DOC_NONE)
		description = flo__compile_plain(c, top[TOP_DESCRIPTION],
						 "`description`");
	if (c->unit == 0) {
		plan->name = name;
		plan->description = description;
	}
	check_labels(c, top[TOP_LABELS]);
}

/* The tree, and the edges in it. */
static void build_tree(struct flo__compiler *c, const uint32_t *top)
{
	uint32_t steps = top[TOP_STEPS];

	if (steps != FLO__DOC_NONE &&
	    !flo__compile_is(c, steps, FLO__DOC_ARRAY, "`steps`"))
		steps = FLO__DOC_NONE;
	/* Record 0 is shared by nodes without attributes, 1 is the root's. */
	for (int i = 0; i < 2; i++) {
		if (flo__compile_grow(c, &c->attrs, c->attrs_len, &c->attrs_cap,
				      sizeof(*c->attrs)))
			c->attrs[c->attrs_len++] =
				(struct flo__attrs){.grace_ns = UINT64_MAX};
	}
	flo__tree_build(c, steps, top[TOP_FINALLY]);
	if (!c->nomem)
		c->nodes[0].attrs = 1;
	if (!c->nomem)
		flo__needs_link(c);
	flo__unit_enter(c, 0);
}

/* What the top level says beyond its steps. */
static void compile_top(struct flo__compiler *c, const uint32_t *top)
{
	struct flo__plan *plan = &c->out->plan;
	struct flo__view env = flo__view_of(c, 0, SEES_PARAMS | SEES_RUN);
	struct flo__view output =
		flo__view_of(c, 0,
			     SEES_PARAMS | SEES_ENV | SEES_RUN | SEES_STEPS);
	struct flo__block *root = &c->blocks[0];

	output.after = true;
	flo__compile_env(&env, top[TOP_ENV], &plan->env, &plan->env_len);
	flo__compile_count(&env, top[TOP_LIMIT], "`limit`", 1, &plan->limit);
	flo__compile_duration(&env, top[TOP_TIMEOUT], "`timeout`",
			      &plan->timeout);
	flo__compile_errors(&env, top[TOP_ON_ERROR], top[TOP_MAX_FAILURES],
			    false, root);
	if (top[TOP_FINALLY] != FLO__DOC_NONE &&
	    c->doc.nodes[top[TOP_FINALLY]].type == FLO__DOC_OBJECT)
		flo__compile_time_limit(
			c, flo__doc_get(&c->doc, top[TOP_FINALLY], "timeout"),
			"`timeout` of `finally`", &root->finally_timeout_ns);
	flo__compile_defaults(c, top[TOP_DEFAULTS], 1);
	for (uint32_t i = 1; i < c->nodes_len && !c->nomem; i++)
		compile_node(c, i);
	flo__unit_enter(c, 0);
	if (top[TOP_OUTPUT] != FLO__DOC_NONE)
		plan->output = flo__compile_value(&output, top[TOP_OUTPUT]);
}

static void warn_unused(struct flo__compiler *c, struct flo__file *file)
{
	bool first = file == c->out->files;
	const struct flo__params *params =
		first ? &c->out->params : &file->params;
	struct flo__report *report = first ? &c->report : &file->report;
	struct flo__doc *doc = first ? &c->doc : &file->doc;

	for (uint32_t i = 0; i < params->len; i++) {
		if (params->list[i].used || params->all_used)
			continue;
		flo__report_warning(report, FLO__CODE_UNUSED_PARAM,
				    flo__doc_span(doc, params->list[i].place),
				    params->list[i].place,
				    "use it as params.NAME, or leave it out",
				    "param \"%s\" is not used",
				    params->list[i].name);
	}
}

/* What of a file does not depend on who includes it. */
static void compile_head(struct flo__compiler *c, uint32_t *top)
{
	flo__keys_only(c, 0, &flo__grammar_pipeline);
	for (int i = 0; i < TOPS; i++)
		top[i] = flo__doc_get(&c->doc, 0,
				      flo__grammar_pipeline.fields[i].key);
	check_words(c, top);
	flo__params_declare(c, top[TOP_PARAMS]);
	flo__secrets_declare(c, top[TOP_SECRETS]);
	if (!c->nomem)
		flo__schedules_check(c, top[TOP_SCHEDULE]);
}

static void compile_document(struct flo__compiler *c)
{
	uint32_t *top = c->out->files->top;

	if (!flo__compile_is(c, 0, FLO__DOC_OBJECT, "a pipeline"))
		return;
	compile_head(c, top);
	if (top[TOP_ENV] != FLO__DOC_NONE &&
	    c->doc.nodes[top[TOP_ENV]].type == FLO__DOC_OBJECT)
		c->env = top[TOP_ENV];
	if (!c->nomem)
		build_tree(c, top);
	if (!c->nomem)
		compile_top(c, top);
	if (!c->nomem)
		flo__scope_settle(c);
	if (!c->nomem)
		flo__include_blame(c);
	flo__unit_enter(c, 0);
	if (c->nomem || c->report.errors != 0)
		return;
	for (struct flo__file *file = c->out->files; file != NULL;
	     file = file->next)
		warn_unused(c, file);
	flo__warn_unreachable(c);
	flo__secrets_warn_unused(c);
}

static void plan_free(struct flo__plan *plan)
{
	struct flo__dsl_plan *own = (struct flo__dsl_plan *)plan;

	if (own == NULL)
		return;
	for (struct flo__expr *expr = own->exprs; expr != NULL;
	     expr = expr->next)
		flo__expr_release(expr);
	flo__params_release(&own->params);
	flo__files_free(own);
	/* The cast takes the const off: the arrays are the plan's own. */
	flo__free((void *)(uintptr_t)plan->nodes);
	flo__free((void *)(uintptr_t)plan->children);
	flo__free((void *)(uintptr_t)plan->edges);
	flo__free((void *)(uintptr_t)plan->leaves);
	flo__free((void *)(uintptr_t)plan->blocks);
	flo__free((void *)(uintptr_t)plan->attrs);
	flo__arena_fini(&own->arena);
	flo__free(own);
}

static const struct flo__language language = {.eval = flo__expr_eval,
					      .bind = flo__params_bind,
					      .check = flo__arguments_check};

/* Give the arrays to the plan. */
static struct flo__plan *hand_over(struct flo__compiler *c)
{
	struct flo__plan *plan = &c->out->plan;

	plan->file = flo__arena_strdup(c->arena, c->options->file);
	plan->dir = c->out->files->dir;
	if (plan->file == NULL || plan->dir == NULL || c->nomem)
		return NULL;
	flo__files_trim(c->out);
	plan->nodes = c->nodes;
	plan->nodes_len = c->nodes_len;
	plan->children = c->children;
	plan->edges = c->edges;
	plan->leaves = c->leaves;
	plan->blocks = c->blocks;
	plan->attrs = c->attrs;
	plan->language = &language;
	plan->free = plan_free;
	c->nodes = NULL;
	c->children = NULL;
	c->edges = NULL;
	c->leaves = NULL;
	c->blocks = NULL;
	c->attrs = NULL;
	c->out = NULL;
	return plan;
}

static void compiler_fini(struct flo__compiler *c)
{
	flo_value_unref(c->pinned);
	flo__free(c->nodes);
	flo__free(c->places);
	flo__free(c->unit_of);
	flo__free(c->units);
	flo__free(c->children);
	flo__free(c->edges);
	flo__free(c->leaves);
	flo__free(c->blocks);
	flo__free(c->attrs);
	flo__free(c->table);
	flo__reach_free(c->reach);
	flo__map_fini(&c->env_names);
	flo__code_fini(&c->code);
	flo__report_fini(&c->report);
	flo__doc_fini(&c->doc);
	/* Its files own what the documents are of. */
	if (c->out != NULL)
		plan_free(&c->out->plan);
}

void flo__compile_head(struct flo__compiler *c, struct flo__file *file)
{
	flo_status st = flo__doc_scan(&c->doc, &c->report);

	if (st == FLO_OK)
		st = flo__doc_check_record(&c->doc, &c->report);
	c->nomem |= st == FLO_NOMEM;
	if (st != FLO_OK || c->nomem || c->doc.nodes_len == 0 ||
	    !flo__compile_is(c, 0, FLO__DOC_OBJECT, "a pipeline"))
		return;
	compile_head(c, file->top);
	file->valid = true;
}

static flo_status run(struct flo__compiler *c)
{
	flo_status st = flo__doc_scan(&c->doc, &c->report);

	if (st == FLO_OK)
		st = flo__doc_check_record(&c->doc, &c->report);
	if (st == FLO_OK)
		compile_document(c);
	if (st == FLO_NOMEM || c->nomem || c->doc.nomem || c->report.nomem)
		return FLO_NOMEM;
	for (struct flo__file *file = c->out->files->next; file != NULL;
	     file = file->next) {
		if (file->doc.nomem || file->report.nomem)
			return FLO_NOMEM;
	}
	return FLO_OK;
}

/* Tell of the problems of each file; how many errors there are. */
static flo_status emit(struct flo__compiler *c, size_t *ret_errors)
{
	const struct flo__dsl_options *options = c->options;
	size_t left = FLO__DSL_DIAGNOSTICS_MAX;
	flo_status st;

	*ret_errors = c->report.errors;
	st = flo__report_emit(&c->report, options->file, options->fn,
			      options->arg, &left);
	for (struct flo__file *file = c->out->files->next;
	     st == FLO_OK && file != NULL; file = file->next) {
		/* It says the compiler's, which it was at the time. */
		file->report.doc = &file->doc;
		*ret_errors += file->report.errors;
		st = flo__report_emit(&file->report, file->name, options->fn,
				      options->arg, &left);
	}
	return st;
}

flo_status flo__dsl_compile(const char *text, size_t len,
			    const struct flo__dsl_options *options,
			    flo_error *err, struct flo__plan **ret_plan)
{
	struct flo__compiler c = {.options = options, .env = FLO__DOC_NONE};
	struct flo__plan *plan = NULL;
	flo_status st = FLO_NOMEM;
	size_t errors;

	REQUIRE(options != NULL && options->file != NULL);
	flo__report_init(&c.report, &c.doc);
	flo__code_init(&c.code);
	c.out = flo__calloc(1, sizeof(*c.out));
	if (c.out == NULL)
		goto out;
	c.arena = &c.out->arena;
	flo__arena_init(c.arena);
	if (!flo__include_first(&c, text, len))
		goto out;
	TRY(run(&c));
	TRY(emit(&c, &errors));
	if (errors != 0) {
		st = flo_error_set(err, FLO_INVALID, "%s: %zu error%s",
				   options->file, errors,
				   errors == 1 ? "" : "s");
		goto out;
	}
	plan = hand_over(&c);
	st = plan != NULL ? FLO_OK : FLO_NOMEM;
	if (plan != NULL)
		*ret_plan = plan;
out:
	if (st == FLO_NOMEM)
		flo_error_set(err, FLO_NOMEM, "out of memory");
	compiler_fini(&c);
	return st;
}
