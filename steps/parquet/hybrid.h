/*
 * Parquet's RLE / bit-packing hybrid: definition levels and dictionary indices.
 *
 * A sequence of runs, each with a varint head. Head n << 1: the value that
 * follows, in whole bytes of the lowest first, n times. Head n << 1 | 1: n
 * groups of eight values, each of the width's bits, packed from the lowest bit
 * of the first byte on. Only the last group may be filled up, with zeros.
 *
 * Source: Encodings.md of Apache Parquet.
 */
#ifndef FLO_PARQUET_HYBRID_H
#define FLO_PARQUET_HYBRID_H

#include "base/strbuf.h"

#include <stdint.h>

/*
 * Append @values of @width bits. Requires: 1 <= @width <= 32, and every value
 * fits in it.
 */
void flo__hybrid_add(struct flo__strbuf *out, const uint32_t *values,
		     size_t len, unsigned width);

/* The bits that numbers up to @max need, at least 1. */
unsigned flo__hybrid_width(uint32_t max);

#endif
