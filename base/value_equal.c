/*
 * == as CEL defines it (cel-spec, "Equality"): numbers of any two types are
 * compared as points of one line, never by rounding one to the other's type.
 */
#include "base/value_p.h"
#include "base/value_repr.h"

#include "base/alloc.h"

#include <string.h>

void flo__walk_init(struct walk *walk)
{
	walk->frames = walk->first;
	walk->len = 0;
	walk->cap = WALK_INLINE;
}

void flo__walk_fini(struct walk *walk)
{
	if (walk->frames != walk->first)
		flo__free(walk->frames);
}

static bool walk_grow(struct walk *walk)
{
	struct walk_frame *old =
		walk->frames != walk->first ? walk->frames : NULL;
	struct walk_frame *frames =
		flo__reallocarray(old, walk->cap * 2, sizeof(*frames));

	if (frames == NULL)
		return false;
	if (old == NULL)
		memcpy(frames, walk->first, sizeof(walk->first));
	walk->frames = frames;
	walk->cap *= 2;
	return true;
}

bool flo__walk_push(struct walk *walk, const flo_value *a, const flo_value *b)
{
	if (walk->len == walk->cap && !walk_grow(walk))
		return false;
	walk->frames[walk->len++] = (struct walk_frame){a, b, 0};
	return true;
}

static bool is_number(const flo_value *value)
{
	return value->type == FLO_VALUE_INT || value->type == FLO_VALUE_UINT ||
	       value->type == FLO_VALUE_DOUBLE;
}

bool flo__int_is_double(int64_t n, double d)
{
	return d >= -0x1p63 && d < 0x1p63 && d == (double)(int64_t)d &&
	       (int64_t)d == n;
}

bool flo__uint_is_double(uint64_t n, double d)
{
	return d >= 0 && d < 0x1p64 && d == (double)(uint64_t)d &&
	       (uint64_t)d == n;
}

/* Whether the int or uint @a is the number @b. */
static bool integer_is(const flo_value *a, const flo_value *b)
{
	if (b->type == FLO_VALUE_DOUBLE)
		return a->type == FLO_VALUE_INT
			       ? flo__int_is_double(a->of.i, b->of.d)
			       : flo__uint_is_double(a->of.u, b->of.d);
	if (a->type == b->type)
		return a->of.u == b->of.u;
	/* One is signed: its bits say the same number only if not negative. */
	return a->of.u == b->of.u && a->of.i >= 0;
}

static bool number_equal(const flo_value *a, const flo_value *b)
{
	if (a->type != FLO_VALUE_DOUBLE)
		return integer_is(a, b);
	if (b->type != FLO_VALUE_DOUBLE)
		return integer_is(b, a);
	return a->of.d == b->of.d;
}

bool flo__value_equal_scalar(const flo_value *a, const flo_value *b)
{
	if (is_number(a) && is_number(b))
		return number_equal(a, b);
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case FLO_VALUE_NULL:
		return true;
	case FLO_VALUE_BOOL:
		return a->of.b == b->of.b;
	case FLO_VALUE_TIMESTAMP:
	case FLO_VALUE_DURATION:
		return a->of.time.s == b->of.time.s &&
		       a->of.time.ns == b->of.time.ns;
	case FLO_VALUE_STRING:
	case FLO_VALUE_BYTES:
	case FLO_VALUE_TYPE:
		return a->of.str.len == b->of.str.len &&
		       memcmp(a->of.str.text, b->of.str.text, a->of.str.len) ==
			       0;
	default:
		return false;
	}
}

static bool is_container(const flo_value *value)
{
	return value->type == FLO_VALUE_LIST || value->type == FLO_VALUE_MAP;
}

/* The item of the frame's b that must equal item i of its a, or NULL. */
static const flo_value *next_pair(const struct walk_frame *frame,
				  const flo_value **ret_a)
{
	const flo_value *key;

	if (frame->a->type == FLO_VALUE_LIST) {
		*ret_a = flo_value_list_at(frame->a, frame->i);
		return flo_value_list_at(frame->b, frame->i);
	}
	*ret_a = flo_value_map_at(frame->a, frame->i, &key);
	return flo_value_map_find(frame->b, key);
}

static bool equal_deep(const flo_value *a, const flo_value *b);

/* Compare two items; containers are pushed to be compared later. */
static bool equal_item(struct walk *walk, const flo_value *a,
		       const flo_value *b)
{
	if (!is_container(a))
		return flo__value_equal_scalar(a, b);
	if (a->type != b->type || flo_value_len(a) != flo_value_len(b))
		return false;
	/* Without memory, go on with another WALK_INLINE levels of stack. */
	return flo__walk_push(walk, a, b) || equal_deep(a, b);
}

static bool equal_deep(const flo_value *a, const flo_value *b)
{
	struct walk walk;
	bool same;

	flo__walk_init(&walk);
	same = equal_item(&walk, a, b);
	while (same && walk.len != 0) {
		struct walk_frame *top = &walk.frames[walk.len - 1];

		if (top->i == flo_value_len(top->a)) {
			walk.len--;
			continue;
		}
		b = next_pair(top, &a);
		top->i++;
		same = b != NULL && equal_item(&walk, a, b);
	}
	flo__walk_fini(&walk);
	return same;
}

bool flo_value_equal(const flo_value *a, const flo_value *b)
{
	if (!is_container(a))
		return flo__value_equal_scalar(a, b);
	return equal_deep(a, b);
}
