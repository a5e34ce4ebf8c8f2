#include "dsl/alone_p.h"
#include "dsl/compile_p.h"

#include "base/strbuf.h"

#include <string.h>

/* How deep a literal JSON value may nest: bounds the recursion over it. */
#define VALUE_DEPTH_MAX 128

/* Templates of one string that are reported: finding their places costs a walk
 * over the string each. */
#define FAILED_MAX 20

/* The string being compiled, so that problems in it find their place. */
struct place {
	struct flo__compiler *c;
	uint32_t node;
	bool failed;
};

static void tell(const struct flo__expr_problem *problem, void *arg)
{
	struct place *place = arg;
	struct flo__compiler *c = place->c;
	struct flo__span span;

	place->failed |= !problem->warning;
	if (problem->follows)
		return;
	span = flo__doc_inside(&c->doc, place->node, problem->at,
			       problem->len != 0 ? problem->len : 1);
	if (problem->warning)
		flo__report_warning(&c->report, problem->code, span,
				    place->node, problem->hint, "%s",
				    problem->message);
	else
		flo__report_error(&c->report, problem->code, span, place->node,
				  problem->hint, "%s", problem->message);
}

/* The code since @first is no good: leave a null in its place. */
static bool give_up(struct flo__compiler *c, uint32_t first)
{
	c->code.ins_len = first;
	flo__code_emit(&c->code, FLO__OP_CONST,
		       flo__code_const(&c->code, flo_value_null()), 0, 0);
	return false;
}

/* What is emitted next stands in the decoded bytes @at .. @at + @len. */
static void set_source(struct flo__compiler *c, uint32_t node, const char *text,
		       size_t at, size_t len)
{
	uint32_t begin = flo__doc_raw(&c->doc, node, at, &c->cursor);
	uint32_t end = flo__doc_raw(&c->doc, node, at + len, &c->cursor);
	struct flo__origin origin;

	flo__doc_move(&c->doc, begin, &c->cursor);
	origin = (struct flo__origin){
		.raw = c->doc.text + begin,
		.raw_len = end - begin,
		.line = c->cursor.line,
		.column = c->cursor.column,
		.at = (uint32_t)at,
	};
	flo__code_source(&c->code, text + at, len, &origin, c->arena);
}

/* Append the code of the expression in the decoded bytes @at .. @at + @len. */
static flo_status emit_checked(struct place *place, struct flo__names *names,
			       const char *text, size_t at, size_t len,
			       unsigned *ret_types, unsigned *ret_items)
{
	struct flo__code *code = &place->c->code;
	struct flo__expr_problem problem;
	uint32_t first = code->ins_len;
	flo_status st = flo__expr_parse(text + at, len, at, code, &problem);

	if (st == FLO_INVALID)
		tell(&problem, place);
	if (st == FLO_OK)
		st = flo__expr_check(code, first, names, tell, place, ret_types,
				     ret_items);
	place->c->nomem |= st == FLO_NOMEM;
	return st;
}

/* Compile the expression in the decoded bytes @at .. @at + @len of @node. */
static bool emit_expr(struct flo__view *view, uint32_t node, const char *text,
		      size_t at, size_t len, unsigned *ret_types)
{
	struct flo__compiler *c = view->c;
	struct place place = {.c = c, .node = node};
	uint32_t first = c->code.ins_len;
	flo_status st;

	*ret_types = view->items = FLO__TYPES_ANY;
	view->place = node;
	set_source(c, node, text, at, len);
	st = emit_checked(&place, &view->names, text, at, len, ret_types,
			  &view->items);
	view->types = *ret_types;
	return st == FLO_OK ? true : give_up(c, first);
}

/* Where "${{" stands at or after @at, SIZE_MAX if nowhere. */
static size_t next_marker(const char *text, size_t len, size_t at)
{
	const char *found =
		len > at ? memmem(text + at, len - at, "${{", 3) : NULL;

	return found != NULL ? (size_t)(found - text) : SIZE_MAX;
}

bool flo__compile_template_at(struct flo__compiler *c, uint32_t node,
			      size_t *at)
{
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);
	size_t found = next_marker(text, len, *at);

	while (found != SIZE_MAX && found > *at && text[found - 1] == '$')
		found = next_marker(text, len, found + 3);
	*at = found;
	return found != SIZE_MAX;
}

bool flo__compile_has_template(struct flo__compiler *c, uint32_t node,
			       size_t *ret_at)
{
	*ret_at = 0;
	return flo__compile_template_at(c, node, ret_at);
}

/* One string on its way into code. */
struct pieces {
	struct flo__strbuf text; /* literal text not yet emitted */
	uint32_t n;		 /* pieces emitted */
	bool whole;		 /* the string is one template and no more */
	unsigned failed;	 /* templates with something wrong */
};

