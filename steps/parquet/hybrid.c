#include "steps/parquet/hybrid.h"

#include "base/contract.h"
#include "steps/parquet/thrift.h"

/* Shorter runs than a group cost more as runs than packed. */
#define GROUP 8u

unsigned flo__hybrid_width(uint32_t max)
{
	return max == 0 ? 1 : 32u - (unsigned)__builtin_clz(max);
}

/* How often the first value comes in a row; stops looking at @max. */
static size_t run_len(const uint32_t *values, size_t len, size_t max)
{
	size_t n = 1;

	while (n < len && n < max && values[n] == values[0])
		n++;
	return n;
}

static void add_run(struct flo__strbuf *out, uint32_t value, size_t len,
		    unsigned width)
{
	flo__varint_add(out, (uint64_t)len << 1);
	for (unsigned bit = 0; bit < width; bit += 8)
		flo__strbuf_addc(out, (char)(value >> bit));
}

/* Up to eight values as @width bytes; what is missing is zeros. */
static void add_group(struct flo__strbuf *out, const uint32_t *values,
		      size_t len, unsigned width)
{
	uint64_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < GROUP; i++) {
		bits |= (uint64_t)(i < len ? values[i] : 0) << have;
		for (have += width; have >= 8; have -= 8, bits >>= 8)
			flo__strbuf_addc(out, (char)bits);
	}
}

static void add_packed(struct flo__strbuf *out, const uint32_t *values,
		       size_t len, unsigned width)
{
	flo__varint_add(out, (uint64_t)((len + GROUP - 1) / GROUP) << 1 | 1);
	for (size_t i = 0; i < len; i += GROUP)
		add_group(out, &values[i], len - i, width);
}

/* How many values are better packed, up to the next run: whole groups. */
static size_t packed_len(const uint32_t *values, size_t len)
{
	size_t n = 0;

	while (n < len && run_len(&values[n], len - n, GROUP) < GROUP)
		n += GROUP;
	return n < len ? n : len;
}

void flo__hybrid_add(struct flo__strbuf *out, const uint32_t *values,
		     size_t len, unsigned width)
{
	REQUIRE(width >= 1 && width <= 32);
	for (size_t i = 0; i < len;) {
		size_t n = packed_len(&values[i], len - i);

		if (n > 0) {
			add_packed(out, &values[i], n, width);
		} else {
			n = run_len(&values[i], len - i, len - i);
			add_run(out, values[i], n, width);
		}
		i += n;
	}
}
