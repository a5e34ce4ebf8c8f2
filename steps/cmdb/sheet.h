/*
 * A table that is being written, a row at a time, as Parquet or as CSV.
 *
 * CSV is RFC 4180's: a line of names, lines that end with CR LF, quotes where
 * they are needed. Null is nothing between two commas, an empty text is "".
 *
 * Threads: one at a time. Everything blocks.
 */
#ifndef FLO_CMDB_SHEET_H
#define FLO_CMDB_SHEET_H

#include "steps/cmdb/outfile.h"
#include "steps/parquet/parquet.h"

struct flo__sheet;

/* A value, or null; which member counts its column's type says. */
struct flo__cell {
	bool set;
	bool same; /* as in the row before, if that was of this sheet */
	int64_t n; /* BOOL, INT, TIME */
	double d;
	const char *text; /* STRING, JSON; borrowed */
	size_t len;
};

/*
 * Begin a table in @file, which is borrowed; @columns are copied. A pair of
 * texts in @meta, which ends with NULL, goes into Parquet's metadata.
 * FLO_NOMEM and what writing fails with.
 */
flo_status flo__sheet_open(struct flo__outfile *file, bool parquet,
			   const struct flo__parquet_column *columns,
			   size_t len, const char *const (*meta)[2],
			   flo_error *err, struct flo__sheet **ret_sheet);

/* Write a row of as many cells as there are columns. */
flo_status flo__sheet_row(struct flo__sheet *sheet,
			  const struct flo__cell *cells, flo_error *err);

/* Write what is left; *@ret_bytes is the file's size. */
flo_status flo__sheet_finish(struct flo__sheet *sheet, flo_error *err,
			     int64_t *ret_bytes);

/* NULL is allowed. */
void flo__sheet_close(struct flo__sheet *sheet);

#endif
