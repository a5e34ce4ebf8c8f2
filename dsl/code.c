#include "dsl/doc_p.h"
#include "dsl/expr_p.h"
#include "dsl/regex_p.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <stdio.h>
#include <string.h>

void flo__code_init(struct flo__code *code)
{
	*code = (struct flo__code){0};
}

void flo__code_reset(struct flo__code *code)
{
	for (uint32_t i = 0; i < code->consts_len; i++)
		flo_value_unref(code->consts[i]);
	for (uint32_t i = 0; i < code->patterns_len; i++)
		flo__regex_free(code->patterns[i]);
	code->ins_len = 0;
	code->consts_len = 0;
	code->patterns_len = 0;
	code->refs_len = 0;
	code->sources_len = 0;
	code->nomem = false;
}

void flo__code_fini(struct flo__code *code)
{
	flo__code_reset(code);
	for (int i = 0; i < FLO__CODE_RECENT; i++)
		flo_value_unref(code->recent[i]);
	flo__free(code->ins);
	flo__free(code->consts);
	flo__free(code->patterns);
	flo__free(code->refs);
	flo__free(code->sources);
	flo__free(code->moved);
	flo__code_init(code);
}

/* Make room for one more item of @size bytes in the array at *@items. */
static bool grow(struct flo__code *code, void *items, uint32_t len,
		 uint32_t *cap, size_t size)
{
	void *old;
	void *grown;
	uint32_t want = *cap != 0 ? *cap * 2 : 16;

	if (len < *cap)
		return true;
	memcpy(&old, items, sizeof(old));
	grown = want > *cap ? flo__reallocarray(old, want, size) : NULL;
	if (grown == NULL) {
		code->nomem = true;
		return false;
	}
	memcpy(items, &grown, sizeof(grown));
	*cap = want;
	return true;
}

uint32_t flo__code_emit(struct flo__code *code, enum flo__op op, uint32_t a,
			uint32_t at, size_t len)
{
	if (!grow(code, &code->ins, code->ins_len, &code->ins_cap,
		  sizeof(*code->ins)))
		return 0;
	code->ins[code->ins_len] = (struct flo__ins){
		.op = (uint8_t)op,
		.len = (uint16_t)(len < UINT16_MAX ? len : UINT16_MAX),
		.a = a,
		.at = at,
	};
	return code->ins_len++;
}

uint32_t flo__code_const(struct flo__code *code, flo_value *value)
{
	if (value == NULL)
		code->nomem = true;
	if (value == NULL || !grow(code, &code->consts, code->consts_len,
				   &code->consts_cap, sizeof(*code->consts))) {
		flo_value_unref(value);
		return 0;
	}
	code->consts[code->consts_len] = value;
	return code->consts_len++;
}

#define RECENT_LEN_MAX 32

/* Any slot will do: which one costs time, never a wrong answer. */
static flo_value **recent_slot(struct flo__code *code, const char *text,
			       size_t len)
{
	uint32_t hash = (uint32_t)len;

	for (size_t i = 0; i < len; i++)
		hash = (hash ^ (unsigned char)text[i]) * UINT32_C(0x01000193);
	return &code->recent[(hash ^ hash >> 15) % FLO__CODE_RECENT];
}

uint32_t flo__code_string(struct flo__code *code, const char *text, size_t len)
{
	flo_value **slot;
	const char *old = NULL;
	size_t old_len = 0;

	if (len > RECENT_LEN_MAX)
		return flo__code_const(code, flo_value_stringn(text, len));
	slot = recent_slot(code, text, len);
	if (*slot != NULL)
		old = flo_value_get_string(*slot, &old_len);
	if (old == NULL || old_len != len || memcmp(old, text, len) != 0) {
		flo_value_unref(*slot);
		*slot = flo_value_stringn(text, len);
	}
	return flo__code_const(code,
			       *slot != NULL ? flo_value_ref(*slot) : NULL);
}

uint32_t flo__code_pattern(struct flo__code *code, struct flo__regex *regex)
{
	if (regex == NULL)
		code->nomem = true;
	if (regex == NULL ||
	    !grow(code, &code->patterns, code->patterns_len,
		  &code->patterns_cap, sizeof(*code->patterns))) {
		flo__regex_free(regex);
		return 0;
	}
	code->patterns[code->patterns_len] = regex;
	return code->patterns_len++;
}

