#include "dsl/expr_p.h"

#include <string.h>

struct local {
	uint32_t at; /* its name in the text */
	uint32_t len;
};

struct parser {
	struct flo__lexer lexer;
	struct flo__token tok; /* the one to look at */
	struct flo__code *code;
	size_t shift; /* added to every offset */
	unsigned depth;
	unsigned locals_len;
	struct local locals[FLO__EXPR_LOCALS_MAX];
};

struct binary {
	char text[3];
	uint8_t power;
	uint8_t op;
};

/* All binary operators associate to the left; a higher power binds tighter. */
static const struct binary binaries[] = {
	{"||", 1, FLO__OP_OR}, {"&&", 2, FLO__OP_AND}, {"==", 3, FLO__OP_EQ},
	{"!=", 3, FLO__OP_NE}, {"<", 3, FLO__OP_LT},   {"<=", 3, FLO__OP_LE},
	{">", 3, FLO__OP_GT},  {">=", 3, FLO__OP_GE},  {"in", 3, FLO__OP_IN},
	{"+", 4, FLO__OP_ADD}, {"-", 4, FLO__OP_SUB},  {"*", 5, FLO__OP_MUL},
	{"/", 5, FLO__OP_DIV}, {"%", 5, FLO__OP_MOD},
};

static bool parse_expr(struct parser *p);
static bool parse_unary(struct parser *p);

static const char *tok_text(const struct parser *p)
{
	return p->lexer.text + p->tok.at;
}

static bool fail(struct parser *p, const struct flo__token *tok,
		 const char *hint, const char *message)
{
	flo__problem_set(p->lexer.problem, FLO__CODE_EXPRESSION, tok->at,
			 tok->len != 0 ? tok->len : 1, hint, "%s", message);
	return false;
}

static bool unexpected(struct parser *p, const char *want)
{
	const struct flo__token *tok = &p->tok;
	int len = (int)(tok->len < 40 ? tok->len : 40);

	if (tok->type == FLO__TOKEN_END)
		flo__problem_set(p->lexer.problem, FLO__CODE_EXPRESSION,
				 tok->at, 1, NULL,
				 "the expression ends where %s is expected",
				 want);
	else
		flo__problem_set(p->lexer.problem, FLO__CODE_EXPRESSION,
				 tok->at, tok->len, NULL,
				 "unexpected '%.*s': %s is expected", len,
				 tok_text(p), want);
	return false;
}

static bool advance(struct parser *p)
{
	flo_value_unref(p->tok.value);
	p->tok.value = NULL;
	return flo__lexer_next(&p->lexer, &p->tok);
}

static bool is_op(const struct parser *p, const char *op)
{
	return p->tok.type == FLO__TOKEN_OP && strcmp(p->tok.op, op) == 0;
}

static bool expect(struct parser *p, const char *op, const char *want)
{
	return is_op(p, op) ? advance(p) : unexpected(p, want);
}

static uint32_t emit(struct parser *p, enum flo__op op, uint32_t a,
		     const struct flo__token *tok)
{
	return flo__code_emit(p->code, op, a, tok->at + (uint32_t)p->shift,
			      tok->len);
}

/* The instruction @at jumps to the end of what is emitted so far. */
static void land(struct parser *p, uint32_t at)
{
	if (!p->code->nomem)
		p->code->ins[at].b = p->code->ins_len;
}

/* Emit the constant @value, which is taken. */
static bool emit_const(struct parser *p, flo_value *value,
		       const struct flo__token *tok)
{
	emit(p, FLO__OP_CONST, flo__code_const(p->code, value), tok);
	return !p->code->nomem;
}

static uint32_t name_const(struct parser *p, const struct flo__token *tok)
{
	const char *text = p->lexer.text + tok->at;
	uint32_t len = tok->len;

	if (tok->type == FLO__TOKEN_QUOTED) {
		text++;
		len -= 2;
	}
	return flo__code_const(p->code, flo_value_stringn(text, len));
}

static bool enter(struct parser *p)
{
	if (++p->depth <= FLO__EXPR_DEPTH_MAX)
		return true;
	flo__problem_set(p->lexer.problem, FLO__CODE_TOO_DEEP, p->tok.at,
			 p->tok.len, NULL,
			 "expression nested deeper than %d levels",
			 FLO__EXPR_DEPTH_MAX);
	return false;
}

/* Items up to @close, which is consumed; their number goes to *@ret. */
static bool parse_list(struct parser *p, const char *close, uint32_t *ret)
{
	*ret = 0;
	while (!is_op(p, close)) {
		if (!parse_expr(p))
			return false;
		++*ret;
		if (is_op(p, close))
			break;
		if (!expect(p, ",",
			    close[0] == ']' ? "',' or ']'" : "',' or ')'"))
			return false;
		if (close[0] == ')' && is_op(p, close))
			return unexpected(p, "an argument");
	}
	return advance(p);
}

