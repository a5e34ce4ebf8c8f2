/*
 * How values lie in memory: for base/value*.c only.
 *
 * Every value begins with eight bytes: its references and its type. Values
 * with 0 references are static and immortal (null, true, false). What follows
 * depends on the type and is allocated to size, so a number takes 16 bytes
 * and a string of n bytes 17 + n.
 *
 * A map keeps its entries in an array in order of insertion. Up to
 * MAP_LINEAR_MAX of them are searched one after the other; beyond that an
 * open-addressing table (power of two, at most half full) maps a key's hash
 * to the entry's number + 1. Keys are immutable values, equal by number or by
 * text, so 1, 1u and 1.0 hash alike.
 */
#ifndef FLO_BASE_VALUE_REPR_H
#define FLO_BASE_VALUE_REPR_H

#include <flo/value.h>

#include <stdatomic.h>

#define MAP_LINEAR_MAX 8
#define VALUE_LEN_MAX  UINT32_MAX /* items of a list, entries of a map */

struct map_entry {
	flo_value *key;
	flo_value *value;
};

struct flo_value {
	/* atomic: relaxed to take, acquire-release to give back; 0: immortal */
	atomic_uint refs;
	uint32_t type;
	union {
		bool b;
		int64_t i;
		uint64_t u;
		double d;
		struct {
			int64_t s;
			int32_t ns;
		} time; /* timestamp, duration: the nanoseconds never < 0 */
		struct {
			size_t len;
			char text[1]; /* len + 1 bytes */
		} str;		      /* string, bytes, type */
		struct {
			flo_value **items;
			uint32_t len;
			uint32_t cap;
			union {
				/* 0: not known; see value_measure.c */
				atomic_uint_least64_t measure;
				flo_value *next_dead; /* only while freed */
			} at;
		} list;
		struct {
			struct map_entry *entries;
			uint32_t len;
			uint32_t cap;
			union {
				uint32_t *index; /* NULL: search linearly */
				flo_value *next_dead; /* only while freed */
			} at;
			uint32_t index_mask;
			atomic_uint_least64_t measure; /* as a list's */
		} map;
	} of;
};

/* Bytes of a value whose last used member is @member. */
#define VALUE_SIZE(member)                                                     \
	(offsetof(struct flo_value, of.member) +                               \
	 sizeof(((struct flo_value *)0)->of.member))

/* Allocate @size bytes with one reference and @type. */
flo_value *flo__value_new(flo_value_type type, size_t size);

/* Whether a filling function may change @value: nobody else holds it. */
bool flo__value_is_own(const flo_value *value);

/* == of CEL for everything but lists and maps. */
bool flo__value_equal_scalar(const flo_value *a, const flo_value *b);

/*
 * Lists and maps are walked with a stack of their own, as values can be
 * nested deeper than a coroutine's stack allows.
 */
#define WALK_INLINE 24

struct walk_frame {
	const flo_value *a;
	const flo_value *b; /* of flo_value_equal() */
	size_t i;	    /* the next item */
};

struct walk {
	struct walk_frame *frames;
	size_t len;
	size_t cap;
	struct walk_frame first[WALK_INLINE];
};

void flo__walk_init(struct walk *walk);
void flo__walk_fini(struct walk *walk);
/* False without memory; the walk is then as before. */
bool flo__walk_push(struct walk *walk, const flo_value *a, const flo_value *b);

#endif
