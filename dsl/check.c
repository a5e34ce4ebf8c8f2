#include "dsl/functions_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <stdio.h>
#include <string.h>

#define BIT	FLO_TYPES
#define NUMBERS (BIT(INT) | BIT(UINT) | BIT(DOUBLE))
#define ANY	FLO__TYPES_ANY
#define ORDERED                                                                \
	(NUMBERS | BIT(BOOL) | BIT(STRING) | BIT(BYTES) | BIT(TIMESTAMP) |     \
	 BIT(DURATION))

/* What is known of a value: the types it may have, and its items, if it is a
 * list. */
struct known {
	unsigned types;
	unsigned items;
};

struct check {
	struct flo__code *code;
	struct flo__names *names;
	flo__expr_problem_fn fn;
	void *arg;
	struct known *known; /* the stack */
	uint32_t len;
	uint32_t cap;
	struct known member; /* what instruction member_ins selects */
	uint32_t member_ins;
	struct known ranges[FLO__EXPR_LOOPS_MAX]; /* of the macros around */
	bool failed;
	bool nomem;
};

static void push_known(struct check *c, struct known known)
{
	if (c->len == c->cap) {
		uint32_t cap = c->cap != 0 ? c->cap * 2 : 32;
		struct known *grown;

		grown = flo__reallocarray(c->known, cap, sizeof(*grown));
		if (grown == NULL) {
			c->nomem = true;
			return;
		}
		c->known = grown;
		c->cap = cap;
	}
	c->known[c->len++] = known;
}

/* Push a value of which no more is known than its types. */
static void push(struct check *c, unsigned types)
{
	push_known(c, (struct known){.types = types, .items = ANY});
}

static void push_list(struct check *c, unsigned items)
{
	push_known(c, (struct known){.types = BIT(LIST), .items = items});
}

static struct known pop_known(struct check *c)
{
	INSIST(c->len > 0);
	return c->known[--c->len];
}

static unsigned pop(struct check *c)
{
	return pop_known(c).types;
}

unsigned flo__types_of_items(const flo_value *list)
{
	unsigned types = 0;

	if (flo_value_typeof(list) != FLO_VALUE_LIST)
		return ANY;
	for (size_t i = 0; i < flo_value_len(list); i++)
		types |= 1u << flo_value_typeof(flo_value_list_at(list, i));
	return types != 0 ? types : ANY;
}

/* Whether it is a list, if it is not null. */
static bool is_list(const struct known *known)
{
	return (known->types & ~BIT(NULL)) == BIT(LIST);
}

static void tell(struct check *c, struct flo__expr_problem *problem,
		 const struct flo__ins *ins)
{
	problem->at = ins->at;
	problem->len = ins->len;
	c->failed = true;
	c->fn(problem, c->arg);
}

/*
 * What a set of types is called: one type's name, or NULL for several. Where
 * a value may also be null, it is the other type that is worth a word.
 */
static const char *name_of(unsigned types)
{
	if (types != BIT(NULL))
		types &= ~BIT(NULL);
	for (int t = FLO_VALUE_NULL; t <= FLO_VALUE_TYPE; t++) {
		if (types == 1u << t)
			return flo__value_type_name((flo_value_type)t);
	}
	return types != 0 && (types & ~NUMBERS) == 0 ? "number" : NULL;
}

static void mismatch(struct check *c, const struct flo__ins *ins,
		     const char *what, unsigned types)
{
	struct flo__expr_problem problem;
	const char *name = name_of(types);

	flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0, NULL,
			 "%s cannot be %s", what,
			 name != NULL ? name : "of this type");
	tell(c, &problem, ins);
}

/* Report that an operand, of which @types are possible, fits none of @want. */
static void want(struct check *c, const struct flo__ins *ins, unsigned types,
		 unsigned fit, const char *what)
{
	if ((types & fit) == 0 && !c->code->dynamic)
		mismatch(c, ins, what, types);
}

/*
 * Numbers compare with each other. Everything may be asked whether it is null;
 * but that one side could be null does not make the other side its equal.
 */
