/*
 * Comparisons that can never hold: of a variable whose values are known, the
 * states of steps and runs, the kinds of failures, a param with an `enum`, with
 * a literal that is none of them. Nearly always it is misspelt.
 */
#include "dsl/compile_p.h"

#include <stdio.h>
#include <string.h>

/* ---- what a variable may be ---- */

static const char *const step_states[] = {"succeeded", "failed",  "skipped",
					  "cancelled", "blocked", NULL};
static const char *const run_states[] = {"running", "succeeded", "failed",
					 "cancelled", NULL};
static const char *const failure_kinds[] = {
	"exit",	      "signal", "timeout",   "spawn", "panic",	  "output",
	"expression", "native", "cancelled", "store", "deadlock", NULL};

static bool is(const char *name, size_t len, const char *word)
{
	return strlen(word) == len && memcmp(name, word, len) == 0;
}

static const char *const *words_of(const struct flo__ref *ref, const char *name,
				   size_t len)
{
	if (ref->var == FLO__VAR_STEP)
		return step_states;
	if (ref->var == FLO__VAR_RUN && is(name, len, "status"))
		return run_states;
	if (ref->var == FLO__VAR_ATTEMPT && is(name, len, "kind"))
		return failure_kinds;
	return NULL;
}

/* The hint for @value, which is none of the words or of the list @one_of. */
static void suggest(const flo_value *value, const char *const *words,
		    const flo_value *one_of, struct flo__expr_problem *problem)
{
	struct flo__nearest near;
	size_t n = one_of != NULL ? flo_value_len(one_of) : 0;
	const char *text;
	size_t len;

	if (flo_value_typeof(value) != FLO_VALUE_STRING)
		return;
	text = flo_value_get_string(value, &len);
	flo__nearest_init(&near, text, len);
	for (size_t i = 0; words != NULL && words[i] != NULL; i++)
		flo__nearest_offer(&near, words[i], strlen(words[i]));
	for (size_t i = 0; i < n; i++) {
		const flo_value *item = flo_value_list_at(one_of, i);

		if (flo_value_typeof(item) != FLO_VALUE_STRING)
			continue;
		text = flo_value_get_string(item, &len);
		flo__nearest_offer(&near, text, len);
	}
	if (flo__nearest_hint(&near, problem->hint, sizeof(problem->hint)) ==
		    NULL &&
	    words != NULL)
		flo__words_list(words, problem->hint, sizeof(problem->hint));
}

static bool among_words(const flo_value *value, const char *const *words)
{
	size_t len;
	const char *text;

	if (flo_value_typeof(value) != FLO_VALUE_STRING)
		return true; /* of another type: that is told elsewhere */
	text = flo_value_get_string(value, &len);
	for (size_t i = 0; words[i] != NULL; i++) {
		if (is(text, len, words[i]))
			return true;
	}
	return false;
}

static bool among_values(const flo_value *value, const flo_value *one_of)
{
	if (flo_value_typeof(value) == FLO_VALUE_NULL)
		return true;
	for (size_t i = 0; i < flo_value_len(one_of); i++) {
		if (flo_value_equal(flo_value_list_at(one_of, i), value))
			return true;
	}
	return false;
}

bool flo__view_never(struct flo__names *names, const struct flo__ref *ref,
		     const char *name, size_t len, const flo_value *value,
		     struct flo__expr_problem *problem)
{
	const struct flo__compiler *c = ((struct flo__view *)names)->c;
	const char *const *words = words_of(ref, name, len);
	const struct flo__param *param = NULL;

