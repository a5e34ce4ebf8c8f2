/*
 * A table that is being written, a block of rows at a time, as Parquet or CSV.
 *
 * CSV is RFC 4180's: a line of names, lines that end with CR LF, quotes where
 * they are needed. Null is nothing between two commas, an empty text is "".
 *
 * A block goes through three hands. Whoever has filled in its cells also has it
 * formatted. Then, for Parquet, each lane, which is some of the columns, takes
 * its columns' cells out of block after block in their order; and then the block
 * is put, again in their order, which writes. Lanes have nothing in common.
 *
 * Threads: one at a time, but for formatting, which touches the block alone,
 * and for lanes, of which each is one. What has come to whom is the caller's to
 * see to. Only opening, putting and finishing block.
 */
#ifndef FLO_CMDB_SHEET_H
#define FLO_CMDB_SHEET_H

#include "steps/cmdb/outfile.h"
#include "steps/parquet/parquet.h"

struct flo__sheet;

/* Rows on their way. */
struct flo__block {
	/* Owned: @cap of the first column, then @cap of the next. */
	struct flo__parquet_cell *cells;
	size_t cap;
	size_t rows;
	bool ends;			  /* the group of rows ends with it */
	struct flo__strbuf csv;		  /* what there is to write */
	struct flo__parquet_group *group; /* owned; NULL unless it ends */
};

/*
 * Begin a table in @file, which is borrowed; @columns are copied. A pair of
 * texts in @meta, which ends with NULL, goes into Parquet's metadata. @limits,
 * which may be NULL, are Parquet's. FLO_NOMEM and what writing fails with.
 */
flo_status flo__sheet_open(struct flo__outfile *file, bool parquet,
			   const struct flo__parquet_column *columns,
			   size_t len, const char *const (*meta)[2],
			   const struct flo__parquet_limits *limits,
			   flo_error *err, struct flo__sheet **ret_sheet);

size_t flo__sheet_columns(const struct flo__sheet *sheet);

/* How many lanes there are: none of CSV. */
size_t flo__sheet_lanes(const struct flo__sheet *sheet);

/* A block for @sheet of so many rows at most; its cells are null. FLO_NOMEM. */
flo_status flo__block_init(struct flo__block *block,
			   const struct flo__sheet *sheet, size_t cap);
/* Zeros are allowed. */
void flo__block_fini(struct flo__block *block);
/* For rows anew: all is null. */
void flo__block_reset(struct flo__block *block, const struct flo__sheet *sheet);

/* The group of rows is to end with the block. FLO_NOMEM. */
flo_status flo__block_end(struct flo__block *block,
			  const struct flo__sheet *sheet, flo_error *err);

/*
 * Take @rows with @bytes of text into account, which are to be in the next
 * block. True if the group ends with it, as it has as many rows as it may.
 */
bool flo__sheet_count(struct flo__sheet *sheet, size_t rows, size_t bytes);
/* How many rows the next block may have. */
size_t flo__sheet_room(const struct flo__sheet *sheet);
/*
 * Whether the group's memory should be looked at, and whether it is full.
 * Requires of the second: no lane is at work, and none is behind another.
 */
bool flo__sheet_asks(const struct flo__sheet *sheet);
bool flo__sheet_is_full(struct flo__sheet *sheet);
/* The next block ends the group. False if the group has no rows. */
bool flo__sheet_end_group(struct flo__sheet *sheet);

/* What can be made of the cells of the block alone. FLO_NOMEM. */
flo_status flo__sheet_format(const struct flo__sheet *sheet,
			     struct flo__block *block, flo_error *err);

/* Take the lane's columns. FLO_NOMEM, FLO_LIMIT, FLO_INVALID. */
flo_status flo__sheet_take(struct flo__sheet *sheet, size_t lane,
			   const struct flo__block *block, flo_error *err);

/* Write what the block has brought. Requires: all lanes have had it. */
flo_status flo__sheet_put(struct flo__sheet *sheet, struct flo__block *block,
			  flo_error *err);

/*
 * Write what belongs behind all rows; *@ret_bytes is the file's size.
 * Requires: the last group has ended.
 */
flo_status flo__sheet_finish(struct flo__sheet *sheet, flo_error *err,
			     int64_t *ret_bytes);

/* NULL is allowed. */
void flo__sheet_close(struct flo__sheet *sheet);

#endif
