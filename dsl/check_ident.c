/*
 * Names: variables, the members selected from them, steps and their fields, and
 * the names of types.
 */
#include "dsl/check_p.h"

#include <string.h>

/* The text of the constant that @ins pushes or names. */
static const char *const_text(const struct flo__check *c,
			      const struct flo__ins *ins, size_t *ret_len)
{
	return flo_value_get_string(c->code->consts[ins->a], ret_len);
}

/*
 * If instruction @i selects a member of what @i - 1 pushed, by a name known
 * now (`.x` or `["x"]`): how many instructions that takes, else 0.
 */
static uint32_t member_at(const struct flo__check *c, uint32_t i,
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

static void unknown_field(struct flo__check *c, const struct flo__ins *ins,
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
	flo__check_tell(c, &problem, ins);
}

static void drop(struct flo__check *c, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i < first + n; i++)
		c->code->ins[i].op = FLO__OP_NOP;
}

/*
 * Follow what instructions @i and on select from the output of the step @node,
 * as far as it is known. The types of the output itself.
 */
static unsigned check_output(struct flo__check *c, uint32_t i, uint32_t node)
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
			flo__check_tell(c, &problem, ins);
			break;
		}
		if (node == FLO__NODE_NONE)
			break;
		i += n;
		c->member_ins = i - 1;
		c->member = (struct flo__known){.types = types, .items = ANY};
	}
	return first;
}

/* steps.NAME and the field after it, from the IDENT at @i. */
static unsigned check_step(struct flo__check *c, uint32_t i,
			   struct flo__ref *ref)
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
		flo__check_tell(c, &problem, &c->code->ins[i]);
		return ANY;
	}
	name = const_text(c, name_ins, &len);
	if (c->names->member(c->names, name, len, ref, &types, &problem) !=
	    FLO_OK) {
		flo__check_tell(c, &problem, name_ins);
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
static bool selects(const struct flo__check *c, uint32_t i, const char *name)
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
static bool check_message_type(struct flo__check *c, uint32_t i,
			       const char *name, size_t len)
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
static void check_member(struct flo__check *c, uint32_t i, struct flo__ref *ref)
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
		flo__check_tell(c, &problem, ins);
	c->member = (struct flo__known){.types = types, .items = ANY};
	if (name != NULL && c->names->items != NULL)
		c->member.items = c->names->items(c->names, name, len, ref);
	c->member_ins = i + n;
}

/* What the item is that the IDENT at @i names, be something selected from it
 * or not. */
static unsigned item_types(struct flo__check *c, uint32_t i,
			   struct flo__ref *ref)
{
	struct flo__expr_problem problem = {.code = FLO__CODE_UNKNOWN_NAME};
	unsigned types = ANY;

	if (c->member_ins == i && c->names->member != NULL)
		return c->member.types;
	if (c->names->member != NULL)
		c->names->member(c->names, NULL, 0, ref, &types, &problem);
	return types;
}

unsigned flo__check_ident(struct flo__check *c, uint32_t i)
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
			flo__check_tell(c, &problem, ins);
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