static unsigned comparable(unsigned types)
{
	if ((types & NUMBERS) != 0)
		types |= NUMBERS;
	return types;
}

/* What to do about operands of the types @a and @b that do not fit. */
static const char *pair_hint(unsigned op, unsigned a, unsigned b)
{
	unsigned both = (a | b) & ~BIT(NULL);
	unsigned time = both & ~(NUMBERS | BIT(STRING));
	bool sum = op == FLO__OP_ADD || op == FLO__OP_SUB;

	if (op == FLO__OP_MOD && (both & ~NUMBERS) == 0)
		return "% is of whole numbers: int(x) cuts off the fraction";
	if ((a & b & ~BIT(NULL)) != 0)
		return NULL;
	if (time == 0)
		return "convert one side: string(), int(), double()";
	if (op == FLO__OP_MUL || op == FLO__OP_DIV || op == FLO__OP_MOD)
		return NULL;
	if (time == BIT(DURATION) || (time == BIT(TIMESTAMP) && sum))
		return "a duration is written duration(\"90s\")";
	if (time == BIT(TIMESTAMP))
		return "a time is written timestamp(\"2000-12-31T23:59:59Z\")";
	return NULL;
}

/* Whether the operand whose code ends before instruction @i is a param. */
static bool is_param(const struct check *c, uint32_t i)
{
	const struct flo__ins *ins = &c->code->ins[i];

	return i >= 2 && ins[-1].op == FLO__OP_FIELD &&
	       ins[-2].op == FLO__OP_REF &&
	       c->code->refs[ins[-2].a].var == FLO__VAR_PARAMS;
}

/* The int that the operand whose code ends before instruction @i is. */
static bool is_int(const struct check *c, uint32_t i, int64_t *ret)
{
	const flo_value *v;

	if (i == 0 || c->code->ins[i - 1].op != FLO__OP_CONST)
		return false;
	v = c->code->consts[c->code->ins[i - 1].a];
	if (flo_value_typeof(v) != FLO_VALUE_INT)
		return false;
	*ret = flo_value_get_int(v);
	return true;
}

/*
 * Between an int and a double: if one is written out in the expression, how it
 * is written as the other's type. NULL: nothing is known of them.
 */
static const char *literal_hint(const struct check *c,
				const struct flo__ins *ins, unsigned a,
				unsigned b, char *buf, size_t size)
{
	uint32_t i = (uint32_t)(ins - c->code->ins);
	bool right_is_param = is_param(c, i);
	bool left_is_param = i > 0 && is_param(c, i - 1);
	int64_t n;

	if (((a | b) & ~BIT(NULL)) != (BIT(INT) | BIT(DOUBLE)))
		return NULL;
	if (is_int(c, i, &n))
		right_is_param = false;
	else if (right_is_param && is_int(c, i - 2, &n))
		left_is_param = false;
	else
		return NULL;
	snprintf(buf, size, "write %lld.0%s", (long long)n,
		 right_is_param || left_is_param
			 ? ", or declare the param as an `integer`"
			 : "");
	return buf;
}

static void check_pair(struct check *c, const struct flo__ins *ins, unsigned a,
		       unsigned b, const char *what)
{
	struct flo__expr_problem problem;
	char literal[80];
	const char *hint = literal_hint(c, ins, a, b, literal, sizeof(literal));
	const char *a_name = name_of(a);
	const char *b_name = name_of(b);

	if (c->code->dynamic)
		return;
	flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0,
			 hint != NULL ? hint : pair_hint(ins->op, a, b),
			 "%s does not go between %s and %s", what,
			 a_name != NULL ? a_name : "these",
			 b_name != NULL ? b_name : "that");
	tell(c, &problem, ins);
}