static bool parse_map(struct parser *p, const struct flo__token *open)
{
	uint32_t len = 0;

	while (!is_op(p, "}")) {
		if (!parse_expr(p) || !expect(p, ":", "':'") || !parse_expr(p))
			return false;
		len++;
		if (is_op(p, "}"))
			break;
		if (!expect(p, ",", "',' or '}'"))
			return false;
	}
	emit(p, FLO__OP_MAP, len, open);
	return advance(p);
}

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

static bool unknown_function(struct parser *p, const struct flo__token *name)
{
	static const char *const macros[] = {"has", "all",    "exists",
					     "map", "filter", "exists_one"};
	const char *text = p->lexer.text + name->at;
	const struct flo__function *f;
	struct flo__nearest near;
	char hint[96];

	flo__nearest_init(&near, text, name->len);
	for (size_t i = 0; (f = flo__function_at(i)) != NULL; i++)
		flo__nearest_offer(&near, f->name, strlen(f->name));
	for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
		flo__nearest_offer(&near, macros[i], strlen(macros[i]));
	flo__problem_set(p->lexer.problem, FLO__CODE_UNKNOWN_FUNCTION, name->at,
			 name->len,
			 flo__nearest_hint(&near, hint, sizeof(hint)),
			 "there is no function \"%.*s\"",
			 (int)(name->len < 64 ? name->len : 64), text);
	return false;
}

/* A call of the function @name, after its "(". */
static bool parse_call(struct parser *p, const struct flo__token *name,
		       bool method)
{
	const char *text = p->lexer.text + name->at;
	const struct flo__function *f;
	uint32_t number = 0;
	uint32_t n;
	uint32_t at;

	f = find_function(text, name->len, &number);
	if (f == NULL)
		return unknown_function(p, name);
	if (!(method ? f->method : f->global))
		return fail(p, name,
			    method ? "write it as f(x)" : "write it as x.f()",
			    method ? "this function is not a method"
				   : "this function is a method");
	if (!parse_list(p, ")", &n))
		return false;
	n += method;
	if (n < f->min || n > f->max) {
		flo__problem_set(p->lexer.problem, FLO__CODE_EXPRESSION,
				 name->at, name->len, NULL,
				 "\"%s\" takes %s%d argument%s, not %u",
				 f->name, f->min != f->max ? "up to " : "",
				 f->max - method,
				 f->max - method == 1 ? "" : "s", n - method);
		return false;
	}
	at = emit(p, FLO__OP_CALL, number, name);
	if (!p->code->nomem)
		p->code->ins[at].n = (uint8_t)n;
	return !p->code->nomem;
}

static int macro_of(const char *text, size_t len)
{
	static const char *const names[] = {"all", "exists", "exists_one",
					    "map", "filter"};

	for (int i = 0; i < 5; i++) {
		if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0)
			return i;
	}
	return -1;
}

/* The variable of a macro: "x,". */
static bool parse_variable(struct parser *p)
{
	if (p->tok.type != FLO__TOKEN_IDENT ||
	    flo__word_is_reserved(tok_text(p), p->tok.len))
		return unexpected(p, "the name of a variable");
	if (p->locals_len == FLO__EXPR_LOCALS_MAX)
		return fail(p, &p->tok, NULL, "too many variables");
	p->locals[p->locals_len++] = (struct local){p->tok.at, p->tok.len};
	return advance(p) && expect(p, ",", "','");
}

/* A macro over the range that was emitted just before, after its "(". */
static bool parse_macro(struct parser *p, const struct flo__token *name,
			enum flo__macro macro)
{
	uint32_t iter;
	uint32_t keep = 0;
	uint32_t next;

	if (!parse_variable(p))
		return false;
	iter = emit(p, FLO__OP_ITER, macro, name);
	if (!p->code->nomem)
		p->code->ins[iter].n = (uint8_t)(p->locals_len - 1);
	if (!parse_expr(p))
		return false;
	if (macro == FLO__MACRO_MAP && is_op(p, ",")) {
		keep = emit(p, FLO__OP_KEEP, macro, name);
		if (!p->code->nomem)
			p->code->ins[keep].n = (uint8_t)(p->locals_len - 1);
		if (!advance(p) || !parse_expr(p))
			return false;
	}
	next = emit(p, FLO__OP_NEXT, macro, name);
	if (p->code->nomem)
		return false;
	p->code->ins[next].n = (uint8_t)(p->locals_len - 1);
	p->code->ins[next].b = iter + 1;
	if (keep != 0)
		p->code->ins[keep].b = next;
	land(p, iter);
	p->locals_len--;
	return expect(p, ")", "')'");
}

