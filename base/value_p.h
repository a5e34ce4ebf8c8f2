/* What the library itself does with values beyond flo/value.h. */
#ifndef FLO_BASE_VALUE_P_H
#define FLO_BASE_VALUE_P_H

#include <flo/value.h>

#include "base/strbuf.h"

/* Append @value as compact JSON. */
void flo__value_json(const flo_value *value, struct flo__strbuf *sb);

/*
 * Append @value as templates render it: a string as it is, a whole double
 * without ".0", everything else as compact JSON.
 */
void flo__value_text(const flo_value *value, struct flo__strbuf *sb);

/*
 * Tell about how many bytes of JSON @value takes, and how deep containers are
 * in it (0: it is none). Shared parts count as often as they would be written.
 * Both saturate, far beyond what can be written. Takes time the first time
 * only. @value and all in it are complete: nobody adds to them any more.
 *
 * Returns FLO_OK; FLO_NOMEM.
 */
flo_status flo__value_measure(const flo_value *value, uint64_t *ret_bytes,
			      uint32_t *ret_depth);

/* Whether the two are the same number, without rounding either. */
bool flo__int_is_double(int64_t n, double d);
bool flo__uint_is_double(uint64_t n, double d);

/* Add to a map that only the caller holds; 0 or NULL arguments are added too. */
flo_status flo__value_map_setn(flo_value *map, const char *key, size_t len,
			       flo_value *value);

/*
 * A value as @value with nothing of what @mask hides in it: in strings, keys
 * and bytes an occurrence becomes "***"; a number in which a value of at least
 * FLO__MASK_PART_MIN bytes can be read, and all of @value if its JSON still
 * holds one, become the string "***". Of keys that look the same then, the
 * first one stays. A new reference; NULL without memory.
 */
struct flo__mask;
flo_value *flo__value_mask(const flo_value *value,
			   const struct flo__mask *mask);

#endif
