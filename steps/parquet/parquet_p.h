/* A Parquet file that is being written: shared by its parts. */
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

struct flo__parquet_packer {
	/* A page: before and after compression; one's levels or indices. */
	struct flo__strbuf page;
	struct flo__strbuf packed;
	uint32_t *numbers; /* owned */
	size_t number_cap;
	void *zstd; /* ZSTD_CCtx, owned; NULL: not compressed */
};

/* A column chunk: its pages, and what its description says but for places. */
struct flo__pchunk {
	struct flo__strbuf out;
	size_t rows;
	size_t values;
	struct flo__stats stats;
	bool dict;
	int64_t data_at; /* in @out; a dictionary is at 0 */
	int64_t raw;
	int64_t stored;
};

struct flo__parquet_group {
	struct flo__pchunk *chunk; /* owned; of each column */
	size_t len;
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

	/* Of rows that came one at a time: owned, made when it is needed. */
	struct flo__parquet_packer *packer;
	struct flo__parquet_group *group;
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

/* Put a value that is not null into a column, and into its statistics. */
flo_status flo__parquet_put(struct flo__pcolumn *column,
			    const struct flo__parquet_cell *cell,
			    flo_error *err);

/* Replace @chunk by a settled column's rows, as pages. */
flo_status flo__parquet_chunk(const struct flo__parquet *file,
			      const struct flo__pcolumn *column,
			      struct flo__parquet_packer *packer,
			      struct flo__pchunk *chunk, flo_error *err);

/* Append the description, as a struct, of a chunk that is written to @at. */
void flo__parquet_describe(const struct flo__parquet *file,
			   const struct flo__pcolumn *column,
			   const struct flo__pchunk *chunk, int64_t at,
			   struct flo__thrift *meta);

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
