/*
 * The slots of the evaluator's stack, and what it may spend.
 */
#include "dsl/eval_p.h"

#include "base/alloc.h"
#include "base/utf8.h"
#include "base/contract.h"

#include <stdarg.h>
#include <stdio.h>

flo_value *flo__fail(struct flo__failure *failure, flo_status status,
		     const char *format, ...)
{
	char buf[256];
	va_list args;

	va_start(args, format);
	vsnprintf(buf, sizeof(buf), format, args);
	va_end(args);
	flo__utf8_tidy(buf);
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

void flo__slot_fini(struct flo__slot *slot)
{
	if (slot->kind == FLO__SLOT_VALUE && slot->owned)
		flo_value_unref(slot->of.value);
	else if (slot->kind == FLO__SLOT_FAILED)
		flo__free(slot->of.text);
	slot->kind = FLO__SLOT_NULL;
}

/* End the evaluation with @failure, which is taken. */
static void end(struct flo__eval *e, struct flo__failure *failure)
{
	failure_fini(&e->fatal);
	e->fatal = *failure;
	if (e->fatal.ins == 0)
		e->fatal.ins = e->pc;
	e->end = 0;
	*failure = (struct flo__failure){0};
}

void flo__eval_nomem(struct flo__eval *e)
{
	end(e, &(struct flo__failure){.status = FLO_NOMEM});
}

static void end_limit(struct flo__eval *e, const char *text)
{
	struct flo__failure failure = {0};

	flo__fail(&failure, FLO_LIMIT, "%s", text);
	end(e, &failure);
}

bool flo__eval_spend(struct flo__eval *e, uint64_t n)
{
	if (e->end == 0)
		return false;
	e->cost += n;
	if (e->cost <= FLO__EXPR_COST_MAX)
		return true;
	end_limit(e, "the expression takes too many operations");
	return false;
}

bool flo__eval_measure(struct flo__eval *e, const flo_value *value,
		       uint64_t *ret_bytes, uint32_t *ret_depth)
{
	if (flo__value_measure(value, ret_bytes, ret_depth) == FLO_OK)
		return true;
	flo__eval_nomem(e);
	return false;
}

bool flo__eval_read(struct flo__eval *e, const struct flo__slot *slot,
		    bool shallow)
{
	uint64_t bytes;
	uint32_t depth;

	return slot->kind != FLO__SLOT_VALUE ||
	       (flo__eval_measure(e, slot->of.value, &bytes, &depth) &&
		((shallow && depth != 0) ||
		 flo__eval_spend(e, bytes / FLO__COST_BYTES)));
}

bool flo__eval_admit(struct flo__eval *e, flo_value *value)
{
	uint64_t bytes = 0;
	uint32_t depth = 0;
	bool ok = value == NULL || flo__eval_measure(e, value, &bytes, &depth);

	if (ok && bytes > FLO__EXPR_BYTES_MAX) {
		end_limit(e, "the expression makes a value larger than "
			     "256 MiB");
		ok = false;
	} else if (ok && depth > FLO__EXPR_NESTING_MAX) {
		end_limit(e, "the expression makes a value nested deeper than "
			     "1000 levels");
		ok = false;
	}
	/* The parts of a list or map were paid for when they were made. */
	if (ok && depth == 0)
		ok = flo__eval_spend(e, bytes / FLO__COST_BYTES);
	if (!ok)
		flo_value_unref(value);
	return ok;
}

void flo__eval_fail(struct flo__eval *e, struct flo__slot *slot,
		    struct flo__failure *failure)
{
	slot->kind = FLO__SLOT_NULL;
	slot->owned = false;
	if (failure == NULL || failure->status == FLO_OK) {
		flo__eval_nomem(e);
		return;
	}
	if (failure->status == FLO_NOMEM || failure->status == FLO_LIMIT) {
		end(e, failure);
		return;
	}
	slot->kind = FLO__SLOT_FAILED;
	slot->status = (uint16_t)failure->status;
	slot->ins = failure->ins != 0 ? failure->ins : e->pc;
	slot->of.text = failure->text;
	*failure = (struct flo__failure){0};
}

void flo__eval_set(struct flo__eval *e, struct flo__slot *slot,
		   flo_value *value, struct flo__failure *failure)
{
	if (value == NULL) {
		flo__eval_fail(e, slot, failure);
		return;
	}
	flo__slot_load(slot, value);
	slot->owned = slot->kind == FLO__SLOT_VALUE;
	if (!slot->owned)
		flo_value_unref(value);
}

flo_value *flo__eval_box(struct flo__eval *e, const struct flo__slot *slot)
{
	flo_value *value;

	switch ((enum flo__slot_kind)slot->kind) {
	case FLO__SLOT_NULL:
		return flo_value_null();
	case FLO__SLOT_BOOL:
		return flo_value_bool(slot->of.b);
	case FLO__SLOT_INT:
		value = flo_value_int(slot->of.i);
		break;
	case FLO__SLOT_UINT:
		value = flo_value_uint(slot->of.u);
		break;
	case FLO__SLOT_DOUBLE:
		value = flo_value_double(slot->of.d);
		break;
	default:
		INSIST(slot->kind == FLO__SLOT_VALUE);
		return flo_value_ref(slot->of.value);
	}
	if (value == NULL)
		flo__eval_nomem(e);
	return value;
}

const flo_value *flo__eval_view(struct flo__eval *e,
				const struct flo__slot *slot,
				flo_value **ret_made)
{
	*ret_made = NULL;
	if (slot->kind == FLO__SLOT_VALUE)
		return slot->of.value;
	*ret_made = flo__eval_box(e, slot);
	return *ret_made;
}

void flo__eval_need_bool(struct flo__eval *e, struct flo__slot *slot,
			 const char *what)
{
	struct flo__failure failure = {0};

	if (slot->kind == FLO__SLOT_BOOL || slot->kind == FLO__SLOT_FAILED)
		return;
	flo__fail(&failure, FLO_TYPE, "%s is a %s, not a bool", what,
		  flo__value_type_name(flo__slot_type(slot)));
	flo__slot_fini(slot);
	flo__eval_fail(e, slot, &failure);
}

bool flo__eval_hand_on(struct flo__eval *e, uint32_t n)
{
	struct flo__slot *first = e->top - n;
	struct flo__slot *failed = first;
	struct flo__slot kept;

	while (failed < e->top && failed->kind != FLO__SLOT_FAILED)
		failed++;
	if (failed == e->top)
		return false;
	kept = *failed;
	failed->kind = FLO__SLOT_NULL;
	while (e->top > first)
		flo__eval_pop(e);
	*e->top++ = kept;
	return true;
}

void flo__eval_replace(struct flo__eval *e, uint32_t n, flo_value *value,
		       struct flo__failure *failure)
{
	while (n-- > 0)
		flo__eval_pop(e);
	flo__eval_set(e, e->top++, value, failure);
}
