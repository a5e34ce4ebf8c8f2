/*
 * Note: pages.
 *
 * A column chunk is a dictionary page, if there is a dictionary, and data pages
 * (version 1), each a header in thrift and a body that is compressed as one:
 *
 *	dictionary:	the entries as PLAIN
 *	data:		4 bytes, the length of the levels
 *			the levels, 0 for null and 1 for a value (hybrid.h)
 *			the values that are not null:
 *			  PLAIN, or
 *			  1 byte, the width of an index, and indices (hybrid.h)
 *			  without a length, up to the page's end
 *
 * PLAIN is 8 bytes of an integer or double, 4 bytes of length and the bytes of
 * a text, and of booleans bits from the lowest on; all is little-endian. The
 * sizes of a chunk count the headers of its pages too.
 *
 * Source: README.md, Encodings.md and parquet.thrift of Apache Parquet.
 */
#include "steps/parquet/parquet_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "steps/parquet/hybrid.h"

#include <string.h>

enum {
	PAGE_DATA = 0,
	PAGE_DICTIONARY = 2
};

struct chunk {
	const struct flo__parquet *file;
	const struct flo__pcolumn *column;
	struct flo__parquet_packer *packer;
	struct flo__pchunk *to;
	/* The next row, and where its value is among indices or plain ones. */
	size_t row;
	size_t index;
	size_t plain;
};

/* Rows of a page that begins at the next row. */
struct page {
	size_t rows;
	size_t values;
	size_t plain_len; /* bytes at chunk->plain; 0 of indices */
	bool indices;
};

int flo__parquet_physical(enum flo__parquet_type type)
{
	switch (type) {
	case FLO__PARQUET_BOOL:
		return FLO__PQ_BOOLEAN;
	case FLO__PARQUET_INT:
	case FLO__PARQUET_TIME:
		return FLO__PQ_INT64;
	case FLO__PARQUET_DOUBLE:
		return FLO__PQ_DOUBLE;
	case FLO__PARQUET_STRING:
	case FLO__PARQUET_JSON:
		break;
	}
	return FLO__PQ_BYTE_ARRAY;
}

/* The length in column->plain of the value at @at. */
static size_t plain_len(const struct flo__pcolumn *column, size_t at)
{
	uint32_t len;

	switch (flo__parquet_physical(column->type)) {
	case FLO__PQ_BOOLEAN:
		return 1;
	case FLO__PQ_BYTE_ARRAY:
		memcpy(&len, column->plain.data + at, sizeof(len));
		return sizeof(len) + len;
	default:
		return sizeof(int64_t);
	}
}

/* A page is at least a row, and all of its rows are of one encoding. */
static struct page next_page(const struct chunk *chunk)
{
	const struct flo__pcolumn *column = chunk->column;
	size_t dict = flo__pcolumn_dict_rows(column);
	struct page page = {.indices = chunk->row < dict};
	size_t end = page.indices ? dict : flo__pcolumn_rows(column);
	size_t bytes = 0;

	for (size_t i = chunk->row; i < end; i++) {
		bytes++;
		page.rows++;
		if (column->present.data[i] != 0) {
			size_t len =
				page.indices
					? 0
					: plain_len(column,
						    chunk->plain +
							    page.plain_len);

			page.values++;
			page.plain_len += len;
			bytes += page.indices ? sizeof(uint32_t) : len;
		}
		if (bytes >= chunk->file->limits.page_bytes)
			break;
	}
	return page;
}

/* Body */

static flo_status reserve_numbers(struct flo__parquet_packer *packer,
				  size_t len)
{
	uint32_t *mem;

	if (len <= packer->number_cap)
		return FLO_OK;
	mem = flo__reallocarray(packer->numbers, len, sizeof(*mem));
	if (mem == NULL)
		return FLO_NOMEM;
	packer->numbers = mem;
	packer->number_cap = len;
	return FLO_OK;
}

static flo_status add_levels(const struct chunk *chunk, const struct page *page)
{
	struct flo__parquet_packer *packer = chunk->packer;
	struct flo__strbuf *sb = &packer->page;
	uint32_t len = 0;
	flo_status st = reserve_numbers(packer, page->rows);

	if (st != FLO_OK)
		return st;
	for (size_t i = 0; i < page->rows; i++)
		packer->numbers[i] =
			(uint32_t)chunk->column->present.data[chunk->row + i];
	flo__strbuf_add(sb, &len, sizeof(len));
	flo__hybrid_add(sb, packer->numbers, page->rows, 1);
	st = flo__strbuf_status(sb);
	if (st != FLO_OK)
		return st;
	len = (uint32_t)(sb->len - sizeof(len));
	memcpy(sb->data, &len, sizeof(len));
	return FLO_OK;
}

