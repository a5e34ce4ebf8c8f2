/*
 * The parser of expressions, shared by parser.c (operators, literals, names)
 * and calls.c (functions and macros). Each function reads from the token that
 * is to be looked at, and leaves the first one it did not need. False: the
 * lexer's problem says what is wrong, or code->nomem is set.
 */
#ifndef FLO_DSL_PARSER_P_H
#define FLO_DSL_PARSER_P_H

#include "dsl/expr_p.h"

#include <string.h>

/* A variable of a macro that is being parsed. */
struct flo__local {
	uint32_t at; /* its name in the text */
	uint32_t len;
	uint8_t loop;
	uint8_t part; /* enum flo__part */
};

struct flo__parser {
	struct flo__lexer lexer;
	struct flo__token tok; /* the one to look at */
	struct flo__code *code;
	size_t shift; /* added to every offset */
	unsigned depth;
	unsigned loops;
	unsigned locals_len;
	struct flo__local locals[2 * FLO__EXPR_LOOPS_MAX];
};

static inline const char *tok_text(const struct flo__parser *p)
{
	return p->lexer.text + p->tok.at;
}

bool flo__parser_fail(struct flo__parser *p, const struct flo__token *tok,
		      const char *hint, const char *message);
/* Fail at the next token, since it is not @want. */
bool flo__parser_unexpected(struct flo__parser *p, const char *want);
bool flo__parser_advance(struct flo__parser *p);
bool flo__parser_is_op(const struct flo__parser *p, const char *op);
/* Go past the operator @op, which is called @want in a message. */
bool flo__parser_expect(struct flo__parser *p, const char *op,
			const char *want);

uint32_t flo__parser_emit(struct flo__parser *p, enum flo__op op, uint32_t a,
			  const struct flo__token *tok);
/* The instruction @at jumps to the end of what is emitted so far. */
void flo__parser_land(struct flo__parser *p, uint32_t at);
/* The text of an identifier, or of a name in backquotes, as a constant. */
uint32_t flo__parser_name(struct flo__parser *p, const struct flo__token *tok);

bool flo__parser_expr(struct flo__parser *p);
/* Items up to @close, which is consumed; their number goes to *@ret. */
bool flo__parser_list(struct flo__parser *p, const char *close, uint32_t *ret);

/* f(...): what comes after "f(". */
bool flo__parser_call(struct flo__parser *p, const struct flo__token *name);
/* x.f(...): the same, with x on the stack; a function or a macro. */
bool flo__parser_method(struct flo__parser *p, const struct flo__token *name);

#endif
