/*
 * Expressions (CEL) and templates as code for a stack machine.
 *
 * The parser emits operations in the order in which they compute (operands
 * before operators, jumps for && || ?: and macros), so that the code is at
 * once the syntax tree in post-order and what the evaluator runs. One pass
 * from front to back checks it: it resolves names and knows the type of every
 * stack slot as far as it can be told. Nothing recurses over the code, so an
 * expression as long as a file allows needs no more C stack than a short one;
 * only the parser recurses, at most FLO__EXPR_DEPTH_MAX levels.
 *
 * A template is code as well: its pieces, then TEXT, which renders and joins
 * them. A JSON value with templates in it is code that builds it.
 *
 * lexer.c   text -> tokens
 * parser.c  tokens -> code; calls.c functions and macros
 * check.c   names, arguments, types, with what check_p.h names
 * eval.c    code -> a value, with what eval_p.h names; functions_p.h the rest
 */
#ifndef FLO_DSL_EXPR_P_H
#define FLO_DSL_EXPR_P_H

#include "dsl/report_p.h"
#include "engine/plan.h"

struct flo__regex;

#define FLO__EXPR_DEPTH_MAX 100 /* nesting of brackets, calls, macros, ?: */
#define FLO__EXPR_LOOPS_MAX 16	/* macros in one another */
#define FLO__EXPR_ARGS_MAX  4
#define FLO__EXPR_COST_MAX  UINT64_C(20000000) /* operations of one eval */

/* The largest value that an expression may make, about, as JSON. A function
 * that would make a larger one fails with FLO_LIMIT. */
#define FLO__EXPR_BYTES_MAX   (UINT64_C(256) << 20)
#define FLO__EXPR_NESTING_MAX 1000 /* of lists and maps that it makes */

enum flo__op {
	FLO__OP_NOP,   /* until flo__code_finish() */
	FLO__OP_CONST, /* push constant a */
	FLO__OP_IDENT, /* a name (constant a); check makes it a REF */
	FLO__OP_REF,   /* push the variable of reference a */
	FLO__OP_LOCAL, /* push a variable of macro a: n, an enum flo__part */
	FLO__OP_FAIL,  /* pop b, push a failure with the text of constant a */
	FLO__OP_FIELD, /* pop map, push its entry (constant a) */
	FLO__OP_HAS,   /* pop map, push whether it has the entry */
	FLO__OP_INDEX, /* pop index and list or map, push the item */
	FLO__OP_NOT,   /* unary */
	FLO__OP_NEG,   /* unary */
	FLO__OP_ADD,   /* binary, up to IN */
	FLO__OP_SUB,
	FLO__OP_MUL,
	FLO__OP_DIV,
	FLO__OP_MOD,
	FLO__OP_EQ,
	FLO__OP_NE,
	FLO__OP_LT,
	FLO__OP_LE,
	FLO__OP_GT,
	FLO__OP_GE,
	FLO__OP_IN,
	FLO__OP_AND_TEST, /* false on top: jump to b */
	FLO__OP_AND,	  /* join both sides, over errors */
	FLO__OP_OR_TEST,  /* true on top: jump to b */
	FLO__OP_OR,
	FLO__OP_COND,	  /* pop; false: jump to b; error: push it, to a */
	FLO__OP_JUMP,	  /* to b; then the other branch begins */
	FLO__OP_COND_END, /* where both branches of ?: meet */
	FLO__OP_LIST,	  /* pop a items, push a list */
	FLO__OP_MAP,	  /* pop a keys and values, push a map */
	FLO__OP_CALL,	  /* function a with n arguments; pattern b - 1 */
	FLO__OP_ITER,	  /* pop a range, begin macro a with variable n; its
			     end is b */
	FLO__OP_KEEP,	  /* map(x, p, e): p on top; false: jump to b */
	FLO__OP_NEXT,	  /* pop what the body computed; go on at b */
	FLO__OP_TEXT,	  /* pop a values, push them rendered and joined */
};

enum flo__macro {
	FLO__MACRO_ALL,
	FLO__MACRO_EXISTS,
	FLO__MACRO_EXISTS_ONE,
	FLO__MACRO_MAP,
	FLO__MACRO_FILTER,
	FLO__MACRO_MAP_VALUES, /* transformMap: the keys stay */
};