/*
 * References that were asked for a moment ago are shared, so that an
 * expression gets each of its variables once.
 */
uint32_t flo__code_ref(struct flo__code *code, const struct flo__ref *ref)
{
	uint32_t near = code->refs_len < 8 ? 0 : code->refs_len - 8;

	for (uint32_t i = code->refs_len; i-- > near;) {
		const struct flo__ref *old = &code->refs[i];

		if (old->var == ref->var && old->field == ref->field &&
		    old->node == ref->node && old->name == ref->name)
			return i;
	}
	if (!grow(code, &code->refs, code->refs_len, &code->refs_cap,
		  sizeof(*code->refs)))
		return 0;
	code->refs[code->refs_len] = *ref;
	return code->refs_len++;
}

#define SOURCE_TEXT_MAX 120

uint32_t flo__code_problem(struct flo__code *code,
			   const struct flo__expr_problem *problem)
{
	char text[sizeof(problem->message) + sizeof(problem->hint) + 2];

	snprintf(text, sizeof(text), "%s%s%s", problem->message,
		 problem->hint[0] != '\0' ? "; " : "", problem->hint);
	return flo__code_const(code, flo_value_string(text));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\n' || c == '\t';
}

/* A readable piece of an expression. */
static const char *excerpt(const char *text, size_t len,
			   struct flo__arena *arena)
{
	if (len > SOURCE_TEXT_MAX) {
		len = SOURCE_TEXT_MAX;
		while ((text[len] & 0xc0) == 0x80)
			len--;
	}
	return flo__arena_strndup(arena, text, len);
}

/* The words of @source, and the bytes of the document that they are: mostly
 * the same, without an escape and short, and then kept once. */
static bool copy_source(struct flo__source *source, const char *text,
			size_t len, struct flo__arena *arena)
{
	struct flo__origin *origin = &source->origin;
	bool escaped = origin->raw_len != len;
	size_t blank = 0;

	while (len > 0 && is_blank(text[len - 1]))
		len--;
	while (blank < len && is_blank(text[blank]))
		blank++;
	if (origin->raw == NULL || escaped || len > SOURCE_TEXT_MAX) {
		source->text = excerpt(text + blank, len - blank, arena);
		if (origin->raw != NULL)
			origin->raw = flo__arena_strndup(arena, origin->raw,
							 origin->raw_len);
		return source->text != NULL &&
		       (origin->raw != NULL || origin->line == 0);
	}
	origin->raw_len = (uint32_t)len;
	origin->raw = flo__arena_strndup(arena, text, len);
	source->text = origin->raw != NULL ? origin->raw + blank : NULL;
	return source->text != NULL;
}

void flo__code_source(struct flo__code *code, const char *text, size_t len,
		      const struct flo__origin *origin,
		      struct flo__arena *arena)
{
	struct flo__source source = {.first = code->ins_len};

	if (origin != NULL)
		source.origin = *origin;
	if (!copy_source(&source, text, len, arena) ||
	    !grow(code, &code->sources, code->sources_len, &code->sources_cap,
		  sizeof(*code->sources))) {
		code->nomem = true;
		return;
	}
	code->sources[code->sources_len++] = source;
}

static uint32_t column_of(const struct flo__origin *origin, uint32_t at)
{
	uint32_t column = origin->column;
	size_t decoded = origin->at;
	size_t raw = 0;
	char buf[4];

	while (decoded < at && raw < origin->raw_len) {
		size_t used;

		decoded += flo__doc_decode(origin->raw + raw, buf, &used);
		for (; used > 0; used--)
			column += (origin->raw[raw++] & 0xc0) != 0x80;
	}
	return column;
}

const struct flo__source *flo__expr_source(const struct flo__expr *expr,
					   uint32_t pc, uint32_t at,
					   uint32_t *ret_column)
{
	const struct flo__source *source = NULL;

	for (uint32_t i = 0; i < expr->sources_len; i++) {
		if (expr->sources[i].first >= pc && i > 0)
			break;
		source = &expr->sources[i];
	}
	if (source != NULL)
		*ret_column = column_of(&source->origin, at);
	return source;
}