static void flush(struct flo__compiler *c, struct pieces *p)
{
	if (p->text.failed)
		c->nomem = true;
	if (p->text.len == 0)
		return;
	flo__code_emit(&c->code, FLO__OP_CONST,
		       flo__code_string(&c->code, p->text.data, p->text.len), 0,
		       0);
	p->n++;
	flo__strbuf_reset(&p->text);
}

/* The template whose "${{" is at @at; the offset after its "}}". */
static size_t emit_template(struct flo__view *view, uint32_t node,
			    const char *text, size_t len, size_t at,
			    struct pieces *p)
{
	struct flo__compiler *c = view->c;
	size_t end = flo__lexer_template_end(text, len, at + 3);
	unsigned types;

	if (end == SIZE_MAX) {
		flo__report_error(&c->report, FLO__CODE_TEMPLATE,
				  flo__doc_inside(&c->doc, node, at, 3), node,
				  "a template ends with }}; a literal ${{ is "
				  "written $${{",
				  "this template is not closed");
		p->failed++;
		return len;
	}
	if (!emit_expr(view, node, text, at + 3, end - at - 3, &types))
		p->failed++;
	p->n++;
	p->whole = at == 0 && end + 2 == len;
	return end + 2;
}

/*
 * Compile the string @node: a constant if it has no templates. With @keep a
 * string that is one template is its value, else it is rendered.
 */
static bool emit_string(struct flo__view *view, uint32_t node, bool keep)
{
	struct flo__compiler *c = view->c;
	struct pieces p = {.text = FLO__STRBUF_INIT};
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);
	size_t at = 0;
	size_t mark;

	while ((mark = next_marker(text, len, at)) != SIZE_MAX &&
	       p.failed < FAILED_MAX) {
		flo__lookalike_check(c, view, node, at, mark);
		if (mark > at && text[mark - 1] == '$') {
			flo__strbuf_add(&p.text, text + at, mark - 1 - at);
			flo__strbuf_adds(&p.text, "${{");
			at = mark + 3;
			continue;
		}
		flo__strbuf_add(&p.text, text + at, mark - at);
		flush(c, &p);
		at = emit_template(view, node, text, len, mark, &p);
	}
	flo__lookalike_check(c, view, node, at, len);
	flo__strbuf_add(&p.text, text + at, len - at);
	flush(c, &p);
	if (p.n == 0)
		flo__code_emit(&c->code, FLO__OP_CONST,
			       flo__code_const(&c->code, flo_value_string("")),
			       0, 0);
	else if (p.n > 1 || (p.whole && !keep))
		flo__code_emit(&c->code, FLO__OP_TEXT, p.n, 0, 0);
	flo__strbuf_fini(&p.text);
	view->whole = p.whole;
	return p.failed == 0;
}

static bool emit_value(struct flo__view *view, uint32_t node, unsigned depth);

/* Code of @n constants since @first becomes one constant: @value, taken. */
static void fold(struct flo__compiler *c, uint32_t first, uint32_t consts,
		 flo_value *value)
{
	struct flo__code *code = &c->code;

	while (code->consts_len > consts)
		flo_value_unref(code->consts[--code->consts_len]);
	code->ins_len = first;
	flo__code_emit(code, FLO__OP_CONST, flo__code_const(code, value), 0, 0);
}

static bool all_constant(const struct flo__code *code, uint32_t first,
			 uint32_t n)
{
	if (code->nomem || code->ins_len - first != n)
		return false;
	for (uint32_t i = first; i < code->ins_len; i++) {
		if (code->ins[i].op != FLO__OP_CONST)
			return false;
	}
	return true;
}

static flo_value *const_at(const struct flo__code *code, uint32_t ins)
{
	return flo_value_ref(code->consts[code->ins[ins].a]);
}

static bool emit_array(struct flo__view *view, uint32_t node, unsigned depth)
{
	struct flo__compiler *c = view->c;
	struct flo__code *code = &c->code;
	uint32_t first = code->ins_len;
	uint32_t consts = code->consts_len;
	uint32_t n = c->doc.nodes[node].len;
	flo_value *list;
	bool ok = true;

	for (uint32_t item = flo__doc_first(&c->doc, node);
	     item != FLO__DOC_NONE; item = c->doc.nodes[item].next)
		ok &= emit_value(view, item, depth + 1);
	if (!all_constant(code, first, n)) {
		flo__code_emit(code, FLO__OP_LIST, n, 0, 0);
		return ok;
	}
	list = flo_value_list(n);
	for (uint32_t i = first; list != NULL && i < code->ins_len; i++) {
		if (flo_value_list_add(list, const_at(code, i)) != FLO_OK) {
			flo_value_unref(list);
			list = NULL;
		}
	}
	fold(c, first, consts, list);
	return ok;
}