/* What a variable of a macro is. */
enum flo__part {
	FLO__PART_ITEM, /* the only one: of a list the item, of a map the key */
	FLO__PART_KEY,	/* the first of two: the index, the key */
	FLO__PART_VALUE, /* the second of two: the item, the value */
};

struct flo__ins {
	uint8_t op; /* enum flo__op */
	uint8_t n;
	uint16_t len; /* of its token */
	uint32_t a;
	uint32_t b;
	uint32_t at; /* of its token, in the text of its source */
};

/* What is wrong in an expression; the place is an offset into its text. */
struct flo__expr_problem {
	enum flo__problem_code code;
	uint32_t at;
	uint32_t len;
	bool follows; /* from an error that was reported: say nothing */
	bool warning; /* it can be compiled, and is probably not meant */
	char message[192];
	char hint[160];
};

/* Where an expression stands: in a string of a JSON document. */
struct flo__origin {
	const char *raw; /* its text there, with escapes */
	uint32_t raw_len;
	uint32_t line;	 /* from 1; 0: in no document */
	uint32_t column; /* of its first character */
	uint32_t at;	 /* what the offsets of its tokens begin at */
};

/* Where a stretch of code came from, for messages. */
struct flo__source {
	const char *text; /* the expression, cut to a readable length */
	uint32_t first;	  /* instruction */
	struct flo__origin origin;
};

struct flo__expr {
	flo_value *constant; /* owned; if not NULL, all there is */
	const struct flo__ins *ins;
	flo_value *const *consts;	    /* owned */
	struct flo__regex *const *patterns; /* owned: literals of matches() */
	const struct flo__ref *refs;
	const struct flo__source *sources;
	uint32_t ins_len;
	uint32_t consts_len;
	uint32_t patterns_len;
	uint32_t sources_len;
	uint32_t refs_len;
	uint32_t loops_max; /* macros in one another */
	uint32_t stack_max;
	struct flo__expr *next; /* all of a plan, to free what they own */
};

/* Slots for short strings that were constants lately. */
#define FLO__CODE_RECENT 128

/* Code in the making. */
struct flo__code {
	struct flo__ins *ins;
	flo_value **consts;
	struct flo__regex **patterns;
	struct flo__ref *refs;
	struct flo__source *sources;
	uint32_t ins_len, ins_cap;
	uint32_t consts_len, consts_cap;
	uint32_t patterns_len, patterns_cap;
	uint32_t refs_len, refs_cap;
	uint32_t sources_len, sources_cap;
	uint32_t *moved; /* by flo__code_finish(): new numbers of old ones */
	uint32_t moved_cap;
	flo_value *recent[FLO__CODE_RECENT]; /* owned: strings, to share */
	bool nomem;
	/*
	 * As CEL without a checker: what is unknown or of the wrong type fails
	 * when it is reached, not before.
	 */
	bool dynamic;
};

void flo__code_init(struct flo__code *code);
void flo__code_fini(struct flo__code *code);
/* Forget what was emitted, keep the memory. */
void flo__code_reset(struct flo__code *code);
/* Append an instruction; its number. */
uint32_t flo__code_emit(struct flo__code *code, enum flo__op op, uint32_t a,
			uint32_t at, size_t len);
/* Add a constant (taken; NULL: out of memory); its number. */
uint32_t flo__code_const(struct flo__code *code, flo_value *value);
/*
 * Add a string as a constant; its number. The expressions of one file mostly
 * name the same few things, so short ones of a moment ago are shared.
 */
uint32_t flo__code_string(struct flo__code *code, const char *text, size_t len);
/* Add a pattern (taken; NULL: out of memory); its number. */
uint32_t flo__code_pattern(struct flo__code *code, struct flo__regex *regex);
uint32_t flo__code_ref(struct flo__code *code, const struct flo__ref *ref);
/* The words of @problem as a constant, for FAIL. */
uint32_t flo__code_problem(struct flo__code *code,
			   const struct flo__expr_problem *problem);
/* What is emitted next is @text, of @origin (NULL: no document). Both are
 * copied to @arena. */
void flo__code_source(struct flo__code *code, const char *text, size_t len,
		      const struct flo__origin *origin,
		      struct flo__arena *arena);
