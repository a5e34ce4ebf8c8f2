/*
 * What is written as a call: functions, methods, has() and the macros.
 *
 * A macro becomes ITER, its body, and NEXT, which jumps back behind ITER. Its
 * variables are no slots: LOCAL names the loop and the part of it that is
 * meant, so that a body sees the variables of all macros around it.
 */
#include "dsl/parser_p.h"

static const struct flo__function *find_function(const char *name, size_t len,
						 uint32_t *ret)
{
	const struct flo__function *f;

	for (uint32_t i = 0; (f = flo__function_at(i)) != NULL; i++) {
		if (strlen(f->name) == len && memcmp(f->name, name, len) == 0) {
			*ret = i;
			return f;
		}
	}
	return NULL;
}

struct macro {
	const char *name;
	enum flo__macro macro;
	enum {
		ONE = 1,
		TWO = 2,
		EITHER = ONE | TWO
	} variables;
	bool filters; /* may have a test before what it computes */
};

/* Those of two variables are CEL's extension "two-variable comprehensions". */
static const struct macro macros[] = {
	{"all", FLO__MACRO_ALL, EITHER, false},
	{"exists", FLO__MACRO_EXISTS, EITHER, false},
	{"exists_one", FLO__MACRO_EXISTS_ONE, EITHER, false},
	{"existsOne", FLO__MACRO_EXISTS_ONE, EITHER, false},
	{"map", FLO__MACRO_MAP, ONE, true},
	{"filter", FLO__MACRO_FILTER, ONE, false},
	{"transformList", FLO__MACRO_MAP, TWO, true},
	{"transformMap", FLO__MACRO_MAP_VALUES, TWO, true},
};

#define MACROS (sizeof(macros) / sizeof(macros[0]))

static const struct macro *find_macro(const char *text, size_t len)
{
	for (size_t i = 0; i < MACROS; i++) {
		if (strlen(macros[i].name) == len &&
		    memcmp(macros[i].name, text, len) == 0)
			return &macros[i];
	}
	return NULL;
}

static void describe_unknown(struct flo__parser *p,
			     const struct flo__token *name,
			     struct flo__expr_problem *problem)
{
	const char *text = p->lexer.text + name->at;
	const struct flo__function *f;
	struct flo__nearest near;
	char hint[96];

	flo__nearest_init(&near, text, name->len);
	for (size_t i = 0; (f = flo__function_at(i)) != NULL; i++)
		flo__nearest_offer(&near, f->name, strlen(f->name));
	for (size_t i = 0; i < MACROS; i++)
		flo__nearest_offer(&near, macros[i].name,
				   strlen(macros[i].name));
	flo__nearest_offer(&near, "has", 3);
	flo__problem_set(problem, FLO__CODE_UNKNOWN_FUNCTION, name->at,
			 name->len,
			 flo__nearest_hint(&near, hint, sizeof(hint)),
			 "there is no function \"%.*s\"",
			 (int)(name->len < 64 ? name->len : 64), text);
}

/*
 * A function that there is not. Without a checker that is an error only when
 * it is reached: `true || nope()` is true.
 */
static bool unknown_function(struct flo__parser *p,
			     const struct flo__token *name, bool method)
{
	struct flo__expr_problem problem;
	uint32_t n;
	uint32_t at;

	describe_unknown(p, name, &problem);
	if (!p->code->dynamic) {
		*p->lexer.problem = problem;
		return false;
	}
	if (!flo__parser_list(p, ")", &n))
		return false;
	at = flo__parser_emit(p, FLO__OP_FAIL,
			      flo__code_problem(p->code, &problem), name);
	if (!p->code->nomem)
		p->code->ins[at].b = n + method;
	return !p->code->nomem;
}

static bool wrong_count(struct flo__parser *p, const struct flo__token *name,
			const struct flo__function *f, unsigned n, bool method)
{
	flo__problem_set(p->lexer.problem, FLO__CODE_EXPRESSION, name->at,
			 name->len, NULL,
			 "\"%s\" takes %s%d argument%s, not %u", f->name,
			 f->min != f->max ? "up to " : "", f->max - method,
			 f->max - method == 1 ? "" : "s", n - method);
	return false;
}

/* A call of the function @name, after its "(". */
static bool parse_call(struct flo__parser *p, const struct flo__token *name,
		       bool method)
{
	const char *text = p->lexer.text + name->at;
	const struct flo__function *f;
	uint32_t number = 0;
	uint32_t n;
	uint32_t at;

	f = find_function(text, name->len, &number);
	if (f == NULL)
		return unknown_function(p, name, method);
	if (!(method ? f->method : f->global))
		return flo__parser_fail(p, name,
					method ? "write it as f(x)"
					       : "write it as x.f()",
					method ? "this function is not a method"
					       : "this function is a method");
	if (!flo__parser_list(p, ")", &n))
		return false;
	n += method;
	if (n < f->min || n > f->max)
		return wrong_count(p, name, f, n, method);
	at = flo__parser_emit(p, FLO__OP_CALL, number, name);
	if (!p->code->nomem)
		p->code->ins[at].n = (uint8_t)n;
	return !p->code->nomem;
}