static void emit_key(struct flo__view *view, uint32_t key)
{
	struct flo__compiler *c = view->c;
	size_t len;
	const char *text = flo__doc_string(&c->doc, key, &len);
	size_t at;

	if (flo__compile_has_template(c, key, &at))
		flo__report_error(&c->report, FLO__CODE_TEMPLATE_PLACE,
				  flo__doc_inside(&c->doc, key, at, 3), key,
				  NULL, "a key cannot have templates in it");
	flo__code_emit(&c->code, FLO__OP_CONST,
		       flo__code_string(&c->code, text, len), 0, 0);
}

static bool emit_object(struct flo__view *view, uint32_t node, unsigned depth)
{
	struct flo__compiler *c = view->c;
	struct flo__code *code = &c->code;
	uint32_t first = code->ins_len;
	uint32_t consts = code->consts_len;
	uint32_t n = c->doc.nodes[node].len;
	flo_value *map;
	bool ok = true;

	for (uint32_t key = flo__doc_first(&c->doc, node); key != FLO__DOC_NONE;
	     key = c->doc.nodes[key].next) {
		emit_key(view, key);
		ok &= emit_value(view, flo__doc_value(key), depth + 1);
	}
	if (!all_constant(code, first, 2 * n)) {
		flo__code_emit(code, FLO__OP_MAP, n, 0, 0);
		return ok;
	}
	map = flo_value_map(n);
	for (uint32_t i = first; map != NULL && i < code->ins_len; i += 2) {
		flo_status st = flo_value_map_add(map, const_at(code, i),
						  const_at(code, i + 1));

		/* A key that is there twice has been reported. */
		if (st == FLO_NOMEM) {
			flo_value_unref(map);
			map = NULL;
		}
	}
	fold(c, first, consts, map);
	return ok;
}

static bool emit_value(struct flo__view *view, uint32_t node, unsigned depth)
{
	struct flo__compiler *c = view->c;
	uint32_t first = c->code.ins_len;

	if (depth > VALUE_DEPTH_MAX) {
		flo__compile_error(c, TOO_DEEP, node, NULL,
				   "value nested deeper than %d levels",
				   VALUE_DEPTH_MAX);
		return give_up(c, first);
	}
	switch ((enum flo__doc_type)c->doc.nodes[node].type) {
	case FLO__DOC_ARRAY:
		return emit_array(view, node, depth);
	case FLO__DOC_OBJECT:
		return emit_object(view, node, depth);
	case FLO__DOC_STRING:
		if (view->sees != 0) {
			if (!emit_string(view, node, true))
				return false;
			if (view->whole && view->typed != NULL)
				view->typed(view, node, depth);
			return true;
		}
		flo__compile_plain(c, node, "this value");
		break;
	default:
		break;
	}
	flo__code_emit(&c->code, FLO__OP_CONST,
		       flo__code_const(&c->code,
				       flo__doc_scalar(&c->doc, node)),
		       0, 0);
	return true;
}

/* Where an expression for the constant @value may be that was made before:
 * short strings that are equal are mostly the same. */
static const struct flo__expr **constant_slot(struct flo__compiler *c,
					      const flo_value *value)
{
	uintptr_t hash = (uintptr_t)value >> 4;

	return &c->constants[(hash ^ hash >> 6) % FLO__COMPILE_CONSTANTS];
}

/* The constant that was emitted, if the plan has an expression for it. */
static const struct flo__expr *known_constant(struct flo__compiler *c)
{
	const struct flo__code *code = &c->code;
	const struct flo__expr *known;
	const flo_value *value;

	if (code->nomem || code->ins_len != 1 ||
	    code->ins[0].op != FLO__OP_CONST)
		return NULL;
	value = code->consts[code->ins[0].a];
	known = *constant_slot(c, value);
	return known != NULL && known->constant == value ? known : NULL;
}

/* Make the plan's expression of what was emitted. */
static const struct flo__expr *finish(struct flo__compiler *c, bool ok)
{
	const struct flo__expr *known;
	struct flo__expr *expr;

	if (!ok || c->nomem) {
		c->nomem |= c->code.nomem;
		flo__code_reset(&c->code);
		return NULL;
	}
	known = known_constant(c);
	if (known != NULL) {
		flo__code_reset(&c->code);
		return known;
	}
	expr = flo__code_finish(&c->code, c->arena);
	if (expr == NULL) {
		c->nomem = true;
		return NULL;
	}
	expr->next = c->out->exprs;
	c->out->exprs = expr;
	if (expr->constant != NULL)
		*constant_slot(c, expr->constant) = expr;
	return expr;
}