static unsigned check_arithmetic(struct check *c, const struct flo__ins *ins,
				 unsigned a, unsigned b)
{
	static const char *const signs[] = {"+", "-", "*", "/", "%"};
	unsigned time = BIT(TIMESTAMP) | BIT(DURATION);
	unsigned fit = NUMBERS;
	unsigned both;

	if (ins->op == FLO__OP_MOD)
		fit = BIT(INT) | BIT(UINT);
	if (ins->op == FLO__OP_ADD)
		fit |= BIT(STRING) | BIT(BYTES) | BIT(LIST);
	both = a & b & fit;
	if ((ins->op == FLO__OP_ADD || ins->op == FLO__OP_SUB) &&
	    (a & time) != 0 && (b & time) != 0)
		both |= time;
	if (both != 0)
		return both;
	check_pair(c, ins, a, b, signs[ins->op - FLO__OP_ADD]);
	return ANY;
}

/* Of operands that fit: whether one can ever be the other. */
static void check_never(struct check *c, const struct flo__ins *ins)
{
	if (!flo__never_check(c->code, (uint32_t)(ins - c->code->ins), c->names,
			      c->fn, c->arg))
		c->failed = true;
}

/* Replace the operands on the stack by what their operator makes of them. */
static void check_binary(struct check *c, const struct flo__ins *ins)
{
	static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};
	struct known right = pop_known(c);
	struct known left = pop_known(c);
	unsigned b = right.types;
	unsigned a = left.types;

	switch ((enum flo__op)ins->op) {
	case FLO__OP_EQ:
	case FLO__OP_NE:
		if ((comparable(a) & comparable(b)) == 0 && a != BIT(NULL) &&
		    b != BIT(NULL))
			check_pair(c, ins, a, b, signs[ins->op - FLO__OP_EQ]);
		else
			check_never(c, ins);
		push(c, BIT(BOOL));
		return;
	case FLO__OP_LT:
	case FLO__OP_LE:
	case FLO__OP_GT:
	case FLO__OP_GE:
		if ((comparable(a) & comparable(b) & ORDERED) == 0)
			check_pair(c, ins, a, b, signs[ins->op - FLO__OP_EQ]);
		push(c, BIT(BOOL));
		return;
	case FLO__OP_IN:
		want(c, ins, b, BIT(LIST) | BIT(MAP), "what `in` looks into");
		check_never(c, ins);
		push(c, BIT(BOOL));
		return;
	default:
		push_known(c,
			   (struct known){.types = check_arithmetic(c, ins, a,
								    b),
					  .items = left.items | right.items});
	}
}

/* The text of the constant that @ins pushes or names. */
static const char *const_text(const struct check *c, const struct flo__ins *ins,
			      size_t *ret_len)
{
	return flo_value_get_string(c->code->consts[ins->a], ret_len);
}

/*
 * If instruction @i selects a member of what @i - 1 pushed, by a name known
 * now (`.x` or `["x"]`): how many instructions that takes, else 0.
 */
static uint32_t member_at(const struct check *c, uint32_t i,
			  const struct flo__ins **ret_name)
{
	const struct flo__code *code = c->code;

	if (i >= code->ins_len)
		return 0;
	*ret_name = &code->ins[i];
	if (code->ins[i].op == FLO__OP_FIELD || code->ins[i].op == FLO__OP_HAS)
		return 1;
	if (code->ins[i].op == FLO__OP_CONST && i + 1 < code->ins_len &&
	    code->ins[i + 1].op == FLO__OP_INDEX &&
	    flo_value_typeof(code->consts[code->ins[i].a]) == FLO_VALUE_STRING)
		return 2;
	return 0;
}

static int field_of(const char *name, size_t len)
{
	static const char *const fields[] = {"output",	 "status", "exit_code",
					     "attempts", "error",  "duration"};

	for (int i = 0; i < 6; i++) {
		if (strlen(fields[i]) == len &&
		    memcmp(fields[i], name, len) == 0)
			return FLO__FIELD_OUTPUT + i;
	}
	return -1;
}