static void add_bits(struct flo__strbuf *sb, const char *bools, size_t len)
{
	for (size_t i = 0; i < len; i += 8) {
		unsigned bits = 0;

		for (size_t j = 0; j < 8 && i + j < len; j++)
			bits |= (unsigned)(bools[i + j] != 0) << j;
		flo__strbuf_addc(sb, (char)bits);
	}
}

static void add_values(const struct chunk *chunk, const struct page *page)
{
	const struct flo__pcolumn *column = chunk->column;
	struct flo__strbuf *sb = &chunk->packer->page;
	unsigned width;

	if (page->indices) {
		width = column->entry_len == 0
				? 1
				: flo__hybrid_width(
					  (uint32_t)column->entry_len - 1);
		flo__strbuf_addc(sb, (char)width);
		flo__hybrid_add(sb, &column->index[chunk->index], page->values,
				width);
	} else if (column->type == FLO__PARQUET_BOOL) {
		add_bits(sb, column->plain.data + chunk->plain, page->values);
	} else {
		flo__strbuf_add(sb, column->plain.data + chunk->plain,
				page->plain_len);
	}
}

/* Header */

static void add_data_header(struct flo__thrift *t, const struct page *page)
{
	flo__thrift_struct(t, 5);
	flo__thrift_i32(t, 1, (int32_t)page->rows);
	flo__thrift_i32(t, 2,
			page->indices ? FLO__PQ_RLE_DICTIONARY : FLO__PQ_PLAIN);
	flo__thrift_i32(t, 3, FLO__PQ_RLE);
	flo__thrift_i32(t, 4, FLO__PQ_RLE);
	flo__thrift_end(t);
}

static void add_dict_header(struct flo__thrift *t, size_t len)
{
	flo__thrift_struct(t, 7);
	flo__thrift_i32(t, 1, (int32_t)len);
	flo__thrift_i32(t, 2, FLO__PQ_PLAIN);
	flo__thrift_end(t);
}

/* Compress and append packer->page; @page is NULL for the dictionary's. */
static flo_status put_page(struct chunk *chunk, const struct page *page,
			   flo_error *err)
{
	struct flo__parquet_packer *packer = chunk->packer;
	struct flo__strbuf *out = &chunk->to->out;
	struct flo__thrift t = {.out = out};
	struct flo__strbuf *body = &packer->page;
	size_t begin = out->len;
	flo_status st;

	TRY(flo__strbuf_status(&packer->page));
	if (packer->zstd != NULL) {
		TRY(flo__parquet_zstd_pack(packer->zstd, &packer->page,
					   &packer->packed, err));
		body = &packer->packed;
	}
	flo__thrift_begin(&t);
	flo__thrift_i32(&t, 1, page != NULL ? PAGE_DATA : PAGE_DICTIONARY);
	flo__thrift_i32(&t, 2, (int32_t)packer->page.len);
	flo__thrift_i32(&t, 3, (int32_t)body->len);
	if (page != NULL)
		add_data_header(&t, page);
	else
		add_dict_header(&t, chunk->column->entry_len);
	flo__thrift_end(&t);
	chunk->to->raw += (int64_t)(out->len - begin + packer->page.len);
	chunk->to->stored += (int64_t)(out->len - begin + body->len);
	flo__strbuf_add(out, body->data, body->len);
	flo__strbuf_reset(&packer->page);
	st = flo__strbuf_status(out);
out:
	return st;
}

static flo_status write_dict(struct chunk *chunk, flo_error *err)
{
	const struct flo__pcolumn *column = chunk->column;

	if (column->entry_len == 0)
		return FLO_OK;
	chunk->to->dict = true;
	flo__strbuf_add(&chunk->packer->page, column->entries.data,
			column->entries.len);
	return put_page(chunk, NULL, err);
}

static flo_status write_data(struct chunk *chunk, flo_error *err)
{
	flo_status st = FLO_OK;

	chunk->to->data_at = (int64_t)chunk->to->out.len;
	while (chunk->row < flo__pcolumn_rows(chunk->column)) {
		struct page page = next_page(chunk);

		TRY(add_levels(chunk, &page));
		add_values(chunk, &page);
		TRY(put_page(chunk, &page, err));
		chunk->row += page.rows;
		chunk->index += page.indices ? page.values : 0;
		chunk->plain += page.plain_len;
	}
out:
	return st;
}

