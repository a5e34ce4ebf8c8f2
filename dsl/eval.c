#include "dsl/expr_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/value_p.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Note: errors are values.
 *
 * CEL's && and || are commutative over errors: `1/0 > 1 || true` is true. So
 * a failed operation does not end the evaluation; it leaves a slot without a
 * value but with the reason, and every strict operation hands the first such
 * slot of its operands on. Only running out of memory or of the cost limit is
 * final.
 */
struct slot {
	flo_value *value; /* owned; NULL: failed */
	struct flo__failure failure;
};

struct iteration {
	flo_value *range; /* owned; NULL: not in use */
	flo_value *found; /* owned: the list that map and filter make */
	const flo_value *item;
	size_t i;
	size_t len;
	size_t hits;		     /* exists_one */
	struct flo__failure failure; /* first of all() and exists() */
};

struct eval {
	const struct flo__expr *expr;
	const struct flo__scope *scope;
	uint32_t pc;
	uint32_t len; /* slots in use */
	uint64_t cost;
	struct flo__failure fatal;
	struct iteration loops[FLO__EXPR_LOCALS_MAX];
	struct slot slots[];
};

flo_value *flo__fail(struct flo__failure *failure, flo_status status,
		     const char *format, ...)
{
	char buf[256];
	va_list args;

	va_start(args, format);
	vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	flo__free(failure->text);
	failure->text = flo__strdup(buf);
	failure->status = failure->text != NULL ? status : FLO_NOMEM;
	return NULL;
}

static void failure_fini(struct flo__failure *failure)
{
	flo__free(failure->text);
	*failure = (struct flo__failure){0};
}

static void slot_fini(struct slot *slot)
{
	flo_value_unref(slot->value);
	slot->value = NULL;
	failure_fini(&slot->failure);
}

/* Push @value (taken), or the reason why there is none (taken too). */
static void push(struct eval *e, flo_value *value, struct flo__failure *failure)
{
	struct slot *slot = &e->slots[e->len++];

	slot->value = value;
	slot->failure = (struct flo__failure){0};
	if (value != NULL)
		return;
	if (failure == NULL || failure->status == FLO_OK ||
	    failure->status == FLO_NOMEM) {
		if (failure != NULL)
			failure_fini(failure);
		e->fatal.status = FLO_NOMEM;
		return;
	}
	slot->failure = *failure;
	if (slot->failure.ins == 0)
		slot->failure.ins = e->pc;
	*failure = (struct flo__failure){0};
}

static struct slot *top(struct eval *e)
{
	return &e->slots[e->len - 1];
}

static void pop(struct eval *e)
{
	slot_fini(top(e));
	e->len--;
}

static bool is_bool(const struct slot *slot, bool want)
{
	return slot->value != NULL &&
	       flo_value_typeof(slot->value) == FLO_VALUE_BOOL &&
	       flo_value_get_bool(slot->value) == want;
}

/* Make an operand of && || ?: that is neither bool nor failed a failure. */
static void need_bool(struct eval *e, struct slot *slot, const char *what)
{
	flo_value *value = slot->value;

	if (value == NULL || flo_value_typeof(value) == FLO_VALUE_BOOL)
		return;
	flo__fail(&slot->failure, FLO_TYPE, "%s is a %s, not a bool", what,
		  flo__value_type_name(flo_value_typeof(value)));
	slot->failure.ins = e->pc;
	if (slot->failure.status == FLO_NOMEM)
		e->fatal.status = FLO_NOMEM;
	slot->value = NULL;
	flo_value_unref(value);
}

/* && (@end false) and || (@end true): @end wins, then errors, then @end's
 * opposite. */
static void join(struct eval *e, bool end, const char *what)
{
	struct slot *b = top(e);
	struct slot *a = b - 1;

	need_bool(e, a, what);
	need_bool(e, b, what);
	if (!is_bool(a, end) && (is_bool(b, end) || a->value != NULL)) {
		struct slot kept = *a;

		*a = *b;
		*b = kept;
	}
	pop(e);
}

