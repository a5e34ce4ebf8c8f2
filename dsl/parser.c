#include "dsl/parser_p.h"

#include <string.h>

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

bool flo__parser_fail(struct flo__parser *p, const struct flo__token *tok,
		      const char *hint, const char *message)
{
	flo__problem_set(p->lexer.problem, FLO__CODE_EXPRESSION, tok->at,
			 tok->len != 0 ? tok->len : 1, hint, "%s", message);
	return false;
}

bool flo__parser_unexpected(struct flo__parser *p, const char *want)
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

bool flo__parser_advance(struct flo__parser *p)
{
	flo_value_unref(p->tok.value);
	p->tok.value = NULL;
	return flo__lexer_next(&p->lexer, &p->tok);
}

bool flo__parser_is_op(const struct flo__parser *p, const char *op)
{
	const char *have = p->tok.op;

	/* One or two characters: a call would take longer than to look. */
	return p->tok.type == FLO__TOKEN_OP && have[0] == op[0] &&
	       have[1] == op[1] && (op[1] == '\0' || have[2] == op[2]);
}

bool flo__parser_expect(struct flo__parser *p, const char *op, const char *want)
{
	return flo__parser_is_op(p, op) ? flo__parser_advance(p)
					: flo__parser_unexpected(p, want);
}

uint32_t flo__parser_emit(struct flo__parser *p, enum flo__op op, uint32_t a,
			  const struct flo__token *tok)
{
	return flo__code_emit(p->code, op, a, tok->at + (uint32_t)p->shift,
			      tok->len);
}

/* The instruction @at jumps to the end of what is emitted so far. */
void flo__parser_land(struct flo__parser *p, uint32_t at)
{
	if (!p->code->nomem)
		p->code->ins[at].b = p->code->ins_len;
}

/* Emit the constant @value, which is taken. */
static bool emit_const(struct flo__parser *p, flo_value *value,
		       const struct flo__token *tok)
{
	flo__parser_emit(p, FLO__OP_CONST, flo__code_const(p->code, value),
			 tok);
	return !p->code->nomem;
}

uint32_t flo__parser_name(struct flo__parser *p, const struct flo__token *tok)
{
	const char *text = p->lexer.text + tok->at;
	uint32_t len = tok->len;

	if (tok->type == FLO__TOKEN_QUOTED) {
		text++;
		len -= 2;
	}
	return flo__code_string(p->code, text, len);
}

static bool enter(struct flo__parser *p)
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
bool flo__parser_list(struct flo__parser *p, const char *close, uint32_t *ret)
{
	*ret = 0;
	if (close[0] == ']' && flo__parser_is_op(p, ","))
		return flo__parser_advance(p) &&
		       flo__parser_expect(p, close, "']'");
	while (!flo__parser_is_op(p, close)) {
		if (!flo__parser_expr(p))
			return false;
		++*ret;
		if (flo__parser_is_op(p, close))
			break;
		if (!flo__parser_expect(p, ",",
					close[0] == ']' ? "',' or ']'"
							: "',' or ')'"))
			return false;
		if (close[0] == ')' && flo__parser_is_op(p, close))
			return flo__parser_unexpected(p, "an argument");
	}
	return flo__parser_advance(p);
}

static bool parse_map(struct flo__parser *p, const struct flo__token *open)
{
	uint32_t len = 0;

	if (flo__parser_is_op(p, ",")) {
		if (!flo__parser_advance(p))
			return false;
		if (!flo__parser_is_op(p, "}"))
			return flo__parser_unexpected(p, "'}'");
	}
	while (!flo__parser_is_op(p, "}")) {
		if (!flo__parser_expr(p) ||
		    !flo__parser_expect(p, ":", "':'") || !flo__parser_expr(p))
			return false;
		len++;
		if (flo__parser_is_op(p, "}"))
			break;
		if (!flo__parser_expect(p, ",", "',' or '}'"))
			return false;
	}
	flo__parser_emit(p, FLO__OP_MAP, len, open);
	return flo__parser_advance(p);
}

/* The variable of a macro that is called as @name, or NULL. */
static const struct flo__local *find_local(const struct flo__parser *p,
					   const struct flo__token *name)
{
	const char *text = p->lexer.text;

	for (unsigned i = p->locals_len; i-- > 0;) {
		const struct flo__local *local = &p->locals[i];

		if (local->len == name->len &&
		    memcmp(text + local->at, text + name->at, name->len) == 0)
			return local;
	}
	return NULL;
}