static unsigned field_types(enum flo__step_field field)
{
	switch (field) {
	case FLO__FIELD_ALL:
		return BIT(MAP);
	case FLO__FIELD_STATUS:
		return BIT(STRING);
	case FLO__FIELD_EXIT_CODE:
		return BIT(INT) | BIT(NULL);
	case FLO__FIELD_ATTEMPTS:
		return BIT(INT);
	case FLO__FIELD_ERROR:
		return BIT(MAP) | BIT(NULL);
	case FLO__FIELD_DURATION:
		return BIT(DURATION);
	default:
		return ANY;
	}
}

static void unknown_field(struct check *c, const struct flo__ins *ins,
			  const char *name, size_t len)
{
	static const char *const fields[] = {"output",	 "status", "exit_code",
					     "attempts", "error",  "duration"};
	struct flo__expr_problem problem;
	struct flo__nearest near;
	char hint[96];
	const char *near_hint;

	flo__nearest_init(&near, name, len);
	for (int i = 0; i < 6; i++)
		flo__nearest_offer(&near, fields[i], strlen(fields[i]));
	near_hint = flo__nearest_hint(&near, hint, sizeof(hint));
	flo__problem_set(&problem, FLO__CODE_UNKNOWN_NAME, 0, 0,
			 near_hint != NULL
				 ? near_hint
				 : "a step has output, status, exit_code, "
				   "attempts, error and duration",
			 "a step has no \"%.*s\"", (int)(len < 64 ? len : 64),
			 name);
	tell(c, &problem, ins);
}

static void drop(struct check *c, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		c->code->ins[i].op = FLO__OP_NOP;
}

/*
 * Follow what instructions @i and on select from the output of the step @node,
 * as far as it is known. The types of the output itself.
 */
static unsigned check_output(struct check *c, uint32_t i, uint32_t node)
{
	struct flo__expr_problem problem = {.code = FLO__CODE_UNKNOWN_STEP};
	struct flo__names *names = c->names;
	const struct flo__ins *ins;
	unsigned types = ANY;
	unsigned first;
	uint32_t n;

	if (names->output == NULL)
		return ANY;
	names->output(names, NULL, 0, &node, &types, &problem);
	first = types;
	while ((n = member_at(c, i, &ins)) != 0 && ins->op != FLO__OP_HAS) {
		size_t len;
		const char *name = const_text(c, ins, &len);

		if (names->output(names, name, len, &node, &types, &problem) !=
		    FLO_OK) {
			tell(c, &problem, ins);
			break;
		}
		if (node == FLO__NODE_NONE)
			break;
		i += n;
		c->member_ins = i - 1;
		c->member = (struct known){.types = types, .items = ANY};
	}
	return first;
}

/* steps.NAME and the field after it, from the IDENT at @i. */
static unsigned check_step(struct check *c, uint32_t i, struct flo__ref *ref)
{
	struct flo__expr_problem problem = {.code = FLO__CODE_UNKNOWN_STEP};
	const struct flo__ins *name_ins = &c->code->ins[i];
	const struct flo__ins *field_ins = name_ins;
	uint32_t n = member_at(c, i + 1, &name_ins);
	uint32_t m = 0;
	unsigned types = ANY;
	const char *name;
	size_t len;
	int field;

	if (n == 0) {
		flo__problem_set(&problem, FLO__CODE_EXPRESSION, 0, 0,
				 "write steps.NAME.output",
				 "`steps` needs the name of a step");
		tell(c, &problem, &c->code->ins[i]);
		return ANY;
	}
	name = const_text(c, name_ins, &len);
	if (c->names->member(c->names, name, len, ref, &types, &problem) !=
	    FLO_OK) {
		tell(c, &problem, name_ins);
		return ANY;
	}
	if (c->names->named != NULL)
		c->names->named(c->names, name_ins->at, name_ins->len);
	if (name_ins->op == FLO__OP_HAS) {
		c->code->ins[i].op = FLO__OP_CONST;
		c->code->ins[i].a =
			flo__code_const(c->code, flo_value_bool(true));
		drop(c, i + 1, n);
		return BIT(BOOL);
	}
	if (ref->var == FLO__VAR_STEP)
		m = member_at(c, i + 1 + n, &field_ins);
	if (m != 0 && field_ins->op != FLO__OP_HAS) {
		name = const_text(c, field_ins, &len);
		field = field_of(name, len);
		if (field < 0) {
			unknown_field(c, field_ins, name, len);
			return ANY;
		}
		ref->field = (enum flo__step_field)field;
		n += m;
	}
	c->code->ins[i].op = FLO__OP_REF;
	c->code->ins[i].a = flo__code_ref(c->code, ref);
	drop(c, i + 1, n);
	if (ref->var == FLO__VAR_STEP && ref->field == FLO__FIELD_OUTPUT)
		return check_output(c, i + 1 + n, ref->node);
	return field_types(ref->field);
}

