/*
 * The check of expressions, which knows types: check.c goes over the code,
 * check_ident.c resolves names, check_binary.c does operators.
 */
#ifndef FLO_DSL_CHECK_P_H
#define FLO_DSL_CHECK_P_H

#include "dsl/functions_p.h"

#define BIT	FLO_TYPES
#define NUMBERS (BIT(INT) | BIT(UINT) | BIT(DOUBLE))
#define ANY	FLO__TYPES_ANY
#define ORDERED                                                                \
	(NUMBERS | BIT(BOOL) | BIT(STRING) | BIT(BYTES) | BIT(TIMESTAMP) |     \
	 BIT(DURATION))

/* What is known of a value: the types it may have, and its items, if it is a
 * list. */
struct flo__known {
	unsigned types;
	unsigned items;
};

struct flo__check {
	struct flo__code *code;
	struct flo__names *names;
	flo__expr_problem_fn fn;
	void *arg;
	struct flo__known *known; /* the stack */
	uint32_t len;
	uint32_t cap;
	struct flo__known member; /* what instruction member_ins selects */
	uint32_t member_ins;
	struct flo__known
		ranges[FLO__EXPR_LOOPS_MAX]; /* of the macros around */
	bool failed;
	bool nomem;
};

/* The stack. push() is of a value of which no more is known than its types. */
void flo__check_push(struct flo__check *c, unsigned types);
void flo__check_push_known(struct flo__check *c, struct flo__known known);
struct flo__known flo__check_pop_known(struct flo__check *c);

/* Report @problem at the token of @ins. */
void flo__check_tell(struct flo__check *c, struct flo__expr_problem *problem,
		     const struct flo__ins *ins);
/* Report that an operand, of which @types are possible, fits none of @fit. */
void flo__check_want(struct flo__check *c, const struct flo__ins *ins,
		     unsigned types, unsigned fit, const char *what);
/*
 * What a set of types is called: one type's name, or NULL for several. Where
 * a value may also be null, it is the other type that is worth a word.
 */
const char *flo__check_name_of(unsigned types);

/* check_ident.c: the name at instruction @i becomes the reference that it
 * means. The types that it may have. */
unsigned flo__check_ident(struct flo__check *c, uint32_t i);

/* check_binary.c: replace the operands on the stack by what their operator
 * makes of them. */
void flo__check_binary(struct flo__check *c, const struct flo__ins *ins);

#endif
