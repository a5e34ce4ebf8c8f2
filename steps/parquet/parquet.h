/*
 * Write a Parquet file: flat, every column nullable.
 *
 * A row is put together column by column and ended; rows gather in memory, and
 * go out as a row group once there are enough of them. Nothing is sought: the
 * bytes come in order, to a function of the caller's. A file that was not
 * closed with success has no footer and no reader takes it; the caller gives it
 * its name only afterwards.
 *
 * The first failure stays: what comes after it does nothing, and every call
 * that can tell tells it again.
 *
 * Memory: what is held of a row group is bounded by bytes_max and, while
 * buffers grow, twice that; beside it the group's packed columns, pages of about
 * page_bytes (or one value, where that is longer), three times, zstd's 1-3 MiB,
 * and for the footer some 150 bytes a column and row group.
 *
 * Threads: one at a time, unless a function says something else. Only the
 * caller's function blocks.
 */
#ifndef FLO_PARQUET_PARQUET_H
#define FLO_PARQUET_PARQUET_H

#include "base/strbuf.h"

#include <flo/error.h>
#include <stdbool.h>
#include <stdint.h>

struct flo__parquet;

enum flo__parquet_type {
	FLO__PARQUET_BOOL,
	FLO__PARQUET_INT,    /* 64 bits */
	FLO__PARQUET_DOUBLE, /* NaN and -0.0 are kept */
	FLO__PARQUET_STRING, /* UTF-8 */
	FLO__PARQUET_JSON,   /* UTF-8 too */
	FLO__PARQUET_TIME,   /* microseconds since 1970, UTC */
};

struct flo__parquet_column {
	const char *name; /* UTF-8; copied */
	enum flo__parquet_type type;
};

/* Longer values are refused; readers hold a page in 31 bits. */
#define FLO__PARQUET_VALUE_MAX (256u << 20)

/* Zeros stand for what is written beside them. */
struct flo__parquet_limits {
	size_t rows_max;   /* of a row group: 122880 */
	size_t bytes_max;  /* of a row group, in memory: 64 MiB */
	size_t page_bytes; /* of a page, before compression: 1 MiB */
	size_t dict_bytes; /* of a dictionary; 1 MiB */
	bool uncompressed; /* as where there is no zstd: false */
};

/* Write the bytes in @sb and empty it. */
typedef flo_status (*flo__parquet_write_fn)(void *arg, struct flo__strbuf *sb,
					    flo_error *err);

/*
 * Begin a file that @write(@arg) gets. @limits may be NULL. FLO_NOMEM.
 *
 * Requires: @len > 0.
 */
flo_status flo__parquet_open(const struct flo__parquet_column *columns,
			     size_t len,
			     const struct flo__parquet_limits *limits,
			     flo__parquet_write_fn write, void *arg,
			     flo_error *err, struct flo__parquet **ret_file);

/*
 * Put a value into the row that is being put together: each column at most
 * once; what is not put is null. Failures show at the row's end. Requires: the
 * column is of that type; for text, STRING or JSON.
 */
void flo__parquet_put_bool(struct flo__parquet *file, size_t column, bool b);
void flo__parquet_put_int(struct flo__parquet *file, size_t column, int64_t n);
void flo__parquet_put_double(struct flo__parquet *file, size_t column,
			     double d);
void flo__parquet_put_time(struct flo__parquet *file, size_t column,
			   int64_t us);
void flo__parquet_put_text(struct flo__parquet *file, size_t column,
			   const char *text, size_t len);

/*
 * Put the value of the row before, whatever the type, without a look at it.
 * False: it is not at hand, and nothing was put.
 */
bool flo__parquet_put_again(struct flo__parquet *file, size_t column);

/*
 * End the row, and the row group if it is full. FLO_INVALID: a text was no
 * UTF-8; FLO_LIMIT: it was too long; FLO_NOMEM; what the caller's function said.
 */
flo_status flo__parquet_end_row(struct flo__parquet *file, flo_error *err);

/*
 * Many rows at once, a column at a time: beside the functions above, not among
 * them. A group's rows are filled into each column, then each column is packed,
 * then the group is put. Columns have nothing in common while that goes on: so
 * each may be filled and packed by another thread, and be behind the others or,
 * with the next group, ahead of them. How many rows a group has and when it is
 * full is the caller's to say.
 */

/* A value, or null; which member counts its column's type says. */
struct flo__parquet_cell {
	union {
		int64_t n; /* BOOL, INT, TIME */
		double d;
		const char *text; /* STRING, JSON; borrowed */
	};
	uint32_t len; /* of the text */
	bool set;
	bool same; /* as in the row before, if that was of this file */
};

/* What packing needs beside a column; for one call at a time. */
struct flo__parquet_packer;
/* A group's columns, packed. */
struct flo__parquet_group;

/* FLO_NOMEM. Threads: any. */
flo_status flo__parquet_packer_new(const struct flo__parquet *file,
				   flo_error *err,
				   struct flo__parquet_packer **ret_packer);
/* NULL is allowed. */
void flo__parquet_packer_free(struct flo__parquet_packer *packer);

/* For as many columns as @file has. FLO_NOMEM. Threads: any. */
flo_status flo__parquet_group_new(const struct flo__parquet *file,
				  flo_error *err,
				  struct flo__parquet_group **ret_group);
/* NULL is allowed. */
void flo__parquet_group_free(struct flo__parquet_group *group);

/*
 * Add @cells, @rows of them, to a column. Errors as of flo__parquet_end_row();
 * the column is of no use then. Threads: one at a time of each column.
 */
flo_status flo__parquet_fill(struct flo__parquet *file, size_t column,
			     const struct flo__parquet_cell *cells, size_t rows,
			     flo_error *err);

/*
 * Pack a column's rows into its place in @group; it begins anew. FLO_NOMEM.
 * Threads: as flo__parquet_fill(); nobody else uses @packer meanwhile.
 */
flo_status flo__parquet_pack(struct flo__parquet *file, size_t column,
			     struct flo__parquet_packer *packer,
			     struct flo__parquet_group *group, flo_error *err);

/*
 * Write @group, which is empty afterwards. Errors as of flo__parquet_end_row().
 *
 * Requires: every column was packed into it, with the same rows. Threads: one
 * at a time, in the order of the groups.
 */
flo_status flo__parquet_put_group(struct flo__parquet *file,
				  struct flo__parquet_group *group,
				  flo_error *err);

/* About the bytes that a column holds. Threads: as flo__parquet_fill(). */
size_t flo__parquet_column_bytes(const struct flo__parquet *file,
				 size_t column);

/* As @file has them: without zeros. Never changed, so from any thread. */
const struct flo__parquet_limits *
flo__parquet_limits_of(const struct flo__parquet *file);

/* Add a pair of texts to the file's metadata; both are copied. */
void flo__parquet_add_meta(struct flo__parquet *file, const char *key,
			   const char *value);

/*
 * Write what is left and the footer. Once; without it the file is none.
 * Errors as of flo__parquet_end_row().
 *
 * Requires: no row is half put.
 */
flo_status flo__parquet_finish(struct flo__parquet *file, flo_error *err);

/* Bytes written so far. */
int64_t flo__parquet_bytes(const struct flo__parquet *file);

/* Free it. NULL is allowed. */
void flo__parquet_free(struct flo__parquet *file);

#endif
