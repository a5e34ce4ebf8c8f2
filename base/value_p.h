/* What the library itself does with values beyond flo/value.h. */
#ifndef FLO_BASE_VALUE_P_H
#define FLO_BASE_VALUE_P_H

#include <flo/value.h>

#include "base/strbuf.h"

/* Append @value as compact JSON. */
void flo__value_json(const flo_value *value, struct flo__strbuf *sb);

/*
 * Append @value as templates render it: a string as it is, everything else as
 * compact JSON.
 */
void flo__value_text(const flo_value *value, struct flo__strbuf *sb);

/* Add to a map that only the caller holds; 0 or NULL arguments are added too. */
flo_status flo__value_map_setn(flo_value *map, const char *key, size_t len,
			       flo_value *value);

#endif