/*
 * Replace the @n slots on top by the first failure among them. False if there
 * is none.
 */
static bool hand_on_failure(struct eval *e, uint32_t n)
{
	uint32_t first = e->len - n;
	struct slot kept;

	for (uint32_t i = first; i < e->len; i++) {
		if (e->slots[i].value != NULL)
			continue;
		kept = e->slots[i];
		e->slots[i] = (struct slot){0};
		while (e->len > first)
			pop(e);
		e->slots[e->len++] = kept;
		return true;
	}
	return false;
}

/* Replace the @n slots on top by @value (taken) or its failure. */
static void replace(struct eval *e, uint32_t n, flo_value *value,
		    struct flo__failure *failure)
{
	while (n-- > 0)
		pop(e);
	push(e, value, failure);
}

static void __attribute__((noinline))
eval_ref(struct eval *e, const struct flo__ins *ins)
{
	struct flo__failure failure = {0};
	flo_error err = FLO_ERROR_INIT;
	flo_value *value = NULL;
	flo_status st;

	st = e->scope->get(e->scope, &e->expr->refs[ins->a], &err, &value);
	if (st != FLO_OK) {
		value = NULL;
		flo__fail(&failure, st, "%s",
			  err.text[0] != '\0' ? err.text : flo_status_text(st));
	}
	push(e, value, &failure);
}

static void eval_list(struct eval *e, uint32_t n)
{
	flo_value *list;

	if (hand_on_failure(e, n))
		return;
	list = flo_value_list(n);
	for (uint32_t i = e->len - n; list != NULL && i < e->len; i++) {
		if (flo_value_list_add(list,
				       flo_value_ref(e->slots[i].value)) !=
		    FLO_OK) {
			flo_value_unref(list);
			list = NULL;
		}
	}
	replace(e, n, list, NULL);
}

static void eval_map(struct eval *e, uint32_t n)
{
	struct flo__failure failure = {0};
	flo_value *map;
	flo_status st = FLO_OK;

	if (hand_on_failure(e, 2 * n))
		return;
	map = flo_value_map(n);
	for (uint32_t i = e->len - 2 * n; map != NULL && i < e->len; i += 2) {
		flo_value *key = e->slots[i].value;
		flo_value_type type = flo_value_typeof(key);

		if (type != FLO_VALUE_STRING && type != FLO_VALUE_INT &&
		    type != FLO_VALUE_UINT && type != FLO_VALUE_BOOL)
			st = FLO_TYPE;
		else
			st = flo_value_map_add(map, flo_value_ref(key),
					       flo_value_ref(
						       e->slots[i + 1].value));
		if (st == FLO_OK)
			continue;
		flo_value_unref(map);
		map = NULL;
		if (st == FLO_EXISTS)
			flo__fail(&failure, FLO_EXISTS,
				  "a map with the same key twice");
		else if (st == FLO_TYPE)
			flo__fail(&failure, FLO_TYPE,
				  "a %s cannot be the key of a map",
				  flo__value_type_name(type));
	}
	replace(e, 2 * n, map, &failure);
}

static void eval_text(struct eval *e, uint32_t n)
{
	struct flo__strbuf sb = FLO__STRBUF_INIT;
	flo_value *text = NULL;

	if (hand_on_failure(e, n))
		return;
	for (uint32_t i = e->len - n; i < e->len; i++)
		flo__value_text(e->slots[i].value, &sb);
	if (!sb.failed)
		text = flo_value_stringn(sb.data, sb.len);
	flo__strbuf_fini(&sb);
	replace(e, n, text, NULL);
}

static void eval_call(struct eval *e, const struct flo__ins *ins)
{
	struct flo__failure failure = {0};
	const flo_value *args[4];
	flo_value *value;

	INSIST(ins->n <= 4);
	if (hand_on_failure(e, ins->n))
		return;
	for (uint32_t i = 0; i < ins->n; i++)
		args[i] = e->slots[e->len - ins->n + i].value;
	value = flo__function_at(ins->a)->fn(args, ins->n, &failure);
	replace(e, ins->n, value, &failure);
}