/*
 * Make an expression of it in @arena, and reset @code. NULL without memory.
 * What the expression owns goes back with flo__expr_release().
 */
struct flo__expr *flo__code_finish(struct flo__code *code,
				   struct flo__arena *arena);
/*
 * The source of instruction number @pc - 1, and the column there of the token
 * at @at. NULL: the code has no source.
 */
const struct flo__source *flo__expr_source(const struct flo__expr *expr,
					   uint32_t pc, uint32_t at,
					   uint32_t *ret_column);
void flo__expr_release(struct flo__expr *expr);

/* Tokens. */
enum flo__token_type {
	FLO__TOKEN_END,
	FLO__TOKEN_IDENT,
	FLO__TOKEN_QUOTED, /* `name` */
	FLO__TOKEN_INT,	   /* also one past INT64_MAX, for its negation */
	FLO__TOKEN_UINT,
	FLO__TOKEN_DOUBLE,
	FLO__TOKEN_STRING,
	FLO__TOKEN_BYTES,
	FLO__TOKEN_OP,
};

struct flo__token {
	enum flo__token_type type;
	uint32_t at;
	uint32_t len;
	char op[3]; /* of OP: "&&", "." ... */
	uint64_t number;
	double real;
	flo_value *value; /* of STRING and BYTES: owned */
};

typedef void (*flo__expr_problem_fn)(const struct flo__expr_problem *problem,
				     void *arg);

struct flo__lexer {
	const char *text;
	size_t len;
	size_t at;
	bool nomem;
	struct flo__expr_problem *problem;
};

/* Read the next token. False after an error, told in lexer->problem. */
bool flo__lexer_next(struct flo__lexer *lexer, struct flo__token *ret_token);
void flo__problem_set(struct flo__expr_problem *problem,
		      enum flo__problem_code code, size_t at, size_t len,
		      const char *hint, const char *format, ...)
	FLO_PRINTF(6, 7);

/*
 * Where the template that begins after "${{" at @at ends: the offset of its
 * "}}", or SIZE_MAX.
 */
size_t flo__lexer_template_end(const char *text, size_t len, size_t at);

/* The words that CEL reserves, NULL at the end. */
extern const char *const flo__reserved_words[];
/* Whether CEL reserves the word, so that it can name nothing. */
bool flo__word_is_reserved(const char *text, size_t len);

/*
 * Parse an expression and emit its code. @at is added to all offsets.
 * FLO_INVALID with a problem, FLO_NOMEM.
 */
flo_status flo__expr_parse(const char *text, size_t len, size_t at,
			   struct flo__code *code,
			   struct flo__expr_problem *ret_problem);

/* What the names in an expression mean. */
struct flo__names {
	/*
	 * The variable called @name. FLO_OK and a reference (for `steps`: its
	 * var is FLO__VAR_STEP); FLO_NOTFOUND, with a problem's message and
	 * hint filled in.
	 */
	flo_status (*var)(struct flo__names *names, const char *name,
			  size_t len, struct flo__ref *ret_ref,
			  struct flo__expr_problem *problem);
	/* What `variable.name` is: *@ref is the variable and, for steps,
	 * becomes the step. Params, env, run and step are only asked whether
	 * they have it; @name NULL: the whole variable is used. *@types, any
	 * before, may be narrowed to those that the member can have. */
	flo_status (*member)(struct flo__names *names, const char *name,
			     size_t len, struct flo__ref *ref, unsigned *types,
			     struct flo__expr_problem *problem);
	/* The output of the step *@node, or with @name what that member of it
	 * is: *@types is set, *@node becomes the child, FLO__NODE_NONE where
	 * nothing more is known. NULL: nothing is known of outputs. */
	flo_status (*output)(struct flo__names *names, const char *name,
			     size_t len, uint32_t *node, unsigned *types,
			     struct flo__expr_problem *problem);
	/* The types that the items of `variable.name` may have, if it is a
	 * list; FLO__TYPES_ANY where nothing is known. NULL: never is. */
	unsigned (*items)(struct flo__names *names, const char *name,
			  size_t len, const struct flo__ref *ref);
	/* The step that member() has just accepted is named in the source
	 * bytes @at .. @at + @len. NULL: nobody wants to know. */
	void (*named)(struct flo__names *names, uint32_t at, uint32_t len);
	/* Whether @ref (its member @name, but for a step's status) can never
	 * be @value; then a problem's message and hint are filled in. NULL:
	 * nothing is known of values. */
	bool (*never)(struct flo__names *names, const struct flo__ref *ref,
		      const char *name, size_t len, const flo_value *value,
		      struct flo__expr_problem *problem);
};