flo_status flo__parquet_chunk(const struct flo__parquet *file,
			      const struct flo__pcolumn *column,
			      struct flo__parquet_packer *packer,
			      struct flo__pchunk *to, flo_error *err)
{
	struct chunk chunk = {.file = file,
			      .column = column,
			      .packer = packer,
			      .to = to};
	flo_status st;

	flo__strbuf_reset(&packer->page);
	flo__strbuf_reset(&to->out);
	to->rows = flo__pcolumn_rows(column);
	to->values = column->values;
	to->stats = column->stats;
	to->dict = false;
	to->raw = to->stored = 0;
	TRY(write_dict(&chunk, err));
	st = write_data(&chunk, err);
out:
	return st;
}

/* Description */

static void add_bounds(struct flo__thrift *t, const void *max, size_t max_len,
		       const void *min, size_t min_len)
{
	if (max != NULL)
		flo__thrift_bytes(t, 5, max, max_len);
	if (min != NULL)
		flo__thrift_bytes(t, 6, min, min_len);
}

static void add_text_bounds(struct flo__thrift *t,
			    const struct flo__stats *stats)
{
	struct flo__stats_bound max, min;
	bool has_max = flo__stats_text_max(stats, &max);
	bool has_min = flo__stats_text_min(stats, &min);

	add_bounds(t, has_max ? max.bytes : NULL, max.len,
		   has_min ? min.bytes : NULL, min.len);
	if (has_max)
		flo__thrift_bool(t, 7, !max.cut);
	if (has_min)
		flo__thrift_bool(t, 8, !min.cut);
}

static void add_number_bounds(struct flo__thrift *t,
			      enum flo__parquet_type type,
			      const struct flo__stats *s)
{
	unsigned char max = (unsigned char)s->max_int;
	unsigned char min = (unsigned char)s->min_int;

	if (type == FLO__PARQUET_BOOL)
		add_bounds(t, &max, 1, &min, 1);
	else if (type == FLO__PARQUET_DOUBLE)
		add_bounds(t, &s->max_double, sizeof(double), &s->min_double,
			   sizeof(double));
	else
		add_bounds(t, &s->max_int, sizeof(int64_t), &s->min_int,
			   sizeof(int64_t));
}

static void add_stats(struct flo__thrift *t, enum flo__parquet_type type,
		      const struct flo__pchunk *chunk)
{
	flo__thrift_struct(t, 12);
	flo__thrift_i64(t, 3, (int64_t)(chunk->rows - chunk->values));
	if (chunk->stats.any) {
		if (flo__parquet_physical(type) == FLO__PQ_BYTE_ARRAY)
			add_text_bounds(t, &chunk->stats);
		else
			add_number_bounds(t, type, &chunk->stats);
	}
	flo__thrift_end(t);
}

static void add_encodings(struct flo__thrift *t, bool dict)
{
	/* A dictionary's entries are PLAIN too. */
	flo__thrift_list(t, 2, FLO__THRIFT_I32, dict ? 3 : 2);
	flo__thrift_item_i32(t, FLO__PQ_PLAIN);
	flo__thrift_item_i32(t, FLO__PQ_RLE);
	if (dict)
		flo__thrift_item_i32(t, FLO__PQ_RLE_DICTIONARY);
}

void flo__parquet_describe(const struct flo__parquet *file,
			   const struct flo__pcolumn *column,
			   const struct flo__pchunk *chunk, int64_t at,
			   struct flo__thrift *t)
{
	flo__thrift_begin(t);
	flo__thrift_i64(t, 2, 0);
	flo__thrift_struct(t, 3);
	flo__thrift_i32(t, 1, flo__parquet_physical(column->type));
	add_encodings(t, chunk->dict);
	flo__thrift_list(t, 3, FLO__THRIFT_BINARY, 1);
	flo__thrift_item_bytes(t, column->name, strlen(column->name));
	flo__thrift_i32(t, 4,
			file->limits.uncompressed ? FLO__PQ_UNCOMPRESSED
						  : FLO__PQ_ZSTD);
	flo__thrift_i64(t, 5, (int64_t)chunk->rows);
	flo__thrift_i64(t, 6, chunk->raw);
	flo__thrift_i64(t, 7, chunk->stored);
	flo__thrift_i64(t, 9, at + chunk->data_at);
	if (chunk->dict)
		flo__thrift_i64(t, 11, at);
	add_stats(t, column->type, chunk);
	flo__thrift_end(t);
	flo__thrift_end(t);
}