static void loop_fini(struct iteration *loop)
{
	flo_value_unref(loop->range);
	flo_value_unref(loop->found);
	failure_fini(&loop->failure);
	*loop = (struct iteration){0};
}

/* The macro of @ins is done: push what it has found and go on at its end. */
static void loop_end(struct eval *e, const struct flo__ins *ins, uint32_t end)
{
	struct iteration *loop = &e->loops[ins->n];
	flo_value *value = loop->found;
	struct flo__failure failure = loop->failure;

	loop->found = NULL;
	loop->failure = (struct flo__failure){0};
	if (failure.status == FLO_OK) {
		if (ins->a == FLO__MACRO_ALL)
			value = flo_value_bool(loop->hits == loop->len);
		else if (ins->a == FLO__MACRO_EXISTS)
			value = flo_value_bool(loop->hits > 0);
		else if (ins->a == FLO__MACRO_EXISTS_ONE)
			value = flo_value_bool(loop->hits == 1);
	} else {
		flo_value_unref(value);
		value = NULL;
	}
	loop_fini(loop);
	push(e, value, &failure);
	e->pc = end;
}

/* Take the next item: back to the body, or the end. */
static void loop_next(struct eval *e, const struct flo__ins *next)
{
	struct iteration *loop = &e->loops[next->n];
	const flo_value *range = loop->range;

	if (loop->i == loop->len) {
		loop_end(e, next, (uint32_t)(next - e->expr->ins) + 1);
		return;
	}
	if (flo_value_typeof(range) == FLO_VALUE_LIST)
		loop->item = flo_value_list_at(range, loop->i);
	else
		flo_value_map_at(range, loop->i, &loop->item);
	loop->i++;
	e->pc = next->b;
}

static void eval_iter(struct eval *e, const struct flo__ins *ins)
{
	struct iteration *loop = &e->loops[ins->n];
	struct flo__failure failure = {0};
	flo_value *range = top(e)->value;
	flo_value_type type;

	if (range == NULL) {
		e->pc = ins->b;
		return;
	}
	type = flo_value_typeof(range);
	if (type != FLO_VALUE_LIST && type != FLO_VALUE_MAP) {
		flo__fail(&failure, FLO_TYPE,
			  "a macro goes over a list or a map, not a %s",
			  flo__value_type_name(type));
		replace(e, 1, NULL, &failure);
		e->pc = ins->b;
		return;
	}
	*loop = (struct iteration){
		.range = flo_value_ref(range),
		.len = flo_value_len(range),
	};
	pop(e);
	if (ins->a == FLO__MACRO_MAP || ins->a == FLO__MACRO_FILTER) {
		loop->found = flo_value_list(0);
		if (loop->found == NULL) {
			e->fatal.status = FLO_NOMEM;
			return;
		}
	}
	loop_next(e, &e->expr->ins[ins->b - 1]);
}

/* The body of a macro failed: all() and exists() go on, the others end. */
static void loop_fail(struct eval *e, const struct flo__ins *next)
{
	struct iteration *loop = &e->loops[next->n];
	struct slot *slot = top(e);

	if (loop->failure.status == FLO_OK) {
		loop->failure = slot->failure;
		slot->failure = (struct flo__failure){0};
	}
	pop(e);
	if (next->a == FLO__MACRO_ALL || next->a == FLO__MACRO_EXISTS)
		loop_next(e, next);
	else
		loop_end(e, next, (uint32_t)(next - e->expr->ins) + 1);
}