static bool emit_local(struct flo__parser *p, const struct flo__local *local,
		       const struct flo__token *name)
{
	uint32_t at = flo__parser_emit(p, FLO__OP_LOCAL, local->loop, name);

	if (!p->code->nomem)
		p->code->ins[at].n = local->part;
	return !p->code->nomem;
}

/* A variable, or a function. With a dot in front (@root) it is none of a
 * macro's, whatever those are called. */
static bool parse_name(struct flo__parser *p, bool root)
{
	struct flo__token name = p->tok;
	const struct flo__local *local;

	if (flo__word_is_reserved(tok_text(p), name.len))
		return flo__parser_fail(p, &name, NULL,
					"this word is reserved");
	if (!flo__parser_advance(p))
		return false;
	if (flo__parser_is_op(p, "("))
		return flo__parser_advance(p) && flo__parser_call(p, &name);
	local = root ? NULL : find_local(p, &name);
	if (local != NULL)
		return emit_local(p, local, &name);
	flo__parser_emit(p, FLO__OP_IDENT, flo__parser_name(p, &name), &name);
	return !p->code->nomem;
}

static bool parse_root_name(struct flo__parser *p)
{
	if (!flo__parser_advance(p))
		return false;
	if (p->tok.type != FLO__TOKEN_IDENT)
		return flo__parser_unexpected(p, "a name");
	return parse_name(p, true);
}

/* null, true or false, if the token is one of them. */
static flo_value *word_value(const struct flo__parser *p)
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
static bool parse_number(struct flo__parser *p, bool minus)
{
	struct flo__token tok = p->tok;
	flo_value *value;

	if (tok.type == FLO__TOKEN_DOUBLE) {
		value = flo_value_double(minus ? -tok.real : tok.real);
	} else if (tok.type == FLO__TOKEN_UINT) {
		value = flo_value_uint(tok.number);
	} else {
		if (!minus && tok.number > INT64_MAX)
			return flo__parser_fail(p, &tok, NULL,
						"int beyond 64 bits");
		value = flo_value_int(
			(int64_t)(minus ? 0 - tok.number : tok.number));
	}
	return emit_const(p, value, &tok) && flo__parser_advance(p);
}

static bool parse_primary(struct flo__parser *p)
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
		return emit_const(p, tok.value, &tok) && flo__parser_advance(p);
	case FLO__TOKEN_IDENT:
		word = word_value(p);
		if (word != NULL)
			return emit_const(p, word, &tok) &&
			       flo__parser_advance(p);
		return parse_name(p, false);
	default:
		break;
	}
	if (flo__parser_is_op(p, "("))
		return flo__parser_advance(p) && flo__parser_expr(p) &&
		       flo__parser_expect(p, ")", "')'");
	if (flo__parser_is_op(p, "{"))
		return flo__parser_advance(p) && parse_map(p, &tok);
	if (flo__parser_is_op(p, "."))
		return parse_root_name(p);
	if (!flo__parser_is_op(p, "["))
		return flo__parser_unexpected(p, "a value");
	if (!flo__parser_advance(p) || !flo__parser_list(p, "]", &len))
		return false;
	flo__parser_emit(p, FLO__OP_LIST, len, &tok);
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
static bool parse_selection(struct flo__parser *p)
{
	struct flo__token name = p->tok;
	const char *text = tok_text(p);

	if ((name.type != FLO__TOKEN_IDENT && name.type != FLO__TOKEN_QUOTED) ||
	    is_keyword(text, name.len))
		return flo__parser_unexpected(p, "the name of a field");
	if (!flo__parser_advance(p))
		return false;
	if (!flo__parser_is_op(p, "(") || name.type == FLO__TOKEN_QUOTED) {
		flo__parser_emit(p, FLO__OP_FIELD, flo__parser_name(p, &name),
				 &name);
		return !p->code->nomem;
	}
	return flo__parser_advance(p) && flo__parser_method(p, &name);
}

static bool parse_member(struct flo__parser *p)
{
	if (!parse_primary(p))
		return false;
	for (;;) {
		struct flo__token tok = p->tok;

		if (flo__parser_is_op(p, ".")) {
			if (!flo__parser_advance(p) || !parse_selection(p))
				return false;
		} else if (flo__parser_is_op(p, "[")) {
			if (!flo__parser_advance(p) || !flo__parser_expr(p) ||
			    !flo__parser_expect(p, "]", "']'"))
				return false;
			flo__parser_emit(p, FLO__OP_INDEX, 0, &tok);
		} else {
			return true;
		}
	}
}

