#include "fuzz.h"

#include "base/alloc.h"
#include "base/contract.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fuzz_fail(const char *file, int line, const char *claim,
	       const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, claim);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

long fuzz_nth_allocation(const uint8_t *data, size_t len, long count)
{
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

	if (count == 0 || getenv("FLO_FUZZ_ALLOC") == NULL)
		return 0;
	for (size_t i = 0; i < len; i++)
		hash = (hash ^ data[i]) * UINT64_C(1099511628211);
	return 1 + (long)((hash >> 16) % (uint64_t)count);
}

void fuzz_count_allocations(void)
{
	flo__alloc_fail_at(LONG_MAX, 0);
}