/* Where the fields of @ins that are instructions' numbers are; how many. */
static size_t jumps_of(struct flo__ins *ins, uint32_t *ret[2])
{
	switch ((enum flo__op)ins->op) {
	case FLO__OP_COND:
		ret[1] = &ins->a;
		ret[0] = &ins->b;
		return 2;
	case FLO__OP_AND_TEST:
	case FLO__OP_OR_TEST:
	case FLO__OP_JUMP:
	case FLO__OP_ITER:
	case FLO__OP_KEEP:
	case FLO__OP_NEXT:
		ret[0] = &ins->b;
		return 1;
	default:
		return 0;
	}
}

static bool has_const(const struct flo__ins *ins)
{
	return ins->op == FLO__OP_CONST || ins->op == FLO__OP_IDENT ||
	       ins->op == FLO__OP_FAIL || ins->op == FLO__OP_FIELD ||
	       ins->op == FLO__OP_HAS;
}

/* Fill @moved: where each instruction will be, or what comes after it, when
 * those that do nothing are gone. How many are left. */
static uint32_t count_kept(const struct flo__code *code, uint32_t *moved)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < code->ins_len; i++) {
		moved[i] = kept;
		kept += code->ins[i].op != FLO__OP_NOP;
	}
	moved[code->ins_len] = kept;
	return kept;
}

/* Take out the instructions that a check has made NOPs of. */
static void drop_nops(struct flo__code *code, const uint32_t *moved)
{
	uint32_t *jumps[2];

	for (uint32_t i = 0; i < code->ins_len; i++) {
		struct flo__ins *ins = &code->ins[moved[i]];

		if (code->ins[i].op == FLO__OP_NOP)
			continue;
		*ins = code->ins[i];
		for (size_t n = jumps_of(ins, jumps); n-- > 0;)
			*jumps[n] = moved[*jumps[n]];
	}
	for (uint32_t i = 0; i < code->sources_len; i++)
		code->sources[i].first = moved[code->sources[i].first];
	code->ins_len = moved[code->ins_len];
}

/* Take out the constants that only those had: the names of what references
 * stand for. @moved has room for all. */
static void drop_consts(struct flo__code *code, uint32_t *moved)
{
	uint32_t kept = 0;

	memset(moved, 0, code->consts_len * sizeof(*moved));
	for (uint32_t i = 0; i < code->ins_len; i++) {
		if (has_const(&code->ins[i]))
			moved[code->ins[i].a] = 1;
	}
	for (uint32_t i = 0; i < code->consts_len; i++) {
		if (moved[i] == 0) {
			flo_value_unref(code->consts[i]);
			continue;
		}
		moved[i] = kept;
		code->consts[kept++] = code->consts[i];
	}
	code->consts_len = kept;
	for (uint32_t i = 0; i < code->ins_len; i++) {
		if (has_const(&code->ins[i]))
			code->ins[i].a = moved[code->ins[i].a];
	}
}

/* Leave out what does nothing: an expression is kept for long. */
static void compact(struct flo__code *code)
{
	uint32_t need = code->ins_len + 1;

	if (need < code->consts_len)
		need = code->consts_len;
	while (code->moved_cap < need && !code->nomem)
		grow(code, &code->moved, code->moved_cap, &code->moved_cap,
		     sizeof(*code->moved));
	if (code->nomem)
		return;
	if (count_kept(code, code->moved) != code->ins_len)
		drop_nops(code, code->moved);
	drop_consts(code, code->moved);
}

/* What is copied behind an expression, one after the other. */
struct copies {
	char *at;
	size_t size; /* of all, while at is NULL */
};

/* The next copy; before there is memory for it, only its size is counted. */
static void *copy_of(struct copies *copies, const void *items, size_t len,
		     size_t size)
{
	char *copy = copies->at;

	copies->size += len * size;
	if (copy == NULL || len == 0)
		return NULL;
	memcpy(copy, items, len * size);
	copies->at += len * size;
	return copy;
}

/* Those with pointers in them first, so that all are aligned. */
static void copy_all(const struct flo__code *code, struct copies *copies,
		     struct flo__expr *expr)
{
	expr->sources = copy_of(copies, code->sources, code->sources_len,
				sizeof(*code->sources));
	expr->consts = copy_of(copies, code->consts, code->consts_len,
			       sizeof(*code->consts));
	expr->patterns = copy_of(copies, code->patterns, code->patterns_len,
				 sizeof(*code->patterns));
	expr->refs = copy_of(copies, code->refs, code->refs_len,
			     sizeof(*code->refs));
	expr->ins =
		copy_of(copies, code->ins, code->ins_len, sizeof(*code->ins));
}