static bool is_type_name(const char *name, size_t len)
{
	static const char *const names[] = {"int",   "uint", "double",
					    "bool",  "list", "string",
					    "bytes", "map",  "null_type",
					    "type"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0)
			return true;
	}
	return false;
}

/* Whether instruction @i selects the field @name. */
static bool selects(const struct check *c, uint32_t i, const char *name)
{
	const struct flo__ins *ins = &c->code->ins[i];
	const char *text;
	size_t len;

	if (i >= c->code->ins_len || ins->op != FLO__OP_FIELD)
		return false;
	text = const_text(c, ins, &len);
	return strlen(name) == len && memcmp(text, name, len) == 0;
}

/*
 * google.protobuf.Timestamp and Duration, the types with a dot in their names,
 * from the IDENT at @i: make a constant of the three instructions.
 */
static bool check_message_type(struct check *c, uint32_t i, const char *name,
			       size_t len)
{
	const char *type = NULL;

	if (len != 6 || memcmp(name, "google", 6) != 0 ||
	    !selects(c, i + 1, "protobuf"))
		return false;
	if (selects(c, i + 2, "Timestamp"))
		type = "google.protobuf.Timestamp";
	else if (selects(c, i + 2, "Duration"))
		type = "google.protobuf.Duration";
	if (type == NULL)
		return false;
	c->code->ins[i].op = FLO__OP_CONST;
	c->code->ins[i].a = flo__code_const(c->code, flo_value_typename(type));
	drop(c, i + 1, 2);
	return true;
}

/*
 * Ask whether the variable has the member that is selected from it, and of
 * which types that is.
 */
static void check_member(struct check *c, uint32_t i, struct flo__ref *ref)
{
	struct flo__expr_problem problem = {.code = FLO__CODE_UNKNOWN_NAME};
	const struct flo__ins *ins = &c->code->ins[i];
	const char *name = NULL;
	unsigned types = ANY;
	size_t len = 0;
	uint32_t n;

	if (c->names->member == NULL)
		return;
	n = member_at(c, i + 1, &ins);
	if (n != 0)
		name = const_text(c, ins, &len);
	else
		ins = &c->code->ins[i];
	if (c->names->member(c->names, name, len, ref, &types, &problem) !=
	    FLO_OK)
		tell(c, &problem, ins);
	c->member = (struct known){.types = types, .items = ANY};
	if (name != NULL && c->names->items != NULL)
		c->member.items = c->names->items(c->names, name, len, ref);
	c->member_ins = i + n;
}

/* What the item is that the IDENT at @i names, be something selected from it
 * or not. */
static unsigned item_types(struct check *c, uint32_t i, struct flo__ref *ref)
{
	struct flo__expr_problem problem = {.code = FLO__CODE_UNKNOWN_NAME};
	unsigned types = ANY;

	if (c->member_ins == i && c->names->member != NULL)
		return c->member.types;
	if (c->names->member != NULL)
		c->names->member(c->names, NULL, 0, ref, &types, &problem);
	return types;
}