/* has(x.y): its argument is a selection, which becomes a test. */
static bool parse_has(struct parser *p, const struct flo__token *name)
{
	struct flo__ins *last;

	if (!parse_expr(p))
		return false;
	if (p->code->nomem)
		return false;
	last = &p->code->ins[p->code->ins_len - 1];
	if (last->op != FLO__OP_FIELD)
		return fail(p, name, "write it as has(x.field)",
			    "has() takes the selection of a field");
	last->op = FLO__OP_HAS;
	return expect(p, ")", "')'");
}

static bool parse_name(struct parser *p)
{
	struct flo__token name = p->tok;
	const char *text = tok_text(p);

	if (flo__word_is_reserved(text, name.len))
		return fail(p, &name, NULL, "this word is reserved");
	if (!advance(p))
		return false;
	if (is_op(p, "(")) {
		if (!advance(p))
			return false;
		if (name.len == 3 && memcmp(text, "has", 3) == 0)
			return parse_has(p, &name);
		return parse_call(p, &name, false);
	}
	for (unsigned i = p->locals_len; i-- > 0;) {
		if (p->locals[i].len == name.len &&
		    memcmp(p->lexer.text + p->locals[i].at, text, name.len) ==
			    0) {
			emit(p, FLO__OP_LOCAL, i, &name);
			return !p->code->nomem;
		}
	}
	emit(p, FLO__OP_IDENT, name_const(p, &name), &name);
	return !p->code->nomem;
}

/* null, true or false, if the token is one of them. */
static flo_value *word_value(const struct parser *p)
{
	const char *text = tok_text(p);

	if (p->tok.len == 4 && memcmp(text, "null", 4) == 0)
		return flo_value_null();
	if (p->tok.len == 4 && memcmp(text, "true", 4) == 0)
		return flo_value_bool(true);
	if (p->tok.len == 5 && memcmp(text, "false", 5) == 0)
		return flo_value_bool(false);
	return NULL;
}

/* A number, negated if a minus stood before it. */
static bool parse_number(struct parser *p, bool minus)
{
	struct flo__token tok = p->tok;
	flo_value *value;

	if (tok.type == FLO__TOKEN_DOUBLE) {
		value = flo_value_double(minus ? -tok.real : tok.real);
	} else if (tok.type == FLO__TOKEN_UINT) {
		value = flo_value_uint(tok.number);
	} else {
		if (!minus && tok.number > INT64_MAX)
			return fail(p, &tok, NULL, "int beyond 64 bits");
		value = flo_value_int(
			(int64_t)(minus ? 0 - tok.number : tok.number));
	}
	return emit_const(p, value, &tok) && advance(p);
}

static bool parse_primary(struct parser *p)
{
	struct flo__token tok = p->tok;
	flo_value *word;
	uint32_t len;

	switch (tok.type) {
	case FLO__TOKEN_INT:
	case FLO__TOKEN_UINT:
	case FLO__TOKEN_DOUBLE:
		return parse_number(p, false);
	case FLO__TOKEN_STRING:
	case FLO__TOKEN_BYTES:
		p->tok.value = NULL;
		return emit_const(p, tok.value, &tok) && advance(p);
	case FLO__TOKEN_IDENT:
		word = word_value(p);
		if (word != NULL)
			return emit_const(p, word, &tok) && advance(p);
		return parse_name(p);
	default:
		break;
	}
	if (is_op(p, "("))
		return advance(p) && parse_expr(p) && expect(p, ")", "')'");
	if (is_op(p, "{"))
		return advance(p) && parse_map(p, &tok);
	if (!is_op(p, "["))
		return unexpected(p, "a value");
	if (!advance(p) || !parse_list(p, "]", &len))
		return false;
	emit(p, FLO__OP_LIST, len, &tok);
	return !p->code->nomem;
}

static bool is_keyword(const char *text, size_t len)
{
	return (len == 2 && memcmp(text, "in", 2) == 0) ||
	       (len == 4 && memcmp(text, "true", 4) == 0) ||
	       (len == 4 && memcmp(text, "null", 4) == 0) ||
	       (len == 5 && memcmp(text, "false", 5) == 0);
}

/* What follows a ".": a field, a method or a macro. */
static bool parse_selection(struct parser *p)
{
	struct flo__token name = p->tok;
	const char *text = tok_text(p);
	int macro;

	if ((name.type != FLO__TOKEN_IDENT && name.type != FLO__TOKEN_QUOTED) ||
	    is_keyword(text, name.len))
		return unexpected(p, "the name of a field");
	if (!advance(p))
		return false;
	if (!is_op(p, "(") || name.type == FLO__TOKEN_QUOTED) {
		emit(p, FLO__OP_FIELD, name_const(p, &name), &name);
		return !p->code->nomem;
	}
	if (!advance(p))
		return false;
	macro = macro_of(text, name.len);
	if (macro >= 0)
		return parse_macro(p, &name, (enum flo__macro)macro);
	return parse_call(p, &name, true);
}