/* How many slots the stack needs at most. */
static uint32_t stack_max(const struct flo__code *code)
{
	uint32_t depth = 0;
	uint32_t max = 1;

	for (uint32_t i = 0; i < code->ins_len; i++) {
		const struct flo__ins *ins = &code->ins[i];

		switch ((enum flo__op)ins->op) {
		case FLO__OP_CONST:
		case FLO__OP_IDENT:
		case FLO__OP_REF:
		case FLO__OP_LOCAL:
			depth++;
			break;
		case FLO__OP_LIST:
		case FLO__OP_TEXT:
			depth = depth + 1 - ins->a;
			break;
		case FLO__OP_MAP:
			depth = depth + 1 - 2 * ins->a;
			break;
		case FLO__OP_CALL:
			depth = depth + 1 - ins->n;
			break;
		case FLO__OP_FAIL:
			depth = depth + 1 - ins->b;
			break;
		case FLO__OP_NOP:
		case FLO__OP_FIELD:
		case FLO__OP_HAS:
		case FLO__OP_NOT:
		case FLO__OP_NEG:
		case FLO__OP_AND_TEST:
		case FLO__OP_OR_TEST:
		case FLO__OP_COND_END:
		case FLO__OP_NEXT:
			break;
		default: /* binary; COND, JUMP, ITER and KEEP pop */
			depth--;
		}
		if (depth > max)
			max = depth;
	}
	INSIST(depth == 1);
	return max;
}

static uint32_t loops_max(const struct flo__code *code)
{
	uint32_t max = 0;

	for (uint32_t i = 0; i < code->ins_len; i++) {
		if (code->ins[i].op == FLO__OP_ITER && code->ins[i].n >= max)
			max = code->ins[i].n + 1u;
	}
	return max;
}

static struct flo__expr *finish_constant(struct flo__code *code,
					 struct flo__arena *arena)
{
	struct flo__expr *expr = flo__arena_calloc(arena, 1, sizeof(*expr));

	if (expr == NULL)
		return NULL;
	expr->constant = code->consts[code->ins[0].a];
	code->consts[code->ins[0].a] = NULL;
	return expr;
}

static struct flo__expr *finish_code(struct flo__code *code,
				     struct flo__arena *arena)
{
	struct flo__expr empty = {0};
	struct copies copies = {NULL, sizeof(empty)};
	struct flo__expr *expr;

	copy_all(code, &copies, &empty);
	expr = flo__arena_alloc(arena, copies.size);
	if (expr == NULL)
		return NULL;
	*expr = empty;
	copies.at = (char *)(expr + 1);
	copy_all(code, &copies, expr);
	expr->ins_len = code->ins_len;
	expr->consts_len = code->consts_len;
	expr->patterns_len = code->patterns_len;
	expr->sources_len = code->sources_len;
	expr->refs_len = code->refs_len;
	expr->loops_max = loops_max(code);
	expr->stack_max = stack_max(code);
	code->consts_len = 0; /* the expression has taken them */
	code->patterns_len = 0;
	return expr;
}

struct flo__expr *flo__code_finish(struct flo__code *code,
				   struct flo__arena *arena)
{
	bool constant = code->ins_len == 1 && code->ins[0].op == FLO__OP_CONST;
	struct flo__expr *expr = NULL;

	if (!code->nomem && !constant)
		compact(code);
	if (!code->nomem)
		expr = constant ? finish_constant(code, arena)
				: finish_code(code, arena);
	flo__code_reset(code);
	return expr;
}

void flo__expr_release(struct flo__expr *expr)
{
	flo_value_unref(expr->constant);
	for (uint32_t i = 0; i < expr->consts_len; i++)
		flo_value_unref(expr->consts[i]);
	for (uint32_t i = 0; i < expr->patterns_len; i++)
		flo__regex_free(expr->patterns[i]);
	expr->constant = NULL;
	expr->consts_len = 0;
	expr->patterns_len = 0;
}