	if (ref->var == FLO__VAR_PARAMS)
		param = flo__params_find(&c->out->params, name, len);
	if (words != NULL ? among_words(value, words)
			  : param == NULL || param->one_of == NULL ||
				    among_values(value, param->one_of))
		return false;
	if (ref->var == FLO__VAR_STEP)
		flo__problem_set(problem, FLO__CODE_NEVER, 0, 0, NULL,
				 "the status of a step that has ended is "
				 "never this");
	else if (param != NULL)
		flo__problem_set(problem, FLO__CODE_NEVER, 0, 0, NULL,
				 "param \"%s\" is never this: its `enum` does "
				 "not have it",
				 param->name);
	else
		flo__problem_set(problem, FLO__CODE_NEVER, 0, 0, NULL,
				 ref->var == FLO__VAR_RUN
					 ? "run.status is never this"
					 : "step.kind is never this");
	suggest(value, words, param != NULL ? param->one_of : NULL, problem);
	return true;
}

/* ---- where one is compared ---- */

/* A variable in code: where it begins, and the member selected from it. */
struct known {
	uint32_t begin;
	const struct flo__ref *ref;
	const char *name;
	size_t len;
};

/* Whether the operand whose code ends before instruction @end is a variable of
 * which only some values are possible, perhaps. */
static bool find_known(const struct flo__code *code, uint32_t end,
		       struct known *ret)
{
	const struct flo__ins *ins = code->ins;
	uint32_t i = end;

	while (i > 0 && ins[i - 1].op == FLO__OP_NOP)
		i--;
	if (i > 0 && ins[i - 1].op == FLO__OP_REF) {
		ret->begin = i - 1;
		ret->ref = &code->refs[ins[i - 1].a];
		return ret->ref->var == FLO__VAR_STEP &&
		       ret->ref->field == FLO__FIELD_STATUS;
	}
	if (i < 2 || i != end || ins[i - 1].op != FLO__OP_FIELD ||
	    ins[i - 2].op != FLO__OP_REF)
		return false;
	ret->begin = i - 2;
	ret->ref = &code->refs[ins[i - 2].a];
	ret->name = flo_value_get_string(code->consts[ins[i - 1].a], &ret->len);
	return ret->ref->var != FLO__VAR_STEP;
}

/* Warn if @known is never the constant that instruction @i pushes. */
static void check_const(const struct flo__code *code, uint32_t i,
			struct flo__names *names, const struct known *known,
			flo__expr_problem_fn fn, void *arg)
{
	const struct flo__ins *ins = &code->ins[i];
	struct flo__expr_problem problem = {.code = FLO__CODE_NEVER};

	if (ins->op != FLO__OP_CONST ||
	    !names->never(names, known->ref, known->name, known->len,
			  code->consts[ins->a], &problem))
		return;
	problem.warning = true;
	problem.at = ins->at;
	problem.len = ins->len;
	fn(&problem, arg);
}

/* The same of each item of the list before instruction @i, if all are literal:
 * x in ['a', 'b'] */
static void check_list(const struct flo__code *code, uint32_t i,
		       struct flo__names *names, flo__expr_problem_fn fn,
		       void *arg)
{
	const struct flo__ins *ins = &code->ins[i];
	struct known known = {.name = ""};
	uint32_t n = ins[-1].a;

	if (ins[-1].op != FLO__OP_LIST || n + 1 >= i)
		return;
	for (uint32_t k = 0; k < n; k++) {
		if (ins[-2 - (int64_t)k].op != FLO__OP_CONST)
			return;
	}
	if (!find_known(code, i - 1 - n, &known))
		return;
	for (uint32_t k = 0; k < n; k++)
		check_const(code, i - 1 - n + k, names, &known, fn, arg);
}

void flo__never_check(const struct flo__code *code, uint32_t i,
		      struct flo__names *names, flo__expr_problem_fn fn,
		      void *arg)
{
	const struct flo__ins *ins = &code->ins[i];
	struct known known = {.name = ""};

	if (names->never == NULL || i < 2)
		return;
	if (ins->op == FLO__OP_IN) {
		check_list(code, i, names, fn, arg);
	} else if (ins[-1].op == FLO__OP_CONST) {
		if (find_known(code, i - 1, &known))
			check_const(code, i - 1, names, &known, fn, arg);
	} else if (find_known(code, i, &known) && known.begin > 0) {
		check_const(code, known.begin - 1, names, &known, fn, arg);
	}
}
