#include "steps/parquet/stats.h"

#include "base/utf8.h"

#include <math.h>
#include <string.h>

void flo__stats_int(struct flo__stats *stats, int64_t n)
{
	if (!stats->any || n < stats->min_int)
		stats->min_int = n;
	if (!stats->any || n > stats->max_int)
		stats->max_int = n;
	stats->any = true;
}

void flo__stats_double(struct flo__stats *stats, double d)
{
	double low = d == 0 ? -0.0 : d;
	double high = d == 0 ? 0.0 : d;

	if (isnan(d))
		stats->nan = true;
	if (stats->nan) {
		stats->any = false;
		return;
	}
	if (!stats->any || low < stats->min_double ||
	    (low == 0 && stats->min_double == 0))
		stats->min_double = low;
	if (!stats->any || high > stats->max_double ||
	    (high == 0 && stats->max_double == 0))
		stats->max_double = high;
	stats->any = true;
}

static void keep(struct flo__stats_bound *bound, const char *text, size_t len)
{
	bound->cut = len > FLO__STATS_MAX;
	bound->len = bound->cut ? FLO__STATS_MAX : len;
	memcpy(bound->bytes, text, bound->len);
}

/*
 * Of two values that are cut to the same bytes it does not matter which is
 * kept; one that ends there is less than one that goes on.
 */
static int compare(const char *text, size_t len,
		   const struct flo__stats_bound *bound)
{
	size_t kept = len > FLO__STATS_MAX ? FLO__STATS_MAX : len;
	int order = memcmp(text, bound->bytes,
			   kept < bound->len ? kept : bound->len);

	if (order != 0)
		return order;
	if (kept != bound->len)
		return kept < bound->len ? -1 : 1;
	return (len > FLO__STATS_MAX) - bound->cut;
}

void flo__stats_text(struct flo__stats *stats, const char *text, size_t len)
{
	if (!stats->any || compare(text, len, &stats->min) < 0)
		keep(&stats->min, text, len);
	if (!stats->any || compare(text, len, &stats->max) > 0)
		keep(&stats->max, text, len);
	stats->any = true;
}

/* Take the last character off; the cut may have left only a part of it. */
static void drop_last(struct flo__stats_bound *bound)
{
	while (bound->len > 0 && (bound->bytes[--bound->len] & 0xc0) == 0x80)
		;
}

/* After a cut the last character may be a part only. */
static void drop_part(struct flo__stats_bound *bound)
{
	if (!flo__utf8_valid((const char *)bound->bytes, bound->len))
		drop_last(bound);
}

static size_t encode(uint32_t code, unsigned char *to)
{
	if (code < 0x80) {
		to[0] = (unsigned char)code;
		return 1;
	}
	if (code < 0x800) {
		to[0] = (unsigned char)(0xc0 | code >> 6);
		to[1] = (unsigned char)(0x80 | (code & 0x3f));
		return 2;
	}
	if (code < 0x10000) {
		to[0] = (unsigned char)(0xe0 | code >> 12);
		to[1] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
		to[2] = (unsigned char)(0x80 | (code & 0x3f));
		return 3;
	}
	to[0] = (unsigned char)(0xf0 | code >> 18);
	to[1] = (unsigned char)(0x80 | (code >> 12 & 0x3f));
	to[2] = (unsigned char)(0x80 | (code >> 6 & 0x3f));
	to[3] = (unsigned char)(0x80 | (code & 0x3f));
	return 4;
}

/*
 * Replace the last character by the next one, if there is one and it still
 * has room. The order of code points is that of their bytes in UTF-8.
 */
static bool raise_last(struct flo__stats_bound *bound)
{
	struct flo__stats_bound head = *bound;
	unsigned char next[4];
	uint32_t code = 0;
	size_t len;

	drop_last(&head);
	flo__utf8_next((const char *)&bound->bytes[head.len],
		       bound->len - head.len, &code);
	if (code == 0x10ffff)
		return false;
	len = encode(code == 0xd7ff ? 0xe000 : code + 1, next);
	if (head.len + len > FLO__STATS_MAX)
		return false;
	memcpy(&bound->bytes[head.len], next, len);
	bound->len = head.len + len;
	return true;
}

bool flo__stats_text_min(const struct flo__stats *stats,
			 struct flo__stats_bound *ret_bound)
{
	*ret_bound = stats->min;
	if (ret_bound->cut)
		drop_part(ret_bound);
	return stats->any;
}

bool flo__stats_text_max(const struct flo__stats *stats,
			 struct flo__stats_bound *ret_bound)
{
	*ret_bound = stats->max;
	if (!stats->any || !ret_bound->cut)
		return stats->any;
	drop_part(ret_bound);
	while (ret_bound->len > 0 && !raise_last(ret_bound))
		drop_last(ret_bound);
	return ret_bound->len > 0;
}
