/* A Parquet file that is being written: shared by writer, chunk and footer. */
#ifndef FLO_PARQUET_PARQUET_P_H
#define FLO_PARQUET_PARQUET_P_H

#include "steps/parquet/column.h"
#include "steps/parquet/parquet.h"
#include "steps/parquet/thrift.h"

/* Numbers of parquet.thrift. */
enum {
	FLO__PQ_BOOLEAN = 0,
	FLO__PQ_INT64 = 2,
	FLO__PQ_DOUBLE = 5,
	FLO__PQ_BYTE_ARRAY = 6,

	FLO__PQ_PLAIN = 0,
	FLO__PQ_RLE = 3,
	FLO__PQ_RLE_DICTIONARY = 8,

	FLO__PQ_UNCOMPRESSED = 0,
	FLO__PQ_ZSTD = 6,
};

struct flo__parquet {
	struct flo__pcolumn *columns; /* owned */
	size_t len;
	struct flo__parquet_limits limits; /* without zeros */
	flo__parquet_write_fn write;
	void *arg; /* borrowed */
	flo_error error;
	bool finished;

	int64_t at;		/* bytes of the file before @out */
	struct flo__strbuf out; /* not yet written */

	size_t rows;	  /* of this row group */
	size_t unseen;	  /* bytes since they were added up, about */
	int64_t rows_all; /* of all that are written */
	size_t group_len;
	struct flo__strbuf groups; /* their part of the footer */
	struct flo__strbuf meta;   /* pairs, likewise */
	size_t meta_len;

	/* A page: before and after compression; one's levels or indices. */
	struct flo__strbuf page;
	struct flo__strbuf packed;
	uint32_t *numbers; /* owned */
	size_t number_cap;
	void *zstd; /* ZSTD_CCtx, owned; NULL: not compressed */
};

/* Where the next byte of @file->out lies in the file. */
static inline int64_t flo__parquet_at(const struct flo__parquet *file)
{
	return file->at + (int64_t)file->out.len;
}

/* The column's physical type. */
int flo__parquet_physical(enum flo__parquet_type type);

/* Write what gathered in @file->out, if it is @least bytes or more. */
flo_status flo__parquet_flush(struct flo__parquet *file, size_t least,
			      flo_error *err);

/*
 * Write a settled column's rows as the pages of a column chunk, and its
 * description as a struct to @meta. Adds its sizes to *@raw and *@stored.
 */
flo_status flo__parquet_chunk(struct flo__parquet *file,
			      const struct flo__pcolumn *column,
			      struct flo__thrift *meta, int64_t *raw,
			      int64_t *stored, flo_error *err);

/* Append the footer, its length and the closing magic to @file->out. */
void flo__parquet_footer(struct flo__parquet *file);

/* zstd, where it was built in: NULL otherwise, and if there is no memory. */
void *flo__parquet_zstd_new(void);
void flo__parquet_zstd_free(void *zstd);
bool flo__parquet_has_zstd(void);
/* Replace @to by @from's bytes, compressed. */
flo_status flo__parquet_zstd_pack(void *zstd, const struct flo__strbuf *from,
				  struct flo__strbuf *to, flo_error *err);

#endif