/* never.c: warn where the comparison at instruction @i, ==, != or in, of checked
 * code is of a variable with a literal that it never is. */
void flo__never_check(const struct flo__code *code, uint32_t i,
		      struct flo__names *names, flo__expr_problem_fn fn,
		      void *arg);

/*
 * Resolve the names of @code from instruction @first on and check it; every
 * problem goes to @fn. *@ret_types gets the types that the result may have, as
 * bits 1u << FLO_VALUE_...; FLO__TYPES_ANY where nothing is known. *@ret_items
 * gets those of its items, if it is a list. FLO_INVALID if there was a problem,
 * FLO_NOMEM.
 */
flo_status flo__expr_check(struct flo__code *code, uint32_t first,
			   struct flo__names *names, flo__expr_problem_fn fn,
			   void *arg, unsigned *ret_types, unsigned *ret_items);

/* The types of the items of @list; FLO__TYPES_ANY if it has none, or is none. */
unsigned flo__types_of_items(const flo_value *list);

#define FLO__TYPES_ANY (~0u)

/* struct flo__language's eval. */
flo_status flo__expr_eval(const struct flo__expr *expr,
			  const struct flo__scope *scope, flo_error *err,
			  flo_value **ret_value);

/*
 * The same in @cost_max operations, FLO__EXPR_COST_MAX at most; *@ret_at gets
 * the offset of the token that failed.
 */
flo_status flo__expr_eval_at(const struct flo__expr *expr,
			     const struct flo__scope *scope, uint64_t cost_max,
			     flo_error *err, uint32_t *ret_at,
			     flo_value **ret_value);

/* Whether a secret's value is among what @expr computes with. */
bool flo__expr_uses_secret(const struct flo__expr *expr);

/* Values that are errors travel beside those that are not: a failed operation
 * leaves its reason here and gives NULL. */
struct flo__failure {
	flo_status status; /* FLO_OK: none; NOMEM and LIMIT are final */
	uint32_t ins;	   /* where it happened */
	char *text;	   /* owned */
};

flo_value *flo__fail(struct flo__failure *failure, flo_status status,
		     const char *format, ...) FLO_PRINTF(3, 4);

/* Operators on operands of which one at least is no scalar. They are borrowed;
 * NULL and a failure, or a value that the caller owns. */
flo_value *flo__ops_binary(enum flo__op op, const flo_value *a,
			   const flo_value *b, struct flo__failure *failure);
/* a[b], borrowed from @a. */
const flo_value *flo__ops_index(const flo_value *a, const flo_value *b,
				struct flo__failure *failure);

/* Fail: the operator, or the selection of @name, is not for these types. */
flo_value *flo__ops_no_overload(struct flo__failure *failure, enum flo__op op,
				flo_value_type a, flo_value_type b);
void flo__ops_no_unary(struct flo__failure *failure, enum flo__op op,
		       flo_value_type a);
/* @of_step: there are steps in the expression, so that a null may be theirs. */
void flo__ops_no_field(struct flo__failure *failure, flo_value_type type,
		       const flo_value *name, bool of_step);
const char *flo__value_type_name(flo_value_type type);

typedef flo_value *(*flo__function_fn)(const flo_value *const *args, size_t n,
				       struct flo__failure *failure);

struct flo__function {
	const char *name;
	uint8_t min; /* arguments, with the receiver */
	uint8_t max;
	bool global;	   /* f(x) */
	bool method;	   /* x.f() */
	unsigned receiver; /* types the first argument may have; 0: any */
	unsigned others;   /* types the others may have; 0: any */
	unsigned last;	   /* the same of number max, if it has its own */
	unsigned result;   /* types; 0: any */
	flo__function_fn fn;
	/* A literal as its only argument, or as its pattern, is tried when the
	 * expression is compiled. */
	bool literal;
};

/* Function number @i, NULL past the last. */
const struct flo__function *flo__function_at(size_t i);

#endif
