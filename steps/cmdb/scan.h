/* Looking through the bytes of JSON, fast. */
#ifndef FLO_CMDB_SCAN_H
#define FLO_CMDB_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* A byte that something inside a string may depend on. */
static inline bool flo__scan_stops(char c)
{
	return c == '"' || c == '\\' || c == '\n';
}

/*
 * The place of the next quote, backslash or line end in @buf, from @i on, or
 * @to. Most of what records consist of is inside strings.
 */
static inline size_t flo__scan_string(const char *buf, size_t i, size_t to)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i escape = _mm_set1_epi8('\\');
	const __m128i line = _mm_set1_epi8('\n');

	for (; i + 16 <= to; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(buf + i));
		__m128i stops =
			_mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote),
						  _mm_cmpeq_epi8(v, escape)),
				     _mm_cmpeq_epi8(v, line));
		int mask = _mm_movemask_epi8(stops);

		if (mask != 0)
			return i + (size_t)__builtin_ctz((unsigned)mask);
	}
#endif
	while (i < to && !flo__scan_stops(buf[i]))
		i++;
	return i;
}

/*
 * How many of the first bytes of @buf need no look: neither quote, backslash
 * nor control, and ASCII.
 */
static inline size_t flo__scan_text(const char *buf, size_t len)
{
	size_t i = 0;

#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"');
	const __m128i escape = _mm_set1_epi8('\\');
	const __m128i space = _mm_set1_epi8(' ');

	for (; i + 16 <= len; i += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(buf + i));
		/* As signed bytes, what is not ASCII is less than a space. */
		__m128i stops =
			_mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(v, quote),
						  _mm_cmpeq_epi8(v, escape)),
				     _mm_cmplt_epi8(v, space));
		int mask = _mm_movemask_epi8(stops);

		if (mask != 0)
			return i + (size_t)__builtin_ctz((unsigned)mask);
	}
#endif
	while (i < len && buf[i] != '"' && buf[i] != '\\' &&
	       (unsigned char)buf[i] >= 0x20 && (unsigned char)buf[i] < 0x80)
		i++;
	return i;
}

#endif