/* A name becomes the reference that it means. */
static unsigned check_ident(struct check *c, uint32_t i)
{
	struct flo__expr_problem problem = {.code = FLO__CODE_UNKNOWN_NAME};
	struct flo__ins *ins = &c->code->ins[i];
	struct flo__ref ref = {.node = FLO__NODE_NONE};
	size_t len;
	const char *name = const_text(c, ins, &len);

	if (c->names->var(c->names, name, len, &ref, &problem) != FLO_OK) {
		if (is_type_name(name, len)) {
			ins->op = FLO__OP_CONST;
			ins->a = flo__code_const(c->code,
						 flo_value_typename(name));
			return BIT(TYPE);
		}
		if (check_message_type(c, i, name, len))
			return BIT(TYPE);
		if (c->code->dynamic) {
			ins->op = FLO__OP_FAIL;
			ins->a = flo__code_problem(c->code, &problem);
		} else {
			tell(c, &problem, ins);
		}
		return ANY;
	}
	if (ref.var == FLO__VAR_STEP)
		return check_step(c, i, &ref);
	check_member(c, i, &ref);
	ins->op = FLO__OP_REF;
	ins->a = flo__code_ref(c->code, &ref);
	switch (ref.var) {
	case FLO__VAR_PARAMS:
	case FLO__VAR_ENV:
	case FLO__VAR_SECRETS:
	case FLO__VAR_RUN:
	case FLO__VAR_ATTEMPT:
		return BIT(MAP);
	case FLO__VAR_INDEX:
		return BIT(INT);
	case FLO__VAR_ITEM:
		return item_types(c, i, &ref);
	default:
		return ANY;
	}
}

/*
 * Try a literal argument of the call at @i now: what cannot be read then never
 * can. The pattern of matches() is kept compiled.
 */
static void try_literal(struct check *c, uint32_t i,
			const struct flo__function *f)
{
	struct flo__ins *ins = &c->code->ins[i];
	const struct flo__ins *arg = ins - 1; /* the last one's code */
	struct flo__failure failure = {0};
	struct flo__expr_problem problem;
	struct flo__regex *regex = NULL;
	const flo_value *v;

	if (!f->literal || i == 0 || arg->op != FLO__OP_CONST)
		return;
	v = c->code->consts[arg->a];
	if (flo_value_typeof(v) != FLO_VALUE_STRING)
		return;
	if (f->fn == flo__fn_matches)
		regex = flo__fn_pattern(v, &failure);
	else
		flo_value_unref(f->fn(&v, 1, &failure));
	c->nomem |= failure.status == FLO_NOMEM;
	if (failure.status == FLO_OK && f->fn == flo__fn_matches)
		ins->b = flo__code_pattern(c->code, regex) + 1;
	if (failure.text != NULL) {
		flo__problem_set(&problem, FLO__CODE_EXPRESSION, 0, 0, NULL,
				 "%s", failure.text);
		tell(c, &problem, arg);
	}
	flo__free(failure.text);
}

/* The types that argument @n of @f, from 1, may have. */
static unsigned types_of_argument(const struct flo__function *f, unsigned n)
{
	if (n == 1)
		return f->receiver;
	return n == f->max && f->last != 0 ? f->last : f->others;
}

/* Write what @types are called: "string, list or map". */
static void name_all(unsigned types, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (int t = FLO_VALUE_NULL; t <= FLO_VALUE_TYPE; t++) {
		const char *name = flo__value_type_name((flo_value_type)t);
		unsigned bit = 1u << t;

		if ((types & bit) == 0 || len >= size)
			continue;
		len += (size_t)snprintf(text + len, size - len, "%s%s",
					(types & (bit - 1)) == 0 ? ""
					: (types & ~(bit | (bit - 1))) == 0
						? " or "
						: ", ",
					name);
	}
}

/* Report that argument @n of @f, one of @types, is none of @fit. */
static void wrong_argument(struct check *c, const struct flo__ins *ins,
			   const struct flo__function *f, unsigned n,
			   unsigned types, unsigned fit)
{
	bool only = n == 1 && (!f->global || ins->n == 1);
	struct flo__expr_problem problem;
	const char *name = name_of(types);
	char fits[96];

	name_all(fit, fits, sizeof(fits));
	if (name == NULL)
		name = "this";
	if (only)
		flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0, NULL,
				 "%s() takes %s, not %s", f->name, fits, name);
	else if (f->method && !f->global)
		flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0, NULL,
				 "argument %u of %s() must be %s, not %s",
				 n - 1, f->name, fits, name);
	else
		flo__problem_set(&problem, FLO__CODE_TYPE_MISMATCH, 0, 0, NULL,
				 "an argument of %s() must be %s, not %s",
				 f->name, fits, name);
	tell(c, &problem, ins);
}