static bool parse_member(struct parser *p)
{
	if (!parse_primary(p))
		return false;
	for (;;) {
		struct flo__token tok = p->tok;

		if (is_op(p, ".")) {
			if (!advance(p) || !parse_selection(p))
				return false;
		} else if (is_op(p, "[")) {
			if (!advance(p) || !parse_expr(p) ||
			    !expect(p, "]", "']'"))
				return false;
			emit(p, FLO__OP_INDEX, 0, &tok);
		} else {
			return true;
		}
	}
}

static bool parse_unary(struct parser *p)
{
	struct flo__token first = p->tok;
	size_t n = 0;
	enum flo__op op = is_op(p, "!") ? FLO__OP_NOT : FLO__OP_NEG;

	if (!is_op(p, "!") && !is_op(p, "-"))
		return parse_member(p);
	for (; is_op(p, first.op); n++) {
		if (!advance(p))
			return false;
	}
	if (op == FLO__OP_NEG && n == 1 && p->tok.type == FLO__TOKEN_INT &&
	    p->tok.number == (uint64_t)INT64_MAX + 1)
		return parse_number(p, true);
	if (!parse_member(p))
		return false;
	/* An even number of them still checks the type of the operand. */
	for (n = n % 2 == 0 ? 2 : 1; n > 0; n--)
		emit(p, op, 0, &first);
	return !p->code->nomem;
}

static const struct binary *binary_here(const struct parser *p, unsigned power)
{
	const char *text = tok_text(p);

	for (size_t i = 0; i < sizeof(binaries) / sizeof(binaries[0]); i++) {
		const struct binary *b = &binaries[i];
		bool word = b->op == FLO__OP_IN;

		if (b->power < power)
			continue;
		if (word ? p->tok.type == FLO__TOKEN_IDENT && p->tok.len == 2 &&
				    memcmp(text, "in", 2) == 0
			 : is_op(p, b->text))
			return b;
	}
	return NULL;
}

/* Operators that bind at least as tightly as @power. */
static bool parse_binary(struct parser *p, unsigned power)
{
	const struct binary *b;

	if (!parse_unary(p))
		return false;
	while ((b = binary_here(p, power)) != NULL) {
		struct flo__token tok = p->tok;
		uint32_t test = 0;
		bool joins = b->op == FLO__OP_AND || b->op == FLO__OP_OR;

		if (joins)
			test = emit(p, (enum flo__op)(b->op - 1), 0, &tok);
		if (!advance(p) || !parse_binary(p, b->power + 1u))
			return false;
		emit(p, (enum flo__op)b->op, 0, &tok);
		if (joins)
			land(p, test);
		if (p->code->nomem)
			return false;
	}
	return true;
}

static bool parse_condition(struct parser *p)
{
	struct flo__token tok = p->tok;
	uint32_t cond;
	uint32_t jump;

	cond = emit(p, FLO__OP_COND, 0, &tok);
	if (!advance(p) || !parse_binary(p, 1))
		return false;
	tok = p->tok;
	if (!expect(p, ":", "':'"))
		return false;
	jump = emit(p, FLO__OP_JUMP, 0, &tok);
	land(p, cond);
	if (!parse_expr(p))
		return false;
	emit(p, FLO__OP_COND_END, 0, &tok);
	if (p->code->nomem)
		return false;
	p->code->ins[cond].a = p->code->ins_len;
	land(p, jump);
	return true;
}

static bool parse_expr(struct parser *p)
{
	if (!enter(p) || !parse_binary(p, 1) ||
	    (is_op(p, "?") && !parse_condition(p)))
		return false;
	p->depth--;
	return !p->code->nomem;
}

flo_status flo__expr_parse(const char *text, size_t len, size_t at,
			   struct flo__code *code,
			   struct flo__expr_problem *ret_problem)
{
	struct parser p = {
		.lexer = {.text = text, .len = len, .problem = ret_problem},
		.code = code,
		.shift = at,
	};
	bool ok;

	memset(ret_problem, 0, sizeof(*ret_problem));
	ok = advance(&p) && parse_expr(&p);
	if (ok && p.tok.type != FLO__TOKEN_END)
		ok = unexpected(&p, "an operator or the end");
	flo_value_unref(p.tok.value);
	if (p.lexer.nomem || code->nomem)
		return FLO_NOMEM;
	ret_problem->at += (uint32_t)at;
	return ok ? FLO_OK : FLO_INVALID;
}