/* Whether the next two tokens are a name and a comma. */
static bool another_variable(const struct flo__parser *p)
{
	struct flo__expr_problem problem;
	struct flo__lexer probe = p->lexer;
	struct flo__token tok = {0};
	bool comma;

	if (p->tok.type != FLO__TOKEN_IDENT)
		return false;
	probe.problem = &problem;
	comma = flo__lexer_next(&probe, &tok) && tok.type == FLO__TOKEN_OP &&
		strcmp(tok.op, ",") == 0;
	flo_value_unref(tok.value);
	return comma;
}

/* A variable of a macro: "x,". */
static bool parse_variable(struct flo__parser *p, enum flo__part part)
{
	if (p->tok.type != FLO__TOKEN_IDENT ||
	    flo__word_is_reserved(tok_text(p), p->tok.len))
		return flo__parser_unexpected(p, "the name of a variable");
	p->locals[p->locals_len++] =
		(struct flo__local){p->tok.at, p->tok.len, (uint8_t)p->loops,
				    (uint8_t)part};
	return flo__parser_advance(p) && flo__parser_expect(p, ",", "','");
}

static bool same_name(const struct flo__parser *p, const struct flo__local *a,
		      const struct flo__local *b)
{
	return a->len == b->len && memcmp(p->lexer.text + a->at,
					  p->lexer.text + b->at, a->len) == 0;
}

static bool parse_variables(struct flo__parser *p, const struct macro *macro)
{
	struct flo__token second;
	enum flo__part part = FLO__PART_ITEM;

	if (p->loops == FLO__EXPR_LOOPS_MAX)
		return flo__parser_fail(p, &p->tok, NULL,
					"too many macros in one another");
	if (!parse_variable(p, part))
		return false;
	if ((macro->variables & TWO) == 0 ||
	    (macro->variables != TWO && !another_variable(p)))
		return true;
	p->locals[p->locals_len - 1].part = FLO__PART_KEY;
	second = p->tok;
	if (!parse_variable(p, FLO__PART_VALUE))
		return false;
	if (same_name(p, &p->locals[p->locals_len - 1],
		      &p->locals[p->locals_len - 2]))
		return flo__parser_fail(p, &second, NULL,
					"both variables have the same name");
	return true;
}

static uint32_t emit_loop(struct flo__parser *p, enum flo__op op,
			  const struct macro *macro, unsigned loop,
			  const struct flo__token *name)
{
	uint32_t at = flo__parser_emit(p, op, macro->macro, name);

	if (!p->code->nomem)
		p->code->ins[at].n = (uint8_t)loop;
	return at;
}

/* The body of macro number @loop, from ITER to NEXT. */
static bool parse_body(struct flo__parser *p, const struct flo__token *name,
		       const struct macro *macro, unsigned loop)
{
	uint32_t iter = emit_loop(p, FLO__OP_ITER, macro, loop, name);
	uint32_t keep = 0;
	uint32_t next;

	if (!flo__parser_expr(p))
		return false;
	if (macro->filters && flo__parser_is_op(p, ",")) {
		keep = emit_loop(p, FLO__OP_KEEP, macro, loop, name);
		if (!flo__parser_advance(p) || !flo__parser_expr(p))
			return false;
	}
	next = emit_loop(p, FLO__OP_NEXT, macro, loop, name);
	if (p->code->nomem)
		return false;
	p->code->ins[next].b = iter + 1;
	if (keep != 0)
		p->code->ins[keep].b = next;
	flo__parser_land(p, iter);
	return true;
}

/* A macro over the range that was emitted just before, after its "(". */
static bool parse_macro(struct flo__parser *p, const struct flo__token *name,
			const struct macro *macro)
{
	unsigned locals_len = p->locals_len;
	unsigned loop = p->loops;

	if (!parse_variables(p, macro))
		return false;
	p->loops = loop + 1;
	if (!parse_body(p, name, macro, loop))
		return false;
	p->loops = loop;
	p->locals_len = locals_len;
	return flo__parser_expect(p, ")", "')'");
}

/* has(x.y): its argument is a selection, which becomes a test. */
static bool parse_has(struct flo__parser *p, const struct flo__token *name)
{
	struct flo__ins *last;

	if (!flo__parser_expr(p) || p->code->nomem)
		return false;
	last = &p->code->ins[p->code->ins_len - 1];
	if (last->op != FLO__OP_FIELD)
		return flo__parser_fail(p, name, "write it as has(x.field)",
					"has() takes the selection of a field");
	last->op = FLO__OP_HAS;
	return flo__parser_expect(p, ")", "')'");
}

bool flo__parser_call(struct flo__parser *p, const struct flo__token *name)
{
	const char *text = p->lexer.text + name->at;

	if (name->len == 3 && memcmp(text, "has", 3) == 0)
		return parse_has(p, name);
	return parse_call(p, name, false);
}

bool flo__parser_method(struct flo__parser *p, const struct flo__token *name)
{
	const struct macro *macro =
		find_macro(p->lexer.text + name->at, name->len);

	return macro != NULL ? parse_macro(p, name, macro)
			     : parse_call(p, name, true);
}