static unsigned check_call(struct check *c, uint32_t i)
{
	const struct flo__ins *ins = &c->code->ins[i];
	const struct flo__function *f = flo__function_at(ins->a);

	for (unsigned n = ins->n; n > 0; n--) {
		unsigned types = pop(c);
		unsigned fit = types_of_argument(f, n);

		if (fit != 0 && (types & fit) == 0)
			wrong_argument(c, ins, f, n, types, fit);
	}
	try_literal(c, i, f);
	return f->result != 0 ? f->result : ANY;
}

/* A macro begins: keep what it goes over for its variables. */
static void check_iter(struct check *c, const struct flo__ins *ins)
{
	struct known range = pop_known(c);

	want(c, ins, range.types, BIT(LIST) | BIT(MAP),
	     "what a macro goes over");
	INSIST(ins->n < FLO__EXPR_LOOPS_MAX);
	c->ranges[ins->n] = range;
}

/* The variable of a macro: of a list the item, or its index. */
static void check_local(struct check *c, const struct flo__ins *ins)
{
	const struct known *range = &c->ranges[ins->a];

	if (c->code->dynamic || !is_list(range))
		push(c, ANY);
	else if (ins->n == FLO__PART_KEY)
		push(c, BIT(INT));
	else
		push(c, range->items);
}

/* Push what a macro results in; on top is what its body has computed. */
static void check_next(struct check *c, const struct flo__ins *ins)
{
	unsigned body = pop(c);

	if (ins->a == FLO__MACRO_MAP) {
		push_list(c, body);
	} else if (ins->a == FLO__MACRO_MAP_VALUES) {
		push(c, BIT(MAP));
	} else {
		want(c, ins, body, BIT(BOOL), "what the macro tests");
		if (ins->a == FLO__MACRO_FILTER && is_list(&c->ranges[ins->n]))
			push_list(c, c->ranges[ins->n].items);
		else
			push(c, ins->a == FLO__MACRO_FILTER ? BIT(LIST)
							    : BIT(BOOL));
	}
}

static void check_const(struct check *c, const struct flo__ins *ins)
{
	const flo_value *v = c->code->consts[ins->a];

	push_known(c, (struct known){.types = 1u << flo_value_typeof(v),
				     .items = flo__types_of_items(v)});
}

/* A list of the @n values on the stack. */
static void check_list(struct check *c, uint32_t n)
{
	unsigned items = n == 0 ? ANY : 0;

	while (n-- > 0)
		items |= pop(c);
	push_list(c, items);
}

static void pop_n(struct check *c, uint32_t n)
{
	while (n-- > 0)
		pop(c);
}

/* Push what a selection by instruction @i can result in. */
static void push_selected(struct check *c, uint32_t i)
{
	if (c->member_ins == i && i != 0)
		push_known(c, c->member);
	else
		push(c, ANY);
}

static void check_index(struct check *c, uint32_t i)
{
	const struct flo__ins *ins = &c->code->ins[i];
	unsigned index = pop(c);
	struct known known = pop_known(c);
	unsigned from = known.types;
	unsigned keys = 0;

	want(c, ins, from, BIT(LIST) | BIT(MAP), "what is indexed");
	if ((from & BIT(LIST)) != 0)
		keys |= NUMBERS;
	if ((from & BIT(MAP)) != 0)
		keys |= NUMBERS | BIT(BOOL) | BIT(STRING);
	if (keys != 0)
		want(c, ins, index, keys,
		     (from & BIT(MAP)) == 0 ? "the index of a list"
					    : "the key of a map");
	if (is_list(&known) && !c->code->dynamic)
		push(c, known.items);
	else
		push_selected(c, i);
}