const char *flo__types_text(unsigned types)
{
	static const struct {
		unsigned types;
		const char *text;
	} texts[] = {
		{FLO_TYPES(NULL), "null"},
		{FLO_TYPES(BOOL), "a bool"},
		{FLO_TYPES(INT), "a whole number"},
		{FLO_TYPES(UINT), "a whole number"},
		{FLO_TYPES(DOUBLE), "a number"},
		{FLO_TYPES(INT) | FLO_TYPES(DOUBLE), "a number"},
		{FLO_TYPES(STRING), "a string"},
		{FLO_TYPES(LIST), "a list"},
		{FLO_TYPES(MAP), "a map"},
	};

	if (types != FLO_TYPES(NULL))
		types &= ~FLO_TYPES(NULL);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (texts[i].types == types)
			return texts[i].text;
	}
	return "something else";
}

const struct flo__expr *flo__compile_expr(struct flo__view *view, uint32_t node,
					  unsigned types, const char *what)
{
	struct flo__compiler *c = view->c;
	const char *text;
	size_t len;
	unsigned got;
	bool ok;

	if (!flo__compile_is(c, node, FLO__DOC_STRING, what))
		return NULL;
	text = flo__doc_string(&c->doc, node, &len);
	if (len >= 3 && memcmp(text, "${{", 3) == 0) {
		flo__report_error(&c->report, FLO__CODE_TEMPLATE_PLACE,
				  flo__doc_inside(&c->doc, node, 0, 3), node,
				  "write the expression without ${{ }}",
				  "%s is an expression already", what);
		return NULL;
	}
	if (types == FLO_TYPES(LIST) && flo__lone_word(view, node))
		return NULL;
	ok = emit_expr(view, node, text, 0, len, &got);
	if (ok && (got & types) == 0) {
		bool list = types == FLO_TYPES(LIST);

		flo__compile_error(c, TYPE_MISMATCH, node,
				   list ? "an item alone is a list in "
					  "brackets: [x]"
					: "compare it: x == 1, x != '', "
					  "size(x) > 0",
				   "%s must be %s, but this is %s", what,
				   list ? "a list" : "true or false",
				   flo__types_text(got));
		ok = false;
	}
	return finish(c, ok);
}

const struct flo__expr *flo__compile_template(struct flo__view *view,
					      uint32_t node, unsigned types,
					      const char *what)
{
	size_t len;
	const char *text = flo__doc_string(&view->c->doc, node, &len);
	unsigned got;
	bool ok;

	/* The caller has seen that this is a template; without memory to
	 * decode it again there is no text. */
	if (view->c->doc.nomem)
		return NULL;
	ok = emit_expr(view, node, text, 3, len - 5, &got);
	if (ok && (got & types) == 0) {
		flo__compile_error(view->c, TYPE_MISMATCH, node, NULL,
				   "%s must be %s", what,
				   (types & FLO_TYPES(INT)) != 0
					   ? "a whole number"
					   : "a duration such as \"10s\"");
		ok = false;
	}
	return finish(view->c, ok);
}

const struct flo__expr *flo__compile_text(struct flo__view *view, uint32_t node)
{
	return finish(view->c, emit_string(view, node, false));
}

const struct flo__expr *flo__compile_value(struct flo__view *view,
					   uint32_t node)
{
	return finish(view->c, emit_value(view, node, 0));
}

const struct flo__expr *flo__compile_literal(struct flo__compiler *c,
					     uint32_t node)
{
	struct flo__view view = flo__view_of(c, 0, 0);

	return finish(c, emit_value(&view, node, 0));
}

const struct flo__expr *flo__compile_const(struct flo__compiler *c,
					   flo_value *value)
{
	flo__code_emit(&c->code, FLO__OP_CONST,
		       flo__code_const(&c->code, value), 0, 0);
	return finish(c, true);
}

void flo__compile_named(struct flo__compiler *c, uint32_t node,
			const flo_expr_options *options, const char *argument,
			const char *type)
{
	struct flo__named named = flo__named_of(options);
	struct place place = {.c = c, .node = node};
	struct flo__expr_problem problem;
	unsigned got = FLO__TYPES_ANY;
	unsigned items;
	size_t len;
	const char *text = flo__doc_string(&c->doc, node, &len);

	if (!c->doc.nomem &&
	    emit_checked(&place, &named.names, text, 0, len, &got, &items) ==
		    FLO_OK &&
	    !flo__named_fits(options, got, &problem))
		flo__compile_error(c, TYPE_MISMATCH, node,
				   problem.hint[0] != '\0' ? problem.hint
							   : NULL,
				   "`%s` of %s %s", argument, type,
				   problem.message);
	/* Nobody runs it here: the step compiles what it is given. */
	c->nomem |= c->code.nomem;
	flo__code_reset(&c->code);
}
