/*
 * The least and the greatest value of a column in a row group.
 *
 * Readers leave out what cannot match by these, so they may be too wide, never
 * too narrow. Strings are compared by their bytes and kept to STATS_MAX of
 * them; the greatest is then rounded up, or left out where that cannot be.
 * A zero counts as both zeros. NaN is in no order: where one is, no bounds are
 * said. To say those of the other values would be allowed, but DuckDB, for
 * which NaN is the greatest, then misses the NaN that it looks for.
 *
 * Source: Statistics and ColumnOrder in parquet.thrift.
 */
#ifndef FLO_PARQUET_STATS_H
#define FLO_PARQUET_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FLO__STATS_MAX 64

struct flo__stats_bound {
	unsigned char bytes[FLO__STATS_MAX]; /* as PLAIN has it, no length */
	size_t len;
	bool cut; /* the value goes on */
};

struct flo__stats {
	bool any; /* bounds can be said */
	bool nan;
	int64_t min_int, max_int;
	double min_double, max_double;
	struct flo__stats_bound min, max; /* of texts */
};

void flo__stats_int(struct flo__stats *stats, int64_t n);
void flo__stats_double(struct flo__stats *stats, double d);
void flo__stats_text(struct flo__stats *stats, const char *text, size_t len);

/*
 * What is written of a text's bounds: valid UTF-8. False: none can be said.
 * @cut says in both that it is no value of the column.
 */
bool flo__stats_text_min(const struct flo__stats *stats,
			 struct flo__stats_bound *ret_bound);
bool flo__stats_text_max(const struct flo__stats *stats,
			 struct flo__stats_bound *ret_bound);

#endif
