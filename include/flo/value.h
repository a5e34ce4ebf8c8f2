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

/** A value of any type; each pointer that is kept is a reference. */
typedef struct flo_value flo_value;

/** The type of a value. */
typedef enum flo_value_type {
	FLO_VALUE_NULL,	     /* JSON's null; it has one value */
	FLO_VALUE_BOOL,	     /* true or false */
	FLO_VALUE_INT,	     /* 64 bits, signed */
	FLO_VALUE_UINT,	     /* 64 bits; from expressions only */
	FLO_VALUE_DOUBLE,    /* IEEE 754, 64 bits */
	FLO_VALUE_STRING,    /* UTF-8; has a length, so may hold NUL */
	FLO_VALUE_BYTES,     /* any bytes */
	FLO_VALUE_LIST,	     /* values in order */
	FLO_VALUE_MAP,	     /* keys and values, in order of insertion */
	FLO_VALUE_TIMESTAMP, /* nanoseconds since the epoch are two numbers */
	FLO_VALUE_DURATION,  /* likewise two numbers */
	FLO_VALUE_TYPE,	     /* a type as a value; its name is the string */
} flo_value_type;

/** The bit of a type of values: FLO_TYPES(INT) | FLO_TYPES(DOUBLE). */
#define FLO_TYPES(t) (1u << FLO_VALUE_##t)

/**
 * Make a value of the type in the name. null, true and false need no memory and
 * cannot fail.
 *
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_value *flo_value_null(void);
FLO_EXTERN flo_value *flo_value_bool(bool b);
FLO_EXTERN flo_value *flo_value_int(int64_t n);
FLO_EXTERN flo_value *flo_value_uint(uint64_t n);
FLO_EXTERN flo_value *flo_value_double(double d);

/**
 * Make a string, or bytes, of a copy of what is given.
 *
 * Requires: a string is valid UTF-8, which is not checked: where it is not, its
 * JSON has U+FFFD.
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_value *flo_value_string(const char *text);
FLO_EXTERN flo_value *flo_value_stringn(const char *text, size_t len);
FLO_EXTERN flo_value *flo_value_bytes(const void *bytes, size_t len);

/**
 * Make a timestamp of @s seconds since 1970-01-01T00:00:00Z and @ns nanoseconds
 * after that.
 *
 * Requires: @ns is in 0..999999999.
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_value *flo_value_timestamp(int64_t s, int32_t ns);

/**
 * Make a duration of @s seconds and @ns nanoseconds. It is kept with
 * nanoseconds from 0, as timestamps are: -1.5 s is (-2, 500000000).
 *
 * Requires: @ns is in -999999999..999999999; the sum can be kept.
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_value *flo_value_duration(int64_t s, int32_t ns);

/**
 * Make a type as a value, as CEL's type() gives; @name is copied.
 *
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_value *flo_value_typename(const char *name);

/**
 * Make an empty list or map with room for @capacity items; more can be added.
 *
 * Returns a reference the caller owns, or NULL when out of memory.
 */
FLO_EXTERN flo_value *flo_value_list(size_t capacity);
FLO_EXTERN flo_value *flo_value_map(size_t capacity);

/**
 * Take another reference and return @value. Any thread; never blocks.
 *
 * Requires: @value is not NULL.
 */
FLO_EXTERN flo_value *flo_value_ref(const flo_value *value);

/**
 * Give a reference back; the last one frees. NULL is allowed. Deep values are
 * freed without recursion on their depth. Any thread.
 */
FLO_EXTERN void flo_value_unref(const flo_value *value);

/** Give the type of @value. Requires: it is not NULL. */
FLO_EXTERN flo_value_type flo_value_typeof(const flo_value *value);

/** Give what @value holds. Requires: it has the type in the name. */
FLO_EXTERN bool flo_value_get_bool(const flo_value *value);
FLO_EXTERN int64_t flo_value_get_int(const flo_value *value);
FLO_EXTERN uint64_t flo_value_get_uint(const flo_value *value);
FLO_EXTERN double flo_value_get_double(const flo_value *value);

/**
 * Give of a timestamp or duration the seconds, and the nanoseconds beside them,
 * which are never negative.
 *
 * Requires: @value is one of the two.
 */
