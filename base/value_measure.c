/*
 * How much there is of a value, as text and in depth.
 *
 * Values are shared, so a small program can make a value that takes little
 * memory and no end of text: `[x, x]` of `[y, y]` of ... doubles it each time.
 * Whoever builds values from values asks here first. The answer is kept in
 * the container, so each is walked once, however often it is used.
 *
 * A walk is post-order: a frame is left when all children have been measured,
 * and then its own measure is the sum over them.
 */
#include "base/value_p.h"
#include "base/value_repr.h"

#define DEPTH_BITS 16
#define DEPTH_MAX  ((UINT64_C(1) << DEPTH_BITS) - 1)
#define BYTES_MAX  (UINT64_MAX >> DEPTH_BITS)

static atomic_uint_least64_t *memo(const flo_value *value)
{
	flo_value *v = (flo_value *)value;

	return v->type == FLO_VALUE_LIST ? &v->of.list.at.measure
					 : &v->of.map.measure;
}

static uint64_t pack(uint64_t bytes, uint64_t depth)
{
	return (bytes < BYTES_MAX ? bytes : BYTES_MAX) << DEPTH_BITS |
	       (depth < DEPTH_MAX ? depth : DEPTH_MAX);
}

/* The measure of a scalar, or of a container that was measured; else 0. */
static uint64_t known(const flo_value *value)
{
	switch (value->type) {
	case FLO_VALUE_NULL:
	case FLO_VALUE_BOOL:
		return pack(5, 0);
	case FLO_VALUE_INT:
	case FLO_VALUE_UINT:
	case FLO_VALUE_DOUBLE:
		return pack(8, 0);
	case FLO_VALUE_TIMESTAMP:
	case FLO_VALUE_DURATION:
		return pack(32, 0);
	case FLO_VALUE_LIST:
	case FLO_VALUE_MAP:
		/* relaxed: the value is all there is to see; see keep() */
		return atomic_load_explicit(memo(value), memory_order_relaxed);
	default:
		return pack((uint64_t)value->of.str.len + 2, 0);
	}
}

/* Two threads may do this at once, and write the same. */
static void keep(const flo_value *value, uint64_t measure)
{
	atomic_store_explicit(memo(value), measure, memory_order_relaxed);
}

static const flo_value *child(const flo_value *value, size_t i)
{
	return value->type == FLO_VALUE_LIST ? value->of.list.items[i]
					     : value->of.map.entries[i].value;
}

/* Sum up a container whose children are all known. */
static uint64_t sum(const flo_value *value)
{
	uint64_t bytes = 2;
	uint64_t depth = 0;

	for (size_t i = 0; i < flo_value_len(value); i++) {
		uint64_t of = known(child(value, i));

		bytes += (of >> DEPTH_BITS) + 1;
		if (value->type == FLO_VALUE_MAP)
			bytes += (known(value->of.map.entries[i].key) >>
				  DEPTH_BITS) +
				 1;
		if ((of & DEPTH_MAX) > depth)
			depth = of & DEPTH_MAX;
		if (bytes > BYTES_MAX)
			bytes = BYTES_MAX;
	}
	return pack(bytes, depth + 1);
}

/* Go on in the frame on top: into the next child unknown, or out. */
static bool go_on(struct walk *walk)
{
	struct walk_frame *top = &walk->frames[walk->len - 1];

	while (top->i < flo_value_len(top->a)) {
		const flo_value *next = child(top->a, top->i++);

		if (known(next) == 0)
			return flo__walk_push(walk, next, NULL);
	}
	keep(top->a, sum(top->a));
	walk->len--;
	return true;
}

flo_status flo__value_measure(const flo_value *value, uint64_t *ret_bytes,
			      uint32_t *ret_depth)
{
	uint64_t measure = known(value);
	bool ok = true;

	if (measure == 0) {
		struct walk walk;

		flo__walk_init(&walk);
		ok = flo__walk_push(&walk, value, NULL);
		while (ok && walk.len != 0)
			ok = go_on(&walk);
		flo__walk_fini(&walk);
		if (!ok)
			return FLO_NOMEM;
		measure = known(value);
	}
	*ret_bytes = measure >> DEPTH_BITS;
	*ret_depth = (uint32_t)(measure & DEPTH_MAX);
	return FLO_OK;
}
