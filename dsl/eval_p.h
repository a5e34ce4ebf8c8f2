/*
 * The evaluator's insides: eval.c the machine, slot.c its stack, loop.c macros,
 * build.c what makes strings, lists and maps, scalar.c operators on scalars.
 *
 * A slot of the stack holds null, bools and numbers themselves. All other
 * values it points to, and mostly without a reference of its own: what comes
 * from a variable, a constant or the range of a macro lives until the
 * evaluation (or that macro) ends, and so does every part of it. Only what an
 * operation has made is owned by its slot. So a field path or a comparison
 * touches neither the heap nor a counter.
 */
#ifndef FLO_DSL_EVAL_P_H
#define FLO_DSL_EVAL_P_H

#include "dsl/expr_p.h"

#include "base/value_p.h"

#define FLO__COST_BYTES 16 /* of text, read or made, cost one operation */
#define FLO__COST_STEPS 2  /* of a regular expression do */

/* Scalars have the number of their flo_value_type. */
enum flo__slot_kind {
	FLO__SLOT_NULL = FLO_VALUE_NULL,
	FLO__SLOT_BOOL = FLO_VALUE_BOOL,
	FLO__SLOT_INT = FLO_VALUE_INT,
	FLO__SLOT_UINT = FLO_VALUE_UINT,
	FLO__SLOT_DOUBLE = FLO_VALUE_DOUBLE,
	FLO__SLOT_VALUE, /* any other: of.value */
	FLO__SLOT_FAILED,
};

struct flo__slot {
	uint8_t kind;
	bool owned;	 /* VALUE: a reference is ours; else it is borrowed */
	uint16_t status; /* FAILED: flo_status */
	uint32_t ins;	 /* FAILED: where, as flo__failure has it */
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		const flo_value *value;
		char *text; /* FAILED: owned */
	} of;
};

/* A macro on its way through a list or map. */
struct flo__loop {
	struct flo__slot range;	  /* taken from the stack */
	struct flo__slot failure; /* the first of all() and exists(), or NULL */
	flo_value *found;	  /* owned: what map and filter make */
	const flo_value *key;	  /* of a map */
	const flo_value *item;
	size_t i; /* the next one */
	size_t len;
	size_t hits;
	bool live;
};

struct flo__eval {
	const struct flo__expr *expr;
	const struct flo__scope *scope;
	struct flo__slot *slots;
	struct flo__slot *top; /* past the last one in use */
	struct flo__loop *loops;
	flo_value **vars; /* by reference, owned; NULL: not asked for yet */
	uint64_t cost;
	uint32_t pc;
	uint32_t end; /* 0 once there is a fatal failure */
	struct flo__failure fatal;
	struct flo__regex *regex; /* owned: of the pattern computed last, */
	flo_value *pattern;	  /* which is this; NULL: none */
};

/* Make a free slot @value, borrowed. */
static inline void flo__slot_load(struct flo__slot *slot,
				  const flo_value *value)
{
	flo_value_type type = flo_value_typeof(value);

	slot->owned = false;
	slot->kind = (uint8_t)type;
	switch (type) {
	case FLO_VALUE_NULL:
		return;
	case FLO_VALUE_BOOL:
		slot->of.b = flo_value_get_bool(value);
		return;
	case FLO_VALUE_INT:
		slot->of.i = flo_value_get_int(value);
		return;
	case FLO_VALUE_UINT:
		slot->of.u = flo_value_get_uint(value);
		return;
	case FLO_VALUE_DOUBLE:
		slot->of.d = flo_value_get_double(value);
		return;
	default:
		slot->kind = FLO__SLOT_VALUE;
		slot->of.value = value;
	}
}

static inline void flo__slot_set_bool(struct flo__slot *slot, bool b)
{
	slot->kind = FLO__SLOT_BOOL;
	slot->owned = false;
	slot->of.b = b;
}