FLO_EXTERN int64_t flo_value_get_seconds(const flo_value *value);
FLO_EXTERN int32_t flo_value_get_nanos(const flo_value *value);

/**
 * Give the text of a string, bytes or type, NUL-terminated, borrowed as long as
 * the value lives; its length goes to *@ret_len if @ret_len is not NULL.
 *
 * Requires: @value is one of the three.
 */
FLO_EXTERN const char *flo_value_get_string(const flo_value *value,
					    size_t *ret_len);

/**
 * Count the items of a list, the entries of a map, the bytes of a string, bytes
 * or type; 0 for others.
 */
FLO_EXTERN size_t flo_value_len(const flo_value *value);

/**
 * Append @item (taken) to a list that only the caller holds.
 *
 * Requires: @list is a list, and not @item.
 * Returns FLO_OK; or FLO_NOMEM, also if @item is NULL, so that a value can be
 * made and added in one expression.
 */
FLO_EXTERN flo_status flo_value_list_add(flo_value *list, flo_value *item);

/**
 * Give item @i, borrowed as long as the list lives.
 *
 * Requires: @list is a list; @i < flo_value_len().
 */
FLO_EXTERN const flo_value *flo_value_list_at(const flo_value *list, size_t i);

/**
 * Replace item @i by @item (taken) in a list that only the caller holds.
 *
 * Requires: @list is a list; @i < flo_value_len(); @item is not NULL.
 */
FLO_EXTERN void flo_value_list_set(flo_value *list, size_t i, flo_value *item);

/**
 * Add an entry to a map that only the caller holds. @key is copied, @value
 * taken.
 *
 * Requires: @map is a map, and not @value.
 * Returns FLO_OK; FLO_NOMEM, also if @value is NULL; FLO_EXISTS if the key is
 * there already.
 */
FLO_EXTERN flo_status flo_value_map_set(flo_value *map, const char *key,
					flo_value *value);

/**
 * Add an entry with any key: string, int, uint or bool (CEL). @key and @value
 * are taken.
 *
 * Requires: @map is a map that only the caller holds, and neither of the two.
 * Returns what flo_value_map_set() does, with NULL for @key, too; FLO_TYPE if
 * @key has none of these types.
 */
FLO_EXTERN flo_status flo_value_map_add(flo_value *map, flo_value *key,
					flo_value *value);

/**
 * Find the value under a string key: borrowed, or NULL. What is no map, and
 * NULL, gives NULL.
 */
FLO_EXTERN const flo_value *flo_value_map_get(const flo_value *map,
					      const char *key);
FLO_EXTERN const flo_value *flo_value_map_getn(const flo_value *map,
					       const char *key, size_t len);

/**
 * Find the value under any key (1, 1u and 1.0 are one key): borrowed, or NULL.
 * What is no map, and NULL, gives NULL.
 */
FLO_EXTERN const flo_value *flo_value_map_find(const flo_value *map,
					       const flo_value *key);

/**
 * Give the value, and in *@ret_key (@ret_key may be NULL) the key, of entry @i
 * in order of insertion. Both are borrowed as long as the map lives.
 *
 * Requires: @map is a map; @i < flo_value_len().
 */
FLO_EXTERN const flo_value *flo_value_map_at(const flo_value *map, size_t i,
					     const flo_value **ret_key);

/**
 * Say whether two values are equal as CEL's == says: numbers across types by
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
 *
 * Returns FLO_OK and a value the caller owns; FLO_SYNTAX with line and column
 * in @err; FLO_NOMEM.
 */
FLO_EXTERN flo_status flo_value_from_json(const char *text, size_t len,
					  unsigned flags, flo_error *err,
					  flo_value **ret_value);

/**
 * Write compact JSON (types beyond JSON as protobuf's JSON mapping does).
 * Returns memory that the caller gives to flo_free(), or NULL without memory.
 */
FLO_EXTERN char *flo_value_to_json(const flo_value *value);

/** As flo_value_to_json(), with indentation, for people. */
FLO_EXTERN char *flo_value_to_json_pretty(const flo_value *value);

/**
 * Free memory that a function of this library gave to its caller. NULL is
 * allowed. Any thread.
 */
FLO_EXTERN void flo_free(void *mem);

#ifdef __cplusplus
}
#endif
#endif
