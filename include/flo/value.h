/**
 * Values: what steps take and give, and what expressions compute.
 *
 * JSON's types plus those that CEL adds (unsigned integers, bytes, timestamps,
 * durations, types). A value is immutable once anyone else may see it, and
 * reference counted; lists and maps are filled by whoever made them before
 * they are shared. Maps keep the order in which keys were added.
 *
 * Threads: sharing, ref and unref from any thread; filling by the maker only.
 * Functions that make a value return a reference the caller owns, or NULL when
 * out of memory. "taken": the callee owns the reference afterwards, even when
 * it fails.
 */
#ifndef FLO_VALUE_H
#define FLO_VALUE_H

#include <flo/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct flo_value flo_value;

typedef enum flo_value_type {
	FLO_VALUE_NULL,
	FLO_VALUE_BOOL,
	FLO_VALUE_INT,	/* 64 bits, signed */
	FLO_VALUE_UINT, /* 64 bits; from expressions only */
	FLO_VALUE_DOUBLE,
	FLO_VALUE_STRING, /* UTF-8, no NUL inside is assumed: has a length */
	FLO_VALUE_BYTES,
	FLO_VALUE_LIST,
	FLO_VALUE_MAP,
	FLO_VALUE_TIMESTAMP, /* nanoseconds since the epoch are two numbers */
	FLO_VALUE_DURATION,
	FLO_VALUE_TYPE, /* a type as a value; its name is the string */
} flo_value_type;

FLO_EXTERN flo_value *flo_value_null(void);
FLO_EXTERN flo_value *flo_value_bool(bool b);
FLO_EXTERN flo_value *flo_value_int(int64_t n);
FLO_EXTERN flo_value *flo_value_uint(uint64_t n);
FLO_EXTERN flo_value *flo_value_double(double d);
/** @text is copied. Requires: valid UTF-8. */
FLO_EXTERN flo_value *flo_value_string(const char *text);
FLO_EXTERN flo_value *flo_value_stringn(const char *text, size_t len);
FLO_EXTERN flo_value *flo_value_bytes(const void *bytes, size_t len);
/** Seconds since 1970-01-01T00:00:00Z and nanoseconds 0..999999999. */
FLO_EXTERN flo_value *flo_value_timestamp(int64_t s, int32_t ns);
/**
 * A duration of @s seconds and @ns nanoseconds, -999999999..999999999. It is
 * kept with nanoseconds from 0, as timestamps are: -1.5 s is (-2, 500000000).
 */
FLO_EXTERN flo_value *flo_value_duration(int64_t s, int32_t ns);
FLO_EXTERN flo_value *flo_value_typename(const char *name);

/** An empty list or map with room for @capacity items. */
FLO_EXTERN flo_value *flo_value_list(size_t capacity);
FLO_EXTERN flo_value *flo_value_map(size_t capacity);

FLO_EXTERN flo_value *flo_value_ref(const flo_value *value);
/** NULL is allowed. Deep values are freed without recursion on their depth. */
FLO_EXTERN void flo_value_unref(const flo_value *value);

FLO_EXTERN flo_value_type flo_value_typeof(const flo_value *value);

/** What the value holds. Requires: it has that type. */
FLO_EXTERN bool flo_value_get_bool(const flo_value *value);
FLO_EXTERN int64_t flo_value_get_int(const flo_value *value);
FLO_EXTERN uint64_t flo_value_get_uint(const flo_value *value);
FLO_EXTERN double flo_value_get_double(const flo_value *value);
/** Of a timestamp or duration: seconds, and the nanoseconds beside them. */
FLO_EXTERN int64_t flo_value_get_seconds(const flo_value *value);
FLO_EXTERN int32_t flo_value_get_nanos(const flo_value *value);
/**
 * The text of a string, bytes or type, NUL-terminated, borrowed as long as the
 * value lives; its length goes to *@ret_len if that is not NULL.
 */
FLO_EXTERN const char *flo_value_get_string(const flo_value *value,
					    size_t *ret_len);

/** Items of a list, entries of a map, bytes of a string; else 0. */
FLO_EXTERN size_t flo_value_len(const flo_value *value);

/** Append @item (taken; NULL fails) to a list that only the caller holds. */
FLO_EXTERN flo_status flo_value_list_add(flo_value *list, flo_value *item);
/** Item @i, borrowed. Requires: @i < flo_value_len(). */
FLO_EXTERN const flo_value *flo_value_list_at(const flo_value *list, size_t i);
/** Replace item @i by @item (taken) in a list that only the caller holds. */
FLO_EXTERN void flo_value_list_set(flo_value *list, size_t i, flo_value *item);

/**
 * Add an entry to a map that only the caller holds; @value is taken, NULL
 * fails with FLO_NOMEM. FLO_EXISTS if the key is there already.
 */
FLO_EXTERN flo_status flo_value_map_set(flo_value *map, const char *key,
					flo_value *value);
/** The same with any key: string, int, uint or bool (CEL). Both taken. */
FLO_EXTERN flo_status flo_value_map_add(flo_value *map, flo_value *key,
					flo_value *value);
/** The value under a string key, borrowed, or NULL. A non-map gives NULL. */
FLO_EXTERN const flo_value *flo_value_map_get(const flo_value *map,
					      const char *key);
FLO_EXTERN const flo_value *flo_value_map_getn(const flo_value *map,
					       const char *key, size_t len);
/** The value under any key (1, 1u and 1.0 are one key), borrowed, or NULL. */
FLO_EXTERN const flo_value *flo_value_map_find(const flo_value *map,
					       const flo_value *key);
/** Entry @i in order of insertion; both borrowed. */
FLO_EXTERN const flo_value *flo_value_map_at(const flo_value *map, size_t i,
					     const flo_value **ret_key);

/**
 * Whether two values are equal as CEL's == says: numbers across types by
 * value, lists and maps deeply, NaN equal to nothing.
 */
FLO_EXTERN bool flo_value_equal(const flo_value *a, const flo_value *b);

/** Flags of flo_value_from_json(). */
enum {
	FLO_JSON_ANY = 1, /* scalars too, not only arrays and objects */
};

/**
 * Read strict JSON (RFC 8259, UTF-8, no duplicate keys, nesting to 2048).
 * An integer that fits 64 bits and has no fraction or exponent is an int.
 * FLO_SYNTAX with line and column in @err, FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_value_from_json(const char *text, size_t len,
					  unsigned flags, flo_error *err,
					  flo_value **ret_value);

/**
 * Write compact JSON (types beyond JSON as protobuf's JSON mapping does).
 * Returns memory that the caller gives to flo_free(), or NULL without memory.
 */
FLO_EXTERN char *flo_value_to_json(const flo_value *value);
/** As flo_value_to_json() with indentation, for people. */
FLO_EXTERN char *flo_value_to_json_pretty(const flo_value *value);

/** Free memory that a function of this library gave to its caller. */
FLO_EXTERN void flo_free(void *mem);

#ifdef __cplusplus
}
#endif
#endif