static inline bool flo__slot_is_bool(const struct flo__slot *slot, bool want)
{
	return slot->kind == FLO__SLOT_BOOL && slot->of.b == want;
}

static inline flo_value_type flo__slot_type(const struct flo__slot *slot)
{
	return slot->kind == FLO__SLOT_VALUE ? flo_value_typeof(slot->of.value)
					     : (flo_value_type)slot->kind;
}

/* Give back what a slot owns. */
void flo__slot_fini(struct flo__slot *slot);
/* Make a free slot @value (taken). NULL: the reason, or out of memory. */
void flo__eval_set(struct flo__eval *e, struct flo__slot *slot,
		   flo_value *value, struct flo__failure *failure);
/* Make a free slot a failure; what is final ends the evaluation instead. */
void flo__eval_fail(struct flo__eval *e, struct flo__slot *slot,
		    struct flo__failure *failure);
/* The slot as a value that the caller owns; NULL is out of memory, told. */
flo_value *flo__eval_box(struct flo__eval *e, const struct flo__slot *slot);

/*
 * The slot as a value that lives as long as the slot; *@ret_made, which the
 * caller owns, is that value if it had to be made. NULL is out of memory, told.
 */
const flo_value *flo__eval_view(struct flo__eval *e,
				const struct flo__slot *slot,
				flo_value **ret_made);

static inline void flo__eval_pop(struct flo__eval *e)
{
	flo__slot_fini(--e->top);
}

/* Replace the @n slots on top by @value (taken) or its failure. */
void flo__eval_replace(struct flo__eval *e, uint32_t n, flo_value *value,
		       struct flo__failure *failure);
/* If one of the @n slots on top has failed: replace them by the first. */
bool flo__eval_hand_on(struct flo__eval *e, uint32_t n);
/* Make what is neither a bool nor failed a failure: "WHAT is a ..." */
void flo__eval_need_bool(struct flo__eval *e, struct flo__slot *slot,
			 const char *what);

/* End the evaluation: no && or || absorbs this. */
void flo__eval_nomem(struct flo__eval *e);
/* flo__value_measure(); false without memory, told. */
bool flo__eval_measure(struct flo__eval *e, const flo_value *value,
		       uint64_t *ret_bytes, uint32_t *ret_depth);
/* Count @n operations more; false if those are too many. */
bool flo__eval_spend(struct flo__eval *e, uint64_t n);
/* Count the reading of what is in the slot (@shallow: but not into a list or
 * map); false if that is too much. */
bool flo__eval_read(struct flo__eval *e, const struct flo__slot *slot,
		    bool shallow);
/* Whether a value that was made (NULL: was not) is small enough to exist; if
 * not, it is freed, and the evaluation ends. */
bool flo__eval_admit(struct flo__eval *e, flo_value *value);

/* loop.c */
void flo__eval_local(struct flo__eval *e, const struct flo__ins *ins);
void flo__eval_iter(struct flo__eval *e, const struct flo__ins *ins);
void flo__eval_keep(struct flo__eval *e, const struct flo__ins *ins);
void flo__eval_next(struct flo__eval *e, const struct flo__ins *ins);
void flo__loop_fini(struct flo__loop *loop);

/* build.c */
void flo__eval_list(struct flo__eval *e, uint32_t n);
void flo__eval_map(struct flo__eval *e, uint32_t n);
void flo__eval_text(struct flo__eval *e, uint32_t n);
void flo__eval_call(struct flo__eval *e, const struct flo__ins *ins);

/*
 * scalar.c: operators on null, bools and numbers. The result replaces @a;
 * false and a failure if there is none.
 */
bool flo__scalar_unary(enum flo__op op, struct flo__slot *a,
		       struct flo__failure *failure);
bool flo__scalar_binary(enum flo__op op, struct flo__slot *a,
			const struct flo__slot *b,
			struct flo__failure *failure);

#endif