static void check_one(struct check *c, uint32_t i)
{
	const struct flo__ins *ins = &c->code->ins[i];
	struct known known;
	unsigned a;

	switch ((enum flo__op)ins->op) {
	case FLO__OP_NOP:
	case FLO__OP_JUMP: /* COND_END takes both branches off */
		return;
	case FLO__OP_CONST:
		check_const(c, ins);
		return;
	case FLO__OP_IDENT:
		push(c, check_ident(c, i));
		return;
	case FLO__OP_REF:
		push(c, ANY);
		return;
	case FLO__OP_LOCAL:
		check_local(c, ins);
		return;
	case FLO__OP_FIELD:
	case FLO__OP_HAS:
		want(c, ins, pop(c), BIT(MAP), "what a field is selected from");
		if (ins->op == FLO__OP_HAS)
			push(c, BIT(BOOL));
		else
			push_selected(c, i);
		return;
	case FLO__OP_INDEX:
		check_index(c, i);
		return;
	case FLO__OP_NOT:
		want(c, ins, pop(c), BIT(BOOL), "the operand of !");
		push(c, BIT(BOOL));
		return;
	case FLO__OP_NEG:
		a = pop(c);
		want(c, ins, a, BIT(INT) | BIT(DOUBLE), "the operand of -");
		push(c, a);
		return;
	case FLO__OP_AND_TEST:
	case FLO__OP_OR_TEST:
		want(c, ins, c->known[c->len - 1].types, BIT(BOOL),
		     ins->op == FLO__OP_AND_TEST ? "the left side of &&"
						 : "the left side of ||");
		return;
	case FLO__OP_AND:
	case FLO__OP_OR:
		want(c, ins, pop(c), BIT(BOOL),
		     ins->op == FLO__OP_AND ? "the right side of &&"
					    : "the right side of ||");
		pop(c);
		push(c, BIT(BOOL));
		return;
	case FLO__OP_COND:
		want(c, ins, pop(c), BIT(BOOL), "the condition of ?:");
		return;
	case FLO__OP_COND_END:
		known = pop_known(c);
		known.types |= c->known[c->len - 1].types;
		known.items |= c->known[c->len - 1].items;
		pop(c);
		push_known(c, known);
		return;
	case FLO__OP_LIST:
		check_list(c, ins->a);
		return;
	case FLO__OP_MAP:
		pop_n(c, 2 * ins->a);
		push(c, BIT(MAP));
		return;
	case FLO__OP_TEXT:
		pop_n(c, ins->a);
		push(c, BIT(STRING));
		return;
	case FLO__OP_CALL:
		push(c, check_call(c, i));
		return;
	case FLO__OP_FAIL:
		pop_n(c, ins->b);
		push(c, ANY);
		return;
	case FLO__OP_ITER:
		check_iter(c, ins);
		return;
	case FLO__OP_KEEP:
		want(c, ins, pop(c), BIT(BOOL), "what the macro tests");
		return;
	case FLO__OP_NEXT:
		check_next(c, ins);
		return;
	default:
		check_binary(c, ins);
	}
}

flo_status flo__expr_check(struct flo__code *code, uint32_t first,
			   struct flo__names *names, flo__expr_problem_fn fn,
			   void *arg, unsigned *ret_types, unsigned *ret_items)
{
	struct check c = {.code = code, .names = names, .fn = fn, .arg = arg};

	for (uint32_t i = first; i < code->ins_len; i++) {
		check_one(&c, i);
		if (c.nomem || code->nomem)
			break;
	}
	c.nomem |= code->nomem;
	if (!c.nomem) {
		INSIST(c.len == 1);
		*ret_types = c.known[0].types;
		*ret_items = c.known[0].items;
	}
	flo__free(c.known);
	if (c.nomem)
		return FLO_NOMEM;
	return c.failed ? FLO_INVALID : FLO_OK;
}