static void eval_next(struct eval *e, const struct flo__ins *ins)
{
	struct iteration *loop = &e->loops[ins->n];
	const flo_value *add = NULL;
	bool yes;

	if (ins->a != FLO__MACRO_MAP)
		need_bool(e, top(e), "what a macro tests");
	if (top(e)->value == NULL) {
		loop_fail(e, ins);
		return;
	}
	yes = is_bool(top(e), true);
	loop->hits += yes;
	if (ins->a == FLO__MACRO_MAP)
		add = top(e)->value;
	else if (ins->a == FLO__MACRO_FILTER && yes)
		add = loop->item;
	if (add != NULL &&
	    flo_value_list_add(loop->found, flo_value_ref(add)) != FLO_OK)
		e->fatal.status = FLO_NOMEM;
	pop(e);
	if ((ins->a == FLO__MACRO_ALL && !yes) ||
	    (ins->a == FLO__MACRO_EXISTS && yes)) {
		failure_fini(&loop->failure);
		loop_end(e, ins, (uint32_t)(ins - e->expr->ins) + 1);
		return;
	}
	loop_next(e, ins);
}

static void eval_keep(struct eval *e, const struct flo__ins *ins)
{
	const struct flo__ins *next = &e->expr->ins[ins->b];
	bool yes;

	need_bool(e, top(e), "what a macro tests");
	if (top(e)->value == NULL) {
		loop_fail(e, next);
		return;
	}
	yes = is_bool(top(e), true);
	pop(e);
	if (!yes)
		loop_next(e, next);
}

static void eval_cond(struct eval *e, const struct flo__ins *ins)
{
	struct slot *slot = top(e);

	need_bool(e, slot, "the condition of ?:");
	if (slot->value == NULL) {
		e->pc = ins->a;
		return;
	}
	if (is_bool(slot, false))
		e->pc = ins->b;
	pop(e);
}

static void eval_strict(struct eval *e, const struct flo__ins *ins)
{
	struct flo__failure failure = {0};
	enum flo__op op = (enum flo__op)ins->op;
	bool unary = op == FLO__OP_NOT || op == FLO__OP_NEG ||
		     op == FLO__OP_FIELD || op == FLO__OP_HAS;
	uint32_t n = unary ? 1 : 2;
	const flo_value *a;
	flo_value *value;

	if (hand_on_failure(e, n))
		return;
	a = e->slots[e->len - n].value;
	if (op == FLO__OP_FIELD)
		value = flo__ops_field(a, e->expr->consts[ins->a], &failure);
	else if (op == FLO__OP_HAS)
		value = flo__ops_has(a, e->expr->consts[ins->a], &failure);
	else if (unary)
		value = flo__ops_unary(op, a, &failure);
	else
		value = flo__ops_binary(op, a, top(e)->value, &failure);
	replace(e, n, value, &failure);
}

static void step(struct eval *e, const struct flo__ins *ins)
{
	switch ((enum flo__op)ins->op) {
	case FLO__OP_NOP:
	case FLO__OP_COND_END:
		return;
	case FLO__OP_CONST:
		push(e, flo_value_ref(e->expr->consts[ins->a]), NULL);
		return;
	case FLO__OP_REF:
		eval_ref(e, ins);
		return;
	case FLO__OP_LOCAL:
		push(e, flo_value_ref(e->loops[ins->a].item), NULL);
		return;
	case FLO__OP_AND_TEST:
		if (is_bool(top(e), false))
			e->pc = ins->b;
		return;
	case FLO__OP_OR_TEST:
		if (is_bool(top(e), true))
			e->pc = ins->b;
		return;
	case FLO__OP_AND:
		join(e, false, "an operand of &&");
		return;
	case FLO__OP_OR:
		join(e, true, "an operand of ||");
		return;
	case FLO__OP_COND:
		eval_cond(e, ins);
		return;
	case FLO__OP_JUMP:
		e->pc = ins->b;
		return;
	case FLO__OP_LIST:
		eval_list(e, ins->a);
		return;
	case FLO__OP_MAP:
		eval_map(e, ins->a);
		return;
	case FLO__OP_TEXT:
		eval_text(e, ins->a);
		return;
	case FLO__OP_CALL:
		eval_call(e, ins);
		return;
	case FLO__OP_ITER:
		eval_iter(e, ins);
		return;
	case FLO__OP_KEEP:
		eval_keep(e, ins);
		return;
	case FLO__OP_NEXT:
		eval_next(e, ins);
		return;
	default:
		eval_strict(e, ins);
	}
}

