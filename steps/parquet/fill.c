/*
 * Columns filled and packed each by itself.
 *
 * Here nothing of the file is written, and nothing read but what never changes:
 * so there is nothing to guard.
 */
#include "steps/parquet/parquet_p.h"

#include "base/alloc.h"
#include "base/contract.h"
#include "base/utf8.h"

/* Values */

static flo_status put_number(struct flo__pcolumn *to,
			     const struct flo__parquet_cell *cell)
{
	bool known;
	flo_status st = flo__pcolumn_add(to, &cell->n, sizeof(cell->n), &known);

	if (!known && to->type == FLO__PARQUET_DOUBLE)
		flo__stats_double(&to->stats, cell->d);
	else if (!known)
		flo__stats_int(&to->stats, cell->n);
	return st;
}

static flo_status put_bool(struct flo__pcolumn *to, bool b)
{
	char byte = b ? 1 : 0;
	bool known;

	flo__stats_int(&to->stats, b);
	return flo__pcolumn_add(to, &byte, sizeof(byte), &known);
}

static flo_status put_text(struct flo__pcolumn *to, const char *text,
			   size_t len, flo_error *err)
{
	bool known;
	flo_status st;

	if (len > FLO__PARQUET_VALUE_MAX)
		return flo_error_set(err, FLO_LIMIT,
				     "column %s: a value of %zu bytes; at most "
				     "%u fit",
				     to->name, len, FLO__PARQUET_VALUE_MAX);
	st = flo__pcolumn_add(to, text, len, &known);
	if (st != FLO_OK || known)
		return st;
	if (!flo__utf8_valid(text, len))
		return flo_error_set(err, FLO_INVALID,
				     "column %s: a value is not UTF-8",
				     to->name);
	flo__stats_text(&to->stats, text, len);
	return FLO_OK;
}

flo_status flo__parquet_put(struct flo__pcolumn *to,
			    const struct flo__parquet_cell *cell,
			    flo_error *err)
{
	switch (to->type) {
	case FLO__PARQUET_BOOL:
		return put_bool(to, cell->n != 0);
	case FLO__PARQUET_INT:
	case FLO__PARQUET_TIME:
	case FLO__PARQUET_DOUBLE:
		return put_number(to, cell);
	case FLO__PARQUET_STRING:
	case FLO__PARQUET_JSON:
		break;
	}
	return put_text(to, cell->text, cell->len, err);
}

/* Columns */

static flo_status fill_one(struct flo__pcolumn *to,
			   const struct flo__parquet_cell *cell, flo_error *err)
{
	if (!cell->set)
		return flo__pcolumn_add_null(to);
	if (cell->same) {
		flo_status st = flo__pcolumn_add_again(to);

		if (st != FLO_NOTFOUND)
			return st;
	}
	return flo__parquet_put(to, cell, err);
}

flo_status flo__parquet_fill(struct flo__parquet *file, size_t column,
			     const struct flo__parquet_cell *cells, size_t rows,
			     flo_error *err)
{
	flo_status st = FLO_OK;

	REQUIRE(column < file->len);
	for (size_t i = 0; i < rows && st == FLO_OK; i++)
		st = fill_one(&file->columns[column], &cells[i], err);
	return st == FLO_OK ? st
			    : flo_error_set(err, st, "%s", flo_status_text(st));
}

flo_status flo__parquet_pack(struct flo__parquet *file, size_t column,
			     struct flo__parquet_packer *packer,
			     struct flo__parquet_group *group, flo_error *err)
{
	struct flo__pcolumn *from = &file->columns[column];
	flo_status st;

	REQUIRE(column < file->len && group->len == file->len);
	TRY(flo__pcolumn_settle(from));
	TRY(flo__parquet_chunk(file, from, packer, &group->chunk[column], err));
	flo__pcolumn_reset(from);
out:
	return st == FLO_OK ? st
			    : flo_error_set(err, st, "%s", flo_status_text(st));
}

size_t flo__parquet_column_bytes(const struct flo__parquet *file, size_t column)
{
	REQUIRE(column < file->len);
	return flo__pcolumn_bytes(&file->columns[column]);
}

const struct flo__parquet_limits *
flo__parquet_limits_of(const struct flo__parquet *file)
{
	return &file->limits;
}

/* Life */

flo_status flo__parquet_packer_new(const struct flo__parquet *file,
				   flo_error *err,
				   struct flo__parquet_packer **ret_packer)
{
	struct flo__parquet_packer *packer = flo__calloc(1, sizeof(*packer));

	if (packer == NULL)
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	flo__strbuf_init(&packer->page);
	flo__strbuf_init(&packer->packed);
	if (!file->limits.uncompressed)
		packer->zstd = flo__parquet_zstd_new();
	if (!file->limits.uncompressed && packer->zstd == NULL) {
		flo__parquet_packer_free(packer);
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	*ret_packer = packer;
	return FLO_OK;
}

void flo__parquet_packer_free(struct flo__parquet_packer *packer)
{
	if (packer == NULL)
		return;
	flo__strbuf_fini(&packer->page);
	flo__strbuf_fini(&packer->packed);
	flo__free(packer->numbers);
	flo__parquet_zstd_free(packer->zstd);
	flo__free(packer);
}

flo_status flo__parquet_group_new(const struct flo__parquet *file,
				  flo_error *err,
				  struct flo__parquet_group **ret_group)
{
	struct flo__parquet_group *group = flo__calloc(1, sizeof(*group));

	if (group != NULL)
		group->chunk = flo__calloc(file->len, sizeof(*group->chunk));
	if (group == NULL || group->chunk == NULL) {
		flo__parquet_group_free(group);
		return flo_error_set(err, FLO_NOMEM, "out of memory");
	}
	for (; group->len < file->len; group->len++)
		flo__strbuf_init(&group->chunk[group->len].out);
	*ret_group = group;
	return FLO_OK;
}

void flo__parquet_group_free(struct flo__parquet_group *group)
{
	if (group == NULL)
		return;
	for (size_t i = 0; i < group->len; i++)
		flo__strbuf_fini(&group->chunk[i].out);
	flo__free(group->chunk);
	flo__free(group);
}