static bool parse_unary(struct flo__parser *p)
{
	struct flo__token first = p->tok;
	size_t n = 0;
	enum flo__op op = flo__parser_is_op(p, "!") ? FLO__OP_NOT : FLO__OP_NEG;

	if (!flo__parser_is_op(p, "!") && !flo__parser_is_op(p, "-"))
		return parse_member(p);
	for (; flo__parser_is_op(p, first.op); n++) {
		if (!flo__parser_advance(p))
			return false;
	}
	if (op == FLO__OP_NEG && n == 1 && p->tok.type == FLO__TOKEN_INT &&
	    p->tok.number == (uint64_t)INT64_MAX + 1)
		return parse_number(p, true);
	if (!parse_member(p))
		return false;
	/* An even number of them still checks the type of the operand. */
	for (n = n % 2 == 0 ? 2 : 1; n > 0; n--)
		flo__parser_emit(p, op, 0, &first);
	return !p->code->nomem;
}

static const struct binary *binary_here(const struct flo__parser *p,
					unsigned power)
{
	const char *text = tok_text(p);

	/* What mostly follows a value is an end of something. */
	if (p->tok.type != FLO__TOKEN_OP && p->tok.type != FLO__TOKEN_IDENT)
		return NULL;
	for (size_t i = 0; i < sizeof(binaries) / sizeof(binaries[0]); i++) {
		const struct binary *b = &binaries[i];
		bool word = b->op == FLO__OP_IN;

		if (b->power < power)
			continue;
		if (word ? p->tok.type == FLO__TOKEN_IDENT && p->tok.len == 2 &&
				    memcmp(text, "in", 2) == 0
			 : flo__parser_is_op(p, b->text))
			return b;
	}
	return NULL;
}

/* Operators that bind at least as tightly as @power. */
static bool parse_binary(struct flo__parser *p, unsigned power)
{
	const struct binary *b;

	if (!parse_unary(p))
		return false;
	while ((b = binary_here(p, power)) != NULL) {
		struct flo__token tok = p->tok;
		uint32_t test = 0;
		bool joins = b->op == FLO__OP_AND || b->op == FLO__OP_OR;

		if (joins)
			test = flo__parser_emit(p, (enum flo__op)(b->op - 1), 0,
						&tok);
		if (!flo__parser_advance(p) || !parse_binary(p, b->power + 1u))
			return false;
		flo__parser_emit(p, (enum flo__op)b->op, 0, &tok);
		if (joins)
			flo__parser_land(p, test);
		if (p->code->nomem)
			return false;
	}
	return true;
}

static bool parse_condition(struct flo__parser *p)
{
	struct flo__token tok = p->tok;
	uint32_t cond;
	uint32_t jump;

	cond = flo__parser_emit(p, FLO__OP_COND, 0, &tok);
	if (!flo__parser_advance(p) || !parse_binary(p, 1))
		return false;
	tok = p->tok;
	if (!flo__parser_expect(p, ":", "':'"))
		return false;
	jump = flo__parser_emit(p, FLO__OP_JUMP, 0, &tok);
	flo__parser_land(p, cond);
	if (!flo__parser_expr(p))
		return false;
	flo__parser_emit(p, FLO__OP_COND_END, 0, &tok);
	if (p->code->nomem)
		return false;
	p->code->ins[cond].a = p->code->ins_len;
	flo__parser_land(p, jump);
	return true;
}

bool flo__parser_expr(struct flo__parser *p)
{
	if (!enter(p) || !parse_binary(p, 1) ||
	    (flo__parser_is_op(p, "?") && !parse_condition(p)))
		return false;
	p->depth--;
	return !p->code->nomem;
}

flo_status flo__expr_parse(const char *text, size_t len, size_t at,
			   struct flo__code *code,
			   struct flo__expr_problem *ret_problem)
{
	struct flo__parser p = {
		.lexer = {.text = text, .len = len, .problem = ret_problem},
		.code = code,
		.shift = at,
	};
	bool ok;

	memset(ret_problem, 0, sizeof(*ret_problem));
	ok = flo__parser_advance(&p) && flo__parser_expr(&p);
	if (ok && p.tok.type != FLO__TOKEN_END)
		ok = flo__parser_unexpected(&p, "an operator or the end");
	flo_value_unref(p.tok.value);
	if (p.lexer.nomem || code->nomem)
		return FLO_NOMEM;
	ret_problem->at += (uint32_t)at;
	return ok ? FLO_OK : FLO_INVALID;
}