static void run(struct eval *e)
{
	while (e->pc < e->expr->ins_len && e->fatal.status == FLO_OK) {
		const struct flo__ins *ins = &e->expr->ins[e->pc++];

		if (e->cost++ == FLO__EXPR_COST_MAX) {
			flo__fail(&e->fatal, FLO_LIMIT,
				  "the expression takes too many operations");
			e->fatal.ins = e->pc;
			return;
		}
		step(e, ins);
	}
}

static const char *source_of(const struct flo__expr *expr, uint32_t pc,
			     uint32_t *ret_line)
{
	const char *text = "";

	*ret_line = 0;
	for (uint32_t i = 0; i < expr->sources_len; i++) {
		if (expr->sources[i].first >= pc && i > 0)
			break;
		text = expr->sources[i].text;
		*ret_line = expr->sources[i].line;
	}
	return text;
}

/* Whether a secret's value is among what @expr computes with. */
static bool uses_secret(const struct flo__expr *expr)
{
	for (uint32_t i = 0; i < expr->ins_len; i++) {
		if (expr->ins[i].op == FLO__OP_REF &&
		    expr->refs[expr->ins[i].a].secret)
			return true;
	}
	return false;
}

/* Turn a failure, which is freed, into the caller's error. */
static flo_status report(const struct flo__expr *expr,
			 struct flo__failure *failure, flo_error *err,
			 uint32_t *ret_at)
{
	flo_status st = failure->status;
	uint32_t pc = failure->ins != 0 ? failure->ins : 1;
	uint32_t line;
	const char *text = source_of(expr, pc, &line);

	*ret_at = pc <= expr->ins_len ? expr->ins[pc - 1].at : 0;
	if (st != FLO_NOMEM && uses_secret(expr)) {
		/* The reason may quote it, cut so that no mask would know. */
		flo_error_set(err, st,
			      "`%s`: cannot be computed (why is not shown: it "
			      "uses a secret)",
			      text);
		flo_error_place(err, (int)line, 0);
	} else if (st != FLO_NOMEM) {
		flo_error_set(err, st, "`%s`: %s", text,
			      failure->text != NULL ? failure->text
						    : flo_status_text(st));
		flo_error_place(err, (int)line, 0);
	}
	failure_fini(failure);
	return st;
}

static void eval_free(struct eval *e)
{
	while (e->len > 0)
		pop(e);
	for (int i = 0; i < FLO__EXPR_LOCALS_MAX; i++) {
		if (e->loops[i].range != NULL)
			loop_fini(&e->loops[i]);
	}
	failure_fini(&e->fatal);
	flo__free(e);
}

flo_status flo__expr_eval_at(const struct flo__expr *expr,
			     const struct flo__scope *scope, flo_error *err,
			     uint32_t *ret_at, flo_value **ret_value)
{
	flo_status st = FLO_OK;
	struct eval *e;

	*ret_at = 0;
	if (expr->constant != NULL) {
		*ret_value = flo_value_ref(expr->constant);
		return FLO_OK;
	}
	e = flo__calloc(1, sizeof(*e) + expr->stack_max * sizeof(e->slots[0]));
	if (e == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	e->expr = expr;
	e->scope = scope;
	run(e);
	if (e->fatal.status != FLO_OK) {
		st = report(expr, &e->fatal, err, ret_at);
	} else if (top(e)->value == NULL) {
		st = report(expr, &top(e)->failure, err, ret_at);
	} else {
		*ret_value = top(e)->value;
		top(e)->value = NULL;
	}
	if (st == FLO_NOMEM)
		flo_error_set(err, FLO_NOMEM, "out of memory");
	eval_free(e);
	return st;
}

flo_status flo__expr_eval(const struct flo__expr *expr,
			  const struct flo__scope *scope, flo_error *err,
			  flo_value **ret_value)
{
	uint32_t at;

	return flo__expr_eval_at(expr, scope, err, &at, ret_value);
}
